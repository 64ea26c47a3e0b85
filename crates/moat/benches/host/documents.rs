//! The documents of a host with as many ports as asked for: one profile of twenty rules, as a web
//! server has them, and one that only guards.

use policy::language::Source;

/// Ports on each bridge: a Linux bridge takes 1,023.
pub(crate) const PORTS_PER_BRIDGE: u32 = 1_000;

/// Which profile the ports have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    WebServer,
    GuardsAlone,
}

impl Profile {
    fn name(self) -> &'static str {
        match self {
            Self::WebServer => "web-server",
            Self::GuardsAlone => "guards-alone",
        }
    }
}

/// The last rules of both directions are the ones that the measured frame (UDP to port 443) meets:
/// it is accepted by the last `in` rule, after all `out` rules let it go on to the default.
const SHARED: &str = r#"
kind: Profile
name: web-server
version: VERSION
stateful: preferred
guards: [mac, ipv4, ipv6, arp, nd, no-dhcp-server, no-router-advertisement]
default: {in: drop, out: accept}
rules:
  - accept in http, https
  - accept in ping
  - accept in ssh from @admins log
  - accept in tcp 8080, 8443 from @proxies
  - accept in tcp 9100, 9113 from @monitoring
  - accept in udp 161 from @monitoring
  - accept in tcp 5432 from 10.0.0.0/8
  - accept in tcp 6379 from 10.0.0.0/8
  - accept in tcp 3000-3010 from @admins
  - drop in tcp 23
  - drop in udp 1900
  - accept in CHANGING
  - accept in udp 443
  - drop out smtp
  - drop out tcp 23
  - drop out tcp 135-139, 445
  - drop out udp 137-138
  - drop out udp 1900, 11211
  - accept out dns to @resolvers
  - drop out udp 53
---
kind: Profile
name: guards-alone
stateful: "off"
guards: [mac, ipv4, ipv6, arp, nd, no-dhcp-server, no-router-advertisement]
default: {in: accept, out: accept}
---
kind: Group
name: admins
members: [172.16.9.0/24, 172.16.10.1, "2001:db8:9::/64"]
---
kind: Group
name: proxies
members: [172.16.11.1, 172.16.11.2, "2001:db8:b::1"]
---
kind: Group
name: monitoring
members: [172.16.12.0/28, "2001:db8:c::/64"]
---
kind: Group
name: resolvers
members: [172.16.13.53, "2001:db8:d::53"]
"#;

/// Everything but the ports. `changing` stands in the middle of the profile's rules.
pub(crate) fn shared(bridges: u32, version: u32, changing: &str) -> Source {
    let mut text = SHARED
        .replace("VERSION", &version.to_string())
        .replace("CHANGING", changing);
    let declared: Vec<String> = (0..bridges)
        .map(|bridge| format!("br{bridge}: {{managed: true}}"))
        .collect();
    text.push_str(&format!(
        "---\nkind: Host\nname: hv-1\nbridges: {{{}}}\n",
        declared.join(", ")
    ));
    for bridge in 0..bridges {
        text.push_str(&format!(
            "---\nkind: Network\nname: lan-{bridge}\nbridge: br{bridge}\nisolation: open\n"
        ));
    }
    Source::new("shared.yaml", text)
}

/// The rule that [`shared`] usually has in its profile's middle.
pub(crate) const USUAL: &str = "tcp 8000";

/// One port, as the testbed's switch names and numbers it.
pub(crate) fn port(number: u32, profile: Profile) -> Source {
    let [_, high, middle, low] = number.saturating_add(1).to_be_bytes();
    let text = format!(
        "kind: Port\nname: vm-{number}/0\nvm: vm-{number}\nlabels: {{app: web}}\ndevice: vnet{number}\n\
         mac: 52:54:00:{high:02x}:{middle:02x}:{low:02x}\n\
         addresses: [10.{high}.{middle}.{low}, \"2001:db8::{:x}\"]\n\
         network: lan-{}\nprofiles: [{}]\n",
        number.saturating_add(1),
        number / PORTS_PER_BRIDGE,
        profile.name(),
    );
    Source::new(format!("vm-{number}.yaml"), text)
}

/// A whole host: the shared documents, then one file for each port.
pub(crate) fn host(ports: u32, profile: Profile) -> Vec<Source> {
    let bridges = ports.div_ceil(PORTS_PER_BRIDGE).max(1);
    let mut sources = vec![shared(bridges, 1, USUAL)];
    sources.extend((0..ports).map(|number| port(number, profile)));
    sources
}

/// The IPv4 address of a port.
pub(crate) fn address(number: u32) -> std::net::Ipv4Addr {
    let [_, high, middle, low] = number.saturating_add(1).to_be_bytes();
    std::net::Ipv4Addr::new(10, high, middle, low)
}
