//! Messages cut out of a stream of bytes. Knows the header alone; what a message says is left to
//! [`message`](crate::message).

use crate::wire::{DecodeError, Reader};

/// Bytes of every message's header.
pub const HEADER_LENGTH: usize = 8;
/// The longest message that the header's length can say.
pub const LONGEST_MESSAGE: usize = 65_535;
/// Bytes taken off the front of the buffer before the rest is moved down.
const MOVE_AFTER: usize = 65_536;

/// What every message begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The version's number as sent; it may be one that [`Version`](crate::Version) does not know.
    pub version: u8,
    /// The type of the message, whose meaning depends on the version.
    pub kind: u8,
    /// Bytes of the whole message.
    pub length: u16,
    /// What an answer repeats.
    pub xid: u32,
}

impl Header {
    /// Reads the header at the front of `bytes`.
    pub fn read(bytes: &[u8]) -> Result<Self, DecodeError> {
        const WHAT: &str = "a message's header";
        let mut reader = Reader::new(bytes);
        let header = Self {
            version: reader.u8(WHAT)?,
            kind: reader.u8(WHAT)?,
            length: reader.u16(WHAT)?,
            xid: reader.u32(WHAT)?,
        };
        if usize::from(header.length) < HEADER_LENGTH {
            return Err(DecodeError::BadLength {
                what: "a message",
                length: header.length.into(),
            });
        }
        Ok(header)
    }
}

/// Cuts a stream into messages. Takes bytes in any pieces and never holds more than it was given and not yet asked
/// for: who takes every message before giving more holds less than one message.
#[derive(Debug, Default)]
pub struct Framer {
    buffer: Vec<u8>,
    start: usize,
}

impl Framer {
    /// An empty one.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            buffer: Vec::new(),
            start: 0,
        }
    }

    /// Adds received bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start == self.buffer.len() {
            self.buffer.clear();
            self.start = 0;
        } else if self.start >= MOVE_AFTER {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// Bytes that wait: of whole messages not yet taken, and of one that is not whole.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.buffer.len().saturating_sub(self.start)
    }

    /// The next whole message, or `None` until more bytes come. After an error the stream cannot be read any further,
    /// for nobody knows where the next message begins.
    pub fn next_message(&mut self) -> Result<Option<&[u8]>, DecodeError> {
        let waiting = self.buffer.get(self.start..).unwrap_or_default();
        if waiting.len() < HEADER_LENGTH {
            return Ok(None);
        }
        let length = usize::from(Header::read(waiting)?.length);
        let Some(message) = waiting.get(..length) else {
            return Ok(None);
        };
        self.start = self.start.saturating_add(length);
        Ok(Some(message))
    }
}
