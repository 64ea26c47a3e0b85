//! Groups: sets of buckets of actions, changed, described and counted.

use super::counters::Span;
use super::layout::{
    Bytes, Property, Wire, decode_all, encode_all, property, record, sized, write_property,
};
use crate::action::Action;
use crate::port_number::PortNumber;
use crate::version::Version;
use crate::wire::{DecodeError, EncodeError, Reader, Writer};
use serde::{Deserialize, Serialize};

/// All buckets, or none in particular, where a change of 1.5 names one.
pub const ALL_BUCKETS: u32 = 0xffff_ffff;
/// Buckets have no number before 1.5; those read from earlier versions have this one.
pub const NO_BUCKET_ID: u32 = 0xffff_ffff;

/// Adds (0), changes (1), deletes (2) a group; inserts (3) or removes (5) buckets of one (1.5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GroupMod {
    /// What to do.
    pub command: u16,
    /// 0 all buckets, 1 one by selection, 2 the only one, 3 the first that is alive.
    pub kind: u8,
    /// The group.
    pub group: u32,
    /// Where to insert or what to remove (1.5).
    pub command_bucket: u32,
    /// Its buckets.
    pub buckets: Vec<Bucket>,
    /// More of it (1.5), such as how a bucket is selected.
    pub properties: Vec<Property>,
}

impl Default for GroupMod {
    fn default() -> Self {
        Self {
            command: 0,
            kind: 0,
            group: 0,
            command_bucket: ALL_BUCKETS,
            buckets: Vec::new(),
            properties: Vec::new(),
        }
    }
}

/// Actions of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Bucket {
    /// Its number within the group (1.5).
    pub id: u32,
    /// Its weight among others; before 1.5 always there.
    pub weight: Option<u16>,
    /// It is alive as long as this port is; before 1.5 always there.
    pub watch_port: Option<PortNumber>,
    /// It is alive as long as this group is; before 1.5 always there.
    pub watch_group: Option<u32>,
    /// What it does.
    pub actions: Vec<Action>,
    /// More of it (1.5).
    pub properties: Vec<Property>,
}

impl Default for Bucket {
    fn default() -> Self {
        Self {
            id: NO_BUCKET_ID,
            weight: None,
            watch_port: None,
            watch_group: None,
            actions: Vec::new(),
            properties: Vec::new(),
        }
    }
}

impl Wire for Bucket {
    fn decode(version: Version, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        const WHAT: &str = "a bucket";
        let body = &mut sized(reader, 8, WHAT)?;
        let mut bucket = Self::default();
        if version < Version::V1_5 {
            bucket.weight = Some(body.u16(WHAT)?);
            bucket.watch_port = Some(PortNumber(body.u32(WHAT)?));
            bucket.watch_group = Some(body.u32(WHAT)?);
            body.skip(4, WHAT)?;
            bucket.actions = Action::decode_list(version, body)?;
            return Ok(bucket);
        }
        let length = usize::from(body.u16(WHAT)?);
        bucket.id = body.u32(WHAT)?;
        bucket.actions = Action::decode_list(version, &mut body.sub(length, WHAT)?)?;
        while !body.is_empty() {
            let (kind, mut value) = property(body)?;
            match (kind, value.remaining()) {
                // Two bytes of padding count as the value's.
                (0, 4) => {
                    bucket.weight = Some(value.u16(WHAT)?);
                }
                (1, 4) => bucket.watch_port = Some(PortNumber(value.u32(WHAT)?)),
                (2, 4) => bucket.watch_group = Some(value.u32(WHAT)?),
                _ => bucket.properties.push(Property {
                    kind,
                    value: Bytes::rest(&mut value),
                }),
            }
        }
        Ok(bucket)
    }

    fn encode(&self, version: Version, writer: &mut Writer) -> Result<(), EncodeError> {
        let start = writer.len();
        writer.u16(0);
        if version < Version::V1_5 {
            if !self.properties.is_empty() {
                return Err(EncodeError::NotInVersion {
                    what: "a bucket's properties",
                    version,
                });
            }
            writer.u16(self.weight.unwrap_or(0));
            writer.u32(self.watch_port.unwrap_or(PortNumber::ANY).0);
            writer.u32(self.watch_group.unwrap_or(super::flow::ANY_GROUP));
            writer.zeros(4);
            Action::encode_list(&self.actions, version, writer)?;
            return writer.patch_length(start, start, "a bucket");
        }
        let length = writer.len();
        writer.u16(0);
        writer.u32(self.id);
        let actions = writer.len();
        Action::encode_list(&self.actions, version, writer)?;
        writer.patch_length(length, actions, "a bucket's actions")?;
        let padded_weight = self.weight.map(|weight| u32::from(weight) << 16);
        for (kind, value) in [
            (0, padded_weight),
            (1, self.watch_port.map(|port| port.0)),
            (2, self.watch_group),
        ] {
            if let Some(value) = value {
                write_property(writer, kind, |writer| {
                    writer.u32(value);
                    Ok(())
                })?;
            }
        }
        encode_all(&self.properties, version, writer)?;
        writer.patch_length(start, start, "a bucket")
    }
}

impl Wire for GroupMod {
    fn decode(version: Version, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        const WHAT: &str = "a group mod";
        let mut group = Self {
            command: reader.u16(WHAT)?,
            kind: reader.u8(WHAT)?,
            ..Self::default()
        };
        reader.skip(1, WHAT)?;
        group.group = reader.u32(WHAT)?;
        if version < Version::V1_5 {
            group.buckets = decode_all(version, reader)?;
            return Ok(group);
        }
        let length = usize::from(reader.u16(WHAT)?);
        reader.skip(2, WHAT)?;
        group.command_bucket = reader.u32(WHAT)?;
        group.buckets = decode_all(version, &mut reader.sub(length, WHAT)?)?;
        group.properties = decode_all(version, reader)?;
        Ok(group)
    }

    fn encode(&self, version: Version, writer: &mut Writer) -> Result<(), EncodeError> {
        writer.u16(self.command);
        writer.u8(self.kind);
        writer.u8(0);
        writer.u32(self.group);
        if version < Version::V1_5 {
            if !self.properties.is_empty() {
                return Err(EncodeError::NotInVersion {
                    what: "a group's properties",
                    version,
                });
            }
            return encode_all(&self.buckets, version, writer);
        }
        let length = writer.len();
        writer.zeros(4);
        writer.u32(self.command_bucket);
        let start = writer.len();
        encode_all(&self.buckets, version, writer)?;
        writer.patch_length(length, start, "a group's buckets")?;
        encode_all(&self.properties, version, writer)
    }
}

/// A group as the switch has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GroupDescription {
    /// As in a [`GroupMod`].
    pub kind: u8,
    /// The group.
    pub group: u32,
    /// Its buckets.
    pub buckets: Vec<Bucket>,
    /// More of it (1.5).
    pub properties: Vec<Property>,
}

impl Wire for GroupDescription {
    fn decode(version: Version, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        const WHAT: &str = "a group";
        let body = &mut sized(reader, 8, WHAT)?;
        let mut group = Self {
            kind: body.u8(WHAT)?,
            ..Self::default()
        };
        body.skip(1, WHAT)?;
        group.group = body.u32(WHAT)?;
        if version < Version::V1_5 {
            group.buckets = decode_all(version, body)?;
            return Ok(group);
        }
        let length = usize::from(body.u16(WHAT)?);
        body.skip(6, WHAT)?;
        group.buckets = decode_all(version, &mut body.sub(length, WHAT)?)?;
        group.properties = decode_all(version, body)?;
        Ok(group)
    }

    fn encode(&self, version: Version, writer: &mut Writer) -> Result<(), EncodeError> {
        let start = writer.len();
        writer.u16(0);
        writer.u8(self.kind);
        writer.u8(0);
        writer.u32(self.group);
        if version < Version::V1_5 {
            encode_all(&self.buckets, version, writer)?;
        } else {
            let length = writer.len();
            writer.zeros(8);
            let buckets = writer.len();
            encode_all(&self.buckets, version, writer)?;
            writer.patch_length(length, buckets, "a group's buckets")?;
            encode_all(&self.properties, version, writer)?;
        }
        writer.patch_length(start, start, "a group")
    }
}

record! {
    /// What went through a bucket.
    BucketCounters {
        /// Packets.
        packets: u64;
        /// Bytes.
        bytes: u64;
    }
}

/// What went through a group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GroupStats {
    /// The group.
    pub group: u32,
    /// Flows and groups that use it.
    pub references: u32,
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
    /// How long it has been there (1.3).
    pub duration: Option<Span>,
    /// Through its buckets.
    pub buckets: Vec<BucketCounters>,
}

impl Wire for GroupStats {
    fn decode(version: Version, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        const WHAT: &str = "a group's counters";
        let body = &mut sized(reader, 8, WHAT)?;
        body.skip(2, WHAT)?;
        let group = body.u32(WHAT)?;
        let references = body.u32(WHAT)?;
        body.skip(4, WHAT)?;
        let packets = body.u64(WHAT)?;
        let bytes = body.u64(WHAT)?;
        let duration = if version >= Version::V1_3 {
            Some(Span::decode(version, body)?)
        } else {
            None
        };
        Ok(Self {
            group,
            references,
            packets,
            bytes,
            duration,
            buckets: decode_all(version, body)?,
        })
    }

    fn encode(&self, version: Version, writer: &mut Writer) -> Result<(), EncodeError> {
        let start = writer.len();
        writer.zeros(4);
        writer.u32(self.group);
        writer.u32(self.references);
        writer.zeros(4);
        writer.u64(self.packets);
        writer.u64(self.bytes);
        if version >= Version::V1_3 {
            self.duration
                .clone()
                .unwrap_or_default()
                .encode(version, writer)?;
        }
        encode_all(&self.buckets, version, writer)?;
        writer.patch_length(start, start, "a group's counters")
    }
}

record! {
    /// What a switch can do with groups; each list is by kind of group.
    GroupFeatures {
        /// The kinds it has, as bits.
        kinds: u32;
        /// What it can do, as bits.
        capabilities: u32;
        /// How many groups at most.
        maximum: [u32; 4];
        /// The actions it knows, as bits.
        actions: [u32; 4];
    }
}
