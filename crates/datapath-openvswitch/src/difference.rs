//! What to change in a switch: from flows that it has to flows that it should have. Pure; it touches
//! nothing but flows whose cookie says that they are ours.

use std::collections::{HashMap, HashSet};

use openflow::message::multipart::MonitoredFlow;
use openflow::message::{FlowCommand, FlowStats};
use openflow::{Action, FlowMod, Instruction, Match, Message};

use crate::lower::identity::{LEARNED, OWNER, OWNER_MASK};
use crate::lower::{FlowBody, FlowKey, Lowered, layout};
use crate::wire::{self, Unspeakable};

/// What identifies a flow in its switch: table, priority, match.
pub type Key = (u8, u16, Match);

/// What a flow is besides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    pub cookie: u64,
    /// `None`: it does something else than apply actions, or it goes by itself.
    pub actions: Option<Vec<Action>>,
}

/// Flows by what identifies them.
pub type Flows = HashMap<Key, Content>;

/// A change, specific enough that nothing is left to decide.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Difference {
    /// In the order in which they are to be sent.
    pub messages: Vec<Message>,
    /// What the switch has when they took effect, where it differs from before.
    pub outcome: Vec<(Key, Option<Content>)>,
    pub added: usize,
    pub changed: usize,
    pub removed: usize,
    /// Flows of others that stand exactly where one of ours would.
    pub conflicts: Vec<String>,
}

impl Difference {
    /// Whether the switch stays as it is.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty() && self.conflicts.is_empty()
    }

    /// For people, a line each.
    pub fn summary(&self) -> Vec<String> {
        let counts = [
            ("added", self.added),
            ("changed", self.changed),
            ("removed", self.removed),
        ];
        let counts = counts.into_iter().filter(|(_, count)| *count > 0);
        counts
            .map(|(what, count)| format!("{count} flows {what}"))
            .collect()
    }
}

/// Whether a cookie is ours.
pub fn is_ours(cookie: u64) -> bool {
    cookie & OWNER_MASK == OWNER
}

/// Ours, and not made by the switch itself.
fn is_ours_to_keep(content: &Content) -> bool {
    is_ours(content.cookie) && content.cookie != LEARNED
}

/// What identifies a flow, in the switch's words.
///
/// # Errors
/// Where it cannot be said in OpenFlow.
pub fn key(key: &FlowKey) -> Result<Key, Unspeakable> {
    Ok((key.table, key.priority, wire::matching(&key.matching)?))
}

/// What a flow is besides, in the switch's words.
///
/// # Errors
/// Where it cannot be said in OpenFlow.
pub fn content(body: &FlowBody) -> Result<Content, Unspeakable> {
    Ok(Content {
        cookie: body.cookie,
        actions: Some(wire::actions(&body.actions)?),
    })
}

/// All flows that are wanted.
///
/// # Errors
/// Where one cannot be said in OpenFlow.
pub fn wanted(lowered: &Lowered) -> Result<Flows, Unspeakable> {
    let flows = lowered.flows.iter();
    flows
        .map(|(place, body)| Ok((key(place)?, content(body)?)))
        .collect()
}

/// A flow as a switch tells of it.
pub fn installed(flow: FlowStats) -> (Key, Content) {
    let lasting = (flow.idle_timeout, flow.hard_timeout) == (0, 0);
    let content = Content {
        cookie: flow.cookie,
        actions: applied(flow.instructions).filter(|_| lasting),
    };
    ((flow.table, flow.priority, flow.matching), content)
}

/// A flow as a switch tells of it that is watched.
pub fn watched(flow: MonitoredFlow) -> (Key, Content) {
    let lasting = (flow.idle_timeout, flow.hard_timeout) == (0, 0);
    let content = Content {
        cookie: flow.cookie,
        actions: applied(flow.instructions).filter(|_| lasting),
    };
    ((flow.table, flow.priority, flow.matching), content)
}

/// From installed to wanted, everywhere.
pub fn difference(wanted: &Flows, installed: &Flows) -> Difference {
    let gone = installed
        .iter()
        .filter(|(_, content)| is_ours_to_keep(content));
    let gone = gone
        .map(|(key, _)| key)
        .filter(|key| !wanted.contains_key(*key));
    difference_at(wanted.keys().chain(gone), wanted, installed)
}

/// From installed to wanted at these places.
pub fn difference_at<'a>(
    places: impl Iterator<Item = &'a Key>,
    wanted: &Flows,
    installed: &Flows,
) -> Difference {
    let mut change = Difference::default();
    let (mut removals, mut additions) = (Vec::new(), Vec::new());
    let mut seen = HashSet::new();
    for place in places {
        if !seen.insert(place) {
            continue;
        }
        let (found, want) = (installed.get(place), wanted.get(place));
        match (found, want) {
            (found, want) if found == want => {}
            (Some(found), None) if is_ours_to_keep(found) => {
                change.removed += 1;
                removals.push(removal(place, found));
                change.outcome.push((place.clone(), None));
            }
            (_, None) => {}
            (Some(found), Some(_)) if !is_ours(found.cookie) => {
                let (table, priority, matching) = place;
                let text = format!("table={table}, priority={priority}, {matching}");
                change.conflicts.push(text);
            }
            (found, Some(want)) => {
                let mut flow = addition(place, want);
                if let Some(found) = found {
                    change.changed += 1;
                    // Only an addition changes the cookie; a modification keeps what was counted.
                    if found.cookie == want.cookie && found.actions.is_some() {
                        flow.command = FlowCommand::ModifyStrict;
                    }
                } else {
                    change.added += 1;
                }
                additions.push(flow);
                change.outcome.push((place.clone(), Some(want.clone())));
            }
        }
    }
    // A port that is no more must not be remembered as somebody's place.
    let forget = removals
        .iter()
        .any(|flow: &FlowMod| flow.table == layout::DELIVERY);
    let forget = forget.then(|| FlowMod::delete_by_cookie(LEARNED, u64::MAX));
    let all = removals.into_iter().chain(forget).chain(additions);
    change.messages = all.map(|flow| Message::FlowMod(flow.into())).collect();
    change
}

fn addition((table, priority, matching): &Key, content: &Content) -> FlowMod {
    let actions = content.actions.clone().unwrap_or_default();
    let mut flow = FlowMod::add(*table, *priority, matching.clone(), actions);
    flow.cookie = content.cookie;
    flow
}

fn removal((table, priority, matching): &Key, content: &Content) -> FlowMod {
    FlowMod {
        table: *table,
        priority: *priority,
        cookie: content.cookie,
        cookie_mask: u64::MAX,
        command: FlowCommand::DeleteStrict,
        matching: matching.clone(),
        ..FlowMod::default()
    }
}

/// The actions of a flow that has no other instructions.
fn applied(mut instructions: Vec<Instruction>) -> Option<Vec<Action>> {
    match (instructions.pop(), instructions.is_empty()) {
        (None, _) => Some(Vec::new()),
        (Some(Instruction::ApplyActions(actions)), true) => Some(actions),
        _ => None,
    }
}
