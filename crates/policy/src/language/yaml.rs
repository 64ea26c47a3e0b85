//! YAML and JSON text as a tree in which every key and value knows its place.
//! Knows syntax and bounds its cost; leaves the meaning of every key to the readers of documents.

use std::collections::HashMap;

use granit_parser::{Event, Marker, Parser, ScalarStyle, Span};

use super::diagnostic::{Finding, Findings, Place};

/// Deeper documents are refused: ours are four levels deep.
const MOST_LEVELS: usize = 64;
/// What aliases may add to a source: enough for templates, too little for a bomb.
const MOST_COPIED_NODES: usize = 100_000;
const MOST_COPIED_BYTES: usize = 4 << 20;

/// A value with its place.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) start: usize,
    pub(super) end: usize,
    /// 1-based.
    pub(super) line: u32,
    /// 1-based, in characters.
    pub(super) column: u32,
    pub(super) content: Content,
}

#[derive(Clone, Debug)]
pub(super) enum Content {
    /// Nothing, `~` or `null`.
    Null,
    /// Any scalar, as the text it is: `no`, `0123` and `52:54:00:00:00:01` stay what they are.
    Scalar {
        text: String,
        style: ScalarStyle,
    },
    Sequence(Vec<Node>),
    Mapping(Vec<(Node, Node)>),
}

impl Node {
    /// What to point at when the whole value is meant: for a collection, where it starts.
    pub(super) fn place(&self, source: usize) -> Place {
        let (start, end) = match &self.content {
            Content::Mapping(entries) => entries
                .first()
                .map_or((self.start, self.end), |(key, _)| (key.start, key.end)),
            Content::Sequence(_) => (self.start, self.start.saturating_add(1).min(self.end)),
            Content::Null | Content::Scalar { .. } => (self.start, self.end),
        };
        Place { source, start, end }
    }

    /// For "expected …, found …".
    pub(super) fn describe(&self) -> &'static str {
        match self.content {
            Content::Null => "nothing",
            Content::Scalar { .. } => "a single value",
            Content::Sequence(_) => "a list",
            Content::Mapping(_) => "a mapping",
        }
    }

    fn weight(&self) -> Weight {
        match &self.content {
            Content::Null => Weight::new(0),
            Content::Scalar { text, .. } => Weight::new(text.len()),
            Content::Sequence(items) => items
                .iter()
                .map(Self::weight)
                .fold(Weight::new(0), Weight::around),
            Content::Mapping(entries) => entries
                .iter()
                .flat_map(|(key, value)| [key.weight(), value.weight()])
                .fold(Weight::new(0), Weight::around),
        }
    }
}

/// What a copy of a node costs.
#[derive(Clone, Copy)]
struct Weight {
    nodes: usize,
    bytes: usize,
    levels: usize,
}

impl Weight {
    fn new(bytes: usize) -> Self {
        Self {
            nodes: 1,
            bytes,
            levels: 1,
        }
    }

    fn around(self, inner: Self) -> Self {
        Self {
            nodes: self.nodes.saturating_add(inner.nodes),
            bytes: self.bytes.saturating_add(inner.bytes),
            levels: self.levels.max(inner.levels.saturating_add(1)),
        }
    }
}

/// What a source contains.
pub(super) struct Tree {
    /// Its documents, in order; without those that are empty or broken.
    pub(super) documents: Vec<Node>,
    /// False where a part could not be read.
    pub(super) complete: bool,
}

/// Reads a source; reports what breaks its syntax.
pub(super) fn read(source: usize, text: &str, findings: &mut Findings) -> Tree {
    let options = granit_parser::options! {
        emit_comments: false,
        emit_unresolved_aliases: true,
        flow_nesting_limit: MOST_LEVELS,
        block_nesting_limit: MOST_LEVELS,
    };
    let mut parser = Parser::new_from_str_with_options(text, options);
    let mut builder = Builder::new(source);
    while let Some(event) = parser.next_event() {
        match event {
            Ok((event, span)) => {
                if let Err(finding) = builder.take(event, span) {
                    findings.push(*finding);
                    builder.complete = false;
                    break;
                }
            }
            Err(error) => {
                findings.push(syntax(source, text, *error.marker(), &error.info()));
                builder.complete = false;
                break;
            }
        }
    }
    Tree {
        documents: builder.documents,
        complete: builder.complete,
    }
}

/// Says a syntax error in words, with the cures for the usual ones.
fn syntax(source: usize, text: &str, marker: Marker, info: &str) -> Finding {
    let start = marker.byte_offset().unwrap_or(text.len()).min(text.len());
    let rest = text.get(start..).unwrap_or("");
    let first = rest.chars().next();
    let end = start.saturating_add(first.filter(|c| *c != '\n').map_or(0, char::len_utf8));
    let finding = Finding::new(
        Place { source, start, end },
        format!("not valid YAML: {info}"),
    );
    let line = text
        .get(..start)
        .unwrap_or("")
        .rsplit('\n')
        .next()
        .unwrap_or("");
    match first {
        Some('@' | '`' | '%') => {
            finding.hint("a value that starts with this character needs quotes: \"@admins\"")
        }
        Some('\t') => finding.hint("indent with spaces"),
        Some(':') if line.contains('"') => {
            finding.hint("a value with `: ` in it needs quotes around the whole of it: '…'")
        }
        _ => finding,
    }
}

struct Open {
    node: Node,
    key: Option<Node>,
    anchor: usize,
}

struct Builder {
    source: usize,
    documents: Vec<Node>,
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    copied_nodes: usize,
    copied_bytes: usize,
    complete: bool,
}

impl Builder {
    fn new(source: usize) -> Self {
        Self {
            source,
            documents: Vec::new(),
            open: Vec::new(),
            anchors: HashMap::new(),
            copied_nodes: 0,
            copied_bytes: 0,
            complete: true,
        }
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Box<Finding>> {
        if let Some(tag) = event.tag()
            && !tag.is_yaml_core_schema_tag("str")
        {
            let finding = Finding::new(
                self.place(span.tag_span().unwrap_or(span)),
                format!("tag `{}` has no meaning here", tag.original()),
            );
            return Err(Box::new(finding.hint("leave it out")));
        }
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain && tag.is_none();
                let null = plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                let content = if null {
                    Content::Null
                } else {
                    let text = text.into_owned();
                    Content::Scalar { text, style }
                };
                self.add(node(span, content), anchor)
            }
            Event::SequenceStart(_, anchor, _) => {
                self.start(node(span, Content::Sequence(Vec::new())), anchor);
                Ok(())
            }
            Event::MappingStart(_, anchor, _) => {
                self.start(node(span, Content::Mapping(Vec::new())), anchor);
                Ok(())
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(mut open) => {
                    open.node.end = offset(span.end).max(open.node.start);
                    self.add(open.node, open.anchor)
                }
                None => Ok(()),
            },
            Event::Alias(anchor) => self.copy(anchor, span),
            Event::UnresolvedAlias(name) => Err(Box::new(
                Finding::new(
                    self.place(span),
                    format!("no anchor `&{name}` comes before this alias"),
                )
                .hint("a value that starts with `*` needs quotes"),
            )),
            _ => Ok(()),
        }
    }

    fn start(&mut self, node: Node, anchor: usize) {
        self.open.push(Open {
            node,
            key: None,
            anchor,
        });
    }

    fn copy(&mut self, anchor: usize, span: Span) -> Result<(), Box<Finding>> {
        // An alias inside its own anchor would be infinite; it is not in the map yet.
        let Some(target) = self.anchors.get(&anchor) else {
            let finding = Finding::new(
                self.place(span),
                "an alias inside the value that it repeats",
            );
            return Err(Box::new(finding));
        };
        let weight = target.weight();
        self.copied_nodes = self.copied_nodes.saturating_add(weight.nodes);
        self.copied_bytes = self.copied_bytes.saturating_add(weight.bytes);
        let levels = self.open.len().saturating_add(weight.levels);
        if self.copied_nodes > MOST_COPIED_NODES
            || self.copied_bytes > MOST_COPIED_BYTES
            || levels > MOST_LEVELS
        {
            let finding = Finding::new(self.place(span), "aliases repeat too much")
                .label("the limit is passed here")
                .hint("write a group, a service or an included profile instead");
            return Err(Box::new(finding));
        }
        let target = target.clone();
        self.add(target, 0)
    }

    fn add(&mut self, node: Node, anchor: usize) -> Result<(), Box<Finding>> {
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
            // A copy is kept for each anchor, and anchors nest.
            let weight = node.weight();
            self.copied_nodes = self.copied_nodes.saturating_add(weight.nodes);
            self.copied_bytes = self.copied_bytes.saturating_add(weight.bytes);
            if self.copied_nodes > MOST_COPIED_NODES || self.copied_bytes > MOST_COPIED_BYTES {
                let place = node.place(self.source);
                return Err(Box::new(Finding::new(place, "anchors hold too much")));
            }
        }
        let Some(open) = self.open.last_mut() else {
            self.documents.push(node);
            return Ok(());
        };
        match &mut open.node.content {
            Content::Sequence(items) => items.push(node),
            Content::Mapping(entries) => match open.key.take() {
                Some(key) => entries.push((key, node)),
                None => open.key = Some(node),
            },
            Content::Null | Content::Scalar { .. } => {}
        }
        Ok(())
    }

    fn place(&self, span: Span) -> Place {
        let start = offset(span.start);
        Place {
            source: self.source,
            start,
            end: offset(span.end).max(start),
        }
    }
}

fn node(span: Span, content: Content) -> Node {
    let start = offset(span.start);
    Node {
        start,
        end: offset(span.end).max(start),
        line: u32::try_from(span.start.line()).unwrap_or(u32::MAX),
        column: u32::try_from(span.start.col().saturating_add(1)).unwrap_or(u32::MAX),
        content,
    }
}

fn offset(marker: Marker) -> usize {
    marker.byte_offset().unwrap_or(0)
}
