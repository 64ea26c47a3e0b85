//! Whoever can say what happens to a frame: a compiled program, or a switch's own table read back.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use frame::MacAddress;

use crate::evaluate::{Decider, Evaluation, evaluate};
use crate::intervals::Intervals;
use crate::program::{
    AddressSet, Behaviour, Condition, ConnectionState, Direction, HostProgram, MacSet,
};
use crate::rule::Verdict;

/// A port as a judge knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JudgedPort {
    pub name: String,
    pub ifindex: u32,
    pub mac: MacAddress,
    pub network: String,
    /// What it may send from.
    pub ipv4: Intervals<Ipv4Addr>,
    /// What it may send from, the link-local address included.
    pub ipv6: Intervals<Ipv6Addr>,
    /// Ports of one judge that are alike but for their own addresses carry the same word.
    pub alike: String,
}

/// What a judge compares frames of a port with: witnesses are drawn from both sides of each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Landmarks {
    /// Conjunctions of conditions, with the rule that they belong to as people write it.
    pub matches: Vec<(String, Vec<Condition>)>,
    /// Address sets that the conditions name, by the same name.
    pub address_sets: BTreeMap<String, Arc<AddressSet>>,
    /// Source MACs that isolation tells apart.
    pub mac_sets: BTreeMap<String, Arc<MacSet>>,
    pub tagged: Intervals<u16>,
    pub ethertypes: BTreeSet<u16>,
}

/// Something that decides about frames.
pub trait Judge {
    /// The ports that it admits.
    fn ports(&self) -> Vec<JudgedPort>;

    /// What happens to a frame at a port (one of [`Self::ports`]); `None` where the judge cannot
    /// tell.
    fn verdict(
        &self,
        port: &JudgedPort,
        direction: Direction,
        frame: &[u8],
        state: ConnectionState,
    ) -> Option<Verdict>;

    /// Who decides, for people: `profile web-server, policies.yaml:12`. `None` where the judge
    /// does not know.
    fn reason(
        &self,
        _port: &JudgedPort,
        _direction: Direction,
        _frame: &[u8],
        _state: ConnectionState,
    ) -> Option<String> {
        None
    }

    /// What frames of this port are compared with. A judge that knows none is asked about the
    /// other's landmarks alone, so that what only it tells apart may be missed.
    fn landmarks(&self, _port: &JudgedPort) -> Landmarks {
        Landmarks::default()
    }

    /// The program behind it, where there is one: equal parts of programs need no witnesses.
    fn program(&self) -> Option<&HostProgram> {
        None
    }
}

impl Judge for HostProgram {
    fn ports(&self) -> Vec<JudgedPort> {
        let judged = self.ports.values().map(|port| JudgedPort {
            name: port.name.clone(),
            ifindex: port.ifindex,
            mac: port.mac,
            network: port.network.clone(),
            ipv4: port.ipv4.clone(),
            ipv6: port.ipv6.clone(),
            alike: port.behaviour.clone(),
        });
        judged.collect()
    }

    fn verdict(
        &self,
        port: &JudgedPort,
        direction: Direction,
        frame: &[u8],
        state: ConnectionState,
    ) -> Option<Verdict> {
        let known = self.ports.contains_key(&port.name);
        known.then(|| evaluate(self, &port.name, direction, frame, state).verdict)
    }

    fn reason(
        &self,
        port: &JudgedPort,
        direction: Direction,
        frame: &[u8],
        state: ConnectionState,
    ) -> Option<String> {
        Some(reason(&evaluate(self, &port.name, direction, frame, state)))
    }

    fn landmarks(&self, port: &JudgedPort) -> Landmarks {
        let Some(behaviour) = self.behaviours.get(&port.alike) else {
            return Landmarks::default();
        };
        let mut landmarks = Landmarks {
            tagged: behaviour.tagged.clone(),
            ethertypes: behaviour.ethertypes.clone(),
            address_sets: self.address_sets.clone(),
            ..Landmarks::default()
        };
        for set in behaviour.isolation.iter().flat_map(|i| &i.sources) {
            if let Some(macs) = self.mac_sets.get(set) {
                landmarks.mac_sets.insert(set.clone(), Arc::clone(macs));
            }
        }
        let lists = behaviour.lists.iter().filter_map(|it| self.lists.get(it));
        for rule in lists.flat_map(|list| list.inward.iter().chain(&list.outward)) {
            let matches = rule.alternatives.iter();
            landmarks
                .matches
                .extend(matches.map(|all| (rule.text.clone(), all.clone())));
        }
        landmarks
    }

    fn program(&self) -> Option<&HostProgram> {
        Some(self)
    }
}

/// Who decided, in few words.
pub(super) fn reason(evaluation: &Evaluation) -> String {
    let origin = evaluation.steps.last().and_then(|step| step.origin.clone());
    let place = origin.map_or_else(String::new, |origin| {
        format!(", {}:{}", origin.source, origin.line)
    });
    match &evaluation.decider {
        Decider::Quarantine => "quarantine".to_owned(),
        Decider::Malformed => "malformed".to_owned(),
        Decider::Tagged => "its VLAN tag".to_owned(),
        Decider::Guard(guard) => format!("guard {}", guard.name()),
        Decider::Isolation => "isolation of the network".to_owned(),
        Decider::DhcpServer => "the DHCP servers that it learns from".to_owned(),
        Decider::Class(class) => format!("what holds for {class}"),
        Decider::EtherType => "its ethertype".to_owned(),
        Decider::Connection => "the state of its connection".to_owned(),
        Decider::Rule { list, .. } => format!("{list}{place}"),
        Decider::Default { id } => {
            let profile = id.split("/default").next().unwrap_or(id);
            format!("the default of profile {profile}{place}")
        }
    }
}

/// Whether two programs do the same with a port of either, whose own addresses are the same.
pub(super) fn same_policy(
    before: &HostProgram,
    after: &HostProgram,
    ports: (&JudgedPort, &JudgedPort),
) -> bool {
    let (Some(old), Some(new)) = (
        before.behaviours.get(&ports.0.alike),
        after.behaviours.get(&ports.1.alike),
    ) else {
        return false;
    };
    let isolation = |behaviour: &Behaviour| {
        let sets = behaviour.isolation.as_ref().map(|i| i.sources.clone());
        sets.unwrap_or_default()
    };
    let sets: BTreeSet<&String> = old
        .lists
        .iter()
        .filter_map(|list| before.lists.get(list))
        .flat_map(|list| list.inward.iter().chain(&list.outward))
        .flat_map(|rule| rule.alternatives.iter().flatten())
        .filter_map(|condition| match &condition.values {
            crate::program::Values::AddressSet(name) => Some(name),
            _ => None,
        })
        .collect();
    old == new
        && old
            .lists
            .iter()
            .all(|list| before.lists.get(list) == after.lists.get(list))
        && isolation(old)
            .iter()
            .all(|set| before.mac_sets.get(set) == after.mac_sets.get(set))
        && sets
            .into_iter()
            .all(|set| before.address_sets.get(set) == after.address_sets.get(set))
}
