//! The compiled policy of one host: what every datapath lowers and the evaluator defines.
//! All names are resolved; what a switch needs to carry it out is left to the datapaths.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use frame::MacAddress;

use crate::document::{Guard, Limits, RejectMode, Stateful};
use crate::intervals::Intervals;
use crate::learn::Learning;
use crate::origin::Origin;
use crate::rule::{Field, LogRate, Verdict};

/// Everything that a host enforces.
///
/// Parts that ports share (lists, behaviours, sets) are interned: a port costs only its own entry.
/// Names of shared parts depend on what they are *for*, not on what they contain, so that a change
/// of contents is a change in place for every datapath.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostProgram {
    pub host: String,
    /// By bridge name: every bridge that the host's document names or a port's network uses.
    pub bridges: BTreeMap<String, Bridge>,
    /// Interfaces of bridges that are not managed, by bridge: nobody's business but their owners'.
    pub foreign: BTreeMap<String, BTreeSet<u32>>,
    /// Ports that are attached and admitted, by name.
    pub ports: BTreeMap<String, Arc<PortProgram>>,
    /// Declared ports that are not admitted, with the reason: their devices stay in quarantine.
    pub refused: BTreeMap<String, Refusal>,
    pub behaviours: BTreeMap<String, Arc<Behaviour>>,
    pub lists: BTreeMap<String, Arc<RuleList>>,
    /// Addresses of groups, networks and VMs that rules use as peers.
    pub address_sets: BTreeMap<String, Arc<AddressSet>>,
    /// Source MACs that isolation lets reach a port.
    pub mac_sets: BTreeMap<String, Arc<MacSet>>,
}

impl HostProgram {
    /// Takes ports out, and with them what only they need.
    pub fn refuse(&mut self, ports: BTreeMap<String, Refusal>) {
        for (port, refusal) in ports {
            self.ports.remove(&port);
            self.refused.insert(port, refusal);
        }
        self.keep_what_is_used();
    }

    /// What of it concerns these bridges, for one of several switches. Refused ports are left out.
    pub fn on_bridges(&self, concerned: impl Fn(&str) -> bool) -> Self {
        let mut part = Self {
            refused: BTreeMap::new(),
            ..self.clone()
        };
        part.bridges.retain(|bridge, _| concerned(bridge));
        part.foreign.retain(|bridge, _| concerned(bridge));
        part.ports.retain(|_, port| concerned(&port.bridge));
        part.keep_what_is_used();
        part
    }

    fn keep_what_is_used(&mut self) {
        let used: BTreeSet<&str> = self
            .ports
            .values()
            .map(|it| it.behaviour.as_str())
            .collect();
        self.behaviours
            .retain(|name, _| used.contains(name.as_str()));
        let lists: BTreeSet<&String> = self.behaviours.values().flat_map(|it| &it.lists).collect();
        self.lists.retain(|name, _| lists.contains(name));
        let isolations = self
            .behaviours
            .values()
            .filter_map(|it| it.isolation.as_ref());
        let macs: BTreeSet<&String> = isolations.flat_map(|it| &it.sources).collect();
        self.mac_sets.retain(|name, _| macs.contains(name));
        let rules = self
            .lists
            .values()
            .flat_map(|it| it.inward.iter().chain(&it.outward));
        let conditions = rules.flat_map(|rule| rule.alternatives.iter().flatten());
        let peers: BTreeSet<&String> = conditions
            .filter_map(|condition| match &condition.values {
                Values::AddressSet(name) => Some(name),
                _ => None,
            })
            .collect();
        self.address_sets.retain(|name, _| peers.contains(name));
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bridge {
    pub ifindex: Option<u32>,
    /// The host's own address on it.
    pub mac: Option<MacAddress>,
    pub managed: bool,
    /// Interfaces to the outside by name, with their ifindex where they exist.
    pub uplinks: BTreeMap<String, Option<u32>>,
}

/// Why a declared port is not admitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub reason: String,
    pub origin: Origin,
    /// True where nothing is wrong: the port is simply not here (no such device on this host).
    pub absent: bool,
}

/// One admitted port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortProgram {
    pub name: String,
    pub vm: Option<String>,
    pub labels: BTreeMap<String, String>,
    pub device: String,
    pub ifindex: u32,
    pub bridge: String,
    pub network: String,
    pub mac: MacAddress,
    /// What the IPv4 and ARP guards allow as source: declared and learned addresses.
    pub ipv4: Intervals<Ipv4Addr>,
    /// What the IPv6 and ND guards allow, the EUI-64 link-local address included.
    pub ipv6: Intervals<Ipv6Addr>,
    /// Key in [`HostProgram::behaviours`].
    pub behaviour: String,
    pub limits: Limits,
    /// Connection-tracking zone: frames of one zone never meet connections of another. 0: that of
    /// whomever the port talks to, for a gateway between networks.
    pub zone: u16,
    /// `name@version` of its profiles, most specific first.
    pub profiles: Vec<String>,
    pub origin: Origin,
}

/// Everything about ports that has nothing to do with which port it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behaviour {
    pub name: String,
    /// With `mac` where another guard or isolation implies it.
    pub guards: BTreeSet<Guard>,
    pub stateful: Stateful,
    pub reject: RejectMode,
    /// A DHCP client works without a rule.
    pub dhcp: bool,
    /// Where its ports' addresses may be learned; `None`: nowhere. Guards hold what is not learned
    /// yet back; with `any` the guards of packets' sources are off.
    pub learning: Option<Learning>,
    pub tagged: Intervals<u16>,
    pub ethertypes: BTreeSet<u16>,
    /// `None`: open. Else keys in [`HostProgram::mac_sets`]: a frame towards the port passes only
    /// if one of them holds its source MAC.
    pub isolation: Option<Isolation>,
    /// Keys in [`HostProgram::lists`], in the order of decision.
    pub lists: Vec<String>,
    pub default_in: DefaultVerdict,
    pub default_out: DefaultVerdict,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Isolation {
    pub sources: Vec<String>,
    /// For people: `members of tenant-7`, `isolated in tenant-7`.
    pub reason: String,
    pub origin: Origin,
}

/// What happens to a frame that no rule decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefaultVerdict {
    /// Name of its counter: unique in the program.
    pub id: String,
    pub verdict: Verdict,
    pub audit: bool,
    pub origin: Origin,
}

/// The rules of one document (or of one port's reading of it, where it uses variables).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleList {
    pub name: String,
    pub stage: Stage,
    /// For people: `profile web-server`, `policy no-telnet`.
    pub title: String,
    pub inward: Vec<CompiledRule>,
    pub outward: Vec<CompiledRule>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    Mandatory,
    Ordinary,
}

/// A rule for one direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompiledRule {
    /// Name of its counter: unique in the program, stable while the rule's text is.
    /// Letters, digits and `/-_.` only, starts with a letter.
    pub id: String,
    pub verdict: Verdict,
    /// The verdict is counted and reported, but the frame passes.
    pub audit: bool,
    pub stateless: bool,
    pub log: Option<LogRate>,
    /// The rule matches where one of these holds; each is a conjunction.
    pub alternatives: Vec<Vec<Condition>>,
    /// Frame classes that the rule names; it is considered for these besides ordinary packets.
    pub names: Classes,
    /// Whether the rule is considered for ordinary IPv4 and IPv6 packets.
    pub packets: bool,
    /// As a person would write it.
    pub text: String,
    pub origin: Origin,
}

/// Frames that follow guards and isolation alone, unless a rule names them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Classes {
    pub arp: bool,
    /// Neighbour and multicast listener discovery: ICMPv6 130–137 and 143.
    pub nd: bool,
    /// The client side of DHCP for IPv4 and IPv6.
    pub dhcp: bool,
    /// Frames that are none of IPv4, IPv6 and ARP.
    pub other: bool,
}

/// One comparison of a header field. A field whose header is absent makes it false, negated or
/// not; a transport field of a later fragment makes it unknown.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Condition {
    pub field: Field,
    pub negated: bool,
    pub values: Values,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Values {
    Numbers(Intervals<u64>),
    /// Value and mask; any of them.
    Macs(Vec<(MacAddress, MacAddress)>),
    Addresses(AddressSet),
    /// Key in [`HostProgram::address_sets`].
    AddressSet(String),
    /// Mask and value; any of them.
    Flags(Vec<(u8, u8)>),
}

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddressSet {
    pub ipv4: Intervals<Ipv4Addr>,
    pub ipv6: Intervals<Ipv6Addr>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MacSet {
    pub macs: BTreeSet<MacAddress>,
    /// Value and mask.
    pub masked: Vec<(MacAddress, MacAddress)>,
}

/// Seen from the VM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// Towards the VM.
    In,
    /// From the VM.
    Out,
}

/// What connection tracking says of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConnectionState {
    /// The switch does not track: every frame is judged by itself.
    Untracked,
    New,
    Established,
    Related,
    Invalid,
}
