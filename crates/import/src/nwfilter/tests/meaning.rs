//! How things are said: chains, layers, directions, states, variables, and the defects of libvirt that the
//! result does not have.

use policy::document::{Document, Guard, Profile, RejectMode, Stateful};
use policy::rule::FieldValue;

use super::super::{convert, parameter_value};
use super::{converted, filter, filters, lines, parameters, profile};

#[test]
fn an_empty_filter_accepts_as_in_libvirt() {
    assert_eq!(lines(&filter("")), ["accept out ether", "accept in ether"]);
}

#[test]
fn return_goes_on_behind_the_jump_and_a_silent_chain_accepts() {
    let filters = filters(&[
        "<filter name='t'><filterref filter='c'/><rule action='drop' direction='out' priority='1000'/></filter>",
        "<filter name='c' chain='ipv4'><rule action='return' direction='out'><ip protocol='tcp'/></rule></filter>",
    ]);
    assert_eq!(
        lines(&filters),
        [
            "drop out vlan",
            "drop out ipv4 with ip.protocol 6",
            "accept out ipv4",
            "drop out ether",
            "accept in ether",
        ]
    );
}

#[test]
fn only_the_own_mac_is_the_guard() {
    let filters = filters(&[
        "<filter name='t'><filterref filter='m'/></filter>",
        "<filter name='m' chain='mac'><rule action='return' direction='out'><mac srcmacaddr='$MAC'/></rule>\
         <rule action='drop' direction='out'/></filter>",
    ]);
    let converted = converted(&filters);
    assert!(profile(&converted).guards.contains(&Guard::Mac));
    assert_eq!(lines(&filters), ["accept out ether", "accept in ether"]);
}

#[test]
fn both_layers_must_accept() {
    let rules = "<rule action='accept' direction='out'><ip/></rule><rule action='drop' direction='out' priority='900'/>\
                 <rule action='drop' direction='inout'><udp/></rule>";
    assert_eq!(
        lines(&filter(rules)),
        [
            "drop out vlan",
            "drop out ipv4 with ip.protocol 17",
            "accept out ipv4",
            "drop out ether",
            "accept in vlan",
            "drop in ipv4 with ip.protocol 17",
            "accept in ether",
        ]
    );
}

#[test]
fn g4_packet_rules_hold_without_br_netfilter() {
    // They are rules of the same list, which no kernel parameter switches off.
    let rules = "<rule action='drop' direction='in'><udp dstportstart='53'/></rule>";
    assert!(
        lines(&filter(rules))
            .contains(&"drop in ipv4 with ip.protocol 17 with dport 53".to_owned())
    );
}

#[test]
fn d2_a_negated_destination_port_stays_negated() {
    let rules = "<rule action='drop' direction='in' ><tcp match='no' dstportstart='22' dstportend='80' state='NEW'/></rule>";
    let lines = lines(&filter(rules));
    let wanted = "drop in ipv4 with ip.protocol 6 with dport not 22-80";
    assert!(lines.contains(&wanted.to_owned()), "{lines:?}");
}

#[test]
fn d5_reject_answers() {
    let converted = converted(&filter(
        "<rule action='reject' direction='out'><all/></rule>",
    ));
    assert_eq!(profile(&converted).reject, Some(RejectMode::Preferred));
    assert!(
        profile(&converted)
            .rules
            .iter()
            .any(|rule| rule.to_string() == "reject out ipv4")
    );
}

#[test]
fn d6_a_negated_protocol_is_about_other_protocols_of_ipv4() {
    let lines = lines(&filter(
        "<rule action='drop' direction='out'><ip match='no' protocol='udp'/></rule>",
    ));
    assert!(
        lines.contains(&"drop out ipv4 with ip.protocol not 17".to_owned()),
        "{lines:?}"
    );
}

#[test]
fn d7_negated_addresses_ranges_and_flags_of_packets_work() {
    let rules = "<rule action='drop' direction='out' statematch='0'>\
                 <tcp match='no' srcipaddr='10.0.0.0' srcipmask='24' dstipfrom='10.1.0.1' dstipto='10.1.0.9'/>\
                 <tcp flags='SYN,ACK/SYN'/></rule>";
    let lines = lines(&filter(rules));
    let wanted = "drop out ipv4 with ip.protocol 6 with ip.src not 10.0.0.0/24 with ip.dst not 10.1.0.1-10.1.0.9 \
                  with tcp.flags syn+ack/syn";
    assert!(lines.contains(&wanted.to_owned()), "{lines:?}");
}

#[test]
fn d8_ranges_of_stp_and_icmpv6_and_the_type_of_rarp() {
    let rules = "<rule action='drop' direction='in'><stp root-priority='1' root-priority-hi='7'/></rule>\
                 <rule action='drop' direction='in'><rarp protocoltype='0x800'/></rule>\
                 <rule action='drop' direction='in'><ipv6 protocol='icmpv6' type='128' typeend='133'/></rule>";
    let lines = lines(&filter(rules)).join("\n");
    for wanted in [
        "stp.root-priority 1-7",
        "rarp with arp.protocol-type 0x0800",
        "icmp.type 128-133",
    ] {
        assert!(lines.contains(wanted), "{wanted}: {lines}");
    }
}

#[test]
fn d9_an_inout_rule_swaps_for_what_the_vm_sends() {
    let rules = "<rule action='drop' direction='inout'><udp srcipaddr='10.0.0.9' dstportstart='53'/></rule>";
    let lines = lines(&filter(rules));
    for wanted in [
        "drop out ipv4 with ip.protocol 17 with ip.dst 10.0.0.9 with sport 53",
        "drop in ipv4 with ip.protocol 17 with ip.src 10.0.0.9 with dport 53",
    ] {
        assert!(lines.contains(&wanted.to_owned()), "{lines:?}");
    }
}

#[test]
fn d10_the_stp_chain_has_its_documented_priority() {
    let filters = filters(&[
        "<filter name='t'><filterref filter='s'/><rule action='accept' direction='in' priority='-500'/></filter>",
        "<filter name='s' chain='stp'><rule action='drop' direction='in'/></filter>",
    ]);
    let lines = lines(&filters);
    assert!(
        lines
            .iter()
            .any(|line| line == "drop in ether with ether.dst 01:80:c2:00:00:00"),
        "{lines:?}"
    );
}

#[test]
fn an_accepted_direction_tracks_and_answers_need_no_rule() {
    let rules = "<rule action='accept' direction='in'><tcp dstportstart='22'/></rule>\
                 <rule action='drop' direction='inout' priority='1000'><all/></rule>";
    let converted = converted(&filter(rules));
    assert_eq!(profile(&converted).stateful, Some(Stateful::Required));
    let rules: Vec<String> = profile(&converted)
        .rules
        .iter()
        .map(ToString::to_string)
        .collect();
    assert!(
        rules.contains(&"accept in ipv4 with ip.protocol 6 with dport 22".to_owned()),
        "{rules:?}"
    );
    // About packets that begin a connection alone: the others belong to an accepted one.
    assert!(rules.contains(&"drop in ipv4".to_owned()), "{rules:?}");
    assert!(rules.contains(&"drop out ipv4".to_owned()), "{rules:?}");
}

#[test]
fn a_drop_before_what_is_accepted_cuts_connections_too() {
    let rules = "<rule action='drop' direction='inout' priority='1'><all srcipaddr='10.0.0.9'/></rule>\
                 <rule action='accept' direction='in'><tcp dstportstart='22'/></rule>";
    let lines = lines(&filter(rules));
    assert!(
        lines.contains(&"drop in ipv4 with ip.src 10.0.0.9 stateless".to_owned()),
        "{lines:?}"
    );
}

#[test]
fn variables_stay_and_lists_that_go_together_are_spelled_out() {
    let rules = "<rule action='accept' direction='in'><ip srcipaddr='$A' dstipaddr='$B[@1]'/></rule>\
                 <rule action='drop' direction='in' priority='900'/>";
    let wanted = "accept in ipv4 with ip.src $A with ip.dst $B";
    assert!(lines(&filter(rules)).contains(&wanted.to_owned()));
    let rules = rules.replace("[@1]", "");
    let given = parameters(&[
        ("A", &["10.0.0.1", "10.0.0.2"]),
        ("B", &["10.0.1.1", "10.0.1.2"]),
    ]);
    let one = convert(&filter(&rules), "t", Some(&given)).expect("converted");
    assert!(one.profile.starts_with("nwfilter/t/"), "{}", one.profile);
    let Some(Document::Profile(Profile { rules, .. })) = one.documents.first() else {
        panic!("{one:?}");
    };
    let rules: Vec<String> = rules.iter().map(ToString::to_string).collect();
    for wanted in [
        "accept in ipv4 with ip.src 10.0.0.1 with ip.dst 10.0.1.1",
        "accept in ipv4 with ip.src 10.0.0.2 with ip.dst 10.0.1.2",
    ] {
        assert!(rules.contains(&wanted.to_owned()), "{rules:?}");
    }
}

#[test]
fn parameters_become_values() {
    let address = "10.0.0.5".parse().expect("an address");
    assert_eq!(
        parameter_value("10.0.0.5"),
        Some(FieldValue::Address(address, address))
    );
    assert_eq!(parameter_value("0x50"), Some(FieldValue::Number(80, 80)));
    assert!(matches!(
        parameter_value("52:54:0:0:0:1"),
        Some(FieldValue::Mac { .. })
    ));
    assert_eq!(parameter_value("any"), None);
}
