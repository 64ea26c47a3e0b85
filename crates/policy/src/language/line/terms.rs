//! What a rule is about: services, protocols, ports and ICMP types.

use super::lexer::{Kind, Token};
use super::{Kingdom, Line};
use crate::language::names;
use crate::language::suggest::closest;
use crate::language::values::{self, TextError};
use crate::language::words::{self, ICMP_TYPES, ICMPV6_TYPES, PROTOCOLS, Table, look_up};
use crate::rule::{IcmpMatch, PortRange, Protocol, Term};

impl Line<'_> {
    /// `TERM, …`
    pub(super) fn what(&mut self) -> Result<Vec<Term>, TextError> {
        let mut terms = vec![self.term()?];
        while self.take_comma() {
            terms.push(self.term()?);
        }
        Ok(terms)
    }

    pub(super) fn term(&mut self) -> Result<Term, TextError> {
        let token = self.word("a service or a protocol")?;
        if let Some(protocol) = look_up(PROTOCOLS, &token.text) {
            return self.protocol_items(protocol);
        }
        if token.text == "protocol" {
            let number = self.word("a protocol number")?;
            let value =
                values::number(&number.text, 255).map_err(|e| e.shift(number.range.start))?;
            return self.protocol_items(Protocol::Number(u8::try_from(value).unwrap_or(255)));
        }
        let name = service_name(&token)?;
        self.mention(Kingdom::Service, &name, token.range);
        Ok(Term::Service(name))
    }

    /// What follows a protocol: ports, ICMP types or nothing.
    fn protocol_items(&mut self, protocol: Protocol) -> Result<Term, TextError> {
        let mut ports = Vec::new();
        let mut icmp = Vec::new();
        if protocol.has_ports() {
            ports = self.items(begins_with_digit, port_item)?;
        } else if let Some(types) = icmp_types(protocol) {
            icmp = self.items(
                |token| is_icmp_item(types, &token.text),
                |token| icmp_match(protocol, &token.text).map_err(|e| e.shift(token.range.start)),
            )?;
            if let Some(token) = self.peek()
                && token.kind == Kind::Word
                && !super::clauses::begins(token)
            {
                return Err(unknown_icmp_type(types, token));
            }
        }
        if let Some(token) = self.peek()
            && token.kind == Kind::Word
            && begins_with_digit(token)
        {
            return Err(stray_number(protocol, token));
        }
        Ok(Term::Protocol {
            protocol,
            ports,
            icmp,
        })
    }

    /// Items right after the protocol, and after commas as long as they look like items.
    fn items<T>(
        &mut self,
        fits: impl Fn(&Token) -> bool,
        read: impl Fn(&Token) -> Result<T, TextError>,
    ) -> Result<Vec<T>, TextError> {
        let mut items = Vec::new();
        let word = |token: &&Token| token.kind == Kind::Word && fits(token);
        let Some(token) = self.peek().filter(word) else {
            return Ok(items);
        };
        items.push(read(token)?);
        self.advance();
        while self.peek().is_some_and(|token| token.kind == Kind::Comma)
            && let Some(token) = self.peek_second().filter(word)
        {
            items.push(read(token)?);
            self.advance();
            self.advance();
        }
        Ok(items)
    }
}

fn begins_with_digit(token: &Token) -> bool {
    token.text.starts_with(|c: char| c.is_ascii_digit())
}

fn port_item(token: &Token) -> Result<PortRange, TextError> {
    values::ports(&token.text).map_err(|e| e.shift(token.range.start))
}

fn stray_number(protocol: Protocol, token: &Token) -> TextError {
    let error = TextError::new(token.range.clone(), format!("unexpected `{}`", token.text));
    if protocol.has_ports() {
        error.hint("a comma goes between ports")
    } else {
        error.label("this protocol has no ports")
    }
}

fn unknown_icmp_type(types: Table<u8>, token: &Token) -> TextError {
    let word = token.text.split('/').next().unwrap_or("");
    let known = words::names(types).chain(super::clauses::WORDS.iter().copied());
    let hint = closest(word, known).map(|name| format!("did you mean `{name}`?"));
    TextError::new(
        token.range.clone(),
        format!("`{}` is not an ICMP type", token.text),
    )
    .expected(["TYPE or TYPE/CODE, by number or name: `echo-request`, `3/4`"])
    .maybe_hint(hint)
}

fn service_name(token: &Token) -> Result<String, TextError> {
    let text = &token.text;
    if begins_with_digit(token) {
        return Err(
            TextError::new(token.range.clone(), format!("`{text}` without a protocol"))
                .label("ports belong to a protocol")
                .hint(format!("write `tcp {text}` or `udp {text}`")),
        );
    }
    if names::is_reserved(text) {
        return Err(
            TextError::new(token.range.clone(), format!("unexpected `{text}`"))
                .label("expected a service or a protocol"),
        );
    }
    let lower = text.to_lowercase();
    if look_up(PROTOCOLS, &lower).is_some() && lower != *text {
        return Err(
            TextError::new(token.range.clone(), format!("`{text}` is not a protocol"))
                .hint(format!("words are written small: `{lower}`")),
        );
    }
    names::service(text).map_err(|mut error| {
        error.range = token.range.clone();
        error.message = format!("`{text}` is neither a service nor a protocol");
        error
    })
}

/// The names of the types of a protocol that has such.
pub(in crate::language) fn icmp_types(protocol: Protocol) -> Option<Table<u8>> {
    match protocol {
        Protocol::ICMP => Some(ICMP_TYPES),
        Protocol::ICMPV6 => Some(ICMPV6_TYPES),
        _ => None,
    }
}

fn is_icmp_item(types: Table<u8>, text: &str) -> bool {
    let kind = text.split('/').next().unwrap_or("");
    text.starts_with(|c: char| c.is_ascii_digit()) || look_up(types, kind).is_some()
}

/// `echo-request`, `3/4`, `destination-unreachable/4`
pub(in crate::language) fn icmp_match(
    protocol: Protocol,
    text: &str,
) -> Result<IcmpMatch, TextError> {
    let types = icmp_types(protocol).unwrap_or(ICMP_TYPES);
    let (kind_text, code_text) = match text.split_once('/') {
        Some((kind, code)) => (kind, Some(code)),
        None => (text, None),
    };
    let octet = |text: &str, base: usize| {
        let value = values::number(text, 255).map_err(|e| e.shift(base))?;
        Ok(u8::try_from(value).unwrap_or(u8::MAX))
    };
    let kind = match look_up(types, kind_text) {
        Some(kind) => kind,
        None if kind_text.starts_with(|c: char| c.is_ascii_digit()) => octet(kind_text, 0)?,
        None => {
            let hint = closest(kind_text, words::names(types));
            return Err(TextError::new(
                0..kind_text.len(),
                format!("`{kind_text}` is not an ICMP type"),
            )
            .maybe_hint(hint.map(|name| format!("did you mean `{name}`?"))));
        }
    };
    let code = code_text
        .map(|text| octet(text, kind_text.len().saturating_add(1)))
        .transpose()?;
    Ok(IcmpMatch { kind, code })
}
