//! Named objects of a table (counters, limits, quotas), which rules and maps refer to, and the same three as
//! expressions. Knows their numbers, not who counts what.

use crate::expression::LimitUnit;
use crate::userdata::UserData;
use crate::wire::{Writer, exact_fields, known_fields, read_name, read_u32, read_u64};

/// Packets and bytes that came by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Counter {
    /// Packets.
    pub packets: u64,
    /// Bytes; in the bridge family without the Ethernet header.
    pub bytes: u64,
}

/// A rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Limit {
    /// What is counted.
    pub unit: LimitUnit,
    /// How many per `per_seconds`, above 0.
    pub rate: u64,
    /// The span: 1 second, 60, 3600, 86,400 or 604,800 (others work, but nft cannot print them).
    pub per_seconds: u64,
    /// How many more may come at once. The kernel turns 0 packets into 5, so a dump never shows that.
    pub burst: u32,
    /// Match what exceeds the rate instead of what keeps to it.
    pub over: bool,
}

/// An amount of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quota {
    /// How many.
    pub bytes: u64,
    /// Match once they are used up, instead of until.
    pub over: bool,
    /// How many are used.
    pub consumed: u64,
}

/// A kind of object, as the kernel numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKind(pub u32);

impl ObjectKind {
    /// Counter.
    pub const COUNTER: Self = Self(1);
    /// Quota.
    pub const QUOTA: Self = Self(2);
    /// Limit.
    pub const LIMIT: Self = Self(4);
}

/// What an object is and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectState {
    /// A counter.
    Counter(Counter),
    /// A limit.
    Limit(Limit),
    /// A quota.
    Quota(Quota),
    /// A kind, or a form, that this crate does not know.
    Opaque {
        /// The kernel's number for it.
        kind: ObjectKind,
        /// Its attributes as they were.
        attributes: Vec<u8>,
    },
}

/// A named object of a table. The kernel cannot change one: delete and add it (nothing may refer to it then).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Object {
    /// Its name, unique in the table for its kind, at most 255 bytes.
    pub name: String,
    /// What it is.
    pub state: ObjectState,
    /// Comment.
    pub userdata: UserData,
}

impl Object {
    /// A counter at zero.
    #[must_use]
    pub fn counter(name: impl Into<String>) -> Self {
        Self::new(name, ObjectState::Counter(Counter::default()))
    }

    /// A limit.
    #[must_use]
    pub fn limit(name: impl Into<String>, limit: Limit) -> Self {
        Self::new(name, ObjectState::Limit(limit))
    }

    /// Any object without a comment.
    #[must_use]
    pub fn new(name: impl Into<String>, state: ObjectState) -> Self {
        Self {
            name: name.into(),
            state,
            userdata: UserData::none(),
        }
    }

    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> ObjectKind {
        match &self.state {
            ObjectState::Counter(_) => ObjectKind::COUNTER,
            ObjectState::Limit(_) => ObjectKind::LIMIT,
            ObjectState::Quota(_) => ObjectKind::QUOTA,
            ObjectState::Opaque { kind, .. } => *kind,
        }
    }

    /// The same object without what traffic changed.
    #[must_use]
    pub fn without_state(&self) -> Self {
        let state = match &self.state {
            ObjectState::Counter(_) => ObjectState::Counter(Counter::default()),
            ObjectState::Quota(quota) => ObjectState::Quota(quota.without_state()),
            other => other.clone(),
        };
        Self {
            state,
            ..self.clone()
        }
    }
}

impl Limit {
    /// At most `rate` packets in a second, 5 more at once.
    #[must_use]
    pub const fn packets_per_second(rate: u64) -> Self {
        Self {
            unit: LimitUnit::Packets,
            rate,
            per_seconds: 1,
            burst: 5,
            over: false,
        }
    }

    /// At most `rate` bytes in a second, `burst` bytes more at once.
    #[must_use]
    pub const fn bytes_per_second(rate: u64, burst: u32) -> Self {
        Self {
            unit: LimitUnit::Bytes,
            rate,
            per_seconds: 1,
            burst,
            over: false,
        }
    }

    /// The same limit, matching what exceeds it.
    #[must_use]
    pub const fn over(self) -> Self {
        Self { over: true, ..self }
    }

    /// The same limit with another burst.
    #[must_use]
    pub const fn with_burst(self, burst: u32) -> Self {
        Self { burst, ..self }
    }
}

impl Quota {
    /// The same quota, unused.
    #[must_use]
    pub const fn without_state(self) -> Self {
        Self {
            consumed: 0,
            ..self
        }
    }
}

const INVERT: u32 = 1;

impl Counter {
    pub(crate) fn write(self, writer: &mut Writer) {
        writer.u64(1, self.bytes);
        writer.u64(2, self.packets);
    }

    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let [_, bytes, packets, _] = exact_fields::<4>(bytes)?;
        Some(Self {
            packets: read_u64(packets?)?,
            bytes: read_u64(bytes?)?,
        })
    }
}

impl Limit {
    pub(crate) fn write(self, writer: &mut Writer) {
        writer.u64(1, self.rate);
        writer.u64(2, self.per_seconds);
        writer.u32(3, self.burst);
        writer.u32(4, self.unit.number());
        writer.u32(5, if self.over { INVERT } else { 0 });
    }

    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let [_, rate, unit, burst, kind, flags, _] = exact_fields::<7>(bytes)?;
        Some(Self {
            unit: LimitUnit::from_number(read_u32(kind?)?)?,
            rate: read_u64(rate?)?,
            per_seconds: read_u64(unit?)?,
            burst: read_u32(burst?)?,
            over: read_invert(flags)?,
        })
    }
}

impl Quota {
    pub(crate) fn write(self, writer: &mut Writer) {
        writer.u64(1, self.bytes);
        writer.u32(2, if self.over { INVERT } else { 0 });
        writer.u64(4, self.consumed);
    }

    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        const DEPLETED: u32 = 2;
        let [_, bytes, flags, _, consumed] = exact_fields::<5>(bytes)?;
        // "Depleted" tells that the kernel has reported it, which is state, and cannot be set.
        let flags = read_u32(flags?)? & !DEPLETED;
        if flags & !INVERT != 0 {
            return None;
        }
        Some(Self {
            bytes: read_u64(bytes?)?,
            over: flags & INVERT != 0,
            consumed: consumed.map_or(Some(0), read_u64)?,
        })
    }
}

fn read_invert(flags: Option<&[u8]>) -> Option<bool> {
    match flags.map_or(Some(0), read_u32)? {
        0 => Some(false),
        INVERT => Some(true),
        _ => None,
    }
}

const OBJECT_TABLE: u16 = 1;
const OBJECT_NAME: u16 = 2;
const OBJECT_TYPE: u16 = 3;
const OBJECT_DATA: u16 = 4;
const OBJECT_USERDATA: u16 = 8;

impl Object {
    pub(crate) fn write(&self, writer: &mut Writer, table: &str) {
        Self::write_name(writer, table, self.kind(), &self.name);
        writer.nest(OBJECT_DATA, |writer| match &self.state {
            ObjectState::Counter(counter) => counter.write(writer),
            ObjectState::Limit(limit) => limit.write(writer),
            ObjectState::Quota(quota) => quota.write(writer),
            ObjectState::Opaque { attributes, .. } => writer.raw(attributes),
        });
        if !self.userdata.is_empty() {
            writer.attribute(OBJECT_USERDATA, self.userdata.as_bytes());
        }
    }

    pub(crate) fn write_name(writer: &mut Writer, table: &str, kind: ObjectKind, name: &str) {
        writer.string(OBJECT_TABLE, table);
        writer.string(OBJECT_NAME, name);
        writer.u32(OBJECT_TYPE, kind.0);
    }

    /// Table name, handle and object of a NEWOBJ or DELOBJ message.
    pub(crate) fn read(bytes: &[u8]) -> Option<(String, u64, Self)> {
        let [_, table, name, kind, data, _, handle, _, userdata] = known_fields::<9>(bytes)?;
        let kind = ObjectKind(read_u32(kind?)?);
        let data = data.unwrap_or_default();
        let known = match kind {
            ObjectKind::COUNTER => Counter::read(data).map(ObjectState::Counter),
            ObjectKind::LIMIT => Limit::read(data).map(ObjectState::Limit),
            ObjectKind::QUOTA => Quota::read(data).map(ObjectState::Quota),
            _ => None,
        };
        let object = Self {
            name: read_name(name?),
            state: known.unwrap_or_else(|| ObjectState::Opaque {
                kind,
                attributes: data.to_vec(),
            }),
            userdata: UserData::from_bytes(userdata.unwrap_or_default().to_vec()),
        };
        let handle = handle.map_or(Some(0), read_u64)?;
        Some((read_name(table?), handle, object))
    }
}
