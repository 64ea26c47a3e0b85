//! Change after change by one process: what a change costs follows what it changes. Knows for how
//! long it may rely on what it committed last: as long as nobody's commit came between.

use std::collections::VecDeque;

use ::datapath::{
    ConnectionMemory, Counters, Datapath, DatapathError, Enforced, Enforcement, HostCapabilities,
};
use nftables::{ReadError, Statistics};
use policy::HostProgram;

use crate::datapath::NftablesDatapath;
use crate::difference::{Change, Line};
use crate::incremental::{Skeleton, ports_alone, shares_all, with_shared};
use crate::lower::table;
use crate::memory::KernelMemory;

/// How often to begin anew because somebody else committed in between.
const ATTEMPTS: u32 = 10;
/// How many of its own commits a session knows again: word of them is at most so late.
const MOST_OWN: usize = 1024;

/// A datapath and what it is known to carry out.
///
/// The kernel counts every commit of anybody in its network namespace (the generation). A batch of
/// ours is refused unless it meets the generation that it was made for, and if the next one is its
/// successor, then the table is what we made it and need not be read again. Whatever happens
/// otherwise, the table is read, wholly, before anything is changed (promise 5).
#[derive(Debug)]
pub struct Session {
    datapath: NftablesDatapath,
    known: Option<Known>,
    /// Generations that its commits made, the latest last.
    own: VecDeque<u32>,
}

#[derive(Debug)]
struct Known {
    generation: u32,
    program: HostProgram,
    /// Made when it is needed for the first time; void when anything but a port changes.
    skeleton: Option<Skeleton>,
}

/// What a call to [`Session::apply`] did.
#[derive(Debug, Default)]
pub struct Applied {
    /// As [`Change::summary`], of all batches that were committed.
    pub summary: Vec<Line>,
    /// Changes that were committed: 0 where there was nothing to do.
    pub commits: u32,
    /// What the last of them cost.
    pub cost: Statistics,
    /// How often the whole table was read.
    pub reads: u32,
}

impl Session {
    pub fn new(datapath: NftablesDatapath) -> Self {
        Self {
            datapath,
            known: None,
            own: VecDeque::new(),
        }
    }

    /// Goes on where another session ended, in this process or in one before: the kernel's table carried
    /// out `program` at `generation`, as far as anybody knows. Where the generation is another one by now, this
    /// begins like a new session.
    pub fn resume(datapath: NftablesDatapath, generation: u32, program: HostProgram) -> Self {
        Self {
            datapath,
            known: Some(Known {
                generation,
                program,
                skeleton: None,
            }),
            own: VecDeque::new(),
        }
    }

    /// The generation at which the table is what was applied last; `None` before that.
    pub fn known_generation(&self) -> Option<u32> {
        self.known.as_ref().map(|known| known.generation)
    }

    /// The datapath, for reading. What is committed through it is noticed like anybody's commit.
    pub fn datapath(&mut self) -> &mut NftablesDatapath {
        &mut self.datapath
    }

    /// Brings the switch to a program that [`::datapath::resolve`] has fitted to it.
    ///
    /// # Errors
    /// As [`::datapath::converge`].
    pub fn apply(&mut self, program: HostProgram) -> Result<Applied, DatapathError> {
        let mut applied = Applied::default();
        for _ in 0..ATTEMPTS {
            let generation = self.generation()?;
            let known = self.known.take();
            let (change, skeleton) = match known.filter(|known| known.generation == generation) {
                Some(known) => match self.plan_from_known(known, &program)? {
                    Some(planned) => planned,
                    None => (self.plan_from_switch(&program, &mut applied)?, None),
                },
                None => (self.plan_from_switch(&program, &mut applied)?, None),
            };
            let read_at = change.before.generation().unwrap_or(generation);
            if change.is_empty() {
                self.known = Some(Known {
                    generation: read_at,
                    program,
                    skeleton,
                });
                return Ok(applied);
            }
            match self.datapath.commit(&change) {
                Ok(()) => {}
                Err(DatapathError::Changed) => continue,
                Err(error) => return Err(error),
            }
            let transactions = change.batches().filter(|batch| !batch.is_empty()).count();
            let mut expected = read_at;
            for _ in 0..transactions {
                expected = successor(expected);
                self.own.push_back(expected);
            }
            let older = self.own.len().saturating_sub(MOST_OWN);
            self.own.drain(..older);
            applied.cost = change.cost();
            applied.commits += 1;
            applied.summary.extend(change.summary);
            if self.generation()? == expected {
                self.known = Some(Known {
                    generation: expected,
                    program,
                    skeleton,
                });
                return Ok(applied);
            }
        }
        Err(DatapathError::Changed)
    }

    fn generation(&mut self) -> Result<u32, DatapathError> {
        self.datapath.connection().generation().map_err(unreadable)
    }

    /// `None` where the change cannot be told from what differs.
    fn plan_from_known(
        &mut self,
        known: Known,
        program: &HostProgram,
    ) -> Result<Option<(Change, Option<Skeleton>)>, DatapathError> {
        let capabilities = self.datapath.capabilities()?;
        if shares_all(&known.program, program) {
            let skeleton = match known.skeleton {
                Some(skeleton) => skeleton,
                None => Skeleton::of(program, &capabilities),
            };
            let change = ports_alone(&skeleton, &known.program, program, known.generation);
            if let Some(change) = change {
                return Ok(Some((change, Some(skeleton))));
            }
        }
        let (generation, rules) = self
            .datapath
            .connection()
            .rules(&table())
            .map_err(unreadable)?;
        if generation != known.generation {
            return Ok(None);
        }
        let change = with_shared(&known.program, program, &capabilities, &rules, generation);
        Ok(change.map(|change| (change, None)))
    }

    fn plan_from_switch(
        &mut self,
        program: &HostProgram,
        applied: &mut Applied,
    ) -> Result<Change, DatapathError> {
        self.datapath.capabilities()?;
        let installed = self.datapath.read()?;
        applied.reads += 1;
        Ok(self.datapath.plan(program, &installed))
    }
}

/// The kernel skips 0 (nf_tables_commit).
fn successor(generation: u32) -> u32 {
    generation.wrapping_add(1).max(1)
}

fn unreadable(error: ReadError) -> DatapathError {
    DatapathError::Unreachable(error.to_string())
}

impl Enforcement for Session {
    fn capabilities(&mut self) -> Result<HostCapabilities, DatapathError> {
        Ok(self.datapath.capabilities()?.into())
    }

    fn enforce(&mut self, program: HostProgram) -> Result<Enforced, DatapathError> {
        let applied = self.apply(program)?;
        let changes = applied.summary.iter().map(|line| {
            format!(
                "{} {} +{} -{}",
                line.kind, line.name, line.added, line.removed
            )
        });
        Ok(Enforced {
            commits: applied.commits,
            changes: changes.collect(),
            held_back: Vec::new(),
        })
    }

    fn counters(&mut self) -> Result<Counters, DatapathError> {
        let installed = self.datapath.read()?;
        Ok(NftablesDatapath::counters(&installed))
    }

    fn is_own(&self, generation: u32) -> bool {
        self.own.contains(&generation)
    }

    fn memory(&mut self) -> Result<Option<Box<dyn ConnectionMemory>>, DatapathError> {
        if !self.datapath.capabilities()?.connection_tracking.present {
            return Ok(None);
        }
        match KernelMemory::open() {
            Ok(memory) => Ok(Some(Box::new(memory))),
            Err(error) => Err(DatapathError::Unreachable(error.to_string())),
        }
    }
}
