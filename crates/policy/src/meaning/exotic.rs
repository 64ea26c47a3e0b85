//! Rules about more than addresses, ports and ICMP types: for each, a frame that meets it. A frame
//! that misses (contradicting conditions) is a witness like any other.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use frame::build::{ArpPacket, Bpdu};
use frame::protocol::{ether_type, ip_protocol};
use frame::{FrameBuilder, MacAddress, TcpFlags};

use super::judge::Landmarks;
use super::specials::Special;
use super::witness::{CLIENT_PORT, Ends, OUTSIDE_V4, OUTSIDE_V6, Own, STRANGER, with_ports};
use crate::program::{AddressSet, Condition, Direction, Values};
use crate::rule::Field;

pub(super) fn specials(own: &Own, neighbour: MacAddress, landmarks: &[Landmarks]) -> Vec<Special> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    for landmarks in landmarks {
        for (text, all) in &landmarks.matches {
            if !all.iter().any(is_exotic) || !seen.insert((text, all)) {
                continue;
            }
            for direction in [Direction::In, Direction::Out] {
                let wanted = Wanted {
                    conditions: all,
                    landmarks,
                };
                let frames = [false, true].map(|v6| wanted.frame(own, neighbour, direction, v6));
                let what = format!("what `{text}` is about");
                found.push(Special::new(direction, &what, frames.to_vec()));
            }
        }
    }
    found
}

fn is_exotic(condition: &Condition) -> bool {
    match condition.field {
        Field::EtherType => matches!(&condition.values, Values::Numbers(set)
            if !set.contains(u64::from(ether_type::IPV4)) && !set.contains(u64::from(ether_type::IPV6))),
        Field::SourceAddress
        | Field::DestinationAddress
        | Field::IpProtocol
        | Field::DestinationPort
        | Field::IcmpType
        | Field::IcmpCode => false,
        _ => true,
    }
}

struct Wanted<'a> {
    conditions: &'a [Condition],
    landmarks: &'a Landmarks,
}

impl Wanted<'_> {
    fn of(&self, field: Field) -> impl Iterator<Item = &Condition> {
        self.conditions.iter().filter(move |it| it.field == field)
    }

    fn number(&self, field: Field) -> Option<u64> {
        let condition = self.of(field).next()?;
        match &condition.values {
            Values::Numbers(set) if condition.negated => {
                (0..=0xffff).find(|number| !set.contains(*number))
            }
            Values::Numbers(set) => set.iter().next().map(|(first, _)| first),
            Values::Flags(flags) => flags.first().map(|(_, set)| u64::from(*set)),
            _ => None,
        }
    }

    fn word(&self, field: Field) -> Option<u16> {
        self.number(field).and_then(|number| number.try_into().ok())
    }

    fn byte(&self, field: Field) -> Option<u8> {
        self.number(field).and_then(|number| number.try_into().ok())
    }

    fn mac(&self, field: Field, otherwise: MacAddress) -> MacAddress {
        match self.of(field).next() {
            Some(condition) => match &condition.values {
                Values::Macs(list) if !condition.negated => {
                    list.first().map_or(otherwise, |(value, _)| *value)
                }
                _ => STRANGER,
            },
            None => otherwise,
        }
    }

    fn set<'s>(&'s self, condition: &'s Condition) -> Option<&'s AddressSet> {
        match &condition.values {
            Values::Addresses(set) => Some(set),
            Values::AddressSet(name) => self.landmarks.address_sets.get(name).map(AsRef::as_ref),
            _ => None,
        }
    }

    fn ipv4(&self, field: Field, otherwise: Ipv4Addr) -> Ipv4Addr {
        let wanted = self.of(field).filter(|condition| !condition.negated);
        let first = wanted.filter_map(|condition| self.set(condition)?.ipv4.iter().next());
        first.map(|(first, _)| first).next().unwrap_or(otherwise)
    }

    fn ipv6(&self, field: Field, otherwise: Ipv6Addr) -> Ipv6Addr {
        let wanted = self.of(field).filter(|condition| !condition.negated);
        let first = wanted.filter_map(|condition| self.set(condition)?.ipv6.iter().next());
        first.map(|(first, _)| first).next().unwrap_or(otherwise)
    }

    fn frame(&self, own: &Own, neighbour: MacAddress, direction: Direction, v6: bool) -> Vec<u8> {
        let outside: IpAddr = if v6 {
            OUTSIDE_V6.into()
        } else {
            OUTSIDE_V4.into()
        };
        let mut ends = Ends::new(own, direction, neighbour, outside);
        ends.source_mac = self.mac(Field::EtherSource, ends.source_mac);
        ends.destination_mac = self.mac(Field::EtherDestination, ends.destination_mac);
        for (end, field) in [
            (&mut ends.source, Field::SourceAddress),
            (&mut ends.destination, Field::DestinationAddress),
        ] {
            *end = match *end {
                IpAddr::V4(address) => self.ipv4(field, address).into(),
                IpAddr::V6(address) => self.ipv6(field, address).into(),
            };
        }
        let mut link = FrameBuilder::new(ends.source_mac, ends.destination_mac);
        let (vlan, priority) = (self.word(Field::VlanId), self.word(Field::VlanPriority));
        if vlan.is_some() || priority.is_some() {
            let tci = priority.unwrap_or(0) << 13 | (vlan.unwrap_or(1) & 0xfff);
            link = link.tag(ether_type::VLAN, tci);
        }
        let names = |field: Field| field.name().split('.').next().unwrap_or_default();
        let about = |word: &str| self.conditions.iter().any(|it| names(it.field) == word);
        if about("stp") {
            return link.stp(&self.bpdu(ends.source_mac));
        }
        let kind = self.word(Field::EtherType);
        if about("arp") || kind == Some(ether_type::ARP) || kind == Some(ether_type::RARP) {
            let arp = self.arp(own, direction, &ends);
            return match kind {
                Some(ether_type::RARP) => link.rarp(&arp),
                _ => link.arp(&arp),
            };
        }
        match kind {
            Some(number) if number != ether_type::IPV4 && number != ether_type::IPV6 => {
                link.ether(number, &[0; 46])
            }
            _ => self.packet(&ends, link, v6),
        }
    }

    fn packet(&self, ends: &Ends, link: FrameBuilder, v6: bool) -> Vec<u8> {
        let mut packet = ends.packet(link);
        if let Some(dscp) = self.byte(Field::Dscp) {
            packet = packet.dscp(dscp);
        }
        let icmp = if v6 {
            ip_protocol::ICMPV6
        } else {
            ip_protocol::ICMP
        };
        let wants_icmp = self.of(Field::IcmpType).next().is_some();
        let usual = if wants_icmp { icmp } else { ip_protocol::TCP };
        let protocol = self.byte(Field::IpProtocol).unwrap_or(usual);
        if protocol == icmp {
            let echo = if v6 { 128 } else { 8 };
            let kind = self.byte(Field::IcmpType).unwrap_or(echo);
            let code = self.byte(Field::IcmpCode).unwrap_or(0);
            return packet
                .icmp(kind, code, [0, 1, 0, 1])
                .payload([0; 16])
                .build();
        }
        let source = self.word(Field::SourcePort).unwrap_or(CLIENT_PORT);
        let destination = self.word(Field::DestinationPort).unwrap_or(50_000);
        let flags = self.byte(Field::TcpFlags).map_or(TcpFlags::SYN, TcpFlags);
        with_ports(packet, protocol, source, destination, flags).build()
    }

    fn arp(&self, own: &Own, direction: Direction, ends: &Ends) -> ArpPacket {
        let (sender, target) = match direction {
            Direction::In => (OUTSIDE_V4, own.v4),
            Direction::Out => (own.v4, OUTSIDE_V4),
        };
        ArpPacket {
            operation: self.word(Field::ArpOperation).unwrap_or(1),
            sender_mac: self.mac(Field::ArpSenderMac, ends.source_mac),
            sender_ip: self.ipv4(Field::ArpSenderAddress, sender),
            target_mac: self.mac(Field::ArpTargetMac, MacAddress::ZERO),
            target_ip: self.ipv4(Field::ArpTargetAddress, target),
        }
    }

    fn bpdu(&self, source: MacAddress) -> Bpdu {
        let word = |field| self.word(field).unwrap_or(0);
        Bpdu {
            kind: self.byte(Field::StpType).unwrap_or(0),
            flags: self.byte(Field::StpFlags).unwrap_or(0),
            root_priority: word(Field::StpRootPriority),
            root: self.mac(Field::StpRootMac, source),
            root_cost: self
                .number(Field::StpRootCost)
                .and_then(|cost| cost.try_into().ok())
                .unwrap_or(0),
            bridge_priority: word(Field::StpSenderPriority),
            bridge: self.mac(Field::StpSenderMac, source),
            port: word(Field::StpPort),
            message_age: word(Field::StpMessageAge),
            max_age: word(Field::StpMaxAge),
            hello_time: word(Field::StpHelloTime),
            forward_delay: word(Field::StpForwardDelay),
        }
    }
}
