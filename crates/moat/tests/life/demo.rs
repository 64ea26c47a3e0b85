//! `moat lab --guests qemu`, as small as it can be: real guests ask and attack under the agent, and nothing of it is left.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::host::await_until;

/// Two hosts; a name before each machine's own tells this test's guests from others.
fn documents(prefix: &str) -> String {
    let port = |(number, name, host, profile): (u8, &str, &str, &str)| {
        format!(
            "---
kind: Port
name: {prefix}-{name}/0
vm: {prefix}-{name}
host: {host}
mac: 52:54:00:00:00:0{number}
addresses: [10.0.0.{number}, \"2001:db8::{number}\"]
network: lan
profiles: [{profile}]
"
        )
    };
    let ports = [
        (1, "router", "hv-1", "open"),
        (2, "web", "hv-1", "web"),
        (3, "client", "hv-2", "open"),
    ];
    let ports: String = ports.map(port).concat();
    let host = |name| {
        format!(
            "kind: Host\nname: {name}\nbridges: {{br0: {{uplinks: [eth1], managed: true}}}}\n---\n"
        )
    };
    let guards =
        "guards: [mac, ipv4, ipv6, arp, nd, no-dhcp-server, no-router-advertisement]\ndefault:";
    format!(
        "{}{}kind: Network
name: lan
bridge: br0
isolation: members
---
kind: Profile
name: open
{guards} {{in: accept, out: accept}}
---
kind: Profile
name: web
{guards} {{in: drop, out: accept}}
rules: [accept in http]
{ports}",
        host("hv-1"),
        host("hv-2")
    )
}

/// Documents in a folder of their own, and processes, that go with the test.
struct Lab {
    folder: PathBuf,
    child: Option<Child>,
}

impl Lab {
    fn of(prefix: &str) -> Self {
        let folder =
            std::env::temp_dir().join(format!("moat-demo-{prefix}-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join("all.yaml"), documents(prefix)).expect("documents");
        Self {
            folder,
            child: None,
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_moat"));
        command.args(["lab", "--guests", "qemu", "--json"]);
        command.arg(&self.folder);
        command
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// QEMU processes of guests whose names begin so.
fn emulators(prefix: &str) -> usize {
    let processes = fs::read_dir("/proc").expect("processes").flatten();
    let lines = processes.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    let wanted = format!("guest={prefix}-");
    lines
        .filter(|line| String::from_utf8_lossy(line).contains(&wanted))
        .count()
}

#[test]
fn real_guests_ask_and_attack_as_the_documents_mean_it() {
    let lab = Lab::of("asking");
    let output = lab.command().output().expect("moat runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    let report: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {errors}"));
    assert_eq!(report["disagreements"], 0, "{report:#}");
    assert!(output.status.success(), "{errors}");
    assert_eq!(report["guests"], "qemu");
    let rows = |table: &str| report[table].as_array().cloned().unwrap_or_default();
    // Three machines, five services, two IP versions.
    let cells = rows("cells");
    assert_eq!(cells.len(), 3 * 2 * 5 * 2);
    for cell in &cells {
        assert_eq!(cell["before"], true, "{cell:#}");
        let asks_web = cell["from"] == "asking-client" && cell["to"] == "asking-web";
        if asks_web {
            assert_eq!(cell["after"], cell["service"] == "http", "{cell:#}");
        }
    }
    let attacks = rows("attacks");
    assert!(attacks.len() >= 12, "{attacks:#?}");
    for attack in &attacks {
        assert_eq!(attack["before"], attack["victims"], "{attack:#}");
        assert_eq!(attack["after"], 0, "{attack:#}");
    }
    assert_eq!(emulators("asking"), 0);
}

#[test]
fn guests_end_with_a_lab_that_is_interrupted() {
    let mut lab = Lab::of("ending");
    let mut command = lab.command();
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let child = command.spawn().expect("moat runs");
    let pid = Pid::from_child(&child);
    lab.child = Some(child);
    await_until("a guest", || emulators("ending") > 0);
    kill_process(pid, Signal::INT).expect("a signal");
    await_until("the end of all guests", || emulators("ending") == 0);
}
