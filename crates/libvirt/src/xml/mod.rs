//! libvirt's XML as typed values: domains, networks, their ports, filter bindings and what hooks
//! get. Knows structure; what an interface may do is left to others.
//!
//! What moat reads is read strictly: a value that is not of its kind is an error with its place.
//! Elements that moat does not know are passed over, for libvirt adds some with every version;
//! those of an interface are kept by name so that they can be told. In moat's own namespace nothing
//! is passed over: a misspelt word there would leave a port without what somebody wished for it.

mod binding;
mod connections;
mod domain;
mod interface;
mod learned;
mod metadata;
mod network;
mod port;
mod reader;

#[cfg(test)]
mod tests;

pub use binding::FilterBinding;
pub use connections::{
    CONNECTIONS_NAMESPACE, CONNECTIONS_PREFIX, MOST_CONNECTIONS, PortConnections,
    connections_element,
};
pub use domain::Domain;
pub use interface::{
    Bandwidth, BandwidthLimit, FilterReference, Interface, InterfaceKind, InterfaceSource,
    VirtualPort, Vlan, VlanTag,
};
pub use learned::{
    LEARNED_NAMESPACE, LEARNED_PREFIX, LearnedAddress, LearnedOrigin, LearnedPort, learned_element,
};
pub use metadata::{
    DomainMetadata, MetadataRole, NAMESPACE, NetworkMetadata, PortMetadata, PortSelector,
    PortgroupMetadata,
};
pub use network::{Forward, ForwardMode, Network, PortGroup};
pub use port::{HookData, NetworkPort, Owner, Plug};
pub use reader::{Position, XmlError};
