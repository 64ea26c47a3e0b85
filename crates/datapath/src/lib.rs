//! What every switch must do: say what it can, read what it does, plan the difference, commit it at
//! once, count. Knows programs and their needs; how a switch is spoken to is left to each datapath.

mod capability;
mod contract;
mod converge;
mod enforcement;
mod fault;
mod memory;
mod requirement;
mod several;

pub use capability::{Capabilities, Capability};
pub use contract::{CounterValue, Counters, Datapath, DatapathError, PortCounters};
pub use converge::{Convergence, converge};
pub use enforcement::{Enforced, Enforcement};
pub use fault::{Faulty, Step};
pub use memory::{ConnectionMemory, Remembered};
pub use requirement::{Degraded, Resolved, Unmet, resolve};
pub use several::{HostCapabilities, OtherSwitch};
