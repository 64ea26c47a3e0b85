//! `moat lab`: two throw-away hosts as the documents declare them, real frames and connections between their
//! machines without moat and with it, and every verdict beside the evaluator's. Knows the order of the
//! experiment; leaves each part of it to a module of its own.

mod assault;
mod attacks;
mod documents;
mod enforcement;
mod guest;
mod matrix;
mod play;
mod prediction;
mod present;
mod progress;
mod report;
mod services;
mod site;

use std::fs;
use std::io::IsTerminal;
use std::path::PathBuf;

use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use datapath::Unmet;
use policy::Catalog;
use testbed::guest::inside_guest;

use enforcement::{Enforced, NotApplied};
use present::Style;
use progress::Progress;
use report::{MachineReport, Report};
use site::Site;

/// Shows what documents mean: builds their hosts and machines out of network namespaces, and measures with
/// real frames who reaches whom, and which attacks arrive, before and after they are applied.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  moat lab                      the built-in demo: two hosts, eight machines
  moat lab examples/demo        the same from files, to change and try again
  moat lab --json | jq '.attacks[] | {name, before, after}'
  moat lab --keep               stays, so that `moat watch` and others have something to look at

Needs root. Nothing outside its own namespaces is touched, and nothing is left behind.")]
pub(crate) struct LabArguments {
    /// Files and folders with documents [default: the built-in demo]
    #[arg(value_name = "FILE|DIR")]
    documents: Vec<PathBuf>,
    /// Stay on this kernel even where it cannot track connections: rules then apply frame by frame
    #[arg(long)]
    here: bool,
    /// Leave the lab running until Ctrl-C, and say how to get in (implies --here)
    #[arg(long)]
    keep: bool,
    /// The documents that a host put into this guest
    #[arg(long, hide = true, value_name = "FILE")]
    in_guest: Option<PathBuf>,
}

/// Runs the lab. False where kernel and evaluator disagree about anything.
///
/// # Errors
/// Where the documents are wrong or the experiment cannot be made.
pub(crate) fn run(arguments: &LabArguments, as_json: bool) -> anyhow::Result<bool> {
    let progress = match &arguments.in_guest {
        Some(_) => Progress::Console,
        None => Progress::for_people(),
    };
    let outcome = experiment(arguments, as_json, progress);
    progress.clear();
    outcome
}

fn experiment(arguments: &LabArguments, as_json: bool, progress: Progress) -> anyhow::Result<bool> {
    let style = Style::of_output();
    let sources = match &arguments.in_guest {
        Some(path) => guest::documents(path)?,
        None => documents::sources(&arguments.documents)?,
    };
    let mut catalog =
        documents::catalog(&sources, std::io::stderr().is_terminal(), present::WIDTH)?;
    if arguments.here || arguments.keep {
        documents::prefer_only(&mut catalog);
    }
    if catalog.ports.len() < 2 {
        bail!("the documents declare fewer than two ports, so there is nobody to reach");
    }
    progress.step("building the hosts and their machines");
    let guarded =
        Site::build(&catalog, &progress).context("cannot build the lab; it needs root")?;
    let mut hosts = match enforcement::apply(&guarded, &catalog) {
        Ok(hosts) => hosts,
        Err(NotApplied::Failed(error)) => return Err(error),
        Err(NotApplied::Unmet(unmet)) if inside_guest() => bail!(refusal(&unmet)),
        Err(NotApplied::Unmet(unmet)) => {
            drop(guarded);
            progress.step(&format!("{}: this takes another kernel", reason(&unmet)));
            let mut report = guest::run(&sources, &progress).with_context(|| refusal(&unmet))?;
            report.guest_because = Some(reason(&unmet));
            progress.clear();
            return conclude(&report, as_json, &style);
        }
    };
    let report = measure(&guarded, &catalog, &mut hosts, &progress)?;
    if arguments.in_guest.is_some() {
        guest::deliver(&report)?;
        return Ok(true);
    }
    progress.clear();
    let code = conclude(&report, as_json, &style)?;
    if arguments.keep {
        play::stay(&guarded);
    }
    Ok(code)
}

/// Everything, before and after.
fn measure(
    guarded: &Site,
    catalog: &Catalog,
    hosts: &mut [Enforced],
    progress: &Progress,
) -> anyhow::Result<Report> {
    // Emulated, a question and its answer take some tens of milliseconds, and many are asked at once.
    let patience = Duration::from_millis(if inside_guest() { 900 } else { 250 });
    let attacks = attacks::attacks(
        catalog,
        guarded,
        matrix::closed_port(guarded, catalog, hosts),
    );
    let (before, unprotected) = {
        progress.step("building the same without moat");
        let open = Site::build(catalog, progress)?;
        progress.step("asking who reaches whom without moat");
        let before = matrix::ask_all(&open, patience, progress, &|_| true)?;
        progress.step("attacking without moat");
        (before, assault::unprotected(&open, &attacks, progress)?)
    };
    progress.step("asking who reaches whom with moat");
    let cells = matrix::measure(guarded, &before, catalog, hosts, patience, progress)?;
    progress.step("attacking with moat");
    let attacks = assault::protected(guarded, &attacks, &unprotected, catalog, hosts, progress)?;
    let machines = guarded.machines.iter().map(|machine| MachineReport {
        name: machine.name().to_owned(),
        host: machine.host,
        network: machine.port.network.clone(),
        addresses: machine
            .port
            .addresses
            .iter()
            .map(|address| address.addr().to_string())
            .collect(),
    });
    Ok(Report {
        kernel: fs::read_to_string("/proc/sys/kernel/osrelease")
            .unwrap_or_default()
            .trim()
            .to_owned(),
        guest_because: None,
        degraded: hosts
            .iter()
            .flat_map(|host| host.degraded.iter().cloned())
            .collect(),
        wire: guarded.wire.as_ref().map(|(name, _)| name.clone()),
        hosts: guarded
            .hosts
            .iter()
            .map(|host| host.name.clone().unwrap_or_else(|| "host".to_owned()))
            .collect(),
        machines: machines.collect(),
        cells,
        attacks,
    })
}

fn conclude(report: &Report, as_json: bool, style: &Style) -> anyhow::Result<bool> {
    if as_json {
        println!("{}", serde_json::to_string_pretty(&report.to_json()?)?);
    } else {
        print!("{}", present::picture(report, style));
    }
    Ok(report.disagreements() == 0)
}

/// The sentence of the first capability that is missing.
fn reason(unmet: &[Unmet]) -> String {
    unmet
        .first()
        .map_or(String::new(), |unmet| unmet.reason.clone())
}

fn refusal(unmet: &[Unmet]) -> String {
    let mut lines = vec!["this kernel cannot do what the documents require".to_owned()];
    for need in unmet {
        lines.push(format!(
            "  {}: {}; {}",
            need.needed_by, need.reason, need.remedy
        ));
    }
    lines.join("\n")
}
