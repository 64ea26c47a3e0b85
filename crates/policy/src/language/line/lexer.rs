//! Words, commas and quoted texts of a rule line, with their places. Knows no grammar.

use std::ops::Range;

use crate::language::values::TextError;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    /// Without quotes and escapes.
    pub(super) text: String,
    pub(super) range: Range<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// May have a quoted part: `vm:"build server"`.
    Word,
    Comma,
    /// Quoted as a whole: `"until the audit"`.
    Text,
}

pub(super) fn tokens(line: &str) -> Result<Vec<Token>, TextError> {
    let mut tokens = Vec::new();
    let mut characters = line.char_indices().peekable();
    while let Some((start, first)) = characters.next() {
        if first.is_whitespace() {
            continue;
        }
        if first == ',' {
            tokens.push(Token {
                kind: Kind::Comma,
                text: ",".to_owned(),
                range: start..start.saturating_add(1),
            });
            continue;
        }
        let mut text = String::new();
        let kind = if first == '"' { Kind::Text } else { Kind::Word };
        let mut current = Some((start, first));
        let mut end = start;
        while let Some((at, character)) = current {
            end = at.saturating_add(character.len_utf8());
            if character == '"' {
                end = quoted(line, at, &mut characters, &mut text)?;
            } else {
                text.push(character);
            }
            let next = |c: char| !c.is_whitespace() && c != ',' && kind == Kind::Word;
            current = characters.next_if(|(_, c)| next(*c));
        }
        tokens.push(Token {
            kind,
            text,
            range: start..end,
        });
    }
    Ok(tokens)
}

/// Reads up to the closing quote; returns where it ends.
fn quoted(
    line: &str,
    open: usize,
    characters: &mut std::iter::Peekable<std::str::CharIndices<'_>>,
    text: &mut String,
) -> Result<usize, TextError> {
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Ok(at.saturating_add(1)),
            '\\' => match escape(characters) {
                Some(character) => text.push(character),
                None => {
                    return Err(TextError::new(at..at.saturating_add(1), "unknown escape")
                        .expected([r#"\""#, r"\\", r"\n", r"\t", r"\r", r"\u{…}"]));
                }
            },
            character => text.push(character),
        }
    }
    Err(TextError::new(open..line.len(), "the quote is not closed").label("opened here"))
}

fn escape(characters: &mut std::iter::Peekable<std::str::CharIndices<'_>>) -> Option<char> {
    let (_, character) = characters.next()?;
    match character {
        '"' | '\\' => Some(character),
        'n' => Some('\n'),
        't' => Some('\t'),
        'r' => Some('\r'),
        'u' => {
            characters.next_if(|(_, c)| *c == '{')?;
            let mut code = 0_u32;
            loop {
                let (_, digit) = characters.next()?;
                if digit == '}' {
                    return char::from_u32(code);
                }
                code = code.checked_mul(16)?.checked_add(digit.to_digit(16)?)?;
            }
        }
        _ => None,
    }
}

/// The text in quotes, on one line.
pub(in crate::language) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len().saturating_add(2));
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' => quoted.push_str(r#"\""#),
            '\\' => quoted.push_str(r"\\"),
            '\n' => quoted.push_str(r"\n"),
            '\t' => quoted.push_str(r"\t"),
            '\r' => quoted.push_str(r"\r"),
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                quoted.push_str(&format!("\\u{{{:x}}}", u32::from(c)));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
