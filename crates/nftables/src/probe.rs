//! Finding out what this kernel can do, by trying. Leaves nothing behind: every attempt is aborted.

use crate::batch::{Batch, Place};
use crate::chain::{Chain, Hook, HookPoint, Policy};
use crate::connection::Connection;
use crate::expression::Expression;
use crate::fault::CommitError;
use crate::rule::Rule;
use crate::table::{Family, Table, TableId};

/// Why it could not be found out.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// The attempt failed for a reason other than what was tried.
    #[error("cannot try what this kernel supports: {0}")]
    Commit(#[from] CommitError),
    /// The kernel lets no process make a base chain at that hook.
    #[error("cannot try what this kernel supports: it offers no chain at that hook: {0}")]
    Chain(String),
}

const CHAIN: &str = "probe";
/// Messages of the batch: table, chain, then the rules, and one that always fails.
const FIRST_RULE: usize = 2;

/// Whether the kernel accepts a rule of these expressions in a chain at that hook: see [`accepts_each`].
///
/// # Errors
/// See [`ProbeError`].
pub fn accepts(
    connection: &mut Connection,
    family: Family,
    point: HookPoint,
    priority: i32,
    expressions: &[Expression],
) -> Result<bool, ProbeError> {
    let rules = [expressions.to_vec()];
    let answers = accepts_each(connection, family, point, priority, &rules)?;
    Ok(answers.iter().all(|accepted| *accepted))
}

/// Which of several rules the kernel accepts in a chain at that hook: all are tried at once, for every attempt
/// waits until no CPU can still see what was tried. The chain exists only within a batch whose last change is
/// impossible, so no packet ever meets it. Sets that the expressions name do not exist there: a lookup is never
/// accepted. Even so the attempt may switch on what the expressions need (`ct` turns on connection tracking for a
/// moment): give it a connection from [`Connection::open_in_new_namespace`].
///
/// # Errors
/// See [`ProbeError`].
pub fn accepts_each(
    connection: &mut Connection,
    family: Family,
    point: HookPoint,
    priority: i32,
    rules: &[Vec<Expression>],
) -> Result<Vec<bool>, ProbeError> {
    let table = TableId::new(family, format!("probe-{}", std::process::id()));
    let hook = Hook::filter(point, priority, Policy::Accept);
    let mut batch = Batch::new(None);
    batch.ensure_table(&Table::new(table.clone()));
    batch.add_chain(&table, &Chain::base(CHAIN, hook));
    for expressions in rules {
        batch.add_rule(&table, &Rule::new(CHAIN, expressions.clone()), Place::Last);
    }
    batch.delete_chain(&table, "no such chain");
    match connection.commit(&batch) {
        Err(CommitError::Refused(refusals)) => {
            let refused = |place: usize| {
                refusals
                    .iter()
                    .any(|refusal| refusal.message == Some(place))
            };
            let earlier = refusals
                .iter()
                .find(|refusal| refusal.message.is_some_and(|message| message < FIRST_RULE));
            if let Some(refusal) = earlier {
                return Err(ProbeError::Chain(refusal.to_string()));
            }
            Ok((FIRST_RULE..)
                .take(rules.len())
                .map(|place| !refused(place))
                .collect())
        }
        Err(error) => Err(error.into()),
        // The impossible was done. Take back what it left.
        Ok(()) => {
            let mut cleanup = Batch::new(None);
            cleanup.delete_table(&table);
            connection.commit(&cleanup)?;
            Ok(vec![true; rules.len()])
        }
    }
}
