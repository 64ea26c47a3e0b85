//! Neighbour discovery (RFC 4861) and multicast listener discovery (RFC 2710, 3810) messages.
//! Leaves the IPv6 header and the checksum to `packet`.

use std::net::Ipv6Addr;

use super::packet::{Extension, PacketBuilder};
use crate::MacAddress;
use crate::protocol::icmpv6_type;

/// Options of ND messages, as bytes that follow one another.
pub mod nd_option {
    use crate::MacAddress;

    /// Source link-layer address (type 1).
    pub fn source_link_layer(mac: MacAddress) -> Vec<u8> {
        link_layer(1, mac)
    }

    /// Target link-layer address (type 2).
    pub fn target_link_layer(mac: MacAddress) -> Vec<u8> {
        link_layer(2, mac)
    }

    /// Nonce (type 14), which the kernel sends in duplicate address detection.
    pub fn nonce(nonce: [u8; 6]) -> Vec<u8> {
        let mut bytes = vec![14, 1];
        bytes.extend(nonce);
        bytes
    }

    /// MTU (type 5).
    pub fn mtu(mtu: u32) -> Vec<u8> {
        let mut bytes = vec![5, 1, 0, 0];
        bytes.extend(mtu.to_be_bytes());
        bytes
    }

    fn link_layer(kind: u8, mac: MacAddress) -> Vec<u8> {
        let mut bytes = vec![kind, 1];
        bytes.extend(mac.octets());
        bytes
    }
}

/// The solicited-node group of an address (RFC 4291, section 2.7.1).
pub fn solicited_node(target: Ipv6Addr) -> Ipv6Addr {
    let octets = target.octets();
    Ipv6Addr::from([
        0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, octets[13], octets[14], octets[15],
    ])
}

impl PacketBuilder {
    /// A neighbour solicitation.
    pub fn neighbor_solicitation(self, target: Ipv6Addr, options: &[u8]) -> Self {
        self.nd(
            icmpv6_type::NEIGHBOR_SOLICITATION,
            [0; 4],
            &[&target.octets(), options],
        )
    }

    /// A neighbour advertisement, with the flags solicited and override set.
    pub fn neighbor_advertisement(self, target: Ipv6Addr, options: &[u8]) -> Self {
        self.nd(
            icmpv6_type::NEIGHBOR_ADVERTISEMENT,
            [0x60, 0, 0, 0],
            &[&target.octets(), options],
        )
    }

    /// A router solicitation.
    pub fn router_solicitation(self, options: &[u8]) -> Self {
        self.nd(icmpv6_type::ROUTER_SOLICITATION, [0; 4], &[options])
    }

    /// A router advertisement for half an hour.
    pub fn router_advertisement(self, options: &[u8]) -> Self {
        self.nd(
            icmpv6_type::ROUTER_ADVERTISEMENT,
            [64, 0, 0x07, 0x08],
            &[&[0; 8], options],
        )
    }

    /// A redirect of a destination to another first hop.
    pub fn redirect(self, target: Ipv6Addr, destination: Ipv6Addr, options: &[u8]) -> Self {
        self.nd(
            icmpv6_type::REDIRECT,
            [0; 4],
            &[&target.octets(), &destination.octets(), options],
        )
    }

    /// A listener message of version 1 (query, report or done) with the router alert it needs.
    pub fn multicast_listener(self, kind: u8, group: Ipv6Addr) -> Self {
        self.extension(Extension::router_alert())
            .nd(kind, [0; 4], &[&group.octets()])
            .hop_limit(1)
    }

    /// A listener report of version 2 that joins one group.
    pub fn multicast_listener_report(self, group: Ipv6Addr) -> Self {
        self.extension(Extension::router_alert())
            .nd(
                icmpv6_type::LISTENER_REPORT_V2,
                [0, 0, 0, 1],
                &[&[4, 0, 0, 0], &group.octets()],
            )
            .hop_limit(1)
    }

    /// The source of the frame around this packet, for link-layer address options.
    pub fn frame_source(&self) -> MacAddress {
        self.frame().source()
    }

    fn nd(self, kind: u8, second_word: [u8; 4], parts: &[&[u8]]) -> Self {
        self.icmp(kind, 0, second_word)
            .payload(parts.concat())
            .hop_limit(255)
    }
}
