//! The throw-away house: hosts as namespaces with their bridges, a wire between them, machines as namespaces or as
//! guests of QEMU, all as the documents declare. Knows nothing of policy.

mod guests;

use std::net::IpAddr;

use anyhow::{Context, bail};
use ipnet::IpNet;
use policy::Catalog;
use policy::document::{Host, Port};
use testbed::{
    Machine, MachineAddress, MachineSpec, NamespaceOptions, Switch, SwitchPort, SwitchSpec, join,
};

use super::body::{Body, Material};
use super::hypervisor::Hypervisor;
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
    pub(super) place: Place,
}

/// What a host consists of.
pub(super) enum Place {
    /// A bridge and no more.
    Switch(Switch),
    /// A libvirtd, too.
    Hypervisor(Box<Hypervisor>),
}

impl HostSite {
    pub(super) fn switch(&self) -> &Switch {
        match &self.place {
            Place::Switch(switch) => switch,
            Place::Hypervisor(hypervisor) => hypervisor.switch(),
        }
    }

    /// Plugs in an interface that no document knows.
    pub(super) fn plug_unclaimed(&self, bridge: usize) -> anyhow::Result<SwitchPort> {
        let switch = self.switch();
        let mut port = switch.draft(bridge, switch.ends(), Some("unclaimed"));
        if let Place::Hypervisor(_) = self.place {
            // libvirt gives the names vnetN itself.
            port.device = "unclaimed0".to_owned();
        }
        let port = switch.plug_as(port)?;
        Ok(port)
    }
}

/// One virtual machine with its one port.
pub(super) struct Resident {
    pub(super) port: Port,
    /// Place in [`Site::hosts`].
    pub(super) host: usize,
    /// Which of the switch's bridges.
    pub(super) bridge: usize,
    pub(super) machine: Body,
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
}

impl Site {
    /// Builds what the catalog declares out of namespaces; `progress` hears of every step.
    pub(super) fn build(catalog: &Catalog, progress: &Progress) -> anyhow::Result<Self> {
        let mut site = Self::hosts(catalog, Material::Namespaces)?;
        site.populate(catalog, progress)?;
        Ok(site)
    }

    /// Builds the hosts that the catalog declares, for machines of that material.
    pub(super) fn hosts(catalog: &Catalog, material: Material) -> anyhow::Result<Self> {
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
            let place = match material {
                Material::Namespaces => {
                    Place::Switch(Switch::with(&spec).context("cannot build a host")?)
                }
                Material::Qemu => {
                    let called = name.as_deref().unwrap_or("host");
                    let started = Hypervisor::start(called, spec.clone());
                    Place::Hypervisor(Box::new(started.context("cannot start a hypervisor")?))
                }
            };
            hosts.push(HostSite { name, place });
        }
        let wire = match (declared.as_slice(), hosts.as_slice()) {
            ([one, other], [first, second]) => wire(one, other, first.switch(), second.switch())?,
            _ => None,
        };
        Ok(Self {
            hosts,
            machines: Vec::new(),
            wire,
        })
    }

    /// Adds the machines; guests boot.
    pub(super) fn populate(
        &mut self,
        catalog: &Catalog,
        progress: &Progress,
    ) -> anyhow::Result<()> {
        if self.has_guests() {
            return self.boot(catalog, progress);
        }
        for (number, port) in catalog.ports.values().enumerate() {
            progress.detail(&format!(
                "starting machine {} of {}",
                number.saturating_add(1),
                catalog.ports.len()
            ));
            self.add(catalog, port)
                .with_context(|| format!("cannot build the machine of port {}", port.name))?;
        }
        Ok(())
    }

    /// Whether its machines are guests of QEMU.
    pub(super) fn has_guests(&self) -> bool {
        let mut hosts = self.hosts.iter();
        hosts.any(|host| matches!(host.place, Place::Hypervisor(_)))
    }

    /// Where a port's machine belongs: which host, and which of its bridges.
    fn location(&self, catalog: &Catalog, port: &Port) -> anyhow::Result<(usize, usize)> {
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
        Ok((host, bridge_number(&network.bridge)?))
    }

    fn add(&mut self, catalog: &Catalog, port: &Port) -> anyhow::Result<()> {
        let (host, bridge) = self.location(catalog, port)?;
        let switch = self.hosts.get(host).context("no such host")?.switch();
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
            machine: Body::Namespace(machine),
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
