//! The one binary: chooses implementations, reads the command line, ends with an exit code.

mod agent_client;
mod agent_status;
mod arguments;
mod capture;
mod change;
mod check;
mod confirm;
mod doctor;
mod documents;
mod drift;
mod effect;
mod fault;
mod guard;
mod guardian;
mod hints;
mod hook;
mod imagined;
mod import;
mod lab;
mod live;
mod openflow;
mod output;
mod part;
mod port;
mod record;
mod reference;
mod report;
mod resume;
mod serve;
mod setup;
mod sides;
mod situation;
mod standing;
mod stats;
mod status;
mod switches;
mod time;
mod tls;
mod trace;
mod watch;

use std::process::ExitCode;

use clap::Parser as _;

use arguments::{Cli, Command};
use fault::{Failure, Outcome};

fn main() -> ExitCode {
    let cli = Cli::parse();
    output::set_color(cli.color);
    match run(&cli.command, cli.json) {
        Ok(Outcome::Fine) => ExitCode::SUCCESS,
        Ok(Outcome::Findings) => ExitCode::from(1),
        Err(failure) => {
            output::failure(&failure, cli.json);
            failure.exit_code()
        }
    }
}

fn run(command: &Command, as_json: bool) -> Result<Outcome, Failure> {
    match command {
        Command::Check(arguments) => check::check(arguments, as_json),
        Command::Lint(arguments) => check::lint(arguments, as_json),
        Command::Plan(arguments) => change::plan(arguments, as_json),
        Command::Apply(arguments) => change::apply(arguments, as_json),
        Command::Confirm(arguments) => confirm::confirm(arguments, as_json),
        Command::Status(arguments) => status::status(arguments, as_json),
        Command::Ports(arguments) => status::ports(arguments, as_json),
        Command::Trace(arguments) => trace::trace(arguments, as_json),
        Command::Diff(arguments) => drift::diff(arguments, as_json),
        Command::Guard(arguments) => guard::guard(arguments, as_json),
        Command::Watch(arguments) => watch::watch(arguments, as_json),
        Command::Stats(arguments) => stats::stats(arguments, as_json),
        Command::Doctor(arguments) => doctor::doctor(arguments, as_json),
        Command::Remove(arguments) => change::remove(arguments, as_json),
        Command::Agent(arguments) => serve::serve(arguments),
        Command::Reload(arguments) => serve::reload(arguments, as_json),
        Command::Metrics(arguments) => serve::metrics(arguments),
        Command::Port(arguments) => port::port(arguments, as_json),
        Command::Setup(arguments) => setup::setup(arguments, as_json),
        Command::Hook(arguments) => hook::hook(arguments, as_json),
        Command::Tls(arguments) => tls::tls(arguments, as_json),

        Command::Import(arguments) => import::import(arguments, as_json),
        Command::Openflow(arguments) => openflow::openflow(arguments, as_json),
        Command::Services(arguments) => reference::services(arguments, as_json),
        Command::Schema(arguments) => reference::schema(arguments),
        Command::Rule(arguments) => reference::rule(arguments, as_json),
        Command::Completions(arguments) => reference::completions(arguments),
        Command::Man(arguments) => reference::man(arguments, as_json),
        Command::Lab(arguments) => lab::run(arguments, as_json),
        Command::Guardian(arguments) => guardian::run(arguments),
    }
}
