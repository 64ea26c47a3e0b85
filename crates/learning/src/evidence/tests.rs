use std::net::IpAddr;

use frame::{FrameSpec, MacAddress};

use super::{Direction, Evidence, evidence, is_host};
use crate::testing::{CLIENT, OTHER};

fn of(direction: Direction, spec: &str) -> Option<Evidence> {
    let spec: FrameSpec = spec
        .parse()
        .unwrap_or_else(|error| panic!("{spec}: {error}"));
    evidence(CLIENT, direction, &spec.to_frame(CLIENT, OTHER))
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

#[test]
fn a_port_uses_what_it_speaks_as() {
    for (spec, used) in [
        ("tcp 10.0.0.5:1 > 10.0.0.9:80", "10.0.0.5"),
        ("udp [2001:db8::5]:1 > [2001:db8::9]:53", "2001:db8::5"),
        ("arp request 10.0.0.5 > 10.0.0.9", "10.0.0.5"),
        ("arp request 10.0.0.5 > 10.0.0.5", "10.0.0.5"), // gratuitous
        ("arp reply 10.0.0.5 > 10.0.0.9", "10.0.0.5"),
        ("rs fe80::77", "fe80::77"),
    ] {
        let used = Some(Evidence::Uses(address(used)));
        assert_eq!(of(Direction::Out, spec), used, "{spec}");
        assert_eq!(of(Direction::In, spec), None, "{spec}");
    }
}

#[test]
fn a_port_asks_whether_an_address_is_free() {
    let probe = |text| Some(Evidence::Probes(address(text)));
    assert_eq!(
        of(Direction::Out, "arp request 0.0.0.0 > 10.0.0.5"),
        probe("10.0.0.5")
    );
    assert_eq!(
        of(Direction::Out, "ns :: target 2001:db8::5"),
        probe("2001:db8::5")
    );
}

#[test]
fn nobody_speaks_for_another() {
    let forged = "arp reply 10.0.0.5 > 10.0.0.9 sender 52:54:00:00:00:09";
    assert_eq!(of(Direction::Out, forged), None);
    let forged = "tcp 10.0.0.5:1 > 10.0.0.9:80 mac 02:00:00:00:00:99 > ff:ff:ff:ff:ff:ff";
    assert_eq!(of(Direction::Out, forged), None);
}

#[test]
fn a_report_that_was_cut_still_tells_the_source() {
    let long = frame::FrameBuilder::new(CLIENT, OTHER)
        .ipv4([10, 0, 0, 5].into(), [10, 0, 0, 9].into())
        .udp(1, 2)
        .payload(vec![0; 1400])
        .build();
    let used = Some(Evidence::Uses(address("10.0.0.5")));
    assert_eq!(evidence(CLIENT, Direction::Out, &long[..14 + 128]), used);
    assert_eq!(evidence(CLIENT, Direction::Out, &long[..14 + 19]), None);
}

#[test]
fn no_host_has_these() {
    for text in [
        "0.0.0.0",
        "0.1.2.3",
        "127.0.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "ff02::1",
        "::ffff:10.0.0.1",
    ] {
        assert!(!is_host(address(text)), "{text}");
    }
    for text in ["10.0.0.1", "169.254.1.1", "fe80::1", "2001:db8::1"] {
        assert!(is_host(address(text)), "{text}");
    }
    assert_eq!(evidence(MacAddress([0; 6]), Direction::Out, b"short"), None);
}
