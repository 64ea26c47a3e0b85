//! Rules that never decide, because an earlier one does or because nothing can meet them.

use std::collections::{BTreeMap, BTreeSet};

use super::conditions::{Covered, covers, impossible};
use super::{Finding, Severity};
use crate::origin::Origin;
use crate::program::{CompiledRule, Direction, HostProgram, RuleList, Stage};

/// A rule in one direction, as people know it: its reading for each port counts as one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Known<'a> {
    origin: &'a Origin,
    title: &'a str,
    text: &'a str,
    direction: Direction,
}

/// One rule that takes everything from a later one.
#[derive(Clone, Debug)]
pub(super) struct Taken<'a> {
    pub(super) earlier: &'a CompiledRule,
    pub(super) later: &'a CompiledRule,
    pub(super) covered: Covered,
    earlier_list: &'a RuleList,
    same_list: bool,
    mutual: bool,
}

pub(super) fn check(programs: &[HostProgram], findings: &mut Vec<Finding>) {
    // What takes the rule, in each order of decision that it is part of.
    let mut known: BTreeMap<Known<'_>, Vec<Option<Taken<'_>>>> = BTreeMap::new();
    let mut pointless: BTreeMap<Known<'_>, bool> = BTreeMap::new();
    for program in programs {
        for direction in [Direction::In, Direction::Out] {
            for sequence in sequences(program, direction) {
                for (index, (list, rule)) in sequence.iter().enumerate() {
                    let key = Known {
                        origin: &rule.origin,
                        title: &list.title,
                        text: &rule.text,
                        direction,
                    };
                    let never = rule.alternatives.iter().all(|it| impossible(program, it));
                    *pointless.entry(key.clone()).or_insert(true) &= never;
                    let before = sequence.get(..index).unwrap_or_default();
                    let taken = taken(program, before, list, rule);
                    known.entry(key).or_default().push(taken);
                }
            }
        }
    }
    let mut found: BTreeMap<(Origin, String), (Finding, BTreeSet<Direction>)> = BTreeMap::new();
    for (key, all) in &known {
        let finding = if pointless.get(key) == Some(&true) {
            Some(never_matches(key))
        } else {
            let all: Option<Vec<&Taken<'_>>> = all.iter().map(Option::as_ref).collect();
            all.and_then(|all| all.first().map(|taken| told(key, taken)))
        };
        if let Some(finding) = finding {
            let key_of = (finding.origin.clone(), finding.message.clone());
            let entry = found.entry(key_of).or_insert((finding, BTreeSet::new()));
            entry.1.insert(key.direction);
        }
    }
    for (mut finding, directions) in found.into_values() {
        let both = known
            .keys()
            .any(|key| *key.origin == finding.origin && !directions.contains(&key.direction));
        if both {
            let word = match directions.first() {
                Some(Direction::In) => "in",
                _ => "out",
            };
            finding.message = format!("{} (direction `{word}`)", finding.message);
        }
        findings.push(finding);
    }
}

/// The rules of each order of decision, in it.
pub(super) fn sequences(
    program: &HostProgram,
    direction: Direction,
) -> Vec<Vec<(&RuleList, &CompiledRule)>> {
    let orders: BTreeSet<&Vec<String>> = program.behaviours.values().map(|it| &it.lists).collect();
    let rules = |order: &Vec<String>| {
        let lists = order.iter().filter_map(|name| program.lists.get(name));
        let rules = lists.flat_map(|list| {
            let rules = match direction {
                Direction::In => &list.inward,
                Direction::Out => &list.outward,
            };
            rules.iter().map(move |rule| (list.as_ref(), rule))
        });
        rules.collect()
    };
    orders.into_iter().map(rules).collect()
}

/// The first earlier rule that covers this one; one that covers it always goes before.
pub(super) fn taken<'a>(
    program: &HostProgram,
    before: &[(&'a RuleList, &'a CompiledRule)],
    list: &'a RuleList,
    later: &'a CompiledRule,
) -> Option<Taken<'a>> {
    let mut best: Option<Taken<'a>> = None;
    for (earlier_list, earlier) in before.iter().copied() {
        let Some(covered) = covers(program, earlier, later) else {
            continue;
        };
        if best.as_ref().is_none_or(|best| best.covered < covered) {
            best = Some(Taken {
                earlier,
                later,
                covered,
                earlier_list,
                same_list: earlier_list.name == list.name,
                mutual: covers(program, later, earlier).is_some(),
            });
        }
    }
    best
}

fn told(key: &Known<'_>, taken: &Taken<'_>) -> Finding {
    let Taken {
        earlier,
        later,
        covered,
        earlier_list,
        ..
    } = taken;
    let same = earlier.verdict == later.verdict;
    let except = match covered {
        Covered::Always => "",
        Covered::ExceptFragments => ", but for later fragments",
    };
    let where_else = if taken.same_list {
        String::new()
    } else {
        format!(" of {}", earlier_list.title)
    };
    let by = format!("`{}`{where_else}", earlier.text);
    let mandatory = earlier_list.stage == Stage::Mandatory && !taken.same_list;
    let (code, severity, message, hint) = if same {
        (
            "redundant-rule",
            Severity::Note,
            format!("`{}` never decides: {by} says the same before", key.text),
            "remove one of them",
        )
    } else if taken.mutual && taken.same_list {
        (
            "contradicting-rule",
            Severity::Warning,
            format!("`{}` contradicts {by}, which decides{except}", key.text),
            "keep the one that is meant",
        )
    } else {
        (
            "shadowed-rule",
            if mandatory {
                Severity::Note
            } else {
                Severity::Warning
            },
            format!("`{}` never decides: {by} does before{except}", key.text),
            "put the narrower rule first, or remove it",
        )
    };
    Finding::new(code, severity, key.origin, message)
        .related(
            &earlier.origin,
            format!("decided here, in {}", earlier_list.title),
        )
        .hint(hint)
}

fn never_matches(key: &Known<'_>) -> Finding {
    Finding::new(
        "never-matches",
        Severity::Warning,
        key.origin,
        format!(
            "`{}` can never match: no frame meets all its conditions",
            key.text
        ),
    )
    .hint("look for empty groups, and for addresses or protocols of different families")
}
