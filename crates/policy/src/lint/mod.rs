//! What is allowed but hardly meant: rules that never decide, names that nobody uses, ports that
//! are open to everyone. Knows documents and what they compile to; what a frame meets is left to
//! the evaluator, and each finding about the order of rules is true of it for every frame.

mod conditions;
mod everywhere;
mod exposure;
mod families;
mod names;
mod order;

#[cfg(test)]
mod tests;

use std::fmt;

use serde::{Serialize, Serializer};

use crate::catalog::Catalog;
use crate::origin::Origin;
use crate::program::HostProgram;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Something does not work at all.
    Error,
    /// Probably not what somebody meant.
    Warning,
    /// Worth knowing.
    Note,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        })
    }
}

/// One thing that somebody should look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Kebab-case, the same in every version: `shadowed-rule`.
    pub code: &'static str,
    pub severity: Severity,
    pub message: String,
    #[serde(serialize_with = "as_text")]
    pub origin: Origin,
    /// Other places that matter, with what they have to do with it.
    #[serde(serialize_with = "as_texts")]
    pub related: Vec<(Origin, String)>,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Finding {
    fn new(code: &'static str, severity: Severity, origin: &Origin, message: String) -> Self {
        Self {
            code,
            severity,
            message,
            origin: origin.clone(),
            related: Vec::new(),
            hint: None,
        }
    }

    fn related(mut self, origin: &Origin, text: impl Into<String>) -> Self {
        self.related.push((origin.clone(), text.into()));
        self
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]: {}", self.severity, self.code, self.message)?;
        write!(f, "\n  --> {}", self.origin)?;
        for (origin, text) in &self.related {
            write!(f, "\n  --> {origin}: {text}")?;
        }
        match &self.hint {
            Some(hint) => write!(f, "\n  = hint: {hint}"),
            None => Ok(()),
        }
    }
}

/// Everything that is worth a look, in the order of the documents.
///
/// Rules are judged wherever they would apply, on this host or another; `program` adds what is
/// wrong with the ports of this one.
#[must_use]
pub fn lint(catalog: &Catalog, program: Option<&HostProgram>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let programs = everywhere::programs(catalog);
    order::check(&programs, &mut findings);
    families::check(&programs, &mut findings);
    exposure::check(catalog, &programs, &mut findings);
    exposure::refused(program, &mut findings);
    names::check(catalog, &mut findings);
    findings.sort_by(|a, b| (&a.origin, a.code, &a.message).cmp(&(&b.origin, b.code, &b.message)));
    findings.dedup();
    findings
}

fn as_text<S: Serializer>(origin: &Origin, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(origin)
}

fn as_texts<S: Serializer>(related: &[(Origin, String)], serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Related<'a> {
        origin: String,
        text: &'a str,
    }
    serializer.collect_seq(related.iter().map(|(origin, text)| Related {
        origin: origin.to_string(),
        text,
    }))
}
