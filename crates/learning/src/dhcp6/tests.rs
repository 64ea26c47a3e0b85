use std::net::Ipv6Addr;

use super::{Message, kind};
use crate::testing::dhcp6;

const GIVEN: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 5);

#[test]
fn a_reply_tells_its_addresses() {
    let payload = dhcp6(kind::REPLY, 0x123456, b"duid", &[(GIVEN, 60)]);
    let message = Message::read(&payload).expect("a message");
    assert_eq!((message.kind, message.transaction), (kind::REPLY, 0x123456));
    assert!(message.server && !message.failed && !message.rapid_commit);
    let given = message.addresses.first().expect("an address");
    assert_eq!((given.address, given.valid_seconds), (GIVEN, 60));
}

#[test]
fn an_association_that_failed_gives_nothing() {
    let mut payload = dhcp6(kind::REPLY, 1, b"duid", &[(GIVEN, 60)]);
    let status = [0, 13, 0, 2, 0, 2];
    // Within the IA_NA, which is last: its length is 44 before.
    let at = payload.len() - 40 - 2;
    assert_eq!(payload[at..at + 2], [0, 40]);
    payload[at + 1] += 6;
    payload.extend(status);
    assert!(
        Message::read(&payload)
            .expect("a message")
            .addresses
            .is_empty()
    );
    let mut whole = dhcp6(kind::REPLY, 1, b"duid", &[(GIVEN, 60)]);
    whole.extend(status);
    assert!(Message::read(&whole).expect("a message").failed);
}

#[test]
fn what_relays_say_to_servers_is_nothing() {
    assert_eq!(Message::read(&dhcp6(12, 1, b"duid", &[])), None);
    assert_eq!(Message::read(&dhcp6(13, 1, b"duid", &[])), None);
    assert_eq!(Message::read(&[7, 0, 0]), None);
}

#[test]
fn addresses_are_bounded() {
    let many: Vec<(Ipv6Addr, u32)> = (0..100_u128).map(|n| (Ipv6Addr::from(n), 60)).collect();
    let message = Message::read(&dhcp6(kind::REPLY, 1, b"duid", &many)).expect("a message");
    assert_eq!(message.addresses.len(), super::MOST_ADDRESSES);
}
