//! The protocols and attributes of libvirt's format: names, kinds and ranges. Knows what may be
//! written; what it means is left to `translate`.

use super::filter::{PacketProtocol, Protocol};

/// Kind of an attribute's value, with its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// From and to, decimal or hexadecimal, or one of these names.
    Number(u64, u64, &'static [(&'static str, u64)]),
    Mac,
    MacMask,
    Ipv4,
    Ipv6,
    Ipv4Mask,
    Ipv6Mask,
    /// `MASK/FLAGS` of TCP.
    Flags,
    States,
    Switch,
    /// At most this many characters.
    Text(usize),
}

type Attributes = &'static [(&'static str, Kind)];

const PROTOCOL_IDS: &[(&str, u64)] = &[
    ("arp", 0x0806),
    ("rarp", 0x8035),
    ("ipv4", 0x0800),
    ("ipv6", 0x86dd),
    ("vlan", 0x8100),
];
const ENCAPSULATED: &[(&str, u64)] = &[("arp", 0x0806), ("ipv4", 0x0800), ("ipv6", 0x86dd)];
const OPERATIONS: &[(&str, u64)] = &[
    ("Request", 1),
    ("Reply", 2),
    ("Request_Reverse", 3),
    ("Reply_Reverse", 4),
    ("DRARP_Request", 5),
    ("DRARP_Reply", 6),
    ("DRARP_Error", 7),
    ("InARP_Request", 8),
    ("ARP_NAK", 9),
];
const IP_PROTOCOLS: &[(&str, u64)] = &[
    ("tcp", 6),
    ("udp", 17),
    ("udplite", 136),
    ("esp", 50),
    ("ah", 51),
    ("icmp", 1),
    ("igmp", 2),
    ("sctp", 132),
    ("icmpv6", 58),
];

const BYTE: Kind = Kind::Number(0, 0xff, &[]);
const WORD: Kind = Kind::Number(0, 0xffff, &[]);
const DSCP: Kind = Kind::Number(0, 63, &[]);

const COMMENT: Attributes = &[("comment", Kind::Text(256))];
const SOURCE_MAC: Attributes = &[("srcmacaddr", Kind::Mac), ("srcmacmask", Kind::MacMask)];
const DESTINATION_MAC: Attributes = &[("dstmacaddr", Kind::Mac), ("dstmacmask", Kind::MacMask)];
const MAC: Attributes = &[("protocolid", Kind::Number(0x600, 0xffff, PROTOCOL_IDS))];
const VLAN: Attributes = &[
    ("vlanid", Kind::Number(0, 4095, &[])),
    ("encap-protocol", Kind::Number(0x3c, 0xffff, ENCAPSULATED)),
];
const STP: Attributes = &[
    ("type", BYTE),
    ("flags", BYTE),
    ("root-priority", WORD),
    ("root-priority-hi", WORD),
    ("root-address", Kind::Mac),
    ("root-address-mask", Kind::MacMask),
    ("root-cost", Kind::Number(0, 0xffff_ffff, &[])),
    ("root-cost-hi", Kind::Number(0, 0xffff_ffff, &[])),
    ("sender-priority", WORD),
    ("sender-priority-hi", WORD),
    ("sender-address", Kind::Mac),
    ("sender-address-mask", Kind::MacMask),
    ("port", WORD),
    ("port-hi", WORD),
    ("age", WORD),
    ("age-hi", WORD),
    ("max-age", WORD),
    ("max-age-hi", WORD),
    ("hello-time", WORD),
    ("hello-time-hi", WORD),
    ("forward-delay", WORD),
    ("forward-delay-hi", WORD),
];
const ARP: Attributes = &[
    ("hwtype", WORD),
    ("protocoltype", WORD),
    ("opcode", Kind::Number(0, 0xffff, OPERATIONS)),
    ("arpsrcmacaddr", Kind::Mac),
    ("arpdstmacaddr", Kind::Mac),
    ("arpsrcipaddr", Kind::Ipv4),
    ("arpsrcipmask", Kind::Ipv4Mask),
    ("arpdstipaddr", Kind::Ipv4),
    ("arpdstipmask", Kind::Ipv4Mask),
    ("gratuitous", Kind::Switch),
];
const IPV4_ADDRESSES: Attributes = &[
    ("srcipaddr", Kind::Ipv4),
    ("srcipmask", Kind::Ipv4Mask),
    ("dstipaddr", Kind::Ipv4),
    ("dstipmask", Kind::Ipv4Mask),
];
const IPV6_ADDRESSES: Attributes = &[
    ("srcipaddr", Kind::Ipv6),
    ("srcipmask", Kind::Ipv6Mask),
    ("dstipaddr", Kind::Ipv6),
    ("dstipmask", Kind::Ipv6Mask),
];
const IPV4_RANGES: Attributes = &[
    ("srcipfrom", Kind::Ipv4),
    ("srcipto", Kind::Ipv4),
    ("dstipfrom", Kind::Ipv4),
    ("dstipto", Kind::Ipv4),
];
const IPV6_RANGES: Attributes = &[
    ("srcipfrom", Kind::Ipv6),
    ("srcipto", Kind::Ipv6),
    ("dstipfrom", Kind::Ipv6),
    ("dstipto", Kind::Ipv6),
];
const IP_PROTOCOL: Attributes = &[("protocol", Kind::Number(0, 0xff, IP_PROTOCOLS))];
const DSCP_ONLY: Attributes = &[("dscp", DSCP)];
const PORTS: Attributes = &[
    ("srcportstart", WORD),
    ("srcportend", WORD),
    ("dstportstart", WORD),
    ("dstportend", WORD),
];
const ICMP_RANGES: Attributes = &[
    ("type", BYTE),
    ("typeend", BYTE),
    ("code", BYTE),
    ("codeend", BYTE),
];
const ICMP: Attributes = &[("type", BYTE), ("code", BYTE)];
const PACKET: Attributes = &[
    ("srcmacaddr", Kind::Mac),
    ("dscp", DSCP),
    ("connlimit-above", WORD),
    ("state", Kind::States),
    ("ipset", Kind::Text(31)),
    ("ipsetflags", Kind::Text(31)),
];
const TCP_OPTION: Attributes = &[("option", BYTE)];
const TCP_FLAGS: Attributes = &[("flags", Kind::Flags)];

/// Elements by name.
pub(super) const PROTOCOLS: &[(&str, Protocol)] = &[
    ("mac", Protocol::Mac),
    ("vlan", Protocol::Vlan),
    ("stp", Protocol::Stp),
    ("arp", Protocol::Arp),
    ("rarp", Protocol::Rarp),
    ("ip", Protocol::Ip),
    ("ipv6", Protocol::Ipv6),
    ("tcp", packet("tcp", false, Some(6))),
    ("udp", packet("udp", false, Some(17))),
    ("sctp", packet("sctp", false, Some(132))),
    ("udplite", packet("udplite", false, Some(136))),
    ("esp", packet("esp", false, Some(50))),
    ("ah", packet("ah", false, Some(51))),
    ("all", packet("all", false, None)),
    ("icmp", packet("icmp", false, Some(1))),
    ("igmp", packet("igmp", false, Some(2))),
    ("tcp-ipv6", packet("tcp-ipv6", true, Some(6))),
    ("udp-ipv6", packet("udp-ipv6", true, Some(17))),
    ("sctp-ipv6", packet("sctp-ipv6", true, Some(132))),
    ("udplite-ipv6", packet("udplite-ipv6", true, Some(136))),
    ("esp-ipv6", packet("esp-ipv6", true, Some(50))),
    ("ah-ipv6", packet("ah-ipv6", true, Some(51))),
    ("all-ipv6", packet("all-ipv6", true, None)),
    ("icmpv6", packet("icmpv6", true, Some(58))),
];

const fn packet(name: &'static str, ipv6: bool, number: Option<u8>) -> Protocol {
    Protocol::Packet(PacketProtocol { name, ipv6, number })
}

/// Chains that exist by themselves, and where the root chain jumps to them unless a filter says.
/// libvirt documents −810 for `stp`, though its table of defaults has no entry for it.
pub(super) const CHAINS: &[(&str, i32)] = &[
    ("root", 0),
    ("stp", -810),
    ("mac", -800),
    ("vlan", -750),
    ("ipv4", -700),
    ("ipv6", -600),
    ("arp", -500),
    ("rarp", -400),
];

impl Protocol {
    /// Attributes that the element may have besides `match`.
    pub(super) fn attributes(self) -> Vec<(&'static str, Kind)> {
        let parts: &[Attributes] = match self {
            Self::Mac => &[SOURCE_MAC, DESTINATION_MAC, MAC],
            Self::Vlan => &[SOURCE_MAC, DESTINATION_MAC, VLAN],
            Self::Stp => &[SOURCE_MAC, STP],
            Self::Arp | Self::Rarp => &[SOURCE_MAC, DESTINATION_MAC, ARP],
            Self::Ip => &[
                SOURCE_MAC,
                DESTINATION_MAC,
                IPV4_ADDRESSES,
                IP_PROTOCOL,
                PORTS,
                DSCP_ONLY,
            ],
            Self::Ipv6 => &[
                SOURCE_MAC,
                DESTINATION_MAC,
                IPV6_ADDRESSES,
                IP_PROTOCOL,
                PORTS,
                ICMP_RANGES,
            ],
            Self::Packet(packet) => match (packet.number, packet.ipv6) {
                (Some(6), false) => &[
                    IPV4_ADDRESSES,
                    IPV4_RANGES,
                    PACKET,
                    PORTS,
                    TCP_OPTION,
                    TCP_FLAGS,
                ],
                (Some(6), true) => &[IPV6_ADDRESSES, IPV6_RANGES, PACKET, PORTS, TCP_OPTION],
                (Some(17 | 132), false) => &[IPV4_ADDRESSES, IPV4_RANGES, PACKET, PORTS],
                (Some(17 | 132), true) => &[IPV6_ADDRESSES, IPV6_RANGES, PACKET, PORTS],
                (Some(1), _) => &[IPV4_ADDRESSES, IPV4_RANGES, PACKET, ICMP],
                (Some(58), _) => &[IPV6_ADDRESSES, IPV6_RANGES, PACKET, ICMP],
                (_, false) => &[IPV4_ADDRESSES, IPV4_RANGES, PACKET],
                (_, true) => &[IPV6_ADDRESSES, IPV6_RANGES, PACKET],
            },
        };
        let comment = std::iter::once(&COMMENT);
        parts
            .iter()
            .chain(comment)
            .flat_map(|part| part.iter().copied())
            .collect()
    }

    /// Element name.
    pub fn name(self) -> &'static str {
        PROTOCOLS
            .iter()
            .find(|(_, protocol)| *protocol == self)
            .map_or("", |(name, _)| name)
    }
}

/// Attributes that only narrow or widen another, with that one's name.
pub(super) const COMPANIONS: &[(&str, &str)] = &[
    ("srcmacmask", "srcmacaddr"),
    ("dstmacmask", "dstmacaddr"),
    ("srcipmask", "srcipaddr"),
    ("dstipmask", "dstipaddr"),
    ("arpsrcipmask", "arpsrcipaddr"),
    ("arpdstipmask", "arpdstipaddr"),
    ("srcipto", "srcipfrom"),
    ("dstipto", "dstipfrom"),
    ("srcportend", "srcportstart"),
    ("dstportend", "dstportstart"),
    ("typeend", "type"),
    ("codeend", "code"),
    ("root-priority-hi", "root-priority"),
    ("root-address-mask", "root-address"),
    ("root-cost-hi", "root-cost"),
    ("sender-priority-hi", "sender-priority"),
    ("sender-address-mask", "sender-address"),
    ("port-hi", "port"),
    ("age-hi", "age"),
    ("max-age-hi", "max-age"),
    ("hello-time-hi", "hello-time"),
    ("forward-delay-hi", "forward-delay"),
    ("ipsetflags", "ipset"),
];

/// The attribute that narrows or widens `name`.
pub(super) fn companion(name: &str) -> Option<&'static str> {
    let found = COMPANIONS.iter().find(|(_, of)| *of == name);
    found.map(|(companion, _)| *companion)
}
