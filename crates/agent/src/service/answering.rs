//! What whoever waits is told. Knows when a word is refused and taken back, and how everything
//! stands; what is in force was decided before.

use std::collections::BTreeMap;

use datapath::{Counters, DatapathError, Enforcement};
use policy::claim::ClaimChange;
use tracing::error;

use crate::protocol::Reply;
use crate::standing::AgentStatus;

use super::round::{Waiting, Want};
use super::{Agent, Refused};

impl<E: Enforcement> Agent<E> {
    /// What a VM had before holds again where the new word of it cannot be enforced; says whether
    /// any was taken back. A VM that had nothing before keeps the refused claim, for status to show.
    pub(super) fn take_back(&mut self, waiting: &mut Vec<Waiting>) -> bool {
        let mut any = false;
        let mut left = Vec::with_capacity(waiting.len());
        // The latest first: of two words about one VM, what held before the earlier one holds again.
        for mut one in waiting.drain(..).rev() {
            let Want::Ports(word) = &mut one.want else {
                left.push(one);
                continue;
            };
            let mut reasons = Vec::new();
            for (vm, before) in word.vms.iter_mut().rev() {
                let refusal = self.refusal(&word.source, vm).or_else(|| {
                    let source = &word.source;
                    self.state.foresee(source, vm, &self.capabilities)
                });
                let Some((port, reason)) = refusal else {
                    continue;
                };
                let before = before.take().filter(|before| !before.is_empty());
                if before.is_none() && self.may_be_quarantined(&word.source, vm) {
                    continue;
                }
                if let Some(claims) = before {
                    let vm = vm.clone();
                    let change = ClaimChange::Replace { vm, claims };
                    self.state.change(&word.source, change);
                    any = true;
                }
                reasons.push(format!("port {port} is refused: {reason}"));
            }
            if reasons.is_empty() {
                left.push(one);
            } else {
                let message = reasons.join("; ");
                let _ = one.answer.send(Reply::Refused { message });
            }
        }
        left.reverse();
        *waiting = left;
        any
    }

    pub(super) fn reply(&mut self, want: Want) -> Reply {
        match want {
            Want::Ports(word) => {
                if let Some(problem) = &self.switch_problem {
                    return Reply::Refused {
                        message: format!("its ports cannot be enforced: {problem}"),
                    };
                }
                for mut said in word.said {
                    if word.vms.iter().any(|(vm, _)| *vm == said.vm) {
                        // Another word of the same round may have ended it.
                        match self.state.released(&said.source, &said.vm) {
                            Some(released) => said.released = released,
                            None => continue,
                        }
                    }
                    if let Err(error) = self.store.keep_said(&said) {
                        // Only a restart would have to hear it again.
                        error!(said.source, said.vm, "cannot be remembered: {error}");
                    }
                }
                let mut notes = word.notes;
                for (vm, _) in &word.vms {
                    if let Some((port, reason)) = self.refusal(&word.source, vm) {
                        notes.push(format!("port {port} is in quarantine: {reason}"));
                    }
                }
                Reply::Done {
                    output: word.output,
                    notes,
                }
            }
            Want::Documents => match &self.documents_problem {
                Some(problem) => Reply::Refused {
                    message: problem.clone(),
                },
                None => Reply::done(),
            },
            Want::Export(of) => self.export(&of),
            Want::Done(notes) => Reply::Done {
                output: String::new(),
                notes,
            },
            Want::Status => Reply::Status(Box::new(self.status())),
            Want::Metrics => {
                let counters = self.counters().unwrap_or_default();
                let status = self.status_with(&counters);
                Reply::Done {
                    output: self.metrics.text(&status, &counters),
                    notes: Vec::new(),
                }
            }
        }
    }

    /// The first port of the VM that is refused, with the reason.
    pub(super) fn refusal(&self, source: &str, vm: &str) -> Option<(String, String)> {
        let refused = &self.standing.desired().refused;
        let ports = self.state.ports_of(source, vm).into_iter();
        let mut ports = ports.filter_map(|port| {
            let refusal = refused.get(&port).filter(|refusal| !refusal.absent)?;
            Some((port, refusal.reason.clone()))
        });
        ports.next()
    }

    /// Whether refused ports of the VM pass nothing: on managed bridges alone.
    pub(super) fn may_be_quarantined(&self, source: &str, vm: &str) -> bool {
        let program = self.standing.desired();
        let managed = |bridge: &Option<String>| {
            let bridge = bridge.as_ref().and_then(|name| program.bridges.get(name));
            bridge.is_some_and(|bridge| bridge.managed)
        };
        let bridges = self.state.bridges_of(source, vm);
        match self.settings.refused {
            Refused::Fail => false,
            Refused::Quarantine => bridges.iter().all(managed),
            Refused::Start => true,
        }
    }

    pub(super) fn counters(&mut self) -> Result<Counters, DatapathError> {
        self.switch.counters()
    }

    pub(super) fn status(&mut self) -> AgentStatus {
        match self.counters() {
            Ok(counters) => self.status_with(&counters),
            Err(error) => {
                let mut status = self.status_with(&Counters::default());
                status.switch_problem.get_or_insert(error.to_string());
                status
            }
        }
    }

    /// Sources that cannot be heard, with the reason. One that was never there counts as soon as it has
    /// said something by another way: its hooks speak, and what changes between them is missed.
    fn unheard(&self) -> BTreeMap<String, String> {
        let absent = self.absent.iter();
        let speaks = |name: &str| self.state.claims_of(name).next().is_some();
        let absent = absent.filter(|(name, _)| speaks(name));
        let absent = absent.map(|(name, detail)| ((*name).to_owned(), detail.clone()));
        absent.chain(self.deaf.clone()).collect()
    }

    pub(super) fn status_with(&self, counters: &Counters) -> AgentStatus {
        let program = self.standing.desired();
        let degraded = self
            .degraded
            .iter()
            .map(|degraded| format!("{} is missing: {}", degraded.capability, degraded.instead));
        let admitted: std::collections::BTreeSet<u32> =
            program.ports.values().map(|port| port.ifindex).collect();
        let uplinks: std::collections::BTreeSet<u32> = program
            .bridges
            .values()
            .flat_map(|bridge| bridge.uplinks.values().flatten().copied())
            .collect();
        let interfaces = self.state.observed().interfaces.iter();
        let quarantined = interfaces.filter(|(_, interface)| {
            let bridge = program.bridges.get(&interface.bridge);
            bridge.is_some_and(|bridge| bridge.managed)
                && !admitted.contains(&interface.ifindex)
                && !uplinks.contains(&interface.ifindex)
        });
        let mut ports = self.standing.ports(
            self.state.provenance(),
            self.state.catalog(),
            counters,
            self.switch_problem.as_deref(),
            self.learners.learner(),
        );
        let notes = self.travel.notes();
        for port in &mut ports {
            port.notes.extend(notes.get(&port.port).cloned());
        }
        AgentStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            network_namespace: network_namespace(),
            host: program.host.clone(),
            revision: self.standing.revision(),
            documents_problem: self.documents_problem.clone(),
            switch_problem: self.switch_problem.clone(),
            deaf: self.unheard(),
            degraded: degraded.collect(),
            quarantined: quarantined.map(|(name, _)| name.clone()).collect(),
            ports,
        }
    }
}

/// The network namespace of the calling thread, by its inode; 0 where /proc does not say.
pub(crate) fn network_namespace() -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/thread-self/ns/net").map_or(0, |namespace| namespace.ino())
}
