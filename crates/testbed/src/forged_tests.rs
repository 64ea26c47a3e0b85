//! Here and not below `forged`, which the guest's program is compiled from as well.

use crate::forged::{Identities, Kind};
use crate::marked_frame::{checksum, marker_of};

const MAC: [u8; 6] = [0x52, 0x54, 0, 0, 0, 1];

fn frame(kind: Kind) -> Vec<u8> {
    kind.frame(&Identities::of(MAC), 0x0001_0203)
}

#[test]
fn every_frame_ends_in_its_kind_and_number() {
    for &kind in Kind::ALL {
        let marker = marker_of(&frame(kind)).expect("a marker");
        assert_eq!(Kind::of_marker(marker), Some((kind, 0x0001_0203)));
    }
    assert_eq!(Kind::of_marker(0), None);
}

#[test]
fn each_forged_frame_is_forged_in_one_way() {
    for kind in Kind::forged() {
        let bytes = frame(kind);
        let foreign = [0x52, 0x54, 0, 0, 0, 66];
        let sender = bytes.get(6..12).expect("a source");
        let expected = match kind {
            Kind::ForeignMac | Kind::ForeignIdentity | Kind::Rarp => foreign,
            _ => MAC,
        };
        assert_eq!(sender, expected, "{kind:?}");
    }
    let address = |kind: Kind| frame(kind).get(26..30).map(<[u8]>::to_vec);
    assert_eq!(address(Kind::Honest), Some(vec![10, 0, 0, 1]));
    assert_eq!(address(Kind::ForeignMac), Some(vec![10, 0, 0, 1]));
    assert_eq!(address(Kind::ForeignIpv4), Some(vec![10, 0, 0, 66]));
    assert_eq!(address(Kind::ForeignIdentity), Some(vec![10, 0, 0, 66]));
}

#[test]
fn lengths_and_checksums_are_right() {
    for &kind in Kind::ALL {
        let bytes = frame(kind);
        let (header, packet) = bytes.split_at(14);
        match header.get(12..) {
            Some([0x08, 0x00]) => {
                let (ip, datagram) = packet.split_at(20);
                assert_eq!(ip.get(2..4), Some(&length(packet)[..]), "{kind:?}");
                assert_eq!(checksum(&[ip]), 0, "{kind:?}");
                let pseudo = [&ip[12..20], &[0, 17], &length(datagram)].concat();
                assert_eq!(checksum(&[&pseudo, datagram]), 0, "{kind:?}");
            }
            Some([0x86, 0xdd]) => {
                let (ip, payload) = packet.split_at(40);
                assert_eq!(ip.get(4..6), Some(&length(payload)[..]), "{kind:?}");
                let rest = [0, 0, 0, 0, 0, ip[6]];
                let pseudo = [&ip[8..40], &length(payload), &rest[..]].concat();
                assert_eq!(checksum(&[&pseudo, payload]), 0, "{kind:?}");
            }
            _ => {}
        }
    }
}

fn length(bytes: &[u8]) -> [u8; 2] {
    u16::try_from(bytes.len()).expect("short").to_be_bytes()
}
