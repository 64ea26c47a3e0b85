use super::*;
use crate::port_number::PortNumber;

fn round_trip(wanted: &Match, version: Version) {
    let mut writer = Writer::new();
    wanted.encode(version, &mut writer).expect("encodes");
    let mut reader = Reader::new(writer.as_bytes());
    assert_eq!(
        &Match::decode(version, &mut reader).expect("decodes"),
        wanted
    );
    assert!(reader.is_empty());
}

#[test]
fn a_match_reads_back_in_every_version() {
    let wanted = Match::new()
        .exact(Field::EthType, 0x0800)
        .exact(Field::IpProto, 6)
        .exact(Field::TcpDst, 22)
        .exact(Field::InPort, PortNumber::LOCAL)
        .vlan(5)
        .prefix(Field::Ipv4Src, std::net::Ipv4Addr::new(10, 0, 0, 0), 8);
    for version in Version::ALL {
        round_trip(&wanted, version);
    }
    let mut nxm = Writer::new();
    wanted.encode_nxm(&mut nxm).expect("encodes");
    let read = Match::decode_nxm(&mut Reader::new(nxm.as_bytes())).expect("decodes");
    assert_eq!(
        read.get(Field::VlanTci),
        Some(&FieldMatch::masked(Field::VlanTci, 0x1005, 0x1fff))
    );
}

#[test]
fn an_unknown_field_is_kept() {
    let bytes = [
        0x12, 0x34, 0x02, 0x03, 1, 2, 3, 0x80, 0x00, 0x0a, 0x02, 0x08, 0x00,
    ];
    let read = Match::decode_nxm(&mut Reader::new(&bytes)).expect("decodes");
    assert_eq!(
        read.opaque().next().map(|opaque| opaque.payload.as_slice()),
        Some(&[1u8, 2, 3][..])
    );
    let mut writer = Writer::new();
    read.encode_fields(Version::V1_3, &mut writer)
        .expect("encodes");
    assert_eq!(writer.as_bytes(), bytes);
}
