//! Addresses of others that two policies may tell apart, and what to call them.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::classes::{Class, classes, representative};
use super::judge::Landmarks;
use crate::intervals::{Discrete, Intervals};
use crate::program::{AddressSet, Values};

/// Addresses of one family that no condition tells apart.
#[derive(Clone, Debug)]
pub(super) struct PeerClass {
    pub(super) witness: IpAddr,
    pub(super) values: AddressSet,
    /// In which of [`Peers::names`].
    within: BTreeSet<usize>,
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Peers {
    pub(super) classes: Vec<PeerClass>,
    /// What people call the named sets; literal sets have no name.
    names: Vec<Option<String>>,
}

const LIKELY_V4: [Ipv4Addr; 4] = [
    Ipv4Addr::new(203, 0, 113, 77),
    Ipv4Addr::new(198, 51, 100, 77),
    Ipv4Addr::new(9, 9, 9, 9),
    Ipv4Addr::new(93, 184, 216, 34),
];
const LIKELY_V6: [Ipv6Addr; 3] = [
    Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 0x77),
    Ipv6Addr::new(0x2620, 0xfe, 0, 0, 0, 0, 0, 0xfe),
    Ipv6Addr::new(0x2a00, 0x1450, 0, 0, 0, 0, 0, 0x77),
];

/// Names come from the last of `landmarks` that knows them: a sentence speaks of what will be.
pub(super) fn peers(landmarks: &[Landmarks]) -> Peers {
    let mut sets: Vec<(Option<String>, AddressSet)> = Vec::new();
    let mut named = BTreeSet::new();
    for landmarks in landmarks.iter().rev() {
        let values = landmarks.matches.iter().flat_map(|(_, all)| all);
        for values in values.map(|condition| &condition.values) {
            let (name, set) = match values {
                Values::Addresses(set) => (None, set.clone()),
                Values::AddressSet(name) => match landmarks.address_sets.get(name) {
                    Some(set) => (Some(spoken(name)), AddressSet::clone(set)),
                    None => continue,
                },
                _ => continue,
            };
            if sets.iter().any(|known| known.1 == set && known.0 == name) {
                continue;
            }
            let fresh = name.as_ref().is_none_or(|name| named.insert(name.clone()));
            sets.push((name.filter(|_| fresh), set));
        }
    }
    let mut found = Peers {
        names: sets.iter().map(|(name, _)| name.clone()).collect(),
        ..Peers::default()
    };
    let v4: Vec<&Intervals<Ipv4Addr>> = sets.iter().map(|(_, set)| &set.ipv4).collect();
    let universe = (Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST);
    for class in classes(universe, &v4) {
        let witness = pick(&class, &LIKELY_V4, |address| {
            !address.is_unspecified() && !address.is_multicast() && !address.is_broadcast()
        });
        let values = AddressSet {
            ipv4: class.values,
            ..AddressSet::default()
        };
        found.push(witness.map(IpAddr::V4), values, &class.within);
    }
    let v6: Vec<&Intervals<Ipv6Addr>> = sets.iter().map(|(_, set)| &set.ipv6).collect();
    let universe = (Ipv6Addr::UNSPECIFIED, Ipv6Addr::from(u128::MAX));
    for class in classes(universe, &v6) {
        let witness = pick(&class, &LIKELY_V6, |address| {
            !address.is_unspecified() && !address.is_multicast()
        });
        let values = AddressSet {
            ipv6: class.values,
            ..AddressSet::default()
        };
        found.push(witness.map(IpAddr::V6), values, &class.within);
    }
    found
}

fn pick<T: Discrete>(class: &Class<T>, likely: &[T], usual: fn(T) -> bool) -> Option<T> {
    let ends = class.values.iter().flat_map(|(first, last)| {
        [
            Some(first),
            first.successor().filter(|next| *next <= last),
            Some(last),
        ]
    });
    let mut candidates = likely
        .iter()
        .copied()
        .filter(|address| class.values.contains(*address))
        .chain(ends.flatten());
    candidates
        .find(|address| usual(*address))
        .or_else(|| representative(&class.values, likely))
}

/// `group-admins` is `@admins` in a rule.
fn spoken(name: &str) -> String {
    for (prefix, word) in [("group-", "@"), ("network-", "network:"), ("vm-", "vm:")] {
        if let Some(rest) = name.strip_prefix(prefix) {
            return format!("{word}{rest}");
        }
    }
    name.to_owned()
}

impl Peers {
    fn push(&mut self, witness: Option<IpAddr>, values: AddressSet, within: &[bool]) {
        if let Some(witness) = witness {
            self.classes.push(PeerClass {
                witness,
                values,
                within: (0..within.len())
                    .filter(|index| within.get(*index) == Some(&true))
                    .collect(),
            });
        }
    }

    /// What to call these classes (indices) among `all` that could have been meant.
    pub(super) fn describe(&self, chosen: &BTreeSet<usize>, all: &BTreeSet<usize>) -> Vec<String> {
        if chosen == all {
            return vec!["anyone".to_owned()];
        }
        for (v6, word) in [(false, "any IPv4 address"), (true, "any IPv6 address")] {
            let family: BTreeSet<usize> = self.family(all, v6);
            if !family.is_empty() && *chosen == family {
                return vec![word.to_owned()];
            }
        }
        let direct = self.cover(chosen, all);
        let rest: BTreeSet<usize> = all.difference(chosen).copied().collect();
        let families = [false, true].map(|v6| !self.family(chosen, v6).is_empty());
        let both = families == [false, true].map(|v6| !self.family(all, v6).is_empty());
        if both {
            let except = self.cover(&rest, all);
            if except.len() < direct.len() {
                return vec![format!("anyone except {}", except.join(", "))];
            }
        }
        direct
    }

    fn family(&self, of: &BTreeSet<usize>, v6: bool) -> BTreeSet<usize> {
        let is = |index: &&usize| {
            let class = self.classes.get(**index);
            class.is_some_and(|class| class.witness.is_ipv6() == v6)
        };
        of.iter().filter(is).copied().collect()
    }

    /// Names that together are the chosen classes, the largest first; then bare addresses.
    fn cover(&self, chosen: &BTreeSet<usize>, all: &BTreeSet<usize>) -> Vec<String> {
        let mut open = chosen.clone();
        let mut words = Vec::new();
        loop {
            let best = self
                .names
                .iter()
                .enumerate()
                .filter_map(|(index, name)| Some((index, name.as_ref()?)))
                .map(|(index, name)| (self.members(index, all), name))
                .filter(|(members, _)| members.is_subset(chosen))
                .max_by_key(|(members, _)| members.intersection(&open).count());
            match best {
                Some((members, name)) if members.intersection(&open).count() > 0 => {
                    open.retain(|index| !members.contains(index));
                    words.push(name.clone());
                }
                _ => break,
            }
        }
        let rest = open.iter().filter_map(|index| self.classes.get(*index));
        let mut bare = AddressSet::default();
        for class in rest {
            bare.ipv4 = bare.ipv4.union(&class.values.ipv4);
            bare.ipv6 = bare.ipv6.union(&class.values.ipv6);
        }
        words.extend(bare.ipv4.iter().map(|(a, b)| range(a.into(), b.into())));
        words.extend(bare.ipv6.iter().map(|(a, b)| range(a.into(), b.into())));
        words
    }

    fn members(&self, name: usize, all: &BTreeSet<usize>) -> BTreeSet<usize> {
        let is = |index: &&usize| {
            let class = self.classes.get(**index);
            class.is_some_and(|class| class.within.contains(&name))
        };
        all.iter().filter(is).copied().collect()
    }
}

/// `10.0.0.5`, `10.0.0.0/8` or `10.0.0.5-10.0.0.9`.
pub(crate) fn range(first: IpAddr, last: IpAddr) -> String {
    if first == last {
        return first.to_string();
    }
    let (low, high, width) = match (first, last) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (u128::from(u32::from(a)), u128::from(u32::from(b)), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => (u128::from(a), u128::from(b), 128),
        _ => return format!("{first}-{last}"),
    };
    let span = low ^ high;
    let host_bits = 128 - span.leading_zeros();
    // A prefix: only host bits differ, all zero at the first and all one at the last address.
    if (span & span.wrapping_add(1)) == 0 && low & span == 0 {
        format!("{first}/{}", width - host_bits)
    } else {
        format!("{first}-{last}")
    }
}
