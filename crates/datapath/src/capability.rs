//! What a switch can do, found by trying. Knows the names; what follows from a lack is left to
//! `requirement`.

use serde::{Deserialize, Serialize};

/// Everything that programs may need of a switch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// The switch remembers connections, so that replies need no rule.
    pub connection_tracking: Capability,
    /// It can answer a frame that a VM sends.
    pub reject_out: Capability,
    /// It can answer a frame that is on its way to a VM.
    pub reject_in: Capability,
    /// It knows of any frame which bridge it is on, so that an interface nobody has seen yet is in
    /// quarantine from its first frame.
    pub bridge_name: Capability,
    /// It reports frames to whoever watches.
    pub log: Capability,
    /// It limits rates.
    pub limits: Capability,
}

/// One thing that a switch can or cannot do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capability {
    pub present: bool,
    /// What was tried and what came of it.
    pub detail: String,
    /// What it costs where it is used, or what is lost without it.
    pub cost: String,
    /// What would bring it.
    pub remedy: Option<String>,
}

impl Capability {
    pub fn present(detail: impl Into<String>, cost: impl Into<String>) -> Self {
        Self {
            present: true,
            detail: detail.into(),
            cost: cost.into(),
            remedy: None,
        }
    }

    pub fn missing(
        detail: impl Into<String>,
        cost: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            present: false,
            detail: detail.into(),
            cost: cost.into(),
            remedy: Some(remedy.into()),
        }
    }
}

impl Capabilities {
    /// Each with its name, in the order of the reference.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Capability)> {
        [
            ("connection-tracking", &self.connection_tracking),
            ("reject-out", &self.reject_out),
            ("reject-in", &self.reject_in),
            ("bridge-name", &self.bridge_name),
            ("log", &self.log),
            ("limits", &self.limits),
        ]
        .into_iter()
    }
}
