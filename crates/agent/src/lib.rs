//! The loop of one host: documents, claims and learned addresses in, one program in the switch out.
//! Knows when to look and what to keep; which switch it is, and the command line, are left to the binary.

pub mod event;
mod exporter;
mod host;
pub mod learners;
mod libvirt_source;
mod libvirt_writer;
mod listener;
mod metrics;
pub mod protocol;
mod remembered;
mod service;
mod standing;
mod store;
mod survey;
mod systems;
mod travel;

pub use event::{Event, Told};
pub use exporter::export_metrics;
pub use host::{BoundPorts, DesireError, Desired, HostState, RejectedDocuments, WantedVlan};
pub use libvirt_source::follow_libvirt;
pub use listener::{Access, listen};
pub use service::{Agent, Handle, ReadDocuments, Refused, Settings, StartError};
pub use standing::{AgentStatus, PortState, PortStatus};
pub use store::Store;
pub use travel::{Belongings, Luggage};
