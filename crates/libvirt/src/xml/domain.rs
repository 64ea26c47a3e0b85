//! A domain. Knows what moat reads of one; its interfaces and metadata are read beside.

use super::connections::{self, PortConnections};
use super::interface::Interface;
use super::learned::{self, LearnedPort};
use super::metadata::DomainMetadata;
use super::reader::{self, XmlError};
use crate::Uuid;

/// What moat reads of `<domain>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain {
    /// `type`: `qemu`, `kvm`, …
    pub hypervisor: String,
    /// The number of this life of the domain; `None` while it does not run.
    pub id: Option<u32>,
    pub name: String,
    pub uuid: Uuid,
    /// What moat's element in `<metadata>` says.
    pub metadata: DomainMetadata,
    /// What its ports had learned, by what the agent of this host or of another wrote. Where that is
    /// not understood the domain is read all the same: it then learns anew.
    pub learned: Result<Vec<LearnedPort>, XmlError>,
    /// What connections its ports had, likewise.
    pub connections: Result<Vec<PortConnections>, XmlError>,
    /// In the order of the document.
    pub interfaces: Vec<Interface>,
}

impl Domain {
    /// Reads `<domain>`, as hooks and `virsh dumpxml` give it.
    ///
    /// # Errors
    /// No XML, no domain, or a value that is not of its kind; with the place.
    pub fn parse(text: &str) -> Result<Self, XmlError> {
        reader::document(text, "domain", |domain| {
            let name = domain.required_child("name")?.text()?.to_owned();
            let uuid = domain.required_child("uuid")?.text_as("a UUID")?;
            let (metadata, learned, connections) = match domain.child("metadata")? {
                Some(metadata) => (
                    DomainMetadata::read(metadata)?,
                    learned::read(metadata),
                    connections::read(metadata),
                ),
                None => (DomainMetadata::default(), Ok(Vec::new()), Ok(Vec::new())),
            };
            let mut interfaces = Vec::new();
            if let Some(devices) = domain.child("devices")? {
                for (index, interface) in devices.all("interface").enumerate() {
                    interfaces.push(Interface::read(index, interface)?);
                }
            }
            // A domain that does not run has no id; -1 is what old versions write for it.
            let id = match domain.attribute("id") {
                None | Some("-1") => None,
                Some(_) => domain.parsed("id", "the number of a running domain")?,
            };
            Ok(Self {
                hypervisor: domain.required("type")?.to_owned(),
                id,
                name,
                uuid,
                metadata,
                learned,
                connections,
                interfaces,
            })
        })
    }
}
