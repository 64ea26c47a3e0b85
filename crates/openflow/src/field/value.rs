//! What a match asks of one field. How it is written is left to the codecs and to [`text`](crate::text).

use std::net::{Ipv4Addr, Ipv6Addr};

use super::Field;
use crate::port_number::PortNumber;

/// A value asked of a field. Bits outside the mask are zero; a mask of all the field's bits is an exact match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldMatch {
    field: Field,
    value: u128,
    mask: u128,
}

impl FieldMatch {
    /// Asks for exactly `value`.
    #[must_use]
    pub fn exact(field: Field, value: impl IntoBits) -> Self {
        Self {
            field,
            value: value.into_bits(),
            mask: field.all_ones(),
        }
    }

    /// Asks for `value` in those bits that `mask` has; the other bits of `value` do not count.
    #[must_use]
    pub fn masked(field: Field, value: impl IntoBits, mask: impl IntoBits) -> Self {
        let mask = mask.into_bits();
        Self {
            field,
            value: value.into_bits() & mask,
            mask,
        }
    }

    /// The field.
    #[must_use]
    pub const fn field(&self) -> Field {
        self.field
    }

    /// The value, zero outside the mask.
    #[must_use]
    pub const fn value(&self) -> u128 {
        self.value
    }

    /// The bits that count.
    #[must_use]
    pub const fn mask(&self) -> u128 {
        self.mask
    }

    /// Whether every bit of the field counts.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.mask == self.field.all_ones()
    }

    /// Whether value and mask have only bits that the field has.
    #[must_use]
    pub fn fits(&self) -> bool {
        (self.value | self.mask) & !self.field.all_ones() == 0
    }
}

/// What can stand for a field's bits: numbers and addresses.
pub trait IntoBits {
    /// The bits, lowest last.
    fn into_bits(self) -> u128;
}

macro_rules! unsigned {
    ($($number:ty),*) => {
        $(impl IntoBits for $number {
            fn into_bits(self) -> u128 {
                u128::from(self)
            }
        })*
    };
}

unsigned!(u8, u16, u32, u64, u128, PortNumber);

/// For literals; a negative number is its two's complement in 32 bits.
impl IntoBits for i32 {
    fn into_bits(self) -> u128 {
        u128::from(self.cast_unsigned())
    }
}

/// A MAC address.
impl IntoBits for [u8; 6] {
    fn into_bits(self) -> u128 {
        self.iter()
            .fold(0, |bits, byte| (bits << 8) | u128::from(*byte))
    }
}

impl IntoBits for Ipv4Addr {
    fn into_bits(self) -> u128 {
        u128::from(self.to_bits())
    }
}

impl IntoBits for Ipv6Addr {
    fn into_bits(self) -> u128 {
        self.to_bits()
    }
}
