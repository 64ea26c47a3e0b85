//! What the agent says of its host, for people and programs. Knows how it looks; the agent knows the
//! rest.

use std::time::{Duration, SystemTime};

use agent::{AgentStatus, PortState, PortStatus};

use crate::fault::Outcome;
use crate::output::{self, Grid, Style, count, paint};
use crate::time;

/// Prints it.
pub(crate) fn show(status: &AgentStatus, as_json: bool) -> Outcome {
    if as_json {
        match serde_json::to_value(status) {
            Ok(value) => output::json(&value),
            Err(error) => output::note(format!("the status cannot be written: {error}")),
        }
    } else {
        output::print(&text(status));
    }
    let right = |port: &PortStatus| matches!(port.state, PortState::Enforced | PortState::Absent);
    Outcome::findings(
        status.documents_problem.is_some()
            || status.switch_problem.is_some()
            || !status.deaf.is_empty()
            || !status.ports.iter().all(right),
    )
}

fn text(status: &AgentStatus) -> String {
    let enforced = status
        .ports
        .iter()
        .filter(|port| port.state == PortState::Enforced);
    let mut text = format!(
        "Agent {} for host {}: {} enforced, revision {}.\n",
        status.version,
        status.host,
        count(enforced.count(), "port"),
        status.revision
    );
    let mut problem = |what: &str, detail: &str| {
        text.push_str(&format!("{}: {detail}\n", paint(Style::Bad, what)));
    };
    if let Some(detail) = &status.switch_problem {
        problem("The switch is not as it should be", detail);
    }
    if let Some(detail) = &status.documents_problem {
        problem("Documents not taken, those before hold", detail.trim_end());
    }
    for (source, detail) in &status.deaf {
        problem(&format!("{source} cannot be heard"), detail);
    }
    if !status.quarantined.is_empty() {
        let word = paint(Style::Warning, "In quarantine");
        text.push_str(&format!("{word}: {}.\n", status.quarantined.join(", ")));
    }
    for degraded in &status.degraded {
        text.push_str(&format!(
            "{}: {degraded}\n",
            paint(Style::Warning, "Degraded")
        ));
    }
    if status.ports.is_empty() {
        return text;
    }
    let mut grid = Grid::new(&[
        "port",
        "device",
        "network",
        "addresses",
        "profiles",
        "from",
        "version",
        "since",
        "forged",
        "state",
    ]);
    for port in &status.ports {
        let learned = port.learned.iter().map(|address| format!("{address}*"));
        let addresses: Vec<String> = port.addresses.iter().cloned().chain(learned).collect();
        grid.row([
            port.port.clone(),
            port.device.clone().unwrap_or_default(),
            port.network.clone().unwrap_or_default(),
            addresses.join(" "),
            port.profiles.join(" "),
            from(port),
            version(port),
            port.since.map(since).unwrap_or_default(),
            port.forged.to_string(),
            state(port),
        ]);
    }
    text.push('\n');
    text.push_str(&grid.to_string());
    for port in status.ports.iter().filter(|port| !port.notes.is_empty()) {
        for note in &port.notes {
            text.push_str(&format!("{}: {note}\n", port.port));
        }
    }
    text
}

fn from(port: &PortStatus) -> String {
    match &port.profiles_from {
        Some(from) => format!("{}, {from}", port.source),
        None => port.source.clone(),
    }
}

/// The version in force, and beside it the one that should be.
fn version(port: &PortStatus) -> String {
    match port.enforced {
        Some(enforced) if enforced == port.desired => enforced.to_string(),
        Some(enforced) => format!("{enforced} of {}", port.desired),
        None if port.desired > 0 => format!("none of {}", port.desired),
        None => String::new(),
    }
}

fn since(seconds: u64) -> String {
    let at = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
    at.map(time::timestamp)
        .unwrap_or_default()
        .replace(".000Z", "Z")
}

fn state(port: &PortStatus) -> String {
    let (style, word) = match port.state {
        PortState::Enforced => (Style::Good, "enforced"),
        PortState::Pending => (Style::Warning, "pending"),
        PortState::Refused => (Style::Bad, "refused"),
        PortState::Absent => (Style::Faint, "absent"),
    };
    let word = paint(style, word);
    match &port.reason {
        Some(reason) => format!("{word}: {reason}"),
        None => word,
    }
}
