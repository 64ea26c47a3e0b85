//! The codec alone: what is written is read as the same, and no bytes whatever make it panic.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::element::{Element, ElementData, read_elements};
use crate::expression::{read_expression, read_expressions, write_expression};
use crate::message::{Answer, NEW_ELEMENT};
use crate::object::Object;
use crate::set::Set;
use crate::table::{Chain, Rule, Table};
use crate::wire::{Messages, Writer};
use crate::*;

fn register() -> impl Strategy<Value = Register> {
    (0u8..16).prop_filter_map("a slot", Register::from_slot)
}

fn one_of<T: Copy + std::fmt::Debug + 'static>(values: &'static [T]) -> impl Strategy<Value = T> {
    proptest::sample::select(values)
}

fn name() -> impl Strategy<Value = String> {
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

fn expression() -> impl Strategy<Value = Expression> {
    prop_oneof![loading(), computing(), stateful(), acting()]
}

fn comment() -> impl Strategy<Value = UserData> {
    "[ -~]{0,200}".prop_map(|text| UserData::comment(&text))
}

fn element() -> impl Strategy<Value = Element> {
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

fn set() -> impl Strategy<Value = Set> {
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

fn written(write: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer = Writer::default();
    write(&mut writer);
    writer.into_bytes()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn expressions_read_as_written(expression in expression()) {
        let bytes = written(|writer| write_expression(writer, &expression));
        prop_assert_eq!(read_expression(&bytes), Some(padded(expression)));
    }

    #[test]
    fn rules_read_as_written(
        chain in name(),
        expressions in vec(expression(), 0..8),
        userdata in comment(),
    ) {
        let expressions = expressions.into_iter().map(padded).collect();
        let rule = Rule { chain, expressions, userdata };
        let bytes = written(|writer| rule.write(writer, "t"));
        let read = Rule::read(&bytes).map(|(table, rule)| (table, rule.value));
        prop_assert_eq!(read, Some(("t".to_owned(), rule)));
    }

    #[test]
    fn elements_read_as_written(elements in vec(element(), 0..50)) {
        let table = TableId::new(Family::Bridge, "t");
        let mut batch = Batch::new(None);
        batch.add_elements(&table, "s", &elements);
        let bytes = batch.encode();
        let mut found = Vec::new();
        for message in Messages::new(&bytes).filter(|message| message.kind == NEW_ELEMENT) {
            let (_, attributes) = message.family_and_attributes().expect("whole");
            let (table, set, mut part) = read_elements(attributes).expect("well-formed");
            prop_assert_eq!((table.as_str(), set.as_str()), ("t", "s"));
            found.append(&mut part);
        }
        prop_assert_eq!(found, elements);
    }

    #[test]
    fn sets_read_as_written(set in set()) {
        let bytes = written(|writer| set.write(writer, "t", 1));
        let read = Set::read(&bytes).map(|(table, set)| (table, set.value));
        prop_assert_eq!(read, Some(("t".to_owned(), set)));
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in vec(any::<u8>(), 0..200)) {
        read_everything(&bytes);
    }

    /// Damaged but nearly right bytes reach further into the readers than random ones.
    #[test]
    fn damaged_bytes_are_read_without_panic(
        expressions in vec(expression(), 1..4),
        elements in vec(element(), 1..4),
        damage in vec((any::<proptest::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let table = TableId::new(Family::Bridge, "t");
        let mut batch = Batch::new(Some(1));
        batch.add_rule(&table, &Rule::new("c", expressions), Place::Last);
        batch.add_elements(&table, "s", &elements);
        let mut bytes = batch.encode();
        for (index, value) in damage {
            let length = bytes.len();
            bytes[index.index(length)] = value;
        }
        read_everything(&bytes);
        for message in Messages::new(&bytes) {
            if let Some((_, attributes)) = message.family_and_attributes() {
                read_everything(attributes);
            }
        }
    }

    #[test]
    fn comments_come_back(text in "\\PC{0,200}") {
        let read = UserData::comment(&text);
        let read = read.as_comment().expect("a comment");
        prop_assert!(text.starts_with(read) && read.len() <= COMMENT_LIMIT);
        prop_assert!(read.len() > COMMENT_LIMIT - 4 || read == text);
    }
}

/// Attributes are written at multiples of 4 bytes, so an opaque expression's odd bytes come back filled up; those
/// the kernel reports are never odd.
fn padded(expression: Expression) -> Expression {
    match expression {
        Expression::Opaque {
            name,
            attributes: Some(mut attributes),
        } => {
            attributes.resize(attributes.len().next_multiple_of(4), 0);
            Expression::Opaque {
                name,
                attributes: Some(attributes),
            }
        }
        other => other,
    }
}

fn read_everything(bytes: &[u8]) {
    let _ = read_expression(bytes);
    let _ = read_expressions(bytes);
    let _ = read_elements(bytes);
    let _ = Element::read(bytes);
    let _ = Table::read(7, bytes);
    let _ = Chain::read(bytes);
    let _ = Rule::read(bytes);
    let _ = Set::read(bytes);
    let _ = Object::read(bytes);
    let _ = UserData::from_bytes(bytes.to_vec()).as_comment();
    for message in Messages::new(bytes) {
        let _ = Answer::read(&message);
        let _ = monitor::read_event(&message);
        let _ = nflog::read_packet(&message).map(|packet| packet.frame());
    }
}

#[test]
fn deep_nests_end() {
    // A dynset within a dynset within …: deeper than the kernel allows, kept as bytes.
    let mut expression = Expression::NoTrack;
    for _ in 0..50 {
        expression = Expression::DynamicSet {
            set: "s".to_owned(),
            operation: DynamicOperation::Add,
            key: Register::R0,
            data: None,
            timeout: 0,
            invert: false,
            expressions: vec![expression],
        };
    }
    let bytes = written(|writer| write_expression(writer, &expression));
    let read = read_expression(&bytes).expect("readable");
    assert_eq!(written(|writer| write_expression(writer, &read)), bytes);
}

#[test]
fn registers_have_one_number_each() {
    let numbers: Vec<u32> = (0..16)
        .filter_map(Register::from_slot)
        .map(Register::number)
        .collect();
    assert_eq!(
        numbers,
        [1, 9, 10, 11, 2, 13, 14, 15, 3, 17, 18, 19, 4, 21, 22, 23]
    );
    for slot in 0..16 {
        let register = Register::from_slot(slot).expect("a slot");
        assert_eq!(Register::from_number(register.number()), Some(register));
        assert_eq!(
            Register::from_number(u32::from(slot) + 8),
            Some(register),
            "both numbers of a slot mean the same"
        );
    }
    assert_eq!(Register::R14.after(1), Some(Register::R15));
    assert_eq!(Register::R14.after(2), None);
}

#[test]
fn long_comments_are_cut_at_a_character() {
    let text = format!("{}ä", "x".repeat(127));
    let cut = UserData::comment(&text);
    assert_eq!(cut.as_comment(), Some("x".repeat(127).as_str()));
    let set = UserData::set(Some(ByteOrder::Host), None, Some("a\0b"));
    assert_eq!(set.as_set_comment(), Some("a"));
    assert_eq!(UserData::none().as_comment(), None);
}

#[test]
fn batches_are_written_once_and_read_the_same_every_time() {
    let table = TableId::new(Family::Bridge, "t");
    let mut batch = Batch::new(Some(7));
    batch.add_table(&crate::Table::new(table.clone()));
    batch.delete_chain(&table, "c");
    assert_eq!(batch.encode(), batch.encode());
    let descriptions: Vec<&str> = batch.descriptions().collect();
    assert_eq!(
        descriptions,
        ["add table bridge t", "delete chain bridge t c"]
    );
    let kinds: Vec<u16> = Messages::new(&batch.encode())
        .map(|message| message.kind)
        .collect();
    assert_eq!(kinds, [0x10, 0xa00, 0xa05, 0x11]);
}
