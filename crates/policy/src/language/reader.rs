//! From nodes to typed values, with a finding for everything that does not fit. Knows how a
//! document is read; leaves which keys it has to `documents`.

use std::collections::BTreeMap;
use std::sync::Arc;

use granit_parser::ScalarStyle;

use super::diagnostic::{Finding, Findings, Place};
use super::line::{Kingdom, Mention};
use super::position;
use super::suggest::{did_you_mean, quoted};
use super::values::{self, TextError};
use super::words::{Table, look_up, names};
use super::yaml::{Content, Node};
use crate::origin::Origin;

/// A name that must exist, and where it was used.
#[derive(Clone, Debug)]
pub(super) struct Reference {
    pub(super) kingdom: Kingdom,
    pub(super) name: String,
    pub(super) place: Place,
}

/// Reads the nodes of one source.
pub(super) struct Reader<'a> {
    pub(super) source: usize,
    pub(super) name: Arc<str>,
    pub(super) text: &'a str,
    pub(super) findings: &'a mut Findings,
    /// References of the document being read.
    pub(super) references: Vec<Reference>,
}

impl Reader<'_> {
    pub(super) fn origin(&self, node: &Node) -> Origin {
        Origin {
            source: Arc::clone(&self.name),
            line: node.line,
            column: node.column,
        }
    }

    pub(super) fn place(&self, node: &Node) -> Place {
        node.place(self.source)
    }

    pub(super) fn report(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// Where a stretch of a scalar's text stands in the source.
    pub(super) fn place_within(&self, node: &Node, range: &std::ops::Range<usize>) -> Place {
        let range = position::within(self.text, node, range);
        Place {
            source: self.source,
            start: range.start,
            end: range.end,
        }
    }

    pub(super) fn report_text(&mut self, node: &Node, error: TextError) {
        let place = self.place_within(node, &error.range);
        let finding = Finding::new(place, error.message)
            .label(error.label)
            .expected(error.expected)
            .maybe_hint(error.hint);
        self.findings.push(finding);
    }

    pub(super) fn refer(&mut self, kingdom: Kingdom, name: &str, place: Place) {
        self.references.push(Reference {
            kingdom,
            name: name.to_owned(),
            place,
        });
    }

    pub(super) fn refer_all(&mut self, node: &Node, mentions: Vec<Mention>) {
        for mention in mentions {
            let place = self.place_within(node, &mention.range);
            self.refer(mention.kingdom, &mention.name, place);
        }
    }

    /// Reports that something else was expected here.
    pub(super) fn expected(&mut self, node: &Node, what: &str) {
        let finding = Finding::new(
            self.place(node),
            format!("expected {what}, found {}", node.describe()),
        );
        let finding = match (&node.content, what) {
            (Content::Scalar { text, .. }, "a list") => finding.hint(format!("write [{text}]")),
            (Content::Null, _) => finding.hint("a name that is spelled like this needs quotes"),
            (Content::Mapping(_), _) if !self.is_flow(node) => {
                finding.hint("a text with `: ` in it, or `:` at its end, needs quotes")
            }
            _ => finding,
        };
        self.report(finding);
    }

    fn is_flow(&self, node: &Node) -> bool {
        self.text
            .get(node.start..)
            .is_some_and(|text| text.starts_with('{'))
    }

    /// The text of a scalar.
    pub(super) fn text<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n str> {
        match &node.content {
            Content::Scalar { text, .. } => Some(text),
            _ => {
                self.expected(node, what);
                None
            }
        }
    }

    /// A scalar that `read` understands.
    pub(super) fn parsed<T>(
        &mut self,
        node: &Node,
        what: &str,
        read: impl FnOnce(&str) -> Result<T, TextError>,
    ) -> Option<T> {
        let text = self.text(node, what)?;
        match read(text) {
            Ok(value) => Some(value),
            Err(error) => {
                self.report_text(node, error);
                None
            }
        }
    }

    pub(super) fn comment(&mut self, node: &Node) -> Option<String> {
        self.text(node, "a text").map(str::to_owned)
    }

    pub(super) fn word<T: Copy>(&mut self, node: &Node, what: &str, table: Table<T>) -> Option<T> {
        let expected = || quoted(names(table));
        let Content::Scalar { text, .. } = &node.content else {
            self.expected(node, what);
            return None;
        };
        let found = look_up(table, text);
        if found.is_none() {
            let finding = Finding::new(self.place(node), format!("`{text}` is not {what}"))
                .expected(expected())
                .maybe_hint(did_you_mean(text, names(table)));
            self.report(finding);
        }
        found
    }

    pub(super) fn boolean(&mut self, node: &Node) -> Option<bool> {
        match &node.content {
            Content::Scalar {
                text,
                style: ScalarStyle::Plain,
            } if text == "true" => Some(true),
            Content::Scalar {
                text,
                style: ScalarStyle::Plain,
            } if text == "false" => Some(false),
            Content::Scalar { text, .. } => {
                let meant = match text.to_lowercase().as_str() {
                    "yes" | "on" | "y" | "true" => Some("write true"),
                    "no" | "off" | "n" | "false" => Some("write false"),
                    _ => None,
                };
                let finding = Finding::new(
                    self.place(node),
                    format!("`{text}` is neither true nor false"),
                )
                .expected(quoted(["true", "false"]))
                .maybe_hint(meant.map(str::to_owned));
                self.report(finding);
                None
            }
            _ => {
                self.expected(node, "true or false");
                None
            }
        }
    }

    pub(super) fn number(&mut self, node: &Node, most: u64) -> Option<u64> {
        self.parsed(node, "a number", |text| values::number(text, most))
    }

    /// The items of a list that can be read.
    pub(super) fn list<T>(
        &mut self,
        node: &Node,
        mut read: impl FnMut(&mut Self, &Node) -> Option<T>,
    ) -> Vec<T> {
        let Content::Sequence(items) = &node.content else {
            self.expected(node, "a list");
            return Vec::new();
        };
        items.iter().filter_map(|item| read(self, item)).collect()
    }

    /// A list of names that must exist.
    pub(super) fn name_list(&mut self, node: &Node, kingdom: Kingdom) -> Vec<String> {
        self.list(node, |reader, item| reader.reference(item, kingdom))
    }

    /// A name that must exist.
    pub(super) fn reference(&mut self, node: &Node, kingdom: Kingdom) -> Option<String> {
        let name = self.parsed(node, "a name", super::names::plain)?;
        self.refer(kingdom, &name, self.place(node));
        Some(name)
    }

    /// A mapping whose keys people choose.
    pub(super) fn map<T>(
        &mut self,
        node: &Node,
        read_key: fn(&str) -> Result<String, TextError>,
        mut read: impl FnMut(&mut Self, &Node) -> Option<T>,
    ) -> BTreeMap<String, T> {
        let Content::Mapping(entries) = &node.content else {
            self.expected(node, "a mapping");
            return BTreeMap::new();
        };
        let mut places: BTreeMap<String, Place> = BTreeMap::new();
        let mut map = BTreeMap::new();
        for (key_node, value_node) in entries {
            let key = self.parsed(key_node, "a name", read_key);
            let value = read(self, value_node);
            let Some(key) = key else { continue };
            let place = self.place(key_node);
            if let Some(first) = places.insert(key.clone(), place) {
                self.report(twice(&key, place, first));
            } else if let Some(value) = value {
                map.insert(key, value);
            }
        }
        map
    }

    pub(super) fn labels(&mut self, node: &Node) -> BTreeMap<String, String> {
        self.map(node, super::names::plain, |reader, value| {
            reader.text(value, "a text").map(str::to_owned)
        })
    }
}

fn twice(key: &str, place: Place, first: Place) -> Finding {
    Finding::new(place, format!("`{key}` for the second time"))
        .label("again here")
        .related(first, "first here")
}

/// The keys of a mapping whose keys we choose.
pub(super) struct Fields<'n> {
    entries: Vec<(&'n str, &'n Node, &'n Node)>,
    known: Vec<&'static str>,
    place: Place,
    /// Where the value of each key stands that was asked for and is there.
    pub(super) places: BTreeMap<&'static str, Place>,
}

impl<'n> Fields<'n> {
    /// Reports keys that are there twice, and those that are no text.
    pub(super) fn of(reader: &mut Reader<'_>, node: &'n Node, what: &str) -> Option<Self> {
        let Content::Mapping(entries) = &node.content else {
            reader.expected(node, what);
            return None;
        };
        let mut firsts: BTreeMap<&str, Place> = BTreeMap::new();
        let mut kept = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let Some(text) = reader.text(key, "a key") else {
                continue;
            };
            let place = reader.place(key);
            match firsts.get(text) {
                Some(first) => reader.report(twice(text, place, *first)),
                None => {
                    firsts.insert(text, place);
                    kept.push((text, key, value));
                }
            }
        }
        Some(Self {
            entries: kept,
            known: Vec::new(),
            place: reader.place(node),
            places: BTreeMap::new(),
        })
    }

    /// The value of a key, unless it is absent or null.
    pub(super) fn take(&mut self, reader: &Reader<'_>, key: &'static str) -> Option<&'n Node> {
        self.known.push(key);
        let (_, _, value) = self.entries.iter().find(|(text, ..)| *text == key)?;
        if matches!(value.content, Content::Null) {
            return None;
        }
        self.places.insert(key, reader.place(value));
        Some(value)
    }

    pub(super) fn require(
        &mut self,
        reader: &mut Reader<'_>,
        key: &'static str,
    ) -> Option<&'n Node> {
        let value = self.take(reader, key);
        if value.is_none() {
            let null = self.entries.iter().find(|(text, ..)| *text == key);
            let place = null.map_or(self.place, |(_, key, _)| reader.place(key));
            let finding = Finding::new(place, format!("`{key}` is missing"));
            reader.report(match null {
                Some((_, _, value)) if value.start < value.end => {
                    finding.hint("a name that is spelled like this needs quotes")
                }
                _ => finding,
            });
        }
        value
    }

    /// Reports the keys that nobody asked for.
    pub(super) fn finish(self, reader: &mut Reader<'_>) -> BTreeMap<&'static str, Place> {
        for (text, key, _) in &self.entries {
            if !self.known.contains(text) {
                let underscored = text.replace('_', "-");
                let hint = if *text == "<<" {
                    Some(
                        "merge keys are not part of YAML 1.2; include a profile instead".to_owned(),
                    )
                } else if self.known.contains(&underscored.as_str()) {
                    Some(format!("did you mean `{underscored}`?"))
                } else {
                    did_you_mean(text, self.known.iter().copied())
                };
                let finding = Finding::new(reader.place(key), format!("unknown key `{text}`"))
                    .expected(quoted(self.known.iter().copied()))
                    .maybe_hint(hint);
                reader.report(finding);
            }
        }
        self.places
    }
}
