//! Which importer reads what which system says, and what importers remember between two calls. Knows
//! the names of systems; the formats are left to `import`.

mod filters;

use std::path::Path;

use import::hook::{Answer, Call};
use import::libvirt::Libvirt;
use policy::Catalog;
use policy::claim::{Claim, ClaimChange};
use tracing::debug;

use crate::event::Told;
use crate::protocol::{PortClaim, Request};

use filters::FilterFolder;

/// What a request about ports means.
#[derive(Clone, Debug)]
pub(crate) struct Interpreted {
    pub source: String,
    pub changes: Vec<ClaimChange>,
    /// For the hook's standard output.
    pub output: String,
    pub notes: Vec<String>,
    /// What the request is remembered by, beside the VMs that it changes: it says something of
    /// other things.
    pub about: Option<String>,
}

/// Systems whose hooks are understood.
const SYSTEMS: &[&str] = &["libvirt", "opennebula", "proxmox", "qemu", "xen"];

/// All importers of one agent.
#[derive(Debug)]
pub(crate) struct Systems {
    libvirt: Libvirt,
    filters: FilterFolder,
}

impl Systems {
    pub(crate) fn new(filters: &Path) -> Self {
        Self {
            libvirt: Libvirt::default(),
            filters: FilterFolder::new(filters),
        }
    }

    /// Reads what a system says.
    ///
    /// # Errors
    /// A sentence for the user of that system.
    pub(crate) fn interpret(
        &mut self,
        request: &Request,
        declared: &Catalog,
    ) -> Result<Interpreted, String> {
        let mut interpreted = match request {
            Request::Claim { port } => command(ClaimChange::Replace {
                vm: port.name.clone(),
                claims: vec![port.clone().into()],
            }),
            Request::Unclaim { port } => command(ClaimChange::Remove { vm: port.clone() }),
            Request::Hook {
                system,
                arguments,
                input,
                environment,
            } => {
                let call = Call {
                    arguments,
                    input,
                    environment,
                };
                self.hook(system, call)?
            }
            _ => return Err("this is no word about a port".to_owned()),
        };
        for change in &mut interpreted.changes {
            self.filters.provide(change, declared);
        }
        Ok(interpreted)
    }

    /// Reads what libvirt tells by its socket.
    pub(crate) fn told(&mut self, told: Told, declared: &Catalog) -> Vec<ClaimChange> {
        let mut changes = match told {
            Told::Domain(domain) => vec![self.libvirt.domain(*domain)],
            Told::Released(uuid) => vec![self.libvirt.release(uuid)],
            Told::Network(network) => self.libvirt.network(*network),
            Told::Begins(answer) => {
                // Whoever does not wait for it begins anew.
                let _ = answer.send(self.libvirt.begin_resync());
                Vec::new()
            }
            Told::Everything {
                begun,
                networks,
                domains,
                taken,
            } => {
                let change = self.libvirt.finish_resync(begun, networks, domains);
                let _ = taken.send(change.is_some());
                debug!(taken = change.is_some(), "libvirt has told everything");
                change.into_iter().collect()
            }
        };
        for change in &mut changes {
            self.filters.provide(change, declared);
        }
        changes
    }

    fn hook(&mut self, system: &str, call: Call<'_>) -> Result<Interpreted, String> {
        let answer = match system {
            "libvirt" => return self.libvirt_hook(call),
            "opennebula" => import::opennebula::hook(call).map_err(|error| error.to_string())?,
            "proxmox" => import::proxmox::hook(call).map_err(|error| error.to_string())?,
            "qemu" => import::qemu::hook(call).map_err(|error| error.to_string())?,
            "xen" => import::xen::hook(call).map_err(|error| error.to_string())?,
            _ => {
                return Err(format!(
                    "moat knows no system `{system}`; it knows {}",
                    SYSTEMS.join(", ")
                ));
            }
        };
        let Answer {
            change,
            output,
            notes,
        } = answer;
        Ok(Interpreted {
            source: system.to_owned(),
            changes: vec![change],
            output,
            notes,
            about: None,
        })
    }

    fn libvirt_hook(&mut self, call: Call<'_>) -> Result<Interpreted, String> {
        let changes = self.libvirt.hook(call.arguments, call.input);
        let about = match call.arguments {
            [driver, network, operation, ..] if driver == "network" && operation != "stopped" => {
                Some(format!("network/{network}"))
            }
            _ => None,
        };
        Ok(Interpreted {
            source: import::libvirt::SOURCE.to_owned(),
            changes: changes.map_err(|error| error.to_string())?,
            output: String::new(),
            notes: Vec::new(),
            about,
        })
    }
}

fn command(change: ClaimChange) -> Interpreted {
    Interpreted {
        source: PortClaim::SOURCE.to_owned(),
        changes: vec![change],
        output: String::new(),
        notes: Vec::new(),
        about: None,
    }
}

/// All claims that a change brings.
fn claims_of(change: &mut ClaimChange) -> &mut [Claim] {
    match change {
        ClaimChange::Replace { claims, .. } | ClaimChange::ReplaceAll { claims } => claims,
        ClaimChange::Remove { .. } | ClaimChange::Release { .. } | ClaimChange::Nothing => &mut [],
    }
}
