//! What a Linux bridge does with a frame before and beside the filter. Knows `br_handle_frame` for a bridge without
//! spanning tree, snooping, VLAN filtering or learning; who may see the frame is left to the policy.

use frame::{Frame, MacAddress};

/// Where the kernel takes a frame that came in at a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
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
pub fn path(bytes: &[u8], local: &[MacAddress]) -> Path {
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
        [0x01, 0x80, 0xc2, 0, 0, 0] => Path::Everywhere,
        // IEEE 802.3x pause.
        [0x01, 0x80, 0xc2, 0, 0, 1] => Path::Nowhere,
        // LLDP: "RX_HANDLER_PASS", to the host as if the interface were in no bridge; no hook of the family sees it.
        [0x01, 0x80, 0xc2, 0, 0, 0x0e] => Path::Nowhere,
        [0x01, 0x80, 0xc2, 0, 0, 2..=15] => Path::Input,
        _ if local.contains(&frame.destination) => Path::Host,
        // br_nf_pre_routing wants the header of a tag or of PPPoE to be there, whatever its parameters say.
        _ if bridge_netfilter()
            && frame
                .network_bytes(0, encapsulation(frame.protocol))
                .is_none() =>
        {
            Path::Host
        }
        _ => Path::Everywhere,
    }
}

/// Whether a frame that passed prerouting comes to the input hook of reserved groups too: the spanning tree's group,
/// which goes to the host and, without spanning tree, everywhere. Such frames are counted twice.
pub fn twice(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x01, 0x80, 0xc2, 0, 0, 0])
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
