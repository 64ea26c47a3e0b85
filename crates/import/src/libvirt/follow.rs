//! What events of libvirt's ask for. Knows what each means for claims; asking libvirt is left to
//! the agent.

use libvirt::event::{DomainEvent, DomainLifecycle, Event, NetworkLifecycle};
use libvirt::xml::NAMESPACE;
use libvirt::{DomainRef, NetworkRef};

/// What to do about an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Follow {
    /// Ask for the domain's XML and give it to [`super::Libvirt::domain`]; where libvirt knows no
    /// such domain any more, [`super::Libvirt::release`] it.
    AskDomain(DomainRef),
    /// Tell [`super::Libvirt::ended`]: this life of the domain is over, or goes on elsewhere. The
    /// `release` hook said the same, where it is installed.
    Ended(DomainRef),
    /// Ask for the network's XML and give it to [`super::Libvirt::network`].
    AskNetwork(NetworkRef),
    /// Events were lost, or the daemon lost its driver: ask for everything.
    Resync,
    Nothing,
}

/// What an event asks for.
pub fn follow(event: &Event) -> Follow {
    match event {
        Event::Domain { domain, event } => follow_domain(domain, event),
        Event::Network { network, event, .. } => match event {
            // What a network that is stopped or undefined said still holds for running domains.
            NetworkLifecycle::Stopped | NetworkLifecycle::Undefined => Follow::Nothing,
            NetworkLifecycle::Defined | NetworkLifecycle::Started | NetworkLifecycle::Other(_) => {
                Follow::AskNetwork(network.clone())
            }
        },
        Event::Closed { .. } | Event::Lost => Follow::Resync,
    }
}

fn follow_domain(domain: &DomainRef, event: &DomainEvent) -> Follow {
    let ask = || Follow::AskDomain(domain.clone());
    match event {
        DomainEvent::Lifecycle { event, .. } => match event {
            DomainLifecycle::Stopped if domain.id != -1 => Follow::Ended(domain.clone()),
            // Which life has ended is not said.
            DomainLifecycle::Stopped => ask(),
            // `Defined` also comes with the renaming of one, and `Resumed` at the end of an
            // incoming migration.
            DomainLifecycle::Defined
            | DomainLifecycle::Started
            | DomainLifecycle::Resumed
            | DomainLifecycle::Other(_) => match domain.id {
                -1 => Follow::Nothing,
                _ => ask(),
            },
            DomainLifecycle::Undefined
            | DomainLifecycle::Suspended
            | DomainLifecycle::Shutdown
            | DomainLifecycle::PowerManagementSuspended
            | DomainLifecycle::Crashed => Follow::Nothing,
        },
        DomainEvent::DeviceAdded { .. } | DomainEvent::DeviceRemoved { .. } => ask(),
        DomainEvent::MetadataChange { namespace } => match namespace.as_deref() {
            Some(NAMESPACE) if domain.id != -1 => ask(),
            _ => Follow::Nothing,
        },
        DomainEvent::MigrationIteration { .. } => Follow::Nothing,
    }
}
