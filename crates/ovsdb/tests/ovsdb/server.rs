//! The installed Open vSwitch judges: what ovsdb-server and ovsdb-client say of thousands of random
//! transactions is what the copy has.

use std::time::Duration;

use crate::judge::{self, PATIENCE, connect, dump, settle};
use crate::random::{Known, contents, schema, schema_path, transaction};
use ovsdb::session::{Outcome, Retry};
use ovsdb::{Condition, Datum, Event, OperationResult, Row, RowExt, Transaction, Watch};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use testbed::ovsdb_server::{OvsdbServer, Storage};

#[test]
fn random_transactions_leave_the_copy_equal_to_the_database() {
    let server = OvsdbServer::start(&schema_path(), Storage::Alone, &[]).expect("a server");
    let mut writer = connect(&server, judge::everything(&schema()), "Random");
    let mut watcher = connect(&server, judge::everything(&schema()), "Random");
    let mut runner = TestRunner::deterministic();
    let schema = schema();
    let (mut done, mut failed) = (0, 0);
    for _ in 0..60 {
        let strategy = transaction(&schema, &Known::of(writer.cache()));
        let mut tickets = std::collections::BTreeSet::new();
        for _ in 0..50 {
            let transaction = strategy.new_tree(&mut runner).expect("a value").current();
            let now = writer.now();
            tickets.insert(
                writer
                    .session()
                    .transact(transaction, Retry::default(), now)
                    .expect("few wait"),
            );
        }
        writer
            .wait_for(PATIENCE, |_, event| {
                if let Event::Transaction { ticket, outcome } = event {
                    tickets.remove(ticket);
                    match outcome {
                        Outcome::Done(_) => done += 1,
                        Outcome::Failed(error) => {
                            let name = &error.remote().expect("a refusal").name;
                            assert!(
                                !matches!(
                                    name,
                                    ovsdb::ErrorName::Other(_) | ovsdb::ErrorName::SyntaxError
                                ),
                                "{error}"
                            );
                            failed += 1;
                        }
                        other => panic!("{other:?}"),
                    }
                }
                tickets.is_empty().then_some(())
            })
            .expect("an answer to each");
    }
    assert_eq!(done + failed, 3000);
    assert!(done > 2000, "{done} of 3000 went well");
    let wanted = dump(&server, &schema);
    assert!(wanted.len() > 100, "{} rows", wanted.len());
    settle(&mut writer, &wanted);
    settle(&mut watcher, &wanted);
}

#[test]
fn every_operation_is_answered_and_a_refusal_names_its_own() {
    use ovsdb::{ErrorName, Function, Mutation, Mutator, Operation, TransactionError, Until, Uuid};
    let server = OvsdbServer::start(&schema_path(), Storage::Alone, &[]).expect("a server");
    let mut client = connect(&server, judge::everything(&schema()), "Random");
    let mut end = |transaction: Transaction| {
        let now = client.now();
        let ticket = client
            .session()
            .transact(transaction, Retry::default(), now);
        client
            .outcome(ticket.expect("one"), PATIENCE)
            .expect("an end")
    };
    let number = |number: i64| Row::from([("number".to_owned(), number.into())]);
    let seven = || vec![Condition::new("number", Function::Equal, 7_i64.into())];
    let uuid: Uuid = "550e8400-e29b-41d4-a716-446655440000"
        .parse()
        .expect("a UUID");
    let thing = || "Thing".to_owned();
    let mut all = Transaction::new("Random");
    all.push(Operation::Insert {
        table: thing(),
        row: number(6),
        name: None,
        uuid: Some(uuid),
    });
    all.mutate(
        "Thing",
        vec![Condition::row(uuid)],
        vec![Mutation::new("number", Mutator::Add, 1_i64.into())],
    );
    all.verify("Thing", uuid, number(7));
    all.push(Operation::Wait {
        timeout: Some(0),
        table: thing(),
        conditions: Vec::new(),
        columns: vec!["number".to_owned()],
        until: Until::NotEqual,
        rows: vec![number(8)],
    });
    all.push(Operation::Select {
        table: thing(),
        conditions: seven(),
        columns: Some(vec!["number".to_owned()]),
    });
    all.update("Thing", seven(), number(9));
    all.delete("Thing", seven());
    all.comment("every operation");
    all.push(Operation::Commit { durable: true });
    assert_eq!(
        end(all.clone()),
        Outcome::Done(vec![
            OperationResult::Inserted(uuid),
            OperationResult::Count(1),
            OperationResult::Done,
            OperationResult::Done,
            OperationResult::Rows(vec![number(7)]),
            OperationResult::Count(1),
            OperationResult::Count(0),
            OperationResult::Done,
            OperationResult::Done,
        ])
    );
    let refusal = |outcome: Outcome| match outcome {
        Outcome::Failed(TransactionError::Operation {
            number,
            operation,
            error,
        }) => (number, operation, error.name),
        Outcome::Failed(TransactionError::Commit(error)) => (0, String::new(), error.name),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        refusal(end(all)),
        (1, "insert in Thing".to_owned(), ErrorName::DuplicateUuid)
    );
    let one = |operation: Operation| {
        let mut transaction = Transaction::new("Random");
        transaction.comment("first").push(operation);
        transaction
    };
    let aborted = refusal(end(one(Operation::Abort)));
    assert_eq!(aborted, (2, "abort".to_owned(), ErrorName::Aborted));
    let nowhere = Operation::Delete {
        table: "Nowhere".to_owned(),
        conditions: Vec::new(),
    };
    assert_eq!(
        refusal(end(one(nowhere))),
        (2, "delete in Nowhere".to_owned(), ErrorName::SyntaxError)
    );
    let divided = Operation::Mutate {
        table: thing(),
        conditions: Vec::new(),
        mutations: vec![Mutation::new("number", Mutator::Divide, 0_i64.into())],
    };
    assert_eq!(refusal(end(one(divided))).2, ErrorName::DomainError);
    let nobody = Uuid::from_bytes([7; 16]);
    let dangling = Row::from([("parts".to_owned(), nobody.into())]);
    let dangling = Operation::Update {
        table: thing(),
        conditions: Vec::new(),
        row: dangling,
    };
    assert_eq!(
        refusal(end(one(dangling))),
        (0, String::new(), ErrorName::ReferentialIntegrityViolation)
    );
}

/// Without the column of at most three: Open vSwitch 3.1 writes the difference of two values of three to
/// its file, which then has six, and reads neither that nor what follows when it starts again.
fn readable(transaction: Transaction) -> Transaction {
    let mut readable = Transaction::new("Random");
    for operation in transaction.operations() {
        let mut operation = operation.clone();
        match &mut operation {
            ovsdb::Operation::Insert { row, .. } | ovsdb::Operation::Update { row, .. } => {
                row.remove("three");
            }
            ovsdb::Operation::Mutate { mutations, .. } => {
                mutations.retain(|mutation| mutation.column != "three");
            }
            _ => {}
        }
        readable.push(operation);
    }
    readable
}

#[test]
fn ovsdb_tool_reads_and_takes_what_we_write() {
    let mut server = OvsdbServer::start(&schema_path(), Storage::Alone, &[]).expect("a server");
    let schema = schema();
    let mut client = connect(&server, judge::everything(&schema), "Random");
    let mut runner = TestRunner::deterministic();
    for _ in 0..300 {
        let strategy = transaction(&schema, &Known::of(client.cache()));
        let transaction = readable(strategy.new_tree(&mut runner).expect("a value").current());
        let now = client.now();
        let ticket = client
            .session()
            .transact(transaction, Retry::default(), now);
        client
            .outcome(ticket.expect("one"), PATIENCE)
            .expect("an end");
    }
    server.kill();
    let database = server.database().display().to_string();
    let tool = |command: &str, transaction: &Transaction| {
        let operations = transaction.to_params().to_string();
        let answer = server
            .run("ovsdb-tool", &[command, &database, &operations])
            .expect("ovsdb-tool takes it");
        transaction.read(Ok(serde_json::from_str(&answer).expect("JSON")))
    };
    let mut select = Transaction::new("Random");
    select.push(ovsdb::Operation::Select {
        table: "Thing".to_owned(),
        conditions: Vec::new(),
        columns: Some(vec![
            "_uuid".to_owned(),
            "texts".to_owned(),
            "names".to_owned(),
            "numbers".to_owned(),
        ]),
    });
    let results = tool("query", &select).expect("rows");
    let [OperationResult::Rows(rows)] = results.as_slice() else {
        panic!("{results:?}");
    };
    assert_eq!(rows.len(), client.cache().rows("Thing").count());
    for row in rows {
        let Some(ovsdb::Atom::Uuid(uuid)) = row["_uuid"].only() else {
            panic!("a row without a name");
        };
        let copy = client
            .cache()
            .row("Thing", *uuid)
            .expect("it is in the copy");
        for column in ["texts", "names", "numbers"] {
            assert_eq!(copy.get(column), Some(&row[column]), "{column}");
        }
    }
    for _ in 0..50 {
        let strategy = transaction(&schema, &Known::of(client.cache()));
        let transaction = readable(strategy.new_tree(&mut runner).expect("a value").current());
        match tool("transact", &transaction) {
            Ok(_) => {}
            Err(error) => assert!(error.remote().is_some(), "{error}"),
        }
    }
    server.restart().expect("it reads its file");
    judge::run(&mut client);
    settle(&mut client, &dump(&server, &schema));
}

#[test]
fn what_ovsdb_client_changes_arrives() {
    let server = OvsdbServer::start(&schema_path(), Storage::Alone, &[]).expect("a server");
    let schema = schema();
    let mut watcher = connect(&server, judge::everything(&schema), "Random");
    let mut runner = TestRunner::deterministic();
    // A process for each: fewer of them, with the operations of many transactions each.
    for _ in 0..60 {
        let strategy = transaction(&schema, &Known::of(watcher.cache()));
        let mut joined = Transaction::new("Random");
        for number in 0..20 {
            let one = strategy.new_tree(&mut runner).expect("a value").current();
            for operation in one.operations() {
                joined.push(judge::renumber(operation, number));
            }
        }
        let answer = server
            .client("transact", &[&joined.to_params().to_string()])
            .expect("ovsdb-client takes it");
        // Refused transactions are answered too.
        let answer = serde_json::from_str(&answer).expect("JSON");
        let _ = joined.read(Ok(answer));
        judge::catch_up(&mut watcher);
    }
    let wanted = dump(&server, &schema);
    assert!(wanted.len() > 50, "{} rows", wanted.len());
    settle(&mut watcher, &wanted);
}

#[test]
fn the_copy_has_what_a_transaction_did_when_it_ends() {
    let server = OvsdbServer::start(&schema_path(), Storage::Alone, &[]).expect("a server");
    let mut client = connect(&server, judge::everything(&schema()), "Random");
    for number in 0..200_i64 {
        let mut transaction = Transaction::new("Random");
        transaction.insert("Thing", Row::from([("number".to_owned(), number.into())]));
        let now = client.now();
        let ticket = client
            .session()
            .transact(transaction, Retry::default(), now);
        let outcome = client.outcome(ticket.expect("one"), PATIENCE);
        let Some(Outcome::Done(results)) = outcome else {
            panic!("{outcome:?}");
        };
        let [OperationResult::Inserted(uuid)] = results.as_slice() else {
            panic!("{results:?}");
        };
        let row = client
            .cache()
            .row("Thing", *uuid)
            .expect("told before answered");
        assert_eq!(row.get("number"), Some(&Datum::from(number)));
    }
}

#[test]
fn a_computed_transaction_is_tried_again_when_another_client_was_faster() {
    let server = OvsdbServer::start(&schema_path(), Storage::Alone, &[]).expect("a server");
    let mut clients: Vec<_> = (0..4)
        .map(|_| connect(&server, judge::everything(&schema()), "Random"))
        .collect();
    let mut insert = Transaction::new("Random");
    insert.insert("Thing", Row::new());
    let now = clients[0].now();
    let ticket = clients[0].session().transact(insert, Retry::default(), now);
    clients[0]
        .outcome(ticket.expect("one"), PATIENCE)
        .expect("done");
    clients.iter_mut().for_each(judge::catch_up);
    // Each counts one further, 25 times, by what it has read; nothing may be lost.
    let retry = Retry {
        attempts: 1000,
        ..Retry::default()
    };
    let waiting: Vec<std::collections::BTreeSet<_>> = clients
        .iter_mut()
        .map(|client| {
            (0..25)
                .map(|_| {
                    let now = client.now();
                    let plan = |cache: &ovsdb::Cache| {
                        let row = cache.rows("Thing").next()?;
                        let number = judge::number(&row);
                        let mut transaction = Transaction::new("Random");
                        let values =
                            |number: i64| Row::from([("number".to_owned(), number.into())]);
                        transaction.verify("Thing", row.uuid(), values(number));
                        transaction.update(
                            "Thing",
                            vec![Condition::row(row.uuid())],
                            values(number + 1),
                        );
                        Some(transaction)
                    };
                    client
                        .session()
                        .attempt(plan, retry, now)
                        .expect("few wait")
                })
                .collect()
        })
        .collect();
    judge::finish_all(&mut clients, waiting);
    let wanted = dump(&server, &schema());
    for client in &mut clients {
        settle(client, &wanted);
    }
    let row = clients[0].cache().rows("Thing").next().expect("the row");
    assert_eq!(judge::number(&row), 100);
}

#[test]
fn only_wanted_rows_and_columns_are_told() {
    let server = OvsdbServer::start(&schema_path(), Storage::Alone, &[]).expect("a server");
    let insert = |number: i64| {
        let mut transaction = Transaction::new("Random");
        transaction.insert("Thing", Row::from([("number".to_owned(), number.into())]));
        server
            .client("transact", &[&transaction.to_params().to_string()])
            .expect("ovsdb-client takes it");
    };
    (0..10).for_each(insert);
    let at_least = |number: i64| {
        vec![Condition::new(
            "number",
            ovsdb::Function::GreaterOrEqual,
            number.into(),
        )]
    };
    let watch = Watch {
        table: "Thing".to_owned(),
        columns: vec!["number".to_owned(), "in_a_newer_schema".to_owned()],
        conditions: at_least(7),
    };
    let mut client = connect(&server, vec![watch], "Random");
    assert_eq!(contents(client.cache()).len(), 3);
    assert!(client.cache().has_column("Thing", "number"));
    assert!(!client.cache().has_column("Thing", "in_a_newer_schema"));
    insert(12);
    insert(2);
    judge::catch_up(&mut client);
    assert_eq!(contents(client.cache()).len(), 4);
    let now = client.now();
    client.session().set_conditions("Thing", at_least(5), now);
    judge::catch_up(&mut client);
    assert_eq!(contents(client.cache()).len(), 6);
}

#[test]
fn a_lock_is_one_clients_until_another_steals_it() {
    let server = OvsdbServer::start(&schema_path(), Storage::Alone, &[]).expect("a server");
    let mut first = connect(&server, Vec::new(), "Random");
    let mut second = connect(&server, Vec::new(), "Random");
    let wait_lock = |client: &mut ovsdb::Client, wanted: bool| {
        client
            .wait_for(PATIENCE, |session, _| {
                (session.holds("moat") == wanted).then_some(())
            })
            .expect("the lock");
    };
    let now = first.now();
    first.session().lock("moat", false, now);
    wait_lock(&mut first, true);
    let now = second.now();
    second.session().lock("moat", false, now);
    judge::catch_up(&mut second);
    assert!(!second.session().holds("moat"));
    let guarded = |client: &mut ovsdb::Client| {
        let mut transaction = Transaction::new("Random");
        transaction.push(ovsdb::Operation::Assert {
            lock: "moat".to_owned(),
        });
        let now = client.now();
        let ticket = client
            .session()
            .transact(transaction, Retry::default(), now);
        client
            .outcome(ticket.expect("one"), PATIENCE)
            .expect("an end")
    };
    assert!(matches!(guarded(&mut first), Outcome::Done(_)));
    match guarded(&mut second) {
        Outcome::Failed(error) => {
            assert_eq!(
                error.remote().map(|error| &error.name),
                Some(&ovsdb::ErrorName::NotOwner)
            );
        }
        other => panic!("{other:?}"),
    }
    let now = second.now();
    second.session().lock("moat", true, now);
    wait_lock(&mut second, true);
    wait_lock(&mut first, false);
    let now = second.now();
    second.session().unlock("moat", now);
    judge::catch_up(&mut second);
    wait_lock(&mut first, true);
}

#[test]
fn a_transaction_that_waits_is_taken_back() {
    let server = OvsdbServer::start(&schema_path(), Storage::Alone, &[]).expect("a server");
    let mut client = connect(&server, judge::everything(&schema()), "Random");
    let mut transaction = Transaction::new("Random");
    transaction.push(ovsdb::Operation::Wait {
        timeout: None,
        table: "Thing".to_owned(),
        conditions: Vec::new(),
        columns: vec!["number".to_owned()],
        until: ovsdb::Until::Equal,
        rows: vec![Row::from([("number".to_owned(), 1_i64.into())])],
    });
    let now = client.now();
    let ticket = client
        .session()
        .transact(
            transaction,
            Retry {
                within: None,
                ..Retry::default()
            },
            now,
        )
        .expect("one");
    assert_eq!(client.outcome(ticket, Duration::from_millis(50)), None);
    let now = client.now();
    client.session().cancel(ticket, now);
    match client.outcome(ticket, PATIENCE) {
        Some(Outcome::Failed(error)) => {
            assert_eq!(
                error.remote().map(|error| &error.name),
                Some(&ovsdb::ErrorName::Canceled)
            );
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn typed_tables_read_a_real_switch() {
    use ovsdb::vswitch::{Bridge, Controller, DATABASE, Interface, OpenVSwitch, Port};
    let schema = std::path::Path::new(testbed::ovsdb_server::VSWITCH_SCHEMA);
    let server = OvsdbServer::start(schema, Storage::Alone, &[]).expect("a server");
    let socket = format!("--db=unix:{}", server.socket().display());
    let vsctl = |arguments: &[&str]| {
        let mut all = vec![socket.as_str(), "--no-wait"];
        all.extend(arguments);
        server.run("ovs-vsctl", &all).expect("ovs-vsctl")
    };
    vsctl(&["init"]);
    vsctl(&[
        "add-br",
        "br0",
        "--",
        "add-port",
        "br0",
        "vnet0",
        "tag=7",
        "--",
        "set",
        "interface",
        "vnet0",
        "external_ids:iface-id=\"a, b\"",
        "external_ids:attached-mac=52:54:00:00:00:01",
    ]);
    let watches = vec![
        Watch::all::<OpenVSwitch>(),
        Watch::all::<Bridge>(),
        Watch::all::<Port>(),
        Watch::all::<Interface>().without(&["statistics", "status"]),
        Watch::all::<Controller>(),
    ];
    let mut client = connect(&server, watches, DATABASE);
    let port: Port = client
        .cache()
        .find(Port::NAME, &"vnet0".to_owned())
        .expect("the port");
    assert_eq!(port.tag, Some(7));
    assert!(!port.protected);
    let interface: Interface = client
        .cache()
        .get(*port.interfaces.first().expect("one"))
        .expect("the interface");
    assert_eq!(interface.external_ids["iface-id"], "a, b");

    // What taking over a bridge needs, in one transaction.
    let bridge: Bridge = client
        .cache()
        .find(Bridge::NAME, &"br0".to_owned())
        .expect("the bridge");
    let mut transaction = Transaction::new(DATABASE);
    let controller = transaction.insert(
        "Controller",
        Row::new()
            .with(Controller::TARGET, "ssl:192.0.2.1:6653".to_owned())
            .with(Controller::CONNECTION_MODE, Some("out-of-band".to_owned())),
    );
    transaction.update(
        "Bridge",
        vec![Condition::row(bridge.uuid)],
        Row::new()
            .with(Bridge::FAIL_MODE, Some("secure".to_owned()))
            .with(
                Bridge::PROTOCOLS,
                ["OpenFlow13".to_owned(), "OpenFlow10".to_owned()].into(),
            )
            .refer(Bridge::CONTROLLER, [controller]),
    );
    let now = client.now();
    let ticket = client
        .session()
        .transact(transaction, Retry::default(), now);
    let outcome = client.outcome(ticket.expect("one"), PATIENCE);
    assert!(matches!(outcome, Some(Outcome::Done(_))), "{outcome:?}");
    assert_eq!(vsctl(&["get-fail-mode", "br0"]).trim(), "secure");
    assert_eq!(
        vsctl(&["get-controller", "br0"]).trim(),
        "ssl:192.0.2.1:6653"
    );
    assert_eq!(
        vsctl(&["get", "bridge", "br0", "protocols"]).trim(),
        "[OpenFlow10, OpenFlow13]"
    );
    let bridge: Bridge = client.cache().get(bridge.uuid).expect("the bridge");
    assert_eq!(bridge.controller.len(), 1);
}
