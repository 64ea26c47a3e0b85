//! Lowers a host program to one nftables table on a Linux bridge, reads it back and changes only the
//! difference. Knows the kernel's bridge hooks; what a frame's verdict should be is left to `policy`.

pub mod lower;
pub mod ruleset;

pub use ruleset::Ruleset;
