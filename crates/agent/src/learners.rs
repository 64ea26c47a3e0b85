//! Which ports of this host learn addresses, by documents and program, and what reports of the switch
//! come to. Knows who is asked; how an address is learned is left to `learning`, what it permits to `policy`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use learning::{Event, Facts, Learner, Mode, Moment, Rules};
use policy::learn::{LearnMode, Learning};
use policy::program::{Direction, PortProgram};
use policy::{Catalog, HostProgram, Incremental};

/// The learner of one host, with the ports as the program has them.
///
/// The loop calls [`Self::follow`] after each compilation, [`Self::report`] for each frame of the
/// switch's feed and [`Self::expire`] at [`Self::next_expiry`]. Each gives back what happened, which
/// [`Self::settle`] brings into the next program. Where `settle` says so after `follow`, the program
/// is compiled again before it is applied: else an interface whose name is used again would begin
/// with what the one before had learned.
#[derive(Clone, Debug, Default)]
pub struct Learners {
    learner: Learner,
    /// Ports that are enforced here, by interface index.
    interfaces: BTreeMap<u32, Arc<PortProgram>>,
    /// Every port that the learner knows of.
    known: BTreeSet<String>,
}

impl Learners {
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes ports as they are now: those that are enforced here with their rules, all others with
    /// what they declare, which nobody here may take. A port on another interface than before is
    /// another port.
    pub fn follow(&mut self, catalog: &Catalog, program: &HostProgram, now: Moment) -> Vec<Event> {
        let mut events = self.learner.expire(now);
        let ports = program.ports.values();
        let interfaces: BTreeMap<u32, Arc<PortProgram>> =
            ports.map(|port| (port.ifindex, Arc::clone(port))).collect();
        for (ifindex, before) in &self.interfaces {
            let port = interfaces.get(ifindex);
            if port.is_none_or(|port| port.name != before.name) {
                self.known.remove(&before.name);
                events.extend(self.learner.remove(&before.name, now));
            }
        }
        self.interfaces = interfaces;
        let gone = |name: &&String| !catalog.ports.contains_key(*name);
        let gone: Vec<String> = self.known.iter().filter(gone).cloned().collect();
        for name in gone {
            self.known.remove(&name);
            events.extend(self.learner.remove(&name, now));
        }
        for port in catalog.ports.values() {
            let enforced = program.ports.get(&port.name);
            let behaviour = enforced.and_then(|port| program.behaviours.get(&port.behaviour));
            let learning = behaviour.and_then(|behaviour| behaviour.learning.as_ref());
            let rules = learning.map(rules).unwrap_or_default();
            // Most ports are as they were, and a thousand of them are looked at for each change of one.
            if self.learner.facts(&port.name).is_some_and(|facts| {
                facts.mac == port.mac
                    && facts.network == port.network
                    && facts.declared == port.addresses
                    && facts.rules == rules
            }) {
                continue;
            }
            let facts = Facts {
                mac: port.mac,
                network: port.network.clone(),
                declared: port.addresses.clone(),
                rules,
            };
            self.known.insert(port.name.clone());
            events.extend(self.learner.admit(&port.name, facts, now));
        }
        events
    }

    /// A frame that the switch reports of an interface. One of no port tells nothing.
    pub fn report(
        &mut self,
        ifindex: u32,
        direction: Direction,
        frame: &[u8],
        now: Moment,
    ) -> Vec<Event> {
        let Some(port) = self.interfaces.get(&ifindex) else {
            return Vec::new();
        };
        let direction = match direction {
            Direction::In => learning::Direction::In,
            Direction::Out => learning::Direction::Out,
        };
        self.learner.observe(&port.name, direction, frame, now)
    }

    /// Ends what has ended.
    pub fn expire(&mut self, now: Moment) -> Vec<Event> {
        self.learner.expire(now)
    }

    /// When [`Self::expire`] has something to do.
    pub fn next_expiry(&self) -> Option<Moment> {
        self.learner.next_expiry()
    }

    /// Brings what changed into the next program; says whether there will be another.
    pub fn settle(&self, events: &[Event], incremental: &mut Incremental) -> bool {
        let ports: BTreeSet<&str> = events.iter().filter_map(Event::changes).collect();
        for port in &ports {
            incremental.learn(port, self.learner.addresses(port));
        }
        !ports.is_empty()
    }

    /// For status, and for what is written down or travels.
    pub fn learner(&self) -> &Learner {
        &self.learner
    }

    /// For what was written down, or came with a VM: after [`Self::follow`] knows its port.
    pub fn learner_mut(&mut self) -> &mut Learner {
        &mut self.learner
    }
}

fn rules(learning: &Learning) -> Rules {
    Rules {
        mode: match learning.mode {
            LearnMode::None => Mode::None,
            LearnMode::FirstPacket => Mode::FirstPacket,
            LearnMode::Dhcp => Mode::Dhcp,
            LearnMode::Any => Mode::Any,
        },
        servers: learning.servers.clone(),
        ipv4: learning.ipv4,
        ipv6: learning.ipv6,
        within: learning.within.clone(),
    }
}

#[cfg(test)]
mod tests;
