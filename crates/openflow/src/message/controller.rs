//! What a controller is to a switch: its role, and what it is told unasked.

use super::layout::{Property, Wire, record};
use crate::version::Version;
use crate::wire::{DecodeError, EncodeError, Reader, Writer};
use serde::{Deserialize, Serialize};

/// Asks for a role, or says which one is held: 0 no change, 1 equal, 2 master, 3 slave. Nicira's form, older than
/// OpenFlow's, has 0 for equal ("other"), 1 for master and 2 for slave.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Role {
    /// The role.
    pub role: u32,
    /// A number for the connection (1.5).
    pub short_id: u16,
    /// Of several requests of different controllers the highest counts.
    pub generation: u64,
}

impl Wire for Role {
    fn decode(version: Version, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        const WHAT: &str = "a role";
        let role = reader.u32(WHAT)?;
        let short_id = if version >= Version::V1_5 {
            reader.u16(WHAT)?
        } else {
            0
        };
        reader.skip(if version >= Version::V1_5 { 2 } else { 4 }, WHAT)?;
        Ok(Self {
            role,
            short_id,
            generation: reader.u64(WHAT)?,
        })
    }

    fn encode(&self, version: Version, writer: &mut Writer) -> Result<(), EncodeError> {
        if version < Version::V1_5 && self.short_id != 0 {
            return Err(EncodeError::NotInVersion {
                what: "a role's short id",
                version,
            });
        }
        writer.u32(self.role);
        writer.u16(self.short_id);
        writer.zeros(2);
        writer.u64(self.generation);
        Ok(())
    }
}

record! {
    /// A controller's role in Nicira's form.
    NiciraRole {
        /// 0 other, 1 master, 2 slave.
        role: u32;
    }
}

/// The role of this controller was changed by another (1.4).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RoleStatus {
    /// The role now.
    pub role: u32,
    /// Why: 0 another became master, 1 the switch's configuration, 2 an experimenter.
    pub reason: u8,
    /// The highest generation seen.
    pub generation: u64,
    /// More of it.
    pub properties: Vec<Property>,
}

impl Wire for RoleStatus {
    fn decode(version: Version, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        const WHAT: &str = "a change of role";
        let (role, reason) = (reader.u32(WHAT)?, reader.u8(WHAT)?);
        reader.skip(3, WHAT)?;
        let generation = reader.u64(WHAT)?;
        Ok(Self {
            role,
            reason,
            generation,
            properties: super::layout::decode_all(version, reader)?,
        })
    }

    fn encode(&self, version: Version, writer: &mut Writer) -> Result<(), EncodeError> {
        writer.u32(self.role);
        writer.u8(self.reason);
        writer.zeros(3);
        writer.u64(self.generation);
        super::layout::encode_all(&self.properties, version, writer)
    }
}

/// What a controller is told unasked, as bits by reason: 1.3's form has pairs for masters and slaves, 1.4's is a list
/// of properties of which each has one mask.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AsyncConfig {
    /// As 1.3 has it, and Nicira's first form.
    Masks(AsyncMasks),
    /// As 1.4 has it, and Nicira's second form.
    Properties(Vec<Property>),
}

record! {
    /// What is told; the first of each pair to masters and equals, the second to slaves.
    AsyncMasks {
        /// Reasons of packet-ins.
        packet_in: [u32; 2];
        /// Reasons of port changes.
        port_status: [u32; 2];
        /// Reasons of flow removals.
        flow_removed: [u32; 2];
    }
}

impl Wire for AsyncConfig {
    fn decode(version: Version, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        if version >= Version::V1_4 {
            return super::layout::decode_all(version, reader).map(Self::Properties);
        }
        AsyncMasks::decode(version, reader).map(Self::Masks)
    }

    fn encode(&self, version: Version, writer: &mut Writer) -> Result<(), EncodeError> {
        match self {
            Self::Masks(masks) if version < Version::V1_4 => masks.encode(version, writer),
            Self::Properties(properties) if version >= Version::V1_4 => {
                super::layout::encode_all(properties, version, writer)
            }
            _ => Err(EncodeError::NotInVersion {
                what: "this form of what a controller is told",
                version,
            }),
        }
    }
}
