//! A host that is not there: what would be observed where all declared devices existed. Lets
//! documents be asked on any machine.

use frame::MacAddress;
use policy::Catalog;
use policy::observation::{Observation, ObservedBridge, ObservedInterface};

/// The catalog with a device for every port, and an observation in which they all exist.
pub(crate) fn imagine(catalog: &Catalog) -> (Catalog, Observation) {
    let mut catalog = catalog.clone();
    let mut observed = Observation::default();
    let mut next = 1_u32;
    let mut index = || {
        next = next.saturating_add(1);
        next
    };
    let mut bridge = |observed: &mut Observation, name: &str, vlan: bool| {
        let entry = observed.bridges.entry(name.to_owned());
        let entry = entry.or_insert_with(|| {
            let ifindex = index();
            let [.., a, b] = ifindex.to_be_bytes();
            ObservedBridge {
                ifindex,
                mac: MacAddress([0x02, 0xb0, 0, 0, a, b]),
                vlan_filtering: false,
            }
        });
        entry.vlan_filtering |= vlan;
    };
    for network in catalog.networks.values() {
        bridge(&mut observed, &network.bridge, network.vlan.is_some());
    }
    for host in catalog.hosts.values() {
        for name in host.bridges.keys() {
            bridge(&mut observed, name, false);
        }
    }
    let mut interface = |observed: &mut Observation, name: &str, bridge: &str, pvid| {
        let interface = ObservedInterface {
            ifindex: index(),
            bridge: bridge.to_owned(),
            mac: MacAddress::ZERO,
            pvid,
        };
        observed.interfaces.insert(name.to_owned(), interface);
    };
    for host in catalog.hosts.values() {
        for (name, bridge) in &host.bridges {
            for uplink in &bridge.uplinks {
                interface(&mut observed, uplink, name, None);
            }
        }
    }
    for port in catalog.ports.values_mut() {
        let device = port
            .device
            .get_or_insert_with(|| format!("({})", port.name));
        if let Some(network) = catalog.networks.get(&port.network) {
            interface(&mut observed, device, &network.bridge, network.vlan);
        }
    }
    (catalog, observed)
}
