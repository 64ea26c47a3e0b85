//! The house has floors (docs/architecture.md): a crate uses only crates of floors below its own.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

/// Every crate and its floor. A new crate gets a line here, so that its place is a decision.
const FLOORS: &[(&str, u8)] = &[
    ("frame", 1),
    ("nftables", 1),
    ("channel", 1),
    ("openflow", 1),
    ("policy", 2),
    ("libvirt", 2),
    ("ovsdb", 2),
    ("learning", 2),
    ("inventory", 3),
    ("datapath", 3),
    ("import", 3),
    ("datapath-nftables", 4),
    ("datapath-openvswitch", 4),
    ("agent", 4),
    ("moat", 5),
];

/// Stand beside the house: throw-away namespaces, bridges and guests, and fuzz targets. They may use any floor.
const BESIDE: &[&str] = &["testbed", "fuzz"];

/// One crate uses another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Use {
    user: String,
    used: String,
    for_tests_only: bool,
}

/// What is wrong with that use, if anything.
fn objection(
    Use {
        user,
        used,
        for_tests_only,
    }: &Use,
) -> Option<String> {
    let floors: BTreeMap<&str, u8> = FLOORS.iter().copied().collect();
    if BESIDE.contains(&user.as_str()) {
        return None;
    }
    let Some(user_floor) = floors.get(user.as_str()) else {
        return Some(format!("{user} has no floor; give it one in FLOORS"));
    };
    if BESIDE.contains(&used.as_str()) {
        // `moat lab` shows policies at work in a throw-away host, so the binary carries one.
        let allowed = *for_tests_only || (user == "moat" && used == "testbed");
        return (!allowed).then(|| format!("{user} uses {used}, which is for tests alone"));
    }
    let used_floor = floors.get(used.as_str())?;
    (used_floor >= user_floor).then(|| {
        format!("{user} (floor {user_floor}) uses {used} (floor {used_floor}): dependencies run downwards only")
    })
}

/// The crates of the workspace and how they use each other, from `cargo metadata`.
fn workspace() -> (Vec<String>, Vec<Use>) {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    let packages = metadata["packages"]
        .as_array()
        .expect("packages are a list");
    let text = |value: &Value| value.as_str().expect("names are text").to_owned();

    let names: Vec<String> = packages
        .iter()
        .map(|package| text(&package["name"]))
        .collect();
    let mut uses = Vec::new();
    for package in packages {
        for dependency in package["dependencies"]
            .as_array()
            .expect("dependencies are a list")
        {
            let used = text(&dependency["name"]);
            if names.contains(&used) {
                uses.push(Use {
                    user: text(&package["name"]),
                    used,
                    for_tests_only: dependency["kind"] == "dev",
                });
            }
        }
    }
    (names, uses)
}

#[test]
fn dependencies_run_downwards() {
    let (names, uses) = workspace();
    assert!(
        uses.iter()
            .any(|found| found.user == "moat" && found.used == "policy"),
        "{uses:?}"
    );
    let homeless = names
        .iter()
        .filter(|name| {
            !BESIDE.contains(&name.as_str()) && !FLOORS.iter().any(|(known, _)| known == name)
        })
        .map(|name| format!("{name} has no floor; give it one in FLOORS"));
    let objections: Vec<String> = homeless.chain(uses.iter().filter_map(objection)).collect();
    assert!(objections.is_empty(), "{objections:#?}");
}

#[test]
fn every_floor_has_its_crates() {
    let (names, _) = workspace();
    for (name, _) in FLOORS {
        assert!(
            names.iter().any(|known| known == name),
            "{name} is listed but does not exist"
        );
    }
}

#[test]
fn the_check_objects() {
    let found = |user: &str, used: &str, for_tests_only| {
        objection(&Use {
            user: user.to_owned(),
            used: used.to_owned(),
            for_tests_only,
        })
    };
    assert_eq!(found("policy", "frame", false), None);
    assert!(found("frame", "policy", false).is_some());
    assert!(found("frame", "policy", true).is_some());
    assert!(
        found("inventory", "datapath", false).is_some(),
        "same floor"
    );
    assert!(found("policy", "testbed", false).is_some());
    assert_eq!(found("policy", "testbed", true), None);
    assert_eq!(found("moat", "testbed", false), None);
    assert!(found("newcomer", "frame", false).is_some());
}
