//! Match fields: which there are, how wide, what they need, what they are called, and one field's value with mask.
//! How a list of them makes a match is left to [`matching`](crate::matching).

mod registry;
mod subfield;
mod value;

use std::fmt;
use std::sync::LazyLock;

pub use registry::Field;
pub use subfield::{Subfield, SubfieldError, SubfieldTextError};
pub use value::{FieldMatch, IntoBits};

use crate::version::Version;

/// How a field's value is written in text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A decimal number.
    Decimal,
    /// A hexadecimal number with `0x`.
    Hexadecimal,
    /// A MAC address.
    Ethernet,
    /// An IPv4 address.
    Ipv4,
    /// An IPv6 address.
    Ipv6,
    /// A port number or a reserved port's name.
    Port,
    /// `+trk-new`.
    CtState,
    /// `no`, `yes`, `first`, `later`, `not_later`.
    Fragment,
    /// `+syn-ack`.
    TcpFlags,
    /// `+oam`.
    TunnelFlags,
    /// `(namespace,type)`.
    PacketType,
}

/// Whether a match may ask for some of a field's bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Masking {
    /// The whole field or nothing.
    Exact,
    /// Any bits.
    Bits,
}

/// What a match has to say before it may name a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prerequisite {
    /// Nothing.
    Nothing,
    /// An Ethernet packet, which every packet is unless a match names another packet type.
    Ethernet,
    /// A VLAN tag.
    Vlan,
    /// An MPLS ethertype.
    Mpls,
    /// Ethertype `0x88e7`.
    Pbb,
    /// Ethertype IPv4.
    Ipv4,
    /// Ethertype IPv6.
    Ipv6,
    /// Ethertype IPv4 or IPv6.
    Ip,
    /// Ethertype ARP or RARP.
    Arp,
    /// IP protocol 6.
    Tcp,
    /// IP protocol 17.
    Udp,
    /// IP protocol 132.
    Sctp,
    /// IPv4 with protocol 1.
    Icmpv4,
    /// IPv6 with protocol 58.
    Icmpv6,
    /// Neighbour solicitation or advertisement.
    Nd,
    /// Neighbour solicitation.
    NdSolicit,
    /// Neighbour advertisement.
    NdAdvert,
    /// Ethertype `0x894f`.
    Nsh,
    /// A tracked connection of the address family.
    Ct,
}

/// Whether actions may change a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Only matches may name it.
    ReadOnly,
    /// Actions may set it.
    ReadWrite,
}

/// What is known of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldInfo {
    /// The name that `ovs-ofctl` prints in `set_field`.
    pub name: &'static str,
    /// Another name for it, empty if there is none.
    pub alias: &'static str,
    /// Bits that may be set.
    pub bits: u8,
    /// Form in text.
    pub format: Format,
    /// Which masks it takes.
    pub masking: Masking,
    /// What a match must say besides.
    pub prerequisite: Prerequisite,
    /// Whether actions may set it.
    pub access: Access,
    headers: &'static [HeaderForm],
}

/// One way to name a field on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HeaderForm {
    pub(crate) since: Version,
    pub(crate) class: u16,
    pub(crate) experimenter: u32,
    pub(crate) number: u8,
    pub(crate) name: &'static str,
    pub(crate) bytes: u8,
}

/// The class that is followed by an experimenter's number.
pub(crate) const EXPERIMENTER_CLASS: u16 = 0xffff;

impl HeaderForm {
    const fn key(&self) -> HeaderKey {
        (self.class, self.experimenter, self.number)
    }

    /// The header's first four bytes, with or without a mask following the value.
    pub(crate) const fn word(&self, masked: bool) -> u32 {
        let experimenter = if self.class == EXPERIMENTER_CLASS {
            4
        } else {
            0
        };
        let length = if masked {
            self.bytes as u32 * 2
        } else {
            self.bytes as u32
        } + experimenter;
        ((self.class as u32) << 16) | ((self.number as u32) << 9) | ((masked as u32) << 8) | length
    }
}

/// Which headers a match is written with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Nicira's extended match.
    Nxm,
    /// The extensible match of this version.
    Oxm(Version),
}

/// What names a field on the wire: class, experimenter, number.
type HeaderKey = (u16, u32, u8);

static BY_HEADER: LazyLock<Vec<(HeaderKey, Field, &'static HeaderForm)>> = LazyLock::new(|| {
    let mut all: Vec<_> = Field::ALL
        .iter()
        .flat_map(|field| {
            field
                .info()
                .headers
                .iter()
                .map(|form| (form.key(), *field, form))
        })
        .collect();
    all.sort_by_key(|(key, _, form)| (*key, form.bytes));
    all
});

impl Field {
    /// What is known of this field.
    #[must_use]
    pub fn info(self) -> &'static FieldInfo {
        // The table has one row for each variant, in order: the same macro makes both.
        &registry::TABLE[self as usize]
    }

    /// The name that `ovs-ofctl` prints in `set_field`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.info().name
    }

    /// All bits that the field has, set.
    #[must_use]
    pub fn all_ones(self) -> u128 {
        u128::MAX >> (128 - u32::from(self.info().bits))
    }

    /// The register of this number, 0 to 15.
    #[must_use]
    pub fn register(number: u8) -> Option<Self> {
        Self::ALL
            .get(usize::from(number).saturating_add(Self::Reg0 as usize))
            .copied()
            .filter(|field| *field <= Self::Reg15)
    }

    /// The field of a name: `eth_src`, `dl_src`, `OXM_OF_ETH_SRC` and `NXM_OF_ETH_SRC` are one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        static BY_NAME: LazyLock<std::collections::HashMap<&'static str, Field>> =
            LazyLock::new(|| {
                let names = |field: &Field| {
                    let (field, info) = (*field, field.info());
                    let short = [info.name, info.alias]
                        .into_iter()
                        .filter(|name| !name.is_empty());
                    short
                        .chain(info.headers.iter().map(|form| form.name))
                        .map(move |name| (name, field))
                };
                Field::ALL.iter().flat_map(names).collect()
            });
        BY_NAME.get(name).copied()
    }

    /// The name that `ovs-ofctl` prints where a part of a field is meant, such as `NXM_NX_REG0`.
    #[must_use]
    pub fn header_name(self) -> &'static str {
        self.nxm_form().map_or(self.name(), |form| form.name)
    }

    /// The newest header that `dialect` has for the field.
    pub(crate) fn form(self, dialect: Dialect) -> Option<&'static HeaderForm> {
        let version = match dialect {
            Dialect::Nxm => Version::V1_0,
            Dialect::Oxm(version) => version,
        };
        let forms = self
            .info()
            .headers
            .iter()
            .filter(|form| form.since <= version);
        forms.max_by_key(|form| form.since)
    }

    /// The header that stands in Nicira's actions: the oldest.
    pub(crate) fn nxm_form(self) -> Option<&'static HeaderForm> {
        self.form(Dialect::Nxm)
            .or_else(|| self.info().headers.first())
    }

    /// The field that a header names, whatever version it is of.
    pub(crate) fn from_header(
        class: u16,
        experimenter: u32,
        number: u8,
        bytes: usize,
    ) -> Option<(Self, &'static HeaderForm)> {
        let key = (class, experimenter, number);
        let start = BY_HEADER.partition_point(|(known, ..)| *known < key);
        let same = BY_HEADER
            .get(start..)?
            .iter()
            .take_while(|(known, ..)| *known == key);
        same.map(|(_, field, form)| (*field, *form))
            .find(|(_, form)| usize::from(form.bytes) == bytes)
    }
}

impl fmt::Display for Field {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Bits of [`Field::CtState`].
pub mod ct_state {
    /// Begins a connection.
    pub const NEW: u32 = 0x01;
    /// Of a connection that was committed.
    pub const ESTABLISHED: u32 = 0x02;
    /// Of a connection that another one brought about.
    pub const RELATED: u32 = 0x04;
    /// From the side that did not begin the connection.
    pub const REPLY: u32 = 0x08;
    /// Cannot be tracked.
    pub const INVALID: u32 = 0x10;
    /// Went through the tracker.
    pub const TRACKED: u32 = 0x20;
    /// Source address translated.
    pub const SOURCE_NAT: u32 = 0x40;
    /// Destination address translated.
    pub const DESTINATION_NAT: u32 = 0x80;
}

#[cfg(test)]
mod tests;
