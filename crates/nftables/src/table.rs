//! Families and tables as plain data, and how the kernel reads and reports them.

use crate::userdata::UserData;
use crate::wire::{Writer, known_fields, read_name, read_u32, read_u64};

/// Which packets a table sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Any, where one asks for several (0).
    Unspecified,
    /// IPv4 and IPv6 (1).
    Inet,
    /// IPv4 (2).
    Ipv4,
    /// ARP (3).
    Arp,
    /// A device's ingress and egress (5).
    Netdev,
    /// What bridges carry (7).
    Bridge,
    /// IPv6 (10).
    Ipv6,
    /// Another number.
    Other(u8),
}

impl Family {
    /// The kernel's number.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Unspecified => 0,
            Self::Inet => 1,
            Self::Ipv4 => 2,
            Self::Arp => 3,
            Self::Netdev => 5,
            Self::Bridge => 7,
            Self::Ipv6 => 10,
            Self::Other(number) => number,
        }
    }

    /// The family with that number.
    #[must_use]
    pub const fn from_number(number: u8) -> Self {
        match number {
            0 => Self::Unspecified,
            1 => Self::Inet,
            2 => Self::Ipv4,
            3 => Self::Arp,
            5 => Self::Netdev,
            7 => Self::Bridge,
            10 => Self::Ipv6,
            other => Self::Other(other),
        }
    }

    /// As nft writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unspecified => "unspec",
            Self::Inet => "inet",
            Self::Ipv4 => "ip",
            Self::Arp => "arp",
            Self::Netdev => "netdev",
            Self::Bridge => "bridge",
            Self::Ipv6 => "ip6",
            Self::Other(_) => "unknown",
        }
    }
}

/// A table's family and name: what every other operation names it by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableId {
    /// Its family.
    pub family: Family,
    /// Its name, unique in the family, at most 255 bytes.
    pub name: String,
}

impl TableId {
    /// The table of that name in that family.
    #[must_use]
    pub fn new(family: Family, name: impl Into<String>) -> Self {
        Self {
            family,
            name: name.into(),
        }
    }
}

impl std::fmt::Display for TableId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} {}", self.family.name(), self.name)
    }
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Table {
    /// Family and name.
    pub id: TableId,
    /// Flags as the kernel numbers them: 1 dormant, 2 owned by a process (gone when its socket closes).
    pub flags: u32,
    /// Comment.
    pub userdata: UserData,
}

impl Table {
    /// A table without flags and comment.
    #[must_use]
    pub const fn new(id: TableId) -> Self {
        Self {
            id,
            flags: 0,
            userdata: UserData::none(),
        }
    }
}

/// Something the kernel holds, with the handle it gave it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Installed<T> {
    /// Unique among its kind within the table, never reused while the table lives.
    pub handle: u64,
    /// What it is.
    pub value: T,
}

pub(crate) const TABLE_NAME: u16 = 1;
const TABLE_FLAGS: u16 = 2;
const TABLE_USERDATA: u16 = 6;

impl Table {
    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.string(TABLE_NAME, &self.id.name);
        writer.u32(TABLE_FLAGS, self.flags);
        write_userdata(writer, TABLE_USERDATA, &self.userdata);
    }

    pub(crate) fn read(family: u8, bytes: &[u8]) -> Option<Installed<Self>> {
        let [_, name, flags, _, handle, _, userdata] = known_fields::<7>(bytes)?;
        Some(Installed {
            handle: handle.map_or(Some(0), read_u64)?,
            value: Self {
                id: TableId::new(Family::from_number(family), read_name(name?)),
                flags: flags.map_or(Some(0), read_u32)?,
                userdata: read_userdata(userdata),
            },
        })
    }
}

pub(crate) fn write_userdata(writer: &mut Writer, kind: u16, userdata: &UserData) {
    if !userdata.is_empty() {
        writer.attribute(kind, userdata.as_bytes());
    }
}

pub(crate) fn read_userdata(value: Option<&[u8]>) -> UserData {
    UserData::from_bytes(value.unwrap_or_default().to_vec())
}
