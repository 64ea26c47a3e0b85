//! How everything stands: each port with what it should have and what it has, since when, and what is
//! wrong. Knows comparing one program with the next; deciding is left to others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datapath::{Counters, PortCounters};
use learning::Learner;
use policy::HostProgram;
use policy::claim::Provenance;
use policy::program::{Behaviour, Values};
use serde::{Deserialize, Serialize};

/// Everything, for people and programs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct AgentStatus {
    /// The agent's own version.
    pub version: String,
    /// The network namespace that it serves, by its inode.
    pub network_namespace: u64,
    /// The Host document that is followed.
    pub host: String,
    /// Counts changes of what should be enforced.
    pub revision: u64,
    /// Why the documents in the folder are not in force: the ones before are.
    pub documents_problem: Option<String>,
    /// Why the switch is not as it should be: what was in force before is.
    pub switch_problem: Option<String>,
    /// Sources that cannot be heard, with the reason.
    pub deaf: BTreeMap<String, String>,
    /// What documents prefer and the switch cannot do.
    pub degraded: Vec<String>,
    /// Interfaces of managed bridges that nobody claims.
    pub quarantined: Vec<String>,
    pub ports: Vec<PortStatus>,
}

/// One port.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PortStatus {
    pub port: String,
    pub vm: Option<String>,
    pub state: PortState,
    /// Why it is refused or absent, or what keeps the wanted version from being enforced.
    pub reason: Option<String>,
    /// Who says that the port exists: `documents`, `libvirt`, …
    pub source: String,
    pub device: Option<String>,
    pub ifindex: Option<u32>,
    pub bridge: Option<String>,
    pub network: Option<String>,
    pub mac: Option<String>,
    pub addresses: Vec<String>,
    /// Addresses that it showed, beside those that are declared.
    pub learned: Vec<String>,
    /// How often it showed an address that it may not have.
    pub refused_addresses: u64,
    /// `name@version`, the most specific first.
    pub profiles: Vec<String>,
    /// Where they were found.
    pub profiles_from: Option<String>,
    /// The revision whose policy the port should have, and the one that it has.
    pub desired: u64,
    pub enforced: Option<u64>,
    /// Since when it has that, in seconds since 1970.
    pub since: Option<u64>,
    /// What was respected in part, or not.
    pub notes: Vec<String>,
    /// Frames that came as far as the port.
    pub frames_in: u64,
    /// Frames that it sent under another MAC than its own, all dropped.
    pub forged: u64,
}

/// Where a port stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PortState {
    /// The switch carries out what the port should have.
    Enforced,
    /// The switch carries out an older version, or keeps the port in quarantine.
    Pending,
    /// Its policy cannot be enforced.
    Refused,
    /// It is declared, and its interface is not here.
    #[default]
    Absent,
}

/// What is known of each port from one program to the next.
#[derive(Clone, Debug, Default)]
pub(crate) struct Standing {
    revision: u64,
    desired: HostProgram,
    ports: BTreeMap<String, Stand>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Stand {
    desired: u64,
    enforced: Option<u64>,
    since: Option<u64>,
}

/// What differs from the program before, for the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Difference {
    pub admitted: Vec<String>,
    pub changed: Vec<String>,
    pub gone: Vec<String>,
    /// Refused, and not for the same reason before.
    pub refused: Vec<(String, String)>,
}

impl Standing {
    pub(crate) fn desired(&self) -> &HostProgram {
        &self.desired
    }

    /// Takes what should be in force from now on.
    pub(crate) fn desire(&mut self, program: &HostProgram) -> Difference {
        let behaviours = changed_behaviours(&self.desired, program);
        let mut difference = Difference::default();
        for (name, port) in &program.ports {
            match self.desired.ports.get(name) {
                None => difference.admitted.push(name.clone()),
                Some(before)
                    if (!Arc::ptr_eq(before, port) && before != port)
                        || behaviours.contains(port.behaviour.as_str()) =>
                {
                    difference.changed.push(name.clone());
                }
                Some(_) => {}
            }
        }
        for name in self.desired.ports.keys() {
            if !program.ports.contains_key(name) {
                difference.gone.push(name.clone());
            }
        }
        for (name, refusal) in program.refused.iter().filter(|(_, it)| !it.absent) {
            let before = self.desired.refused.get(name);
            if before.is_none_or(|before| before.reason != refusal.reason || before.absent) {
                difference
                    .refused
                    .push((name.clone(), refusal.reason.clone()));
            }
        }
        if *program != self.desired {
            self.revision = self.revision.saturating_add(1);
        }
        for name in difference.admitted.iter().chain(&difference.changed) {
            self.ports.entry(name.clone()).or_default().desired = self.revision;
        }
        for name in &difference.gone {
            self.ports.remove(name);
        }
        self.desired = program.clone();
        difference
    }

    /// The switch carries out what was desired last.
    pub(crate) fn enforced(&mut self, now: u64) {
        for stand in self.ports.values_mut() {
            if stand.enforced != Some(stand.desired) {
                stand.enforced = Some(stand.desired);
                stand.since = Some(now);
            }
        }
    }

    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    /// All ports, admitted ones and others, by name.
    pub(crate) fn ports(
        &self,
        provenance: &BTreeMap<String, Provenance>,
        catalog: &policy::Catalog,
        counters: &Counters,
        switch_problem: Option<&str>,
        learner: &Learner,
    ) -> Vec<PortStatus> {
        let mut ports: BTreeMap<&str, PortStatus> = BTreeMap::new();
        for (name, port) in &self.desired.ports {
            let stand = self.ports.get(name).copied().unwrap_or_default();
            let counted: PortCounters = counters.ports.get(name).copied().unwrap_or_default();
            let current = stand.enforced == Some(stand.desired);
            ports.insert(
                name,
                PortStatus {
                    port: name.clone(),
                    vm: port.vm.clone(),
                    state: match current {
                        true => PortState::Enforced,
                        false => PortState::Pending,
                    },
                    reason: switch_problem.filter(|_| !current).map(str::to_owned),
                    device: Some(port.device.clone()),
                    ifindex: Some(port.ifindex),
                    bridge: Some(port.bridge.clone()),
                    network: Some(port.network.clone()),
                    mac: Some(port.mac.to_string()),
                    profiles: port.profiles.clone(),
                    desired: stand.desired,
                    enforced: stand.enforced,
                    since: stand.since,
                    frames_in: counted.inward.frames,
                    forged: counted.forged.frames,
                    ..PortStatus::default()
                },
            );
        }
        for (name, refusal) in &self.desired.refused {
            ports.insert(
                name,
                PortStatus {
                    port: name.clone(),
                    state: match refusal.absent {
                        true => PortState::Absent,
                        false => PortState::Refused,
                    },
                    reason: Some(refusal.reason.clone()),
                    ..PortStatus::default()
                },
            );
        }
        for (name, status) in &mut ports {
            if let Some(provenance) = provenance.get(*name) {
                status.source.clone_from(&provenance.source);
                status.notes.clone_from(&provenance.notes);
                let from = provenance.profiles.map(|source| source.to_string());
                status.profiles_from = from;
            }
            let learned = learner.held(name).map(|held| held.address.to_string());
            status.learned = learned.collect();
            status.refused_addresses = learner.refused(name);
            if let Some(declared) = catalog.ports.get(*name) {
                status.vm = status.vm.take().or_else(|| declared.vm.clone());
                status.mac = Some(declared.mac.to_string());
                status.network = Some(declared.network.clone());
                let addresses = declared.addresses.iter().map(|net| {
                    match net.prefix_len() == net.max_prefix_len() {
                        true => net.addr().to_string(),
                        false => net.to_string(),
                    }
                });
                status.addresses = addresses.collect();
                status.device = status.device.take().or_else(|| declared.device.clone());
            }
        }
        ports.into_values().collect()
    }
}

/// Behaviours that differ, or whose lists or sets do.
fn changed_behaviours<'a>(before: &HostProgram, after: &'a HostProgram) -> BTreeSet<&'a str> {
    let list_is_same = |name: &String| {
        let list = after.lists.get(name);
        let rules = list
            .iter()
            .flat_map(|list| list.inward.iter().chain(&list.outward));
        let mut conditions = rules.flat_map(|rule| rule.alternatives.iter().flatten());
        before.lists.get(name) == list
            && conditions.all(|condition| match &condition.values {
                Values::AddressSet(set) => {
                    before.address_sets.get(set) == after.address_sets.get(set)
                }
                _ => true,
            })
    };
    let changed_lists: BTreeSet<&String> = after
        .lists
        .keys()
        .filter(|name| !list_is_same(name))
        .collect();
    let is_changed = |(name, behaviour): &(&'a String, &'a Arc<Behaviour>)| {
        let isolation = behaviour.isolation.iter().flat_map(|it| &it.sources);
        let mut sources = isolation.map(|set| before.mac_sets.get(set) == after.mac_sets.get(set));
        before
            .behaviours
            .get(*name)
            .is_none_or(|it| it != *behaviour)
            || behaviour
                .lists
                .iter()
                .any(|list| changed_lists.contains(list))
            || sources.any(|same| !same)
    };
    let changed = after.behaviours.iter().filter(is_changed);
    changed.map(|(name, _)| name.as_str()).collect()
}
