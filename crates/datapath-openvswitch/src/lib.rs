//! The datapath that lowers programs to OpenFlow tables of Open vSwitch. Knows flows and their ownership; what a
//! policy means is left to `policy`.

pub mod attachments;
pub mod flow;
pub mod lower;
pub mod topology;

pub use lower::{Lowered, lower};
