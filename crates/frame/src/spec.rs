//! One line of text that stands for a frame, as `moat trace` takes and prints it. Leaves the bytes
//! to `build` and `parse`.
//!
//! ```text
//! tcp 10.0.0.5:40000 > 10.0.0.9:80 flags syn     arp request 10.0.0.5 > 10.0.0.9
//! udp [2001:db8::5]:5000 > [2001:db8::9]:53      ns fe80::1 target 2001:db8::9
//! icmp 10.0.0.5 > 10.0.0.9 type 3 code 1         dhcp offer 10.0.0.1 > 10.0.0.5
//! ip proto 47 10.0.0.5 > 10.0.0.9                ether 0x88cc
//! ```
//!
//! After any of them: `mac SRC > DST`, `vlan N`, `fragment N` (units of 8 bytes; 0 is the first).

mod describe;
mod error;
mod frame;
mod reader;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::build::TcpFlags;
use crate::{Family, MacAddress};

pub use describe::describe;
pub use error::FrameSpecError;

/// What to send, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameSpec {
    /// What the frame carries.
    pub content: SpecContent,
    /// Source and destination address, where said.
    pub macs: Option<(MacAddress, MacAddress)>,
    /// VLAN id of an 802.1Q tag, 0 to 4095.
    pub vlan: Option<u16>,
    /// The packet is a fragment at this offset in units of 8 bytes; 0 is the first of several.
    pub fragment: Option<u16>,
}

/// What a [`FrameSpec`] carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SpecContent {
    /// TCP.
    Tcp {
        /// Sender.
        source: SocketAddr,
        /// Receiver, of the same family.
        destination: SocketAddr,
        /// Flags; `syn` where the text says none.
        flags: TcpFlags,
    },
    /// UDP, UDP-Lite, SCTP or DCCP.
    Ports {
        /// Which.
        protocol: PortProtocol,
        /// Sender.
        source: SocketAddr,
        /// Receiver, of the same family.
        destination: SocketAddr,
    },
    /// ICMP for IPv4.
    Icmp {
        /// Sender.
        source: Ipv4Addr,
        /// Receiver.
        destination: Ipv4Addr,
        /// Message type; 8, echo request, where the text says none.
        kind: u8,
        /// Message code.
        code: u8,
    },
    /// ICMP for IPv6.
    Icmp6 {
        /// Sender.
        source: Ipv6Addr,
        /// Receiver.
        destination: Ipv6Addr,
        /// Message type; 128, echo request, where the text says none.
        kind: u8,
        /// Message code.
        code: u8,
    },
    /// Any IP protocol, with 64 bytes of zeros.
    Ip {
        /// Protocol number.
        protocol: u8,
        /// Sender.
        source: IpAddr,
        /// Receiver, of the same family.
        destination: IpAddr,
    },
    /// ARP or RARP.
    Arp {
        /// What is asked or told.
        operation: ArpOperation,
        /// Sender's address.
        source: Ipv4Addr,
        /// Target's address.
        destination: Ipv4Addr,
        /// The hardware address the sender claims, where it is not the frame's source.
        sender: Option<MacAddress>,
    },
    /// Neighbour discovery.
    Neighbor {
        /// Which message.
        kind: NeighborKind,
        /// Sender.
        source: Ipv6Addr,
        /// The address asked for or told of, in NS and NA.
        target: Option<Ipv6Addr>,
        /// The link-layer address told, where it is not the frame's source.
        link_layer: Option<MacAddress>,
    },
    /// DHCP for IPv4.
    Dhcp {
        /// Which message.
        kind: DhcpKind,
        /// Sender and receiver; the usual ones where the text says none.
        addresses: Option<(Ipv4Addr, Ipv4Addr)>,
    },
    /// DHCP for IPv6.
    Dhcpv6 {
        /// Which message.
        kind: Dhcpv6Kind,
        /// Sender and receiver; the usual ones where the text says none.
        addresses: Option<(Ipv6Addr, Ipv6Addr)>,
    },
    /// Any type, with 46 bytes of zeros; less than 0x600 is a length of that many.
    Ether {
        /// The type.
        ether_type: u16,
    },
}

/// A set of words, each of which stands for one value with a number on the wire.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident: $number:ty { $($(#[$doc:meta])* $variant:ident = $word:literal, $value:expr;)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$doc])* $variant,)*
        }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word that the text form has for it.
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }

            /// Its number on the wire.
            pub fn number(self) -> $number {
                match self {
                    $(Self::$variant => $value,)*
                }
            }

            fn from_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|each| each.word() == word)
            }

            fn from_number(number: $number) -> Option<Self> {
                Self::ALL.iter().copied().find(|each| each.number() == number)
            }
        }
    };
}

words! {
    /// Protocols with ports, other than TCP.
    PortProtocol: u8 {
        /// UDP.
        Udp = "udp", 17;
        /// UDP-Lite.
        UdpLite = "udplite", 136;
        /// SCTP.
        Sctp = "sctp", 132;
        /// DCCP.
        Dccp = "dccp", 33;
    }
}

words! {
    /// Operations of ARP and RARP.
    ArpOperation: u16 {
        /// ARP: who has the target's address?
        Request = "request", 1;
        /// ARP: the sender has this address.
        Reply = "reply", 2;
        /// RARP: which address has the target?
        ReverseRequest = "reverse-request", 3;
        /// RARP: the target has this address.
        ReverseReply = "reverse-reply", 4;
    }
}

words! {
    /// Neighbour discovery messages.
    NeighborKind: u8 {
        /// Router solicitation.
        RouterSolicitation = "rs", 133;
        /// Router advertisement.
        RouterAdvertisement = "ra", 134;
        /// Neighbour solicitation.
        Solicitation = "ns", 135;
        /// Neighbour advertisement.
        Advertisement = "na", 136;
    }
}

words! {
    /// DHCP messages.
    DhcpKind: u8 {
        /// Client looks for servers.
        Discover = "discover", 1;
        /// Server offers an address.
        Offer = "offer", 2;
        /// Client asks for an address.
        Request = "request", 3;
        /// Client refuses an address that is in use.
        Decline = "decline", 4;
        /// Server gives an address.
        Ack = "ack", 5;
        /// Server refuses.
        Nak = "nak", 6;
        /// Client gives its address back.
        Release = "release", 7;
        /// Client with an address asks for the rest.
        Inform = "inform", 8;
    }
}

words! {
    /// DHCPv6 messages.
    Dhcpv6Kind: u8 {
        /// Client looks for servers.
        Solicit = "solicit", 1;
        /// Server offers.
        Advertise = "advertise", 2;
        /// Client asks.
        Request = "request", 3;
        /// Client asks whether its address still holds.
        Confirm = "confirm", 4;
        /// Client asks for more time, of its server.
        Renew = "renew", 5;
        /// Client asks for more time, of any server.
        Rebind = "rebind", 6;
        /// Server answers.
        Reply = "reply", 7;
        /// Client gives its address back.
        Release = "release", 8;
    }
}

impl ArpOperation {
    /// RARP has an EtherType of its own.
    pub fn is_reverse(self) -> bool {
        matches!(self, Self::ReverseRequest | Self::ReverseReply)
    }
}

impl NeighborKind {
    /// The message is about one target address.
    pub fn has_target(self) -> bool {
        matches!(self, Self::Solicitation | Self::Advertisement)
    }
}

impl From<SpecContent> for FrameSpec {
    fn from(content: SpecContent) -> Self {
        Self {
            content,
            macs: None,
            vlan: None,
            fragment: None,
        }
    }
}

impl SpecContent {
    /// The IP version, of what is carried by IP.
    pub fn family(&self) -> Option<Family> {
        let v4 = match self {
            Self::Tcp { source, .. } | Self::Ports { source, .. } => source.is_ipv4(),
            Self::Ip { source, .. } => source.is_ipv4(),
            Self::Icmp { .. } | Self::Dhcp { .. } => true,
            Self::Icmp6 { .. } | Self::Neighbor { .. } | Self::Dhcpv6 { .. } => false,
            Self::Arp { .. } | Self::Ether { .. } => return None,
        };
        Some(if v4 { Family::V4 } else { Family::V6 })
    }
}

/// ICMP messages that have a name here: word, type.
const ICMP_NAMES: [(&str, u8); 2] = [("echo-reply", 0), ("echo-request", 8)];

/// ICMPv6 messages that have a name here: word, type.
const ICMP6_NAMES: [(&str, u8); 2] = [("echo-request", 128), ("echo-reply", 129)];

impl fmt::Display for SpecContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp {
                source,
                destination,
                flags,
            } => write!(f, "tcp {source} > {destination} flags {flags}"),
            Self::Ports {
                protocol,
                source,
                destination,
            } => write!(f, "{} {source} > {destination}", protocol.word()),
            Self::Icmp {
                source,
                destination,
                kind,
                code,
            } => {
                write!(f, "icmp {source} > {destination} ")?;
                icmp_message(f, &ICMP_NAMES, *kind, *code)
            }
            Self::Icmp6 {
                source,
                destination,
                kind,
                code,
            } => {
                write!(f, "icmp6 {source} > {destination} ")?;
                icmp_message(f, &ICMP6_NAMES, *kind, *code)
            }
            Self::Ip {
                protocol,
                source,
                destination,
            } => write!(f, "ip proto {protocol} {source} > {destination}"),
            Self::Arp {
                operation,
                source,
                destination,
                sender,
            } => {
                let word = operation.word();
                match word.strip_prefix("reverse-") {
                    Some(word) => write!(f, "rarp {word} {source} > {destination}")?,
                    None => write!(f, "arp {word} {source} > {destination}")?,
                }
                suffix(f, "sender", sender.as_ref())
            }
            Self::Neighbor {
                kind,
                source,
                target,
                link_layer,
            } => {
                write!(f, "{} {source}", kind.word())?;
                suffix(f, "target", target.as_ref())?;
                suffix(f, "link-layer", link_layer.as_ref())
            }
            Self::Dhcp { kind, addresses } => {
                write!(f, "dhcp {}", kind.word())?;
                match addresses {
                    Some((source, destination)) => write!(f, " {source} > {destination}"),
                    None => Ok(()),
                }
            }
            Self::Dhcpv6 { kind, addresses } => {
                write!(f, "dhcpv6 {}", kind.word())?;
                match addresses {
                    Some((source, destination)) => write!(f, " {source} > {destination}"),
                    None => Ok(()),
                }
            }
            Self::Ether { ether_type } => write!(f, "ether {ether_type:#06x}"),
        }
    }
}

impl fmt::Display for FrameSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.content.fmt(f)?;
        suffix(f, "fragment", self.fragment.as_ref())?;
        suffix(f, "vlan", self.vlan.as_ref())?;
        match &self.macs {
            Some((source, destination)) => write!(f, " mac {source} > {destination}"),
            None => Ok(()),
        }
    }
}

fn suffix(
    f: &mut fmt::Formatter<'_>,
    word: &str,
    value: Option<&impl fmt::Display>,
) -> fmt::Result {
    match value {
        Some(value) => write!(f, " {word} {value}"),
        None => Ok(()),
    }
}

fn icmp_message(
    f: &mut fmt::Formatter<'_>,
    names: &[(&str, u8)],
    kind: u8,
    code: u8,
) -> fmt::Result {
    match names
        .iter()
        .find(|(_, number)| *number == kind && code == 0)
    {
        Some((name, _)) => f.write_str(name),
        None => write!(f, "type {kind} code {code}"),
    }
}

#[cfg(test)]
mod tests;
