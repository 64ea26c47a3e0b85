//! A host with switches of several kinds: which bridges are whose, and one program that each of them
//! can carry out its part of. What a single switch lacks is found by [`resolve`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use policy::HostProgram;
use policy::program::RuleList;

use crate::capability::Capabilities;
use crate::requirement::{Degraded, Resolved, Unmet, resolve};

/// What the switches of a host can do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostCapabilities {
    /// The switch that carries every bridge that is no other's.
    pub usual: Capabilities,
    /// Others, by what they are called: `openvswitch`.
    pub others: BTreeMap<String, OtherSwitch>,
}

/// A switch beside the usual one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OtherSwitch {
    pub bridges: BTreeSet<String>,
    pub capabilities: Capabilities,
}

impl From<Capabilities> for HostCapabilities {
    fn from(usual: Capabilities) -> Self {
        Self {
            usual,
            others: BTreeMap::new(),
        }
    }
}

impl HostCapabilities {
    /// Whether a bridge is that of another switch than the usual one.
    pub fn is_elsewhere(&self, bridge: &str) -> bool {
        let mut others = self.others.values();
        others.any(|other| other.bridges.contains(bridge))
    }

    /// As [`resolve`], each part by the switch that carries it out. Where switches need different
    /// readings of what their ports share, each gets its own: `behaviour@openvswitch`.
    ///
    /// # Errors
    /// As [`resolve`], of all switches.
    pub fn resolve(&self, program: &HostProgram) -> Result<Resolved, Vec<Unmet>> {
        if self.others.is_empty() {
            return resolve(program, &self.usual);
        }
        let mut unmet = Vec::new();
        let mut whole = Resolved {
            program: HostProgram {
                host: program.host.clone(),
                refused: program.refused.clone(),
                ..HostProgram::default()
            },
            degraded: Vec::new(),
        };
        let usual = program.on_bridges(|bridge| !self.is_elsewhere(bridge));
        match resolve(&usual, &self.usual) {
            Ok(part) => add(&mut whole, part, ""),
            Err(lacks) => unmet.extend(lacks),
        }
        for (name, other) in &self.others {
            let part = program.on_bridges(|bridge| other.bridges.contains(bridge));
            match resolve(&part, &other.capabilities) {
                Ok(part) => add(&mut whole, part, name),
                Err(lacks) => unmet.extend(lacks),
            }
        }
        match unmet.is_empty() {
            true => Ok(whole),
            false => Err(unmet),
        }
    }
}

/// Adds the part of one switch; what is called as something else is there already gets another name.
fn add(whole: &mut Resolved, part: Resolved, switch: &str) {
    let Resolved {
        program: part,
        degraded,
    } = part;
    for one in degraded {
        let same =
            |it: &&mut Degraded| (it.capability, &it.instead) == (one.capability, &one.instead);
        match whole.degraded.iter_mut().find(same) {
            Some(known) => known.ports.extend(one.ports),
            None => whole.degraded.push(one),
        }
    }
    let program = &mut whole.program;
    program.bridges.extend(part.bridges);
    program.foreign.extend(part.foreign);
    // What other switches' ports share has the same contents wherever it has the same name.
    program.address_sets.extend(part.address_sets);
    program.mac_sets.extend(part.mac_sets);
    let mut lists = BTreeMap::new();
    for (name, list) in part.lists {
        let own = free(&program.lists, &name, &list, switch);
        let renamed = match own == name {
            true => list,
            false => Arc::new(RuleList {
                name: own.clone(),
                ..RuleList::clone(&list)
            }),
        };
        program.lists.insert(own.clone(), renamed);
        lists.insert(name, own);
    }
    let mut behaviours = BTreeMap::new();
    for (name, mut behaviour) in part.behaviours {
        if behaviour
            .lists
            .iter()
            .any(|list| lists.get(list) != Some(list))
        {
            let named = behaviour.lists.iter().filter_map(|list| lists.get(list));
            let named = named.cloned().collect();
            Arc::make_mut(&mut behaviour).lists = named;
        }
        let own = free(&program.behaviours, &name, &behaviour, switch);
        if own != name {
            Arc::make_mut(&mut behaviour).name.clone_from(&own);
        }
        program.behaviours.insert(own.clone(), behaviour);
        behaviours.insert(name, own);
    }
    for (name, mut port) in part.ports {
        if let Some(own) = behaviours.get(&port.behaviour)
            && *own != port.behaviour
        {
            Arc::make_mut(&mut port).behaviour.clone_from(own);
        }
        program.ports.insert(name, port);
    }
}

/// The name under which it can stand beside what is there.
fn free<T: PartialEq>(
    there: &BTreeMap<String, Arc<T>>,
    name: &str,
    what: &Arc<T>,
    switch: &str,
) -> String {
    match there.get(name) {
        Some(other) if other != what => format!("{name}@{switch}"),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests;
