//! `moat lab` for real: what it measures is what the documents mean, and nothing of it is left.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

const DEMO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/demo");

fn lab(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_moat"));
    command.arg("lab").args(arguments);
    command
}

fn report(arguments: &[&str]) -> Value {
    let output = lab(arguments).arg("--json").output().expect("moat runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    let report: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {errors}"));
    assert_eq!(report["disagreements"], 0, "{report:#}");
    assert!(output.status.success(), "{errors}");
    report
}

fn rows<'a>(report: &'a Value, table: &str) -> &'a [Value] {
    report[table].as_array().map_or(&[], Vec::as_slice)
}

/// Children of this process that a lab could have left behind, and what they hold.
fn processes_named(name: &str) -> BTreeSet<u32> {
    let own = std::process::id();
    let processes = fs::read_dir("/proc").expect("processes").flatten();
    processes
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|process| {
            let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
            let field = |key: &str| {
                let line = status.lines().find_map(|line| line.strip_prefix(key));
                line.map(str::trim).unwrap_or_default().to_owned()
            };
            field("Name:").starts_with(name) && field("PPid:") == own.to_string()
        })
        .collect()
}

#[test]
fn the_demo_is_as_its_documents_mean_it() {
    let report = report(&[DEMO]);
    let cells = rows(&report, "cells");
    // Eight machines, five services, two IP versions.
    assert_eq!(cells.len(), 8 * 7 * 5 * 2);
    assert!(
        cells.iter().all(|cell| cell["before"] == true),
        "{report:#}"
    );
    let answered = |from: &str, to: &str, service: &str| {
        let found: Vec<&Value> = cells
            .iter()
            .filter(|cell| cell["from"] == from && cell["to"] == to && cell["service"] == service)
            .collect();
        assert_eq!(found.len(), 2, "IPv4 and IPv6");
        found.iter().all(|cell| cell["after"] == true)
    };
    assert!(answered("router", "web-1", "http"));
    assert!(answered("jump-1", "web-2", "ssh"));
    assert!(answered("web-1", "router", "https"), "replies come back");
    assert!(answered("lab-1", "lab-2", "smtp"));
    for (from, to, service) in [
        ("web-1", "web-2", "http"),
        ("web-1", "router", "smtp"),
        ("router", "web-1", "ssh"),
        ("db-1", "router", "http"),
        ("lab-1", "db-1", "ping"),
        ("jump-1", "lab-1", "ssh"),
    ] {
        assert!(!answered(from, to, service), "{from} → {to} {service}");
    }
    let attacks = rows(&report, "attacks");
    assert!(attacks.len() >= 17, "{attacks:#?}");
    for attack in attacks {
        assert_eq!(attack["before"], attack["victims"], "{attack:#}");
        assert_eq!(attack["after"], 0, "{attack:#}");
        assert_eq!(attack["denied_by"]["counted"], true, "{attack:#}");
        let place = attack["denied_by"]["place"].as_str().unwrap_or_default();
        let always = attack["denied_by"]["decider"] == "malformed";
        assert!(always || place.contains("examples/demo/"), "{attack:#}");
    }
    assert_eq!(processes_named("qemu"), BTreeSet::new());
}

#[test]
fn rules_also_hold_frame_by_frame_and_the_demo_is_built_in() {
    let report = report(&["--here"]);
    assert!(
        rows(&report, "attacks")
            .iter()
            .all(|attack| attack["after"] == 0)
    );
}

/// A lab that is ended when the test is.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_lab_that_stays_goes_wholly_when_it_is_interrupted() {
    let own = fs::metadata("/proc/self/ns/net")
        .expect("a namespace")
        .ino();
    let mut running = Running(
        lab(&["--keep"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("moat runs"),
    );
    let process = running.0.id();
    let namespaces = || -> BTreeSet<u64> {
        let descriptors = fs::read_dir(format!("/proc/{process}/fd"));
        let descriptors = descriptors.into_iter().flatten().flatten();
        descriptors
            .filter(|entry| {
                let target = fs::read_link(entry.path()).unwrap_or_default();
                target.to_string_lossy().starts_with("net:")
            })
            .filter_map(|entry| Some(fs::metadata(entry.path()).ok()?.ino()))
            .collect()
    };
    // Two hosts, their far ends, eight machines: wait until they are there.
    let start = Instant::now();
    while namespaces().len() < 10 {
        assert!(start.elapsed() < Duration::from_secs(60), "no namespaces");
        assert!(running.0.try_wait().expect("a child").is_none(), "it ended");
        thread::sleep(Duration::from_millis(20));
    }
    let held = namespaces();
    assert!(!held.contains(&own));
    let child = rustix::process::Pid::from_child(&running.0);
    rustix::process::kill_process(child, rustix::process::Signal::INT).expect("a signal");
    running.0.wait().expect("it ends");
    // Namespaces live in processes and descriptors; this process is the only other one that could hold them.
    let left: Vec<u32> = fs::read_dir("/proc")
        .expect("processes")
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|process: &u32| {
            let namespace = fs::metadata(format!("/proc/{process}/ns/net"));
            namespace.is_ok_and(|namespace| held.contains(&namespace.ino()))
        })
        .collect();
    assert_eq!(left, Vec::<u32>::new());
}
