//! Rule lists → shared chains, one for each direction, layer and kind of frame that comes to it.
//! Knows how a rule counts, reports and decides; who jumps here is left to `behaviours`.

use std::collections::BTreeMap;

use nftables::{Chain, Limit, Object, Reject, Rule, Verdict as Kernel};
use policy::HostProgram;
use policy::program::{AddressSet, CompiledRule, Direction, RuleList};
use policy::rule::{LogRate, RateUnit, Verdict};

use crate::ruleset::Ruleset;

use super::conditions::{Alternative, Scope, lower};
use super::names::{Layer, Transport};

/// Which frames are asked: the evaluator's frame classes, and what decides about state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Asked {
    /// Ordinary packets.
    Packets,
    /// Ordinary packets without their transport header.
    LaterFragments,
    /// Packets of known connections, or of none: rules marked stateless only.
    Stateless,
    /// Such packets without their transport header.
    StatelessFragments,
    NeighborDiscovery,
    Dhcp,
    Arp,
    Other,
}

impl Asked {
    fn suffix(self) -> &'static str {
        match self {
            Self::Packets | Self::Arp | Self::Other => "",
            Self::LaterFragments => "-fragments",
            Self::Stateless => "-stateless",
            Self::StatelessFragments => "-stateless-fragments",
            Self::NeighborDiscovery => "-nd",
            Self::Dhcp => "-dhcp",
        }
    }

    fn considers(self, rule: &CompiledRule) -> bool {
        match self {
            Self::Packets | Self::LaterFragments => rule.packets,
            Self::Stateless | Self::StatelessFragments => rule.packets && rule.stateless,
            Self::NeighborDiscovery => rule.names.nd,
            Self::Dhcp => rule.names.dhcp,
            Self::Arp => rule.names.arp,
            Self::Other => rule.names.other,
        }
    }
}

/// Which list is asked, and for which frames.
type Asking = (String, Direction, Layer, Option<Transport>, Asked);

/// Chains made so far; `None` for lists that say nothing about such frames.
#[derive(Default)]
pub(super) struct Lists {
    known: BTreeMap<Asking, Option<String>>,
}

pub(super) fn word(direction: Direction) -> &'static str {
    match direction {
        Direction::In => "in",
        Direction::Out => "out",
    }
}

impl Lists {
    /// The chain of a list for such frames, which this makes if it is the first to ask.
    pub(super) fn chain(
        &mut self,
        ruleset: &mut Ruleset,
        program: &HostProgram,
        name: &str,
        direction: Direction,
        (layer, transport): (Layer, Option<Transport>),
        asked: Asked,
    ) -> Option<String> {
        let key = (name.to_owned(), direction, layer, transport, asked);
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        let made = program
            .lists
            .get(name)
            .and_then(|list| make(ruleset, program, list, direction, (layer, transport), asked));
        self.known.insert(key, made.clone());
        made
    }
}

fn make(
    ruleset: &mut Ruleset,
    program: &HostProgram,
    list: &RuleList,
    direction: Direction,
    (layer, transport): (Layer, Option<Transport>),
    asked: Asked,
) -> Option<String> {
    let rules = match direction {
        Direction::In => &list.inward,
        Direction::Out => &list.outward,
    };
    let address_sets = |name: &str| -> Option<AddressSet> {
        program.address_sets.get(name).map(|set| (**set).clone())
    };
    let scope = Scope {
        layer,
        transport,
        later_fragments: matches!(asked, Asked::LaterFragments | Asked::StatelessFragments),
    };
    let name = format!(
        "{}-{}{}{}{}",
        list.name,
        word(direction),
        layer.suffix(),
        transport.map_or("", Transport::suffix),
        asked.suffix()
    );
    let mut lowered = Vec::new();
    for rule in rules.iter().filter(|rule| asked.considers(rule)) {
        let before = lowered.len();
        let doubtful = rule.verdict != Verdict::Accept;
        for conditions in &rule.alternatives {
            for alternative in lower(ruleset, &address_sets, scope, conditions, doubtful) {
                decide(&name, rule, direction, layer, &alternative, &mut lowered);
            }
        }
        if lowered.len() > before {
            ruleset.object(Object::counter(&rule.id));
        }
    }
    if lowered.is_empty() {
        return None;
    }
    ruleset.chain(Chain::regular(&name)).rules = lowered;
    Some(name)
}

/// One kernel rule for one alternative, and one before it that reports where the rule logs.
fn decide(
    chain: &str,
    rule: &CompiledRule,
    direction: Direction,
    layer: Layer,
    alternative: &Alternative,
    into: &mut Vec<Rule>,
) {
    // Without the line: a rule that another one moved down is the same rule (promise 3).
    let comment = format!("{} ({})", rule.text, rule.origin.source);
    let mut push = |expressions| into.push(Rule::new(chain, expressions).with_comment(&comment));
    let matching = || alternative.matching.clone();
    if let Some(rate) = rule.log {
        let what = if rule.audit { "audit" } else { "log" };
        push(
            matching()
                .limited(limit(rate))
                .log(what, &rule.id)
                .verdict(Kernel::Continue),
        );
    }
    let counted = matching().counter(&rule.id);
    match rule.verdict {
        Verdict::Accept => push(counted.accept()),
        _ if rule.audit => push(counted.log("audit", &rule.id).accept()),
        // The kernel answers only at prerouting (nft_reject_bridge_validate), and only IP.
        Verdict::Reject
            if direction == Direction::Out && matches!(layer, Layer::Ip4 | Layer::Ip6) =>
        {
            let prohibited = Reject::IcmpBothFamilies(3);
            match alternative.protocol {
                Some(6) => push(counted.log("drop", &rule.id).reject(Reject::TcpReset)),
                Some(_) => push(counted.log("drop", &rule.id).reject(prohibited)),
                None => {
                    let tcp = matching()
                        .l4proto(6)
                        .counter(&rule.id)
                        .log("drop", &rule.id);
                    push(tcp.reject(Reject::TcpReset));
                    push(counted.log("drop", &rule.id).reject(prohibited));
                }
            }
        }
        Verdict::Drop | Verdict::Reject => {
            push(counted.log("drop", &rule.id).verdict(Kernel::Drop))
        }
    }
}

pub(super) fn limit(rate: LogRate) -> Limit {
    let per_seconds = match rate.per {
        RateUnit::Second => 1,
        RateUnit::Minute => 60,
        RateUnit::Hour => 3600,
        RateUnit::Day => 86_400,
    };
    let mut limit = Limit::packets_per_second(u64::from(rate.count.max(1)));
    limit.per_seconds = per_seconds;
    limit
}
