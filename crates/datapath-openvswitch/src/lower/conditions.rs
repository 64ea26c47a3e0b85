//! Conditions of rules as cubes. Three-valued: a field that a fragment does not carry, or that the
//! switch does not read, makes a condition unknown, which `drop` takes for true and `accept` for false.

use std::net::Ipv4Addr;
use std::sync::Arc;

use frame::MacAddress;
use policy::intervals::Intervals;
use policy::program::{AddressSet, Condition, Values};
use policy::rule::{Field as Named, Verdict};

use crate::flow::{Bits, Cube, Field, low_bits};

use super::admission::{ether, mac};
use super::classes::LENGTH;
use super::guards::whole;
use super::sets::End;
use super::{Lowering, cover, layout};

/// What follows the Ethernet header, as far as fields depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Whatever it is: nothing that is asked depends on it.
    Any,
    Ipv4,
    Ipv6,
    Arp,
    Rarp,
    Other,
}

impl Kind {
    /// What tells frames of this kind from others of their class.
    pub(super) fn cube(self) -> Cube {
        match self {
            Self::Any | Self::Other => Cube::any(),
            Self::Ipv4 => ether(0x0800),
            Self::Ipv6 => ether(0x86dd),
            Self::Arp => ether(0x0806),
            Self::Rarp => ether(0x8035),
        }
    }

    fn ether_type(self) -> Option<u64> {
        match self {
            Self::Any | Self::Other => None,
            Self::Ipv4 => Some(0x0800),
            Self::Ipv6 => Some(0x86dd),
            Self::Arp => Some(0x0806),
            Self::Rarp => Some(0x8035),
        }
    }

    fn is_ip(self) -> bool {
        matches!(self, Self::Ipv4 | Self::Ipv6)
    }

    fn is_arp(self) -> bool {
        matches!(self, Self::Arp | Self::Rarp)
    }
}

/// When a condition counts as true of which nothing is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Doubt {
    /// Because a fragment does not carry the field.
    pub(super) fragments: bool,
    /// Because the switch does not read it, though the evaluator does: never where that lets a
    /// frame pass.
    pub(super) unreadable: bool,
}

impl Doubt {
    /// Of a rule.
    pub(super) fn of(verdict: Verdict, audit: bool) -> Self {
        let refuses = verdict != Verdict::Accept;
        Self {
            fragments: refuses,
            unreadable: refuses && !audit,
        }
    }
}

/// Protocols whose ports the switch reads.
const READABLE_PORTS: [u8; 3] = [6, 17, 132];
/// Protocols that have ports which it does not: DCCP and UDP-Lite.
const UNREADABLE_PORTS: [u8; 2] = [33, 136];
/// More flows for one rule than this are not made.
pub(super) const MOST: usize = 4_096;
/// More prefixes than this become a set.
const INLINE: usize = 2;

/// Whether a condition asks for nothing that depends on the kind of frame.
pub(super) fn is_of_any_kind(condition: &Condition) -> bool {
    matches!(
        condition.field,
        Named::EtherSource | Named::EtherDestination | Named::VlanId | Named::VlanPriority
    )
}

/// Whether a condition asks for a field of ARP or RARP.
pub(super) fn is_of_arp(field: Named) -> bool {
    matches!(
        field,
        Named::ArpHardwareType
            | Named::ArpProtocolType
            | Named::ArpOperation
            | Named::ArpSenderMac
            | Named::ArpSenderAddress
            | Named::ArpTargetMac
            | Named::ArpTargetAddress
    )
}

/// Whether the switch cannot read the field at all.
pub(super) fn is_unreadable(field: Named) -> bool {
    policy::evaluate::stp_layout(field).is_some()
}

/// Whether ports of DCCP or UDP-Lite by name are asked for.
pub(super) fn names_unreadable_ports(conditions: &[Condition]) -> bool {
    let ports = |it: &Condition| matches!(it.field, Named::SourcePort | Named::DestinationPort);
    let protocol = |it: &Condition| match (&it.values, it.field) {
        (Values::Numbers(set), Named::IpProtocol) if !it.negated => UNREADABLE_PORTS
            .iter()
            .any(|number| set.contains(u64::from(*number))),
        _ => false,
    };
    conditions.iter().any(ports) && conditions.iter().any(protocol)
}

impl Lowering<'_> {
    /// Cubes of which one fits exactly where the condition is true or, if that counts, in doubt;
    /// `None`: there would be too many.
    pub(super) fn condition(
        &mut self,
        condition: &Condition,
        kind: Kind,
        doubt: Doubt,
    ) -> Option<Vec<Cube>> {
        let negated = condition.negated;
        Some(match (&condition.values, condition.field) {
            (Values::Macs(list), field) => return macs(field, list, negated, kind),
            (Values::Addresses(set), field) => {
                let set = Arc::new(set.clone());
                self.addresses(field, &set, None, negated, kind)
            }
            (Values::AddressSet(name), field) => {
                let set = self
                    .program
                    .address_sets
                    .get(name)
                    .cloned()
                    .unwrap_or_default();
                self.addresses(field, &set, Some(name), negated, kind)
            }
            (Values::Flags(flags), Named::TcpFlags) if kind.is_ip() => {
                let read = whole(protocol(6));
                let fits = tcp_flags(flags, negated)
                    .into_iter()
                    .map(|(value, mask)| read.clone().masked(Field::TcpFlags, value, mask));
                fits.chain(later(kind, 6, doubt)).collect()
            }
            (Values::Numbers(set), field) => numbers(field, set, negated, kind, doubt),
            _ => Vec::new(),
        })
    }

    fn addresses(
        &mut self,
        field: Named,
        set: &Arc<AddressSet>,
        name: Option<&str>,
        negated: bool,
        kind: Kind,
    ) -> Vec<Cube> {
        let end = match field {
            Named::SourceAddress if kind.is_ip() => End::Source,
            Named::DestinationAddress if kind.is_ip() => End::Destination,
            Named::ArpSenderAddress if kind.is_arp() => {
                return inline4(&set.ipv4, negated, Field::ArpSenderAddress);
            }
            Named::ArpTargetAddress if kind.is_arp() => {
                return inline4(&set.ipv4, negated, Field::ArpTargetAddress);
            }
            _ => return Vec::new(),
        };
        let four = kind == Kind::Ipv4;
        let (field, width) = match (end, four) {
            (End::Source, true) => (Field::Ipv4Source, 32),
            (End::Destination, true) => (Field::Ipv4Destination, 32),
            (End::Source, false) => (Field::Ipv6Source, 128),
            (End::Destination, false) => (Field::Ipv6Destination, 128),
        };
        let prefixes = |negated: bool| {
            if four {
                cover::intervals(&set.ipv4, negated, width)
            } else {
                cover::intervals(&set.ipv6, negated, width)
            }
        };
        let listed = prefixes(false);
        if listed.is_empty() {
            return if negated {
                vec![Cube::any()]
            } else {
                Vec::new()
            };
        }
        let small = name.is_none() && !negated && listed.len() <= INLINE;
        if !small {
            let named = name.map_or_else(|| format!("{set:?}"), str::to_owned);
            let key = (end, named);
            if let Some(bit) = self.slots.bit(&key, set) {
                self.making.sets.insert(key);
                return vec![Cube::any().bits(bit, u32::from(!negated))];
            }
        }
        prefixes(negated)
            .into_iter()
            .map(|(value, mask)| Cube::any().masked(field, value, mask))
            .collect()
    }
}

fn inline4(set: &Intervals<Ipv4Addr>, negated: bool, field: Field) -> Vec<Cube> {
    cover::intervals(set, negated, 32)
        .into_iter()
        .map(|(value, mask)| Cube::any().masked(field, value, mask))
        .collect()
}

fn macs(
    field: Named,
    list: &[(MacAddress, MacAddress)],
    negated: bool,
    kind: Kind,
) -> Option<Vec<Cube>> {
    let field = match field {
        Named::EtherSource => Field::EthernetSource,
        Named::EtherDestination => Field::EthernetDestination,
        Named::ArpSenderMac if kind.is_arp() => Field::ArpSenderMac,
        Named::ArpTargetMac if kind.is_arp() => Field::ArpTargetMac,
        _ => return Some(Vec::new()),
    };
    let one = |(value, mask): cover::Masked| Cube::any().masked(field, value, mask);
    let list = list.iter().map(|(value, mask)| (mac(*value), mac(*mask)));
    if !negated {
        return Some(list.map(one).collect());
    }
    // None of them: each differs somewhere.
    let mut cubes = vec![Cube::any()];
    for (value, mask) in list {
        let differing: Vec<Cube> = cover::differing(value, mask, 48)
            .into_iter()
            .map(one)
            .collect();
        cubes = cross(&cubes, &differing);
        if cubes.len() > MOST {
            return None;
        }
    }
    Some(cubes)
}

/// Every pair that can be true at once.
pub(super) fn cross(some: &[Cube], others: &[Cube]) -> Vec<Cube> {
    let pairs = some
        .iter()
        .flat_map(|one| others.iter().filter_map(|other| one.and(other)));
    let unique: std::collections::BTreeSet<Cube> = pairs.collect();
    unique.into_iter().collect()
}

fn numbers(
    field: Named,
    set: &Intervals<u64>,
    negated: bool,
    kind: Kind,
    doubt: Doubt,
) -> Vec<Cube> {
    let holds = |number: u64| set.contains(number) != negated;
    let constant = |number: u64| {
        if holds(number) {
            vec![Cube::any()]
        } else {
            Vec::new()
        }
    };
    let register = |bits: Bits| {
        masked(set, negated, bits.length)
            .into_iter()
            .map(move |(value, mask)| in_register(bits, value, mask))
    };
    match field {
        Named::EtherType => match kind.ether_type() {
            Some(number) => constant(number),
            None => ether_types(set, negated, doubt),
        },
        Named::VlanId => tag(0, 12, set, negated),
        Named::VlanPriority => tag(13, 3, set, negated),
        Named::ArpHardwareType if kind.is_arp() => constant(1),
        Named::ArpProtocolType if kind.is_arp() => constant(0x0800),
        Named::ArpOperation if kind.is_arp() => register(layout::ARP_OPERATION).collect(),
        Named::IpProtocol if kind.is_ip() => {
            let single = set.iter().all(|(first, last)| first == last) && !negated;
            let fits: Vec<Cube> = if single {
                set.iter().map(|(number, _)| protocol_of(number)).collect()
            } else {
                register(layout::PROTOCOL).collect()
            };
            if kind == Kind::Ipv4 {
                return fits;
            }
            let fits = fits.into_iter().map(whole);
            fits.chain(doubt.unreadable.then(later_ipv6)).collect()
        }
        Named::Dscp if kind.is_ip() => (0..64)
            .filter(|number| holds(*number))
            .map(|number| Cube::any().with(Field::IpDscp, number))
            .collect(),
        Named::SourcePort if kind.is_ip() => {
            ports(Field::TransportSource, set, negated, kind, doubt)
        }
        Named::DestinationPort if kind.is_ip() => {
            ports(Field::TransportDestination, set, negated, kind, doubt)
        }
        Named::IcmpType | Named::IcmpCode if kind.is_ip() => {
            let number = if kind == Kind::Ipv4 { 1 } else { 58 };
            let bits = match field {
                Named::IcmpType => layout::ICMP_TYPE,
                _ => layout::ICMP_CODE,
            };
            let read = whole(protocol(number));
            let fits = register(bits).filter_map(|cube| cube.and(&read));
            fits.chain(later(kind, number, doubt)).collect()
        }
        field if is_unreadable(field) && doubt.unreadable && kind == Kind::Other => {
            vec![in_register(layout::ETHER_TYPE, LENGTH.into(), low_bits(16))]
        }
        _ => Vec::new(),
    }
}

fn ports(field: Field, set: &Intervals<u64>, negated: bool, kind: Kind, doubt: Doubt) -> Vec<Cube> {
    let mut cubes = Vec::new();
    for number in READABLE_PORTS {
        let read = whole(protocol(number));
        let fits = masked(set, negated, 16).into_iter();
        cubes.extend(fits.map(|(value, mask)| read.clone().masked(field, value, mask)));
        cubes.extend(later(kind, number, doubt));
    }
    if doubt.unreadable {
        cubes.extend(UNREADABLE_PORTS.map(protocol));
    }
    cubes
}

/// The two kinds of frames with a length in place of a type are numbers 4 and 1 to the policy, and
/// one and the same to the switch.
fn ether_types(set: &Intervals<u64>, negated: bool, doubt: Doubt) -> Vec<Cube> {
    use frame::protocol::ether_type::{LLC, MINIMUM, RAW_802_3};
    let least = u128::from(MINIMUM);
    let pieces = set
        .iter()
        .map(|(first, last)| (u128::from(first), u128::from(last)));
    let pieces: Vec<(u128, u128)> = if negated {
        cover::complement(pieces, 0xffff)
    } else {
        pieces.collect()
    };
    let mut cubes: Vec<Cube> = pieces
        .into_iter()
        .filter(|(_, last)| *last >= least)
        .flat_map(|(first, last)| cover::range(first.max(least), last, 16))
        .map(|(value, mask)| in_register(layout::ETHER_TYPE, value, mask))
        .collect();
    let holds = |number: u16| set.contains(number.into()) != negated;
    let (one, other) = (holds(LLC), holds(RAW_802_3));
    if one && other || doubt.unreadable && (one || other) {
        cubes.push(in_register(layout::ETHER_TYPE, LENGTH.into(), low_bits(16)));
    }
    cubes
}

/// A part of the tag that the frame has.
fn tag(first: u32, length: u32, set: &Intervals<u64>, negated: bool) -> Vec<Cube> {
    masked(set, negated, length)
        .into_iter()
        .map(|(value, mask)| {
            let register = Field::Register(layout::VIEW.register);
            Cube::any().masked(register, value << first | 0x1000, mask << first | 0x1000)
        })
        .collect()
}

fn tcp_flags(flags: &[(u8, u8)], negated: bool) -> Vec<cover::Masked> {
    if !negated {
        let possible = flags.iter().filter(|(mask, set)| set & !mask == 0);
        return possible
            .map(|(mask, set)| (u128::from(*set), u128::from(*mask)))
            .collect();
    }
    let fits = |value: u8| flags.iter().any(|(mask, set)| value & mask == *set);
    let left: Intervals<u8> = (0..=255)
        .filter(|value| !fits(*value))
        .map(|value| (value, value))
        .collect();
    // Bits 8 to 11 are reserved ones.
    cover::intervals(&left, false, 8)
}

fn masked(set: &Intervals<u64>, negated: bool, width: u32) -> Vec<cover::Masked> {
    cover::intervals(set, negated, width)
}

fn in_register(bits: Bits, value: u128, mask: u128) -> Cube {
    Cube::any().masked(
        Field::Register(bits.register),
        value << bits.first,
        mask << bits.first,
    )
}

fn protocol(number: u8) -> Cube {
    Cube::any().with(Field::IpProtocol, number)
}

fn protocol_of(number: u64) -> Cube {
    Cube::any().with(Field::IpProtocol, number)
}

/// A later fragment that is, or may be, of a protocol, where that counts.
fn later(kind: Kind, number: u8, doubt: Doubt) -> Option<Cube> {
    let ipv4 = || protocol(number).masked(Field::IpFragment, 2_u8, 2);
    match kind {
        Kind::Ipv4 => doubt.fragments.then(ipv4),
        _ => doubt.unreadable.then(later_ipv6),
    }
}

/// Of these the switch keeps nothing but that they are fragments (`parse_ipv6_ext_hdrs`).
fn later_ipv6() -> Cube {
    Cube::any().masked(Field::IpFragment, 2_u8, 2)
}
