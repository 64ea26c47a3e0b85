use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use frame::{FrameSpec, MacAddress};

use super::{Event, Forgotten, Learner, MOST_REPLACED, Refused};
use crate::dhcp4::kind;
use crate::dhcp6::kind as kind6;
use crate::testing::{CLIENT, Dhcp, OTHER, SERVER4, answers6, asks6, dhcp6};
use crate::{Direction, Facts, Mode, Moment, Rules};

mod flood;

const GIVEN: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 5);
const GIVEN6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 5);
const SERVER6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);

fn facts(mac: MacAddress, mode: Mode, ipv4: u8, ipv6: u8) -> Facts {
    Facts {
        mac,
        network: "lan".to_owned(),
        declared: Vec::new(),
        rules: Rules {
            mode,
            ipv4,
            ipv6,
            ..Rules::default()
        },
    }
}

fn learner(mode: Mode) -> Learner {
    let mut learner = Learner::new();
    let facts = facts(CLIENT, mode, 1, 2);
    assert_eq!(learner.admit("a", facts, at(0)), []);
    learner
}

fn at(second: u64) -> Moment {
    Moment::seconds(1_000_000 + second)
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn sends(
    learner: &mut Learner,
    port: &str,
    mac: MacAddress,
    spec: &str,
    now: Moment,
) -> Vec<Event> {
    let spec: FrameSpec = spec
        .parse()
        .unwrap_or_else(|error| panic!("{spec}: {error}"));
    learner.observe(port, Direction::Out, &spec.to_frame(mac, OTHER), now)
}

fn has(learner: &Learner, port: &str) -> Vec<String> {
    let held = learner.held(port);
    held.map(|held| held.address.to_string()).collect()
}

fn why_refused(events: &[Event]) -> Option<&Refused> {
    events.iter().find_map(|event| match event {
        Event::Refused { why, .. } => Some(why),
        _ => None,
    })
}

/// A request and its answer.
fn lease(learner: &mut Learner, id: u32, yours: Ipv4Addr, seconds: u32, now: Moment) -> Vec<Event> {
    let request = Dhcp::asks(kind::REQUEST, id).option(50, &yours.octets());
    let mut events = learner.observe("a", Direction::Out, &request.frame(), now);
    let ack = Dhcp::answers(kind::ACK, id, yours, seconds);
    events.extend(learner.observe("a", Direction::In, &ack.frame(), now));
    events
}

#[test]
fn first_use_is_trusted_and_the_second_is_not() {
    let mut learner = learner(Mode::FirstPacket);
    sends(
        &mut learner,
        "a",
        CLIENT,
        "arp request 10.0.0.5 > 10.0.0.9",
        at(1),
    );
    assert_eq!(has(&learner, "a"), ["10.0.0.5"]);
    let events = sends(
        &mut learner,
        "a",
        CLIENT,
        "arp request 10.0.0.6 > 10.0.0.9",
        at(2),
    );
    assert_eq!(why_refused(&events), Some(&Refused::Limit));
    // Told once, counted always.
    let events = sends(
        &mut learner,
        "a",
        CLIENT,
        "tcp 10.0.0.7:1 > 10.0.0.9:2",
        at(3),
    );
    assert_eq!(events, []);
    assert_eq!(learner.refused("a"), 2);
    assert_eq!(has(&learner, "a"), ["10.0.0.5"]);
    // Each family for itself.
    sends(&mut learner, "a", CLIENT, "ns :: target 2001:db8::5", at(4));
    sends(
        &mut learner,
        "a",
        CLIENT,
        "udp [fe80::77]:1 > [fe80::9]:2",
        at(5),
    );
    assert_eq!(has(&learner, "a"), ["10.0.0.5", "2001:db8::5", "fe80::77"]);
}

#[test]
fn a_probe_that_was_answered_does_not_cost_the_place() {
    let mut learner = learner(Mode::FirstPacket);
    sends(
        &mut learner,
        "a",
        CLIENT,
        "arp request 0.0.0.0 > 10.0.0.5",
        at(1),
    );
    assert_eq!(has(&learner, "a"), ["10.0.0.5"]);
    sends(
        &mut learner,
        "a",
        CLIENT,
        "arp request 0.0.0.0 > 10.0.0.6",
        at(3),
    );
    assert_eq!(has(&learner, "a"), ["10.0.0.6"]);
    // Long after, it is the port's.
    let events = sends(
        &mut learner,
        "a",
        CLIENT,
        "arp request 0.0.0.0 > 10.0.0.7",
        at(60),
    );
    assert_eq!(why_refused(&events), Some(&Refused::Limit));
    assert_eq!(has(&learner, "a"), ["10.0.0.6"]);
}

#[test]
fn probing_one_after_the_other_ends() {
    let mut learner = learner(Mode::FirstPacket);
    for number in 0..50 {
        let spec = format!("arp request 0.0.0.0 > 10.0.0.{number}");
        sends(&mut learner, "a", CLIENT, &spec, at(number));
    }
    assert_eq!(has(&learner, "a"), [format!("10.0.0.{MOST_REPLACED}")]);
}

#[test]
fn nobody_takes_what_another_declares_or_has() {
    let mut learner = learner(Mode::FirstPacket);
    let mut declaring = facts(OTHER, Mode::None, 0, 0);
    declaring.declared = vec!["10.0.0.16/28".parse().expect("a prefix")];
    learner.admit("b", declaring, at(0));
    let third = MacAddress([0x52, 0x54, 0, 0, 0, 3]);
    learner.admit("c", facts(third, Mode::FirstPacket, 1, 1), at(0));
    let mut router = facts(MacAddress([2; 6]), Mode::None, 0, 0);
    router.declared = vec!["0.0.0.0/0".parse().expect("a prefix")];
    learner.admit("router", router, at(0));

    let conflict = |with: &str| Refused::Conflict {
        with: with.to_owned(),
    };
    let events = sends(
        &mut learner,
        "a",
        CLIENT,
        "tcp 10.0.0.17:1 > 10.0.0.9:2",
        at(1),
    );
    assert_eq!(why_refused(&events), Some(&conflict("b")));
    // The link-local address of another's MAC is that other's.
    let local = format!("rs {}", OTHER.eui64_link_local());
    let events = sends(&mut learner, "a", CLIENT, &local, at(20));
    assert_eq!(why_refused(&events), Some(&conflict("b")));
    sends(
        &mut learner,
        "c",
        third,
        "tcp 10.0.0.3:1 > 10.0.0.9:2",
        at(21),
    );
    let events = sends(
        &mut learner,
        "a",
        CLIENT,
        "arp request 0.0.0.0 > 10.0.0.3",
        at(40),
    );
    assert_eq!(why_refused(&events), Some(&conflict("c")));
    assert!(has(&learner, "a").is_empty());
    // When it is free again, whoever uses it first has it.
    learner.remove("c", at(41));
    sends(
        &mut learner,
        "a",
        CLIENT,
        "arp request 0.0.0.0 > 10.0.0.3",
        at(42),
    );
    assert_eq!(has(&learner, "a"), ["10.0.0.3"]);
    // Another network has addresses of its own.
    let mut elsewhere = facts(third, Mode::FirstPacket, 1, 1);
    elsewhere.network = "other".to_owned();
    learner.admit("c", elsewhere, at(43));
    sends(
        &mut learner,
        "c",
        third,
        "tcp 10.0.0.3:1 > 10.0.0.9:2",
        at(44),
    );
    assert_eq!(has(&learner, "c"), ["10.0.0.3"]);
}

#[test]
fn a_document_takes_an_address_from_who_learned_it() {
    let mut learner = learner(Mode::FirstPacket);
    sends(
        &mut learner,
        "a",
        CLIENT,
        "tcp 10.0.0.5:1 > 10.0.0.9:2",
        at(1),
    );
    let mut declaring = facts(OTHER, Mode::None, 0, 0);
    declaring.declared = vec!["10.0.0.5/32".parse().expect("an address")];
    let events = learner.admit("b", declaring, at(2));
    let why = Forgotten::Conflict {
        with: "b".to_owned(),
    };
    let forgotten = Event::Forgotten {
        port: "a".to_owned(),
        address: address("10.0.0.5"),
        why,
    };
    assert_eq!(events, [forgotten]);
}

#[test]
fn a_lease_is_learned_renewed_and_ends() {
    let mut learner = learner(Mode::Dhcp);
    let events = lease(&mut learner, 1, GIVEN, 60, at(0));
    assert!(
        matches!(events.as_slice(), [Event::Learned { .. }]),
        "{events:?}"
    );
    assert_eq!(learner.next_expiry(), Some(at(60)));
    let events = lease(&mut learner, 2, GIVEN, 60, at(30));
    assert!(
        matches!(events.as_slice(), [Event::Renewed { .. }]),
        "{events:?}"
    );
    assert_eq!(learner.expire(at(89)), []);
    let ended = learner.expire(at(90));
    assert!(
        matches!(
            ended.as_slice(),
            [Event::Forgotten {
                why: Forgotten::Expired,
                ..
            }]
        ),
        "{ended:?}"
    );
    assert!(has(&learner, "a").is_empty());
    lease(&mut learner, 3, GIVEN, u32::MAX, at(100));
    assert_eq!(learner.next_expiry(), None);
}

#[test]
fn an_answer_that_nobody_asked_for_is_not_believed() {
    let mut learner = learner(Mode::Dhcp);
    let unasked = Refused::Unasked {
        server: SERVER4.into(),
    };
    let ack = |id, yours| Dhcp::answers(kind::ACK, id, yours, 60).frame();
    let events = learner.observe("a", Direction::In, &ack(1, GIVEN), at(0));
    assert_eq!(why_refused(&events), Some(&unasked));
    // Another transaction, another address than asked for, too late, for another client, twice.
    let request = Dhcp::asks(kind::REQUEST, 1)
        .option(50, &GIVEN.octets())
        .frame();
    learner.observe("a", Direction::Out, &request, at(20));
    learner.observe("a", Direction::In, &ack(2, GIVEN), at(20));
    learner.observe("a", Direction::In, &ack(1, [10, 0, 0, 6].into()), at(20));
    learner.observe("a", Direction::Out, &request, at(20));
    learner.observe("a", Direction::In, &ack(1, GIVEN), at(20 + 121));
    learner.observe("a", Direction::Out, &request, at(200));
    let mut foreign = Dhcp::answers(kind::ACK, 1, GIVEN, 60);
    foreign.client = OTHER;
    learner.observe("a", Direction::In, &foreign.frame(), at(200));
    assert!(has(&learner, "a").is_empty());
    learner.observe("a", Direction::In, &ack(1, GIVEN), at(201));
    assert_eq!(has(&learner, "a"), ["10.0.0.5"]);
    let again = learner.observe("a", Direction::In, &ack(1, GIVEN), at(230));
    assert_eq!(why_refused(&again), Some(&unasked));
    assert_eq!(learner.next_expiry(), Some(at(261)));
}

#[test]
fn a_guest_that_plays_relay_or_another_client_opens_nothing() {
    let mut learner = learner(Mode::Dhcp);
    let mut relayed = Dhcp::asks(kind::REQUEST, 1);
    relayed.relay = [10, 0, 0, 9].into();
    let mut foreign = Dhcp::asks(kind::REQUEST, 1);
    foreign.client = OTHER;
    let tagged = Dhcp::asks(kind::REQUEST, 1).option(82, &[1, 1, 1]);
    for request in [relayed, foreign, tagged] {
        learner.observe("a", Direction::Out, &request.frame(), at(0));
        let ack = Dhcp::answers(kind::ACK, 1, GIVEN, 60);
        learner.observe("a", Direction::In, &ack.frame(), at(0));
        assert!(has(&learner, "a").is_empty(), "{request:?}");
    }
    // An answer that came by a relay names it: RFC 2131 section 4.1.
    learner.observe(
        "a",
        Direction::Out,
        &Dhcp::asks(kind::REQUEST, 1).frame(),
        at(1),
    );
    let mut ack = Dhcp::answers(kind::ACK, 1, GIVEN, 60);
    ack.relay = [10, 0, 0, 254].into();
    learner.observe("a", Direction::In, &ack.frame(), at(1));
    assert_eq!(has(&learner, "a"), ["10.0.0.5"]);
}

#[test]
fn only_listed_servers_are_believed() {
    let mut learner = Learner::new();
    let mut trusting = facts(CLIENT, Mode::Dhcp, 1, 1);
    trusting.rules.servers = BTreeSet::from([address("10.0.0.2")]);
    learner.admit("a", trusting, at(0));
    let events = lease(&mut learner, 1, GIVEN, 60, at(0));
    let untrusted = Refused::Untrusted {
        server: SERVER4.into(),
    };
    assert_eq!(why_refused(&events), Some(&untrusted));
    assert!(has(&learner, "a").is_empty());
    // The request is still open for the right one.
    let mut ack = Dhcp::answers(kind::ACK, 1, GIVEN, 60);
    ack.from = [10, 0, 0, 2].into();
    learner.observe("a", Direction::In, &ack.frame(), at(1));
    assert_eq!(has(&learner, "a"), ["10.0.0.5"]);
}

#[test]
fn what_is_given_back_or_taken_back_is_gone() {
    let ends: [(Dhcp, Forgotten); 2] = [
        (
            Dhcp {
                has: GIVEN,
                ..Dhcp::asks(kind::RELEASE, 9)
            },
            Forgotten::Released,
        ),
        (
            Dhcp::asks(kind::DECLINE, 9).option(50, &GIVEN.octets()),
            Forgotten::Declined,
        ),
    ];
    for (message, expected) in ends {
        let mut learner = learner(Mode::Dhcp);
        lease(&mut learner, 1, GIVEN, 60, at(0));
        let events = learner.observe("a", Direction::Out, &message.frame(), at(1));
        assert!(
            matches!(events.as_slice(), [Event::Forgotten { why, .. }] if *why == expected),
            "{events:?}"
        );
        assert_eq!(learner.next_expiry(), None);
    }
    let mut learner = learner(Mode::Dhcp);
    lease(&mut learner, 1, GIVEN, 60, at(0));
    let renewal = Dhcp {
        has: GIVEN,
        from: GIVEN,
        ..Dhcp::asks(kind::REQUEST, 2)
    };
    learner.observe("a", Direction::Out, &renewal.frame(), at(30));
    let nak = Dhcp::answers(kind::NAK, 2, Ipv4Addr::UNSPECIFIED, 0);
    learner.observe("a", Direction::In, &nak.frame(), at(30));
    assert!(has(&learner, "a").is_empty());
}

#[test]
fn a_client_that_moves_takes_its_place_with_it() {
    let mut learner = learner(Mode::Dhcp);
    lease(&mut learner, 1, GIVEN, 60, at(0));
    lease(&mut learner, 2, [10, 0, 0, 6].into(), 60, at(1));
    assert_eq!(has(&learner, "a"), ["10.0.0.6"]);
    assert_eq!(learner.next_expiry(), Some(at(61)));
}

#[test]
fn a_lease_goes_before_first_use() {
    let mut learner = learner(Mode::Dhcp);
    learner.admit("squatter", facts(OTHER, Mode::FirstPacket, 1, 1), at(0));
    sends(
        &mut learner,
        "squatter",
        OTHER,
        "tcp 10.0.0.5:1 > 10.0.0.9:2",
        at(1),
    );
    let events = lease(&mut learner, 1, GIVEN, 60, at(2));
    assert!(matches!(events.first(), Some(Event::Forgotten { port, .. }) if port == "squatter"));
    assert_eq!(has(&learner, "a"), ["10.0.0.5"]);
    let events = sends(
        &mut learner,
        "squatter",
        OTHER,
        "tcp 10.0.0.5:1 > 10.0.0.9:2",
        at(3),
    );
    assert!(matches!(
        why_refused(&events),
        Some(Refused::Conflict { .. })
    ));
}

#[test]
fn dhcpv6_leases() {
    let mut learner = learner(Mode::Dhcp);
    let ask = |kind, id, given: &[_]| asks6(&dhcp6(kind, id, b"duid", given));
    let answer =
        |id, duid: &[u8], given: &[_]| answers6(SERVER6, &dhcp6(kind6::REPLY, id, duid, given));
    learner.observe("a", Direction::Out, &ask(kind6::REQUEST, 1, &[]), at(0));
    learner.observe(
        "a",
        Direction::In,
        &answer(1, b"other", &[(GIVEN6, 60)]),
        at(0),
    );
    learner.observe(
        "a",
        Direction::In,
        &answer(2, b"duid", &[(GIVEN6, 60)]),
        at(0),
    );
    assert!(has(&learner, "a").is_empty());
    learner.observe(
        "a",
        Direction::In,
        &answer(1, b"duid", &[(GIVEN6, 60)]),
        at(0),
    );
    assert_eq!(has(&learner, "a"), ["2001:db8::5"]);
    learner.observe(
        "a",
        Direction::Out,
        &ask(kind6::RENEW, 2, &[(GIVEN6, 0)]),
        at(30),
    );
    learner.observe(
        "a",
        Direction::In,
        &answer(2, b"duid", &[(GIVEN6, 60)]),
        at(30),
    );
    assert_eq!(learner.next_expiry(), Some(at(90)));
    // A lifetime of nothing takes it back.
    learner.observe("a", Direction::Out, &ask(kind6::REBIND, 3, &[]), at(40));
    learner.observe(
        "a",
        Direction::In,
        &answer(3, b"duid", &[(GIVEN6, 0)]),
        at(40),
    );
    assert!(has(&learner, "a").is_empty());
    // Without rapid commit, a reply to a solicitation means nothing.
    learner.observe("a", Direction::Out, &ask(kind6::SOLICIT, 4, &[]), at(50));
    learner.observe(
        "a",
        Direction::In,
        &answer(4, b"duid", &[(GIVEN6, 60)]),
        at(50),
    );
    assert!(has(&learner, "a").is_empty());
    let rapid = |kind, given: &[_]| {
        let mut payload = dhcp6(kind, 5, b"duid", given);
        payload.extend([0, 14, 0, 0]);
        payload
    };
    learner.observe(
        "a",
        Direction::Out,
        &asks6(&rapid(kind6::SOLICIT, &[])),
        at(60),
    );
    let reply = answers6(SERVER6, &rapid(kind6::REPLY, &[(GIVEN6, 60)]));
    learner.observe("a", Direction::In, &reply, at(60));
    assert_eq!(has(&learner, "a"), ["2001:db8::5"]);
    learner.observe(
        "a",
        Direction::Out,
        &ask(kind6::RELEASE, 6, &[(GIVEN6, 0)]),
        at(61),
    );
    assert!(has(&learner, "a").is_empty());
}

#[test]
fn a_port_that_learns_leases_has_one_link_local_address_besides() {
    let mut learner = learner(Mode::Dhcp);
    sends(
        &mut learner,
        "a",
        CLIENT,
        "tcp 10.0.0.5:1 > 10.0.0.9:2",
        at(1),
    );
    sends(
        &mut learner,
        "a",
        CLIENT,
        "udp [2001:db8::5]:1 > [fe80::9]:2",
        at(1),
    );
    assert!(has(&learner, "a").is_empty());
    sends(&mut learner, "a", CLIENT, "ns :: target fe80::77", at(2));
    sends(&mut learner, "a", CLIENT, "rs fe80::77", at(3));
    sends(&mut learner, "a", CLIENT, "rs fe80::78", at(4));
    assert_eq!(has(&learner, "a"), ["fe80::77"]);
    lease(&mut learner, 1, GIVEN, 60, at(5));
    assert_eq!(has(&learner, "a"), ["10.0.0.5", "fe80::77"]);
}

#[test]
fn only_what_is_within_is_learned() {
    let mut learner = Learner::new();
    let mut fenced = facts(CLIENT, Mode::FirstPacket, 2, 2);
    fenced.rules.within = BTreeSet::from(["10.0.0.0/24".parse().expect("a prefix")]);
    learner.admit("a", fenced, at(0));
    let events = sends(
        &mut learner,
        "a",
        CLIENT,
        "tcp 10.0.1.5:1 > 10.0.0.9:2",
        at(1),
    );
    assert_eq!(why_refused(&events), Some(&Refused::Outside));
    sends(
        &mut learner,
        "a",
        CLIENT,
        "tcp 10.0.0.5:1 > 10.0.0.9:2",
        at(2),
    );
    sends(&mut learner, "a", CLIENT, "rs fe80::77", at(3));
    assert_eq!(has(&learner, "a"), ["10.0.0.5", "fe80::77"]);
}

#[test]
fn any_address_is_remembered_and_none_counts() {
    let mut learner = learner(Mode::Any);
    for number in 1..9 {
        let spec = format!("tcp 10.0.0.{number}:1 > 10.0.0.9:2");
        assert_eq!(sends(&mut learner, "a", CLIENT, &spec, at(number)), []);
    }
    assert_eq!(has(&learner, "a"), ["10.0.0.8"]);
    assert!(learner.addresses("a").is_empty());
    assert_eq!(learner.export_port("a"), None);
}

#[test]
fn changed_documents_keep_what_they_still_allow() {
    let mut learner = Learner::new();
    learner.admit("a", facts(CLIENT, Mode::FirstPacket, 3, 3), at(0));
    for number in 1..4 {
        let spec = format!("tcp 10.0.0.{number}:1 > 10.0.0.9:2");
        sends(&mut learner, "a", CLIENT, &spec, at(number));
    }
    learner.admit("a", facts(CLIENT, Mode::FirstPacket, 2, 3), at(5));
    assert_eq!(has(&learner, "a"), ["10.0.0.1", "10.0.0.2"]);
    let mut own = facts(CLIENT, Mode::FirstPacket, 2, 3);
    own.declared = vec!["10.0.0.1/32".parse().expect("an address")];
    learner.admit("a", own, at(6));
    assert_eq!(has(&learner, "a"), ["10.0.0.2"]);
    let events = learner.admit("a", facts(CLIENT, Mode::Dhcp, 2, 3), at(7));
    assert_eq!(events.first().and_then(Event::changes), Some("a"));
    assert!(has(&learner, "a").is_empty());
}

#[test]
fn leases_survive_restart_and_migration() {
    let mut source = learner(Mode::Dhcp);
    lease(&mut source, 1, GIVEN, 60, at(0));
    sends(&mut source, "a", CLIENT, "rs fe80::77", at(1));
    let text = serde_json::to_string(&source.export()).expect("written");
    let snapshot = serde_json::from_str(&text).expect("read");
    let mut target = learner(Mode::Dhcp);
    let events = target.import(&snapshot, at(10));
    assert_eq!(events.len(), 2, "{events:?}");
    assert_eq!(target.addresses("a"), source.addresses("a"));
    assert_eq!(target.next_expiry(), Some(at(60)));
    let mut late = learner(Mode::Dhcp);
    late.import(&snapshot, at(60));
    assert_eq!(has(&late, "a"), ["fe80::77"]);
    // Another interface of that name has learned nothing.
    let mut other = Learner::new();
    other.admit("a", facts(OTHER, Mode::Dhcp, 1, 1), at(0));
    other.import(&snapshot, at(10));
    assert!(has(&other, "a").is_empty());
    assert!(
        serde_json::from_str::<crate::Snapshot>(&text.replace(":1,\"ports\"", ":2,\"ports\""))
            .is_err()
    );
}
