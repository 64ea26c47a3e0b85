//! Actions and instructions as text: `ct(commit,zone=5),resubmit(,3)`, `goto_table:5`. Here is what is printed and how
//! lists are read; how one action is read is in the module below.

mod one;

use std::fmt;

use super::conntrack::CtText;
use super::learn::LearnText;
use super::part::MaskedText;
use super::scan::{ParseError, Position, each_pair, number};
use super::value::{Hex, ValueText};
use crate::action::{
    Action, Controller, HashFields, MultipathAlgorithm, PacketInReason, SampleDirection,
};
use crate::field::{Format, IntoBits};
use crate::instruction::Instruction;
use crate::port_number::PortNumber;
use crate::version::Version;
use crate::wire::MAX_NESTING;

pub(super) use one::parse_one;

/// Actions as `ovs-ofctl` prints them; none is `drop`.
#[must_use]
pub fn actions(actions: &[Action]) -> impl fmt::Display + '_ {
    fmt::from_fn(move |formatter| {
        if actions.is_empty() {
            return formatter.write_str("drop");
        }
        for (place, action) in actions.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            write!(formatter, "{comma}{action}")?;
        }
        Ok(())
    })
}

/// Instructions as `ovs-ofctl` prints them behind `actions=`; none is `drop`.
#[must_use]
pub fn instructions(instructions: &[Instruction]) -> impl fmt::Display + '_ {
    fmt::from_fn(move |formatter| {
        let mut comma = "";
        for instruction in instructions {
            if let Instruction::ApplyActions(apply) = instruction
                && apply.is_empty()
            {
                continue;
            }
            write!(formatter, "{comma}{instruction}")?;
            comma = ",";
        }
        if comma.is_empty() {
            formatter.write_str("drop")
        } else {
            Ok(())
        }
    })
}

impl fmt::Display for Instruction {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::GotoTable(table) => write!(formatter, "goto_table:{table}"),
            Self::WriteMetadata { value, mask } => write_metadata(formatter, *value, *mask),
            Self::WriteActions(list) => write!(formatter, "write_actions({})", actions(list)),
            Self::ApplyActions(list) => write!(formatter, "{}", actions(list)),
            Self::ClearActions => formatter.write_str("clear_actions"),
            Self::Meter(meter) => write!(formatter, "meter:{meter}"),
            Self::Opaque { kind, body } => {
                write!(formatter, "instruction(type={kind:#x},body={})", Hex(body))
            }
        }
    }
}

/// A number as C's "%#x" prints it: zero has no prefix.
fn hexadecimal(number: u64) -> ValueText {
    ValueText {
        format: Format::Hexadecimal,
        bits: number.into(),
    }
}

fn write_metadata(formatter: &mut fmt::Formatter<'_>, value: u64, mask: u64) -> fmt::Result {
    write!(formatter, "write_metadata:{}", hexadecimal(value))?;
    if mask == u64::MAX {
        Ok(())
    } else {
        write!(formatter, "/{}", hexadecimal(mask))
    }
}

/// A port to which something is sent.
fn destination(formatter: &mut fmt::Formatter<'_>, port: PortNumber) -> fmt::Result {
    match port.name() {
        Some(name) => formatter.write_str(name),
        None => write!(formatter, "output:{port}"),
    }
}

impl fmt::Display for Action {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mac = |address: &[u8; 6]| ValueText {
            format: Format::Ethernet,
            bits: address.into_bits(),
        };
        match self {
            Self::Output {
                port: PortNumber::CONTROLLER,
                max_len,
            } => write!(formatter, "CONTROLLER:{max_len}"),
            Self::Output { port, .. } => destination(formatter, *port),
            Self::OutputRegister { source, .. } => write!(formatter, "output:{source}"),
            Self::OutputTruncated { port, max_len } => {
                write!(formatter, "output(port={port},max_len={max_len})")
            }
            Self::Controller(controller) => write_controller(formatter, controller),
            Self::Enqueue { port, queue } => write!(formatter, "enqueue:{port}:{queue}"),
            Self::Group(group) => write!(formatter, "group:{group}"),
            Self::Meter(meter) => write!(formatter, "meter:{meter}"),
            Self::SetQueue(queue) => write!(formatter, "set_queue:{queue}"),
            Self::PopQueue => formatter.write_str("pop_queue"),
            Self::SetField(wanted) | Self::LoadField(wanted) => {
                write!(
                    formatter,
                    "set_field:{}->{}",
                    MaskedText(*wanted),
                    wanted.field()
                )
            }
            Self::Load { target, value } => {
                write!(formatter, "load:{}->{target}", hexadecimal(*value))
            }
            Self::Move { source, target } => write!(formatter, "move:{source}->{target}"),
            Self::PushVlan(eth_type) => write!(formatter, "push_vlan:{eth_type:#06x}"),
            Self::PopVlan => formatter.write_str("pop_vlan"),
            Self::PushMpls(eth_type) => write!(formatter, "push_mpls:{eth_type:#06x}"),
            Self::PopMpls(eth_type) => write!(formatter, "pop_mpls:{eth_type:#06x}"),
            Self::PushPbb(eth_type) => write!(formatter, "push_pbb:{eth_type:#06x}"),
            Self::PopPbb => formatter.write_str("pop_pbb"),
            Self::SetVlanVid(id) => write!(formatter, "mod_vlan_vid:{id}"),
            Self::SetVlanPcp(pcp) => write!(formatter, "mod_vlan_pcp:{pcp}"),
            Self::SetEthSrc(address) => write!(formatter, "mod_dl_src:{}", mac(address)),
            Self::SetEthDst(address) => write!(formatter, "mod_dl_dst:{}", mac(address)),
            Self::SetIpv4Src(address) => write!(formatter, "mod_nw_src:{address}"),
            Self::SetIpv4Dst(address) => write!(formatter, "mod_nw_dst:{address}"),
            Self::SetIpTos(tos) => write!(formatter, "mod_nw_tos:{tos}"),
            Self::SetIpEcn(ecn) => write!(formatter, "mod_nw_ecn:{ecn}"),
            Self::SetIpTtl(ttl) => write!(formatter, "mod_nw_ttl:{ttl}"),
            Self::SetTransportSrc(port) => write!(formatter, "mod_tp_src:{port}"),
            Self::SetTransportDst(port) => write!(formatter, "mod_tp_dst:{port}"),
            Self::SetMplsLabel(label) => write!(formatter, "set_mpls_label({label})"),
            Self::SetMplsTc(tc) => write!(formatter, "set_mpls_tc({tc})"),
            Self::SetMplsTtl(ttl) => write!(formatter, "set_mpls_ttl({ttl})"),
            Self::DecMplsTtl => formatter.write_str("dec_mpls_ttl"),
            Self::DecTtl => formatter.write_str("dec_ttl"),
            Self::DecTtlIds(ids) => write!(formatter, "dec_ttl({})", commas(ids)),
            Self::CopyTtlOut => formatter.write_str("copy_ttl_out"),
            Self::CopyTtlIn => formatter.write_str("copy_ttl_in"),
            Self::DecNshTtl => formatter.write_str("dec_nsh_ttl"),
            Self::Resubmit {
                port,
                table,
                original_tuple,
            } => write_resubmit(formatter, *port, *table, *original_tuple),
            Self::SetTunnel { id, wide } => {
                let wide = *wide || u32::try_from(*id).is_err();
                write!(
                    formatter,
                    "set_tunnel{}:{}",
                    if wide { "64" } else { "" },
                    hexadecimal(*id)
                )
            }
            Self::Learn(learn) => write!(formatter, "{}", LearnText(learn)),
            Self::Conjunction {
                id,
                clause,
                clauses,
            } => {
                write!(
                    formatter,
                    "conjunction({id},{}/{clauses})",
                    u16::from(*clause).saturating_add(1)
                )
            }
            Self::Note(bytes) => {
                // The bytes that fill up belong to it, for nobody can tell them from the others.
                let padding = bytes
                    .len()
                    .saturating_add(10)
                    .next_multiple_of(8)
                    .saturating_sub(bytes.len())
                    - 10;
                let padded = bytes.iter().copied().chain(std::iter::repeat_n(0, padding));
                write!(formatter, "note:{}", dots(padded))
            }
            Self::Exit => formatter.write_str("exit"),
            Self::FinTimeout { idle, hard } => match (idle, hard) {
                (0, 0) => formatter.write_str("fin_timeout()"),
                (idle, 0) => write!(formatter, "fin_timeout(idle_timeout={idle})"),
                (0, hard) => write!(formatter, "fin_timeout(hard_timeout={hard})"),
                (idle, hard) => write!(
                    formatter,
                    "fin_timeout(idle_timeout={idle},hard_timeout={hard})"
                ),
            },
            Self::WriteMetadata { value, mask } => write_metadata(formatter, *value, *mask),
            Self::StackPush(part) => write!(formatter, "push:{part}"),
            Self::StackPop(part) => write!(formatter, "pop:{part}"),
            Self::Sample(sample) => {
                write!(
                    formatter,
                    "sample(probability={},collector_set_id={},obs_domain_id={},obs_point_id={}",
                    sample.probability, sample.collector_set, sample.domain, sample.point
                )?;
                if let Some(port) = sample.sampling_port {
                    write!(formatter, ",sampling_port={port}")?;
                }
                formatter.write_str(match sample.direction {
                    SampleDirection::Default => ")",
                    SampleDirection::Ingress => ",ingress)",
                    SampleDirection::Egress => ",egress)",
                })
            }
            Self::Clone(list) => write!(formatter, "clone({})", actions(list)),
            Self::Ct(ct) => write!(formatter, "{}", CtText(ct)),
            Self::CtClear => formatter.write_str("ct_clear"),
            Self::Nat(nat) => write!(formatter, "{}", super::conntrack::NatText(nat)),
            Self::Multipath(multipath) => write!(
                formatter,
                "multipath({},{},{},{},{},{})",
                hash_name(multipath.fields),
                multipath.basis,
                algorithm_name(multipath.algorithm),
                u32::from(multipath.max_link).saturating_add(1),
                multipath.argument,
                multipath.target
            ),
            Self::Bundle(bundle) => {
                let load = if bundle.target.is_some() { "_load" } else { "" };
                let algorithm = if bundle.highest_random_weight {
                    "hrw"
                } else {
                    "active_backup"
                };
                let fields = hash_name(bundle.fields);
                write!(
                    formatter,
                    "bundle{load}({fields},{},{algorithm},ofport,",
                    bundle.basis
                )?;
                if let Some(target) = bundle.target {
                    write!(formatter, "{target},")?;
                }
                write!(formatter, "members:{})", commas(&bundle.members))
            }
            Self::CheckPacketLarger { length, target } => {
                write!(formatter, "check_pkt_larger({length})->{target}")
            }
            Self::DeleteField(field) => write!(formatter, "delete_field:{field}"),
            Self::Opaque(opaque) => {
                write!(
                    formatter,
                    "action(type={:#x},body={})",
                    opaque.kind,
                    Hex(&opaque.body)
                )
            }
        }
    }
}

fn commas<T: fmt::Display>(items: &[T]) -> impl fmt::Display + '_ {
    fmt::from_fn(move |formatter| {
        items.iter().enumerate().try_for_each(|(place, item)| {
            let comma = if place == 0 { "" } else { "," };
            write!(formatter, "{comma}{item}")
        })
    })
}

/// Bytes as `ovs-ofctl` prints them: pairs of digits with dots between.
fn dots(bytes: impl Iterator<Item = u8> + Clone) -> impl fmt::Display {
    fmt::from_fn(move |formatter| {
        bytes.clone().enumerate().try_for_each(|(place, byte)| {
            let dot = if place == 0 { "" } else { "." };
            write!(formatter, "{dot}{byte:02x}")
        })
    })
}

fn write_controller(formatter: &mut fmt::Formatter<'_>, controller: &Controller) -> fmt::Result {
    let plain = Controller {
        max_len: controller.max_len,
        ..Controller::default()
    };
    if *controller == plain {
        return write!(formatter, "CONTROLLER:{}", controller.max_len);
    }
    let mut comma = "";
    let mut part = |formatter: &mut fmt::Formatter<'_>, text: fmt::Arguments<'_>| {
        let before = std::mem::replace(&mut comma, ",");
        write!(formatter, "{before}{text}")
    };
    formatter.write_str("controller(")?;
    if controller.reason != PacketInReason::Action {
        part(
            formatter,
            format_args!("reason={}", controller.reason.name()),
        )?;
    }
    if controller.max_len != 0xffff {
        part(formatter, format_args!("max_len={}", controller.max_len))?;
    }
    if controller.controller_id != 0 {
        part(formatter, format_args!("id={}", controller.controller_id))?;
    }
    if !controller.userdata.is_empty() {
        part(
            formatter,
            format_args!("userdata={}", dots(controller.userdata.iter().copied())),
        )?;
    }
    if controller.pause {
        part(formatter, format_args!("pause"))?;
    }
    if let Some(meter) = controller.meter {
        part(formatter, format_args!("meter_id={meter}"))?;
    }
    formatter.write_str(")")
}

fn write_resubmit(
    formatter: &mut fmt::Formatter<'_>,
    port: Option<PortNumber>,
    table: Option<u8>,
    original_tuple: bool,
) -> fmt::Result {
    let port = port.filter(|port| *port != PortNumber::IN_PORT);
    match (port, table, original_tuple) {
        (Some(port), None, false) => write!(formatter, "resubmit:{port}"),
        (None, None, false) => formatter.write_str("resubmit:IN_PORT"),
        _ => {
            formatter.write_str("resubmit(")?;
            if let Some(port) = port {
                write!(formatter, "{port}")?;
            }
            formatter.write_str(",")?;
            if let Some(table) = table {
                write!(formatter, "{table}")?;
            }
            formatter.write_str(if original_tuple { ",ct)" } else { ")" })
        }
    }
}

fn hash_name(fields: HashFields) -> &'static str {
    match fields {
        HashFields::EthSrc => "eth_src",
        HashFields::SymmetricL4 => "symmetric_l4",
        HashFields::SymmetricL3L4 => "symmetric_l3l4",
        HashFields::SymmetricL3L4Udp => "symmetric_l3l4+udp",
        HashFields::NwSrc => "nw_src",
        HashFields::NwDst => "nw_dst",
        HashFields::SymmetricL3 => "symmetric_l3",
    }
}

fn algorithm_name(algorithm: MultipathAlgorithm) -> &'static str {
    match algorithm {
        MultipathAlgorithm::ModuloN => "modulo_n",
        MultipathAlgorithm::HashThreshold => "hash_threshold",
        MultipathAlgorithm::Hrw => "hrw",
        MultipathAlgorithm::IterHash => "iter_hash",
    }
}

/// Reads actions, without instructions among them.
pub fn parse_actions(text: &str) -> Result<Vec<Action>, ParseError> {
    parse_list(&Position::new(text), text, 0)
}

pub(super) fn parse_list(
    at: &Position<'_>,
    text: &str,
    depth: u8,
) -> Result<Vec<Action>, ParseError> {
    if depth > MAX_NESTING {
        return Err(at.error(
            text,
            format!("actions are nested at most {MAX_NESTING} levels deep"),
        ));
    }
    let mut read = Vec::new();
    let mut dropped = None;
    each_pair(at, text, |pair| {
        if pair.key == "drop" && pair.delimiter.is_none() {
            dropped = Some(pair.key);
        } else {
            parse_one(at, &pair, depth, &mut read)?;
        }
        Ok(())
    })?;
    match dropped {
        Some(word) if !read.is_empty() => Err(at.error(word, "drop stands alone")),
        _ => Ok(read),
    }
}

/// Reads what stands behind `actions=`. In 1.5 a meter is an action; in 1.0 there are no instructions, and
/// [`Instruction::flatten`] makes actions of what this gives.
pub fn parse_instructions(text: &str, version: Version) -> Result<Vec<Instruction>, ParseError> {
    let at = Position::new(text);
    let mut apply = Vec::new();
    let (mut meter, mut clear, mut write, mut metadata, mut goto) = (None, None, None, None, None);
    let mut opaque = Vec::new();
    let mut dropped = None;
    each_pair(&at, text, |pair| {
        let place = match pair.key {
            "drop" => {
                dropped = Some(pair.key);
                return Ok(());
            }
            "meter" if version < Version::V1_5 => &mut meter,
            "clear_actions" => &mut clear,
            "write_actions" => &mut write,
            "write_metadata" => &mut metadata,
            "goto_table" => &mut goto,
            "instruction" => {
                opaque.push(one::parse_opaque_instruction(&at, &pair)?);
                return Ok(());
            }
            _ => return parse_one(&at, &pair, 0, &mut apply),
        };
        if place.is_some() {
            return Err(at.error(pair.key, "an instruction stands once at most"));
        }
        *place = Some(match pair.key {
            "meter" => Instruction::Meter(number(&at, pair.value, "expected a meter's number")?),
            "clear_actions" => Instruction::ClearActions,
            "write_actions" => Instruction::WriteActions(parse_list(&at, pair.value, 1)?),
            "write_metadata" => {
                let (value, mask) = one::parse_metadata(&at, pair.value)?;
                Instruction::WriteMetadata { value, mask }
            }
            _ => Instruction::GotoTable(number(&at, pair.value, "expected a table of 0 to 254")?),
        });
        Ok(())
    })?;
    let apply = (!apply.is_empty()).then_some(Instruction::ApplyActions(apply));
    let read: Vec<_> = [meter, apply, clear, write, metadata, goto]
        .into_iter()
        .flatten()
        .chain(opaque)
        .collect();
    match dropped {
        Some(word) if !read.is_empty() => Err(at.error(word, "drop stands alone")),
        _ => Ok(read),
    }
}
