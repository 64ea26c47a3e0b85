//! The archive is one that others can read.

use super::Archive;
use std::io::Write;
use std::process::{Command, Stdio};

#[test]
fn busybox_lists_what_was_put_in() {
    let mut archive = Archive::default();
    assert!(archive.file("/a/b/file", b"12345", true));
    assert!(!archive.file("a/b/file", b"other", true));
    assert!(archive.link("/a/link", "b/file"));
    assert!(archive.character_device("/dev/console", (5, 1)));
    assert!(archive.contains("/a/b"));
    let bytes = archive.finish();
    let mut list = Command::new("busybox")
        .args(["cpio", "-tv"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("busybox runs: install the package busybox-static");
    let mut input = list.stdin.take().expect("a pipe");
    input.write_all(&bytes).expect("written");
    drop(input);
    let output = list.wait_with_output().expect("a list");
    let text = String::from_utf8_lossy(&output.stdout);
    let last_words: Vec<&str> = text
        .lines()
        .map(|line| line.rsplit("  ").next().unwrap_or(line))
        .filter_map(|line| line.split_whitespace().last())
        .collect();
    assert_eq!(
        last_words,
        ["a", "a/b", "a/b/file", "b/file", "dev", "dev/console"],
        "{text}"
    );
    assert!(text.contains("-rwxr-xr-x"), "{text}");
}
