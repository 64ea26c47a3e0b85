//! What should become of a frame: the evaluator asked at every port that the frame comes to, and where
//! the deciding line is written. Knows the way through the lab; sends nothing.

use policy::document::{Guard, Profile};
use policy::origin::Origin;
use policy::program::{ConnectionState, Direction};
use policy::{Catalog, Decider, Evaluation, evaluate};
use serde::{Deserialize, Serialize};

use super::enforcement::Enforced;

/// A frame's end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Denial {
    /// The host that drops it.
    pub(super) host: usize,
    /// The port at which it is dropped.
    pub(super) port: String,
    /// `in` or `out`, seen from the port.
    pub(super) direction: String,
    /// What decides; also the name of its counter in the kernel.
    pub(super) decider: String,
    /// The same for people.
    pub(super) text: String,
    /// File, line and column of what decides; `None` where no document can allow the frame.
    pub(super) place: Option<String>,
    /// Whether the kernel's counter of that name has moved with the frame.
    pub(super) counted: bool,
}

/// Asks the evaluator for every port of the lab.
pub(super) struct Predictor<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) hosts: &'a [Enforced],
}

impl Predictor<'_> {
    /// Why a frame does not pass one port; `None`: it passes. `state` counts where the host tracks connections.
    pub(super) fn at(
        &self,
        (host, port): (usize, &str),
        direction: Direction,
        frame: &[u8],
        state: ConnectionState,
    ) -> Option<Denial> {
        let enforced = self.hosts.get(host)?;
        let state = if enforced.capabilities.connection_tracking.present {
            state
        } else {
            ConnectionState::Untracked
        };
        let evaluation = evaluate(&enforced.program, port, direction, frame, state);
        if evaluation.passes() {
            return None;
        }
        let place = self.place(host, port, &evaluation);
        Some(Denial {
            host,
            port: port.to_owned(),
            direction: match direction {
                Direction::In => "in",
                Direction::Out => "out",
            }
            .to_owned(),
            decider: evaluation.decider.to_string(),
            text: self.text(host, port, &evaluation, direction),
            place: place.map(|origin| origin.to_string()),
            counted: false,
        })
    }

    /// Why a frame does not come from one port to another.
    pub(super) fn between(
        &self,
        from: (usize, &str),
        to: (usize, &str),
        frame: &[u8],
        state: ConnectionState,
    ) -> Option<Denial> {
        self.at(from, Direction::Out, frame, state)
            .or_else(|| self.at(to, Direction::In, frame, state))
    }

    /// Where the decision is written. Rules and defaults know; for the rest it is the document that asks for it.
    fn place(&self, host: usize, port: &str, evaluation: &Evaluation) -> Option<Origin> {
        let told = evaluation.steps.last().and_then(|step| step.origin.clone());
        if told.is_some() {
            return told;
        }
        // No document asks for it, and none can allow it.
        if evaluation.decider == Decider::Malformed {
            return None;
        }
        let program = &self.hosts.get(host)?.program;
        if evaluation.decider == Decider::Quarantine {
            return Some(self.catalog.hosts.get(&program.host)?.origin.clone());
        }
        let compiled = program.ports.get(port)?;
        let behaviour = program.behaviours.get(&compiled.behaviour)?;
        if evaluation.decider == Decider::Isolation {
            return Some(behaviour.isolation.as_ref()?.origin.clone());
        }
        let names = compiled.profiles.iter();
        let names: Vec<&str> = names.filter_map(|name| name.split('@').next()).collect();
        let profiles = || {
            names
                .iter()
                .filter_map(|name| self.catalog.profiles.get(*name))
        };
        let asking = match evaluation.decider {
            Decider::Guard(guard) => {
                profiles().find_map(|profile| self.guarding(profile, guard, 0))
            }
            _ => profiles().next(),
        };
        let network = || self.catalog.networks.get(&compiled.network);
        match asking {
            Some(profile) => Some(profile.origin.clone()),
            // Isolation, or the network's `mac-filter`, implies the MAC guard.
            None => network().map(|network| network.origin.clone()),
        }
    }

    /// The profile that has the guard, among this one and those it includes.
    fn guarding<'b>(
        &'b self,
        profile: &'b Profile,
        guard: Guard,
        depth: usize,
    ) -> Option<&'b Profile> {
        if profile.guards.contains(&guard) {
            return Some(profile);
        }
        // Inclusion has no cycles in a checked catalog; the bound keeps that from being a promise we need.
        if depth > 32 {
            return None;
        }
        let included = profile
            .include
            .iter()
            .filter_map(|name| self.catalog.profiles.get(name));
        let mut included = included;
        included.find_map(|one| self.guarding(one, guard, depth.saturating_add(1)))
    }
}

impl Predictor<'_> {
    fn text(
        &self,
        host: usize,
        port: &str,
        evaluation: &Evaluation,
        direction: Direction,
    ) -> String {
        if evaluation.decider == Decider::Isolation {
            let program = self.hosts.get(host).map(|enforced| &enforced.program);
            let reason = program.and_then(|program| {
                let port = program.ports.get(port)?;
                let behaviour = program.behaviours.get(&port.behaviour)?;
                behaviour
                    .isolation
                    .as_ref()
                    .map(|isolation| &isolation.reason)
            });
            return reason.map_or("isolation".to_owned(), |reason| {
                format!("isolation: {reason}")
            });
        }
        told(evaluation, direction)
    }
}

fn told(evaluation: &Evaluation, direction: Direction) -> String {
    let last = evaluation.steps.last().map(|step| step.text.as_str());
    match (&evaluation.decider, direction) {
        (Decider::Rule { .. }, _) => last.unwrap_or_default().to_owned(),
        (Decider::Default { .. }, Direction::In) => "default: {in: drop}".to_owned(),
        (Decider::Default { .. }, Direction::Out) => "default: {out: drop}".to_owned(),
        (Decider::Guard(guard), _) => format!("guard {}", guard.name()),
        (Decider::Quarantine, _) => "managed bridge: not admitted".to_owned(),
        (Decider::Tagged, _) => "VLAN tag not listed".to_owned(),
        (Decider::Malformed, _) => "always: cut or malformed".to_owned(),
        (Decider::EtherType, _) => "ethertype not listed".to_owned(),
        (Decider::Connection, _) => "no known connection".to_owned(),
        (Decider::Isolation, _) => "isolation".to_owned(),
        (Decider::DhcpServer, _) => "learn: DHCP server not listed".to_owned(),
        (Decider::Class(class), _) => (*class).to_owned(),
    }
}
