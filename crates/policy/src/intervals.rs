//! Sets of numbers or addresses as sorted, disjoint, non-adjacent closed intervals.
//! Knows order only; what the numbers mean is left to the fields that use them.

use std::net::{Ipv4Addr, Ipv6Addr};

/// A discrete ordered type with a neighbour on each side.
pub trait Discrete: Copy + Ord {
    /// The next larger value, or `None` at the end of the type.
    fn successor(self) -> Option<Self>;
    /// The next smaller value, or `None` at the start of the type.
    fn predecessor(self) -> Option<Self>;
}

macro_rules! discrete_integer {
    ($($t:ty),*) => {$(
        impl Discrete for $t {
            fn successor(self) -> Option<Self> { self.checked_add(1) }
            fn predecessor(self) -> Option<Self> { self.checked_sub(1) }
        }
    )*};
}
discrete_integer!(u8, u16, u32, u64, u128);

impl Discrete for Ipv4Addr {
    fn successor(self) -> Option<Self> {
        u32::from(self).checked_add(1).map(Self::from)
    }
    fn predecessor(self) -> Option<Self> {
        u32::from(self).checked_sub(1).map(Self::from)
    }
}

impl Discrete for Ipv6Addr {
    fn successor(self) -> Option<Self> {
        u128::from(self).checked_add(1).map(Self::from)
    }
    fn predecessor(self) -> Option<Self> {
        u128::from(self).checked_sub(1).map(Self::from)
    }
}

/// A set of values, kept as sorted closed intervals of which no two touch.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Intervals<T>(Vec<(T, T)>);

impl<T> Default for Intervals<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Discrete> Intervals<T> {
    /// The set of one value.
    pub fn single(value: T) -> Self {
        Self(vec![(value, value)])
    }

    /// All values from `first` to `last`, both included; empty where `first > last`.
    pub fn range(first: T, last: T) -> Self {
        [(first, last)].into_iter().collect()
    }

    /// The intervals in ascending order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (T, T)> + '_ {
        self.0.iter().copied()
    }

    /// Number of intervals.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True where the set holds no value.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `value` is in the set, in logarithmic time.
    pub fn contains(&self, value: T) -> bool {
        let after = self.0.partition_point(|(first, _)| *first <= value);
        after
            .checked_sub(1)
            .and_then(|index| self.0.get(index))
            .is_some_and(|(_, last)| *last >= value)
    }

    /// Whether every value of `other` is in this set.
    pub fn covers(&self, other: &Self) -> bool {
        other.iter().all(|(first, last)| {
            let after = self.0.partition_point(|(start, _)| *start <= first);
            after
                .checked_sub(1)
                .and_then(|index| self.0.get(index))
                .is_some_and(|(_, end)| *end >= last)
        })
    }

    /// Whether the two sets share a value.
    pub fn intersects(&self, other: &Self) -> bool {
        self.iter()
            .any(|(a, b)| other.iter().any(|(c, d)| a <= d && c <= b))
    }

    /// All values of either set.
    pub fn union(&self, other: &Self) -> Self {
        self.iter().chain(other.iter()).collect()
    }
}

impl<T: Discrete> FromIterator<(T, T)> for Intervals<T> {
    fn from_iter<I: IntoIterator<Item = (T, T)>>(iter: I) -> Self {
        let mut parts: Vec<(T, T)> = iter.into_iter().filter(|(a, b)| a <= b).collect();
        parts.sort_unstable();
        let mut merged: Vec<(T, T)> = Vec::with_capacity(parts.len());
        for (first, last) in parts {
            match merged.last_mut() {
                // Touching intervals merge too: nft interval sets refuse an end that is also a start.
                Some((_, end)) if end.successor().is_none_or(|next| first <= next) => {
                    *end = (*end).max(last);
                }
                _ => merged.push((first, last)),
            }
        }
        Self(merged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn touching_intervals_merge() {
        let set: Intervals<u16> = [(5, 9), (1, 2), (3, 4), (20, 20), (9, 7)]
            .into_iter()
            .collect();
        assert_eq!(set.iter().collect::<Vec<_>>(), [(1, 9), (20, 20)]);
        assert!(set.contains(1) && set.contains(9) && set.contains(20));
        assert!(!set.contains(0) && !set.contains(10) && !set.contains(21));
    }

    #[test]
    fn the_ends_of_the_type_are_members() {
        let set: Intervals<u8> = [(200, 255), (0, 0)].into_iter().collect();
        assert!(set.contains(255) && set.contains(0) && !set.contains(1));
        assert!(Intervals::range(0u8, 255).covers(&set));
        assert!(!set.covers(&Intervals::range(0, 1)));
    }
}
