//! The wire by itself: what is written is read again, cut anywhere; nothing panics and nothing
//! allocates what a peer only promises.

use std::time::Duration;

use libvirt::call::{self, Call};
use libvirt::event::{DomainEvent, DomainLifecycle, Event};
use libvirt::machine::{Arrival, Keepalive, Machine, ProtocolError};
use libvirt::xdr::{Decoder, Encoder, XdrError};
use libvirt::{DomainRef, ErrorCode, MOST_MESSAGE_BYTES, Uuid};
use proptest::prelude::*;

const NOW: Duration = Duration::ZERO;
const REMOTE: u32 = 0x2000_8086;
const KEEPALIVE: u32 = 0x6b65_6570;

/// A message as the daemon sends it.
fn message(
    program: u32,
    procedure: u32,
    kind: u32,
    serial: u32,
    status: u32,
    payload: &[u8],
) -> Vec<u8> {
    let length = u32::try_from(payload.len() + 28).expect("a short payload");
    let words = [length, program, 1, procedure, kind, serial, status];
    let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
    bytes.extend_from_slice(payload);
    bytes
}

fn domain() -> DomainRef {
    DomainRef {
        name: "web-1".to_owned(),
        uuid: Uuid([7; 16]),
        id: 3,
    }
}

fn written(domain: &DomainRef, encoder: &mut Encoder) {
    encoder
        .string(&domain.name)
        .uuid(domain.uuid)
        .signed(domain.id);
}

/// The payload of event 318: registration, domain, event, detail.
fn lifecycle(event: i32) -> Vec<u8> {
    let mut encoder = Encoder::default();
    encoder.signed(1);
    written(&domain(), &mut encoder);
    encoder.signed(event).signed(0);
    encoder.into_bytes()
}

fn error_payload() -> Vec<u8> {
    let mut encoder = Encoder::default();
    encoder.signed(42).signed(10);
    encoder.optional(Some("Domain not found"), |encoder, text| {
        encoder.string(text);
    });
    encoder.signed(2);
    encoder.optional(Some(domain()), |encoder, domain| written(&domain, encoder));
    for _ in 0..3 {
        encoder.optional(Some("détail"), |encoder, text| {
            encoder.string(text);
        });
    }
    encoder.signed(0).signed(0).optional(None::<()>, |_, ()| {});
    encoder.into_bytes()
}

/// Two calls, and all that may come back: their replies, an event, a ping, an unknown event.
fn dialogue() -> (Machine, Vec<u8>) {
    let mut machine = Machine::new(NOW);
    machine.call(110, &[]).expect("short");
    machine.call(23, &[0; 8]).expect("short");
    let bytes = [
        message(REMOTE, 318, 2, 0, 0, &lifecycle(2)),
        message(KEEPALIVE, 1, 2, 0, 0, &[]),
        message(REMOTE, 23, 1, 2, 1, &error_payload()),
        message(REMOTE, 9999, 2, 0, 0, &[1, 2, 3]),
        message(REMOTE, 110, 1, 1, 0, &[0, 0, 0, 1, b'x', 0, 0, 0]),
    ];
    (machine, bytes.concat())
}

fn check_dialogue(arrivals: &[Arrival], outgoing: &[u8]) {
    let [
        Arrival::Event(event),
        Arrival::Reply {
            result: Err(error), ..
        },
        Arrival::Reply {
            serial,
            result: Ok(uri),
        },
    ] = arrivals
    else {
        panic!("{arrivals:?}");
    };
    let Event::Domain { domain: of, event } = event else {
        panic!("{event:?}");
    };
    assert_eq!(*of, domain());
    assert_eq!(
        *event,
        DomainEvent::Lifecycle {
            event: DomainLifecycle::Started,
            detail: 0
        }
    );
    assert_eq!(
        (error.code, error.message.as_str()),
        (ErrorCode::NO_DOMAIN, "Domain not found")
    );
    assert_eq!(
        (serial.0, uri.as_slice()),
        (1, [0, 0, 0, 1, b'x', 0, 0, 0].as_slice())
    );
    let pong = message(KEEPALIVE, 2, 2, 0, 0, &[]);
    assert!(outgoing.ends_with(&pong), "the ping is answered");
}

#[test]
fn calls_have_libvirts_form() {
    let mut machine = Machine::new(NOW);
    let mut encoder = Encoder::default();
    let open = call::Open {
        uri: "qemu:///system".to_owned(),
        read_only: true,
    };
    open.encode(&mut encoder);
    machine.call(1, &encoder.into_bytes()).expect("short");
    let expected = [
        [
            0, 0, 0, 56, 0x20, 0, 0x80, 0x86, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0,
            0, 0,
        ]
        .as_slice(),
        &[0, 0, 0, 1, 0, 0, 0, 14],
        b"qemu:///system\0\0",
        &[0, 0, 0, 1],
    ];
    assert_eq!(machine.take_outgoing(), expected.concat());
    assert_eq!(machine.take_outgoing(), [0; 0]);
}

#[test]
fn a_peer_that_is_no_libvirt_is_told_apart() {
    let refused = |bytes: &[u8]| {
        let mut machine = Machine::new(NOW);
        machine.receive(bytes, NOW).expect_err("no libvirt")
    };
    assert_eq!(refused(b"HTTP/1.1 400"), ProtocolError::Length(0x4854_5450));
    assert_eq!(refused(&[0, 0, 0, 27]), ProtocolError::Length(27));
    assert!(matches!(
        refused(&message(0x2000_8087, 1, 1, 1, 0, &[])),
        ProtocolError::Program { .. }
    ));
    assert!(matches!(
        refused(&message(REMOTE, 1, 1, 1, 0, &[])),
        ProtocolError::Serial { serial: 1, .. }
    ));
    assert!(matches!(
        refused(&message(REMOTE, 1, 3, 1, 0, &[])),
        ProtocolError::Kind { kind: 3, .. }
    ));
    assert!(matches!(
        refused(&message(REMOTE, 318, 2, 0, 0, &[0; 3])),
        ProtocolError::Payload { .. }
    ));
    let mut longer = lifecycle(2);
    longer.extend_from_slice(&[0; 4]);
    let error = refused(&message(REMOTE, 318, 2, 0, 0, &longer));
    assert_eq!(
        error,
        ProtocolError::Payload {
            procedure: 318,
            error: XdrError::LeftOver { left: 4 }
        }
    );
}

#[test]
fn a_reply_answers_one_call_once() {
    let mut machine = Machine::new(NOW);
    let serial = machine.call(110, &[]).expect("short");
    let reply = message(REMOTE, 110, 1, serial.0, 0, &[0, 0, 0, 0]);
    assert_eq!(
        machine.receive(&reply, NOW).map(|arrivals| arrivals.len()),
        Ok(1)
    );
    assert!(machine.receive(&reply, NOW).is_err());
    let serial = machine.call(110, &[]).expect("short");
    assert!(
        machine
            .receive(&message(REMOTE, 14, 1, serial.0, 0, &[]), NOW)
            .is_err(),
        "of another procedure"
    );
}

#[test]
fn silence_is_asked_and_given_up() {
    let second = Duration::from_secs(1);
    let mut machine = Machine::new(NOW);
    assert_eq!(machine.wake_at(), None);
    machine.watch(
        Keepalive {
            interval: second * 5,
            count: 2,
        },
        NOW,
    );
    assert_eq!(machine.wake_at(), Some(second * 5));
    machine.tick(second * 4).expect("not yet");
    assert!(machine.take_outgoing().is_empty());
    machine.tick(second * 5).expect("asks");
    assert_eq!(machine.take_outgoing(), message(KEEPALIVE, 1, 2, 0, 0, &[]));
    // Any byte is a sign of life.
    machine
        .receive(&message(KEEPALIVE, 2, 2, 0, 0, &[]), second * 6)
        .expect("a pong");
    for at in [11, 16] {
        machine.tick(second * at).expect("asks");
    }
    assert_eq!(
        machine.tick(second * 21),
        Err(ProtocolError::Silent(second * 15))
    );
}

#[test]
fn lengths_that_are_not_there_allocate_nothing() {
    let huge = [0xff, 0xff, 0xff, 0xff];
    assert!(matches!(
        Decoder::new(&huge).string(),
        Err(XdrError::TooLong { .. })
    ));
    let claims = [0, 0x40, 0, 0];
    assert!(matches!(
        Decoder::new(&claims).string(),
        Err(XdrError::Short { .. })
    ));
    assert!(matches!(
        Decoder::new(&claims).list(usize::MAX, Decoder::uuid),
        Err(XdrError::Short { .. })
    ));
    let list = call::ListDomains::decode(&mut Decoder::new(&claims));
    assert!(matches!(list, Err(XdrError::TooLong { .. })));
    // The announced message is as long as allowed, and nothing of it comes.
    let length = u32::try_from(MOST_MESSAGE_BYTES)
        .expect("a word")
        .to_be_bytes();
    let mut machine = Machine::new(NOW);
    assert_eq!(machine.receive(&length, NOW), Ok(Vec::new()));
}

#[test]
fn strings_and_flags_are_read_strictly() {
    let read = |bytes: &[u8]| Decoder::new(bytes).string();
    assert_eq!(read(&[0, 0, 0, 1, b'x', 0, 0, 0]), Ok("x".to_owned()));
    assert!(matches!(
        read(&[0, 0, 0, 1, b'x', 0, 0, 1]),
        Err(XdrError::Padding { .. })
    ));
    assert!(matches!(
        read(&[0, 0, 0, 1, 0xff, 0, 0, 0]),
        Err(XdrError::Text { .. })
    ));
    assert!(matches!(
        Decoder::new(&[0, 0, 0, 2]).flag(),
        Err(XdrError::Flag { value: 2, .. })
    ));
}

#[test]
fn arguments_longer_than_libvirt_takes_are_refused() {
    let mut machine = Machine::new(NOW);
    assert!(machine.call(399, &vec![0; MOST_MESSAGE_BYTES]).is_err());
    assert!(machine.take_outgoing().is_empty());
}

#[test]
fn uuids_are_read_as_libvirt_does() {
    let uuid: Uuid = "c7a5fdbd-edaf-4455-926a-d65c16db1809"
        .parse()
        .expect("a UUID");
    assert_eq!("c7a5fdbdedaf4455926ad65c16db1809".parse(), Ok(uuid));
    assert_eq!(uuid.to_string(), "c7a5fdbd-edaf-4455-926a-d65c16db1809");
    for wrong in [
        "",
        "c7a5",
        "g7a5fdbdedaf4455926ad65c16db1809",
        "c7a5fdbdedaf4455926ad65c16db180900",
    ] {
        assert!(wrong.parse::<Uuid>().is_err(), "{wrong}");
    }
}

proptest! {
    #[test]
    fn any_split_gives_the_same(cuts in proptest::collection::vec(1usize..40, 0..60)) {
        let (mut machine, bytes) = dialogue();
        let mut rest = bytes.as_slice();
        let mut arrivals = Vec::new();
        for cut in cuts {
            let (now, later) = rest.split_at(cut.min(rest.len()));
            arrivals.extend(machine.receive(now, NOW).expect("libvirt's own form"));
            rest = later;
        }
        arrivals.extend(machine.receive(rest, NOW).expect("libvirt's own form"));
        check_dialogue(&arrivals, &machine.take_outgoing());
    }

    #[test]
    fn changed_bytes_are_read_or_refused(place in 0usize..400, value: u8, cut in 0usize..400) {
        let (mut machine, mut bytes) = dialogue();
        let place = place % bytes.len();
        bytes[place] = value;
        let (first, second) = bytes.split_at(cut.min(bytes.len()));
        if machine.receive(first, NOW).is_ok() {
            let _ = machine.receive(second, NOW);
        }
    }

    #[test]
    fn random_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Machine::new(NOW).receive(&bytes, NOW);
        for procedure in [315, 318, 333, 354, 359, 362, 379] {
            let _ = Machine::new(NOW).receive(&message(REMOTE, procedure, 2, 0, 0, &bytes), NOW);
        }
        let _ = call::ListDomains::decode(&mut Decoder::new(&bytes));
        let _ = call::ListNetworkPorts::decode(&mut Decoder::new(&bytes));
        let _ = call::ListFilterBindings::decode(&mut Decoder::new(&bytes));
    }

    #[test]
    fn what_is_written_is_read(number: u32, signed: i32, hyper: u64, text in ".{0,40}", id: [u8; 16],
                               some in proptest::option::of(any::<u32>()),
                               list in proptest::collection::vec(any::<i32>(), 0..20)) {
        let mut encoder = Encoder::default();
        encoder.unsigned(number).signed(signed).hyper(hyper).string(&text).uuid(Uuid(id));
        encoder.optional(some, |encoder, value| { encoder.unsigned(value); });
        encoder.unsigned(u32::try_from(list.len()).expect("short"));
        for item in &list {
            encoder.signed(*item);
        }
        let bytes = encoder.into_bytes();
        prop_assert_eq!(bytes.len() % 4, 0);
        let mut decoder = Decoder::new(&bytes);
        prop_assert_eq!(decoder.unsigned(), Ok(number));
        prop_assert_eq!(decoder.signed(), Ok(signed));
        prop_assert_eq!(decoder.hyper(), Ok(hyper));
        prop_assert_eq!(decoder.string(), Ok(text));
        prop_assert_eq!(decoder.uuid(), Ok(Uuid(id)));
        prop_assert_eq!(decoder.optional(Decoder::unsigned), Ok(some));
        prop_assert_eq!(decoder.list(100, Decoder::signed), Ok(list));
        prop_assert_eq!(decoder.end(), Ok(()));
    }
}
