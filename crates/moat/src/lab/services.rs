//! What machines ask of each other in the lab, and the frames that such a question is made of.
//! Knows frames; asking is left to `body`, and what should become of them is left to `prediction`.

use std::net::IpAddr;

use super::site::Resident;
use anyhow::bail;
use frame::build::{ArpPacket, nd_option, solicited_node};
use frame::{FrameBuilder, MacAddress, TcpFlags, ipv6_multicast_mac};

/// Something that one machine can ask of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Service {
    pub(super) name: &'static str,
    /// TCP; `None` is an echo request.
    pub(super) port: Option<u16>,
}

/// In the order of the matrix.
pub(super) const SERVICES: [Service; 5] = [
    Service {
        name: "ping",
        port: None,
    },
    Service {
        name: "ssh",
        port: Some(22),
    },
    Service {
        name: "http",
        port: Some(80),
    },
    Service {
        name: "https",
        port: Some(443),
    },
    Service {
        name: "smtp",
        port: Some(25),
    },
];

impl Service {
    /// The frames of a conversation in their order, each with whether it is the asker's: address resolution, then
    /// the question and its answer.
    pub(super) fn frames(
        self,
        from: &Resident,
        to: &Resident,
        ipv6: bool,
    ) -> anyhow::Result<[(bool, Vec<u8>); 4]> {
        let (Some(source), Some(destination)) = (from.address(ipv6), to.address(ipv6)) else {
            bail!("{} or {} has no such address", from.name(), to.name());
        };
        let (asker, asked) = ((from, source), (to, destination));
        Ok([
            (true, resolution(asker, asked, true)),
            (false, resolution(asked, asker, false)),
            (true, self.frame(asker, asked, true)),
            (false, self.frame(asked, asker, false)),
        ])
    }

    fn frame(self, from: (&Resident, IpAddr), to: (&Resident, IpAddr), asks: bool) -> Vec<u8> {
        let link = FrameBuilder::new(from.0.port.mac, to.0.port.mac);
        let (packet, echo) = match (from.1, to.1) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                (link.ipv4(source, destination), if asks { 8 } else { 0 })
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                (link.ipv6(source, destination), if asks { 128 } else { 129 })
            }
            _ => return Vec::new(),
        };
        // What the kernel chooses for a client; no rule of ours asks for more than its size.
        let client = 40_000;
        match (self.port, asks) {
            (None, _) => packet.icmp(echo, 0, [0, 1, 0, 1]).payload(b"moat"),
            (Some(port), true) => packet.tcp(client, port, TcpFlags::SYN),
            (Some(port), false) => packet.tcp(port, client, TcpFlags::SYN | TcpFlags::ACK),
        }
        .build()
    }
}

/// "Who has that address?", or the reply to it.
fn resolution(from: (&Resident, IpAddr), to: (&Resident, IpAddr), asks: bool) -> Vec<u8> {
    let (own, other) = (from.0.port.mac, to.0.port.mac);
    match (from.1, to.1) {
        (IpAddr::V4(sender_ip), IpAddr::V4(target_ip)) => {
            let packet = ArpPacket {
                operation: if asks { 1 } else { 2 },
                sender_mac: own,
                sender_ip,
                target_mac: if asks { MacAddress::ZERO } else { other },
                target_ip,
            };
            let destination = if asks { MacAddress::BROADCAST } else { other };
            FrameBuilder::new(own, destination).arp(&packet)
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) if asks => {
            let group = solicited_node(destination);
            FrameBuilder::new(own, ipv6_multicast_mac(group))
                .ipv6(source, group)
                .neighbor_solicitation(destination, &nd_option::source_link_layer(own))
                .build()
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => FrameBuilder::new(own, other)
            .ipv6(source, destination)
            .neighbor_advertisement(source, &nd_option::target_link_layer(own))
            .build(),
        _ => Vec::new(),
    }
}
