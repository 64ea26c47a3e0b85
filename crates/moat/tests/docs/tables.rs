//! The tables of docs/language.md are complete: every key of every kind, every field, every word.

use std::collections::BTreeSet;

use policy::document::Guard;
use policy::language::{Source, load};
use policy::rule::{Field, FieldKind};

use super::pages::Page;

const PAGE: &str = "docs/language.md";

/// The rows of the table that follows a heading: cells without their code marks.
fn table(heading: &str) -> Vec<Vec<String>> {
    let page = Page::read(PAGE);
    let prose = page.prose();
    let section = prose.lines().skip_while(|line| {
        !(line.starts_with('#') && line.trim_start_matches('#').trim() == heading)
    });
    let rows = section
        .skip(1)
        .take_while(|line| !line.starts_with('#'))
        .filter(|line| line.starts_with('|'))
        .skip(2);
    let cells = |line: &str| {
        let line = line.trim().trim_matches('|');
        line.split('|')
            .map(|cell| cell.trim().trim_matches('`').to_owned())
            .collect()
    };
    let rows: Vec<Vec<String>> = rows.map(cells).collect();
    assert!(!rows.is_empty(), "{PAGE} has no table below `{heading}`");
    rows
}

fn first_column(heading: &str) -> BTreeSet<String> {
    let rows = table(heading).into_iter();
    rows.filter_map(|row| row.first().cloned()).collect()
}

/// The keys that a mapping may have, as the language says when it meets another.
fn keys(document: &str) -> BTreeSet<String> {
    let errors =
        load(&[Source::new("keys.yaml", document)]).expect_err("a key that does not exist");
    let unknown = errors
        .list
        .iter()
        .find(|error| error.message == "unknown key `no-such-key`");
    let expected = &unknown.expect("the key is refused").expected;
    expected
        .iter()
        .map(|key| key.trim_matches('`').to_owned())
        .collect()
}

#[test]
fn every_key_has_its_row() {
    for kind in [
        "Profile", "Group", "Network", "Service", "Policy", "Port", "Host",
    ] {
        let known = keys(&format!("kind: {kind}\nname: x\nno-such-key: 1\n"));
        let common = ["kind", "name", "comment"]
            .map(str::to_owned)
            .into_iter()
            .collect();
        let own: BTreeSet<String> = known.difference(&common).cloned().collect();
        assert_eq!(first_column(kind), own, "{PAGE}, {kind}");
    }
    let structured = "kind: Policy\nname: x\nlevel: everything\nrules: [{no-such-key: 1}]\n";
    assert_eq!(first_column("The same, key by key"), keys(structured));
}

#[test]
fn every_field_has_its_row() {
    let shown: Vec<(String, String)> = table("Fields")
        .into_iter()
        .map(|row| (row[0].clone(), row[1].clone()))
        .collect();
    let known: Vec<(String, String)> = Field::ALL
        .iter()
        .map(|field| {
            let kind = match field.kind() {
                FieldKind::Number(most) => format!("0–{most}"),
                FieldKind::Mac => "MAC".to_owned(),
                FieldKind::Address => "address".to_owned(),
                FieldKind::Flags => "flags".to_owned(),
            };
            (field.name().to_owned(), kind)
        })
        .collect();
    assert_eq!(shown, known, "{PAGE}, Fields");
}

#[test]
fn every_guard_has_its_row() {
    let known: BTreeSet<String> = Guard::ALL
        .iter()
        .map(|guard| guard.name().to_owned())
        .collect();
    assert_eq!(first_column("Guards"), known);
}

/// Words that the language lists when it meets another.
fn alternatives(rule: &str) -> BTreeSet<String> {
    let errors = policy::language::parse_rule(rule).expect_err("a word that does not exist");
    let expected = &errors.list.first().expect("one error").expected;
    expected
        .iter()
        .map(|word| word.trim_matches('`').to_owned())
        .collect()
}

#[test]
fn every_protocol_has_its_row() {
    let known = "kind: Policy\nname: x\nlevel: everything\nrules:\n  - {verdict: drop, direction: in, match: [{protocol: no-such}]}\n";
    let errors = load(&[Source::new("protocols.yaml", known)]).expect_err("no such protocol");
    let expected = errors.list.first().expect("one error").expected.clone();
    let mut known: BTreeSet<String> = expected
        .iter()
        .map(|word| word.trim_matches('`').to_owned())
        .collect();
    known.insert("protocol N".to_owned());
    let shown: BTreeSet<String> = first_column("Protocols")
        .iter()
        .flat_map(|cell| {
            cell.split(", ")
                .map(|word| word.trim_matches('`').to_owned())
                .collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(shown, known);
}

#[test]
fn every_clause_is_described() {
    let page = Page::read(PAGE);
    for word in alternatives("accept both tcp 80 no-such-clause") {
        if word != "," {
            assert!(
                page.text.contains(&format!("`{word}")),
                "{PAGE} does not describe `{word}`"
            );
        }
    }
}
