//! A bridge of Open vSwitch with six interfaces, and what should become of frames on it.

use std::collections::BTreeMap;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use datapath::{Capabilities, Capability, Enforcement, resolve};
use datapath_openvswitch::lower::Lowerer;
use datapath_openvswitch::topology::{PortVlan, Topology, TopologyPort};
use datapath_openvswitch::{Lowered, Session};
use frame::random::Rng;
use frame::{Frame, MacAddress};
use policy::document::Guard;
use policy::observation::{Observation, ObservedBridge, ObservedInterface};
use policy::program::{ConnectionState, Direction};
use policy::{Catalog, HostProgram, evaluate};
use testbed::link::{Links, VethEnd};
use testbed::{Namespace, OpenVSwitch, RawPort};

use super::generate::{INTERFACES, Tracking};
use super::{reading, vlan};

pub(crate) type Mismatch = String;

/// How a complaint about a frame begins that did not arrive.
pub(crate) const LOST: &str = "should have arrived";

/// What ends a batch: the ethertype of local experiments (IEEE 802, 9.2.3), which the vocabulary lacks.
const SENTINEL: [u8; 14] = [2, 0xee, 0, 0, 0, 1, 2, 0xee, 0, 0, 0, 2, 0x88, 0xb6];

pub(crate) struct Bench {
    switch: OpenVSwitch,
    session: Session,
    raw: Vec<RawPort>,
    observed: Observation,
    topology: Topology,
    lowerer: Lowerer,
    lowered: Lowered,
    otherwise: BTreeMap<&'static str, usize>,
    tracking: Tracking,
}

impl Bench {
    pub(crate) fn new(tracking: Tracking) -> Self {
        let switch = OpenVSwitch::start().expect("an Open vSwitch");
        switch.add_bridge("br0").expect("a bridge");
        switch
            .vsctl(&["set", "bridge", "br0", "fail_mode=secure"])
            .expect("set");
        // Else first fragments have no ports either (`rule_dpif_lookup_from_table`).
        switch
            .ofctl(&["set-frags", "br0", "nx-match"])
            .expect("set");
        let ends = Namespace::new().expect("a namespace");
        let links = Links::open(switch.namespace()).expect("netlink");
        let names: Vec<(String, String)> = (0..INTERFACES)
            .map(|number| (format!("vnet{number}"), format!("end{number}")))
            .collect();
        let pairs: Vec<(VethEnd<'_>, VethEnd<'_>)> = names
            .iter()
            .zip(0_u8..)
            .map(|((near, far), number)| {
                let end = |namespace, name, first| VethEnd {
                    namespace,
                    name,
                    mac: [first, 0x54, 0, 0, 0, number + 1],
                    upper: None,
                };
                (
                    end(None, near.as_str(), 0xfe),
                    end(Some(&ends), far.as_str(), 0x52),
                )
            })
            .collect();
        let made = links.add_veths(&pairs).expect("interfaces");
        let mut topology = Topology {
            bridge: "br0".to_owned(),
            mac: MacAddress([0x02, 0xb0, 0, 0, 0, 0]),
            ..Topology::default()
        };
        let mut observed = Observation::default();
        let bridge = ObservedBridge {
            ifindex: 1000,
            mac: topology.mac,
            vlan_filtering: false,
        };
        observed.bridges.insert("br0".to_owned(), bridge);
        let mut raw = Vec::new();
        for (((near, far), (index, end_index)), number) in names.iter().zip(made).zip(1_u16..) {
            let request = format!("ofport_request={number}");
            switch
                .vsctl(&[
                    "add-port",
                    "br0",
                    near,
                    "--",
                    "set",
                    "interface",
                    near,
                    &request,
                ])
                .expect("a port");
            raw.push(RawPort::open(&ends, far, end_index).expect("a raw port"));
            let port = TopologyPort {
                number,
                ifindex: Some(index),
                vlan: PortVlan::Trunk,
                ..TopologyPort::default()
            };
            topology.ports.insert(near.clone(), port);
            let interface = ObservedInterface {
                ifindex: index,
                bridge: "br0".to_owned(),
                ..ObservedInterface::default()
            };
            observed.interfaces.insert(near.clone(), interface);
        }
        for number in 1..=INTERFACES {
            let outputs: Vec<String> = (1..=INTERFACES)
                .map(|port| format!("output:{port}"))
                .collect();
            let flow = format!(
                "table=0,priority=65535,in_port={number},dl_dst=02:ee:00:00:00:01,dl_src=02:ee:00:00:00:02,\
                 dl_type=0x88b6,actions={}",
                outputs.join(",")
            );
            switch.ofctl(&["add-flow", "br0", &flow]).expect("added");
        }
        let stream = UnixStream::connect(switch.management_socket("br0")).expect("connected");
        stream
            .set_read_timeout(Some(Duration::from_millis(100)))
            .expect("set");
        let session = Session::open(stream, topology.clone()).expect("a session");
        Self {
            switch,
            session,
            raw,
            observed,
            topology,
            lowerer: Lowerer::default(),
            lowered: Lowered::default(),
            otherwise: BTreeMap::new(),
            tracking,
        }
    }

    /// Has the switch read so many tags.
    pub(crate) fn read_tags(&self, number: u8) {
        let limit = format!("other_config:vlan-limit={number}");
        self.switch
            .vsctl(&["set", "Open_vSwitch", ".", &limit])
            .expect("set");
    }

    /// Forgets all connections.
    pub(crate) fn forget(&self) {
        self.switch
            .appctl(&["dpctl/flush-conntrack"])
            .expect("flushed");
    }

    /// Sends a frame through one interface; what came to each one then.
    pub(crate) fn exchange(&mut self, sender: usize, bytes: &[u8]) -> Vec<Vec<Vec<u8>>> {
        self.raw[sender].send(bytes).expect("sent");
        self.settled(sender).expect("settled")
    }

    /// What has come to each interface when everything that one has sent is through.
    fn settled(&mut self, sender: usize) -> Result<Vec<Vec<Vec<u8>>>, Mismatch> {
        let mut heard = vec![Vec::new(); self.raw.len()];
        // The switch takes up to 32 frames at a time and begins with those whose flow it remembers, so that a first
        // sentinel may overtake: the second does not.
        for _ in 0..2 {
            let mut sentinel = SENTINEL.to_vec();
            sentinel.resize(60, 0);
            self.raw[sender]
                .send(&sentinel)
                .map_err(|error| error.to_string())?;
            for (receiver, heard) in heard.iter_mut().enumerate() {
                if receiver != sender {
                    heard.extend(self.heard(receiver)?);
                }
            }
        }
        Ok(heard)
    }

    pub(crate) fn flows(&self) -> usize {
        self.lowered.flows.len()
    }

    /// Frames that the switch reads otherwise, by why.
    pub(crate) fn otherwise(&self) -> &BTreeMap<&'static str, usize> {
        &self.otherwise
    }

    /// The program of a declaration, fitted to this switch.
    pub(crate) fn program(&self, catalog: &Catalog) -> Result<HostProgram, Mismatch> {
        let program = policy::compile(catalog, None, &self.observed)
            .map_err(|error| format!("does not compile: {error}"))?;
        let present = || Capability::present("", "");
        let capabilities = Capabilities {
            connection_tracking: match self.tracking {
                Tracking::Absent => Capability::default(),
                Tracking::Present => present(),
            },
            bridge_name: present(),
            log: present(),
            limits: present(),
            ..Capabilities::default()
        };
        let resolved = resolve(&program, &capabilities)
            .map_err(|unmet| format!("cannot be met: {unmet:#?}"))?;
        Ok(resolved.program)
    }

    /// Brings the switch from what it does to a program, and looks whether that leaves nothing to do.
    pub(crate) fn install(&mut self, program: &HostProgram) -> Result<(), Mismatch> {
        let changes = self.lowerer.lower(program, &self.topology);
        for (key, body) in changes {
            match body {
                Some(body) => self.lowered.flows.insert(key, body),
                None => self.lowered.flows.remove(&key),
            };
        }
        let all = self.lowerer.lowered();
        if all.flows != self.lowered.flows {
            return Err("what has changed is not all that has changed".to_owned());
        }
        self.lowered = all;
        *self.session.topology_mut() = self.topology.clone();
        self.session
            .enforce(program.clone())
            .map_err(|error| error.to_string())?;
        let again = self
            .session
            .enforce(program.clone())
            .map_err(|error| error.to_string())?;
        if again.commits > 0 {
            return Err(format!("a second plan is not empty: {:?}", again.changes));
        }
        // Until then the datapath may go on with what it remembers.
        let purged = self.switch.appctl(&["revalidator/purge"]);
        purged.map(drop).map_err(|error| error.to_string())
    }

    /// What the switch says that it does.
    pub(crate) fn trace(&self, sender: usize, bytes: &[u8]) -> String {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let port = format!("in_port={}", sender + 1);
        self.switch
            .appctl(&["ofproto/trace", "br0", &port, &hex])
            .unwrap_or_else(|error| error.to_string())
    }

    /// Sends frames through one interface and compares what arrives at all others with what should; how many arrived.
    pub(crate) fn compare(
        &mut self,
        program: &HostProgram,
        sender: usize,
        frames: &[Vec<u8>],
    ) -> Result<usize, Mismatch> {
        let mut expected: Vec<Vec<(Vec<u8>, String)>> = vec![Vec::new(); self.raw.len()];
        for bytes in frames {
            if let Some(why) = reading::differs(bytes, self.doubtful()) {
                *self.otherwise.entry(why).or_default() += 1;
                continue;
            }
            let read = reading::as_read(bytes);
            for (receiver, arrives) in self
                .expected(program, sender, &read)
                .into_iter()
                .enumerate()
            {
                expected[receiver].push(arrives);
            }
            self.raw[sender]
                .send(bytes)
                .map_err(|error| error.to_string())?;
        }
        let heard = self.settled(sender)?;
        let mut arrived = 0;
        let mut complaint = None;
        for (receiver, (expected, mut heard)) in expected.iter().zip(heard).enumerate() {
            if receiver == sender {
                continue;
            }
            arrived += heard.len();
            let mut miss = |bytes: &[u8], came, because: &str| {
                let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                complaint.get_or_insert(format!(
                    "from {sender} to {receiver}: {came}:\n{because}\n{hex}"
                ));
            };
            for (bytes, because) in expected
                .iter()
                .filter(|(_, because)| because.starts_with('+'))
            {
                match heard.iter().position(|frame| frame == bytes) {
                    Some(place) => drop(heard.swap_remove(place)),
                    None => miss(bytes, LOST, because),
                }
            }
            for frame in heard {
                let because = expected.iter().find(|(bytes, _)| *bytes == frame);
                let because = because.map_or("nobody sent it", |(_, because)| because.as_str());
                miss(&frame, "should not have arrived", because);
            }
        }
        let own = self.raw[sender]
            .drain()
            .map_err(|error| error.to_string())?;
        if !own.is_empty() {
            complaint = Some(format!("{sender} heard itself"));
        }
        complaint.map_or(Ok(arrived), Err)
    }

    fn heard(&mut self, receiver: usize) -> Result<Vec<Vec<u8>>, Mismatch> {
        let mut heard = Vec::new();
        loop {
            let frame = self.raw[receiver]
                .receive(Duration::from_secs(10))
                .map_err(|error| error.to_string())?
                .ok_or("the sentinel did not come through")?;
            if frame.starts_with(&SENTINEL) {
                return Ok(heard);
            }
            heard.push(frame);
        }
    }

    /// For each interface the frame as it comes there, and `+` or `-` and why.
    fn expected(
        &self,
        program: &HostProgram,
        sender: usize,
        bytes: &[u8],
    ) -> Vec<(Vec<u8>, String)> {
        let frame = Frame::parse(bytes).expect("a frame that is read");
        let state = match self.tracking {
            Tracking::Absent => ConnectionState::Untracked,
            Tracking::Present => ConnectionState::New,
        };
        let judge = |interface: usize, direction, bytes: &[u8]| match self.claim(program, interface)
        {
            Claim::Open => (true, "open".to_owned()),
            Claim::Quarantine => (false, "quarantine".to_owned()),
            Claim::Port(name) => {
                let evaluation = evaluate(program, name, direction, bytes, state);
                let steps: Vec<String> = evaluation
                    .steps
                    .iter()
                    .map(|step| format!("  {}: {}", step.stage, step.text))
                    .collect();
                (
                    evaluation.passes(),
                    format!(
                        "{name} {direction:?}: {:?}\n{}",
                        evaluation.verdict,
                        steps.join("\n")
                    ),
                )
            }
        };
        let (mut sent, mut first) = judge(sender, Direction::Out, bytes);
        let tag = vlan::arriving(self.vlan(sender), &frame);
        if tag.is_none() {
            (sent, first) = (false, format!("not in a VLAN of {:?}", self.vlan(sender)));
        }
        let tag = tag.unwrap_or_default();
        (0..self.raw.len())
            .map(|receiver| {
                let Some(seen) = vlan::departing(self.vlan(receiver), tag, bytes) else {
                    return (bytes.to_vec(), format!("-{first}\nnot in VLAN {tag:x}"));
                };
                if !sent {
                    return (seen, format!("-{first}"));
                }
                if !self.leads_to(program, receiver, frame.destination, tag) {
                    return (seen, format!("-{first}\nanother has {}", frame.destination));
                }
                let (passes, second) = judge(receiver, Direction::In, &seen);
                // What stood behind the tag that was taken off stays out of sight.
                let hidden = matches!(frame.protocol, 0x8100 | 0x88a8)
                    && matches!(self.claim(program, receiver), Claim::Port(_));
                let passes = passes && !hidden;
                (
                    seen,
                    format!("{}{first}\n{second}", if passes { '+' } else { '-' }),
                )
            })
            .collect()
    }

    fn vlan(&self, interface: usize) -> &PortVlan {
        &self.topology.ports[&format!("vnet{interface}")].vlan
    }

    pub(crate) fn vlans(&self) -> Vec<&PortVlan> {
        self.topology
            .ports
            .values()
            .map(|port| &port.vlan)
            .collect()
    }

    /// Makes one port of several interfaces.
    pub(crate) fn replace(&mut self, members: &[&str], name: &str, port: TopologyPort) {
        for member in members {
            self.topology.ports.remove(*member);
            self.observed.interfaces.remove(*member);
        }
        self.topology.ports.insert(name.to_owned(), port);
    }

    /// Whether a rule takes more flows than are made.
    pub(crate) fn exceeds(&self) -> bool {
        self.lowered
            .lacks
            .iter()
            .any(|lack| lack.reason.contains("more than"))
    }

    /// Whether rules ask for what is in frames with a length.
    fn doubtful(&self) -> bool {
        self.lowered
            .lacks
            .iter()
            .any(|lack| lack.reason.contains("stp."))
    }

    /// Puts every interface into VLANs by chance.
    pub(crate) fn shuffle(&mut self, rng: &mut Rng) {
        for port in self.topology.ports.values_mut() {
            port.vlan = vlan::random(rng);
        }
    }

    /// Whether the bridge takes a frame there that the policy lets pass.
    fn leads_to(
        &self,
        program: &HostProgram,
        receiver: usize,
        destination: MacAddress,
        tag: u16,
    ) -> bool {
        if destination.0.starts_with(&[0x01, 0x80, 0xc2, 0, 0]) && destination.0[5] < 16 {
            return false;
        }
        if destination.0[0] & 1 == 1 {
            return true;
        }
        let here = |port: &policy::program::PortProgram| {
            let place = self.topology.ports.get(&port.device);
            port.mac == destination && place.is_some_and(|place| vlan::is_in(&place.vlan, tag))
        };
        let known = program.ports.values().any(|port| here(port));
        match self.claim(program, receiver) {
            Claim::Port(name) => {
                let port = &program.ports[name];
                let behaviour = &program.behaviours[&port.behaviour];
                let unguarded =
                    !behaviour.guards.contains(&Guard::Mac) && destination != self.topology.mac;
                port.mac == destination || !known && unguarded
            }
            _ => !known && destination != self.topology.mac,
        }
    }

    fn claim<'a>(&self, program: &'a HostProgram, interface: usize) -> Claim<'a> {
        let device = format!("vnet{interface}");
        if let Some(port) = program.ports.values().find(|port| port.device == device) {
            return Claim::Port(&port.name);
        }
        let bridge = program.bridges.get("br0");
        let uplink = bridge.is_some_and(|bridge| bridge.uplinks.contains_key(&device));
        let managed = bridge.is_some_and(|bridge| bridge.managed);
        if uplink || !managed {
            Claim::Open
        } else {
            Claim::Quarantine
        }
    }
}

enum Claim<'a> {
    Port(&'a str),
    Open,
    Quarantine,
}
