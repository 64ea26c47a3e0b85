//! What of a learning port's traffic is reported: what its guards refuse, what it asks before it uses
//! an address, what it and DHCP servers say to each other. Ports that do not learn pay nothing, and
//! nothing here decides about a frame but which DHCP servers may answer.

use std::net::IpAddr;

use nftables::{
    Chain, Comparison, Datatype, Element, Expression, Limit, LimitUnit, Object, ObjectKind, Rule,
    Set, SetData,
};
use policy::document::Guard;
use policy::learn::LearnMode;
use policy::program::{Behaviour, PortProgram};

use crate::ruleset::Ruleset;

use super::base::key_of;
use super::matching::{Load, Matching};
use super::names::{self, Layer};

/// Of a packet: enough for ARP (28 bytes) and for neighbour solicitations behind IPv6's header.
const HEADERS: u32 = 128;
/// A whole DHCP message: options that matter may be its last.
const MESSAGE: u32 = 1500;

/// Reports in a second, and at once, of one port: enough for a host that boots, too few for a flood to
/// keep the learner busy. One map for each kind, so that what a port sends cannot use up what a
/// DHCP server's answer to it needs.
const RATES: [(&str, u64, u32); 4] = [
    (names::LEARN_REFUSED, 10, 20),
    (names::LEARN_SAMPLED, 1, 5),
    (names::LEARN_ASKED, 5, 10),
    (names::LEARN_ANSWERED, 5, 10),
];

/// Whether the port's leases are watched.
pub(super) fn leases(behaviour: &Behaviour) -> bool {
    mode(behaviour) == Some(LearnMode::Dhcp)
}

fn mode(behaviour: &Behaviour) -> Option<LearnMode> {
    behaviour.learning.as_ref().map(|learning| learning.mode)
}

/// Which limits a port of this behaviour needs.
fn needs(behaviour: &Behaviour, limits: &str) -> bool {
    match mode(behaviour) {
        None | Some(LearnMode::None) => false,
        Some(LearnMode::Dhcp) => limits != names::LEARN_SAMPLED,
        Some(LearnMode::FirstPacket) => {
            [names::LEARN_REFUSED, names::LEARN_SAMPLED].contains(&limits)
        }
        Some(LearnMode::Any) => limits == names::LEARN_SAMPLED,
    }
}

/// The maps that the behaviour's rules name.
pub(super) fn declare(ruleset: &mut Ruleset, behaviour: &Behaviour) {
    for (name, ..) in RATES.iter().filter(|(name, ..)| needs(behaviour, name)) {
        ruleset.set(Set::new(
            *name,
            &[Datatype::INTERFACE_INDEX],
            SetData::Object(ObjectKind::LIMIT),
        ));
    }
}

/// The port's own limits.
pub(super) fn port(ruleset: &mut Ruleset, port: &PortProgram, behaviour: &Behaviour) {
    for (name, rate, burst) in RATES {
        if !needs(behaviour, name) {
            continue;
        }
        let limit = Limit {
            unit: LimitUnit::Packets,
            rate,
            per_seconds: 1,
            burst,
            over: false,
        };
        let object = format!("{name}-{}", port.ifindex);
        ruleset.object(Object::limit(&object, limit));
        if let Some(set) = ruleset.sets.get_mut(name) {
            set.elements
                .push(Element::object(key_of(port.ifindex), object));
        }
    }
}

/// In the chain to which frames come that no address map knows: where a guard is on it will refuse
/// them, where none is they are a sample of what the port sends.
pub(super) fn sent(behaviour: &Behaviour) -> Vec<Vec<Expression>> {
    let on = |guard: Guard| behaviour.guards.contains(&guard);
    let limits = |guard: Guard| {
        if on(guard) {
            names::LEARN_REFUSED
        } else {
            names::LEARN_SAMPLED
        }
    };
    let teach = |matching: Matching, limits: &str| matching.teach(Load::IIF, limits, HEADERS);
    let ipv6 = || Matching::new().protocol(0x86dd).well_formed();
    let mut rules = Vec::new();
    match mode(behaviour) {
        None | Some(LearnMode::None) => {}
        // DHCPv6 goes by link-local addresses, which no server gives.
        Some(LearnMode::Dhcp) if on(Guard::Ipv6) => {
            let source = local(ipv6(), Load::Network(8, 2));
            rules.push(teach(source, names::LEARN_REFUSED));
            let target = local(detection(), Load::Transport(8, 2));
            rules.push(teach(target, names::LEARN_REFUSED));
        }
        Some(LearnMode::Dhcp) => {}
        Some(watched @ (LearnMode::FirstPacket | LearnMode::Any)) => {
            let ipv4 = Matching::new().protocol(0x0800).well_formed();
            // A source of 0.0.0.0 teaches nothing.
            let ipv4 = ipv4.compare(Load::IP4_SOURCE, Comparison::NotEqual, &[0; 4]);
            rules.push(teach(ipv4, limits(Guard::Ipv4)));
            rules.push(teach(ipv6(), limits(Guard::Ipv6)));
            let arp = Matching::new().protocol(0x0806).well_formed_arp();
            // With `any` the guard knows every address: what it refuses lies about its MAC.
            if watched == LearnMode::FirstPacket || !on(Guard::Arp) {
                rules.push(teach(arp, limits(Guard::Arp)));
            }
        }
    }
    rules
}

/// Duplicate address detection: a solicitation from no address.
fn detection() -> Matching {
    Matching::new()
        .protocol(0x86dd)
        .l4proto(58)
        .equal(Load::IP6_SOURCE, &[0; 16])
        .readable(Load::ICMPV6_HEADER_END)
        .equal(Load::ICMP_TYPE, &[135])
}

/// fe80::/10 at this place.
fn local(matching: Matching, load: Load) -> Matching {
    matching.masked(load, &[0xff, 0xc0], Comparison::Equal, &[0xfe, 0x80])
}

/// ARP that asks whether an address is free comes from none, which the guard lets pass.
pub(super) fn probed(behaviour: &Behaviour) -> Option<Vec<Expression>> {
    let watched =
        mode(behaviour) == Some(LearnMode::FirstPacket) && behaviour.guards.contains(&Guard::Arp);
    watched.then(|| {
        Matching::new().equal(Load::ARP_SENDER_IP, &[0; 4]).teach(
            Load::IIF,
            names::LEARN_REFUSED,
            HEADERS,
        )
    })
}

fn ports(source: u16, destination: u16) -> Matching {
    let [a, b] = source.to_be_bytes();
    let [c, d] = destination.to_be_bytes();
    Matching::new().equal(Load::PORTS, &[a, b, c, d])
}

/// UDP that a port sends as itself: what it asks of DHCP servers.
pub(super) fn asked(behaviour: &Behaviour, layer: Layer) -> Option<Vec<Expression>> {
    leases(behaviour).then(|| {
        let (client, server) = client_and_server(layer);
        ports(client, server).teach(Load::IIF, names::LEARN_ASKED, MESSAGE)
    })
}

/// UDP towards a port: DHCP answers pass only from servers that are listed, where any is.
pub(super) fn answered(
    ruleset: &mut Ruleset,
    behaviour: &Behaviour,
    layer: Layer,
) -> Vec<Vec<Expression>> {
    let Some(learning) = &behaviour.learning else {
        return Vec::new();
    };
    if !leases(behaviour) {
        return Vec::new();
    }
    let (client, server) = client_and_server(layer);
    let mut rules = Vec::new();
    if !learning.servers.is_empty() {
        let name = format!("{}-in{}-servers", behaviour.name, layer.suffix());
        let listed = learning.servers.iter().filter_map(|server| {
            let source = match (server, layer) {
                (IpAddr::V4(server), Layer::Ip4) => {
                    Matching::new().equal(Load::IP4_SOURCE, &server.octets())
                }
                (IpAddr::V6(server), Layer::Ip6) => {
                    Matching::new().equal(Load::IP6_SOURCE, &server.octets())
                }
                _ => return None,
            };
            Some(source.returns())
        });
        ruleset.object(Object::counter("dhcp-server"));
        let refusal = Matching::new().refuse("dhcp-server");
        let checks: Vec<Vec<Expression>> = listed.chain([refusal]).collect();
        let chain = ruleset.chain(Chain::regular(&name));
        chain.rules = checks
            .into_iter()
            .map(|one| Rule::new(&name, one))
            .collect();
        rules.push(ports(server, client).jump(&name));
    }
    // An answer that is broadcast comes to all ports: only the client that it names learns from it.
    let addressed = match layer {
        Layer::Ip4 => Load::Transport(36, 6), // chaddr, behind 8 bytes of UDP (RFC 2131 section 2)
        _ => Load::ETHER_DESTINATION,
    };
    let ours = ports(server, client)
        .key(Load::OIF)
        .key(addressed)
        .present(names::MACS);
    rules.push(ours.teach(Load::OIF, names::LEARN_ANSWERED, MESSAGE));
    rules
}

fn client_and_server(layer: Layer) -> (u16, u16) {
    match layer {
        Layer::Ip4 => (68, 67),
        _ => (546, 547),
    }
}
