//! Plans, refusals and ports in words and as JSON. Knows how they look; what they are is left to
//! the commands.

use std::fmt::Write as _;

use datapath::{Degraded, Resolved, Unmet};
use datapath_nftables::{Change, Line};
use nftables::Statistics;
use policy::HostProgram;
use policy::meaning::Meaning;
use serde_json::{Value, json};

use crate::output::{Grid, Style, count, paint};

/// Longer lists are cut for people; `--json` has everything.
const MOST_PORTS: usize = 6;
/// Lines of a change that a plan shows, and an apply.
pub(crate) const PLAN_LINES: usize = 40;
pub(crate) const APPLY_LINES: usize = 12;

/// A change in the switch, planned or made.
pub(crate) struct Written {
    pub lines: Vec<Line>,
    pub cost: Statistics,
}

impl From<&Change> for Written {
    fn from(change: &Change) -> Self {
        Self {
            lines: change.summary.clone(),
            cost: change.cost(),
        }
    }
}

impl Written {
    fn is_empty(&self) -> bool {
        self.cost.messages == 0
    }
}

pub(crate) fn change_json(change: &Written) -> Value {
    let cost = change.cost;
    let lines = change.lines.iter().map(|line| {
        json!({ "kind": line.kind, "name": line.name, "added": line.added, "removed": line.removed })
    });
    json!({
        "empty": change.is_empty(),
        "lines": lines.collect::<Value>(),
        "messages": cost.messages,
        "elements": cost.elements,
        "rules": cost.rules,
        "bytes": cost.bytes,
    })
}

pub(crate) fn change_text(change: &Written, most: usize) -> String {
    if change.is_empty() {
        return "The switch is as the documents say: nothing to change.\n".to_owned();
    }
    let mut grid = Grid::new(&["in the switch", "name", "added", "removed"]);
    for line in change.lines.iter().take(most) {
        let number = |sign: &str, style, number: usize| match number {
            0 => String::new(),
            number => paint(style, format!("{sign}{number}")),
        };
        grid.row([
            line.kind.to_owned(),
            line.name.clone(),
            number("+", Style::Good, line.added),
            number("-", Style::Bad, line.removed),
        ]);
    }
    let mut text = grid.to_string();
    let more = change.lines.len().saturating_sub(most);
    if more > 0 {
        let _ = writeln!(text, "… and {more} more (all of them with --json)");
    }
    let cost = change.cost;
    let _ = writeln!(
        text,
        "One transaction: {}, {}, {}, {}.",
        count(cost.messages, "message"),
        count(cost.rules, "rule"),
        count(cost.elements, "element"),
        count(cost.bytes, "byte"),
    );
    text
}

/// What the change means for traffic.
pub(crate) fn meaning_text(meaning: &Meaning) -> String {
    if meaning.is_empty() {
        return "What it means: traffic stays as it is.\n\n".to_owned();
    }
    format!("What it means:\n{}\n", indented(&meaning.to_string()))
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

pub(crate) fn unmet_text(unmet: &[Unmet]) -> String {
    let mut text = String::new();
    for need in unmet {
        let _ = writeln!(
            text,
            "{} {}: {}",
            paint(Style::Bad, "refused"),
            paint(Style::Strong, need.capability),
            need.reason
        );
        let _ = writeln!(text, "  needed by  {}", need.needed_by);
        if !need.ports.is_empty() {
            let _ = writeln!(text, "  for        {}", few(&need.ports));
        }
        let _ = writeln!(text, "  remedy     {}", need.remedy);
    }
    text
}

pub(crate) fn degraded_text(degraded: &[Degraded]) -> String {
    let mut text = String::new();
    for given_up in degraded {
        let _ = writeln!(
            text,
            "{} {} for {}: {}",
            paint(Style::Warning, "without"),
            given_up.capability,
            few(&given_up.ports),
            given_up.instead
        );
    }
    text
}

/// Ports that are declared and not enforced here.
pub(crate) fn missing_text(program: &HostProgram) -> String {
    let mut text = String::new();
    let mut absent = 0_usize;
    for (name, refusal) in &program.refused {
        if refusal.absent {
            absent = absent.saturating_add(1);
            continue;
        }
        let _ = writeln!(
            text,
            "{} port {name} ({}): {}; it stays in quarantine",
            paint(Style::Bad, "refused"),
            refusal.origin,
            refusal.reason
        );
    }
    if absent > 0 {
        let _ = writeln!(
            text,
            "{}",
            paint(
                Style::Faint,
                format!(
                    "{} not on this host (`moat ports` says why)",
                    declared(absent)
                ),
            )
        );
    }
    text
}

fn declared(number: usize) -> String {
    match number {
        1 => "1 declared port is".to_owned(),
        number => format!("{number} declared ports are"),
    }
}

pub(crate) fn missing_json(program: &HostProgram, absent: bool) -> Value {
    let refused = program.refused.iter();
    refused
        .filter(|(_, refusal)| refusal.absent == absent)
        .map(|(name, refusal)| {
            json!({ "port": name, "reason": refusal.reason, "origin": refusal.origin.to_string() })
        })
        .collect()
}

/// What plan, apply and diff have in common.
pub(crate) fn situation_json(
    program: &HostProgram,
    resolved: &Result<Resolved, Vec<Unmet>>,
) -> Value {
    let (degraded, unmet) = match resolved {
        Ok(resolved) => (json!(resolved.degraded), json!([])),
        Err(unmet) => (json!([]), json!(unmet)),
    };
    json!({
        "host": program.host,
        "ports": program.ports.keys().collect::<Vec<_>>(),
        "refused-ports": missing_json(program, false),
        "absent-ports": missing_json(program, true),
        "degraded": degraded,
        "unmet": unmet,
    })
}

fn few(names: &[String]) -> String {
    let shown = names.iter().take(MOST_PORTS).cloned().collect::<Vec<_>>();
    match names.len().saturating_sub(shown.len()) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
