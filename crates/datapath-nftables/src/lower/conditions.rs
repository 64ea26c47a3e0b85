//! Conditions of a rule → expressions. Knows where each field lies and what its presence needs;
//! the order of rules and their verdicts are left to `lists`.

use nftables::{Comparison, Datatype, Element, Expression, LookupResult, Set, SetData};
use policy::evaluate::{STP_LLC, stp_layout};
use policy::intervals::{Discrete, Intervals};
use policy::program::{AddressSet, Condition, Values};
use policy::rule::Field;

use crate::ruleset::Ruleset;

use super::matching::{Load, Matching};
use super::names::{Layer, Transport};

/// Which frames come to the chain that a rule is lowered for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Scope {
    pub(super) layer: Layer,
    /// Only packets of such protocols, all with their transport header.
    pub(super) transport: Option<Transport>,
    /// Only fragments that do not carry their transport header.
    pub(super) later_fragments: bool,
}

impl Scope {
    fn protocol(self) -> Option<u8> {
        self.transport
            .and_then(|transport| transport.protocol(self.layer))
    }

    fn takes(self, protocol: u8) -> bool {
        self.transport
            .is_none_or(|transport| transport.takes(self.layer, protocol))
    }
}

/// One way to match: expressions that must all hold, and the protocol that they settle.
#[derive(Clone, Debug, Default)]
pub(super) struct Alternative {
    pub(super) matching: Matching,
    pub(super) protocol: Option<u8>,
}

const PORT_PROTOCOLS: [u8; 5] = [6, 17, 33, 132, 136];

/// All ways in which a frame of `scope` can fulfil the conditions; none where it never can.
///
/// `doubtful`: a condition that cannot be read counts as fulfilled (`drop`), else as not (`accept`).
pub(super) fn lower(
    ruleset: &mut Ruleset,
    address_sets: &dyn Fn(&str) -> Option<AddressSet>,
    scope: Scope,
    conditions: &[Condition],
    doubtful: bool,
) -> Vec<Alternative> {
    let mut lowering = Lowering {
        ruleset,
        address_sets,
        scope,
        alternatives: vec![Alternative {
            protocol: scope.protocol(),
            ..Alternative::default()
        }],
    };
    let mut conditions: Vec<&Condition> = conditions.iter().collect();
    // What a load depends on comes first; what is cheap to compare comes before what is searched.
    conditions.sort_by_key(|condition| rank(condition.field));
    for condition in &conditions {
        if condition.field == Field::IpProtocol {
            lowering.ip_protocol(condition);
        }
    }
    // Each of them: a rule about ports and an ICMP code is about no packet at all.
    for needed in conditions
        .iter()
        .filter_map(|c| needed_protocols(scope.layer, c.field))
    {
        lowering.need_protocol(needed);
    }
    for condition in conditions {
        if condition.field != Field::IpProtocol && !lowering.alternatives.is_empty() {
            lowering.condition(condition, doubtful);
        }
    }
    // What is about other protocols is in their chains.
    lowering
        .alternatives
        .retain(|one| one.protocol.is_none_or(|protocol| scope.takes(protocol)));
    lowering.alternatives
}

fn rank(field: Field) -> u8 {
    match field {
        Field::EtherType | Field::IpProtocol => 0,
        Field::SourceAddress | Field::DestinationAddress => 2,
        _ => 1,
    }
}

/// Protocols of which a packet must be to have the field at all.
fn needed_protocols(layer: Layer, field: Field) -> Option<&'static [u8]> {
    match field {
        Field::SourcePort | Field::DestinationPort => Some(&PORT_PROTOCOLS),
        Field::IcmpType | Field::IcmpCode => Some(if layer == Layer::Ip4 { &[1] } else { &[58] }),
        Field::TcpFlags => Some(&[6]),
        _ => None,
    }
}

struct Lowering<'a> {
    ruleset: &'a mut Ruleset,
    address_sets: &'a dyn Fn(&str) -> Option<AddressSet>,
    scope: Scope,
    alternatives: Vec<Alternative>,
}

/// How a number is compared: loaded from here, under this mask, shifted left by this.
#[derive(Clone, Copy)]
struct NumberField {
    load: Load,
    bytes: usize,
    mask: Option<u64>,
    shift: u32,
    /// Fit for a set of its own, of this type.
    datatype: Option<Datatype>,
}

impl Lowering<'_> {
    fn never(&mut self) {
        self.alternatives.clear();
    }

    /// Every alternative with each of the options.
    fn and_any(&mut self, options: &[Vec<Expression>]) {
        self.alternatives = self
            .alternatives
            .iter()
            .flat_map(|one| {
                options.iter().map(|option| Alternative {
                    matching: one.matching.clone().with(option),
                    protocol: one.protocol,
                })
            })
            .collect();
    }

    fn is_ip(&self) -> bool {
        matches!(self.scope.layer, Layer::Ip4 | Layer::Ip6)
    }

    fn ip_protocol(&mut self, condition: &Condition) {
        let Values::Numbers(set) = &condition.values else {
            return self.never();
        };
        if !self.is_ip() {
            return self.never();
        }
        if let Some(protocol) = self.scope.protocol() {
            if set.contains(u64::from(protocol)) == condition.negated {
                self.never();
            }
            return;
        }
        self.number(
            condition,
            NumberField::plain(Load::L4PROTO, 1, Some(Datatype::INET_PROTOCOL)),
        );
        if let (1, Some((first, last)), false) = (set.len(), set.iter().next(), condition.negated)
            && first == last
        {
            let settled = u8::try_from(first).ok();
            self.alternatives
                .iter_mut()
                .for_each(|one| one.protocol = settled);
        }
    }

    fn need_protocol(&mut self, needed: &[u8]) {
        if !self.is_ip() {
            return self.never();
        }
        let mut next = Vec::new();
        for one in std::mem::take(&mut self.alternatives) {
            match one.protocol {
                Some(protocol) if needed.contains(&protocol) => next.push(one),
                Some(_) => {}
                None => next.extend(needed.iter().map(|protocol| Alternative {
                    matching: one.matching.clone().l4proto(*protocol),
                    protocol: Some(*protocol),
                })),
            }
        }
        self.alternatives = next;
    }

    fn condition(&mut self, condition: &Condition, doubtful: bool) {
        let field = condition.field;
        if needed_protocols(self.scope.layer, field).is_some() && self.scope.later_fragments {
            if !doubtful {
                self.never();
            }
            return;
        }
        match field {
            Field::EtherType => match self.scope.layer.protocol() {
                Some(protocol) => {
                    let Values::Numbers(set) = &condition.values else {
                        return self.never();
                    };
                    if set.contains(u64::from(protocol)) == condition.negated {
                        self.never();
                    }
                }
                None => self.number(condition, NumberField::plain(Load::PROTOCOL, 2, None)),
            },
            Field::EtherSource => self.mac(condition, Load::ETHER_SOURCE),
            Field::EtherDestination => self.mac(condition, Load::ETHER_DESTINATION),
            Field::VlanId => {
                self.tagged();
                self.number(
                    condition,
                    NumberField::masked(Load::Link(14, 2), 2, 0x0fff, 0),
                );
            }
            Field::VlanPriority => {
                self.tagged();
                self.number(
                    condition,
                    NumberField::masked(Load::Link(14, 2), 2, 0xe000, 13),
                );
            }
            Field::ArpHardwareType
            | Field::ArpProtocolType
            | Field::ArpOperation
            | Field::ArpSenderMac
            | Field::ArpSenderAddress
            | Field::ArpTargetMac
            | Field::ArpTargetAddress => self.arp(condition),
            Field::SourceAddress => self.ip_address(condition, Load::IP4_SOURCE, Load::IP6_SOURCE),
            Field::DestinationAddress => {
                self.ip_address(condition, Load::IP4_DESTINATION, Load::IP6_DESTINATION);
            }
            Field::IpProtocol => {}
            Field::Dscp => match self.scope.layer {
                Layer::Ip4 => self.number(
                    condition,
                    NumberField::masked(Load::Network(1, 1), 1, 0xfc, 2),
                ),
                Layer::Ip6 => self.number(
                    condition,
                    NumberField::masked(Load::Network(0, 2), 2, 0x0fc0, 6),
                ),
                Layer::Arp | Layer::Other => self.never(),
            },
            Field::SourcePort => self.port(condition, 0),
            Field::DestinationPort => self.port(condition, 2),
            Field::IcmpType => self.number(condition, NumberField::plain(Load::ICMP_TYPE, 1, None)),
            Field::IcmpCode => self.number(
                condition,
                NumberField::plain(Load::Transport(1, 1), 1, None),
            ),
            Field::TcpFlags => self.flags(condition),
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
            | Field::StpForwardDelay => self.stp(condition),
        }
    }

    fn require(&mut self, matching: Matching) {
        self.and_any(&[matching.expressions]);
    }

    /// Only the customer tag: frames with others never come to a rule.
    fn tagged(&mut self) {
        self.require(Matching::new().ether_type(0x8100));
    }

    fn port(&mut self, condition: &Condition, offset: u32) {
        let load = Load::Transport(offset, 2);
        self.number(
            condition,
            NumberField::plain(load, 2, Some(Datatype::INET_SERVICE)),
        );
    }

    fn arp(&mut self, condition: &Condition) {
        match self.scope.layer {
            Layer::Arp => {}
            Layer::Other => self.require(Matching::new().protocol(0x8035)),
            Layer::Ip4 | Layer::Ip6 => return self.never(),
        }
        let lengths = Matching::new().equal(Load::Network(4, 2), &[6, 4]);
        let addressed = matches!(
            condition.field,
            Field::ArpSenderMac
                | Field::ArpSenderAddress
                | Field::ArpTargetMac
                | Field::ArpTargetAddress
        );
        // ARP proper comes here only with the usual lengths.
        if addressed && self.scope.layer == Layer::Other {
            self.require(lengths);
        }
        match condition.field {
            Field::ArpHardwareType => {
                self.number(condition, NumberField::plain(Load::Network(0, 2), 2, None))
            }
            Field::ArpProtocolType => {
                self.number(condition, NumberField::plain(Load::Network(2, 2), 2, None))
            }
            Field::ArpOperation => {
                self.number(condition, NumberField::plain(Load::Network(6, 2), 2, None))
            }
            Field::ArpSenderMac => self.mac(condition, Load::ARP_SENDER_MAC),
            Field::ArpSenderAddress => self.ipv4(condition, Load::ARP_SENDER_IP),
            Field::ArpTargetMac => self.mac(condition, Load::Network(18, 6)),
            _ => self.ipv4(condition, Load::ARP_TARGET_IP),
        }
    }

    fn stp(&mut self, condition: &Condition) {
        let (Layer::Other, Some((offset, length))) =
            (self.scope.layer, stp_layout(condition.field))
        else {
            return self.never();
        };
        self.require(
            Matching::new()
                .protocol(4)
                .equal(Load::Network(0, 3), &STP_LLC),
        );
        let load = Load::Network(offset as u32, length as u32);
        match &condition.values {
            Values::Macs(_) => self.mac(condition, load),
            _ => self.number(condition, NumberField::plain(load, length, None)),
        }
    }

    fn ip_address(&mut self, condition: &Condition, ip4: Load, ip6: Load) {
        match self.scope.layer {
            Layer::Ip4 => self.ipv4(condition, ip4),
            Layer::Ip6 => self.ipv6(condition, ip6),
            Layer::Arp | Layer::Other => self.never(),
        }
    }

    fn ipv4(&mut self, condition: &Condition, load: Load) {
        let (set, name) = match &condition.values {
            Values::Addresses(set) => (set.ipv4.clone(), None),
            Values::AddressSet(name) => (
                (self.address_sets)(name).unwrap_or_default().ipv4,
                Some(format!("{name}-4")),
            ),
            _ => return self.never(),
        };
        self.address(
            condition.negated,
            load,
            &set,
            name,
            Datatype::IPV4_ADDRESS,
            &|address| address.octets().to_vec(),
        );
    }

    fn ipv6(&mut self, condition: &Condition, load: Load) {
        let (set, name) = match &condition.values {
            Values::Addresses(set) => (set.ipv6.clone(), None),
            Values::AddressSet(name) => (
                (self.address_sets)(name).unwrap_or_default().ipv6,
                Some(format!("{name}-6")),
            ),
            _ => return self.never(),
        };
        self.address(
            condition.negated,
            load,
            &set,
            name,
            Datatype::IPV6_ADDRESS,
            &|address| address.octets().to_vec(),
        );
    }

    /// A named set stays one however large it is, so that its members change without a rule
    /// changing; a listed address or prefix is compared in the rule itself.
    fn address<T: Discrete>(
        &mut self,
        negated: bool,
        load: Load,
        set: &Intervals<T>,
        name: Option<String>,
        datatype: Datatype,
        bytes: &dyn Fn(T) -> Vec<u8>,
    ) {
        // `meta protocol` first makes nft print `ip saddr` and not raw payload.
        let start = match self.scope.layer.protocol() {
            Some(protocol) if self.is_ip() => Matching::new().protocol(protocol),
            _ => Matching::new(),
        };
        let name = match (name, set.len()) {
            (Some(name), _) => name,
            (None, 0) if negated => return,
            (None, 0) => return self.never(),
            (None, 1) => {
                let Some((first, last)) = set.iter().next() else {
                    return;
                };
                let (first, last) = (bytes(first), bytes(last));
                let operator = if negated {
                    Comparison::NotEqual
                } else {
                    Comparison::Equal
                };
                let matching = if first == last {
                    start.compare(load, operator, &first)
                } else if let Some(mask) = prefix_mask(&first, &last) {
                    start.masked(load, &mask, operator, &first)
                } else {
                    start.range(load, negated, &first, &last)
                };
                return self.require(matching);
            }
            (None, _) => {
                let members: Vec<Vec<u8>> = set
                    .iter()
                    .flat_map(|(first, last)| [bytes(first), bytes(last)])
                    .collect();
                format!("addresses-{:08x}", fingerprint(&members))
            }
        };
        self.interval_set(&name, datatype, set, bytes);
        let result = if negated {
            LookupResult::Absent
        } else {
            LookupResult::Present
        };
        self.require(start.key(load).lookup(&name, result));
    }

    fn interval_set<T: Discrete>(
        &mut self,
        name: &str,
        datatype: Datatype,
        set: &Intervals<T>,
        bytes: &dyn Fn(T) -> Vec<u8>,
    ) {
        let contents = self
            .ruleset
            .set(Set::new(name, &[datatype], SetData::None).with_intervals());
        if !contents.elements.is_empty() {
            return;
        }
        for (first, last) in set.iter() {
            contents.elements.push(Element::new(bytes(first)));
            if let Some(end) = last.successor() {
                contents.elements.push(Element::end_of_interval(bytes(end)));
            }
        }
        contents.elements.sort_unstable();
    }

    fn number(&mut self, condition: &Condition, field: NumberField) {
        let Values::Numbers(set) = &condition.values else {
            return self.never();
        };
        let one = |first: u64, last: u64| field.compare(first, last, condition.negated);
        match (set.len(), field.datatype) {
            (0, _) if condition.negated => self.require(field.present()),
            (0, _) => self.never(),
            (1, _) => {
                let options: Vec<_> = set
                    .iter()
                    .map(|(first, last)| one(first, last).expressions)
                    .collect();
                self.and_any(&options);
            }
            (_, Some(datatype)) => {
                let result = if condition.negated {
                    LookupResult::Absent
                } else {
                    LookupResult::Present
                };
                let name = self.number_set(set, field.bytes, datatype);
                self.require(Matching::new().key(field.load).lookup(&name, result));
            }
            (_, None) if condition.negated => {
                for (first, last) in set.iter() {
                    self.require(one(first, last));
                }
            }
            (_, None) => {
                let options: Vec<_> = set
                    .iter()
                    .map(|(first, last)| one(first, last).expressions)
                    .collect();
                self.and_any(&options);
            }
        }
    }

    /// A set named by its contents, so that all rules with the same list share it.
    fn number_set(&mut self, set: &Intervals<u64>, width: usize, datatype: Datatype) -> String {
        let key = |value: u64| big_endian(value, width);
        let members: Vec<Vec<u8>> = set.iter().flat_map(|(a, b)| [key(a), key(b)]).collect();
        let name = format!("list-{:08x}", fingerprint(&members));
        let limit = if width >= 8 {
            u64::MAX
        } else {
            (1 << (8 * width)) - 1
        };
        let contents = self
            .ruleset
            .set(Set::new(&name, &[datatype], SetData::None).with_intervals());
        if contents.elements.is_empty() {
            for (first, last) in set.iter() {
                contents.elements.push(Element::new(key(first)));
                if last < limit {
                    contents
                        .elements
                        .push(Element::end_of_interval(key(last + 1)));
                }
            }
            contents.elements.sort_unstable();
        }
        name
    }

    fn mac(&mut self, condition: &Condition, load: Load) {
        let Values::Macs(list) = &condition.values else {
            return self.never();
        };
        let one = |(value, mask): &(frame::MacAddress, frame::MacAddress), operator| {
            if mask.0 == [0xff; 6] {
                return Matching::new().compare(load, operator, &value.0);
            }
            let mut masked = value.0;
            masked
                .iter_mut()
                .zip(mask.0)
                .for_each(|(byte, mask)| *byte &= mask);
            Matching::new().masked(load, &mask.0, operator, &masked)
        };
        if condition.negated {
            for entry in list {
                self.require(one(entry, Comparison::NotEqual));
            }
        } else {
            let options: Vec<_> = list
                .iter()
                .map(|entry| one(entry, Comparison::Equal).expressions)
                .collect();
            self.and_any(&options);
        }
    }

    fn flags(&mut self, condition: &Condition) {
        let Values::Flags(list) = &condition.values else {
            return self.never();
        };
        let load = Load::Transport(13, 1);
        let one = |(mask, set): &(u8, u8), operator| {
            Matching::new().masked(load, &[*mask], operator, &[*set])
        };
        if condition.negated {
            for entry in list {
                self.require(one(entry, Comparison::NotEqual));
            }
        } else {
            let options: Vec<_> = list
                .iter()
                .map(|entry| one(entry, Comparison::Equal).expressions)
                .collect();
            self.and_any(&options);
        }
    }
}

impl NumberField {
    fn plain(load: Load, bytes: usize, datatype: Option<Datatype>) -> Self {
        Self {
            load,
            bytes,
            mask: None,
            shift: 0,
            datatype,
        }
    }

    fn masked(load: Load, bytes: usize, mask: u64, shift: u32) -> Self {
        Self {
            load,
            bytes,
            mask: Some(mask),
            shift,
            datatype: None,
        }
    }

    fn present(self) -> Matching {
        Matching::new().readable(self.load)
    }

    fn compare(self, first: u64, last: u64, negated: bool) -> Matching {
        let key = |value: u64| big_endian(value << self.shift, self.bytes);
        let mask = self.mask.map(|mask| big_endian(mask, self.bytes));
        let operator = if negated {
            Comparison::NotEqual
        } else {
            Comparison::Equal
        };
        let start = Matching::new();
        match (first == last, mask) {
            (true, None) => start.compare(self.load, operator, &key(first)),
            (true, Some(mask)) => start.masked(self.load, &mask, operator, &key(first)),
            (false, None) => start.range(self.load, negated, &key(first), &key(last)),
            (false, Some(mask)) => {
                start.masked_range(self.load, &mask, negated, &key(first), &key(last))
            }
        }
    }
}

fn big_endian(value: u64, bytes: usize) -> Vec<u8> {
    let all = value.to_be_bytes();
    all.get(8usize.saturating_sub(bytes)..)
        .unwrap_or_default()
        .to_vec()
}

/// The mask where the range is a prefix.
fn prefix_mask(first: &[u8], last: &[u8]) -> Option<Vec<u8>> {
    let differing: Vec<u8> = first.iter().zip(last).map(|(a, b)| a ^ b).collect();
    let ones: u32 = differing.iter().map(|byte| byte.count_ones()).sum();
    let leading: u32 = {
        let zeros = differing.iter().take_while(|byte| **byte == 0).count() as u32;
        zeros * 8
            + differing
                .iter()
                .find(|byte| **byte != 0)
                .map_or(0, |byte| byte.leading_zeros())
    };
    let bits = first.len() as u32 * 8;
    let host_bits_clear = first.iter().zip(&differing).all(|(a, d)| a & d == 0);
    (ones == bits - leading && host_bits_clear)
        .then(|| differing.iter().map(|byte| !byte).collect())
}

/// FNV-1a, folded to 32 bits: the same in every version, so that names stay.
pub(super) fn fingerprint(parts: &[Vec<u8>]) -> u32 {
    let mut state: u64 = 0xcbf2_9ce4_8422_2325;
    for part in parts {
        for byte in part.iter().chain(&[0xff, part.len() as u8]) {
            state = (state ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    (state ^ (state >> 32)) as u32
}
