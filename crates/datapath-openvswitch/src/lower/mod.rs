//! From a program and a bridge to flows. A pure function: the same program on the same bridge gives
//! the same flows, and parts that did not change give flows that did not change.

mod admission;
mod classes;
mod conditions;
mod cover;
mod forward;
mod guards;
pub mod identity;
pub mod layout;
mod receivers;
mod rules;
mod sets;
mod tracking;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use policy::HostProgram;
use policy::document::Stateful;
use policy::origin::Origin;
use policy::program::{Behaviour, CompiledRule, PortProgram};

use crate::flow::{Action, Cube, Flow};
use crate::topology::{PortVlan, Topology, TopologyPort};

pub use identity::Counted;
use identity::Identities;

/// What a bridge must do to carry out a program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lowered {
    /// By what identifies a flow in the switch.
    pub flows: BTreeMap<FlowKey, FlowBody>,
    /// What flows of each cookie count.
    pub counted: BTreeMap<u64, Counted>,
    /// What the switch cannot do as it is written.
    pub lacks: BTreeSet<Lack>,
}

/// Table, priority and match.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FlowKey {
    pub table: u8,
    pub priority: u16,
    pub matching: Cube,
}

/// What may change without becoming another flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowBody {
    pub cookie: u64,
    pub actions: Vec<Action>,
}

impl Lowered {
    /// As flows, in order.
    pub fn flows(&self) -> impl Iterator<Item = Flow> + '_ {
        self.flows.iter().map(|(key, body)| Flow {
            table: key.table,
            priority: key.priority,
            matching: key.matching.clone(),
            cookie: body.cookie,
            actions: body.actions.clone(),
        })
    }
}

/// A rule that the switch cannot carry out to the letter: what it does instead passes less.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lack {
    /// Id of the rule.
    pub rule: String,
    /// As a person would write it.
    pub text: String,
    pub reason: String,
    pub origin: Origin,
}

impl Lack {
    fn new(rule: &CompiledRule, reason: &str) -> Self {
        Self {
            rule: rule.id.clone(),
            text: rule.text.clone(),
            reason: reason.to_owned(),
            origin: rule.origin.clone(),
        }
    }
}

/// The flows for one bridge.
pub fn lower(program: &HostProgram, topology: &Topology) -> Lowered {
    let mut lowering = Lowering {
        program,
        topology,
        claims: claims(program, topology),
        identities: Identities::default(),
        slots: sets::Slots::default(),
        lowered: Lowered::default(),
        lacks: BTreeSet::new(),
    };
    lowering.run();
    let mut lowered = lowering.lowered;
    lowered.counted = lowering.identities.counted;
    lowered.lacks = lowering.lacks;
    lowered
}

fn claims<'a>(program: &'a HostProgram, topology: &Topology) -> BTreeMap<&'a str, &'a PortProgram> {
    program
        .ports
        .values()
        .filter(|port| port.bridge == topology.bridge)
        .map(|port| (port.device.as_str(), port.as_ref()))
        .collect()
}

struct Lowering<'a> {
    program: &'a HostProgram,
    topology: &'a Topology,
    /// Ports by device.
    claims: BTreeMap<&'a str, &'a PortProgram>,
    identities: Identities,
    slots: sets::Slots,
    lowered: Lowered,
    lacks: BTreeSet<Lack>,
}

impl<'a> Lowering<'a> {
    fn run(&mut self) {
        self.entry();
        self.fitness();
        self.guards();
        self.receivers();
        self.classes();
        self.decisions();
        self.rules();
        for behaviour in self.behaviours() {
            self.order(behaviour);
            self.defaults(behaviour);
            self.generations(behaviour);
        }
        self.tracking();
        // After the rules, which say what sets there are.
        self.sets();
        self.forwarding();
    }

    /// The port of the program that has this device.
    fn claimed(&self, device: &str) -> Option<&'a PortProgram> {
        self.claims.get(device).copied()
    }

    /// Behaviours that ports of this bridge have.
    fn behaviours(&self) -> Vec<&'a Behaviour> {
        let program = self.program;
        let present = self
            .topology
            .ports
            .keys()
            .filter_map(|name| self.claimed(name));
        let names: BTreeSet<&String> = present.map(|port| &port.behaviour).collect();
        names
            .into_iter()
            .filter_map(|name| program.behaviours.get(name))
            .map(Arc::as_ref)
            .collect()
    }

    fn is_managed(&self) -> bool {
        let bridge = self.program.bridges.get(&self.topology.bridge);
        bridge.is_some_and(|bridge| bridge.managed)
    }

    /// A port that is nobody's and not filtered: an uplink, or any of a bridge that is not managed.
    fn is_open(&self, name: &str, port: &TopologyPort) -> bool {
        let bridge = self.program.bridges.get(&self.topology.bridge);
        let uplink = bridge.is_some_and(|bridge| bridge.uplinks.contains_key(name));
        let foreign = self.program.foreign.get(&self.topology.bridge);
        let foreign = port
            .ifindex
            .is_some_and(|index| foreign.is_some_and(|all| all.contains(&index)));
        uplink || foreign
    }

    fn local_vlan(&self) -> PortVlan {
        self.topology
            .local_vlan
            .map_or(PortVlan::Trunk, PortVlan::Access)
    }

    fn tracks(&self, behaviour: &Behaviour) -> bool {
        behaviour.stateful != Stateful::Off
    }

    /// A flow that counts nothing in particular.
    fn step(&mut self, table: u8, priority: u16, matching: Cube, actions: Vec<Action>) {
        self.counted(table, priority, matching, &Counted::Step, actions);
    }

    fn counted(
        &mut self,
        table: u8,
        priority: u16,
        matching: Cube,
        counted: &Counted,
        actions: Vec<Action>,
    ) {
        let cookie = self.identities.cookie(counted);
        let key = FlowKey {
            table,
            priority,
            matching,
        };
        self.lowered.flows.insert(key, FlowBody { cookie, actions });
    }
}
