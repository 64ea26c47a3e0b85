//! For random pairs of policies: packets that no sentence speaks of did not change, and packets
//! that sentences without exceptions speak of did.

use frame::random::Rng;
use std::net::IpAddr;

use frame::{Frame, FrameBuilder, MacAddress, Network, TcpFlags};

use super::super::services::{self, Packets};
use super::super::witness::{Ends, Own, STRANGER};
use super::*;
use crate::evaluate::evaluate;
use crate::program::{ConnectionState, Direction};

const TERMS: &[&str] = &[
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
    "tcp 1000-2000, 3000",
    "icmp echo-request",
    "protocol 47",
    "sctp 80",
];
const PEERS: &[&str] = &[
    "",
    "10.0.0.0/8",
    "10.9.0.0/16",
    "@admins",
    "192.168.0.1-192.168.0.9",
    "2001:db8:9::/64",
    "any",
    "vm:web-2",
];

fn rules(random: &mut Rng) -> Vec<String> {
    let count = random.below(5);
    (0..count)
        .map(|_| {
            let verdict = random.pick(&["accept", "accept", "drop"]);
            let direction = random.pick(&["in", "out"]);
            let word = if direction == "in" { "from" } else { "to" };
            let term = random.pick(TERMS);
            match random.pick(PEERS) {
                "" => format!("{verdict} {direction} {term}"),
                peer => format!("{verdict} {direction} {term} {word} {peer}"),
            }
        })
        .collect()
}

fn random_program(random: &mut Rng) -> HostProgram {
    let rules = rules(random);
    let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
    let inward = random.pick(&["accept", "drop"]);
    with_profile(
        &format!("guards: [mac, ipv4, ipv6]\ndefault: {{in: {inward}, out: accept}}"),
        &rules,
        2,
    )
}

/// A packet between the port and a peer near the boundaries that the policies draw.
fn packet(random: &mut Rng, direction: Direction) -> Vec<u8> {
    let own = MacAddress([0x52, 0x54, 0, 0, 0, 1]);
    let other = MacAddress([0x52, 0x54, 0, 0, 0, 2]);
    let v4 = [
        "9.255.255.255",
        "10.0.0.0",
        "10.8.255.255",
        "10.9.0.0",
        "10.9.0.255",
        "10.9.1.0",
        "10.255.255.255",
        "11.0.0.0",
        "192.168.0.0",
        "192.168.0.1",
        "192.168.0.9",
        "192.168.0.10",
        "10.0.0.7",
        "8.8.8.8",
    ];
    let v6 = [
        "2001:db8:9::",
        "2001:db8:9:1::",
        "2001:db8:8:ffff::1",
        "2001:db8::7",
        "2a00::1",
    ];
    let (from, to) = match direction {
        Direction::In => (other, own),
        Direction::Out => (own, other),
    };
    let link = FrameBuilder::new(from, to);
    let six = random.one_in(3);
    let packet = if six {
        let peer = random.pick(&v6).parse().expect("an address");
        let own = "2001:db8::6".parse().expect("an address");
        match direction {
            Direction::In => link.ipv6(peer, own),
            Direction::Out => link.ipv6(own, peer),
        }
    } else {
        let peer = random.pick(&v4).parse().expect("an address");
        let own = "10.0.0.6".parse().expect("an address");
        match direction {
            Direction::In => link.ipv4(peer, own),
            Direction::Out => link.ipv4(own, peer),
        }
    };
    let ports = [
        0, 79, 80, 81, 84, 85, 90, 91, 443, 444, 53, 54, 999, 1000, 2000, 2001, 3000,
    ];
    let port = random.pick(&ports);
    match random.below(6) {
        0 | 1 => packet.tcp(40_000, port, TcpFlags::SYN),
        2 => packet.udp(40_000, port),
        3 => packet.sctp(40_000, port),
        4 if six => packet.icmp(random.pick(&[1, 127, 128, 129, 200]), 0, [0; 4]),
        4 => packet.icmp(random.pick(&[0, 3, 8, 9]), 0, [0; 4]),
        _ => packet
            .protocol(random.pick(&[47, 46, 253]))
            .payload([0; 24]),
    }
    .build()
}

#[test]
fn what_nobody_mentions_stays_as_it_is() {
    let mut random = Rng::new(0x6d65_616e);
    let mut changed = 0;
    for round in 0..150 {
        let (before, after) = (random_program(&mut random), random_program(&mut random));
        let meaning = changes(&before, &after);
        assert!(meaning.complete);
        for _ in 0..200 {
            let direction = if random.one_in(2) {
                Direction::In
            } else {
                Direction::Out
            };
            let frame = packet(&mut random, direction);
            let verdict = |program| {
                evaluate(program, "web-1/0", direction, &frame, ConnectionState::New).passes()
            };
            let (was, is) = (verdict(&before), verdict(&after));
            if was == is {
                continue;
            }
            changed += 1;
            let word = if direction == Direction::In {
                "in"
            } else {
                "out"
            };
            let told = if is {
                &meaning.allowed
            } else {
                &meaning.denied
            };
            let about = told.iter().any(|change| {
                change.direction == word && change.ports.contains(&"web-1/0".to_owned())
            });
            assert!(
                about,
                "round {round}: {}\n{meaning}",
                frame::describe(&frame)
            );
        }
        witnesses_stand_for_their_classes(&before, &after, &mut random);
        let unchanged = !told_about(&before, &after, &mut random);
        if meaning.is_empty() {
            assert!(unchanged, "round {round}");
        }
    }
    assert!(
        changed > 1000,
        "only {changed} packets changed: the policies are too much alike"
    );
}

/// Any packet meets the same verdict as the witness of its class.
fn witnesses_stand_for_their_classes(before: &HostProgram, after: &HostProgram, random: &mut Rng) {
    let port = |program: &HostProgram| {
        let mut ports = Judge::ports(program).into_iter();
        ports.find(|port| port.name == "web-1/0").expect("declared")
    };
    let landmarks = [
        before.landmarks(&port(before)),
        after.landmarks(&port(after)),
    ];
    let packets = services::packets(&landmarks);
    let peers = peers::peers(&landmarks);
    let own = Own::of(&port(after));
    for _ in 0..200 {
        let direction = if random.one_in(2) {
            Direction::In
        } else {
            Direction::Out
        };
        let bytes = packet(random, direction);
        let parsed = Frame::parse(&bytes).expect("a frame");
        let (source, destination) = match &parsed.network {
            Network::Ipv4(ip) => (IpAddr::V4(ip.source), IpAddr::V4(ip.destination)),
            Network::Ipv6(ip) => (IpAddr::V6(ip.source), IpAddr::V6(ip.destination)),
            _ => panic!("not a packet"),
        };
        let peer = if direction == Direction::In {
            source
        } else {
            destination
        };
        let transport = parsed.transport().expect("a packet");
        let kinds: Vec<&Packets> = packets
            .iter()
            .filter(|class| match class {
                Packets::Ports {
                    protocol, ports, ..
                } => {
                    *protocol == transport.protocol()
                        && transport
                            .destination_port()
                            .is_some_and(|it| ports.contains(it))
                }
                Packets::Icmp {
                    v6, kinds, codes, ..
                } => {
                    let message = if *v6 {
                        transport.icmpv6()
                    } else {
                        transport.icmp()
                    };
                    message.is_some_and(|(kind, code)| kinds.contains(kind) && codes.contains(code))
                }
                Packets::Protocols { numbers, .. } => numbers.contains(transport.protocol()),
            })
            .collect();
        let peers: Vec<_> = peers
            .classes
            .iter()
            .filter(|class| match peer {
                IpAddr::V4(peer) => class.values.ipv4.contains(peer),
                IpAddr::V6(peer) => class.values.ipv6.contains(peer),
            })
            .collect();
        let ([kind], [class]) = (kinds.as_slice(), peers.as_slice()) else {
            panic!(
                "{} is in {} x {} classes",
                frame::describe(&bytes),
                kinds.len(),
                peers.len()
            );
        };
        let witness = Ends::new(&own, direction, STRANGER, class.witness).witness(kind);
        for program in [before, after] {
            let verdict = |frame: &[u8]| {
                evaluate(program, "web-1/0", direction, frame, ConnectionState::New).verdict
            };
            assert_eq!(
                verdict(&bytes),
                verdict(&witness),
                "{} and its witness {}",
                frame::describe(&bytes),
                frame::describe(&witness)
            );
        }
    }
}

/// Whether any of many packets changes.
fn told_about(before: &HostProgram, after: &HostProgram, random: &mut Rng) -> bool {
    (0..200).any(|_| {
        let direction = if random.one_in(2) {
            Direction::In
        } else {
            Direction::Out
        };
        let frame = packet(random, direction);
        let verdict = |program| {
            evaluate(program, "web-1/0", direction, &frame, ConnectionState::New).passes()
        };
        verdict(before) != verdict(after)
    })
}
