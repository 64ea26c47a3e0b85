//! `moat hook`: what other systems call when a VM comes or goes. Knows how to pass it on and what to
//! do where nobody answers; what it means is left to the agent.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _};
use std::time::Instant;

use agent::protocol::{self, Reply, Request};
use clap::Args;
use policy::claim::ClaimChange;
use serde_json::json;

use crate::agent_client::{self, AgentArguments};
use crate::fault::{Failure, Outcome};
use crate::output;

/// A VM with 500 NICs is a tenth of this.
const MOST_INPUT: usize = 4 << 20;

#[derive(Args, Debug)]
pub(crate) struct HookArguments {
    #[command(flatten)]
    pub agent: AgentArguments,
    /// What to do where the agent does not answer
    #[arg(long, value_enum, default_value_t, value_name = "WHAT")]
    pub absent: Absent,
    /// Do not read standard input: it belongs to somebody else
    #[arg(long)]
    pub no_input: bool,
    /// Judge here, without an agent: for calls that concern no port of this host
    #[arg(long)]
    pub local: bool,
    /// The system that calls, and what it says: everything behind is passed on
    #[arg(
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "SYSTEM ARGUMENTS"
    )]
    pub call: Vec<String>,
}

/// What becomes of a VM whose hook finds no agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Absent {
    /// The hook fails, so the VM does not start
    #[default]
    Fail,
    /// The hook succeeds: the VM starts, and its ports stay in quarantine
    Pass,
}

/// `moat hook`.
///
/// # Errors
/// Where the agent refuses, or does not answer and must.
pub(crate) fn hook(arguments: &HookArguments, as_json: bool) -> Result<Outcome, Failure> {
    let deadline = arguments.agent.deadline();
    let Some((system, call)) = arguments.call.split_first() else {
        return Err(Failure::usage("the system that calls is missing"));
    };
    let input = match arguments.no_input || !reads_input(system) {
        true => String::new(),
        false => input(deadline)?,
    };
    if arguments.local {
        return tell(&judge(system, call, &input)?, as_json);
    }
    let request = Request::Hook {
        system: system.clone(),
        arguments: call.to_vec(),
        input,
        environment: environment(),
    };
    let reply = match agent_client::ask(&arguments.agent.socket, &request, deadline) {
        Ok(reply) => reply,
        Err(error) if arguments.absent == Absent::Pass => {
            // OpenNebula puts lines that begin so into the VM's log.
            output::note(format!(
                "WARN: moat: {error}; the VM's ports stay in quarantine until it answers"
            ));
            return Ok(Outcome::Fine);
        }
        Err(error) => {
            return Err(Failure::state(format!(
                "moat: {error}, so the ports of this VM would be without policy; \
                 `systemctl status moat` says what is wrong with the agent"
            )));
        }
    };
    tell(&reply, as_json)
}

/// Prints what the agent answered, the same for every command that asks it.
///
/// # Errors
/// Its refusal.
pub(crate) fn tell(reply: &Reply, as_json: bool) -> Result<Outcome, Failure> {
    match reply {
        Reply::Done { output, notes } if as_json => {
            output::json(&json!({ "output": output, "notes": notes }));
        }
        Reply::Done { output, notes } => {
            if !output.is_empty() {
                output::print(output);
            }
            for note in notes {
                output::note(format!("INFO: moat: {note}"));
            }
        }
        Reply::Refused { message } => return Err(Failure::state(format!("moat: {message}"))),
        _ => {
            return Err(Failure::system(
                "moat: the agent gave an answer for another question",
            ));
        }
    }
    Ok(Outcome::Fine)
}

/// What the call means where no agent is: OpenNebula's front-end makes networks.
fn judge(system: &str, arguments: &[String], input: &str) -> Result<Reply, Failure> {
    let call = import::hook::Call {
        arguments,
        input,
        environment: &environment(),
    };
    match import::hook::call(system, call) {
        None => Err(Failure::usage(format!(
            "moat: `{system}` is no system that can be judged here"
        ))),
        Some(Err(message)) => Ok(Reply::Refused { message }),
        Some(Ok(answer)) if answer.change == ClaimChange::Nothing => Ok(Reply::Done {
            output: answer.output,
            notes: answer.notes,
        }),
        Some(Ok(_)) => Err(Failure::usage(
            "moat: this call is about ports, which only the agent of their host can enforce",
        )),
    }
}

/// QEMU's tap script shares QEMU's own standard input, which may be its monitor.
fn reads_input(system: &str) -> bool {
    system != "qemu"
}

fn input(deadline: Instant) -> Result<String, Failure> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        return Ok(String::new());
    }
    let bytes = agent_client::read(&stdin, MOST_INPUT, deadline).map_err(|error| {
        let why = match error.kind() {
            io::ErrorKind::TimedOut => "it did not end in time".to_owned(),
            _ => error.to_string(),
        };
        Failure::system(format!(
            "moat: the hook's standard input cannot be read: {why}"
        ))
    })?;
    String::from_utf8(bytes).map_err(|error| {
        let place = error.utf8_error().valid_up_to();
        Failure::usage(format!(
            "moat: the hook's standard input is not UTF-8 at byte {place}"
        ))
    })
}

fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| protocol::travels(name))
        .collect()
}
