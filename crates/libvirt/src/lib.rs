//! What libvirt says: its remote protocol over a Unix socket, and its XML as values.
//! Knows bytes and structure; what an interface may do is left to others.

mod uuid;
pub mod xml;

pub use uuid::{ParseUuidError, Uuid};
