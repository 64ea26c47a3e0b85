use super::*;
use crate::build::{Extension, FrameBuilder, TcpFlags};
use crate::protocol::ip_protocol;

const A: MacAddress = MacAddress([2, 0, 0, 0, 0, 0xa]);
const B: MacAddress = MacAddress([2, 0, 0, 0, 0, 0xb]);

fn link() -> FrameBuilder {
    FrameBuilder::new(A, B)
}

fn v4(builder: FrameBuilder) -> crate::build::PacketBuilder {
    builder.ipv4([10, 0, 0, 5].into(), [10, 0, 0, 9].into())
}

fn v6() -> crate::build::PacketBuilder {
    link().ipv6(
        "2001:db8::5".parse().unwrap(),
        "2001:db8::9".parse().unwrap(),
    )
}

fn ipv6(bytes: &[u8]) -> Ipv6<'_> {
    match Frame::parse(bytes).unwrap().network {
        Network::Ipv6(ip) => ip,
        other => panic!("{other:?}"),
    }
}

fn is_malformed(bytes: &[u8]) -> bool {
    matches!(
        Frame::parse(bytes).unwrap().network,
        Network::Malformed { .. }
    )
}

#[test]
fn fewer_bytes_than_a_header_are_no_frame() {
    let bytes = link().ether(0x88cc, &[]);
    assert_eq!(bytes.len(), 14);
    assert!(Frame::parse(&bytes).is_ok());
    for length in 0..14 {
        let error = Frame::parse(&bytes[..length]).unwrap_err();
        assert_eq!(error, FrameError::TooShort { length });
    }
}

#[test]
fn a_cut_tag_is_dropped_as_skb_vlan_untag_does() {
    for protocol in [0x8100, 0x88a8] {
        let bytes = link().tag(protocol, 5).ether(0x0800, &[0, 0]);
        assert!(Frame::parse(&bytes).is_ok());
        for length in 14..20 {
            let error = Frame::parse(&bytes[..length]).unwrap_err();
            assert_eq!(error, FrameError::TruncatedTag { length });
        }
    }
}

#[test]
fn meta_protocol_follows_eth_type_trans() {
    let payload: &[u8] = &[0x42, 0x42, 3, 0];
    let raw: &[u8] = &[0xff, 0xff, 0, 0];
    // Builder, type on the wire, payload, meta protocol, field at 12, vid.
    for (frame, wire, payload, protocol, field, vid) in [
        (link(), 0x88cc, payload, 0x88cc, 0x88cc, None),
        (link(), 0x0600, payload, 0x0600, 0x0600, None),
        (link(), 0x05ff, payload, 0x0004, 0x05ff, None),
        (link(), 4, payload, 0x0004, 4, None),
        (link(), 4, raw, 0x0001, 4, None),
        (link(), 0, &[], 0x0004, 0, None),
        (link(), 0, &[0xff], 0x0004, 0, None),
        (link().vlan(7), 0x0806, payload, 0x0806, 0x8100, Some(7)),
        (link().vlan(7), 4, payload, 0x0004, 0x8100, Some(7)),
        (link().vlan(7), 4, raw, 0x0001, 0x8100, Some(7)),
        (
            link().tag(0x88a8, 0xe007),
            0x0800,
            payload,
            0x0800,
            0x88a8,
            Some(7),
        ),
        (
            link().vlan(7).vlan(8),
            0x0800,
            payload,
            0x8100,
            0x8100,
            Some(7),
        ),
        (
            link().tag(0x88a8, 7).vlan(8),
            0x0800,
            payload,
            0x8100,
            0x88a8,
            Some(7),
        ),
        (link().tag(0x9100, 7), 0x0800, payload, 0x9100, 0x9100, None),
    ] {
        let bytes = frame.ether(wire, payload);
        let parsed = Frame::parse(&bytes).unwrap();
        let seen = (
            parsed.protocol,
            parsed.ether_type_field,
            parsed.tag.map(Tag::vid),
        );
        assert_eq!(seen, (protocol, field, vid), "{bytes:02x?}");
        assert_eq!((parsed.source, parsed.destination), (A, B));
    }
}

#[test]
fn ip_behind_a_second_tag_is_not_seen() {
    let bytes = v4(link().vlan(1).vlan(2)).udp(1, 2).build();
    let frame = Frame::parse(&bytes).unwrap();
    assert_eq!(frame.network, Network::Other);
    assert_eq!(frame.transport_bytes(0, 2), None);
    assert_eq!(frame.network_bytes(0, 4), Some(&[0, 2, 8, 0][..]));
}

#[test]
fn tag_fields() {
    let bytes = link().tag(0x8100, 0xb123).ether(0x0806, &[0; 28]);
    let tag = Frame::parse(&bytes).unwrap().tag.unwrap();
    assert_eq!((tag.vid(), tag.pcp(), tag.dei()), (0x123, 5, true));
}

#[test]
fn link_loads_see_the_tag_put_back() {
    let bytes = link().vlan(7).ieee_802_3(&[0x42, 0x42, 3, 0]);
    let frame = Frame::parse(&bytes).unwrap();
    let load = |offset, length| frame.link_bytes(offset, length).map(Cow::into_owned);
    assert_eq!(load(12, 4), Some(vec![0x81, 0, 0, 7]));
    // skb->protocol stands where the length was; the payload follows unchanged.
    assert_eq!(load(16, 2), Some(vec![0, 4]));
    assert_eq!(load(14, 8), Some(vec![0, 7, 0, 4, 0x42, 0x42, 3, 0]));
    assert_eq!(load(17, 1), Some(vec![4]));
    assert_eq!(load(18, 2), Some(vec![0x42, 0x42]));
    assert_eq!(load(20, 3), None);
    assert_eq!(load(0, 6), Some(B.octets().to_vec()));
    assert_eq!(load(usize::MAX, 2), None);

    let untagged = link().ieee_802_3(&[0x42, 0x42, 3, 0]);
    let frame = Frame::parse(&untagged).unwrap();
    assert_eq!(frame.link_bytes(12, 4).unwrap(), &[0, 4, 0x42, 0x42][..]);
}

#[test]
fn ipv4_is_valid_as_nft_says() {
    let good = v4(link()).udp(1, 2).payload([0; 8]).build();
    assert!(!is_malformed(&good));
    let with = |offset: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[14 + offset] = value;
        bytes
    };
    assert!(is_malformed(&with(0, 0x44)), "header of 16 bytes");
    assert!(is_malformed(&with(0, 0x55)), "version 5");
    assert!(is_malformed(&with(0, 0x65)), "version 6");
    assert!(
        is_malformed(&with(0, 0x4f)),
        "header longer than the packet"
    );
    assert!(is_malformed(&with(3, 37)), "longer than the frame");
    assert!(is_malformed(&with(3, 19)), "shorter than its header");
    assert!(!is_malformed(&with(3, 20)), "header alone");
    assert!(!is_malformed(&with(10, 0)), "nft does not sum");
    assert!(is_malformed(&good[..14 + 19]));
    assert!(is_malformed(&good[..good.len() - 1]));
}

#[test]
fn ipv4_fields() {
    let bytes = v4(link().vlan(3))
        .options(&[1, 1, 1])
        .dscp(46)
        .hop_limit(9)
        .identification(0x1234)
        .fragment(0, true)
        .tcp(40000, 80, TcpFlags::SYN | TcpFlags::ACK)
        .build();
    let frame = Frame::parse(&bytes).unwrap();
    let Network::Ipv4(ip) = &frame.network else {
        panic!("{frame:?}");
    };
    assert_eq!(
        (ip.source, ip.destination),
        ([10, 0, 0, 5].into(), [10, 0, 0, 9].into())
    );
    assert_eq!(
        (ip.protocol, ip.dscp, ip.ttl, ip.header_length),
        (6, 46, 9, 24)
    );
    assert_eq!((ip.total_length, ip.identification), (44, 0x1234));
    assert!(ip.is_fragment() && ip.more_fragments && ip.fragment_offset == 0);
    let transport = frame.transport().unwrap();
    assert_eq!(transport.source_port(), Some(40000));
    assert_eq!(transport.destination_port(), Some(80));
    assert_eq!(transport.tcp_flags(), Some(0x12));
    assert_eq!(transport.readability(), Readability::Readable);
}

#[test]
fn a_later_fragment_has_no_transport_bytes() {
    let bytes = v4(link()).udp(1, 2).fragment(1, false).build();
    let frame = Frame::parse(&bytes).unwrap();
    let transport = frame.transport().unwrap();
    assert_eq!(transport.readability(), Readability::LaterFragment);
    assert_eq!(transport.destination_port(), None);
    assert_eq!(frame.transport_bytes(0, 0), None);
    assert_eq!(transport.protocol(), 17);
}

#[test]
fn short_counts_padding_as_loads_do() {
    for (protocol, least) in [
        (6, 20),
        (17, 8),
        (136, 8),
        (132, 12),
        (33, 12),
        (1, 8),
        (47, 0),
    ] {
        for present in 0..24 {
            let bytes = v4(link())
                .protocol(protocol)
                .payload(vec![0; present])
                .build();
            let frame = Frame::parse(&bytes).unwrap();
            let expected = if present < least {
                Readability::Short
            } else {
                Readability::Readable
            };
            assert_eq!(frame.transport().unwrap().readability(), expected);
        }
    }
    // The same packet, padded by a network card: its ports are zeros that are not its own.
    let bytes = v4(link().pad_to(60)).protocol(17).payload([0, 53]).build();
    let frame = Frame::parse(&bytes).unwrap();
    let transport = frame.transport().unwrap();
    assert_eq!(transport.readability(), Readability::Readable);
    assert_eq!(
        (transport.source_port(), transport.destination_port()),
        (Some(53), Some(0))
    );
    assert_eq!(transport.declared_bytes(), [0, 53]);
    assert_eq!(frame.padding().map(<[u8]>::len), Some(60 - 14 - 22));
    // Ports can be loaded from a TCP header cut behind them.
    let bytes = v4(link()).protocol(6).payload([0, 1, 0, 2]).build();
    let frame = Frame::parse(&bytes).unwrap();
    let transport = frame.transport().unwrap();
    assert_eq!(transport.destination_port(), Some(2));
    assert_eq!(
        (transport.readability(), transport.tcp_flags()),
        (Readability::Short, None)
    );
}

#[test]
fn the_extension_header_walk() {
    let hop = || Extension::hop_by_hop();
    let bytes = v6()
        .extension(hop())
        .extension(Extension::routing(0, 1, &["2001:db8::7".parse().unwrap()]))
        .extension(Extension::destination_options())
        .extension(Extension::fragment(0, true, 9))
        .udp(5, 53)
        .dscp(10)
        .build();
    let ip = ipv6(&bytes);
    assert_eq!((ip.next_header, ip.protocol, ip.dscp), (0, 17, 10));
    assert_eq!(ip.transport_offset, Some(40 + 8 + 24 + 8 + 8));
    assert!(ip.has_fragment_header && ip.more_fragments && ip.fragment_offset == 0);
    assert_eq!(ip.transport.destination_port(), Some(53));

    // nf_tables does not look behind an authentication header.
    let bytes = v6()
        .extension(Extension::authentication())
        .tcp(1, 2, TcpFlags::SYN)
        .build();
    let ip = ipv6(&bytes);
    assert_eq!((ip.protocol, ip.transport_offset), (51, Some(40)));
    assert_eq!(ip.transport.destination_port(), None);

    // No next header; a protocol that is no extension header to the kernel.
    for protocol in [59, 50, 135, 139, 253] {
        let bytes = v6().extension(hop()).protocol(protocol).build();
        assert_eq!(ipv6(&bytes).protocol, protocol);
    }
}

#[test]
fn later_fragments_of_ipv6() {
    let bytes = v6().udp(5, 53).fragment(3, true).build();
    let ip = ipv6(&bytes);
    assert_eq!(
        (ip.protocol, ip.fragment_offset, ip.transport_offset),
        (17, 3, None)
    );
    assert_eq!(ip.transport.readability(), Readability::LaterFragment);
    // It must name a protocol, and not another extension header; nothing to follow is a protocol.
    for (next, malformed) in [
        (0, true),
        (43, true),
        (44, true),
        (51, true),
        (60, true),
        (59, false),
    ] {
        let bytes = v6()
            .protocol(next)
            .payload([0; 32])
            .fragment(3, true)
            .build();
        assert_eq!(is_malformed(&bytes), malformed, "{next}");
    }
}

#[test]
fn broken_extension_headers_are_malformed() {
    let cut = |number: u8, bytes: &[u8]| {
        v6().extension(Extension::raw(number, bytes.to_vec()))
            .protocol(17)
            .build()
    };
    // Bytes after the next header field: hop-by-hop needs one, routing three, fragment three.
    for (number, least) in [(0, 1), (60, 1), (51, 1), (43, 3), (44, 3)] {
        for present in 0..8_usize {
            let bytes = cut(number, &vec![0; present]);
            assert_eq!(is_malformed(&bytes), present < least, "{number}, {present}");
        }
    }
    // A length that leads beyond the end is no mistake to the walk: there is just nothing there.
    let ip_bytes = cut(0, &[200, 0, 0, 0, 0, 0, 0]);
    let ip = ipv6(&ip_bytes);
    assert_eq!((ip.protocol, ip.transport_offset), (17, Some(40 + 201 * 8)));
    assert_eq!(ip.transport.readability(), Readability::Short);
    // But a second header must be there.
    let bytes = v6()
        .extension(Extension::raw(0, vec![200, 0, 0, 0, 0, 0, 0]))
        .extension(Extension::hop_by_hop())
        .protocol(17)
        .build();
    assert!(is_malformed(&bytes));
    let mut longer = v6().udp(1, 2).build();
    longer[14 + 5] += 1;
    assert!(is_malformed(&longer), "longer than the frame");
}

#[test]
fn arp_fields_and_missing_bytes() {
    let packet = crate::build::ArpPacket {
        operation: 2,
        sender_mac: A,
        sender_ip: [10, 0, 0, 5].into(),
        target_mac: B,
        target_ip: [10, 0, 0, 9].into(),
    };
    let arp = |bytes: &[u8]| match Frame::parse(bytes).unwrap().network {
        Network::Arp(arp) | Network::Rarp(arp) => arp,
        other => panic!("{other:?}"),
    };
    let bytes = link().arp(&packet);
    let whole = arp(&bytes);
    assert!(whole.is_ethernet_ipv4());
    assert_eq!((whole.operation, whole.sender_mac), (Some(2), Some(A)));
    assert_eq!(
        (whole.sender_ip, whole.target_ip),
        (Some(packet.sender_ip), Some(packet.target_ip))
    );
    let cut = arp(&bytes[..14 + 20]);
    assert_eq!(
        (cut.sender_ip, cut.target_mac),
        (Some(packet.sender_ip), None)
    );
    assert_eq!(arp(&bytes[..14]).hardware_type, None);
    let mut other = bytes.clone();
    other[14 + 4] = 8;
    let other = arp(&other);
    assert_eq!(
        (other.hardware_length, other.sender_mac, other.sender_ip),
        (Some(8), None, None)
    );
    assert!(matches!(
        Frame::parse(&link().rarp(&packet)).unwrap().network,
        Network::Rarp(_)
    ));
}

#[test]
fn neighbour_discovery_options() {
    use crate::build::nd_option;
    let target = "2001:db8::9".parse().unwrap();
    let options = [nd_option::nonce([7; 6]), nd_option::source_link_layer(A)].concat();
    let bytes = v6().neighbor_solicitation(target, &options).build();
    let frame = Frame::parse(&bytes).unwrap();
    let transport = frame.transport().unwrap();
    assert_eq!(transport.icmpv6(), Some((135, 0)));
    assert_eq!(transport.icmp(), None);
    assert_eq!(transport.nd_target(), Some(target));
    let kinds: Vec<_> = transport
        .nd_options()
        .map(|o| (o.kind, o.link_layer_address()))
        .collect();
    assert_eq!(kinds, [(14, None), (1, Some(A))]);
    assert_eq!(frame.transport_bytes(24 + 8 + 2, 6), Some(&A.octets()[..]));

    // One of length zero ends them; padding is no option.
    let bytes = FrameBuilder::new(A, B)
        .pad_to(120)
        .ipv6("fe80::1".parse().unwrap(), target)
        .router_solicitation(&[1, 0, 1, 1])
        .build();
    let frame = Frame::parse(&bytes).unwrap();
    assert_eq!(frame.transport().unwrap().nd_options().count(), 0);
}

#[test]
fn esp_and_others_have_no_ports() {
    let bytes = v4(link())
        .protocol(ip_protocol::ESP)
        .payload([1; 30])
        .build();
    let frame = Frame::parse(&bytes).unwrap();
    assert_eq!(frame.transport().unwrap().source_port(), None);
    assert_eq!(frame.transport_bytes(0, 4), Some(&[1; 4][..]));
}

#[test]
fn a_second_fragment_header_makes_a_later_fragment() {
    let bytes = v6()
        .flow_label(80)
        .extension(Extension::fragment(0, true, 1))
        .extension(Extension::fragment(1, false, 1))
        .tcp(1, 80, TcpFlags::SYN)
        .build();
    let ip = ipv6(&bytes);
    assert_eq!((ip.fragment_offset, ip.flow_label), (1, 80));
    assert_eq!(ip.transport.readability(), Readability::LaterFragment);
    assert_eq!(ip.transport.destination_port(), None);
}
