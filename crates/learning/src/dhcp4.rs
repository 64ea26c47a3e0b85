//! DHCP for IPv4 (RFC 2131, options of RFC 2132): what of a message tells of a lease. Knows the
//! layout; which messages belong together is left to the learner.

use std::net::Ipv4Addr;

use frame::MacAddress;

/// Message types, option 53.
pub mod kind {
    pub const DISCOVER: u8 = 1;
    pub const OFFER: u8 = 2;
    pub const REQUEST: u8 = 3;
    pub const DECLINE: u8 = 4;
    pub const ACK: u8 = 5;
    pub const NAK: u8 = 6;
    pub const RELEASE: u8 = 7;
    pub const INFORM: u8 = 8;
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Option 53.
    pub kind: u8,
    /// From a server (op 2) rather than a client (op 1).
    pub reply: bool,
    /// Ties answers to requests.
    pub transaction: u32,
    /// The client's hardware address.
    pub client_mac: MacAddress,
    /// The address that the client has already, `ciaddr`.
    pub client: Ipv4Addr,
    /// The address that the server gives, `yiaddr`.
    pub yours: Ipv4Addr,
    /// The relay agent that carried the message; relays leave it in answers that reach the client.
    pub relay: Ipv4Addr,
    /// Relays count up; a client's own message has 0.
    pub hops: u8,
    /// Option 50.
    pub requested: Option<Ipv4Addr>,
    /// Option 51, in seconds; `u32::MAX` is for ever.
    pub lease_seconds: Option<u32>,
    /// Option 54.
    pub server: Option<Ipv4Addr>,
    /// Option 80, RFC 4039: an answer to a discovery may give the lease at once.
    pub rapid_commit: bool,
    /// Option 82, which only relays add.
    pub relayed: bool,
    /// A hash of option 61, or of the hardware address where that is missing: who the lease is for.
    pub identity: u64,
}

const FIXED: usize = 236;
const COOKIE: [u8; 4] = [0x63, 0x82, 0x53, 0x63];
const PAD: u8 = 0;
const END: u8 = 255;

impl Message {
    /// Reads the payload of a UDP datagram. `None` for anything but DHCP on Ethernet: BOOTP has no
    /// leases.
    pub fn read(payload: &[u8]) -> Option<Self> {
        let (fixed, rest) = payload.split_at_checked(FIXED)?;
        let (cookie, options) = rest.split_at_checked(4)?;
        let &[op, hardware, length, hops] = fixed.first_chunk::<4>()?;
        if cookie != COOKIE || hardware != 1 || length != 6 || !matches!(op, 1 | 2) {
            return None;
        }
        let address = |at: usize| array::<4>(fixed, at).map(Ipv4Addr::from);
        let client_mac = MacAddress(array(fixed, 28)?);
        let mut message = Self {
            kind: 0,
            reply: op == 2,
            transaction: u32::from_be_bytes(array(fixed, 4)?),
            client_mac,
            client: address(12)?,
            yours: address(16)?,
            relay: address(24)?,
            hops,
            requested: None,
            lease_seconds: None,
            server: None,
            rapid_commit: false,
            relayed: false,
            identity: hash(&client_mac.0),
        };
        let overload = message.options(options);
        // Options go on in `file` and then in `sname` where option 52 says so.
        if overload & 1 != 0 {
            message.options(fixed.get(108..FIXED)?);
        }
        if overload & 2 != 0 {
            message.options(fixed.get(44..108)?);
        }
        (message.kind != 0).then_some(message)
    }

    /// Takes in an area of options; gives back the value of option 52.
    fn options(&mut self, mut bytes: &[u8]) -> u8 {
        let mut overload = 0;
        while let Some((&code, rest)) = bytes.split_first() {
            match code {
                PAD => {
                    bytes = rest;
                    continue;
                }
                END => break,
                _ => {}
            }
            let Some((&length, rest)) = rest.split_first() else {
                break;
            };
            // What is cut is no option: the kernel or the sender has left it out.
            let Some((value, rest)) = rest.split_at_checked(usize::from(length)) else {
                break;
            };
            bytes = rest;
            self.option(code, value);
            if let (52, [value]) = (code, value) {
                overload = *value;
            }
        }
        overload
    }

    /// The first of each kind counts; one of another length than it should have does not.
    fn option(&mut self, code: u8, value: &[u8]) {
        let address = || <[u8; 4]>::try_from(value).ok().map(Ipv4Addr::from);
        match (code, value) {
            (50, _) => self.requested = self.requested.or_else(address),
            (51, _) => {
                let seconds = <[u8; 4]>::try_from(value).ok().map(u32::from_be_bytes);
                self.lease_seconds = self.lease_seconds.or(seconds);
            }
            (53, [kind]) if self.kind == 0 => self.kind = *kind,
            (54, _) => self.server = self.server.or_else(address),
            (61, [_, _, ..]) => self.identity = hash(value),
            (80, []) => self.rapid_commit = true,
            (82, _) => self.relayed = true,
            _ => {}
        }
    }
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

/// 64-bit FNV-1a: the same on every host, for leases that travel.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |state, byte| {
        (state ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests;
