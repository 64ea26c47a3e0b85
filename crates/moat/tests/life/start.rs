//! Guests start.

use testbed::forged::Kind;
use testbed::libvirtd::{Domain, Filter, Interface, Source};

use crate::documents::{guarded, host, mac, metadata};
use crate::host::{Host, attacker, forged};

const TENANTS: &str = "<network><name>tenants</name>
  <metadata><moat:moat xmlns:moat='https://moat.dev/xmlns/libvirt/1'>
    <moat:portgroup name='web'><moat:profile>by-portgroup</moat:profile></moat:portgroup>
  </moat:moat></metadata>
  <forward mode='bridge'/><bridge name='br0'/><portgroup name='web'/></network>";

/// An interface for each place that a profile can come from. Those on `br0` are held to everything; clean-traffic, on
/// `br1`, lets DHCP servers and QEMU's announcements pass.
fn domain() -> Domain {
    let mut filtered = Interface::bridge("br1", mac(2));
    filtered.filter = Some(Filter {
        name: "clean-traffic".to_owned(),
        parameters: vec![("IP".to_owned(), "10.0.0.2".to_owned())],
    });
    let tenant = Source::Network {
        name: "tenants".to_owned(),
        portgroup: Some("web".to_owned()),
    };
    let interfaces = vec![
        Interface::bridge("br0", mac(1)),
        filtered,
        Interface::on(tenant, mac(3)),
        Interface::bridge("br0", mac(4)),
        Interface::bridge("br2", mac(5)),
        Interface::bridge("br0", mac(6)),
    ];
    let mut domain = Domain::new("web-1", &attacker(), interfaces);
    let said = [
        (1, Some("by-metadata")),
        (3, None),
        (4, None),
        (5, None),
        (6, Some("by-metadata")),
    ];
    domain.metadata = metadata(&said);
    domain
}

fn documents() -> String {
    let names = [
        "by-metadata",
        "by-portgroup",
        "by-network",
        "by-host",
        "by-document",
    ];
    let profiles: String = names.iter().map(|name| guarded(name, "")).collect();
    host("hv-1", 3, "profiles: [by-host]\n")
        + &profiles
        + "kind: Network
name: lan
bridge: br0
profiles: [by-network]
---
kind: Port
name: web-1/5
vm: web-1
mac: 52:54:00:00:00:06
network: lan
addresses: [10.0.0.6, \"2001:db8::6\"]
profiles: [by-document]
"
}

#[test]
fn an_attacker_passes_nothing_from_its_first_instruction_wherever_its_profile_comes_from() {
    let mut host = Host::new("hv-1", 3);
    host.libvirt
        .give_successfully(&["net-define"], TENANTS)
        .expect("a network");
    host.libvirt
        .ask(&["net-start", "tenants"])
        .expect("a network");
    host.libvirt.define(&domain()).expect("a guest");
    let passes_clean_traffic = [Kind::DhcpServer, Kind::Rarp];
    let held: Vec<Kind> = forged()
        .into_iter()
        .filter(|kind| !passes_clean_traffic.contains(kind))
        .collect();

    // Without moat its frames get everywhere, so the counters would show it.
    let mut counts = [0, 1, 2].map(|bridge| host.count_outside(bridge, &forged()));
    host.libvirt.boot("web-1").expect("a start");
    for bridge in [0, 2] {
        counts[bridge].await_honest(100);
        assert!(counts[bridge].forged() > 100);
    }
    host.libvirt.destroy("web-1").expect("an end");

    host.protect(&documents());
    let kinds = [forged(), held, forged()];
    let mut counts = [0, 1, 2].map(|bridge| host.count_outside(bridge, &kinds[bridge]));
    let mut hosts = ["br0", "br1", "br2"].map(|bridge| host.count_at(bridge));
    host.libvirt.boot("web-1").expect("a start");
    let device = host.device("web-1", mac(1));
    let mut sent = host.count_at(&device);
    for count in &mut counts {
        count.await_honest(200);
    }
    assert!(sent.forged() > 100);
    let passed = counts.each_mut().map(|count| count.forged());
    assert_eq!(passed, [0; 3]);
    assert_eq!([hosts[0].forged(), hosts[2].forged()], [0; 2]);

    let from = |port: &str| {
        let port = host.port(port);
        assert_eq!(port["state"], "enforced", "{port}");
        let profile = port["profiles"][0].as_str().expect("a profile");
        let profile = profile.split('@').next().unwrap_or_default().to_owned();
        (
            profile,
            port["profiles-from"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
        )
    };
    let found: Vec<(String, String)> = (0..6).map(|n| from(&format!("web-1/{n}"))).collect();
    let expected = [
        ("by-metadata", "metadata"),
        ("nwfilter/clean-traffic", "filter"),
        ("by-portgroup", "source's network"),
        ("by-network", "Network document"),
        ("by-host", "Host document"),
        ("by-document", "Port document"),
    ];
    let expected = expected.map(|(profile, from)| (profile.to_owned(), from.to_owned()));
    assert_eq!(found, expected);
}
