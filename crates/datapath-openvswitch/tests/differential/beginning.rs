//! Which frames surely begin a connection of their own, as the tracker of Open vSwitch sees it.

use frame::{Frame, Network, Readability};

/// Whether the frame begins a connection that has nothing to do with those of the others, or has nothing to do with
/// connections at all.
pub(crate) fn begins(bytes: &[u8], others: &[Vec<u8>]) -> bool {
    let Ok(frame) = Frame::parse(bytes) else {
        return false;
    };
    let Some(transport) = frame.transport() else {
        return !matches!(frame.network, Network::Malformed { .. });
    };
    let whole = match &frame.network {
        Network::Ipv4(ip) => {
            !ip.is_fragment() && sum(frame.network_bytes(0, ip.header_length.into())) == 0xffff
        }
        Network::Ipv6(ip) => ip.next_header == ip.protocol,
        _ => false,
    };
    if !whole
        || transport.readability() != Readability::Readable
        || frame.tag.is_some_and(|tag| tag.protocol != 0x8100)
    {
        return false;
    }
    let declared = transport.declared_bytes();
    let length = u32::try_from(declared.len()).unwrap_or_default();
    let pseudo = u32::from(transport.protocol()) + length;
    let whole = |addresses: u32| fold(pseudo + addresses + unfolded(declared)) == 0xffff;
    let addresses = ends(&frame)
        .iter()
        .flatten()
        .fold(0, |all, bytes| all + unfolded(bytes));
    let proper = match transport.protocol() {
        6 => transport.tcp_flags() == Some(2) && whole(addresses),
        17 => declared.get(4..6) == Some(&(length as u16).to_be_bytes()) && whole(addresses),
        1 => transport.icmp() == Some((8, 0)) && fold(unfolded(declared)) == 0xffff,
        58 => transport.icmpv6() == Some((128, 0)) && whole(addresses),
        _ => false,
    };
    let own = ends(&frame);
    // `extract_l4_udp` takes port 0 for invalid.
    let proper =
        proper && transport.source_port() != Some(0) && transport.destination_port() != Some(0);
    let met = |other: &Vec<u8>| Frame::parse(other).is_ok_and(|other| ends(&other) == own);
    proper && own.as_ref().is_some_and(|[one, other]| one != other) && !others.iter().any(met)
}

/// Both addresses, in order of size.
fn ends(frame: &Frame<'_>) -> Option<[Vec<u8>; 2]> {
    let mut both = match &frame.network {
        Network::Ipv4(ip) => [
            ip.source.octets().to_vec(),
            ip.destination.octets().to_vec(),
        ],
        Network::Ipv6(ip) => [
            ip.source.octets().to_vec(),
            ip.destination.octets().to_vec(),
        ],
        _ => return None,
    };
    both.sort();
    Some(both)
}

/// RFC 1071: what has its checksum in it adds up to all ones.
fn sum(bytes: Option<&[u8]>) -> u32 {
    bytes.map_or(0, |bytes| fold(unfolded(bytes)))
}

fn unfolded(bytes: &[u8]) -> u32 {
    let word = |pair: &[u8]| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0));
    bytes.chunks(2).map(word).sum()
}

fn fold(mut sum: u32) -> u32 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum
}
