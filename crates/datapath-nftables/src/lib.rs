//! Lowers a host program to one nftables table on a Linux bridge, reads it back and changes only the
//! difference. Knows the kernel's bridge hooks; what a frame's verdict should be is left to `policy`.

pub mod census;
mod datapath;
mod difference;
pub mod interpret;
pub mod lower;
mod probe;
pub mod ruleset;

pub use self::datapath::{Installed, NftablesDatapath};
pub use difference::{Change, Line, difference};
pub use lower::{LOG_GROUP, lower, table};
pub use ruleset::Ruleset;
