//! What ports have learned, between the machine that learns, the next program, the disk and others.
//! Knows who has to hear of it; what a frame tells is left to `learning`.

use datapath::Enforcement;
use learning::Snapshot;
use tracing::{debug, error, info, warn};

use crate::protocol::Reply;

use super::round::Round;
use super::{Agent, LEARNED, moment_now};

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

    /// What ports had learned elsewhere.
    pub(super) fn bring(
        &mut self,
        learned: &Snapshot,
        round: &mut Round,
    ) -> Result<Vec<String>, String> {
        let brought = self.travel.bring(learned, self.standing.desired());
        let (here, later) = brought.map_err(|waiting| {
            format!("what {waiting} ports had learned waits for them already: no room for more")
        })?;
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

    /// What a port of this name, or each port of a VM of this name, has learned.
    pub(super) fn export(&self, of: &str) -> Reply {
        let ports = self.standing.desired().ports.values();
        let meant: Vec<&str> = ports
            .filter(|port| port.name == of || port.vm.as_deref() == Some(of))
            .map(|port| port.name.as_str())
            .collect();
        if meant.is_empty() {
            return Reply::Refused {
                message: format!("no port and no VM that is enforced here is called {of}"),
            };
        }
        let learner = self.learners.learner();
        let learned = meant
            .into_iter()
            .filter_map(|name| Some((name.to_owned(), learner.export_port(name)?)));
        match serde_json::to_string_pretty(&Snapshot::of(learned.collect())) {
            Ok(text) => Reply::Done {
                output: format!("{text}\n"),
                notes: Vec::new(),
            },
            Err(error) => Reply::Refused {
                message: format!("what was learned cannot be written: {error}"),
            },
        }
    }

    /// What ports have learned, for their sources to carry.
    pub(super) fn publish(&mut self) {
        let vms = self.state.claims_of(import::libvirt::SOURCE);
        let (program, learner) = (self.standing.desired(), self.learners.learner());
        self.travel.publish(vms, program, learner);
    }

    pub(super) fn keep_learned(&self) {
        let snapshot = self.learners.learner().export();
        let mut ports = self.remembered.clone();
        ports.extend(snapshot.ports().clone());
        let kept = serde_json::to_value(Snapshot::of(ports)).map_err(std::io::Error::other);
        if let Err(error) = kept.and_then(|value| self.store.keep(LEARNED, &value)) {
            error!("learned addresses cannot be kept for the next start: {error}");
        }
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
