//! A field's value with its mask as text, and runs of bits.

use std::fmt;

use super::scan::{ParseError, Position};
use super::value::{ValueText, flag_names, parse_flags, parse_value, write_flags};
use crate::field::{Field, FieldMatch, Format, Subfield};
use crate::port_number::PortNumber;

/// The value and mask of one field, as `set_field` and `learn` have them: `10.0.0.0/8`, `0x5/0xff`, `+oam`.
pub(super) struct MaskedText(pub(super) FieldMatch);

impl fmt::Display for MaskedText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wanted = &self.0;
        let (field, value, mask) = (wanted.field(), wanted.value(), wanted.mask());
        let format = field.info().format;
        if let Some(names) = flag_names(format) {
            return write_flags(formatter, names, value, mask, wanted.is_exact());
        }
        if format == Format::Port && !wanted.is_exact() {
            // Some bits of a port's number are no port.
            return write!(formatter, "{value:#x}/{mask:#x}");
        }
        if field == Field::InPort16 {
            write!(formatter, "{}", PortNumber::from_u16(value as u16))?;
        } else if format == Format::Port {
            write!(formatter, "{}", PortNumber(value as u32))?;
        } else {
            write!(
                formatter,
                "{}",
                ValueText {
                    format,
                    bits: value
                }
            )?;
        }
        if wanted.is_exact() {
            return Ok(());
        }
        let width = u32::from(field.info().bits);
        let prefix = (mask << (128 - width)).leading_ones();
        match format {
            Format::Ipv4 | Format::Ipv6 if mask.count_ones() == prefix => {
                write!(formatter, "/{prefix}")
            }
            Format::Ipv4 | Format::Ipv6 | Format::Ethernet => {
                write!(formatter, "/{}", ValueText { format, bits: mask })
            }
            _ => write!(formatter, "/{mask:#x}"),
        }
    }
}

/// Reads a value with or without a mask.
pub(super) fn parse_masked(
    at: &Position<'_>,
    field: Field,
    text: &str,
) -> Result<FieldMatch, ParseError> {
    let format = field.info().format;
    if let Some(read) = parse_flags(format, text) {
        return Ok(match read {
            (value, None) => FieldMatch::exact(field, value),
            (value, Some(mask)) => FieldMatch::masked(field, value, mask),
        });
    }
    let (value, mask) = match text.split_once('/') {
        None => (text, None),
        Some((value, mask)) => (value, Some(mask)),
    };
    let bits = |part: &str| {
        let read = if field == Field::InPort16 {
            PortNumber::from_name(part)
                .and_then(PortNumber::to_u16)
                .map(u128::from)
                .or_else(|| parse_value(format, part))
        } else {
            parse_value(format, part)
        };
        let expected = || {
            at.error(
                part,
                format!(
                    "expected a value of {field}, {} bits wide",
                    field.info().bits
                ),
            )
        };
        read.ok_or_else(expected)
    };
    let value_bits = bits(value)?;
    let wanted = match mask {
        None => FieldMatch::exact(field, value_bits),
        Some(mask) => {
            let mask_bits = prefix_mask(field, mask).map_or_else(|| bits(mask), Ok)?;
            FieldMatch::masked(field, value_bits, mask_bits)
        }
    };
    if wanted.fits() && value_bits & !field.all_ones() == 0 {
        Ok(wanted)
    } else {
        Err(at.error(text, format!("{field} has {} bits", field.info().bits)))
    }
}

/// The mask that a prefix length behind an address means.
fn prefix_mask(field: Field, text: &str) -> Option<u128> {
    if !matches!(field.info().format, Format::Ipv4 | Format::Ipv6)
        || !text.bytes().all(|digit| digit.is_ascii_digit())
    {
        return None;
    }
    let bits = u32::from(field.info().bits);
    let length: u32 = text.parse().ok().filter(|length| *length <= bits)?;
    Some(
        field.all_ones()
            & u128::MAX
                .checked_shl(bits.saturating_sub(length))
                .unwrap_or(0),
    )
}

/// Reads `NXM_NX_REG0[0..15]`.
pub(super) fn parse_subfield(at: &Position<'_>, text: &str) -> Result<Subfield, ParseError> {
    text.parse()
        .map_err(|error: crate::field::SubfieldTextError| at.error(text, error.to_string()))
}

/// Reads a port's number or reserved name.
pub(super) fn parse_port(at: &Position<'_>, text: &str) -> Result<PortNumber, ParseError> {
    let read = PortNumber::from_name(text).or_else(|| {
        let number =
            super::value::parse_number(text).and_then(|number| u32::try_from(number).ok())?;
        // The reserved numbers of 1.0 are taken for what they mean, as `ovs-ofctl` does.
        Some(u16::try_from(number).map_or(PortNumber(number), PortNumber::from_u16))
    });
    read.ok_or_else(|| {
        at.error(
            text,
            "expected a port's number, or LOCAL, NORMAL, FLOOD, ALL, IN_PORT, CONTROLLER",
        )
    })
}
