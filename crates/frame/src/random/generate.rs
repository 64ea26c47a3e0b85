//! Chooses what kind of frame to make and fills it from the vocabulary. Leaves damage to `mutate`,
//! layout to `build`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::mutate::{cut, mutate};
use super::{Rng, Vocabulary};
use crate::MacAddress;
use crate::build::{
    ArpPacket, Bpdu, Extension, FrameBuilder, PacketBuilder, TcpFlags, fragment, nd_option,
    solicited_node,
};
use crate::parse::{Frame, ipv4_multicast_mac, ipv6_multicast_mac};
use crate::protocol::{ether_type, ip_protocol};

const USUAL_MTU: usize = 1500;

/// One frame of at least 14 bytes, mostly whole, sometimes damaged.
pub fn random_frame(rng: &mut Rng, vocabulary: &Vocabulary) -> Vec<u8> {
    let mut chooser = Chooser { rng, vocabulary };
    let mut frame = chooser.frame();
    if chooser.rng.one_in(10) {
        mutate(chooser.rng, vocabulary, &mut frame);
    }
    let limit = if vocabulary.oversize {
        1600
    } else {
        USUAL_MTU + link_header(&frame)
    };
    frame.truncate(limit);
    frame
}

/// Bytes before the network layer; tags do not count against the MTU.
fn link_header(frame: &[u8]) -> usize {
    Frame::parse(frame).map_or(14, |frame| frame.network_offset())
}

struct Chooser<'a> {
    rng: &'a mut Rng,
    vocabulary: &'a Vocabulary,
}

impl Chooser<'_> {
    fn frame(&mut self) -> Vec<u8> {
        match self.rng.below(20) {
            0..=7 => self.ipv4(),
            8..=12 => self.ipv6(),
            13 | 14 => self.arp(),
            15 | 16 => self.discovery(),
            17 => self.configuration(),
            18 => self.ieee_802_3(),
            _ => self.other(),
        }
    }

    fn mac(&mut self) -> MacAddress {
        if self.rng.one_in(16) {
            let [a, b, c, d, e, f, ..] = self.rng.block();
            return MacAddress([a & 0xfe, b, c, d, e, f]);
        }
        self.rng
            .pick_or(&self.vocabulary.macs, MacAddress([2, 0, 0, 0, 0, 1]))
    }

    fn destination_mac(&mut self) -> MacAddress {
        match self.rng.below(12) {
            0 | 1 => MacAddress::BROADCAST,
            2 => ipv4_multicast_mac(Ipv4Addr::new(224, 0, 0, 251)),
            3 => ipv6_multicast_mac(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1)),
            4 => {
                // The reserved group addresses of bridges; 0 to f, of which some never pass one.
                MacAddress([0x01, 0x80, 0xc2, 0, 0, self.rng.byte() & 0x0f])
            }
            _ => self.mac(),
        }
    }

    fn ipv4_address(&mut self) -> Ipv4Addr {
        match self.rng.below(20) {
            0 => Ipv4Addr::from(self.rng.bits() as u32),
            1 => Ipv4Addr::UNSPECIFIED,
            2 => Ipv4Addr::BROADCAST,
            3 => Ipv4Addr::new(224, 0, 0, 251),
            4 | 5 => {
                // Next door: what is just outside a prefix or a range.
                let base = self.rng.pick_or(&self.vocabulary.ipv4, Ipv4Addr::LOCALHOST);
                let step = self.rng.pick(&[1, u32::MAX, 255, 256]);
                Ipv4Addr::from(u32::from(base).wrapping_add(step))
            }
            _ => self
                .rng
                .pick_or(&self.vocabulary.ipv4, Ipv4Addr::new(192, 0, 2, 1)),
        }
    }

    fn ipv6_address(&mut self) -> Ipv6Addr {
        match self.rng.below(20) {
            0 => Ipv6Addr::from(self.rng.block()),
            1 => Ipv6Addr::UNSPECIFIED,
            2 => Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1),
            3..=5 => self.mac().eui64_link_local(),
            6 | 7 => {
                let base = self.rng.pick_or(&self.vocabulary.ipv6, Ipv6Addr::LOCALHOST);
                let step = self.rng.pick(&[1, u128::MAX, 1 << 64]);
                Ipv6Addr::from(u128::from(base).wrapping_add(step))
            }
            _ => self.rng.pick_or(
                &self.vocabulary.ipv6,
                Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1),
            ),
        }
    }

    fn port(&mut self) -> u16 {
        match self.rng.below(10) {
            0 => self.rng.word(),
            1 | 2 => 32768 + self.rng.word() % 28000,
            3 => {
                let step = self.rng.pick(&[1, u16::MAX]);
                self.rng.pick(&self.vocabulary.ports).wrapping_add(step)
            }
            4 => self
                .rng
                .pick(&[0, 22, 53, 67, 68, 80, 443, 546, 547, 65535]),
            _ => self.rng.pick_or(&self.vocabulary.ports, 80),
        }
    }

    fn vid(&mut self) -> u16 {
        match self.rng.below(6) {
            0 => self.rng.word() & 0x0fff,
            1 => self.rng.pick(&self.vocabulary.vlans).wrapping_add(1) & 0x0fff,
            _ => self.rng.pick(&self.vocabulary.vlans) & 0x0fff,
        }
    }

    /// The Ethernet header, now and then with one tag or two.
    fn link(&mut self) -> FrameBuilder {
        let (source, destination) = (self.mac(), self.destination_mac());
        self.tagged(FrameBuilder::new(source, destination))
    }

    fn tagged(&mut self, mut frame: FrameBuilder) -> FrameBuilder {
        let tags = match self.rng.below(16) {
            0 | 1 => 1,
            2 => 2,
            _ => 0,
        };
        for _ in 0..tags {
            let protocol = match self.rng.below(4) {
                0 => ether_type::SERVICE_VLAN,
                _ => ether_type::VLAN,
            };
            let priority = u16::from(self.rng.byte() >> 4) << 12;
            frame = frame.tag(protocol, priority | self.vid());
        }
        if self.rng.one_in(4) {
            frame = frame.pad_to(60);
        }
        frame
    }

    fn payload(&mut self) -> Vec<u8> {
        let length = match self.rng.below(16) {
            0 => self
                .rng
                .below(if self.vocabulary.oversize { 1560 } else { 1440 }),
            1..=4 => 0,
            _ => self.rng.below(64),
        };
        self.rng.bytes(length)
    }

    fn flags(&mut self) -> TcpFlags {
        match self.rng.below(6) {
            0 => TcpFlags(self.rng.byte()),
            1 => TcpFlags::ACK,
            2 => TcpFlags::SYN | TcpFlags::ACK,
            3 => TcpFlags::RST | TcpFlags::ACK,
            _ => TcpFlags::SYN,
        }
    }

    fn ipv4(&mut self) -> Vec<u8> {
        let (source, destination) = (self.ipv4_address(), self.ipv4_address());
        let mut packet = self.link().ipv4(source, destination);
        if self.rng.one_in(16) {
            let length = self.rng.below(41);
            packet = packet.options(&vec![1; length]);
        }
        let packet = self.transport(packet, false);
        self.finish(packet)
    }

    fn ipv6(&mut self) -> Vec<u8> {
        let (source, destination) = (self.ipv6_address(), self.ipv6_address());
        let mut packet = self.link().ipv6(source, destination);
        if self.rng.one_in(3) {
            for _ in 0..=self.rng.below(3) {
                packet = packet.extension(self.extension());
            }
        }
        if self.rng.one_in(24) {
            // A first fragment and a later one in the same packet: what looks for a fragment
            // header finds offset 0, and what walks on ends in a later fragment.
            let offset = 1 + self.rng.word() % 200;
            packet = packet
                .extension(Extension::fragment(0, true, 7))
                .extension(Extension::fragment(offset, self.rng.one_in(2), 7));
        }
        if self.rng.one_in(3) {
            // In a later fragment a fast payload load reads the flow label as destination port.
            let port = self.port();
            packet = packet.flow_label(port.into());
        }
        let packet = self.transport(packet, true);
        self.finish(packet)
    }

    fn extension(&mut self) -> Extension {
        match self.rng.below(9) {
            0 => Extension::hop_by_hop(),
            1 => Extension::router_alert(),
            2 => Extension::destination_options(),
            3 => {
                let hop = self.ipv6_address();
                Extension::routing(self.rng.pick(&[0, 2, 3, 4]), 1, &[hop])
            }
            4 => Extension::authentication(),
            5 => Extension::fragment(0, self.rng.one_in(2), 7),
            6 => Extension::fragment(1 + self.rng.word() % 200, self.rng.one_in(2), 7),
            _ => {
                // Broken: a length that leads anywhere, or a header cut to a byte or two.
                let number = self.rng.pick(&[0, 43, 44, 51, 59, 60, 135, 139, 253]);
                let length = self.rng.below(24);
                Extension::raw(number, self.rng.bytes(length))
            }
        }
    }

    fn transport(&mut self, packet: PacketBuilder, v6: bool) -> PacketBuilder {
        let (source, destination) = (self.port(), self.port());
        let packet = packet
            .dscp(self.rng.pick(&[0, 0, 46, 63]))
            .hop_limit(self.rng.pick(&[64, 64, 1, 255]));
        let payload = self.payload();
        let packet = match self.rng.below(16) {
            0..=4 => packet.tcp(source, destination, self.flags()),
            5..=8 => packet.udp(source, destination),
            9 => packet.sctp(source, destination),
            10 | 11 => {
                let (kind, code) = self.icmp_message(v6);
                packet.icmp(kind, code, [0, 1, 0, 1])
            }
            12 => return self.icmp_error(packet, v6),
            13 => match self.rng.below(2) {
                0 => packet.udp_lite(source, destination),
                _ => packet.dccp(source, destination),
            },
            // The other version's ICMP, and protocols whose first bytes look like ports.
            14 => packet.protocol(if v6 {
                ip_protocol::ICMP
            } else {
                ip_protocol::ICMPV6
            }),
            _ => {
                let protocol = if self.rng.one_in(2) {
                    self.rng
                        .pick_or(&self.vocabulary.protocols, ip_protocol::GRE)
                } else {
                    self.rng
                        .pick(&[0, 2, 4, 41, 43, 44, 47, 50, 51, 59, 60, 89, 112, 253])
                };
                packet.protocol(protocol)
            }
        };
        let packet = packet.payload(payload);
        match self.rng.below(14) {
            0 => packet.fragment(0, true),
            1 => packet.fragment(1 + self.rng.word() % 200, self.rng.one_in(2)),
            _ => packet,
        }
    }

    fn icmp_message(&mut self, v6: bool) -> (u8, u8) {
        if self.rng.one_in(6) {
            return (self.rng.byte(), self.rng.byte());
        }
        if v6 {
            let kinds = [
                1, 2, 3, 4, 128, 129, 130, 131, 132, 133, 134, 135, 136, 137, 143,
            ];
            (self.rng.pick(&kinds), 0)
        } else {
            (self.rng.pick(&[0, 3, 4, 5, 8, 8, 9, 10, 11, 12, 13]), 0)
        }
    }

    /// An error about a packet that may have gone the other way.
    fn icmp_error(&mut self, packet: PacketBuilder, v6: bool) -> PacketBuilder {
        let (from, to) = (self.mac(), self.mac());
        let (source, destination) = (self.port(), self.port());
        let inner = FrameBuilder::new(from, to);
        let inner = if v6 {
            inner.ipv6(self.ipv6_address(), self.ipv6_address())
        } else {
            inner.ipv4(self.ipv4_address(), self.ipv4_address())
        };
        let inner = if self.rng.one_in(2) {
            inner.udp(source, destination)
        } else {
            inner.tcp(source, destination, TcpFlags::SYN)
        };
        let inner = inner.build();
        let original = inner.get(14..).unwrap_or_default();
        if v6 {
            packet.icmp_error(self.rng.pick(&[1, 2, 3, 4]), 0, original)
        } else {
            packet.icmp_error(
                self.rng.pick(&[3, 4, 5, 11, 12]),
                self.rng.byte() % 4,
                original,
            )
        }
    }

    /// Builds the packet; now and then one of its fragments, or the frame cut anywhere.
    fn finish(&mut self, packet: PacketBuilder) -> Vec<u8> {
        let mut frame = packet.build();
        if self.rng.one_in(16) {
            let mut pieces = fragment(&frame, 68 + self.rng.below(64));
            let index = self.rng.below(pieces.len());
            frame = pieces.swap_remove(index);
        }
        if self.rng.one_in(24) {
            cut(self.rng, &mut frame, 14);
        }
        frame
    }

    fn arp(&mut self) -> Vec<u8> {
        let reverse = self.rng.one_in(5);
        let operation = match self.rng.below(8) {
            0 => self.rng.word(),
            1 => 0,
            2 => self.rng.pick(&[3, 4, 8, 9]),
            _ if reverse => 3 + self.rng.word() % 2,
            _ => 1 + self.rng.word() % 2,
        };
        let (source, destination) = (self.mac(), self.destination_mac());
        let packet = ArpPacket {
            operation,
            sender_mac: if self.rng.one_in(3) {
                self.mac()
            } else {
                source
            },
            sender_ip: self.ipv4_address(),
            target_mac: if self.rng.one_in(2) {
                MacAddress::ZERO
            } else {
                self.mac()
            },
            target_ip: self.ipv4_address(),
        };
        let mut bytes = packet.bytes();
        // Hardware type, protocol type and the two lengths, wrong now and then.
        if self.rng.one_in(8) {
            let place = self.rng.below(6);
            let value = self.rng.byte();
            if let Some(byte) = bytes.get_mut(place) {
                *byte = value;
            }
        }
        if self.rng.one_in(16) {
            cut(self.rng, &mut bytes, 0);
        }
        let frame = self.tagged(FrameBuilder::new(source, destination));
        frame.ether(
            if reverse {
                ether_type::RARP
            } else {
                ether_type::ARP
            },
            &bytes,
        )
    }

    fn discovery(&mut self) -> Vec<u8> {
        let source_mac = self.mac();
        let (source, target) = (self.ipv6_address(), self.ipv6_address());
        let kind = self.rng.below(9);
        let group = match kind {
            0..=2 => solicited_node(target),
            4 => Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2),
            _ => Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1),
        };
        let (destination_mac, destination) = if self.rng.one_in(3) {
            (self.mac(), self.ipv6_address())
        } else {
            (ipv6_multicast_mac(group), group)
        };
        let frame = self.tagged(FrameBuilder::new(source_mac, destination_mac));
        let mut packet = frame.ipv6(source, destination);
        if self.rng.one_in(8) {
            packet = packet.extension(self.extension());
        }
        let told = if self.rng.one_in(3) {
            self.mac()
        } else {
            source_mac
        };
        let options = self.nd_options(told, kind == 2 || kind == 3);
        let packet = match kind {
            0..=2 => packet.neighbor_solicitation(target, &options),
            3 => packet.neighbor_advertisement(target, &options),
            4 => packet.router_solicitation(&options),
            5 => packet.router_advertisement(&options),
            6 => packet.redirect(target, self.ipv6_address(), &options),
            7 => packet.multicast_listener(self.rng.pick(&[130, 131, 132]), target),
            _ => packet.multicast_listener_report(target),
        };
        let packet = if self.rng.one_in(8) {
            packet.hop_limit(64)
        } else {
            packet
        };
        self.finish(packet)
    }

    /// Link-layer options right, missing, of the other kind, second after another, or garbage.
    fn nd_options(&mut self, told: MacAddress, target_kind: bool) -> Vec<u8> {
        let usual = if target_kind {
            nd_option::target_link_layer(told)
        } else {
            nd_option::source_link_layer(told)
        };
        match self.rng.below(10) {
            0 => Vec::new(),
            1 => nd_option::nonce([1, 2, 3, 4, 5, 6]),
            2 => [nd_option::nonce([1, 2, 3, 4, 5, 6]), usual].concat(),
            3 => {
                let other = nd_option::source_link_layer(self.mac());
                [usual, other].concat()
            }
            4 => nd_option::target_link_layer(told),
            5 => {
                let length = self.rng.below(24);
                self.rng.bytes(length)
            }
            6 => {
                // An option of length zero, or longer than the message.
                let [kind, length] = [self.rng.pick(&[1, 2, 5]), self.rng.pick(&[0, 2, 255])];
                [vec![kind, length], told.octets().to_vec()].concat()
            }
            _ => usual,
        }
    }

    fn configuration(&mut self) -> Vec<u8> {
        let (source_mac, client) = (self.mac(), self.mac());
        let kind = 1 + self.rng.byte() % 8;
        let destination_mac = if self.rng.one_in(2) {
            MacAddress::BROADCAST
        } else {
            self.destination_mac()
        };
        let frame = self.tagged(FrameBuilder::new(source_mac, destination_mac));
        let client = if self.rng.one_in(2) {
            source_mac
        } else {
            client
        };
        let addresses: (IpAddr, IpAddr) = if self.rng.one_in(2) {
            let source = if self.rng.one_in(2) {
                Ipv4Addr::UNSPECIFIED
            } else {
                self.ipv4_address()
            };
            let destination = if self.rng.one_in(2) {
                Ipv4Addr::BROADCAST
            } else {
                self.ipv4_address()
            };
            (source.into(), destination.into())
        } else {
            let destination = if self.rng.one_in(2) {
                Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2)
            } else {
                self.ipv6_address()
            };
            (self.ipv6_address().into(), destination.into())
        };
        let packet = match addresses {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let yours = self.ipv4_address();
                frame.ipv4(source, destination).dhcp(kind, client, yours)
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                frame.ipv6(source, destination).dhcpv6(kind, client)
            }
            _ => return frame.ether(ether_type::IPV4, &[]),
        };
        self.finish(packet)
    }

    fn ieee_802_3(&mut self) -> Vec<u8> {
        let frame = self.link();
        let payload = self.payload();
        match self.rng.below(4) {
            0 => frame.ieee_802_3(&payload),
            1 => frame.ieee_802_3(&[vec![0xff, 0xff], payload].concat()),
            2 => {
                // A length that does not tell the truth is a length all the same.
                let length = self.rng.word() % ether_type::MINIMUM;
                frame.ether(length, &payload)
            }
            _ => {
                let bridge = frame.source();
                let root = self.mac();
                let frame = self.tagged(FrameBuilder::new(bridge, Bpdu::DESTINATION));
                frame.stp(&Bpdu {
                    kind: self.rng.pick(&[0, 2, 0x80]),
                    flags: self.rng.byte(),
                    root_priority: 0x8000,
                    root,
                    root_cost: self.rng.word().into(),
                    bridge_priority: self.rng.pick(&[0, 0x1000, 0x8000]),
                    bridge,
                    port: 0x8000 | (self.rng.word() & 0xff),
                    message_age: self.rng.word() % 0x1400,
                    max_age: 20 << 8,
                    hello_time: 2 << 8,
                    forward_delay: 15 << 8,
                })
            }
        }
    }

    fn other(&mut self) -> Vec<u8> {
        let frame = self.link();
        let payload = self.payload();
        match self.rng.below(6) {
            0 => frame.lldp("vnet0"),
            1 => frame.ether(self.rng.word(), &payload),
            2 => frame.ether(
                self.rng.pick(&[
                    ether_type::IPV4,
                    ether_type::IPV6,
                    ether_type::VLAN,
                    ether_type::SERVICE_VLAN,
                    ether_type::MINIMUM,
                    ether_type::MINIMUM - 1,
                ]),
                &payload,
            ),
            3 => frame.ether(
                // PPPoE session, MPLS, EAPOL, a tag of the protocol that is not one, loopback test.
                self.rng.pick(&[0x8864, 0x8847, 0x888e, 0x9100, 0x9000]),
                &payload,
            ),
            _ => {
                let ether_type = self
                    .rng
                    .pick_or(&self.vocabulary.ether_types, ether_type::LLDP);
                frame.ether(ether_type, &payload)
            }
        }
    }
}
