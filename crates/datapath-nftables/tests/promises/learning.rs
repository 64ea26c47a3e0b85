//! Learned addresses, with real frames: what each mode reports, that ports that do not learn report
//! nothing, and what an address that was learned costs.

use std::time::Duration;

use ::datapath::{Datapath, resolve};
use datapath_nftables::{LearningFeed, NftablesDatapath, Report, ReportedFrame, Session};
use frame::{FrameSpec, MacAddress};
use learning::{Event, Facts, Learner, Mode, Moment, Refused, Rules};
use policy::Incremental;
use policy::language::{Source, load};
use policy::program::Direction;

use super::host::{Host, port, surroundings};

/// `vnet0` learns as said, `vnet1` does not, `vnet2` is whoever they talk to.
fn documents(learn: &str) -> String {
    let profile = |name: &str, learn: &str| {
        format!(
            "---\nkind: Profile\nname: {name}\nstateful: off\nguards: [mac, ipv4, ipv6, arp, nd]\n\
             default: {{in: accept, out: accept}}\nlearn: {learn}\n"
        )
    };
    let nobody =
        "---\nkind: Profile\nname: peer\nstateful: off\ndefault: {in: accept, out: accept}\n";
    let unknown = |number: u32, name: &str| {
        let port = port(number, name);
        let addresses = port.lines().find(|line| line.starts_with("addresses"));
        port.replace(addresses.expect("a line"), "addresses: []")
    };
    [
        surroundings("managed: true"),
        profile("learns", learn),
        profile("fixed", "none"),
        nobody.to_owned(),
        unknown(0, "learns"),
        unknown(1, "fixed"),
        unknown(2, "peer"),
    ]
    .concat()
}

struct Scene {
    host: Host,
    feed: LearningFeed,
}

impl Scene {
    fn new(learn: &str) -> Self {
        Self::of(&documents(learn))
    }

    fn of(documents: &str) -> Self {
        let mut host = Host::new(3);
        host.apply(documents);
        let feed = host
            .switch
            .namespace()
            .run(|| LearningFeed::open().expect("a feed"));
        Self { host, feed }
    }

    fn mac(&self, port: usize) -> MacAddress {
        MacAddress(self.host.ports[port].mac)
    }

    /// The bytes of a frame from one port to all.
    fn frame(&self, from: usize, spec: &str) -> Vec<u8> {
        let spec: FrameSpec = spec
            .parse()
            .unwrap_or_else(|error| panic!("{spec}: {error}"));
        spec.to_frame(self.mac(from), MacAddress([0xff; 6]))
    }

    fn send(&self, from: usize, bytes: &[u8]) {
        let port = self.host.ports[from].open().expect("a raw port");
        port.send(bytes).expect("sent");
        self.host.switch.settle().expect("settled");
    }

    /// Everything that was reported so far.
    fn reports(&mut self) -> Vec<ReportedFrame> {
        let mut reports = Vec::new();
        while let Some(report) = self
            .feed
            .next_report(Duration::from_millis(200))
            .expect("a feed")
        {
            match report {
                Report::Frame(frame) => reports.push(frame),
                Report::Lost => panic!("reports are missing"),
            }
        }
        reports
    }

    /// Which of the frames that a port sends are reported of which ports, as (port, direction).
    fn taught(&mut self, from: usize, bytes: &[u8]) -> Vec<(usize, Direction)> {
        self.send(from, bytes);
        let reports = self.reports();
        let ports = &self.host.ports;
        let whose = |report: &ReportedFrame| {
            let number = ports.iter().position(|port| port.index == report.ifindex);
            assert!(
                report.bytes.starts_with(&bytes[..14]) && bytes.starts_with(&report.bytes),
                "{report:?}"
            );
            (number.expect("one of the ports"), report.direction)
        };
        reports.iter().map(whose).collect()
    }
}

const USES: [&str; 5] = [
    "tcp 10.0.0.77:1 > 10.0.0.9:80",
    "arp request 10.0.0.77 > 10.0.0.9",
    "arp request 0.0.0.0 > 10.0.0.77",
    "udp [2001:db8::77]:1 > [2001:db8::9]:53",
    "ns :: target 2001:db8::77",
];

#[test]
fn first_use_is_reported_and_what_is_known_is_not() {
    let mut scene = Scene::new("first-packet");
    for spec in USES {
        let frame = scene.frame(0, spec);
        assert_eq!(scene.taught(0, &frame), [(0, Direction::Out)], "{spec}");
        let frame = scene.frame(1, spec);
        assert_eq!(
            scene.taught(1, &frame),
            [],
            "{spec} of a port that does not learn"
        );
        let frame = scene.frame(2, spec);
        assert_eq!(
            scene.taught(2, &frame),
            [],
            "{spec} towards a port that learns"
        );
    }
    // Nothing to learn from: its own link-local address, another's MAC, a client without address.
    for spec in [
        "udp [fe80::5054:ff:fe00:1]:1 > [ff02::1]:53",
        "dhcp discover",
        "tcp 10.0.0.77:1 > 10.0.0.9:80 mac 02:00:00:00:00:99 > ff:ff:ff:ff:ff:ff",
    ] {
        let frame = scene.frame(0, spec);
        assert_eq!(scene.taught(0, &frame), [], "{spec}");
    }
}

#[test]
fn a_long_packet_is_cut_and_still_tells() {
    let mut scene = Scene::new("first-packet");
    let long = frame::FrameBuilder::new(scene.mac(0), MacAddress([0xff; 6]))
        .ipv4([10, 0, 0, 77].into(), [10, 0, 0, 9].into())
        .udp(1, 2)
        .payload(vec![7; 1200])
        .build();
    scene.send(0, &long);
    let reports = scene.reports();
    let [report] = reports.as_slice() else {
        panic!("{reports:?}")
    };
    assert_eq!(report.bytes.len(), 14 + 128);
    let told = learning::evidence::evidence(scene.mac(0), learning::Direction::Out, &report.bytes);
    let used = learning::Evidence::Uses([10, 0, 0, 77].into());
    assert_eq!(told, Some(used));
}

#[test]
fn leases_are_reported_from_both_sides_and_to_their_client_alone() {
    let mut scene = Scene::new("dhcp");
    for spec in ["dhcp discover", "dhcp request", "dhcpv6 solicit"] {
        let frame = scene.frame(0, spec);
        assert_eq!(scene.taught(0, &frame), [(0, Direction::Out)], "{spec}");
        let frame = scene.frame(1, spec);
        assert_eq!(
            scene.taught(1, &frame),
            [],
            "{spec} of a port that does not learn"
        );
    }
    let to = |client: MacAddress| {
        frame::FrameBuilder::new(scene.mac(2), MacAddress([0xff; 6]))
            .ipv4([10, 0, 0, 3].into(), [255; 4].into())
            .dhcp(5, client, [10, 0, 0, 77].into())
            .build()
    };
    let (own, other) = (to(scene.mac(0)), to(scene.mac(1)));
    assert_eq!(scene.taught(2, &own), [(0, Direction::In)]);
    assert_eq!(scene.taught(2, &other), []);
    let answer = frame::FrameBuilder::new(scene.mac(2), scene.mac(0))
        .ipv6(
            "fe80::1".parse().expect("an address"),
            "fe80::2".parse().expect("an address"),
        )
        .dhcpv6(7, scene.mac(0))
        .build();
    assert_eq!(scene.taught(2, &answer), [(0, Direction::In)]);
    // What it uses without a lease is refused and tells nothing, its link-local address aside.
    for spec in &USES[..4] {
        let frame = scene.frame(0, spec);
        assert_eq!(scene.taught(0, &frame), [], "{spec}");
    }
    for spec in ["ns :: target fe80::77", "rs fe80::77"] {
        let frame = scene.frame(0, spec);
        assert_eq!(scene.taught(0, &frame), [(0, Direction::Out)], "{spec}");
    }
}

#[test]
fn answers_of_servers_that_are_not_listed_arrive_nowhere() {
    let mut scene = Scene::new("{mode: dhcp, servers: [10.0.0.1]}");
    for (server, arrives) in [(1, true), (3, false)] {
        let answer = frame::FrameBuilder::new(scene.mac(2), MacAddress([0xff; 6]))
            .ipv4([10, 0, 0, server].into(), [255; 4].into())
            .dhcp(5, scene.mac(0), [10, 0, 0, 77].into())
            .build();
        assert_eq!(scene.host.deliver(2, 0, &answer, 1), usize::from(arrives));
        assert_eq!(scene.reports().len(), usize::from(arrives));
        assert_eq!(
            scene.host.deliver(2, 1, &answer, 1),
            1,
            "others are not asked"
        );
        scene.reports();
    }
    assert_eq!(scene.host.counters().rules["dhcp-server"].frames, 1 + 1);
}

#[test]
fn with_any_address_the_port_is_sampled_and_nothing_is_refused() {
    let mut scene = Scene::new("any");
    let packet = scene.frame(0, "tcp 10.0.0.77:1 > 10.0.0.9:80");
    assert_eq!(scene.host.deliver(0, 2, &packet, 20), 20);
    let reports = scene.reports().len();
    assert!((1..20).contains(&reports), "{reports} of 20 reported");
}

#[test]
fn a_flood_is_reported_no_faster_than_the_port_may() {
    let mut scene = Scene::new("first-packet");
    let sender = scene.host.ports[0].open().expect("a raw port");
    for number in 0..2_000_u32 {
        let [_, _, a, b] = number.to_be_bytes();
        let spec = format!("arp request 10.7.{a}.{b} > 10.0.0.9");
        sender.send(&scene.frame(0, &spec)).expect("sent");
    }
    scene.host.switch.settle().expect("settled");
    let reports = scene.reports().len();
    assert!((20..200).contains(&reports), "{reports} of 2000 reported");
}

/// From the first frame to the frame that passes, with nothing declared.
#[test]
fn an_address_is_learned_and_then_passes() {
    // The neighbour learns as well.
    let text = documents("first-packet").replace("profiles: [fixed]", "profiles: [learns]");
    let mut scene = Scene::of(&text);
    let catalog = load(&[Source::new("test.yaml", text.as_str())]).expect("documents");
    let mut session = scene.host.switch.namespace().run(|| {
        let mut session = Session::new(NftablesDatapath::open().expect("netlink"));
        session.datapath().capabilities().expect("capabilities");
        session
    });
    let observed = scene
        .host
        .switch
        .namespace()
        .run(|| inventory::observe().expect("interfaces"));
    let mut incremental = Incremental::new(catalog, None, observed);
    let mut apply = |incremental: &mut Incremental| {
        let program = incremental.compile().expect("a program").clone();
        let capabilities = session.datapath().capabilities().expect("capabilities");
        let program = resolve(&program, &capabilities).expect("met").program;
        session.apply(program).expect("applied")
    };
    apply(&mut incremental);
    let mut learner = Learner::new();
    let now = Moment::seconds(1);
    for number in 0..2 {
        let facts = Facts {
            mac: scene.mac(number),
            network: "lan".to_owned(),
            declared: Vec::new(),
            rules: Rules {
                mode: Mode::FirstPacket,
                ipv4: 1,
                ipv6: 4,
                ..Rules::default()
            },
        };
        learner.admit(&format!("port-{number}"), facts, now);
    }

    let packet = scene.frame(0, "tcp 10.0.0.77:1 > 10.0.0.9:80");
    assert_eq!(
        scene.host.deliver(0, 2, &packet, 1),
        0,
        "refused before it is learned"
    );
    for report in scene.reports() {
        assert_eq!(report.direction, Direction::Out);
        learner.observe("port-0", learning::Direction::Out, &report.bytes, now);
    }
    incremental.learn("port-0", learner.addresses("port-0"));
    let applied = apply(&mut incremental);
    assert_eq!(
        (applied.cost.elements, applied.cost.rules),
        (2, 0),
        "{applied:?}"
    );
    assert_eq!(scene.host.deliver(0, 2, &packet, 1), 1, "its own now");
    let other = scene.frame(0, "tcp 10.0.0.78:1 > 10.0.0.9:80");
    assert_eq!(scene.host.deliver(0, 2, &other, 1), 0, "another is not");

    // The neighbour tries to take it.
    let theft = scene.frame(1, "arp reply 10.0.0.77 > 10.0.0.9");
    assert_eq!(scene.host.deliver(1, 2, &theft, 1), 0);
    let mut events = Vec::new();
    for report in scene.reports() {
        if report.ifindex == scene.host.ports[1].index {
            let out = learning::Direction::Out;
            events.extend(learner.observe("port-1", out, &report.bytes, now));
        }
    }
    let why = Refused::Conflict {
        with: "port-0".to_owned(),
    };
    assert!(
        matches!(events.as_slice(), [Event::Refused { why: told, .. }] if *told == why),
        "{events:?}"
    );
    incremental.learn("port-1", learner.addresses("port-1"));
    assert_eq!(apply(&mut incremental).commits, 0);
    assert_eq!(
        scene.host.deliver(1, 2, &theft, 1),
        0,
        "it stays whose it is"
    );
}

const PORTS: u32 = 1000;

#[test]
fn one_learned_address_beside_a_thousand_ports_costs_its_own_elements() {
    let host = Host::new(PORTS);
    let mut text = format!(
        "{}---\nkind: Profile\nname: web\nstateful: off\nguards: [mac, ipv4, ipv6, arp, nd]\nlearn: {{mode: dhcp, limit: 2}}\nrules:\n  - accept in tcp 443\n",
        surroundings("managed: true")
    );
    for number in 0..PORTS {
        text.push_str(&port(number, "web"));
    }
    let catalog = load(&[Source::new("test.yaml", text.as_str())]).expect("documents");
    host.switch.namespace().run(|| {
        let mut session = Session::new(NftablesDatapath::open().expect("netlink"));
        let capabilities = session.datapath().capabilities().expect("capabilities");
        let observed = inventory::observe().expect("interfaces");
        let mut incremental = Incremental::new(catalog, None, observed);
        let mut apply = |incremental: &mut Incremental| {
            let program = incremental.compile().expect("a program").clone();
            let program = resolve(&program, &capabilities).expect("met").program;
            session.apply(program).expect("applied")
        };
        let first = apply(&mut incremental);
        println!("{PORTS} ports that learn: {:?}", first.cost);
        for (what, addresses) in [
            ("learned", vec!["10.7.0.77/32"]),
            ("changed", vec!["10.7.0.79/32"]),
            (
                "joined by its neighbour",
                vec!["10.7.0.79/32", "10.7.0.80/32"],
            ),
            ("left by its neighbour", vec!["10.7.0.79/32"]),
            ("expired", vec![]),
        ] {
            let addresses = addresses.iter().map(|a| a.parse().expect("a prefix"));
            incremental.learn("port-500", addresses.collect());
            let applied = apply(&mut incremental);
            println!(
                "one address {what} beside {PORTS} ports: {:?}",
                applied.cost
            );
            let elements = if what == "changed" { 4 } else { 2 };
            assert_eq!(
                (applied.cost.elements, applied.cost.rules),
                (elements, 0),
                "{what}"
            );
            assert_eq!((applied.reads, applied.commits), (0, 1), "{what}");
        }
    });
}
