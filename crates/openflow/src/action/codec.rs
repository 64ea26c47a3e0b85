//! Lists of actions as bytes: the frame around each, and who reads what is in it.

use super::{Action, OpaqueAction, nicira, standard};
use crate::version::Version;
use crate::wire::{DecodeError, EncodeError, MAX_NESTING, Reader, Writer};

/// The type that is followed by an experimenter's number.
pub(super) const EXPERIMENTER: u16 = 0xffff;
/// Nicira's number, under which Open vSwitch's own actions stand.
pub(super) const NICIRA: u32 = 0x0000_2320;

pub(super) fn encode_list(
    actions: &[Action],
    version: Version,
    writer: &mut Writer,
    depth: u8,
) -> Result<(), EncodeError> {
    if depth > MAX_NESTING {
        return Err(EncodeError::TooDeep);
    }
    actions
        .iter()
        .try_for_each(|action| standard::encode(action, version, writer, depth))
}

/// Begins an action of the standard; gives where it starts.
pub(super) fn begin(writer: &mut Writer, kind: u16) -> usize {
    let start = writer.len();
    writer.u16(kind);
    writer.u16(0);
    start
}

/// Begins an action of Open vSwitch's; ten bytes, and gives where it starts.
pub(super) fn begin_nicira(writer: &mut Writer, subtype: u16) -> usize {
    let start = begin(writer, EXPERIMENTER);
    writer.u32(NICIRA);
    writer.u16(subtype);
    start
}

/// Ends an action: fills up to 8 bytes and writes the length.
pub(super) fn finish(writer: &mut Writer, start: usize) -> Result<(), EncodeError> {
    writer.pad8(start);
    writer.patch_length(start.saturating_add(2), start, "an action")
}

pub(super) fn encode_opaque(opaque: &OpaqueAction, writer: &mut Writer) -> Result<(), EncodeError> {
    let start = begin(writer, opaque.kind);
    writer.bytes(&opaque.body);
    finish(writer, start)
}

pub(super) fn decode_list(
    version: Version,
    reader: &mut Reader<'_>,
    depth: u8,
) -> Result<Vec<Action>, DecodeError> {
    if depth > MAX_NESTING {
        return Err(DecodeError::TooDeep);
    }
    let mut actions = Vec::new();
    while !reader.is_empty() {
        actions.push(decode_one(version, reader, depth)?);
    }
    Ok(actions)
}

fn decode_one(version: Version, reader: &mut Reader<'_>, depth: u8) -> Result<Action, DecodeError> {
    const WHAT: &str = "an action";
    let kind = reader.u16(WHAT)?;
    let length = usize::from(reader.u16(WHAT)?);
    if length < 8 || !length.is_multiple_of(8) {
        return Err(DecodeError::BadLength { what: WHAT, length });
    }
    let body = reader.sub(length.saturating_sub(4), WHAT)?;
    let known = if kind == EXPERIMENTER {
        let mut inner = body;
        if inner.u32("an action's experimenter")? == NICIRA {
            nicira::decode(version, &mut inner, length, depth)?
        } else {
            None
        }
    } else {
        standard::decode(version, kind, &mut body.clone(), length)?
    };
    Ok(known.unwrap_or_else(|| {
        Action::Opaque(OpaqueAction {
            kind,
            body: body.rest().to_vec(),
        })
    }))
}
