//! Tables: what they counted and what they can do.

use crate::message::layout::{Bytes, Label, Property, Wire, decode_all, encode_all, sized};
use crate::version::Version;
use crate::wire::{DecodeError, EncodeError, Reader, Writer};
use serde::{Deserialize, Serialize};

/// Counters of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TableStats {
    /// The table.
    pub table: u8,
    /// Its name (before 1.3).
    pub name: Label<32>,
    /// What it can do, as the version has it (before 1.3): 8 bytes in 1.0, 28 in 1.1, 68 in 1.2.
    pub abilities: Bytes,
    /// Its flows.
    pub active: u32,
    /// Packets looked up in it.
    pub lookups: u64,
    /// Packets that a flow of it matched.
    pub matched: u64,
}

/// Bytes between a table's name and the number of its flows.
const fn abilities(version: Version) -> usize {
    match version {
        Version::V1_0 => 8,
        Version::V1_1 => 28,
        Version::V1_2 => 68,
        _ => 0,
    }
}

impl Wire for TableStats {
    fn decode(version: Version, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        const WHAT: &str = "a table's counters";
        let mut stats = Self {
            table: reader.u8(WHAT)?,
            ..Self::default()
        };
        reader.skip(
            if matches!(version, Version::V1_1 | Version::V1_2) {
                7
            } else {
                3
            },
            WHAT,
        )?;
        if version < Version::V1_3 {
            stats.name = Label::decode(version, reader)?;
            stats.abilities = Bytes(reader.bytes(abilities(version), WHAT)?.to_vec());
        }
        stats.active = reader.u32(WHAT)?;
        stats.lookups = reader.u64(WHAT)?;
        stats.matched = reader.u64(WHAT)?;
        Ok(stats)
    }

    fn encode(&self, version: Version, writer: &mut Writer) -> Result<(), EncodeError> {
        writer.u8(self.table);
        writer.zeros(if matches!(version, Version::V1_1 | Version::V1_2) {
            7
        } else {
            3
        });
        if version < Version::V1_3 {
            self.name.encode(version, writer)?;
            let length = abilities(version);
            let known = self.abilities.0.get(..length).unwrap_or(&self.abilities.0);
            writer.bytes(known);
            writer.zeros(length.saturating_sub(known.len()));
        }
        writer.u32(self.active);
        writer.u64(self.lookups);
        writer.u64(self.matched);
        Ok(())
    }
}

/// What a table can do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TableFeatures {
    /// The table.
    pub table: u8,
    /// 0 replaces, 1 modifies, 2 enables, 3 disables (1.5).
    pub command: u8,
    /// Bits (1.5).
    pub features: u32,
    /// Its name.
    pub name: Label<32>,
    /// Bits of metadata it can match.
    pub metadata_match: u64,
    /// Bits of metadata it can write.
    pub metadata_write: u64,
    /// Bits.
    pub config: u32,
    /// How many flows at most.
    pub maximum_flows: u32,
    /// Instructions, next tables, actions, fields.
    pub properties: Vec<Property>,
}

impl Wire for TableFeatures {
    fn decode(version: Version, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        const WHAT: &str = "a table's features";
        let body = &mut sized(reader, 64, WHAT)?;
        let mut features = Self {
            table: body.u8(WHAT)?,
            ..Self::default()
        };
        // Padding before 1.5.
        features.command = body.u8(WHAT)?;
        features.features = body.u32(WHAT)?;
        features.name = Label::decode(version, body)?;
        features.metadata_match = body.u64(WHAT)?;
        features.metadata_write = body.u64(WHAT)?;
        features.config = body.u32(WHAT)?;
        features.maximum_flows = body.u32(WHAT)?;
        features.properties = decode_all(version, body)?;
        Ok(features)
    }

    fn encode(&self, version: Version, writer: &mut Writer) -> Result<(), EncodeError> {
        let start = writer.len();
        writer.u16(0);
        writer.u8(self.table);
        writer.u8(self.command);
        writer.u32(self.features);
        self.name.encode(version, writer)?;
        writer.u64(self.metadata_match);
        writer.u64(self.metadata_write);
        writer.u32(self.config);
        writer.u32(self.maximum_flows);
        encode_all(&self.properties, version, writer)?;
        writer.patch_length(start, start, "a table's features")
    }
}
