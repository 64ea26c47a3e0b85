//! Documents that nothing uses.

use std::collections::BTreeSet;

use super::{Finding, Severity};
use crate::catalog::Catalog;
use crate::document::{Level, Member, Port};
use crate::origin::Origin;
use crate::rule::{Peer, Rule, Term};

pub(super) fn check(catalog: &Catalog, findings: &mut Vec<Finding>) {
    let mut unused = |kind: &str, name: &str, origin: &Origin, why: &str| {
        findings.push(
            Finding::new(
                "unused-name",
                Severity::Note,
                origin,
                format!("{kind} {name} is not used: {why}"),
            )
            .hint("remove it, or use it"),
        );
    };
    let profiles = profiles_in_use(catalog);
    for profile in catalog.profiles.values() {
        if !profiles.contains(profile.name.as_str()) {
            let why = "no port, network or other profile names it";
            unused("profile", &profile.name, &profile.origin, why);
        }
    }
    let peers = peers(catalog);
    for group in catalog.groups.values() {
        if !peers.contains(&("group", group.name.as_str())) {
            let why = "no rule and no other group names it";
            unused("group", &group.name, &group.origin, why);
        }
    }
    let services = services(catalog);
    for service in catalog.services.values() {
        if !services.contains(service.name.as_str()) {
            let why = "no rule and no other service names it";
            unused("service", &service.name, &service.origin, why);
        }
    }
    for network in catalog.networks.values() {
        let ports = catalog.ports.values();
        let has_ports = ports.into_iter().any(|port| port.network == network.name);
        if !has_ports && !peers.contains(&("network", network.name.as_str())) {
            unused("network", &network.name, &network.origin, "it has no ports");
        }
    }
    for policy in catalog.policies.values() {
        if let Some(why) = nowhere(catalog, &policy.level) {
            unused("policy", &policy.name, &policy.origin, &why);
        }
    }
}

/// Profiles that ports have, by themselves, by their network or by inclusion.
pub(super) fn profiles_in_use(catalog: &Catalog) -> BTreeSet<&str> {
    let ports = catalog.ports.values().flat_map(|port| &port.profiles);
    let networks = catalog.networks.values().flat_map(|it| &it.profiles);
    let hosts = catalog.hosts.values().flat_map(|it| &it.profiles);
    let included = catalog.profiles.values().flat_map(|it| &it.include);
    let all = ports.chain(networks).chain(hosts).chain(included);
    all.map(String::as_str).collect()
}

pub(super) fn rules(catalog: &Catalog) -> impl Iterator<Item = &Rule> {
    let profiles = catalog.profiles.values().flat_map(|it| &it.rules);
    let policies = catalog.policies.values();
    profiles.chain(policies.flat_map(|it| it.mandatory.iter().chain(&it.rules)))
}

fn peers(catalog: &Catalog) -> BTreeSet<(&'static str, &str)> {
    let in_rules = rules(catalog).flat_map(|rule| &rule.peers);
    let in_rules = in_rules.filter_map(|peer| match peer {
        Peer::Group(name) => Some(("group", name.as_str())),
        Peer::Network(name) => Some(("network", name.as_str())),
        _ => None,
    });
    let in_groups = catalog.groups.values().flat_map(|group| {
        group.members.iter().filter_map(|member| match member {
            Member::Group(name) if *name != group.name => Some(("group", name.as_str())),
            Member::Network(name) => Some(("network", name.as_str())),
            _ => None,
        })
    });
    in_rules.chain(in_groups).collect()
}

fn services(catalog: &Catalog) -> BTreeSet<&str> {
    let in_rules = rules(catalog).flat_map(|rule| &rule.what);
    let in_services = catalog.services.values().flat_map(|it| &it.matches);
    let named = in_rules.chain(in_services).filter_map(|term| match term {
        Term::Service(name) => Some(name.as_str()),
        Term::Protocol { .. } => None,
    });
    named.collect()
}

/// Why a level holds for nobody.
fn nowhere(catalog: &Catalog, level: &Level) -> Option<String> {
    let any = |holds: &dyn Fn(&Port) -> bool| catalog.ports.values().any(holds);
    match level {
        Level::Everything => None,
        Level::Pool(name) => {
            let mut hosts = catalog.hosts.values();
            let found = hosts.any(|host| host.pool.as_ref() == Some(name));
            (!found).then(|| format!("no host is in pool {name}"))
        }
        Level::Network(name) => {
            (!any(&|port| port.network == *name)).then(|| format!("no port is in network {name}"))
        }
        Level::Vm(name) => (!any(&|port| port.vm.as_ref() == Some(name)))
            .then(|| format!("no port is of VM {name}")),
        Level::Port(name) => {
            (!any(&|port| port.name == *name)).then(|| format!("there is no port {name}"))
        }
        Level::Select(labels) => {
            let holds = |port: &Port| {
                labels
                    .iter()
                    .all(|(key, value)| port.labels.get(key) == Some(value))
            };
            (!any(&holds)).then(|| "no port carries these labels".to_owned())
        }
    }
}
