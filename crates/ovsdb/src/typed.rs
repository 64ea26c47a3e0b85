//! Rust types for values of columns, and columns that know theirs.

use std::collections::{BTreeMap, BTreeSet};
use std::marker::PhantomData;

use crate::cache::RowView;
use crate::transaction::RowReference;
use crate::uuid::Uuid;
use crate::value::{Atom, Datum, Real, Row};

/// One atom as a Rust value.
pub trait Scalar: Ord + Sized {
    fn from_atom(atom: &Atom) -> Option<Self>;
    fn to_atom(&self) -> Atom;
}

/// What a column holds, as a Rust value. The default is what OVSDB has for a column that nobody
/// has set, or that an older server does not have.
pub trait Typed: Default {
    /// `None`: another kind.
    fn from_datum(datum: &Datum) -> Option<Self>;
    fn to_datum(&self) -> Datum;
}

macro_rules! scalars {
    ($($kind:ty = $variant:ident,)*) => {$(
        impl Scalar for $kind {
            fn from_atom(atom: &Atom) -> Option<Self> {
                match atom {
                    Atom::$variant(value) => Some(value.clone()),
                    _ => None,
                }
            }

            fn to_atom(&self) -> Atom {
                Atom::$variant(self.clone())
            }
        }

        impl Typed for $kind {
            fn from_datum(datum: &Datum) -> Option<Self> {
                datum.only().and_then(Self::from_atom)
            }

            fn to_datum(&self) -> Datum {
                self.to_atom().into()
            }
        }

        impl From<$kind> for Datum {
            fn from(value: $kind) -> Self {
                Atom::$variant(value).into()
            }
        }
    )*};
}

scalars! {
    i64 = Integer,
    Real = Real,
    bool = Boolean,
    String = String,
    Uuid = Uuid,
}

impl From<&str> for Datum {
    fn from(text: &str) -> Self {
        Atom::String(text.to_owned()).into()
    }
}

impl<T: Scalar> Typed for Option<T> {
    fn from_datum(datum: &Datum) -> Option<Self> {
        match datum {
            Datum::Set(atoms) if atoms.is_empty() => Some(None),
            _ => datum.only().and_then(T::from_atom).map(Some),
        }
    }

    fn to_datum(&self) -> Datum {
        Datum::Set(self.iter().map(T::to_atom).collect())
    }
}

impl<T: Scalar> From<Option<T>> for Datum {
    fn from(value: Option<T>) -> Self {
        value.to_datum()
    }
}

impl<T: Scalar> Typed for BTreeSet<T> {
    fn from_datum(datum: &Datum) -> Option<Self> {
        match datum {
            Datum::Set(atoms) => atoms.iter().map(T::from_atom).collect(),
            Datum::Map(_) => None,
        }
    }

    fn to_datum(&self) -> Datum {
        Datum::Set(self.iter().map(T::to_atom).collect())
    }
}

impl<T: Scalar> From<BTreeSet<T>> for Datum {
    fn from(value: BTreeSet<T>) -> Self {
        value.to_datum()
    }
}

impl<K: Scalar, V: Scalar> Typed for BTreeMap<K, V> {
    fn from_datum(datum: &Datum) -> Option<Self> {
        match datum {
            Datum::Map(pairs) => pairs
                .iter()
                .map(|(key, value)| Some((K::from_atom(key)?, V::from_atom(value)?)))
                .collect(),
            Datum::Set(_) => None,
        }
    }

    fn to_datum(&self) -> Datum {
        Datum::Map(
            self.iter()
                .map(|(key, value)| (key.to_atom(), value.to_atom()))
                .collect(),
        )
    }
}

impl<K: Scalar, V: Scalar> From<BTreeMap<K, V>> for Datum {
    fn from(value: BTreeMap<K, V>) -> Self {
        value.to_datum()
    }
}

/// References to rows, some of which the same transaction inserts.
impl FromIterator<RowReference> for Datum {
    fn from_iter<I: IntoIterator<Item = RowReference>>(references: I) -> Self {
        Self::Set(references.into_iter().map(Atom::from).collect())
    }
}

/// A column of a known table, and the type of what it holds.
#[derive(Debug)]
pub struct Column<T> {
    name: &'static str,
    kind: PhantomData<fn() -> T>,
}

impl<T> Clone for Column<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Column<T> {}

impl<T> Column<T> {
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            kind: PhantomData,
        }
    }

    pub const fn name(self) -> &'static str {
        self.name
    }
}

/// Columns that refer to rows.
pub trait References {}

impl References for Uuid {}
impl References for Option<Uuid> {}
impl References for BTreeSet<Uuid> {}

/// A row that is built column by column, with the types checked by the compiler.
pub trait RowExt: Sized {
    /// With a value of a known column.
    #[must_use]
    fn with<T: Typed>(self, column: Column<T>, value: T) -> Self;
    /// With references in a known column, also to rows that the same transaction inserts.
    #[must_use]
    fn refer<T: References>(
        self,
        column: Column<T>,
        rows: impl IntoIterator<Item = RowReference>,
    ) -> Self;
}

impl RowExt for Row {
    fn with<T: Typed>(mut self, column: Column<T>, value: T) -> Self {
        self.insert(column.name.to_owned(), value.to_datum());
        self
    }

    fn refer<T: References>(
        mut self,
        column: Column<T>,
        rows: impl IntoIterator<Item = RowReference>,
    ) -> Self {
        self.insert(column.name.to_owned(), rows.into_iter().collect());
        self
    }
}

/// A table whose rows are Rust structures.
pub trait Table: Sized {
    const NAME: &'static str;
    /// All of its columns that are known.
    const COLUMNS: &'static [&'static str];

    /// Columns that the cache does not have are as if nobody had set them.
    fn read(row: &RowView<'_>) -> Self;
}

/// Declares tables: structures, their columns as constants, and how they are read.
macro_rules! tables {
    ($($(#[$meta:meta])* $table:ident = $name:literal { $($field:ident $constant:ident $column:literal: $kind:ty,)* })*) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $table {
            /// The row's name.
            pub uuid: $crate::uuid::Uuid,
            $(
                #[doc = concat!("`", $column, "`")]
                pub $field: $kind,
            )*
        }

        impl $table {
            $(
                #[doc = concat!("`", $column, "`")]
                pub const $constant: $crate::typed::Column<$kind> = $crate::typed::Column::new($column);
            )*
        }

        impl $crate::typed::Table for $table {
            const NAME: &'static str = $name;
            const COLUMNS: &'static [&'static str] = &[$($column),*];

            fn read(row: &$crate::cache::RowView<'_>) -> Self {
                Self {
                    uuid: row.uuid(),
                    $($field: row.read(Self::$constant),)*
                }
            }
        }
    )*};
}
pub(crate) use tables;
