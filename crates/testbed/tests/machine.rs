//! Machines reach each other through a switch and across two hosts, and say how they were refused.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use testbed::{Machine, MachineSpec, Reach, Switch, join};

const PATIENT: Duration = Duration::from_secs(10);
/// Long enough for a local answer to come, if one were to.
const BRIEF: Duration = Duration::from_millis(200);

fn machine(switch: &Switch, last: u8) -> Machine {
    let addresses = vec![
        (format!("10.0.0.{last}"), 24),
        (format!("2001:db8::{last}"), 64),
    ];
    let addresses = addresses
        .into_iter()
        .map(|(text, prefix)| (text.parse().expect("an address"), prefix));
    let spec = MachineSpec {
        device: Some(format!("tap{last}")),
        mac: Some([0x52, 0x54, 0, 9, 9, last]),
        addresses: addresses.collect(),
        link_local: last.is_multiple_of(2),
    };
    let mut machine = Machine::new(switch, 0, &spec).expect("a machine");
    machine.serve_tcp(80).expect("a server");
    machine.serve_udp(53).expect("a server");
    machine
}

fn nft(switch: &Switch, ruleset: &str) {
    let status = switch.namespace().command("nft").arg(ruleset).status();
    assert!(
        status
            .expect("nft runs: install the package nftables")
            .success(),
        "{ruleset}"
    );
}

fn assert_all_reach(from: &Machine, to: &Machine, expected: Reach, timeout: Duration) {
    for &(address, _) in to.addresses() {
        let tcp = from
            .reach_tcp(SocketAddr::new(address, 80), timeout)
            .expect("an answer");
        let udp = from
            .reach_udp(SocketAddr::new(address, 53), timeout)
            .expect("an answer");
        let ping = from.ping(address, timeout).expect("an answer");
        assert_eq!([tcp, udp, ping], [expected; 3], "{address}");
    }
}

#[test]
fn two_machines_on_a_switch() {
    let switch = Switch::new().expect("a switch");
    let (one, two) = (machine(&switch, 1), machine(&switch, 2));
    assert_eq!((one.port().device.as_str(), one.port().mac[5]), ("tap1", 1));
    assert_all_reach(&one, &two, Reach::Answered, PATIENT);
    assert_all_reach(&two, &one, Reach::Answered, PATIENT);
    for &(address, _) in two.addresses() {
        assert_eq!(
            one.reach_tcp(SocketAddr::new(address, 81), PATIENT)
                .expect("an answer"),
            Reach::Refused
        );
        assert_eq!(
            one.reach_udp(SocketAddr::new(address, 81), PATIENT)
                .expect("an answer"),
            Reach::Refused
        );
    }
    let mut held = one
        .connect_tcp("10.0.0.2:80".parse().expect("an address"), PATIENT)
        .expect("a connection");
    nft(
        &switch,
        "add table bridge t; add chain bridge t c { type filter hook prerouting priority 0; policy drop; }",
    );
    assert_all_reach(&one, &two, Reach::Silent, BRIEF);
    nft(&switch, "delete table bridge t");
    held.write_all(b"still here").expect("written");
    let mut answer = [0; 10];
    held.read_exact(&mut answer)
        .expect("a connection outlives a short silence");
    assert_eq!(&answer, b"still here");
}

#[test]
fn nobody_answers_for_an_address_that_is_not_there() {
    let switch = Switch::new().expect("a switch");
    let one = machine(&switch, 1);
    let nobody: IpAddr = "10.0.0.77".parse().expect("an address");
    assert_eq!(one.ping(nobody, BRIEF).expect("an answer"), Reach::Silent);
    let elsewhere: IpAddr = "192.0.2.1".parse().expect("an address");
    let refused = one.ping(elsewhere, BRIEF).expect_err("no route");
    assert!(refused.to_string().contains("192.0.2.1"), "{refused}");
}

#[test]
fn two_hosts_joined_by_an_uplink() {
    let (here, there) = (
        Switch::new().expect("a switch"),
        Switch::new().expect("a switch"),
    );
    join((&here, 0), (&there, 0), "uplink").expect("a wire");
    let (one, two) = (machine(&here, 1), machine(&there, 2));
    assert_all_reach(&one, &two, Reach::Answered, PATIENT);
    let uplink = there.links().find("uplink").expect("a device");
    assert!(uplink.carries && uplink.upper == Some(there.bridges()[0].index));
    assert!(uplink.counters.received > 0);
}

#[test]
fn what_a_machine_sends_has_real_checksums() {
    let switch = Switch::new().expect("a switch");
    let one = machine(&switch, 1);
    let mut ear = switch.add_port().expect("a port").open().expect("a port");
    let address = SocketAddr::new("10.0.0.2".parse().expect("an address"), 9);
    // Nobody answers ARP for it, so tell the machine.
    let known = one.namespace().command("ip");
    let mut known = known;
    let known = known
        .args([
            "neigh",
            "add",
            "10.0.0.2",
            "lladdr",
            "52:54:00:00:00:99",
            "dev",
            "eth0",
        ])
        .status();
    assert!(
        known
            .expect("ip runs: install the package iproute2")
            .success()
    );
    assert_eq!(
        one.reach_udp(address, BRIEF).expect("an answer"),
        Reach::Silent
    );
    let frames = ear.drain().expect("drained");
    let datagram = frames
        .iter()
        .find(|frame| frame.get(23) == Some(&17))
        .expect("the datagram was flooded");
    // The pseudo header (addresses, protocol, length) and the datagram sum up to all ones.
    let length = u16::from_be_bytes([datagram[38], datagram[39]]);
    let end = 34 + usize::from(length);
    let mut bytes = [
        &datagram[26..34],
        &[0, 17],
        &length.to_be_bytes(),
        &datagram[34..end],
    ]
    .concat();
    bytes.resize(bytes.len().next_multiple_of(2), 0);
    let sum: u32 = bytes
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]))
        .sum();
    assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff);
}
