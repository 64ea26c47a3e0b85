//! Rules: classes of frames, fragments, state, variables, includes, audit.

use policy::program::{ConnectionState, Direction};
use policy::rule::Verdict;

use crate::world::{World, decided};

fn world(profile: &str) -> World {
    World::new(&format!(
        r#"
kind: Network
name: lan
bridge: br0
---
kind: Group
name: admins
members: [10.9.0.0/24, "2001:db8:9::/64"]
---
kind: Profile
name: base
rules: [accept in tcp 7777]
variables: {{PEERS: [10.7.0.1, 10.7.0.2]}}
---
kind: Port
name: vm/0
vm: vm
device: vnet0
mac: 52:54:00:00:00:01
addresses: [10.0.0.5, "2001:db8::5"]
network: lan
profiles: [web]
variables: {{PORT_PEER: 10.8.0.1}}
---
kind: Profile
name: web
default: {{in: drop, out: accept}}
{profile}"#
    ))
}

#[test]
fn arp_nd_and_a_dhcp_client_pass_without_a_rule() {
    let world = world("stateful: off\nrules: [drop both ip]\n");
    for spec in [
        "arp request 10.0.0.9 > 10.0.0.5",
        "ns fe80::9 target 2001:db8::5",
        "ra fe80::9",
        "dhcp offer 10.0.0.1 > 255.255.255.255",
    ] {
        assert!(world.inward("vm/0", spec).passes(), "{spec}");
    }
    assert!(world.out("vm/0", "dhcp discover").passes());
    assert!(!world.out("vm/0", "udp 10.0.0.5:1 > 10.0.0.9:67").passes());
}

#[test]
fn a_rule_that_names_them_decides_instead() {
    let world = world(
        "stateful: off\nrules: [drop in arp with arp.sender-ip 10.0.0.9, drop in nd, drop out dhcp]\n",
    );
    assert!(
        !world
            .inward("vm/0", "arp request 10.0.0.9 > 10.0.0.5")
            .passes()
    );
    assert!(
        world
            .inward("vm/0", "arp request 10.0.0.8 > 10.0.0.5")
            .passes()
    );
    assert!(
        !world
            .inward("vm/0", "ns fe80::9 target 2001:db8::5")
            .passes()
    );
    assert!(!world.out("vm/0", "dhcp discover").passes());
}

#[test]
fn dhcp_off_leaves_the_client_to_the_rules() {
    let world = world("stateful: off\ndhcp: off\nrules: [drop out udp]\n");
    assert!(!world.out("vm/0", "dhcp discover").passes());
}

#[test]
fn a_later_fragment_is_never_accepted_by_ports_and_never_slips_past_a_drop() {
    let world = world(
        "stateful: off\nrules:\n  - accept in udp 53\n  - drop out udp 53\n  - accept in gre\n",
    );
    assert!(
        world
            .inward("vm/0", "udp 10.0.0.9:1 > 10.0.0.5:53")
            .passes()
    );
    assert!(
        !world
            .inward("vm/0", "udp 10.0.0.9:1 > 10.0.0.5:53 fragment 100")
            .passes()
    );
    assert!(
        !world
            .out("vm/0", "udp 10.0.0.5:1 > 10.0.0.9:99 fragment 100")
            .passes()
    );
    assert!(
        world
            .out("vm/0", "tcp 10.0.0.5:1 > 10.0.0.9:99 fragment 100")
            .passes()
    );
    assert!(
        world
            .inward("vm/0", "ip proto 47 10.0.0.9 > 10.0.0.5 fragment 100")
            .passes()
    );
}

#[test]
fn connections_that_were_accepted_go_on() {
    let world = world("rules: [accept in http]\n");
    let ask = |spec: &str, state| world.ask("vm/0", Direction::In, spec, state);
    let reply = "tcp 10.0.0.9:80 > 10.0.0.5:40000";
    assert!(!ask(reply, ConnectionState::New).passes());
    assert!(ask(reply, ConnectionState::Established).passes());
    assert!(
        ask(
            "icmp 10.0.0.7 > 10.0.0.5 type 3 code 1",
            ConnectionState::Related
        )
        .passes()
    );
    let invalid = ask("tcp 10.0.0.9:1 > 10.0.0.5:80", ConnectionState::Invalid);
    assert_eq!(decided(&invalid), "connection");
}

#[test]
fn a_stateless_rule_sees_every_frame() {
    let world = world(
        "rules: [drop in tcp 80 from 10.6.6.6 stateless, accept in tcp 81 stateless, accept in http]\n",
    );
    let ask = |spec: &str, state| world.ask("vm/0", Direction::In, spec, state);
    assert!(!ask("tcp 10.6.6.6:1 > 10.0.0.5:80", ConnectionState::Established).passes());
    assert!(ask("tcp 10.6.6.7:1 > 10.0.0.5:80", ConnectionState::Established).passes());
    assert!(ask("tcp 10.6.6.7:1 > 10.0.0.5:81", ConnectionState::Invalid).passes());
}

#[test]
fn peers_are_sources_inwards_and_destinations_outwards() {
    let world = world(
        "stateful: off\nrules:\n  - accept in ssh from @admins\n  - drop out ssh to 10.0.0.1-10.0.0.7\n",
    );
    assert!(
        world
            .inward("vm/0", "tcp 10.9.0.1:1 > 10.0.0.5:22")
            .passes()
    );
    assert!(
        world
            .inward("vm/0", "tcp [2001:db8:9::1]:1 > [2001:db8::5]:22")
            .passes()
    );
    assert!(
        !world
            .inward("vm/0", "tcp 10.8.0.1:1 > 10.0.0.5:22")
            .passes()
    );
    assert!(!world.out("vm/0", "tcp 10.0.0.5:1 > 10.0.0.7:22").passes());
    assert!(world.out("vm/0", "tcp 10.0.0.5:1 > 10.0.0.8:22").passes());
}

#[test]
fn variables_come_from_port_and_profiles_and_includes_follow() {
    let world = world(
        "stateful: off\ninclude: [base]\nrules:\n  - accept in tcp 1 from $PORT_PEER\n  - accept in tcp 2 from $PEERS\n  - accept in tcp 3 with ip.dst $IP\n",
    );
    assert!(world.inward("vm/0", "tcp 10.8.0.1:9 > 10.0.0.5:1").passes());
    assert!(!world.inward("vm/0", "tcp 10.8.0.2:9 > 10.0.0.5:1").passes());
    assert!(world.inward("vm/0", "tcp 10.7.0.2:9 > 10.0.0.5:2").passes());
    assert!(world.inward("vm/0", "tcp 10.7.0.2:9 > 10.0.0.5:3").passes());
    assert!(!world.inward("vm/0", "tcp 10.7.0.2:9 > 10.0.0.6:3").passes());
    assert!(
        world
            .inward("vm/0", "tcp 10.7.0.2:9 > 10.0.0.5:7777")
            .passes()
    );
}

#[test]
fn a_port_whose_rules_cannot_be_compiled_is_refused_and_passes_nothing() {
    let world = world("rules: [accept in tcp 1 from $MISSING]\n");
    let refusal = world.program.refused.get("vm/0").expect("a refusal");
    assert!(
        refusal.reason.contains("MISSING") && !refusal.absent,
        "{refusal:?}"
    );
    assert_eq!(
        decided(&world.out("vm/0", "arp request 10.0.0.5 > 10.0.0.9")),
        "quarantine"
    );
}

#[test]
fn audit_counts_but_lets_pass() {
    let world = world("stateful: off\naudit: true\nrules: [drop in tcp 80]\n");
    let ruled = world.inward("vm/0", "tcp 10.0.0.9:1 > 10.0.0.5:80");
    assert!(ruled.passes());
    assert_eq!(ruled.audited, Some(Verdict::Drop));
    let default = world.inward("vm/0", "tcp 10.0.0.9:1 > 10.0.0.5:81");
    assert!(default.passes() && default.audited == Some(Verdict::Drop));
}
