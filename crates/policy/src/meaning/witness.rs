//! Frames that stand for traffic: ordinary packets from and to a port.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use frame::build::PacketBuilder;
use frame::protocol::ip_protocol;
use frame::{FrameBuilder, MacAddress, TcpFlags};

use super::judge::JudgedPort;
use super::services::Packets;
use crate::program::Direction;

/// What a port is to its witnesses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Own {
    pub(super) mac: MacAddress,
    pub(super) v4: Ipv4Addr,
    pub(super) v6: Ipv6Addr,
}

/// A neighbour that no document knows.
pub(super) const STRANGER: MacAddress = MacAddress([0x02, 0x00, 0x5e, 0x10, 0x00, 0x4d]);
pub(super) const OUTSIDE_V4: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 77);
pub(super) const OUTSIDE_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 0x77);
/// Of a client: above every port that services listen on by name.
pub(super) const CLIENT_PORT: u16 = 40_123;

impl Own {
    pub(super) fn of(port: &JudgedPort) -> Self {
        let v6 = port
            .ipv6
            .iter()
            .map(|(first, _)| first)
            .find(|address| !address.is_unicast_link_local());
        let v4 = port.ipv4.iter().next().map(|(first, _)| first);
        Self {
            mac: port.mac,
            // A port without IPv4 still receives it, and without the guard sends it.
            v4: v4.unwrap_or(Ipv4Addr::new(192, 0, 2, 200)),
            v6: v6.unwrap_or_else(|| port.mac.eui64_link_local()),
        }
    }
}

/// The link and the two ends of a packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends {
    pub(super) source_mac: MacAddress,
    pub(super) destination_mac: MacAddress,
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
}

impl Ends {
    /// Between the port and a peer behind the neighbour `other`.
    pub(super) fn new(own: &Own, direction: Direction, other: MacAddress, peer: IpAddr) -> Self {
        let mine = match peer {
            IpAddr::V4(_) => IpAddr::V4(own.v4),
            IpAddr::V6(_) => IpAddr::V6(own.v6),
        };
        match direction {
            Direction::In => Self {
                source_mac: other,
                destination_mac: own.mac,
                source: peer,
                destination: mine,
            },
            Direction::Out => Self {
                source_mac: own.mac,
                destination_mac: other,
                source: mine,
                destination: peer,
            },
        }
    }

    pub(super) fn link(&self) -> FrameBuilder {
        FrameBuilder::new(self.source_mac, self.destination_mac)
    }

    pub(super) fn packet(&self, link: FrameBuilder) -> PacketBuilder {
        match (self.source, self.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => link.ipv4(source, destination),
            (IpAddr::V6(source), IpAddr::V6(destination)) => link.ipv6(source, destination),
            // Nobody pairs families: an empty packet would be as good.
            (IpAddr::V4(source), _) => link.ipv4(source, OUTSIDE_V4),
            (IpAddr::V6(source), _) => link.ipv6(source, OUTSIDE_V6),
        }
    }

    /// The witness of a class of packets.
    pub(super) fn witness(&self, packets: &Packets) -> Vec<u8> {
        let packet = self.packet(self.link());
        match packets {
            Packets::Ports {
                protocol, witness, ..
            } => with_ports(packet, *protocol, CLIENT_PORT, *witness, TcpFlags::SYN),
            Packets::Icmp {
                witness: (kind, code),
                ..
            } => packet.icmp(*kind, *code, [0, 1, 0, 1]).payload([0; 16]),
            Packets::Protocols { witness, .. } => packet.protocol(*witness).payload([0; 24]),
        }
        .build()
    }

    /// Packets of which a policy that lets anything through lets one.
    pub(super) fn probes(&self) -> Vec<Vec<u8>> {
        self.tagged_probes(None)
    }

    pub(super) fn tagged_probes(&self, vlan: Option<u16>) -> Vec<Vec<u8>> {
        let packet = || {
            let link = self.link();
            self.packet(match vlan {
                Some(vlan) => link.vlan(vlan),
                None => link,
            })
        };
        let tcp = |port| packet().tcp(CLIENT_PORT, port, TcpFlags::SYN).build();
        let echo = if self.source.is_ipv4() { 8 } else { 128 };
        vec![
            tcp(443),
            tcp(80),
            tcp(22),
            tcp(50_000),
            packet().udp(CLIENT_PORT, 53).build(),
            packet().udp(CLIENT_PORT, 50_000).build(),
            packet().icmp(echo, 0, [0, 1, 0, 1]).build(),
            packet().protocol(253).payload([0; 24]).build(),
        ]
    }
}

pub(super) fn with_ports(
    packet: PacketBuilder,
    protocol: u8,
    source: u16,
    destination: u16,
    flags: TcpFlags,
) -> PacketBuilder {
    match protocol {
        ip_protocol::TCP => packet.tcp(source, destination, flags),
        ip_protocol::UDP => packet.udp(source, destination),
        ip_protocol::SCTP => packet.sctp(source, destination),
        ip_protocol::DCCP => packet.dccp(source, destination),
        ip_protocol::UDP_LITE => packet.udp_lite(source, destination),
        other => packet.protocol(other).payload([0; 24]),
    }
}
