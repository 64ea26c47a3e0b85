//! Findings as people read them.

use super::*;
use crate::language::{Source, load};

mod properties;

const GUARDS: &str = "guards: [mac, ipv4, ipv6, arp, nd, no-dhcp-server, no-router-advertisement]";

fn catalog(text: &str) -> Catalog {
    load(&[Source::new("policies.yaml", text)])
        .unwrap_or_else(|errors| panic!("{}\n{text}", errors.render(false, 100)))
}

/// One port with both families, one profile with these rules.
fn documents(settings: &str, rules: &[&str]) -> String {
    let rules: String = rules.iter().map(|rule| format!("  - {rule}\n")).collect();
    let rules = if rules.is_empty() {
        String::new()
    } else {
        format!("rules:\n{rules}")
    };
    format!(
        "kind: Network\nname: lan\nbridge: br0\n---\nkind: Port\nname: web-1/0\nvm: web-1\n\
         device: vnet0\nmac: 52:54:00:00:00:01\naddresses: [10.0.0.5, \"2001:db8::5\"]\n\
         network: lan\nprofiles: [web]\n---\nkind: Profile\nname: web\n{settings}\n{rules}"
    )
}

fn told(text: &str) -> Vec<String> {
    let findings = lint(&catalog(text), None);
    let short = |finding: &Finding| {
        format!(
            "{}:{} {}",
            finding.origin.line, finding.code, finding.message
        )
    };
    findings.iter().map(short).collect()
}

fn of_rules(rules: &[&str]) -> Vec<String> {
    told(&documents(GUARDS, rules))
}

#[test]
fn addresses_that_are_still_to_be_learned_are_no_mistake() {
    let text = documents(
        &format!("{GUARDS}\nlearn: dhcp"),
        &[
            "accept in udp 80 with ip.dst $IP",
            "drop in udp 90 from $IP",
            "accept in udp 90",
        ],
    );
    let undeclared = text.replace("addresses: [10.0.0.5, \"2001:db8::5\"]\n", "");
    assert_ne!(text, undeclared);
    assert_eq!(told(&undeclared), Vec::<String>::new());
}

#[test]
fn a_usual_policy_has_no_findings() {
    let found = of_rules(&[
        "accept in http, https",
        "accept in ping",
        "accept in ssh from 10.0.0.0/24, 2001:db8::/64",
        "drop out smtp to 10.0.0.0/8",
        "drop out smtp to 2001:db8::/32",
        "accept in tcp 8000-8010 from 10.1.0.0/16, 2001:db8:1::/48",
        "drop in tcp 8000-8010",
        "drop in udp 5000 log",
        "accept in udp 4000-6000",
    ]);
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn earlier_rules_take_later_ones() {
    assert_eq!(
        of_rules(&[
            "accept in tcp 80-443",
            "drop in tcp 100-200",
            "accept in tcp 90 from 10.0.0.0/8, 2001:db8::/32",
            "drop in tcp 80-443",
            "drop both tcp 25",
            "drop out tcp 20-30 to vm:web-1",
            "drop out tcp 25 to vm:web-1",
        ]),
        [
            "19:shadowed-rule `drop in tcp 100-200` never decides: `accept in tcp 80-443` does \
             before, but for later fragments",
            "20:redundant-rule `accept in tcp 90 from 10.0.0.0/8, 2001:db8::/32` never decides: \
             `accept in tcp 80-443` says the same before",
            "21:contradicting-rule `drop in tcp 80-443` contradicts `accept in tcp 80-443`, which \
             decides, but for later fragments",
            "24:redundant-rule `drop out tcp 25 to vm:web-1` never decides: `drop both tcp 25` \
             says the same before",
        ]
    );
}

#[test]
fn a_catch_all_takes_what_follows() {
    assert_eq!(
        of_rules(&["drop in ip", "accept in http", "accept in arp"]),
        ["19:shadowed-rule `accept in http` never decides: `drop in ip` does before"]
    );
}

#[test]
fn another_level_takes_rules_only_where_it_holds() {
    let policy = |level: &str, when: &str| {
        format!(
            "{}---\nkind: Policy\nname: no-telnet\nlevel: {level}\n{when}:\n  - drop both telnet\n",
            documents(GUARDS, &["accept in telnet"])
        )
    };
    assert_eq!(
        told(&policy("everything", "mandatory")),
        [
            "18:shadowed-rule `accept in telnet` never decides: `drop both telnet` of policy \
             no-telnet (mandatory) does before"
        ]
    );
    assert_eq!(
        told(&policy("everything", "rules")),
        [
            "24:shadowed-rule `drop both telnet` never decides: `accept in telnet` of profile web \
             does before, but for later fragments (direction `in`)"
        ]
    );
    let elsewhere = "{vm: web-1}".to_owned() + "\n";
    let other = policy(elsewhere.trim(), "mandatory").replace(
        "---\nkind: Policy",
        "---\nkind: Port\nname: b/0\nvm: b\nmac: 52:54:00:00:00:02\naddresses: [10.0.0.6, \
         \"2001:db8::6\"]\nnetwork: lan\nprofiles: [web]\n---\nkind: Policy",
    );
    assert_eq!(told(&other), Vec::<String>::new());
}

#[test]
fn impossible_rules_are_found() {
    let group = "---\nkind: Group\nname: nobody\nmembers: []\n---\nkind: Group\nname: four\n\
                 members: [10.0.0.1]\n";
    let rules = ["accept in ssh from @nobody", "accept in icmpv6 from @four"];
    assert_eq!(
        told(&format!("{}{group}", documents(GUARDS, &rules))),
        [
            "18:never-matches `accept in ssh from @nobody` can never match: no frame meets all its \
             conditions",
            "19:never-matches `accept in icmpv6 from @four` can never match: no frame meets all \
             its conditions",
        ]
    );
}

#[test]
fn names_that_nobody_uses_are_found() {
    let text = documents(GUARDS, &[])
        + "---\nkind: Profile\nname: spare\nguards: [mac]\n---\nkind: Group\nname: g\n\
           members: [10.0.0.1]\n---\nkind: Service\nname: s\nmatches: [tcp 1]\n---\n\
           kind: Network\nname: empty\nbridge: br1\n---\nkind: Policy\nname: p\n\
           level: {pool: eu}\nrules: [accept in http]\n---\nkind: Policy\nname: q\n\
           level: {select: {app: web}}\nrules: [accept in http]\n";
    let found = told(&text);
    let names: Vec<&str> = found
        .iter()
        .filter_map(|line| line.split_once("unused-name "))
        .map(|(_, message)| message)
        .collect();
    assert_eq!(
        names,
        [
            "profile spare is not used: no port, network or other profile names it",
            "group g is not used: no rule and no other group names it",
            "service s is not used: no rule and no other service names it",
            "network empty is not used: it has no ports",
            "policy p is not used: no host is in pool eu",
            "policy q is not used: no port carries these labels",
        ]
    );
    assert_eq!(found.len(), names.len(), "{found:#?}");
}

#[test]
fn open_ports_are_found() {
    assert_eq!(
        told(&documents("default: {in: accept}", &[])),
        [
            "14:no-guards profile web has no guards: port web-1/0 can send with any MAC and address",
            "14:open-to-everyone port web-1/0 accepts from everyone what no rule forbids",
        ]
    );
    assert_eq!(
        of_rules(&["accept in"]),
        ["18:open-to-everyone `accept in` accepts everything from everyone"]
    );
    assert_eq!(
        told(&documents(
            &format!("{GUARDS}\naudit: true"),
            &["reject out smtp"]
        )),
        ["14:audit-on profile web only audits: its rules drop nothing"]
    );
}

#[test]
fn what_a_bridge_cannot_do_is_found() {
    assert_eq!(
        of_rules(&["reject in telnet"]),
        [
            "18:reject-in-needs-preferred `reject in telnet` rejects frames towards the VM, which \
             no Linux bridge can"
        ]
    );
    let preferred = format!("{GUARDS}\nreject: preferred");
    assert_eq!(
        told(&documents(&preferred, &["reject in telnet"])),
        Vec::<String>::new()
    );
}

#[test]
fn a_mandatory_rule_for_everything_is_found() {
    let text = documents(GUARDS, &[])
        + "---\nkind: Policy\nname: p\nlevel: everything\nmandatory: [drop in ip]\n";
    let found = told(&text);
    assert_eq!(
        found,
        [
            "21:mandatory-catch-all `drop in ip` is mandatory and decides every packet: no profile \
             matters after it"
        ]
    );
}

#[test]
fn rules_for_one_family_are_found() {
    assert_eq!(
        of_rules(&[
            "accept in ssh from 10.0.0.0/8",
            "drop out smtp to 10.0.0.1",
            "accept in icmp"
        ]),
        [
            "18:ipv6-not-covered `accept in ssh from 10.0.0.0/8` names IPv4 peers only, but \
             profile web holds for ports with IPv6 (web-1/0): IPv6 is not covered",
            "19:ipv6-not-covered `drop out smtp to 10.0.0.1` names IPv4 peers only, but profile \
             web holds for ports with IPv6 (web-1/0): IPv6 is not covered and goes on",
            "20:icmp-without-icmpv6 `accept in icmp` has no twin for ICMPv6, but holds for ports \
             with IPv6 (web-1/0)",
        ]
    );
    assert_eq!(
        of_rules(&["accept in ipv4 from 10.0.0.0/8", "accept in ping"]),
        Vec::<String>::new()
    );
}

#[test]
fn ports_that_cannot_be_compiled_are_found() {
    let catalog = catalog(&documents(GUARDS, &[]).replace("profiles: [web]\n", ""));
    let observed = crate::meaning::observation_for_tests(1);
    let program = crate::compile(&catalog, None, &observed).expect("one host");
    let codes: Vec<&str> = lint(&catalog, Some(&program))
        .iter()
        .map(|it| it.code)
        .collect();
    assert!(codes.contains(&"port-in-quarantine"), "{codes:?}");
    let bare = documents(GUARDS, &[]).replace("addresses: [10.0.0.5, \"2001:db8::5\"]\n", "");
    let found = told(&bare);
    assert!(
        found
            .iter()
            .any(|it| it.contains("address-guard-without-addresses")),
        "{found:?}"
    );
}

#[test]
fn a_finding_reads_well() {
    let findings = lint(
        &catalog(&documents(GUARDS, &["drop in ip", "accept in http"])),
        None,
    );
    let told: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "warning[shadowed-rule]: `accept in http` never decides: `drop in ip` does before\n  \
             --> policies.yaml:19:5\n  \
             --> policies.yaml:18:5: decided here, in profile web\n  \
             = hint: put the narrower rule first, or remove it"
        ]
    );
    let value = serde_json::to_value(&findings).expect("plain data");
    assert_eq!(value[0]["origin"], "policies.yaml:19:5");
    assert_eq!(value[0]["severity"], "warning");
}

/// The examples are read by people who learn from them.
#[test]
fn the_examples_have_no_warnings_but_for_what_they_say() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/demo");
    let mut sources = Vec::new();
    for entry in std::fs::read_dir(folder).expect("examples") {
        let path = entry.expect("a file").path();
        let text = std::fs::read_to_string(&path).expect("a text");
        sources.push(Source::new(
            path.file_name().unwrap_or_default().to_string_lossy(),
            text,
        ));
    }
    sources.sort_by(|a, b| a.name.cmp(&b.name));
    let catalog = load(&sources).unwrap_or_else(|errors| panic!("{}", errors.render(false, 100)));
    let told: Vec<String> = lint(&catalog, None)
        .iter()
        .map(|finding| format!("{} {}", finding.code, finding.message))
        .collect();
    assert_eq!(
        told,
        ["open-to-everyone port router/0 accepts from everyone what no rule forbids"]
    );
}
