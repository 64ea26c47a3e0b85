//! Whether one conjunction of conditions follows from another, and whether one can hold at all.
//! Says so only where it is certain: silence means nothing.

use frame::MacAddress;
use frame::protocol::{ether_type, ip_protocol};

use crate::intervals::Intervals;
use crate::program::{AddressSet, CompiledRule, Condition, HostProgram, Values};
use crate::rule::{Field, FieldKind, Verdict};

/// How surely an earlier rule takes what a later one matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Covered {
    /// Later fragments, whose ports nobody can read, still come to the later rule.
    ExceptFragments,
    Always,
}

/// Whether every frame that `later` would decide is decided by `earlier` before.
pub(super) fn covers(
    program: &HostProgram,
    earlier: &CompiledRule,
    later: &CompiledRule,
) -> Option<Covered> {
    let (first, second) = (earlier.names, later.names);
    let considered = (first.arp || !second.arp)
        && (first.nd || !second.nd)
        && (first.dhcp || !second.dhcp)
        && (first.other || !second.other)
        && (earlier.packets || !later.packets)
        && (earlier.stateless || !later.stateless);
    if !considered {
        return None;
    }
    let mut covered = Covered::Always;
    let mut any = false;
    for wanted in &later.alternatives {
        if impossible(program, wanted) {
            continue;
        }
        any = true;
        let taken = earlier
            .alternatives
            .iter()
            .filter(|taken| follows(program, wanted, taken))
            .map(|taken| certainty(earlier, later, taken))
            .max()?;
        covered = covered.min(taken);
    }
    any.then_some(covered)
}

/// An accepting rule needs to see ports; a dropping one takes a fragment that may have them.
fn certainty(earlier: &CompiledRule, later: &CompiledRule, taken: &[Condition]) -> Covered {
    let blind = earlier.verdict == Verdict::Accept && later.verdict != Verdict::Accept;
    if blind && taken.iter().any(|condition| is_transport(condition.field)) {
        Covered::ExceptFragments
    } else {
        Covered::Always
    }
}

pub(super) fn is_transport(field: Field) -> bool {
    matches!(
        field,
        Field::SourcePort
            | Field::DestinationPort
            | Field::IcmpType
            | Field::IcmpCode
            | Field::TcpFlags
    )
}

/// Whether all of `consequence` hold wherever all of `given` do.
fn follows(program: &HostProgram, given: &[Condition], consequence: &[Condition]) -> bool {
    consequence.iter().all(|needed| {
        given.iter().any(|known| implies(program, known, needed)) || is_packet(given, needed)
    })
}

/// `needed` says no more than that the frame is an IP packet, and `given` looks into one.
fn is_packet(given: &[Condition], needed: &Condition) -> bool {
    let both: Intervals<u64> = [ether_type::IPV4, ether_type::IPV6]
        .map(|number| (u64::from(number), u64::from(number)))
        .into_iter()
        .collect();
    let wide = matches!(&needed.values, Values::Numbers(set) if set.covers(&both));
    needed.field == Field::EtherType
        && !needed.negated
        && wide
        && given.iter().any(|condition| is_ip(condition.field))
}

fn is_ip(field: Field) -> bool {
    is_transport(field)
        || matches!(
            field,
            Field::SourceAddress | Field::DestinationAddress | Field::IpProtocol | Field::Dscp
        )
}

fn implies(program: &HostProgram, known: &Condition, needed: &Condition) -> bool {
    if known.field != needed.field {
        return false;
    }
    if known == needed {
        return true;
    }
    let every = match known.field.kind() {
        FieldKind::Number(most) => Some(Intervals::range(0, most)),
        _ => None,
    };
    match (&known.values, &needed.values) {
        (Values::Numbers(a), Values::Numbers(b)) => match (known.negated, needed.negated) {
            (false, false) => b.covers(a),
            (false, true) => !a.intersects(b),
            (true, true) => a.covers(b),
            (true, false) => every.is_some_and(|every| b.covers(&every)),
        },
        (Values::Macs(a), Values::Macs(b)) if !known.negated && !needed.negated => a
            .iter()
            .all(|one| b.iter().any(|other| mac_within(*one, *other))),
        (Values::Flags(a), Values::Flags(b)) if !known.negated && !needed.negated => {
            a.iter().all(|(mask, set)| {
                b.iter()
                    .any(|(wide, value)| wide & mask == *wide && set & wide == *value)
            })
        }
        (a, b) => match (addresses(program, a), addresses(program, b)) {
            (Some(a), Some(b)) => match (known.negated, needed.negated) {
                (false, false) => b.ipv4.covers(&a.ipv4) && b.ipv6.covers(&a.ipv6),
                (false, true) => !a.ipv4.intersects(&b.ipv4) && !a.ipv6.intersects(&b.ipv6),
                (true, true) => a.ipv4.covers(&b.ipv4) && a.ipv6.covers(&b.ipv6),
                (true, false) => false,
            },
            _ => false,
        },
    }
}

fn mac_within(one: (MacAddress, MacAddress), other: (MacAddress, MacAddress)) -> bool {
    let bytes = one
        .0
        .0
        .iter()
        .zip(one.1.0)
        .zip(other.0.0.iter().zip(other.1.0));
    let mut bytes = bytes.map(|((value, mask), (wide, wide_mask))| {
        wide_mask & mask == wide_mask && value & wide_mask == wide & wide_mask
    });
    bytes.all(|fits| fits)
}

/// The addresses that a condition compares with.
pub(super) fn addresses<'a>(
    program: &'a HostProgram,
    values: &'a Values,
) -> Option<&'a AddressSet> {
    match values {
        Values::Addresses(set) => Some(set),
        Values::AddressSet(name) => program.address_sets.get(name).map(AsRef::as_ref),
        _ => None,
    }
}

/// What a frame may be, as far as one alternative of a rule goes.
struct Possible {
    v4: bool,
    v6: bool,
    arp: bool,
    rarp: bool,
    llc: bool,
    other: bool,
}

/// Whether no frame can meet all of the conditions.
pub(super) fn impossible(program: &HostProgram, conditions: &[Condition]) -> bool {
    let empty = |condition: &Condition| match &condition.values {
        // A fragment may yet have the ports that a dropping rule asks for, whatever they are.
        _ if condition.negated || is_transport(condition.field) => false,
        Values::Numbers(set) => set.is_empty(),
        Values::Macs(list) => list.is_empty(),
        Values::Flags(list) => list.is_empty(),
        values => {
            addresses(program, values).is_some_and(|set| set.ipv4.is_empty() && set.ipv6.is_empty())
        }
    };
    let clash = |(index, one): (usize, &Condition)| {
        let others = conditions.iter().skip(index + 1);
        let mut same = others.filter(|other| other.field == one.field && !is_transport(one.field));
        same.any(|other| excludes(program, one, other))
    };
    conditions.iter().any(empty)
        || conditions.iter().enumerate().any(clash)
        || no_kind(program, conditions)
        || no_protocol(conditions)
}

/// Whether two conditions on one field cannot both hold.
fn excludes(program: &HostProgram, one: &Condition, other: &Condition) -> bool {
    let opposite = Condition {
        negated: !other.negated,
        ..other.clone()
    };
    // A field that is absent makes both false, so that either implying the other's opposite will do.
    implies(program, one, &opposite)
}

fn no_kind(program: &HostProgram, conditions: &[Condition]) -> bool {
    let mut possible = Possible {
        v4: true,
        v6: true,
        arp: true,
        rarp: true,
        llc: true,
        other: true,
    };
    for condition in conditions {
        let field = condition.field;
        if field == Field::EtherType {
            if let Values::Numbers(set) = &condition.values {
                let may = |number: u16| set.contains(u64::from(number)) != condition.negated;
                possible.v4 &= may(ether_type::IPV4);
                possible.v6 &= may(ether_type::IPV6);
                possible.arp &= may(ether_type::ARP);
                possible.rarp &= may(ether_type::RARP);
                possible.llc &= may(ether_type::LLC);
            }
        } else if is_ip(field) {
            possible = Possible {
                v4: possible.v4,
                v6: possible.v6,
                ..NONE
            };
            if let (false, Some(set)) = (condition.negated, addresses(program, &condition.values)) {
                possible.v4 &= !set.ipv4.is_empty();
                possible.v6 &= !set.ipv6.is_empty();
            }
        } else if field.name().starts_with("arp.") {
            possible = Possible {
                arp: possible.arp,
                rarp: possible.rarp,
                ..NONE
            };
        } else if field.name().starts_with("stp.") {
            possible = Possible {
                llc: possible.llc,
                ..NONE
            };
        }
    }
    let Possible {
        v4,
        v6,
        arp,
        rarp,
        llc,
        other,
    } = possible;
    !(v4 || v6 || arp || rarp || llc || other)
}

const NONE: Possible = Possible {
    v4: false,
    v6: false,
    arp: false,
    rarp: false,
    llc: false,
    other: false,
};

/// Ports of a protocol without ports, ICMP types of one that is not ICMP.
fn no_protocol(conditions: &[Condition]) -> bool {
    let may = |wanted: &[u8]| {
        conditions.iter().all(|condition| match &condition.values {
            Values::Numbers(set) if condition.field == Field::IpProtocol => wanted
                .iter()
                .any(|number| set.contains(u64::from(*number)) != condition.negated),
            _ => true,
        })
    };
    conditions.iter().any(|condition| match condition.field {
        Field::SourcePort | Field::DestinationPort => !may(&[
            ip_protocol::TCP,
            ip_protocol::UDP,
            ip_protocol::SCTP,
            ip_protocol::DCCP,
            ip_protocol::UDP_LITE,
        ]),
        Field::IcmpType | Field::IcmpCode => !may(&[ip_protocol::ICMP, ip_protocol::ICMPV6]),
        Field::TcpFlags => !may(&[ip_protocol::TCP]),
        _ => false,
    })
}
