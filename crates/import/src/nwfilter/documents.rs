//! A list of clauses as a moat profile. Knows how conditions are said in the policy language, and which of
//! them a guard says better; what they mean was decided before.

use std::collections::BTreeSet;

use policy::document::{Guard, Profile, RejectMode, Stateful};
use policy::origin::Origin;
use policy::program::Direction;
use policy::rule::{Field, FieldMatch, FieldValue, Protocol, Rule, RuleDirection, Term, Verdict};

use super::flatten::{About, Clause, simplified};
use super::translate;

/// What the filter does with frames, by direction and tag.
pub(super) struct Lists {
    pub(super) outward: List,
    pub(super) inward: List,
}

pub(super) struct List {
    pub(super) untagged: Vec<Clause>,
    pub(super) tagged: Vec<Clause>,
}

impl List {
    fn clauses(&self) -> impl Iterator<Item = &Clause> {
        self.untagged.iter().chain(&self.tagged)
    }

    fn map(&mut self, change: impl Fn(Vec<Clause>) -> Vec<Clause>) {
        self.untagged = change(std::mem::take(&mut self.untagged));
        self.tagged = change(std::mem::take(&mut self.tagged));
    }
}

/// The profile that does the same.
pub(super) fn profile(name: String, filter: &str, origin: &Origin, mut lists: Lists) -> Profile {
    let mut guards = BTreeSet::new();
    if only_own_mac(&lists.outward) {
        guards.insert(Guard::Mac);
        let own = own_mac();
        lists.outward.map(|clauses| {
            let without = clauses.into_iter().map(|clause| Clause {
                conditions: clause.conditions.without(&own),
                ..clause
            });
            simplified(without.collect())
        });
    }
    let all = || lists.outward.clauses().chain(lists.inward.clauses());
    let stateful = all().any(|clause| clause.about != About::All);
    let rejects = all().any(|clause| clause.verdict == Verdict::Reject);
    let mut rules = Vec::new();
    let mut tags = lists.outward.tagged.iter().chain(&lists.inward.tagged);
    let tagged = tags.any(|clause| clause.verdict == Verdict::Accept);
    for (direction, list) in [
        (Direction::Out, &lists.outward),
        (Direction::In, &lists.inward),
    ] {
        // Where tags make no difference, one list is enough; where no tag passes, the profile says so.
        if tagged && !same(&list.tagged, &list.untagged) {
            rules.extend(said(&list.tagged, direction, stateful));
        }
        rules.extend(said(&list.untagged, direction, stateful));
    }
    Profile {
        name,
        origin: origin.clone(),
        version: 1,
        comment: Some(format!("libvirt filter {filter}")),
        stateful: Some(if stateful {
            Stateful::Required
        } else {
            Stateful::Off
        }),
        reject: rejects.then_some(RejectMode::Preferred),
        guards,
        default_in: Some(last_verdict(&lists.inward)),
        default_out: Some(last_verdict(&lists.outward)),
        rules,
        dhcp: Some(false),
        tagged: if tagged { vec![(1, 4094)] } else { Vec::new() },
        ..Profile::default()
    }
}

fn own_mac() -> FieldMatch {
    FieldMatch {
        field: Field::EtherSource,
        negated: false,
        values: vec![FieldValue::Variable("MAC".to_owned())],
    }
}

/// Whether nothing leaves with a source MAC but the port's own, be it with an answer or without.
fn only_own_mac(list: &List) -> bool {
    let own = own_mac();
    list.clauses()
        .filter(|clause| clause.verdict != Verdict::Drop)
        .all(|clause| clause.conditions.matches().contains(&own))
        && list.clauses().any(|clause| clause.verdict != Verdict::Drop)
}

fn last_verdict(list: &List) -> Verdict {
    let last = list.untagged.last().map(|clause| clause.verdict);
    last.unwrap_or(Verdict::Accept)
}

/// Whether both lists say the same but for the tag.
fn same(tagged: &[Clause], untagged: &[Clause]) -> bool {
    let vlan = translate::any_vlan();
    tagged.len() == untagged.len()
        && tagged.iter().zip(untagged).all(|(tagged, untagged)| {
            tagged.conditions.without(&vlan) == untagged.conditions
                && tagged.verdict == untagged.verdict
                && tagged.about == untagged.about
        })
}

fn said(clauses: &[Clause], direction: Direction, stateful: bool) -> Vec<Rule> {
    let mut rules = Vec::new();
    // Clauses before, and whether their rule is about packets of every state.
    let mut earlier: Vec<(&Clause, bool)> = Vec::new();
    for clause in clauses {
        let behind = |shields: fn(&Clause, bool) -> bool| {
            earlier.iter().any(|(one, stateless)| {
                shields(one, *stateless) && one.conditions.and_all(&clause.conditions).is_some()
            })
        };
        let stateless = stateful
            && clause.about == About::All
            && match clause.verdict {
                // What fits no connection must not slip past a `drop` that is not asked about it.
                Verdict::Accept => {
                    !behind(|one, stateless| one.verdict != Verdict::Accept && !stateless)
                }
                // libvirt accepted what belongs to these connections before it came here.
                Verdict::Drop | Verdict::Reject => {
                    !behind(|one, _| one.about != About::All && one.verdict == Verdict::Accept)
                }
            };
        earlier.push((clause, stateless));
        if clause.about != About::Followers {
            rules.push(rule(clause, direction, stateless));
        }
    }
    rules
}

fn rule(clause: &Clause, direction: Direction, stateless: bool) -> Rule {
    let mut with = clause.conditions.matches().to_vec();
    let vlan = with.iter().any(|one| one.field == Field::VlanId);
    let ether_type = clause.conditions.number(Field::EtherType);
    let protocol = match ether_type {
        _ if vlan => Protocol::Vlan,
        Some(0x0800) => Protocol::Ipv4,
        Some(0x0806) => Protocol::Arp,
        Some(0x8035) => Protocol::Rarp,
        // IPv6 by any other word would leave neighbour discovery out.
        _ => Protocol::Ether,
    };
    with.retain(|one| match protocol {
        Protocol::Vlan => *one != translate::any_vlan(),
        Protocol::Ether => true,
        _ => one.field != Field::EtherType || one.negated,
    });
    Rule {
        verdict: clause.verdict,
        direction: match direction {
            Direction::In => RuleDirection::In,
            Direction::Out => RuleDirection::Out,
        },
        what: vec![Term::Protocol {
            protocol,
            ports: Vec::new(),
            icmp: Vec::new(),
        }],
        peers: Vec::new(),
        with,
        log: None,
        stateless,
        comment: clause.comment.clone(),
        origin: clause.origin.clone(),
    }
}

/// Variables that the rules name, but `$MAC`.
pub(super) fn variables(profile: &Profile) -> BTreeSet<String> {
    let matches = profile.rules.iter().flat_map(|rule| &rule.with);
    let names = matches
        .flat_map(|one| &one.values)
        .filter_map(|value| match value {
            FieldValue::Variable(name) if name != "MAC" => Some(name.clone()),
            _ => None,
        });
    names.collect()
}

/// Whether the profile lets every frame pass.
pub(super) fn accepts_everything(profile: &Profile) -> bool {
    profile.guards.is_empty()
        && profile
            .rules
            .iter()
            .all(|rule| rule.verdict == Verdict::Accept && rule.with.is_empty())
}
