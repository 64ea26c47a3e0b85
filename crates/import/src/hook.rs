//! What hooks are told and what their importers give back. Knows the shape, and which importer reads
//! which system; libvirt's speaks for itself.

use std::collections::BTreeMap;

use policy::claim::ClaimChange;

use crate::{opennebula, proxmox, qemu, xen};

/// Systems that [`call`] reads.
pub const SYSTEMS: &[&str] = &["opennebula", "proxmox", "qemu", "xen"];

/// What a system's hook was told, as it reached the agent.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// Behind the system's name.
    pub arguments: &'a [String],
    /// Standard input.
    pub input: &'a str,
    /// Variables of the hook's environment that carry meaning.
    pub environment: &'a BTreeMap<String, String>,
}

/// What a call means.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub change: ClaimChange,
    /// For the hook's standard output.
    pub output: String,
    /// What is to be told besides the notes of the change's claims, a sentence each.
    pub notes: Vec<String>,
}

impl From<ClaimChange> for Answer {
    /// This change, and nothing to say.
    fn from(change: ClaimChange) -> Self {
        Self {
            change,
            output: String::new(),
            notes: Vec::new(),
        }
    }
}

/// What a call of that system's hook means; `None` where the system is none of [`SYSTEMS`].
pub fn call(system: &str, call: Call<'_>) -> Option<Result<Answer, String>> {
    Some(match system {
        "opennebula" => opennebula::hook(call).map_err(|error| error.to_string()),
        "proxmox" => proxmox::hook(call).map_err(|error| error.to_string()),
        "qemu" => qemu::hook(call).map_err(|error| error.to_string()),
        "xen" => xen::hook(call).map_err(|error| error.to_string()),
        _ => return None,
    })
}
