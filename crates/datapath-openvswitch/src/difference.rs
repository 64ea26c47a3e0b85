//! What to change in a switch: from flows that it has to flows that it should have. A pure function;
//! it touches nothing but flows whose cookie says that they are ours.

use std::collections::HashMap;

use openflow::message::{FlowCommand, FlowStats};
use openflow::{Action, FlowMod, Instruction, Match, Message};

use crate::lower::identity::{LEARNED, OWNER, OWNER_MASK};
use crate::lower::{Lowered, layout};
use crate::wire::{self, Unspeakable};

/// A change, specific enough that nothing is left to decide.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Difference {
    /// In the order in which they are to be sent.
    pub messages: Vec<Message>,
    pub added: usize,
    pub changed: usize,
    pub removed: usize,
    /// Flows of others that stand exactly where one of ours would: table, priority, match.
    pub conflicts: Vec<String>,
}

impl Difference {
    /// Whether the switch stays as it is.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty() && self.conflicts.is_empty()
    }

    /// For people, a line each.
    pub fn summary(&self) -> Vec<String> {
        [
            ("added", self.added),
            ("changed", self.changed),
            ("removed", self.removed),
        ]
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(what, count)| format!("{count} flows {what}"))
        .collect()
    }
}

/// Whether a cookie is ours.
pub fn is_ours(cookie: u64) -> bool {
    cookie & OWNER_MASK == OWNER
}

/// What identifies a flow in its switch.
type Key = (u8, u16, Match);

/// From installed to wanted.
///
/// # Errors
/// Where a wanted flow cannot be said in OpenFlow.
pub fn difference(wanted: &Lowered, installed: &[FlowStats]) -> Result<Difference, Unspeakable> {
    let mut present: HashMap<Key, &FlowStats> = HashMap::with_capacity(installed.len());
    for flow in installed {
        present.insert((flow.table, flow.priority, flow.matching.clone()), flow);
    }
    let mut change = Difference::default();
    let mut additions = Vec::new();
    for (key, body) in &wanted.flows {
        let matching = wire::matching(&key.matching)?;
        let actions = wire::actions(&body.actions)?;
        let found = present.remove(&(key.table, key.priority, matching.clone()));
        let mut flow = FlowMod::add(key.table, key.priority, matching, actions);
        flow.cookie = body.cookie;
        match found {
            None => {
                change.added += 1;
                additions.push(flow);
            }
            Some(found) if !is_ours(found.cookie) => {
                let place = format!(
                    "table={}, priority={}, {}",
                    key.table, key.priority, key.matching
                );
                change.conflicts.push(place);
            }
            Some(found) if found.cookie == body.cookie && does(found, &flow) => {}
            Some(found) => {
                change.changed += 1;
                // Only an addition changes the cookie; a modification keeps what was counted.
                if found.cookie == body.cookie {
                    flow.command = FlowCommand::ModifyStrict;
                }
                additions.push(flow);
            }
        }
    }
    let gone = present
        .into_values()
        .filter(|flow| is_ours(flow.cookie) && flow.cookie != LEARNED);
    let mut removals: Vec<&FlowStats> = gone.collect();
    removals.sort_by_key(|flow| (flow.table, flow.priority, flow.cookie));
    change.removed = removals.len();
    // A port that is no more must not be remembered as somebody's place.
    let forget = removals.iter().any(|flow| flow.table == layout::DELIVERY);
    let forget = forget.then(|| FlowMod::delete_by_cookie(LEARNED, u64::MAX));
    let removals = removals.into_iter().map(removal);
    change.messages = removals
        .chain(forget)
        .chain(additions)
        .map(|flow| Message::FlowMod(flow.into()))
        .collect();
    Ok(change)
}

fn removal(flow: &FlowStats) -> FlowMod {
    FlowMod {
        table: flow.table,
        priority: flow.priority,
        cookie: flow.cookie,
        cookie_mask: u64::MAX,
        command: FlowCommand::DeleteStrict,
        matching: flow.matching.clone(),
        ..FlowMod::default()
    }
}

/// Whether an installed flow does what a wanted one says.
fn does(installed: &FlowStats, wanted: &FlowMod) -> bool {
    applied(&installed.instructions) == applied(&wanted.instructions)
        && (installed.idle_timeout, installed.hard_timeout) == (0, 0)
}

/// The actions of a flow that has no other instructions.
fn applied(instructions: &[Instruction]) -> Option<&[Action]> {
    match instructions {
        [] => Some(&[]),
        [Instruction::ApplyActions(actions)] => Some(actions),
        _ => None,
    }
}
