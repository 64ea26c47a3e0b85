//! Batches: all or nothing, who is to blame, in which order.

use nftables::{
    Batch, Chain, CommitError, Connection, Datatype, Element, Expression, Family, Hook, HookPoint,
    Installed, MetaKey, Object, ObjectKind, Place, Policy, Register, Rule, Set, SetData, Table,
    TableId, Verdict, probe,
};

use crate::support::{Plan, base_chain, isolated, run, table};

fn commented(comment: &str) -> Rule {
    Rule::new("c", vec![Expression::Verdict(Verdict::Accept)]).with_comment(comment)
}

fn installed(connection: &mut Connection) -> Vec<Installed<Rule>> {
    connection
        .dump_table(&table())
        .expect("readable")
        .expect("there")
        .rules
}

fn comments(connection: &mut Connection) -> Vec<String> {
    installed(connection)
        .iter()
        .filter_map(|rule| rule.value.userdata.as_comment().map(str::to_owned))
        .collect()
}

fn handle(connection: &mut Connection, comment: &str) -> u64 {
    installed(connection)
        .iter()
        .find(|rule| rule.value.userdata.as_comment() == Some(comment))
        .expect("the rule is there")
        .handle
}

#[test]
fn rules_go_where_they_should() {
    let mut connection = isolated();
    Plan {
        chains: vec![base_chain()],
        rules: vec![commented("b"), commented("d")],
        ..Plan::default()
    }
    .install(&mut connection, &table());
    let (b, d) = (handle(&mut connection, "b"), handle(&mut connection, "d"));
    let mut batch = Batch::new(None);
    batch.add_rule(&table(), &commented("a"), Place::First);
    batch.add_rule(&table(), &commented("c"), Place::Before(d));
    batch.add_rule(&table(), &commented("b2"), Place::After(b));
    batch.add_rule(&table(), &commented("e"), Place::Last);
    batch.add_rule(&table(), &commented("D"), Place::Instead(d));
    connection.commit(&batch).expect("accepted");
    assert_eq!(comments(&mut connection), ["a", "b", "b2", "c", "D", "e"]);

    let mut batch = Batch::new(None);
    batch.delete_rule(&table(), "c", b);
    connection.commit(&batch).expect("accepted");
    assert_eq!(comments(&mut connection), ["a", "b2", "c", "D", "e"]);

    let mut batch = Batch::new(None);
    batch.flush_chain(&table(), "c");
    connection.commit(&batch).expect("accepted");
    assert!(comments(&mut connection).is_empty());
}

#[test]
fn everything_can_be_removed() {
    let mut connection = isolated();
    Plan {
        chains: vec![base_chain(), Chain::regular("r")],
        objects: vec![Object::counter("n")],
        sets: vec![(
            Set::new("s", &[Datatype::MARK], SetData::None),
            vec![Element::new(vec![0, 0, 0, 1])],
        )],
        rules: Vec::new(),
    }
    .install(&mut connection, &table());
    let mut closed = base_chain();
    if let Some(hook) = &mut closed.hook {
        hook.policy = Policy::Drop;
    }
    let mut batch = Batch::new(None);
    batch.update_chain(&table(), &closed);
    batch.delete_chain(&table(), "r");
    batch.delete_object(&table(), ObjectKind::COUNTER, "n");
    batch.delete_set(&table(), "s");
    connection.commit(&batch).expect("accepted");
    Plan {
        chains: vec![closed],
        ..Plan::default()
    }
    .assert_same(
        &connection
            .dump_table(&table())
            .expect("readable")
            .expect("there"),
    );
    let mut batch = Batch::new(None);
    batch.delete_table(&table());
    connection.commit(&batch).expect("accepted");
    assert_eq!(connection.dump_table(&table()).expect("readable"), None);
    assert_eq!(
        connection.tables(Family::Unspecified).expect("readable"),
        []
    );
}

#[test]
fn a_batch_for_another_generation_changes_nothing() {
    let mut connection = isolated();
    let generation = connection.generation().expect("readable");
    run("nft add table inet foreign");
    let mut batch = Batch::new(Some(generation));
    batch.add_table(&Table::new(table()));
    assert!(matches!(
        connection.commit(&batch),
        Err(CommitError::GenerationChanged)
    ));
    assert_eq!(connection.dump_table(&table()).expect("readable"), None);

    let generation = connection.generation().expect("readable");
    let mut batch = Batch::new(Some(generation));
    batch.add_table(&Table::new(table()));
    connection.commit(&batch).expect("accepted");
    let tables = connection.tables(Family::Unspecified).expect("readable");
    let names: Vec<String> = tables.iter().map(|t| t.value.id.to_string()).collect();
    assert_eq!(names, ["inet foreign", "bridge t"]);
}

#[test]
fn an_empty_batch_is_not_sent() {
    let mut connection = isolated();
    let generation = connection.generation().expect("readable");
    connection
        .commit(&Batch::new(Some(0x7fff)))
        .expect("nothing to do");
    assert_eq!(connection.generation().expect("readable"), generation);
}

#[test]
fn every_culprit_is_named_and_nothing_happens() {
    let mut connection = isolated();
    let mut plan = Plan::rule(vec![Expression::Verdict(Verdict::jump("nowhere"))]);
    plan.sets = vec![(
        Set::new("macs", &[Datatype::ETHER_ADDRESS], SetData::None),
        vec![
            Element::new(vec![1, 1, 1, 1, 1, 1]),
            Element::new(vec![2, 2, 2, 2, 2, 2]),
            Element::new(vec![3, 3]), // too short
        ],
    )];
    let Err(CommitError::Refused(refusals)) = connection.commit(&plan.batch(&table())) else {
        panic!("must be refused");
    };
    let texts: Vec<&str> = refusals.iter().map(|r| r.operation.as_str()).collect();
    assert_eq!(
        texts,
        [
            "add 3 elements, bridge t macs, of which number 2 with key 03 03",
            "add rule bridge t c",
        ]
    );
    let messages: Vec<_> = refusals.iter().map(|refusal| refusal.message).collect();
    assert_eq!(messages, [Some(3), Some(4)]);
    assert_eq!(
        refusals.iter().map(|r| r.errno).collect::<Vec<_>>(),
        [libc::EINVAL, libc::ENOENT]
    );
    assert_eq!(connection.dump_table(&table()).expect("readable"), None);
}

#[test]
fn what_exists_is_not_added_again() {
    let mut connection = isolated();
    let plan = Plan {
        chains: vec![base_chain()],
        ..Plan::default()
    };
    plan.install(&mut connection, &table());
    let error = connection
        .commit(&plan.batch(&table()))
        .expect_err("exists");
    assert_eq!(
        error.to_string(),
        "the kernel refused: add table bridge t: File exists (os error 17); \
         add chain bridge t c: File exists (os error 17)"
    );
}

#[test]
fn changes_that_do_not_fit_are_refused_before_sending() {
    let mut connection = isolated();
    let long = Expression::Opaque {
        name: "x".to_owned(),
        attributes: Some(vec![0; 40_000]),
    };
    let plan = Plan::rule(vec![long.clone(), long]);
    let error = connection
        .commit(&plan.batch(&table()))
        .expect_err("too long");
    assert!(
        matches!(error, CommitError::OversizedChange { .. }),
        "{error}"
    );
}

#[test]
fn a_large_refused_batch_reports_every_refusal() {
    let mut connection = isolated();
    let mut batch = Batch::new(None);
    for number in 0..5000 {
        batch.delete_chain(&table(), &format!("c{number}"));
    }
    let Err(CommitError::Refused(refusals)) = connection.commit(&batch) else {
        panic!("must be refused");
    };
    assert_eq!(refusals.len(), 5000);
}

#[test]
fn probes_find_out_and_leave_nothing() {
    let mut connection = isolated();
    let generation = connection.generation().expect("readable");
    let mut accepts = |point, expression: Expression| {
        probe::accepts(&mut connection, Family::Bridge, point, -300, &[expression]).expect("tried")
    };
    let load = Expression::Meta {
        key: MetaKey::InputInterface,
        destination: Register::R0,
    };
    assert!(accepts(HookPoint::Prerouting, load));
    let unknown = Expression::Opaque {
        name: "no-such".to_owned(),
        attributes: None,
    };
    assert!(!accepts(HookPoint::Prerouting, unknown));
    assert!(!accepts(
        HookPoint::Prerouting,
        Expression::Verdict(Verdict::jump("nowhere"))
    ));
    assert_eq!(
        connection.tables(Family::Unspecified).expect("readable"),
        []
    );
    assert_eq!(connection.generation().expect("readable"), generation);
    let error = probe::accepts(&mut connection, Family::Bridge, HookPoint::Other(9), 0, &[]);
    assert!(error.is_err());
}

/// A connection in a new namespace sees nothing of the thread's own.
#[test]
fn a_namespace_of_its_own() {
    let mut outer = isolated();
    Plan::rule(Vec::new()).install(&mut outer, &table());
    let mut inner = Connection::open_in_new_namespace().expect("as root");
    assert_eq!(inner.tables(Family::Unspecified).expect("readable"), []);
    let netdev = TableId::new(Family::Netdev, "n");
    let mut hook = Hook::filter(HookPoint::Prerouting, 0, Policy::Accept);
    hook.device = Some("lo".to_owned());
    Plan {
        chains: vec![Chain::base("ingress", hook)],
        ..Plan::default()
    }
    .install(&mut inner, &netdev);
}

/// What is read stood together at one moment, also while somebody commits all the time.
#[test]
fn readings_are_consistent() {
    let mut connection = isolated();
    let state = |number: u8| Plan {
        chains: vec![base_chain()],
        sets: vec![(
            Set::new("s", &[Datatype::MARK], SetData::None),
            (0..200)
                .map(|element| Element::new(vec![number, 0, 0, element]))
                .collect(),
        )],
        rules: vec![commented(&number.to_string()); 20],
        ..Plan::default()
    };
    state(0).install(&mut connection, &table());
    let writer = std::thread::spawn(move || {
        let mut connection = Connection::open().expect("a socket");
        for number in 1..100 {
            let mut batch = Batch::new(None);
            batch.flush_chain(&table(), "c");
            batch.flush_set(&table(), "s");
            let next = state(number);
            for (set, elements) in &next.sets {
                batch.add_elements(&table(), &set.name, elements);
            }
            for rule in &next.rules {
                batch.add_rule(&table(), rule, Place::Last);
            }
            connection.commit(&batch).expect("accepted");
        }
    });
    while !writer.is_finished() {
        // Too many changes at once are reported, never a mixture.
        if let Ok(Some(contents)) = connection.dump_table(&table()) {
            let first = contents.rules.first().expect("rules");
            let number = first.value.userdata.as_comment().expect("a comment");
            state(number.parse().expect("a number")).assert_same(&contents);
        }
    }
    writer.join().expect("the writer committed everything");
    let last = connection.dump_table(&table()).expect("quiet now");
    state(99).assert_same(&last.expect("there"));
}
