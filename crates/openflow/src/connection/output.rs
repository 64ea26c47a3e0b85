//! Bytes that wait to be written.

use crate::message::Message;
use crate::version::Version;
use crate::wire::{EncodeError, Writer};

/// Written bytes are taken off the front once they are this many, or all.
const MOVE_AFTER: usize = 1 << 20;

/// A queue of bytes.
#[derive(Debug, Default)]
pub(super) struct Output {
    writer: Writer,
    start: usize,
}

impl Output {
    /// Adds a message.
    pub(super) fn append(
        &mut self,
        message: &Message,
        version: Version,
        xid: u32,
    ) -> Result<(), EncodeError> {
        message.encode(version, xid, &mut self.writer)
    }

    /// The end of the queue, to be written to directly.
    pub(super) fn writer(&mut self) -> &mut Writer {
        &mut self.writer
    }

    /// What waits.
    pub(super) fn waiting(&self) -> &[u8] {
        self.writer.as_bytes().get(self.start..).unwrap_or_default()
    }

    /// Takes the first bytes off.
    pub(super) fn take(&mut self, count: usize) {
        self.start = self.start.saturating_add(count).min(self.writer.len());
        if self.start == self.writer.len() {
            self.writer.clear();
            self.start = 0;
        } else if self.start >= MOVE_AFTER {
            let mut bytes = std::mem::take(&mut self.writer).into_bytes();
            bytes.drain(..self.start);
            self.writer = Writer::append_to(bytes);
            self.start = 0;
        }
    }
}
