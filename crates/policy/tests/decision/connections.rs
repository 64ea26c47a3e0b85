//! Connections that began on another host: they go on where the policy here would let them begin, and
//! nowhere else, whatever whoever brings them says.

use policy::connection::{Connection, Objection, may_go_on};

use crate::world::World;

fn world(documents: &str) -> World {
    World::new(&format!(
        r#"
kind: Network
name: lan
bridge: br0
---
kind: Port
name: vm/0
device: vnet0
mac: 52:54:00:00:00:01
addresses: [10.0.0.5, "2001:db8::5"]
network: lan
profiles: [web]
---
{documents}"#
    ))
}

/// `None`: it may go on.
fn objection(world: &World, text: &str) -> Option<String> {
    let connection: Connection = text.parse().expect("a connection");
    let judged = may_go_on(&world.program, "vm/0", &connection);
    judged.err().map(|objection| objection.to_string())
}

fn refused(world: &World, text: &str) -> bool {
    objection(world, text).is_some()
}

const CLIENT: &str = "tcp 10.0.0.5:40000 192.0.2.9:443 100";
const SERVER: &str = "tcp 192.0.2.9:40000 10.0.0.5:443 100";

#[test]
fn what_may_begin_may_go_on() {
    let world = world(
        "kind: Profile\nname: web\ndefault: {in: drop, out: accept}\n\
         rules: [accept in https, drop out tcp 25, accept in udp 53 from 192.0.2.0/24]\n",
    );
    for text in [
        CLIENT,
        SERVER,
        "udp 10.0.0.5:5000 192.0.2.9:53 100",
        "udp 192.0.2.9:5000 10.0.0.5:53 100",
        "tcp [2001:db8::5]:1 [2001:db8::9]:2 3",
    ] {
        assert_eq!(objection(&world, text), None, "{text}");
    }
    for text in [
        "tcp 10.0.0.5:40000 192.0.2.9:25 100",
        "tcp 192.0.2.9:40000 10.0.0.5:22 100",
        "udp 198.51.100.9:5000 10.0.0.5:53 100",
    ] {
        let objection = objection(&world, text).expect("an objection");
        assert!(
            objection.contains("refuses its first packet"),
            "{objection}"
        );
    }
}

#[test]
fn only_ends_that_a_connection_of_the_port_can_have() {
    let world = world("kind: Profile\nname: web\ndefault: {in: accept, out: accept}\n");
    let objected = |text: &str| {
        let connection: Connection = text.parse().expect("a connection");
        may_go_on(&world.program, "vm/0", &connection)
    };
    assert_eq!(
        objected("tcp 10.0.0.6:40000 192.0.2.9:443 100"),
        Err(Objection::NotItsOwn)
    );
    for text in [
        "udp 10.0.0.5:1 224.0.0.1:2 3",
        "udp 10.0.0.5:1 255.255.255.255:2 3",
        "udp 0.0.0.0:1 10.0.0.5:2 3",
        "udp 10.0.0.5:1 127.0.0.1:2 3",
        "udp 10.0.0.5:0 192.0.2.9:2 3",
    ] {
        assert_eq!(objected(text), Err(Objection::Impossible), "{text}");
    }
    let other = may_go_on(&world.program, "vm/1", &CLIENT.parse().expect("one"));
    assert_eq!(other, Err(Objection::NotHere));
}

#[test]
fn without_tracking_there_is_nothing_that_could_go_on() {
    let world =
        world("kind: Profile\nname: web\nstateful: off\ndefault: {in: accept, out: accept}\n");
    let one: Connection = CLIENT.parse().expect("a connection");
    let judged = may_go_on(&world.program, "vm/0", &one);
    assert_eq!(judged, Err(Objection::NotTracked));
}

#[test]
fn no_accept_rests_on_what_is_not_known_any_more_and_a_drop_may() {
    let profile = |rule: &str, default: &str| {
        world(&format!(
            "kind: Profile\nname: web\ndefault: {{in: drop, out: {default}}}\nrules: ['{rule}']\n"
        ))
    };
    for condition in [
        "ether.dst 02:00:00:00:00:99",
        "ether.dst not 02:00:00:00:00:99",
        "ip.dscp 0",
    ] {
        let accepts = profile(&format!("accept out tcp 443 with {condition}"), "drop");
        assert!(refused(&accepts, CLIENT), "{condition}");
        let drops = profile(&format!("drop out tcp 443 with {condition}"), "accept");
        assert!(refused(&drops, CLIENT), "{condition}");
    }
    // Its own MAC is known.
    let own = profile(
        "accept out tcp 443 with ether.src 52:54:00:00:00:01",
        "drop",
    );
    assert_eq!(objection(&own, CLIENT), None);
    // That it begins a connection is known, too.
    let syn = profile("accept out tcp 443 with tcp.flags syn/syn,ack", "drop");
    assert_eq!(objection(&syn, CLIENT), None);
}

const OPEN: &str = "kind: Profile\nname: web\ndefault: {in: accept, out: accept}\n";

fn neighbour(addresses: &str, profile: &str) -> String {
    format!(
        "{OPEN}---\nkind: Port\nname: vm/1\ndevice: vnet1\nmac: 52:54:00:00:00:02\nnetwork: lan\n\
         {addresses}\nprofiles: [closed]\n---\nkind: Profile\nname: closed\n{profile}\n"
    )
}

#[test]
fn a_port_of_this_host_that_may_be_the_other_end_has_to_agree() {
    let guarded = "guards: [mac, ipv4]\ndefault: {in: drop, out: drop}";
    let there = "addresses: [192.0.2.9]";
    for text in [CLIENT, SERVER] {
        let world = world(&neighbour(there, guarded));
        let objection = objection(&world, text).expect("an objection");
        assert!(objection.contains("vm/1"), "{objection}");
    }
    // It is somebody else.
    let elsewhere = neighbour("addresses: [192.0.2.10]", guarded);
    assert_eq!(objection(&world(&elsewhere), CLIENT), None);
    assert_eq!(objection(&world(&elsewhere), SERVER), None);
    // Without a guard it may be anybody.
    let anybody = neighbour("", "guards: [mac]\ndefault: {in: drop, out: drop}");
    assert!(refused(&world(&anybody), CLIENT));
    assert!(refused(&world(&anybody), SERVER));
    // It agrees, or nobody remembers anything for it.
    let agrees = neighbour(there, "guards: [mac, ipv4]\nrules: [accept in https]");
    assert_eq!(objection(&world(&agrees), CLIENT), None);
    let frame_by_frame = format!("{guarded}\nstateful: off");
    assert_eq!(
        objection(&world(&neighbour(there, &frame_by_frame)), CLIENT),
        None
    );
}

#[test]
fn a_port_that_may_be_either_end_has_to_agree_to_both() {
    let world = |default: &str| {
        World::new(&format!(
            "kind: Network\nname: lan\nbridge: br0\n---\nkind: Port\nname: vm/0\ndevice: vnet0\n\
             mac: 52:54:00:00:00:01\naddresses: [10.0.0.0/24]\nnetwork: lan\nprofiles: [web]\n---\n\
             kind: Profile\nname: web\ndefault: {default}\n"
        ))
    };
    let both = "tcp 10.0.0.5:1 10.0.0.6:2 3";
    assert!(refused(&world("{in: drop, out: accept}"), both));
    assert!(refused(&world("{in: accept, out: drop}"), both));
    assert_eq!(objection(&world("{in: accept, out: accept}"), both), None);
}
