//! Lists of rules, shared by all behaviours that name them: the first that matches decides, so
//! priorities descend in the order of the list.

use std::collections::BTreeSet;

use policy::program::{Behaviour, CompiledRule, Condition, Direction, RuleList};
use policy::rule::Verdict;

use crate::flow::{Action, Bits, Cube};

use super::conditions::{
    Doubt, Kind, MOST, cross, is_of_any_kind, is_of_arp, is_unreadable, names_unreadable_ports,
};
use super::identity::Counted;
use super::{Lack, Lowering, layout};

/// Priority of the first rule of a list.
const FIRST: u16 = 60_000;

impl Lowering<'_> {
    /// What a list has in [`layout::RULES`].
    pub(super) fn list(&mut self, list: &RuleList) {
        for (direction, rules) in [
            (Direction::In, &list.inward),
            (Direction::Out, &list.outward),
        ] {
            let subject = self.list_number(list, direction);
            for (rank, rule) in rules.iter().enumerate() {
                let rank = u16::try_from(rank).unwrap_or(u16::MAX);
                let Some(priority) = FIRST.checked_sub(rank).filter(|left| *left > 0) else {
                    let lack = Lack::new(rule, "a list may have 59,999 rules");
                    self.making.lacks.insert(lack);
                    break;
                };
                self.rule(rule, subject, priority);
            }
        }
    }

    /// The flow of a behaviour in [`layout::LISTS`].
    pub(super) fn order(&mut self, behaviour: &Behaviour) {
        let program = self.program;
        let number = self.identities.number("behaviour", &behaviour.name);
        for (inward, direction) in [(0, Direction::Out), (1, Direction::In)] {
            let mut actions = Vec::new();
            if self.tracks(behaviour) {
                let bits = match direction {
                    Direction::In => layout::RECEIVER_GENERATION,
                    Direction::Out => layout::GENERATION,
                };
                actions.push(Action::Load(bits, self.generation(behaviour, direction)));
            }
            for list in behaviour
                .lists
                .iter()
                .filter_map(|name| program.lists.get(name))
            {
                let rules = match direction {
                    Direction::In => &list.inward,
                    Direction::Out => &list.outward,
                };
                if !rules.is_empty() {
                    let subject = self.list_number(list, direction);
                    actions.push(Action::Load(layout::SUBJECT, subject));
                    actions.push(Action::Resubmit(layout::RULES));
                }
            }
            actions.push(Action::Resubmit(layout::DECISION));
            let matching = Cube::any()
                .bits(layout::BEHAVIOUR, number)
                .bits(layout::INWARD, inward);
            self.step(layout::LISTS, 10, matching, actions);
        }
    }

    fn list_number(&mut self, list: &RuleList, direction: Direction) -> u32 {
        self.identities
            .number(&format!("list {direction:?}"), &list.name)
    }

    fn rule(&mut self, rule: &CompiledRule, subject: u32, priority: u16) {
        let doubt = Doubt::of(rule.verdict, rule.audit);
        let mut cubes = BTreeSet::new();
        for conditions in &rule.alternatives {
            if let Some(condition) = conditions.iter().find(|it| is_unreadable(it.field)) {
                let reason = format!("Open vSwitch does not read {}", condition.field.name());
                self.making.lacks.insert(Lack::new(rule, &reason));
            }
            if names_unreadable_ports(conditions) {
                let lack = Lack::new(
                    rule,
                    "Open vSwitch does not read ports of DCCP and UDP-Lite",
                );
                self.making.lacks.insert(lack);
            }
            for (class, considered) in considered(rule) {
                for kind in kinds(class, conditions) {
                    let fits = self.alternative(conditions, kind, doubt, &considered);
                    match fits.filter(|fits| fits.len() + cubes.len() <= MOST) {
                        Some(fits) => cubes.extend(fits),
                        None => return self.in_doubt(rule, subject, priority, doubt),
                    }
                }
            }
        }
        self.flows_of(rule, subject, priority, cubes);
    }

    /// A rule that would take too many flows: whatever it might be about is refused, where it
    /// refuses, and nothing passes by it.
    fn in_doubt(&mut self, rule: &CompiledRule, subject: u32, priority: u16, doubt: Doubt) {
        let lack = Lack::new(rule, "it would take more than 4,096 flows");
        self.making.lacks.insert(lack);
        if doubt.unreadable {
            let cubes = considered(rule).into_iter().map(|(_, cube)| cube);
            self.flows_of(rule, subject, priority, cubes.collect());
        }
    }

    fn flows_of(
        &mut self,
        rule: &CompiledRule,
        subject: u32,
        priority: u16,
        cubes: BTreeSet<Cube>,
    ) {
        let passes = rule.audit || rule.verdict == Verdict::Accept;
        let verdict = if passes { layout::ACCEPT } else { layout::DROP };
        let counted = Counted::Decider(rule.id.clone());
        for cube in cubes {
            let matching = cube.bits(layout::SUBJECT, subject).bits(layout::VERDICT, 0);
            let actions = vec![Action::Load(layout::VERDICT, verdict)];
            self.counted(layout::RULES, priority, matching, &counted, actions);
        }
    }

    fn alternative(
        &mut self,
        conditions: &[Condition],
        kind: Kind,
        doubt: Doubt,
        considered: &Cube,
    ) -> Option<Vec<Cube>> {
        let mut cubes = vec![kind.cube()];
        for condition in conditions {
            let fits = self.condition(condition, kind, doubt)?;
            cubes = cross(&cubes, &fits);
            if cubes.len() > MOST {
                return None;
            }
        }
        let considered = cubes.iter().filter_map(|cube| cube.and(considered));
        Some(considered.collect())
    }
}

/// The classes for which a rule is considered, with what tells them.
fn considered(rule: &CompiledRule) -> Vec<(Bits, Cube)> {
    let names = rule.names;
    let mut classes = Vec::new();
    let mut class = |named: bool, bits: Bits| {
        if named {
            classes.push((bits, Cube::any().bits(bits, 1)));
        }
    };
    class(names.arp, layout::CLASS_ARP);
    class(names.nd, layout::CLASS_ND);
    class(names.dhcp, layout::CLASS_DHCP);
    class(names.other, layout::CLASS_OTHER);
    if rule.packets {
        let begins = Cube::any().bits(layout::CLASS_PACKET, 1);
        let begins = if rule.stateless {
            begins
        } else {
            begins.bits(layout::KNOWN, 0)
        };
        classes.push((layout::CLASS_PACKET, begins));
    }
    classes
}

/// The kinds of frames of a class that conditions may fit.
fn kinds(class: Bits, conditions: &[Condition]) -> Vec<Kind> {
    let any = conditions.iter().all(is_of_any_kind);
    match class {
        layout::CLASS_ARP => vec![Kind::Arp],
        layout::CLASS_ND => vec![Kind::Ipv6],
        layout::CLASS_OTHER if conditions.iter().any(|it| is_of_arp(it.field)) => vec![Kind::Rarp],
        layout::CLASS_OTHER => vec![Kind::Other],
        _ if any => vec![Kind::Any],
        _ => vec![Kind::Ipv4, Kind::Ipv6],
    }
}
