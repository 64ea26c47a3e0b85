use crate::document::{Document, Network};

use super::*;
use crate::Catalog;
use crate::language::{Source, load};

const DOCUMENTS: &str = "\
kind: Profile
name: web
---
kind: Profile
name: plain
---
kind: Network
name: tenant
bridge: br0
profiles: [plain]
---
kind: Network
name: bare
bridge: br2
---
kind: Host
name: hv-1
profiles: [plain]
bridges: {br0: {managed: true}}
---
kind: Port
name: web-1/0
mac: 52:54:00:00:00:01
network: tenant
profiles: [web]
addresses: [10.0.0.1]
";

fn documents() -> Catalog {
    load(&[Source::new("here.yaml", DOCUMENTS)]).unwrap_or_else(|error| panic!("{error:?}"))
}

fn claim(port: &str, last: u8) -> Claim {
    Claim {
        port: port.to_owned(),
        source: "libvirt".to_owned(),
        device: Some(format!("vnet{last}")),
        mac: MacAddress::from([0x52, 0x54, 0, 0, 0, last]),
        bridge: Some("br0".to_owned()),
        ..Claim::default()
    }
}

#[test]
fn document_of_the_same_mac_decides_and_the_claim_brings_the_device() {
    let mut vm = claim("other-name/0", 1);
    vm.vm = Some("web-1".to_owned());
    vm.profiles
        .insert(ProfileSource::Metadata, vec!["plain".to_owned()]);
    let settled = settle(&documents(), None, &[vm]);
    let port = &settled.catalog.ports["web-1/0"];
    assert_eq!(port.device.as_deref(), Some("vnet1"));
    assert_eq!(port.vm.as_deref(), Some("web-1"));
    assert_eq!(port.profiles, ["web"]);
    let provenance = &settled.provenance["web-1/0"];
    assert_eq!(provenance.profiles, Some(ProfileSource::PortDocument));
    assert_eq!(settled.catalog.ports.len(), 1);
}

#[test]
fn the_strongest_source_of_profiles_decides() {
    let mut vm = claim("db/0", 2);
    let found = |vm: &Claim| {
        let settled = settle(&documents(), None, std::slice::from_ref(vm));
        (
            settled.catalog.ports["db/0"].profiles.clone(),
            settled.provenance["db/0"].profiles,
        )
    };
    assert_eq!(
        found(&vm),
        (Vec::new(), Some(ProfileSource::NetworkDocument))
    );
    vm.bridge = Some("br2".to_owned());
    assert_eq!(found(&vm), (Vec::new(), Some(ProfileSource::HostDefault)));
    for source in [
        ProfileSource::SourceNetwork,
        ProfileSource::Filter,
        ProfileSource::Metadata,
    ] {
        vm.profiles.insert(source, vec!["web".to_owned()]);
        assert_eq!(found(&vm), (vec!["web".to_owned()], Some(source)));
    }
}

#[test]
fn a_wrong_mac_an_unknown_profile_or_network_refuse_the_port() {
    let mut wrong = claim("web-1/0", 9);
    let mut unknown = claim("db/0", 2);
    unknown
        .profiles
        .insert(ProfileSource::Metadata, vec!["none".to_owned()]);
    let mut nowhere = claim("db/1", 3);
    nowhere.network = Some("gone".to_owned());
    wrong.bridge = None;
    let settled = settle(&documents(), None, &[wrong, unknown, nowhere]);
    assert!(settled.catalog.ports.is_empty());
    assert!(settled.refused["web-1/0"].contains("52:54:00:00:00:01"));
    assert!(settled.refused["db/0"].contains("profile none"));
    assert!(settled.refused["db/1"].contains("network gone"));
}

#[test]
fn a_bridge_nobody_declared_is_an_open_network_of_its_name() {
    let mut vm = claim("db/0", 2);
    vm.bridge = Some("virbr0".to_owned());
    let settled = settle(&documents(), None, &[vm]);
    assert_eq!(settled.catalog.ports["db/0"].network, "virbr0");
    assert_eq!(settled.catalog.networks["virbr0"].bridge, "virbr0");
}

#[test]
fn two_networks_on_one_bridge_must_be_told_apart() {
    let mut catalog = documents();
    let mut second = catalog.networks["tenant"].clone();
    second.name = "second".to_owned();
    catalog.insert(Document::Network(second));
    let settled = settle(&catalog, None, &[claim("db/0", 2)]);
    assert!(settled.refused["db/0"].contains("second, tenant"));
}

#[test]
fn what_a_claim_brings_never_replaces_what_is_declared() {
    let mut vm = claim("db/0", 2);
    let mut profile = documents().profiles["web"].clone();
    profile.audit = true;
    vm.documents.push(Document::Profile(profile.clone()));
    profile.name = "brought".to_owned();
    vm.documents.push(Document::Profile(profile));
    let settled = settle(&documents(), None, &[vm]);
    assert!(!settled.catalog.profiles["web"].audit);
    assert!(settled.catalog.profiles["brought"].audit);
}

#[test]
fn brought_network_gives_way_to_one_that_is_declared_for_its_bridge() {
    let mut vm = claim("new-1/0", 9);
    let declared = documents()
        .networks
        .values()
        .next()
        .expect("a network")
        .clone();
    vm.network = None;
    vm.bridge = Some(declared.bridge.clone());
    vm.vlan = declared.vlan;
    vm.documents.push(Document::Network(Network {
        name: "brought".to_owned(),
        bridge: declared.bridge.clone(),
        vlan: declared.vlan,
        mac_filter: true,
        ..Network::default()
    }));
    let settled = settle(&documents(), None, std::slice::from_ref(&vm));
    assert!(!settled.catalog.networks.contains_key("brought"));
    assert_eq!(settled.catalog.ports["new-1/0"].network, declared.name);
    vm.network = Some("brought".to_owned());
    let settled = settle(&documents(), None, &[vm]);
    assert_eq!(settled.catalog.ports["new-1/0"].network, "brought");
}
