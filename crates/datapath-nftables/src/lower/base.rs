//! Base chains, and the elements by which a port is found in them. Knows how a frame comes to its
//! sender's or receiver's behaviour; what then happens is left to `behaviours`.

use nftables::{
    Chain, Comparison, Datatype, Element, Expression, Hook, HookPoint, Object, Policy, Rule, Set,
    SetData, Verdict,
};
use policy::HostProgram;
use policy::document::Guard;
use policy::intervals::{Discrete, Intervals};
use policy::program::{Behaviour, PortProgram};

use crate::ruleset::Ruleset;

use super::Foreign;
use super::behaviours::{self, received, sent, sent_ip, tracked};
use super::learning;
use super::matching::{Load, Matching};
use super::names::{self, Layer};
use super::shared;

const INTERFACE: Datatype = Datatype::INTERFACE_INDEX;
/// More ports than a host has: a bridge has 1,023. It costs the kernel a megabyte.
const MOST_PORTS: u32 = 65_536;
const MAC: Datatype = Datatype::ETHER_ADDRESS;

/// `NF_BR_PRI_BRNF` is 0 and bridge conntrack works at -200: guards come before both.
const GUARD_PRIORITY: i32 = -300;
/// After bridge conntrack (`NF_IP_PRI_CONNTRACK`, -200), before br_netfilter (0).
const RULE_PRIORITY: i32 = -150;
pub(super) const LIMIT_PRIORITY: i32 = -100;

/// Everything that is there however many ports there are.
pub(super) fn chains(
    ruleset: &mut Ruleset,
    program: &HostProgram,
    foreign: &Foreign,
    tracking: bool,
) {
    let mut hook = |name: &str, point, priority, rules: Vec<Vec<Expression>>| {
        let chain = Chain::base(name, Hook::filter(point, priority, Policy::Accept));
        add(ruleset, chain, rules);
    };
    hook(
        names::PREROUTING,
        HookPoint::Prerouting,
        GUARD_PRIORITY,
        vec![Matching::new().goto(names::OUT)],
    );
    // Frames to 01:80:c2:00:00:0x reach the host past prerouting (br_handle_frame).
    hook(
        names::INPUT,
        HookPoint::Input,
        GUARD_PRIORITY,
        vec![reserved().goto(names::OUT)],
    );
    // Each copy of a broadcast comes here, and most broadcasts are ARP: what becomes of it at most
    // ports takes a test of the frame and of one bit. What it misses is for `Behaviours::received`.
    let mut inward = vec![
        Matching::new()
            .usual_arp()
            .low_index(Load::OIF, names::IN_ARP)
            .accept(),
    ];
    if answers(program) {
        // PACKET_HOST: made here, and not on its way from port to port.
        inward.push(
            Matching::new()
                .equal(Load::PACKET_TYPE, &[0])
                .jump(names::ANSWERS),
        );
    }
    inward.push(Matching::new().key(Load::OIF).vmap(names::IN));
    inward.extend(refuse_unknown(foreign, Load::OIF, Load::OUTPUT_BRIDGE));
    hook(
        names::POSTROUTING,
        HookPoint::Postrouting,
        RULE_PRIORITY,
        inward,
    );
    if tracking {
        hook(
            names::TRACKED_PREROUTING,
            HookPoint::Prerouting,
            RULE_PRIORITY,
            vec![Matching::new().key(Load::IIF).vmap(names::TRACKED)],
        );
        // Nothing has tracked these: `zone` leaves them looking as if they began a connection.
        hook(
            names::TRACKED_INPUT,
            HookPoint::Input,
            RULE_PRIORITY,
            vec![reserved().key(Load::IIF).vmap(names::TRACKED)],
        );
    }
    if answers(program) {
        add(ruleset, Chain::regular(names::ANSWERS), let_answers_pass());
    }
    sets(ruleset, program, foreign, tracking);
    // Rules for address maps come first, by `finish`, when it is known which maps are used.
    let mut rules = Vec::new();
    rules.push(
        Matching::new()
            .key(Load::IIF)
            .key(Load::ETHER_SOURCE)
            .vmap(names::IDENTIFIED),
    );
    rules.push(Matching::new().key(Load::IIF).vmap(names::UNGUARDED));
    rules.push(
        Matching::new()
            .key(Load::IIF)
            .present(names::PORTS)
            .refuse("guard/mac"),
    );
    let uplink = Matching::new().key(Load::IIF).present(names::UPLINKS);
    rules.push(if tracking {
        uplink.goto(names::ZONE)
    } else {
        uplink.accept()
    });
    rules.extend(refuse_unknown(foreign, Load::IIF, Load::INPUT_BRIDGE));
    if tracking {
        rules.push(Matching::new().goto(names::ZONE));
    }
    ruleset.object(Object::counter("guard/mac"));
    ruleset.object(Object::counter("quarantine"));
    add(ruleset, Chain::regular(names::OUT), rules);
}

/// Whether somebody's frames are answered by `reject`.
fn answers(program: &HostProgram) -> bool {
    let rules = || program.lists.values().flat_map(|list| &list.outward);
    let defaults = || {
        program
            .behaviours
            .values()
            .map(|behaviour| &behaviour.default_out)
    };
    rules().any(|rule| rule.verdict == policy::rule::Verdict::Reject)
        || defaults().any(|default| default.verdict == policy::rule::Verdict::Reject)
}

/// What `reject` answers in a peer's name is no frame of that peer's: no connection knows it, and
/// its receiver's rules would drop what tells him why (nf_reject_skb_v4_tcp_reset and its like).
fn let_answers_pass() -> Vec<Vec<Expression>> {
    let message = |protocol: u16, number: u8, kind: [u8; 2]| {
        Matching::new()
            .protocol(protocol)
            .l4proto(number)
            .equal(Load::Transport(0, 2), &kind)
            .accept()
    };
    let reset =
        Matching::new()
            .l4proto(6)
            .masked(Load::Transport(13, 1), &[4], Comparison::Equal, &[4]);
    vec![
        reset.accept(),
        message(0x0800, 1, [3, 13]),
        message(0x86dd, 58, [1, 1]),
    ]
}

/// Frames to the groups that a bridge keeps to itself, 01:80:c2:00:00:00 to 0f.
fn reserved() -> Matching {
    Matching::new().masked(
        Load::ETHER_DESTINATION,
        &[0xff, 0xff, 0xff, 0xff, 0xff, 0xf0],
        Comparison::Equal,
        &[0x01, 0x80, 0xc2, 0, 0, 0],
    )
}

/// Puts the search by interface, MAC and address before what `chains` and `behaviours` made.
pub(super) fn finish(ruleset: &mut Ruleset) {
    let untagged = bound(ruleset, false);
    prepend(ruleset, names::OUT, untagged);
    let tagged = bound(ruleset, true);
    prepend(ruleset, names::BOUND_TAGGED, tagged);
}

fn prepend(ruleset: &mut Ruleset, name: &str, rules: Vec<Vec<Expression>>) {
    if let Some(chain) = ruleset.chains.get_mut(name) {
        chain
            .rules
            .splice(0..0, rules.into_iter().map(|one| Rule::new(name, one)));
    }
}

fn add(ruleset: &mut Ruleset, chain: Chain, rules: Vec<Vec<Expression>>) {
    let name = chain.name.clone();
    ruleset.chain(chain).rules = rules.into_iter().map(|one| Rule::new(&name, one)).collect();
}

/// What an interface that no port and no uplink claims may do: nothing, on a managed bridge.
fn refuse_unknown(foreign: &Foreign, interface: Load, bridge: Load) -> Vec<Vec<Expression>> {
    let mut rules = Vec::new();
    if interface == Load::OIF {
        rules.push(
            Matching::new()
                .key(interface)
                .present(names::UPLINKS)
                .accept(),
        );
    }
    match foreign {
        Foreign::ByBridge => {
            rules.push(
                Matching::new()
                    .key(bridge)
                    .present(names::MANAGED)
                    .refuse("quarantine"),
            );
        }
        Foreign::ByInterface(_) => {
            // Hosts have frames of their own to send: they leave by no port that we do not know.
            rules.push(
                Matching::new()
                    .key(interface)
                    .absent(names::UNMANAGED)
                    .refuse("quarantine"),
            );
        }
        Foreign::Untouched => {}
    }
    rules
}

/// The rules that find a frame's sender by interface, MAC and address at once. A malformed packet may
/// be found too: what it is found for refuses it (see `Behaviours::entry`).
fn bound(ruleset: &Ruleset, tagged: bool) -> Vec<Vec<Expression>> {
    // Behind a tag `ether type` is the tag's, and `meta protocol` what it carries.
    let of = |value: u16| {
        if tagged {
            Matching::new().protocol(value)
        } else {
            Matching::new().ether_type(value)
        }
    };
    let ip4 = |set: &str| {
        of(0x0800)
            .key(Load::IIF)
            .key(Load::ETHER_SOURCE)
            .key(Load::IP4_SOURCE)
            .vmap(set)
    };
    let ip6 = |set: &str| {
        of(0x86dd)
            .key(Load::IIF)
            .key(Load::ETHER_SOURCE)
            .key(Load::IP6_SOURCE)
            .vmap(set)
    };
    let arp = |set: &str| {
        of(0x0806)
            .well_formed_arp()
            .key(Load::IIF)
            .key(Load::ETHER_SOURCE)
            .key(Load::ARP_SENDER_MAC)
            .key(Load::ARP_SENDER_IP)
            .vmap(set)
    };
    let used = |set: &str| {
        ruleset
            .sets
            .get(set)
            .is_some_and(|set| !set.elements.is_empty())
    };
    let mut rules = vec![ip4(names::BOUND_4)];
    if used(names::BOUND_4_RANGES) {
        rules.push(ip4(names::BOUND_4_RANGES));
    }
    rules.push(ip6(names::BOUND_6));
    if used(names::BOUND_6_RANGES) {
        rules.push(ip6(names::BOUND_6_RANGES));
    }
    rules.push(arp(names::BOUND_ARP));
    if used(names::BOUND_ARP_RANGES) {
        rules.push(arp(names::BOUND_ARP_RANGES));
    }
    rules
}

fn verdict_map(name: &str, key: &[Datatype]) -> Set {
    Set::new(name, key, SetData::Verdict)
}

fn sets(ruleset: &mut Ruleset, program: &HostProgram, foreign: &Foreign, tracking: bool) {
    ruleset.set(verdict_map(
        names::BOUND_4,
        &[INTERFACE, MAC, Datatype::IPV4_ADDRESS],
    ));
    ruleset.set(verdict_map(
        names::BOUND_6,
        &[INTERFACE, MAC, Datatype::IPV6_ADDRESS],
    ));
    ruleset.set(verdict_map(
        names::BOUND_ARP,
        &[INTERFACE, MAC, MAC, Datatype::IPV4_ADDRESS],
    ));
    ruleset.set(verdict_map(names::IDENTIFIED, &[INTERFACE, MAC]));
    ruleset.set(verdict_map(names::UNGUARDED, &[INTERFACE]));
    ruleset.set(Set::new(
        names::IN_ARP,
        &[Datatype::INTERFACE_TYPE],
        SetData::None,
    ));
    // Each copy of a broadcast looks here: a table of fixed size is the faster kind (nft_hash_fast).
    ruleset.set(counted(verdict_map(names::IN, &[INTERFACE])).with_size(MOST_PORTS));
    ruleset.set(counted(Set::new(names::PORTS, &[INTERFACE], SetData::None)));
    let mut uplinks: Vec<Element> = program
        .bridges
        .values()
        .flat_map(|bridge| bridge.uplinks.values().flatten())
        .map(|ifindex| Element::new(key_of(*ifindex)))
        .collect();
    uplinks.sort_unstable();
    ruleset
        .set(Set::new(names::UPLINKS, &[INTERFACE], SetData::None))
        .elements = uplinks;
    match foreign {
        Foreign::ByBridge => {
            let managed = program.bridges.iter().filter(|(_, bridge)| bridge.managed);
            let mut elements: Vec<Element> = managed
                .map(|(name, _)| Element::new(interface_name(name)))
                .collect();
            elements.sort_unstable();
            ruleset
                .set(Set::new(
                    names::MANAGED,
                    &[Datatype::INTERFACE_NAME],
                    SetData::None,
                ))
                .elements = elements;
        }
        Foreign::ByInterface(interfaces) => {
            let mut elements: Vec<Element> = interfaces
                .iter()
                .map(|ifindex| Element::new(key_of(*ifindex)))
                .collect();
            elements.sort_unstable();
            ruleset
                .set(Set::new(names::UNMANAGED, &[INTERFACE], SetData::None))
                .elements = elements;
        }
        Foreign::Untouched => {}
    }
    if tracking {
        ruleset.set(verdict_map(names::TRACKED, &[INTERFACE]));
        zones(ruleset, program);
    }
}

fn counted(set: Set) -> Set {
    set.with_expressions(vec![Expression::Counter(nftables::Counter::default())])
}

/// Connections of different networks must not meet, and both directions of one must: the zone is
/// that of the port that sends, else of the port addressed. What is for the host itself stays in
/// the host's own zone 0, where its network stack looks for it.
fn zones(ruleset: &mut Ruleset, program: &HostProgram) {
    let mut local: Vec<Element> = program
        .bridges
        .values()
        .filter_map(|bridge| bridge.mac)
        .map(|mac| Element::new(mac.0.to_vec()))
        .collect();
    local.sort_unstable();
    local.dedup();
    ruleset
        .set(Set::new(names::LOCAL_MACS, &[MAC], SetData::None))
        .elements = local;
    ruleset.set(verdict_map(names::ZONES, &[INTERFACE]));
    ruleset.set(verdict_map(
        names::ZONES_BY_MAC,
        &[Datatype::INTERFACE_NAME, MAC],
    ));
    let rules = vec![
        Matching::new()
            .key(Load::ETHER_DESTINATION)
            .present(names::LOCAL_MACS)
            .accept(),
        Matching::new().key(Load::IIF).vmap(names::ZONES),
        Matching::new()
            .key(Load::INPUT_BRIDGE)
            .key(Load::ETHER_DESTINATION)
            .vmap(names::ZONES_BY_MAC),
        Matching::new().accept(),
    ];
    add(ruleset, Chain::regular(names::ZONE), rules);
}

/// The elements of one port. A port costs these and nothing else.
pub(super) fn port(
    ruleset: &mut Ruleset,
    port: &PortProgram,
    behaviour: &Behaviour,
    tracking: bool,
) {
    let on = |guard: Guard| behaviour.guards.contains(&guard);
    let interface = key_of(port.ifindex);
    let mac = padded(&port.mac.0);
    let identity = [interface.clone(), mac.clone()].concat();
    let takes_all_arp = behaviours::takes_all_arp(ruleset, behaviour);
    let mut push = |set: &str, element: Element| {
        if let Some(set) = ruleset.sets.get_mut(set) {
            set.elements.push(element);
        }
    };
    let name = comment(port);
    push(
        names::PORTS,
        counter(Element::new(interface.clone()).with_comment(&name)),
    );
    let inward = Element::verdict(interface.clone(), Verdict::goto(received(&behaviour.name)));
    push(names::IN, counter(inward.with_comment(&name)));
    if let Some(low) = low_index(port.ifindex)
        && takes_all_arp
    {
        push(names::IN_ARP, Element::new(low).with_comment(&name));
    }
    let otherwise = Verdict::goto(sent(&behaviour.name));
    if on(Guard::Mac) {
        push(
            names::IDENTIFIED,
            Element::verdict(identity.clone(), otherwise),
        );
        push(names::MACS, Element::new(identity.clone()));
    } else {
        if learning::leases(behaviour) {
            push(names::MACS, Element::new(identity.clone()));
        }
        push(
            names::UNGUARDED,
            Element::verdict(interface.clone(), otherwise),
        );
    }
    if tracking {
        push(
            names::TRACKED,
            Element::verdict(interface.clone(), Verdict::goto(tracked(&behaviour.name))),
        );
    }
    if on(Guard::Nd) {
        let target = |address: &[u8]| [interface.clone(), address.to_vec()].concat();
        for (first, last) in port.ipv6.iter() {
            match few(first, last) {
                Some(addresses) => {
                    for address in addresses {
                        push(names::ND_TARGETS, Element::new(target(&address.octets())));
                    }
                }
                None => {
                    let (first, last) = (first.octets(), last.octets());
                    push(
                        names::ND_TARGET_RANGES,
                        Element::new(target(&first)).up_to(target(&last)),
                    );
                }
            }
        }
    }
    let go4 = Verdict::goto(sent_ip(&behaviour.name, Layer::Ip4));
    let go6 = Verdict::goto(sent_ip(&behaviour.name, Layer::Ip6));
    let arp = behaviours::arp_verdict(ruleset, behaviour);
    if on(Guard::Ipv4) {
        bind(
            ruleset,
            names::BOUND_4,
            names::BOUND_4_RANGES,
            &identity,
            &port.ipv4,
            &go4,
            |a| a.octets().to_vec(),
        );
    }
    if on(Guard::Ipv6) {
        bind(
            ruleset,
            names::BOUND_6,
            names::BOUND_6_RANGES,
            &identity,
            &port.ipv6,
            &go6,
            |a| a.octets().to_vec(),
        );
    }
    if on(Guard::Arp) {
        let sender = [identity, mac].concat();
        let senders = arp_senders(port);
        bind(
            ruleset,
            names::BOUND_ARP,
            names::BOUND_ARP_RANGES,
            &sender,
            &senders,
            &arp,
            |a| a.octets().to_vec(),
        );
    }
}

/// Sender addresses of a port's ARP: its own, and none in an address probe (RFC 5227).
fn arp_senders(port: &PortProgram) -> Intervals<std::net::Ipv4Addr> {
    let none = Intervals::single(std::net::Ipv4Addr::UNSPECIFIED);
    port.ipv4.union(&none)
}

/// Ranges of so few addresses are taken apart: addresses that a VM learned, which happen to be
/// neighbours, need no map of their own.
const FEW: usize = 8;

/// The addresses of a range, where they are few.
fn few<T: Discrete>(first: T, last: T) -> Option<Vec<T>> {
    let next = |address: &T| address.successor().filter(|next| *next <= last);
    let addresses: Vec<T> = std::iter::successors(Some(first), next)
        .take(FEW + 1)
        .collect();
    (addresses.len() <= FEW).then_some(addresses)
}

/// An element for each address; ranges stand in a map of their own, which costs more to search and
/// is made only where a port has one.
fn bind<T: Discrete>(
    ruleset: &mut Ruleset,
    exact: &str,
    ranges: &str,
    identity: &[u8],
    addresses: &Intervals<T>,
    verdict: &Verdict,
    octets: impl Fn(T) -> Vec<u8>,
) {
    for (first, last) in addresses.iter() {
        let key = |address: T| [identity.to_vec(), octets(address)].concat();
        if let Some(addresses) = few(first, last) {
            if let Some(set) = ruleset.sets.get_mut(exact) {
                let elements = addresses.into_iter().map(key);
                set.elements
                    .extend(elements.map(|key| Element::verdict(key, verdict.clone())));
            }
            continue;
        }
        let Some(like) = ruleset.sets.get(exact).map(|set| set.set.clone()) else {
            continue;
        };
        let like = Set {
            name: ranges.to_owned(),
            ..like
        }
        .with_intervals();
        let element = Element::verdict(key(first), verdict.clone()).up_to(key(last));
        ruleset.set(like).elements.push(element);
    }
}

fn counter(mut element: Element) -> Element {
    element.expressions = vec![Expression::Counter(nftables::Counter::default())];
    element
}

fn comment(port: &PortProgram) -> String {
    let mut text = port.name.clone();
    while text.len() > 120 {
        text.pop();
    }
    text
}

pub(super) fn key_of(ifindex: u32) -> Vec<u8> {
    ifindex.to_ne_bytes().to_vec()
}

/// What [`Matching::low_index`] finds the interface by. `None`: it has a higher number, or the
/// machine's registers begin with the high half.
fn low_index(ifindex: u32) -> Option<Vec<u8>> {
    let low = u16::try_from(ifindex).ok()?;
    cfg!(target_endian = "little").then(|| low.to_ne_bytes().to_vec())
}

/// A part of a concatenated key begins at a multiple of 4 bytes.
pub(super) fn padded(bytes: &[u8]) -> Vec<u8> {
    let mut padded = bytes.to_vec();
    padded.resize(bytes.len().next_multiple_of(4), 0);
    padded
}

/// As the kernel compares `meta ibrname`: 16 bytes, filled up with zeros.
pub(super) fn interface_name(name: &str) -> Vec<u8> {
    let mut bytes: Vec<u8> = name.bytes().take(15).collect();
    bytes.resize(16, 0);
    bytes
}

/// Where a port's frames find their zone.
pub(super) fn zone(ruleset: &mut Ruleset, port: &PortProgram) {
    // A gateway between networks has none: the other end's decides, in both directions.
    if port.zone == 0 {
        return;
    }
    let name = format!("zone-{}", port.zone);
    let zone = port.zone;
    let chain = ruleset.chain(Chain::regular(&name));
    if chain.rules.is_empty() {
        chain.rules = vec![Rule::new(&name, Matching::new().set_zone(zone).accept())];
    }
    let mut push = |set: &str, element: Element| {
        if let Some(set) = ruleset.sets.get_mut(set) {
            set.elements.push(element);
        }
    };
    push(
        names::ZONES,
        Element::verdict(key_of(port.ifindex), Verdict::goto(&name)),
    );
    let by_mac = [interface_name(&port.bridge), padded(&port.mac.0)].concat();
    push(
        names::ZONES_BY_MAC,
        Element::verdict(by_mac, Verdict::goto(&name)),
    );
}

pub(super) fn declare_shared_sets(ruleset: &mut Ruleset) {
    ruleset.set(shared::macs());
    ruleset.set(shared::nd_targets());
    ruleset.set(shared::nd_target_ranges());
}

/// One MAC in two networks of a bridge, as in two VLANs: the kernel takes one element for a key, so
/// what arrives from outside looks for the connections of one of them.
pub(super) fn unambiguous_zones(ruleset: &mut Ruleset) {
    if let Some(set) = ruleset.sets.get_mut(names::ZONES_BY_MAC) {
        set.elements.dedup_by(|one, other| one.key == other.key);
    }
}
