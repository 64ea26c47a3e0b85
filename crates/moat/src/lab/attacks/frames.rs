//! The frames of each attack.

use std::net::{Ipv4Addr, Ipv6Addr};

use frame::build::{ArpPacket, Extension, nd_option};
use frame::protocol::{ether_type, ip_protocol};
use frame::{FrameBuilder, MacAddress, TcpFlags, fragment};

use super::{Attack, Attacker, Cast, Identity};

const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ALL_NODES_MAC: MacAddress = MacAddress([0x33, 0x33, 0, 0, 0, 1]);
/// An address with another vendor's prefix than the house's machines have.
const STRANGER: MacAddress = MacAddress([0x00, 0x16, 0x3e, 0x66, 0x66, 0x66]);

impl Cast {
    fn aimed(&self, name: &str, frame: Vec<u8>) -> Attack {
        Attack {
            name: name.to_owned(),
            by: Attacker::Machine(self.attacker.place),
            victims: vec![self.victim.place],
            frames: vec![frame],
            known: vec![self.victim.place, self.impersonated.place],
        }
    }

    fn at_everybody(&self, name: &str, frame: Vec<u8>) -> Attack {
        Attack {
            victims: self.everybody_else.clone(),
            ..self.aimed(name, frame)
        }
    }

    fn link(&self) -> FrameBuilder {
        FrameBuilder::new(self.attacker.mac, self.victim.mac)
    }

    fn broadcast(&self) -> FrameBuilder {
        FrameBuilder::new(self.attacker.mac, MacAddress::BROADCAST)
    }

    fn to_all_nodes(&self) -> FrameBuilder {
        FrameBuilder::new(self.attacker.mac, ALL_NODES_MAC)
    }
}

/// Somebody else's address as the sender's.
pub(super) fn forgeries(cast: &Cast) -> Vec<Attack> {
    let Cast {
        attacker,
        victim,
        impersonated,
        ..
    } = cast;
    let arp = ArpPacket {
        operation: 2,
        sender_mac: attacker.mac,
        sender_ip: impersonated.ipv4,
        target_mac: victim.mac,
        target_ip: victim.ipv4,
    };
    let target = nd_option::target_link_layer(attacker.mac);
    vec![
        cast.aimed(
            "forged MAC: the gateway's",
            FrameBuilder::new(impersonated.mac, victim.mac)
                .ipv4(attacker.ipv4, victim.ipv4)
                .udp(4000, 53)
                .payload(b"forged MAC")
                .build(),
        ),
        cast.aimed(
            "forged IPv4 source",
            cast.link()
                .ipv4(impersonated.ipv4, victim.ipv4)
                .udp(4000, 53)
                .payload(b"forged IPv4")
                .build(),
        ),
        cast.aimed(
            "forged IPv6 source",
            cast.link()
                .ipv6(impersonated.ipv6, victim.ipv6)
                .udp(4000, 53)
                .payload(b"forged IPv6")
                .build(),
        ),
        cast.aimed("ARP: \"the gateway is me\"", cast.link().arp(&arp)),
        cast.aimed(
            "ND: \"the gateway is me\"",
            cast.link()
                .ipv6(attacker.ipv6, victim.ipv6)
                .neighbor_advertisement(impersonated.ipv6, &target)
                .build(),
        ),
    ]
}

/// Services that a machine has no business to give.
pub(super) fn impostures(cast: &Cast) -> Vec<Attack> {
    let Cast {
        attacker, victim, ..
    } = cast;
    let link_local = attacker.mac.eui64_link_local();
    let source = nd_option::source_link_layer(attacker.mac);
    vec![
        cast.at_everybody(
            "DHCP server",
            cast.broadcast()
                .ipv4(attacker.ipv4, Ipv4Addr::BROADCAST)
                .dhcp(2, victim.mac, Ipv4Addr::new(10, 66, 66, 66))
                .build(),
        ),
        cast.aimed(
            "DHCPv6 server",
            cast.link()
                .ipv6(link_local, victim.mac.eui64_link_local())
                .dhcpv6(2, victim.mac)
                .build(),
        ),
        cast.at_everybody(
            "router advertisement",
            cast.to_all_nodes()
                .ipv6(link_local, ALL_NODES)
                .router_advertisement(&source)
                .build(),
        ),
        cast.at_everybody(
            "RA behind an extension header",
            cast.to_all_nodes()
                .ipv6(link_local, ALL_NODES)
                .extension(Extension::destination_options())
                .router_advertisement(&source)
                .build(),
        ),
    ]
}

/// Frames that look like something else to a switch.
pub(super) fn disguises(cast: &Cast) -> Vec<Attack> {
    let Cast {
        attacker, victim, ..
    } = cast;
    let inside = |link: FrameBuilder, text: &str| {
        link.ipv4(attacker.ipv4, victim.ipv4)
            .udp(4000, 53)
            .payload(text)
            .build()
    };
    vec![
        cast.aimed(
            "VLAN-tagged frame",
            inside(cast.link().vlan(2102), "tagged"),
        ),
        cast.aimed(
            "double-tagged frame (QinQ)",
            inside(
                cast.link().tag(ether_type::SERVICE_VLAN, 2102).vlan(7),
                "tagged twice",
            ),
        ),
        cast.aimed(
            "unknown ethertype",
            cast.link().ether(0x88b6, b"for local experiments"),
        ),
    ]
}

/// A packet for a closed port, in pieces that hide the port.
pub(super) fn fragments(from: Identity, to: Identity, port: u16) -> Vec<Attack> {
    let syn = |payload: &[u8]| {
        FrameBuilder::new(from.mac, to.mac)
            .ipv4(from.ipv4, to.ipv4)
            .identification(0x6d6f)
            .tcp(40_001, port, TcpFlags::SYN)
            .payload(payload)
    };
    let attack = |name: &str, frames| Attack {
        name: name.to_owned(),
        by: Attacker::Machine(from.place),
        victims: vec![to.place],
        frames,
        known: vec![to.place],
    };
    // Sixteen bytes of the TCP header: the checksum and the urgent pointer would be in the next fragment.
    let whole = syn(b"").build();
    let header = whole.get(34..50).unwrap_or_default();
    let tiny = FrameBuilder::new(from.mac, to.mac)
        .ipv4(from.ipv4, to.ipv4)
        .fragment(0, true)
        .protocol(ip_protocol::TCP)
        .payload(header)
        .build();
    vec![
        attack("fragment cut inside the TCP header", vec![tiny]),
        attack(
            &format!("closed port {port}, in fragments"),
            fragment(&syn(&[0x6d; 120]).build(), 68),
        ),
    ]
}

/// An honest frame between machines that must not see each other.
pub(super) fn isolated_pair(cast: &Cast) -> Attack {
    let mut attack = cast.aimed(
        "isolated to isolated, by its MAC",
        cast.link()
            .ipv4(cast.attacker.ipv4, cast.victim.ipv4)
            .udp(4000, 443)
            .payload(b"neighbour")
            .build(),
    );
    attack.known = vec![cast.victim.place];
    attack
}

/// A frame that the other host's wire brings, from nobody known.
pub(super) fn stranger(cast: &Cast) -> Attack {
    let frame = FrameBuilder::new(STRANGER, cast.victim.mac)
        .ipv4(cast.impersonated.ipv4, cast.victim.ipv4)
        .tcp(40_000, 80, TcpFlags::SYN)
        .build();
    Attack {
        by: Attacker::Wire,
        ..cast.aimed("foreign MAC prefix, from the wire", frame)
    }
}

/// An honest-looking frame from an interface that nobody declared.
pub(super) fn unclaimed(cast: &Cast) -> Attack {
    let frame = FrameBuilder::new(cast.impersonated.mac, cast.victim.mac)
        .ipv4(cast.impersonated.ipv4, cast.victim.ipv4)
        .tcp(40_000, 80, TcpFlags::SYN)
        .payload(b"unclaimed")
        .build();
    Attack {
        by: Attacker::Unclaimed(cast.attacker.place),
        ..cast.aimed("interface that no document knows", frame)
    }
}
