//! Isolation: who reaches whom in a network, judged by source MAC at the receiver.

use crate::world::{World, decided};

const PRIVATE: &str = r#"
kind: Network
name: tenant
bridge: br0
isolation: private
promiscuous: [52:54:00:aa:00:01]
gateways: [52:54:00:aa:00:02]
communities: {db: [db-1, db-2]}
---
kind: Network
name: other
bridge: br0
isolation: members
mac-prefix: 02:00:0a:00:00:00/40
---
kind: Profile
name: open
stateful: off
default: {in: accept, out: accept}
---
{kind: Port, name: web-1, vm: web-1, device: v1, mac: "52:54:00:00:00:01", network: tenant, profiles: [open]}
---
{kind: Port, name: web-2, vm: web-2, device: v2, mac: "52:54:00:00:00:02", network: tenant, profiles: [open]}
---
{kind: Port, name: db-1/0, vm: db-1, device: v3, mac: "52:54:00:00:00:03", network: tenant, profiles: [open]}
---
{kind: Port, name: db-2/0, vm: db-2, device: v4, mac: "52:54:00:00:00:04", network: tenant, profiles: [open]}
---
{kind: Port, name: far, vm: far, device: v5, mac: "52:54:00:00:00:05", network: other, profiles: [open]}
"#;

fn reaches(world: &World, to: &str, mac: &str) -> bool {
    let spec = format!("udp 10.0.0.1:1 > 10.0.0.2:2 mac {mac} > ff:ff:ff:ff:ff:ff");
    let evaluation = world.inward(to, &spec);
    assert!(
        evaluation.passes() || decided(&evaluation) == "isolation",
        "{evaluation:?}"
    );
    evaluation.passes()
}

#[test]
fn isolated_ports_hear_the_promiscuous_and_gateways_alone() {
    let world = World::new(PRIVATE);
    assert!(reaches(&world, "web-1", "52:54:00:aa:00:01"));
    assert!(reaches(&world, "web-1", "52:54:00:aa:00:02"));
    assert!(
        !reaches(&world, "web-1", "52:54:00:00:00:02"),
        "another isolated port"
    );
    assert!(
        !reaches(&world, "web-1", "52:54:00:00:00:03"),
        "a community"
    );
    assert!(
        !reaches(&world, "web-1", "02:00:00:00:00:99"),
        "a stranger from the uplink"
    );
}

#[test]
fn communities_hear_themselves() {
    let world = World::new(PRIVATE);
    assert!(reaches(&world, "db-1/0", "52:54:00:00:00:04"));
    assert!(reaches(&world, "db-1/0", "52:54:00:aa:00:01"));
    assert!(!reaches(&world, "db-1/0", "52:54:00:00:00:01"));
}

#[test]
fn members_hear_members_and_their_prefix() {
    let world = World::new(PRIVATE);
    assert!(reaches(&world, "far", "02:00:0a:00:00:77"));
    assert!(
        !reaches(&world, "far", "02:00:0b:00:00:77"),
        "beyond the prefix"
    );
    assert!(!reaches(&world, "far", "52:54:00:00:00:01"));
}

#[test]
fn isolation_holds_every_port_of_the_broadcast_domain_to_its_mac() {
    let world = World::new(PRIVATE);
    let forged = "udp 10.0.0.1:1 > 10.0.0.2:2 mac 52:54:00:aa:00:01 > ff:ff:ff:ff:ff:ff";
    for port in ["web-1", "db-1/0", "far"] {
        assert_eq!(decided(&world.out(port, forged)), "guard/mac", "{port}");
    }
}

#[test]
fn who_may_talk_shares_a_connection_zone() {
    let world = World::new(
        r#"
{kind: Network, name: office, bridge: br0}
---
{kind: Network, name: hosting, bridge: br0, isolation: private, gateways: ["52:54:00:00:00:01"]}
---
{kind: Network, name: closed, bridge: br0, isolation: members}
---
{kind: Profile, name: open, stateful: off, default: {in: accept, out: accept}}
---
{kind: Port, name: router, device: v1, mac: "52:54:00:00:00:01", network: office, profiles: [open]}
---
{kind: Port, name: web, device: v2, mac: "52:54:00:00:00:02", network: hosting, profiles: [open]}
---
{kind: Port, name: far, device: v3, mac: "52:54:00:00:00:03", network: closed, profiles: [open]}
"#,
    );
    let zone = |port: &str| world.program.ports[port].zone;
    // The router asks from its own network and is answered from the other.
    assert_eq!(zone("router"), zone("web"));
    assert_ne!(zone("router"), zone("far"));
}
