//! Answers.

use super::Kind;
use super::monitor::FlowUpdate;
use super::tables::{TableFeatures, TableStats};
use crate::message::counters::{Counters, Span};
use crate::message::flow_stats::FlowStats;
use crate::message::group::{GroupDescription, GroupFeatures, GroupStats};
use crate::message::layout::{Bytes, Label, Property, Wire, decode_all, encode_all, record, sized};
use crate::message::meter::{MeterConfig, MeterFeatures, MeterStats};
use crate::message::switch::{Port, TableDescription};
use crate::port_number::PortNumber;
use crate::version::Version;
use crate::wire::{DecodeError, EncodeError, Reader, Writer};
use serde::{Deserialize, Serialize};

/// An answer, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MultipartReply {
    /// [`MORE`](super::MORE) if more parts follow.
    #[serde(default)]
    pub flags: u16,
    /// What is answered.
    pub body: ReplyBody,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplyBody {
    /// Who made the switch.
    Description(Box<Description>),
    /// Flows.
    Flow(Vec<FlowStats>),
    /// Counters of flows together.
    Aggregate(Counters),
    /// Counters of tables.
    Table(Vec<TableStats>),
    /// Counters of ports.
    Port(Vec<PortStats>),
    /// Counters of queues.
    Queue(Vec<QueueStats>),
    /// Counters of groups.
    Group(Vec<GroupStats>),
    /// Groups.
    GroupDescription(Vec<GroupDescription>),
    /// What the switch can do with groups.
    GroupFeatures(GroupFeatures),
    /// Counters of meters.
    Meter(Vec<MeterStats>),
    /// Meters.
    MeterConfig(Vec<MeterConfig>),
    /// What the switch can do with meters.
    MeterFeatures(MeterFeatures),
    /// What tables can do.
    TableFeatures(Vec<TableFeatures>),
    /// Ports.
    PortDescription(Vec<Port>),
    /// Tables.
    TableDescription(Vec<TableDescription>),
    /// Queues.
    QueueDescription(Vec<QueueDescription>),
    /// Changes of flows.
    FlowMonitor(Vec<FlowUpdate>),
    /// What the switch can do with bundles.
    BundleFeatures(BundleAbilities),
    /// Flows, in Nicira's form.
    NxFlow(Vec<FlowStats>),
    /// Counters of flows together, in Nicira's form.
    NxAggregate(Counters),
    /// Changes of flows, in Nicira's form.
    NxFlowMonitor(Vec<FlowUpdate>),
    /// An experimenter's.
    Experimenter {
        /// Whose.
        experimenter: u32,
        /// Which; 0 in 1.0.
        kind: u32,
        /// What follows.
        body: Bytes,
    },
    /// Another one.
    Opaque {
        /// Its type.
        kind: u16,
        /// What follows.
        body: Bytes,
    },
}

record! {
    /// Who made a switch.
    Description {
        /// Its maker.
        manufacturer: Label<256>;
        /// Its hardware.
        hardware: Label<256>;
        /// Its software.
        software: Label<256>;
        /// Its serial number.
        serial: Label<32>;
        /// What its administrator calls it.
        datapath: Label<256>;
    }
}

record! {
    /// What a switch can do with bundles.
    BundleAbilities {
        /// Bits: 1 atomic, 2 ordered, 4 timed.
        capabilities: u16;
        /// Padding and properties.
        rest: Bytes;
    }
}

/// Counters of a port, in the order of the wire: packets received and sent, bytes, dropped, errors, and of what
/// kinds; all ones where the switch does not know.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PortStats {
    /// The port.
    pub port: PortNumber,
    /// Packets received.
    pub received_packets: u64,
    /// Packets sent.
    pub sent_packets: u64,
    /// Bytes received.
    pub received_bytes: u64,
    /// Bytes sent.
    pub sent_bytes: u64,
    /// Received and dropped.
    pub received_dropped: u64,
    /// Dropped instead of sent.
    pub sent_dropped: u64,
    /// Errors in receiving.
    pub received_errors: u64,
    /// Errors in sending.
    pub sent_errors: u64,
    /// Frame errors, overruns, checksum errors, collisions (before 1.4; then a property).
    pub kinds: [u64; 4],
    /// How long it has been there (1.3).
    pub duration: Option<Span>,
    /// More of it (1.4).
    pub properties: Vec<Property>,
}

impl PortStats {
    fn counts(&self) -> [u64; 8] {
        [
            self.received_packets,
            self.sent_packets,
            self.received_bytes,
            self.sent_bytes,
            self.received_dropped,
            self.sent_dropped,
            self.received_errors,
            self.sent_errors,
        ]
    }

    fn read_counts(&mut self, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        for count in [
            &mut self.received_packets,
            &mut self.sent_packets,
            &mut self.received_bytes,
            &mut self.sent_bytes,
            &mut self.received_dropped,
            &mut self.sent_dropped,
            &mut self.received_errors,
            &mut self.sent_errors,
        ] {
            *count = reader.u64("a port's counters")?;
        }
        Ok(())
    }
}

impl Wire for PortStats {
    fn decode(version: Version, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        const WHAT: &str = "a port's counters";
        let mut stats = Self::default();
        if version >= Version::V1_4 {
            let body = &mut sized(reader, 80, WHAT)?;
            body.skip(2, WHAT)?;
            stats.port = PortNumber::decode(version, body)?;
            stats.duration = Some(Span::decode(version, body)?);
            stats.read_counts(body)?;
            stats.properties = decode_all(version, body)?;
            return Ok(stats);
        }
        stats.port = PortNumber::decode(version, reader)?;
        reader.skip(if version == Version::V1_0 { 6 } else { 4 }, WHAT)?;
        stats.read_counts(reader)?;
        for count in &mut stats.kinds {
            *count = reader.u64(WHAT)?;
        }
        if version >= Version::V1_3 {
            stats.duration = Some(Span::decode(version, reader)?);
        }
        Ok(stats)
    }

    fn encode(&self, version: Version, writer: &mut Writer) -> Result<(), EncodeError> {
        let span = self.duration.clone().unwrap_or_default();
        if version >= Version::V1_4 {
            let start = writer.len();
            writer.zeros(4);
            self.port.encode(version, writer)?;
            span.encode(version, writer)?;
            self.counts()
                .into_iter()
                .for_each(|count| writer.u64(count));
            encode_all(&self.properties, version, writer)?;
            return writer.patch_length(start, start, "a port's counters");
        }
        self.port.encode(version, writer)?;
        writer.zeros(if version == Version::V1_0 { 6 } else { 4 });
        self.counts()
            .into_iter()
            .chain(self.kinds)
            .for_each(|count| writer.u64(count));
        if version >= Version::V1_3 {
            span.encode(version, writer)?;
        }
        Ok(())
    }
}

/// Counters of a queue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct QueueStats {
    /// The port.
    pub port: PortNumber,
    /// The queue.
    pub queue: u32,
    /// Bytes sent.
    pub sent_bytes: u64,
    /// Packets sent.
    pub sent_packets: u64,
    /// Dropped because the queue was full.
    pub errors: u64,
    /// How long it has been there (1.3).
    pub duration: Option<Span>,
    /// More of it (1.4).
    pub properties: Vec<Property>,
}

impl Wire for QueueStats {
    fn decode(version: Version, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        const WHAT: &str = "a queue's counters";
        if version >= Version::V1_4 {
            let mut body = sized(reader, 48, WHAT)?;
            body.skip(6, WHAT)?;
            let mut stats = Self::read(version, &mut body)?;
            stats.properties = decode_all(version, &mut body)?;
            return Ok(stats);
        }
        Self::read(version, reader)
    }

    fn encode(&self, version: Version, writer: &mut Writer) -> Result<(), EncodeError> {
        let start = writer.len();
        if version >= Version::V1_4 {
            writer.zeros(8);
        }
        self.port.encode(version, writer)?;
        if version == Version::V1_0 {
            writer.zeros(2);
        }
        writer.u32(self.queue);
        writer.u64(self.sent_bytes);
        writer.u64(self.sent_packets);
        writer.u64(self.errors);
        if version >= Version::V1_3 {
            self.duration
                .clone()
                .unwrap_or_default()
                .encode(version, writer)?;
        }
        if version >= Version::V1_4 {
            encode_all(&self.properties, version, writer)?;
            writer.patch_length(start, start, "a queue's counters")?;
        }
        Ok(())
    }
}

impl QueueStats {
    fn read(version: Version, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        const WHAT: &str = "a queue's counters";
        let port = PortNumber::decode(version, reader)?;
        if version == Version::V1_0 {
            reader.skip(2, WHAT)?;
        }
        Ok(Self {
            port,
            queue: reader.u32(WHAT)?,
            sent_bytes: reader.u64(WHAT)?,
            sent_packets: reader.u64(WHAT)?,
            errors: reader.u64(WHAT)?,
            duration: if version >= Version::V1_3 {
                Some(Span::decode(version, reader)?)
            } else {
                None
            },
            properties: Vec::new(),
        })
    }
}

/// A queue as the switch has it (1.4).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct QueueDescription {
    /// The port.
    pub port: PortNumber,
    /// The queue.
    pub queue: u32,
    /// Its rates.
    pub properties: Vec<Property>,
}

impl Wire for QueueDescription {
    fn decode(version: Version, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        const WHAT: &str = "a queue";
        let port = PortNumber::decode(version, reader)?;
        let queue = reader.u32(WHAT)?;
        let length = usize::from(reader.u16(WHAT)?);
        reader.skip(6, WHAT)?;
        let rest = length
            .checked_sub(16)
            .ok_or(DecodeError::BadLength { what: WHAT, length })?;
        Ok(Self {
            port,
            queue,
            properties: decode_all(version, &mut reader.sub(rest, WHAT)?)?,
        })
    }

    fn encode(&self, version: Version, writer: &mut Writer) -> Result<(), EncodeError> {
        let start = writer.len();
        self.port.encode(version, writer)?;
        writer.u32(self.queue);
        writer.zeros(8);
        encode_all(&self.properties, version, writer)?;
        writer.patch_length(start.saturating_add(8), start, "a queue")
    }
}

impl ReplyBody {
    fn kind(&self) -> Kind {
        match self {
            Self::Description(_) => Kind::Description,
            Self::Flow(_) => Kind::Flow,
            Self::Aggregate(_) => Kind::Aggregate,
            Self::Table(_) => Kind::Table,
            Self::Port(_) => Kind::Port,
            Self::Queue(_) => Kind::Queue,
            Self::Group(_) => Kind::Group,
            Self::GroupDescription(_) => Kind::GroupDescription,
            Self::GroupFeatures(_) => Kind::GroupFeatures,
            Self::Meter(_) => Kind::Meter,
            Self::MeterConfig(_) => Kind::MeterConfig,
            Self::MeterFeatures(_) => Kind::MeterFeatures,
            Self::TableFeatures(_) => Kind::TableFeatures,
            Self::PortDescription(_) => Kind::PortDescription,
            Self::TableDescription(_) => Kind::TableDescription,
            Self::QueueDescription(_) => Kind::QueueDescription,
            Self::FlowMonitor(_) => Kind::FlowMonitor,
            Self::BundleFeatures(_) => Kind::BundleFeatures,
            Self::NxFlow(_) => Kind::NxFlow,
            Self::NxAggregate(_) => Kind::NxAggregate,
            Self::NxFlowMonitor(_) => Kind::NxFlowMonitor,
            Self::Experimenter {
                experimenter, kind, ..
            } => Kind::Experimenter(*experimenter, *kind),
            Self::Opaque { kind, .. } => Kind::Opaque(*kind),
        }
    }
}

impl Wire for MultipartReply {
    fn decode(version: Version, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (kind, flags) = Kind::decode(version, reader)?;
        let body = match kind {
            Kind::Description => ReplyBody::Description(Box::new(Wire::decode(version, reader)?)),
            Kind::Flow => ReplyBody::Flow(decode_all(version, reader)?),
            Kind::Aggregate if version >= Version::V1_5 => {
                ReplyBody::Aggregate(Counters::decode_oxs(reader)?)
            }
            Kind::Aggregate => ReplyBody::Aggregate(aggregate(reader)?),
            Kind::Table => ReplyBody::Table(decode_all(version, reader)?),
            Kind::Port => ReplyBody::Port(decode_all(version, reader)?),
            Kind::Queue => ReplyBody::Queue(decode_all(version, reader)?),
            Kind::Group => ReplyBody::Group(decode_all(version, reader)?),
            Kind::GroupDescription => ReplyBody::GroupDescription(decode_all(version, reader)?),
            Kind::GroupFeatures => ReplyBody::GroupFeatures(Wire::decode(version, reader)?),
            Kind::Meter => ReplyBody::Meter(decode_all(version, reader)?),
            Kind::MeterConfig => ReplyBody::MeterConfig(decode_all(version, reader)?),
            Kind::MeterFeatures => ReplyBody::MeterFeatures(Wire::decode(version, reader)?),
            Kind::TableFeatures => ReplyBody::TableFeatures(decode_all(version, reader)?),
            Kind::PortDescription => ReplyBody::PortDescription(decode_all(version, reader)?),
            Kind::TableDescription => ReplyBody::TableDescription(decode_all(version, reader)?),
            Kind::QueueDescription => ReplyBody::QueueDescription(decode_all(version, reader)?),
            Kind::FlowMonitor => ReplyBody::FlowMonitor(decode_all(version, reader)?),
            Kind::BundleFeatures => ReplyBody::BundleFeatures(Wire::decode(version, reader)?),
            Kind::NxFlow => {
                let mut flows = Vec::new();
                while !reader.is_empty() {
                    flows.push(FlowStats::decode_nxm(version, reader)?);
                }
                ReplyBody::NxFlow(flows)
            }
            Kind::NxAggregate => ReplyBody::NxAggregate(aggregate(reader)?),
            Kind::NxFlowMonitor => {
                let mut updates = Vec::new();
                while !reader.is_empty() {
                    updates.push(FlowUpdate::decode_nxm(version, reader)?);
                }
                ReplyBody::NxFlowMonitor(updates)
            }
            Kind::Experimenter(experimenter, kind) => ReplyBody::Experimenter {
                experimenter,
                kind,
                body: Bytes::rest(reader),
            },
            Kind::Opaque(kind) => ReplyBody::Opaque {
                kind,
                body: Bytes::rest(reader),
            },
        };
        Ok(Self { flags, body })
    }

    fn encode(&self, version: Version, writer: &mut Writer) -> Result<(), EncodeError> {
        self.body.kind().encode(version, self.flags, writer)?;
        match &self.body {
            ReplyBody::Description(description) => description.encode(version, writer),
            ReplyBody::Flow(flows) => encode_all(flows, version, writer),
            ReplyBody::Aggregate(counters) if version >= Version::V1_5 => {
                counters.encode_oxs(writer)
            }
            ReplyBody::Aggregate(counters) | ReplyBody::NxAggregate(counters) => {
                writer.u64(counters.packets.unwrap_or(u64::MAX));
                writer.u64(counters.bytes.unwrap_or(u64::MAX));
                writer.u32(counters.flows.unwrap_or(0));
                writer.zeros(4);
                Ok(())
            }
            ReplyBody::Table(tables) => encode_all(tables, version, writer),
            ReplyBody::Port(ports) => encode_all(ports, version, writer),
            ReplyBody::Queue(queues) => encode_all(queues, version, writer),
            ReplyBody::Group(groups) => encode_all(groups, version, writer),
            ReplyBody::GroupDescription(groups) => encode_all(groups, version, writer),
            ReplyBody::GroupFeatures(features) => features.encode(version, writer),
            ReplyBody::Meter(meters) => encode_all(meters, version, writer),
            ReplyBody::MeterConfig(meters) => encode_all(meters, version, writer),
            ReplyBody::MeterFeatures(features) => features.encode(version, writer),
            ReplyBody::TableFeatures(tables) => encode_all(tables, version, writer),
            ReplyBody::PortDescription(ports) => encode_all(ports, version, writer),
            ReplyBody::TableDescription(tables) => encode_all(tables, version, writer),
            ReplyBody::QueueDescription(queues) => encode_all(queues, version, writer),
            ReplyBody::FlowMonitor(updates) => encode_all(updates, version, writer),
            ReplyBody::BundleFeatures(features) => features.encode(version, writer),
            ReplyBody::NxFlow(flows) => flows
                .iter()
                .try_for_each(|flow| flow.encode_nxm(version, writer)),
            ReplyBody::NxFlowMonitor(updates) => updates
                .iter()
                .try_for_each(|update| update.encode_nxm(version, writer)),
            ReplyBody::Experimenter { body, .. } | ReplyBody::Opaque { body, .. } => {
                writer.bytes(&body.0);
                Ok(())
            }
        }
    }
}

fn aggregate(reader: &mut Reader<'_>) -> Result<Counters, DecodeError> {
    const WHAT: &str = "counters of flows";
    let (packets, bytes, flows) = (reader.u64(WHAT)?, reader.u64(WHAT)?, reader.u32(WHAT)?);
    reader.skip(4, WHAT)?;
    Ok(Counters {
        packets: Some(packets),
        bytes: Some(bytes),
        flows: Some(flows),
        ..Counters::default()
    })
}
