//! Port numbers, those with a meaning of their own among them. What a port is, messages say.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::wire::{DecodeError, EncodeError, Reader, Writer};

/// A port, numbered as since OpenFlow 1.1 (32 bits); on the wire of 1.0 and in Nicira's extensions the
/// reserved ports are `0xff00` and up, which reading and writing translate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PortNumber(pub u32);

impl Default for PortNumber {
    /// [`Self::ANY`].
    fn default() -> Self {
        Self::ANY
    }
}

const RESERVED: [(PortNumber, &str); 9] = [
    (PortNumber::UNSET, "UNSET"),
    (PortNumber::IN_PORT, "IN_PORT"),
    (PortNumber::TABLE, "TABLE"),
    (PortNumber::NORMAL, "NORMAL"),
    (PortNumber::FLOOD, "FLOOD"),
    (PortNumber::ALL, "ALL"),
    (PortNumber::CONTROLLER, "CONTROLLER"),
    (PortNumber::LOCAL, "LOCAL"),
    (PortNumber::ANY, "ANY"),
];

impl PortNumber {
    /// The first number that is no port's own; 1.0 has `0xff00`.
    pub const MAX: Self = Self(0xffff_ff00);
    /// In an action set's output: none was set (1.5).
    pub const UNSET: Self = Self(0xffff_fff7);
    /// The port the packet came in at.
    pub const IN_PORT: Self = Self(0xffff_fff8);
    /// In a packet-out: through the flow tables.
    pub const TABLE: Self = Self(0xffff_fff9);
    /// The switch's ordinary forwarding.
    pub const NORMAL: Self = Self(0xffff_fffa);
    /// Every port but the one it came in at and those that do not flood.
    pub const FLOOD: Self = Self(0xffff_fffb);
    /// Every port but the one it came in at.
    pub const ALL: Self = Self(0xffff_fffc);
    /// The controllers.
    pub const CONTROLLER: Self = Self(0xffff_fffd);
    /// The bridge's own interface.
    pub const LOCAL: Self = Self(0xffff_fffe);
    /// No port, or any port: where a message filters by port. `NONE` in 1.0.
    pub const ANY: Self = Self(0xffff_ffff);

    /// The 16-bit number of 1.0 and Nicira's extensions, unless that cannot say it.
    #[must_use]
    pub const fn to_u16(self) -> Option<u16> {
        match self.0 {
            0..=0xfeff => Some(self.0 as u16),
            0xffff_ff00.. => Some((self.0 & 0xffff) as u16),
            _ => None,
        }
    }

    /// The port that a 16-bit number means.
    #[must_use]
    pub const fn from_u16(number: u16) -> Self {
        if number >= 0xff00 {
            Self(0xffff_0000 | number as u32)
        } else {
            Self(number as u32)
        }
    }

    /// The reserved name, such as `LOCAL`.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        RESERVED
            .iter()
            .find(|(port, _)| *port == self)
            .map(|(_, name)| *name)
    }

    /// The port that a reserved name means, in any case; `NONE` is `ANY`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        if name.eq_ignore_ascii_case("NONE") {
            return Some(Self::ANY);
        }
        RESERVED
            .iter()
            .find(|(_, known)| known.eq_ignore_ascii_case(name))
            .map(|(port, _)| *port)
    }

    pub(crate) fn read_u16(
        reader: &mut Reader<'_>,
        what: &'static str,
    ) -> Result<Self, DecodeError> {
        reader.u16(what).map(Self::from_u16)
    }

    pub(crate) fn read_u32(
        reader: &mut Reader<'_>,
        what: &'static str,
    ) -> Result<Self, DecodeError> {
        reader.u32(what).map(Self)
    }

    pub(crate) fn write_u16(
        self,
        writer: &mut Writer,
        what: &'static str,
    ) -> Result<(), EncodeError> {
        let number = self.to_u16().ok_or(EncodeError::Unencodable {
            what,
            reason: "a port number over 0xfeff where 16 bits hold it",
        })?;
        writer.u16(number);
        Ok(())
    }
}

/// As `ovs-ofctl` prints it: a reserved name or the number. A reserved number without a name prints as 1.0's.
impl fmt::Display for PortNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.name(), self.to_u16()) {
            (Some(name), _) => formatter.write_str(name),
            (None, Some(number)) => write!(formatter, "{number}"),
            (None, None) => write!(formatter, "{}", self.0),
        }
    }
}

impl From<u32> for PortNumber {
    fn from(number: u32) -> Self {
        Self(number)
    }
}

impl From<PortNumber> for u128 {
    fn from(port: PortNumber) -> Self {
        Self::from(port.0)
    }
}
