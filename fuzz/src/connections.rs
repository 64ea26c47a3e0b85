//! OpenFlow messages and connections: whatever a peer sends, the machine answers within its bounds.

use openflow::connection::{Answer, BatchKind, Configuration, Connection, Event};
use openflow::message::{Hello, RequestBody};
use openflow::{Envelope, FlowMod, Framer, Message, Version};
use std::time::{Duration, Instant};

/// Any bytes are messages or none; what is read is written, and then stays as it is. A controller that gets them in
/// the middle of its work ends in an error or goes on.
pub fn connections(input: &[u8]) {
    let mut framer = Framer::new();
    framer.push(input);
    while let Ok(Some(message)) = framer.next_message() {
        let Ok(read) = Envelope::decode(message) else {
            continue;
        };
        assert!(!read.to_string().is_empty());
        // Fields may stand in a form that the version cannot write.
        let Ok(written) = read.to_bytes() else {
            continue;
        };
        let again = Envelope::decode(&written).map(|again| again.to_bytes());
        assert_eq!(again, Ok(Ok(written)), "{read:?}");
    }
    let version = input.first().copied().and_then(Version::from_wire);
    controller(version.unwrap_or(Version::V1_4), input);
}

fn controller(version: Version, input: &[u8]) {
    let now = Instant::now();
    let mut controller = Connection::new(Configuration::controller(), now);
    let hello = Message::Hello(Hello::offering(&[version]));
    let hello = Envelope {
        version,
        xid: 1,
        message: hello,
    }
    .to_bytes()
    .expect("a hello");
    assert_eq!(controller.receive(&hello, now), [Event::Ready { version }]);
    let flow = Message::flow_mod(version, FlowMod::default());
    let kind = if version >= Version::V1_3 {
        BatchKind::Bundle
    } else {
        BatchKind::Plain
    };
    controller.submit(kind, vec![flow]).expect("room for one");
    controller
        .ask_multipart(RequestBody::Description, Answer::Whole)
        .expect("room for one");
    let mut ended = 0;
    for chunk in input.chunks(97) {
        for event in controller.receive(chunk, now) {
            ended += usize::from(matches!(event, Event::Failed(_)));
        }
        let waiting = controller.poll_transmit().len();
        controller.transmitted(waiting.min(50));
    }
    controller.handle_timeout(now + Duration::from_secs(60));
    ended += controller
        .close()
        .iter()
        .filter(|event| matches!(event, Event::Failed(_)))
        .count();
    assert!(
        ended <= 1 && controller.has_ended(),
        "a connection ends once"
    );
}
