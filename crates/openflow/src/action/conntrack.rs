//! Open vSwitch's `ct` and `nat` as bytes.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::codec::{self, begin_nicira, finish};
use super::nicira::{CT, NAT, NO_TABLE, offset_and_bits, part, read_field, short_field};
use super::{Action, Ct, CtZone, Nat, NatAddresses, NatSide};
use crate::version::Version;
use crate::wire::{DecodeError, EncodeError, Reader, Writer};

const COMMIT: u16 = 1;
const FORCE: u16 = 2;

const SOURCE: u16 = 1;
const DESTINATION: u16 = 2;
const PERSISTENT: u16 = 4;
const HASH: u16 = 8;
const RANDOM: u16 = 16;

const IPV4_FIRST: u16 = 1;
const IPV4_LAST: u16 = 2;
const IPV6_FIRST: u16 = 4;
const IPV6_LAST: u16 = 8;
const PORT_FIRST: u16 = 16;
const PORT_LAST: u16 = 32;

pub(super) fn encode(
    ct: &Ct,
    version: Version,
    writer: &mut Writer,
    depth: u8,
) -> Result<(), EncodeError> {
    if ct.force && !ct.commit {
        return Err(EncodeError::Unencodable {
            what: "ct",
            reason: "forced without commit",
        });
    }
    let start = begin_nicira(writer, CT);
    writer.u16(if ct.commit { COMMIT } else { 0 } | if ct.force { FORCE } else { 0 });
    match &ct.zone {
        CtZone::Number(number) => {
            writer.u32(0);
            writer.u16(*number);
        }
        CtZone::Field(zone) => {
            short_field(zone.field(), writer)?;
            writer.u16(offset_and_bits(zone)?);
        }
    }
    if ct.table == Some(NO_TABLE) {
        return Err(EncodeError::Unencodable {
            what: "ct",
            reason: "continued in table 255",
        });
    }
    writer.u8(ct.table.unwrap_or(NO_TABLE));
    writer.zeros(3);
    writer.u16(ct.alg);
    codec::encode_list(&ct.actions, version, writer, depth.saturating_add(1))?;
    finish(writer, start)
}

pub(super) fn decode(
    version: Version,
    body: &mut Reader<'_>,
    depth: u8,
) -> Result<Option<Action>, DecodeError> {
    const WHAT: &str = "ct";
    let flags = body.u16(WHAT)?;
    let mut ahead = *body;
    let zone = if ahead.u32(WHAT)? == 0 {
        body.skip(4, WHAT)?;
        Some(CtZone::Number(body.u16(WHAT)?))
    } else {
        let field = read_field(body)?;
        let place = body.u16(WHAT)?;
        field
            .and_then(|field| part(field, place))
            .map(CtZone::Field)
    };
    // To force without committing means nothing.
    let meaningful = matches!(flags, 0 | COMMIT) || flags == COMMIT | FORCE;
    let Some(zone) = zone.filter(|_| meaningful) else {
        return Ok(None);
    };
    let table = Some(body.u8(WHAT)?).filter(|table| *table != NO_TABLE);
    body.skip(3, WHAT)?;
    let alg = body.u16(WHAT)?;
    let actions = codec::decode_list(version, body, depth.saturating_add(1))?;
    let (commit, force) = (flags & COMMIT != 0, flags & FORCE != 0);
    Ok(Some(Action::Ct(Box::new(Ct {
        commit,
        force,
        zone,
        table,
        alg,
        actions,
    }))))
}

pub(super) fn encode_nat(nat: &Nat, writer: &mut Writer) -> Result<(), EncodeError> {
    let plain = Nat {
        side: None,
        ..Nat::default()
    };
    if nat.side.is_none() && *nat != plain {
        return Err(EncodeError::Unencodable {
            what: "nat",
            reason: "told what to choose from without src or dst",
        });
    }
    let start = begin_nicira(writer, NAT);
    writer.zeros(2);
    let side = match nat.side {
        None => 0,
        Some(NatSide::Source) => SOURCE,
        Some(NatSide::Destination) => DESTINATION,
    };
    let flag = |set: bool, bit: u16| if set { bit } else { 0 };
    writer.u16(
        side | flag(nat.persistent, PERSISTENT) | flag(nat.hash, HASH) | flag(nat.random, RANDOM),
    );
    let addresses = match nat.addresses {
        NatAddresses::Any => 0,
        NatAddresses::Ipv4(_, last) => IPV4_FIRST | flag(last.is_some(), IPV4_LAST),
        NatAddresses::Ipv6(_, last) => IPV6_FIRST | flag(last.is_some(), IPV6_LAST),
    };
    let ports = nat
        .ports
        .map_or(0, |(_, last)| PORT_FIRST | flag(last.is_some(), PORT_LAST));
    writer.u16(addresses | ports);
    match nat.addresses {
        NatAddresses::Any => {}
        NatAddresses::Ipv4(first, last) => {
            [Some(first), last]
                .into_iter()
                .flatten()
                .for_each(|address| writer.u32(address.to_bits()));
        }
        NatAddresses::Ipv6(first, last) => {
            [Some(first), last]
                .into_iter()
                .flatten()
                .for_each(|address| writer.bytes(&address.octets()));
        }
    }
    if let Some((first, last)) = nat.ports {
        [Some(first), last]
            .into_iter()
            .flatten()
            .for_each(|port| writer.u16(port));
    }
    finish(writer, start)
}

pub(super) fn decode_nat(body: &mut Reader<'_>) -> Result<Option<Action>, DecodeError> {
    const WHAT: &str = "nat";
    body.skip(2, WHAT)?;
    let (flags, present) = (body.u16(WHAT)?, body.u16(WHAT)?);
    let known_flags =
        flags & !(SOURCE | DESTINATION | PERSISTENT | HASH | RANDOM) == 0 && present >> 6 == 0;
    let both_sides = flags & SOURCE != 0 && flags & DESTINATION != 0;
    let families =
        present & (IPV4_FIRST | IPV4_LAST) != 0 && present & (IPV6_FIRST | IPV6_LAST) != 0;
    let only_last = |first: u16, last: u16| present & last != 0 && present & first == 0;
    let half = only_last(IPV4_FIRST, IPV4_LAST)
        || only_last(IPV6_FIRST, IPV6_LAST)
        || only_last(PORT_FIRST, PORT_LAST);
    // What follows the connection has nothing to choose.
    let idle = flags & (SOURCE | DESTINATION) == 0 && (flags != 0 || present != 0);
    if !known_flags || both_sides || families || half || idle {
        return Ok(None);
    }
    let there = |bit: u16| present & bit != 0;
    let addresses = if there(IPV4_FIRST) {
        let mut next = || body.u32(WHAT).map(Ipv4Addr::from_bits);
        NatAddresses::Ipv4(
            next()?,
            if there(IPV4_LAST) {
                Some(next()?)
            } else {
                None
            },
        )
    } else if there(IPV6_FIRST) {
        let mut next = || body.array::<16>(WHAT).map(Ipv6Addr::from);
        NatAddresses::Ipv6(
            next()?,
            if there(IPV6_LAST) {
                Some(next()?)
            } else {
                None
            },
        )
    } else {
        NatAddresses::Any
    };
    let ports = if there(PORT_FIRST) {
        Some((
            body.u16(WHAT)?,
            if there(PORT_LAST) {
                Some(body.u16(WHAT)?)
            } else {
                None
            },
        ))
    } else {
        None
    };
    if body.remaining() >= 8 {
        return Ok(None);
    }
    let side = match flags & (SOURCE | DESTINATION) {
        SOURCE => Some(NatSide::Source),
        DESTINATION => Some(NatSide::Destination),
        _ => None,
    };
    Ok(Some(Action::Nat(Nat {
        side,
        addresses,
        ports,
        persistent: flags & PERSISTENT != 0,
        hash: flags & HASH != 0,
        random: flags & RANDOM != 0,
    })))
}
