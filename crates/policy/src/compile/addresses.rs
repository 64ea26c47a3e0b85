//! Addresses of groups, networks and VMs. Knows declared ports wherever they are, and what they have
//! learned; whether a port may learn is left to whoever asks.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use ipnet::IpNet;

use crate::catalog::Catalog;
use crate::document::{Member, Port};
use crate::intervals::Intervals;
use crate::program::AddressSet;

use super::identity;
use super::profiles::last_address;

/// A set of addresses that a rule names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SetName {
    Group(String),
    Network(String),
    Vm(String),
}

impl SetName {
    /// Its key in the program.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Group(name) => format!("group-{}", identity::word(name)),
            Self::Network(name) => format!("network-{}", identity::word(name)),
            Self::Vm(name) => format!("vm-{}", identity::word(name)),
        }
    }
}

/// Resolves sets, each once.
pub(super) struct AddressSets<'a> {
    catalog: &'a Catalog,
    learned: BTreeMap<&'a str, Vec<IpNet>>,
    known: BTreeMap<SetName, Arc<AddressSet>>,
}

impl<'a> AddressSets<'a> {
    /// `learned`: by port, only of ports whose learned addresses count.
    pub(super) fn new(catalog: &'a Catalog, learned: BTreeMap<&'a str, Vec<IpNet>>) -> Self {
        Self {
            catalog,
            learned,
            known: BTreeMap::new(),
        }
    }

    /// What a port has learned.
    pub(super) fn learned(&self, port: &str) -> &[IpNet] {
        self.learned.get(port).map_or(&[], Vec::as_slice)
    }

    pub(super) fn resolve(&mut self, name: &SetName) -> Arc<AddressSet> {
        if let Some(known) = self.known.get(name) {
            return Arc::clone(known);
        }
        let mut parts = Parts::default();
        self.collect(name, &mut parts, &mut BTreeSet::new());
        let set = Arc::new(parts.finish());
        self.known.insert(name.clone(), Arc::clone(&set));
        set
    }

    fn port(&self, port: &Port, parts: &mut Parts) {
        parts.nets(&port.addresses);
        parts.nets(self.learned(&port.name));
    }

    /// `visited` ends the walk where groups contain each other: a member twice is a member once.
    fn collect(&self, name: &SetName, parts: &mut Parts, visited: &mut BTreeSet<SetName>) {
        if !visited.insert(name.clone()) {
            return;
        }
        let ports = self.catalog.ports.values();
        match name {
            SetName::Vm(vm) => ports
                .filter(|port| port.vm.as_ref() == Some(vm))
                .for_each(|port| self.port(port, parts)),
            SetName::Network(network) => {
                ports
                    .filter(|port| port.network == *network)
                    .for_each(|port| self.port(port, parts));
                let declared = self.catalog.networks.get(network);
                for net in declared.iter().flat_map(|network| &network.addresses) {
                    parts.range(net.network(), last_address(net));
                }
            }
            SetName::Group(group) => {
                let Some(group) = self.catalog.groups.get(group) else {
                    return;
                };
                if !group.select.is_empty() {
                    ports
                        .filter(|port| selects(&group.select, port))
                        .for_each(|port| self.port(port, parts));
                }
                for member in &group.members {
                    match member {
                        Member::Address(address) => parts.range(*address, *address),
                        Member::Prefix(net) => parts.range(net.network(), last_address(net)),
                        Member::Range(first, last) => parts.range(*first, *last),
                        Member::Vm(name) => {
                            self.collect(&SetName::Vm(name.clone()), parts, visited)
                        }
                        Member::Network(name) => {
                            self.collect(&SetName::Network(name.clone()), parts, visited);
                        }
                        Member::Group(name) => {
                            self.collect(&SetName::Group(name.clone()), parts, visited);
                        }
                    }
                }
            }
        }
    }
}

/// Whether the port carries all of these labels.
pub(super) fn selects(labels: &BTreeMap<String, String>, port: &Port) -> bool {
    labels
        .iter()
        .all(|(key, value)| port.labels.get(key) == Some(value))
}

/// The declared addresses of a port, and what it has learned.
pub(super) fn of_port(
    port: &Port,
    learned: &[IpNet],
) -> (Intervals<Ipv4Addr>, Intervals<Ipv6Addr>) {
    let mut parts = Parts::default();
    parts.nets(&port.addresses);
    parts.nets(learned);
    let set = parts.finish();
    (set.ipv4, set.ipv6)
}

#[derive(Default)]
pub(super) struct Parts {
    ipv4: Vec<(Ipv4Addr, Ipv4Addr)>,
    ipv6: Vec<(Ipv6Addr, Ipv6Addr)>,
}

impl Parts {
    pub(super) fn range(&mut self, first: IpAddr, last: IpAddr) {
        match (first, last) {
            (IpAddr::V4(first), IpAddr::V4(last)) => self.ipv4.push((first, last)),
            (IpAddr::V6(first), IpAddr::V6(last)) => self.ipv6.push((first, last)),
            // The language refuses ranges across families.
            _ => {}
        }
    }

    fn nets(&mut self, nets: &[IpNet]) {
        for net in nets {
            self.range(net.network(), last_address(net));
        }
    }

    pub(super) fn finish(self) -> AddressSet {
        AddressSet {
            ipv4: self.ipv4.into_iter().collect(),
            ipv6: self.ipv6.into_iter().collect(),
        }
    }
}
