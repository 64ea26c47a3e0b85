//! `moat plan`, `moat apply`, `moat remove`: the ways to change the switch. Knows
//! in which order documents, switch and user are asked; what changes is left to the datapath.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use datapath::Datapath as _;
use datapath_nftables::{Change, NftablesDatapath};
use serde_json::{Value, json};

use crate::confirm;
use crate::documents::{self, Declaration, Documents};
use crate::effect;
use crate::fault::{Failure, Outcome};
use crate::output::{self, Style, count, paint};
use crate::situation::{self, Opening, Prospect, Situation};
use crate::{record, report};

#[derive(Args, Debug)]
pub(crate) struct PlanArguments {
    #[command(flatten)]
    pub documents: Documents,
    /// The Host document to follow, where several are declared
    #[arg(long, value_name = "NAME")]
    pub host: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct ApplyArguments {
    #[command(flatten)]
    pub documents: Documents,
    /// The Host document to follow, where several are declared
    #[arg(long, value_name = "NAME")]
    pub host: Option<String>,
    /// Go back by itself after this time (90s, 5m) unless confirmed with `yes` here or with
    /// `moat confirm` anywhere, whatever becomes of this terminal
    #[arg(long, value_name = "TIME", value_parser = crate::time::duration)]
    pub confirm: Option<Duration>,
    /// Show the plan and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Args, Debug)]
pub(crate) struct RemoveArguments {
    /// Say what would be removed and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
}

/// # Errors
/// See [`Failure`].
pub(crate) fn plan(arguments: &PlanArguments, as_json: bool) -> Result<Outcome, Failure> {
    show_plan(
        &arguments.documents.paths,
        arguments.host.as_deref(),
        as_json,
    )
}

fn show_plan(paths: &[PathBuf], host: Option<&str>, as_json: bool) -> Result<Outcome, Failure> {
    let declaration = documents::read(paths)?;
    let (datapath, situation) = situation::of(&declaration, host)?;
    let change = situation.change(&datapath);
    let meaning = change
        .as_ref()
        .filter(|change| !change.is_empty())
        .and_then(|_| effect::of(&situation));
    if as_json {
        let mut answer = report::situation_json(&situation);
        answer["change"] = change.as_ref().map_or(Value::Null, report::change_json);
        answer["meaning"] = json!(meaning);
        output::json(&answer);
    } else {
        let mut text = String::new();
        match (&situation.resolved, &change) {
            (Err(unmet), _) => {
                text.push_str(&report::unmet_text(unmet));
                text.push_str("Nothing would be changed: this kernel cannot carry the plan out.\n");
            }
            (Ok(resolved), Some(change)) => {
                if let Some(meaning) = &meaning {
                    text.push_str(&report::meaning_text(meaning));
                }
                text.push_str(&report::change_text(change, report::PLAN_LINES));
                text.push_str(&report::degraded_text(&resolved.degraded));
            }
            (Ok(_), None) => {}
        }
        text.push_str(&report::missing_text(&situation.program));
        output::print(&text);
    }
    Ok(Outcome::findings(
        change.is_none() || situation.has_refused_ports(),
    ))
}

/// # Errors
/// See [`Failure`].
pub(crate) fn apply(arguments: &ApplyArguments, as_json: bool) -> Result<Outcome, Failure> {
    let host = arguments.host.as_deref();
    if arguments.dry_run {
        return show_plan(&arguments.documents.paths, host, as_json);
    }
    let opening = Opening::begin();
    let declaration = documents::read(&arguments.documents.paths)?;
    let mut datapath = opening.finish()?;
    confirm::refuse_while_pending()?;
    let guard = arguments.confirm.map(confirm::prepare).transpose()?;
    let applied = match converge(&mut datapath, &declaration, host) {
        Ok(applied) => applied,
        Err(failure) => {
            if let Some(guard) = guard {
                guard.dismiss();
            }
            return Err(failure);
        }
    };
    let guard = match guard {
        // Nothing to go back from.
        Some(guard) if applied.change.is_none() => {
            guard.dismiss();
            None
        }
        other => other,
    };
    if as_json {
        let mut answer = report::situation_json(&applied.situation);
        answer["change"] = applied
            .change
            .as_ref()
            .map_or(Value::Null, report::change_json);
        answer["verified"] = json!(true);
        answer["retries"] = json!(applied.retries);
        if guard.is_some() {
            answer["confirm-within-seconds"] =
                json!(arguments.confirm.map(|time| time.as_secs_f64()));
        }
        output::json(&answer);
    } else {
        output::print(&applied.text());
    }
    if let Some(guard) = guard {
        return guard.wait();
    }
    Ok(Outcome::findings(applied.situation.has_refused_ports()))
}

/// What an apply did.
pub(crate) struct Applied {
    pub situation: Situation,
    /// The last one that was committed; `None`: there was nothing to do.
    pub change: Option<Change>,
    /// How often something else got in between.
    pub retries: u32,
}

impl Applied {
    fn text(&self) -> String {
        let ports = count(self.situation.program.ports.len(), "port");
        let mut text = match &self.change {
            None => format!("Nothing to change: {ports} enforced as the documents say.\n"),
            Some(change) => format!(
                "{}{} {ports} enforced; read back and compared: nothing is left to change.\n",
                report::change_text(change, report::APPLY_LINES),
                paint(Style::Good, "Applied:"),
            ),
        };
        if let Ok(resolved) = &self.situation.resolved {
            text.push_str(&report::degraded_text(&resolved.degraded));
        }
        text.push_str(&report::missing_text(&self.situation.program));
        text
    }
}

/// Brings the switch to what the documents say, and has it read back and compared.
///
/// # Errors
/// What the kernel lacks or refuses; the last good policy is in force then.
pub(crate) fn converge(
    datapath: &mut NftablesDatapath,
    declaration: &Declaration,
    host: Option<&str>,
) -> Result<Applied, Failure> {
    let prospect = Prospect::look(datapath, &declaration.catalog, host)?;
    let resolved = match &prospect.resolved {
        Ok(resolved) => resolved,
        Err(unmet) => {
            return Err(Failure::state(format!(
                "this kernel cannot carry the plan out; nothing was changed\n{}",
                report::unmet_text(unmet).trim_end()
            ))
            .help("`moat doctor` says what this kernel can do and what would bring the rest"));
        }
    };
    let convergence = datapath::converge(datapath, &resolved.program)?;
    let situation = prospect.with(convergence.installed);
    if convergence.change.is_some() || !record::exists() {
        remember(declaration, &situation);
    }
    Ok(Applied {
        situation,
        change: convergence.change,
        retries: convergence.retries,
    })
}

/// Plans explain themselves better with it; nothing depends on it.
fn remember(declaration: &Declaration, situation: &Situation) {
    let host = &situation.program.host;
    if let Err(error) = record::keep(&declaration.sources, host, &situation.observed) {
        output::note(format!(
            "note: the documents could not be kept in /run/moat ({error}): the next plan shows what \
             changes in the switch, but not what that means"
        ));
    }
}

/// # Errors
/// See [`Failure`].
pub(crate) fn remove(arguments: &RemoveArguments, as_json: bool) -> Result<Outcome, Failure> {
    let mut datapath = situation::open()?;
    let installed = datapath.read()?;
    let Some(contents) = &installed.contents else {
        if as_json {
            output::json(&json!({ "present": false, "removed": false }));
        } else {
            output::line("Nothing to remove: moat's table is not in this network namespace.");
        }
        return Ok(Outcome::Fine);
    };
    let ports = datapath_nftables::census::ports(contents).len();
    let what = format!(
        "table {} with {}, {} and {}",
        datapath_nftables::table(),
        count(contents.chains.len(), "chain"),
        count(contents.rules.len(), "rule"),
        count(ports, "port"),
    );
    if arguments.dry_run {
        if as_json {
            output::json(&json!({ "present": true, "removed": false, "ports": ports }));
        } else {
            output::line(format!("Would remove {what}; nothing was changed."));
        }
        return Ok(Outcome::Fine);
    }
    if !arguments.yes && !confirm::ask(&format!("Remove {what}? Its ports lose all protection."))? {
        return Err(Failure::state(
            "not removed: it was not confirmed; nothing was changed",
        ));
    }
    confirm::refuse_while_pending()?;
    datapath.remove()?;
    record::forget();
    if as_json {
        output::json(&json!({ "present": true, "removed": true, "ports": ports }));
    } else {
        output::line(format!("Removed {what}. Nothing else was touched."));
    }
    Ok(Outcome::Fine)
}
