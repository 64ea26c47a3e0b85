//! What one host should enforce, from everything that was said of it so far. A function of its
//! inputs: listening, writing to the switch and keeping files are left to others.

mod bindings;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datapath::{Degraded, HostCapabilities, Unmet};
use frame::MacAddress;
use policy::claim::{Claim, ClaimChange, Provenance, Resettled, Settling};
use policy::document::Document;
use policy::observation::{Observation, ObservedInterface};
use policy::program::Refusal;
use policy::{Catalog, CompileError, HostProgram, Incremental};
use thiserror::Error;

use crate::learners::Learners;

use bindings::Bindings;
pub use bindings::BoundPorts;

/// Everything that was said, and the program that follows.
#[derive(Clone, Debug)]
pub struct HostState {
    /// The Host document to follow, where several are declared.
    host: Option<String>,
    declared: Arc<Catalog>,
    claims: BTreeMap<Vm, Claimed>,
    bindings: Bindings,
    /// VMs that have no claims any more.
    ended: Vec<(String, String)>,
    observed: Arc<Observation>,
    incremental: Incremental,
    /// Documents and claims brought together.
    settling: Settling,
}

/// A VM by its source and the source's id of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Vm {
    source: String,
    id: String,
}

#[derive(Clone, Debug)]
struct Claimed {
    claims: Vec<Claim>,
    /// The source let the VM go: each claim ends with its interface.
    released: bool,
}

/// The VLAN that an interface is to be in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedVlan {
    pub port: String,
    pub device: String,
    pub ifindex: u32,
    pub vlan: u16,
}

/// What to bring into the switch.
#[derive(Clone, Debug, Default)]
pub struct Desired {
    pub program: HostProgram,
    pub degraded: Vec<Degraded>,
    /// What the switch lacks for some ports, which are refused for it.
    pub unmet: Vec<Unmet>,
}

/// Why there is no program. What is in force stays in force.
#[derive(Clone, Debug, Error)]
pub enum DesireError {
    #[error("{0}")]
    Compile(#[from] CompileError),
    /// The switch cannot protect this host at all.
    #[error("{}", unmet_text(.0))]
    Unmet(Vec<Unmet>),
}

/// Why documents do not take effect. Those before stay in force.
#[derive(Clone, Debug, Error)]
pub enum RejectedDocuments {
    #[error("{0}")]
    Desire(#[from] DesireError),
    /// Ports that are enforced would be left without a policy.
    #[error(
        "the documents leave {} without a policy that can be enforced: {}",
        match .0.len() { 1 => "a port".to_owned(), many => format!("{many} ports") },
        .0.iter().map(|(port, why)| format!("{port} ({why})")).collect::<Vec<_>>().join("; ")
    )]
    Ports(Vec<(String, String)>),
}

impl HostState {
    pub fn new(host: Option<&str>) -> Self {
        Self {
            host: host.map(str::to_owned),
            declared: Arc::default(),
            claims: BTreeMap::new(),
            bindings: Bindings::default(),
            ended: Vec::new(),
            observed: Arc::default(),
            incremental: Incremental::new(Catalog::default(), None, Observation::default()),
            settling: Settling::default(),
        }
    }

    /// Takes documents in the place of those before, whatever follows: at the start, when nothing
    /// is known to be better.
    pub fn adopt(&mut self, declared: Catalog) {
        self.declared = Arc::new(declared);
    }

    /// Takes documents in the place of those before, if every port that is enforced stays so.
    ///
    /// # Errors
    /// [`RejectedDocuments`]: nothing has changed then.
    pub fn replace_documents(
        &mut self,
        declared: Catalog,
        capabilities: &HostCapabilities,
    ) -> Result<(), RejectedDocuments> {
        let enforced = self.desire(capabilities).map(|desired| desired.program);
        let mut next = self.clone();
        next.declared = Arc::new(declared);
        let desired = next.desire(capabilities)?;
        if let Ok(enforced) = enforced {
            let refused = desired.program.refused.iter();
            let left: Vec<(String, String)> = refused
                .filter(|(port, refusal)| !refusal.absent && enforced.ports.contains_key(*port))
                .map(|(port, refusal)| (port.clone(), refusal.reason.clone()))
                .collect();
            if !left.is_empty() {
                return Err(RejectedDocuments::Ports(left));
            }
        }
        *self = next;
        Ok(())
    }

    /// Takes what a source says. Gives back what was said of the VM before, where it is about one.
    pub fn change(&mut self, source: &str, change: ClaimChange) -> Option<Vec<Claim>> {
        let source = source.to_owned();
        match change {
            ClaimChange::Replace { vm, claims } => {
                return self.insert(Vm { source, id: vm }, claims);
            }
            ClaimChange::Remove { vm } => return self.remove(&Vm { source, id: vm }),
            ClaimChange::Release { vm } => {
                if let Some(claimed) = self.claims.get_mut(&Vm { source, id: vm }) {
                    claimed.released = true;
                }
                self.end_released();
            }
            ClaimChange::ReplaceAll { claims } => {
                let mut by_vm: BTreeMap<Vm, Vec<Claim>> = BTreeMap::new();
                for claim in claims {
                    let id = claim.uuid.clone().or_else(|| claim.vm.clone());
                    let vm = Vm {
                        source: source.clone(),
                        id: id.unwrap_or_else(|| claim.port.clone()),
                    };
                    by_vm.entry(vm).or_default().push(claim);
                }
                let all = self.claims.keys().filter(|vm| vm.source == source);
                let gone = all.filter(|vm| !by_vm.contains_key(vm)).cloned();
                for vm in gone.collect::<Vec<Vm>>() {
                    self.remove(&vm);
                }
                for (vm, claims) in by_vm {
                    self.insert(vm, claims);
                }
            }
            ClaimChange::Nothing => {}
        }
        None
    }

    fn insert(&mut self, vm: Vm, claims: Vec<Claim>) -> Option<Vec<Claim>> {
        let before = self.claims.get(&vm);
        let before = before.map_or(&[] as &[Claim], |before| &before.claims);
        for claim in before {
            if !claims.iter().any(|it| it.port == claim.port) {
                self.bindings.forget(&claim.port);
            }
        }
        for claim in &claims {
            let known = before.iter().find(|it| it.port == claim.port);
            // Another name than the source had for it before means another interface.
            match known.is_some_and(|known| known.device != claim.device) {
                true => self.bindings.forget(&claim.port),
                false => self.bindings.renew(&claim.port, claim.device.as_deref()),
            }
        }
        let claimed = Claimed {
            claims,
            released: false,
        };
        let before = self.claims.insert(vm, claimed);
        before.map(|before| before.claims)
    }

    fn remove(&mut self, vm: &Vm) -> Option<Vec<Claim>> {
        let before = self.claims.remove(vm)?.claims;
        self.ended.push((vm.source.clone(), vm.id.clone()));
        for claim in &before {
            self.bindings.forget(&claim.port);
        }
        Some(before)
    }

    /// Takes what is in bridges, where nothing is known to have gone.
    pub fn observe_more(&mut self, observed: Observation) {
        self.take_observation(observed);
    }

    /// Takes what is in bridges, and the indices of all interfaces that exist.
    pub fn observe(&mut self, observed: Observation, existing: &BTreeSet<u32>) {
        self.take_observation(observed);
        self.bindings.only(existing);
        self.end_released();
    }

    fn take_observation(&mut self, observed: Observation) {
        if *self.observed != observed {
            self.observed = Arc::new(observed);
        }
    }

    /// Ends claims that a source let go and that have no interface any more.
    fn end_released(&mut self) {
        for claimed in self.claims.values_mut().filter(|it| it.released) {
            claimed.claims.retain(|claim| {
                let here = self.bindings.follows(claim, &self.observed);
                if !here {
                    self.bindings.forget(&claim.port);
                }
                here
            });
        }
        let ended = &mut self.ended;
        self.claims.retain(|vm, it| {
            let stays = !it.released || !it.claims.is_empty();
            if !stays {
                ended.push((vm.source.clone(), vm.id.clone()));
            }
            stays
        });
    }

    /// VMs whose claims have ended since the last call, by source and id, however they ended.
    pub fn take_ended(&mut self) -> Vec<(String, String)> {
        std::mem::take(&mut self.ended)
    }

    /// Whether the source has let the VM go, by its id of it; `None`: nothing is claimed for it.
    pub fn released(&self, source: &str, vm: &str) -> Option<bool> {
        let vm = Vm {
            source: source.to_owned(),
            id: vm.to_owned(),
        };
        self.claims.get(&vm).map(|claimed| claimed.released)
    }

    /// Which interface each claimed port is, to be kept for [`Self::rebind`].
    pub fn bound(&self) -> &BoundPorts {
        self.bindings.bound()
    }

    /// Takes up which interface each claimed port was, after the claims and before anything is
    /// observed: names may mean others now.
    pub fn rebind(&mut self, bound: BoundPorts) {
        let claims = self.claims.values().flat_map(|it| &it.claims);
        let claimed: BTreeSet<&str> = claims.map(|claim| claim.port.as_str()).collect();
        self.bindings.restore(bound, |port| claimed.contains(port));
    }

    /// The program of everything that was said, fitted to the switch. Ports for which the switch
    /// lacks something are refused, and the others are not held up by them.
    ///
    /// # Errors
    /// [`DesireError`].
    pub fn desire(&mut self, capabilities: &HostCapabilities) -> Result<Desired, DesireError> {
        let claims = Self::bound_claims(
            &self.claims,
            &mut self.bindings,
            &self.observed,
            capabilities,
        );
        let host = self.host.as_deref();
        match self.settling.settle(&self.declared, host, &claims) {
            Resettled::Everything => {
                let catalog = self.settling.settled().catalog.clone();
                self.incremental.replace(catalog);
            }
            Resettled::Ports(changed) => {
                for name in &changed {
                    match self.settling.settled().catalog.ports.get(name) {
                        Some(port) => self.incremental.insert(Document::Port(port.clone())),
                        None => {
                            self.incremental.remove_port(name);
                        }
                    }
                }
            }
        }
        self.incremental.follow(host);
        self.incremental.observe(Arc::clone(&self.observed));
        let mut program = Cow::Borrowed(self.incremental.compile()?);
        for (port, reason) in &self.settling.settled().refused {
            let refused = &mut program.to_mut().refused;
            refused.insert(port.clone(), refusal(reason));
        }
        let mut withheld = Vec::new();
        loop {
            match capabilities.resolve(&program) {
                Ok(resolved) => {
                    return Ok(Desired {
                        program: resolved.program,
                        degraded: resolved.degraded,
                        unmet: withheld,
                    });
                }
                Err(unmet) => {
                    let mut reasons = BTreeMap::new();
                    for one in &unmet {
                        for port in &one.ports {
                            reasons.insert(port.clone(), refusal(&reason(one)));
                        }
                    }
                    if reasons.is_empty() {
                        return Err(DesireError::Unmet(unmet));
                    }
                    program.to_mut().refuse(reasons);
                    withheld.extend(unmet);
                }
            }
        }
    }

    /// Whether a port of the VM whose interface is not here yet would be refused when it comes, and
    /// why: a source that speaks before the interface exists wants to know then.
    pub fn foresee(
        &self,
        source: &str,
        vm: &str,
        capabilities: &HostCapabilities,
    ) -> Option<(String, String)> {
        let key = Vm {
            source: source.to_owned(),
            id: vm.to_owned(),
        };
        let here = |claim: &Claim| {
            let device = claim.device.as_ref();
            device.is_some_and(|device| self.observed.interfaces.contains_key(device))
        };
        // Most words are about interfaces that are here, and need no second world.
        if self.claims.get(&key)?.claims.iter().all(here) {
            return None;
        }
        let bridges = self.bridges_of(source, vm);
        let mut next = self.clone();
        let claimed = next.claims.get_mut(&key)?;
        let mut imagined = false;
        for (claim, bridge) in claimed.claims.iter_mut().zip(bridges) {
            let Some(bridge) = bridge else { continue };
            if here(claim) {
                continue;
            }
            let network = claim.network.as_ref();
            let network = network.and_then(|name| self.catalog().networks.get(name));
            // No interface has such a name: it is longer than IFNAMSIZ.
            let device = format!("imagined-for-{}", claim.port);
            let count = u32::try_from(next.observed.interfaces.len()).unwrap_or_default();
            let interface = ObservedInterface {
                ifindex: u32::MAX.saturating_sub(count),
                bridge,
                mac: claim.device_mac.unwrap_or_default(),
                pvid: network.map_or(claim.vlan, |network| network.vlan),
            };
            let observed = Arc::make_mut(&mut next.observed);
            observed.interfaces.insert(device.clone(), interface);
            next.bindings.forget(&claim.port);
            claim.device = Some(device);
            imagined = true;
        }
        if !imagined {
            return None;
        }
        let ports = next.ports_of(source, vm);
        let desired = next.desire(capabilities).ok()?;
        ports.into_iter().find_map(|port| {
            let refusal = desired.program.refused.get(&port)?;
            (!refusal.absent).then(|| (port, refusal.reason.clone()))
        })
    }

    /// The claims with the interfaces that their ports are bound to. Copied only where that changes one.
    fn bound_claims<'a>(
        claims: &'a BTreeMap<Vm, Claimed>,
        bindings: &mut Bindings,
        observed: &Observation,
        capabilities: &HostCapabilities,
    ) -> Vec<Cow<'a, Claim>> {
        let interfaces = observed.interfaces.iter();
        let names: BTreeMap<u32, &str> = interfaces
            .map(|(name, interface)| (interface.ifindex, name.as_str()))
            .collect();
        let all = || claims.values().flat_map(|it| &it.claims);
        let weak = all().any(|claim| claim.only_if_alone);
        let strong = || all().filter(|claim| weak && !claim.only_if_alone);
        let devices: BTreeSet<&String> = strong().filter_map(|it| it.device.as_ref()).collect();
        let macs: BTreeSet<MacAddress> = strong().map(|claim| claim.mac).collect();
        let spoken_of = |claim: &Claim| {
            let device = claim.device.as_ref();
            device.is_some_and(|device| devices.contains(device)) || macs.contains(&claim.mac)
        };
        let gives_way = |claim: &&Claim| claim.only_if_alone && spoken_of(claim);
        // It may have come first, and the interface is the other's now.
        for claim in all().filter(gives_way) {
            bindings.forget(&claim.port);
        }
        let claims = all().filter(|claim| !gives_way(claim));
        let claims = claims.map(|claim| {
            let mut bound = Cow::Borrowed(claim);
            if let Some(switch) = &claim.switch
                && claim.refused.is_none()
                && !capabilities.others.contains_key(switch)
            {
                let reason = format!(
                    "{} plugs it into {switch}, which has no bridge here that answers: is it running, and \
                     may moat use it?",
                    claim.source
                );
                bound.to_mut().refused = Some(reason);
            }
            let seen = claim.device.as_ref();
            let seen = seen.and_then(|device| observed.interfaces.get(device));
            // A source that leaves the bridge to others (libvirt's type ethernet) names none.
            if let (None, None, Some(seen)) = (&claim.bridge, &claim.network, seen) {
                bound.to_mut().bridge = Some(seen.bridge.clone());
            }
            match bindings.device(claim, observed, &names) {
                Ok(device) if device == claim.device.as_deref() => {}
                Ok(device) => {
                    let device = device.map(str::to_owned);
                    if let (None, Some(gone)) = (&device, &claim.device) {
                        let note = format!(
                            "its interface {gone} is gone: {} has to speak of it again",
                            claim.source
                        );
                        bound.to_mut().notes.push(note);
                    }
                    bound.to_mut().device = device;
                }
                Err(reason) => {
                    let bound = bound.to_mut();
                    bound.refused = bound.refused.take().or(Some(reason));
                }
            }
            bound
        });
        claims.collect()
    }

    /// The VLANs that interfaces are to be in, by the networks of their ports: only interfaces that a
    /// claim is bound to, in bridges that filter VLANs. What people declared without a claim, uplinks
    /// and everything that nobody claims is theirs to set. As of the last [`Self::desire`].
    pub fn vlans(&self) -> Vec<WantedVlan> {
        let catalog = self.catalog();
        let mut bridges = self.observed.bridges.values();
        if !bridges.any(|bridge| bridge.vlan_filtering) {
            return Vec::new();
        }
        let wanted = catalog.ports.values().filter_map(|port| {
            let device = port.device.as_ref()?;
            let network = catalog.networks.get(&port.network)?;
            let interface = self.observed.interfaces.get(device)?;
            let bridge = self.observed.bridges.get(&network.bridge)?;
            let hosts = catalog.hosts.values();
            let uplink = hosts
                .flat_map(|host| host.bridges.values())
                .any(|bridge| bridge.uplinks.contains(device));
            let here = interface.bridge == network.bridge && bridge.vlan_filtering && !uplink;
            (here && self.bindings.is_bound(interface.ifindex)).then_some(WantedVlan {
                port: port.name.clone(),
                device: device.clone(),
                ifindex: interface.ifindex,
                vlan: network.vlan?,
            })
        });
        wanted.collect()
    }

    /// Brings what ports have learned into the next program; says whether there will be another.
    pub fn settle(&mut self, learners: &Learners, events: &[learning::Event]) -> bool {
        learners.settle(events, &mut self.incremental)
    }

    /// Where the ports of the last [`Self::desire`] come from.
    pub fn provenance(&self) -> &BTreeMap<String, Provenance> {
        &self.settling.settled().provenance
    }

    /// All documents, those of claims included, as of the last [`Self::desire`].
    pub fn catalog(&self) -> &Catalog {
        self.incremental.catalog()
    }

    pub fn observed(&self) -> &Observation {
        &self.observed
    }

    /// The bridges that the ports of a VM are said to be in.
    pub fn bridges_of(&self, source: &str, vm: &str) -> Vec<Option<String>> {
        let vm = Vm {
            source: source.to_owned(),
            id: vm.to_owned(),
        };
        let known = self.claims.get(&vm).into_iter().flat_map(|it| &it.claims);
        let bridge = |claim: &Claim| {
            let named = claim.network.as_ref();
            let network = named.and_then(|name| self.catalog().networks.get(name));
            let of_network = network.map(|network| network.bridge.clone());
            of_network.or_else(|| claim.bridge.clone())
        };
        known.map(bridge).collect()
    }

    /// Everything that a source said of its VMs, by its id of them.
    pub fn claims_of<'a>(
        &'a self,
        source: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a [Claim])> + 'a {
        let claims = self
            .claims
            .iter()
            .filter(move |(vm, _)| vm.source == source);
        claims.map(|(vm, claimed)| (vm.id.as_str(), claimed.claims.as_slice()))
    }

    /// Names of the ports that are claimed for a VM, by the source's id of it.
    pub fn ports_of(&self, source: &str, vm: &str) -> Vec<String> {
        let vm = Vm {
            source: source.to_owned(),
            id: vm.to_owned(),
        };
        let known = self.claims.get(&vm).into_iter().flat_map(|it| &it.claims);
        known.map(|claim| claim.port.clone()).collect()
    }
}

fn refusal(reason: &str) -> Refusal {
    Refusal {
        reason: reason.to_owned(),
        origin: policy::origin::Origin::default(),
        absent: false,
    }
}

fn reason(unmet: &Unmet) -> String {
    format!(
        "{} needs {}, which this switch lacks: {} ({})",
        unmet.needed_by, unmet.capability, unmet.reason, unmet.remedy
    )
}

fn unmet_text(unmet: &[Unmet]) -> String {
    let reasons: Vec<String> = unmet.iter().map(reason).collect();
    reasons.join("; ")
}
