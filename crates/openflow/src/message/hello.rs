//! The first message of both sides, and the version they agree on.

use super::layout::{Bytes, Wire};
use crate::version::Version;
use crate::wire::{DecodeError, EncodeError, Reader, Writer};
use serde::{Deserialize, Serialize};

const VERSION_BITMAP: u16 = 1;

/// A hello: elements, and what is behind them or is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hello {
    /// Its elements.
    pub elements: Vec<HelloElement>,
    /// What cannot be read as an element; old peers may send anything, and it has to be ignored.
    pub trailing: Bytes,
}

/// A part of a hello.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HelloElement {
    /// The versions spoken: bit N of the first word is version N on the wire.
    VersionBitmap(Vec<u32>),
    /// Another one.
    Opaque {
        /// Its type.
        kind: u16,
        /// Its value.
        value: Bytes,
    },
}

impl Hello {
    /// A hello that offers these versions and no others.
    #[must_use]
    pub fn offering(versions: &[Version]) -> Self {
        let bits = versions
            .iter()
            .fold(0, |bits, version| bits | (1 << version.wire()));
        Self {
            elements: vec![HelloElement::VersionBitmap(vec![bits])],
            trailing: Bytes::default(),
        }
    }

    /// The version that a side that speaks `own` agrees on with a peer that sent this under a header of version
    /// `header`: the highest that both have. Without a bitmap a peer speaks its header's version and all below.
    #[must_use]
    pub fn negotiate(&self, header: u8, own: &[Version]) -> Option<Version> {
        let bitmap = self.elements.iter().find_map(|element| match element {
            HelloElement::VersionBitmap(words) => Some(words.first().copied().unwrap_or(0)),
            HelloElement::Opaque { .. } => None,
        });
        let speaks = |version: &Version| match bitmap {
            Some(bits) => bits & (1 << version.wire()) != 0,
            // As if the bitmap had all the bits up to the header's.
            None => version.wire() <= header,
        };
        own.iter().copied().filter(speaks).max()
    }
}

impl Wire for Hello {
    fn decode(_: Version, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut elements = Vec::new();
        while !reader.is_empty() {
            let mut attempt = *reader;
            match element(&mut attempt) {
                Ok(element) => elements.push(element),
                Err(_) => break,
            }
            *reader = attempt;
        }
        Ok(Self {
            elements,
            trailing: Bytes::rest(reader),
        })
    }

    fn encode(&self, _: Version, writer: &mut Writer) -> Result<(), EncodeError> {
        for element in &self.elements {
            let start = writer.len();
            match element {
                HelloElement::VersionBitmap(words) => {
                    writer.u16(VERSION_BITMAP);
                    writer.u16(0);
                    words.iter().for_each(|word| writer.u32(*word));
                }
                HelloElement::Opaque { kind, value } => {
                    writer.u16(*kind);
                    writer.u16(0);
                    writer.bytes(&value.0);
                }
            }
            writer.patch_length(start.saturating_add(2), start, "a hello's element")?;
            writer.pad8(start);
        }
        writer.bytes(&self.trailing.0);
        Ok(())
    }
}

fn element(reader: &mut Reader<'_>) -> Result<HelloElement, DecodeError> {
    const WHAT: &str = "a hello's element";
    let kind = reader.u16(WHAT)?;
    let length = usize::from(reader.u16(WHAT)?);
    let bad = DecodeError::BadLength { what: WHAT, length };
    let mut value = reader.sub(length.checked_sub(4).ok_or(bad.clone())?, WHAT)?;
    let padding = reader.bytes(8_usize.saturating_sub(length % 8) % 8, WHAT)?;
    if padding.iter().any(|byte| *byte != 0) {
        return Err(bad);
    }
    if kind != VERSION_BITMAP || value.remaining() % 4 != 0 {
        return Ok(HelloElement::Opaque {
            kind,
            value: Bytes::rest(&mut value),
        });
    }
    super::layout::decode_all(Version::V1_3, &mut value).map(HelloElement::VersionBitmap)
}
