//! A filter with all that it refers to, as libvirt puts it together: rules with the variables of their
//! place in the tree, in the order of the root chain and of each chain.
//! Knows references, priorities and scopes; values of variables are left to `bind`.

use std::collections::BTreeMap;

use policy::origin::Origin;

use super::Refusal;
use super::filter::{Entry, Filter, FilterRule, Parameters};

/// Filters by name.
#[derive(Clone, Debug, Default)]
pub struct Filters {
    filters: BTreeMap<String, Filter>,
}

impl Filters {
    /// Adds a filter; gives back the one of the same name that it replaced.
    pub fn insert(&mut self, filter: Filter) -> Option<Filter> {
        self.filters.insert(filter.name.clone(), filter)
    }

    pub fn get(&self, name: &str) -> Option<&Filter> {
        self.filters.get(name)
    }

    /// Names, in their order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.filters.keys().map(String::as_str)
    }
}

/// A rule at its place.
#[derive(Clone, Debug)]
pub(super) struct Placed<'a> {
    pub(super) rule: &'a FilterRule,
    pub(super) filter: &'a Filter,
    /// What the references that lead here set.
    pub(super) scope: Parameters,
}

impl Placed<'_> {
    pub(super) fn in_root(&self) -> bool {
        self.filter.chain == "root"
    }
}

/// More rules than anybody writes: what refers to a filter twice doubles it.
const MOST_RULES: usize = 10_000;

/// All rules of the tree below `root`: those of the root chain first, then those of chains, each by
/// priority; rules of one priority in the order of the tree.
pub(super) fn gather<'a>(
    filters: &'a Filters,
    root: &str,
) -> Result<Vec<Placed<'a>>, Vec<Refusal>> {
    let mut walk = Walk {
        filters,
        path: Vec::new(),
        rules: Vec::new(),
        refusals: Vec::new(),
    };
    walk.filter(root, &Parameters::new(), &Origin::default());
    if !walk.refusals.is_empty() {
        return Err(walk.refusals);
    }
    let mut rules = walk.rules;
    rules.sort_by_key(|placed| (!placed.in_root(), placed.rule.priority));
    Ok(rules)
}

struct Walk<'a> {
    filters: &'a Filters,
    path: Vec<&'a str>,
    rules: Vec<Placed<'a>>,
    refusals: Vec<Refusal>,
}

impl<'a> Walk<'a> {
    fn filter(&mut self, name: &str, scope: &Parameters, origin: &Origin) {
        let Some(filter) = self.filters.get(name) else {
            let known = self.filters.names();
            let hint = policy::language::closest(name, known)
                .map(|name| format!(": did you mean `{name}`?"))
                .unwrap_or_default();
            self.refuse(origin, format!("there is no filter `{name}`{hint}"));
            return;
        };
        if let Some(first) = self.path.iter().position(|one| *one == name) {
            let circle = self.path.get(first..).unwrap_or_default().join(" → ");
            self.refuse(
                origin,
                format!("filters refer to each other in a circle: {circle} → {name}"),
            );
            return;
        }
        self.path.push(&filter.name);
        for entry in &filter.entries {
            if self.rules.len() >= MOST_RULES {
                self.refuse(origin, format!("more than {MOST_RULES} rules"));
                break;
            }
            match entry {
                Entry::Rule(rule) => self.rules.push(Placed {
                    rule,
                    filter,
                    scope: scope.clone(),
                }),
                Entry::Reference(reference) => {
                    // What comes from further out wins.
                    let mut inner = reference.parameters.clone();
                    inner.extend(
                        scope
                            .iter()
                            .map(|(name, list)| (name.clone(), list.clone())),
                    );
                    self.filter(&reference.filter, &inner, &reference.origin);
                }
            }
        }
        self.path.pop();
    }

    fn refuse(&mut self, origin: &Origin, reason: String) {
        let refusal = Refusal {
            reason,
            origin: origin.clone(),
        };
        if !self.refusals.contains(&refusal) {
            self.refusals.push(refusal);
        }
    }
}
