//! Flows of OpenFlow, as bytes and as text: what is read once stays as it is.

use openflow::text::{actions, instructions, parse_actions, parse_instructions, parse_match};
use openflow::wire::{Reader, Writer};
use openflow::{Action, Instruction, Match, Version};

/// Any bytes are a match, actions, instructions or none; what is read writes itself as bytes, and as text, that read
/// as the same. The first byte chooses version and kind.
pub fn flows(input: &[u8]) {
    let Some((choice, bytes)) = input.split_first() else {
        return;
    };
    let version = Version::ALL[usize::from(choice % 6)];
    let reader = &mut Reader::new(bytes);
    match choice / 6 % 4 {
        0 => {
            if let Ok(read) = Match::decode(version, reader) {
                settle(&read, version);
            }
        }
        1 => {
            if let Ok(read) = Match::decode_nxm(reader) {
                settle(&read, version);
            }
        }
        2 => {
            if let Ok(read) = Action::decode_list(version, reader) {
                let sent = Action::as_sent(&read, version);
                assert_eq!(
                    sent.as_ref(),
                    Ok(&read),
                    "what was read once stays as it is"
                );
                let text = actions(&read).to_string();
                let again = parse_actions(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
                assert_eq!(actions(&again).to_string(), text);
            }
        }
        _ => {
            if let Ok(read) = Instruction::decode_list(version, reader) {
                let mut writer = Writer::new();
                if Instruction::encode_list(&read, version, &mut writer).is_ok() {
                    let again =
                        Instruction::decode_list(version, &mut Reader::new(writer.as_bytes()));
                    assert_eq!(
                        again.as_ref(),
                        Ok(&read),
                        "what was read once stays as it is"
                    );
                }
            }
        }
    }
}

fn settle(read: &Match, version: Version) {
    let mut writer = Writer::new();
    if read.encode(version, &mut writer).is_ok() {
        let again = Match::decode(version, &mut Reader::new(writer.as_bytes()))
            .expect("our own bytes read");
        assert_eq!(again.normalised(), read.normalised());
    }
    let text = read.to_string();
    let again = parse_match(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(again.to_string(), text);
}

/// Any line of text is a flow or is refused with a place in it; a flow's own text means the same flow.
pub fn flow_texts(input: &[u8]) {
    String::from_utf8_lossy(input).lines().for_each(flow_text);
}

fn flow_text(text: &str) {
    let (wanted, list) = text.split_once("actions=").unwrap_or((text, ""));
    match parse_match(wanted) {
        Err(error) => assert!(error.position <= wanted.len()),
        Ok(read) => {
            let line = read.to_string();
            let again = parse_match(&line).unwrap_or_else(|error| panic!("{line}: {error}"));
            assert_eq!(again.to_string(), line);
        }
    }
    for version in [Version::V1_3, Version::V1_5] {
        match parse_instructions(list, version) {
            Err(error) => assert!(error.position <= list.len()),
            Ok(read) => {
                let line = instructions(&read).to_string();
                let again = parse_instructions(&line, version)
                    .unwrap_or_else(|error| panic!("{line}: {error}"));
                assert_eq!(instructions(&again).to_string(), line);
                let _ = Instruction::encode_list(&read, version, &mut Writer::new());
            }
        }
    }
}
