//! What the daemon tells unasked. Knows the events that moat registers for; what they ask for is
//! left to others.

use crate::protocol as number;
use crate::value::{DomainRef, NetworkRef};
use crate::xdr::{Decoder, XdrError};

/// An event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    Domain {
        domain: DomainRef,
        event: DomainEvent,
    },
    Network {
        network: NetworkRef,
        event: NetworkLifecycle,
        detail: i32,
    },
    /// The daemon's own connection to its driver has ended, with libvirt's number of the reason.
    Closed { reason: i32 },
    /// So many events came while nobody took them that some were thrown away: ask for everything.
    Lost,
}

/// What happened to a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DomainEvent {
    /// With libvirt's number of the detail, whose meaning depends on the event.
    Lifecycle {
        event: DomainLifecycle,
        detail: i32,
    },
    /// By alias: `net1`.
    DeviceRemoved {
        alias: String,
    },
    DeviceAdded {
        alias: String,
    },
    /// A round of a live migration, from 1.
    MigrationIteration {
        iteration: i32,
    },
    /// Of an element, with its namespace; of title or description, without.
    MetadataChange {
        namespace: Option<String>,
    },
}

/// What became of a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DomainLifecycle {
    Defined,
    Undefined,
    Started,
    Suspended,
    Resumed,
    Stopped,
    Shutdown,
    PowerManagementSuspended,
    Crashed,
    /// One that this version does not know.
    Other(i32),
}

/// What became of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NetworkLifecycle {
    Defined,
    Undefined,
    Started,
    Stopped,
    /// One that this version does not know.
    Other(i32),
}

impl DomainLifecycle {
    fn of(number: i32) -> Self {
        match number {
            0 => Self::Defined,
            1 => Self::Undefined,
            2 => Self::Started,
            3 => Self::Suspended,
            4 => Self::Resumed,
            5 => Self::Stopped,
            6 => Self::Shutdown,
            7 => Self::PowerManagementSuspended,
            8 => Self::Crashed,
            other => Self::Other(other),
        }
    }
}

impl NetworkLifecycle {
    fn of(number: i32) -> Self {
        match number {
            0 => Self::Defined,
            1 => Self::Undefined,
            2 => Self::Started,
            3 => Self::Stopped,
            other => Self::Other(other),
        }
    }
}

/// Reads an event; `None` where it is of a kind that moat does not know. The number of the
/// registration comes first in all but the last.
pub(crate) fn decode(procedure: u32, payload: &[u8]) -> Result<Option<Event>, XdrError> {
    let mut decoder = Decoder::new(payload);
    let event = match procedure {
        number::CONNECT_EVENT_CONNECTION_CLOSED => Event::Closed {
            reason: decoder.signed()?,
        },
        number::NETWORK_EVENT_LIFECYCLE => {
            decoder.signed()?;
            Event::Network {
                network: NetworkRef::decode(&mut decoder)?,
                event: NetworkLifecycle::of(decoder.signed()?),
                detail: decoder.signed()?,
            }
        }
        number::DOMAIN_EVENT_CALLBACK_LIFECYCLE
        | number::DOMAIN_EVENT_CALLBACK_DEVICE_REMOVED
        | number::DOMAIN_EVENT_CALLBACK_DEVICE_ADDED
        | number::DOMAIN_EVENT_CALLBACK_MIGRATION_ITERATION
        | number::DOMAIN_EVENT_CALLBACK_METADATA_CHANGE => {
            decoder.signed()?;
            let domain = DomainRef::decode(&mut decoder)?;
            let event = of_domain(procedure, &mut decoder)?;
            Event::Domain { domain, event }
        }
        _ => return Ok(None),
    };
    decoder.end()?;
    Ok(Some(event))
}

fn of_domain(procedure: u32, decoder: &mut Decoder<'_>) -> Result<DomainEvent, XdrError> {
    Ok(match procedure {
        number::DOMAIN_EVENT_CALLBACK_LIFECYCLE => DomainEvent::Lifecycle {
            event: DomainLifecycle::of(decoder.signed()?),
            detail: decoder.signed()?,
        },
        number::DOMAIN_EVENT_CALLBACK_DEVICE_REMOVED => DomainEvent::DeviceRemoved {
            alias: decoder.string()?,
        },
        number::DOMAIN_EVENT_CALLBACK_DEVICE_ADDED => DomainEvent::DeviceAdded {
            alias: decoder.string()?,
        },
        number::DOMAIN_EVENT_CALLBACK_MIGRATION_ITERATION => DomainEvent::MigrationIteration {
            iteration: decoder.signed()?,
        },
        _ => {
            decoder.signed()?;
            DomainEvent::MetadataChange {
                namespace: decoder.optional(Decoder::string)?,
            }
        }
    })
}
