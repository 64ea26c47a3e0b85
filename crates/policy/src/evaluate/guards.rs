//! What a port may send as itself. Knows the port's MAC and addresses; rules are left to others.
//!
//! A later fragment carries no message of ARP, ND or DHCP: the first fragment does, and is judged
//! here, so that what follows can never be put together to one that is forbidden.

use std::net::{Ipv4Addr, Ipv6Addr};

use frame::protocol::ip_protocol;
use frame::{Arp, Frame, Ipv4, Ipv6, Network};

use crate::document::Guard;
use crate::program::{Behaviour, PortProgram};

type Refused = (Guard, String);

/// Whether the port may send this frame, as far as its guards go.
pub(super) fn check(
    port: &PortProgram,
    behaviour: &Behaviour,
    frame: &Frame<'_>,
) -> Result<(), Refused> {
    let on = |guard| behaviour.guards.contains(&guard);
    let yet = match &behaviour.learning {
        Some(_) => ", or not learned yet",
        None => "",
    };
    if on(Guard::Mac) && frame.source != port.mac {
        return Err((
            Guard::Mac,
            format!("source MAC {} is not the port's {}", frame.source, port.mac),
        ));
    }
    match &frame.network {
        Network::Arp(arp) if on(Guard::Arp) => check_arp(port, arp, yet),
        Network::Ipv4(ip) => {
            if on(Guard::Ipv4) {
                check_ipv4(port, ip, yet)?;
            }
            let server =
                ip.protocol == ip_protocol::UDP && ip.transport.destination_port() == Some(68);
            refuse(
                on(Guard::NoDhcpServer) && server,
                Guard::NoDhcpServer,
                "it speaks to a DHCP client",
            )
        }
        Network::Ipv6(ip) => {
            if on(Guard::Ipv6) {
                check_ipv6(port, ip, yet)?;
            }
            let server =
                ip.protocol == ip_protocol::UDP && ip.transport.destination_port() == Some(546);
            refuse(
                on(Guard::NoDhcpServer) && server,
                Guard::NoDhcpServer,
                "it speaks to a DHCPv6 client",
            )?;
            let kind = ip.transport.icmpv6().map(|(kind, _)| kind);
            refuse(
                on(Guard::NoRouterAdvertisement) && matches!(kind, Some(134 | 137)),
                Guard::NoRouterAdvertisement,
                "it advertises or redirects to a router",
            )?;
            if on(Guard::Nd) {
                check_discovery(port, ip, kind, yet)?;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

pub(super) fn summary(behaviour: &Behaviour) -> String {
    if behaviour.guards.is_empty() {
        return "none is on".to_owned();
    }
    let names: Vec<&str> = behaviour.guards.iter().map(|guard| guard.name()).collect();
    names.join(", ")
}

fn refuse(when: bool, guard: Guard, reason: &str) -> Result<(), Refused> {
    if when {
        Err((guard, reason.to_owned()))
    } else {
        Ok(())
    }
}

fn check_arp(port: &PortProgram, arp: &Arp, yet: &str) -> Result<(), Refused> {
    let (mac, ip) = (arp.sender_mac, arp.sender_ip);
    if mac != Some(port.mac) {
        let mac = mac.map_or_else(|| "missing".to_owned(), |mac| mac.to_string());
        return Err((
            Guard::Arp,
            format!("ARP sender MAC {mac} is not the port's {}", port.mac),
        ));
    }
    // 0.0.0.0 is an address probe, RFC 5227 section 2.1.1.
    if ip.is_some_and(|ip| ip == Ipv4Addr::UNSPECIFIED || port.ipv4.contains(ip)) {
        return Ok(());
    }
    let ip = ip.map_or_else(|| "missing".to_owned(), |ip| ip.to_string());
    Err((
        Guard::Arp,
        format!("ARP sender address {ip} is not one of the port's{yet}"),
    ))
}

fn check_ipv4(port: &PortProgram, ip: &Ipv4<'_>, yet: &str) -> Result<(), Refused> {
    if port.ipv4.contains(ip.source) {
        return Ok(());
    }
    // A client without an address yet: RFC 2131 section 4.1.
    let asks = ip.source == Ipv4Addr::UNSPECIFIED
        && ip.protocol == ip_protocol::UDP
        && ip.transport.source_port() == Some(68)
        && ip.transport.destination_port() == Some(67);
    if asks {
        Ok(())
    } else {
        Err((
            Guard::Ipv4,
            format!("source {} is not one of the port's{yet}", ip.source),
        ))
    }
}

fn check_ipv6(port: &PortProgram, ip: &Ipv6<'_>, yet: &str) -> Result<(), Refused> {
    if port.ipv6.contains(ip.source) {
        return Ok(());
    }
    // Duplicate address detection (RFC 4862 section 5.4.2), the router solicitation before it
    // (RFC 4861 section 4.1) and the group it joins (RFC 3590) come from no address.
    let joins = ip.source == Ipv6Addr::UNSPECIFIED
        && matches!(ip.transport.icmpv6(), Some((131..=133 | 135 | 143, _)));
    if joins {
        Ok(())
    } else {
        Err((
            Guard::Ipv6,
            format!("source {} is not one of the port's{yet}", ip.source),
        ))
    }
}

/// Messages are read where they have just one layout, so that no option can hide behind another:
/// no extension headers (RFC 6980 forbids fragments anyway), and nothing or one option.
fn check_discovery(
    port: &PortProgram,
    ip: &Ipv6<'_>,
    kind: Option<u8>,
    yet: &str,
) -> Result<(), Refused> {
    let Some(kind @ (133 | 135..=136)) = kind else {
        return match kind {
            Some(134 | 137) if ip.next_header != ip_protocol::ICMPV6 => Err((
                Guard::Nd,
                "neighbour discovery behind extension headers".to_owned(),
            )),
            _ => Ok(()),
        };
    };
    if ip.next_header != ip_protocol::ICMPV6 {
        return Err((
            Guard::Nd,
            "neighbour discovery behind extension headers".to_owned(),
        ));
    }
    if kind == 136 {
        match ip.transport.nd_target() {
            Some(target) if port.ipv6.contains(target) => {}
            Some(target) => {
                return Err((
                    Guard::Nd,
                    format!("it advertises {target}, which is not the port's{yet}"),
                ));
            }
            None => return Err((Guard::Nd, "an advertisement cut short".to_owned())),
        }
    }
    let fixed: usize = if kind == 133 { 8 } else { 24 };
    let length = usize::from(ip.payload_length);
    if length == fixed {
        return Ok(());
    }
    let option = ip.transport.load(fixed, 8);
    let fits = length == fixed + 8
        && option.is_some_and(|option| match (kind, option) {
            (136, [2, 1, mac @ ..]) | (133 | 135, [1, 1, mac @ ..]) => mac == port.mac.0.as_slice(),
            // Enhanced duplicate address detection, RFC 7527.
            (135, [14, 1, ..]) => true,
            _ => false,
        });
    if fits {
        return Ok(());
    }
    Err((Guard::Nd, "its option is not the port's own MAC".to_owned()))
}
