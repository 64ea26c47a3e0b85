//! Two layers of chains as one list in which the first match decides. Knows chains, `return`,
//! `continue` and what state means; nothing of documents.
//!
//! A frame must pass both layers: where the first accepts, the list goes on with the second, under the
//! same conditions; where the first drops, that is it.

use std::collections::BTreeMap;

use policy::origin::Origin;
use policy::program;
use policy::rule::{Field, Verdict};

use super::Refusal;
use super::conjunction::Conjunction;
use super::filter::{Action, Direction, FilterRule, Protocol, State};
use super::translate::{self, IPV4, IPV6, Tagging};

/// A bound rule with the chain of its filter.
#[derive(Clone, Debug)]
pub(super) struct Bound {
    pub(super) rule: FilterRule,
    pub(super) chain: String,
    pub(super) chain_priority: i32,
}

/// One entry of the resulting list.
#[derive(Clone, Debug)]
pub(super) struct Clause {
    pub(super) conditions: Conjunction,
    pub(super) verdict: Verdict,
    pub(super) about: About,
    pub(super) comment: Option<String>,
    pub(super) origin: Origin,
}

/// Which packets a clause is about, where connections are tracked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    All,
    /// Those that begin a connection; what follows passes by what moat knows of it.
    Beginnings,
    /// Those that belong to an accepted connection: libvirt needs a rule for them, moat does not. It
    /// stands here because a `drop` behind it is not about them.
    Followers,
}

/// More clauses than a switch should walk.
const MOST_CLAUSES: usize = 4000;

/// What happens to frames of one direction, in the order of decision. Every frame meets some clause.
pub(super) fn flatten(
    rules: &[Bound],
    direction: program::Direction,
    tagging: Tagging,
) -> Result<Vec<Clause>, Vec<Refusal>> {
    let mut refusals = Vec::new();
    let items = link_items(rules, direction, tagging, &mut refusals);
    let families = match tagging {
        Tagging::Untagged => packet_families(rules, direction, &mut refusals),
        // br_netfilter leaves tagged frames alone, so the second layer never sees them.
        Tagging::Tagged => Vec::new(),
    };
    if !refusals.is_empty() {
        return Err(refusals);
    }
    let region = match tagging {
        Tagging::Untagged => Conjunction::default(),
        Tagging::Tagged => Conjunction::default()
            .and(translate::any_vlan())
            .unwrap_or_default(),
    };
    let mut output = Output {
        clauses: Vec::new(),
        families,
    };
    output.root(&items, &region);
    if output.clauses.len() >= MOST_CLAUSES {
        return Err(vec![Refusal {
            reason: format!("more than {MOST_CLAUSES} rules after taking chains apart"),
            origin: Origin::default(),
        }]);
    }
    Ok(simplified(output.clauses))
}

/// What the root chain of the first layer consists of.
enum Item {
    Rule(Step),
    Chain(Conjunction, Vec<Step>),
}

struct Step {
    conditions: Conjunction,
    action: Action,
    comment: Option<String>,
    origin: Origin,
}

fn concerns(rule: &FilterRule, direction: program::Direction) -> bool {
    match rule.direction {
        Direction::InOut => true,
        Direction::In => direction == program::Direction::In,
        Direction::Out => direction == program::Direction::Out,
    }
}

fn link_items(
    rules: &[Bound],
    direction: program::Direction,
    tagging: Tagging,
    refusals: &mut Vec<Refusal>,
) -> Vec<Item> {
    let mut root: Vec<(i32, Step)> = Vec::new();
    let mut chains: Vec<(i32, &str, Vec<Step>)> = Vec::new();
    for bound in rules {
        let rule = &bound.rule;
        if matches!(rule.protocol, Some(Protocol::Packet(_))) || !concerns(rule, direction) {
            continue;
        }
        let conditions = match translate::link_layer(rule, direction, tagging) {
            Ok(conditions) => conditions,
            Err(refusal) => {
                refusals.push(refusal);
                continue;
            }
        };
        let step = conditions.map(|conditions| Step {
            conditions,
            action: rule.action,
            comment: comment(rule),
            origin: rule.origin.clone(),
        });
        if bound.chain == "root" {
            root.extend(step.map(|step| (rule.priority, step)));
            continue;
        }
        // Where filters disagree about their chain's priority, the last rule's holds.
        match chains.iter_mut().find(|(_, name, _)| *name == bound.chain) {
            Some((priority, _, steps)) => {
                *priority = bound.chain_priority;
                steps.extend(step);
            }
            None => {
                let steps = step.into_iter().collect();
                chains.push((bound.chain_priority, &bound.chain, steps));
            }
        }
    }
    // At the same priority a jump comes before a rule.
    let mut ordered: BTreeMap<(i32, bool), Vec<Item>> = BTreeMap::new();
    for (priority, name, steps) in chains {
        if let Some(conditions) = translate::chain_condition(name, tagging) {
            let slot = ordered.entry((priority, false)).or_default();
            slot.push(Item::Chain(conditions, steps));
        }
    }
    for (priority, step) in root {
        ordered
            .entry((priority, true))
            .or_default()
            .push(Item::Rule(step));
    }
    ordered.into_values().flatten().collect()
}

/// What the second layer says of the packets of one IP version.
struct Family {
    ether_type: u64,
    steps: Vec<PacketStep>,
}

struct PacketStep {
    conditions: Conjunction,
    verdict: Verdict,
    about: About,
    comment: Option<String>,
    origin: Origin,
}

fn packet_families(
    rules: &[Bound],
    direction: program::Direction,
    refusals: &mut Vec<Refusal>,
) -> Vec<Family> {
    let mut families = Vec::new();
    for (ipv6, ether_type) in [(false, IPV4), (true, IPV6)] {
        let mut steps = Vec::new();
        for bound in rules {
            let Some(Protocol::Packet(protocol)) = bound.rule.protocol else {
                continue;
            };
            if protocol.ipv6 != ipv6 {
                continue;
            }
            let translated = translate::packet_layer(&bound.rule, protocol, direction);
            match translated.and_then(|conditions| {
                let Some(conditions) = conditions else {
                    return Ok(None);
                };
                packet_step(&bound.rule, direction, conditions)
            }) {
                Ok(step) => steps.extend(step),
                Err(refusal) => refusals.push(refusal),
            }
        }
        if !steps.is_empty() {
            families.push(Family { ether_type, steps });
        }
    }
    families
}

/// How a rule of the second layer decides packets of a direction; `None`: not at all.
fn packet_step(
    rule: &FilterRule,
    direction: program::Direction,
    conditions: Conjunction,
) -> Result<Option<PacketStep>, Refusal> {
    let refuse = |reason: &str| {
        Err(Refusal {
            reason: reason.to_owned(),
            origin: rule.origin.clone(),
        })
    };
    let own = concerns(rule, direction);
    let verdict = match rule.action {
        Action::Accept | Action::Return => Verdict::Accept,
        Action::Drop => Verdict::Drop,
        Action::Reject => Verdict::Reject,
        Action::Continue => {
            return refuse(
                "`continue` in a rule for iptables: libvirt itself fails to carry it out",
            );
        }
    };
    let mut about = About::All;
    if let Some(states) = translate::explicit_states(rule).filter(|_| rule.statematch) {
        if !own {
            return Ok(None);
        }
        let has = |state| states.contains(&state);
        match verdict {
            Verdict::Accept if has(State::New) && has(State::Invalid) => {}
            Verdict::Accept if has(State::Invalid) => {
                return refuse("it accepts packets that fit no connection, which moat drops");
            }
            Verdict::Accept if has(State::New) => about = About::Beginnings,
            Verdict::Accept => about = About::Followers,
            _ if has(State::New) && has(State::Established) && has(State::Related) => {}
            _ if has(State::New) => about = About::Beginnings,
            // moat drops what fits no connection, without a rule.
            _ if has(State::Invalid) && states.len() == 1 => return Ok(None),
            _ => {
                return refuse(
                    "it drops packets of connections that were accepted, by their state alone: moat asks a \
                     rule about packets that begin a connection, or about all",
                );
            }
        }
    } else if rule.action == Action::Accept && rule.statematch && rule.direction != Direction::InOut
    {
        about = if own {
            About::Beginnings
        } else {
            About::Followers
        };
    }
    Ok(Some(PacketStep {
        conditions,
        verdict,
        about,
        comment: comment(rule),
        origin: rule.origin.clone(),
    }))
}

struct Output {
    clauses: Vec<Clause>,
    families: Vec<Family>,
}

impl Output {
    /// Decides every frame of the region, by what is left of the root chain.
    fn root(&mut self, items: &[Item], region: &Conjunction) {
        for (at, item) in items.iter().enumerate() {
            let rest = items.get(at.saturating_add(1)..).unwrap_or_default();
            if self.clauses.len() >= MOST_CLAUSES {
                return;
            }
            match item {
                Item::Rule(step) => {
                    let Some(inner) = region.and_all(&step.conditions) else {
                        continue;
                    };
                    match step.action {
                        Action::Continue => continue,
                        // The root chain returns to where everything passes.
                        Action::Accept | Action::Return => self.accept(&inner, step),
                        Action::Drop | Action::Reject => self.drop(&inner, step),
                    }
                    if inner == *region {
                        return;
                    }
                }
                Item::Chain(jump, steps) => {
                    let Some(inner) = region.and_all(jump) else {
                        continue;
                    };
                    self.chain(steps, &inner, rest);
                    if inner == *region {
                        return;
                    }
                }
            }
        }
        self.accept(region, &fallthrough());
    }

    /// Decides every frame of the region, which is in a chain; `rest` is what follows in the root chain.
    fn chain(&mut self, steps: &[Step], region: &Conjunction, rest: &[Item]) {
        for step in steps {
            if self.clauses.len() >= MOST_CLAUSES {
                return;
            }
            let Some(inner) = region.and_all(&step.conditions) else {
                continue;
            };
            match step.action {
                Action::Continue => continue,
                Action::Accept => self.accept(&inner, step),
                Action::Drop | Action::Reject => self.drop(&inner, step),
                Action::Return => self.root(rest, &inner),
            }
            if inner == *region {
                return;
            }
        }
        // A chain of ebtables that says nothing accepts.
        self.accept(region, &fallthrough());
    }

    fn drop(&mut self, region: &Conjunction, step: &Step) {
        // ebtables cannot reject, so libvirt drops.
        self.push(
            region.clone(),
            Verdict::Drop,
            About::All,
            step.comment.clone(),
            &step.origin,
        );
    }

    /// What the first layer accepts, the second decides.
    fn accept(&mut self, region: &Conjunction, step: &Step) {
        let families = std::mem::take(&mut self.families);
        let mut decided = false;
        for family in &families {
            let ether_type = translate::number(Field::EtherType, family.ether_type);
            let Some(inner) = region.and(ether_type) else {
                continue;
            };
            let mut closed = false;
            for packet in &family.steps {
                let Some(both) = inner.and_all(&packet.conditions) else {
                    continue;
                };
                closed = both == inner && packet.about == About::All;
                let comment = packet.comment.clone().or_else(|| step.comment.clone());
                self.push(both, packet.verdict, packet.about, comment, &packet.origin);
                if closed {
                    break;
                }
            }
            decided |= closed && inner == *region;
        }
        self.families = families;
        if !decided {
            self.push(
                region.clone(),
                Verdict::Accept,
                About::All,
                step.comment.clone(),
                &step.origin,
            );
        }
    }

    fn push(
        &mut self,
        conditions: Conjunction,
        verdict: Verdict,
        about: About,
        comment: Option<String>,
        origin: &Origin,
    ) {
        self.clauses.push(Clause {
            conditions,
            verdict,
            about,
            comment,
            origin: origin.clone(),
        });
    }
}

fn fallthrough() -> Step {
    Step {
        conditions: Conjunction::default(),
        action: Action::Accept,
        comment: None,
        origin: Origin::default(),
    }
}

fn comment(rule: &FilterRule) -> Option<String> {
    match rule.attribute("comment").map(|one| &one.value) {
        Some(super::filter::Value::Text(text)) if !text.is_empty() => Some(text.clone()),
        _ => None,
    }
}

/// Without clauses that no frame comes to, and without those that the next says as well.
pub(super) fn simplified(clauses: Vec<Clause>) -> Vec<Clause> {
    let mut kept: Vec<Clause> = Vec::new();
    for clause in clauses {
        let covered = kept.iter().any(|earlier| {
            earlier.conditions.covers(&clause.conditions)
                && (earlier.about == About::All || earlier.about == clause.about)
        });
        if !covered {
            kept.push(clause);
        }
    }
    // From the end: a clause whose frames all meet the very next ones with the same verdict says nothing.
    let mut at = kept.len();
    while let Some(index) = at.checked_sub(1) {
        at = index;
        let Some(clause) = kept.get(index) else {
            continue;
        };
        let mut said = false;
        for later in kept.iter().skip(index.saturating_add(1)) {
            let same = later.verdict == clause.verdict && later.about == clause.about;
            if same && later.conditions.covers(&clause.conditions) {
                said = true;
                break;
            }
            if !same && clause.conditions.and_all(&later.conditions).is_some() {
                break;
            }
        }
        if said {
            kept.remove(index);
        }
    }
    kept
}
