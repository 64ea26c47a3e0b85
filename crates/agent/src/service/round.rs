//! One round of the loop: what was said is taken, the switch is brought to what follows, and whoever
//! waits is answered. Knows what each event asks for; when a round begins is left to the loop.

use std::collections::BTreeSet;
use std::sync::mpsc::Sender;

use datapath::Enforcement;
use policy::claim::{Claim, ClaimChange};
use tracing::{debug, error, info, warn};

use crate::event::{Event, Told};
use crate::protocol::{Reply, Request};
use crate::store::Said;
use crate::systems::Interpreted;

use super::{Agent, LINKS_SETTLE, after, moment_now};

/// What a round has to do.
#[derive(Default)]
pub(super) struct Round {
    pub(super) documents: bool,
    pub(super) look: Option<Look>,
    /// What ports have learned is to be told to those who carry it.
    pub(super) publish: bool,
    waiting: Vec<Waiting>,
    pub(super) stop: bool,
}

impl Round {
    pub(super) fn looks(&self) -> bool {
        self.look.is_some() || self.documents
    }

    pub(super) fn look_at_everything(&mut self) {
        self.look = Some(Look::Everything);
    }

    /// Looks at these interfaces at least.
    pub(super) fn look_at(&mut self, devices: impl Iterator<Item = String>) {
        match self.look.get_or_insert_with(|| Look::At(BTreeSet::new())) {
            Look::At(known) => known.extend(devices),
            Look::Everything => {}
        }
    }
}

/// Which interfaces a round looks at before it decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// Those that somebody spoke of; the kernel's word of the others comes by itself.
    At(BTreeSet<String>),
    Everything,
}

/// A client that is answered when the round is over.
pub(super) struct Waiting {
    pub(super) answer: Sender<Reply>,
    pub(super) want: Want,
}

pub(super) enum Want {
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
pub(super) struct Word {
    pub(super) source: String,
    /// The VMs that it changes, and what was said of them before.
    pub(super) vms: Vec<(String, Option<Vec<Claim>>)>,
    pub(super) output: String,
    pub(super) notes: Vec<String>,
    /// What is to be remembered if it takes effect.
    pub(super) said: Vec<Said>,
}

impl<E: Enforcement> Agent<E> {
    pub(super) fn take(&mut self, event: Event, round: &mut Round) {
        match event {
            Event::Asked { request, answer } => self.asked(request, answer, round),
            Event::Documents => round.documents = true,
            Event::Links => {
                self.links_due.get_or_insert(after(LINKS_SETTLE));
            }
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
            Event::Switch { generation, .. }
                if generation.is_some_and(|generation| self.switch.is_own(generation)) => {}
            Event::Switch { by, .. } => {
                let by = by.unwrap_or_else(|| "somebody".to_owned());
                warn!(by, "what is ours in the switch was changed");
                self.metrics.foreign_changes.inc();
                round.look_at_everything();
            }
            Event::Said { source, change } => {
                self.change(source, change, round);
            }
            Event::Libvirt(Told::Carrier(carrier)) => {
                self.carry_by(carrier);
                round.publish = true;
            }
            Event::Libvirt(told) => {
                for change in self.systems.told(told) {
                    self.change(import::libvirt::SOURCE, change, round);
                }
            }
            Event::SourceState { name, problem } => match problem {
                Some(problem) => {
                    warn!(source = name, "cannot be heard; its ports stay: {problem}");
                    self.deaf.insert(name.to_owned(), problem);
                }
                None => {
                    self.absent.remove(name);
                    if self.deaf.remove(name).is_some() {
                        info!(source = name, "can be heard again");
                    }
                }
            },
            Event::SourceAbsent { name, detail } => {
                debug!(source = name, "is not there: {detail}");
                self.absent.insert(name, detail);
            }
            Event::Stop => round.stop = true,
        }
    }

    /// Takes what a source says, and what came with it.
    fn change(
        &mut self,
        source: &str,
        change: ClaimChange,
        round: &mut Round,
    ) -> Option<Vec<Claim>> {
        match &change {
            ClaimChange::Replace { claims, .. } => {
                round.look_at(claims.iter().filter_map(|claim| claim.device.clone()));
            }
            ClaimChange::Remove { .. } | ClaimChange::Nothing => round.look_at(std::iter::empty()),
            // Each claim ends with its interface; all of them are another story.
            ClaimChange::Release { .. } | ClaimChange::ReplaceAll { .. } => {
                round.look_at_everything();
            }
        }
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
            Request::Import(brought) => match self.bring(brought, round) {
                Ok(notes) => Want::Done(notes),
                Err(message) => {
                    let _ = answer.send(Reply::Refused { message });
                    return;
                }
            },
            Request::Hook { .. } | Request::Claim { .. } | Request::Unclaim { .. } => {
                match self.word(&request, round) {
                    Ok(want) => want,
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
    fn word(&mut self, request: &Request, round: &mut Round) -> Result<Want, String> {
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
            let before = self.change(&word.source, change, round);
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

    pub(super) fn forget_said(&self, source: &str, vm: &str) {
        if let Err(error) = self.store.forget_said(source, vm) {
            error!(source, vm, "cannot be forgotten: {error}");
        }
    }

    pub(super) fn release_said(&self, source: &str, vm: &str) {
        if let Err(error) = self.store.release_said(source, vm) {
            error!(source, vm, "would come back with a restart: {error}");
        }
    }

    pub(super) fn carry_out(&mut self, mut round: Round) {
        if round.documents {
            self.documents(false);
            round.look_at_everything();
        }
        if let Some(look) = &round.look {
            self.look(look);
            if self.take_back(&mut round.waiting) {
                self.look(look);
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
}
