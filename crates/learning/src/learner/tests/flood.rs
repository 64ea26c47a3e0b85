//! What a hostile guest can and cannot do: bounded memory, bounded work, nobody else's loss; and the
//! promises that hold whatever happens in whatever order.

use std::net::{IpAddr, Ipv4Addr};

use proptest::prelude::*;

use super::{GIVEN, address, at, facts, has, learner, lease, sends};
use crate::dhcp4::kind;
use crate::port::MOST_TRANSACTIONS;
use crate::testing::{CLIENT, Dhcp, OTHER};
use crate::{Direction, Learner, Mode, Moment};

/// Most steps that one frame may cost: two searches by every length of prefix, and a few dozen.
const MOST_WORK: u64 = 400;

#[test]
fn invented_addresses_and_requests_cost_nobody_anything() {
    let mut learner = learner(Mode::Dhcp);
    learner.admit("flooder", facts(OTHER, Mode::Dhcp, 4, 4), at(0));
    learner.admit(
        "first",
        facts([2, 2, 2, 2, 2, 2].into(), Mode::FirstPacket, 4, 4),
        at(0),
    );
    // A thousand others that declare prefixes of many lengths.
    for number in 0..1_000_u32 {
        let mut facts = facts(
            frame::MacAddress([2, 1, 0, 0, (number >> 8) as u8, number as u8]),
            Mode::None,
            0,
            0,
        );
        let net = ipnet::Ipv4Net::new(
            (0x0b00_0000 + (number << 8)).into(),
            8 + (number % 25) as u8,
        );
        facts.declared = vec![net.expect("a length").trunc().into()];
        learner.admit(&format!("p{number}"), facts, at(0));
    }
    let own_request = Dhcp::asks(kind::REQUEST, 77).option(50, &GIVEN.octets());
    learner.observe("a", Direction::Out, &own_request.frame(), at(1));
    let mut worst = 0;
    let mut events = 0;
    let mut flood = |learner: &mut Learner, port: &str, direction, frame: &[u8]| {
        let before = learner.work();
        events += learner.observe(port, direction, frame, at(2)).len();
        worst = worst.max(learner.work() - before);
    };
    for number in 0..50_000_u32 {
        let mut request = Dhcp::asks(kind::REQUEST, number);
        request.client = OTHER;
        let mut frame = request.frame();
        frame[6..12].copy_from_slice(&OTHER.0);
        flood(&mut learner, "flooder", Direction::Out, &frame);
        let mut ack = Dhcp::answers(kind::ACK, number, (0x0a10_0000 + number).into(), 60);
        ack.client = OTHER;
        flood(&mut learner, "flooder", Direction::In, &ack.frame());
        let source = Ipv4Addr::from(0x0a20_0000 + number);
        let spec = format!("udp {source}:1 > 10.0.0.9:2 mac 02:02:02:02:02:02 > ff:ff:ff:ff:ff:ff");
        let spec: frame::FrameSpec = spec.parse().expect("a frame");
        flood(
            &mut learner,
            "first",
            Direction::Out,
            &spec.to_frame(OTHER, OTHER),
        );
    }
    assert!(worst <= MOST_WORK, "{worst} steps for one frame");
    // Each lease of the one client takes the place of the last; refusals are told once.
    assert!(events <= 2 * 50_000 + 16, "{events}");
    assert!(learner.held("flooder").count() <= 8);
    assert!(learner.held("first").count() <= 8);
    let flooder = learner.ports.get("flooder").expect("there");
    assert!(flooder.open4.len() <= MOST_TRANSACTIONS);
    assert!(learner.deadlines.len() <= 8);
    // The other port's request is open as before.
    let ack = Dhcp::answers(kind::ACK, 77, GIVEN, 60);
    learner.observe("a", Direction::In, &ack.frame(), at(3));
    assert_eq!(has(&learner, "a"), ["10.0.0.5"]);
}

#[test]
fn open_requests_are_bounded() {
    let mut learner = learner(Mode::Dhcp);
    for number in 0..100 {
        learner.observe(
            "a",
            Direction::Out,
            &Dhcp::asks(kind::REQUEST, number).frame(),
            at(1),
        );
        let payload = crate::testing::dhcp6(3, number, &number.to_be_bytes(), &[]);
        learner.observe("a", Direction::Out, &crate::testing::asks6(&payload), at(1));
    }
    let port = learner.ports.get("a").expect("there");
    assert_eq!(
        (port.open4.len(), port.open6.len()),
        (MOST_TRANSACTIONS, MOST_TRANSACTIONS)
    );
}

/// Anything that can happen.
#[derive(Clone, Debug)]
enum Step {
    Uses(bool, u8),
    Probes(bool, u8),
    Leases(u8, u32),
    Releases(u8),
    Waits(u64),
    Changes(Mode, u8),
    Declares(u8),
    Travels,
    Goes,
}

fn step() -> impl Strategy<Value = Step> {
    let mode = prop_oneof![
        1 => Just(Mode::None),
        3 => Just(Mode::FirstPacket),
        5 => Just(Mode::Dhcp),
        1 => Just(Mode::Any)
    ];
    prop_oneof![
        4 => (any::<bool>(), 0..12_u8).prop_map(|(other, number)| Step::Uses(other, number)),
        2 => (any::<bool>(), 0..12_u8).prop_map(|(other, number)| Step::Probes(other, number)),
        6 => (0..12_u8, 1..100_u32).prop_map(|(number, seconds)| Step::Leases(number, seconds)),
        1 => (0..12_u8).prop_map(Step::Releases),
        4 => (0..60_u64).prop_map(Step::Waits),
        1 => (mode, 0..4_u8).prop_map(|(mode, limit)| Step::Changes(mode, limit)),
        1 => (0..12_u8).prop_map(Step::Declares),
        1 => Just(Step::Travels),
        1 => Just(Step::Goes),
    ]
}

/// What must hold at any moment.
fn check(learner: &Learner, now: Moment) {
    let mut seen: Vec<IpAddr> = Vec::new();
    for (name, port) in &learner.ports {
        let rules = &port.facts.rules;
        let count = |ipv4: bool| {
            let held = port.held.keys();
            held.filter(|address| address.is_ipv4() == ipv4).count()
        };
        assert!(count(true) <= usize::from(rules.ipv4), "{name}: {port:?}");
        let local = usize::from(rules.mode == Mode::Dhcp);
        assert!(
            count(false) <= usize::from(rules.ipv6) + local,
            "{name}: {port:?}"
        );
        for held in port.held.values() {
            assert!(
                held.expires.is_none_or(|end| end > now),
                "{name}: {held:?} at {now:?}"
            );
        }
        if rules.mode != Mode::Any {
            seen.extend(port.held.keys());
        }
    }
    let before = seen.len();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(before, seen.len(), "two ports have one address");
    let ends = learner.ports.values().flat_map(|port| port.held.values());
    let ends = ends.filter(|held| held.expires.is_some()).count();
    assert_eq!(ends, learner.deadlines.len());
    let learned: usize = learner
        .networks
        .values()
        .map(|holders| holders.count())
        .sum();
    assert_eq!(learned, seen.len());
}

proptest! {
    #[test]
    fn whatever_happens(steps in proptest::collection::vec(step(), 0..60)) {
        let mut learner = learner(Mode::Dhcp);
        learner.admit("b", facts(OTHER, Mode::FirstPacket, 2, 2), at(0));
        let mut now = at(0);
        let mut known = std::collections::BTreeSet::new();
        for (id, step) in (1..).zip(steps) {
            let of = |other: bool| if other { ("b", OTHER) } else { ("a", CLIENT) };
            let mut events = Vec::new();
            match step {
                Step::Uses(other, number) => {
                    let (port, mac) = of(other);
                    let spec = format!("udp 10.0.0.{number}:1 > 10.0.0.9:2");
                    events = sends(&mut learner, port, mac, &spec, now);
                }
                Step::Probes(other, number) => {
                    let (port, mac) = of(other);
                    events = sends(&mut learner, port, mac, &format!("ns :: target fe80::{number}"), now);
                }
                Step::Leases(number, seconds) => {
                    events = lease(&mut learner, id, [10, 0, 0, number].into(), seconds, now);
                }
                Step::Releases(number) => {
                    let mut release = Dhcp::asks(kind::RELEASE, 1);
                    release.has = [10, 0, 0, number].into();
                    events = learner.observe("a", Direction::Out, &release.frame(), now);
                }
                Step::Waits(seconds) => {
                    now = Moment(now.0 + std::time::Duration::from_secs(seconds));
                    events = learner.expire(now);
                }
                Step::Changes(mode, limit) => {
                    events = learner.admit("a", facts(CLIENT, mode, limit, limit), now);
                }
                Step::Declares(number) => {
                    let mut declaring = facts([2, 3, 3, 3, 3, 3].into(), Mode::None, 0, 0);
                    declaring.declared = vec![address(&format!("10.0.0.{number}")).into()];
                    events = learner.admit("c", declaring, now);
                }
                Step::Travels => {
                    // What is written down and taken in by a learner that knows the ports is the same.
                    let mut other = Learner::new();
                    for (name, port) in &learner.ports {
                        other.admit(name, port.facts.clone(), now);
                    }
                    let text = serde_json::to_string(&learner.export()).expect("written");
                    other.import(&serde_json::from_str(&text).expect("read"), now);
                    for name in learner.ports.keys() {
                        assert_eq!(other.addresses(name), learner.addresses(name), "{name}");
                        assert_eq!(other.export_port(name).is_some(), learner.export_port(name).is_some());
                    }
                    assert_eq!(other.next_expiry(), learner.next_expiry());
                }
                Step::Goes => events = learner.remove("b", now),
            }
            check(&learner, now);
            // Whoever follows the events knows the addresses.
            for event in events {
                match event {
                    crate::Event::Learned { port, held } => {
                        assert!(known.insert((port, held.address)));
                    }
                    crate::Event::Forgotten { port, address, .. } => {
                        known.remove(&(port, address));
                    }
                    crate::Event::Renewed { .. } | crate::Event::Refused { .. } => {}
                }
            }
            let ports = ["a", "b", "c"];
            let told: std::collections::BTreeSet<_> = ports
                .iter()
                .flat_map(|port| {
                    let nets = learner.addresses(port).into_iter();
                    nets.map(|net| ((*port).to_owned(), net.addr()))
                })
                .collect();
            assert_eq!(told, known);
        }
    }
}
