//! Open vSwitch's actions that pick by hash or by chance, as bytes: `multipath`, `bundle`, `sample`.

use super::codec::{begin_nicira, finish};
use super::nicira::{
    BUNDLE, BUNDLE_LOAD, MULTIPATH, SAMPLE, SAMPLE2, SAMPLE3, offset_and_bits, part, read_field,
    short_field,
};
use super::{Action, Bundle, HashFields, Multipath, MultipathAlgorithm, Sample, SampleDirection};
use crate::field::Field;
use crate::port_number::PortNumber;
use crate::wire::{DecodeError, EncodeError, Reader, Writer};

impl HashFields {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::EthSrc,
        Self::SymmetricL4,
        Self::SymmetricL3L4,
        Self::SymmetricL3L4Udp,
        Self::NwSrc,
        Self::NwDst,
        Self::SymmetricL3,
    ];

    fn from_wire(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u16 == number)
    }
}

impl MultipathAlgorithm {
    /// Every algorithm.
    pub const ALL: [Self; 4] = [
        Self::ModuloN,
        Self::HashThreshold,
        Self::Hrw,
        Self::IterHash,
    ];

    fn from_wire(number: u16) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|algorithm| *algorithm as u16 == number)
    }
}

pub(super) fn encode_multipath(
    multipath: &Multipath,
    writer: &mut Writer,
) -> Result<(), EncodeError> {
    let start = begin_nicira(writer, MULTIPATH);
    writer.u16(multipath.fields as u16);
    writer.u16(multipath.basis);
    writer.zeros(2);
    writer.u16(multipath.algorithm as u16);
    writer.u16(multipath.max_link);
    writer.u32(multipath.argument);
    writer.zeros(2);
    writer.u16(offset_and_bits(&multipath.target)?);
    short_field(multipath.target.field(), writer)?;
    finish(writer, start)
}

pub(super) fn decode_multipath(body: &mut Reader<'_>) -> Result<Option<Action>, DecodeError> {
    const WHAT: &str = "multipath";
    let (fields, basis) = (body.u16(WHAT)?, body.u16(WHAT)?);
    body.skip(2, WHAT)?;
    let (algorithm, max_link, argument) = (body.u16(WHAT)?, body.u16(WHAT)?, body.u32(WHAT)?);
    body.skip(2, WHAT)?;
    let place = body.u16(WHAT)?;
    let target = read_field(body)?.and_then(|field| part(field, place));
    let known = HashFields::from_wire(fields)
        .zip(MultipathAlgorithm::from_wire(algorithm))
        .zip(target);
    Ok(known
        .filter(|_| body.is_empty())
        .map(|((fields, algorithm), target)| {
            Action::Multipath(Multipath {
                fields,
                basis,
                algorithm,
                max_link,
                argument,
                target,
            })
        }))
}

pub(super) fn encode_bundle(bundle: &Bundle, writer: &mut Writer) -> Result<(), EncodeError> {
    let start = begin_nicira(
        writer,
        if bundle.target.is_some() {
            BUNDLE_LOAD
        } else {
            BUNDLE
        },
    );
    writer.u16(bundle.highest_random_weight.into());
    writer.u16(bundle.fields as u16);
    writer.u16(bundle.basis);
    // The only kind of member there is: a port.
    short_field(Field::InPort16, writer)?;
    let count = u16::try_from(bundle.members.len());
    writer.u16(count.map_err(|_| EncodeError::TooLong {
        what: "bundle",
        length: bundle.members.len(),
    })?);
    match &bundle.target {
        Some(target) => {
            writer.u16(offset_and_bits(target)?);
            short_field(target.field(), writer)?;
        }
        None => writer.zeros(6),
    }
    writer.zeros(4);
    for member in &bundle.members {
        member.write_u16(writer, "a member of bundle")?;
    }
    finish(writer, start)
}

pub(super) fn decode_bundle(
    subtype: u16,
    body: &mut Reader<'_>,
) -> Result<Option<Action>, DecodeError> {
    const WHAT: &str = "bundle";
    let (algorithm, fields, basis) = (body.u16(WHAT)?, body.u16(WHAT)?, body.u16(WHAT)?);
    let kind = read_field(body)?;
    let (count, place) = (body.u16(WHAT)?, body.u16(WHAT)?);
    let target = if subtype == BUNDLE_LOAD {
        read_field(body)?
            .and_then(|field| part(field, place))
            .map(Some)
    } else {
        (body.u32(WHAT)? == 0 && place == 0).then_some(None)
    };
    body.skip(4, WHAT)?;
    let mut members = body.sub(usize::from(count).saturating_mul(2), WHAT)?;
    let members = std::iter::from_fn(|| PortNumber::read_u16(&mut members, WHAT).ok()).collect();
    let highest_random_weight = match algorithm {
        0 => false,
        1 => true,
        _ => return Ok(None),
    };
    let known = HashFields::from_wire(fields).zip(target);
    let known = known.filter(|_| kind == Some(Field::InPort16) && body.remaining() < 8);
    Ok(known.map(|(fields, target)| {
        Action::Bundle(Bundle {
            fields,
            basis,
            highest_random_weight,
            members,
            target,
        })
    }))
}

pub(super) fn encode_sample(sample: &Sample, writer: &mut Writer) -> Result<(), EncodeError> {
    if sample.probability == 0 {
        return Err(EncodeError::Unencodable {
            what: "sample",
            reason: "of probability 0",
        });
    }
    let subtype = match (sample.sampling_port, sample.direction) {
        (None, SampleDirection::Default) => SAMPLE,
        (_, SampleDirection::Default) => SAMPLE2,
        _ => SAMPLE3,
    };
    let start = begin_nicira(writer, subtype);
    writer.u16(sample.probability);
    writer.u32(sample.collector_set);
    writer.u32(sample.domain);
    writer.u32(sample.point);
    if subtype != SAMPLE {
        sample
            .sampling_port
            .unwrap_or(PortNumber::ANY)
            .write_u16(writer, "sampling_port")?;
        writer.u8(sample.direction as u8);
        writer.zeros(5);
    }
    finish(writer, start)
}

pub(super) fn decode_sample(
    subtype: u16,
    body: &mut Reader<'_>,
) -> Result<Option<Action>, DecodeError> {
    const WHAT: &str = "sample";
    let mut read = Sample {
        probability: body.u16(WHAT)?,
        collector_set: body.u32(WHAT)?,
        domain: body.u32(WHAT)?,
        point: body.u32(WHAT)?,
        ..Sample::default()
    };
    if subtype != SAMPLE {
        read.sampling_port =
            Some(PortNumber::read_u16(body, WHAT)?).filter(|port| *port != PortNumber::ANY);
        read.direction = match body.u8(WHAT)? {
            0 => SampleDirection::Default,
            1 => SampleDirection::Ingress,
            2 => SampleDirection::Egress,
            _ => return Ok(None),
        };
        body.skip(5, WHAT)?;
    }
    // What is said with more than is needed would not read back to the same bytes.
    let plain = read.direction == SampleDirection::Default;
    let as_written = match subtype {
        SAMPLE => true,
        SAMPLE2 => plain && read.sampling_port.is_some(),
        _ => !plain,
    };
    Ok((as_written && read.probability != 0 && body.is_empty()).then_some(Action::Sample(read)))
}
