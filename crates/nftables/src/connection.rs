//! A conversation with the kernel: commits batches and reads what is there. Knows answers and their meaning, not
//! what the changes are for.

use std::fmt;
use std::io;
use std::time::Duration;

use crate::batch::Batch;
use crate::message::{
    ATTRIBUTES_OFFSET, Answer, DONE, DUMP, DUMP_INTERRUPTED, ERROR, GET_GENERATION, NEW_GENERATION,
    REQUEST,
};
use crate::socket::{Socket, Wait};
use crate::table::Family;
use crate::wire::{Message, MessageHeader, Messages, Writer, known_fields, read_u32};

/// Room for answers that wait to be read: each costs the kernel up to about this much.
const ANSWER_COST: usize = 1024;
const RECEIVE_RESERVE: usize = 4 << 20;
const RECEIVE_RESERVE_LIMIT: usize = 64 << 20;
/// The kernel answers within the call that asks; this only bounds the wait for an answer that never comes.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// A netlink socket to nf_tables, for the network namespace of the thread that opened it.
#[derive(Debug)]
pub struct Connection {
    pub(crate) socket: Socket,
    sequence: u32,
}

/// Why a batch did not take effect. In every case but [`CommitError::Unconfirmed`] nothing of it did.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Somebody changed the ruleset since the batch's generation was read.
    #[error("the ruleset changed since it was read: read it again and make the batch anew")]
    GenerationChanged,
    /// The kernel refused some changes.
    #[error("{}", describe_refusals(.0))]
    Refused(Vec<Refusal>),
    /// The process lacks CAP_NET_ADMIN in this network namespace.
    #[error("changing nf_tables needs CAP_NET_ADMIN in this network namespace")]
    NotPermitted,
    /// A change does not fit a netlink message, whose attributes end at 65,535 bytes.
    #[error("{operation}: does not fit a netlink message; use fewer or shorter expressions")]
    OversizedChange {
        /// Which.
        operation: String,
    },
    /// The batch is larger than the socket may send.
    #[error(
        "the batch has {bytes} bytes, more than this process may send: run as root of the first user \
         namespace, or raise net.core.wmem_max"
    )]
    OversizedBatch {
        /// Its size.
        bytes: usize,
    },
    /// The kernel had no memory for the answers, so it is unknown which changes it refused.
    #[error("the kernel had no room for its answers: commit fewer changes at once")]
    NoBuffer,
    /// No answer came: the batch may have taken effect. Read the table.
    #[error("the kernel neither confirmed nor refused the batch: read the table to see")]
    Unconfirmed,
    /// The socket failed.
    #[error("netlink socket: {0}")]
    Socket(#[from] io::Error),
}

/// One change the kernel refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Which message of the batch, from 0; `None` if it was none of them.
    pub message: Option<usize>,
    /// What that message was to do.
    pub operation: String,
    /// The kernel's error number.
    pub errno: i32,
    /// What the kernel says about it.
    pub text: Option<String>,
    /// The attribute it objects to, in bytes from the start of the message.
    pub offset: Option<u32>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error = io::Error::from_raw_os_error(self.errno);
        write!(formatter, "{}: {error}", self.operation)?;
        match &self.text {
            Some(text) => write!(formatter, ": {text}"),
            None => Ok(()),
        }
    }
}

fn describe_refusals(refusals: &[Refusal]) -> String {
    let shown: Vec<String> = refusals.iter().take(3).map(Refusal::to_string).collect();
    let more = match refusals.len().saturating_sub(shown.len()) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    format!("the kernel refused: {}{more}", shown.join("; "))
}

/// Why something could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The kernel refused to tell.
    #[error("reading {what}: {}", io::Error::from_raw_os_error(*.errno))]
    Refused {
        /// What was asked for.
        what: &'static str,
        /// The kernel's error number.
        errno: i32,
    },
    /// The kernel's report contradicts nf_tables' own description.
    #[error(
        "the kernel's report on {what} is malformed: please report this with the kernel's version"
    )]
    Malformed {
        /// What was asked for.
        what: &'static str,
    },
    /// The ruleset changed during every attempt.
    #[error(
        "the ruleset changed during each of {attempts} attempts to read it: try again when it is quiet"
    )]
    Unsteady {
        /// How many.
        attempts: u32,
    },
    /// The kernel did not answer.
    #[error("the kernel did not answer a request for {what}")]
    NoAnswer {
        /// What was asked for.
        what: &'static str,
    },
    /// The socket failed.
    #[error("netlink socket: {0}")]
    Socket(#[from] io::Error),
}

impl Connection {
    /// Opens a socket in the calling thread's network namespace, which it stays in.
    ///
    /// # Errors
    /// As socket(2) and setsockopt(2).
    pub fn open() -> io::Result<Self> {
        let socket = Socket::open()?;
        socket.reserve_receive(RECEIVE_RESERVE);
        Ok(Self {
            socket,
            sequence: 0,
        })
    }

    /// Opens a socket in a new network namespace, empty and without any traffic, which goes away with it. The
    /// calling thread stays where it is.
    ///
    /// # Errors
    /// Needs CAP_SYS_ADMIN; otherwise as [`Connection::open`].
    pub fn open_in_new_namespace() -> io::Result<Self> {
        std::thread::spawn(|| {
            crate::socket::enter_new_network_namespace()?;
            Self::open()
        })
        .join()
        .unwrap_or_else(|_| Err(io::Error::other("the thread that opens the socket died")))
    }

    /// Commits a batch: all of it, or nothing. An empty batch is not sent.
    ///
    /// # Errors
    /// See [`CommitError`]; refusals are collected, not only the first.
    pub fn commit(&mut self, batch: &Batch) -> Result<(), CommitError> {
        if batch.is_empty() {
            return Ok(());
        }
        if let Some(operation) = batch.oversized() {
            let operation = operation.to_owned();
            return Err(CommitError::OversizedChange { operation });
        }
        let encoded = batch.encoded();
        self.drain()?;
        self.reserve(&encoded.bytes, batch.statistics().messages);
        self.socket
            .send(&encoded.bytes)
            .map_err(|error| match error.raw_os_error() {
                Some(libc::EMSGSIZE) => CommitError::OversizedBatch {
                    bytes: encoded.bytes.len(),
                },
                _ => CommitError::Socket(error),
            })?;
        self.read_outcome(batch, encoded.last)
    }

    fn reserve(&self, bytes: &[u8], messages: usize) {
        // The kernel compares a datagram's length with the buffer less some bytes of its own.
        self.socket.reserve_send(bytes.len().saturating_add(4096));
        let wanted = messages.saturating_mul(ANSWER_COST);
        if wanted > RECEIVE_RESERVE {
            self.socket
                .reserve_receive(wanted.min(RECEIVE_RESERVE_LIMIT));
        }
    }

    /// The kernel ran the batch within send(): all its answers are there by now, and more never come.
    fn read_outcome(&mut self, batch: &Batch, last: u32) -> Result<(), CommitError> {
        let mut confirmed = false;
        let mut lost = false;
        let mut refusals = Vec::new();
        loop {
            let datagram = match self.socket.receive(Wait::No) {
                Ok(Some(datagram)) => datagram,
                Ok(None) => break,
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                    lost = true;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let answers = Messages::new(datagram)
                .filter(|message| message.kind == ERROR)
                .filter_map(|message| Answer::read(&message));
            for answer in answers {
                match answer.errno {
                    0 => confirmed |= answer.sequence == last,
                    libc::ERESTART => return Err(CommitError::GenerationChanged),
                    libc::EPERM => return Err(CommitError::NotPermitted),
                    _ => refusals.push(refusal(batch, answer)),
                }
            }
        }
        match (refusals.is_empty(), lost, confirmed) {
            (false, _, _) => Err(CommitError::Refused(refusals)),
            (true, true, _) => Err(CommitError::NoBuffer),
            (true, false, true) => Ok(()),
            (true, false, false) => Err(CommitError::Unconfirmed),
        }
    }

    /// Throws away answers to earlier requests that nobody waited for.
    fn drain(&mut self) -> io::Result<()> {
        loop {
            match self.socket.receive(Wait::No) {
                Ok(Some(_)) => {}
                Ok(None) => return Ok(()),
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The ruleset's generation: it changes with every commit of anybody in this network namespace.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn generation(&mut self) -> Result<u32, ReadError> {
        const WHAT: &str = "the generation";
        let sequence = self.request(GET_GENERATION, 0, Family::Unspecified, |_| ())?;
        loop {
            let Some(datagram) = self.socket.receive(Wait::For(ANSWER_TIMEOUT))? else {
                return Err(ReadError::NoAnswer { what: WHAT });
            };
            for message in Messages::new(datagram) {
                if message.sequence != sequence {
                    continue;
                }
                if message.kind == NEW_GENERATION {
                    return read_generation(&message).ok_or(ReadError::Malformed { what: WHAT });
                }
                if let Some(answer) = Answer::read(&message).filter(|_| message.kind == ERROR) {
                    let errno = answer.errno;
                    return Err(ReadError::Refused { what: WHAT, errno });
                }
            }
        }
    }

    /// Asks for a dump and hands each of its messages to `each`, which says whether it understood. Returns whether
    /// the dump is whole: `false` if the ruleset changed meanwhile.
    pub(crate) fn dump(
        &mut self,
        what: &'static str,
        kind: u16,
        family: Family,
        body: impl FnOnce(&mut Writer),
        mut each: impl FnMut(u8, &[u8]) -> Option<()>,
    ) -> Result<bool, ReadError> {
        let sequence = self.request(kind, DUMP, family, body)?;
        let mut whole = true;
        let mut malformed = false;
        loop {
            let Some(datagram) = self.socket.receive(Wait::For(ANSWER_TIMEOUT))? else {
                return Err(ReadError::NoAnswer { what });
            };
            for message in Messages::new(datagram) {
                if message.sequence != sequence {
                    continue;
                }
                whole &= message.flags & DUMP_INTERRUPTED == 0;
                match message.kind {
                    ERROR | DONE => {
                        let errno = Answer::read(&message).map_or(0, |answer| answer.errno);
                        return match errno {
                            _ if malformed => Err(ReadError::Malformed { what }),
                            0 => Ok(whole),
                            // Gone, or changed, between one question and the next.
                            libc::EINTR | libc::ENOENT | libc::EAGAIN => Ok(false),
                            errno => Err(ReadError::Refused { what, errno }),
                        };
                    }
                    _ => {
                        let understood = message
                            .family_and_attributes()
                            .and_then(|(family, attributes)| each(family, attributes));
                        malformed |= understood.is_none();
                    }
                }
            }
        }
    }

    fn request(
        &mut self,
        kind: u16,
        flags: u16,
        family: Family,
        body: impl FnOnce(&mut Writer),
    ) -> io::Result<u32> {
        self.drain()?;
        self.sequence = self.sequence.wrapping_add(1);
        let header = MessageHeader {
            kind,
            flags: REQUEST | flags,
            sequence: self.sequence,
            family: family.number(),
            resource: 0,
        };
        let mut writer = Writer::default();
        writer.message(header, body);
        debug_assert!(writer.length() >= ATTRIBUTES_OFFSET);
        self.socket.send(writer.bytes())?;
        Ok(self.sequence)
    }
}

fn read_generation(message: &Message<'_>) -> Option<u32> {
    let (_, attributes) = message.family_and_attributes()?;
    let [_, generation] = known_fields::<2>(attributes)?;
    read_u32(generation?)
}

fn refusal(batch: &Batch, answer: Answer) -> Refusal {
    let described = batch.describe(answer.sequence, answer.offset);
    let (message, operation) = match described {
        Some((index, text)) => (Some(index), text),
        None => (None, "the batch as a whole".to_owned()),
    };
    Refusal {
        message,
        operation,
        errno: answer.errno,
        text: answer.text,
        offset: answer.offset,
    }
}
