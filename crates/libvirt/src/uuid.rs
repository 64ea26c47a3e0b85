//! The id that libvirt gives everything. Knows its text; what it names is left to others.

use std::fmt;
use std::str::FromStr;

/// 16 bytes that name a domain, a network, a filter or a port, and survive its renaming.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(pub [u8; 16]);

/// A text that is no UUID.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no UUID: 32 hexadecimal digits are expected, with `-` between them or without")]
pub struct ParseUuidError(String);

impl FromStr for Uuid {
    type Err = ParseUuidError;

    /// libvirt reads UUIDs with `-` or blanks anywhere between the digits, and so does this.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fail = || ParseUuidError(text.chars().take(64).collect());
        let mut digits = text.chars().filter(|c| !matches!(c, '-' | ' '));
        let mut bytes = [0; 16];
        for byte in &mut bytes {
            let (high, low) = (digits.next(), digits.next());
            let digit = |c: Option<char>| {
                c.and_then(|c| c.to_digit(16))
                    .and_then(|d| u8::try_from(d).ok())
            };
            *byte = match (digit(high), digit(low)) {
                (Some(high), Some(low)) => high << 4 | low,
                _ => return Err(fail()),
            };
        }
        if digits.next().is_some() {
            return Err(fail());
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
