//! What is said to be taken from a rule is really decided before it, for every frame.

use frame::Frame;
use frame::random::{Rng, Vocabulary, random_frame};

use super::super::conditions::{Covered, impossible};
use super::super::order::{sequences, taken};
use super::*;
use crate::evaluate::{Decider, evaluate};
use crate::program::{CompiledRule, ConnectionState, Direction, HostProgram, RuleList};
use std::sync::Arc;

const TERMS: &[&str] = &[
    "",
    "tcp 80",
    "tcp 80-90",
    "tcp 85-443",
    "udp 53",
    "tcp",
    "udp",
    "icmp",
    "icmpv6",
    "ip",
    "ipv4",
    "ipv6",
    "tcp 80, 443",
    "icmp echo-request",
    "protocol 47",
    "sctp 80",
    "udp 67-68",
    "arp",
    "ether",
    "vlan",
    "icmpv6 133-136",
    "icmp 3/1",
];
const PEERS: &[&str] = &[
    "",
    "",
    "10.0.0.0/8",
    "10.0.0.0/24",
    "10.0.0.5",
    "192.168.0.1-192.168.0.9",
    "2001:db8::/32",
    "any",
    "vm:web-1",
];
const FIELDS: &[&str] = &[
    "",
    "",
    "",
    "sport 53",
    "sport not 53",
    "ip.dscp 1-10",
    "ip.dscp not 5",
    "tcp.flags syn",
    "ether.type 0x0800",
    "ether.src 52:54:00:00:00:01",
    "ip.src 10.0.0.0/8",
    "dport not 80",
    "vlan.id 5",
];

fn rule(random: &mut Rng) -> Option<String> {
    let verdict = random.pick(&["accept", "drop"]);
    let direction = random.pick(&["in", "out", "both"]);
    let mut text = format!("{verdict} {direction} {}", random.pick(TERMS));
    match random.pick(PEERS) {
        "" => {}
        peer if direction == "out" => text += &format!(" to {peer}"),
        peer => text += &format!(" from {peer}"),
    }
    match if random.one_in(4) {
        random.pick(FIELDS)
    } else {
        ""
    } {
        "" => {}
        field => text += &format!(" with {field}"),
    }
    if random.one_in(8) {
        text += " stateless";
    }
    // Not every combination is a rule.
    crate::language::parse_rule(&text)
        .ok()
        .map(|rule| rule.to_string())
}

fn random_program(random: &mut Rng) -> Option<HostProgram> {
    let rules: Vec<String> = (0..6).filter_map(|_| rule(random)).collect();
    let quoted: Vec<String> = rules.iter().map(|rule| format!("'{rule}'")).collect();
    let quoted: Vec<&str> = quoted.iter().map(String::as_str).collect();
    let text = documents("tagged: [5-6]\ndefault: {in: drop, out: accept}", &quoted);
    let catalog = load(&[Source::new("policies.yaml", text)]).ok()?;
    everywhere::programs(&catalog).into_iter().next()
}

fn vocabulary() -> Vocabulary {
    let mac = |last| frame::MacAddress([0x52, 0x54, 0, 0, 0, last]);
    let v4 = [
        "10.0.0.5",
        "10.0.0.9",
        "10.0.1.1",
        "192.168.0.1",
        "192.168.0.9",
        "8.8.8.8",
    ];
    let v6 = ["2001:db8::5", "2001:db8::9", "2a00::1"];
    Vocabulary {
        macs: vec![mac(1), mac(2)],
        ipv4: v4.iter().filter_map(|it| it.parse().ok()).collect(),
        ipv6: v6.iter().filter_map(|it| it.parse().ok()).collect(),
        ports: vec![80, 85, 90, 443, 53, 67, 68],
        vlans: vec![5],
        ether_types: vec![0x88cc],
        protocols: vec![47],
        oversize: false,
    }
}

/// The program with nothing but this rule, which tells whether it matches.
fn alone(program: &HostProgram, list: &RuleList, rule: &CompiledRule) -> HostProgram {
    let mut alone = program.clone();
    let only = RuleList {
        inward: vec![rule.clone()],
        outward: vec![rule.clone()],
        ..list.clone()
    };
    alone.lists.insert(list.name.clone(), Arc::new(only));
    alone
}

fn decider(
    program: &HostProgram,
    direction: Direction,
    frame: &[u8],
    state: ConnectionState,
) -> Option<String> {
    match evaluate(program, "web-1/0", direction, frame, state).decider {
        Decider::Rule { id, .. } => Some(id),
        _ => None,
    }
}

fn is_later_fragment(bytes: &[u8]) -> bool {
    let frame = Frame::parse(bytes).ok();
    frame
        .as_ref()
        .and_then(Frame::transport)
        .is_some_and(|transport| transport.readability() == frame::Readability::LaterFragment)
}

#[test]
fn taken_rules_never_decide() {
    let mut random = Rng::new(0x6c69_6e74);
    let vocabulary = vocabulary();
    let frames: Vec<Vec<u8>> = (0..4000)
        .map(|_| random_frame(&mut random, &vocabulary))
        .collect();
    let states = [
        ConnectionState::New,
        ConnectionState::Established,
        ConnectionState::Untracked,
    ];
    let (mut found, mut matched, mut never) = (0, 0, 0);
    for _ in 0..1000 {
        let Some(program) = random_program(&mut random) else {
            continue;
        };
        for direction in [Direction::In, Direction::Out] {
            for sequence in sequences(&program, direction) {
                for (index, (list, rule)) in sequence.iter().enumerate() {
                    let lone = alone(&program, list, rule);
                    let begin = random.below(frames.len());
                    let some = frames.iter().cycle().skip(begin).take(800);
                    if rule.alternatives.iter().all(|it| impossible(&program, it)) {
                        never += 1;
                        for frame in some.take(100) {
                            let state = random.pick_or(&states, ConnectionState::New);
                            let who = decider(&lone, direction, frame, state);
                            assert_eq!(who, None, "{}: {}", rule.text, frame::describe(frame));
                        }
                        continue;
                    }
                    let before = sequence.get(..index).unwrap_or_default();
                    let Some(taken) = taken(&program, before, list, rule) else {
                        continue;
                    };
                    assert_eq!(taken.later.id, rule.id);
                    let first = before.iter().position(|(_, it)| it.id == taken.earlier.id);
                    let first = first.expect("an earlier rule");
                    let allowed: Vec<&String> = before
                        .iter()
                        .take(first + 1)
                        .map(|(_, it)| &it.id)
                        .collect();
                    found += 1;
                    for frame in some {
                        let state = random.pick_or(&states, ConnectionState::New);
                        if taken.covered == Covered::ExceptFragments && is_later_fragment(frame) {
                            continue;
                        }
                        if decider(&lone, direction, frame, state).is_none() {
                            continue;
                        }
                        matched += 1;
                        let who = decider(&program, direction, frame, state);
                        assert!(
                            who.as_ref().is_some_and(|who| allowed.contains(&who)),
                            "`{}` should take all of `{}`, but {who:?} decides {}",
                            taken.earlier.text,
                            rule.text,
                            frame::describe(frame)
                        );
                    }
                }
            }
        }
    }
    println!("{found} rules taken by others, {never} impossible, {matched} frames matched them");
    assert!(
        found > 200 && matched > 5000 && never > 10,
        "{found} {matched} {never}"
    );
}
