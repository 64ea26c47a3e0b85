//! Batches: messages sent together, and the errors of each. A bundle among them is committed only if every one of its
//! messages was taken: Open vSwitch commits what is left of a bundle after it refused a message, so a barrier before
//! the commit makes sure that every error is there, and one error has the bundle discarded.
//!
//! Open vSwitch forgets a bundle after ten seconds without a message for it and then opens a new one of the same
//! number with the next; but it says so by an error under the xid of the opening, which counts like any other.

use super::event::Event;
use super::output::Output;
use super::request::take_xids;
use crate::message::bundle::{ATOMIC, ORDERED};
use crate::message::{BundleAdd, BundleControl, BundleStep, ErrorMessage, Message};
use crate::version::Version;
use crate::wire::EncodeError;
use std::collections::VecDeque;

/// Bytes encoded ahead of what the peer takes.
const AHEAD: usize = 256 * 1024;
/// Failures kept of one batch; all are counted.
const FAILURES_KEPT: usize = 1_000;

/// A batch, numbered by the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BatchId(pub u32);

/// How a batch takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchKind {
    /// All of it at once and in order, or nothing.
    Bundle,
    /// Each message by itself, in order; a barrier follows. What is refused changes nothing, the rest does.
    Plain,
}

/// A message of a batch that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Which message of the batch, from 0; `None` if opening or committing failed.
    pub index: Option<usize>,
    /// The error's name, or its numbers, or why the message could not be written.
    pub name: String,
    /// The error, if the switch sent one.
    pub error: Option<ErrorMessage>,
}

/// What became of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BatchOutcome {
    /// All of it is in effect.
    Done,
    /// Messages failed. Of a bundle nothing took effect; of a plain batch everything else did.
    Refused {
        /// The first thousand of the failures, in the order in which they came.
        failures: Vec<Failure>,
        /// How many there are.
        count: usize,
    },
    /// The connection ended before a bundle's commit was sent: nothing took effect.
    NotSent,
    /// The connection ended before the switch said whether it is in effect. Read what the switch has.
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing of it is sent.
    Waiting,
    /// This many messages are encoded.
    Sending(usize),
    /// The barrier behind the messages has no answer.
    Fence(u32),
    /// The bundle's commit has no answer.
    Commit(u32),
    /// The bundle's discarding has no answer.
    Discard(u32),
}

#[derive(Debug)]
struct Batch {
    id: BatchId,
    kind: BatchKind,
    messages: VecDeque<Message>,
    count: usize,
    stage: Stage,
    /// The opening's; the messages' follow.
    first_xid: u32,
    failures: Vec<Failure>,
    failure_count: usize,
}

/// Batches in the order in which they were submitted; the first is under way.
#[derive(Debug, Default)]
pub(super) struct Batches {
    queue: VecDeque<Batch>,
    last: u32,
    queued: usize,
    /// The first batch's next step is to be sent.
    step: Option<BundleStep>,
}

impl Batches {
    pub(super) fn submit(&mut self, kind: BatchKind, messages: Vec<Message>) -> BatchId {
        self.last = self.last.checked_add(1).unwrap_or(1);
        let id = BatchId(self.last);
        self.queued = self.queued.saturating_add(messages.len());
        self.queue.push_back(Batch {
            id,
            kind,
            count: messages.len(),
            messages: messages.into(),
            stage: Stage::Waiting,
            first_xid: 0,
            failures: Vec::new(),
            failure_count: 0,
        });
        id
    }

    pub(super) const fn queued(&self) -> usize {
        self.queued
    }

    /// Encodes of the first batch what fits into the output.
    pub(super) fn feed(&mut self, version: Version, next_xid: &mut u32, output: &mut Output) {
        let Some(batch) = self.queue.front_mut() else {
            return;
        };
        if let Some(step) = self.step.take() {
            let xid = take_xids(next_xid, 1);
            batch.control(step, version, xid, output);
            batch.stage = if step == BundleStep::CommitRequest {
                Stage::Commit(xid)
            } else {
                Stage::Discard(xid)
            };
            return;
        }
        if batch.stage == Stage::Waiting {
            let xids = u32::try_from(batch.count)
                .unwrap_or(u32::MAX)
                .saturating_add(1);
            batch.first_xid = take_xids(next_xid, xids);
            batch.stage = Stage::Sending(0);
            if batch.kind == BatchKind::Bundle {
                batch.control(BundleStep::OpenRequest, version, batch.first_xid, output);
            }
        }
        let Stage::Sending(mut sent) = batch.stage else {
            return;
        };
        while output.waiting().len() < AHEAD {
            let Some(message) = batch.messages.pop_front() else {
                let xid = take_xids(next_xid, 1);
                // A barrier has a form in every version.
                let _ = output.append(&Message::BarrierRequest, version, xid);
                batch.stage = Stage::Fence(xid);
                return;
            };
            self.queued = self.queued.saturating_sub(1);
            if let Err(error) = batch.send(sent, message, version, output) {
                batch.failed(Some(sent), error.to_string(), None);
            }
            sent = sent.saturating_add(1);
            batch.stage = Stage::Sending(sent);
        }
    }

    /// Takes an error that belongs to the first batch: `Some` if it does.
    pub(super) fn error(
        &mut self,
        version: Version,
        xid: u32,
        error: &ErrorMessage,
    ) -> Option<Option<Event>> {
        let batch = self.queue.front_mut()?;
        let index = batch.index_of(xid)?;
        batch.failed(
            index.message(),
            error.error.describe(version),
            Some(error.clone()),
        );
        match batch.stage {
            // What the messages were refused for at the commit came before this.
            Stage::Commit(commit) if commit == xid => Some(self.finish()),
            Stage::Discard(discard) if discard == xid => Some(self.finish()),
            Stage::Fence(fence) if fence == xid => Some(self.after_fence()),
            _ => Some(None),
        }
    }

    /// Takes an answer that belongs to the first batch: `Some` if it does.
    pub(super) fn answer(&mut self, xid: u32, message: &Message) -> Option<Option<Event>> {
        let batch = self.queue.front()?;
        match (batch.stage, message) {
            (Stage::Fence(fence), Message::BarrierReply) if fence == xid => {
                Some(self.after_fence())
            }
            (Stage::Commit(wanted) | Stage::Discard(wanted), Message::BundleControl(_))
                if wanted == xid =>
            {
                Some(self.finish())
            }
            // That a bundle was opened; should it not, there is an error instead.
            (_, Message::BundleControl(_)) if batch.first_xid == xid => Some(None),
            _ => None,
        }
    }

    fn after_fence(&mut self) -> Option<Event> {
        let batch = self.queue.front()?;
        match batch.kind {
            BatchKind::Plain => self.finish(),
            BatchKind::Bundle => {
                let failed = batch.failure_count > 0;
                self.step = Some(if failed {
                    BundleStep::DiscardRequest
                } else {
                    BundleStep::CommitRequest
                });
                None
            }
        }
    }

    fn finish(&mut self) -> Option<Event> {
        let batch = self.queue.pop_front()?;
        let outcome = match batch.failure_count {
            0 => BatchOutcome::Done,
            count => BatchOutcome::Refused {
                failures: batch.failures,
                count,
            },
        };
        Some(Event::Batch {
            batch: batch.id,
            outcome,
        })
    }

    /// The connection has ended.
    pub(super) fn lost(&mut self) -> Vec<Event> {
        self.queued = 0;
        self.step = None;
        let outcome = |batch: &Batch| match (batch.stage, batch.kind) {
            (Stage::Waiting, _) => BatchOutcome::NotSent,
            // Without a commit a bundle dies with its connection.
            (Stage::Sending(_) | Stage::Fence(_) | Stage::Discard(_), BatchKind::Bundle) => {
                BatchOutcome::NotSent
            }
            _ => BatchOutcome::Unknown,
        };
        let lost = std::mem::take(&mut self.queue);
        lost.iter()
            .map(|batch| Event::Batch {
                batch: batch.id,
                outcome: outcome(batch),
            })
            .collect()
    }
}

/// What an xid of a batch stands for.
enum Place {
    Message(usize),
    Other,
}

impl Place {
    const fn message(&self) -> Option<usize> {
        match self {
            Self::Message(index) => Some(*index),
            Self::Other => None,
        }
    }
}

impl Batch {
    fn send(
        &self,
        index: usize,
        message: Message,
        version: Version,
        output: &mut Output,
    ) -> Result<(), EncodeError> {
        let offset = u32::try_from(index).unwrap_or(u32::MAX).saturating_add(1);
        let xid = self.first_xid.saturating_add(offset);
        match self.kind {
            BatchKind::Plain => message.encode(version, xid, output.writer()),
            BatchKind::Bundle => {
                let message = Box::new(message);
                let flags = ATOMIC | ORDERED;
                let add = BundleAdd {
                    bundle: self.id.0,
                    flags,
                    message,
                    properties: Vec::new().into(),
                };
                Message::BundleAdd(add).encode(version, xid, output.writer())
            }
        }
    }

    fn control(&self, step: BundleStep, version: Version, xid: u32, output: &mut Output) {
        let flags = ATOMIC | ORDERED;
        let control = BundleControl {
            bundle: self.id.0,
            step,
            flags,
            properties: Vec::new().into(),
        };
        // Only submitted in versions that have it.
        let _ = output.append(&Message::BundleControl(control), version, xid);
    }

    fn index_of(&self, xid: u32) -> Option<Place> {
        if self.stage == Stage::Waiting {
            return None;
        }
        let own = match self.stage {
            Stage::Fence(own) | Stage::Commit(own) | Stage::Discard(own) => own == xid,
            Stage::Waiting | Stage::Sending(_) => false,
        };
        if own || xid == self.first_xid {
            return Some(Place::Other);
        }
        let index = usize::try_from(xid.checked_sub(self.first_xid)?.checked_sub(1)?).ok()?;
        (index < self.count).then_some(Place::Message(index))
    }

    fn failed(&mut self, index: Option<usize>, name: String, error: Option<ErrorMessage>) {
        self.failure_count = self.failure_count.saturating_add(1);
        if self.failures.len() < FAILURES_KEPT {
            self.failures.push(Failure { index, name, error });
        }
    }
}
