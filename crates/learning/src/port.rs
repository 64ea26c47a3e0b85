//! What is remembered of one port: addresses, open requests, what was said of refusals. Everything in
//! it has a fixed size.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Moment;
use crate::facts::Facts;

/// Requests without an answer that are remembered, for each version of DHCP: a client has one or two.
pub(crate) const MOST_TRANSACTIONS: usize = 8;
/// An answer that comes later is not believed: clients give up after about a minute (RFC 2131
/// section 4.1), and DHCPv6's last retransmission is after two (RFC 8415 section 7.6).
pub(crate) const TRANSACTION_LIFE: Duration = Duration::from_secs(120);

/// An address that a port has learned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    pub address: IpAddr,
    pub origin: Origin,
    /// When it was learned, or last renewed or seen.
    pub since: Moment,
    /// When it ends by itself; `None`: with the port.
    pub expires: Option<Moment>,
    /// The DHCP server that gave it.
    pub server: Option<IpAddr>,
    /// Which of a port's DHCP clients it was given to.
    pub client: u64,
}

/// What made it the port's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// The port asked whether it is free.
    Probed,
    /// The port spoke as it.
    Used,
    /// A DHCP server gave it.
    Leased,
}

/// A client's request, for which an answer may come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Transaction {
    pub(crate) id: u32,
    pub(crate) client: u64,
    /// What an answer may bring.
    pub(crate) wants: Wants,
    pub(crate) since: Moment,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wants {
    /// A lease; of this address, where the client named one.
    Lease(Option<Ipv4Addr>),
    /// A lease, if the server skips its offer.
    RapidLease,
    /// Something else: no address comes of the answer.
    Nothing,
}

/// Open requests, the oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Transactions(VecDeque<Transaction>);

impl Transactions {
    /// A port's own oldest request makes room for a new one.
    pub(crate) fn open(&mut self, transaction: Transaction) {
        let same = |one: &Transaction| (one.id, one.client) == (transaction.id, transaction.client);
        self.0.retain(|one| !same(one));
        while self.0.len() >= MOST_TRANSACTIONS {
            self.0.pop_front();
        }
        self.0.push_back(transaction);
    }

    /// Takes out what the answer is for, if anything asked for it in time.
    pub(crate) fn close(
        &mut self,
        id: u32,
        client: Option<u64>,
        now: Moment,
    ) -> Option<Transaction> {
        self.0
            .retain(|one| now.since(one.since) <= TRANSACTION_LIFE);
        let of =
            |one: &Transaction| one.id == id && client.is_none_or(|client| client == one.client);
        let place = self.0.iter().position(of)?;
        self.0.remove(place)
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Port {
    pub(crate) facts: Facts,
    pub(crate) held: BTreeMap<IpAddr, Held>,
    pub(crate) open4: Transactions,
    pub(crate) open6: Transactions,
    /// Probed addresses that gave way to others, ever.
    pub(crate) replaced: u8,
    /// Frames and leases that were refused.
    pub(crate) refused: u64,
    /// When a refusal was last told, by kind.
    pub(crate) told: [Option<Moment>; 5],
}

pub(crate) fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}
