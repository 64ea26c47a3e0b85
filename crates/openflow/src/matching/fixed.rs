//! The matches of fixed form: 40 bytes in OpenFlow 1.0, 88 in 1.1. A field that they lack is refused when written.
//! When read, a field whose prerequisite the match does not ask for is passed over, as switches do.

use super::Match;
use super::oxm::vlan_tci;
use crate::field::{Field, FieldMatch};
use crate::port_number::PortNumber;
use crate::version::Version;
use crate::wire::{DecodeError, EncodeError, Reader, Writer};

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const ARP: u16 = 0x0806;
const RARP: u16 = 0x8035;
const MPLS: [u16; 2] = [0x8847, 0x8848];

/// `dl_vlan`: packets without a tag.
const VLAN_NONE: u16 = 0xffff;
/// `dl_vlan` in 1.1: packets with any tag.
const VLAN_ANY: u16 = 0xfffe;
const LENGTH_1_1: u16 = 88;

/// The fields both forms have, in plain numbers; `None` is "any".
#[derive(Default)]
struct Plain {
    in_port: Option<PortNumber>,
    eth_src: (u64, u64),
    eth_dst: (u64, u64),
    vlan: Option<u16>,
    vlan_pcp: Option<u8>,
    eth_type: Option<u16>,
    dscp: Option<u8>,
    protocol: Option<u8>,
    source: (u32, u32),
    destination: (u32, u32),
    source_port: Option<u16>,
    destination_port: Option<u16>,
    mpls_label: Option<u32>,
    mpls_tc: Option<u8>,
    metadata: (u64, u64),
}

const ETH_MASK: u64 = 0xffff_ffff_ffff;

/// What the fixed forms hold in `tp_src` and `tp_dst`, by IP protocol.
fn port_fields(eth_type: Option<u16>, protocol: Option<u8>) -> Option<(Field, Field)> {
    match (eth_type?, protocol?) {
        (IPV4 | IPV6, 6) => Some((Field::TcpSrc, Field::TcpDst)),
        (IPV4 | IPV6, 17) => Some((Field::UdpSrc, Field::UdpDst)),
        (IPV4 | IPV6, 132) => Some((Field::SctpSrc, Field::SctpDst)),
        (IPV4, 1) => Some((Field::IcmpType, Field::IcmpCode)),
        (IPV6, 58) => Some((Field::Icmpv6Type, Field::Icmpv6Code)),
        _ => None,
    }
}

impl Plain {
    fn of(wanted: &Match, version: Version) -> Result<Self, EncodeError> {
        if wanted.opaque().next().is_some() {
            return Err(EncodeError::NotInVersion {
                what: "an unknown match field",
                version,
            });
        }
        let mut plain = Self::default();
        for known in wanted.fields() {
            plain.take(known, version)?;
        }
        plain.take_vlan(wanted, version)?;
        if let Some(address_family) = wanted
            .fields()
            .find(|known| !plain.reads_back(known.field()))
        {
            let what = address_family.field().name();
            return Err(EncodeError::Unencodable {
                what,
                reason: "said without the ethertype and protocol it needs",
            });
        }
        Ok(plain)
    }

    fn take(&mut self, known: &FieldMatch, version: Version) -> Result<(), EncodeError> {
        let field = known.field();
        let (what, value, mask) = (field.name(), known.value(), known.mask());
        if !known.fits() {
            return Err(EncodeError::Unencodable {
                what,
                reason: "wider than the field",
            });
        }
        let exact = || {
            let reason = "matched on some of its bits in a match of fixed form";
            if known.is_exact() {
                Ok(())
            } else {
                Err(EncodeError::Unencodable { what, reason })
            }
        };
        match field {
            Field::EthSrc => self.eth_src = (value as u64, mask as u64),
            Field::EthDst => self.eth_dst = (value as u64, mask as u64),
            Field::Ipv4Src | Field::ArpSpa => self.source = (value as u32, mask as u32),
            Field::Ipv4Dst | Field::ArpTpa => self.destination = (value as u32, mask as u32),
            Field::Metadata if version == Version::V1_1 => {
                self.metadata = (value as u64, mask as u64)
            }
            Field::VlanVid | Field::VlanPcp | Field::VlanTci => {}
            _ => exact()?,
        }
        match field {
            Field::InPort => self.in_port = Some(PortNumber(value as u32)),
            Field::EthType => self.eth_type = Some(value as u16),
            Field::IpDscp => self.dscp = Some((value as u8) << 2),
            Field::IpProto => self.protocol = Some(value as u8),
            Field::ArpOp => {
                let reason = "over 255 in a match of fixed form";
                self.protocol = Some(
                    u8::try_from(value).map_err(|_| EncodeError::Unencodable { what, reason })?,
                );
            }
            Field::TcpSrc
            | Field::UdpSrc
            | Field::SctpSrc
            | Field::IcmpType
            | Field::Icmpv6Type => {
                self.source_port = Some(value as u16);
            }
            Field::TcpDst
            | Field::UdpDst
            | Field::SctpDst
            | Field::IcmpCode
            | Field::Icmpv6Code => {
                self.destination_port = Some(value as u16);
            }
            Field::MplsLabel if version == Version::V1_1 => self.mpls_label = Some(value as u32),
            Field::MplsTc if version == Version::V1_1 => self.mpls_tc = Some(value as u8),
            Field::EthSrc
            | Field::EthDst
            | Field::Ipv4Src
            | Field::Ipv4Dst
            | Field::ArpSpa
            | Field::ArpTpa => {}
            Field::VlanVid | Field::VlanPcp | Field::VlanTci => {}
            Field::Metadata if version == Version::V1_1 => {}
            _ => return Err(EncodeError::NotInVersion { what, version }),
        }
        Ok(())
    }

    fn take_vlan(&mut self, wanted: &Match, version: Version) -> Result<(), EncodeError> {
        let (value, mask) = vlan_tci(wanted);
        if mask == 0 {
            return Ok(());
        }
        let reason = "matched on these bits in a match of fixed form";
        let refused = Err(EncodeError::Unencodable {
            what: "the VLAN tag",
            reason,
        });
        if mask & 0x1000 == 0 || !matches!(mask >> 13, 0 | 7) || !matches!(mask & 0xfff, 0 | 0xfff)
        {
            return refused;
        }
        if value & 0x1000 == 0 {
            self.vlan = Some(VLAN_NONE);
            return if value == 0 { Ok(()) } else { refused };
        }
        self.vlan_pcp = (mask >> 13 == 7).then_some((value >> 13) as u8);
        self.vlan = match (mask & 0xfff, version) {
            (0xfff, _) => Some(value & 0xfff),
            (_, Version::V1_0) if self.vlan_pcp.is_some() => None,
            (_, Version::V1_0) => return refused,
            _ => Some(VLAN_ANY),
        };
        Ok(())
    }

    /// Whether a switch reads `field` out of the form again: it passes over one whose prerequisite is not there.
    fn reads_back(&self, field: Field) -> bool {
        let ports = port_fields(self.eth_type, self.protocol);
        match field {
            Field::Ipv4Src | Field::Ipv4Dst => self.eth_type == Some(IPV4),
            Field::ArpSpa | Field::ArpTpa | Field::ArpOp => {
                matches!(self.eth_type, Some(ARP | RARP))
            }
            Field::IpProto | Field::IpDscp => matches!(self.eth_type, Some(IPV4 | IPV6)),
            Field::MplsLabel | Field::MplsTc => self
                .eth_type
                .is_some_and(|eth_type| MPLS.contains(&eth_type)),
            Field::TcpSrc
            | Field::UdpSrc
            | Field::SctpSrc
            | Field::IcmpType
            | Field::Icmpv6Type => ports.is_some_and(|(source, _)| source == field),
            Field::TcpDst
            | Field::UdpDst
            | Field::SctpDst
            | Field::IcmpCode
            | Field::Icmpv6Code => ports.is_some_and(|(_, destination)| destination == field),
            _ => true,
        }
    }

    fn into_match(self, version: Version) -> Result<Match, DecodeError> {
        let mut read = Match::with_capacity(12);
        let mut set = |field: Field, value: Option<u128>| {
            if let Some(value) = value {
                let wanted = FieldMatch::exact(field, value);
                if !wanted.fits() {
                    return Err(DecodeError::ValueTooWide {
                        field: field.name(),
                    });
                }
                read.set(wanted);
            }
            Ok(())
        };
        let (eth_type, protocol) = (self.eth_type, self.protocol);
        let ip = matches!(eth_type, Some(IPV4))
            || (matches!(eth_type, Some(IPV6)) && version == Version::V1_0);
        let arp = matches!(eth_type, Some(ARP | RARP));
        let mpls = eth_type.is_some_and(|eth_type| MPLS.contains(&eth_type));
        set(Field::InPort, self.in_port.map(u128::from))?;
        set(Field::EthType, eth_type.map(u128::from))?;
        set(Field::IpProto, protocol.filter(|_| ip).map(u128::from))?;
        set(Field::ArpOp, protocol.filter(|_| arp).map(u128::from))?;
        set(
            Field::IpDscp,
            self.dscp.filter(|_| ip).map(|tos| u128::from(tos >> 2)),
        )?;
        if let Some((source, destination)) = port_fields(eth_type, protocol).filter(|_| ip) {
            set(source, self.source_port.map(u128::from))?;
            set(destination, self.destination_port.map(u128::from))?;
        }
        set(
            Field::MplsLabel,
            self.mpls_label.filter(|_| mpls).map(u128::from),
        )?;
        set(Field::MplsTc, self.mpls_tc.filter(|_| mpls).map(u128::from))?;
        match (self.vlan, self.vlan_pcp) {
            (Some(VLAN_NONE), _) => set(Field::VlanVid, Some(0))?,
            (Some(VLAN_ANY), pcp) if version == Version::V1_1 => {
                set(Field::VlanPcp, pcp.map(u128::from))?;
                read.set(FieldMatch::masked(Field::VlanVid, 0x1000, 0x1000));
            }
            (Some(id), pcp) if id < 0x1000 => {
                set(Field::VlanVid, Some(u128::from(id | 0x1000)))?;
                set(Field::VlanPcp, pcp.map(u128::from))?;
            }
            (Some(id), _) => {
                return Err(DecodeError::BadValue {
                    what: "dl_vlan",
                    value: id.into(),
                });
            }
            (None, Some(pcp)) if version == Version::V1_0 => {
                set(Field::VlanPcp, Some(u128::from(pcp)))?;
                read.set(FieldMatch::masked(Field::VlanVid, 0x1000, 0x1000));
            }
            (None, _) => {}
        }
        read.set(FieldMatch::masked(
            Field::EthSrc,
            self.eth_src.0,
            self.eth_src.1,
        ));
        read.set(FieldMatch::masked(
            Field::EthDst,
            self.eth_dst.0,
            self.eth_dst.1,
        ));
        read.set(FieldMatch::masked(
            Field::Metadata,
            self.metadata.0,
            self.metadata.1,
        ));
        let addresses = match eth_type {
            Some(IPV4) => Some((Field::Ipv4Src, Field::Ipv4Dst)),
            _ if arp => Some((Field::ArpSpa, Field::ArpTpa)),
            _ => None,
        };
        if let Some((source, destination)) = addresses {
            read.set(FieldMatch::masked(source, self.source.0, self.source.1));
            read.set(FieldMatch::masked(
                destination,
                self.destination.0,
                self.destination.1,
            ));
        }
        Ok(read)
    }
}

/// Wildcard bits of 1.0.
mod any {
    pub(super) const IN_PORT: u32 = 1;
    pub(super) const VLAN: u32 = 1 << 1;
    pub(super) const ETH_SRC: u32 = 1 << 2;
    pub(super) const ETH_DST: u32 = 1 << 3;
    pub(super) const ETH_TYPE: u32 = 1 << 4;
    pub(super) const PROTOCOL: u32 = 1 << 5;
    pub(super) const SOURCE_PORT: u32 = 1 << 6;
    pub(super) const DESTINATION_PORT: u32 = 1 << 7;
    pub(super) const SOURCE_SHIFT: u32 = 8;
    pub(super) const DESTINATION_SHIFT: u32 = 14;
    pub(super) const VLAN_PCP: u32 = 1 << 20;
    pub(super) const TOS: u32 = 1 << 21;
}

pub(super) fn encode_1_0(wanted: &Match, writer: &mut Writer) -> Result<(), EncodeError> {
    let plain = Plain::of(wanted, Version::V1_0)?;
    let mut wildcards = 0;
    let mut unless = |asked: bool, bit: u32| wildcards |= if asked { 0 } else { bit };
    unless(plain.in_port.is_some(), any::IN_PORT);
    unless(plain.vlan.is_some(), any::VLAN);
    unless(
        plain.vlan_pcp.is_some() || plain.vlan == Some(VLAN_NONE),
        any::VLAN_PCP,
    );
    unless(whole_mac(plain.eth_src, "eth_src")?, any::ETH_SRC);
    unless(whole_mac(plain.eth_dst, "eth_dst")?, any::ETH_DST);
    unless(plain.eth_type.is_some(), any::ETH_TYPE);
    unless(plain.protocol.is_some(), any::PROTOCOL);
    unless(plain.dscp.is_some(), any::TOS);
    unless(plain.source_port.is_some(), any::SOURCE_PORT);
    unless(plain.destination_port.is_some(), any::DESTINATION_PORT);
    wildcards |= host_bits(plain.source.1, "a source address")? << any::SOURCE_SHIFT;
    wildcards |= host_bits(plain.destination.1, "a destination address")? << any::DESTINATION_SHIFT;

    writer.u32(wildcards);
    plain
        .in_port
        .unwrap_or(PortNumber(0))
        .write_u16(writer, "in_port")?;
    writer.number(plain.eth_src.0.into(), 6);
    writer.number(plain.eth_dst.0.into(), 6);
    writer.u16(plain.vlan.unwrap_or(0));
    writer.u8(plain.vlan_pcp.unwrap_or(0));
    writer.zeros(1);
    writer.u16(plain.eth_type.unwrap_or(0));
    writer.u8(plain.dscp.unwrap_or(0));
    writer.u8(plain.protocol.unwrap_or(0));
    writer.zeros(2);
    writer.u32(plain.source.0);
    writer.u32(plain.destination.0);
    writer.u16(plain.source_port.unwrap_or(0));
    writer.u16(plain.destination_port.unwrap_or(0));
    Ok(())
}

fn whole_mac((_, mask): (u64, u64), what: &'static str) -> Result<bool, EncodeError> {
    match mask {
        0 => Ok(false),
        ETH_MASK => Ok(true),
        _ => Err(EncodeError::Unencodable {
            what,
            reason: "matched on some of its bits in OpenFlow 1.0",
        }),
    }
}

/// How many low bits do not count, if the mask is a prefix's.
fn host_bits(mask: u32, what: &'static str) -> Result<u32, EncodeError> {
    if mask.leading_ones() + mask.trailing_zeros() < 32 {
        return Err(EncodeError::Unencodable {
            what,
            reason: "matched with other than a prefix in OpenFlow 1.0",
        });
    }
    Ok(mask.leading_ones().abs_diff(32))
}

fn prefix_mask(host_bits: u32) -> u32 {
    u32::MAX.checked_shl(host_bits & 0x3f).unwrap_or(0)
}

pub(super) fn decode_1_0(reader: &mut Reader<'_>) -> Result<Match, DecodeError> {
    const WHAT: &str = "a match of OpenFlow 1.0";
    let mut form = reader.sub(40, WHAT)?;
    let wildcards = form.u32(WHAT)?;
    let asked = |bit: u32| wildcards & bit == 0;
    let in_port = PortNumber::read_u16(&mut form, WHAT)?;
    let mut mac = |bit| {
        Ok((
            form.number(6, WHAT)? as u64,
            if asked(bit) { ETH_MASK } else { 0 },
        ))
    };
    let eth_src = mac(any::ETH_SRC)?;
    let eth_dst = mac(any::ETH_DST)?;
    let vlan = form.u16(WHAT)?;
    let vlan_pcp = form.u8(WHAT)?;
    form.skip(1, WHAT)?;
    let eth_type = form.u16(WHAT)?;
    let tos = form.u8(WHAT)?;
    let protocol = form.u8(WHAT)?;
    form.skip(2, WHAT)?;
    Plain {
        in_port: asked(any::IN_PORT).then_some(in_port),
        eth_src,
        eth_dst,
        vlan: asked(any::VLAN).then_some(vlan),
        // More priorities than three bits can say are cut: Open vSwitch does so.
        vlan_pcp: asked(any::VLAN_PCP).then_some(vlan_pcp & 7),
        eth_type: asked(any::ETH_TYPE).then_some(eth_type),
        dscp: asked(any::TOS).then_some(tos),
        protocol: asked(any::PROTOCOL).then_some(protocol),
        source: (form.u32(WHAT)?, prefix_mask(wildcards >> any::SOURCE_SHIFT)),
        destination: (
            form.u32(WHAT)?,
            prefix_mask(wildcards >> any::DESTINATION_SHIFT),
        ),
        source_port: asked(any::SOURCE_PORT).then_some(form.u16(WHAT)?),
        destination_port: asked(any::DESTINATION_PORT).then_some(form.u16(WHAT)?),
        ..Plain::default()
    }
    .into_match(Version::V1_0)
}

/// Wildcard bits of 1.1.
mod any_1_1 {
    pub(super) const IN_PORT: u32 = 1;
    pub(super) const VLAN: u32 = 1 << 1;
    pub(super) const VLAN_PCP: u32 = 1 << 2;
    pub(super) const ETH_TYPE: u32 = 1 << 3;
    pub(super) const TOS: u32 = 1 << 4;
    pub(super) const PROTOCOL: u32 = 1 << 5;
    pub(super) const SOURCE_PORT: u32 = 1 << 6;
    pub(super) const DESTINATION_PORT: u32 = 1 << 7;
    pub(super) const MPLS_LABEL: u32 = 1 << 8;
    pub(super) const MPLS_TC: u32 = 1 << 9;
}

pub(super) fn encode_1_1(wanted: &Match, writer: &mut Writer) -> Result<(), EncodeError> {
    let plain = Plain::of(wanted, Version::V1_1)?;
    let mut wildcards = 0;
    let mut unless = |asked: bool, bit: u32| wildcards |= if asked { 0 } else { bit };
    unless(plain.in_port.is_some(), any_1_1::IN_PORT);
    unless(plain.vlan.is_some(), any_1_1::VLAN);
    unless(plain.vlan_pcp.is_some(), any_1_1::VLAN_PCP);
    unless(plain.eth_type.is_some(), any_1_1::ETH_TYPE);
    unless(plain.dscp.is_some(), any_1_1::TOS);
    unless(plain.protocol.is_some(), any_1_1::PROTOCOL);
    unless(plain.source_port.is_some(), any_1_1::SOURCE_PORT);
    unless(plain.destination_port.is_some(), any_1_1::DESTINATION_PORT);
    unless(plain.mpls_label.is_some(), any_1_1::MPLS_LABEL);
    unless(plain.mpls_tc.is_some(), any_1_1::MPLS_TC);

    writer.u16(0);
    writer.u16(LENGTH_1_1);
    writer.u32(plain.in_port.map_or(0, |port| port.0));
    writer.u32(wildcards);
    for (value, mask) in [plain.eth_src, plain.eth_dst] {
        writer.number(value.into(), 6);
        writer.number((!mask & ETH_MASK).into(), 6);
    }
    writer.u16(plain.vlan.unwrap_or(0));
    writer.u8(plain.vlan_pcp.unwrap_or(0));
    writer.zeros(1);
    writer.u16(plain.eth_type.unwrap_or(0));
    writer.u8(plain.dscp.unwrap_or(0));
    writer.u8(plain.protocol.unwrap_or(0));
    for (value, mask) in [plain.source, plain.destination] {
        writer.u32(value);
        writer.u32(!mask);
    }
    writer.u16(plain.source_port.unwrap_or(0));
    writer.u16(plain.destination_port.unwrap_or(0));
    writer.u32(plain.mpls_label.unwrap_or(0));
    writer.u8(plain.mpls_tc.unwrap_or(0));
    writer.zeros(3);
    writer.u64(plain.metadata.0);
    writer.u64(!plain.metadata.1);
    Ok(())
}

pub(super) fn decode_1_1(reader: &mut Reader<'_>) -> Result<Match, DecodeError> {
    const WHAT: &str = "a match of OpenFlow 1.1";
    let mut form = reader.sub(LENGTH_1_1.into(), WHAT)?;
    let (kind, length) = (form.u16(WHAT)?, form.u16(WHAT)?);
    if kind != 0 {
        return Err(DecodeError::BadValue {
            what: "a match's type",
            value: kind.into(),
        });
    }
    if length != LENGTH_1_1 {
        return Err(DecodeError::BadLength {
            what: WHAT,
            length: length.into(),
        });
    }
    let in_port = PortNumber::read_u32(&mut form, WHAT)?;
    let wildcards = form.u32(WHAT)?;
    let asked = |bit: u32| wildcards & bit == 0;
    let mut mac = || {
        Ok((
            form.number(6, WHAT)? as u64,
            !(form.number(6, WHAT)? as u64) & ETH_MASK,
        ))
    };
    let eth_src = mac()?;
    let eth_dst = mac()?;
    let vlan = form.u16(WHAT)?;
    let vlan_pcp = form.u8(WHAT)?;
    form.skip(1, WHAT)?;
    let eth_type = form.u16(WHAT)?;
    let tos = form.u8(WHAT)?;
    let protocol = form.u8(WHAT)?;
    let source = (form.u32(WHAT)?, !form.u32(WHAT)?);
    let destination = (form.u32(WHAT)?, !form.u32(WHAT)?);
    let source_port = form.u16(WHAT)?;
    let destination_port = form.u16(WHAT)?;
    let mpls_label = form.u32(WHAT)?;
    let mpls_tc = form.u8(WHAT)?;
    form.skip(3, WHAT)?;
    Plain {
        in_port: asked(any_1_1::IN_PORT).then_some(in_port),
        eth_src,
        eth_dst,
        vlan: asked(any_1_1::VLAN).then_some(vlan),
        vlan_pcp: asked(any_1_1::VLAN_PCP).then_some(vlan_pcp),
        eth_type: asked(any_1_1::ETH_TYPE).then_some(eth_type),
        dscp: asked(any_1_1::TOS).then_some(tos),
        protocol: asked(any_1_1::PROTOCOL).then_some(protocol),
        source,
        destination,
        source_port: asked(any_1_1::SOURCE_PORT).then_some(source_port),
        destination_port: asked(any_1_1::DESTINATION_PORT).then_some(destination_port),
        mpls_label: asked(any_1_1::MPLS_LABEL).then_some(mpls_label),
        mpls_tc: asked(any_1_1::MPLS_TC).then_some(mpls_tc),
        metadata: (form.u64(WHAT)?, !form.u64(WHAT)?),
    }
    .into_match(Version::V1_1)
}
