//! A conversation with the kernel: commits batches and reads what is there. Knows answers and their meaning, not
//! what the changes are for.

use std::io;
use std::time::Duration;

use crate::batch::Batch;
use crate::fault::{CommitError, ReadError, Refusal};
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

    /// A number for the network namespace that this is open in, which no other has or ever gets as long as this
    /// kernel runs. A namespace's inode number is given again soon after it is gone.
    ///
    /// # Errors
    /// Before Linux 5.14 there is none.
    pub fn namespace(&self) -> io::Result<u64> {
        self.socket.namespace()
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

    /// Throws away what is left of conversations before; gives back the number of the last request.
    pub(crate) fn begin(&mut self) -> io::Result<u32> {
        self.drain()?;
        Ok(self.sequence)
    }

    /// The number of one more request.
    pub(crate) fn next_sequence(&mut self) -> u32 {
        self.sequence = self.sequence.wrapping_add(1);
        self.sequence
    }

    /// Asks for a dump and hands each of its messages to `each`, which says whether it understood.
    pub(crate) fn dump(
        &mut self,
        what: &'static str,
        kind: u16,
        family: Family,
        body: impl FnOnce(&mut Writer),
        mut each: impl FnMut(u8, &[u8]) -> Option<()>,
    ) -> Result<DumpEnd, ReadError> {
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
                            0 if whole => Ok(DumpEnd::Whole),
                            0 | libc::EINTR | libc::EAGAIN => Ok(DumpEnd::Disturbed),
                            libc::ENOENT => Ok(DumpEnd::Missing),
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
        let header = MessageHeader {
            kind,
            flags: REQUEST | flags,
            sequence: self.next_sequence(),
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

/// How a dump ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DumpEnd {
    /// With everything there is.
    Whole,
    /// The ruleset changed meanwhile.
    Disturbed,
    /// What was asked for is not there.
    Missing,
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
