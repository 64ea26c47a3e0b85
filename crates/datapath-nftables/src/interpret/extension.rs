//! The search for one IPv6 extension header, as the `exthdr` expression does it.

use frame::protocol::ip_protocol;

/// What a search came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Search {
    /// The header begins here, counted from the start of the IPv6 header.
    Found(usize),
    /// There is none, or the packet ends before it could be found.
    NotFound,
    /// The packet is so short that the kernel looks at bytes it never received.
    Unknown,
}

const NEXT_HEADER: usize = 6;
const HEADER_LENGTH: usize = 40;

/// `ipv6_find_hdr` with a target and without flags: it walks past authentication headers, and finds nothing
/// behind the fragment header of a later fragment.
pub(super) fn find(packet: &[u8], target: u8) -> Search {
    let Some(mut kind) = packet.get(NEXT_HEADER).copied() else {
        return Search::Unknown;
    };
    let mut offset = HEADER_LENGTH;
    loop {
        let found = kind == target;
        if !is_extension(kind) {
            return if found {
                Search::Found(offset)
            } else {
                Search::NotFound
            };
        }
        let rest = packet.get(offset..).unwrap_or_default();
        let [next, length, ..] = rest else {
            return Search::NotFound;
        };
        let units = usize::from(*length);
        let length = match kind {
            ip_protocol::FRAGMENT => {
                let [_, _, high, low, ..] = rest else {
                    return Search::NotFound;
                };
                let later = u16::from_be_bytes([*high, *low]) & !7 != 0;
                if later && !found {
                    return Search::NotFound;
                }
                8
            }
            ip_protocol::ROUTING if rest.len() < 4 => return Search::NotFound,
            ip_protocol::AUTHENTICATION => units.saturating_add(2).saturating_mul(4),
            _ => units.saturating_add(1).saturating_mul(8),
        };
        if found {
            return Search::Found(offset);
        }
        kind = *next;
        offset = offset.saturating_add(length);
    }
}

/// `ipv6_ext_hdr`, without "no next header", which ends the walk as any protocol does.
fn is_extension(kind: u8) -> bool {
    matches!(
        kind,
        ip_protocol::HOP_BY_HOP
            | ip_protocol::ROUTING
            | ip_protocol::FRAGMENT
            | ip_protocol::AUTHENTICATION
            | ip_protocol::DESTINATION_OPTIONS
    )
}
