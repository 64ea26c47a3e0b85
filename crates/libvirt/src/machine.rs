//! A connection to a libvirt daemon without its socket: bytes and time in, bytes and what they say
//! out. Knows serial numbers, replies, events and keepalive; procedures are values to it.
//!
//! Time is any clock that only moves forward. The machine holds the bytes of at most one message
//! beside what it was just given, so that a peer makes it hold no more than it has sent, and never
//! more than [`crate::MOST_MESSAGE_BYTES`] of it.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::event::{self, Event};
use crate::message::{
    self, CALL, Deframer, Header, MESSAGE, Message, REPLY, STATUS_ERROR, STATUS_OK,
};
use crate::protocol::{KEEPALIVE_PING, KEEPALIVE_PONG, KEEPALIVE_PROGRAM, REMOTE_PROGRAM, VERSION};
use crate::value::RemoteError;
use crate::xdr::{Decoder, XdrError};

/// The number of a call, for telling its reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Serial(pub u32);

/// What arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// The payload of the reply, or why the daemon refused.
    Reply {
        serial: Serial,
        result: Result<Vec<u8>, RemoteError>,
    },
    Event(Event),
}

/// What the peer did that libvirt's protocol does not allow. The connection is of no more use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    #[error(
        "libvirt sent a message of {0} bytes; 28 to 33554432 are expected: is that a libvirt socket?"
    )]
    Length(usize),
    #[error(
        "libvirt sent a message of program {program:#x} version {version}; version 1 of the remote and \
             the keepalive program are expected: is that a libvirt socket?"
    )]
    Program { program: u32, version: u32 },
    #[error(
        "libvirt sent a message of type {kind} and status {status} for procedure {procedure}, which answers nothing"
    )]
    Kind {
        kind: u32,
        status: u32,
        procedure: u32,
    },
    #[error("libvirt answered call {serial} (procedure {procedure}), which was not made")]
    Serial { serial: u32, procedure: u32 },
    #[error("libvirt sent procedure {procedure} in a form that is not its own: {error}")]
    Payload {
        procedure: u32,
        #[source]
        error: XdrError,
    },
    #[error("libvirt answered no keepalive for {0:?}: its daemon hangs or is gone")]
    Silent(Duration),
}

/// A call whose arguments are longer than libvirt takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the arguments of procedure {procedure} have {bytes} bytes, more than libvirt takes")]
pub struct TooLong {
    procedure: u32,
    bytes: usize,
}

/// How a peer that hangs is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalive {
    /// After so long without a byte from the peer it is asked for one.
    pub interval: Duration,
    /// After so many questions without an answer it is given up.
    pub count: u32,
}

/// The connection.
#[derive(Clone, Debug)]
pub struct Machine {
    deframer: Deframer,
    outgoing: Vec<u8>,
    last_serial: u32,
    /// Procedures of calls that wait for their reply.
    waiting: BTreeMap<u32, u32>,
    keepalive: Option<Keepalive>,
    /// The peer was last heard, or asked.
    quiet_since: Duration,
    unanswered: u32,
}

impl Machine {
    /// At the time `now`; keepalive begins with [`Machine::watch`].
    pub fn new(now: Duration) -> Self {
        Self {
            deframer: Deframer::default(),
            outgoing: Vec::new(),
            last_serial: 0,
            waiting: BTreeMap::new(),
            keepalive: None,
            quiet_since: now,
            unanswered: 0,
        }
    }

    /// From now on the peer is asked whether it is there when nothing comes from it.
    pub fn watch(&mut self, keepalive: Keepalive, now: Duration) {
        self.keepalive = Some(keepalive);
        self.quiet_since = now;
        self.unanswered = 0;
    }

    /// Queues a call.
    ///
    /// # Errors
    /// Arguments longer than libvirt takes.
    pub fn call(&mut self, procedure: u32, payload: &[u8]) -> Result<Serial, TooLong> {
        let serial = self.last_serial.wrapping_add(1).max(1);
        let header = Header {
            program: REMOTE_PROGRAM,
            version: VERSION,
            procedure,
            kind: CALL,
            serial,
            status: STATUS_OK,
        };
        let bytes = message::encode(header, payload).ok_or(TooLong {
            procedure,
            bytes: payload.len(),
        })?;
        self.last_serial = serial;
        self.outgoing.extend_from_slice(&bytes);
        self.waiting.insert(serial, procedure);
        Ok(Serial(serial))
    }

    /// Takes the bytes that are to be sent.
    pub fn take_outgoing(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.outgoing)
    }

    /// Bytes that arrived, cut anywhere.
    ///
    /// # Errors
    /// What libvirt's protocol does not allow; the connection must then be closed.
    pub fn receive(&mut self, bytes: &[u8], now: Duration) -> Result<Vec<Arrival>, ProtocolError> {
        if !bytes.is_empty() {
            self.quiet_since = now;
            self.unanswered = 0;
        }
        self.deframer.push(bytes);
        let mut arrivals = Vec::new();
        while let Some(message) = self
            .deframer
            .next()
            .map_err(|error| ProtocolError::Length(error.0))?
        {
            arrivals.extend(self.message(message)?);
        }
        Ok(arrivals)
    }

    /// Time has passed: asks a quiet peer, gives up one that does not answer.
    ///
    /// # Errors
    /// [`ProtocolError::Silent`].
    pub fn tick(&mut self, now: Duration) -> Result<(), ProtocolError> {
        let Some(keepalive) = self.keepalive else {
            return Ok(());
        };
        if now.saturating_sub(self.quiet_since) < keepalive.interval {
            return Ok(());
        }
        if self.unanswered >= keepalive.count {
            return Err(ProtocolError::Silent(
                keepalive
                    .interval
                    .saturating_mul(keepalive.count.saturating_add(1)),
            ));
        }
        self.unanswered = self.unanswered.saturating_add(1);
        self.quiet_since = now;
        self.keepalive_message(KEEPALIVE_PING);
        Ok(())
    }

    /// When [`Machine::tick`] has something to do next.
    pub fn wake_at(&self) -> Option<Duration> {
        self.keepalive
            .map(|keepalive| self.quiet_since.saturating_add(keepalive.interval))
    }

    fn message(&mut self, message: Message) -> Result<Option<Arrival>, ProtocolError> {
        let Message { header, payload } = message;
        let Header {
            program,
            version,
            procedure,
            kind,
            serial,
            status,
        } = header;
        let unexpected = ProtocolError::Kind {
            kind,
            status,
            procedure,
        };
        match (program, version, kind) {
            (KEEPALIVE_PROGRAM, VERSION, MESSAGE) => {
                if procedure == KEEPALIVE_PING {
                    self.keepalive_message(KEEPALIVE_PONG);
                }
                Ok(None)
            }
            (REMOTE_PROGRAM, VERSION, MESSAGE) if status == STATUS_OK => {
                let event = event::decode(procedure, &payload)
                    .map_err(|error| ProtocolError::Payload { procedure, error })?;
                Ok(event.map(Arrival::Event))
            }
            (REMOTE_PROGRAM, VERSION, REPLY) => {
                if self.waiting.remove(&serial) != Some(procedure) {
                    return Err(ProtocolError::Serial { serial, procedure });
                }
                let result = match status {
                    STATUS_OK => Ok(payload),
                    STATUS_ERROR => Err(RemoteError::decode(&mut Decoder::new(&payload))
                        .map_err(|error| ProtocolError::Payload { procedure, error })?),
                    _ => return Err(unexpected),
                };
                Ok(Some(Arrival::Reply {
                    serial: Serial(serial),
                    result,
                }))
            }
            (REMOTE_PROGRAM | KEEPALIVE_PROGRAM, VERSION, _) => Err(unexpected),
            _ => Err(ProtocolError::Program { program, version }),
        }
    }

    fn keepalive_message(&mut self, procedure: u32) {
        let header = Header {
            program: KEEPALIVE_PROGRAM,
            version: VERSION,
            procedure,
            kind: MESSAGE,
            serial: 0,
            status: STATUS_OK,
        };
        // A peer that asks faster than it reads the answers gets one for all of them.
        if self.outgoing.len() < 64 << 10 {
            self.outgoing
                .extend(message::encode(header, &[]).unwrap_or_default());
        }
    }
}
