//! The machine: ports, frames and time in; addresses that a port has, and what became of them, out.
//! Knows who goes before whom and how many are too many.

mod admission;
mod leases;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

use crate::evidence::{Direction, Evidence, evidence, is_host};
use crate::facts::Mode;
use crate::holders::Holders;
use crate::port::{Held, Origin, Port, is_link_local};
use crate::{Moment, PortSnapshot, Snapshot};

/// How long a probe is only a question: detection ends, and what was found taken is given up.
/// RFC 5227 section 2.1.1 takes up to 9 seconds (PROBE_WAIT, three probes, ANNOUNCE_WAIT).
pub(crate) const PROBE_WINDOW: Duration = Duration::from_secs(10);
/// How often a port may give up an address that it only asked for. First use would mean nothing if it
/// could ask for one after the other.
pub(crate) const MOST_REPLACED: u8 = 8;
/// Refusals of one kind are told once in this time for each port, and counted always.
pub(crate) const TOLD_AGAIN: Duration = Duration::from_secs(10);

/// What became known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The port has another address.
    Learned { port: String, held: Held },
    /// It has it for longer.
    Renewed {
        port: String,
        address: IpAddr,
        expires: Option<Moment>,
    },
    /// It has it no longer.
    Forgotten {
        port: String,
        address: IpAddr,
        why: Forgotten,
    },
    /// It does not get it. Told now and then; [`Learner::refused`] counts.
    Refused {
        port: String,
        address: IpAddr,
        why: Refused,
    },
}

impl Event {
    /// The port whose addresses are others than before.
    pub fn changes(&self) -> Option<&str> {
        match self {
            Self::Learned { port, .. } | Self::Forgotten { port, .. } => Some(port),
            Self::Renewed { .. } | Self::Refused { .. } => None,
        }
    }
}

/// Why a port has an address no longer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Forgotten {
    /// Its lease has ended.
    Expired,
    /// The VM gave it back.
    Released,
    /// The VM found it taken.
    Declined,
    /// The server took it back.
    TakenBack,
    /// The same client got, or a probe asked for, another in its place.
    Replaced,
    /// Another port was given it by a document or a lease.
    Conflict { with: String },
    /// Its own document says it now.
    Declared,
    /// Documents do not let the port learn it any more.
    NotAllowed,
    /// The port is gone.
    PortGone,
}

/// Why a port does not get an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("the port has as many addresses as its `learn` allows")]
    Limit,
    #[error("port {with} of the same network has it")]
    Conflict { with: String },
    #[error("it is not `within` the prefixes that may be learned")]
    Outside,
    #[error("DHCP server {server} is not among the `servers` of its `learn`")]
    Untrusted { server: IpAddr },
    #[error("the port did not ask for what DHCP server {server} answers")]
    Unasked { server: IpAddr },
}

impl Refused {
    fn number(&self) -> usize {
        match self {
            Self::Limit => 0,
            Self::Conflict { .. } => 1,
            Self::Outside => 2,
            Self::Untrusted { .. } => 3,
            Self::Unasked { .. } => 4,
        }
    }
}

/// All ports of a host, and those of other hosts whose addresses nobody here may take.
#[derive(Clone, Debug, Default)]
pub struct Learner {
    ports: BTreeMap<String, Port>,
    networks: BTreeMap<String, Holders>,
    /// Of every address that ends by itself.
    deadlines: BTreeSet<(Moment, String, IpAddr)>,
    work: u64,
}

impl Learner {
    /// A learner that knows of no port.
    pub fn new() -> Self {
        Self::default()
    }

    /// What a frame tells, that the port sent or gets. A port that was not admitted learns nothing.
    pub fn observe(
        &mut self,
        port: &str,
        direction: Direction,
        frame: &[u8],
        now: Moment,
    ) -> Vec<Event> {
        let mut events = self.expire(now);
        self.work += 1;
        let Some(known) = self.ports.get(port) else {
            return events;
        };
        let mode = known.facts.rules.mode;
        let Some(told) = evidence(known.facts.mac, direction, frame) else {
            return events;
        };
        match (mode, told) {
            (Mode::None, _) => {}
            (Mode::FirstPacket, Evidence::Uses(address)) => {
                self.first(port, address, Origin::Used, now, &mut events);
            }
            (Mode::FirstPacket, Evidence::Probes(address)) => {
                self.first(port, address, Origin::Probed, now, &mut events);
            }
            (Mode::Dhcp, Evidence::Uses(address)) if is_link_local(address) => {
                self.first(port, address, Origin::Used, now, &mut events);
            }
            (Mode::Dhcp, Evidence::Probes(address)) if is_link_local(address) => {
                self.first(port, address, Origin::Probed, now, &mut events);
            }
            (Mode::Dhcp, Evidence::Asked4(message)) => {
                self.asked4(port, &message, now, &mut events);
            }
            (Mode::Dhcp, Evidence::Answered4(server, message)) => {
                self.answered4(port, server, &message, now, &mut events);
            }
            (Mode::Dhcp, Evidence::Asked6(message)) => {
                self.asked6(port, &message, now, &mut events);
            }
            (Mode::Dhcp, Evidence::Answered6(server, message)) => {
                self.answered6(port, server, &message, now, &mut events);
            }
            (Mode::Any, Evidence::Uses(address)) => self.seen(port, address, now),
            (Mode::FirstPacket | Mode::Dhcp | Mode::Any, _) => {}
        }
        events
    }

    /// Ends every lease whose time is over.
    pub fn expire(&mut self, now: Moment) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some((moment, port, address)) = self.deadlines.first().cloned() {
            if moment > now {
                break;
            }
            self.forget(&port, address, Forgotten::Expired, &mut events);
            // Whatever became of the port: the deadline is over.
            self.deadlines.remove(&(moment, port, address));
        }
        events
    }

    /// When [`Self::expire`] has something to do.
    pub fn next_expiry(&self) -> Option<Moment> {
        self.deadlines.first().map(|(moment, ..)| *moment)
    }

    /// What a port has learned. For [`Mode::Any`] what was seen of late, which is for people alone.
    pub fn held(&self, port: &str) -> impl Iterator<Item = &Held> {
        self.ports
            .get(port)
            .into_iter()
            .flat_map(|port| port.held.values())
    }

    /// What a port has learned, as what widens its addresses: nothing for [`Mode::Any`].
    pub fn addresses(&self, port: &str) -> BTreeSet<IpNet> {
        let port = self.ports.get(port);
        let binds = port.filter(|port| port.facts.rules.mode != Mode::Any);
        let held = binds.into_iter().flat_map(|port| port.held.keys());
        held.map(|address| IpNet::from(*address)).collect()
    }

    /// How often the port was refused an address.
    pub fn refused(&self, port: &str) -> u64 {
        self.ports.get(port).map_or(0, |port| port.refused)
    }

    /// Steps taken so far: what a frame costs is how much this grows.
    pub fn work(&self) -> u64 {
        self.work
    }

    /// Everything that would be lost with the process.
    pub fn export(&self) -> Snapshot {
        let ports = self.ports.keys();
        let exported = ports.filter_map(|name| Some((name.clone(), self.export_port(name)?)));
        Snapshot::of(exported.collect())
    }

    /// What travels with a port that moves to another host. `None` where nothing is learned.
    pub fn export_port(&self, port: &str) -> Option<PortSnapshot> {
        let port = self.ports.get(port)?;
        let binds = port.facts.rules.mode != Mode::Any && !port.held.is_empty();
        binds.then(|| PortSnapshot {
            mac: port.facts.mac,
            addresses: port.held.values().cloned().collect(),
        })
    }

    /// Takes in what another learner knew, as far as it is allowed here and now: ports that are
    /// admitted, with their MAC, their limits, and addresses that nobody has.
    pub fn import(&mut self, snapshot: &Snapshot, now: Moment) -> Vec<Event> {
        let mut events = self.expire(now);
        for (name, port) in snapshot.ports() {
            self.import_port(name, port, now, &mut events);
        }
        events
    }

    fn import_port(
        &mut self,
        name: &str,
        snapshot: &PortSnapshot,
        now: Moment,
        events: &mut Vec<Event>,
    ) {
        let Some(port) = self.ports.get(name) else {
            return;
        };
        let mode = port.facts.rules.mode;
        if port.facts.mac != snapshot.mac {
            return;
        }
        for held in &snapshot.addresses {
            let leased = held.origin == Origin::Leased;
            let ended = held.expires.is_some_and(|end| end <= now);
            match mode {
                _ if ended => {}
                Mode::Dhcp if leased => self.lease(name, held.clone(), now, events),
                Mode::Dhcp if is_link_local(held.address) => {
                    self.first(name, held.address, Origin::Used, held.since, events);
                }
                Mode::FirstPacket if !leased => {
                    self.first(name, held.address, Origin::Used, held.since, events);
                }
                _ => {}
            }
        }
    }

    /// The port uses or asks for an address: its own from now on, if there is room.
    fn first(
        &mut self,
        name: &str,
        address: IpAddr,
        origin: Origin,
        now: Moment,
        events: &mut Vec<Event>,
    ) {
        self.work += 1;
        let Some(port) = self.ports.get_mut(name) else {
            return;
        };
        if let Some(held) = port.held.get_mut(&address) {
            if held.origin == Origin::Probed {
                held.origin = origin;
            }
            return;
        }
        if !is_host(address) || port.declares(address) {
            return;
        }
        if !is_link_local(address) && !port.may_learn(address) {
            return self.refuse(name, address, Refused::Outside, now, events);
        }
        if let Some(with) = self.other_holder(name, address) {
            return self.refuse(name, address, Refused::Conflict { with }, now, events);
        }
        let Some(port) = self.ports.get_mut(name) else {
            return;
        };
        if port.is_full(address, Origin::Used) {
            self.work += port.held.len() as u64;
            let Some(given_up) = port.given_up(address, now) else {
                return self.refuse(name, address, Refused::Limit, now, events);
            };
            port.replaced = port.replaced.saturating_add(1);
            self.forget(name, given_up, Forgotten::Replaced, events);
        }
        let held = Held {
            address,
            origin,
            since: now,
            expires: None,
            server: None,
            client: 0,
        };
        self.hold(name, held, events);
    }

    /// An address of a port that may use any: the last ones stay.
    fn seen(&mut self, name: &str, address: IpAddr, now: Moment) {
        self.work += 1;
        let Some(port) = self.ports.get_mut(name) else {
            return;
        };
        if !is_host(address) || port.declares(address) {
            return;
        }
        let limit = port.limit(address);
        if limit == 0 {
            return;
        }
        let family = |held: &&Held| held.address.is_ipv4() == address.is_ipv4();
        self.work += port.held.len() as u64;
        if !port.held.contains_key(&address)
            && port.held.values().filter(family).count() >= limit
            && let Some(oldest) = port
                .held
                .values()
                .filter(family)
                .min_by_key(|held| held.since)
        {
            let oldest = oldest.address;
            port.held.remove(&oldest);
        }
        let held = Held {
            address,
            origin: Origin::Used,
            since: now,
            expires: None,
            server: None,
            client: 0,
        };
        port.held.insert(address, held);
    }

    /// Another port of the network that declares or has learned the address.
    fn other_holder(&mut self, name: &str, address: IpAddr) -> Option<String> {
        self.declared_by_other(name, address).or_else(|| {
            let holders = self.holders(name)?;
            let other = holders.learned_by(address).filter(|other| *other != name);
            other.map(str::to_owned)
        })
    }

    fn declared_by_other(&mut self, name: &str, address: IpAddr) -> Option<String> {
        let holders = self.holders(name)?;
        let (other, work) = holders.declared_by_other(address, name);
        let other = other.map(str::to_owned);
        self.work += work;
        other
    }

    fn holders(&self, name: &str) -> Option<&Holders> {
        let port = self.ports.get(name)?;
        self.networks.get(&port.facts.network)
    }

    /// Writes down an address that was found to be the port's.
    fn hold(&mut self, name: &str, held: Held, events: &mut Vec<Event>) {
        self.work += 3;
        let Some(port) = self.ports.get_mut(name) else {
            return;
        };
        let holders = self.networks.entry(port.facts.network.clone()).or_default();
        holders.learn(held.address, name);
        if let Some(end) = held.expires {
            self.deadlines.insert((end, name.to_owned(), held.address));
        }
        port.held.insert(held.address, held.clone());
        events.push(Event::Learned {
            port: name.to_owned(),
            held,
        });
    }

    fn forget(&mut self, name: &str, address: IpAddr, why: Forgotten, events: &mut Vec<Event>) {
        self.work += 3;
        let Some(port) = self.ports.get_mut(name) else {
            return;
        };
        let Some(held) = port.held.remove(&address) else {
            return;
        };
        if let Some(end) = held.expires {
            self.deadlines.remove(&(end, name.to_owned(), address));
        }
        if let Some(holders) = self.networks.get_mut(&port.facts.network) {
            holders.forget(address, name);
        }
        events.push(Event::Forgotten {
            port: name.to_owned(),
            address,
            why,
        });
    }

    fn refuse(
        &mut self,
        name: &str,
        address: IpAddr,
        why: Refused,
        now: Moment,
        events: &mut Vec<Event>,
    ) {
        self.work += 1;
        let Some(port) = self.ports.get_mut(name) else {
            return;
        };
        port.refused = port.refused.saturating_add(1);
        let Some(told) = port.told.get_mut(why.number()) else {
            return;
        };
        // A clock that was set back does not make it silent.
        if told.is_none_or(|last| last > now || now.since(last) >= TOLD_AGAIN) {
            *told = Some(now);
            events.push(Event::Refused {
                port: name.to_owned(),
                address,
                why,
            });
        }
    }
}

impl Port {
    /// Its own without being learned: what documents say, and the link-local address of its MAC.
    fn declares(&self, address: IpAddr) -> bool {
        address == IpAddr::V6(self.facts.mac.eui64_link_local())
            || self.facts.declared.iter().any(|net| net.contains(&address))
    }

    fn may_learn(&self, address: IpAddr) -> bool {
        let within = &self.facts.rules.within;
        within.is_empty() || within.iter().any(|net| net.contains(&address))
    }

    fn limit(&self, address: IpAddr) -> usize {
        let rules = &self.facts.rules;
        usize::from(if address.is_ipv4() {
            rules.ipv4
        } else {
            rules.ipv6
        })
    }

    /// Whether there is no room for another address like this. The link-local address of a port that
    /// learns leases has a place of its own.
    fn is_full(&self, address: IpAddr, origin: Origin) -> bool {
        let dhcp = self.facts.rules.mode == Mode::Dhcp;
        let (limit, counts): (usize, &dyn Fn(&&Held) -> bool) = match (dhcp, origin) {
            (true, Origin::Used | Origin::Probed) => {
                (1, &|held: &&Held| held.origin != Origin::Leased)
            }
            (true, Origin::Leased) => (self.limit(address), &|held: &&Held| {
                held.origin == Origin::Leased && held.address.is_ipv4() == address.is_ipv4()
            }),
            (false, _) => (self.limit(address), &|held: &&Held| {
                held.address.is_ipv4() == address.is_ipv4()
            }),
        };
        self.held.values().filter(counts).count() >= limit
    }

    /// An address that the port only asked for, just now: it was taken, or the port would use it.
    fn given_up(&self, address: IpAddr, now: Moment) -> Option<IpAddr> {
        if self.replaced >= MOST_REPLACED {
            return None;
        }
        let asked = |held: &&Held| {
            held.origin == Origin::Probed
                && held.address.is_ipv4() == address.is_ipv4()
                && now.since(held.since) <= PROBE_WINDOW
        };
        let oldest = self
            .held
            .values()
            .filter(asked)
            .min_by_key(|held| held.since);
        oldest.map(|held| held.address)
    }
}

#[cfg(test)]
mod tests;
