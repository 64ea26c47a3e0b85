//! Connections: who asks the tracker, in which zone, what follows from its answer, and when a
//! connection becomes a known one: only where everybody who has a say accepted its first frame.
//!
//! A connection carries in its label the generations of the rules that accepted it. Where they have
//! changed since, the next frame from the side that began it is judged by the rules again: it gets
//! the new generation, or the connection is cut for both sides (its mark says so). Frames of the
//! other side cannot be judged, for no rule is about them; they pass until then, so that connections
//! which are still allowed lose nothing.
//!
//! Frames to groups never make a connection known: nobody answers them under the address that they
//! went to, and the receivers of one frame may differ in what they accept.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use frame::MacAddress;
use policy::program::{Behaviour, Direction, PortProgram, Values};

use crate::flow::{Action, Bits, Cube, Field, low_bits};
use crate::wire;

use super::admission::{ether, mac};
use super::identity::hash;
use super::{Lowering, layout};

const NEW: u8 = 0x01;
const ESTABLISHED: u8 = 0x02;
const RELATED: u8 = 0x04;
const REPLY: u8 = 0x08;
const INVALID: u8 = 0x10;
const TRACKED: u8 = 0x20;
/// Bits of the mark of a connection whose permission was withdrawn: first and number; by the rules
/// of the side that began it, of the other side, and both.
const CUT_BY_SENDER: (u16, u16) = (0, 1);
const CUT_BY_RECEIVER: (u16, u16) = (1, 1);
const CUT: (u16, u16) = (0, 2);

impl Lowering<'_> {
    /// Tables [`layout::STATE`], [`layout::TRACKED`], [`layout::COMMIT`] and [`layout::ZONES`].
    pub(super) fn tracking(&mut self) {
        let go_on = vec![Action::Resubmit(layout::LISTS)];
        self.step(layout::STATE, 1, Cube::any(), go_on);
        let zones = self.zones().into_values().filter(|(_, tracks)| *tracks);
        let zones: BTreeSet<u16> = zones.map(|(zone, _)| zone).collect();
        if zones.is_empty() {
            let go_on = vec![Action::Resubmit(layout::DELIVERY)];
            self.step(layout::COMMIT, 1, Cube::any(), go_on);
            return;
        }
        self.ask(&zones);
        self.answers();
        self.commits(&zones);
    }

    /// Of each port its zone, and whether it tracks.
    pub(super) fn zones(&self) -> BTreeMap<MacAddress, (u16, bool)> {
        let ports = self
            .topology
            .ports
            .keys()
            .filter_map(|name| self.claimed(name));
        let tracks = |port: &PortProgram| {
            let behaviour = self.program.behaviours.get(&port.behaviour);
            behaviour.is_some_and(|behaviour| self.tracks(behaviour))
        };
        ports
            .map(|port| (port.mac, (port.zone, tracks(port))))
            .collect()
    }

    fn ask(&mut self, zones: &BTreeSet<u16>) {
        for (inward, zone) in [(0, layout::ZONE), (1, layout::RECEIVER_ZONE)] {
            let stateful = Cube::any()
                .bits(layout::STATEFUL, 1)
                .bits(layout::INWARD, inward);
            let mut ask = vec![Action::Load(layout::INVALID, 0)];
            if inward == 0 {
                ask.push(layout::raise(layout::ASKED));
            }
            ask.push(Action::Track {
                zone,
                table: layout::TRACKED,
            });
            let mut find = vec![Action::Resubmit(layout::ZONES)];
            find.extend(ask.iter().cloned());
            self.packets(layout::STATE, 10, &stateful, &ask);
            if zones.contains(&0) {
                self.packets(layout::STATE, 20, &stateful.bits(zone, 0), &find);
                self.zones_of_others(inward, zone);
            }
        }
        for zone in zones.iter().filter(|zone| **zone != 0) {
            // The sender has asked in the same zone, and the answer is still there.
            let same = same_zone(*zone)
                .bits(layout::STATEFUL, 1)
                .bits(layout::INWARD, 1)
                .bits(layout::ASKED, 1);
            let answer = vec![
                Action::Load(layout::INVALID, 0),
                Action::Resubmit(layout::TRACKED),
            ];
            self.step(layout::STATE, 30, same, answer);
        }
    }

    fn zones_of_others(&mut self, inward: u32, zone: Bits) {
        let topology = self.topology;
        for name in topology.ports.keys() {
            if let Some(port) = self.claimed(name).filter(|port| port.zone != 0) {
                let other = match inward {
                    0 => Field::EthernetDestination,
                    _ => Field::EthernetSource,
                };
                let matching = Cube::any()
                    .bits(layout::INWARD, inward)
                    .with(other, mac(port.mac));
                let actions = vec![Action::Load(zone, port.zone.into())];
                self.step(layout::ZONES, 10, matching, actions);
            }
        }
    }

    fn answers(&mut self) {
        let invalid = || {
            vec![
                layout::raise(layout::KNOWN),
                layout::raise(layout::INVALID),
                lists(),
            ]
        };
        self.step(layout::TRACKED, 100, state(INVALID, INVALID), invalid());
        for side in [CUT_BY_SENDER, CUT_BY_RECEIVER] {
            let cut = marked(state(ESTABLISHED | REPLY, ESTABLISHED | REPLY), side);
            self.step(layout::TRACKED, 95, cut, invalid());
        }
        for (inward, begins) in [(0, layout::BEGINS), (1, layout::BEGINS_INWARD)] {
            let way = |cube: Cube| cube.bits(layout::INWARD, inward);
            // Errors have no rules of their own, nor have frames of the other side.
            for flags in [RELATED, ESTABLISHED | REPLY] {
                let known = vec![layout::raise(layout::KNOWN), lists()];
                self.step(layout::TRACKED, 90, way(state(flags, flags)), known);
            }
            let again = vec![layout::raise(begins), layout::raise(layout::AGAIN), lists()];
            let stale = way(state(ESTABLISHED, ESTABLISHED | REPLY));
            self.step(layout::TRACKED, 70, stale, again);
            let new = way(state(NEW, NEW | RELATED));
            self.step(
                layout::TRACKED,
                80,
                new,
                vec![layout::raise(begins), lists()],
            );
            let (zone, side) = match inward {
                0 => (layout::ZONE, CUT_BY_SENDER),
                _ => (layout::RECEIVER_ZONE, CUT_BY_RECEIVER),
            };
            let refused =
                way(layout::flag(layout::AGAIN, true)).bits(layout::VERDICT, layout::DROP);
            self.packets(layout::DECISION, 110, &refused, &[commit(zone, side, true)]);
        }
    }

    /// What a behaviour adds: frames of connections that its rules of today have accepted or cut,
    /// and those that its default cuts.
    pub(super) fn generations(&mut self, behaviour: &Behaviour) {
        if !self.tracks(behaviour) {
            return;
        }
        let number = self.identities.number("behaviour", &behaviour.name);
        for (inward, direction, first, side) in [
            (0, Direction::Out, wire::SENDER_GENERATION, CUT_BY_SENDER),
            (1, Direction::In, wire::RECEIVER_GENERATION, CUT_BY_RECEIVER),
        ] {
            let generation = u128::from(self.generation(behaviour, direction)) << first;
            let own = Cube::any()
                .bits(layout::BEHAVIOUR, number)
                .bits(layout::INWARD, inward);
            let Some(current) = own.and(&state(ESTABLISHED, ESTABLISHED | REPLY)) else {
                continue;
            };
            let current = current.masked(Field::ConnectionLabel, generation, low_bits(32) << first);
            let known = vec![layout::raise(layout::KNOWN), lists()];
            self.step(layout::TRACKED, 75, current.clone(), known);
            let cut = marked(current, side);
            let invalid = vec![
                layout::raise(layout::KNOWN),
                layout::raise(layout::INVALID),
                lists(),
            ];
            self.step(layout::TRACKED, 76, cut, invalid);
        }
    }

    /// A number for everything that decides about new connections in one direction.
    pub(super) fn generation(&self, behaviour: &Behaviour, direction: Direction) -> u32 {
        let program = self.program;
        let default = match direction {
            Direction::In => &behaviour.default_in,
            Direction::Out => &behaviour.default_out,
        };
        let mut text = format!("{:?} {}", default.verdict, default.audit);
        for list in behaviour
            .lists
            .iter()
            .filter_map(|name| program.lists.get(name))
        {
            let rules = match direction {
                Direction::In => &list.inward,
                Direction::Out => &list.outward,
            };
            for rule in rules {
                let _ = write!(
                    text,
                    " {:?} {} {:?}",
                    rule.verdict, rule.audit, rule.alternatives
                );
                for condition in rule.alternatives.iter().flatten() {
                    if let Values::AddressSet(name) = &condition.values {
                        let _ = write!(text, " {:?}", program.address_sets.get(name));
                    }
                }
            }
        }
        hash(&text) as u32
    }

    fn commits(&mut self, zones: &BTreeSet<u16>) {
        let deliver = || Action::Resubmit(layout::DELIVERY);
        let sender = || commit(layout::ZONE, CUT_BY_SENDER, false);
        let receiver = || commit(layout::RECEIVER_ZONE, CUT_BY_RECEIVER, false);
        let both = || commit(layout::RECEIVER_ZONE, CUT, false);
        let group = Cube::any().masked(
            Field::EthernetDestination,
            super::forward::GROUP_BIT,
            super::forward::GROUP_BIT,
        );
        self.step(layout::COMMIT, 40, group.clone(), vec![deliver()]);
        self.step(layout::COMMIT_SENDER, 40, group, Vec::new());
        let begins = |there: u32, here: u32| {
            Cube::any()
                .bits(layout::BEGINS, there)
                .bits(layout::BEGINS_INWARD, here)
        };
        for zone in zones {
            if let Some(same) = begins(1, 1).and(&same_zone(*zone)) {
                self.packets(layout::COMMIT, 30, &same, &[both(), deliver()]);
            }
        }
        self.packets(
            layout::COMMIT,
            20,
            &begins(1, 1),
            &[sender(), receiver(), deliver()],
        );
        self.packets(layout::COMMIT, 20, &begins(1, 0), &[sender(), deliver()]);
        self.packets(layout::COMMIT, 20, &begins(0, 1), &[receiver(), deliver()]);
        self.step(layout::COMMIT, 1, Cube::any(), vec![deliver()]);
        let begins = layout::flag(layout::BEGINS, true);
        self.packets(layout::COMMIT_SENDER, 10, &begins, &[sender()]);
    }

    /// For IPv4 and IPv6 each: without that the switch does not take what asks the tracker.
    fn packets(&mut self, table: u8, priority: u16, matching: &Cube, actions: &[Action]) {
        for kind in [0x0800, 0x86dd] {
            if let Some(matching) = matching.and(&ether(kind)) {
                self.step(table, priority, matching, actions.to_vec());
            }
        }
    }
}

fn lists() -> Action {
    Action::Resubmit(layout::LISTS)
}

fn marked(cube: Cube, (first, length): (u16, u16)) -> Cube {
    let mask = low_bits(length.into()) << first;
    cube.masked(Field::ConnectionMark, mask, mask)
}

fn commit(zone: Bits, (first, length): (u16, u16), cut: bool) -> Action {
    Action::Commit {
        zone,
        sender: layout::GENERATION,
        receiver: layout::RECEIVER_GENERATION,
        mark: (first, length, u8::from(cut)),
    }
}

fn same_zone(zone: u16) -> Cube {
    Cube::any()
        .bits(layout::ZONE, zone.into())
        .bits(layout::RECEIVER_ZONE, zone.into())
}

/// Tracked, and these flags among the others.
fn state(value: u8, mask: u8) -> Cube {
    Cube::any().masked(
        Field::ConnectionState,
        value | TRACKED,
        u128::from(mask | TRACKED),
    )
}
