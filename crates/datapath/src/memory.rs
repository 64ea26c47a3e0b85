//! The connections that a switch remembers, as somebody who carries them from host to host needs them.
//! Knows which of them are worth carrying; whose they are and whether they may be is left to others.

use std::collections::BTreeSet;
use std::fmt::Debug;

use policy::connection::Connection;

use crate::contract::DatapathError;

/// A switch's memory of connections. It has a way of its own to the switch, so that a thread of its own
/// can use it: listing takes as long as the table is.
pub trait ConnectionMemory: Send + Debug {
    /// Hands every connection in these zones, with its zone, to `each`: those in which packets went both
    /// ways, of TCP only established ones, of UDP only those that are no single question and answer.
    ///
    /// # Errors
    /// Where it cannot be read.
    fn list(
        &mut self,
        zones: &BTreeSet<u16>,
        each: &mut dyn FnMut(u16, Connection),
    ) -> Result<(), DatapathError>;

    /// Remembers connections that began elsewhere, in a zone of this switch. Where it knows one of the same
    /// addresses, of an earlier stay, packets that do not fit what it knew of it go on as well.
    ///
    /// # Errors
    /// Where nothing can be said of any of them.
    fn remember(
        &mut self,
        zone: u16,
        connections: &[Connection],
    ) -> Result<Remembered, DatapathError>;
}

/// What became of connections to be remembered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remembered {
    /// The switch remembers these now.
    pub added: usize,
    /// The switch took these not, with the first reason.
    pub refused: usize,
    pub reason: Option<String>,
}
