//! From whatever a switch does to what a program says. Knows when to try again; how a change is made
//! is left to the datapath.

use policy::HostProgram;

use crate::contract::{Datapath, DatapathError};

/// How often a plan is made anew because something else changed the switch in between.
const ATTEMPTS: u32 = 10;

/// How it went.
#[derive(Debug)]
pub struct Convergence<D: Datapath> {
    /// The change that was committed; `None` where there was nothing to do, and nothing was written.
    pub change: Option<D::Change>,
    /// What the switch does now, read after the commit.
    pub installed: D::Installed,
    /// How often something else got in between.
    pub retries: u32,
}

/// Reads, plans, commits and reads back until a plan finds nothing to do.
///
/// # Errors
/// The last error. [`DatapathError::Changed`] only where something changes the switch without pause.
/// In every case either nothing of a change is in force, or all of it.
pub fn converge<D: Datapath>(
    datapath: &mut D,
    program: &HostProgram,
) -> Result<Convergence<D>, DatapathError> {
    let mut retries = 0;
    let mut committed = None;
    loop {
        let installed = datapath.read()?;
        let change = datapath.plan(program, &installed);
        if D::is_nothing(&change) {
            return Ok(Convergence {
                change: committed,
                installed,
                retries,
            });
        }
        if retries >= ATTEMPTS {
            return Err(DatapathError::Changed);
        }
        match datapath.commit(&change) {
            // Read back: what another changed since is found and mended in the next round.
            Ok(()) => {
                retries += u32::from(committed.is_some());
                committed = Some(change);
            }
            Err(DatapathError::Changed) => retries += 1,
            Err(error) => return Err(error),
        }
    }
}
