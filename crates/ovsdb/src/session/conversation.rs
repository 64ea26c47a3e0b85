//! What is said on one connection until it is of use, and what is made of what arrives then.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};

use super::{Event, Session, SessionError, Stage, is_unknown_method};
use crate::cache::Columns;
use crate::error::RemoteError;
use crate::machine::{Arrival, Machine, RequestError, RequestId};
use crate::monitor::{Initial, Method, Notification, Watch, change_params};
use crate::schema::Schema;
use crate::uuid::Uuid;

/// One connection.
#[derive(Debug)]
pub(super) struct Conversation {
    pub(super) machine: Machine,
    /// When it was opened.
    pub(super) since: Duration,
    step: Step,
    /// Monitors are numbered, so that what is told of one that has ended is passed over.
    monitor: u64,
    server_id: Option<RequestId>,
    /// Requests whose answers say nothing.
    indifferent: BTreeSet<RequestId>,
    /// `monitor_cond_change` that are not answered.
    condition_changes: BTreeSet<RequestId>,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Schema(RequestId),
    Monitor(RequestId, Method),
    Running(Method),
}

impl Conversation {
    /// The first questions; they do not depend on each other, so nobody waits for answers.
    pub(super) fn begin(
        mut machine: Machine,
        database: &str,
        now: Duration,
    ) -> Result<Self, RequestError> {
        // Otherwise the server closes the connection when the database is converted (ovsdb-server(7), 4.1.15).
        let aware = machine.request("set_db_change_aware", json!([true]))?;
        let server_id = machine.request("get_server_id", json!([]))?;
        let schema = machine.request("get_schema", json!([database]))?;
        Ok(Self {
            machine,
            since: now,
            step: Step::Schema(schema),
            monitor: 0,
            server_id: Some(server_id),
            indifferent: BTreeSet::from([aware]),
            condition_changes: BTreeSet::new(),
        })
    }

    pub(super) const fn is_running(&self) -> bool {
        matches!(self.step, Step::Running(_))
    }

    pub(super) const fn running_method(&self) -> Option<Method> {
        match self.step {
            Step::Running(method) => Some(method),
            Step::Schema(_) | Step::Monitor(..) => None,
        }
    }

    pub(super) fn changes_conditions(&self) -> bool {
        !self.condition_changes.is_empty()
    }

    /// Sends a request whose answer says nothing that matters.
    pub(super) fn tell(&mut self, method: &str, params: Value) -> Result<(), RequestError> {
        let id = self.machine.request(method, params)?;
        self.indifferent.insert(id);
        Ok(())
    }

    pub(super) fn change_conditions(
        &mut self,
        watches: &[Watch],
        table: &str,
    ) -> Result<(), RequestError> {
        match self.step {
            // It is not asked for yet, or takes no conditions.
            Step::Schema(_) | Step::Running(Method::Monitor) => return Ok(()),
            Step::Monitor(..) | Step::Running(_) => {}
        }
        let changed: Vec<Watch> = watches
            .iter()
            .filter(|watch| watch.table == table)
            .cloned()
            .collect();
        let id = self.machine.request(
            "monitor_cond_change",
            change_params(&json!(self.monitor), &changed),
        )?;
        self.condition_changes.insert(id);
        Ok(())
    }

    fn ask_schema(&mut self, database: &str) -> Result<(), RequestError> {
        self.step = Step::Schema(self.machine.request("get_schema", json!([database]))?);
        Ok(())
    }

    fn ask_monitor(
        &mut self,
        method: Method,
        database: &str,
        watches: &[Watch],
        last: Uuid,
    ) -> Result<(), RequestError> {
        self.monitor = self.monitor.saturating_add(1);
        let params = method.params(database, &json!(self.monitor), watches, last);
        self.step = Step::Monitor(self.machine.request(method.as_str(), params)?, method);
        Ok(())
    }
}

impl Session {
    /// One thing that the server said.
    pub(super) fn arrived(&mut self, arrival: Arrival, now: Duration) -> Result<(), SessionError> {
        match arrival {
            Arrival::Notification { method, params } => {
                match Notification::read(&method, params)? {
                    Some(notification) => self.notified(notification),
                    None => Ok(()),
                }
            }
            Arrival::Response { id, result } => self.answered(id, result, now),
        }
    }

    fn notified(&mut self, notification: Notification) -> Result<(), SessionError> {
        let Stage::Open(conversation) = &mut self.stage else {
            return Ok(());
        };
        let current = json!(conversation.monitor);
        match notification {
            Notification::Updates {
                monitor,
                updates,
                last,
            } if monitor == current => {
                self.cache.apply(updates)?;
                // Zero while conditions are being changed: there is no going on from there.
                if !conversation.changes_conditions() {
                    self.last = last.unwrap_or(self.last);
                }
                self.pending.wake();
                self.note_change();
            }
            Notification::Canceled { monitor } if monitor == current => {
                // The database was converted: it may have other columns.
                self.last = Uuid::ZERO;
                conversation.ask_schema(&self.settings.database)?;
            }
            Notification::Updates { .. } | Notification::Canceled { .. } => {}
            Notification::Locked(name) => self.locks.set(&name, true, &mut self.events),
            Notification::Stolen(name) => {
                self.locks.stolen(&name, conversation, &mut self.events)?
            }
        }
        Ok(())
    }

    fn answered(
        &mut self,
        id: RequestId,
        result: Result<Value, RemoteError>,
        now: Duration,
    ) -> Result<(), SessionError> {
        let Stage::Open(conversation) = &mut self.stage else {
            return Ok(());
        };
        match conversation.step {
            Step::Schema(asked) if asked == id => return self.schema_arrived(result),
            Step::Monitor(asked, method) if asked == id => {
                return self.monitor_arrived(method, result, now);
            }
            _ => {}
        }
        if conversation.server_id == Some(id) {
            self.server = result
                .ok()
                .and_then(|answer| answer.as_str().and_then(|text| text.parse().ok()));
        } else if conversation.condition_changes.remove(&id) {
            result.map_err(|error| SessionError::Refused {
                method: "monitor_cond_change",
                error,
            })?;
        } else if !conversation.indifferent.remove(&id)
            && !self.locks.answered(id, &result, &mut self.events)
        {
            self.pending.answered(id, result, now, &mut self.events);
        }
        Ok(())
    }

    fn schema_arrived(&mut self, result: Result<Value, RemoteError>) -> Result<(), SessionError> {
        let answer = result.map_err(|error| SessionError::Refused {
            method: "get_schema",
            error,
        })?;
        let schema = Schema::from_json(&answer)?;
        let (watches, shape) = watched(&self.settings.watches, &schema);
        let unchanged = self.schema.as_ref() == Some(&schema);
        if !unchanged {
            // Differences to rows of another form would be of no use.
            self.last = Uuid::ZERO;
        }
        self.schema = Some(schema);
        self.cache.shape(shape);
        if let Stage::Open(conversation) = &mut self.stage {
            conversation.ask_monitor(
                Method::MonitorCondSince,
                &self.settings.database,
                &watches,
                self.last,
            )?;
        }
        Ok(())
    }

    fn monitor_arrived(
        &mut self,
        method: Method,
        result: Result<Value, RemoteError>,
        now: Duration,
    ) -> Result<(), SessionError> {
        let Stage::Open(conversation) = &mut self.stage else {
            return Ok(());
        };
        let answer = match (result, method.older(), &self.schema) {
            (Ok(answer), ..) => answer,
            (Err(error), Some(older), Some(schema)) if is_unknown_method(&error) => {
                let (watches, _) = watched(&self.settings.watches, schema);
                conversation.ask_monitor(older, &self.settings.database, &watches, Uuid::ZERO)?;
                return Ok(());
            }
            (Err(error), ..) => {
                return Err(SessionError::Refused {
                    method: method.as_str(),
                    error,
                });
            }
        };
        let Initial {
            resumed,
            last,
            updates,
        } = Initial::read(method, answer)?;
        if resumed {
            self.cache.apply(updates)?;
        } else {
            self.cache.replace(updates)?;
        }
        self.last = if conversation.changes_conditions() {
            Uuid::ZERO
        } else {
            last.unwrap_or(Uuid::ZERO)
        };
        conversation.step = Step::Running(method);
        self.locks.ask(conversation)?;
        self.events.push_back(Event::Running { resumed });
        self.note_change();
        self.send_pending(now);
        Ok(())
    }
}

/// What of it the server has, and the types of the columns.
fn watched(watches: &[Watch], schema: &Schema) -> (Vec<Watch>, BTreeMap<String, Columns>) {
    let mut possible = Vec::new();
    let mut shape: BTreeMap<String, Columns> = BTreeMap::new();
    for watch in watches {
        let Some(table) = schema.tables.get(&watch.table) else {
            continue;
        };
        let mut watch = watch.clone();
        watch
            .columns
            .retain(|column| table.columns.contains_key(column));
        let columns = shape.entry(watch.table.clone()).or_default();
        for name in &watch.columns {
            if let Some(column) = table.columns.get(name)
                && !columns.iter().any(|(known, _)| known == name)
            {
                columns.push((name.clone(), column.kind.clone()));
            }
        }
        possible.push(watch);
    }
    (possible, shape)
}
