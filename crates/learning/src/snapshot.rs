//! What was learned, as it lies on a disk or travels with a VM.

use std::collections::BTreeMap;

use frame::MacAddress;
use serde::{Deserialize, Serialize};

use crate::Held;

/// Of many ports. Reading one checks its form; what of it is allowed is checked where it is taken in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    version: Version,
    ports: BTreeMap<String, PortSnapshot>,
}

/// Of one port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PortSnapshot {
    /// Nothing that was learned by another interface is this one's.
    pub mac: MacAddress,
    pub addresses: Vec<Held>,
}

/// The form: another number means other fields, and is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
struct Version;

#[derive(Debug, thiserror::Error)]
#[error(
    "learned addresses of form {0}, where 1 is expected: they were written by another version of moat"
)]
struct OtherVersion(u8);

impl TryFrom<u8> for Version {
    type Error = OtherVersion;

    fn try_from(number: u8) -> Result<Self, OtherVersion> {
        if number == 1 {
            Ok(Self)
        } else {
            Err(OtherVersion(number))
        }
    }
}

impl From<Version> for u8 {
    fn from(_: Version) -> Self {
        1
    }
}

impl Snapshot {
    /// Of these ports, by name.
    pub fn of(ports: BTreeMap<String, PortSnapshot>) -> Self {
        Self {
            version: Version,
            ports,
        }
    }

    /// By name.
    pub fn ports(&self) -> &BTreeMap<String, PortSnapshot> {
        &self.ports
    }
}
