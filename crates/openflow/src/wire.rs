//! Big-endian bytes read and written with every length checked. What the bytes mean is left to others.

use thiserror::Error;

use crate::version::Version;

/// How deep actions may hold actions (`ct(exec(...))`, `clone(...)`). Open vSwitch itself stops near here.
pub const MAX_NESTING: u8 = 16;

/// Why received bytes were refused. The sender is at fault, or this crate does not know its dialect.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// The bytes end early.
    #[error("{what} is cut short: {needed} bytes expected, {available} there")]
    Truncated {
        /// What was being read.
        what: &'static str,
        /// Bytes it takes.
        needed: usize,
        /// Bytes there.
        available: usize,
    },
    /// A length field that contradicts its surroundings.
    #[error("{what} claims {length} bytes, which it cannot have")]
    BadLength {
        /// What was being read.
        what: &'static str,
        /// The length it claims.
        length: usize,
    },
    /// A number that has no meaning where it stands.
    #[error("{what} has the value {value:#x}, which means nothing there")]
    BadValue {
        /// What was being read.
        what: &'static str,
        /// What it says.
        value: u64,
    },
    /// A match names one field twice.
    #[error("the match names {field} twice")]
    DuplicateField {
        /// The field's name.
        field: &'static str,
    },
    /// A value with bits that the field does not have.
    #[error("{field} has bits beyond its width")]
    ValueTooWide {
        /// The field's name.
        field: &'static str,
    },
    /// Actions within actions beyond [`MAX_NESTING`].
    #[error("actions are nested deeper than {MAX_NESTING} levels")]
    TooDeep,
    /// Text within the message is not UTF-8.
    #[error("{what} is not UTF-8 text")]
    BadText {
        /// What was being read.
        what: &'static str,
    },
}

/// Why a value cannot be written. The caller is at fault: it asked a version for what that version lacks.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EncodeError {
    /// The version has no form for it.
    #[error("OpenFlow {version} has no form for {what}: use a newer version, or leave it out")]
    NotInVersion {
        /// What has no form.
        what: &'static str,
        /// The version asked for.
        version: Version,
    },
    /// The version can hold it, but not with this value.
    #[error("{what} cannot be {reason}")]
    Unencodable {
        /// The part at fault.
        what: &'static str,
        /// What it cannot be.
        reason: &'static str,
    },
    /// A length field cannot hold the length.
    #[error("{what} takes {length} bytes, more than its length field can say")]
    TooLong {
        /// The part at fault.
        what: &'static str,
        /// Bytes it takes.
        length: usize,
    },
    /// Actions within actions beyond [`MAX_NESTING`].
    #[error("actions are nested deeper than {MAX_NESTING} levels")]
    TooDeep,
}

/// Reads big-endian values off a slice, front to back.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    length: usize,
}

impl<'a> Reader<'a> {
    /// Reads from the start of `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            length: bytes.len(),
        }
    }

    /// Bytes not yet read.
    #[must_use]
    pub const fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// Whether everything was read.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Bytes read so far.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.length - self.rest.len()
    }

    /// What was not yet read, without reading it.
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Takes `count` bytes; `what` names them in the error.
    pub fn bytes(&mut self, count: usize, what: &'static str) -> Result<&'a [u8], DecodeError> {
        match self.rest.split_at_checked(count) {
            Some((head, tail)) => {
                self.rest = tail;
                Ok(head)
            }
            None => Err(DecodeError::Truncated {
                what,
                needed: count,
                available: self.rest.len(),
            }),
        }
    }

    /// Takes `N` bytes as an array.
    pub fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], DecodeError> {
        match self.rest.split_first_chunk::<N>() {
            Some((head, tail)) => {
                self.rest = tail;
                Ok(*head)
            }
            None => Err(DecodeError::Truncated {
                what,
                needed: N,
                available: self.rest.len(),
            }),
        }
    }

    /// Takes everything left.
    pub fn take_rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    /// Takes `count` bytes as a reader of their own.
    pub fn sub(&mut self, count: usize, what: &'static str) -> Result<Reader<'a>, DecodeError> {
        self.bytes(count, what).map(Reader::new)
    }

    /// Passes over `count` bytes, such as padding.
    pub fn skip(&mut self, count: usize, what: &'static str) -> Result<(), DecodeError> {
        self.bytes(count, what).map(|_| ())
    }

    /// Passes over what is left up to the next multiple of `alignment` from this reader's start, if it is there.
    pub fn align(&mut self, alignment: usize) {
        let past = self.position().checked_rem(alignment).unwrap_or(0);
        if past != 0 {
            let padding = (alignment - past).min(self.rest.len());
            self.rest = self
                .rest
                .split_at_checked(padding)
                .map_or(&[], |(_, tail)| tail);
        }
    }

    /// Takes one byte.
    pub fn u8(&mut self, what: &'static str) -> Result<u8, DecodeError> {
        self.array::<1>(what).map(|[byte]| byte)
    }

    /// Takes two bytes.
    pub fn u16(&mut self, what: &'static str) -> Result<u16, DecodeError> {
        self.array(what).map(u16::from_be_bytes)
    }

    /// Takes four bytes.
    pub fn u32(&mut self, what: &'static str) -> Result<u32, DecodeError> {
        self.array(what).map(u32::from_be_bytes)
    }

    /// Takes eight bytes.
    pub fn u64(&mut self, what: &'static str) -> Result<u64, DecodeError> {
        self.array(what).map(u64::from_be_bytes)
    }

    /// Takes `count` bytes, 16 at most, as one number.
    pub fn number(&mut self, count: usize, what: &'static str) -> Result<u128, DecodeError> {
        if count > 16 {
            return Err(DecodeError::BadLength {
                what,
                length: count,
            });
        }
        let bytes = self.bytes(count, what)?;
        Ok(bytes
            .iter()
            .fold(0, |number, byte| (number << 8) | u128::from(*byte)))
    }
}

/// Appends big-endian values to a vector that it owns.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// An empty writer.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: Vec::new() }
    }

    /// An empty writer with room for `capacity` bytes.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(capacity),
        }
    }

    /// Goes on after `bytes`, keeping their room: one buffer can serve many messages.
    #[must_use]
    pub const fn append_to(bytes: Vec<u8>) -> Self {
        Self { bytes }
    }

    /// Bytes written so far; where the next one goes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// What was written.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What was written, given away.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Forgets everything from `length` on: takes a half-written value back.
    pub fn truncate(&mut self, length: usize) {
        self.bytes.truncate(length);
    }

    /// Forgets everything, keeping the room.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Appends bytes as they are.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Appends `count` zero bytes.
    pub fn zeros(&mut self, count: usize) {
        let length = self.bytes.len().saturating_add(count);
        self.bytes.resize(length, 0);
    }

    /// Appends zeros until the length since `start` is a multiple of 8.
    pub fn pad8(&mut self, start: usize) {
        let past = self.bytes.len().saturating_sub(start) % 8;
        if past != 0 {
            self.zeros(8 - past);
        }
    }

    /// Appends one byte.
    pub fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    /// Appends two bytes.
    pub fn u16(&mut self, value: u16) {
        self.bytes(&value.to_be_bytes());
    }

    /// Appends four bytes.
    pub fn u32(&mut self, value: u32) {
        self.bytes(&value.to_be_bytes());
    }

    /// Appends eight bytes.
    pub fn u64(&mut self, value: u64) {
        self.bytes(&value.to_be_bytes());
    }

    /// Appends the lowest `count` bytes of `value`, 16 at most.
    pub fn number(&mut self, value: u128, count: usize) {
        let bytes = value.to_be_bytes();
        self.bytes(
            bytes
                .get(bytes.len().saturating_sub(count)..)
                .unwrap_or(&bytes),
        );
    }

    /// Overwrites two bytes written before, such as a length known only now. Beyond the end nothing happens.
    pub fn patch_u16(&mut self, position: usize, value: u16) {
        if let Some(place) = self
            .bytes
            .get_mut(position..)
            .and_then(|tail| tail.first_chunk_mut::<2>())
        {
            *place = value.to_be_bytes();
        }
    }

    /// Overwrites four bytes written before.
    pub fn patch_u32(&mut self, position: usize, value: u32) {
        if let Some(place) = self
            .bytes
            .get_mut(position..)
            .and_then(|tail| tail.first_chunk_mut::<4>())
        {
            *place = value.to_be_bytes();
        }
    }

    /// Writes into the 16-bit length field at `position` how many bytes follow `start`.
    pub fn patch_length(
        &mut self,
        position: usize,
        start: usize,
        what: &'static str,
    ) -> Result<(), EncodeError> {
        let length = self.bytes.len().saturating_sub(start);
        let short = u16::try_from(length).map_err(|_| EncodeError::TooLong { what, length })?;
        self.patch_u16(position, short);
        Ok(())
    }
}
