//! libvirt domains and networks as claims: what an interface may do, by what libvirt, its networks
//! and moat's metadata say of it. Pure: hooks' arguments and documents in, claims out; sockets, and
//! what filters mean, are left to others.
//!
//! [`Libvirt`] remembers what it was told of networks and running domains, since a domain's hook
//! says which network an interface is in and not what that network says, and since hooks must not
//! ask libvirt. [`claims`] is the mapping alone.

mod claims;
mod filters;
mod follow;

mod hook;
mod interface;
mod learned;
mod names;

#[cfg(test)]
mod tests;

pub use claims::{Moment, Networks, SOURCE, claims};
pub use filters::bring_filters;
pub use follow::{Follow, follow};
pub use hook::{Asked, HookError, Libvirt};
pub use names::{filter_profile, port_names};
