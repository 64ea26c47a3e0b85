//! The other side of a rule: addresses, groups, networks, machines, variables.

use super::Kingdom;
use crate::language::names;
use crate::language::values::{Addresses, TextError};
use crate::rule::Peer;

/// Reads a peer without quotes around its names.
pub(in crate::language) fn peer(text: &str) -> Result<Peer, TextError> {
    let named = |name: &str, read: fn(&str) -> Result<String, TextError>| {
        let base = text.len().saturating_sub(name.len());
        read(name).map_err(|e| e.shift(base))
    };
    if text == "any" {
        return Ok(Peer::Any);
    }
    if let Some(name) = text.strip_prefix('@') {
        return named(name, names::plain).map(Peer::Group);
    }
    if let Some(name) = text.strip_prefix('$') {
        return named(name, names::variable).map(Peer::Variable);
    }
    if let Some(name) = text.strip_prefix("network:") {
        return named(name, names::plain).map(Peer::Network);
    }
    if let Some(name) = text.strip_prefix("vm:") {
        return named(name, names::foreign).map(Peer::Vm);
    }
    if looks_like_address(text) {
        return Addresses::parse(text).map(|addresses| match addresses {
            Addresses::One(address) => Peer::Address(address),
            Addresses::Prefix(prefix) => Peer::Prefix(prefix),
            Addresses::Range(first, last) => Peer::Range(first, last),
        });
    }
    let error = TextError::of(text, format!("`{text}` is not a peer")).expected([
        "an address",
        "a prefix",
        "a range",
        "`@GROUP`",
        "`network:NAME`",
        "`vm:NAME`",
        "`any`",
        "`$VARIABLE`",
    ]);
    Err(if names::plain(text).is_ok() {
        error.hint(format!(
            "a group is written `@{text}`, a machine `vm:{text}`"
        ))
    } else {
        error
    })
}

fn looks_like_address(text: &str) -> bool {
    let digits = text.split('%').next().unwrap_or("");
    let fits = |c: char| c.is_ascii_hexdigit() || ":./-".contains(c);
    text.starts_with(|c: char| c.is_ascii_digit())
        || text.starts_with(':')
        || (digits.contains(':') && digits.chars().all(fits))
}

/// What must exist for this peer, if anything.
pub(in crate::language) fn requires(peer: &Peer) -> Option<(Kingdom, &str)> {
    match peer {
        Peer::Group(name) => Some((Kingdom::Group, name)),
        Peer::Network(name) => Some((Kingdom::Network, name)),
        // Machines come from the inventory: their names may be unknown here.
        Peer::Vm(_)
        | Peer::Any
        | Peer::Address(_)
        | Peer::Prefix(_)
        | Peer::Range(..)
        | Peer::Variable(_) => None,
    }
}
