//! Every example in a page loads, and every error that a page shows is the one that comes.
//!
//! Blocks are `yaml` (documents), `yaml KIND` (keys of one document of that kind), `yaml error` (followed by a
//! `text` block with the message) and `rule` (one rule line each, `LINE => CANONICAL LINE` where they differ).
//! Other languages are left alone.

use std::collections::BTreeSet;

use policy::language::{Source, load, parse, parse_rule};

use super::pages::{Block, Page, refreshing};

const PREAMBLE: &str = include_str!("preamble.yaml");

/// The preamble without what the example declares itself, for a name counts once.
fn sources(example: &str) -> Vec<Source> {
    let own: BTreeSet<(String, String)> = example.split("\n---").filter_map(heading).collect();
    let rest = PREAMBLE
        .split("\n---")
        .filter(|document| heading(document).is_none_or(|heading| !own.contains(&heading)))
        .collect::<Vec<_>>()
        .join("\n---");
    vec![
        Source::new("example.yaml", example),
        Source::new("preamble.yaml", rest),
    ]
}

/// Kind and name of a document.
fn heading(document: &str) -> Option<(String, String)> {
    let value = |key: &str| {
        let line = document.lines().find(|line| line.starts_with(key))?;
        let value = line.trim_start_matches(key).split(" #").next()?;
        Some(value.trim().to_owned())
    };
    Some((value("kind:")?, value("name:")?))
}

/// A document of which only some keys are shown.
fn completed(kind: &str, keys: &str) -> String {
    let rest = match kind {
        "network" if !keys.contains("bridge:") => "bridge: br0\n",
        "port" if !keys.contains("mac:") => "mac: 52:54:00:00:00:77\n",
        "policy" if !keys.contains("level:") => "level: everything\n",
        _ => "",
    };
    let network = if kind == "port" && !keys.contains("network:") {
        "network: lan\n"
    } else {
        ""
    };
    let mut capital = kind.to_owned();
    capital[..1].make_ascii_uppercase();
    format!("{keys}kind: {capital}\nname: example\n{rest}{network}")
}

fn document_blocks(page: &Page) -> Vec<(Block, String)> {
    page.blocks()
        .into_iter()
        .filter_map(|block| {
            let text = match block.info.split_once(' ') {
                None if block.info == "yaml" => block.text.clone(),
                Some(("yaml", "error")) => return None,
                Some(("yaml", "shop")) => block.text.clone(),
                Some(("yaml", kind)) => completed(kind, &block.text),
                _ => return None,
            };
            Some((block, text))
        })
        .collect()
}

#[test]
fn documents_load() {
    let mut count = 0;
    for page in Page::all() {
        for (block, text) in document_blocks(&page) {
            count += 1;
            if let Err(errors) = load(&sources(&text)) {
                panic!(
                    "{}:{}:\n{}",
                    page.name,
                    block.line,
                    errors.render(false, 120)
                );
            }
        }
    }
    assert!(count > 15, "only {count} examples were found");
}

#[test]
fn rule_lines_are_canonical() {
    let mut count = 0;
    let mut wrong = Vec::new();
    for page in Page::all() {
        for block in page.blocks().iter().filter(|block| block.info == "rule") {
            for (index, line) in block.text.lines().enumerate() {
                let place = format!("{}:{}", page.name, block.line + index);
                let (written, canonical) = line.split_once(" => ").unwrap_or((line, line));
                let rule =
                    parse_rule(written.trim()).unwrap_or_else(|error| panic!("{place}: {error}"));
                if rule.to_string() != canonical.trim() {
                    wrong.push(format!("{place}: {rule}"));
                }
                let quoted = format!("'{}'", written.trim().replace('\'', "''"));
                let policy =
                    format!("kind: Policy\nname: example\nlevel: everything\nrules: [{quoted}]\n");
                load(&sources(&policy)).unwrap_or_else(|error| panic!("{place}: {error}"));
                count += 1;
            }
        }
    }
    assert!(wrong.is_empty(), "written back otherwise: {wrong:#?}");
    assert!(count > 30, "only {count} rule lines were found");
}

/// The structured twin of a line says the same: pairs of rules in `yaml twins` blocks.
#[test]
fn twins_are_equal() {
    let page = Page::read("docs/language.md");
    let block = page.block("yaml policy");
    let documents =
        parse(&Source::new("twins.yaml", completed("policy", &block.text))).expect("twins load");
    let [policy::document::Document::Policy(policy)] = documents.as_slice() else {
        panic!("one policy");
    };
    assert!(policy.rules.len() >= 4 && policy.rules.len().is_multiple_of(2));
    for pair in policy.rules.chunks(2) {
        assert_eq!(pair[0].to_string(), pair[1].to_string());
    }
}

#[test]
fn errors_are_the_ones_that_come() {
    let mut count = 0;
    for name in Page::all().into_iter().map(|page| page.name) {
        loop {
            let mut page = Page::read(&name);
            let blocks = page.blocks();
            let mut changed = false;
            for pair in blocks.windows(2) {
                let [example, shown] = pair else { continue };
                if example.info != "yaml error" {
                    continue;
                }
                assert_eq!(
                    shown.info, "text",
                    "{name}:{}: the message is missing",
                    example.line
                );
                let errors =
                    load(&sources(&example.text)).expect_err("an error is what the example shows");
                let rendered = errors.render(false, 100);
                count += 1;
                if refreshing() && shown.text != rendered {
                    page.replace(shown, &rendered);
                    changed = true;
                    break;
                }
                assert_eq!(
                    shown.text, rendered,
                    "{name}:{}: MOAT_UPDATE_DOCS=1 rewrites it",
                    shown.line
                );
            }
            if !changed {
                break;
            }
        }
    }
    assert!(count > 3, "only {count} errors were found");
}
