//! Which addresses a port has shown to be its own, from the frames it sends and receives and the time.
//! A function of its inputs; catching frames and what an address permits are left to others.
//!
//! [`Learner`] is the machine: it is told of ports ([`Facts`]), of frames and of the time, and says
//! what became known ([`Event`]). [`evidence`] reads a frame, [`dhcp4`] and [`dhcp6`] what is in it.
//!
//! What a guest can do to it is bounded: each port has a fixed number of addresses and of open
//! requests, a frame costs a fixed number of steps ([`Learner::work`]), and no port's frames change
//! what is remembered of another, except that a lease takes an address from who merely used it.

pub mod dhcp4;
pub mod dhcp6;
pub mod evidence;
mod facts;
mod holders;
mod learner;
mod moment;
mod port;
mod snapshot;
#[cfg(test)]
mod testing;

pub use evidence::{Direction, Evidence};
pub use facts::{Facts, Mode, Rules};
pub use learner::{Event, Forgotten, Learner, Refused};
pub use moment::Moment;
pub use port::{Held, Origin};
pub use snapshot::{PortSnapshot, Snapshot};
