//! A libvirt filter after reading: what its XML can say. Knows structure; what it means together with
//! other filters is left to `tree`, what a frame does with it to `flatten`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use frame::MacAddress;
use policy::origin::Origin;

/// Values of variables by name, without the `$`; a variable is a list.
pub type Parameters = BTreeMap<String, Vec<String>>;

/// One `<filter>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    pub name: String,
    /// `root`, a protocol, or a protocol with a suffix: `arp-mac`.
    pub chain: String,
    /// Where the root chain jumps to the filter's chain; −1000 to 1000, lower is earlier.
    pub priority: i32,
    pub entries: Vec<Entry>,
    pub origin: Origin,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    Rule(FilterRule),
    Reference(Reference),
}

/// `<filterref>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    pub filter: String,
    pub parameters: Parameters,
    pub origin: Origin,
}

/// `<rule>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterRule {
    pub action: Action,
    pub direction: Direction,
    /// −1000 to 1000, lower is earlier.
    pub priority: i32,
    /// The implicit match of connection states is on.
    pub statematch: bool,
    /// `None`: a rule without a protocol element, which is about every frame of its chain.
    pub protocol: Option<Protocol>,
    pub attributes: Vec<Attribute>,
    pub origin: Origin,
}

impl FilterRule {
    /// The value of an attribute, where the rule has it.
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|one| one.name == name)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Drop,
    Reject,
    Accept,
    /// Back to the chain that jumped here.
    Return,
    /// On with the next rule.
    Continue,
}

/// Seen from the VM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    In,
    Out,
    /// Both; attributes are written as for `in` and swap for what the VM sends.
    InOut,
}

/// The element of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Mac,
    Vlan,
    Stp,
    Arp,
    Rarp,
    Ip,
    Ipv6,
    /// One of the elements for IPv4 or IPv6 packets, which libvirt gives to iptables.
    Packet(PacketProtocol),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketProtocol {
    /// Element name: `tcp-ipv6`.
    pub name: &'static str,
    pub ipv6: bool,
    /// IP protocol number; `None` for `all`.
    pub number: Option<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    pub name: &'static str,
    pub value: Value,
    /// Its element says `match='no'`.
    pub negated: bool,
    pub origin: Origin,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Number(u64),
    Mac(MacAddress),
    Address(IpAddr),
    /// Leading bits that count.
    Prefix(u8),
    Flags {
        mask: u8,
        set: u8,
    },
    States(BTreeSet<State>),
    Switch(bool),
    Text(String),
    Variable {
        name: String,
        access: Access,
    },
}

/// Which value of a list a variable stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// `$X` and `$X[@0]` are iterator 0: one rule for each value; variables of the same iterator
    /// advance together.
    Iterator(u32),
    /// `$X[2]`, counted from 0.
    Element(u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    New,
    Established,
    Related,
    Invalid,
    None,
}
