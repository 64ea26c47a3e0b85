//! `moat status` and `moat ports`: what is enforced, beside what documents want where they are
//! given. Knows how the two are matched; both are read elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;
use datapath::{Counters, Datapath, PortCounters};
use datapath_nftables::census::{self, InstalledPort};
use datapath_nftables::{Installed, NftablesDatapath};
use policy::document::Port;
use policy::observation::Observation;
use serde_json::{Value, json};

use crate::documents::{self, OptionalDocuments};
use crate::fault::{Failure, Outcome};
use crate::guardian;
use crate::output::{self, Grid, Style, count, paint};
use crate::report;
use crate::situation::{self, Situation};

#[derive(Args, Debug)]
pub(crate) struct StatusArguments {
    #[command(flatten)]
    pub documents: OptionalDocuments,
    /// The Host document to follow, where several are declared
    #[arg(long, value_name = "NAME")]
    pub host: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct PortsArguments {
    #[command(flatten)]
    pub documents: OptionalDocuments,
    /// The Host document to follow, where several are declared
    #[arg(long, value_name = "NAME")]
    pub host: Option<String>,
}

/// Where a port stands.
#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Enforced,
    /// The switch has the port, and not (all of) what the documents say now.
    Outdated,
    NotApplied,
    Refused(String),
    Absent(String),
    /// The switch has it and the documents do not.
    Undeclared,
}

impl State {
    fn word(&self) -> &'static str {
        match self {
            Self::Enforced => "enforced",
            Self::Outdated => "outdated",
            Self::NotApplied => "not applied",
            Self::Refused(_) => "refused",
            Self::Absent(_) => "absent",
            Self::Undeclared => "undeclared",
        }
    }

    fn reason(&self) -> Option<&str> {
        match self {
            Self::Refused(reason) | Self::Absent(reason) => Some(reason),
            Self::Enforced | Self::Outdated | Self::NotApplied | Self::Undeclared => None,
        }
    }

    fn painted(&self) -> String {
        let style = match self {
            Self::Enforced => Style::Good,
            Self::Absent(_) => Style::Faint,
            Self::NotApplied | Self::Refused(_) => Style::Bad,
            Self::Outdated | Self::Undeclared => Style::Warning,
        };
        let word = paint(style, self.word());
        match self.reason() {
            Some(reason) => format!("{word}: {reason}"),
            None => word,
        }
    }

    fn is_right(&self) -> bool {
        matches!(self, Self::Enforced | Self::Absent(_))
    }
}

/// One port from both sides.
struct Row {
    name: String,
    state: State,
    declared: Option<Port>,
    device: Option<String>,
    ifindex: Option<u32>,
    profiles: Vec<String>,
    behaviour: Option<String>,
    counted: PortCounters,
}

/// Everything that both commands show.
struct View {
    installed: Installed,
    observed: Observation,
    situation: Option<Situation>,
    counters: Counters,
    rows: Vec<Row>,
}

impl View {
    fn of(paths: &[std::path::PathBuf], host: Option<&str>) -> Result<Self, Failure> {
        let declaration = match paths {
            [] => None,
            paths => Some(documents::read(paths)?),
        };
        let mut datapath = situation::open()?;
        let situation = declaration
            .as_ref()
            .map(|declaration| Situation::look(&mut datapath, &declaration.catalog, host))
            .transpose()?;
        let (installed, observed) = match &situation {
            Some(situation) => (situation.installed.clone(), situation.observed.clone()),
            None => (datapath.read()?, inventory::observe()?),
        };
        let counters = NftablesDatapath::counters(&installed);
        let known = installed.contents.as_ref().map(census::ports);
        let known = known.unwrap_or_default();
        let mut view = Self {
            installed,
            observed,
            situation,
            counters,
            rows: Vec::new(),
        };
        view.rows(&datapath, declaration.as_ref(), &known);
        Ok(view)
    }

    fn rows(
        &mut self,
        datapath: &NftablesDatapath,
        declaration: Option<&documents::Declaration>,
        known: &BTreeMap<u32, InstalledPort>,
    ) {
        let devices: BTreeMap<u32, &String> = self
            .observed
            .interfaces
            .iter()
            .map(|(name, interface)| (interface.ifindex, name))
            .collect();
        let counted = |name: &str| self.counters.ports.get(name).copied().unwrap_or_default();
        let mut rows = Vec::new();
        let mut seen = BTreeSet::new();
        if let (Some(declaration), Some(situation)) = (declaration, &self.situation) {
            let change = situation.change(datapath);
            let settled = change.is_some_and(|change| change.is_empty());
            for (name, declared) in &declaration.catalog.ports {
                let admitted = situation.program.ports.get(name);
                let installed = admitted.and_then(|port| known.get(&port.ifindex));
                let state = match (situation.program.refused.get(name), installed) {
                    (Some(refusal), _) if refusal.absent => State::Absent(refusal.reason.clone()),
                    (Some(refusal), _) => State::Refused(refusal.reason.clone()),
                    (None, Some(installed)) if installed.name == *name && settled => {
                        State::Enforced
                    }
                    (None, Some(_)) => State::Outdated,
                    (None, None) => State::NotApplied,
                };
                if let Some(installed) = installed {
                    seen.insert(installed.ifindex);
                }
                rows.push(Row {
                    name: name.clone(),
                    state,
                    device: declared.device.clone(),
                    ifindex: admitted.map(|port| port.ifindex),
                    profiles: match admitted {
                        Some(port) => port.profiles.clone(),
                        None => declared.profiles.clone(),
                    },
                    behaviour: installed.and_then(|port| port.behaviour.clone()),
                    counted: counted(name),
                    declared: Some(declared.clone()),
                });
            }
        }
        for port in known.values().filter(|port| !seen.contains(&port.ifindex)) {
            rows.push(Row {
                name: port.name.clone(),
                state: match declaration {
                    Some(_) => State::Undeclared,
                    None => State::Enforced,
                },
                declared: None,
                device: devices.get(&port.ifindex).map(|name| (*name).clone()),
                ifindex: Some(port.ifindex),
                profiles: Vec::new(),
                behaviour: port.behaviour.clone(),
                counted: counted(&port.name),
            });
        }
        self.rows = rows;
    }

    fn outcome(&self) -> Outcome {
        Outcome::findings(self.rows.iter().any(|row| !row.state.is_right()))
    }

    /// Interfaces of managed bridges that no port and no uplink claims.
    fn quarantined(&self) -> Vec<&str> {
        let Some(contents) = &self.installed.contents else {
            return Vec::new();
        };
        let managed = census::managed_bridges(contents);
        let unmanaged = census::unmanaged(contents);
        let uplinks = census::uplinks(contents);
        let ports = census::ports(contents);
        let interfaces = self.observed.interfaces.iter();
        interfaces
            .filter(|(_, interface)| match &managed {
                Some(managed) => managed.contains(&interface.bridge),
                None => !unmanaged.contains(&interface.ifindex),
            })
            .filter(|(_, interface)| {
                !uplinks.contains(&interface.ifindex) && !ports.contains_key(&interface.ifindex)
            })
            .map(|(name, _)| name.as_str())
            .collect()
    }

    /// Drops by what decided them: guards, quarantine and the like, without the rules.
    fn drops(&self) -> u64 {
        let plain = [
            "quarantine",
            "malformed",
            "tagged",
            "isolation",
            "ethertype",
            "connection",
        ];
        let counters = self.counters.rules.iter();
        counters
            .filter(|(id, _)| plain.contains(&id.as_str()) || id.starts_with("guard/"))
            .fold(0, |sum, (_, value)| sum.saturating_add(value.frames))
    }
}

fn row_json(row: &Row) -> Value {
    let declared = row.declared.as_ref();
    let addresses = declared.map(|port| addresses(port));
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
            answer["declared"] = report::situation_json(situation);
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
