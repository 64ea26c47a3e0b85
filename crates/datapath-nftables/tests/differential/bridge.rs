//! What a Linux bridge does with a frame before and beside the filter. Knows `br_handle_frame` for a bridge without
//! spanning tree, snooping, VLAN filtering or learning; who may see the frame is left to the policy.

use frame::{Frame, MacAddress, Network, minimal_header};

/// Where the kernel takes a frame that came in at a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Path {
    /// Nowhere: no hook sees it.
    Nowhere,
    /// To the host alone, past prerouting.
    Input,
    /// Through prerouting, then to the host alone, or nowhere.
    Host,
    /// Through prerouting, then to every other port.
    Everywhere,
}

/// `local`: the addresses of the bridge and its interfaces.
pub(crate) fn path(bytes: &[u8], local: &[MacAddress]) -> Path {
    let Ok(frame) = Frame::parse(bytes) else {
        return Path::Nowhere;
    };
    let group = |mac: MacAddress| mac.0[0] & 1 != 0;
    // is_valid_ether_addr
    if group(frame.source) || frame.source == MacAddress::default() {
        return Path::Nowhere;
    }
    match frame.destination.0 {
        // Without spanning tree its frames are forwarded like other groups'; see `twice`.
        [0x01, 0x80, 0xc2, 0, 0, 0] if cut_encapsulation(&frame) => Path::Host,
        [0x01, 0x80, 0xc2, 0, 0, 0] => Path::Everywhere,
        // IEEE 802.3x pause.
        [0x01, 0x80, 0xc2, 0, 0, 1] => Path::Nowhere,
        // LLDP: "RX_HANDLER_PASS", to the host as if the interface were in no bridge; no hook of the family sees it.
        [0x01, 0x80, 0xc2, 0, 0, 0x0e] => Path::Nowhere,
        [0x01, 0x80, 0xc2, 0, 0, 2..=15] => Path::Input,
        _ if local.contains(&frame.destination) => Path::Host,
        _ if cut_encapsulation(&frame) => Path::Host,
        _ => Path::Everywhere,
    }
}

/// Whether a frame that passed prerouting comes to the input hook of reserved groups too: the spanning tree's group,
/// which goes to the host and, without spanning tree, everywhere. Such frames are counted twice.
pub(crate) fn twice(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x01, 0x80, 0xc2, 0, 0, 0])
        && Frame::parse(bytes).is_ok_and(|frame| !cut_encapsulation(&frame))
}

/// br_nf_pre_routing wants the header of a tag or of PPPoE to be there, whatever its parameters say.
fn cut_encapsulation(frame: &Frame<'_>) -> bool {
    bridge_netfilter()
        && frame
            .network_bytes(0, encapsulation(frame.protocol))
            .is_none()
}

/// nf_bridge_encap_header_len
fn encapsulation(protocol: u16) -> usize {
    match protocol {
        0x8100 => 4,
        0x8864 => 8,
        _ => 0,
    }
}

/// Whether br_netfilter is loaded.
fn bridge_netfilter() -> bool {
    std::path::Path::new("/proc/sys/net/bridge").exists()
}

/// Whether br_netfilter passes the frame on as it is: everything that has a tag or is no IP and no ARP, and of these
/// what `br_validate_ipv4` and `br_validate_ipv6` find in order, in one piece, without options, and not with its
/// transport header in Ethernet padding, which they cut off.
pub(crate) fn plain(bytes: &[u8]) -> bool {
    let Ok(frame) = Frame::parse(bytes) else {
        return true;
    };
    if frame.tag.is_some() {
        return true;
    }
    let header = |length| frame.network_bytes(0, length).unwrap_or_default();
    match &frame.network {
        Network::Malformed { .. } => false,
        Network::Ipv4(ip) => {
            let whole = usize::from(ip.total_length) >= 20 + minimal_header(ip.protocol);
            whole && !ip.is_fragment() && ip.header_length == 20 && sums_up(header(20))
        }
        Network::Ipv6(ip) => {
            // An authentication header is one of those that are walked.
            let least = if ip.protocol == 51 {
                12
            } else {
                minimal_header(ip.protocol)
            };
            let whole = usize::from(ip.payload_length) >= least;
            whole && !ip.has_fragment_header && ip.next_header == ip.protocol
        }
        // br_nf_forward_arp wants `struct arphdr`.
        Network::Arp(_) => header(8).len() == 8,
        _ => true,
    }
}

/// RFC 1071: a header with its checksum adds up to all ones.
fn sums_up(header: &[u8]) -> bool {
    let mut sum: u32 = header
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum == 0xffff
}

/// Whether an extension header of IPv6 leads behind the packet's end, which older kernels (6.1) take for malformed and
/// newer ones (6.18) for a packet without a readable transport header: the older drop what the evaluator may pass.
pub(crate) fn overshoots(bytes: &[u8]) -> bool {
    let frame = Frame::parse(bytes);
    let offset = frame.ok().and_then(|frame| match &frame.network {
        Network::Ipv6(ip) => ip.transport_offset,
        _ => None,
    });
    offset.is_some_and(|offset| offset >= bytes.len().saturating_sub(14))
}
