//! A VM's life: the order of actions, attachment and detachment, several drivers, networks.

use policy::claim::{ClaimChange, ProfileSource};

use super::{FULL, REDUCED, call, claims, element, encode};
use super::{lines, network, nic, profiles, reduced};

#[test]
fn the_reduced_sample_before_its_vm_starts() {
    let claims = claims("--driver fw pre", REDUCED);
    let [claim] = claims.as_slice() else {
        panic!("the NIC of another driver is not ours: {claims:?}")
    };
    assert_eq!(claim.port, "one-3/0");
    assert_eq!(claim.vm.as_deref(), Some("one-3"));
    assert_eq!(claim.device.as_deref(), Some("one-3-0"));
    assert_eq!(claim.mac.to_string(), "02:00:0a:00:00:01");
    assert_eq!(claim.bridge.as_deref(), Some("onebr0"));
    assert_eq!(claim.network.as_deref(), Some("opennebula-0"));
    let addresses: Vec<String> = claim.addresses.iter().map(ToString::to_string).collect();
    assert_eq!(
        addresses,
        [
            "10.0.0.1/32",
            "2001:db8::a00:1/128",
            "fe80::400:aff:fe00:1/128",
            "10.0.0.2/32",
        ],
        "the alias's last"
    );
    assert_eq!(
        lines(claim),
        [
            "accept in tcp 22, 53, 80-90, 110, 1024-65535",
            "accept out",
            "accept in icmp echo-request from 10.0.0.0-10.0.0.255",
        ]
    );
    let names = &claim.profiles[&ProfileSource::Filter];
    assert_eq!(names.len(), 3);
    assert!(names[0].starts_with("opennebula-group-100-"), "{names:?}");
    assert_eq!(names[2], "opennebula-filter-ip-spoofing");
    assert_eq!(network(claim).bridge, "onebr0");
}

#[test]
fn full_and_reduced_say_the_same() {
    let broken = encode(FULL, 60) + "\n";
    assert_eq!(
        claims("--driver fw update_nic one-3 0", &broken),
        claims("--driver fw pre", REDUCED)
    );
}

#[test]
fn values_without_cdata_and_a_domain_called_by_its_uuid() {
    // What oned of version 6.10 prints: bare values, empty elements, a UUID for deploy id.
    let text = "<VM><ID>800</ID><NAME>alpine</NAME>\
         <DEPLOY_ID>4dbe1c33-0a8e-4b51-9d35-0d4a4a7f9f52</DEPLOY_ID>\
         <TEMPLATE><NIC><BRIDGE>br0</BRIDGE><IP>192.0.2.100</IP><MAC>02:00:c0:00:02:64</MAC>\
         <NETWORK>public</NETWORK><NETWORK_ID>0</NETWORK_ID><NIC_ID>0</NIC_ID><VLAN_ID/>\
         <SECURITY_GROUPS>0</SECURITY_GROUPS><TARGET>one-800-0</TARGET><VN_MAD>moat</VN_MAD></NIC>\
         <SECURITY_GROUP_RULE><PROTOCOL>ALL</PROTOCOL><RULE_TYPE>OUTBOUND</RULE_TYPE>\
         <SECURITY_GROUP_ID>0</SECURITY_GROUP_ID></SECURITY_GROUP_RULE>\
         <SECURITY_GROUP_RULE><PROTOCOL>ALL</PROTOCOL><RULE_TYPE>INBOUND</RULE_TYPE>\
         <SECURITY_GROUP_ID>0</SECURITY_GROUP_ID></SECURITY_GROUP_RULE></TEMPLATE></VM>";
    let line = "update_nic 4dbe1c33-0a8e-4b51-9d35-0d4a4a7f9f52 0";
    let told = claims(line, &encode(text, 60));
    assert_eq!(told[0].port, "one-800/0");
    assert_eq!(told[0].device.as_deref(), Some("one-800-0"));
    assert_eq!(lines(&told[0]), ["accept out", "accept in"]);
}

#[test]
fn every_action_but_clean_tells_all_of_the_vm() {
    let before = call("--driver fw pre", REDUCED).unwrap();
    for action in ["post one-3 hv1", "update_sg one-3", "update_nic one-3 0"] {
        assert_eq!(
            call(&format!("--driver fw {action}"), REDUCED).unwrap(),
            before,
            "{action}"
        );
    }
}

#[test]
fn a_migration_leaves_the_source_alone_and_the_target_protected() {
    // pre on the target, then clean on the source, then post on the target with the source's name.
    let pre = call("--driver fw pre", REDUCED).unwrap().change;
    let clean = call("--driver fw clean hv1", REDUCED).unwrap().change;
    let post = call("--driver fw post one-3 hv1", REDUCED).unwrap().change;
    assert!(matches!(&pre, ClaimChange::Replace { vm, .. } if vm == "one-3/fw"));
    assert_eq!(pre, post);
    // Whatever still has an interface keeps its claim: also where both are one host, or the guest
    // is still running here because the migration failed.
    let vm = "one-3/fw".to_owned();
    assert_eq!(clean, ClaimChange::Release { vm });
}

#[test]
fn attaching_adds_and_detaching_takes_one_nic() {
    let old = nic(0, &[]);
    let new = nic(1, &[("ATTACH", "YES"), ("MAC", "02:00:0a:00:00:02")]);
    let input = reduced(5, &[&old, &new]);
    let attached = claims("pre", &input);
    assert_eq!(attached.len(), 2);
    let detached = claims("clean hv1", &input);
    assert_eq!(detached.len(), 1);
    assert_eq!(detached[0].port, "one-5/0");
}

#[test]
fn detaching_another_drivers_nic_takes_none_of_ours() {
    let other = nic(1, &[("ATTACH", "YES"), ("VN_MAD", "ovswitch")]);
    let input = reduced(5, &[&nic(0, &[]), &other]);
    assert_eq!(claims("clean hv1", &input).len(), 1);
}

#[test]
fn detaching_an_alias_takes_its_address_alone() {
    let alias = [
        ("NIC_ID", "1"),
        ("PARENT_ID", "0"),
        ("IP", "10.0.0.9"),
        ("ATTACH", "YES"),
        ("VN_MAD", "moat"),
    ];
    let alias = element("NIC_ALIAS", &alias);
    let input = reduced(5, &[&nic(0, &[("IP", "10.0.0.1")]), &alias]);
    assert_eq!(claims("pre", &input)[0].addresses.len(), 2);
    let left = claims("clean hv1", &input);
    assert_eq!(left[0].addresses, ["10.0.0.1/32".parse().unwrap()]);
}

#[test]
fn two_drivers_of_ours_do_not_end_each_others_claims() {
    let input = reduced(5, &[&nic(0, &[]), &nic(1, &[("VN_MAD", "moat-lan")])]);
    let change = |driver: &str| match call(&format!("--driver {driver} pre"), &input)
        .unwrap()
        .change
    {
        ClaimChange::Replace { vm, claims } => (vm, claims.len()),
        other => panic!("{other:?}"),
    };
    assert_eq!(change("moat"), ("one-5/moat".to_owned(), 1));
    assert_eq!(change("moat-lan"), ("one-5/moat-lan".to_owned(), 1));
}

#[test]
fn a_change_of_groups_is_another_profile() {
    let with = |port: &str| {
        let rule = super::rule(&[
            ("RULE_TYPE", "INBOUND"),
            ("PROTOCOL", "TCP"),
            ("RANGE", port),
        ]);
        let input = reduced(5, &[&nic(0, &[("SECURITY_GROUPS", "100")]), &rule]);
        claims("update_sg one-5", &input).remove(0)
    };
    let (old, new) = (with("22"), with("23"));
    // VMs that OpenNebula has not come to yet keep the old one.
    assert_ne!(profiles(&old)[0].name, profiles(&new)[0].name);
    assert_eq!(with("22"), old);
}

#[test]
fn cleaning_never_fails_for_what_a_nic_asks_for() {
    let input = reduced(
        5,
        &[&nic(
            0,
            &[("BRIDGE_TYPE", "openvswitch"), ("MAC", "nonsense")],
        )],
    );
    assert!(call("pre", &input).is_err());
    assert!(call("clean hv1", &input).is_ok());
}

#[test]
fn networks_are_judged_when_they_are_made() {
    let vnet = |fields: &str| {
        let text = format!(
            "<VNET><ID>7</ID><NAME>lan</NAME><VN_MAD>moat</VN_MAD><BRIDGE>br0</BRIDGE>{fields}</VNET>"
        );
        call("vnet_create 7", &encode(&text, 60))
    };
    let done = vnet("<BRIDGE_TYPE>linux</BRIDGE_TYPE><VLAN_ID/>").unwrap();
    assert_eq!(done.change, ClaimChange::Nothing);
    assert!(done.output.is_empty() && done.notes.is_empty(), "{done:?}");
    let done = vnet("<VLAN_ID>100</VLAN_ID>").unwrap();
    assert!(
        done.notes[0].contains("VLAN_ID=100 is for br0's uplink"),
        "{done:?}"
    );
    let refused = vnet("<BRIDGE_TYPE>openvswitch</BRIDGE_TYPE>").unwrap_err();
    assert!(
        refused.starts_with("network 7 cannot be protected: BRIDGE_TYPE is openvswitch"),
        "{refused}"
    );
    let refused = vnet("<TEMPLATE><CVLANS>1,2</CVLANS></TEMPLATE>").unwrap_err();
    assert!(refused.contains("CVLANS=1,2"), "{refused}");
    assert!(call("vnet_delete 7", "").is_ok());
}

#[test]
fn other_drivers_networks_are_not_ours() {
    let text =
        "<VNET><ID>7</ID><VN_MAD>ovswitch</VN_MAD><BRIDGE_TYPE>openvswitch</BRIDGE_TYPE></VNET>";
    assert!(call("vnet_create 7", &encode(text, 60)).is_ok());
}
