//! Guards: a port sends only as itself, whatever its rules and connections say.

use frame::{FrameBuilder, MacAddress, TcpFlags};
use policy::program::{ConnectionState, Direction};

use crate::world::{STRANGER, World, decided};

const ONE: &str = r#"
kind: Network
name: lan
bridge: br0
---
kind: Profile
name: guarded
guards: [mac, ipv4, ipv6, arp, nd, no-dhcp-server, no-router-advertisement]
default: {in: accept, out: accept}
---
kind: Port
name: vm/0
device: vnet0
mac: 52:54:00:00:00:01
addresses: [10.0.0.5, "2001:db8::5", 10.1.0.0/24]
network: lan
profiles: [guarded]
"#;

#[test]
fn what_is_the_ports_own_passes() {
    let world = World::new(ONE);
    for spec in [
        "tcp 10.0.0.5:1 > 10.0.0.9:80",
        "tcp 10.1.0.77:1 > 10.0.0.9:80",
        "udp [2001:db8::5]:1 > [2001:db8::9]:53",
        "udp [fe80::5054:ff:fe00:1]:1 > [fe80::9]:53",
        "arp request 10.0.0.5 > 10.0.0.9",
        "arp request 0.0.0.0 > 10.0.0.5",
        "ns :: target 2001:db8::5",
        "na 2001:db8::5 target 2001:db8::5",
        "rs fe80::5054:ff:fe00:1",
        "dhcp discover",
        "dhcpv6 solicit",
    ] {
        let evaluation = world.out("vm/0", spec);
        assert!(evaluation.passes(), "{spec}: {evaluation:?}");
    }
}

#[test]
fn what_is_not_its_own_is_dropped_by_the_guard_that_says_so() {
    let world = World::new(ONE);
    for (spec, guard) in [
        (
            "tcp 10.0.0.5:1 > 10.0.0.9:80 mac 02:00:00:00:00:99 > ff:ff:ff:ff:ff:ff",
            "guard/mac",
        ),
        ("tcp 10.0.0.6:1 > 10.0.0.9:80", "guard/ipv4"),
        ("tcp 0.0.0.0:1 > 10.0.0.9:80", "guard/ipv4"),
        ("udp [2001:db8::6]:1 > [2001:db8::9]:53", "guard/ipv6"),
        ("udp [fe80::1]:1 > [fe80::9]:53", "guard/ipv6"),
        ("arp reply 10.0.0.9 > 10.0.0.8", "guard/arp"),
        ("na 2001:db8::5 target 2001:db8::9", "guard/nd"),
        ("ra fe80::5054:ff:fe00:1", "guard/no-router-advertisement"),
        (
            "dhcp offer 10.0.0.5 > 255.255.255.255",
            "guard/no-dhcp-server",
        ),
    ] {
        let evaluation = world.out("vm/0", spec);
        assert!(!evaluation.passes(), "{spec}");
        assert_eq!(decided(&evaluation), guard, "{spec}");
    }
}

#[test]
fn guards_come_before_established_connections() {
    let world = World::new(ONE);
    let forged = "tcp 10.0.0.6:1 > 10.0.0.9:80";
    for state in [ConnectionState::Established, ConnectionState::Related] {
        assert!(
            !world.ask("vm/0", Direction::Out, forged, state).passes(),
            "{state:?}"
        );
    }
}

#[test]
fn an_icmp_error_is_held_to_its_source_too() {
    let world = World::new(ONE);
    let error = "icmp 10.0.0.6 > 10.0.0.9 type 3 code 1";
    let evaluation = world.ask("vm/0", Direction::Out, error, ConnectionState::Related);
    assert_eq!(decided(&evaluation), "guard/ipv4");
}

#[test]
fn an_nd_option_with_another_mac_is_dropped() {
    let world = World::new(ONE);
    let own = MacAddress([0x52, 0x54, 0, 0, 0, 1]);
    let address = "2001:db8::5".parse().expect("an address");
    let group = "ff02::1".parse().expect("an address");
    let advertise = |mac: MacAddress| {
        let option = frame::build::nd_option::target_link_layer(mac);
        FrameBuilder::new(own, STRANGER)
            .ipv6(address, group)
            .hop_limit(255)
            .neighbor_advertisement(address, &option)
            .build()
    };
    let ask = |frame: &[u8]| world.bytes("vm/0", Direction::Out, frame, ConnectionState::New);
    assert!(ask(&advertise(own)).passes());
    assert_eq!(decided(&ask(&advertise(STRANGER))), "guard/nd");
}

#[test]
fn what_cannot_be_read_is_dropped() {
    let world = World::new(ONE);
    let own = MacAddress([0x52, 0x54, 0, 0, 0, 1]);
    let (from, to) = (
        "10.0.0.5".parse().expect("an address"),
        "10.0.0.9".parse().expect("an address"),
    );
    let whole = FrameBuilder::new(own, STRANGER)
        .ipv4(from, to)
        .tcp(1, 80, TcpFlags::SYN)
        .build();
    assert!(
        world
            .bytes("vm/0", Direction::Out, &whole, ConnectionState::New)
            .passes()
    );
    for length in 0..whole.len() {
        let cut = &whole[..length];
        let evaluation = world.bytes("vm/0", Direction::Out, cut, ConnectionState::New);
        assert!(!evaluation.passes(), "{length} bytes: {evaluation:?}");
    }
}

#[test]
fn tags_and_other_ethertypes_need_to_be_listed() {
    let world = World::new(ONE);
    for spec in [
        "tcp 10.0.0.5:1 > 10.0.0.9:80 vlan 5",
        "ether 0x88cc",
        "ether 0x8035",
    ] {
        assert!(!world.out("vm/0", spec).passes(), "{spec}");
        assert!(!world.inward("vm/0", spec).passes(), "{spec}");
    }
}
