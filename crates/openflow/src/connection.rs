//! One connection as a machine without sockets or clocks: bytes and time go in, bytes and events come out. Knows who
//! speaks when: hello, echo, which answer and which error belong to which request, parts of answers, bundles that
//! take effect whole or not at all. What is asked and what answers mean is left to the caller.
//!
//! ```
//! use openflow::connection::{Configuration, Connection, Event};
//! use std::time::Instant;
//!
//! let now = Instant::now();
//! let mut controller = Connection::new(Configuration::controller(), now);
//! let mut switch = Connection::new(Configuration::switch(), now);
//! let hello = controller.poll_transmit().to_vec();
//! controller.transmitted(hello.len());
//! assert!(matches!(switch.receive(&hello, now).as_slice(), [Event::Ready { .. }]));
//! ```

mod batch;
mod event;
mod output;
mod request;

pub use batch::{BatchId, BatchKind, BatchOutcome, Failure};
pub use event::{Configuration, ConnectionError, Event, RequestError, SendError, Side};
pub use request::Answer;

use crate::framing::{Framer, HEADER_LENGTH, Header};
use crate::message::{
    Bytes, Envelope, ErrorCode, ErrorMessage, FlowModTableId, Hello, Message, MultipartRequest,
    RequestBody,
};
use crate::version::Version;
use batch::Batches;
use output::Output;
use request::Requests;
use std::time::Instant;

/// The flow format in which 1.0 tells of flows with Open vSwitch's fields.
const NICIRA_FLOW_FORMAT: u32 = 2;

/// One side of a connection.
#[derive(Debug)]
pub struct Connection {
    configuration: Configuration,
    framer: Framer,
    output: Output,
    /// Agreed on by both hellos.
    version: Option<Version>,
    /// Why nothing more is said.
    ended: bool,
    next_xid: u32,
    last_heard: Instant,
    /// The echo request that has no answer yet.
    echo: Option<u32>,
    requests: Requests,
    batches: Batches,
}

impl Connection {
    /// A connection just made; its hello waits to be sent.
    #[must_use]
    pub fn new(configuration: Configuration, now: Instant) -> Self {
        let mut connection = Self {
            framer: Framer::new(),
            output: Output::default(),
            version: None,
            ended: false,
            next_xid: 1,
            last_heard: now,
            echo: None,
            requests: Requests::default(),
            batches: Batches::default(),
            configuration,
        };
        let highest = connection
            .configuration
            .versions
            .iter()
            .copied()
            .max()
            .unwrap_or(Version::V1_3);
        let hello = Message::Hello(Hello::offering(&connection.configuration.versions));
        let xid = connection.take_xids(1);
        // A hello fits into every version.
        let _ = connection.output.append(&hello, highest, xid);
        connection
    }

    /// The version agreed on, once both hellos are there.
    #[must_use]
    pub const fn version(&self) -> Option<Version> {
        self.version
    }

    /// Whether the connection has failed: nothing more is read or written.
    #[must_use]
    pub const fn has_ended(&self) -> bool {
        self.ended
    }

    /// Takes bytes that the peer sent, in any pieces, and says what they mean.
    pub fn receive(&mut self, bytes: &[u8], now: Instant) -> Vec<Event> {
        let mut events = Vec::new();
        if self.ended {
            return events;
        }
        if !bytes.is_empty() {
            self.last_heard = now;
        }
        self.framer.push(bytes);
        let mut framer = std::mem::take(&mut self.framer);
        loop {
            match framer.next_message() {
                Ok(Some(message)) => self.handle(message, &mut events),
                Ok(None) => break,
                Err(error) => self.fail(ConnectionError::Framing(error), &mut events),
            }
            if self.ended {
                return events;
            }
        }
        self.framer = framer;
        events
    }

    /// Bytes to be written to the peer; [`transmitted`](Self::transmitted) takes them off. A batch's messages are
    /// encoded only as fast as the peer takes them.
    pub fn poll_transmit(&mut self) -> &[u8] {
        if let Some(version) = self.version.filter(|_| !self.ended) {
            self.batches
                .feed(version, &mut self.next_xid, &mut self.output);
        }
        self.output.waiting()
    }

    /// The first `count` bytes of [`poll_transmit`](Self::poll_transmit) were written.
    pub fn transmitted(&mut self, count: usize) {
        self.output.take(count);
    }

    /// Bytes that wait to be written: what grows when the peer does not read.
    #[must_use]
    pub fn wants_write(&self) -> usize {
        self.output.waiting().len()
    }

    /// Messages of batches that wait to be encoded.
    #[must_use]
    pub fn queued_messages(&self) -> usize {
        self.batches.queued()
    }

    /// When [`handle_timeout`](Self::handle_timeout) has to be called, unless bytes arrive before.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        if self.ended {
            return None;
        }
        let patience = if self.version.is_some() && self.echo.is_none() {
            self.configuration.echo_after
        } else {
            self.configuration.silent_after
        };
        self.last_heard.checked_add(patience)
    }

    /// Asks a peer for a sign of life that has been silent for a while, and gives up one that has been for long.
    pub fn handle_timeout(&mut self, now: Instant) -> Vec<Event> {
        let mut events = Vec::new();
        let silence = now.saturating_duration_since(self.last_heard);
        if self.ended {
            return events;
        }
        if silence >= self.configuration.silent_after {
            self.fail(ConnectionError::Silent(silence), &mut events);
        } else if silence >= self.configuration.echo_after
            && self.echo.is_none()
            && let Some(version) = self.version
        {
            let xid = self.take_xids(1);
            let _ = self
                .output
                .append(&Message::EchoRequest(Bytes::default()), version, xid);
            self.echo = Some(xid);
        }
        events
    }

    /// The peer has closed the connection, or the transport has failed: says what became of what was not answered.
    pub fn close(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        if !self.ended {
            self.fail(ConnectionError::Closed, &mut events);
        }
        events
    }

    /// Sends a message to which no answer is expected. An error comes as [`Event::Refused`] with the xid given back.
    pub fn send(&mut self, message: &Message) -> Result<u32, SendError> {
        let version = self.ready()?;
        let xid = self.take_xids(1);
        self.output.append(message, version, xid)?;
        Ok(xid)
    }

    /// Answers a message that came with this xid.
    pub fn reply(&mut self, xid: u32, message: &Message) -> Result<(), SendError> {
        let version = self.ready()?;
        Ok(self.output.append(message, version, xid)?)
    }

    /// Sends a message to which there is one answer, and gives back its xid, under which the answer will come.
    pub fn request(&mut self, message: &Message) -> Result<u32, SendError> {
        self.ask(message, Answer::Whole)
    }

    /// Asks for statistics or descriptions; `answer` says whether all parts come together or each by itself.
    pub fn ask_multipart(&mut self, body: RequestBody, answer: Answer) -> Result<u32, SendError> {
        self.ask(
            &Message::MultipartRequest(MultipartRequest { flags: 0, body }),
            answer,
        )
    }

    /// Asks to be told once everything sent before is done.
    pub fn barrier(&mut self) -> Result<u32, SendError> {
        self.request(&Message::BarrierRequest)
    }

    /// Has messages take effect as `kind` says. They are sent after those of batches submitted before, and
    /// [`Event::Batch`] tells what became of them.
    pub fn submit(
        &mut self,
        kind: BatchKind,
        messages: Vec<Message>,
    ) -> Result<BatchId, SendError> {
        let version = self.ready()?;
        if matches!(kind, BatchKind::Bundle) && version < Version::V1_3 {
            return Err(SendError::NoBundles { version });
        }
        let queued = self.batches.queued().saturating_add(messages.len());
        if queued > self.configuration.maximum_queued {
            return Err(SendError::TooMany {
                what: "queued messages",
                limit: self.configuration.maximum_queued,
            });
        }
        if let Some(wrong) = messages.iter().find(|message| message.is_bundled()) {
            return Err(SendError::NotInBatch { name: wrong.name() });
        }
        Ok(self.batches.submit(kind, messages))
    }

    fn ask(&mut self, message: &Message, answer: Answer) -> Result<u32, SendError> {
        let version = self.ready()?;
        if self.requests.len() >= self.configuration.maximum_requests {
            let limit = self.configuration.maximum_requests;
            return Err(SendError::TooMany {
                what: "unanswered requests",
                limit,
            });
        }
        let xid = self.take_xids(1);
        self.output.append(message, version, xid)?;
        self.requests.add(xid, answer);
        Ok(xid)
    }

    fn ready(&self) -> Result<Version, SendError> {
        if self.ended {
            return Err(SendError::Ended);
        }
        let version = self.version.ok_or(SendError::NotReady)?;
        let waiting = self.wants_write();
        if waiting > self.configuration.maximum_output {
            return Err(SendError::Full { waiting });
        }
        Ok(version)
    }

    fn handle(&mut self, bytes: &[u8], events: &mut Vec<Event>) {
        let Ok(header) = Header::read(bytes) else {
            return;
        };
        let envelope = match Envelope::decode(bytes) {
            Ok(envelope) => envelope,
            Err(error) => {
                self.requests.forget(header.xid);
                events.push(Event::Unreadable { header, error });
                if self.version.is_none() {
                    self.fail(ConnectionError::NoHello, events);
                }
                return;
            }
        };
        let Some(version) = self.version else {
            return self.handle_first(header, envelope, events);
        };
        // A second hello is without meaning.
        if matches!(envelope.message, Message::Hello(_)) {
            return;
        }
        if envelope.version != version {
            events.push(Event::WrongVersion { header });
            return;
        }
        self.handle_message(version, header, envelope, bytes, events);
    }

    fn handle_first(&mut self, header: Header, envelope: Envelope, events: &mut Vec<Event>) {
        match envelope.message {
            Message::Hello(hello) => {
                match hello.negotiate(header.version, &self.configuration.versions) {
                    Some(version) => self.become_ready(version, events),
                    None => self.refuse_hello(header, hello, events),
                }
            }
            Message::Error(error) => {
                let text = String::from_utf8_lossy(&error.data.0).into_owned();
                self.fail(ConnectionError::HelloRefused(text), events);
            }
            _ => self.fail(ConnectionError::NoHello, events),
        }
    }

    fn become_ready(&mut self, version: Version, events: &mut Vec<Event>) {
        self.version = Some(version);
        if version == Version::V1_0
            && self.configuration.side == Side::Controller
            && self.configuration.nicira
        {
            for message in [
                Message::NxFlowModTableId(FlowModTableId { set: 1 }),
                Message::NxSetFlowFormat(NICIRA_FLOW_FORMAT),
            ] {
                let xid = self.take_xids(1);
                let _ = self.output.append(&message, version, xid);
            }
        }
        events.push(Event::Ready { version });
    }

    fn refuse_hello(&mut self, header: Header, hello: Hello, events: &mut Vec<Event>) {
        let own: Vec<String> = self
            .configuration
            .versions
            .iter()
            .map(ToString::to_string)
            .collect();
        let text = format!("this side speaks OpenFlow {}", own.join(", "));
        let error = ErrorCode::Standard { kind: 0, code: 0 };
        let message = Message::Error(ErrorMessage {
            error,
            data: text.into_bytes().into(),
        });
        let lowest = self
            .configuration
            .versions
            .iter()
            .copied()
            .min()
            .unwrap_or(Version::V1_0);
        // Under a version that the peer knows too, if there is one.
        let version = Version::from_wire(header.version).unwrap_or(lowest);
        let _ = self.output.append(&message, version, header.xid);
        self.fail(
            ConnectionError::NoCommonVersion {
                peer: Box::new(hello),
                header: header.version,
            },
            events,
        );
    }

    fn handle_message(
        &mut self,
        version: Version,
        header: Header,
        envelope: Envelope,
        bytes: &[u8],
        events: &mut Vec<Event>,
    ) {
        let xid = envelope.xid;
        match envelope.message {
            Message::EchoRequest(data) => {
                // Who asks and asks and never reads the answers.
                if self.wants_write() > self.configuration.maximum_output {
                    return self.fail(
                        ConnectionError::PeerDoesNotRead {
                            waiting: self.wants_write(),
                        },
                        events,
                    );
                }
                let _ = self.output.append(&Message::EchoReply(data), version, xid);
            }
            Message::EchoReply(_) if self.echo == Some(xid) => self.echo = None,
            Message::Error(error) => {
                if let Some(event) = self.batches.error(version, xid, &error) {
                    events.extend(event);
                    return;
                }
                self.requests.forget(xid);
                events.push(Event::Refused {
                    xid,
                    name: error.error.describe(version),
                    error,
                });
            }
            Message::MultipartReply(reply) => {
                let size = bytes.len().saturating_sub(HEADER_LENGTH);
                let limit = self.configuration.maximum_answer;
                events.extend(self.requests.part(xid, reply, size, limit));
            }
            message => {
                if let Some(event) = self.batches.answer(xid, &message) {
                    events.extend(event);
                } else if self.requests.answered(xid, &message) {
                    events.push(Event::Answer {
                        xid,
                        message: Box::new(message),
                    });
                } else {
                    events.push(Event::Message {
                        xid,
                        message: Box::new(message),
                        length: header.length,
                    });
                }
            }
        }
    }

    fn fail(&mut self, error: ConnectionError, events: &mut Vec<Event>) {
        self.ended = true;
        events.extend(self.batches.lost());
        events.extend(self.requests.lost());
        events.push(Event::Failed(error));
    }

    fn take_xids(&mut self, count: u32) -> u32 {
        request::take_xids(&mut self.next_xid, count)
    }
}
