//! Writes expressions as the attributes the kernel reads.

use super::{BitOperation, Expression, Log, LookupResult, Reject};
use crate::register::Register;
use crate::verdict::{write_value, write_verdict};
use crate::wire::Writer;

const LIST_ELEMENT: u16 = 1;
const NAME: u16 = 1;
const DATA: u16 = 2;
const VERDICT_REGISTER: u32 = 0;

/// A list of expressions under one attribute.
pub(crate) fn write_expressions(writer: &mut Writer, kind: u16, expressions: &[Expression]) {
    writer.nest(kind, |writer| {
        for expression in expressions {
            writer.nest(LIST_ELEMENT, |writer| write_expression(writer, expression));
        }
    });
}

/// An expression's name and data, without the attribute around them.
pub(crate) fn write_expression(writer: &mut Writer, expression: &Expression) {
    writer.string(NAME, expression.name());
    match expression {
        Expression::Opaque {
            attributes: None, ..
        } => {}
        _ => writer.nest(DATA, |writer| write_operands(writer, expression)),
    }
}

fn write_operands(writer: &mut Writer, expression: &Expression) {
    match expression {
        Expression::Meta { key, destination } => {
            register(writer, 1, *destination);
            writer.u32(2, key.number());
        }
        Expression::SetMeta { key, source } => {
            writer.u32(2, key.number());
            register(writer, 3, *source);
        }
        Expression::Payload {
            base,
            offset,
            length,
            destination,
        } => {
            register(writer, 1, *destination);
            writer.u32(2, base.number());
            writer.u32(3, *offset);
            writer.u32(4, *length);
        }
        Expression::Compare {
            source,
            operator,
            value,
        } => {
            register(writer, 1, *source);
            writer.u32(2, operator.number());
            write_value(writer, 3, value);
        }
        Expression::Range {
            source,
            invert,
            from,
            to,
        } => {
            register(writer, 1, *source);
            writer.u32(2, u32::from(*invert));
            write_value(writer, 3, from);
            write_value(writer, 4, to);
        }
        Expression::Bitwise {
            source,
            destination,
            operation,
        } => {
            register(writer, 1, *source);
            register(writer, 2, *destination);
            write_bit_operation(writer, operation);
        }
        Expression::Lookup {
            set,
            source,
            result,
        } => {
            writer.string(1, set);
            register(writer, 2, *source);
            match result {
                LookupResult::Present => {}
                LookupResult::Absent => writer.u32(5, 1),
                LookupResult::Verdict => writer.u32(3, VERDICT_REGISTER),
                LookupResult::Value(destination) => register(writer, 3, *destination),
            }
        }
        Expression::Immediate { destination, value } => {
            register(writer, 1, *destination);
            write_value(writer, 2, value);
        }
        Expression::Verdict(verdict) => {
            writer.u32(1, VERDICT_REGISTER);
            write_verdict(writer, 2, verdict);
        }
        Expression::Counter(counter) => counter.write(writer),
        Expression::Limit(limit) => limit.write(writer),
        Expression::Quota(quota) => quota.write(writer),
        Expression::Log(log) => write_log(writer, log),
        Expression::Object { kind, name } => {
            writer.u32(1, kind.0);
            writer.string(2, name);
        }
        Expression::ObjectMap { set, source } => {
            register(writer, 3, *source);
            writer.string(4, set);
        }
        Expression::Connection {
            key,
            direction,
            destination,
        } => {
            register(writer, 1, *destination);
            writer.u32(2, key.number());
            write_direction(writer, *direction);
        }
        Expression::SetConnection {
            key,
            direction,
            source,
        } => {
            writer.u32(2, key.number());
            write_direction(writer, *direction);
            register(writer, 4, *source);
        }
        Expression::NoTrack => {}
        Expression::Reject(reject) => write_reject(writer, *reject),
        Expression::ExtensionHeader {
            kind,
            header,
            offset,
            length,
            presence,
            destination,
        } => {
            register(writer, 1, *destination);
            writer.u8(2, *header);
            writer.u32(3, *offset);
            writer.u32(4, *length);
            writer.u32(5, u32::from(*presence));
            writer.u32(6, kind.number());
        }
        Expression::ByteOrder {
            source,
            destination,
            operation,
            length,
            size,
        } => {
            register(writer, 1, *source);
            register(writer, 2, *destination);
            writer.u32(3, operation.number());
            writer.u32(4, *length);
            writer.u32(5, *size);
        }
        Expression::DynamicSet {
            set,
            operation,
            key,
            data,
            timeout,
            invert,
            expressions,
        } => {
            writer.string(1, set);
            writer.u32(3, operation.number());
            register(writer, 4, *key);
            if let Some(data) = data {
                register(writer, 5, *data);
            }
            if *timeout != 0 {
                writer.u64(6, *timeout);
            }
            // The kernel takes a single expression under one attribute, several under another with a flag.
            let mut flags = u32::from(*invert);
            match expressions.as_slice() {
                [] => {}
                [single] => writer.nest(7, |writer| write_expression(writer, single)),
                several => {
                    flags |= super::decode::DYNAMIC_SEVERAL;
                    write_expressions(writer, 10, several);
                }
            }
            writer.u32(9, flags);
        }
        Expression::Opaque { attributes, .. } => {
            writer.raw(attributes.as_deref().unwrap_or_default());
        }
    }
}

fn register(writer: &mut Writer, kind: u16, register: Register) {
    writer.u32(kind, register.number());
}

fn write_direction(writer: &mut Writer, direction: Option<super::ConnectionDirection>) {
    if let Some(direction) = direction {
        writer.u8(3, u8::from(direction == super::ConnectionDirection::Reply));
    }
}

fn write_bit_operation(writer: &mut Writer, operation: &BitOperation) {
    match operation {
        BitOperation::MaskXor { mask, xor } => {
            writer.u32(3, u32::try_from(mask.len()).unwrap_or(u32::MAX));
            writer.u32(6, 0);
            write_value(writer, 4, mask);
            write_value(writer, 5, xor);
        }
        BitOperation::ShiftLeft { bits, length } => write_shift(writer, 1, *bits, *length),
        BitOperation::ShiftRight { bits, length } => write_shift(writer, 2, *bits, *length),
    }
}

fn write_shift(writer: &mut Writer, operation: u32, bits: u32, length: u32) {
    writer.u32(3, length);
    writer.u32(6, operation);
    // Register content, hence in the machine's order, unlike every number around it.
    write_value(writer, 7, &bits.to_ne_bytes());
}

fn write_log(writer: &mut Writer, log: &Log) {
    let prefix = match log {
        Log::Group { prefix, .. } | Log::Kernel { prefix, .. } => prefix,
    };
    if !prefix.is_empty() {
        writer.string(2, prefix);
    }
    match log {
        Log::Group {
            group,
            snapshot,
            queue_threshold,
            ..
        } => {
            writer.u16(1, *group);
            if let Some(length) = snapshot {
                writer.u32(3, *length);
            }
            if *queue_threshold != 0 {
                writer.u16(4, *queue_threshold);
            }
        }
        Log::Kernel { level, flags, .. } => {
            writer.u32(5, *level);
            if *flags != 0 {
                writer.u32(6, *flags);
            }
        }
    }
}

fn write_reject(writer: &mut Writer, reject: Reject) {
    let (kind, code) = match reject {
        Reject::Icmp(code) => (0, Some(code)),
        Reject::TcpReset => (1, None),
        Reject::IcmpBothFamilies(code) => (2, Some(code)),
    };
    writer.u32(1, kind);
    if let Some(code) = code {
        writer.u8(2, code);
    }
}
