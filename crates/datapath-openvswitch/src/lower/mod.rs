//! From a program and a bridge to flows. A pure function: the same program on the same bridge gives
//! the same flows, and parts that did not change give flows that did not change.
//!
//! ```text
//!  0 ENTRY      whose port? its own MAC? which VLAN? tag off, behaviour and guards into registers
//! 40 FITNESS    can it be read?                    41, 42 SETS   which address sets are its ends in?
//! 43 SENDER     its own addresses?                 44 SPEECH     no DHCP server, router, others' ND
//! 50 CLASS      arp, nd, dhcp, packet or other     51 STATE      ask the tracker → 59 TRACKED
//! 52 LISTS      each list of the behaviour → 53 RULES: the first rule that matches
//! 54 DECISION   what the rules said, or the class, or the default
//! 55 FORWARD    to whose MAC it is, to all for groups, else 56 LEARNED, else 58 FLOOD
//!  ├─ unmanaged ports and the host: 61 COMMIT_SENDER, tag on, output
//!  └─ managed ports, a copy for each behaviour:
//!     45 RECEIVER  its tags? → 47 MACS, 48 REACHED: may the sender reach it?  49 SERVERS
//!     50 CLASS … 54 DECISION once more, now towards the port
//!     60 COMMIT    the connection becomes known    57 DELIVERY   tag on, output
//! 62 ZONES, 63 REFLECTED, 64 and 65 TAG: looked up on the way
//! ```
//!
//! Why it is like this:
//! - *Not NORMAL.* NORMAL chooses the output after the pipeline, so a receiver's policy would have no
//!   say; it floods to ports that nobody has admitted yet; and a MAC that it has learned behind a
//!   managed port is a way around that port's policy. So a bridge forwards by flows: MACs of managed
//!   ports and of the host are known, those behind other ports are learned by `learn`. `NO_FLOOD`,
//!   which NORMAL heeds, can be set by OpenFlow 1.0 alone, and a port that is just plugged in lacks it.
//! - *VLANs are kept in a register* and the frame is untagged inside. `Port.tag` means nothing to
//!   `output`; so each way out puts the tag on that its port wants, and a receiver's rules see the
//!   frame as the receiver will.
//! - *A group's frame is judged once for each behaviour*, not for each port: `in` depends on nothing
//!   else, and a translation may resubmit 4,096 times at most.
//! - *Lists are shared*: a list is a number in a register, its rules' priorities are their order.
//!   LISTS resubmits for one list after the other; RULES matches only while nothing is decided.
//! - *A set of addresses is one bit* of a register for each end, set by one lookup of the longest
//!   prefix that knows all sets. So a set costs its prefixes, once, and 100 sources × 100 destinations
//!   × 10 ports are 100 + 100 + 10 flows, where conjunctive matches would need theirs in every rule.
//! - *What cannot be masked* (protocol, ICMP type, ethertype, ARP operation) is copied to a register.
//! - *What the switch cannot read* counts as unknown, as a later fragment's ports do: `drop` takes
//!   it for a match, `accept` does not, and `drop` that only watches does not either. [`Lack`]s
//!   tell which rules that is.

mod admission;
mod classes;
mod conditions;
mod cover;
mod forward;
mod guards;
pub mod identity;
pub mod layout;
mod parts;
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
pub use parts::{Changes, Lowerer};

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
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
    let mut lowerer = Lowerer::default();
    lowerer.lower(program, topology);
    lowerer.lowered()
}

/// One program on one bridge, and the part of the flows that is being made.
struct Lowering<'a> {
    program: &'a HostProgram,
    topology: &'a Topology,
    /// Ports by device.
    claims: BTreeMap<&'a str, &'a Arc<PortProgram>>,
    identities: &'a mut Identities,
    slots: &'a mut sets::Slots,
    making: parts::Part,
}

impl<'a> Lowering<'a> {
    /// The port of the program that has this device.
    fn claimed(&self, device: &str) -> Option<&'a Arc<PortProgram>> {
        self.claims.get(device).copied()
    }

    /// Behaviours that ports of this bridge have.
    fn behaviours(&self) -> Vec<&'a Arc<Behaviour>> {
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
        self.making.flows.insert(key, FlowBody { cookie, actions });
    }
}
