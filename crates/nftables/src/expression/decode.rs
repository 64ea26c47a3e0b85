//! Reads expressions from the attributes the kernel reports. What it does not know in every detail it keeps as
//! [`Expression::Opaque`]: nothing is lost, nothing is an error.

use super::{
    BitOperation, ByteOrderOperation, Comparison, ConnectionDirection, ConnectionKey,
    DynamicOperation, Expression, ExtensionKind, Log, LookupResult, MetaKey, PayloadBase, Reject,
};
use crate::object::{Counter, Limit, ObjectKind, Quota};
use crate::register::Register;
use crate::verdict::{Data, read_data, read_value};
use crate::wire::{
    Attributes, exact_fields, known_fields, read_string, read_u8, read_u16, read_u32, read_u64,
};

/// Flag of `dynset`: several expressions follow.
pub(super) const DYNAMIC_SEVERAL: u32 = 2;

/// The expressions of a list. `None` if the list itself is malformed.
pub(crate) fn read_expressions(bytes: &[u8]) -> Option<Vec<Expression>> {
    read_list(bytes, 0)
}

/// One expression from its name and data.
pub(crate) fn read_expression(bytes: &[u8]) -> Option<Expression> {
    read_at(bytes, 0)
}

/// Expressions contain expressions only in `dynset`, which cannot stand in an element: deeper is not the kernel's.
const DEPTH_LIMIT: usize = 2;

fn read_list(bytes: &[u8], depth: usize) -> Option<Vec<Expression>> {
    Attributes::new(bytes)
        .map(|attribute| read_at(attribute.ok()?.1, depth))
        .collect()
}

fn read_at(bytes: &[u8], depth: usize) -> Option<Expression> {
    let [_, name, data] = known_fields::<3>(bytes)?;
    let name = read_string(name?)?;
    if let Some(data) = data
        && depth < DEPTH_LIMIT
        && let Some(expression) = read_known(&name, data, depth)
    {
        return Some(expression);
    }
    // The kernel reports expressions without operands (notrack) without data.
    if name == "notrack" && data.is_none() {
        return Some(Expression::NoTrack);
    }
    Some(Expression::Opaque {
        name,
        attributes: data.map(<[u8]>::to_vec),
    })
}

fn read_known(name: &str, data: &[u8], depth: usize) -> Option<Expression> {
    match name {
        "meta" => read_meta(data),
        "payload" => read_payload(data),
        "cmp" => read_compare(data),
        "range" => read_range(data),
        "bitwise" => read_bitwise(data),
        "lookup" => read_lookup(data),
        "immediate" => read_immediate(data),
        "counter" => Counter::read(data).map(Expression::Counter),
        "limit" => Limit::read(data).map(Expression::Limit),
        "quota" => Quota::read(data).map(Expression::Quota),
        "log" => read_log(data).map(Expression::Log),
        "objref" => read_object(data),
        "ct" => read_connection(data),
        "notrack" => exact_fields::<0>(data).map(|_| Expression::NoTrack),
        "reject" => read_reject(data).map(Expression::Reject),
        "exthdr" => read_extension_header(data),
        "byteorder" => read_byte_order(data),
        "dynset" => read_dynamic_set(data, depth),
        _ => None,
    }
}

fn register(value: Option<&[u8]>) -> Option<Register> {
    Register::from_number(read_u32(value?)?)
}

fn read_meta(data: &[u8]) -> Option<Expression> {
    let [_, destination, key, source] = exact_fields::<4>(data)?;
    let key = MetaKey::from_number(read_u32(key?)?)?;
    match (destination, source) {
        (Some(_), None) => Some(Expression::Meta {
            key,
            destination: register(destination)?,
        }),
        (None, Some(_)) => Some(Expression::SetMeta {
            key,
            source: register(source)?,
        }),
        _ => None,
    }
}

fn read_payload(data: &[u8]) -> Option<Expression> {
    let [_, destination, base, offset, length] = exact_fields::<5>(data)?;
    Some(Expression::Payload {
        base: PayloadBase::from_number(read_u32(base?)?)?,
        offset: read_u32(offset?)?,
        length: read_u32(length?)?,
        destination: register(destination)?,
    })
}

fn read_compare(data: &[u8]) -> Option<Expression> {
    let [_, source, operator, value] = exact_fields::<4>(data)?;
    Some(Expression::Compare {
        source: register(source)?,
        operator: Comparison::from_number(read_u32(operator?)?)?,
        value: read_value(value?)?,
    })
}

fn read_range(data: &[u8]) -> Option<Expression> {
    let [_, source, operator, from, to] = exact_fields::<5>(data)?;
    let invert = match read_u32(operator?)? {
        0 => false,
        1 => true,
        _ => return None,
    };
    Some(Expression::Range {
        source: register(source)?,
        invert,
        from: read_value(from?)?,
        to: read_value(to?)?,
    })
}

fn read_bitwise(data: &[u8]) -> Option<Expression> {
    let [_, source, destination, length, mask, xor, operation, shift] = exact_fields::<8>(data)?;
    let length = read_u32(length?)?;
    // Kernels before 5.6 know only mask and xor, and do not name it.
    let operation = match (operation.map_or(Some(0), read_u32)?, mask, xor, shift) {
        (0, Some(mask), Some(xor), None) => {
            let (mask, xor) = (read_value(mask)?, read_value(xor)?);
            let stated = usize::try_from(length).ok()?;
            if mask.len() != stated || xor.len() != stated {
                return None;
            }
            BitOperation::MaskXor { mask, xor }
        }
        (kind @ (1 | 2), None, None, Some(shift)) => {
            let bits = u32::from_ne_bytes(read_value(shift)?.try_into().ok()?);
            match kind {
                1 => BitOperation::ShiftLeft { bits, length },
                _ => BitOperation::ShiftRight { bits, length },
            }
        }
        _ => return None,
    };
    Some(Expression::Bitwise {
        source: register(source)?,
        destination: register(destination)?,
        operation,
    })
}

fn read_lookup(data: &[u8]) -> Option<Expression> {
    let [_, set, source, destination, identity, flags] = exact_fields::<6>(data)?;
    if identity.is_some() {
        return None;
    }
    let result = match (destination.map(read_u32), flags.map_or(Some(0), read_u32)?) {
        (None, 0) => LookupResult::Present,
        (None, 1) => LookupResult::Absent,
        (Some(Some(0)), 0) => LookupResult::Verdict,
        (Some(Some(number)), 0) => LookupResult::Value(Register::from_number(number)?),
        _ => return None,
    };
    Some(Expression::Lookup {
        set: read_string(set?)?,
        source: register(source)?,
        result,
    })
}

fn read_immediate(data: &[u8]) -> Option<Expression> {
    let [_, destination, data] = exact_fields::<3>(data)?;
    match (read_u32(destination?)?, read_data(data?)?) {
        (0, Data::Verdict(verdict)) => Some(Expression::Verdict(verdict)),
        (number, Data::Value(value)) => Some(Expression::Immediate {
            destination: Register::from_number(number)?,
            value,
        }),
        _ => None,
    }
}

fn read_log(data: &[u8]) -> Option<Log> {
    let [_, group, prefix, snapshot, threshold, level, flags] = exact_fields::<7>(data)?;
    let prefix = prefix.map_or(Some(String::new()), read_string)?;
    match (group, level, flags) {
        (Some(group), None, None) => Some(Log::Group {
            group: read_u16(group)?,
            prefix,
            snapshot: match snapshot {
                Some(length) => Some(read_u32(length)?),
                None => None,
            },
            queue_threshold: threshold.map_or(Some(0), read_u16)?,
        }),
        (None, Some(level), flags) if snapshot.is_none() && threshold.is_none() => {
            Some(Log::Kernel {
                level: read_u32(level)?,
                flags: flags.map_or(Some(0), read_u32)?,
                prefix,
            })
        }
        _ => None,
    }
}

fn read_object(data: &[u8]) -> Option<Expression> {
    match exact_fields::<6>(data)? {
        [_, Some(kind), Some(name), None, None, None] => Some(Expression::Object {
            kind: ObjectKind(read_u32(kind)?),
            name: read_string(name)?,
        }),
        [_, None, None, source, Some(set), None] => Some(Expression::ObjectMap {
            set: read_string(set)?,
            source: register(source)?,
        }),
        _ => None,
    }
}

fn read_connection(data: &[u8]) -> Option<Expression> {
    let [_, destination, key, direction, source] = exact_fields::<5>(data)?;
    let key = ConnectionKey::from_number(read_u32(key?)?)?;
    let direction = match direction {
        Some(value) => Some(ConnectionDirection::from_number(u32::from(read_u8(
            value,
        )?))?),
        None => None,
    };
    match (destination, source) {
        (Some(_), None) => Some(Expression::Connection {
            key,
            direction,
            destination: register(destination)?,
        }),
        (None, Some(_)) => Some(Expression::SetConnection {
            key,
            direction,
            source: register(source)?,
        }),
        _ => None,
    }
}

fn read_reject(data: &[u8]) -> Option<Reject> {
    let [_, kind, code] = exact_fields::<3>(data)?;
    match (read_u32(kind?)?, code) {
        (0, Some(code)) => Some(Reject::Icmp(read_u8(code)?)),
        (1, _) => Some(Reject::TcpReset), // some kernels report a code of 0 with it
        (2, Some(code)) => Some(Reject::IcmpBothFamilies(read_u8(code)?)),
        _ => None,
    }
}

fn read_extension_header(data: &[u8]) -> Option<Expression> {
    let [_, destination, header, offset, length, flags, kind] = exact_fields::<7>(data)?;
    let presence = match flags.map_or(Some(0), read_u32)? {
        0 => false,
        1 => true,
        _ => return None,
    };
    Some(Expression::ExtensionHeader {
        kind: ExtensionKind::from_number(kind.map_or(Some(0), read_u32)?)?,
        header: read_u8(header?)?,
        offset: read_u32(offset?)?,
        length: read_u32(length?)?,
        presence,
        destination: register(destination)?,
    })
}

fn read_byte_order(data: &[u8]) -> Option<Expression> {
    let [_, source, destination, operation, length, size] = exact_fields::<6>(data)?;
    Some(Expression::ByteOrder {
        source: register(source)?,
        destination: register(destination)?,
        operation: ByteOrderOperation::from_number(read_u32(operation?)?)?,
        length: read_u32(length?)?,
        size: read_u32(size?)?,
    })
}

fn read_dynamic_set(data: &[u8], depth: usize) -> Option<Expression> {
    let [
        _,
        set,
        identity,
        operation,
        key,
        value,
        timeout,
        single,
        _,
        flags,
        several,
    ] = exact_fields::<11>(data)?;
    if identity.is_some() {
        return None;
    }
    let below = depth.checked_add(1)?;
    let expressions = match (single, several) {
        (None, None) => Vec::new(),
        (Some(single), None) => vec![read_at(single, below)?],
        (None, Some(several)) => read_list(several, below)?,
        _ => return None,
    };
    let flags = flags.map_or(Some(0), read_u32)?;
    if flags & !(1 | DYNAMIC_SEVERAL) != 0 {
        return None;
    }
    Some(Expression::DynamicSet {
        set: read_string(set?)?,
        operation: DynamicOperation::from_number(read_u32(operation?)?)?,
        key: register(key)?,
        data: match value {
            Some(value) => Some(register(Some(value))?),
            None => None,
        },
        timeout: timeout.map_or(Some(0), read_u64)?,
        invert: flags & 1 != 0,
        expressions,
    })
}
