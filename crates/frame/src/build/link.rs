//! Frames without IP: ARP and RARP, spanning tree, LLDP. Leaves the Ethernet header to `build`.

use std::net::Ipv4Addr;

use super::FrameBuilder;
use crate::MacAddress;
use crate::protocol::ether_type;

/// An ARP or RARP packet for Ethernet and IPv4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArpPacket {
    /// 1 request, 2 reply; RARP 3 and 4.
    pub operation: u16,
    /// Sender's hardware address.
    pub sender_mac: MacAddress,
    /// Sender's protocol address.
    pub sender_ip: Ipv4Addr,
    /// Target's hardware address.
    pub target_mac: MacAddress,
    /// Target's protocol address.
    pub target_ip: Ipv4Addr,
}

impl ArpPacket {
    /// The 28 bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0, 1, 8, 0, 6, 4];
        bytes.extend(self.operation.to_be_bytes());
        bytes.extend(self.sender_mac.octets());
        bytes.extend(self.sender_ip.octets());
        bytes.extend(self.target_mac.octets());
        bytes.extend(self.target_ip.octets());
        bytes
    }
}

/// A configuration message of the spanning tree protocol (IEEE 802.1D, clause 9.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bpdu {
    /// 0 configuration; 2 rapid; 0x80 topology change notification.
    pub kind: u8,
    /// Flags.
    pub flags: u8,
    /// Priority of the root bridge.
    pub root_priority: u16,
    /// Address of the root bridge.
    pub root: MacAddress,
    /// Cost of the path to the root.
    pub root_cost: u32,
    /// Priority of the sending bridge.
    pub bridge_priority: u16,
    /// Address of the sending bridge.
    pub bridge: MacAddress,
    /// Sending port.
    pub port: u16,
    /// Age, in 1/256 seconds.
    pub message_age: u16,
    /// Greatest age, in 1/256 seconds.
    pub max_age: u16,
    /// Hello time, in 1/256 seconds.
    pub hello_time: u16,
    /// Forward delay, in 1/256 seconds.
    pub forward_delay: u16,
}

impl Bpdu {
    /// Where bridges send to.
    pub const DESTINATION: MacAddress = MacAddress([0x01, 0x80, 0xc2, 0, 0, 0]);

    /// The message with its LLC header.
    pub fn bytes(&self) -> Vec<u8> {
        let version = if self.kind == 2 { 2 } else { 0 };
        let mut bytes = vec![0x42, 0x42, 0x03, 0, 0, version, self.kind, self.flags];
        bytes.extend(self.root_priority.to_be_bytes());
        bytes.extend(self.root.octets());
        bytes.extend(self.root_cost.to_be_bytes());
        bytes.extend(self.bridge_priority.to_be_bytes());
        bytes.extend(self.bridge.octets());
        for field in [
            self.port,
            self.message_age,
            self.max_age,
            self.hello_time,
            self.forward_delay,
        ] {
            bytes.extend(field.to_be_bytes());
        }
        bytes
    }
}

impl FrameBuilder {
    /// The frame with an ARP packet.
    pub fn arp(&self, packet: &ArpPacket) -> Vec<u8> {
        self.ether(ether_type::ARP, &packet.bytes())
    }

    /// The frame with a RARP packet.
    pub fn rarp(&self, packet: &ArpPacket) -> Vec<u8> {
        self.ether(ether_type::RARP, &packet.bytes())
    }

    /// The frame with a spanning tree message; bridges send it to [`Bpdu::DESTINATION`].
    pub fn stp(&self, bpdu: &Bpdu) -> Vec<u8> {
        self.ieee_802_3(&bpdu.bytes())
    }

    /// The frame with an LLDP message: chassis (the frame's source), port, time to live, end.
    pub fn lldp(&self, port: &str) -> Vec<u8> {
        let port = port
            .as_bytes()
            .get(..port.len().min(255))
            .unwrap_or_default();
        let length = u16::try_from(port.len() + 1).unwrap_or(1);
        let mut bytes = vec![0x02, 7, 4];
        bytes.extend(self.source().octets());
        bytes.extend((0x0400 | length).to_be_bytes());
        bytes.push(5);
        bytes.extend(port);
        bytes.extend([0x06, 2, 0, 120, 0, 0]);
        self.ether(ether_type::LLDP, &bytes)
    }
}
