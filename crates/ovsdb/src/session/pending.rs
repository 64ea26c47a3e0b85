//! Transactions on their way: waiting for a connection, for an answer, or for another attempt.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::time::Duration;

use serde_json::Value;

use super::Event;
use crate::cache::Cache;
use crate::error::{ErrorName, RemoteError};
use crate::machine::{Machine, RequestError, RequestId};
use crate::transaction::{OperationResult, Transaction, TransactionError};

/// So many transactions wait at most.
const MOST_PENDING: usize = 10_000;
/// Before the second attempt, unless the copy changes sooner; doubled each time, up to a second.
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// Tells the end of one transaction from those of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// When a transaction is tried again, and when no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// How often it is sent at most, when a `wait` in it times out because somebody else was faster.
    pub attempts: u32,
    /// It is sent again over the next connection if one ended before the answer came. Right only for
    /// what may be done twice.
    pub resend: bool,
    /// It is not sent later than this after it was queued, and taken back if it was sent and not
    /// answered.
    pub within: Option<Duration>,
}

impl Default for Retry {
    /// Ten attempts, never twice, 30 s.
    fn default() -> Self {
        Self {
            attempts: 10,
            resend: false,
            within: Some(Duration::from_secs(30)),
        }
    }
}

/// How a transaction ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It is carried out; a result for each operation.
    Done(Vec<OperationResult>),
    /// The copy showed that nothing was to be done.
    Nothing,
    /// Nothing was changed, and why.
    Failed(TransactionError),
    /// Nothing was changed: there was no connection in time, or it was taken back.
    Unsent,
    /// The connection ended before the answer came: it is carried out, or not.
    Unknown,
}

/// More transactions wait than are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{MOST_PENDING} transactions wait for the server already: is it reachable?")]
pub struct TooMany;

/// What a transaction should be, by what the copy has; `None`: nothing.
type Compute = dyn FnMut(&Cache) -> Option<Transaction> + Send;

pub(super) enum Plan {
    Fixed(Transaction),
    Computed(Box<Compute>),
}

impl fmt::Debug for Plan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(transaction) => transaction.fmt(formatter),
            Self::Computed(_) => formatter.write_str("computed"),
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Pending {
    last: u64,
    entries: BTreeMap<Ticket, Entry>,
    /// Those that are not sent.
    queued: BTreeSet<Ticket>,
    sent: BTreeMap<RequestId, Ticket>,
}

#[derive(Debug)]
struct Entry {
    plan: Plan,
    retry: Retry,
    deadline: Option<Duration>,
    attempts: u32,
    state: State,
}

#[derive(Debug)]
enum State {
    Queued {
        not_before: Duration,
    },
    Sent {
        id: RequestId,
        transaction: Transaction,
        canceled: bool,
    },
}

impl Pending {
    pub(super) fn add(
        &mut self,
        plan: Plan,
        retry: Retry,
        now: Duration,
    ) -> Result<Ticket, TooMany> {
        if self.entries.len() >= MOST_PENDING {
            return Err(TooMany);
        }
        self.last = self.last.saturating_add(1);
        let ticket = Ticket(self.last);
        let entry = Entry {
            plan,
            deadline: retry.within.map(|within| now.saturating_add(within)),
            retry,
            attempts: 0,
            state: State::Queued { not_before: now },
        };
        self.entries.insert(ticket, entry);
        self.queued.insert(ticket);
        Ok(ticket)
    }

    /// Sends what is due, in the order in which it was queued.
    pub(super) fn send(
        &mut self,
        machine: &mut Machine,
        cache: &Cache,
        now: Duration,
        events: &mut VecDeque<Event>,
    ) -> Result<(), RequestError> {
        let due = |entry: &Entry| matches!(entry.state, State::Queued { not_before } if not_before <= now);
        let due: Vec<Ticket> = self
            .queued
            .iter()
            .filter(|ticket| self.entries.get(ticket).is_some_and(due))
            .copied()
            .collect();
        for ticket in due {
            let Some(entry) = self.entries.get_mut(&ticket) else {
                continue;
            };
            let transaction = match &mut entry.plan {
                Plan::Fixed(transaction) => Some(transaction.clone()),
                Plan::Computed(compute) => compute(cache),
            };
            let Some(transaction) = transaction else {
                self.finish(ticket, Outcome::Nothing, events);
                continue;
            };
            match machine.request("transact", transaction.to_params()) {
                Ok(id) => {
                    entry.attempts = entry.attempts.saturating_add(1);
                    entry.state = State::Sent {
                        id,
                        transaction,
                        canceled: false,
                    };
                    self.queued.remove(&ticket);
                    self.sent.insert(id, ticket);
                }
                // This one can never be sent; others can.
                Err(error @ RequestError::Nul { .. }) => {
                    let refused = RemoteError {
                        name: ErrorName::SyntaxError,
                        details: Some(error.to_string()),
                        syntax: None,
                    };
                    let outcome = Outcome::Failed(TransactionError::Request(refused));
                    self.finish(ticket, outcome, events);
                }
                Err(error @ RequestError::Backlog { .. }) => return Err(error),
            }
        }
        Ok(())
    }

    /// An answer, perhaps to one of them.
    pub(super) fn answered(
        &mut self,
        id: RequestId,
        result: Result<Value, RemoteError>,
        now: Duration,
        events: &mut VecDeque<Event>,
    ) {
        let Some(ticket) = self.sent.remove(&id) else {
            return;
        };
        let Some(entry) = self.entries.get_mut(&ticket) else {
            return;
        };
        let State::Sent {
            transaction,
            canceled,
            ..
        } = &entry.state
        else {
            return;
        };
        let outcome = match transaction.read(result) {
            Ok(results) => Outcome::Done(results),
            Err(error) => {
                let conflict = error
                    .remote()
                    .is_some_and(|remote| remote.name == ErrorName::TimedOut);
                if conflict && !canceled && entry.attempts < entry.retry.attempts {
                    let doubled = entry.attempts.saturating_sub(1).min(7);
                    let pause = FIRST_PAUSE
                        .saturating_mul(1 << doubled)
                        .min(Duration::from_secs(1));
                    entry.state = State::Queued {
                        not_before: now.saturating_add(pause),
                    };
                    self.queued.insert(ticket);
                    return;
                }
                Outcome::Failed(error)
            }
        };
        self.finish(ticket, outcome, events);
    }

    /// The copy has changed: what waits for another attempt need not wait longer.
    pub(super) fn wake(&mut self) {
        for ticket in &self.queued {
            if let Some(entry) = self.entries.get_mut(ticket)
                && let State::Queued { not_before } = &mut entry.state
            {
                *not_before = Duration::ZERO;
            }
        }
    }

    /// The connection is over.
    pub(super) fn lost(&mut self, now: Duration, events: &mut VecDeque<Event>) {
        for ticket in std::mem::take(&mut self.sent).into_values() {
            match self.entries.get_mut(&ticket) {
                Some(entry) if entry.retry.resend => {
                    entry.state = State::Queued { not_before: now };
                    self.queued.insert(ticket);
                }
                Some(_) => self.finish(ticket, Outcome::Unknown, events),
                None => {}
            }
        }
    }

    /// Ends what was not sent in time.
    pub(super) fn expire(&mut self, now: Duration, events: &mut VecDeque<Event>) {
        for ticket in self.late(now) {
            if matches!(
                self.entries.get(&ticket),
                Some(Entry {
                    state: State::Queued { .. },
                    ..
                })
            ) {
                self.finish(ticket, Outcome::Unsent, events);
            }
        }
    }

    /// Takes back what was sent and not answered in time.
    pub(super) fn cancel_late(
        &mut self,
        machine: &mut Machine,
        now: Duration,
    ) -> Result<(), RequestError> {
        for ticket in self.late(now) {
            if let Some(entry) = self.entries.get_mut(&ticket)
                && let State::Sent { id, canceled, .. } = &mut entry.state
                && !*canceled
            {
                *canceled = true;
                machine.cancel(*id)?;
            }
        }
        Ok(())
    }

    pub(super) fn expire_now(&mut self, ticket: Ticket, now: Duration) {
        if let Some(entry) = self.entries.get_mut(&ticket) {
            entry.deadline = Some(now);
        }
    }

    /// When something is due next, with and without a connection.
    pub(super) fn wake_at(&self, running: bool) -> Option<Duration> {
        self.entries
            .values()
            .filter_map(|entry| match entry.state {
                State::Queued { not_before } if running => Some(
                    entry
                        .deadline
                        .map_or(not_before, |deadline| deadline.min(not_before)),
                ),
                State::Queued { .. } => entry.deadline,
                State::Sent { canceled: true, .. } => None,
                State::Sent { .. } => entry.deadline,
            })
            .min()
    }

    fn late(&self, now: Duration) -> Vec<Ticket> {
        self.entries
            .iter()
            .filter(|(_, entry)| entry.deadline.is_some_and(|deadline| deadline <= now))
            .map(|(ticket, _)| *ticket)
            .collect()
    }

    fn finish(&mut self, ticket: Ticket, outcome: Outcome, events: &mut VecDeque<Event>) {
        self.queued.remove(&ticket);
        if self.entries.remove(&ticket).is_some() {
            events.push_back(Event::Transaction { ticket, outcome });
        }
    }
}
