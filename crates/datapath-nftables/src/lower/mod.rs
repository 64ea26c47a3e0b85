//! A program → the table that carries it out. Knows the mapping of docs/nftables.md; a pure
//! function of program, capabilities and what else is on the host.

pub(crate) mod base;
mod behaviours;
mod conditions;
mod limits;
mod lists;
mod matching;
pub(crate) mod names;
mod shared;

use policy::HostProgram;
use policy::document::Stateful;

use crate::ruleset::Ruleset;
use behaviours::Behaviours;
use lists::Lists;

pub use names::{LOG_GROUP, table};

/// What happens to interfaces that neither a port nor an uplink claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantine {
    pub foreign: Foreign,
}

/// How frames of managed bridges are told from frames of others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// No bridge is managed: unknown interfaces are none of our business.
    Untouched,
    /// By the bridge's name, which the kernel gives as `meta ibrname`: complete, also for
    /// interfaces that appear later.
    ByBridge,
    /// Without it: everything is quarantined but these interfaces, which are ports of bridges that
    /// are declared as not managed.
    ByInterface(Vec<u32>),
}

/// Lowers a program that [`datapath::resolve`] has fitted to this kernel.
pub fn lower(program: &HostProgram, quarantine: &Quarantine) -> Ruleset {
    let mut ruleset = Ruleset::default();
    let tracking =
        program.behaviours.values().any(|behaviour| behaviour.stateful != Stateful::Off);
    base::declare_shared_sets(&mut ruleset);
    {
        let mut behaviours =
            Behaviours { program, ruleset: &mut ruleset, lists: Lists::default(), tracking };
        for behaviour in program.behaviours.values() {
            behaviours.add(behaviour);
        }
    }
    base::chains(&mut ruleset, program, quarantine, tracking);
    for port in program.ports.values() {
        if let Some(behaviour) = program.behaviours.get(&port.behaviour) {
            base::port(&mut ruleset, port, behaviour, tracking);
            limits::port(&mut ruleset, port);
            if tracking {
                base::zone(&mut ruleset, port);
            }
        }
    }
    base::finish(&mut ruleset);
    for set in ruleset.sets.values_mut() {
        set.elements.sort_unstable();
        set.elements.dedup();
    }
    ruleset
}
