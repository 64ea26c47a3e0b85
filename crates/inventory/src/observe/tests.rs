use frame::MacAddress;

use super::*;
use crate::rtnetlink::{NEW_LINK, messages};

fn recorded(bytes: &[u8]) -> Vec<Link> {
    messages(bytes)
        .map(|message| message.unwrap())
        .filter(|message| message.message_type() == NEW_LINK)
        .map(|message| Link::parse(message.payload()).unwrap())
        .collect()
}

#[test]
fn a_bridge_that_filters_vlans_is_put_together() {
    let links = recorded(include_bytes!("../../tests/recorded/links.bin"));
    let vlans = recorded(include_bytes!("../../tests/recorded/vlans.bin"));
    let seen = assemble(links, &vlans).unwrap();

    let bridges: Vec<_> = seen
        .bridges
        .iter()
        .map(|(name, bridge)| (name.as_str(), bridge.vlan_filtering))
        .collect();
    assert_eq!(bridges, [("br0", true), ("br1", false)]);
    let interfaces: Vec<_> = seen
        .interfaces
        .iter()
        .map(|(name, port)| (name.as_str(), port.bridge.as_str(), port.pvid, port.mac))
        .collect();
    let mac = |last| MacAddress([0x52, 0x54, 0, 0, 0, last]);
    assert_eq!(
        interfaces,
        [
            ("v0", "br0", Some(1), mac(0)),
            ("v1", "br0", Some(2102), mac(1)),
            // Untagged frames from v2 go nowhere.
            ("v2", "br0", None, mac(2)),
            // br1 keeps a VLAN for v3 too, but does not look at it.
            ("v3", "br1", None, mac(3)),
        ]
    );
}

#[test]
fn a_name_that_shows_twice_is_not_believed() {
    let link = |ifindex, name: &str, bridge: bool| Link {
        ifindex,
        name: name.to_owned(),
        master: (!bridge).then_some(1),
        bridge_filters_vlans: bridge.then_some(false),
        ..Link::default()
    };
    let bridge = link(1, "br0", true);
    let twice = vec![
        bridge.clone(),
        link(2, "vnet0", false),
        link(3, "vnet0", false),
    ];
    assert_eq!(assemble(twice, &[]), None);
    assert_eq!(
        assemble(vec![bridge.clone(), link(2, "br0", true)], &[]),
        None
    );
    let once = assemble(vec![bridge, link(2, "vnet0", false)], &[]).unwrap();
    assert_eq!(once.interfaces["vnet0"].ifindex, 2);
}

#[test]
fn a_port_of_something_else_than_a_bridge_is_left_out() {
    let bond = Link {
        ifindex: 1,
        name: "bond0".to_owned(),
        ..Link::default()
    };
    let port = Link {
        ifindex: 2,
        name: "eth0".to_owned(),
        master: Some(1),
        ..Link::default()
    };
    assert_eq!(
        assemble(vec![bond, port], &[]),
        Some(Observation::default())
    );
}
