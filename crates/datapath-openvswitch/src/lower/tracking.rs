//! Connections: who asks the tracker, in which zone, what follows from its answer, and when a
//! connection becomes a known one: only where everybody who has a say accepted its first frame.
//!
//! Frames to groups never make a connection known: nobody answers them under the address that they
//! went to, and the receivers of one frame may differ in what they accept.

use std::collections::BTreeSet;

use crate::flow::{Action, Bits, Cube, Field};

use super::admission::{ether, mac};
use super::{Lowering, layout};

const NEW: u8 = 0x01;
const ESTABLISHED: u8 = 0x02;
const RELATED: u8 = 0x04;
const INVALID: u8 = 0x10;
const TRACKED: u8 = 0x20;

impl Lowering<'_> {
    /// Tables [`layout::STATE`], [`layout::TRACKED`], [`layout::COMMIT`] and [`layout::ZONES`].
    pub(super) fn tracking(&mut self) {
        let go_on = vec![Action::Resubmit(layout::LISTS)];
        self.step(layout::STATE, 1, Cube::any(), go_on);
        let zones = self.zones();
        if zones.is_empty() {
            let go_on = vec![Action::Resubmit(layout::DELIVERY)];
            self.step(layout::COMMIT, 1, Cube::any(), go_on);
            return;
        }
        self.ask(&zones);
        self.answers();
        self.commits(&zones);
    }

    /// Zones of all ports that track here.
    fn zones(&self) -> BTreeSet<u16> {
        let ports = self
            .topology
            .ports
            .keys()
            .filter_map(|name| self.claimed(name));
        let tracking = ports.filter(|port| {
            let behaviour = self.program.behaviours.get(&port.behaviour);
            behaviour.is_some_and(|behaviour| self.tracks(behaviour))
        });
        tracking.map(|port| port.zone).collect()
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
        let lists = || Action::Resubmit(layout::LISTS);
        let known = || layout::raise(layout::KNOWN);
        let invalid = vec![known(), layout::raise(layout::INVALID), lists()];
        self.step(layout::TRACKED, 100, state(INVALID, INVALID), invalid);
        for flag in [ESTABLISHED, RELATED] {
            self.step(
                layout::TRACKED,
                90,
                state(flag, flag),
                vec![known(), lists()],
            );
        }
        for (inward, begins) in [(0, layout::BEGINS), (1, layout::BEGINS_INWARD)] {
            let new = state(NEW, NEW).bits(layout::INWARD, inward);
            self.step(
                layout::TRACKED,
                80,
                new,
                vec![layout::raise(begins), lists()],
            );
        }
    }

    fn commits(&mut self, zones: &BTreeSet<u16>) {
        let deliver = || Action::Resubmit(layout::DELIVERY);
        let sender = || Action::Commit { zone: layout::ZONE };
        let receiver = || Action::Commit {
            zone: layout::RECEIVER_ZONE,
        };
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
                self.packets(layout::COMMIT, 30, &same, &[receiver(), deliver()]);
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
