//! Random values, rows and transactions for a schema that has every kind of column.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use ovsdb::schema::{ColumnType, Schema};
use ovsdb::{
    Atom, AtomKind, Cache, Condition, Datum, Function, Mutation, Mutator, Operation, Real, Row,
    Transaction, Uuid,
};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;
use proptest::sample::{Index, select};

pub(crate) fn schema_path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/ovsdb/random/schema.json")
}

pub(crate) fn schema() -> Schema {
    let text = std::fs::read_to_string(schema_path()).expect("the schema is there");
    Schema::from_json(&serde_json::from_str(&text).expect("JSON")).expect("a schema")
}

/// Texts with what JSON escapes, and what looks like brackets.
pub(crate) fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        "[a-z]{1,6}",
        "[{}\\[\\]\"\\\\ ,:/\u{1}-\u{1f}é€😀]{1,8}",
        vec(
            any::<char>().prop_filter("Open vSwitch takes no NUL", |c| *c != '\0'),
            0..6
        )
        .prop_map(|characters| characters.into_iter().collect()),
    ]
}

/// Fractions of 15 digits at most, which is what ovsdb-server writes.
fn fraction() -> impl Strategy<Value = Atom> {
    (any::<i32>(), select(vec![1.0, 8.0, 1000.0, 1e-9]))
        .prop_map(|(number, by)| Atom::Real(Real::new(f64::from(number) / by).expect("finite")))
}

pub(crate) fn uuid() -> impl Strategy<Value = Uuid> {
    any::<[u8; 16]>().prop_map(Uuid::from_bytes)
}

pub(crate) fn atom(kind: AtomKind) -> BoxedStrategy<Atom> {
    match kind {
        AtomKind::Integer => prop_oneof![-4_i64..4, any::<i64>()]
            .prop_map(Atom::Integer)
            .boxed(),
        AtomKind::Real => fraction().boxed(),
        AtomKind::Boolean => any::<bool>().prop_map(Atom::Boolean).boxed(),
        AtomKind::String => text().prop_map(Atom::String).boxed(),
        AtomKind::Uuid => uuid().prop_map(Atom::Uuid).boxed(),
    }
}

/// A value of a column; references are to any of these rows.
pub(crate) fn datum(kind: &ColumnType, rows: &[Uuid]) -> BoxedStrategy<Datum> {
    let most = kind
        .max
        .map_or(6, |max| usize::try_from(max).expect("small"));
    let least = usize::try_from(kind.min).expect("small");
    let key = match &kind.key.refers_to {
        Some(_) if rows.is_empty() => return Just(Datum::EMPTY).boxed(),
        Some(_) => select(rows.to_vec()).prop_map(Atom::Uuid).boxed(),
        None => atom(kind.key.kind),
    };
    match &kind.value {
        Some(value) => btree_map(key, atom(value.kind), least..=most)
            .prop_map(Datum::Map)
            .boxed(),
        None if least == 1 => key.prop_map(Datum::from).boxed(),
        None => {
            let most = most.min(rows.len().max(6));
            btree_set(key, least..=most)
                .prop_filter_map("enough", move |set| Some(Datum::Set(set)))
                .boxed()
        }
    }
}

/// What the database has, for references.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    pub(crate) things: Vec<Uuid>,
    pub(crate) parts: Vec<Uuid>,
}

impl Known {
    pub(crate) fn of(cache: &Cache) -> Self {
        let rows = |table| cache.rows(table).map(|row| row.uuid()).take(64).collect();
        Self {
            things: rows("Thing"),
            parts: rows("Part"),
        }
    }
}

fn columns(schema: &Schema, table: &str, known: &Known) -> Vec<(String, ColumnType, Vec<Uuid>)> {
    schema.tables[table]
        .columns
        .iter()
        .map(|(name, column)| {
            let rows = match &column.kind.key.refers_to {
                Some(to) if to.table == "Part" => known.parts.clone(),
                Some(_) => known.things.clone(),
                None => Vec::new(),
            };
            (name.clone(), column.kind.clone(), rows)
        })
        .collect()
}

/// Some columns of a table.
pub(crate) fn row(schema: &Schema, table: &str, known: &Known) -> BoxedStrategy<Row> {
    let columns = columns(schema, table, known);
    let count = columns.len();
    btree_set(0..count, 0..=count)
        .prop_flat_map(move |chosen| {
            let values: Vec<BoxedStrategy<(String, Datum)>> = chosen
                .into_iter()
                .map(|place| {
                    let (name, kind, rows) = columns[place].clone();
                    datum(&kind, &rows)
                        .prop_map(move |value| (name.clone(), value))
                        .boxed()
                })
                .collect();
            values.prop_map(|pairs| pairs.into_iter().collect::<Row>())
        })
        .boxed()
}

fn condition(schema: &Schema, known: &Known) -> BoxedStrategy<Vec<Condition>> {
    let columns = columns(schema, "Thing", known);
    let by_value = (any::<Index>(), any::<bool>()).prop_flat_map(move |(place, includes)| {
        let (name, kind, rows) = place.get(&columns).clone();
        let function = if includes {
            Function::Includes
        } else {
            Function::NotEqual
        };
        datum(&kind, &rows).prop_map(move |value| vec![Condition::new(&name, function, value)])
    });
    match known.things.as_slice() {
        [] => by_value.boxed(),
        things => prop_oneof![
            8 => select(things.to_vec()).prop_map(|uuid| vec![Condition::row(uuid)]),
            1 => by_value,
        ]
        .boxed(),
    }
}

fn mutation(schema: &Schema, known: &Known) -> BoxedStrategy<Mutation> {
    let columns: Vec<_> = columns(schema, "Thing", known)
        .into_iter()
        .filter(|(_, kind, _)| kind.is_composite() || kind.key.kind == AtomKind::Integer)
        .collect();
    (any::<Index>(), any::<bool>())
        .prop_flat_map(move |(place, insert)| {
            let (name, kind, rows) = place.get(&columns).clone();
            let mutator = match (kind.is_composite(), insert) {
                (true, true) => Mutator::Insert,
                (true, false) => Mutator::Delete,
                (false, true) => Mutator::Add,
                (false, false) => Mutator::Modulo,
            };
            let operand = if kind.is_composite() {
                kind
            } else {
                ColumnType::scalar(AtomKind::Integer)
            };
            datum(&operand, &rows).prop_map(move |value| Mutation::new(&name, mutator, value))
        })
        .boxed()
}

/// One to three operations; some of them fail, and then the whole does.
pub(crate) fn transaction(schema: &Schema, known: &Known) -> BoxedStrategy<Transaction> {
    let table = || "Thing".to_owned();
    let operation = prop_oneof![
        4 => row(schema, "Thing", known).prop_map(move |row| vec![Operation::Insert {
            table: table(), row, name: None, uuid: None
        }]),
        2 => (row(schema, "Thing", &Known::default()), vec(row(schema, "Part", known), 1..4)).prop_map(move |(mut row, parts)| {
            let names: BTreeSet<Atom> = (0..parts.len()).map(|number| Atom::Named(format!("part{number}"))).collect();
            row.insert("parts".to_owned(), Datum::Set(names));
            let mut operations: Vec<Operation> = parts.into_iter().enumerate().map(|(number, row)| Operation::Insert {
                table: "Part".to_owned(), row, name: Some(format!("part{number}")), uuid: None
            }).collect();
            operations.push(Operation::Insert { table: table(), row, name: None, uuid: None });
            operations
        }),
        6 => (condition(schema, known), row(schema, "Thing", known)).prop_map(move |(conditions, row)| vec![
            Operation::Update { table: table(), conditions, row }
        ]),
        6 => (condition(schema, known), vec(mutation(schema, known), 1..3)).prop_map(move |(conditions, mutations)| vec![
            Operation::Mutate { table: table(), conditions, mutations }
        ]),
        2 => select(if known.things.is_empty() { vec![Uuid::ZERO] } else { known.things.clone() }).prop_map(move |uuid| vec![
            Operation::Delete { table: table(), conditions: vec![Condition::row(uuid)] }
        ]),
        1 => text().prop_map(|comment| vec![Operation::Comment(comment)]),
    ];
    operation
        .prop_map(|operations| {
            let mut transaction = Transaction::new("Random");
            for operation in operations {
                transaction.push(operation);
            }
            transaction
        })
        .boxed()
}

/// Every row of a cache, as values by column.
pub(crate) fn contents(cache: &Cache) -> BTreeMap<(String, Uuid), Row> {
    cache
        .tables()
        .flat_map(|table| {
            cache.rows(table).map(move |row| {
                let values = row
                    .columns()
                    .map(|(name, value)| (name.to_owned(), value.clone()))
                    .collect();
                ((table.to_owned(), row.uuid()), values)
            })
        })
        .collect()
}
