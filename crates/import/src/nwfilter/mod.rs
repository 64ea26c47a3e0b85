//! libvirt's network filters as moat profiles: reads their XML strictly, puts a tree of filters together
//! as libvirt does, and says the same in the policy language, or why that cannot be said.
//!
//! A tree becomes one profile. libvirt has two layers that both must accept (ebtables for frames,
//! iptables for packets), chains that are jumped to and returned from, and priorities between all of
//! them; moat has one list in which the first match decides. Where the two differ on purpose, and who is
//! right, is told in `docs/nwfilter.md`. Which files there are, and asking libvirt, is left to callers.

mod attributes;
mod bind;
mod conjunction;
mod documents;
pub mod filter;
mod flatten;
mod notes;
mod parse;
mod translate;
mod tree;
mod values;

use std::collections::BTreeSet;
use std::fmt;

use policy::document::Document;
use policy::origin::Origin;
use policy::program::Direction;
use thiserror::Error;

pub use filter::{Filter, Parameters};
pub use parse::parse;
pub use tree::Filters;
pub use values::parameter_value;

use bind::Bindings;
use documents::{List, Lists};
use flatten::{Bound, flatten};
use translate::Tagging;

/// A filter as documents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Converted {
    /// The profile, and what it needs.
    pub documents: Vec<Document>,
    /// The profile's name: `nwfilter/NAME`; with a hash of the parameters that went into its rules,
    /// where values themselves had to.
    pub profile: String,
    /// Variables that a port must define besides `$MAC`; `$IP` and `$IPV6` every port has.
    pub variables: BTreeSet<String>,
    pub notes: Vec<Note>,
}

/// What a person should know of a conversion.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Note {
    pub text: String,
    pub origin: Origin,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        placed(f, &self.origin, &self.text)
    }
}

/// Why a filter cannot be converted: one reason of perhaps several.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub struct Refusal {
    pub reason: String,
    pub origin: Origin,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        placed(f, &self.origin, &self.reason)
    }
}

fn placed(f: &mut fmt::Formatter<'_>, origin: &Origin, text: &str) -> fmt::Result {
    if origin.source.is_empty() {
        f.write_str(text)
    } else {
        write!(f, "{origin}: {text}")
    }
}

/// Converts the filter `root` with all that it refers to.
///
/// `parameters` are what a `<filterref>` to it sets, where that is known. They are needed where a
/// variable cannot stay one (`$NAME[2]`, two lists that are walked side by side, masks); all others
/// become variables of the port, so that ports with other values share the profile.
///
/// # Errors
/// All that cannot be expressed, each with its place and reason.
pub fn convert(
    filters: &Filters,
    root: &str,
    parameters: Option<&Parameters>,
) -> Result<Converted, Vec<Refusal>> {
    let rules = tree::gather(filters, root)?;
    let mut bindings = Bindings::default();
    let mut refusals = Vec::new();
    let mut bound = Vec::new();
    for placed in &rules {
        match bind::bind(placed, parameters, &mut bindings) {
            Ok(rules) => bound.extend(rules.into_iter().map(|rule| Bound {
                rule,
                chain: placed.filter.chain.clone(),
                chain_priority: placed.filter.priority,
            })),
            Err(refusal) => refusals.push(refusal),
        }
    }
    let mut list = |direction| {
        let mut tagging = |tagging| {
            flatten(&bound, direction, tagging).unwrap_or_else(|found| {
                refusals.extend(found);
                Vec::new()
            })
        };
        List {
            untagged: tagging(Tagging::Untagged),
            tagged: tagging(Tagging::Tagged),
        }
    };
    let lists = Lists {
        outward: list(Direction::Out),
        inward: list(Direction::In),
    };
    let name = profile_name(root, &bindings.used).unwrap_or_else(|refusal| {
        refusals.push(refusal);
        String::new()
    });
    if !refusals.is_empty() {
        // Directions and tags find the same fault again.
        let mut once: Vec<Refusal> = Vec::new();
        for refusal in refusals {
            if !once.contains(&refusal) {
                once.push(refusal);
            }
        }
        return Err(once);
    }
    let origin = filters.get(root).map(|filter| filter.origin.clone());
    let profile = documents::profile(name.clone(), root, &origin.unwrap_or_default(), lists);
    // What no frame comes to needs no value.
    bindings.variables = documents::variables(&profile);
    let notes = notes::notes(&rules, &bindings, &profile);
    Ok(Converted {
        documents: vec![Document::Profile(profile)],
        profile: name,
        variables: bindings.variables,
        notes,
    })
}

/// Names of profiles are letters, digits and `_-.:/+`, at most 128.
fn profile_name(filter: &str, used: &Parameters) -> Result<String, Refusal> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_-.:/+".contains(c);
    let mut name = format!("nwfilter/{filter}");
    if !used.is_empty() {
        name.push_str(&format!("/{:08x}", hash(used)));
    }
    if filter.chars().all(fits) && name.len() <= 128 {
        return Ok(name);
    }
    Err(Refusal {
        reason: format!(
            "`{name}` is no name of a profile: letters, digits and `_-.:/+`, at most 128"
        ),
        origin: Origin::default(),
    })
}

/// FNV-1a: parameters of ports are told apart, not defended against anybody.
fn hash(parameters: &Parameters) -> u32 {
    let mut state = 0x811c_9dc5_u32;
    let mut eat = |text: &str| {
        for byte in text.bytes().chain([0]) {
            state = (state ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        }
    };
    for (name, values) in parameters {
        eat(name);
        values.iter().for_each(|value| eat(value));
        eat("");
    }
    state
}

#[cfg(test)]
mod tests;
