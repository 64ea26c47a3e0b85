//! Rule lines. Knows the grammar; whether names exist is left to `check`.
//!
//! ```text
//! rule      = verdict direction [ what ] { clause }
//! verdict   = "accept" | "drop" | "reject"
//! direction = "in" | "out" | "both"
//! what      = term { "," term }
//! term      = SERVICE | protocol
//! protocol  = ( "tcp" | "udp" | "sctp" | "dccp" | "udplite" ) [ ports { "," ports } ]
//!           | ( "icmp" | "icmpv6" ) [ type { "," type } ]
//!           | "ip" | "ipv4" | "ipv6" | "igmp" | "gre" | "esp" | "ah"
//!           | "ether" | "arp" | "rarp" | "vlan" | "stp"
//!           | "protocol" 0–255                  (with ports or types if it is one of the above)
//! ports     = 1–65535 [ "-" 1–65535 ]           (after a comma: of the protocol before it)
//! type      = ( NAME | 0–255 ) [ "/" CODE ]
//! clause    = ( "from" | "to" ) peer { "," peer }         "from" with in, "to" with out, either with both
//!           | "with" FIELD [ "not" ] value { "," value }  as often as needed, all must hold
//!           | "log" [ N "/" ( "second" | "minute" | "hour" | "day" ) ]
//!           | "stateless"
//!           | "comment" QUOTED
//! peer      = "any" | ADDRESS | PREFIX | ADDRESS "-" ADDRESS
//!           | "@" GROUP | "network:" NAME | "vm:" NAME | "$" VARIABLE
//! value     = number [ "-" number ] | NAME      (numbers are decimal or 0x…; names where the field has some)
//!           | MAC [ "/" MASK ] | ADDRESS | PREFIX | ADDRESS "-" ADDRESS
//!           | flags [ "/" flags ]               (MASK/SET; alone: these are set)
//!           | "$" VARIABLE
//! flags     = "none" | "all" | FLAG { "+" FLAG }
//! ```
//! Clauses come in any order and, but for `with`, once; written lines have the order above. Words
//! end at blanks and commas; a name with such is quoted: `vm:"build server"`. Quoted texts know
//! `\"`, `\\`, `\n`, `\t`, `\r` and `\u{…}`.

pub(super) mod clauses;
mod display;
pub(super) mod fields;
mod lexer;
pub(super) mod peers;
pub(super) mod terms;

use std::ops::Range;

pub(super) use display::{write_field_value, write_icmp};
use lexer::{Kind, Token};

use super::suggest::{closest, quoted};
use super::values::TextError;
use super::words::{DIRECTIONS, KEYWORDS, PROTOCOLS, Table, VERDICTS, look_up, names};
use crate::origin::Origin;
use crate::rule::{Rule, RuleDirection, Term, Verdict};

/// What a name in a rule must be.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub(super) enum Kingdom {
    Profile,
    Group,
    Network,
    Service,
}

/// A name that must exist, and where in the text it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mention {
    pub(super) kingdom: Kingdom,
    pub(super) name: String,
    pub(super) range: Range<usize>,
}

/// A rule and the names in it.
#[derive(Clone, Debug)]
pub(super) struct ParsedRule {
    pub(super) rule: Rule,
    pub(super) mentions: Vec<Mention>,
}

/// Reads a rule line.
pub(super) fn rule(text: &str, origin: Origin) -> Result<ParsedRule, TextError> {
    let mut line = Line::new(text)?;
    let verdict: Verdict = line.word_of("a verdict", VERDICTS)?;
    let direction: RuleDirection = line.word_of("a direction", DIRECTIONS)?;
    let mut rule = Rule {
        verdict,
        direction,
        what: Vec::new(),
        peers: Vec::new(),
        with: Vec::new(),
        log: None,
        stateless: false,
        comment: None,
        origin,
    };
    if line.peek().is_some_and(|token| !clauses::begins(token)) {
        rule.what = line.what()?;
    }
    line.clauses(&mut rule)?;
    Ok(ParsedRule {
        rule,
        mentions: line.mentions,
    })
}

/// Reads exactly one service or protocol with its ports: `http`, `tcp 80, 443`.
pub(super) fn term(text: &str) -> Result<(Term, Vec<Mention>), TextError> {
    let mut line = Line::new(text)?;
    let term = line.term()?;
    match line.peek() {
        None => Ok((term, line.mentions)),
        Some(token) => {
            let error = TextError::new(token.range.clone(), format!("unexpected `{}`", token.text));
            Err(match token.kind {
                Kind::Comma => error.hint("write one service or protocol per item of the list"),
                Kind::Word | Kind::Text => error,
            })
        }
    }
}

/// Reads services and protocols up to the end of the text.
pub(super) fn terms(text: &str) -> Result<Vec<Term>, TextError> {
    let mut line = Line::new(text)?;
    let terms = line.what()?;
    match line.peek() {
        None => Ok(terms),
        Some(token) => Err(Line::unexpected(token, [","])),
    }
}

struct Line<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    at: usize,
    mentions: Vec<Mention>,
}

impl<'a> Line<'a> {
    fn new(text: &'a str) -> Result<Self, TextError> {
        Ok(Self {
            text,
            tokens: lexer::tokens(text)?,
            at: 0,
            mentions: Vec::new(),
        })
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn peek_second(&self) -> Option<&Token> {
        self.tokens.get(self.at.saturating_add(1))
    }

    fn advance(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    /// The next word; `what` says what it should be.
    fn word(&mut self, what: &str) -> Result<Token, TextError> {
        match self.peek() {
            Some(token) if token.kind == Kind::Word => {
                let token = token.clone();
                self.advance();
                Ok(token)
            }
            Some(token) => Err(
                TextError::new(token.range.clone(), format!("{what} is missing"))
                    .label(format!("expected {what}")),
            ),
            None => Err(self.ends(what)),
        }
    }

    fn ends(&self, what: &str) -> TextError {
        let end = self.text.trim_end().len();
        TextError::new(end..end, format!("{what} is missing")).label(format!("expected {what}"))
    }

    fn word_of<T: Copy>(&mut self, what: &str, table: Table<T>) -> Result<T, TextError> {
        let expected = || quoted(names(table));
        let token = self
            .word(what)
            .map_err(|error| error.expected(expected()))?;
        look_up(table, &token.text).ok_or_else(|| {
            let hint =
                closest(&token.text, names(table)).map(|name| format!("did you mean `{name}`?"));
            TextError::new(token.range, format!("`{}` is not {what}", token.text))
                .label(format!("expected {what}"))
                .expected(expected())
                .maybe_hint(hint)
        })
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = self
            .peek()
            .is_some_and(|t| t.kind == Kind::Word && t.text == word);
        if found {
            self.advance();
        }
        found
    }

    fn take_comma(&mut self) -> bool {
        let found = self.peek().is_some_and(|token| token.kind == Kind::Comma);
        if found {
            self.advance();
        }
        found
    }

    fn mention(&mut self, kingdom: Kingdom, name: &str, range: Range<usize>) {
        self.mentions.push(Mention {
            kingdom,
            name: name.to_owned(),
            range,
        });
    }

    /// An error about a token that fits nowhere; `expected` is what would have.
    fn unexpected<'w>(token: &Token, expected: impl IntoIterator<Item = &'w str>) -> TextError {
        let expected: Vec<&str> = expected.into_iter().collect();
        let known = KEYWORDS
            .iter()
            .copied()
            .chain(names(PROTOCOLS))
            .map(|word| -> &'w str { word });
        let hint = closest(&token.text, expected.iter().copied().chain(known))
            .map(|name| format!("did you mean `{name}`?"));
        TextError::new(token.range.clone(), format!("unexpected `{}`", token.text))
            .expected(quoted(expected))
            .maybe_hint(hint)
    }
}
