//! What follows the subject of a rule: peers, conditions and options, in any order, the options
//! once each.

use super::fields::{field, field_value};
use super::lexer::{Kind, Token};
use super::peers;
use super::{Line, TextError};
use crate::language::suggest::did_you_mean;
use crate::language::values;
use crate::language::words::{RATE_UNITS, look_up, names};
use crate::rule::{FieldMatch, LogRate, Rule, RuleDirection};

/// Words that begin a clause.
pub(super) const WORDS: &[&str] = &["from", "to", "with", "log", "stateless", "comment"];

pub(super) fn begins(token: &Token) -> bool {
    token.kind == Kind::Word && WORDS.contains(&token.text.as_str())
}

impl Line<'_> {
    pub(super) fn clauses(&mut self, rule: &mut Rule) -> Result<(), TextError> {
        while let Some(token) = self.peek().cloned() {
            let word = if token.kind == Kind::Word {
                token.text.as_str()
            } else {
                ""
            };
            let again = match word {
                "from" | "to" => !rule.peers.is_empty(),
                "log" => rule.log.is_some(),
                "stateless" => rule.stateless,
                "comment" => rule.comment.is_some(),
                "with" => false,
                _ => return Err(self.out_of_place(&token, rule.direction)),
            };
            if again {
                return Err(
                    TextError::new(token.range, format!("`{word}` for the second time")).hint(
                        if matches!(word, "from" | "to") {
                            "commas go between peers"
                        } else {
                            "leave it out"
                        },
                    ),
                );
            }
            self.advance();
            match word {
                "from" | "to" => {
                    check_sense(&token, rule.direction)?;
                    rule.peers = self.list("a peer", Self::peer)?;
                }
                "log" => rule.log = Some(self.log_rate()?),
                "stateless" => rule.stateless = true,
                "comment" => rule.comment = Some(self.comment()?),
                _ => rule.with.push(self.field_match()?),
            }
        }
        Ok(())
    }

    fn out_of_place(&self, token: &Token, direction: RuleDirection) -> TextError {
        let peers: &[&str] = match direction {
            RuleDirection::In => &["from"],
            RuleDirection::Out => &["to"],
            RuleDirection::Both => &["from", "to"],
        };
        let rest = WORDS.iter().filter(|word| !matches!(**word, "from" | "to"));
        Self::unexpected(token, [","].iter().chain(peers).chain(rest).copied())
    }

    fn list<T>(
        &mut self,
        what: &str,
        read: impl Fn(&mut Self, Token) -> Result<T, TextError>,
    ) -> Result<Vec<T>, TextError> {
        let mut items = Vec::new();
        loop {
            let token = self.word(what)?;
            items.push(read(self, token)?);
            if !self.take_comma() {
                return Ok(items);
            }
        }
    }

    fn peer(&mut self, token: Token) -> Result<crate::rule::Peer, TextError> {
        let peer = peers::peer(&token.text).map_err(|e| in_token(e, &token))?;
        if let Some((kingdom, name)) = peers::requires(&peer) {
            let sigil = token.text.len().saturating_sub(name.len());
            let start = token.range.start.saturating_add(sigil).min(token.range.end);
            self.mention(kingdom, name, start..token.range.end);
        }
        Ok(peer)
    }

    fn field_match(&mut self) -> Result<FieldMatch, TextError> {
        let name = self.word("a field")?;
        let field = field(&name.text).map_err(|e| in_token(e, &name))?;
        let negated = self.take_word("not");
        let values = self.list("a value", |_, token| {
            field_value(field, &token.text).map_err(|e| in_token(e, &token))
        })?;
        Ok(FieldMatch {
            field,
            negated,
            values,
        })
    }

    fn log_rate(&mut self) -> Result<LogRate, TextError> {
        let numeric =
            |t: &&Token| t.kind == Kind::Word && t.text.starts_with(|c: char| c.is_ascii_digit());
        let Some(token) = self.peek().filter(numeric).cloned() else {
            return Ok(LogRate::default());
        };
        self.advance();
        log_rate(&token.text).map_err(|e| in_token(e, &token))
    }

    fn comment(&mut self) -> Result<String, TextError> {
        match self.peek() {
            Some(token) if token.kind == Kind::Text => {
                let text = token.text.clone();
                self.advance();
                Ok(text)
            }
            Some(token) => Err(
                TextError::new(token.range.clone(), "a comment stands in quotes")
                    .hint(format!("write comment \"{}\"", token.text)),
            ),
            None => Err(self.ends("a text in quotes")),
        }
    }
}

/// Errors within a word with quotes in it point at all of it: places would not fit.
fn in_token(error: TextError, token: &Token) -> TextError {
    let start = token.range.start;
    if token.range.len() == token.text.len() {
        return error.shift(start);
    }
    TextError {
        range: token.range.clone(),
        ..error
    }
}

fn check_sense(token: &Token, direction: RuleDirection) -> Result<(), TextError> {
    let (right, way) = match direction {
        RuleDirection::In => ("from", "towards the VM (`in`)"),
        RuleDirection::Out => ("to", "from the VM (`out`)"),
        RuleDirection::Both => return Ok(()),
    };
    if token.text == right {
        return Ok(());
    }
    Err(TextError::new(
        token.range.clone(),
        format!("`{}` in a rule for frames {way}", token.text),
    )
    .label("the VM itself is this side")
    .hint(format!("write `{right}` for the other side")))
}

/// `10/second`
pub(in crate::language) fn log_rate(text: &str) -> Result<LogRate, TextError> {
    let wrong = || {
        TextError::of(text, format!("`{text}` is not a rate of reports"))
            .expected(["N/second", "N/minute", "N/hour", "N/day"])
    };
    let (count_text, unit) = text.split_once('/').ok_or_else(wrong)?;
    let count = values::number(count_text, u64::from(u32::MAX))?;
    let per = look_up(RATE_UNITS, unit)
        .ok_or_else(|| wrong().maybe_hint(did_you_mean(unit, names(RATE_UNITS))))?;
    if count == 0 {
        return Err(TextError::of(text, "a rate of nothing").hint("leave `log` out"));
    }
    Ok(LogRate {
        count: u32::try_from(count).unwrap_or(u32::MAX),
        per,
    })
}
