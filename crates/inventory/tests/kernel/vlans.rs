//! VLANs of a bridge's ports, in a guest whose kernel has bridges that filter them.

use std::process::Command;

use inventory::{PortVlans, VlanChange, observe, set_vlan, vlans};
use testbed::guest::{GuestSpec, inside_guest};

use crate::namespace::ip;

fn bridge(words: &str) -> String {
    let words = words.split_whitespace();
    let output = Command::new("bridge").args(words).output();
    let output = output.expect("bridge(8) of iproute2 is in the guest");
    assert!(
        output.status.success(),
        "bridge: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn in_a_guest(test: &str, body: fn()) {
    if inside_guest() {
        return body();
    }
    let spec = GuestSpec::this_test_binary(&["--exact", test, "--nocapture"]).expect("a spec");
    let outcome = spec.run().expect("a guest");
    assert_eq!(outcome.status, 0, "{}", outcome.output);
    assert!(outcome.output.contains("1 passed"), "{}", outcome.output);
}

#[test]
fn a_port_is_moved_into_a_vlan_and_out_of_all_others() {
    in_a_guest(
        "vlans::a_port_is_moved_into_a_vlan_and_out_of_all_others",
        || {
            ip("link add br0 type bridge vlan_filtering 1");
            for name in ["vnet0", "vnet1"] {
                ip(&format!("link add {name} type veth peer name peer-{name}"));
                ip(&format!("link set {name} master br0"));
            }
            bridge("vlan add dev vnet0 vid 5-9 untagged");
            bridge("vlan add dev vnet0 vid 100");
            let seen = || {
                let observed = observe().expect("observed").interfaces;
                let of = vlans().expect("VLANs");
                ["vnet0", "vnet1"].map(|name| {
                    let interface = &observed[name];
                    let vlans = of[&interface.ifindex].clone();
                    assert_eq!(vlans.pvid, interface.pvid);
                    (interface.ifindex, vlans)
                })
            };
            let [(vnet0, before), (_, other)] = seen();
            let untouched = PortVlans {
                pvid: Some(1),
                untagged: vec![(1, 1)],
            };
            assert_eq!(other, untouched);
            assert_eq!(before.pvid, Some(1));
            let change = before.change_to(7).expect("a change");
            let expected = VlanChange {
                set: Some(7),
                remove: vec![(1, 1), (5, 6), (8, 9)],
            };
            assert_eq!(change, expected);
            set_vlan(vnet0, &change).expect("set");
            let [(_, after), (_, other)] = seen();
            let alone = PortVlans {
                pvid: Some(7),
                untagged: vec![(7, 7)],
            };
            assert_eq!((after.change_to(7), after), (None, alone));
            assert_eq!(other, untouched);
            // A VLAN with tags is somebody else's business.
            let listed = bridge("vlan show dev vnet0");
            assert!(listed.contains("100"), "{listed}");
            // An interface that is gone is told.
            let gone = set_vlan(4711, &change).expect_err("no such interface");
            assert!(gone.to_string().contains("refused"), "{gone}");
        },
    );
}
