//! Names in the table. Knows which chain, set and counter is called what; one place, so that the
//! reader of `nft list ruleset` and the code agree.

use nftables::{Family, TableId};

/// The one table that is moat's.
pub fn table() -> TableId {
    TableId::new(Family::Bridge, "moat")
}

/// The netlink log group on which drops and logged frames are reported ("mo" in ASCII).
pub const LOG_GROUP: u16 = 0x6d6f;

/// The netlink log group for frames that tell which addresses a port has ("ml"): another one, so that
/// whoever watches drops and whoever learns take nothing from each other.
pub const LEARN_GROUP: u16 = 0x6d6c;

/// Base chains.
pub(crate) const PREROUTING: &str = "prerouting";
pub(crate) const INPUT: &str = "input";
pub(crate) const POSTROUTING: &str = "postrouting";
pub(crate) const TRACKED_PREROUTING: &str = "tracked-prerouting";
pub(crate) const TRACKED_INPUT: &str = "tracked-input";
pub(crate) const LIMIT_PREROUTING: &str = "limit-prerouting";
pub(crate) const LIMIT_POSTROUTING: &str = "limit-postrouting";

/// Chains that all ports share.
pub(crate) const OUT: &str = "out";
pub(crate) const BOUND_TAGGED: &str = "bound-tagged";
pub(crate) const SHORT: &str = "short";
pub(crate) const ND_GUARD: &str = "nd-guard";
pub(crate) const ND_ACCEPT: &str = "nd-accept";
pub(crate) const ANSWERS: &str = "answers";
pub(crate) const ZONE: &str = "zone";

/// Maps and sets in which a port has its elements.
pub(crate) const BOUND_4: &str = "bound-ip4";
pub(crate) const BOUND_6: &str = "bound-ip6";
pub(crate) const BOUND_ARP: &str = "bound-arp";
pub(crate) const BOUND_4_RANGES: &str = "bound-ip4-ranges";
pub(crate) const BOUND_6_RANGES: &str = "bound-ip6-ranges";
pub(crate) const BOUND_ARP_RANGES: &str = "bound-arp-ranges";
pub(crate) const IDENTIFIED: &str = "identified";
pub(crate) const UNGUARDED: &str = "unguarded";
pub(crate) const MACS: &str = "macs";
pub(crate) const PORTS: &str = "ports";
pub(crate) const IN: &str = "in";
pub(crate) const IN_ARP: &str = "in-arp";
pub(crate) const TRACKED: &str = "tracked";
pub(crate) const ND_TARGETS: &str = "nd-targets";
pub(crate) const ND_TARGET_RANGES: &str = "nd-target-ranges";
pub(crate) const ZONES: &str = "zones";
pub(crate) const ZONES_BY_MAC: &str = "zones-by-mac";
pub(crate) const UPLINKS: &str = "uplinks";
pub(crate) const MANAGED: &str = "managed";
pub(crate) const UNMANAGED: &str = "unmanaged-ports";
pub(crate) const LOCAL_MACS: &str = "local-macs";

/// Maps in which a port that learns has a limit of its own for what is reported of it.
pub(crate) const LEARN_REFUSED: &str = "learn-refused";
pub(crate) const LEARN_SAMPLED: &str = "learn-sampled";
pub(crate) const LEARN_ASKED: &str = "learn-asked";
pub(crate) const LEARN_ANSWERED: &str = "learn-answered";

/// Which way and for which packets a chain is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Layer {
    Ip4,
    Ip6,
    Arp,
    Other,
}

impl Layer {
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::Ip4 => "4",
            Self::Ip6 => "6",
            Self::Arp => "-arp",
            Self::Other => "-other",
        }
    }

    /// `meta protocol` of all its frames, where there is just one.
    pub(crate) fn protocol(self) -> Option<u16> {
        match self {
            Self::Ip4 => Some(0x0800),
            Self::Ip6 => Some(0x86dd),
            Self::Arp => Some(0x0806),
            Self::Other => None,
        }
    }
}

/// Which packets come to a chain that is entered by protocol: so a frame walks only past rules that
/// may be about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Transport {
    Tcp,
    Udp,
    /// The layer's own: ICMP for IPv4, ICMPv6 for IPv6.
    Icmp,
    /// All others.
    Rest,
}

impl Transport {
    pub(crate) const ALL: [Self; 4] = [Self::Tcp, Self::Udp, Self::Icmp, Self::Rest];

    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::Tcp => "-tcp",
            Self::Udp => "-udp",
            Self::Icmp => "-icmp",
            Self::Rest => "-rest",
        }
    }

    /// The protocol of all its packets, where there is just one.
    pub(crate) fn protocol(self, layer: Layer) -> Option<u8> {
        match (self, layer) {
            (Self::Tcp, _) => Some(6),
            (Self::Udp, _) => Some(17),
            (Self::Icmp, Layer::Ip4) => Some(1),
            (Self::Icmp, _) => Some(58),
            (Self::Rest, _) => None,
        }
    }

    /// Whether packets of that protocol come here.
    pub(crate) fn takes(self, layer: Layer, protocol: u8) -> bool {
        let mut others = Self::ALL.iter().filter_map(|one| one.protocol(layer));
        match self.protocol(layer) {
            Some(own) => own == protocol,
            None => others.all(|other| other != protocol),
        }
    }
}
