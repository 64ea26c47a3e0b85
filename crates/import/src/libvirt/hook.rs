//! What hook calls mean, and what is remembered between them. Knows libvirt's hooks by operation;
//! being called, and doing what a claim asks, are left to the agent.
//!
//! | driver, operation | with | is |
//! |---|---|---|
//! | qemu `migrate`, `restore` | XML of the other host or of the file | read, so that a mistake ends it early; the claims come with `prepare` |
//! | qemu `prepare` | no device names | the claims, without devices |
//! | qemu `start`, `started`, `reconnect`, `attach` | device names | the claims |
//! | qemu `stopped` | | nothing: the interfaces may still be there |
//! | qemu `release` | | no claims, also after a failed start or incoming migration |
//! | network, any but `stopped` | the network | remembered; claims of running domains that change by it |
//! | network `port-created`, `port-deleted` | the port besides | the same: the port itself comes by the domain |

use std::collections::{BTreeMap, BTreeSet};

use libvirt::xml::{Domain, HookData, Network, XmlError};
use libvirt::{DomainRef, Uuid};
use policy::claim::{Claim, ClaimChange};

use super::claims::{Moment, Networks, claims};

/// What libvirt has told so far: networks, and the domains that have claims.
#[derive(Clone, Debug, Default)]
pub struct Libvirt {
    networks: Networks,
    domains: BTreeMap<Uuid, (Domain, Moment)>,
    /// Counts what was told, so that an answer is not taken for newer than what came meanwhile.
    told: u64,
}

/// The moment at which libvirt was asked something: what was told before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    told: u64,
}

/// Why a hook's call was refused. The text is what libvirt shows to whoever started the domain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HookError {
    #[error(
        "moat: a libvirt hook was called with {given} arguments; the driver, the object, the operation, \
             the sub-operation and an extra argument are expected"
    )]
    Arguments { given: usize },
    #[error(
        "moat: there is no hook for libvirt's driver {driver}; `qemu` and `network` are expected"
    )]
    Driver { driver: String },
    #[error("moat: {operation} of {object}: {error}")]
    Xml {
        operation: String,
        object: String,
        #[source]
        error: XmlError,
    },
}

impl Libvirt {
    /// What a hook's call means, in order. `arguments` are the driver (the hook's file name) and
    /// what libvirt passed: object, operation, sub-operation, extra. `input` is its standard input.
    ///
    /// An operation that this version does not know changes nothing: a hook that fails takes the
    /// domain down with it.
    ///
    /// # Errors
    /// Arguments or XML that are not libvirt's; nothing is changed then.
    pub fn hook(
        &mut self,
        arguments: &[String],
        input: &str,
    ) -> Result<Vec<ClaimChange>, HookError> {
        let [driver, object, operation, ..] = arguments else {
            return Err(HookError::Arguments {
                given: arguments.len(),
            });
        };
        let unreadable = |error| HookError::Xml {
            operation: operation.clone(),
            object: object.clone(),
            error,
        };
        match (driver.as_str(), operation.as_str()) {
            ("qemu", "prepare") => {
                let domain = Domain::parse(input).map_err(unreadable)?;
                Ok(vec![self.claim(domain, Moment::Prepared)])
            }
            ("qemu", "start" | "started" | "reconnect" | "attach") => {
                let domain = Domain::parse(input).map_err(unreadable)?;
                Ok(vec![self.claim(domain, Moment::Running)])
            }
            ("qemu", "migrate" | "restore") => {
                Domain::parse(input).map_err(unreadable)?;
                Ok(Vec::new())
            }
            ("qemu", "release") => match Domain::parse(input) {
                Ok(domain) => Ok(vec![self.release(domain.uuid)]),
                // A domain that ends must end, whatever its XML looks like.
                Err(error) => {
                    let mut domains = self.domains.iter();
                    let known = domains.find(|(_, (domain, _))| domain.name == *object);
                    let uuid = known
                        .map(|(uuid, _)| *uuid)
                        .ok_or_else(|| unreadable(error))?;
                    Ok(vec![self.release(uuid)])
                }
            },
            ("qemu", _) => Ok(Vec::new()),
            ("network", "stopped") => Ok(Vec::new()),
            ("network", _) => {
                let data = HookData::parse(input).map_err(unreadable)?;
                Ok(self.network(data.network))
            }
            (driver, _) => Err(HookError::Driver {
                driver: driver.to_owned(),
            }),
        }
    }

    /// Before libvirt is asked for a domain or for everything.
    pub fn ask(&self) -> Asked {
        Asked { told: self.told }
    }

    /// A domain as libvirt tells it over its socket; one that does not run has no claims. `None`
    /// where a hook or an event came since libvirt was asked: it may be newer, so ask again.
    pub fn domain(&mut self, asked: Asked, domain: Domain) -> Option<ClaimChange> {
        if asked.told != self.told {
            return None;
        }
        Some(match domain.id {
            Some(_) => self.claim(domain, Moment::Running),
            None => self.release(domain.uuid),
        })
    }

    /// A life of a domain has ended, by an event. Where another life is known meanwhile, that one
    /// keeps its claims: hooks are quicker than events.
    pub fn ended(&mut self, domain: &DomainRef) -> ClaimChange {
        let known = self
            .domains
            .get(&domain.uuid)
            .and_then(|(known, _)| known.id);
        match (known, u32::try_from(domain.id)) {
            (Some(known), Ok(ended)) if known != ended => ClaimChange::Nothing,
            _ => self.release(domain.uuid),
        }
    }

    /// The domain has no port on this host any more.
    pub fn release(&mut self, uuid: Uuid) -> ClaimChange {
        self.told = self.told.wrapping_add(1);
        self.domains.remove(&uuid);
        ClaimChange::Remove {
            vm: uuid.to_string(),
        }
    }

    /// A network as libvirt tells it now; the claims that change by it, VM by VM.
    pub fn network(&mut self, network: Network) -> Vec<ClaimChange> {
        if self.networks.get(&network.name) == Some(&network) {
            return Vec::new();
        }
        self.told = self.told.wrapping_add(1);
        let name = network.name.clone();
        let before = self.claims_on(&name);
        self.networks.insert(name.clone(), network);
        let mut changes = Vec::new();
        for ((uuid, claims), (_, earlier)) in self.claims_on(&name).into_iter().zip(before) {
            if claims != earlier {
                changes.push(ClaimChange::Replace {
                    vm: uuid.to_string(),
                    claims,
                });
            }
        }
        changes
    }

    /// All of libvirt's networks and running domains, after [`Libvirt::ask`]. `None` where a hook
    /// or an event came meanwhile: it may be newer than the lists, which must be asked again.
    pub fn resync(
        &mut self,
        asked: Asked,
        networks: Vec<Network>,
        domains: Vec<Domain>,
    ) -> Option<ClaimChange> {
        if asked.told != self.told {
            return None;
        }
        let named = networks
            .into_iter()
            .map(|network| (network.name.clone(), network));
        self.networks = named.collect();
        let running = domains.into_iter().filter(|domain| domain.id.is_some());
        self.domains = running
            .map(|domain| (domain.uuid, (domain, Moment::Running)))
            .collect();
        let all = self.domains.values();
        let claims = all.flat_map(|(domain, moment)| claims(domain, &self.networks, *moment));
        Some(ClaimChange::ReplaceAll {
            claims: claims.collect(),
        })
    }

    /// Names of networks that domains are in and nothing is known of.
    pub fn unknown_networks(&self) -> BTreeSet<String> {
        let interfaces = self
            .domains
            .values()
            .flat_map(|(domain, _)| &domain.interfaces);
        let names = interfaces.filter_map(|interface| interface.source.network.as_ref());
        names
            .filter(|name| !self.networks.contains_key(*name))
            .cloned()
            .collect()
    }

    fn claim(&mut self, domain: Domain, moment: Moment) -> ClaimChange {
        self.told = self.told.wrapping_add(1);
        let change = ClaimChange::Replace {
            vm: domain.uuid.to_string(),
            claims: claims(&domain, &self.networks, moment),
        };
        self.domains.insert(domain.uuid, (domain, moment));
        change
    }

    fn claims_on(&self, network: &str) -> Vec<(Uuid, Vec<Claim>)> {
        let on = |domain: &Domain| {
            let mut sources = domain.interfaces.iter().map(|interface| &interface.source);
            sources.any(|source| source.network.as_deref() == Some(network))
        };
        let domains = self.domains.iter().filter(|(_, (domain, _))| on(domain));
        domains
            .map(|(uuid, (domain, moment))| (*uuid, claims(domain, &self.networks, *moment)))
            .collect()
    }
}
