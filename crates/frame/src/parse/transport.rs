//! What follows an IP header, as far as nf_tables can load it: ports, flags, ICMP types, ND
//! fields. Leaves connections and meaning to others.

use std::net::Ipv6Addr;

use super::{array, slice, word};
use crate::MacAddress;
use crate::protocol::{icmpv6_type, ip_protocol};

/// Whether a rule can read a packet's transport header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Readability {
    /// Not the first fragment: nothing here is a transport header (`pkt->fragoff`).
    LaterFragment,
    /// The frame ends, padding counted, before the protocol's smallest header does.
    Short,
    /// The smallest header is there.
    Readable,
}

/// The transport layer of a well-formed IP packet.
///
/// In a later fragment there is nothing to read, as `nft_payload_eval` has it. Its shortcut,
/// `nft_payload_fast_eval` (loads of 1, 2 or 4 bytes at a multiple of their length), does not ask:
/// it reads the fragment's data in IPv4 and, as `ipv6_find_hdr` leaves the offset 0, the IPv6
/// header itself, whose flow label then stands for the destination port (seen on Linux 6.18).
/// A ruleset must therefore prove a header readable before it loads from it. A load of 3 bytes
/// takes no shortcut: the one that ends with the smallest header (bytes 17..20 for TCP, 5..8 for
/// UDP) succeeds exactly where [`readability`](Self::readability) is [`Readability::Readable`].
///
/// An accessor answers as a payload load does: it needs its own bytes within the frame and no
/// more, so that ports are there in a TCP header cut after 4 bytes, for which
/// [`readability`](Self::readability) is [`Readability::Short`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transport<'a> {
    protocol: u8,
    later_fragment: bool,
    /// To the end of the frame; empty in a later fragment.
    bytes: &'a [u8],
    /// How many of `bytes` the IP header declares; the others are padding.
    declared: usize,
}

impl<'a> Transport<'a> {
    pub(super) fn new(
        protocol: u8,
        later_fragment: bool,
        packet: &'a [u8],
        offset: usize,
        packet_length: usize,
    ) -> Self {
        // A header may claim to end beyond the frame: the kernel then loads nothing.
        let bytes = if later_fragment {
            &[]
        } else {
            packet.get(offset..).unwrap_or_default()
        };
        Self {
            protocol,
            later_fragment,
            bytes,
            declared: packet_length.saturating_sub(offset).min(bytes.len()),
        }
    }

    /// `meta l4proto`.
    pub fn protocol(&self) -> u8 {
        self.protocol
    }

    /// Whether the protocol's smallest header can be read. Protocols without a known one are
    /// never short.
    pub fn readability(&self) -> Readability {
        if self.later_fragment {
            Readability::LaterFragment
        } else if self.bytes.len() < minimal_header(self.protocol) {
            Readability::Short
        } else {
            Readability::Readable
        }
    }

    /// A transport-layer payload load; `None` where it breaks the rule.
    pub fn load(&self, offset: usize, length: usize) -> Option<&'a [u8]> {
        if self.later_fragment {
            return None;
        }
        slice(self.bytes, offset, length)
    }

    /// All bytes to the end of the frame, padding included; empty in a later fragment.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The bytes without Ethernet padding; empty in a later fragment.
    pub fn declared_bytes(&self) -> &'a [u8] {
        self.bytes.get(..self.declared).unwrap_or_default()
    }

    /// The protocol has ports in its first four bytes.
    pub fn has_ports(&self) -> bool {
        matches!(
            self.protocol,
            ip_protocol::TCP
                | ip_protocol::UDP
                | ip_protocol::UDP_LITE
                | ip_protocol::SCTP
                | ip_protocol::DCCP
        )
    }

    /// Source port of TCP, UDP, UDP-Lite, SCTP and DCCP.
    pub fn source_port(&self) -> Option<u16> {
        self.has_ports().then(|| word(self.bytes, 0)).flatten()
    }

    /// Destination port of TCP, UDP, UDP-Lite, SCTP and DCCP.
    pub fn destination_port(&self) -> Option<u16> {
        self.has_ports().then(|| word(self.bytes, 2)).flatten()
    }

    /// TCP's flags, byte 13: fin 1, syn 2, rst 4, psh 8, ack 16, urg 32, ece 64, cwr 128.
    pub fn tcp_flags(&self) -> Option<u8> {
        self.byte_of(ip_protocol::TCP, 13)
    }

    /// Type and code of ICMP for IPv4.
    pub fn icmp(&self) -> Option<(u8, u8)> {
        let kind = self.byte_of(ip_protocol::ICMP, 0)?;
        Some((kind, self.byte_of(ip_protocol::ICMP, 1)?))
    }

    /// Type and code of ICMPv6.
    pub fn icmpv6(&self) -> Option<(u8, u8)> {
        let kind = self.byte_of(ip_protocol::ICMPV6, 0)?;
        Some((kind, self.byte_of(ip_protocol::ICMPV6, 1)?))
    }

    /// The target address of a neighbour solicitation, neighbour advertisement or redirect.
    pub fn nd_target(&self) -> Option<Ipv6Addr> {
        let (kind, _) = self.icmpv6()?;
        matches!(
            kind,
            icmpv6_type::NEIGHBOR_SOLICITATION
                | icmpv6_type::NEIGHBOR_ADVERTISEMENT
                | icmpv6_type::REDIRECT
        )
        .then(|| array::<16>(self.bytes, 8).map(Ipv6Addr::from))
        .flatten()
    }

    /// Where the options of an ND message begin, from the start of the ICMPv6 header.
    pub fn nd_options_offset(&self) -> Option<usize> {
        match self.icmpv6()?.0 {
            icmpv6_type::ROUTER_SOLICITATION => Some(8),
            icmpv6_type::ROUTER_ADVERTISEMENT => Some(16),
            icmpv6_type::NEIGHBOR_SOLICITATION | icmpv6_type::NEIGHBOR_ADVERTISEMENT => Some(24),
            icmpv6_type::REDIRECT => Some(40),
            _ => None,
        }
    }

    /// The options of an ND message within the packet's declared length, one by one.
    pub fn nd_options(&self) -> NdOptions<'a> {
        let rest = self
            .nd_options_offset()
            .and_then(|offset| self.declared_bytes().get(offset..))
            .unwrap_or_default();
        NdOptions { rest }
    }

    fn byte_of(&self, protocol: u8, offset: usize) -> Option<u8> {
        if self.protocol == protocol {
            self.bytes.get(offset).copied()
        } else {
            None
        }
    }
}

/// Bytes of the smallest header a protocol can have; 0 where none is known here.
pub fn minimal_header(protocol: u8) -> usize {
    match protocol {
        ip_protocol::TCP => 20,
        ip_protocol::UDP | ip_protocol::UDP_LITE | ip_protocol::ICMP => 8,
        ip_protocol::SCTP | ip_protocol::DCCP => 12,
        ip_protocol::ICMPV6 => 4,
        _ => 0,
    }
}

/// One option of an ND message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NdOption<'a> {
    /// 1 source link-layer address, 2 target link-layer address, 3 prefix, 5 MTU, 14 nonce, …
    pub kind: u8,
    /// What follows type and length; 8·n − 2 bytes, fewer where the message is cut.
    pub value: &'a [u8],
}

impl NdOption<'_> {
    /// The address in a source or target link-layer address option.
    pub fn link_layer_address(&self) -> Option<MacAddress> {
        if matches!(self.kind, 1 | 2) {
            array(self.value, 0).map(MacAddress)
        } else {
            None
        }
    }
}

/// The options of an ND message; ends at one of length zero, which makes a receiver drop it all.
#[derive(Debug, Clone)]
pub struct NdOptions<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for NdOptions<'a> {
    type Item = NdOption<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let [kind, length] = array(self.rest, 0)?;
        if length == 0 {
            self.rest = &[];
            return None;
        }
        let length = (usize::from(length) * 8).min(self.rest.len());
        let (option, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        let value = option.get(2..).unwrap_or_default();
        Some(NdOption { kind, value })
    }
}
