//! How a command ends: the exit codes, and errors that say who is at fault, what happened to the
//! switch and what to do next.

use std::fmt;
use std::process::ExitCode;

use datapath::DatapathError;
use policy::language::Diagnostics;
use serde_json::{Value, json};

/// How a command ended that did its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// All is as it should be. Exit code 0.
    Fine,
    /// The switch or the documents are not as they should be. Exit code 1.
    Findings,
}

impl Outcome {
    /// `Findings` if there are any.
    pub(crate) fn findings(any: bool) -> Self {
        if any { Self::Findings } else { Self::Fine }
    }
}

/// Who has to do something about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// What the switch or the documents say keeps the command from its work. Exit code 1.
    State,
    /// The command line or the documents are wrong. Exit code 2.
    Usage,
    /// The system refused. Exit code 3.
    System,
}

/// Why a command could not do its work.
#[derive(Debug)]
pub(crate) struct Failure {
    pub fault: Fault,
    pub message: String,
    /// What to do next.
    pub help: Option<String>,
    /// Where the documents are wrong.
    pub diagnostics: Option<Box<Diagnostics>>,
}

impl Failure {
    pub(crate) fn new(fault: Fault, message: impl Into<String>) -> Self {
        Self {
            fault,
            message: message.into(),
            help: None,
            diagnostics: None,
        }
    }

    pub(crate) fn state(message: impl Into<String>) -> Self {
        Self::new(Fault::State, message)
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Fault::Usage, message)
    }

    pub(crate) fn system(message: impl Into<String>) -> Self {
        Self::new(Fault::System, message)
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self.fault {
            Fault::State => 1,
            Fault::Usage => 2,
            Fault::System => 3,
        })
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({ "error": {
            "fault": match self.fault {
                Fault::State => "state",
                Fault::Usage => "usage",
                Fault::System => "system",
            },
            "message": self.message,
            "help": self.help,
            "diagnostics": self.diagnostics.as_ref().map(|found| found.to_json()),
        }})
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<Diagnostics> for Failure {
    fn from(diagnostics: Diagnostics) -> Self {
        let count = diagnostics.list.len().saturating_add(diagnostics.omitted);
        Self {
            diagnostics: Some(Box::new(diagnostics)),
            ..Self::usage(match count {
                1 => "1 error in the documents; nothing was changed".to_owned(),
                count => format!("{count} errors in the documents; nothing was changed"),
            })
        }
    }
}

impl From<DatapathError> for Failure {
    fn from(error: DatapathError) -> Self {
        match error {
            DatapathError::NotPermitted(_) => Self::system(
                "moat needs CAP_NET_ADMIN in this network namespace to read and change the switch; \
                 nothing was changed",
            )
            .help("run it as root: sudo moat …"),
            DatapathError::Changed => Self::state(error.to_string()).help(
                "something else changes the ruleset without pause; find it with `nft monitor`",
            ),
            DatapathError::Refused(_) => Self::system(error.to_string()).help(
                "`moat doctor` says what this kernel can do; the last good policy is in force",
            ),
            DatapathError::Unreachable(_) => Self::system(format!("{error}; nothing was changed"))
                .help("`moat doctor` says what is missing"),
        }
    }
}

impl From<inventory::ObserveError> for Failure {
    fn from(error: inventory::ObserveError) -> Self {
        Self::system(format!("{error}; nothing was changed"))
    }
}
