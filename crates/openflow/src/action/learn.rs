//! Open vSwitch's `learn` as bytes: the first form where it says all, else the second.

use super::codec::{begin_nicira, finish};
use super::nicira::{LEARN, LEARN2, field, read_field};
use super::{Action, Learn, LearnSource, LearnSpec, LearnTarget};
use crate::field::{Field, Subfield};
use crate::wire::{DecodeError, EncodeError, Reader, Writer};

const SEND_FLOW_REMOVED: u16 = 1;
const DELETE_LEARNED: u16 = 2;
const WRITE_RESULT: u16 = 4;

const BITS: u16 = 0x3ff;
const IMMEDIATE: u16 = 1 << 13;
const TARGET: u16 = 3 << 11;
const TO_MATCH: u16 = 0;
const TO_LOAD: u16 = 1 << 11;
const TO_OUTPUT: u16 = 2 << 11;
const WHAT: &str = "learn";

pub(super) fn encode(learn: &Learn, writer: &mut Writer) -> Result<(), EncodeError> {
    let second = learn.limit != 0 || learn.result.is_some();
    let start = begin_nicira(writer, if second { LEARN2 } else { LEARN });
    writer.u16(learn.idle_timeout);
    writer.u16(learn.hard_timeout);
    writer.u16(learn.priority);
    writer.u64(learn.cookie);
    let flag = |set: bool, bit: u16| if set { bit } else { 0 };
    writer.u16(
        flag(learn.send_flow_removed, SEND_FLOW_REMOVED)
            | flag(learn.delete_learned, DELETE_LEARNED)
            | flag(learn.result.is_some(), WRITE_RESULT),
    );
    writer.u8(learn.table);
    writer.zeros(1);
    writer.u16(learn.fin_idle_timeout);
    writer.u16(learn.fin_hard_timeout);
    if second {
        writer.u32(learn.limit);
        writer.u16(learn.result.map_or(0, |result| result.offset().into()));
        writer.zeros(2);
        if let Some(result) = learn.result {
            if result.bits() != 1 {
                let reason = "told in more than one bit";
                return Err(EncodeError::Unencodable {
                    what: "the result of learn",
                    reason,
                });
            }
            field(result.field(), writer)?;
        }
    }
    learn
        .specs
        .iter()
        .try_for_each(|spec| encode_spec(spec, writer))?;
    finish(writer, start)
}

fn encode_spec(spec: &LearnSpec, writer: &mut Writer) -> Result<(), EncodeError> {
    let refused = |reason| {
        Err(EncodeError::Unencodable {
            what: "a part of learn",
            reason,
        })
    };
    let (kind, target) = match &spec.target {
        LearnTarget::Match(target) => (TO_MATCH, Some(target)),
        LearnTarget::Load(target) => (TO_LOAD, Some(target)),
        LearnTarget::Output => (TO_OUTPUT, None),
    };
    match (&spec.source, target) {
        (LearnSource::Field(source), target) => {
            if target.is_some_and(|target| target.bits() != source.bits()) {
                return refused("between runs of different length");
            }
            writer.u16(kind | u16::from(source.bits()));
            field(source.field(), writer)?;
            writer.u16(source.offset().into());
        }
        (LearnSource::Value(value), Some(target)) => {
            if *value > target.mask() >> target.offset() {
                return refused("a value of more bits than its target has");
            }
            writer.u16(kind | IMMEDIATE | u16::from(target.bits()));
            writer.number(
                *value,
                usize::from(target.bits()).div_ceil(16).saturating_mul(2),
            );
        }
        (LearnSource::Value(_), None) => return refused("an output to a port told here"),
    }
    if let Some(target) = target {
        field(target.field(), writer)?;
        writer.u16(target.offset().into());
    }
    Ok(())
}

pub(super) fn decode(subtype: u16, body: &mut Reader<'_>) -> Result<Option<Action>, DecodeError> {
    let mut read = Learn {
        idle_timeout: body.u16(WHAT)?,
        hard_timeout: body.u16(WHAT)?,
        priority: body.u16(WHAT)?,
        cookie: body.u64(WHAT)?,
        ..Learn::default()
    };
    let flags = body.u16(WHAT)?;
    read.send_flow_removed = flags & SEND_FLOW_REMOVED != 0;
    read.delete_learned = flags & DELETE_LEARNED != 0;
    read.table = body.u8(WHAT)?;
    body.skip(1, WHAT)?;
    read.fin_idle_timeout = body.u16(WHAT)?;
    read.fin_hard_timeout = body.u16(WHAT)?;
    let second = subtype == LEARN2;
    let allowed = SEND_FLOW_REMOVED | DELETE_LEARNED | if second { WRITE_RESULT } else { 0 };
    if flags & !allowed != 0 {
        return Ok(None);
    }
    if second {
        read.limit = body.u32(WHAT)?;
        let offset = body.u16(WHAT)?;
        body.skip(2, WHAT)?;
        if flags & WRITE_RESULT != 0 {
            let Some(result) =
                read_field(body)?.and_then(|field| Subfield::new(field, offset, 1).ok())
            else {
                return Ok(None);
            };
            read.result = Some(result);
        } else if read.limit == 0 {
            return Ok(None);
        }
    }
    while body.remaining() >= 2 {
        let mut ahead = *body;
        let header = ahead.u16(WHAT)?;
        // A header of zero begins the padding.
        if header == 0 {
            break;
        }
        *body = ahead;
        match decode_spec(header, body)? {
            Some(spec) => read.specs.push(spec),
            None => return Ok(None),
        }
    }
    let padding = body.take_rest();
    if padding.len() >= 8 || padding.iter().any(|byte| *byte != 0) {
        return Err(DecodeError::BadLength {
            what: WHAT,
            length: padding.len(),
        });
    }
    Ok(Some(Action::Learn(Box::new(read))))
}

fn decode_spec(header: u16, body: &mut Reader<'_>) -> Result<Option<LearnSpec>, DecodeError> {
    let bits = header & BITS;
    if header & !(BITS | IMMEDIATE | TARGET) != 0 {
        return Err(DecodeError::BadValue {
            what: "a part of learn",
            value: header.into(),
        });
    }
    let part = |body: &mut Reader<'_>| {
        let field: Option<Field> = read_field(body)?;
        let offset = body.u16(WHAT)?;
        Ok::<_, DecodeError>(field.and_then(|field| Subfield::new(field, offset, bits).ok()))
    };
    let source = if header & IMMEDIATE != 0 {
        let length = usize::from(bits).div_ceil(16).saturating_mul(2);
        if length > 16 {
            return Ok(None);
        }
        let value = body.number(length, WHAT)?;
        if bits < 128 && value >> bits != 0 {
            return Ok(None);
        }
        Some(LearnSource::Value(value))
    } else {
        part(body)?.map(LearnSource::Field)
    };
    let target = match header & TARGET {
        TO_MATCH => part(body)?.map(LearnTarget::Match),
        TO_LOAD => part(body)?.map(LearnTarget::Load),
        TO_OUTPUT if header & IMMEDIATE == 0 => Some(LearnTarget::Output),
        _ => {
            return Err(DecodeError::BadValue {
                what: "a part of learn",
                value: header.into(),
            });
        }
    };
    Ok(source
        .zip(target)
        .map(|(source, target)| LearnSpec { source, target }))
}
