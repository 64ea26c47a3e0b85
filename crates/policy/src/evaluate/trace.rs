//! The way of one frame through the stages. Knows how a decision is told; takes none itself.

use std::fmt;

use crate::document::Guard;
use crate::origin::Origin;
use crate::rule::Verdict;

use super::effective;

/// A verdict with its reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evaluation {
    /// What happens to the frame.
    pub verdict: Verdict,
    /// What would have happened, where the deciding rule only audits.
    pub audited: Option<Verdict>,
    pub decider: Decider,
    /// Every stage that the frame came to, the deciding one last.
    pub steps: Vec<Step>,
}

impl Evaluation {
    /// Whether the frame goes on.
    pub fn passes(&self) -> bool {
        self.verdict == Verdict::Accept
    }
}

/// One stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub stage: &'static str,
    pub text: String,
    /// Where the rule or default that decided is written.
    pub origin: Option<Origin>,
}

/// What decided. Its display form is also the name of its counter and of its log line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Decider {
    /// The port is not admitted.
    Quarantine,
    /// The frame cannot be read.
    Malformed,
    /// Its VLAN tag is not listed.
    Tagged,
    Guard(Guard),
    Isolation,
    /// A DHCP answer from a server that the port's `learn` does not list.
    DhcpServer,
    /// ARP, neighbour discovery, DHCP client or a listed ethertype, which no rule named.
    Class(&'static str),
    /// Its ethertype is not listed.
    EtherType,
    /// The state of its connection.
    Connection,
    Rule {
        list: String,
        id: String,
    },
    Default {
        id: String,
    },
}

impl fmt::Display for Decider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Quarantine => f.write_str("quarantine"),
            Self::Malformed => f.write_str("malformed"),
            Self::Tagged => f.write_str("tagged"),
            Self::Guard(guard) => write!(f, "guard/{}", guard.name()),
            Self::Isolation => f.write_str("isolation"),
            Self::DhcpServer => f.write_str("dhcp-server"),
            Self::Class(class) => f.write_str(class),
            Self::EtherType => f.write_str("ethertype"),
            Self::Connection => f.write_str("connection"),
            Self::Rule { id, .. } | Self::Default { id } => f.write_str(id),
        }
    }
}

/// The steps so far.
#[derive(Default)]
pub(super) struct Trace(Vec<Step>);

impl Trace {
    pub(super) fn pass(&mut self, stage: &'static str, text: String) {
        self.0.push(Step {
            stage,
            text,
            origin: None,
        });
    }

    pub(super) fn accept(self, decider: Decider, reason: impl Into<String>) -> Evaluation {
        self.finish(decider, Verdict::Accept, reason.into())
    }

    pub(super) fn drop(self, decider: Decider, reason: impl Into<String>) -> Evaluation {
        self.finish(decider, Verdict::Drop, reason.into())
    }

    fn finish(self, decider: Decider, verdict: Verdict, text: String) -> Evaluation {
        let stage = match decider {
            Decider::Quarantine => "admission",
            Decider::Malformed | Decider::Tagged | Decider::EtherType => "frame",
            Decider::Guard(_) => "guards",
            Decider::Isolation => "isolation",
            Decider::DhcpServer => "learning",
            Decider::Class(_) => "class",
            Decider::Connection => "connection",
            Decider::Rule { .. } => "rules",
            Decider::Default { .. } => "default",
        };
        self.decide(
            decider,
            verdict,
            false,
            Step {
                stage,
                text,
                origin: None,
            },
        )
    }

    pub(super) fn decide(
        mut self,
        decider: Decider,
        verdict: Verdict,
        audit: bool,
        step: Step,
    ) -> Evaluation {
        self.0.push(step);
        let audited = (audit && verdict != Verdict::Accept).then_some(verdict);
        Evaluation {
            verdict: effective(verdict, audit),
            audited,
            decider,
            steps: self.0,
        }
    }
}
