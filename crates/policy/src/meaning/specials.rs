//! Traffic that is more than addresses and ports: what guards, isolation and frame classes are
//! about. Each kind has witnesses of which a policy that allows the kind lets one pass.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use frame::build::{ArpPacket, nd_option};
use frame::{FrameBuilder, MacAddress};

use super::judge::Landmarks;
use super::link::{bpdu, ethertypes, sources, tagged};
use super::witness::{CLIENT_PORT, Ends, OUTSIDE_V4, OUTSIDE_V6, Own, STRANGER};
use crate::program::{ConnectionState, Direction};

/// One kind of traffic, made for a port.
pub(super) struct Special {
    pub(super) direction: Direction,
    pub(super) what: String,
    pub(super) state: ConnectionState,
    pub(super) frames: Vec<Vec<u8>>,
    /// What differs from `frames` only in what the kind is about: where the two change alike, the
    /// change is not about this kind.
    pub(super) plain: Vec<Vec<u8>>,
}

/// Neither the port's nor a known peer's.
const FOREIGN_V4: Ipv4Addr = Ipv4Addr::new(198, 18, 7, 7);
const FOREIGN_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xfffe, 0, 0, 0, 0, 7);

pub(super) fn specials(own: &Own, neighbour: MacAddress, landmarks: &[Landmarks]) -> Vec<Special> {
    let mut found: Vec<Special> = Vec::new();
    let out = |peer| Ends::new(own, Direction::Out, neighbour, peer);
    let (v4, v6) = (IpAddr::V4(OUTSIDE_V4), IpAddr::V6(OUTSIDE_V6));
    // Out: as whom the port may send.
    let mut forged = Vec::new();
    for peer in [v4, v6] {
        let ends = Ends {
            source_mac: STRANGER,
            ..out(peer)
        };
        forged.extend(ends.probes());
    }
    forged.push(arp(STRANGER, own.mac, own.v4, FOREIGN_V4, 1));
    let forged = Special::new(Direction::Out, "frames from another MAC address", forged);
    found.push(forged);
    for (source, peer, what) in [
        (
            IpAddr::V4(FOREIGN_V4),
            v4,
            "packets from another IPv4 address",
        ),
        (
            IpAddr::V6(FOREIGN_V6),
            v6,
            "packets from another IPv6 address",
        ),
    ] {
        let ends = Ends {
            source,
            ..out(peer)
        };
        found.push(Special {
            direction: Direction::Out,
            what: what.to_owned(),
            state: ConnectionState::New,
            frames: ends.probes(),
            plain: out(peer).probes(),
        });
    }
    let mut add = |direction, what: &str, frames: Vec<Vec<u8>>| {
        found.push(Special::new(direction, what, frames));
    };
    let claim = |sender, ip| vec![arp(own.mac, sender, ip, OUTSIDE_V4, 2)];
    add(
        Direction::Out,
        "ARP for other addresses",
        claim(own.mac, FOREIGN_V4),
    );
    add(
        Direction::Out,
        "ARP",
        vec![arp(own.mac, own.mac, own.v4, OUTSIDE_V4, 1)],
    );
    add(
        Direction::Out,
        "neighbour advertisements of other addresses",
        vec![advertisement(own, neighbour, FOREIGN_V6)],
    );
    // In: classes that follow isolation alone.
    add(
        Direction::In,
        "ARP",
        vec![arp(neighbour, neighbour, OUTSIDE_V4, own.v4, 1)],
    );
    for direction in [Direction::In, Direction::Out] {
        for (what, frames) in discovery(own, neighbour, direction) {
            add(direction, what, frames);
        }
        let link = match direction {
            Direction::In => FrameBuilder::new(neighbour, own.mac),
            Direction::Out => FrameBuilder::new(own.mac, neighbour),
        };
        for number in ethertypes(landmarks) {
            let what = format!("ethertype {number:#06x}");
            add(direction, &what, vec![link.ether(number, &[0; 46])]);
        }
        add(
            direction,
            "spanning tree",
            vec![link.stp(&bpdu(link.source()))],
        );
        for (vlans, frames) in tagged(own, neighbour, direction, landmarks) {
            add(direction, &format!("frames of VLAN {vlans}"), frames);
        }
    }
    for (who, frames) in sources(own, landmarks) {
        add(Direction::In, &who, frames);
    }
    for direction in [Direction::In, Direction::Out] {
        dhcp(own, neighbour, direction, &mut found);
    }
    let replies = Ends::new(own, Direction::In, neighbour, v4).probes();
    found.push(Special {
        state: ConnectionState::Established,
        plain: replies.clone(),
        ..Special::new(Direction::In, "replies to what it began", replies)
    });
    found
}

impl Special {
    pub(super) fn new(direction: Direction, what: &str, frames: Vec<Vec<u8>>) -> Self {
        Self {
            direction,
            what: what.to_owned(),
            state: ConnectionState::New,
            frames,
            plain: Vec::new(),
        }
    }
}

pub(super) fn arp(
    ether: MacAddress,
    sender: MacAddress,
    from: Ipv4Addr,
    to: Ipv4Addr,
    operation: u16,
) -> Vec<u8> {
    FrameBuilder::new(ether, MacAddress::BROADCAST).arp(&ArpPacket {
        operation,
        ..request(sender, from, to)
    })
}

pub(super) fn request(
    sender_mac: MacAddress,
    sender_ip: Ipv4Addr,
    target_ip: Ipv4Addr,
) -> ArpPacket {
    ArpPacket {
        operation: 1,
        sender_mac,
        sender_ip,
        target_mac: MacAddress::ZERO,
        target_ip,
    }
}

fn advertisement(own: &Own, neighbour: MacAddress, target: Ipv6Addr) -> Vec<u8> {
    Ends::new(own, Direction::Out, neighbour, IpAddr::V6(OUTSIDE_V6))
        .packet(FrameBuilder::new(own.mac, neighbour))
        .neighbor_advertisement(target, &nd_option::target_link_layer(own.mac))
        .build()
}

fn discovery(
    own: &Own,
    neighbour: MacAddress,
    direction: Direction,
) -> Vec<(&'static str, Vec<Vec<u8>>)> {
    let ends = Ends::new(own, direction, neighbour, IpAddr::V6(OUTSIDE_V6));
    let packet = || ends.packet(ends.link());
    let (mac, from) = (ends.source_mac, ends.source);
    let target = match from {
        IpAddr::V6(address) => address,
        IpAddr::V4(_) => own.v6,
    };
    let source = nd_option::source_link_layer(mac);
    let solicitation = packet().neighbor_solicitation(own.v6, &source).build();
    let advertisement = packet()
        .neighbor_advertisement(target, &nd_option::target_link_layer(mac))
        .build();
    vec![
        ("neighbour solicitations", vec![solicitation]),
        ("neighbour advertisements", vec![advertisement]),
        (
            "router solicitations",
            vec![packet().router_solicitation(&source).build()],
        ),
        (
            "router advertisements",
            vec![packet().router_advertisement(&source).build()],
        ),
        (
            "ICMPv6 redirects",
            vec![packet().redirect(target, OUTSIDE_V6, &[]).build()],
        ),
        (
            "multicast listener messages",
            [130, 131, 132]
                .map(|kind| packet().multicast_listener(kind, FOREIGN_V6).build())
                .into_iter()
                .chain([packet().multicast_listener_report(FOREIGN_V6).build()])
                .collect(),
        ),
    ]
}

fn dhcp(own: &Own, neighbour: MacAddress, direction: Direction, found: &mut Vec<Special>) {
    let v4 = Ends::new(own, direction, neighbour, IpAddr::V4(OUTSIDE_V4));
    let v6 = Ends::new(own, direction, neighbour, IpAddr::V6(OUTSIDE_V6));
    let [asks, answers] = match direction {
        Direction::Out => ["requests", "answers as a server"],
        Direction::In => ["requests to a server", "answers of a server"],
    };
    for (ends, from, to, name, what) in [
        (&v4, 68, 67, "DHCP", asks),
        (&v4, 67, 68, "DHCP", answers),
        (&v6, 546, 547, "DHCPv6", asks),
        (&v6, 547, 546, "DHCPv6", answers),
    ] {
        let udp = |from, to| {
            let packet = ends.packet(ends.link()).udp(from, to);
            vec![packet.payload([0; 240]).build()]
        };
        // A guard asks for the destination port alone, what a client needs for both.
        let guarded = direction == Direction::Out && matches!(to, 68 | 546);
        let plain = if guarded { OTHER_PORT } else { to };
        found.push(Special {
            plain: udp(CLIENT_PORT, plain),
            ..Special::new(direction, &format!("{name} {what}"), udp(from, to))
        });
    }
}

/// Nobody's.
const OTHER_PORT: u16 = 49_999;
