//! Every expression: the kernel takes it, reports what was sent, and nft reads it as what it means.

use crate::support::{Plan, base_chain, isolated, listed_rules, run, table};
use nftables::{
    BitOperation, ByteOrderOperation, Comparison, Counter, Expression, ExtensionKind, Family, Hook,
    HookPoint, Limit, LimitUnit, Log, LookupResult, MetaKey, PayloadBase, Policy, Quota, Register,
    Reject, TableId, Verdict,
};
use nftables::{Chain, ConnectionKey, connection_state};

const R0: Register = Register::R0;

fn meta(key: MetaKey) -> Expression {
    Expression::Meta {
        key,
        destination: R0,
    }
}

fn equal(value: impl Into<Vec<u8>>) -> Expression {
    Expression::Compare {
        source: R0,
        operator: Comparison::Equal,
        value: value.into(),
    }
}

fn payload(base: PayloadBase, offset: u32, length: u32) -> Expression {
    Expression::Payload {
        base,
        offset,
        length,
        destination: R0,
    }
}

fn protocol(ether_type: u16) -> [Expression; 2] {
    [meta(MetaKey::Protocol), equal(ether_type.to_be_bytes())]
}

fn check(expressions: Vec<Expression>, expected: &str) {
    check_in(&table(), base_chain(), expressions, expected);
}

fn check_in(table: &TableId, chain: Chain, expressions: Vec<Expression>, expected: &str) {
    let mut connection = isolated();
    let mut plan = Plan::rule(expressions);
    plan.chains = vec![chain, Chain::regular("target")];
    plan.install(&mut connection, table);
    assert_eq!(
        listed_rules(table).first().map(String::as_str),
        Some(expected)
    );
}

fn interface_name(name: &str) -> Vec<u8> {
    let mut bytes = name.as_bytes().to_vec();
    bytes.resize(16, 0);
    bytes
}

#[test]
fn meta_loads() {
    check(
        vec![
            meta(MetaKey::InputInterfaceName),
            equal(interface_name("vnet3")),
        ],
        r#"iifname "vnet3""#,
    );
    check(
        vec![
            meta(MetaKey::OutputInterfaceName),
            equal(interface_name("vnet3")),
        ],
        r#"oifname "vnet3""#,
    );
    check(
        vec![meta(MetaKey::InputInterface), equal(1u32.to_ne_bytes())],
        r#"iif "lo""#,
    );
    check(
        vec![meta(MetaKey::OutputInterface), equal(77u32.to_ne_bytes())],
        "oif 77",
    );
    check(protocol(0x0806).to_vec(), "meta protocol arp");
    check(
        vec![meta(MetaKey::TransportProtocol), equal([17])],
        "meta l4proto udp",
    );
    check(
        vec![meta(MetaKey::PacketType), equal([1])],
        "meta pkttype broadcast",
    );
    check(
        vec![meta(MetaKey::Length), equal(100u32.to_ne_bytes())],
        "meta length 100",
    );
    check(
        vec![meta(MetaKey::Mark), equal(5u32.to_ne_bytes())],
        "meta mark 0x00000005",
    );
}

#[test]
fn meta_sets() {
    check(
        vec![
            Expression::Immediate {
                destination: R0,
                value: 7u32.to_ne_bytes().to_vec(),
            },
            Expression::SetMeta {
                key: MetaKey::Mark,
                source: R0,
            },
        ],
        "meta mark set 0x00000007",
    );
}

#[test]
fn payload_and_comparisons() {
    check(
        vec![
            payload(PayloadBase::Link, 6, 6),
            equal([0x52, 0x54, 0, 0, 0, 1]),
        ],
        "ether saddr 52:54:00:00:00:01",
    );
    let mut expressions = protocol(0x0800).to_vec();
    expressions.extend([payload(PayloadBase::Network, 12, 4), equal([10, 0, 0, 5])]);
    check(expressions, "ip saddr 10.0.0.5");
    for (operator, sign) in [
        (Comparison::NotEqual, "!="),
        (Comparison::Less, "<"),
        (Comparison::LessOrEqual, "<="),
        (Comparison::Greater, ">"),
        (Comparison::GreaterOrEqual, ">="),
    ] {
        let expressions = vec![
            meta(MetaKey::TransportProtocol),
            equal([6]),
            payload(PayloadBase::Transport, 2, 2),
            Expression::Compare {
                source: R0,
                operator,
                value: vec![0, 80],
            },
        ];
        check(expressions, &format!("tcp dport {sign} 80"));
    }
}

#[test]
fn ranges() {
    for (invert, text) in [(false, "tcp dport 80-90"), (true, "tcp dport != 80-90")] {
        let expressions = vec![
            meta(MetaKey::TransportProtocol),
            equal([6]),
            payload(PayloadBase::Transport, 2, 2),
            Expression::Range {
                source: R0,
                invert,
                from: vec![0, 80],
                to: vec![0, 90],
            },
        ];
        check(expressions, text);
    }
}

#[test]
fn bits() {
    let mut expressions = protocol(0x0800).to_vec();
    expressions.extend([
        payload(PayloadBase::Network, 12, 4),
        Expression::Bitwise {
            source: R0,
            destination: R0,
            operation: BitOperation::MaskXor {
                mask: vec![255, 255, 240, 0],
                xor: vec![0; 4],
            },
        },
        equal([10, 9, 0, 0]),
    ]);
    check(expressions, "ip saddr 10.9.0.0/20");
    let shifted = |operation, sign: &str| {
        check(
            vec![
                meta(MetaKey::Mark),
                Expression::Bitwise {
                    source: R0,
                    destination: Register::R1,
                    operation,
                },
                Expression::SetMeta {
                    key: MetaKey::Mark,
                    source: Register::R1,
                },
            ],
            &format!("meta mark set meta mark {sign} 8"),
        );
    };
    shifted(BitOperation::ShiftLeft { bits: 8, length: 4 }, "<<");
    shifted(BitOperation::ShiftRight { bits: 8, length: 4 }, ">>");
}

#[test]
fn byte_order() {
    let mut connection = isolated();
    Plan::rule(vec![
        payload(PayloadBase::Network, 2, 2),
        Expression::ByteOrder {
            source: R0,
            destination: R0,
            operation: ByteOrderOperation::ToHost,
            length: 2,
            size: 2,
        },
        Expression::ByteOrder {
            source: R0,
            destination: Register::R5,
            operation: ByteOrderOperation::ToNetwork,
            length: 2,
            size: 2,
        },
    ])
    .install(&mut connection, &table());
}

#[test]
fn verdicts() {
    for (verdict, text) in [
        (Verdict::Accept, "accept"),
        (Verdict::Drop, "drop"),
        (Verdict::Continue, "continue"),
        (Verdict::Return, "return"),
        (Verdict::jump("target"), "jump target"),
        (Verdict::goto("target"), "goto target"),
    ] {
        check(vec![Expression::Verdict(verdict)], text);
    }
}

#[test]
fn counters_limits_quotas() {
    check(
        vec![Expression::Counter(Counter::default())],
        "counter packets 0 bytes 0",
    );
    check(
        vec![Expression::Limit(Limit::packets_per_second(200))],
        "limit rate 200/second",
    );
    check(
        vec![Expression::Limit(
            Limit::bytes_per_second(12_500_000, 65_536).over(),
        )],
        "limit rate over 12500000 bytes/second burst 64 kbytes",
    );
    check(
        vec![Expression::Limit(Limit {
            unit: LimitUnit::Packets,
            rate: 3,
            per_seconds: 60,
            burst: 9,
            over: false,
        })],
        "limit rate 3/minute burst 9 packets",
    );
    check(
        vec![Expression::Quota(Quota {
            bytes: 1000,
            over: true,
            consumed: 0,
        })],
        "quota over 1000 bytes",
    );
}

#[test]
fn logs() {
    check(
        vec![Expression::Log(Log::Group {
            group: 77,
            prefix: "moat:1".to_owned(),
            snapshot: Some(96),
            queue_threshold: 3,
        })],
        r#"log prefix "moat:1" group 77 snaplen 96 queue-threshold 3"#,
    );
    check(
        vec![Expression::Log(Log::Group {
            group: 0,
            prefix: String::new(),
            snapshot: None,
            queue_threshold: 0,
        })],
        "log group 0",
    );
    check(
        vec![Expression::Log(Log::Kernel {
            level: 6,
            flags: 0,
            prefix: "x".to_owned(),
        })],
        r#"log prefix "x" level info"#,
    );
}

#[test]
fn extension_headers() {
    let fragment = |presence, offset, length| Expression::ExtensionHeader {
        kind: ExtensionKind::Ipv6,
        header: 44,
        offset,
        length,
        presence,
        destination: R0,
    };
    let mut expressions = protocol(0x86dd).to_vec();
    expressions.extend([fragment(true, 0, 1), equal([1])]);
    check(expressions, "exthdr frag exists");
    let mut expressions = protocol(0x86dd).to_vec();
    expressions.extend([fragment(false, 0, 1), equal([17])]);
    check(expressions, "frag nexthdr udp");
}

/// Connection tracking and rejects do not work in this machine's bridge family, so these are of the inet family.
fn check_inet(expressions: Vec<Expression>, expected: &str) {
    let chain = Chain::base("c", Hook::filter(HookPoint::Input, 0, Policy::Accept));
    let table = TableId::new(Family::Inet, "t");
    check_in(&table, chain, expressions, expected);
}

#[test]
fn connections() {
    let state = connection_state::ESTABLISHED | connection_state::RELATED;
    check_inet(
        vec![
            Expression::Connection {
                key: ConnectionKey::State,
                direction: None,
                destination: R0,
            },
            Expression::Bitwise {
                source: R0,
                destination: R0,
                operation: BitOperation::MaskXor {
                    mask: state.to_ne_bytes().to_vec(),
                    xor: vec![0; 4],
                },
            },
            Expression::Compare {
                source: R0,
                operator: Comparison::NotEqual,
                value: vec![0; 4],
            },
        ],
        "ct state established,related",
    );
    check_inet(
        vec![
            Expression::Immediate {
                destination: R0,
                value: 9u32.to_ne_bytes().to_vec(),
            },
            Expression::SetConnection {
                key: ConnectionKey::Mark,
                direction: None,
                source: R0,
            },
        ],
        "ct mark set 0x00000009",
    );
    check_inet(vec![Expression::NoTrack], "notrack");
}

#[test]
fn rejects() {
    check_inet(
        vec![Expression::Reject(Reject::IcmpBothFamilies(3))],
        "reject with icmpx admin-prohibited",
    );
    check_inet(
        vec![
            meta(MetaKey::TransportProtocol),
            equal([6]),
            Expression::Reject(Reject::TcpReset),
        ],
        "meta l4proto tcp reject with tcp reset",
    );
}

#[test]
fn unknown_expressions_survive() {
    let mut connection = isolated();
    run(
        "nft 'add table inet t; add chain inet t c; add rule inet t c meta mark set numgen inc mod 2; add rule inet t c fib saddr oif 0'",
    );
    let contents = connection
        .dump_table(&TableId::new(Family::Inet, "t"))
        .expect("readable")
        .expect("there");
    let names: Vec<_> = contents
        .rules
        .iter()
        .filter_map(|rule| rule.value.expressions.first())
        .map(|expression| {
            (
                expression.name(),
                matches!(expression, Expression::Opaque { .. }),
            )
        })
        .collect();
    assert_eq!(names, [("numgen", true), ("fib", true)]);
    // They can be sent as they came.
    let plan = Plan {
        chains: contents.chains.iter().map(|c| c.value.clone()).collect(),
        rules: contents.rules.iter().map(|r| r.value.clone()).collect(),
        ..Plan::default()
    };
    plan.install(&mut connection, &TableId::new(Family::Inet, "again"));
}

#[test]
fn lookups_use_registers_as_the_kernel_reports_them() {
    // Slot 4 is 16-byte register 2 to the kernel, slot 5 is not.
    for destination in [Register::R4, Register::R5, Register::R15] {
        let mut connection = isolated();
        let mut plan = Plan::rule(vec![
            Expression::Meta {
                key: MetaKey::Mark,
                destination,
            },
            Expression::Lookup {
                set: "s".to_owned(),
                source: destination,
                result: LookupResult::Absent,
            },
        ]);
        plan.sets = vec![(
            nftables::Set::new("s", &[nftables::Datatype::MARK], nftables::SetData::None),
            vec![nftables::Element::new(3u32.to_ne_bytes().to_vec())],
        )];
        plan.install(&mut connection, &table());
        assert_eq!(listed_rules(&table()), ["meta mark != @s"]);
    }
}
