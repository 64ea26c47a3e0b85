//! A set or map prepared for lookups: by whole key, by interval, or by a range for each part of the key. Knows how
//! each kind of kernel set compares; leaves to the evaluation what a hit means.

use std::collections::HashMap;

use nftables::{Element, Set};

#[derive(Debug)]
pub(super) struct SetIndex<'a> {
    pub(super) set: &'a Set,
    kind: Kind<'a>,
    catch_all: Option<&'a Element>,
    /// Some element's key is not as long as the set says: no kernel accepts it.
    malformed: bool,
}

#[derive(Debug)]
enum Kind<'a> {
    Exact(HashMap<&'a [u8], &'a Element>),
    /// Sorted by key; where one interval ends at the key where the next begins, the end comes first.
    Intervals(Vec<&'a Element>),
    Parts(Parts<'a>),
}

/// Concatenated ranges. Most have one value in their first part: those are found by it.
#[derive(Debug)]
struct Parts<'a> {
    lengths: Vec<usize>,
    by_first: HashMap<&'a [u8], Vec<&'a Element>>,
    other: Vec<&'a Element>,
}

/// Why a lookup has no certain answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum LookupError {
    #[error(
        "several elements that overlap match, and which one the kernel finds is its own affair"
    )]
    Ambiguous,
    #[error("an element's key is not as long as the set's keys")]
    Malformed,
}

impl<'a> SetIndex<'a> {
    pub(super) fn new(set: &'a Set, elements: impl IntoIterator<Item = &'a Element>) -> Self {
        let mut catch_all = None;
        let mut keyed = Vec::new();
        for element in elements {
            if element.catch_all {
                catch_all = Some(element);
            } else {
                keyed.push(element);
            }
        }
        let length = usize::try_from(set.key.length).unwrap_or(usize::MAX);
        let wrong = |key: &[u8]| key.len() != length;
        let malformed = keyed
            .iter()
            .any(|element| wrong(&element.key) || element.key_end.as_deref().is_some_and(wrong));
        let kind = if !set.flags.interval {
            Kind::Exact(
                keyed
                    .into_iter()
                    .map(|element| (element.key.as_slice(), element))
                    .collect(),
            )
        } else if set.key.fields.is_empty() {
            keyed.sort_by(|one, other| {
                let order = one.key.cmp(&other.key);
                order.then(other.interval_end.cmp(&one.interval_end))
            });
            Kind::Intervals(keyed)
        } else {
            Kind::Parts(Parts::new(set, keyed))
        };
        Self {
            set,
            kind,
            catch_all,
            malformed,
        }
    }

    pub(super) fn key_length(&self) -> usize {
        usize::try_from(self.set.key.length).unwrap_or(usize::MAX)
    }

    pub(super) fn has_catch_all(&self) -> bool {
        self.catch_all.is_some()
    }

    /// The element for a key, the catch-all element included.
    pub(super) fn lookup(&self, key: &[u8]) -> Result<Option<&'a Element>, LookupError> {
        if self.malformed {
            return Err(LookupError::Malformed);
        }
        let found = match &self.kind {
            Kind::Exact(elements) => elements.get(key).copied(),
            Kind::Intervals(elements) => last_not_above(elements, key),
            Kind::Parts(parts) => parts.lookup(key)?,
        };
        Ok(found.or(self.catch_all))
    }
}

/// `nft_rbtree_lookup`: the greatest boundary not above the key decides, by being a start or an end.
fn last_not_above<'a>(elements: &[&'a Element], key: &[u8]) -> Option<&'a Element> {
    let behind = elements.partition_point(|element| element.key.as_slice() <= key);
    let element = elements.get(behind.checked_sub(1)?)?;
    (!element.interval_end).then_some(element)
}

impl<'a> Parts<'a> {
    fn new(set: &Set, elements: Vec<&'a Element>) -> Self {
        let lengths: Vec<usize> = set
            .key
            .fields
            .iter()
            .map(|length| usize::try_from(*length).unwrap_or(usize::MAX))
            .collect();
        let first = lengths.first().copied().unwrap_or_default();
        let mut parts = Self {
            lengths,
            by_first: HashMap::new(),
            other: Vec::new(),
        };
        for element in elements {
            let from = element.key.get(..first).unwrap_or_default();
            let to = last_key(element).get(..first).unwrap_or_default();
            if from == to {
                parts.by_first.entry(from).or_default().push(element);
            } else {
                parts.other.push(element);
            }
        }
        parts
    }

    fn lookup(&self, key: &[u8]) -> Result<Option<&'a Element>, LookupError> {
        let first = self.lengths.first().copied().unwrap_or_default();
        let exact = key.get(..first).and_then(|part| self.by_first.get(part));
        let mut matches = exact
            .into_iter()
            .flatten()
            .chain(&self.other)
            .filter(|element| self.contains(element, key));
        let Some(found) = matches.next() else {
            return Ok(None);
        };
        // The kernel refuses most overlaps, but not two ranges that cross in different parts.
        let same =
            |other: &&Element| other.data == found.data && other.expressions == found.expressions;
        if matches.all(same) {
            Ok(Some(found))
        } else {
            Err(LookupError::Ambiguous)
        }
    }

    /// Each part for itself; `nft_set_pipapo` never looks at the padding between.
    fn contains(&self, element: &Element, key: &[u8]) -> bool {
        let mut offset = 0_usize;
        self.lengths.iter().all(|length| {
            let range = offset..offset.saturating_add(*length);
            offset = range.end.next_multiple_of(4);
            let value = key.get(range.clone());
            let from = element.key.get(range.clone());
            let to = last_key(element).get(range);
            match (value, from, to) {
                (Some(value), Some(from), Some(to)) => from <= value && value <= to,
                _ => false,
            }
        })
    }
}

fn last_key(element: &Element) -> &[u8] {
    element.key_end.as_deref().unwrap_or(&element.key)
}
