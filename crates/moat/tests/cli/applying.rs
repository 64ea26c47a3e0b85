//! Plan, apply, look, remove.

use crate::host::{DOCUMENTS, Host, Run};

#[test]
fn from_nothing_to_enforced_and_back() {
    let host = Host::new(3);
    let file = host.write("policy.yaml", DOCUMENTS);
    let file = file.as_str();

    let plan = host.moat(&["plan", file, "--json"]).ends(0).json();
    assert_eq!(plan["change"]["empty"], false);
    assert_eq!(
        plan["meaning"]["ports_added"].as_array().map(Vec::len),
        Some(2)
    );
    let status = host.moat(&["status", "--json"]).ends(0).json();
    assert_eq!(status["present"], false, "a plan changes nothing");
    host.moat(&["status", file]).ends(1);
    host.moat(&["apply", file, "--dry-run"]).ends(0);
    assert!(!host.settled(file), "a dry run changes nothing");

    let applied = host.moat(&["apply", file]).ends(0);
    assert!(
        applied.stdout.contains("2 ports enforced"),
        "{}",
        applied.stdout
    );
    let again = host.moat(&["apply", file, "--json"]).ends(0).json();
    assert!(
        again["change"].is_null(),
        "nothing is written twice: {again:#}"
    );

    let status = host.moat(&["status", "--json"]).ends(0).json();
    let ports: Vec<&str> = status["ports"]
        .as_array()
        .expect("ports")
        .iter()
        .filter_map(|port| port["port"].as_str())
        .collect();
    assert_eq!(ports, ["web-1/0", "web-2/0"], "from the table alone");
    assert_eq!(status["quarantined"], serde_json::json!(["vnet2"]));
    let ports = host.moat(&["ports", file]).ends(0);
    let line = ports
        .stdout
        .lines()
        .find(|line| line.starts_with("web-1/0"))
        .expect("a line");
    for part in [
        "vnet0",
        "lan",
        "52:54:00:00:00:01",
        "10.0.0.5",
        "web-server@1",
        "enforced",
    ] {
        assert!(line.contains(part), "{part}: {line}");
    }
    host.moat(&["diff", file]).ends(0);

    let refused = host.moat(&["remove"]).ends(2);
    assert!(
        refused.stderr.contains("nothing was changed"),
        "{}",
        refused.stderr
    );
    host.nft("add table bridge other");
    host.moat(&["remove", "--dry-run"]).ends(0);
    assert!(host.settled(file));
    host.moat(&["remove", "--yes"]).ends(0);
    let status = host.moat(&["status", "--json"]).ends(0).json();
    assert_eq!(status["present"], false);
    host.nft("list table bridge other");
}

#[test]
fn a_change_is_told_in_traffic() {
    let host = Host::new(2);
    let file = host.write("policy.yaml", DOCUMENTS);
    host.moat(&["apply", &file]).ends(0);
    let next = host.write(
        "next.yaml",
        &DOCUMENTS.replace("drop out smtp", "drop out ssh"),
    );
    let plan = host.moat(&["plan", &next]).ends(0);
    assert!(
        plan.stdout.contains("now allowed out tcp 25"),
        "{}",
        plan.stdout
    );
    assert!(
        plan.stdout.contains("no longer allowed out tcp 22"),
        "{}",
        plan.stdout
    );
    assert!(plan.stdout.contains("One transaction"), "{}", plan.stdout);
}

#[test]
fn what_the_kernel_lacks_refuses_the_plan() {
    let host = Host::new(2);
    // No kernel answers a frame that is on its way to a VM.
    let text = DOCUMENTS.replace("accept in http, https", "reject in ssh");
    let file = host.write("policy.yaml", &text);
    let plan = host.moat(&["plan", &file]).ends(1);
    for part in ["reject-in", "policy.yaml:15", "remedy", "web-1/0"] {
        assert!(plan.stdout.contains(part), "{part}: {}", plan.stdout);
    }
    let apply = host.moat(&["apply", &file]).ends(1);
    assert!(
        apply.stderr.contains("nothing was changed"),
        "{}",
        apply.stderr
    );
    assert_eq!(host.moat(&["status", "--json"]).json()["present"], false);
}

#[test]
fn a_refused_port_does_not_stop_the_others() {
    let host = Host::new(2);
    let text = DOCUMENTS.replacen("network: lan\nprofiles: [web-server]", "network: lan", 1);
    let file = host.write("policy.yaml", &text);
    let applied = host.moat(&["apply", &file]).ends(1);
    assert!(
        applied.stdout.contains("1 port enforced"),
        "{}",
        applied.stdout
    );
    assert!(
        applied.stdout.contains("refused port web-1/0"),
        "{}",
        applied.stdout
    );
    let ports = host.moat(&["ports", &file, "--json"]).ends(1).json();
    assert_eq!(ports[0]["state"], "refused");
    assert_eq!(ports[1]["state"], "enforced");
    host.moat(&["diff", &file]).ends(1);
}

#[test]
fn who_may_not_is_told_so() {
    let host = Host::new(1);
    let file = host.write("policy.yaml", DOCUMENTS);
    for arguments in [
        &["apply", &file][..],
        &["status"],
        &["plan", &file],
        &["remove", "--yes"],
    ] {
        let mut command = host.switch.namespace().command("setpriv");
        command.args(["--bounding-set=-net_admin", env!("CARGO_BIN_EXE_moat")]);
        let run = Run::of(command.args(arguments).output().expect("setpriv runs")).ends(3);
        assert!(run.stderr.contains("CAP_NET_ADMIN"), "{}", run.stderr);
        assert!(run.stderr.contains("nothing was changed"), "{}", run.stderr);
    }
}

#[test]
fn the_doctor_finds_everything() {
    let host = Host::new(2);
    host.nft("add table bridge other");
    let run = host.moat(&["doctor", "--json"]);
    let found = run.json();
    assert_eq!(found["capabilities"]["reject_in"]["present"], false);
    assert_eq!(found["host"]["permissions"]["net-admin"], true);
    assert_eq!(found["host"]["bridges"]["br0"], 2);
    assert!(
        found["host"]["other bridge tables"][0]
            .as_str()
            .is_some_and(|name| name.starts_with("other"))
    );
    assert!(
        host.moat(&["doctor"])
            .stdout
            .contains("connection-tracking")
    );
}
