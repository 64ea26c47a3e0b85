//! What one frame tells of the addresses of the port that sent or gets it. Knows layouts; whether it
//! is believed is left to the learner.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use frame::protocol::{ether_type, ip_protocol};
use frame::{Frame, MacAddress, Network};

use crate::{dhcp4, dhcp6};

/// Seen from the VM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// Towards the VM.
    In,
    /// From the VM.
    Out,
}

/// What a frame tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// The sender speaks as this address.
    Uses(IpAddr),
    /// The sender asks whether the address is free, to use it: an ARP probe (RFC 5227 section 2.1.1)
    /// or duplicate address detection (RFC 4862 section 5.4.2).
    Probes(IpAddr),
    /// A DHCP client's message.
    Asked4(dhcp4::Message),
    /// A DHCP server's message, from this address.
    Answered4(Ipv4Addr, dhcp4::Message),
    /// A DHCPv6 client's message.
    Asked6(dhcp6::Message),
    /// A DHCPv6 server's message, from this address.
    Answered6(Ipv6Addr, dhcp6::Message),
}

/// Reads a frame that the port with this MAC sent (`Out`) or gets (`In`). The frame may be cut behind
/// its headers. `None` where it tells nothing, or speaks with another MAC than the port's.
pub fn evidence(mac: MacAddress, direction: Direction, bytes: &[u8]) -> Option<Evidence> {
    let frame = Frame::parse(bytes).ok()?;
    match direction {
        Direction::In => answered(&frame),
        Direction::Out if frame.source == mac => sent(mac, &frame),
        Direction::Out => None,
    }
}

fn sent(mac: MacAddress, frame: &Frame<'_>) -> Option<Evidence> {
    if let Network::Arp(arp) = &frame.network {
        if !arp.is_ethernet_ipv4() || arp.sender_mac != Some(mac) {
            return None;
        }
        let (sender, target) = (arp.sender_ip?, arp.target_ip?);
        return Some(if sender == Ipv4Addr::UNSPECIFIED {
            Evidence::Probes(target.into())
        } else {
            Evidence::Uses(sender.into())
        });
    }
    if let Some(payload) = udp(frame, 68, 67) {
        return dhcp4::Message::read(payload).map(Evidence::Asked4);
    }
    if let Some(payload) = udp(frame, 546, 547) {
        return dhcp6::Message::read(payload).map(Evidence::Asked6);
    }
    let source = source(frame)?;
    if source != IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
        return Some(Evidence::Uses(source));
    }
    let Network::Ipv6(ip) = &frame.network else {
        return None;
    };
    let solicits = ip.transport.icmpv6() == Some((135, 0)) && ip.hop_limit == 255;
    let target = ip.transport.nd_target().filter(|_| solicits)?;
    let group = frame::build::solicited_node(target);
    (ip.destination == group).then_some(Evidence::Probes(target.into()))
}

fn answered(frame: &Frame<'_>) -> Option<Evidence> {
    match &frame.network {
        Network::Ipv4(ip) => {
            let message = dhcp4::Message::read(udp(frame, 67, 68)?)?;
            Some(Evidence::Answered4(ip.source, message))
        }
        Network::Ipv6(ip) => {
            let message = dhcp6::Message::read(udp(frame, 547, 546)?)?;
            Some(Evidence::Answered6(ip.source, message))
        }
        _ => None,
    }
}

/// The payload of a UDP datagram between these ports that is no fragment.
fn udp<'a>(frame: &Frame<'a>, source: u16, destination: u16) -> Option<&'a [u8]> {
    let fragment = match &frame.network {
        Network::Ipv4(ip) => ip.is_fragment(),
        Network::Ipv6(ip) => ip.is_fragment(),
        _ => return None,
    };
    let transport = frame.transport()?;
    let between = transport.protocol() == ip_protocol::UDP
        && transport.source_port() == Some(source)
        && transport.destination_port() == Some(destination);
    if fragment || !between {
        return None;
    }
    transport.declared_bytes().get(8..)
}

/// From the bytes themselves: a packet that was cut for the report is malformed to every reader
/// that looks at its length.
fn source(frame: &Frame<'_>) -> Option<IpAddr> {
    match frame.protocol {
        ether_type::IPV4 => {
            let header = frame.network_bytes(0, 20)?;
            let source: [u8; 4] = header.get(12..16)?.try_into().ok()?;
            (header.first()? >> 4 == 4).then(|| Ipv4Addr::from(source).into())
        }
        ether_type::IPV6 => {
            let header = frame.network_bytes(0, 40)?;
            let source: [u8; 16] = header.get(8..24)?.try_into().ok()?;
            (header.first()? >> 4 == 6).then(|| Ipv6Addr::from(source).into())
        }
        _ => None,
    }
}

/// Whether a host can have the address: not an unspecified, loopback, multicast, broadcast or
/// IPv4-mapped one.
pub(crate) fn is_host(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [first, ..] = address.octets();
            // 0.0.0.0/8 is "this network", 224/4 multicast, 240/4 reserved with the broadcast address.
            !matches!(first, 0 | 127 | 224..)
        }
        IpAddr::V6(address) => {
            !(address.is_unspecified()
                || address.is_loopback()
                || address.is_multicast()
                || address.to_ipv4_mapped().is_some())
        }
    }
}

#[cfg(test)]
mod tests;
