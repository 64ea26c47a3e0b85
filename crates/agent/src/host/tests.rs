use datapath::{Capabilities, Capability};
use policy::language::{Source, load};
use policy::observation::ObservedBridge;

use super::*;

const DOCUMENTS: &str = "\
kind: Profile
name: plain
stateful: off
guards: [mac]
---
kind: Profile
name: tracked
guards: [mac]
---
kind: Network
name: tenant
bridge: br0
profiles: [plain]
---
kind: Host
name: hv-1
bridges: {br0: {managed: true}}
";

fn documents(text: &str) -> Catalog {
    load(&[Source::new("here.yaml", text)]).unwrap_or_else(|error| panic!("{error}"))
}

/// A switch that cannot track connections.
fn capabilities() -> HostCapabilities {
    let present = Capability::present("tried", "nothing");
    Capabilities {
        bridge_name: present.clone(),
        limits: present.clone(),
        log: present,
        ..Capabilities::default()
    }
    .into()
}

fn interface(ifindex: u32) -> ObservedInterface {
    ObservedInterface {
        ifindex,
        bridge: "br0".to_owned(),
        mac: [0xfe, 0x54, 0, 0, 0, 1].into(),
        pvid: None,
    }
}

/// All interfaces that exist are in the bridge.
fn see(host: &mut HostState, interfaces: &[(&str, u32)]) {
    let existing = interfaces.iter().map(|(_, ifindex)| *ifindex).collect();
    host.observe(observed(interfaces), &existing);
}

fn observed(interfaces: &[(&str, u32)]) -> Observation {
    Observation {
        bridges: [("br0".to_owned(), ObservedBridge::default())].into(),
        interfaces: interfaces
            .iter()
            .map(|(name, ifindex)| ((*name).to_owned(), interface(*ifindex)))
            .collect(),
    }
}

fn claim(port: &str, device: &str) -> Claim {
    Claim {
        port: port.to_owned(),
        source: "libvirt".to_owned(),
        device: Some(device.to_owned()),
        mac: [0x52, 0x54, 0, 0, 0, 1].into(),
        bridge: Some("br0".to_owned()),
        ..Claim::default()
    }
}

fn said(vm: &str, claims: &[Claim]) -> ClaimChange {
    ClaimChange::Replace {
        vm: vm.to_owned(),
        claims: claims.to_vec(),
    }
}

fn host() -> HostState {
    let mut host = HostState::new(None);
    host.adopt(documents(DOCUMENTS));
    host
}

fn indices(host: &mut HostState) -> BTreeMap<String, u32> {
    let desired = host.desire(&capabilities());
    let program = desired.unwrap_or_else(|error| panic!("{error}")).program;
    let ports = program.ports.iter();
    ports
        .map(|(name, port)| (name.clone(), port.ifindex))
        .collect()
}

#[test]
fn a_claim_waits_for_its_interface_and_follows_it_through_a_new_name() {
    let mut host = host();
    see(&mut host, &[]);
    host.change("libvirt", said("a", &[claim("a/0", "vnet0")]));
    assert!(indices(&mut host).is_empty());
    see(&mut host, &[("vnet0", 7)]);
    assert_eq!(indices(&mut host)["a/0"], 7);
    see(&mut host, &[("renamed", 7)]);
    assert_eq!(indices(&mut host)["a/0"], 7);
}

#[test]
fn a_switch_that_notes_whose_port_it_is_gives_way_to_whoever_plugged_it_in() {
    let mut host = host();
    see(&mut host, &[("vnet0", 7), ("vnet1", 8)]);
    let noted = |port: &str, device: &str, last: u8| Claim {
        only_if_alone: true,
        mac: [0x52, 0x54, 0, 0, 0, last].into(),
        ..claim(port, device)
    };
    let claims = vec![noted("iface-1", "vnet0", 1), noted("iface-2", "vnet1", 2)];
    host.change("openvswitch", ClaimChange::ReplaceAll { claims });
    assert_eq!(
        indices(&mut host).into_keys().collect::<Vec<_>>(),
        ["iface-1", "iface-2"]
    );
    // The other one comes later, under another name.
    host.change("libvirt", said("a", &[claim("a/0", "vnet0")]));
    assert_eq!(indices(&mut host)["a/0"], 7);
    assert_eq!(indices(&mut host)["iface-2"], 8);
    assert!(!indices(&mut host).contains_key("iface-1"));
    host.change("libvirt", ClaimChange::Remove { vm: "a".to_owned() });
    assert_eq!(indices(&mut host)["iface-1"], 7);
}

#[test]
fn a_source_that_names_a_switch_the_host_has_not_is_refused() {
    let mut host = host();
    see(&mut host, &[("vnet0", 7)]);
    let plugged = Claim {
        switch: Some("openvswitch".to_owned()),
        ..claim("a/0", "vnet0")
    };
    host.change("libvirt", said("a", &[plugged]));
    let program = host.desire(&capabilities()).expect("a program").program;
    let refusal = &program.refused["a/0"];
    assert!(
        !refusal.absent && refusal.reason.contains("openvswitch"),
        "{refusal:?}"
    );
}

#[test]
fn a_reused_name_inherits_nothing() {
    let mut host = host();
    see(&mut host, &[("vnet0", 7)]);
    host.change("libvirt", said("a", &[claim("a/0", "vnet0")]));
    assert_eq!(indices(&mut host)["a/0"], 7);
    // Noticed or not, the new interface of that name is somebody else's.
    see(&mut host, &[("vnet0", 8)]);
    assert!(indices(&mut host).is_empty());
    host.change("libvirt", said("a", &[claim("a/0", "vnet0")]));
    assert_eq!(indices(&mut host)["a/0"], 8, "the source spoke again");
}

#[test]
fn an_interface_of_another_mac_is_not_the_one_that_was_claimed() {
    let mut host = host();
    see(&mut host, &[("vnet0", 7)]);
    let mut vm = claim("a/0", "vnet0");
    vm.device_mac = Some([0xfe, 0x54, 0, 0, 0, 9].into());
    host.change("libvirt", said("a", &[vm]));
    let program = host.desire(&capabilities()).map(|desired| desired.program);
    let program = program.unwrap_or_else(|error| panic!("{error}"));
    assert!(program.ports.is_empty());
    assert!(program.refused["a/0"].reason.contains("another interface"));
}

#[test]
fn one_interface_is_one_port() {
    let mut host = host();
    see(&mut host, &[("vnet0", 7)]);
    host.change("libvirt", said("a", &[claim("a/0", "vnet0")]));
    indices(&mut host);
    host.change("libvirt", said("b", &[claim("b/0", "vnet0")]));
    assert_eq!(indices(&mut host).into_keys().collect::<Vec<_>>(), ["a/0"]);
}

#[test]
fn a_resync_of_one_source_leaves_others_alone() {
    let mut host = host();
    see(&mut host, &[("vnet0", 7)]);
    host.change("moat port", said("old", &[claim("old/0", "vnet0")]));
    let all = ClaimChange::ReplaceAll { claims: Vec::new() };
    host.change("libvirt", all);
    assert_eq!(indices(&mut host).len(), 1);
}

#[test]
fn released_claims_end_with_their_interfaces() {
    let mut host = host();
    see(&mut host, &[("vnet0", 7)]);
    host.change("opennebula", said("a", &[claim("a/0", "vnet0")]));
    indices(&mut host);
    let release = ClaimChange::Release { vm: "a".to_owned() };
    host.change("opennebula", release);
    assert_eq!(indices(&mut host).len(), 1, "its interface is still there");
    assert!(host.take_ended().is_empty());
    see(&mut host, &[]);
    assert!(indices(&mut host).is_empty());
    let ended = [("opennebula".to_owned(), "a".to_owned())];
    assert_eq!(host.take_ended(), ended);
}

#[test]
fn a_port_that_the_switch_cannot_protect_holds_up_no_other() {
    let mut host = host();
    see(&mut host, &[("vnet0", 7), ("vnet1", 8)]);
    let mut tracked = claim("b/0", "vnet1");
    let wish = (
        policy::claim::ProfileSource::Metadata,
        vec!["tracked".to_owned()],
    );
    tracked.profiles.extend([wish]);
    host.change("libvirt", said("a", &[claim("a/0", "vnet0")]));
    host.change("libvirt", said("b", &[tracked]));
    let desired = host.desire(&capabilities());
    let desired = desired.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(desired.program.ports.keys().collect::<Vec<_>>(), ["a/0"]);
    assert!(
        desired.program.refused["b/0"]
            .reason
            .contains("connection-tracking")
    );
    assert_eq!(desired.program.behaviours.len(), 1);
    assert_eq!(desired.unmet.len(), 1);
}

#[test]
fn documents_that_leave_an_enforced_port_without_a_policy_are_not_taken() {
    let mut host = host();
    see(&mut host, &[("vnet0", 7)]);
    host.change("libvirt", said("a", &[claim("a/0", "vnet0")]));
    indices(&mut host);
    let needs_tracking = documents(&DOCUMENTS.replace("stateful: off\n", ""));
    let rejected = host.replace_documents(needs_tracking, &capabilities());
    let Err(RejectedDocuments::Ports(ports)) = rejected else {
        panic!("{rejected:?}");
    };
    assert_eq!(ports[0].0, "a/0");
    assert_eq!(indices(&mut host).len(), 1, "the documents before hold");
    let stricter = documents(&DOCUMENTS.replace("[mac]", "[mac, nd]"));
    host.replace_documents(stricter, &capabilities())
        .unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn the_order_of_what_is_said_does_not_matter() {
    let all = &[("vnet0", 7), ("vnet1", 8)];
    let words = [
        said("a", &[claim("a/0", "vnet0")]),
        said("b", &[claim("b/0", "vnet1")]),
    ];
    let mut one = host();
    see(&mut one, all);
    for word in words.clone() {
        one.change("libvirt", word);
        indices(&mut one);
    }
    let mut other = host();
    for word in words.into_iter().rev() {
        other.change("libvirt", word);
    }
    see(&mut other, all);
    assert_eq!(indices(&mut one), indices(&mut other));
}

#[test]
fn what_would_be_refused_is_known_before_the_interface_is_there() {
    let mut host = host();
    see(&mut host, &[]);
    let mut tracked = claim("b/0", "vnet1");
    tracked.device = None;
    host.change("libvirt", said("b", std::slice::from_ref(&tracked)));
    indices(&mut host);
    assert_eq!(host.foresee("libvirt", "b", &capabilities()), None);
    let wish = (
        policy::claim::ProfileSource::Metadata,
        vec!["tracked".to_owned()],
    );
    tracked.profiles.extend([wish]);
    host.change("libvirt", said("b", &[tracked]));
    indices(&mut host);
    let foreseen = host.foresee("libvirt", "b", &capabilities());
    let (port, reason) = foreseen.unwrap_or_else(|| panic!("it is not refused"));
    assert_eq!(port, "b/0");
    assert!(reason.contains("connection-tracking"), "{reason}");
}

#[test]
fn only_claimed_interfaces_on_bridges_that_filter_are_put_into_vlans() {
    let text = "\
kind: Profile
name: plain
stateful: off
---
kind: Network
name: tenant
bridge: br0
vlan: 7
profiles: [plain]
---
kind: Port
name: by-hand
device: vnet8
mac: 52:54:00:00:00:08
network: tenant
---
kind: Host
name: hv-1
bridges: {br0: {uplinks: [eth1]}}
";
    let mut host = HostState::new(None);
    host.adopt(documents(text));
    let mut observed = observed(&[("vnet7", 7), ("vnet8", 8), ("vnet9", 9), ("eth1", 10)]);
    let existing = [7, 8, 9, 10].into();
    let mut one = claim("a/0", "vnet7");
    one.network = Some("tenant".to_owned());
    let mut wire = claim("wire/0", "eth1");
    wire.network = Some("tenant".to_owned());
    wire.mac = [0x52, 0x54, 0, 0, 0, 9].into();
    host.change("libvirt", said("a", &[one]));
    host.change("libvirt", said("wire", &[wire]));

    host.observe(observed.clone(), &existing);
    assert!(indices(&mut host).is_empty());
    assert_eq!(host.vlans(), [], "the bridge separates nothing");

    let bridge = observed.bridges.get_mut("br0").expect("the bridge");
    bridge.vlan_filtering = true;
    host.observe(observed.clone(), &existing);
    assert!(indices(&mut host).is_empty(), "it is not in its VLAN yet");
    let wanted = WantedVlan {
        port: "a/0".to_owned(),
        device: "vnet7".to_owned(),
        ifindex: 7,
        vlan: 7,
    };
    assert_eq!(host.vlans(), [wanted]);

    let interface = observed.interfaces.get_mut("vnet7").expect("it");
    interface.pvid = Some(7);
    host.observe(observed, &existing);
    assert_eq!(indices(&mut host)["a/0"], 7);
}

/// What follows from a claim and what was kept of its interface, when a process begins anew.
fn begun_anew(before: &HostState, interfaces: &[(&str, u32)]) -> Vec<(String, u32)> {
    let mut host = HostState::new(None);
    host.adopt(documents(DOCUMENTS));
    let claims = vec![claim("web-1/0", "vnet0")];
    let vm = "web-1".to_owned();
    host.change("libvirt", ClaimChange::Replace { vm, claims });
    host.rebind(before.bound().clone());
    see(&mut host, interfaces);
    let desired = host.desire(&capabilities()).expect("a program");
    let ports = desired.program.ports.values();
    ports
        .map(|port| (port.device.clone(), port.ifindex))
        .collect()
}

#[test]
fn a_process_that_begins_anew_knows_interfaces_by_more_than_their_names() {
    let mut host = HostState::new(None);
    host.adopt(documents(DOCUMENTS));
    let claims = vec![claim("web-1/0", "vnet0")];
    let vm = "web-1".to_owned();
    host.change("libvirt", ClaimChange::Replace { vm, claims });
    see(&mut host, &[("vnet0", 7)]);
    host.desire(&capabilities()).expect("a program");

    let renamed = begun_anew(&host, &[("blue0", 7), ("vnet0", 9)]);
    assert_eq!(renamed, [("blue0".to_owned(), 7)]);
    let stranger = begun_anew(&host, &[("vnet0", 9)]);
    assert_eq!(stranger, []);
    // Also where it had gone before the process ended.
    see(&mut host, &[]);
    assert_eq!(begun_anew(&host, &[("vnet0", 9)]), []);
}

#[test]
fn a_source_that_names_another_interface_means_it() {
    let mut host = HostState::new(None);
    host.adopt(documents(DOCUMENTS));
    see(&mut host, &[("vnet0", 7), ("vnet1", 8)]);
    for (device, ifindex) in [("vnet0", 7), ("vnet1", 8)] {
        let claims = vec![claim("web-1/0", device)];
        let vm = "web-1".to_owned();
        host.change("libvirt", ClaimChange::Replace { vm, claims });
        let desired = host.desire(&capabilities()).expect("a program");
        assert_eq!(desired.program.ports["web-1/0"].ifindex, ifindex);
    }
}

#[test]
fn whatever_ends_claims_tells_of_it() {
    let mut host = HostState::new(None);
    for vm in ["a", "b", "c"] {
        let mut claim = claim(&format!("{vm}/0"), "vnet0");
        claim.uuid = Some(vm.to_owned());
        let vm = vm.to_owned();
        let claims = vec![claim];
        host.change("libvirt", ClaimChange::Replace { vm, claims });
    }
    let vm = "a".to_owned();
    host.change("libvirt", ClaimChange::Remove { vm });
    let claims = Vec::new();
    host.change("libvirt", ClaimChange::ReplaceAll { claims });
    let ended: Vec<String> = host.take_ended().into_iter().map(|(_, vm)| vm).collect();
    assert_eq!(ended, ["a", "b", "c"]);
    assert_eq!(host.released("libvirt", "a"), None);
}
