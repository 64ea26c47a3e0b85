//! Changes that go back by themselves.

use rustix::process::{Pid, Signal, kill_process};

use crate::host::{DOCUMENTS, Going, Host};

/// A host where one thing is in force and another is to be.
fn hosts() -> (Host, String, String) {
    let host = Host::new(2);
    let before = host.write("before.yaml", DOCUMENTS);
    let after = host.write(
        "after.yaml",
        &DOCUMENTS.replace("drop out smtp", "drop out ssh"),
    );
    host.moat(&["apply", &before]).ends(0);
    (host, before, after)
}

#[test]
fn without_a_word_it_goes_back() {
    let (host, before, after) = hosts();
    let run = host.moat(&["apply", &after, "--confirm", "500ms"]).ends(1);
    assert!(run.stderr.contains("in force again"), "{}", run.stderr);
    assert!(host.settled(&before));
}

#[test]
fn the_first_apply_goes_back_to_nothing() {
    let host = Host::new(2);
    let file = host.write("policy.yaml", DOCUMENTS);
    host.moat(&["apply", &file, "--confirm", "300ms"]).ends(1);
    assert_eq!(host.moat(&["status", "--json"]).json()["present"], false);
}

#[test]
fn a_word_from_elsewhere_keeps_it() {
    let (host, before, after) = hosts();
    host.moat(&["confirm"]).ends(1);
    let waiting = Going::start(
        host.command(&["apply", &after, "--confirm", "1h"]),
        "Waiting",
    );
    let status = host.moat(&["status", "--json"]).json();
    assert!(
        status["waiting-for-confirmation-seconds"].is_u64(),
        "{status:#}"
    );
    let refused = host.moat(&["apply", &before]).ends(1);
    assert!(
        refused.stderr.contains("waits for confirmation"),
        "{}",
        refused.stderr
    );
    host.moat(&["confirm"]).ends(0);
    assert_eq!(waiting.end(), Some(0));
    assert!(host.settled(&after));
}

#[test]
fn a_word_from_elsewhere_takes_it_back_at_once() {
    let (host, before, after) = hosts();
    let waiting = Going::start(
        host.command(&["apply", &after, "--confirm", "1h"]),
        "Waiting",
    );
    assert!(host.settled(&after));
    host.moat(&["confirm", "--revert"]).ends(0);
    assert_eq!(waiting.end(), Some(1));
    assert!(host.settled(&before));
}

#[test]
fn a_lost_terminal_does_not_keep_it_from_going_back() {
    for signal in [Signal::HUP, Signal::KILL] {
        let (host, before, after) = hosts();
        let waiting = Going::start(
            host.command_that_hears(&["apply", &after, "--confirm", "4s"]),
            "Waiting",
        );
        let process = i32::try_from(waiting.id()).ok().and_then(Pid::from_raw);
        kill_process(process.expect("a process"), signal).expect("killed");
        assert_eq!(waiting.end(), None, "killed");
        host.wait_until("going back", || host.settled(&before));
        host.moat(&["confirm"]).ends(1);
    }
}

#[test]
fn nothing_to_do_waits_for_nobody() {
    let (host, before, _) = hosts();
    host.moat(&["apply", &before, "--confirm", "1h"]).ends(0);
    host.moat(&["confirm"]).ends(1);
}
