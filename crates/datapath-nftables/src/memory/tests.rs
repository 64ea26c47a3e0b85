use super::*;

fn connection_of(text: &str) -> Connection {
    text.parse().expect("a connection")
}

#[test]
fn what_is_carried_becomes_an_entry_and_that_is_carried_again() {
    for text in [
        "tcp 10.0.0.5:40000 192.0.2.9:443 431999 7/10",
        "tcp [2001:db8::5]:40000 [2001:db8::9]:443 300",
        "udp 10.0.0.5:40000 192.0.2.9:443 100",
    ] {
        let carried = connection_of(text);
        let entry = entry(7, &carried);
        assert_eq!(entry.zone, 7);
        assert_eq!(connection(&entry), Some(carried));
    }
}

#[test]
fn nothing_that_is_carried_lives_for_ever() {
    let left = |text| entry(1, &connection_of(text)).left;
    assert_eq!(left("tcp 10.0.0.5:1 192.0.2.9:2 4294967295"), LONGEST);
    assert_eq!(left("udp 10.0.0.5:1 192.0.2.9:2 4294967295"), LONGEST_UDP);
    assert_eq!(left("udp 10.0.0.5:1 192.0.2.9:2 0"), 1);
}

#[test]
fn half_open_closing_and_unanswered_ones_are_not_carried() {
    let tcp = entry(1, &connection_of("tcp 10.0.0.5:1 192.0.2.9:2 300"));
    let state = |state| Entry {
        tcp: tcp.tcp.map(|tcp| Tcp { state, ..tcp }),
        ..tcp.clone()
    };
    // SYN_SENT, SYN_RECV, FIN_WAIT, CLOSE_WAIT, LAST_ACK, TIME_WAIT, CLOSE.
    for number in [1, 2, 4, 5, 6, 7, 8] {
        assert_eq!(connection(&state(number)), None, "{number}");
    }
    for status in [
        status::CONFIRMED,
        status::CONFIRMED | status::SEEN_REPLY,
        status::CONFIRMED | status::ASSURED,
    ] {
        let entry = Entry {
            status,
            ..tcp.clone()
        };
        assert_eq!(connection(&entry), None, "{status:#x}");
    }
    let other = Entry {
        protocol: 132,
        tcp: None,
        ..tcp
    };
    assert_eq!(connection(&other), None);
}
