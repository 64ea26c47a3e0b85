//! What `observe` says of bridges that exist.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt::Write;
use std::os::unix::ffi::OsStringExt;
use std::sync::atomic::{AtomicBool, Ordering};

use inventory::observe;

use crate::namespace::{ip, ip_batch, ip_words, run};

#[test]
fn an_empty_namespace_has_no_bridges() {
    run("observing::an_empty_namespace_has_no_bridges", || {
        assert_eq!(
            observe().unwrap(),
            policy::observation::Observation::default()
        );
    });
}

#[test]
fn bridges_and_their_interfaces_are_seen() {
    run("observing::bridges_and_their_interfaces_are_seen", || {
        ip("link add br0 type bridge");
        ip("link add br-empty type bridge");
        ip("link add vnet0 address 52:54:00:00:00:01 type veth peer name guest0");
        ip("tuntap add vnet1 mode tap");
        ip("link set vnet0 master br0");
        ip("link set vnet1 master br0");

        let seen = observe().unwrap();
        assert_eq!(seen.bridges.keys().collect::<Vec<_>>(), ["br-empty", "br0"]);
        assert!(seen.bridges.values().all(|bridge| !bridge.vlan_filtering));
        // Neither the guest's end of the veth nor the loopback interface is in a bridge.
        assert_eq!(
            seen.interfaces.keys().collect::<Vec<_>>(),
            ["vnet0", "vnet1"]
        );
        let vnet0 = &seen.interfaces["vnet0"];
        assert_eq!(vnet0.bridge, "br0");
        assert_eq!(vnet0.mac.0, [0x52, 0x54, 0, 0, 0, 1]);
        assert_eq!(vnet0.pvid, None);
        let indexes: BTreeSet<u32> = seen
            .interfaces
            .values()
            .map(|interface| interface.ifindex)
            .chain(seen.bridges.values().map(|bridge| bridge.ifindex))
            .collect();
        assert_eq!(indexes.len(), 4);
        assert!(!indexes.contains(&0));
    });
}

#[test]
fn a_renamed_interface_keeps_its_index() {
    run("observing::a_renamed_interface_keeps_its_index", || {
        ip("link add br0 type bridge");
        ip("link add vnet0 type veth peer name guest0");
        ip("link set vnet0 master br0");
        let before = observe().unwrap().interfaces["vnet0"].clone();
        ip("link set vnet0 name web-1");
        let after = observe().unwrap();
        assert_eq!(after.interfaces.len(), 1);
        assert_eq!(after.interfaces["web-1"], before);
        ip("link set br0 name lan");
        let after = observe().unwrap();
        assert_eq!(after.interfaces["web-1"].bridge, "lan");
    });
}

#[test]
fn an_interface_that_left_its_bridge_is_not_seen() {
    run(
        "observing::an_interface_that_left_its_bridge_is_not_seen",
        || {
            ip("link add br0 type bridge");
            ip("link add vnet0 type veth peer name guest0");
            ip("link set vnet0 master br0");
            assert_eq!(observe().unwrap().interfaces.len(), 1);
            ip("link set vnet0 nomaster");
            assert!(observe().unwrap().interfaces.is_empty());
            ip("link set vnet0 master br0");
            ip("link del br0");
            let seen = observe().unwrap();
            assert!(seen.bridges.is_empty() && seen.interfaces.is_empty());
        },
    );
}

#[test]
fn odd_names_are_seen_as_they_are() {
    run("observing::odd_names_are_seen_as_they_are", || {
        for name in ["br\"0'", "брідж", "-br;$(x)", "fifteen-letters"] {
            ip_words(&["link", "add", "name", name, "type", "bridge"]);
        }
        // Two names that are no UTF-8 and would look alike if they were read loosely.
        for last in [0xfe, 0xff] {
            let name = OsString::from_vec(vec![b'b', last]);
            let mut words: Vec<OsString> = ["link", "add", "name"].map(OsString::from).into();
            words.push(name);
            words.extend(["type", "bridge"].map(OsString::from));
            ip_words(&words);
        }
        let seen = observe().unwrap();
        for name in ["br\"0'", "брідж", "-br;$(x)", "fifteen-letters"] {
            assert!(seen.bridges.contains_key(name), "{name} in {seen:?}");
        }
        let escaped: Vec<_> = seen
            .bridges
            .iter()
            .filter(|(name, _)| name.starts_with("b\\x"))
            .collect();
        assert_eq!(escaped.len(), 2);
        for (name, bridge) in escaped {
            assert!(name.ends_with(&format!("/{}", bridge.ifindex)), "{name}");
        }
    });
}

#[test]
fn ten_thousand_links_are_read_whole() {
    run("observing::ten_thousand_links_are_read_whole", || {
        // A bridge takes 1,023 ports; the guests' ends of the veths are the other half of the links.
        let mut commands = String::new();
        for bridge in 0..5 {
            writeln!(commands, "link add br{bridge} type bridge").unwrap();
            for port in 0..1000 {
                writeln!(
                    commands,
                    "link add v{bridge}-{port} master br{bridge} type veth peer name g{bridge}-{port}"
                )
                .unwrap();
            }
        }
        ip_batch(&commands);
        let seen = observe().unwrap();
        assert_eq!((seen.bridges.len(), seen.interfaces.len()), (5, 5000));
        assert_eq!(seen.interfaces["v4-999"].bridge, "br4");
    });
}

#[test]
fn links_that_come_and_go_meanwhile_do_not_hide_others() {
    run(
        "observing::links_that_come_and_go_meanwhile_do_not_hide_others",
        || {
            let mut commands = String::from("link add br0 type bridge\n");
            for port in 0..300 {
                writeln!(
                    commands,
                    "link add v{port} master br0 type veth peer name g{port}"
                )
                .unwrap();
            }
            ip_batch(&commands);
            static STOP: AtomicBool = AtomicBool::new(false);
            // The thread lives in this process's namespace as well, and ends with the test.
            let churn = std::thread::spawn(|| {
                while !STOP.load(Ordering::Relaxed) {
                    ip("link add churn0 type veth peer name churn1");
                    ip("link del churn0");
                }
            });
            for _ in 0..100 {
                assert_eq!(observe().unwrap().interfaces.len(), 300);
            }
            STOP.store(true, Ordering::Relaxed);
            churn.join().unwrap();
        },
    );
}
