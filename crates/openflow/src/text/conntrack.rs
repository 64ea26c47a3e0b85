//! `ct(...)` and `nat(...)` as text.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::action::parse_list;
use super::part::parse_subfield;
use super::scan::{ParseError, Position, each_pair, number};
use crate::action::{Action, Ct, CtZone, Nat, NatAddresses, NatSide};

pub(super) struct CtText<'a>(pub(super) &'a Ct);

impl fmt::Display for CtText<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ct = self.0;
        let mut comma = "";
        let mut part = |formatter: &mut fmt::Formatter<'_>, text: fmt::Arguments<'_>| {
            let before = std::mem::replace(&mut comma, ",");
            write!(formatter, "{before}{text}")
        };
        formatter.write_str("ct(")?;
        if ct.commit {
            part(formatter, format_args!("commit"))?;
        }
        if ct.force {
            part(formatter, format_args!("force"))?;
        }
        if let Some(table) = ct.table {
            part(formatter, format_args!("table={table}"))?;
        }
        match ct.zone {
            CtZone::Number(0) => {}
            CtZone::Number(zone) => part(formatter, format_args!("zone={zone}"))?,
            CtZone::Field(zone) => part(formatter, format_args!("zone={zone}"))?,
        }
        // A translation that comes first stands outside of `exec`.
        let rest = match ct.actions.as_slice() {
            [Action::Nat(nat), rest @ ..] => {
                part(formatter, format_args!("{}", NatText(nat)))?;
                rest
            }
            rest => rest,
        };
        if !rest.is_empty() {
            part(
                formatter,
                format_args!("exec({})", super::action::actions(rest)),
            )?;
        }
        match ct.alg {
            0 => {}
            21 => part(formatter, format_args!("alg=ftp"))?,
            69 => part(formatter, format_args!("alg=tftp"))?,
            other => part(formatter, format_args!("alg={other}"))?,
        }
        formatter.write_str(")")
    }
}

pub(super) struct NatText<'a>(pub(super) &'a Nat);

impl fmt::Display for NatText<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nat = self.0;
        let side = match nat.side {
            None if !nat.persistent && !nat.hash && !nat.random => {
                return formatter.write_str("nat");
            }
            None => "",
            Some(NatSide::Source) => "src",
            Some(NatSide::Destination) => "dst",
        };
        write!(formatter, "nat({side}")?;
        let has_range = nat.addresses != NatAddresses::Any || nat.ports.is_some();
        if has_range {
            formatter.write_str("=")?;
        }
        match nat.addresses {
            NatAddresses::Any => {}
            NatAddresses::Ipv4(first, None) => write!(formatter, "{first}")?,
            NatAddresses::Ipv4(first, Some(last)) => write!(formatter, "{first}-{last}")?,
            // Brackets keep the last group apart from a port.
            NatAddresses::Ipv6(first, None) if nat.ports.is_some() => {
                write!(formatter, "[{first}]")?
            }
            NatAddresses::Ipv6(first, Some(last)) if nat.ports.is_some() => {
                write!(formatter, "[{first}]-[{last}]")?
            }
            NatAddresses::Ipv6(first, None) => write!(formatter, "{first}")?,
            NatAddresses::Ipv6(first, Some(last)) => write!(formatter, "{first}-{last}")?,
        }
        match nat.ports {
            None => {}
            Some((first, None)) => write!(formatter, ":{first}")?,
            Some((first, Some(last))) => write!(formatter, ":{first}-{last}")?,
        }
        let mut comma = if nat.side.is_some() { "," } else { "" };
        for (set, word) in [
            (nat.persistent, "persistent"),
            (nat.hash, "hash"),
            (nat.random, "random"),
        ] {
            if set {
                write!(formatter, "{comma}{word}")?;
                comma = ",";
            }
        }
        formatter.write_str(")")
    }
}

pub(super) fn parse_ct(at: &Position<'_>, text: &str, depth: u8) -> Result<Ct, ParseError> {
    let mut read = Ct::default();
    each_pair(at, text, |pair| {
        match pair.key {
            "commit" => read.commit = true,
            "force" => read.force = true,
            "table" => {
                let table: u8 = number(at, pair.value, "expected a table of 0 to 254")?;
                if table == 255 {
                    return Err(at.error(pair.value, "expected a table of 0 to 254"));
                }
                read.table = Some(table);
            }
            "zone" => {
                read.zone = match super::value::parse_number(pair.value) {
                    Some(_) => {
                        CtZone::Number(number(at, pair.value, "expected a zone of 0 to 65535")?)
                    }
                    None => CtZone::Field(parse_subfield(at, pair.value)?),
                };
            }
            "alg" => {
                read.alg = match pair.value {
                    "ftp" => 21,
                    "tftp" => 69,
                    other => number(at, other, "expected ftp or tftp")?,
                };
            }
            "nat" => read
                .actions
                .insert(0, Action::Nat(parse_nat(at, pair.value)?)),
            "exec" => read
                .actions
                .extend(parse_list(at, pair.value, depth.saturating_add(1))?),
            _ => {
                return Err(at.error(
                    pair.key,
                    "expected commit, force, table, zone, nat, exec or alg",
                ));
            }
        }
        Ok(())
    })?;
    if read.force && !read.commit {
        return Err(at.error(text, "force needs commit"));
    }
    Ok(read)
}

pub(super) fn parse_nat(at: &Position<'_>, text: &str) -> Result<Nat, ParseError> {
    let mut read = Nat::default();
    each_pair(at, text, |pair| {
        match pair.key {
            "src" | "dst" => {
                let side = if pair.key == "src" {
                    NatSide::Source
                } else {
                    NatSide::Destination
                };
                if read.side.replace(side).is_some() {
                    return Err(at.error(pair.key, "src or dst stands once at most"));
                }
                if pair.delimiter == Some('=') {
                    parse_range(at, pair.value, &mut read)?;
                }
            }
            "persistent" => read.persistent = true,
            "hash" => read.hash = true,
            "random" => read.random = true,
            _ => return Err(at.error(pair.key, "expected src, dst, persistent, hash or random")),
        }
        Ok(())
    })?;
    if read.side.is_none() && read != Nat::default() {
        return Err(at.error(text, "expected src or dst besides"));
    }
    Ok(read)
}

/// Reads `10.0.0.1-10.0.0.5:80-90`, `fe80::1-fe80::5`, `[fe80::1]-[fe80::5]:80`.
fn parse_range(at: &Position<'_>, text: &str, nat: &mut Nat) -> Result<(), ParseError> {
    let wrong = || {
        at.error(
            text,
            "expected FIRST[-LAST][:PORT[-PORT]], IPv6 in brackets if ports follow",
        )
    };
    let (addresses, ports) = if text.starts_with('[') {
        let end = text.rfind(']').ok_or_else(wrong)?;
        let (addresses, tail) = text
            .split_at_checked(end.saturating_add(1))
            .ok_or_else(wrong)?;
        match tail.strip_prefix(':') {
            None if !tail.is_empty() => return Err(wrong()),
            ports => (addresses, ports),
        }
    } else if text.matches(':').count() > 1 {
        (text, None)
    } else {
        text.split_once(':')
            .map_or((text, None), |(addresses, ports)| (addresses, Some(ports)))
    };
    let halves = |text: &str| {
        text.split_once('-')
            .map_or((text.to_owned(), None), |(a, b)| {
                (a.to_owned(), Some(b.to_owned()))
            })
    };
    let (first, last) = halves(addresses);
    let plain = |text: &str| {
        text.trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned()
    };
    nat.addresses = if first.contains(':') {
        let ipv6 = |text: &str| plain(text).parse::<Ipv6Addr>().map_err(|_| wrong());
        NatAddresses::Ipv6(ipv6(&first)?, last.as_deref().map(ipv6).transpose()?)
    } else if first.is_empty() && last.is_none() {
        NatAddresses::Any
    } else {
        let ipv4 = |text: &str| text.parse::<Ipv4Addr>().map_err(|_| wrong());
        NatAddresses::Ipv4(ipv4(&first)?, last.as_deref().map(ipv4).transpose()?)
    };
    if let Some(ports) = ports {
        let port = |text: &str| {
            text.parse::<u16>()
                .map_err(|_| at.error(ports, "expected a port"))
        };
        let (first, last) = halves(ports);
        nat.ports = Some((port(&first)?, last.as_deref().map(port).transpose()?));
    }
    Ok(())
}
