//! What a side says of a message that it refuses. The names are in `error_names`.

use super::error_names;
use super::layout::{Bytes, Wire};
use crate::framing::Header;
use crate::version::Version;
use crate::wire::{DecodeError, EncodeError, Reader, Writer};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The type under which 1.0 and 1.1 carry Nicira's errors.
const NICIRA_TYPE: u16 = 0xb0c2;
/// The type of experimenters' errors since 1.2.
const EXPERIMENTER_TYPE: u16 = 0xffff;

/// An error message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorMessage {
    /// What is wrong.
    pub error: ErrorCode,
    /// Of a refused message at least the first 64 bytes, all of it if shorter; of a failed hello a text.
    #[serde(default)]
    pub data: Bytes,
}

/// What is wrong, in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// An error of the specification.
    Standard {
        /// The kind of request that failed.
        kind: u16,
        /// Why.
        code: u16,
    },
    /// An error of an experimenter, since 1.2.
    Experimenter {
        /// Whose.
        experimenter: u32,
        /// Why.
        code: u16,
    },
    /// An error as Nicira wraps them in 1.0 and 1.1.
    Nicira {
        /// Whose.
        vendor: u32,
        /// The kind of request that failed.
        kind: u16,
        /// Why.
        code: u16,
    },
}

impl ErrorCode {
    /// Its name as `ovs-ofctl` prints it, such as `OFPBRC_BAD_TABLE_ID`.
    #[must_use]
    pub fn name(&self, version: Version) -> Option<&'static str> {
        error_names::name(version, self)
    }

    /// Its name, or its numbers if it has none.
    #[must_use]
    pub fn describe(&self, version: Version) -> String {
        self.name(version)
            .map_or_else(|| self.to_string(), str::to_owned)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Standard { kind, code } => write!(formatter, "error type {kind} code {code}"),
            Self::Experimenter { experimenter, code } => {
                write!(
                    formatter,
                    "error code {code} of experimenter {experimenter:#010x}"
                )
            }
            Self::Nicira { vendor, kind, code } => {
                write!(
                    formatter,
                    "error type {kind} code {code} of vendor {vendor:#010x}"
                )
            }
        }
    }
}

impl ErrorMessage {
    /// The header of the message that was refused, if it was repeated.
    #[must_use]
    pub fn refused(&self) -> Option<Header> {
        Header::read(&self.data.0).ok()
    }
}

impl Wire for ErrorMessage {
    fn decode(version: Version, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        const WHAT: &str = "an error message";
        let kind = reader.u16(WHAT)?;
        let code = reader.u16(WHAT)?;
        let mut inside = *reader;
        let error = match kind {
            EXPERIMENTER_TYPE if version >= Version::V1_2 => ErrorCode::Experimenter {
                experimenter: inside.u32(WHAT)?,
                code,
            },
            NICIRA_TYPE if version <= Version::V1_1 && code == 0 && inside.remaining() >= 8 => {
                ErrorCode::Nicira {
                    vendor: inside.u32(WHAT)?,
                    kind: inside.u16(WHAT)?,
                    code: inside.u16(WHAT)?,
                }
            }
            _ => ErrorCode::Standard { kind, code },
        };
        *reader = inside;
        Ok(Self {
            error,
            data: Bytes::rest(reader),
        })
    }

    fn encode(&self, version: Version, writer: &mut Writer) -> Result<(), EncodeError> {
        match self.error {
            ErrorCode::Standard { kind, code } => {
                writer.u16(kind);
                writer.u16(code);
            }
            ErrorCode::Experimenter { experimenter, code } if version >= Version::V1_2 => {
                writer.u16(EXPERIMENTER_TYPE);
                writer.u16(code);
                writer.u32(experimenter);
            }
            ErrorCode::Nicira { vendor, kind, code } if version <= Version::V1_1 => {
                writer.u16(NICIRA_TYPE);
                writer.u16(0);
                writer.u32(vendor);
                writer.u16(kind);
                writer.u16(code);
            }
            ErrorCode::Experimenter { .. } | ErrorCode::Nicira { .. } => {
                return Err(EncodeError::NotInVersion {
                    what: "this form of a vendor's error",
                    version,
                });
            }
        }
        writer.bytes(&self.data.0);
        Ok(())
    }
}
