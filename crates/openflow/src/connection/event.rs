//! What a connection is told at its start, and what it tells.

use super::batch::{BatchId, BatchOutcome};
use crate::framing::Header;
use crate::message::{ErrorMessage, Hello, Message, ReplyBody};
use crate::version::Version;
use crate::wire::{DecodeError, EncodeError};
use std::time::Duration;

/// Which side of the connection this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Asks and orders.
    Controller,
    /// Answers and obeys: enough of one for tests.
    Switch,
}

/// How a connection behaves.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// Which side this is.
    pub side: Side,
    /// The versions that may be agreed on; the highest that both have is.
    pub versions: Vec<Version>,
    /// After this much silence the peer is asked for a sign of life.
    pub echo_after: Duration,
    /// After this much silence the peer is given up; more than `echo_after`.
    pub silent_after: Duration,
    /// Bytes that may wait to be written before sending is refused.
    pub maximum_output: usize,
    /// Bytes of an answer in several parts; more is an error of that request.
    pub maximum_answer: usize,
    /// Requests without answer at a time.
    pub maximum_requests: usize,
    /// Messages of batches that may wait.
    pub maximum_queued: usize,
    /// Whether a controller in 1.0 asks for Open vSwitch's extensions at once: tables in flow mods, its match.
    pub nicira: bool,
}

impl Configuration {
    /// A controller that speaks every version.
    #[must_use]
    pub fn controller() -> Self {
        Self {
            side: Side::Controller,
            versions: Version::ALL.to_vec(),
            echo_after: Duration::from_secs(5),
            silent_after: Duration::from_secs(15),
            maximum_output: 4 << 20,
            maximum_answer: 256 << 20,
            maximum_requests: 65_536,
            maximum_queued: 4 << 20,
            nicira: true,
        }
    }

    /// A switch that speaks every version.
    #[must_use]
    pub fn switch() -> Self {
        Self {
            side: Side::Switch,
            ..Self::controller()
        }
    }

    /// The same, limited to these versions.
    #[must_use]
    pub fn with_versions(self, versions: &[Version]) -> Self {
        Self {
            versions: versions.to_vec(),
            ..self
        }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Both hellos are there: messages can be sent.
    Ready {
        /// The version agreed on.
        version: Version,
    },
    /// The answer to a request.
    Answer {
        /// The request.
        xid: u32,
        /// The answer.
        message: Box<Message>,
    },
    /// All parts of the answer to a request.
    Parts {
        /// The request.
        xid: u32,
        /// The parts, in order.
        parts: Vec<ReplyBody>,
    },
    /// A part of the answer to a request that wanted each by itself.
    Part {
        /// The request.
        xid: u32,
        /// The part.
        part: Box<ReplyBody>,
        /// Whether it is the last.
        last: bool,
    },
    /// A message was refused that was in no batch. No answer follows.
    Refused {
        /// The message's xid.
        xid: u32,
        /// The error's name, or its numbers.
        name: String,
        /// The error.
        error: ErrorMessage,
    },
    /// A request has no answer, for a reason on this side.
    RequestFailed {
        /// The request.
        xid: u32,
        /// Why.
        error: RequestError,
    },
    /// What became of a batch.
    Batch {
        /// Which.
        batch: BatchId,
        /// What became of it.
        outcome: BatchOutcome,
    },
    /// A message that nobody asked for: a packet, a port that changed, a flow that is gone; on a switch, a request.
    Message {
        /// Its xid.
        xid: u32,
        /// The message.
        message: Box<Message>,
        /// Its length.
        length: u16,
    },
    /// A message that cannot be read. A request that it answers is forgotten.
    Unreadable {
        /// Its header.
        header: Header,
        /// Why.
        error: DecodeError,
    },
    /// A message under another version than agreed on.
    WrongVersion {
        /// Its header.
        header: Header,
    },
    /// The connection is of no use any more; nothing follows.
    Failed(ConnectionError),
}

/// Why a request has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The answer's parts are too many.
    #[error("the answer has more than {limit} bytes; ask for less, or for each part by itself")]
    TooLong {
        /// Bytes allowed.
        limit: usize,
    },
    /// The connection ended before.
    #[error("the connection ended before the answer came; connect and ask again")]
    Lost,
}

/// Why a connection ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectionError {
    /// The stream cannot be cut into messages.
    #[error("the peer does not speak OpenFlow: {0}")]
    Framing(DecodeError),
    /// The first message is no hello.
    #[error("the peer's first message is no hello that can be read; is it an OpenFlow port?")]
    NoHello,
    /// The peer said no.
    #[error("the peer refuses the versions offered: {0}")]
    HelloRefused(String),
    /// No version in common.
    #[error(
        "no OpenFlow version in common (the peer's hello is of wire version {header}); \
         with Open vSwitch, add one to the bridge's `protocols`"
    )]
    NoCommonVersion {
        /// What the peer sent.
        peer: Box<Hello>,
        /// Under which version on the wire.
        header: u8,
    },
    /// Nothing came for long.
    #[error("the peer has been silent for {0:?}")]
    Silent(Duration),
    /// The peer asks for answers that it does not read.
    #[error("the peer does not read: {waiting} bytes wait")]
    PeerDoesNotRead {
        /// Bytes that wait.
        waiting: usize,
    },
    /// The transport ended.
    #[error("the peer closed the connection")]
    Closed,
}

/// Why a message was not sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The hellos are not yet exchanged.
    #[error("the version is not agreed on yet; wait for the event `Ready`")]
    NotReady,
    /// The connection has failed.
    #[error("the connection has ended; connect again")]
    Ended,
    /// The version has no form for the message.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The peer is slow.
    #[error("{waiting} bytes wait for a slow peer; write them first")]
    Full {
        /// Bytes that wait.
        waiting: usize,
    },
    /// A limit of this side.
    #[error("there would be more than {limit} {what}; wait for answers")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many are allowed.
        limit: usize,
    },
    /// Bundles began with an extension of 1.3.
    #[error("OpenFlow {version} has no bundles; allow 1.3 or newer on the bridge")]
    NoBundles {
        /// The version agreed on.
        version: Version,
    },
    /// A message that a batch makes itself.
    #[error("{name} cannot be in a batch, which makes such messages itself")]
    NotInBatch {
        /// The message's name.
        name: &'static str,
    },
}
