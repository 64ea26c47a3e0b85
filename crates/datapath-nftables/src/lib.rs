//! Lowers a host program to one nftables table on a Linux bridge, reads it back and changes only the
//! difference. Knows the kernel's bridge hooks; what a frame's verdict should be is left to `policy`.

pub mod census;
mod datapath;
mod difference;
mod feed;
mod incremental;
pub mod interpret;
pub mod lower;
mod memory;
mod probe;
pub mod ruleset;
mod session;

pub use self::datapath::{Installed, NftablesDatapath};
pub use difference::{Change, Line, difference};
pub use feed::{LearningFeed, Report, ReportedFrame};
pub use lower::{LEARN_GROUP, LOG_GROUP, lower, table};
pub use memory::KernelMemory;
pub use ruleset::Ruleset;
pub use session::{Applied, Session};
