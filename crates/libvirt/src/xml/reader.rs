//! Elements, attributes and their values, with the place of what is wrong. Knows XML and libvirt's
//! ways to write yes, no and numbers; which elements there are is left to the documents.

use std::fmt;
use std::str::FromStr;

use frame::MacAddress;
use roxmltree::{Document, Node, ParsingOptions};

use crate::Uuid;

/// libvirt itself reads no XML beyond this.
const MOST_BYTES: usize = 10 * 1024 * 1024;
/// A domain of 1,000 devices has about 20,000 nodes.
const MOST_NODES: u32 = 1_000_000;

/// A place in a text; both count from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    pub line: u32,
    pub column: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// Why a document was not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("libvirt's XML, line {}, column {}: {problem}", position.line, position.column)]
pub struct XmlError {
    pub position: Position,
    /// What is wrong, and what was expected.
    pub problem: String,
}

/// Reads a text whose root is `root`, and gives what `read` makes of it.
pub(super) fn document<T>(
    text: &str,
    root: &str,
    read: impl FnOnce(Element<'_, '_>) -> Result<T, XmlError>,
) -> Result<T, XmlError> {
    let at_start = |problem: String| XmlError {
        position: Position { line: 1, column: 1 },
        problem,
    };
    if text.len() > MOST_BYTES {
        return Err(at_start(format!(
            "the text has {} bytes, more than the {MOST_BYTES} that are read",
            text.len()
        )));
    }
    let options = ParsingOptions {
        nodes_limit: MOST_NODES,
        ..ParsingOptions::default()
    };
    let document = Document::parse_with_options(text, options).map_err(|error| XmlError {
        position: Position {
            line: error.pos().row,
            column: error.pos().col,
        },
        problem: error.to_string(),
    })?;
    let element = Element(document.root_element());
    if element.name() != root {
        return Err(element.error(format!(
            "<{root}> is expected as the outermost element, not <{}>",
            element.name()
        )));
    }
    read(element)
}

/// An element of the tree.
#[derive(Clone, Copy)]
pub(super) struct Element<'a, 'input>(Node<'a, 'input>);

impl<'a, 'input> Element<'a, 'input> {
    pub(super) fn name(self) -> &'a str {
        self.0.tag_name().name()
    }

    pub(super) fn namespace(self) -> Option<&'a str> {
        self.0.tag_name().namespace()
    }

    pub(super) fn position(self) -> Position {
        let place = self.0.document().text_pos_at(self.0.range().start);
        Position {
            line: place.row,
            column: place.col,
        }
    }

    pub(super) fn error(self, problem: impl Into<String>) -> XmlError {
        XmlError {
            position: self.position(),
            problem: problem.into(),
        }
    }

    /// Every element in this one.
    pub(super) fn children(self) -> impl Iterator<Item = Self> {
        self.0.children().filter(Node::is_element).map(Element)
    }

    /// The elements of libvirt (it has no namespace) of this name.
    pub(super) fn all(self, name: &str) -> impl Iterator<Item = Self> {
        self.children()
            .filter(move |child| child.namespace().is_none() && child.name() == name)
    }

    /// The only element of this name.
    pub(super) fn child(self, name: &str) -> Result<Option<Self>, XmlError> {
        let mut all = self.all(name);
        let first = all.next();
        match all.next() {
            Some(second) => Err(second.error(format!(
                "<{}> has a second <{name}>; one is expected",
                self.name()
            ))),
            None => Ok(first),
        }
    }

    pub(super) fn required_child(self, name: &str) -> Result<Self, XmlError> {
        self.child(name)?
            .ok_or_else(|| self.error(format!("<{}> lacks <{name}>", self.name())))
    }

    /// The text of the element, without blanks at its ends; an element in it is refused.
    pub(super) fn text(self) -> Result<&'a str, XmlError> {
        if let Some(child) = self.children().next() {
            return Err(child.error(format!(
                "<{}> holds text alone, not <{}>",
                self.name(),
                child.name()
            )));
        }
        let text = self.0.text().unwrap_or("").trim();
        if text.is_empty() {
            return Err(self.error(format!("<{}> is empty; a value is expected", self.name())));
        }
        Ok(text)
    }

    pub(super) fn text_as<T: FromStr>(self, kind: &str) -> Result<T, XmlError> {
        let text = self.text()?;
        text.parse()
            .map_err(|_| self.error(format!("`{}` is not {kind}", shortened(text))))
    }

    pub(super) fn attribute(self, name: &str) -> Option<&'a str> {
        self.0.attribute(name)
    }

    pub(super) fn owned(self, name: &str) -> Option<String> {
        self.attribute(name).map(str::to_owned)
    }

    pub(super) fn attribute_names(self) -> impl Iterator<Item = &'a str> {
        self.0.attributes().map(|attribute| attribute.name())
    }

    pub(super) fn required(self, name: &str) -> Result<&'a str, XmlError> {
        match self.attribute(name) {
            Some(value) if !value.is_empty() => Ok(value),
            _ => Err(self.error(format!("<{}> lacks the attribute `{name}`", self.name()))),
        }
    }

    /// The place of an attribute's error, and what was expected.
    pub(super) fn attribute_error(self, name: &str, expected: &str) -> XmlError {
        let attribute = self.0.attribute_node(name);
        let position = attribute.map_or_else(
            || self.position(),
            |attribute| {
                let place = self.0.document().text_pos_at(attribute.range().start);
                Position {
                    line: place.row,
                    column: place.col,
                }
            },
        );
        let value = shortened(attribute.map_or("", |attribute| attribute.value()));
        XmlError {
            position,
            problem: format!(
                "<{} {name}='{value}'>: `{value}` is not {expected}",
                self.name()
            ),
        }
    }

    pub(super) fn parsed<T: FromStr>(self, name: &str, kind: &str) -> Result<Option<T>, XmlError> {
        self.attribute(name)
            .map(|value| value.parse().map_err(|_| self.attribute_error(name, kind)))
            .transpose()
    }

    pub(super) fn uuid(self, name: &str) -> Result<Option<Uuid>, XmlError> {
        self.parsed(name, "a UUID")
    }

    pub(super) fn mac(self, name: &str) -> Result<Option<MacAddress>, XmlError> {
        self.attribute(name)
            .map(|value| {
                lenient_mac(value).ok_or_else(|| self.attribute_error(name, "a MAC address"))
            })
            .transpose()
    }

    /// `yes` or `no`; `on` and `off` are libvirt's other pair of words.
    pub(super) fn switch(self, name: &str) -> Result<Option<bool>, XmlError> {
        match self.attribute(name) {
            None => Ok(None),
            Some("yes" | "on") => Ok(Some(true)),
            Some("no" | "off") => Ok(Some(false)),
            Some(_) => Err(self.attribute_error(name, "`yes` or `no`")),
        }
    }

    /// Refuses attributes that are not in the list.
    pub(super) fn only_attributes(self, known: &[&str]) -> Result<(), XmlError> {
        for attribute in self.0.attributes() {
            if attribute.namespace().is_some() || !known.contains(&attribute.name()) {
                let place = self.0.document().text_pos_at(attribute.range().start);
                let expected = match known {
                    [] => "it has none".to_owned(),
                    known => format!("`{}` is expected", known.join("`, `")),
                };
                return Err(XmlError {
                    position: Position {
                        line: place.row,
                        column: place.col,
                    },
                    problem: format!(
                        "<{}> has no attribute `{}`; {expected}",
                        self.name(),
                        attribute.name()
                    ),
                });
            }
        }
        Ok(())
    }
}

/// libvirt reads octets of one digit too, and writes two.
fn lenient_mac(text: &str) -> Option<MacAddress> {
    let mut octets = [0; 6];
    let mut groups = text.split(':');
    for octet in &mut octets {
        let group = groups.next()?;
        let fits = matches!(group.len(), 1 | 2) && group.bytes().all(|b| b.is_ascii_hexdigit());
        *octet = u8::from_str_radix(group, 16).ok().filter(|_| fits)?;
    }
    groups.next().is_none().then_some(MacAddress(octets))
}

pub(super) fn shortened(text: &str) -> String {
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
