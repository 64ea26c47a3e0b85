//! The documents of a source, key by key. Knows what each kind may say; leaves what they must
//! agree on with each other to `check`.

mod learn;
mod network;
mod profile;
mod rules;

use std::collections::BTreeMap;

use super::diagnostic::{Finding, Place};
use super::line::{self, Kingdom};
use super::names;
use super::reader::{Fields, Reader, Reference};
use super::suggest::{did_you_mean, quoted};
use super::values::TextError;
use super::words::{self, Table};
use super::yaml::{Content, Node};
use crate::document::{Document, Group, Host, HostBridge, Level, Member, Policy, Service};

/// A document with the places that checks between documents point at.
pub(super) struct Read {
    pub(super) document: Document,
    /// Of its name.
    pub(super) place: Place,
    /// Of the values of its keys.
    pub(super) places: BTreeMap<&'static str, Place>,
    pub(super) references: Vec<Reference>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Profile,
    Group,
    Network,
    Service,
    Policy,
    Port,
    Host,
}

pub(super) const KINDS: Table<Kind> = &[
    ("Profile", Kind::Profile),
    ("Group", Kind::Group),
    ("Network", Kind::Network),
    ("Service", Kind::Service),
    ("Policy", Kind::Policy),
    ("Port", Kind::Port),
    ("Host", Kind::Host),
];

/// Reads a document; `None` where not even kind and name are clear.
pub(super) fn document(reader: &mut Reader<'_>, node: &Node) -> Option<Read> {
    reader.references.clear();
    let mut fields = Fields::of(reader, node, "a document")?;
    let kind_node = fields.require(reader, "kind")?;
    let kind = kind(reader, kind_node)?;
    let name_node = fields.require(reader, "name");
    let read_name = match kind {
        Kind::Port => names::foreign,
        Kind::Service => names::service,
        _ => names::plain,
    };
    let name = name_node.and_then(|node| reader.parsed(node, "a name", read_name));
    let heading = Heading {
        name: name.clone().unwrap_or_default(),
        origin: reader.origin(node),
        comment: fields
            .take(reader, "comment")
            .and_then(|n| reader.comment(n)),
    };
    let document = match kind {
        Kind::Profile => Document::Profile(profile::profile(reader, &mut fields, heading)),
        Kind::Network => Document::Network(network::network(reader, &mut fields, heading)),
        Kind::Port => Document::Port(network::port(reader, &mut fields, heading)),
        Kind::Group => Document::Group(group(reader, &mut fields, heading)),
        Kind::Service => Document::Service(service(reader, &mut fields, heading)),
        Kind::Policy => Document::Policy(policy(reader, &mut fields, heading)),
        Kind::Host => Document::Host(host(reader, &mut fields, heading)),
    };
    let places = fields.finish(reader);
    name?;
    Some(Read {
        document,
        place: reader.place(name_node?),
        places,
        references: std::mem::take(&mut reader.references),
    })
}

/// What every document begins with.
struct Heading {
    name: String,
    origin: crate::origin::Origin,
    comment: Option<String>,
}

fn kind(reader: &mut Reader<'_>, node: &Node) -> Option<Kind> {
    let text = reader.text(node, "a kind of document")?;
    let found = words::look_up(KINDS, text);
    if found.is_none() {
        let finding = Finding::new(reader.place(node), format!("there is no kind `{text}`"))
            .expected(quoted(words::names(KINDS)))
            .maybe_hint(did_you_mean(text, words::names(KINDS)));
        reader.report(finding);
    }
    found
}

fn group(reader: &mut Reader<'_>, fields: &mut Fields<'_>, heading: Heading) -> Group {
    let members = fields.take(reader, "members");
    let select = fields.take(reader, "select");
    Group {
        name: heading.name,
        origin: heading.origin,
        comment: heading.comment,
        members: members.map_or_else(Vec::new, |node| reader.list(node, member)),
        select: select.map_or_else(BTreeMap::new, |node| reader.labels(node)),
    }
}

fn member(reader: &mut Reader<'_>, node: &Node) -> Option<Member> {
    let member = reader.parsed(node, "a member", |text| match line::peers::peer(text) {
        Ok(peer) => Member::try_from(peer).map_err(|()| not_a_member(text)),
        Err(error) => Err(TextError {
            message: error.message.replace("a peer", "a member of a group"),
            expected: if error.expected.is_empty() {
                Vec::new()
            } else {
                member_forms()
            },
            ..error
        }),
    })?;
    match &member {
        Member::Group(name) => reader.refer(Kingdom::Group, name, reader.place(node)),
        Member::Network(name) => reader.refer(Kingdom::Network, name, reader.place(node)),
        Member::Address(_) | Member::Prefix(_) | Member::Range(..) | Member::Vm(_) => {}
    }
    Some(member)
}

fn member_forms() -> Vec<String> {
    let forms = [
        "an address",
        "a prefix",
        "a range",
        "`@GROUP`",
        "`network:NAME`",
        "`vm:NAME`",
    ];
    forms.map(str::to_owned).to_vec()
}

fn not_a_member(text: &str) -> TextError {
    TextError::of(text, format!("`{text}` is not a member of a group")).expected(member_forms())
}

impl TryFrom<crate::rule::Peer> for Member {
    /// The peer is everybody or depends on the port.
    type Error = ();

    fn try_from(peer: crate::rule::Peer) -> Result<Self, ()> {
        use crate::rule::Peer;
        match peer {
            Peer::Address(address) => Ok(Self::Address(address)),
            Peer::Prefix(prefix) => Ok(Self::Prefix(prefix)),
            Peer::Range(first, last) => Ok(Self::Range(first, last)),
            Peer::Group(name) => Ok(Self::Group(name)),
            Peer::Network(name) => Ok(Self::Network(name)),
            Peer::Vm(name) => Ok(Self::Vm(name)),
            Peer::Any | Peer::Variable(_) => Err(()),
        }
    }
}

fn service(reader: &mut Reader<'_>, fields: &mut Fields<'_>, heading: Heading) -> Service {
    let matches = fields.require(reader, "matches");
    Service {
        name: heading.name,
        origin: heading.origin,
        comment: heading.comment,
        matches: matches.map_or_else(Vec::new, |node| reader.list(node, rules::term)),
    }
}

fn policy(reader: &mut Reader<'_>, fields: &mut Fields<'_>, heading: Heading) -> Policy {
    let level = fields
        .require(reader, "level")
        .and_then(|node| level(reader, node));
    let mandatory = fields.take(reader, "mandatory");
    let rules = fields.take(reader, "rules");
    Policy {
        name: heading.name,
        origin: heading.origin,
        comment: heading.comment,
        level: level.unwrap_or_default(),
        mandatory: mandatory.map_or_else(Vec::new, |node| reader.list(node, rules::rule)),
        rules: rules.map_or_else(Vec::new, |node| reader.list(node, rules::rule)),
    }
}

const LEVELS: [&str; 5] = ["pool", "network", "vm", "port", "select"];

fn level(reader: &mut Reader<'_>, node: &Node) -> Option<Level> {
    if let Content::Scalar { text, .. } = &node.content {
        if text == "everything" {
            return Some(Level::Everything);
        }
        let finding = Finding::new(reader.place(node), format!("`{text}` is not a level"))
            .expected(quoted([
                "everything",
                "{pool: NAME}",
                "{network: NAME}",
                "{vm: NAME}",
                "{port: NAME}",
                "{select: {LABEL: VALUE}}",
            ]))
            .maybe_hint(did_you_mean(text, ["everything"]));
        reader.report(finding);
        return None;
    }
    let mut fields = Fields::of(reader, node, "a level")?;
    let mut levels = Vec::new();
    for key in LEVELS {
        let Some(value) = fields.take(reader, key) else {
            continue;
        };
        levels.extend(match key {
            "pool" => reader
                .parsed(value, "a name", names::plain)
                .map(Level::Pool),
            "network" => reader
                .reference(value, Kingdom::Network)
                .map(Level::Network),
            "vm" => reader
                .parsed(value, "a name", names::foreign)
                .map(Level::Vm),
            "port" => reader
                .parsed(value, "a name", names::foreign)
                .map(Level::Port),
            _ => Some(Level::Select(reader.labels(value))),
        });
    }
    let given = fields.finish(reader).len();
    if given != 1 {
        let finding = Finding::new(reader.place(node), "a level has exactly one of its keys")
            .expected(quoted(LEVELS));
        reader.report(finding);
    }
    levels.pop()
}

fn host(reader: &mut Reader<'_>, fields: &mut Fields<'_>, heading: Heading) -> Host {
    let pool = fields.take(reader, "pool");
    let profiles = fields.take(reader, "profiles");
    let bridges = fields.take(reader, "bridges");
    Host {
        name: heading.name,
        origin: heading.origin,
        comment: heading.comment,
        pool: pool.and_then(|node| reader.parsed(node, "a name", names::plain)),
        profiles: profiles.map_or_else(Vec::new, |node| reader.name_list(node, Kingdom::Profile)),
        bridges: bridges.map_or_else(BTreeMap::new, |node| {
            reader.map(node, names::interface, host_bridge)
        }),
    }
}

fn host_bridge(reader: &mut Reader<'_>, node: &Node) -> Option<HostBridge> {
    let mut fields = Fields::of(reader, node, "a mapping")?;
    let uplinks = fields.take(reader, "uplinks").map(|node| {
        reader.list(node, |reader, item| {
            reader.parsed(item, "an interface", names::interface)
        })
    });
    let managed = fields
        .take(reader, "managed")
        .and_then(|node| reader.boolean(node));
    fields.finish(reader);
    Some(HostBridge {
        uplinks: uplinks.into_iter().flatten().collect(),
        managed: managed.unwrap_or_default(),
    })
}
