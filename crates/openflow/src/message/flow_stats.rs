//! Flows as a switch has them, asked for and told.

use super::counters::{Counters, Span};
use super::flow::{
    ALL_TABLES, ANY_GROUP, applied, encode_flattened, take_cookie, write_match_with_cookie,
};
use super::layout::{Wire, write_port16};
use super::nicira::{read_match, write_match};
use crate::action::Action;
use crate::instruction::Instruction;
use crate::matching::Match;
use crate::port_number::PortNumber;
use crate::version::Version;
use crate::wire::{DecodeError, EncodeError, Reader, Writer};
use serde::{Deserialize, Serialize};

/// Asks for flows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FlowStatsRequest {
    /// Of this table; 255 is all.
    pub table: u8,
    /// That output to this port.
    pub out_port: PortNumber,
    /// That use this group (1.1).
    pub out_group: u32,
    /// With this cookie (1.1).
    pub cookie: u64,
    /// In these bits (1.1).
    pub cookie_mask: u64,
    /// That match this or more.
    #[serde(rename = "match")]
    pub matching: Match,
}

impl Default for FlowStatsRequest {
    fn default() -> Self {
        let (out_port, out_group) = (PortNumber::ANY, ANY_GROUP);
        Self {
            table: ALL_TABLES,
            out_port,
            out_group,
            cookie: 0,
            cookie_mask: 0,
            matching: Match::new(),
        }
    }
}

impl Wire for FlowStatsRequest {
    fn decode(version: Version, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        const WHAT: &str = "a request for flows";
        let mut request = Self::default();
        if version == Version::V1_0 {
            request.matching = Match::decode(version, reader)?;
            request.table = reader.u8(WHAT)?;
            reader.skip(1, WHAT)?;
            request.out_port = PortNumber::decode(version, reader)?;
            return Ok(request);
        }
        request.table = reader.u8(WHAT)?;
        reader.skip(3, WHAT)?;
        request.out_port = PortNumber::decode(version, reader)?;
        request.out_group = reader.u32(WHAT)?;
        reader.skip(4, WHAT)?;
        request.cookie = reader.u64(WHAT)?;
        request.cookie_mask = reader.u64(WHAT)?;
        request.matching = Match::decode(version, reader)?;
        Ok(request)
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
            writer.u8(self.table);
            writer.u8(0);
            return self.out_port.encode(version, writer);
        }
        writer.u8(self.table);
        writer.zeros(3);
        self.out_port.encode(version, writer)?;
        writer.u32(self.out_group);
        writer.zeros(4);
        writer.u64(self.cookie);
        writer.u64(self.cookie_mask);
        self.matching.encode(version, writer)
    }
}

impl FlowStatsRequest {
    /// Reads Nicira's form.
    pub(crate) fn decode_nxm(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        const WHAT: &str = "a request for flows in Nicira's form";
        let out_port = PortNumber::from_u16(reader.u16(WHAT)?);
        let length = reader.u16(WHAT)?;
        let table = reader.u8(WHAT)?;
        reader.skip(3, WHAT)?;
        let mut request = Self {
            table,
            out_port,
            matching: read_match(length, reader)?,
            ..Self::default()
        };
        take_cookie(
            &mut request.matching,
            &mut request.cookie,
            &mut request.cookie_mask,
        );
        Ok(request)
    }

    /// Writes Nicira's form.
    pub(crate) fn encode_nxm(&self, writer: &mut Writer) -> Result<(), EncodeError> {
        write_port16(self.out_port, writer)?;
        let length = writer.len();
        writer.u16(0);
        writer.u8(self.table);
        writer.zeros(3);
        write_match_with_cookie(
            &self.matching,
            self.cookie,
            self.cookie_mask,
            length,
            writer,
        )
    }
}

/// A flow as the switch has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FlowStats {
    /// Its table.
    pub table: u8,
    /// Its priority.
    pub priority: u16,
    /// Its idle timeout.
    pub idle_timeout: u16,
    /// Its hard timeout.
    pub hard_timeout: u16,
    /// Its flags (1.3).
    pub flags: u16,
    /// Its importance (1.4).
    pub importance: u16,
    /// Its cookie.
    pub cookie: u64,
    /// What it counted.
    pub counters: Counters,
    /// Whether the match has the form of 1.2, in which Open vSwitch tells it even in 1.1.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub extensible_match: bool,
    /// Seconds since its last packet (Nicira).
    pub idle_age: Option<u16>,
    /// Seconds since its last change (Nicira).
    pub hard_age: Option<u16>,
    /// Which packets.
    #[serde(rename = "match")]
    pub matching: Match,
    /// What it does with them.
    pub instructions: Vec<Instruction>,
}

impl Wire for FlowStats {
    fn decode(version: Version, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        const WHAT: &str = "a flow";
        let body = &mut super::layout::sized(reader, 8, WHAT)?;
        let mut flow = Self::default();
        if version == Version::V1_5 {
            body.skip(2, WHAT)?;
            flow.table = body.u8(WHAT)?;
            body.skip(1, WHAT)?;
            flow.read_timeouts(body)?;
            flow.flags = body.u16(WHAT)?;
            flow.importance = body.u16(WHAT)?;
            flow.cookie = body.u64(WHAT)?;
            flow.matching = Match::decode(version, body)?;
            flow.counters = Counters::decode_oxs(body)?;
            flow.instructions = Instruction::decode_list(version, body)?;
            return Ok(flow);
        }
        flow.table = body.u8(WHAT)?;
        body.skip(1, WHAT)?;
        if version == Version::V1_0 {
            flow.matching = Match::decode(version, body)?;
        }
        flow.counters.duration = Some(Span::decode(version, body)?);
        flow.read_timeouts(body)?;
        if version == Version::V1_0 {
            body.skip(6, WHAT)?;
        } else {
            flow.flags = body.u16(WHAT)?;
            let importance = body.u16(WHAT)?;
            // Padding before 1.4, as the flags are before 1.3.
            flow.importance = if version >= Version::V1_4 {
                importance
            } else {
                0
            };
            body.skip(2, WHAT)?;
        }
        flow.cookie = body.u64(WHAT)?;
        flow.counters.packets = Some(body.u64(WHAT)?);
        flow.counters.bytes = Some(body.u64(WHAT)?);
        if version == Version::V1_0 {
            flow.instructions = applied(Action::decode_list(version, body)?);
        } else {
            flow.extensible_match =
                version == Version::V1_1 && body.rest().starts_with(&EXTENSIBLE);
            let form = if flow.extensible_match {
                Version::V1_2
            } else {
                version
            };
            flow.matching = Match::decode(form, body)?;
            flow.instructions = Instruction::decode_list(version, body)?;
        }
        Ok(flow)
    }

    fn encode(&self, version: Version, writer: &mut Writer) -> Result<(), EncodeError> {
        let start = writer.len();
        writer.u16(0);
        if version == Version::V1_5 {
            writer.zeros(2);
            writer.u8(self.table);
            writer.u8(0);
            self.write_timeouts(writer);
            writer.u16(self.flags);
            writer.u16(self.importance);
            writer.u64(self.cookie);
            self.matching.encode(version, writer)?;
            self.counters.encode_oxs(writer)?;
            Instruction::encode_list(&self.instructions, version, writer)?;
            return writer.patch_length(start, start, "a flow");
        }
        writer.u8(self.table);
        writer.u8(0);
        if version == Version::V1_0 {
            self.matching.encode(version, writer)?;
        }
        self.counters.span().encode(version, writer)?;
        self.write_timeouts(writer);
        if version == Version::V1_0 {
            writer.zeros(6);
        } else {
            writer.u16(self.flags);
            writer.u16(self.importance);
            writer.zeros(2);
        }
        writer.u64(self.cookie);
        writer.u64(self.counters.packets.unwrap_or(u64::MAX));
        writer.u64(self.counters.bytes.unwrap_or(u64::MAX));
        if version == Version::V1_0 {
            encode_flattened(&self.instructions, version, writer)?;
        } else {
            self.encode_match(version, writer)?;
            Instruction::encode_list(&self.instructions, version, writer)?;
        }
        writer.patch_length(start, start, "a flow")
    }
}

/// The type of an extensible match.
const EXTENSIBLE: [u8; 2] = [0, 1];

impl FlowStats {
    fn encode_match(&self, version: Version, writer: &mut Writer) -> Result<(), EncodeError> {
        if !(self.extensible_match && version == Version::V1_1) {
            return self.matching.encode(version, writer);
        }
        // The frame of 1.2 around fields of Nicira's numbers.
        let start = writer.len();
        writer.bytes(&EXTENSIBLE);
        writer.u16(0);
        self.matching.encode_nxm(writer)?;
        writer.patch_length(start.saturating_add(2), start, "a match")?;
        writer.pad8(start);
        Ok(())
    }

    fn read_timeouts(&mut self, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        self.priority = reader.u16("a flow")?;
        self.idle_timeout = reader.u16("a flow")?;
        self.hard_timeout = reader.u16("a flow")?;
        Ok(())
    }

    fn write_timeouts(&self, writer: &mut Writer) {
        writer.u16(self.priority);
        writer.u16(self.idle_timeout);
        writer.u16(self.hard_timeout);
    }

    /// Reads Nicira's form.
    pub(crate) fn decode_nxm(
        version: Version,
        reader: &mut Reader<'_>,
    ) -> Result<Self, DecodeError> {
        const WHAT: &str = "a flow in Nicira's form";
        let body = &mut super::layout::sized(reader, 48, WHAT)?;
        let mut flow = Self {
            table: body.u8(WHAT)?,
            ..Self::default()
        };
        body.skip(1, WHAT)?;
        flow.counters.duration = Some(Span::decode(version, body)?);
        flow.read_timeouts(body)?;
        let length = body.u16(WHAT)?;
        // Both have one more than they say, and zero if they say nothing.
        flow.idle_age = body.u16(WHAT)?.checked_sub(1);
        flow.hard_age = body.u16(WHAT)?.checked_sub(1);
        flow.cookie = body.u64(WHAT)?;
        flow.counters.packets = Some(body.u64(WHAT)?);
        flow.counters.bytes = Some(body.u64(WHAT)?);
        flow.matching = read_match(length, body)?;
        flow.instructions = applied(Action::decode_list(version, body)?);
        Ok(flow)
    }

    /// Writes Nicira's form.
    pub(crate) fn encode_nxm(
        &self,
        version: Version,
        writer: &mut Writer,
    ) -> Result<(), EncodeError> {
        let start = writer.len();
        writer.u16(0);
        writer.u8(self.table);
        writer.u8(0);
        self.counters.span().encode(version, writer)?;
        self.write_timeouts(writer);
        let length = writer.len();
        writer.u16(0);
        for age in [self.idle_age, self.hard_age] {
            writer.u16(age.map_or(0, |age| age.saturating_add(1)));
        }
        writer.u64(self.cookie);
        writer.u64(self.counters.packets.unwrap_or(u64::MAX));
        writer.u64(self.counters.bytes.unwrap_or(u64::MAX));
        write_match(&self.matching, length, writer)?;
        encode_flattened(&self.instructions, version, writer)?;
        writer.patch_length(start, start, "a flow")
    }
}
