//! What exists on a host right now, as far as a policy cares. Knows the shape of the answer;
//! asking the kernel or a switch is left to the inventory.

use std::collections::BTreeMap;

use frame::MacAddress;
use serde::{Deserialize, Serialize};

/// The bridges of a host and the interfaces plugged into them, read at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// By bridge name.
    pub bridges: BTreeMap<String, ObservedBridge>,
    /// Interfaces that are in a bridge, by interface name.
    pub interfaces: BTreeMap<String, ObservedInterface>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedBridge {
    pub ifindex: u32,
    /// The address under which the host itself is on the bridge.
    pub mac: MacAddress,
    /// The bridge separates VLANs itself.
    pub vlan_filtering: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedInterface {
    pub ifindex: u32,
    /// Name of the bridge that it is in.
    pub bridge: String,
    /// The host's side of the interface; a guest's own MAC is another one on taps and veths.
    pub mac: MacAddress,
    /// VLAN of untagged frames, where the bridge filters VLANs.
    pub pvid: Option<u16>,
}
