//! When a flow's actions run: OpenFlow's instructions since 1.1. In 1.0 a flow has a list of actions alone, and
//! [`Instruction::flatten`] makes one.

use serde::{Deserialize, Serialize};

use crate::action::Action;
use crate::version::Version;
use crate::wire::{DecodeError, EncodeError, Reader, Writer};

/// One instruction.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Instruction {
    /// Goes on in this table, for good.
    GotoTable(u8),
    /// Writes metadata for later tables.
    WriteMetadata {
        /// The value.
        value: u64,
        /// The bits written.
        mask: u64,
    },
    /// Puts actions into the action set, done once no table follows.
    WriteActions(Vec<Action>),
    /// Does actions now.
    ApplyActions(Vec<Action>),
    /// Empties the action set.
    ClearActions,
    /// Hands the packet to a meter (1.3, 1.4; an action in 1.5).
    Meter(u32),
    /// What this crate does not know, kept as it came.
    Opaque {
        /// Its type; `0xffff` is an experimenter's.
        kind: u16,
        /// All that follows type and length.
        #[serde(with = "crate::text::hexadecimal")]
        body: Vec<u8>,
    },
}

const GOTO_TABLE: u16 = 1;
const WRITE_METADATA: u16 = 2;
const WRITE_ACTIONS: u16 = 3;
const APPLY_ACTIONS: u16 = 4;
const CLEAR_ACTIONS: u16 = 5;
const METER: u16 = 6;

impl Instruction {
    /// Appends instructions as `version`, 1.1 or later, writes them. On error nothing was appended.
    pub fn encode_list(
        instructions: &[Self],
        version: Version,
        writer: &mut Writer,
    ) -> Result<(), EncodeError> {
        let start = writer.len();
        instructions
            .iter()
            .try_for_each(|instruction| instruction.encode(version, writer))
            .inspect_err(|_| writer.truncate(start))
    }

    fn encode(&self, version: Version, writer: &mut Writer) -> Result<(), EncodeError> {
        if version == Version::V1_0 {
            return Err(EncodeError::NotInVersion {
                what: "instructions",
                version,
            });
        }
        let start = writer.len();
        let (kind, what) = match self {
            Self::GotoTable(_) => (GOTO_TABLE, "goto_table"),
            Self::WriteMetadata { .. } => (WRITE_METADATA, "write_metadata"),
            Self::WriteActions(_) => (WRITE_ACTIONS, "write_actions"),
            Self::ApplyActions(_) => (APPLY_ACTIONS, "apply_actions"),
            Self::ClearActions => (CLEAR_ACTIONS, "clear_actions"),
            Self::Meter(_) if version < Version::V1_3 || version > Version::V1_4 => {
                return Err(EncodeError::NotInVersion {
                    what: "the instruction `meter`",
                    version,
                });
            }
            Self::Meter(_) => (METER, "meter"),
            Self::Opaque { kind, .. } => (*kind, "an unknown instruction"),
        };
        writer.u16(kind);
        writer.u16(0);
        match self {
            Self::GotoTable(table) => {
                writer.u8(*table);
                writer.zeros(3);
            }
            Self::WriteMetadata { value, mask } => {
                writer.zeros(4);
                writer.u64(*value);
                writer.u64(*mask);
            }
            Self::WriteActions(actions) | Self::ApplyActions(actions) => {
                writer.zeros(4);
                Action::encode_list(actions, version, writer)?;
            }
            Self::ClearActions => writer.zeros(4),
            Self::Meter(meter) => writer.u32(*meter),
            Self::Opaque { body, .. } => {
                writer.bytes(body);
                writer.pad8(start);
            }
        }
        writer.patch_length(start.saturating_add(2), start, what)
    }

    /// Reads instructions until the end of `reader`.
    pub fn decode_list(
        version: Version,
        reader: &mut Reader<'_>,
    ) -> Result<Vec<Self>, DecodeError> {
        let mut instructions = Vec::new();
        while !reader.is_empty() {
            instructions.push(Self::decode(version, reader)?);
        }
        Ok(instructions)
    }

    fn decode(version: Version, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        const WHAT: &str = "an instruction";
        let kind = reader.u16(WHAT)?;
        let length = usize::from(reader.u16(WHAT)?);
        let bad_length = DecodeError::BadLength { what: WHAT, length };
        if !length.is_multiple_of(8) {
            return Err(bad_length);
        }
        let mut body = reader.sub(length.checked_sub(4).ok_or(bad_length.clone())?, WHAT)?;
        let fixed = match kind {
            GOTO_TABLE | CLEAR_ACTIONS | METER => Some(8),
            WRITE_METADATA => Some(24),
            _ => None,
        };
        if fixed.is_some_and(|fixed| fixed != length) {
            return Err(bad_length);
        }
        Ok(match kind {
            GOTO_TABLE => Self::GotoTable(body.u8(WHAT)?),
            WRITE_METADATA => {
                body.skip(4, WHAT)?;
                Self::WriteMetadata {
                    value: body.u64(WHAT)?,
                    mask: body.u64(WHAT)?,
                }
            }
            WRITE_ACTIONS => {
                body.skip(4, WHAT)?;
                Self::WriteActions(Action::decode_list(version, &mut body)?)
            }
            APPLY_ACTIONS => {
                body.skip(4, WHAT)?;
                Self::ApplyActions(Action::decode_list(version, &mut body)?)
            }
            CLEAR_ACTIONS => Self::ClearActions,
            METER if version == Version::V1_3 || version == Version::V1_4 => {
                Self::Meter(body.u32(WHAT)?)
            }
            _ => Self::Opaque {
                kind,
                body: body.take_rest().to_vec(),
            },
        })
    }

    /// The list of actions that does the same in 1.0: `goto_table` becomes a resubmit at the end, `write_metadata`
    /// Open vSwitch's action of that name.
    pub fn flatten(instructions: &[Self]) -> Result<Vec<Action>, EncodeError> {
        let mut actions = Vec::new();
        let mut last = None;
        for instruction in instructions {
            match instruction {
                Self::ApplyActions(apply) => actions.extend_from_slice(apply),
                Self::WriteMetadata { value, mask } => {
                    actions.push(Action::WriteMetadata {
                        value: *value,
                        mask: *mask,
                    });
                }
                Self::GotoTable(table) => last = Some(Action::resubmit(*table)),
                Self::WriteActions(_)
                | Self::ClearActions
                | Self::Meter(_)
                | Self::Opaque { .. } => {
                    let what = "an action set or a meter";
                    return Err(EncodeError::NotInVersion {
                        what,
                        version: Version::V1_0,
                    });
                }
            }
        }
        actions.extend(last);
        Ok(actions)
    }
}
