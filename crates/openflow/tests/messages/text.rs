//! Flows as text.

use crate::examples::FLOWS;
use openflow::message::{BundleAdd, ErrorCode, ErrorMessage, FlowCommand, FlowStats};
use openflow::{Envelope, FlowMod, Message, Version, parse_flow};

#[test]
fn flows_are_printed_as_they_are_read() {
    for text in FLOWS {
        let flow =
            parse_flow(text, Version::V1_3).unwrap_or_else(|error| panic!("{text}: {error}"));
        let printed = flow.to_string();
        let again = parse_flow(&printed, Version::V1_3)
            .unwrap_or_else(|error| panic!("{printed}: {error}"));
        assert_eq!(again, flow, "{printed}");
    }
}

#[test]
fn commands_cookies_and_faults() {
    let delete = parse_flow("delete cookie=0x5/0xff,table=3,tcp", Version::V1_3).expect("delete");
    assert_eq!(
        (delete.command, delete.cookie, delete.cookie_mask),
        (FlowCommand::Delete, 5, 0xff)
    );
    assert_eq!(delete.to_string(), "delete cookie=0x5/0xff,table=3,tcp");
    let all = parse_flow("delete ", Version::V1_3).expect("all");
    assert_eq!((all.table, all.matching.is_empty()), (255, true));

    for (text, part) in [
        ("table=300,actions=drop", "300"),
        ("tcp", "actions="),
        ("cookie=1/1,actions=drop", "mask"),
        ("delete actions=drop", "no actions"),
        ("color=red,actions=drop", "color"),
        ("ip,actions=fly", "fly"),
    ] {
        let error = parse_flow(text, Version::V1_3).expect_err(text).to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
    let error = parse_flow("ip,actions=output:1,fly", Version::V1_3).expect_err("fly");
    assert_eq!(error.position, "ip,actions=output:1,".len());
}

#[test]
fn a_dumped_line_is_the_flow_that_it_shows() {
    let line = " cookie=0x7, duration=5.006s, table=1, n_packets=3, n_bytes=180, idle_age=4, \
                send_flow_rem priority=100,tcp,in_port=4 actions=output:2";
    let flow = parse_flow(line, Version::V1_3).expect("a flow");
    assert_eq!(
        (flow.cookie, flow.table, flow.flags, flow.priority),
        (7, 1, 1, 100)
    );
    let mut shown = FlowStats {
        cookie: 7,
        table: 1,
        flags: 1,
        priority: 100,
        ..FlowStats::default()
    };
    FlowMod {
        matching: shown.matching,
        instructions: shown.instructions,
        ..
    } = flow;
    assert_eq!(
        shown.to_string(),
        "cookie=0x7, table=1, send_flow_rem priority=100,tcp,in_port=4 actions=output:2"
    );
}

#[test]
fn errors_about_errors_are_printed_without_end_of_stack() {
    let error = ErrorCode::Standard { kind: 1, code: 1 };
    let mut bytes = vec![4, 20, 0, 8, 0, 0, 0, 1];
    while bytes.len() < 60_000 {
        let message = Message::Error(ErrorMessage {
            error,
            data: bytes.into(),
        });
        let inside = BundleAdd {
            bundle: 1,
            flags: 0,
            message: Box::new(message),
            properties: Vec::new().into(),
        };
        let message = Message::BundleAdd(inside);
        bytes = Envelope {
            version: Version::V1_4,
            xid: 1,
            message,
        }
        .to_bytes()
        .expect("bytes");
    }
    let text = Envelope::decode(&bytes).expect("readable").to_string();
    assert_eq!(
        text.matches("OFPBRC_BAD_TYPE").count(),
        2,
        "the outermost, and the one that it is about"
    );
}
