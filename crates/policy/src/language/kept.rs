//! Sources that were read before, read again at a fraction of the cost. Knows how what was read of
//! a source is kept as bytes; where they are kept, and that name and text of the source are still
//! the same, is for the caller to know.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::diagnostic::{Findings, Place};
use super::documents::Read;
use super::line::Kingdom;
use super::reader::Reference;
use super::{Source, check, read_source};
use crate::catalog::Catalog;
use crate::document::{Document, Port};

/// What [`load_again`] read.
#[derive(Clone, Debug)]
pub struct Reading<'a> {
    pub catalog: Catalog,
    /// For each source what to keep beside its name and text; empty where it is not kept: sources
    /// that hold other documents than ports are few, and are read anew each time.
    pub kept: Vec<Cow<'a, [u8]>>,
}

/// One port with what the checks between documents ask of it. Places are left out: where a check
/// finds something, everything is read anew, for then people want to be shown where.
#[derive(Serialize, Deserialize)]
struct KeptPort<'a> {
    port: Cow<'a, Port>,
    /// Which of [`KEYS`] were given.
    given: [bool; KEYS.len()],
    references: Vec<(Kingdom, Cow<'a, str>)>,
}

/// Keys of a port of which a check asks whether they were given.
const KEYS: [&str; 3] = ["mac", "device", "role"];

/// As [`super::load`], but `kept` may know what was read of a source of the same name and text
/// before. `None` where something is wrong: `load` says what.
///
/// Bytes that this did not make itself are as good as none; bytes that it made of another source are
/// taken for what they say.
pub fn load_again<'a>(
    sources: &[Source],
    kept: impl Fn(&Source) -> Option<&'a [u8]>,
) -> Option<Reading<'a>> {
    let mut findings = Findings::default();
    let mut read = Vec::with_capacity(sources.len());
    let mut keep = Vec::with_capacity(sources.len());
    for (index, source) in sources.iter().enumerate() {
        if let Some(bytes) = kept(source)
            && let Some(known) = unpack(bytes)
        {
            read.extend(known);
            keep.push(Cow::Borrowed(bytes));
            continue;
        }
        let before = read.len();
        let complete = read_source(index, source, &mut findings, &mut read);
        if !complete || !findings.is_empty() {
            return None;
        }
        keep.push(Cow::Owned(pack(read.get(before..).unwrap_or_default())));
    }
    let read = check::unique(read, &mut findings);
    check::references(&read, true, &mut findings);
    check::contradictions(&read, &mut findings);
    if !findings.is_empty() {
        return None;
    }
    let mut catalog = Catalog::default();
    for read in read {
        catalog.insert(read.document);
    }
    Some(Reading {
        catalog,
        kept: keep,
    })
}

/// Empty unless all are ports.
fn pack(read: &[Read]) -> Vec<u8> {
    let ports: Option<Vec<KeptPort<'_>>> = read.iter().map(kept_port).collect();
    let ports = ports.filter(|ports| !ports.is_empty());
    ports
        .and_then(|ports| postcard::to_allocvec(&ports).ok())
        .unwrap_or_default()
}

fn kept_port(read: &Read) -> Option<KeptPort<'_>> {
    let Document::Port(port) = &read.document else {
        return None;
    };
    Some(KeptPort {
        port: Cow::Borrowed(port),
        given: KEYS.map(|key| read.places.contains_key(key)),
        references: read
            .references
            .iter()
            .map(|reference| (reference.kingdom, Cow::Borrowed(reference.name.as_str())))
            .collect(),
    })
}

fn unpack(bytes: &[u8]) -> Option<impl Iterator<Item = Read>> {
    // All of them, and nothing behind.
    let (ports, rest) = postcard::take_from_bytes::<Vec<KeptPort<'_>>>(bytes).ok()?;
    let whole = rest.is_empty() && !ports.is_empty();
    whole.then(|| ports.into_iter().map(read_again))
}

fn read_again(kept: KeptPort<'_>) -> Read {
    let nowhere = Place::default();
    let given = KEYS.into_iter().zip(kept.given);
    let places: BTreeMap<&'static str, Place> = given
        .filter_map(|(key, given)| given.then_some((key, nowhere)))
        .collect();
    Read {
        document: Document::Port(kept.port.into_owned()),
        place: nowhere,
        places,
        references: kept
            .references
            .into_iter()
            .map(|(kingdom, name)| Reference {
                kingdom,
                name: name.into_owned(),
                place: nowhere,
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests;
