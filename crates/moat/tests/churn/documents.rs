//! What is declared while hosts churn, and the same ports as a person would declare them. Knows the
//! texts; which of them holds is left to others.

use std::fmt::Write as _;

use testbed::forged::Identities;

/// Host, network and the port that is always there.
pub(crate) const BASE: &str = r#"kind: Host
name: hv-1
bridges: {br0: {uplinks: [up0], managed: true}}
---
kind: Network
name: lan
bridge: br0
---
kind: Port
name: peer/0
device: peer0
mac: 52:54:00:00:00:01
addresses: [10.0.0.1, "2001:db8::1"]
network: lan
profiles: [guest]
"#;

/// One of many versions of the profile that all ports have: each has other rules.
pub(crate) fn profile(version: usize) -> String {
    let mut text = format!(
        "kind: Profile\nname: guest\nversion: {}\nstateful: off\n\
         guards: [mac, ipv4, ipv6, arp, nd, no-dhcp-server, no-router-advertisement]\n\
         default: {{in: accept, out: accept}}\nrules:\n  - drop out smtp\n",
        version + 1
    );
    for number in 0..version {
        let _ = writeln!(
            text,
            "  - drop in tcp {} from 10.9.{number}.0/24",
            1000 + version
        );
    }
    if version % 2 == 1 {
        text.push_str("  - drop in udp 53 from @strangers\n---\n");
        let _ = writeln!(
            text,
            "kind: Group\nname: strangers\nmembers: [10.77.{version}.0/24]"
        );
    }
    text
}

/// Documents that must not be taken.
pub(crate) const WRONG: [&str; 4] = [
    "kind: Profile\nname: guest\nversion: 1\nrules: []\n",
    "kind: Port\nname: [",
    "kind: Policy\nname: p\nlevel: everything\nmandatory: [drop both nonsense]\n",
    "kind: Policy\nname: p\nlevel: everything\nmandatory: [drop in tcp 1 from @nobody]\n",
];

/// The port that a claim amounts to.
pub(crate) fn port(name: &str, device: &str, who: &Identities) -> String {
    format!(
        "---\nkind: Port\nname: {name}\ndevice: {device}\nmac: {}\naddresses: [{}, \"{}\"]\n\
         network: lan\nprofiles: [guest]\n",
        mac(who.mac),
        who.ipv4,
        who.ipv6
    )
}

/// What libvirt gives its hooks, without what no hook of moat's reads.
pub(crate) fn domain(number: usize, device: Option<&str>, who: &Identities) -> String {
    let mac = mac(who.mac);
    let target = device.map_or_else(String::new, |device| format!("<target dev='{device}'/>"));
    format!(
        "<domain type='kvm' id='{number}'>
  <name>vm-{number}</name>
  <uuid>c7a5fdbd-edaf-4455-926a-{number:012x}</uuid>
  <metadata>
    <moat:moat xmlns:moat='https://moat.dev/xmlns/libvirt/1'>
      <moat:profile>guest</moat:profile>
      <moat:port mac='{mac}'>
        <moat:network>lan</moat:network>
        <moat:address>{}</moat:address>
        <moat:address>{}</moat:address>
      </moat:port>
    </moat:moat>
  </metadata>
  <devices>
    <interface type='bridge'>
      <mac address='{mac}'/>
      <source bridge='br0'/>
      {target}
      <model type='virtio'/>
      <alias name='net0'/>
    </interface>
  </devices>
</domain>",
        who.ipv4, who.ipv6
    )
}

pub(crate) fn mac(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}
