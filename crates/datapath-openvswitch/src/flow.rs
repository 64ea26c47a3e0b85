//! Flows as this crate makes them: matches as cubes over header fields and registers, actions, and
//! their text as `ovs-ofctl` reads it. Knows what goes into a table; what it means is left to `lower`.

mod action;
mod text;

use std::collections::BTreeMap;

pub use action::{Action, Bits, LearnSpec};

/// One flow. Table, priority and match are its identity in the switch, the rest is its content.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Flow {
    pub table: u8,
    pub priority: u16,
    pub matching: Cube,
    pub cookie: u64,
    pub actions: Vec<Action>,
}

/// What a flow can match. In an order in which each stands behind those it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    InPort,
    Register(u8),
    ConnectionState,
    ConnectionMark,
    ConnectionLabel,
    EthernetSource,
    EthernetDestination,
    EthernetType,
    /// Tag control information, with bit 12 for "there is a tag".
    VlanTci,
    IpProtocol,
    IpDscp,
    IpTtl,
    /// Bit 0: any fragment; bit 1: not the first.
    IpFragment,
    Ipv4Source,
    Ipv4Destination,
    Ipv6Source,
    Ipv6Destination,
    ArpOperation,
    ArpSenderAddress,
    ArpTargetAddress,
    ArpSenderMac,
    ArpTargetMac,
    TransportSource,
    TransportDestination,
    TcpFlags,
    Icmpv4Type,
    Icmpv4Code,
    Icmpv6Type,
    Icmpv6Code,
    NdTarget,
    NdSourceMac,
    NdTargetMac,
}

impl Field {
    /// Length in bits.
    pub fn width(self) -> u32 {
        match self {
            Self::Ipv6Source | Self::Ipv6Destination | Self::NdTarget | Self::ConnectionLabel => {
                128
            }
            Self::EthernetSource
            | Self::EthernetDestination
            | Self::ArpSenderMac
            | Self::ArpTargetMac
            | Self::NdSourceMac
            | Self::NdTargetMac => 48,
            Self::Register(_)
            | Self::ConnectionState
            | Self::ConnectionMark
            | Self::Ipv4Source
            | Self::Ipv4Destination
            | Self::ArpSenderAddress
            | Self::ArpTargetAddress => 32,
            Self::InPort
            | Self::EthernetType
            | Self::VlanTci
            | Self::ArpOperation
            | Self::TransportSource
            | Self::TransportDestination => 16,
            Self::TcpFlags => 12,
            Self::IpProtocol
            | Self::IpTtl
            | Self::Icmpv4Type
            | Self::Icmpv4Code
            | Self::Icmpv6Type
            | Self::Icmpv6Code => 8,
            Self::IpDscp => 6,
            Self::IpFragment => 2,
        }
    }

    /// All its bits.
    pub fn mask(self) -> u128 {
        low_bits(self.width())
    }
}

/// The lowest `count` bits set.
pub(crate) fn low_bits(count: u32) -> u128 {
    u128::MAX
        .checked_shr(128_u32.saturating_sub(count))
        .unwrap_or(0)
}

/// A conjunction of masked comparisons, at most one for each field.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cube(BTreeMap<Field, (u128, u128)>);

impl Cube {
    /// What every frame fits.
    pub fn any() -> Self {
        Self::default()
    }

    /// Also the whole field must have this value.
    #[must_use]
    pub fn with(self, field: Field, value: impl Into<u128>) -> Self {
        self.masked(field, value, field.mask())
    }

    /// Also the field must have this value under this mask. Where that contradicts what is there
    /// already, the later one replaces it: use [`Cube::and`] where both may speak of one field.
    #[must_use]
    pub fn masked(mut self, field: Field, value: impl Into<u128>, mask: u128) -> Self {
        let (value, mask) = (value.into() & mask, mask & field.mask());
        let slot = self.0.entry(field).or_insert((0, 0));
        *slot = ((slot.0 & !mask) | value, slot.1 | mask);
        if slot.1 == 0 {
            self.0.remove(&field);
        }
        self
    }

    /// Also these bits of a register must have this value.
    #[must_use]
    pub fn bits(self, bits: Bits, value: u32) -> Self {
        let mask = low_bits(bits.length) << bits.first;
        self.masked(
            Field::Register(bits.register),
            u128::from(value) << bits.first,
            mask,
        )
    }

    /// What fits both; `None` where nothing does.
    pub fn and(&self, other: &Self) -> Option<Self> {
        let mut both = self.clone();
        for (field, (value, mask)) in &other.0 {
            if let Some((own, own_mask)) = both.0.get(field)
                && (own ^ value) & own_mask & mask != 0
            {
                return None;
            }
            both = both.masked(*field, *value, *mask);
        }
        Some(both)
    }

    /// Value and mask of each field, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Field, u128, u128)> + '_ {
        self.0
            .iter()
            .map(|(field, (value, mask))| (*field, *value, *mask))
    }
}
