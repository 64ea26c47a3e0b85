//! What libvirt does with a frame for a tree of filters, written a second time and another way: it walks
//! chains and rules for each frame, as the kernel does, and compares attributes with the frame itself.

use std::collections::BTreeMap;
use std::net::IpAddr;

use frame::{Frame, MacAddress, Network};
use import::nwfilter::filter::{Action, Attribute, Direction, Entry, FilterRule, Protocol, Value};
use import::nwfilter::{Filters, Parameters};
use policy::program;

/// Whether the frame passes. A packet begins a connection, or (`begins` is false) fits none.
pub(crate) fn passes(
    filters: &Filters,
    root: &str,
    parameters: &Parameters,
    mac: MacAddress,
    direction: program::Direction,
    bytes: &[u8],
    begins: bool,
) -> bool {
    let frame = Frame::parse(bytes).expect("a frame");
    let mut rules = Vec::new();
    collect(filters, root, &mut rules);
    rules.sort_by_key(|(rule, chain, _)| (*chain != "root", rule.priority));
    let model = Model {
        parameters,
        mac,
        direction,
        begins,
        frame: &frame,
    };
    model.link_layer(&rules) && model.packet_layer(&rules)
}

type Ruled<'a> = (&'a FilterRule, &'a str, i32);

fn collect<'a>(filters: &'a Filters, name: &str, rules: &mut Vec<Ruled<'a>>) {
    let filter = filters.get(name).expect("a filter");
    for entry in &filter.entries {
        match entry {
            Entry::Rule(rule) => rules.push((rule, &filter.chain, filter.priority)),
            Entry::Reference(reference) => collect(filters, &reference.filter, rules),
        }
    }
}

struct Model<'a> {
    parameters: &'a Parameters,
    mac: MacAddress,
    direction: program::Direction,
    begins: bool,
    frame: &'a Frame<'a>,
}

enum Left {
    Verdict(bool),
    Returned,
}

impl Model<'_> {
    fn outward(&self) -> bool {
        self.direction == program::Direction::Out
    }

    fn link_layer(&self, rules: &[Ruled<'_>]) -> bool {
        let mine: Vec<&Ruled<'_>> = rules
            .iter()
            .filter(|(rule, ..)| {
                !matches!(rule.protocol, Some(Protocol::Packet(_)))
                    && match rule.direction {
                        Direction::In => !self.outward(),
                        Direction::Out => self.outward(),
                        Direction::InOut => true,
                    }
            })
            .collect();
        let mut chains: BTreeMap<&str, i32> = BTreeMap::new();
        for (_, chain, priority) in &mine {
            if *chain != "root" {
                chains.insert(chain, *priority);
            }
        }
        // Entries of the root chain: jumps come before rules of the same priority.
        let mut entries: Vec<(i32, u8, Option<&str>, Option<&FilterRule>)> = Vec::new();
        for (chain, priority) in chains {
            entries.push((priority, 0, Some(chain), None));
        }
        for (rule, chain, _) in &mine {
            if *chain == "root" {
                entries.push((rule.priority, 1, None, Some(rule)));
            }
        }
        entries.sort_by_key(|(priority, kind, ..)| (*priority, *kind));
        for (_, _, chain, rule) in entries {
            let left = match (chain, rule) {
                (Some(chain), _) if self.jumps(chain) => {
                    let rules = mine.iter().filter(|(_, of, _)| *of == chain);
                    self.chain(rules.map(|(rule, ..)| *rule))
                }
                (_, Some(rule)) if self.link_matches(rule) => match rule.action {
                    Action::Continue => continue,
                    Action::Drop | Action::Reject => Left::Verdict(false),
                    Action::Accept | Action::Return => Left::Verdict(true),
                },
                _ => continue,
            };
            if let Left::Verdict(passes) = left {
                return passes;
            }
        }
        true
    }

    fn chain<'r>(&self, rules: impl Iterator<Item = &'r FilterRule>) -> Left {
        for rule in rules {
            if !self.link_matches(rule) {
                continue;
            }
            match rule.action {
                Action::Continue => {}
                Action::Accept => return Left::Verdict(true),
                Action::Drop | Action::Reject => return Left::Verdict(false),
                Action::Return => return Left::Returned,
            }
        }
        Left::Verdict(true)
    }

    /// What ebtables takes for the frame's protocol.
    fn link_protocol(&self) -> u16 {
        if self.frame.tag.is_some() {
            0x8100
        } else {
            self.frame.protocol
        }
    }

    fn jumps(&self, chain: &str) -> bool {
        let protocol = self.link_protocol();
        match chain.split('-').next() {
            Some("vlan") => protocol == 0x8100,
            Some("arp") => protocol == 0x0806,
            Some("rarp") => protocol == 0x8035,
            Some("ipv4") => protocol == 0x0800,
            Some("ipv6") => protocol == 0x86dd,
            _ => true,
        }
    }

    fn link_matches(&self, rule: &FilterRule) -> bool {
        let protocol = self.link_protocol();
        let fits = match rule.protocol {
            None | Some(Protocol::Mac) => true,
            Some(Protocol::Vlan) => protocol == 0x8100,
            Some(Protocol::Arp) => protocol == 0x0806,
            Some(Protocol::Rarp) => protocol == 0x8035,
            Some(Protocol::Ip) => protocol == 0x0800,
            Some(Protocol::Ipv6) => protocol == 0x86dd,
            Some(Protocol::Stp | Protocol::Packet(_)) => false,
        };
        let swapped = rule.direction == Direction::InOut && self.outward();
        fits && self.any_value(|at| {
            let mut all = rule.attributes.iter();
            all.all(|one| self.holds(rule, one, swapped, at))
        })
    }

    fn packet_layer(&self, rules: &[Ruled<'_>]) -> bool {
        let version = match self.link_protocol() {
            0x0800 => false,
            0x86dd => true,
            _ => return true,
        };
        for (rule, ..) in rules {
            let Some(Protocol::Packet(packet)) = rule.protocol else {
                continue;
            };
            let number = self.frame.transport().map(|transport| transport.protocol());
            if packet.ipv6 != version || packet.number.is_some_and(|wanted| number != Some(wanted))
            {
                continue;
            }
            let own = match rule.direction {
                Direction::In => !self.outward(),
                Direction::Out => self.outward(),
                Direction::InOut => true,
            };
            let typed = rule.attribute("type").is_some();
            if typed && !own {
                continue;
            }
            // Answers to a connection's first packet do not begin one.
            let asked = rule.action == Action::Accept && rule.statematch;
            let both = rule.direction == Direction::InOut;
            if asked && (!own || !both && !self.begins) {
                continue;
            }
            let swapped = self.outward() != (rule.direction == Direction::Out);
            let looked_at = rule
                .attributes
                .iter()
                .filter(|one| !(swapped && one.name == "srcmacaddr"));
            let looked_at: Vec<&Attribute> = looked_at.collect();
            if looked_at.is_empty() && !rule.attributes.is_empty() {
                continue;
            }
            if self.any_value(|at| {
                looked_at
                    .iter()
                    .all(|one| self.holds(rule, one, swapped, at))
            }) {
                return matches!(rule.action, Action::Accept | Action::Return);
            }
        }
        true
    }

    /// A rule with a list is a rule for each value of it.
    fn any_value(&self, matches: impl Fn(usize) -> bool) -> bool {
        let values = self.parameters.values().map(Vec::len).max().unwrap_or(1);
        (0..values).any(matches)
    }

    fn holds(&self, rule: &FilterRule, one: &Attribute, swapped: bool, at: usize) -> bool {
        let arp = match &self.frame.network {
            Network::Arp(arp) | Network::Rarp(arp) => Some(*arp),
            _ => None,
        };
        let flip = |source, destination| {
            if swapped {
                (destination, source)
            } else {
                (source, destination)
            }
        };
        let (source, destination) = flip(self.frame.source, self.frame.destination);
        let (from, to): (Option<IpAddr>, Option<IpAddr>) = match &self.frame.network {
            Network::Ipv4(ip) => (Some(ip.source.into()), Some(ip.destination.into())),
            Network::Ipv6(ip) => (Some(ip.source.into()), Some(ip.destination.into())),
            _ => (None, None),
        };
        let (from, to) = if swapped { (to, from) } else { (from, to) };
        let transport = self.frame.transport();
        let ports = transport.map_or((None, None), |t| (t.source_port(), t.destination_port()));
        let (sport, dport) = if swapped { (ports.1, ports.0) } else { ports };
        let sender = arp.map(|arp| (arp.sender_mac, arp.sender_ip));
        let target = arp.map(|arp| (arp.target_mac, arp.target_ip));
        let (sender, target) = if swapped {
            (target, sender)
        } else {
            (sender, target)
        };
        let icmp = transport.and_then(|t| t.icmp().or(t.icmpv6()));
        let dscp = match &self.frame.network {
            Network::Ipv4(ip) => Some(u64::from(ip.dscp)),
            Network::Ipv6(ip) => Some(u64::from(ip.dscp)),
            _ => None,
        };
        let last = |name: &str| rule.attribute(name).map(|one| &one.value);
        let held = match one.name {
            "srcmacaddr" => self.mac(Some(source), &one.value, last("srcmacmask")),
            "dstmacaddr" => self.mac(Some(destination), &one.value, last("dstmacmask")),
            "protocolid" => within(Some(self.link_protocol().into()), &one.value, None),
            "vlanid" => within(self.frame.tag.map(|tag| tag.vid().into()), &one.value, None),
            "hwtype" => within(
                arp.and_then(|a| a.hardware_type).map(Into::into),
                &one.value,
                None,
            ),
            "protocoltype" => within(
                arp.and_then(|a| a.protocol_type).map(Into::into),
                &one.value,
                None,
            ),
            "opcode" => within(
                arp.and_then(|a| a.operation).map(Into::into),
                &one.value,
                None,
            ),
            "arpsrcmacaddr" => self.mac(sender.and_then(|s| s.0), &one.value, None),
            "arpdstmacaddr" => self.mac(target.and_then(|t| t.0), &one.value, None),
            "arpsrcipaddr" => {
                let ip = sender.and_then(|s| s.1).map(IpAddr::V4);
                self.address(ip, &one.value, last("arpsrcipmask"), at)
            }
            "arpdstipaddr" => {
                let ip = target.and_then(|t| t.1).map(IpAddr::V4);
                self.address(ip, &one.value, last("arpdstipmask"), at)
            }
            "srcipaddr" => self.address(from, &one.value, last("srcipmask"), at),
            "dstipaddr" => self.address(to, &one.value, last("dstipmask"), at),
            "protocol" => within(transport.map(|t| t.protocol().into()), &one.value, None),
            "srcportstart" => within(sport.map(Into::into), &one.value, last("srcportend")),
            "dstportstart" => within(dport.map(Into::into), &one.value, last("dstportend")),
            "dscp" => within(dscp, &one.value, None),
            "type" => within(
                icmp.map(|(kind, _)| kind.into()),
                &one.value,
                last("typeend"),
            ),
            // Masks and ends are looked at with what they belong to.
            _ => return true,
        };
        held != one.negated
    }

    fn mac(&self, mac: Option<MacAddress>, value: &Value, mask: Option<&Value>) -> bool {
        let mask = match mask {
            Some(Value::Mac(mask)) => *mask,
            _ => MacAddress::BROADCAST,
        };
        let wanted = match value {
            Value::Mac(wanted) => *wanted,
            _ => self.mac,
        };
        mac.is_some_and(|mac| (0..6).all(|i| mac.0[i] & mask.0[i] == wanted.0[i] & mask.0[i]))
    }

    fn address(
        &self,
        address: Option<IpAddr>,
        value: &Value,
        mask: Option<&Value>,
        at: usize,
    ) -> bool {
        let Some(address) = address else {
            return false;
        };
        let wanted: IpAddr = match value {
            Value::Address(wanted) => *wanted,
            Value::Variable { name, .. } => {
                let values = self.parameters.get(name).expect("a parameter");
                values[at].parse().expect("an address")
            }
            _ => return false,
        };
        let bits = |address: IpAddr| match address {
            IpAddr::V4(address) => u128::from(u32::from(address)) << 96,
            IpAddr::V6(address) => u128::from(address),
        };
        let length = match mask {
            Some(Value::Prefix(length)) => u32::from(*length),
            _ => 128,
        };
        let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
        bits(wanted) & mask == bits(address) & mask
    }
}

fn within(number: Option<u64>, value: &Value, last: Option<&Value>) -> bool {
    let (Some(number), Value::Number(first)) = (number, value) else {
        return false;
    };
    let last = match last {
        Some(Value::Number(last)) => *last,
        _ => *first,
    };
    (*first..=last).contains(&number)
}
