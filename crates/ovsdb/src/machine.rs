//! One connection to an OVSDB server without its socket: bytes and time in, bytes and what they say
//! out. Knows ids, responses, notifications and echo; methods are values to it.
//!
//! Time is any clock that only moves forward. What a peer can make it hold is bounded by
//! [`Limits`]; what is to be sent to a peer that does not read is bounded too.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::error::RemoteError;
use crate::framing::{Framer, FramingError, Limits};
use crate::message::{Message, MessageError};

/// More than so many bytes are not kept for a peer that does not read.
pub const MOST_OUTGOING_BYTES: usize = 64 << 20;
/// Answers to a peer that asks faster than it reads are kept up to here, and then left out.
const MOST_ANSWER_BYTES: usize = 64 << 10;

/// The number of a request, for telling its response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// What arrived.
#[derive(Clone, Debug, PartialEq)]
pub enum Arrival {
    /// The result of a request, or why the server refused it as a whole.
    Response {
        id: RequestId,
        result: Result<Value, RemoteError>,
    },
    Notification {
        method: String,
        params: Value,
    },
}

/// What the peer did that the protocol does not allow. The connection is of no more use.
#[derive(Debug, thiserror::Error)]
pub enum ProtocolError {
    #[error(transparent)]
    Framing(#[from] FramingError),
    #[error(transparent)]
    Message(#[from] MessageError),
    #[error("the peer answered request {0}, which was not made")]
    Id(String),
    #[error("the peer has sent nothing for {0:?}, not even an answer to echo: it hangs or is gone")]
    Silent(Duration),
}

/// A request that cannot be sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    #[error("{method} has a text with a NUL character, which Open vSwitch does not take")]
    Nul { method: String },
    #[error(
        "{bytes} bytes wait to be sent to a peer that does not read; at most {MOST_OUTGOING_BYTES} are kept: \
         send less, or close the connection"
    )]
    Backlog { bytes: usize },
}

/// The connection.
#[derive(Clone, Debug)]
pub struct Machine {
    framer: Framer,
    outgoing: Vec<u8>,
    last_id: u64,
    /// Methods of requests that wait for their response. `None`: our own echo.
    waiting: BTreeMap<RequestId, Option<String>>,
    probe: Option<Duration>,
    /// When the peer was last heard, or asked.
    quiet_since: Duration,
    asked: bool,
}

impl Machine {
    /// At the time `now`. After `probe` without a byte the peer is asked by echo, and after another
    /// it is given up; `None`: never.
    pub fn new(limits: Limits, probe: Option<Duration>, now: Duration) -> Self {
        Self {
            framer: Framer::new(limits),
            outgoing: Vec::new(),
            last_id: 0,
            waiting: BTreeMap::new(),
            probe,
            quiet_since: now,
            asked: false,
        }
    }

    /// Queues a request.
    ///
    /// # Errors
    /// What Open vSwitch could not read, and too much that waits already.
    pub fn request(&mut self, method: &str, params: Value) -> Result<RequestId, RequestError> {
        self.check(method, &params)?;
        let id = self.next_id();
        self.waiting.insert(id, Some(method.to_owned()));
        self.send(Message::Request {
            id: json!(id.0),
            method: method.to_owned(),
            params,
        });
        Ok(id)
    }

    /// Queues a notification.
    ///
    /// # Errors
    /// As for [`Machine::request`].
    pub fn notify(&mut self, method: &str, params: Value) -> Result<(), RequestError> {
        self.check(method, &params)?;
        self.send(Message::Notification {
            method: method.to_owned(),
            params,
        });
        Ok(())
    }

    /// Asks the server to give up a transaction that waits (RFC 7047, 4.1.4). Its response still
    /// comes, mostly with the error `canceled`.
    ///
    /// # Errors
    /// As for [`Machine::request`].
    pub fn cancel(&mut self, id: RequestId) -> Result<(), RequestError> {
        self.notify("cancel", json!([id.0]))
    }

    /// Takes the bytes that are to be sent.
    pub fn take_outgoing(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.outgoing)
    }

    /// Whether a request still waits for its response.
    pub fn is_waiting(&self, id: RequestId) -> bool {
        self.waiting.contains_key(&id)
    }

    /// Bytes that arrived, cut anywhere. [`Machine::next_arrival`] gives what they say.
    pub fn receive(&mut self, bytes: &[u8], now: Duration) {
        if !bytes.is_empty() {
            self.quiet_since = now;
            self.asked = false;
        }
        self.framer.push(bytes);
    }

    /// What has arrived, one by one.
    ///
    /// # Errors
    /// What the protocol does not allow; the connection must then be closed.
    pub fn next_arrival(&mut self) -> Result<Option<Arrival>, ProtocolError> {
        while let Some(value) = self.framer.next_message()? {
            if let Some(arrival) = self.message(Message::from_json(value)?)? {
                return Ok(Some(arrival));
            }
        }
        Ok(None)
    }

    /// Time has passed: asks a quiet peer, gives up one that does not answer.
    ///
    /// # Errors
    /// [`ProtocolError::Silent`].
    pub fn tick(&mut self, now: Duration) -> Result<(), ProtocolError> {
        let Some(probe) = self.probe else {
            return Ok(());
        };
        if now.saturating_sub(self.quiet_since) < probe {
            return Ok(());
        }
        if self.asked {
            return Err(ProtocolError::Silent(probe.saturating_mul(2)));
        }
        self.asked = true;
        self.quiet_since = now;
        let id = self.next_id();
        self.waiting.insert(id, None);
        self.send(Message::Request {
            id: json!(id.0),
            method: "echo".to_owned(),
            params: json!([]),
        });
        Ok(())
    }

    /// When [`Machine::tick`] has something to do next.
    pub fn wake_at(&self) -> Option<Duration> {
        self.probe
            .map(|probe| self.quiet_since.saturating_add(probe))
    }

    fn message(&mut self, message: Message) -> Result<Option<Arrival>, ProtocolError> {
        match message {
            Message::Notification { method, params } => {
                Ok(Some(Arrival::Notification { method, params }))
            }
            Message::Request { id, method, params } => {
                let result = if method == "echo" {
                    Ok(params)
                } else {
                    // As Open vSwitch answers what it does not know.
                    Err(
                        json!({"error": "unknown method", "details": format!("{method} is not known")}),
                    )
                };
                if self.outgoing.len() < MOST_ANSWER_BYTES {
                    self.send(Message::Response { id, result });
                }
                Ok(None)
            }
            Message::Response { id, result } => {
                let known = id
                    .as_u64()
                    .map(RequestId)
                    .and_then(|number| Some((number, self.waiting.remove(&number)?)));
                match known {
                    None => Err(ProtocolError::Id(crate::message::excerpt(&id.to_string()))),
                    Some((_, None)) => Ok(None),
                    Some((id, Some(_))) => Ok(Some(Arrival::Response {
                        id,
                        result: result.map_err(|error| RemoteError::from_json(&error)),
                    })),
                }
            }
        }
    }

    fn next_id(&mut self) -> RequestId {
        self.last_id = self.last_id.wrapping_add(1);
        RequestId(self.last_id)
    }

    fn check(&self, method: &str, params: &Value) -> Result<(), RequestError> {
        if self.outgoing.len() > MOST_OUTGOING_BYTES {
            return Err(RequestError::Backlog {
                bytes: self.outgoing.len(),
            });
        }
        if has_nul(params) {
            return Err(RequestError::Nul {
                method: method.to_owned(),
            });
        }
        Ok(())
    }

    fn send(&mut self, message: Message) {
        self.outgoing
            .extend_from_slice(message.into_json().to_string().as_bytes());
    }
}

/// Open vSwitch reads no text with a NUL and closes the connection over it.
fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(values) => values.iter().any(has_nul),
        Value::Object(members) => members
            .iter()
            .any(|(name, value)| name.contains('\0') || has_nul(value)),
        _ => false,
    }
}
