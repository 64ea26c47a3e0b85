//! `moat lab`: shows policies at work in a throw-away host made of namespaces.

use crate::fault::{Failure, Outcome};

/// What `moat lab` is asked to do.
#[derive(clap::Args, Debug)]
pub(crate) struct Arguments {
    /// What to pass on.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub arguments: Vec<String>,
}

/// Runs it.
///
/// # Errors
/// See [`Failure`].
pub(crate) fn run(_arguments: &Arguments) -> Result<Outcome, Failure> {
    Err(Failure::usage("this build of moat has no lab"))
}
