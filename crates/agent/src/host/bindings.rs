//! Which interface a claimed port is. Names are reused, interface indices are not: a claim is bound
//! to the interface that bore the name when it was first seen, and to no other after it.

use std::collections::{BTreeMap, BTreeSet};

use policy::claim::Claim;
use policy::observation::Observation;
use serde::{Deserialize, Serialize};

/// Which interface each port is, as it outlives the agent's process: an interface that was renamed
/// since is found again, and another one that has its old name is not taken for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoundPorts(BTreeMap<String, Binding>);

#[derive(Clone, Debug, Default)]
pub(super) struct Bindings {
    /// By port name.
    ports: BoundPorts,
    /// The ports that are bound, by interface index.
    interfaces: BTreeMap<u32, String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Binding {
    To(u32),
    /// Its interface is gone: the source has to speak again.
    Gone,
}

impl Bindings {
    /// All of them, to be kept.
    pub(super) fn bound(&self) -> &BoundPorts {
        &self.ports
    }

    /// What was kept, of ports that are still claimed.
    pub(super) fn restore(&mut self, bound: BoundPorts, claimed: impl Fn(&str) -> bool) {
        for (port, binding) in bound.0.into_iter().filter(|(port, _)| claimed(port)) {
            if let Binding::To(ifindex) = binding {
                self.interfaces.insert(ifindex, port.clone());
            }
            self.ports.0.insert(port, binding);
        }
    }

    /// The source has spoken again of the port: a gone interface may be followed by another one.
    pub(super) fn renew(&mut self, port: &str, device: Option<&str>) {
        if device.is_none() || self.ports.0.get(port) == Some(&Binding::Gone) {
            self.forget(port);
        }
    }

    pub(super) fn forget(&mut self, port: &str) {
        if let Some(Binding::To(ifindex)) = self.ports.0.remove(port) {
            self.interfaces.remove(&ifindex);
        }
    }

    /// Interfaces other than these do not exist any more.
    pub(super) fn only(&mut self, existing: &BTreeSet<u32>) {
        let gone = self
            .interfaces
            .keys()
            .filter(|index| !existing.contains(index));
        for ifindex in gone.copied().collect::<Vec<u32>>() {
            self.gone(ifindex);
        }
    }

    pub(super) fn gone(&mut self, ifindex: u32) {
        if let Some(port) = self.interfaces.remove(&ifindex) {
            self.ports.0.insert(port, Binding::Gone);
        }
    }

    /// Whether a claim is bound to the interface.
    pub(super) fn is_bound(&self, ifindex: u32) -> bool {
        self.interfaces.contains_key(&ifindex)
    }

    /// Whether the claim has an interface, or would have one the next time somebody looks.
    pub(super) fn follows(&self, claim: &Claim, observed: &Observation) -> bool {
        match self.ports.0.get(&claim.port) {
            Some(Binding::To(_)) => true,
            Some(Binding::Gone) => false,
            None => {
                let device = claim.device.as_ref();
                device.is_some_and(|device| observed.interfaces.contains_key(device))
            }
        }
    }

    /// The name that the port's interface bears now; `None`: there is none, or not yet. `names` are
    /// those of the observed interfaces by index.
    ///
    /// # Errors
    /// Where the interface of that name is not what the source spoke of.
    pub(super) fn device<'a>(
        &mut self,
        claim: &'a Claim,
        observed: &Observation,
        names: &BTreeMap<u32, &'a str>,
    ) -> Result<Option<&'a str>, String> {
        let Some(device) = &claim.device else {
            return Ok(None);
        };
        match self.ports.0.get(&claim.port) {
            Some(Binding::Gone) => return Ok(None),
            Some(Binding::To(ifindex)) => {
                return Ok(names.get(ifindex).copied());
            }
            None => {}
        }
        let Some(interface) = observed.interfaces.get(device) else {
            return Ok(Some(device));
        };
        if let Some(other) = self.interfaces.get(&interface.ifindex) {
            return Err(format!("its device {device} is the interface of {other}"));
        }
        if let Some(expected) = claim.device_mac
            && expected != interface.mac
        {
            return Err(format!(
                "its device {device} has MAC {} where {} made it with {expected}: \
                 it is another interface of that name",
                interface.mac, claim.source
            ));
        }
        let port = claim.port.clone();
        self.interfaces.insert(interface.ifindex, port.clone());
        self.ports.0.insert(port, Binding::To(interface.ifindex));
        Ok(Some(device))
    }
}
