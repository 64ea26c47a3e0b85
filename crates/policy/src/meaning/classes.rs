//! Values that no condition tells apart: one witness of each class stands for all of it.

use std::collections::BTreeMap;

use crate::intervals::{Discrete, Intervals};

/// Values that are in exactly the same of some sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Class<T> {
    pub(super) values: Intervals<T>,
    /// In which of the sets, in their order.
    pub(super) within: Vec<bool>,
}

/// Splits `universe` by `sets`. The classes are disjoint and together the universe.
pub(super) fn classes<T: Discrete>(universe: (T, T), sets: &[&Intervals<T>]) -> Vec<Class<T>> {
    let mut starts = vec![universe.0];
    for (first, last) in sets.iter().flat_map(|set| set.iter()) {
        starts.push(first);
        starts.extend(last.successor());
    }
    starts.retain(|start| *start >= universe.0 && *start <= universe.1);
    starts.sort_unstable();
    starts.dedup();
    let ends = starts
        .iter()
        .skip(1)
        .filter_map(|next| next.predecessor())
        .chain([universe.1]);
    let mut found: BTreeMap<Vec<bool>, Vec<(T, T)>> = BTreeMap::new();
    for (start, end) in starts.iter().copied().zip(ends) {
        let within = sets.iter().map(|set| set.contains(start)).collect();
        found.entry(within).or_default().push((start, end));
    }
    let class = |(within, values): (Vec<bool>, Vec<(T, T)>)| Class {
        values: values.into_iter().collect(),
        within,
    };
    found.into_iter().map(class).collect()
}

/// The first of `likely` that is in the set, else its first value.
pub(super) fn representative<T: Discrete>(values: &Intervals<T>, likely: &[T]) -> Option<T> {
    let usual = likely.iter().copied().find(|value| values.contains(*value));
    usual.or_else(|| values.iter().next().map(|(first, _)| first))
}
