//! One libvirt rule as conditions on the fields of a frame, for one direction of frames. Knows what each
//! attribute looks at, and what swaps; order and verdicts are left to `flatten`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use frame::MacAddress;
use policy::program;
use policy::rule::{Field, FieldMatch, FieldValue};

use super::Refusal;
use super::conjunction::Conjunction;
use super::filter::{Attribute, Direction, FilterRule, PacketProtocol, Protocol, State, Value};

/// Frames with and without a VLAN tag. ebtables sees the tag as the protocol of the first; moat sees
/// what is behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tagging {
    Untagged,
    Tagged,
}

/// The group address of spanning-tree bridges.
const BRIDGE_GROUP: MacAddress = MacAddress([0x01, 0x80, 0xc2, 0, 0, 0]);

pub(super) const IPV4: u64 = 0x0800;
pub(super) const IPV6: u64 = 0x86dd;
const VLAN: u64 = 0x8100;

/// What the first layer (ebtables) asks of a frame; `None`: no frame fits.
pub(super) fn link_layer(
    rule: &FilterRule,
    direction: program::Direction,
    tagging: Tagging,
) -> Result<Option<Conjunction>, Refusal> {
    let swapped = rule.direction == Direction::InOut && direction == program::Direction::Out;
    let mut all = Some(Conjunction::default());
    let mut need = |one: Option<FieldMatch>| {
        all = match (all.take(), one) {
            (Some(all), Some(one)) => all.and(one),
            _ => None,
        };
    };
    let tagged = tagging == Tagging::Tagged;
    let ether_type = match rule.protocol {
        None | Some(Protocol::Mac) => None,
        Some(Protocol::Vlan) => {
            need(tagged.then(any_vlan));
            None
        }
        Some(Protocol::Stp) => {
            need(Some(exactly(Field::EtherDestination, mac(BRIDGE_GROUP))));
            None
        }
        Some(Protocol::Arp) => Some(0x0806),
        Some(Protocol::Rarp) => Some(0x8035),
        Some(Protocol::Ip) => Some(IPV4),
        Some(Protocol::Ipv6) => Some(IPV6),
        Some(Protocol::Packet(_)) => return Ok(None),
    };
    if let Some(value) = ether_type {
        // A tagged frame is VLAN to ebtables, whatever it carries.
        need((!tagged).then(|| number(Field::EtherType, value)));
    }
    // Ports and types exist only behind their protocol: it comes first.
    let mut attributes: Vec<&Attribute> = rule.attributes.iter().collect();
    attributes.sort_by_key(|one| one.name != "protocol");
    for attribute in attributes {
        if attribute.name == "protocolid" && tagged {
            let is_vlan = attribute.value == Value::Number(VLAN);
            if is_vlan == attribute.negated {
                need(None);
            }
            continue;
        }
        if let Some(one) = link_condition(rule, attribute, swapped)? {
            if attribute.name == "protocolid" && attribute.value == Value::Number(VLAN) {
                // Untagged frames are never VLAN.
                if !attribute.negated {
                    need(None);
                }
                continue;
            }
            need(Some(one));
        }
    }
    Ok(all)
}

fn link_condition(
    rule: &FilterRule,
    attribute: &Attribute,
    swapped: bool,
) -> Result<Option<FieldMatch>, Refusal> {
    let side = |source: Field, destination: Field, is_source: bool| {
        if is_source != swapped {
            source
        } else {
            destination
        }
    };
    let arp = matches!(rule.protocol, Some(Protocol::Arp | Protocol::Rarp));
    let stp = rule.protocol == Some(Protocol::Stp);
    let field = match attribute.name {
        "srcmacaddr" => side(Field::EtherSource, Field::EtherDestination, true),
        "dstmacaddr" => side(Field::EtherSource, Field::EtherDestination, false),
        "protocolid" | "encap-protocol" => Field::EtherType,
        "vlanid" => Field::VlanId,
        "hwtype" => Field::ArpHardwareType,
        "protocoltype" => Field::ArpProtocolType,
        "opcode" => Field::ArpOperation,
        "arpsrcmacaddr" => side(Field::ArpSenderMac, Field::ArpTargetMac, true),
        "arpdstmacaddr" => side(Field::ArpSenderMac, Field::ArpTargetMac, false),
        "arpsrcipaddr" => side(Field::ArpSenderAddress, Field::ArpTargetAddress, true),
        "arpdstipaddr" => side(Field::ArpSenderAddress, Field::ArpTargetAddress, false),
        "srcipaddr" => side(Field::SourceAddress, Field::DestinationAddress, true),
        "dstipaddr" => side(Field::SourceAddress, Field::DestinationAddress, false),
        "protocol" => Field::IpProtocol,
        "srcportstart" => side(Field::SourcePort, Field::DestinationPort, true),
        "dstportstart" => side(Field::SourcePort, Field::DestinationPort, false),
        "dscp" => Field::Dscp,
        "type" if stp => Field::StpType,
        "type" => Field::IcmpType,
        "code" => Field::IcmpCode,
        "flags" => Field::StpFlags,
        "root-priority" => Field::StpRootPriority,
        "root-address" => Field::StpRootMac,
        "root-cost" => Field::StpRootCost,
        "sender-priority" => Field::StpSenderPriority,
        "sender-address" => Field::StpSenderMac,
        "port" => Field::StpPort,
        "age" => Field::StpMessageAge,
        "max-age" => Field::StpMaxAge,
        "hello-time" => Field::StpHelloTime,
        "forward-delay" => Field::StpForwardDelay,
        "gratuitous" if arp => {
            return Err(refuse(
                attribute,
                "`gratuitous` compares two fields of a frame, which no rule of moat can: the `arp` guard \
                 refuses announcements of addresses that are not the port's",
            ));
        }
        // Companions are read with what they belong to.
        _ => return Ok(None),
    };
    condition(rule, attribute, field).map(Some)
}

/// What the second layer (iptables) asks of a packet; `None`: the rule is not there in this direction.
pub(super) fn packet_layer(
    rule: &FilterRule,
    protocol: PacketProtocol,
    direction: program::Direction,
) -> Result<Option<Conjunction>, Refusal> {
    let swapped = (direction == program::Direction::Out) != (rule.direction == Direction::Out);
    let icmp_types = ["type", "code"]
        .iter()
        .any(|name| rule.attribute(name).is_some())
        && matches!(protocol.number, Some(1 | 58));
    // libvirt's ICMP types hold in the rule's own direction alone.
    if icmp_types && swapped && rule.direction != Direction::InOut {
        return Ok(None);
    }
    let ether_type = if protocol.ipv6 { IPV6 } else { IPV4 };
    let mut all = Conjunction::default().and(number(Field::EtherType, ether_type));
    if let Some(value) = protocol.number {
        all = all.and_then(|all| all.and(number(Field::IpProtocol, u64::from(value))));
    }
    let before = all.clone();
    for attribute in &rule.attributes {
        let side = |source: Field, destination: Field, is_source: bool| {
            if is_source != swapped {
                source
            } else {
                destination
            }
        };
        let field = match attribute.name {
            // iptables knows the sender's MAC only, so libvirt leaves it out the other way round.
            "srcmacaddr" if swapped => continue,
            "srcmacaddr" => Field::EtherSource,
            "srcipaddr" | "srcipfrom" => {
                side(Field::SourceAddress, Field::DestinationAddress, true)
            }
            "dstipaddr" | "dstipfrom" => {
                side(Field::SourceAddress, Field::DestinationAddress, false)
            }
            "srcportstart" => side(Field::SourcePort, Field::DestinationPort, true),
            "dstportstart" => side(Field::SourcePort, Field::DestinationPort, false),
            "dscp" => Field::Dscp,
            "type" => Field::IcmpType,
            "code" => Field::IcmpCode,
            "flags" => Field::TcpFlags,
            "option" => {
                return Err(refuse(
                    attribute,
                    "`option`: moat has no condition on TCP options",
                ));
            }
            "connlimit-above" => {
                return Err(refuse(
                    attribute,
                    "`connlimit-above`: moat does not count connections; limits are rates of the port",
                ));
            }
            "ipset" => {
                return Err(refuse(
                    attribute,
                    "`ipset` names a set outside of libvirt, which moat cannot see: make it a Group and a \
                     rule with `from @GROUP`",
                ));
            }
            _ => continue,
        };
        let one = condition(rule, attribute, field)?;
        all = all.and_then(|all| all.and(one));
    }
    let mac_only = rule.attribute("srcmacaddr").is_some() && all == before;
    Ok(all.filter(|_| !(swapped && mac_only)))
}

/// States that an explicit `state` names.
pub(super) fn explicit_states(rule: &FilterRule) -> Option<&std::collections::BTreeSet<State>> {
    match rule.attribute("state").map(|one| &one.value) {
        Some(Value::States(states)) if !states.contains(&State::None) => Some(states),
        _ => None,
    }
}

/// An attribute with its companion as one condition.
fn condition(
    rule: &FilterRule,
    attribute: &Attribute,
    field: Field,
) -> Result<FieldMatch, Refusal> {
    let companion = super::attributes::companion(attribute.name)
        .and_then(|name| rule.attribute(name))
        .map(|one| &one.value);
    let value = match (&attribute.value, companion) {
        (Value::Variable { name, .. }, None) => FieldValue::Variable(name.clone()),
        (Value::Number(first), None) => FieldValue::Number(*first, *first),
        (Value::Number(first), Some(Value::Number(last))) => FieldValue::Number(*first, *last),
        (Value::Mac(value), None) => mac(*value),
        (Value::Mac(value), Some(Value::Mac(mask))) => FieldValue::Mac {
            value: masked(*value, *mask),
            mask: *mask,
        },
        (Value::Address(first), None) => FieldValue::Address(*first, *first),
        (Value::Address(first), Some(Value::Address(last))) => FieldValue::Address(*first, *last),
        (Value::Address(address), Some(Value::Prefix(length))) => {
            let (first, last) = network(*address, *length);
            FieldValue::Address(first, last)
        }
        (Value::Flags { mask, set }, None) => FieldValue::Flags {
            mask: *mask,
            set: *set,
        },
        _ => {
            let reason = format!(
                "`{}` is of a kind that no condition compares",
                attribute.name
            );
            return Err(refuse(attribute, &reason));
        }
    };
    Ok(FieldMatch {
        field,
        negated: attribute.negated,
        values: vec![value],
    })
}

/// First and last address of a prefix.
fn network(address: IpAddr, length: u8) -> (IpAddr, IpAddr) {
    match address {
        IpAddr::V4(address) => {
            let host = u32::MAX.checked_shr(u32::from(length)).unwrap_or(0);
            let bits = u32::from(address);
            let last = Ipv4Addr::from(bits | host);
            (Ipv4Addr::from(bits & !host).into(), last.into())
        }
        IpAddr::V6(address) => {
            let host = u128::MAX.checked_shr(u32::from(length)).unwrap_or(0);
            let bits = u128::from(address);
            let last = Ipv6Addr::from(bits | host);
            (Ipv6Addr::from(bits & !host).into(), last.into())
        }
    }
}

fn masked(mac: MacAddress, mask: MacAddress) -> MacAddress {
    let mut bytes = mac.0;
    for (byte, mask) in bytes.iter_mut().zip(mask.0) {
        *byte &= mask;
    }
    MacAddress(bytes)
}

fn mac(value: MacAddress) -> FieldValue {
    FieldValue::Mac {
        value,
        mask: MacAddress::BROADCAST,
    }
}

fn exactly(field: Field, value: FieldValue) -> FieldMatch {
    FieldMatch {
        field,
        negated: false,
        values: vec![value],
    }
}

pub(super) fn number(field: Field, value: u64) -> FieldMatch {
    exactly(field, FieldValue::Number(value, value))
}

/// What every tagged frame has, and no other.
pub(super) fn any_vlan() -> FieldMatch {
    exactly(Field::VlanId, FieldValue::Number(0, 4095))
}

/// Which frames the root chain sends to a chain; `None`: none of these.
pub(super) fn chain_condition(chain: &str, tagging: Tagging) -> Option<Conjunction> {
    let all = Conjunction::default();
    let tagged = tagging == Tagging::Tagged;
    let protocol = chain.split('-').next().unwrap_or(chain);
    let untagged = |value| (!tagged).then(|| number(Field::EtherType, value));
    let one = match protocol {
        "vlan" => tagged.then(any_vlan),
        "stp" => Some(exactly(Field::EtherDestination, mac(BRIDGE_GROUP))),
        "arp" => untagged(0x0806),
        "rarp" => untagged(0x8035),
        "ipv4" => untagged(IPV4),
        "ipv6" => untagged(IPV6),
        _ => return Some(all),
    };
    all.and(one?)
}

fn refuse(attribute: &Attribute, reason: &str) -> Refusal {
    Refusal {
        reason: reason.to_owned(),
        origin: attribute.origin.clone(),
    }
}
