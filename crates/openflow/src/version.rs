//! The versions of OpenFlow on the wire. What a version can express, the other modules say.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A version of the protocol, ordered by age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Version {
    /// OpenFlow 1.0, the only version with a fixed 40-byte match (or Nicira's extended match).
    #[serde(rename = "1.0")]
    V1_0 = 1,
    /// OpenFlow 1.1, the only version with the 88-byte match.
    #[serde(rename = "1.1")]
    V1_1 = 2,
    /// OpenFlow 1.2, the first with the extensible match.
    #[serde(rename = "1.2")]
    V1_2 = 3,
    /// OpenFlow 1.3.
    #[serde(rename = "1.3")]
    V1_3 = 4,
    /// OpenFlow 1.4.
    #[serde(rename = "1.4")]
    V1_4 = 5,
    /// OpenFlow 1.5.
    #[serde(rename = "1.5")]
    V1_5 = 6,
}

impl Version {
    /// Every version, oldest first.
    pub const ALL: [Self; 6] = [
        Self::V1_0,
        Self::V1_1,
        Self::V1_2,
        Self::V1_3,
        Self::V1_4,
        Self::V1_5,
    ];

    /// The byte that names this version in every message header.
    #[must_use]
    pub const fn wire(self) -> u8 {
        self as u8
    }

    /// The version that a header's first byte names, if it is one of these.
    #[must_use]
    pub const fn from_wire(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::V1_0),
            2 => Some(Self::V1_1),
            3 => Some(Self::V1_2),
            4 => Some(Self::V1_3),
            5 => Some(Self::V1_4),
            6 => Some(Self::V1_5),
            _ => None,
        }
    }

    /// The name `ovs-ofctl -O` and the `Bridge.protocols` column use, such as `OpenFlow13`.
    #[must_use]
    pub const fn protocol_name(self) -> &'static str {
        match self {
            Self::V1_0 => "OpenFlow10",
            Self::V1_1 => "OpenFlow11",
            Self::V1_2 => "OpenFlow12",
            Self::V1_3 => "OpenFlow13",
            Self::V1_4 => "OpenFlow14",
            Self::V1_5 => "OpenFlow15",
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "1.{}", self.wire() - 1)
    }
}

/// A text that names no version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` names no OpenFlow version: write 1.0 to 1.5, or OpenFlow10 to OpenFlow15")]
pub struct UnknownVersion(pub String);

impl FromStr for Version {
    type Err = UnknownVersion;

    fn from_str(text: &str) -> Result<Self, UnknownVersion> {
        Self::ALL
            .into_iter()
            .find(|version| {
                version.to_string() == text || version.protocol_name().eq_ignore_ascii_case(text)
            })
            .ok_or_else(|| UnknownVersion(text.to_owned()))
    }
}
