//! What a program does with a frame, and why: the definition that every datapath is proven against.
//! A pure function of program, port, direction, frame and connection state.
//!
//! ```text
//! admission → frame → guards (out) → isolation (in) → class → connection → rules → default
//! ```

mod conditions;
mod guards;
mod trace;

use std::net::IpAddr;

use frame::protocol::ether_type;
use frame::{Frame, Network, Readability};

pub use conditions::{STP_LLC, Truth, stp_layout};
pub use trace::{Decider, Evaluation, Step};

use crate::document::Stateful;
use crate::program::{
    Behaviour, Classes, CompiledRule, ConnectionState, Direction, HostProgram, PortProgram,
    RuleList,
};
use crate::rule::{Field, Verdict};
use trace::Trace;

/// Decides about one frame at one port.
///
/// `frame` is the frame as on the wire, without preamble and checksum, with its VLAN tag. A frame
/// from one VM to another passes where the sender's `Out` and then the receiver's `In` accept it.
/// A port that the program does not admit passes nothing.
pub fn evaluate(
    program: &HostProgram,
    port: &str,
    direction: Direction,
    frame: &[u8],
    state: ConnectionState,
) -> Evaluation {
    judge(program, port, direction, frame, state, &[])
}

fn judge(
    program: &HostProgram,
    port: &str,
    direction: Direction,
    frame: &[u8],
    state: ConnectionState,
    hidden: &[Field],
) -> Evaluation {
    let mut trace = Trace::default();
    let Some(port) = program.ports.get(port) else {
        return trace.drop(
            Decider::Quarantine,
            "the port is not admitted: it is in quarantine",
        );
    };
    let Some(behaviour) = program.behaviours.get(&port.behaviour) else {
        return trace.drop(
            Decider::Quarantine,
            "the port has no behaviour: it is in quarantine",
        );
    };
    trace.pass(
        "admission",
        format!("port {} on {}", port.name, port.device),
    );
    let frame = match Frame::parse(frame) {
        Ok(frame) => frame,
        Err(error) => return trace.drop(Decider::Malformed, error.to_string()),
    };
    let decision = Decision {
        program,
        port,
        behaviour,
        direction,
        frame: &frame,
        state,
        hidden,
    };
    decision.run(trace)
}

/// As [`evaluate`], of the packet with which a connection began, of which some fields are not known any
/// more. Where the sender's MAC is among them, isolation is not asked.
pub(crate) fn evaluate_beginning(
    program: &HostProgram,
    port: &str,
    direction: Direction,
    frame: &[u8],
    hidden: &[Field],
) -> Evaluation {
    judge(
        program,
        port,
        direction,
        frame,
        ConnectionState::New,
        hidden,
    )
}

struct Decision<'a> {
    program: &'a HostProgram,
    port: &'a PortProgram,
    behaviour: &'a Behaviour,
    direction: Direction,
    frame: &'a Frame<'a>,
    state: ConnectionState,
    /// Fields that are not known of this frame.
    hidden: &'a [Field],
}

/// What kind of frame it is for the order of decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Arp,
    NeighborDiscovery,
    Dhcp,
    Packet,
    Other,
}

impl Decision<'_> {
    fn run(&self, mut trace: Trace) -> Evaluation {
        if let Some((decider, reason)) = self.unfit() {
            return trace.drop(decider, reason);
        }
        trace.pass("frame", frame::describe(self.frame.bytes()));
        match self.direction {
            Direction::Out => {
                if let Err((guard, reason)) = guards::check(self.port, self.behaviour, self.frame) {
                    return trace.drop(Decider::Guard(guard), reason);
                }
                trace.pass("guards", guards::summary(self.behaviour));
            }
            Direction::In => {
                if let Some(refusal) = self.isolated() {
                    return trace.drop(Decider::Isolation, refusal);
                }
                if let Some(refusal) = self.untrusted_server() {
                    return trace.drop(Decider::DhcpServer, refusal);
                }
                trace.pass(
                    "isolation",
                    match &self.behaviour.isolation {
                        None => "the network is open".to_owned(),
                        Some(isolation) => format!(
                            "{} may reach what is {}",
                            self.frame.source, isolation.reason
                        ),
                    },
                );
            }
        }
        let class = self.class();
        if let Some(evaluation) = self.rules(class, &mut trace) {
            return evaluation;
        }
        self.undecided(class, trace)
    }

    /// Frames that no profile can allow, or that the profile does not list.
    fn unfit(&self) -> Option<(Decider, String)> {
        let frame = self.frame;
        if let Some(tag) = frame.tag {
            if tag.protocol != ether_type::VLAN || is_tag(frame.protocol) {
                return Some((
                    Decider::Tagged,
                    "service tags and second tags never pass".to_owned(),
                ));
            }
            if !self.behaviour.tagged.contains(tag.vid()) {
                let reason = format!("VLAN {} is not among the profile's `tagged`", tag.vid());
                return Some((Decider::Tagged, reason));
            }
        }
        match &frame.network {
            Network::Malformed { .. } => Some((
                Decider::Malformed,
                "the IP header does not fit the frame".to_owned(),
            )),
            Network::Arp(arp) if !arp.is_ethernet_ipv4() => Some((
                Decider::Malformed,
                "not ARP for IPv4 on Ethernet, or cut short".to_owned(),
            )),
            network => match network.transport()?.readability() {
                Readability::Short => Some((
                    Decider::Malformed,
                    "the transport header is cut short".to_owned(),
                )),
                Readability::LaterFragment if conditions::hides_fragment(frame) => Some((
                    Decider::Malformed,
                    "a second fragment header hides what it is".to_owned(),
                )),
                Readability::LaterFragment | Readability::Readable => None,
            },
        }
    }

    fn isolated(&self) -> Option<String> {
        let isolation = self.behaviour.isolation.as_ref()?;
        if self.hidden.contains(&Field::EtherSource) {
            return None;
        }
        let source = self.frame.source;
        let sets = isolation
            .sources
            .iter()
            .filter_map(|name| self.program.mac_sets.get(name));
        if sets.into_iter().any(|set| set.contains(source)) {
            return None;
        }
        Some(format!(
            "the port is {}, which {source} may not reach",
            isolation.reason
        ))
    }

    /// A DHCP answer from a server that the port's `learn` does not list.
    fn untrusted_server(&self) -> Option<String> {
        let learning = self.behaviour.learning.as_ref()?;
        let (source, server, client) = match &self.frame.network {
            Network::Ipv4(ip) => (IpAddr::V4(ip.source), 67, 68),
            Network::Ipv6(ip) => (IpAddr::V6(ip.source), 547, 546),
            _ => return None,
        };
        let answers = self.frame.transport().is_some_and(|transport| {
            transport.protocol() == frame::protocol::ip_protocol::UDP
                && transport.source_port() == Some(server)
                && transport.destination_port() == Some(client)
        });
        (answers && !learning.trusts(source))
            .then(|| format!("{source} is not among the DHCP servers that the port learns from"))
    }

    fn class(&self) -> Class {
        match &self.frame.network {
            Network::Arp(_) => Class::Arp,
            Network::Ipv6(ip) => match ip.transport.icmpv6() {
                Some((130..=137 | 143, _)) => Class::NeighborDiscovery,
                _ if self.is_dhcp_client(546, 547) => Class::Dhcp,
                _ => Class::Packet,
            },
            Network::Ipv4(_) if self.is_dhcp_client(68, 67) => Class::Dhcp,
            Network::Ipv4(_) => Class::Packet,
            Network::Rarp(_) | Network::Malformed { .. } | Network::Other => Class::Other,
        }
    }

    fn is_dhcp_client(&self, client: u16, server: u16) -> bool {
        let Some(transport) = self.frame.transport() else {
            return false;
        };
        let (source, destination) = match self.direction {
            Direction::Out => (client, server),
            Direction::In => (server, client),
        };
        self.behaviour.dhcp
            && transport.protocol() == frame::protocol::ip_protocol::UDP
            && transport.source_port() == Some(source)
            && transport.destination_port() == Some(destination)
    }

    /// Whether connections are tracked for this frame at this port.
    fn tracked(&self) -> bool {
        self.behaviour.stateful != Stateful::Off && self.state != ConnectionState::Untracked
    }

    fn rules(&self, class: Class, trace: &mut Trace) -> Option<Evaluation> {
        let lists = self
            .behaviour
            .lists
            .iter()
            .filter_map(|name| self.program.lists.get(name));
        for list in lists {
            let rules = match self.direction {
                Direction::In => &list.inward,
                Direction::Out => &list.outward,
            };
            let mut considered = 0_usize;
            for rule in rules.iter().filter(|rule| self.considers(class, rule)) {
                considered += 1;
                if conditions::matches(self.program, rule, self.frame, self.hidden) {
                    return Some(self.decided(list, rule, trace));
                }
            }
            if considered > 0 {
                trace.pass(
                    "rules",
                    format!("{}: none of {considered} matches", list.title),
                );
            }
        }
        None
    }

    fn considers(&self, class: Class, rule: &CompiledRule) -> bool {
        let Classes {
            arp,
            nd,
            dhcp,
            other,
        } = rule.names;
        match class {
            Class::Arp => arp,
            Class::NeighborDiscovery => nd,
            Class::Dhcp => dhcp,
            Class::Other => other,
            Class::Packet => {
                let begins = !self.tracked() || self.state == ConnectionState::New;
                rule.packets && (begins || rule.stateless)
            }
        }
    }

    fn decided(&self, list: &RuleList, rule: &CompiledRule, trace: &mut Trace) -> Evaluation {
        let decider = Decider::Rule {
            list: list.title.clone(),
            id: rule.id.clone(),
        };
        let step = Step {
            stage: "rules",
            text: format!("{}: {}", list.title, rule.text),
            origin: Some(rule.origin.clone()),
        };
        std::mem::take(trace).decide(decider, rule.verdict, rule.audit, step)
    }

    fn undecided(&self, class: Class, mut trace: Trace) -> Evaluation {
        match class {
            Class::Arp => trace.accept(
                Decider::Class("arp"),
                "ARP follows guards and isolation alone",
            ),
            Class::NeighborDiscovery => trace.accept(
                Decider::Class("nd"),
                "neighbour discovery follows guards and isolation alone",
            ),
            Class::Dhcp => {
                trace.accept(Decider::Class("dhcp"), "a DHCP client works without a rule")
            }
            Class::Other if self.behaviour.ethertypes.contains(&self.frame.protocol) => trace
                .accept(
                    Decider::Class("ethertype"),
                    "the profile lists this ethertype",
                ),
            Class::Other => {
                let reason = format!(
                    "ethertype 0x{:04x} is not among the profile's",
                    self.frame.protocol
                );
                trace.drop(Decider::EtherType, reason)
            }
            Class::Packet if self.tracked() && self.state != ConnectionState::New => {
                match self.state {
                    ConnectionState::Invalid => trace.drop(
                        Decider::Connection,
                        "it fits no connection that the tracker knows",
                    ),
                    _ => trace.accept(
                        Decider::Connection,
                        "it belongs to a connection that was accepted",
                    ),
                }
            }
            Class::Packet => {
                let default = match self.direction {
                    Direction::In => &self.behaviour.default_in,
                    Direction::Out => &self.behaviour.default_out,
                };
                if self.tracked() {
                    trace.pass("connection", "it begins a connection".to_owned());
                }
                let step = Step {
                    stage: "default",
                    text: "the profile's default".to_owned(),
                    origin: Some(default.origin.clone()),
                };
                trace.decide(
                    Decider::Default {
                        id: default.id.clone(),
                    },
                    default.verdict,
                    default.audit,
                    step,
                )
            }
        }
    }
}

fn is_tag(protocol: u16) -> bool {
    matches!(protocol, ether_type::VLAN | ether_type::SERVICE_VLAN)
}

/// The verdict of `decided` and default rules is what the frame meets unless they only audit.
pub(crate) fn effective(verdict: Verdict, audit: bool) -> Verdict {
    if audit { Verdict::Accept } else { verdict }
}
