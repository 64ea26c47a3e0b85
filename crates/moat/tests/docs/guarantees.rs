//! Every guarantee names tests, and every test that is named exists.

use std::fs;

use super::pages::{Page, files, root};

const PAGE: &str = "docs/guarantees.md";

/// `datapath-nftables: promises::a_new_port_is_closed` → crate and function.
fn named_tests(text: &str) -> Vec<(String, String)> {
    let mut tests = Vec::new();
    for cell in text.split('`').skip(1).step_by(2) {
        if let Some((owner, function)) = cell.split_once("::")
            && !cell.contains(' ')
        {
            tests.push((owner.to_owned(), function.to_owned()));
        }
    }
    tests
}

#[test]
fn tests_that_are_named_exist() {
    let page = Page::read(PAGE);
    let named = named_tests(&page.text);
    assert!(named.len() > 20, "only {} tests are named", named.len());
    let sources: Vec<(String, String)> = files("*.rs")
        .into_iter()
        .map(|name| {
            let text = fs::read_to_string(root().join(&name)).expect("sources can be read");
            (name, text)
        })
        .collect();
    let exists = |owner: &str, function: &str| {
        let function = function.rsplit("::").next().unwrap_or(function);
        let prefix = format!("crates/{owner}/");
        let heading = format!("fn {function}(");
        sources
            .iter()
            .any(|(name, text)| name.starts_with(&prefix) && text.contains(&heading))
    };
    let missing: Vec<String> = named
        .iter()
        .filter(|(owner, function)| !exists(owner, function))
        .map(|(owner, function)| format!("{owner}::{function}"))
        .collect();
    assert!(
        missing.is_empty(),
        "{PAGE} names tests that do not exist: {missing:#?}"
    );
}

/// Guarantees are list items `**G1.2** …`, numbered without gaps, each with at least one test.
#[test]
fn every_guarantee_names_a_test() {
    let page = Page::read(PAGE);
    let mut last = (0, 0);
    let items: Vec<&str> = page.text.split("\n- **G").skip(1).collect();
    assert!(items.len() >= 15, "only {} guarantees", items.len());
    for item in items {
        let item = item.split("\n## ").next().unwrap_or(item);
        let (number, _) = item.split_once("**").expect("a number ends with **");
        let (chapter, place) = number.split_once('.').expect("G1.2");
        let now: (u32, u32) = (
            chapter.parse().expect("a number"),
            place.parse().expect("a number"),
        );
        let follows = now == (last.0, last.1 + 1) || now == (last.0 + 1, 1);
        assert!(follows, "G{number} does not follow G{}.{}", last.0, last.1);
        assert!(!named_tests(item).is_empty(), "G{number} names no test");
        last = now;
    }
}
