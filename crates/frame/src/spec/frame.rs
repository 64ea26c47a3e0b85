//! From the text form of a frame to its bytes: fills in what the text leaves unsaid. Leaves layout
//! to `build`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{FrameSpec, NeighborKind, PortProtocol, SpecContent};
use crate::MacAddress;
use crate::build::{
    ArpPacket, FrameBuilder, PacketBuilder, is_dhcp_server_message, is_dhcpv6_server_message,
    nd_option, solicited_node,
};
use crate::parse::{ipv4_multicast_mac, ipv6_multicast_mac};
use crate::protocol::ether_type;

const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
const ALL_DHCP_SERVERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2);

impl FrameSpec {
    /// The frame. Where the text names no addresses, it goes from `source` to the group or
    /// broadcast address that its IP destination asks for, and to `destination` otherwise.
    pub fn to_frame(&self, source: MacAddress, destination: MacAddress) -> Vec<u8> {
        let (source, destination) = self
            .macs
            .unwrap_or_else(|| (source, self.link_destination(source).unwrap_or(destination)));
        let mut frame = FrameBuilder::new(source, destination);
        if let Some(vlan) = self.vlan {
            frame = frame.vlan(vlan);
        }
        match &self.content {
            SpecContent::Arp {
                operation,
                source: sender_ip,
                destination: target_ip,
                sender,
            } => {
                let broadcast = destination.is_multicast();
                let packet = ArpPacket {
                    operation: operation.number(),
                    sender_mac: sender.unwrap_or(source),
                    sender_ip: *sender_ip,
                    target_mac: if broadcast {
                        MacAddress::ZERO
                    } else {
                        destination
                    },
                    target_ip: *target_ip,
                };
                if operation.is_reverse() {
                    frame.rarp(&packet)
                } else {
                    frame.arp(&packet)
                }
            }
            SpecContent::Ether { ether_type } => {
                let length = if *ether_type < ether_type::MINIMUM {
                    usize::from(*ether_type)
                } else {
                    46
                };
                frame.ether(*ether_type, &vec![0; length])
            }
            _ => self.packet(frame, source, destination).build(),
        }
    }

    /// The Ethernet destination that the content itself implies.
    fn link_destination(&self, source: MacAddress) -> Option<MacAddress> {
        if let SpecContent::Arp { operation, .. } = &self.content {
            return matches!(operation.number(), 1 | 3).then_some(MacAddress::BROADCAST);
        }
        match self.addresses(source)?.1 {
            IpAddr::V4(address) if address.is_broadcast() => Some(MacAddress::BROADCAST),
            IpAddr::V4(address) => address.is_multicast().then(|| ipv4_multicast_mac(address)),
            IpAddr::V6(address) => address.is_multicast().then(|| ipv6_multicast_mac(address)),
        }
    }

    /// IP source and destination, the usual ones where the text says none.
    fn addresses(&self, source_mac: MacAddress) -> Option<(IpAddr, IpAddr)> {
        Some(match &self.content {
            SpecContent::Tcp {
                source,
                destination,
                ..
            }
            | SpecContent::Ports {
                source,
                destination,
                ..
            } => (source.ip(), destination.ip()),
            SpecContent::Icmp {
                source,
                destination,
                ..
            } => ((*source).into(), (*destination).into()),
            SpecContent::Icmp6 {
                source,
                destination,
                ..
            } => ((*source).into(), (*destination).into()),
            SpecContent::Ip {
                source,
                destination,
                ..
            } => (*source, *destination),
            SpecContent::Neighbor {
                kind,
                source,
                target,
                ..
            } => {
                let group = kind.usual_destination(*target);
                ((*source).into(), group.into())
            }
            SpecContent::Dhcp { kind, addresses } => {
                let server = is_dhcp_server_message(kind.number());
                let usual = if server {
                    Ipv4Addr::new(192, 0, 2, 1)
                } else {
                    Ipv4Addr::UNSPECIFIED
                };
                let (source, destination) = addresses.unwrap_or((usual, Ipv4Addr::BROADCAST));
                (source.into(), destination.into())
            }
            SpecContent::Dhcpv6 { kind, addresses } => {
                let server = is_dhcpv6_server_message(kind.number());
                let group = if server { ALL_NODES } else { ALL_DHCP_SERVERS };
                let (source, destination) =
                    addresses.unwrap_or((source_mac.eui64_link_local(), group));
                (source.into(), destination.into())
            }
            SpecContent::Arp { .. } | SpecContent::Ether { .. } => return None,
        })
    }

    fn packet(
        &self,
        frame: FrameBuilder,
        source_mac: MacAddress,
        destination_mac: MacAddress,
    ) -> PacketBuilder {
        let addresses = self.addresses(source_mac);
        let packet = match addresses {
            Some((IpAddr::V4(source), IpAddr::V4(destination))) => frame.ipv4(source, destination),
            Some((IpAddr::V6(source), IpAddr::V6(destination))) => frame.ipv6(source, destination),
            // The reader lets no two versions through; one that is made by hand is IPv6-mapped.
            Some((source, destination)) => frame.ipv6(mapped(source), mapped(destination)),
            None => frame.ipv4(Ipv4Addr::UNSPECIFIED, Ipv4Addr::UNSPECIFIED),
        };
        let packet = match &self.content {
            SpecContent::Tcp {
                source,
                destination,
                flags,
            } => packet.tcp(source.port(), destination.port(), *flags),
            SpecContent::Ports {
                protocol,
                source,
                destination,
            } => {
                let (source, destination) = (source.port(), destination.port());
                match protocol {
                    PortProtocol::Udp => packet.udp(source, destination),
                    PortProtocol::UdpLite => packet.udp_lite(source, destination),
                    PortProtocol::Sctp => packet.sctp(source, destination),
                    PortProtocol::Dccp => packet.dccp(source, destination),
                }
            }
            SpecContent::Icmp { kind, code, .. } | SpecContent::Icmp6 { kind, code, .. } => {
                // 16 bytes more, for ND messages made by number hold a target address.
                packet.icmp(*kind, *code, [0, 1, 0, 1]).payload([0; 16])
            }
            SpecContent::Ip { protocol, .. } => packet.protocol(*protocol).payload([0; 64]),
            SpecContent::Neighbor {
                kind,
                target,
                link_layer,
                ..
            } => {
                let mac = link_layer.unwrap_or(source_mac);
                let target = target.unwrap_or(Ipv6Addr::UNSPECIFIED);
                let source_option = nd_option::source_link_layer(mac);
                let unspecified = addresses.is_some_and(|(source, _)| source.is_unspecified());
                // RFC 4861, section 4.3: no such option where the source is unspecified.
                let source_option = if unspecified && link_layer.is_none() {
                    Vec::new()
                } else {
                    source_option
                };
                match kind {
                    NeighborKind::RouterSolicitation => packet.router_solicitation(&source_option),
                    NeighborKind::RouterAdvertisement => {
                        packet.router_advertisement(&source_option)
                    }
                    NeighborKind::Solicitation => {
                        packet.neighbor_solicitation(target, &source_option)
                    }
                    NeighborKind::Advertisement => {
                        packet.neighbor_advertisement(target, &nd_option::target_link_layer(mac))
                    }
                }
            }
            SpecContent::Dhcp { kind, addresses } => {
                let server = is_dhcp_server_message(kind.number());
                let yours = addresses.map_or(Ipv4Addr::UNSPECIFIED, |(source, destination)| {
                    if server { destination } else { source }
                });
                let client = if server { destination_mac } else { source_mac };
                packet.dhcp(kind.number(), client, yours)
            }
            SpecContent::Dhcpv6 { kind, .. } => {
                let server = is_dhcpv6_server_message(kind.number());
                let client = if server { destination_mac } else { source_mac };
                packet.dhcpv6(kind.number(), client)
            }
            SpecContent::Arp { .. } | SpecContent::Ether { .. } => packet,
        };
        match self.fragment {
            Some(offset) => packet.fragment(offset, true),
            None => packet,
        }
    }
}

impl NeighborKind {
    /// The group that a message goes to where nothing else is said.
    pub(super) fn usual_destination(self, target: Option<Ipv6Addr>) -> Ipv6Addr {
        match (self, target) {
            (Self::Solicitation, Some(target)) => solicited_node(target),
            (Self::RouterSolicitation, _) => ALL_ROUTERS,
            _ => ALL_NODES,
        }
    }
}

fn mapped(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}
