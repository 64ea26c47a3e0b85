//! Whatever the bytes are, reading and describing them ends in an answer, and a consistent one.

use frame::random::{Rng, Vocabulary, mutate, random_frame};
use frame::{Frame, FrameSpec, Network, Readability, describe, fragment};
use proptest::prelude::*;

/// Calls everything that reads bytes, and checks what must hold of any reading.
fn read_everything(bytes: &[u8]) {
    let line = describe(bytes);
    assert!(!line.is_empty() && !line.contains('\n'));
    let _ = line.parse::<FrameSpec>();
    assert!(!fragment(bytes, 576).is_empty());
    let Ok(frame) = Frame::parse(bytes) else {
        assert!(bytes.len() < 20);
        return;
    };
    assert_eq!(frame.bytes(), bytes);
    assert_eq!(frame.tag.is_some(), frame.network_offset() == 18);
    for offset in [0, 6, 11, 12, 15, 16, 17, 18, bytes.len(), usize::MAX] {
        for length in [0, 1, 2, 6, 300, usize::MAX] {
            let inside = offset
                .checked_add(length)
                .is_some_and(|end| end <= bytes.len());
            let loaded = frame.link_bytes(offset, length);
            assert_eq!(loaded.is_some(), inside);
            if let Some(loaded) = loaded {
                assert_eq!(loaded.len(), length);
            }
            let _ = frame.network_bytes(offset, length);
            let _ = frame.transport_bytes(offset, length);
        }
    }
    let ether_type_field = frame.link_bytes(12, 2).map(|field| field.to_vec());
    assert_eq!(
        ether_type_field,
        Some(frame.ether_type_field.to_be_bytes().to_vec())
    );
    match &frame.network {
        Network::Ipv4(_) => assert_eq!(frame.protocol, 0x0800),
        Network::Ipv6(_) => assert_eq!(frame.protocol, 0x86dd),
        _ => assert!(frame.transport().is_none() && frame.padding().is_none()),
    }
    if let Some(transport) = frame.transport() {
        assert!(frame.padding().is_some());
        assert!(transport.declared_bytes().len() <= transport.bytes().len());
        let _ = (transport.nd_target(), transport.nd_options().count());
        let _ = (transport.icmp(), transport.tcp_flags());
        match transport.readability() {
            Readability::LaterFragment => {
                assert_eq!(transport.bytes(), []);
                assert_eq!(transport.source_port(), None);
                assert_eq!(frame.transport_bytes(0, 0), None);
            }
            Readability::Short => assert!(transport.bytes().len() < 20),
            Readability::Readable => {
                assert_eq!(transport.has_ports(), transport.source_port().is_some());
                assert_eq!(
                    transport.has_ports(),
                    transport.destination_port().is_some()
                );
                assert_eq!(transport.protocol() == 6, transport.tcp_flags().is_some());
            }
        }
    }
}

fn with_type(ether_type: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    bytes.extend(ether_type.to_be_bytes());
    bytes.extend(payload);
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn bytes_by_chance(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        read_everything(&bytes);
    }

    #[test]
    fn bytes_by_chance_behind_a_known_type(
        ether_type in prop::sample::select(vec![0x0800, 0x86dd, 0x0806, 0x8035, 0x8100, 0x88a8, 0x10]),
        inner in prop::sample::select(vec![0x0800_u16, 0x86dd, 0x8100, 0x20]),
        version in prop::sample::select(vec![0x45_u8, 0x4f, 0x60]),
        mut payload in proptest::collection::vec(any::<u8>(), 0..120),
    ) {
        if let Some(first) = payload.first_mut() {
            *first = version;
        }
        read_everything(&with_type(ether_type, &payload));
        let mut tagged = vec![0, 7];
        tagged.extend(inner.to_be_bytes());
        tagged.extend(&payload);
        read_everything(&with_type(ether_type, &tagged));
    }

    #[test]
    fn frames_mutated_and_cut(seed in any::<u64>(), times in 0..6_usize) {
        let mut rng = Rng::new(seed);
        let vocabulary = Vocabulary { oversize: true, ..Vocabulary::default() };
        let mut bytes = random_frame(&mut rng, &vocabulary);
        for _ in 0..times {
            mutate(&mut rng, &vocabulary, &mut bytes);
        }
        read_everything(&bytes);
        bytes.truncate(rng.below(60));
        read_everything(&bytes);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,60}") {
        if let Err(error) = text.parse::<FrameSpec>() {
            prop_assert!(error.column >= 1 && error.column <= text.chars().count() + 1);
        }
        let _ = text.parse::<frame::MacAddress>();
    }

    /// What is described without a remark stands for the frame's content: made again, it is
    /// described the same.
    #[test]
    fn descriptions_stand(seed in any::<u64>()) {
        let bytes = random_frame(&mut Rng::new(seed), &Vocabulary::default());
        let line = describe(&bytes);
        if let Ok(spec) = line.parse::<FrameSpec>() {
            let again = spec.to_frame(Default::default(), Default::default());
            prop_assert_eq!(describe(&again), line);
        }
    }
}
