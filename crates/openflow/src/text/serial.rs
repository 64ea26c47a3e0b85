//! The values as serde sees them: fields by name, values in each field's own form, so that JSON reads like text.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::value::{ValueText, parse_value};
use crate::field::{Field, FieldMatch, Subfield};
use crate::matching::{Match, OpaqueField};

/// Bytes as a string of hexadecimal digits.
pub(crate) mod hexadecimal {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&crate::text::value::Hex(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        crate::text::value::parse_hex(&text)
            .ok_or_else(|| D::Error::custom("expected pairs of hexadecimal digits"))
    }
}

/// A number of up to 128 bits as a string, for JSON's numbers end far below.
pub(crate) mod number {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(
        number: &u128,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{number:#x}"))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<u128, D::Error> {
        let text = String::deserialize(deserializer)?;
        crate::text::value::parse_number(&text)
            .ok_or_else(|| D::Error::custom("expected a number of up to 128 bits"))
    }
}

impl Serialize for Field {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::from_name(&name)
            .ok_or_else(|| D::Error::custom(format!("no match field is called `{name}`")))
    }
}

impl Serialize for Subfield {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Subfield {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FieldMatchText {
    field: Field,
    value: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mask: Option<String>,
}

impl Serialize for FieldMatch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = |bits| {
            ValueText {
                format: self.field().info().format,
                bits,
            }
            .to_string()
        };
        let mask = (!self.is_exact()).then(|| text(self.mask()));
        FieldMatchText {
            field: self.field(),
            value: text(self.value()),
            mask,
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for FieldMatch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = FieldMatchText::deserialize(deserializer)?;
        let format = text.field.info().format;
        let bits = |text: &str| {
            parse_value(format, text)
                .ok_or_else(|| D::Error::custom(format!("`{text}` is no value of that field")))
        };
        let value = bits(&text.value)?;
        let read = match &text.mask {
            None => Self::exact(text.field, value),
            Some(mask) => Self::masked(text.field, value, bits(mask)?),
        };
        if read.fits() {
            Ok(read)
        } else {
            Err(D::Error::custom(format!(
                "{} has not so many bits",
                text.field
            )))
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum EntryText {
    Known(FieldMatch),
    Opaque(OpaqueField),
}

/// A match is a list of its fields.
impl Serialize for Match {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(
            self.fields().map(|known| EntryText::Known(*known)).chain(
                self.opaque()
                    .map(|opaque| EntryText::Opaque(opaque.clone())),
            ),
        )
    }
}

impl<'de> Deserialize<'de> for Match {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut read = Self::new();
        for entry in Vec::<EntryText>::deserialize(deserializer)? {
            match entry {
                EntryText::Known(known) if read.get(known.field()).is_some() => {
                    return Err(D::Error::custom(format!(
                        "{} stands there twice",
                        known.field()
                    )));
                }
                EntryText::Known(known) => read.set(known),
                EntryText::Opaque(opaque) => read.push_opaque(opaque),
            }
        }
        Ok(read)
    }
}
