//! Which interfaces exist on this host right now, as the kernel sees them: the bridges, what is plugged
//! into them, and a stream of hints that something changed. What an interface means is left to `policy`.
//! The one thing that can be changed here is the VLAN of a bridge's port.
//!
//! Everything here asks the network namespace of the calling thread.

mod link;
mod monitor;
mod observe;
mod rtnetlink;
mod vlan;

pub use monitor::{LinkChange, LinkEvent, LinkMonitor, LinkNotice, MonitorError};
pub use observe::{ObserveError, observe, observe_all, observe_devices, vlans};
pub use vlan::{PortVlans, SetVlanError, VlanChange, set_vlan};
