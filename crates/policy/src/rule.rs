//! A rule as people write it: verdict, direction, what it matches, peers, options.
//! Knows the words of the language; resolving names is left to the compiler.

use std::net::IpAddr;

use frame::MacAddress;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::origin::Origin;

/// What happens to a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// The frame passes.
    Accept,
    /// The frame vanishes.
    Drop,
    /// The frame vanishes and its sender is told (TCP reset, ICMP administratively prohibited).
    Reject,
}

/// Which way a rule looks, from the VM's point of view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RuleDirection {
    /// Towards the VM.
    In,
    /// From the VM.
    Out,
    /// Either way; peers and ports keep their sense (`to`/`from` swap).
    Both,
}

/// One rule.
#[derive(Clone, Debug)]
pub struct Rule {
    pub verdict: Verdict,
    pub direction: RuleDirection,
    /// What the rule is about; any of them. Empty: every IPv4 and IPv6 packet.
    pub what: Vec<Term>,
    /// The other side: source of frames `in`, destination of frames `out`. Empty: anybody.
    pub peers: Vec<Peer>,
    /// Further conditions, all of which must hold (`with FIELD [not] VALUE, …`).
    pub with: Vec<FieldMatch>,
    /// Frames that match are reported, at most at this rate.
    pub log: Option<LogRate>,
    /// The rule is considered for every frame, whatever the state of its connection.
    pub stateless: bool,
    pub comment: Option<String>,
    /// Where it was written; not part of its identity.
    pub origin: Origin,
}

impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        (
            self.verdict,
            self.direction,
            &self.what,
            &self.peers,
            &self.with,
        ) == (
            other.verdict,
            other.direction,
            &other.what,
            &other.peers,
            &other.with,
        ) && (self.log, self.stateless, &self.comment)
            == (other.log, other.stateless, &other.comment)
    }
}
impl Eq for Rule {}

/// A service by name, or a protocol with ports (or ICMP types).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Term {
    /// A built-in or declared service: `http`.
    Service(String),
    /// `tcp`, `tcp 80`, `tcp 8000-8080`, `icmp echo-request`, `protocol 47`.
    Protocol {
        protocol: Protocol,
        /// Destination ports, for protocols that have them; empty: all.
        ports: Vec<PortRange>,
        /// ICMP type with optional code, for `icmp` and `icmpv6`; empty: all.
        icmp: Vec<IcmpMatch>,
    },
}

/// What a rule can be about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// Any IPv4 or IPv6 packet.
    Ip,
    /// Any IPv4 packet.
    Ipv4,
    /// Any IPv6 packet.
    Ipv6,
    /// An IP protocol number: 6 `tcp`, 17 `udp`, 1 `icmp`, 58 `icmpv6`, 132 `sctp`, `protocol N`.
    /// `icmp` is of IPv4 alone, `icmpv6` of IPv6 alone; all others are of both.
    Number(u8),
    /// Any frame at all, whatever its ethertype.
    Ether,
    Arp,
    Rarp,
    /// A frame that carries a VLAN tag.
    Vlan,
    /// A spanning-tree BPDU (802.3 with LLC 42 42 03).
    Stp,
}

impl Protocol {
    pub const ICMP: Self = Self::Number(1);
    pub const TCP: Self = Self::Number(6);
    pub const UDP: Self = Self::Number(17);
    pub const ICMPV6: Self = Self::Number(58);
    pub const SCTP: Self = Self::Number(132);

    /// Whether the protocol carries source and destination ports in its first four bytes:
    /// TCP, UDP, DCCP, SCTP, UDP-Lite.
    pub fn has_ports(self) -> bool {
        matches!(self, Self::Number(6 | 17 | 33 | 132 | 136))
    }
}

/// Ports from `first` to `last`, both included, `first <= last`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortRange {
    pub first: u16,
    pub last: u16,
}

/// An ICMP or ICMPv6 type, with a code or with any.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IcmpMatch {
    pub kind: u8,
    pub code: Option<u8>,
}

/// The other side of a rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Peer {
    Any,
    Address(IpAddr),
    /// No host bits set.
    Prefix(IpNet),
    /// Both ends included, same family, first <= last.
    Range(IpAddr, IpAddr),
    /// `@name`
    Group(String),
    /// `network:name`: the addresses of its prefixes and of its ports.
    Network(String),
    /// `vm:name`: the addresses of its ports.
    Vm(String),
    /// `$NAME`, resolved for each port.
    Variable(String),
}

/// At most `count` reports in each `per`; bursts of up to `burst`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogRate {
    pub count: u32,
    pub per: RateUnit,
}

impl Default for LogRate {
    /// What a bare `log` means: ten reports a second.
    fn default() -> Self {
        Self {
            count: 10,
            per: RateUnit::Second,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RateUnit {
    Second,
    Minute,
    Hour,
    Day,
}

/// `with FIELD [not] VALUE, …`: true where the field is present and (not) one of the values.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldMatch {
    pub field: Field,
    pub negated: bool,
    /// At least one.
    pub values: Vec<FieldValue>,
}

/// A value to compare a field with. Which kinds fit a field: [`Field::kind`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum FieldValue {
    /// A closed interval; both ends equal for a single number.
    Number(u64, u64),
    /// A MAC address and the mask under which it is compared (all ones for a plain address).
    Mac { value: MacAddress, mask: MacAddress },
    /// A closed interval of addresses of one family.
    Address(IpAddr, IpAddr),
    /// Of the flags in `mask`, exactly those in `set` are set.
    Flags { mask: u8, set: u8 },
    /// `$NAME`, resolved for each port.
    Variable(String),
}

/// The kind of value that a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// An unsigned number up to and including this.
    Number(u64),
    Mac,
    Address,
    Flags,
}

macro_rules! fields {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $kind:expr;)*) => {
        /// A header field that a rule can look at. Naming a field asserts that its header is there.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Field { $($(#[$doc])* $variant,)* }

        impl Field {
            /// Every field, in the order of the reference.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The word in a rule line.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What its values are.
            pub fn kind(self) -> FieldKind {
                match self { $(Self::$variant => $kind,)* }
            }
        }
    };
}

fields! {
    EtherSource = "ether.src", FieldKind::Mac;
    EtherDestination = "ether.dst", FieldKind::Mac;
    /// The protocol after the outer VLAN tag, as `meta protocol`.
    EtherType = "ether.type", FieldKind::Number(0xffff);
    VlanId = "vlan.id", FieldKind::Number(4095);
    VlanPriority = "vlan.priority", FieldKind::Number(7);
    ArpHardwareType = "arp.hardware-type", FieldKind::Number(0xffff);
    ArpProtocolType = "arp.protocol-type", FieldKind::Number(0xffff);
    ArpOperation = "arp.operation", FieldKind::Number(0xffff);
    ArpSenderMac = "arp.sender-mac", FieldKind::Mac;
    ArpSenderAddress = "arp.sender-ip", FieldKind::Address;
    ArpTargetMac = "arp.target-mac", FieldKind::Mac;
    ArpTargetAddress = "arp.target-ip", FieldKind::Address;
    SourceAddress = "ip.src", FieldKind::Address;
    DestinationAddress = "ip.dst", FieldKind::Address;
    IpProtocol = "ip.protocol", FieldKind::Number(255);
    Dscp = "ip.dscp", FieldKind::Number(63);
    SourcePort = "sport", FieldKind::Number(0xffff);
    DestinationPort = "dport", FieldKind::Number(0xffff);
    IcmpType = "icmp.type", FieldKind::Number(255);
    IcmpCode = "icmp.code", FieldKind::Number(255);
    TcpFlags = "tcp.flags", FieldKind::Flags;
    StpType = "stp.type", FieldKind::Number(255);
    StpFlags = "stp.flags", FieldKind::Number(255);
    StpRootPriority = "stp.root-priority", FieldKind::Number(0xffff);
    StpRootMac = "stp.root-mac", FieldKind::Mac;
    StpRootCost = "stp.root-cost", FieldKind::Number(0xffff_ffff);
    StpSenderPriority = "stp.sender-priority", FieldKind::Number(0xffff);
    StpSenderMac = "stp.sender-mac", FieldKind::Mac;
    StpPort = "stp.port", FieldKind::Number(0xffff);
    StpMessageAge = "stp.message-age", FieldKind::Number(0xffff);
    StpMaxAge = "stp.max-age", FieldKind::Number(0xffff);
    StpHelloTime = "stp.hello-time", FieldKind::Number(0xffff);
    StpForwardDelay = "stp.forward-delay", FieldKind::Number(0xffff);
}
