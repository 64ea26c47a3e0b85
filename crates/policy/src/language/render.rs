//! Findings as a picture for people, in rustc's manner. Knows layout; leaves contents to `diagnostic`.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::diagnostic::{Diagnostic, Diagnostics, Severity};

/// Longer lists of alternatives are cut: the hint names the likely one.
const MOST_ALTERNATIVES: usize = 12;

impl Diagnostics {
    /// Every finding with its line, a caret, what was expected and a hint, at most `width`
    /// columns wide where the text allows, ending with a count.
    pub fn render(&self, color: bool, width: usize) -> String {
        let renderer = if color {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        let renderer = renderer
            .decor_style(DecorStyle::Ascii)
            .term_width(width.max(40));
        let mut picture = String::new();
        for diagnostic in &self.list {
            picture.push_str(&renderer.render(&[self.group(diagnostic)]));
            picture.push_str("\n\n");
        }
        picture.push_str(&self.summary());
        picture.push('\n');
        picture
    }

    fn summary(&self) -> String {
        let errors = self
            .list
            .iter()
            .filter(|d| d.severity == Severity::Error)
            .count()
            .saturating_add(self.omitted);
        match (errors, self.omitted) {
            (0, _) => String::new(),
            (1, _) => "1 error; nothing takes effect".to_owned(),
            (errors, 0) => format!("{errors} errors; nothing takes effect"),
            (errors, omitted) => {
                format!("{errors} errors ({omitted} not shown); nothing takes effect")
            }
        }
    }

    fn group<'a>(&'a self, diagnostic: &'a Diagnostic) -> Group<'a> {
        let level = match diagnostic.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut snippets = vec![diagnostic.span.source_index];
        for related in &diagnostic.related {
            if !snippets.contains(&related.span.source_index) {
                snippets.push(related.span.source_index);
            }
        }
        let snippets = snippets
            .into_iter()
            .map(|index| self.snippet(index, diagnostic));
        let mut group = level
            .primary_title(diagnostic.message.as_str())
            .elements(snippets);
        if !diagnostic.expected.is_empty() {
            group = group.element(Level::NOTE.message(alternatives(&diagnostic.expected)));
        }
        if let Some(hint) = &diagnostic.hint {
            group = group.element(Level::HELP.message(hint.as_str()));
        }
        group
    }

    fn snippet<'a>(
        &'a self,
        index: usize,
        diagnostic: &'a Diagnostic,
    ) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
        let source = self.sources.get(index);
        let mut snippet = Snippet::source(source.map_or("", |s| s.text.as_str()));
        if let Some(source) = source {
            snippet = snippet.path(source.name.as_str());
        }
        if diagnostic.span.source_index == index {
            let annotation = AnnotationKind::Primary.span(diagnostic.span.bytes.clone());
            snippet = snippet.annotation(match diagnostic.label.as_str() {
                "" => annotation,
                label => annotation.label(label),
            });
        }
        let related = diagnostic.related.iter();
        snippet.annotations(
            related
                .filter(|related| related.span.source_index == index)
                .map(|related| {
                    AnnotationKind::Context
                        .span(related.span.bytes.clone())
                        .label(related.label.as_str())
                }),
        )
    }
}

fn alternatives(expected: &[String]) -> String {
    let shown: Vec<&str> = expected
        .iter()
        .take(MOST_ALTERNATIVES)
        .map(String::as_str)
        .collect();
    let more = expected.len().saturating_sub(shown.len());
    match (shown.as_slice(), more) {
        ([one], 0) => format!("expected {one}"),
        ([first @ .., last], 0) => format!("expected {} or {last}", first.join(", ")),
        (shown, more) => format!("expected {} or {more} others", shown.join(", ")),
    }
}
