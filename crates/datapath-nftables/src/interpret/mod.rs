//! Says what a table of the bridge family does with a frame, expression by expression as the kernel would, and
//! why. Knows nf_tables' machine; leaves to others what a table should do, and where it comes from.
//!
//! The table can be one read back from the kernel ([`Interpreter::new`]) or one that was never installed
//! ([`Interpreter::from_parts`]). [`Interpreter::run`] is a pure function: it counts nothing, logs nothing and
//! changes no set. What it cannot know (the time, a random number, another table's rules, an expression that the
//! model does not spell out) is an [`InterpretError`], never a guess.
//!
//! Frames are as they arrive on a port. Bridge connection tracking defragments and trims between priorities below
//! and above -200: who asks about fragments on a host that tracks connections asks about the whole packet.

mod evaluate;
mod extension;
mod load;
mod machine;
mod outcome;
mod packet;
mod registers;
mod set_index;
mod state;
mod table_index;
mod tracking;

pub use outcome::{
    Decision, FinalVerdict, InterpretError, Outcome, RulePlace, SetHit, StepResult, TraceStep,
};
pub use packet::{ConnectionState, LaterFragments, Options, Packet};

use nftables::{Chain, Element, HookPoint, Object, Rule, Set, TableContents};

use table_index::TableIndex;

/// A table, indexed for looking frames up in it.
#[derive(Debug)]
pub struct Interpreter<'a> {
    table: TableIndex<'a>,
}

impl<'a> Interpreter<'a> {
    /// A table as the kernel reported it. A dormant table's chains see no frame, so it accepts everything.
    #[must_use]
    pub fn new(table: &'a TableContents) -> Self {
        Self {
            table: TableIndex::of_contents(table),
        }
    }

    /// A table from its parts. Chains and rules are taken in the order in which they would be added: rules of one
    /// chain run in that order, and of base chains of the same hook and priority the one added last runs first.
    #[must_use]
    pub fn from_parts<E>(
        chains: impl IntoIterator<Item = &'a Chain>,
        rules: impl IntoIterator<Item = &'a Rule>,
        sets: impl IntoIterator<Item = (&'a Set, E)>,
        objects: impl IntoIterator<Item = &'a Object>,
    ) -> Self
    where
        E: IntoIterator<Item = &'a Element>,
    {
        Self {
            table: TableIndex::of_parts(chains, rules, sets, objects),
        }
    }

    /// What all base chains at `hook` do with a frame: each limit and quota is taken as not reached.
    ///
    /// # Errors
    /// See [`InterpretError`].
    pub fn run(&self, hook: HookPoint, packet: &Packet<'_>) -> Result<Outcome, InterpretError> {
        self.run_with(hook, packet, Options::default())
    }

    /// As [`Interpreter::run`], with every rule that was tried in [`Outcome::steps`].
    ///
    /// # Errors
    /// See [`InterpretError`].
    pub fn trace(&self, hook: HookPoint, packet: &Packet<'_>) -> Result<Outcome, InterpretError> {
        let options = Options {
            steps: true,
            ..Options::default()
        };
        self.run_with(hook, packet, options)
    }

    /// As [`Interpreter::run`], with options.
    ///
    /// # Errors
    /// See [`InterpretError`].
    pub fn run_with(
        &self,
        hook: HookPoint,
        packet: &Packet<'_>,
        options: Options,
    ) -> Result<Outcome, InterpretError> {
        machine::run(&self.table, hook, packet, options)
    }
}

#[cfg(test)]
mod tests;
