//! What a table that was read back says of itself, without documents: its ports, managed bridges and
//! the rules behind its counters. Knows our names and comments; judges nothing.

use std::collections::{BTreeMap, BTreeSet};

use nftables::{ElementData, Expression, ObjectKind, TableContents};

use crate::lower::names;

/// A port as the table knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstalledPort {
    /// From the comment of its element.
    pub name: String,
    pub ifindex: u32,
    /// Name of its behaviour, from the chain that frames towards it go to.
    pub behaviour: Option<String>,
}

/// The ports that the table enforces, by interface index.
pub fn ports(contents: &TableContents) -> BTreeMap<u32, InstalledPort> {
    let mut ports = BTreeMap::new();
    for element in contents
        .set(names::PORTS)
        .iter()
        .flat_map(|set| &set.elements)
    {
        let (Some(ifindex), Some(name)) = (index(&element.key), element.userdata.as_comment())
        else {
            continue;
        };
        let port = InstalledPort {
            name: name.to_owned(),
            ifindex,
            behaviour: None,
        };
        ports.insert(ifindex, port);
    }
    for element in contents.set(names::IN).iter().flat_map(|set| &set.elements) {
        let Some(port) = index(&element.key).and_then(|ifindex| ports.get_mut(&ifindex)) else {
            continue;
        };
        if let Some(ElementData::Verdict(verdict)) = &element.data {
            let behaviour = verdict.target().and_then(|chain| chain.strip_suffix("-in"));
            port.behaviour = behaviour.map(str::to_owned);
        }
    }
    ports
}

/// Names of the bridges on which an unknown interface passes nothing; `None` where the table tells
/// bridges by their interfaces, because the kernel does not say a frame's bridge.
pub fn managed_bridges(contents: &TableContents) -> Option<BTreeSet<String>> {
    if contents.set(names::UNMANAGED).is_some() {
        return None;
    }
    let name = |key: &Vec<u8>| {
        let end = key.iter().position(|byte| *byte == 0).unwrap_or(key.len());
        String::from_utf8_lossy(key.get(..end).unwrap_or_default()).into_owned()
    };
    let elements = contents
        .set(names::MANAGED)
        .into_iter()
        .flat_map(|set| &set.elements);
    Some(elements.map(|element| name(&element.key)).collect())
}

/// Interfaces that lead to the outside.
pub fn uplinks(contents: &TableContents) -> BTreeSet<u32> {
    indices(contents, names::UPLINKS)
}

/// Interfaces of bridges that are not managed, where the table tells them apart by these.
pub fn unmanaged(contents: &TableContents) -> BTreeSet<u32> {
    indices(contents, names::UNMANAGED)
}

/// By counter: the text and origin of the rule behind it, as its comment has them.
pub fn rule_texts(contents: &TableContents) -> BTreeMap<String, String> {
    let mut texts = BTreeMap::new();
    for rule in &contents.rules {
        let Some(comment) = rule.value.userdata.as_comment() else {
            continue;
        };
        for expression in &rule.value.expressions {
            if let Expression::Object { kind, name } = expression
                && *kind == ObjectKind::COUNTER
            {
                texts.insert(name.clone(), comment.to_owned());
            }
        }
    }
    texts
}

fn indices(contents: &TableContents, set: &str) -> BTreeSet<u32> {
    let elements = contents.set(set).into_iter().flat_map(|set| &set.elements);
    elements.filter_map(|element| index(&element.key)).collect()
}

fn index(key: &[u8]) -> Option<u32> {
    key.try_into().ok().map(u32::from_ne_bytes)
}
