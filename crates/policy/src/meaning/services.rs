//! Kinds of IP packets that two policies may tell apart, apart from their addresses.

use std::collections::BTreeSet;

use frame::protocol::ip_protocol;

use super::classes::{classes, representative};
use super::judge::Landmarks;
use crate::intervals::Intervals;
use crate::program::{Condition, Values};
use crate::rule::Field;

/// Packets that no condition tells apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Packets {
    Ports {
        protocol: u8,
        ports: Intervals<u16>,
        witness: u16,
    },
    Icmp {
        v6: bool,
        kinds: Intervals<u8>,
        codes: Intervals<u8>,
        witness: (u8, u8),
    },
    Protocols {
        numbers: Intervals<u8>,
        witness: u8,
    },
}

impl Packets {
    pub(super) fn fits(&self, v6: bool) -> bool {
        match self {
            Self::Icmp { v6: own, .. } => *own == v6,
            _ => true,
        }
    }
}

const WITH_PORTS: [u8; 5] = [
    ip_protocol::TCP,
    ip_protocol::UDP,
    ip_protocol::SCTP,
    ip_protocol::DCCP,
    ip_protocol::UDP_LITE,
];

/// ND and MLD, which have witnesses of their own.
pub(super) fn discovery() -> Intervals<u8> {
    [(130, 137), (143, 143)].into_iter().collect()
}

/// Headers that no packet ends in, and IPv4's and IPv6's ICMP, which are apart.
fn is_apart(number: u8) -> bool {
    matches!(number, 0 | 1 | 43 | 44 | 51 | 58 | 59 | 60) || WITH_PORTS.contains(&number)
}

pub(super) fn packets(landmarks: &[Landmarks]) -> Vec<Packets> {
    let all: Vec<&Vec<Condition>> = landmarks
        .iter()
        .flat_map(|landmarks| landmarks.matches.iter().map(|(_, all)| all))
        .collect();
    let mut found = Vec::new();
    for protocol in WITH_PORTS {
        let sets = of_protocol(&all, protocol, Field::DestinationPort);
        let sets: Vec<Intervals<u16>> = sets.iter().map(narrow).collect();
        for class in classes((0, u16::MAX), &sets.iter().collect::<Vec<_>>()) {
            if let Some(witness) = representative(&class.values, &[80, 443, 53, 33_434, 50_000]) {
                found.push(Packets::Ports {
                    protocol,
                    ports: class.values,
                    witness,
                });
            }
        }
    }
    for (protocol, v6) in [(ip_protocol::ICMP, false), (ip_protocol::ICMPV6, true)] {
        icmp(&all, protocol, v6, &mut found);
    }
    let numbers: Vec<Intervals<u8>> = all
        .iter()
        .copied()
        .flatten()
        .filter(|condition| condition.field == Field::IpProtocol)
        .filter_map(numbers)
        .map(|set| narrow(&set))
        .collect();
    let apart: Intervals<u8> = (0..=u8::MAX)
        .filter(|number| is_apart(*number))
        .map(|number| (number, number))
        .collect();
    let mut sets: Vec<&Intervals<u8>> = numbers.iter().collect();
    sets.push(&apart);
    for class in classes((0, u8::MAX), &sets) {
        if class.within.last() == Some(&true) {
            continue;
        }
        if let Some(witness) = representative(&class.values, &[253, 47, 50]) {
            found.push(Packets::Protocols {
                numbers: class.values,
                witness,
            });
        }
    }
    found
}

fn icmp(all: &[&Vec<Condition>], protocol: u8, v6: bool, found: &mut Vec<Packets>) {
    let kinds: Vec<Intervals<u8>> = of_protocol(all, protocol, Field::IcmpType)
        .iter()
        .map(narrow)
        .collect();
    let codes: Vec<Intervals<u8>> = of_protocol(all, protocol, Field::IcmpCode)
        .iter()
        .map(narrow)
        .collect();
    let apart = if v6 {
        discovery()
    } else {
        Intervals::default()
    };
    let mut sets: Vec<&Intervals<u8>> = kinds.iter().collect();
    sets.push(&apart);
    let codes = classes((0, u8::MAX), &codes.iter().collect::<Vec<_>>());
    for class in classes((0, u8::MAX), &sets) {
        if class.within.last() == Some(&true) {
            continue;
        }
        let likely = if v6 { [128, 1] } else { [8, 3] };
        let Some(kind) = representative(&class.values, &likely) else {
            continue;
        };
        for code in &codes {
            if let Some(number) = representative(&code.values, &[0]) {
                found.push(Packets::Icmp {
                    v6,
                    kinds: class.values.clone(),
                    codes: code.values.clone(),
                    witness: (kind, number),
                });
            }
        }
    }
}

/// What conditions of conjunctions that may be about the protocol compare the field with.
fn of_protocol(all: &[&Vec<Condition>], protocol: u8, field: Field) -> Vec<Intervals<u64>> {
    let about = |conditions: &&&Vec<Condition>| {
        conditions.iter().all(|condition| {
            condition.field != Field::IpProtocol
                || numbers(condition)
                    .is_none_or(|set| set.contains(u64::from(protocol)) != condition.negated)
        })
    };
    let sets: BTreeSet<Intervals<u64>> = all
        .iter()
        .filter(about)
        .flat_map(|conditions| conditions.iter())
        .filter(|condition| condition.field == field)
        .filter_map(numbers)
        .collect();
    sets.into_iter().collect()
}

fn numbers(condition: &Condition) -> Option<Intervals<u64>> {
    match &condition.values {
        Values::Numbers(set) => Some(set.clone()),
        _ => None,
    }
}

/// The part that a narrower type can hold.
fn narrow<T: TryFrom<u64> + crate::intervals::Discrete>(set: &Intervals<u64>) -> Intervals<T> {
    let narrowed = set
        .iter()
        .filter_map(|(first, last)| Some((T::try_from(first).ok()?, T::try_from(last).ok()?)));
    narrowed.collect()
}
