//! All documents of one declaration, by kind and name. Knows which names exist; leaves what they
//! mean together to the compiler.

use std::collections::BTreeMap;

use crate::document::{Document, Group, Host, Network, Policy, Port, Profile, Service};
use crate::rule::Term;
use crate::services;

/// A checked set of documents: every name in it is unique within its kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalog {
    pub profiles: BTreeMap<String, Profile>,
    pub groups: BTreeMap<String, Group>,
    pub networks: BTreeMap<String, Network>,
    pub services: BTreeMap<String, Service>,
    pub policies: BTreeMap<String, Policy>,
    pub ports: BTreeMap<String, Port>,
    pub hosts: BTreeMap<String, Host>,
}

impl Catalog {
    /// What a service matches, declared or built in; services in it are not resolved.
    pub fn service(&self, name: &str) -> Option<&[Term]> {
        let declared = self
            .services
            .get(name)
            .map(|service| service.matches.as_slice());
        declared.or_else(|| services::lookup(name).map(|service| service.terms.as_slice()))
    }

    /// Adds a document; gives back the one of the same kind and name that it replaced.
    pub fn insert(&mut self, document: Document) -> Option<Document> {
        match document {
            Document::Profile(d) => self
                .profiles
                .insert(d.name.clone(), d)
                .map(Document::Profile),
            Document::Group(d) => self.groups.insert(d.name.clone(), d).map(Document::Group),
            Document::Network(d) => self
                .networks
                .insert(d.name.clone(), d)
                .map(Document::Network),
            Document::Service(d) => self
                .services
                .insert(d.name.clone(), d)
                .map(Document::Service),
            Document::Policy(d) => self
                .policies
                .insert(d.name.clone(), d)
                .map(Document::Policy),
            Document::Port(d) => self.ports.insert(d.name.clone(), d).map(Document::Port),
            Document::Host(d) => self.hosts.insert(d.name.clone(), d).map(Document::Host),
        }
    }
}
