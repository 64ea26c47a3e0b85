//! The VLAN of a port on a bridge that filters VLANs. Knows what has to change for a port to be in one
//! VLAN, and how to tell the kernel; which port belongs into which VLAN is left to others.

use std::io;

use netlink_packet_route::link::{
    AfSpecBridge, BridgeVlanInfo, BridgeVlanInfoFlags, LinkAttribute, LinkMessage,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::rtnetlink::{ExchangeError, LinkSocket};

/// The VLANs of a port without tags. Those with tags are left alone: no such frame passes a managed
/// port unless its profile lists the VLAN.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortVlans {
    /// The VLAN that untagged frames from the port are in.
    pub pvid: Option<u16>,
    /// VLANs whose frames leave through the port without a tag, as ranges of first and last.
    pub untagged: Vec<(u16, u16)>,
}

/// What has to change for a port to be in one VLAN, and in no other without a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VlanChange {
    /// Becomes the port's.
    pub set: Option<u16>,
    /// Are taken from it, as ranges of first and last.
    pub remove: Vec<(u16, u16)>,
}

impl PortVlans {
    /// What has to change; `None` where nothing has.
    pub fn change_to(&self, vlan: u16) -> Option<VlanChange> {
        let within = |(first, last): &(u16, u16)| (*first..=*last).contains(&vlan);
        let is_set = self.pvid == Some(vlan) && self.untagged.iter().any(within);
        let mut remove = Vec::new();
        for (first, last) in &self.untagged {
            if !within(&(*first, *last)) {
                remove.push((*first, *last));
                continue;
            }
            if *first < vlan {
                remove.push((*first, vlan.saturating_sub(1)));
            }
            if vlan < *last {
                remove.push((vlan.saturating_add(1), *last));
            }
        }
        let set = (!is_set).then_some(vlan);
        (set.is_some() || !remove.is_empty()).then_some(VlanChange { set, remove })
    }
}

/// Why a port is in the VLANs that it was in, or in some of them still.
#[derive(Debug, thiserror::Error)]
pub enum SetVlanError {
    #[error("cannot talk to the kernel about VLANs (route netlink): {0}")]
    Socket(#[source] io::Error),
    /// The interface is gone or in no bridge any more, or the bridge knows no VLANs.
    #[error("the kernel refused to change its VLANs: {0}")]
    Refused(#[source] io::Error),
    #[error("the kernel answered in a way that moat does not understand: {0}")]
    Malformed(String),
}

impl From<ExchangeError> for SetVlanError {
    fn from(error: ExchangeError) -> Self {
        match error {
            ExchangeError::Socket(error) => Self::Socket(error),
            ExchangeError::Refused(error) => Self::Refused(error),
            ExchangeError::Malformed(error) => Self::Malformed(error.to_string()),
        }
    }
}

/// Changes the VLANs of a bridge's port, in the calling thread's network namespace. The new VLAN is set
/// before the old ones go, since the kernel takes the flag of untagged frames from one to the other.
///
/// # Errors
/// [`SetVlanError`]; asking again repeats what was not done.
pub fn set_vlan(ifindex: u32, change: &VlanChange) -> Result<(), SetVlanError> {
    let mut socket = LinkSocket::open().map_err(SetVlanError::Socket)?;
    if let Some(vid) = change.set {
        let flags = BridgeVlanInfoFlags::Pvid | BridgeVlanInfoFlags::Untagged;
        let message = message(ifindex, vec![BridgeVlanInfo { flags, vid }]);
        socket.change(RouteNetlinkMessage::SetLink(message))?;
    }
    for (first, last) in &change.remove {
        let entry = |flags, vid| BridgeVlanInfo { flags, vid };
        let range = match first == last {
            true => vec![entry(BridgeVlanInfoFlags::empty(), *first)],
            false => vec![
                entry(BridgeVlanInfoFlags::RangeBegin, *first),
                entry(BridgeVlanInfoFlags::RangeEnd, *last),
            ],
        };
        socket.change(RouteNetlinkMessage::DelLink(message(ifindex, range)))?;
    }
    Ok(())
}

fn message(ifindex: u32, vlans: Vec<BridgeVlanInfo>) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.interface_family = AddressFamily::Bridge;
    message.header.index = ifindex;
    let vlans = vlans.into_iter().map(AfSpecBridge::VlanInfo);
    message.attributes = vec![LinkAttribute::AfSpecBridge(vlans.collect())];
    message
}

#[cfg(test)]
mod tests;
