//! The network driver for OpenNebula: seven scripts and a line of configuration. Knows where OpenNebula
//! looks for them; what they mean is left to `import`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use import::opennebula::ACTIONS;
use serde_json::json;

use super::{Doing, MARKER, Plan, PlannedFile};
use crate::fault::{Failure, Outcome};
use crate::hook::Absent;
use crate::{output, time};

#[derive(Args, Debug)]
pub(crate) struct OpennebulaArguments {
    /// OpenNebula's folder of drivers, on the front-end
    #[arg(long, value_name = "DIR", default_value = "/var/lib/one/remotes")]
    pub remotes: PathBuf,
    /// Name of the driver, for VN_MAD of networks
    #[arg(long, value_name = "NAME", default_value = "moat", value_parser = driver)]
    pub driver: String,
    /// What keeps networks of one bridge apart: open, members, mac-prefix or mac-prefix=BITS
    #[arg(long, value_name = "MODE", default_value = "open", value_parser = isolation)]
    pub isolation: String,
    /// The bridges separate VLANs themselves, and VLAN_ID is a port's VLAN in them
    #[arg(long)]
    pub vlan_filtering: bool,
    /// What to do on a host where the agent does not answer
    #[arg(long, value_enum, default_value_t, value_name = "WHAT")]
    pub absent: Absent,
    /// How long an action waits for the agent
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = time::duration)]
    pub timeout: Duration,
    /// Socket of the agents on the hosts
    #[arg(long, value_name = "PATH", default_value = agent::protocol::SOCKET, value_parser = socket)]
    pub socket: String,
    #[command(flatten)]
    pub doing: Doing,
}

/// `moat setup opennebula`.
///
/// # Errors
/// Where somebody else's file is in the way, or the system refuses.
pub(super) fn setup(arguments: &OpennebulaArguments, as_json: bool) -> Result<Outcome, Failure> {
    let files = files(arguments);
    let Doing { dry_run, undo } = arguments.doing;
    let plan = Plan::new(&files, undo)?;
    let configuration = format!(
        "VN_MAD_CONF = [ NAME = \"{}\", BRIDGE_TYPE = \"linux\" ]",
        arguments.driver
    );
    if as_json {
        output::json(&json!({
            "files": plan.to_json(),
            "oned.conf": configuration,
            "done": !dry_run,
        }));
    } else {
        plan.show();
    }
    if dry_run {
        return Ok(Outcome::Fine);
    }
    plan.carry_out()?;
    if !as_json && undo {
        output::line(format!(
            "\nRemove this from /etc/one/oned.conf once no network uses the driver, and restart oned:\n  {configuration}"
        ));
    } else if !as_json {
        output::line(format!(
            "\nAdd this to /etc/one/oned.conf, restart oned, and send the driver to the hosts with \
             `onehost sync --force`:\n  {configuration}\nThe agent of each host lets OpenNebula's user in with \
             `moat agent --allow-user oneadmin --socket-group oneadmin`."
        ));
    }
    Ok(Outcome::Fine)
}

fn files(arguments: &OpennebulaArguments) -> Vec<PlannedFile> {
    let folder = arguments.remotes.join("vnm").join(&arguments.driver);
    let file = |action: &&str| PlannedFile {
        path: folder.join(action),
        content: script(arguments, action),
        mode: 0o755,
    };
    ACTIONS.iter().map(file).collect()
}

fn script(arguments: &OpennebulaArguments, action: &str) -> String {
    let how = match action {
        // These run on the front-end, where no agent is and perhaps no moat.
        "vnet_create" | "vnet_delete" => "--local".to_owned(),
        _ => {
            let absent = match (action, arguments.absent) {
                // Nothing may keep a VM from going.
                ("clean", _) | (_, Absent::Pass) => "pass",
                (_, Absent::Fail) => "fail",
            };
            let time = arguments.timeout.as_millis();
            let socket = match arguments.socket.as_str() {
                agent::protocol::SOCKET => String::new(),
                other => format!("--socket '{other}' "),
            };
            format!("{socket}--timeout {time}ms --absent {absent}")
        }
    };
    let filtering = match arguments.vlan_filtering {
        true => " --vlan-filtering",
        false => "",
    };
    let call = format!(
        "moat hook {how} opennebula --driver {} --isolation {}{filtering} {action} \"$@\"",
        arguments.driver, arguments.isolation
    );
    let call = match how.as_str() {
        "--local" => format!("command -v moat > /dev/null || exit 0; exec {call}"),
        _ => format!("exec {call}"),
    };
    format!("#!/bin/sh\n# {MARKER} opennebula`, which writes it anew.\n{call}\n")
}

/// It becomes a folder's name and a word of a script.
fn driver(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    match begins && text.len() <= 64 && text.chars().all(fits) {
        true => Ok(text.to_owned()),
        false => Err(format!(
            "`{text}` is no name for a driver: letters, digits, `_`, `-` and `.`"
        )),
    }
}

fn isolation(text: &str) -> Result<String, String> {
    import::opennebula::check_isolation(text).map(|()| text.to_owned())
}

/// It stands in a script between quotes.
fn socket(text: &str) -> Result<String, String> {
    match text.starts_with('/') && !text.contains(['\'', '\n']) {
        true => Ok(text.to_owned()),
        false => Err(format!("`{text}` is no whole path without quotes")),
    }
}
