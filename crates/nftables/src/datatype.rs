//! nft's datatypes: how it prints the bytes of a key or value. The kernel stores the numbers and never looks.

use crate::userdata::ByteOrder;

/// A datatype of nft with its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Datatype {
    /// nft's number.
    pub id: u32,
    /// Bytes, without padding.
    pub length: u32,
    /// How its bytes stand in registers.
    pub order: ByteOrder,
}

const HOST: ByteOrder = ByteOrder::Host;
const NETWORK: ByteOrder = ByteOrder::Network;

impl Datatype {
    /// `ipv4_addr`
    pub const IPV4_ADDRESS: Self = Self::new(7, 4, NETWORK);
    /// `ipv6_addr`
    pub const IPV6_ADDRESS: Self = Self::new(8, 16, NETWORK);
    /// `ether_addr`
    pub const ETHER_ADDRESS: Self = Self::new(9, 6, NETWORK);
    /// `ether_type`: what [`MetaKey::Protocol`](crate::MetaKey::Protocol) loads
    pub const ETHER_TYPE: Self = Self::new(10, 2, NETWORK);
    /// `arp_op`
    pub const ARP_OPERATION: Self = Self::new(11, 2, NETWORK);
    /// `inet_proto`
    pub const INET_PROTOCOL: Self = Self::new(12, 1, NETWORK);
    /// `inet_service`: a port
    pub const INET_SERVICE: Self = Self::new(13, 2, NETWORK);
    /// `icmp_type`
    pub const ICMP_TYPE: Self = Self::new(14, 1, NETWORK);
    /// `mark`
    pub const MARK: Self = Self::new(19, 4, HOST);
    /// `iface_index`
    pub const INTERFACE_INDEX: Self = Self::new(20, 4, HOST);
    /// `iface_type`: of the numbers of two bytes in the host's order the one that nft prints as they are, but
    /// for the few that are kinds of hardware (`ether` is 1)
    pub const INTERFACE_TYPE: Self = Self::new(21, 2, HOST);
    /// `ct_state`
    pub const CONNECTION_STATE: Self = Self::new(26, 4, HOST);
    /// `icmpv6_type`
    pub const ICMPV6_TYPE: Self = Self::new(29, 1, NETWORK);
    /// `pkt_type`
    pub const PACKET_TYPE: Self = Self::new(31, 1, HOST);
    /// `icmp_code`
    pub const ICMP_CODE: Self = Self::new(32, 1, NETWORK);
    /// `icmpv6_code`
    pub const ICMPV6_CODE: Self = Self::new(33, 1, NETWORK);
    /// `ifname`
    pub const INTERFACE_NAME: Self = Self::new(41, 16, HOST);

    /// Any other type.
    #[must_use]
    pub const fn new(id: u32, length: u32, order: ByteOrder) -> Self {
        Self { id, length, order }
    }

    pub(crate) fn order_of(id: u32) -> ByteOrder {
        const HOST_ORDERED: [Datatype; 6] = [
            Datatype::MARK,
            Datatype::INTERFACE_INDEX,
            Datatype::INTERFACE_TYPE,
            Datatype::CONNECTION_STATE,
            Datatype::PACKET_TYPE,
            Datatype::INTERFACE_NAME,
        ];
        if HOST_ORDERED.iter().any(|datatype| datatype.id == id) {
            HOST
        } else {
            NETWORK
        }
    }
}

/// nft numbers a concatenation by its parts' numbers, 6 bits each, the last part lowest.
pub(crate) fn concatenated_id(parts: &[Datatype]) -> u32 {
    parts.iter().fold(0, |id, part| id << 6 | part.id & 0x3f)
}
