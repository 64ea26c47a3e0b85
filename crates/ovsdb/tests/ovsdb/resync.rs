//! Servers that are restarted, killed, silent or older: the copy becomes right again, and everybody
//! hears how their transaction ended.

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::time::Duration;

use crate::judge::{self, PATIENCE, connect, dump, everything, run, settle};
use crate::random::{Known, contents, schema, schema_path, transaction};
use channel::Target;
use ovsdb::framing::{Framer, Limits};
use ovsdb::message::Message;
use ovsdb::monitor::Method;
use ovsdb::session::{Outcome, Retry, SessionError};
use ovsdb::{Client, Event, Operation, Row, Settings, Transaction, Until};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use serde_json::json;
use testbed::ovsdb_server::{OvsdbServer, Storage};

fn insert(number: i64) -> Transaction {
    let mut transaction = Transaction::new("Random");
    transaction.insert("Thing", Row::from([("number".to_owned(), number.into())]));
    transaction
}

fn change_by_others(server: &OvsdbServer, transaction: &Transaction) {
    server
        .client("transact", &[&transaction.to_params().to_string()])
        .expect("ovsdb-client takes it");
}

#[test]
fn a_server_that_is_killed_under_load_is_caught_up_with() {
    let mut server = OvsdbServer::start(&schema_path(), Storage::Alone, &[]).expect("a server");
    let schema = schema();
    let mut client = connect(&server, everything(&schema), "Random");
    let mut watcher = connect(&server, everything(&schema), "Random");
    let mut runner = TestRunner::deterministic();
    let (mut done, mut unknown) = (0, 0);
    for round in 0..12 {
        let strategy = transaction(&schema, &Known::of(client.cache()));
        let mut tickets = std::collections::BTreeSet::new();
        for _ in 0..60 {
            let transaction = strategy.new_tree(&mut runner).expect("a value").current();
            let now = client.now();
            let retry = Retry {
                within: None,
                ..Retry::default()
            };
            tickets.insert(
                client
                    .session()
                    .transact(transaction, retry, now)
                    .expect("few wait"),
            );
        }
        if round % 2 == 0 {
            // Its answer never comes.
            let mut waits = Transaction::new("Random");
            waits.push(Operation::Wait {
                timeout: None,
                table: "Thing".to_owned(),
                conditions: Vec::new(),
                columns: vec!["number".to_owned()],
                until: Until::Equal,
                rows: vec![Row::from([("number".to_owned(), 1_i64.into())]); 1],
            });
            let now = client.now();
            let retry = Retry {
                within: None,
                ..Retry::default()
            };
            tickets.insert(
                client
                    .session()
                    .transact(waits, retry, now)
                    .expect("few wait"),
            );
        }
        // Killed at another place in each round.
        let mut answers = 0;
        client.wait_for(PATIENCE, |_, event| {
            if let Event::Transaction { ticket, outcome } = event {
                tickets.remove(ticket);
                done += i32::from(matches!(outcome, Outcome::Done(_)));
                answers += 1;
            }
            (answers >= round * 5).then_some(())
        });
        server.kill();
        if round % 2 == 0 {
            // Somebody notices before it is back.
            client
                .wait_for(PATIENCE, |_, event| {
                    if let Event::Transaction { ticket, outcome } = event {
                        tickets.remove(ticket);
                        unknown += i32::from(*outcome == Outcome::Unknown);
                    }
                    matches!(event, Event::Disconnected(_)).then_some(())
                })
                .expect("the end is noticed");
        }
        server.restart().expect("it starts again");
        change_by_others(&server, &insert(round));
        client
            .wait_for(PATIENCE, |_, event| {
                if let Event::Transaction { ticket, outcome } = event {
                    tickets.remove(ticket);
                    done += i32::from(matches!(outcome, Outcome::Done(_)));
                    unknown += i32::from(*outcome == Outcome::Unknown);
                }
                tickets.is_empty().then_some(())
            })
            .unwrap_or_else(|| assert!(tickets.is_empty(), "{tickets:?}"));
        client.take_changes();
        if !client.session().is_running() {
            run(&mut client);
        }
        run_unless_running(&mut watcher);
        let wanted = dump(&server, &schema);
        settle(&mut client, &wanted);
        settle(&mut watcher, &wanted);
    }
    assert!(done > 100 && unknown > 0, "{done} done, {unknown} unknown");
}

/// Its connection has broken, but it may not have noticed.
fn run_unless_running(client: &mut Client) {
    client.wait_for(Duration::from_millis(20), |_, _| None::<()>);
    if !client.session().is_running() {
        run(client);
    }
}

/// Cuts the connection and lets it come back; how the copy was caught up with.
fn reconnect(client: &mut Client) -> bool {
    let now = client.now();
    client.session().closed("the test cuts it", now);
    client
        .wait_for(PATIENCE, |_, event| match event {
            Event::Running { resumed } => Some(*resumed),
            _ => None,
        })
        .expect("it comes back")
}

#[test]
fn a_cluster_tells_only_what_was_missed() {
    let server = OvsdbServer::start(&schema_path(), Storage::Cluster, &[]).expect("a server");
    let schema = schema();
    let mut client = connect(&server, everything(&schema), "Random");
    for number in 0..20 {
        change_by_others(&server, &insert(number));
    }
    judge::catch_up(&mut client);
    client.take_changes();
    assert_eq!(client.session().method(), Some(Method::MonitorCondSince));

    // Changes while it is away: the copy is gone on with.
    client.session().closed("the test cuts it", Duration::ZERO);
    while client.next_event().is_some() {}
    change_by_others(&server, &insert(20));
    let resumed = client
        .wait_for(PATIENCE, |_, event| match event {
            Event::Running { resumed } => Some(*resumed),
            _ => None,
        })
        .expect("it comes back");
    assert!(resumed, "a cluster remembers its latest transactions");
    settle(&mut client, &dump(&server, &schema));
    assert_eq!(client.take_changes().len(), 1);

    // Other conditions: there is no going on from other rows.
    let now = client.now();
    client.session().set_conditions("Thing", Vec::new(), now);
    assert!(!reconnect(&mut client));
    settle(&mut client, &dump(&server, &schema));
    assert!(client.take_changes().is_empty(), "nothing has changed");
}

#[test]
fn a_server_that_stands_alone_tells_everything_and_only_changes_show() {
    let mut server = OvsdbServer::start(&schema_path(), Storage::Alone, &[]).expect("a server");
    let schema = schema();
    change_by_others(&server, &insert(1));
    let mut client = connect(&server, everything(&schema), "Random");
    client.take_changes();
    let first = client.session().server();
    assert!(first.is_some());
    server.restart().expect("it starts again");
    change_by_others(&server, &insert(2));
    run(&mut client);
    settle(&mut client, &dump(&server, &schema));
    assert_eq!(client.take_changes().len(), 1);
    assert_ne!(client.session().server(), first);
}

#[test]
fn a_database_that_is_converted_is_asked_for_again() {
    let server = OvsdbServer::start(&schema_path(), Storage::Alone, &[]).expect("a server");
    change_by_others(&server, &insert(1));
    let mut watches = everything(&schema());
    watches
        .iter_mut()
        .for_each(|watch| watch.columns.push("new".to_owned()));
    let mut client = connect(&server, watches, "Random");
    assert!(!client.cache().has_column("Thing", "new"));
    let text = std::fs::read_to_string(schema_path()).expect("the schema");
    let text = text.replacen("1.0.0", "1.1.0", 1).replacen(
        "\"number\"",
        "\"new\": {\"type\": \"string\"}, \"number\"",
        1,
    );
    let newer = server.directory().join("newer.ovsschema");
    std::fs::write(&newer, text).expect("a file");
    server
        .client("convert", &[newer.to_str().expect("text")])
        .expect("it is converted");
    client
        .wait_for(PATIENCE, |session, _| {
            session.cache().has_column("Thing", "new").then_some(())
        })
        .expect("the new column");
    run_unless_running(&mut client);
    judge::catch_up(&mut client);
    assert_eq!(contents(client.cache()).len(), 1);
    assert_eq!(
        client.session().schema().expect("a schema").version,
        "1.1.0"
    );
}

/// A server that passes everything on to a real one, except methods that it does not know.
fn older_server(real: &OvsdbServer, lacks: &'static [&'static str]) -> (Target, UnixListener) {
    let path = real.directory().join("older.sock");
    let listener = UnixListener::bind(&path).expect("a socket");
    let real = real.socket();
    let accepting = listener.try_clone().expect("a socket");
    std::thread::spawn(move || {
        let Ok((client, _)) = accepting.accept() else {
            return;
        };
        let server = std::os::unix::net::UnixStream::connect(real).expect("the real one");
        let (mut from_server, mut to_client) = (
            server.try_clone().expect("a socket"),
            client.try_clone().expect("a socket"),
        );
        std::thread::spawn(move || std::io::copy(&mut from_server, &mut to_client));
        let (mut from_client, mut to_client, mut to_server) =
            (client.try_clone().expect("a socket"), client, server);
        let mut framer = Framer::new(Limits::default());
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = from_client.read(&mut buffer) {
            framer.push(&buffer[..length]);
            while let Ok(Some(message)) = framer.next_message() {
                let method = message["method"].as_str().unwrap_or_default().to_owned();
                let sent = if lacks.contains(&method.as_str()) {
                    let refusal = Message::Response {
                        id: message["id"].clone(),
                        result: Err(json!("unknown method")),
                    };
                    to_client.write_all(refusal.into_json().to_string().as_bytes())
                } else {
                    to_server.write_all(message.to_string().as_bytes())
                };
                if sent.is_err() {
                    return;
                }
            }
        }
    });
    (Target::Unix(path), listener)
}

#[test]
fn older_servers_are_asked_in_their_own_words() {
    let lacks: [(&[&str], Method); 2] = [
        (
            &["monitor_cond_since", "get_server_id"],
            Method::MonitorCond,
        ),
        (
            &[
                "monitor_cond_since",
                "monitor_cond",
                "get_server_id",
                "set_db_change_aware",
            ],
            Method::Monitor,
        ),
    ];
    for (lacks, method) in lacks {
        let server = OvsdbServer::start(&schema_path(), Storage::Alone, &[]).expect("a server");
        let schema = schema();
        let mut writer = connect(&server, everything(&schema), "Random");
        let (target, _listener) = older_server(&server, lacks);
        let mut client = Client::new(target, None, Settings::new("Random", everything(&schema)));
        run(&mut client);
        assert_eq!(client.session().method(), Some(method));
        let mut runner = TestRunner::deterministic();
        for _ in 0..200 {
            let strategy = transaction(&schema, &Known::of(writer.cache()));
            let transaction = strategy.new_tree(&mut runner).expect("a value").current();
            let now = writer.now();
            let ticket = writer
                .session()
                .transact(transaction, Retry::default(), now);
            writer
                .outcome(ticket.expect("one"), PATIENCE)
                .expect("an end");
        }
        settle(&mut client, &dump(&server, &schema));
    }
}

#[test]
fn a_silent_server_is_given_up_and_holds_up_nobody() {
    let server = OvsdbServer::start(&schema_path(), Storage::Alone, &[]).expect("a server");
    let path = server.directory().join("silent.sock");
    let silent = UnixListener::bind(&path).expect("a socket");
    let mut settings = Settings::new("Random", everything(&schema()));
    settings.probe = Duration::from_millis(100);
    let mut client = Client::new(Target::Unix(path), None, settings);
    let error = client.wait_for(PATIENCE, |_, event| match event {
        Event::Disconnected(SessionError::Protocol(error)) => Some(error.to_string()),
        _ => None,
    });
    assert!(
        error
            .expect("it is given up")
            .contains("not even an answer to echo")
    );
    drop(silent);
}

#[test]
fn a_server_without_the_database_is_asked_again_later() {
    let server = OvsdbServer::start(&schema_path(), Storage::Alone, &[]).expect("a server");
    let mut client = Client::new(
        Target::Unix(server.socket()),
        None,
        Settings::new("Other", Vec::new()),
    );
    let error = client.wait_for(PATIENCE, |_, event| match event {
        Event::Disconnected(error) => Some(error.to_string()),
        _ => None,
    });
    let error = error.expect("it is refused");
    assert!(
        error.contains("get_schema") && error.contains("unknown database"),
        "{error}"
    );
    assert!(client.wake_in().is_some());
}
