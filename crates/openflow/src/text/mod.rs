//! Matches, actions and instructions as text, in the words of `ovs-ofctl`: what its `dump-flows` prints is read, and
//! what is printed it reads. What the values mean is left to the values.

mod action;
mod conntrack;
mod learn;
mod matching;
mod part;
mod scan;
pub(crate) mod serial;
pub mod value;

pub use action::{actions, instructions, parse_actions, parse_instructions};
pub use matching::{parse_match, parse_match_leaving};
pub use scan::{Pair, ParseError, Position};

pub(crate) use serial::{hexadecimal, number};

#[cfg(test)]
mod tests;
