//! Every kind of set and map: the kernel takes it, reports what was sent, and nft prints its keys readably.

use nftables::{
    Batch, ByteOrder, Chain, Comparison, Connection, Counter, Datatype, DynamicOperation, Element,
    Expression, Limit, LookupResult, MetaKey, Object, ObjectKind, PayloadBase, Place, Register,
    Rule, Set, SetData, Table, UserData, Verdict,
};

use crate::support::{Plan, base_chain, isolated, listed, listed_rules, run, table};

const MAC: [u8; 6] = [0x52, 0x54, 0, 0, 0, 1];

/// The parts one after another, each filled up to a multiple of 4 bytes.
fn joined(parts: &[&[u8]]) -> Vec<u8> {
    let mut key = Vec::new();
    for part in parts {
        key.extend_from_slice(part);
        key.resize(key.len().next_multiple_of(4), 0);
    }
    key
}

fn interface(index: u32) -> [u8; 4] {
    index.to_ne_bytes()
}

/// Installs sets with elements and regular chains, and returns nft's listing.
fn listing(sets: Vec<(Set, Vec<Element>)>) -> String {
    let mut connection = isolated();
    let plan = Plan {
        chains: vec![Chain::regular("port-1"), Chain::regular("port-2")],
        sets,
        ..Plan::default()
    };
    plan.install(&mut connection, &table());
    listed(&table())
}

fn elements_of(connection: &mut Connection, set: &str) -> Vec<Element> {
    let elements = connection.elements(&table(), set).expect("readable");
    elements.expect("the set is there")
}

fn assert_lists(listing: &str, expected: &str) {
    let listing = listing.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(listing.contains(expected), "{listing}\nlacks\n{expected}");
}

#[test]
fn plain_sets() {
    let text = listing(vec![
        (
            Set::new("macs", &[Datatype::ETHER_ADDRESS], SetData::None),
            vec![Element::new(MAC.to_vec()).with_comment("web-1/0")],
        ),
        (
            Set::new("interfaces", &[Datatype::INTERFACE_INDEX], SetData::None),
            vec![Element::new(interface(77).to_vec())],
        ),
    ]);
    assert_lists(
        &text,
        r#"set macs { type ether_addr elements = { 52:54:00:00:00:01 comment "web-1/0" } }"#,
    );
    assert_lists(
        &text,
        "set interfaces { type iface_index elements = { 77 } }",
    );
}

#[test]
fn interface_names_are_printed_as_text() {
    let mut name = b"vnet3".to_vec();
    name.resize(16, 0);
    let text = listing(vec![(
        Set::new("names", &[Datatype::INTERFACE_NAME], SetData::Verdict),
        vec![Element::verdict(name, Verdict::jump("port-1"))],
    )]);
    assert_lists(&text, r#"elements = { "vnet3" : jump port-1 }"#);
}

#[test]
fn verdict_maps_by_interface() {
    let text = listing(vec![(
        Set::new("ports", &[Datatype::INTERFACE_INDEX], SetData::Verdict),
        vec![
            Element::verdict(interface(77).to_vec(), Verdict::jump("port-1")),
            Element::verdict(interface(78).to_vec(), Verdict::goto("port-2")),
            Element::verdict(interface(79).to_vec(), Verdict::Drop),
        ],
    )]);
    assert_lists(&text, "map ports { type iface_index : verdict");
    assert_lists(&text, "77 : jump port-1");
    assert_lists(&text, "78 : goto port-2");
    assert_lists(&text, "79 : drop");
}

#[test]
fn concatenated_verdict_maps() {
    let four = Set::new(
        "from4",
        &[
            Datatype::INTERFACE_INDEX,
            Datatype::ETHER_ADDRESS,
            Datatype::IPV4_ADDRESS,
        ],
        SetData::Verdict,
    );
    let six = Set::new(
        "from6",
        &[
            Datatype::INTERFACE_INDEX,
            Datatype::ETHER_ADDRESS,
            Datatype::IPV6_ADDRESS,
        ],
        SetData::Verdict,
    );
    let arp = Set::new(
        "arp",
        &[
            Datatype::INTERFACE_INDEX,
            Datatype::ETHER_ADDRESS,
            Datatype::ETHER_ADDRESS,
            Datatype::IPV4_ADDRESS,
        ],
        SetData::None,
    );
    let other = Set::new(
        "other",
        &[
            Datatype::INTERFACE_INDEX,
            Datatype::ETHER_ADDRESS,
            Datatype::ETHER_TYPE,
        ],
        SetData::Verdict,
    );
    let address6 = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5];
    let text = listing(vec![
        (
            four,
            vec![Element::verdict(
                joined(&[&interface(77), &MAC, &[10, 0, 0, 5]]),
                Verdict::goto("port-1"),
            )],
        ),
        (
            six,
            vec![Element::verdict(
                joined(&[&interface(77), &MAC, &address6]),
                Verdict::goto("port-1"),
            )],
        ),
        (
            arp,
            vec![Element::new(joined(&[
                &interface(77),
                &MAC,
                &MAC,
                &[10, 0, 0, 5],
            ]))],
        ),
        (
            other,
            vec![Element::verdict(
                joined(&[&interface(77), &MAC, &[0x08, 0x06]]),
                Verdict::Accept,
            )],
        ),
    ]);
    assert_lists(&text, "type iface_index . ether_addr . ipv4_addr : verdict");
    assert_lists(&text, "77 . 52:54:00:00:00:01 . 10.0.0.5 : goto port-1");
    assert_lists(&text, "77 . 52:54:00:00:00:01 . 2001:db8::5 : goto port-1");
    assert_lists(
        &text,
        "77 . 52:54:00:00:00:01 . 52:54:00:00:00:01 . 10.0.0.5",
    );
    assert_lists(&text, "77 . 52:54:00:00:00:01 . arp : accept");
}

#[test]
fn intervals() {
    let plain = Set::new("plain", &[Datatype::IPV4_ADDRESS], SetData::None).with_intervals();
    let joint = Set::new(
        "joint",
        &[
            Datatype::IPV4_ADDRESS,
            Datatype::INET_PROTOCOL,
            Datatype::INET_SERVICE,
        ],
        SetData::Verdict,
    )
    .with_intervals();
    let text = listing(vec![
        (
            plain,
            vec![
                Element::new(vec![10, 9, 0, 0]),
                Element::end_of_interval(vec![10, 9, 1, 0]),
                Element::new(vec![224, 0, 0, 0]), // to the last address: no end
            ],
        ),
        (
            joint,
            vec![
                Element::verdict(joined(&[&[10, 0, 0, 0], &[6], &[0, 80]]), Verdict::Accept)
                    .up_to(joined(&[&[10, 0, 0, 255], &[6], &[0, 90]])),
                Element::verdict(joined(&[&[0, 0, 0, 0], &[17], &[0, 53]]), Verdict::Drop)
                    .up_to(joined(&[&[255, 255, 255, 255], &[17], &[0, 53]])),
            ],
        ),
    ]);
    assert_lists(
        &text,
        "set plain { type ipv4_addr flags interval elements = { 10.9.0.0/24, 224.0.0.0/3 } }",
    );
    assert_lists(&text, "10.0.0.0/24 . tcp . 80-90 : accept");
    assert_lists(&text, "0.0.0.0/0 . udp . 53 : drop");
}

#[test]
fn value_maps_and_registers() {
    let mut connection = isolated();
    let plan = Plan {
        chains: vec![base_chain()],
        sets: vec![(
            Set::new(
                "marks",
                &[Datatype::INTERFACE_INDEX],
                SetData::value(Datatype::MARK),
            ),
            vec![Element::value(
                interface(77).to_vec(),
                interface(5).to_vec(),
            )],
        )],
        rules: vec![Rule::new(
            "c",
            vec![
                Expression::Meta {
                    key: MetaKey::InputInterface,
                    destination: Register::R0,
                },
                Expression::Lookup {
                    set: "marks".to_owned(),
                    source: Register::R0,
                    result: LookupResult::Value(Register::R4),
                },
                Expression::SetMeta {
                    key: MetaKey::Mark,
                    source: Register::R4,
                },
            ],
        )],
        ..Plan::default()
    };
    plan.install(&mut connection, &table());
    let text = listed(&table());
    assert_lists(
        &text,
        "type iface_index : mark elements = { 77 : 0x00000005 }",
    );
    assert_lists(&text, "meta mark set iif map @marks");
}

#[test]
fn objects_and_object_maps() {
    let mut connection = isolated();
    let mut counted = Object::counter("rule-1");
    counted.userdata = UserData::comment("web.yaml:7");
    let objects = vec![
        counted,
        Object::limit("slow", Limit::bytes_per_second(12_500_000, 65_536).over()),
    ];
    let plan = Plan {
        chains: vec![base_chain()],
        objects,
        sets: vec![(
            Set::new(
                "limits",
                &[Datatype::INTERFACE_INDEX],
                SetData::Object(ObjectKind::LIMIT),
            ),
            vec![Element::object(interface(77).to_vec(), "slow")],
        )],
        rules: vec![
            Rule::new(
                "c",
                vec![Expression::Object {
                    kind: ObjectKind::COUNTER,
                    name: "rule-1".to_owned(),
                }],
            )
            .with_comment("accept in http"),
            Rule::new(
                "c",
                vec![
                    Expression::Meta {
                        key: MetaKey::InputInterface,
                        destination: Register::R0,
                    },
                    Expression::ObjectMap {
                        set: "limits".to_owned(),
                        source: Register::R0,
                    },
                    Expression::Verdict(Verdict::Drop),
                ],
            ),
        ],
    };
    plan.install(&mut connection, &table());
    assert_eq!(connection.objects(&table()).expect("readable").len(), 2);
    let text = listed(&table());
    assert_lists(
        &text,
        r#"counter rule-1 { comment "web.yaml:7" packets 0 bytes 0 }"#,
    );
    assert_lists(
        &text,
        "limit slow { rate over 12500000 bytes/second burst 64 kbytes }",
    );
    assert_lists(
        &text,
        r#"map limits { type iface_index : limit elements = { 77 : "slow" } }"#,
    );
    assert_eq!(
        listed_rules(&table()),
        [
            r#"counter name "rule-1" comment "accept in http""#,
            "limit name iif map @limits drop",
        ]
    );
}

#[test]
fn elements_with_counters_and_limits() {
    let mut element = Element::new(MAC.to_vec());
    element.expressions = vec![
        Expression::Limit(Limit::packets_per_second(200)),
        Expression::Counter(Counter::default()),
    ];
    let mut single = Element::new(MAC.to_vec());
    single.expressions = vec![Expression::Counter(Counter::default())];
    let counter = || vec![Expression::Counter(Counter::default())];
    let text = listing(vec![
        (
            Set::new("several", &[Datatype::ETHER_ADDRESS], SetData::None).with_expressions(vec![
                Expression::Limit(Limit::packets_per_second(200)),
                Expression::Counter(Counter::default()),
            ]),
            vec![element],
        ),
        (
            Set::new("counted", &[Datatype::ETHER_ADDRESS], SetData::None)
                .with_expressions(counter()),
            vec![single],
        ),
    ]);
    assert_lists(&text, "52:54:00:00:00:01 counter packets 0 bytes 0");
    assert_lists(
        &text,
        "52:54:00:00:00:01 limit rate 200/second counter packets 0 bytes 0",
    );
}

/// What the kernel adds by itself: such elements differ from what was sent.
#[test]
fn elements_get_the_expressions_of_their_set() {
    let mut connection = isolated();
    let counter = vec![Expression::Counter(Counter::default())];
    let set =
        Set::new("s", &[Datatype::ETHER_ADDRESS], SetData::None).with_expressions(counter.clone());
    let mut batch = Batch::new(None);
    batch.add_table(&Table::new(table()));
    batch.add_set(&table(), &set);
    batch.add_elements(&table(), "s", &[Element::new(MAC.to_vec())]);
    connection.commit(&batch).expect("accepted");
    let found = elements_of(&mut connection, "s");
    let expressions: Vec<_> = found.iter().map(|element| &element.expressions).collect();
    assert_eq!(expressions, [&counter]);
}

#[test]
fn timeouts_comments_and_catch_all() {
    let mut named = Set::new("named", &[Datatype::ETHER_ADDRESS], SetData::None);
    named.userdata = UserData::set(Some(ByteOrder::Network), None, Some("who may"));
    let mut lasting = Element::new(MAC.to_vec());
    lasting.timeout = Some(3_600_000);
    let catch_all = Element {
        catch_all: true,
        ..Element::verdict(Vec::new(), Verdict::Drop)
    };
    let text = listing(vec![
        (named, Vec::new()),
        (
            Set::new("lasting", &[Datatype::ETHER_ADDRESS], SetData::None).with_timeout(None),
            vec![lasting],
        ),
        (
            Set::new("rest", &[Datatype::ETHER_ADDRESS], SetData::Verdict),
            vec![catch_all],
        ),
    ]);
    assert_lists(&text, r#"set named { type ether_addr comment "who may" }"#);
    assert_lists(&text, "52:54:00:00:00:01 timeout 1h expires");
    assert_lists(&text, "elements = { * : drop }");
}

#[test]
fn dynamic_sets() {
    for expressions in [
        Vec::new(),
        vec![Expression::Limit(Limit::packets_per_second(10).over())],
        vec![
            Expression::Limit(Limit::packets_per_second(10).over()),
            Expression::Counter(Counter::default()),
        ],
    ] {
        let mut connection = isolated();
        let mut set = Set::new("seen", &[Datatype::ETHER_ADDRESS], SetData::None)
            .with_dynamic()
            .with_timeout(Some(60_000));
        set.size = Some(1000);
        let plan = Plan {
            chains: vec![base_chain()],
            sets: vec![(set, Vec::new())],
            rules: vec![Rule::new(
                "c",
                vec![
                    Expression::Payload {
                        base: PayloadBase::Link,
                        offset: 6,
                        length: 6,
                        destination: Register::R0,
                    },
                    Expression::DynamicSet {
                        set: "seen".to_owned(),
                        operation: DynamicOperation::Update,
                        key: Register::R0,
                        data: None,
                        timeout: 5000,
                        invert: false,
                        expressions: expressions.clone(),
                    },
                ],
            )],
            ..Plan::default()
        };
        plan.install(&mut connection, &table());
        let rules = listed_rules(&table());
        let first = rules.first().expect("a rule");
        assert!(
            first.starts_with("update @seen { ether saddr timeout 5s"),
            "{first}"
        );
    }
}

/// One lookup in a concatenated map with every register the key takes.
#[test]
fn lookup_of_a_concatenation() {
    let mut connection = isolated();
    let load = |base, offset, length, destination| Expression::Payload {
        base,
        offset,
        length,
        destination,
    };
    let plan = Plan {
        chains: vec![base_chain(), Chain::regular("port-1")],
        sets: vec![(
            Set::new(
                "from4",
                &[
                    Datatype::INTERFACE_INDEX,
                    Datatype::ETHER_ADDRESS,
                    Datatype::IPV4_ADDRESS,
                ],
                SetData::Verdict,
            ),
            Vec::new(),
        )],
        rules: vec![Rule::new(
            "c",
            vec![
                Expression::Meta {
                    key: MetaKey::Protocol,
                    destination: Register::R0,
                },
                Expression::Compare {
                    source: Register::R0,
                    operator: Comparison::Equal,
                    value: vec![8, 0],
                },
                Expression::Meta {
                    key: MetaKey::InputInterface,
                    destination: Register::R0,
                },
                load(PayloadBase::Link, 6, 6, Register::R1),
                load(PayloadBase::Network, 12, 4, Register::R3),
                Expression::Lookup {
                    set: "from4".to_owned(),
                    source: Register::R0,
                    result: LookupResult::Verdict,
                },
            ],
        )],
        ..Plan::default()
    };
    plan.install(&mut connection, &table());
    assert_eq!(
        listed_rules(&table()),
        ["iif . ether saddr . ip saddr vmap @from4"]
    );
}

/// What nft itself installs reads as the same values that this crate makes.
#[test]
fn nft_means_the_same() {
    let mut connection = isolated();
    run("nft 'add table bridge t; add chain bridge t port-1; \
         add map bridge t ports { type iface_index : verdict; }; \
         add element bridge t ports { 77 comment \"web-1/0\" : jump port-1 }; \
         add set bridge t nets { type ipv4_addr; flags interval; comment \"x\"; }; \
         add element bridge t nets { 10.9.0.0/24 }'");
    let contents = connection
        .dump_table(&table())
        .expect("readable")
        .expect("there");
    let ports = contents.set("ports").expect("there");
    // nft writes down more for itself than it needs.
    let written = Set {
        userdata: UserData::none(),
        ..ports.set.value.clone()
    };
    let ours = Set {
        userdata: UserData::none(),
        ..Set::new("ports", &[Datatype::INTERFACE_INDEX], SetData::Verdict)
    };
    assert_eq!(written, ours);
    assert_eq!(
        ports.elements,
        [
            Element::verdict(interface(77).to_vec(), Verdict::jump("port-1"))
                .with_comment("web-1/0")
        ]
    );
    let mut nets = Set::new("nets", &[Datatype::IPV4_ADDRESS], SetData::None).with_intervals();
    nets.userdata = UserData::set(Some(ByteOrder::Network), None, Some("x"));
    assert_eq!(contents.set("nets").expect("there").set.value, nets);
}

#[test]
fn ten_thousand_elements_in_few_messages() {
    let mut connection = isolated();
    let set = Set::new(
        "from4",
        &[
            Datatype::INTERFACE_INDEX,
            Datatype::ETHER_ADDRESS,
            Datatype::IPV4_ADDRESS,
        ],
        SetData::Verdict,
    );
    let mut elements: Vec<Element> = (0..10_000u32)
        .map(|number| {
            let key = joined(&[&interface(number), &MAC, &number.to_be_bytes()]);
            Element::verdict(key, Verdict::goto("port-1")).with_comment("web/0")
        })
        .collect();
    let mut batch = Batch::new(None);
    batch.add_table(&Table::new(table()));
    batch.add_chain(&table(), &Chain::regular("port-1"));
    batch.add_set(&table(), &set);
    batch.add_elements(&table(), "from4", &elements);
    let rule = Rule::new("port-1", vec![Expression::Verdict(Verdict::Accept)]);
    batch.add_rule(&table(), &rule, Place::Last);
    let statistics = batch.statistics();
    assert_eq!((statistics.elements, statistics.rules), (10_000, 1));
    assert!(statistics.messages < 30, "{statistics:?}");
    assert!(statistics.bytes < batch.encode().len());
    connection.commit(&batch).expect("accepted");
    let mut found = elements_of(&mut connection, "from4");
    found.sort();
    elements.sort();
    assert_eq!(found, elements);

    let mut batch = Batch::new(None);
    batch.delete_elements(&table(), "from4", elements.iter().skip(1));
    connection.commit(&batch).expect("accepted");
    let left = elements_of(&mut connection, "from4");
    assert_eq!(left.as_slice(), elements.get(..1).expect("one"));
    let mut batch = Batch::new(None);
    batch.flush_set(&table(), "from4");
    connection.commit(&batch).expect("accepted");
    assert_eq!(elements_of(&mut connection, "from4"), []);
}
