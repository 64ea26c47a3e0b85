//! Flows by what they are made from, so that a change costs its own parts alone. Knows which part
//! depends on what; what its flows are is left to the other modules.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use frame::MacAddress;
use policy::HostProgram;
use policy::program::{
    AddressSet, Behaviour, DefaultVerdict, MacSet, PortProgram, RuleList, Values,
};

use crate::topology::{PortVlan, Topology, TopologyPort};

use super::identity::Identities;
use super::sets::{Slots, Use};
use super::{FlowBody, FlowKey, Lack, Lowered, Lowering, forward};

/// Lowers programs for one bridge, one after the other, and tells what changes.
#[derive(Debug, Default)]
pub struct Lowerer {
    identities: Identities,
    slots: Slots,
    parts: BTreeMap<Key, (Vec<Input>, Part)>,
}

/// The flows of a part, and what else came of making them.
#[derive(Debug, Default)]
pub(super) struct Part {
    pub(super) flows: BTreeMap<FlowKey, FlowBody>,
    pub(super) lacks: BTreeSet<Lack>,
    /// Sets of addresses that its rules name.
    pub(super) sets: BTreeSet<Use>,
}

/// What became of flows: their new content, or nothing where they are gone.
pub type Changes = BTreeMap<FlowKey, Option<FlowBody>>;

/// Parts, of which no two have a flow in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    /// What every bridge has.
    Frame,
    /// By device.
    Port(String),
    Behaviour(String),
    List(String),
    Macs(String),
    Tracking,
    Forwarding,
    /// Last, for the rules say what sets there are.
    Sets,
}

/// What a part is made from. Shared ones are compared by where they are before what they are.
#[derive(Clone, Debug, PartialEq)]
enum Input {
    Bridge {
        managed: bool,
        local: PortVlan,
        ageing: u16,
        spreads: bool,
    },
    Place {
        place: TopologyPort,
        open: bool,
    },
    Port(OfPort),
    Behaviour(OfBehaviour),
    List(Arc<RuleList>),
    AddressSet(Arc<AddressSet>),
    Macs(Arc<MacSet>),
    Zones(BTreeMap<MacAddress, (u16, bool)>),
    Stations(Vec<forward::Station>),
    Sets(Vec<(Use, u32, Arc<AddressSet>)>),
}

/// A port, compared by what its flows are made from: not by where it is written.
#[derive(Clone, Debug)]
struct OfPort(Arc<PortProgram>);

impl PartialEq for OfPort {
    fn eq(&self, other: &Self) -> bool {
        let of = |port: &PortProgram| (port.mac, port.zone);
        let (one, other) = (&self.0, &other.0);
        Arc::ptr_eq(one, other)
            || of(one) == of(other)
                && (&one.name, &one.behaviour) == (&other.name, &other.behaviour)
                && (&one.ipv4, &one.ipv6) == (&other.ipv4, &other.ipv6)
    }
}

/// A behaviour, likewise.
#[derive(Clone, Debug)]
struct OfBehaviour(Arc<Behaviour>);

impl PartialEq for OfBehaviour {
    fn eq(&self, other: &Self) -> bool {
        let (one, other) = (&self.0, &other.0);
        let sources =
            |behaviour: &Behaviour| behaviour.isolation.as_ref().map(|it| it.sources.clone());
        let default =
            |default: &DefaultVerdict| (default.id.clone(), default.verdict, default.audit);
        Arc::ptr_eq(one, other)
            || (&one.name, &one.guards, one.stateful, one.dhcp)
                == (&other.name, &other.guards, other.stateful, other.dhcp)
                && (&one.learning, &one.tagged, &one.ethertypes)
                    == (&other.learning, &other.tagged, &other.ethertypes)
                && (&one.lists, sources(one)) == (&other.lists, sources(other))
                && default(&one.default_in) == default(&other.default_in)
                && default(&one.default_out) == default(&other.default_out)
    }
}

impl Lowerer {
    /// Brings the flows to a program, and says which are others than before.
    pub fn lower(&mut self, program: &HostProgram, topology: &Topology) -> Changes {
        let mut lowering = Lowering {
            program,
            topology,
            claims: claims(program, topology),
            identities: &mut self.identities,
            slots: &mut self.slots,
            making: Part::default(),
        };
        let mut work = Work {
            before: std::mem::take(&mut self.parts),
            after: BTreeMap::new(),
            changes: Changes::new(),
        };
        work.everything(&mut lowering);
        for (_, (_, part)) in std::mem::take(&mut work.before) {
            work.compare(part, &BTreeMap::new());
        }
        self.parts = work.after;
        work.changes
    }

    /// All flows.
    pub fn lowered(&self) -> Lowered {
        let parts = || self.parts.values().map(|(_, part)| part);
        let flows = parts().flat_map(|part| &part.flows);
        Lowered {
            flows: flows
                .map(|(key, body)| (key.clone(), body.clone()))
                .collect(),
            counted: self.identities.counted.clone(),
            lacks: parts().flat_map(|part| &part.lacks).cloned().collect(),
        }
    }

    /// What is wanted of a flow; `None`: that it is not there.
    pub fn wanted(&self, key: &FlowKey) -> Option<&FlowBody> {
        self.parts
            .values()
            .find_map(|(_, part)| part.flows.get(key))
    }

    /// What flows of a cookie count.
    pub fn counted(&self) -> &BTreeMap<u64, super::Counted> {
        &self.identities.counted
    }

    /// What the switch cannot do as it is written.
    pub fn lacks(&self) -> impl Iterator<Item = &Lack> {
        self.parts.values().flat_map(|(_, part)| &part.lacks)
    }
}

struct Work {
    before: BTreeMap<Key, (Vec<Input>, Part)>,
    after: BTreeMap<Key, (Vec<Input>, Part)>,
    changes: Changes,
}

impl Work {
    fn everything(&mut self, lowering: &mut Lowering<'_>) {
        let (program, topology) = (lowering.program, lowering.topology);
        let bridge = Input::Bridge {
            managed: lowering.is_managed(),
            local: lowering.local_vlan(),
            ageing: topology.ageing_seconds,
            spreads: lowering.spreads(),
        };
        self.part(lowering, Key::Frame, vec![bridge.clone()], |lowering| {
            lowering.entry();
            lowering.fitness();
            lowering.senders();
            lowering.speech();
            lowering.receivers();
            lowering.classes();
            lowering.decisions();
            lowering.tags();
        });
        for (device, place) in &topology.ports {
            let open = lowering.is_open(device, place);
            let mut inputs = vec![
                bridge.clone(),
                Input::Place {
                    place: place.clone(),
                    open,
                },
            ];
            if let Some(port) = lowering.claimed(device) {
                inputs.push(Input::Port(OfPort(port.clone())));
                let behaviour = program.behaviours.get(&port.behaviour);
                inputs.extend(
                    behaviour
                        .cloned()
                        .map(|it| Input::Behaviour(OfBehaviour(it))),
                );
            }
            self.part(lowering, Key::Port(device.clone()), inputs, |lowering| {
                lowering.place(device, place, open);
            });
        }
        let mut lists: BTreeSet<&String> = BTreeSet::new();
        let mut macs: BTreeSet<&String> = BTreeSet::new();
        for behaviour in lowering.behaviours() {
            lists.extend(&behaviour.lists);
            macs.extend(
                behaviour
                    .isolation
                    .iter()
                    .flat_map(|isolation| &isolation.sources),
            );
            let mut inputs = vec![Input::Behaviour(OfBehaviour(behaviour.clone()))];
            for list in behaviour
                .lists
                .iter()
                .filter_map(|name| program.lists.get(name))
            {
                inputs.extend(list_inputs(program, list));
            }
            let key = Key::Behaviour(behaviour.name.clone());
            self.part(lowering, key, inputs, |lowering| {
                lowering.behaviour(behaviour)
            });
        }
        for list in lists.into_iter().filter_map(|name| program.lists.get(name)) {
            let key = Key::List(list.name.clone());
            self.part(lowering, key, list_inputs(program, list), |lowering| {
                lowering.list(list)
            });
        }
        for name in macs {
            if let Some(set) = program.mac_sets.get(name) {
                let key = Key::Macs(name.clone());
                let inputs = vec![Input::Macs(set.clone())];
                self.part(lowering, key, inputs, |lowering| {
                    lowering.mac_set(name, set)
                });
            }
        }
        let zones = Input::Zones(lowering.zones());
        self.part(lowering, Key::Tracking, vec![zones], Lowering::tracking);
        let stations = lowering.stations();
        let inputs = vec![bridge, Input::Stations(stations.clone())];
        self.part(lowering, Key::Forwarding, inputs, |lowering| {
            lowering.forwarding(&stations)
        });
        let used = self
            .after
            .values()
            .flat_map(|(_, part)| &part.sets)
            .cloned()
            .collect();
        lowering.slots.keep(&used);
        let sets = lowering.slots.all();
        let inputs = vec![Input::Sets(sets.clone())];
        self.part(lowering, Key::Sets, inputs, |lowering| lowering.sets(&sets));
    }

    /// Makes a part anew if what it is made from has changed.
    fn part<'a>(
        &mut self,
        lowering: &mut Lowering<'a>,
        key: Key,
        inputs: Vec<Input>,
        make: impl FnOnce(&mut Lowering<'a>),
    ) {
        let before = self.before.remove(&key);
        if let Some((was, part)) = before {
            if was == inputs {
                self.after.insert(key, (inputs, part));
                return;
            }
            make(lowering);
            let part_after = std::mem::take(&mut lowering.making);
            self.compare(part, &part_after.flows);
            self.after.insert(key, (inputs, part_after));
            return;
        }
        make(lowering);
        let part = std::mem::take(&mut lowering.making);
        self.compare(Part::default(), &part.flows);
        self.after.insert(key, (inputs, part));
    }

    fn compare(&mut self, before: Part, after: &BTreeMap<FlowKey, FlowBody>) {
        for (key, body) in after {
            if before.flows.get(key) != Some(body) {
                self.changes.insert(key.clone(), Some(body.clone()));
            }
        }
        for key in before
            .flows
            .into_keys()
            .filter(|key| !after.contains_key(key))
        {
            // Another part may have it now.
            self.changes.entry(key).or_insert(None);
        }
    }
}

fn claims<'a>(
    program: &'a HostProgram,
    topology: &Topology,
) -> BTreeMap<&'a str, &'a Arc<PortProgram>> {
    let here = program
        .ports
        .values()
        .filter(|port| port.bridge == topology.bridge);
    here.map(|port| (port.device.as_str(), port)).collect()
}

/// A list and the sets that its rules name.
fn list_inputs(program: &HostProgram, list: &Arc<RuleList>) -> Vec<Input> {
    let rules = list.inward.iter().chain(&list.outward);
    let conditions = rules.flat_map(|rule| rule.alternatives.iter().flatten());
    let sets = conditions.filter_map(|condition| match &condition.values {
        Values::AddressSet(name) => program.address_sets.get(name).cloned(),
        _ => None,
    });
    std::iter::once(Input::List(list.clone()))
        .chain(sets.map(Input::AddressSet))
        .collect()
}
