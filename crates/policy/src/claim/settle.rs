//! Declared documents and claims → the documents that hold. Knows who is believed about what;
//! what the result means is left to the compiler.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};

use frame::MacAddress;

use crate::catalog::Catalog;
use crate::document::{Document, Network, Port};
use crate::origin::Origin;

use super::{Claim, ProfileSource};

/// What holds on this host.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settled {
    /// What people declared, and what claims add to it.
    pub catalog: Catalog,
    /// Where each port of it comes from, by port name.
    pub provenance: BTreeMap<String, Provenance>,
    /// Claimed ports that must pass nothing, with the reason, by port name. None of them is in the
    /// catalog: on a managed bridge their interfaces are in quarantine.
    pub refused: BTreeMap<String, String>,
}

impl Settled {
    /// What became of a claim that is the port of that name.
    pub(super) fn place(
        &mut self,
        name: &str,
        result: Result<Port, String>,
        host: Option<&str>,
        claim: &Claim,
        document: Option<&Port>,
    ) {
        match result {
            Ok(port) => {
                let provenance = Provenance {
                    source: claim.source.clone(),
                    profiles: profiles_of(&self.catalog, host, claim, document, &port),
                    notes: claim.notes.clone(),
                };
                self.provenance.insert(port.name.clone(), provenance);
                self.catalog.insert(Document::Port(port));
            }
            Err(reason) => {
                self.catalog.ports.remove(name);
                self.refused.insert(name.to_owned(), reason);
            }
        }
    }
}

/// Who says that a port exists, and where its profiles come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provenance {
    /// `documents`, or the source of its claim.
    pub source: String,
    /// Where its profiles were found; `None`: nobody names any.
    pub profiles: Option<ProfileSource>,
    pub notes: Vec<String>,
}

/// Brings documents and claims together.
///
/// A Port document and a claim are the same port where they have the same name, or where exactly
/// one of each has the MAC. The document then decides what it says, and the claim the rest; the
/// device is the claim's, for the source made it, and a name is reused. Claims never replace
/// declared documents: what a claim brings under a name that is declared is not used.
pub fn settle<C: Borrow<Claim>>(declared: &Catalog, host: Option<&str>, claims: &[C]) -> Settled {
    let claims = || claims.iter().map(Borrow::borrow);
    let mut settled = Settled {
        catalog: declared.clone(),
        ..Settled::default()
    };
    for claim in claims() {
        for document in &claim.documents {
            let named = claim.network.as_deref() == Some(document.name());
            if !names(declared, document) && (named || !covers(declared, document)) {
                settled.catalog.insert(document.clone());
            }
        }
    }
    let mut macs: BTreeMap<_, usize> = BTreeMap::new();
    for claim in claims().filter(|claim| claim.refused.is_none()) {
        *macs.entry(claim.mac).or_default() += 1;
    }
    let mut documents: BTreeMap<MacAddress, Vec<&Port>> = BTreeMap::new();
    for port in declared.ports.values() {
        documents.entry(port.mac).or_default().push(port);
    }
    let mut taken = BTreeSet::new();
    for claim in claims() {
        let document = declared.ports.get(&claim.port).or_else(|| {
            let alone = macs.get(&claim.mac) == Some(&1);
            match documents.get(&claim.mac).map(Vec::as_slice) {
                Some([only]) if alone => Some(only),
                _ => None,
            }
        });
        let name = document.map_or(&claim.port, |port| &port.name);
        let result = match &claim.refused {
            Some(reason) => Err(reason.clone()),
            None if !taken.insert(name.clone()) => {
                Err(format!("another claim is the port {name} already"))
            }
            None => port_of(&mut settled.catalog, claim, document),
        };
        settled.place(name, result, host, claim, document);
    }
    for port in declared.ports.values() {
        let known = settled.provenance.contains_key(&port.name);
        if !known && !settled.refused.contains_key(&port.name) {
            let profiles = fallback(declared, host, &port.network);
            settled.provenance.insert(
                port.name.clone(),
                Provenance {
                    source: "documents".to_owned(),
                    profiles: match port.profiles.is_empty() {
                        true => profiles,
                        false => Some(ProfileSource::PortDocument),
                    },
                    notes: Vec::new(),
                },
            );
        }
    }
    settled
}

fn names(catalog: &Catalog, document: &Document) -> bool {
    let name = document.name();
    match document {
        Document::Profile(_) => catalog.profiles.contains_key(name),
        Document::Group(_) => catalog.groups.contains_key(name),
        Document::Network(_) => catalog.networks.contains_key(name),
        Document::Service(_) => catalog.services.contains_key(name),
        Document::Policy(_) => catalog.policies.contains_key(name),
        Document::Port(_) => catalog.ports.contains_key(name),
        Document::Host(_) => catalog.hosts.contains_key(name),
    }
}

/// Whether the document is a network where people declared one: theirs then decides.
fn covers(declared: &Catalog, document: &Document) -> bool {
    let Document::Network(brought) = document else {
        return false;
    };
    declared
        .networks
        .values()
        .any(|network| network.bridge == brought.bridge && network.vlan == brought.vlan)
}

pub(super) fn port_of(
    catalog: &mut Catalog,
    claim: &Claim,
    document: Option<&Port>,
) -> Result<Port, String> {
    let mut port = match document {
        Some(document) if document.mac != claim.mac => {
            return Err(format!(
                "its document at {} says MAC {}, but {} gives it {}: correct one of them",
                document.origin, document.mac, claim.source, claim.mac
            ));
        }
        Some(document) => document.clone(),
        None => Port {
            name: claim.port.clone(),
            origin: Origin {
                source: claim.source.as_str().into(),
                ..Origin::default()
            },
            mac: claim.mac,
            role: claim.role.clone().unwrap_or_default(),
            network: network_of(catalog, claim)?,
            ..Port::default()
        },
    };
    port.device.clone_from(&claim.device);
    port.vm = port.vm.or_else(|| claim.vm.clone());
    for (label, value) in &claim.labels {
        let entry = port.labels.entry(label.clone());
        entry.or_insert_with(|| value.clone());
    }
    for (name, values) in &claim.variables {
        let entry = port.variables.entry(name.clone());
        entry.or_insert_with(|| values.clone());
    }
    if port.addresses.is_empty() {
        port.addresses.clone_from(&claim.addresses);
    }
    if port.learn.is_none() {
        port.learn.clone_from(&claim.learn);
    }
    if port.profiles.is_empty()
        && let Some((_, profiles)) = first_named(claim)
    {
        port.profiles.clone_from(profiles);
    }
    for profile in &port.profiles {
        if !catalog.profiles.contains_key(profile) {
            return Err(format!(
                "{} names profile {profile}, which no document declares",
                claim.source
            ));
        }
    }
    Ok(port)
}

/// The network that the source names, or the only one on the claim's bridge and VLAN; where none is
/// declared there, an open one that is called as the bridge.
fn network_of(catalog: &mut Catalog, claim: &Claim) -> Result<String, String> {
    if let Some(name) = &claim.network {
        return match catalog.networks.contains_key(name) {
            true => Ok(name.clone()),
            false => Err(format!(
                "{} names network {name}, which no document declares",
                claim.source
            )),
        };
    }
    let Some(bridge) = &claim.bridge else {
        return Err(format!(
            "{} names neither its network nor its bridge",
            claim.source
        ));
    };
    let here: Vec<&Network> = catalog
        .networks
        .values()
        .filter(|network| network.bridge == *bridge && network.vlan == claim.vlan)
        .collect();
    match here.as_slice() {
        [only] => return Ok(only.name.clone()),
        [] => {}
        several => {
            let names: Vec<&str> = several
                .iter()
                .map(|network| network.name.as_str())
                .collect();
            return Err(format!(
                "bridge {bridge} carries several networks ({}), and {} does not say which: \
                 name it in a Port document or in the VM's metadata",
                names.join(", "),
                claim.source
            ));
        }
    }
    let name = match claim.vlan {
        None => bridge.clone(),
        Some(vlan) => format!("{bridge}.{vlan}"),
    };
    if let Some(other) = catalog.networks.get(&name) {
        return Err(format!(
            "no network is declared for bridge {bridge}, and the name {name} is that of a network \
             of bridge {}",
            other.bridge
        ));
    }
    catalog.insert(Document::Network(Network {
        name: name.clone(),
        origin: Origin {
            source: claim.source.as_str().into(),
            ..Origin::default()
        },
        bridge: bridge.clone(),
        vlan: claim.vlan,
        ..Network::default()
    }));
    Ok(name)
}

/// What the strongest source of the claim says.
fn first_named(claim: &Claim) -> Option<(ProfileSource, &Vec<String>)> {
    let mut named = claim.profiles.iter().filter(|(_, names)| !names.is_empty());
    named.next().map(|(source, names)| (*source, names))
}

fn profiles_of(
    catalog: &Catalog,
    host: Option<&str>,
    claim: &Claim,
    document: Option<&Port>,
    port: &Port,
) -> Option<ProfileSource> {
    if document.is_some_and(|document| !document.profiles.is_empty()) {
        return Some(ProfileSource::PortDocument);
    }
    let named = first_named(claim).map(|(source, _)| source);
    named.or_else(|| fallback(catalog, host, &port.network))
}

fn fallback(catalog: &Catalog, host: Option<&str>, network: &str) -> Option<ProfileSource> {
    let network = catalog.networks.get(network)?;
    let host = match host {
        Some(name) => catalog.hosts.get(name),
        None => catalog.hosts.values().next(),
    };
    if !network.profiles.is_empty() {
        Some(ProfileSource::NetworkDocument)
    } else if host.is_some_and(|host| !host.profiles.is_empty()) {
        Some(ProfileSource::HostDefault)
    } else {
        None
    }
}
