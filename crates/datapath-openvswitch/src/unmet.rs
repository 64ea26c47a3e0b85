//! What a program asks for that Open vSwitch does not do to the letter, told before anything changes.

use std::collections::BTreeSet;

use datapath::Unmet;
use policy::HostProgram;

use crate::lower::Lack;

/// Rules in doubt as needs that are not met: whoever plans decides whether to go on.
pub fn unmet<'a>(program: &HostProgram, lacks: impl Iterator<Item = &'a Lack>) -> Vec<Unmet> {
    let lacks: BTreeSet<&Lack> = lacks.collect();
    lacks.into_iter().map(|lack| one(program, lack)).collect()
}

fn one(program: &HostProgram, lack: &Lack) -> Unmet {
    let has = |list: &String| {
        program.lists.get(list).is_some_and(|list| {
            let mut rules = list.inward.iter().chain(&list.outward);
            rules.any(|rule| rule.id == lack.rule)
        })
    };
    let concerned = program.ports.values().filter(|port| {
        let behaviour = program.behaviours.get(&port.behaviour);
        behaviour.is_some_and(|behaviour| behaviour.lists.iter().any(has))
    });
    Unmet {
        capability: "fields",
        ports: concerned.map(|port| port.name.clone()).collect(),
        needed_by: format!("`{}` at {}", lack.text, lack.origin),
        reason: lack.reason.clone(),
        remedy: "say it by fields that the switch reads, or use a Linux bridge".to_owned(),
    }
}
