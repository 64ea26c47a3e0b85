//! From a place within a scalar's text to the place in the source where it was written, through
//! quotes, escapes, folding and indentation. Knows how YAML writes text, not what the text says.

use std::ops::Range;

use granit_parser::ScalarStyle;

use super::yaml::{Content, Node};

/// Where `range` of the text of `node` stands in `source`. All of the node where that is not clear.
pub(super) fn within(source: &str, node: &Node, range: &Range<usize>) -> Range<usize> {
    let whole = node.start..node.end;
    let Content::Scalar { text, style } = &node.content else {
        return whole;
    };
    let Some(raw) = source.get(whole.clone()) else {
        return whole;
    };
    if raw == text {
        let start = node.start.saturating_add(range.start.min(text.len()));
        return start
            ..node
                .start
                .saturating_add(range.end.min(text.len()))
                .max(start);
    }
    let Some(starts) = align(raw, text, *style) else {
        return whole;
    };
    let at = |offset: usize| {
        starts
            .get(offset)
            .copied()
            .map(|raw| node.start.saturating_add(raw))
    };
    match (at(range.start), at(range.end)) {
        (Some(start), Some(end)) => start..end.max(start),
        _ => whole,
    }
}

/// For every byte of `text` and its end, the byte of `raw` that it comes from.
fn align(raw: &str, text: &str, style: ScalarStyle) -> Option<Vec<usize>> {
    let mut cursor = Cursor { raw, at: 0 };
    match style {
        ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => cursor.skip(1),
        ScalarStyle::Literal | ScalarStyle::Folded if raw.starts_with(['|', '>']) => {
            cursor.skip(raw.find('\n')?.saturating_add(1));
            cursor.skip_blanks(text);
        }
        ScalarStyle::Literal | ScalarStyle::Folded => cursor.skip_blanks(text),
        ScalarStyle::Plain => {}
    }
    let mut starts = Vec::with_capacity(text.len().saturating_add(1));
    for (offset, character) in text.char_indices() {
        let rest = text.get(offset..)?.get(character.len_utf8()..)?;
        if style == ScalarStyle::DoubleQuoted {
            cursor.skip_escaped_breaks();
        }
        for _ in 0..character.len_utf8() {
            starts.push(cursor.at);
        }
        // Blank lines at the ends of a block are in the text but not always in its span.
        let found = match cursor.peek() {
            Some(found) => found,
            None if character.is_whitespace() => continue,
            None => return None,
        };
        let found_blank = matches!(found, ' ' | '\t' | '\r' | '\n');
        if character.is_whitespace() && !found_blank && found != '\\' && found != character {
            continue;
        }
        if character.is_whitespace() && found_blank {
            cursor.skip_matching_blanks(character, found, rest);
        } else if found == '\\' && style == ScalarStyle::DoubleQuoted {
            cursor.skip_escape()?;
        } else if found == character {
            let doubled = found == '\'' && style == ScalarStyle::SingleQuoted;
            cursor.skip(character.len_utf8().saturating_add(usize::from(doubled)));
        } else {
            return None;
        }
    }
    starts.push(cursor.at);
    Some(starts)
}

struct Cursor<'a> {
    raw: &'a str,
    at: usize,
}

impl Cursor<'_> {
    fn peek(&self) -> Option<char> {
        self.raw.get(self.at..)?.chars().next()
    }

    fn skip(&mut self, bytes: usize) {
        self.at = self.at.saturating_add(bytes);
    }

    /// Indentation before text that does not start with a blank itself.
    fn skip_blanks(&mut self, following: &str) {
        if following.starts_with([' ', '\t', '\n']) {
            return;
        }
        while let Some(' ' | '\t' | '\r' | '\n') = self.peek() {
            self.skip(1);
        }
    }

    /// `found` stands for `character`; where a line was broken, indentation goes with it.
    fn skip_matching_blanks(&mut self, character: char, found: char, following: &str) {
        if character == found && character != '\n' {
            self.skip(1);
        }
        if matches!(self.peek(), Some('\r' | '\n')) || character != found || character == '\n' {
            self.skip_blanks(following);
        }
    }

    /// `\` at the end of a line joins it with the next one.
    fn skip_escaped_breaks(&mut self) {
        while self
            .raw
            .get(self.at..)
            .is_some_and(|rest| rest.starts_with("\\\n") || rest.starts_with("\\\r\n"))
        {
            self.skip(1);
            self.skip_blanks("");
        }
    }

    fn skip_escape(&mut self) -> Option<()> {
        let escaped = self.raw.get(self.at.saturating_add(1)..)?.chars().next()?;
        let digits = match escaped {
            'x' => 2,
            'u' => 4,
            'U' => 8,
            _ => 0,
        };
        self.skip(
            1_usize
                .saturating_add(escaped.len_utf8())
                .saturating_add(digits),
        );
        Some(())
    }
}
