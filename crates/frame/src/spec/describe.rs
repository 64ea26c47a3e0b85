//! From any bytes to one line that a person reads, in the syntax of [`FrameSpec`] where it has
//! words for them. Leaves reading bytes to `parse`.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use super::{
    ArpOperation, DhcpKind, Dhcpv6Kind, FrameSpec, NeighborKind, PortProtocol, SpecContent,
};
use crate::build::{TcpFlags, is_dhcp_server_message, is_dhcpv6_server_message};
use crate::parse::{Arp, Family, Frame, Network, Readability, Transport, word};
use crate::protocol::{ether_type, ip_protocol};

/// One line about a frame, addresses included. Where a [`FrameSpec`] can say what it is, the line
/// is one (with MAC addresses and all); where it cannot, the line says why in parentheses.
pub fn describe(bytes: &[u8]) -> String {
    let frame = match Frame::parse(bytes) {
        Ok(frame) => frame,
        Err(error) => return format!("no frame ({error})"),
    };
    let Description {
        content,
        fragment,
        remark,
    } = content(&frame);
    let spec = FrameSpec {
        content,
        macs: Some((frame.source, frame.destination)),
        vlan: frame.tag.map(|tag| tag.vid()),
        fragment,
    };
    let mut line = spec.to_string();
    let mut remarks: Vec<String> = remark.into_iter().collect();
    if let Some(tag) = frame.tag {
        if tag.protocol == ether_type::SERVICE_VLAN {
            remarks.push("802.1ad tag".to_owned());
        }
        if matches!(frame.protocol, ether_type::VLAN | ether_type::SERVICE_VLAN) {
            let inner = frame.network_bytes(0, 2).and_then(|bytes| word(bytes, 0));
            remarks.push(match inner {
                Some(tci) => format!("second tag, vlan {}", tci & 0x0fff),
                None => "second tag, cut".to_owned(),
            });
        }
    }
    if !remarks.is_empty() {
        let _ = write!(line, " ({})", remarks.join("; "));
    }
    line
}

/// What a frame carries, and what the text form has no word for.
struct Description {
    content: SpecContent,
    fragment: Option<u16>,
    remark: Option<String>,
}

impl Description {
    fn new(content: SpecContent) -> Self {
        Self {
            content,
            fragment: None,
            remark: None,
        }
    }

    fn remark(mut self, remark: impl Into<String>) -> Self {
        self.remark = Some(remark.into());
        self
    }
}

fn content(frame: &Frame<'_>) -> Description {
    let ether = || SpecContent::Ether {
        ether_type: match frame.protocol {
            // The length stands on the wire where the kernel has a number of its own.
            ether_type::LLC | ether_type::RAW_802_3 => {
                let offset = frame.network_offset().saturating_sub(2);
                word(frame.bytes(), offset).unwrap_or_default()
            }
            protocol => protocol,
        },
    };
    match &frame.network {
        Network::Arp(arp) => arp_content(arp, frame, false).map_or_else(
            || Description::new(ether()).remark("unusual ARP"),
            Description::new,
        ),
        Network::Rarp(arp) => arp_content(arp, frame, true).map_or_else(
            || Description::new(ether()).remark("unusual RARP"),
            Description::new,
        ),
        Network::Ipv4(ip) => Description {
            fragment: ip.is_fragment().then_some(ip.fragment_offset),
            ..packet(
                &ip.transport,
                frame,
                ip.source.into(),
                ip.destination.into(),
            )
        },
        Network::Ipv6(ip) => Description {
            fragment: ip.is_fragment().then_some(ip.fragment_offset),
            ..packet(
                &ip.transport,
                frame,
                ip.source.into(),
                ip.destination.into(),
            )
        },
        Network::Malformed { family } => Description::new(ether()).remark(match family {
            Family::V4 => "malformed IPv4",
            Family::V6 => "malformed IPv6",
        }),
        Network::Other => match (frame.protocol, frame.network_bytes(0, 3)) {
            (ether_type::LLC, Some([0x42, 0x42, 3])) => {
                Description::new(ether()).remark("802.3, spanning tree")
            }
            (ether_type::LLC, Some([to, from, _])) => {
                Description::new(ether()).remark(format!("802.3, LLC {from:#04x} > {to:#04x}"))
            }
            (ether_type::LLC, _) => Description::new(ether()).remark("802.3"),
            (ether_type::RAW_802_3, _) => Description::new(ether()).remark("802.3, raw"),
            _ => Description::new(ether()),
        },
    }
}

fn arp_content(arp: &Arp, frame: &Frame<'_>, reverse: bool) -> Option<SpecContent> {
    let operation = arp
        .operation
        .and_then(ArpOperation::from_number)
        .filter(|operation| operation.is_reverse() == reverse && arp.is_ethernet_ipv4())?;
    let sender = arp.sender_mac?;
    Some(SpecContent::Arp {
        operation,
        source: arp.sender_ip?,
        destination: arp.target_ip?,
        sender: (sender != frame.source).then_some(sender),
    })
}

fn packet(
    transport: &Transport<'_>,
    frame: &Frame<'_>,
    source: IpAddr,
    destination: IpAddr,
) -> Description {
    let plain = SpecContent::Ip {
        protocol: transport.protocol(),
        source,
        destination,
    };
    match transport.readability() {
        Readability::LaterFragment => Description::new(plain),
        Readability::Short => Description::new(plain).remark("transport header cut"),
        Readability::Readable => neighbor(transport, frame, source, destination)
            .or_else(|| configuration(transport, source, destination).map(Description::new))
            .or_else(|| ports(transport, source, destination).map(Description::new))
            .or_else(|| icmp(transport, source, destination).map(Description::new))
            .unwrap_or(Description::new(plain)),
    }
}

fn ports(transport: &Transport<'_>, source: IpAddr, destination: IpAddr) -> Option<SpecContent> {
    let source = SocketAddr::new(source, transport.source_port()?);
    let destination = SocketAddr::new(destination, transport.destination_port()?);
    Some(match PortProtocol::from_number(transport.protocol()) {
        Some(protocol) => SpecContent::Ports {
            protocol,
            source,
            destination,
        },
        None => SpecContent::Tcp {
            source,
            destination,
            flags: TcpFlags(transport.tcp_flags()?),
        },
    })
}

fn icmp(transport: &Transport<'_>, source: IpAddr, destination: IpAddr) -> Option<SpecContent> {
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let (kind, code) = transport.icmp()?;
            Some(SpecContent::Icmp {
                source,
                destination,
                kind,
                code,
            })
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let (kind, code) = transport.icmpv6()?;
            Some(SpecContent::Icmp6 {
                source,
                destination,
                kind,
                code,
            })
        }
        _ => None,
    }
}

/// Neighbour discovery by its own words, with the destination where it is one of many.
fn neighbor(
    transport: &Transport<'_>,
    frame: &Frame<'_>,
    source: IpAddr,
    destination: IpAddr,
) -> Option<Description> {
    let (IpAddr::V6(source), IpAddr::V6(destination)) = (source, destination) else {
        return None;
    };
    let kind = match transport.icmpv6()? {
        (kind, 0) => NeighborKind::from_number(kind)?,
        _ => return None,
    };
    let target = transport
        .nd_target()
        .filter(|target| !target.is_unspecified());
    if kind.has_target() && target.is_none() {
        return None;
    }
    let told = transport
        .nd_options()
        .find_map(|option| option.link_layer_address());
    let content = SpecContent::Neighbor {
        kind,
        source,
        target,
        link_layer: told.filter(|mac| *mac != frame.source),
    };
    let usual = kind.usual_destination(target);
    let description = Description::new(content);
    Some(if destination == usual {
        description
    } else {
        description.remark(format!("to {destination}"))
    })
}

/// DHCP by its own words.
fn configuration(
    transport: &Transport<'_>,
    source: IpAddr,
    destination: IpAddr,
) -> Option<SpecContent> {
    if transport.protocol() != ip_protocol::UDP {
        return None;
    }
    let ports = (transport.source_port()?, transport.destination_port()?);
    let (server, v6) = match ports {
        (68, 67) => (false, false),
        (67, 68) => (true, false),
        (546, 547) => (false, true),
        (547, 546) => (true, true),
        _ => return None,
    };
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) if !v6 => {
            // Fixed fields, the magic cookie, and the message type as the first option.
            let message = transport.load(8 + 236, 7)?;
            let kind = match message {
                [0x63, 0x82, 0x53, 0x63, 53, 1, kind] => DhcpKind::from_number(*kind)?,
                _ => return None,
            };
            (is_dhcp_server_message(kind.number()) == server).then_some(SpecContent::Dhcp {
                kind,
                addresses: Some((source, destination)),
            })
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) if v6 => {
            let kind = Dhcpv6Kind::from_number(*transport.load(8, 1)?.first()?)?;
            (is_dhcpv6_server_message(kind.number()) == server).then_some(SpecContent::Dhcpv6 {
                kind,
                addresses: Some((source, destination)),
            })
        }
        _ => None,
    }
}
