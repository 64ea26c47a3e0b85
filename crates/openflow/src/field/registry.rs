//! Every match field known here: its names, width, form in text, prerequisite and headers on the wire. The order
//! is the one in which Open vSwitch writes fields, so that equal matches are equal bytes.

use super::{Access, FieldInfo, Format, HeaderForm, Masking, Prerequisite};
use crate::version::Version;

const NXM_OF: (u16, u32) = (0x0000, 0);
const NXM_NX: (u16, u32) = (0x0001, 0);
const ERICSSON: (u16, u32) = (0x1000, 0);
const OXM_OF: (u16, u32) = (0x8000, 0);
const PKT_REG: (u16, u32) = (0x8001, 0);
const ONF: (u16, u32) = (0xffff, 0x4f4e_4600);
const NXOXM_ET: (u16, u32) = (0xffff, 0x0000_2320);
const NXOXM_NSH: (u16, u32) = (0xffff, 0x005a_d650);

macro_rules! fields {
    ($(
        $(#[$doc:meta])*
        $field:ident: $name:literal $alias:literal, $bits:literal, $format:ident, $masking:ident, $needs:ident,
            $access:ident, [$(($since:ident, $class:ident, $number:literal, $oxm:literal, $bytes:literal)),*];
    )*) => {
        /// A match field that this crate knows.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Field {
            $($(#[$doc])* $field,)*
        }

        impl Field {
            /// Every field, in the order in which Open vSwitch writes them.
            pub const ALL: &[Self] = &[$(Self::$field),*];
        }

        pub(super) static TABLE: &[FieldInfo] = &[$(FieldInfo {
            name: $name,
            alias: $alias,
            bits: $bits,
            format: Format::$format,
            masking: Masking::$masking,
            prerequisite: Prerequisite::$needs,
            access: Access::$access,
            headers: &[$(HeaderForm {
                since: Version::$since,
                class: $class.0,
                experimenter: $class.1,
                number: $number,
                name: $oxm,
                bytes: $bytes,
            }),*],
        }),*];
    };
}

fields! {
    /// The kind of packet (1.5): namespace and type; all ones of no use to Ethernet-only switches.
    PacketType: "packet_type" "", 32, PacketType, Exact, Nothing, ReadOnly, [(V1_5, OXM_OF, 44, "OXM_OF_PACKET_TYPE", 4)];
    /// A hash the datapath computed.
    DpHash: "dp_hash" "", 32, Hexadecimal, Bits, Nothing, ReadOnly,
        [(V1_0, NXOXM_ET, 0, "NXOXM_ET_DP_HASH", 4), (V1_0, NXM_NX, 35, "NXM_NX_DP_HASH", 4)];
    /// The datapath's recirculation, internal to Open vSwitch.
    RecircId: "recirc_id" "", 32, Decimal, Exact, Nothing, ReadOnly, [(V1_0, NXM_NX, 36, "NXM_NX_RECIRC_ID", 4)];
    /// The conjunction all of whose dimensions matched.
    ConjId: "conj_id" "", 32, Decimal, Exact, Nothing, ReadOnly, [(V1_0, NXM_NX, 37, "NXM_NX_CONJ_ID", 4)];
    /// The port the packet came in at.
    InPort: "in_port_oxm" "", 32, Port, Exact, Nothing, ReadWrite, [(V1_2, OXM_OF, 0, "OXM_OF_IN_PORT", 4)];
    /// The same in 16 bits, as Nicira's actions name it. A match has [`InPort`](Self::InPort) instead.
    InPort16: "in_port" "", 16, Port, Exact, Nothing, ReadWrite, [(V1_0, NXM_OF, 0, "NXM_OF_IN_PORT", 2)];
    /// The physical port under a logical one. Open vSwitch has it not.
    InPhyPort: "in_phy_port" "", 32, Port, Exact, Nothing, ReadOnly, [(V1_2, OXM_OF, 1, "OXM_OF_IN_PHY_PORT", 4)];
    /// The output port in the action set.
    ActsetOutput: "actset_output" "", 32, Port, Exact, Nothing, ReadOnly,
        [(V1_3, ONF, 43, "ONFOXM_ET_ACTSET_OUTPUT", 4), (V1_5, OXM_OF, 43, "OXM_OF_ACTSET_OUTPUT", 4)];
    /// Source MAC.
    EthSrc: "eth_src" "dl_src", 48, Ethernet, Bits, Ethernet, ReadWrite,
        [(V1_2, OXM_OF, 4, "OXM_OF_ETH_SRC", 6), (V1_0, NXM_OF, 2, "NXM_OF_ETH_SRC", 6)];
    /// Destination MAC.
    EthDst: "eth_dst" "dl_dst", 48, Ethernet, Bits, Ethernet, ReadWrite,
        [(V1_2, OXM_OF, 3, "OXM_OF_ETH_DST", 6), (V1_0, NXM_OF, 1, "NXM_OF_ETH_DST", 6)];
    /// Ethertype after any VLAN tag; `0x05ff` for 802.3 frames without one.
    EthType: "eth_type" "dl_type", 16, Hexadecimal, Exact, Ethernet, ReadOnly,
        [(V1_2, OXM_OF, 5, "OXM_OF_ETH_TYPE", 2), (V1_0, NXM_OF, 3, "NXM_OF_ETH_TYPE", 2)];
    /// VLAN id with bit `0x1000` set where a tag is there; 0 is "no tag".
    VlanVid: "vlan_vid" "", 13, Decimal, Bits, Ethernet, ReadWrite, [(V1_2, OXM_OF, 6, "OXM_OF_VLAN_VID", 2)];
    /// VLAN priority.
    VlanPcp: "vlan_pcp" "dl_vlan_pcp", 3, Decimal, Exact, Vlan, ReadWrite, [(V1_2, OXM_OF, 7, "OXM_OF_VLAN_PCP", 1)];
    /// Priority, presence bit `0x1000` and VLAN id in one, as Nicira's match has it.
    VlanTci: "vlan_tci" "", 16, Hexadecimal, Bits, Ethernet, ReadWrite, [(V1_0, NXM_OF, 4, "NXM_OF_VLAN_TCI", 2)];
    /// Traffic class of the outermost MPLS label.
    MplsTc: "mpls_tc" "", 3, Decimal, Exact, Mpls, ReadWrite, [(V1_2, OXM_OF, 35, "OXM_OF_MPLS_TC", 1)];
    /// Bottom-of-stack bit of the outermost MPLS label.
    MplsBos: "mpls_bos" "", 1, Decimal, Exact, Mpls, ReadOnly, [(V1_3, OXM_OF, 36, "OXM_OF_MPLS_BOS", 1)];
    /// TTL of the outermost MPLS label.
    MplsTtl: "mpls_ttl" "", 8, Decimal, Exact, Mpls, ReadWrite, [(V1_0, NXM_NX, 30, "NXM_NX_MPLS_TTL", 1)];
    /// Outermost MPLS label.
    MplsLabel: "mpls_label" "", 20, Decimal, Exact, Mpls, ReadWrite, [(V1_2, OXM_OF, 34, "OXM_OF_MPLS_LABEL", 4)];
    /// Service instance of provider backbone bridging. Open vSwitch has it not.
    PbbIsid: "pbb_isid" "", 24, Decimal, Bits, Pbb, ReadWrite, [(V1_3, OXM_OF, 37, "OXM_OF_PBB_ISID", 3)];
    /// Use-customer-address bit of provider backbone bridging. Open vSwitch has it not.
    PbbUca: "pbb_uca" "", 1, Decimal, Exact, Pbb, ReadWrite, [(V1_4, OXM_OF, 41, "OXM_OF_PBB_UCA", 1)];
    /// Source IPv4 address.
    Ipv4Src: "ip_src" "nw_src", 32, Ipv4, Bits, Ipv4, ReadWrite,
        [(V1_2, OXM_OF, 11, "OXM_OF_IPV4_SRC", 4), (V1_0, NXM_OF, 7, "NXM_OF_IP_SRC", 4)];
    /// Destination IPv4 address.
    Ipv4Dst: "ip_dst" "nw_dst", 32, Ipv4, Bits, Ipv4, ReadWrite,
        [(V1_2, OXM_OF, 12, "OXM_OF_IPV4_DST", 4), (V1_0, NXM_OF, 8, "NXM_OF_IP_DST", 4)];
    /// Source IPv6 address.
    Ipv6Src: "ipv6_src" "", 128, Ipv6, Bits, Ipv6, ReadWrite,
        [(V1_2, OXM_OF, 26, "OXM_OF_IPV6_SRC", 16), (V1_0, NXM_NX, 19, "NXM_NX_IPV6_SRC", 16)];
    /// Destination IPv6 address.
    Ipv6Dst: "ipv6_dst" "", 128, Ipv6, Bits, Ipv6, ReadWrite,
        [(V1_2, OXM_OF, 27, "OXM_OF_IPV6_DST", 16), (V1_0, NXM_NX, 20, "NXM_NX_IPV6_DST", 16)];
    /// Bit 0: a fragment. Bit 1: not the first.
    IpFrag: "ip_frag" "nw_frag", 2, Fragment, Bits, Ip, ReadOnly, [(V1_0, NXM_NX, 26, "NXM_NX_IP_FRAG", 1)];
    /// DSCP, six bits.
    IpDscp: "ip_dscp" "", 6, Decimal, Exact, Ip, ReadWrite, [(V1_2, OXM_OF, 8, "OXM_OF_IP_DSCP", 1)];
    /// The same as bits 2 to 7 of the TOS byte, as Nicira's actions name it. A match has [`IpDscp`](Self::IpDscp)
    /// instead.
    IpTos: "nw_tos" "", 8, Decimal, Exact, Ip, ReadWrite, [(V1_0, NXM_OF, 5, "NXM_OF_IP_TOS", 1)];
    /// Explicit congestion notification bits.
    IpEcn: "nw_ecn" "ip_ecn", 2, Decimal, Exact, Ip, ReadWrite,
        [(V1_2, OXM_OF, 9, "OXM_OF_IP_ECN", 1), (V1_0, NXM_NX, 28, "NXM_NX_IP_ECN", 1)];
    /// TTL or hop limit.
    IpTtl: "nw_ttl" "", 8, Decimal, Exact, Ip, ReadWrite, [(V1_0, NXM_NX, 29, "NXM_NX_IP_TTL", 1)];
    /// IPv6 flow label.
    Ipv6Label: "ipv6_label" "", 20, Hexadecimal, Bits, Ipv6, ReadWrite,
        [(V1_2, OXM_OF, 28, "OXM_OF_IPV6_FLABEL", 4), (V1_0, NXM_NX, 27, "NXM_NX_IPV6_LABEL", 4)];
    /// Which IPv6 extension headers are there. Open vSwitch has it not.
    Ipv6Exthdr: "ipv6_exthdr" "", 9, Hexadecimal, Bits, Ipv6, ReadOnly, [(V1_3, OXM_OF, 39, "OXM_OF_IPV6_EXTHDR", 2)];
    /// IP protocol or last next header.
    IpProto: "nw_proto" "ip_proto", 8, Decimal, Exact, Ip, ReadOnly,
        [(V1_2, OXM_OF, 10, "OXM_OF_IP_PROTO", 1), (V1_0, NXM_OF, 6, "NXM_OF_IP_PROTO", 1)];
    /// TCP source port.
    TcpSrc: "tcp_src" "tp_src", 16, Decimal, Bits, Tcp, ReadWrite,
        [(V1_2, OXM_OF, 13, "OXM_OF_TCP_SRC", 2), (V1_0, NXM_OF, 9, "NXM_OF_TCP_SRC", 2)];
    /// TCP destination port.
    TcpDst: "tcp_dst" "tp_dst", 16, Decimal, Bits, Tcp, ReadWrite,
        [(V1_2, OXM_OF, 14, "OXM_OF_TCP_DST", 2), (V1_0, NXM_OF, 10, "NXM_OF_TCP_DST", 2)];
    /// TCP flags, FIN lowest.
    TcpFlags: "tcp_flags" "", 12, TcpFlags, Bits, Tcp, ReadOnly,
        [(V1_3, ONF, 42, "ONFOXM_ET_TCP_FLAGS", 2), (V1_5, OXM_OF, 42, "OXM_OF_TCP_FLAGS", 2), (V1_0, NXM_NX, 34, "NXM_NX_TCP_FLAGS", 2)];
    /// UDP source port.
    UdpSrc: "udp_src" "", 16, Decimal, Bits, Udp, ReadWrite,
        [(V1_2, OXM_OF, 15, "OXM_OF_UDP_SRC", 2), (V1_0, NXM_OF, 11, "NXM_OF_UDP_SRC", 2)];
    /// UDP destination port.
    UdpDst: "udp_dst" "", 16, Decimal, Bits, Udp, ReadWrite,
        [(V1_2, OXM_OF, 16, "OXM_OF_UDP_DST", 2), (V1_0, NXM_OF, 12, "NXM_OF_UDP_DST", 2)];
    /// SCTP source port.
    SctpSrc: "sctp_src" "", 16, Decimal, Bits, Sctp, ReadWrite, [(V1_2, OXM_OF, 17, "OXM_OF_SCTP_SRC", 2)];
    /// SCTP destination port.
    SctpDst: "sctp_dst" "", 16, Decimal, Bits, Sctp, ReadWrite, [(V1_2, OXM_OF, 18, "OXM_OF_SCTP_DST", 2)];
    /// ICMPv4 type.
    IcmpType: "icmp_type" "", 8, Decimal, Exact, Icmpv4, ReadWrite,
        [(V1_2, OXM_OF, 19, "OXM_OF_ICMPV4_TYPE", 1), (V1_0, NXM_OF, 13, "NXM_OF_ICMP_TYPE", 1)];
    /// ICMPv4 code.
    IcmpCode: "icmp_code" "", 8, Decimal, Exact, Icmpv4, ReadWrite,
        [(V1_2, OXM_OF, 20, "OXM_OF_ICMPV4_CODE", 1), (V1_0, NXM_OF, 14, "NXM_OF_ICMP_CODE", 1)];
    /// ICMPv6 type.
    Icmpv6Type: "icmpv6_type" "", 8, Decimal, Exact, Icmpv6, ReadWrite,
        [(V1_2, OXM_OF, 29, "OXM_OF_ICMPV6_TYPE", 1), (V1_0, NXM_NX, 21, "NXM_NX_ICMPV6_TYPE", 1)];
    /// ICMPv6 code.
    Icmpv6Code: "icmpv6_code" "", 8, Decimal, Exact, Icmpv6, ReadWrite,
        [(V1_2, OXM_OF, 30, "OXM_OF_ICMPV6_CODE", 1), (V1_0, NXM_NX, 22, "NXM_NX_ICMPV6_CODE", 1)];
    /// The address a neighbour solicitation or advertisement is about.
    NdTarget: "nd_target" "", 128, Ipv6, Bits, Nd, ReadWrite,
        [(V1_2, OXM_OF, 31, "OXM_OF_IPV6_ND_TARGET", 16), (V1_0, NXM_NX, 23, "NXM_NX_ND_TARGET", 16)];
    /// Source link-layer address option of a neighbour solicitation.
    NdSll: "nd_sll" "", 48, Ethernet, Bits, NdSolicit, ReadWrite,
        [(V1_2, OXM_OF, 32, "OXM_OF_IPV6_ND_SLL", 6), (V1_0, NXM_NX, 24, "NXM_NX_ND_SLL", 6)];
    /// Target link-layer address option of a neighbour advertisement.
    NdTll: "nd_tll" "", 48, Ethernet, Bits, NdAdvert, ReadWrite,
        [(V1_2, OXM_OF, 33, "OXM_OF_IPV6_ND_TLL", 6), (V1_0, NXM_NX, 25, "NXM_NX_ND_TLL", 6)];
    /// Reserved bits of neighbour discovery; among them the advertisement's flags.
    NdReserved: "nd_reserved" "", 32, Decimal, Exact, Nd, ReadWrite,
        [(V1_0, ERICSSON, 1, "ERICOXM_OF_ICMPV6_ND_RESERVED", 4)];
    /// Type of the first neighbour discovery option.
    NdOptionsType: "nd_options_type" "", 8, Decimal, Exact, Nd, ReadWrite,
        [(V1_0, ERICSSON, 2, "ERICOXM_OF_ICMPV6_ND_OPTIONS_TYPE", 1)];
    /// ARP operation.
    ArpOp: "arp_op" "", 16, Decimal, Exact, Arp, ReadWrite,
        [(V1_2, OXM_OF, 21, "OXM_OF_ARP_OP", 2), (V1_0, NXM_OF, 15, "NXM_OF_ARP_OP", 2)];
    /// ARP sender address.
    ArpSpa: "arp_spa" "", 32, Ipv4, Bits, Arp, ReadWrite,
        [(V1_2, OXM_OF, 22, "OXM_OF_ARP_SPA", 4), (V1_0, NXM_OF, 16, "NXM_OF_ARP_SPA", 4)];
    /// ARP target address.
    ArpTpa: "arp_tpa" "", 32, Ipv4, Bits, Arp, ReadWrite,
        [(V1_2, OXM_OF, 23, "OXM_OF_ARP_TPA", 4), (V1_0, NXM_OF, 17, "NXM_OF_ARP_TPA", 4)];
    /// ARP sender MAC.
    ArpSha: "arp_sha" "", 48, Ethernet, Bits, Arp, ReadWrite,
        [(V1_2, OXM_OF, 24, "OXM_OF_ARP_SHA", 6), (V1_0, NXM_NX, 17, "NXM_NX_ARP_SHA", 6)];
    /// ARP target MAC.
    ArpTha: "arp_tha" "", 48, Ethernet, Bits, Arp, ReadWrite,
        [(V1_2, OXM_OF, 25, "OXM_OF_ARP_THA", 6), (V1_0, NXM_NX, 18, "NXM_NX_ARP_THA", 6)];
    /// Tunnel key, such as a VXLAN network identifier.
    TunId: "tun_id" "tunnel_id", 64, Hexadecimal, Bits, Nothing, ReadWrite,
        [(V1_3, OXM_OF, 38, "OXM_OF_TUNNEL_ID", 8), (V1_0, NXM_NX, 16, "NXM_NX_TUN_ID", 8)];
    /// Tunnel flags; bit 0 is OAM.
    TunFlags: "tun_flags" "", 1, TunnelFlags, Bits, Nothing, ReadWrite, [(V1_0, NXM_NX, 104, "NXM_NX_TUN_FLAGS", 2)];
    /// Outer IPv4 source.
    TunSrc: "tun_src" "", 32, Ipv4, Bits, Nothing, ReadWrite, [(V1_0, NXM_NX, 31, "NXM_NX_TUN_IPV4_SRC", 4)];
    /// Outer IPv4 destination.
    TunDst: "tun_dst" "", 32, Ipv4, Bits, Nothing, ReadWrite, [(V1_0, NXM_NX, 32, "NXM_NX_TUN_IPV4_DST", 4)];
    /// Outer IPv6 source.
    TunIpv6Src: "tun_ipv6_src" "", 128, Ipv6, Bits, Nothing, ReadWrite, [(V1_0, NXM_NX, 109, "NXM_NX_TUN_IPV6_SRC", 16)];
    /// Outer IPv6 destination.
    TunIpv6Dst: "tun_ipv6_dst" "", 128, Ipv6, Bits, Nothing, ReadWrite, [(V1_0, NXM_NX, 110, "NXM_NX_TUN_IPV6_DST", 16)];
    /// VXLAN group policy id.
    TunGbpId: "tun_gbp_id" "", 16, Decimal, Bits, Nothing, ReadWrite, [(V1_0, NXM_NX, 38, "NXM_NX_TUN_GBP_ID", 2)];
    /// VXLAN group policy flags.
    TunGbpFlags: "tun_gbp_flags" "", 8, Hexadecimal, Bits, Nothing, ReadWrite,
        [(V1_0, NXM_NX, 39, "NXM_NX_TUN_GBP_FLAGS", 1)];
    /// ERSPAN version 1 index.
    TunErspanIdx: "tun_erspan_idx" "", 20, Hexadecimal, Bits, Nothing, ReadWrite,
        [(V1_0, NXOXM_ET, 11, "NXOXM_ET_ERSPAN_IDX", 4)];
    /// ERSPAN version.
    TunErspanVer: "tun_erspan_ver" "", 4, Decimal, Bits, Nothing, ReadWrite,
        [(V1_0, NXOXM_ET, 12, "NXOXM_ET_ERSPAN_VER", 1)];
    /// ERSPAN version 2 direction.
    TunErspanDir: "tun_erspan_dir" "", 1, Decimal, Bits, Nothing, ReadWrite,
        [(V1_0, NXOXM_ET, 13, "NXOXM_ET_ERSPAN_DIR", 1)];
    /// ERSPAN version 2 hardware id.
    TunErspanHwid: "tun_erspan_hwid" "", 6, Hexadecimal, Bits, Nothing, ReadWrite,
        [(V1_0, NXOXM_ET, 14, "NXOXM_ET_ERSPAN_HWID", 1)];
    /// GTP-U flags.
    TunGtpuFlags: "tun_gtpu_flags" "", 8, Hexadecimal, Bits, Nothing, ReadOnly,
        [(V1_0, NXOXM_ET, 15, "NXOXM_ET_GTPU_FLAGS", 1)];
    /// GTP-U message type.
    TunGtpuMsgtype: "tun_gtpu_msgtype" "", 8, Decimal, Bits, Nothing, ReadOnly,
        [(V1_0, NXOXM_ET, 16, "NXOXM_ET_GTPU_MSGTYPE", 1)];
    /// Service header flags.
    NshFlags: "nsh_flags" "", 8, Decimal, Bits, Nsh, ReadWrite, [(V1_0, NXOXM_NSH, 1, "NXOXM_NSH_FLAGS", 1)];
    /// Service header TTL.
    NshTtl: "nsh_ttl" "", 6, Decimal, Exact, Nsh, ReadWrite, [(V1_0, NXOXM_NSH, 10, "NXOXM_NSH_TTL", 1)];
    /// Service header metadata type.
    NshMdtype: "nsh_mdtype" "", 4, Decimal, Exact, Nsh, ReadOnly, [(V1_0, NXOXM_NSH, 2, "NXOXM_NSH_MDTYPE", 1)];
    /// Service header next protocol.
    NshNp: "nsh_np" "", 8, Decimal, Exact, Nsh, ReadOnly, [(V1_0, NXOXM_NSH, 3, "NXOXM_NSH_NP", 1)];
    /// Service path.
    NshSpi: "nsh_spi" "nsp", 24, Hexadecimal, Exact, Nsh, ReadWrite, [(V1_0, NXOXM_NSH, 4, "NXOXM_NSH_SPI", 4)];
    /// Service index.
    NshSi: "nsh_si" "nsi", 8, Decimal, Exact, Nsh, ReadWrite, [(V1_0, NXOXM_NSH, 5, "NXOXM_NSH_SI", 1)];
    /// Service header context 1.
    NshC1: "nsh_c1" "nshc1", 32, Hexadecimal, Bits, Nsh, ReadWrite, [(V1_0, NXOXM_NSH, 6, "NXOXM_NSH_C1", 4)];
    /// Service header context 2.
    NshC2: "nsh_c2" "nshc2", 32, Hexadecimal, Bits, Nsh, ReadWrite, [(V1_0, NXOXM_NSH, 7, "NXOXM_NSH_C2", 4)];
    /// Service header context 3.
    NshC3: "nsh_c3" "nshc3", 32, Hexadecimal, Bits, Nsh, ReadWrite, [(V1_0, NXOXM_NSH, 8, "NXOXM_NSH_C3", 4)];
    /// Service header context 4.
    NshC4: "nsh_c4" "nshc4", 32, Hexadecimal, Bits, Nsh, ReadWrite, [(V1_0, NXOXM_NSH, 9, "NXOXM_NSH_C4", 4)];
    /// Register 0.
    Reg0: "reg0" "", 32, Hexadecimal, Bits, Nothing, ReadWrite, [(V1_0, NXM_NX, 0, "NXM_NX_REG0", 4)];
    /// Register 1.
    Reg1: "reg1" "", 32, Hexadecimal, Bits, Nothing, ReadWrite, [(V1_0, NXM_NX, 1, "NXM_NX_REG1", 4)];
    /// Register 2.
    Reg2: "reg2" "", 32, Hexadecimal, Bits, Nothing, ReadWrite, [(V1_0, NXM_NX, 2, "NXM_NX_REG2", 4)];
    /// Register 3.
    Reg3: "reg3" "", 32, Hexadecimal, Bits, Nothing, ReadWrite, [(V1_0, NXM_NX, 3, "NXM_NX_REG3", 4)];
    /// Register 4.
    Reg4: "reg4" "", 32, Hexadecimal, Bits, Nothing, ReadWrite, [(V1_0, NXM_NX, 4, "NXM_NX_REG4", 4)];
    /// Register 5.
    Reg5: "reg5" "", 32, Hexadecimal, Bits, Nothing, ReadWrite, [(V1_0, NXM_NX, 5, "NXM_NX_REG5", 4)];
    /// Register 6.
    Reg6: "reg6" "", 32, Hexadecimal, Bits, Nothing, ReadWrite, [(V1_0, NXM_NX, 6, "NXM_NX_REG6", 4)];
    /// Register 7.
    Reg7: "reg7" "", 32, Hexadecimal, Bits, Nothing, ReadWrite, [(V1_0, NXM_NX, 7, "NXM_NX_REG7", 4)];
    /// Register 8.
    Reg8: "reg8" "", 32, Hexadecimal, Bits, Nothing, ReadWrite, [(V1_0, NXM_NX, 8, "NXM_NX_REG8", 4)];
    /// Register 9.
    Reg9: "reg9" "", 32, Hexadecimal, Bits, Nothing, ReadWrite, [(V1_0, NXM_NX, 9, "NXM_NX_REG9", 4)];
    /// Register 10.
    Reg10: "reg10" "", 32, Hexadecimal, Bits, Nothing, ReadWrite, [(V1_0, NXM_NX, 10, "NXM_NX_REG10", 4)];
    /// Register 11.
    Reg11: "reg11" "", 32, Hexadecimal, Bits, Nothing, ReadWrite, [(V1_0, NXM_NX, 11, "NXM_NX_REG11", 4)];
    /// Register 12.
    Reg12: "reg12" "", 32, Hexadecimal, Bits, Nothing, ReadWrite, [(V1_0, NXM_NX, 12, "NXM_NX_REG12", 4)];
    /// Register 13.
    Reg13: "reg13" "", 32, Hexadecimal, Bits, Nothing, ReadWrite, [(V1_0, NXM_NX, 13, "NXM_NX_REG13", 4)];
    /// Register 14.
    Reg14: "reg14" "", 32, Hexadecimal, Bits, Nothing, ReadWrite, [(V1_0, NXM_NX, 14, "NXM_NX_REG14", 4)];
    /// Register 15.
    Reg15: "reg15" "", 32, Hexadecimal, Bits, Nothing, ReadWrite, [(V1_0, NXM_NX, 15, "NXM_NX_REG15", 4)];
    /// Registers 0 (high) and 1 as one.
    XReg0: "xreg0" "", 64, Hexadecimal, Bits, Nothing, ReadWrite, [(V1_3, PKT_REG, 0, "OXM_OF_PKT_REG0", 8)];
    /// Registers 2 (high) and 3 as one.
    XReg1: "xreg1" "", 64, Hexadecimal, Bits, Nothing, ReadWrite, [(V1_3, PKT_REG, 1, "OXM_OF_PKT_REG1", 8)];
    /// Registers 4 (high) and 5 as one.
    XReg2: "xreg2" "", 64, Hexadecimal, Bits, Nothing, ReadWrite, [(V1_3, PKT_REG, 2, "OXM_OF_PKT_REG2", 8)];
    /// Registers 6 (high) and 7 as one.
    XReg3: "xreg3" "", 64, Hexadecimal, Bits, Nothing, ReadWrite, [(V1_3, PKT_REG, 3, "OXM_OF_PKT_REG3", 8)];
    /// Registers 8 (high) and 9 as one.
    XReg4: "xreg4" "", 64, Hexadecimal, Bits, Nothing, ReadWrite, [(V1_3, PKT_REG, 4, "OXM_OF_PKT_REG4", 8)];
    /// Registers 10 (high) and 11 as one.
    XReg5: "xreg5" "", 64, Hexadecimal, Bits, Nothing, ReadWrite, [(V1_3, PKT_REG, 5, "OXM_OF_PKT_REG5", 8)];
    /// Registers 12 (high) and 13 as one.
    XReg6: "xreg6" "", 64, Hexadecimal, Bits, Nothing, ReadWrite, [(V1_3, PKT_REG, 6, "OXM_OF_PKT_REG6", 8)];
    /// Registers 14 (high) and 15 as one.
    XReg7: "xreg7" "", 64, Hexadecimal, Bits, Nothing, ReadWrite, [(V1_3, PKT_REG, 7, "OXM_OF_PKT_REG7", 8)];
    /// Registers 0 (high) to 3 as one.
    XXReg0: "xxreg0" "", 128, Hexadecimal, Bits, Nothing, ReadWrite, [(V1_0, NXM_NX, 111, "NXM_NX_XXREG0", 16)];
    /// Registers 4 (high) to 7 as one.
    XXReg1: "xxreg1" "", 128, Hexadecimal, Bits, Nothing, ReadWrite, [(V1_0, NXM_NX, 112, "NXM_NX_XXREG1", 16)];
    /// Registers 8 (high) to 11 as one.
    XXReg2: "xxreg2" "", 128, Hexadecimal, Bits, Nothing, ReadWrite, [(V1_0, NXM_NX, 113, "NXM_NX_XXREG2", 16)];
    /// Registers 12 (high) to 15 as one.
    XXReg3: "xxreg3" "", 128, Hexadecimal, Bits, Nothing, ReadWrite, [(V1_0, NXM_NX, 114, "NXM_NX_XXREG3", 16)];
    /// The packet mark of the host's kernel.
    PktMark: "pkt_mark" "", 32, Hexadecimal, Bits, Nothing, ReadWrite, [(V1_0, NXM_NX, 33, "NXM_NX_PKT_MARK", 4)];
    /// Connection tracking state; see [`ct_state`](crate::field::ct_state).
    CtState: "ct_state" "", 32, CtState, Bits, Nothing, ReadOnly, [(V1_0, NXM_NX, 105, "NXM_NX_CT_STATE", 4)];
    /// Zone of the last `ct`.
    CtZone: "ct_zone" "", 16, Hexadecimal, Exact, Nothing, ReadOnly, [(V1_0, NXM_NX, 106, "NXM_NX_CT_ZONE", 2)];
    /// Mark of the connection.
    CtMark: "ct_mark" "", 32, Hexadecimal, Bits, Nothing, ReadWrite, [(V1_0, NXM_NX, 107, "NXM_NX_CT_MARK", 4)];
    /// Label of the connection.
    CtLabel: "ct_label" "", 128, Hexadecimal, Bits, Nothing, ReadWrite, [(V1_0, NXM_NX, 108, "NXM_NX_CT_LABEL", 16)];
    /// IPv4 source of the connection's first packet.
    CtNwSrc: "ct_nw_src" "", 32, Ipv4, Bits, Ct, ReadOnly, [(V1_0, NXM_NX, 120, "NXM_NX_CT_NW_SRC", 4)];
    /// IPv6 source of the connection's first packet.
    CtIpv6Src: "ct_ipv6_src" "", 128, Ipv6, Bits, Ct, ReadOnly, [(V1_0, NXM_NX, 122, "NXM_NX_CT_IPV6_SRC", 16)];
    /// IPv4 destination of the connection's first packet.
    CtNwDst: "ct_nw_dst" "", 32, Ipv4, Bits, Ct, ReadOnly, [(V1_0, NXM_NX, 121, "NXM_NX_CT_NW_DST", 4)];
    /// IPv6 destination of the connection's first packet.
    CtIpv6Dst: "ct_ipv6_dst" "", 128, Ipv6, Bits, Ct, ReadOnly, [(V1_0, NXM_NX, 123, "NXM_NX_CT_IPV6_DST", 16)];
    /// IP protocol of the connection's first packet.
    CtNwProto: "ct_nw_proto" "", 8, Decimal, Exact, Ct, ReadOnly, [(V1_0, NXM_NX, 119, "NXM_NX_CT_NW_PROTO", 1)];
    /// Source port of the connection's first packet.
    CtTpSrc: "ct_tp_src" "", 16, Decimal, Bits, Ct, ReadOnly, [(V1_0, NXM_NX, 124, "NXM_NX_CT_TP_SRC", 2)];
    /// Destination port of the connection's first packet.
    CtTpDst: "ct_tp_dst" "", 16, Decimal, Bits, Ct, ReadOnly, [(V1_0, NXM_NX, 125, "NXM_NX_CT_TP_DST", 2)];
    /// What tables hand on to later tables.
    Metadata: "metadata" "", 64, Hexadecimal, Bits, Nothing, ReadWrite, [(V1_2, OXM_OF, 2, "OXM_OF_METADATA", 8)];
    /// A flow's cookie; only in Nicira's match of requests.
    Cookie: "cookie" "", 64, Hexadecimal, Bits, Nothing, ReadOnly, [(V1_0, NXM_NX, 30, "NXM_NX_COOKIE", 8)];
}
