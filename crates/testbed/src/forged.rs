//! Frames that a virtual machine must not send, and those that it may, each with a marker that tells kind and number.
//! Knows their bytes; leaves sending to the program inside a guest, which is compiled from this same file, and counting
//! to `MarkerCounter`. So it uses nothing but the standard library.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Who sends, and as whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identities {
    /// The sender's own MAC.
    pub mac: [u8; 6],
    /// The sender's own IPv4 address.
    pub ipv4: Ipv4Addr,
    /// The sender's own IPv6 address.
    pub ipv6: Ipv6Addr,
    /// The MAC that it pretends to have.
    pub foreign_mac: [u8; 6],
    /// The IPv4 address that it pretends to have.
    pub foreign_ipv4: Ipv4Addr,
    /// The IPv6 address that it pretends to have.
    pub foreign_ipv6: Ipv6Addr,
    /// Destination MAC; broadcast reaches every port.
    pub to_mac: [u8; 6],
    /// Destination address of IPv4 packets.
    pub to_ipv4: Ipv4Addr,
    /// Destination address of IPv6 packets.
    pub to_ipv6: Ipv6Addr,
}

impl Identities {
    /// A sender with `mac`, 10.0.0.N and 2001:db8::N, N being the last byte of its MAC, that pretends to be number 66
    /// and sends to everybody, as number 254.
    pub fn of(mac: [u8; 6]) -> Self {
        let [.., number] = mac;
        let sixth = |last: u8| Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last.into());
        let fourth = |last: u8| Ipv4Addr::new(10, 0, 0, last);
        Self {
            mac,
            ipv4: fourth(number),
            ipv6: sixth(number),
            foreign_mac: [0x52, 0x54, 0, 0, 0, 66],
            foreign_ipv4: fourth(66),
            foreign_ipv6: sixth(66),
            to_mac: [0xff; 6],
            to_ipv4: fourth(254),
            to_ipv6: sixth(254),
        }
    }
}

/// UDP port from and to which marked datagrams go.
pub const MARKED_PORT: u16 = 4_000;

macro_rules! kinds {
    ($($(#[$meta:meta])* $kind:ident = $number:literal, $name:literal;)*) => {
        /// What a marked frame is; the number is the highest byte of its marker.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Kind {
            $($(#[$meta])* $kind = $number,)*
        }

        impl Kind {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$kind),*];

            /// Its name on the guest program's command line.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                }
            }

            /// The highest byte of its markers.
            pub fn number(self) -> u8 {
                match self {
                    $(Self::$kind => $number,)*
                }
            }
        }
    };
}

kinds! {
    /// Nothing forged: an IPv4 datagram under the sender's own addresses.
    Honest = 0x10, "honest";
    /// As honest, over IPv6.
    HonestIpv6 = 0x11, "honest-ipv6";
    /// The source MAC is foreign, the IPv4 address is the sender's own.
    ForeignMac = 0x20, "foreign-mac";
    /// Both source MAC and IPv4 address are the victim's.
    ForeignIdentity = 0x21, "foreign-identity";
    /// The source IPv4 address is foreign.
    ForeignIpv4 = 0x22, "foreign-ipv4";
    /// The source IPv6 address is foreign.
    ForeignIpv6 = 0x23, "foreign-ipv6";
    /// A gratuitous ARP reply for a foreign address.
    ArpForeignAddress = 0x24, "arp-foreign-address";
    /// An ARP reply for the sender's own address with a foreign MAC inside.
    ArpForeignMac = 0x25, "arp-foreign-mac";
    /// A neighbour advertisement for a foreign address.
    Neighbour = 0x26, "neighbour";
    /// A router advertisement.
    Router = 0x27, "router";
    /// What a DHCPv4 server sends: an offer.
    DhcpServer = 0x28, "dhcp-server";
    /// What a DHCPv6 server sends: an advertisement.
    Dhcpv6Server = 0x29, "dhcpv6-server";
    /// An honest datagram behind an 802.1Q tag.
    Tagged = 0x2a, "tagged";
    /// An honest datagram behind two tags, 802.1ad outside.
    DoubleTagged = 0x2b, "double-tagged";
    /// A spanning tree message that makes the sender the root bridge.
    SpanningTree = 0x2c, "spanning-tree";
    /// An ethertype for experiments (IEEE 802, 0x88b5).
    OtherProtocol = 0x2d, "other-protocol";
    /// A reverse ARP request for a foreign MAC, which moves that MAC's entry in every switch.
    Rarp = 0x2e, "rarp";
}

impl Kind {
    /// Those that a guarded port never lets out.
    pub fn forged() -> impl Iterator<Item = Self> {
        let honest = |kind: &Self| !matches!(kind, Self::Honest | Self::HonestIpv6);
        Self::ALL.iter().copied().filter(honest)
    }

    /// The marker of the frame with this number; numbers begin again after 16,777,215.
    pub fn marker(self, number: u32) -> u32 {
        let [_, high, middle, low] = number.to_be_bytes();
        u32::from_be_bytes([self.number(), high, middle, low])
    }

    /// The frame's bytes, checksums right, the marker at the very end and, where the frame carries an IP packet, inside
    /// it: a switch that trims what follows the packet does not make it uncountable.
    pub fn frame(self, who: &Identities, number: u32) -> Vec<u8> {
        let marked = [b"moat".as_slice(), &self.marker(number).to_be_bytes()].concat();
        let udp4 = |from: Ipv4Addr| ipv4(from, who.to_ipv4, MARKED_PORT, MARKED_PORT, &marked);
        let udp6 = |from: Ipv6Addr| {
            let (source, target) = (from.octets(), who.to_ipv6.octets());
            ipv6_udp(source, target, (MARKED_PORT, MARKED_PORT), &marked)
        };
        let (own, foreign) = (who.mac, who.foreign_mac);
        let honest = udp4(who.ipv4);
        let everybody = [0xff; 6];
        match self {
            Self::Honest => ether(who.to_mac, own, 0x0800, &honest),
            Self::HonestIpv6 => ether(who.to_mac, own, 0x86dd, &udp6(who.ipv6)),
            Self::ForeignMac => ether(who.to_mac, foreign, 0x0800, &honest),
            Self::ForeignIdentity => ether(who.to_mac, foreign, 0x0800, &udp4(who.foreign_ipv4)),
            Self::ForeignIpv4 => ether(who.to_mac, own, 0x0800, &udp4(who.foreign_ipv4)),
            Self::ForeignIpv6 => ether(who.to_mac, own, 0x86dd, &udp6(who.foreign_ipv6)),
            Self::ArpForeignAddress => {
                let body = arp(2, own, who.foreign_ipv4, &marked);
                ether(everybody, own, 0x0806, &body)
            }
            Self::ArpForeignMac => {
                let body = arp(2, foreign, who.ipv4, &marked);
                ether(everybody, own, 0x0806, &body)
            }
            Self::Neighbour => {
                // RFC 4861 4.4: override, the target, and its link-layer address as an option.
                let mut body = vec![0x20, 0, 0, 0];
                body.extend(who.foreign_ipv6.octets());
                body.extend([2, 1]);
                body.extend(own);
                let packet = discovery(136, who.foreign_ipv6, body, &marked);
                ether(ALL_NODES_MAC, own, 0x86dd, &packet)
            }
            Self::Router => {
                // RFC 4861 4.2: hop limit 64, a router for 1800 seconds, timers unspecified.
                let body = vec![64, 0, 0x07, 0x08, 0, 0, 0, 0, 0, 0, 0, 0];
                let packet = discovery(134, link_local(own), body, &marked);
                ether(ALL_NODES_MAC, own, 0x86dd, &packet)
            }
            Self::DhcpServer => {
                let message = dhcp_offer(who, &marked);
                let packet = ipv4(who.ipv4, Ipv4Addr::BROADCAST, 67, 68, &message);
                ether(everybody, own, 0x0800, &packet)
            }
            Self::Dhcpv6Server => {
                // RFC 8415: ADVERTISE, a transaction, and an option for experiments that carries the marker.
                let message = [&[2, 1, 2, 3, 0xff, 0xf0, 0, 8], marked.as_slice()].concat();
                let source = link_local(own).octets();
                let packet = ipv6_udp(source, ALL_NODES.octets(), (547, 546), &message);
                ether(ALL_NODES_MAC, own, 0x86dd, &packet)
            }
            Self::Tagged => {
                let body = [&[0x00, 0x64, 0x08, 0x00], honest.as_slice()].concat();
                ether(who.to_mac, own, 0x8100, &body)
            }
            Self::DoubleTagged => {
                let tags = [0x00, 0x64, 0x81, 0x00, 0x00, 0x65, 0x08, 0x00];
                let body = [&tags, honest.as_slice()].concat();
                ether(who.to_mac, own, 0x88a8, &body)
            }
            Self::SpanningTree => {
                // IEEE 802.1D 9.3.1: a configuration message with priority 0, over LLC 42 42 03.
                let mut body = vec![0x42, 0x42, 0x03, 0, 0, 0, 0, 0, 0, 0];
                body.extend(own);
                body.extend([0; 4]);
                body.extend([0, 0]);
                body.extend(own);
                body.extend([0x80, 0x01, 0, 0, 20, 0, 2, 0, 15, 0]);
                body.extend(&marked);
                let length = u16::try_from(body.len()).unwrap_or(0);
                ether([0x01, 0x80, 0xc2, 0, 0, 0], own, length, &body)
            }
            Self::OtherProtocol => ether(who.to_mac, own, 0x88b5, &padded(marked)),
            Self::Rarp => {
                let body = arp(3, foreign, Ipv4Addr::UNSPECIFIED, &marked);
                ether(everybody, foreign, 0x8035, &body)
            }
        }
    }
}

const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ALL_NODES_MAC: [u8; 6] = [0x33, 0x33, 0, 0, 0, 1];

fn ether(to: [u8; 6], from: [u8; 6], kind: u16, body: &[u8]) -> Vec<u8> {
    [&to, &from, kind.to_be_bytes().as_slice(), body].concat()
}

/// Zeros before the marker, so that the shortest frame is 60 bytes and nobody pads after it.
fn padded(marked: Vec<u8>) -> Vec<u8> {
    let mut body = vec![0; 46usize.saturating_sub(marked.len())];
    body.extend(marked);
    body
}

fn arp(operation: u16, mac: [u8; 6], address: Ipv4Addr, marked: &[u8]) -> Vec<u8> {
    let mut body = vec![0, 1, 8, 0, 6, 4];
    body.extend(operation.to_be_bytes());
    for _ in 0..2 {
        body.extend(mac);
        body.extend(address.octets());
    }
    body.resize(46 - 8, 0);
    body.extend(marked);
    body
}

fn ipv4(from: Ipv4Addr, to: Ipv4Addr, source: u16, target: u16, payload: &[u8]) -> Vec<u8> {
    let datagram = udp(source, target, payload, |datagram| {
        let [high, low] = length_of(datagram).to_be_bytes();
        let pseudo = [from.octets(), to.octets(), [0, 17, high, low]].concat();
        checksum(&[&pseudo, datagram])
    });
    let mut packet = vec![0x45, 0];
    packet.extend(length_of(&datagram).saturating_add(20).to_be_bytes());
    packet.extend([0, 0, 0x40, 0, 64, 17, 0, 0]);
    packet.extend(from.octets());
    packet.extend(to.octets());
    let sum = checksum(&[&packet]);
    put(&mut packet, 10, sum);
    packet.extend(datagram);
    packet
}

fn ipv6_udp(from: [u8; 16], to: [u8; 16], ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
    let datagram = udp(ports.0, ports.1, payload, |datagram| {
        checksum(&[&pseudo_ipv6(from, to, datagram, 17), datagram])
    });
    ipv6(from, to, 17, 64, &datagram)
}

/// An ICMPv6 message of neighbour discovery, whose last option carries the marker.
fn discovery(kind: u8, from: Ipv6Addr, body: Vec<u8>, marked: &[u8]) -> Vec<u8> {
    let mut message = vec![kind, 0, 0, 0];
    message.extend(body);
    // RFC 4727: option 253 is for experiments; two units of eight bytes.
    message.extend([253, 2, 0, 0, 0, 0, 0, 0]);
    message.extend(marked);
    let (from, to) = (from.octets(), ALL_NODES.octets());
    let sum = checksum(&[&pseudo_ipv6(from, to, &message, 58), &message]);
    put(&mut message, 2, sum);
    ipv6(from, to, 58, 255, &message)
}

fn ipv6(from: [u8; 16], to: [u8; 16], protocol: u8, hops: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend(length_of(payload).to_be_bytes());
    packet.extend([protocol, hops]);
    packet.extend(from);
    packet.extend(to);
    packet.extend(payload);
    packet
}

fn pseudo_ipv6(from: [u8; 16], to: [u8; 16], payload: &[u8], protocol: u8) -> Vec<u8> {
    let length = u32::from(length_of(payload)).to_be_bytes();
    [&from, &to, length.as_slice(), &[0, 0, 0, protocol]].concat()
}

fn udp(source: u16, target: u16, payload: &[u8], sum: impl Fn(&[u8]) -> u16) -> Vec<u8> {
    let length = length_of(payload).saturating_add(8);
    let words = [source, target, length, 0].map(u16::to_be_bytes);
    let mut datagram = [words.as_flattened(), payload].concat();
    // RFC 768: a computed zero is sent as all ones, since zero means "none".
    let sum = match sum(&datagram) {
        0 => 0xffff,
        sum => sum,
    };
    put(&mut datagram, 6, sum);
    datagram
}

fn dhcp_offer(who: &Identities, marked: &[u8]) -> Vec<u8> {
    // RFC 2131: a reply for a client with the foreign MAC, which is offered the foreign address.
    let mut message = vec![2, 1, 6, 0, 1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0];
    message.extend(who.foreign_ipv4.octets());
    message.extend(who.ipv4.octets());
    message.extend([0; 4]);
    message.extend(who.foreign_mac);
    message.resize(236, 0);
    // The magic, "offer", server identifier, lease time, end.
    message.extend([99, 130, 83, 99, 53, 1, 2, 54, 4]);
    message.extend(who.ipv4.octets());
    message.extend([51, 4, 0, 0, 14, 16, 255]);
    message.resize(300 - marked.len(), 0);
    message.extend(marked);
    message
}

/// fe80:: with the modified EUI-64 of a MAC (RFC 4291, appendix A).
fn link_local([a, b, c, d, e, f]: [u8; 6]) -> Ipv6Addr {
    let pair = |high: u8, low: u8| u16::from_be_bytes([high, low]);
    let (first, second) = (pair(a ^ 2, b), pair(c, 0xff));
    Ipv6Addr::new(0xfe80, 0, 0, 0, first, second, pair(0xfe, d), pair(e, f))
}

fn length_of(bytes: &[u8]) -> u16 {
    u16::try_from(bytes.len()).unwrap_or(u16::MAX)
}

fn put(bytes: &mut [u8], at: usize, value: u16) {
    for (to, from) in bytes.iter_mut().skip(at).zip(value.to_be_bytes()) {
        *to = from;
    }
}

/// The Internet checksum (RFC 1071) over parts, each but the last of even length.
fn checksum(parts: &[&[u8]]) -> u16 {
    let mut sum = 0u64;
    for pair in parts.iter().flat_map(|part| part.chunks(2)) {
        let byte = |place: usize| pair.get(place).copied().unwrap_or(0);
        let word = u16::from_be_bytes([byte(0), byte(1)]);
        sum = sum.saturating_add(word.into());
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(0)
}
