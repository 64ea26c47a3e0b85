//! Who has which address in one network, declared or learned. Knows names and addresses; who goes
//! before whom is left to the learner.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;

/// The addresses of one network.
#[derive(Clone, Debug, Default)]
pub(crate) struct Holders {
    declared: BTreeMap<IpNet, BTreeSet<String>>,
    /// How many declared prefixes have a length, so that a search tries only lengths that exist.
    lengths: BTreeMap<(bool, u8), usize>,
    learned: BTreeMap<IpAddr, String>,
}

impl Holders {
    pub(crate) fn is_empty(&self) -> bool {
        self.declared.is_empty() && self.learned.is_empty()
    }

    /// Everything (`/0`) is what a router says, and keeps nobody away.
    pub(crate) fn declare(&mut self, net: IpNet, port: &str) {
        let net = net.trunc();
        if net.prefix_len() == 0 {
            return;
        }
        let owners = self.declared.entry(net).or_default();
        if owners.is_empty() {
            *self.lengths.entry(length_of(net)).or_default() += 1;
        }
        owners.insert(port.to_owned());
    }

    pub(crate) fn withdraw(&mut self, net: IpNet, port: &str) {
        let net = net.trunc();
        let Some(owners) = self.declared.get_mut(&net) else {
            return;
        };
        owners.remove(port);
        if owners.is_empty() {
            self.declared.remove(&net);
            let length = length_of(net);
            if let Some(count) = self.lengths.get_mut(&length) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    self.lengths.remove(&length);
                }
            }
        }
    }

    /// Who else declares the address, and how many look-ups it took: at most one for each length
    /// that a prefix can have.
    pub(crate) fn declared_by_other(&self, address: IpAddr, port: &str) -> (Option<&str>, u64) {
        let mut work = 0;
        let family = address.is_ipv6();
        for (_, length) in self.lengths.keys().filter(|(ipv6, _)| *ipv6 == family) {
            work += 1;
            let Ok(net) = IpNet::new(address, *length) else {
                continue;
            };
            let owners = self.declared.get(&net.trunc());
            let mut others = owners.into_iter().flatten().filter(|owner| *owner != port);
            if let Some(other) = others.next() {
                return (Some(other), work);
            }
        }
        (None, work)
    }

    pub(crate) fn learned_by(&self, address: IpAddr) -> Option<&str> {
        self.learned.get(&address).map(String::as_str)
    }

    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.learned.len()
    }

    pub(crate) fn learn(&mut self, address: IpAddr, port: &str) {
        self.learned.insert(address, port.to_owned());
    }

    pub(crate) fn forget(&mut self, address: IpAddr, port: &str) {
        if self.learned_by(address) == Some(port) {
            self.learned.remove(&address);
        }
    }

    /// Who has learned an address in the prefix.
    pub(crate) fn learned_within(&self, net: IpNet) -> Vec<(IpAddr, String)> {
        if net.prefix_len() == 0 {
            return Vec::new();
        }
        let range = net.network()..=net.broadcast();
        let learned = self.learned.range(range);
        learned
            .map(|(address, port)| (*address, port.clone()))
            .collect()
    }
}

fn length_of(net: IpNet) -> (bool, u8) {
    (matches!(net, IpNet::V6(_)), net.prefix_len())
}
