//! Sources that were read before, read again at a fraction of the cost. Knows how what was read of
//! a source is kept as bytes; where they are kept, and that name and text of the source are still
//! the same, is for the caller to know.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashSet};

use frame::MacAddress;
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
    #[serde(borrow)]
    references: Vec<(Kingdom, &'a str)>,
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

/// The catalog of sources that [`load_again`] found nothing wrong with: nothing is checked once
/// more. Each source comes with what was kept of it, which may be nothing.
pub fn restore<'a>(sources: impl Iterator<Item = (&'a str, &'a str, &'a [u8])>) -> Option<Catalog> {
    let mut catalog = Catalog::default();
    for (name, text, kept) in sources {
        if !kept.is_empty() {
            for known in unpack_ports(kept)? {
                let port = known.port.into_owned();
                catalog.ports.insert(port.name.clone(), port);
            }
            continue;
        }
        let mut findings = Findings::default();
        let mut read = Vec::new();
        let source = Source::new(name, text);
        if !read_source(0, &source, &mut findings, &mut read) || !findings.is_empty() {
            return None;
        }
        for read in read {
            catalog.insert(read.document);
        }
    }
    Some(catalog)
}

/// The names of the ports in a source of which this was kept.
pub fn kept_names(kept: &[u8]) -> Option<Vec<String>> {
    Some(
        unpack_ports(kept)?
            .map(|known| known.port.into_owned().name)
            .collect(),
    )
}

/// What a source adds to a catalog.
#[derive(Clone, Debug)]
pub struct Addition {
    pub ports: Vec<Port>,
    /// As in [`Reading::kept`].
    pub kept: Vec<u8>,
}

/// Reads sources that add ports, and nothing but ports, to a catalog that was checked. `None` where they
/// hold anything else, or where a check may find something: [`load_again`] of all sources knows.
pub fn additions<'a>(
    catalog: &Catalog,
    sources: impl Iterator<Item = &'a Source>,
) -> Option<Vec<Addition>> {
    let mut findings = Findings::default();
    let mut added = Vec::new();
    let mut newcomers = Newcomers::default();
    for source in sources {
        let mut read = Vec::new();
        let complete = read_source(0, source, &mut findings, &mut read);
        if !complete || !findings.is_empty() {
            return None;
        }
        for read in &read {
            newcomers.admit(catalog, read)?;
        }
        let kept = pack(&read);
        let ports = read.into_iter().filter_map(|read| match read.document {
            Document::Port(port) => Some(port),
            _ => None,
        });
        added.push(Addition {
            ports: ports.collect(),
            kept,
        });
    }
    let meets = |port: &Port| newcomers.meet(port);
    (!catalog.ports.values().any(meets)).then_some(added)
}

/// What no two ports may have in common, of those that are added.
#[derive(Default)]
struct Newcomers {
    names: HashSet<String>,
    devices: HashSet<String>,
    macs: BTreeSet<(MacAddress, String)>,
}

impl Newcomers {
    /// Stricter than the checks between documents (a device may be there once on each host): whoever
    /// is not admitted here is judged by them.
    fn admit(&mut self, catalog: &Catalog, read: &Read) -> Option<()> {
        let Document::Port(port) = &read.document else {
            return None;
        };
        let exists = |reference: &Reference| match reference.kingdom {
            Kingdom::Profile => catalog.profiles.contains_key(&reference.name),
            Kingdom::Group => catalog.groups.contains_key(&reference.name),
            Kingdom::Network => catalog.networks.contains_key(&reference.name),
            Kingdom::Service => catalog.service(&reference.name).is_some(),
        };
        let alone = self.names.insert(port.name.clone())
            && port
                .device
                .as_ref()
                .is_none_or(|device| self.devices.insert(device.clone()))
            && (!read.places.contains_key("mac")
                || self.macs.insert((port.mac, port.network.clone())));
        (alone && !read.places.contains_key("role") && read.references.iter().all(exists))
            .then_some(())
    }

    /// Whether a port that is there has something of theirs.
    fn meet(&self, port: &Port) -> bool {
        let device = port.device.as_ref();
        // The MAC alone, mostly: a set of two has no search by one.
        let mac = || {
            self.macs
                .range((port.mac, String::new())..)
                .take_while(|(mac, _)| *mac == port.mac)
                .any(|(_, network)| *network == port.network)
        };
        self.names.contains(&port.name)
            || device.is_some_and(|device| self.devices.contains(device))
            || mac()
    }
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
            .map(|reference| (reference.kingdom, reference.name.as_str()))
            .collect(),
    })
}

fn unpack(bytes: &[u8]) -> Option<impl Iterator<Item = Read>> {
    Some(unpack_ports(bytes)?.map(read_again))
}

fn unpack_ports(bytes: &[u8]) -> Option<impl Iterator<Item = KeptPort<'_>>> {
    // All of them, and nothing behind.
    let (ports, rest) = postcard::take_from_bytes::<Vec<KeptPort<'_>>>(bytes).ok()?;
    let whole = rest.is_empty() && !ports.is_empty();
    whole.then(|| ports.into_iter())
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
                name: name.to_owned(),
                place: nowhere,
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests;
