//! Connections: what is new, known, related, invalid, and in whose zone.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU32, Ordering};

use frame::{FrameBuilder, MacAddress, TcpFlags};

use super::bench::Bench;
use super::draft::Draft;
use super::generate::Tracking;

/// Number, network, profile, last byte of the address.
const PORTS: [(usize, &str, &str, u8); 4] = [
    (0, "one", "client", 1),
    (1, "one", "server", 2),
    (2, "two", "client", 1),
    (3, "two", "server", 2),
];

/// Two networks on one bridge; in each a client and a server, with the same addresses.
fn draft(rules: &[&str]) -> Draft {
    let rules: Vec<String> = rules.iter().map(|rule| (*rule).to_owned()).collect();
    let mut draft = Draft::default();
    for network in ["one", "two"] {
        draft.add(
            format!("kind: Network\nname: {network}\nbridge: br0\nisolation: members\ngateways: ['02:bb:00:00:00:02']"),
            Vec::new(),
        );
    }
    draft.add(
        "kind: Profile\nname: server\nguards: [mac, ipv4]\ndefault: {in: drop, out: drop}\nreject: preferred",
        vec![("rules", rules)],
    );
    draft.add(
        "kind: Profile\nname: client\nguards: [mac, ipv4]\ndefault: {in: drop, out: accept}\nreject: preferred",
        vec![("rules", vec!["reject out tcp 25, udp 25".to_owned()])],
    );
    for (number, network, profile, address) in PORTS {
        let mac = number + 1;
        draft.add(
            format!(
                "kind: Port\nname: port-{number}\ndevice: vnet{number}\nmac: '52:54:00:00:00:0{mac}'\n\
                 addresses: [10.0.0.{address}]\nnetwork: {network}\nprofiles: [{profile}]"
            ),
            Vec::new(),
        );
    }
    draft
}

/// The bench with the policy in force.
fn start(rules: &[&str]) -> Bench {
    let mut bench = Bench::new(Tracking::Present);
    install(&mut bench, rules);
    bench
}

fn install(bench: &mut Bench, rules: &[&str]) {
    let catalog = draft(rules)
        .catalog()
        .unwrap_or_else(|errors| panic!("{errors}"));
    let program = bench
        .program(&catalog)
        .unwrap_or_else(|why| panic!("{why}"));
    bench
        .install(&program)
        .unwrap_or_else(|why| panic!("{why}"));
}

/// A packet between two of the ports.
#[derive(Clone, Copy)]
struct Packet {
    from: usize,
    to: usize,
    ports: (u16, u16),
}

static NUMBER: AtomicU32 = AtomicU32::new(1);

impl Packet {
    fn ip(&self) -> frame::build::PacketBuilder {
        let mac = |port: usize| MacAddress([0x52, 0x54, 0, 0, 0, port as u8 + 1]);
        let address = |port: usize| Ipv4Addr::new(10, 0, 0, PORTS[port].3);
        FrameBuilder::new(mac(self.from), mac(self.to)).ipv4(address(self.from), address(self.to))
    }

    fn tcp(&self, flags: TcpFlags) -> Vec<u8> {
        self.ip().tcp(self.ports.0, self.ports.1, flags).build()
    }

    fn udp(&self) -> Vec<u8> {
        let number = NUMBER
            .fetch_add(1, Ordering::Relaxed)
            .to_be_bytes()
            .to_vec();
        self.ip()
            .udp(self.ports.0, self.ports.1)
            .payload(number)
            .build()
    }

    fn back(&self) -> Self {
        Self {
            from: self.to,
            to: self.from,
            ports: (self.ports.1, self.ports.0),
        }
    }
}

fn expect(bench: &mut Bench, packet: Packet, bytes: &[u8], arrives: bool, what: &str) {
    let heard = bench.exchange(packet.from, bytes);
    for (port, heard) in heard.iter().enumerate() {
        let expected = usize::from(port == packet.to && arrives);
        assert!(
            heard.len() == expected,
            "{what}: vnet{port} heard {}: {}\n{}",
            heard.len(),
            frame::describe(bytes),
            bench.trace(packet.from, bytes),
        );
    }
}

const SERVER: &[&str] = &["accept in tcp 80, udp 53"];
const DNS: Packet = Packet {
    from: 0,
    to: 1,
    ports: (40000, 53),
};
const HTTP: Packet = Packet {
    from: 0,
    to: 1,
    ports: (40000, 80),
};

#[test]
fn replies_need_no_rule_and_strangers_are_invalid() {
    let mut bench = start(SERVER);
    let bench = &mut bench;
    let syn_ack = TcpFlags::SYN | TcpFlags::ACK;
    let back = HTTP.back();
    expect(
        bench,
        back,
        &back.tcp(syn_ack),
        false,
        "an answer nobody asked for",
    );
    expect(
        bench,
        HTTP,
        &HTTP.tcp(TcpFlags::SYN),
        true,
        "the handshake begins",
    );
    expect(
        bench,
        back,
        &back.tcp(syn_ack),
        true,
        "the handshake is answered",
    );
    expect(
        bench,
        HTTP,
        &HTTP.tcp(TcpFlags::ACK),
        true,
        "the handshake ends",
    );
    let mut bytes = HTTP.tcp(TcpFlags::ACK);
    bytes[29] = 9;
    expect(bench, HTTP, &bytes, false, "guards come before connections");
    let other = Packet {
        from: 0,
        to: 1,
        ports: (40001, 22),
    };
    expect(
        bench,
        other,
        &other.tcp(TcpFlags::SYN),
        false,
        "no rule allows it",
    );
    expect(
        bench,
        other,
        &other.tcp(TcpFlags::SYN),
        false,
        "a refused frame makes nothing known",
    );
    let strange = Packet {
        from: 0,
        to: 1,
        ports: (40002, 80),
    };
    expect(
        bench,
        strange,
        &strange.tcp(syn_ack),
        false,
        "no connection begins like this",
    );
    expect(
        bench,
        DNS.back(),
        &DNS.back().udp(),
        false,
        "an answer nobody asked for",
    );
    expect(bench, DNS, &DNS.udp(), true, "a question");
    expect(bench, DNS.back(), &DNS.back().udp(), true, "its answer");
    expect(bench, DNS, &DNS.udp(), true, "another question");
}

#[test]
fn errors_about_known_connections_are_related() {
    let mut bench = start(SERVER);
    let bench = &mut bench;
    let error = |about: &[u8]| {
        DNS.back()
            .ip()
            .icmp(3, 3, [0; 4])
            .payload(&about[14..])
            .build()
    };
    let question = DNS.udp();
    expect(bench, DNS.back(), &error(&question), false, "about nothing");
    expect(bench, DNS, &question, true, "a question");
    expect(
        bench,
        DNS.back(),
        &error(&question),
        true,
        "port unreachable",
    );
}

#[test]
fn connections_of_one_network_are_unknown_in_another() {
    let mut bench = start(SERVER);
    let bench = &mut bench;
    let two = Packet {
        from: 2,
        to: 3,
        ports: (40000, 53),
    };
    expect(bench, DNS, &DNS.udp(), true, "a question in one network");
    expect(
        bench,
        two.back(),
        &two.back().udp(),
        false,
        "its answer in the other, same addresses",
    );
    expect(bench, DNS.back(), &DNS.back().udp(), true, "its answer");
    expect(bench, two, &two.udp(), true, "a question in the other");
    expect(bench, two.back(), &two.back().udp(), true, "its answer");
}

#[test]
fn frames_to_groups_make_nothing_known() {
    let mut bench = start(&["accept in udp 53"]);
    let bytes = FrameBuilder::new(MacAddress([0x52, 0x54, 0, 0, 0, 1]), MacAddress::BROADCAST)
        .ipv4([10, 0, 0, 1].into(), [10, 0, 0, 2].into())
        .udp(40000, 53)
        .payload(*b"everybody")
        .build();
    let heard = bench.exchange(0, &bytes);
    assert_eq!(heard[1].len(), 1, "{}", bench.trace(0, &bytes));
    expect(
        &mut bench,
        DNS.back(),
        &DNS.back().udp(),
        false,
        "an answer to what was said to everybody",
    );
}

#[test]
fn a_withdrawn_permission_cuts_connections_and_no_others() {
    let mut bench = start(&["accept in udp 53, udp 54"]);
    let bench = &mut bench;
    let other = Packet {
        from: 0,
        to: 1,
        ports: (40000, 54),
    };
    for packet in [DNS, other] {
        expect(bench, packet, &packet.udp(), true, "a question");
        expect(
            bench,
            packet.back(),
            &packet.back().udp(),
            true,
            "its answer",
        );
    }
    install(bench, &["accept in udp 54", "accept in tcp 80"]);
    expect(
        bench,
        other.back(),
        &other.back().udp(),
        true,
        "an answer of a connection that is still allowed",
    );
    expect(
        bench,
        other,
        &other.udp(),
        true,
        "a question that is still allowed",
    );
    expect(bench, other.back(), &other.back().udp(), true, "its answer");
    expect(
        bench,
        DNS,
        &DNS.udp(),
        false,
        "a question that is no longer allowed",
    );
    expect(
        bench,
        DNS.back(),
        &DNS.back().udp(),
        false,
        "an answer of a connection that was cut",
    );
    expect(bench, DNS, &DNS.udp(), false, "it stays cut");
    install(bench, &["accept in udp 54", "accept in udp 53"]);
    expect(bench, DNS, &DNS.udp(), true, "allowed again");
    expect(bench, DNS.back(), &DNS.back().udp(), true, "its answer");
    expect(
        bench,
        other.back(),
        &other.back().udp(),
        true,
        "nothing happened to the other",
    );
}

#[test]
fn a_member_that_leaves_a_group_loses_its_connections() {
    let with = |members: &str| {
        let mut draft = draft(&["accept in udp 53 from @friends"]);
        draft.add(
            format!("kind: Group\nname: friends\nmembers: [{members}]"),
            Vec::new(),
        );
        draft
    };
    let bench = &mut Bench::new(Tracking::Present);
    for (members, arrives) in [
        ("10.0.0.1, 10.0.0.7", true),
        ("10.0.0.7", false),
        ("10.0.0.0/28", true),
    ] {
        let catalog = with(members)
            .catalog()
            .unwrap_or_else(|errors| panic!("{errors}"));
        let program = bench
            .program(&catalog)
            .unwrap_or_else(|why| panic!("{why}"));
        bench
            .install(&program)
            .unwrap_or_else(|why| panic!("{why}"));
        expect(bench, DNS, &DNS.udp(), arrives, members);
        expect(bench, DNS.back(), &DNS.back().udp(), arrives, members);
    }
}
