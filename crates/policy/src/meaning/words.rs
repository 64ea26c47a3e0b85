//! Classes of packets in the words of the policy language.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use super::services::{Packets, discovery};
use crate::intervals::{Discrete, Intervals};
use crate::rule::{IcmpMatch, PortRange, Protocol, Term};

/// `tcp 80, 443`; `anything`; `anything except tcp 25`.
pub(super) fn packets(chosen: &BTreeSet<usize>, all: &[Packets]) -> String {
    let rest: BTreeSet<usize> = (0..all.len()).filter(|it| !chosen.contains(it)).collect();
    if rest.is_empty() {
        return "anything".to_owned();
    }
    let direct = terms(chosen, all);
    let except = terms(&rest, all);
    if except.len() < direct.len() {
        format!("anything except {}", except.join(", "))
    } else {
        direct.join(", ")
    }
}

fn terms(chosen: &BTreeSet<usize>, all: &[Packets]) -> Vec<String> {
    let mut ports: BTreeMap<u8, Intervals<u16>> = BTreeMap::new();
    let mut icmp: BTreeMap<(bool, Intervals<u8>), Intervals<u8>> = BTreeMap::new();
    let mut others = Intervals::default();
    for packets in chosen.iter().filter_map(|index| all.get(*index)) {
        match packets {
            Packets::Ports {
                protocol,
                ports: set,
                ..
            } => {
                let known = ports.entry(*protocol).or_default();
                *known = known.union(set);
            }
            Packets::Icmp {
                v6, kinds, codes, ..
            } => {
                let known = icmp.entry((*v6, codes.clone())).or_default();
                *known = known.union(kinds);
            }
            Packets::Protocols { numbers, .. } => others = others.union(numbers),
        }
    }
    let mut terms: Vec<String> = ports
        .iter()
        .map(|(protocol, set)| with_ports(*protocol, set))
        .collect();
    terms.extend(
        icmp.iter()
            .map(|((v6, codes), kinds)| icmp_term(*v6, kinds, codes)),
    );
    let wide = others.iter().any(|(first, last)| last - first > 8);
    if wide {
        terms.push("other protocols".to_owned());
    } else {
        let numbers = others.iter().flat_map(|(first, last)| first..=last);
        terms.extend(numbers.map(|number| Protocol::Number(number).to_string()));
    }
    terms
}

fn with_ports(protocol: u8, set: &Intervals<u16>) -> String {
    let protocol = Protocol::Number(protocol);
    let rest = complement(set, (0, u16::MAX));
    if rest.is_empty() {
        return protocol.to_string();
    }
    let term = |set: &Intervals<u16>| Term::Protocol {
        protocol,
        ports: set
            .iter()
            .map(|(first, last)| PortRange { first, last })
            .collect(),
        icmp: Vec::new(),
    };
    if rest.len() < set.len() {
        format!("{protocol} except {}", numbers(&rest))
    } else {
        term(set).to_string()
    }
}

fn icmp_term(v6: bool, kinds: &Intervals<u8>, codes: &Intervals<u8>) -> String {
    let protocol = if v6 { Protocol::ICMPV6 } else { Protocol::ICMP };
    // Discovery is apart, so that its gap means nothing.
    let every = if v6 {
        complement(&discovery(), (0, u8::MAX))
    } else {
        Intervals::range(0, u8::MAX)
    };
    let all_codes = complement(codes, (0, u8::MAX)).is_empty();
    if *kinds == every {
        return match all_codes {
            true => protocol.to_string(),
            false => format!("{protocol} with code {}", numbers(codes)),
        };
    }
    let count: u32 = kinds.iter().map(|(a, b)| u32::from(b - a) + 1).sum();
    let one_code = codes
        .iter()
        .next()
        .filter(|(a, b)| a == b && codes.len() == 1);
    if count > 8 || !(all_codes || one_code.is_some()) {
        let codes = match all_codes {
            true => String::new(),
            false => format!(" with code {}", numbers(codes)),
        };
        let rest: Intervals<u8> = every
            .iter()
            .flat_map(|(first, last)| first..=last)
            .filter(|kind| !kinds.contains(*kind))
            .map(|kind| (kind, kind))
            .collect();
        return if rest.len() < kinds.len() {
            format!("{protocol} except {}{codes}", numbers(&rest))
        } else {
            format!("{protocol} {}{codes}", numbers(kinds))
        };
    }
    let code = one_code.map(|(code, _)| code);
    let icmp = kinds
        .iter()
        .flat_map(|(first, last)| first..=last)
        .map(|kind| IcmpMatch { kind, code })
        .collect();
    Term::Protocol {
        protocol,
        ports: Vec::new(),
        icmp,
    }
    .to_string()
}

/// `80, 8000-8010`
pub(super) fn numbers<T: Discrete + Display>(set: &Intervals<T>) -> String {
    let words: Vec<String> = set
        .iter()
        .map(|(first, last)| {
            if first == last {
                first.to_string()
            } else {
                format!("{first}-{last}")
            }
        })
        .collect();
    words.join(", ")
}

fn complement<T: Discrete>(set: &Intervals<T>, universe: (T, T)) -> Intervals<T> {
    super::classes::classes(universe, &[set])
        .into_iter()
        .find(|class| class.within == [false])
        .map(|class| class.values)
        .unwrap_or_default()
}

/// The first few, and how many more.
pub(crate) fn few<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    let words: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    let (shown, more) = words.split_at(words.len().min(FEW));
    match more.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

const FEW: usize = 6;
