//! Every message both ways, in every version: examples, changed bytes, and the installed Open vSwitch as a judge that
//! knows nothing of this crate.

mod connection;
mod examples;
mod judge;
mod text;

use openflow::wire::{EncodeError, Writer};
use openflow::{Envelope, Field, Framer, Message, Version};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// Every example that a version has, as bytes.
fn encoded() -> Vec<(Version, Message, Vec<u8>)> {
    let mut all = Vec::new();
    for version in Version::ALL {
        for message in examples::messages(version) {
            let mut writer = Writer::new();
            if message.encode(version, 0x1234, &mut writer).is_ok() {
                all.push((version, message, writer.into_bytes()));
            }
        }
    }
    all
}

#[test]
fn examples_come_back_from_their_bytes_and_from_json() {
    let mut seen = BTreeSet::new();
    for (version, message, bytes) in encoded() {
        seen.insert(message.name());
        let read = Envelope::decode(&bytes)
            .unwrap_or_else(|error| panic!("{version} {message:?}: {error}"));
        assert_eq!((read.version, read.xid), (version, 0x1234));
        let again = read
            .to_bytes()
            .unwrap_or_else(|error| panic!("{version} {read:?}: {error}"));
        assert_eq!(
            again, bytes,
            "{version} {message:?} became {:?}",
            read.message
        );
        // Flows may say the same in other words, where a version has no words of their own for it.
        let wordy = matches!(message.name(), "flow_mod" | "nx_flow_mod" | "bundle_add")
            || message.name().starts_with("multipart");
        if !wordy {
            assert_eq!(read.message, message, "{version}");
        }
        let json = serde_json::to_string(&read).expect("JSON");
        let from_json: Envelope =
            serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error}: {json}"));
        assert_eq!(from_json, read, "{json}");
        assert!(!read.to_string().is_empty());
    }
    let all: BTreeSet<_> = Version::ALL
        .iter()
        .flat_map(|version| examples::messages(*version))
        .collect::<Vec<_>>()
        .iter()
        .map(Message::name)
        .collect();
    assert_eq!(
        seen, all,
        "every kind of message has an example that a version can say"
    );
    assert!(seen.len() >= 54, "{seen:?}");
}

/// Written again where `MOAT_UPDATE_CORPUS` is set; otherwise it must still be there.
#[test]
fn the_fuzzer_begins_with_the_examples() {
    let folder =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/connections");
    for version in Version::ALL {
        let all: Vec<_> = encoded()
            .into_iter()
            .filter(|(its, ..)| *its == version)
            .collect();
        for (number, some) in all.chunks(12).enumerate() {
            let path = folder.join(format!("{}-{number:02}", version.protocol_name()));
            if std::env::var_os("MOAT_UPDATE_CORPUS").is_some() {
                let stream: Vec<u8> = some
                    .iter()
                    .flat_map(|(_, _, bytes)| bytes.clone())
                    .collect();
                std::fs::create_dir_all(&folder).expect("a writable folder");
                std::fs::write(&path, stream).expect("a writable folder");
            }
            assert!(
                path.exists(),
                "{} is missing: set MOAT_UPDATE_CORPUS=1",
                path.display()
            );
        }
    }
}

#[test]
fn what_a_version_lacks_is_refused_and_leaves_nothing_behind() {
    let mut writer = Writer::new();
    let mut refused = 0;
    for version in Version::ALL {
        for message in examples::messages(version) {
            let before = writer.len();
            if message.encode(version, 1, &mut writer).is_err() {
                refused += 1;
                assert_eq!(writer.len(), before);
            }
        }
    }
    assert!(refused > 20, "{refused}");
}

#[test]
fn a_stream_is_cut_into_the_same_messages_wherever_it_is_split() {
    let all = encoded();
    let stream: Vec<u8> = all.iter().flat_map(|(_, _, bytes)| bytes.clone()).collect();
    for step in [1, 2, 7, 64, 1_000, stream.len()] {
        let mut framer = Framer::new();
        let mut found = 0;
        for chunk in stream.chunks(step) {
            framer.push(chunk);
            while let Some(message) = framer.next_message().expect("frames") {
                assert_eq!(message, all[found].2);
                found += 1;
            }
        }
        assert_eq!((found, framer.waiting()), (all.len(), 0));
    }
    let mut framer = Framer::new();
    framer.push(&[4, 0, 0, 7, 0, 0, 0, 0]);
    assert!(
        framer.next_message().is_err(),
        "a message shorter than its header"
    );
}

/// Printed, never judged: how fast flow mods are written.
#[test]
fn flow_mods_are_written_fast() {
    let flows: Vec<_> = examples::flows(Version::V1_3)
        .into_iter()
        .map(|flow| Message::flow_mod(Version::V1_3, flow))
        .collect();
    let mut writer = Writer::with_capacity(1 << 20);
    let began = std::time::Instant::now();
    let mut written = 0_u32;
    while written < 200_000 {
        writer.clear();
        for flow in &flows {
            flow.encode(Version::V1_3, written, &mut writer)
                .expect("1.3 has them all");
            written += 1;
        }
    }
    println!(
        "{:.0} flow mods written a second",
        f64::from(written) / began.elapsed().as_secs_f64()
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(20_000) })]

    /// Changed bytes are refused, or mean something that can be written and read again, to the same bytes.
    #[test]
    fn changed_bytes_never_panic_and_what_is_read_can_be_written(
        pick in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        static ALL: std::sync::LazyLock<Vec<Vec<u8>>> =
            std::sync::LazyLock::new(|| encoded().into_iter().map(|(_, _, bytes)| bytes).collect());
        let mut bytes = pick.get(&ALL).clone();
        for (place, value) in changes {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()).max(8));
            let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes();
            bytes[2..4].copy_from_slice(&length);
        }
        if let Ok(read) = Envelope::decode(&bytes) {
            let again = match read.to_bytes() {
                // A field that the version (or Nicira's form) has not, or not with that mask: it is read all the same.
                Err(EncodeError::NotInVersion { what, .. } | EncodeError::Unencodable { what, .. })
                    if Field::from_name(what).is_some() =>
                {
                    return Ok(());
                }
                again => again,
            };
            let again = again.map_err(|error| TestCaseError::fail(format!("{error}: {read:?}")))?;
            let reread = Envelope::decode(&again).map_err(|error| TestCaseError::fail(format!("{error}: {read:?}")))?;
            // Fields in the other form than the message's (OpenFlow's or Nicira's) may change into that, once.
            prop_assert_eq!(reread.to_bytes(), Ok(again), "{:?}", read);
            let _ = read.to_string();
        }
    }

    #[test]
    fn noise_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Envelope::decode(&bytes);
        let mut framer = Framer::new();
        framer.push(&bytes);
        while let Ok(Some(_)) = framer.next_message() {}
    }
}
