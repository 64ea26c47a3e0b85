//! The hooks for libvirt: two scripts beside others that are there. Knows where libvirt looks for them
//! and which operation may fail; what they mean is left to `import`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::{Doing, MARKER, Plan, PlannedFile};
use crate::fault::{Failure, Outcome};
use crate::hook::Absent;
use crate::{output, time};

#[derive(Args, Debug)]
pub(crate) struct LibvirtArguments {
    /// libvirt's folder of hooks
    #[arg(long, value_name = "DIR", default_value = "/etc/libvirt/hooks")]
    pub hooks: PathBuf,
    /// Socket of the agent
    #[arg(long, value_name = "PATH", default_value = agent::protocol::SOCKET)]
    pub socket: PathBuf,
    /// What becomes of a VM that starts while the agent does not answer
    #[arg(long, value_enum, default_value_t, value_name = "WHAT")]
    pub absent: Absent,
    /// How long an operation waits for the agent
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = time::duration)]
    pub timeout: Duration,
    #[command(flatten)]
    pub doing: Doing,
}

/// `moat setup libvirt`.
///
/// # Errors
/// Where somebody else's file is in the way, or the system refuses.
pub(super) fn setup(arguments: &LibvirtArguments, as_json: bool) -> Result<Outcome, Failure> {
    let files = files(arguments)?;
    let Doing { dry_run, undo } = arguments.doing;
    let plan = Plan::new(&files, undo)?;
    if as_json {
        output::json(&json!({ "files": plan.to_json(), "done": !dry_run }));
    } else {
        plan.show();
    }
    if dry_run {
        return Ok(Outcome::Fine);
    }
    plan.carry_out()?;
    if !as_json {
        output::line(match undo {
            true => "\nVMs that run keep their ports' policy until they end.",
            false => {
                "\nlibvirt looks for hooks when it starts: restart it (systemctl restart libvirtd, or virtqemud \
                 and virtnetworkd). VMs go on meanwhile."
            }
        });
    }
    Ok(Outcome::Fine)
}

fn files(arguments: &LibvirtArguments) -> Result<Vec<PlannedFile>, Failure> {
    let program = std::env::current_exe()
        .map_err(|error| Failure::system(format!("cannot tell where moat itself is: {error}")))?;
    let file = |driver: &str| PlannedFile {
        path: arguments.hooks.join(format!("{driver}.d")).join("moat"),
        content: script(arguments, driver, &quoted(&program.to_string_lossy())),
        mode: 0o755,
    };
    Ok(vec![file("qemu"), file("network")])
}

/// libvirt ends a running VM whose `started` or `reconnect` hook fails, and a network whose `start`
/// hook does; only what comes before a VM runs may say no.
fn script(arguments: &LibvirtArguments, driver: &str, program: &str) -> String {
    let absent = match arguments.absent {
        Absent::Fail => "fail",
        Absent::Pass => "pass",
    };
    let call = |absent: &str| {
        format!(
            "{program} hook --socket {} --timeout {}ms --absent {absent} libvirt {driver} \"$@\"",
            quoted(&arguments.socket.to_string_lossy()),
            arguments.timeout.as_millis(),
        )
    };
    let head = format!(
        "#!/bin/sh\n# {MARKER} libvirt`, which also takes it away (--undo). Tells moat's agent what libvirt says.\n"
    );
    match driver {
        "qemu" => format!(
            "{head}case \"$2\" in\n\
             prepare|start|migrate|restore) exec {} ;;\n\
             esac\n\
             # Failing now would end a VM that runs.\n\
             {} || exit 0\n",
            call(absent),
            call("pass")
        ),
        _ => format!(
            "{head}# Failing would keep networks from starting, VMs or not.\n{} || exit 0\n",
            call("pass")
        ),
    }
}

/// For a POSIX shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}
