//! Where a port's addresses may be learned, and how many. Knows what documents say of it and what
//! that comes to; watching frames is left to whoever fills [`Learned`].

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// What a Port, Profile or Network document says; the most specific one that says anything decides.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Learn {
    pub mode: LearnMode,
    /// DHCP servers (or the relays through which they answer) that are believed; empty: any.
    /// Only with [`LearnMode::Dhcp`].
    pub servers: BTreeSet<IpAddr>,
    /// Most IPv4 addresses at a time, 0–64; `None`: as [`LearnMode::limits`] says.
    pub ipv4_limit: Option<u8>,
    /// Most IPv6 addresses at a time, likewise.
    pub ipv6_limit: Option<u8>,
    /// Only addresses in these prefixes are learned; empty: any.
    pub within: BTreeSet<IpNet>,
}

/// What an address is learned from.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum LearnMode {
    /// Only documents give addresses.
    #[default]
    None,
    /// The first addresses that the port uses are its own from then on: trust on first use.
    FirstPacket,
    /// Leases that a DHCP server gives it, until they expire.
    Dhcp,
    /// Any address may be used: address guards are off, what is seen is remembered for status.
    Any,
}

/// More than this would be a range: declare a prefix instead.
pub const MOST_ADDRESSES: u8 = 64;

impl LearnMode {
    /// Every mode, in the order of the reference.
    pub const ALL: &[Self] = &[Self::None, Self::FirstPacket, Self::Dhcp, Self::Any];

    /// The word in a document.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::FirstPacket => "first-packet",
            Self::Dhcp => "dhcp",
            Self::Any => "any",
        }
    }

    /// Most addresses unless said: for IPv4 and for IPv6, whose hosts have several (link-local,
    /// stable and temporary ones).
    pub fn limits(self) -> (u8, u8) {
        match self {
            Self::None => (0, 0),
            Self::FirstPacket => (1, 4),
            Self::Dhcp => (4, 4),
            Self::Any => (16, 16),
        }
    }
}

/// How the ports of a behaviour learn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Learning {
    /// Never [`LearnMode::None`].
    pub mode: LearnMode,
    /// As [`Learn::servers`].
    pub servers: BTreeSet<IpAddr>,
    /// Most IPv4 addresses.
    pub ipv4: u8,
    /// Most IPv6 addresses.
    pub ipv6: u8,
    /// As [`Learn::within`].
    pub within: BTreeSet<IpNet>,
}

impl Learning {
    /// What a document comes to; `None` where nothing is learned.
    pub fn of(learn: &Learn) -> Option<Self> {
        if learn.mode == LearnMode::None {
            return None;
        }
        let (ipv4, ipv6) = learn.mode.limits();
        Some(Self {
            mode: learn.mode,
            servers: learn.servers.clone(),
            ipv4: learn.ipv4_limit.unwrap_or(ipv4).min(MOST_ADDRESSES),
            ipv6: learn.ipv6_limit.unwrap_or(ipv6).min(MOST_ADDRESSES),
            within: learn.within.clone(),
        })
    }

    /// Whether learned addresses become the port's own, rather than a remark in its status.
    pub fn binds(&self) -> bool {
        self.mode != LearnMode::Any
    }

    /// Whether a DHCP answer from there is believed, and let through to the port.
    pub fn trusts(&self, server: IpAddr) -> bool {
        self.mode != LearnMode::Dhcp || self.servers.is_empty() || self.servers.contains(&server)
    }
}

/// Addresses learned so far, by port name. Ports that may not learn have none, whatever this says.
pub type Learned = BTreeMap<String, BTreeSet<IpNet>>;
