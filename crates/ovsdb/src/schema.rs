//! Schemas: which tables and columns a database has, and which values belong to a column
//! (RFC 7047, 3.2). Constraints are the server's to check; what they mean is left to others.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::message::excerpt;
use crate::value::{Atom, AtomKind, Datum, ValueError, map_of, set_of, tagged};

/// A database.
#[derive(Clone, Debug, PartialEq)]
pub struct Schema {
    pub name: String,
    /// As in `8.3.1`.
    pub version: String,
    pub tables: BTreeMap<String, TableSchema>,
}

/// A table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TableSchema {
    pub columns: BTreeMap<String, ColumnSchema>,
    /// Rows live although nothing refers to them.
    pub is_root: bool,
    pub max_rows: Option<u64>,
    /// Groups of columns that no two rows share.
    pub indexes: Vec<Vec<String>>,
}

/// A column.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnSchema {
    pub kind: ColumnType,
    /// Lost when the server restarts.
    pub ephemeral: bool,
    /// May change after the row was inserted.
    pub mutable: bool,
}

/// Which values a column takes.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnType {
    pub key: BaseType,
    /// Of a map.
    pub value: Option<BaseType>,
    pub min: u64,
    /// `None`: any number.
    pub max: Option<u64>,
}

/// Which atoms.
#[derive(Clone, Debug, PartialEq)]
pub struct BaseType {
    pub kind: AtomKind,
    /// Only these, where it is not empty.
    pub choices: BTreeSet<Atom>,
    /// The table whose rows a UUID names.
    pub refers_to: Option<Reference>,
}

/// What a UUID names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    pub table: String,
    /// Does not keep the row alive, and goes with it.
    pub weak: bool,
}

/// JSON that is no schema.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the schema is not as RFC 7047 has it: {0}")]
pub struct SchemaError(String);

impl From<ValueError> for SchemaError {
    fn from(error: ValueError) -> Self {
        Self(error.to_string())
    }
}

impl Schema {
    /// Reads one; members that are not known are passed over.
    ///
    /// # Errors
    /// What is missing or of another form, and where.
    pub fn from_json(value: &Value) -> Result<Self, SchemaError> {
        let tables = object(value, "tables", "the database")?;
        Ok(Self {
            name: text(value, "name", "the database")?,
            version: text(value, "version", "the database").unwrap_or_default(),
            tables: tables
                .iter()
                .map(|(name, table)| Ok((name.clone(), TableSchema::from_json(name, table)?)))
                .collect::<Result<_, SchemaError>>()?,
        })
    }
}

impl TableSchema {
    fn from_json(name: &str, value: &Value) -> Result<Self, SchemaError> {
        let place = || format!("table {}", excerpt(name));
        let columns = object(value, "columns", &place())?;
        let indexes = match value.get("indexes") {
            None => Vec::new(),
            Some(indexes) => indexes
                .as_array()
                .map(|indexes| indexes.iter().map(names).collect::<Option<Vec<_>>>())
                .unwrap_or_default()
                .ok_or_else(|| SchemaError(format!("the indexes of {}", place())))?,
        };
        Ok(Self {
            columns: columns
                .iter()
                .map(|(column, value)| Ok((column.clone(), ColumnSchema::from_json(value)?)))
                .collect::<Result<_, SchemaError>>()?,
            is_root: flag(value, "isRoot", false),
            max_rows: value.get("maxRows").and_then(Value::as_u64),
            indexes,
        })
    }
}

impl ColumnSchema {
    fn from_json(value: &Value) -> Result<Self, SchemaError> {
        let kind = value.get("type").unwrap_or(&Value::Null);
        Ok(Self {
            kind: ColumnType::from_json(kind)?,
            ephemeral: flag(value, "ephemeral", false),
            mutable: flag(value, "mutable", true),
        })
    }
}

impl ColumnType {
    /// Exactly one atom of a kind.
    pub fn scalar(kind: AtomKind) -> Self {
        Self {
            key: BaseType::plain(kind),
            value: None,
            min: 1,
            max: Some(1),
        }
    }

    /// Reads one.
    ///
    /// # Errors
    /// What is no type.
    pub fn from_json(value: &Value) -> Result<Self, SchemaError> {
        if value.is_string() {
            return Ok(Self {
                key: BaseType::from_json(value)?,
                ..Self::scalar(AtomKind::Integer)
            });
        }
        let refuse = || SchemaError(format!("type {}", excerpt(&value.to_string())));
        let key = value.get("key").ok_or_else(refuse)?;
        let number = |member: &str| match value.get(member) {
            None => Ok(1),
            Some(number) => number.as_u64().ok_or_else(refuse),
        };
        Ok(Self {
            key: BaseType::from_json(key)?,
            value: value.get("value").map(BaseType::from_json).transpose()?,
            min: number("min")?,
            max: match value.get("max") {
                Some(Value::String(text)) if text == "unlimited" => None,
                _ => Some(number("max")?),
            },
        })
    }

    /// More than one element is possible. Only then does a monitor send differences; otherwise it
    /// sends the new value.
    pub fn is_composite(&self) -> bool {
        self.max != Some(1)
    }

    /// What the column holds when nobody has said: servers leave such values out of monitors.
    pub fn default_datum(&self) -> Datum {
        match &self.value {
            _ if self.min == 0 && self.value.is_none() => Datum::EMPTY,
            None => self.key.kind.default_atom().into(),
            Some(_) if self.min == 0 => Datum::Map(BTreeMap::new()),
            Some(value) => Datum::Map(BTreeMap::from([(
                self.key.kind.default_atom(),
                value.kind.default_atom(),
            )])),
        }
    }

    /// Reads a value of this column. Ranges, choices and numbers of elements are not checked: a
    /// newer server may allow more than its older self.
    ///
    /// # Errors
    /// JSON of another kind.
    pub fn read(&self, value: &Value) -> Result<Datum, ValueError> {
        let key = |element: &Value| self.key.kind.read(element);
        match (&self.value, tagged(value)) {
            (Some(of), Some(("map", elements))) => {
                map_of(value, elements, key, |element| of.kind.read(element))
            }
            (Some(_), _) => Err(ValueError::new("map", value)),
            (None, Some(("set", elements))) => set_of(value, elements, key),
            (None, _) => Ok(key(value)?.into()),
        }
    }
}

impl BaseType {
    fn plain(kind: AtomKind) -> Self {
        Self {
            kind,
            choices: BTreeSet::new(),
            refers_to: None,
        }
    }

    fn from_json(value: &Value) -> Result<Self, SchemaError> {
        let refuse = || SchemaError(format!("type {}", excerpt(&value.to_string())));
        let name = value
            .as_str()
            .or_else(|| value.get("type")?.as_str())
            .ok_or_else(refuse)?;
        let kind = AtomKind::from_name(name).ok_or_else(refuse)?;
        let choices = match value.get("enum") {
            None => BTreeSet::new(),
            Some(choices) => match ColumnType::scalar(kind).read(choices)? {
                Datum::Set(atoms) => atoms,
                Datum::Map(_) => return Err(refuse()),
            },
        };
        let refers_to = value
            .get("refTable")
            .and_then(Value::as_str)
            .map(|table| Reference {
                table: table.to_owned(),
                weak: value.get("refType").and_then(Value::as_str) == Some("weak"),
            });
        Ok(Self {
            kind,
            choices,
            refers_to,
        })
    }
}

fn names(value: &Value) -> Option<Vec<String>> {
    value
        .as_array()?
        .iter()
        .map(|name| name.as_str().map(str::to_owned))
        .collect()
}

fn object<'a>(
    value: &'a Value,
    member: &str,
    place: &str,
) -> Result<&'a serde_json::Map<String, Value>, SchemaError> {
    value
        .get(member)
        .and_then(Value::as_object)
        .ok_or_else(|| SchemaError(format!("{place} has no object '{member}'")))
}

fn text(value: &Value, member: &str, place: &str) -> Result<String, SchemaError> {
    value
        .get(member)
        .and_then(Value::as_str)
        .map(str::to_owned)
        .ok_or_else(|| SchemaError(format!("{place} has no text '{member}'")))
}

fn flag(value: &Value, member: &str, otherwise: bool) -> bool {
    value
        .get(member)
        .and_then(Value::as_bool)
        .unwrap_or(otherwise)
}
