//! The agent on a host with Open vSwitch: ports come under it by what the switch's database says of
//! them, and real frames pass or do not.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use testbed::link::{Links, VethEnd};
use testbed::{Namespace, OpenVSwitch, RawPort};

use crate::host::{Going, folder};

const DOCUMENTS: &str = "kind: Host
name: hv-1
bridges: {ovsbr0: {managed: true}}
---
kind: Profile
name: guarded
stateful: off
guards: [mac]
default: {in: accept, out: accept}
---
kind: Network
name: lan
bridge: ovsbr0
profiles: [guarded]
";

/// The switch's port of a machine, and the machine's end of its wire.
fn plug(switch: &OpenVSwitch, ends: &Namespace, number: u8, ids: bool) -> RawPort {
    let (near, far) = (format!("vnet{number}"), format!("end{number}"));
    let end = |namespace, name, first| VethEnd {
        namespace,
        name,
        mac: [first, 0x54, 0, 0, 0, number],
        upper: None,
    };
    let links = Links::open(switch.namespace()).expect("netlink");
    let pair = (
        end(None, near.as_str(), 0xfe),
        end(Some(ends), far.as_str(), 0x52),
    );
    let made = links.add_veths(&[pair]).expect("interfaces");
    let mac = format!("external_ids:attached-mac=52:54:00:00:00:{number:02x}");
    let id = format!("external_ids:iface-id=port-{number}");
    let mut words = vec!["add-port", "ovsbr0", near.as_str()];
    if ids {
        words.extend(["--", "set", "Interface", near.as_str(), &mac, &id]);
    }
    switch.vsctl(&words).expect("a port");
    RawPort::open(ends, &far, made[0].1).expect("a raw port")
}

/// Whether a frame from one machine under this MAC arrives at another.
fn passes(from: &RawPort, to: &mut RawPort, source: u8, destination: u8) -> bool {
    let mut frame = vec![
        0x52,
        0x54,
        0,
        0,
        0,
        destination,
        0x52,
        0x54,
        0,
        0,
        0,
        source,
    ];
    // RFC 826: a request of 10.0.0.1 for 10.0.0.2.
    frame.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 0x52, 0x54, 0, 0, 0, source]);
    frame.extend([10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2]);
    frame.resize(60, 0);
    to.drain().expect("drained");
    from.send(&frame).expect("sent");
    while let Some(heard) = to.receive(Duration::from_millis(400)).expect("heard") {
        if heard.get(..14) == frame.get(..14) {
            return true;
        }
    }
    false
}

#[test]
fn ports_of_open_vswitch_are_claimed_by_its_database_and_closed_until_then() {
    let switch = OpenVSwitch::start().expect("an Open vSwitch");
    switch.add_bridge("ovsbr0").expect("a bridge");
    let ends = Namespace::new().expect("a namespace");
    let place = folder();
    let path = |name: &str| place.join(name).to_str().expect("text").to_owned();
    std::fs::write(place.join("all.yaml"), DOCUMENTS).expect("documents");
    let first = plug(&switch, &ends, 1, true);
    let mut second = plug(&switch, &ends, 2, true);
    assert!(passes(&first, &mut second, 9, 2), "without moat, anything");

    let directory = switch.directory().to_str().expect("text").to_owned();
    let socket = path("agent.sock");
    let mut command = switch.namespace().command(env!("CARGO_BIN_EXE_moat"));
    command
        .args([
            "agent",
            &path("all.yaml"),
            "--no-libvirt",
            "--openvswitch",
            &directory,
        ])
        .args(["--socket", &socket, "--state", &path("state")])
        .args(["--runtime", &path("runtime")]);
    let _agent = Going::start(command, "ready");
    let port = |name: &str| -> Value {
        let mut command: Command = switch.namespace().command(env!("CARGO_BIN_EXE_moat"));
        let said = command
            .args(["status", "--json", "--socket", &socket])
            .output();
        let status: Value = serde_json::from_slice(&said.expect("it runs").stdout).expect("JSON");
        let ports = status["ports"].as_array().expect("ports").iter();
        let mut ports = ports.filter(|port| port["port"] == name);
        ports.next().cloned().unwrap_or_default()
    };
    let enforced = |name: &str| {
        for _ in 0..600 {
            if port(name)["state"] == "enforced" {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("{name}: {}", port(name));
    };
    enforced("port-1");
    enforced("port-2");
    assert_eq!(port("port-1")["source"], "openvswitch");
    assert!(passes(&first, &mut second, 1, 2));
    assert!(!passes(&first, &mut second, 9, 2), "another's MAC");

    // One whom nobody knows passes nothing, until the database says whose it is.
    let third = plug(&switch, &ends, 3, false);
    assert!(!passes(&third, &mut second, 3, 2));
    let ids = [
        "external_ids:attached-mac=52:54:00:00:00:03",
        "external_ids:iface-id=port-3",
    ];
    switch
        .vsctl(&[&["set", "Interface", "vnet3"], &ids[..]].concat())
        .expect("set");
    enforced("port-3");
    assert!(passes(&third, &mut second, 3, 2));
    assert!(!passes(&third, &mut second, 1, 2), "another's MAC");
}
