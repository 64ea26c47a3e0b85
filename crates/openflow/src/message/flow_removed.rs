//! Flows that are gone.

use super::counters::{Counters, Span};
use super::layout::Wire;
use super::nicira::{read_match, write_match};
use crate::matching::Match;
use crate::version::Version;
use crate::wire::{DecodeError, EncodeError, Reader, Writer};
use serde::{Deserialize, Serialize};

/// A flow is gone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FlowRemoved {
    /// Its cookie.
    pub cookie: u64,
    /// Its priority.
    pub priority: u16,
    /// Why: 0 idle, 1 hard timeout, 2 deleted, 3 its group was, 4 its meter was, 5 for a more important one.
    pub reason: u8,
    /// Its table (1.1, Nicira).
    pub table: Option<u8>,
    /// Its idle timeout.
    pub idle_timeout: u16,
    /// Its hard timeout (1.2).
    pub hard_timeout: u16,
    /// What it counted.
    pub counters: Counters,
    /// What it matched.
    #[serde(rename = "match")]
    pub matching: Match,
}

impl Wire for FlowRemoved {
    fn decode(version: Version, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        const WHAT: &str = "a flow removal";
        let mut flow = Self::default();
        if version == Version::V1_5 {
            flow.table = Some(reader.u8(WHAT)?);
            flow.reason = reader.u8(WHAT)?;
            flow.priority = reader.u16(WHAT)?;
            flow.idle_timeout = reader.u16(WHAT)?;
            flow.hard_timeout = reader.u16(WHAT)?;
            flow.cookie = reader.u64(WHAT)?;
            flow.matching = Match::decode(version, reader)?;
            flow.counters = Counters::decode_oxs(reader)?;
            return Ok(flow);
        }
        if version == Version::V1_0 {
            flow.matching = Match::decode(version, reader)?;
        }
        flow.cookie = reader.u64(WHAT)?;
        flow.priority = reader.u16(WHAT)?;
        flow.reason = reader.u8(WHAT)?;
        let table = reader.u8(WHAT)?;
        flow.table = (version >= Version::V1_1).then_some(table);
        flow.counters.duration = Some(Span::decode(version, reader)?);
        flow.idle_timeout = reader.u16(WHAT)?;
        // Padding in 1.0 and 1.1.
        flow.hard_timeout = reader.u16(WHAT)?;
        flow.counters.packets = Some(reader.u64(WHAT)?);
        flow.counters.bytes = Some(reader.u64(WHAT)?);
        if version >= Version::V1_1 {
            flow.matching = Match::decode(version, reader)?;
        }
        Ok(flow)
    }

    fn encode(&self, version: Version, writer: &mut Writer) -> Result<(), EncodeError> {
        if version == Version::V1_5 {
            writer.u8(self.table.unwrap_or(0));
            writer.u8(self.reason);
            writer.u16(self.priority);
            writer.u16(self.idle_timeout);
            writer.u16(self.hard_timeout);
            writer.u64(self.cookie);
            self.matching.encode(version, writer)?;
            return self.counters.encode_oxs(writer);
        }
        if version == Version::V1_0 {
            self.matching.encode(version, writer)?;
        }
        writer.u64(self.cookie);
        writer.u16(self.priority);
        writer.u8(self.reason);
        writer.u8(self.table.unwrap_or(0));
        self.counters.span().encode(version, writer)?;
        writer.u16(self.idle_timeout);
        writer.u16(self.hard_timeout);
        writer.u64(self.counters.packets.unwrap_or(u64::MAX));
        writer.u64(self.counters.bytes.unwrap_or(u64::MAX));
        if version >= Version::V1_1 {
            self.matching.encode(version, writer)?;
        }
        Ok(())
    }
}

impl FlowRemoved {
    /// Reads Nicira's form.
    pub(crate) fn decode_nxm(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        const WHAT: &str = "a flow removal in Nicira's form";
        let mut flow = Self {
            cookie: reader.u64(WHAT)?,
            priority: reader.u16(WHAT)?,
            ..Self::default()
        };
        flow.reason = reader.u8(WHAT)?;
        // The wire has one more than the table, and zero if it does not say.
        flow.table = reader.u8(WHAT)?.checked_sub(1);
        flow.counters.duration = Some(Span::decode(Version::V1_0, reader)?);
        flow.idle_timeout = reader.u16(WHAT)?;
        let length = reader.u16(WHAT)?;
        flow.counters.packets = Some(reader.u64(WHAT)?);
        flow.counters.bytes = Some(reader.u64(WHAT)?);
        flow.matching = read_match(length, reader)?;
        Ok(flow)
    }

    /// Writes Nicira's form.
    pub(crate) fn encode_nxm(&self, writer: &mut Writer) -> Result<(), EncodeError> {
        writer.u64(self.cookie);
        writer.u16(self.priority);
        writer.u8(self.reason);
        writer.u8(self.table.map_or(0, |table| table.saturating_add(1)));
        self.counters.span().encode(Version::V1_0, writer)?;
        writer.u16(self.idle_timeout);
        let length = writer.len();
        writer.u16(0);
        writer.u64(self.counters.packets.unwrap_or(u64::MAX));
        writer.u64(self.counters.bytes.unwrap_or(u64::MAX));
        write_match(&self.matching, length, writer)
    }
}
