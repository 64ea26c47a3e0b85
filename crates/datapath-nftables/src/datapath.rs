//! The shell around lowering and difference: one netlink connection that probes, reads and commits.

use ::datapath::{Capabilities, CounterValue, Counters, Datapath, DatapathError, PortCounters};
use nftables::{
    Batch, CommitError, Connection, Counter, Expression, ObjectState, ReadError, TableContents,
};
use policy::HostProgram;

use crate::difference::{Change, difference};
use crate::lower::{lower, names, table};
use crate::probe;

/// The bridge family of nf_tables in the network namespace in which this was opened.
#[derive(Debug)]
pub struct NftablesDatapath {
    connection: Connection,
    capabilities: Option<Capabilities>,
}

/// Our table as the kernel has it.
#[derive(Clone, Debug)]
pub struct Installed {
    /// `None`: it is not there.
    pub contents: Option<TableContents>,
    /// Of the whole ruleset, at the moment of reading.
    pub generation: u32,
}

impl NftablesDatapath {
    /// Opens it for the calling thread's network namespace.
    ///
    /// # Errors
    /// Where the kernel gives no netlink socket.
    pub fn open() -> Result<Self, DatapathError> {
        let connection =
            Connection::open().map_err(|error| DatapathError::Unreachable(error.to_string()))?;
        Ok(Self {
            connection,
            capabilities: None,
        })
    }

    /// The connection, for what is beyond the contract.
    pub fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// Plans with these capabilities instead of those found.
    pub fn assume(&mut self, capabilities: Capabilities) {
        self.capabilities = Some(capabilities);
    }
}

impl Datapath for NftablesDatapath {
    type Installed = Installed;
    type Change = Change;

    fn capabilities(&mut self) -> Result<Capabilities, DatapathError> {
        if let Some(known) = &self.capabilities {
            return Ok(known.clone());
        }
        let found = probe::capabilities()?;
        self.capabilities = Some(found.clone());
        Ok(found)
    }

    fn read(&mut self) -> Result<Installed, DatapathError> {
        let contents = self.connection.dump_table(&table()).map_err(unreadable)?;
        let generation = match &contents {
            Some(contents) => contents.generation,
            None => self.connection.generation().map_err(unreadable)?,
        };
        Ok(Installed {
            contents,
            generation,
        })
    }

    fn plan(&self, program: &HostProgram, installed: &Installed) -> Change {
        let capabilities = self.capabilities.clone().unwrap_or_default();
        let desired = lower(program, &capabilities);
        difference(
            installed.contents.as_ref(),
            Some(installed.generation),
            &desired,
        )
    }

    fn is_nothing(change: &Change) -> bool {
        change.is_empty()
    }

    fn commit(&mut self, change: &Change) -> Result<(), DatapathError> {
        // Only the second changes what becomes of a frame: where the first fails nothing has
        // happened, where the third does the next plan takes away what is left.
        for batch in change.batches().filter(|batch| !batch.is_empty()) {
            self.connection.commit(batch).map_err(refused)?;
        }
        Ok(())
    }

    fn remove(&mut self) -> Result<(), DatapathError> {
        let installed = self.read()?;
        if installed.contents.is_none() {
            return Ok(());
        }
        let mut batch = Batch::new(Some(installed.generation));
        batch.delete_table(&table());
        self.connection.commit(&batch).map_err(refused)
    }

    fn counters(installed: &Installed) -> Counters {
        let mut counters = Counters::default();
        let Some(contents) = &installed.contents else {
            return counters;
        };
        for object in &contents.objects {
            if let ObjectState::Counter(counter) = object.value.state {
                counters
                    .rules
                    .insert(object.value.name.clone(), value(counter));
            }
        }
        for (set, place) in [
            (
                names::IN,
                (|port, counted| port.inward = counted) as fn(&mut PortCounters, CounterValue),
            ),
            (names::PORTS, |port, counted| port.forged = counted),
        ] {
            for element in contents.set(set).iter().flat_map(|set| &set.elements) {
                let counter = element
                    .expressions
                    .iter()
                    .find_map(|expression| match expression {
                        Expression::Counter(counter) => Some(*counter),
                        _ => None,
                    });
                if let (Some(name), Some(counter)) = (element.userdata.as_comment(), counter) {
                    place(
                        counters.ports.entry(name.to_owned()).or_default(),
                        value(counter),
                    );
                }
            }
        }
        counters
    }
}

fn value(counter: Counter) -> CounterValue {
    CounterValue {
        frames: counter.packets,
        bytes: counter.bytes,
    }
}

fn unreadable(error: ReadError) -> DatapathError {
    const EPERM: i32 = 1;
    match error {
        // Netlink lets nobody else read nf_tables either.
        ReadError::Refused { errno: EPERM, .. } => DatapathError::NotPermitted(error.to_string()),
        other => DatapathError::Unreachable(other.to_string()),
    }
}

fn refused(error: CommitError) -> DatapathError {
    match error {
        CommitError::GenerationChanged => DatapathError::Changed,
        CommitError::NotPermitted => DatapathError::NotPermitted(error.to_string()),
        other => DatapathError::Refused(other.to_string()),
    }
}
