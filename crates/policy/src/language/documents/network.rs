//! Networks and the ports in them.

use super::Heading;
use super::learn::learn;
use super::profile::variables;
use crate::document::{Network, Port, Role};
use crate::language::diagnostic::Finding;
use crate::language::line::Kingdom;
use crate::language::names;
use crate::language::reader::{Fields, Reader};
use crate::language::suggest::{did_you_mean, quoted};
use crate::language::values::{self, TextError};
use crate::language::words::ISOLATION;
use crate::language::yaml::Node;
use frame::MacAddress;

pub(super) fn network(
    reader: &mut Reader<'_>,
    fields: &mut Fields<'_>,
    heading: Heading,
) -> Network {
    let mut network = Network {
        name: heading.name,
        origin: heading.origin,
        comment: heading.comment,
        ..Network::default()
    };
    if let Some(node) = fields.require(reader, "bridge") {
        network.bridge = reader
            .parsed(node, "a bridge", names::interface)
            .unwrap_or_default();
    }
    if let Some(node) = fields.take(reader, "vlan") {
        network.vlan = reader.parsed(node, "a VLAN id", vlan);
    }
    if let Some(node) = fields.take(reader, "isolation") {
        network.isolation = reader
            .word(node, "a kind of isolation", ISOLATION)
            .unwrap_or_default();
    }
    if let Some(node) = fields.take(reader, "promiscuous") {
        network.promiscuous = reader.list(node, unicast).into_iter().collect();
    }
    if let Some(node) = fields.take(reader, "gateways") {
        network.gateways = reader.list(node, unicast).into_iter().collect();
    }
    if let Some(node) = fields.take(reader, "members") {
        network.members = reader.list(node, unicast).into_iter().collect();
    }
    if let Some(node) = fields.take(reader, "communities") {
        network.communities = reader.map(node, names::plain, |reader, value| {
            Some(reader.list(value, |reader, item| {
                reader.parsed(item, "a port, a machine or a MAC address", names::foreign)
            }))
        });
    }
    if let Some(node) = fields.take(reader, "mac-prefix") {
        network.mac_prefix = reader.parsed(node, "a MAC prefix", values::mac_prefix);
    }
    if let Some(node) = fields.take(reader, "mac-filter") {
        network.mac_filter = reader.boolean(node).unwrap_or_default();
    }
    if let Some(node) = fields.take(reader, "addresses") {
        network.addresses = reader.list(node, |reader, item| {
            reader.parsed(item, "a prefix", values::net)
        });
    }
    if let Some(node) = fields.take(reader, "profiles") {
        network.profiles = reader.name_list(node, Kingdom::Profile);
    }
    if let Some(node) = fields.take(reader, "learn") {
        network.learn = learn(reader, node);
    }
    network
}

pub(super) fn port(reader: &mut Reader<'_>, fields: &mut Fields<'_>, heading: Heading) -> Port {
    let mut port = Port {
        name: heading.name,
        origin: heading.origin,
        comment: heading.comment,
        ..Port::default()
    };
    if let Some(node) = fields.take(reader, "vm") {
        port.vm = reader.parsed(node, "a name", names::foreign);
    }
    if let Some(node) = fields.take(reader, "labels") {
        port.labels = reader.labels(node);
    }
    if let Some(node) = fields.take(reader, "device") {
        port.device = reader.parsed(node, "an interface", names::interface);
    }
    if let Some(node) = fields.take(reader, "host") {
        port.host = reader.parsed(node, "a name", names::plain);
    }
    if let Some(node) = fields.require(reader, "mac") {
        port.mac = unicast(reader, node).unwrap_or_default();
    }
    if let Some(node) = fields.take(reader, "addresses") {
        port.addresses = reader.list(node, |reader, item| {
            reader.parsed(item, "an address or a prefix", values::net)
        });
    }
    if let Some(node) = fields.require(reader, "network") {
        port.network = reader.reference(node, Kingdom::Network).unwrap_or_default();
    }
    if let Some(node) = fields.take(reader, "role") {
        port.role = role(reader, node).unwrap_or_default();
    }
    if let Some(node) = fields.take(reader, "profiles") {
        port.profiles = reader.name_list(node, Kingdom::Profile);
    }
    if let Some(node) = fields.take(reader, "learn") {
        port.learn = learn(reader, node);
    }
    if let Some(node) = fields.take(reader, "variables") {
        port.variables = variables(reader, node);
    }
    port
}

fn vlan(text: &str) -> Result<u16, TextError> {
    let (first, last) = values::vlans(text)?;
    if first == last {
        Ok(first)
    } else {
        Err(TextError::of(text, "a network has one VLAN id"))
    }
}

/// The MAC of one station: a source address never has the group bit (IEEE 802 clause 8.2.2).
fn unicast(reader: &mut Reader<'_>, node: &Node) -> Option<MacAddress> {
    reader.parsed(node, "a MAC address", |text| {
        let mac = values::mac(text)?;
        let [first, ..] = mac.0;
        if first & 1 != 0 {
            return Err(
                TextError::of(text, format!("`{text}` is a multicast address"))
                    .label("the first group is odd")
                    .hint("no interface has a multicast address of its own"),
            );
        }
        if mac == MacAddress::default() {
            return Err(TextError::of(
                text,
                "an interface has a MAC address other than zero",
            ));
        }
        Ok(mac)
    })
}

fn role(reader: &mut Reader<'_>, node: &Node) -> Option<Role> {
    let text = reader.text(node, "a role")?;
    match text {
        "isolated" => return Some(Role::Isolated),
        "promiscuous" => return Some(Role::Promiscuous),
        _ => {}
    }
    if text.starts_with("community:") {
        return reader.parsed(node, "a role", |text| {
            let base = "community:".len();
            let name = text.get(base..).unwrap_or("");
            names::plain(name)
                .map(Role::Community)
                .map_err(|e| e.shift(base))
        });
    }
    let finding = Finding::new(reader.place(node), format!("`{text}` is not a role"))
        .expected(quoted(["isolated", "promiscuous", "community:NAME"]))
        .maybe_hint(did_you_mean(text, ["isolated", "promiscuous"]));
    reader.report(finding);
    None
}
