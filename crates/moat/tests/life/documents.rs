//! Documents and metadata of these tests.

use testbed::libvirtd::mac_text;

/// The guest's MAC with this number; [`testbed::forged::Identities::of`] gives it 10.0.0.N and 2001:db8::N.
pub(crate) fn mac(number: u8) -> [u8; 6] {
    [0x52, 0x54, 0, 0, 0, number]
}

/// A host whose bridges are managed and have the uplinks that [`crate::host::Host`] plugs in.
pub(crate) fn host(name: &str, bridges: usize, more: &str) -> String {
    let bridges: Vec<String> = (0..bridges)
        .map(|number| {
            // The wire between two hypervisors is in their first bridges.
            let wire = if number == 0 { ", uplink0" } else { "" };
            format!("br{number}: {{managed: true, uplinks: [outside{number}{wire}]}}")
        })
        .collect();
    format!(
        "kind: Host\nname: {name}\nbridges: {{{}}}\n{more}---\n",
        bridges.join(", ")
    )
}

/// A profile that holds a port to its own addresses and lets it say anything under them.
pub(crate) fn guarded(name: &str, more: &str) -> String {
    profile(name, "accept", more)
}

/// As [`guarded`], and nothing passes but what makes neighbours known to each other.
pub(crate) fn closed() -> String {
    profile("closed", "drop", "")
}

fn profile(name: &str, default: &str, more: &str) -> String {
    format!(
        "kind: Profile
name: {name}
stateful: off
guards: [mac, ipv4, ipv6, arp, nd, no-dhcp-server, no-router-advertisement]
default: {{in: {default}, out: {default}}}
{more}---
"
    )
}

/// What a domain says to moat: of the interface with each number its addresses, and its profile if it has one.
pub(crate) fn metadata(ports: &[(u8, Option<&str>)]) -> String {
    let port = |(number, profile): &(u8, Option<&str>)| {
        let profile = profile.map_or_else(String::new, |name| {
            format!("<moat:profile>{name}</moat:profile>")
        });
        format!(
            "<moat:port mac='{}'>{profile}<moat:address>10.0.0.{number}</moat:address>\
             <moat:address>2001:db8::{number:x}</moat:address></moat:port>",
            mac_text(mac(*number))
        )
    };
    let ports: String = ports.iter().map(port).collect();
    format!("<moat:moat xmlns:moat='{NAMESPACE}'>{ports}</moat:moat>")
}

pub(crate) const NAMESPACE: &str = "https://moat.dev/xmlns/libvirt/1";
