//! What ports have learned, between the machine that learns, the next program, the disk and others, and
//! with it the connections that they take along. Knows who has to hear of it; what a frame tells is left
//! to `learning`, and which connections may go on to `policy`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread;

use datapath::{ConnectionMemory, DatapathError, Enforcement};
use frame::MacAddress;
use learning::Snapshot;
use policy::HostProgram;
use policy::connection::{Connection, may_go_on, tracked_zone};
use policy::program::PortProgram;
use tracing::{debug, error, info, warn};

use crate::protocol::{Exported, Reply};
use crate::survey::{self, MOST, Watched, most_active};
use crate::travel::Luggage;

use super::round::Round;
use super::{Agent, LEARNED, MISSED, moment_now};

impl<E: Enforcement> Agent<E> {
    /// What became known of addresses: told, and brought into the next program.
    pub(super) fn learned(&mut self, events: &[learning::Event], round: &mut Round) {
        tell_learned(events);
        if self.state.settle(&self.learners, events) {
            round.look_at(std::iter::empty());
        }
        let refused = |event: &learning::Event| matches!(event, learning::Event::Refused { .. });
        if !events.iter().all(refused) {
            self.keep_learned();
            round.publish = true;
        }
    }

    /// What ports bring from elsewhere.
    pub(super) fn bring(
        &mut self,
        brought: &Exported,
        round: &mut Round,
    ) -> Result<Vec<String>, String> {
        let full = |waiting| {
            format!("what {waiting} ports bring waits for them already: no room for more")
        };
        self.travel
            .bring_connections(&brought.connections)
            .map_err(full)?;
        if !brought.connections.is_empty() {
            round.look_at(std::iter::empty());
        }
        let brought = self.travel.bring(&brought.learned, self.standing.desired());
        let (here, later) = brought.map_err(full)?;
        let learner = self.learners.learner_mut();
        let events = learner.import(&here, moment_now());
        self.learned(&events, round);
        Ok(match later {
            0 => Vec::new(),
            1 => vec!["1 port is not here yet; its addresses wait for it".to_owned()],
            many => vec![format!(
                "{many} ports are not here yet; their addresses wait for them"
            )],
        })
    }

    /// What a port of this name, or each port of a VM of this name, takes along.
    pub(super) fn export(&mut self, of: &str) -> Reply {
        let program = self.standing.desired();
        let ports = program.ports.values();
        let meant: Vec<&Arc<PortProgram>> = ports
            .filter(|port| port.name == of || port.vm.as_deref() == Some(of))
            .collect();
        if meant.is_empty() {
            return Reply::Refused {
                message: format!("no port and no VM that is enforced here is called {of}"),
            };
        }
        let learner = self.learners.learner();
        let learned = meant
            .iter()
            .filter_map(|port| Some((port.name.clone(), learner.export_port(&port.name)?)));
        let learned = Snapshot::of(learned.collect());
        let (connections, notes) = match connections(self.memory.as_deref_mut(), program, &meant) {
            Ok(connections) => (connections, Vec::new()),
            Err(error) => {
                let note = format!("connections are not among it, they cannot be read: {error}");
                (BTreeMap::new(), vec![note])
            }
        };
        let exported = Exported {
            learned,
            connections,
        };
        match serde_json::to_string_pretty(&exported) {
            Ok(text) => Reply::Done {
                output: format!("{text}\n"),
                notes,
            },
            Err(error) => Reply::Refused {
                message: format!("what was learned cannot be written: {error}"),
            },
        }
    }

    /// What ports have learned, for their sources to carry, and whose connections to look at.
    pub(super) fn publish(&mut self) {
        let vms = || self.state.claims_of(import::libvirt::SOURCE);
        let (program, learner) = (self.standing.desired(), self.learners.learner());
        self.travel.publish(vms(), program, learner);
        self.travel.watch(vms(), program);
    }

    /// A source carries what belongs to VMs from now on.
    pub(super) fn carry_by(&mut self, carrier: Sender<Luggage>) {
        self.travel.carry_by(carrier.clone());
        let memory = match self.switch.memory() {
            Ok(Some(memory)) => memory,
            Ok(None) => return,
            Err(error) => return warn!("connections do not travel: {error}"),
        };
        let (surveyor, watched) = mpsc::channel();
        let body = move || survey::survey(memory, &watched, &carrier, survey::PERIOD);
        match thread::Builder::new().name("survey".to_owned()).spawn(body) {
            Ok(_) => self.travel.survey_by(surveyor),
            Err(error) => warn!("connections do not travel: no thread: {error}"),
        }
    }

    /// Connections that came with ports go on where the policy, which is in force now, lets them.
    pub(super) fn welcome_connections(&mut self) {
        let program = self.standing.desired();
        let arrived = self.travel.arrived_connections(program);
        for (port, connections) in arrived {
            let welcome = welcome(self.memory.as_deref_mut(), program, &port, connections);
            let (count, left) = (welcome.count, welcome.left);
            self.metrics.arrived_connections.inc_by(count as u64);
            let note = match welcome.reason {
                None => format!("{count} connections came with it and go on"),
                Some(reason) => format!(
                    "of its connections that came with it {count} go on and {left} only when it speaks: {reason}"
                ),
            };
            info!(port, count, left, "{note}");
            self.travel.note(&port, note);
        }
    }

    pub(super) fn keep_learned(&mut self) {
        self.remembered.forget(moment_now());
        let snapshot = self.learners.learner().export();
        let mut ports = self.remembered.ports().clone();
        ports.extend(snapshot.ports().clone());
        let learned = serde_json::to_value(Snapshot::of(ports));
        let missed = serde_json::to_value(self.remembered.missed());
        for (name, value) in [(LEARNED, learned), (MISSED, missed)] {
            let kept = value.map_err(std::io::Error::other);
            if let Err(error) = kept.and_then(|value| self.store.keep(name, &value)) {
                error!("learned addresses cannot be kept for the next start: {error}");
            }
        }
    }

    /// Now and then, although nothing was learned.
    pub(super) fn forget_remembered(&mut self) {
        if self.remembered.forget(moment_now()) {
            self.keep_learned();
        }
    }
}

/// The connections of ports, by MAC. Where the switch remembers none, there are none.
fn connections(
    memory: Option<&mut (dyn ConnectionMemory + 'static)>,
    program: &HostProgram,
    ports: &[&Arc<PortProgram>],
) -> Result<BTreeMap<MacAddress, Vec<Connection>>, DatapathError> {
    let Some(memory) = memory else {
        return Ok(BTreeMap::new());
    };
    let watched = ports.iter().filter_map(|port| {
        Some(Watched {
            vm: String::new(),
            name: String::new(),
            port: Arc::clone(port),
            zone: tracked_zone(program, port)?,
            came: false,
        })
    });
    let watched: Vec<Watched> = watched.collect();
    let seen = survey::look(memory, &watched)?;
    let ports = watched.iter().zip(seen).map(|(watched, mut connections)| {
        most_active(&mut connections, MOST);
        (watched.port.mac, connections)
    });
    Ok(ports.filter(|(_, it)| !it.is_empty()).collect())
}

/// What becomes of connections that came.
#[derive(Debug, Default)]
struct Welcome {
    /// So many go on.
    count: usize,
    /// So many do not.
    left: usize,
    /// Why the first of them does not.
    reason: Option<String>,
}

fn welcome(
    memory: Option<&mut (dyn ConnectionMemory + 'static)>,
    program: &HostProgram,
    port: &str,
    connections: Vec<Connection>,
) -> Welcome {
    let all = connections.len();
    let mut reason = None;
    let mut permitted = Vec::new();
    for connection in connections {
        match may_go_on(program, port, &connection) {
            Ok(()) => permitted.push(connection),
            Err(objection) => {
                reason.get_or_insert_with(|| format!("{connection}: {objection}"));
            }
        }
    }
    let zone = program.ports.get(port);
    let zone = zone.and_then(|port| tracked_zone(program, port));
    let mut count = 0;
    match (zone, memory) {
        (Some(zone), Some(memory)) if !permitted.is_empty() => {
            match memory.remember(zone, &permitted) {
                Ok(remembered) => {
                    count = remembered.added;
                    reason = reason.or(remembered.reason);
                }
                Err(error) => reason = Some(error.to_string()),
            }
        }
        (Some(_), None) => {
            let unable = || "the switch cannot be told of connections".to_owned();
            reason.get_or_insert_with(unable);
        }
        _ => {}
    }
    Welcome {
        count,
        left: all.saturating_sub(count),
        reason,
    }
}

pub(super) fn tell_learned(events: &[learning::Event]) {
    for event in events {
        match event {
            learning::Event::Learned { port, held } => {
                info!(port, address = %held.address, how = ?held.origin, "learned an address");
            }
            learning::Event::Renewed { port, address, .. } => {
                debug!(port, %address, "keeps its address");
            }
            learning::Event::Forgotten { port, address, why } => {
                info!(port, %address, ?why, "has an address no longer");
            }
            learning::Event::Refused { port, address, why } => {
                warn!(port, %address, "does not get an address: {why}");
            }
        }
    }
}
