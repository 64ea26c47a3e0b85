//! Variables of a rule: left to the port where moat's lists mean the same, else one rule for each
//! combination of values, as libvirt makes them. Knows lists and iterators; nothing of frames.

use std::collections::{BTreeMap, BTreeSet};

use super::Refusal;
use super::attributes::{Kind, companion};
use super::filter::{Access, Attribute, FilterRule, Parameters, Value};
use super::tree::Placed;
use super::values;

/// What binding found out besides rules.
#[derive(Debug, Default)]
pub(super) struct Bindings {
    /// Variables that stay variables: the port must define them.
    pub(super) variables: BTreeSet<String>,
    /// Parameters whose values went into the rules.
    pub(super) used: Parameters,
    /// Variables that a rule negates, of which only one value is sure to mean the same.
    pub(super) negated: BTreeSet<String>,
}

/// The rule once for each combination of values that it needs.
pub(super) fn bind(
    placed: &Placed<'_>,
    parameters: Option<&Parameters>,
    bindings: &mut Bindings,
) -> Result<Vec<FilterRule>, Refusal> {
    let rule = placed.rule;
    let uses: Vec<Use<'_>> = rule.attributes.iter().filter_map(Use::of).collect();
    // The MAC is always one, and always the port's.
    let free: Vec<&Use<'_>> = uses.iter().filter(|one| one.name != "MAC").collect();
    let known = |name: &str| {
        let given = parameters.and_then(|parameters| parameters.get(name));
        given.or_else(|| placed.scope.get(name))
    };
    let constant = |name: &str| {
        placed.scope.contains_key(name)
            && !parameters.is_some_and(|parameters| parameters.contains_key(name))
    };
    let many = |name: &str| known(name).is_none_or(|list| list.len() > 1);
    if let Some(one) = uses
        .iter()
        .find(|one| one.name == "MAC" && rigid(rule, one.attribute))
    {
        let reason = format!("`{}` would be computed from $MAC", one.attribute.name);
        return Err(refusal(one.attribute, reason));
    }
    let parallel = free.iter().any(|one| {
        matches!(one.access, Access::Iterator(_))
            && many(one.name)
            && free
                .iter()
                .filter(|other| other.access == one.access)
                .count()
                > 1
    });
    let expand = parallel
        || free.iter().any(|one| {
            matches!(one.access, Access::Element(_))
                || rigid(rule, one.attribute)
                || constant(one.name)
                || starts_with_digit(one.name)
                || (one.attribute.negated && known(one.name).is_some_and(|list| list.len() > 1))
        });
    if !expand || free.is_empty() {
        for one in &free {
            bindings.variables.insert(one.name.to_owned());
            if one.attribute.negated && known(one.name).is_none() {
                bindings.negated.insert(one.name.to_owned());
            }
        }
        return Ok(vec![rule.clone()]);
    }
    let mut lists = BTreeMap::new();
    for one in &free {
        let Some(list) = known(one.name) else {
            let why = if parallel {
                "its lists are walked side by side"
            } else {
                "a condition is computed from it"
            };
            let reason = format!(
                "${} must be known here, for {why}: give its values",
                one.name
            );
            return Err(refusal(one.attribute, reason));
        };
        lists.insert(one.name, list.as_slice());
        if !constant(one.name) {
            bindings.used.insert(one.name.to_owned(), list.clone());
        }
    }
    expanded(rule, &free, &lists)
}

struct Use<'a> {
    attribute: &'a Attribute,
    name: &'a str,
    access: Access,
}

impl<'a> Use<'a> {
    fn of(attribute: &'a Attribute) -> Option<Self> {
        match &attribute.value {
            Value::Variable { name, access } => Some(Self {
                attribute,
                name,
                access: *access,
            }),
            _ => None,
        }
    }
}

/// Whether moat needs the value itself, not the name of a variable.
fn rigid(rule: &FilterRule, attribute: &Attribute) -> bool {
    let partner = companion(attribute.name).is_some_and(|name| rule.attribute(name).is_some());
    let is_partner = super::attributes::COMPANIONS
        .iter()
        .any(|(name, _)| *name == attribute.name);
    let kind = kind_of(rule, attribute);
    let simple = matches!(
        kind,
        Some(Kind::Number(..) | Kind::Mac | Kind::Ipv4 | Kind::Ipv6)
    );
    // A protocol's number says which other conditions make sense.
    let decides = matches!(attribute.name, "protocol" | "protocolid" | "encap-protocol");
    partner || is_partner || !simple || decides
}

fn kind_of(rule: &FilterRule, attribute: &Attribute) -> Option<Kind> {
    let known = rule.protocol?.attributes();
    known
        .into_iter()
        .find(|(name, _)| *name == attribute.name)
        .map(|(_, kind)| kind)
}

fn starts_with_digit(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_digit())
}

fn expanded(
    rule: &FilterRule,
    uses: &[&Use<'_>],
    lists: &BTreeMap<&str, &[String]>,
) -> Result<Vec<FilterRule>, Refusal> {
    const MOST: usize = 1000;
    let mut lengths: BTreeMap<u32, usize> = BTreeMap::new();
    for one in uses {
        let Access::Iterator(iterator) = one.access else {
            continue;
        };
        let length = lists.get(one.name).map_or(0, |list| list.len());
        let first = *lengths.entry(iterator).or_insert(length);
        if first != length {
            let reason = format!(
                "${} has {length} values, another variable of the same iterator {first}: they are \
                 walked side by side",
                one.name
            );
            return Err(refusal(one.attribute, reason));
        }
    }
    let mut rules: Vec<FilterRule> = Vec::new();
    let mut positions: Vec<BTreeMap<u32, usize>> = vec![BTreeMap::new()];
    for (iterator, length) in lengths {
        positions = positions
            .iter()
            .flat_map(|position| {
                (0..length).map(move |index| {
                    let mut position = position.clone();
                    position.insert(iterator, index);
                    position
                })
            })
            .take(MOST)
            .collect();
    }
    for position in &positions {
        let mut bound = rule.clone();
        for one in uses {
            let index = match one.access {
                Access::Element(index) => usize::try_from(index).unwrap_or(usize::MAX),
                Access::Iterator(iterator) => position.get(&iterator).copied().unwrap_or(0),
            };
            let list = lists.get(one.name).copied().unwrap_or_default();
            let Some(text) = list.get(index) else {
                let reason = format!("${} has no element {index}", one.name);
                return Err(refusal(one.attribute, reason));
            };
            let kind = kind_of(rule, one.attribute);
            let parsed = kind.map(|kind| values::literal(text, kind));
            let value = match parsed {
                Some(Ok(value)) => value,
                Some(Err(expected)) => {
                    let name = one.attribute.name;
                    let reason =
                        format!("${} is `{text}`, where `{name}` wants {expected}", one.name);
                    return Err(refusal(one.attribute, reason));
                }
                None => continue,
            };
            let slot = bound
                .attributes
                .iter_mut()
                .find(|a| a.name == one.attribute.name);
            if let Some(slot) = slot {
                slot.value = value;
            }
        }
        if !rules.contains(&bound) {
            rules.push(bound);
        }
    }
    Ok(rules)
}

fn refusal(attribute: &Attribute, reason: String) -> Refusal {
    Refusal {
        reason,
        origin: attribute.origin.clone(),
    }
}
