//! Locks of the server (RFC 7047, 4.1.8) that are wanted, over all connections.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};

use super::Event;
use super::conversation::Conversation;
use crate::error::RemoteError;
use crate::machine::{RequestError, RequestId};

#[derive(Debug, Default)]
pub(super) struct Locks {
    /// By name; whether it is held.
    wanted: BTreeMap<String, bool>,
    asked: BTreeMap<RequestId, String>,
}

impl Locks {
    pub(super) fn want(
        &mut self,
        name: &str,
        steal: bool,
        conversation: Option<&mut Conversation>,
    ) -> Result<(), RequestError> {
        let known = self.wanted.contains_key(name);
        self.wanted.entry(name.to_owned()).or_insert(false);
        match conversation {
            Some(conversation) if steal || !known => {
                if known {
                    // A server takes neither while it has the client in the queue.
                    self.asked.retain(|_, asked| asked != name);
                    conversation.tell("unlock", json!([name]))?;
                }
                let method = if steal { "steal" } else { "lock" };
                self.ask_one(method, name, conversation)
            }
            _ => Ok(()),
        }
    }

    pub(super) fn forget(
        &mut self,
        name: &str,
        conversation: Option<&mut Conversation>,
    ) -> Result<(), RequestError> {
        self.asked.retain(|_, asked| asked != name);
        if self.wanted.remove(name).is_some()
            && let Some(conversation) = conversation
        {
            conversation.tell("unlock", json!([name]))?;
        }
        Ok(())
    }

    /// A new connection has none.
    pub(super) fn ask(&mut self, conversation: &mut Conversation) -> Result<(), RequestError> {
        let names: Vec<String> = self.wanted.keys().cloned().collect();
        names
            .iter()
            .try_for_each(|name| self.ask_one("lock", name, conversation))
    }

    fn ask_one(
        &mut self,
        method: &str,
        name: &str,
        conversation: &mut Conversation,
    ) -> Result<(), RequestError> {
        let id = conversation.machine.request(method, json!([name]))?;
        self.asked.insert(id, name.to_owned());
        Ok(())
    }

    /// Whether it was the answer to a request of this module.
    pub(super) fn answered(
        &mut self,
        id: RequestId,
        result: &Result<Value, RemoteError>,
        events: &mut VecDeque<Event>,
    ) -> bool {
        let Some(name) = self.asked.remove(&id) else {
            return false;
        };
        let held = result
            .as_ref()
            .is_ok_and(|answer| answer.get("locked") == Some(&Value::Bool(true)));
        // `false` says only that somebody else has it now; a notification comes later.
        if held {
            self.set(&name, true, events);
        }
        true
    }

    pub(super) fn set(&mut self, name: &str, held: bool, events: &mut VecDeque<Event>) {
        if let Some(known) = self.wanted.get_mut(name)
            && *known != held
        {
            *known = held;
            events.push_back(Event::Lock {
                name: name.to_owned(),
                held,
            });
        }
    }

    /// Another client took it. A server does not put who lost a lock into the queue for it, nor take
    /// another `lock` before an `unlock`.
    pub(super) fn stolen(
        &mut self,
        name: &str,
        conversation: &mut Conversation,
        events: &mut VecDeque<Event>,
    ) -> Result<(), RequestError> {
        if !self.wanted.contains_key(name) {
            return Ok(());
        }
        self.set(name, false, events);
        conversation.tell("unlock", json!([name]))?;
        self.ask_one("lock", name, conversation)
    }

    pub(super) fn lost(&mut self, events: &mut VecDeque<Event>) {
        self.asked.clear();
        let names: Vec<String> = self.wanted.keys().cloned().collect();
        for name in names {
            self.set(&name, false, events);
        }
    }

    pub(super) fn holds(&self, name: &str) -> bool {
        self.wanted.get(name) == Some(&true)
    }
}
