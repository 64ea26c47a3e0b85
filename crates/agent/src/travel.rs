//! Learned addresses and connections that come to this host with a VM and leave it with one. Knows whose
//! they are, and when its source has to be told; how a source carries them is left to it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::mpsc::Sender;

use frame::MacAddress;
use learning::{Held, Learner, Moment, Origin, PortSnapshot, Snapshot};
use policy::HostProgram;
use policy::claim::{Claim, ClaimChange, LearnedAddress, LearnedOrigin};
use policy::connection::{Connection, tracked_zone};

use crate::survey::{MOST, Watched, most_active};

/// More ports than this are not waited for: a host has fewer.
const MOST_ARRIVALS: usize = 16_384;

/// What belongs to a VM, for its source to carry in the place of what it carries of that kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Luggage {
    /// The source's id of the VM.
    pub vm: String,
    /// As people know it.
    pub name: String,
    pub belongings: Belongings,
}

/// By MAC, the one name that a port keeps; empty: there is nothing to carry any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Belongings {
    /// Addresses that its ports have learned.
    Learned(BTreeMap<MacAddress, Vec<Held>>),
    /// Connections that last.
    Connections(BTreeMap<MacAddress, Vec<Connection>>),
}

/// What is on its way in either direction.
#[derive(Clone, Debug, Default)]
pub(crate) struct Travel {
    /// What came with ports that are not enforced here yet.
    arrived: BTreeMap<MacAddress, Vec<Held>>,
    connections: BTreeMap<MacAddress, Vec<Connection>>,
    /// What the source of a VM was told, or has told, last.
    carried: BTreeMap<String, BTreeMap<MacAddress, Vec<Held>>>,
    carrier: Option<Sender<Luggage>>,
    /// Who looks at the connections of ports, and what it was told to look at last.
    surveyor: Option<Sender<Vec<Watched>>>,
    watched: Vec<Watched>,
    /// What became of connections that came, by port that is enforced here.
    notes: BTreeMap<String, String>,
}

impl Travel {
    /// A source speaks of a VM. What it carries counts only for ports that are not enforced here:
    /// of all others this host knows better.
    pub(crate) fn take(&mut self, change: &ClaimChange, program: &HostProgram) {
        let claims = match change {
            ClaimChange::Replace { claims, .. } | ClaimChange::ReplaceAll { claims } => claims,
            ClaimChange::Remove { .. } | ClaimChange::Release { .. } | ClaimChange::Nothing => {
                return;
            }
        };
        let here: BTreeSet<MacAddress> = program.ports.values().map(|port| port.mac).collect();
        for claim in claims.iter().filter(|claim| !here.contains(&claim.mac)) {
            // Another life of the VM, whose source carries only what it says.
            if let Some(vm) = &claim.uuid {
                self.carried.remove(vm);
            }
        }
        for claim in claims {
            if !here.contains(&claim.mac) && !claim.connections.is_empty() {
                let mut connections = claim.connections.clone();
                most_active(&mut connections, MOST);
                self.connections.insert(claim.mac, connections);
            }
            if !here.contains(&claim.mac) && !claim.learned.is_empty() {
                let held = claim.learned.iter().map(held).collect();
                self.arrived.insert(claim.mac, held);
            }
            if let (Some(vm), false) = (&claim.uuid, claim.learned.is_empty()) {
                let carried = self.carried.entry(vm.clone()).or_default();
                let held = || claim.learned.iter().map(held).collect();
                carried.entry(claim.mac).or_insert_with(held);
            }
        }
    }

    /// Somebody brought what ports had learned: those that are enforced here, by their names here. The
    /// others wait for their ports; gives back how many could be kept so.
    ///
    /// # Errors
    /// How many wait already, where there is no room for more.
    pub(crate) fn bring(
        &mut self,
        snapshot: &Snapshot,
        program: &HostProgram,
    ) -> Result<(Snapshot, usize), usize> {
        let before = self.arrived.len();
        let ports = snapshot.ports().values();
        let of = |mac| program.ports.values().any(|port| port.mac == mac);
        let (here, later): (Vec<&PortSnapshot>, Vec<_>) = ports.partition(|port| of(port.mac));
        if before.saturating_add(later.len()) > MOST_ARRIVALS {
            return Err(before);
        }
        for port in &later {
            self.arrived.insert(port.mac, port.addresses.clone());
        }
        for port in here {
            self.arrived.insert(port.mac, port.addresses.clone());
        }
        let here = self.arrivals(program).unwrap_or_default();
        Ok((here, later.len()))
    }

    /// Somebody brought connections of ports. They wait for [`Self::arrived_connections`].
    ///
    /// # Errors
    /// How many wait already, where there is no room for more.
    pub(crate) fn bring_connections(
        &mut self,
        connections: &BTreeMap<MacAddress, Vec<Connection>>,
    ) -> Result<(), usize> {
        let waiting = self.connections.len();
        if waiting.saturating_add(connections.len()) > MOST_ARRIVALS {
            return Err(waiting);
        }
        for (mac, connections) in connections {
            let mut connections = connections.clone();
            most_active(&mut connections, MOST);
            self.connections.insert(*mac, connections);
        }
        Ok(())
    }

    /// Connections that came with ports that are enforced now, by port. Once.
    pub(crate) fn arrived_connections(
        &mut self,
        program: &HostProgram,
    ) -> Vec<(String, Vec<Connection>)> {
        self.notes
            .retain(|port, _| program.ports.contains_key(port));
        if self.connections.is_empty() {
            return Vec::new();
        }
        let mut arrived = Vec::new();
        for (mac, name) in by_mac(program) {
            // Which of several was meant is not known.
            if let (Some(connections), Some(name)) = (self.connections.remove(&mac), name) {
                arrived.push((name.to_owned(), connections));
            }
        }
        arrived
    }

    /// What became of the connections that came with a port, for people.
    pub(crate) fn note(&mut self, port: &str, note: String) {
        self.notes.insert(port.to_owned(), note);
    }

    /// By port.
    pub(crate) fn notes(&self) -> &BTreeMap<String, String> {
        &self.notes
    }

    /// The VM is not here any more, or never came.
    pub(crate) fn forget(&mut self, vm: &str, claims: &[Claim]) {
        self.carried.remove(vm);
        for claim in claims {
            self.arrived.remove(&claim.mac);
            self.connections.remove(&claim.mac);
        }
    }

    /// What came with ports that are enforced now, by port. Once.
    pub(crate) fn arrivals(&mut self, program: &HostProgram) -> Option<Snapshot> {
        if self.arrived.is_empty() {
            return None;
        }
        let mut names: BTreeMap<MacAddress, Vec<&str>> = BTreeMap::new();
        for port in program.ports.values() {
            if self.arrived.contains_key(&port.mac) {
                names.entry(port.mac).or_default().push(&port.name);
            }
        }
        let mut ports = BTreeMap::new();
        for (mac, names) in names {
            let held = self.arrived.remove(&mac);
            // Which of several was meant is not known: all of them learn anew.
            if let (Some(addresses), [name]) = (held, names.as_slice()) {
                ports.insert((*name).to_owned(), PortSnapshot { mac, addresses });
            }
        }
        (!ports.is_empty()).then(|| Snapshot::of(ports))
    }

    /// Whoever carries from now on; it is told everything anew.
    pub(crate) fn carry_by(&mut self, carrier: Sender<Luggage>) {
        self.carrier = Some(carrier);
    }

    /// Whoever looks at connections from now on, and tells the carrier.
    pub(crate) fn survey_by(&mut self, surveyor: Sender<Vec<Watched>>) {
        self.surveyor = Some(surveyor);
        self.watched = Vec::new();
    }

    /// Names the ports whose connections are to be looked at, where that is news. `vms` are the claims of
    /// each VM whose source carries something.
    pub(crate) fn watch<'a>(
        &mut self,
        vms: impl Iterator<Item = (&'a str, &'a [Claim])>,
        program: &HostProgram,
    ) {
        let Some(surveyor) = &self.surveyor else {
            return;
        };
        let names = by_mac(program);
        let mut watched = Vec::new();
        for (vm, claims) in vms {
            let name = claims.iter().find_map(|claim| claim.vm.as_deref());
            let came = claims.iter().any(|claim| !claim.connections.is_empty());
            for claim in claims {
                let name_here = names.get(&claim.mac).copied().flatten();
                let port = name_here.and_then(|name| program.ports.get(name));
                let Some((port, zone)) = port.and_then(|it| Some((it, tracked_zone(program, it)?)))
                else {
                    continue;
                };
                watched.push(Watched {
                    vm: vm.to_owned(),
                    name: name.unwrap_or(vm).to_owned(),
                    port: Arc::clone(port),
                    zone,
                    came,
                });
            }
        }
        if watched != self.watched {
            self.watched.clone_from(&watched);
            if surveyor.send(watched).is_err() {
                self.surveyor = None;
            }
        }
    }

    /// Tells the carrier what ports of these VMs have learned, where that is news. `vms` are the
    /// claims of each VM whose ports changed.
    pub(crate) fn publish<'a>(
        &mut self,
        vms: impl Iterator<Item = (&'a str, &'a [Claim])>,
        program: &HostProgram,
        learner: &Learner,
    ) {
        let Some(carrier) = &self.carrier else {
            return;
        };
        let by_mac = by_mac(program);
        for (vm, claims) in vms {
            // A VM that has just come is told when all of it is here: not what it brought, less what
            // was not taken in yet.
            if claims.iter().any(|it| self.arrived.contains_key(&it.mac)) {
                continue;
            }
            let mut ports = BTreeMap::new();
            let mut any_here = false;
            for claim in claims {
                let Some(Some(name)) = by_mac.get(&claim.mac) else {
                    continue;
                };
                any_here = true;
                if let Some(snapshot) = learner.export_port(name) {
                    let whole = snapshot.addresses.into_iter().map(whole_seconds);
                    ports.insert(claim.mac, whole.collect());
                }
            }
            let carried = self.carried.get(vm);
            let none = BTreeMap::new();
            if !any_here || carried.unwrap_or(&none) == &ports {
                continue;
            }
            let name = claims.iter().find_map(|claim| claim.vm.clone());
            let luggage = Luggage {
                vm: vm.to_owned(),
                name: name.unwrap_or_else(|| vm.to_owned()),
                belongings: Belongings::Learned(ports.clone()),
            };
            if carrier.send(luggage).is_err() {
                self.carrier = None;
                return;
            }
            self.carried.insert(vm.to_owned(), ports);
        }
    }
}

/// The ports of a program by their MACs; `None` where several have one.
fn by_mac(program: &HostProgram) -> BTreeMap<MacAddress, Option<&str>> {
    let mut by_mac: BTreeMap<MacAddress, Option<&str>> = BTreeMap::new();
    for port in program.ports.values() {
        by_mac
            .entry(port.mac)
            .and_modify(|name| *name = None)
            .or_insert(Some(&port.name));
    }
    by_mac
}

fn held(learned: &LearnedAddress) -> Held {
    Held {
        address: learned.address,
        origin: match learned.origin {
            LearnedOrigin::Probed => Origin::Probed,
            LearnedOrigin::Used => Origin::Used,
            LearnedOrigin::Leased => Origin::Leased,
        },
        since: Moment(learned.since),
        expires: learned.expires.map(Moment),
        server: learned.server,
        client: learned.client,
    }
}

/// As it is carried: a lease ends a little earlier rather than later.
fn whole_seconds(mut held: Held) -> Held {
    held.since = Moment::seconds(held.since.0.as_secs());
    held.expires = held.expires.map(|end| Moment::seconds(end.0.as_secs()));
    held
}

#[cfg(test)]
mod tests;
