//! Fuzz targets: what must hold for any bytes whatever. Each is a function of its input that
//! panics where something does not hold, so that coverage-guided fuzzing (`cargo-fuzz/`), the
//! replay of the corpus and the short run of `make test` are the same targets.

mod connections;
mod flows;

use std::time::Duration;

use policy::language::{Source, load, parse_rule};
use policy::observation::{Observation, ObservedBridge, ObservedInterface};
use policy::program::{ConnectionState, Direction};

pub use connections::connections;
pub use flows::{flow_texts, flows};

/// A target by name, as the corpus folders are called.
pub type Target = fn(&[u8]);

/// Every target.
pub const TARGETS: &[(&str, Target)] = &[
    ("documents", documents),
    ("rules", rules),
    ("frames", frames),
    ("netlink", netlink),
    ("specs", specs),
    ("libvirt", libvirt_socket),
    ("libvirt-xml", libvirt_xml),
    ("leases", leases),
    ("ovsdb", ovsdb_socket),
    ("flows", flows),
    ("flow-texts", flow_texts),
    ("connections", connections),
];

/// Any text is read or refused with a place in it; what is read compiles and evaluates.
pub fn documents(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    match load(&[Source::new("fuzz.yaml", text.as_ref())]) {
        Err(diagnostics) => {
            assert!(
                !diagnostics.render(false, 80).is_empty(),
                "a refusal says why"
            );
        }
        Ok(catalog) => {
            let observed = devices_of(&catalog);
            for host in catalog
                .hosts
                .keys()
                .map(|name| Some(name.as_str()))
                .chain([None])
            {
                let Ok(program) = policy::compile(&catalog, host, &observed) else {
                    continue;
                };
                for port in program.ports.keys() {
                    for direction in [Direction::In, Direction::Out] {
                        for frame in sample_frames() {
                            let state = ConnectionState::New;
                            let evaluation =
                                policy::evaluate(&program, port, direction, &frame, state);
                            assert!(!evaluation.steps.is_empty(), "a verdict has reasons");
                        }
                    }
                }
            }
        }
    }
}

/// Any text is a rule or is refused; a rule's canonical line means the same rule.
pub fn rules(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    if let Ok(rule) = parse_rule(&text) {
        let line = rule.to_string();
        let again = parse_rule(&line);
        assert!(
            again.as_ref() == Ok(&rule),
            "`{text}` became `{line}`, which reads otherwise"
        );
    }
}

/// Any bytes are a frame or none; one that is can be told in a line.
pub fn frames(input: &[u8]) {
    assert!(
        !frame::describe(input).contains('\n'),
        "a description is one line"
    );
    if let Ok(frame) = frame::Frame::parse(input) {
        let transport = frame
            .transport()
            .map(|transport| transport.nd_options().count());
        assert!(transport.is_none_or(|options| options <= input.len()));
    }
}

/// Any datagram is read as something, from nf_tables and from its log.
pub fn netlink(input: &[u8]) {
    let _ = nftables::Monitor::read_datagram(input);
    for packet in nftables::nflog::Listener::read_datagram(input) {
        let _ = packet.frame();
    }
}

/// Any frames from and to a port, one after the other, leave the learner within its bounds.
pub fn leases(input: &[u8]) {
    use learning::{Direction, Facts, Learner, Mode, Moment, Rules, dhcp4, dhcp6};
    let _ = dhcp4::Message::read(input);
    if let Some(message) = dhcp6::Message::read(input) {
        assert!(message.addresses.len() <= dhcp6::MOST_ADDRESSES);
    }
    for mode in [Mode::FirstPacket, Mode::Dhcp, Mode::Any] {
        let mut learner = Learner::new();
        let facts = Facts {
            mac: frame::MacAddress([0x52, 0x54, 0, 0, 0, 1]),
            rules: Rules {
                mode,
                ipv4: 1,
                ipv6: 2,
                ..Rules::default()
            },
            ..Facts::default()
        };
        learner.admit("a", facts, Moment::seconds(0));
        // A frame begins with its length in two bytes and the way it goes in one.
        let mut rest = input;
        let mut second = 0;
        while let Some((&[high, low, way], after)) = rest.split_first_chunk::<3>() {
            let length = usize::from(u16::from_be_bytes([high, low])).min(after.len());
            let (frame, after) = after.split_at(length);
            rest = after;
            second += 1;
            let direction = match way & 1 {
                0 => Direction::Out,
                _ => Direction::In,
            };
            let before = learner.work();
            learner.observe("a", direction, frame, Moment::seconds(second));
            assert!(learner.work() - before < 1_000, "a frame costs little");
            assert!(learner.held("a").count() <= 4, "no more than is allowed");
        }
    }
}

/// Any text describes a frame or is refused; a frame's description describes that frame.
pub fn specs(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    if let Ok(spec) = text.parse::<frame::FrameSpec>() {
        let line = spec.to_string();
        let again: Result<frame::FrameSpec, _> = line.parse();
        assert!(
            again.as_ref().is_ok_and(|again| *again == spec),
            "`{text}` became `{line}`"
        );
        let one = frame::MacAddress([2, 0, 0, 0, 0, 1]);
        let _ = spec.to_frame(one, one);
    }
}

/// Any bytes from libvirt's socket are read or refused, and cutting them elsewhere changes nothing.
pub fn libvirt_socket(input: &[u8]) {
    use libvirt::machine::Machine;
    let (cut, bytes) = input.split_first().unwrap_or((&0, &[]));
    let run = |cut: usize| {
        let mut machine = Machine::new(Duration::ZERO);
        for procedure in [273, 14, 404] {
            let called = machine.call(procedure, &[]);
            assert!(called.is_ok(), "a short call");
        }
        let mut arrivals = Vec::new();
        for part in bytes.chunks(cut.max(1)) {
            match machine.receive(part, Duration::ZERO) {
                Ok(arrived) => arrivals.extend(arrived),
                Err(_) => return None,
            }
        }
        Some((arrivals, machine.take_outgoing()))
    };
    let whole = run(bytes.len());
    assert_eq!(run(usize::from(*cut)), whole, "a cut changes what is read");
    let mut decoder = libvirt::xdr::Decoder::new(bytes);
    let _ = <libvirt::call::ListNetworkPorts as libvirt::call::Call>::decode(&mut decoder);
}

/// Any text is libvirt's XML or refused with a place in it; what is read becomes claims.
pub fn libvirt_xml(input: &[u8]) {
    use libvirt::xml::{FilterBinding, NetworkPort, XmlError};
    let text = String::from_utf8_lossy(input);
    let told = |error: Option<XmlError>| {
        if let Some(error) = error {
            assert!(error.position.line >= 1, "a refusal has a place");
        }
    };
    told(NetworkPort::parse(&text).err());
    told(FilterBinding::parse(&text).err());
    let mut libvirt = import::libvirt::Libvirt::default();
    for driver in ["network", "qemu"] {
        let arguments = [driver, "web-1", "start", "begin", "-"].map(str::to_owned);
        if let Err(error) = libvirt.hook(&arguments, &text) {
            assert!(!error.to_string().is_empty(), "a refusal says why");
        }
    }
}

/// A host on which every device that the documents name exists.
fn devices_of(catalog: &policy::Catalog) -> Observation {
    let mut observed = Observation::default();
    for (index, network) in (1_000..).zip(catalog.networks.values()) {
        let bridge = ObservedBridge {
            ifindex: index,
            vlan_filtering: true,
            ..Default::default()
        };
        observed.bridges.insert(network.bridge.clone(), bridge);
    }
    for (index, port) in (1..).zip(catalog.ports.values()) {
        let network = catalog.networks.get(&port.network);
        if let (Some(device), Some(network)) = (&port.device, network) {
            let interface = ObservedInterface {
                ifindex: index,
                bridge: network.bridge.clone(),
                pvid: network.vlan,
                ..Default::default()
            };
            observed.interfaces.insert(device.clone(), interface);
        }
    }
    observed
}

fn sample_frames() -> Vec<Vec<u8>> {
    let mut random = frame::random::Rng::new(7);
    let vocabulary = frame::random::Vocabulary::default();
    (0..3)
        .map(|_| frame::random::random_frame(&mut random, &vocabulary))
        .collect()
}

/// Whatever a server says, however it is cut, a session goes on or ends the connection with a
/// reason, and the same bytes in other pieces say the same. The first byte says how it is cut.
pub fn ovsdb_socket(input: &[u8]) {
    let Some((&cut, words)) = input.split_first() else {
        return;
    };
    let whole = listen(&[words]);
    let pieces: Vec<&[u8]> = words.chunks(usize::from(cut).max(1)).collect();
    assert_eq!(listen(&pieces), whole, "pieces say the same as the whole");
}

/// What becomes of a session that hears this: its events and its copy, as text.
fn listen(pieces: &[&[u8]]) -> Vec<String> {
    let now = Duration::ZERO;
    let watches = vec![ovsdb::Watch::all::<ovsdb::vswitch::Bridge>()];
    let settings = ovsdb::Settings::new(ovsdb::vswitch::DATABASE, watches);
    let mut session = ovsdb::Session::new(settings, now);
    session.lock("moat", false, now);
    session.tick(now);
    session.opened(now);
    let mut transaction = ovsdb::Transaction::new(ovsdb::vswitch::DATABASE);
    transaction.insert("Bridge", ovsdb::Row::new());
    let _ = session.transact(transaction, ovsdb::session::Retry::default(), now);
    for piece in pieces {
        session.receive(piece, now);
    }
    let mut told: Vec<String> = std::iter::from_fn(|| session.next_event())
        .map(|event| format!("{event:?}"))
        .collect();
    told.extend(
        session
            .take_changes()
            .iter()
            .map(|change| format!("{change:?}")),
    );
    told.extend(
        session
            .cache()
            .all::<ovsdb::vswitch::Bridge>()
            .map(|bridge| format!("{bridge:?}")),
    );
    told
}
