//! One example at least of every message, told in every version that has it.

use openflow::message::bundle::{ATOMIC, ORDERED};
use openflow::message::counters::{Counters, Span};
use openflow::message::flow_removed::FlowRemoved;
use openflow::message::group::{Bucket, BucketCounters, GroupFeatures, GroupStats};
use openflow::message::layout::{Bytes, Label, MacAddress, Property};
use openflow::message::meter::{BandCounters, MeterFeatures, MeterStats};
use openflow::message::multipart::{
    Description, FlowMonitorRequest, FlowUpdate, FlowUpdateEvent, MonitoredFlow, PortQueue,
    PortStats, QueueDescription, QueueStats, TableFeatures, TableStats,
};
use openflow::message::nicira::{Padded16, TunnelOption};
use openflow::message::switch::{PortProperty, PortSpeeds, Queue, TableDescription};
use openflow::message::{
    AsyncConfig, AsyncMasks, Band, BundleAdd, BundleControl, BundleStep, ControllerId, ErrorCode,
    ErrorMessage, Experimenter, Features, FlowModTableId, FlowStats, FlowStatsRequest, FlushZone,
    GroupDescription, GroupMod, Hello, MeterConfig, MeterMod, MultipartReply, MultipartRequest,
    NICIRA, NiciraRole, PacketIn, PacketIn2, PacketIn2Property, PacketOut, Port, PortMod,
    PortStatus, QueueConfigReply, QueueConfigRequest, ReplyBody, RequestBody, Role, RoleStatus,
    SwitchConfig, TableMod, TableStatus, TunnelOptionMod, TunnelOptionTable,
};
use openflow::{Action, FlowMod, Match, Message, PortNumber, Version, parse_flow};

/// Flows as people write them, with what the oldest version is that has them without Nicira's match.
pub(crate) const FLOWS: &[&str] = &[
    "priority=0 actions=NORMAL",
    "table=3,priority=100,tcp,in_port=4,dl_src=52:54:00:00:00:01,nw_dst=192.168.1.0/24,tp_src=22,send_flow_rem actions=drop",
    "cookie=0x1234,idle_timeout=5,hard_timeout=9,udp,nw_src=10.0.0.1,tp_dst=53 actions=output:2,LOCAL",
    "arp,arp_spa=10.0.0.1,arp_op=1 actions=CONTROLLER:128",
    "dl_vlan=7,dl_vlan_pcp=3 actions=strip_vlan,output:1",
    "table=1,reg0=0x5,reg1=0x10/0xf0,ip actions=load:0x7->NXM_NX_REG2[],resubmit(,2)",
    "tcp6,ipv6_src=2001:db8::/64,tp_dst=80/0xfff0 actions=output:3",
    "icmp6,icmp_type=135,nd_target=fe80::1 actions=mod_dl_dst:52:54:00:00:00:02,output:3",
    "ct_state=+trk+est,ct_zone=5,ip actions=ct(commit,zone=5,exec(load:0x1->NXM_NX_CT_MARK[]))",
    "conj_id=7,ip actions=conjunction(9,1/2)",
    "metadata=0x5/0xff,ip actions=move:NXM_NX_REG0[]->NXM_NX_REG1[],note:01.02.03.04.05.06",
    "actions=learn(table=9,hard_timeout=10,NXM_OF_VLAN_TCI[0..11],NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[])",
    "tun_id=0x99 actions=set_tunnel:0x5,output:9",
    "sctp,tp_dst=99 actions=mod_nw_tos:16,dec_ttl,output:1",
];

/// Every example for a version. A message that a version lacks is left out when it is encoded.
pub(crate) fn messages(version: Version) -> Vec<Message> {
    let mut all = plain(version);
    all.extend(nicira());
    all.extend(flows(version).into_iter().flat_map(|flow| {
        let inside = Box::new(Message::FlowMod(Box::new(flow.clone())));
        let add = BundleAdd {
            bundle: 7,
            flags: ATOMIC | ORDERED,
            message: inside,
            properties: Bytes::default(),
        };
        [
            Message::BundleAdd(add),
            Message::NxFlowMod(Box::new(flow.clone())),
            Message::FlowMod(Box::new(flow)),
        ]
    }));
    all.extend(
        requests()
            .into_iter()
            .map(|body| Message::MultipartRequest(MultipartRequest { flags: 0, body })),
    );
    all.extend(
        replies(version)
            .into_iter()
            .map(|body| Message::MultipartReply(MultipartReply { flags: 1, body })),
    );
    all
}

pub(crate) fn flows(version: Version) -> Vec<FlowMod> {
    let mut flows: Vec<FlowMod> = FLOWS
        .iter()
        .map(|text| parse_flow(text, version).unwrap_or_else(|error| panic!("{text}: {error}")))
        .collect();
    for text in [
        "delete cookie=0x5/-1,table=2,out_port=3,ip",
        "modify_strict priority=3,ip actions=goto_table:9",
    ] {
        flows.push(parse_flow(text, version).unwrap_or_else(|error| panic!("{text}: {error}")));
    }
    for text in [
        "ip actions=write_actions(output:1),goto_table:3",
        "ip actions=clear_actions,write_metadata:0x5/0xff",
    ] {
        flows.push(parse_flow(text, version).unwrap_or_else(|error| panic!("{text}: {error}")));
    }
    flows
}

fn properties() -> Vec<Property> {
    vec![Property {
        kind: 0xffff,
        value: Bytes(vec![0, 0, 0x23, 0x20, 0, 0, 0, 1, 5, 6]),
    }]
}

fn fields() -> Match {
    parse_flow("in_port=3,reg0=0x5,tun_id=0x7 actions=drop", Version::V1_3)
        .expect("fields")
        .matching
}

fn port(version: Version) -> Port {
    let speeds = PortSpeeds {
        current: 0x840,
        supported: 0x840,
        ..PortSpeeds::default()
    };
    let speeds = if version == Version::V1_0 {
        speeds
    } else {
        PortSpeeds {
            current_speed: 10_000_000,
            maximum_speed: 10_000_000,
            ..speeds
        }
    };
    Port {
        number: PortNumber(5),
        address: MacAddress([0x52, 0x54, 0, 0, 0, 1]),
        name: Label::new("vnet3"),
        config: 1,
        state: 1,
        properties: vec![PortProperty::Ethernet(speeds)],
    }
}

fn plain(version: Version) -> Vec<Message> {
    let masks = AsyncMasks {
        packet_in: [3, 0],
        port_status: [7, 7],
        flow_removed: [15, 0],
    };
    let tells = vec![Property {
        kind: 1,
        value: Bytes(vec![0, 0, 0, 3]),
    }];
    let extensible = version >= Version::V1_4;
    let removed = FlowRemoved {
        cookie: 5,
        priority: 100,
        reason: 2,
        table: (version != Version::V1_0).then_some(3),
        idle_timeout: 5,
        hard_timeout: if version >= Version::V1_2 { 9 } else { 0 },
        counters: counters(false),
        matching: parse_flow("in_port=3,tcp,tp_dst=5 actions=drop", version)
            .expect("a match")
            .matching,
    };
    let packet_in = PacketIn {
        total_length: 60,
        reason: 1,
        table: if version == Version::V1_0 { 0 } else { 4 },
        cookie: if version >= Version::V1_3 { 0x77 } else { 0 },
        in_port: (version <= Version::V1_1).then_some(PortNumber(3)),
        in_phy_port: (version == Version::V1_1).then_some(PortNumber(3)),
        metadata: if version >= Version::V1_2 {
            fields()
        } else {
            Match::new()
        },
        data: Bytes(vec![0xff; 60]),
        ..PacketIn::default()
    };
    let features = Features {
        datapath_id: 0x1122_3344_5566,
        buffers: 256,
        tables: 254,
        capabilities: 0x4f,
        actions: if version == Version::V1_0 { 0xfff } else { 0 },
        ports: if version <= Version::V1_2 {
            vec![port(version)]
        } else {
            Vec::new()
        },
        ..Features::default()
    };
    let packet_out = PacketOut {
        in_port: PortNumber::CONTROLLER,
        actions: vec![Action::output(PortNumber::LOCAL)],
        metadata: if version == Version::V1_5 {
            Match::new().exact(openflow::Field::InPort, PortNumber::CONTROLLER.0)
        } else {
            Match::new()
        },
        data: Bytes(vec![0xff; 60]),
        ..PacketOut::default()
    };
    let queue = Queue {
        id: 3,
        port: if version >= Version::V1_2 {
            PortNumber(1)
        } else {
            PortNumber::ANY
        },
        properties: vec![Property {
            kind: 1,
            value: Bytes(vec![0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0]),
        }],
    };
    let port_mod = PortMod {
        number: PortNumber(5),
        address: MacAddress([0x52, 0x54, 0, 0, 0, 1]),
        config: 1,
        mask: 1,
        ..PortMod::default()
    };
    let table = TableDescription {
        table: 1,
        config: 4,
        properties: Vec::new(),
    };
    let control = |step| BundleControl {
        bundle: 7,
        step,
        flags: ATOMIC | ORDERED,
        properties: Bytes::default(),
    };
    vec![
        Message::Hello(Hello::offering(&Version::ALL)),
        Message::Error(ErrorMessage {
            error: ErrorCode::Standard { kind: 1, code: 1 },
            data: Bytes(vec![1, 2, 3, 4]),
        }),
        Message::Error(ErrorMessage {
            error: if version >= Version::V1_2 {
                ErrorCode::Experimenter {
                    experimenter: NICIRA,
                    code: 22,
                }
            } else {
                ErrorCode::Nicira {
                    vendor: NICIRA,
                    kind: 1,
                    code: 256,
                }
            },
            data: Bytes(vec![1, 2, 3, 4, 5, 6, 7, 8]),
        }),
        Message::EchoRequest(Bytes(vec![1, 2, 3])),
        Message::EchoReply(Bytes::default()),
        Message::Experimenter(Experimenter {
            experimenter: 0x1234_5678,
            body: Bytes(vec![0, 0, 0, 1, 5]),
        }),
        Message::FeaturesRequest,
        Message::FeaturesReply(features),
        Message::GetConfigRequest,
        Message::GetConfigReply(SwitchConfig {
            flags: 0,
            miss_send_length: 128,
        }),
        Message::SetConfig(SwitchConfig {
            flags: 1,
            miss_send_length: 65535,
        }),
        Message::PacketIn(Box::new(packet_in)),
        Message::FlowRemoved(Box::new(removed)),
        Message::PortStatus(Box::new(PortStatus {
            reason: 2,
            port: port(version),
        })),
        Message::PacketOut(Box::new(packet_out)),
        Message::GroupMod(GroupMod {
            kind: 1,
            group: 9,
            buckets: vec![bucket(version)],
            ..GroupMod::default()
        }),
        Message::PortMod(port_mod),
        Message::TableMod(TableMod {
            table: 3,
            config: if extensible { 4 } else { 3 },
            properties: Vec::new(),
        }),
        Message::MeterMod(MeterMod {
            command: 0,
            flags: 5,
            meter: 3,
            bands: bands(),
        }),
        Message::BarrierRequest,
        Message::BarrierReply,
        Message::QueueConfigRequest(QueueConfigRequest {
            port: PortNumber(1),
        }),
        Message::QueueConfigReply(QueueConfigReply {
            port: PortNumber(1),
            queues: vec![queue],
        }),
        Message::RoleRequest(Role {
            role: 2,
            short_id: 0,
            generation: 5,
        }),
        Message::RoleReply(Role {
            role: 3,
            short_id: 0,
            generation: 5,
        }),
        Message::RoleStatus(RoleStatus {
            role: 3,
            reason: 0,
            generation: 5,
            properties: Vec::new(),
        }),
        Message::GetAsyncRequest,
        Message::GetAsyncReply(if extensible {
            AsyncConfig::Properties(tells.clone())
        } else {
            AsyncConfig::Masks(masks.clone())
        }),
        Message::SetAsync(if extensible {
            AsyncConfig::Properties(tells)
        } else {
            AsyncConfig::Masks(masks)
        }),
        Message::TableStatus(TableStatus { reason: 3, table }),
        Message::BundleControl(control(BundleStep::OpenRequest)),
        Message::BundleControl(control(BundleStep::CommitReply)),
        Message::RequestForward(Bytes(vec![
            version.wire(),
            29,
            0,
            16,
            0,
            0,
            0,
            1,
            0,
            2,
            0,
            0,
            0,
            0,
            0,
            5,
        ])),
        Message::Opaque {
            kind: 200,
            body: Bytes(vec![1, 2, 3]),
        },
    ]
}

fn nicira() -> Vec<Message> {
    let option = TunnelOption {
        class: 0xffff,
        kind: 1,
        length: 4,
        index: 0,
    };
    let packet = PacketIn2 {
        properties: vec![
            PacketIn2Property::Packet(Bytes(vec![0xff; 61])),
            PacketIn2Property::FullLength(128),
            PacketIn2Property::Table(4),
            PacketIn2Property::Cookie(0x77),
            PacketIn2Property::Reason(1),
            PacketIn2Property::Metadata(fields()),
            PacketIn2Property::Userdata(Bytes(vec![1, 2, 3, 4, 5])),
        ],
    };
    let packet_in = PacketIn {
        total_length: 60,
        reason: 1,
        table: 4,
        cookie: 0x77,
        metadata: fields(),
        data: Bytes(vec![0xff; 60]),
        ..PacketIn::default()
    };
    let removed = FlowRemoved {
        cookie: 5,
        priority: 100,
        reason: 2,
        table: Some(3),
        idle_timeout: 5,
        counters: counters(false),
        matching: fields(),
        ..FlowRemoved::default()
    };
    let masks = AsyncMasks {
        packet_in: [3, 0],
        port_status: [7, 7],
        flow_removed: [15, 0],
    };
    vec![
        Message::NxFlowModTableId(FlowModTableId { set: 1 }),
        Message::NxSetFlowFormat(2),
        Message::NxSetPacketInFormat(2),
        Message::NxPacketIn(Box::new(packet_in)),
        Message::NxPacketIn2(packet.clone()),
        Message::NxResume(packet),
        Message::NxFlowRemoved(Box::new(removed)),
        Message::NxRoleRequest(NiciraRole { role: 1 }),
        Message::NxRoleReply(NiciraRole { role: 2 }),
        Message::NxSetAsync(masks),
        Message::NxSetAsync2(vec![Property {
            kind: 1,
            value: Bytes(vec![0, 0, 0, 3]),
        }]),
        Message::NxSetControllerId(ControllerId { id: Padded16(5) }),
        Message::NxFlowMonitorCancel(5),
        Message::NxFlowMonitorPaused,
        Message::NxFlowMonitorResumed,
        Message::NxTunnelOptionMod(TunnelOptionMod {
            command: 0,
            options: vec![option.clone()],
        }),
        Message::NxTunnelOptionRequest,
        Message::NxTunnelOptionReply(TunnelOptionTable {
            space: 256,
            fields: 64,
            options: vec![option],
        }),
        Message::NxFlushZone(FlushZone { zone: Padded16(5) }),
        Message::NxFlowAge,
    ]
}

fn bucket(version: Version) -> Bucket {
    let actions = vec![Action::output(PortNumber(1))];
    if version == Version::V1_5 {
        return Bucket {
            id: 3,
            weight: Some(5),
            watch_port: Some(PortNumber(2)),
            actions,
            ..Bucket::default()
        };
    }
    let (watch_port, watch_group) = (Some(PortNumber(2)), Some(0xffff_ffff));
    Bucket {
        weight: Some(5),
        watch_port,
        watch_group,
        actions,
        ..Bucket::default()
    }
}

fn bands() -> Vec<Band> {
    vec![
        Band::Drop {
            rate: 1000,
            burst: 100,
        },
        Band::Remark {
            rate: 2000,
            burst: 100,
            levels: 1,
        },
    ]
}

fn counters(flows: bool) -> Counters {
    Counters {
        duration: (!flows).then_some(Span {
            seconds: 5,
            nanoseconds: 6_000_000,
        }),
        flows: flows.then_some(3),
        packets: Some(7),
        bytes: Some(700),
        ..Counters::default()
    }
}

fn requests() -> Vec<RequestBody> {
    let flows = FlowStatsRequest::default;
    let queue = PortQueue {
        port: PortNumber(1),
        queue: 3,
    };
    let monitor = FlowMonitorRequest {
        monitor: 5,
        flags: 0x1f,
        ..FlowMonitorRequest::default()
    };
    vec![
        RequestBody::Description,
        RequestBody::Flow(flows()),
        RequestBody::Aggregate(flows()),
        RequestBody::NxFlow(FlowStatsRequest {
            matching: fields(),
            ..flows()
        }),
        RequestBody::NxAggregate(FlowStatsRequest {
            matching: fields(),
            ..flows()
        }),
        RequestBody::Table,
        RequestBody::Port(PortNumber(3)),
        RequestBody::Queue(queue.clone()),
        RequestBody::Group(5),
        RequestBody::GroupDescription(None),
        RequestBody::GroupDescription(Some(5)),
        RequestBody::GroupFeatures,
        RequestBody::Meter(5),
        RequestBody::MeterConfig(5),
        RequestBody::MeterFeatures,
        RequestBody::TableFeatures(Vec::new()),
        RequestBody::PortDescription(None),
        RequestBody::PortDescription(Some(PortNumber(5))),
        RequestBody::TableDescription,
        RequestBody::QueueDescription(queue),
        RequestBody::FlowMonitor(vec![monitor.clone()]),
        RequestBody::NxFlowMonitor(vec![FlowMonitorRequest {
            matching: fields(),
            ..monitor
        }]),
        RequestBody::Experimenter {
            experimenter: NICIRA,
            kind: 99,
            body: Bytes(vec![1, 2, 3, 4]),
        },
        RequestBody::Opaque {
            kind: 99,
            body: Bytes(vec![1, 2, 3, 4]),
        },
    ]
}

fn replies(version: Version) -> Vec<ReplyBody> {
    let span = Some(Span {
        seconds: 5,
        nanoseconds: 6,
    });
    let later = |first| if version >= first { span.clone() } else { None };
    let stats = |flow: FlowMod| FlowStats {
        table: 3,
        priority: flow.priority,
        idle_timeout: 5,
        cookie: 0x99,
        counters: counters(false),
        matching: flow.matching,
        instructions: flow.instructions,
        ..FlowStats::default()
    };
    let nx = |flow: FlowMod| FlowStats {
        idle_age: Some(4),
        hard_age: None,
        ..stats(flow)
    };
    let own: Vec<FlowStats> = flows(version)
        .into_iter()
        .map(stats)
        .filter(|flow| {
            let body = ReplyBody::Flow(vec![flow.clone()]);
            encodes(
                version,
                &Message::MultipartReply(MultipartReply { flags: 0, body }),
            )
        })
        .collect();
    let applied = |flow: &FlowMod| {
        matches!(
            flow.instructions.as_slice(),
            [] | [openflow::Instruction::ApplyActions(_)]
        )
    };
    let with_actions = || flows(version).into_iter().filter(applied);
    let changed = |flow: FlowMod| {
        FlowUpdate::Flow(Box::new(MonitoredFlow {
            event: FlowUpdateEvent::Added,
            table: 1,
            priority: 5,
            matching: flow.matching,
            ..MonitoredFlow::default()
        }))
    };
    let port_stats = PortStats {
        port: PortNumber(1),
        received_packets: 5,
        kinds: if version < Version::V1_4 {
            [1, 2, 3, 4]
        } else {
            [0; 4]
        },
        duration: later(Version::V1_3),
        ..PortStats::default()
    };
    let queue_stats = QueueStats {
        port: PortNumber(1),
        queue: 2,
        duration: later(Version::V1_3),
        ..QueueStats::default()
    };
    let before_1_3 = version < Version::V1_3;
    let abilities = match version {
        Version::V1_0 => 8,
        Version::V1_1 => 28,
        Version::V1_2 => 68,
        _ => 0,
    };
    vec![
        ReplyBody::Description(Box::new(Description {
            manufacturer: Label::new("Nicira, Inc."),
            software: Label::new("3.1"),
            ..Description::default()
        })),
        ReplyBody::Flow(own),
        ReplyBody::Aggregate(counters(true)),
        ReplyBody::NxFlow(with_actions().map(nx).collect()),
        ReplyBody::NxAggregate(counters(true)),
        ReplyBody::Table(vec![TableStats {
            table: 1,
            name: if before_1_3 {
                Label::new("classifier")
            } else {
                Label::default()
            },
            abilities: Bytes(vec![0; abilities]),
            active: 5,
            lookups: 6,
            matched: 7,
        }]),
        ReplyBody::Port(vec![port_stats.clone(), port_stats]),
        ReplyBody::Queue(vec![queue_stats.clone(), queue_stats]),
        ReplyBody::Group(vec![GroupStats {
            group: 5,
            references: 1,
            duration: later(Version::V1_3),
            buckets: vec![BucketCounters {
                packets: 1,
                bytes: 2,
            }],
            ..GroupStats::default()
        }]),
        ReplyBody::GroupDescription(vec![GroupDescription {
            kind: 1,
            group: 5,
            buckets: vec![bucket(version)],
            ..GroupDescription::default()
        }]),
        ReplyBody::GroupFeatures(GroupFeatures {
            kinds: 15,
            ..GroupFeatures::default()
        }),
        ReplyBody::Meter(vec![MeterStats {
            meter: 5,
            bands: vec![BandCounters {
                packets: 1,
                bytes: 2,
            }],
            ..MeterStats::default()
        }]),
        ReplyBody::MeterConfig(vec![MeterConfig {
            flags: 5,
            meter: 5,
            bands: bands(),
        }]),
        ReplyBody::MeterFeatures(MeterFeatures {
            maximum: 5,
            band_kinds: 2,
            ..MeterFeatures::default()
        }),
        ReplyBody::TableFeatures(vec![TableFeatures {
            table: 5,
            name: Label::new("table5"),
            maximum_flows: 1000,
            properties: vec![Property {
                kind: 0,
                value: Bytes(vec![0, 1, 0, 4]),
            }],
            ..TableFeatures::default()
        }]),
        ReplyBody::PortDescription(vec![port(version), port(version)]),
        ReplyBody::TableDescription(vec![TableDescription {
            table: 1,
            config: 4,
            properties: Vec::new(),
        }]),
        ReplyBody::QueueDescription(vec![QueueDescription {
            port: PortNumber(1),
            queue: 2,
            properties: properties(),
        }]),
        ReplyBody::FlowMonitor(vec![
            FlowUpdate::Own { xid: 5 },
            changed(FlowMod::default()),
            FlowUpdate::Paused,
            FlowUpdate::Resumed,
        ]),
        ReplyBody::NxFlowMonitor(
            with_actions()
                .map(changed)
                .chain([FlowUpdate::Own { xid: 5 }])
                .collect(),
        ),
        ReplyBody::Experimenter {
            experimenter: 0x1234,
            kind: if version == Version::V1_0 { 0 } else { 5 },
            body: Bytes(vec![1; 8]),
        },
        ReplyBody::Opaque {
            kind: 99,
            body: Bytes(vec![1; 4]),
        },
    ]
}

fn encodes(version: Version, message: &Message) -> bool {
    message
        .encode(version, 1, &mut openflow::wire::Writer::new())
        .is_ok()
}
