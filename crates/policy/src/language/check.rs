//! What documents must agree on with each other: names are unique and exist, nothing contains
//! itself, nothing contradicts. Knows documents as read; resolving them is left to the compiler.

use std::collections::{BTreeMap, BTreeSet};

use super::diagnostic::{Finding, Findings, Place};
use super::documents::{KINDS, Kind, Read};
use super::line::Kingdom;
use super::suggest::{closest, did_you_mean};
use super::words::{KEYWORDS, PROTOCOLS, names, word_for};
use crate::document::{Document, Isolation, Member, Network, Port, Role};
use crate::rule::Term;
use crate::services;

impl Read {
    fn kind(&self) -> Kind {
        match self.document {
            Document::Profile(_) => Kind::Profile,
            Document::Group(_) => Kind::Group,
            Document::Network(_) => Kind::Network,
            Document::Service(_) => Kind::Service,
            Document::Policy(_) => Kind::Policy,
            Document::Port(_) => Kind::Port,
            Document::Host(_) => Kind::Host,
        }
    }

    fn name(&self) -> &str {
        self.document.name()
    }

    fn place_of(&self, key: &str) -> Place {
        self.places.get(key).copied().unwrap_or(self.place)
    }
}

fn word(kind: Kind) -> String {
    word_for(KINDS, &kind).unwrap_or_default().to_lowercase()
}

/// Reports names that are there twice; keeps the first of each.
pub(super) fn unique(read: Vec<Read>, findings: &mut Findings) -> Vec<Read> {
    let mut firsts: BTreeMap<(u8, String), Place> = BTreeMap::new();
    let mut kept = Vec::with_capacity(read.len());
    for document in read {
        let kind = document.kind();
        let key = (kind as u8, document.name().to_owned());
        if let Some(first) = firsts.get(&key) {
            let message = format!("a second {} named `{}`", word(kind), document.name());
            let finding = Finding::new(document.place, message).label("again here");
            findings.push(finding.related(*first, "first here"));
            continue;
        }
        if kind == Kind::Service && services::lookup(document.name()).is_some() {
            let message = format!("`{}` is a built-in service", document.name());
            let finding = Finding::new(document.place, message);
            findings.push(
                finding.hint("give it a name of its own; `moat services` lists the built-in ones"),
            );
        }
        firsts.insert(key, document.place);
        kept.push(document);
    }
    kept
}

/// Reports names that do not exist (unless a part could not be read: it may define them), and what
/// contains itself.
pub(super) fn references(read: &[Read], complete: bool, findings: &mut Findings) {
    let defined: BTreeSet<(Kingdom, &str)> = read
        .iter()
        .filter_map(|document| Some((kingdom(document.kind())?, document.name())))
        .collect();
    if complete {
        for reference in read.iter().flat_map(|document| &document.references) {
            let name = reference.name.as_str();
            let exists = defined.contains(&(reference.kingdom, name))
                || (reference.kingdom == Kingdom::Service && services::lookup(name).is_some());
            if !exists {
                findings.push(unknown(&defined, reference.kingdom, name, reference.place));
            }
        }
    }
    for kingdom in [Kingdom::Profile, Kingdom::Group, Kingdom::Service] {
        cycles(read, kingdom, findings);
    }
}

fn kingdom(kind: Kind) -> Option<Kingdom> {
    match kind {
        Kind::Profile => Some(Kingdom::Profile),
        Kind::Group => Some(Kingdom::Group),
        Kind::Network => Some(Kingdom::Network),
        Kind::Service => Some(Kingdom::Service),
        Kind::Policy | Kind::Port | Kind::Host => None,
    }
}

fn unknown<'a>(
    defined: &BTreeSet<(Kingdom, &'a str)>,
    kingdom: Kingdom,
    name: &'a str,
    place: Place,
) -> Finding {
    let what = match kingdom {
        Kingdom::Profile => "profile",
        Kingdom::Group => "group",
        Kingdom::Network => "network",
        Kingdom::Service => "service",
    };
    let same = defined
        .iter()
        .filter(|(k, _)| *k == kingdom)
        .map(|(_, name)| *name);
    let finding = Finding::new(place, format!("there is no {what} `{name}`"));
    if kingdom != Kingdom::Service {
        let exists_as = |other: Kingdom| defined.contains(&(other, name));
        let hint = did_you_mean(name, same).or_else(|| {
            let (sigil, _) = [("@", Kingdom::Group), ("network:", Kingdom::Network)]
                .into_iter()
                .find(|(_, other)| exists_as(*other))?;
            (kingdom != Kingdom::Profile).then(|| format!("did you mean `{sigil}{name}`?"))
        });
        return finding.maybe_hint(hint);
    }
    let builtin = services::builtin()
        .iter()
        .map(|service| -> &'a str { service.name });
    let words = names(PROTOCOLS)
        .chain(KEYWORDS.iter().copied())
        .map(|word| -> &'a str { word });
    let near = closest(name, same.chain(builtin).chain(words));
    finding
        .label("neither a service nor a protocol")
        .hint(match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`moat services` lists the built-in services".to_owned(),
        })
}

/// What a document contains directly, of its own kind.
fn contents(document: &Document) -> Vec<&str> {
    match document {
        Document::Profile(profile) => profile.include.iter().map(String::as_str).collect(),
        Document::Group(group) => group
            .members
            .iter()
            .filter_map(|member| match member {
                Member::Group(name) => Some(name.as_str()),
                _ => None,
            })
            .collect(),
        Document::Service(service) => service
            .matches
            .iter()
            .filter_map(|term| match term {
                Term::Service(name) => Some(name.as_str()),
                Term::Protocol { .. } => None,
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// Reports each circle once. Without recursion: chains may be as long as the declaration.
fn cycles(read: &[Read], of: Kingdom, findings: &mut Findings) {
    let mine: BTreeMap<&str, &Read> = read
        .iter()
        .filter(|document| kingdom(document.kind()) == Some(of))
        .map(|document| (document.name(), document))
        .collect();
    let mut done: BTreeSet<&str> = BTreeSet::new();
    for start in mine.keys() {
        let mut path: Vec<(&str, std::vec::IntoIter<&str>)> = Vec::new();
        let mut on_path: BTreeSet<&str> = BTreeSet::new();
        let mut next = Some(*start);
        loop {
            if let Some(name) = next.take()
                && let Some(document) = mine.get(name)
            {
                if on_path.contains(name) {
                    let circle = path.iter().map(|(n, _)| *n).skip_while(|n| *n != name);
                    let circle: Vec<&str> = circle.chain([name]).collect();
                    findings.push(circle_finding(document, of, &circle));
                } else if done.insert(name) {
                    on_path.insert(name);
                    path.push((name, contents(&document.document).into_iter()));
                }
            }
            let Some((name, contents)) = path.last_mut() else {
                break;
            };
            next = contents.next();
            if next.is_none() {
                on_path.remove(*name);
                path.pop();
            }
        }
    }
}

fn circle_finding(document: &Read, of: Kingdom, circle: &[&str]) -> Finding {
    let own = document.references.iter().find(|reference| {
        reference.kingdom == of && Some(reference.name.as_str()) == circle.get(1).copied()
    });
    let place = own.map_or(document.place, |reference| reference.place);
    let message = format!(
        "{} `{}` contains itself",
        word(document.kind()),
        document.name()
    );
    Finding::new(place, message).label(circle.join(" → "))
}

/// Reports documents that exclude each other.
pub(super) fn contradictions(read: &[Read], findings: &mut Findings) {
    let networks: BTreeMap<&str, (&Network, &Read)> = read
        .iter()
        .filter_map(|read| match &read.document {
            Document::Network(network) => Some((network.name.as_str(), (network, read))),
            _ => None,
        })
        .collect();
    for (network, read) in networks.values() {
        private_only(network, read, findings);
    }
    let mut macs = BTreeMap::new();
    let mut devices: BTreeMap<&str, Vec<(&Port, Place)>> = BTreeMap::new();
    for document in read {
        match &document.document {
            Document::Port(port) => {
                if let Some((network, of)) = networks.get(port.network.as_str()) {
                    role(port, document, network, of, findings);
                }
                let mac = document.place_of("mac");
                if document.places.contains_key("mac")
                    && let Some(first) = macs.insert((port.network.as_str(), port.mac), mac)
                {
                    let message = format!(
                        "two ports of network `{}` with one MAC address",
                        port.network
                    );
                    findings.push(Finding::new(mac, message).related(first, "first here"));
                }
                if let Some(device) = &port.device {
                    let place = document.place_of("device");
                    let others = devices.entry(device).or_default();
                    // Without a host, a port is wherever its device is.
                    let clash = others.iter().find(|(other, _)| {
                        other.host == port.host || other.host.is_none() || port.host.is_none()
                    });
                    if let Some((_, first)) = clash {
                        let message = format!("two ports with device `{device}` on one host");
                        let finding = Finding::new(place, message).related(*first, "first here");
                        findings
                            .push(finding.hint("`host: NAME` says which host's device is meant"));
                    }
                    others.push((port, place));
                }
            }
            Document::Host(host) => {
                let mut uplinks: BTreeMap<&str, &str> = BTreeMap::new();
                for (bridge, contents) in &host.bridges {
                    for uplink in &contents.uplinks {
                        if let Some(other) = uplinks.insert(uplink, bridge) {
                            let message =
                                format!("`{uplink}` is an uplink of both `{other}` and `{bridge}`");
                            let finding = Finding::new(document.place_of("bridges"), message);
                            findings.push(finding.hint("an interface is in one bridge"));
                        }
                    }
                }
            }
            _ => {}
        }
    }
}

fn private_only(network: &Network, read: &Read, findings: &mut Findings) {
    if network.isolation == Isolation::Private {
        return;
    }
    for (key, used) in [
        ("promiscuous", !network.promiscuous.is_empty()),
        ("communities", !network.communities.is_empty()),
    ] {
        if used {
            let message = format!("`{key}` in a network that is not private");
            let finding =
                Finding::new(read.place_of(key), message).hint("write `isolation: private`");
            findings.push(match read.places.get("isolation") {
                Some(place) => finding.related(*place, "its isolation"),
                None => finding,
            });
        }
    }
}

fn role(port: &Port, read: &Read, network: &Network, of: &Read, findings: &mut Findings) {
    let Some(place) = read.places.get("role").copied() else {
        return;
    };
    let name = &network.name;
    if network.isolation != Isolation::Private {
        let finding = Finding::new(place, "a role in a network that is not private");
        findings.push(
            finding
                .related(of.place_of("isolation"), format!("network `{name}`"))
                .hint("leave `role` out, or write `isolation: private` in the network"),
        );
    } else if let Role::Community(community) = &port.role
        && !network.communities.contains_key(community)
    {
        let known = network.communities.keys().map(String::as_str);
        let finding = Finding::new(
            place,
            format!("network `{name}` has no community `{community}`"),
        );
        findings.push(
            finding
                .maybe_hint(did_you_mean(community, known))
                .related(of.place_of("communities"), "its communities"),
        );
    }
}
