//! What is plugged into the bridges of one Open vSwitch, from the copy of its database. Knows what
//! libvirt, XAPI and OpenStack write beside an interface; keeping the copy is left to `ovsdb`.

use std::collections::{BTreeMap, BTreeSet};

use frame::MacAddress;
use ovsdb::vswitch::{Bridge, Interface, Port};
use ovsdb::{Cache, Uuid};
use policy::claim::Claim;
use policy::observation::{Observation, ObservedBridge, ObservedInterface};

use crate::topology::{Bond, BondMode, PortVlan, Topology, TopologyPort};

/// Who says that a port exists, for claims that an Open vSwitch's database makes.
pub const SOURCE: &str = "openvswitch";

/// In the `external_ids` of a bridge that was taken over: the `fail_mode` that it had, and gets back.
pub(crate) const MARK: &str = "moat-fail-mode";

/// After so long without a frame the place of a MAC is forgotten, where nobody says otherwise
/// (ovs-vswitchd.conf.db(5), `other_config:mac-aging-time`).
const AGEING_SECONDS: u16 = 300;
/// Interfaces without an index of the kernel (DPDK, vhost-user) get one from their row's UUID. The
/// kernel's indices are positive as an `int`, so none of them is in this half.
const NO_KERNEL_INDEX: u32 = 1 << 31;

/// The bridges of a switch by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attached {
    pub bridges: BTreeMap<String, AttachedBridge>,
}

/// One bridge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttachedBridge {
    pub row: Uuid,
    /// `system`, `netdev`; empty: `system`.
    pub datapath_type: String,
    /// `secure`, `standalone`, `None`: as standalone.
    pub fail_mode: Option<String>,
    pub external_ids: BTreeMap<String, String>,
    /// OpenFlow versions that it speaks; empty: its own choice.
    pub protocols: BTreeSet<String>,
    /// Somebody else's controllers and ours.
    pub controllers: BTreeSet<Uuid>,
    pub ifindex: u32,
    pub topology: Topology,
    pub interfaces: BTreeMap<String, AttachedInterface>,
    /// Ports that cannot carry frames as they are, with the reason.
    pub faults: BTreeMap<String, String>,
}

/// One interface of a bridge, besides what its place in the topology says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttachedInterface {
    pub ifindex: u32,
    /// The host's side.
    pub mac: MacAddress,
    /// Of the interface and, before it, its port: later writers speak of the interface.
    pub external_ids: BTreeMap<String, String>,
}

impl Attached {
    /// Reads the copy of the database.
    pub fn of(cache: &Cache) -> Self {
        let bridges = cache.all::<Bridge>();
        let bridges = bridges.map(|bridge| (bridge.name.clone(), attached_bridge(cache, bridge)));
        Self {
            bridges: bridges.collect(),
        }
    }

    /// The bridges and interfaces as everybody else speaks of them. An Open vSwitch separates VLANs.
    pub fn observe(&self, observed: &mut Observation) {
        for (name, bridge) in &self.bridges {
            let seen = ObservedBridge {
                ifindex: bridge.ifindex,
                mac: bridge.topology.mac,
                vlan_filtering: true,
            };
            observed.bridges.insert(name.clone(), seen);
            for (device, interface) in &bridge.interfaces {
                let place = bridge.topology.ports.get(device);
                let pvid = place.and_then(|place| match &place.vlan {
                    PortVlan::Access(vlan) => Some(*vlan),
                    PortVlan::Trunks { native, .. } => *native,
                    PortVlan::Trunk => None,
                });
                let seen = ObservedInterface {
                    ifindex: interface.ifindex,
                    bridge: name.clone(),
                    mac: interface.mac,
                    pvid,
                };
                observed.interfaces.insert(device.clone(), seen);
            }
        }
    }

    /// Bridges that bear the mark of having been taken over.
    pub fn marked(&self) -> impl Iterator<Item = &String> {
        let bridges = self.bridges.iter();
        let marked = bridges.filter(|(_, bridge)| bridge.external_ids.contains_key(MARK));
        marked.map(|(name, _)| name)
    }

    /// The ports of virtual machines, where whoever plugged them in wrote their MAC beside them.
    pub fn claims(&self) -> Vec<Claim> {
        let interfaces = self.bridges.iter().flat_map(|(name, bridge)| {
            let interfaces = bridge.interfaces.iter();
            interfaces.filter_map(move |(device, interface)| {
                let place = bridge.topology.ports.get(device)?;
                claim(name, device, interface, &place.vlan)
            })
        });
        interfaces.collect()
    }
}

fn attached_bridge(cache: &Cache, bridge: Bridge) -> AttachedBridge {
    let ageing = bridge.other_config.get("mac-aging-time");
    let ageing = ageing.and_then(|text| text.parse().ok());
    let mut attached = AttachedBridge {
        row: bridge.uuid,
        datapath_type: bridge.datapath_type,
        fail_mode: bridge.fail_mode,
        external_ids: bridge.external_ids,
        protocols: bridge.protocols,
        controllers: bridge.controller,
        ifindex: 0,
        topology: Topology {
            bridge: bridge.name.clone(),
            ageing_seconds: ageing.unwrap_or(AGEING_SECONDS),
            ..Topology::default()
        },
        interfaces: BTreeMap::new(),
        faults: BTreeMap::new(),
    };
    for port in &bridge.ports {
        let Some(port) = cache.get::<Port>(*port) else {
            continue;
        };
        let interfaces = port.interfaces.iter();
        let interfaces = interfaces.filter_map(|row| cache.get::<Interface>(*row));
        let interfaces: Vec<Interface> = interfaces.collect();
        let vlan = match vlan(&port) {
            Ok(vlan) => vlan,
            Err(reason) => {
                attached.faults.insert(port.name.clone(), reason);
                continue;
            }
        };
        attached.plug(interfaces, &port, vlan);
    }
    attached
}

impl AttachedBridge {
    fn plug(&mut self, interfaces: Vec<Interface>, port: &Port, vlan: PortVlan) {
        let mut members = Vec::new();
        let mut active = None;
        let mut external_ids = port.external_ids.clone();
        let (mut kernel, mut mac) = (None, MacAddress::default());
        let is_bond = interfaces.len() > 1;
        for interface in interfaces {
            let of_kernel = interface
                .ifindex
                .and_then(|index| u32::try_from(index).ok());
            let of_kernel = of_kernel.filter(|index| *index != 0 && *index < NO_KERNEL_INDEX);
            let text = interface.mac_in_use.as_deref();
            let own = text.and_then(|text| text.parse().ok()).unwrap_or_default();
            // The bridge's own port is the host's.
            if interface.name == self.topology.bridge {
                self.ifindex = of_kernel.unwrap_or_else(|| index_of_row(interface.uuid));
                self.topology.mac = own;
                self.topology.local_vlan = match vlan {
                    PortVlan::Access(vlan) => Some(vlan),
                    _ => None,
                };
                return;
            }
            // OFPP_MAX of OpenFlow 1.0, which Open vSwitch keeps to: 0xff00.
            let number = interface
                .ofport
                .filter(|number| (1..0xff00).contains(number));
            let Some(number) = number.and_then(|number| u16::try_from(number).ok()) else {
                let reason = interface
                    .error
                    .unwrap_or_else(|| "the switch has not given it a number yet".to_owned());
                self.faults.insert(interface.name, reason);
                continue;
            };
            if members.is_empty() {
                (kernel, mac) = (of_kernel, own);
            }
            if is_bond && text.is_some() && text == port.bond_active_slave.as_deref() {
                active = Some(number);
            }
            members.push(number);
            external_ids.extend(interface.external_ids);
        }
        let Some(number) = active.or_else(|| members.first().copied()) else {
            return;
        };
        let bond = is_bond.then_some(Bond {
            members,
            mode: bond_mode(port),
        });
        self.topology.ports.insert(
            port.name.clone(),
            TopologyPort {
                number,
                bond,
                ifindex: kernel,
                vlan,
            },
        );
        self.interfaces.insert(
            port.name.clone(),
            AttachedInterface {
                ifindex: kernel.unwrap_or_else(|| index_of_row(port.uuid)),
                mac,
                external_ids,
            },
        );
    }
}

/// ovs-vswitchd.conf.db(5): without a mode, one member carries everything.
fn bond_mode(port: &Port) -> BondMode {
    match port.bond_mode.as_deref() {
        Some("balance-tcp") => BondMode::Aggregated,
        Some("balance-slb") if port.lacp.as_deref().is_some_and(|lacp| lacp != "off") => {
            BondMode::Aggregated
        }
        Some("balance-slb") => BondMode::Spread,
        _ => BondMode::ActiveBackup,
    }
}

/// An index in the half that the kernel does not use; a row's UUID is never used again.
fn index_of_row(row: Uuid) -> u32 {
    let text = row.to_string();
    let digits = text.split('-').next().unwrap_or_default();
    u32::from_str_radix(digits, 16).unwrap_or_default() | NO_KERNEL_INDEX
}

/// ovs-vswitchd.conf.db(5), `vlan_mode`: without one, a port with a tag is an access port and any
/// other a trunk.
fn vlan(port: &Port) -> Result<PortVlan, String> {
    let id = |number: i64| u16::try_from(number).ok().filter(|id| *id < 4096);
    let tag = port.tag.and_then(id);
    let vlans: BTreeSet<u16> = port.trunks.iter().copied().filter_map(id).collect();
    let usual = match tag {
        Some(_) => "access",
        None => "trunk",
    };
    match (port.vlan_mode.as_deref().unwrap_or(usual), tag) {
        ("access", Some(tag)) => Ok(PortVlan::Access(tag)),
        ("access" | "trunk", _) if vlans.is_empty() => Ok(PortVlan::Trunk),
        ("access" | "trunk", _) => Ok(PortVlan::Trunks {
            vlans,
            native: None,
        }),
        ("native-untagged", native) => Ok(PortVlan::Trunks { vlans, native }),
        (other, _) => Err(format!(
            "its VLAN mode is {other}, which moat does not carry out: use access, trunk or native-untagged"
        )),
    }
}

fn claim(
    bridge: &str,
    device: &str,
    interface: &AttachedInterface,
    vlan: &PortVlan,
) -> Option<Claim> {
    let ids = &interface.external_ids;
    let first = |names: &[&str]| names.iter().find_map(|name| ids.get(*name)).cloned();
    let mac = ids.get("attached-mac")?.parse().ok()?;
    // XAPI; libvirt (virNetDevOpenvswitchAddPort) and OpenStack's os-vif.
    let uuid = first(&["xs-vm-uuid", "vm-uuid", "vm-id"]);
    let port = first(&["xs-vif-uuid", "iface-id"]).unwrap_or_else(|| device.to_owned());
    let mut labels = BTreeMap::new();
    if let Some(network) = ids.get("xs-network-uuid") {
        labels.insert("xs-network-uuid".to_owned(), network.clone());
    }
    Some(Claim {
        port,
        source: SOURCE.to_owned(),
        vm: uuid.clone(),
        uuid,
        device: Some(device.to_owned()),
        mac,
        bridge: Some(bridge.to_owned()),
        vlan: match vlan {
            PortVlan::Access(vlan) => Some(*vlan),
            _ => None,
        },
        labels,
        only_if_alone: true,
        ..Claim::default()
    })
}

#[cfg(test)]
mod tests;
