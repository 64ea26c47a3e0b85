//! Transactions: operations that are carried out all or not at all, and what the server answers to
//! each.

use serde_json::{Value, json};

use crate::error::RemoteError;
use crate::message::excerpt;
use crate::operation::{Condition, Mutation, Operation, Until};
use crate::uuid::Uuid;
use crate::value::{Atom, Datum, Row, ValueError};

/// Operations on one database.
#[derive(Clone, Debug, PartialEq)]
pub struct Transaction {
    database: String,
    operations: Vec<Operation>,
    /// Rows that were given a name.
    named: usize,
}

/// A row that exists, or one that the same transaction inserts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RowReference {
    Existing(Uuid),
    /// By the name that [`Transaction::insert`] gave it.
    Inserted(String),
}

impl From<Uuid> for RowReference {
    fn from(uuid: Uuid) -> Self {
        Self::Existing(uuid)
    }
}

impl From<RowReference> for Atom {
    fn from(reference: RowReference) -> Self {
        match reference {
            RowReference::Existing(uuid) => Self::Uuid(uuid),
            RowReference::Inserted(name) => Self::Named(name),
        }
    }
}

impl From<RowReference> for Datum {
    fn from(reference: RowReference) -> Self {
        Atom::from(reference).into()
    }
}

/// What one operation gave.
#[derive(Clone, Debug, PartialEq)]
pub enum OperationResult {
    /// The UUID of the new row.
    Inserted(Uuid),
    /// Rows that were selected. Numbers without fraction are integers, whatever their column says.
    Rows(Vec<Row>),
    /// How many rows were updated, mutated or deleted.
    Count(u64),
    /// `wait`, `commit`, `comment` and `assert` give nothing.
    Done,
}

/// Why a transaction changed nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransactionError {
    #[error("the database refused operation {number} ({operation}): {error}")]
    Operation {
        /// Counted from 1.
        number: usize,
        /// Its name and table.
        operation: String,
        #[source]
        error: RemoteError,
    },
    /// Every operation went well, the whole does not.
    #[error("the database refused the transaction as a whole: {0}")]
    Commit(#[source] RemoteError),
    /// The request was no request to the server, or it does not have this database.
    #[error("the server refused the request: {0}")]
    Request(#[source] RemoteError),
    #[error("the server answered a transaction in a form that is not RFC 7047's: {0}")]
    Form(String),
}

impl TransactionError {
    /// What the server said.
    pub const fn remote(&self) -> Option<&RemoteError> {
        match self {
            Self::Operation { error, .. } | Self::Commit(error) | Self::Request(error) => {
                Some(error)
            }
            Self::Form(_) => None,
        }
    }
}

impl From<ValueError> for TransactionError {
    fn from(error: ValueError) -> Self {
        Self::Form(error.to_string())
    }
}

impl Transaction {
    pub fn new(database: &str) -> Self {
        Self {
            database: database.to_owned(),
            operations: Vec::new(),
            named: 0,
        }
    }

    /// Any operation.
    pub fn push(&mut self, operation: Operation) -> &mut Self {
        self.operations.push(operation);
        self
    }

    /// A new row, and how others of this transaction refer to it.
    pub fn insert(&mut self, table: &str, row: Row) -> RowReference {
        self.named = self.named.saturating_add(1);
        let name = format!("row{}", self.named);
        self.push(Operation::Insert {
            table: table.to_owned(),
            row,
            name: Some(name.clone()),
            uuid: None,
        });
        RowReference::Inserted(name)
    }

    /// Other values for columns of rows.
    pub fn update(&mut self, table: &str, conditions: Vec<Condition>, row: Row) -> &mut Self {
        self.push(Operation::Update {
            table: table.to_owned(),
            conditions,
            row,
        })
    }

    /// Changes of columns that depend on what they hold.
    pub fn mutate(
        &mut self,
        table: &str,
        conditions: Vec<Condition>,
        mutations: Vec<Mutation>,
    ) -> &mut Self {
        self.push(Operation::Mutate {
            table: table.to_owned(),
            conditions,
            mutations,
        })
    }

    /// Rows go.
    pub fn delete(&mut self, table: &str, conditions: Vec<Condition>) -> &mut Self {
        self.push(Operation::Delete {
            table: table.to_owned(),
            conditions,
        })
    }

    /// The transaction holds only while the row has these values; otherwise it fails at once with
    /// `timed out`. Put it before the operations that rely on what was read.
    pub fn verify(&mut self, table: &str, uuid: Uuid, row: Row) -> &mut Self {
        self.push(Operation::Wait {
            timeout: Some(0),
            table: table.to_owned(),
            conditions: vec![Condition::row(uuid)],
            columns: row.keys().cloned().collect(),
            until: Until::Equal,
            rows: vec![row],
        })
    }

    /// A line for the log of the database, which says who changed it.
    pub fn comment(&mut self, comment: &str) -> &mut Self {
        self.push(Operation::Comment(comment.to_owned()))
    }

    pub fn database(&self) -> &str {
        &self.database
    }

    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// The parameters of `transact`.
    pub fn to_params(&self) -> Value {
        let operations = self.operations.iter().map(Operation::to_json);
        Value::Array(
            std::iter::once(json!(self.database))
                .chain(operations)
                .collect(),
        )
    }

    /// Reads the server's answer: a result for each operation, or the first thing that was wrong.
    ///
    /// # Errors
    /// Nothing was changed, and why.
    pub fn read(
        &self,
        answer: Result<Value, RemoteError>,
    ) -> Result<Vec<OperationResult>, TransactionError> {
        let answer = answer.map_err(TransactionError::Request)?;
        let form = || TransactionError::Form(excerpt(&answer.to_string()));
        let results = answer.as_array().ok_or_else(form)?;
        for (place, result) in results.iter().enumerate() {
            if result.get("error").is_none_or(Value::is_null) {
                continue;
            }
            let error = RemoteError::from_json(result);
            return Err(match self.operations.get(place) {
                Some(operation) => TransactionError::Operation {
                    number: place.saturating_add(1),
                    operation: match operation.table() {
                        Some(table) => format!("{} in {table}", operation.name()),
                        None => operation.name().to_owned(),
                    },
                    error,
                },
                None => TransactionError::Commit(error),
            });
        }
        if results.len() != self.operations.len() {
            return Err(form());
        }
        self.operations
            .iter()
            .zip(results)
            .map(|(operation, result)| read_result(operation, result))
            .collect()
    }
}

fn read_result(operation: &Operation, result: &Value) -> Result<OperationResult, TransactionError> {
    let form = || TransactionError::Form(excerpt(&format!("{} gave {result}", operation.name())));
    match operation {
        Operation::Insert { .. } => match result.get("uuid").map(Atom::from_json).transpose()? {
            Some(Atom::Uuid(uuid)) => Ok(OperationResult::Inserted(uuid)),
            _ => Err(form()),
        },
        Operation::Select { .. } => {
            let rows = result
                .get("rows")
                .and_then(Value::as_array)
                .ok_or_else(form)?;
            let rows = rows.iter().map(|row| {
                let columns = row.as_object().ok_or_else(form)?;
                columns
                    .iter()
                    .map(|(column, value)| Ok((column.clone(), Datum::from_json(value)?)))
                    .collect()
            });
            Ok(OperationResult::Rows(
                rows.collect::<Result<_, TransactionError>>()?,
            ))
        }
        Operation::Update { .. } | Operation::Mutate { .. } | Operation::Delete { .. } => result
            .get("count")
            .and_then(Value::as_u64)
            .map(OperationResult::Count)
            .ok_or_else(form),
        Operation::Wait { .. }
        | Operation::Commit { .. }
        | Operation::Abort
        | Operation::Comment(_)
        | Operation::Assert { .. } => Ok(OperationResult::Done),
    }
}
