use super::*;
use crate::{Frame, Network};

const A: MacAddress = MacAddress([0x52, 0x54, 0, 0, 0, 1]);
const B: MacAddress = MacAddress([0x52, 0x54, 0, 0, 0, 2]);

/// As they are printed.
const SPECS: &[&str] = &[
    "tcp 10.0.0.5:40000 > 10.0.0.9:80 flags syn",
    "tcp 10.0.0.5:40000 > 10.0.0.9:80 flags syn,ack",
    "tcp 10.0.0.5:40000 > 10.0.0.9:80 flags none",
    "tcp [2001:db8::5]:40000 > [2001:db8::9]:80 flags rst,ack",
    "udp [2001:db8::5]:5000 > [2001:db8::9]:53",
    "udp 10.0.0.5:5000 > 224.0.0.251:5353",
    "udplite 10.0.0.5:1 > 10.0.0.9:2",
    "sctp 10.0.0.5:1 > 10.0.0.9:2",
    "dccp [2001:db8::5]:1 > [2001:db8::9]:2",
    "icmp 10.0.0.5 > 10.0.0.9 echo-request",
    "icmp 10.0.0.5 > 10.0.0.9 echo-reply",
    "icmp 10.0.0.5 > 10.0.0.9 type 3 code 1",
    "icmp 10.0.0.5 > 10.0.0.9 type 8 code 1",
    "icmp6 2001:db8::5 > 2001:db8::9 echo-request",
    "icmp6 2001:db8::5 > 2001:db8::9 type 2 code 0",
    "arp request 10.0.0.5 > 10.0.0.9",
    "arp reply 10.0.0.5 > 10.0.0.9",
    "arp reply 10.0.0.5 > 10.0.0.9 sender 52:54:00:00:00:09",
    "rarp request 0.0.0.0 > 0.0.0.0",
    "rarp reply 10.0.0.5 > 10.0.0.9",
    "ns fe80::1 target 2001:db8::9",
    "ns fe80::1 target 2001:db8::9 link-layer 52:54:00:00:00:09",
    "ns :: target 2001:db8::9",
    "na fe80::1 target fe80::1",
    "ra fe80::1",
    "rs fe80::1",
    "dhcp discover 0.0.0.0 > 255.255.255.255",
    "dhcp offer 10.0.0.1 > 10.0.0.5",
    "dhcp request 0.0.0.0 > 255.255.255.255",
    "dhcp ack 10.0.0.1 > 255.255.255.255",
    "dhcpv6 solicit fe80::1 > ff02::1:2",
    "dhcpv6 advertise fe80::2 > fe80::1",
    "ip proto 47 10.0.0.5 > 10.0.0.9",
    "ip proto 50 2001:db8::5 > 2001:db8::9",
    "ether 0x88cc",
    "ether 0x0100",
];

const SUFFIXES: &[&str] = &[
    "",
    " vlan 7",
    " mac 52:54:00:00:00:03 > 01:00:5e:00:00:fb",
    " vlan 7 mac 52:54:00:00:00:03 > ff:ff:ff:ff:ff:ff",
];

#[test]
fn what_is_printed_is_read_again() {
    for text in SPECS {
        for suffix in SUFFIXES {
            let text = format!("{text}{suffix}");
            let spec: FrameSpec = text
                .parse()
                .unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(spec.to_string(), text);
        }
    }
}

#[test]
fn what_is_unsaid_has_a_usual_value() {
    for (short, long) in [
        (
            "tcp 10.0.0.5:1 > 10.0.0.9:2",
            "tcp 10.0.0.5:1 > 10.0.0.9:2 flags syn",
        ),
        (
            "icmp 10.0.0.5 > 10.0.0.9",
            "icmp 10.0.0.5 > 10.0.0.9 echo-request",
        ),
        (
            "icmp 10.0.0.5 > 10.0.0.9 type 3",
            "icmp 10.0.0.5 > 10.0.0.9 type 3 code 0",
        ),
        (
            "icmp6 ::1 > ::2 vlan 5",
            "icmp6 ::1 > ::2 echo-request vlan 5",
        ),
        ("  ether\t35020 ", "ether 0x88cc"),
        (
            "ether 0x88CC mac 52:54:00:00:00:01 > FF:ff:ff:ff:ff:ff vlan 5",
            "ether 0x88cc vlan 5 mac 52:54:00:00:00:01 > ff:ff:ff:ff:ff:ff",
        ),
        ("dhcp discover vlan 5", "dhcp discover vlan 5"),
        ("dhcpv6 solicit", "dhcpv6 solicit"),
        (
            "udp 10.0.0.5:1 > 10.0.0.9:2 vlan 1 fragment 0",
            "udp 10.0.0.5:1 > 10.0.0.9:2 fragment 0 vlan 1",
        ),
    ] {
        let spec: FrameSpec = short.parse().unwrap();
        assert_eq!(spec.to_string(), long);
    }
}

#[test]
fn errors_have_a_column_and_a_hint() {
    for (text, column, part) in [
        ("", 1, "tcp, udp"),
        (
            "tpc 10.0.0.5:1 > 10.0.0.9:2",
            1,
            "`tpc` is no kind of frame",
        ),
        ("tcp 10.0.0.5 > 10.0.0.9:2", 5, "10.0.0.5:80"),
        ("tcp 10.0.0.5:1 10.0.0.9:2", 16, "`>`"),
        ("tcp 10.0.0.5:1 >", 17, "the text ends here"),
        ("tcp 10.0.0.5:1 > [::1]:2", 5, "two IP versions"),
        (
            "tcp 10.0.0.5:1 > 10.0.0.9:2 flags syn+ack",
            35,
            "commas between",
        ),
        (
            "udp 10.0.0.5:1 > 10.0.0.9:2 flags syn",
            29,
            "does not belong here",
        ),
        ("icmp ::1 > ::2", 6, "an IPv4 address"),
        ("icmp 10.0.0.5 > 10.0.0.9 type 256", 31, "from 0 to 255"),
        ("ip 47 10.0.0.5 > 10.0.0.9", 4, "`ip proto 47"),
        ("arp ask 10.0.0.5 > 10.0.0.9", 5, "request, reply"),
        ("ns fe80::1 2001:db8::9", 12, "target ADDRESS"),
        ("dhcp hello", 6, "discover"),
        ("ether 0x10000", 7, "from 0 to 65535"),
        ("ether +5", 7, "from 0 to 65535"),
        ("ether 0x", 7, "from 0 to 65535"),
        ("ether 0x88cc vlan 4096", 19, "from 0 to 4095"),
        ("ether 0x88cc vlan 1 vlan 2", 21, "again"),
        ("ether 0x88cc fragment 1", 14, "only IP packets"),
        (
            "ether 0x88cc mac 52:54:00:00:00:01 > any",
            38,
            "MAC address",
        ),
        ("é\u{a0}x", 1, "no kind of frame"),
    ] {
        let error = text.parse::<FrameSpec>().unwrap_err();
        assert_eq!(error.column, column, "{text}: {error}");
        let message = error.to_string();
        assert!(message.contains(part), "{text}: {message}");
    }
}

#[test]
fn a_spec_made_to_a_frame_is_described_as_itself() {
    for text in SPECS {
        for suffix in SUFFIXES {
            let spec: FrameSpec = format!("{text}{suffix}").parse().unwrap();
            let bytes = spec.to_frame(A, B);
            let described = describe(&bytes);
            // A length instead of a type cannot be said without a remark.
            if text.starts_with("ether 0x0100") {
                assert!(
                    described.ends_with("(802.3, LLC 0x00 > 0x00)"),
                    "{described}"
                );
                continue;
            }
            let again: FrameSpec = described
                .parse()
                .unwrap_or_else(|error| panic!("{described}: {error}"));
            assert_eq!(again.content, spec.content, "{described}");
            assert_eq!(again.to_frame(B, A), bytes, "{described}");
        }
    }
}

#[test]
fn the_ethernet_destination_follows_the_ip_destination() {
    for (text, destination) in [
        ("tcp 10.0.0.5:1 > 10.0.0.9:2", "52:54:00:00:00:02"),
        ("udp 10.0.0.5:1 > 224.0.0.251:2", "01:00:5e:00:00:fb"),
        ("udp 10.0.0.5:1 > 255.255.255.255:2", "ff:ff:ff:ff:ff:ff"),
        ("dhcp discover", "ff:ff:ff:ff:ff:ff"),
        ("dhcpv6 solicit", "33:33:00:01:00:02"),
        ("arp request 10.0.0.5 > 10.0.0.9", "ff:ff:ff:ff:ff:ff"),
        ("arp reply 10.0.0.5 > 10.0.0.9", "52:54:00:00:00:02"),
        ("ns fe80::1 target 2001:db8::9", "33:33:ff:00:00:09"),
        ("rs fe80::1", "33:33:00:00:00:02"),
        ("na fe80::1 target fe80::1", "33:33:00:00:00:01"),
        ("ether 0x88cc", "52:54:00:00:00:02"),
    ] {
        let spec: FrameSpec = text.parse().unwrap();
        let bytes = spec.to_frame(A, B);
        let frame = Frame::parse(&bytes).unwrap();
        assert_eq!(frame.destination.to_string(), destination, "{text}");
        assert_eq!(frame.source, A);
    }
}

#[test]
fn fragments() {
    let spec: FrameSpec = "tcp 10.0.0.5:1 > 10.0.0.9:2 fragment 5".parse().unwrap();
    let bytes = spec.to_frame(A, B);
    assert_eq!(
        describe(&bytes),
        "ip proto 6 10.0.0.5 > 10.0.0.9 fragment 5 mac 52:54:00:00:00:01 > 52:54:00:00:00:02"
    );
    let spec: FrameSpec = "udp [::1]:1 > [::2]:2 fragment 0".parse().unwrap();
    let bytes = spec.to_frame(A, B);
    let Network::Ipv6(ip) = Frame::parse(&bytes).unwrap().network else {
        panic!("not IPv6");
    };
    assert!(ip.more_fragments && ip.fragment_offset == 0);
    assert!(describe(&bytes).starts_with("udp [::1]:1 > [::2]:2 fragment 0 mac"));
}

#[test]
fn what_has_no_words_is_described_with_a_remark() {
    use crate::FrameBuilder;
    let link = || FrameBuilder::new(A, B);
    let macs = "mac 52:54:00:00:00:01 > 52:54:00:00:00:02";
    let v4 = link().ipv4([10, 0, 0, 5].into(), [10, 0, 0, 9].into());
    for (bytes, expected) in [
        (
            vec![0; 5],
            "no frame (5 bytes are no frame: an Ethernet header alone has 14)".to_owned(),
        ),
        (
            link().ether(0x0800, &[0; 20]),
            format!("ether 0x0800 {macs} (malformed IPv4)"),
        ),
        (
            link().ether(0x86dd, &[0; 20]),
            format!("ether 0x86dd {macs} (malformed IPv6)"),
        ),
        (
            link().ether(0x0806, &[0; 20]),
            format!("ether 0x0806 {macs} (unusual ARP)"),
        ),
        (
            v4.protocol(6).payload([0; 4]).build(),
            format!("ip proto 6 10.0.0.5 > 10.0.0.9 {macs} (transport header cut)"),
        ),
        (
            link().stp(&crate::build::Bpdu::default()),
            format!("ether 0x0026 {macs} (802.3, spanning tree)"),
        ),
        (
            link().tag(0x88a8, 5).ether(0x88cc, &[0; 20]),
            format!("ether 0x88cc vlan 5 {macs} (802.1ad tag)"),
        ),
        (
            link().vlan(5).vlan(6).ether(0x0800, &[0; 20]),
            format!("ether 0x8100 vlan 5 {macs} (second tag, vlan 6)"),
        ),
        (
            link()
                .ipv6("fe80::1".parse().unwrap(), "fe80::2".parse().unwrap())
                .neighbor_solicitation("fe80::2".parse().unwrap(), &[])
                .build(),
            format!("ns fe80::1 target fe80::2 {macs} (to fe80::2)"),
        ),
    ] {
        assert_eq!(describe(&bytes), expected);
    }
}
