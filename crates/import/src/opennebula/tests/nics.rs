//! NICs: guards, addresses, networks and isolation, limits; what moat does not do is said by name.

use policy::document::{Guard, Isolation};

use super::{call, claims, element, network, nic, profiles, reduced};

fn one(more: &[(&str, &str)]) -> policy::claim::Claim {
    claims("pre", &reduced(5, &[&nic(0, more)])).remove(0)
}

fn refused(more: &[(&str, &str)]) -> String {
    let said = call("pre", &reduced(5, &[&nic(0, more)])).unwrap_err();
    assert!(
        said.starts_with("NIC 0 of VM 5 cannot be protected: "),
        "{said}"
    );
    assert!(!said.contains('\n'), "{said}");
    said
}

#[test]
fn spoofing_filters_are_guards() {
    let guards = |more: &[(&str, &str)]| -> Vec<Guard> {
        let claim = one(more);
        let guards = profiles(&claim)
            .into_iter()
            .flat_map(|profile| &profile.guards);
        guards.copied().collect()
    };
    assert!(guards(&[]).is_empty());
    assert!(guards(&[("FILTER_MAC_SPOOFING", "NO")]).is_empty());
    assert_eq!(guards(&[("FILTER_MAC_SPOOFING", "YES")]), [Guard::Mac]);
    let all = [Guard::Mac, Guard::Ipv4, Guard::Ipv6, Guard::Arp, Guard::Nd];
    assert_eq!(guards(&[("FILTER_IP_SPOOFING", "yes")]), all);
}

#[test]
fn every_address_of_a_nic_and_its_aliases_is_its_own() {
    let nic = nic(
        0,
        &[
            ("NAME", "NIC0"),
            ("IP", "10.0.0.1"),
            ("IP6", "2001:db8::1"),
            ("IP6_GLOBAL", "2001:db8::2"),
            ("IP6_ULA", "fd00::1"),
            ("IP6_LINK", "fe80::1"),
            ("VROUTER_IP", "10.0.0.254"),
        ],
    );
    let alias = |parent: (&str, &str), address: &str| {
        let fields = [
            ("NIC_ID", "9"),
            parent,
            ("IP", address),
            ("VN_MAD", "another"),
        ];
        element("NIC_ALIAS", &fields)
    };
    let aliases = [
        alias(("PARENT_ID", "0"), "10.0.0.2"),
        alias(("PARENT", "NIC0"), "10.0.0.3"),
        alias(("PARENT_ID", "1"), "10.0.0.66"),
        alias(("PARENT", "NIC1"), "10.0.0.67"),
    ];
    let mut parts = vec![nic.as_str()];
    parts.extend(aliases.iter().map(String::as_str));
    let claims = claims("pre", &reduced(5, &parts));
    let found: Vec<String> = claims[0]
        .addresses
        .iter()
        .map(|it| it.addr().to_string())
        .collect();
    assert_eq!(
        found,
        [
            "10.0.0.1",
            "2001:db8::1",
            "2001:db8::2",
            "fd00::1",
            "fe80::1",
            "10.0.0.254",
            "10.0.0.2",
            "10.0.0.3",
        ]
    );
}

#[test]
fn the_device_is_known_before_it_exists() {
    assert_eq!(one(&[]).device.as_deref(), Some("one-5-0"));
    assert_eq!(
        one(&[("TARGET", "one-5-0")]).device.as_deref(),
        Some("one-5-0")
    );
    assert_eq!(one(&[("TARGET", "vnet7")]).device.as_deref(), Some("vnet7"));
    for wrong in [
        "one-6-0",
        "one-5-1",
        "a/b",
        "longer-than-fifteen",
        "two words",
    ] {
        assert!(refused(&[("TARGET", wrong)]).contains(wrong));
    }
}

#[test]
fn networks_isolate_as_the_driver_is_told() {
    let with = |options: &str, more: &[(&str, &str)]| {
        claims(&format!("{options} pre"), &reduced(5, &[&nic(0, more)])).remove(0)
    };
    let open = with("", &[]);
    assert_eq!(network(&open).name, "opennebula-7");
    assert_eq!(network(&open).isolation, Isolation::Open);
    let members = with("--isolation members", &[]);
    assert_eq!(network(&members).isolation, Isolation::Members);
    assert_eq!(network(&members).mac_prefix, None);

    // Seed 001: a NIC hears those whose MACs differ from its own in the last byte alone.
    let prefix = with("--isolation mac-prefix", &[("MAC", "02:00:c0:a8:96:64")]);
    let found = network(&prefix).mac_prefix.expect("a prefix");
    assert_eq!(
        (found.address.to_string().as_str(), found.length),
        ("02:00:c0:a8:96:00", 40)
    );
    assert_eq!(network(&prefix).name, "opennebula-7-02:00:c0:a8:96:00/40");
    let bits = with("--isolation mac-prefix=18", &[("MAC", "02:00:ff:a8:96:64")]);
    let found = network(&bits).mac_prefix.expect("a prefix");
    assert_eq!(found.address.to_string(), "02:00:c0:00:00:00");
}

#[test]
fn vlans_are_the_uplinks_or_the_bridges() {
    let outside = one(&[("VLAN_ID", "100")]);
    assert_eq!(network(&outside).vlan, None);
    assert!(
        outside.notes[0].contains("VLAN_ID=100"),
        "{:?}",
        outside.notes
    );
    let input = reduced(5, &[&nic(0, &[("VLAN_ID", "100")])]);
    let inside = claims("--vlan-filtering pre", &input).remove(0);
    assert_eq!((inside.vlan, network(&inside).vlan), (Some(100), Some(100)));
    assert!(inside.notes.is_empty());
    let input = reduced(5, &[&nic(0, &[("VLAN_ID", "4095")])]);
    assert!(
        call("--vlan-filtering pre", &input)
            .unwrap_err()
            .contains("VLAN_ID=4095")
    );
}

#[test]
fn tags_that_a_vm_may_use_are_listed() {
    let claim = one(&[("VLAN_TAGGED_ID", "101,102,110-120,140-130")]);
    let tagged = profiles(&claim)[1];
    assert_eq!(
        tagged.tagged,
        [(101, 101), (102, 102), (110, 120), (130, 140)]
    );
    assert_eq!(tagged.name, "opennebula-tagged-101+102+110-120+130-140");
    let many: Vec<String> = (1..200).map(|vlan| (vlan * 2).to_string()).collect();
    let claim = one(&[("VLAN_TAGGED_ID", &many.join(","))]);
    assert!(profiles(&claim)[1].name.len() < 64);
    for wrong in ["0", "4095", "x", "1-", ","] {
        assert!(refused(&[("VLAN_TAGGED_ID", wrong)]).contains("VLAN_TAGGED_ID"));
    }
}

#[test]
fn what_moat_does_not_do_is_refused_or_noted_by_name() {
    for (field, value) in [
        ("BRIDGE_TYPE", "openvswitch"),
        ("BRIDGE_TYPE", "openvswitch_dpdk"),
        ("BRIDGE_TYPE", "none"),
        ("CVLANS", "1,2"),
        ("OUTER_VLAN_ID", "7"),
        ("QINQ_TYPE", "802.1ad"),
        ("MAC", "02:00"),
        ("MAC", "01:00:5e:00:00:01"),
        ("IP", "10.0.0"),
        ("NETWORK_ID", "x"),
        ("SECURITY_GROUPS", "web"),
    ] {
        let said = refused(&[(field, value)]);
        assert!(said.contains(field) && said.contains(value), "{said}");
    }
    assert!(refused(&[("BRIDGE", "")]).contains("no BRIDGE"));
    let shaped = one(&[("INBOUND_AVG_BW", "1000"), ("OUTBOUND_AVG_BW", "500")]);
    assert_eq!(shaped.notes.len(), 2, "{:?}", shaped.notes);
    assert!(shaped.notes[0].contains("INBOUND_AVG_BW=1000 is shaped by libvirt"));
}

#[test]
fn a_device_that_is_passed_through_is_refused() {
    let device = element(
        "PCI",
        &[
            ("NIC_ID", "2"),
            ("VN_MAD", "moat"),
            ("MAC", "02:00:00:00:00:01"),
        ],
    );
    let said = call("pre", &reduced(5, &[&device])).unwrap_err();
    assert!(
        said.starts_with("NIC 2 of VM 5 cannot be protected: it is a PCI device"),
        "{said}"
    );
    let graphics = element("PCI", &[("ADDRESS", "0000:01:00:0")]);
    assert!(claims("pre", &reduced(5, &[&graphics])).is_empty());
}

#[test]
fn two_nics_of_one_number_are_refused() {
    let input = reduced(5, &[&nic(0, &[]), &nic(0, &[])]);
    assert!(
        call("pre", &input)
            .unwrap_err()
            .contains("two of that number")
    );
}

#[test]
fn claims_settle_and_compile() {
    let input = reduced(
        5,
        &[
            &nic(
                0,
                &[
                    ("SECURITY_GROUPS", "100"),
                    ("FILTER_IP_SPOOFING", "YES"),
                    ("IP", "10.0.0.1"),
                ],
            ),
            &nic(1, &[("MAC", "02:00:0a:00:00:02"), ("VLAN_TAGGED_ID", "7")]),
            &super::rule(&[
                ("RULE_TYPE", "INBOUND"),
                ("PROTOCOL", "TCP"),
                ("RANGE", "22"),
            ]),
        ],
    );
    for options in ["", "--isolation members", "--isolation mac-prefix"] {
        let claims = claims(&format!("{options} pre"), &input);
        let settled = policy::claim::settle(&policy::Catalog::default(), None, &claims);
        assert!(settled.refused.is_empty(), "{:?}", settled.refused);
        // What they bring is as good as what people write.
        let documents: Vec<_> = claims
            .iter()
            .flat_map(|claim| claim.documents.clone())
            .collect();
        let text = policy::language::to_yaml_all(&documents, policy::language::RuleForm::Line);
        let read = policy::language::parse(&policy::language::Source::new("claims", text.clone()));
        assert_eq!(read.expect("documents").len(), documents.len(), "{text}");
    }
}
