//! Expressions where the kernel at hand cannot tell, or kernels differ: bridge names, limits, later fragments,
//! overlapping ranges, and what has no answer.

use frame::build::Extension;
use frame::{FrameBuilder, MacAddress};
use nftables::{
    Chain, Comparison, Datatype, Element, ElementData, Expression, Hook, HookPoint, Limit, Log,
    LookupResult, MetaKey, Object, ObjectKind, ObjectState, PayloadBase, Policy, Register, Rule,
    Set, SetData, Verdict,
};

use super::control::some_frame;
use crate::interpret::{
    FinalVerdict, InterpretError, Interpreter, LaterFragments, Options, Outcome, Packet,
};

fn builder() -> FrameBuilder {
    FrameBuilder::new(
        MacAddress([2, 0, 0, 0, 0, 1]),
        MacAddress([2, 0, 0, 0, 0, 2]),
    )
}

/// A chain that drops, with one rule that accepts if the expressions match.
fn run(
    expressions: &[Expression],
    sets: &[(Set, Vec<Element>)],
    packet: &Packet<'_>,
    options: Options,
) -> Result<Outcome, InterpretError> {
    let hook = Hook::filter(HookPoint::Prerouting, 0, Policy::Drop);
    let chains = [Chain::base("base", hook)];
    let accept = [Expression::Verdict(Verdict::Accept)];
    let rules = [Rule::new("base", [expressions, &accept].concat())];
    let objects = [
        Object::counter("same name"),
        Object::new(
            "same name",
            ObjectState::Limit(Limit::packets_per_second(1)),
        ),
    ];
    let sets = sets.iter().map(|(set, elements)| (set, elements));
    Interpreter::from_parts(&chains, &rules, sets, &objects).run_with(
        HookPoint::Prerouting,
        packet,
        options,
    )
}

fn matches(expressions: &[Expression], packet: &Packet<'_>, options: Options) -> bool {
    let outcome = run(expressions, &[], packet, options);
    outcome.expect("known").verdict == FinalVerdict::Accept
}

fn equal(source: Register, value: &[u8]) -> Expression {
    Expression::Compare {
        source,
        operator: Comparison::Equal,
        value: value.to_vec(),
    }
}

fn load(base: PayloadBase, offset: u32, length: u32) -> Expression {
    Expression::Payload {
        base,
        offset,
        length,
        destination: Register::R0,
    }
}

#[test]
fn a_bridges_name_is_sixteen_bytes_and_must_be_told() {
    let frame = some_frame();
    let name = |key, value: &[u8; 16]| {
        let destination = Register::R4;
        [
            Expression::Meta { key, destination },
            equal(destination, value),
        ]
    };
    let packet = Packet {
        input_bridge: Some("br0"),
        ..Packet::arriving(&frame, 4)
    };
    let rule = name(MetaKey::BridgeInputName, b"br0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    assert!(matches(&rule, &packet, Options::default()));
    let unnamed = run(&rule, &[], &Packet::arriving(&frame, 4), Options::default());
    assert!(matches!(unnamed, Err(InterpretError::Unsupported { .. })));
    let nowhere = name(MetaKey::BridgeOutputName, &[0; 16]);
    assert!(matches(&nowhere, &packet, Options::default()));
}

#[test]
fn limits_are_not_reached_unless_told() {
    let frame = some_frame();
    let packet = Packet::arriving(&frame, 4);
    let exceeded = |exceeded| Options {
        exceeded,
        ..Options::default()
    };
    for over in [false, true] {
        let limit = Limit {
            over,
            ..Limit::packets_per_second(1)
        };
        let rule = [Expression::Limit(limit)];
        assert_eq!(matches(&rule, &packet, exceeded(false)), !over);
        assert_eq!(matches(&rule, &packet, exceeded(true)), over);
    }
    let object = |kind| Expression::Object {
        kind,
        name: "same name".to_owned(),
    };
    assert!(!matches(
        &[object(ObjectKind::LIMIT)],
        &packet,
        exceeded(true)
    ));
    let counted = run(&[object(ObjectKind::COUNTER)], &[], &packet, exceeded(true));
    assert_eq!(counted.expect("known").counters, ["same name"]);
}

#[test]
fn an_elements_own_limit_takes_its_verdict_back() {
    let frame = some_frame();
    let packet = Packet::arriving(&frame, 4);
    let set = Set::new("ports", &[Datatype::INTERFACE_INDEX], SetData::Verdict);
    let element = Element {
        expressions: vec![Expression::Limit(Limit::packets_per_second(1))],
        ..Element::verdict(4_u32.to_ne_bytes().to_vec(), Verdict::Accept)
    };
    let rule = [
        Expression::Meta {
            key: MetaKey::InputInterface,
            destination: Register::R0,
        },
        Expression::Lookup {
            set: "ports".to_owned(),
            source: Register::R0,
            result: LookupResult::Verdict,
        },
    ];
    let sets = [(set, vec![element.with_comment("web-1/0")])];
    let outcome = run(&rule, &sets, &packet, Options::default()).expect("known");
    assert_eq!(outcome.verdict, FinalVerdict::Accept);
    let hits = outcome.decisive.expect("a rule decided").hits;
    assert_eq!(hits[0].comment.as_deref(), Some("web-1/0"));
    let options = Options {
        exceeded: true,
        ..Options::default()
    };
    let outcome = run(&rule, &sets, &packet, options).expect("known");
    assert_eq!(outcome.verdict, FinalVerdict::Drop);
}

#[test]
fn ports_of_a_later_fragment_depend_on_the_kernel() {
    let options = |later_fragments| Options {
        later_fragments,
        ..Options::default()
    };
    let v4 = builder()
        .ipv4("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap())
        .fragment(8, false)
        .protocol(17)
        .payload([0, 1, 0, 80, 0, 8, 0, 0])
        .build();
    let port = [
        load(PayloadBase::Transport, 2, 2),
        equal(Register::R0, &[0, 80]),
    ];
    let packet = Packet::arriving(&v4, 4);
    let unknown = run(&port, &[], &packet, Options::default());
    assert!(matches!(unknown, Err(InterpretError::Unsupported { .. })));
    assert!(matches(&port, &packet, options(LaterFragments::Misread)));
    assert!(!matches(&port, &packet, options(LaterFragments::NotLoaded)));
    // In IPv6 the offset is that of the IPv6 header, and its flow label stands where the port is looked for.
    let mut v6 = builder()
        .ipv6("fe80::1".parse().unwrap(), "fe80::2".parse().unwrap())
        .extension(Extension::fragment(8, false, 1))
        .protocol(17)
        .payload([0; 8])
        .build();
    v6[16..18].copy_from_slice(&[0, 80]);
    let labelled = Packet::arriving(&v6, 4);
    assert!(matches(&port, &labelled, options(LaterFragments::Misread)));
    // Three bytes, or two at an odd place, take the way that asks for fragments.
    for (offset, length) in [(0, 3), (1, 2), (2, 4), (0, 8)] {
        let rule = [load(PayloadBase::Transport, offset, length)];
        assert!(!matches(&rule, &packet, Options::default()));
    }
}

#[test]
fn ranges_that_cross_have_no_answer_where_they_differ() {
    let frame = some_frame();
    let packet = Packet::arriving(&frame, 4);
    let key = [Datatype::ETHER_TYPE, Datatype::ETHER_TYPE];
    let set = Set::new("crossed", &key, SetData::value(Datatype::MARK)).with_intervals();
    let element = |from: [u8; 2], to: [u8; 2], mark: u32| Element {
        data: Some(ElementData::Value(mark.to_ne_bytes().to_vec())),
        ..Element::new(vec![0, from[0], 0, 0, 0, from[1], 0, 0])
            .up_to(vec![0, to[0], 0, 0, 0, to[1], 0, 0])
    };
    let value = |destination, value: u8| Expression::Immediate {
        destination,
        value: vec![0, value],
    };
    let rule = [
        value(Register::R0, 5),
        value(Register::R1, 5),
        Expression::Lookup {
            set: "crossed".to_owned(),
            source: Register::R0,
            result: LookupResult::Value(Register::R2),
        },
    ];
    let outcome = |marks: [u32; 2]| {
        let elements = vec![
            element([0, 5], [9, 5], marks[0]),
            element([5, 0], [5, 9], marks[1]),
        ];
        run(
            &rule,
            &[(set.clone(), elements)],
            &packet,
            Options::default(),
        )
    };
    assert_eq!(
        outcome([1, 1]).expect("known").verdict,
        FinalVerdict::Accept
    );
    assert!(matches!(
        outcome([1, 2]),
        Err(InterpretError::Unsupported { .. })
    ));
}

#[test]
fn what_is_not_known_is_told_only_if_it_is_reached() {
    let frame = some_frame();
    let packet = Packet::arriving(&frame, 4);
    let opaque = Expression::Opaque {
        name: "socket".to_owned(),
        attributes: None,
    };
    let told = run(
        std::slice::from_ref(&opaque),
        &[],
        &packet,
        Options::default(),
    );
    assert!(matches!(
        told,
        Err(InterpretError::Unsupported { chain, rule: 0, expression, .. })
            if chain == "base" && expression == "socket"
    ));
    let transport = load(PayloadBase::Transport, 0, 2);
    assert!(!matches(&[transport, opaque], &packet, Options::default()));
}

#[test]
fn log_prefixes_are_kept() {
    let frame = some_frame();
    let log = Expression::Log(Log::Group {
        group: 1,
        prefix: "moat".to_owned(),
        snapshot: None,
        queue_threshold: 0,
    });
    let packet = Packet::arriving(&frame, 4);
    let outcome = run(&[log], &[], &packet, Options::default()).expect("known");
    assert_eq!(outcome.log_prefixes, ["moat"]);
}

#[test]
fn a_frame_that_the_kernel_drops_first_is_no_frame() {
    let truncated = [0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x81, 0, 0, 7, 8, 0];
    let packet = Packet::arriving(&truncated, 4);
    let outcome = run(&[], &[], &packet, Options::default());
    assert!(matches!(outcome, Err(InterpretError::Frame(_))));
}
