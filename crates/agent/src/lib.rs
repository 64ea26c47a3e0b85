//! The loop of one host: documents, claims and learned addresses in, one program in the switch out.
//! Knows when to look and what to keep; which switch it is, and the command line, are left to the binary.

mod host;

pub use host::{DesireError, Desired, HostState, RejectedDocuments};
