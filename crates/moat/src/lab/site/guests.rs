//! The machines of a site as guests of its hypervisors: defined, booted and ended. Knows libvirt's domains; leaves what
//! guests do to `body`.

use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::{Context, anyhow, bail};
use policy::Catalog;
use policy::document::Port;
use testbed::MachineAddress;
use testbed::guest::GuestSpec;
use testbed::libvirtd::{Domain, GuestImage, Interface, Libvirtd};

use super::super::body::{Body, Guest};
use super::super::progress::Progress;
use super::super::services::SERVICES;
use super::{Place, Resident, Site, on_link};

impl Site {
    /// Defines the guests and boots them, as many at once as there are CPUs: each keeps
    /// one busy.
    pub(super) fn boot(&mut self, catalog: &Catalog, progress: &Progress) -> anyhow::Result<()> {
        let services = SERVICES.iter().filter_map(|service| service.port);
        let image = GuestImage::new(&GuestSpec::obeying(&services.collect::<Vec<u16>>()))?;
        let mut births = Vec::new();
        for port in catalog.ports.values() {
            let (host, bridge) = self.location(catalog, port)?;
            let place = self.hosts.get(host).map(|host| &host.place);
            let Some(Place::Hypervisor(hypervisor)) = place else {
                bail!("no such host");
            };
            let interface = Interface::bridge(&format!("br{bridge}"), port.mac.0);
            let mut domain = Domain::new(&domain_name(port), &image, vec![interface]);
            domain.control = true;
            hypervisor.libvirt.define(&domain)?;
            births.push((port, host, bridge, &hypervisor.libvirt));
        }
        let count = births.len();
        let queue = Mutex::new(births.into_iter().enumerate());
        let born = Mutex::new(Vec::new());
        let work = || -> anyhow::Result<()> {
            // Held for the taking alone.
            let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
            while let Some((number, (port, host, bridge, libvirt))) = next() {
                progress.detail(&format!(
                    "booting guest {} of {count}",
                    number.saturating_add(1)
                ));
                let machine = guest(libvirt, port)
                    .with_context(|| format!("cannot boot the guest of port {}", port.name))?;
                let resident = Resident {
                    port: port.clone(),
                    host,
                    bridge,
                    machine: Body::Guest(machine),
                };
                let mut born = born.lock().unwrap_or_else(PoisonError::into_inner);
                born.push((number, resident));
            }
            Ok(())
        };
        let workers = thread::available_parallelism().map_or(1, usize::from);
        thread::scope(|scope| -> anyhow::Result<()> {
            let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
            let mut ended = threads.into_iter().map(|thread| thread.join());
            ended.try_for_each(|ended| {
                ended.unwrap_or_else(|_| Err(anyhow!("a thread that boots guests panicked")))
            })
        })?;
        let mut born = born.into_inner().unwrap_or_else(PoisonError::into_inner);
        born.sort_by_key(|(number, _)| *number);
        self.machines = born.into_iter().map(|(_, resident)| resident).collect();
        Ok(())
    }

    /// Ends all guests.
    pub(in crate::lab) fn clear(&mut self) -> anyhow::Result<()> {
        for resident in self.machines.drain(..) {
            let host = self.hosts.get(resident.host).map(|host| &host.place);
            if let Some(Place::Hypervisor(hypervisor)) = host {
                let name = domain_name(&resident.port);
                hypervisor.libvirt.destroy(&name)?;
                hypervisor.libvirt.ask(&["undefine", &name])?;
            }
        }
        Ok(())
    }
}

/// Boots a guest and waits until it does what it is told.
fn guest(libvirt: &Libvirtd, port: &Port) -> anyhow::Result<Guest> {
    let name = domain_name(port);
    libvirt.boot(&name)?;
    let device = libvirt.device_of(&name, port.mac.0)?;
    let index = libvirt.switch().links().find(&device)?.index;
    let mut remote = libvirt.remote(&name)?;
    let addresses: Vec<MachineAddress> = port.addresses.iter().map(on_link).collect();
    remote.add_addresses(&addresses)?;
    Ok(Guest {
        remote: Mutex::new(remote),
        host: libvirt.switch().namespace().clone(),
        tap: (device, index),
    })
}

/// The VM's name; of a VM with several interfaces, each is a guest of its own here.
fn domain_name(port: &Port) -> String {
    match (&port.vm, port.name.strip_suffix("/0")) {
        (Some(vm), Some(_)) => vm.clone(),
        _ => port.name.replace('/', "."),
    }
}
