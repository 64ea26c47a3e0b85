//! Damages a frame: bits, bytes, length. Leaves what is done to the damaged frame to the reader.

use super::{Rng, Vocabulary};
use crate::MacAddress;

/// Flips bits, overwrites bytes, cuts the frame, lengthens it, or swaps an address for another of
/// the vocabulary. The result has at least 14 bytes if the frame had.
pub fn mutate(rng: &mut Rng, vocabulary: &Vocabulary, frame: &mut Vec<u8>) {
    match rng.below(6) {
        0 => {
            for _ in 0..=rng.below(4) {
                let bit = rng.below(8);
                change(rng, frame, 12, |byte| byte ^ (1 << bit));
            }
        }
        1 => {
            let value = rng.byte();
            change(rng, frame, 12, |_| value);
        }
        2 => cut(rng, frame, 14),
        3 => {
            let longer = rng.below(64);
            let more = rng.bytes(longer);
            frame.extend(more);
        }
        // Lengths, versions, fragment fields and next headers stand near the front.
        4 => {
            let bit = rng.below(8);
            let window = frame.len().min(12 + 60);
            let place = 12 + rng.below(window.saturating_sub(12));
            if let Some(byte) = frame.get_mut(place) {
                *byte ^= 1 << bit;
            }
        }
        _ => {
            let mac = rng.pick_or(&vocabulary.macs, MacAddress([2, 0, 0, 0, 0, 1]));
            let start = if rng.one_in(2) { 0 } else { 6 };
            if let Some(place) = frame.get_mut(start..start + 6) {
                place.copy_from_slice(&mac.octets());
            }
        }
    }
}

/// Cuts a frame at a place by chance, so that at least `least` bytes stay if there were so many.
pub(super) fn cut(rng: &mut Rng, frame: &mut Vec<u8>, least: usize) {
    let room = frame.len().saturating_sub(least);
    let length = least + rng.below(room + 1);
    frame.truncate(length);
}

fn change(rng: &mut Rng, frame: &mut [u8], least: usize, with: impl Fn(u8) -> u8) {
    let place = least + rng.below(frame.len().saturating_sub(least));
    if let Some(byte) = frame.get_mut(place) {
        *byte = with(*byte);
    }
}
