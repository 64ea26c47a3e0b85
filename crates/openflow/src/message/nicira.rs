//! What Nicira's messages have in common, and those that Open vSwitch alone knows: formats, controller ids, tunnel
//! option tables, flushing of connections.

use super::layout::{Wire, decode_all, encode_all, record};
use crate::matching::Match;
use crate::version::Version;
use crate::wire::{DecodeError, EncodeError, Reader, Writer};
use serde::{Deserialize, Serialize};

/// Reads a match of `length` bytes in Nicira's form, with its padding.
pub(crate) fn read_match(length: u16, reader: &mut Reader<'_>) -> Result<Match, DecodeError> {
    const WHAT: &str = "a match in Nicira's form";
    let length = usize::from(length);
    let read = Match::decode_nxm(&mut reader.sub(length, WHAT)?)?;
    reader.skip(8_usize.saturating_sub(length % 8) % 8, WHAT)?;
    Ok(read)
}

/// Appends a match in Nicira's form with its padding, and its length at `position`.
pub(crate) fn write_match(
    wanted: &Match,
    position: usize,
    writer: &mut Writer,
) -> Result<(), EncodeError> {
    let start = writer.len();
    wanted.encode_nxm(writer)?;
    writer.patch_length(position, start, "a match in Nicira's form")?;
    writer.pad8(start);
    Ok(())
}

record! {
    /// Whether flow mods of 1.0 name their table, in the high byte of the command.
    FlowModTableId {
        /// 1 if they do.
        set: u8, pad 7;
    }
}

record! {
    /// The id by which `controller(id=…)` means this connection.
    ControllerId {
        /// The id.
        id: Padded16;
    }
}

record! {
    /// Forgets the connections of a zone.
    FlushZone {
        /// The zone.
        zone: Padded16;
    }
}

/// A number of 16 bits with six bytes of padding in front.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Padded16(pub u16);

impl Wire for Padded16 {
    fn decode(_: Version, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.skip(6, "padding")?;
        reader.u16("a number").map(Self)
    }
    fn encode(&self, _: Version, writer: &mut Writer) -> Result<(), EncodeError> {
        writer.zeros(6);
        writer.u16(self.0);
        Ok(())
    }
}

record! {
    /// Which tunnel option is which `tun_metadata` field.
    TunnelOption {
        /// The option's class.
        class: u16;
        /// The option's type.
        kind: u8;
        /// Bytes of the option, a multiple of 4.
        length: u8;
        /// The field's number.
        index: u16, pad 2;
    }
}

/// Changes the table of tunnel options.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TunnelOptionMod {
    /// 0 adds, 1 deletes, 2 deletes all.
    pub command: u16,
    /// Which.
    pub options: Vec<TunnelOption>,
}

impl Wire for TunnelOptionMod {
    fn decode(version: Version, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let command = reader.u16("a change of tunnel options")?;
        reader.skip(6, "a change of tunnel options")?;
        Ok(Self {
            command,
            options: decode_all(version, reader)?,
        })
    }
    fn encode(&self, version: Version, writer: &mut Writer) -> Result<(), EncodeError> {
        writer.u16(self.command);
        writer.zeros(6);
        encode_all(&self.options, version, writer)
    }
}

/// The table of tunnel options.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TunnelOptionTable {
    /// Bytes that all options may take together.
    pub space: u32,
    /// How many fields there are.
    pub fields: u16,
    /// What is in it.
    pub options: Vec<TunnelOption>,
}

impl Wire for TunnelOptionTable {
    fn decode(version: Version, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        const WHAT: &str = "a table of tunnel options";
        let space = reader.u32(WHAT)?;
        let fields = reader.u16(WHAT)?;
        reader.skip(10, WHAT)?;
        Ok(Self {
            space,
            fields,
            options: decode_all(version, reader)?,
        })
    }
    fn encode(&self, version: Version, writer: &mut Writer) -> Result<(), EncodeError> {
        writer.u32(self.space);
        writer.u16(self.fields);
        writer.zeros(10);
        encode_all(&self.options, version, writer)
    }
}
