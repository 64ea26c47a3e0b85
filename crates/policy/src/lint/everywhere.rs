//! The documents compiled as if every port were here and had learned what it may, once for each
//! pool: what rules meet anywhere.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::catalog::Catalog;
use crate::compile_learned;
use crate::document::{Host, Port};
use crate::learn::Learned;
use crate::observation::{Observation, ObservedBridge, ObservedInterface};
use crate::program::HostProgram;

/// Names of ports that only this module declares begin so; nobody else's can, for the blank.
pub(super) const IMAGINED: &str = " of profile ";

pub(super) fn programs(catalog: &Catalog) -> Vec<HostProgram> {
    let mut all = catalog.clone();
    imagine_ports(&mut all);
    let mut observed = Observation::default();
    for network in all.networks.values_mut() {
        // What the bridge would have to say to VLANs is not about rules.
        network.vlan = None;
        observed
            .bridges
            .insert(network.bridge.clone(), ObservedBridge::default());
    }
    for (index, port) in all.ports.values_mut().enumerate() {
        let device = format!("lint{index}");
        if let Some(network) = all.networks.get(&port.network) {
            let interface = ObservedInterface {
                ifindex: u32::try_from(index).unwrap_or(u32::MAX),
                bridge: network.bridge.clone(),
                ..ObservedInterface::default()
            };
            observed.interfaces.insert(device.clone(), interface);
        }
        port.device = Some(device);
        port.host = None;
    }
    let learned: Learned = all
        .ports
        .keys()
        .cloned()
        .zip(imagined_addresses())
        .collect();
    let mut pools: BTreeSet<Option<String>> = catalog
        .hosts
        .values()
        .map(|host| host.pool.clone())
        .collect();
    if pools.is_empty() {
        pools.insert(None);
    }
    let compiled = pools.into_iter().filter_map(|pool| {
        let host = Host {
            name: "anywhere".to_owned(),
            pool,
            ..Host::default()
        };
        all.hosts = BTreeMap::from([(host.name.clone(), host)]);
        compile_learned(&all, None, &observed, &learned).ok()
    });
    compiled.collect()
}

/// An IPv4 and an IPv6 address for each port, of prefixes for tests and documents (RFC 2544, RFC 3849).
fn imagined_addresses() -> impl Iterator<Item = BTreeSet<IpNet>> {
    (0..0x0002_0000_u32).map(|number| {
        let ipv4 = Ipv4Addr::from(0xc612_0000 | number);
        let ipv6 = Ipv6Addr::new(
            0x2001,
            0xdb8,
            0xffff,
            0,
            0,
            0,
            (number >> 16) as u16,
            number as u16,
        );
        BTreeSet::from([IpAddr::from(ipv4).into(), IpAddr::from(ipv6).into()])
    })
}

/// A profile that no port has yet is read as well.
fn imagine_ports(catalog: &mut Catalog) {
    let Some(network) = catalog.networks.keys().next().cloned() else {
        return;
    };
    let used = super::names::profiles_in_use(catalog);
    let unused: Vec<String> = catalog
        .profiles
        .keys()
        .filter(|name| !used.contains(name.as_str()))
        .cloned()
        .collect();
    for profile in unused {
        let name = format!("{IMAGINED}{profile}");
        let port = Port {
            name: name.clone(),
            network: network.clone(),
            profiles: vec![profile],
            ..Port::default()
        };
        catalog.ports.insert(name, port);
    }
}
