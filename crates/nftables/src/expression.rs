//! Expressions: the instructions a rule is made of, as plain data. Knows each one's operands, not what a policy
//! wants with it.

mod decode;
mod encode;
mod key;

pub use key::{
    ByteOrderOperation, Comparison, ConnectionDirection, ConnectionKey, DynamicOperation,
    ExtensionKind, LimitUnit, MetaKey, PayloadBase,
};

use crate::object::{Counter, Limit, ObjectKind, Quota};
use crate::register::Register;
use crate::verdict::Verdict;

pub(crate) use decode::{read_expression, read_expressions};
pub(crate) use encode::{write_expression, write_expressions};

/// Bits of the state that [`ConnectionKey::State`] loads, in the machine's byte order.
pub mod connection_state {
    /// Not a valid packet of any connection.
    pub const INVALID: u32 = 1;
    /// Of a connection that has seen packets both ways.
    pub const ESTABLISHED: u32 = 2;
    /// Begins a connection that an existing one announced.
    pub const RELATED: u32 = 4;
    /// Begins a connection.
    pub const NEW: u32 = 8;
    /// Exempt from tracking.
    pub const UNTRACKED: u32 = 64;
}

/// One instruction of a rule. A rule runs its expressions in order until one does not match.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Expression {
    /// `meta`: load a property of the packet.
    Meta {
        /// Which.
        key: MetaKey,
        /// Where to.
        destination: Register,
    },
    /// `meta … set`: change a property of the packet.
    SetMeta {
        /// Which (mark, priority, packet type, trace).
        key: MetaKey,
        /// The new value.
        source: Register,
    },
    /// `payload`: load bytes of the packet. No match if the packet is too short.
    Payload {
        /// From where the offset counts.
        base: PayloadBase,
        /// Bytes from the base.
        offset: u32,
        /// How many bytes, 1 to 64.
        length: u32,
        /// Where to.
        destination: Register,
    },
    /// `cmp`: no match unless the comparison holds.
    Compare {
        /// What to compare.
        source: Register,
        /// How.
        operator: Comparison,
        /// With what; its length is how many bytes are compared.
        value: Vec<u8>,
    },
    /// `range`: no match unless the register lies in (or, inverted, outside) the range.
    Range {
        /// What to compare.
        source: Register,
        /// Match outside instead of inside.
        invert: bool,
        /// First value inside.
        from: Vec<u8>,
        /// Last value inside.
        to: Vec<u8>,
    },
    /// `bitwise`: compute with bits.
    Bitwise {
        /// Operand.
        source: Register,
        /// Result.
        destination: Register,
        /// What to do.
        operation: BitOperation,
    },
    /// `lookup`: search a set or map.
    Lookup {
        /// The set's name.
        set: String,
        /// The key's first register.
        source: Register,
        /// What a hit means.
        result: LookupResult,
    },
    /// `immediate` with a value: load a constant.
    Immediate {
        /// Where to.
        destination: Register,
        /// The constant, 1 to 16 bytes.
        value: Vec<u8>,
    },
    /// `immediate` with a verdict: decide.
    Verdict(Verdict),
    /// `counter`: count what comes by.
    Counter(Counter),
    /// `limit`: no match once the rate is exceeded (or, with `over`, until).
    Limit(Limit),
    /// `quota`: no match once the amount is exceeded (or, with `over`, until).
    Quota(Quota),
    /// `log`: tell someone.
    Log(Log),
    /// `objref` to one object: count, limit … by a named object of the table.
    Object {
        /// Its kind.
        kind: ObjectKind,
        /// Its name.
        name: String,
    },
    /// `objref` by map: count, limit … by the object that an object map has for a key. No match if it has none.
    ObjectMap {
        /// The object map's name.
        set: String,
        /// The key's first register.
        source: Register,
    },
    /// `ct`: load a property of the connection.
    Connection {
        /// Which.
        key: ConnectionKey,
        /// Of which direction, for keys that differ between them.
        direction: Option<ConnectionDirection>,
        /// Where to.
        destination: Register,
    },
    /// `ct … set`: change a property of the connection (zone, mark, event mask).
    SetConnection {
        /// Which.
        key: ConnectionKey,
        /// For which direction (zone only).
        direction: Option<ConnectionDirection>,
        /// The new value.
        source: Register,
    },
    /// `notrack`: exempt from connection tracking.
    NoTrack,
    /// `reject`: drop, and tell the sender.
    Reject(Reject),
    /// `exthdr`: load a field of an extension header or option, or whether there is one. No match if a field is
    /// wanted and the header is missing.
    ExtensionHeader {
        /// Among which headers.
        kind: ExtensionKind,
        /// Its number (44: IPv6 fragment).
        header: u8,
        /// Bytes from the header's start.
        offset: u32,
        /// How many bytes.
        length: u32,
        /// Load 1 or 0 (one byte) for present or not, instead of the field.
        presence: bool,
        /// Where to.
        destination: Register,
    },
    /// `byteorder`: turn numbers between the machine's order and the network's.
    ByteOrder {
        /// Operand.
        source: Register,
        /// Result.
        destination: Register,
        /// Which way.
        operation: ByteOrderOperation,
        /// Bytes in all.
        length: u32,
        /// Bytes of each number: 2, 4 or 8.
        size: u32,
    },
    /// `dynset`: add the packet's key to a dynamic set, and run the element's own expressions.
    DynamicSet {
        /// The set's name.
        set: String,
        /// What to do.
        operation: DynamicOperation,
        /// The key's first register.
        key: Register,
        /// The data's first register, for maps.
        data: Option<Register>,
        /// Milliseconds the element lives; 0: as the set says.
        timeout: u64,
        /// Match if it could not be done, instead of if it could.
        invert: bool,
        /// What the element carries (limit, counter).
        expressions: Vec<Expression>,
    },
    /// An expression, or a form of one, that this crate does not know.
    Opaque {
        /// The kernel's name for it.
        name: String,
        /// Its attributes as they were; `None` where it had no room for any.
        attributes: Option<Vec<u8>>,
    },
}

/// What [`Expression::Bitwise`] does.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BitOperation {
    /// `(register & mask) ^ xor`; both equally long.
    MaskXor {
        /// Bits to keep.
        mask: Vec<u8>,
        /// Bits to turn over.
        xor: Vec<u8>,
    },
    /// Shift towards the front of a value in network order.
    ShiftLeft {
        /// By how many bits, below 32.
        bits: u32,
        /// Length of the value in bytes.
        length: u32,
    },
    /// Shift towards the end of a value in network order.
    ShiftRight {
        /// By how many bits, below 32.
        bits: u32,
        /// Length of the value in bytes.
        length: u32,
    },
}

/// What a hit of [`Expression::Lookup`] means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LookupResult {
    /// Match if the key is in the set.
    Present,
    /// Match if it is not.
    Absent,
    /// Decide as the verdict map says; a miss does not match.
    Verdict,
    /// Load the map's value; a miss does not match.
    Value(Register),
}

/// Where [`Expression::Log`] reports.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Log {
    /// To whoever listens on a netlink log group: see [`crate::nflog`].
    Group {
        /// The group.
        group: u16,
        /// Text in front, at most 127 bytes; empty for none.
        prefix: String,
        /// Bytes of the packet to copy; `None`: as the listener asked.
        snapshot: Option<u32>,
        /// Packets to gather before they are sent; 0: as the listener asked.
        queue_threshold: u16,
    },
    /// To the kernel's log.
    Kernel {
        /// Syslog severity, 0 (emergency) to 7 (debug); 8 is audit.
        level: u32,
        /// What else to print, bit by bit as in `nf_log.h`.
        flags: u32,
        /// Text in front, at most 127 bytes; empty for none.
        prefix: String,
    },
}

/// How [`Expression::Reject`] tells the sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reject {
    /// ICMP or ICMPv6 destination unreachable with this code, as fits the packet's family.
    Icmp(u8),
    /// A TCP reset.
    TcpReset,
    /// Unreachable by a code for both families: 0 no route, 1 port, 2 host, 3 administratively prohibited.
    IcmpBothFamilies(u8),
}

impl Expression {
    /// The kernel's name for it: `meta`, `payload`, `cmp` …
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Meta { .. } | Self::SetMeta { .. } => "meta",
            Self::Payload { .. } => "payload",
            Self::Compare { .. } => "cmp",
            Self::Range { .. } => "range",
            Self::Bitwise { .. } => "bitwise",
            Self::Lookup { .. } => "lookup",
            Self::Immediate { .. } | Self::Verdict(_) => "immediate",
            Self::Counter(_) => "counter",
            Self::Limit(_) => "limit",
            Self::Quota(_) => "quota",
            Self::Log(_) => "log",
            Self::Object { .. } | Self::ObjectMap { .. } => "objref",
            Self::Connection { .. } | Self::SetConnection { .. } => "ct",
            Self::NoTrack => "notrack",
            Self::Reject(_) => "reject",
            Self::ExtensionHeader { .. } => "exthdr",
            Self::ByteOrder { .. } => "byteorder",
            Self::DynamicSet { .. } => "dynset",
            Self::Opaque { name, .. } => name,
        }
    }

    /// The same instruction without what traffic changed: counters and used quota at zero. Compare these, for a
    /// dump reports how far the counters have come.
    #[must_use]
    pub fn without_state(&self) -> Self {
        match self {
            Self::Counter(_) => Self::Counter(Counter::default()),
            Self::Quota(quota) => Self::Quota(quota.without_state()),
            other => other.clone(),
        }
    }

    /// Sets [`Expression::without_state`] in place.
    pub fn clear_state(&mut self) {
        match self {
            Self::Counter(counter) => *counter = Counter::default(),
            Self::Quota(quota) => *quota = quota.without_state(),
            _ => {}
        }
    }
}
