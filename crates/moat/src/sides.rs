//! The two ends of a trace: which port is meant, on which host, under which program. Knows when a
//! host must be imagined because its devices are not here.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::rc::Rc;

use frame::MacAddress;
use policy::HostProgram;
use policy::document::Port;
use policy::observation::Observation;
use policy::program::{ConnectionState, Direction};

use crate::documents::{self, Declaration};
use crate::fault::Failure;
use crate::imagined::imagine;
use crate::live;
use crate::record;
use crate::situation::{self, Situation};
use crate::trace::TraceArguments;

/// The documents that are asked, and this host where it can be looked at.
pub(crate) struct Sides {
    declaration: Declaration,
    host: Option<String>,
    offline: bool,
    here: OnceCell<Option<Rc<HostProgram>>>,
    elsewhere: RefCell<BTreeMap<String, Rc<HostProgram>>>,
    situation: Option<Situation>,
    live: bool,
    notes: RefCell<Vec<String>>,
}

impl Sides {
    /// # Errors
    /// Wrong documents; a switch that cannot be read, where `--live` asks for it.
    pub(crate) fn new(paths: &[PathBuf], arguments: &TraceArguments) -> Result<Self, Failure> {
        let mut host = arguments.host.clone();
        let declaration = if paths.is_empty() {
            let record = record::read().ok_or_else(|| {
                Failure::usage("which documents? None are given, and none were applied here")
                    .help("moat trace FILES --port NAME in|out 'FRAME'")
            })?;
            if !record.declaration.catalog.hosts.is_empty() {
                host = host.or(Some(record.host));
            }
            record.declaration
        } else {
            documents::read(paths)?
        };
        let situation = if arguments.live {
            Some(situation::of(&declaration, host.as_deref())?.1)
        } else if arguments.offline {
            None
        } else {
            situation::of(&declaration, host.as_deref())
                .ok()
                .map(|(_, situation)| situation)
        };
        Ok(Self {
            declaration,
            host,
            offline: arguments.offline,
            here: OnceCell::new(),
            elsewhere: RefCell::default(),
            situation,
            live: arguments.live,
            notes: RefCell::default(),
        })
    }

    /// What people should know about the answers.
    pub(crate) fn notes(&self) -> Vec<String> {
        self.notes.borrow().clone()
    }

    fn note(&self, text: impl Into<String>) {
        let text = text.into();
        let mut notes = self.notes.borrow_mut();
        if !notes.contains(&text) {
            notes.push(text);
        }
    }

    /// # Errors
    /// Where no document declares it.
    pub(crate) fn port(&self, name: &str) -> Result<&Port, Failure> {
        let ports = &self.declaration.catalog.ports;
        ports.get(name).ok_or_else(|| {
            let known: Vec<&str> = ports.keys().take(8).map(String::as_str).collect();
            Failure::usage(format!("no document declares a port {name}")).help(
                match known.as_slice() {
                    [] => "the documents declare no ports at all".to_owned(),
                    known => format!(
                        "declared are {}{}",
                        known.join(", "),
                        if ports.len() > 8 { ", …" } else { "" }
                    ),
                },
            )
        })
    }

    /// The MAC under which an address is reached: its port's, else the gateway's.
    pub(crate) fn mac_of(&self, address: Option<IpAddr>, asking: &Port) -> Option<MacAddress> {
        let address = address?;
        let catalog = &self.declaration.catalog;
        let has = |port: &&Port| port.addresses.iter().any(|net| net.contains(&address));
        let owners: Vec<&Port> = catalog
            .ports
            .values()
            .filter(|port| port.name != asking.name)
            .filter(has)
            .collect();
        let near = owners.iter().find(|port| port.network == asking.network);
        if let Some(owner) = near.or(owners.first()) {
            return Some(owner.mac);
        }
        let network = catalog.networks.get(&asking.network)?;
        network.gateways.first().copied()
    }

    /// Another port with this MAC.
    pub(crate) fn by_mac(&self, mac: MacAddress, asking: &Port) -> Option<&Port> {
        let mut ports = self.declaration.catalog.ports.values();
        ports.find(|port| port.mac == mac && port.name != asking.name)
    }

    /// What judges this port: this host, where the port is here, else an imagined one.
    ///
    /// # Errors
    /// Where documents do not say which host is meant.
    pub(crate) fn program(&self, port: &Port) -> Result<Rc<HostProgram>, Failure> {
        if let Some(here) = self.here()
            && here
                .refused
                .get(&port.name)
                .is_none_or(|refusal| !refusal.absent)
        {
            if let Some(refusal) = here.refused.get(&port.name) {
                self.note(format!("port {} is refused: {}", port.name, refusal.reason));
            }
            return Ok(here);
        }
        let host = port.host.clone().or_else(|| self.host.clone());
        let key = host.clone().unwrap_or_default();
        if let Some(known) = self.elsewhere.borrow().get(&key) {
            return Ok(Rc::clone(known));
        }
        let (catalog, observed) = imagine(&self.declaration.catalog);
        let first = catalog.hosts.keys().next().cloned();
        let host = host.or(first);
        let program = situation::compile(&catalog, host.as_deref(), &observed)?;
        if let Some(refusal) = program.refused.get(&port.name) {
            self.note(format!("port {} is refused: {}", port.name, refusal.reason));
        }
        if !self.offline {
            self.note(
                "this machine lacks devices that the documents name: the answer is for hosts that \
                 have them all",
            );
        }
        let program = Rc::new(program);
        self.elsewhere.borrow_mut().insert(key, Rc::clone(&program));
        Ok(program)
    }

    fn here(&self) -> Option<Rc<HostProgram>> {
        let find = || {
            if self.offline {
                return None;
            }
            let program = match &self.situation {
                Some(situation) => match &situation.resolved {
                    Ok(resolved) => resolved.program.clone(),
                    Err(unmet) => {
                        for need in unmet {
                            self.note(format!(
                                "this kernel cannot enforce it ({}: {}); the answer is what the documents mean",
                                need.capability, need.reason
                            ));
                        }
                        situation.program.clone()
                    }
                },
                // Whoever may not ask nf_tables may still ask which interfaces exist.
                None => self.compiled(&inventory::observe().ok()?)?,
            };
            Some(Rc::new(program))
        };
        self.here.get_or_init(find).clone()
    }

    fn compiled(&self, observed: &Observation) -> Option<HostProgram> {
        let catalog = &self.declaration.catalog;
        situation::compile(catalog, self.host.as_deref(), observed).ok()
    }

    /// What the installed ruleset does with the frame, where `--live` asks for it: whether it
    /// passes and why, or why that cannot be said.
    pub(crate) fn live(
        &self,
        port: &str,
        direction: Direction,
        bytes: &[u8],
        state: ConnectionState,
    ) -> Option<Result<(bool, String), String>> {
        let situation = self.situation.as_ref().filter(|_| self.live)?;
        let Some(contents) = &situation.installed.contents else {
            let nothing = "nothing is installed: every frame passes";
            return Some(Ok((true, nothing.to_owned())));
        };
        let Some(port) = situation.program.ports.get(port) else {
            // Nobody can ask the kernel of another host.
            return None;
        };
        Some(live::ask(contents, port, direction, bytes, state))
    }
}
