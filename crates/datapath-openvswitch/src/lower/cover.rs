//! Intervals and sets of values as the fewest masked comparisons that are easy to find. Knows bits
//! only; which field they are compared with is left to others.

use std::net::{Ipv4Addr, Ipv6Addr};

use policy::intervals::{Discrete, Intervals};

/// What has a place among the values of a field.
pub(crate) trait Position: Discrete {
    /// Its bits as a number.
    fn position(self) -> u128;
}

macro_rules! position {
    ($($number:ty),*) => {$(
        impl Position for $number {
            fn position(self) -> u128 { self.into() }
        }
    )*};
}
position!(u8, u16, u32, u64, Ipv6Addr);

impl Position for Ipv4Addr {
    fn position(self) -> u128 {
        u32::from(self).into()
    }
}

/// Value and mask.
pub(crate) type Masked = (u128, u128);

/// Masked values that cover exactly `first..=last` of a field of `width` bits.
pub(crate) fn range(first: u128, last: u128, width: u32) -> Vec<Masked> {
    let all = crate::flow::low_bits(width);
    let mut covered = Vec::new();
    let mut next = first;
    while next <= last {
        // The largest aligned block that begins here and does not lead beyond the end.
        let mut bits = next.trailing_zeros().min(width);
        while bits > 0 && next | crate::flow::low_bits(bits) > last {
            bits -= 1;
        }
        let block = crate::flow::low_bits(bits);
        covered.push((next, all & !block));
        match (next | block).checked_add(1) {
            Some(after) => next = after,
            None => break,
        }
    }
    covered
}

/// Masked values that cover a set of intervals, or everything else.
pub(crate) fn intervals<T: Position>(set: &Intervals<T>, negated: bool, width: u32) -> Vec<Masked> {
    let pieces = set
        .iter()
        .map(|(first, last)| (first.position(), last.position()));
    if negated {
        complement(pieces, crate::flow::low_bits(width))
            .into_iter()
            .flat_map(|(first, last)| range(first, last, width))
            .collect()
    } else {
        pieces
            .flat_map(|(first, last)| range(first, last, width))
            .collect()
    }
}

/// What lies between ascending, disjoint intervals, up to `most`.
pub(crate) fn complement(
    pieces: impl Iterator<Item = (u128, u128)>,
    most: u128,
) -> Vec<(u128, u128)> {
    let mut between = Vec::new();
    let mut next = Some(0);
    for (first, last) in pieces {
        if let Some(start) = next
            && first > start
        {
            between.push((start, first - 1));
        }
        next = last.checked_add(1);
    }
    if let Some(start) = next
        && start <= most
    {
        between.push((start, most));
    }
    between
}

/// Masked values that cover everything that is not equal to `value` under `mask`: one for each bit,
/// which is the first to differ.
pub(crate) fn differing(value: u128, mask: u128, width: u32) -> Vec<Masked> {
    let mut equal = 0;
    let mut covered = Vec::new();
    for bit in (0..width).rev().map(|bit| 1_u128 << bit) {
        if mask & bit != 0 {
            covered.push(((value & equal) | (!value & bit), equal | bit));
            equal |= bit;
        }
    }
    covered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(covered: &[Masked], value: u128) -> usize {
        covered
            .iter()
            .filter(|(wanted, mask)| value & mask == *wanted)
            .count()
    }

    #[test]
    fn ranges_are_covered_once_and_nothing_else() {
        for first in 0..64_u128 {
            for last in first..64 {
                let covered = range(first, last, 6);
                for value in 0..64 {
                    let inside = (first..=last).contains(&value);
                    assert_eq!(
                        fits(&covered, value),
                        usize::from(inside),
                        "{first}-{last}: {value}"
                    );
                }
            }
        }
        assert_eq!(range(0, u128::MAX, 128), [(0, 0)]);
        assert_eq!(range(u128::MAX, u128::MAX, 128), [(u128::MAX, u128::MAX)]);
    }

    #[test]
    fn what_differs_and_what_is_left_out() {
        let covered = differing(0b1010, 0b1110, 4);
        for value in 0..16_u128 {
            let differs = value & 0b1110 != 0b1010;
            assert_eq!(fits(&covered, value), usize::from(differs));
        }
        let set: Intervals<u8> = [(0, 3), (9, 9), (250, 255)].into_iter().collect();
        let covered = intervals(&set, true, 8);
        for value in 0..=255_u8 {
            assert_eq!(
                fits(&covered, value.into()),
                usize::from(!set.contains(value))
            );
        }
    }
}
