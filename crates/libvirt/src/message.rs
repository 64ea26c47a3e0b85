//! Messages as they stand on the wire: a length, a header, a payload. Knows where one ends and the
//! next begins; what they mean is left to the machine.

use crate::protocol::MOST_MESSAGE_BYTES;
use crate::xdr::{Decoder, Encoder, XdrError};

/// The length word and the six words of the header.
const LEAST_MESSAGE_BYTES: usize = 28;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) program: u32,
    pub(crate) version: u32,
    pub(crate) procedure: u32,
    pub(crate) kind: u32,
    pub(crate) serial: u32,
    pub(crate) status: u32,
}

pub(crate) const CALL: u32 = 0;
pub(crate) const REPLY: u32 = 1;
pub(crate) const MESSAGE: u32 = 2;
pub(crate) const STATUS_OK: u32 = 0;
pub(crate) const STATUS_ERROR: u32 = 1;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) header: Header,
    pub(crate) payload: Vec<u8>,
}

/// The message as bytes; `None` where it is longer than libvirt takes.
pub(crate) fn encode(header: Header, payload: &[u8]) -> Option<Vec<u8>> {
    let length = payload.len().checked_add(LEAST_MESSAGE_BYTES)?;
    if length > MOST_MESSAGE_BYTES {
        return None;
    }
    let mut encoder = Encoder::default();
    encoder.unsigned(u32::try_from(length).ok()?);
    let words = [
        header.program,
        header.version,
        header.procedure,
        header.kind,
        header.serial,
        header.status,
    ];
    for word in words {
        encoder.unsigned(word);
    }
    let mut bytes = encoder.into_bytes();
    bytes.extend_from_slice(payload);
    Some(bytes)
}

/// A length that no message has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadLength(pub(crate) usize);

/// Cuts a stream into messages. Holds what has arrived of one message and no more.
#[derive(Clone, Debug, Default)]
pub(crate) struct Deframer {
    held: Vec<u8>,
    /// What of `held` has been given out.
    done: usize,
}

impl Deframer {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.held.drain(..self.done);
        self.done = 0;
        self.held.extend_from_slice(bytes);
    }

    /// The next whole message.
    pub(crate) fn next(&mut self) -> Result<Option<Message>, BadLength> {
        let rest = self.held.get(self.done..).unwrap_or(&[]);
        let Some(length) = rest.first_chunk::<4>() else {
            return Ok(None);
        };
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        if !(LEAST_MESSAGE_BYTES..=MOST_MESSAGE_BYTES).contains(&length) {
            return Err(BadLength(length));
        }
        let Some(message) = rest.get(..length) else {
            return Ok(None);
        };
        let (head, payload) = message.split_at(LEAST_MESSAGE_BYTES);
        let header = header(head).map_err(|_| BadLength(length))?;
        let message = Message {
            header,
            payload: payload.to_vec(),
        };
        self.done = self.done.saturating_add(length);
        Ok(Some(message))
    }
}

fn header(bytes: &[u8]) -> Result<Header, XdrError> {
    let mut decoder = Decoder::new(bytes);
    decoder.unsigned()?;
    Ok(Header {
        program: decoder.unsigned()?,
        version: decoder.unsigned()?,
        procedure: decoder.unsigned()?,
        kind: decoder.unsigned()?,
        serial: decoder.unsigned()?,
        status: decoder.unsigned()?,
    })
}
