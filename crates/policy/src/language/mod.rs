//! The policy language: text to documents and back, with every error at its place. Knows how
//! documents are written and which names they may use; what they mean is left to the compiler.

mod check;
mod diagnostic;
mod documents;
mod kept;
mod line;
mod names;
mod position;
mod reader;
mod render;
mod schema;
mod suggest;
mod values;
mod words;
mod write;
mod yaml;

use std::str::FromStr;

pub use diagnostic::{Diagnostic, Diagnostics, Found, Related, Severity, Span};
pub use kept::{Addition, Reading, additions, kept_names, load_again, restore};
#[cfg(test)]
pub(crate) use names::is_reserved;

pub use schema::schema;
pub use suggest::closest;
pub use write::{RuleForm, rule as rule_to_json, to_json, to_yaml, to_yaml_all};

use diagnostic::{Finding, Findings, Place};
use documents::Read;
use reader::Reader;
use yaml::Content;

use crate::catalog::Catalog;
use crate::document::Document;
use crate::origin::Origin;
use crate::rule::{FieldValue, Rule, Term};

/// A text with documents: YAML, or JSON (one document, a list of them, or several after each other
/// with `---`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// File name as the user gave it, or another name for messages.
    pub name: String,
    pub text: String,
}

impl Source {
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            text: text.into(),
        }
    }
}

/// Reads everything and checks it together.
///
/// # Errors
/// All that is wrong in all sources at once. Nothing of them takes effect then.
pub fn load(sources: &[Source]) -> Result<Catalog, Diagnostics> {
    let mut findings = Findings::default();
    let (read, complete) = read_all(sources, &mut findings);
    let read = check::unique(read, &mut findings);
    check::references(&read, complete, &mut findings);
    check::contradictions(&read, &mut findings);
    if !findings.is_empty() {
        return Err(findings.into_diagnostics(sources));
    }
    let mut catalog = Catalog::default();
    for read in read {
        catalog.insert(read.document);
    }
    Ok(catalog)
}

/// Reads the documents of one source in their order, each by itself: names in them may be unknown.
///
/// # Errors
/// All that is wrong in it at once.
pub fn parse(source: &Source) -> Result<Vec<Document>, Diagnostics> {
    let sources = std::slice::from_ref(source);
    let mut findings = Findings::default();
    let (read, _) = read_all(sources, &mut findings);
    if findings.is_empty() {
        Ok(read.into_iter().map(|read| read.document).collect())
    } else {
        Err(findings.into_diagnostics(sources))
    }
}

/// The readable documents, and whether that is all of them.
fn read_all(sources: &[Source], findings: &mut Findings) -> (Vec<Read>, bool) {
    let mut read = Vec::new();
    let mut complete = true;
    for (index, source) in sources.iter().enumerate() {
        complete &= read_source(index, source, findings, &mut read);
    }
    (read, complete)
}

/// Adds the readable documents of one source, and says whether that is all of them.
fn read_source(
    index: usize,
    source: &Source,
    findings: &mut Findings,
    read: &mut Vec<Read>,
) -> bool {
    let tree = yaml::read(index, &source.text, findings);
    let mut complete = tree.complete;
    let mut reader = Reader {
        source: index,
        name: source.name.as_str().into(),
        text: &source.text,
        findings,
        references: Vec::new(),
    };
    for node in &tree.documents {
        let nodes = match &node.content {
            Content::Null => continue,
            // JSON has no other way to write several documents.
            Content::Sequence(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        for node in nodes {
            match documents::document(&mut reader, node) {
                Some(document) => read.push(document),
                None => complete = false,
            }
        }
    }
    complete
}

/// Reads a rule line by itself: names in it may be unknown.
///
/// # Errors
/// What is wrong first, with its place in the line.
pub fn parse_rule(text: &str) -> Result<Rule, Diagnostics> {
    let origin = Origin {
        source: "rule".into(),
        line: 1,
        column: 1,
    };
    line::rule(text, origin)
        .map(|parsed| parsed.rule)
        .map_err(|error| {
            let mut findings = Findings::default();
            let place = Place {
                source: 0,
                start: error.range.start,
                end: error.range.end,
            };
            findings.push(
                Finding::new(place, error.message)
                    .label(error.label)
                    .expected(error.expected)
                    .maybe_hint(error.hint),
            );
            findings.into_diagnostics(&[Source::new("rule", text)])
        })
}

/// Reads a value of a variable as it stands in a document, by what it looks like: an address, a
/// prefix, a range, a MAC address, a number or TCP flags.
///
/// # Errors
/// What is wrong with it, in a sentence.
pub fn parse_value(text: &str) -> Result<FieldValue, String> {
    line::fields::variable_value(text).map_err(|error| error.message)
}

impl FromStr for Rule {
    type Err = Diagnostics;

    fn from_str(text: &str) -> Result<Self, Diagnostics> {
        parse_rule(text)
    }
}

/// `tcp 80, 443, udp 443`: what the table of built-in services is written in.
pub(crate) fn terms(text: &str) -> Option<Vec<Term>> {
    line::terms(text).ok()
}
