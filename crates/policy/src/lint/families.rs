//! Rules that speak of IPv4 where the ports that they hold for have IPv6 as well.

use std::collections::{BTreeMap, BTreeSet};

use super::conditions::addresses;
use super::{Finding, Severity};
use crate::program::{CompiledRule, Condition, HostProgram, RuleList, Values};
use crate::rule::{Field, Verdict};

pub(super) fn check(programs: &[HostProgram], findings: &mut Vec<Finding>) {
    for program in programs {
        let dual = dual_stack(program);
        for (name, list) in &program.lists {
            let Some(port) = dual.get(name.as_str()) else {
                continue;
            };
            for rules in [&list.inward, &list.outward] {
                for rule in rules {
                    check_peers(program, list, rules, rule, port, findings);
                    check_icmp(rules, rule, port, findings);
                }
            }
        }
    }
}

/// Lists that hold for a port with both IPv4 and IPv6 addresses, with the name of one.
fn dual_stack(program: &HostProgram) -> BTreeMap<&str, &str> {
    let mut found = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for port in program.ports.values() {
        let global = port
            .ipv6
            .iter()
            .any(|(first, _)| !first.is_unicast_link_local());
        if !global || port.ipv4.is_empty() || !seen.insert(&port.behaviour) {
            continue;
        }
        let behaviour = program.behaviours.get(&port.behaviour);
        for list in behaviour.into_iter().flat_map(|it| &it.lists) {
            found.entry(list.as_str()).or_insert(port.name.as_str());
        }
    }
    found
}

fn is_address(condition: &Condition) -> bool {
    matches!(
        condition.field,
        Field::SourceAddress | Field::DestinationAddress
    )
}

/// The families of the peers of an alternative that does not name a family itself.
fn families(program: &HostProgram, all: &[Condition]) -> Option<(bool, bool)> {
    let named = all.iter().any(|condition| match &condition.values {
        Values::Numbers(set) if condition.field == Field::EtherType => {
            !(set.contains(0x0800) && set.contains(0x86dd))
        }
        _ => false,
    });
    let mut sets = all.iter().filter(|it| is_address(it) && !it.negated);
    let set = sets.next().and_then(|it| addresses(program, &it.values))?;
    let found = (!set.ipv4.is_empty(), !set.ipv6.is_empty());
    (!named && found != (false, false)).then_some(found)
}

/// What a rule is about but for its peers.
fn subject(rule: &CompiledRule) -> BTreeSet<Vec<&Condition>> {
    let alternatives = rule.alternatives.iter();
    alternatives
        .map(|all| all.iter().filter(|it| !is_address(it)).collect())
        .collect()
}

fn check_peers(
    program: &HostProgram,
    list: &RuleList,
    rules: &[CompiledRule],
    rule: &CompiledRule,
    port: &str,
    findings: &mut Vec<Finding>,
) {
    let only_v4 = rule
        .alternatives
        .iter()
        .all(|all| families(program, all) == Some((true, false)));
    if !only_v4 || rule.alternatives.is_empty() {
        return;
    }
    let subject_of = subject(rule);
    let has_twin = rules.iter().any(|other| {
        other.verdict == rule.verdict
            && other.origin != rule.origin
            && other
                .alternatives
                .iter()
                .any(|all| families(program, all).is_none_or(|it| it.1))
            && subject(other).intersection(&subject_of).next().is_some()
    });
    if has_twin {
        return;
    }
    let (severity, effect) = match rule.verdict {
        Verdict::Accept => (Severity::Note, "IPv6 is not covered"),
        Verdict::Drop | Verdict::Reject => (Severity::Warning, "IPv6 is not covered and goes on"),
    };
    let message = format!(
        "`{}` names IPv4 peers only, but {} holds for ports with IPv6 ({port}): {effect}",
        rule.text, list.title
    );
    findings.push(
        Finding::new("ipv6-not-covered", severity, &rule.origin, message)
            .hint("name the peers' IPv6 addresses too, or write `ipv4` to say that this is meant"),
    );
}

fn check_icmp(
    rules: &[CompiledRule],
    rule: &CompiledRule,
    port: &str,
    findings: &mut Vec<Finding>,
) {
    let about = |rule: &CompiledRule, number: u64| {
        rule.alternatives.iter().flatten().any(|condition| {
            condition.field == Field::IpProtocol
                && !condition.negated
                && matches!(&condition.values, Values::Numbers(set) if set.contains(number))
        })
    };
    let has_twin = rules
        .iter()
        .any(|other| other.verdict == rule.verdict && about(other, 58));
    if !about(rule, 1) || has_twin {
        return;
    }
    let message = format!(
        "`{}` has no twin for ICMPv6, but holds for ports with IPv6 ({port})",
        rule.text
    );
    findings.push(
        Finding::new("icmp-without-icmpv6", Severity::Note, &rule.origin, message)
            .hint("add `icmpv6`, or use a service such as `ping`, which is both"),
    );
}
