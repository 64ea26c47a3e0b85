//! A switch as a process that stays uses it: one program after the other, each wholly in force when
//! the call returns. Knows what such a process needs; how little has to be read and written for it
//! is left to each datapath.

use policy::HostProgram;
use policy::observation::Observation;

use crate::contract::{Counters, DatapathError};
use crate::memory::ConnectionMemory;
use crate::requirement::Degraded;
use crate::several::HostCapabilities;

/// A switch that programs are brought into.
pub trait Enforcement: Send {
    /// What the switches of this host can do, found by trying; not tried anew by each call.
    ///
    /// # Errors
    /// Where nothing can be tried.
    fn capabilities(&mut self) -> Result<HostCapabilities, DatapathError>;

    /// Adds what a switch knows of itself and the kernel's links do not tell: bridges that are none
    /// of the kernel's, and what is plugged into them.
    ///
    /// # Errors
    /// Where it cannot be asked. The observation may then have a part of it.
    fn observe(&mut self, _observed: &mut Observation) -> Result<(), DatapathError> {
        Ok(())
    }

    /// Brings the switch to a program that [`HostCapabilities::resolve`] has fitted to it. When this
    /// returns, the switch carries it out, and nobody had changed anything of it since.
    ///
    /// # Errors
    /// What was in force stays so.
    fn enforce(&mut self, program: HostProgram) -> Result<Enforced, DatapathError>;

    /// What the switch has counted.
    ///
    /// # Errors
    /// Where it cannot be read.
    fn counters(&mut self) -> Result<Counters, DatapathError>;

    /// Whether a change of the switch, by its generation, is one of those that [`Self::enforce`] made of
    /// late. Nothing else tells them from anybody's: the kernel may number processes otherwise than they
    /// know themselves.
    fn is_own(&self, _generation: u32) -> bool {
        false
    }

    /// The switch's memory of connections; `None`: it has none that could be read and written. Each call
    /// opens it anew.
    ///
    /// # Errors
    /// Where it cannot be opened.
    fn memory(&mut self) -> Result<Option<Box<dyn ConnectionMemory>>, DatapathError> {
        Ok(None)
    }
}

/// What a call of [`Enforcement::enforce`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Enforced {
    /// Changes that were committed; 0: there was nothing to do, and nothing was written.
    pub commits: u32,
    /// What was written, for people, a line each.
    pub changes: Vec<String>,
    /// What the switch does not do to the letter and so holds back, whether or not it was written now.
    pub held_back: Vec<Degraded>,
}
