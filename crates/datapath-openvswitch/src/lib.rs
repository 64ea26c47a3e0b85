//! The datapath that lowers programs to OpenFlow tables of Open vSwitch. Knows flows and their ownership; what a
//! policy means is left to `policy`.

pub mod attachments;
pub mod difference;
pub mod flow;
pub mod host;
pub mod lower;
pub mod session;
pub mod topology;
mod unmet;
pub mod wire;

pub use host::OpenVSwitch;
pub use lower::{Lowered, lower};
pub use session::Session;
pub use unmet::unmet;
