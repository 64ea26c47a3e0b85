//! DHCPv6 (RFC 8415): what of a message tells of leased addresses. Knows the layout; which messages
//! belong together is left to the learner. Delegated prefixes (IA_PD) are not read: what is routed
//! behind a VM is for documents to say.

use std::net::Ipv6Addr;

use crate::dhcp4::hash;

/// Message types.
pub mod kind {
    pub const SOLICIT: u8 = 1;
    pub const REQUEST: u8 = 3;
    pub const RENEW: u8 = 5;
    pub const REBIND: u8 = 6;
    pub const REPLY: u8 = 7;
    pub const RELEASE: u8 = 8;
    pub const DECLINE: u8 = 9;
}

/// One message between a client and a server or relay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    pub kind: u8,
    /// Ties answers to requests; 24 bits.
    pub transaction: u32,
    /// A hash of the client's DUID.
    pub client: Option<u64>,
    /// The message names its server.
    pub server: bool,
    /// Option 14: an answer to a solicitation may give the lease at once.
    pub rapid_commit: bool,
    /// The whole message says that it failed.
    pub failed: bool,
    /// Addresses of IA_NA and IA_TA whose status is good, at most [`MOST_ADDRESSES`].
    pub addresses: Vec<Address>,
}

/// An address in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    pub address: Ipv6Addr,
    /// In seconds; 0 takes it back, `u32::MAX` is for ever.
    pub valid_seconds: u32,
}

/// More addresses in one message are left out: no port may have so many.
pub const MOST_ADDRESSES: usize = 64;

const RELAY_FORWARD: u8 = 12;
const CLIENT_ID: u16 = 1;
const SERVER_ID: u16 = 2;
const IA_NA: u16 = 3;
const IA_TA: u16 = 4;
const IA_ADDRESS: u16 = 5;
const STATUS: u16 = 13;
const RAPID_COMMIT: u16 = 14;

impl Message {
    /// Reads the payload of a UDP datagram. `None` for what relays say to servers and each other.
    pub fn read(payload: &[u8]) -> Option<Self> {
        let (&[kind, a, b, c], options) = payload.split_first_chunk::<4>()?;
        if kind == 0 || kind >= RELAY_FORWARD {
            return None;
        }
        let mut message = Self {
            kind,
            transaction: u32::from_be_bytes([0, a, b, c]),
            ..Self::default()
        };
        for (code, value) in Options(options) {
            match code {
                CLIENT_ID => message.client = message.client.or_else(|| Some(hash(value))),
                SERVER_ID => message.server = true,
                RAPID_COMMIT => message.rapid_commit = true,
                STATUS => message.failed |= !succeeded(value),
                IA_NA => message.association(value.get(12..).unwrap_or_default()),
                IA_TA => message.association(value.get(4..).unwrap_or_default()),
                _ => {}
            }
        }
        Some(message)
    }

    fn association(&mut self, options: &[u8]) {
        let good = |options: &[u8]| {
            let mut statuses = Options(options).filter(|(code, _)| *code == STATUS);
            statuses.all(|(_, value)| succeeded(value))
        };
        if !good(options) {
            return;
        }
        for (_, value) in Options(options).filter(|(code, _)| *code == IA_ADDRESS) {
            let Some((address, rest)) = value.split_first_chunk::<16>() else {
                continue;
            };
            let Some((times, rest)) = rest.split_first_chunk::<8>() else {
                continue;
            };
            let [.., a, b, c, d] = *times;
            if good(rest) && self.addresses.len() < MOST_ADDRESSES {
                self.addresses.push(Address {
                    address: Ipv6Addr::from(*address),
                    valid_seconds: u32::from_be_bytes([a, b, c, d]),
                });
            }
        }
    }
}

/// Status 0 is success; an option too short to hold one is none.
fn succeeded(value: &[u8]) -> bool {
    value.first_chunk::<2>() == Some(&[0, 0])
}

/// Options up to the first that is cut.
struct Options<'a>(&'a [u8]);

impl<'a> Iterator for Options<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (&[a, b, c, d], rest) = self.0.split_first_chunk::<4>()?;
        let length = usize::from(u16::from_be_bytes([c, d]));
        let (value, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((u16::from_be_bytes([a, b]), value))
    }
}

#[cfg(test)]
mod tests;
