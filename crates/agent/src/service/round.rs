//! One round of the loop: what was said is taken, the switch is brought to what follows, and whoever
//! waits is answered. Knows what a caller is told; when a round begins is left to the loop.

use std::collections::BTreeMap;
use std::sync::mpsc::Sender;

use datapath::{Counters, DatapathError, Enforcement};
use learning::{PortSnapshot, Snapshot};
use policy::claim::{Claim, ClaimChange};
use policy::language::load;
use tracing::{debug, error, info, warn};

use crate::event::{Event, Told};
use crate::host::{DesireError, Desired};
use crate::protocol::{Reply, Request};
use crate::standing::{AgentStatus, Difference};
use crate::store::Said;
use crate::systems::Interpreted;

use super::{Agent, FIRST_PAUSE, LEARNED, LONGEST_PAUSE, Refused, moment_now, seconds};

/// What a round has to do.
#[derive(Default)]
pub(super) struct Round {
    pub(super) documents: bool,
    pub(super) look: bool,
    /// What ports have learned is to be told to those who carry it.
    publish: bool,
    waiting: Vec<Waiting>,
    pub(super) stop: bool,
}

impl Round {
    pub(super) fn looks(&self) -> bool {
        self.look || self.documents
    }
}

/// A client that is answered when the round is over.
struct Waiting {
    answer: Sender<Reply>,
    want: Want,
}

enum Want {
    /// What ports have learned.
    Export(String),
    /// It is done, with these notes.
    Done(Vec<String>),
    /// Word of a VM was taken.
    Ports(Box<Word>),
    Documents,
    Status,
    Metrics,
}

/// Word of VMs, as it was taken.
struct Word {
    source: String,
    /// The VMs that it changes, and what was said of them before.
    vms: Vec<(String, Option<Vec<Claim>>)>,
    output: String,
    notes: Vec<String>,
    /// What is to be remembered if it takes effect.
    said: Vec<Said>,
}

impl<E: Enforcement> Agent<E> {
    pub(super) fn take(&mut self, event: Event, round: &mut Round) {
        match event {
            Event::Asked { request, answer } => self.asked(request, answer, round),
            Event::Documents => round.documents = true,
            Event::Links => round.look = true,
            Event::Report {
                ifindex,
                direction,
                frame,
            } => {
                let events = self
                    .learners
                    .report(ifindex, direction, &frame, moment_now());
                self.learned(&events, round);
            }
            Event::Switch { by } => {
                let by = by.unwrap_or_else(|| "somebody".to_owned());
                warn!(by, "what is ours in the switch was changed");
                self.metrics.foreign_changes.inc();
                round.look = true;
            }
            Event::Libvirt(Told::Carrier(carrier)) => {
                self.travel.carry_by(carrier);
                round.publish = true;
            }
            Event::Libvirt(told) => {
                for change in self.systems.told(told) {
                    round.look = true;
                    self.change(import::libvirt::SOURCE, change);
                }
            }
            Event::SourceState { name, problem } => match problem {
                Some(problem) => {
                    warn!(source = name, "cannot be heard; its ports stay: {problem}");
                    self.deaf.insert(name.to_owned(), problem);
                }
                None => {
                    if self.deaf.remove(name).is_some() {
                        info!(source = name, "can be heard again");
                    }
                }
            },
            Event::Stop => round.stop = true,
        }
    }

    /// Takes what a source says, and what came with it.
    fn change(&mut self, source: &str, change: ClaimChange) -> Option<Vec<Claim>> {
        self.travel.take(&change, self.standing.desired());
        let gone = match &change {
            ClaimChange::Remove { vm } => Some(vm.clone()),
            _ => None,
        };
        let before = self.state.change(source, change);
        if let (Some(vm), Some(claims)) = (gone, &before) {
            self.travel.forget(&vm, claims);
        }
        before
    }

    /// What became known of addresses: told, and brought into the next program.
    fn learned(&mut self, events: &[learning::Event], round: &mut Round) {
        tell_learned(events);
        round.look |= self.state.settle(&self.learners, events);
        let refused = |event: &learning::Event| matches!(event, learning::Event::Refused { .. });
        if !events.iter().all(refused) {
            self.keep_learned();
            round.publish = true;
        }
    }

    /// What ports had learned elsewhere.
    fn bring(&mut self, learned: &Snapshot, round: &mut Round) -> Result<Vec<String>, String> {
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
    fn export(&self, of: &str) -> Reply {
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
    fn publish(&mut self) {
        let vms = self.state.claims_of(import::libvirt::SOURCE);
        let (program, learner) = (self.standing.desired(), self.learners.learner());
        self.travel.publish(vms, program, learner);
    }

    fn keep_learned(&self) {
        let snapshot = self.learners.learner().export();
        let mut ports = self.remembered.clone();
        ports.extend(snapshot.ports().clone());
        let kept = serde_json::to_value(Snapshot::of(ports)).map_err(std::io::Error::other);
        if let Err(error) = kept.and_then(|value| self.store.keep(LEARNED, &value)) {
            error!("learned addresses cannot be kept for the next start: {error}");
        }
    }

    fn asked(&mut self, request: Request, answer: Sender<Reply>, round: &mut Round) {
        let want = match &request {
            Request::Status => Want::Status,
            Request::Metrics => Want::Metrics,
            Request::Reload => {
                round.documents = true;
                Want::Documents
            }
            Request::Stop => {
                round.stop = true;
                // Whoever does not wait for the answer does not want it; so below.
                let _ = answer.send(Reply::done());
                return;
            }
            Request::Export { of } => Want::Export(of.clone()),
            Request::Import { learned } => match self.bring(learned, round) {
                Ok(notes) => Want::Done(notes),
                Err(message) => {
                    let _ = answer.send(Reply::Refused { message });
                    return;
                }
            },
            Request::Hook { .. } | Request::Claim { .. } | Request::Unclaim { .. } => {
                match self.word(&request) {
                    Ok(want) => {
                        round.look = true;
                        want
                    }
                    Err(message) => {
                        warn!("refused: {message}");
                        let _ = answer.send(Reply::Refused { message });
                        return;
                    }
                }
            }
        };
        round.waiting.push(Waiting { answer, want });
    }

    /// Takes word of VMs.
    fn word(&mut self, request: &Request) -> Result<Want, String> {
        self.metrics.words.inc();
        let interpreted = self.systems.interpret(request)?;
        let Interpreted {
            source,
            changes,
            output,
            notes,
            about,
        } = interpreted;
        let mut word = Word {
            source,
            vms: Vec::new(),
            output,
            notes,
            said: Vec::new(),
        };
        let mut about: Vec<String> = about.into_iter().collect();
        let other = !about.is_empty();
        for change in changes {
            match &change {
                // What the word is about is remembered by that, and not by the VMs it touches.
                ClaimChange::Replace { vm, .. } if !other => about.push(vm.clone()),
                ClaimChange::Remove { vm } => self.forget_said(&word.source, vm),
                ClaimChange::Release { vm } => self.release_said(&word.source, vm),
                _ => {}
            }
            let vm = match &change {
                ClaimChange::Replace { vm, .. } => Some(vm.clone()),
                _ => None,
            };
            debug!(source = word.source, ?vm, "speaks");
            let before = self.change(&word.source, change);
            word.vms.extend(vm.map(|vm| (vm, before)));
        }
        let said = about.into_iter().map(|vm| Said {
            source: word.source.clone(),
            vm,
            request: request.clone(),
            released: false,
        });
        word.said = said.collect();
        Ok(Want::Ports(Box::new(word)))
    }

    fn forget_said(&self, source: &str, vm: &str) {
        if let Err(error) = self.store.forget_said(source, vm) {
            error!(source, vm, "cannot be forgotten: {error}");
        }
    }

    fn release_said(&self, source: &str, vm: &str) {
        if let Err(error) = self.store.release_said(source, vm) {
            error!(source, vm, "would come back with a restart: {error}");
        }
    }

    pub(super) fn carry_out(&mut self, mut round: Round) {
        if round.documents {
            self.documents(false);
        }
        if round.looks() {
            self.look();
            if self.take_back(&mut round.waiting) {
                self.look();
            }
        }
        if round.publish || round.looks() {
            self.publish();
        }
        for Waiting { answer, want } in round.waiting {
            let reply = self.reply(want);
            let _ = answer.send(reply);
        }
    }

    /// Reads the documents of the folder, and takes them if nothing that is enforced suffers by it.
    /// `first`: there are none that could hold in their place, so the good ones among the ports are
    /// better than nothing.
    pub(super) fn documents(&mut self, first: bool) {
        let read = (self.read_documents)();
        let loaded = read.and_then(|sources| match load(&sources) {
            Ok(catalog) => Ok((sources, catalog)),
            Err(diagnostics) => Err(diagnostics.to_string()),
        });
        let taken = loaded.and_then(|(sources, catalog)| {
            if first {
                self.state.adopt(catalog);
            } else {
                self.observe();
                let replaced = self.state.replace_documents(catalog, &self.capabilities);
                replaced.map_err(|error| error.to_string())?;
            }
            Ok(sources)
        });
        match taken {
            Ok(sources) => {
                info!(files = sources.len(), "documents are in force");
                self.documents_problem = None;
                if let Err(error) = self.store.keep_documents(&sources) {
                    error!("the documents cannot be kept for the next start: {error}");
                }
            }
            Err(problem) => {
                error!("the documents are not taken, those before stay in force: {problem}");
                self.metrics.rejected_documents.inc();
                self.documents_problem = Some(problem);
            }
        }
    }

    fn observe(&mut self) {
        match inventory::observe_all() {
            Ok((observed, existing)) => self.state.observe(observed, &existing),
            Err(error) => error!("interfaces cannot be read, those before are assumed: {error}"),
        }
    }

    /// Brings the switch to what should be in force now.
    pub(super) fn look(&mut self) {
        self.observe();
        for (source, vm) in self.state.take_ended() {
            self.forget_said(&source, &vm);
        }
        self.metrics.looks.inc();
        let mut desired = self.desire();
        if desired.is_ok() && self.set_vlans() {
            // Ports are admitted for the VLAN that they are in.
            self.observe();
            desired = self.desire();
        }
        let desired = match desired {
            Ok(desired) => desired,
            Err(error) => return self.failed(error.to_string()),
        };
        self.degraded = desired.degraded;
        self.keep_bound();
        let difference = self.standing.desire(&desired.program);
        self.tell(&difference);
        match self.switch.enforce(desired.program) {
            Ok(enforced) => {
                if enforced.commits > 0 {
                    self.metrics.commits.inc_by(enforced.commits.into());
                    debug!(changes = ?enforced.changes, "the switch was changed");
                }
                if self.switch_problem.take().is_some() {
                    info!("the switch is as it should be again");
                }
                self.pause = FIRST_PAUSE;
                self.standing.enforced(seconds());
            }
            Err(error) => self.failed(error.to_string()),
        }
    }

    /// Before anything is admitted: a process that begins anew knows its interfaces by this alone.
    fn keep_bound(&mut self) {
        let bound = self.state.bound();
        if bound == self.kept_bound {
            return;
        }
        match self.store.keep_bound(&bound) {
            Ok(()) => self.kept_bound = bound,
            Err(error) => error!("which interfaces ports are cannot be kept: {error}"),
        }
    }

    /// Puts claimed interfaces into the VLANs of their networks; says whether any was changed.
    fn set_vlans(&self) -> bool {
        let wanted = self.state.vlans();
        if wanted.is_empty() {
            return false;
        }
        let vlans = match inventory::vlans() {
            Ok(vlans) => vlans,
            Err(error) => {
                error!("the VLANs of interfaces cannot be read: {error}");
                return false;
            }
        };
        let mut any = false;
        for one in wanted {
            let current = vlans.get(&one.ifindex);
            let Some(change) = current.and_then(|current| current.change_to(one.vlan)) else {
                continue;
            };
            let (port, device, vlan) = (&one.port, &one.device, one.vlan);
            match inventory::set_vlan(one.ifindex, &change) {
                Ok(()) => {
                    let before = current.and_then(|current| current.pvid);
                    info!(port, device, vlan, ?before, "is in another VLAN");
                    any = true;
                }
                // Refused then, with the command that would do it.
                Err(error) => warn!(port, device, vlan, "is not in its VLAN: {error}"),
            }
        }
        any
    }

    /// What should be in force, with what its ports have learned.
    fn desire(&mut self) -> Result<Desired, DesireError> {
        let desired = self.state.desire(&self.capabilities)?;
        let now = moment_now();
        let catalog = self.state.catalog();
        let mut events = self.learners.follow(catalog, &desired.program, now);
        let ports = desired.program.ports.keys();
        // It is newer than what this host remembers of an earlier stay.
        if let Some(arrived) = self.travel.arrivals(&desired.program) {
            let learner = self.learners.learner_mut();
            events.extend(learner.import(&arrived, now));
        }
        let back: BTreeMap<String, PortSnapshot> = ports
            .filter_map(|name| self.remembered.remove_entry(name))
            .collect();
        if !back.is_empty() {
            let learner = self.learners.learner_mut();
            events.extend(learner.import(&Snapshot::of(back), now));
        }
        events.extend(self.learners.expire(now));
        tell_learned(&events);
        if !self.state.settle(&self.learners, &events) {
            return Ok(desired);
        }
        self.keep_learned();
        self.state.desire(&self.capabilities)
    }

    fn failed(&mut self, problem: String) {
        error!("not enforced, what was in force stays: {problem}");
        self.metrics.failures.inc();
        self.pause = match self.switch_problem {
            None => FIRST_PAUSE,
            Some(_) => self.pause.saturating_mul(2).min(LONGEST_PAUSE),
        };
        self.switch_problem = Some(problem);
    }

    fn tell(&self, difference: &Difference) {
        let program = self.standing.desired();
        for name in &difference.admitted {
            if let Some(port) = program.ports.get(name) {
                let profiles = port.profiles.join(", ");
                info!(
                    port = name,
                    device = port.device,
                    bridge = port.bridge,
                    profiles,
                    "admitted"
                );
            }
        }
        for name in &difference.changed {
            info!(port = name, "has another policy");
        }
        for name in &difference.gone {
            info!(port = name, "is gone");
        }
        for (name, reason) in &difference.refused {
            warn!(port = name, "refused: {reason}");
        }
    }

    /// What a VM had before holds again where the new word of it cannot be enforced; says whether
    /// any was taken back. A VM that had nothing before keeps the refused claim, for status to show.
    fn take_back(&mut self, waiting: &mut Vec<Waiting>) -> bool {
        let mut any = false;
        let mut left = Vec::with_capacity(waiting.len());
        for mut one in waiting.drain(..) {
            let Want::Ports(word) = &mut one.want else {
                left.push(one);
                continue;
            };
            let mut reasons = Vec::new();
            for (vm, before) in &mut word.vms {
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
        *waiting = left;
        any
    }

    fn reply(&mut self, want: Want) -> Reply {
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
    fn refusal(&self, source: &str, vm: &str) -> Option<(String, String)> {
        let refused = &self.standing.desired().refused;
        let ports = self.state.ports_of(source, vm).into_iter();
        let mut ports = ports.filter_map(|port| {
            let refusal = refused.get(&port).filter(|refusal| !refusal.absent)?;
            Some((port, refusal.reason.clone()))
        });
        ports.next()
    }

    /// Whether refused ports of the VM pass nothing: on managed bridges alone.
    fn may_be_quarantined(&self, source: &str, vm: &str) -> bool {
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

    fn counters(&mut self) -> Result<Counters, DatapathError> {
        self.switch.counters()
    }

    fn status(&mut self) -> AgentStatus {
        match self.counters() {
            Ok(counters) => self.status_with(&counters),
            Err(error) => {
                let mut status = self.status_with(&Counters::default());
                status.switch_problem.get_or_insert(error.to_string());
                status
            }
        }
    }

    fn status_with(&self, counters: &Counters) -> AgentStatus {
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
        AgentStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            network_namespace: network_namespace(),
            host: program.host.clone(),
            revision: self.standing.revision(),
            documents_problem: self.documents_problem.clone(),
            switch_problem: self.switch_problem.clone(),
            deaf: self.deaf.clone(),
            degraded: degraded.collect(),
            quarantined: quarantined.map(|(name, _)| name.clone()).collect(),
            ports: self.standing.ports(
                self.state.provenance(),
                self.state.catalog(),
                counters,
                self.switch_problem.as_deref(),
                self.learners.learner(),
            ),
        }
    }
}

/// The network namespace of the calling thread, by its inode; 0 where /proc does not say.
pub(crate) fn network_namespace() -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/thread-self/ns/net").map_or(0, |namespace| namespace.ino())
}

fn tell_learned(events: &[learning::Event]) {
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
