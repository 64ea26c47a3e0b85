//! `moat stats`: what the switch has counted, rule by rule and port by port. Knows how counters are
//! named for people; counting is the switch's.

use clap::Args;
use datapath::{CounterValue, Datapath as _};
use datapath_nftables::{NftablesDatapath, census};
use serde_json::{Map, Value, json};

use crate::fault::{Failure, Outcome};
use crate::output::{self, Grid};
use crate::situation;

#[derive(Args, Debug)]
pub(crate) struct StatsArguments {
    /// Show what has counted nothing, too
    #[arg(long)]
    pub all: bool,
}

/// # Errors
/// See [`Failure`].
pub(crate) fn stats(arguments: &StatsArguments, as_json: bool) -> Result<Outcome, Failure> {
    let mut datapath = situation::open()?;
    let installed = datapath.read()?;
    let Some(contents) = &installed.contents else {
        return Err(Failure::state(
            "nothing is counted: moat's table is not in this network namespace",
        )
        .help("bring documents into force with `moat apply`"));
    };
    let counters = NftablesDatapath::counters(&installed);
    let texts = census::rule_texts(contents);
    let text = |id: &str| texts.get(id).map_or_else(|| meaning(id), String::as_str);
    if as_json {
        let rules: Map<String, Value> = counters
            .rules
            .iter()
            .map(|(id, value)| {
                let value =
                    json!({ "frames": value.frames, "bytes": value.bytes, "rule": text(id) });
                (id.clone(), value)
            })
            .collect();
        output::json(&json!({ "rules": rules, "ports": counters.ports }));
        return Ok(Outcome::Fine);
    }
    let shown = |value: &CounterValue| arguments.all || value.frames > 0;
    let mut ports = Grid::new(&["port", "frames in", "bytes in", "forged frames"]);
    for (name, port) in &counters.ports {
        if shown(&port.inward) || shown(&port.forged) {
            ports.row([
                name.clone(),
                port.inward.frames.to_string(),
                port.inward.bytes.to_string(),
                port.forged.frames.to_string(),
            ]);
        }
    }
    let mut rules = Grid::new(&["counter", "frames", "bytes", "rule"]);
    for (id, value) in counters.rules.iter().filter(|(_, value)| shown(value)) {
        rules.row([
            id.clone(),
            value.frames.to_string(),
            value.bytes.to_string(),
            text(id).to_owned(),
        ]);
    }
    if ports.is_empty() && rules.is_empty() {
        output::line("Nothing has been counted yet (--all shows the counters).");
        return Ok(Outcome::Fine);
    }
    let mut answer = String::new();
    if !ports.is_empty() {
        answer.push_str(&ports.to_string());
    }
    if !rules.is_empty() {
        if !answer.is_empty() {
            answer.push('\n');
        }
        answer.push_str(&rules.to_string());
    }
    output::print(&answer);
    Ok(Outcome::Fine)
}

/// What counters count that belong to no rule.
fn meaning(id: &str) -> &'static str {
    match id {
        "quarantine" => "dropped: of no admitted port on a managed bridge",
        "malformed" => "dropped: cannot be read, or cut short",
        "tagged" => "dropped: a VLAN tag that the profile does not list",
        "isolation" => "dropped: not from a member that isolation lets through",
        "ethertype" => "dropped: an ethertype that the profile does not list",
        "connection" => "dropped: fits no connection",
        _ if id.starts_with("guard/") => "dropped: not sent as the port itself",
        _ if id.starts_with("limit/") => "dropped: above the rate",
        _ if id.contains("/default-") => "the profile's default",
        _ => "",
    }
}
