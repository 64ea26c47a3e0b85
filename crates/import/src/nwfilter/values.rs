//! Values of attributes: text to value, strictly. Knows spelling and ranges; what a value is compared
//! with is left to `translate`.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use frame::MacAddress;
use policy::rule::FieldValue;

use super::attributes::Kind;
use super::filter::{Access, State, Value};

/// A value, or what was expected instead.
pub(super) fn value(text: &str, kind: Kind) -> Result<Value, String> {
    if let Some(variable) = text.strip_prefix('$') {
        return reference(variable);
    }
    literal(text, kind)
}

/// A value that is no variable.
pub(super) fn literal(text: &str, kind: Kind) -> Result<Value, String> {
    match kind {
        Kind::Number(least, most, names) => number(text, least, most, names).map(Value::Number),
        Kind::Mac => mac(text).map(Value::Mac),
        Kind::MacMask => mac(text).map(Value::Mac),
        Kind::Ipv4 => text
            .parse::<Ipv4Addr>()
            .map(|address| Value::Address(IpAddr::V4(address)))
            .map_err(|_| "an IPv4 address".to_owned()),
        Kind::Ipv6 => text
            .parse::<Ipv6Addr>()
            .map(|address| Value::Address(IpAddr::V6(address)))
            .map_err(|_| "an IPv6 address".to_owned()),
        Kind::Ipv4Mask => prefix(text, 32).map(Value::Prefix),
        Kind::Ipv6Mask => prefix(text, 128).map(Value::Prefix),
        Kind::Flags => flags(text),
        Kind::States => states(text),
        Kind::Switch => switch(text).map(Value::Switch),
        Kind::Text(most) if text.chars().count() <= most => Ok(Value::Text(text.to_owned())),
        Kind::Text(most) => Err(format!("at most {most} characters")),
    }
}

/// `true`, `yes`, `1` and their opposites.
pub(super) fn switch(text: &str) -> Result<bool, String> {
    match text {
        "1" | "true" | "yes" => Ok(true),
        "0" | "false" | "no" => Ok(false),
        _ => Err("`true` or `false`".to_owned()),
    }
}

/// Decimal or `0x` hexadecimal within bounds, or a name.
fn number(text: &str, least: u64, most: u64, names: &[(&str, u64)]) -> Result<u64, String> {
    if let Some((_, number)) = names
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(text))
    {
        return Ok(*number);
    }
    let parsed = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) if digits.bytes().all(|b| b.is_ascii_hexdigit()) => {
            u64::from_str_radix(digits, 16).ok()
        }
        None if text.bytes().all(|b| b.is_ascii_digit()) => text.parse().ok(),
        _ => None,
    };
    parsed
        .filter(|number| (least..=most).contains(number))
        .ok_or_else(|| {
            let names: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
            match names.as_slice() {
                [] => format!("a number from {least} to {most}"),
                names => format!("a number from {least} to {most}, or {}", names.join(", ")),
            }
        })
}

/// libvirt takes groups of one digit as well.
fn mac(text: &str) -> Result<MacAddress, String> {
    let groups: Option<Vec<u8>> = text
        .split(':')
        .map(|group| {
            let fits = (1..=2).contains(&group.len())
                && group.bytes().all(|byte| byte.is_ascii_hexdigit());
            fits.then(|| u8::from_str_radix(group, 16).ok()).flatten()
        })
        .collect();
    groups
        .and_then(|groups| <[u8; 6]>::try_from(groups).ok())
        .map(MacAddress)
        .ok_or_else(|| "a MAC address: six groups of hexadecimal digits with colons".to_owned())
}

/// A number of bits, or a mask of the family with leading ones only.
fn prefix(text: &str, bits: u8) -> Result<u8, String> {
    let expected = || format!("a number of bits from 0 to {bits}, or a mask of leading ones");
    if let Ok(length) = text.parse::<u8>() {
        return if length <= bits {
            Ok(length)
        } else {
            Err(expected())
        };
    }
    let (mask, width): (u128, u32) = match (bits, text.parse::<IpAddr>()) {
        (32, Ok(IpAddr::V4(mask))) => (u128::from(u32::from(mask)) << 96, 32),
        (128, Ok(IpAddr::V6(mask))) => (u128::from(mask), 128),
        _ => return Err(expected()),
    };
    let ones = mask.leading_ones();
    if ones <= width && mask.count_ones() == ones {
        u8::try_from(ones).map_err(|_| expected())
    } else {
        Err(expected())
    }
}

fn flags(text: &str) -> Result<Value, String> {
    let expected = || "MASK/FLAGS of SYN, ACK, URG, PSH, FIN, RST, NONE and ALL".to_owned();
    let side = |text: &str| {
        text.split(',').try_fold(0_u8, |bits, word| {
            Some(
                bits | match word.trim() {
                    "FIN" => 0x01,
                    "SYN" => 0x02,
                    "RST" => 0x04,
                    "PSH" => 0x08,
                    "ACK" => 0x10,
                    "URG" => 0x20,
                    "ALL" => 0x3f,
                    "NONE" => 0,
                    _ => return None,
                },
            )
        })
    };
    let (mask, set) = text.split_once('/').ok_or_else(expected)?;
    match (side(mask), side(set)) {
        (Some(mask), Some(set)) => Ok(Value::Flags { mask, set }),
        _ => Err(expected()),
    }
}

fn states(text: &str) -> Result<Value, String> {
    let mut states = BTreeSet::new();
    for word in text.split(',') {
        states.insert(match word.trim() {
            "NEW" => State::New,
            "ESTABLISHED" => State::Established,
            "RELATED" => State::Related,
            "INVALID" => State::Invalid,
            "NONE" => State::None,
            _ => return Err("a list of NEW, ESTABLISHED, RELATED, INVALID; or NONE".to_owned()),
        });
    }
    if states.contains(&State::None) && states.len() > 1 {
        return Err("NONE alone, or a list of NEW, ESTABLISHED, RELATED, INVALID".to_owned());
    }
    Ok(Value::States(states))
}

/// `NAME`, `NAME[2]` or `NAME[@1]`.
fn reference(text: &str) -> Result<Value, String> {
    let expected = || "a variable: $NAME, $NAME[2] or $NAME[@1]".to_owned();
    let (name, access) = match text.split_once('[') {
        None => (text, Access::Iterator(0)),
        Some((name, rest)) => {
            let inner = rest.strip_suffix(']').ok_or_else(expected)?;
            let (digits, iterator) = match inner.strip_prefix('@') {
                Some(digits) => (digits, true),
                None => (inner, false),
            };
            let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            let number: u32 = digits.parse().ok().filter(|_| plain).ok_or_else(expected)?;
            let access = if iterator {
                Access::Iterator(number)
            } else {
                Access::Element(number)
            };
            (name, access)
        }
    };
    if !is_variable_name(name) {
        return Err(expected());
    }
    Ok(Value::Variable {
        name: name.to_owned(),
        access,
    })
}

/// Letters, digits and `_`.
pub(super) fn is_variable_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !name.is_empty() && name.len() <= 128 && name.chars().all(fits)
}

/// A parameter of a `filterref` as the value of a variable of a port: an address, a MAC address or a
/// number. `None` for anything else, which no condition could compare with.
pub fn parameter_value(text: &str) -> Option<FieldValue> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(FieldValue::Address(address, address));
    }
    if let Ok(value) = mac(text) {
        return Some(FieldValue::Mac {
            value,
            mask: MacAddress::BROADCAST,
        });
    }
    let number = number(text, 0, u64::from(u32::MAX), &[]).ok()?;
    Some(FieldValue::Number(number, number))
}
