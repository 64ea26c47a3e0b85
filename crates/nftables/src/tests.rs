//! The codec alone: what is written is read as the same, and no bytes whatever make it panic.

mod arbitrary;

use proptest::collection::vec;
use proptest::prelude::*;

use crate::chain::Chain;
use crate::element::{Element, read_elements};
use crate::expression::{read_expression, read_expressions, write_expression};
use crate::message::{Answer, NEW_ELEMENT};
use crate::object::Object;
use crate::rule::Rule;
use crate::set::Set;
use crate::table::Table;
use crate::wire::{MessageHeader, Messages, Writer};
use crate::*;
use arbitrary::{comment, element, expression, name, set};

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

/// A VLAN tag that the kernel took out of the frame is put back where it was.
#[test]
fn logged_frames_get_their_tag_back() {
    const LOGGED: u16 = 0x400;
    let header = MessageHeader {
        kind: LOGGED,
        family: 7,
        resource: 77,
        ..MessageHeader::default()
    };
    let addresses = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
    let bytes = written(|writer| {
        writer.message(header, |writer| {
            writer.attribute(1, &[0x08, 0x06, 4, 0]);
            writer.string(10, "moat:1");
            writer.nest(20, |writer| {
                writer.u16(1, 0x8100);
                writer.u16(2, 0x6064);
            });
            writer.attribute(21, &[addresses.as_slice(), &[0x08, 0x06]].concat());
            writer.attribute(9, &[0xaa, 0xbb]);
        });
    });
    let message = Messages::new(&bytes).next().expect("one message");
    let packet = nflog::read_packet(&message).expect("readable");
    assert_eq!(
        (packet.group, packet.hook, packet.protocol),
        (77, 4, 0x0806)
    );
    assert_eq!(packet.prefix, "moat:1");
    let tagged = [0x81, 0x00, 0x60, 0x64, 0x08, 0x06, 0xaa, 0xbb];
    assert_eq!(
        packet.frame(),
        Some([addresses.as_slice(), &tagged].concat())
    );
}
