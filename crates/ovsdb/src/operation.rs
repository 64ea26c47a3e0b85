//! The operations of a transaction (RFC 7047, 5.2), as values that write themselves.

use serde_json::{Value, json};

use crate::typed::{Column, Typed};
use crate::uuid::Uuid;
use crate::value::{Atom, Datum, Row};

/// How a condition compares a column with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    Less,
    LessOrEqual,
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    /// Every element of the value is in the column.
    Includes,
    /// No element of the value is in the column.
    Excludes,
}

impl Function {
    pub const ALL: [Self; 8] = [
        Self::Less,
        Self::LessOrEqual,
        Self::Equal,
        Self::NotEqual,
        Self::Greater,
        Self::GreaterOrEqual,
        Self::Includes,
        Self::Excludes,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Includes => "includes",
            Self::Excludes => "excludes",
        }
    }
}

/// Which rows an operation or a monitor is about. All conditions of a list must hold; monitors
/// differ: there one is enough.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    Column {
        column: String,
        function: Function,
        value: Datum,
    },
    /// Always, or never. For monitors only.
    Constant(bool),
}

impl Condition {
    /// The row of that name.
    pub fn row(uuid: Uuid) -> Self {
        Self::new("_uuid", Function::Equal, Atom::Uuid(uuid).into())
    }

    /// By the name of a column.
    pub fn new(column: &str, function: Function, value: Datum) -> Self {
        Self::Column {
            column: column.to_owned(),
            function,
            value,
        }
    }

    /// A column of a known table.
    pub fn on<T: Typed>(column: Column<T>, function: Function, value: &T) -> Self {
        Self::new(column.name(), function, value.to_datum())
    }

    /// The column has exactly this value.
    pub fn equal<T: Typed>(column: Column<T>, value: &T) -> Self {
        Self::on(column, Function::Equal, value)
    }

    pub fn to_json(&self) -> Value {
        match self {
            Self::Column {
                column,
                function,
                value,
            } => json!([column, function.as_str(), value.to_json()]),
            Self::Constant(constant) => json!(constant),
        }
    }
}

/// How a mutation changes a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    /// Elements or pairs are added; pairs whose key is there are left alone.
    Insert,
    /// Elements, pairs or keys are taken out.
    Delete,
}

impl Mutator {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Add => "+=",
            Self::Subtract => "-=",
            Self::Multiply => "*=",
            Self::Divide => "/=",
            Self::Modulo => "%=",
            Self::Insert => "insert",
            Self::Delete => "delete",
        }
    }
}

/// One change of one column.
#[derive(Clone, Debug, PartialEq)]
pub struct Mutation {
    pub column: String,
    pub mutator: Mutator,
    pub value: Datum,
}

impl Mutation {
    pub fn new(column: &str, mutator: Mutator, value: Datum) -> Self {
        Self {
            column: column.to_owned(),
            mutator,
            value,
        }
    }

    /// A column of a known table; the value may be a set of keys for [`Mutator::Delete`].
    pub fn on<T: Typed>(column: Column<T>, mutator: Mutator, value: impl Into<Datum>) -> Self {
        Self::new(column.name(), mutator, value.into())
    }
}

/// Which rows, of those that hold what the conditions say, `wait` waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// They are these rows.
    Equal,
    /// They are not.
    NotEqual,
}

/// One operation.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    Insert {
        table: String,
        row: Row,
        /// The name under which other operations of the transaction refer to the row.
        name: Option<String>,
        /// The UUID that the row is to have; servers since 3.1 take it.
        uuid: Option<Uuid>,
    },
    Select {
        table: String,
        conditions: Vec<Condition>,
        /// `None`: all.
        columns: Option<Vec<String>>,
    },
    Update {
        table: String,
        conditions: Vec<Condition>,
        row: Row,
    },
    Mutate {
        table: String,
        conditions: Vec<Condition>,
        mutations: Vec<Mutation>,
    },
    Delete {
        table: String,
        conditions: Vec<Condition>,
    },
    Wait {
        /// Milliseconds; 0: now or never; `None`: as long as it takes.
        timeout: Option<u64>,
        table: String,
        conditions: Vec<Condition>,
        columns: Vec<String>,
        until: Until,
        rows: Vec<Row>,
    },
    Commit {
        /// Answered only when it is on the disk.
        durable: bool,
    },
    /// Everything is undone, and the result is an error: for trying.
    Abort,
    /// For the log of the database.
    Comment(String),
    /// The transaction fails unless the client has this lock.
    Assert { lock: String },
}

impl Operation {
    /// As it is on the wire, and in messages about it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Insert { .. } => "insert",
            Self::Select { .. } => "select",
            Self::Update { .. } => "update",
            Self::Mutate { .. } => "mutate",
            Self::Delete { .. } => "delete",
            Self::Wait { .. } => "wait",
            Self::Commit { .. } => "commit",
            Self::Abort => "abort",
            Self::Comment(_) => "comment",
            Self::Assert { .. } => "assert",
        }
    }

    /// The table that it is about.
    pub fn table(&self) -> Option<&str> {
        match self {
            Self::Insert { table, .. }
            | Self::Select { table, .. }
            | Self::Update { table, .. }
            | Self::Mutate { table, .. }
            | Self::Delete { table, .. }
            | Self::Wait { table, .. } => Some(table),
            Self::Commit { .. } | Self::Abort | Self::Comment(_) | Self::Assert { .. } => None,
        }
    }

    pub fn to_json(&self) -> Value {
        let op = self.name();
        match self {
            Self::Insert {
                table,
                row,
                name,
                uuid,
            } => {
                let mut insert = json!({"op": op, "table": table, "row": row_to_json(row)});
                if let Value::Object(members) = &mut insert {
                    if let Some(name) = name {
                        members.insert("uuid-name".to_owned(), json!(name));
                    }
                    if let Some(uuid) = uuid {
                        members.insert("uuid".to_owned(), json!(uuid.to_string()));
                    }
                }
                insert
            }
            Self::Select {
                table,
                conditions,
                columns: None,
            } => json!({"op": op, "table": table, "where": conditions_to_json(conditions)}),
            Self::Select {
                table,
                conditions,
                columns: Some(columns),
            } => {
                json!({"op": op, "table": table, "where": conditions_to_json(conditions), "columns": columns})
            }
            Self::Update {
                table,
                conditions,
                row,
            } => {
                json!({"op": op, "table": table, "where": conditions_to_json(conditions), "row": row_to_json(row)})
            }
            Self::Mutate {
                table,
                conditions,
                mutations,
            } => {
                let mutations: Vec<Value> = mutations
                    .iter()
                    .map(
                        |Mutation {
                             column,
                             mutator,
                             value,
                         }| {
                            json!([column, mutator.as_str(), value.to_json()])
                        },
                    )
                    .collect();
                json!({
                    "op": op, "table": table, "where": conditions_to_json(conditions), "mutations": mutations
                })
            }
            Self::Delete { table, conditions } => {
                json!({"op": op, "table": table, "where": conditions_to_json(conditions)})
            }
            Self::Wait {
                timeout,
                table,
                conditions,
                columns,
                until,
                rows,
            } => {
                let until = match until {
                    Until::Equal => "==",
                    Until::NotEqual => "!=",
                };
                let rows: Vec<Value> = rows.iter().map(row_to_json).collect();
                let mut wait = json!({
                    "op": op, "table": table, "where": conditions_to_json(conditions), "columns": columns,
                    "until": until, "rows": rows
                });
                if let (Value::Object(members), Some(timeout)) = (&mut wait, timeout) {
                    members.insert("timeout".to_owned(), json!(timeout));
                }
                wait
            }
            Self::Commit { durable } => json!({"op": op, "durable": durable}),
            Self::Abort => json!({"op": op}),
            Self::Comment(comment) => json!({"op": op, "comment": comment}),
            Self::Assert { lock } => json!({"op": op, "lock": lock}),
        }
    }
}

/// A row's JSON.
pub fn row_to_json(row: &Row) -> Value {
    Value::Object(
        row.iter()
            .map(|(column, datum)| (column.clone(), datum.to_json()))
            .collect(),
    )
}

/// The JSON of what must all hold.
pub fn conditions_to_json(conditions: &[Condition]) -> Value {
    conditions.iter().map(Condition::to_json).collect()
}
