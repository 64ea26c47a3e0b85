//! The kernel's table of connections over ctnetlink: lists entries, puts some in, takes some out. Knows the
//! bytes and what the kernel answers, not whose a connection is or whether it may be.
//!
//! Only connections between two ports of TCP, UDP or their like are entries here, and only those that nobody
//! translates (NAT): what answers is what was addressed. Others are passed over when the table is read.

#[cfg(test)]
mod tests;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::connection::Connection;
use crate::fault::ReadError;
use crate::message::{ACKNOWLEDGE, Answer, CREATE, ERROR, REQUEST};
use crate::socket::Wait;
use crate::table::Family;
use crate::wire::{MessageHeader, Messages, Writer, known_fields, read_u8, read_u16, read_u32};

const fn conntrack(message: u16) -> u16 {
    1 << 8 | message // NFNL_SUBSYS_CTNETLINK
}

const NEW: u16 = conntrack(0);
const GET: u16 = conntrack(1);
const DELETE: u16 = conntrack(2);

// enum ctattr_type and what is nested in it, of linux/netfilter/nfnetlink_conntrack.h.
const ORIGINAL: u16 = 1;
const REPLY: u16 = 2;
const STATUS: u16 = 3;
const PROTOCOL_STATE: u16 = 4;
const TIMEOUT: u16 = 7;
const ZONE: u16 = 18;
const TUPLE_ADDRESSES: u16 = 1;
const TUPLE_PROTOCOL: u16 = 2;
const IPV4_SOURCE: u16 = 1;
const IPV4_DESTINATION: u16 = 2;
const IPV6_SOURCE: u16 = 3;
const IPV6_DESTINATION: u16 = 4;
const PROTOCOL_NUMBER: u16 = 1;
const SOURCE_PORT: u16 = 2;
const DESTINATION_PORT: u16 = 3;
const STATE_TCP: u16 = 1;
const TCP_STATE: u16 = 1;
const TCP_SCALE_ORIGINAL: u16 = 2;
const TCP_SCALE_REPLY: u16 = 3;
const TCP_FLAGS_ORIGINAL: u16 = 4;
const TCP_FLAGS_REPLY: u16 = 5;

/// Protocol numbers of IP.
pub const TCP: u8 = 6;
/// Protocol numbers of IP.
pub const UDP: u8 = 17;

/// Bits of an entry's status (`enum ip_conntrack_status`).
pub mod status {
    /// Packets went both ways.
    pub const SEEN_REPLY: u32 = 1 << 1;
    /// It is not thrown away early where the table is full.
    pub const ASSURED: u32 = 1 << 2;
    /// It is in the table. Whoever puts one in must say so.
    pub const CONFIRMED: u32 = 1 << 3;
}

/// Of TCP's states, `TCP_CONNTRACK_ESTABLISHED`.
pub const TCP_ESTABLISHED: u8 = 3;

/// Flags of one direction of a TCP connection.
pub mod tcp_flags {
    /// Windows are scaled.
    pub const WINDOW_SCALE: u8 = 1;
    /// Selective acknowledgements were agreed on.
    pub const SACK_PERMITTED: u8 = 2;
    /// Nothing is invalid for being outside of the window, for the window is not known.
    pub const BE_LIBERAL: u8 = 8;
}

/// One connection that the kernel knows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entry {
    /// Its zone: connections of different zones never meet.
    pub zone: u16,
    /// Number of the transport protocol.
    pub protocol: u8,
    /// Who began it.
    pub origin: SocketAddr,
    /// Whom the beginning addressed; of the family of `origin`.
    pub destination: SocketAddr,
    /// See [`status`].
    pub status: u32,
    /// Seconds until it is forgotten unless a packet comes.
    pub left: u32,
    /// What is known of it as a TCP connection.
    pub tcp: Option<Tcp>,
}

/// What the kernel remembers of a TCP connection, but for windows and sequence numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tcp {
    /// Its state (`enum tcp_conntrack`).
    pub state: u8,
    /// Shift of the windows that its origin, and the other side, announces.
    pub scales: [u8; 2],
    /// [`tcp_flags`] of its origin and of the other side.
    pub flags: [u8; 2],
}

impl Entry {
    fn family(&self) -> Family {
        match self.origin {
            SocketAddr::V4(_) => Family::Ipv4,
            SocketAddr::V6(_) => Family::Ipv6,
        }
    }

    /// The message that puts it into the table, or brings what is there with its addresses to what it says.
    fn write_new(&self, writer: &mut Writer, sequence: u32) {
        self.write(writer, NEW, CREATE, sequence, |writer| {
            write_tuple(writer, REPLY, self.protocol, self.destination, self.origin);
            writer.u32(STATUS, self.status);
            writer.u32(TIMEOUT, self.left);
            if let Some(tcp) = &self.tcp {
                writer.nest(PROTOCOL_STATE, |writer| {
                    writer.nest(STATE_TCP, |writer| tcp.write(writer));
                });
            }
        });
    }

    /// The message that takes it out of the table.
    fn write_delete(&self, writer: &mut Writer, sequence: u32) {
        self.write(writer, DELETE, 0, sequence, |_| ());
    }

    fn write(
        &self,
        writer: &mut Writer,
        kind: u16,
        flags: u16,
        sequence: u32,
        rest: impl FnOnce(&mut Writer),
    ) {
        let header = MessageHeader {
            kind,
            flags: REQUEST | ACKNOWLEDGE | flags,
            sequence,
            family: self.family().number(),
            resource: 0,
        };
        writer.message(header, |writer| {
            write_tuple(
                writer,
                ORIGINAL,
                self.protocol,
                self.origin,
                self.destination,
            );
            writer.u16(ZONE, self.zone);
            rest(writer);
        });
    }

    /// Reads what the kernel reports; `Some(None)` where it is none of the kind that this is about.
    fn read(attributes: &[u8]) -> Option<Option<Self>> {
        let fields = known_fields::<19>(attributes)?;
        let field = |kind: u16| fields.get(usize::from(kind)).copied().flatten();
        let (Some(original), Some(reply)) =
            (read_tuple(field(ORIGINAL)?)?, read_tuple(field(REPLY)?)?)
        else {
            return Some(None);
        };
        let (protocol, origin, destination) = original;
        if reply != (protocol, destination, origin) {
            return Some(None);
        }
        let tcp = match field(PROTOCOL_STATE) {
            Some(state) => {
                let [_, tcp] = known_fields::<2>(state)?;
                match tcp {
                    Some(tcp) => Some(Tcp::read(tcp)?),
                    None => None,
                }
            }
            None => None,
        };
        let number = |kind| field(kind).map_or(Some(0), read_u32);
        Some(Some(Self {
            // Zone 0 is not told.
            zone: field(ZONE).map_or(Some(0), read_u16)?,
            protocol,
            origin,
            destination,
            status: number(STATUS)?,
            left: number(TIMEOUT)?,
            tcp,
        }))
    }
}

impl Tcp {
    fn write(self, writer: &mut Writer) {
        let [original, reply] = self.scales;
        let [by_original, by_reply] = self.flags;
        writer.u8(TCP_STATE, self.state);
        writer.u8(TCP_SCALE_ORIGINAL, original);
        writer.u8(TCP_SCALE_REPLY, reply);
        // struct nf_ct_tcp_flags: the flags, and which of them are meant.
        writer.attribute(TCP_FLAGS_ORIGINAL, &[by_original, u8::MAX]);
        writer.attribute(TCP_FLAGS_REPLY, &[by_reply, u8::MAX]);
    }

    fn read(attributes: &[u8]) -> Option<Self> {
        let [_, state, original, reply, by_original, by_reply] = known_fields::<6>(attributes)?;
        let number = |field: Option<&[u8]>| field.map_or(Some(0), read_u8);
        let flags = |field: Option<&[u8]>| field.map_or(Some(0), |field| field.first().copied());
        Some(Self {
            state: read_u8(state?)?,
            scales: [number(original)?, number(reply)?],
            flags: [flags(by_original)?, flags(by_reply)?],
        })
    }
}

fn write_tuple(
    writer: &mut Writer,
    kind: u16,
    protocol: u8,
    source: SocketAddr,
    destination: SocketAddr,
) {
    writer.nest(kind, |writer| {
        writer.nest(TUPLE_ADDRESSES, |writer| {
            let mut address = |address: IpAddr, ipv4, ipv6| match address {
                IpAddr::V4(address) => writer.attribute(ipv4, &address.octets()),
                IpAddr::V6(address) => writer.attribute(ipv6, &address.octets()),
            };
            address(source.ip(), IPV4_SOURCE, IPV6_SOURCE);
            address(destination.ip(), IPV4_DESTINATION, IPV6_DESTINATION);
        });
        writer.nest(TUPLE_PROTOCOL, |writer| {
            writer.u8(PROTOCOL_NUMBER, protocol);
            writer.u16(SOURCE_PORT, source.port());
            writer.u16(DESTINATION_PORT, destination.port());
        });
    });
}

/// Protocol, source and destination; `Some(None)` for protocols without ports, and of other families than IP.
#[allow(clippy::option_option)]
fn read_tuple(tuple: &[u8]) -> Option<Option<(u8, SocketAddr, SocketAddr)>> {
    let [_, addresses, protocol] = known_fields::<3>(tuple)?;
    let [_, v4_source, v4_destination, v6_source, v6_destination] = known_fields::<5>(addresses?)?;
    let [_, number, source_port, destination_port] = known_fields::<4>(protocol?)?;
    let number = read_u8(number?)?;
    let (Some(source_port), Some(destination_port)) = (source_port, destination_port) else {
        return Some(None);
    };
    let address = |ipv4: Option<&[u8]>, ipv6: Option<&[u8]>| match (ipv4, ipv6) {
        (Some(bytes), None) => Some(IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?)),
        (None, Some(bytes)) => Some(IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?)),
        _ => None,
    };
    let source = address(v4_source, v6_source);
    let (Some(source), Some(destination)) = (source, address(v4_destination, v6_destination))
    else {
        return Some(None);
    };
    Some(Some((
        number,
        SocketAddr::new(source, read_u16(source_port)?),
        SocketAddr::new(destination, read_u16(destination_port)?),
    )))
}

/// What a datagram of reports says, whoever it came from: pure, for replay and fuzzing.
#[must_use]
pub fn read_datagram(datagram: &[u8]) -> Vec<Entry> {
    Messages::new(datagram)
        .filter(|message| message.kind == NEW)
        .filter_map(|message| Entry::read(message.family_and_attributes()?.1)?)
        .collect()
}

/// How many requests go into one datagram: their answers have room in any socket.
const AT_ONCE: usize = 64;
/// The kernel answers within the call that asks.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// The table of connections of one network namespace.
#[derive(Debug)]
pub struct ConnectionTracking {
    connection: Connection,
}

impl ConnectionTracking {
    /// For the network namespace of the calling thread, in which it stays.
    ///
    /// # Errors
    /// As socket(2) and setsockopt(2).
    pub fn open() -> io::Result<Self> {
        let connection = Connection::open()?;
        Ok(Self { connection })
    }

    /// Hands every entry to `each`. The table changes all the time: an entry that comes or goes meanwhile may
    /// be told or not, and one may be told twice.
    ///
    /// # Errors
    /// See [`ReadError`]: `EINVAL` where this kernel has no ctnetlink (module nf_conntrack_netlink), `EPERM`
    /// without CAP_NET_ADMIN.
    pub fn list(&mut self, mut each: impl FnMut(Entry)) -> Result<(), ReadError> {
        let told = |_, attributes: &[u8]| {
            if let Some(entry) = Entry::read(attributes)? {
                each(entry);
            }
            Some(())
        };
        self.connection
            .dump("connections", GET, Family::Unspecified, |_| (), told)
            .map(|_| ())
    }

    /// Puts entries into the table. Where a connection with these addresses is there, its state, flags and
    /// time become those of the entry; what is known of its windows stays. The answers are those of the
    /// entries, in their order: the error number where the kernel refused.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn put(&mut self, entries: &[Entry]) -> Result<Vec<Result<(), i32>>, ReadError> {
        self.each("new connections", entries, Entry::write_new)
    }

    /// Takes entries out of the table, whatever has become of them: the next packet of such a connection begins
    /// a new one. The answers as with [`Self::put`]: `ENOENT` where it is not there.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn delete(&mut self, entries: &[Entry]) -> Result<Vec<Result<(), i32>>, ReadError> {
        self.each("connections to delete", entries, Entry::write_delete)
    }

    fn each(
        &mut self,
        what: &'static str,
        entries: &[Entry],
        write: impl Fn(&Entry, &mut Writer, u32),
    ) -> Result<Vec<Result<(), i32>>, ReadError> {
        let mut answers = Vec::with_capacity(entries.len());
        for entries in entries.chunks(AT_ONCE) {
            let first = self.connection.begin()?;
            let mut writer = Writer::default();
            for entry in entries {
                write(entry, &mut writer, self.connection.next_sequence());
            }
            self.connection.socket.send(writer.bytes())?;
            self.answers(what, first, entries.len(), &mut answers)?;
        }
        Ok(answers)
    }

    /// The answers to requests that are numbered from behind `before`.
    fn answers(
        &mut self,
        what: &'static str,
        before: u32,
        count: usize,
        answers: &mut Vec<Result<(), i32>>,
    ) -> Result<(), ReadError> {
        let mut given: Vec<Option<i32>> = vec![None; count];
        while given.iter().any(Option::is_none) {
            let received = self.connection.socket.receive(Wait::For(ANSWER_TIMEOUT))?;
            let datagram = received.ok_or(ReadError::NoAnswer { what })?;
            for message in Messages::new(datagram).filter(|message| message.kind == ERROR) {
                let Some(answer) = Answer::read(&message) else {
                    return Err(ReadError::Malformed { what });
                };
                let place = answer.sequence.wrapping_sub(before).wrapping_sub(1);
                let place = usize::try_from(place).unwrap_or(usize::MAX);
                if let Some(slot) = given.get_mut(place) {
                    *slot = Some(answer.errno);
                }
            }
        }
        answers.extend(given.into_iter().flatten().map(|errno| match errno {
            0 => Ok(()),
            errno => Err(errno),
        }));
        Ok(())
    }
}
