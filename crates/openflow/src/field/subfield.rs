//! A run of bits within a field, as actions name it. Text and wire are left to others.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use super::Field;

/// Bits `offset` to `offset + bits - 1` of a field, lowest first; never empty, never beyond the field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subfield {
    field: Field,
    offset: u8,
    bits: u8,
}

/// A run of bits that the field does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{field} has {width} bits, so {bits} bits from bit {offset} are not in it")]
pub struct SubfieldError {
    /// The field.
    pub field: Field,
    /// Its width.
    pub width: u8,
    /// First bit asked for.
    pub offset: u16,
    /// How many.
    pub bits: u16,
}

impl Subfield {
    /// The whole of a field.
    #[must_use]
    pub fn whole(field: Field) -> Self {
        Self {
            field,
            offset: 0,
            bits: field.info().bits,
        }
    }

    /// `bits` bits from bit `offset` on.
    pub fn new(field: Field, offset: u16, bits: u16) -> Result<Self, SubfieldError> {
        let width = field.info().bits;
        let refused = SubfieldError {
            field,
            width,
            offset,
            bits,
        };
        let end = offset.checked_add(bits).ok_or(refused)?;
        if bits == 0 || end > u16::from(width) {
            return Err(refused);
        }
        let narrow = |number| u8::try_from(number).map_err(|_| refused);
        Ok(Self {
            field,
            offset: narrow(offset)?,
            bits: narrow(bits)?,
        })
    }

    /// The field.
    #[must_use]
    pub const fn field(&self) -> Field {
        self.field
    }

    /// The lowest bit.
    #[must_use]
    pub const fn offset(&self) -> u8 {
        self.offset
    }

    /// How many bits.
    #[must_use]
    pub const fn bits(&self) -> u8 {
        self.bits
    }

    /// Whether it is all of the field.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.bits == self.field.info().bits
    }

    /// The bits within the field, set.
    #[must_use]
    pub fn mask(&self) -> u128 {
        (u128::MAX >> (128 - u32::from(self.bits))) << self.offset
    }
}

/// As `ovs-ofctl` prints it: `NXM_NX_REG0[0..15]`, `NXM_NX_REG0[3]`, `NXM_NX_REG0[]`.
impl fmt::Display for Subfield {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.field.header_name();
        match self.bits {
            _ if self.is_whole() => write!(formatter, "{name}[]"),
            1 => write!(formatter, "{name}[{}]", self.offset),
            bits => write!(
                formatter,
                "{name}[{}..{}]",
                self.offset,
                self.offset.saturating_add(bits - 1)
            ),
        }
    }
}

/// A text that names no run of bits.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SubfieldTextError {
    /// No field is called that.
    #[error("no match field is called `{0}`")]
    Unknown(String),
    /// What is in brackets is no range.
    #[error("`{0}` is no range of bits: write `[]`, `[3]` or `[0..15]`")]
    Range(String),
    /// The field has not these bits.
    #[error(transparent)]
    Beyond(#[from] SubfieldError),
}

impl FromStr for Subfield {
    type Err = SubfieldTextError;

    fn from_str(text: &str) -> Result<Self, SubfieldTextError> {
        let (name, range) = match text.split_once('[') {
            None => (text, ""),
            Some((name, range)) => {
                let inner = range
                    .strip_suffix(']')
                    .ok_or_else(|| SubfieldTextError::Range(range.to_owned()))?;
                (name, inner)
            }
        };
        let field =
            Field::from_name(name).ok_or_else(|| SubfieldTextError::Unknown(name.to_owned()))?;
        if range.is_empty() {
            return Ok(Self::whole(field));
        }
        let number = |text: &str| {
            text.parse::<u16>()
                .map_err(|_| SubfieldTextError::Range(range.to_owned()))
        };
        let (first, last) = match range.split_once("..") {
            None => (number(range)?, number(range)?),
            Some((first, last)) => (number(first)?, number(last)?),
        };
        let bits = last
            .checked_sub(first)
            .ok_or_else(|| SubfieldTextError::Range(range.to_owned()))?;
        Ok(Self::new(field, first, bits.saturating_add(1))?)
    }
}
