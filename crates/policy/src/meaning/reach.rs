//! Who reaches whom: one frame judged at its sender and at its receiver.

use std::net::{IpAddr, SocketAddr};

use frame::{FrameSpec, PortProtocol, SpecContent, TcpFlags};

use super::judge::reason;
use super::witness::CLIENT_PORT;
use crate::evaluate::{Evaluation, evaluate};
use crate::program::{ConnectionState, Direction, HostProgram, PortProgram};

/// The two decisions about a frame from one port to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    pub from: String,
    pub to: String,
    /// What happens at the sender.
    pub sent: Evaluation,
    /// What happens at the receiver, if the sender's side lets it go.
    pub received: Evaluation,
}

impl Reach {
    /// Whether the frame arrives.
    #[must_use]
    pub fn arrives(&self) -> bool {
        self.sent.passes() && self.received.passes()
    }

    /// Who decides, at the first side that refuses, or at the receiver.
    #[must_use]
    pub fn reason(&self) -> String {
        if self.sent.passes() {
            reason(&self.received)
        } else {
            reason(&self.sent)
        }
    }
}

/// What happens to a frame that begins something from one port to another. A port that the program
/// does not admit is in quarantine. The MAC addresses are the ports', unless the frame says others.
#[must_use]
pub fn reach(program: &HostProgram, from: &str, to: &str, spec: &FrameSpec) -> Reach {
    let mac = |name: &str| {
        program
            .ports
            .get(name)
            .map(|port| port.mac)
            .unwrap_or_default()
    };
    let frame = spec.to_frame(mac(from), mac(to));
    let judge = |port, direction| evaluate(program, port, direction, &frame, ConnectionState::New);
    Reach {
        from: from.to_owned(),
        to: to.to_owned(),
        sent: judge(from, Direction::Out),
        received: judge(to, Direction::In),
    }
}

/// What one port may want of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Conversation {
    Ping,
    Tcp(u16),
    Udp(u16),
}

impl Conversation {
    /// Its first frame between the two addresses, or `None` where they are of different families.
    #[must_use]
    pub fn begins(self, source: IpAddr, destination: IpAddr) -> Option<FrameSpec> {
        let ends = |port| {
            (
                SocketAddr::new(source, CLIENT_PORT),
                SocketAddr::new(destination, port),
            )
        };
        let content = match (self, source, destination) {
            (_, IpAddr::V4(_), IpAddr::V6(_)) | (_, IpAddr::V6(_), IpAddr::V4(_)) => return None,
            (Self::Ping, IpAddr::V4(source), IpAddr::V4(destination)) => SpecContent::Icmp {
                source,
                destination,
                kind: 8,
                code: 0,
            },
            (Self::Ping, IpAddr::V6(source), IpAddr::V6(destination)) => SpecContent::Icmp6 {
                source,
                destination,
                kind: 128,
                code: 0,
            },
            (Self::Tcp(port), ..) => {
                let (source, destination) = ends(port);
                SpecContent::Tcp {
                    source,
                    destination,
                    flags: TcpFlags::SYN,
                }
            }
            (Self::Udp(port), ..) => {
                let (source, destination) = ends(port);
                SpecContent::Ports {
                    protocol: PortProtocol::Udp,
                    source,
                    destination,
                }
            }
        };
        Some(content.into())
    }
}

/// The conversation between each two ports of one bridge, over IPv6 or IPv4, as far as both have
/// such addresses; ordered by sender, then receiver.
#[must_use]
pub fn who_can_talk(program: &HostProgram, conversation: Conversation, v6: bool) -> Vec<Reach> {
    let mut found = Vec::new();
    for from in program.ports.values() {
        for to in program.ports.values() {
            if from.name == to.name || from.bridge != to.bridge {
                continue;
            }
            let spec = address(from, v6)
                .zip(address(to, v6))
                .and_then(|(source, destination)| conversation.begins(source, destination));
            if let Some(spec) = spec {
                found.push(reach(program, &from.name, &to.name, &spec));
            }
        }
    }
    found
}

/// An address that the port's guards allow, the link-local one only if it has no other.
fn address(port: &PortProgram, v6: bool) -> Option<IpAddr> {
    if !v6 {
        return port.ipv4.iter().next().map(|(first, _)| first.into());
    }
    let all = || port.ipv6.iter().map(|(first, _)| first);
    let global = all().find(|address| !address.is_unicast_link_local());
    global.or_else(|| all().next()).map(IpAddr::V6)
}
