//! A match as text, fields in the order of `ovs-ofctl`: `tcp,in_port=4,nw_src=10.0.0.0/8`.

use std::fmt;
use std::str::FromStr;

use super::part::{MaskedText, parse_masked};
use super::scan::{Pair, ParseError, Position, each_pair, number};
use super::value::{Hex, parse_hex};
use crate::field::{Field, FieldMatch};
use crate::matching::{Match, OpaqueField, vlan_tci};

/// A word that stands for an ethertype and perhaps a protocol.
const KEYWORDS: [(&str, u16, Option<u8>); 16] = [
    ("icmp", 0x0800, Some(1)),
    ("igmp", 0x0800, Some(2)),
    ("tcp", 0x0800, Some(6)),
    ("udp", 0x0800, Some(17)),
    ("sctp", 0x0800, Some(132)),
    ("icmp6", 0x86dd, Some(58)),
    ("icmpv6", 0x86dd, Some(58)),
    ("tcp6", 0x86dd, Some(6)),
    ("udp6", 0x86dd, Some(17)),
    ("sctp6", 0x86dd, Some(132)),
    ("ip", 0x0800, None),
    ("ipv6", 0x86dd, None),
    ("arp", 0x0806, None),
    ("rarp", 0x8035, None),
    ("mpls", 0x8847, None),
    ("mplsm", 0x8848, None),
];

/// How a field's value stands behind its name.
#[derive(Clone, Copy)]
enum Form {
    /// As in `set_field`.
    Plain,
    /// Decimal, but hexadecimal with a mask.
    Number,
    /// Hexadecimal of this many digits.
    Digits(usize),
    /// Shifted left by two.
    Tos,
    /// In words.
    Fragment,
    /// `(namespace,type)`.
    PacketType,
}

use Field as F;
use Form::{Digits, Fragment, Number, PacketType, Plain, Tos};

/// What `ovs-ofctl` prints before the keyword.
const BEFORE: &[(Field, &str, Form)] = &[
    (F::PktMark, "pkt_mark", Plain),
    (F::RecircId, "recirc_id", Digits(0)),
    (F::DpHash, "dp_hash", Plain),
    (F::ConjId, "conj_id", Plain),
    (F::ActsetOutput, "actset_output", Plain),
    (F::CtState, "ct_state", Plain),
    (F::CtZone, "ct_zone", Number),
    (F::CtMark, "ct_mark", Plain),
    (F::CtLabel, "ct_label", Plain),
    (F::CtNwSrc, "ct_nw_src", Plain),
    (F::CtIpv6Src, "ct_ipv6_src", Plain),
    (F::CtNwDst, "ct_nw_dst", Plain),
    (F::CtIpv6Dst, "ct_ipv6_dst", Plain),
    (F::CtNwProto, "ct_nw_proto", Plain),
    (F::CtTpSrc, "ct_tp_src", Number),
    (F::CtTpDst, "ct_tp_dst", Number),
    (F::PacketType, "packet_type", PacketType),
];

/// Between the registers and the VLAN tag.
const TUNNEL: &[(Field, &str, Form)] = &[
    (F::TunId, "tun_id", Plain),
    (F::TunSrc, "tun_src", Plain),
    (F::TunDst, "tun_dst", Plain),
    (F::TunIpv6Src, "tun_ipv6_src", Plain),
    (F::TunIpv6Dst, "tun_ipv6_dst", Plain),
    (F::TunGbpId, "tun_gbp_id", Number),
    (F::TunGbpFlags, "tun_gbp_flags", Plain),
    (F::TunErspanVer, "tun_erspan_ver", Number),
    (F::TunErspanIdx, "tun_erspan_idx", Plain),
    (F::TunErspanDir, "tun_erspan_dir", Number),
    (F::TunErspanHwid, "tun_erspan_hwid", Plain),
    (F::TunGtpuFlags, "gtpu_flags", Plain),
    (F::TunGtpuMsgtype, "gtpu_msgtype", Number),
    (F::TunFlags, "tun_flags", Plain),
    (F::Metadata, "metadata", Plain),
    (F::InPort, "in_port", Plain),
];

const ETHERNET: &[(Field, &str, Form)] =
    &[(F::EthSrc, "dl_src", Plain), (F::EthDst, "dl_dst", Plain)];

/// Behind the ethertype.
const BEHIND: &[(Field, &str, Form)] = &[
    (F::Ipv6Src, "ipv6_src", Plain),
    (F::Ipv6Dst, "ipv6_dst", Plain),
    (F::Ipv6Label, "ipv6_label", Digits(5)),
    (F::ArpSpa, "arp_spa", Plain),
    (F::ArpTpa, "arp_tpa", Plain),
    (F::Ipv4Src, "nw_src", Plain),
    (F::Ipv4Dst, "nw_dst", Plain),
    (F::IpProto, "nw_proto", Number),
    (F::ArpOp, "arp_op", Number),
    (F::ArpSha, "arp_sha", Plain),
    (F::ArpTha, "arp_tha", Plain),
    (F::NshFlags, "nsh_flags", Number),
    (F::NshTtl, "nsh_ttl", Number),
    (F::NshMdtype, "nsh_mdtype", Number),
    (F::NshNp, "nsh_np", Number),
    (F::NshSpi, "nsh_spi", Plain),
    (F::NshSi, "nsh_si", Number),
    (F::NshC1, "nsh_c1", Plain),
    (F::NshC2, "nsh_c2", Plain),
    (F::NshC3, "nsh_c3", Plain),
    (F::NshC4, "nsh_c4", Plain),
    (F::IpDscp, "nw_tos", Tos),
    (F::IpEcn, "nw_ecn", Number),
    (F::IpTtl, "nw_ttl", Number),
    (F::MplsLabel, "mpls_label", Number),
    (F::MplsTc, "mpls_tc", Number),
    (F::MplsTtl, "mpls_ttl", Number),
    (F::MplsBos, "mpls_bos", Number),
    (F::IpFrag, "nw_frag", Fragment),
    (F::IcmpType, "icmp_type", Number),
    (F::IcmpCode, "icmp_code", Number),
    (F::Icmpv6Type, "icmp_type", Number),
    (F::Icmpv6Code, "icmp_code", Number),
    (F::NdTarget, "nd_target", Plain),
    (F::NdSll, "nd_sll", Plain),
    (F::NdTll, "nd_tll", Plain),
    (F::NdReserved, "nd_reserved", Number),
    (F::NdOptionsType, "nd_options_type", Number),
    (F::TcpSrc, "tp_src", Number),
    (F::TcpDst, "tp_dst", Number),
    (F::UdpSrc, "tp_src", Number),
    (F::UdpDst, "tp_dst", Number),
    (F::SctpSrc, "tp_src", Number),
    (F::SctpDst, "tp_dst", Number),
    (F::TcpFlags, "tcp_flags", Plain),
    // Open vSwitch has none of these.
    (F::InPhyPort, "in_phy_port", Plain),
    (F::Ipv6Exthdr, "ipv6_exthdr", Plain),
    (F::PbbIsid, "pbb_isid", Number),
    (F::PbbUca, "pbb_uca", Number),
    (F::Cookie, "NXM_NX_COOKIE", Plain),
];

const FRAGMENTS: [(&str, u8, u8); 5] = [
    ("no", 0, 3),
    ("first", 1, 3),
    ("later", 3, 3),
    ("yes", 1, 1),
    ("not_later", 0, 2),
];

/// Writes the parts with commas between.
struct List<'a, 'b> {
    formatter: &'a mut fmt::Formatter<'b>,
    begun: bool,
}

impl List<'_, '_> {
    fn part(&mut self, part: fmt::Arguments<'_>) -> fmt::Result {
        if self.begun {
            self.formatter.write_str(",")?;
        }
        self.begun = true;
        self.formatter.write_fmt(part)
    }

    fn fields(
        &mut self,
        wanted: &Match,
        known: &[(Field, &str, Form)],
        without: Option<Field>,
    ) -> fmt::Result {
        for (field, name, form) in known {
            if let Some(known) = wanted.get(*field).filter(|_| Some(*field) != without) {
                // A name that means another field here gives way to one that means this field alone.
                let ambiguous =
                    choices(name).is_some_and(|list| choose(list, wanted) != Some(*field));
                let name = if ambiguous { field.header_name() } else { name };
                self.field(name, known, *form)?;
            }
        }
        Ok(())
    }

    fn field(&mut self, name: &str, known: &FieldMatch, form: Form) -> fmt::Result {
        let (value, mask, exact) = (known.value(), known.mask(), known.is_exact());
        match form {
            Plain => self.part(format_args!("{name}={}", MaskedText(*known))),
            Number if exact => self.part(format_args!("{name}={value}")),
            Number => self.part(format_args!("{name}={value:#x}/{mask:#x}")),
            Digits(0) if value == 0 => self.part(format_args!("{name}=0")),
            Digits(digits) => {
                let width = digits.saturating_add(2);
                if exact {
                    self.part(format_args!("{name}={value:#0width$x}"))
                } else {
                    self.part(format_args!("{name}={value:#0width$x}/{mask:#0width$x}"))
                }
            }
            Tos if exact => self.part(format_args!("{name}={}", value << 2)),
            Tos => self.part(format_args!("ip_dscp={}", MaskedText(*known))),
            Fragment => match FRAGMENTS
                .iter()
                .find(|(_, bits, of)| (u128::from(*bits), u128::from(*of)) == (value, mask))
            {
                Some((word, ..)) => self.part(format_args!("{name}={word}")),
                None if (value, mask) == (0, 1) => self.part(format_args!("{name}=no")),
                None if (value, mask) == (2, 2) => self.part(format_args!("{name}=later")),
                None => self.part(format_args!("{name}={value:#x}/{mask:#x}")),
            },
            PacketType if exact => self.part(format_args!(
                "{name}=({},{:#x})",
                value >> 16,
                value & 0xffff
            )),
            PacketType => self.part(format_args!("OXM_OF_PACKET_TYPE={}", MaskedText(*known))),
        }
    }
}

impl fmt::Display for Match {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = List {
            formatter,
            begun: false,
        };
        list.fields(self, BEFORE, None)?;
        let eth_type = self.exact_value(Field::EthType);
        let protocol = self.exact_value(Field::IpProto);
        let keyword = |with_protocol: Option<u128>| {
            let of = |(_, eth, proto): &&(&str, u16, Option<u8>)| {
                Some(u128::from(*eth)) == eth_type && proto.map(u128::from) == with_protocol
            };
            // Open vSwitch prints the word, but does not read it.
            KEYWORDS
                .iter()
                .find(of)
                .map(|(word, ..)| *word)
                .filter(|word| *word != "igmp")
        };
        let whole = protocol.and_then(|protocol| keyword(Some(protocol)));
        let word = whole.or_else(|| keyword(None));
        if let Some(word) = word {
            list.part(format_args!("{word}"))?;
        }
        for number in 0..16 {
            let (value, mask) = self.register(number);
            if mask == u32::MAX {
                match value {
                    0 => list.part(format_args!("reg{number}=0"))?,
                    _ => list.part(format_args!("reg{number}={value:#x}"))?,
                }
            } else if mask != 0 {
                match value {
                    0 => list.part(format_args!("reg{number}=0/{mask:#x}"))?,
                    _ => list.part(format_args!("reg{number}={value:#x}/{mask:#x}"))?,
                }
            }
        }
        list.fields(self, TUNNEL, None)?;
        write_vlan(self, &mut list)?;
        list.fields(self, ETHERNET, None)?;
        if let (Some(eth_type), None) = (self.get(Field::EthType), word) {
            list.field("dl_type", eth_type, Digits(4))?;
        }
        list.fields(self, BEHIND, whole.map(|_| Field::IpProto))?;
        for opaque in self.opaque() {
            list.part(format_args!(
                "oxm={:#010x}/{}",
                opaque.header,
                Hex(&opaque.payload)
            ))?;
        }
        Ok(())
    }
}

fn write_vlan(wanted: &Match, list: &mut List<'_, '_>) -> fmt::Result {
    let (value, mask) = vlan_tci(wanted);
    let (id, pcp) = (mask & 0xfff, mask >> 13);
    let tagged = value & mask & 0x1000 != 0;
    if tagged && matches!(id, 0 | 0xfff) && matches!(pcp, 0 | 7) && (id | pcp) != 0 {
        if id != 0 {
            list.part(format_args!("dl_vlan={}", value & 0xfff))?;
        }
        if pcp != 0 {
            list.part(format_args!("dl_vlan_pcp={}", value >> 13))?;
        }
        return Ok(());
    }
    match mask {
        0 => Ok(()),
        0xffff => list.part(format_args!("vlan_tci={value:#06x}")),
        _ => list.part(format_args!("vlan_tci={value:#06x}/{mask:#06x}")),
    }
}

/// Reads a match; every part must be one of a match.
pub fn parse_match(text: &str) -> Result<Match, ParseError> {
    let at = Position::new(text);
    parse_match_leaving(&at, text, |pair| {
        Err(at.error(pair.key, "expected a match field, such as nw_src, or tcp"))
    })
}

/// Reads a match out of `text`, a part of the text that `at` knows, and hands what is no match field to `other`:
/// priorities, timeouts and so on.
pub fn parse_match_leaving<'a>(
    at: &Position<'_>,
    text: &'a str,
    mut other: impl FnMut(Pair<'a>) -> Result<(), ParseError>,
) -> Result<Match, ParseError> {
    let mut read = Match::new();
    let mut waiting = Vec::new();
    each_pair(at, text, |pair| {
        if pair.delimiter.is_none()
            && let Some((_, eth_type, protocol)) =
                KEYWORDS.iter().find(|(word, ..)| *word == pair.key)
        {
            put(
                at,
                &mut read,
                pair.key,
                FieldMatch::exact(Field::EthType, *eth_type),
            )?;
            return match protocol {
                Some(protocol) => put(
                    at,
                    &mut read,
                    pair.key,
                    FieldMatch::exact(Field::IpProto, *protocol),
                ),
                None => Ok(()),
            };
        }
        if pair.delimiter == Some('=') && choices(pair.key).is_some() {
            waiting.push(pair);
            return Ok(());
        }
        match take(at, &mut read, &pair) {
            Some(result) => result,
            None => other(pair),
        }
    })?;
    // Which field these are depends on the ethertype and protocol, which may stand behind them.
    for pair in waiting {
        let field = choices(pair.key)
            .and_then(|list| choose(list, &read))
            .ok_or_else(|| {
                at.error(
                    pair.key,
                    "expected a word besides that says what it belongs to, such as tcp or arp",
                )
            })?;
        put(
            at,
            &mut read,
            pair.key,
            parse_masked(at, field, pair.value)?,
        )?;
    }
    Ok(read)
}

type Choice = (Option<u16>, Option<u8>, Field);

/// The fields that a name may mean, if it may mean several.
fn choices(name: &str) -> Option<&'static [Choice]> {
    WAITING
        .iter()
        .find(|(word, _)| *word == name)
        .map(|(_, choices)| *choices)
}

/// The field that is meant in this match.
fn choose(choices: &[Choice], wanted: &Match) -> Option<Field> {
    let (eth_type, protocol) = (
        wanted.exact_value(Field::EthType),
        wanted.exact_value(Field::IpProto),
    );
    let fits = |asked: Option<u128>, there: Option<u128>| asked.is_none() || asked == there;
    let chosen = choices.iter().find(|(eth, proto, _)| {
        fits(eth.map(u128::from), eth_type) && fits(proto.map(u128::from), protocol)
    });
    chosen.map(|(.., field)| *field)
}

/// Names that mean another field under another ethertype or protocol.
const WAITING: &[(&str, &[Choice])] = &[
    ("tp_src", TP_SRC),
    ("tp_dst", TP_DST),
    (
        "icmp_type",
        &[
            (Some(0x0800), Some(1), F::IcmpType),
            (Some(0x86dd), Some(58), F::Icmpv6Type),
        ],
    ),
    (
        "icmp_code",
        &[
            (Some(0x0800), Some(1), F::IcmpCode),
            (Some(0x86dd), Some(58), F::Icmpv6Code),
        ],
    ),
    (
        "nw_src",
        &[
            (Some(0x0806), None, F::ArpSpa),
            (Some(0x8035), None, F::ArpSpa),
            (None, None, F::Ipv4Src),
        ],
    ),
    (
        "nw_dst",
        &[
            (Some(0x0806), None, F::ArpTpa),
            (Some(0x8035), None, F::ArpTpa),
            (None, None, F::Ipv4Dst),
        ],
    ),
];

const TP_SRC: &[Choice] = &[
    (None, Some(6), F::TcpSrc),
    (None, Some(17), F::UdpSrc),
    (None, Some(132), F::SctpSrc),
    (Some(0x0800), Some(1), F::IcmpType),
    (Some(0x86dd), Some(58), F::Icmpv6Type),
];

const TP_DST: &[Choice] = &[
    (None, Some(6), F::TcpDst),
    (None, Some(17), F::UdpDst),
    (None, Some(132), F::SctpDst),
    (Some(0x0800), Some(1), F::IcmpCode),
    (Some(0x86dd), Some(58), F::Icmpv6Code),
];

/// Puts a field in; one that is there already with another value is an error.
fn put(
    at: &Position<'_>,
    read: &mut Match,
    key: &str,
    wanted: FieldMatch,
) -> Result<(), ParseError> {
    match read.get(wanted.field()) {
        Some(there) if *there != wanted => {
            Err(at.error(key, "this field is asked for already, with another value"))
        }
        _ => {
            read.set(wanted);
            Ok(())
        }
    }
}

/// Reads one pair; `None` if its key is no match field.
fn take(at: &Position<'_>, read: &mut Match, pair: &Pair<'_>) -> Option<Result<(), ParseError>> {
    if pair.delimiter != Some('=') {
        return None;
    }
    let value = pair.value;
    let wanted =
        match pair.key {
            "in_port" if !value.contains('/') => super::part::parse_port(at, value)
                .map(|port| FieldMatch::exact(Field::InPort, port)),
            "actset_output" if !value.contains('/') => super::part::parse_port(at, value)
                .map(|port| FieldMatch::exact(Field::ActsetOutput, port)),
            "dl_vlan" => number::<u16>(at, value, "expected a VLAN id, or 0xffff for none")
                .and_then(|id| match id {
                    0..=0xfff => Ok(FieldMatch::exact(Field::VlanVid, id | 0x1000)),
                    0xffff => Ok(FieldMatch::exact(Field::VlanVid, 0u16)),
                    _ => {
                        Err(at.error(value, "expected a VLAN id of 0 to 4095, or 0xffff for none"))
                    }
                }),
            "dl_vlan_pcp" | "vlan_pcp" => {
                return Some(parse_masked(at, Field::VlanPcp, value).and_then(|pcp| {
                    if read.get(Field::VlanVid).is_none() {
                        read.set(FieldMatch::masked(Field::VlanVid, 0x1000, 0x1000));
                    }
                    put(at, read, pair.key, pcp)
                }));
            }
            "nw_tos" => {
                number::<u8>(at, value, "expected a TOS byte").and_then(|tos| match tos & 3 {
                    0 => Ok(FieldMatch::exact(Field::IpDscp, tos >> 2)),
                    _ => Err(at.error(value, "expected a TOS byte with its two lowest bits zero")),
                })
            }
            "nw_frag" | "ip_frag" => match FRAGMENTS.iter().find(|(word, ..)| *word == value) {
                Some((_, bits, mask)) => Ok(FieldMatch::masked(Field::IpFrag, *bits, *mask)),
                None => parse_masked(at, Field::IpFrag, value),
            },
            "packet_type" => parse_packet_type(at, value),
            "gtpu_flags" => parse_masked(at, Field::TunGtpuFlags, value),
            "gtpu_msgtype" => parse_masked(at, Field::TunGtpuMsgtype, value),
            "oxm" => return Some(parse_opaque(at, value).map(|opaque| read.push_opaque(opaque))),
            // In requests the cookie is no part of the match.
            "cookie" => return None,
            "in_port" => parse_masked(at, Field::InPort, value),
            key => parse_masked(at, Field::from_name(key)?, value),
        };
    Some(wanted.and_then(|wanted| {
        let after_pcp = wanted.field() == Field::VlanVid
            && read
                .get(Field::VlanVid)
                .is_some_and(|there| (there.value(), there.mask()) == (0x1000, 0x1000));
        if after_pcp {
            read.remove(Field::VlanVid);
        }
        put(at, read, pair.key, wanted)
    }))
}

fn parse_packet_type(at: &Position<'_>, value: &str) -> Result<FieldMatch, ParseError> {
    let wrong = || at.error(value, "expected (namespace,type), such as (1,0x800)");
    let inner = value
        .strip_prefix('(')
        .and_then(|inner| inner.strip_suffix(')'))
        .ok_or_else(wrong)?;
    let (namespace, kind) = inner.split_once(',').ok_or_else(wrong)?;
    let half = |text| number::<u16>(at, text, "expected a number of 16 bits");
    Ok(FieldMatch::exact(
        Field::PacketType,
        (u32::from(half(namespace)?) << 16) | u32::from(half(kind)?),
    ))
}

fn parse_opaque(at: &Position<'_>, value: &str) -> Result<OpaqueField, ParseError> {
    let wrong = || {
        at.error(
            value,
            "expected a header and as many bytes as it says, such as 0x80001234/00",
        )
    };
    let (header, payload) = value.split_once('/').ok_or_else(wrong)?;
    let header: u32 = number(at, header, "expected a header of 32 bits")?;
    let payload = parse_hex(payload).ok_or_else(wrong)?;
    if payload.len() == (header & 0xff) as usize {
        Ok(OpaqueField { header, payload })
    } else {
        Err(wrong())
    }
}

impl FromStr for Match {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        parse_match(text)
    }
}
