//! Open vSwitch's `controller` as bytes: the short form where it says all, else the one of properties.

use super::codec::{begin_nicira, finish};
use super::nicira::{CONTROLLER, CONTROLLER2};
use super::{Action, Controller, PacketInReason};
use crate::wire::{DecodeError, EncodeError, Reader, Writer};

const MAX_LEN: u16 = 0;
const CONTROLLER_ID: u16 = 1;
const REASON: u16 = 2;
const USERDATA: u16 = 3;
const PAUSE: u16 = 4;
const METER: u16 = 5;
const WHAT: &str = "controller";

pub(super) fn encode(controller: &Controller, writer: &mut Writer) -> Result<(), EncodeError> {
    if controller.userdata.is_empty() && !controller.pause && controller.meter.is_none() {
        let start = begin_nicira(writer, CONTROLLER);
        writer.u16(controller.max_len);
        writer.u16(controller.controller_id);
        writer.u8(controller.reason.wire());
        return finish(writer, start);
    }
    let start = begin_nicira(writer, CONTROLLER2);
    writer.zeros(6);
    if controller.max_len != 0xffff {
        half(writer, MAX_LEN, controller.max_len)?;
    }
    if controller.controller_id != 0 {
        half(writer, CONTROLLER_ID, controller.controller_id)?;
    }
    if controller.reason != PacketInReason::Action {
        property(writer, REASON, &[controller.reason.wire()])?;
    }
    if !controller.userdata.is_empty() {
        property(writer, USERDATA, &controller.userdata)?;
    }
    if controller.pause {
        property(writer, PAUSE, &[])?;
    }
    if let Some(meter) = controller.meter {
        property(writer, METER, &meter.to_be_bytes())?;
    }
    finish(writer, start)
}

/// A number of 16 bits; the two bytes that fill up count in its length.
fn half(writer: &mut Writer, kind: u16, value: u16) -> Result<(), EncodeError> {
    let [high, low] = value.to_be_bytes();
    property(writer, kind, &[high, low, 0, 0])
}

fn property(writer: &mut Writer, kind: u16, value: &[u8]) -> Result<(), EncodeError> {
    let start = writer.len();
    writer.u16(kind);
    writer.u16(0);
    writer.bytes(value);
    writer.patch_length(start.saturating_add(2), start, WHAT)?;
    writer.pad8(start);
    Ok(())
}

pub(super) fn decode(subtype: u16, body: &mut Reader<'_>) -> Result<Option<Action>, DecodeError> {
    let mut read = Controller::default();
    if subtype == CONTROLLER {
        read.max_len = body.u16(WHAT)?;
        read.controller_id = body.u16(WHAT)?;
        let reason = PacketInReason::from_wire(body.u8(WHAT)?);
        body.skip(1, WHAT)?;
        if !body.is_empty() {
            return Err(DecodeError::BadLength {
                what: WHAT,
                length: body.remaining(),
            });
        }
        return Ok(reason.map(|reason| Action::Controller(Controller { reason, ..read })));
    }
    body.skip(6, WHAT)?;
    // The order and the defaults of this crate's own writing are all that reads back to the same bytes.
    let mut last = None;
    while !body.is_empty() {
        let kind = body.u16(WHAT)?;
        let length = usize::from(body.u16(WHAT)?);
        let bad_length = DecodeError::BadLength { what: WHAT, length };
        let mut value = body.sub(length.checked_sub(4).ok_or(bad_length)?, WHAT)?;
        body.skip(length.next_multiple_of(8).saturating_sub(length), WHAT)?;
        if last.is_some_and(|last| last >= kind) {
            return Ok(None);
        }
        last = Some(kind);
        match kind {
            MAX_LEN => read.max_len = value.u16(WHAT)?,
            CONTROLLER_ID => read.controller_id = value.u16(WHAT)?,
            REASON => match PacketInReason::from_wire(value.u8(WHAT)?) {
                Some(reason) => read.reason = reason,
                None => return Ok(None),
            },
            USERDATA => read.userdata = value.take_rest().to_vec(),
            PAUSE => read.pause = true,
            METER => read.meter = Some(value.u32(WHAT)?),
            _ => return Ok(None),
        }
        let padding = value.take_rest();
        let expected = if matches!(kind, MAX_LEN | CONTROLLER_ID) {
            2
        } else {
            0
        };
        if padding.len() != expected || padding.iter().any(|byte| *byte != 0) {
            return Ok(None);
        }
    }
    let short = read.userdata.is_empty() && !read.pause && read.meter.is_none();
    Ok((!short).then_some(Action::Controller(read)))
}
