//! Two programs that differ little → the change between their tables, at the cost of what differs.
//! Pure; that the first program is what the kernel carries out is for `session` to know.

use std::collections::BTreeSet;
use std::sync::Arc;

use ::datapath::Capabilities;
use nftables::{Installed, Rule};
use policy::HostProgram;
use policy::document::Limits;
use policy::program::PortProgram;

use crate::difference::{Change, advance};
use crate::lower::{arp_verdict, shared, takes_all_arp, tracks, with_ports};
use crate::ruleset::Ruleset;

/// What ports are lowered onto when only ports changed: the shared part without its contents.
#[derive(Debug)]
pub(crate) struct Skeleton(Ruleset);

impl Skeleton {
    pub(crate) fn of(program: &HostProgram, capabilities: &Capabilities) -> Self {
        let mut ruleset = shared(program, capabilities);
        for contents in ruleset.chains.values_mut() {
            contents.rules.clear();
        }
        for contents in ruleset.sets.values_mut() {
            contents.elements.clear();
        }
        ruleset.objects.clear();
        Self(ruleset)
    }
}

/// Whether all that is not a port is the same in both.
pub(crate) fn shares_all(before: &HostProgram, after: &HostProgram) -> bool {
    (&before.bridges, &before.foreign) == (&after.bridges, &after.foreign)
        && before.behaviours == after.behaviours
        && before.lists == after.lists
        && before.address_sets == after.address_sets
        && before.mac_sets == after.mac_sets
}

/// The change where only ports differ. `None` where that touches a rule.
pub(crate) fn ports_alone(
    skeleton: &Skeleton,
    before: &HostProgram,
    after: &HostProgram,
    generation: u32,
) -> Option<Change> {
    let parts = Parts::between(before, after, &BTreeSet::new());
    let lowered = |ports: &[&Arc<PortProgram>], program: &HostProgram| {
        with_ports(skeleton.0.clone(), program, ports.iter().copied())
    };
    let (current, desired) = (lowered(&parts.before, before), lowered(&parts.after, after));
    if current.chains != desired.chains {
        return None;
    }
    advance(&current, &desired, &[], generation)
}

/// The change where shared parts differ; `rules` are those that are installed.
pub(crate) fn with_shared(
    before: &HostProgram,
    after: &HostProgram,
    capabilities: &Capabilities,
    rules: &[Installed<Rule>],
    generation: u32,
) -> Option<Change> {
    if tracks(before) != tracks(after) {
        return None;
    }
    let (current, desired) = (shared(before, capabilities), shared(after, capabilities));
    // A behaviour that changes leads its ports' elements elsewhere.
    let moved: BTreeSet<&str> = before
        .behaviours
        .values()
        .filter(|one| {
            after.behaviours.get(&one.name) != Some(*one)
                || arp_verdict(&current, one) != arp_verdict(&desired, one)
                || takes_all_arp(&current, one) != takes_all_arp(&desired, one)
        })
        .map(|one| one.name.as_str())
        .collect();
    let parts = Parts::between(before, after, &moved);
    let current = with_ports(current, before, parts.before.iter().copied());
    let desired = with_ports(desired, after, parts.after.iter().copied());
    advance(&current, &desired, rules, generation)
}

/// The ports that differ, and of the others as many as it takes for everything to be there that
/// some port needs: chains and maps that exist only where a port uses them.
struct Parts<'a> {
    before: Vec<&'a Arc<PortProgram>>,
    after: Vec<&'a Arc<PortProgram>>,
}

impl<'a> Parts<'a> {
    fn between(before: &'a HostProgram, after: &'a HostProgram, moved: &BTreeSet<&str>) -> Self {
        let mut parts = Self {
            before: Vec::new(),
            after: Vec::new(),
        };
        let mut same: Vec<&Arc<PortProgram>> = Vec::new();
        let (mut old, mut new) = (
            before.ports.values().peekable(),
            after.ports.values().peekable(),
        );
        // Both by name: a walk along both is a search of neither.
        loop {
            match (old.peek(), new.peek()) {
                (None, None) => break,
                (Some(one), Some(other)) if one.name == other.name => {
                    let moves = moved.contains(one.behaviour.as_str());
                    if !moves && (Arc::ptr_eq(one, other) || one == other) {
                        same.push(one);
                    } else {
                        parts.before.push(one);
                        parts.after.push(other);
                    }
                    old.next();
                    new.next();
                }
                (Some(one), other) if other.is_none_or(|other| one.name < other.name) => {
                    parts.before.push(one);
                    old.next();
                }
                (_, Some(other)) => {
                    parts.after.push(other);
                    new.next();
                }
                (Some(_), None) => break, // the arm before the last has taken it
            }
        }
        let differing = parts.before.iter().chain(&parts.after);
        let addresses: BTreeSet<_> = differing
            .map(|port| (port.bridge.as_str(), port.mac))
            .collect();
        let mut seen = BTreeSet::new();
        for port in same {
            let twin = addresses.contains(&(port.bridge.as_str(), port.mac));
            if seen.insert(Needs::of(port)) || twin {
                parts.before.push(port);
                parts.after.push(port);
            }
        }
        parts
    }
}

/// What exists only because a port needs it.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Needs<'a> {
    /// Its guards say what becomes of addresses.
    behaviour: &'a str,
    zone: u16,
    /// Ranges of IPv4, of ARP alone, of IPv6.
    ranges: [bool; 3],
    limits: [bool; 4],
}

impl<'a> Needs<'a> {
    fn of(port: &'a PortProgram) -> Self {
        let Limits {
            outward,
            inward,
            out_broadcast,
            in_broadcast,
        } = &port.limits;
        Self {
            behaviour: &port.behaviour,
            zone: port.zone,
            ranges: [
                port.ipv4.iter().any(|(first, last)| first != last),
                // Next to the address that a probe has: they become one range.
                port.ipv4.contains(std::net::Ipv4Addr::new(0, 0, 0, 1)),
                port.ipv6.iter().any(|(first, last)| first != last),
            ],
            limits: [
                outward.is_some(),
                inward.is_some(),
                out_broadcast.is_some(),
                in_broadcast.is_some(),
            ],
        }
    }
}

#[cfg(test)]
mod tests;
