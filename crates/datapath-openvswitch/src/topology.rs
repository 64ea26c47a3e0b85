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
    /// OpenFlow port number, 1–0xfeff; of a bond that of its active or first member.
    pub number: u16,
    /// `None`: a port with one interface.
    pub bond: Option<Bond>,
    pub ifindex: Option<u32>,
    pub vlan: PortVlan,
}

/// Several interfaces that are one port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bond {
    /// Numbers of all members, in the order in which they are preferred.
    pub members: Vec<u16>,
    pub mode: BondMode,
}

/// How a bond uses its members.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BondMode {
    /// One at a time: the port's number. What comes in at others is not for this host.
    #[default]
    ActiveBackup,
    /// Senders are spread by their MAC, and the network does not know of the bond: groups are
    /// heard at every member and count at the port's number alone, and own frames may come back.
    Spread,
    /// The other end knows of the bond (LACP): what comes in counts wherever it comes in.
    Aggregated,
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
