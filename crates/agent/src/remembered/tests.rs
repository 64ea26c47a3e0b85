use std::net::Ipv4Addr;

use frame::MacAddress;
use learning::{Held, Origin};

use super::*;

const NOW: Moment = Moment::seconds(10 * PATIENCE);

fn port(expires: Option<u64>) -> PortSnapshot {
    PortSnapshot {
        mac: MacAddress([0x52, 0x54, 0, 0, 0, 1]),
        addresses: vec![Held {
            address: Ipv4Addr::new(10, 0, 0, 5).into(),
            origin: Origin::Leased,
            since: Moment::seconds(1),
            expires: expires.map(Moment::seconds),
            server: None,
            client: 7,
        }],
    }
}

fn remembered(expires: Option<u64>, missed: Missed, now: Moment) -> Remembered {
    let ports = BTreeMap::from([("web-1/0".to_owned(), port(expires))]);
    Remembered::new(&Snapshot::of(ports), missed, now)
}

fn after(seconds: u64) -> Moment {
    Moment::seconds(NOW.0.as_secs() + seconds)
}

#[test]
fn a_port_that_comes_back_gets_what_it_had_once() {
    let mut it = remembered(None, Missed::default(), NOW);
    let names = ["web-1/0".to_owned(), "other/0".to_owned()];
    assert_eq!(it.take(names.iter()).len(), 1);
    assert!(it.take(names.iter()).is_empty());
    assert!(it.ports().is_empty());
    assert_eq!(*it.missed(), Missed::default());
}

#[test]
fn a_port_that_does_not_come_back_is_forgotten_however_often_the_agent_begins_anew() {
    let mut it = remembered(None, Missed::default(), NOW);
    let mut missed = it.missed().clone();
    for _ in 0..3 {
        it = remembered(None, missed, after(PATIENCE - 1));
        assert_eq!(it.ports().len(), 1);
        assert!(!it.forget(after(PATIENCE - 1)));
        missed = it.missed().clone();
    }
    assert!(it.forget(after(PATIENCE)));
    assert!(it.ports().is_empty());
    assert_eq!(*it.missed(), Missed::default());
    assert!(remembered(None, missed, after(PATIENCE)).ports().is_empty());
}

#[test]
fn a_lease_that_has_ended_is_forgotten_at_its_end() {
    let mut it = remembered(Some(NOW.0.as_secs() + 60), Missed::default(), NOW);
    assert!(!it.forget(after(59)));
    assert!(it.forget(after(60)));
    assert!(it.ports().is_empty());
}

#[test]
fn a_clock_that_was_ahead_keeps_nothing_longer() {
    let ahead = Missed(BTreeMap::from([("web-1/0".to_owned(), u64::MAX)]));
    let mut it = remembered(None, ahead, NOW);
    assert!(it.forget(after(PATIENCE)));
}
