//! Where one JSON message ends and the next begins in a stream of bytes cut anywhere. Knows
//! brackets, strings and escapes; whether a message is JSON is serde_json's to say.
//!
//! JSON-RPC over a stream has no lengths and no separator: a message ends with the bracket that
//! closes it. Every byte is looked at once, however the stream is cut.

use serde_json::Value;

/// How much one message may ask of the reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of text.
    pub bytes: usize,
    /// Brackets within brackets; serde_json itself goes no deeper than 127.
    pub depth: usize,
    /// Values in it, roughly: a value takes many times the memory of its text.
    pub values: usize,
}

impl Default for Limits {
    /// 64 MiB, 100 brackets deep and 4 million values: a switch with 10,000 ports has a twentieth.
    fn default() -> Self {
        Self {
            bytes: 64 << 20,
            depth: 100,
            values: 4_000_000,
        }
    }
}

/// Bytes that are no messages; what follows them cannot be told apart either.
#[derive(Debug, thiserror::Error)]
pub enum FramingError {
    #[error("the peer sent byte {0:#04x} where a JSON object begins: is that an OVSDB socket?")]
    NoObject(u8),
    #[error("the peer sent a message of more than {0} bytes")]
    TooLong(usize),
    #[error("the peer sent a message with brackets more than {0} deep")]
    TooDeep(usize),
    #[error("the peer sent a message of more than {0} values")]
    TooMany(usize),
    #[error("the peer sent a message that is no JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// Collects bytes and gives back messages.
#[derive(Clone, Debug, Default)]
pub struct Framer {
    limits: Limits,
    buffer: Vec<u8>,
    /// Where the message that is being read begins in the buffer.
    begin: usize,
    /// How far the buffer has been looked at.
    seen: usize,
    place: Place,
}

/// Where the reader is within a message.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    depth: usize,
    values: usize,
    in_string: bool,
    escaped: bool,
}

impl Framer {
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    /// Bytes that arrived, cut anywhere.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.begin > 0 {
            self.buffer.drain(..self.begin);
            self.seen = self.seen.saturating_sub(self.begin);
            self.begin = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole message, if all of it is here.
    ///
    /// # Errors
    /// Bytes that are no message. The framer is of no more use then.
    pub fn next_message(&mut self) -> Result<Option<Value>, FramingError> {
        while let Some(&byte) = self.buffer.get(self.seen) {
            if self.place.depth == 0 {
                match byte {
                    b' ' | b'\t' | b'\r' | b'\n' => {
                        self.seen += 1;
                        self.begin = self.seen;
                        continue;
                    }
                    b'{' => self.place = Place::default(),
                    other => return Err(FramingError::NoObject(other)),
                }
            }
            self.seen += 1;
            if self.seen - self.begin > self.limits.bytes {
                return Err(FramingError::TooLong(self.limits.bytes));
            }
            if self.place.step(byte, self.limits)? {
                let text = self.buffer.get(self.begin..self.seen).unwrap_or_default();
                let message = serde_json::from_slice(text)?;
                self.begin = self.seen;
                return Ok(Some(message));
            }
        }
        if self.begin == self.buffer.len() {
            // Nothing is pending; what a large message needed is given back.
            self.buffer = Vec::new();
            (self.begin, self.seen) = (0, 0);
        }
        Ok(None)
    }

    /// Bytes of messages that are not whole yet.
    pub fn pending(&self) -> usize {
        self.buffer.len().saturating_sub(self.begin)
    }
}

impl Place {
    /// One byte further; whether the message ends with it.
    fn step(&mut self, byte: u8, limits: Limits) -> Result<bool, FramingError> {
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return Ok(false);
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => {
                self.depth += 1;
                self.values += 1;
                if self.depth > limits.depth {
                    return Err(FramingError::TooDeep(limits.depth));
                }
            }
            b',' => self.values += 1,
            b'}' | b']' => self.depth -= 1,
            _ => {}
        }
        if self.values > limits.values {
            return Err(FramingError::TooMany(limits.values));
        }
        Ok(self.depth == 0)
    }
}
