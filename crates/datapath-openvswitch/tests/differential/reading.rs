//! Where Open vSwitch reads a frame otherwise than the evaluator. Knows `miniflow_extract`; what is
//! named here is listed in docs/openvswitch.md.

use frame::{Frame, Network};

/// Why the switch reads the frame otherwise; `None`: it does not.
/// `doubtful`: rules ask for what is in such frames.
pub(crate) fn differs(bytes: &[u8], doubtful: bool) -> Option<&'static str> {
    let Ok(frame) = Frame::parse(bytes) else {
        return Some("no frame");
    };
    if bytes.len() < 16 {
        return Some("too short for a tag");
    }
    let at = |offset, length| frame.network_bytes(offset, length).unwrap_or_default();
    if matches!(frame.protocol, 0x8100 | 0x88a8) && bytes.len() < 24 {
        return Some("second tag cut short");
    }
    if frame.tag.is_some_and(|tag| tag.protocol != 0x8100) && frame.protocol < 0x0600 {
        return Some("service tag before a length");
    }
    if frame.protocol < 0x0600 {
        // A SNAP header with a type is read as that type.
        if at(0, 6) == [0xaa, 0xaa, 3, 0, 0, 0] {
            return Some("SNAP: read as the packet inside");
        }
        let stp = at(0, 3) == [0x42, 0x42, 3];
        return (stp || doubtful).then_some("spanning tree: not read");
    }
    match &frame.network {
        Network::Malformed { .. } => version(&frame),
        Network::Arp(arp) | Network::Rarp(arp) => {
            let odd = arp
                .operation
                .is_none_or(|operation| operation == 0 || operation > 255);
            let rarp = matches!(frame.network, Network::Rarp(_));
            if rarp && !arp.is_ethernet_ipv4() {
                return Some("RARP that is not for IPv4 on Ethernet");
            }
            odd.then_some("ARP operations that do not exist")
        }
        Network::Ipv4(ip) => {
            let declared = usize::from(ip.total_length) - usize::from(ip.header_length);
            transport(&frame, declared)
        }
        Network::Ipv6(ip) => ipv6(&frame, ip),
        Network::Other => None,
    }
}

/// The switch does not look at the version field.
fn version(frame: &Frame<'_>) -> Option<&'static str> {
    let next = frame.network_bytes(6, 1).map(|byte| byte[0]);
    if frame.protocol == 0x86dd && matches!(next, Some(0 | 43 | 44 | 51 | 60)) {
        return Some("IPv6 extension headers");
    }
    Some("IP that is malformed otherwise than the switch looks").filter(|_| {
        frame.network_bytes(0, 1).is_some_and(|byte| {
            !matches!((frame.protocol, byte[0] >> 4), (0x0800, 4) | (0x86dd, 6))
        })
    })
}

fn ipv6(frame: &Frame<'_>, ip: &frame::Ipv6<'_>) -> Option<&'static str> {
    if ip.protocol == 51 {
        return Some("IPv6 authentication header: read behind it");
    }
    if ip.fragment_offset != 0 {
        return Some("later fragments of IPv6: their protocol is not kept");
    }
    if ip.next_header != ip.protocol && matches!(ip.transport.icmpv6(), Some((133..=137, _))) {
        return Some("neighbour discovery behind extension headers");
    }
    if ip.next_header != ip.protocol && !walked(frame, ip) {
        return Some("IPv6 extension headers that do not fit the packet");
    }
    if let Some((kind @ (133 | 135 | 136), code)) = ip.transport.icmpv6() {
        let fixed = if kind == 133 { 8 } else { 24 };
        if kind == 133 && ip.payload_length != 8 {
            return Some("options of router solicitations are not read");
        }
        if code != 0 || usize::from(ip.payload_length) != fixed {
            return Some("neighbour discovery with code or options");
        }
    }
    if ip.transport.icmpv6() == Some((0, 0)) {
        return Some("ICMPv6 type 0 code 0: taken for cut short");
    }
    if ip
        .transport
        .nd_target()
        .is_some_and(|target| target.is_unspecified())
    {
        return Some("neighbour discovery about no address: taken for unreadable");
    }
    let before = ip.transport_offset.unwrap_or(40) - 40;
    transport(frame, usize::from(ip.payload_length).saturating_sub(before))
}

/// The switch walks to the end of the packet, not of the frame, and wants eight bytes of each header.
fn walked(frame: &Frame<'_>, ip: &frame::Ipv6<'_>) -> bool {
    let end = 40 + usize::from(ip.payload_length);
    let (mut next, mut offset) = (ip.next_header, 40);
    while next != ip.protocol {
        let Some([following, length]) = frame.network_bytes(offset, 2) else {
            return false;
        };
        let length = if next == 44 {
            8
        } else {
            (usize::from(*length) + 1) * 8
        };
        if offset + length.max(8) > end {
            return false;
        }
        (next, offset) = (*following, offset + length);
    }
    true
}

/// The frame with a customer tag in place of a service tag, which is how the switch takes it.
pub(crate) fn as_read(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if bytes.get(12..14) == Some(&[0x88, 0xa8]) {
        bytes[12..14].copy_from_slice(&[0x81, 0]);
    }
    bytes
}

/// What stands in padding is nothing to the switch.
fn transport(frame: &Frame<'_>, declared: usize) -> Option<&'static str> {
    let transport = frame.transport()?;
    if transport.readability() == frame::Readability::LaterFragment {
        return None;
    }
    let least = frame::minimal_header(transport.protocol());
    if transport.protocol() == 6
        && let Some([byte]) = transport.load(12, 1)
    {
        let length = usize::from(byte >> 4) * 4;
        if length < 20 || length > declared {
            return Some("TCP whose data offset does not fit");
        }
    }
    match transport.protocol() {
        33 | 136 => Some("ports of DCCP and UDP-Lite are not read"),
        1 | 58 if declared < 8 => Some("ICMP cut short: read as an echo reply"),
        _ if declared < least && transport.bytes().len() >= least => {
            Some("transport header in padding")
        }
        6 | 17 | 132 if transport.load(0, 4) == Some(&[0; 4]) => {
            Some("port 0 to port 0: taken for cut short")
        }
        _ => None,
    }
}
