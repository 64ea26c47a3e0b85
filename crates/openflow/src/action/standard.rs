//! OpenFlow's own actions as bytes, in each version's form; where a version lacks one, what says the same.

use super::codec::{begin, encode_opaque, finish};
use super::{Action, nicira};
use crate::field::{Dialect, Field, FieldMatch, Subfield};
use crate::matching::{read_header, read_value, write_field, write_header};
use crate::port_number::PortNumber;
use crate::version::Version;
use crate::wire::{DecodeError, EncodeError, Reader, Writer};

const SET_FIELD: u16 = 25;
const COPY_FIELD: u16 = 28;

/// Writes one action.
pub(super) fn encode(
    action: &Action,
    version: Version,
    writer: &mut Writer,
    depth: u8,
) -> Result<(), EncodeError> {
    use Version::{V1_0, V1_1, V1_2, V1_3, V1_5};
    let old = version <= V1_1;
    let not_in = |what| Err(EncodeError::NotInVersion { what, version });
    match action {
        Action::Output { port, max_len } => output(*port, *max_len, version, writer),
        Action::Enqueue { port, queue } if version == V1_0 => {
            let start = begin(writer, 11);
            port.write_u16(writer, "the port of enqueue")?;
            writer.zeros(6);
            writer.u32(*queue);
            finish(writer, start)
        }
        Action::Enqueue { .. } => not_in("enqueue"),
        Action::SetQueue(queue) if version > V1_0 => word(writer, 21, *queue),
        Action::Group(group) if version > V1_0 => word(writer, 22, *group),
        Action::Meter(meter) if version >= V1_5 => word(writer, 29, *meter),
        Action::Meter(_) => not_in("the action `meter`"),
        Action::PushVlan(eth_type) if version > V1_0 => half(writer, 17, *eth_type),
        Action::PushVlan(_) => not_in("push_vlan"),
        Action::PopVlan => empty(writer, if version == V1_0 { 3 } else { 18 }),
        Action::PushMpls(eth_type) if version > V1_0 => half(writer, 19, *eth_type),
        Action::PopMpls(eth_type) if version > V1_0 => half(writer, 20, *eth_type),
        Action::PushPbb(eth_type) if version >= V1_3 => half(writer, 26, *eth_type),
        Action::PopPbb if version >= V1_3 => empty(writer, 27),
        Action::PushPbb(_) | Action::PopPbb => not_in("provider backbone bridging"),
        Action::CopyTtlOut if version > V1_0 => empty(writer, 11),
        Action::CopyTtlIn if version > V1_0 => empty(writer, 12),
        Action::CopyTtlOut | Action::CopyTtlIn => not_in("copying of TTLs"),
        Action::DecMplsTtl if version > V1_0 => empty(writer, 16),
        Action::DecTtl if version > V1_0 => empty(writer, 24),
        Action::SetIpTtl(ttl) if version > V1_0 => byte(writer, 23, *ttl),
        Action::SetMplsTtl(ttl) if version > V1_0 => byte(writer, 15, *ttl),
        Action::SetVlanVid(id) if *id > 0xfff => Err(EncodeError::Unencodable {
            what: "vlan_vid",
            reason: "over 4095",
        }),
        Action::SetVlanPcp(pcp) if *pcp > 7 => Err(EncodeError::Unencodable {
            what: "vlan_pcp",
            reason: "over 7",
        }),
        Action::SetIpTos(tos) if tos & 3 != 0 => Err(EncodeError::Unencodable {
            what: "nw_tos",
            reason: "with its two lowest bits set",
        }),
        Action::SetIpEcn(ecn) if *ecn > 3 => Err(EncodeError::Unencodable {
            what: "nw_ecn",
            reason: "over 3",
        }),
        Action::SetMplsTc(tc) if *tc > 7 => Err(EncodeError::Unencodable {
            what: "mpls_tc",
            reason: "over 7",
        }),
        Action::SetMplsLabel(label) if *label > 0xf_ffff => Err(EncodeError::Unencodable {
            what: "mpls_label",
            reason: "over 20 bits",
        }),
        Action::SetVlanVid(id) if old => half(writer, 1, *id),
        Action::SetVlanPcp(pcp) if old => byte(writer, 2, *pcp),
        Action::SetEthSrc(mac) if old => address(writer, if version == V1_0 { 4 } else { 3 }, mac),
        Action::SetEthDst(mac) if old => address(writer, if version == V1_0 { 5 } else { 4 }, mac),
        Action::SetIpv4Src(ip) if old => {
            word(writer, if version == V1_0 { 6 } else { 5 }, ip.to_bits())
        }
        Action::SetIpv4Dst(ip) if old => {
            word(writer, if version == V1_0 { 7 } else { 6 }, ip.to_bits())
        }
        Action::SetIpTos(tos) if old => byte(writer, if version == V1_0 { 8 } else { 7 }, *tos),
        Action::SetIpEcn(ecn) if version == V1_1 => byte(writer, 8, *ecn),
        Action::SetTransportSrc(port) if old => half(writer, 9, *port),
        Action::SetTransportDst(port) if old => half(writer, 10, *port),
        Action::SetMplsLabel(label) if version == V1_1 => word(writer, 13, *label),
        Action::SetMplsTc(tc) if version == V1_1 => byte(writer, 14, *tc),
        Action::SetVlanVid(id) => set(Field::VlanVid, u128::from(*id | 0x1000), version, writer),
        Action::SetVlanPcp(pcp) => set(Field::VlanPcp, u128::from(*pcp), version, writer),
        Action::SetEthSrc(mac) => set(
            Field::EthSrc,
            crate::field::IntoBits::into_bits(*mac),
            version,
            writer,
        ),
        Action::SetEthDst(mac) => set(
            Field::EthDst,
            crate::field::IntoBits::into_bits(*mac),
            version,
            writer,
        ),
        Action::SetIpv4Src(ip) => set(Field::Ipv4Src, u128::from(ip.to_bits()), version, writer),
        Action::SetIpv4Dst(ip) => set(Field::Ipv4Dst, u128::from(ip.to_bits()), version, writer),
        Action::SetIpTos(tos) => set(Field::IpDscp, u128::from(tos >> 2), version, writer),
        Action::SetIpEcn(ecn) => set(Field::IpEcn, u128::from(*ecn), version, writer),
        Action::SetIpTtl(ttl) => set(Field::IpTtl, u128::from(*ttl), version, writer),
        // The later form names the protocol, which this action leaves open.
        Action::SetTransportSrc(_) | Action::SetTransportDst(_) => {
            not_in("setting a port of whatever protocol")
        }
        Action::SetMplsLabel(label) if version >= V1_2 => {
            set(Field::MplsLabel, u128::from(*label), version, writer)
        }
        Action::SetMplsTc(tc) if version >= V1_2 => {
            set(Field::MplsTc, u128::from(*tc), version, writer)
        }
        Action::SetField(wanted) => set_field(wanted, version, writer),
        Action::LoadField(wanted) if version >= V1_5 => write_set_field(wanted, version, writer),
        Action::Load { target, value } if version >= V1_5 => {
            let shifted = u128::from(*value)
                .checked_shl(target.offset().into())
                .unwrap_or(0);
            let wanted = FieldMatch::masked(target.field(), shifted, target.mask());
            if shifted >> target.offset() != u128::from(*value) || wanted.value() != shifted {
                return Err(EncodeError::Unencodable {
                    what: "load",
                    reason: "of more bits than its target has",
                });
            }
            write_set_field(&wanted, version, writer)
        }
        Action::Move { source, target } if version >= V1_5 => copy_field(source, target, writer),
        Action::SetTunnel { id, .. } if version >= V1_2 => {
            set(Field::TunId, u128::from(*id), version, writer)
        }
        Action::Opaque(opaque) => encode_opaque(opaque, writer),
        _ => nicira::encode(action, version, writer, depth),
    }
}

fn output(
    port: PortNumber,
    max_len: u16,
    version: Version,
    writer: &mut Writer,
) -> Result<(), EncodeError> {
    let start = begin(writer, 0);
    if version == Version::V1_0 {
        port.write_u16(writer, "the port of output")?;
        writer.u16(max_len);
    } else {
        writer.u32(port.0);
        writer.u16(max_len);
        writer.zeros(6);
    }
    finish(writer, start)
}

fn empty(writer: &mut Writer, kind: u16) -> Result<(), EncodeError> {
    let start = begin(writer, kind);
    finish(writer, start)
}

fn byte(writer: &mut Writer, kind: u16, value: u8) -> Result<(), EncodeError> {
    let start = begin(writer, kind);
    writer.u8(value);
    finish(writer, start)
}

fn half(writer: &mut Writer, kind: u16, value: u16) -> Result<(), EncodeError> {
    let start = begin(writer, kind);
    writer.u16(value);
    finish(writer, start)
}

fn word(writer: &mut Writer, kind: u16, value: u32) -> Result<(), EncodeError> {
    let start = begin(writer, kind);
    writer.u32(value);
    finish(writer, start)
}

fn address(writer: &mut Writer, kind: u16, mac: &[u8; 6]) -> Result<(), EncodeError> {
    let start = begin(writer, kind);
    writer.bytes(mac);
    finish(writer, start)
}

fn set(
    field: Field,
    value: u128,
    version: Version,
    writer: &mut Writer,
) -> Result<(), EncodeError> {
    set_field(&FieldMatch::exact(field, value), version, writer)
}

/// Sets a field in the way the version has: as one action, or as loads of runs of bits.
fn set_field(
    wanted: &FieldMatch,
    version: Version,
    writer: &mut Writer,
) -> Result<(), EncodeError> {
    if version >= Version::V1_5 || (version >= Version::V1_2 && wanted.is_exact()) {
        return write_set_field(wanted, version, writer);
    }
    if version <= Version::V1_1
        && let Some(legacy) = legacy(wanted, version)
    {
        return encode(&legacy, version, writer, 0);
    }
    nicira::load_runs(wanted, writer)
}

/// The action of 1.0 or 1.1 that sets all of a field.
fn legacy(wanted: &FieldMatch, version: Version) -> Option<Action> {
    if !wanted.is_exact() || !wanted.fits() {
        return None;
    }
    let value = wanted.value();
    let mac = || {
        let [.., a, b, c, d, e, f] = value.to_be_bytes();
        [a, b, c, d, e, f]
    };
    Some(match wanted.field() {
        Field::VlanVid if value & 0x1000 != 0 => Action::SetVlanVid((value & 0xfff) as u16),
        Field::VlanPcp => Action::SetVlanPcp(value as u8),
        Field::EthSrc => Action::SetEthSrc(mac()),
        Field::EthDst => Action::SetEthDst(mac()),
        Field::Ipv4Src => Action::SetIpv4Src((value as u32).into()),
        Field::Ipv4Dst => Action::SetIpv4Dst((value as u32).into()),
        Field::IpTos if value & 3 == 0 => Action::SetIpTos(value as u8),
        Field::IpDscp => Action::SetIpTos((value as u8) << 2),
        Field::IpEcn if version == Version::V1_1 => Action::SetIpEcn(value as u8),
        Field::TcpSrc | Field::UdpSrc => Action::SetTransportSrc(value as u16),
        Field::TcpDst | Field::UdpDst => Action::SetTransportDst(value as u16),
        _ => return None,
    })
}

fn write_set_field(
    wanted: &FieldMatch,
    version: Version,
    writer: &mut Writer,
) -> Result<(), EncodeError> {
    let start = begin(writer, SET_FIELD);
    let what = wanted.field().name();
    let form = wanted
        .field()
        .form(Dialect::Oxm(version))
        .ok_or(EncodeError::NotInVersion { what, version })?;
    write_field(wanted, form, writer)?;
    finish(writer, start)
}

fn copy_field(
    source: &Subfield,
    target: &Subfield,
    writer: &mut Writer,
) -> Result<(), EncodeError> {
    let start = begin(writer, COPY_FIELD);
    writer.u16(nicira::equal_bits(source, target)?);
    writer.u16(source.offset().into());
    writer.u16(target.offset().into());
    writer.zeros(2);
    for part in [source, target] {
        let what = part.field().name();
        let form =
            part.field()
                .form(Dialect::Oxm(Version::V1_5))
                .ok_or(EncodeError::NotInVersion {
                    what,
                    version: Version::V1_5,
                })?;
        write_header(form, false, writer);
    }
    finish(writer, start)
}

/// Reads what follows type and length; `None` is an action not known in this version.
pub(super) fn decode(
    version: Version,
    kind: u16,
    body: &mut Reader<'_>,
    length: usize,
) -> Result<Option<Action>, DecodeError> {
    use Version::{V1_0, V1_1, V1_3, V1_5};
    let ten = version == V1_0;
    // The address actions of 1.1 are numbered one lower, for the tag is pushed and popped by actions of their own.
    let setter = match (version, kind) {
        (V1_0, 4..=10) => Some(kind),
        (V1_1, 3..=7) => Some(kind.saturating_add(1)),
        (V1_1, 9 | 10) => Some(kind),
        _ => None,
    };
    let old = version <= V1_1;
    let long = (kind == 0 && !ten) || (kind == 11 && ten) || matches!(setter, Some(4 | 5));
    let variable = kind == SET_FIELD || kind == COPY_FIELD;
    let fixed = |action: Action| {
        let expected = if long { 16 } else { 8 };
        if length == expected {
            Ok(Some(action))
        } else {
            Err(DecodeError::BadLength {
                what: "an action",
                length,
            })
        }
    };
    const WHAT: &str = "an action";
    if variable {
        return match kind {
            SET_FIELD if version >= Version::V1_2 => decode_set_field(version, body),
            COPY_FIELD if version >= V1_5 => decode_copy_field(body),
            _ => Ok(None),
        };
    }
    if let Some(setter) = setter {
        return fixed(match setter {
            4 => Action::SetEthSrc(body.array(WHAT)?),
            5 => Action::SetEthDst(body.array(WHAT)?),
            6 => Action::SetIpv4Src(body.u32(WHAT)?.into()),
            7 => Action::SetIpv4Dst(body.u32(WHAT)?.into()),
            8 => Action::SetIpTos(narrow(body.u8(WHAT)?, 0xfc, "nw_tos")?),
            9 => Action::SetTransportSrc(body.u16(WHAT)?),
            _ => Action::SetTransportDst(body.u16(WHAT)?),
        });
    }
    fixed(match kind {
        0 if ten => Action::Output {
            port: PortNumber::read_u16(body, WHAT)?,
            max_len: body.u16(WHAT)?,
        },
        0 => Action::Output {
            port: PortNumber::read_u32(body, WHAT)?,
            max_len: body.u16(WHAT)?,
        },
        1 if old => {
            let id = body.u16(WHAT)?;
            if id > 0xfff {
                return Err(DecodeError::BadValue {
                    what: "vlan_vid",
                    value: id.into(),
                });
            }
            Action::SetVlanVid(id)
        }
        2 if old => Action::SetVlanPcp(narrow(body.u8(WHAT)?, 7, "vlan_pcp")?),
        3 if ten => Action::PopVlan,
        11 if ten => {
            let port = PortNumber::read_u16(body, WHAT)?;
            body.skip(6, WHAT)?;
            Action::Enqueue {
                port,
                queue: body.u32(WHAT)?,
            }
        }
        _ if ten => return Ok(None),
        8 if old => Action::SetIpEcn(narrow(body.u8(WHAT)?, 3, "nw_ecn")?),
        13 if old => {
            let label = body.u32(WHAT)?;
            if label > 0xf_ffff {
                return Err(DecodeError::BadValue {
                    what: "mpls_label",
                    value: label.into(),
                });
            }
            Action::SetMplsLabel(label)
        }
        14 if old => Action::SetMplsTc(narrow(body.u8(WHAT)?, 7, "mpls_tc")?),
        11 => Action::CopyTtlOut,
        12 => Action::CopyTtlIn,
        15 => Action::SetMplsTtl(body.u8(WHAT)?),
        16 => Action::DecMplsTtl,
        17 => Action::PushVlan(body.u16(WHAT)?),
        18 => Action::PopVlan,
        19 => Action::PushMpls(body.u16(WHAT)?),
        20 => Action::PopMpls(body.u16(WHAT)?),
        21 => Action::SetQueue(body.u32(WHAT)?),
        22 => Action::Group(body.u32(WHAT)?),
        23 => Action::SetIpTtl(body.u8(WHAT)?),
        24 => Action::DecTtl,
        26 if version >= V1_3 => Action::PushPbb(body.u16(WHAT)?),
        27 if version >= V1_3 => Action::PopPbb,
        29 if version >= V1_5 => Action::Meter(body.u32(WHAT)?),
        _ => return Ok(None),
    })
}

fn narrow(value: u8, allowed: u8, what: &'static str) -> Result<u8, DecodeError> {
    if value & !allowed == 0 {
        Ok(value)
    } else {
        Err(DecodeError::BadValue {
            what,
            value: value.into(),
        })
    }
}

fn decode_set_field(
    version: Version,
    body: &mut Reader<'_>,
) -> Result<Option<Action>, DecodeError> {
    let header = read_header(body)?;
    let Some((field, form)) = header.known else {
        return Ok(None);
    };
    if field.form(Dialect::Oxm(version)) != Some(form) || (header.masked && version < Version::V1_5)
    {
        return Ok(None);
    }
    let wanted = read_value(body, field, form, header.masked)?;
    Ok((body.remaining() < 8).then_some(Action::SetField(wanted)))
}

fn decode_copy_field(body: &mut Reader<'_>) -> Result<Option<Action>, DecodeError> {
    const WHAT: &str = "copy_field";
    let (bits, source, target) = (body.u16(WHAT)?, body.u16(WHAT)?, body.u16(WHAT)?);
    body.skip(2, WHAT)?;
    let mut part = |offset| {
        let header = read_header(body)?;
        let known = header.known.filter(|_| !header.masked);
        let known =
            known.filter(|(field, form)| field.form(Dialect::Oxm(Version::V1_5)) == Some(*form));
        Ok(known.and_then(|(field, _)| Subfield::new(field, offset, bits).ok()))
    };
    let (source, target): (Option<Subfield>, Option<Subfield>) = (part(source)?, part(target)?);
    Ok(source
        .zip(target)
        .map(|(source, target)| Action::Move { source, target }))
}
