//! What documents mean once read.

use std::net::IpAddr;

use policy::document::{Guard, Isolation, Level, Member, Rate, Role, Stateful};
use policy::language::{Source, load};
use policy::rule::{FieldValue, Verdict};

use super::{EXAMPLE, load_text};

#[test]
fn the_example_loads_with_all_it_says() {
    let catalog = load_text(EXAMPLE).expect("the example is valid");
    let profile = &catalog.profiles["web-server"];
    assert_eq!(profile.version, 3);
    assert_eq!(profile.stateful, Some(Stateful::Required));
    assert_eq!(profile.guards.len(), 7);
    assert!(profile.guards.contains(&Guard::NoRouterAdvertisement));
    assert_eq!(
        (profile.default_in, profile.default_out),
        (Some(Verdict::Drop), Some(Verdict::Accept))
    );
    assert_eq!(profile.rules.len(), 3);
    assert_eq!(
        profile.rules[1].to_string(),
        "accept in ssh from @admins log"
    );
    assert_eq!(
        (profile.rules[1].origin.line, profile.rules[1].origin.column),
        (9, 5)
    );
    assert_eq!(
        profile.limits.outward,
        Some(Rate::BitsPerSecond(100_000_000))
    );
    assert_eq!(
        profile.limits.out_broadcast,
        Some(Rate::FramesPerSecond(200))
    );
    assert_eq!(
        catalog.groups["admins"].members[2],
        Member::Vm("jump-1".to_owned())
    );
    let network = &catalog.networks["tenant-7"];
    assert_eq!(
        (network.vlan, network.isolation, network.mac_filter),
        (Some(2102), Isolation::Private, true)
    );
    assert_eq!(network.communities["db"], ["db-1", "db-2"]);
    let port = &catalog.ports["web-1/0"];
    assert_eq!(port.mac.0, [0x52, 0x54, 0, 0, 0, 1]);
    assert_eq!(port.role, Role::Isolated);
    assert_eq!(port.addresses.len(), 2);
    assert_eq!(
        catalog.policies["no-telnet"].level,
        Level::Pool("eu-1".to_owned())
    );
    assert!(catalog.hosts["hv-1"].bridges["br0"].managed);
}

#[test]
fn names_may_be_defined_in_any_source_and_order() {
    let sources = [
        Source::new(
            "a.yaml",
            "kind: Profile\nname: a\nrules: [accept in s from @g]\n",
        ),
        Source::new(
            "b.json",
            r#"[{"kind": "Group", "name": "g"}, {"kind": "Service", "name": "s", "matches": ["tcp 1"]}]"#,
        ),
    ];
    let catalog = load(&sources).expect("each name exists");
    assert_eq!(&*catalog.groups["g"].origin.source, "b.json");
}

#[test]
fn words_and_numbers_stay_the_text_they_are() {
    let catalog = load_text(
        "name: 0123\nkind: Profile\ncomment: no\nvariables: {A: 0x10, B: [10.0.0.1, 10.0.1.0/24], C: 52:54:00:00:00:01}\ndhcp: off\n",
    )
    .expect("nothing here is a number or a boolean");
    let profile = &catalog.profiles["0123"];
    assert_eq!(profile.comment.as_deref(), Some("no"));
    assert_eq!(profile.dhcp, Some(false));
    assert_eq!(profile.variables["A"], [FieldValue::Number(16, 16)]);
    let address = |text: &str| text.parse::<IpAddr>().expect("an address");
    assert_eq!(
        profile.variables["B"][1],
        FieldValue::Address(address("10.0.1.0"), address("10.0.1.255"))
    );
    assert!(matches!(profile.variables["C"][0], FieldValue::Mac { .. }));
}

#[test]
fn rules_in_three_notations_are_the_same_rule() {
    let catalog = load_text(
        r#"
kind: Profile
name: p
rules:
  - accept in http, tcp 80, 8000-8080, icmp 3/4 from 10.0.0.0/8, any with ip.dscp not ef log 5/minute stateless comment "a \"b\""
  - >-
    accept in http, tcp 80, 8000-8080, icmp destination-unreachable/4 from 10.0.0.0/8, any
    with ip.dscp not 46 log 5/minute stateless comment "a \"b\""
  - verdict: accept
    direction: in
    match: [http, {protocol: tcp, ports: [80, 8000-8080]}, icmp 3/4]
    peers: [10.0.0.0/8, any]
    with: [{field: ip.dscp, not: true, values: [46]}]
    log: 5/minute
    stateless: true
    comment: a "b"
"#,
    )
    .expect("all are valid");
    let rules = &catalog.profiles["p"].rules;
    assert_eq!(rules[0], rules[1]);
    assert_eq!(rules[0], rules[2]);
}

#[test]
fn anchors_serve_as_templates_within_bounds() {
    let catalog = load_text(
        "kind: Profile\nname: a\nguards: &all [mac, arp]\n---\nkind: Profile\nname: b\ninclude: []\nguards: [ipv4]\n",
    )
    .expect("anchors are fine");
    assert_eq!(catalog.profiles["a"].guards.len(), 2);
    let catalog = load_text(
        "- {kind: Profile, name: a, guards: &g [mac]}\n- {kind: Profile, name: b, guards: *g}\n",
    );
    assert_eq!(
        catalog.expect("aliases are fine").profiles["b"]
            .guards
            .len(),
        1
    );
}

#[test]
fn empty_things_are_fine() {
    for text in [
        "",
        "---\n---\n",
        "# nothing\n",
        "[]",
        "kind: Profile\nname: p\nrules: []\n",
        "kind: Profile\nname: p\nrules:\n",
    ] {
        load_text(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
    }
}
