//! An apply goes on where the last one ended, and only then: what it relies on is the switch's
//! generation, and a record that is not certainly of this switch and this moment is as good as none.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::PathBuf;

use serde_json::Value;

use crate::host::{Host, Run};

const SHARED: &str = r#"kind: Host
name: hv-1
bridges: {br0: {managed: true}}
---
kind: Network
name: lan
bridge: br0
ISOLATION
---
kind: Profile
name: web
stateful: preferred
guards: [mac, ipv4, ipv6, arp, nd]
rules: [accept in http, RULE]
---
kind: Group
name: admins
members: [10.9.0.0/24, vm:vm-1]
"#;

/// Documents in a folder, one file for each port; what does not exist yet is `None`.
struct Documents {
    isolation: &'static str,
    rule: &'static str,
    ports: [Option<u8>; 4],
}

impl Documents {
    fn write(&self, host: &Host) -> String {
        let shared = SHARED
            .replace("ISOLATION", self.isolation)
            .replace("RULE", self.rule);
        let folder = PathBuf::from(host.write("README", "documents"));
        let folder = folder.parent().expect("a folder").join("documents");
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir(&folder).expect("a folder");
        std::fs::write(folder.join("shared.yaml"), shared).expect("a file");
        for (number, last) in self.ports.iter().enumerate() {
            let Some(last) = last else { continue };
            let text = format!(
                "kind: Port\nname: vm-{number}/0\nvm: vm-{number}\ndevice: vnet{number}\n\
                 mac: 52:54:00:00:00:0{number}\naddresses: [10.0.0.{last}]\nnetwork: lan\nprofiles: [web]\n"
            );
            std::fs::write(folder.join(format!("vm-{number}.yaml")), text).expect("a file");
        }
        folder.to_str().expect("text").to_owned()
    }
}

fn apply(host: &Host, folder: &str) -> Value {
    // Names of files stand in the table: the same for every host.
    let moat = |arguments: &[&str]| {
        let mut command = host.command(arguments);
        command.current_dir(folder);
        Run::of(command.output().expect("the binary runs"))
    };
    let applied = moat(&["apply", ".", "--json"]).ends(0).json();
    // Reads the whole table, and compares it with the documents.
    moat(&["diff", "."]).ends(0);
    applied
}

fn record(host: &Host) -> PathBuf {
    let namespace = std::fs::metadata(host.switch.namespace().path()).expect("a namespace");
    PathBuf::from(format!("/run/moat/{}/applied", namespace.ino()))
}

fn table(host: &Host) -> String {
    let mut command = host.switch.namespace().command("nft");
    let output = command
        .args(["--stateless", "list", "table", "bridge", "moat"])
        .output()
        .expect("nft runs");
    assert!(output.status.success());
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn what_is_sent_and_installed_is_the_same_with_a_record_and_without() {
    let (one, other) = (Host::new(4), Host::new(4));
    let usual = || Documents {
        isolation: "isolation: open",
        rule: "drop in ssh",
        ports: [Some(1), Some(2), None, None],
    };
    let steps = [
        usual(),
        Documents {
            ports: [Some(1), Some(2), Some(3), None],
            ..usual()
        },
        Documents {
            ports: [Some(1), Some(9), Some(3), Some(4)],
            ..usual()
        },
        Documents {
            rule: "accept in ssh from @admins log",
            ports: [Some(1), Some(9), Some(3), Some(4)],
            ..usual()
        },
        Documents {
            rule: "accept in arp",
            ports: [None, Some(2), Some(3), Some(4)],
            ..usual()
        },
        Documents {
            isolation: "isolation: private",
            ..usual()
        },
        Documents {
            isolation: "isolation: members",
            rule: "accept in ssh from @admins",
            ports: [None, Some(7), None, Some(4)],
        },
        usual(),
        usual(),
    ];
    for (number, documents) in steps.iter().enumerate() {
        let _ = std::fs::remove_file(record(&other));
        let resumed = apply(&one, &documents.write(&one));
        let afresh = apply(&other, &documents.write(&other));
        let expected = if number == 0 {
            "read-back"
        } else {
            "generation"
        };
        assert_eq!(resumed["verified-by"], expected, "step {number}");
        assert_eq!(afresh["verified-by"], "read-back", "step {number}");
        assert_eq!(resumed["change"], afresh["change"], "step {number}");
        assert!(table(&one) == table(&other), "step {number}");
    }
}

fn enforced() -> (Host, String) {
    let host = Host::new(3);
    let documents = Documents {
        isolation: "isolation: open",
        rule: "drop in ssh",
        ports: [Some(1), Some(2), None, None],
    };
    let folder = documents.write(&host);
    apply(&host, &folder);
    (host, folder)
}

#[test]
fn what_others_commit_is_seen_and_mended() {
    let (host, folder) = enforced();
    host.nft("flush set bridge moat in-arp");
    let mended = apply(&host, &folder);
    assert_eq!(mended["verified-by"], "read-back");
    assert_eq!(mended["change"]["elements"], 2);
    host.nft("add table bridge other");
    let again = apply(&host, &folder);
    assert_eq!(again["verified-by"], "read-back");
    assert!(again["change"].is_null());
    assert_eq!(apply(&host, &folder)["verified-by"], "generation");
    host.nft("delete table bridge moat");
    let anew = apply(&host, &folder);
    assert_eq!(anew["verified-by"], "read-back");
    assert!(!anew["change"].is_null());
}

#[test]
fn a_record_that_is_damaged_or_not_ours_alone_is_none() {
    let (host, folder) = enforced();
    let path = record(&host);
    let whole = std::fs::read(&path).expect("a record");
    let write = |bytes: &[u8], mode: u32| {
        std::fs::write(&path, bytes).expect("a file");
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(&path, permissions).expect("its owner's");
    };
    assert_eq!(apply(&host, &folder)["verified-by"], "generation");
    for cut in [0, 7, 20, whole.len() / 2, whole.len() - 1] {
        write(whole.get(..cut).expect("a part"), 0o600);
        assert_eq!(apply(&host, &folder)["verified-by"], "read-back", "{cut}");
    }
    for place in (0..whole.len()).step_by(whole.len() / 7) {
        let mut flipped = whole.clone();
        *flipped.get_mut(place).expect("a byte") ^= 0x10;
        write(&flipped, 0o600);
        assert_eq!(apply(&host, &folder)["verified-by"], "read-back", "{place}");
    }
    write(&whole, 0o622);
    assert_eq!(apply(&host, &folder)["verified-by"], "read-back");
    let elsewhere = path.with_file_name("elsewhere");
    std::fs::rename(&path, &elsewhere).expect("a file");
    symlink(&elsewhere, &path).expect("a link");
    assert_eq!(apply(&host, &folder)["verified-by"], "read-back");
    assert_eq!(apply(&host, &folder)["verified-by"], "generation");
}

/// Inode numbers of namespaces are given again, and generations begin anew: both may be the same.
#[test]
fn the_record_of_another_namespace_is_none() {
    let (host, folder) = enforced();
    let other = Host::new(3);
    // As many commits of somebody else as moat made there.
    other.nft("add table bridge other");
    let mine = record(&other);
    let here = mine.parent().expect("a folder");
    std::fs::create_dir(here).expect("a folder");
    let only = std::fs::Permissions::from_mode(0o700);
    std::fs::set_permissions(here, only).expect("its owner's");
    std::fs::copy(record(&host), &mine).expect("a file");
    let applied = apply(&other, &folder);
    assert_eq!(applied["verified-by"], "read-back");
    assert!(!applied["change"].is_null());
}

#[test]
fn wrong_documents_are_told_as_without_a_record() {
    let (host, folder) = enforced();
    let path = PathBuf::from(&folder).join("vm-1.yaml");
    let text = std::fs::read_to_string(&path).expect("a file");
    std::fs::write(&path, text.replace("network: lan", "network: wan")).expect("a file");
    let apply = || host.moat(&["apply", &folder]).ends(2);
    let with = apply();
    std::fs::remove_file(record(&host)).expect("a record");
    let without = apply();
    assert_eq!(with.stderr, without.stderr);
    assert!(with.stderr.contains("wan"), "{}", with.stderr);
}
