//! What `meta`, `payload` and `exthdr` load of a packet.

use frame::{Network, Readability, Transport};
use nftables::{ExtensionKind, Family, MetaKey, PayloadBase};

use super::extension::{self, Search};
use super::packet::LaterFragments;
use super::state::State;

/// The bytes an expression loads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Loaded {
    /// These.
    Bytes(Vec<u8>),
    /// It cannot be loaded: the rule does not match.
    Nothing,
    /// Unknown here, and why.
    Unknown(&'static str),
}

/// `IFNAMSIZ`.
const NAME_LENGTH: usize = 16;
const UNKNOWN_NAME: &str = "the packet was described without this interface's name";

pub(super) fn meta(state: &State<'_>, key: MetaKey) -> Loaded {
    let packet = state.packet;
    match key {
        MetaKey::Length => {
            // skb->len: neither the Ethernet header nor the tag that was taken off counts.
            let length = state
                .frame
                .bytes()
                .len()
                .saturating_sub(state.frame.network_offset());
            number(u32::try_from(length).unwrap_or(u32::MAX))
        }
        MetaKey::Protocol => bytes(&state.frame.protocol.to_be_bytes()),
        MetaKey::Mark => number(state.mark),
        MetaKey::Priority => match state.queueing_priority {
            Some(priority) => number(priority),
            None => Loaded::Unknown("the sender's queueing priority is not known"),
        },
        // Without a device the kernel loads 0 or an empty name and goes on (since Linux 5.5).
        MetaKey::InputInterface => number(packet.input.unwrap_or_default()),
        MetaKey::OutputInterface => number(packet.output.unwrap_or_default()),
        MetaKey::InputInterfaceName => name(packet.input, packet.input_name),
        MetaKey::OutputInterfaceName => name(packet.output, packet.output_name),
        MetaKey::BridgeInputName => name(packet.input, packet.input_bridge),
        MetaKey::BridgeOutputName => name(packet.output, packet.output_bridge),
        MetaKey::NetworkFamily => bytes(&[Family::Bridge.number()]),
        MetaKey::TransportProtocol => match state.frame.transport() {
            Some(transport) => bytes(&[transport.protocol()]),
            None => Loaded::Nothing,
        },
        MetaKey::PacketType => bytes(&[state.packet_type]),
        MetaKey::Trace
        | MetaKey::InputInterfaceType
        | MetaKey::OutputInterfaceType
        | MetaKey::Processor
        | MetaKey::InputInterfaceGroup
        | MetaKey::OutputInterfaceGroup
        | MetaKey::Random
        | MetaKey::InputInterfaceKind
        | MetaKey::OutputInterfaceKind
        | MetaKey::BridgePortVlan
        | MetaKey::BridgeVlanProtocol => {
            Loaded::Unknown("this property is not a packet's, or changes from one to the next")
        }
    }
}

fn name(device: Option<u32>, name: Option<&str>) -> Loaded {
    let name = match (device, name) {
        (None, _) => "",
        (Some(_), Some(name)) => name,
        (Some(_), None) => return Loaded::Unknown(UNKNOWN_NAME),
    };
    let mut padded: Vec<u8> = name.bytes().take(NAME_LENGTH).collect();
    padded.resize(NAME_LENGTH, 0);
    Loaded::Bytes(padded)
}

pub(super) fn payload(state: &State<'_>, base: PayloadBase, offset: u32, length: u32) -> Loaded {
    let (Ok(offset), Ok(length)) = (usize::try_from(offset), usize::try_from(length)) else {
        return Loaded::Nothing;
    };
    let frame = &state.frame;
    let loaded = match base {
        PayloadBase::Link => frame.link_bytes(offset, length).map(|bytes| bytes.to_vec()),
        PayloadBase::Network => frame.network_bytes(offset, length).map(<[u8]>::to_vec),
        PayloadBase::Transport => match frame.transport().map(Transport::readability) {
            Some(Readability::LaterFragment) => return later_fragment(state, offset, length),
            _ => frame.transport_bytes(offset, length).map(<[u8]>::to_vec),
        },
        PayloadBase::Inner => {
            return Loaded::Unknown("kernels differ in what they load behind the transport header");
        }
    };
    loaded.map_or(Loaded::Nothing, Loaded::Bytes)
}

/// Loads that `nft_payload_select_ops` gives to `nft_payload_fast_eval` miss the test for fragments.
fn later_fragment(state: &State<'_>, offset: usize, length: usize) -> Loaded {
    let fast = matches!(length, 1 | 2 | 4) && offset.is_multiple_of(length);
    match state.options.later_fragments {
        LaterFragments::Misread if fast => {
            let header = match &state.frame.network {
                Network::Ipv4(ip) => usize::from(ip.header_length),
                // ipv6_find_hdr leaves the offset at 0, where the IPv6 header begins.
                _ => 0,
            };
            let loaded = state
                .frame
                .network_bytes(header.saturating_add(offset), length);
            loaded.map_or(Loaded::Nothing, bytes)
        }
        LaterFragments::Undetermined if fast => Loaded::Unknown(
            "kernels differ in what they load of the transport header in a later fragment: the rule \
             must ask for the fragment offset first",
        ),
        _ => Loaded::Nothing,
    }
}

/// A field of an extension header, or whether there is one.
pub(super) fn extension_header(
    state: &State<'_>,
    kind: ExtensionKind,
    header: u8,
    field: (u32, u32),
    presence: bool,
) -> Loaded {
    if kind != ExtensionKind::Ipv6 {
        return Loaded::Unknown("only IPv6 extension headers can be searched here");
    }
    // nft_exthdr_ipv6_eval asks skb->protocol, and not whether the packet is well formed.
    if state.frame.protocol != frame::protocol::ether_type::IPV6 {
        return Loaded::Nothing;
    }
    let packet = state
        .frame
        .bytes()
        .get(state.frame.network_offset()..)
        .unwrap_or_default();
    let start = match extension::find(packet, header) {
        Search::Found(start) => Some(start),
        Search::NotFound => None,
        Search::Unknown => return Loaded::Unknown("the kernel reads beyond a packet this short"),
    };
    if presence {
        return bytes(&[u8::from(start.is_some())]);
    }
    let (offset, length) = field;
    let found = start.and_then(|start| {
        let from = start.checked_add(usize::try_from(offset).ok()?)?;
        packet.get(from..from.checked_add(usize::try_from(length).ok()?)?)
    });
    found.map_or(Loaded::Nothing, bytes)
}

fn bytes(bytes: &[u8]) -> Loaded {
    Loaded::Bytes(bytes.to_vec())
}

/// In the machine's order.
fn number(number: u32) -> Loaded {
    bytes(&number.to_ne_bytes())
}
