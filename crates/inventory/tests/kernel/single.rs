//! What `observe_devices` says: the same as a whole look, or that a whole look is needed.

use std::collections::BTreeSet;

use inventory::{observe, observe_devices};
use policy::observation::Observation;

use crate::namespace::{ip, run};

fn devices(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Looks at these alone, from what was there before.
fn look(known: &Observation, names: &[&str]) -> Option<Observation> {
    let mut observation = known.clone();
    let enough = observe_devices(&mut observation, &devices(names)).unwrap();
    match enough {
        true => Some(observation),
        false => {
            assert_eq!(observation, *known, "what is not enough changes nothing");
            None
        }
    }
}

fn bridge_with(name: &str) -> Observation {
    // Else it takes the lowest address of its ports, and changes with them.
    ip("link add br0 address 52:54:00:00:00:99 type bridge");
    ip(&format!("link add {name} type veth peer name guest0"));
    ip(&format!("link set {name} master br0"));
    observe().unwrap()
}

#[test]
fn a_new_interface_is_seen_as_by_a_whole_look() {
    run("single::a_new_interface_is_seen_as_by_a_whole_look", || {
        let known = bridge_with("vnet0");
        ip("tuntap add vnet1 mode tap");
        assert_eq!(
            look(&known, &["vnet1"]),
            Some(known.clone()),
            "in no bridge yet"
        );
        ip("link set vnet1 master br0");
        let whole = Some(observe().unwrap());
        assert_eq!(look(&known, &["vnet0", "vnet1", "vnet9"]), whole);
        assert_eq!(
            look(&known, &["a-name-that-is-too-long-for-an-interface"]),
            Some(known)
        );
    });
}

#[test]
fn what_is_not_as_it_was_needs_a_whole_look() {
    run("single::what_is_not_as_it_was_needs_a_whole_look", || {
        let known = bridge_with("vnet0");
        ip("link add vnet1 type veth peer name guest1");
        ip("link set vnet1 master br0");
        for change in [
            "link set vnet0 name vnet7", // its name is another one
            "link set vnet1 name vnet0", // its name is another interface's
            "link del vnet0",            // it is gone
        ] {
            ip(change);
            assert_eq!(look(&known, &["vnet0"]), None, "after {change}");
        }
        ip("link set vnet7 name vnet2");
        assert_eq!(look(&known, &["vnet2"]), None, "known under another name");
    });
}

#[test]
fn a_bridge_that_is_not_as_observed_needs_a_whole_look() {
    run(
        "single::a_bridge_that_is_not_as_observed_needs_a_whole_look",
        || {
            let known = bridge_with("vnet0");
            ip("link add br1 type bridge");
            ip("link add vnet1 master br1 type veth peer name guest1");
            assert_eq!(look(&known, &["vnet1"]), None, "a bridge nobody has seen");
            assert_eq!(look(&known, &["br1"]), None, "a bridge itself");
            ip("link set vnet0 nomaster");
            assert_eq!(look(&known, &["vnet0"]), None, "it left its bridge");
            ip("link set vnet0 master br0");
            assert_eq!(look(&known, &["vnet0"]), Some(known.clone()));
            ip("link set br0 address 52:54:00:00:00:77");
            assert_eq!(
                look(&known, &["vnet0"]),
                None,
                "the host has another address on it"
            );
            let known = observe().unwrap();
            ip("link set br0 name lan");
            assert_eq!(
                look(&known, &["vnet0"]),
                None,
                "the bridge has another name"
            );
        },
    );
}
