//! What is wrong with a declaration, and where. Knows places in sources and how findings are
//! collected; leaves the picture for people to `render`.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde_json::{Value, json};

use super::Source;

/// More than this many findings help nobody; the rest are counted only.
const MOST_FINDINGS: usize = 500;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Nothing of the declaration takes effect.
    Error,
    /// Worth knowing.
    Warning,
}

/// A stretch of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The name of the source as it was given.
    pub source: Arc<str>,
    /// Which of the sources given to [`load`](super::load): names need not be unique.
    pub source_index: usize,
    /// Bytes of the source's text.
    pub bytes: Range<usize>,
    /// 1-based.
    pub line: u32,
    /// 1-based, in characters.
    pub column: u32,
}

/// Another place that has to do with a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Related {
    pub span: Span,
    pub label: String,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    pub severity: Severity,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    pub span: Span,
    /// Stands below the caret.
    pub label: String,
    pub related: Vec<Related>,
    /// What could have stood here.
    pub expected: Vec<String>,
    /// What to do.
    pub hint: Option<String>,
}

/// All findings of all sources, in the order of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostics {
    pub list: Vec<Diagnostic>,
    /// Findings beyond those in the list.
    pub omitted: usize,
    pub(super) sources: Vec<Source>,
}

/// What a reader of another format found wrong in a text: a [`Diagnostic`] before it has a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Bytes of the text.
    pub bytes: Range<usize>,
    pub message: String,
    pub label: String,
    pub expected: Vec<String>,
    pub hint: Option<String>,
}

impl Diagnostics {
    /// Findings in one text that is not in the policy language, so that they look the same.
    pub fn of_text(source: &Source, found: Vec<Found>) -> Self {
        let mut findings = Findings::default();
        for found in found {
            let place = Place {
                source: 0,
                start: found.bytes.start,
                end: found.bytes.end,
            };
            findings.push(
                Finding::new(place, found.message)
                    .label(found.label)
                    .expected(found.expected)
                    .maybe_hint(found.hint),
            );
        }
        findings.into_diagnostics(std::slice::from_ref(source))
    }

    /// With the findings of another text behind these.
    pub fn and(mut self, other: Self) -> Self {
        let before = self.sources.len();
        self.list.extend(other.list.into_iter().map(|mut found| {
            found.span.source_index = found.span.source_index.saturating_add(before);
            for related in &mut found.related {
                related.span.source_index = related.span.source_index.saturating_add(before);
            }
            found
        }));
        self.omitted = self.omitted.saturating_add(other.omitted);
        self.sources.extend(other.sources);
        self
    }

    /// For programs: a list of objects with `severity`, `message`, `source`, `line`, `column`,
    /// `bytes`, `label`, `related`, `expected` and `hint`.
    pub fn to_json(&self) -> Value {
        Value::Array(self.list.iter().map(Diagnostic::to_json).collect())
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false, 120))
    }
}

impl std::error::Error for Diagnostics {}

impl Diagnostic {
    /// See [`Diagnostics::to_json`].
    pub fn to_json(&self) -> Value {
        let mut object = self.span.to_json();
        let related = self.related.iter().map(|related| {
            let mut object = related.span.to_json();
            object["label"] = json!(related.label);
            object
        });
        object["severity"] = json!(match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        });
        object["message"] = json!(self.message);
        object["label"] = json!(self.label);
        object["related"] = related.collect();
        object["expected"] = json!(self.expected);
        object["hint"] = json!(self.hint);
        object
    }
}

impl Span {
    fn to_json(&self) -> Value {
        json!({
            "source": &*self.source,
            "line": self.line,
            "column": self.column,
            "bytes": [self.bytes.start, self.bytes.end],
        })
    }
}

/// A stretch of a source while it is read: small, and without a line until somebody asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) source: usize,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// A diagnostic in the making.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    place: Place,
    message: String,
    label: String,
    related: Vec<(Place, String)>,
    expected: Vec<String>,
    hint: Option<String>,
}

impl Finding {
    pub(super) fn new(place: Place, message: impl Into<String>) -> Self {
        Self {
            place,
            message: message.into(),
            label: String::new(),
            related: Vec::new(),
            expected: Vec::new(),
            hint: None,
        }
    }

    pub(super) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(super) fn maybe_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint.or(self.hint);
        self
    }

    pub(super) fn expected(mut self, words: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.expected = words.into_iter().map(Into::into).collect();
        self
    }

    pub(super) fn related(mut self, place: Place, label: impl Into<String>) -> Self {
        self.related.push((place, label.into()));
        self
    }
}

/// Everything found so far.
#[derive(Debug, Default)]
pub(super) struct Findings {
    list: Vec<Finding>,
    omitted: usize,
}

impl Findings {
    pub(super) fn push(&mut self, finding: Finding) {
        if self.list.len() < MOST_FINDINGS {
            self.list.push(finding);
        } else {
            self.omitted = self.omitted.saturating_add(1);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// With lines and columns, in the order of the text.
    pub(super) fn into_diagnostics(mut self, sources: &[Source]) -> Diagnostics {
        self.list.sort_by_key(|finding| finding.place);
        let lines: Vec<Vec<usize>> = sources.iter().map(|s| line_starts(&s.text)).collect();
        let span = |place: Place| span(sources, &lines, place);
        let list = self
            .list
            .into_iter()
            .map(|finding| Diagnostic {
                severity: Severity::Error,
                message: finding.message,
                span: span(finding.place),
                label: finding.label,
                related: finding
                    .related
                    .into_iter()
                    .map(|(place, label)| Related {
                        span: span(place),
                        label,
                    })
                    .collect(),
                expected: finding.expected,
                hint: finding.hint,
            })
            .collect();
        Diagnostics {
            list,
            omitted: self.omitted,
            sources: sources.to_vec(),
        }
    }
}

fn line_starts(text: &str) -> Vec<usize> {
    let after_breaks = text.match_indices('\n').map(|(at, _)| at.saturating_add(1));
    std::iter::once(0).chain(after_breaks).collect()
}

/// Places come from a parser that we did not write: clamp them to the text and its characters.
fn span(sources: &[Source], lines: &[Vec<usize>], place: Place) -> Span {
    let text = sources.get(place.source).map_or("", |s| &s.text);
    let start = text.floor_char_boundary(place.start.min(text.len()));
    let end = text.ceil_char_boundary(place.end.clamp(start, text.len()));
    let starts = lines.get(place.source).map_or(&[][..], Vec::as_slice);
    let line = starts.partition_point(|&line_start| line_start <= start);
    let line_start = line.checked_sub(1).and_then(|l| starts.get(l)).copied();
    let before = text.get(line_start.unwrap_or(0)..start).unwrap_or("");
    let column = before.chars().count().saturating_add(1);
    Span {
        source: sources
            .get(place.source)
            .map_or("".into(), |s| s.name.as_str().into()),
        source_index: place.source,
        bytes: start..end,
        line: u32::try_from(line).unwrap_or(u32::MAX),
        column: u32::try_from(column).unwrap_or(u32::MAX),
    }
}
