//! Rules as plain data, and how the kernel reads and reports them.

use crate::expression::{Expression, read_expressions, write_expressions};
use crate::table::{Installed, read_userdata, write_userdata};
use crate::userdata::UserData;
use crate::wire::{Writer, known_fields, read_name, read_u64};

/// A rule. Its place among its chain's rules is given by the operation that adds it, and by the order of a dump.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rule {
    /// The chain it is in.
    pub chain: String,
    /// What it does, in order; at most 128.
    pub expressions: Vec<Expression>,
    /// Comment.
    pub userdata: UserData,
}

impl Rule {
    /// A rule without a comment.
    #[must_use]
    pub fn new(chain: impl Into<String>, expressions: Vec<Expression>) -> Self {
        Self {
            chain: chain.into(),
            expressions,
            userdata: UserData::none(),
        }
    }

    /// The same rule with a comment: see [`UserData::comment`].
    #[must_use]
    pub fn with_comment(mut self, comment: &str) -> Self {
        self.userdata = UserData::comment(comment);
        self
    }

    /// The same rule without what traffic changed: see [`Expression::without_state`].
    #[must_use]
    pub fn without_state(&self) -> Self {
        let mut rule = self.clone();
        rule.expressions
            .iter_mut()
            .for_each(Expression::clear_state);
        rule
    }
}

pub(crate) const RULE_TABLE: u16 = 1;
pub(crate) const RULE_CHAIN: u16 = 2;
pub(crate) const RULE_HANDLE: u16 = 3;
const RULE_EXPRESSIONS: u16 = 4;
pub(crate) const RULE_POSITION: u16 = 6;
const RULE_USERDATA: u16 = 7;

impl Rule {
    pub(crate) fn write(&self, writer: &mut Writer, table: &str) {
        writer.string(RULE_TABLE, table);
        writer.string(RULE_CHAIN, &self.chain);
        write_expressions(writer, RULE_EXPRESSIONS, &self.expressions);
        write_userdata(writer, RULE_USERDATA, &self.userdata);
    }

    /// Table name and rule of a NEWRULE or DELRULE message.
    pub(crate) fn read(bytes: &[u8]) -> Option<(String, Installed<Self>)> {
        let [_, table, chain, handle, expressions, _, _, userdata] = known_fields::<8>(bytes)?;
        let rule = Self {
            chain: read_name(chain?),
            expressions: read_expressions(expressions.unwrap_or_default())?,
            userdata: read_userdata(userdata),
        };
        Some((
            read_name(table?),
            Installed {
                handle: handle.map_or(Some(0), read_u64)?,
                value: rule,
            },
        ))
    }
}
