//! What ports had learned before this process began, until each of them is here again, and no longer than
//! it may be of use. Knows when that is; files are left to the loop.

use std::collections::BTreeMap;

use learning::{Moment, PortSnapshot, Snapshot};
use serde::{Deserialize, Serialize};

/// How long a port is waited for, in seconds: a week. A host that was repaired over a weekend finds what
/// its VMs had learned; a VM that went elsewhere meanwhile does not stay for ever.
const PATIENCE: u64 = 7 * 24 * 3600;

/// Ports that are not here.
#[derive(Clone, Debug, Default)]
pub(crate) struct Remembered {
    ports: BTreeMap<String, PortSnapshot>,
    missed: Missed,
}

/// Since when each port is waited for, in seconds since 1970.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Missed(BTreeMap<String, u64>);

impl Remembered {
    /// What was written down, and since when processes before this one had waited.
    pub(crate) fn new(snapshot: &Snapshot, mut missed: Missed, now: Moment) -> Self {
        let ports = snapshot.ports().clone();
        missed.0.retain(|port, _| ports.contains_key(port));
        for port in ports.keys() {
            let since = missed.0.entry(port.clone()).or_insert(now.0.as_secs());
            // A clock that was ahead once.
            *since = (*since).min(now.0.as_secs());
        }
        let mut remembered = Self { ports, missed };
        remembered.forget(now);
        remembered
    }

    /// Takes out what these ports had learned: they are here.
    pub(crate) fn take<'a>(
        &mut self,
        here: impl Iterator<Item = &'a String>,
    ) -> BTreeMap<String, PortSnapshot> {
        if self.ports.is_empty() {
            return BTreeMap::new();
        }
        let back: BTreeMap<String, PortSnapshot> = here
            .filter_map(|name| self.ports.remove_entry(name))
            .collect();
        for name in back.keys() {
            self.missed.0.remove(name);
        }
        back
    }

    /// Forgets leases that have ended, and ports that were waited for long enough; says whether there were
    /// any.
    pub(crate) fn forget(&mut self, now: Moment) -> bool {
        let mut any = false;
        let missed = &self.missed.0;
        self.ports.retain(|name, port| {
            let before = port.addresses.len();
            port.addresses
                .retain(|held| held.expires.is_none_or(|end| end > now));
            any |= port.addresses.len() < before;
            let since = missed.get(name).copied().unwrap_or_default();
            let stays =
                !port.addresses.is_empty() && now.0.as_secs().saturating_sub(since) < PATIENCE;
            any |= !stays;
            stays
        });
        let ports = &self.ports;
        self.missed.0.retain(|name, _| ports.contains_key(name));
        any
    }

    pub(crate) fn ports(&self) -> &BTreeMap<String, PortSnapshot> {
        &self.ports
    }

    /// To be written down.
    pub(crate) fn missed(&self) -> &Missed {
        &self.missed
    }
}

#[cfg(test)]
mod tests;
