//! Connections on a kernel that tracks them: what is new, known, related, invalid, and in whose zone.
//! Outside the guest the same documents are refused, for this is what `required` asks for.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU32, Ordering};

use frame::{FrameBuilder, MacAddress, TcpFlags};
use testbed::guest::inside_guest;

use super::bench::Bench;
use super::draft::Draft;

/// Two networks on one bridge; in each a client and a server, with the same addresses.
fn draft(rules: &[&str]) -> Draft {
    let rules: Vec<String> = rules.iter().map(|rule| (*rule).to_owned()).collect();
    let mut draft = Draft::default();
    for network in ["one", "two"] {
        draft.add(
            format!("kind: Network\nname: {network}\nbridge: br0\nisolation: members\ngateways: ['02:b0:00:00:00:00']"),
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

const PORTS: [(usize, &str, &str, u8); 4] = [
    (0, "one", "client", 1),
    (1, "one", "server", 2),
    (2, "two", "client", 1),
    (3, "two", "server", 2),
];

/// The bench with the policy in force; `None` where the kernel does not track and the plan is refused.
pub(super) fn start(rules: &[&str]) -> Option<Bench> {
    let mut bench = Bench::new(false);
    let catalog = draft(rules)
        .catalog()
        .unwrap_or_else(|errors| panic!("{errors}"));
    match bench.program(&catalog) {
        Ok(program) => {
            bench
                .install(&program)
                .unwrap_or_else(|why| panic!("{why}"));
            Some(bench)
        }
        Err(refusal) => {
            assert!(!inside_guest(), "the guest tracks connections: {refusal}");
            assert!(refusal.contains("connection-tracking"), "{refusal}");
            None
        }
    }
}

/// A packet between two of the ports, with a number that makes it different from all others.
pub(super) struct Packet {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) ports: (u16, u16),
}

static NUMBER: AtomicU32 = AtomicU32::new(1);

impl Packet {
    fn ip(&self) -> frame::build::PacketBuilder {
        let mac = |port: usize| MacAddress([0x52, 0x54, 0, 0, 0, port as u8 + 1]);
        let address = |port: usize| Ipv4Addr::new(10, 0, 0, PORTS[port].3);
        FrameBuilder::new(mac(self.from), mac(self.to)).ipv4(address(self.from), address(self.to))
    }

    pub(super) fn tcp(&self, flags: TcpFlags) -> Vec<u8> {
        self.ip().tcp(self.ports.0, self.ports.1, flags).build()
    }

    pub(super) fn udp(&self) -> Vec<u8> {
        let number = NUMBER
            .fetch_add(1, Ordering::Relaxed)
            .to_be_bytes()
            .to_vec();
        self.ip()
            .udp(self.ports.0, self.ports.1)
            .payload(number)
            .build()
    }

    pub(super) fn back(&self) -> Self {
        Self {
            from: self.to,
            to: self.from,
            ports: (self.ports.1, self.ports.0),
        }
    }
}

pub(super) fn expect(bench: &mut Bench, packet: &Packet, bytes: &[u8], arrives: bool, what: &str) {
    let heard = bench.heard(packet.from, bytes);
    let listing = |bench: &Bench| {
        if arrives == heard[packet.to].is_empty() {
            bench.listing()
        } else {
            String::new()
        }
    };
    assert_eq!(
        !heard[packet.to].is_empty(),
        arrives,
        "{what}: {}\n{}",
        frame::describe(bytes),
        listing(bench)
    );
    for (port, heard) in heard.iter().enumerate() {
        let expected = port == packet.to && arrives;
        assert!(
            port > 3 || heard.is_empty() || expected || port == packet.from,
            "{what}: vnet{port} heard it"
        );
    }
}

pub(super) const SERVER: &[&str] = &["accept in tcp 80, udp 53"];

#[test]
fn replies_need_no_rule_and_strangers_are_invalid() {
    let Some(mut bench) = start(SERVER) else {
        return;
    };
    let http = Packet {
        from: 0,
        to: 1,
        ports: (40000, 80),
    };
    let syn_ack = TcpFlags::SYN | TcpFlags::ACK;
    expect(
        &mut bench,
        &http.back(),
        &http.back().tcp(syn_ack),
        false,
        "an answer nobody asked for",
    );
    expect(
        &mut bench,
        &http,
        &http.tcp(TcpFlags::SYN),
        true,
        "the handshake begins",
    );
    expect(
        &mut bench,
        &http.back(),
        &http.back().tcp(syn_ack),
        true,
        "the handshake is answered",
    );
    expect(
        &mut bench,
        &http,
        &http.tcp(TcpFlags::ACK),
        true,
        "the handshake ends",
    );
    let forged = Packet {
        from: 0,
        to: 1,
        ports: (40000, 80),
    };
    let mut bytes = forged.tcp(TcpFlags::ACK);
    bytes[29] = 9;
    expect(
        &mut bench,
        &forged,
        &bytes,
        false,
        "guards come before connections",
    );
    let other = Packet {
        from: 0,
        to: 1,
        ports: (40001, 22),
    };
    expect(
        &mut bench,
        &other,
        &other.tcp(TcpFlags::SYN),
        false,
        "no rule allows it",
    );
    let strange = Packet {
        from: 0,
        to: 1,
        ports: (40002, 80),
    };
    expect(
        &mut bench,
        &strange,
        &strange.tcp(syn_ack),
        false,
        "no connection begins like this",
    );
    let dns = Packet {
        from: 0,
        to: 1,
        ports: (40000, 53),
    };
    expect(
        &mut bench,
        &dns.back(),
        &dns.back().udp(),
        false,
        "an answer nobody asked for",
    );
    expect(&mut bench, &dns, &dns.udp(), true, "a question");
    expect(
        &mut bench,
        &dns.back(),
        &dns.back().udp(),
        true,
        "its answer",
    );
    expect(&mut bench, &dns, &dns.udp(), true, "another question");
}

#[test]
fn errors_about_known_connections_are_related() {
    let Some(mut bench) = start(SERVER) else {
        return;
    };
    let dns = Packet {
        from: 0,
        to: 1,
        ports: (40000, 53),
    };
    let error = |about: &[u8]| {
        dns.back()
            .ip()
            .icmp(3, 3, [0; 4])
            .payload(&about[14..42])
            .build()
    };
    let question = dns.udp();
    expect(
        &mut bench,
        &dns.back(),
        &error(&question),
        false,
        "about nothing",
    );
    expect(&mut bench, &dns, &question, true, "a question");
    expect(
        &mut bench,
        &dns.back(),
        &error(&question),
        true,
        "port unreachable",
    );
}

#[test]
fn connections_of_one_network_are_unknown_in_another() {
    let Some(mut bench) = start(SERVER) else {
        return;
    };
    let one = Packet {
        from: 0,
        to: 1,
        ports: (40000, 53),
    };
    let two = Packet {
        from: 2,
        to: 3,
        ports: (40000, 53),
    };
    expect(
        &mut bench,
        &one,
        &one.udp(),
        true,
        "a question in one network",
    );
    expect(
        &mut bench,
        &two.back(),
        &two.back().udp(),
        false,
        "its answer in the other, same addresses",
    );
    expect(
        &mut bench,
        &one.back(),
        &one.back().udp(),
        true,
        "its answer",
    );
    expect(
        &mut bench,
        &two,
        &two.udp(),
        true,
        "a question in the other",
    );
    expect(
        &mut bench,
        &two.back(),
        &two.back().udp(),
        true,
        "its answer",
    );
}

#[test]
fn fragments_are_judged_as_the_packet_they_make() {
    let Some(mut bench) = start(SERVER) else {
        return;
    };
    for (port, arrives) in [(53, 3), (54, 0)] {
        let packet = Packet {
            from: 0,
            to: 1,
            ports: (40100, port),
        };
        let whole = packet.ip().udp(40100, port).payload(vec![7; 2000]).build();
        let pieces = frame::fragment(&whole, 800);
        assert!(pieces.len() >= 3, "{}", pieces.len());
        let mut heard = 0;
        for piece in &pieces {
            heard += bench.heard(0, piece)[1].len();
        }
        assert!(
            (heard > 0) == (arrives > 0),
            "{heard} pieces arrive for port {port}"
        );
    }
}

#[test]
fn who_is_rejected_is_told() {
    let Some(mut bench) = start(SERVER) else {
        return;
    };
    let smtp = Packet {
        from: 0,
        to: 1,
        ports: (40000, 25),
    };
    let heard = bench.heard(0, &smtp.tcp(TcpFlags::SYN));
    assert!(heard[1].is_empty());
    let listing = bench.listing();
    let [reset] = heard[0].as_slice() else {
        panic!("one reset, not {heard:?}\n{listing}")
    };
    assert!(
        frame::describe(reset).contains("rst"),
        "{}",
        frame::describe(reset)
    );
    let heard = bench.heard(0, &smtp.udp());
    let [told] = heard[0].as_slice() else {
        panic!("one message, not {heard:?}")
    };
    assert_eq!(
        (told[23], told[34], told[35]),
        (1, 3, 13),
        "administratively prohibited"
    );
}

#[test]
fn a_machine_and_its_host_talk_statefully_both_ways() {
    let Some(mut bench) = start(&["accept in tcp 80", "accept out udp 53 to 10.0.0.100"]) else {
        return;
    };
    let bridge = bench.switch.bridges()[0].index;
    let address = "10.0.0.100".parse().expect("an address");
    bench
        .switch
        .links()
        .add_address(bridge, address, 24)
        .expect("an address");
    let machine = MacAddress([0x52, 0x54, 0, 0, 0, 2]);
    let host = MacAddress([0x02, 0xb0, 0, 0, 0, 0]);
    let link =
        || FrameBuilder::new(machine, host).ipv4([10, 0, 0, 2].into(), [10, 0, 0, 100].into());
    bench.switch.namespace().run(|| {
        // The host knows where the machine is, so that no question for it is in the way.
        let status = std::process::Command::new("ip")
            .args([
                "neigh",
                "replace",
                "10.0.0.2",
                "lladdr",
                "52:54:00:00:00:02",
                "dev",
                "br0",
            ])
            .status();
        assert!(status.expect("ip runs").success());
    });
    let server = bench
        .switch
        .namespace()
        .run(|| std::net::UdpSocket::bind("10.0.0.100:53").expect("a server"));
    server.set_nonblocking(true).expect("set");
    let question = link().udp(5000, 53).payload(*b"question").build();
    bench.heard(1, &question);
    let mut buffer = [0; 64];
    let (length, from) = server.recv_from(&mut buffer).expect("the question arrives");
    assert_eq!(&buffer[..length], b"question");
    server.send_to(b"answer", from).expect("sent");
    let heard = bench.drained(1);
    assert_eq!(
        heard.len(),
        1,
        "its answer needs no rule\n{}",
        bench.listing()
    );
    // A port that no rule names is closed to the machine.
    let other = bench
        .switch
        .namespace()
        .run(|| std::net::UdpSocket::bind("10.0.0.100:54").expect("a server"));
    other.set_nonblocking(true).expect("set");
    bench.heard(1, &link().udp(5000, 54).payload(*b"question").build());
    assert!(
        other.recv_from(&mut buffer).is_err(),
        "the host is protected"
    );
    // The host may open a connection to a port that a rule names, and to no other.
    let mut connect = |port: u16| {
        let socket = bench
            .switch
            .namespace()
            .run(|| std::net::UdpSocket::bind("10.0.0.100:0").expect("a client"));
        drop(socket);
        let timeout = std::time::Duration::from_millis(50);
        let to = std::net::SocketAddr::from(([10, 0, 0, 2], port));
        let tried = bench
            .switch
            .namespace()
            .run(|| std::net::TcpStream::connect_timeout(&to, timeout));
        assert!(tried.is_err(), "nobody answers");
        bench
            .drained(1)
            .iter()
            .filter(|frame| frame::describe(frame).contains("tcp"))
            .count()
    };
    assert!(connect(80) > 0);
    assert_eq!(connect(22), 0);
}
