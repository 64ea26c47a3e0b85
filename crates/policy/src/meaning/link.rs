//! Layer 2 beside IP: ethertypes, VLAN tags, and the neighbours that isolation tells apart.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use frame::build::Bpdu;
use frame::{FrameBuilder, MacAddress};

use super::classes::{classes, representative};
use super::judge::Landmarks;
use super::specials::{arp, request};
use super::witness::{Ends, OUTSIDE_V4, OUTSIDE_V6, Own, STRANGER};
use crate::intervals::Intervals;
use crate::program::{Direction, MacSet};

pub(super) fn ethertypes(landmarks: &[Landmarks]) -> BTreeSet<u16> {
    let listed = landmarks
        .iter()
        .flat_map(|it| it.ethertypes.iter().copied());
    // RARP, LLDP and one of those for experiments (IEEE 802, annex on local experimental types).
    listed.chain([0x8035, 0x88cc, 0x88b5]).collect()
}

pub(super) fn bpdu(bridge: MacAddress) -> Bpdu {
    Bpdu {
        root: bridge,
        bridge,
        ..Bpdu::default()
    }
}

pub(super) fn tagged(
    own: &Own,
    neighbour: MacAddress,
    direction: Direction,
    landmarks: &[Landmarks],
) -> Vec<(String, Vec<Vec<u8>>)> {
    let sets: Vec<&Intervals<u16>> = landmarks.iter().map(|it| &it.tagged).collect();
    let mut found = Vec::new();
    for class in classes((0, 4095), &sets) {
        let Some(vlan) = representative(&class.values, &[]) else {
            continue;
        };
        let (from, ip) = match direction {
            Direction::In => (neighbour, OUTSIDE_V4),
            Direction::Out => (own.mac, own.v4),
        };
        let link = FrameBuilder::new(from, MacAddress::BROADCAST).vlan(vlan);
        let mut frames = vec![link.arp(&request(from, ip, own.v4))];
        for peer in [IpAddr::V4(OUTSIDE_V4), IpAddr::V6(OUTSIDE_V6)] {
            let ends = Ends::new(own, direction, neighbour, peer);
            frames.extend(ends.tagged_probes(Some(vlan)));
        }
        found.push((super::words::numbers(&class.values), frames));
    }
    found
}

/// Neighbours that isolation tells apart, with frames from each.
pub(super) fn sources(own: &Own, landmarks: &[Landmarks]) -> Vec<(String, Vec<Vec<u8>>)> {
    let macs = neighbours(landmarks);
    let mut found = Vec::new();
    for macs in macs.into_values() {
        // The port itself is named with its likes, for it stands for other ports too.
        let Some(mac) = macs.iter().copied().find(|mac| *mac != own.mac) else {
            continue;
        };
        let mut frames = vec![arp(mac, mac, OUTSIDE_V4, own.v4, 1)];
        for peer in [IpAddr::V4(OUTSIDE_V4), IpAddr::V6(OUTSIDE_V6)] {
            frames.extend(Ends::new(own, Direction::In, mac, peer).probes());
        }
        let who = if macs.contains(&STRANGER) {
            "frames from strangers' MAC addresses".to_owned()
        } else {
            format!("frames from MAC address {}", super::words::few(&macs))
        };
        found.push((who, frames));
    }
    found
}

/// MAC addresses that no isolation of either side tells apart, and a stranger's.
pub(super) fn neighbours(landmarks: &[Landmarks]) -> BTreeMap<Vec<bool>, BTreeSet<MacAddress>> {
    let sets: Vec<(&String, &MacSet)> = landmarks
        .iter()
        .flat_map(|it| it.mac_sets.iter().map(|(name, set)| (name, set.as_ref())))
        .collect();
    let mut macs: BTreeMap<Vec<bool>, BTreeSet<MacAddress>> = BTreeMap::new();
    let known = sets.iter().flat_map(|(_, set)| {
        set.macs
            .iter()
            .copied()
            .chain(set.masked.iter().map(|it| it.0))
    });
    for mac in known.chain([STRANGER]) {
        let within = sets.iter().map(|(_, set)| set.contains(mac)).collect();
        macs.entry(within).or_default().insert(mac);
    }
    macs
}
