//! One field's value as text, and back. Which bits of it count is left to the callers.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::field::Format;
use crate::port_number::PortNumber;

/// Bits in a field's form of text.
#[derive(Clone, Copy, Debug)]
pub struct ValueText {
    /// The form.
    pub format: Format,
    /// The bits.
    pub bits: u128,
}

impl fmt::Display for ValueText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = self.bits;
        match self.format {
            Format::Decimal => write!(formatter, "{bits}"),
            Format::Ethernet => {
                let [.., a, b, c, d, e, f] = bits.to_be_bytes();
                write!(formatter, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
            }
            Format::Ipv4 => write!(formatter, "{}", Ipv4Addr::from_bits(bits as u32)),
            // The C library writes the last four bytes with dots where six groups of zeros stand before them.
            Format::Ipv6 if bits >> 32 == 0 && bits >> 16 != 0 => {
                write!(formatter, "::{}", Ipv4Addr::from_bits(bits as u32))
            }
            Format::Ipv6 => write!(formatter, "{}", Ipv6Addr::from_bits(bits)),
            Format::Port => match PortNumber(bits as u32).name() {
                Some(name) => formatter.write_str(name),
                None => write!(formatter, "{bits}"),
            },
            // Zero has no prefix in C's "%#x".
            _ if bits == 0 => formatter.write_str("0"),
            _ => write!(formatter, "{bits:#x}"),
        }
    }
}

/// The bits that a text means, in the field's form or as a number.
#[must_use]
pub fn parse_value(format: Format, text: &str) -> Option<u128> {
    match format {
        Format::Ethernet => parse_ethernet(text),
        Format::Ipv4 => text
            .parse::<Ipv4Addr>()
            .ok()
            .map(|address| address.to_bits().into()),
        Format::Ipv6 => text.parse::<Ipv6Addr>().ok().map(Ipv6Addr::to_bits),
        Format::Port => PortNumber::from_name(text)
            .map(u128::from)
            .or_else(|| parse_number(text).filter(|bits| *bits >> 32 == 0)),
        _ => parse_number(text),
    }
}

/// The names of a format's flags, lowest bit first, if it is one of flags.
pub(super) fn flag_names(format: Format) -> Option<&'static [&'static str]> {
    match format {
        Format::CtState => Some(&["new", "est", "rel", "rpl", "inv", "trk", "snat", "dnat"]),
        Format::TcpFlags => Some(&[
            "fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr", "ns", "[200]", "[400]", "[800]",
        ]),
        Format::TunnelFlags => Some(&["oam"]),
        _ => None,
    }
}

/// Flags: `+trk-new` with a mask, `trk|new` without one, numbers where a flag has no name.
pub(super) fn write_flags(
    formatter: &mut fmt::Formatter<'_>,
    names: &[&str],
    value: u128,
    mask: u128,
    exact: bool,
) -> fmt::Result {
    // Where every flag there is counts, Open vSwitch prints as if every bit did.
    let exact = exact || mask == (1u128 << names.len()) - 1;
    let named = |place: u32| names.get(place as usize).copied();
    let known = (1u128 << names.len()) - 1;
    if (if exact { value } else { mask }) & !known != 0 {
        return if exact {
            write!(formatter, "{value:#x}")
        } else {
            write!(formatter, "{value:#x}/{mask:#x}")
        };
    }
    if exact && value == 0 {
        return formatter.write_str("0");
    }
    let mut rest = if exact { value } else { mask };
    let mut first = true;
    while rest != 0 {
        let place = rest.trailing_zeros();
        let name = named(place).unwrap_or_default();
        rest &= rest - 1;
        match (exact, first) {
            (true, true) => formatter.write_str(name)?,
            (true, false) => write!(formatter, "|{name}")?,
            _ => write!(
                formatter,
                "{}{name}",
                if value >> place & 1 == 1 { '+' } else { '-' }
            )?,
        }
        first = false;
    }
    Ok(())
}

/// Reads flags by name: value, and mask unless it is exact. Numbers are not read here.
pub(super) fn parse_flags(format: Format, text: &str) -> Option<(u128, Option<u128>)> {
    let names = flag_names(format)?;
    let bit = |name: &str| {
        names
            .iter()
            .position(|known| *known == name)
            .map(|place| 1u128 << place)
    };
    if !text.starts_with(['+', '-']) {
        let mut value = 0;
        for name in text.split('|').filter(|_| text != "0") {
            value |= bit(name)?;
        }
        // What is no flag that Open vSwitch knows does not count.
        return Some((
            value,
            (format == Format::CtState).then_some((1 << names.len()) - 1),
        ));
    }
    let (mut value, mut mask) = (0, 0);
    let mut rest = text;
    while let Some(sign) = rest.chars().next() {
        let after = rest.strip_prefix(['+', '-'])?;
        let (name, tail) = after.split_at(after.find(['+', '-']).unwrap_or(after.len()));
        let bit = bit(name).filter(|bit| mask & bit == 0)?;
        mask |= bit;
        value |= if sign == '+' { bit } else { 0 };
        rest = tail;
    }
    Some((value, Some(mask)))
}

/// A number in decimal, hexadecimal with `0x` or octal with `0`, as C reads it.
#[must_use]
pub fn parse_number(text: &str) -> Option<u128> {
    let digits = |text: &str, radix| {
        // `from_str_radix` takes a sign too.
        let plain = text
            .bytes()
            .next()
            .is_some_and(|first| first.is_ascii_alphanumeric());
        if plain {
            u128::from_str_radix(text, radix).ok()
        } else {
            None
        }
    };
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hexadecimal) => digits(hexadecimal, 16),
        None if text.len() > 1 && text.starts_with('0') => digits(text, 8),
        None => digits(text, 10),
    }
}

fn parse_ethernet(text: &str) -> Option<u128> {
    let mut bits = 0u128;
    let mut count = 0;
    for byte in text.split(':') {
        if byte.is_empty() || byte.len() > 2 || !byte.bytes().all(|digit| digit.is_ascii_hexdigit())
        {
            return None;
        }
        bits = (bits << 8) | u128::from(u8::from_str_radix(byte, 16).ok()?);
        count += 1;
        if count > 6 {
            return None;
        }
    }
    (count == 6).then_some(bits)
}

/// Bytes as pairs of hexadecimal digits.
pub(crate) struct Hex<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

/// The bytes that pairs of hexadecimal digits mean.
pub(crate) fn parse_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).unwrap_or(0) as u8;
    Some(
        digits
            .chunks_exact(2)
            .map(|pair| pair.iter().fold(0, |byte, next| (byte << 4) | digit(*next)))
            .collect(),
    )
}
