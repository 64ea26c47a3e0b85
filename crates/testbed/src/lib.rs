//! For tests, the demo and benchmarks only: namespaces, raw frames, throw-away bridges, machines, guests,
//! hypervisors and switches. Knows Linux networking, QEMU, libvirt and Open vSwitch; knows nothing of policies
//! or of any datapath.
//!
//! A test usually starts with a [`Switch`], plugs ports into it, opens a [`RawPort`] at the virtual machine's end of
//! each, sends a frame, calls [`Switch::settle`] and drains the receivers: after settling, a frame has either been
//! delivered or never will be, so no test needs to sleep. Everything ends with its owner's `Drop`, and since
//! namespaces are anonymous nothing survives the process, not even when it is killed.

mod flood;
pub mod forged;
#[cfg(test)]
mod forged_tests;
pub mod guest;
mod kernel;
pub mod libvirtd;
pub mod link;
mod machine;
mod marked_frame;
mod namespace;
pub mod openvswitch;
pub mod ovsdb_server;
mod ping;
mod raw_port;
mod server;
mod settle;
mod switch;

pub use flood::{Cost, Effort, Flood, FloodError, FloodReport, frame_cost};
pub use machine::{Machine, MachineAddress, MachineError, MachineSpec, Reach, join};
pub use marked_frame::{MarkedFrame, marker_of};
pub use namespace::{Namespace, NamespaceError, NamespaceOptions};
pub use openvswitch::{OpenVSwitch, OpenVSwitchError};
pub use ping::PingError;
pub use raw_port::{Heard, Listener, MarkerCounter, PortError, RawPort};
pub use server::Server;
pub use settle::{PinnedThread, SettleError, Settler};
pub use switch::{Bridge, Switch, SwitchError, SwitchPort, SwitchSpec};
