//! OpenFlow as bytes, values and text, and the state of one connection. What flows mean is left to others.

pub mod action;
pub mod connection;
pub mod field;
pub mod flow_text;
pub mod framing;
pub mod instruction;
pub mod matching;
pub mod message;
pub mod port_number;
pub mod text;
pub mod version;
pub mod wire;

pub use action::Action;
pub use connection::Connection;
pub use field::{Field, FieldMatch, Subfield};
pub use flow_text::parse_flow;
pub use framing::{Framer, Header};
pub use instruction::Instruction;
pub use matching::Match;
pub use message::{Envelope, FlowMod, Message};
pub use port_number::PortNumber;
pub use version::Version;
