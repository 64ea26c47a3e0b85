use std::collections::BTreeSet;

use super::*;
use crate::{Frame, Network, Readability, describe};

fn vocabulary() -> Vocabulary {
    Vocabulary {
        macs: vec![
            MacAddress([0x52, 0x54, 0, 0, 0, 1]),
            MacAddress([0x52, 0x54, 0, 0, 0, 2]),
        ],
        ipv4: vec![[10, 0, 0, 5].into(), [10, 0, 0, 9].into()],
        ipv6: vec!["2001:db8::5".parse().unwrap()],
        ports: vec![80, 22],
        vlans: vec![100, 200],
        ether_types: vec![0x88cc],
        protocols: vec![47],
        oversize: false,
    }
}

#[test]
fn a_seed_gives_the_same_frames() {
    let frames = |seed| {
        let mut rng = Rng::new(seed);
        (0..50)
            .map(|_| random_frame(&mut rng, &vocabulary()))
            .collect::<Vec<_>>()
    };
    assert_eq!(frames(1), frames(1));
    assert_ne!(frames(1), frames(2));
}

/// The kinds that a property test counts on meeting.
#[test]
fn every_kind_comes_up() {
    let mut rng = Rng::new(7);
    let vocabulary = vocabulary();
    let mut seen = BTreeSet::new();
    for _ in 0..20_000 {
        let bytes = random_frame(&mut rng, &vocabulary);
        assert!(bytes.len() >= 14);
        assert!(bytes.len() <= 1518 + 4, "{}", bytes.len());
        assert!(!describe(&bytes).contains('\n'));
        let Ok(frame) = Frame::parse(&bytes) else {
            seen.insert("truncated tag".to_owned());
            continue;
        };
        if let Some(tag) = frame.tag {
            seen.insert(format!("tag {:#x}", tag.protocol));
        }
        if frame.protocol == 4 || frame.protocol == 1 || frame.protocol == 0x8100 {
            seen.insert(format!("protocol {:#x}", frame.protocol));
        }
        let family = match &frame.network {
            Network::Arp(arp) => {
                seen.insert(format!("arp whole: {}", arp.is_ethernet_ipv4()));
                continue;
            }
            Network::Rarp(_) => "rarp".to_owned(),
            Network::Malformed { family } => format!("malformed {family:?}"),
            Network::Other => "other".to_owned(),
            Network::Ipv4(_) => "v4".to_owned(),
            Network::Ipv6(_) => "v6".to_owned(),
        };
        if let Some(transport) = frame.transport() {
            let protocol = transport.protocol();
            match transport.readability() {
                Readability::Readable => seen.insert(format!("{family} {protocol}")),
                other => seen.insert(format!("{family} {other:?}")),
            };
            if let Some((kind, _)) = transport.icmpv6() {
                seen.insert(format!("icmpv6 {kind}"));
            }
            if let (Some(from), Some(to)) = (transport.source_port(), transport.destination_port())
                && matches!(from, 67 | 68 | 546 | 547)
            {
                seen.insert(format!("dhcp {from} {to}"));
            }
        }
        seen.insert(family);
    }
    for expected in [
        "truncated tag",
        "tag 0x8100",
        "tag 0x88a8",
        "protocol 0x4",
        "protocol 0x1",
        "protocol 0x8100",
        "arp whole: true",
        "arp whole: false",
        "rarp",
        "malformed V4",
        "malformed V6",
        "other",
        "v4 6",
        "v4 17",
        "v4 132",
        "v4 1",
        "v4 47",
        "v4 136",
        "v4 33",
        "v4 58",
        "v6 6",
        "v6 17",
        "v6 132",
        "v6 58",
        "v6 47",
        "v6 51",
        "v6 59",
        "v6 1",
        "v4 Short",
        "v6 Short",
        "v4 LaterFragment",
        "v6 LaterFragment",
        "icmpv6 133",
        "icmpv6 134",
        "icmpv6 135",
        "icmpv6 136",
        "icmpv6 137",
        "icmpv6 131",
        "icmpv6 143",
        "dhcp 67 68",
        "dhcp 68 67",
        "dhcp 546 547",
        "dhcp 547 546",
    ] {
        assert!(seen.contains(expected), "never: {expected}; seen: {seen:?}");
    }
}

#[test]
fn oversize_only_if_asked() {
    let mut vocabulary = vocabulary();
    let longest = |vocabulary: &Vocabulary| {
        let mut rng = Rng::new(3);
        (0..20_000)
            .map(|_| random_frame(&mut rng, vocabulary).len())
            .max()
    };
    assert!(longest(&vocabulary) <= Some(1518));
    vocabulary.oversize = true;
    let longest = longest(&vocabulary);
    assert!(longest > Some(1518) && longest <= Some(1600), "{longest:?}");
}

#[test]
fn an_empty_vocabulary_will_do() {
    let mut rng = Rng::new(5);
    for _ in 0..2_000 {
        let mut frame = random_frame(&mut rng, &Vocabulary::default());
        mutate(&mut rng, &Vocabulary::default(), &mut frame);
        assert!(frame.len() >= 14);
    }
    for length in 0..20 {
        let mut frame = vec![0; length];
        for _ in 0..50 {
            mutate(&mut rng, &Vocabulary::default(), &mut frame);
        }
    }
}
