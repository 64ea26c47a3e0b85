//! What a change means for traffic: two judges are asked about the same frames, and where they
//! differ is told in the words of the policy. Knows which frames tell policies apart; what happens
//! to a frame is left to the judges.
//!
//! Frames are not all tried: values that no condition of either side tells apart form a class, and
//! one witness stands for it; ports that are alike but for their own addresses share witnesses.

mod classes;
mod compare;
mod exotic;
mod identity;
mod judge;
mod link;
mod peers;
mod reach;
mod report;
mod services;
mod specials;
mod witness;
mod words;

#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) use tests::observation as observation_for_tests;

use std::collections::BTreeMap;

pub use judge::{Judge, JudgedPort, Landmarks};
pub use reach::{Conversation, Reach, reach, who_can_talk};
pub use report::{Change, Meaning, PortLine};
pub(crate) use words::few;

use compare::{Fact, Side, compare, compare_identity};
use judge::same_policy;

/// What becomes allowed and denied where `after` replaces `before`, for ports that both know.
#[must_use]
pub fn changes(before: &dyn Judge, after: &dyn Judge) -> Meaning {
    let olds = before.ports();
    let news = after.ports();
    let known: BTreeMap<&str, &JudgedPort> =
        olds.iter().map(|port| (port.name.as_str(), port)).collect();
    let mut meaning = Meaning::of_ports(before, after, &olds, &news);
    let mut groups: BTreeMap<Group<'_>, Vec<(&JudgedPort, &JudgedPort)>> = BTreeMap::new();
    for new in &news {
        if let Some(old) = known.get(new.name.as_str()) {
            groups
                .entry(Group::of(old, new))
                .or_default()
                .push((old, new));
        }
    }
    let mut facts: BTreeMap<Fact, Vec<String>> = BTreeMap::new();
    for ports in groups.values() {
        let Some((old, new)) = ports.first() else {
            continue;
        };
        let sides = |old, new| {
            let before = Side {
                judge: before,
                port: old,
            };
            (
                before,
                Side {
                    judge: after,
                    port: new,
                },
            )
        };
        let equal = match (before.program(), after.program()) {
            (Some(before), Some(after)) => same_policy(before, after, (old, new)),
            _ => false,
        };
        if !equal {
            let (before, after) = sides(old, new);
            let compared = compare(before, after);
            meaning.complete &= compared.complete;
            let names = ports.iter().map(|(_, new)| new.name.clone());
            for fact in compared.facts {
                facts.entry(fact).or_default().extend(names.clone());
            }
        }
        for (old, new) in ports {
            if (old.mac, &old.ipv4, &old.ipv6) != (new.mac, &new.ipv4, &new.ipv6) {
                let (before, after) = sides(old, new);
                for fact in compare_identity(before, after) {
                    facts.entry(fact).or_default().push(new.name.clone());
                }
            }
        }
    }
    meaning.add(facts);
    meaning
}

/// Ports for which one witness speaks.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Group<'a> {
    behaviours: (&'a str, &'a str),
    networks: (&'a str, &'a str),
    /// Whether there is an IPv4 address, and an IPv6 address besides the link-local one.
    families: [(bool, bool); 2],
}

impl<'a> Group<'a> {
    fn of(old: &'a JudgedPort, new: &'a JudgedPort) -> Self {
        let families = |port: &JudgedPort| {
            let mut addresses = port.ipv6.iter();
            let global = addresses.any(|(first, _)| !first.is_unicast_link_local());
            (!port.ipv4.is_empty(), global)
        };
        Self {
            behaviours: (&old.alike, &new.alike),
            networks: (&old.network, &new.network),
            families: [families(old), families(new)],
        }
    }
}
