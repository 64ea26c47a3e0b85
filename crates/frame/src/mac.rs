//! An Ethernet address: six bytes and how people write them. Leaves who owns it to others.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// An Ethernet (EUI-48) address, in the order of the wire.
///
/// Written as six two-digit lowercase hexadecimal groups with colons between, and read only so
/// (uppercase digits are taken too), for one address in two spellings is two addresses in a diff.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MacAddress(pub [u8; 6]);

/// Why a text is no [`MacAddress`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a MAC address: {problem}; write six pairs of hex digits, like 52:54:00:00:00:01"
)]
pub struct ParseMacError {
    text: String,
    problem: MacProblem,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum MacProblem {
    #[error("the separator is `:`, not `{0}`")]
    Separator(char),
    #[error("it has {0} groups instead of 6")]
    Groups(usize),
    #[error("group {number} `{group}` is not two hex digits")]
    Group { number: usize, group: String },
}

impl MacAddress {
    /// ff:ff:ff:ff:ff:ff.
    pub const BROADCAST: Self = Self([0xff; 6]);
    /// 00:00:00:00:00:00, which no interface has.
    pub const ZERO: Self = Self([0; 6]);

    /// The six bytes.
    pub const fn octets(self) -> [u8; 6] {
        self.0
    }

    /// The group bit is set; true for broadcast also.
    pub const fn is_multicast(self) -> bool {
        self.0[0] & 1 != 0
    }

    /// All ones.
    pub const fn is_broadcast(self) -> bool {
        matches!(self.0, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff])
    }

    /// Can be one interface's address: neither a group nor zero. The kernel's
    /// `is_valid_ether_addr`; `br_handle_frame` drops a frame whose source is not, before any hook.
    pub const fn is_valid_unicast(self) -> bool {
        !self.is_multicast() && !matches!(self.0, [0, 0, 0, 0, 0, 0])
    }

    /// The link-local address that an interface makes of this one (RFC 4291, appendix A).
    pub fn eui64_link_local(self) -> Ipv6Addr {
        let [a, b, c, d, e, f] = self.0;
        Ipv6Addr::from([
            0xfe,
            0x80,
            0,
            0,
            0,
            0,
            0,
            0,
            a ^ 2,
            b,
            c,
            0xff,
            0xfe,
            d,
            e,
            f,
        ])
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for MacAddress {
    type Err = ParseMacError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fail = |problem| ParseMacError {
            text: text.to_owned(),
            problem,
        };
        if !text.contains(':')
            && let Some(separator) = text.chars().find(|c| matches!(c, '-' | '.'))
        {
            return Err(fail(MacProblem::Separator(separator)));
        }
        let groups = text.split(':').count();
        if groups != 6 {
            return Err(fail(MacProblem::Groups(groups)));
        }
        let mut octets = [0; 6];
        for (index, (octet, group)) in octets.iter_mut().zip(text.split(':')).enumerate() {
            let digits = group.len() == 2 && group.bytes().all(|b| b.is_ascii_hexdigit());
            *octet = digits
                .then(|| u8::from_str_radix(group, 16).ok())
                .flatten()
                .ok_or_else(|| {
                    fail(MacProblem::Group {
                        number: index + 1,
                        group: group.to_owned(),
                    })
                })?;
        }
        Ok(Self(octets))
    }
}

impl From<[u8; 6]> for MacAddress {
    fn from(octets: [u8; 6]) -> Self {
        Self(octets)
    }
}

impl Serialize for MacAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for MacAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // For programs alone: six bytes, as std does with IP addresses.
        if !deserializer.is_human_readable() {
            return Ok(Self(<[u8; 6]>::deserialize(deserializer)?));
        }
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
