//! Splits a packet into fragments, as a router (IPv4) or a sender (IPv6) does. Leaves joining to
//! the kernel.

use super::length_field;
use super::packet::{put, renew_ipv4_checksum};
use crate::parse::{Frame, Network, array};
use crate::protocol::ip_protocol;

/// Splits the IP packet of a frame so that none is longer than `mtu` bytes (at least 68; 1280 is
/// the least on an IPv6 link, less is done all the same). A frame that fits, or is no well-formed
/// and unfragmented IP packet, comes back alone as it is. Padding is left out of fragments.
pub fn fragment(frame: &[u8], mtu: usize) -> Vec<Vec<u8>> {
    split(frame, mtu.max(68)).unwrap_or_else(|| vec![frame.to_vec()])
}

fn split(frame: &[u8], mtu: usize) -> Option<Vec<Vec<u8>>> {
    let parsed = Frame::parse(frame).ok()?;
    let link = frame.get(..parsed.network_offset())?;
    let packet = frame.get(parsed.network_offset()..)?;
    match &parsed.network {
        Network::Ipv4(ip) if !ip.is_fragment() => {
            let packet = packet.get(..usize::from(ip.total_length))?;
            let (header, body) = packet.split_at_checked(usize::from(ip.header_length))?;
            let pieces = pieces(body, mtu.checked_sub(header.len())?, packet.len() <= mtu)?;
            Some(
                pieces
                    .map(|(offset, more, piece)| {
                        let mut header = header.to_vec();
                        let length = length_field(header.len() + piece.len());
                        let field = offset | (u16::from(more) << 13);
                        put(&mut header, 2, &length.to_be_bytes());
                        put(&mut header, 6, &field.to_be_bytes());
                        renew_ipv4_checksum(&mut header);
                        [link, &header, piece].concat()
                    })
                    .collect(),
            )
        }
        Network::Ipv6(ip) if !ip.is_fragment() => {
            let packet = packet.get(..40 + usize::from(ip.payload_length))?;
            let (repeated, next_header) = unfragmentable(packet, ip.next_header)?;
            let (header, body) = packet.split_at_checked(repeated.end)?;
            let room = mtu.checked_sub(header.len() + 8)?;
            let pieces = pieces(body, room, packet.len() <= mtu)?;
            Some(
                pieces
                    .map(|(offset, more, piece)| {
                        let mut header = header.to_vec();
                        let length = length_field(header.len() - 40 + 8 + piece.len());
                        put(&mut header, 4, &length.to_be_bytes());
                        put(&mut header, repeated.next_header, &[ip_protocol::FRAGMENT]);
                        let field = ((offset << 3) | u16::from(more)).to_be_bytes();
                        let extension = [next_header, 0, field[0], field[1], 0, 0, 0, 1];
                        [link, &header, &extension, piece].concat()
                    })
                    .collect(),
            )
        }
        _ => None,
    }
}

/// Pieces of `room` bytes, rounded down to units of 8, each with its offset in such units and
/// whether another follows; none where the packet fits or nothing would.
fn pieces(
    body: &[u8],
    room: usize,
    fits: bool,
) -> Option<impl Iterator<Item = (u16, bool, &[u8])>> {
    let size = room / 8 * 8;
    if fits || size == 0 {
        return None;
    }
    let count = body.len().div_ceil(size);
    Some(body.chunks(size).enumerate().map(move |(index, piece)| {
        let offset = length_field(index * size / 8);
        (offset, index + 1 < count, piece)
    }))
}

/// Where the part that every fragment repeats ends, and where in it the last next header field is.
struct Unfragmentable {
    end: usize,
    next_header: usize,
}

/// Hop-by-hop options and the routing header, with what stands before it (RFC 8200, section 4.5);
/// and the number of the header that follows them.
fn unfragmentable(packet: &[u8], first: u8) -> Option<(Unfragmentable, u8)> {
    let mut found = Unfragmentable {
        end: 40,
        next_header: 6,
    };
    let (mut following, mut current, mut offset) = (first, first, 40);
    while matches!(
        current,
        ip_protocol::HOP_BY_HOP | ip_protocol::ROUTING | ip_protocol::DESTINATION_OPTIONS
    ) {
        let [next, length] = array(packet, offset)?;
        let end = offset + (usize::from(length) + 1) * 8;
        if current != ip_protocol::DESTINATION_OPTIONS {
            found = Unfragmentable {
                end,
                next_header: offset,
            };
            following = next;
        }
        current = next;
        offset = end;
    }
    Some((found, following))
}
