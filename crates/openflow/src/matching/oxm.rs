//! The extensible match: a header and a value for each field, Nicira's and OpenFlow 1.2's alike. Which header
//! names which field the registry knows.

use super::{Entry, Match, OpaqueField};
use crate::field::{Dialect, EXPERIMENTER_CLASS, Field, FieldMatch, HeaderForm};
use crate::port_number::PortNumber;
use crate::version::Version;
use crate::wire::{DecodeError, EncodeError, Reader, Writer};

const OXM_MATCH: u16 = 1;
const MATCH_HEADER: usize = 4;

/// Type, length, fields, padding.
pub(super) fn encode_with_header(
    wanted: &Match,
    version: Version,
    writer: &mut Writer,
) -> Result<(), EncodeError> {
    let start = writer.len();
    writer.u16(OXM_MATCH);
    writer.u16(0);
    encode(wanted, oxm(version), writer)?;
    writer.patch_length(start.saturating_add(2), start, "a match")?;
    writer.pad8(start);
    Ok(())
}

/// Before 1.2 the extensible match is Open vSwitch's own addition, and has the fields of 1.2.
fn oxm(version: Version) -> Dialect {
    Dialect::Oxm(version.max(Version::V1_2))
}

pub(super) fn decode_with_header(reader: &mut Reader<'_>) -> Result<Match, DecodeError> {
    let kind = reader.u16("a match's type")?;
    if kind != OXM_MATCH {
        return Err(DecodeError::BadValue {
            what: "a match's type",
            value: kind.into(),
        });
    }
    let length = usize::from(reader.u16("a match's length")?);
    let body = length
        .checked_sub(MATCH_HEADER)
        .ok_or(DecodeError::BadLength {
            what: "a match",
            length,
        })?;
    let decoded = decode_fields(&mut reader.sub(body, "a match")?)?;
    reader.skip(
        length.next_multiple_of(8).saturating_sub(length),
        "a match's padding",
    )?;
    Ok(decoded)
}

pub(super) fn encode_nxm(wanted: &Match, writer: &mut Writer) -> Result<(), EncodeError> {
    let start = writer.len();
    encode(wanted, Dialect::Nxm, writer).inspect_err(|_| writer.truncate(start))
}

pub(super) fn encode_oxm(
    wanted: &Match,
    version: Version,
    writer: &mut Writer,
) -> Result<(), EncodeError> {
    let start = writer.len();
    encode(wanted, oxm(version), writer).inspect_err(|_| writer.truncate(start))
}

fn encode(wanted: &Match, dialect: Dialect, writer: &mut Writer) -> Result<(), EncodeError> {
    // One dialect has the tag's parts apart, the other has them in one.
    let foreign = |field| match dialect {
        Dialect::Nxm => matches!(field, Field::VlanVid | Field::VlanPcp),
        Dialect::Oxm(_) => field == Field::VlanTci,
    };
    let mut vlan_waits = wanted.fields().any(|known| foreign(known.field()));
    let join_vlan = vlan_waits;
    for entry in wanted.entries() {
        match entry {
            Entry::Known(known)
                if join_vlan
                    && matches!(
                        known.field(),
                        Field::VlanVid | Field::VlanPcp | Field::VlanTci
                    ) =>
            {
                if vlan_waits {
                    encode_vlan(wanted, dialect, writer)?;
                    vlan_waits = false;
                }
            }
            Entry::Known(known) => encode_field(known, dialect, writer)?,
            Entry::Opaque(opaque) => {
                let what = "an unknown match field";
                if opaque.payload.len() != (opaque.header & 0xff) as usize {
                    return Err(EncodeError::Unencodable {
                        what,
                        reason: "of another length than its header says",
                    });
                }
                writer.u32(opaque.header);
                writer.bytes(&opaque.payload);
            }
        }
    }
    Ok(())
}

/// What a match asks of the VLAN tag as one 16-bit field with mask, however it says so.
pub(crate) fn vlan_tci(wanted: &Match) -> (u16, u16) {
    let part = |field, shift: u32| {
        wanted.get(field).map_or((0, 0), |known| {
            (
                (known.value() << shift) as u16,
                (known.mask() << shift) as u16,
            )
        })
    };
    let parts = [
        part(Field::VlanTci, 0),
        part(Field::VlanVid, 0),
        part(Field::VlanPcp, 13),
    ];
    let (value, mask) = parts.iter().fold((0, 0), |(value, mask), part| {
        (value | part.0, mask | part.1)
    });
    (value & mask, mask)
}

fn encode_vlan(wanted: &Match, dialect: Dialect, writer: &mut Writer) -> Result<(), EncodeError> {
    let (value, mask) = vlan_tci(wanted);
    if dialect == Dialect::Nxm {
        return encode_field(
            &FieldMatch::masked(Field::VlanTci, value, mask),
            dialect,
            writer,
        );
    }
    if mask & 0x1fff != 0 {
        encode_field(
            &FieldMatch::masked(Field::VlanVid, value & 0x1fff, mask & 0x1fff),
            dialect,
            writer,
        )?;
    }
    let reason = "matched on a part of the priority, or on a priority without a tag";
    match mask >> 13 {
        0 => Ok(()),
        7 if value & 0x1000 != 0 => encode_field(
            &FieldMatch::exact(Field::VlanPcp, value >> 13),
            dialect,
            writer,
        ),
        // Without a tag there is no priority; Open vSwitch prints such a match with a priority of zero.
        _ if mask & 0x1000 != 0 && value == 0 => Ok(()),
        _ => Err(EncodeError::Unencodable {
            what: "vlan_tci",
            reason,
        }),
    }
}

fn encode_field(
    known: &FieldMatch,
    dialect: Dialect,
    writer: &mut Writer,
) -> Result<(), EncodeError> {
    let what = known.field().name();
    match dialect {
        Dialect::Nxm => {
            let known = nicira_field(known)?;
            // Nicira's match has no header of its own for newer fields: Open vSwitch takes the standard one there.
            let form = known.field().nxm_form();
            write_field(
                &known,
                form.ok_or(EncodeError::Unencodable {
                    what,
                    reason: "said in Nicira's match",
                })?,
                writer,
            )
        }
        Dialect::Oxm(version) => {
            let form = known
                .field()
                .form(dialect)
                .ok_or(EncodeError::NotInVersion { what, version })?;
            write_field(known, form, writer)
        }
    }
}

/// The two fields that Nicira's match has in another width.
fn nicira_field(known: &FieldMatch) -> Result<FieldMatch, EncodeError> {
    match known.field() {
        Field::InPort => {
            let reason = "a port number over 0xfeff, or masked, where 16 bits hold it";
            let port = u32::try_from(known.value())
                .ok()
                .and_then(|number| PortNumber(number).to_u16());
            port.filter(|_| known.is_exact())
                .map(|port| FieldMatch::exact(Field::InPort16, port))
                .ok_or(EncodeError::Unencodable {
                    what: "in_port",
                    reason,
                })
        }
        // The whole byte counts there, though its two lowest bits are none of this field's.
        Field::IpDscp if known.is_exact() && known.fits() => {
            Ok(FieldMatch::exact(Field::IpTos, known.value() << 2))
        }
        Field::IpDscp => Err(EncodeError::Unencodable {
            what: "ip_dscp",
            reason: "masked or over 63",
        }),
        _ => Ok(*known),
    }
}

/// What [`nicira_field`] makes, made into what it was.
pub(super) fn standard_field(known: FieldMatch) -> Result<FieldMatch, DecodeError> {
    let (value, mask) = (known.value(), known.mask());
    match known.field() {
        Field::InPort16 if known.is_exact() => Ok(FieldMatch::exact(
            Field::InPort,
            PortNumber::from_u16(value as u16),
        )),
        // Part of a 16-bit port number has no meaning among 32-bit ones.
        Field::InPort16 if mask != 0 => Err(DecodeError::BadValue {
            what: "a mask of in_port",
            value: mask as u64,
        }),
        Field::IpTos if value & 3 != 0 => Err(DecodeError::BadValue {
            what: "nw_tos",
            value: value as u64,
        }),
        Field::IpTos => Ok(FieldMatch::masked(Field::IpDscp, value >> 2, mask >> 2)),
        _ => Ok(known),
    }
}

/// Header, value and, unless all bits count, the mask.
pub(crate) fn write_field(
    known: &FieldMatch,
    form: &HeaderForm,
    writer: &mut Writer,
) -> Result<(), EncodeError> {
    let what = known.field().name();
    if !known.fits() {
        return Err(EncodeError::Unencodable {
            what,
            reason: "wider than the field",
        });
    }
    let masked = !known.is_exact();
    write_header(form, masked, writer);
    writer.number(known.value(), form.bytes.into());
    if masked {
        writer.number(known.mask(), form.bytes.into());
    }
    Ok(())
}

/// The header alone, with the experimenter's number where the class wants one.
pub(crate) fn write_header(form: &HeaderForm, masked: bool, writer: &mut Writer) {
    writer.u32(form.word(masked));
    if form.class == EXPERIMENTER_CLASS {
        writer.u32(form.experimenter);
    }
}

pub(super) fn decode_fields(reader: &mut Reader<'_>) -> Result<Match, DecodeError> {
    let mut entries: Vec<Entry> = Vec::with_capacity((reader.remaining() / 8).min(64));
    let mut seen = 0u128;
    while !reader.is_empty() {
        let entry = decode_entry(reader)?;
        if let Entry::Known(known) = &entry {
            let bit = 1u128.checked_shl(known.field() as u32).unwrap_or(0);
            if seen & bit != 0 {
                return Err(DecodeError::DuplicateField {
                    field: known.field().name(),
                });
            }
            seen |= bit;
            if known.mask() == 0 {
                continue;
            }
        }
        entries.push(entry);
    }
    Ok(Match::from_entries(entries))
}

/// A header as it stands on the wire, with the field that it names if that is known.
pub(crate) struct Header {
    pub(crate) masked: bool,
    pub(crate) known: Option<(Field, &'static HeaderForm)>,
}

/// Reads a header, the experimenter's number too.
pub(crate) fn read_header(reader: &mut Reader<'_>) -> Result<Header, DecodeError> {
    let word = reader.u32("a field's header")?;
    let class = (word >> 16) as u16;
    let number = ((word >> 9) & 0x7f) as u8;
    let masked = word & 0x100 != 0;
    let mut length = (word & 0xff) as usize;
    let mut experimenter = 0;
    if class == EXPERIMENTER_CLASS {
        length = length.checked_sub(4).ok_or(DecodeError::BadLength {
            what: "an experimenter's field",
            length,
        })?;
        experimenter = reader.u32("a field's experimenter")?;
    }
    if masked && !length.is_multiple_of(2) {
        return Err(DecodeError::BadLength {
            what: "a masked field",
            length,
        });
    }
    let bytes = if masked { length / 2 } else { length };
    Ok(Header {
        masked,
        known: Field::from_header(class, experimenter, number, bytes),
    })
}

fn decode_entry(reader: &mut Reader<'_>) -> Result<Entry, DecodeError> {
    let mut ahead = *reader;
    let header = read_header(&mut ahead)?;
    if let Some((field, form)) = header.known {
        *reader = ahead;
        let known = read_value(reader, field, form, header.masked)?;
        return standard_field(known).map(Entry::Known);
    }
    let word = reader.u32("a field's header")?;
    let payload = reader
        .bytes((word & 0xff) as usize, "a field's value")?
        .to_vec();
    Ok(Entry::Opaque(OpaqueField {
        header: word,
        payload,
    }))
}

/// The value and mask that follow a header.
pub(crate) fn read_value(
    reader: &mut Reader<'_>,
    field: Field,
    form: &HeaderForm,
    masked: bool,
) -> Result<FieldMatch, DecodeError> {
    let bytes = usize::from(form.bytes);
    let whole = field.all_ones();
    let value = reader.number(bytes, field.name())?;
    let mask = if masked {
        reader.number(bytes, field.name())?
    } else {
        whole | value
    };
    // Bits outside the mask do not count; the mask may be all ones where the field is narrower than its bytes.
    if value & mask & !whole != 0 {
        return Err(DecodeError::ValueTooWide {
            field: field.name(),
        });
    }
    Ok(FieldMatch::masked(field, value, mask & whole))
}
