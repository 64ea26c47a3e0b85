//! Connections that a port had on another host: their one-line text form, and whether they may go on
//! here. Knows what the policy of now says of their first packet; whoever remembers connections is
//! left to datapaths.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use frame::{FrameBuilder, MacAddress, TcpFlags};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::document::{Guard, Stateful};
use crate::evaluate::{Decider, evaluate_beginning};
use crate::program::{Behaviour, Direction, HostProgram, PortProgram};
use crate::rule::Field;

/// A connection in whose both directions packets have passed.
///
/// ```
/// use policy::connection::Connection;
/// let text = "tcp 10.0.0.5:40000 192.0.2.9:443 432000 7/10";
/// let connection: Connection = text.parse().unwrap();
/// assert_eq!(connection.destination.port(), 443);
/// assert_eq!(connection.to_string(), text);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Connection {
    pub transport: Transport,
    /// Who began it.
    pub origin: SocketAddr,
    /// Whom the beginning addressed; of the family of `origin`.
    pub destination: SocketAddr,
    /// Seconds until it is forgotten unless a packet comes, when it was looked at.
    pub left: u32,
}

/// What carries a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// Established. With the shifts of the windows that its origin and the other side announce
    /// (RFC 7323), where they agreed on any.
    Tcp {
        scales: Option<[u8; 2]>,
    },
    Udp,
}

/// RFC 7323, 2.3: a larger shift is taken for this one.
const LARGEST_SCALE: u8 = 14;

/// Text that is no connection.
#[derive(Clone, Debug, Error)]
#[error(
    "`{0}` is no connection; `tcp 10.0.0.5:40000 192.0.2.9:443 432000 7/10` or `udp 10.0.0.5:5000 192.0.2.9:53 120` \
     is expected"
)]
pub struct ConnectionError(String);

impl fmt::Display for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.transport {
            Transport::Tcp { .. } => "tcp",
            Transport::Udp => "udp",
        };
        let (origin, destination) = (self.origin, self.destination);
        write!(f, "{name} {origin} {destination} {}", self.left)?;
        match self.transport {
            Transport::Tcp {
                scales: Some([origin, destination]),
            } => write!(f, " {origin}/{destination}"),
            _ => Ok(()),
        }
    }
}

impl FromStr for Connection {
    type Err = ConnectionError;

    fn from_str(text: &str) -> Result<Self, ConnectionError> {
        let error = || ConnectionError(text.chars().take(80).collect());
        read(text).ok_or_else(error)
    }
}

fn read(text: &str) -> Option<Connection> {
    let mut words = text.split_whitespace();
    let name = words.next()?;
    let origin: SocketAddr = words.next()?.parse().ok()?;
    let destination: SocketAddr = words.next()?.parse().ok()?;
    let left = words.next()?.parse().ok()?;
    let scales = words.next();
    let transport = match (name, scales) {
        ("tcp", None) => Transport::Tcp { scales: None },
        ("tcp", Some(scales)) => {
            let (origin, destination) = scales.split_once('/')?;
            let scale = |text: &str| text.parse().ok().filter(|it: &u8| *it <= LARGEST_SCALE);
            Transport::Tcp {
                scales: Some([scale(origin)?, scale(destination)?]),
            }
        }
        ("udp", None) => Transport::Udp,
        _ => return None,
    };
    let whole = words.next().is_none() && origin.is_ipv4() == destination.is_ipv4();
    // An address that is none without its link is none of a connection's.
    let plain = |it: &SocketAddr| match it {
        SocketAddr::V4(_) => true,
        SocketAddr::V6(six) => six.scope_id() == 0 && six.flowinfo() == 0,
    };
    (whole && plain(&origin) && plain(&destination)).then_some(Connection {
        transport,
        origin,
        destination,
        left,
    })
}

impl TryFrom<String> for Connection {
    type Error = ConnectionError;

    fn try_from(text: String) -> Result<Self, ConnectionError> {
        text.parse()
    }
}

impl From<Connection> for String {
    fn from(connection: Connection) -> Self {
        connection.to_string()
    }
}

/// Why a connection may not go on at a port of this host.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Objection {
    #[error("the port is not enforced here")]
    NotHere,
    /// Frame by frame, there is nothing that could go on.
    #[error("no connections of the port are tracked here")]
    NotTracked,
    #[error("neither end is an address of the port")]
    NotItsOwn,
    #[error("it has an end that no connection can have")]
    Impossible,
    /// What decides about its first packet.
    #[error("the policy here refuses its first packet: {decider}")]
    Refused { decider: Decider },
    #[error("port {port} here, which may be its other end, refuses its first packet: {decider}")]
    RefusedByOther { port: String, decider: Decider },
}

/// Whether a switch has to remember connections of the port, and in which zone.
pub fn tracked_zone(program: &HostProgram, port: &PortProgram) -> Option<u16> {
    let behaviour = program.behaviours.get(&port.behaviour)?;
    (behaviour.stateful != Stateful::Off && port.zone != 0).then_some(port.zone)
}

/// Whether the port may be an end of the connection, by its addresses, declared or learned.
pub fn concerns(port: &PortProgram, connection: &Connection) -> bool {
    has(port, connection.origin.ip()) || has(port, connection.destination.ip())
}

/// Whether a connection of the port that began elsewhere may go on here: where the policy, as it is
/// now, would let it begin. Whoever brings connections can open nothing by it.
///
/// What is not known of its first packet (the other side's MAC, the DSCP) is taken as a field that
/// cannot be read: no `accept` may rest on it, and a `drop` may. Guards and isolation are not asked
/// in the place of whoever sends: they judge every frame of every connection. Where the other end
/// may be a port of this host as well, its policy has to agree.
///
/// # Errors
/// [`Objection`].
pub fn may_go_on(
    program: &HostProgram,
    port: &str,
    connection: &Connection,
) -> Result<(), Objection> {
    let port = program.ports.get(port).ok_or(Objection::NotHere)?;
    tracked_zone(program, port).ok_or(Objection::NotTracked)?;
    if !possible(connection.origin) || !possible(connection.destination) {
        return Err(Objection::Impossible);
    }
    let ends = [
        (Direction::Out, connection.origin.ip()),
        (Direction::In, connection.destination.ip()),
    ];
    let mut own = ends.into_iter().filter(|(_, own)| has(port, *own));
    let Some(first) = own.next() else {
        return Err(Objection::NotItsOwn);
    };
    // A port with a prefix of addresses may be either end.
    for (direction, _) in std::iter::once(first).chain(own) {
        let bytes = first_packet(connection, direction, port.mac, MacAddress::default());
        let hidden = [Field::Dscp, other_mac(direction)];
        let evaluation = evaluate_beginning(program, &port.name, direction, &bytes, &hidden);
        if !evaluation.passes() {
            let decider = evaluation.decider;
            return Err(Objection::Refused { decider });
        }
        other_ports(program, port, direction, connection)?;
    }
    Ok(())
}

/// What the other ports of the bridge would say that share the memory of connections.
fn other_ports(
    program: &HostProgram,
    port: &PortProgram,
    direction: Direction,
    connection: &Connection,
) -> Result<(), Objection> {
    let (theirs, address) = match direction {
        Direction::Out => (Direction::In, connection.destination.ip()),
        Direction::In => (Direction::Out, connection.origin.ip()),
    };
    let hidden = [Field::Dscp, other_mac(direction)];
    let mut asked = BTreeSet::new();
    for other in program.ports.values() {
        let Some(behaviour) = program.behaviours.get(&other.behaviour) else {
            continue;
        };
        let shares = other.bridge == port.bridge && [0, port.zone].contains(&other.zone);
        if other.name == port.name
            || !shares
            || behaviour.stateful == Stateful::Off
            || !may_be(other, behaviour, address)
        {
            continue;
        }
        // Nothing but its MAC tells it from others of its behaviour, and that is not asked for.
        if !asked.insert(&other.behaviour) {
            continue;
        }
        let bytes = first_packet(connection, direction, port.mac, other.mac);
        let evaluation = evaluate_beginning(program, &other.name, theirs, &bytes, &hidden);
        match evaluation.decider {
            _ if evaluation.passes() => {}
            // It is none of its: no frame of it gets there, or comes from there.
            Decider::Isolation | Decider::Guard(_) => {}
            decider => {
                let port = other.name.clone();
                return Err(Objection::RefusedByOther { port, decider });
            }
        }
    }
    Ok(())
}

fn has(port: &PortProgram, address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => port.ipv4.contains(address),
        IpAddr::V6(address) => port.ipv6.contains(address),
    }
}

/// Whether a port may have an address: where no guard holds it to its own, any.
fn may_be(port: &PortProgram, behaviour: &Behaviour, address: IpAddr) -> bool {
    let guard = match address {
        IpAddr::V4(_) => Guard::Ipv4,
        IpAddr::V6(_) => Guard::Ipv6,
    };
    !behaviour.guards.contains(&guard) || has(port, address)
}

/// The MAC of the other side in the first packet.
fn other_mac(direction: Direction) -> Field {
    match direction {
        Direction::Out => Field::EtherDestination,
        Direction::In => Field::EtherSource,
    }
}

/// Whether there can be a connection with that end.
fn possible(end: SocketAddr) -> bool {
    let broadcast = matches!(end.ip(), IpAddr::V4(address) if address.is_broadcast());
    let nobody = end.ip().is_unspecified() || end.ip().is_multicast() || end.ip().is_loopback();
    end.port() != 0 && !nobody && !broadcast
}

/// As the port sends it (`Out`), or gets it (`In`).
fn first_packet(
    connection: &Connection,
    direction: Direction,
    own: MacAddress,
    other: MacAddress,
) -> Vec<u8> {
    let link = match direction {
        Direction::Out => FrameBuilder::new(own, other),
        Direction::In => FrameBuilder::new(other, own),
    };
    let (origin, destination) = (connection.origin, connection.destination);
    let packet = match (origin.ip(), destination.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => link.ipv4(from, to),
        (IpAddr::V6(from), IpAddr::V6(to)) => link.ipv6(from, to),
        // Refused by every switch, as it is malformed.
        _ => return Vec::new(),
    };
    match connection.transport {
        Transport::Tcp { .. } => packet
            .tcp(origin.port(), destination.port(), TcpFlags::SYN)
            .build(),
        Transport::Udp => packet.udp(origin.port(), destination.port()).build(),
    }
}
