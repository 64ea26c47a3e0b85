//! Ports that come, change and go, and what that does to what was learned.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Event, Forgotten, Learner};
use crate::Moment;
use crate::facts::{Facts, Mode};
use crate::port::{Held, Origin, Port, is_link_local};

impl Learner {
    /// A port as documents have it: new, or changed. What it has learned stays as far as it is still
    /// allowed. Others lose what it declares.
    pub fn admit(&mut self, name: &str, facts: Facts, now: Moment) -> Vec<Event> {
        let mut events = self.expire(now);
        let before = self.ports.get(name).map(|port| port.facts.clone());
        if before.as_ref() == Some(&facts) {
            return events;
        }
        if let Some(before) = before {
            let moved = (before.mac, &before.network) != (facts.mac, &facts.network);
            if moved || before.rules.mode == Mode::Any {
                self.forget_all(name, &Forgotten::NotAllowed, &mut events);
            }
            self.withdraw(name, &before);
        }
        let own = declared(&facts);
        let holders = self.networks.entry(facts.network.clone()).or_default();
        let mut taken = Vec::new();
        for net in &own {
            holders.declare(*net, name);
            taken.extend(holders.learned_within(*net));
        }
        let port = self.ports.entry(name.to_owned()).or_default();
        port.facts = facts;
        let kept = port.still_allowed();
        for (address, holder) in taken {
            let why = if holder == name {
                Forgotten::Declared
            } else {
                Forgotten::Conflict {
                    with: name.to_owned(),
                }
            };
            self.forget(&holder, address, why, &mut events);
        }
        let held: Vec<IpAddr> = self.held(name).map(|held| held.address).collect();
        for address in held.into_iter().filter(|address| !kept.contains(address)) {
            self.forget(name, address, Forgotten::NotAllowed, &mut events);
        }
        events
    }

    /// What was said of the port last; `None`: it is not known.
    pub fn facts(&self, name: &str) -> Option<&Facts> {
        self.ports.get(name).map(|port| &port.facts)
    }

    /// The port is gone, and what it has learned with it.
    pub fn remove(&mut self, name: &str, now: Moment) -> Vec<Event> {
        let mut events = self.expire(now);
        self.forget_all(name, &Forgotten::PortGone, &mut events);
        if let Some(port) = self.ports.remove(name) {
            self.withdraw(name, &port.facts);
        }
        events
    }

    fn forget_all(&mut self, name: &str, why: &Forgotten, events: &mut Vec<Event>) {
        let held: Vec<IpAddr> = self.held(name).map(|held| held.address).collect();
        for address in held {
            self.forget(name, address, why.clone(), events);
        }
    }

    fn withdraw(&mut self, name: &str, facts: &Facts) {
        let Some(holders) = self.networks.get_mut(&facts.network) else {
            return;
        };
        for net in declared(facts) {
            holders.withdraw(net, name);
        }
        if holders.is_empty() {
            self.networks.remove(&facts.network);
        }
    }
}

/// What is the port's own without being learned.
fn declared(facts: &Facts) -> Vec<IpNet> {
    let own = IpNet::from(IpAddr::V6(facts.mac.eui64_link_local()));
    facts.declared.iter().copied().chain([own]).collect()
}

impl Port {
    /// What it could have learned by its rules as they are now, the oldest first where there are more
    /// than it may have.
    fn still_allowed(&self) -> Vec<IpAddr> {
        let mut held: Vec<&Held> = self.held.values().collect();
        held.sort_by_key(|held| (held.since, held.address));
        let (mut ipv4, mut ipv6, mut local) = (0_usize, 0_usize, 0_usize);
        let mut kept = Vec::new();
        for held in held {
            let address = held.address;
            let leased = held.origin == Origin::Leased;
            let fits = match self.facts.rules.mode {
                Mode::None => false,
                Mode::FirstPacket => !leased,
                Mode::Dhcp => leased || is_link_local(address),
                Mode::Any => false,
            };
            if !fits || !(is_link_local(address) || self.may_learn(address)) {
                continue;
            }
            let own_place = self.facts.rules.mode == Mode::Dhcp && !leased;
            let (count, limit) = match address {
                _ if own_place => (&mut local, 1),
                IpAddr::V4(_) => (&mut ipv4, self.limit(address)),
                IpAddr::V6(_) => (&mut ipv6, self.limit(address)),
            };
            if *count < limit {
                *count += 1;
                kept.push(address);
            }
        }
        kept
    }
}
