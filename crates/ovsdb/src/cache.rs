//! A copy of the rows that a monitor tells of, and what has changed in it since somebody last asked.
//! Knows how differences are applied; where they come from is the session's.
//!
//! Changes add up: a row that changed a thousand times between two questions is one change, and a
//! row that is again as it was is none. A server does the same to clients that are slow, so nothing
//! may count notifications.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::monitor::{RowUpdate, Update};
use crate::schema::ColumnType;
use crate::typed::{Column, Table, Typed};
use crate::uuid::Uuid;
use crate::value::{Atom, Datum, ValueError};

/// Rows of this weight are kept at most, unless said otherwise; it is roughly bytes.
pub const MOST_WEIGHT: usize = 512 << 20;

/// The names and types of the columns of a table, in the order of names.
pub type Columns = Vec<(String, ColumnType)>;

/// Rows of tables.
#[derive(Clone, Debug)]
pub struct Cache {
    tables: BTreeMap<String, Rows>,
    weight: usize,
    most_weight: usize,
}

#[derive(Clone, Debug, Default)]
struct Rows {
    columns: Arc<Columns>,
    rows: BTreeMap<Uuid, Vec<Datum>>,
    /// What rows were when changes were last taken; `None`: not there.
    before: BTreeMap<Uuid, Option<Vec<Datum>>>,
}

/// What the server said does not fit what it said before. Everything must be asked for again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CacheError {
    #[error("the server changed row {uuid} of {table}, which it had not told of")]
    Unknown { table: String, uuid: Uuid },
    #[error(
        "the server gave row {uuid} of {table} a value that its schema does not have: {column}: {error}"
    )]
    Value {
        table: String,
        uuid: Uuid,
        column: String,
        #[source]
        error: ValueError,
    },
    #[error("the server's rows are larger than the {0} bytes that are kept at most")]
    TooLarge(usize),
}

/// A row as the cache has it.
#[derive(Clone, Copy, Debug)]
pub struct RowView<'a> {
    uuid: Uuid,
    columns: &'a Columns,
    values: &'a [Datum],
}

/// What has become of a row since changes were last taken.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    pub table: String,
    pub uuid: Uuid,
    pub kind: ChangeKind,
    before: Option<(Arc<Columns>, Vec<Datum>)>,
}

/// In which way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    Inserted,
    /// The columns that have another value now.
    Modified(Vec<String>),
    Deleted,
}

impl Default for Cache {
    fn default() -> Self {
        Self::new(MOST_WEIGHT)
    }
}

impl Cache {
    /// Keeps rows of at most this weight, which is roughly bytes.
    pub const fn new(most_weight: usize) -> Self {
        Self {
            tables: BTreeMap::new(),
            weight: 0,
            most_weight,
        }
    }

    /// From now on it has these tables and columns. What it holds of them stays.
    pub fn shape(&mut self, tables: BTreeMap<String, Columns>) {
        let mut old = std::mem::take(&mut self.tables);
        for (table, mut columns) in tables {
            columns.sort_by(|one, other| one.0.cmp(&other.0));
            let mut rows = old.remove(&table).unwrap_or_default();
            if *rows.columns != columns {
                rows.reshape(columns);
            }
            self.tables.insert(table, rows);
        }
        self.weight = self
            .tables
            .values()
            .flat_map(|table| table.rows.values())
            .map(|values| weigh(values))
            .sum();
    }

    /// Takes in changes.
    ///
    /// # Errors
    /// They do not fit what is here. Some may be applied, and everything must be asked for again.
    pub fn apply(&mut self, updates: Vec<Update>) -> Result<(), CacheError> {
        for update in updates {
            self.apply_one(update)?;
        }
        Ok(())
    }

    /// Takes in everything that there is: rows of which nothing is said are no more.
    ///
    /// # Errors
    /// As for [`Cache::apply`].
    pub fn replace(&mut self, updates: Vec<Update>) -> Result<(), CacheError> {
        let mut gone: BTreeSet<(String, Uuid)> = self
            .tables
            .iter()
            .flat_map(|(name, table)| table.rows.keys().map(|uuid| (name.clone(), *uuid)))
            .collect();
        for update in updates {
            gone.remove(&(update.table.clone(), update.uuid));
            self.apply_one(update)?;
        }
        for (table, uuid) in gone {
            self.apply_one(Update {
                table,
                uuid,
                row: RowUpdate::Gone,
            })?;
        }
        Ok(())
    }

    fn apply_one(&mut self, update: Update) -> Result<(), CacheError> {
        let Update { table, uuid, row } = update;
        // A table that was not asked for.
        let Some(rows) = self.tables.get_mut(&table) else {
            return Ok(());
        };
        let wrong = |(column, error)| CacheError::Value {
            table: table.clone(),
            uuid,
            column,
            error,
        };
        let new = match (row, rows.rows.get(&uuid)) {
            (RowUpdate::Gone, _) => None,
            (RowUpdate::Present(row), _) => Some(present(&rows.columns, &row).map_err(wrong)?),
            (RowUpdate::Modified(row), Some(old)) => {
                Some(modified(&rows.columns, old, &row).map_err(wrong)?)
            }
            (RowUpdate::Modified(_), None) => return Err(CacheError::Unknown { table, uuid }),
        };
        let added = new.as_deref().map_or(0, weigh);
        let removed = rows.set(uuid, new);
        self.weight = self.weight.saturating_sub(removed).saturating_add(added);
        if self.weight > self.most_weight {
            return Err(CacheError::TooLarge(self.most_weight));
        }
        Ok(())
    }

    /// What has changed since the last question, by table and row.
    pub fn take_changes(&mut self) -> Vec<Change> {
        let mut changes = Vec::new();
        for (name, table) in &mut self.tables {
            for (uuid, before) in std::mem::take(&mut table.before) {
                let kind = match (&before, table.rows.get(&uuid)) {
                    (None, Some(_)) => ChangeKind::Inserted,
                    (Some(_), None) => ChangeKind::Deleted,
                    (Some(before), Some(now)) if before != now => ChangeKind::Modified(
                        table
                            .columns
                            .iter()
                            .zip(before.iter().zip(now))
                            .filter(|(_, (before, now))| before != now)
                            .map(|((column, _), _)| column.clone())
                            .collect(),
                    ),
                    _ => continue,
                };
                changes.push(Change {
                    table: name.clone(),
                    uuid,
                    kind,
                    before: before.map(|values| (Arc::clone(&table.columns), values)),
                });
            }
        }
        changes
    }

    /// The tables that it has.
    pub fn tables(&self) -> impl Iterator<Item = &str> {
        self.tables.keys().map(String::as_str)
    }

    /// Whether it has this column: a server that is older may not.
    pub fn has_column(&self, table: &str, column: &str) -> bool {
        self.tables
            .get(table)
            .is_some_and(|rows| place(&rows.columns, column).is_some())
    }

    /// The rows of a table, by UUID.
    pub fn rows<'a>(&'a self, table: &str) -> impl Iterator<Item = RowView<'a>> + use<'a> {
        self.tables.get(table).into_iter().flat_map(|table| {
            table.rows.iter().map(|(uuid, values)| RowView {
                uuid: *uuid,
                columns: &table.columns,
                values,
            })
        })
    }

    /// One row.
    pub fn row(&self, table: &str, uuid: Uuid) -> Option<RowView<'_>> {
        let table = self.tables.get(table)?;
        Some(RowView {
            uuid,
            columns: &table.columns,
            values: table.rows.get(&uuid)?,
        })
    }

    /// The rows of a known table.
    pub fn all<T: Table>(&self) -> impl Iterator<Item = T> {
        self.rows(T::NAME).map(|row| T::read(&row))
    }

    /// One row of a known table.
    pub fn get<T: Table>(&self, uuid: Uuid) -> Option<T> {
        self.row(T::NAME, uuid).map(|row| T::read(&row))
    }

    /// The first row of a known table whose column has this value.
    pub fn find<T: Table, V: Typed>(&self, column: Column<V>, value: &V) -> Option<T> {
        let wanted = value.to_datum();
        self.rows(T::NAME)
            .find(|row| row.get(column.name()) == Some(&wanted))
            .map(|row| T::read(&row))
    }
}

impl Rows {
    /// Sets or removes a row, and remembers what it was. The weight of what it was.
    fn set(&mut self, uuid: Uuid, new: Option<Vec<Datum>>) -> usize {
        let here = new.is_some();
        let old = match new {
            Some(values) => self.rows.insert(uuid, values),
            None => self.rows.remove(&uuid),
        };
        let weight = old.as_deref().map_or(0, weigh);
        let before = self.before.entry(uuid).or_insert(old);
        if before.is_none() && !here {
            // It came and went unseen.
            self.before.remove(&uuid);
        }
        weight
    }

    fn reshape(&mut self, columns: Columns) {
        let places: Vec<Option<usize>> = columns
            .iter()
            .map(|(name, kind)| {
                place(&self.columns, name).filter(|place| {
                    // A value of another type is as good as none.
                    self.columns.get(*place).is_some_and(|old| old.1 == *kind)
                })
            })
            .collect();
        let move_row = |old: &Vec<Datum>| -> Vec<Datum> {
            places
                .iter()
                .zip(&columns)
                .map(|(place, (_, kind))| {
                    place
                        .and_then(|place| old.get(place).cloned())
                        .unwrap_or_else(|| kind.default_datum())
                })
                .collect()
        };
        for values in self.rows.values_mut() {
            *values = move_row(values);
        }
        for values in self.before.values_mut().flatten() {
            *values = move_row(values);
        }
        self.columns = Arc::new(columns);
    }
}

/// A row of which every column is known.
fn present(
    columns: &Columns,
    row: &Map<String, Value>,
) -> Result<Vec<Datum>, (String, ValueError)> {
    columns
        .iter()
        .map(|(name, kind)| match row.get(name) {
            Some(value) => kind.read(value).map_err(|error| (name.clone(), error)),
            None => Ok(kind.default_datum()),
        })
        .collect()
}

/// A row with differences applied.
fn modified(
    columns: &Columns,
    old: &[Datum],
    row: &Map<String, Value>,
) -> Result<Vec<Datum>, (String, ValueError)> {
    columns
        .iter()
        .zip(old)
        .map(|((name, kind), old)| match row.get(name) {
            Some(value) => {
                let difference = kind.read(value).map_err(|error| (name.clone(), error))?;
                Ok(patch(kind, old, difference))
            }
            None => Ok(old.clone()),
        })
        .collect()
}

/// A value with a difference applied, as `update2` means it: where several elements are possible,
/// what is in one only is in the result, and a key in both takes the new value, or goes if the value
/// is the same. Elsewhere the difference is the new value.
pub fn patch(kind: &ColumnType, old: &Datum, difference: Datum) -> Datum {
    if !kind.is_composite() {
        return difference;
    }
    match (old, difference) {
        (Datum::Set(old), Datum::Set(difference)) => {
            Datum::Set(old.symmetric_difference(&difference).cloned().collect())
        }
        (Datum::Map(old), Datum::Map(difference)) => {
            let mut new = old.clone();
            for (key, value) in difference {
                if new.get(&key) == Some(&value) {
                    new.remove(&key);
                } else {
                    new.insert(key, value);
                }
            }
            Datum::Map(new)
        }
        (_, difference) => difference,
    }
}

fn place(columns: &Columns, name: &str) -> Option<usize> {
    columns
        .binary_search_by(|(column, _)| column.as_str().cmp(name))
        .ok()
}

/// Roughly the bytes of a row.
fn weigh(values: &[Datum]) -> usize {
    let atom = |atom: &Atom| {
        size_of::<Atom>()
            + match atom {
                Atom::String(text) | Atom::Named(text) => text.len(),
                _ => 0,
            }
    };
    values
        .iter()
        .map(|datum| {
            size_of::<Datum>()
                + match datum {
                    Datum::Set(atoms) => atoms.iter().map(atom).sum::<usize>(),
                    Datum::Map(pairs) => pairs
                        .iter()
                        .map(|(key, value)| atom(key) + atom(value))
                        .sum(),
                }
        })
        .sum()
}

impl<'a> RowView<'a> {
    pub const fn uuid(&self) -> Uuid {
        self.uuid
    }

    /// The value of a column, if the cache has it.
    pub fn get(&self, column: &str) -> Option<&'a Datum> {
        self.values.get(place(self.columns, column)?)
    }

    /// The value of a known column; its default where the cache does not have it.
    pub fn read<T: Typed>(&self, column: Column<T>) -> T {
        self.get(column.name())
            .and_then(T::from_datum)
            .unwrap_or_default()
    }

    /// Every column with its value.
    pub fn columns(&self) -> impl Iterator<Item = (&'a str, &'a Datum)> + use<'a> {
        self.columns
            .iter()
            .map(|(name, _)| name.as_str())
            .zip(self.values)
    }
}

impl Change {
    /// The row as it was; `None` for a new one.
    pub fn before(&self) -> Option<RowView<'_>> {
        let (columns, values) = self.before.as_ref()?;
        Some(RowView {
            uuid: self.uuid,
            columns,
            values,
        })
    }

    /// The row of a known table as it was.
    pub fn old<T: Table>(&self) -> Option<T> {
        (self.table == T::NAME)
            .then(|| self.before().map(|row| T::read(&row)))
            .flatten()
    }
}
