//! Levels: mandatory rules from everything to port, ordinary ones from port to everything.

use crate::world::{World, decided};

fn world(policies: &str) -> World {
    World::new(&format!(
        r#"
kind: Host
name: hv-1
pool: eu-1
---
kind: Network
name: lan
bridge: br0
---
kind: Profile
name: base
stateful: off
default: {{in: drop, out: drop}}
rules:
  - drop in tcp 1
  - accept in tcp 1-9
---
kind: Port
name: vm/0
vm: vm
labels: {{app: web}}
device: vnet0
mac: 52:54:00:00:00:01
network: lan
profiles: [base]
---
{policies}"#
    ))
}

fn passes(world: &World, port: u16) -> bool {
    world
        .inward("vm/0", &format!("tcp 10.0.0.9:1000 > 10.0.0.5:{port}"))
        .passes()
}

#[test]
fn the_first_match_in_a_profile_decides() {
    let world = world("");
    assert!(!passes(&world, 1));
    assert!(passes(&world, 2));
    assert!(!passes(&world, 10), "the default");
}

#[test]
fn a_mandatory_rule_overrules_the_profile() {
    for level in [
        "everything",
        "{pool: eu-1}",
        "{network: lan}",
        "{vm: vm}",
        "{port: vm/0}",
        "{select: {app: web}}",
    ] {
        let world = world(&format!(
            "kind: Policy\nname: p\nlevel: {level}\nmandatory: [drop in tcp 2, accept in tcp 1]\n"
        ));
        assert!(!passes(&world, 2), "{level}");
        assert!(passes(&world, 1), "{level}");
    }
}

#[test]
fn a_wider_mandatory_rule_comes_first() {
    let world = world(
        "kind: Policy\nname: narrow\nlevel: {vm: vm}\nmandatory: [drop in tcp 5]\n---\n\
         kind: Policy\nname: wide\nlevel: everything\nmandatory: [accept in tcp 5]\n",
    );
    assert!(passes(&world, 5));
}

#[test]
fn an_ordinary_rule_of_a_wider_level_comes_after_the_profile() {
    let world = world(
        "kind: Policy\nname: p\nlevel: {pool: eu-1}\nrules: [accept in tcp 1, accept in tcp 10]\n",
    );
    assert!(!passes(&world, 1), "the profile dropped it first");
    assert!(passes(&world, 10));
}

#[test]
fn an_ordinary_rule_at_the_port_comes_before_its_profiles() {
    let world = world("kind: Policy\nname: p\nlevel: {port: vm/0}\nrules: [accept in tcp 1]\n");
    assert!(passes(&world, 1));
}

#[test]
fn policies_of_other_places_do_not_apply() {
    for level in [
        "{pool: us-1}",
        "{vm: other}",
        "{port: other/0}",
        "{select: {app: db}}",
    ] {
        let world = world(&format!(
            "kind: Policy\nname: p\nlevel: {level}\nmandatory: [drop in tcp 2]\n"
        ));
        assert!(passes(&world, 2), "{level}");
    }
}

#[test]
fn the_trace_names_the_rule_and_its_place() {
    let world = world("kind: Policy\nname: p\nlevel: everything\nmandatory: [drop in tcp 2]\n");
    let evaluation = world.inward("vm/0", "tcp 10.0.0.9:1000 > 10.0.0.5:2");
    let last = evaluation.steps.last().expect("a reason");
    assert!(
        last.text.contains("policy p") && last.text.contains("drop in tcp 2"),
        "{last:?}"
    );
    assert_eq!(
        last.origin.as_ref().map(|origin| &*origin.source),
        Some("test.yaml")
    );
    assert!(decided(&evaluation).starts_with("policy-p-mandatory/in-"));
}
