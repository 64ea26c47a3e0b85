//! What the installed Open vSwitch says, as values to compare with.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use channel::Target;
use ovsdb::schema::Schema;
use ovsdb::session::{Outcome, Retry};
use ovsdb::{
    Atom, Client, Datum, Event, Operation, Row, RowView, Settings, Ticket, Transaction, Uuid, Watch,
};
use serde_json::Value;
use testbed::ovsdb_server::OvsdbServer;

use crate::random::contents;

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// All rows and columns.
pub(crate) fn everything(schema: &Schema) -> Vec<Watch> {
    schema
        .tables
        .iter()
        .map(|(table, definition)| Watch {
            table: table.clone(),
            columns: definition.columns.keys().cloned().collect(),
            conditions: Vec::new(),
        })
        .collect()
}

/// A client that runs.
pub(crate) fn connect(server: &OvsdbServer, watches: Vec<Watch>, database: &str) -> Client {
    let mut settings = Settings::new(database, watches);
    settings.backoff = (Duration::from_millis(5), Duration::from_millis(50));
    let mut client = Client::new(Target::Unix(server.socket()), None, settings);
    run(&mut client);
    client
}

/// Waits until it runs.
pub(crate) fn run(client: &mut Client) {
    client
        .wait_for(PATIENCE, |_, event| {
            matches!(event, Event::Running { .. }).then_some(())
        })
        .expect("the server is connected to");
}

/// Everything that was told before now has arrived: an answer comes after it.
pub(crate) fn catch_up(client: &mut Client) {
    let now = client.now();
    let database = client.session().schema().expect("connected").name.clone();
    let empty = Transaction::new(&database);
    let ticket = client
        .session()
        .transact(
            empty,
            Retry {
                resend: true,
                within: None,
                ..Retry::default()
            },
            now,
        )
        .expect("few wait");
    let outcome = client.outcome(ticket, PATIENCE);
    assert_eq!(outcome, Some(Outcome::Done(Vec::new())));
}

/// Turns all of them until their transactions are done.
pub(crate) fn finish_all(clients: &mut [Client], mut waiting: Vec<BTreeSet<Ticket>>) {
    while waiting.iter().any(|tickets| !tickets.is_empty()) {
        for (client, tickets) in clients.iter_mut().zip(&mut waiting) {
            client.wait_for(Duration::from_millis(1), |_, event| {
                if let Event::Transaction { ticket, outcome } = event {
                    assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
                    tickets.remove(ticket);
                }
                None::<()>
            });
        }
    }
}

/// The database as `ovsdb-client dump` shows it.
pub(crate) fn dump(server: &OvsdbServer, schema: &Schema) -> BTreeMap<(String, Uuid), Row> {
    let mut rows = BTreeMap::new();
    for (table, definition) in &schema.tables {
        let text = server
            .client("dump", &["--format=json", &schema.name, table])
            .expect("ovsdb-client dumps");
        let dumped: Value = serde_json::from_str(&text).expect("JSON");
        let headings = dumped["headings"].as_array().expect("headings");
        for values in dumped["data"].as_array().expect("data") {
            let values = values.as_array().expect("values");
            let mut row = Row::new();
            let mut uuid = None;
            for (heading, value) in headings.iter().zip(values) {
                let heading = heading.as_str().expect("text");
                if heading == "_uuid" {
                    uuid = Some(Atom::from_json(value).expect("a UUID"));
                } else {
                    let kind = &definition.columns[heading].kind;
                    row.insert(heading.to_owned(), kind.read(value).expect("a value"));
                }
            }
            let Some(Atom::Uuid(uuid)) = uuid else {
                panic!("a row without a name: {values:?}");
            };
            rows.insert((table.clone(), uuid), row);
        }
    }
    rows
}

/// The copy becomes equal to what was dumped.
pub(crate) fn settle(client: &mut Client, wanted: &BTreeMap<(String, Uuid), Row>) {
    catch_up(client);
    let found = contents(client.cache());
    for (row, values) in wanted {
        assert_eq!(found.get(row), Some(values), "{row:?}");
    }
    assert_eq!(found.len(), wanted.len());
}

/// The same operation with names of its own, so that many fit into one transaction.
pub(crate) fn renumber(operation: &Operation, number: usize) -> Operation {
    let rename = |name: &str| format!("{name}of{number}");
    let mut operation = operation.clone();
    if let Operation::Insert { row, name, .. } = &mut operation {
        if let Some(name) = name {
            *name = rename(name);
        }
        for value in row.values_mut() {
            if let Datum::Set(atoms) = value {
                *atoms = std::mem::take(atoms)
                    .into_iter()
                    .map(|atom| match atom {
                        Atom::Named(name) => Atom::Named(rename(&name)),
                        other => other,
                    })
                    .collect();
            }
        }
    }
    operation
}

/// The column `number`.
pub(crate) fn number(row: &RowView<'_>) -> i64 {
    match row.get("number").and_then(Datum::only) {
        Some(Atom::Integer(number)) => *number,
        other => panic!("{other:?}"),
    }
}
