//! What `moat setup` installs for other systems, run as those systems run it.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use agent::protocol::{Reply, Request};

use crate::hooks::{Place, answer, reply};

/// The synthetic VM 3 as OpenNebula gives it to a driver called `fw`.
const VM: &str = include_str!("../../../import/samples/opennebula/vnm-stdin-fw-synthetic.b64");

fn setup(place: &Path, more: &[&str]) -> Output {
    let remotes = place.join("remotes");
    Command::new(env!("CARGO_BIN_EXE_moat"))
        .args([
            "setup",
            "opennebula",
            "--driver",
            "fw",
            "--timeout",
            "20s",
            "--remotes",
        ])
        .arg(remotes)
        .arg("--socket")
        .arg(place.join("agent.sock"))
        .args(more)
        .output()
        .unwrap()
}

/// As OpenNebula does over ssh: `cat | ACTION ARGUMENTS`.
fn action(place: &Path, line: &str, input: &str, path: &str) -> Output {
    let mut words = line.split(' ');
    let script = place.join("remotes/vnm/fw").join(words.next().unwrap());
    let mut child = Command::new(script)
        .args(words)
        .env("PATH", path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A script that judges nothing does not read it.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// Where the moat under test is found, before everything else.
fn with_moat() -> String {
    let folder = PathBuf::from(env!("CARGO_BIN_EXE_moat"));
    let folder = folder.parent().unwrap().display().to_string();
    format!("{folder}:/usr/bin:/bin")
}

#[test]
fn opennebulas_driver_is_installed_and_taken_back() {
    let place = Place::new("driver-files");
    let folder = place.0.join("remotes/vnm/fw");
    let shown = setup(&place.0, &["--dry-run"]);
    assert!(shown.status.success(), "{shown:?}");
    assert_eq!(
        String::from_utf8_lossy(&shown.stdout)
            .matches("create")
            .count(),
        8
    );
    assert!(!folder.exists());

    let done = setup(&place.0, &[]);
    assert!(done.status.success(), "{done:?}");
    let said = String::from_utf8(done.stdout).unwrap();
    assert!(
        said.contains("VN_MAD_CONF = [ NAME = \"fw\", BRIDGE_TYPE = \"linux\" ]"),
        "{said}"
    );
    let mut names: Vec<String> = Vec::new();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(
            entry.metadata().unwrap().permissions().mode() & 0o777,
            0o755
        );
        assert_eq!(
            std::fs::read_to_string(entry.path())
                .unwrap()
                .lines()
                .count(),
            3
        );
        names.push(entry.file_name().into_string().unwrap());
    }
    names.sort();
    let expected = "clean post pre update_nic update_sg vnet_create vnet_delete";
    assert_eq!(names.join(" "), expected);
    let again = setup(&place.0, &["--json"]);
    let again = String::from_utf8(again.stdout).unwrap();
    assert_eq!(again.matches("\"keep\"").count(), 7, "{again}");

    assert!(setup(&place.0, &["--undo"]).status.success());
    assert!(!folder.exists());
}

#[test]
fn another_driver_of_that_name_stays() {
    let place = Place::new("driver-foreign");
    let folder = place.0.join("remotes/vnm/fw");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("pre"), "#!/usr/bin/env ruby\n").unwrap();
    let refused = setup(&place.0, &[]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        String::from_utf8(refused.stderr)
            .unwrap()
            .contains("pre is not moat's")
    );
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
    for wrong in ["--driver=../x", "--isolation=some", "--socket=a'b"] {
        assert_eq!(setup(&place.0, &[wrong]).status.code(), Some(2), "{wrong}");
    }
}

#[test]
fn an_action_reaches_the_agent_with_all_it_was_told() {
    let place = Place::new("driver-action");
    assert!(
        setup(&place.0, &["--isolation", "mac-prefix"])
            .status
            .success()
    );
    let server = answer(&place.0.join("agent.sock"), reply(&Reply::done()));
    let done = action(&place.0, "post one-3 hv1", VM, &with_moat());
    assert!(done.status.success(), "{done:?}");
    let Request::Hook {
        system,
        arguments,
        input,
        ..
    } = server.join().unwrap()
    else {
        panic!("not a hook")
    };
    assert_eq!(system, "opennebula");
    let expected = "--driver fw --isolation mac-prefix post one-3 hv1";
    assert_eq!(arguments.join(" "), expected);
    assert_eq!(input, VM);
}

#[test]
fn without_an_agent_a_vm_does_not_start_but_may_go() {
    let place = Place::new("driver-absent");
    assert!(setup(&place.0, &[]).status.success());
    let started = action(&place.0, "pre", VM, &with_moat());
    assert_eq!(started.status.code(), Some(1));
    // OpenNebula shows the user what does not look like a line for its log.
    let said = String::from_utf8(started.stderr).unwrap();
    assert!(said.starts_with("error: moat: no agent listens"), "{said}");
    let gone = action(&place.0, "clean hv1", VM, &with_moat());
    assert!(gone.status.success(), "{gone:?}");
    assert!(
        String::from_utf8(gone.stderr)
            .unwrap()
            .starts_with("WARN: ")
    );
}

#[test]
fn networks_are_judged_on_the_front_end_where_no_agent_is() {
    let place = Place::new("driver-front");
    assert!(setup(&place.0, &[]).status.success());
    // <VNET><ID>7</ID><VN_MAD>fw</VN_MAD><BRIDGE_TYPE>openvswitch</BRIDGE_TYPE></VNET>
    let network = "PFZORVQ+PElEPjc8L0lEPjxWTl9NQUQ+Znc8L1ZOX01BRD48QlJJREdFX1RZUEU+b3BlbnZzd2l0\nY2g8L0JSSURHRV9UWVBFPjwvVk5FVD4=\n";
    let made = action(&place.0, "vnet_create 7", network, &with_moat());
    assert_eq!(made.status.code(), Some(1), "{made:?}");
    let said = String::from_utf8(made.stderr).unwrap();
    assert!(
        said.contains("network 7 cannot be protected: BRIDGE_TYPE is openvswitch"),
        "{said}"
    );
    let deleted = action(&place.0, "vnet_delete 7", network, &with_moat());
    assert!(deleted.status.success(), "{deleted:?}");
    // Nor need the front-end have moat at all.
    let made = action(&place.0, "vnet_create 7", network, "/nowhere");
    assert!(made.status.success(), "{made:?}");
}
