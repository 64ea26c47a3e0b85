//! Security groups as profiles. Knows OpenNebula's rules: each accepts something, several groups of
//! a NIC accept together, and what none of them accepts is dropped.

use std::collections::BTreeMap;
use std::net::IpAddr;

use policy::document::{Profile, Stateful};
use policy::origin::Origin;
use policy::rule::{IcmpMatch, Peer, PortRange, Protocol, Rule, RuleDirection, Term, Verdict};

use super::OpenNebulaError;
use super::input::Fields;

/// A group as a profile, and what is to note about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) profile: Profile,
    pub(super) notes: Vec<String>,
}

/// The groups of these ids, which the VM's NICs name, from the VM's rules.
///
/// # Errors
/// The first rule that cannot be enforced as it stands.
pub(super) fn groups<'a>(
    ids: impl IntoIterator<Item = u32>,
    rules: impl IntoIterator<Item = &'a Fields>,
) -> Result<BTreeMap<u32, Group>, OpenNebulaError> {
    let mut by_group: BTreeMap<u32, Vec<&Fields>> = BTreeMap::new();
    for id in ids {
        by_group.entry(id).or_default();
    }
    for rule in rules {
        let id = rule.get("SECURITY_GROUP_ID").and_then(|id| id.parse().ok());
        // Rules of groups that only NICs of other drivers have are theirs.
        if let Some(list) = id.and_then(|id| by_group.get_mut(&id)) {
            list.push(rule);
        }
    }
    by_group
        .into_iter()
        .map(|(id, rules)| Ok((id, group(id, &rules)?)))
        .collect()
}

fn group(id: u32, fields: &[&Fields]) -> Result<Group, OpenNebulaError> {
    let name = fields
        .iter()
        .find_map(|rule| rule.get("SECURITY_GROUP_NAME"));
    let title = match name {
        Some(name) => format!("{id} ({})", shown(name)),
        None => id.to_string(),
    };
    let mut notes = Vec::new();
    if fields.is_empty() {
        notes.push(format!(
            "security group {id} has no rules, so it accepts nothing"
        ));
    }
    let source: std::sync::Arc<str> = format!("OpenNebula security group {title}").into();
    let mut rules = Vec::new();
    for (index, fields) in fields.iter().enumerate() {
        let number = index.saturating_add(1);
        let read = rule(fields).map_err(|problem| OpenNebulaError::Rule {
            group: title.clone(),
            rule: number,
            problem,
        })?;
        match read {
            Some(rule) => rules.push(Rule {
                origin: Origin {
                    source: source.clone(),
                    line: number.try_into().unwrap_or(u32::MAX),
                    column: 0,
                },
                ..rule
            }),
            None => notes.push(format!(
                "rule {number} of security group {title} is about no address, so it accepts nothing"
            )),
        }
    }
    let text: Vec<String> = rules.iter().map(|rule| format!("{rule}\n")).collect();
    let profile = Profile {
        // While a change goes from VM to VM, some have the old rules and some the new.
        name: format!(
            "opennebula-group-{id}-{:016x}",
            fingerprint(text.iter().map(String::as_str))
        ),
        origin: Origin {
            source,
            ..Origin::default()
        },
        version: 1,
        stateful: Some(Stateful::Required),
        default_in: Some(Verdict::Drop),
        default_out: Some(Verdict::Drop),
        rules,
        ..Profile::default()
    };
    Ok(Group { profile, notes })
}

/// One rule; `None` where it can never accept anything.
fn rule(fields: &Fields) -> Result<Option<Rule>, String> {
    let direction = match fields
        .get("RULE_TYPE")
        .map(str::to_ascii_uppercase)
        .as_deref()
    {
        Some("INBOUND") => RuleDirection::In,
        Some("OUTBOUND") => RuleDirection::Out,
        Some(other) => return Err(format!("RULE_TYPE={other} is neither INBOUND nor OUTBOUND")),
        None => return Err("it has no RULE_TYPE".to_owned()),
    };
    let what = what(fields)?;
    let Some(peers) = peers(fields)? else {
        return Ok(None);
    };
    Ok(Some(Rule {
        verdict: Verdict::Accept,
        direction,
        what,
        peers,
        with: Vec::new(),
        log: None,
        stateless: false,
        comment: None,
        origin: Origin::default(),
    }))
}

fn what(fields: &Fields) -> Result<Vec<Term>, String> {
    let name = fields
        .get("PROTOCOL")
        .ok_or("it has no PROTOCOL")?
        .to_ascii_uppercase();
    let protocol = match name.as_str() {
        "ALL" => None,
        "TCP" => Some(Protocol::TCP),
        "UDP" => Some(Protocol::UDP),
        "ICMP" => Some(Protocol::ICMP),
        "ICMPV6" => Some(Protocol::ICMPV6),
        // As OpenNebula's own driver reads it: ESP, without the key exchange.
        "IPSEC" => Some(Protocol::Number(50)),
        _ => return Err(format!("PROTOCOL={name} is unknown")),
    };
    let only_for = |field: &str, fits: bool| match fields.get(field) {
        Some(value) if !fits => Err(format!("{field}={value} does not go with PROTOCOL={name}")),
        found => Ok(found),
    };
    let range = only_for("RANGE", protocol.is_some_and(Protocol::has_ports))?;
    let icmp = only_for("ICMP_TYPE", protocol == Some(Protocol::ICMP))?;
    let icmpv6 = only_for("ICMPV6_TYPE", protocol == Some(Protocol::ICMPV6))?;
    let Some(protocol) = protocol else {
        return Ok(Vec::new());
    };
    Ok(vec![Term::Protocol {
        protocol,
        ports: range.map(ports).transpose()?.unwrap_or_default(),
        icmp: icmp
            .or(icmpv6)
            .map(icmp_type)
            .transpose()?
            .into_iter()
            .collect(),
    }])
}

/// `22,53,80:90,1024:65535`
fn ports(text: &str) -> Result<Vec<PortRange>, String> {
    let wrong = || format!("RANGE={text} is no list of ports and ranges like 22,80:90");
    let port = |text: &str| text.trim().parse::<u16>().map_err(|_| wrong());
    text.split(',')
        .map(|item| {
            let (first, last) = item.split_once(':').unwrap_or((item, item));
            let (first, last) = (port(first)?, port(last)?);
            match first <= last {
                true => Ok(PortRange { first, last }),
                false => Err(format!(
                    "RANGE={text} has a range whose end is before its start"
                )),
            }
        })
        .collect()
}

/// `8`, or with a code: `3/4`.
fn icmp_type(text: &str) -> Result<IcmpMatch, String> {
    let wrong = || format!("`{text}` is no ICMP type, nor a type and code like 3/4");
    let number = |text: &str| text.trim().parse::<u8>().map_err(|_| wrong());
    Ok(match text.split_once('/') {
        None => IcmpMatch {
            kind: number(text)?,
            code: None,
        },
        Some((kind, code)) => IcmpMatch {
            kind: number(kind)?,
            code: Some(number(code)?),
        },
    })
}

/// Empty: anybody. `None`: a rule about addresses that has none (of a network whose range has no
/// such addresses, or that is gone), and so is about nobody.
fn peers(fields: &Fields) -> Result<Option<Vec<Peer>>, String> {
    let firsts = ["IP", "IP6", "IP6_GLOBAL", "IP6_ULA"];
    let size = fields.get("SIZE");
    let named = firsts.iter().any(|name| fields.get(name).is_some());
    if !named && size.is_none() && fields.get("NETWORK_ID").is_none() {
        return Ok(Some(Vec::new()));
    }
    let Some(size) = size else {
        return Ok(None);
    };
    let size: u128 = match size.parse() {
        Ok(size) => size,
        Err(_) => return Err(format!("SIZE={size} is no number of addresses")),
    };
    let Some(further) = size.checked_sub(1) else {
        return Ok(None);
    };
    let mut peers = Vec::new();
    for name in firsts {
        if let Some(text) = fields.get(name) {
            let first = text
                .parse()
                .map_err(|_| format!("{name}={text} is no address"))?;
            let last = following(first, further)
                .ok_or_else(|| format!("SIZE={size} addresses do not fit behind {name}={text}"))?;
            let peer = match first == last {
                true => Peer::Address(first),
                false => Peer::Range(first, last),
            };
            if !peers.contains(&peer) {
                peers.push(peer);
            }
        }
    }
    Ok((!peers.is_empty()).then_some(peers))
}

fn following(first: IpAddr, further: u128) -> Option<IpAddr> {
    match first {
        IpAddr::V4(first) => {
            let further = u32::try_from(further).ok()?;
            let last = first.to_bits().checked_add(further)?;
            Some(std::net::Ipv4Addr::from_bits(last).into())
        }
        IpAddr::V6(first) => {
            let last = first.to_bits().checked_add(further)?;
            Some(std::net::Ipv6Addr::from_bits(last).into())
        }
    }
}

/// A user's words, as they may stand in a line of ours.
pub(super) fn shown(name: &str) -> String {
    name.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(40)
        .collect()
}

/// FNV-1a, 64 bits. The group's id is in the name beside it, so whoever makes two texts meet mixes up
/// two versions of their own group.
pub(super) fn fingerprint<'a>(lines: impl IntoIterator<Item = &'a str>) -> u64 {
    let bytes = lines.into_iter().flat_map(str::bytes);
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
