//! Flow mods: flows that come, change and go. What flows match and do is left to [`Match`] and [`Instruction`].

use super::layout::{Wire, read_buffer, write_buffer};
use super::nicira::{read_match, write_match};
use crate::action::Action;
use crate::field::{Field, FieldMatch};
use crate::instruction::Instruction;
use crate::matching::{Entry, Match};
use crate::port_number::PortNumber;
use crate::version::Version;
use crate::wire::{DecodeError, EncodeError, Reader, Writer};
use serde::{Deserialize, Serialize};

/// No group, or any: where a message filters by group.
pub const ANY_GROUP: u32 = 0xffff_ffff;
/// Every table: where a message filters by table.
pub const ALL_TABLES: u8 = 0xff;
/// The cookie that leaves a modified flow's cookie as it is, in Nicira's form.
const KEEP_COOKIE: u64 = u64::MAX;

/// What a flow mod does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum FlowCommand {
    /// Adds a flow, in place of one with the same match and priority.
    #[default]
    Add = 0,
    /// Changes what flows do that match this or more.
    Modify = 1,
    /// Changes what the flow does that has this match and priority.
    ModifyStrict = 2,
    /// Deletes flows that match this or more.
    Delete = 3,
    /// Deletes the flow that has this match and priority.
    DeleteStrict = 4,
}

impl FlowCommand {
    /// Every command.
    pub const ALL: [Self; 5] = [
        Self::Add,
        Self::Modify,
        Self::ModifyStrict,
        Self::Delete,
        Self::DeleteStrict,
    ];

    fn from_wire(number: u8) -> Result<Self, DecodeError> {
        let found = Self::ALL
            .into_iter()
            .find(|command| *command as u8 == number);
        found.ok_or(DecodeError::BadValue {
            what: "a flow mod's command",
            value: number.into(),
        })
    }

    /// Whether it takes flows away.
    #[must_use]
    pub const fn deletes(self) -> bool {
        matches!(self, Self::Delete | Self::DeleteStrict)
    }
}

/// Adds, changes or deletes flows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FlowMod {
    /// A new flow's cookie; with a mask, the cookie of the flows that are meant.
    pub cookie: u64,
    /// The bits of the cookie that must agree for a flow to be meant (1.1, Nicira); not for adding.
    pub cookie_mask: u64,
    /// The table; 255 deletes from all. 1.0 has it only after [`FlowModTableId`](super::FlowModTableId).
    pub table: u8,
    /// What to do.
    pub command: FlowCommand,
    /// Seconds without packets after which the flow goes; 0 is never.
    pub idle_timeout: u16,
    /// Seconds after which the flow goes; 0 is never.
    pub hard_timeout: u16,
    /// The highest of the matching flows decides.
    pub priority: u16,
    /// A buffered packet that goes through the flow at once.
    pub buffer: Option<u32>,
    /// Deletes only flows that output to this port.
    pub out_port: PortNumber,
    /// Deletes only flows that use this group (1.1).
    pub out_group: u32,
    /// Bits: 1 tells of the flow's removal, 2 refuses overlap, 4 resets counters (1.2), 8 and 16 count nothing (1.3).
    pub flags: u16,
    /// What goes first when a table is full (1.4).
    pub importance: u16,
    /// Which packets.
    #[serde(rename = "match")]
    pub matching: Match,
    /// What it does with them; in 1.0 and Nicira's form, one `apply_actions`.
    pub instructions: Vec<Instruction>,
}

impl Default for FlowMod {
    fn default() -> Self {
        Self {
            cookie: 0,
            cookie_mask: 0,
            table: 0,
            command: FlowCommand::Add,
            idle_timeout: 0,
            hard_timeout: 0,
            priority: 0x8000,
            buffer: None,
            out_port: PortNumber::ANY,
            out_group: ANY_GROUP,
            flags: 0,
            importance: 0,
            matching: Match::new(),
            instructions: Vec::new(),
        }
    }
}

impl FlowMod {
    /// Adds a flow that applies actions.
    #[must_use]
    pub fn add(table: u8, priority: u16, matching: Match, actions: Vec<Action>) -> Self {
        Self {
            table,
            priority,
            matching,
            instructions: applied(actions),
            ..Self::default()
        }
    }

    /// Deletes every flow of every table whose cookie agrees in the bits of the mask.
    #[must_use]
    pub fn delete_by_cookie(cookie: u64, cookie_mask: u64) -> Self {
        Self {
            cookie,
            cookie_mask,
            table: ALL_TABLES,
            command: FlowCommand::Delete,
            ..Self::default()
        }
    }

    /// Reads Nicira's form, which any version may carry.
    pub(crate) fn decode_nxm(
        version: Version,
        reader: &mut Reader<'_>,
    ) -> Result<Self, DecodeError> {
        const WHAT: &str = "a flow mod in Nicira's form";
        let cookie = reader.u64(WHAT)?;
        let [table, command] = reader.array(WHAT)?;
        let mut flow = Self {
            cookie,
            table,
            command: FlowCommand::from_wire(command)?,
            ..Self::default()
        };
        flow.read_middle(Version::V1_0, reader)?;
        let length = reader.u16(WHAT)?;
        reader.skip(6, WHAT)?;
        flow.matching = read_match(length, reader)?;
        if cookie == KEEP_COOKIE {
            take_cookie(&mut flow.matching, &mut flow.cookie, &mut flow.cookie_mask);
        }
        // Above 1.0 Open vSwitch has instructions there, as in a flow mod of the version.
        flow.instructions = if version == Version::V1_0 {
            applied(Action::decode_list(version, reader)?)
        } else {
            Instruction::decode_list(version, reader)?
        };
        Ok(flow)
    }

    /// Writes Nicira's form.
    pub(crate) fn encode_nxm(
        &self,
        version: Version,
        writer: &mut Writer,
    ) -> Result<(), EncodeError> {
        let filters = self.cookie_mask != 0;
        writer.u64(if filters { KEEP_COOKIE } else { self.cookie });
        writer.bytes(&[self.table, self.command as u8]);
        self.write_middle(Version::V1_0, writer)?;
        let length = writer.len();
        writer.zeros(8);
        write_match_with_cookie(
            &self.matching,
            self.cookie,
            self.cookie_mask,
            length,
            writer,
        )?;
        if version == Version::V1_0 {
            return encode_flattened(&self.instructions, version, writer);
        }
        Instruction::encode_list(&self.instructions, version, writer)
    }

    fn read_middle(
        &mut self,
        version: Version,
        reader: &mut Reader<'_>,
    ) -> Result<(), DecodeError> {
        const WHAT: &str = "a flow mod";
        self.idle_timeout = reader.u16(WHAT)?;
        self.hard_timeout = reader.u16(WHAT)?;
        self.priority = reader.u16(WHAT)?;
        self.buffer = read_buffer(reader)?;
        self.out_port = PortNumber::decode(version, reader)?;
        if version >= Version::V1_1 {
            self.out_group = reader.u32(WHAT)?;
        }
        self.flags = reader.u16(WHAT)?;
        Ok(())
    }

    fn write_middle(&self, version: Version, writer: &mut Writer) -> Result<(), EncodeError> {
        writer.u16(self.idle_timeout);
        writer.u16(self.hard_timeout);
        writer.u16(self.priority);
        write_buffer(self.buffer, writer);
        self.out_port.encode(version, writer)?;
        if version >= Version::V1_1 {
            writer.u32(self.out_group);
        }
        writer.u16(self.flags);
        Ok(())
    }
}

impl Wire for FlowMod {
    fn decode(version: Version, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        const WHAT: &str = "a flow mod";
        let mut flow = Self::default();
        if version == Version::V1_0 {
            flow.matching = Match::decode(version, reader)?;
        }
        flow.cookie = reader.u64(WHAT)?;
        if version >= Version::V1_1 {
            flow.cookie_mask = reader.u64(WHAT)?;
        }
        // 1.0 has a command of 16 bits; Open vSwitch puts the table into the upper byte.
        let [table, command] = reader.array(WHAT)?;
        flow.table = table;
        flow.command = FlowCommand::from_wire(command)?;
        flow.read_middle(version, reader)?;
        if version == Version::V1_0 {
            flow.instructions = applied(Action::decode_list(version, reader)?);
            return Ok(flow);
        }
        let importance = reader.u16(WHAT)?;
        // Padding before 1.4.
        flow.importance = if version >= Version::V1_4 {
            importance
        } else {
            0
        };
        flow.matching = Match::decode(version, reader)?;
        flow.instructions = Instruction::decode_list(version, reader)?;
        Ok(flow)
    }

    fn encode(&self, version: Version, writer: &mut Writer) -> Result<(), EncodeError> {
        if version == Version::V1_0 {
            if self.cookie_mask != 0 {
                return Err(EncodeError::NotInVersion {
                    what: "a cookie's mask outside Nicira's form",
                    version,
                });
            }
            self.matching.encode(version, writer)?;
        }
        writer.u64(self.cookie);
        if version >= Version::V1_1 {
            writer.u64(self.cookie_mask);
        }
        writer.bytes(&[self.table, self.command as u8]);
        self.write_middle(version, writer)?;
        if version == Version::V1_0 {
            return encode_flattened(&self.instructions, version, writer);
        }
        if version < Version::V1_4 && self.importance != 0 {
            return Err(EncodeError::NotInVersion {
                what: "a flow's importance",
                version,
            });
        }
        writer.u16(self.importance);
        self.matching.encode(version, writer)?;
        Instruction::encode_list(&self.instructions, version, writer)
    }
}

/// Takes the cookie out of a match in Nicira's form, if it stands last, as Open vSwitch and this crate write it.
pub(crate) fn take_cookie(matching: &mut Match, cookie: &mut u64, mask: &mut u64) {
    if let Some((Entry::Known(last), others)) = matching.entries().split_last()
        && last.field() == Field::Cookie
        && let (Ok(value), Ok(bits)) = (u64::try_from(last.value()), u64::try_from(last.mask()))
    {
        (*cookie, *mask) = (value, bits);
        *matching = Match::from_entries(others.to_vec());
    }
}

/// Writes a match in Nicira's form, and the cookie as its last field if it has a mask.
pub(crate) fn write_match_with_cookie(
    matching: &Match,
    cookie: u64,
    mask: u64,
    position: usize,
    writer: &mut Writer,
) -> Result<(), EncodeError> {
    if mask == 0 {
        return write_match(matching, position, writer);
    }
    let mut entries = matching.entries().to_vec();
    entries.push(Entry::Known(FieldMatch::masked(
        Field::Cookie,
        cookie,
        mask,
    )));
    write_match(&Match::from_entries(entries), position, writer)
}

/// The instructions that say what a mere list of actions does.
pub(crate) fn applied(actions: Vec<Action>) -> Vec<Instruction> {
    if actions.is_empty() {
        Vec::new()
    } else {
        vec![Instruction::ApplyActions(actions)]
    }
}

/// Writes instructions where there is room for actions alone.
pub(crate) fn encode_flattened(
    instructions: &[Instruction],
    version: Version,
    writer: &mut Writer,
) -> Result<(), EncodeError> {
    match instructions {
        [] => Ok(()),
        [Instruction::ApplyActions(actions)] => Action::encode_list(actions, version, writer),
        _ => Action::encode_list(&Instruction::flatten(instructions)?, version, writer),
    }
}
