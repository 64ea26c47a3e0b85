use proptest::prelude::*;

use super::*;
use crate::rtnetlink::{NEW_LINK, messages};

const RECORDED: &[u8] = include_bytes!("../../tests/recorded/links.bin");
const RECORDED_VLANS: &[u8] = include_bytes!("../../tests/recorded/vlans.bin");

/// The bodies of the link messages in a recorded answer.
fn bodies(recorded: &[u8]) -> Vec<Vec<u8>> {
    messages(recorded)
        .map(|message| message.unwrap())
        .filter(|message| message.message_type() == NEW_LINK)
        .map(|message| message.payload().to_vec())
        .collect()
}

/// A link message with these attributes.
fn body(family: u8, attributes: &[(u16, &[u8])]) -> Vec<u8> {
    let mut body = vec![family, 0, 1, 0];
    body.extend(7_u32.to_ne_bytes());
    body.extend([0; 8]);
    for (kind, value) in attributes {
        body.extend(((value.len() + 4) as u16).to_ne_bytes());
        body.extend(kind.to_ne_bytes());
        body.extend(*value);
        body.resize(body.len().next_multiple_of(4), 0);
    }
    body
}

#[test]
fn a_bridge_says_whether_it_filters_vlans() {
    let links: Vec<Link> = bodies(RECORDED)
        .iter()
        .map(|body| Link::parse(body).unwrap())
        .collect();
    let filtering = |name: &str| {
        links
            .iter()
            .find(|link| link.name == name)
            .unwrap()
            .bridge_filters_vlans
    };
    assert_eq!(filtering("br0"), Some(true));
    assert_eq!(filtering("br1"), Some(false));
    assert_eq!(filtering("v0"), None);
    assert_eq!(filtering("lo"), None);
}

#[test]
fn a_bridge_says_the_vlan_of_untagged_frames() {
    let said: Vec<(String, Option<u16>)> = bodies(RECORDED_VLANS)
        .iter()
        .map(|body| Link::parse(body).unwrap())
        .inspect(|link| assert!(link.from_bridge))
        .map(|link| (link.name, link.pvid))
        .filter(|(name, _)| name.starts_with('v'))
        .collect();
    let expected = [
        ("v0", Some(1)),
        ("v1", Some(2102)),
        ("v2", None),
        ("v3", Some(1)),
    ];
    assert_eq!(said, expected.map(|(name, pvid)| (name.to_owned(), pvid)));
}

#[test]
fn only_the_data_of_a_bridge_is_read_as_such() {
    // A bond's attribute 7 is another matter than a bridge's.
    let data = [12_u8, 0, 2, 0, 5, 0, 7, 0, 1, 0, 0, 0];
    let mut info = vec![9_u8, 0, 1, 0];
    info.extend(b"bond\0\0\0\0");
    info.extend(data);
    let link = Link::parse(&body(0, &[(IFLA_LINKINFO, &info)])).unwrap();
    assert_eq!(link.bridge_filters_vlans, None);
}

#[test]
fn a_link_without_an_ethernet_address_has_none() {
    let link = Link::parse(&body(0, &[(IFLA_ADDRESS, &[10, 0, 0, 1])])).unwrap();
    assert_eq!(link.mac, None);
}

#[test]
fn a_master_of_zero_is_none() {
    let link = Link::parse(&body(0, &[(IFLA_MASTER, &[0; 4])])).unwrap();
    assert_eq!(link.master, None);
}

#[test]
fn names_that_are_no_text_stay_apart() {
    let name = |bytes: &[u8]| Link::parse(&body(0, &[(IFLA_IFNAME, bytes)])).unwrap().name;
    assert_eq!(name(b"vnet0\0"), "vnet0");
    assert_eq!(name("брідж\0".as_bytes()), "брідж");
    assert_eq!(name(b"v\xff\0"), "v\\xff/7");
    // What looks like an escape but is the name itself.
    assert_eq!(name(b"v\\xff\0"), "v\\xff");
}

#[test]
fn a_header_cut_short_is_an_error() {
    for length in 0..HEADER_LENGTH {
        assert!(Link::parse(&vec![0; length]).is_err());
    }
}

proptest! {
    #[test]
    fn no_message_is_too_odd(
        which in 0..11_usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        length in any::<prop::sample::Index>(),
    ) {
        let all: Vec<_> = [bodies(RECORDED), bodies(RECORDED_VLANS)].concat();
        let mut body = all[which % all.len()].clone();
        for (place, byte) in changes {
            let place = place.index(body.len());
            body[place] = byte;
        }
        body.truncate(length.index(body.len() + 1));
        let _ = Link::parse(&body);
    }

    #[test]
    fn no_datagram_is_too_odd(datagram in prop::collection::vec(any::<u8>(), 0..200)) {
        for message in messages(&datagram).flatten() {
            let _ = Link::parse(message.payload());
        }
    }
}
