//! `moat status` and `moat ports`: what is enforced, beside what documents want where they are
//! given. Knows how that looks; finding out is left to `standing`.

use std::path::PathBuf;

use clap::Args;
use datapath_nftables::census;
use policy::document::Port;
use serde_json::{Value, json};

use crate::agent_client;
use crate::agent_status;
use crate::documents::OptionalDocuments;
use crate::fault::{Failure, Outcome};
use crate::guardian;
use crate::output::{self, Grid, Style, count, paint};
use crate::report;
use crate::standing::{Row, View};

#[derive(Args, Debug)]
pub(crate) struct StatusArguments {
    #[command(flatten)]
    pub documents: OptionalDocuments,
    /// The Host document to follow, where several are declared
    #[arg(long, value_name = "NAME")]
    pub host: Option<String>,
    /// Ask the switch alone, also where an agent could say more
    #[arg(long)]
    pub switch: bool,
    /// Socket of the agent
    #[arg(long, value_name = "PATH", default_value = agent::protocol::SOCKET)]
    pub socket: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct PortsArguments {
    #[command(flatten)]
    pub documents: OptionalDocuments,
    /// The Host document to follow, where several are declared
    #[arg(long, value_name = "NAME")]
    pub host: Option<String>,
}

fn row_json(row: &Row) -> Value {
    let declared = row.declared.as_ref();
    let addresses = declared.map(addresses);
    json!({
        "port": row.name,
        "state": row.state.word(),
        "reason": row.state.reason(),
        "vm": declared.and_then(|port| port.vm.clone()),
        "device": row.device,
        "ifindex": row.ifindex,
        "network": declared.map(|port| port.network.clone()),
        "mac": declared.map(|port| port.mac.to_string()),
        "addresses": addresses,
        "profiles": row.profiles,
        "behaviour": row.behaviour,
        "origin": declared.map(|port| port.origin.to_string()),
        "in": row.counted.inward,
        "forged": row.counted.forged,
    })
}

/// Whole addresses without their prefix length.
fn addresses(port: &Port) -> Vec<String> {
    let text = |net: &ipnet::IpNet| match net.prefix_len() == net.max_prefix_len() {
        true => net.addr().to_string(),
        false => net.to_string(),
    };
    port.addresses.iter().map(text).collect()
}

/// # Errors
/// See [`Failure`].
pub(crate) fn status(arguments: &StatusArguments, as_json: bool) -> Result<Outcome, Failure> {
    if arguments.documents.paths.is_empty()
        && !arguments.switch
        && let Some(status) = agent_client::here(&arguments.socket)
    {
        return Ok(agent_status::show(&status, as_json));
    }
    let view = View::of(&arguments.documents.paths, arguments.host.as_deref())?;
    let waiting = guardian::ask("status").unwrap_or_default();
    let managed = view
        .installed
        .contents
        .as_ref()
        .map(census::managed_bridges);
    if as_json {
        let mut answer = json!({
            "table": datapath_nftables::table().to_string(),
            "present": view.installed.contents.is_some(),
            "managed-bridges": managed.flatten(),
            "quarantined": view.quarantined(),
            "waiting-for-confirmation-seconds": waiting.and_then(|left| left.parse::<u64>().ok()),
            "dropped-by-guards": view.drops(),
            "ports": view.rows.iter().map(row_json).collect::<Value>(),
        });
        if let Some(situation) = &view.situation {
            answer["declared"] = report::situation_json(&situation.program, &situation.resolved);
        }
        output::json(&answer);
        return Ok(view.outcome());
    }
    let mut text = String::new();
    if let Some(left) = waiting {
        let word = paint(Style::Warning, "A change waits for confirmation");
        text.push_str(&format!("{word}: {left} s left (moat confirm).\n"));
    }
    let Some(contents) = &view.installed.contents else {
        text.push_str("Nothing is enforced: moat's table is not in this network namespace.\n");
        if !view.rows.is_empty() {
            text.push_str(&status_grid(&view).to_string());
        }
        output::print(&text);
        return Ok(view.outcome());
    };
    text.push_str(&format!(
        "Table {}: {}, {}.\n",
        datapath_nftables::table(),
        count(census::ports(contents).len(), "port"),
        count(contents.rules.len(), "rule"),
    ));
    match managed.flatten() {
        Some(managed) if managed.is_empty() => text.push_str("No bridge is managed.\n"),
        Some(managed) => {
            let names: Vec<String> = managed.into_iter().collect();
            text.push_str(&format!("Managed: {}.\n", names.join(", ")));
        }
        None => text.push_str("Managed: every bridge that is not declared otherwise.\n"),
    }
    let quarantined = view.quarantined();
    if !quarantined.is_empty() {
        let word = paint(Style::Warning, "In quarantine");
        text.push_str(&format!("{word}: {}.\n", quarantined.join(", ")));
    }
    text.push_str(&format!(
        "Dropped by guards and quarantine: {} frames.\n",
        view.drops()
    ));
    if !view.rows.is_empty() {
        text.push('\n');
        text.push_str(&status_grid(&view).to_string());
    }
    if let Some(Ok(resolved)) = view.situation.as_ref().map(|situation| &situation.resolved) {
        text.push_str(&report::degraded_text(&resolved.degraded));
    }
    output::print(&text);
    Ok(view.outcome())
}

fn status_grid(view: &View) -> Grid {
    let mut grid = Grid::new(&[
        "port",
        "device",
        "behaviour",
        "frames in",
        "forged",
        "state",
    ]);
    for row in &view.rows {
        grid.row([
            row.name.clone(),
            row.device.clone().unwrap_or_default(),
            match row.profiles.as_slice() {
                [] => row.behaviour.clone().unwrap_or_default(),
                profiles => profiles.join(", "),
            },
            row.counted.inward.frames.to_string(),
            row.counted.forged.frames.to_string(),
            row.state.painted(),
        ]);
    }
    grid
}

/// # Errors
/// See [`Failure`].
pub(crate) fn ports(arguments: &PortsArguments, as_json: bool) -> Result<Outcome, Failure> {
    let view = View::of(&arguments.documents.paths, arguments.host.as_deref())?;
    if as_json {
        output::json(&view.rows.iter().map(row_json).collect());
        return Ok(view.outcome());
    }
    if view.rows.is_empty() {
        output::line("No ports: none is declared, and the switch enforces none.");
        return Ok(view.outcome());
    }
    let mut grid = Grid::new(&[
        "port",
        "vm",
        "device",
        "network",
        "mac",
        "addresses",
        "profiles",
        "state",
    ]);
    for row in &view.rows {
        let declared = row.declared.as_ref();
        let text = |pick: fn(&Port) -> String| declared.map(pick).unwrap_or_default();
        grid.row([
            row.name.clone(),
            text(|port| port.vm.clone().unwrap_or_default()),
            row.device.clone().unwrap_or_default(),
            text(|port| port.network.clone()),
            text(|port| port.mac.to_string()),
            text(|port| addresses(port).join(" ")),
            match row.profiles.as_slice() {
                [] => row.behaviour.clone().unwrap_or_default(),
                profiles => profiles.join(" "),
            },
            row.state.painted(),
        ]);
    }
    output::print(&grid.to_string());
    Ok(view.outcome())
}
