//! A rule as written → conditions. Knows services, peers, variables and which frames a rule names.

use std::collections::BTreeMap;
use std::net::IpAddr;

use thiserror::Error;

use crate::catalog::Catalog;
use crate::intervals::Intervals;
use crate::program::{Classes, CompiledRule, Condition, Direction, RuleList, Values};
use crate::rule::{
    Field, FieldKind, FieldMatch, FieldValue, IcmpMatch, Peer, PortRange, Protocol, Rule,
    RuleDirection, Term, Verdict,
};

use crate::services;

use super::addresses::{Parts, SetName};
use super::identity;
use super::profiles::{Variables, last_address};

/// Ethertypes of IPv4 and IPv6.
const IPV4: u64 = 0x0800;
const IPV6: u64 = 0x86dd;

/// Why a rule cannot be compiled for a port.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(super) enum RuleError {
    #[error("neither the port nor its profiles define ${0}")]
    UndefinedVariable(String),
    #[error("${variable} holds {value}, which {place} cannot be compared with")]
    WrongKind {
        variable: String,
        value: String,
        place: String,
    },
    #[error("no service is called {0}")]
    UnknownService(String),
}

/// What the rules of one list share.
pub(super) struct Context<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) variables: &'a Variables<'a>,
    /// Name of the list: rule ids begin with it.
    pub(super) list: &'a str,
    pub(super) audit: bool,
    /// Address sets that the rules name.
    pub(super) sets: Vec<SetName>,
    /// How often a text came before, so that equal rules have different ids.
    pub(super) occurrences: BTreeMap<String, u32>,
}

/// What one term asks for, before peers.
struct Alternative {
    conditions: Vec<Condition>,
    names: Classes,
    packets: bool,
}

/// What is known of a condition when it is compiled: one that compares with an address that is
/// still to be learned is unknown, which as in the evaluator keeps `accept` from matching and lets
/// `drop` match.
enum Known {
    Condition(Condition),
    Always,
    Never,
}

impl Context<'_> {
    pub(super) fn compile(&mut self, rule: &Rule, list: &mut RuleList) -> Result<(), RuleError> {
        let text = rule.to_string();
        let occurrence = self.occurrences.entry(text.clone()).or_insert(0);
        *occurrence += 1;
        let occurrence = occurrence.to_string();
        let hash = identity::short(&[&text, &occurrence]);
        for direction in [Direction::In, Direction::Out] {
            let (skipped, word, rules) = match direction {
                Direction::In => (RuleDirection::Out, "in", &mut list.inward),
                Direction::Out => (RuleDirection::In, "out", &mut list.outward),
            };
            if rule.direction == skipped {
                continue;
            }
            let alternatives = self.alternatives(rule, direction)?;
            let mut names = Classes::default();
            let mut packets = false;
            for alternative in &alternatives {
                names.arp |= alternative.names.arp;
                names.nd |= alternative.names.nd;
                names.dhcp |= alternative.names.dhcp;
                names.other |= alternative.names.other;
                packets |= alternative.packets;
            }
            rules.push(CompiledRule {
                id: format!("{}/{word}-{hash}", self.list),
                verdict: rule.verdict,
                audit: self.audit,
                stateless: rule.stateless,
                log: rule.log,
                alternatives: alternatives.into_iter().map(|a| a.conditions).collect(),
                names,
                packets,
                text: text.clone(),
                origin: rule.origin.clone(),
            });
        }
        Ok(())
    }

    fn alternatives(
        &mut self,
        rule: &Rule,
        direction: Direction,
    ) -> Result<Vec<Alternative>, RuleError> {
        let mut terms = Vec::new();
        if rule.what.is_empty() {
            terms.push(whole_protocol(Protocol::Ip));
        }
        for term in &rule.what {
            self.term(term, &mut terms, 0)?;
        }
        let mut with = Vec::new();
        for field in &rule.with {
            match self.field(field, rule.verdict)? {
                Known::Condition(condition) => with.push(condition),
                Known::Always => {}
                Known::Never => return Ok(Vec::new()),
            }
        }
        let peers = self.peers(&rule.peers, direction, rule.verdict)?;
        let mut all = Vec::with_capacity(terms.len() * peers.len());
        for term in &terms {
            for peer in &peers {
                let mut conditions = term.conditions.clone();
                conditions.extend(with.iter().cloned());
                conditions.extend(peer.iter().cloned());
                all.push(Alternative {
                    conditions,
                    names: term.names,
                    packets: term.packets,
                });
            }
        }
        Ok(all)
    }

    /// A condition on the other side for each kind of peer; one empty for anybody.
    fn peers(
        &mut self,
        peers: &[Peer],
        direction: Direction,
        verdict: Verdict,
    ) -> Result<Vec<Option<Condition>>, RuleError> {
        if peers.is_empty() || peers.contains(&Peer::Any) {
            return Ok(vec![None]);
        }
        let field = match direction {
            Direction::In => Field::SourceAddress,
            Direction::Out => Field::DestinationAddress,
        };
        let mut listed = Parts::default();
        let mut any_listed = false;
        let mut found = Vec::new();
        for peer in peers {
            let set = match peer {
                Peer::Any => continue,
                Peer::Address(address) => {
                    listed.range(*address, *address);
                    any_listed = true;
                    continue;
                }
                Peer::Prefix(net) => {
                    listed.range(net.network(), last_address(net));
                    any_listed = true;
                    continue;
                }
                Peer::Range(first, last) => {
                    listed.range(*first, *last);
                    any_listed = true;
                    continue;
                }
                // Anybody may be it: nobody is accepted as it, and whoever is dropped may be.
                Peer::Variable(name) if self.variables.pending(name) => match verdict {
                    Verdict::Accept => continue,
                    Verdict::Drop | Verdict::Reject => return Ok(vec![None]),
                },
                Peer::Variable(name) => {
                    for (first, last) in self.addresses(name)? {
                        listed.range(first, last);
                    }
                    // A list without addresses matches nobody, not everybody.
                    any_listed = true;
                    continue;
                }
                Peer::Group(name) => SetName::Group(name.clone()),
                Peer::Network(name) => SetName::Network(name.clone()),
                Peer::Vm(name) => SetName::Vm(name.clone()),
            };
            let values = Values::AddressSet(set.name());
            found.push(Some(Condition {
                field,
                negated: false,
                values,
            }));
            if !self.sets.contains(&set) {
                self.sets.push(set);
            }
        }
        if any_listed {
            let values = Values::Addresses(listed.finish());
            found.push(Some(Condition {
                field,
                negated: false,
                values,
            }));
        }
        Ok(found)
    }

    fn addresses(&self, variable: &str) -> Result<Vec<(IpAddr, IpAddr)>, RuleError> {
        let values = self.variable(variable)?;
        values
            .into_iter()
            .map(|value| match value {
                FieldValue::Address(first, last) => Ok((first, last)),
                other => Err(wrong_kind(variable, &other, "an address")),
            })
            .collect()
    }

    fn variable(&self, name: &str) -> Result<Vec<FieldValue>, RuleError> {
        self.variables
            .get(name)
            .ok_or_else(|| RuleError::UndefinedVariable(name.to_owned()))
    }

    fn field(&self, matched: &FieldMatch, verdict: Verdict) -> Result<Known, RuleError> {
        let mut values = Vec::new();
        for value in &matched.values {
            match value {
                FieldValue::Variable(name) if self.variables.pending(name) => {
                    match (verdict, matched.negated) {
                        (Verdict::Accept, true) => return Ok(Known::Never),
                        (Verdict::Accept, false) => {}
                        (Verdict::Drop | Verdict::Reject, _) => return Ok(Known::Always),
                    }
                }
                FieldValue::Variable(name) => {
                    for value in self.variable(name)? {
                        if !fits(matched.field, &value) {
                            return Err(wrong_kind(name, &value, matched.field.name()));
                        }
                        values.push(value);
                    }
                }
                value => values.push(value.clone()),
            }
        }
        let held_back = |value: &FieldValue| matches!(value, FieldValue::Variable(name) if self.variables.pending(name));
        if values.is_empty() && matched.values.iter().any(held_back) {
            return Ok(Known::Never);
        }
        Ok(Known::Condition(Condition {
            field: matched.field,
            negated: matched.negated,
            values: typed(matched.field, &values),
        }))
    }

    /// `depth` ends services that name each other, which the language refuses anyway.
    fn term(&self, term: &Term, into: &mut Vec<Alternative>, depth: u8) -> Result<(), RuleError> {
        match term {
            Term::Protocol {
                protocol,
                ports,
                icmp,
            } => {
                // A type with a code is a pair of conditions and so an alternative of its own;
                // types with any code share one.
                let (coded, plain): (Vec<IcmpMatch>, Vec<IcmpMatch>) =
                    icmp.iter().partition(|one| one.code.is_some());
                if coded.is_empty() || !plain.is_empty() {
                    into.push(protocol_alternative(*protocol, ports, &plain));
                }
                for one in coded {
                    into.push(protocol_alternative(*protocol, ports, &[one]));
                }
                Ok(())
            }
            Term::Service(name) => {
                let terms = match self.catalog.services.get(name) {
                    Some(service) => service.matches.clone(),
                    None => services::lookup(name)
                        .map(|service| service.terms.to_vec())
                        .ok_or_else(|| RuleError::UnknownService(name.clone()))?,
                };
                if depth > 8 {
                    return Err(RuleError::UnknownService(name.clone()));
                }
                terms
                    .iter()
                    .try_for_each(|term| self.term(term, into, depth + 1))
            }
        }
    }
}

fn wrong_kind(variable: &str, value: &FieldValue, place: &str) -> RuleError {
    RuleError::WrongKind {
        variable: variable.to_owned(),
        value: format!("{value:?}"),
        place: place.to_owned(),
    }
}

fn fits(field: Field, value: &FieldValue) -> bool {
    match (field.kind(), value) {
        (FieldKind::Number(most), FieldValue::Number(first, last)) => {
            first <= last && *last <= most
        }
        (FieldKind::Mac, FieldValue::Mac { .. })
        | (FieldKind::Address, FieldValue::Address(..))
        | (FieldKind::Flags, FieldValue::Flags { .. }) => true,
        _ => false,
    }
}

fn typed(field: Field, values: &[FieldValue]) -> Values {
    match field.kind() {
        FieldKind::Number(_) => Values::Numbers(
            values
                .iter()
                .filter_map(|value| match value {
                    FieldValue::Number(first, last) => Some((*first, *last)),
                    _ => None,
                })
                .collect(),
        ),
        FieldKind::Mac => Values::Macs(
            values
                .iter()
                .filter_map(|value| match value {
                    FieldValue::Mac { value, mask } => Some((*value, *mask)),
                    _ => None,
                })
                .collect(),
        ),
        FieldKind::Address => {
            let mut parts = Parts::default();
            for value in values {
                if let FieldValue::Address(first, last) = value {
                    parts.range(*first, *last);
                }
            }
            Values::Addresses(parts.finish())
        }
        FieldKind::Flags => Values::Flags(
            values
                .iter()
                .filter_map(|value| match value {
                    FieldValue::Flags { mask, set } => Some((*mask, *set)),
                    _ => None,
                })
                .collect(),
        ),
    }
}

fn numbers(field: Field, intervals: Intervals<u64>) -> Condition {
    Condition {
        field,
        negated: false,
        values: Values::Numbers(intervals),
    }
}

fn whole_protocol(protocol: Protocol) -> Alternative {
    protocol_alternative(protocol, &[], &[])
}

fn protocol_alternative(
    protocol: Protocol,
    ports: &[PortRange],
    icmp: &[IcmpMatch],
) -> Alternative {
    let everything = Classes {
        arp: true,
        nd: true,
        dhcp: true,
        other: true,
    };
    let other = Classes {
        other: true,
        ..Classes::default()
    };
    let ether_type = |value| numbers(Field::EtherType, Intervals::single(value));
    let (mut conditions, mut names, packets) = match protocol {
        Protocol::Ip => {
            let both = [(IPV4, IPV4), (IPV6, IPV6)].into_iter().collect();
            (
                vec![numbers(Field::EtherType, both)],
                Classes::default(),
                true,
            )
        }
        Protocol::Ipv4 => (vec![ether_type(IPV4)], Classes::default(), true),
        Protocol::Ipv6 => (vec![ether_type(IPV6)], Classes::default(), true),
        Protocol::Number(number) => {
            let mut conditions = match number {
                1 => vec![ether_type(IPV4)],
                58 => vec![ether_type(IPV6)],
                _ => Vec::new(),
            };
            conditions.push(numbers(
                Field::IpProtocol,
                Intervals::single(u64::from(number)),
            ));
            (conditions, Classes::default(), true)
        }
        Protocol::Ether => (Vec::new(), everything, true),
        Protocol::Vlan => (
            vec![numbers(Field::VlanId, Intervals::range(0, 4095))],
            everything,
            true,
        ),
        Protocol::Arp => (
            vec![ether_type(0x0806)],
            Classes {
                arp: true,
                ..Classes::default()
            },
            false,
        ),
        Protocol::Rarp => (vec![ether_type(0x8035)], other, false),
        // BPDUs always have a type, so naming the field says "is a BPDU".
        Protocol::Stp => (
            vec![numbers(Field::StpType, Intervals::range(0, 255))],
            other,
            false,
        ),
    };
    if !ports.is_empty() {
        let set: Intervals<u64> = ports
            .iter()
            .map(|range| (u64::from(range.first), u64::from(range.last)))
            .collect();
        let dhcp: Intervals<u64> = [(67, 68), (546, 547)].into_iter().collect();
        names.dhcp |= protocol == Protocol::UDP && dhcp.covers(&set);
        conditions.push(numbers(Field::DestinationPort, set));
    }
    if !icmp.is_empty() {
        let kinds: Intervals<u64> = icmp
            .iter()
            .map(|one| (u64::from(one.kind), u64::from(one.kind)))
            .collect();
        let discovery: Intervals<u64> = [(130, 137), (143, 143)].into_iter().collect();
        names.nd |= protocol == Protocol::ICMPV6 && discovery.covers(&kinds);
        conditions.push(numbers(Field::IcmpType, kinds));
        if let [
            IcmpMatch {
                code: Some(code), ..
            },
        ] = icmp
        {
            conditions.push(numbers(
                Field::IcmpCode,
                Intervals::single(u64::from(*code)),
            ));
        }
    }
    Alternative {
        conditions,
        names,
        packets,
    }
}
