//! Security groups: every protocol, range, type and address form; what is refused, and what is noted.

use policy::document::Stateful;
use policy::rule::Verdict;

use super::{call, claims, lines, nic, profiles, reduced, rule};

/// The rule lines that one OpenNebula rule becomes.
fn of(fields: &[(&str, &str)]) -> Vec<String> {
    let nic = nic(0, &[("SECURITY_GROUPS", "100")]);
    lines(&claims("pre", &reduced(5, &[&nic, &rule(fields)]))[0])
}

fn refused(fields: &[(&str, &str)]) -> String {
    let nic = nic(0, &[("SECURITY_GROUPS", "100")]);
    call("pre", &reduced(5, &[&nic, &rule(fields)])).unwrap_err()
}

#[test]
fn every_form_of_a_rule() {
    let inward = ("RULE_TYPE", "INBOUND");
    let outward = ("RULE_TYPE", "outbound");
    for (fields, expected) in [
        (vec![inward, ("PROTOCOL", "ALL")], "accept in"),
        (vec![outward, ("PROTOCOL", "ALL")], "accept out"),
        (vec![inward, ("PROTOCOL", "TCP")], "accept in tcp"),
        (
            vec![inward, ("PROTOCOL", "UDP"), ("RANGE", "53")],
            "accept in udp 53",
        ),
        (
            vec![outward, ("PROTOCOL", "TCP"), ("RANGE", "22, 80:90")],
            "accept out tcp 22, 80-90",
        ),
        (vec![inward, ("PROTOCOL", "ICMP")], "accept in icmp"),
        (
            vec![inward, ("PROTOCOL", "ICMP"), ("ICMP_TYPE", "8")],
            "accept in icmp echo-request",
        ),
        (
            vec![inward, ("PROTOCOL", "ICMP"), ("ICMP_TYPE", "3/4")],
            "accept in icmp destination-unreachable/4",
        ),
        (
            vec![inward, ("PROTOCOL", "ICMPv6"), ("ICMPV6_TYPE", "128")],
            "accept in icmpv6 echo-request",
        ),
        (vec![inward, ("PROTOCOL", "IPSEC")], "accept in esp"),
        (
            vec![
                inward,
                ("PROTOCOL", "TCP"),
                ("IP", "10.0.0.4"),
                ("SIZE", "1"),
            ],
            "accept in tcp from 10.0.0.4",
        ),
        (
            vec![
                outward,
                ("PROTOCOL", "ALL"),
                ("IP", "10.0.0.250"),
                ("SIZE", "10"),
            ],
            "accept out to 10.0.0.250-10.0.1.3",
        ),
        (
            vec![
                inward,
                ("PROTOCOL", "UDP"),
                ("RANGE", "53"),
                ("IP6_GLOBAL", "2001:db8::10"),
                ("IP6_ULA", "fd00::10"),
                ("SIZE", "16"),
            ],
            "accept in udp 53 from 2001:db8::10-2001:db8::1f, fd00::10-fd00::1f",
        ),
        // An empty element says nothing.
        (
            vec![inward, ("PROTOCOL", "TCP"), ("RANGE", ""), ("IP", "")],
            "accept in tcp",
        ),
    ] {
        assert_eq!(of(&fields), [expected], "{fields:?}");
    }
}

#[test]
fn what_cannot_be_enforced_is_refused_by_name() {
    for (fields, expected) in [
        (vec![("PROTOCOL", "TCP")], "no RULE_TYPE"),
        (
            vec![("RULE_TYPE", "SIDEWAYS"), ("PROTOCOL", "TCP")],
            "RULE_TYPE=SIDEWAYS",
        ),
        (vec![("RULE_TYPE", "INBOUND")], "no PROTOCOL"),
        (
            vec![("RULE_TYPE", "INBOUND"), ("PROTOCOL", "GRE")],
            "PROTOCOL=GRE",
        ),
        (
            vec![
                ("RULE_TYPE", "INBOUND"),
                ("PROTOCOL", "ICMP"),
                ("RANGE", "22"),
            ],
            "RANGE=22 does not go with PROTOCOL=ICMP",
        ),
        (
            vec![
                ("RULE_TYPE", "INBOUND"),
                ("PROTOCOL", "TCP"),
                ("ICMP_TYPE", "8"),
            ],
            "ICMP_TYPE=8 does not go with PROTOCOL=TCP",
        ),
        (
            vec![
                ("RULE_TYPE", "INBOUND"),
                ("PROTOCOL", "TCP"),
                ("RANGE", "90:80"),
            ],
            "end is before its start",
        ),
        (
            vec![
                ("RULE_TYPE", "INBOUND"),
                ("PROTOCOL", "TCP"),
                ("RANGE", "22,http"),
            ],
            "RANGE=22,http",
        ),
        (
            vec![
                ("RULE_TYPE", "INBOUND"),
                ("PROTOCOL", "TCP"),
                ("RANGE", "65536"),
            ],
            "RANGE=65536",
        ),
        (
            vec![
                ("RULE_TYPE", "INBOUND"),
                ("PROTOCOL", "ICMP"),
                ("ICMP_TYPE", "256"),
            ],
            "`256` is no ICMP type",
        ),
        (
            vec![
                ("RULE_TYPE", "INBOUND"),
                ("PROTOCOL", "TCP"),
                ("IP", "255.255.255.250"),
                ("SIZE", "10"),
            ],
            "do not fit behind IP=255.255.255.250",
        ),
        (
            vec![
                ("RULE_TYPE", "INBOUND"),
                ("PROTOCOL", "TCP"),
                ("IP", "ten"),
                ("SIZE", "1"),
            ],
            "IP=ten is no address",
        ),
    ] {
        let said = refused(&fields);
        assert!(
            said.starts_with("rule 1 of security group 100 (web) cannot be enforced: "),
            "{said}"
        );
        assert!(said.contains(expected), "{said}");
        assert!(!said.contains('\n'));
    }
}

#[test]
fn a_rule_about_no_address_accepts_nothing() {
    for fields in [
        // A network whose range has MACs and no addresses, and one that is gone.
        vec![
            ("MAC", "02:00:00:00:00:00"),
            ("SIZE", "10"),
            ("NETWORK_ID", "1"),
        ],
        vec![("NETWORK_ID", "1")],
        vec![("IP", "10.0.0.1")],
        vec![("IP", "10.0.0.1"), ("SIZE", "0")],
    ] {
        let mut all = vec![("RULE_TYPE", "INBOUND"), ("PROTOCOL", "ALL")];
        all.extend(fields);
        let nic = nic(0, &[("SECURITY_GROUPS", "100")]);
        let notes = &claims("pre", &reduced(5, &[&nic, &rule(&all)]))[0].notes;
        assert!(notes[0].contains("so it accepts nothing"), "{notes:?}");
        assert!(of(&all).is_empty());
    }
}

#[test]
fn groups_accept_together_and_drop_the_rest() {
    let nic = nic(0, &[("SECURITY_GROUPS", "100,102,100")]);
    let rules = [
        rule(&[
            ("RULE_TYPE", "INBOUND"),
            ("PROTOCOL", "TCP"),
            ("RANGE", "22"),
        ]),
        super::element(
            "SECURITY_GROUP_RULE",
            &[
                ("SECURITY_GROUP_ID", "102"),
                ("RULE_TYPE", "INBOUND"),
                ("PROTOCOL", "ICMP"),
            ],
        ),
        super::element(
            "SECURITY_GROUP_RULE",
            &[("SECURITY_GROUP_ID", "999"), ("RULE_TYPE", "nonsense")],
        ),
    ];
    let claims = claims("pre", &reduced(5, &[&nic, &rules[0], &rules[1], &rules[2]]));
    let profiles = profiles(&claims[0]);
    assert_eq!(profiles.len(), 2, "one for each group");
    for profile in profiles {
        assert_eq!(profile.default_in, Some(Verdict::Drop));
        assert_eq!(profile.default_out, Some(Verdict::Drop));
        assert_eq!(profile.stateful, Some(Stateful::Required));
        assert_eq!(profile.rules.len(), 1);
    }
    assert_eq!(lines(&claims[0]), ["accept in tcp 22", "accept in icmp"]);
    let rule = &super::profiles(&claims[0])[0].rules[0];
    assert_eq!(
        rule.origin.to_string(),
        "OpenNebula security group 100 (web):1"
    );
}

#[test]
fn no_group_accepts_everything_and_an_empty_one_nothing() {
    let open = &claims("pre", &reduced(5, &[&nic(0, &[])]))[0];
    let [profile] = profiles(open)[..] else {
        panic!("{open:?}")
    };
    assert_eq!(profile.name, "opennebula-open");
    assert_eq!(profile.default_in, Some(Verdict::Accept));

    let input = reduced(5, &[&nic(0, &[("SECURITY_GROUPS", "100")])]);
    let shut = &claims("pre", &input)[0];
    assert_eq!(
        shut.notes,
        ["security group 100 has no rules, so it accepts nothing"]
    );
    assert_eq!(profiles(shut)[0].default_in, Some(Verdict::Drop));
}
