//! Monitors: what is asked for, and the three forms in which a server tells changes: `update`
//! (RFC 7047, 4.1.6), `update2` and `update3` (ovsdb-server(7), 4.1.14 and 4.1.17).

use serde_json::{Map, Value, json};

use crate::message::excerpt;
use crate::operation::{Condition, conditions_to_json};
use crate::typed::Table;
use crate::uuid::Uuid;

/// Rows and columns of one table that a client wants to know of.
#[derive(Clone, Debug, PartialEq)]
pub struct Watch {
    pub table: String,
    pub columns: Vec<String>,
    /// One of them is enough; none: all rows.
    pub conditions: Vec<Condition>,
}

impl Watch {
    /// All columns of a known table.
    pub fn all<T: Table>() -> Self {
        Self::columns::<T>(T::COLUMNS)
    }

    /// These columns of a known table.
    pub fn columns<T: Table>(columns: &[&str]) -> Self {
        Self {
            table: T::NAME.to_owned(),
            columns: columns.iter().map(|&column| column.to_owned()).collect(),
            conditions: Vec::new(),
        }
    }

    /// Without columns that change often and say nothing of interest, such as statistics.
    #[must_use]
    pub fn without(mut self, columns: &[&str]) -> Self {
        self.columns
            .retain(|column| !columns.contains(&column.as_str()));
        self
    }

    /// Rows only for which one of these holds.
    #[must_use]
    pub fn only(mut self, conditions: Vec<Condition>) -> Self {
        self.conditions = conditions;
        self
    }
}

/// How a monitor is asked for; older servers do not know the later ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// RFC 7047: whole rows, no conditions.
    Monitor,
    /// Since 2.6: conditions, and differences only.
    MonitorCond,
    /// Since 2.12: goes on where an earlier connection ended.
    MonitorCondSince,
}

impl Method {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Monitor => "monitor",
            Self::MonitorCond => "monitor_cond",
            Self::MonitorCondSince => "monitor_cond_since",
        }
    }

    /// What an older server may know.
    pub const fn older(self) -> Option<Self> {
        match self {
            Self::MonitorCondSince => Some(Self::MonitorCond),
            Self::MonitorCond => Some(Self::Monitor),
            Self::Monitor => None,
        }
    }

    /// The parameters of the request. `last` is the last transaction that is known.
    pub fn params(self, database: &str, monitor: &Value, watches: &[Watch], last: Uuid) -> Value {
        let mut tables = Map::new();
        for watch in watches {
            let mut request = json!({"columns": watch.columns});
            if self != Self::Monitor
                && !watch.conditions.is_empty()
                && let Value::Object(members) = &mut request
            {
                members.insert("where".to_owned(), conditions_to_json(&watch.conditions));
            }
            let requests = tables
                .entry(watch.table.clone())
                .or_insert_with(|| json!([]));
            if let Value::Array(requests) = requests {
                requests.push(request);
            }
        }
        match self {
            Self::Monitor | Self::MonitorCond => json!([database, monitor, tables]),
            Self::MonitorCondSince => json!([database, monitor, tables, last.to_string()]),
        }
    }
}

/// The parameters of `monitor_cond_change`: other conditions for tables of a monitor. The monitor
/// keeps its id.
pub fn change_params(monitor: &Value, watches: &[Watch]) -> Value {
    let mut tables = Map::new();
    for watch in watches {
        let conditions = if watch.conditions.is_empty() {
            json!([true])
        } else {
            conditions_to_json(&watch.conditions)
        };
        tables.insert(watch.table.clone(), json!([{"where": conditions}]));
    }
    json!([monitor, monitor, tables])
}

/// What has become of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum RowUpdate {
    /// It is there, with these columns; what is left out has its default.
    Present(Map<String, Value>),
    /// These columns differ, by these differences.
    Modified(Map<String, Value>),
    Gone,
}

/// One row's change.
#[derive(Clone, Debug, PartialEq)]
pub struct Update {
    pub table: String,
    pub uuid: Uuid,
    pub row: RowUpdate,
}

/// What arrived about a monitor.
#[derive(Clone, Debug, PartialEq)]
pub enum Notification {
    Updates {
        monitor: Value,
        updates: Vec<Update>,
        /// The transaction after which this holds, where the server says.
        last: Option<Uuid>,
    },
    /// The database has gone or has a new schema; the monitor is no more.
    Canceled { monitor: Value },
    /// The client has the lock now.
    Locked(String),
    /// Another client took it.
    Stolen(String),
}

/// Changes in a form that is none of the three.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server told changes in a form that is not its own: {0}")]
pub struct UpdateError(String);

fn refuse(what: &Value) -> UpdateError {
    UpdateError(excerpt(&what.to_string()))
}

impl Notification {
    /// Reads one; `None`: something else.
    ///
    /// # Errors
    /// Parameters that are not those of the method.
    pub fn read(method: &str, params: Value) -> Result<Option<Self>, UpdateError> {
        let Value::Array(params) = params else {
            return Err(refuse(&params));
        };
        let mut params = params.into_iter();
        let mut next = || params.next().unwrap_or(Value::Null);
        Ok(Some(match method {
            "update" => Self::Updates {
                monitor: next(),
                updates: read_updates(next())?,
                last: None,
            },
            "update2" => Self::Updates {
                monitor: next(),
                updates: read_updates2(next())?,
                last: None,
            },
            "update3" => {
                let monitor = next();
                let last = read_uuid(&next())?;
                Self::Updates {
                    monitor,
                    updates: read_updates2(next())?,
                    last: Some(last),
                }
            }
            "monitor_canceled" => Self::Canceled { monitor: next() },
            "locked" => Self::Locked(read_text(&next())?),
            "stolen" => Self::Stolen(read_text(&next())?),
            _ => return Ok(None),
        }))
    }
}

/// The answer to a request for a monitor.
#[derive(Clone, Debug, PartialEq)]
pub struct Initial {
    /// The server goes on from the last transaction that the client knew: these are changes.
    /// Otherwise they are everything.
    pub resumed: bool,
    pub last: Option<Uuid>,
    pub updates: Vec<Update>,
}

impl Initial {
    /// Reads the answer to `method`.
    ///
    /// # Errors
    /// JSON of another form.
    pub fn read(method: Method, answer: Value) -> Result<Self, UpdateError> {
        let whole = |updates| Self {
            resumed: false,
            last: None,
            updates,
        };
        match method {
            Method::Monitor => Ok(whole(read_updates(answer)?)),
            Method::MonitorCond => Ok(whole(read_updates2(answer)?)),
            Method::MonitorCondSince => {
                let Value::Array(parts) = answer else {
                    return Err(refuse(&answer));
                };
                let mut parts = parts.into_iter();
                match (parts.next(), parts.next(), parts.next()) {
                    (Some(Value::Bool(resumed)), Some(last), Some(updates)) => Ok(Self {
                        resumed,
                        last: Some(read_uuid(&last)?),
                        updates: read_updates2(updates)?,
                    }),
                    (first, ..) => Err(refuse(&first.unwrap_or(Value::Null))),
                }
            }
        }
    }
}

/// `<table-updates>` of RFC 7047.
fn read_updates(value: Value) -> Result<Vec<Update>, UpdateError> {
    read_rows(value, |mut change| match change.remove("new") {
        Some(Value::Object(row)) => Ok(RowUpdate::Present(row)),
        None | Some(Value::Null) if change.contains_key("old") => Ok(RowUpdate::Gone),
        _ => Err(refuse(&Value::Object(change))),
    })
}

/// `<table-updates2>`.
fn read_updates2(value: Value) -> Result<Vec<Update>, UpdateError> {
    read_rows(value, |change| match change.into_iter().next() {
        Some((kind, Value::Object(row))) if kind == "initial" || kind == "insert" => {
            Ok(RowUpdate::Present(row))
        }
        Some((kind, Value::Object(row))) if kind == "modify" => Ok(RowUpdate::Modified(row)),
        Some((kind, _)) if kind == "delete" => Ok(RowUpdate::Gone),
        Some((kind, value)) => Err(refuse(&json!({ kind: value }))),
        None => Err(refuse(&json!({}))),
    })
}

fn read_rows(
    value: Value,
    read: impl Fn(Map<String, Value>) -> Result<RowUpdate, UpdateError>,
) -> Result<Vec<Update>, UpdateError> {
    let mut updates = Vec::new();
    let Value::Object(tables) = value else {
        return Err(refuse(&value));
    };
    for (table, rows) in tables {
        let Value::Object(rows) = rows else {
            return Err(refuse(&rows));
        };
        for (uuid, change) in rows {
            let Value::Object(change) = change else {
                return Err(refuse(&change));
            };
            updates.push(Update {
                table: table.clone(),
                uuid: read_uuid(&Value::String(uuid))?,
                row: read(change)?,
            });
        }
    }
    Ok(updates)
}

fn read_uuid(value: &Value) -> Result<Uuid, UpdateError> {
    value
        .as_str()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| refuse(value))
}

fn read_text(value: &Value) -> Result<String, UpdateError> {
    value
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| refuse(value))
}
