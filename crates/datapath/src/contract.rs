//! The contract itself, and what a switch tells of its work.

use std::collections::BTreeMap;

use policy::HostProgram;
use serde::Serialize;
use thiserror::Error;

use crate::capability::Capabilities;

/// One kind of switch.
///
/// `plan` is pure: what it returns says everything that `commit` will do, and `commit` makes no
/// choices. What a switch does is always read from it, never remembered (promise 5).
pub trait Datapath {
    /// What the switch does now, read from it.
    type Installed;
    /// A change, specific enough that nothing is left to decide.
    type Change;

    /// What this switch can do, found by trying.
    fn capabilities(&mut self) -> Result<Capabilities, DatapathError>;

    /// Reads what is installed. Nothing installed is a state like others.
    fn read(&mut self) -> Result<Self::Installed, DatapathError>;

    /// The difference between what is installed and what the program says.
    fn plan(&self, program: &HostProgram, installed: &Self::Installed) -> Self::Change;

    /// Whether the change leaves the switch as it is: it is then not committed at all.
    fn is_nothing(change: &Self::Change) -> bool;

    /// Carries the change out, wholly or not at all (promise 2).
    fn commit(&mut self, change: &Self::Change) -> Result<(), DatapathError>;

    /// Takes everything of ours out of the switch, and nothing else.
    fn remove(&mut self) -> Result<(), DatapathError>;

    /// What the installed state has counted.
    fn counters(installed: &Self::Installed) -> Counters;
}

/// Why a switch could not be read or changed. In every case the last good policy is in force.
#[derive(Debug, Error)]
pub enum DatapathError {
    /// Something else changed the switch since it was read. Read and plan again.
    #[error("something else changed the switch while the change was made; nothing was applied")]
    Changed,
    #[error("{0}")]
    NotPermitted(String),
    /// The switch refused; nothing was applied.
    #[error("the switch refused the change, which was not applied: {0}")]
    Refused(String),
    #[error("the switch cannot be reached: {0}")]
    Unreachable(String),
}

/// Frames and bytes by what counted them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// By rule id, default id or guard: the display form of `policy::Decider`.
    pub rules: BTreeMap<String, CounterValue>,
    /// By port name.
    pub ports: BTreeMap<String, PortCounters>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CounterValue {
    pub frames: u64,
    pub bytes: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PortCounters {
    /// Frames that came as far as the port, whatever was then decided; without ARP where all ARP
    /// passes, which the datapath may count or not.
    pub inward: CounterValue,
    /// Frames that the port sent under another MAC than its own.
    pub forged: CounterValue,
}
