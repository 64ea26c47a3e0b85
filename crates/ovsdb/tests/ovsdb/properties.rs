//! What must hold for any bytes, values and changes: nothing is lost, nothing panics, and the copy is
//! what a model says.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::random::{Known, atom, contents, datum, row, schema, text, uuid};
use ovsdb::cache::{Cache, CacheError};
use ovsdb::framing::{Framer, FramingError, Limits};
use ovsdb::message::Message;
use ovsdb::monitor::{RowUpdate, Update};
use ovsdb::schema::{ColumnType, Schema};
use ovsdb::{Atom, ChangeKind, Datum, Machine, Row, Uuid};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Map, Value, json};

/// Any JSON.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_filter_map("finite", |number| {
            number.is_finite().then(|| Value::from(number))
        }),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            vec((text(), inner), 0..6).prop_map(|members| members.into_iter().collect()),
        ]
    })
}

fn object() -> impl Strategy<Value = Value> {
    vec((text(), anything()), 0..5).prop_map(|members| members.into_iter().collect())
}

/// Pieces of a text, cut at any places.
fn cut<'a>(bytes: &'a [u8], places: &[Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = places
        .iter()
        .map(|place| place.index(bytes.len() + 1))
        .collect();
    places.sort_unstable();
    let mut begin = 0;
    let mut pieces = Vec::new();
    for place in places.into_iter().chain([bytes.len()]) {
        pieces.push(&bytes[begin..place]);
        begin = place;
    }
    pieces
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn messages_come_out_whole_however_the_stream_is_cut(
        messages in vec(object(), 0..5),
        pretty in any::<bool>(),
        places in vec(any::<Index>(), 0..20),
    ) {
        let mut stream = String::new();
        for message in &messages {
            let text = if pretty { serde_json::to_string_pretty(message) } else { serde_json::to_string(message) };
            stream.push_str(&text.expect("JSON"));
            if pretty { stream.push_str("\r\n \t"); }
        }
        let mut framer = Framer::new(Limits::default());
        let mut found = Vec::new();
        for piece in cut(stream.as_bytes(), &places) {
            framer.push(piece);
            while let Some(message) = framer.next_message().expect("messages") {
                found.push(message);
            }
        }
        prop_assert_eq!(found, messages);
        prop_assert_eq!(framer.pending(), 0);
    }

    #[test]
    fn any_bytes_are_messages_or_an_error(bytes in vec(any::<u8>(), 0..200), opened in any::<bool>()) {
        let mut framer = Framer::new(Limits::default());
        if opened { framer.push(b"{\"a\":"); }
        framer.push(&bytes);
        while let Ok(Some(message)) = framer.next_message() {
            let _ = Message::from_json(message);
        }
    }

    #[test]
    fn any_object_is_taken_by_a_machine_and_a_session(objects in vec(near_message(), 0..8)) {
        let mut machine = Machine::new(Limits::default(), None, Duration::ZERO);
        let settings = ovsdb::Settings::new("Random", Vec::new());
        let mut session = ovsdb::Session::new(settings, Duration::ZERO);
        session.tick(Duration::ZERO);
        session.opened(Duration::ZERO);
        for object in objects {
            machine.receive(object.to_string().as_bytes(), Duration::ZERO);
            while let Ok(Some(_)) = machine.next_arrival() {}
            session.receive(object.to_string().as_bytes(), Duration::ZERO);
            while session.next_event().is_some() {}
        }
    }

    #[test]
    fn atoms_and_values_travel_without_loss(
        one in prop_oneof![
            atom(ovsdb::AtomKind::Integer), atom(ovsdb::AtomKind::Real), atom(ovsdb::AtomKind::Boolean),
            atom(ovsdb::AtomKind::String), atom(ovsdb::AtomKind::Uuid),
        ],
        fraction in any::<f64>(),
    ) {
        let text = one.to_json().to_string();
        let back = one.kind().read(&serde_json::from_str(&text).expect("JSON"));
        prop_assert_eq!(back.as_ref(), Ok(&one));
        if let Some(real) = ovsdb::Real::new(fraction) {
            let text = Atom::Real(real).to_json().to_string();
            let back = ovsdb::AtomKind::Real.read(&serde_json::from_str(&text).expect("JSON"));
            prop_assert_eq!(back, Ok(Atom::Real(real)));
        }
    }

    #[test]
    fn values_of_columns_travel_without_loss((kind, value) in column_value()) {
        let text = value.to_json().to_string();
        let json: Value = serde_json::from_str(&text).expect("JSON");
        prop_assert_eq!(kind.read(&json), Ok(value));
    }

    #[test]
    fn any_json_is_a_value_or_an_error(value in anything()) {
        let _ = Datum::from_json(&value);
        let _ = Schema::from_json(&value);
        let _ = ColumnType::from_json(&value);
        for method in ["update", "update2", "update3", "locked", "monitor_canceled"] {
            let _ = ovsdb::monitor::Notification::read(method, value.clone());
        }
    }

    #[test]
    fn uuids_are_read_as_they_are_written(uuid in uuid(), upper in any::<bool>(), noise in "[0-9a-fA-F-]{30,38}") {
        let text = uuid.to_string();
        prop_assert_eq!(text.len(), 36);
        let text = if upper { text.to_uppercase() } else { text };
        prop_assert_eq!(text.parse(), Ok(uuid));
        if let Ok(read) = noise.parse::<Uuid>() {
            prop_assert_eq!(read.to_string(), noise.to_lowercase());
        }
    }
}

/// Objects that look like messages, right and wrong.
fn near_message() -> impl Strategy<Value = Value> {
    let method = prop_oneof![
        Just(json!("echo")),
        Just(json!("update3")),
        Just(json!("update2")),
        Just(json!("locked")),
        Just(json!("monitor_canceled")),
        anything(),
    ];
    let id = prop_oneof![
        (0..6_u64).prop_map(Value::from),
        Just(Value::Null),
        anything()
    ];
    prop_oneof![
        (method, anything(), id.clone()).prop_map(
            |(method, params, id)| json!({"method": method, "params": [params], "id": id})
        ),
        (anything(), id.clone())
            .prop_map(|(result, id)| json!({"result": result, "error": null, "id": id})),
        (anything(), id).prop_map(|(error, id)| json!({"result": null, "error": error, "id": id})),
        Just(json!({"result": {"name": "Random", "tables": {}}, "error": null, "id": 3})),
        object(),
    ]
}

fn column_value() -> impl Strategy<Value = (ColumnType, Datum)> {
    let kinds: Vec<ColumnType> = schema().tables["Thing"]
        .columns
        .values()
        .map(|column| column.kind.clone())
        .collect();
    proptest::sample::select(kinds)
        .prop_flat_map(|kind| datum(&kind, &[]).prop_map(move |value| (kind.clone(), value)))
}

/// One step of a database: these rows have these values after it, or are gone.
type Step = Vec<(Index, Option<Row>)>;

fn steps() -> impl Strategy<Value = Vec<(Step, bool)>> {
    let row = row(&schema(), "Thing", &Known::default());
    let change = (any::<Index>(), proptest::option::weighted(0.85, row));
    vec((vec(change, 0..6), any::<bool>()), 1..12)
}

fn full(columns: &[(String, ColumnType)], row: &Row) -> Row {
    columns
        .iter()
        .map(|(name, kind)| {
            let value = row.get(name).cloned();
            (name.clone(), value.unwrap_or_else(|| kind.default_datum()))
        })
        .collect()
}

/// What `update2` says of a change, as ovsdb-server(7) has it, written apart from the code that
/// reads it.
fn difference(columns: &[(String, ColumnType)], old: &Row, new: &Row) -> Map<String, Value> {
    let mut members = Map::new();
    for (name, kind) in columns {
        let (old, new) = (&old[name], &new[name]);
        if old == new {
            continue;
        }
        let many = kind.max.is_none_or(|max| max > 1);
        let value = match (old, new) {
            (Datum::Set(old), Datum::Set(new)) if many => Datum::Set(
                old.union(new)
                    .filter(|atom| old.contains(*atom) != new.contains(*atom))
                    .cloned()
                    .collect(),
            ),
            (Datum::Map(old), Datum::Map(new)) if many => {
                let keys: BTreeSet<&Atom> = old.keys().chain(new.keys()).collect();
                Datum::Map(
                    keys.into_iter()
                        .filter(|key| old.get(*key) != new.get(*key))
                        .map(|key| {
                            let value = new.get(key).or_else(|| old.get(key));
                            (key.clone(), value.expect("in one of them").clone())
                        })
                        .collect(),
                )
            }
            _ => new.clone(),
        };
        members.insert(name.clone(), value.to_json());
    }
    members
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_copy_is_what_the_model_is(steps in steps()) {
        let columns: Vec<(String, ColumnType)> = schema().tables["Thing"]
            .columns
            .iter()
            .map(|(name, column)| (name.clone(), column.kind.clone()))
            .collect();
        let mut cache = Cache::default();
        cache.shape(BTreeMap::from([("Thing".to_owned(), columns.clone())]));
        let names: Vec<Uuid> = (0..8).map(|number| Uuid::from_bytes([number; 16])).collect();
        let mut model: BTreeMap<Uuid, Row> = BTreeMap::new();
        let mut taken = model.clone();
        for (step, everything) in steps {
            let before = model.clone();
            for (place, row) in step {
                let name = *place.get(&names);
                match row {
                    Some(row) => model.insert(name, full(&columns, &row)),
                    None => model.remove(&name),
                };
            }
            let update = |uuid: &Uuid, row| Update { table: "Thing".to_owned(), uuid: *uuid, row };
            if everything {
                let updates = model.iter().map(|(uuid, row)| {
                    // Defaults are left out, as a server does.
                    let row = columns.iter().filter(|(name, kind)| row[name] != kind.default_datum());
                    let row = row.map(|(name, _)| (name.clone(), model[uuid][name].to_json())).collect();
                    update(uuid, RowUpdate::Present(row))
                });
                cache.replace(updates.collect()).expect("rows");
            } else {
                let all: BTreeSet<&Uuid> = before.keys().chain(model.keys()).collect();
                let updates = all.into_iter().filter_map(|uuid| match (before.get(uuid), model.get(uuid)) {
                    (Some(old), Some(new)) if old == new => None,
                    (Some(old), Some(new)) => Some(update(uuid, RowUpdate::Modified(difference(&columns, old, new)))),
                    (None, Some(new)) => Some(update(uuid, RowUpdate::Present(
                        new.iter().map(|(name, value)| (name.clone(), value.to_json())).collect()))),
                    _ => Some(update(uuid, RowUpdate::Gone)),
                });
                cache.apply(updates.collect()).expect("changes");
                // Somebody asks for what has changed, sometimes after several steps.
                let changes = cache.take_changes();
                let mut told: BTreeMap<Uuid, Row> = taken.clone();
                for change in &changes {
                    let now = model.get(&change.uuid);
                    let then = taken.get(&change.uuid);
                    match &change.kind {
                        ChangeKind::Inserted => prop_assert!(then.is_none() && now.is_some()),
                        ChangeKind::Deleted => prop_assert!(then.is_some() && now.is_none()),
                        ChangeKind::Modified(columns) => {
                            let (then, now) = (then.expect("was"), now.expect("is"));
                            let differ: Vec<&String> = now.keys().filter(|name| then[*name] != now[*name]).collect();
                            prop_assert_eq!(differ, columns.iter().collect::<Vec<_>>());
                        }
                    }
                    let old: Option<Row> = change.before().map(|row| row.columns().map(|(name, value)| (name.to_owned(), value.clone())).collect());
                    prop_assert_eq!(old.as_ref(), then);
                    match now {
                        Some(now) => told.insert(change.uuid, now.clone()),
                        None => told.remove(&change.uuid),
                    };
                }
                prop_assert_eq!(&told, &model);
                taken = model.clone();
            }
            let copy: BTreeMap<Uuid, Row> = contents(&cache).into_iter().map(|((_, uuid), row)| (uuid, row)).collect();
            prop_assert_eq!(&copy, &model);
        }
    }
}

#[test]
fn a_message_asks_for_no_more_than_allowed() {
    let limits = Limits {
        bytes: 1000,
        depth: 10,
        values: 100,
    };
    let read = |text: &str| {
        let mut framer = Framer::new(limits);
        framer.push(text.as_bytes());
        framer.next_message()
    };
    let deep = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    assert!(matches!(read(&deep(9)), Ok(Some(_))));
    assert!(matches!(read(&deep(10)), Err(FramingError::TooDeep(10))));
    let many = |count: usize| format!("{{\"a\":[0{}]}}", ",0".repeat(count));
    assert!(matches!(read(&many(90)), Ok(Some(_))));
    assert!(matches!(read(&many(99)), Err(FramingError::TooMany(100))));
    let long = |length: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(length));
    assert!(matches!(read(&long(990)), Ok(Some(_))));
    assert!(matches!(read(&long(993)), Err(FramingError::TooLong(1000))));
    assert!(matches!(read("[1]"), Err(FramingError::NoObject(b'['))));
    assert!(matches!(read("{\"a\":]}"), Err(FramingError::Json(_))));
    // serde_json's own limit is beyond ours.
    let mut framer = Framer::default();
    framer.push(deep(90).as_bytes());
    assert!(framer.next_message().is_ok_and(|message| message.is_some()));
}

#[test]
fn a_copy_grows_no_further_than_allowed() {
    let mut cache = Cache::new(100_000);
    let columns = vec![(
        "text".to_owned(),
        ColumnType::scalar(ovsdb::AtomKind::String),
    )];
    cache.shape(BTreeMap::from([("Thing".to_owned(), columns)]));
    let mut result = Ok(());
    let mut rows = 0;
    while result.is_ok() && rows < 1000 {
        rows += 1;
        let row = Map::from_iter([("text".to_owned(), Value::from("x".repeat(1000)))]);
        result = cache.apply(vec![Update {
            table: "Thing".to_owned(),
            uuid: Uuid::from_bytes([
                u8::try_from(rows % 256).expect("small"),
                u8::try_from(rows / 256).expect("small"),
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
            ]),
            row: RowUpdate::Present(row),
        }]);
    }
    assert_eq!(result, Err(CacheError::TooLarge(100_000)));
    assert!((80..100).contains(&rows), "{rows}");
}
