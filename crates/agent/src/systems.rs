//! Which importer reads what which system says, and what importers remember between two calls. Knows
//! the names of systems; the formats are left to `import`.

mod filters;

use std::path::Path;

use import::hook::{Answer, Call};
use import::libvirt::Libvirt;
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
    pub(crate) fn interpret(&mut self, request: &Request) -> Result<Interpreted, String> {
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
            self.filters.provide(claims_of(change));
        }
        Ok(interpreted)
    }

    /// Reads what libvirt tells by its socket.
    pub(crate) fn told(&mut self, told: Told) -> Vec<ClaimChange> {
        let mut changes = match told {
            Told::Ask(answer) => {
                // Whoever does not wait for it asks again.
                let _ = answer.send(self.libvirt.ask());
                Vec::new()
            }
            Told::Domain {
                asked,
                domain,
                taken,
            } => {
                let change = self.libvirt.domain(asked, *domain);
                let _ = taken.send(change.is_some());
                change.into_iter().collect()
            }
            // Not for importers.
            Told::Carrier(_) => Vec::new(),
            Told::Ended(domain) => vec![self.libvirt.ended(&domain)],
            Told::Unknown(domain) => vec![self.libvirt.release(domain.uuid)],
            Told::Network(network) => self.libvirt.network(*network),
            Told::Everything {
                asked,
                networks,
                domains,
                taken,
            } => {
                let change = self.libvirt.resync(asked, networks, domains);
                let _ = taken.send(change.is_some());
                debug!(taken = change.is_some(), "libvirt has told everything");
                change.into_iter().collect()
            }
        };
        for change in &mut changes {
            self.filters.provide(claims_of(change));
        }
        changes
    }

    fn hook(&mut self, system: &str, call: Call<'_>) -> Result<Interpreted, String> {
        if system == import::libvirt::SOURCE {
            return self.libvirt_hook(call);
        }
        let Some(answer) = import::hook::call(system, call) else {
            return Err(format!(
                "moat knows no system `{system}`; it knows {}, {}",
                import::libvirt::SOURCE,
                import::hook::SYSTEMS.join(", ")
            ));
        };
        let Answer {
            change,
            output,
            notes,
        } = answer?;
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
