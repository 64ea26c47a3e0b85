use std::time::Duration;

use ovsdb::session::Settings;
use ovsdb::vswitch::DATABASE;
use ovsdb::{Client, Event, Watch};
use testbed::OpenVSwitch;

use super::*;

/// What a real database says after these changes of it.
fn attached(changes: &[&str]) -> Attached {
    let switch = OpenVSwitch::start().expect("a switch");
    switch.add_bridge("br0").expect("a bridge");
    for change in changes {
        let words: Vec<&str> = change.split(' ').collect();
        switch.vsctl(&words).expect("a change");
    }
    let watches = vec![
        Watch::all::<Bridge>(),
        Watch::all::<Port>(),
        Watch::all::<Interface>(),
    ];
    let target = format!("unix:{}", switch.database_socket().display());
    let target = target.parse().expect("a target");
    let mut client = Client::new(target, None, Settings::new(DATABASE, watches));
    let running = client.wait_for(Duration::from_secs(60), |_, event| {
        matches!(event, Event::Running { .. }).then_some(())
    });
    running.expect("a copy");
    Attached::of(client.cache())
}

#[test]
fn ports_are_seen_with_numbers_and_vlans() {
    let seen = attached(&[
        "add-port br0 plain -- set Interface plain type=internal ofport_request=7",
        "add-port br0 access tag=12 -- set Interface access type=internal",
        "add-port br0 trunk trunks=5,6 -- set Interface trunk type=internal",
        "add-port br0 native trunks=5 tag=9 vlan_mode=native-untagged -- set Interface native type=internal",
        "add-port br0 tunnelled tag=9 vlan_mode=dot1q-tunnel -- set Interface tunnelled type=internal",
        "--may-exist add-port br0 missing",
        "add-bond br0 pair one two bond_mode=balance-slb -- set Interface one type=internal \
         -- set Interface two type=internal",
    ]);
    let bridge = &seen.bridges["br0"];
    let ports = &bridge.topology.ports;
    assert_eq!(
        ports.keys().collect::<Vec<_>>(),
        ["access", "native", "pair", "plain", "trunk"]
    );
    assert_eq!(
        (ports["plain"].number, &ports["plain"].vlan),
        (7, &PortVlan::Trunk)
    );
    assert_eq!(ports["access"].vlan, PortVlan::Access(12));
    let trunks = |vlans: &[u16], native| PortVlan::Trunks {
        vlans: vlans.iter().copied().collect(),
        native,
    };
    assert_eq!(ports["trunk"].vlan, trunks(&[5, 6], None));
    assert_eq!(ports["native"].vlan, trunks(&[5], Some(9)));
    let bond = ports["pair"].bond.as_ref().expect("a bond");
    assert_eq!((bond.members.len(), bond.mode), (2, BondMode::Spread));
    assert!(bond.members.contains(&ports["pair"].number));
    assert!(bridge.faults["tunnelled"].contains("dot1q-tunnel"));
    assert!(bridge.faults.contains_key("missing"), "{:?}", bridge.faults);

    let mut observed = Observation::default();
    seen.observe(&mut observed);
    assert!(observed.bridges["br0"].vlan_filtering);
    assert_eq!(observed.bridges["br0"].mac, bridge.topology.mac);
    assert_eq!(observed.interfaces["access"].pvid, Some(12));
    let mut indices: Vec<u32> = observed.interfaces.values().map(|it| it.ifindex).collect();
    indices.push(observed.bridges["br0"].ifindex);
    indices.sort_unstable();
    indices.dedup();
    assert_eq!(
        indices.len(),
        6,
        "each has an index of its own: {indices:?}"
    );
}

#[test]
fn whoever_plugs_a_machine_in_says_whose_port_it_is() {
    let libvirt = "external_ids:attached-mac=52:54:00:00:00:01 \
                   external_ids:iface-id=2d5d1ab8-6a0c-4a0e-9b1f-4b1b1b1b1b1b \
                   external_ids:vm-id=c7a5fdbd-edaf-4455-926a-d65c16db1890";
    let xapi = "external_ids:attached-mac=52:54:00:00:00:02 \
                external_ids:xs-vif-uuid=0c8ff9f5-0a38-8f2b-4c52-8bd2a5d1d6c4 \
                external_ids:xs-vm-uuid=7f3c2b1a-0000-0000-0000-000000000001 \
                external_ids:xs-network-uuid=9a9a9a9a-0000-0000-0000-000000000002";
    let words = |device: &str, ids: &str| {
        let ids: Vec<&str> = ids.split_whitespace().collect();
        format!(
            "add-port br0 {device} tag=7 -- set Interface {device} type=internal {}",
            ids.join(" ")
        )
    };
    let seen = attached(&[
        &words("vnet0", libvirt),
        &words("vif1.0", xapi),
        "add-port br0 eth9 -- set Interface eth9 type=internal",
    ]);
    let claims = seen.claims();
    let of = |device: &str| {
        let mut claims = claims.iter();
        claims.find(|claim| claim.device.as_deref() == Some(device))
    };
    assert_eq!(claims.len(), 2, "an uplink is nobody's");
    let vnet = of("vnet0").expect("a claim");
    assert_eq!(vnet.port, "2d5d1ab8-6a0c-4a0e-9b1f-4b1b1b1b1b1b");
    assert_eq!(
        vnet.uuid.as_deref(),
        Some("c7a5fdbd-edaf-4455-926a-d65c16db1890")
    );
    assert_eq!((vnet.bridge.as_deref(), vnet.vlan), (Some("br0"), Some(7)));
    assert_eq!(vnet.mac, "52:54:00:00:00:01".parse().expect("a MAC"));
    let vif = of("vif1.0").expect("a claim");
    assert_eq!(vif.port, "0c8ff9f5-0a38-8f2b-4c52-8bd2a5d1d6c4");
    assert_eq!(
        vif.labels["xs-network-uuid"],
        "9a9a9a9a-0000-0000-0000-000000000002"
    );
}
