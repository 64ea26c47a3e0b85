//! Packets on their way to a controller and from it.

use super::layout::{Bytes, Property, Wire, property, read_buffer, write_buffer, write_property};
use crate::action::Action;
use crate::field::Field;
use crate::matching::Match;
use crate::port_number::PortNumber;
use crate::version::Version;
use crate::wire::{DecodeError, EncodeError, Reader, Writer};
use serde::{Deserialize, Serialize};

/// A packet that a switch shows its controller.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PacketIn {
    /// Where the switch keeps all of it, if it does.
    pub buffer: Option<u32>,
    /// Bytes of all of it.
    pub total_length: u16,
    /// Why it is shown: 0 no flow matched, 1 an action said so, 2 its TTL ran out, …
    pub reason: u8,
    /// The table that sent it (1.1).
    pub table: u8,
    /// The cookie of the flow that sent it (1.3, Nicira).
    pub cookie: u64,
    /// The port it came in at (1.0, 1.1); later it stands in `metadata`.
    pub in_port: Option<PortNumber>,
    /// The physical port below it (1.1).
    pub in_phy_port: Option<PortNumber>,
    /// The fields that came with it, such as the port and registers (1.2, Nicira).
    pub metadata: Match,
    /// Its first bytes, or all.
    pub data: Bytes,
}

impl Wire for PacketIn {
    fn decode(version: Version, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        const WHAT: &str = "a packet-in";
        let mut packet = Self {
            buffer: read_buffer(reader)?,
            ..Self::default()
        };
        if version == Version::V1_1 {
            packet.in_port = Some(PortNumber::decode(version, reader)?);
            packet.in_phy_port = Some(PortNumber::decode(version, reader)?);
        }
        packet.total_length = reader.u16(WHAT)?;
        if version == Version::V1_0 {
            packet.in_port = Some(PortNumber::decode(version, reader)?);
        }
        packet.reason = reader.u8(WHAT)?;
        // In 1.0 this is padding.
        packet.table = reader.u8(WHAT)?;
        if version >= Version::V1_3 {
            packet.cookie = reader.u64(WHAT)?;
        }
        if version >= Version::V1_2 {
            packet.metadata = Match::decode(version, reader)?;
            reader.skip(2, WHAT)?;
        }
        packet.data = Bytes::rest(reader);
        Ok(packet)
    }

    fn encode(&self, version: Version, writer: &mut Writer) -> Result<(), EncodeError> {
        let in_port = self
            .in_port
            .or_else(|| in_port_of(&self.metadata))
            .unwrap_or_default();
        write_buffer(self.buffer, writer);
        if version == Version::V1_1 {
            in_port.encode(version, writer)?;
            self.in_phy_port
                .unwrap_or(in_port)
                .encode(version, writer)?;
        }
        writer.u16(self.total_length);
        if version == Version::V1_0 {
            in_port.encode(version, writer)?;
        }
        writer.u8(self.reason);
        writer.u8(self.table);
        if version >= Version::V1_3 {
            writer.u64(self.cookie);
        }
        if version >= Version::V1_2 {
            self.metadata.encode(version, writer)?;
            writer.zeros(2);
        }
        writer.bytes(&self.data.0);
        Ok(())
    }
}

impl PacketIn {
    /// Reads Nicira's first form of it, in any version.
    pub(crate) fn decode_nxm(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        const WHAT: &str = "a packet-in";
        let buffer = read_buffer(reader)?;
        let total_length = reader.u16(WHAT)?;
        let reason = reader.u8(WHAT)?;
        let table = reader.u8(WHAT)?;
        let cookie = reader.u64(WHAT)?;
        let length = reader.u16(WHAT)?;
        reader.skip(6, WHAT)?;
        let metadata = super::nicira::read_match(length, reader)?;
        reader.skip(2, WHAT)?;
        let data = Bytes::rest(reader);
        Ok(Self {
            buffer,
            total_length,
            reason,
            table,
            cookie,
            metadata,
            data,
            in_port: None,
            in_phy_port: None,
        })
    }

    /// Writes Nicira's first form of it.
    pub(crate) fn encode_nxm(&self, writer: &mut Writer) -> Result<(), EncodeError> {
        write_buffer(self.buffer, writer);
        writer.u16(self.total_length);
        writer.u8(self.reason);
        writer.u8(self.table);
        writer.u64(self.cookie);
        let length = writer.len();
        writer.zeros(8);
        super::nicira::write_match(&self.metadata, length, writer)?;
        writer.zeros(2);
        writer.bytes(&self.data.0);
        Ok(())
    }

    /// The port that the packet came in at, wherever the version says it.
    #[must_use]
    pub fn port(&self) -> Option<PortNumber> {
        self.in_port.or_else(|| in_port_of(&self.metadata))
    }
}

/// Nicira's second form of a packet-in, which `controller(userdata=…)` sends; sent back, it resumes a paused packet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PacketIn2 {
    /// What it says, in the order of the wire.
    pub properties: Vec<PacketIn2Property>,
}

/// A part of a [`PacketIn2`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PacketIn2Property {
    /// The packet's first bytes, or all.
    Packet(Bytes),
    /// Bytes of all of it, if there are more than shown.
    FullLength(u32),
    /// Where the switch keeps it.
    Buffer(u32),
    /// The table that sent it.
    Table(u8),
    /// The cookie of the flow that sent it.
    Cookie(u64),
    /// Why.
    Reason(u8),
    /// The fields that came with it.
    Metadata(Match),
    /// What the action says besides.
    Userdata(Bytes),
    /// What the switch needs to go on with a paused packet.
    Continuation(Bytes),
    /// Another one.
    Opaque(Property),
}

impl PacketIn2 {
    /// The packet's bytes.
    #[must_use]
    pub fn packet(&self) -> &[u8] {
        self.find(|property| match property {
            PacketIn2Property::Packet(bytes) => Some(bytes.0.as_slice()),
            _ => None,
        })
        .unwrap_or_default()
    }

    /// What the action says besides.
    #[must_use]
    pub fn userdata(&self) -> &[u8] {
        self.find(|property| match property {
            PacketIn2Property::Userdata(bytes) => Some(bytes.0.as_slice()),
            _ => None,
        })
        .unwrap_or_default()
    }

    /// The cookie of the flow that sent it.
    #[must_use]
    pub fn cookie(&self) -> Option<u64> {
        self.find(|property| match property {
            PacketIn2Property::Cookie(cookie) => Some(*cookie),
            _ => None,
        })
    }

    /// The fields that came with it.
    #[must_use]
    pub fn metadata(&self) -> Option<&Match> {
        self.find(|property| match property {
            PacketIn2Property::Metadata(fields) => Some(fields),
            _ => None,
        })
    }

    fn find<'a, T: 'a>(
        &'a self,
        wanted: impl FnMut(&'a PacketIn2Property) -> Option<T>,
    ) -> Option<T> {
        self.properties.iter().find_map(wanted)
    }
}

impl Wire for PacketIn2 {
    fn decode(version: Version, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        super::layout::decode_all(version, reader).map(|properties| Self { properties })
    }

    fn encode(&self, version: Version, writer: &mut Writer) -> Result<(), EncodeError> {
        super::layout::encode_all(&self.properties, version, writer)
    }
}

impl Wire for PacketIn2Property {
    fn decode(_: Version, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        const WHAT: &str = "a packet-in's property";
        let (kind, mut value) = property(reader)?;
        Ok(match (kind, value.remaining()) {
            (0, _) => Self::Packet(Bytes::rest(&mut value)),
            (1, 4) => Self::FullLength(value.u32(WHAT)?),
            (2, 4) => Self::Buffer(value.u32(WHAT)?),
            (3, 1) => Self::Table(value.u8(WHAT)?),
            (4, 12) => {
                value.skip(4, WHAT)?;
                Self::Cookie(value.u64(WHAT)?)
            }
            (5, 1) => Self::Reason(value.u8(WHAT)?),
            (6, _) => Self::Metadata(Match::decode_fields(&mut value)?),
            (7, _) => Self::Userdata(Bytes::rest(&mut value)),
            (8, _) => Self::Continuation(Bytes::rest(&mut value)),
            _ => Self::Opaque(Property {
                kind,
                value: Bytes::rest(&mut value),
            }),
        })
    }

    fn encode(&self, version: Version, writer: &mut Writer) -> Result<(), EncodeError> {
        let kind = match self {
            Self::Packet(_) => 0,
            Self::FullLength(_) => 1,
            Self::Buffer(_) => 2,
            Self::Table(_) => 3,
            Self::Cookie(_) => 4,
            Self::Reason(_) => 5,
            Self::Metadata(_) => 6,
            Self::Userdata(_) => 7,
            Self::Continuation(_) => 8,
            Self::Opaque(property) => return property.encode(version, writer),
        };
        write_property(writer, kind, |writer| {
            match self {
                Self::Packet(bytes) | Self::Userdata(bytes) | Self::Continuation(bytes) => {
                    writer.bytes(&bytes.0)
                }
                Self::FullLength(number) | Self::Buffer(number) => writer.u32(*number),
                Self::Table(number) | Self::Reason(number) => writer.u8(*number),
                Self::Cookie(cookie) => {
                    writer.zeros(4);
                    writer.u64(*cookie);
                }
                // As Open vSwitch does: 1.0 and 1.1 have no form of their own for fields.
                Self::Metadata(fields) if version <= Version::V1_1 => {
                    return fields.encode_nxm(writer);
                }
                Self::Metadata(fields) => return fields.encode_fields(version, writer),
                Self::Opaque(_) => {}
            }
            Ok(())
        })
    }
}

/// A packet that a controller has a switch send.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PacketOut {
    /// The switch's buffer with the packet; without one, `data` is the packet.
    pub buffer: Option<u32>,
    /// The port at which it counts as come in, `CONTROLLER` if none. 1.5 says it in `metadata`, and there this counts
    /// only if that does not; `ANY` says nothing.
    pub in_port: PortNumber,
    /// Fields to come with it (1.5).
    pub metadata: Match,
    /// What to do with it.
    pub actions: Vec<Action>,
    /// The packet.
    pub data: Bytes,
}

impl Wire for PacketOut {
    fn decode(version: Version, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        const WHAT: &str = "a packet-out";
        let mut packet = Self {
            buffer: read_buffer(reader)?,
            ..Self::default()
        };
        if version < Version::V1_5 {
            packet.in_port = PortNumber::decode(version, reader)?;
        }
        let length = usize::from(reader.u16(WHAT)?);
        match version {
            Version::V1_0 => {}
            Version::V1_5 => {
                reader.skip(2, WHAT)?;
                packet.metadata = Match::decode(version, reader)?;
                packet.in_port = in_port_of(&packet.metadata).unwrap_or_default();
            }
            _ => reader.skip(6, WHAT)?,
        }
        packet.actions = Action::decode_list(version, &mut reader.sub(length, WHAT)?)?;
        packet.data = Bytes::rest(reader);
        Ok(packet)
    }

    fn encode(&self, version: Version, writer: &mut Writer) -> Result<(), EncodeError> {
        write_buffer(self.buffer, writer);
        if version < Version::V1_5 {
            if self
                .metadata
                .fields()
                .any(|field| field.field() != Field::InPort)
            {
                return Err(EncodeError::NotInVersion {
                    what: "fields of a packet-out",
                    version,
                });
            }
            self.in_port.encode(version, writer)?;
        }
        let length = writer.len();
        writer.u16(0);
        match version {
            Version::V1_0 => {}
            Version::V1_5 => {
                writer.zeros(2);
                if self.in_port == PortNumber::ANY || self.metadata.get(Field::InPort).is_some() {
                    self.metadata.encode(version, writer)?;
                } else {
                    self.metadata
                        .clone()
                        .exact(Field::InPort, self.in_port.0)
                        .encode(version, writer)?;
                }
            }
            _ => writer.zeros(6),
        }
        let start = writer.len();
        Action::encode_list(&self.actions, version, writer)?;
        writer.patch_length(length, start, "a packet-out's actions")?;
        writer.bytes(&self.data.0);
        Ok(())
    }
}

fn in_port_of(fields: &Match) -> Option<PortNumber> {
    let number = fields.exact_value(Field::InPort)?;
    u32::try_from(number).ok().map(PortNumber)
}
