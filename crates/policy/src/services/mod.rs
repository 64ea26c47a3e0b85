//! Built-in services: names for protocols and ports that everybody knows. Knows the table; services
//! that a declaration adds are in its catalog.

mod table;

#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use crate::language;
use crate::rule::Term;

/// A service that needs no document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuiltinService {
    pub name: &'static str,
    /// Protocols and ports only, no other services.
    pub terms: Vec<Term>,
    /// One line for people.
    pub description: &'static str,
}

static BUILTIN: LazyLock<Vec<BuiltinService>> = LazyLock::new(|| {
    let read = |(name, terms, description): &(&'static str, &'static str, &'static str)| {
        // A test reads every row: none is empty.
        let terms = language::terms(terms).unwrap_or_default();
        BuiltinService {
            name,
            terms,
            description,
        }
    };
    table::SERVICES.iter().map(read).collect()
});

/// All of them, sorted by name.
pub fn builtin() -> &'static [BuiltinService] {
    &BUILTIN
}

/// The one of this name.
pub fn lookup(name: &str) -> Option<&'static BuiltinService> {
    let services = builtin();
    let index = services
        .binary_search_by(|service| service.name.cmp(name))
        .ok()?;
    services.get(index)
}
