//! Behaviours → chains that all their ports share. Knows the order of decision after a frame's
//! sender or receiver is found; finding it is left to `base`.

use nftables::{
    Chain, Comparison, Datatype, Element, Object, Rule, Set, SetData, Verdict as Kernel,
    connection_state,
};
use policy::HostProgram;
use policy::document::{Guard, Stateful};
use policy::program::{Behaviour, DefaultVerdict, Direction, Isolation};
use policy::rule::Verdict;

use crate::ruleset::Ruleset;

use super::learning;
use super::lists::{Asked, Lists, word};
use super::matching::{Load, Matching};
use super::names::{self, Layer, Transport};

/// Chains of behaviours in the making.
pub(super) struct Behaviours<'a> {
    pub(super) program: &'a HostProgram,
    pub(super) ruleset: &'a mut Ruleset,
    pub(super) lists: Lists,
    /// Some port tracks connections, so that every port's frames need a zone.
    pub(super) tracking: bool,
}

/// Names of the chains at which a behaviour's frames arrive.
pub(super) fn sent(behaviour: &str) -> String {
    format!("{behaviour}-out")
}

pub(super) fn sent_ip(behaviour: &str, layer: Layer) -> String {
    format!("{behaviour}-out{}", layer.suffix())
}

pub(super) fn received(behaviour: &str) -> String {
    format!("{behaviour}-in")
}

pub(super) fn tracked(behaviour: &str) -> String {
    format!("{behaviour}-tracked")
}

impl Behaviours<'_> {
    /// All chains of one behaviour.
    pub(super) fn add(&mut self, behaviour: &Behaviour) {
        learning::declare(self.ruleset, behaviour);
        for layer in [Layer::Ip4, Layer::Ip6] {
            let entered = sent_ip(&behaviour.name, layer);
            let fragments = self.fragments(behaviour, Direction::Out, layer);
            if self.tracking {
                self.entry(&entered, layer, names::ZONE, &mut |this, transport| {
                    let mut rules = this.guards(behaviour, layer, transport);
                    rules.push(Matching::new().goto(names::ZONE));
                    rules
                });
                let entered = format!("{}{}", tracked(&behaviour.name), layer.suffix());
                self.entry(&entered, layer, &fragments, &mut |this, transport| {
                    this.decisions(behaviour, Direction::Out, layer, transport)
                });
            } else {
                self.entry(&entered, layer, &fragments, &mut |this, transport| {
                    let mut rules = this.guards(behaviour, layer, transport);
                    rules.extend(this.decisions(behaviour, Direction::Out, layer, transport));
                    rules
                });
            }
            let fragments = self.fragments(behaviour, Direction::In, layer);
            let entered = format!("{}{}", received(&behaviour.name), layer.suffix());
            self.entry(&entered, layer, &fragments, &mut |this, transport| {
                this.decisions(behaviour, Direction::In, layer, transport)
            });
        }
        let sent_rules = self.sent(behaviour);
        self.chain(&sent(&behaviour.name), sent_rules);
        let received_rules = self.received(behaviour);
        self.chain(&received(&behaviour.name), received_rules);
        if self.tracking {
            let base = tracked(&behaviour.name);
            let rules = vec![
                Matching::new().protocol(0x0800).goto(&format!("{base}4")),
                Matching::new().protocol(0x86dd).goto(&format!("{base}6")),
                Matching::new().accept(),
            ];
            self.chain(&base, rules);
        }
    }

    /// Lets only packets with a transport header that is all there come to rules, each to those for
    /// its protocol; refuses malformed ones.
    ///
    /// This must stand before any transport load: loads of 1, 2 and 4 bytes read a later
    /// fragment's data as if it were a header (nft_payload_fast_eval does not look at the fragment
    /// offset), and in IPv6 the packet's own start.
    fn entry(
        &mut self,
        name: &str,
        layer: Layer,
        fragments: &str,
        rules: &mut dyn FnMut(&mut Self, Transport) -> Vec<Vec<nftables::Expression>>,
    ) {
        let of = |transport: Transport| format!("{name}{}", transport.suffix());
        for transport in Transport::ALL {
            let rules = rules(self, transport);
            self.chain(&of(transport), rules);
        }
        super::shared::short(self.ruleset);
        let mut first = super::shared::readable(|protocol, there| {
            let mut takers = Transport::ALL.into_iter();
            let taker = takers.find(|transport| transport.takes(layer, protocol));
            there.goto(&of(taker.unwrap_or(Transport::Rest)))
        });
        let unread = format!("{name}-unread");
        first.push(Matching::new().well_formed().goto(&unread));
        let malformed = self.refusal("malformed");
        first.push(Matching::new().refuse(&malformed));
        self.chain(name, first);
        let later = match layer {
            Layer::Ip4 => Matching::new().later_fragment_4(),
            _ => Matching::new().later_fragment_6(),
        };
        let rules = vec![
            later.goto(fragments),
            Matching::new().jump(names::SHORT),
            Matching::new().goto(&of(Transport::Rest)),
        ];
        self.chain(&unread, rules);
    }

    fn fragments(&mut self, behaviour: &Behaviour, direction: Direction, layer: Layer) -> String {
        let name = format!(
            "{}-{}{}-fragments",
            behaviour.name,
            word(direction),
            layer.suffix()
        );
        let place = (layer, None);
        let mut rules = self.connections(behaviour, direction, place, Asked::StatelessFragments);
        rules.extend(self.jumps(behaviour, direction, place, Asked::LaterFragments));
        rules.extend(self.default(behaviour, direction));
        self.chain(&name, rules);
        name
    }

    fn chain(&mut self, name: &str, rules: Vec<Vec<nftables::Expression>>) {
        let chain = self.ruleset.chain(Chain::regular(name));
        chain.rules = rules
            .into_iter()
            .map(|expressions| Rule::new(name, expressions))
            .collect();
    }

    /// What remains to be checked when MAC and source address are known to be the port's own.
    fn guards(
        &mut self,
        behaviour: &Behaviour,
        layer: Layer,
        transport: Transport,
    ) -> Vec<Vec<nftables::Expression>> {
        let on = |guard: Guard| behaviour.guards.contains(&guard);
        let mut rules = Vec::new();
        if on(Guard::NoDhcpServer) && transport == Transport::Udp {
            let client: u16 = if layer == Layer::Ip4 { 68 } else { 546 };
            rules.push(
                Matching::new()
                    .equal(Load::DESTINATION_PORT, &client.to_be_bytes())
                    .refuse(&self.guard(Guard::NoDhcpServer)),
            );
        }
        let discovery = (layer, transport) == (Layer::Ip6, Transport::Icmp);
        if discovery && (on(Guard::NoRouterAdvertisement) || on(Guard::Nd)) {
            let name = format!("{}-icmpv6", sent(&behaviour.name));
            rules.push(Matching::new().l4proto(58).jump(&name));
            let mut messages = Vec::new();
            if on(Guard::NoRouterAdvertisement) {
                for kind in [134u8, 137] {
                    let refuse = self.guard(Guard::NoRouterAdvertisement);
                    messages.push(
                        Matching::new()
                            .l4proto(58)
                            .equal(Load::ICMP_TYPE, &[kind])
                            .refuse(&refuse),
                    );
                }
            }
            if on(Guard::Nd) {
                let messages_of_discovery =
                    Matching::new()
                        .l4proto(58)
                        .range(Load::ICMP_TYPE, false, &[133], &[137]);
                messages.push(messages_of_discovery.goto(names::ND_GUARD));
                super::shared::nd_guard(self.ruleset);
            }
            self.chain(&name, messages);
        }
        if transport == Transport::Udp {
            rules.extend(learning::asked(behaviour, layer));
        }
        rules
    }

    fn guard(&mut self, guard: Guard) -> String {
        let id = format!("guard/{}", guard.name());
        self.ruleset.object(Object::counter(&id));
        id
    }

    fn refusal(&mut self, id: &str) -> String {
        self.ruleset.object(Object::counter(id));
        id.to_owned()
    }

    /// From "this is a readable packet from or to the port" to a verdict.
    fn decisions(
        &mut self,
        behaviour: &Behaviour,
        direction: Direction,
        layer: Layer,
        transport: Transport,
    ) -> Vec<Vec<nftables::Expression>> {
        let mut rules = Vec::new();
        if (layer, transport) == (Layer::Ip6, Transport::Icmp) {
            let target = self.discovery(behaviour, direction);
            rules.push(Matching::new().l4proto(58).jump(&target));
        }
        if transport == Transport::Udp && direction == Direction::In {
            rules.extend(learning::answered(self.ruleset, behaviour, layer));
        }
        if behaviour.dhcp && transport == Transport::Udp {
            rules.push(self.dhcp_client(behaviour, direction, layer));
        }
        let place = (layer, Some(transport));
        rules.extend(self.connections(behaviour, direction, place, Asked::Stateless));
        rules.extend(self.jumps(behaviour, direction, place, Asked::Packets));
        rules.extend(self.default(behaviour, direction));
        rules
    }

    /// What packets of known connections meet, and such as fit none.
    fn connections(
        &mut self,
        behaviour: &Behaviour,
        direction: Direction,
        place: (Layer, Option<Transport>),
        asked: Asked,
    ) -> Vec<Vec<nftables::Expression>> {
        if behaviour.stateful == Stateful::Off {
            return Vec::new();
        }
        let known = connection_state::ESTABLISHED | connection_state::RELATED;
        let refusal = self.refusal("connection");
        match self.stateless_rules(behaviour, direction, place, asked) {
            None => vec![
                Matching::new().connection(known).accept(),
                Matching::new()
                    .connection(connection_state::INVALID)
                    .refuse(&refusal),
            ],
            Some(chain) => {
                let any = known | connection_state::INVALID;
                vec![Matching::new().connection(any).goto(&chain)]
            }
        }
    }

    fn jumps(
        &mut self,
        behaviour: &Behaviour,
        direction: Direction,
        place: (Layer, Option<Transport>),
        asked: Asked,
    ) -> Vec<Vec<nftables::Expression>> {
        let mut rules = Vec::new();
        for name in &behaviour.lists {
            if let Some(chain) =
                self.lists
                    .chain(self.ruleset, self.program, name, direction, place, asked)
            {
                rules.push(Matching::new().jump(&chain));
            }
        }
        rules
    }

    fn default(
        &mut self,
        behaviour: &Behaviour,
        direction: Direction,
    ) -> Vec<Vec<nftables::Expression>> {
        let DefaultVerdict {
            id, verdict, audit, ..
        } = match direction {
            Direction::In => &behaviour.default_in,
            Direction::Out => &behaviour.default_out,
        };
        self.ruleset.object(Object::counter(id));
        let counted = || Matching::new().counter(id);
        match (verdict, direction) {
            (Verdict::Accept, _) => vec![counted().accept()],
            _ if *audit => vec![counted().log("audit", id).accept()],
            (Verdict::Reject, Direction::Out) => vec![
                Matching::new()
                    .l4proto(6)
                    .counter(id)
                    .log("drop", id)
                    .reject(nftables::Reject::TcpReset),
                counted()
                    .log("drop", id)
                    .reject(nftables::Reject::IcmpBothFamilies(3)),
            ],
            _ => vec![counted().log("drop", id).verdict(Kernel::Drop)],
        }
    }

    /// Neighbour and listener discovery pass unless a rule names them; other ICMPv6 returns.
    fn discovery(&mut self, behaviour: &Behaviour, direction: Direction) -> String {
        let jumps = self.jumps(
            behaviour,
            direction,
            (Layer::Ip6, Some(Transport::Icmp)),
            Asked::NeighborDiscovery,
        );
        if jumps.is_empty() {
            super::shared::nd_accept(self.ruleset);
            return names::ND_ACCEPT.to_owned();
        }
        let decided = format!("{}-{}6-nd", behaviour.name, word(direction));
        let mut rules = jumps;
        rules.push(Matching::new().accept());
        self.chain(&decided, rules);
        let name = format!("{}-{}6-icmpv6", behaviour.name, word(direction));
        let rules = super::shared::discovery(|matching| matching.goto(&decided));
        self.chain(&name, rules);
        name
    }

    fn dhcp_client(
        &mut self,
        behaviour: &Behaviour,
        direction: Direction,
        layer: Layer,
    ) -> Vec<nftables::Expression> {
        let (client, server): (u16, u16) = if layer == Layer::Ip4 {
            (68, 67)
        } else {
            (546, 547)
        };
        let (source, destination) = match direction {
            Direction::Out => (client, server),
            Direction::In => (server, client),
        };
        let [a, b] = source.to_be_bytes();
        let [c, d] = destination.to_be_bytes();
        let matching = Matching::new().equal(Load::PORTS, &[a, b, c, d]);
        let place = (layer, Some(Transport::Udp));
        let mut jumps = self.jumps(behaviour, direction, place, Asked::Dhcp);
        if jumps.is_empty() {
            return matching.accept();
        }
        let name = format!(
            "{}-{}{}-dhcp",
            behaviour.name,
            word(direction),
            layer.suffix()
        );
        jumps.push(Matching::new().accept());
        self.chain(&name, jumps);
        matching.goto(&name)
    }

    /// Where rules are marked stateless: what packets of known connections, and invalid ones, meet.
    fn stateless_rules(
        &mut self,
        behaviour: &Behaviour,
        direction: Direction,
        place: (Layer, Option<Transport>),
        asked: Asked,
    ) -> Option<String> {
        let mut rules = self.jumps(behaviour, direction, place, asked);
        if rules.is_empty() {
            return None;
        }
        let connection = self.refusal("connection");
        rules.push(
            Matching::new()
                .connection(connection_state::INVALID)
                .refuse(&connection),
        );
        rules.push(Matching::new().accept());
        let name = format!(
            "{}-{}{}{}-known{}",
            behaviour.name,
            word(direction),
            place.0.suffix(),
            place.1.map_or("", Transport::suffix),
            if asked == Asked::Stateless {
                ""
            } else {
                "-fragments"
            }
        );
        self.chain(&name, rules);
        Some(name)
    }

    /// A frame from a port of this behaviour that no address map has decided.
    fn sent(&mut self, behaviour: &Behaviour) -> Vec<Vec<nftables::Expression>> {
        let on = |guard: Guard| behaviour.guards.contains(&guard);
        let (ip4, ip6) = (
            sent_ip(&behaviour.name, Layer::Ip4),
            sent_ip(&behaviour.name, Layer::Ip6),
        );
        let malformed = self.refusal("malformed");
        let mut rules = self.tags(behaviour, Direction::Out);
        // Before what decides: reporting decides nothing.
        rules.extend(learning::sent(behaviour));
        if on(Guard::Ipv4) {
            // A DHCP client without an address yet.
            rules.push(
                Matching::new()
                    .protocol(0x0800)
                    .l4proto(17)
                    .equal(Load::IP4_SOURCE, &[0; 4])
                    .readable(Load::UDP_HEADER_END)
                    .equal(Load::PORTS, &[0, 68, 0, 67])
                    .goto(&ip4),
            );
            let refuse = self.guard(Guard::Ipv4);
            rules.push(
                Matching::new()
                    .protocol(0x0800)
                    .well_formed()
                    .refuse(&refuse),
            );
        } else {
            rules.push(Matching::new().protocol(0x0800).well_formed().goto(&ip4));
        }
        rules.push(Matching::new().protocol(0x0800).refuse(&malformed));
        if on(Guard::Ipv6) {
            // Joining and asking before there is an address: RFC 4862, RFC 4861, RFC 3590.
            for (first, last) in [(131u8, 133u8), (135, 135), (143, 143)] {
                let unspecified = Matching::new()
                    .protocol(0x86dd)
                    .l4proto(58)
                    .equal(Load::IP6_SOURCE, &[0; 16])
                    .readable(Load::ICMPV6_HEADER_END);
                rules.push(
                    unspecified
                        .range(Load::ICMP_TYPE, false, &[first], &[last])
                        .goto(&ip6),
                );
            }
            let refuse = self.guard(Guard::Ipv6);
            rules.push(
                Matching::new()
                    .protocol(0x86dd)
                    .well_formed()
                    .refuse(&refuse),
            );
        } else {
            rules.push(Matching::new().protocol(0x86dd).well_formed().goto(&ip6));
        }
        rules.push(Matching::new().protocol(0x86dd).refuse(&malformed));
        let verdict = self.arp(behaviour, Direction::Out);
        if on(Guard::Arp) {
            let refuse = self.guard(Guard::Arp);
            rules.push(
                Matching::new()
                    .protocol(0x0806)
                    .well_formed_arp()
                    .refuse(&refuse),
            );
        } else {
            rules.push(
                Matching::new()
                    .protocol(0x0806)
                    .well_formed_arp()
                    .verdict(verdict),
            );
        }
        rules.push(Matching::new().protocol(0x0806).refuse(&malformed));
        rules.extend(self.other(behaviour, Direction::Out));
        rules
    }

    /// What becomes of good ARP: accepted, unless a rule names it.
    fn arp(&mut self, behaviour: &Behaviour, direction: Direction) -> Kernel {
        let mut rules = Vec::new();
        if direction == Direction::Out {
            rules.extend(learning::probed(behaviour));
        }
        rules.extend(self.jumps(behaviour, direction, (Layer::Arp, None), Asked::Arp));
        if rules.is_empty() {
            return Kernel::Accept;
        }
        rules.push(Matching::new().accept());
        let name = format!("{}-{}-arp", behaviour.name, word(direction));
        self.chain(&name, rules);
        Kernel::goto(name)
    }

    fn other(
        &mut self,
        behaviour: &Behaviour,
        direction: Direction,
    ) -> Vec<Vec<nftables::Expression>> {
        let mut rules = self.jumps(behaviour, direction, (Layer::Other, None), Asked::Other);
        for protocol in &behaviour.ethertypes {
            rules.push(Matching::new().protocol(*protocol).accept());
        }
        let refusal = self.refusal("ethertype");
        rules.push(Matching::new().refuse(&refusal));
        rules
    }

    /// Lets go on what is untagged or carries one tag that the profile lists.
    fn tags(
        &mut self,
        behaviour: &Behaviour,
        direction: Direction,
    ) -> Vec<Vec<nftables::Expression>> {
        let refusal = self.refusal("tagged");
        let mut rules = Vec::new();
        if behaviour.tagged.is_empty() {
            rules.push(Matching::new().ether_type(0x8100).refuse(&refusal));
        } else {
            let name = format!("{}-{}-tagged", behaviour.name, word(direction));
            rules.push(Matching::new().ether_type(0x8100).jump(&name));
            let mut tagged: Vec<Vec<nftables::Expression>> = Vec::new();
            for inner in [0x8100u16, 0x88a8] {
                tagged.push(Matching::new().protocol(inner).refuse(&refusal));
            }
            // The list may have gaps: what lies between two entries is refused.
            let mut next: u32 = 0;
            for (first, last) in behaviour.tagged.iter() {
                if u32::from(first) > next {
                    tagged.push(vid_range(next as u16, first - 1).refuse(&refusal));
                }
                next = u32::from(last) + 1;
            }
            if next <= 4095 {
                tagged.push(vid_range(next as u16, 4095).refuse(&refusal));
            }
            if direction == Direction::Out {
                self.ruleset.chain(Chain::regular(names::BOUND_TAGGED));
                tagged.push(Matching::new().jump(names::BOUND_TAGGED));
            }
            self.chain(&name, tagged);
        }
        rules.push(Matching::new().ether_type(0x88a8).refuse(&refusal));
        rules
    }

    /// A frame towards a port of this behaviour.
    fn received(&mut self, behaviour: &Behaviour) -> Vec<Vec<nftables::Expression>> {
        let base = received(&behaviour.name);
        let (ip4, ip6) = (format!("{base}4"), format!("{base}6"));
        let malformed = self.refusal("malformed");
        let mut rules = Vec::new();
        if let Some(isolation) = &behaviour.isolation {
            rules.push(self.isolation(&behaviour.name, isolation));
        }
        // A broadcast comes to all ports: ARP has a short way. `meta protocol` is cheap to ask for, but
        // is the same behind a tag: the chain asks for the ethertype.
        let arp = self.arp(behaviour, Direction::In);
        let untagged_arp = format!("{base}-untagged-arp");
        let accepted = Matching::new()
            .ether_type(0x0806)
            .well_formed_arp()
            .verdict(arp.clone());
        self.chain(&untagged_arp, vec![accepted]);
        rules.push(Matching::new().protocol(0x0806).jump(&untagged_arp));
        rules.push(Matching::new().ether_type(0x0800).goto(&ip4));
        rules.push(Matching::new().ether_type(0x86dd).goto(&ip6));
        rules.extend(self.tags(behaviour, Direction::In));
        if !behaviour.tagged.is_empty() {
            rules.push(Matching::new().protocol(0x0800).goto(&ip4));
            rules.push(Matching::new().protocol(0x86dd).goto(&ip6));
            rules.push(
                Matching::new()
                    .protocol(0x0806)
                    .well_formed_arp()
                    .verdict(arp),
            );
        }
        rules.push(Matching::new().protocol(0x0806).refuse(&malformed));
        rules.extend(self.other(behaviour, Direction::In));
        rules
    }

    fn isolation(&mut self, behaviour: &str, isolation: &Isolation) -> Vec<nftables::Expression> {
        let refusal = self.refusal("isolation");
        let mut plain = true;
        for name in &isolation.sources {
            let Some(set) = self.program.mac_sets.get(name) else {
                continue;
            };
            plain &= set.masked.is_empty();
            let contents =
                self.ruleset
                    .set(Set::new(name, &[Datatype::ETHER_ADDRESS], SetData::None));
            if contents.elements.is_empty() {
                contents.elements = set
                    .macs
                    .iter()
                    .map(|mac| Element::new(mac.0.to_vec()))
                    .collect();
                contents.elements.sort_unstable();
            }
        }
        match isolation.sources.as_slice() {
            [only] if plain => {
                return Matching::new()
                    .key(Load::ETHER_SOURCE)
                    .absent(only)
                    .refuse(&refusal);
            }
            _ => {}
        }
        let mut rules = Vec::new();
        for name in &isolation.sources {
            rules.push(
                Matching::new()
                    .key(Load::ETHER_SOURCE)
                    .present(name)
                    .returns(),
            );
            let masked = self
                .program
                .mac_sets
                .get(name)
                .map(|set| set.masked.clone())
                .unwrap_or_default();
            for (value, mask) in masked {
                let mut masked = value.0;
                masked
                    .iter_mut()
                    .zip(mask.0)
                    .for_each(|(byte, mask)| *byte &= mask);
                let matching =
                    Matching::new().masked(Load::ETHER_SOURCE, &mask.0, Comparison::Equal, &masked);
                rules.push(matching.returns());
            }
        }
        rules.push(Matching::new().refuse(&refusal));
        let name = format!("{behaviour}-isolation");
        self.chain(&name, rules);
        Matching::new().jump(&name)
    }
}

fn vid_range(first: u16, last: u16) -> Matching {
    Matching::new().ether_type(0x8100).masked_range(
        Load::Link(14, 2),
        &[0x0f, 0xff],
        false,
        &first.to_be_bytes(),
        &last.to_be_bytes(),
    )
}

/// What becomes of ARP that a port of this behaviour sends as itself.
pub(crate) fn arp_verdict(ruleset: &Ruleset, behaviour: &Behaviour) -> Kernel {
    let name = format!("{}-out-arp", behaviour.name);
    if ruleset.chains.contains_key(&name) {
        Kernel::goto(name)
    } else {
        Kernel::Accept
    }
}

/// Whether every good ARP that comes to a port of this behaviour is accepted.
pub(crate) fn takes_all_arp(ruleset: &Ruleset, behaviour: &Behaviour) -> bool {
    let chain = format!("{}-in-arp", behaviour.name);
    behaviour.isolation.is_none() && !ruleset.chains.contains_key(&chain)
}
