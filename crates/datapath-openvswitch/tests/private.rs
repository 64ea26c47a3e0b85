//! A private network across two hosts with one VLAN id on the wire: what isolated machines hear, and that the flows of
//! the hook that people use today let through what they should not.

use std::os::unix::net::UnixStream;
use std::time::Duration;

use datapath::Enforcement;
use datapath_openvswitch::Session;
use datapath_openvswitch::topology::{PortVlan, Topology, TopologyPort};
use frame::build::ArpPacket;
use frame::{FrameBuilder, MacAddress};
use policy::language::{Source, load};
use policy::observation::{Observation, ObservedBridge, ObservedInterface};
use testbed::link::{Links, VethEnd};
use testbed::{Namespace, OpenVSwitch, RawPort};

/// On which host (bridge) each machine is: a promiscuous router and two isolated machines on the first, an isolated
/// one and two of a community on the second. Machine `n` has port `n + 2` of its bridge's OpenFlow numbers.
const MACHINES: [(&str, usize); 6] = [
    ("promiscuous", 0),
    ("isolated", 0),
    ("isolated", 0),
    ("isolated", 1),
    ("community:db", 1),
    ("community:db", 1),
];
const VLAN: u16 = 2102;

struct Bench {
    switch: OpenVSwitch,
    raw: Vec<RawPort>,
    indices: Vec<u32>,
    wires: [u32; 2],
}

impl Bench {
    fn new() -> Self {
        let switch = OpenVSwitch::start().expect("an Open vSwitch");
        let ends = Namespace::new().expect("a namespace");
        let links = Links::open(switch.namespace()).expect("netlink");
        let end = |namespace, name, mac| VethEnd {
            namespace,
            name,
            mac,
            upper: None,
        };
        let names: Vec<(String, String)> = (0..MACHINES.len())
            .map(|number| (format!("vnet{number}"), format!("end{number}")))
            .collect();
        let mut pairs: Vec<_> = names
            .iter()
            .zip(0..)
            .map(|((near, far), number)| {
                let near = end(None, near.as_str(), [0xfe, 0x54, 0, 0, 0, number]);
                (
                    near,
                    end(Some(&ends), far.as_str(), mac(usize::from(number)).0),
                )
            })
            .collect();
        pairs.push((
            end(None, "wire0", [2, 0, 0, 0, 1, 0]),
            end(None, "wire1", [2, 0, 0, 0, 1, 1]),
        ));
        let mut made = links.add_veths(&pairs).expect("interfaces");
        let wires = made.pop().expect("the wire");
        for host in 0..2 {
            let (bridge, wire) = (format!("br{host}"), format!("wire{host}"));
            switch.add_bridge(&bridge).expect("a bridge");
            switch
                .vsctl(&["set", "bridge", &bridge, "fail_mode=secure"])
                .expect("set");
            switch
                .vsctl(&[
                    "add-port",
                    &bridge,
                    &wire,
                    "--",
                    "set",
                    "interface",
                    &wire,
                    "ofport_request=1",
                ])
                .expect("a port");
        }
        let mut raw = Vec::new();
        for (number, (near, far)) in names.iter().enumerate() {
            let (bridge, request) = (
                format!("br{}", MACHINES[number].1),
                format!("ofport_request={}", number + 2),
            );
            let tag = format!("tag={VLAN}");
            switch
                .vsctl(&[
                    "add-port",
                    &bridge,
                    near,
                    &tag,
                    "--",
                    "set",
                    "interface",
                    near,
                    &request,
                ])
                .expect("a port");
            raw.push(RawPort::open(&ends, far, made[number].1).expect("a raw port"));
        }
        let indices = made.iter().map(|(near, _)| *near).collect();
        Self {
            switch,
            raw,
            indices,
            wires: [wires.0, wires.1],
        }
    }

    fn enforce(&self, host: usize) {
        let bridge = format!("br{host}");
        let mut topology = Topology {
            bridge: bridge.clone(),
            ..Topology::default()
        };
        let mut observed = Observation::default();
        observed.bridges.insert(
            bridge.clone(),
            ObservedBridge {
                ifindex: 1000,
                vlan_filtering: true,
                ..ObservedBridge::default()
            },
        );
        let wire = TopologyPort {
            number: 1,
            ifindex: Some(self.wires[host]),
            ..TopologyPort::default()
        };
        topology.ports.insert(format!("wire{host}"), wire);
        for (number, (_, place)) in MACHINES.iter().enumerate() {
            if *place == host {
                let port = TopologyPort {
                    number: number as u16 + 2,
                    ifindex: Some(self.indices[number]),
                    vlan: PortVlan::Access(VLAN),
                    ..TopologyPort::default()
                };
                topology.ports.insert(format!("vnet{number}"), port);
            }
        }
        for (name, port) in &topology.ports {
            let interface = ObservedInterface {
                ifindex: port.ifindex.unwrap_or_default(),
                bridge: bridge.clone(),
                pvid: matches!(port.vlan, PortVlan::Access(_)).then_some(VLAN),
                ..ObservedInterface::default()
            };
            observed.interfaces.insert(name.clone(), interface);
        }
        let catalog = load(&[Source::new("private.yaml", documents(host))])
            .unwrap_or_else(|errors| panic!("{}", errors.render(false, 100)));
        let program = policy::compile(&catalog, None, &observed).expect("a program");
        let here = program.refused.values().filter(|refusal| !refusal.absent);
        assert_eq!(here.count(), 0, "{:#?}", program.refused);
        let stream =
            UnixStream::connect(self.switch.management_socket(&bridge)).expect("connected");
        stream
            .set_read_timeout(Some(Duration::from_millis(100)))
            .expect("set");
        Session::open(stream, topology)
            .expect("a session")
            .enforce(program)
            .expect("enforced");
        // What the datapath remembers of earlier frames is looked at anew a little after a change.
        self.switch.appctl(&["revalidator/wait"]).expect("waited");
    }

    /// Who hears a frame: those who should are given time, the others a little after them.
    fn hear(&mut self, sender: usize, bytes: &[u8], should: &[usize]) -> Vec<usize> {
        self.raw[sender].send(bytes).expect("sent");
        let mut hearing = Vec::new();
        for (patience, asked) in [
            (Duration::from_secs(5), true),
            (Duration::from_millis(20), false),
        ] {
            for number in (0..self.raw.len()).filter(|number| should.contains(number) == asked) {
                if let Some(frame) = self.raw[number].receive(patience).expect("received") {
                    assert_eq!(frame, bytes, "as it was sent");
                    hearing.push(number);
                }
            }
        }
        hearing.sort_unstable();
        hearing
    }
}

fn documents(host: usize) -> String {
    let mut text = format!(
        "kind: Host\nname: hv-{host}\nbridges: {{br{host}: {{uplinks: [wire{host}], managed: true}}}}\n---\n\
         kind: Network\nname: tenant\nbridge: br{host}\nvlan: {VLAN}\nisolation: private\ncommunities: {{db: []}}\n---\n\
         kind: Profile\nname: plain\nstateful: off\nguards: [mac, arp]\ndefault: {{in: accept, out: accept}}\n"
    );
    for (number, (role, place)) in MACHINES.iter().enumerate() {
        let device = if *place == host {
            format!("device: vnet{number}\n")
        } else {
            String::new()
        };
        text.push_str(&format!(
            "---\nkind: Port\nname: vm-{number}\n{device}mac: '{}'\naddresses: [10.0.0.{number}]\nnetwork: tenant\n\
             role: {role}\nprofiles: [plain]\n",
            mac(number)
        ));
    }
    text
}

fn mac(number: usize) -> MacAddress {
    MacAddress([0x52, 0x54, 0, 0, 0, number as u8 + 1])
}

fn arp(sender: usize, target: usize) -> Vec<u8> {
    FrameBuilder::new(mac(sender), MacAddress::BROADCAST).arp(&ArpPacket {
        operation: 1,
        sender_mac: mac(sender),
        sender_ip: [10, 0, 0, sender as u8].into(),
        target_mac: MacAddress([0; 6]),
        target_ip: [10, 0, 0, target as u8].into(),
    })
}

fn packet(sender: usize, target: usize) -> Vec<u8> {
    FrameBuilder::new(mac(sender), mac(target))
        .ipv4(
            [10, 0, 0, sender as u8].into(),
            [10, 0, 0, target as u8].into(),
        )
        .udp(1000, 2000)
        .payload([0; 20])
        .build()
}

#[test]
fn isolated_machines_reach_the_router_alone_on_whatever_host() {
    let mut bench = Bench::new();
    bench.enforce(0);
    bench.enforce(1);
    let may = |from: usize, to: usize| {
        let (one, other) = (MACHINES[from].0, MACHINES[to].0);
        one == "promiscuous" || other == "promiscuous" || one != "isolated" && one == other
    };
    for sender in 0..MACHINES.len() {
        let others = || (0..MACHINES.len()).filter(|other| *other != sender);
        // No static ARP: who asks everybody is heard by whom it may reach, across hosts.
        let expected: Vec<usize> = others().filter(|other| may(sender, *other)).collect();
        let heard = bench.hear(sender, &arp(sender, 0), &expected);
        assert_eq!(heard, expected, "asking from {sender}");
        for target in others() {
            let expected = if may(sender, target) {
                vec![target]
            } else {
                Vec::new()
            };
            let heard = bench.hear(sender, &packet(sender, target), &expected);
            assert_eq!(heard, expected, "{sender} to {target}");
        }
    }
    let forged = FrameBuilder::new(mac(0), mac(3)).ether(0x0800, &packet(0, 3)[14..]);
    assert!(bench.hear(1, &forged, &[]).is_empty(), "as the router");
}

#[test]
fn the_hook_of_today_leaks_between_hosts() {
    let mut bench = Bench::new();
    for bridge in ["br0", "br1"] {
        bench
            .switch
            .ofctl(&["add-flow", bridge, "priority=0,actions=normal"])
            .expect("added");
    }
    // Three flows for each isolated machine, and no flooding to it.
    for (number, (role, host)) in MACHINES.iter().enumerate() {
        if *role != "isolated" {
            continue;
        }
        let (bridge, port, mac) = (format!("br{host}"), (number + 2).to_string(), mac(number));
        bench
            .switch
            .vsctl(&["clear", "port", &format!("vnet{number}"), "tag"])
            .expect("cleared");
        bench
            .switch
            .ofctl(&["mod-port", &bridge, &port, "no-flood"])
            .expect("set");
        for flow in [
            format!(
                "priority=201,dl_src={mac},in_port={port},dl_vlan=0xffff,actions=mod_vlan_vid:{VLAN},normal"
            ),
            format!("priority=200,in_port={port},actions=drop"),
            format!("priority=201,dl_dst={mac},dl_vlan={VLAN},actions=strip_vlan,output:{port}"),
        ] {
            bench
                .switch
                .ofctl(&["add-flow", &bridge, &flow])
                .expect("added");
        }
    }
    let reaches = |bench: &mut Bench, sender: usize, bytes: &[u8], target: usize, should: bool| {
        let expected = [target];
        let expected = if should { expected.as_slice() } else { &[] };
        bench.hear(sender, bytes, expected).contains(&target)
    };
    assert!(
        !reaches(&mut bench, 1, &packet(1, 2), 2, false),
        "isolated on one host"
    );
    assert!(
        reaches(&mut bench, 1, &packet(1, 3), 3, true),
        "on two hosts nothing checks who sent it"
    );
    assert!(
        !reaches(&mut bench, 0, &arp(0, 3), 3, false),
        "no broadcast: the router needs static ARP"
    );
    bench.enforce(1);
    assert!(
        !reaches(&mut bench, 1, &packet(1, 3), 3, false),
        "closed by the receiver's host alone"
    );
    assert!(
        reaches(&mut bench, 0, &arp(0, 3), 3, true),
        "and the router is heard"
    );
}
