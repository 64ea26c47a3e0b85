//! The throw-away house: hosts as namespaces with their bridges, a wire between them, machines as
//! namespaces, all as the documents declare. Knows nothing of policy.

use std::net::IpAddr;

use anyhow::{Context, bail};
use ipnet::IpNet;
use policy::Catalog;
use policy::document::{Host, Port};
use testbed::{
    Machine, MachineAddress, MachineSpec, NamespaceOptions, RawPort, Switch, SwitchSpec, join,
};

use super::progress::Progress;
use super::services::SERVICES;

/// Hosts and machines that exist as long as this does.
pub(super) struct Site {
    pub(super) hosts: Vec<HostSite>,
    /// In the order of their ports' names.
    pub(super) machines: Vec<Resident>,
    /// The wire between the two hosts: its name and its index on the first.
    pub(super) wire: Option<(String, u32)>,
}

/// One hypervisor.
pub(super) struct HostSite {
    /// `None`: no document declares a host.
    pub(super) name: Option<String>,
    pub(super) switch: Switch,
}

/// One virtual machine with its one port.
pub(super) struct Resident {
    pub(super) port: Port,
    /// Place in [`Site::hosts`].
    pub(super) host: usize,
    /// Which of the switch's bridges.
    pub(super) bridge: usize,
    pub(super) machine: Machine,
}

impl Resident {
    /// Its first address of that kind.
    pub(super) fn address(&self, ipv6: bool) -> Option<IpAddr> {
        let addresses = self.port.addresses.iter().map(IpNet::addr);
        addresses
            .into_iter()
            .find(|address| address.is_ipv6() == ipv6)
    }

    /// The virtual machine's name; the port's where it has none.
    pub(super) fn name(&self) -> &str {
        self.port.vm.as_deref().unwrap_or(&self.port.name)
    }

    /// Its end of the wire.
    pub(super) fn raw(&self) -> anyhow::Result<RawPort> {
        Ok(self.machine.port().open()?)
    }
}

impl Site {
    /// Builds what the catalog declares; `progress` hears of every step.
    pub(super) fn build(catalog: &Catalog, progress: &Progress) -> anyhow::Result<Self> {
        let declared: Vec<&Host> = catalog.hosts.values().collect();
        if declared.len() > 2 {
            bail!(
                "the documents declare {} hosts; the lab has a wire for two: give it documents with one or two",
                declared.len()
            );
        }
        let bridges = bridges(catalog)?;
        let spec = SwitchSpec {
            bridges,
            namespace: NamespaceOptions::default(),
            ..SwitchSpec::default()
        };
        let names: Vec<Option<String>> = match declared.as_slice() {
            [] => vec![None],
            hosts => hosts.iter().map(|host| Some(host.name.clone())).collect(),
        };
        let mut hosts = Vec::new();
        for name in names {
            let switch = Switch::with(&spec).context("cannot build a host")?;
            hosts.push(HostSite { name, switch });
        }
        let wire = match (declared.as_slice(), hosts.as_slice()) {
            ([one, other], [first, second]) => wire(one, other, &first.switch, &second.switch)?,
            _ => None,
        };
        let mut site = Self {
            hosts,
            machines: Vec::new(),
            wire,
        };
        for (number, port) in catalog.ports.values().enumerate() {
            progress.detail(&format!(
                "starting machine {} of {}",
                number.saturating_add(1),
                catalog.ports.len()
            ));
            site.add(catalog, port)
                .with_context(|| format!("cannot build the machine of port {}", port.name))?;
        }
        Ok(site)
    }

    fn add(&mut self, catalog: &Catalog, port: &Port) -> anyhow::Result<()> {
        let hosts = || self.hosts.iter();
        let host = match &port.host {
            Some(wanted) => hosts().position(|host| host.name.as_ref() == Some(wanted)),
            None => Some(0),
        };
        let host =
            host.with_context(|| format!("{}: no document declares its host", port.origin))?;
        let network = catalog
            .networks
            .get(&port.network)
            .with_context(|| format!("{}: no document declares its network", port.origin))?;
        let bridge = bridge_number(&network.bridge)?;
        let switch = &self.hosts.get(host).context("no such host")?.switch;
        let spec = MachineSpec {
            device: port.device.clone(),
            mac: Some(port.mac.0),
            addresses: port.addresses.iter().map(on_link).collect(),
            link_local: true,
        };
        let mut machine = Machine::new(switch, bridge, &spec)?;
        for service in SERVICES {
            if let Some(port) = service.port {
                machine.serve_tcp(port)?;
            }
        }
        self.machines.push(Resident {
            port: port.clone(),
            host,
            bridge,
            machine,
        });
        Ok(())
    }
}

/// A machine believes that its whole subnet is on its wire, which the documents do not tell.
fn on_link(address: &IpNet) -> MachineAddress {
    let subnet = if address.addr().is_ipv6() { 64 } else { 24 };
    (address.addr(), subnet.min(address.prefix_len()))
}

fn bridges(catalog: &Catalog) -> anyhow::Result<usize> {
    let mut count = 1;
    for network in catalog.networks.values() {
        count = count.max(bridge_number(&network.bridge)?.saturating_add(1));
    }
    Ok(count)
}

fn bridge_number(name: &str) -> anyhow::Result<usize> {
    let number = name
        .strip_prefix("br")
        .and_then(|digits| digits.parse().ok());
    match number {
        Some(number) if number < 16 => Ok(number),
        _ => bail!("the lab's bridges are called br0 to br15; the documents want {name}"),
    }
}

/// Plugs the uplink that both hosts declare for the same bridge into both.
fn wire(
    one: &Host,
    other: &Host,
    first: &Switch,
    second: &Switch,
) -> anyhow::Result<Option<(String, u32)>> {
    for (name, bridge) in &one.bridges {
        let Some(opposite) = other.bridges.get(name) else {
            continue;
        };
        let Some(uplink) = bridge.uplinks.intersection(&opposite.uplinks).next() else {
            continue;
        };
        let number = bridge_number(name)?;
        let (index, _) = join((first, number), (second, number), uplink)?;
        return Ok(Some((uplink.clone(), index)));
    }
    Ok(None)
}
