//! Everything that one run of the lab found, as data: what `--json` prints and what a guest sends home.

use serde::{Deserialize, Serialize};

use super::assault::Assault;
use super::body::Material;
use super::matrix::Cell;

/// One run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Report {
    /// What the machines are made of.
    pub(super) guests: Material,
    /// The kernel that was measured.
    pub(super) kernel: String,
    /// Why it is another kernel than this machine's own.
    pub(super) guest_because: Option<String>,
    /// Why connections are not tracked although the documents require it.
    pub(super) untracked: Option<String>,
    /// From the start to this report, in seconds.
    pub(super) seconds: u64,
    /// What documents preferred and the kernel could not do.
    pub(super) degraded: Vec<String>,
    /// The name of the wire between the hosts.
    pub(super) wire: Option<String>,
    pub(super) hosts: Vec<String>,
    pub(super) machines: Vec<MachineReport>,
    pub(super) cells: Vec<Cell>,
    pub(super) attacks: Vec<Assault>,
}

/// One machine of the lab.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct MachineReport {
    pub(super) name: String,
    /// Place in [`Report::hosts`].
    pub(super) host: usize,
    pub(super) network: String,
    pub(super) addresses: Vec<String>,
}

impl Report {
    /// How many cells of both tables differ from what the evaluator or the kernel's counters say.
    pub(super) fn disagreements(&self) -> usize {
        let cells = self.cells.iter().filter(|cell| !cell.agrees()).count();
        let attacks = self.attacks.iter().filter(|attack| !attack.agrees).count();
        cells.saturating_add(attacks)
    }

    /// For programs: the report and its verdict.
    pub(super) fn to_json(&self) -> serde_json::Result<serde_json::Value> {
        let mut value = serde_json::to_value(self)?;
        value["disagreements"] = self.disagreements().into();
        Ok(value)
    }
}
