//! How one action is read.

use super::{algorithm_name, hash_name, parse_list};
use crate::action::{
    Action, Bundle, Controller, HashFields, Multipath, MultipathAlgorithm, OpaqueAction,
    PacketInReason, Sample, SampleDirection,
};
use crate::field::{Field, Format};
use crate::instruction::Instruction;
use crate::port_number::PortNumber;
use crate::text::conntrack::{parse_ct, parse_nat};
use crate::text::learn::parse_learn;
use crate::text::part::{parse_masked, parse_port, parse_subfield};
use crate::text::scan::{Pair, ParseError, Position, each_pair, number};
use crate::text::value::{parse_hex, parse_value};

/// Reads one action and appends it.
pub(in crate::text) fn parse_one(
    at: &Position<'_>,
    pair: &Pair<'_>,
    depth: u8,
    read: &mut Vec<Action>,
) -> Result<(), ParseError> {
    let value = pair.value;
    let eth_type = || number::<u16>(at, value, "expected an ethertype");
    let byte = || number::<u8>(at, value, "expected a number of 8 bits");
    let half = || number::<u16>(at, value, "expected a number of 16 bits");
    let word = || number::<u32>(at, value, "expected a number of 32 bits");
    let at_most = |max: u32, what: &str| {
        let read: u32 = number(at, value, what)?;
        if read <= max {
            Ok(read)
        } else {
            Err(at.error(value, what))
        }
    };
    let address =
        |format| parse_value(format, value).ok_or_else(|| at.error(value, "expected an address"));
    let mac = || {
        let [.., a, b, c, d, e, f] = address(Format::Ethernet)?.to_be_bytes();
        Ok([a, b, c, d, e, f])
    };
    let ipv4 = || Ok((address(Format::Ipv4)? as u32).into());
    let action = match pair.key {
        "output" if pair.delimiter == Some('(') => output_truncated(at, value)?,
        "output" => output(at, value)?,
        "CONTROLLER" | "controller" => controller(at, pair)?,
        "enqueue" => {
            let (port, queue) = value
                .split_once([':', ','])
                .ok_or_else(|| at.error(value, "expected PORT:QUEUE"))?;
            Action::Enqueue {
                port: parse_port(at, port)?,
                queue: number(at, queue, "expected a queue's number")?,
            }
        }
        "group" => Action::Group(word()?),
        "meter" => Action::Meter(word()?),
        "set_queue" => Action::SetQueue(word()?),
        "pop_queue" => Action::PopQueue,
        "set_field" => {
            let (bits, field) = arrow(at, value)?;
            let known = Field::from_name(field)
                .ok_or_else(|| at.error(field, "expected a match field's name"))?;
            Action::SetField(parse_masked(at, known, bits)?)
        }
        "load" => {
            let (bits, target) = arrow(at, value)?;
            let target = parse_subfield(at, target)?;
            let bits: u64 = number(at, bits, "expected a number of up to 64 bits")?;
            if u128::from(bits) > target.mask() >> target.offset() {
                return Err(at.error(value, format!("the target has {} bits", target.bits())));
            }
            Action::Load {
                target,
                value: bits,
            }
        }
        "move" => {
            let (source, target) = arrow(at, value)?;
            let (source, target) = (parse_subfield(at, source)?, parse_subfield(at, target)?);
            if source.bits() != target.bits() {
                return Err(at.error(value, "expected two runs of bits of the same length"));
            }
            Action::Move { source, target }
        }
        "push_vlan" => Action::PushVlan(eth_type()?),
        "pop_vlan" | "strip_vlan" => Action::PopVlan,
        "push_mpls" => Action::PushMpls(eth_type()?),
        "pop_mpls" => Action::PopMpls(eth_type()?),
        "push_pbb" => Action::PushPbb(eth_type()?),
        "pop_pbb" => Action::PopPbb,
        "mod_vlan_vid" | "set_vlan_vid" => {
            Action::SetVlanVid(at_most(0xfff, "expected a VLAN id of 0 to 4095")? as u16)
        }
        "mod_vlan_pcp" | "set_vlan_pcp" => {
            Action::SetVlanPcp(at_most(7, "expected a priority of 0 to 7")? as u8)
        }
        "mod_dl_src" => Action::SetEthSrc(mac()?),
        "mod_dl_dst" => Action::SetEthDst(mac()?),
        "mod_nw_src" => Action::SetIpv4Src(ipv4()?),
        "mod_nw_dst" => Action::SetIpv4Dst(ipv4()?),
        "mod_nw_tos" => match byte()? {
            tos if tos & 3 == 0 => Action::SetIpTos(tos),
            _ => return Err(at.error(value, "expected a TOS byte with its two lowest bits zero")),
        },
        "mod_nw_ecn" => Action::SetIpEcn(at_most(3, "expected 0 to 3")? as u8),
        "mod_nw_ttl" => Action::SetIpTtl(byte()?),
        "mod_tp_src" => Action::SetTransportSrc(half()?),
        "mod_tp_dst" => Action::SetTransportDst(half()?),
        "set_mpls_label" => Action::SetMplsLabel(at_most(0xf_ffff, "expected a label of 20 bits")?),
        "set_mpls_tc" => Action::SetMplsTc(at_most(7, "expected 0 to 7")? as u8),
        "set_mpls_ttl" => Action::SetMplsTtl(byte()?),
        "dec_mpls_ttl" => Action::DecMplsTtl,
        "dec_ttl" if pair.delimiter == Some('(') => {
            let ids = list(value).map(|id| number(at, id, "expected a controller's id"));
            Action::DecTtlIds(ids.collect::<Result<_, _>>()?)
        }
        "dec_ttl" => Action::DecTtl,
        "copy_ttl_out" => Action::CopyTtlOut,
        "copy_ttl_in" => Action::CopyTtlIn,
        "dec_nsh_ttl" => Action::DecNshTtl,
        "resubmit" => resubmit(at, pair)?,
        "set_tunnel" | "set_tunnel64" => {
            let id: u64 = number(at, value, "expected a tunnel key of up to 64 bits")?;
            Action::SetTunnel {
                id,
                wide: pair.key == "set_tunnel64" || u32::try_from(id).is_err(),
            }
        }
        "learn" => Action::Learn(Box::new(parse_learn(at, value)?)),
        "conjunction" => conjunction(at, value)?,
        "note" => {
            let bytes = list_of_bytes(value)
                .ok_or_else(|| at.error(value, "expected pairs of hexadecimal digits"))?;
            let length = bytes
                .len()
                .saturating_add(10)
                .next_multiple_of(8)
                .saturating_sub(10);
            Action::Note(
                bytes
                    .into_iter()
                    .chain(std::iter::repeat(0))
                    .take(length)
                    .collect(),
            )
        }
        "exit" => Action::Exit,
        "fin_timeout" => fin_timeout(at, value)?,
        "write_metadata" => {
            let (value, mask) = parse_metadata(at, value)?;
            Action::WriteMetadata { value, mask }
        }
        "push" => Action::StackPush(parse_subfield(at, value)?),
        "pop" => Action::StackPop(parse_subfield(at, value)?),
        "sample" => sample(at, value)?,
        "clone" => Action::Clone(parse_list(at, value, depth.saturating_add(1))?),
        "ct" => Action::Ct(Box::new(parse_ct(at, value, depth)?)),
        "ct_clear" => Action::CtClear,
        "nat" => Action::Nat(parse_nat(at, value)?),
        "multipath" => multipath(at, value)?,
        "bundle" | "bundle_load" => bundle(at, pair)?,
        "check_pkt_larger" => {
            let target = pair.suffix.strip_prefix("->").unwrap_or(pair.suffix);
            let target = parse_subfield(at, target)?;
            if target.bits() != 1 {
                return Err(at.error(pair.suffix, "expected one bit, such as ->NXM_NX_REG0[0]"));
            }
            Action::CheckPacketLarger {
                length: half()?,
                target,
            }
        }
        "delete_field" => Action::DeleteField(
            Field::from_name(value).ok_or_else(|| at.error(value, "expected a field's name"))?,
        ),
        "action" => {
            let (kind, body) = opaque(at, value)?;
            Action::Opaque(OpaqueAction { kind, body })
        }
        key => return bare_port(at, key, pair, read),
    };
    let has_suffix = !pair.suffix.is_empty() && pair.key != "check_pkt_larger";
    if has_suffix {
        return Err(at.error(pair.suffix, "expected a comma"));
    }
    read.push(action);
    Ok(())
}

/// A port's number or reserved name alone is an output.
fn bare_port(
    at: &Position<'_>,
    key: &str,
    pair: &Pair<'_>,
    read: &mut Vec<Action>,
) -> Result<(), ParseError> {
    let unknown = || {
        at.error(
            key,
            "expected an action, such as output:3, resubmit(,5) or drop",
        )
    };
    if pair.delimiter.is_some() {
        return Err(unknown());
    }
    let port = parse_port(at, key).map_err(|_| unknown())?;
    read.push(Action::output(port));
    Ok(())
}

fn arrow<'a>(at: &Position<'_>, value: &'a str) -> Result<(&'a str, &'a str), ParseError> {
    value
        .split_once("->")
        .ok_or_else(|| at.error(value, "expected VALUE->FIELD"))
}

/// Parts between commas; none if there is nothing.
fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
}

fn list_of_bytes(text: &str) -> Option<Vec<u8>> {
    parse_hex(&text.replace('.', ""))
}

fn output(at: &Position<'_>, value: &str) -> Result<Action, ParseError> {
    if value.contains('[') || Field::from_name(value).is_some() {
        return Ok(Action::OutputRegister {
            source: parse_subfield(at, value)?,
            max_len: 0xffff,
        });
    }
    Ok(match parse_port(at, value)? {
        PortNumber::CONTROLLER => Action::Output {
            port: PortNumber::CONTROLLER,
            max_len: 0xffff,
        },
        port => Action::output(port),
    })
}

fn output_truncated(at: &Position<'_>, value: &str) -> Result<Action, ParseError> {
    let (mut port, mut max_len) = (None, None);
    each_pair(at, value, |pair| {
        match pair.key {
            "port" => port = Some(parse_port(at, pair.value)?),
            "max_len" => max_len = Some(number(at, pair.value, "expected a number of bytes")?),
            _ => return Err(at.error(pair.key, "expected port or max_len")),
        }
        Ok(())
    })?;
    let both = port.zip(max_len);
    both.map(|(port, max_len)| Action::OutputTruncated { port, max_len })
        .ok_or_else(|| at.error(value, "expected port=PORT,max_len=BYTES"))
}

fn controller(at: &Position<'_>, pair: &Pair<'_>) -> Result<Action, ParseError> {
    let mut read = Controller::default();
    let plain = |max_len| Action::Output {
        port: PortNumber::CONTROLLER,
        max_len,
    };
    match pair.delimiter {
        None => return Ok(plain(0xffff)),
        Some('(') => {}
        Some(_) => return Ok(plain(number(at, pair.value, "expected a number of bytes")?)),
    }
    each_pair(at, pair.value, |part| {
        let half = || number::<u16>(at, part.value, "expected a number of 16 bits");
        match part.key {
            "reason" => {
                let reason = PacketInReason::ALL
                    .into_iter()
                    .find(|reason| reason.name() == part.value);
                read.reason = reason
                    .ok_or_else(|| at.error(part.value, "expected a reason, such as no_match"))?;
            }
            "max_len" => read.max_len = half()?,
            "id" => read.controller_id = half()?,
            "userdata" => {
                let wrong = || at.error(part.value, "expected pairs of hexadecimal digits");
                read.userdata = list_of_bytes(part.value).ok_or_else(wrong)?;
            }
            "pause" => read.pause = true,
            "meter_id" => read.meter = Some(number(at, part.value, "expected a meter's number")?),
            _ => {
                return Err(at.error(
                    part.key,
                    "expected reason, max_len, id, userdata, pause or meter_id",
                ));
            }
        }
        Ok(())
    })?;
    let only_length = Controller {
        max_len: read.max_len,
        ..Controller::default()
    };
    Ok(if read == only_length {
        plain(read.max_len)
    } else {
        Action::Controller(read)
    })
}

fn resubmit(at: &Position<'_>, pair: &Pair<'_>) -> Result<Action, ParseError> {
    let inner = |port: PortNumber| Some(port).filter(|port| *port != PortNumber::IN_PORT);
    if pair.delimiter != Some('(') {
        let port = inner(parse_port(at, pair.value)?);
        return Ok(Action::Resubmit {
            port,
            table: None,
            original_tuple: false,
        });
    }
    let mut parts = pair.value.split(',').map(str::trim);
    let port = parts.next().filter(|port| !port.is_empty());
    let table = parts.next().filter(|table| !table.is_empty());
    if port.is_none() && table.is_none() {
        return Err(at.error(pair.value, "expected PORT, ,TABLE or PORT,TABLE"));
    }
    let original_tuple = match parts.next() {
        None => false,
        Some("ct") => true,
        Some(other) => return Err(at.error(other, "expected ct")),
    };
    if let Some(extra) = parts.next() {
        return Err(at.error(extra, "expected a closing parenthesis"));
    }
    let port = port
        .map(|port| parse_port(at, port))
        .transpose()?
        .and_then(inner);
    let table = table
        .map(|table| number::<u8>(at, table, "expected a table of 0 to 254"))
        .transpose()?;
    Ok(Action::Resubmit {
        port,
        table: table.filter(|table| *table != 255),
        original_tuple,
    })
}

fn conjunction(at: &Position<'_>, value: &str) -> Result<Action, ParseError> {
    let wrong = || at.error(value, "expected ID,K/N with K of 1 to N and N of 2 to 64");
    let (id, dimension) = value.split_once(',').ok_or_else(wrong)?;
    let (clause, clauses) = dimension.trim().split_once('/').ok_or_else(wrong)?;
    let clause: u8 = number(at, clause, "expected a number")?;
    let clauses: u8 = number(at, clauses, "expected a number")?;
    if !(2..=64).contains(&clauses) || clause == 0 || clause > clauses {
        return Err(wrong());
    }
    Ok(Action::Conjunction {
        id: number(at, id, "expected a number of 32 bits")?,
        clause: clause - 1,
        clauses,
    })
}

fn fin_timeout(at: &Position<'_>, value: &str) -> Result<Action, ParseError> {
    let (mut idle, mut hard) = (0, 0);
    each_pair(at, value, |pair| {
        let seconds = number(at, pair.value, "expected seconds")?;
        match pair.key {
            "idle_timeout" => idle = seconds,
            "hard_timeout" => hard = seconds,
            _ => return Err(at.error(pair.key, "expected idle_timeout or hard_timeout")),
        }
        Ok(())
    })?;
    Ok(Action::FinTimeout { idle, hard })
}

/// Reads `VALUE[/MASK]`.
pub(super) fn parse_metadata(at: &Position<'_>, value: &str) -> Result<(u64, u64), ParseError> {
    let bits = |text| number::<u64>(at, text, "expected a number of 64 bits");
    match value.split_once('/') {
        None => Ok((bits(value)?, u64::MAX)),
        Some((value, mask)) => Ok((bits(value)?, bits(mask)?)),
    }
}

fn sample(at: &Position<'_>, value: &str) -> Result<Action, ParseError> {
    let mut read = Sample::default();
    each_pair(at, value, |pair| {
        let word = || number::<u32>(at, pair.value, "expected a number of 32 bits");
        match pair.key {
            "probability" => read.probability = number(at, pair.value, "expected 1 to 65535")?,
            "collector_set_id" => read.collector_set = word()?,
            "obs_domain_id" => read.domain = word()?,
            "obs_point_id" => read.point = word()?,
            "sampling_port" => read.sampling_port = Some(parse_port(at, pair.value)?),
            "ingress" => read.direction = SampleDirection::Ingress,
            "egress" => read.direction = SampleDirection::Egress,
            _ => {
                return Err(at.error(
                    pair.key,
                    "expected probability, collector_set_id, obs_domain_id, obs_point_id",
                ));
            }
        }
        Ok(())
    })?;
    if read.probability == 0 {
        Err(at.error(value, "expected probability=1 to 65535"))
    } else {
        Ok(Action::Sample(read))
    }
}

fn hash_fields(at: &Position<'_>, name: &str) -> Result<HashFields, ParseError> {
    let found = HashFields::ALL
        .into_iter()
        .find(|fields| hash_name(*fields) == name);
    found.ok_or_else(|| at.error(name, "expected what to hash over, such as symmetric_l4"))
}

fn multipath(at: &Position<'_>, value: &str) -> Result<Action, ParseError> {
    let parts: Vec<_> = value.split(',').map(str::trim).collect();
    let [fields, basis, algorithm, links, argument, target] = parts[..] else {
        return Err(at.error(
            value,
            "expected FIELDS,BASIS,ALGORITHM,LINKS,ARGUMENT,TARGET",
        ));
    };
    let links_number: u32 = number(at, links, "expected 1 to 65536")?;
    let max_link = links_number
        .checked_sub(1)
        .and_then(|max_link| u16::try_from(max_link).ok());
    let known = MultipathAlgorithm::ALL
        .into_iter()
        .find(|known| algorithm_name(*known) == algorithm);
    Ok(Action::Multipath(Multipath {
        fields: hash_fields(at, fields)?,
        basis: number(at, basis, "expected a number of 16 bits")?,
        algorithm: known.ok_or_else(|| {
            at.error(
                algorithm,
                "expected modulo_n, hash_threshold, hrw or iter_hash",
            )
        })?,
        max_link: max_link.ok_or_else(|| at.error(links, "expected 1 to 65536"))?,
        argument: number(at, argument, "expected a number of 32 bits")?,
        target: parse_subfield(at, target)?,
    }))
}

fn bundle(at: &Position<'_>, pair: &Pair<'_>) -> Result<Action, ParseError> {
    let wrong = || {
        at.error(
            pair.value,
            "expected FIELDS,BASIS,ALGORITHM,ofport,[TARGET,]members:PORT,PORT",
        )
    };
    let (head, members) = pair
        .value
        .split_once("members:")
        .or_else(|| pair.value.split_once("slaves:"))
        .ok_or_else(wrong)?;
    let mut parts = list(head);
    let mut next = || parts.next().ok_or_else(wrong);
    let fields = hash_fields(at, next()?)?;
    let basis = number(at, next()?, "expected a number of 16 bits")?;
    let algorithm = next()?;
    let highest_random_weight = match algorithm {
        "hrw" => true,
        "active_backup" => false,
        _ => return Err(at.error(algorithm, "expected hrw or active_backup")),
    };
    let kind = next()?;
    if kind != "ofport" {
        return Err(at.error(kind, "expected ofport"));
    }
    let target = if pair.key == "bundle_load" {
        Some(parse_subfield(at, next()?)?)
    } else {
        None
    };
    if let Some(extra) = parts.next() {
        return Err(at.error(extra, "expected members:"));
    }
    let members = list(members)
        .map(|port| parse_port(at, port))
        .collect::<Result<_, _>>()?;
    Ok(Action::Bundle(Bundle {
        fields,
        basis,
        highest_random_weight,
        members,
        target,
    }))
}

fn opaque(at: &Position<'_>, value: &str) -> Result<(u16, Vec<u8>), ParseError> {
    let (mut kind, mut body) = (None, None);
    each_pair(at, value, |pair| {
        match pair.key {
            "type" => kind = Some(number(at, pair.value, "expected a number of 16 bits")?),
            "body" => body = parse_hex(pair.value),
            _ => return Err(at.error(pair.key, "expected type or body")),
        }
        Ok(())
    })?;
    let body = body.filter(|body| body.len() % 8 == 4);
    kind.zip(body).ok_or_else(|| {
        at.error(
            value,
            "expected type=NUMBER,body=DIGITS of 4, 12, 20 bytes and so on",
        )
    })
}

pub(super) fn parse_opaque_instruction(
    at: &Position<'_>,
    pair: &Pair<'_>,
) -> Result<Instruction, ParseError> {
    let (kind, body) = opaque(at, pair.value)?;
    Ok(Instruction::Opaque { kind, body })
}
