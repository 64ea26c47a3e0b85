//! Profiles, and the variables that ports have in common with them.

use std::collections::{BTreeMap, BTreeSet};

use super::Heading;
use super::learn::learn;
use super::rules;
use crate::document::{Limits, Profile};
use crate::language::line::Kingdom;
use crate::language::line::fields::{ethertype, variable_value};
use crate::language::names;
use crate::language::reader::{Fields, Reader};
use crate::language::values;
use crate::language::words::{GUARDS, REJECT, STATEFUL, SWITCH, VERDICTS};
use crate::language::yaml::{Content, Node};
use crate::rule::{FieldValue, Verdict};

pub(super) fn profile(
    reader: &mut Reader<'_>,
    fields: &mut Fields<'_>,
    heading: Heading,
) -> Profile {
    let mut profile = Profile {
        name: heading.name,
        origin: heading.origin,
        comment: heading.comment,
        version: 1,
        ..Profile::default()
    };
    if let Some(node) = fields.take(reader, "version") {
        let version = reader.number(node, u64::from(u32::MAX));
        profile.version = version.and_then(|v| u32::try_from(v).ok()).unwrap_or(1);
    }
    if let Some(node) = fields.take(reader, "include") {
        profile.include = reader.name_list(node, Kingdom::Profile);
    }
    if let Some(node) = fields.take(reader, "stateful") {
        profile.stateful = reader.word(node, "a way to track connections", STATEFUL);
    }
    if let Some(node) = fields.take(reader, "reject") {
        profile.reject = reader.word(node, "a way to reject", REJECT);
    }
    if let Some(node) = fields.take(reader, "guards") {
        let guards = reader.list(node, |reader, item| reader.word(item, "a guard", GUARDS));
        profile.guards = guards.into_iter().collect();
    }
    if let Some(node) = fields.take(reader, "default") {
        (profile.default_in, profile.default_out) = defaults(reader, node);
    }
    if let Some(node) = fields.take(reader, "rules") {
        profile.rules = reader.list(node, rules::rule);
    }
    if let Some(node) = fields.take(reader, "limits") {
        profile.limits = limits(reader, node);
    }
    if let Some(node) = fields.take(reader, "variables") {
        profile.variables = variables(reader, node);
    }
    if let Some(node) = fields.take(reader, "audit") {
        profile.audit = reader.boolean(node).unwrap_or_default();
    }
    if let Some(node) = fields.take(reader, "dhcp") {
        profile.dhcp = switch(reader, node);
    }
    if let Some(node) = fields.take(reader, "learn") {
        profile.learn = learn(reader, node);
    }
    if let Some(node) = fields.take(reader, "tagged") {
        profile.tagged = reader.list(node, |reader, item| {
            reader.parsed(item, "a VLAN id or a range of them", values::vlans)
        });
    }
    if let Some(node) = fields.take(reader, "ethertypes") {
        let types: Vec<u16> = reader.list(node, |reader, item| {
            reader.parsed(item, "an ethertype", ethertype)
        });
        profile.ethertypes = types.into_iter().collect::<BTreeSet<u16>>();
    }
    profile
}

fn defaults(reader: &mut Reader<'_>, node: &Node) -> (Option<Verdict>, Option<Verdict>) {
    let Some(mut fields) = Fields::of(reader, node, "{in: VERDICT, out: VERDICT}") else {
        return (None, None);
    };
    let inward = fields
        .take(reader, "in")
        .and_then(|n| reader.word(n, "a verdict", VERDICTS));
    let outward = fields
        .take(reader, "out")
        .and_then(|n| reader.word(n, "a verdict", VERDICTS));
    fields.finish(reader);
    (inward, outward)
}

fn limits(reader: &mut Reader<'_>, node: &Node) -> Limits {
    let mut limits = Limits::default();
    let Some(mut fields) = Fields::of(reader, node, "a mapping of rates") else {
        return limits;
    };
    let mut rate = |reader: &mut Reader<'_>, key| {
        let node = fields.take(reader, key)?;
        reader.parsed(node, "a rate", values::rate)
    };
    limits.inward = rate(reader, "in");
    limits.outward = rate(reader, "out");
    limits.in_broadcast = rate(reader, "in-broadcast");
    limits.out_broadcast = rate(reader, "out-broadcast");
    fields.finish(reader);
    limits
}

/// `on` and `off`, and what programs make of these words.
fn switch(reader: &mut Reader<'_>, node: &Node) -> Option<bool> {
    match &node.content {
        Content::Scalar { text, .. } if text == "true" => Some(true),
        Content::Scalar { text, .. } if text == "false" => Some(false),
        _ => reader.word(node, "`on` or `off`", SWITCH),
    }
}

/// `NAME: value` or `NAME: [value, …]`
pub(super) fn variables(reader: &mut Reader<'_>, node: &Node) -> BTreeMap<String, Vec<FieldValue>> {
    reader.map(node, names::variable, |reader, value| {
        match &value.content {
            Content::Sequence(_) => Some(reader.list(value, variable)),
            _ => variable(reader, value).map(|value| vec![value]),
        }
    })
}

fn variable(reader: &mut Reader<'_>, node: &Node) -> Option<FieldValue> {
    reader.parsed(node, "a value", variable_value)
}
