//! Rules in their canonical line: what [`super::rule`] reads back as the same rule.

use std::fmt;

use super::fields::NO_MASK;
use super::lexer::quote;
use super::terms::icmp_types;
use crate::language::values::{write_addresses, write_mac, write_numbers};
use crate::language::words::{
    ARP_OPERATIONS, DIRECTIONS, PROTOCOLS, RATE_UNITS, TCP_FLAGS, VERDICTS, word_for,
};
use crate::rule::{
    Field, FieldMatch, FieldValue, IcmpMatch, LogRate, Peer, PortRange, Protocol, Rule,
    RuleDirection, Term, Verdict,
};

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verdict, self.direction)?;
        if !self.what.is_empty() {
            write!(f, " {}", Commas(&self.what))?;
        }
        if !self.peers.is_empty() {
            let word = match self.direction {
                RuleDirection::In | RuleDirection::Both => "from",
                RuleDirection::Out => "to",
            };
            let peers: Vec<QuotedPeer<'_>> = self.peers.iter().map(QuotedPeer).collect();
            write!(f, " {word} {}", Commas(&peers))?;
        }
        for condition in &self.with {
            write!(f, " with {condition}")?;
        }
        match self.log {
            Some(rate) if rate == LogRate::default() => f.write_str(" log")?,
            Some(rate) => write!(f, " log {rate}")?,
            None => {}
        }
        if self.stateless {
            f.write_str(" stateless")?;
        }
        match &self.comment {
            Some(comment) => write!(f, " comment {}", quote(comment)),
            None => Ok(()),
        }
    }
}

struct Commas<'a, T>(&'a [T]);

impl<T: fmt::Display> fmt::Display for Commas<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, item) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            item.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(word_for(VERDICTS, self).unwrap_or_default())
    }
}

impl fmt::Display for RuleDirection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(word_for(DIRECTIONS, self).unwrap_or_default())
    }
}

impl fmt::Display for LogRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = word_for(RATE_UNITS, &self.per).unwrap_or_default();
        write!(f, "{}/{unit}", self.count)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (word_for(PROTOCOLS, self), self) {
            (Some(word), _) => f.write_str(word),
            (None, Self::Number(number)) => write!(f, "protocol {number}"),
            (None, _) => Ok(()),
        }
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&write_numbers(self.first.into(), self.last.into()))
    }
}

/// `tcp 80, 443`, `icmp echo-request`, `http`
impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(name) => f.write_str(name),
            Self::Protocol {
                protocol,
                ports,
                icmp,
            } => {
                write!(f, "{protocol}")?;
                if !ports.is_empty() {
                    write!(f, " {}", Commas(ports))?;
                }
                let types: Vec<String> = icmp.iter().map(|m| write_icmp(*protocol, *m)).collect();
                if !types.is_empty() {
                    write!(f, " {}", Commas(&types))?;
                }
                Ok(())
            }
        }
    }
}

/// `echo-request`, `destination-unreachable/4`, `200/1`
pub(in crate::language) fn write_icmp(protocol: Protocol, matched: IcmpMatch) -> String {
    let name = icmp_types(protocol).and_then(|types| word_for(types, &matched.kind));
    let kind = name.map_or_else(|| matched.kind.to_string(), str::to_owned);
    match matched.code {
        Some(code) => format!("{kind}/{code}"),
        None => kind,
    }
}

/// Without quotes around names, as in lists of structured rules.
impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::Address(address) => write!(f, "{address}"),
            Self::Prefix(prefix) => write!(f, "{prefix}"),
            Self::Range(first, last) => write!(f, "{first}-{last}"),
            Self::Group(name) => write!(f, "@{name}"),
            Self::Network(name) => write!(f, "network:{name}"),
            Self::Vm(name) => write!(f, "vm:{name}"),
            Self::Variable(name) => write!(f, "${name}"),
        }
    }
}

/// As in rule lines, where blanks and commas end a word.
struct QuotedPeer<'a>(&'a Peer);

impl fmt::Display for QuotedPeer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let special = |c: char| c.is_whitespace() || c.is_control() || matches!(c, ',' | '"');
        match self.0 {
            Peer::Vm(name) if name.contains(special) => write!(f, "vm:{}", quote(name)),
            peer => peer.fmt(f),
        }
    }
}

/// `ip.dscp not 46`
impl fmt::Display for FieldMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let not = if self.negated { "not " } else { "" };
        let values: Vec<String> = self
            .values
            .iter()
            .map(|v| write_field_value(Some(self.field), v))
            .collect();
        write!(f, "{} {not}{}", self.field.name(), Commas(&values))
    }
}

/// A value of a field, or of a variable where there is none.
pub(in crate::language) fn write_field_value(field: Option<Field>, value: &FieldValue) -> String {
    match value {
        FieldValue::Number(first, last) => match field {
            Some(Field::EtherType | Field::ArpProtocolType) if first == last => {
                format!("0x{first:04x}")
            }
            Some(Field::ArpOperation) if first == last => {
                word_for(ARP_OPERATIONS, first).map_or_else(|| first.to_string(), str::to_owned)
            }
            _ => write_numbers(*first, *last),
        },
        FieldValue::Mac { value, mask } if *mask == NO_MASK => write_mac(*value),
        FieldValue::Mac { value, mask } => format!("{}/{}", write_mac(*value), write_mac(*mask)),
        FieldValue::Address(first, last) => write_addresses(*first, *last),
        FieldValue::Flags { mask, set } if mask == set => write_flags(*set),
        FieldValue::Flags { mask, set } => format!("{}/{}", write_flags(*mask), write_flags(*set)),
        FieldValue::Variable(name) => format!("${name}"),
    }
}

fn write_flags(set: u8) -> String {
    match set {
        0 => "none".to_owned(),
        0xff => "all".to_owned(),
        set => {
            let names = TCP_FLAGS
                .iter()
                .filter(|(_, bit)| set & bit != 0)
                .map(|(name, _)| *name);
            names.collect::<Vec<_>>().join("+")
        }
    }
}
