//! Chains that do the same for every port: what is cut short, and what neighbour discovery may say.

use nftables::{Chain, Comparison, Datatype, Expression, Object, Rule, Set, SetData};

use crate::ruleset::Ruleset;

use super::matching::{Load, Matching};
use super::names;

fn chain(ruleset: &mut Ruleset, name: &str, rules: impl FnOnce() -> Vec<Vec<Expression>>) {
    let chain = ruleset.chain(Chain::regular(name));
    if chain.rules.is_empty() {
        chain.rules = rules()
            .into_iter()
            .map(|one| Rule::new(name, one))
            .collect();
    }
}

/// Protocols whose headers are looked into, and the last three bytes of their smallest header.
///
/// A load of three bytes fails in a later fragment, which one of four would read (see
/// `Behaviours::entry`): it proves at once that the packet has its header and that all is there.
const HEADERS: [(u8, u32); 7] = [
    (17, 5),
    (6, 17),
    (58, 1),
    (1, 5),
    (132, 9),
    (136, 5),
    (33, 9),
];

/// One rule for each protocol, for packets whose transport header is all there.
pub(super) fn readable(then: impl Fn(u8, Matching) -> Vec<Expression>) -> Vec<Vec<Expression>> {
    HEADERS
        .iter()
        .map(|(protocol, end)| {
            let there = Matching::new()
                .l4proto(*protocol)
                .readable(Load::Transport(*end, 3));
            then(*protocol, there)
        })
        .collect()
}

/// Drops packets whose transport header is cut, for then a rule about ports would look at nothing
/// (RFC 1858's tiny fragments); returns those of protocols that rules do not look into.
pub(super) fn short(ruleset: &mut Ruleset) {
    ruleset.object(Object::counter("malformed"));
    chain(ruleset, names::SHORT, || {
        HEADERS
            .iter()
            .map(|(protocol, _)| Matching::new().l4proto(*protocol).refuse("malformed"))
            .collect()
    });
}

/// The message types of neighbour and multicast listener discovery, each ending in `then`.
pub(super) fn discovery(then: impl Fn(Matching) -> Vec<Expression>) -> Vec<Vec<Expression>> {
    let message = |first: u8, last: u8| {
        then(
            Matching::new()
                .l4proto(58)
                .range(Load::ICMP_TYPE, false, &[first], &[last]),
        )
    };
    vec![message(130, 137), message(143, 143)]
}

pub(super) fn nd_accept(ruleset: &mut Ruleset) {
    chain(ruleset, names::ND_ACCEPT, || discovery(Matching::accept));
}

/// Set keyed `interface . MAC` of what every guarded port has: its own.
pub(super) fn macs() -> Set {
    Set::new(
        names::MACS,
        &[Datatype::INTERFACE_INDEX, Datatype::ETHER_ADDRESS],
        SetData::None,
    )
}

pub(super) fn nd_targets() -> Set {
    Set::new(
        names::ND_TARGETS,
        &[Datatype::INTERFACE_INDEX, Datatype::IPV6_ADDRESS],
        SetData::None,
    )
}

pub(super) fn nd_target_ranges() -> Set {
    Set::new(
        names::ND_TARGET_RANGES,
        &[Datatype::INTERFACE_INDEX, Datatype::IPV6_ADDRESS],
        SetData::None,
    )
    .with_intervals()
}

/// ICMPv6 133–137 from a port with the `nd` guard: returns what speaks of the port itself.
pub(super) fn nd_guard(ruleset: &mut Ruleset) {
    ruleset.object(Object::counter("guard/nd"));
    ruleset.set(macs());
    ruleset.set(nd_targets());
    ruleset.set(nd_target_ranges());
    chain(ruleset, names::ND_GUARD, || {
        let message = |kind: u8| Matching::new().l4proto(58).equal(Load::ICMP_TYPE, &[kind]);
        let length =
            |kind: u8, length: u16| message(kind).equal(Load::IP6_LENGTH, &length.to_be_bytes());
        let own_mac = |kind: u8, at: u32, option: u8| {
            length(kind, at as u16 + 8)
                .equal(Load::Transport(at, 2), &[option, 1])
                .key(Load::IIF)
                .key(Load::Transport(at + 2, 6))
                .present(names::MACS)
        };
        let target = |set: &str| {
            message(136)
                .key(Load::IIF)
                .key(Load::Transport(8, 16))
                .present(set)
        };
        let advertised = "nd-advertised";
        vec![
            Matching::new()
                .compare(Load::IP6_NEXT_HEADER, Comparison::NotEqual, &[58])
                .refuse("guard/nd"),
            message(134).returns(),
            message(137).returns(),
            length(133, 8).returns(),
            own_mac(133, 8, 1).returns(),
            length(135, 24).returns(),
            own_mac(135, 24, 1).returns(),
            // Enhanced duplicate address detection, RFC 7527.
            length(135, 32)
                .equal(Load::Transport(24, 2), &[14, 1])
                .returns(),
            target(names::ND_TARGETS).goto(advertised),
            target(names::ND_TARGET_RANGES).goto(advertised),
            Matching::new().refuse("guard/nd"),
        ]
    });
    chain(ruleset, "nd-advertised", || {
        let length = |length: u16| {
            Matching::new()
                .l4proto(58)
                .equal(Load::IP6_LENGTH, &length.to_be_bytes())
        };
        let own = length(32)
            .equal(Load::Transport(24, 2), &[2, 1])
            .key(Load::IIF)
            .key(Load::Transport(26, 6))
            .present(names::MACS);
        vec![
            length(24).returns(),
            own.returns(),
            Matching::new().refuse("guard/nd"),
        ]
    });
}
