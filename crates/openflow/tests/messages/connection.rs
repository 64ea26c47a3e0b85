//! The machine of one connection, without sockets: two of them, or one and bytes.

use openflow::connection::{
    Answer, BatchKind, BatchOutcome, Configuration, Connection, ConnectionError, Event,
    RequestError, SendError,
};
use openflow::message::{
    BundleStep, Bytes, ErrorCode, ErrorMessage, Hello, MultipartReply, ReplyBody, RequestBody,
    SwitchConfig,
};
use openflow::{Envelope, FlowMod, Framer, Message, Version};
use std::time::{Duration, Instant};

fn pair(
    controller: &[Version],
    switch: &[Version],
    now: Instant,
) -> (Connection, Connection, Vec<Event>) {
    let mut controller =
        Connection::new(Configuration::controller().with_versions(controller), now);
    let mut switch = Connection::new(Configuration::switch().with_versions(switch), now);
    let to_switch = controller.poll_transmit().to_vec();
    controller.transmitted(to_switch.len());
    let mut events = switch.receive(&to_switch, now);
    let to_controller = switch.poll_transmit().to_vec();
    switch.transmitted(to_controller.len());
    events.extend(controller.receive(&to_controller, now));
    (controller, switch, events)
}

fn sent(connection: &mut Connection) -> Vec<Envelope> {
    let mut framer = Framer::new();
    let bytes = connection.poll_transmit().to_vec();
    connection.transmitted(bytes.len());
    framer.push(&bytes);
    let mut all = Vec::new();
    while let Some(message) = framer.next_message().expect("frames") {
        all.push(Envelope::decode(message).expect("readable"));
    }
    all
}

fn give(
    connection: &mut Connection,
    version: Version,
    xid: u32,
    message: Message,
    now: Instant,
) -> Vec<Event> {
    let bytes = Envelope {
        version,
        xid,
        message,
    }
    .to_bytes()
    .expect("bytes");
    connection.receive(&bytes, now)
}

fn refusal() -> Message {
    let error = ErrorCode::Standard { kind: 5, code: 2 };
    Message::Error(ErrorMessage {
        error,
        data: Bytes::default(),
    })
}

#[test]
fn the_highest_common_version_is_spoken() {
    use Version::{V1_0, V1_3, V1_4, V1_5};
    let now = Instant::now();
    for (controller, switch, wanted) in [
        (vec![V1_0, V1_3, V1_4, V1_5], vec![V1_0, V1_3], V1_3),
        (vec![V1_3], vec![V1_0, V1_3, V1_5], V1_3),
        (vec![V1_0, V1_5], vec![V1_0, V1_4], V1_0),
    ] {
        let (controller, switch, events) = pair(&controller, &switch, now);
        assert_eq!(
            (controller.version(), switch.version()),
            (Some(wanted), Some(wanted))
        );
        assert_eq!(
            events,
            [
                Event::Ready { version: wanted },
                Event::Ready { version: wanted }
            ]
        );
    }
    let (mut controller, switch, events) = pair(&[V1_3], &[V1_0], now);
    assert!(switch.has_ended());
    assert!(
        matches!(
            events.first(),
            Some(Event::Failed(ConnectionError::NoCommonVersion { .. }))
        ),
        "{events:?}"
    );
    assert!(controller.has_ended());
    assert_eq!(
        controller.send(&Message::BarrierRequest),
        Err(SendError::Ended)
    );
    // A peer without bitmap, as older ones are, speaks its header's version and below.
    let mut controller = Connection::new(
        Configuration::controller().with_versions(&[V1_0, V1_5]),
        now,
    );
    let events = give(
        &mut controller,
        Version::V1_1,
        1,
        Message::Hello(Hello::default()),
        now,
    );
    assert_eq!(events, [Event::Ready { version: V1_0 }]);
    // One that speaks first of something else is no switch.
    let mut controller = Connection::new(Configuration::controller(), now);
    let events = controller.receive(b"HTTP/1.1 400 Bad Request\r\n\r\n", now);
    let events = if events.is_empty() {
        controller.close()
    } else {
        events
    };
    assert!(
        matches!(events.last(), Some(Event::Failed(_))),
        "{events:?}"
    );
}

#[test]
fn silence_is_noticed() {
    let now = Instant::now();
    let (mut controller, mut switch, _) = pair(&Version::ALL, &Version::ALL, now);
    assert_eq!(
        controller.next_timeout(),
        Some(now + Duration::from_secs(5))
    );
    assert_eq!(controller.handle_timeout(now + Duration::from_secs(4)), []);
    assert_eq!(sent(&mut controller), []);
    let later = now + Duration::from_secs(5);
    assert_eq!(controller.handle_timeout(later), []);
    let asked = controller.poll_transmit().to_vec();
    controller.transmitted(asked.len());
    assert_eq!(switch.receive(&asked, later), []);
    let answer = switch.poll_transmit().to_vec();
    switch.transmitted(answer.len());
    assert_eq!(controller.receive(&answer, later), []);
    assert_eq!(
        controller.next_timeout(),
        Some(later + Duration::from_secs(5))
    );
    let xid = controller.request(&Message::FeaturesRequest).expect("sent");
    let end = later + Duration::from_secs(15);
    assert_eq!(
        controller.handle_timeout(end),
        [
            Event::RequestFailed {
                xid,
                error: RequestError::Lost
            },
            Event::Failed(ConnectionError::Silent(Duration::from_secs(15))),
        ]
    );
    assert_eq!(controller.next_timeout(), None);
}

#[test]
fn answers_find_their_questions_and_errors_their_causes() {
    let now = Instant::now();
    let version = Version::V1_3;
    let (mut controller, _, _) = pair(&[version], &[version], now);
    let first = controller
        .request(&Message::GetConfigRequest)
        .expect("sent");
    let second = controller
        .request(&Message::GetConfigRequest)
        .expect("sent");
    let parts = controller
        .ask_multipart(RequestBody::Flow(Default::default()), Answer::Whole)
        .expect("sent");
    let config = Message::GetConfigReply(SwitchConfig::default());
    let events = give(&mut controller, version, second, config.clone(), now);
    assert_eq!(
        events,
        [Event::Answer {
            xid: second,
            message: Box::new(config.clone())
        }]
    );
    let events = give(&mut controller, version, first, refusal(), now);
    assert!(
        matches!(&events[..], [Event::Refused { xid, name, .. }] if *xid == first && name == "OFPFMFC_BAD_TABLE_ID")
    );
    let part = |flags| {
        Message::MultipartReply(MultipartReply {
            flags,
            body: ReplyBody::Flow(Vec::new()),
        })
    };
    assert_eq!(give(&mut controller, version, parts, part(1), now), []);
    let events = give(&mut controller, version, parts, part(0), now);
    assert!(
        matches!(&events[..], [Event::Parts { parts, .. }] if parts.len() == 2),
        "{events:?}"
    );
    // Nobody asked: it is news.
    let events = give(&mut controller, version, first, config, now);
    assert!(matches!(&events[..], [Event::Message { .. }]), "{events:?}");
}

#[test]
fn an_answer_without_end_is_given_up() {
    let now = Instant::now();
    let version = Version::V1_3;
    let configuration = Configuration {
        maximum_answer: 100,
        ..Configuration::controller()
    };
    let mut controller = Connection::new(configuration, now);
    give(
        &mut controller,
        version,
        1,
        Message::Hello(Hello::offering(&[version])),
        now,
    );
    let xid = controller
        .ask_multipart(RequestBody::Description, Answer::Whole)
        .expect("sent");
    let part = Message::MultipartReply(MultipartReply {
        flags: 1,
        body: ReplyBody::Opaque {
            kind: 99,
            body: Bytes(vec![0; 80]),
        },
    });
    assert_eq!(give(&mut controller, version, xid, part.clone(), now), []);
    let events = give(&mut controller, version, xid, part.clone(), now);
    assert_eq!(
        events,
        [Event::RequestFailed {
            xid,
            error: RequestError::TooLong { limit: 100 }
        }]
    );
    assert_eq!(give(&mut controller, version, xid, part, now), []);
}

#[test]
fn a_bundle_is_committed_only_after_a_fence_without_errors() {
    let now = Instant::now();
    for version in [Version::V1_3, Version::V1_4, Version::V1_5] {
        for refused in [false, true] {
            let (mut controller, _, _) = pair(&[version], &[version], now);
            let flows = (0..3).map(|_| Message::FlowMod(Box::default())).collect();
            let batch = controller
                .submit(BatchKind::Bundle, flows)
                .expect("submitted");
            let out = sent(&mut controller);
            let names: Vec<_> = out.iter().map(|envelope| envelope.message.name()).collect();
            assert_eq!(
                names,
                [
                    "bundle_control",
                    "bundle_add",
                    "bundle_add",
                    "bundle_add",
                    "barrier_request"
                ]
            );
            if refused {
                assert_eq!(
                    give(&mut controller, version, out[2].xid, refusal(), now),
                    []
                );
            }
            assert_eq!(
                give(
                    &mut controller,
                    version,
                    out[4].xid,
                    Message::BarrierReply,
                    now
                ),
                []
            );
            let step = sent(&mut controller);
            let [
                Envelope {
                    xid,
                    message: Message::BundleControl(control),
                    ..
                },
            ] = step.as_slice()
            else {
                panic!("{step:?}");
            };
            let wanted = if refused {
                BundleStep::DiscardRequest
            } else {
                BundleStep::CommitRequest
            };
            assert_eq!(control.step, wanted);
            let mut answer = control.clone();
            answer.step = if refused {
                BundleStep::DiscardReply
            } else {
                BundleStep::CommitReply
            };
            let events = give(
                &mut controller,
                version,
                *xid,
                Message::BundleControl(answer),
                now,
            );
            let [
                Event::Batch {
                    batch: told,
                    outcome,
                },
            ] = events.as_slice()
            else {
                panic!("{events:?}")
            };
            assert_eq!(*told, batch);
            match outcome {
                BatchOutcome::Done => assert!(!refused),
                BatchOutcome::Refused { failures, count } => {
                    assert!(refused);
                    assert_eq!(
                        (failures[0].index, failures[0].name.as_str(), *count),
                        (Some(1), "OFPFMFC_BAD_TABLE_ID", 1)
                    );
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn a_message_that_cannot_be_written_discards_its_bundle() {
    let now = Instant::now();
    let (mut controller, _, _) = pair(&[Version::V1_3], &[Version::V1_3], now);
    let important = FlowMod {
        importance: 5,
        ..FlowMod::default()
    };
    let flows = [FlowMod::default(), important].map(|flow| Message::FlowMod(Box::new(flow)));
    controller
        .submit(BatchKind::Bundle, flows.into())
        .expect("submitted");
    let out = sent(&mut controller);
    give(
        &mut controller,
        Version::V1_3,
        out.last().expect("a barrier").xid,
        Message::BarrierReply,
        now,
    );
    let step = sent(&mut controller);
    assert!(
        matches!(&step[0].message, Message::BundleControl(control) if control.step == BundleStep::DiscardRequest)
    );
}

#[test]
fn a_lost_connection_says_what_may_have_happened() {
    let now = Instant::now();
    let version = Version::V1_4;
    let flow = || vec![Message::FlowMod(Box::default())];
    // Before the commit: nothing did.
    let (mut controller, _, _) = pair(&[version], &[version], now);
    controller
        .submit(BatchKind::Bundle, flow())
        .expect("submitted");
    controller
        .submit(BatchKind::Plain, flow())
        .expect("submitted");
    let out = sent(&mut controller);
    let outcomes = |events: Vec<Event>| -> Vec<BatchOutcome> {
        let outcome = |event| match event {
            Event::Batch { outcome, .. } => Some(outcome),
            _ => None,
        };
        events.into_iter().filter_map(outcome).collect()
    };
    assert_eq!(
        outcomes(controller.close()),
        [BatchOutcome::NotSent, BatchOutcome::NotSent]
    );
    // Behind it: nobody knows.
    let (mut controller, _, _) = pair(&[version], &[version], now);
    controller
        .submit(BatchKind::Bundle, flow())
        .expect("submitted");
    let _ = sent(&mut controller);
    give(
        &mut controller,
        version,
        out[2].xid,
        Message::BarrierReply,
        now,
    );
    let _ = sent(&mut controller);
    assert_eq!(outcomes(controller.close()), [BatchOutcome::Unknown]);
}

#[test]
fn a_slow_peer_is_seen_and_costs_no_memory() {
    let now = Instant::now();
    let version = Version::V1_4;
    let (mut controller, _, _) = pair(&[version], &[version], now);
    let flows = (0..50_000)
        .map(|_| Message::FlowMod(Box::default()))
        .collect();
    controller
        .submit(BatchKind::Bundle, flows)
        .expect("submitted");
    let ahead = controller.poll_transmit().len();
    assert!((200_000..400_000).contains(&ahead), "{ahead}");
    assert_eq!(controller.wants_write(), ahead);
    assert!(controller.queued_messages() > 40_000);
    controller.transmitted(100);
    assert!(controller.poll_transmit().len() < 400_000);
    // Who sends regardless is stopped, and who asks for echoes and never reads is cut off.
    let big = Message::EchoRequest(Bytes(vec![0; 60_000]));
    let stopped = (0..200).find_map(|_| controller.send(&big).err());
    assert!(
        matches!(stopped, Some(SendError::Full { .. })),
        "{stopped:?}"
    );
    let events = give(&mut controller, version, 9, big, now);
    assert!(matches!(
        events.last(),
        Some(Event::Failed(ConnectionError::PeerDoesNotRead { .. }))
    ));
}
