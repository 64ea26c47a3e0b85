//! Whatever bytes and texts come, reading them ends, in values or in an error, and what was read once stays as it is.

use openflow::text::{actions, parse_actions, parse_instructions, parse_match};
use openflow::wire::{Reader, Writer};
use openflow::{Action, Instruction, Match, Version};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

fn any_version() -> impl Strategy<Value = Version> {
    prop::sample::select(Version::ALL.to_vec())
}

/// Bytes that look like a list of actions: types, lengths and numbers of Open vSwitch's as they should be.
fn actions_like() -> impl Strategy<Value = Vec<u8>> {
    let nicira =
        (0u16..52, prop::collection::vec(small_byte(), 6..60)).prop_map(|(subtype, body)| {
            let mut action = vec![0xff, 0xff, 0, 0, 0, 0, 0x23, 0x20];
            action.extend(subtype.to_be_bytes());
            action.extend(body);
            sized(action)
        });
    let standard =
        (0u16..30, prop::collection::vec(small_byte(), 4..28)).prop_map(|(kind, body)| {
            let mut action = kind.to_be_bytes().to_vec();
            action.extend([0, 0]);
            action.extend(body);
            sized(action)
        });
    prop::collection::vec(prop_oneof![3 => nicira, 1 => standard], 0..4)
        .prop_map(|list| list.concat())
}

/// Numbers that occur in headers, more often than others.
fn small_byte() -> impl Strategy<Value = u8> {
    prop_oneof![3 => Just(0u8), 2 => 0u8..9, 1 => any::<u8>()]
}

fn sized(mut action: Vec<u8>) -> Vec<u8> {
    action.resize(action.len().next_multiple_of(8), 0);
    let [high, low] = u16::try_from(action.len()).expect("is short").to_be_bytes();
    action[2] = high;
    action[3] = low;
    action
}

/// A list of fields whose headers are almost right.
fn fields_like() -> impl Strategy<Value = Vec<u8>> {
    let class = prop::sample::select(vec![0u16, 1, 0x8000, 0x8001, 0xffff, 0x1000, 0x4242]);
    let field = (
        class,
        0u8..128,
        any::<bool>(),
        prop::sample::select(vec![1u8, 2, 3, 4, 6, 8, 16]),
    );
    let field = (field, prop::collection::vec(small_byte(), 40));
    let field = field.prop_map(|((class, number, masked, length), body)| {
        let length = if masked { length * 2 } else { length };
        let [high, low] = class.to_be_bytes();
        let mut bytes = vec![high, low, (number << 1) | u8::from(masked), length];
        bytes.extend(body.into_iter().take(usize::from(length)));
        bytes
    });
    prop::collection::vec(field, 0..6).prop_map(|list| list.concat())
}

/// What can be read can be written, and reads as the same again.
fn settle_match(read: &Match, version: Version) {
    let mut writer = Writer::new();
    if read.encode(version, &mut writer).is_ok() {
        let again = Match::decode(version, &mut Reader::new(writer.as_bytes()))
            .expect("our own bytes read");
        let mut second = Writer::new();
        again.encode(version, &mut second).expect("encodes again");
        assert_eq!(writer.as_bytes(), second.as_bytes());
    }
    let text = read.to_string();
    let reread = parse_match(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(reread.to_string(), text);
    let json = serde_json::to_string(read).expect("is JSON");
    assert_eq!(
        &serde_json::from_str::<Match>(&json).expect("reads"),
        read,
        "{json}"
    );
}

fn settle_actions(version: Version, bytes: &[u8]) {
    let Ok(read) = Action::decode_list(version, &mut Reader::new(bytes)) else {
        return;
    };
    let sent = Action::as_sent(&read, version).unwrap_or_else(|error| panic!("{read:?}: {error}"));
    assert_eq!(sent, read, "what was read once stays as it is");
    let text = actions(&read).to_string();
    let reread = parse_actions(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(actions(&reread).to_string(), text);
    let json = serde_json::to_string(&read).expect("is JSON");
    assert_eq!(
        serde_json::from_str::<Vec<Action>>(&json).expect("reads"),
        read,
        "{json}"
    );
}

proptest! {
    // From a fixed seed, so that a failure can be repeated.
    #![proptest_config(ProptestConfig {
        cases: 4000,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(0x6f66),
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_bytes_end(version in any_version(), bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Match::decode(version, &mut Reader::new(&bytes));
        let _ = Match::decode_nxm(&mut Reader::new(&bytes));
        let _ = Action::decode_list(version, &mut Reader::new(&bytes));
        let _ = Instruction::decode_list(version, &mut Reader::new(&bytes));
    }

    #[test]
    fn fields_settle(version in any_version(), bytes in fields_like()) {
        if let Ok(read) = Match::decode_fields(&mut Reader::new(&bytes)) {
            settle_match(&read, version);
        }
    }

    #[test]
    fn a_match_of_1_0_settles(bytes in prop::collection::vec(small_byte(), 40)) {
        if let Ok(read) = Match::decode(Version::V1_0, &mut Reader::new(&bytes)) {
            settle_match(&read, Version::V1_0);
            read.encode(Version::V1_0, &mut Writer::new()).expect("what 1.0 said it can say again");
        }
    }

    #[test]
    fn a_match_of_1_1_settles(bytes in prop::collection::vec(small_byte(), 84)) {
        let bytes = [&[0, 0, 0, 88][..], &bytes].concat();
        if let Ok(read) = Match::decode(Version::V1_1, &mut Reader::new(&bytes)) {
            settle_match(&read, Version::V1_1);
            read.encode(Version::V1_1, &mut Writer::new()).expect("what 1.1 said it can say again");
        }
    }

    #[test]
    fn actions_settle(version in any_version(), bytes in actions_like()) {
        settle_actions(version, &bytes);
    }

    #[test]
    fn any_text_ends(text in "[a-z_0-9=:,()\\[\\]./>+|-]{0,60}") {
        let _ = parse_match(&text);
        let _ = parse_actions(&text);
        let _ = parse_instructions(&text, Version::V1_3);
    }

    #[test]
    fn words_in_any_order_end(words in prop::collection::vec(prop::sample::select(WORDS.to_vec()), 0..12)) {
        let text = words.concat();
        let _ = parse_match(&text);
        let _ = parse_actions(&text);
        let _ = parse_instructions(&text, Version::V1_5);
    }
}

const WORDS: &[&str] = &[
    "ct(",
    "nat(",
    "src=",
    "clone(",
    "learn(",
    "exec(",
    ")",
    ",",
    "->",
    "[",
    "]",
    "..",
    ":",
    "/",
    "=",
    "load:",
    "5",
    "0x",
    "reg0",
    "NXM_NX_REG1",
    "10.0.0.1",
    "-",
    "fe80::1",
    "tcp",
    "ip",
    "nw_src=",
    "dl_vlan=",
    "conjunction(",
    "output:",
    "drop",
    "goto_table:",
    "é",
    " ",
    "note:",
    "ff",
    "set_field:",
    "move:",
    "bundle(",
    "multipath(",
];

#[test]
fn nesting_ends() {
    // As deep as 64 KiB allow: each clone is 16 bytes.
    let depth = 4000u16;
    let mut bytes = Vec::new();
    for level in 0..depth {
        bytes.extend([0xff, 0xff]);
        bytes.extend(((depth - level) * 16).to_be_bytes());
        bytes.extend([0, 0, 0x23, 0x20, 0, 42, 0, 0, 0, 0, 0, 0]);
    }
    assert_eq!(
        Action::decode_list(Version::V1_3, &mut Reader::new(&bytes)),
        Err(openflow::wire::DecodeError::TooDeep)
    );
    let text = format!("{}{}", "ct(exec(".repeat(5000), "))".repeat(5000));
    assert!(parse_actions(&text).is_err());
}
