//! What the bodies of messages are made of: plain records, fixed texts, MACs, lists, properties and raw bytes. What
//! they stand for is left to the modules that use them.

use crate::port_number::PortNumber;
use crate::version::Version;
use crate::wire::{DecodeError, EncodeError, Reader, Writer};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// Something with a place of its own on the wire, which may differ between versions.
pub(crate) trait Wire: Sized {
    /// Reads it, and no more than it.
    fn decode(version: Version, reader: &mut Reader<'_>) -> Result<Self, DecodeError>;
    /// Appends it.
    fn encode(&self, version: Version, writer: &mut Writer) -> Result<(), EncodeError>;
}

macro_rules! number {
    ($type:ty, $method:ident) => {
        impl Wire for $type {
            fn decode(_: Version, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                reader.$method("a number")
            }
            fn encode(&self, _: Version, writer: &mut Writer) -> Result<(), EncodeError> {
                writer.$method(*self);
                Ok(())
            }
        }
    };
}
number!(u8, u8);
number!(u16, u16);
number!(u32, u32);
number!(u64, u64);

impl<const N: usize> Wire for [u32; N] {
    fn decode(_: Version, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut numbers = [0; N];
        for number in &mut numbers {
            *number = reader.u32("a number")?;
        }
        Ok(numbers)
    }
    fn encode(&self, _: Version, writer: &mut Writer) -> Result<(), EncodeError> {
        self.iter().for_each(|number| writer.u32(*number));
        Ok(())
    }
}

/// Ports have 16 bits in 1.0 and 32 since.
impl Wire for PortNumber {
    fn decode(version: Version, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        if version == Version::V1_0 {
            return reader.u16("a port").map(Self::from_u16);
        }
        reader.u32("a port").map(Self)
    }
    fn encode(&self, version: Version, writer: &mut Writer) -> Result<(), EncodeError> {
        if version == Version::V1_0 {
            return write_port16(*self, writer);
        }
        writer.u32(self.0);
        Ok(())
    }
}

/// Writes a port with 16 bits, as 1.0 and Nicira's extensions do.
pub(crate) fn write_port16(port: PortNumber, writer: &mut Writer) -> Result<(), EncodeError> {
    let number = port.to_u16().ok_or(EncodeError::Unencodable {
        what: "a port of 16 bits",
        reason: "between 0xff00 and 0xfffffeff",
    })?;
    writer.u16(number);
    Ok(())
}

/// Reads things until the end of `reader`.
pub(crate) fn decode_all<T: Wire>(
    version: Version,
    reader: &mut Reader<'_>,
) -> Result<Vec<T>, DecodeError> {
    let mut things = Vec::new();
    while !reader.is_empty() {
        things.push(T::decode(version, reader)?);
    }
    Ok(things)
}

/// Appends things one after the other.
pub(crate) fn encode_all<T: Wire>(
    things: &[T],
    version: Version,
    writer: &mut Writer,
) -> Result<(), EncodeError> {
    things
        .iter()
        .try_for_each(|thing| thing.encode(version, writer))
}

/// The reader of a thing that begins with its own 16-bit length, that length taken; `at_least` counts it.
pub(crate) fn sized<'a>(
    reader: &mut Reader<'a>,
    at_least: usize,
    what: &'static str,
) -> Result<Reader<'a>, DecodeError> {
    let mut look = *reader;
    let length = usize::from(look.u16(what)?);
    if length < at_least.max(2) {
        return Err(DecodeError::BadLength { what, length });
    }
    let mut body = reader.sub(length, what)?;
    body.skip(2, what)?;
    Ok(body)
}

/// A record whose parts follow each other the same way in every version; `pad` is zeros behind a part.
macro_rules! record {
    ($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty $(, pad $pad:literal)?;)* }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        #[serde(default)]
        pub struct $name {
            $($(#[$field_meta])* pub $field: $type,)*
        }

        impl $crate::message::layout::Wire for $name {
            fn decode(
                version: $crate::version::Version,
                reader: &mut $crate::wire::Reader<'_>,
            ) -> Result<Self, $crate::wire::DecodeError> {
                $(
                    let $field = <$type as $crate::message::layout::Wire>::decode(version, reader)?;
                    $(reader.skip($pad, "padding")?;)?
                )*
                Ok(Self { $($field,)* })
            }

            fn encode(
                &self,
                version: $crate::version::Version,
                writer: &mut $crate::wire::Writer,
            ) -> Result<(), $crate::wire::EncodeError> {
                $(
                    self.$field.encode(version, writer)?;
                    $(writer.zeros($pad);)?
                )*
                Ok(())
            }
        }
    };
}
pub(crate) use record;

/// Bytes that are kept as they are; hexadecimal in JSON.
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Bytes(pub Vec<u8>);

impl fmt::Debug for Bytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Bytes({self})")
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

/// A text that is not pairs of hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected pairs of hexadecimal digits")]
pub struct NotHexadecimal;

impl FromStr for Bytes {
    type Err = NotHexadecimal;

    fn from_str(text: &str) -> Result<Self, NotHexadecimal> {
        let digit = |byte: u8| {
            char::from(byte)
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok())
        };
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if !rest.is_empty() {
            return Err(NotHexadecimal);
        }
        let bytes: Option<Vec<u8>> = pairs
            .iter()
            .map(|[high, low]| Some((digit(*high)? << 4) | digit(*low)?))
            .collect();
        bytes.map(Self).ok_or(NotHexadecimal)
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl Bytes {
    /// Takes everything that is left.
    pub(crate) fn rest(reader: &mut Reader<'_>) -> Self {
        Self(reader.take_rest().to_vec())
    }
}

/// Everything up to the end of the message.
impl Wire for Bytes {
    fn decode(_: Version, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self::rest(reader))
    }
    fn encode(&self, _: Version, writer: &mut Writer) -> Result<(), EncodeError> {
        writer.bytes(&self.0);
        Ok(())
    }
}

/// A name of at most `N` bytes that zeros fill up. In text, bytes that are no UTF-8 stand as `\xNN`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Label<const N: usize>(Vec<u8>);

impl<const N: usize> Label<N> {
    /// A label; what is beyond `N` bytes is cut off.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self::from_bytes(text.as_bytes())
    }

    fn from_bytes(bytes: &[u8]) -> Self {
        let bytes = bytes.get(..N).unwrap_or(bytes);
        let length = bytes
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |last| last.saturating_add(1));
        Self(bytes.get(..length).unwrap_or_default().to_vec())
    }

    fn unescape(text: &str) -> Self {
        let mut bytes = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('\\') {
            bytes.extend_from_slice(before.as_bytes());
            let byte = after
                .strip_prefix('x')
                .and_then(|hex| hex.get(..2))
                .map(|hex| u8::from_str_radix(hex, 16));
            match byte {
                Some(Ok(byte)) => {
                    bytes.push(byte);
                    rest = after.get(3..).unwrap_or_default();
                }
                _ => {
                    bytes.push(b'\\');
                    rest = after;
                }
            }
        }
        bytes.extend_from_slice(rest.as_bytes());
        Self::from_bytes(&bytes)
    }
}

impl<const N: usize> fmt::Display for Label<N> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for character in chunk.valid().chars() {
                match character {
                    '\\' | '\0'..='\x1f' | '\x7f' => {
                        write!(formatter, "\\x{:02x}", u32::from(character))?
                    }
                    _ => write!(formatter, "{character}")?,
                }
            }
            for byte in chunk.invalid() {
                write!(formatter, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

impl<const N: usize> Serialize for Label<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, const N: usize> Deserialize<'de> for Label<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self::unescape(&text))
    }
}

impl<const N: usize> Wire for Label<N> {
    fn decode(_: Version, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.bytes(N, "a name").map(Self::from_bytes)
    }
    fn encode(&self, _: Version, writer: &mut Writer) -> Result<(), EncodeError> {
        writer.bytes(&self.0);
        writer.zeros(N.saturating_sub(self.0.len()));
        Ok(())
    }
}

/// An Ethernet address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MacAddress(pub [u8; 6]);

impl fmt::Display for MacAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, f] = self.0;
        write!(formatter, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
    }
}

/// A text that is no Ethernet address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected six bytes such as 52:54:00:00:00:01")]
pub struct NotMac;

impl FromStr for MacAddress {
    type Err = NotMac;

    fn from_str(text: &str) -> Result<Self, NotMac> {
        let bytes: Result<Vec<u8>, _> = text
            .split(':')
            .map(|part| u8::from_str_radix(part, 16))
            .collect();
        bytes
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .map(Self)
            .ok_or(NotMac)
    }
}

impl Serialize for MacAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for MacAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl Wire for MacAddress {
    fn decode(_: Version, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array("an Ethernet address").map(Self)
    }
    fn encode(&self, _: Version, writer: &mut Writer) -> Result<(), EncodeError> {
        writer.bytes(&self.0);
        Ok(())
    }
}

/// A property: type, length, value, zeros up to a multiple of 8 bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Property {
    /// Its type; `0xffff` is an experimenter's.
    pub kind: u16,
    /// What follows type and length, without the padding.
    pub value: Bytes,
}

impl Wire for Property {
    fn decode(_: Version, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (kind, mut body) = property(reader)?;
        Ok(Self {
            kind,
            value: Bytes::rest(&mut body),
        })
    }
    fn encode(&self, _: Version, writer: &mut Writer) -> Result<(), EncodeError> {
        write_property(writer, self.kind, |writer| {
            writer.bytes(&self.value.0);
            Ok(())
        })
    }
}

/// Takes a property with its padding: its type, and its value as a reader.
pub(crate) fn property<'a>(reader: &mut Reader<'a>) -> Result<(u16, Reader<'a>), DecodeError> {
    const WHAT: &str = "a property";
    let kind = reader.u16(WHAT)?;
    let length = usize::from(reader.u16(WHAT)?);
    let value = length
        .checked_sub(4)
        .ok_or(DecodeError::BadLength { what: WHAT, length })?;
    let value = reader.sub(value, WHAT)?;
    // The last one may come without.
    let padding = (8_usize.saturating_sub(length % 8) % 8).min(reader.remaining());
    reader.skip(padding, WHAT)?;
    Ok((kind, value))
}

/// Appends a property with the value that `write` writes.
pub(crate) fn write_property(
    writer: &mut Writer,
    kind: u16,
    write: impl FnOnce(&mut Writer) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    let start = writer.len();
    writer.u16(kind);
    writer.u16(0);
    write(writer)?;
    writer.patch_length(start.saturating_add(2), start, "a property")?;
    writer.pad8(start);
    Ok(())
}

/// A buffer of the switch; the wire says "none" by all ones.
pub(crate) const NO_BUFFER: u32 = 0xffff_ffff;

/// Reads a buffer's number.
pub(crate) fn read_buffer(reader: &mut Reader<'_>) -> Result<Option<u32>, DecodeError> {
    let number = reader.u32("a buffer's number")?;
    Ok((number != NO_BUFFER).then_some(number))
}

/// Writes a buffer's number.
pub(crate) fn write_buffer(buffer: Option<u32>, writer: &mut Writer) {
    writer.u32(buffer.unwrap_or(NO_BUFFER));
}
