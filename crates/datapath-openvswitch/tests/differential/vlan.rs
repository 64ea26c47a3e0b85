//! VLANs of a bridge's ports as IEEE 802.1Q has them: which a frame is in, and how it leaves.

use std::collections::BTreeSet;

use datapath_openvswitch::topology::PortVlan;
use frame::Frame;
use frame::random::Rng;

/// Few enough that ports meet.
const IDS: [u16; 4] = [5, 100, 105, 4094];

pub(crate) fn random(rng: &mut Rng) -> PortVlan {
    match rng.below(8) {
        0..=3 => PortVlan::Trunk,
        4 | 5 => PortVlan::Access(rng.pick(&[100, 105])),
        _ => {
            let vlans: BTreeSet<u16> = IDS.into_iter().filter(|_| rng.one_in(2)).collect();
            let native = rng.one_in(2).then(|| rng.pick(&IDS));
            PortVlan::Trunks { vlans, native }
        }
    }
}

/// Tag control information of the VLAN that a frame is in, 0 for none; `None`: the port does not take it.
pub(crate) fn arriving(vlan: &PortVlan, frame: &Frame<'_>) -> Option<u16> {
    let tag = frame.tag.map_or(0, |tag| tag.tci & 0xefff | 0x1000);
    let id = tag & 0xfff;
    match vlan {
        PortVlan::Access(own) => (id == 0).then_some(own | 0x1000),
        PortVlan::Trunk => Some(if id == 0 { 0 } else { tag }),
        PortVlan::Trunks {
            native: Some(own), ..
        } if id == 0 => Some(own | 0x1000),
        PortVlan::Trunks { vlans, .. } => {
            vlans.contains(&id).then_some(if id == 0 { 0 } else { tag })
        }
    }
}

/// The frame as it leaves at a port; `None`: it does not.
pub(crate) fn departing(vlan: &PortVlan, tag: u16, bytes: &[u8]) -> Option<Vec<u8>> {
    if !is_in(vlan, tag) {
        return None;
    }
    let id = tag & 0xfff;
    let untagged = match vlan {
        PortVlan::Access(_) => true,
        PortVlan::Trunk => false,
        PortVlan::Trunks { native, .. } => *native == Some(id),
    };
    let mut frame = bytes.to_vec();
    if bytes.get(12..14) == Some(&[0x81, 0]) {
        frame.drain(12..16);
    }
    if tag != 0 && !untagged {
        let [high, low] = (tag & 0xefff).to_be_bytes();
        frame.splice(12..12, [0x81, 0, high, low]);
    }
    Some(frame)
}

pub(crate) fn is_in(vlan: &PortVlan, tag: u16) -> bool {
    let id = tag & 0xfff;
    match vlan {
        PortVlan::Trunk => true,
        PortVlan::Access(own) => *own == id,
        PortVlan::Trunks { vlans, native } => vlans.contains(&id) || *native == Some(id),
    }
}
