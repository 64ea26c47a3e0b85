//! The words of the language beside field names: one table for each kind, used for reading,
//! writing, errors and the schema alike. Knows spelling only.

use crate::document::{Guard, Isolation, RejectMode, Stateful};
use crate::learn::LearnMode;
use crate::rule::{Protocol, RateUnit, RuleDirection, Verdict};

/// Words and what they stand for.
pub(super) type Table<T> = &'static [(&'static str, T)];

pub(super) fn look_up<T: Copy>(table: &[(&'static str, T)], word: &str) -> Option<T> {
    table
        .iter()
        .find(|(name, _)| *name == word)
        .map(|(_, value)| *value)
}

pub(super) fn word_for<T: PartialEq>(
    table: &[(&'static str, T)],
    value: &T,
) -> Option<&'static str> {
    table
        .iter()
        .find(|(_, v)| v == value)
        .map(|(name, _)| *name)
}

pub(super) fn names<T>(table: &[(&'static str, T)]) -> impl Iterator<Item = &'static str> {
    table.iter().map(|(name, _)| *name)
}

pub(super) const VERDICTS: Table<Verdict> = &[
    ("accept", Verdict::Accept),
    ("drop", Verdict::Drop),
    ("reject", Verdict::Reject),
];

pub(super) const DIRECTIONS: Table<RuleDirection> = &[
    ("in", RuleDirection::In),
    ("out", RuleDirection::Out),
    ("both", RuleDirection::Both),
];

pub(super) const RATE_UNITS: Table<RateUnit> = &[
    ("second", RateUnit::Second),
    ("minute", RateUnit::Minute),
    ("hour", RateUnit::Hour),
    ("day", RateUnit::Day),
];

pub(super) const STATEFUL: Table<Stateful> = &[
    ("required", Stateful::Required),
    ("preferred", Stateful::Preferred),
    ("off", Stateful::Off),
];

pub(super) const REJECT: Table<RejectMode> = &[
    ("required", RejectMode::Required),
    ("preferred", RejectMode::Preferred),
];

pub(super) const GUARDS: Table<Guard> = &[
    ("mac", Guard::Mac),
    ("ipv4", Guard::Ipv4),
    ("ipv6", Guard::Ipv6),
    ("arp", Guard::Arp),
    ("nd", Guard::Nd),
    ("no-dhcp-server", Guard::NoDhcpServer),
    ("no-router-advertisement", Guard::NoRouterAdvertisement),
];

pub(super) const ISOLATION: Table<Isolation> = &[
    ("open", Isolation::Open),
    ("members", Isolation::Members),
    ("private", Isolation::Private),
];

pub(super) const LEARN: Table<LearnMode> = &[
    ("none", LearnMode::None),
    ("first-packet", LearnMode::FirstPacket),
    ("dhcp", LearnMode::Dhcp),
    ("any", LearnMode::Any),
];

pub(super) const SWITCH: Table<bool> = &[("on", true), ("off", false)];

/// In the order in which they are listed for people.
pub(super) const PROTOCOLS: Table<Protocol> = &[
    ("tcp", Protocol::TCP),
    ("udp", Protocol::UDP),
    ("icmp", Protocol::ICMP),
    ("icmpv6", Protocol::ICMPV6),
    ("ip", Protocol::Ip),
    ("ipv4", Protocol::Ipv4),
    ("ipv6", Protocol::Ipv6),
    ("sctp", Protocol::SCTP),
    ("dccp", Protocol::Number(33)),
    ("udplite", Protocol::Number(136)),
    ("igmp", Protocol::Number(2)),
    ("gre", Protocol::Number(47)),
    ("esp", Protocol::Number(50)),
    ("ah", Protocol::Number(51)),
    ("ether", Protocol::Ether),
    ("arp", Protocol::Arp),
    ("rarp", Protocol::Rarp),
    ("vlan", Protocol::Vlan),
    ("stp", Protocol::Stp),
];

/// Words that have a meaning of their own in a rule line and therefore name no service.
pub(super) const KEYWORDS: &[&str] = &[
    "accept",
    "drop",
    "reject",
    "in",
    "out",
    "both",
    "from",
    "to",
    "with",
    "not",
    "log",
    "stateless",
    "comment",
    "any",
    "protocol",
];

/// Types of ICMP for IPv4 (IANA "ICMP Type Numbers").
pub(super) const ICMP_TYPES: Table<u8> = &[
    ("echo-reply", 0),
    ("destination-unreachable", 3),
    ("source-quench", 4),
    ("redirect", 5),
    ("echo-request", 8),
    ("router-advertisement", 9),
    ("router-solicitation", 10),
    ("time-exceeded", 11),
    ("parameter-problem", 12),
    ("timestamp-request", 13),
    ("timestamp-reply", 14),
    ("information-request", 15),
    ("information-reply", 16),
    ("address-mask-request", 17),
    ("address-mask-reply", 18),
    ("extended-echo-request", 42),
    ("extended-echo-reply", 43),
];

/// Types of ICMPv6 (IANA "ICMPv6 type Numbers").
pub(super) const ICMPV6_TYPES: Table<u8> = &[
    ("destination-unreachable", 1),
    ("packet-too-big", 2),
    ("time-exceeded", 3),
    ("parameter-problem", 4),
    ("echo-request", 128),
    ("echo-reply", 129),
    ("multicast-listener-query", 130),
    ("multicast-listener-report", 131),
    ("multicast-listener-done", 132),
    ("router-solicitation", 133),
    ("router-advertisement", 134),
    ("neighbour-solicitation", 135),
    ("neighbour-advertisement", 136),
    ("neighbor-solicitation", 135),
    ("neighbor-advertisement", 136),
    ("redirect", 137),
    ("multicast-listener-report-v2", 143),
    ("multicast-router-advertisement", 151),
    ("multicast-router-solicitation", 152),
    ("multicast-router-termination", 153),
    ("extended-echo-request", 160),
    ("extended-echo-reply", 161),
];

/// IANA "ARP Operation Codes".
pub(super) const ARP_OPERATIONS: Table<u64> = &[
    ("request", 1),
    ("reply", 2),
    ("reverse-request", 3),
    ("reverse-reply", 4),
    ("inverse-request", 8),
    ("inverse-reply", 9),
    ("nak", 10),
];

pub(super) const ETHERTYPES: Table<u64> = &[
    ("ipv4", 0x0800),
    ("arp", 0x0806),
    ("wake-on-lan", 0x0842),
    ("rarp", 0x8035),
    ("vlan", 0x8100),
    ("ipv6", 0x86dd),
    ("mpls", 0x8847),
    ("mpls-multicast", 0x8848),
    ("pppoe-discovery", 0x8863),
    ("pppoe-session", 0x8864),
    ("eapol", 0x888e),
    ("profinet", 0x8892),
    ("ata-over-ethernet", 0x88a2),
    ("ethercat", 0x88a4),
    ("qinq", 0x88a8),
    ("goose", 0x88b8),
    ("lldp", 0x88cc),
    ("macsec", 0x88e5),
    ("mvrp", 0x88f5),
    ("ptp", 0x88f7),
    ("cfm", 0x8902),
    ("fcoe", 0x8906),
    ("fip", 0x8914),
    ("roce", 0x8915),
    ("batman", 0x4305),
];

/// IP protocol numbers for `with ip.protocol`.
pub(super) const IP_PROTOCOLS: Table<u64> = &[
    ("icmp", 1),
    ("igmp", 2),
    ("tcp", 6),
    ("udp", 17),
    ("dccp", 33),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("icmpv6", 58),
    ("sctp", 132),
    ("udplite", 136),
];

/// Differentiated services code points (RFC 2474, 2597, 3246, 5865).
pub(super) const CODE_POINTS: Table<u64> = &[
    ("cs0", 0),
    ("cs1", 8),
    ("cs2", 16),
    ("cs3", 24),
    ("cs4", 32),
    ("cs5", 40),
    ("cs6", 48),
    ("cs7", 56),
    ("af11", 10),
    ("af12", 12),
    ("af13", 14),
    ("af21", 18),
    ("af22", 20),
    ("af23", 22),
    ("af31", 26),
    ("af32", 28),
    ("af33", 30),
    ("af41", 34),
    ("af42", 36),
    ("af43", 38),
    ("voice-admit", 44),
    ("ef", 46),
];

/// Bits of the TCP flags byte (RFC 9293 section 3.1), lowest first.
pub(super) const TCP_FLAGS: Table<u8> = &[
    ("fin", 0x01),
    ("syn", 0x02),
    ("rst", 0x04),
    ("psh", 0x08),
    ("ack", 0x10),
    ("urg", 0x20),
    ("ece", 0x40),
    ("cwr", 0x80),
];
