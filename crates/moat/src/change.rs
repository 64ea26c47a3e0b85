//! `moat plan`, `moat apply`, `moat remove`: the ways to change the switch. Knows
//! in which order documents, switch and user are asked; what changes is left to the datapath.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use datapath::Datapath as _;
use datapath_nftables::NftablesDatapath;
use serde_json::{Value, json};

use crate::agent_client;
use crate::confirm;
use crate::documents::{self, Declaration, Documents};
use crate::effect;
use crate::fault::{Failure, Outcome};
use crate::output::{self, Style, count, paint};
use crate::report::Written;
use crate::situation::{self, Prospect};
use crate::{record, report, resume};

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
        let mut answer = report::situation_json(&situation.program, &situation.resolved);
        let written = change.as_ref().map(Written::from);
        answer["change"] = written.as_ref().map_or(Value::Null, report::change_json);
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
                text.push_str(&report::change_text(
                    &Written::from(change),
                    report::PLAN_LINES,
                ));
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
    let prepared = resume::prepare(&arguments.documents.paths, host)?;
    agent_client::refuse_beside_agent()?;
    confirm::refuse_while_pending()?;
    let guard = arguments.confirm.map(confirm::prepare).transpose()?;
    let applied = match prepared.apply(host) {
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
        let mut answer =
            report::situation_json(&applied.prospect.program, &applied.prospect.resolved);
        answer["change"] = applied
            .change
            .as_ref()
            .map_or(Value::Null, report::change_json);
        answer["verified"] = json!(true);
        answer["verified-by"] = json!(match applied.verified {
            Verified::ReadBack => "read-back",
            Verified::Generation => "generation",
        });
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
    Ok(Outcome::findings(applied.prospect.has_refused_ports()))
}

/// What an apply did.
pub(crate) struct Applied {
    pub prospect: Prospect,
    /// What was committed; `None`: there was nothing to do.
    pub change: Option<Written>,
    /// How often something else got in between.
    pub retries: u32,
    pub verified: Verified,
}

/// How it is known that the switch does what the documents say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verified {
    /// The whole table was read after the change, and compared.
    ReadBack,
    /// It was read and compared after an earlier change, and the kernel's generation says that since
    /// then nobody has committed anything but what moat did.
    Generation,
}

impl Applied {
    fn text(&self) -> String {
        let ports = count(self.prospect.program.ports.len(), "port");
        let verified = match self.verified {
            Verified::ReadBack => "read back and compared: nothing is left to change",
            Verified::Generation => {
                "read back and compared after an earlier change, and by the kernel's generation nobody \
                 else has changed anything since"
            }
        };
        let mut text = match &self.change {
            None => format!("Nothing to change: {ports} enforced as the documents say.\n"),
            Some(change) => format!(
                "{}{} {ports} enforced; {verified}.\n",
                report::change_text(change, report::APPLY_LINES),
                paint(Style::Good, "Applied:"),
            ),
        };
        if let Ok(resolved) = &self.prospect.resolved {
            text.push_str(&report::degraded_text(&resolved.degraded));
        }
        text.push_str(&report::missing_text(&self.prospect.program));
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
    let moment = record::Moment::of(datapath, convergence.installed.generation);
    if convergence.change.is_some() || !record::holds(&moment) {
        remember(&moment, declaration, &prospect, host);
    }
    Ok(Applied {
        prospect,
        change: convergence.change.as_ref().map(Written::from),
        retries: convergence.retries,
        verified: Verified::ReadBack,
    })
}

/// Plans explain themselves better with it, and the next apply is faster; nothing depends on it.
fn remember(
    moment: &record::Moment,
    declaration: &Declaration,
    prospect: &Prospect,
    host: Option<&str>,
) {
    told(record::keep(moment, declaration, prospect, host));
}

/// Says where the record could not be kept.
pub(crate) fn told(kept: std::io::Result<()>) {
    if let Err(error) = kept {
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
    agent_client::refuse_beside_agent()?;
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
