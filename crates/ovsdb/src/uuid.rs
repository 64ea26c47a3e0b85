//! UUIDs in the text form of RFC 4122: rows, transactions and servers are named by them.

use std::fmt;
use std::str::FromStr;

/// The name of a row, a transaction or a server.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid([u8; 16]);

/// A text that is no UUID.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is no UUID; 32 hexadecimal digits are expected in the form 8-4-4-4-12, as in \
     550e8400-e29b-41d4-a716-446655440000"
)]
pub struct UuidError(String);

/// Where the hyphens are in the text form.
const HYPHENS: [usize; 4] = [8, 13, 18, 23];
const TEXT_LENGTH: usize = 36;

impl Uuid {
    /// What stands for "none", as the first `last-txn-id` of a monitor.
    pub const ZERO: Self = Self([0; 16]);

    /// Of its bytes, the most significant first.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its bytes, the most significant first.
    pub const fn bytes(self) -> [u8; 16] {
        self.0
    }
}

impl FromStr for Uuid {
    type Err = UuidError;

    /// Digits of both cases are taken, as Open vSwitch does.
    fn from_str(text: &str) -> Result<Self, UuidError> {
        // An error repeats what it complains of, and that may be of any length.
        let refuse = || UuidError(text.chars().take(TEXT_LENGTH + 4).collect());
        if text.len() != TEXT_LENGTH {
            return Err(refuse());
        }
        let mut number = 0_u128;
        for (place, character) in text.bytes().enumerate() {
            if HYPHENS.contains(&place) {
                if character != b'-' {
                    return Err(refuse());
                }
                continue;
            }
            let digit = char::from(character).to_digit(16).ok_or_else(refuse)?;
            number = number << 4 | u128::from(digit);
        }
        Ok(Self(number.to_be_bytes()))
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = format!("{:032x}", u128::from_be_bytes(self.0));
        let mut start = 0;
        for length in [8, 4, 4, 4, 12] {
            let end = start + length;
            if start > 0 {
                formatter.write_str("-")?;
            }
            formatter.write_str(digits.get(start..end).unwrap_or_default())?;
            start = end;
        }
        Ok(())
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}
