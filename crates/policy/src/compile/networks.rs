//! Isolation: who is a member of which network in which role, and what follows for its neighbours.
//! Knows MAC addresses; that every sender really uses its own is what the implied MAC guard is for.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use frame::MacAddress;

use crate::catalog::Catalog;
use crate::document::{self, Network, Port, Role};
use crate::program::{Isolation, MacSet};

use super::identity;

/// Ports whose untagged frames reach each other: a bridge, or one VLAN of it.
type Domain<'a> = (&'a str, Option<u16>);

pub(super) struct Networks<'a> {
    catalog: &'a Catalog,
    /// Broadcast domains in which a network isolates by source MAC.
    guarded: BTreeSet<Domain<'a>>,
    zones: BTreeMap<&'a str, u16>,
    /// Every set that a port may name, made when the first port does: open networks need none.
    sets: OnceCell<BTreeMap<String, Arc<MacSet>>>,
}

impl<'a> Networks<'a> {
    pub(super) fn new(catalog: &'a Catalog) -> Self {
        let isolating = |network: &&Network| network.isolation != document::Isolation::Open;
        let guarded = catalog
            .networks
            .values()
            .filter(isolating)
            .map(domain)
            .collect();
        Self {
            catalog,
            guarded,
            zones: zones(catalog),
            sets: OnceCell::new(),
        }
    }

    /// Whether ports of the network must be held to their MAC whatever their profile says:
    /// isolation rests on source MACs, so one liar in a broadcast domain voids it for all.
    pub(super) fn implies_mac_guard(&self, network: &str) -> bool {
        self.catalog
            .networks
            .get(network)
            .is_some_and(|network| network.mac_filter || self.guarded.contains(&domain(network)))
    }

    /// Whether a port of this network is safe without a profile of its own.
    pub(super) fn protects_by_itself(&self, network: &str) -> bool {
        self.catalog.networks.get(network).is_some_and(|network| {
            network.mac_filter || network.isolation != document::Isolation::Open
        })
    }

    /// The zone of a port's connections; 0 for one that another network of its bridge may talk to
    /// as well: its connections belong to whomever it talks to, or else the two directions of one
    /// would be looked for in different zones.
    pub(super) fn zone(&self, port: &Port) -> u16 {
        let own = self.catalog.networks.get(&port.network);
        let between = self.catalog.networks.values().any(|network| {
            network.name != port.network
                && own.is_some_and(|own| own.bridge == network.bridge)
                && (network.gateways.contains(&port.mac) || network.promiscuous.contains(&port.mac))
        });
        if between {
            0
        } else {
            self.zones.get(port.network.as_str()).copied().unwrap_or(1)
        }
    }

    pub(super) fn isolation(&self, port: &Port) -> Option<Isolation> {
        let network = self.catalog.networks.get(&port.network)?;
        let name = &network.name;
        let (sources, reason) = match network.isolation {
            document::Isolation::Open => return None,
            document::Isolation::Members => (vec![members(name)], format!("a member of {name}")),
            document::Isolation::Private => match role(network, port) {
                Role::Promiscuous => (vec![members(name)], format!("promiscuous in {name}")),
                Role::Isolated => (vec![promiscuous(name)], format!("isolated in {name}")),
                Role::Community(of) => (
                    vec![promiscuous(name), community(name, &of)],
                    format!("of community {of} in {name}"),
                ),
            },
        };
        Some(Isolation {
            sources,
            reason,
            origin: network.origin.clone(),
        })
    }

    pub(super) fn mac_set(&self, name: &str) -> Arc<MacSet> {
        let sets = self.sets.get_or_init(|| sets(self.catalog));
        sets.get(name).cloned().unwrap_or_default()
    }
}

fn domain(network: &Network) -> Domain<'_> {
    (network.bridge.as_str(), network.vlan)
}

fn members(network: &str) -> String {
    format!("members-{}", identity::word(network))
}

fn promiscuous(network: &str) -> String {
    format!("promiscuous-{}", identity::word(network))
}

fn community(network: &str, name: &str) -> String {
    format!(
        "community-{}-{}",
        identity::word(network),
        identity::word(name)
    )
}

/// What the port says of itself, unless the network's own lists name it.
pub(super) fn role(network: &Network, port: &Port) -> Role {
    if network.promiscuous.contains(&port.mac) {
        return Role::Promiscuous;
    }
    let mac = port.mac.to_string();
    let names = |member: &String| {
        *member == port.name
            || Some(member) == port.vm.as_ref()
            || member.eq_ignore_ascii_case(&mac)
    };
    match &port.role {
        Role::Isolated => {
            let listed = network
                .communities
                .iter()
                .find(|(_, list)| list.iter().any(names));
            listed.map_or(Role::Isolated, |(name, _)| Role::Community(name.clone()))
        }
        said => said.clone(),
    }
}

fn sets(catalog: &Catalog) -> BTreeMap<String, Arc<MacSet>> {
    let mut sets: BTreeMap<String, MacSet> = BTreeMap::new();
    for network in catalog.networks.values() {
        let mut add = |name: String, macs: &mut dyn Iterator<Item = MacAddress>| {
            sets.entry(name).or_default().macs.extend(macs);
        };
        let mut outside = network.promiscuous.union(&network.gateways).copied();
        add(promiscuous(&network.name), &mut outside);
        let mut everybody = network
            .promiscuous
            .iter()
            .chain(&network.gateways)
            .chain(&network.members)
            .copied();
        add(members(&network.name), &mut everybody);
        for (name, list) in &network.communities {
            // Names of ports and VMs are found below, with the ports.
            let mut macs = list.iter().filter_map(|member| member.parse().ok());
            add(community(&network.name, name), &mut macs);
            let mut macs = list.iter().filter_map(|member| member.parse().ok());
            add(members(&network.name), &mut macs);
        }
        if let Some(prefix) = network.mac_prefix {
            let masked = (prefix.address, prefix_mask(prefix.length));
            sets.entry(members(&network.name))
                .or_default()
                .masked
                .push(masked);
        }
    }
    for port in catalog.ports.values() {
        let Some(network) = catalog.networks.get(&port.network) else {
            continue;
        };
        let mut add = |name: String| {
            sets.entry(name).or_default().macs.insert(port.mac);
        };
        add(members(&network.name));
        match role(network, port) {
            Role::Isolated => {}
            Role::Promiscuous => add(promiscuous(&network.name)),
            Role::Community(name) => add(community(&network.name, &name)),
        }
    }
    sets.into_iter()
        .map(|(name, set)| (name, Arc::new(set)))
        .collect()
}

fn prefix_mask(length: u8) -> MacAddress {
    let bits = u64::MAX << (48 - u32::from(length.min(48)));
    let [_, _, mask @ ..] = bits.to_be_bytes();
    MacAddress(mask)
}

/// One zone for each network that isolates, one for all the open networks of a broadcast domain,
/// which exchange frames and must find each other's connections; and where a gateway or promiscuous
/// member of one network is a port of another, both have the same, for the question comes from the
/// one and the answer from the other. Numbers come from names, so that a restart or an unrelated
/// network's arrival finds the connections where they were.
fn zones(catalog: &Catalog) -> BTreeMap<&str, u16> {
    let mut owners: BTreeMap<&str, String> = catalog
        .networks
        .values()
        .map(|network| (network.name.as_str(), owner(network)))
        .collect();
    for (one, other) in shared(catalog) {
        let (Some(first), Some(second)) = (owners.get(one), owners.get(other)) else {
            continue;
        };
        // The smaller name stays: `bridge …` before `network …`, whichever is met first.
        let (kept, given_up) = (first.min(second).clone(), first.max(second).clone());
        for owner in owners.values_mut().filter(|owner| **owner == given_up) {
            owner.clone_from(&kept);
        }
    }
    let mut taken: BTreeMap<u16, String> = BTreeMap::new();
    let mut zones = BTreeMap::new();
    for (network, owner) in owners {
        let mut zone = (identity::hash(&[&owner]) % 0xffff) as u16 + 1;
        while taken.get(&zone).is_some_and(|other| *other != owner) {
            zone = zone % 0xffff + 1;
        }
        taken.insert(zone, owner);
        zones.insert(network, zone);
    }
    zones
}

/// Whose connections a network's are, seen by itself.
fn owner(network: &Network) -> String {
    match network.isolation {
        document::Isolation::Open => {
            let vlan = network.vlan.map_or(String::new(), |vlan| vlan.to_string());
            format!("bridge {} {vlan}", network.bridge)
        }
        _ => format!("network {}", network.name),
    }
}

/// Networks of one broadcast domain of which the first lets a port of the second in.
fn shared(catalog: &Catalog) -> BTreeSet<(&str, &str)> {
    let mut homes: BTreeMap<MacAddress, Vec<&Network>> = BTreeMap::new();
    for port in catalog.ports.values() {
        if let Some(network) = catalog.networks.get(&port.network) {
            homes.entry(port.mac).or_default().push(network);
        }
    }
    let mut shared = BTreeSet::new();
    for network in catalog.networks.values() {
        let outsiders = network.gateways.union(&network.promiscuous);
        let found = outsiders.flat_map(|mac| homes.get(mac).into_iter().flatten());
        for home in found.filter(|home| domain(home) == domain(network)) {
            shared.insert((network.name.as_str(), home.name.as_str()));
        }
    }
    shared
}
