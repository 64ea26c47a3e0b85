//! What a session says and does, against a peer whose every word is written here.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Event, Outcome, Retry, Session, SessionError, Settings};
use crate::framing::{Framer, Limits};
use crate::monitor::Watch;
use crate::transaction::{Transaction, TransactionError};

const fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A session that was told to connect, with what it said since.
struct Scene {
    session: Session,
    framer: Framer,
}

impl Scene {
    fn new() -> Self {
        let watch = Watch {
            table: "Thing".to_owned(),
            columns: vec!["number".to_owned()],
            conditions: Vec::new(),
        };
        Self {
            session: Session::new(Settings::new("Random", vec![watch]), at(0)),
            framer: Framer::new(Limits::default()),
        }
    }

    /// The next thing that it said.
    fn said(&mut self) -> Option<Value> {
        self.framer.push(&self.session.take_outgoing());
        self.framer.next_message().expect("JSON")
    }

    /// The next request, whose method must be this; its id and parameters.
    fn asked(&mut self, method: &str) -> (Value, Value) {
        let request = self.said().expect("a request");
        assert_eq!(request["method"], method, "{request}");
        (request["id"].clone(), request["params"].clone())
    }

    fn say(&mut self, message: Value, now: Duration) {
        self.session.receive(message.to_string().as_bytes(), now);
    }

    fn answer(&mut self, id: Value, result: Value, now: Duration) {
        self.say(json!({"id": id, "result": result, "error": null}), now);
    }

    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.session.next_event()).collect()
    }

    fn open(&mut self, now: Duration) {
        self.session.tick(now);
        assert!(matches!(self.events().as_slice(), [Event::Connect]));
        self.session.opened(now);
    }

    /// Up to the monitor's answer.
    fn run(&mut self, now: Duration) {
        self.open(now);
        let (aware, _) = self.asked("set_db_change_aware");
        let (server, _) = self.asked("get_server_id");
        let (schema, _) = self.asked("get_schema");
        self.answer(aware, json!({}), now);
        self.answer(server, json!("550e8400-e29b-41d4-a716-446655440000"), now);
        self.answer(
            schema,
            json!({"name": "Random", "version": "1.0.0",
                "tables": {"Thing": {"columns": {"number": {"type": "integer"}}}}}),
            now,
        );
        let (monitor, _) = self.asked("monitor_cond_since");
        self.answer(
            monitor,
            json!([false, "00000000-0000-0000-0000-000000000001", {}]),
            now,
        );
        assert!(self.session.is_running());
        let events = self.events();
        assert!(
            matches!(
                events.as_slice(),
                [Event::Running { resumed: false }, Event::Changed]
            ),
            "{events:?}"
        );
    }

    fn outcome(&mut self) -> Outcome {
        for event in self.events() {
            if let Event::Transaction { outcome, .. } = event {
                return outcome;
            }
        }
        panic!("no outcome");
    }
}

fn comment() -> Transaction {
    let mut transaction = Transaction::new("Random");
    transaction.comment("for the log");
    transaction
}

#[test]
fn a_connection_that_fails_is_tried_again_later_and_later() {
    let mut scene = Scene::new();
    let mut now = at(100);
    let mut pauses = Vec::new();
    for _ in 0..6 {
        scene.open(now);
        scene.session.closed("refused", now);
        let events = scene.events();
        assert!(matches!(
            events.as_slice(),
            [Event::Disconnected(SessionError::Transport(_))]
        ));
        let wake = scene.session.wake_at().expect("it tries again");
        scene.session.tick(wake - Duration::from_millis(1));
        assert!(scene.events().is_empty());
        pauses.push((wake - now).as_secs());
        now = wake;
    }
    assert_eq!(pauses, [1, 2, 4, 8, 8, 8]);
    // One that was of use begins anew.
    scene.run(now);
    scene.session.closed("gone", now);
    assert_eq!(scene.session.wake_at(), Some(now + at(1)));
}

#[test]
fn a_quiet_server_is_asked_and_given_up() {
    let mut scene = Scene::new();
    scene.run(at(0));
    assert_eq!(scene.session.wake_at(), Some(at(10)));
    scene.session.tick(at(10));
    let (echo, _) = scene.asked("echo");
    scene.answer(echo, json!([]), at(11));
    scene.session.tick(at(20));
    assert_eq!(scene.said(), None, "it was heard at 11");
    scene.session.tick(at(21));
    scene.asked("echo");
    scene.session.tick(at(31));
    let events = scene.events();
    assert!(
        matches!(
            events.as_slice(),
            [Event::Disconnected(SessionError::Protocol(_))]
        ),
        "{events:?}"
    );
}

#[test]
fn echo_is_answered_at_any_time() {
    let mut scene = Scene::new();
    scene.open(at(0));
    while scene.said().is_some() {}
    scene.say(
        json!({"method": "echo", "params": ["a", 1], "id": "echo"}),
        at(0),
    );
    assert_eq!(
        scene.said(),
        Some(json!({"result": ["a", 1], "error": null, "id": "echo"}))
    );
    scene.say(json!({"method": "dance", "params": [], "id": 7}), at(0));
    assert_eq!(
        scene.said().expect("an answer")["error"]["error"],
        "unknown method"
    );
}

#[test]
fn a_server_that_answers_only_echo_is_given_up_too() {
    let mut scene = Scene::new();
    scene.open(at(0));
    for second in (1..60).step_by(5) {
        let echo = json!({"method": "echo", "params": [], "id": "echo"});
        scene.say(echo, at(second));
        scene.session.tick(at(second));
        assert!(scene.events().is_empty());
    }
    scene.session.tick(at(60));
    assert!(matches!(
        scene.events().as_slice(),
        [Event::Disconnected(SessionError::Setup(_))]
    ));
}

#[test]
fn transactions_wait_for_a_connection_only_so_long() {
    let mut scene = Scene::new();
    scene
        .session
        .transact(comment(), Retry::default(), at(0))
        .expect("one");
    scene.session.tick(at(0));
    scene.session.closed("refused", at(0));
    scene.events();
    scene.session.tick(at(30));
    assert_eq!(scene.outcome(), Outcome::Unsent);
}

#[test]
fn what_was_sent_and_not_answered_is_unknown_or_sent_again() {
    let mut scene = Scene::new();
    scene.run(at(0));
    let once = scene
        .session
        .transact(comment(), Retry::default(), at(0))
        .expect("one");
    let resend = Retry {
        resend: true,
        ..Retry::default()
    };
    let again = scene
        .session
        .transact(comment(), resend, at(0))
        .expect("two");
    scene.asked("transact");
    scene.asked("transact");
    scene.session.closed("gone", at(1));
    let ends: Vec<_> = scene
        .events()
        .into_iter()
        .filter_map(|event| match event {
            Event::Transaction { ticket, outcome } => Some((ticket, outcome)),
            _ => None,
        })
        .collect();
    assert_eq!(ends, [(once, Outcome::Unknown)]);
    scene.run(at(2));
    let (id, _) = scene.asked("transact");
    scene.answer(id, json!([{}]), at(2));
    let events = scene.events();
    assert!(
        matches!(events.as_slice(), [Event::Transaction { ticket, outcome: Outcome::Done(_) }] if *ticket == again),
        "{events:?}"
    );
}

#[test]
fn a_conflict_is_tried_again_so_often_and_no_more() {
    let mut scene = Scene::new();
    scene.run(at(0));
    let retry = Retry {
        attempts: 3,
        ..Retry::default()
    };
    let mut computed = 0;
    let plan = move |_: &crate::Cache| {
        computed += 1;
        let mut transaction = comment();
        transaction.comment(&format!("attempt {computed}"));
        Some(transaction)
    };
    scene.session.attempt(plan, retry, at(0)).expect("one");
    for attempt in 1..=3 {
        let (id, params) = scene.asked("transact");
        assert_eq!(params[2]["comment"], format!("attempt {attempt}"));
        scene.answer(
            id,
            json!([{"error": "timed out", "details": "…"}, null]),
            at(0),
        );
        if let Some(wake) = scene.session.wake_at().filter(|_| attempt < 3) {
            assert_eq!(scene.said(), None, "it pauses");
            scene.session.tick(wake);
        }
    }
    match scene.outcome() {
        Outcome::Failed(TransactionError::Operation { number: 1, .. }) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn late_answers_are_asked_for_to_be_taken_back() {
    let mut scene = Scene::new();
    scene.run(at(0));
    let retry = Retry {
        within: Some(at(3)),
        ..Retry::default()
    };
    scene
        .session
        .transact(comment(), retry, at(0))
        .expect("one");
    let (id, _) = scene.asked("transact");
    assert_eq!(scene.session.wake_at(), Some(at(3)));
    scene.session.tick(at(3));
    assert_eq!(
        scene.said(),
        Some(json!({"method": "cancel", "params": [id], "id": null}))
    );
    scene.say(
        json!({"id": id, "result": null, "error": "canceled"}),
        at(3),
    );
    match scene.outcome() {
        Outcome::Failed(error) => assert_eq!(
            error.to_string(),
            "the server refused the request: canceled"
        ),
        other => panic!("{other:?}"),
    }
}

#[test]
fn changes_that_do_not_fit_ask_for_everything_again() {
    let mut scene = Scene::new();
    scene.run(at(0));
    let row = "550e8400-e29b-41d4-a716-446655440000";
    scene.say(
        json!({"id": null, "method": "update3", "params": [1, "00000000-0000-0000-0000-000000000002",
            {"Thing": {row: {"modify": {"number": 1}}}}]}),
        at(1),
    );
    assert!(matches!(
        scene.events().as_slice(),
        [Event::Disconnected(SessionError::Cache(_))]
    ));
    scene.open(at(2));
    scene.asked("set_db_change_aware");
    scene.asked("get_server_id");
    let (schema, _) = scene.asked("get_schema");
    scene.answer(
        schema,
        json!({"name": "Random", "version": "1.0.0",
            "tables": {"Thing": {"columns": {"number": {"type": "integer"}}}}}),
        at(2),
    );
    let (_, params) = scene.asked("monitor_cond_since");
    assert_eq!(params[3], "00000000-0000-0000-0000-000000000000");
}

#[test]
fn a_text_with_nul_is_refused_here_and_not_by_a_closed_connection() {
    let mut scene = Scene::new();
    scene.run(at(0));
    let mut transaction = Transaction::new("Random");
    transaction.comment("a\0b");
    scene
        .session
        .transact(transaction, Retry::default(), at(0))
        .expect("one");
    assert_eq!(scene.said(), None);
    match scene.outcome() {
        Outcome::Failed(error) => assert!(error.to_string().contains("NUL"), "{error}"),
        other => panic!("{other:?}"),
    }
    assert!(scene.session.is_running());
}

#[test]
fn texts_that_are_no_ovsdb_end_the_connection() {
    for bytes in [
        &b"SSH-2.0-OpenSSH"[..],
        b"{\"id\": 99, \"result\": 1, \"error\": null}",
        b"{}",
        b"{\"a\":\xff}",
    ] {
        let mut scene = Scene::new();
        scene.open(at(0));
        scene.session.receive(bytes, at(0));
        assert!(
            matches!(
                scene.events().as_slice(),
                [Event::Disconnected(SessionError::Protocol(_))]
            ),
            "{bytes:?}"
        );
    }
}
