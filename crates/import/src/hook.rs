//! What every hook's importer gives back. Knows the shape alone.

use std::collections::BTreeMap;

use policy::claim::ClaimChange;

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
    /// What was respected in part, or not, a sentence each, for whoever reads the system's log.
    pub notes: Vec<String>,
}

impl Answer {
    /// This change, and what its claims have to note.
    pub fn new(change: ClaimChange) -> Self {
        let claims = match &change {
            ClaimChange::Replace { claims, .. } | ClaimChange::ReplaceAll { claims } => {
                claims.as_slice()
            }
            _ => &[],
        };
        let mut notes = Vec::new();
        for claim in claims {
            for note in &claim.notes {
                notes.push(format!("port {}: {note}", claim.port));
            }
        }
        Self {
            change,
            output: String::new(),
            notes,
        }
    }

    /// Nothing that concerns ports.
    pub fn nothing() -> Self {
        Self::new(ClaimChange::Nothing)
    }
}
