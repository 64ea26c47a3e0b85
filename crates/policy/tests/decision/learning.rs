//! Ports whose addresses are learned: nothing opens before, no rule refuses the port, and what is
//! learned counts wherever a declared address would.

use policy::learn::LearnMode;

use crate::world::{World, decided};

const DOCUMENTS: &str = r#"
kind: Network
name: lan
bridge: br0
---
kind: Profile
name: leased
stateful: off
guards: [mac, ipv4, ipv6, arp, nd]
default: {in: drop, out: accept}
learn: {mode: dhcp, servers: [10.0.0.1, "fe80::1"]}
rules:
  - accept in udp 80 from $IP
  - accept in udp 81 from 10.0.0.9, $IPV4
  - accept in udp 82 with ip.dst $IP
  - accept in udp 83 with ip.src not $IP
  - drop in udp 90 from $IP
  - drop in udp 91 with ip.src not $IP
  - accept in udp 90-91
  - accept in udp 100 from @trusted
---
kind: Group
name: trusted
select: {app: web}
---
kind: Port
name: vm/0
device: vnet0
mac: 52:54:00:00:00:01
network: lan
labels: {app: web}
profiles: [leased]
"#;

#[test]
fn an_address_that_is_not_learned_is_refused_but_a_client_may_ask_for_one() {
    let world = World::new(DOCUMENTS);
    for (spec, guard) in [
        ("tcp 10.0.0.5:1 > 10.0.0.9:80", "guard/ipv4"),
        ("udp [2001:db8::6]:1 > [2001:db8::9]:53", "guard/ipv6"),
        ("arp request 10.0.0.5 > 10.0.0.9", "guard/arp"),
        ("na fe80::5054:ff:fe00:1 target 2001:db8::9", "guard/nd"),
    ] {
        let evaluation = world.out("vm/0", spec);
        assert_eq!(decided(&evaluation), guard, "{spec}");
        assert!(
            evaluation
                .steps
                .last()
                .is_some_and(|step| step.text.contains("not learned yet")),
            "{evaluation:?}"
        );
    }
    for spec in [
        "dhcp discover",
        "dhcpv6 solicit",
        "ns :: target 2001:db8::5",
        "arp request 0.0.0.0 > 10.0.0.5",
    ] {
        assert!(world.out("vm/0", spec).passes(), "{spec}");
    }
}

#[test]
fn dhcp_answers_only_from_listed_servers() {
    let world = World::new(DOCUMENTS);
    for (spec, passes) in [
        ("dhcp offer 10.0.0.1 > 255.255.255.255", true),
        ("dhcp ack 10.0.0.2 > 255.255.255.255", false),
        ("dhcpv6 advertise fe80::1 > fe80::5", true),
        ("dhcpv6 advertise fe80::2 > fe80::5", false),
    ] {
        let evaluation = world.inward("vm/0", spec);
        assert_eq!(evaluation.passes(), passes, "{spec}: {evaluation:?}");
        assert_eq!(decided(&evaluation) == "dhcp-server", !passes, "{spec}");
    }
    let anybody =
        World::new(&DOCUMENTS.replace("{mode: dhcp, servers: [10.0.0.1, \"fe80::1\"]}", "dhcp"));
    assert!(
        anybody
            .inward("vm/0", "dhcp ack 10.0.0.2 > 255.255.255.255")
            .passes()
    );
}

#[test]
fn rules_hold_back_what_needs_an_address() {
    let before = World::new(DOCUMENTS);
    let after = World::that_learned(DOCUMENTS, &[("vm/0", &["10.0.0.5/32"])]);
    assert!(
        before.program.refused.is_empty(),
        "{:?}",
        before.program.refused
    );
    for (spec, without, with) in [
        // accept: nobody is the port yet, and who is not cannot be told either.
        ("udp 10.0.0.5:1 > 10.0.0.9:80", false, true),
        ("udp 10.0.0.9:1 > 10.0.0.5:80", false, false),
        ("udp 10.0.0.9:1 > 10.0.0.5:81", true, true),
        ("udp 10.0.0.5:1 > 10.0.0.5:81", false, true),
        ("udp 10.0.0.9:1 > 10.0.0.5:82", false, true),
        ("udp 10.0.0.9:1 > 10.0.0.5:83", false, true),
        ("udp 10.0.0.5:1 > 10.0.0.5:83", false, false),
        // drop: anybody may be it.
        ("udp 10.0.0.5:1 > 10.0.0.5:90", false, false),
        ("udp 10.0.0.9:1 > 10.0.0.5:90", false, true),
        ("udp 10.0.0.5:1 > 10.0.0.5:91", false, true),
        ("udp 10.0.0.9:1 > 10.0.0.5:91", false, false),
        // a group that has the port as a member.
        ("udp 10.0.0.5:1 > 10.0.0.9:100", false, true),
    ] {
        assert_eq!(
            before.inward("vm/0", spec).passes(),
            without,
            "before: {spec}"
        );
        assert_eq!(after.inward("vm/0", spec).passes(), with, "after: {spec}");
    }
    assert!(after.out("vm/0", "tcp 10.0.0.5:1 > 10.0.0.9:80").passes());
    assert!(!after.out("vm/0", "tcp 10.0.0.6:1 > 10.0.0.9:80").passes());
}

#[test]
fn a_family_that_is_never_learned_is_empty_and_not_unknown() {
    let text = DOCUMENTS
        .replace("{mode: dhcp,", "{mode: dhcp, limit: {ipv4: 0},")
        .replace("ip.src not $IP", "ip.src not $IPV4");
    let world = World::new(&text);
    assert!(
        world
            .inward("vm/0", "udp 10.0.0.9:1 > 10.0.0.5:83")
            .passes()
    );
}

#[test]
fn the_most_specific_document_decides() {
    let mode = |network: &str, included: &str, profile: &str, port: &str| {
        let world = World::new(&format!(
            "kind: Network\nname: lan\nbridge: br0\n{network}\n---\n\
             kind: Profile\nname: base\nstateful: off\n{included}\n---\n\
             kind: Profile\nname: p\ninclude: [base]\n{profile}\n---\n\
             kind: Port\nname: vm/0\ndevice: vnet0\nmac: 52:54:00:00:00:01\nnetwork: lan\n\
             profiles: [p]\n{port}\n"
        ));
        let behaviour = world.program.behaviours.values().next().expect("one");
        behaviour.learning.as_ref().map(|learning| learning.mode)
    };
    let dhcp = "learn: dhcp";
    let first = "learn: first-packet";
    assert_eq!(mode("", "", "", ""), None);
    assert_eq!(mode(dhcp, "", "", ""), Some(LearnMode::Dhcp));
    assert_eq!(mode(dhcp, first, "", ""), Some(LearnMode::FirstPacket));
    assert_eq!(mode("", dhcp, first, ""), Some(LearnMode::FirstPacket));
    assert_eq!(mode(first, first, first, dhcp), Some(LearnMode::Dhcp));
    assert_eq!(mode(dhcp, dhcp, dhcp, "learn: none"), None);
}

#[test]
fn with_any_no_address_is_refused_and_none_counts() {
    let text = DOCUMENTS.replace(
        "learn: {mode: dhcp, servers: [10.0.0.1, \"fe80::1\"]}",
        "learn: any",
    );
    let world = World::that_learned(&text, &[("vm/0", &["10.0.0.5/32"])]);
    for spec in [
        "tcp 10.0.0.77:1 > 10.0.0.9:80",
        "arp request 10.0.0.77 > 10.0.0.9",
        "na 2001:db8::7 target 2001:db8::7",
    ] {
        assert!(world.out("vm/0", spec).passes(), "{spec}");
    }
    let forged = "arp request 10.0.0.77 > 10.0.0.9 sender 52:54:00:00:00:09";
    assert_eq!(decided(&world.out("vm/0", forged)), "guard/arp");
    assert!(
        !world
            .inward("vm/0", "udp 10.0.0.5:1 > 10.0.0.9:100")
            .passes()
    );
}

#[test]
fn what_is_learned_counts_only_where_documents_let_the_port_learn() {
    let text = DOCUMENTS.replace("network: lan\n", "network: lan\nlearn: none\n");
    let world = World::that_learned(&text, &[("vm/0", &["10.0.0.5/32"])]);
    assert!(!world.out("vm/0", "tcp 10.0.0.5:1 > 10.0.0.9:80").passes());
    assert!(
        !world
            .inward("vm/0", "udp 10.0.0.5:1 > 10.0.0.9:100")
            .passes()
    );
}
