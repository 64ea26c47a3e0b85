//! Compiling again after a change of some ports: what it costs follows the change. Owns its inputs,
//! so that it knows what changed; the result is that of [`compile_learned`](super::compile_learned)
//! from the same inputs.

use std::collections::BTreeSet;
use std::sync::Arc;

use ipnet::IpNet;

use crate::catalog::Catalog;
use crate::document::Document;
use crate::learn::Learned;
use crate::observation::Observation;
use crate::program::HostProgram;

use super::{CompileError, Compiler, choose_host};

/// A catalog, what was observed, and the program that follows: for processes that live long.
#[derive(Clone, Debug)]
pub struct Incremental {
    catalog: Catalog,
    host: Option<String>,
    observed: Arc<Observation>,
    learned: Learned,
    program: HostProgram,
    /// Ports whose document, interface or learned addresses changed since `program` was compiled.
    dirty: BTreeSet<String>,
    /// Something changed that any port may depend on.
    everything: bool,
}

impl Incremental {
    /// Nothing is compiled until [`Self::compile`].
    pub fn new(catalog: Catalog, host: Option<&str>, observed: Observation) -> Self {
        Self {
            catalog,
            host: host.map(str::to_owned),
            observed: Arc::new(observed),
            learned: Learned::new(),
            program: HostProgram::default(),
            dirty: BTreeSet::new(),
            everything: true,
        }
    }

    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// What exists, as it was told last.
    pub fn observed(&self) -> &Observation {
        &self.observed
    }

    /// Adds a document, or puts it in the place of the one of its kind and name.
    pub fn insert(&mut self, document: Document) {
        match &document {
            Document::Port(port) => {
                self.dirty.insert(port.name.clone());
            }
            _ => self.everything = true,
        }
        self.catalog.insert(document);
    }

    /// Puts another catalog in the place of the one that is there. Where only ports differ, only
    /// those are compiled again.
    pub fn replace(&mut self, catalog: Catalog) {
        let before = &self.catalog;
        let shared = before.profiles == catalog.profiles
            && before.groups == catalog.groups
            && before.networks == catalog.networks
            && before.services == catalog.services
            && before.policies == catalog.policies
            && before.hosts == catalog.hosts;
        self.everything |= !shared;
        for (name, port) in &catalog.ports {
            if before.ports.get(name) != Some(port) {
                self.dirty.insert(name.clone());
            }
        }
        let gone = |name: &&String| !catalog.ports.contains_key(*name);
        self.dirty.extend(before.ports.keys().filter(gone).cloned());
        self.catalog = catalog;
    }

    /// The Host document to follow from now on.
    pub fn follow(&mut self, host: Option<&str>) {
        if self.host.as_deref() != host {
            self.host = host.map(str::to_owned);
            self.everything = true;
        }
    }

    /// Takes a port's document out; says whether there was one.
    pub fn remove_port(&mut self, name: &str) -> bool {
        self.dirty.insert(name.to_owned());
        self.catalog.ports.remove(name).is_some()
    }

    /// What a port has learned, all of it: as if declared, wherever documents let the port learn.
    /// Stays until told otherwise, also where the port goes and comes back.
    pub fn learn(&mut self, port: &str, addresses: BTreeSet<IpNet>) {
        let before = if addresses.is_empty() {
            self.learned.remove(port).unwrap_or_default()
        } else {
            let new = addresses.clone();
            self.learned
                .insert(port.to_owned(), new)
                .unwrap_or_default()
        };
        if before != addresses {
            self.dirty.insert(port.to_owned());
        }
    }

    /// What ports have learned.
    pub fn learned(&self) -> &Learned {
        &self.learned
    }

    /// What exists now.
    pub fn observe(&mut self, observed: impl Into<Arc<Observation>>) {
        let observed = observed.into();
        if Arc::ptr_eq(&self.observed, &observed) {
            return;
        }
        if self.observed.bridges != observed.bridges {
            self.everything = true;
        }
        if self.observed.interfaces != observed.interfaces {
            let before = &self.observed.interfaces;
            let moved = |port: &&crate::document::Port| {
                let device = port.device.as_ref();
                device.is_some_and(|device| before.get(device) != observed.interfaces.get(device))
            };
            let names = self.catalog.ports.values().filter(moved);
            self.dirty.extend(names.map(|port| port.name.clone()));
        }
        self.observed = observed;
    }

    /// The program of what is there now.
    ///
    /// # Errors
    /// As [`super::compile`]; the program before stays what [`Self::program`] says.
    pub fn compile(&mut self) -> Result<&HostProgram, CompileError> {
        let host = choose_host(&self.catalog, self.host.as_deref())?;
        let mut compiler = Compiler::new(&self.catalog, &host, &self.observed, &self.learned);
        for port in self.catalog.ports.values() {
            let known = self.program.ports.get(&port.name);
            // The first port of each behaviour is compiled, and with it everything that its ports
            // share, which other ports' addresses may have changed.
            let kept = known.filter(|known| {
                !self.everything
                    && !self.dirty.contains(&port.name)
                    && compiler.program.behaviours.contains_key(&known.behaviour)
            });
            match kept {
                Some(known) => compiler.keep(&port.name, Arc::clone(known)),
                None => compiler.admit(port, &host),
            }
        }
        self.program = compiler.finish();
        self.dirty.clear();
        self.everything = false;
        Ok(&self.program)
    }

    /// The program as last compiled.
    pub fn program(&self) -> &HostProgram {
        &self.program
    }
}
