//! Everything that a switch and a controller say to each other: one enum, read from bytes and written to them in every
//! version. What is not modelled here is kept as bytes. Who says what when is left to
//! [`connection`](crate::connection).

pub mod bundle;
pub mod controller;
pub mod counters;
pub mod error;
mod error_names;
pub mod flow;
pub mod flow_removed;
pub mod flow_stats;
pub mod group;
pub mod hello;
pub(crate) mod kind;
pub mod layout;
pub mod meter;
pub mod multipart;
pub mod nicira;
pub mod packet;
pub mod switch;

pub use bundle::{BundleAdd, BundleControl, BundleStep};
pub use controller::{AsyncConfig, AsyncMasks, NiciraRole, Role, RoleStatus};
pub use counters::{Counters, Span};
pub use error::{ErrorCode, ErrorMessage};
pub use flow::{FlowCommand, FlowMod};
pub use flow_removed::FlowRemoved;
pub use flow_stats::{FlowStats, FlowStatsRequest};
pub use group::{Bucket, GroupDescription, GroupMod};
pub use hello::{Hello, HelloElement};
pub use layout::{Bytes, Label, MacAddress, Property};
pub use meter::{Band, MeterConfig, MeterMod};
pub use multipart::{MultipartReply, MultipartRequest, ReplyBody, RequestBody};
pub use nicira::{ControllerId, FlowModTableId, FlushZone, TunnelOptionMod, TunnelOptionTable};
pub use packet::{PacketIn, PacketIn2, PacketIn2Property, PacketOut};
pub use switch::{
    Features, Port, PortMod, PortStatus, QueueConfigReply, QueueConfigRequest, SwitchConfig,
    TableMod, TableStatus,
};

use crate::framing::Header;
use crate::version::Version;
use crate::wire::{DecodeError, EncodeError, Reader, Writer};
use kind::{Kind, Place};
use layout::Wire;
use serde::{Deserialize, Serialize};

/// Nicira's number as an experimenter; Open vSwitch's extensions are under it.
pub const NICIRA: u32 = 0x0000_2320;
/// The Open Networking Foundation's number; the bundles of 1.3 are under it.
pub const ONF: u32 = 0x4f4e_4600;

/// A message without its header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Message {
    /// The first message of both sides.
    Hello(Hello),
    /// A message was refused, or could not be done.
    Error(ErrorMessage),
    /// Asks for a sign of life.
    EchoRequest(Bytes),
    /// A sign of life, with the bytes of the request.
    EchoReply(Bytes),
    /// An experimenter's message that is not modelled.
    Experimenter(Experimenter),
    /// Asks what the switch is.
    FeaturesRequest,
    /// What the switch is.
    FeaturesReply(Features),
    /// Asks how the switch is set.
    GetConfigRequest,
    /// How the switch is set.
    GetConfigReply(SwitchConfig),
    /// Sets the switch.
    SetConfig(SwitchConfig),
    /// A packet for the controller.
    PacketIn(Box<PacketIn>),
    /// A flow is gone.
    FlowRemoved(Box<FlowRemoved>),
    /// A port came, went or changed.
    PortStatus(Box<PortStatus>),
    /// A packet to send.
    PacketOut(Box<PacketOut>),
    /// Adds, changes or deletes flows.
    FlowMod(Box<FlowMod>),
    /// Adds, changes or deletes a group.
    GroupMod(GroupMod),
    /// Sets a port.
    PortMod(PortMod),
    /// Sets a table.
    TableMod(TableMod),
    /// Adds, changes or deletes a meter.
    MeterMod(MeterMod),
    /// A question whose answer may have several parts.
    MultipartRequest(MultipartRequest),
    /// An answer, or a part of one.
    MultipartReply(MultipartReply),
    /// Asks for an answer once everything before it is done.
    BarrierRequest,
    /// Everything before it is done.
    BarrierReply,
    /// Asks for a port's queues.
    QueueConfigRequest(QueueConfigRequest),
    /// A port's queues.
    QueueConfigReply(QueueConfigReply),
    /// Asks for a role.
    RoleRequest(Role),
    /// The role now held.
    RoleReply(Role),
    /// The role was changed by another.
    RoleStatus(RoleStatus),
    /// Asks what is told unasked.
    GetAsyncRequest,
    /// What is told unasked.
    GetAsyncReply(AsyncConfig),
    /// Sets what is told unasked.
    SetAsync(AsyncConfig),
    /// A table's state changed.
    TableStatus(TableStatus),
    /// A group or meter mod of another controller, as that sent it.
    RequestForward(Bytes),
    /// Opens, closes, commits or discards a bundle; in 1.3 by the foundation's extension.
    BundleControl(BundleControl),
    /// Puts a message into a bundle; in 1.3 by the foundation's extension.
    BundleAdd(BundleAdd),
    /// A flow mod whose match is in Nicira's form.
    NxFlowMod(Box<FlowMod>),
    /// Whether flow mods of 1.0 name their table.
    NxFlowModTableId(FlowModTableId),
    /// In which form the switch tells of flows (1.0): 0 OpenFlow's, 2 Nicira's.
    NxSetFlowFormat(u32),
    /// In which form the switch sends packets: 0 OpenFlow's, 1 Nicira's first, 2 Nicira's second.
    NxSetPacketInFormat(u32),
    /// A packet for the controller in Nicira's first form.
    NxPacketIn(Box<PacketIn>),
    /// A packet for the controller in Nicira's second form.
    NxPacketIn2(PacketIn2),
    /// Goes on with a paused packet.
    NxResume(PacketIn2),
    /// A flow is gone, in Nicira's form.
    NxFlowRemoved(Box<FlowRemoved>),
    /// Asks for a role, in Nicira's form.
    NxRoleRequest(NiciraRole),
    /// The role now held, in Nicira's form.
    NxRoleReply(NiciraRole),
    /// Sets what is told unasked, in Nicira's first form.
    NxSetAsync(AsyncMasks),
    /// Sets what is told unasked, in Nicira's second form.
    NxSetAsync2(Vec<Property>),
    /// The id by which `controller(id=…)` means this connection.
    NxSetControllerId(ControllerId),
    /// Ends the watching of flows.
    NxFlowMonitorCancel(u32),
    /// The switch tells of no more changes of flows until it was read.
    NxFlowMonitorPaused,
    /// The switch tells of changes of flows again.
    NxFlowMonitorResumed,
    /// Changes the table of tunnel options.
    NxTunnelOptionMod(TunnelOptionMod),
    /// Asks for the table of tunnel options.
    NxTunnelOptionRequest,
    /// The table of tunnel options.
    NxTunnelOptionReply(TunnelOptionTable),
    /// Forgets the connections of a zone.
    NxFlushZone(FlushZone),
    /// Has flow statistics tell how long ago a flow was used (1.0).
    NxFlowAge,
    /// Another one.
    Opaque {
        /// Its type.
        kind: u8,
        /// What follows the header.
        body: Bytes,
    },
}

/// An experimenter's message that is not modelled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Experimenter {
    /// Whose.
    pub experimenter: u32,
    /// What follows, which mostly begins with a type of 32 bits.
    pub body: Bytes,
}

/// A message with what its header says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// The version.
    pub version: Version,
    /// What an answer repeats.
    #[serde(default)]
    pub xid: u32,
    /// The message.
    pub message: Message,
}

impl Envelope {
    /// Reads one whole message.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (header, version, mut reader) = open(bytes)?;
        let kind = Kind::read(version, header.kind, &mut reader)?;
        let message = match kind {
            Kind::BundleAdd => {
                Message::BundleAdd(BundleAdd::decode(version, header.xid, &mut reader)?)
            }
            _ => Message::decode_body(kind, version, &mut reader)?,
        };
        finish(&reader)?;
        Ok(Self {
            version,
            xid: header.xid,
            message,
        })
    }

    /// The message as bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>, EncodeError> {
        let mut writer = Writer::new();
        self.message.encode(self.version, self.xid, &mut writer)?;
        Ok(writer.into_bytes())
    }
}

fn open(bytes: &[u8]) -> Result<(Header, Version, Reader<'_>), DecodeError> {
    let header = Header::read(bytes)?;
    let length = usize::from(header.length);
    if length != bytes.len() {
        return Err(DecodeError::BadLength {
            what: "a message",
            length,
        });
    }
    let unknown = DecodeError::BadValue {
        what: "the version of a message",
        value: header.version.into(),
    };
    // A hello may come under a version that nobody here speaks.
    let version = match Version::from_wire(header.version) {
        Some(version) => version,
        None if header.kind == 0 => Version::V1_5,
        None => return Err(unknown),
    };
    let mut reader = Reader::new(bytes);
    reader.skip(crate::framing::HEADER_LENGTH, "a message's header")?;
    Ok((header, version, reader))
}

fn finish(reader: &Reader<'_>) -> Result<(), DecodeError> {
    if reader.is_empty() {
        return Ok(());
    }
    Err(DecodeError::BadLength {
        what: "a message with bytes behind its end",
        length: reader.remaining(),
    })
}

impl Message {
    /// Reads one whole message; [`Envelope::decode`] gives version and xid besides.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        Envelope::decode(bytes).map(|envelope| envelope.message)
    }

    /// Reads a message that is in a bundle: a bundle's own message in there stays bytes, or depth had no limit.
    pub(crate) fn decode_without_bundles(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (header, version, mut reader) = open(bytes)?;
        let kind = match Kind::read(version, header.kind, &mut reader)? {
            Kind::BundleAdd | Kind::BundleControl => {
                return Err(DecodeError::BadValue {
                    what: "a bundle's message",
                    value: header.kind.into(),
                });
            }
            kind => kind,
        };
        let message = Self::decode_body(kind, version, &mut reader)?;
        finish(&reader)?;
        Ok(message)
    }

    /// Appends the message with its header. On error nothing was appended.
    pub fn encode(
        &self,
        version: Version,
        xid: u32,
        writer: &mut Writer,
    ) -> Result<(), EncodeError> {
        let start = writer.len();
        self.encode_whole(version, xid, writer)
            .inspect_err(|_| writer.truncate(start))
    }

    /// The flow mod in the form that the version wants: Nicira's in 1.0, whose own match says too little.
    #[must_use]
    pub fn flow_mod(version: Version, flow: FlowMod) -> Self {
        let flow = Box::new(flow);
        if version == Version::V1_0 {
            Self::NxFlowMod(flow)
        } else {
            Self::FlowMod(flow)
        }
    }

    /// Whether it is a message of bundles, which cannot be in one.
    pub(crate) const fn is_bundled(&self) -> bool {
        matches!(self, Self::BundleAdd(_) | Self::BundleControl(_))
    }

    fn encode_whole(
        &self,
        version: Version,
        xid: u32,
        writer: &mut Writer,
    ) -> Result<(), EncodeError> {
        let kind = self.kind();
        let place = kind.place(version).ok_or(EncodeError::NotInVersion {
            what: self.name(),
            version,
        })?;
        let start = writer.len();
        writer.u8(version.wire());
        let number = match place {
            Place::Type(number) => number,
            Place::Experimenter(..) => kind::EXPERIMENTER,
        };
        writer.u8(number);
        writer.u16(0);
        writer.u32(xid);
        if let Place::Experimenter(experimenter, subtype) = place {
            writer.u32(experimenter);
            writer.u32(subtype);
        }
        self.encode_body(version, xid, writer)?;
        writer.patch_length(start.saturating_add(2), start, "a message")
    }

    fn decode_body(
        kind: Kind,
        version: Version,
        reader: &mut Reader<'_>,
    ) -> Result<Self, DecodeError> {
        // What is behind a message without body is left for the caller to refuse.
        Ok(match kind {
            Kind::Hello => Self::Hello(Wire::decode(version, reader)?),
            Kind::Error => Self::Error(Wire::decode(version, reader)?),
            Kind::EchoRequest => Self::EchoRequest(Bytes::rest(reader)),
            Kind::EchoReply => Self::EchoReply(Bytes::rest(reader)),
            Kind::FeaturesRequest => Self::FeaturesRequest,
            Kind::FeaturesReply => Self::FeaturesReply(Wire::decode(version, reader)?),
            Kind::GetConfigRequest => Self::GetConfigRequest,
            Kind::GetConfigReply => Self::GetConfigReply(Wire::decode(version, reader)?),
            Kind::SetConfig => Self::SetConfig(Wire::decode(version, reader)?),
            Kind::PacketIn => Self::PacketIn(boxed(version, reader)?),
            Kind::FlowRemoved => Self::FlowRemoved(boxed(version, reader)?),
            Kind::PortStatus => Self::PortStatus(boxed(version, reader)?),
            Kind::PacketOut => Self::PacketOut(boxed(version, reader)?),
            Kind::FlowMod => Self::FlowMod(boxed(version, reader)?),
            Kind::GroupMod => Self::GroupMod(Wire::decode(version, reader)?),
            Kind::PortMod => Self::PortMod(Wire::decode(version, reader)?),
            Kind::TableMod => Self::TableMod(Wire::decode(version, reader)?),
            Kind::MeterMod => Self::MeterMod(Wire::decode(version, reader)?),
            Kind::MultipartRequest => Self::MultipartRequest(Wire::decode(version, reader)?),
            Kind::MultipartReply => Self::MultipartReply(Wire::decode(version, reader)?),
            Kind::BarrierRequest => Self::BarrierRequest,
            Kind::BarrierReply => Self::BarrierReply,
            Kind::QueueConfigRequest => Self::QueueConfigRequest(Wire::decode(version, reader)?),
            Kind::QueueConfigReply => Self::QueueConfigReply(Wire::decode(version, reader)?),
            Kind::RoleRequest => Self::RoleRequest(Wire::decode(version, reader)?),
            Kind::RoleReply => Self::RoleReply(Wire::decode(version, reader)?),
            Kind::RoleStatus => Self::RoleStatus(Wire::decode(version, reader)?),
            Kind::GetAsyncRequest => Self::GetAsyncRequest,
            Kind::GetAsyncReply => Self::GetAsyncReply(Wire::decode(version, reader)?),
            Kind::SetAsync => Self::SetAsync(Wire::decode(version, reader)?),
            Kind::TableStatus => Self::TableStatus(Wire::decode(version, reader)?),
            Kind::RequestForward => Self::RequestForward(Bytes::rest(reader)),
            Kind::BundleControl => Self::BundleControl(Wire::decode(version, reader)?),
            // Its caller reads it, who knows the xid.
            Kind::BundleAdd => {
                return Err(DecodeError::BadValue {
                    what: "a bundle's message",
                    value: 0,
                });
            }
            Kind::NxFlowMod => Self::NxFlowMod(Box::new(FlowMod::decode_nxm(version, reader)?)),
            Kind::NxFlowModTableId => Self::NxFlowModTableId(Wire::decode(version, reader)?),
            Kind::NxSetFlowFormat => Self::NxSetFlowFormat(Wire::decode(version, reader)?),
            Kind::NxSetPacketInFormat => Self::NxSetPacketInFormat(Wire::decode(version, reader)?),
            Kind::NxPacketIn => Self::NxPacketIn(Box::new(PacketIn::decode_nxm(reader)?)),
            Kind::NxPacketIn2 => Self::NxPacketIn2(Wire::decode(version, reader)?),
            Kind::NxResume => Self::NxResume(Wire::decode(version, reader)?),
            Kind::NxFlowRemoved => Self::NxFlowRemoved(Box::new(FlowRemoved::decode_nxm(reader)?)),
            Kind::NxRoleRequest => Self::NxRoleRequest(Wire::decode(version, reader)?),
            Kind::NxRoleReply => Self::NxRoleReply(Wire::decode(version, reader)?),
            Kind::NxSetAsync => Self::NxSetAsync(Wire::decode(version, reader)?),
            Kind::NxSetAsync2 => Self::NxSetAsync2(layout::decode_all(version, reader)?),
            Kind::NxSetControllerId => Self::NxSetControllerId(Wire::decode(version, reader)?),
            Kind::NxFlowMonitorCancel => Self::NxFlowMonitorCancel(Wire::decode(version, reader)?),
            Kind::NxFlowMonitorPaused => Self::NxFlowMonitorPaused,
            Kind::NxFlowMonitorResumed => Self::NxFlowMonitorResumed,
            Kind::NxTunnelOptionMod => Self::NxTunnelOptionMod(Wire::decode(version, reader)?),
            Kind::NxTunnelOptionRequest => Self::NxTunnelOptionRequest,
            Kind::NxTunnelOptionReply => Self::NxTunnelOptionReply(Wire::decode(version, reader)?),
            Kind::NxFlushZone => Self::NxFlushZone(Wire::decode(version, reader)?),
            Kind::NxFlowAge => Self::NxFlowAge,
            Kind::Experimenter => {
                let experimenter = reader.u32("an experimenter's message")?;
                Self::Experimenter(Experimenter {
                    experimenter,
                    body: Bytes::rest(reader),
                })
            }
            Kind::Opaque(kind) => Self::Opaque {
                kind,
                body: Bytes::rest(reader),
            },
        })
    }

    fn encode_body(
        &self,
        version: Version,
        xid: u32,
        writer: &mut Writer,
    ) -> Result<(), EncodeError> {
        match self {
            Self::Hello(body) => body.encode(version, writer),
            Self::Error(body) => body.encode(version, writer),
            Self::EchoRequest(body) | Self::EchoReply(body) | Self::RequestForward(body) => {
                body.encode(version, writer)
            }
            Self::FeaturesReply(body) => body.encode(version, writer),
            Self::GetConfigReply(body) | Self::SetConfig(body) => body.encode(version, writer),
            Self::PacketIn(body) => body.encode(version, writer),
            Self::FlowRemoved(body) => body.encode(version, writer),
            Self::PortStatus(body) => body.encode(version, writer),
            Self::PacketOut(body) => body.encode(version, writer),
            Self::FlowMod(body) => body.encode(version, writer),
            Self::GroupMod(body) => body.encode(version, writer),
            Self::PortMod(body) => body.encode(version, writer),
            Self::TableMod(body) => body.encode(version, writer),
            Self::MeterMod(body) => body.encode(version, writer),
            Self::MultipartRequest(body) => body.encode(version, writer),
            Self::MultipartReply(body) => body.encode(version, writer),
            Self::QueueConfigRequest(body) => body.encode(version, writer),
            Self::QueueConfigReply(body) => body.encode(version, writer),
            Self::RoleRequest(body) | Self::RoleReply(body) => body.encode(version, writer),
            Self::RoleStatus(body) => body.encode(version, writer),
            Self::GetAsyncReply(body) | Self::SetAsync(body) => body.encode(version, writer),
            Self::TableStatus(body) => body.encode(version, writer),
            Self::BundleControl(body) => body.encode(version, writer),
            Self::BundleAdd(body) => body.encode(version, xid, writer),
            Self::NxFlowMod(body) => body.encode_nxm(version, writer),
            Self::NxFlowModTableId(body) => body.encode(version, writer),
            Self::NxSetFlowFormat(number)
            | Self::NxSetPacketInFormat(number)
            | Self::NxFlowMonitorCancel(number) => number.encode(version, writer),
            Self::NxPacketIn(body) => body.encode_nxm(writer),
            Self::NxPacketIn2(body) | Self::NxResume(body) => body.encode(version, writer),
            Self::NxFlowRemoved(body) => body.encode_nxm(writer),
            Self::NxRoleRequest(body) | Self::NxRoleReply(body) => body.encode(version, writer),
            Self::NxSetAsync(body) => body.encode(version, writer),
            Self::NxSetAsync2(body) => layout::encode_all(body, version, writer),
            Self::NxSetControllerId(body) => body.encode(version, writer),
            Self::NxTunnelOptionMod(body) => body.encode(version, writer),
            Self::NxTunnelOptionReply(body) => body.encode(version, writer),
            Self::NxFlushZone(body) => body.encode(version, writer),
            Self::Experimenter(body) => {
                writer.u32(body.experimenter);
                writer.bytes(&body.body.0);
                Ok(())
            }
            Self::Opaque { body, .. } => body.encode(version, writer),
            Self::FeaturesRequest
            | Self::GetConfigRequest
            | Self::BarrierRequest
            | Self::BarrierReply
            | Self::GetAsyncRequest
            | Self::NxFlowMonitorPaused
            | Self::NxFlowMonitorResumed
            | Self::NxTunnelOptionRequest
            | Self::NxFlowAge => Ok(()),
        }
    }
}

fn boxed<T: Wire>(version: Version, reader: &mut Reader<'_>) -> Result<Box<T>, DecodeError> {
    T::decode(version, reader).map(Box::new)
}
