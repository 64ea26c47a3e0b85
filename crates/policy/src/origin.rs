//! Where something was written. Knows places in documents; leaves reading files to the entrance.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The place of a rule or a name in its document: what errors, traces and kernel comments point at.
///
/// Two values that differ only in origin mean the same; comparisons of rules therefore ignore it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Origin {
    /// File name as the user gave it, or the name of another source (`built-in`, `api`).
    pub source: Arc<str>,
    /// 1-based; 0 where the source has no lines.
    pub line: u32,
    /// 1-based, in characters; 0 where the source has no lines.
    pub column: u32,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.column) {
            (0, _) => f.write_str(&self.source),
            (line, 0) => write!(f, "{}:{line}", self.source),
            (line, column) => write!(f, "{}:{line}:{column}", self.source),
        }
    }
}
