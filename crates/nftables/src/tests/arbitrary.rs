//! Any expression, element and set that can be written.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::*;

fn register() -> impl Strategy<Value = Register> {
    (0u8..16).prop_filter_map("a slot", Register::from_slot)
}

fn one_of<T: Copy + std::fmt::Debug + 'static>(values: &'static [T]) -> impl Strategy<Value = T> {
    proptest::sample::select(values)
}

pub(super) fn name() -> impl Strategy<Value = String> {
    "[a-z0-9-]{1,20}"
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 1..=16)
}

fn verdict() -> impl Strategy<Value = Verdict> {
    prop_oneof![
        Just(Verdict::Accept),
        Just(Verdict::Drop),
        Just(Verdict::Continue),
        Just(Verdict::Break),
        Just(Verdict::Return),
        name().prop_map(Verdict::Jump),
        name().prop_map(Verdict::Goto),
        (2i32..9).prop_map(Verdict::Other),
    ]
}

fn limit() -> impl Strategy<Value = Limit> {
    let units = one_of(LimitUnit::ALL);
    (
        units,
        any::<u64>(),
        any::<u64>(),
        any::<u32>(),
        any::<bool>(),
    )
        .prop_map(|(unit, rate, per_seconds, burst, over)| Limit {
            unit,
            rate,
            per_seconds,
            burst,
            over,
        })
}

fn counter() -> impl Strategy<Value = Counter> {
    (any::<u64>(), any::<u64>()).prop_map(|(packets, bytes)| Counter { packets, bytes })
}

fn quota() -> impl Strategy<Value = Quota> {
    (any::<u64>(), any::<bool>(), any::<u64>()).prop_map(|(bytes, over, consumed)| Quota {
        bytes,
        over,
        consumed,
    })
}

fn log() -> impl Strategy<Value = Log> {
    let prefix = "[ -~]{0,30}";
    prop_oneof![
        (any::<u16>(), prefix, any::<Option<u32>>(), any::<u16>()).prop_map(
            |(group, prefix, snapshot, queue_threshold)| Log::Group {
                group,
                prefix,
                snapshot,
                queue_threshold,
            }
        ),
        (0u32..9, any::<u32>(), prefix).prop_map(|(level, flags, prefix)| Log::Kernel {
            level,
            flags,
            prefix,
        }),
    ]
}

fn bit_operation() -> impl Strategy<Value = BitOperation> {
    prop_oneof![
        vec((any::<u8>(), any::<u8>()), 1..=16).prop_map(|pairs| {
            let (mask, xor) = pairs.into_iter().unzip();
            BitOperation::MaskXor { mask, xor }
        }),
        (0u32..32, 1u32..16).prop_map(|(bits, length)| BitOperation::ShiftLeft { bits, length }),
        (0u32..32, 1u32..16).prop_map(|(bits, length)| BitOperation::ShiftRight { bits, length }),
    ]
}

fn lookup_result() -> impl Strategy<Value = LookupResult> {
    prop_oneof![
        Just(LookupResult::Present),
        Just(LookupResult::Absent),
        Just(LookupResult::Verdict),
        register().prop_map(LookupResult::Value),
    ]
}

fn reject() -> impl Strategy<Value = Reject> {
    prop_oneof![
        any::<u8>().prop_map(Reject::Icmp),
        Just(Reject::TcpReset),
        any::<u8>().prop_map(Reject::IcmpBothFamilies),
    ]
}

fn loading() -> impl Strategy<Value = Expression> {
    let meta = one_of(MetaKey::ALL);
    let key = one_of(ConnectionKey::ALL);
    let direction = proptest::option::of(one_of(ConnectionDirection::ALL));
    prop_oneof![
        (meta, register()).prop_map(|(key, destination)| Expression::Meta { key, destination }),
        (one_of(MetaKey::ALL), register())
            .prop_map(|(key, source)| Expression::SetMeta { key, source }),
        (
            one_of(PayloadBase::ALL),
            any::<u32>(),
            any::<u32>(),
            register()
        )
            .prop_map(|(base, offset, length, destination)| Expression::Payload {
                base,
                offset,
                length,
                destination,
            }),
        (key, direction, register(), any::<bool>()).prop_map(|(key, direction, register, load)| {
            if load {
                Expression::Connection {
                    key,
                    direction,
                    destination: register,
                }
            } else {
                Expression::SetConnection {
                    key,
                    direction,
                    source: register,
                }
            }
        }),
        (
            one_of(ExtensionKind::ALL),
            any::<(u8, u32, u32, bool)>(),
            register()
        )
            .prop_map(|(kind, (header, offset, length, presence), destination)| {
                Expression::ExtensionHeader {
                    kind,
                    header,
                    offset,
                    length,
                    presence,
                    destination,
                }
            }),
        (register(), value())
            .prop_map(|(destination, value)| Expression::Immediate { destination, value }),
    ]
}

fn computing() -> impl Strategy<Value = Expression> {
    prop_oneof![
        (register(), one_of(Comparison::ALL), value()).prop_map(|(source, operator, value)| {
            Expression::Compare {
                source,
                operator,
                value,
            }
        }),
        (register(), any::<bool>(), value(), value()).prop_map(|(source, invert, from, to)| {
            Expression::Range {
                source,
                invert,
                from,
                to,
            }
        }),
        (register(), register(), bit_operation()).prop_map(|(source, destination, operation)| {
            Expression::Bitwise {
                source,
                destination,
                operation,
            }
        }),
        (name(), register(), lookup_result()).prop_map(|(set, source, result)| {
            Expression::Lookup {
                set,
                source,
                result,
            }
        }),
        (
            register(),
            register(),
            one_of(ByteOrderOperation::ALL),
            any::<u32>(),
            any::<u32>()
        )
            .prop_map(|(source, destination, operation, length, size)| {
                Expression::ByteOrder {
                    source,
                    destination,
                    operation,
                    length,
                    size,
                }
            }),
    ]
}

fn stateful() -> impl Strategy<Value = Expression> {
    prop_oneof![
        counter().prop_map(Expression::Counter),
        limit().prop_map(Expression::Limit),
        quota().prop_map(Expression::Quota),
    ]
}

fn acting() -> impl Strategy<Value = Expression> {
    prop_oneof![
        verdict().prop_map(Expression::Verdict),
        log().prop_map(Expression::Log),
        (any::<u32>(), name()).prop_map(|(kind, name)| Expression::Object {
            kind: ObjectKind(kind),
            name,
        }),
        (name(), register()).prop_map(|(set, source)| Expression::ObjectMap { set, source }),
        Just(Expression::NoTrack),
        reject().prop_map(Expression::Reject),
        (
            name(),
            one_of(DynamicOperation::ALL),
            register(),
            proptest::option::of(register()),
            any::<(u64, bool)>(),
            vec(stateful(), 0..3),
        )
            .prop_map(
                |(set, operation, key, data, (timeout, invert), expressions)| {
                    Expression::DynamicSet {
                        set,
                        operation,
                        key,
                        data,
                        timeout,
                        invert,
                        expressions,
                    }
                }
            ),
        (name(), proptest::option::of(vec(any::<u8>(), 0..40))).prop_map(|(name, attributes)| {
            Expression::Opaque {
                name: format!("x-{name}"),
                attributes,
            }
        }),
    ]
}

pub(super) fn expression() -> impl Strategy<Value = Expression> {
    prop_oneof![loading(), computing(), stateful(), acting()]
}

pub(super) fn comment() -> impl Strategy<Value = UserData> {
    "[ -~]{0,200}".prop_map(|text| UserData::comment(&text))
}

pub(super) fn element() -> impl Strategy<Value = Element> {
    let data = prop_oneof![
        Just(None),
        verdict().prop_map(|verdict| Some(ElementData::Verdict(verdict))),
        value().prop_map(|value| Some(ElementData::Value(value))),
        name().prop_map(|name| Some(ElementData::Object(name))),
    ];
    (
        value(),
        proptest::option::of(value()),
        any::<(bool, bool)>(),
        data,
        any::<Option<u64>>(),
        vec(stateful(), 0..3),
        comment(),
    )
        .prop_map(
            |(key, key_end, (interval_end, catch_all), data, timeout, expressions, userdata)| {
                Element {
                    key,
                    key_end,
                    interval_end,
                    catch_all,
                    data,
                    timeout,
                    expressions,
                    userdata,
                }
            },
        )
}

pub(super) fn set() -> impl Strategy<Value = Set> {
    let data = prop_oneof![
        Just(SetData::None),
        Just(SetData::Verdict),
        (0u32..60, any::<u32>()).prop_map(|(type_id, length)| SetData::Value { type_id, length }),
        (0u32..11).prop_map(|kind| SetData::Object(ObjectKind(kind))),
    ];
    let key =
        (any::<(u32, u32)>(), vec(any::<u32>(), 0..6)).prop_map(|((type_id, length), fields)| {
            Key {
                type_id,
                length,
                fields,
            }
        });
    (
        name(),
        key,
        data,
        any::<(bool, bool, bool, bool, bool)>(),
        any::<(Option<u32>, Option<u64>)>(),
        vec(stateful(), 0..3),
        vec(any::<u8>(), 0..20),
    )
        .prop_map(
            |(name, key, data, flags, (size, timeout), expressions, userdata)| {
                let (anonymous, constant, interval, has_timeout, dynamic) = flags;
                Set {
                    name,
                    key,
                    data,
                    flags: SetFlags {
                        anonymous,
                        constant,
                        interval,
                        timeout: has_timeout,
                        dynamic,
                    },
                    size,
                    timeout,
                    expressions,
                    userdata: UserData::from_bytes(userdata),
                }
            },
        )
}
