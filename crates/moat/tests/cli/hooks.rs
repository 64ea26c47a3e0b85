//! What hooks and `moat port` ask, and what they make of the answer: with a stand-in for the agent.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread::{self, JoinHandle};

use agent::protocol::{Reply, Request};

/// A directory that goes when the test does.
pub(crate) struct Place(pub(crate) PathBuf);

impl Place {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("moat-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn socket(&self) -> PathBuf {
        self.0.join("agent.sock")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Answers one request with this line; gives back what it was asked.
pub(crate) fn answer(socket: &Path, line: String) -> JoinHandle<Request> {
    let listener = UnixListener::bind(socket).unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = String::new();
        BufReader::new(&stream).read_line(&mut request).unwrap();
        stream.write_all(line.as_bytes()).unwrap();
        serde_json::from_str(&request).unwrap()
    })
}

pub(crate) fn reply(reply: &Reply) -> String {
    serde_json::to_string(reply).unwrap() + "\n"
}

fn moat(socket: &Path, before: &[&str], after: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_moat"))
        .args(before)
        .arg("--socket")
        .arg(socket)
        .args(after)
        .env("MOAT_PORT", "web-1/0")
        .env("SECRET", "not for the agent")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // One that does not read its input may be gone already.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

#[test]
fn a_hook_passes_everything_on_and_prints_the_answer() {
    let place = Place::new("hook-passes");
    let server = answer(
        &place.socket(),
        reply(&Reply::Done {
            output: "<domain/>".to_owned(),
            notes: vec!["PEAK_KB is not respected".to_owned()],
        }),
    );
    let call = [
        "opennebula",
        "--driver",
        "moat",
        "update_sg",
        "--json",
        "one-3",
    ];
    let output = moat(&place.socket(), &["hook"], &call, b"PFZNPg==\n");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(output.stdout, b"<domain/>");
    assert_eq!(output.stderr, b"INFO: moat: PEAK_KB is not respected\n");
    let Request::Hook {
        system,
        arguments,
        input,
        environment,
    } = server.join().unwrap()
    else {
        panic!("not a hook")
    };
    assert_eq!(system, "opennebula");
    assert_eq!(arguments, call[1..]);
    assert_eq!(input, "PFZNPg==\n");
    assert_eq!(environment["MOAT_PORT"], "web-1/0");
    assert!(!environment.contains_key("SECRET"));
}

#[test]
fn a_refusal_fails_the_hook_with_the_agents_sentence() {
    let place = Place::new("hook-refusal");
    let message = "NIC 0 has SECURITY_GROUPS=100 that is not there".to_owned();
    let server = answer(&place.socket(), reply(&Reply::Refused { message }));
    // Also where an absent agent would be passed over: this one is not absent.
    let output = moat(
        &place.socket(),
        &["hook", "--absent", "pass"],
        &["opennebula", "pre"],
        b"",
    );
    server.join().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        said,
        "error: moat: NIC 0 has SECURITY_GROUPS=100 that is not there\n"
    );
}

#[test]
fn an_absent_agent_fails_the_hook_or_does_not() {
    let place = Place::new("hook-absent");
    let failed = moat(
        &place.socket(),
        &["hook"],
        &["libvirt", "qemu"],
        b"<domain/>",
    );
    assert_eq!(failed.status.code(), Some(1));
    let said = String::from_utf8(failed.stderr).unwrap();
    assert!(
        said.contains("no agent listens at") && said.contains("agent.sock"),
        "{said}"
    );

    let passed = moat(
        &place.socket(),
        &["hook", "--absent=pass"],
        &["libvirt", "qemu"],
        b"<domain/>",
    );
    assert!(passed.status.success());
    assert!(passed.stdout.is_empty());
    let said = String::from_utf8(passed.stderr).unwrap();
    assert!(
        said.starts_with("WARN: moat: no agent listens at"),
        "{said}"
    );
    assert!(said.contains("quarantine"), "{said}");
}

#[test]
fn an_agent_that_is_silent_late_or_talks_nonsense_is_absent() {
    for (name, line) in [("silent", ""), ("nonsense", "{\"reply\":\"dance\"}\n")] {
        let place = Place::new(&format!("hook-{name}"));
        let server = answer(&place.socket(), line.to_owned());
        let output = moat(&place.socket(), &["hook"], &["libvirt", "qemu"], b"");
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        server.join().unwrap();
    }
    let place = Place::new("hook-late");
    // It is connected by the kernel, and nobody ever accepts.
    let _listener = UnixListener::bind(place.socket()).unwrap();
    let output = moat(
        &place.socket(),
        &["hook", "--timeout", "50ms"],
        &["libvirt", "qemu"],
        b"",
    );
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("did not answer in time"), "{said}");
}

#[test]
fn input_that_is_too_long_or_no_text_is_refused() {
    let place = Place::new("hook-input");
    let output = moat(&place.socket(), &["hook"], &["libvirt", "qemu"], b"\xff");
    assert_eq!(output.status.code(), Some(2));
    let output = moat(
        &place.socket(),
        &["hook"],
        &["libvirt", "qemu"],
        &vec![b' '; 5 << 20],
    );
    assert_eq!(output.status.code(), Some(3));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("longer than"), "{said}");
}

#[test]
fn qemus_own_input_is_left_alone() {
    let place = Place::new("hook-qemu");
    let server = answer(&place.socket(), reply(&Reply::done()));
    let output = moat(
        &place.socket(),
        &["hook"],
        &["qemu", "up", "tap0"],
        b"info network\n",
    );
    assert!(output.status.success(), "{output:?}");
    let Request::Hook { input, .. } = server.join().unwrap() else {
        panic!("not a hook")
    };
    assert_eq!(input, "");
}

#[test]
fn a_port_is_added_and_removed() {
    let place = Place::new("port");
    let server = answer(&place.socket(), reply(&Reply::done()));
    let add = "--mac 52:54:00:00:00:01 --device tap0 --bridge br0 --vlan 7 --address 10.0.0.5 \
               --address 2001:db8::/64 --profile web --vm web-1 --label app=web web-1/0";
    let words: Vec<&str> = add.split_whitespace().collect();
    let output = moat(&place.socket(), &["port", "add"], &words, b"");
    assert!(output.status.success(), "{output:?}");
    let Request::Claim { port } = server.join().unwrap() else {
        panic!("not a claim")
    };
    assert_eq!(port.name, "web-1/0");
    assert_eq!(port.mac.to_string(), "52:54:00:00:00:01");
    assert_eq!(port.vlan, Some(7));
    assert_eq!(port.addresses.len(), 2);
    assert_eq!(port.labels["app"], "web");
    std::fs::remove_file(place.socket()).unwrap();

    let server = answer(&place.socket(), reply(&Reply::done()));
    let output = moat(
        &place.socket(),
        &["--json", "port", "remove"],
        &["web-1/0"],
        b"",
    );
    assert!(output.status.success(), "{output:?}");
    assert!(
        String::from_utf8(output.stdout)
            .unwrap()
            .contains("\"notes\"")
    );
    let Request::Unclaim { port } = server.join().unwrap() else {
        panic!("not taken back")
    };
    assert_eq!(port, "web-1/0");
}

#[test]
fn a_port_that_cannot_be_is_not_asked_for() {
    let place = Place::new("port-wrong");
    for wrong in [
        "a/0 --mac 52:54:00:00:00:01",
        "a/0 --mac 01:54:00:00:00:01 --bridge br0",
        "a/0 --mac 52:54:00:00:00:01 --bridge br0 --vlan 4095",
        "a/0 --mac 52:54:00:00:00:01 --bridge br0 --address 10.0.0.256",
        "a/0 --mac 52:54:00:00:00:01 --bridge br0 --label app",
        "a/0 --mac 52:54:00:00:00:01 --bridge br0 --network n",
    ] {
        let words: Vec<&str> = wrong.split_whitespace().collect();
        let output = moat(&place.socket(), &["port", "add"], &words, b"");
        assert_eq!(output.status.code(), Some(2), "{wrong}: {output:?}");
    }
}
