//! A program → the table that carries it out. Knows the mapping of docs/nftables.md; a pure
//! function of program, capabilities and what else is on the host.

pub(crate) mod base;
mod behaviours;
mod conditions;
pub(crate) mod learning;
mod limits;
mod lists;
pub(crate) mod matching;
pub(crate) mod names;
mod shared;

use std::sync::Arc;

use ::datapath::Capabilities;
use policy::HostProgram;
use policy::document::Stateful;
use policy::program::PortProgram;

use crate::ruleset::Ruleset;
use behaviours::Behaviours;
use lists::Lists;

pub(crate) use behaviours::{arp_verdict, takes_all_arp};
pub use names::{LEARN_GROUP, LOG_GROUP, table};

/// How frames of managed bridges are told from frames of others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Foreign {
    /// No bridge is managed: unknown interfaces are none of our business.
    Untouched,
    /// By the bridge's name, which the kernel gives as `meta ibrname`: complete, also for
    /// interfaces that appear later.
    ByBridge,
    /// Without it: everything is quarantined but these interfaces, which are ports of bridges that
    /// are declared as not managed.
    ByInterface(Vec<u32>),
}

impl Foreign {
    fn of(program: &HostProgram, capabilities: &Capabilities) -> Self {
        if !program.bridges.values().any(|bridge| bridge.managed) {
            Self::Untouched
        } else if capabilities.bridge_name.present {
            Self::ByBridge
        } else {
            Self::ByInterface(program.foreign.values().flatten().copied().collect())
        }
    }
}

/// Lowers a program that [`datapath::resolve`] has fitted to this kernel.
pub fn lower(program: &HostProgram, capabilities: &Capabilities) -> Ruleset {
    with_ports(
        shared(program, capabilities),
        program,
        program.ports.values(),
    )
}

/// What is there however many ports there are; [`with_ports`] completes it.
pub(crate) fn shared(program: &HostProgram, capabilities: &Capabilities) -> Ruleset {
    let foreign = Foreign::of(program, capabilities);
    let mut ruleset = Ruleset::default();
    let tracking = tracks(program);
    base::declare_shared_sets(&mut ruleset);
    {
        let mut behaviours = Behaviours {
            program,
            ruleset: &mut ruleset,
            lists: Lists::default(),
            tracking,
        };
        for behaviour in program.behaviours.values() {
            behaviours.add(behaviour);
        }
    }
    base::chains(&mut ruleset, program, &foreign, tracking);
    ruleset
}

/// Adds the elements of these ports, and what is there only because one of them needs it.
pub(crate) fn with_ports<'a>(
    mut ruleset: Ruleset,
    program: &HostProgram,
    ports: impl Iterator<Item = &'a Arc<PortProgram>>,
) -> Ruleset {
    let tracking = tracks(program);
    for port in ports {
        if let Some(behaviour) = program.behaviours.get(&port.behaviour) {
            base::port(&mut ruleset, port, behaviour, tracking);
            limits::port(&mut ruleset, port);
            learning::port(&mut ruleset, port, behaviour);
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
    base::unambiguous_zones(&mut ruleset);
    ruleset
}

/// Whether some port tracks connections.
pub(crate) fn tracks(program: &HostProgram) -> bool {
    let mut behaviours = program.behaviours.values();
    behaviours.any(|behaviour| behaviour.stateful != Stateful::Off)
}
