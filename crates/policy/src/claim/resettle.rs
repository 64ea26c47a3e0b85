//! Settling again after some claims changed: what it costs follows the change, as far as claims have
//! nothing to do with each other. Knows which those are; the result is that of [`settle`] from the
//! same inputs.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use frame::MacAddress;

use crate::catalog::Catalog;

use super::settle::port_of;
use super::{Claim, Settled, settle};

/// Declared documents, claims, and what holds by them: for processes that live long.
#[derive(Clone, Debug, Default)]
pub struct Settling {
    /// What was settled last; `None` where two claims have the same name, which of each other decide.
    from: Option<Inputs>,
    settled: Settled,
}

#[derive(Clone, Debug)]
struct Inputs {
    declared: Arc<Catalog>,
    host: Option<String>,
    /// By the port that they claim.
    claims: BTreeMap<String, Claim>,
    /// Of declared ports: a claim that has one may be that port.
    macs: BTreeSet<MacAddress>,
}

/// What differs from before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resettled {
    /// These ports alone: new, changed, gone or refused.
    Ports(BTreeSet<String>),
    Everything,
}

impl Settling {
    /// Settles the claims. Declared documents are the same as before where they are the same `Arc`.
    pub fn settle<C: Borrow<Claim>>(
        &mut self,
        declared: &Arc<Catalog>,
        host: Option<&str>,
        claims: &[C],
    ) -> Resettled {
        if let Some(changed) = self.change(declared, host, claims) {
            return Resettled::Ports(changed);
        }
        self.settled = settle(declared, host, claims);
        let all = claims.iter().map(Borrow::borrow);
        let by_port: BTreeMap<String, Claim> = all
            .map(|claim: &Claim| (claim.port.clone(), claim.clone()))
            .collect();
        self.from = (by_port.len() == claims.len()).then(|| Inputs {
            declared: Arc::clone(declared),
            host: host.map(str::to_owned),
            claims: by_port,
            macs: declared.ports.values().map(|port| port.mac).collect(),
        });
        Resettled::Everything
    }

    pub fn settled(&self) -> &Settled {
        &self.settled
    }

    /// Changes what differs; `None`, and nothing is changed, where others may be affected by it.
    fn change<C: Borrow<Claim>>(
        &mut self,
        declared: &Arc<Catalog>,
        host: Option<&str>,
        claims: &[C],
    ) -> Option<BTreeSet<String>> {
        let from = self.from.as_mut()?;
        if !Arc::ptr_eq(declared, &from.declared) || host != from.host.as_deref() {
            return None;
        }
        let mut said: BTreeMap<&str, &Claim> = BTreeMap::new();
        for claim in claims {
            let claim: &Claim = claim.borrow();
            if said.insert(&claim.port, claim).is_some() {
                return None;
            }
        }
        let known = from.claims.keys();
        let gone = known.filter(|port| !said.contains_key(port.as_str()));
        let mut changed: BTreeSet<String> = gone.cloned().collect();
        let differs = |claim: &&&Claim| from.claims.get(&claim.port) != Some(claim);
        let new: Vec<&Claim> = said.values().filter(differs).copied().collect();
        changed.extend(new.iter().map(|claim| claim.port.clone()));
        let old = changed.iter().filter_map(|port| from.claims.get(port));
        if !old
            .chain(new.iter().copied())
            .all(|it| from.stands_alone(it))
        {
            return None;
        }
        for port in &changed {
            from.claims.remove(port);
            self.settled.catalog.ports.remove(port);
            self.settled.provenance.remove(port);
            self.settled.refused.remove(port);
        }
        for claim in new {
            let result = match &claim.refused {
                Some(reason) => Err(reason.clone()),
                None => port_of(&mut self.settled.catalog, claim, None),
            };
            let settled = &mut self.settled;
            settled.place(&claim.port, result, host, claim, None);
            from.claims.insert(claim.port.clone(), claim.clone());
        }
        Some(changed)
    }
}

impl Inputs {
    /// Whether the claim is nobody's but its own: it is no declared port, brings no documents, and
    /// its network is there without it.
    fn stands_alone(&self, claim: &Claim) -> bool {
        let declared = &self.declared;
        let mut networks = declared.networks.values();
        let has_network = claim.network.is_some()
            || claim.bridge.is_none()
            || networks.any(|network| {
                Some(&network.bridge) == claim.bridge.as_ref() && network.vlan == claim.vlan
            });
        claim.documents.is_empty()
            && !declared.ports.contains_key(&claim.port)
            && !self.macs.contains(&claim.mac)
            && has_network
    }
}

#[cfg(test)]
mod tests;
