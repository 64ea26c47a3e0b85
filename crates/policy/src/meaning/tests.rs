//! Sentences as people read them, and that they are true.

use std::time::Instant;

use super::*;
use crate::language::{Source, load};
use crate::observation::{Observation, ObservedBridge, ObservedInterface};
use crate::program::HostProgram;

mod judging;
mod properties;
mod reaching;

pub(super) const NETWORK: &str = "kind: Network\nname: lan\nbridge: br0\n---\n";

pub(crate) fn observation(devices: u32) -> Observation {
    let mut observed = Observation::default();
    observed.bridges.insert(
        "br0".to_owned(),
        ObservedBridge {
            ifindex: 1,
            ..ObservedBridge::default()
        },
    );
    for index in 0..devices {
        observed.interfaces.insert(
            format!("vnet{index}"),
            ObservedInterface {
                ifindex: index + 10,
                bridge: "br0".to_owned(),
                ..ObservedInterface::default()
            },
        );
    }
    observed
}

pub(super) fn program(text: &str, devices: u32) -> HostProgram {
    let catalog = load(&[Source::new("policies.yaml", text)])
        .unwrap_or_else(|errors| panic!("{}\n{text}", errors.render(false, 100)));
    crate::compile(&catalog, None, &observation(devices)).expect("one host")
}

pub(super) fn port(index: u32, rest: &str) -> String {
    format!(
        "---\nkind: Port\nname: web-{index}/0\nvm: web-{index}\ndevice: vnet{index}\n\
         mac: 52:54:00:00:{:02x}:{:02x}\naddresses: [10.0.{}.{}, \"2001:db8::{:x}\"]\n\
         network: lan\n{rest}\n",
        index >> 8,
        index & 0xff,
        (index + 5) >> 8,
        (index + 5) & 0xff,
        index + 5,
    )
}

fn web(rules: &[&str], ports: u32) -> HostProgram {
    with_profile(
        "guards: [mac, ipv4, ipv6, arp, nd, no-dhcp-server, no-router-advertisement]",
        rules,
        ports,
    )
}

fn with_profile(settings: &str, rules: &[&str], ports: u32) -> HostProgram {
    let rules: String = rules.iter().map(|rule| format!("  - {rule}\n")).collect();
    let rules = if rules.is_empty() {
        String::new()
    } else {
        format!("rules:\n{rules}")
    };
    let groups = "---\nkind: Group\nname: admins\nmembers: [10.9.0.0/24, \"2001:db8:9::/64\"]\n";
    let mut text = format!("{NETWORK}kind: Profile\nname: web-server\n{settings}\n{rules}{groups}");
    for index in 1..=ports {
        text += &port(index, "profiles: [web-server]");
    }
    program(&text, ports + 1)
}

fn told(before: &HostProgram, after: &HostProgram) -> String {
    changes(before, after).to_string()
}

#[test]
fn nothing_changes_where_programs_are_equal_or_only_written_elsewhere() {
    let one = web(&["accept in http", "accept in tcp 8000-8010"], 2);
    assert!(changes(&one, &one).is_empty());
    let other = web(&["accept in tcp 8000-8010", "accept in http"], 2);
    assert_eq!(told(&one, &other), "");
}

#[test]
fn a_new_rule_is_told_for_all_its_ports() {
    let before = web(&["accept in http"], 2);
    let after = web(&["accept in http, https"], 2);
    assert_eq!(
        told(&before, &after),
        "web-1/0, web-2/0 (2 ports): now allowed in tcp 443 from anyone\n"
    );
    assert_eq!(
        told(&after, &before),
        "web-1/0, web-2/0 (2 ports): no longer allowed in tcp 443 from anyone \
         (dropped by the default of profile web-server, policies.yaml:5)\n"
    );
}

#[test]
fn groups_prefixes_and_adjacent_ports_are_named_as_the_policy_does() {
    let before = web(&["accept in tcp 80"], 1);
    let after = web(
        &[
            "accept in tcp 80-82 from any",
            "accept in tcp 83 from any",
            "accept in ssh from @admins",
            "drop out smtp to 10.0.0.0/8",
        ],
        1,
    );
    assert_eq!(
        told(&before, &after),
        "web-1/0: now allowed in tcp 22 from @admins\n\
         web-1/0: now allowed in tcp 81-83 from anyone\n\
         web-1/0: no longer allowed out tcp 25 to 10.0.0.0/8 \
         (dropped by profile web-server, policies.yaml:12)\n"
    );
}

#[test]
fn what_all_but_few_can_do_is_told_by_the_few() {
    let before = web(&[], 1);
    let after = web(
        &["drop in telnet", "drop in from @admins", "accept in ip"],
        1,
    );
    assert_eq!(
        told(&before, &after),
        "web-1/0: now allowed in anything except tcp 23 from anyone except @admins\n"
    );
    let families = web(&["accept in ipv6", "accept in icmp"], 1);
    assert_eq!(
        told(&before, &families),
        "web-1/0: now allowed in anything except icmp, icmpv6 from any IPv6 address\n\
         web-1/0: now allowed in icmp, icmpv6 from anyone\n"
    );
}

#[test]
fn guards_tell_as_whom_a_port_may_send() {
    let before = web(&[], 1);
    let after = with_profile("guards: [mac, arp]", &[], 1);
    let told = told(&before, &after);
    for expected in [
        "now allowed out packets from another IPv4 address",
        "now allowed out packets from another IPv6 address",
        "now allowed out neighbour advertisements of other addresses",
        "now allowed out router advertisements",
        "now allowed out DHCP answers as a server",
    ] {
        assert!(told.contains(expected), "{expected}:\n{told}");
    }
    assert!(!told.contains("MAC"), "{told}");
    assert!(!told.contains("no longer"), "{told}");
}

#[test]
fn tags_and_ethertypes_are_told() {
    let before = web(&[], 1);
    let after = with_profile(
        "guards: [mac, ipv4, ipv6, arp, nd, no-dhcp-server, no-router-advertisement]\n\
         tagged: [100-199]\nethertypes: [0x88cc]",
        &[],
        1,
    );
    assert_eq!(
        told(&before, &after),
        "web-1/0: now allowed in ethertype 0x88cc\n\
         web-1/0: now allowed in frames of VLAN 100-199\n\
         web-1/0: now allowed out ethertype 0x88cc\n\
         web-1/0: now allowed out frames of VLAN 100-199\n"
    );
}

#[test]
fn rules_about_other_fields_are_told_by_their_text() {
    let before = web(&["accept in tcp 80"], 1);
    let after = web(&["drop in tcp 80 with sport 53", "accept in tcp 80"], 1);
    assert_eq!(
        told(&before, &after),
        "web-1/0: no longer allowed in what `drop in tcp 80 with sport 53` is about \
         (dropped by profile web-server, policies.yaml:9)\n"
    );
}

#[test]
fn ports_come_go_and_change_their_addresses() {
    let before = web(&[], 2);
    let mut after = web(&[], 3);
    after.ports.remove("web-1/0");
    let moved = after.ports.get_mut("web-2/0").expect("declared");
    let moved = std::sync::Arc::make_mut(moved);
    moved.ipv4 = crate::intervals::Intervals::single([10, 0, 7, 7].into());
    assert_eq!(
        told(&before, &after),
        "web-2/0: now allowed out packets from 10.0.7.7\n\
         web-2/0: no longer allowed out packets from 10.0.0.7 (dropped by guard arp)\n\
         web-3/0: new (web-server@1, network lan)\n\
         web-1/0: removed\n"
    );
}

#[test]
fn isolation_is_told_by_neighbours() {
    let text = |isolation: &str| {
        format!(
            "kind: Network\nname: lan\nbridge: br0\n{isolation}\n---\nkind: Profile\nname: web\n\
             guards: [mac]\n{}{}",
            port(1, "profiles: [web]"),
            port(2, "profiles: [web]")
        )
    };
    let before = program(&text("isolation: members"), 3);
    let after = program(
        &text("isolation: private\ngateways: [52:54:00:00:00:aa]"),
        3,
    );
    assert_eq!(
        told(&before, &after),
        "web-1/0, web-2/0 (2 ports): now allowed in frames from MAC address 52:54:00:00:00:aa\n\
         web-1/0, web-2/0 (2 ports): no longer allowed in frames from MAC address \
         52:54:00:00:00:01, 52:54:00:00:00:02 (dropped by isolation of the network)\n"
    );
}

#[test]
fn the_result_is_data_too() {
    let meaning = changes(&web(&[], 1), &web(&["accept in tcp 443"], 1));
    let value = serde_json::to_value(&meaning).expect("plain data");
    assert_eq!(value["allowed"][0]["what"], "tcp 443");
    assert_eq!(value["allowed"][0]["peers"][0], "anyone");
    assert_eq!(value["allowed"][0]["ports"][0], "web-1/0");
    assert_eq!(value["complete"], true);
}

/// Not a bar (`make bench` has those), but the figure a reader wants beside the test's name.
#[test]
fn a_thousand_ports_of_one_profile_cost_one_comparison() {
    let before = web(&["accept in http", "accept in ssh from @admins"], 1000);
    let after = web(
        &[
            "accept in https",
            "accept in tcp 8000-8010, 9000",
            "drop out smtp",
        ],
        1000,
    );
    let began = Instant::now();
    let meaning = changes(&before, &after);
    println!("compared in {:?}", began.elapsed());
    assert!(
        meaning
            .allowed
            .iter()
            .all(|change| change.ports.len() == 1000)
    );
    assert!(
        meaning.allowed.len() < 5 && meaning.denied.len() < 5,
        "{meaning}"
    );
}
