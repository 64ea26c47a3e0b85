//! What is known of a port without watching it.

use std::collections::BTreeSet;
use std::net::IpAddr;

use frame::MacAddress;
use ipnet::IpNet;

/// What an address is learned from. As `policy::learn::LearnMode`, which is not known here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// Nothing is learned; what the port declares still keeps others away from it.
    #[default]
    None,
    /// First use.
    FirstPacket,
    /// Leases, and one link-local address by first use.
    Dhcp,
    /// Any address may be used; the last ones seen are remembered for people.
    Any,
}

/// How a port learns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    pub mode: Mode,
    /// Source addresses of DHCP answers that are believed; empty: any.
    pub servers: BTreeSet<IpAddr>,
    /// Most IPv4 addresses.
    pub ipv4: u8,
    /// Most IPv6 addresses; the link-local one of [`Mode::Dhcp`] does not count.
    pub ipv6: u8,
    /// Only addresses in these are learned, link-local ones aside; empty: any.
    pub within: BTreeSet<IpNet>,
}

/// A port, whether it learns or not: what it declares is nobody else's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    pub mac: MacAddress,
    /// Ports of one network have no address in common.
    pub network: String,
    pub declared: Vec<IpNet>,
    pub rules: Rules,
}
