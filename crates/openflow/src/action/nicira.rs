//! Open vSwitch's own actions as bytes, those of fixed form; the longer ones are in the modules beside.

use super::codec::{self, begin_nicira, finish};
use super::{Action, conntrack, controller, learn, spread};
use crate::field::{Field, FieldMatch, Subfield};
use crate::matching::{read_header, read_value, write_field, write_header};
use crate::port_number::PortNumber;
use crate::version::Version;
use crate::wire::{DecodeError, EncodeError, Reader, Writer};

const RESUBMIT: u16 = 1;
const SET_TUNNEL: u16 = 2;
const SET_QUEUE: u16 = 4;
const POP_QUEUE: u16 = 5;
const REG_MOVE: u16 = 6;
const REG_LOAD: u16 = 7;
const NOTE: u16 = 8;
const SET_TUNNEL64: u16 = 9;
pub(super) const MULTIPATH: u16 = 10;
pub(super) const BUNDLE: u16 = 12;
pub(super) const BUNDLE_LOAD: u16 = 13;
const RESUBMIT_TABLE: u16 = 14;
const OUTPUT_REG: u16 = 15;
pub(super) const LEARN: u16 = 16;
const EXIT: u16 = 17;
const DEC_TTL: u16 = 18;
const FIN_TIMEOUT: u16 = 19;
pub(super) const CONTROLLER: u16 = 20;
const DEC_TTL_IDS: u16 = 21;
const WRITE_METADATA: u16 = 22;
const PUSH_MPLS: u16 = 23;
const POP_MPLS: u16 = 24;
const SET_MPLS_TTL: u16 = 25;
const DEC_MPLS_TTL: u16 = 26;
const STACK_PUSH: u16 = 27;
const STACK_POP: u16 = 28;
pub(super) const SAMPLE: u16 = 29;
const SET_MPLS_LABEL: u16 = 30;
const SET_MPLS_TC: u16 = 31;
const OUTPUT_REG2: u16 = 32;
const REG_LOAD2: u16 = 33;
const CONJUNCTION: u16 = 34;
pub(super) const CT: u16 = 35;
pub(super) const NAT: u16 = 36;
pub(super) const CONTROLLER2: u16 = 37;
pub(super) const SAMPLE2: u16 = 38;
const OUTPUT_TRUNC: u16 = 39;
const GROUP: u16 = 40;
pub(super) const SAMPLE3: u16 = 41;
const CLONE: u16 = 42;
const CT_CLEAR: u16 = 43;
const RESUBMIT_TABLE_CT: u16 = 44;
pub(super) const LEARN2: u16 = 45;
const DEC_NSH_TTL: u16 = 48;
const CHECK_PKT_LARGER: u16 = 49;
const DELETE_FIELD: u16 = 50;

/// "This table" in a resubmit, "none" in `ct`.
pub(super) const NO_TABLE: u8 = 0xff;
const WHAT: &str = "an action of Open vSwitch";

/// Writes an action for which the version has no form of its own.
pub(super) fn encode(
    action: &Action,
    version: Version,
    writer: &mut Writer,
    depth: u8,
) -> Result<(), EncodeError> {
    match action {
        Action::Ct(ct) => return conntrack::encode(ct, version, writer, depth),
        Action::Nat(nat) => return conntrack::encode_nat(nat, writer),
        Action::Learn(learn) => return learn::encode(learn, writer),
        Action::Controller(controller) => return controller::encode(controller, writer),
        Action::Multipath(multipath) => return spread::encode_multipath(multipath, writer),
        Action::Bundle(bundle) => return spread::encode_bundle(bundle, writer),
        Action::Sample(sample) => return spread::encode_sample(sample, writer),
        Action::Load { target, value } => return load(target, *value, writer),
        Action::LoadField(wanted) => return load_field(wanted, writer),
        _ => {}
    }
    let start = begin_nicira(writer, subtype(action, version)?);
    match action {
        Action::Resubmit {
            port,
            table,
            original_tuple: _,
        } => {
            port.unwrap_or(PortNumber::IN_PORT)
                .write_u16(writer, "the port of resubmit")?;
            writer.u8(table.unwrap_or(NO_TABLE));
        }
        Action::SetTunnel { id, wide } => {
            if *wide || u32::try_from(*id).is_err() {
                writer.zeros(6);
                writer.u64(*id);
            } else {
                writer.zeros(2);
                writer.u32(*id as u32);
            }
        }
        Action::SetQueue(number) | Action::Group(number) | Action::SetMplsLabel(number) => {
            writer.zeros(2);
            writer.u32(*number);
        }
        Action::Move { source, target } => {
            writer.u16(equal_bits(source, target)?);
            writer.u16(source.offset().into());
            writer.u16(target.offset().into());
            field(source.field(), writer)?;
            field(target.field(), writer)?;
        }
        Action::Note(bytes) => writer.bytes(bytes),
        Action::OutputRegister { source, max_len } => {
            writer.u16(offset_and_bits(source)?);
            if is_long(source.field()) {
                writer.u16(*max_len);
                field(source.field(), writer)?;
                writer.zeros(2);
            } else {
                field(source.field(), writer)?;
                writer.u16(*max_len);
                writer.zeros(6);
            }
        }
        Action::FinTimeout { idle, hard } => {
            writer.u16(*idle);
            writer.u16(*hard);
        }
        Action::DecTtlIds(ids) => {
            let count = u16::try_from(ids.len());
            writer.u16(count.map_err(|_| EncodeError::TooLong {
                what: "dec_ttl",
                length: ids.len(),
            })?);
            writer.zeros(4);
            ids.iter().for_each(|id| writer.u16(*id));
        }
        Action::WriteMetadata { value, mask } => {
            writer.zeros(6);
            writer.u64(*value);
            writer.u64(*mask);
        }
        Action::PushMpls(eth_type) | Action::PopMpls(eth_type) => writer.u16(*eth_type),
        Action::SetMplsTtl(number) | Action::SetMplsTc(number) => writer.u8(*number),
        Action::StackPush(part) | Action::StackPop(part) => {
            writer.u16(part.offset().into());
            field(part.field(), writer)?;
            writer.u16(part.bits().into());
            writer.zeros(if is_long(part.field()) { 2 } else { 6 });
        }
        Action::Conjunction {
            id,
            clause,
            clauses,
        } => {
            if !(2..=64).contains(clauses) || clause >= clauses {
                let reason =
                    "of less than 2 or more than 64 dimensions, or of a dimension beyond them";
                return Err(EncodeError::Unencodable {
                    what: "conjunction",
                    reason,
                });
            }
            writer.u8(*clause);
            writer.u8(*clauses);
            writer.u32(*id);
        }
        Action::OutputTruncated { port, max_len } => {
            port.write_u16(writer, "the port of output")?;
            writer.u32(*max_len);
        }
        Action::Clone(actions) => {
            writer.zeros(6);
            codec::encode_list(actions, version, writer, depth.saturating_add(1))?;
        }
        Action::CheckPacketLarger { length, target } => {
            if target.bits() != 1 {
                let reason = "written to more than one bit";
                return Err(EncodeError::Unencodable {
                    what: "check_pkt_larger",
                    reason,
                });
            }
            writer.u16(*length);
            writer.u16(target.offset().into());
            field(target.field(), writer)?;
        }
        Action::DeleteField(part) => {
            field(*part, writer)?;
            writer.zeros(if is_long(*part) { 6 } else { 10 });
        }
        _ => {}
    }
    finish(writer, start)
}

fn subtype(action: &Action, version: Version) -> Result<u16, EncodeError> {
    Ok(match action {
        Action::Resubmit {
            original_tuple: true,
            ..
        } => RESUBMIT_TABLE_CT,
        Action::Resubmit { .. } => RESUBMIT_TABLE,
        Action::SetTunnel { id, wide } if *wide || u32::try_from(*id).is_err() => SET_TUNNEL64,
        Action::SetTunnel { .. } => SET_TUNNEL,
        Action::SetQueue(_) => SET_QUEUE,
        Action::PopQueue => POP_QUEUE,
        Action::Move { .. } => REG_MOVE,
        Action::Note(_) => NOTE,
        Action::OutputRegister { source, .. } if is_long(source.field()) => OUTPUT_REG2,
        Action::OutputRegister { .. } => OUTPUT_REG,
        Action::Exit => EXIT,
        Action::DecTtl => DEC_TTL,
        Action::FinTimeout { .. } => FIN_TIMEOUT,
        Action::DecTtlIds(_) => DEC_TTL_IDS,
        Action::WriteMetadata { .. } => WRITE_METADATA,
        Action::PushMpls(_) => PUSH_MPLS,
        Action::PopMpls(_) => POP_MPLS,
        Action::SetMplsTtl(_) => SET_MPLS_TTL,
        Action::DecMplsTtl => DEC_MPLS_TTL,
        Action::StackPush(_) => STACK_PUSH,
        Action::StackPop(_) => STACK_POP,
        Action::SetMplsLabel(_) => SET_MPLS_LABEL,
        Action::SetMplsTc(_) => SET_MPLS_TC,
        Action::Conjunction { .. } => CONJUNCTION,
        Action::OutputTruncated { .. } => OUTPUT_TRUNC,
        Action::Group(_) => GROUP,
        Action::Clone(_) => CLONE,
        Action::CtClear => CT_CLEAR,
        Action::DecNshTtl if version >= Version::V1_3 => DEC_NSH_TTL,
        Action::CheckPacketLarger { .. } => CHECK_PKT_LARGER,
        Action::DeleteField(_) => DELETE_FIELD,
        Action::DecNshTtl => {
            return Err(EncodeError::NotInVersion {
                what: "dec_nsh_ttl",
                version,
            });
        }
        _ => {
            return Err(EncodeError::NotInVersion {
                what: "an action",
                version,
            });
        }
    })
}

/// The common length of both ends of a copy.
pub(super) fn equal_bits(source: &Subfield, target: &Subfield) -> Result<u16, EncodeError> {
    if source.bits() == target.bits() {
        Ok(source.bits().into())
    } else {
        Err(EncodeError::Unencodable {
            what: "move",
            reason: "between runs of different length",
        })
    }
}

/// Whether the field's header in these actions is one of eight bytes.
pub(super) fn is_long(field: Field) -> bool {
    field
        .nxm_form()
        .is_some_and(|form| form.class == crate::field::EXPERIMENTER_CLASS)
}

/// Writes the header that names a field in these actions.
pub(super) fn field(field: Field, writer: &mut Writer) -> Result<(), EncodeError> {
    let missing = EncodeError::Unencodable {
        what: field.name(),
        reason: "named in an action",
    };
    write_header(field.nxm_form().ok_or(missing)?, false, writer);
    Ok(())
}

/// Writes the header that names a field where eight bytes have no room.
pub(super) fn short_field(part: Field, writer: &mut Writer) -> Result<(), EncodeError> {
    if is_long(part) {
        return Err(EncodeError::Unencodable {
            what: part.name(),
            reason: "named in this action",
        });
    }
    field(part, writer)
}

/// Offset in ten bits, length less one in six.
pub(super) fn offset_and_bits(part: &Subfield) -> Result<u16, EncodeError> {
    if part.bits() > 64 {
        return Err(EncodeError::Unencodable {
            what: "a run of bits",
            reason: "longer than 64 in this action",
        });
    }
    Ok((u16::from(part.offset()) << 6) | u16::from(part.bits().saturating_sub(1)))
}

/// What [`offset_and_bits`] wrote, in a field.
pub(super) fn part(field: Field, offset_and_bits: u16) -> Option<Subfield> {
    let bits = (offset_and_bits & 0x3f).saturating_add(1);
    Subfield::new(field, offset_and_bits >> 6, bits).ok()
}

/// Reads a header that names a field; `None` if it is not the one [`field`] writes.
pub(super) fn read_field(reader: &mut Reader<'_>) -> Result<Option<Field>, DecodeError> {
    let header = read_header(reader)?;
    let known = header
        .known
        .filter(|(field, form)| !header.masked && field.nxm_form() == Some(*form));
    Ok(known.map(|(field, _)| field))
}

fn load(target: &Subfield, value: u64, writer: &mut Writer) -> Result<(), EncodeError> {
    let wide = u128::from(value);
    if target.bits() > 64 || wide > target.mask() >> target.offset() {
        return Err(EncodeError::Unencodable {
            what: "load",
            reason: "of more bits than its target has, or than 64",
        });
    }
    if is_long(target.field()) {
        return load_field(
            &FieldMatch::masked(target.field(), wide << target.offset(), target.mask()),
            writer,
        );
    }
    let start = begin_nicira(writer, REG_LOAD);
    writer.u16(offset_and_bits(target)?);
    field(target.field(), writer)?;
    writer.u64(value);
    finish(writer, start)
}

fn load_field(wanted: &FieldMatch, writer: &mut Writer) -> Result<(), EncodeError> {
    let missing = EncodeError::Unencodable {
        what: wanted.field().name(),
        reason: "set in this version",
    };
    let start = begin_nicira(writer, REG_LOAD2);
    writer.zeros(6);
    write_field(wanted, wanted.field().nxm_form().ok_or(missing)?, writer)?;
    finish(writer, start)
}

/// Sets bits of a field by one load for each run of at most 64, lowest first, as Open vSwitch does.
pub(super) fn load_runs(wanted: &FieldMatch, writer: &mut Writer) -> Result<(), EncodeError> {
    if !wanted.fits() {
        return Err(EncodeError::Unencodable {
            what: wanted.field().name(),
            reason: "wider than the field",
        });
    }
    if is_long(wanted.field()) {
        return load_field(wanted, writer);
    }
    let mut rest = wanted.mask();
    while rest != 0 {
        let offset = rest.trailing_zeros();
        let bits = (rest >> offset).trailing_ones().min(64);
        let run = (u128::MAX >> (128 - bits)) << offset;
        let target = Subfield::new(wanted.field(), offset as u16, bits as u16);
        let reason = "set in this version";
        let target = target.map_err(|_| EncodeError::Unencodable {
            what: wanted.field().name(),
            reason,
        })?;
        load(&target, ((wanted.value() & run) >> offset) as u64, writer)?;
        rest &= !run;
    }
    Ok(())
}

/// Reads what follows the experimenter's number; `length` is the whole action's. `None` is an action not known.
pub(super) fn decode(
    version: Version,
    body: &mut Reader<'_>,
    length: usize,
    depth: u8,
) -> Result<Option<Action>, DecodeError> {
    let subtype = body.u16(WHAT)?;
    let old = version == Version::V1_0;
    match subtype {
        CT => return conntrack::decode(version, body, depth),
        NAT => return conntrack::decode_nat(body),
        LEARN | LEARN2 => return learn::decode(subtype, body),
        CONTROLLER | CONTROLLER2 => return controller::decode(subtype, body),
        MULTIPATH => return spread::decode_multipath(body),
        BUNDLE | BUNDLE_LOAD => return spread::decode_bundle(subtype, body),
        SAMPLE | SAMPLE2 | SAMPLE3 => return spread::decode_sample(subtype, body),
        CLONE => {
            body.skip(6, WHAT)?;
            return Ok(Some(Action::Clone(codec::decode_list(
                version,
                body,
                depth.saturating_add(1),
            )?)));
        }
        NOTE => return Ok(Some(Action::Note(body.take_rest().to_vec()))),
        _ => {}
    }
    // Later versions have these in the standard, and Open vSwitch refuses its own form there.
    let standard_now = match subtype {
        SET_QUEUE | DEC_TTL | PUSH_MPLS | POP_MPLS | SET_MPLS_TTL | DEC_MPLS_TTL
        | SET_MPLS_LABEL | SET_MPLS_TC | GROUP => !old,
        REG_MOVE | REG_LOAD | REG_LOAD2 => version >= Version::V1_5,
        SET_TUNNEL | SET_TUNNEL64 => version >= Version::V1_2,
        DEC_NSH_TTL => version < Version::V1_3,
        _ => false,
    };
    if standard_now {
        return Ok(None);
    }
    let expected = match subtype {
        SET_TUNNEL64 | REG_LOAD | OUTPUT_REG | OUTPUT_REG2 | STACK_PUSH | STACK_POP
        | DELETE_FIELD => Some(24),
        WRITE_METADATA => Some(32),
        REG_MOVE | REG_LOAD2 | DEC_TTL_IDS | CHECK_PKT_LARGER => None,
        _ => Some(16),
    };
    let action = decode_fixed(subtype, body)?;
    match expected {
        Some(expected) if action.is_some() && expected != length => {
            Err(DecodeError::BadLength { what: WHAT, length })
        }
        _ => Ok(action),
    }
}

fn decode_fixed(subtype: u16, body: &mut Reader<'_>) -> Result<Option<Action>, DecodeError> {
    Ok(Some(match subtype {
        RESUBMIT | RESUBMIT_TABLE | RESUBMIT_TABLE_CT => {
            let port =
                Some(PortNumber::read_u16(body, WHAT)?).filter(|port| *port != PortNumber::IN_PORT);
            let table = if subtype == RESUBMIT {
                NO_TABLE
            } else {
                body.u8(WHAT)?
            };
            let original_tuple = subtype == RESUBMIT_TABLE_CT;
            Action::Resubmit {
                port,
                table: Some(table).filter(|table| *table != NO_TABLE),
                original_tuple,
            }
        }
        SET_TUNNEL => {
            body.skip(2, WHAT)?;
            Action::SetTunnel {
                id: body.u32(WHAT)?.into(),
                wide: false,
            }
        }
        SET_TUNNEL64 => {
            body.skip(6, WHAT)?;
            Action::SetTunnel {
                id: body.u64(WHAT)?,
                wide: true,
            }
        }
        SET_QUEUE | GROUP | SET_MPLS_LABEL => {
            body.skip(2, WHAT)?;
            let number = body.u32(WHAT)?;
            match subtype {
                SET_QUEUE => Action::SetQueue(number),
                GROUP => Action::Group(number),
                _ if number > 0xf_ffff => {
                    return Err(DecodeError::BadValue {
                        what: "mpls_label",
                        value: number.into(),
                    });
                }
                _ => Action::SetMplsLabel(number),
            }
        }
        POP_QUEUE => Action::PopQueue,
        REG_MOVE => {
            let (bits, from, to) = (body.u16(WHAT)?, body.u16(WHAT)?, body.u16(WHAT)?);
            let (source, target) = (read_field(body)?, read_field(body)?);
            let part = |field: Option<Field>, offset| Subfield::new(field?, offset, bits).ok();
            let Some((source, target)) = part(source, from).zip(part(target, to)) else {
                return Ok(None);
            };
            Action::Move { source, target }
        }
        REG_LOAD => {
            let place = body.u16(WHAT)?;
            let Some(target) = read_field(body)?.and_then(|field| part(field, place)) else {
                return Ok(None);
            };
            let value = body.u64(WHAT)?;
            if u128::from(value) > target.mask() >> target.offset() {
                return Err(DecodeError::ValueTooWide {
                    field: target.field().name(),
                });
            }
            Action::Load { target, value }
        }
        REG_LOAD2 => {
            body.skip(6, WHAT)?;
            let header = read_header(body)?;
            let Some((field, form)) = header
                .known
                .filter(|(field, form)| field.nxm_form() == Some(*form))
            else {
                return Ok(None);
            };
            let wanted = read_value(body, field, form, header.masked)?;
            if body.remaining() >= 8 {
                return Ok(None);
            }
            Action::LoadField(wanted)
        }
        OUTPUT_REG | OUTPUT_REG2 => {
            let place = body.u16(WHAT)?;
            let early = if subtype == OUTPUT_REG2 {
                Some(body.u16(WHAT)?)
            } else {
                None
            };
            let field = read_field(body)?;
            let max_len = if let Some(early) = early {
                early
            } else {
                body.u16(WHAT)?
            };
            let long = subtype == OUTPUT_REG2;
            match field
                .filter(|field| is_long(*field) == long)
                .and_then(|field| part(field, place))
            {
                Some(source) => Action::OutputRegister { source, max_len },
                None => return Ok(None),
            }
        }
        EXIT => Action::Exit,
        DEC_TTL => Action::DecTtl,
        FIN_TIMEOUT => Action::FinTimeout {
            idle: body.u16(WHAT)?,
            hard: body.u16(WHAT)?,
        },
        DEC_TTL_IDS => {
            let count = body.u16(WHAT)?;
            body.skip(4, WHAT)?;
            let mut ids = Reader::new(body.bytes(usize::from(count).saturating_mul(2), WHAT)?);
            let ids: Vec<u16> = std::iter::from_fn(|| ids.u16(WHAT).ok()).collect();
            if body.remaining() >= 8 {
                return Ok(None);
            }
            Action::DecTtlIds(ids)
        }
        WRITE_METADATA => {
            body.skip(6, WHAT)?;
            Action::WriteMetadata {
                value: body.u64(WHAT)?,
                mask: body.u64(WHAT)?,
            }
        }
        PUSH_MPLS => Action::PushMpls(body.u16(WHAT)?),
        POP_MPLS => Action::PopMpls(body.u16(WHAT)?),
        SET_MPLS_TTL => Action::SetMplsTtl(body.u8(WHAT)?),
        SET_MPLS_TC => {
            let tc = body.u8(WHAT)?;
            if tc > 7 {
                return Err(DecodeError::BadValue {
                    what: "mpls_tc",
                    value: tc.into(),
                });
            }
            Action::SetMplsTc(tc)
        }
        DEC_MPLS_TTL => Action::DecMplsTtl,
        STACK_PUSH | STACK_POP => {
            let offset = body.u16(WHAT)?;
            let field = read_field(body)?;
            let bits = body.u16(WHAT)?;
            let Some(part) = field.and_then(|field| Subfield::new(field, offset, bits).ok()) else {
                return Ok(None);
            };
            if subtype == STACK_PUSH {
                Action::StackPush(part)
            } else {
                Action::StackPop(part)
            }
        }
        CONJUNCTION => {
            let (clause, clauses) = (body.u8(WHAT)?, body.u8(WHAT)?);
            if !(2..=64).contains(&clauses) || clause >= clauses {
                return Err(DecodeError::BadValue {
                    what: "a conjunction's dimension",
                    value: clause.into(),
                });
            }
            Action::Conjunction {
                id: body.u32(WHAT)?,
                clause,
                clauses,
            }
        }
        OUTPUT_TRUNC => Action::OutputTruncated {
            port: PortNumber::read_u16(body, WHAT)?,
            max_len: body.u32(WHAT)?,
        },
        CT_CLEAR => Action::CtClear,
        DEC_NSH_TTL => Action::DecNshTtl,
        CHECK_PKT_LARGER => {
            let (length, offset) = (body.u16(WHAT)?, body.u16(WHAT)?);
            let target = read_field(body)?.and_then(|field| Subfield::new(field, offset, 1).ok());
            match target.filter(|_| body.remaining() < 8) {
                Some(target) => Action::CheckPacketLarger { length, target },
                None => return Ok(None),
            }
        }
        DELETE_FIELD => match read_field(body)? {
            Some(field) => Action::DeleteField(field),
            None => return Ok(None),
        },
        _ => return Ok(None),
    }))
}
