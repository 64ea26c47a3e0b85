//! Which interfaces exist on this host right now, as the kernel sees them: the bridges, what is plugged
//! into them, and a stream of hints that something changed. What an interface means is left to `policy`.
//!
//! Everything here asks the network namespace of the calling thread.

mod link;
mod monitor;
mod observe;
mod rtnetlink;

pub use monitor::{LinkChange, LinkEvent, LinkMonitor, LinkNotice, MonitorError};
pub use observe::{ObserveError, observe, observe_all};
