//! `moat lab`: two throw-away hosts as the documents declare them, real frames and connections between their
//! machines without moat and with it, and every verdict beside the evaluator's. Knows the order of the
//! experiment; leaves each part of it to a module of its own.

mod assault;
mod attacks;
mod body;
mod demo;
mod enforcement;
mod guest;
mod hypervisor;
mod matrix;
mod play;
mod prediction;
mod present;
mod progress;
mod real;
mod report;
mod services;
mod site;

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;
use datapath::Unmet;
use policy::Catalog;
use policy::document::Stateful;
use policy::language::{Source, load};
use testbed::guest::inside_guest;

use crate::fault::{Failure, Outcome};
use crate::output;
use attacks::Attack;
use body::Material;
use enforcement::{Enforced, NotApplied};
use progress::Progress;
use report::{MachineReport, Report};
use site::Site;

/// What `moat lab` is asked to do.
#[derive(Args, Clone, Debug)]
pub(crate) struct LabArguments {
    /// Files and folders with documents; the built-in demo where there are none
    #[arg(value_name = "FILE|DIR")]
    paths: Vec<PathBuf>,
    /// Stay on this kernel even where it cannot track connections: rules then apply frame by frame
    #[arg(long)]
    here: bool,
    /// Leave the lab running until Ctrl-C, and say how to get in; stays on this kernel
    #[arg(long, conflicts_with = "guests")]
    keep: bool,
    /// What the machines are made of
    #[arg(long, value_enum, value_name = "WHAT")]
    guests: Option<Material>,
    /// The documents that a host put into this guest
    #[arg(long, hide = true, value_name = "FILE")]
    in_guest: Option<PathBuf>,
}

/// Runs the lab; there are findings where kernel and evaluator disagree about anything.
///
/// # Errors
/// Where the documents are wrong or the experiment cannot be made.
pub(crate) fn run(arguments: &LabArguments, as_json: bool) -> Result<Outcome, Failure> {
    let sources = match &arguments.in_guest {
        Some(path) => guest::documents(path).map_err(failed)?,
        None if arguments.paths.is_empty() => demo::sources(),
        None => crate::documents::sources(&arguments.paths)?,
    };
    let mut catalog = load(&sources)?;
    if arguments.here || arguments.keep {
        without_tracking(&mut catalog);
    }
    if catalog.ports.len() < 2 {
        return Err(Failure::usage(
            "the documents declare fewer than two ports, so there is nobody to reach",
        ));
    }
    let progress = match &arguments.in_guest {
        Some(_) => Progress::Console,
        None => Progress::for_people(),
    };
    let start = Instant::now();
    let outcome = match arguments.guests.unwrap_or_default() {
        Material::Namespaces => experiment(arguments, as_json, &sources, &catalog, progress, start),
        Material::Qemu => real::experiment(&sources, &catalog, arguments.here, &progress)
            .and_then(|report| conclude(report, as_json, progress, start)),
    };
    progress.clear();
    outcome.map_err(failed)
}

fn failed(error: anyhow::Error) -> Failure {
    Failure::system(format!("{error:#}"))
}

fn experiment(
    arguments: &LabArguments,
    as_json: bool,
    sources: &[Source],
    catalog: &Catalog,
    progress: Progress,
    start: Instant,
) -> anyhow::Result<Outcome> {
    progress.step("building the hosts and their machines");
    let guarded = Site::build(catalog, &progress).context("cannot build the lab; it needs root")?;
    let mut hosts = match enforcement::apply(&guarded, catalog) {
        Ok(hosts) => hosts,
        Err(NotApplied::Failed(error)) => return Err(error),
        Err(NotApplied::Unmet(unmet)) if inside_guest() => bail!(refusal(&unmet)),
        Err(NotApplied::Unmet(unmet)) => {
            drop(guarded);
            progress.step(&reason(&unmet));
            let mut report = guest::run(sources, &progress).with_context(|| refusal(&unmet))?;
            report.guest_because = Some(reason(&unmet));
            return conclude(report, as_json, progress, start);
        }
    };
    let report = measure(&guarded, catalog, &mut hosts, &progress)?;
    if arguments.in_guest.is_some() {
        guest::deliver(&report)?;
        return Ok(Outcome::Fine);
    }
    let outcome = conclude(report, as_json, progress, start)?;
    if arguments.keep {
        play::stay(&guarded);
    }
    Ok(outcome)
}

/// Lets every profile do without connection tracking, as if it said `stateful: preferred`.
fn without_tracking(catalog: &mut Catalog) {
    for profile in catalog.profiles.values_mut() {
        if profile.stateful.unwrap_or_default() == Stateful::Required {
            profile.stateful = Some(Stateful::Preferred);
        }
    }
}

/// What was reached without moat: by questions, and by attacks and their victims.
struct Unprotected {
    answers: Vec<bool>,
    reached: Vec<Vec<bool>>,
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
    let before = {
        progress.step("building the same without moat");
        let open = Site::build(catalog, progress)?;
        without_moat(&open, &attacks, patience, progress)?
    };
    with_moat(
        guarded, &before, &attacks, catalog, hosts, patience, progress,
    )
}

fn without_moat(
    open: &Site,
    attacks: &[Attack],
    patience: Duration,
    progress: &Progress,
) -> anyhow::Result<Unprotected> {
    progress.step("asking who reaches whom without moat");
    let answers = matrix::ask_all(open, patience, progress, &|_| true)?;
    progress.step("attacking without moat");
    let reached = assault::unprotected(open, attacks, progress)?;
    Ok(Unprotected { answers, reached })
}

fn with_moat(
    guarded: &Site,
    before: &Unprotected,
    attacks: &[Attack],
    catalog: &Catalog,
    hosts: &mut [Enforced],
    patience: Duration,
    progress: &Progress,
) -> anyhow::Result<Report> {
    progress.step("asking who reaches whom with moat");
    let cells = matrix::measure(guarded, &before.answers, catalog, hosts, patience, progress)?;
    progress.step("attacking with moat");
    let attacks = assault::protected(guarded, attacks, &before.reached, catalog, hosts, progress)?;
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
        guests: match guarded.has_guests() {
            true => Material::Qemu,
            false => Material::Namespaces,
        },
        untracked: None,
        seconds: 0,
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

fn conclude(
    mut report: Report,
    as_json: bool,
    progress: Progress,
    start: Instant,
) -> anyhow::Result<Outcome> {
    progress.clear();
    report.seconds = start.elapsed().as_secs();
    if as_json {
        output::json(&report.to_json()?);
    } else {
        output::print(&present::picture(&report));
    }
    Ok(Outcome::findings(report.disagreements() > 0))
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
