//! The documents that people write, after parsing: what each kind can say.
//! Knows structure and defaults; text, places and errors are left to `language`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use frame::MacAddress;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::learn::Learn;
use crate::origin::Origin;
use crate::rule::{FieldValue, Rule, Term, Verdict};

/// Any document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Document {
    Profile(Profile),
    Group(Group),
    Network(Network),
    Service(Service),
    Policy(Policy),
    Port(Port),
    Host(Host),
}

impl Document {
    /// Unique within its kind.
    pub fn name(&self) -> &str {
        match self {
            Self::Profile(document) => &document.name,
            Self::Group(document) => &document.name,
            Self::Network(document) => &document.name,
            Self::Service(document) => &document.name,
            Self::Policy(document) => &document.name,
            Self::Port(document) => &document.name,
            Self::Host(document) => &document.name,
        }
    }
}

/// A named, versioned bundle of guards, rules, limits and variables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    pub name: String,
    pub origin: Origin,
    /// Counts up with every change that people want to tell apart; 1 unless said.
    pub version: u32,
    pub comment: Option<String>,
    /// Profiles whose contents follow this one's own: first match decides, own rules first.
    pub include: Vec<String>,
    /// `None`: inherited from the first included profile that says, else [`Stateful::Required`].
    pub stateful: Option<Stateful>,
    /// `None`: inherited likewise, else [`RejectMode::Required`].
    pub reject: Option<RejectMode>,
    /// Added to the included profiles' guards. A profile without any has none.
    pub guards: BTreeSet<Guard>,
    /// `None` per direction: inherited, else `accept` out and `drop` in.
    pub default_in: Option<Verdict>,
    pub default_out: Option<Verdict>,
    pub rules: Vec<Rule>,
    pub limits: Limits,
    pub variables: BTreeMap<String, Vec<FieldValue>>,
    /// Rules and default count and log, but nothing is dropped by them. Guards still hold.
    pub audit: bool,
    /// Whether a DHCP client works without a rule; `None`: inherited, else on.
    pub dhcp: Option<bool>,
    /// Where addresses may be learned; `None`: inherited, else the network's.
    pub learn: Option<Learn>,
    /// VLAN ids that the VM may use itself.
    pub tagged: Vec<(u16, u16)>,
    /// Ethertypes besides IPv4, IPv6 and ARP that may pass.
    pub ethertypes: BTreeSet<u16>,
}

/// What a profile asks of connection tracking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stateful {
    /// The plan refuses where the switch cannot track connections.
    #[default]
    Required,
    /// Where it cannot, rules apply frame by frame and status says so.
    Preferred,
    /// Frame by frame.
    Off,
}

/// What a profile asks where the switch can drop but not answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RejectMode {
    /// The plan refuses.
    #[default]
    Required,
    /// The frame is dropped without an answer, and status says so.
    Preferred,
}

/// A check that a port sends only as itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Guard {
    /// Source MAC is the port's own.
    Mac,
    /// IPv4 source is one of the port's addresses (implies `mac`).
    Ipv4,
    /// IPv6 source is one of the port's addresses or its EUI-64 link-local one (implies `mac`).
    Ipv6,
    /// ARP sender MAC and address are the port's own (implies `mac`).
    Arp,
    /// Neighbour discovery speaks only of the port's own addresses and MAC (implies `mac`).
    Nd,
    /// Nothing goes to a DHCP client's port.
    NoDhcpServer,
    /// No router advertisement and no redirect.
    NoRouterAdvertisement,
}

impl Guard {
    /// Every guard, in the order of the reference.
    pub const ALL: &[Self] = &[
        Self::Mac,
        Self::Ipv4,
        Self::Ipv6,
        Self::Arp,
        Self::Nd,
        Self::NoDhcpServer,
        Self::NoRouterAdvertisement,
    ];

    /// The word in a document.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mac => "mac",
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
            Self::Arp => "arp",
            Self::Nd => "nd",
            Self::NoDhcpServer => "no-dhcp-server",
            Self::NoRouterAdvertisement => "no-router-advertisement",
        }
    }
}

/// Rates in bits and frames per second; `None`: unlimited. Frames above are dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Limits {
    pub inward: Option<Rate>,
    pub outward: Option<Rate>,
    /// Broadcast and multicast frames that the VM sends.
    pub out_broadcast: Option<Rate>,
    /// Broadcast and multicast frames towards the VM.
    pub in_broadcast: Option<Rate>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rate {
    /// `100mbit`, `1gbit`, `64kbit`: decimal multiples. What is counted of a frame is up to the
    /// datapath (nf_tables: all behind the 14 bytes of the Ethernet header).
    BitsPerSecond(u64),
    /// `200pps`
    FramesPerSecond(u64),
}

/// A set of addresses, listed or selected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    pub name: String,
    pub origin: Origin,
    pub comment: Option<String>,
    pub members: Vec<Member>,
    /// Ports that carry all of these labels are members with their addresses.
    pub select: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Member {
    Address(IpAddr),
    Prefix(IpNet),
    Range(IpAddr, IpAddr),
    Vm(String),
    Network(String),
    Group(String),
}

/// A virtual layer-2 network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Network {
    pub name: String,
    pub origin: Origin,
    pub comment: Option<String>,
    pub bridge: String,
    /// The VLAN of the bridge that its ports are in; 1–4094.
    pub vlan: Option<u16>,
    pub isolation: Isolation,
    /// MACs of promiscuous members, wherever they are.
    pub promiscuous: BTreeSet<MacAddress>,
    /// MACs that may talk to every member.
    pub gateways: BTreeSet<MacAddress>,
    /// Community name → port names, VM names or MACs.
    pub communities: BTreeMap<String, Vec<String>>,
    /// MACs of members that no Port document declares.
    pub members: BTreeSet<MacAddress>,
    /// Members share these leading bits of their MAC.
    pub mac_prefix: Option<MacPrefix>,
    /// Only frames with a guest's own MAC pass: the `mac` guard for every port.
    pub mac_filter: bool,
    /// Prefixes, for `network:NAME` as a peer.
    pub addresses: Vec<IpNet>,
    /// Profiles of ports that name none.
    pub profiles: Vec<String>,
    /// Where addresses of ports may be learned whose profiles say nothing of it; `None`: nowhere.
    pub learn: Option<Learn>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Isolation {
    /// No check.
    #[default]
    Open,
    /// Only members of the network and its gateways reach its ports.
    Members,
    /// Isolated ↔ promiscuous, community ↔ own community and promiscuous.
    Private,
}

/// The leading `length` bits (0–48) of a MAC; the others are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MacPrefix {
    pub address: MacAddress,
    pub length: u8,
}

/// A named list of protocols and ports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    pub name: String,
    pub origin: Origin,
    pub comment: Option<String>,
    /// `tcp 80`, `udp 53`; other services by name.
    pub matches: Vec<Term>,
}

/// Rules at a level.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    pub name: String,
    pub origin: Origin,
    pub comment: Option<String>,
    pub level: Level,
    /// Decided before anything more specific.
    pub mandatory: Vec<Rule>,
    /// Decided after anything more specific.
    pub rules: Vec<Rule>,
}

/// Where rules are attached.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    #[default]
    Everything,
    Pool(String),
    Network(String),
    Vm(String),
    Port(String),
    /// VMs that carry all of these labels; ranks with `Vm`, before a policy that names the VM.
    Select(BTreeMap<String, String>),
}

/// One VM network interface.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    pub name: String,
    pub origin: Origin,
    pub comment: Option<String>,
    pub vm: Option<String>,
    pub labels: BTreeMap<String, String>,
    /// Interface name on the host.
    pub device: Option<String>,
    /// Only the host of this name may enforce it; `None`: any that has the device.
    pub host: Option<String>,
    pub mac: MacAddress,
    /// What its address guards allow; a prefix allows all its addresses.
    pub addresses: Vec<IpNet>,
    pub network: String,
    pub role: Role,
    /// In the order of decision. Empty: the network's.
    pub profiles: Vec<String>,
    /// Where its addresses may be learned; `None`: as its profiles say.
    pub learn: Option<Learn>,
    pub variables: BTreeMap<String, Vec<FieldValue>>,
}

/// A port's part in a private network.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Role {
    #[default]
    Isolated,
    Promiscuous,
    Community(String),
}

/// A hypervisor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    pub name: String,
    pub origin: Origin,
    pub comment: Option<String>,
    pub pool: Option<String>,
    /// Profiles of ports that name none, and whose network names none.
    pub profiles: Vec<String>,
    pub bridges: BTreeMap<String, HostBridge>,
}

/// What a host says of one of its bridges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostBridge {
    /// Interfaces that lead to the outside: what comes in there is judged by the receiving ports.
    pub uplinks: BTreeSet<String>,
    /// A port that moat has not admitted passes nothing.
    pub managed: bool,
}
