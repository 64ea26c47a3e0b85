//! XDR (RFC 4506), as far as libvirt's protocol uses it. Knows numbers, strings and lists in big
//! endian, padded to four bytes; what they mean is left to calls and events.

use crate::Uuid;

/// Why bytes are not what was expected of them. The offset counts from the start of the payload.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum XdrError {
    #[error("the payload ends at byte {offset}, where {wanted} more are expected")]
    Short { offset: usize, wanted: usize },
    #[error("at byte {offset}: a length of {length}, more than the {most} that are allowed")]
    TooLong {
        offset: usize,
        length: usize,
        most: usize,
    },
    #[error("at byte {offset}: text that is not UTF-8")]
    Text { offset: usize },
    #[error("at byte {offset}: {value} stands where 0 or 1 is expected")]
    Flag { offset: usize, value: u32 },
    #[error("at byte {offset}: padding that is not zero")]
    Padding { offset: usize },
    #[error("{left} bytes are left over behind the payload")]
    LeftOver { left: usize },
}

/// libvirt's own limit for one string, in bytes.
pub const MOST_STRING_BYTES: usize = 4 << 20;
/// libvirt's own limit for lists of domains, networks, ports, filters and bindings.
pub const MOST_LIST_ITEMS: usize = 16_384;

/// Writes a payload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Encoder {
    bytes: Vec<u8>,
}

impl Encoder {
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    pub fn unsigned(&mut self, value: u32) -> &mut Self {
        self.bytes.extend_from_slice(&value.to_be_bytes());
        self
    }

    pub fn signed(&mut self, value: i32) -> &mut Self {
        self.bytes.extend_from_slice(&value.to_be_bytes());
        self
    }

    pub fn hyper(&mut self, value: u64) -> &mut Self {
        self.bytes.extend_from_slice(&value.to_be_bytes());
        self
    }

    /// Bytes of a length that both sides know.
    pub fn fixed(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        let padding = padding(bytes.len());
        self.bytes
            .resize(self.bytes.len().saturating_add(padding), 0);
        self
    }

    /// A text; what is beyond [`MOST_STRING_BYTES`] the daemon refuses.
    pub fn string(&mut self, text: &str) -> &mut Self {
        self.unsigned(u32::try_from(text.len()).unwrap_or(u32::MAX));
        self.fixed(text.as_bytes())
    }

    /// A value that may be absent: a flag before it.
    pub fn optional<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) -> &mut Self {
        self.unsigned(u32::from(value.is_some()));
        if let Some(value) = value {
            write(self, value);
        }
        self
    }

    pub fn uuid(&mut self, uuid: Uuid) -> &mut Self {
        self.fixed(&uuid.0)
    }
}

/// Reads a payload. Allocates no more than the bytes that are there, whatever lengths they claim.
#[derive(Clone, Debug)]
pub struct Decoder<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Decoder<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, offset: 0 }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], XdrError> {
        let rest = self.bytes.get(self.offset..).unwrap_or(&[]);
        let taken = rest.get(..length).ok_or(XdrError::Short {
            offset: self.offset,
            wanted: length,
        })?;
        self.offset = self.offset.saturating_add(length);
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], XdrError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub fn unsigned(&mut self) -> Result<u32, XdrError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    pub fn signed(&mut self) -> Result<i32, XdrError> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    pub fn hyper(&mut self) -> Result<u64, XdrError> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    pub fn fixed(&mut self, length: usize) -> Result<&'a [u8], XdrError> {
        let bytes = self.take(length)?;
        let offset = self.offset;
        if self.take(padding(length))?.iter().any(|byte| *byte != 0) {
            return Err(XdrError::Padding { offset });
        }
        Ok(bytes)
    }

    pub fn string(&mut self) -> Result<String, XdrError> {
        let offset = self.offset;
        let length = self.length(MOST_STRING_BYTES)?;
        let bytes = self.fixed(length)?;
        let text = std::str::from_utf8(bytes).map_err(|_| XdrError::Text { offset })?;
        Ok(text.to_owned())
    }

    pub fn flag(&mut self) -> Result<bool, XdrError> {
        let offset = self.offset;
        match self.unsigned()? {
            0 => Ok(false),
            1 => Ok(true),
            value => Err(XdrError::Flag { offset, value }),
        }
    }

    pub fn optional<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, XdrError>,
    ) -> Result<Option<T>, XdrError> {
        if self.flag()? {
            read(self).map(Some)
        } else {
            Ok(None)
        }
    }

    /// A list of at most `most` items.
    pub fn list<T>(
        &mut self,
        most: usize,
        mut read: impl FnMut(&mut Self) -> Result<T, XdrError>,
    ) -> Result<Vec<T>, XdrError> {
        let length = self.length(most)?;
        // Grown by what was read, not by what the length claims.
        let mut items = Vec::new();
        for _ in 0..length {
            items.push(read(self)?);
        }
        Ok(items)
    }

    pub fn uuid(&mut self) -> Result<Uuid, XdrError> {
        self.array().map(Uuid)
    }

    /// Nothing may follow.
    pub fn end(self) -> Result<(), XdrError> {
        match self.bytes.len().saturating_sub(self.offset) {
            0 => Ok(()),
            left => Err(XdrError::LeftOver { left }),
        }
    }

    fn length(&mut self, most: usize) -> Result<usize, XdrError> {
        let offset = self.offset;
        let length = usize::try_from(self.unsigned()?).unwrap_or(usize::MAX);
        if length > most {
            return Err(XdrError::TooLong {
                offset,
                length,
                most,
            });
        }
        Ok(length)
    }
}

fn padding(length: usize) -> usize {
    length.wrapping_neg() % 4
}
