//! What people see when something is wrong: each `errors/*.yaml` is rendered and compared with the
//! text beside it. `UPDATE_EXPECTED=1` writes the texts anew, for a review of the difference.

use std::fs;
use std::path::{Path, PathBuf};

use policy::language::{Severity, Source, load};

use super::load_text;

fn cases() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/language/errors");
    let entries = fs::read_dir(directory).expect("the directory is part of the sources");
    let paths = entries.map(|entry| entry.expect("readable").path());
    let mut paths: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|e| e == "yaml"))
        .collect();
    paths.sort();
    paths
}

#[test]
fn errors_look_as_expected() {
    let cases = cases();
    assert!(cases.len() >= 15, "{}", cases.len());
    for path in cases {
        let text = fs::read_to_string(&path).expect("readable");
        let name = path
            .file_name()
            .expect("a file")
            .to_string_lossy()
            .into_owned();
        let picture = load(&[Source::new(name.as_str(), text)])
            .expect_err(&name)
            .render(false, 100);
        let beside = path.with_extension("txt");
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            fs::write(&beside, &picture).expect("writable");
        }
        let expected = fs::read_to_string(&beside).unwrap_or_default();
        assert_eq!(picture, expected, "{name}: see the head of this file");
    }
}

#[test]
fn errors_of_all_sources_come_at_once_with_both_places() {
    let sources = [
        Source::new("one.yaml", "kind: Group\nname: g\nmembers: [10.0.0.1/8]\n"),
        Source::new(
            "two.yaml",
            "kind: Group\nname: g\n---\nkind: Group\nnaem: h\n",
        ),
    ];
    let error = load(&sources).expect_err("three things are wrong");
    let places: Vec<(String, u32, u32)> = error
        .list
        .iter()
        .map(|d| (d.span.source.to_string(), d.span.line, d.span.column))
        .collect();
    let place = |source: &str, line, column| (source.to_owned(), line, column);
    assert_eq!(
        places,
        [
            place("one.yaml", 3, 11),
            place("two.yaml", 2, 7),
            place("two.yaml", 4, 1),
            place("two.yaml", 5, 1),
        ]
    );
    assert_eq!(&*error.list[1].related[0].span.source, "one.yaml");
    let picture = error.render(false, 100);
    assert!(picture.contains("one.yaml:2:7"), "{picture}");
}

#[test]
fn json_says_the_same() {
    let error =
        load_text("kind: Profile\nname: p\nrules: [accept in htp]\n").expect_err("no such service");
    let json = error.to_json();
    assert_eq!(error.list[0].severity, Severity::Error);
    assert_eq!(json[0]["severity"], "error");
    assert_eq!(
        (&json[0]["line"], &json[0]["column"]),
        (&3.into(), &19.into())
    );
    assert_eq!(json[0]["bytes"], serde_json::json!([40, 43]));
    assert_eq!(json[0]["hint"], "did you mean `http`?");
}

#[test]
fn places_in_every_kind_of_scalar() {
    for (rule, line, column) in [
        ("accept in tcp 80 form any", 4, 22),
        ("'accept in tcp 80 comment \"it''s\" form any'", 4, 39),
        (
            "\"accept in tcp 80 comment \\\"\\u00e9\\x41\\\" form any\"",
            4,
            46,
        ),
        ("\"accept in \\\n      tcp 80\n\n      form any\"", 7, 7),
        ("accept in tcp 80\n    form any", 5, 5),
        ("accept in tcp 80\n\n\n    form any", 7, 5),
        ("|\n    accept in tcp 80\n      form any", 6, 7),
        ("|2-\n     accept in tcp 80 form any", 5, 23),
        (">-\n    accept in\n    tcp 80\n    form any", 7, 5),
        (">\n\n    accept in\n\n    tcp 80 form any", 8, 12),
        ("&a !!str accept in tcp 80 form any", 4, 31),
        ("accept in tcp 80 comment \"é\" form any # form", 4, 34),
    ] {
        let text = format!("kind: Profile\nname: p\nrules:\n  - {rule}\n");
        for text in [text.clone(), text.replace('\n', "\r\n")] {
            let error = load_text(&text).expect_err("`form` is no word");
            let span = &error.list[0].span;
            assert_eq!(
                text.get(span.bytes.clone()),
                Some("form"),
                "{text}\n{error}"
            );
            assert_eq!((span.line, span.column), (line, column), "{text}\n{error}");
        }
    }
}

#[test]
fn the_place_of_a_rule_is_where_it_starts() {
    let catalog =
        load_text("kind: Profile\nname: p\nrules: [drop in, \"drop out\"]\n").expect("valid");
    let places: Vec<(u32, u32)> = catalog.profiles["p"]
        .rules
        .iter()
        .map(|r| (r.origin.line, r.origin.column))
        .collect();
    assert_eq!(places, [(3, 9), (3, 18)]);
}

#[test]
fn bombs_are_refused_quickly() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for level in 1..30 {
        let below = format!("*a{}", level - 1);
        let line = [below.as_str(); 9].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{line}]\n"));
    }
    let error = load_text(&bomb).expect_err("a bomb");
    assert!(error.list[0].message.contains("too much"), "{error}");
    for deep in [
        "[".repeat(100_000),
        "- ".repeat(100_000),
        "{a: ".repeat(100_000),
        "&a [".repeat(100_000),
    ] {
        load_text(&deep).expect_err("too deep");
    }
    let wide = format!(
        "kind: Profile\nname: p\nrules: [{}]\n",
        "x, ".repeat(100_000)
    );
    let error = load_text(&wide).expect_err("no rules");
    assert!(error.omitted > 99_000 && error.list.len() <= 500);
}

#[test]
fn an_unreadable_part_blames_no_name_that_it_may_define() {
    let error =
        load_text("kind: Profile\nname: p\nrules: [accept in s]\n---\nkind: Service\nname: @s\n")
            .expect_err("no YAML");
    assert_eq!(error.list.len(), 1, "{error}");
    let error = load_text("kind: Profile\nname: p\nrules: [accept in s]\n---\nkind: Service\nnaem: s\nmatches: [tcp 1]\n").expect_err("no name");
    assert!(
        error
            .list
            .iter()
            .all(|d| !d.message.contains("there is no")),
        "{error}"
    );
}
