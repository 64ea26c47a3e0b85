//! What can go wrong when changes are committed or something is read, and who is at fault.

use std::fmt;
use std::io;

/// Why a batch did not take effect. Nothing of it did, but for [`CommitError::Unconfirmed`] and
/// [`CommitError::NoBuffer`], which do not know.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Somebody changed the ruleset since the batch's generation was read.
    #[error("the ruleset changed since it was read: read it again and make the batch anew")]
    GenerationChanged,
    /// The kernel refused some changes.
    #[error("{}", describe_refusals(.0))]
    Refused(Vec<Refusal>),
    /// The process lacks CAP_NET_ADMIN in this network namespace.
    #[error("changing nf_tables needs CAP_NET_ADMIN in this network namespace")]
    NotPermitted,
    /// A change does not fit a netlink message, whose attributes end at 65,535 bytes.
    #[error("{operation}: does not fit a netlink message; use fewer or shorter expressions")]
    OversizedChange {
        /// Which.
        operation: String,
    },
    /// The batch is larger than the socket may send.
    #[error(
        "the batch has {bytes} bytes, more than this process may send: run as root of the first user \
         namespace, or raise net.core.wmem_max"
    )]
    OversizedBatch {
        /// Its size.
        bytes: usize,
    },
    /// The kernel had no memory for the answers, so it is unknown which changes it refused.
    #[error("the kernel had no room for its answers: commit fewer changes at once")]
    NoBuffer,
    /// No answer came: the batch may have taken effect. Read the table.
    #[error("the kernel neither confirmed nor refused the batch: read the table to see")]
    Unconfirmed,
    /// The socket failed.
    #[error("netlink socket: {0}")]
    Socket(#[from] io::Error),
}

/// One change the kernel refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Which message of the batch, from 0; `None` if it was none of them.
    pub message: Option<usize>,
    /// What that message was to do.
    pub operation: String,
    /// The kernel's error number.
    pub errno: i32,
    /// What the kernel says about it.
    pub text: Option<String>,
    /// The attribute it objects to, in bytes from the start of the message.
    pub offset: Option<u32>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error = io::Error::from_raw_os_error(self.errno);
        write!(formatter, "{}: {error}", self.operation)?;
        match &self.text {
            Some(text) => write!(formatter, ": {text}"),
            None => Ok(()),
        }
    }
}

fn describe_refusals(refusals: &[Refusal]) -> String {
    let shown: Vec<String> = refusals.iter().take(3).map(Refusal::to_string).collect();
    let more = match refusals.len().saturating_sub(shown.len()) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    format!("the kernel refused: {}{more}", shown.join("; "))
}

/// Why something could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The kernel refused to tell.
    #[error("reading {what}: {}", io::Error::from_raw_os_error(*.errno))]
    Refused {
        /// What was asked for.
        what: &'static str,
        /// The kernel's error number.
        errno: i32,
    },
    /// The kernel's report contradicts nf_tables' own description.
    #[error(
        "the kernel's report on {what} is malformed: please report this with the kernel's version"
    )]
    Malformed {
        /// What was asked for.
        what: &'static str,
    },
    /// The ruleset changed during every attempt.
    #[error(
        "the ruleset changed during each of {attempts} attempts to read it: try again when it is quiet"
    )]
    Unsteady {
        /// How many.
        attempts: u32,
    },
    /// The kernel did not answer.
    #[error("the kernel did not answer a request for {what}")]
    NoAnswer {
        /// What was asked for.
        what: &'static str,
    },
    /// The socket failed.
    #[error("netlink socket: {0}")]
    Socket(#[from] io::Error),
}
