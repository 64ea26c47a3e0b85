//! Connections to switches and from them, over Unix sockets, TCP and TLS. Knows how a target is
//! written, how to connect, listen, verify and wait for many without blocking on any; what is said
//! over a connection, and when to try again, is left to others.
//!
//! A [`Channel`] is turned whenever its socket is ready or its time has come, and never waits: a peer
//! that is slow, silent or hostile costs its own connection a bounded amount of memory and a bounded
//! piece of each turn. [`wait`] waits for all of them at once.

#![forbid(unsafe_code)]

pub mod certificate;
mod connection;
mod listener;
mod resolve;
mod socket;
mod target;
mod tls;
mod wait;

pub use connection::{Channel, ChannelError, MOST_OUTGOING_BYTES, Turn};
pub use listener::{ListenError, Listener};
pub use target::{Listen, Network, Target, TargetError};
pub use tls::{Identity, PeerIdentity, Tls, TlsError};
pub use wait::{Interest, wait};
