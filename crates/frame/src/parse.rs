//! The link layer of a frame as a rule of nf_tables' bridge family sees it: addresses, the one tag
//! the kernel strips, `meta protocol`, and raw loads. Leaves IP to `network`, ports to `transport`.
//!
//! What is modelled is a frame that arrives on a bridge port, at the prerouting hook, before
//! conntrack of the bridge family (which defragments, and trims Ethernet padding).

mod network;
mod transport;

use std::borrow::Cow;

use crate::MacAddress;
use crate::protocol::ether_type;

pub use network::{Arp, Family, Ipv4, Ipv6, Network, ipv4_multicast_mac, ipv6_multicast_mac};
pub use transport::{NdOption, NdOptions, Readability, Transport, minimal_header};

const TAGGED_HEADER: usize = 18;

/// Why bytes are no frame that a rule could ever see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Drivers and `tun_get_user` refuse less than an Ethernet header.
    #[error("{length} bytes are no frame: an Ethernet header alone has 14")]
    TooShort {
        /// Bytes given.
        length: usize,
    },
    /// `skb_vlan_untag` pulls the tag, the type after it and two bytes more, or frees the frame.
    #[error("a tagged frame of {length} bytes is dropped by the kernel: it needs at least 20")]
    TruncatedTag {
        /// Bytes given.
        length: usize,
    },
}

/// The outer VLAN tag, which the kernel moves from the bytes to `skb->vlan_tci`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tag {
    /// Tag protocol: 0x8100 or 0x88a8.
    pub protocol: u16,
    /// Tag control information: priority (3 bits), drop eligible (1), VLAN id (12).
    pub tci: u16,
}

impl Tag {
    /// VLAN id, 0 (priority only) to 4095.
    pub const fn vid(self) -> u16 {
        self.tci & 0x0fff
    }

    /// Priority code point, 0 to 7.
    pub const fn pcp(self) -> u8 {
        (self.tci >> 13) as u8
    }

    /// Drop eligible indicator.
    pub const fn dei(self) -> bool {
        self.tci & 0x1000 != 0
    }
}

/// One frame, read as the kernel reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame<'a> {
    bytes: &'a [u8],
    network_offset: usize,
    /// Destination address.
    pub destination: MacAddress,
    /// Source address.
    pub source: MacAddress,
    /// The tag stripped, if any: exactly one, an inner one stays in the bytes.
    pub tag: Option<Tag>,
    /// `meta protocol`: the EtherType after the stripped tag; [`ether_type::LLC`] or
    /// [`ether_type::RAW_802_3`] for a length; a tag's protocol where a second tag follows.
    pub protocol: u16,
    /// What a payload load of 2 bytes at link-layer offset 12 gives: the tag protocol of a tagged
    /// frame, else the type or the length as it is on the wire.
    pub ether_type_field: u16,
    /// The network layer. IP only where `protocol` says so: `nft_do_chain_bridge` looks no deeper.
    pub network: Network<'a>,
}

impl<'a> Frame<'a> {
    /// Reads a frame (without preamble and checksum). Every frame has a reading; bytes fail only
    /// where the kernel drops them before the first hook.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, FrameError> {
        let too_short = FrameError::TooShort {
            length: bytes.len(),
        };
        let destination = array(bytes, 0).map(MacAddress).ok_or(too_short)?;
        let source = array(bytes, 6).map(MacAddress).ok_or(too_short)?;
        let ether_type_field = word(bytes, 12).ok_or(too_short)?;

        // __netif_receive_skb_core calls skb_vlan_untag once, for either tag protocol.
        let (tag, type_offset) = if is_tag(ether_type_field) {
            let truncated = FrameError::TruncatedTag {
                length: bytes.len(),
            };
            if bytes.len() < TAGGED_HEADER + 2 {
                return Err(truncated);
            }
            let tag = Tag {
                protocol: ether_type_field,
                tci: word(bytes, 14).ok_or(truncated)?,
            };
            (Some(tag), 16)
        } else {
            (None, 12)
        };
        let network_offset = type_offset + 2;
        let wire_type = word(bytes, type_offset).ok_or(too_short)?;

        // eth_type_trans; after a tag the same rule stands in vlan_set_encap_proto.
        let protocol = if wire_type >= ether_type::MINIMUM {
            wire_type
        } else if word(bytes, network_offset) == Some(0xffff) {
            ether_type::RAW_802_3
        } else {
            ether_type::LLC
        };

        let packet = bytes.get(network_offset..).unwrap_or_default();
        // nft_do_chain_bridge switches on eth_hdr(skb)->h_proto, which is the type on the wire
        // (skb_reorder_vlan_header slides the addresses up to it).
        let network = Network::parse(wire_type, packet);
        Ok(Self {
            bytes,
            network_offset,
            destination,
            source,
            tag,
            protocol,
            ether_type_field,
            network,
        })
    }

    /// The whole frame.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Where the network layer begins in the frame: 14, or 18 with a tag.
    pub fn network_offset(&self) -> usize {
        self.network_offset
    }

    /// The transport layer of a well-formed IP packet.
    pub fn transport(&self) -> Option<&Transport<'a>> {
        self.network.transport()
    }

    /// What a link-layer payload load gives, or `None` where it breaks the rule (beyond the end).
    ///
    /// Offsets count as on the wire, the stripped tag included: `nft_payload_copy_vlan` puts it
    /// back. It writes `skb->protocol` after it, so in a tagged 802.3 frame bytes 16..18 read
    /// 0x0004 or 0x0001 and not the length.
    pub fn link_bytes(&self, offset: usize, length: usize) -> Option<Cow<'a, [u8]>> {
        let end = offset.checked_add(length)?;
        let wire = self.bytes.get(offset..end)?;
        let rewritten = self.tag.is_some() && self.protocol < ether_type::MINIMUM;
        if !rewritten || end <= 16 || offset >= TAGGED_HEADER {
            return Some(Cow::Borrowed(wire));
        }
        let mut loaded = wire.to_vec();
        for (position, byte) in (16_usize..).zip(self.protocol.to_be_bytes()) {
            if let Some(place) = position
                .checked_sub(offset)
                .and_then(|index| loaded.get_mut(index))
            {
                *place = byte;
            }
        }
        Some(Cow::Owned(loaded))
    }

    /// What a network-layer payload load gives, or `None` beyond the end. Works for any protocol;
    /// offset 0 is the byte after the Ethernet header and the stripped tag.
    pub fn network_bytes(&self, offset: usize, length: usize) -> Option<&'a [u8]> {
        slice(self.bytes.get(self.network_offset..)?, offset, length)
    }

    /// What a transport-layer payload load gives: `None` beyond the end of the frame (Ethernet
    /// padding still counts), in a later fragment, and in anything but well-formed IP. About later
    /// fragments the kernel's fast loads disagree; see [`Transport`].
    pub fn transport_bytes(&self, offset: usize, length: usize) -> Option<&'a [u8]> {
        self.transport()?.load(offset, length)
    }

    /// Bytes after the end that the IP header declares: Ethernet padding, which bridge conntrack
    /// (`nf_ct_bridge_pre`, `pskb_trim_rcsum`) cuts off. `None` for anything but well-formed IP.
    pub fn padding(&self) -> Option<&'a [u8]> {
        let length = match &self.network {
            Network::Ipv4(ip) => usize::from(ip.total_length),
            Network::Ipv6(ip) => 40 + usize::from(ip.payload_length),
            _ => return None,
        };
        self.bytes.get(self.network_offset.checked_add(length)?..)
    }
}

/// The two tag protocols that `eth_type_vlan` knows.
pub(crate) fn is_tag(protocol: u16) -> bool {
    matches!(protocol, ether_type::VLAN | ether_type::SERVICE_VLAN)
}

pub(crate) fn slice(bytes: &[u8], offset: usize, length: usize) -> Option<&[u8]> {
    bytes.get(offset..offset.checked_add(length)?)
}

pub(crate) fn array<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    slice(bytes, offset, N)?.try_into().ok()
}

pub(crate) fn word(bytes: &[u8], offset: usize) -> Option<u16> {
    array(bytes, offset).map(u16::from_be_bytes)
}

#[cfg(test)]
mod tests;
