//! Connection tracking: what `ct state` loads before and behind the bridge's conntrack hook, zones and `notrack`.

use frame::{FrameBuilder, MacAddress};
use nftables::{
    Chain, Comparison, ConnectionKey, Element, Expression, Hook, HookPoint, Object, ObjectKind,
    Policy, Register, Rule, Set, connection_state,
};

use super::control::some_frame;
use crate::interpret::{ConnectionState, InterpretError, Interpreter, Outcome, Packet};

const STATES: [(&str, u32); 5] = [
    ("new", connection_state::NEW),
    ("established", connection_state::ESTABLISHED),
    ("related", connection_state::RELATED),
    ("invalid", connection_state::INVALID),
    ("untracked", connection_state::UNTRACKED),
];

fn udp() -> Vec<u8> {
    FrameBuilder::new(
        MacAddress([2, 0, 0, 0, 0, 1]),
        MacAddress([2, 0, 0, 0, 0, 2]),
    )
    .ipv4("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap())
    .udp(1, 2)
    .build()
}

fn set_zone(zone: u16) -> [Expression; 2] {
    [
        Expression::Immediate {
            destination: Register::R0,
            value: zone.to_ne_bytes().to_vec(),
        },
        Expression::SetConnection {
            key: ConnectionKey::Zone,
            direction: None,
            source: Register::R0,
        },
    ]
}

/// Runs `first` at a priority, then asks for the state there and at another; the counters name what it was.
fn states(
    frame: &[u8],
    connection: ConnectionState,
    first: &[Expression],
    priorities: &[i32],
) -> Result<Outcome, InterpretError> {
    let mut chains = Vec::new();
    let mut rules = Vec::new();
    for (number, priority) in priorities.iter().enumerate() {
        let name = format!("at {priority}");
        let hook = Hook::filter(HookPoint::Prerouting, *priority, Policy::Accept);
        chains.push(Chain::base(&name, hook));
        if number == 0 {
            rules.push(Rule::new(&name, first.to_vec()));
        }
        for (state, bit) in STATES {
            rules.push(Rule::new(
                &name,
                vec![
                    Expression::Connection {
                        key: ConnectionKey::State,
                        direction: None,
                        destination: Register::R1,
                    },
                    Expression::Compare {
                        source: Register::R1,
                        operator: Comparison::Equal,
                        value: bit.to_ne_bytes().to_vec(),
                    },
                    Expression::Object {
                        kind: ObjectKind::COUNTER,
                        name: state.to_owned(),
                    },
                ],
            ));
        }
    }
    let objects: Vec<Object> = STATES
        .iter()
        .map(|(name, _)| Object::counter(*name))
        .collect();
    let no_sets: [(&Set, &[Element]); 0] = [];
    let packet = Packet {
        connection,
        ..Packet::arriving(frame, 4)
    };
    Interpreter::from_parts(&chains, &rules, no_sets, &objects).run(HookPoint::Prerouting, &packet)
}

fn names(
    frame: &[u8],
    connection: ConnectionState,
    first: &[Expression],
    priorities: &[i32],
) -> Vec<String> {
    let outcome = states(frame, connection, first, priorities);
    outcome.expect("known").counters
}

#[test]
fn before_conntrack_everything_is_invalid_and_behind_it_is_what_it_is() {
    for (state, name) in [
        (ConnectionState::New, "new"),
        (ConnectionState::Established, "established"),
        (ConnectionState::Related, "related"),
        (ConnectionState::Invalid, "invalid"),
        (ConnectionState::Untracked, "untracked"),
    ] {
        assert_eq!(names(&udp(), state, &[], &[-300, -150]), ["invalid", name]);
    }
}

#[test]
fn what_is_not_ip_is_untracked_and_what_is_malformed_is_invalid() {
    let state = ConnectionState::Established;
    assert_eq!(names(&some_frame(), state, &[], &[-150]), ["untracked"]);
    let mut malformed = udp();
    malformed[14] = 0x42;
    assert_eq!(names(&malformed, state, &[], &[-150]), ["invalid"]);
}

#[test]
fn notrack_counts_only_before_conntrack_has_looked() {
    let state = ConnectionState::Established;
    let first = [Expression::NoTrack];
    let early = names(&udp(), state, &first, &[-300, -150]);
    assert_eq!(early, ["untracked", "untracked"]);
    assert_eq!(names(&udp(), state, &first, &[-150]), ["established"]);
}

#[test]
fn the_first_zone_stays_and_its_template_reads_as_new() {
    let first = [set_zone(7), set_zone(8)].concat();
    let state = ConnectionState::Established;
    let outcome = states(&udp(), state, &first, &[-300, -150]).expect("known");
    assert_eq!(outcome.zone, Some(7));
    assert_eq!(outcome.counters, ["new", "established"]);
    let late = states(&udp(), state, &first, &[-150]).expect("known");
    assert_eq!(late.zone, None);
}

#[test]
fn a_template_is_not_exempted() {
    let first = [set_zone(7).to_vec(), vec![Expression::NoTrack]].concat();
    let state = ConnectionState::Established;
    assert_eq!(
        names(&udp(), state, &first, &[-300, -150]),
        ["new", "established"]
    );
}

#[test]
fn at_conntracks_own_priority_nothing_is_certain() {
    let outcome = states(&udp(), ConnectionState::New, &[], &[-200]);
    assert!(matches!(outcome, Err(InterpretError::Unsupported { .. })));
}
