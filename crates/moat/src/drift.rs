//! `moat diff`: what is declared, compiled and installed, side by side. Knows how to tell missing
//! from foreign; the three themselves come from elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;
use datapath_nftables::{Ruleset, lower};
use nftables::{Element, Rule};
use serde_json::{Value, json};

use crate::documents::{self, Documents};
use crate::fault::{Failure, Outcome};
use crate::output::{self, Grid, Style, count, paint};
use crate::report;
use crate::situation;

const MOST_LINES: usize = 60;

#[derive(Args, Debug)]
pub(crate) struct DiffArguments {
    #[command(flatten)]
    pub documents: Documents,
    /// The Host document to follow, where several are declared
    #[arg(long, value_name = "NAME")]
    pub host: Option<String>,
}

/// One thing that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Drift {
    /// `missing`: it should be there. `foreign`: it should not. `different`: it should be otherwise.
    what: &'static str,
    kind: &'static str,
    place: String,
    detail: String,
}

/// # Errors
/// See [`Failure`].
pub(crate) fn diff(arguments: &DiffArguments, as_json: bool) -> Result<Outcome, Failure> {
    let declaration = documents::read(&arguments.documents.paths)?;
    let (_, situation) = situation::of(&declaration, arguments.host.as_deref())?;
    let drift = match &situation.resolved {
        Ok(resolved) => {
            let desired = lower(&resolved.program, &situation.capabilities);
            let installed = situation.installed.contents.as_ref();
            compare(installed.map(Ruleset::of).as_ref(), &desired)
        }
        Err(_) => Vec::new(),
    };
    let wrong = !drift.is_empty() || situation.resolved.is_err() || situation.has_refused_ports();
    if as_json {
        let mut answer = report::situation_json(&situation.program, &situation.resolved);
        let drift = drift.iter().map(|drift| {
            json!({ "what": drift.what, "kind": drift.kind, "place": drift.place, "detail": drift.detail })
        });
        answer["drift"] = drift.collect::<Value>();
        output::json(&answer);
        return Ok(Outcome::findings(wrong));
    }
    let mut text = format!(
        "declared   {}\ncompiled   {} for host {}\n",
        count(declaration.catalog.ports.len(), "port"),
        count(situation.program.ports.len(), "port"),
        situation.program.host,
    );
    text.push_str(&match &situation.installed.contents {
        None => "installed  nothing\n".to_owned(),
        Some(contents) => format!(
            "installed  {}, {}\n",
            count(datapath_nftables::census::ports(contents).len(), "port"),
            count(contents.rules.len(), "rule")
        ),
    });
    text.push_str(&report::missing_text(&situation.program));
    match &situation.resolved {
        Ok(resolved) => text.push_str(&report::degraded_text(&resolved.degraded)),
        Err(unmet) => text.push_str(&report::unmet_text(unmet)),
    }
    if drift.is_empty() {
        if situation.resolved.is_ok() {
            text.push_str("The switch is as the documents say.\n");
        }
    } else {
        text.push_str(&grid(&drift));
        text.push_str("`moat apply` makes it right, `moat guard` keeps it right.\n");
    }
    output::print(&text);
    Ok(Outcome::findings(wrong))
}

fn grid(drift: &[Drift]) -> String {
    let mut grid = Grid::new(&["", "kind", "in", "what"]);
    for drift in drift.iter().take(MOST_LINES) {
        let style = match drift.what {
            "missing" => Style::Bad,
            _ => Style::Warning,
        };
        grid.row([
            paint(style, drift.what),
            drift.kind.to_owned(),
            drift.place.clone(),
            drift.detail.clone(),
        ]);
    }
    let mut text = grid.to_string();
    let more = drift.len().saturating_sub(MOST_LINES);
    if more > 0 {
        text.push_str(&format!("… and {more} more (all of them with --json)\n"));
    }
    text
}

/// What differs, thing by thing.
fn compare(installed: Option<&Ruleset>, desired: &Ruleset) -> Vec<Drift> {
    let Some(installed) = installed else {
        return vec![Drift {
            what: "missing",
            kind: "table",
            place: datapath_nftables::table().to_string(),
            detail: "moat's table is not there".to_owned(),
        }];
    };
    let mut drift = Vec::new();
    let mut note = |what, kind, place: &str, detail: String| {
        drift.push(Drift {
            what,
            kind,
            place: place.to_owned(),
            detail,
        });
    };
    for name in names(&installed.chains, &desired.chains) {
        match (installed.chains.get(name), desired.chains.get(name)) {
            (None, Some(wanted)) => {
                note("missing", "chain", name, count(wanted.rules.len(), "rule"))
            }
            (Some(known), None) => note("foreign", "chain", name, count(known.rules.len(), "rule")),
            (Some(known), Some(wanted)) => {
                if known.chain != wanted.chain {
                    note("different", "chain", name, "its hook or policy".to_owned());
                }
                let (missing, foreign) = rules(&known.rules, &wanted.rules);
                if missing.is_empty() && foreign.is_empty() && known.rules != wanted.rules {
                    note(
                        "different",
                        "chain",
                        name,
                        "the order of its rules".to_owned(),
                    );
                }
                missing
                    .iter()
                    .for_each(|rule| note("missing", "rule", name, rule_text(rule)));
                foreign
                    .iter()
                    .for_each(|rule| note("foreign", "rule", name, rule_text(rule)));
            }
            (None, None) => {}
        }
    }
    for name in names(&installed.sets, &desired.sets) {
        match (installed.sets.get(name), desired.sets.get(name)) {
            (None, Some(wanted)) => note(
                "missing",
                "set",
                name,
                count(wanted.elements.len(), "element"),
            ),
            (Some(known), None) => note(
                "foreign",
                "set",
                name,
                count(known.elements.len(), "element"),
            ),
            (Some(known), Some(wanted)) => {
                if known.set != wanted.set {
                    note("different", "set", name, "its type".to_owned());
                }
                let has: BTreeSet<&Element> = known.elements.iter().collect();
                let wants: BTreeSet<&Element> = wanted.elements.iter().collect();
                for element in wants.difference(&has) {
                    note("missing", "element", name, element_text(element));
                }
                for element in has.difference(&wants) {
                    note("foreign", "element", name, element_text(element));
                }
            }
            (None, None) => {}
        }
    }
    let objects = |ruleset: &Ruleset| -> BTreeMap<String, nftables::Object> {
        let objects = ruleset.objects.iter();
        objects
            .map(|((_, name), object)| (name.clone(), object.clone()))
            .collect()
    };
    let (has, wants) = (objects(installed), objects(desired));
    for name in names(&has, &wants) {
        match (has.get(name), wants.get(name)) {
            (None, Some(_)) => note("missing", "object", name, String::new()),
            (Some(_), None) => note("foreign", "object", name, String::new()),
            (known, wanted) if known != wanted => {
                note("different", "object", name, "its value".to_owned());
            }
            _ => {}
        }
    }
    drift
}

fn names<'a, T>(one: &'a BTreeMap<String, T>, other: &'a BTreeMap<String, T>) -> BTreeSet<&'a str> {
    one.keys().chain(other.keys()).map(String::as_str).collect()
}

/// Rules that only one of them has, as often as it has them more: missing ones and foreign ones.
fn rules<'a>(known: &'a [Rule], wanted: &'a [Rule]) -> (Vec<&'a Rule>, Vec<&'a Rule>) {
    let mut balance: BTreeMap<&Rule, i64> = BTreeMap::new();
    known
        .iter()
        .for_each(|rule| *balance.entry(rule).or_default() += 1);
    wanted
        .iter()
        .for_each(|rule| *balance.entry(rule).or_default() -= 1);
    let pick = |wanted: fn(i64) -> bool| {
        let found = balance.iter().filter(|(_, balance)| wanted(**balance));
        found.map(|(rule, _)| *rule).collect()
    };
    (pick(|balance| balance < 0), pick(|balance| balance > 0))
}

fn rule_text(rule: &Rule) -> String {
    let words: Vec<&str> = rule
        .expressions
        .iter()
        .map(|expression| expression.name())
        .collect();
    match rule.userdata.as_comment() {
        Some(comment) => comment.to_owned(),
        None => words.join(" "),
    }
}

fn element_text(element: &Element) -> String {
    let hex = |bytes: &[u8]| {
        bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    let mut text = hex(&element.key);
    if let Some(end) = &element.key_end {
        text = format!("{text}-{}", hex(end));
    }
    if let Some(nftables::ElementData::Verdict(verdict)) = &element.data
        && let Some(target) = verdict.target()
    {
        text.push_str(&format!(" → {target}"));
    }
    match element.userdata.as_comment() {
        Some(comment) => format!("{comment} ({text})"),
        None => text,
    }
}
