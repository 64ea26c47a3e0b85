//! UDP frames that carry a number, so that every copy of a frame can be told and counted wherever it turns up.
//! Knows just enough of Ethernet, IP and UDP to build valid ones; parsing is the `frame` crate's.

use crate::forged::Kind;
use std::net::SocketAddr;

/// What stands before the number at the end of a marked frame.
pub(crate) const MAGIC: [u8; 4] = *b"moat";

/// A UDP datagram in an Ethernet frame, with a number as the last of its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MarkedFrame {
    /// Source MAC.
    pub source_mac: [u8; 6],
    /// Destination MAC.
    pub destination_mac: [u8; 6],
    /// Source address and port; the family of both addresses must be the same.
    pub source: SocketAddr,
    /// Destination address and port.
    pub destination: SocketAddr,
    /// The number.
    pub marker: u32,
    /// Length of the frame in bytes without checksum sequence; raised to what headers and marker need (50 for
    /// IPv4, 70 for IPv6).
    pub length: usize,
}

impl MarkedFrame {
    /// The frame's bytes, checksums right.
    ///
    /// # Panics
    /// When one address is IPv4 and the other IPv6.
    pub fn bytes(&self) -> Vec<u8> {
        let (header, ethertype, addresses) = match (self.source, self.destination) {
            (SocketAddr::V4(from), SocketAddr::V4(to)) => (
                20,
                0x0800u16,
                [from.ip().octets(), to.ip().octets()].concat(),
            ),
            (SocketAddr::V6(from), SocketAddr::V6(to)) => {
                (40, 0x86dd, [from.ip().octets(), to.ip().octets()].concat())
            }
            _ => panic!(
                "a frame cannot go from {} to {}",
                self.source, self.destination
            ),
        };
        let payload = self.length.saturating_sub(14 + header + 8).max(8);
        let datagram_length = u16::try_from(payload.saturating_add(8)).unwrap_or(u16::MAX);
        let mut datagram = Vec::new();
        datagram.extend(self.source.port().to_be_bytes());
        datagram.extend(self.destination.port().to_be_bytes());
        datagram.extend(datagram_length.to_be_bytes());
        datagram.extend([0, 0]);
        datagram.resize(datagram.len().saturating_add(payload).saturating_sub(8), 0);
        datagram.extend(MAGIC);
        datagram.extend(self.marker.to_be_bytes());
        let pseudo_header = [0, 17, 0, 0];
        let sum = checksum(&[
            &addresses,
            &pseudo_header,
            &datagram_length.to_be_bytes(),
            &datagram,
        ]);
        // RFC 768: a computed zero is sent as all ones, since zero means "none".
        let sum = if sum == 0 { 0xffff } else { sum };
        put(&mut datagram, 6, sum);

        let mut bytes = [self.destination_mac, self.source_mac].concat();
        bytes.extend(ethertype.to_be_bytes());
        if header == 20 {
            let mut ip = vec![0x45, 0];
            ip.extend(datagram_length.saturating_add(20).to_be_bytes());
            ip.extend([0, 0, 0x40, 0, 64, 17, 0, 0]);
            ip.extend(&addresses);
            let sum = checksum(&[&ip]);
            put(&mut ip, 10, sum);
            bytes.extend(ip);
        } else {
            bytes.extend([0x60, 0, 0, 0]);
            bytes.extend(datagram_length.to_be_bytes());
            bytes.extend([17, 64]);
            bytes.extend(&addresses);
        }
        bytes.extend(datagram);
        bytes
    }
}

/// The number in a marked frame; `None` for every other frame.
pub fn marker_of(frame: &[u8]) -> Option<u32> {
    let (rest, marker) = frame.split_last_chunk::<4>()?;
    rest.ends_with(&MAGIC).then(|| u32::from_be_bytes(*marker))
}

impl Kind {
    /// What a marker stands for: kind and number.
    pub fn of_marker(marker: u32) -> Option<(Self, u32)> {
        let [kind, high, middle, low] = marker.to_be_bytes();
        let mut all = Self::ALL.iter().copied();
        let kind = all.find(|candidate| candidate.number() == kind)?;
        Some((kind, u32::from_be_bytes([0, high, middle, low])))
    }
}

fn put(bytes: &mut [u8], at: usize, value: u16) {
    for (to, from) in bytes.iter_mut().skip(at).zip(value.to_be_bytes()) {
        *to = from;
    }
}

/// The Internet checksum (RFC 1071) over parts, each but the last of even length.
pub(crate) fn checksum(parts: &[&[u8]]) -> u16 {
    let mut sum = 0u64;
    for part in parts {
        for pair in part.chunks(2) {
            let (high, low) = (pair.first(), pair.get(1));
            let word = [high.copied().unwrap_or(0), low.copied().unwrap_or(0)];
            sum = sum.saturating_add(u64::from(u16::from_be_bytes(word)));
        }
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(0)
}
