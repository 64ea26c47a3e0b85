//! Faults to inject: a datapath that fails where a test says. Knows the steps of the contract; for
//! tests of whoever uses a datapath, never the only proof.

use policy::HostProgram;

use crate::capability::Capabilities;
use crate::contract::{Counters, Datapath, DatapathError};

/// Where a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    Capabilities,
    Read,
    /// Before anything is committed.
    Commit,
    /// After the commit took effect, as when the answer is lost.
    Committed,
    Remove,
}

/// A datapath with a say before each step: an error there is the step's error.
#[derive(Debug)]
pub struct Faulty<D, F> {
    pub inner: D,
    fault: F,
}

impl<D: Datapath, F: FnMut(Step) -> Option<DatapathError>> Faulty<D, F> {
    pub fn new(inner: D, fault: F) -> Self {
        Self { inner, fault }
    }

    fn strike(&mut self, step: Step) -> Result<(), DatapathError> {
        (self.fault)(step).map_or(Ok(()), Err)
    }
}

impl<D: Datapath, F: FnMut(Step) -> Option<DatapathError>> Datapath for Faulty<D, F> {
    type Installed = D::Installed;
    type Change = D::Change;

    fn capabilities(&mut self) -> Result<Capabilities, DatapathError> {
        self.strike(Step::Capabilities)?;
        self.inner.capabilities()
    }

    fn read(&mut self) -> Result<D::Installed, DatapathError> {
        self.strike(Step::Read)?;
        self.inner.read()
    }

    fn plan(&self, program: &HostProgram, installed: &D::Installed) -> D::Change {
        self.inner.plan(program, installed)
    }

    fn is_nothing(change: &D::Change) -> bool {
        D::is_nothing(change)
    }

    fn commit(&mut self, change: &D::Change) -> Result<(), DatapathError> {
        self.strike(Step::Commit)?;
        self.inner.commit(change)?;
        self.strike(Step::Committed)
    }

    fn remove(&mut self) -> Result<(), DatapathError> {
        self.strike(Step::Remove)?;
        self.inner.remove()
    }

    fn counters(installed: &D::Installed) -> Counters {
        D::counters(installed)
    }
}
