//! Values of columns: atoms, sets and maps, and their JSON (RFC 7047, 5.1). Knows nothing of
//! columns; a [`crate::schema::ColumnType`] reads what belongs to it.
//!
//! A scalar is a set of one: so has OVSDB it, and a column that becomes optional in a newer schema
//! keeps its values.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::message::excerpt;
use crate::uuid::Uuid;

/// The kinds of atoms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AtomKind {
    Integer,
    Real,
    Boolean,
    String,
    Uuid,
}

/// A finite number with a fraction; zero has one form only.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Real(f64);

impl Real {
    /// `None` for what JSON cannot say: infinities, and what is no number.
    pub fn new(number: f64) -> Option<Self> {
        // Adding zero makes -0.0 the zero that it equals.
        number.is_finite().then_some(Self(number + 0.0))
    }

    pub const fn get(self) -> f64 {
        self.0
    }
}

impl Eq for Real {}

impl Ord for Real {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Real {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// One indivisible value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Atom {
    Integer(i64),
    Real(Real),
    Boolean(bool),
    String(String),
    Uuid(Uuid),
    /// A row that the same transaction inserts under this name. Never in what a server says.
    Named(String),
}

/// What a column holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Datum {
    /// Also a scalar, as a set of one.
    Set(BTreeSet<Atom>),
    Map(BTreeMap<Atom, Atom>),
}

/// Columns by name, with their values.
pub type Row = BTreeMap<String, Datum>;

/// JSON that is no value of OVSDB, or of another kind than its column.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{found} is no {expected}")]
pub struct ValueError {
    pub(crate) expected: &'static str,
    pub(crate) found: String,
}

impl ValueError {
    pub(crate) fn new(expected: &'static str, found: &Value) -> Self {
        Self {
            expected,
            found: excerpt(&found.to_string()),
        }
    }
}

impl AtomKind {
    /// As a schema has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Integer => "integer",
            Self::Real => "real",
            Self::Boolean => "boolean",
            Self::String => "string",
            Self::Uuid => "uuid",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [
            Self::Integer,
            Self::Real,
            Self::Boolean,
            Self::String,
            Self::Uuid,
        ]
        .into_iter()
        .find(|kind| kind.as_str() == name)
    }

    /// What a scalar of this kind is when nobody has said (RFC 7047, 5.2.1).
    pub fn default_atom(self) -> Atom {
        match self {
            Self::Integer => Atom::Integer(0),
            Self::Real => Atom::Real(Real(0.0)),
            Self::Boolean => Atom::Boolean(false),
            Self::String => Atom::String(String::new()),
            Self::Uuid => Atom::Uuid(Uuid::ZERO),
        }
    }

    /// Reads an atom of this kind. A real without fraction may be written as an integer, and Open
    /// vSwitch writes it so.
    ///
    /// # Errors
    /// JSON of another kind.
    pub fn read(self, value: &Value) -> Result<Atom, ValueError> {
        let refuse = || ValueError::new(self.as_str(), value);
        match (self, Atom::from_json(value)?) {
            (Self::Real, Atom::Integer(_)) => value
                .as_f64()
                .and_then(Real::new)
                .map(Atom::Real)
                .ok_or_else(refuse),
            (Self::Uuid, atom @ Atom::Named(_)) => Ok(atom),
            (_, atom) if atom.kind() == self => Ok(atom),
            _ => Err(refuse()),
        }
    }
}

impl Atom {
    pub const fn kind(&self) -> AtomKind {
        match self {
            Self::Integer(_) => AtomKind::Integer,
            Self::Real(_) => AtomKind::Real,
            Self::Boolean(_) => AtomKind::Boolean,
            Self::String(_) => AtomKind::String,
            Self::Uuid(_) | Self::Named(_) => AtomKind::Uuid,
        }
    }

    /// Reads one without knowing its kind: a number without fraction is an integer.
    ///
    /// # Errors
    /// JSON that is no atom.
    pub fn from_json(value: &Value) -> Result<Self, ValueError> {
        let refuse = || ValueError::new("atom", value);
        match value {
            Value::Bool(boolean) => Ok(Self::Boolean(*boolean)),
            Value::String(text) => Ok(Self::String(text.clone())),
            Value::Number(number) => match number.as_i64() {
                Some(integer) => Ok(Self::Integer(integer)),
                None => number
                    .as_f64()
                    .and_then(Real::new)
                    .map(Self::Real)
                    .ok_or_else(refuse),
            },
            Value::Array(pair) => match pair.as_slice() {
                [Value::String(tag), Value::String(text)] if tag == "uuid" => text
                    .parse()
                    .map(Self::Uuid)
                    .map_err(|_| ValueError::new("uuid", value)),
                [Value::String(tag), Value::String(text)] if tag == "named-uuid" => {
                    Ok(Self::Named(text.clone()))
                }
                _ => Err(refuse()),
            },
            _ => Err(refuse()),
        }
    }

    pub fn to_json(&self) -> Value {
        match self {
            Self::Integer(integer) => json!(integer),
            Self::Real(Real(real)) => json!(real),
            Self::Boolean(boolean) => json!(boolean),
            Self::String(text) => json!(text),
            Self::Uuid(uuid) => json!(["uuid", uuid.to_string()]),
            Self::Named(name) => json!(["named-uuid", name]),
        }
    }
}

impl Datum {
    /// The empty set.
    pub const EMPTY: Self = Self::Set(BTreeSet::new());

    /// Reads one without knowing its column.
    ///
    /// # Errors
    /// JSON that is no value, or that has an element twice.
    pub fn from_json(value: &Value) -> Result<Self, ValueError> {
        match tagged(value) {
            Some(("map", elements)) => map_of(value, elements, Atom::from_json, Atom::from_json),
            Some(("set", elements)) => set_of(value, elements, Atom::from_json),
            _ => Ok(Self::Set(BTreeSet::from([Atom::from_json(value)?]))),
        }
    }

    pub fn to_json(&self) -> Value {
        match self {
            Self::Set(atoms) => match atoms.first() {
                Some(only) if atoms.len() == 1 => only.to_json(),
                _ => json!(["set", atoms.iter().map(Atom::to_json).collect::<Vec<_>>()]),
            },
            Self::Map(pairs) => {
                let pairs: Vec<Value> = pairs
                    .iter()
                    .map(|(key, value)| json!([key.to_json(), value.to_json()]))
                    .collect();
                json!(["map", pairs])
            }
        }
    }

    /// How many elements or pairs.
    pub fn len(&self) -> usize {
        match self {
            Self::Set(atoms) => atoms.len(),
            Self::Map(pairs) => pairs.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The element of a set of one.
    pub fn only(&self) -> Option<&Atom> {
        match self {
            Self::Set(atoms) if atoms.len() == 1 => atoms.first(),
            _ => None,
        }
    }
}

impl From<Atom> for Datum {
    fn from(atom: Atom) -> Self {
        Self::Set(BTreeSet::from([atom]))
    }
}

/// The tag and the elements of a set or map.
pub(crate) fn tagged(value: &Value) -> Option<(&str, &[Value])> {
    match value.as_array()?.as_slice() {
        [Value::String(tag), Value::Array(elements)] => Some((tag, elements)),
        _ => None,
    }
}

pub(crate) fn set_of(
    whole: &Value,
    elements: &[Value],
    read: impl Fn(&Value) -> Result<Atom, ValueError>,
) -> Result<Datum, ValueError> {
    let mut atoms = BTreeSet::new();
    for element in elements {
        if !atoms.insert(read(element)?) {
            return Err(ValueError::new("set of different elements", whole));
        }
    }
    Ok(Datum::Set(atoms))
}

pub(crate) fn map_of(
    whole: &Value,
    elements: &[Value],
    read_key: impl Fn(&Value) -> Result<Atom, ValueError>,
    read_value: impl Fn(&Value) -> Result<Atom, ValueError>,
) -> Result<Datum, ValueError> {
    let mut pairs = BTreeMap::new();
    for element in elements {
        let Some([key, value]) = element.as_array().map(Vec::as_slice) else {
            return Err(ValueError::new("pair of key and value", element));
        };
        if pairs.insert(read_key(key)?, read_value(value)?).is_some() {
            return Err(ValueError::new("map of different keys", whole));
        }
    }
    Ok(Datum::Map(pairs))
}
