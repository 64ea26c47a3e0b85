use std::net::Ipv4Addr;

use super::{Message, kind};
use crate::testing::{CLIENT, Dhcp};

const GIVEN: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 5);

#[test]
fn a_message_tells_its_lease() {
    let ack = Dhcp::answers(kind::ACK, 7, GIVEN, 3600);
    let message = Message::read(&ack.payload()).expect("a message");
    assert!(message.reply);
    assert_eq!((message.kind, message.transaction), (kind::ACK, 7));
    assert_eq!((message.client_mac, message.yours), (CLIENT, GIVEN));
    assert_eq!(message.lease_seconds, Some(3600));
    assert_eq!(message.server, Some([10, 0, 0, 1].into()));
}

#[test]
fn the_first_option_of_a_kind_counts_and_a_wrong_length_does_not() {
    let message = Dhcp::answers(kind::ACK, 7, GIVEN, 60)
        .option(51, &[0, 0, 0xff, 0xff])
        .option(50, &[10, 0, 0])
        .option(53, &[kind::NAK]);
    let message = Message::read(&message.payload()).expect("a message");
    assert_eq!((message.kind, message.lease_seconds), (kind::ACK, Some(60)));
    assert_eq!(message.requested, None);
}

#[test]
fn options_go_on_in_other_fields() {
    let mut payload = Dhcp::asks(kind::ACK, 7).option(52, &[3]).payload();
    payload[108..115].copy_from_slice(&[51, 4, 0, 0, 0, 60, 255]);
    payload[44..51].copy_from_slice(&[54, 4, 10, 0, 0, 1, 255]);
    let message = Message::read(&payload).expect("a message");
    assert_eq!(message.lease_seconds, Some(60));
    assert_eq!(message.server, Some([10, 0, 0, 1].into()));
}

#[test]
fn clients_are_told_apart() {
    let identity = |message: Dhcp| {
        Message::read(&message.payload())
            .expect("a message")
            .identity
    };
    let plain = identity(Dhcp::asks(kind::REQUEST, 1));
    assert_eq!(plain, identity(Dhcp::asks(kind::REQUEST, 2)));
    let named = identity(Dhcp::asks(kind::REQUEST, 1).option(61, b"\x00web"));
    assert_ne!(plain, named);
}

#[test]
fn what_is_cut_or_no_dhcp_is_nothing() {
    let whole = Dhcp::answers(kind::ACK, 7, GIVEN, 60).payload();
    for length in 0..243 {
        assert_eq!(Message::read(&whole[..length]), None, "{length}");
    }
    let mut bootp = whole.clone();
    bootp[236] = 0;
    assert_eq!(Message::read(&bootp), None);
    let mut token_ring = whole;
    token_ring[1] = 6;
    assert_eq!(Message::read(&token_ring), None);
}
