//! `moat guard`: keeps the switch as documents say, in the foreground. What somebody else changes in
//! moat's table, and interfaces that come and go, are mended at once. Knows when to look; what to
//! change is left to `change::converge`.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use clap::Args;
use datapath_nftables::NftablesDatapath;
use serde_json::json;

use crate::agent_client;
use crate::change::{self, Applied};
use crate::confirm;
use crate::documents::{self, Declaration, Documents};
use crate::fault::{Failure, Outcome};
use crate::hints::{self, Hint};
use crate::output::{self, Style, paint};
use crate::{report, situation, time};

/// How long to wait where nothing limits it.
const PATIENCE: Duration = Duration::from_secs(3600);

#[derive(Args, Debug)]
pub(crate) struct GuardArguments {
    #[command(flatten)]
    pub documents: Documents,
    /// The Host document to follow, where several are declared
    #[arg(long, value_name = "NAME")]
    pub host: Option<String>,
    /// Stop after something had to be mended once
    #[arg(long)]
    pub once: bool,
    /// Stop after this time (10m, 1h)
    #[arg(long = "for", value_name = "TIME", value_parser = time::duration)]
    pub time: Option<Duration>,
}

/// # Errors
/// See [`Failure`].
pub(crate) fn guard(arguments: &GuardArguments, as_json: bool) -> Result<Outcome, Failure> {
    let declaration = documents::read(&arguments.documents.paths)?;
    let host = arguments.host.as_deref();
    agent_client::refuse_beside_agent()?;
    confirm::refuse_while_pending()?;
    // Listen first, look then: nothing falls between the two.
    let hints = hints::listen()?;
    let mut datapath = situation::open()?;
    let applied = change::converge(&mut datapath, &declaration, host)?;
    tell("applied", &applied, None, as_json);
    output::note("Guarding; Ctrl-C ends it and leaves everything in force.");
    let deadline = arguments
        .time
        .and_then(|time| Instant::now().checked_add(time));
    watch_over(
        arguments.once,
        deadline,
        &hints,
        &mut datapath,
        &declaration,
        host,
        as_json,
    )
}

fn watch_over(
    once: bool,
    deadline: Option<Instant>,
    hints: &Receiver<Hint>,
    datapath: &mut NftablesDatapath,
    declaration: &Declaration,
    host: Option<&str>,
    as_json: bool,
) -> Result<Outcome, Failure> {
    let own = std::process::id();
    loop {
        let left = deadline.map_or(PATIENCE, |deadline| {
            deadline.saturating_duration_since(Instant::now())
        });
        let first = match hints.recv_timeout(left) {
            Ok(hint) => hint,
            Err(RecvTimeoutError::Timeout) if deadline.is_none_or(|end| Instant::now() < end) => {
                continue;
            }
            Err(RecvTimeoutError::Timeout) => return Ok(Outcome::Fine),
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Failure::system(
                    "the kernel's events cannot be received any more",
                ));
            }
        };
        // One look answers everything that is there by now.
        let mut reason = None;
        let mut look = false;
        for hint in std::iter::once(first).chain(hints.try_iter()) {
            match hint {
                Hint::Table | Hint::Lost => look = true,
                Hint::By { process, name, .. } if process != own => {
                    reason = Some(format!("{name} (process {process}) changed moat's table"));
                }
                Hint::By { .. } => {}
                Hint::Interface { name } => {
                    look = true;
                    reason.get_or_insert(format!("interface {name} changed"));
                }
                Hint::Deaf(error) => return Err(Failure::system(error)),
            }
        }
        if !look {
            continue;
        }
        match change::converge(datapath, declaration, host) {
            Ok(applied) if applied.change.is_none() => {}
            Ok(applied) => {
                // The name of who did it follows what was done, after the batch.
                while let Ok(hint) = hints.recv_timeout(Duration::from_millis(50)) {
                    match hint {
                        Hint::By { process, name, .. } if process != own => {
                            reason =
                                Some(format!("{name} (process {process}) changed moat's table"));
                        }
                        Hint::By { .. } => break,
                        Hint::Table | Hint::Lost | Hint::Interface { .. } | Hint::Deaf(_) => {}
                    }
                }
                tell("mended", &applied, reason.as_deref(), as_json);
                if once {
                    return Ok(Outcome::Fine);
                }
            }
            // The last good policy is in force; the next event may bring what was missing.
            Err(failure) => output::failure(&failure, as_json),
        }
    }
}

fn tell(what: &str, applied: &Applied, reason: Option<&str>, as_json: bool) {
    if as_json {
        output::json_line(&json!({
            "event": what,
            "reason": reason,
            "change": applied.change.as_ref().map(report::change_json),
        }));
        return;
    }
    let ports = output::count(applied.prospect.program.ports.len(), "port");
    let what_changed = match &applied.change {
        None => "nothing to change".to_owned(),
        Some(change) => {
            let cost = change.cost;
            format!(
                "{} and {} written",
                output::count(cost.rules, "rule"),
                output::count(cost.elements, "element")
            )
        }
    };
    let reason = reason
        .map(|reason| format!(": {reason}"))
        .unwrap_or_default();
    output::line(format!(
        "{} {}{reason}; {what_changed}, {ports} enforced",
        paint(Style::Faint, time::clock(std::time::SystemTime::now())),
        paint(
            if what == "mended" {
                Style::Warning
            } else {
                Style::Good
            },
            what
        ),
    ));
}
