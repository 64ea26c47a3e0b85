//! Flows watched: which, and what happens to them.

use crate::action::Action;
use crate::instruction::Instruction;
use crate::matching::Match;
use crate::message::flow::{ALL_TABLES, ANY_GROUP, applied, encode_flattened};
use crate::message::layout::{Bytes, Wire, sized, write_port16};
use crate::message::nicira::{read_match, write_match};
use crate::port_number::PortNumber;
use crate::version::Version;
use crate::wire::{DecodeError, EncodeError, Reader, Writer};
use serde::{Deserialize, Serialize};

/// Begins, changes or ends (1.4) the watching of flows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FlowMonitorRequest {
    /// The controller's number for it.
    pub monitor: u32,
    /// Bits: 1 the flows there are, 2 added, 4 removed, 8 changed, 16 with what they do, 32 own changes in full,
    /// 64 own changes alone (1.4).
    pub flags: u16,
    /// Flows that output to this port.
    pub out_port: PortNumber,
    /// Flows that use this group (1.4).
    pub out_group: u32,
    /// Flows of this table; 255 is all.
    pub table: u8,
    /// 0 begins, 1 changes, 2 ends (1.4).
    pub command: u8,
    /// Flows that match this or more.
    #[serde(rename = "match")]
    pub matching: Match,
}

impl Default for FlowMonitorRequest {
    fn default() -> Self {
        Self {
            monitor: 0,
            flags: 0,
            out_port: PortNumber::ANY,
            out_group: ANY_GROUP,
            table: ALL_TABLES,
            command: 0,
            matching: Match::new(),
        }
    }
}

impl Wire for FlowMonitorRequest {
    fn decode(version: Version, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        const WHAT: &str = "a flow monitor";
        Ok(Self {
            monitor: reader.u32(WHAT)?,
            out_port: PortNumber::decode(version, reader)?,
            out_group: reader.u32(WHAT)?,
            flags: reader.u16(WHAT)?,
            table: reader.u8(WHAT)?,
            command: reader.u8(WHAT)?,
            matching: Match::decode(version, reader)?,
        })
    }

    fn encode(&self, version: Version, writer: &mut Writer) -> Result<(), EncodeError> {
        writer.u32(self.monitor);
        self.out_port.encode(version, writer)?;
        writer.u32(self.out_group);
        writer.u16(self.flags);
        writer.u8(self.table);
        writer.u8(self.command);
        self.matching.encode(version, writer)
    }
}

impl FlowMonitorRequest {
    pub(super) fn decode_nxm(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        const WHAT: &str = "a flow monitor in Nicira's form";
        let mut request = Self {
            monitor: reader.u32(WHAT)?,
            flags: reader.u16(WHAT)?,
            ..Self::default()
        };
        request.out_port = PortNumber::from_u16(reader.u16(WHAT)?);
        let length = reader.u16(WHAT)?;
        request.table = reader.u8(WHAT)?;
        reader.skip(5, WHAT)?;
        request.matching = read_match(length, reader)?;
        Ok(request)
    }

    pub(super) fn encode_nxm(&self, writer: &mut Writer) -> Result<(), EncodeError> {
        writer.u32(self.monitor);
        writer.u16(self.flags);
        write_port16(self.out_port, writer)?;
        let length = writer.len();
        writer.u16(0);
        writer.u8(self.table);
        writer.zeros(5);
        write_match(&self.matching, length, writer)
    }
}

/// What happened to watched flows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FlowUpdate {
    /// To one flow.
    Flow(Box<MonitoredFlow>),
    /// This controller's own message did something.
    Own {
        /// The message.
        xid: u32,
    },
    /// The switch tells no more until the controller has read what it was told (1.4).
    Paused,
    /// The switch tells again (1.4).
    Resumed,
    /// Another one.
    Opaque {
        /// Its number.
        event: u16,
        /// What follows.
        body: Bytes,
    },
}

/// What happened to a flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FlowUpdateEvent {
    /// It was there when watching began (1.4).
    Initial,
    /// It came.
    #[default]
    Added,
    /// It went.
    Removed,
    /// It does something else.
    Modified,
}

/// A flow to which something happened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MonitoredFlow {
    /// What.
    pub event: FlowUpdateEvent,
    /// Its table.
    pub table: u8,
    /// Why it went, as in a flow removal.
    pub reason: u16,
    /// Its idle timeout.
    pub idle_timeout: u16,
    /// Its hard timeout.
    pub hard_timeout: u16,
    /// Its priority.
    pub priority: u16,
    /// Its cookie.
    pub cookie: u64,
    /// What it matches.
    #[serde(rename = "match")]
    pub matching: Match,
    /// What it does, if that was asked for.
    pub instructions: Vec<Instruction>,
}

const OWN: u16 = 4;
const PAUSED: u16 = 5;
const RESUMED: u16 = 6;
const NX_OWN: u16 = 3;

impl Wire for FlowUpdate {
    fn decode(version: Version, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        const WHAT: &str = "a change of a flow";
        let body = &mut sized(reader, 8, WHAT)?;
        let event = match body.u16(WHAT)? {
            0 => FlowUpdateEvent::Initial,
            1 => FlowUpdateEvent::Added,
            2 => FlowUpdateEvent::Removed,
            3 => FlowUpdateEvent::Modified,
            OWN => {
                return Ok(Self::Own {
                    xid: body.u32(WHAT)?,
                });
            }
            PAUSED => return Ok(Self::Paused),
            RESUMED => return Ok(Self::Resumed),
            event => {
                return Ok(Self::Opaque {
                    event,
                    body: Bytes::rest(body),
                });
            }
        };
        let mut flow = MonitoredFlow {
            event,
            table: body.u8(WHAT)?,
            ..MonitoredFlow::default()
        };
        flow.reason = body.u8(WHAT)?.into();
        flow.idle_timeout = body.u16(WHAT)?;
        flow.hard_timeout = body.u16(WHAT)?;
        flow.priority = body.u16(WHAT)?;
        body.skip(4, WHAT)?;
        flow.cookie = body.u64(WHAT)?;
        flow.matching = Match::decode(version, body)?;
        flow.instructions = Instruction::decode_list(version, body)?;
        Ok(Self::Flow(Box::new(flow)))
    }

    fn encode(&self, version: Version, writer: &mut Writer) -> Result<(), EncodeError> {
        let start = writer.len();
        writer.u16(0);
        match self {
            Self::Own { xid } => {
                writer.u16(OWN);
                writer.u32(*xid);
            }
            Self::Paused | Self::Resumed => {
                writer.u16(if *self == Self::Paused {
                    PAUSED
                } else {
                    RESUMED
                });
                writer.zeros(4);
            }
            Self::Opaque { event, body } => {
                writer.u16(*event);
                writer.bytes(&body.0);
            }
            Self::Flow(flow) => {
                writer.u16(match flow.event {
                    FlowUpdateEvent::Initial => 0,
                    FlowUpdateEvent::Added => 1,
                    FlowUpdateEvent::Removed => 2,
                    FlowUpdateEvent::Modified => 3,
                });
                writer.u8(flow.table);
                writer.u8(
                    u8::try_from(flow.reason).map_err(|_| EncodeError::Unencodable {
                        what: "the reason of a flow's change",
                        reason: "more than 255",
                    })?,
                );
                writer.u16(flow.idle_timeout);
                writer.u16(flow.hard_timeout);
                writer.u16(flow.priority);
                writer.zeros(4);
                writer.u64(flow.cookie);
                flow.matching.encode(version, writer)?;
                Instruction::encode_list(&flow.instructions, version, writer)?;
            }
        }
        writer.patch_length(start, start, "a change of a flow")
    }
}

impl FlowUpdate {
    pub(super) fn decode_nxm(
        version: Version,
        reader: &mut Reader<'_>,
    ) -> Result<Self, DecodeError> {
        const WHAT: &str = "a change of a flow in Nicira's form";
        let body = &mut sized(reader, 8, WHAT)?;
        let event = match body.u16(WHAT)? {
            0 => FlowUpdateEvent::Added,
            1 => FlowUpdateEvent::Removed,
            2 => FlowUpdateEvent::Modified,
            NX_OWN => {
                return Ok(Self::Own {
                    xid: body.u32(WHAT)?,
                });
            }
            event => {
                return Ok(Self::Opaque {
                    event,
                    body: Bytes::rest(body),
                });
            }
        };
        let mut flow = MonitoredFlow {
            event,
            reason: body.u16(WHAT)?,
            ..MonitoredFlow::default()
        };
        flow.priority = body.u16(WHAT)?;
        flow.idle_timeout = body.u16(WHAT)?;
        flow.hard_timeout = body.u16(WHAT)?;
        let length = body.u16(WHAT)?;
        flow.table = body.u8(WHAT)?;
        body.skip(1, WHAT)?;
        flow.cookie = body.u64(WHAT)?;
        flow.matching = read_match(length, body)?;
        flow.instructions = applied(Action::decode_list(version, body)?);
        Ok(Self::Flow(Box::new(flow)))
    }

    pub(super) fn encode_nxm(
        &self,
        version: Version,
        writer: &mut Writer,
    ) -> Result<(), EncodeError> {
        let start = writer.len();
        writer.u16(0);
        match self {
            Self::Own { xid } => {
                writer.u16(NX_OWN);
                writer.u32(*xid);
            }
            Self::Opaque { event, body } => {
                writer.u16(*event);
                writer.bytes(&body.0);
            }
            Self::Paused | Self::Resumed => {
                return Err(EncodeError::NotInVersion {
                    what: "pausing in Nicira's form",
                    version,
                });
            }
            Self::Flow(flow) => {
                writer.u16(match flow.event {
                    FlowUpdateEvent::Initial | FlowUpdateEvent::Added => 0,
                    FlowUpdateEvent::Removed => 1,
                    FlowUpdateEvent::Modified => 2,
                });
                writer.u16(flow.reason);
                writer.u16(flow.priority);
                writer.u16(flow.idle_timeout);
                writer.u16(flow.hard_timeout);
                let length = writer.len();
                writer.u16(0);
                writer.u8(flow.table);
                writer.u8(0);
                writer.u64(flow.cookie);
                write_match(&flow.matching, length, writer)?;
                encode_flattened(&flow.instructions, version, writer)?;
            }
        }
        writer.patch_length(start, start, "a change of a flow")
    }
}
