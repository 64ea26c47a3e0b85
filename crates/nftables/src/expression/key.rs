//! Numbered choices in expressions: what can be loaded, how compared. The numbers are the kernel's.

macro_rules! numbered {
    ($(#[$attribute:meta])* $name:ident { $($(#[$note:meta])* $variant:ident = $number:literal),* $(,)? }) => {
        $(#[$attribute])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$note])* $variant),* }

        impl $name {
            /// Every value, in the kernel's order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The kernel's number.
            #[must_use]
            pub const fn number(self) -> u32 {
                match self { $(Self::$variant => $number),* }
            }

            /// The value with that number, `None` if this crate does not know it.
            #[must_use]
            pub const fn from_number(number: u32) -> Option<Self> {
                match number { $($number => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

numbered! {
    /// What `meta` loads. Numbers in registers are in the machine's byte order unless said otherwise.
    MetaKey {
        /// Packet length, 4 bytes.
        Length = 0,
        /// Ethertype, 2 bytes in network order; behind an accelerated VLAN tag it is the inner one.
        Protocol = 1,
        /// Queueing priority, 4 bytes.
        Priority = 2,
        /// Packet mark, 4 bytes.
        Mark = 3,
        /// Index of the device it came in by, 4 bytes. In the bridge family: the bridge's port.
        InputInterface = 4,
        /// Index of the device it goes out by, 4 bytes.
        OutputInterface = 5,
        /// Name of the device it came in by, 16 bytes, filled up with zeros.
        InputInterfaceName = 6,
        /// Name of the device it goes out by, 16 bytes.
        OutputInterfaceName = 7,
        /// Hardware type of the input device, 2 bytes.
        InputInterfaceType = 8,
        /// Hardware type of the output device, 2 bytes.
        OutputInterfaceType = 9,
        /// Trace flag, 1 byte.
        Trace = 12,
        /// Family of the layer 3 protocol, 1 byte.
        NetworkFamily = 15,
        /// Transport protocol after extension headers, 1 byte; no match for what is not well-formed IP.
        TransportProtocol = 16,
        /// Name of the bridge whose port it came in by, 16 bytes. Needs `NFT_BRIDGE_META`.
        BridgeInputName = 17,
        /// Name of the bridge whose port it goes out by, 16 bytes. Needs `NFT_BRIDGE_META`.
        BridgeOutputName = 18,
        /// To this host, broadcast, multicast or to another host, 1 byte.
        PacketType = 19,
        /// Processor number, 4 bytes.
        Processor = 20,
        /// Group of the input device, 4 bytes.
        InputInterfaceGroup = 21,
        /// Group of the output device, 4 bytes.
        OutputInterfaceGroup = 22,
        /// A random number, 4 bytes.
        Random = 24,
        /// Kind of the input device as `ip link` shows it, 16 bytes.
        InputInterfaceKind = 26,
        /// Kind of the output device, 16 bytes.
        OutputInterfaceKind = 27,
        /// Port VLAN id of the bridge's port, 2 bytes. Needs `NFT_BRIDGE_META`.
        BridgePortVlan = 28,
        /// VLAN protocol of the bridge, 2 bytes. Needs `NFT_BRIDGE_META`.
        BridgeVlanProtocol = 29,
    }
}

numbered! {
    /// From where a payload offset counts.
    PayloadBase {
        /// The Ethernet header; a VLAN tag that the hardware took off is put back for this.
        Link = 0,
        /// The IP, IPv6 or ARP header.
        Network = 1,
        /// The header after IP and its extensions; no match in fragments other than the first.
        Transport = 2,
        /// What follows the TCP, UDP … header.
        Inner = 3,
    }
}

numbered! {
    /// How a register is compared with a value; greater and less are bytewise, as for numbers in network order.
    Comparison {
        /// All bytes the same.
        Equal = 0,
        /// Some byte differs.
        NotEqual = 1,
        /// Register < value.
        Less = 2,
        /// Register ≤ value.
        LessOrEqual = 3,
        /// Register > value.
        Greater = 4,
        /// Register ≥ value.
        GreaterOrEqual = 5,
    }
}

numbered! {
    /// What `ct` loads or sets.
    ConnectionKey {
        /// State bit mask, 4 bytes: see [`connection_state`](super::connection_state).
        State = 0,
        /// 0 original, 1 reply; 1 byte.
        Direction = 1,
        /// Status bit mask, 4 bytes.
        Status = 2,
        /// Connection mark, 4 bytes.
        Mark = 3,
        /// Milliseconds until it is forgotten, 4 bytes.
        Expiration = 5,
        /// Name of the helper, 16 bytes.
        Helper = 6,
        /// Family, 1 byte.
        NetworkProtocol = 7,
        /// Source address of a direction.
        Source = 8,
        /// Destination address of a direction.
        Destination = 9,
        /// Transport protocol, 1 byte.
        TransportProtocol = 10,
        /// Source port of a direction, 2 bytes.
        SourcePort = 11,
        /// Destination port of a direction, 2 bytes.
        DestinationPort = 12,
        /// Labels, 16 bytes.
        Labels = 13,
        /// Packets seen, 8 bytes.
        Packets = 14,
        /// Bytes seen, 8 bytes.
        Bytes = 15,
        /// Bytes per packet, 8 bytes.
        AveragePacket = 16,
        /// Zone, 2 bytes.
        Zone = 17,
        /// Which events are reported, 4 bytes.
        EventMask = 18,
        /// IPv4 source, 4 bytes.
        SourceIpv4 = 19,
        /// IPv4 destination, 4 bytes.
        DestinationIpv4 = 20,
        /// IPv6 source, 16 bytes.
        SourceIpv6 = 21,
        /// IPv6 destination, 16 bytes.
        DestinationIpv6 = 22,
        /// Identity, 4 bytes.
        Identity = 23,
    }
}

numbered! {
    /// Direction of a connection.
    ConnectionDirection {
        /// As its first packet.
        Original = 0,
        /// Against it.
        Reply = 1,
    }
}

numbered! {
    /// Which chain of headers `exthdr` searches.
    ExtensionKind {
        /// IPv6 extension headers.
        Ipv6 = 0,
        /// TCP options.
        TcpOption = 1,
        /// IPv4 options.
        Ipv4Option = 2,
        /// SCTP chunks.
        SctpChunk = 3,
    }
}

numbered! {
    /// Which way `byteorder` turns.
    ByteOrderOperation {
        /// Network order to the machine's.
        ToHost = 0,
        /// The machine's order to the network's.
        ToNetwork = 1,
    }
}

numbered! {
    /// What `dynset` does with the element.
    DynamicOperation {
        /// Add it if it is not there.
        Add = 0,
        /// Add it or renew its timeout.
        Update = 1,
        /// Remove it.
        Delete = 2,
    }
}

numbered! {
    /// What a limit counts.
    LimitUnit {
        /// Packets.
        Packets = 0,
        /// Bytes.
        Bytes = 1,
    }
}
