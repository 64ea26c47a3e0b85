//! ARP, IPv4 and IPv6 headers, and which packets nf_tables takes for well formed. Leaves what
//! follows the headers to `transport`.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::transport::Transport;
use super::{array, word};
use crate::MacAddress;
use crate::protocol::{ether_type, ip_protocol};

/// An IP version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// What follows the Ethernet header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Network<'a> {
    /// EtherType 0x0806, however short.
    Arp(Arp),
    /// EtherType 0x8035, however short.
    Rarp(Arp),
    /// EtherType 0x0800 and well formed.
    Ipv4(Ipv4<'a>),
    /// EtherType 0x86dd and well formed.
    Ipv6(Ipv6<'a>),
    /// The EtherType of IP, and a packet that `nft_set_pktinfo_ipv4_validate` or
    /// `nft_set_pktinfo_ipv6_validate` refuses: no rule can load `meta l4proto` or ports of it,
    /// though raw loads of its network header still work.
    Malformed {
        /// What the EtherType says it is.
        family: Family,
    },
    /// Anything else, IP under a second tag included.
    Other,
}

impl<'a> Network<'a> {
    pub(super) fn parse(wire_type: u16, packet: &'a [u8]) -> Self {
        let malformed = |family| Self::Malformed { family };
        match wire_type {
            ether_type::ARP => Self::Arp(Arp::parse(packet)),
            ether_type::RARP => Self::Rarp(Arp::parse(packet)),
            ether_type::IPV4 => Ipv4::parse(packet).map_or(malformed(Family::V4), Self::Ipv4),
            ether_type::IPV6 => Ipv6::parse(packet).map_or(malformed(Family::V6), Self::Ipv6),
            _ => Self::Other,
        }
    }

    /// The transport layer of a well-formed IP packet.
    pub fn transport(&self) -> Option<&Transport<'a>> {
        match self {
            Self::Ipv4(ip) => Some(&ip.transport),
            Self::Ipv6(ip) => Some(&ip.transport),
            _ => None,
        }
    }
}

/// An ARP or RARP packet. A field is `None` where its bytes are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arp {
    /// Hardware type; 1 is Ethernet.
    pub hardware_type: Option<u16>,
    /// Protocol type; 0x0800 is IPv4.
    pub protocol_type: Option<u16>,
    /// Length of a hardware address; 6 is Ethernet.
    pub hardware_length: Option<u8>,
    /// Length of a protocol address; 4 is IPv4.
    pub protocol_length: Option<u8>,
    /// 1 request, 2 reply; RARP 3 and 4.
    pub operation: Option<u16>,
    /// Sender's hardware address; `None` also where the lengths are not 6 and 4.
    pub sender_mac: Option<MacAddress>,
    /// Sender's protocol address; `None` also where the lengths are not 6 and 4.
    pub sender_ip: Option<Ipv4Addr>,
    /// Target's hardware address; `None` also where the lengths are not 6 and 4.
    pub target_mac: Option<MacAddress>,
    /// Target's protocol address; `None` also where the lengths are not 6 and 4.
    pub target_ip: Option<Ipv4Addr>,
}

impl Arp {
    fn parse(packet: &[u8]) -> Self {
        let hardware_length = packet.get(4).copied();
        let protocol_length = packet.get(5).copied();
        let usual = hardware_length == Some(6) && protocol_length == Some(4);
        let mac = |offset| array(packet, offset).filter(|_| usual).map(MacAddress);
        let ip = |offset| {
            array::<4>(packet, offset)
                .filter(|_| usual)
                .map(Ipv4Addr::from)
        };
        Self {
            hardware_type: word(packet, 0),
            protocol_type: word(packet, 2),
            hardware_length,
            protocol_length,
            operation: word(packet, 6),
            sender_mac: mac(8),
            sender_ip: ip(14),
            target_mac: mac(18),
            target_ip: ip(24),
        }
    }

    /// Ethernet and IPv4, of the usual lengths, and no byte missing.
    pub fn is_ethernet_ipv4(&self) -> bool {
        self.hardware_type == Some(1)
            && self.protocol_type == Some(ether_type::IPV4)
            && self.target_ip.is_some()
    }
}

/// A well-formed IPv4 packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ipv4<'a> {
    /// Source address.
    pub source: Ipv4Addr,
    /// Destination address.
    pub destination: Ipv4Addr,
    /// Protocol number.
    pub protocol: u8,
    /// Differentiated services code point, 0 to 63.
    pub dscp: u8,
    /// Explicit congestion notification, 0 to 3.
    pub ecn: u8,
    /// Time to live.
    pub ttl: u8,
    /// Identification, shared by the fragments of a packet.
    pub identification: u16,
    /// Bytes of header, options included: 20 to 60.
    pub header_length: u8,
    /// Bytes of the packet that the header declares.
    pub total_length: u16,
    /// Offset of this fragment in units of 8 bytes; 0 in the first and in an unfragmented packet.
    pub fragment_offset: u16,
    /// Another fragment follows.
    pub more_fragments: bool,
    /// The packet is not to be fragmented.
    pub dont_fragment: bool,
    /// What follows the header.
    pub transport: Transport<'a>,
}

impl<'a> Ipv4<'a> {
    /// `__nft_set_pktinfo_ipv4_validate`, condition by condition; `None` is malformed. It does not
    /// look at the checksum, so neither does this.
    fn parse(packet: &'a [u8]) -> Option<Self> {
        let header: [u8; 20] = array(packet, 0)?;
        let header_length = (header[0] & 0x0f) * 4;
        let total_length = u16::from_be_bytes([header[2], header[3]]);
        if header[0] >> 4 != 4
            || header_length < 20
            || usize::from(total_length) > packet.len()
            || total_length < u16::from(header_length)
        {
            return None;
        }
        let fragment = u16::from_be_bytes([header[6], header[7]]);
        let fragment_offset = fragment & 0x1fff;
        let protocol = header[9];
        Some(Self {
            source: array::<4>(packet, 12)?.into(),
            destination: array::<4>(packet, 16)?.into(),
            protocol,
            dscp: header[1] >> 2,
            ecn: header[1] & 3,
            ttl: header[8],
            identification: u16::from_be_bytes([header[4], header[5]]),
            header_length,
            total_length,
            fragment_offset,
            more_fragments: fragment & 0x2000 != 0,
            dont_fragment: fragment & 0x4000 != 0,
            transport: Transport::new(
                protocol,
                fragment_offset != 0,
                packet,
                usize::from(header_length),
                usize::from(total_length),
            ),
        })
    }

    /// Part of a fragmented packet, the first part included.
    pub fn is_fragment(&self) -> bool {
        self.fragment_offset != 0 || self.more_fragments
    }
}

/// A well-formed IPv6 packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ipv6<'a> {
    /// Source address.
    pub source: Ipv6Addr,
    /// Destination address.
    pub destination: Ipv6Addr,
    /// `meta l4proto`: the protocol after the extension headers; 59 where nothing follows, and 51
    /// where an authentication header stands, for nf_tables does not look behind it.
    pub protocol: u8,
    /// Next header field of the IPv6 header itself.
    pub next_header: u8,
    /// Hop limit.
    pub hop_limit: u8,
    /// Differentiated services code point, 0 to 63.
    pub dscp: u8,
    /// Explicit congestion notification, 0 to 3.
    pub ecn: u8,
    /// Flow label, 20 bits.
    pub flow_label: u32,
    /// Bytes after the IPv6 header that it declares.
    pub payload_length: u16,
    /// The walk met a fragment header.
    pub has_fragment_header: bool,
    /// Offset of this fragment in units of 8 bytes; 0 in the first and in an unfragmented packet.
    pub fragment_offset: u16,
    /// Another fragment follows.
    pub more_fragments: bool,
    /// Where the transport layer begins, from the start of the IPv6 header; `None` in a later
    /// fragment, where the kernel leaves it meaningless.
    pub transport_offset: Option<usize>,
    /// What follows the extension headers.
    pub transport: Transport<'a>,
}

impl<'a> Ipv6<'a> {
    /// `__nft_set_pktinfo_ipv6_validate`, condition by condition; `None` is malformed.
    fn parse(packet: &'a [u8]) -> Option<Self> {
        let header: [u8; 40] = array(packet, 0)?;
        let first = u32::from_be_bytes(array(packet, 0)?);
        let payload_length = u16::from_be_bytes([header[4], header[5]]);
        let declared = 40 + usize::from(payload_length);
        if first >> 28 != 6 || declared > packet.len() {
            return None;
        }
        let next_header = header[6];
        let walk = ExtensionWalk::run(packet, next_header)?;
        let traffic_class = first.to_be_bytes();
        let traffic_class = (traffic_class[0] << 4) | (traffic_class[1] >> 4);
        let later = walk.fragment_offset != 0;
        Some(Self {
            source: array::<16>(packet, 8)?.into(),
            destination: array::<16>(packet, 24)?.into(),
            protocol: walk.protocol,
            next_header,
            hop_limit: header[7],
            dscp: traffic_class >> 2,
            ecn: traffic_class & 3,
            flow_label: first & 0x000f_ffff,
            payload_length,
            has_fragment_header: walk.has_fragment_header,
            fragment_offset: walk.fragment_offset,
            more_fragments: walk.more_fragments,
            transport_offset: (!later).then_some(walk.offset),
            transport: Transport::new(walk.protocol, later, packet, walk.offset, declared),
        })
    }

    /// Carries a fragment header, be it of a packet in one piece.
    pub fn is_fragment(&self) -> bool {
        self.has_fragment_header
    }
}

/// `ipv6_find_hdr` as nf_tables calls it: no target, flag `IP6_FH_F_AUTH`. It reads to the end of
/// the frame and does not care where the packet's declared length ends.
struct ExtensionWalk {
    protocol: u8,
    offset: usize,
    has_fragment_header: bool,
    fragment_offset: u16,
    more_fragments: bool,
}

impl ExtensionWalk {
    fn run(packet: &[u8], next_header: u8) -> Option<Self> {
        let mut walk = Self {
            protocol: next_header,
            offset: 40,
            has_fragment_header: false,
            fragment_offset: 0,
            more_fragments: false,
        };
        while is_extension(walk.protocol) {
            let [next, length] = array(packet, walk.offset)?;
            let length = match walk.protocol {
                ip_protocol::FRAGMENT => {
                    let field = word(packet, walk.offset + 2)?;
                    walk.has_fragment_header = true;
                    walk.more_fragments = field & 1 != 0;
                    walk.fragment_offset = field >> 3;
                    if walk.fragment_offset != 0 {
                        // A later fragment names a protocol, or the walk fails (-ENOENT).
                        walk.protocol = next;
                        return (!is_extension(next)).then_some(walk);
                    }
                    8
                }
                ip_protocol::ROUTING => {
                    array::<4>(packet, walk.offset)?;
                    (usize::from(length) + 1) * 8
                }
                // With IP6_FH_F_AUTH and no target the walk stops here, but only after the
                // header's first two bytes could be read.
                ip_protocol::AUTHENTICATION => return Some(walk),
                _ => (usize::from(length) + 1) * 8,
            };
            walk.protocol = next;
            walk.offset += length;
        }
        Some(walk)
    }
}

/// `ipv6_ext_hdr` without [`ip_protocol::NO_NEXT_HEADER`], which the kernel always lets through.
fn is_extension(next_header: u8) -> bool {
    matches!(
        next_header,
        ip_protocol::HOP_BY_HOP
            | ip_protocol::ROUTING
            | ip_protocol::FRAGMENT
            | ip_protocol::AUTHENTICATION
            | ip_protocol::DESTINATION_OPTIONS
    )
}

/// The group MAC that an IPv4 group is sent to (RFC 1112, section 6.4).
pub fn ipv4_multicast_mac(group: Ipv4Addr) -> MacAddress {
    let [_, b, c, d] = group.octets();
    MacAddress([0x01, 0x00, 0x5e, b & 0x7f, c, d])
}

/// The group MAC that an IPv6 group is sent to (RFC 2464, section 7).
pub fn ipv6_multicast_mac(group: Ipv6Addr) -> MacAddress {
    let octets = group.octets();
    MacAddress([0x33, 0x33, octets[12], octets[13], octets[14], octets[15]])
}
