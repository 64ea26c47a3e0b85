//! A host's Open vSwitch under `OpenVSwitch`: taken over, restarted, given back, with real frames.

use std::time::Duration;

use datapath::Enforcement as _;
use datapath_openvswitch::OpenVSwitch;
use policy::HostProgram;
use policy::language::{Source, load};
use policy::observation::Observation;
use testbed::link::{Links, VethEnd};
use testbed::openvswitch::Daemon;
use testbed::{Namespace, OpenVSwitch as Switch, RawPort};

const DOCUMENTS: &str = "
kind: Host
name: hv-1
bridges: {br0: {managed: true}}
---
kind: Network
name: lan
bridge: br0
---
kind: Profile
name: plain
stateful: off
guards: [mac]
default: {in: accept, out: accept}
---
kind: Port
name: a
device: vnet0
mac: 52:54:00:00:00:01
network: lan
profiles: [plain]
---
kind: Port
name: b
device: vnet1
mac: 52:54:00:00:00:02
network: lan
profiles: [plain]
";

struct Bench {
    switch: Switch,
    host: OpenVSwitch,
    raw: Vec<RawPort>,
}

impl Bench {
    fn new() -> Self {
        let switch = Switch::start().expect("an Open vSwitch");
        switch.add_bridge("br0").expect("a bridge");
        let ends = Namespace::new().expect("a namespace");
        let links = Links::open(switch.namespace()).expect("netlink");
        let mut raw = Vec::new();
        for number in 0_u8..2 {
            let (near, far) = (format!("vnet{number}"), format!("end{number}"));
            let end = |namespace, name, first| VethEnd {
                namespace,
                name,
                mac: [first, 0x54, 0, 0, 0, number + 1],
                upper: None,
            };
            let pair = (
                end(None, near.as_str(), 0xfe),
                end(Some(&ends), far.as_str(), 0x52),
            );
            let made = links.add_veths(&[pair]).expect("interfaces");
            switch.vsctl(&["add-port", "br0", &near]).expect("a port");
            raw.push(RawPort::open(&ends, &far, made[0].1).expect("a raw port"));
        }
        let foreign = "table=0,cookie=0x5,priority=3,dl_type=0x88b5,actions=drop";
        switch.ofctl(&["add-flow", "br0", foreign]).expect("a flow");
        let host = OpenVSwitch::new(switch.directory());
        Self { switch, host, raw }
    }

    fn bring(&mut self, documents: &str) {
        let program = self.program(documents);
        self.host.enforce(program).expect("enforced");
    }

    fn program(&mut self, documents: &str) -> HostProgram {
        let catalog = load(&[Source::new("test.yaml", documents)])
            .unwrap_or_else(|errors| panic!("{}", errors.render(false, 100)));
        let mut observed = Observation::default();
        self.host.observe(&mut observed).expect("observed");
        let program = policy::compile(&catalog, None, &observed).expect("a program");
        let capabilities = self.host.capabilities().expect("capabilities");
        capabilities.resolve(&program).expect("met").program
    }

    /// Whether a frame from the first machine under this MAC arrives at the second.
    fn passes(&mut self, last: u8) -> bool {
        let mut frame = vec![0x52, 0x54, 0, 0, 0, 2, 0x52, 0x54, 0, 0, 0, last, 8, 0];
        // An IPv4 header without options, to no protocol in particular.
        frame.extend([
            0x45, 0, 0, 46, 0, 0, 0, 0, 64, 253, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
        ]);
        let sum = frame[14..34].chunks(2).fold(0_u32, |sum, pair| {
            sum + u32::from(u16::from_be_bytes([pair[0], pair[1]]))
        });
        let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
        frame[24..26].copy_from_slice(&sum.to_be_bytes());
        frame.resize(60, 0);
        self.raw[1].drain().expect("drained");
        self.raw[0].send(&frame).expect("sent");
        // What is in the way of a frame here takes microseconds.
        while let Some(heard) = self.raw[1]
            .receive(Duration::from_millis(400))
            .expect("heard")
        {
            if heard.get(..14) == frame.get(..14) {
                return true;
            }
        }
        false
    }

    fn flows(&self) -> String {
        self.switch.ofctl(&["dump-flows", "br0"]).expect("flows")
    }

    fn fail_mode(&self) -> String {
        let mode = self.switch.vsctl(&["get", "bridge", "br0", "fail_mode"]);
        mode.expect("a mode").trim().to_owned()
    }
}

#[test]
fn a_managed_bridge_is_closed_whenever_nothing_says_otherwise_and_is_given_back_as_it_was() {
    let mut bench = Bench::new();
    assert!(bench.passes(9), "without moat, anything");
    bench.bring(DOCUMENTS);
    assert_eq!(bench.fail_mode(), "secure");
    assert!(bench.passes(1));
    assert!(!bench.passes(9), "another's MAC");
    assert!(
        bench.flows().contains("cookie=0x5"),
        "others' flows are there"
    );

    // A restart of the switch forgets every flow, and nothing passes until they are there again.
    bench.switch.kill(Daemon::Switch);
    bench.switch.start_daemon(Daemon::Switch).expect("a daemon");
    assert!(!bench.passes(1) && !bench.passes(9));
    // As the agent does, again and again: the connection of before has ended, which the first attempt
    // finds out, and ports get their numbers while the database tells of it.
    let mut attempts = 0;
    while !bench.passes(1) {
        let program = bench.program(DOCUMENTS);
        let _ = bench.host.enforce(program);
        assert!(!bench.passes(9), "another's MAC");
        attempts += 1;
        assert!(attempts < 100, "it does not come back");
    }
    assert!(!bench.passes(9), "another's MAC");

    // Another process finds nothing to do.
    let mut second = OpenVSwitch::new(bench.switch.directory());
    let program = bench.program(DOCUMENTS);
    assert_eq!(second.enforce(program).expect("enforced").commits, 0);

    let foreign = "table=0,cookie=0x5,priority=3,dl_type=0x88b5,actions=drop";
    bench
        .switch
        .ofctl(&["add-flow", "br0", foreign])
        .expect("a flow");
    // Documents may change while nobody serves: the next process gives back what the one before took.
    bench.host = OpenVSwitch::new(bench.switch.directory());
    bench.bring("kind: Host\nname: hv-1\nbridges: {}\n");
    assert_eq!(bench.fail_mode(), "[]");
    assert!(bench.passes(9), "without moat, anything");
    let flows = bench.flows();
    assert!(
        flows.contains("cookie=0x5") && !flows.contains("cookie=0x6d6f"),
        "{flows}"
    );
    let ids = bench
        .switch
        .vsctl(&["get", "bridge", "br0", "external_ids"]);
    assert_eq!(ids.expect("ids").trim(), "{}");
}
