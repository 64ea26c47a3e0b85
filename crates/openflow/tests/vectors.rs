//! Bytes written by hand from the specifications, for what no installed switch can judge and for what must never
//! change.

use openflow::action::{Ct, CtZone};
use openflow::text::{actions, parse_actions};
use openflow::wire::{DecodeError, EncodeError, Reader, Writer};
use openflow::{Action, Field, FieldMatch, Instruction, Match, PortNumber, Subfield, Version};

fn bytes(hex: &str) -> Vec<u8> {
    let digits: String = hex.chars().filter(|digit| !digit.is_whitespace()).collect();
    let pairs = digits.as_bytes().chunks(2);
    pairs
        .map(|pair| {
            u8::from_str_radix(std::str::from_utf8(pair).expect("digits"), 16).expect("digits")
        })
        .collect()
}

fn same_match(version: Version, wanted: &Match, hex: &str) {
    let mut writer = Writer::new();
    wanted.encode(version, &mut writer).expect("encodes");
    assert_eq!(writer.as_bytes(), bytes(hex));
    let mut reader = Reader::new(writer.as_bytes());
    assert_eq!(
        &Match::decode(version, &mut reader).expect("decodes"),
        wanted
    );
    assert!(reader.is_empty());
}

fn same_actions(version: Version, list: &[Action], hex: &str) {
    let mut writer = Writer::new();
    Action::encode_list(list, version, &mut writer).expect("encodes");
    assert_eq!(writer.as_bytes(), bytes(hex));
    assert_eq!(
        Action::decode_list(version, &mut Reader::new(writer.as_bytes())).expect("decodes"),
        list
    );
}

#[test]
fn a_match_of_each_form() {
    let ssh = Match::new()
        .exact(Field::InPort, 4)
        .exact(Field::EthSrc, [0x52, 0x54, 0, 0, 0, 1])
        .exact(Field::EthType, 0x0800)
        .prefix(Field::Ipv4Dst, std::net::Ipv4Addr::new(192, 168, 1, 0), 24)
        .exact(Field::IpProto, 6)
        .exact(Field::TcpSrc, 22);
    same_match(
        Version::V1_0,
        &ssh,
        "0032208a 0004 525400000001 000000000000 0000 00 00 0800 00 06 0000 00000000 c0a80100 0016 0000",
    );
    same_match(
        Version::V1_1,
        &ssh,
        "0000 0058 00000004 00000396 525400000001 000000000000 000000000000 ffffffffffff 0000 00 00 0800 00 06 \
         00000000 ffffffff c0a80100 000000ff 0016 0000 00000000 00 000000 0000000000000000 ffffffffffffffff",
    );
    same_match(
        Version::V1_3,
        &ssh,
        "0001 0033 80000004 00000004 80000806 525400000001 80000a02 0800 80001908 c0a80100 ffffff00 \
         80001401 06 80001a02 0016 0000000000",
    );
}

#[test]
fn fields_of_experimenters_and_of_other_switches() {
    let wanted = Match::new()
        .exact(Field::EthType, 0x88e7)
        .exact(Field::PbbIsid, 0x12_3456);
    same_match(
        Version::V1_3,
        &wanted,
        "0001 0011 80000a02 88e7 80004a03 123456 00000000000000",
    );
    let wanted = Match::new().masked(Field::TcpFlags, 2, 0x12);
    same_match(
        Version::V1_4,
        &wanted,
        "0001 0010 ffff5508 4f4e4600 0002 0012",
    );
    same_match(
        Version::V1_5,
        &wanted,
        "0001 000c 80005504 0002 0012 00000000",
    );
}

#[test]
fn actions_that_open_vswitch_has_not() {
    let list = [
        Action::CopyTtlOut,
        Action::CopyTtlIn,
        Action::PushPbb(0x88e7),
        Action::PopPbb,
    ];
    same_actions(
        Version::V1_3,
        &list,
        "000b0008 00000000 000c0008 00000000 001a0008 88e70000 001b0008 00000000",
    );
    assert_eq!(
        parse_actions(&actions(&list).to_string()).expect("reads"),
        list
    );
}

#[test]
fn a_field_is_set_in_each_version() {
    let list = [Action::set_field(Field::EthDst, [2, 0, 0, 0, 0, 9])];
    let sent = |version| {
        let mut writer = Writer::new();
        Action::encode_list(&list, version, &mut writer).expect("encodes");
        writer.into_bytes()
    };
    assert_eq!(
        sent(Version::V1_0),
        bytes("0005 0010 020000000009 000000000000")
    );
    assert_eq!(
        sent(Version::V1_1),
        bytes("0004 0010 020000000009 000000000000")
    );
    assert_eq!(
        sent(Version::V1_3),
        bytes("0019 0010 80000606 020000000009 0000")
    );
    assert_eq!(
        Action::as_sent(&list, Version::V1_0).expect("can be sent"),
        [Action::SetEthDst([2, 0, 0, 0, 0, 9])]
    );
    // What has no action of its own in 1.0 becomes one load for each run of bits.
    let masked = [Action::SetField(FieldMatch::masked(
        Field::Reg3,
        0x105,
        0xf0f,
    ))];
    let loads =
        parse_actions("load:5->NXM_NX_REG3[0..3],load:1->NXM_NX_REG3[8..11]").expect("reads");
    for version in [Version::V1_0, Version::V1_3] {
        assert_eq!(
            Action::as_sent(&masked, version).expect("can be sent"),
            loads
        );
    }
    assert_eq!(
        Action::as_sent(&masked, Version::V1_5).expect("can be sent"),
        masked
    );
}

#[test]
fn tracking_a_connection() {
    let zone = CtZone::Field(Subfield::new(Field::Reg6, 0, 16).expect("fits"));
    let mark = Action::Load {
        target: Subfield::whole(Field::CtMark),
        value: 1,
    };
    let ct = Ct {
        commit: true,
        zone,
        table: Some(5),
        actions: vec![mark],
        ..Ct::default()
    };
    same_actions(
        Version::V1_3,
        &[
            Action::Ct(Box::new(ct)),
            Action::Conjunction {
                id: 7,
                clause: 1,
                clauses: 2,
            },
        ],
        "ffff 0030 00002320 0023 0001 00010c04 000f 05 000000 0000 \
         ffff 0018 00002320 0007 001f 0001d604 0000000000000001 \
         ffff 0010 00002320 0022 01 02 00000007",
    );
}

#[test]
fn what_a_version_lacks_is_refused() {
    let refused = |result: Result<(), EncodeError>| {
        assert!(
            matches!(
                result,
                Err(EncodeError::NotInVersion { .. } | EncodeError::Unencodable { .. })
            ),
            "{result:?}"
        );
    };
    let mut writer = Writer::new();
    writer.u32(7);
    let reg = Match::new().exact(Field::Reg0, 1);
    refused(reg.encode(Version::V1_0, &mut writer));
    refused(reg.encode(Version::V1_1, &mut writer));
    // A match that a switch would read as wider than it is must not be sent.
    let port_alone = Match::new().exact(Field::TcpDst, 22);
    refused(port_alone.encode(Version::V1_0, &mut writer));
    refused(port_alone.encode(Version::V1_1, &mut writer));
    assert!(port_alone.check().is_err());
    let masked_mac = Match::new().masked(Field::EthSrc, [2, 0, 0, 0, 0, 0], [2, 0, 0, 0, 0, 0]);
    refused(masked_mac.encode(Version::V1_0, &mut writer));
    refused(
        Match::new()
            .exact(Field::VlanVid, 0x2001)
            .encode(Version::V1_3, &mut writer),
    );
    refused(
        Match::new()
            .exact(Field::InPort, 0x1_0000)
            .encode_nxm(&mut writer),
    );
    refused(Action::encode_list(
        &[Action::Meter(1)],
        Version::V1_4,
        &mut writer,
    ));
    refused(Action::encode_list(
        &[Action::output(0x1_0000)],
        Version::V1_0,
        &mut writer,
    ));
    refused(Instruction::encode_list(
        &[Instruction::Meter(1)],
        Version::V1_5,
        &mut writer,
    ));
    assert_eq!(writer.len(), 4, "what was refused left nothing behind");
}

#[test]
fn bytes_cut_short_are_refused() {
    let mut writer = Writer::new();
    let wanted = Match::new()
        .exact(Field::EthType, 0x0800)
        .exact(Field::IpProto, 6);
    wanted.encode(Version::V1_3, &mut writer).expect("encodes");
    Instruction::encode_list(
        &[Instruction::ApplyActions(vec![Action::output(3)])],
        Version::V1_3,
        &mut writer,
    )
    .expect("encodes");
    for length in 0..writer.len() {
        let mut reader = Reader::new(&writer.as_bytes()[..length]);
        let read = Match::decode(Version::V1_3, &mut reader)
            .and_then(|_| Instruction::decode_list(Version::V1_3, &mut reader));
        let whole_match = length == 16;
        assert_eq!(read.is_ok(), whole_match, "{length} bytes");
    }
    let twice = bytes("80000a02 0800 80000a02 0800");
    let read = Match::decode_fields(&mut Reader::new(&twice));
    assert_eq!(read, Err(DecodeError::DuplicateField { field: "eth_type" }));
}

#[test]
fn ports_have_two_numbers() {
    assert_eq!(PortNumber::LOCAL.to_u16(), Some(0xfffe));
    assert_eq!(PortNumber::from_u16(0xfffe), PortNumber::LOCAL);
    assert_eq!(PortNumber(0x1_0000).to_u16(), None);
    assert_eq!(PortNumber::from_name("none"), Some(PortNumber::ANY));
}

#[test]
fn the_order_of_fields_does_not_count() {
    let first = bytes("80000a02 0800 80001401 06");
    let second = bytes("80001401 06 80000a02 0800");
    let read = |bytes: &[u8]| Match::decode_fields(&mut Reader::new(bytes)).expect("decodes");
    assert_eq!(read(&first), read(&second));
    let mut writer = Writer::new();
    read(&second)
        .encode_fields(Version::V1_3, &mut writer)
        .expect("encodes");
    assert_eq!(writer.as_bytes(), second, "and is kept");
    let hash = |wanted: &Match| {
        use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
        BuildHasherDefault::<DefaultHasher>::default().hash_one(wanted)
    };
    assert_eq!(hash(&read(&first)), hash(&read(&second)));
}
