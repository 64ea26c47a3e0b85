//! Text cut into `key`, `key=value`, `key:value` and `key(value)`, and errors that know where they are.

use thiserror::Error;

/// What is wrong with a text, and where. Whoever wrote the text is at fault.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("at character {position}: `{found}` is not right: {expected}")]
pub struct ParseError {
    /// Where, in bytes from the start of the text, from 0.
    pub position: usize,
    /// What stands there.
    pub found: String,
    /// What was expected.
    pub expected: String,
}

/// The whole text that is being read; it knows where a part of it stands.
#[derive(Clone, Copy, Debug)]
pub struct Position<'a>(&'a str);

impl<'a> Position<'a> {
    /// Reads `text`.
    #[must_use]
    pub const fn new(text: &'a str) -> Self {
        Self(text)
    }

    /// Says that `part`, a part of this text, is wrong, and what was expected.
    #[must_use]
    pub fn error(&self, part: &str, expected: impl Into<String>) -> ParseError {
        // A part of the text that is elsewhere in memory stands at the start, for want of better.
        let position = (part.as_ptr() as usize).checked_sub(self.0.as_ptr() as usize);
        let position = position
            .filter(|position| *position <= self.0.len())
            .unwrap_or(0);
        ParseError {
            position,
            found: part.chars().take(60).collect(),
            expected: expected.into(),
        }
    }
}

/// One part of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair<'a> {
    /// What stands before the value, or alone.
    pub key: &'a str,
    /// What stands between key and value: `=`, `:`, `(`, or nothing.
    pub delimiter: Option<char>,
    /// What stands behind; for `(` without the parentheses.
    pub value: &'a str,
    /// What stands behind the closing parenthesis, such as `->NXM_NX_REG0[0]`.
    pub suffix: &'a str,
}

const SEPARATORS: [char; 5] = [',', ' ', '\t', '\r', '\n'];

/// Cuts the first part off `rest`; `None` if nothing but separators is left.
pub(crate) fn next_pair<'a>(
    at: &Position<'_>,
    rest: &mut &'a str,
) -> Result<Option<Pair<'a>>, ParseError> {
    let text = rest.trim_start_matches(SEPARATORS);
    if text.is_empty() {
        *rest = text;
        return Ok(None);
    }
    let ends_key = |letter: char| matches!(letter, ':' | '=' | '(') || SEPARATORS.contains(&letter);
    let (key, after) = text.split_at(text.find(ends_key).unwrap_or(text.len()));
    let delimiter = after
        .chars()
        .next()
        .filter(|letter| !SEPARATORS.contains(letter));
    let pair = match delimiter {
        None => {
            *rest = after;
            Pair {
                key,
                delimiter,
                value: "",
                suffix: "",
            }
        }
        Some('(') => {
            let inner = after.strip_prefix('(').unwrap_or(after);
            let end =
                closing(inner).ok_or_else(|| at.error(text, "expected a closing parenthesis"))?;
            let (value, tail) = inner.split_at(end);
            let tail = tail.strip_prefix(')').unwrap_or(tail);
            let (suffix, tail) = tail.split_at(end_of_value(tail));
            *rest = tail;
            Pair {
                key,
                delimiter,
                value,
                suffix,
            }
        }
        Some(letter) => {
            let inner = after.strip_prefix(letter).unwrap_or(after);
            let (value, tail) = inner.split_at(end_of_value(inner));
            *rest = tail;
            Pair {
                key,
                delimiter,
                value,
                suffix: "",
            }
        }
    };
    Ok(Some(pair))
}

/// Where the parenthesis closes that opened before `text`.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    for (place, letter) in text.char_indices() {
        match letter {
            '(' => depth = depth.saturating_add(1),
            ')' if depth == 0 => return Some(place),
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

/// Where the first separator outside parentheses and brackets stands.
fn end_of_value(text: &str) -> usize {
    let mut depth = 0usize;
    for (place, letter) in text.char_indices() {
        match letter {
            '(' | '[' => depth = depth.saturating_add(1),
            ')' | ']' => depth = depth.saturating_sub(1),
            _ if depth == 0 && SEPARATORS.contains(&letter) => return place,
            _ => {}
        }
    }
    text.len()
}

/// Cuts all of `text`, handing each part to `take`.
pub(crate) fn each_pair<'a>(
    at: &Position<'_>,
    text: &'a str,
    mut take: impl FnMut(Pair<'a>) -> Result<(), ParseError>,
) -> Result<(), ParseError> {
    let mut rest = text;
    while let Some(pair) = next_pair(at, &mut rest)? {
        take(pair)?;
    }
    Ok(())
}

/// A number within `0..=max`.
pub(crate) fn number<T: TryFrom<u128>>(
    at: &Position<'_>,
    text: &str,
    expected: &str,
) -> Result<T, ParseError> {
    let read = super::value::parse_number(text).and_then(|number| T::try_from(number).ok());
    read.ok_or_else(|| at.error(text, expected))
}
