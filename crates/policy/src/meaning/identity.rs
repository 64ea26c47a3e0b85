//! What a port that changed its own addresses may newly, or no longer, send as.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use frame::FrameBuilder;
use frame::build::ArpPacket;

use super::classes::classes;
use super::judge::JudgedPort;
use super::peers::range;
use super::specials::Special;
use super::witness::{Ends, OUTSIDE_V4, OUTSIDE_V6, STRANGER};
use crate::program::Direction;

pub(super) fn specials(before: &JudgedPort, after: &JudgedPort) -> Vec<Special> {
    let mut found = Vec::new();
    if before.mac != after.mac {
        for port in [before, after] {
            let what = format!("frames from MAC address {}", port.mac);
            let request = arp(port.mac, Ipv4Addr::UNSPECIFIED);
            let frames = vec![FrameBuilder::new(port.mac, STRANGER).arp(&request)];
            found.push(Special::new(Direction::Out, &what, frames));
        }
    }
    let universe = (Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST);
    for class in classes(universe, &[&before.ipv4, &after.ipv4]) {
        if class.within == [true, false] || class.within == [false, true] {
            for (first, last) in class.values.iter() {
                let ends = ends(after, first.into(), OUTSIDE_V4.into());
                let mut frames = vec![ends.link().arp(&arp(after.mac, first))];
                frames.extend(ends.probes());
                found.push(sends_as(first.into(), last.into(), frames));
            }
        }
    }
    let universe = (Ipv6Addr::UNSPECIFIED, Ipv6Addr::from(u128::MAX));
    for class in classes(universe, &[&before.ipv6, &after.ipv6]) {
        if class.within == [true, false] || class.within == [false, true] {
            for (first, last) in class.values.iter() {
                let ends = ends(after, first.into(), OUTSIDE_V6.into());
                let advertisement = ends.packet(ends.link()).neighbor_advertisement(first, &[]);
                let mut frames = vec![advertisement.build()];
                frames.extend(ends.probes());
                found.push(sends_as(first.into(), last.into(), frames));
            }
        }
    }
    found
}

fn sends_as(first: IpAddr, last: IpAddr, frames: Vec<Vec<u8>>) -> Special {
    let what = format!("packets from {}", range(first, last));
    Special::new(Direction::Out, &what, frames)
}

fn ends(port: &JudgedPort, source: IpAddr, destination: IpAddr) -> Ends {
    Ends {
        source_mac: port.mac,
        destination_mac: STRANGER,
        source,
        destination,
    }
}

fn arp(sender_mac: frame::MacAddress, sender_ip: Ipv4Addr) -> ArpPacket {
    ArpPacket {
        operation: 1,
        sender_mac,
        sender_ip,
        target_mac: frame::MacAddress::ZERO,
        target_ip: OUTSIDE_V4,
    }
}
