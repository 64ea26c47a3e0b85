//! IP packets and what they carry: headers, extension headers, TCP, UDP, SCTP, ICMP. Leaves ND and
//! MLD to `discovery`, DHCP to `configuration`, splitting to `fragment`.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::BitOr;

use super::checksum;
use super::{FrameBuilder, length_field};
use crate::protocol::{ether_type, ip_protocol};

/// TCP's flags, byte 13 of its header.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct TcpFlags(pub u8);

impl TcpFlags {
    /// Sender is done.
    pub const FIN: Self = Self(1);
    /// Begins a connection.
    pub const SYN: Self = Self(2);
    /// Ends a connection at once.
    pub const RST: Self = Self(4);
    /// Push.
    pub const PSH: Self = Self(8);
    /// Acknowledges.
    pub const ACK: Self = Self(16);
    /// Urgent pointer counts.
    pub const URG: Self = Self(32);
    /// ECN echo.
    pub const ECE: Self = Self(64);
    /// Congestion window reduced.
    pub const CWR: Self = Self(128);

    /// Each flag and its name.
    pub const NAMES: [(&'static str, Self); 8] = [
        ("fin", Self::FIN),
        ("syn", Self::SYN),
        ("rst", Self::RST),
        ("psh", Self::PSH),
        ("ack", Self::ACK),
        ("urg", Self::URG),
        ("ece", Self::ECE),
        ("cwr", Self::CWR),
    ];
}

impl BitOr for TcpFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// `syn,ack`; `none` where no flag is set.
impl fmt::Display for TcpFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = Self::NAMES
            .into_iter()
            .filter(|(_, flag)| self.0 & flag.0 != 0)
            .map(|(name, _)| name)
            .collect();
        f.write_str(if names.is_empty() { "none" } else { "" })?;
        f.write_str(&names.join(","))
    }
}

impl fmt::Debug for TcpFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An IPv6 extension header: its number, and its bytes after the next header field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension {
    number: u8,
    after_next_header: Vec<u8>,
}

impl Extension {
    /// Any number and bytes, however wrong.
    pub fn raw(number: u8, after_next_header: Vec<u8>) -> Self {
        Self {
            number,
            after_next_header,
        }
    }

    /// Hop-by-hop options, padding only.
    pub fn hop_by_hop() -> Self {
        Self::raw(ip_protocol::HOP_BY_HOP, vec![0, 1, 4, 0, 0, 0, 0])
    }

    /// Hop-by-hop options with a router alert for MLD (RFC 2711).
    pub fn router_alert() -> Self {
        Self::raw(ip_protocol::HOP_BY_HOP, vec![0, 5, 2, 0, 0, 1, 0])
    }

    /// Destination options, padding only.
    pub fn destination_options() -> Self {
        Self::raw(ip_protocol::DESTINATION_OPTIONS, vec![0, 1, 4, 0, 0, 0, 0])
    }

    /// A routing header of a type, with its addresses (at most 127).
    pub fn routing(kind: u8, segments_left: u8, addresses: &[Ipv6Addr]) -> Self {
        let addresses = addresses
            .get(..addresses.len().min(127))
            .unwrap_or_default();
        let length = u8::try_from(addresses.len() * 2).unwrap_or(u8::MAX);
        let mut bytes = vec![length, kind, segments_left, 0, 0, 0, 0];
        bytes.extend(addresses.iter().flat_map(|address| address.octets()));
        Self::raw(ip_protocol::ROUTING, bytes)
    }

    /// A fragment header; `offset` in units of 8 bytes.
    pub fn fragment(offset: u16, more: bool, identification: u32) -> Self {
        let mut bytes = vec![0];
        bytes.extend(((offset << 3) | u16::from(more)).to_be_bytes());
        bytes.extend(identification.to_be_bytes());
        Self::raw(ip_protocol::FRAGMENT, bytes)
    }

    /// An authentication header of 24 bytes with zeros for proof.
    pub fn authentication() -> Self {
        let mut bytes = vec![4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1];
        bytes.resize(23, 0);
        Self::raw(ip_protocol::AUTHENTICATION, bytes)
    }
}

#[derive(Debug, Clone)]
enum Header {
    V4 {
        source: Ipv4Addr,
        destination: Ipv4Addr,
        options: Vec<u8>,
    },
    V6 {
        source: Ipv6Addr,
        destination: Ipv6Addr,
        extensions: Vec<Extension>,
    },
}

/// Where in the transport header its checksum stands, and how it is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sum {
    None,
    /// Over the payload alone.
    Plain(usize),
    /// Over a pseudo header too.
    Pseudo(usize),
    Crc32c,
}

/// Makes one IP packet in a frame.
#[derive(Debug, Clone)]
pub struct PacketBuilder {
    frame: FrameBuilder,
    header: Header,
    protocol: u8,
    dscp: u8,
    flow_label: u32,
    hop_limit: u8,
    identification: u16,
    fragment: Option<(u16, bool)>,
    transport: Vec<u8>,
    sum: Sum,
    payload: Vec<u8>,
}

impl PacketBuilder {
    pub(super) fn ipv4(frame: FrameBuilder, source: Ipv4Addr, destination: Ipv4Addr) -> Self {
        let options = Vec::new();
        Self::new(
            frame,
            Header::V4 {
                source,
                destination,
                options,
            },
        )
    }

    pub(super) fn ipv6(frame: FrameBuilder, source: Ipv6Addr, destination: Ipv6Addr) -> Self {
        let extensions = Vec::new();
        Self::new(
            frame,
            Header::V6 {
                source,
                destination,
                extensions,
            },
        )
    }

    fn new(frame: FrameBuilder, header: Header) -> Self {
        Self {
            frame,
            header,
            protocol: ip_protocol::NO_NEXT_HEADER,
            dscp: 0,
            flow_label: 0,
            hop_limit: 64,
            identification: 1,
            fragment: None,
            transport: Vec::new(),
            sum: Sum::None,
            payload: Vec::new(),
        }
    }

    /// Differentiated services code point, 0 to 63.
    pub fn dscp(mut self, dscp: u8) -> Self {
        self.dscp = dscp & 0x3f;
        self
    }

    /// Flow label, 20 bits; nothing for IPv4.
    pub fn flow_label(mut self, flow_label: u32) -> Self {
        self.flow_label = flow_label & 0x000f_ffff;
        self
    }

    /// Hop limit, or time to live; 64 unless said.
    pub fn hop_limit(mut self, hop_limit: u8) -> Self {
        self.hop_limit = hop_limit;
        self
    }

    /// Identification that fragments of one packet share.
    pub fn identification(mut self, identification: u16) -> Self {
        self.identification = identification;
        self
    }

    /// Marks the packet as one fragment; `offset` in units of 8 bytes. The transport header is
    /// written all the same, so that a reader who takes it for one in a later fragment is found out.
    pub fn fragment(mut self, offset: u16, more: bool) -> Self {
        self.fragment = Some((offset & 0x1fff, more));
        self
    }

    /// IPv4 options, padded to words, at most 40 bytes; nothing for IPv6.
    pub fn options(mut self, bytes: &[u8]) -> Self {
        if let Header::V4 { options, .. } = &mut self.header {
            *options = bytes
                .get(..bytes.len().min(40))
                .unwrap_or_default()
                .to_vec();
            options.resize(options.len().next_multiple_of(4), 0);
        }
        self
    }

    /// Adds an extension header after those added before; nothing for IPv4.
    pub fn extension(mut self, extension: Extension) -> Self {
        if let Header::V6 { extensions, .. } = &mut self.header {
            extensions.push(extension);
        }
        self
    }

    /// A TCP header.
    pub fn tcp(self, source: u16, destination: u16, flags: TcpFlags) -> Self {
        let mut header = ports(source, destination);
        header.extend([
            0, 0, 0, 1, 0, 0, 0, 0, 0x50, flags.0, 0xff, 0xff, 0, 0, 0, 0,
        ]);
        self.transport(ip_protocol::TCP, header, Sum::Pseudo(16))
    }

    /// A UDP header.
    pub fn udp(self, source: u16, destination: u16) -> Self {
        let mut header = ports(source, destination);
        header.extend([0; 4]);
        self.transport(ip_protocol::UDP, header, Sum::Pseudo(6))
    }

    /// A UDP-Lite header that covers the whole packet.
    pub fn udp_lite(self, source: u16, destination: u16) -> Self {
        let mut header = ports(source, destination);
        header.extend([0; 4]);
        self.transport(ip_protocol::UDP_LITE, header, Sum::Pseudo(6))
    }

    /// An SCTP common header and an INIT chunk.
    pub fn sctp(self, source: u16, destination: u16) -> Self {
        let mut header = ports(source, destination);
        header.extend([0; 8]);
        header.extend([1, 0, 0, 20, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1]);
        self.transport(ip_protocol::SCTP, header, Sum::Crc32c)
    }

    /// A DCCP request header.
    pub fn dccp(self, source: u16, destination: u16) -> Self {
        let mut header = ports(source, destination);
        header.extend([5, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]);
        self.transport(ip_protocol::DCCP, header, Sum::Pseudo(6))
    }

    /// An ICMP header (of the packet's own IP version) with its second word.
    pub fn icmp(self, kind: u8, code: u8, second_word: [u8; 4]) -> Self {
        let (protocol, sum) = match self.header {
            Header::V4 { .. } => (ip_protocol::ICMP, Sum::Plain(2)),
            Header::V6 { .. } => (ip_protocol::ICMPV6, Sum::Pseudo(2)),
        };
        let mut header = vec![kind, code, 0, 0];
        header.extend(second_word);
        self.transport(protocol, header, sum)
    }

    /// An ICMP error (of the packet's own IP version) about a packet, given from its IP header on;
    /// it quotes as much as fits in 576 bytes, 1280 for IPv6.
    pub fn icmp_error(self, kind: u8, code: u8, original: &[u8]) -> Self {
        let room = match self.header {
            Header::V4 { .. } => 576 - 28,
            Header::V6 { .. } => 1280 - 48,
        };
        let quoted = original.get(..original.len().min(room)).unwrap_or_default();
        self.icmp(kind, code, [0; 4]).payload(quoted)
    }

    /// Any protocol number, with the payload directly behind the IP header.
    pub fn protocol(self, protocol: u8) -> Self {
        self.transport(protocol, Vec::new(), Sum::None)
    }

    /// What follows the transport header.
    pub fn payload(mut self, payload: impl AsRef<[u8]>) -> Self {
        self.payload = payload.as_ref().to_vec();
        self
    }

    /// The frame.
    pub fn build(self) -> Vec<u8> {
        let body = self.body();
        let (ether_type, packet) = match &self.header {
            Header::V4 {
                source,
                destination,
                options,
            } => (
                ether_type::IPV4,
                self.ipv4_packet(*source, *destination, options, &body),
            ),
            Header::V6 {
                source,
                destination,
                extensions,
            } => (
                ether_type::IPV6,
                self.ipv6_packet(*source, *destination, extensions, &body),
            ),
        };
        self.frame.ether(ether_type, &packet)
    }

    /// The frame this packet goes into.
    pub(super) fn frame(&self) -> &FrameBuilder {
        &self.frame
    }

    fn transport(mut self, protocol: u8, header: Vec<u8>, sum: Sum) -> Self {
        self.protocol = protocol;
        self.transport = header;
        self.sum = sum;
        self
    }

    /// Transport header and payload, lengths and checksum filled in.
    fn body(&self) -> Vec<u8> {
        let mut body = self.transport.clone();
        body.extend(&self.payload);
        if matches!(self.protocol, ip_protocol::UDP | ip_protocol::UDP_LITE)
            && self.sum != Sum::None
        {
            let length = length_field(body.len());
            put(&mut body, 4, &length.to_be_bytes());
        }
        match self.sum {
            Sum::None => {}
            Sum::Plain(offset) => {
                let sum = checksum::internet(&[&body]);
                put(&mut body, offset, &sum.to_be_bytes());
            }
            Sum::Pseudo(offset) => {
                let sum = checksum::internet(&[&self.pseudo_header(body.len()), &body]);
                // Zero means "no checksum" to UDP, which sends all ones in its place.
                let sum = if sum == 0 && self.protocol == ip_protocol::UDP {
                    0xffff
                } else {
                    sum
                };
                put(&mut body, offset, &sum.to_be_bytes());
            }
            Sum::Crc32c => {
                let sum = checksum::crc32c(&body);
                put(&mut body, 8, &sum.to_le_bytes());
            }
        }
        body
    }

    fn pseudo_header(&self, length: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(40);
        match &self.header {
            Header::V4 {
                source,
                destination,
                ..
            } => {
                bytes.extend(source.octets());
                bytes.extend(destination.octets());
                bytes.extend([0, self.protocol]);
                bytes.extend(length_field(length).to_be_bytes());
            }
            Header::V6 {
                source,
                destination,
                ..
            } => {
                bytes.extend(source.octets());
                bytes.extend(destination.octets());
                bytes.extend(u32::from(length_field(length)).to_be_bytes());
                bytes.extend([0, 0, 0, self.protocol]);
            }
        }
        bytes
    }

    fn ipv4_packet(
        &self,
        source: Ipv4Addr,
        destination: Ipv4Addr,
        options: &[u8],
        body: &[u8],
    ) -> Vec<u8> {
        let header_length = 20 + options.len();
        let (offset, more) = self.fragment.unwrap_or_default();
        let mut packet = vec![0x40 | ((header_length / 4) as u8 & 0x0f), self.dscp << 2];
        packet.extend(length_field(header_length + body.len()).to_be_bytes());
        packet.extend(self.identification.to_be_bytes());
        packet.extend((offset | (u16::from(more) << 13)).to_be_bytes());
        packet.extend([self.hop_limit, self.protocol, 0, 0]);
        packet.extend(source.octets());
        packet.extend(destination.octets());
        packet.extend(options);
        let sum = checksum::internet(&[&packet]);
        put(&mut packet, 10, &sum.to_be_bytes());
        packet.extend(body);
        packet
    }

    fn ipv6_packet(
        &self,
        source: Ipv6Addr,
        destination: Ipv6Addr,
        extensions: &[Extension],
        body: &[u8],
    ) -> Vec<u8> {
        let mut extensions = extensions.to_vec();
        if let Some((offset, more)) = self.fragment {
            extensions.push(Extension::fragment(
                offset,
                more,
                self.identification.into(),
            ));
        }
        let mut rest = body.to_vec();
        let mut next_header = self.protocol;
        for extension in extensions.iter().rev() {
            let mut bytes = vec![next_header];
            bytes.extend(&extension.after_next_header);
            bytes.append(&mut rest);
            rest = bytes;
            next_header = extension.number;
        }
        let first = 0x6000_0000 | (u32::from(self.dscp) << 22) | self.flow_label;
        let mut packet = first.to_be_bytes().to_vec();
        packet.extend(length_field(rest.len()).to_be_bytes());
        packet.extend([next_header, self.hop_limit]);
        packet.extend(source.octets());
        packet.extend(destination.octets());
        packet.extend(rest);
        packet
    }
}

fn ports(source: u16, destination: u16) -> Vec<u8> {
    let mut bytes = source.to_be_bytes().to_vec();
    bytes.extend(destination.to_be_bytes());
    bytes
}

/// Overwrites bytes; what is beyond the end is left out.
pub(super) fn put(bytes: &mut [u8], offset: usize, value: &[u8]) {
    if let Some(place) = bytes.get_mut(offset..offset + value.len()) {
        place.copy_from_slice(value);
    }
}

/// Sums an IPv4 header anew, after one of its fields changed.
pub(super) fn renew_ipv4_checksum(header: &mut [u8]) {
    put(header, 10, &[0, 0]);
    let sum = checksum::internet(&[header]);
    put(header, 10, &sum.to_be_bytes());
}
