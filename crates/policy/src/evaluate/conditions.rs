//! Whether a rule matches a frame. Three-valued, so that what cannot be read is never taken for
//! what someone hoped it was: an unknown condition keeps `accept` from matching, not `drop`.

use frame::protocol::{ether_type, ip_protocol};
use frame::{Arp, Frame, MacAddress, Network, Readability};

use crate::program::{AddressSet, CompiledRule, Condition, HostProgram, MacSet, Values};
use crate::rule::{Field, Verdict};

/// What is known of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Truth {
    False,
    /// The field is in a part of the packet that this fragment does not carry.
    Unknown,
    True,
}

/// Whether the rule matches: for `accept` if it surely does, for `drop` and `reject` if it may. What
/// is `hidden` is not known of this frame.
pub(super) fn matches(
    program: &HostProgram,
    rule: &CompiledRule,
    frame: &Frame<'_>,
    hidden: &[Field],
) -> bool {
    let needed = match rule.verdict {
        Verdict::Accept => Truth::True,
        Verdict::Drop | Verdict::Reject => Truth::Unknown,
    };
    rule.alternatives.iter().any(|conditions| {
        conditions
            .iter()
            .all(|condition| match hidden.contains(&condition.field) {
                true => Truth::Unknown >= needed,
                false => truth(program, condition, frame) >= needed,
            })
    })
}

/// What a field holds in a frame.
enum Reading {
    /// The frame has no such header.
    Absent,
    Unknown,
    Number(u64),
    Mac(MacAddress),
    Ipv4(std::net::Ipv4Addr),
    Ipv6(std::net::Ipv6Addr),
}

fn truth(program: &HostProgram, condition: &Condition, frame: &Frame<'_>) -> Truth {
    let held = match (read(condition.field, frame), &condition.values) {
        (Reading::Absent, _) => return Truth::False,
        (Reading::Unknown, _) => return Truth::Unknown,
        (Reading::Number(number), Values::Numbers(set)) => set.contains(number),
        (Reading::Number(number), Values::Flags(flags)) => flags
            .iter()
            .any(|(mask, set)| number & u64::from(*mask) == u64::from(*set)),
        (Reading::Mac(mac), Values::Macs(list)) => list
            .iter()
            .any(|(value, mask)| masked(mac, *mask) == masked(*value, *mask)),
        (reading, Values::Addresses(set)) => contains(set, &reading),
        (reading, Values::AddressSet(name)) => program
            .address_sets
            .get(name)
            .is_some_and(|set| contains(set, &reading)),
        // The language pairs fields with values of their kind.
        _ => return Truth::False,
    };
    if held != condition.negated {
        Truth::True
    } else {
        Truth::False
    }
}

fn contains(set: &AddressSet, reading: &Reading) -> bool {
    match reading {
        Reading::Ipv4(address) => set.ipv4.contains(*address),
        Reading::Ipv6(address) => set.ipv6.contains(*address),
        _ => false,
    }
}

fn read(field: Field, frame: &Frame<'_>) -> Reading {
    match field {
        Field::EtherSource => Reading::Mac(frame.source),
        Field::EtherDestination => Reading::Mac(frame.destination),
        Field::EtherType => Reading::Number(u64::from(frame.protocol)),
        Field::VlanId => number(frame.tag.map(|tag| u64::from(tag.vid()))),
        Field::VlanPriority => number(frame.tag.map(|tag| u64::from(tag.pcp()))),
        Field::ArpHardwareType => {
            number(arp(frame).and_then(|arp| arp.hardware_type.map(u64::from)))
        }
        Field::ArpProtocolType => {
            number(arp(frame).and_then(|arp| arp.protocol_type.map(u64::from)))
        }
        Field::ArpOperation => number(arp(frame).and_then(|arp| arp.operation.map(u64::from))),
        Field::ArpSenderMac => mac(arp(frame).and_then(|arp| arp.sender_mac)),
        Field::ArpTargetMac => mac(arp(frame).and_then(|arp| arp.target_mac)),
        Field::ArpSenderAddress => ipv4(arp(frame).and_then(|arp| arp.sender_ip)),
        Field::ArpTargetAddress => ipv4(arp(frame).and_then(|arp| arp.target_ip)),
        Field::SourceAddress => match &frame.network {
            Network::Ipv4(ip) => Reading::Ipv4(ip.source),
            Network::Ipv6(ip) => Reading::Ipv6(ip.source),
            _ => Reading::Absent,
        },
        Field::DestinationAddress => match &frame.network {
            Network::Ipv4(ip) => Reading::Ipv4(ip.destination),
            Network::Ipv6(ip) => Reading::Ipv6(ip.destination),
            _ => Reading::Absent,
        },
        Field::IpProtocol => number(frame.transport().map(|t| u64::from(t.protocol()))),
        Field::Dscp => match &frame.network {
            Network::Ipv4(ip) => Reading::Number(u64::from(ip.dscp)),
            Network::Ipv6(ip) => Reading::Number(u64::from(ip.dscp)),
            _ => Reading::Absent,
        },
        Field::SourcePort
        | Field::DestinationPort
        | Field::IcmpType
        | Field::IcmpCode
        | Field::TcpFlags => transport(field, frame),
        Field::StpType
        | Field::StpFlags
        | Field::StpRootPriority
        | Field::StpRootMac
        | Field::StpRootCost
        | Field::StpSenderPriority
        | Field::StpSenderMac
        | Field::StpPort
        | Field::StpMessageAge
        | Field::StpMaxAge
        | Field::StpHelloTime
        | Field::StpForwardDelay => stp(field, frame),
    }
}

fn transport(field: Field, frame: &Frame<'_>) -> Reading {
    let Some(transport) = frame.transport() else {
        return Reading::Absent;
    };
    let ipv4 = matches!(frame.network, Network::Ipv4(_));
    let icmp = match transport.protocol() {
        ip_protocol::ICMP => ipv4,
        ip_protocol::ICMPV6 => !ipv4,
        _ => false,
    };
    let present = match field {
        Field::SourcePort | Field::DestinationPort => transport.has_ports(),
        Field::IcmpType | Field::IcmpCode => icmp,
        _ => transport.protocol() == ip_protocol::TCP,
    };
    if !present {
        return Reading::Absent;
    }
    if transport.readability() == Readability::LaterFragment {
        return Reading::Unknown;
    }
    let code = || transport.icmp().or(transport.icmpv6());
    number(match field {
        Field::SourcePort => transport.source_port().map(u64::from),
        Field::DestinationPort => transport.destination_port().map(u64::from),
        Field::IcmpType => code().map(|(kind, _)| u64::from(kind)),
        Field::IcmpCode => code().map(|(_, code)| u64::from(code)),
        _ => transport.tcp_flags().map(u64::from),
    })
}

/// Where a field of a configuration BPDU lies after the Ethernet header, and how long it is:
/// IEEE 802.1D-2004, clause 9.3.1, behind three bytes of LLC.
pub fn stp_layout(field: Field) -> Option<(usize, usize)> {
    Some(match field {
        Field::StpType => (6, 1),
        Field::StpFlags => (7, 1),
        Field::StpRootPriority => (8, 2),
        Field::StpRootMac => (10, 6),
        Field::StpRootCost => (16, 4),
        Field::StpSenderPriority => (20, 2),
        Field::StpSenderMac => (22, 6),
        Field::StpPort => (28, 2),
        Field::StpMessageAge => (30, 2),
        Field::StpMaxAge => (32, 2),
        Field::StpHelloTime => (34, 2),
        Field::StpForwardDelay => (36, 2),
        _ => return None,
    })
}

/// LLC of a BPDU: both service access points 0x42, unnumbered information.
pub const STP_LLC: [u8; 3] = [0x42, 0x42, 0x03];

fn stp(field: Field, frame: &Frame<'_>) -> Reading {
    let is_stp = frame.protocol == ether_type::LLC && frame.network_bytes(0, 3) == Some(&STP_LLC);
    let bytes = stp_layout(field)
        .filter(|_| is_stp)
        .and_then(|(offset, length)| frame.network_bytes(offset, length));
    match bytes {
        None => Reading::Absent,
        Some([a, b, c, d, e, f]) => Reading::Mac(MacAddress([*a, *b, *c, *d, *e, *f])),
        Some(bytes) => Reading::Number(
            bytes
                .iter()
                .fold(0, |value, byte| value << 8 | u64::from(*byte)),
        ),
    }
}

/// A later fragment whose first fragment header says that it is a first one: a switch that looks
/// at the first header reads ports where there are none. Nobody sends such packets honestly.
pub(super) fn hides_fragment(frame: &Frame<'_>) -> bool {
    let Network::Ipv6(ip) = &frame.network else {
        return false;
    };
    if frame::minimal_header(ip.protocol) == 0 {
        return false;
    }
    let (mut next, mut offset) = (ip.next_header, 40);
    while next != ip_protocol::FRAGMENT {
        let Some([following, length]) = frame.network_bytes(offset, 2) else {
            return false;
        };
        next = *following;
        offset += (usize::from(*length) + 1) * 8;
    }
    matches!(frame.network_bytes(offset + 2, 2), Some([high, low]) if *high == 0 && low & 0xf8 == 0)
}

fn arp<'a>(frame: &'a Frame<'_>) -> Option<&'a Arp> {
    match &frame.network {
        Network::Arp(arp) | Network::Rarp(arp) => Some(arp),
        _ => None,
    }
}

fn number(value: Option<u64>) -> Reading {
    value.map_or(Reading::Absent, Reading::Number)
}

fn mac(value: Option<MacAddress>) -> Reading {
    value.map_or(Reading::Absent, Reading::Mac)
}

fn ipv4(value: Option<std::net::Ipv4Addr>) -> Reading {
    value.map_or(Reading::Absent, Reading::Ipv4)
}

fn masked(mac: MacAddress, mask: MacAddress) -> [u8; 6] {
    let mut bytes = mac.0;
    bytes
        .iter_mut()
        .zip(mask.0)
        .for_each(|(byte, mask)| *byte &= mask);
    bytes
}

impl MacSet {
    /// Whether isolation lets this source through.
    pub fn contains(&self, mac: MacAddress) -> bool {
        self.macs.contains(&mac)
            || self
                .masked
                .iter()
                .any(|(value, mask)| masked(mac, *mask) == masked(*value, *mask))
    }
}
