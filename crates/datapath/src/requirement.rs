//! What a program needs, against what a switch can do: refusals before anything changes, and what
//! is given up where the documents allow it (promise 7: nothing is silently dropped).

use std::collections::BTreeMap;
use std::sync::Arc;

use policy::HostProgram;
use policy::document::{Limits, RejectMode, Stateful};
use policy::program::{Behaviour, Direction};
use policy::rule::Verdict;
use serde::Serialize;

use crate::capability::{Capabilities, Capability};

/// Something that the program needs and the switch cannot do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unmet {
    /// Name of the capability.
    pub capability: &'static str,
    /// Ports that need it.
    pub ports: Vec<String>,
    /// What needs it, and where that is written.
    pub needed_by: String,
    /// Why the switch cannot.
    pub reason: String,
    /// What to do about it.
    pub remedy: String,
}

/// Something that documents prefer and the switch cannot do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Degraded {
    pub capability: &'static str,
    pub ports: Vec<String>,
    /// What happens instead.
    pub instead: String,
}

/// A program that the switch can carry out as it stands.
#[derive(Clone, Debug)]
pub struct Resolved {
    pub program: HostProgram,
    pub degraded: Vec<Degraded>,
}

/// Fits the program to the switch: what is only preferred gives way, what is required refuses.
///
/// # Errors
/// Every need that cannot be met. The caller changes nothing then.
pub fn resolve(program: &HostProgram, capabilities: &Capabilities) -> Result<Resolved, Vec<Unmet>> {
    let mut unmet = Vec::new();
    let mut degraded = Vec::new();
    let mut behaviours = BTreeMap::new();
    for behaviour in program.behaviours.values() {
        let mut fitted = Behaviour::clone(behaviour);
        let ports = || ports_of(program, &behaviour.name);
        let tracking = &capabilities.connection_tracking;
        match behaviour.stateful {
            Stateful::Required if !tracking.present => unmet.push(refusal(
                "connection-tracking",
                tracking,
                ports(),
                format!("stateful: required (the default) in {}", behaviour.name),
                "say `stateful: preferred` to apply rules frame by frame here",
            )),
            Stateful::Preferred if !tracking.present => {
                fitted.stateful = Stateful::Off;
                degraded.push(Degraded {
                    capability: "connection-tracking",
                    ports: ports(),
                    instead: "rules apply frame by frame: replies need rules of their own"
                        .to_owned(),
                });
            }
            _ => {}
        }
        for (direction, name, capability) in [
            (Direction::Out, "reject-out", &capabilities.reject_out),
            (Direction::In, "reject-in", &capabilities.reject_in),
        ] {
            let Some(place) = rejects(program, behaviour, direction) else {
                continue;
            };
            if capability.present {
                continue;
            }
            match behaviour.reject {
                RejectMode::Required => unmet.push(refusal(
                    name,
                    capability,
                    ports(),
                    place,
                    "write `drop`, or say `reject: preferred` in the profile to drop without an answer",
                )),
                RejectMode::Preferred => degraded.push(Degraded {
                    capability: name,
                    ports: ports(),
                    instead: format!("{place} drops without an answer"),
                }),
            }
        }
        if let Some(learning) = &behaviour.learning {
            for (name, capability) in [("log", &capabilities.log), ("limits", &capabilities.limits)]
            {
                if capability.present {
                    continue;
                }
                if learning.binds() {
                    unmet.push(refusal(
                        name,
                        capability,
                        ports(),
                        format!("learn: {} in {}", learning.mode.name(), behaviour.name),
                        "declare the ports' addresses, and say `learn: none`",
                    ));
                } else {
                    fitted.learning = None;
                    degraded.push(Degraded {
                        capability: name,
                        ports: ports(),
                        instead: "status does not show which addresses were seen".to_owned(),
                    });
                }
            }
        }
        behaviours.insert(fitted.name.clone(), Arc::new(fitted));
    }
    let limited: Vec<String> = program
        .ports
        .values()
        .filter(|port| port.limits != Limits::default())
        .map(|port| port.name.clone())
        .collect();
    if !limited.is_empty() && !capabilities.limits.present {
        let by = "limits".to_owned();
        unmet.push(refusal(
            "limits",
            &capabilities.limits,
            limited,
            by,
            "remove the limits",
        ));
    }
    unmet.extend(unknown_bridges(program, capabilities));
    if !unmet.is_empty() {
        return Err(unmet);
    }
    let mut program = program.clone();
    let answer = capabilities.reject_out.present;
    program.behaviours = behaviours;
    if !answer {
        silence(&mut program);
    }
    Ok(Resolved { program, degraded })
}

/// Where frames do not tell which bridge they are on, quarantine is by interface: a bridge that
/// nobody declared would lose every interface that it gets later, without anyone having said so.
fn unknown_bridges(program: &HostProgram, capabilities: &Capabilities) -> Option<Unmet> {
    let managed = program.bridges.values().any(|bridge| bridge.managed);
    if !managed || capabilities.bridge_name.present {
        return None;
    }
    let undeclared: Vec<&str> = program
        .foreign
        .keys()
        .filter(|bridge| !program.bridges.contains_key(*bridge))
        .map(String::as_str)
        .collect();
    let first = undeclared.first()?;
    Some(refusal(
        "bridge-name",
        &capabilities.bridge_name,
        Vec::new(),
        format!(
            "`managed: true` beside bridges that are not declared: {}",
            undeclared.join(", ")
        ),
        &format!(
            "declare them in the Host document (bridges: {{{first}: {{managed: false}}}}): interfaces \
             that join them later then pass nothing until the next apply"
        ),
    ))
}

fn refusal(
    capability: &'static str,
    found: &Capability,
    ports: Vec<String>,
    needed_by: String,
    otherwise: &str,
) -> Unmet {
    let remedy = match &found.remedy {
        Some(remedy) => format!("{remedy}; or {otherwise}"),
        None => otherwise.to_owned(),
    };
    Unmet {
        capability,
        ports,
        needed_by,
        reason: found.detail.clone(),
        remedy,
    }
}

fn ports_of(program: &HostProgram, behaviour: &str) -> Vec<String> {
    let ports = program
        .ports
        .values()
        .filter(|port| port.behaviour == behaviour);
    ports.map(|port| port.name.clone()).collect()
}

/// Where the behaviour rejects in this direction, if it does.
fn rejects(program: &HostProgram, behaviour: &Behaviour, direction: Direction) -> Option<String> {
    let lists = behaviour
        .lists
        .iter()
        .filter_map(|name| program.lists.get(name));
    for list in lists {
        let rules = match direction {
            Direction::In => &list.inward,
            Direction::Out => &list.outward,
        };
        if let Some(rule) = rules
            .iter()
            .find(|rule| rule.verdict == Verdict::Reject && !rule.audit)
        {
            return Some(format!("`{}` at {}", rule.text, rule.origin));
        }
    }
    let default = match direction {
        Direction::In => &behaviour.default_in,
        Direction::Out => &behaviour.default_out,
    };
    (default.verdict == Verdict::Reject && !default.audit)
        .then(|| format!("the default at {}", default.origin))
}

/// Where the switch cannot answer at all, every reject that was allowed to be silent drops.
fn silence(program: &mut HostProgram) {
    for list in program.lists.values_mut() {
        let rejects = |rule: &policy::program::CompiledRule| rule.verdict == Verdict::Reject;
        if list.inward.iter().chain(&list.outward).any(rejects) {
            let list = Arc::make_mut(list);
            for rule in list.inward.iter_mut().chain(&mut list.outward) {
                if rule.verdict == Verdict::Reject {
                    rule.verdict = Verdict::Drop;
                }
            }
        }
    }
    for behaviour in program.behaviours.values_mut() {
        let behaviour = Arc::make_mut(behaviour);
        for default in [&mut behaviour.default_in, &mut behaviour.default_out] {
            if default.verdict == Verdict::Reject {
                default.verdict = Verdict::Drop;
            }
        }
    }
}
