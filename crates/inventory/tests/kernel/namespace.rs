//! Runs a test in a network namespace of its own: the test binary calls itself again under `unshare -n`,
//! so everything that the test makes is gone with that process, however it ends.

use std::process::Command;

const INSIDE: &str = "MOAT_INVENTORY_TEST_INSIDE";

/// Runs `body` in a fresh network namespace. `test` is the full name of the calling test.
pub(crate) fn run(test: &str, body: fn()) {
    if std::env::var_os(INSIDE).is_some() {
        body();
        return;
    }
    let output = Command::new("unshare")
        .arg("--net")
        .arg(std::env::current_exe().expect("the test binary has a path"))
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(INSIDE, "1")
        .output()
        .expect("unshare(1) of util-linux is installed");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Runs `ip` with these words, which must succeed.
pub(crate) fn ip(words: &str) {
    ip_words(&words.split_whitespace().collect::<Vec<_>>());
}

/// Like [`ip`], for words that are no plain text.
pub(crate) fn ip_words(words: &[impl AsRef<std::ffi::OsStr>]) {
    let output = Command::new("ip")
        .args(words)
        .output()
        .expect("ip(8) of iproute2 is installed");
    assert!(
        output.status.success(),
        "ip: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Feeds these commands to one `ip -batch`.
pub(crate) fn ip_batch(commands: &str) {
    use std::io::Write;
    let mut child = Command::new("ip")
        .args(["-batch", "-"])
        .stdin(std::process::Stdio::piped())
        .spawn()
        .expect("ip(8) of iproute2 is installed");
    let mut input = child.stdin.take().expect("stdin is a pipe");
    input
        .write_all(commands.as_bytes())
        .expect("ip reads its commands");
    drop(input);
    assert!(child.wait().expect("ip ends").success());
}
