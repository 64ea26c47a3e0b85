//! What names may look like. Knows spelling; whether a name exists is left to `check`.

use super::values::TextError;
use super::words::{ICMP_TYPES, ICMPV6_TYPES, KEYWORDS, PROTOCOLS, look_up, names};

const MOST_CHARACTERS: usize = 128;

/// Profiles, groups, networks, policies, hosts, pools, communities, bridges: they stand in rule
/// lines, in names of chains and in comments of the switch, so they are plain words.
pub(super) fn plain(text: &str) -> Result<String, TextError> {
    let begins = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let fits = |c: char| begins(c) || matches!(c, '-' | '.' | ':' | '/' | '+');
    length(text)?;
    if let Some((at, wrong)) = text
        .char_indices()
        .find(|(at, c)| if *at == 0 { !begins(*c) } else { !fits(*c) })
    {
        let range = at..at.saturating_add(wrong.len_utf8());
        return Err(
            TextError::new(range, format!("{wrong:?} cannot stand here in a name")).expected([
                "letters, digits and `_`, after the first also `-`, `.`, `:`, `/` and `+`",
            ]),
        );
    }
    Ok(text.to_owned())
}

/// Ports and virtual machines: other programs name them, so anything printable goes.
pub(super) fn foreign(text: &str) -> Result<String, TextError> {
    length(text)?;
    if text.trim() != text || text.chars().any(char::is_control) {
        return Err(TextError::of(
            text,
            "a name without control characters and without blanks at its ends is expected",
        ));
    }
    Ok(text.to_owned())
}

/// Services stand bare in rule lines: no word of the language, no number.
pub(super) fn service(text: &str) -> Result<String, TextError> {
    let name = plain(text)?;
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return Err(TextError::of(
            text,
            "the name of a service starts with a letter",
        ));
    }
    if name.contains([':', '/']) {
        return Err(TextError::of(
            text,
            "the name of a service has no `:` and no `/`",
        ));
    }
    if is_reserved(&name) {
        return Err(
            TextError::of(text, format!("`{name}` is a word of the rule language"))
                .hint("give the service another name"),
        );
    }
    Ok(name)
}

/// Words that a rule line reads as something else than a service.
pub(crate) fn is_reserved(word: &str) -> bool {
    KEYWORDS.contains(&word)
        || look_up(PROTOCOLS, word).is_some()
        || names(ICMP_TYPES)
            .chain(names(ICMPV6_TYPES))
            .any(|name| name == word)
}

/// Variables, without the `$`.
pub(super) fn variable(text: &str) -> Result<String, TextError> {
    length(text)?;
    let begins = |c: char| c.is_ascii_alphabetic() || c == '_';
    let right = text.starts_with(begins) && text.chars().all(|c| begins(c) || c.is_ascii_digit());
    if right {
        Ok(text.to_owned())
    } else {
        Err(
            TextError::of(text, format!("`{text}` is not the name of a variable"))
                .expected(["letters, digits and `_`, the first not a digit"]),
        )
    }
}

/// Interface names: what the kernel's `dev_valid_name` takes.
pub(super) fn interface(text: &str) -> Result<String, TextError> {
    let right = !text.is_empty()
        && text.len() <= 15
        && !matches!(text, "." | "..")
        && !text
            .chars()
            .any(|c| c == '/' || c == ':' || c.is_whitespace() || c.is_control());
    if right {
        Ok(text.to_owned())
    } else {
        Err(
            TextError::of(text, format!("`{text}` is not the name of an interface"))
                .expected(["1 to 15 bytes without `/`, `:` and blanks"]),
        )
    }
}

fn length(text: &str) -> Result<(), TextError> {
    if text.is_empty() {
        return Err(TextError::of(text, "an empty name"));
    }
    if text.chars().count() > MOST_CHARACTERS {
        return Err(TextError::of(text, "the name is too long")
            .label(format!("at most {MOST_CHARACTERS} characters")));
    }
    Ok(())
}
