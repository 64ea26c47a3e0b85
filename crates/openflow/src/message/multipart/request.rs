//! Questions.

use super::Kind;
use super::monitor::FlowMonitorRequest;
use super::tables::TableFeatures;
use crate::message::flow_stats::FlowStatsRequest;
use crate::message::layout::{Bytes, Wire, decode_all, encode_all, record};
use crate::port_number::PortNumber;
use crate::version::Version;
use crate::wire::{DecodeError, EncodeError, Reader, Writer};
use serde::{Deserialize, Serialize};

/// Every group, where one could be named.
const ALL_GROUPS: u32 = 0xffff_fffc;

/// A question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MultipartRequest {
    /// [`MORE`](super::MORE) if the question goes on.
    #[serde(default)]
    pub flags: u16,
    /// What is asked.
    pub body: RequestBody,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestBody {
    /// Who made the switch.
    Description,
    /// Flows.
    Flow(FlowStatsRequest),
    /// Counters of flows together.
    Aggregate(FlowStatsRequest),
    /// Counters of tables.
    Table,
    /// Counters of a port, or of all.
    Port(PortNumber),
    /// Counters of queues.
    Queue(PortQueue),
    /// Counters of a group, or of all.
    Group(u32),
    /// Groups; 1.5 can ask for one.
    GroupDescription(Option<u32>),
    /// What the switch can do with groups.
    GroupFeatures,
    /// Counters of a meter, or of all.
    Meter(u32),
    /// Meters: one or all.
    MeterConfig(u32),
    /// What the switch can do with meters.
    MeterFeatures,
    /// What tables can do, or shall do if any are listed.
    TableFeatures(Vec<TableFeatures>),
    /// Ports; 1.5 can ask for one.
    PortDescription(Option<PortNumber>),
    /// Tables.
    TableDescription,
    /// Queues.
    QueueDescription(PortQueue),
    /// Asks to be told of changes of flows; the first answer has the flows that there are.
    FlowMonitor(Vec<FlowMonitorRequest>),
    /// What the switch can do with bundles.
    BundleFeatures(BundleFeatures),
    /// Flows, in Nicira's form.
    NxFlow(FlowStatsRequest),
    /// Counters of flows together, in Nicira's form.
    NxAggregate(FlowStatsRequest),
    /// Asks to be told of changes of flows, in Nicira's form.
    NxFlowMonitor(Vec<FlowMonitorRequest>),
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

/// A queue of a port; all ones are all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PortQueue {
    /// The port.
    pub port: PortNumber,
    /// The queue.
    pub queue: u32,
}

impl Default for PortQueue {
    fn default() -> Self {
        Self {
            port: PortNumber::ANY,
            queue: u32::MAX,
        }
    }
}

impl Wire for PortQueue {
    fn decode(version: Version, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let port = PortNumber::decode(version, reader)?;
        if version == Version::V1_0 {
            reader.skip(2, "padding")?;
        }
        Ok(Self {
            port,
            queue: reader.u32("a queue")?,
        })
    }

    fn encode(&self, version: Version, writer: &mut Writer) -> Result<(), EncodeError> {
        self.port.encode(version, writer)?;
        if version == Version::V1_0 {
            writer.zeros(2);
        }
        writer.u32(self.queue);
        Ok(())
    }
}

record! {
    /// Asks what a switch can do with bundles.
    BundleFeatures {
        /// Bits: 1 asks for a time stamp, 2 sets the tolerance.
        flags: u32, pad 4;
        /// Properties.
        properties: Bytes;
    }
}

impl RequestBody {
    fn kind(&self) -> Kind {
        match self {
            Self::Description => Kind::Description,
            Self::Flow(_) => Kind::Flow,
            Self::Aggregate(_) => Kind::Aggregate,
            Self::Table => Kind::Table,
            Self::Port(_) => Kind::Port,
            Self::Queue(_) => Kind::Queue,
            Self::Group(_) => Kind::Group,
            Self::GroupDescription(_) => Kind::GroupDescription,
            Self::GroupFeatures => Kind::GroupFeatures,
            Self::Meter(_) => Kind::Meter,
            Self::MeterConfig(_) => Kind::MeterConfig,
            Self::MeterFeatures => Kind::MeterFeatures,
            Self::TableFeatures(_) => Kind::TableFeatures,
            Self::PortDescription(_) => Kind::PortDescription,
            Self::TableDescription => Kind::TableDescription,
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

impl Wire for MultipartRequest {
    fn decode(version: Version, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (kind, flags) = Kind::decode(version, reader)?;
        let body = match kind {
            Kind::Description => RequestBody::Description,
            Kind::Flow => RequestBody::Flow(Wire::decode(version, reader)?),
            Kind::Aggregate => RequestBody::Aggregate(Wire::decode(version, reader)?),
            Kind::Table => RequestBody::Table,
            Kind::Port => RequestBody::Port(padded_port(version, reader)?),
            Kind::Queue => RequestBody::Queue(Wire::decode(version, reader)?),
            Kind::Group => RequestBody::Group(padded(reader)?),
            Kind::GroupDescription if version >= Version::V1_5 => {
                RequestBody::GroupDescription(Some(padded(reader)?))
            }
            Kind::GroupDescription => RequestBody::GroupDescription(None),
            Kind::GroupFeatures => RequestBody::GroupFeatures,
            Kind::Meter => RequestBody::Meter(padded(reader)?),
            Kind::MeterConfig => RequestBody::MeterConfig(padded(reader)?),
            Kind::MeterFeatures => RequestBody::MeterFeatures,
            Kind::TableFeatures => RequestBody::TableFeatures(decode_all(version, reader)?),
            Kind::PortDescription if version >= Version::V1_5 => {
                RequestBody::PortDescription(Some(padded_port(version, reader)?))
            }
            Kind::PortDescription => RequestBody::PortDescription(None),
            Kind::TableDescription => RequestBody::TableDescription,
            Kind::QueueDescription => RequestBody::QueueDescription(Wire::decode(version, reader)?),
            Kind::FlowMonitor => RequestBody::FlowMonitor(decode_all(version, reader)?),
            Kind::BundleFeatures => RequestBody::BundleFeatures(Wire::decode(version, reader)?),
            Kind::NxFlow => RequestBody::NxFlow(FlowStatsRequest::decode_nxm(reader)?),
            Kind::NxAggregate => RequestBody::NxAggregate(FlowStatsRequest::decode_nxm(reader)?),
            Kind::NxFlowMonitor => {
                let mut monitors = Vec::new();
                while !reader.is_empty() {
                    monitors.push(FlowMonitorRequest::decode_nxm(reader)?);
                }
                RequestBody::NxFlowMonitor(monitors)
            }
            Kind::Experimenter(experimenter, kind) => RequestBody::Experimenter {
                experimenter,
                kind,
                body: Bytes::rest(reader),
            },
            Kind::Opaque(kind) => RequestBody::Opaque {
                kind,
                body: Bytes::rest(reader),
            },
        };
        Ok(Self { flags, body })
    }

    fn encode(&self, version: Version, writer: &mut Writer) -> Result<(), EncodeError> {
        self.body.kind().encode(version, self.flags, writer)?;
        match &self.body {
            RequestBody::Flow(request) | RequestBody::Aggregate(request) => {
                request.encode(version, writer)?
            }
            RequestBody::Port(port) | RequestBody::PortDescription(Some(port)) => {
                if matches!(self.body, RequestBody::PortDescription(_)) && version < Version::V1_5 {
                    return Err(EncodeError::NotInVersion {
                        what: "asking for one port's description",
                        version,
                    });
                }
                port.encode(version, writer)?;
                writer.zeros(if version == Version::V1_0 { 6 } else { 4 });
            }
            RequestBody::Queue(queue) | RequestBody::QueueDescription(queue) => {
                queue.encode(version, writer)?
            }
            RequestBody::GroupDescription(Some(_)) if version < Version::V1_5 => {
                return Err(EncodeError::NotInVersion {
                    what: "asking for one group's description",
                    version,
                });
            }
            RequestBody::Group(number)
            | RequestBody::GroupDescription(Some(number))
            | RequestBody::Meter(number)
            | RequestBody::MeterConfig(number) => {
                writer.u32(*number);
                writer.zeros(4);
            }
            // 1.5 has to say that it wants all.
            RequestBody::GroupDescription(None) if version >= Version::V1_5 => {
                writer.u32(ALL_GROUPS);
                writer.zeros(4);
            }
            RequestBody::PortDescription(None) if version >= Version::V1_5 => {
                PortNumber::ANY.encode(version, writer)?;
                writer.zeros(4);
            }
            RequestBody::TableFeatures(features) => encode_all(features, version, writer)?,
            RequestBody::FlowMonitor(monitors) => encode_all(monitors, version, writer)?,
            RequestBody::BundleFeatures(features) => features.encode(version, writer)?,
            RequestBody::NxFlow(request) | RequestBody::NxAggregate(request) => {
                request.encode_nxm(writer)?
            }
            RequestBody::NxFlowMonitor(monitors) => {
                monitors
                    .iter()
                    .try_for_each(|monitor| monitor.encode_nxm(writer))?;
            }
            RequestBody::Experimenter { body, .. } | RequestBody::Opaque { body, .. } => {
                writer.bytes(&body.0)
            }
            RequestBody::Description
            | RequestBody::Table
            | RequestBody::GroupDescription(None)
            | RequestBody::GroupFeatures
            | RequestBody::MeterFeatures
            | RequestBody::PortDescription(None)
            | RequestBody::TableDescription => {}
        }
        Ok(())
    }
}

fn padded(reader: &mut Reader<'_>) -> Result<u32, DecodeError> {
    let number = reader.u32("a request's number")?;
    reader.skip(4, "padding")?;
    Ok(number)
}

fn padded_port(version: Version, reader: &mut Reader<'_>) -> Result<PortNumber, DecodeError> {
    let port = PortNumber::decode(version, reader)?;
    reader.skip(if version == Version::V1_0 { 6 } else { 4 }, "padding")?;
    Ok(port)
}
