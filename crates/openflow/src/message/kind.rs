//! The numbers of messages: which type, or which experimenter's subtype, each has in each version.

use super::{Message, NICIRA, ONF};
use crate::version::Version;
use crate::wire::{DecodeError, Reader};

/// The type of vendors' and experimenters' messages.
pub(crate) const EXPERIMENTER: u8 = 4;

/// Where a message stands among the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A type of OpenFlow's own.
    Type(u8),
    /// An experimenter and its subtype.
    Experimenter(u32, u32),
}

/// Which message it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Hello,
    Error,
    EchoRequest,
    EchoReply,
    FeaturesRequest,
    FeaturesReply,
    GetConfigRequest,
    GetConfigReply,
    SetConfig,
    PacketIn,
    FlowRemoved,
    PortStatus,
    PacketOut,
    FlowMod,
    GroupMod,
    PortMod,
    TableMod,
    MultipartRequest,
    MultipartReply,
    BarrierRequest,
    BarrierReply,
    QueueConfigRequest,
    QueueConfigReply,
    RoleRequest,
    RoleReply,
    GetAsyncRequest,
    GetAsyncReply,
    SetAsync,
    MeterMod,
    RoleStatus,
    TableStatus,
    RequestForward,
    BundleControl,
    BundleAdd,
    NxRoleRequest,
    NxRoleReply,
    NxSetFlowFormat,
    NxFlowMod,
    NxFlowRemoved,
    NxFlowModTableId,
    NxSetPacketInFormat,
    NxPacketIn,
    NxFlowAge,
    NxSetAsync,
    NxSetControllerId,
    NxFlowMonitorCancel,
    NxFlowMonitorPaused,
    NxFlowMonitorResumed,
    NxTunnelOptionMod,
    NxTunnelOptionRequest,
    NxTunnelOptionReply,
    NxSetAsync2,
    NxResume,
    NxFlushZone,
    NxPacketIn2,
    /// An experimenter's that is not modelled.
    Experimenter,
    /// A type that is not modelled, or means nothing in this version.
    Opaque(u8),
}

/// No such type in this version.
const NONE: u8 = u8::MAX;

/// The types from 1.0 to 1.5.
#[rustfmt::skip]
const TYPES: [(Kind, [u8; 6]); 34] = [
    (Kind::Hello, [0, 0, 0, 0, 0, 0]),
    (Kind::Error, [1, 1, 1, 1, 1, 1]),
    (Kind::EchoRequest, [2, 2, 2, 2, 2, 2]),
    (Kind::EchoReply, [3, 3, 3, 3, 3, 3]),
    (Kind::FeaturesRequest, [5, 5, 5, 5, 5, 5]),
    (Kind::FeaturesReply, [6, 6, 6, 6, 6, 6]),
    (Kind::GetConfigRequest, [7, 7, 7, 7, 7, 7]),
    (Kind::GetConfigReply, [8, 8, 8, 8, 8, 8]),
    (Kind::SetConfig, [9, 9, 9, 9, 9, 9]),
    (Kind::PacketIn, [10, 10, 10, 10, 10, 10]),
    (Kind::FlowRemoved, [11, 11, 11, 11, 11, 11]),
    (Kind::PortStatus, [12, 12, 12, 12, 12, 12]),
    (Kind::PacketOut, [13, 13, 13, 13, 13, 13]),
    (Kind::FlowMod, [14, 14, 14, 14, 14, 14]),
    (Kind::GroupMod, [NONE, 15, 15, 15, 15, 15]),
    (Kind::PortMod, [15, 16, 16, 16, 16, 16]),
    (Kind::TableMod, [NONE, 17, 17, 17, 17, 17]),
    (Kind::MultipartRequest, [16, 18, 18, 18, 18, 18]),
    (Kind::MultipartReply, [17, 19, 19, 19, 19, 19]),
    (Kind::BarrierRequest, [18, 20, 20, 20, 20, 20]),
    (Kind::BarrierReply, [19, 21, 21, 21, 21, 21]),
    (Kind::QueueConfigRequest, [20, 22, 22, 22, NONE, NONE]),
    (Kind::QueueConfigReply, [21, 23, 23, 23, NONE, NONE]),
    (Kind::RoleRequest, [NONE, NONE, 24, 24, 24, 24]),
    (Kind::RoleReply, [NONE, NONE, 25, 25, 25, 25]),
    (Kind::GetAsyncRequest, [NONE, NONE, NONE, 26, 26, 26]),
    (Kind::GetAsyncReply, [NONE, NONE, NONE, 27, 27, 27]),
    (Kind::SetAsync, [NONE, NONE, NONE, 28, 28, 28]),
    (Kind::MeterMod, [NONE, NONE, NONE, 29, 29, 29]),
    (Kind::RoleStatus, [NONE, NONE, NONE, NONE, 30, 30]),
    (Kind::TableStatus, [NONE, NONE, NONE, NONE, 31, 31]),
    (Kind::RequestForward, [NONE, NONE, NONE, NONE, 32, 32]),
    (Kind::BundleControl, [NONE, NONE, NONE, NONE, 33, 33]),
    (Kind::BundleAdd, [NONE, NONE, NONE, NONE, 34, 34]),
];

/// Nicira's subtypes.
#[rustfmt::skip]
const NICIRA_TYPES: [(Kind, u32); 21] = [
    (Kind::NxRoleRequest, 10),
    (Kind::NxRoleReply, 11),
    (Kind::NxSetFlowFormat, 12),
    (Kind::NxFlowMod, 13),
    (Kind::NxFlowRemoved, 14),
    (Kind::NxFlowModTableId, 15),
    (Kind::NxSetPacketInFormat, 16),
    (Kind::NxPacketIn, 17),
    (Kind::NxFlowAge, 18),
    (Kind::NxSetAsync, 19),
    (Kind::NxSetControllerId, 20),
    (Kind::NxFlowMonitorCancel, 21),
    (Kind::NxFlowMonitorPaused, 22),
    (Kind::NxFlowMonitorResumed, 23),
    (Kind::NxTunnelOptionMod, 24),
    (Kind::NxTunnelOptionRequest, 25),
    (Kind::NxTunnelOptionReply, 26),
    (Kind::NxSetAsync2, 27),
    (Kind::NxResume, 28),
    (Kind::NxFlushZone, 29),
    (Kind::NxPacketIn2, 30),
];

/// The foundation's subtypes, which 1.3 uses for what 1.4 has types for.
const ONF_TYPES: [(Kind, u32); 2] = [(Kind::BundleControl, 2300), (Kind::BundleAdd, 2301)];

impl Kind {
    /// Which message has this type; of an experimenter's that is modelled, the reader is moved behind the subtype.
    pub(crate) fn read(
        version: Version,
        number: u8,
        reader: &mut Reader<'_>,
    ) -> Result<Self, DecodeError> {
        if number == EXPERIMENTER {
            return Ok(Self::read_experimenter(version, reader).unwrap_or(Self::Experimenter));
        }
        let column = usize::from(version.wire()).saturating_sub(1);
        let found = TYPES
            .iter()
            .find(|row| number != NONE && row.1.get(column) == Some(&number));
        Ok(found.map_or(Self::Opaque(number), |row| row.0))
    }

    fn read_experimenter(version: Version, reader: &mut Reader<'_>) -> Option<Self> {
        let mut look = *reader;
        let experimenter = look.u32("an experimenter's number").ok()?;
        let subtype = look.u32("an experimenter's subtype").ok()?;
        let rows: &[(Self, u32)] = match experimenter {
            NICIRA => &NICIRA_TYPES,
            ONF if version == Version::V1_3 => &ONF_TYPES,
            _ => return None,
        };
        let found = rows.iter().find(|row| row.1 == subtype)?.0;
        *reader = look;
        Some(found)
    }

    /// Where it stands in a version, if that has it.
    pub(crate) fn place(self, version: Version) -> Option<Place> {
        match self {
            Self::Experimenter => return Some(Place::Type(EXPERIMENTER)),
            Self::Opaque(number) => return Some(Place::Type(number)),
            _ => {}
        }
        let find = |rows: &[(Self, u32)]| rows.iter().find(|row| row.0 == self).map(|row| row.1);
        if version == Version::V1_3
            && let Some(subtype) = find(&ONF_TYPES)
        {
            return Some(Place::Experimenter(ONF, subtype));
        }
        if let Some(subtype) = find(&NICIRA_TYPES) {
            return Some(Place::Experimenter(NICIRA, subtype));
        }
        let column = usize::from(version.wire()).saturating_sub(1);
        let number = *TYPES.iter().find(|row| row.0 == self)?.1.get(column)?;
        (number != NONE).then_some(Place::Type(number))
    }
}

impl Message {
    /// Which message it is, and its name.
    #[rustfmt::skip]
    fn identity(&self) -> (Kind, &'static str) {
        match self {
            Self::Hello(_) => (Kind::Hello, "hello"),
            Self::Error(_) => (Kind::Error, "error"),
            Self::EchoRequest(_) => (Kind::EchoRequest, "echo_request"),
            Self::EchoReply(_) => (Kind::EchoReply, "echo_reply"),
            Self::FeaturesRequest => (Kind::FeaturesRequest, "features_request"),
            Self::FeaturesReply(_) => (Kind::FeaturesReply, "features_reply"),
            Self::GetConfigRequest => (Kind::GetConfigRequest, "get_config_request"),
            Self::GetConfigReply(_) => (Kind::GetConfigReply, "get_config_reply"),
            Self::SetConfig(_) => (Kind::SetConfig, "set_config"),
            Self::PacketIn(_) => (Kind::PacketIn, "packet_in"),
            Self::FlowRemoved(_) => (Kind::FlowRemoved, "flow_removed"),
            Self::PortStatus(_) => (Kind::PortStatus, "port_status"),
            Self::PacketOut(_) => (Kind::PacketOut, "packet_out"),
            Self::FlowMod(_) => (Kind::FlowMod, "flow_mod"),
            Self::GroupMod(_) => (Kind::GroupMod, "group_mod"),
            Self::PortMod(_) => (Kind::PortMod, "port_mod"),
            Self::TableMod(_) => (Kind::TableMod, "table_mod"),
            Self::MultipartRequest(_) => (Kind::MultipartRequest, "multipart_request"),
            Self::MultipartReply(_) => (Kind::MultipartReply, "multipart_reply"),
            Self::BarrierRequest => (Kind::BarrierRequest, "barrier_request"),
            Self::BarrierReply => (Kind::BarrierReply, "barrier_reply"),
            Self::QueueConfigRequest(_) => (Kind::QueueConfigRequest, "queue_config_request"),
            Self::QueueConfigReply(_) => (Kind::QueueConfigReply, "queue_config_reply"),
            Self::RoleRequest(_) => (Kind::RoleRequest, "role_request"),
            Self::RoleReply(_) => (Kind::RoleReply, "role_reply"),
            Self::GetAsyncRequest => (Kind::GetAsyncRequest, "get_async_request"),
            Self::GetAsyncReply(_) => (Kind::GetAsyncReply, "get_async_reply"),
            Self::SetAsync(_) => (Kind::SetAsync, "set_async"),
            Self::MeterMod(_) => (Kind::MeterMod, "meter_mod"),
            Self::RoleStatus(_) => (Kind::RoleStatus, "role_status"),
            Self::TableStatus(_) => (Kind::TableStatus, "table_status"),
            Self::RequestForward(_) => (Kind::RequestForward, "request_forward"),
            Self::BundleControl(_) => (Kind::BundleControl, "bundle_control"),
            Self::BundleAdd(_) => (Kind::BundleAdd, "bundle_add"),
            Self::NxRoleRequest(_) => (Kind::NxRoleRequest, "nx_role_request"),
            Self::NxRoleReply(_) => (Kind::NxRoleReply, "nx_role_reply"),
            Self::NxSetFlowFormat(_) => (Kind::NxSetFlowFormat, "nx_set_flow_format"),
            Self::NxFlowMod(_) => (Kind::NxFlowMod, "nx_flow_mod"),
            Self::NxFlowRemoved(_) => (Kind::NxFlowRemoved, "nx_flow_removed"),
            Self::NxFlowModTableId(_) => (Kind::NxFlowModTableId, "nx_flow_mod_table_id"),
            Self::NxSetPacketInFormat(_) => (Kind::NxSetPacketInFormat, "nx_set_packet_in_format"),
            Self::NxPacketIn(_) => (Kind::NxPacketIn, "nx_packet_in"),
            Self::NxFlowAge => (Kind::NxFlowAge, "nx_flow_age"),
            Self::NxSetAsync(_) => (Kind::NxSetAsync, "nx_set_async"),
            Self::NxSetControllerId(_) => (Kind::NxSetControllerId, "nx_set_controller_id"),
            Self::NxFlowMonitorCancel(_) => (Kind::NxFlowMonitorCancel, "nx_flow_monitor_cancel"),
            Self::NxFlowMonitorPaused => (Kind::NxFlowMonitorPaused, "nx_flow_monitor_paused"),
            Self::NxFlowMonitorResumed => (Kind::NxFlowMonitorResumed, "nx_flow_monitor_resumed"),
            Self::NxTunnelOptionMod(_) => (Kind::NxTunnelOptionMod, "nx_tunnel_option_mod"),
            Self::NxTunnelOptionRequest => (Kind::NxTunnelOptionRequest, "nx_tunnel_option_request"),
            Self::NxTunnelOptionReply(_) => (Kind::NxTunnelOptionReply, "nx_tunnel_option_reply"),
            Self::NxSetAsync2(_) => (Kind::NxSetAsync2, "nx_set_async2"),
            Self::NxResume(_) => (Kind::NxResume, "nx_resume"),
            Self::NxFlushZone(_) => (Kind::NxFlushZone, "nx_flush_zone"),
            Self::NxPacketIn2(_) => (Kind::NxPacketIn2, "nx_packet_in2"),
            Self::Experimenter(_) => (Kind::Experimenter, "experimenter"),
            Self::Opaque { kind, .. } => (Kind::Opaque(*kind), "opaque"),
        }
    }

    /// The name of the kind of message, as in JSON.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.identity().1
    }

    pub(crate) fn kind(&self) -> Kind {
        self.identity().0
    }
}
