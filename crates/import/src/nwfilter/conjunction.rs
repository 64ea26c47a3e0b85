//! Conditions that hold together, kept small: what contradicts is noticed, what is implied is left out.
//! Knows values; nothing of filters.

use std::net::IpAddr;

use frame::MacAddress;
use policy::rule::{Field, FieldMatch, FieldValue};

/// Field matches, all of which must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Conjunction {
    matches: Vec<FieldMatch>,
}

impl Conjunction {
    pub(super) fn matches(&self) -> &[FieldMatch] {
        &self.matches
    }

    /// With one more condition; `None` where no frame could meet all.
    pub(super) fn and(&self, added: FieldMatch) -> Option<Self> {
        let mut matches = Vec::with_capacity(self.matches.len().saturating_add(1));
        let mut added = added;
        for one in &self.matches {
            if one.field != added.field {
                matches.push(one.clone());
                continue;
            }
            match combine(one, &added) {
                Combined::Contradiction => return None,
                Combined::First => return Some(self.clone()),
                // It may yet combine with the conditions that follow, in the place of this one.
                Combined::One(both) => added = both,
                Combined::Both => matches.push(one.clone()),
            }
        }
        // Where the field was named before, its place is kept: prerequisites come first.
        let place = self
            .matches
            .iter()
            .position(|one| one.field == added.field)
            .filter(|_| matches.len() < self.matches.len())
            .map_or(matches.len(), |place| place.min(matches.len()));
        matches.insert(place, added);
        Some(Self { matches })
    }

    /// With all conditions of another.
    pub(super) fn and_all(&self, other: &Self) -> Option<Self> {
        let mut matches = other.matches.iter().cloned();
        matches.try_fold(self.clone(), |all, one| all.and(one))
    }

    /// Whether every frame that meets `other` surely meets this as well.
    pub(super) fn covers(&self, other: &Self) -> bool {
        self.matches.iter().all(|one| other.implies(one))
    }

    pub(super) fn implies(&self, wanted: &FieldMatch) -> bool {
        self.matches.iter().any(|have| {
            have.field == wanted.field
                && (have == wanted || matches!(combine(have, wanted), Combined::First))
        })
    }

    /// Without this condition.
    pub(super) fn without(&self, gone: &FieldMatch) -> Self {
        let kept = self.matches.iter().filter(|one| *one != gone);
        Self {
            matches: kept.cloned().collect(),
        }
    }

    /// The number that a field must have, where it is just one.
    pub(super) fn number(&self, field: Field) -> Option<u64> {
        let found = self
            .matches
            .iter()
            .find(|one| one.field == field && !one.negated)?;
        match found.values.as_slice() {
            [FieldValue::Number(first, last)] if first == last => Some(*first),
            _ => None,
        }
    }
}

enum Combined {
    Contradiction,
    /// The first says the second as well.
    First,
    /// One condition says both.
    One(FieldMatch),
    Both,
}

fn combine(first: &FieldMatch, second: &FieldMatch) -> Combined {
    if first == second {
        return Combined::First;
    }
    if first.values == second.values {
        // The same values, once negated and once not.
        return Combined::Contradiction;
    }
    match (first.values.as_slice(), second.values.as_slice()) {
        ([FieldValue::Number(a, b)], [FieldValue::Number(c, d)]) => {
            let merged = |first: u64, last: u64| FieldMatch {
                field: first_field(second),
                negated: false,
                values: vec![FieldValue::Number(first, last)],
            };
            spans((*a, *b), (*c, *d), first.negated, second.negated, merged)
        }
        ([FieldValue::Address(a, b)], [FieldValue::Address(c, d)])
            if a.is_ipv4() == c.is_ipv4() =>
        {
            let merged = |first: IpAddr, last: IpAddr| FieldMatch {
                field: first_field(second),
                negated: false,
                values: vec![FieldValue::Address(first, last)],
            };
            spans((*a, *b), (*c, *d), first.negated, second.negated, merged)
        }
        ([FieldValue::Mac { value: a, mask: m }], [FieldValue::Mac { value: b, mask: n }]) => {
            macs((*a, *m, first.negated), (*b, *n, second.negated))
        }
        _ => Combined::Both,
    }
}

fn first_field(one: &FieldMatch) -> Field {
    one.field
}

/// Two closed intervals, each perhaps negated.
fn spans<T: Ord + Copy>(
    (a, b): (T, T),
    (c, d): (T, T),
    first_negated: bool,
    second_negated: bool,
    merged: impl Fn(T, T) -> FieldMatch,
) -> Combined {
    let (low, high) = (a.max(c), b.min(d));
    let disjoint = low > high;
    match (first_negated, second_negated) {
        (false, false) if disjoint => Combined::Contradiction,
        (false, false) if (low, high) == (a, b) => Combined::First,
        (false, false) => Combined::One(merged(low, high)),
        (false, true) if disjoint => Combined::First,
        (false, true) if c <= a && b <= d => Combined::Contradiction,
        (true, false) if disjoint => Combined::One(merged(c, d)),
        (true, false) if a <= c && d <= b => Combined::Contradiction,
        (true, true) if a <= c && d <= b => Combined::First,
        _ => Combined::Both,
    }
}

fn macs(
    (a, m, first_negated): (MacAddress, MacAddress, bool),
    (b, n, second_negated): (MacAddress, MacAddress, bool),
) -> Combined {
    let bits = |mac: MacAddress| {
        mac.0
            .iter()
            .fold(0_u64, |all, byte| all << 8 | u64::from(*byte))
    };
    let (a, m, b, n) = (bits(a), bits(m), bits(b), bits(n));
    let both = m & n;
    let apart = a & both != b & both;
    let first_is_finer = both == n;
    match (first_negated, second_negated) {
        (false, false) if apart => Combined::Contradiction,
        (false, false) if first_is_finer => Combined::First,
        (false, true) if apart => Combined::First,
        (false, true) if first_is_finer => Combined::Contradiction,
        _ => Combined::Both,
    }
}
