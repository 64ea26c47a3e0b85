//! The commands that pages show exist, and those that touch nothing do what they should.

use std::process::{Command, Output};

use super::pages::{Page, root};

/// Command lines of `sh` blocks that begin with moat, as their words.
fn shown() -> Vec<(String, Vec<String>)> {
    let mut lines = Vec::new();
    for page in Page::all() {
        for block in page.blocks().iter().filter(|block| block.info == "sh") {
            for (index, line) in block.text.lines().enumerate() {
                let line = line.strip_prefix("sudo ").unwrap_or(line);
                if line.starts_with("moat ") {
                    let place = format!("{}:{}", page.name, block.line + index);
                    lines.push((place, words(line)));
                }
            }
        }
    }
    lines
}

/// Splits as a shell does, as far as our pages use it: quotes, and comments at the end.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = line.trim();
    while !rest.is_empty() && !rest.starts_with('#') {
        let (word, after) = match rest.strip_prefix('\'') {
            Some(quoted) => quoted.split_once('\'').expect("a quote is closed"),
            None => rest.split_once(' ').unwrap_or((rest, "")),
        };
        words.push(word.to_owned());
        rest = after.trim_start();
    }
    words
}

fn run(arguments: &[String]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_moat"))
        .args(arguments)
        .current_dir(root())
        .output()
        .expect("moat runs")
}

#[test]
fn commands_exist() {
    let shown = shown();
    assert!(shown.len() > 4, "only {} commands were found", shown.len());
    for (place, words) in shown {
        let help = run(&[words[1].clone(), "--help".to_owned()]);
        assert!(
            help.status.success(),
            "{place}: moat has no command {}",
            words[1]
        );
    }
}

#[test]
fn commands_that_touch_nothing_do_what_they_should() {
    for (place, words) in shown() {
        if ["check", "trace"].contains(&words[1].as_str())
            && !words.iter().any(|word| word == "--live")
        {
            let output = run(&words[1..]);
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(
                output.status.success(),
                "{place}: {said}{}",
                String::from_utf8_lossy(&output.stdout)
            );
        }
    }
}
