//! What a person should know of a converted filter. Knows where libvirt and moat differ; changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use policy::document::{Profile, RejectMode, Stateful};
use policy::origin::Origin;

use super::Note;
use super::bind::Bindings;
use super::filter::{Action, Direction, Protocol};
use super::tree::Placed;

pub(super) fn notes(rules: &[Placed<'_>], bindings: &Bindings, profile: &Profile) -> Vec<Note> {
    let mut notes = BTreeSet::new();
    let mut note = |origin: &Origin, text: String| {
        notes.insert(Note {
            text,
            origin: origin.clone(),
        });
    };
    let nowhere = Origin::default();
    let needed: Vec<String> = bindings
        .variables
        .iter()
        .filter(|name| !matches!(name.as_str(), "IP" | "IPV6"))
        .map(|name| format!("${name}"))
        .collect();
    if !needed.is_empty() {
        note(&nowhere, format!("ports must define {}", needed.join(", ")));
    }
    if super::documents::accepts_everything(profile) {
        let text = "it accepts every frame, as in libvirt, where a chain that decides nothing accepts: such a \
                    filter is a part of others";
        note(&nowhere, text.to_owned());
    }
    for name in &bindings.negated {
        let text = format!(
            "`match='no'` with ${name}: with several values, libvirt makes a rule for each, and one of them \
             always matches; moat takes it for none of them"
        );
        note(&nowhere, text);
    }
    if profile.stateful == Some(Stateful::Required) {
        let text = "connections are tracked: what belongs or is related to an accepted connection passes; \
                    where the switch cannot track, the plan is refused";
        note(&nowhere, text.to_owned());
    }
    if profile.reject == Some(RejectMode::Preferred) {
        let text = "`reject` answers \"administratively prohibited\" or a reset, where libvirt answers \
                    \"port unreachable\"";
        note(&nowhere, text.to_owned());
    }
    let mut priorities: BTreeMap<&str, BTreeSet<i32>> = BTreeMap::new();
    for placed in rules {
        let (rule, filter) = (placed.rule, placed.filter);
        let origin = &rule.origin;
        priorities
            .entry(&filter.chain)
            .or_default()
            .insert(filter.priority);
        let packet = match rule.protocol {
            Some(Protocol::Packet(packet)) => Some(packet),
            _ => None,
        };
        if packet.is_none() && rule.action == Action::Reject {
            note(
                origin,
                "`reject` of frames is `drop`: ebtables cannot answer either".to_owned(),
            );
        }
        if packet.is_some()
            && matches!(rule.action, Action::Drop | Action::Reject)
            && rule.direction != Direction::InOut
            && rule.attribute("state").is_none()
        {
            let text = "libvirt applies it in both directions, with source and destination swapped in the \
                        other; so does the profile";
            note(origin, text.to_owned());
        }
        let icmp = packet.is_some_and(|packet| matches!(packet.number, Some(1 | 58)));
        if icmp && rule.direction == Direction::InOut && rule.attribute("type").is_some() {
            let text =
                "libvirt leaves an `inout` rule with an ICMP type out silently; the profile has it";
            note(origin, text.to_owned());
        }
        let negated = |name| rule.attribute(name).is_some_and(|one| one.negated);
        if packet.is_some() && negated("dstportstart") && rule.attribute("srcportstart").is_none() {
            let text = "libvirt loses this negation; the profile means what the filter says";
            note(origin, text.to_owned());
        }
        if rule.attribute("encap-protocol").is_some() {
            let text = "libvirt writes this number in decimal where ebtables reads hexadecimal; the profile \
                        means what the filter says";
            note(origin, text.to_owned());
        }
    }
    for (chain, found) in priorities {
        if chain != "root" && found.len() > 1 {
            let text = format!(
                "filters disagree about the priority of chain `{chain}`; the last one's holds"
            );
            note(&nowhere, text);
        }
        if chain == "stp" {
            let text =
                "chain `stp` has the documented priority -810; libvirt gives it 0".to_owned();
            note(&nowhere, text);
        }
    }
    notes.into_iter().collect()
}
