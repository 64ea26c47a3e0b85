//! Matches, actions and instructions as text, in the words of `ovs-ofctl`. What they mean is left to the values.

pub(crate) mod serial;
pub mod value;

pub(crate) use serial::{hexadecimal, number};
