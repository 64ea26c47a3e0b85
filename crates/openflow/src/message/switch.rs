//! What a switch is and how it is set: features, configuration, ports and their changes, tables, queues.

use super::layout::{
    Bytes, Label, MacAddress, Property, Wire, decode_all, encode_all, property, record, sized,
    write_property,
};
use crate::port_number::PortNumber;
use crate::version::Version;
use crate::wire::{DecodeError, EncodeError, Reader, Writer};
use serde::{Deserialize, Serialize};

/// What a switch says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Features {
    /// Its identity; Open vSwitch makes it of the bridge's MAC unless told otherwise.
    pub datapath_id: u64,
    /// Packets that it can keep.
    pub buffers: u32,
    /// Its tables.
    pub tables: u8,
    /// Which of several connections this is; 0 is the main one (1.3).
    pub auxiliary_id: u8,
    /// What it can do, as bits.
    pub capabilities: u32,
    /// Actions it knows, as bits (1.0).
    pub actions: u32,
    /// Its ports (1.0 to 1.2; later ones are asked for by multipart).
    pub ports: Vec<Port>,
}

impl Wire for Features {
    fn decode(version: Version, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        const WHAT: &str = "a switch's features";
        let datapath_id = reader.u64(WHAT)?;
        let buffers = reader.u32(WHAT)?;
        let tables = reader.u8(WHAT)?;
        let auxiliary_id = reader.u8(WHAT)?;
        reader.skip(2, WHAT)?;
        let capabilities = reader.u32(WHAT)?;
        let actions = reader.u32(WHAT)?;
        let ports = if version <= Version::V1_2 {
            decode_all(version, reader)?
        } else {
            Vec::new()
        };
        Ok(Self {
            datapath_id,
            buffers,
            tables,
            auxiliary_id,
            capabilities,
            actions,
            ports,
        })
    }

    fn encode(&self, version: Version, writer: &mut Writer) -> Result<(), EncodeError> {
        writer.u64(self.datapath_id);
        writer.u32(self.buffers);
        writer.u8(self.tables);
        writer.u8(self.auxiliary_id);
        writer.zeros(2);
        writer.u32(self.capabilities);
        writer.u32(self.actions);
        if version > Version::V1_2 && !self.ports.is_empty() {
            return Err(EncodeError::NotInVersion {
                what: "ports among the features",
                version,
            });
        }
        encode_all(&self.ports, version, writer)
    }
}

record! {
    /// How a switch treats fragments, and how much of a packet it sends.
    SwitchConfig {
        /// Bits: 1 drops fragments, 2 reassembles them.
        flags: u16;
        /// Bytes of a packet that goes to the controller because no flow matched.
        miss_send_length: u16;
    }
}

/// A port as its switch describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Port {
    /// Its number.
    pub number: PortNumber,
    /// Its MAC.
    pub address: MacAddress,
    /// Its name.
    pub name: Label<16>,
    /// What the administrator set, as bits: 1 is down.
    pub config: u32,
    /// What it is in, as bits: 1 is no link.
    pub state: u32,
    /// Speeds; exactly one of the kind `ethernet` before 1.4.
    pub properties: Vec<PortProperty>,
}

/// More of a port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PortProperty {
    /// What an Ethernet port is and can be.
    Ethernet(PortSpeeds),
    /// Another one.
    Opaque(Property),
}

record! {
    /// Speeds of an Ethernet port.
    PortSpeeds {
        /// In use, as bits.
        current: u32;
        /// Told to the other end.
        advertised: u32;
        /// What it could do.
        supported: u32;
        /// What the other end tells.
        peer: u32;
        /// Kilobits per second now (1.1).
        current_speed: u32;
        /// Kilobits per second at most (1.1).
        maximum_speed: u32;
    }
}

impl Wire for Port {
    fn decode(version: Version, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let number = PortNumber::decode(version, reader)?;
        let extensible = version >= Version::V1_4;
        let mut properties_length = 0;
        if extensible {
            let length = usize::from(reader.u16("a port")?);
            let bad = DecodeError::BadLength {
                what: "a port",
                length,
            };
            properties_length = length.checked_sub(40).ok_or(bad)?;
            reader.skip(2, "a port")?;
        } else if version >= Version::V1_1 {
            reader.skip(4, "a port")?;
        }
        let address = MacAddress::decode(version, reader)?;
        if version >= Version::V1_1 {
            reader.skip(2, "a port")?;
        }
        let name = Label::decode(version, reader)?;
        let config = reader.u32("a port")?;
        let state = reader.u32("a port")?;
        let properties = if extensible {
            decode_all(
                version,
                &mut reader.sub(properties_length, "a port's properties")?,
            )?
        } else {
            let mut speeds = [0; 6];
            let count = if version == Version::V1_0 { 4 } else { 6 };
            for speed in speeds.iter_mut().take(count) {
                *speed = reader.u32("a port's speeds")?;
            }
            let [
                current,
                advertised,
                supported,
                peer,
                current_speed,
                maximum_speed,
            ] = speeds;
            vec![PortProperty::Ethernet(PortSpeeds {
                current,
                advertised,
                supported,
                peer,
                current_speed,
                maximum_speed,
            })]
        };
        Ok(Self {
            number,
            address,
            name,
            config,
            state,
            properties,
        })
    }

    fn encode(&self, version: Version, writer: &mut Writer) -> Result<(), EncodeError> {
        let start = writer.len();
        self.number.encode(version, writer)?;
        if version >= Version::V1_1 {
            writer.zeros(4);
        }
        self.address.encode(version, writer)?;
        if version >= Version::V1_1 {
            writer.zeros(2);
        }
        self.name.encode(version, writer)?;
        writer.u32(self.config);
        writer.u32(self.state);
        if version >= Version::V1_4 {
            encode_all(&self.properties, version, writer)?;
            return writer.patch_length(start.saturating_add(4), start, "a port");
        }
        let speeds = match self.properties.as_slice() {
            [] => PortSpeeds::default(),
            [PortProperty::Ethernet(speeds)] => speeds.clone(),
            _ => {
                return Err(EncodeError::NotInVersion {
                    what: "a port's properties",
                    version,
                });
            }
        };
        let before = writer.len();
        speeds.encode(version, writer)?;
        if version == Version::V1_0 {
            writer.truncate(before.saturating_add(16));
        }
        Ok(())
    }
}

impl Wire for PortProperty {
    fn decode(version: Version, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (kind, mut value) = property(reader)?;
        if kind == 0 && value.remaining() == 28 {
            value.skip(4, "padding")?;
            return PortSpeeds::decode(version, &mut value).map(Self::Ethernet);
        }
        Ok(Self::Opaque(Property {
            kind,
            value: Bytes::rest(&mut value),
        }))
    }

    fn encode(&self, version: Version, writer: &mut Writer) -> Result<(), EncodeError> {
        match self {
            Self::Ethernet(speeds) => write_property(writer, 0, |writer| {
                writer.zeros(4);
                speeds.encode(version, writer)
            }),
            Self::Opaque(property) => property.encode(version, writer),
        }
    }
}

record! {
    /// A port was added (0), removed (1) or changed (2).
    PortStatus {
        /// Which of them.
        reason: u8, pad 7;
        /// The port as it is now, or was.
        port: Port;
    }
}

/// Sets a port.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PortMod {
    /// Which port.
    pub number: PortNumber,
    /// Its MAC, as a check that it is still the same.
    pub address: MacAddress,
    /// Bits as they shall be.
    pub config: u32,
    /// The bits that are set by this.
    pub mask: u32,
    /// Speeds to tell the other end; zero leaves them (before 1.4).
    pub advertise: u32,
    /// More of it (1.4).
    pub properties: Vec<Property>,
}

impl Wire for PortMod {
    fn decode(version: Version, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        const WHAT: &str = "a port mod";
        let number = PortNumber::decode(version, reader)?;
        let padded = version >= Version::V1_1;
        reader.skip(if padded { 4 } else { 0 }, WHAT)?;
        let address = MacAddress::decode(version, reader)?;
        reader.skip(if padded { 2 } else { 0 }, WHAT)?;
        let config = reader.u32(WHAT)?;
        let mask = reader.u32(WHAT)?;
        let mut read = Self {
            number,
            address,
            config,
            mask,
            ..Self::default()
        };
        if version >= Version::V1_4 {
            read.properties = decode_all(version, reader)?;
        } else {
            read.advertise = reader.u32(WHAT)?;
            reader.skip(4, WHAT)?;
        }
        Ok(read)
    }

    fn encode(&self, version: Version, writer: &mut Writer) -> Result<(), EncodeError> {
        let padded = version >= Version::V1_1;
        self.number.encode(version, writer)?;
        writer.zeros(if padded { 4 } else { 0 });
        self.address.encode(version, writer)?;
        writer.zeros(if padded { 2 } else { 0 });
        writer.u32(self.config);
        writer.u32(self.mask);
        if version >= Version::V1_4 {
            if self.advertise != 0 {
                let what = "`advertise` of a port mod outside its properties";
                return Err(EncodeError::NotInVersion { what, version });
            }
            return encode_all(&self.properties, version, writer);
        }
        if !self.properties.is_empty() {
            return Err(EncodeError::NotInVersion {
                what: "a port mod's properties",
                version,
            });
        }
        writer.u32(self.advertise);
        writer.zeros(4);
        Ok(())
    }
}

/// Sets a table, or describes it (1.4).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TableMod {
    /// Which table; 255 is all.
    pub table: u8,
    /// Bits.
    pub config: u32,
    /// More of it (1.4).
    pub properties: Vec<Property>,
}

impl Wire for TableMod {
    fn decode(version: Version, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let table = reader.u8("a table mod")?;
        reader.skip(3, "a table mod")?;
        let config = reader.u32("a table mod")?;
        let properties = if version >= Version::V1_4 {
            decode_all(version, reader)?
        } else {
            Vec::new()
        };
        Ok(Self {
            table,
            config,
            properties,
        })
    }

    fn encode(&self, version: Version, writer: &mut Writer) -> Result<(), EncodeError> {
        writer.u8(self.table);
        writer.zeros(3);
        writer.u32(self.config);
        if version < Version::V1_4 && !self.properties.is_empty() {
            return Err(EncodeError::NotInVersion {
                what: "a table mod's properties",
                version,
            });
        }
        encode_all(&self.properties, version, writer)
    }
}

/// Asks for the queues of a port (1.0 to 1.3).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueConfigRequest {
    /// The port.
    pub port: PortNumber,
}

impl Wire for QueueConfigRequest {
    fn decode(version: Version, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let port = PortNumber::decode(version, reader)?;
        reader.skip(if version == Version::V1_0 { 2 } else { 4 }, "padding")?;
        Ok(Self { port })
    }

    fn encode(&self, version: Version, writer: &mut Writer) -> Result<(), EncodeError> {
        self.port.encode(version, writer)?;
        writer.zeros(if version == Version::V1_0 { 2 } else { 4 });
        Ok(())
    }
}

/// The queues of a port.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueConfigReply {
    /// The port.
    pub port: PortNumber,
    /// Its queues.
    pub queues: Vec<Queue>,
}

/// A queue of a port.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Queue {
    /// Its number.
    pub id: u32,
    /// Its port (1.2).
    pub port: PortNumber,
    /// Rates and others, each with 4 bytes of padding in front of its value.
    pub properties: Vec<Property>,
}

impl Wire for QueueConfigReply {
    fn decode(version: Version, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let port = PortNumber::decode(version, reader)?;
        reader.skip(if version == Version::V1_0 { 6 } else { 4 }, "padding")?;
        Ok(Self {
            port,
            queues: decode_all(version, reader)?,
        })
    }

    fn encode(&self, version: Version, writer: &mut Writer) -> Result<(), EncodeError> {
        self.port.encode(version, writer)?;
        writer.zeros(if version == Version::V1_0 { 6 } else { 4 });
        encode_all(&self.queues, version, writer)
    }
}

impl Wire for Queue {
    fn decode(version: Version, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        const WHAT: &str = "a queue";
        let wide = version >= Version::V1_2;
        let id = reader.u32(WHAT)?;
        let port = if wide {
            PortNumber(reader.u32(WHAT)?)
        } else {
            PortNumber::ANY
        };
        let length = usize::from(reader.u16(WHAT)?);
        let fixed = if wide { 16 } else { 8 };
        reader.skip(if wide { 6 } else { 2 }, WHAT)?;
        let rest = length
            .checked_sub(fixed)
            .ok_or(DecodeError::BadLength { what: WHAT, length })?;
        Ok(Self {
            id,
            port,
            properties: decode_all(version, &mut reader.sub(rest, WHAT)?)?,
        })
    }

    fn encode(&self, version: Version, writer: &mut Writer) -> Result<(), EncodeError> {
        let wide = version >= Version::V1_2;
        let start = writer.len();
        writer.u32(self.id);
        if wide {
            writer.u32(self.port.0);
        }
        let length = writer.len();
        writer.u16(0);
        writer.zeros(if wide { 6 } else { 2 });
        encode_all(&self.properties, version, writer)?;
        writer.patch_length(length, start, "a queue")
    }
}

/// A table as it is (1.4).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TableDescription {
    /// Which table.
    pub table: u8,
    /// Bits.
    pub config: u32,
    /// More of it.
    pub properties: Vec<Property>,
}

impl Wire for TableDescription {
    fn decode(version: Version, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        const WHAT: &str = "a table's description";
        let mut body = sized(reader, 8, WHAT)?;
        let table = body.u8(WHAT)?;
        body.skip(1, WHAT)?;
        Ok(Self {
            table,
            config: body.u32(WHAT)?,
            properties: decode_all(version, &mut body)?,
        })
    }

    fn encode(&self, version: Version, writer: &mut Writer) -> Result<(), EncodeError> {
        let start = writer.len();
        writer.u16(0);
        writer.u8(self.table);
        writer.u8(0);
        writer.u32(self.config);
        encode_all(&self.properties, version, writer)?;
        writer.patch_length(start, start, "a table's description")
    }
}

record! {
    /// A table's description changed (1.4): 3 for vacancy down, 4 for vacancy up.
    TableStatus {
        /// Why.
        reason: u8, pad 7;
        /// The table as it is.
        table: TableDescription;
    }
}
