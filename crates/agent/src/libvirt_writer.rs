//! Writes what ports have learned, and their connections, into the metadata of running domains, with which
//! it migrates. Knows when to write and when to try again; what is written is told by others.
//!
//! libvirt holds a write back for as long as the domain migrates. So this has a thread and a
//! connection of its own, leaves such a domain for later, and looks after the others meanwhile.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use learning::Origin;
use libvirt::call::{Call, IsDomainBusy, SetDomainMetadata};
use libvirt::xml::{
    CONNECTIONS_NAMESPACE, CONNECTIONS_PREFIX, LEARNED_NAMESPACE, LEARNED_PREFIX, LearnedAddress,
    LearnedOrigin, LearnedPort, PortConnections, connections_element, learned_element,
};
use libvirt::{
    Access, Connection, ConnectionError, DomainRef, Endpoint, ErrorCode, Timeouts, Uuid,
};
use tracing::{debug, warn};

use crate::travel::{Belongings, Luggage};

/// A domain is written no more often than this: each write is an event for everybody who follows
/// libvirt, and a file of its.
const LEAST: Duration = Duration::from_secs(1);
/// How long libvirt may take for one.
const PATIENCE: Duration = Duration::from_secs(3);
/// When to look again at a domain that migrates.
const BUSY: Duration = Duration::from_secs(5);
/// When to try again what failed: libvirt gives up a write that it holds back after 30 s.
const AGAIN: Duration = Duration::from_secs(60);
/// How long to sleep where there is nothing to do.
const IDLE: Duration = Duration::from_secs(3600);

/// Writes until nobody tells any more.
pub(crate) fn write(endpoint: &Endpoint, luggage: &Receiver<Luggage>) {
    let mut writer = Writer {
        endpoint,
        connection: None,
        waiting: Waiting::default(),
        told: false,
    };
    loop {
        let now = Instant::now();
        let next = writer.waiting.next(now);
        let wait = next.map_or(IDLE, |due| due.saturating_duration_since(now));
        match luggage.recv_timeout(wait) {
            Ok(first) => {
                for one in std::iter::once(first).chain(luggage.try_iter()) {
                    writer.waiting.add(one, Instant::now());
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        while let Some(one) = writer.waiting.take(Instant::now()) {
            writer.write(one);
        }
    }
}

/// What is to be written, the newest of each domain and kind, and when each domain may be written again.
#[derive(Debug, Default)]
struct Waiting {
    luggage: BTreeMap<(String, Kind), Luggage>,
    /// Domains that were written of late.
    not_before: BTreeMap<String, Instant>,
}

/// What has an element of its own in the metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Learned,
    Connections,
}

impl Kind {
    fn of(luggage: &Luggage) -> Self {
        match luggage.belongings {
            Belongings::Learned(_) => Self::Learned,
            Belongings::Connections(_) => Self::Connections,
        }
    }
}

impl Waiting {
    fn add(&mut self, luggage: Luggage, now: Instant) {
        self.not_before
            .retain(|vm, time| *time > now || self.luggage.keys().any(|(of, _)| of == vm));
        self.luggage
            .insert((luggage.vm.clone(), Kind::of(&luggage)), luggage);
    }

    /// When the next one is due.
    fn next(&self, now: Instant) -> Option<Instant> {
        let due = |vm| self.not_before.get(vm).copied().unwrap_or(now);
        self.luggage.keys().map(|(vm, _)| due(vm)).min()
    }

    fn take(&mut self, now: Instant) -> Option<Luggage> {
        let mut waiting = self.luggage.keys();
        let due = |vm| self.not_before.get(vm).is_none_or(|time| *time <= now);
        let next = waiting.find(|(vm, _)| due(vm))?.clone();
        self.hold(&next.0, now, LEAST);
        self.luggage.remove(&next)
    }

    fn hold(&mut self, vm: &str, now: Instant, time: Duration) {
        let until = now.checked_add(time).unwrap_or(now);
        self.not_before.insert(vm.to_owned(), until);
    }

    /// Something that could not be written, unless there is something newer.
    fn put_back(&mut self, luggage: Luggage, now: Instant, pause: Duration) {
        self.hold(&luggage.vm, now, pause);
        self.luggage
            .entry((luggage.vm.clone(), Kind::of(&luggage)))
            .or_insert(luggage);
    }
}

struct Writer<'a> {
    endpoint: &'a Endpoint,
    connection: Option<Connection>,
    waiting: Waiting,
    /// That nothing can be written is told once.
    told: bool,
}

impl Writer<'_> {
    fn write(&mut self, luggage: Luggage) {
        let Some(call) = call(&luggage) else {
            warn!(
                vm = luggage.vm,
                "is no id of libvirt's: what belongs to it does not travel"
            );
            return;
        };
        match self.try_to_write(&call) {
            Ok(true) => {
                debug!(domain = luggage.name, kind = ?Kind::of(&luggage), "carries what is new");
                self.told = false;
            }
            Ok(false) => self.waiting.put_back(luggage, Instant::now(), BUSY),
            // It has ended.
            Err(ConnectionError::Refused(error))
                if [ErrorCode::NO_DOMAIN, ErrorCode::OPERATION_INVALID].contains(&error.code) =>
            {
                debug!(domain = luggage.name, "carries nothing: {error}");
            }
            Err(error) => {
                if !self.told {
                    let domain = &luggage.name;
                    warn!(domain, "what belongs to it does not travel yet: {error}");
                    self.told = true;
                }
                if !matches!(error, ConnectionError::Refused(_)) {
                    self.connection = None;
                }
                self.waiting.put_back(luggage, Instant::now(), AGAIN);
            }
        }
    }

    /// Says whether it is written; not, where libvirt would hold it back.
    fn try_to_write(&mut self, call: &SetDomainMetadata) -> Result<bool, ConnectionError> {
        let question = IsDomainBusy {
            domain: call.domain.clone(),
        };
        let busy = match self.call(&question) {
            // A daemon that was restarted meanwhile shows it only now.
            Err(ConnectionError::Closed | ConnectionError::Io(_)) => {
                self.connection = None;
                self.call(&question)
            }
            other => other,
        };
        match busy {
            Ok(true) => return Ok(false),
            Ok(false) => {}
            // Nobody says: not at the target of a migration.
            Err(ConnectionError::Refused(error)) if error.code != ErrorCode::NO_DOMAIN => {}
            Err(error) => return Err(error),
        }
        self.call(call).map(|()| true)
    }

    fn call<C: Call>(&mut self, call: &C) -> Result<C::Reply, ConnectionError> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => {
                let timeouts = Timeouts {
                    call: PATIENCE,
                    ..Timeouts::default()
                };
                none.insert(Connection::open(
                    self.endpoint,
                    Access::ReadWrite,
                    timeouts,
                )?)
            }
        };
        connection.call(call)
    }
}

/// `None` where the VM is none of libvirt's.
fn call(luggage: &Luggage) -> Option<SetDomainMetadata> {
    let uuid: Uuid = luggage.vm.parse().ok()?;
    let (namespace, prefix, element) = match &luggage.belongings {
        Belongings::Learned(ports) => {
            let ports = ports.iter().map(|(mac, held)| LearnedPort {
                mac: *mac,
                addresses: held.iter().map(address).collect(),
            });
            let ports: Vec<LearnedPort> = ports.collect();
            (LEARNED_NAMESPACE, LEARNED_PREFIX, learned_element(&ports))
        }
        Belongings::Connections(ports) => {
            let ports = ports.iter().map(|(mac, connections)| PortConnections {
                mac: *mac,
                connections: connections.iter().map(ToString::to_string).collect(),
            });
            let ports: Vec<PortConnections> = ports.collect();
            let element = connections_element(&ports);
            (CONNECTIONS_NAMESPACE, CONNECTIONS_PREFIX, element)
        }
    };
    Some(SetDomainMetadata {
        // libvirt finds a domain by its UUID alone.
        domain: DomainRef {
            name: luggage.name.clone(),
            uuid,
            id: -1,
        },
        namespace: namespace.to_owned(),
        prefix: prefix.to_owned(),
        element,
    })
}

fn address(held: &learning::Held) -> LearnedAddress {
    LearnedAddress {
        address: held.address,
        origin: match held.origin {
            Origin::Probed => LearnedOrigin::Probe,
            Origin::Used => LearnedOrigin::Use,
            Origin::Leased => LearnedOrigin::Lease,
        },
        since: held.since.0.as_secs(),
        until: held.expires.map(|end| end.0.as_secs()),
        server: held.server,
        client: held.client,
    }
}

#[cfg(test)]
mod tests;
