//! Ports that are open wider, or shut tighter, than people usually mean.

use std::collections::{BTreeMap, BTreeSet};

use super::everywhere::IMAGINED;
use super::{Finding, Severity};
use crate::catalog::Catalog;
use crate::document::{Guard, RejectMode};
use crate::meaning::few;
use crate::origin::Origin;
use crate::program::{Behaviour, CompiledRule, Condition, HostProgram, PortProgram, Stage, Values};
use crate::rule::{Field, Protocol, RuleDirection, Term, Verdict};

pub(super) fn check(catalog: &Catalog, programs: &[HostProgram], findings: &mut Vec<Finding>) {
    for program in programs {
        for (behaviour, ports) in by_behaviour(program) {
            guards(catalog, behaviour, &ports, findings);
            defaults(program, behaviour, &ports, findings);
            rejects(program, behaviour, findings);
        }
        mandatory(program, findings);
    }
    rules_open(catalog, findings);
    addresses(programs, findings);
    for profile in catalog.profiles.values().filter(|profile| profile.audit) {
        let message = format!(
            "profile {} only audits: its rules drop nothing",
            profile.name
        );
        findings.push(
            Finding::new("audit-on", Severity::Note, &profile.origin, message)
                .hint("remove `audit` when the log shows what it should"),
        );
    }
}

/// Ports of this host that are shut off because their policy cannot be compiled.
pub(super) fn refused(program: Option<&HostProgram>, findings: &mut Vec<Finding>) {
    let refused = program.into_iter().flat_map(|program| &program.refused);
    for (name, refusal) in refused.filter(|(_, refusal)| !refusal.absent) {
        let message = format!("port {name} is in quarantine: {}", refusal.reason);
        let finding = Finding::new(
            "port-in-quarantine",
            Severity::Error,
            &refusal.origin,
            message,
        );
        findings.push(
            finding.hint("on a managed bridge its device passes nothing until this is mended"),
        );
    }
}

type Ports<'a> = Vec<&'a PortProgram>;

fn by_behaviour(program: &HostProgram) -> Vec<(&Behaviour, Ports<'_>)> {
    let mut found: BTreeMap<&str, Ports<'_>> = BTreeMap::new();
    for port in program.ports.values() {
        found.entry(&port.behaviour).or_default().push(port);
    }
    let known = found.into_iter().filter_map(|(name, ports)| {
        let behaviour = program.behaviours.get(name)?;
        Some((behaviour.as_ref(), ports))
    });
    known.collect()
}

/// Declared ports by name, or the profile that no port has yet.
fn who(ports: &[&PortProgram]) -> String {
    let names: Vec<&str> = ports
        .iter()
        .map(|port| port.name.as_str())
        .filter(|name| !name.starts_with(IMAGINED))
        .collect();
    match (names.as_slice(), ports) {
        ([], [port, ..]) => format!("every port{}", port.name),
        ([one], _) => format!("port {one}"),
        (several, _) => format!("ports {}", few(several)),
    }
}

fn guards(
    catalog: &Catalog,
    behaviour: &Behaviour,
    ports: &[&PortProgram],
    findings: &mut Vec<Finding>,
) {
    if behaviour.guards.contains(&Guard::Mac) {
        return;
    }
    let (severity, lack, all) = if behaviour.guards.is_empty() {
        (Severity::Warning, "no guards", "with any MAC and address")
    } else {
        (Severity::Note, "no `mac` guard", "with any MAC address")
    };
    // By profile: that is where guards are written.
    let mut by_profile: BTreeMap<&str, Vec<&PortProgram>> = BTreeMap::new();
    for port in ports {
        let first = port.profiles.first();
        let name = first.and_then(|version| version.split('@').next());
        by_profile
            .entry(name.unwrap_or_default())
            .or_default()
            .push(port);
    }
    for (name, ports) in by_profile {
        let profile = catalog.profiles.get(name);
        let Some(origin) = profile
            .map(|profile| &profile.origin)
            .or_else(|| ports.first().map(|port| &port.origin))
        else {
            continue;
        };
        let subject = match profile {
            Some(profile) => format!("profile {} has {lack}", profile.name),
            None => format!("{} has no profile and {lack}", who(&ports)),
        };
        let message = format!("{subject}: {} can send {all}", who(&ports));
        findings.push(
            Finding::new("no-guards", severity, origin, message).hint(
                "guards: [mac, ipv4, ipv6, arp, nd, no-dhcp-server, no-router-advertisement]",
            ),
        );
    }
}

fn defaults(
    program: &HostProgram,
    behaviour: &Behaviour,
    ports: &[&PortProgram],
    findings: &mut Vec<Finding>,
) {
    let default = &behaviour.default_in;
    let closed = inward(program, behaviour)
        .any(|rule| rule.verdict != Verdict::Accept && !rule.audit && is_catch_all(rule));
    if default.verdict != Verdict::Accept || closed || default.origin == Origin::default() {
        return;
    }
    let message = format!("{} accepts from everyone what no rule forbids", who(ports));
    findings.push(
        Finding::new(
            "open-to-everyone",
            Severity::Warning,
            &default.origin,
            message,
        )
        .hint("default: {in: drop}, and a rule for each service"),
    );
}

fn inward<'a>(
    program: &'a HostProgram,
    behaviour: &'a Behaviour,
) -> impl Iterator<Item = &'a CompiledRule> {
    let lists = behaviour
        .lists
        .iter()
        .filter_map(|name| program.lists.get(name));
    lists.flat_map(|list| &list.inward)
}

/// `accept in` of everything from anybody.
fn rules_open(catalog: &Catalog, findings: &mut Vec<Finding>) {
    let everything = |term: &Term| {
        let Term::Protocol { protocol, .. } = term else {
            return false;
        };
        matches!(
            protocol,
            Protocol::Ip | Protocol::Ipv4 | Protocol::Ipv6 | Protocol::Ether
        )
    };
    for rule in super::names::rules(catalog) {
        let open = rule.verdict == Verdict::Accept
            && rule.direction != RuleDirection::Out
            && (rule.peers.is_empty() || rule.peers.contains(&crate::rule::Peer::Any))
            && (rule.what.is_empty() || rule.what.iter().any(everything))
            && rule.with.is_empty();
        if open {
            let message = format!("`{rule}` accepts everything from everyone");
            findings.push(
                Finding::new("open-to-everyone", Severity::Warning, &rule.origin, message)
                    .hint("name services, or peers: accept in https from @admins"),
            );
        }
    }
}

/// Rejecting towards the VM would have to answer out of the port that a frame came in at, which a
/// bridge's last stage cannot.
fn rejects(program: &HostProgram, behaviour: &Behaviour, findings: &mut Vec<Finding>) {
    if behaviour.reject == RejectMode::Preferred {
        return;
    }
    let rules =
        inward(program, behaviour).filter(|rule| rule.verdict == Verdict::Reject && !rule.audit);
    let mut places: BTreeSet<(&Origin, String)> = rules
        .map(|rule| (&rule.origin, format!("`{}`", rule.text)))
        .collect();
    let default = &behaviour.default_in;
    if default.verdict == Verdict::Reject && !default.audit {
        places.insert((&behaviour.default_in.origin, "the default `in`".to_owned()));
    }
    for (origin, what) in places {
        let message = format!("{what} rejects frames towards the VM, which no Linux bridge can");
        findings.push(
            Finding::new(
                "reject-in-needs-preferred",
                Severity::Warning,
                origin,
                message,
            )
            .hint("`reject: preferred` in the profile drops where it cannot answer; or `drop in`"),
        );
    }
}

fn mandatory(program: &HostProgram, findings: &mut Vec<Finding>) {
    for list in program
        .lists
        .values()
        .filter(|list| list.stage == Stage::Mandatory)
    {
        for rule in list.inward.iter().chain(&list.outward) {
            if is_catch_all(rule) {
                let message = format!(
                    "`{}` is mandatory and decides every packet: no profile matters after it",
                    rule.text
                );
                findings.push(
                    Finding::new(
                        "mandatory-catch-all",
                        Severity::Warning,
                        &rule.origin,
                        message,
                    )
                    .hint("name what it is about, or move it to `rules`"),
                );
            }
        }
    }
}

/// Every IPv4 and IPv6 packet.
fn is_catch_all(rule: &CompiledRule) -> bool {
    let wide = |condition: &Condition| match &condition.values {
        Values::Numbers(set) => {
            condition.field == Field::EtherType
                && !condition.negated
                && set.contains(0x0800)
                && set.contains(0x86dd)
        }
        _ => false,
    };
    rule.packets && rule.alternatives.iter().any(|all| all.iter().all(wide))
}

fn addresses(programs: &[HostProgram], findings: &mut Vec<Finding>) {
    for program in programs {
        for (behaviour, ports) in by_behaviour(program) {
            let guards = [Guard::Ipv4, Guard::Ipv6].map(|it| behaviour.guards.contains(&it));
            for port in ports.iter().filter(|port| !port.name.starts_with(IMAGINED)) {
                let mut v6 = port.ipv6.iter();
                let global = v6.any(|(first, _)| !first.is_unicast_link_local());
                if guards == [true, true] && port.ipv4.is_empty() && !global {
                    let message = format!(
                        "port {} has address guards but no addresses: it can send nothing but \
                         discovery, DHCP requests and from its link-local address",
                        port.name
                    );
                    findings.push(
                        Finding::new(
                            "address-guard-without-addresses",
                            Severity::Warning,
                            &port.origin,
                            message,
                        )
                        .hint("addresses: [10.0.0.5, \"2001:db8::5\"]"),
                    );
                }
            }
        }
    }
}
