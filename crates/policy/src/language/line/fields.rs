//! Values of header fields, by the kind of the field.

use crate::language::names;
use crate::language::suggest::{closest, quoted};
use crate::language::values::{self, Addresses, TextError};
use crate::language::words::{
    self, ARP_OPERATIONS, CODE_POINTS, ETHERTYPES, IP_PROTOCOLS, TCP_FLAGS, Table, look_up,
};
use crate::rule::{Field, FieldKind, FieldValue};
use frame::MacAddress;

pub(in crate::language) const NO_MASK: MacAddress = MacAddress([0xff; 6]);

pub(in crate::language) fn field(name: &str) -> Result<Field, TextError> {
    let names = || Field::ALL.iter().map(|field| field.name());
    let found = Field::ALL
        .iter()
        .copied()
        .find(|field| field.name() == name);
    found.ok_or_else(|| {
        let hint = closest(name, names()).map(|name| format!("did you mean `{name}`?"));
        TextError::of(name, format!("there is no field `{name}`"))
            .expected(quoted(names()))
            .maybe_hint(hint)
    })
}

/// Reads one value of a field.
pub(in crate::language) fn field_value(field: Field, text: &str) -> Result<FieldValue, TextError> {
    if let Some(name) = text.strip_prefix('$') {
        return names::variable(name)
            .map(FieldValue::Variable)
            .map_err(|e| e.shift(1));
    }
    match field.kind() {
        FieldKind::Number(most) => number(names_of(field), text, most),
        FieldKind::Mac => mac(text),
        FieldKind::Address => Addresses::parse(text).map(address_value),
        FieldKind::Flags => flags(text),
    }
}

/// Reads a value of a variable, which belongs to no field: by what it looks like.
pub(in crate::language) fn variable_value(text: &str) -> Result<FieldValue, TextError> {
    let colons = text.split('/').next().unwrap_or("").matches(':').count();
    let pairs = text.split(['/', ':']).all(|group| group.len() == 2);
    if colons == 5 && pairs {
        return mac(text);
    }
    if text.contains(['.', ':']) {
        return Addresses::parse(text).map(address_value);
    }
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return values::numbers(text, u64::from(u32::MAX)).map(|(a, b)| FieldValue::Number(a, b));
    }
    flags(text).map_err(|_| {
        TextError::of(text, format!("`{text}` is not a value")).expected([
            "an address",
            "a prefix",
            "a range",
            "a MAC address",
            "a number",
            "TCP flags",
        ])
    })
}

/// Names that may stand for numbers of a field.
pub(in crate::language) fn names_of(field: Field) -> Table<u64> {
    match field {
        Field::EtherType | Field::ArpProtocolType => ETHERTYPES,
        Field::ArpOperation => ARP_OPERATIONS,
        Field::IpProtocol => IP_PROTOCOLS,
        Field::Dscp => CODE_POINTS,
        _ => &[],
    }
}

fn number(names: Table<u64>, text: &str, most: u64) -> Result<FieldValue, TextError> {
    if let Some(value) = look_up(names, text) {
        return Ok(FieldValue::Number(value, value));
    }
    values::numbers(text, most)
        .map(|(first, last)| FieldValue::Number(first, last))
        .map_err(|error| {
            let hint =
                closest(text, words::names(names)).map(|name| format!("did you mean `{name}`?"));
            error.maybe_hint(hint)
        })
}

/// An ethertype by number or name.
pub(in crate::language) fn ethertype(text: &str) -> Result<u16, TextError> {
    let value = match number(ETHERTYPES, text, 0xffff)? {
        FieldValue::Number(first, last) if first == last => u16::try_from(first).ok(),
        _ => None,
    };
    // Below 0x600 the field is the length of an 802.3 frame (IEEE 802.3 clause 3.2.6).
    match value {
        Some(value) if value >= 0x600 => Ok(value),
        _ => {
            Err(TextError::of(text, format!("`{text}` is not an ethertype"))
                .label("0x0600 to 0xffff"))
        }
    }
}

fn mac(text: &str) -> Result<FieldValue, TextError> {
    let Some((value_text, mask_text)) = text.split_once('/') else {
        let value = values::mac(text)?;
        return Ok(FieldValue::Mac {
            value,
            mask: NO_MASK,
        });
    };
    let base = value_text.len().saturating_add(1);
    let value = values::mac(value_text)?;
    let mask = values::mac(mask_text).map_err(|e| e.shift(base))?;
    let masked = values::masked(value, mask);
    if masked != value {
        return Err(
            TextError::of(text, "bits outside the mask are set").hint(format!(
                "write {}/{}",
                values::write_mac(masked),
                values::write_mac(mask)
            )),
        );
    }
    Ok(FieldValue::Mac { value, mask })
}

fn address_value(addresses: Addresses) -> FieldValue {
    let (first, last) = addresses.bounds();
    FieldValue::Address(first, last)
}

/// `MASK/SET`: of the flags in MASK, exactly those in SET. `syn+ack` alone: these are set.
fn flags(text: &str) -> Result<FieldValue, TextError> {
    let Some((mask_text, set_text)) = text.split_once('/') else {
        let set = flag_set(text)?;
        if set == 0 {
            return Err(
                TextError::of(text, "no flags to look at").hint("no flag at all is `all/none`")
            );
        }
        return Ok(FieldValue::Flags { mask: set, set });
    };
    let base = mask_text.len().saturating_add(1);
    let mask = flag_set(mask_text)?;
    let set = flag_set(set_text).map_err(|e| e.shift(base))?;
    if mask == 0 {
        return Err(TextError::of(text, "no flags to look at"));
    }
    if set & !mask != 0 {
        return Err(
            TextError::of(text, "a flag that is not looked at cannot be required")
                .hint("MASK/SET: every flag after `/` also stands before it"),
        );
    }
    Ok(FieldValue::Flags { mask, set })
}

fn flag_set(text: &str) -> Result<u8, TextError> {
    match text {
        "none" => return Ok(0),
        "all" => return Ok(0xff),
        _ => {}
    }
    let mut set = 0;
    let mut base = 0_usize;
    for word in text.split('+') {
        let Some(flag) = look_up(TCP_FLAGS, word) else {
            let hint = closest(word, words::names(TCP_FLAGS))
                .map(|name| format!("did you mean `{name}`?"));
            let range = base..base.saturating_add(word.len());
            return Err(TextError::new(range, format!("`{word}` is not a TCP flag"))
                .expected(quoted(words::names(TCP_FLAGS).chain(["all", "none"])))
                .maybe_hint(hint)
                .hint_if_missing("flags are joined by `+`: `syn+ack/syn`"));
        };
        set |= flag;
        base = base.saturating_add(word.len()).saturating_add(1);
    }
    Ok(set)
}

impl TextError {
    fn hint_if_missing(mut self, hint: &str) -> Self {
        self.hint.get_or_insert_with(|| hint.to_owned());
        self
    }
}
