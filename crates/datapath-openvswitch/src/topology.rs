//! A bridge of Open vSwitch as far as frames can tell: its ports, their numbers and VLANs. Knows
//! the shape of the answer; asking the switch is left to others.

use std::collections::{BTreeMap, BTreeSet};

use frame::MacAddress;

/// The number of the port that is the host itself.
pub const LOCAL: u16 = 0xfffe;

/// One bridge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Topology {
    /// Its name.
    pub bridge: String,
    /// The host's own address on it.
    pub mac: MacAddress,
    /// By interface name; without the bridge's own port.
    pub ports: BTreeMap<String, TopologyPort>,
    /// VLAN of the host's own port; `None`: all of them, tagged, and untagged frames.
    pub local_vlan: Option<u16>,
    /// How long the place of a MAC behind an uplink is remembered, in seconds; 0: not at all, what
    /// is unknown goes everywhere.
    pub ageing_seconds: u16,
}

/// One port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopologyPort {
    /// OpenFlow port number, 1–0xfeff.
    pub number: u16,
    pub ifindex: Option<u32>,
    pub vlan: PortVlan,
}

/// Which VLANs a port is in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PortVlan {
    /// Frames carry their tags; those without are in no VLAN.
    #[default]
    Trunk,
    /// Frames carry the tags of these; those without are in the native one, where there is one.
    Trunks {
        vlans: BTreeSet<u16>,
        native: Option<u16>,
    },
    /// Frames carry no tag and are all in this one.
    Access(u16),
}
