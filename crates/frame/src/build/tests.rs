use super::*;
use crate::protocol::ip_protocol;
use crate::{Frame, Ipv4, Ipv6, Network, Readability};

const A: MacAddress = MacAddress([2, 0, 0, 0, 0, 0xa]);
const B: MacAddress = MacAddress([2, 0, 0, 0, 0, 0xb]);

fn link() -> FrameBuilder {
    FrameBuilder::new(A, B)
}

fn v4() -> PacketBuilder {
    link().ipv4([10, 0, 0, 5].into(), [10, 0, 0, 9].into())
}

fn v6() -> PacketBuilder {
    link().ipv6(
        "2001:db8::5".parse().unwrap(),
        "2001:db8::9".parse().unwrap(),
    )
}

fn ipv4(bytes: &[u8]) -> Ipv4<'_> {
    match Frame::parse(bytes).unwrap().network {
        Network::Ipv4(ip) => ip,
        other => panic!("{other:?}"),
    }
}

fn ipv6(bytes: &[u8]) -> Ipv6<'_> {
    match Frame::parse(bytes).unwrap().network {
        Network::Ipv6(ip) => ip,
        other => panic!("{other:?}"),
    }
}

/// A receiver's check: header, pseudo header and body sum to zero.
fn sums_to_zero(frame: &[u8]) -> bool {
    let packet = &frame[14..];
    let parsed = Frame::parse(frame).unwrap();
    let transport = parsed.transport().unwrap();
    let body = transport.declared_bytes();
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    let protocol = [0, 0, 0, transport.protocol()];
    match &parsed.network {
        Network::Ipv4(ip) => {
            let header = &packet[..usize::from(ip.header_length)];
            let addresses: &[u8] = match transport.protocol() {
                ip_protocol::ICMP => &[],
                _ => &packet[12..20],
            };
            let pseudo: &[&[u8]] = &[addresses, &length, &protocol, body];
            let plain: &[&[u8]] = &[body];
            let parts = if addresses.is_empty() { plain } else { pseudo };
            checksum::internet(&[header]) == 0 && checksum::internet(parts) == 0
        }
        Network::Ipv6(_) => checksum::internet(&[&packet[8..40], &length, &protocol, body]) == 0,
        _ => false,
    }
}

#[test]
fn checksums_are_what_a_receiver_expects() {
    // Odd payloads as well as even ones.
    for payload in [&b""[..], b"x", b"hello", b"moat\0\0"] {
        for (name, packet) in [("v4", v4()), ("v6", v6())] {
            for (kind, packet) in [
                ("tcp", packet.clone().tcp(40000, 80, TcpFlags::SYN)),
                ("udp", packet.clone().udp(40000, 53)),
                ("udplite", packet.clone().udp_lite(1, 2)),
                ("dccp", packet.clone().dccp(1, 2)),
                ("icmp", packet.clone().icmp(8, 0, [0, 1, 0, 2])),
            ] {
                let bytes = packet.payload(payload).build();
                assert!(sums_to_zero(&bytes), "{name} {kind} {payload:?}");
            }
        }
        assert!(sums_to_zero(
            &v4().options(&[1]).udp(1, 2).payload(payload).build()
        ));
        let extended = v6().extension(Extension::hop_by_hop()).udp(1, 2);
        assert!(sums_to_zero(&extended.payload(payload).build()));
    }
    let group = "ff02::1:ff00:9".parse().unwrap();
    assert!(sums_to_zero(&v6().multicast_listener_report(group).build()));
    assert!(sums_to_zero(
        &v6()
            .neighbor_advertisement(group, &nd_option::mtu(1500))
            .build()
    ));
    assert!(sums_to_zero(
        &v4().dhcp(1, A, Ipv4Addr::UNSPECIFIED).build()
    ));
    assert!(sums_to_zero(&v6().dhcpv6(2, A).build()));
}

#[test]
fn known_checksums() {
    // The header of RFC 1071's readers: 45 00 00 73 … sums to b861.
    let header = [
        0x45, 0, 0, 0x73, 0, 0, 0x40, 0, 0x40, 0x11, 0, 0, 0xc0, 0xa8, 0, 1, 0xc0, 0xa8, 0, 0xc7,
    ];
    assert_eq!(checksum::internet(&[&header]), 0xb861);
    assert_eq!(checksum::internet(&[]), 0xffff);
    assert_eq!(checksum::crc32c(b"123456789"), 0xe306_9283);
}

#[test]
fn a_udp_checksum_of_zero_is_sent_as_ones() {
    // One payload word of all values meets the one that makes the sum zero.
    let zero = (0..=u16::MAX).find(|word| {
        let bytes = v4().udp(1, 2).payload(word.to_be_bytes()).build();
        let transport = &bytes[34..];
        assert_ne!(transport[6..8], [0, 0]);
        transport[6..8] == [0xff, 0xff]
    });
    assert!(zero.is_some());
}

#[test]
fn every_protocol_reads_back() {
    let cases: [(u8, PacketBuilder); 10] = [
        (6, v4().tcp(7, 9, TcpFlags::ACK)),
        (17, v4().udp(7, 9)),
        (136, v4().udp_lite(7, 9)),
        (132, v4().sctp(7, 9)),
        (33, v4().dccp(7, 9)),
        (6, v6().tcp(7, 9, TcpFlags::ACK)),
        (17, v6().udp(7, 9)),
        (136, v6().udp_lite(7, 9)),
        (132, v6().sctp(7, 9)),
        (33, v6().dccp(7, 9)),
    ];
    for (protocol, packet) in cases {
        let bytes = packet.build();
        let frame = Frame::parse(&bytes).unwrap();
        let transport = frame.transport().unwrap();
        assert_eq!(transport.protocol(), protocol);
        assert_eq!(transport.readability(), Readability::Readable);
        let ports = (transport.source_port(), transport.destination_port());
        assert_eq!(ports, (Some(7), Some(9)));
        assert_eq!(frame.padding(), Some(&[][..]));
    }
}

#[test]
fn an_icmp_error_quotes_the_packet() {
    let original = v4().udp(1, 2).payload([0; 1000]).build();
    let bytes = v4().icmp_error(3, 3, &original[14..]).build();
    let ip = ipv4(&bytes);
    assert_eq!((ip.total_length, ip.transport.icmp()), (576, Some((3, 3))));
    assert_eq!(ip.transport.load(8, 20), Some(&original[14..34]));
    let bytes = v6().icmp_error(1, 4, &original[14..]).build();
    assert_eq!(ipv6(&bytes).transport.icmpv6(), Some((1, 4)));
}

/// Puts the bodies of fragments together again, by their offsets.
fn join<'a>(pieces: impl Iterator<Item = (u16, bool, &'a [u8])>) -> Vec<u8> {
    let mut body = Vec::new();
    let mut last = false;
    for (offset, more, piece) in pieces {
        assert_eq!(usize::from(offset) * 8, body.len());
        assert!(!last, "a piece after the last");
        last = !more;
        body.extend(piece);
    }
    assert!(last);
    body
}

#[test]
fn fragments_of_ipv4_join_again() {
    let packet = || v4().options(&[1; 4]).udp(5, 53).payload([7; 3001]);
    let whole = packet().build();
    for mtu in [68, 576, 1500] {
        let pieces = fragment(&whole, mtu);
        assert!(pieces.len() > 1);
        assert!(pieces.iter().all(|piece| piece.len() <= 14 + mtu));
        let body = join(pieces.iter().map(|piece| {
            let ip = ipv4(piece);
            assert_eq!(checksum::internet(&[&piece[14..38]]), 0);
            (ip.fragment_offset, ip.more_fragments, &piece[38..])
        }));
        assert_eq!(body, whole[38..]);
    }
    assert_eq!(fragment(&whole, 9000), std::slice::from_ref(&whole));
    let piece = &fragment(&whole, 576)[0];
    assert_eq!(fragment(piece, 68), std::slice::from_ref(piece));
    let arp = link().ether(0x0806, &[0; 100]);
    assert_eq!(fragment(&arp, 68), [arp]);
}

#[test]
fn fragments_of_ipv6_join_again() {
    let whole = v6()
        .extension(Extension::hop_by_hop())
        .extension(Extension::destination_options())
        .extension(Extension::routing(0, 0, &[Ipv6Addr::LOCALHOST]))
        .extension(Extension::destination_options())
        .udp(5, 53)
        .payload([7; 3001])
        .build();
    for mtu in [136, 1280] {
        let pieces = fragment(&whole, mtu);
        assert!(pieces.len() > 1);
        let start = 14 + 40 + 8 + 8 + 24;
        for (index, piece) in pieces.iter().enumerate() {
            assert!(piece.len() <= 14 + mtu);
            let parsed = Frame::parse(piece).unwrap();
            // Destination options follow the fragment header: a later fragment that names an
            // extension header is malformed to nf_tables.
            let malformed = matches!(parsed.network, Network::Malformed { .. });
            assert_eq!(malformed, index > 0);
        }
        let body = join(pieces.iter().map(|piece| {
            let field = u16::from_be_bytes([piece[start + 2], piece[start + 3]]);
            assert_eq!(piece[start], ip_protocol::DESTINATION_OPTIONS);
            (field >> 3, field & 1 != 0, &piece[start + 8..])
        }));
        assert_eq!(body, whole[start..]);
    }
    let simple = v6().udp(5, 53).payload([7; 3001]).build();
    let pieces = fragment(&simple, 1280);
    let first = ipv6(&pieces[0]);
    assert_eq!(first.transport.destination_port(), Some(53));
    let body = join(pieces.iter().map(|piece| {
        let ip = ipv6(piece);
        assert_eq!(ip.protocol, 17);
        (ip.fragment_offset, ip.more_fragments, &piece[62..])
    }));
    assert_eq!(body, simple[54..]);
}

#[test]
fn dhcp_has_the_ports_of_its_side() {
    let ports = |bytes: &[u8]| {
        let frame = Frame::parse(bytes).unwrap();
        let transport = *frame.transport().unwrap();
        (
            transport.source_port().unwrap(),
            transport.destination_port().unwrap(),
        )
    };
    let yours = Ipv4Addr::new(10, 0, 0, 5);
    for kind in 1..=8 {
        let server = is_dhcp_server_message(kind);
        let expected = if server { (67, 68) } else { (68, 67) };
        assert_eq!(ports(&v4().dhcp(kind, A, yours).build()), expected);
    }
    for kind in 1..=13 {
        let server = is_dhcpv6_server_message(kind);
        let expected = if server { (547, 546) } else { (546, 547) };
        assert_eq!(ports(&v6().dhcpv6(kind, A).build()), expected);
    }
}

#[test]
fn spanning_tree_fields_stand_where_nft_looks() {
    let bytes = link().stp(&Bpdu {
        kind: 0,
        flags: 0x81,
        root_priority: 0x8000,
        root: A,
        root_cost: 4,
        bridge_priority: 0x7000,
        bridge: B,
        port: 0x8002,
        ..Bpdu::default()
    });
    let frame = Frame::parse(&bytes).unwrap();
    assert_eq!((frame.protocol, frame.ether_type_field), (4, 38));
    let load = |offset, length| frame.link_bytes(offset, length).unwrap().into_owned();
    assert_eq!(load(14, 3), [0x42, 0x42, 3]);
    assert_eq!(load(21, 1), [0x81]);
    assert_eq!(load(24, 6), A.octets());
    assert_eq!(load(30, 4), [0, 0, 0, 4]);
    assert_eq!(load(36, 6), B.octets());
    assert_eq!(load(42, 2), [0x80, 2]);
    let lldp = link().lldp("vnet0");
    assert_eq!(Frame::parse(&lldp).unwrap().protocol, 0x88cc);
}

#[test]
fn what_cannot_fit_is_made_all_the_same() {
    let huge = vec![0; 70_000];
    for bytes in [
        v4().udp(1, 2).payload(&huge).build(),
        v6().udp(1, 2).payload(&huge).build(),
        link().ieee_802_3(&huge),
        v4().options(&huge).build(),
        v6().extension(Extension::routing(0, 0, &[Ipv6Addr::LOCALHOST; 300]))
            .build(),
    ] {
        assert!(Frame::parse(&bytes).is_ok());
        assert!(!fragment(&bytes, 0).is_empty());
    }
    assert_eq!(link().pad_to(60).ether(0x0800, &[]).len(), 60);
}
