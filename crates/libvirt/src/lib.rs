//! What libvirt says: its remote protocol over a Unix socket, and its XML as values.
//! Knows bytes and structure; what an interface may do is left to others.
//!
//! [`machine::Machine`] is the protocol without a socket: bytes and time in, bytes and events out.
//! [`Connection`] drives one over a Unix socket and blocks; [`call`] has the procedures, [`event`]
//! what the daemon tells unasked. [`xml`] reads domains, networks, their ports and filter bindings.

pub mod call;
mod connection;
mod endpoints;
pub mod event;
pub mod machine;
mod message;
mod protocol;
mod uuid;
mod value;
pub mod xdr;
pub mod xml;

pub use connection::{Access, Connection, ConnectionError, Timeouts};
pub use endpoints::{Endpoint, Endpoints};
pub use protocol::{ErrorCode, MOST_MESSAGE_BYTES};
pub use uuid::{ParseUuidError, Uuid};
pub use value::{DomainRef, FilterBindingRef, FilterRef, NetworkPortRef, NetworkRef, RemoteError};
