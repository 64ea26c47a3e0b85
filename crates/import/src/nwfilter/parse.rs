//! Filter XML to [`Filter`], strictly: what libvirt ignores silently is an error here, with its place
//! and what was probably meant. Knows XML; values are left to `values`.

use std::collections::BTreeMap;
use std::ops::Range;

use policy::language::{Diagnostics, Found, Source, closest};
use policy::origin::Origin;
use roxmltree::{Document, Node};

use super::attributes::{CHAINS, COMPANIONS, Kind, PROTOCOLS};
use super::filter::{
    Action, Attribute, Direction, Entry, Filter, FilterRule, Protocol, Reference, Value,
};
use super::values;

/// Where a rule without a priority stands among the rules of its chain.
const RULE_PRIORITY: i32 = 500;
const MOST_PRIORITY: i32 = 1000;

/// Reads one filter. `name` is the file's, for messages.
///
/// # Errors
/// All that is wrong in it at once.
pub fn parse(name: &str, text: &str) -> Result<Filter, Diagnostics> {
    let source = Source::new(name, text);
    let mut reader = Reader {
        text,
        origin: Origin {
            source: name.into(),
            ..Origin::default()
        },
        found: Vec::new(),
    };
    let filter = match Document::parse(text) {
        Ok(document) => reader.filter(document.root_element()),
        Err(error) => {
            let at = byte_of(text, error.pos());
            reader.complain(at..at, error.to_string(), "");
            None
        }
    };
    match filter {
        Some(filter) if reader.found.is_empty() => Ok(filter),
        _ => Err(Diagnostics::of_text(&source, reader.found)),
    }
}

/// Where a parser's line and column is in the text.
fn byte_of(text: &str, position: roxmltree::TextPos) -> usize {
    let row = usize::try_from(position.row).unwrap_or(1).saturating_sub(1);
    let column = usize::try_from(position.col).unwrap_or(1).saturating_sub(1);
    let before: usize = text.split_inclusive('\n').take(row).map(str::len).sum();
    let line = text.get(before..).unwrap_or("");
    let within = line
        .char_indices()
        .nth(column)
        .map_or(line.len(), |(at, _)| at);
    before.saturating_add(within)
}

struct Reader<'a> {
    text: &'a str,
    /// Of the file; lines and columns are filled in.
    origin: Origin,
    found: Vec<Found>,
}

impl Reader<'_> {
    fn filter(&mut self, root: Node<'_, '_>) -> Option<Filter> {
        if root.tag_name().name() != "filter" {
            self.unknown_element(root, &["filter"]);
            return None;
        }
        let keys = self.keys(root, &["name", "chain", "priority"]);
        let Some((name, _)) = keys.get("name").filter(|(name, _)| !name.is_empty()) else {
            self.complain(
                name_of(root),
                "the filter has no name".to_owned(),
                "`name` is missing",
            );
            return None;
        };
        let chain = match keys.get("chain") {
            None => "root".to_owned(),
            Some((chain, at)) => {
                if chain_default(chain).is_none() {
                    let names = CHAINS.iter().map(|(name, _)| *name);
                    let hint = closest(chain, names.clone()).map(did_you_mean);
                    self.push(
                        at.clone(),
                        format!("there is no chain `{chain}`"),
                        "neither a protocol nor a protocol with a suffix",
                        names.map(|name| format!("`{name}`")).collect(),
                        hint,
                    );
                }
                chain.clone()
            }
        };
        let priority = match keys.get("priority") {
            Some((text, at)) => self.priority(text, at.clone()),
            None => chain_default(&chain).unwrap_or_default(),
        };
        let mut filter = Filter {
            name: name.clone(),
            chain,
            priority,
            entries: Vec::new(),
            origin: self.origin(root.range().start),
        };
        for child in self.children(root) {
            match child.tag_name().name() {
                "rule" => filter.entries.extend(self.rule(child).map(Entry::Rule)),
                "filterref" => {
                    let reference = self.reference(child);
                    filter.entries.extend(reference.map(Entry::Reference));
                }
                "uuid" => {}
                _ => self.unknown_element(child, &["rule", "filterref", "uuid"]),
            }
        }
        Some(filter)
    }

    fn rule(&mut self, node: Node<'_, '_>) -> Option<FilterRule> {
        let keys = self.keys(node, &["action", "direction", "priority", "statematch"]);
        let action = self.word(node, &keys, "action", ACTIONS);
        let direction = self.word(node, &keys, "direction", DIRECTIONS);
        let priority = match keys.get("priority") {
            Some((text, at)) => self.priority(text, at.clone()),
            None => RULE_PRIORITY,
        };
        let statematch = match keys.get("statematch") {
            Some((text, at)) => self.switch(text, at.clone()),
            None => true,
        };
        let mut rule = FilterRule {
            action: action?,
            direction: direction?,
            priority,
            statematch,
            protocol: None,
            attributes: Vec::new(),
            origin: self.origin(node.range().start),
        };
        for child in self.children(node) {
            let name = child.tag_name().name();
            let Some((_, protocol)) = PROTOCOLS.iter().find(|(word, _)| *word == name) else {
                let names: Vec<&str> = PROTOCOLS.iter().map(|(name, _)| *name).collect();
                self.unknown_element(child, &names);
                continue;
            };
            match rule.protocol {
                Some(first) if first != *protocol => {
                    self.push(
                        name_of(child),
                        format!("the rule is about `{}` already", first.name()),
                        "a second protocol",
                        Vec::new(),
                        Some("libvirt ignores all but the first: write two rules".to_owned()),
                    );
                }
                _ => {
                    rule.protocol = Some(*protocol);
                    self.attributes(child, *protocol, &mut rule.attributes);
                }
            }
            for inner in self.children(child) {
                self.unknown_element(inner, &[]);
            }
        }
        self.check(node, &rule);
        Some(rule)
    }

    fn attributes(&mut self, node: Node<'_, '_>, protocol: Protocol, into: &mut Vec<Attribute>) {
        let known = protocol.attributes();
        let mut negated = false;
        if let Some(word) = node.attribute_node("match") {
            negated = !self.switch(word.value(), word.range_value());
        }
        for attribute in node.attributes() {
            let name = attribute.name();
            if name == "match" {
                continue;
            }
            let Some((name, kind)) = known.iter().find(|(word, _)| *word == name) else {
                self.unknown_attribute(
                    attribute.range(),
                    name,
                    known
                        .iter()
                        .map(|(word, _)| *word)
                        .chain(["match"])
                        .collect(),
                );
                continue;
            };
            if into.iter().any(|one| one.name == *name) {
                let message = format!("`{name}` comes twice in the rule");
                self.complain(
                    attribute.range(),
                    message,
                    "libvirt takes the last and says nothing",
                );
                continue;
            }
            let parsed = match kind {
                // A comment is text, whatever it begins with.
                Kind::Text(_) if *name == "comment" => values::literal(attribute.value(), *kind),
                _ => values::value(attribute.value(), *kind),
            };
            match parsed {
                Ok(value) => into.push(Attribute {
                    name,
                    value,
                    negated,
                    origin: self.origin(attribute.range().start),
                }),
                Err(expected) => self.push(
                    attribute.range_value(),
                    format!("`{}` is no value of `{name}`", attribute.value()),
                    "",
                    vec![expected],
                    None,
                ),
            }
        }
    }

    /// What belongs together in a rule.
    fn check(&mut self, node: Node<'_, '_>, rule: &FilterRule) {
        let missing: Vec<(&str, &str)> = COMPANIONS
            .iter()
            .filter(|(name, of)| rule.attribute(name).is_some() && rule.attribute(of).is_none())
            .copied()
            .collect();
        for (name, of) in missing {
            let message = format!("`{name}` without `{of}`");
            self.complain(
                name_of(node),
                message,
                "libvirt ignores it and says nothing",
            );
        }
        for (last, first) in COMPANIONS {
            let (Some(last), Some(first)) = (rule.attribute(last), rule.attribute(first)) else {
                continue;
            };
            let reversed = match (&first.value, &last.value) {
                (Value::Number(first), Value::Number(last)) => first > last,
                (Value::Address(first), Value::Address(last)) => first > last,
                _ => false,
            };
            if reversed {
                let message = format!("`{}` is above `{}`", first.name, last.name);
                self.complain(name_of(node), message, "a range goes upwards");
            }
        }
        if !matches!(rule.protocol, Some(Protocol::Ip | Protocol::Ipv6)) {
            return;
        }
        let number = match rule.attribute("protocol").map(|one| &one.value) {
            Some(Value::Number(number)) => Some(*number),
            Some(_) => return,
            None => None,
        };
        let ports = ["srcportstart", "dstportstart"];
        if ports.iter().any(|port| rule.attribute(port).is_some())
            && !matches!(number, Some(6 | 17 | 33 | 132))
        {
            let message = "ports without a protocol that has them".to_owned();
            self.complain(
                name_of(node),
                message,
                "needs `protocol` tcp, udp, 33 (DCCP) or sctp",
            );
        }
        if ["type", "code"]
            .iter()
            .any(|one| rule.attribute(one).is_some())
            && number != Some(58)
        {
            let message = "ICMPv6 types without `protocol='icmpv6'`".to_owned();
            self.complain(name_of(node), message, "needs `protocol` icmpv6");
        }
    }

    fn reference(&mut self, node: Node<'_, '_>) -> Option<Reference> {
        let keys = self.keys(node, &["filter"]);
        let Some((filter, _)) = keys.get("filter") else {
            self.complain(
                name_of(node),
                "a reference to nothing".to_owned(),
                "`filter` is missing",
            );
            return None;
        };
        let mut reference = Reference {
            filter: filter.clone(),
            parameters: BTreeMap::new(),
            origin: self.origin(node.range().start),
        };
        for child in self.children(node) {
            if child.tag_name().name() != "parameter" {
                self.unknown_element(child, &["parameter"]);
                continue;
            }
            let keys = self.keys(child, &["name", "value"]);
            let (Some((name, at)), Some((value, _))) = (keys.get("name"), keys.get("value")) else {
                let message = "a parameter needs `name` and `value`".to_owned();
                self.complain(name_of(child), message, "");
                continue;
            };
            if !values::is_variable_name(name) {
                let message = format!("`{name}` is not the name of a variable");
                self.complain(at.clone(), message, "letters, digits and `_`");
                continue;
            }
            let list = reference.parameters.entry(name.clone()).or_default();
            list.push(value.clone());
        }
        Some(reference)
    }

    fn priority(&mut self, text: &str, at: Range<usize>) -> i32 {
        match text.parse::<i32>() {
            Ok(number) if (-MOST_PRIORITY..=MOST_PRIORITY).contains(&number) => number,
            _ => {
                let message = format!("`{text}` is not a priority");
                self.push(
                    at,
                    message,
                    "",
                    vec!["a number from -1000 to 1000".to_owned()],
                    None,
                );
                0
            }
        }
    }

    fn switch(&mut self, text: &str, at: Range<usize>) -> bool {
        values::switch(text).unwrap_or_else(|expected| {
            self.push(
                at,
                format!("`{text}` is neither yes nor no"),
                "",
                vec![expected],
                None,
            );
            true
        })
    }

    fn word<T: Copy>(
        &mut self,
        node: Node<'_, '_>,
        keys: &Keys,
        key: &str,
        words: &[(&str, T)],
    ) -> Option<T> {
        let expected = || words.iter().map(|(word, _)| format!("`{word}`")).collect();
        let Some((text, at)) = keys.get(key) else {
            let message = format!("the rule has no `{key}`");
            self.push(name_of(node), message, "", expected(), None);
            return None;
        };
        let found = words.iter().find(|(word, _)| word == text);
        if found.is_none() {
            let hint = closest(text, words.iter().map(|(word, _)| *word)).map(did_you_mean);
            let message = format!("`{text}` is no `{key}`");
            self.push(at.clone(), message, "", expected(), hint);
        }
        found.map(|(_, value)| *value)
    }

    /// The attributes of an element, each of which must be among `known`.
    fn keys(&mut self, node: Node<'_, '_>, known: &[&str]) -> Keys {
        let mut keys = Keys::new();
        for attribute in node.attributes() {
            if known.contains(&attribute.name()) {
                let value = (attribute.value().to_owned(), attribute.range_value());
                keys.insert(attribute.name().to_owned(), value);
            } else {
                self.unknown_attribute(attribute.range(), attribute.name(), known.to_vec());
            }
        }
        keys
    }

    /// The elements inside; text between them says nothing to anybody.
    fn children<'a, 'input>(&mut self, node: Node<'a, 'input>) -> Vec<Node<'a, 'input>> {
        let mut elements = Vec::new();
        for child in node.children() {
            let text = child.text().filter(|_| child.is_text()).unwrap_or("");
            if child.is_element() {
                elements.push(child);
            } else if !text.trim().is_empty() {
                let message = format!("text in `{}`", node.tag_name().name());
                self.complain(child.range(), message, "an element is expected");
            }
        }
        elements
    }

    fn unknown_element(&mut self, node: Node<'_, '_>, known: &[&str]) {
        let name = node.tag_name().name();
        let hint = closest(name, known.iter().copied()).map(did_you_mean);
        let message = format!("unknown element `{name}`");
        let expected = known.iter().map(|name| format!("`{name}`")).collect();
        self.push(
            name_of(node),
            message,
            "libvirt ignores it and says nothing",
            expected,
            hint,
        );
    }

    fn unknown_attribute(&mut self, at: Range<usize>, name: &str, known: Vec<&str>) {
        let hint = closest(name, known.iter().copied()).map(did_you_mean);
        let message = format!("unknown attribute `{name}`");
        let expected = known.iter().map(|name| format!("`{name}`")).collect();
        self.push(
            at,
            message,
            "libvirt ignores it and says nothing",
            expected,
            hint,
        );
    }

    fn complain(&mut self, at: Range<usize>, message: String, label: &str) {
        self.push(at, message, label, Vec::new(), None);
    }

    fn push(
        &mut self,
        bytes: Range<usize>,
        message: String,
        label: &str,
        expected: Vec<String>,
        hint: Option<String>,
    ) {
        self.found.push(Found {
            bytes,
            message,
            label: label.to_owned(),
            expected,
            hint,
        });
    }

    fn origin(&self, byte: usize) -> Origin {
        let before = self.text.get(..byte).unwrap_or("");
        let line = before.matches('\n').count().saturating_add(1);
        let last = before.rsplit('\n').next().unwrap_or("");
        Origin {
            source: self.origin.source.clone(),
            line: u32::try_from(line).unwrap_or(u32::MAX),
            column: u32::try_from(last.chars().count().saturating_add(1)).unwrap_or(u32::MAX),
        }
    }
}

/// Attributes with their values and where these stand.
type Keys = BTreeMap<String, (String, Range<usize>)>;

const ACTIONS: &[(&str, Action)] = &[
    ("drop", Action::Drop),
    ("reject", Action::Reject),
    ("accept", Action::Accept),
    ("return", Action::Return),
    ("continue", Action::Continue),
];

const DIRECTIONS: &[(&str, Direction)] = &[
    ("in", Direction::In),
    ("out", Direction::Out),
    ("inout", Direction::InOut),
];

/// The priority of a chain unless a filter says; `None` where there can be no such chain.
fn chain_default(chain: &str) -> Option<i32> {
    let found = CHAINS.iter().find(|(name, _)| {
        let rest = chain.strip_prefix(name);
        // The root chain has no sisters.
        rest.is_some_and(|rest| {
            rest.is_empty() || (rest.len() > 1 && rest.starts_with('-') && *name != "root")
        })
    });
    found.map(|(_, priority)| *priority)
}

fn did_you_mean(word: &str) -> String {
    format!("did you mean `{word}`?")
}

/// The opening bracket and the name of an element.
fn name_of(node: Node<'_, '_>) -> Range<usize> {
    let start = node.range().start;
    let length = node.tag_name().name().len().saturating_add(1);
    start..start.saturating_add(length)
}
