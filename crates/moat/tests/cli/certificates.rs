//! `moat tls`: an authority, certificates, and their replacement, as openssl reads them.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::host::{Run, folder, moat};

fn tls(folder: &Path, arguments: &[&str]) -> Run {
    let mut all = vec!["tls"];
    all.extend(arguments);
    let directory = folder.join("tls");
    all.extend(["--directory", directory.to_str().expect("text")]);
    moat(&all)
}

/// Whether openssl believes that the one vouches for the other.
fn vouches(folder: &Path, name: &str) -> bool {
    let output = Command::new("openssl")
        .args(["verify", "-CAfile", "ca.pem"])
        .arg(format!("{name}.pem"))
        .current_dir(folder.join("tls"))
        .output()
        .expect("openssl runs");
    output.status.success()
}

fn mode(folder: &Path, file: &str) -> u32 {
    let there = std::fs::metadata(folder.join("tls").join(file)).expect("it is there");
    there.permissions().mode() & 0o7777
}

fn read(folder: &Path, file: &str) -> String {
    std::fs::read_to_string(folder.join("tls").join(file)).expect("it is there")
}

#[test]
fn an_authority_vouches_for_certificates() {
    let folder = folder();
    let run = tls(&folder, &["init", "--dry-run"]).ends(0);
    assert!(run.stdout.contains("would write"), "{}", run.stdout);
    assert!(!folder.join("tls").exists());
    let run = tls(&folder, &["issue", "hv-1"]).ends(1);
    assert!(run.stderr.contains("moat tls init"), "{}", run.stderr);
    tls(&folder, &["show"]).ends(1);

    tls(&folder, &["init"]).ends(0);
    tls(
        &folder,
        &[
            "issue",
            "hv-1",
            "--also",
            "192.0.2.1",
            "--also",
            "hv-1.example",
        ],
    )
    .ends(0);
    assert_eq!(mode(&folder, ""), 0o700);
    assert_eq!(mode(&folder, "ca.pem"), 0o644);
    assert!(!read(&folder, "ca.pem").contains("PRIVATE"));
    for secret in ["authority.pem", "moat.pem", "hv-1.pem"] {
        assert_eq!(mode(&folder, secret), 0o600);
    }
    assert!(vouches(&folder, "moat") && vouches(&folder, "hv-1"));

    let before = read(&folder, "hv-1.pem");
    let run = tls(&folder, &["issue", "hv-1"]).ends(1);
    assert!(
        run.stderr.contains("moat tls rotate hv-1"),
        "{}",
        run.stderr
    );
    tls(&folder, &["init"]).ends(1);
    tls(&folder, &["issue", "../hv-2"]).ends(2);
    tls(&folder, &["issue", "ca"]).ends(2);
    tls(&folder, &["issue", "hv-2", "--also", "a,b"]).ends(2);
    assert_eq!(read(&folder, "hv-1.pem"), before);

    let shown = tls(&folder, &["show", "--json"]).ends(0).json();
    let names: Vec<&str> = shown["certificates"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| one["name"].as_str().expect("text"))
        .collect();
    assert_eq!(names, ["ca", "hv-1", "moat"]);
    assert_eq!(
        shown["certificates"][1]["names"].to_string(),
        r#"["hv-1","192.0.2.1","hv-1.example"]"#
    );
    // Whole days: all of them in the second in which it was made, one less from the next on.
    let left = shown["certificates"][1]["days_left"].as_u64();
    assert!(matches!(left, Some(824 | 825)), "{left:?}");
}

#[test]
fn certificates_are_replaced_before_they_run_out() {
    let folder = folder();
    tls(&folder, &["init"]).ends(0);
    tls(
        &folder,
        &["issue", "hv-1", "--also", "192.0.2.1", "--days", "20"],
    )
    .ends(0);
    tls(&folder, &["issue", "hv-2"]).ends(0);
    let run = tls(&folder, &["show"]).ends(1);
    assert!(run.stdout.contains("hv-1"), "{}", run.stdout);
    let kept = read(&folder, "hv-2.pem");
    let old = read(&folder, "hv-1.pem");
    let run = tls(&folder, &["rotate", "--json"]).ends(0);
    assert_eq!(run.json()["written"].as_array().map(Vec::len), Some(1));
    assert_ne!(read(&folder, "hv-1.pem"), old);
    assert_eq!(read(&folder, "hv-2.pem"), kept);
    assert!(vouches(&folder, "hv-1"));
    let shown = tls(&folder, &["show", "--json"]).ends(0).json();
    assert_eq!(
        shown["certificates"][1]["names"].to_string(),
        r#"["hv-1","192.0.2.1"]"#
    );
    let run = tls(&folder, &["rotate"]).ends(0);
    assert!(run.stdout.contains("nothing was changed"), "{}", run.stdout);
    tls(&folder, &["rotate", "hv-9"]).ends(1);
    tls(&folder, &["rotate", "hv-2"]).ends(0);
    assert_ne!(read(&folder, "hv-2.pem"), kept);
}

#[test]
fn a_new_authority_cuts_off_nobody() {
    let folder = folder();
    tls(&folder, &["init", "--name", "moat of eu-1"]).ends(0);
    tls(&folder, &["issue", "hv-1"]).ends(0);
    let (old, ca) = (read(&folder, "hv-1.pem"), read(&folder, "ca.pem"));
    let run = tls(&folder, &["rotate", "--authority"]).ends(0);
    // Whoever is to be believed comes first: a crash in between cuts off nobody.
    assert!(
        run.stdout.starts_with("wrote")
            && run
                .stdout
                .lines()
                .next()
                .expect("a line")
                .contains("ca.pem")
    );
    assert!(read(&folder, "ca.pem").ends_with(&ca));
    assert!(vouches(&folder, "hv-1"));
    std::fs::write(folder.join("tls/old.pem"), &old).expect("a file");
    assert!(vouches(&folder, "old"));
    let shown = tls(&folder, &["show", "--json"]).ends(0).json();
    assert_eq!(
        shown["certificates"][0]["subject"],
        "O=moat, CN=moat of eu-1"
    );
    assert_eq!(shown["certificates"][1]["name"], "ca");
}
