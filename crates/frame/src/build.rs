//! Makes frames, with the lengths and checksums that belong in them. Leaves which frames are worth
//! making to `random` and to tests.
//!
//! A builder is for tests and traces, so it also makes what no honest host sends: any field can be
//! overridden, and headers may contradict each other if asked to. It never fails and never panics.

mod checksum;
mod configuration;
mod discovery;
mod fragment;
mod link;
mod packet;

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::MacAddress;
use crate::protocol::ether_type;

pub use configuration::{is_dhcp_server_message, is_dhcpv6_server_message};
pub use discovery::{nd_option, solicited_node};
pub use fragment::fragment;
pub use link::{ArpPacket, Bpdu};
pub use packet::{Extension, PacketBuilder, TcpFlags};

/// Makes one frame from the outside in: addresses, tags, then what it carries.
///
/// ```
/// use frame::{Frame, FrameBuilder, MacAddress, TcpFlags};
/// let bytes = FrameBuilder::new(MacAddress([2, 0, 0, 0, 0, 1]), MacAddress([2, 0, 0, 0, 0, 2]))
///     .vlan(7)
///     .ipv4([10, 0, 0, 5].into(), [10, 0, 0, 9].into())
///     .tcp(40000, 80, TcpFlags::SYN)
///     .payload(b"hello")
///     .build();
/// let frame = Frame::parse(&bytes).unwrap();
/// assert_eq!(frame.tag.unwrap().vid(), 7);
/// assert_eq!(frame.transport().unwrap().destination_port(), Some(80));
/// ```
#[derive(Debug, Clone)]
pub struct FrameBuilder {
    source: MacAddress,
    destination: MacAddress,
    tags: Vec<(u16, u16)>,
    minimum: usize,
}

impl FrameBuilder {
    /// A frame from one address to another.
    pub fn new(source: MacAddress, destination: MacAddress) -> Self {
        Self {
            source,
            destination,
            tags: Vec::new(),
            minimum: 0,
        }
    }

    /// Adds an 802.1Q tag inside those added before.
    pub fn vlan(self, vid: u16) -> Self {
        self.tag(ether_type::VLAN, vid & 0x0fff)
    }

    /// Adds a tag of any protocol inside those added before.
    pub fn tag(mut self, protocol: u16, tci: u16) -> Self {
        self.tags.push((protocol, tci));
        self
    }

    /// Pads the frame with zeros to at least so many bytes; a network card pads to 60.
    pub fn pad_to(mut self, minimum: usize) -> Self {
        self.minimum = minimum;
        self
    }

    /// The address the frame is from.
    pub fn source(&self) -> MacAddress {
        self.source
    }

    /// The frame with any type and payload.
    pub fn ether(&self, ether_type: u16, payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(payload.len() + 22);
        bytes.extend(self.destination.octets());
        bytes.extend(self.source.octets());
        for (protocol, tci) in &self.tags {
            bytes.extend(protocol.to_be_bytes());
            bytes.extend(tci.to_be_bytes());
        }
        bytes.extend(ether_type.to_be_bytes());
        bytes.extend(payload);
        if bytes.len() < self.minimum {
            bytes.resize(self.minimum, 0);
        }
        bytes
    }

    /// The frame with a length in place of a type, as IEEE 802.3 has it.
    pub fn ieee_802_3(&self, payload: &[u8]) -> Vec<u8> {
        let length = length_field(payload.len()).min(ether_type::MINIMUM - 1);
        self.ether(length, payload)
    }

    /// Goes on with an IPv4 packet.
    pub fn ipv4(self, source: Ipv4Addr, destination: Ipv4Addr) -> PacketBuilder {
        PacketBuilder::ipv4(self, source, destination)
    }

    /// Goes on with an IPv6 packet.
    pub fn ipv6(self, source: Ipv6Addr, destination: Ipv6Addr) -> PacketBuilder {
        PacketBuilder::ipv6(self, source, destination)
    }
}

/// A length as a 16-bit field; what does not fit is as long as the field can say.
fn length_field(length: usize) -> u16 {
    u16::try_from(length).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests;
