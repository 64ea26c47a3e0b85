//! What holds for every rule, document and text.

use policy::document::Document;
use policy::language::{
    RuleForm, Source, load, parse, parse_rule, rule_to_json, to_json, to_yaml, to_yaml_all,
};
use policy::origin::Origin;
use policy::rule::Rule;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::generate::{document, rule};
use super::{EXAMPLE, schema};

/// The rules of a profile with exactly these.
fn read_rule(written: &serde_json::Value) -> Rule {
    let profile = serde_json::json!({"kind": "Profile", "name": "p", "rules": [written]});
    match read_one(&profile.to_string()) {
        Document::Profile(mut profile) => profile.rules.remove(0),
        other => panic!("not a profile: {other:?}"),
    }
}

/// The one document in a text, without its place, which is where it was written.
fn read_one(text: &str) -> Document {
    let mut documents =
        parse(&Source::new("test", text)).unwrap_or_else(|error| panic!("{text}\n{error}"));
    assert_eq!(documents.len(), 1);
    let mut document = documents.remove(0);
    forget_origin(&mut document);
    document
}

fn forget_origin(document: &mut Document) {
    *match document {
        Document::Profile(d) => &mut d.origin,
        Document::Group(d) => &mut d.origin,
        Document::Network(d) => &mut d.origin,
        Document::Service(d) => &mut d.origin,
        Document::Policy(d) => &mut d.origin,
        Document::Port(d) => &mut d.origin,
        Document::Host(d) => &mut d.origin,
    } = Origin::default();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_rule_survives_its_line(rule in rule()) {
        let line = rule.to_string();
        let read = parse_rule(&line).unwrap_or_else(|error| panic!("{error}"));
        prop_assert_eq!(&read, &rule, "{}", line);
        prop_assert_eq!(read.to_string(), line);
    }

    #[test]
    fn a_rule_survives_its_structured_form(rule in rule()) {
        let structured = rule_to_json(&rule, RuleForm::Structured);
        prop_assert_eq!(read_rule(&structured), rule.clone(), "{}", structured);
        let line = rule_to_json(&rule, RuleForm::Line);
        prop_assert_eq!(read_rule(&line), rule);
    }

    #[test]
    fn a_document_survives_json_and_yaml(document in document()) {
        for form in [RuleForm::Line, RuleForm::Structured] {
            let json = to_json(&document, form);
            prop_assert!(schema::accepts(&json), "the schema refuses {:#}", json);
            prop_assert_eq!(read_one(&json.to_string()), document.clone());
            prop_assert_eq!(read_one(&format!("{json:#}")), document.clone());
            let yaml = to_yaml(&document, form);
            prop_assert_eq!(read_one(&yaml), document.clone(), "{}", yaml);
        }
    }

    #[test]
    fn documents_survive_together(documents in vec(document(), 0..4)) {
        let yaml = to_yaml_all(&documents, RuleForm::Line);
        let mut read = parse(&Source::new("test", yaml)).unwrap_or_else(|error| panic!("{error}"));
        read.iter_mut().for_each(forget_origin);
        prop_assert_eq!(read, documents);
    }

    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        survives(&text);
    }

    #[test]
    fn no_soup_of_yaml_makes_it_panic(text in "[-\\[\\]{}:,&*!|>'\"%@#~a0 \n\t]{0,60}") {
        survives(&text);
    }

    #[test]
    fn no_mutation_of_documents_makes_it_panic(
        edits in vec((any::<Index>(), 0_u8..4, any::<Index>(), any::<char>()), 1..8),
    ) {
        let mut text: Vec<char> = EXAMPLE.chars().collect();
        for (at, what, from, character) in edits {
            let (at, from) = (at.index(text.len()), from.index(text.len()));
            match what {
                0 if text.len() > 1 => { text.remove(at); }
                0 | 1 => text.insert(at, character),
                2 => text.insert(at, text[from]),
                _ => text.truncate(at.max(1)),
            }
        }
        survives(&text.into_iter().collect::<String>());
    }

    #[test]
    fn no_mutation_of_a_rule_makes_it_panic(rule in rule(), at in any::<Index>(), with in "[ -~é]{0,2}") {
        let line = rule.to_string();
        let at = line.floor_char_boundary(at.index(line.len()));
        let (before, after) = line.split_at(at);
        let rest: String = after.chars().skip(1).collect();
        let line = format!("{before}{with}{rest}");
        if let Err(error) = parse_rule(&line) {
            error.render(true, 80);
        }
        survives(&format!("kind: Profile\nname: p\nrules:\n  - {line}\n  - '{line}'\n  - |\n    {line}\n"));
    }
}

/// Reads and, where that fails, renders; places stay within the text.
fn survives(text: &str) {
    if let Err(error) = load(&[Source::new("a", text), Source::new("b", EXAMPLE)]) {
        error.render(false, 80);
        error.to_json();
        for diagnostic in &error.list {
            let length = [text, EXAMPLE][diagnostic.span.source_index].len();
            assert!(diagnostic.span.bytes.start <= diagnostic.span.bytes.end);
            assert!(diagnostic.span.bytes.end <= length);
        }
    }
}
