//! Rate and storm limits. Knows rates; they apply to what the rules have accepted, in base chains
//! of their own, which are there only on hosts that limit something.

use nftables::{
    Chain, Datatype, Element, Expression, Hook, HookPoint, Limit, LimitUnit, Object, ObjectKind,
    Policy, Rule, Set, SetData,
};
use policy::document::Rate;
use policy::program::{Direction, PortProgram};

use crate::ruleset::Ruleset;

use super::base::key_of;
use super::matching::{Load, Matching};
use super::names;

/// Adds the port's limits.
pub(super) fn port(ruleset: &mut Ruleset, port: &PortProgram) {
    let limits = [
        ("out", Direction::Out, false, port.limits.outward),
        ("in", Direction::In, false, port.limits.inward),
        (
            "out-broadcast",
            Direction::Out,
            true,
            port.limits.out_broadcast,
        ),
        (
            "in-broadcast",
            Direction::In,
            true,
            port.limits.in_broadcast,
        ),
    ];
    for (word, direction, broadcast, rate) in limits {
        let Some(rate) = rate else { continue };
        chain(ruleset, word, direction, broadcast);
        let name = format!("{word}-{}", port.ifindex);
        ruleset.object(Object::limit(&name, limit(rate)));
        if let Some(set) = ruleset.sets.get_mut(&format!("limit-{word}")) {
            set.elements
                .push(Element::object(key_of(port.ifindex), name));
        }
    }
}

/// The rule for one kind of limit, in the base chain of its direction.
fn chain(ruleset: &mut Ruleset, word: &str, direction: Direction, broadcast: bool) {
    let set = format!("limit-{word}");
    if ruleset.sets.contains_key(&set) {
        return;
    }
    ruleset.set(Set::new(
        &set,
        &[Datatype::INTERFACE_INDEX],
        SetData::Object(ObjectKind::LIMIT),
    ));
    let (name, point, interface) = match direction {
        Direction::Out => (names::LIMIT_PREROUTING, HookPoint::Prerouting, Load::IIF),
        Direction::In => (names::LIMIT_POSTROUTING, HookPoint::Postrouting, Load::OIF),
    };
    let id = format!("limit/{word}");
    ruleset.object(Object::counter(&id));
    let mut matching = Matching::new();
    if broadcast {
        // The group bit of the destination: broadcast is a kind of multicast.
        matching = matching.masked(Load::Link(0, 1), &[1], nftables::Comparison::Equal, &[1]);
    }
    let expressions: Vec<Expression> = matching.key(interface).limit_map(&set).refuse(&id);
    let hook = Hook::filter(point, super::base::LIMIT_PRIORITY, Policy::Accept);
    let chain = ruleset.chain(Chain::base(name, hook));
    let rule = Rule::new(name, expressions);
    // Storm limits first: a storm must not use up what the port may send otherwise.
    if broadcast {
        chain.rules.insert(0, rule)
    } else {
        chain.rules.push(rule)
    }
}

/// Matches what exceeds the rate. A tenth of a second of it may come at once, and at least a frame.
fn limit(rate: Rate) -> Limit {
    match rate {
        Rate::BitsPerSecond(bits) => {
            let bytes = (bits / 8).max(1);
            let burst = u32::try_from(bytes / 10).unwrap_or(u32::MAX).max(65_536);
            Limit {
                unit: LimitUnit::Bytes,
                rate: bytes,
                per_seconds: 1,
                burst,
                over: true,
            }
        }
        Rate::FramesPerSecond(frames) => {
            let burst = u32::try_from(frames / 10).unwrap_or(u32::MAX).max(5);
            Limit {
                unit: LimitUnit::Packets,
                rate: frames.max(1),
                per_seconds: 1,
                burst,
                over: true,
            }
        }
    }
}
