//! Commands that need no switch: what is right, what is wrong, and how it is said.

use crate::host::{DOCUMENTS, folder, moat};

#[test]
fn right_documents_of_a_folder() {
    let folder = folder();
    std::fs::create_dir(folder.join("more")).expect("a folder");
    std::fs::write(folder.join("all.yaml"), DOCUMENTS).expect("a file");
    let group = r#"{"kind": "Group", "name": "admins", "members": ["10.9.0.0/24"]}"#;
    std::fs::write(folder.join("more/group.json"), group).expect("a file");
    std::fs::write(folder.join("notes.txt"), "kind: Nonsense").expect("a file");
    let path = folder.to_str().expect("text");
    let run = moat(&["check", path]).ends(0);
    assert!(
        run.stdout
            .contains("2 files: 1 profile, 1 group, 1 network, 2 ports, 1 host"),
        "{}",
        run.stdout
    );
    let run = moat(&["check", path, "--json"]).ends(0);
    assert_eq!(run.json()["documents"]["port"], 2);
}

#[test]
fn wrong_documents_name_their_places() {
    let folder = folder();
    let file = folder.join("wrong.yaml");
    let path = file.to_str().expect("text");
    std::fs::write(
        &file,
        DOCUMENTS
            .replace("in http", "in htpp")
            .replace("lan\nbridge", "lan\nbrigde"),
    )
    .expect("a file");
    let run = moat(&["check", path]).ends(2);
    assert!(run.stderr.contains("wrong.yaml:15:"), "{}", run.stderr);
    assert!(run.stderr.contains("did you mean `http`"), "{}", run.stderr);
    assert!(
        run.stderr.contains("errors; nothing takes effect"),
        "{}",
        run.stderr
    );
    assert!(!run.stderr.contains('\x1b'), "no colours in a pipe");
    let colored = moat(&["check", path, "--color", "always"]).ends(2);
    assert!(colored.stderr.contains('\x1b'));
    let found = moat(&["check", path, "--json"]).ends(2).json();
    let places = found["error"]["diagnostics"]
        .as_array()
        .expect("a list")
        .len();
    assert!(places >= 2, "{found:#}");
}

#[test]
fn what_is_hardly_meant_is_found() {
    let folder = folder();
    let file = folder.join("policy.yaml");
    let path = file.to_str().expect("text");
    std::fs::write(&file, DOCUMENTS).expect("a file");
    let clean = moat(&["lint", path, "--json"]).json();
    let shadowed = DOCUMENTS.replace("- drop out smtp", "- drop out smtp\n  - accept out tcp 25");
    std::fs::write(&file, shadowed).expect("a file");
    let run = moat(&["lint", path]).ends(1);
    assert!(run.stdout.contains("policy.yaml:17"), "{}", run.stdout);
    assert!(
        run.stdout.contains("17 |   - accept out tcp 25"),
        "{}",
        run.stdout
    );
    let found = moat(&["lint", path, "--json"]).ends(1).json();
    assert!(
        found.as_array().map(Vec::len) > clean.as_array().map(Vec::len),
        "{found:#}"
    );
}

#[test]
fn usage_errors_end_with_2() {
    for arguments in [
        &["check", "/nonexistent/moat.yaml"][..],
        &["no-such-command"],
        &["check"],
        &["rule", "acept in http"],
        &["services", "no-such-service"],
    ] {
        let run = moat(arguments).ends(2);
        assert!(!run.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn rules_convert_both_ways() {
    let line = "accept in https, ssh from @admins, 10.0.0.0/8 log";
    let there = moat(&["rule", line, "--json"]).ends(0).json();
    assert_eq!(there["line"], line);
    let structured = there["structured"].to_string();
    let back = moat(&["rule", &structured, "--json"]).ends(0).json();
    assert_eq!(back, there);
}

#[test]
fn reference_is_printed() {
    let services = moat(&["services", "--json"]).ends(0).json();
    assert!(services.as_array().is_some_and(|all| all.len() > 100));
    let https = moat(&["services", "https"]).ends(0);
    assert!(https.stdout.contains("tcp 443"), "{}", https.stdout);
    let schema = moat(&["schema"]).ends(0).json();
    assert!(schema["$schema"].is_string());
    assert!(
        moat(&["completions", "bash"])
            .ends(0)
            .stdout
            .contains("moat")
    );
    let folder = folder();
    let pages = moat(&["man", folder.to_str().expect("text"), "--json"])
        .ends(0)
        .json();
    let pages = pages.as_array().expect("a list");
    assert!(pages.iter().any(|page| page == "moat-trace.1"), "{pages:?}");
    assert!(
        pages.iter().all(|page| page != "moat-guardian.1"),
        "{pages:?}"
    );
}
