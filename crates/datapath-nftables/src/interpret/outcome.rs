//! What an interpreter answers: the verdict, what it was decided by, what was counted and logged on the way, and
//! why there may be no answer.

use frame::FrameError;
use nftables::{Policy, Reject, Verdict};

/// What becomes of a frame at a hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Whether it passes.
    pub verdict: FinalVerdict,
    /// What decided: for a frame that passes, the last word of the last base chain. `None` if no base chain
    /// stands at the hook.
    pub decisive: Option<Decision>,
    /// Named counter objects that counted it, in order; one that counted it twice is there twice.
    pub counters: Vec<String>,
    /// Prefixes of the log expressions it met, in order.
    pub log_prefixes: Vec<String>,
    /// The conntrack zone it was put into.
    pub zone: Option<u16>,
    /// The packet mark it leaves with.
    pub mark: u32,
    /// What was tried, in order; empty unless asked for.
    pub steps: Vec<TraceStep>,
}

/// The end of a frame's way through a hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FinalVerdict {
    /// It passes.
    Accept,
    /// It is gone.
    Drop,
    /// It is gone, and its sender is told. The kernel tells only about IP packets for one receiver.
    Reject(Reject),
}

impl FinalVerdict {
    /// Whether the frame passes.
    #[must_use]
    pub const fn passes(self) -> bool {
        matches!(self, Self::Accept)
    }
}

/// Where a verdict was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The chain.
    pub chain: String,
    /// The rule; `None` for the chain's policy.
    pub rule: Option<RulePlace>,
    /// Elements of sets and maps that this rule found.
    pub hits: Vec<SetHit>,
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RulePlace {
    /// Its place in its chain, from 0.
    pub index: usize,
    /// The kernel's handle; `None` for a rule that was not read from a kernel.
    pub handle: Option<u64>,
    /// Its comment.
    pub comment: Option<String>,
}

/// A search that found something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetHit {
    /// The set or map.
    pub set: String,
    /// The element's key as it stands in the set (a range's first); empty for the catch-all element.
    pub key: Vec<u8>,
    /// The element's comment.
    pub comment: Option<String>,
}

/// One rule that was tried, or a chain's policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceStep {
    /// The chain.
    pub chain: String,
    /// The rule; `None` for the chain's policy.
    pub rule: Option<RulePlace>,
    /// Elements of sets and maps that it found.
    pub hits: Vec<SetHit>,
    /// What came of it.
    pub what: StepResult,
}

/// What came of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepResult {
    /// It did not match.
    NoMatch {
        /// Which of its expressions did not, from 0.
        expression: usize,
    },
    /// It matched and decided nothing.
    NoVerdict,
    /// It gave this verdict.
    Verdict(Verdict),
    /// It rejected.
    Reject(Reject),
    /// No rule decided: the base chain's policy did.
    Policy(Policy),
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InterpretError {
    /// The kernel drops these bytes before any rule sees them.
    #[error("no rule ever sees this frame: {0}")]
    Frame(#[from] FrameError),
    /// A rule uses something whose effect cannot be known here.
    #[error(
        "cannot tell what rule {rule} of chain `{chain}` does: {expression}: {reason} (`nft -a list ruleset bridge` shows the rule)"
    )]
    Unsupported {
        /// The chain.
        chain: String,
        /// The rule's place in it, from 0.
        rule: usize,
        /// The kernel's name of the expression.
        expression: String,
        /// What is not known.
        reason: String,
    },
    /// A rule names something that the table does not have; no kernel accepts such a table.
    #[error(
        "rule {rule} of chain `{chain}` names the {kind} `{name}`, which the table does not have"
    )]
    Missing {
        /// The chain.
        chain: String,
        /// The rule's place in it, from 0.
        rule: usize,
        /// chain, set or object.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// More than 16 jumps into each other; no kernel accepts such a table.
    #[error("chain `{chain}` is jumped to from 16 chains deep, and the kernel allows no more")]
    TooDeep {
        /// The chain.
        chain: String,
    },
    /// Chains lead to each other without end; no kernel accepts such a table.
    #[error("the chains lead in a circle through `{chain}`")]
    Endless {
        /// One of them.
        chain: String,
    },
}
