//! A client of one database that outlives its connections: bytes and time in, bytes and events out.
//! Knows the order in which a connection comes to be of use (schema, monitor, locks, transactions),
//! when to try again, and what holds in between. Opens no socket: the owner does when
//! [`Event::Connect`] says so.
//!
//! The cache stays as it was while there is no connection. The next one goes on from there, or
//! replaces everything; both show as changes, and only real ones.

mod conversation;
mod locks;
mod pending;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::Duration;

use crate::cache::{Cache, CacheError, Change};
use crate::error::{ErrorName, RemoteError};
use crate::framing::Limits;
use crate::machine::{Machine, ProtocolError, RequestError};
use crate::monitor::{Method, UpdateError, Watch};
use crate::operation::Condition;
use crate::schema::{Schema, SchemaError};
use crate::transaction::Transaction;
use crate::uuid::Uuid;
use conversation::Conversation;
use locks::Locks;
pub use pending::{Outcome, Retry, Ticket, TooMany};
use pending::{Pending, Plan};

/// What a session is to do.
#[derive(Clone, Debug)]
pub struct Settings {
    pub database: String,
    /// The rows and columns to have a copy of. What the server does not have is left out.
    pub watches: Vec<Watch>,
    pub limits: Limits,
    /// The copy's weight, roughly in bytes, that is not exceeded.
    pub most_weight: usize,
    /// After so long without a byte the server is asked, and after as long again given up.
    pub probe: Duration,
    /// A connection is given up when it is of no use after so long.
    pub setup: Duration,
    /// How long to wait before connecting again: at first, doubled each time, and at most.
    pub backoff: (Duration, Duration),
}

impl Settings {
    /// Asks after 10 s and gives up after 20, 60 s for setting up, connects again after 1 to 8 s.
    pub fn new(database: &str, watches: Vec<Watch>) -> Self {
        Self {
            database: database.to_owned(),
            watches,
            limits: Limits::default(),
            most_weight: crate::cache::MOST_WEIGHT,
            probe: Duration::from_secs(10),
            setup: Duration::from_secs(60),
            backoff: (Duration::from_secs(1), Duration::from_secs(8)),
        }
    }
}

/// What the owner is to do or to know.
#[derive(Debug)]
pub enum Event {
    /// Open a connection, then call [`Session::opened`] or [`Session::closed`].
    Connect,
    /// The copy is what the database was a moment ago, and transactions are sent.
    Running {
        /// The server went on from where the last connection ended.
        resumed: bool,
    },
    /// The copy is another: [`Session::take_changes`].
    Changed,
    /// A transaction has come to its end.
    Transaction { ticket: Ticket, outcome: Outcome },
    /// The lock is held now, or no more.
    Lock { name: String, held: bool },
    /// The connection is of no more use: close it. [`Event::Connect`] comes later.
    Disconnected(SessionError),
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    #[error("{0}")]
    Transport(String),
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error("the server refused {method}: {error}")]
    Refused {
        method: &'static str,
        #[source]
        error: RemoteError,
    },
    #[error(transparent)]
    Schema(#[from] SchemaError),
    #[error(transparent)]
    Update(#[from] UpdateError),
    #[error(transparent)]
    Cache(#[from] CacheError),
    #[error(
        "the server takes connections, but did not answer what is needed to use one within {0:?}"
    )]
    Setup(Duration),
}

/// The client.
#[derive(Debug)]
pub struct Session {
    settings: Settings,
    stage: Stage,
    cache: Cache,
    schema: Option<Schema>,
    server: Option<Uuid>,
    /// The last transaction that the copy knows of; zero: ask for everything.
    last: Uuid,
    locks: Locks,
    pending: Pending,
    events: VecDeque<Event>,
    /// [`Event::Changed`] is among the events.
    changed: bool,
    backoff: Duration,
}

#[derive(Debug)]
enum Stage {
    /// Without a connection until then.
    Waiting {
        until: Duration,
    },
    /// The owner is at it.
    Opening,
    Open(Box<Conversation>),
}

impl Session {
    /// Connects at once.
    pub fn new(settings: Settings, now: Duration) -> Self {
        Self {
            stage: Stage::Waiting { until: now },
            cache: Cache::new(settings.most_weight),
            schema: None,
            server: None,
            last: Uuid::ZERO,
            locks: Locks::default(),
            pending: Pending::default(),
            events: VecDeque::new(),
            changed: false,
            backoff: settings.backoff.0,
            settings,
        }
    }

    /// The connection that [`Event::Connect`] asked for is there.
    pub fn opened(&mut self, now: Duration) {
        let machine = Machine::new(self.settings.limits, Some(self.settings.probe), now);
        let begun = Conversation::begin(machine, &self.settings.database, now);
        match begun {
            Ok(conversation) => self.stage = Stage::Open(Box::new(conversation)),
            Err(error) => self.end(error.into(), now),
        }
    }

    /// There is no connection, or no more.
    pub fn closed(&mut self, why: &str, now: Duration) {
        if !matches!(self.stage, Stage::Waiting { .. }) {
            self.end(SessionError::Transport(why.to_owned()), now);
        }
    }

    /// Bytes that arrived, cut anywhere.
    pub fn receive(&mut self, bytes: &[u8], now: Duration) {
        if let Stage::Open(conversation) = &mut self.stage {
            conversation.machine.receive(bytes, now);
            let result = self.converse(now);
            self.settle(result, now);
        }
    }

    /// Time has passed; [`Session::wake_at`] says when to call it at the latest.
    pub fn tick(&mut self, now: Duration) {
        let result = match &mut self.stage {
            Stage::Waiting { until } if now >= *until => {
                self.stage = Stage::Opening;
                self.events.push_back(Event::Connect);
                Ok(())
            }
            Stage::Waiting { .. } | Stage::Opening => Ok(()),
            Stage::Open(conversation) => {
                let since = conversation.since;
                if !conversation.is_running() && now >= since.saturating_add(self.settings.setup) {
                    Err(SessionError::Setup(self.settings.setup))
                } else {
                    conversation.machine.tick(now).map_err(SessionError::from)
                }
            }
        };
        self.settle(result, now);
        self.pending.expire(now, &mut self.events);
        if let Stage::Open(conversation) = &mut self.stage {
            let result = self.pending.cancel_late(&mut conversation.machine, now);
            self.settle(result.map_err(SessionError::from), now);
        }
        self.send_pending(now);
    }

    /// When [`Session::tick`] has something to do next.
    pub fn wake_at(&self) -> Option<Duration> {
        let (stage, running) = match &self.stage {
            Stage::Waiting { until } => (Some(*until), false),
            Stage::Opening => (None, false),
            Stage::Open(conversation) if conversation.is_running() => {
                (conversation.machine.wake_at(), true)
            }
            Stage::Open(conversation) => {
                let deadline = conversation.since.saturating_add(self.settings.setup);
                let probe = conversation.machine.wake_at().unwrap_or(deadline);
                (Some(deadline.min(probe)), false)
            }
        };
        stage.into_iter().chain(self.pending.wake_at(running)).min()
    }

    /// Takes the bytes that are to be sent.
    pub fn take_outgoing(&mut self) -> Vec<u8> {
        match &mut self.stage {
            Stage::Open(conversation) => conversation.machine.take_outgoing(),
            Stage::Waiting { .. } | Stage::Opening => Vec::new(),
        }
    }

    /// What the owner is to do or to know, one by one.
    pub fn next_event(&mut self) -> Option<Event> {
        let event = self.events.pop_front();
        if matches!(event, Some(Event::Changed)) {
            self.changed = false;
        }
        event
    }

    /// The copy.
    pub const fn cache(&self) -> &Cache {
        &self.cache
    }

    /// What has changed in the copy since the last question.
    pub fn take_changes(&mut self) -> Vec<Change> {
        self.cache.take_changes()
    }

    /// The database's schema, once a server has told it.
    pub const fn schema(&self) -> Option<&Schema> {
        self.schema.as_ref()
    }

    /// Which server it was last connected to, where it says: it changes when the server restarts.
    pub const fn server(&self) -> Option<Uuid> {
        self.server
    }

    /// The copy is kept up to date, and transactions are sent.
    pub fn is_running(&self) -> bool {
        matches!(&self.stage, Stage::Open(conversation) if conversation.is_running())
    }

    /// The way in which the server tells changes, while it does.
    pub fn method(&self) -> Option<Method> {
        match &self.stage {
            Stage::Open(conversation) => conversation.running_method(),
            Stage::Waiting { .. } | Stage::Opening => None,
        }
    }

    /// Queues a transaction. Its end comes as [`Event::Transaction`]; the copy has what it changed
    /// by then, since servers tell changes before they answer.
    ///
    /// # Errors
    /// Too many wait already.
    pub fn transact(
        &mut self,
        transaction: Transaction,
        retry: Retry,
        now: Duration,
    ) -> Result<Ticket, TooMany> {
        let ticket = self.pending.add(Plan::Fixed(transaction), retry, now)?;
        self.send_pending(now);
        Ok(ticket)
    }

    /// Queues a transaction that is computed from the copy, and computed anew whenever it has to be
    /// tried again. `None`: nothing needs to be done.
    ///
    /// # Errors
    /// Too many wait already.
    pub fn attempt(
        &mut self,
        plan: impl FnMut(&Cache) -> Option<Transaction> + Send + 'static,
        retry: Retry,
        now: Duration,
    ) -> Result<Ticket, TooMany> {
        let ticket = self
            .pending
            .add(Plan::Computed(Box::new(plan)), retry, now)?;
        self.send_pending(now);
        Ok(ticket)
    }

    /// Takes a transaction back: it ends with [`Outcome::Unsent`] if it was not sent yet, and with
    /// whatever the server says otherwise.
    pub fn cancel(&mut self, ticket: Ticket, now: Duration) {
        self.pending.expire_now(ticket, now);
        self.tick(now);
    }

    /// Wants a lock from now on, over all connections; `steal` takes it from whoever has it.
    pub fn lock(&mut self, name: &str, steal: bool, now: Duration) {
        let result = match &mut self.stage {
            Stage::Open(conversation) if conversation.is_running() => {
                self.locks.want(name, steal, Some(conversation))
            }
            _ => self.locks.want(name, steal, None),
        };
        self.settle(result.map_err(SessionError::from), now);
    }

    /// Wants it no more.
    pub fn unlock(&mut self, name: &str, now: Duration) {
        let result = match &mut self.stage {
            Stage::Open(conversation) if conversation.is_running() => {
                self.locks.forget(name, Some(conversation))
            }
            _ => self.locks.forget(name, None),
        };
        self.settle(result.map_err(SessionError::from), now);
    }

    /// Whether the lock is held.
    pub fn holds(&self, lock: &str) -> bool {
        self.locks.holds(lock)
    }

    /// Other conditions for the rows of a table; none: all rows. Servers that know no conditions
    /// tell all rows whatever they are.
    pub fn set_conditions(&mut self, table: &str, conditions: Vec<Condition>, now: Duration) {
        for watch in &mut self.settings.watches {
            if watch.table == table {
                watch.conditions.clone_from(&conditions);
            }
        }
        let result = match &mut self.stage {
            Stage::Open(conversation) => {
                conversation.change_conditions(&self.settings.watches, table)
            }
            // The next connection asks for other rows, so differences would be of no use.
            Stage::Waiting { .. } | Stage::Opening => Ok(()),
        };
        self.last = Uuid::ZERO;
        self.settle(result.map_err(SessionError::from), now);
    }

    fn send_pending(&mut self, now: Duration) {
        let Stage::Open(conversation) = &mut self.stage else {
            return;
        };
        if conversation.is_running() {
            let machine = &mut conversation.machine;
            let result = self
                .pending
                .send(machine, &self.cache, now, &mut self.events);
            self.settle(result.map_err(SessionError::from), now);
        }
    }

    fn settle(&mut self, result: Result<(), SessionError>, now: Duration) {
        if let Err(error) = result {
            self.end(error, now);
        }
    }

    /// The connection is over, whoever ended it.
    fn end(&mut self, error: SessionError, now: Duration) {
        if let Stage::Open(conversation) = &self.stage {
            if conversation.is_running() {
                self.backoff = self.settings.backoff.0;
            }
            if conversation.changes_conditions() {
                self.last = Uuid::ZERO;
            }
        }
        if matches!(
            error,
            SessionError::Update(_) | SessionError::Cache(_) | SessionError::Refused { .. }
        ) {
            self.last = Uuid::ZERO;
        }
        self.stage = Stage::Waiting {
            until: now.saturating_add(self.backoff),
        };
        self.backoff = self.backoff.saturating_mul(2).min(self.settings.backoff.1);
        self.locks.lost(&mut self.events);
        self.events.push_back(Event::Disconnected(error));
        self.pending.lost(now, &mut self.events);
    }

    fn note_change(&mut self) {
        if !self.changed {
            self.changed = true;
            self.events.push_back(Event::Changed);
        }
    }

    /// Everything that has arrived, one by one.
    fn converse(&mut self, now: Duration) -> Result<(), SessionError> {
        loop {
            let Stage::Open(conversation) = &mut self.stage else {
                return Ok(());
            };
            let Some(arrival) = conversation.machine.next_arrival()? else {
                break;
            };
            self.arrived(arrival, now)?;
        }
        self.send_pending(now);
        Ok(())
    }
}

/// The refusal of a request that an older server does not know.
fn is_unknown_method(error: &RemoteError) -> bool {
    error.name == ErrorName::UnknownMethod
}
