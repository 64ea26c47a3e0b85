//! A real Open vSwitch as the judge: every version negotiated, flows added in bundles, one message refused, flows read
//! back as `ovs-ofctl` reads them.

mod client;

use client::Client;
use openflow::connection::{Answer, BatchKind, BatchOutcome, Configuration, Event};
use openflow::field::Field;
use openflow::message::{
    Bytes, FlowCommand, FlowStatsRequest, PacketOut, ReplyBody, RequestBody, SwitchConfig,
};
use openflow::{Action, FlowMod, Match, Message, PortNumber, Version};
use testbed::OpenVSwitch;

fn switch() -> OpenVSwitch {
    let switch = OpenVSwitch::start().expect("an Open vSwitch");
    switch.add_bridge("br0").expect("a bridge");
    let protocols = "OpenFlow10,OpenFlow11,OpenFlow12,OpenFlow13,OpenFlow14,OpenFlow15";
    switch
        .vsctl(&["set", "bridge", "br0", &format!("protocols={protocols}")])
        .expect("protocols");
    switch
}

fn connect(switch: &OpenVSwitch, version: Version) -> Client {
    let configuration = Configuration::controller().with_versions(&[version]);
    Client::connect(&switch.management_socket("br0"), configuration)
}

fn flow(number: u16) -> FlowMod {
    let matching = Match::new()
        .exact(Field::EthType, 0x0800_u16)
        .exact(Field::IpProto, 6_u8)
        .exact(Field::TcpDst, number);
    let mut flow = FlowMod::add(0, 100, matching, vec![Action::output(PortNumber::LOCAL)]);
    flow.cookie = 0x1234;
    flow
}

/// Refused if there is a flow to TCP ports.
fn overlapping() -> FlowMod {
    let matching = Match::new()
        .exact(Field::EthType, 0x0800_u16)
        .exact(Field::IpProto, 6_u8);
    FlowMod {
        flags: 2,
        matching,
        ..flow(0)
    }
}

fn flows_of(client: &mut Client, version: Version) -> Vec<openflow::message::FlowStats> {
    let request = FlowStatsRequest::default();
    let body = if version == Version::V1_0 {
        RequestBody::NxFlow(request)
    } else {
        RequestBody::Flow(request)
    };
    let xid = client
        .connection
        .ask_multipart(body, Answer::Whole)
        .expect("ask");
    let parts = client.until(|event| match event {
        Event::Parts {
            xid: answered,
            parts,
        } if answered == xid => Some(parts),
        _ => None,
    });
    let flows = parts.into_iter().map(|part| match part {
        ReplyBody::Flow(flows) | ReplyBody::NxFlow(flows) => flows,
        other => panic!("flows expected: {other:?}"),
    });
    flows.flatten().collect()
}

#[test]
fn every_version_is_negotiated_and_answers_questions() {
    let switch = switch();
    for version in Version::ALL {
        let client = &mut connect(&switch, version);
        assert_eq!(client.connection.version(), Some(version));
        let features = client.ask(&Message::FeaturesRequest);
        let Message::FeaturesReply(features) = features else {
            panic!("{version}: {features:?}")
        };
        assert_eq!(features.tables, 254, "{version}");
        let config = client.ask(&Message::GetConfigRequest);
        assert!(
            matches!(config, Message::GetConfigReply(SwitchConfig { .. })),
            "{version}: {config:?}"
        );
        assert_eq!(client.ask(&Message::BarrierRequest), Message::BarrierReply);
        for (first, body) in questions(version) {
            let nicira = matches!(body, RequestBody::NxFlow(_) | RequestBody::NxAggregate(_));
            if version < first || (nicira && version > Version::V1_0) {
                continue;
            }
            let what = format!("{version}: {body:?}");
            let xid = client
                .connection
                .ask_multipart(body, Answer::Whole)
                .expect(&what);
            client.until(|event| match event {
                Event::Parts { xid: answered, .. } if answered == xid => Some(()),
                Event::Refused {
                    xid: refused, name, ..
                } if refused == xid => panic!("{what}: {name}"),
                _ => None,
            });
        }
        let packet = PacketOut {
            actions: vec![Action::output(PortNumber::LOCAL)],
            data: Bytes(vec![0xff; 60]),
            in_port: PortNumber::CONTROLLER,
            ..PacketOut::default()
        };
        client
            .connection
            .send(&Message::PacketOut(Box::new(packet)))
            .expect("packet-out");
        assert_eq!(client.ask(&Message::BarrierRequest), Message::BarrierReply);
        assert_eq!(client.refused, Vec::<String>::new(), "{version}");
    }
}

/// Everything that can be asked, with the first version that can.
fn questions(version: Version) -> Vec<(Version, RequestBody)> {
    use openflow::message::multipart::PortQueue;
    let flows = FlowStatsRequest::default;
    // In 1.0 there is no "any".
    let every = if version == Version::V1_0 {
        PortNumber::ALL
    } else {
        PortNumber::ANY
    };
    vec![
        (Version::V1_0, RequestBody::Description),
        (Version::V1_0, RequestBody::Flow(flows())),
        (Version::V1_0, RequestBody::Aggregate(flows())),
        (Version::V1_0, RequestBody::NxFlow(flows())),
        (Version::V1_0, RequestBody::NxAggregate(flows())),
        (Version::V1_0, RequestBody::Table),
        (Version::V1_0, RequestBody::Port(PortNumber::ANY)),
        (
            Version::V1_0,
            RequestBody::Queue(PortQueue {
                port: every,
                ..PortQueue::default()
            }),
        ),
        (Version::V1_0, RequestBody::PortDescription(None)),
        (Version::V1_1, RequestBody::Group(0xffff_fffc)),
        (Version::V1_1, RequestBody::GroupDescription(None)),
        (Version::V1_2, RequestBody::GroupFeatures),
        (Version::V1_3, RequestBody::Meter(0xffff_ffff)),
        (Version::V1_3, RequestBody::MeterConfig(0xffff_ffff)),
        (Version::V1_3, RequestBody::MeterFeatures),
        (Version::V1_3, RequestBody::TableFeatures(Vec::new())),
        (Version::V1_4, RequestBody::TableDescription),
        (
            Version::V1_4,
            RequestBody::QueueDescription(PortQueue::default()),
        ),
    ]
}

#[test]
fn flows_come_back_as_they_were_sent() {
    let switch = switch();
    for version in Version::ALL {
        let client = &mut connect(&switch, version);
        let messages = (1..=200)
            .map(|number| Message::flow_mod(version, flow(number)))
            .collect();
        let kind = if version >= Version::V1_3 {
            BatchKind::Bundle
        } else {
            BatchKind::Plain
        };
        assert_eq!(client.run(kind, messages), BatchOutcome::Done, "{version}");
        let mut found = flows_of(client, version);
        found.retain(|flow| flow.cookie == 0x1234);
        found.sort_by_key(|flow| flow.matching.exact_value(Field::TcpDst));
        assert_eq!(found.len(), 200, "{version}");
        for (number, found) in (1..).zip(&found) {
            assert_eq!(found.matching, flow(number).matching, "{version}");
            let Some(openflow::Instruction::ApplyActions(actions)) = found.instructions.first()
            else {
                panic!("{version}: {found:?}");
            };
            let [Action::Output { port, .. }] = actions.as_slice() else {
                panic!("{actions:?}")
            };
            assert_eq!(*port, PortNumber::LOCAL);
        }
        let counted = switch
            .ofctl(&["dump-flows", "br0", "cookie=0x1234/-1"])
            .expect("dump");
        assert_eq!(counted.matches("cookie=").count(), 200, "{version}");
        let mut delete = FlowMod::delete_by_cookie(0x1234, u64::MAX);
        if version == Version::V1_1 {
            // Open vSwitch knows "all tables" in the others alone.
            delete.table = 0;
        }
        let delete = Message::flow_mod(version, delete);
        assert_eq!(
            client.run(BatchKind::Plain, vec![delete]),
            BatchOutcome::Done,
            "{version}"
        );
        let left = switch.ofctl(&["dump-flows", "br0"]).expect("dump");
        assert!(!left.contains("0x1234"), "{version}: {left}");
    }
}

#[test]
fn a_bundle_with_a_refused_message_changes_nothing() {
    let switch = switch();
    let before = switch
        .ofctl(&["--no-stats", "dump-flows", "br0"])
        .expect("dump");
    for version in [Version::V1_3, Version::V1_4, Version::V1_5] {
        let client = &mut connect(&switch, version);
        let wrong = FlowMod {
            table: 255,
            ..flow(2)
        };
        let messages = [flow(1), wrong, flow(3)].map(|flow| Message::flow_mod(version, flow));
        let BatchOutcome::Refused { failures, count } =
            client.run(BatchKind::Bundle, messages.into())
        else {
            panic!("{version}: it was taken");
        };
        assert_eq!(count, 1, "{version}: {failures:?}");
        assert_eq!(failures[0].index, Some(1), "{version}");
        assert_eq!(failures[0].name, "OFPFMFC_BAD_TABLE_ID", "{version}");
        let after = switch
            .ofctl(&["--no-stats", "dump-flows", "br0"])
            .expect("dump");
        assert_eq!(before, after, "{version}");

        // One that is refused only when it takes effect: it overlaps a flow that is there.
        let there = [flow(1)].map(|flow| Message::flow_mod(version, flow));
        assert_eq!(
            client.run(BatchKind::Bundle, there.into()),
            BatchOutcome::Done
        );
        let before = switch
            .ofctl(&["--no-stats", "dump-flows", "br0"])
            .expect("dump");
        let messages = [flow(2), overlapping()].map(|flow| Message::flow_mod(version, flow));
        let BatchOutcome::Refused { failures, .. } = client.run(BatchKind::Bundle, messages.into())
        else {
            panic!("{version}: overlap was taken");
        };
        let names: Vec<_> = failures
            .iter()
            .map(|failure| (failure.index, failure.name.as_str()))
            .collect();
        assert_eq!(
            names,
            [(Some(1), "OFPFMFC_OVERLAP"), (None, "OFPBFC_MSG_FAILED")],
            "{version}"
        );
        let after = switch
            .ofctl(&["--no-stats", "dump-flows", "br0"])
            .expect("dump");
        assert_eq!(before, after, "{version}");
        // And the connection is as good as before.
        let good = [flow(1)].map(|flow| Message::flow_mod(version, flow));
        assert_eq!(
            client.run(BatchKind::Bundle, good.into()),
            BatchOutcome::Done
        );
        let delete = FlowMod {
            command: FlowCommand::DeleteStrict,
            ..flow(1)
        };
        assert_eq!(
            client.run(BatchKind::Bundle, vec![Message::flow_mod(version, delete)]),
            BatchOutcome::Done
        );
    }
}

#[test]
fn a_plain_batch_names_what_was_refused() {
    let switch = switch();
    let client = &mut connect(&switch, Version::V1_0);
    let messages =
        [flow(1), overlapping(), flow(3)].map(|flow| Message::flow_mod(Version::V1_0, flow));
    let BatchOutcome::Refused { failures, count } = client.run(BatchKind::Plain, messages.into())
    else {
        panic!("it was taken");
    };
    assert_eq!((count, failures[0].index), (1, Some(1)));
    assert_eq!(failures[0].name, "OFPFMFC_OVERLAP");
    let flows = switch
        .ofctl(&["dump-flows", "br0", "cookie=0x1234/-1"])
        .expect("dump");
    assert_eq!(
        flows.matches("cookie=").count(),
        2,
        "the others are in effect"
    );
    let refused = client.connection.submit(BatchKind::Bundle, Vec::new());
    assert!(refused.is_err(), "1.0 has no bundles");
}

#[test]
fn many_flows_are_sent_fast() {
    let switch = switch();
    for (version, kind) in [
        (Version::V1_3, BatchKind::Bundle),
        (Version::V1_4, BatchKind::Plain),
    ] {
        let client = &mut connect(&switch, version);
        let messages: Vec<_> = (0..50_000_u32)
            .map(|number| {
                let matching = Match::new()
                    .exact(Field::EthType, 0x0800_u16)
                    .exact(Field::Ipv4Src, number);
                Message::flow_mod(
                    version,
                    FlowMod::add(1, 100, matching, vec![Action::output(PortNumber::LOCAL)]),
                )
            })
            .collect();
        let began = std::time::Instant::now();
        assert_eq!(client.run(kind, messages), BatchOutcome::Done);
        let rate = 50_000.0 / began.elapsed().as_secs_f64();
        println!("{version} {kind:?}: {rate:.0} flow mods a second");
        let began = std::time::Instant::now();
        let found = flows_of(client, version);
        println!("{} flows read in {:?}", found.len(), began.elapsed());
        assert!(found.len() >= 50_000);
        let clean = FlowMod {
            command: FlowCommand::Delete,
            table: 1,
            ..FlowMod::default()
        };
        assert_eq!(
            client.run(kind, vec![Message::flow_mod(version, clean)]),
            BatchOutcome::Done
        );
    }
}

/// Flows of many kinds, each at a priority of its own.
const KINDS: &[&str] = &[
    "tcp,in_port=4,dl_src=52:54:00:00:00:01,nw_dst=192.168.1.0/24,tp_src=22,send_flow_rem actions=drop",
    "cookie=0x1234,idle_timeout=500,hard_timeout=900,udp,nw_src=10.0.0.1,tp_dst=53 actions=output:2,LOCAL",
    "arp,arp_spa=10.0.0.1,arp_op=1 actions=CONTROLLER:128",
    "reg0=0x5,reg1=0x10/0xf0,ip actions=load:0x7->NXM_NX_REG2[],resubmit(,2)",
    "tcp6,ipv6_src=2001:db8::/64,tp_dst=80/0xfff0 actions=output:3",
    "icmp6,icmp_type=135,nd_target=fe80::1 actions=mod_dl_dst:52:54:00:00:00:02,output:3",
    "ct_state=+trk+est,ct_zone=5,ip actions=ct(commit,zone=5,exec(load:0x1->NXM_NX_CT_MARK[]))",
    "ip,nw_src=10.0.0.7 actions=conjunction(9,1/2)",
    "conj_id=9,ip actions=NORMAL",
    "metadata=0x5/0xff,ip actions=move:NXM_NX_REG0[]->NXM_NX_REG1[],note:01.02.03.04.05.06",
    "actions=learn(table=9,hard_timeout=10,NXM_OF_VLAN_TCI[0..11],NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[])",
    "tun_id=0x99 actions=set_tunnel:0x5,output:9",
];

#[test]
fn flows_are_printed_as_ovs_ofctl_dumps_them() {
    let switch = switch();
    switch.ofctl(&["del-flows", "br0"]).expect("delete");
    for version in [Version::V1_0, Version::V1_3, Version::V1_4, Version::V1_5] {
        let client = &mut connect(&switch, version);
        let flows = (1..).zip(KINDS).map(|(priority, text)| {
            let flow = openflow::parse_flow(text, version)
                .unwrap_or_else(|error| panic!("{text}: {error}"));
            Message::flow_mod(
                version,
                FlowMod {
                    priority,
                    table: 1,
                    ..flow
                },
            )
        });
        assert_eq!(
            client.run(BatchKind::Plain, flows.collect()),
            BatchOutcome::Done,
            "{version}"
        );
        let mut ours: Vec<_> = flows_of(client, version)
            .iter()
            .map(|flow| without_time(&flow.to_string()))
            .collect();
        let dumped = switch
            .ofctl(&["-O", version.protocol_name(), "dump-flows", "br0"])
            .expect("dump");
        let mut theirs: Vec<_> = dumped
            .lines()
            .filter(|line| line.contains("cookie="))
            .map(without_time)
            .collect();
        ours.sort();
        theirs.sort();
        assert_eq!(ours.len(), KINDS.len(), "{version}");
        assert_eq!(ours, theirs, "{version}");
    }
}

/// A line without what changes while the test runs.
fn without_time(line: &str) -> String {
    let mut kept = line.trim().to_owned();
    for name in ["duration=", "idle_age=", "hard_age="] {
        if let Some((before, rest)) = kept.split_once(name) {
            let after = rest.split_once(", ").map_or("", |(_, after)| after);
            kept = format!("{before}{after}");
        }
    }
    kept
}
