//! What the profiles of a port say together: includes, order, inheritance and variables.

use std::collections::BTreeSet;

use crate::catalog::Catalog;
use crate::document::{Guard, Limits, Port, Profile, RejectMode, Stateful};
use crate::intervals::Intervals;
use crate::learn::{Learn, Learning};
use crate::origin::Origin;
use crate::rule::{FieldValue, Peer, Rule, Verdict};

use super::identity;

/// Several profiles as one: the first that says something decides, guards add up.
#[derive(Debug)]
pub(super) struct EffectiveProfile<'a> {
    /// The names that the port lists, joined by `-`.
    pub(super) name: String,
    /// In the order in which their rules are considered.
    pub(super) parts: Vec<&'a Profile>,
    pub(super) versions: Vec<String>,
    pub(super) guards: BTreeSet<Guard>,
    pub(super) stateful: Stateful,
    pub(super) reject: RejectMode,
    pub(super) dhcp: bool,
    /// Of the first profile that says.
    pub(super) learn: Option<&'a Learn>,
    pub(super) tagged: Intervals<u16>,
    pub(super) ethertypes: BTreeSet<u16>,
    pub(super) limits: Limits,
    pub(super) default_in: EffectiveDefault,
    pub(super) default_out: EffectiveDefault,
}

#[derive(Debug)]
pub(super) struct EffectiveDefault {
    pub(super) profile: String,
    pub(super) verdict: Verdict,
    pub(super) audit: bool,
    pub(super) origin: Origin,
}

impl<'a> EffectiveProfile<'a> {
    /// Without names: what a port of a network that protects by itself has, which is everything open.
    pub(super) fn new(catalog: &'a Catalog, names: &[String]) -> Result<Self, String> {
        let mut parts: Vec<&'a Profile> = Vec::new();
        for name in names {
            collect(catalog, name, &mut parts)?;
        }
        let first = |side: fn(&Profile) -> Option<Verdict>, otherwise: Verdict| {
            let said = parts
                .iter()
                .find_map(|part| side(part).map(|verdict| (*part, verdict)));
            let (part, verdict) = match said {
                Some((part, verdict)) => (Some(part), verdict),
                None => (parts.first().copied(), otherwise),
            };
            EffectiveDefault {
                profile: part.map_or_else(|| "no-profile".to_owned(), |part| part.name.clone()),
                verdict,
                audit: parts.first().is_some_and(|part| part.audit),
                origin: part.map(|part| part.origin.clone()).unwrap_or_default(),
            }
        };
        let open = parts.is_empty();
        let mut guards: BTreeSet<Guard> = parts
            .iter()
            .flat_map(|part| part.guards.iter().copied())
            .collect();
        // An address means nothing on a port that may take any MAC.
        if [Guard::Ipv4, Guard::Ipv6, Guard::Arp, Guard::Nd]
            .iter()
            .any(|guard| guards.contains(guard))
        {
            guards.insert(Guard::Mac);
        }
        let limit = |side: fn(&Limits) -> Option<crate::document::Rate>| {
            parts.iter().find_map(|part| side(&part.limits))
        };
        Ok(Self {
            name: if open {
                "no-profile".to_owned()
            } else {
                names.join("-")
            },
            versions: parts
                .iter()
                .map(|part| format!("{}@{}", part.name, part.version))
                .collect(),
            guards,
            stateful: match parts.iter().find_map(|part| part.stateful) {
                Some(stateful) => stateful,
                None if open => Stateful::Off,
                None => Stateful::default(),
            },
            reject: parts
                .iter()
                .find_map(|part| part.reject)
                .unwrap_or_default(),
            dhcp: parts.iter().find_map(|part| part.dhcp).unwrap_or(true),
            learn: parts.iter().find_map(|part| part.learn.as_ref()),
            tagged: parts
                .iter()
                .flat_map(|part| part.tagged.iter().copied())
                .collect(),
            ethertypes: parts
                .iter()
                .flat_map(|part| part.ethertypes.iter().copied())
                .collect(),
            limits: Limits {
                inward: limit(|limits| limits.inward),
                outward: limit(|limits| limits.outward),
                out_broadcast: limit(|limits| limits.out_broadcast),
                in_broadcast: limit(|limits| limits.in_broadcast),
            },
            default_in: first(
                |part| part.default_in,
                if open { Verdict::Accept } else { Verdict::Drop },
            ),
            default_out: first(|part| part.default_out, Verdict::Accept),
            parts,
        })
    }
}

/// Depth first, own rules before those of includes; a profile that comes twice counts once.
fn collect<'a>(
    catalog: &'a Catalog,
    name: &str,
    parts: &mut Vec<&'a Profile>,
) -> Result<(), String> {
    let profile = catalog
        .profiles
        .get(name)
        .ok_or_else(|| format!("no document declares profile {name}"))?;
    if parts.iter().any(|part| part.name == profile.name) {
        return Ok(());
    }
    parts.push(profile);
    profile
        .include
        .iter()
        .try_for_each(|include| collect(catalog, include, parts))
}

/// The variables that a port's rules see: its own, then its profiles', then `MAC`, `IP`, `IPV4`
/// and `IPV6`, which every port has.
pub(super) struct Variables<'a> {
    port: &'a Port,
    profiles: &'a EffectiveProfile<'a>,
    learning: Option<&'a Learning>,
    /// What it has learned, where that counts.
    learned: &'a [ipnet::IpNet],
}

impl<'a> Variables<'a> {
    pub(super) fn new(
        port: &'a Port,
        profiles: &'a EffectiveProfile<'a>,
        learning: Option<&'a Learning>,
        learned: &'a [ipnet::IpNet],
    ) -> Self {
        Self {
            port,
            profiles,
            learning,
            learned,
        }
    }

    /// Whether the variable has no value yet, but may get one: an address that is still to be
    /// learned. A rule cannot be told to match, nor not to.
    pub(super) fn pending(&self, name: &str) -> bool {
        let Some(learning) = self.learning.filter(|learning| learning.binds()) else {
            return false;
        };
        let may_come = match name {
            "IP" => learning.ipv4 > 0 || learning.ipv6 > 0,
            "IPV4" => learning.ipv4 > 0,
            "IPV6" => learning.ipv6 > 0,
            _ => false,
        };
        may_come && self.get(name).is_some_and(|values| values.is_empty())
    }

    /// The values of a variable, or `None` where nobody defines it. A list may be empty.
    pub(super) fn get(&self, name: &str) -> Option<Vec<FieldValue>> {
        if let Some(values) = self.port.variables.get(name) {
            return Some(values.clone());
        }
        if let Some(values) = self
            .profiles
            .parts
            .iter()
            .find_map(|part| part.variables.get(name))
        {
            return Some(values.clone());
        }
        let addresses = |keep: fn(&ipnet::IpNet) -> bool| {
            let all = self.port.addresses.iter().chain(self.learned);
            let kept = all.filter(|address| keep(address));
            kept.map(|net| FieldValue::Address(net.network(), last_address(net)))
                .collect()
        };
        match name {
            "MAC" => Some(vec![FieldValue::Mac {
                value: self.port.mac,
                mask: frame::MacAddress([0xff; 6]),
            }]),
            "IP" => Some(addresses(|_| true)),
            "IPV4" => Some(addresses(|net| matches!(net, ipnet::IpNet::V4(_)))),
            "IPV6" => Some(addresses(|net| matches!(net, ipnet::IpNet::V6(_)))),
            _ => None,
        }
    }

    /// `None` where the rules read the same for every port; else what tells this port's reading
    /// from others': its own name where it supplies a value itself, or its profiles' names.
    pub(super) fn scope(&self, rules: &[Rule]) -> Option<String> {
        let used = variables_of(rules);
        if used.is_empty() {
            return None;
        }
        let from_profiles = |name: &str| {
            !self.port.variables.contains_key(name)
                && self
                    .profiles
                    .parts
                    .iter()
                    .any(|part| part.variables.contains_key(name))
        };
        Some(if used.iter().all(|name| from_profiles(name)) {
            format!("for-{}", identity::word(&self.profiles.name))
        } else {
            format!("of-{}", identity::word(&self.port.name))
        })
    }
}

/// The last address of a prefix; the address itself for a host route.
pub(super) fn last_address(net: &ipnet::IpNet) -> std::net::IpAddr {
    match net {
        // `broadcast()` is the all-ones address also for /31, /32 and IPv6.
        ipnet::IpNet::V4(net) => net.broadcast().into(),
        ipnet::IpNet::V6(net) => net.broadcast().into(),
    }
}

fn variables_of(rules: &[Rule]) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    for rule in rules {
        for peer in &rule.peers {
            if let Peer::Variable(name) = peer {
                names.insert(name.as_str());
            }
        }
        for value in rule.with.iter().flat_map(|field| &field.values) {
            if let FieldValue::Variable(name) = value {
                names.insert(name.as_str());
            }
        }
    }
    names
}
