//! The connections of ports whose VMs have a source that carries them: looked at again and again, and told
//! where they changed. Knows which of many are worth carrying; carrying them is left to their source.
//!
//! Nobody says in advance that a VM will migrate, and when it does its metadata can be changed no more. So
//! what it would take along is always written down: connections that last, not each that comes and goes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use datapath::ConnectionMemory;
use frame::MacAddress;
use policy::connection::{Connection, Transport, concerns};
use policy::program::PortProgram;
use tracing::{debug, warn};

use crate::travel::{Belongings, Luggage};

/// How often to look. A connection is carried that was there twice.
pub(crate) const PERIOD: Duration = Duration::from_secs(30);
/// Connections of one port that are carried: those that were used last.
pub(crate) const MOST: usize = libvirt::xml::MOST_CONNECTIONS;
/// And of one VM.
const MOST_OF_VM: usize = 4 * MOST;

/// A port whose connections are to be carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Watched {
    /// The source's id of the VM.
    pub(crate) vm: String,
    /// As people know it.
    pub(crate) name: String,
    pub(crate) port: Arc<PortProgram>,
    pub(crate) zone: u16,
    /// Its source carries some already, of an earlier time.
    pub(crate) came: bool,
}

/// Looks every `period` at the connections of the ports that were named last, until nobody names any
/// more or carries what is told.
pub(crate) fn survey(
    mut memory: Box<dyn ConnectionMemory>,
    watched: &Receiver<Vec<Watched>>,
    carrier: &Sender<Luggage>,
    period: Duration,
) {
    let mut surveyor = Surveyor::default();
    let mut ports = Vec::new();
    let mut next = after(period);
    let mut failing = false;
    loop {
        match watched.recv_timeout(next.saturating_duration_since(Instant::now())) {
            Ok(newer) => {
                ports = watched.try_iter().last().unwrap_or(newer);
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => next = after(period),
        }
        let seen = match look(memory.as_mut(), &ports) {
            Ok(seen) => seen,
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    warn!("connections do not travel, they cannot be read: {error}");
                }
                continue;
            }
        };
        failing = false;
        for luggage in surveyor.take(&ports, &seen) {
            if carrier.send(luggage).is_err() {
                return;
            }
        }
    }
}

fn after(period: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(period).unwrap_or(now)
}

/// The connections of each port, by its place among `ports`.
pub(crate) type Seen = Vec<Vec<Connection>>;

/// What a switch remembers of these ports now. A port that holds many connections holds up no other.
pub(crate) fn look(
    memory: &mut dyn ConnectionMemory,
    ports: &[Watched],
) -> Result<Seen, datapath::DatapathError> {
    let mut seen = vec![Vec::new(); ports.len()];
    let zones: BTreeSet<u16> = ports.iter().map(|port| port.zone).collect();
    if zones.is_empty() {
        return Ok(seen);
    }
    let index = Index::of(ports);
    memory.list(&zones, &mut |zone, connection| {
        for place in index.find(zone, &connection) {
            if let Some(seen) = seen.get_mut(place) {
                seen.push(connection.clone());
            }
        }
    })?;
    Ok(seen)
}

/// Finds the ports of a connection in a table of hundreds of thousands.
struct Index<'a> {
    ports: &'a [Watched],
    /// Of ports that have single addresses.
    exact: BTreeMap<(u16, IpAddr), Vec<usize>>,
    /// Ports that have ranges of them.
    ranges: Vec<usize>,
}

impl<'a> Index<'a> {
    fn of(ports: &'a [Watched]) -> Self {
        let mut exact: BTreeMap<(u16, IpAddr), Vec<usize>> = BTreeMap::new();
        let mut ranges = Vec::new();
        for (place, watched) in ports.iter().enumerate() {
            let four = watched.port.ipv4.iter();
            let four = four.map(|(first, last)| (IpAddr::V4(first), IpAddr::V4(last)));
            let six = watched.port.ipv6.iter();
            let six = six.map(|(first, last)| (IpAddr::V6(first), IpAddr::V6(last)));
            let addresses: Vec<(IpAddr, IpAddr)> = four.chain(six).collect();
            if addresses.iter().any(|(first, last)| first != last) {
                ranges.push(place);
                continue;
            }
            for (address, _) in addresses {
                exact
                    .entry((watched.zone, address))
                    .or_default()
                    .push(place);
            }
        }
        Self {
            ports,
            exact,
            ranges,
        }
    }

    fn find(&self, zone: u16, connection: &Connection) -> BTreeSet<usize> {
        let of = |end: SocketAddr| self.exact.get(&(zone, end.ip())).into_iter().flatten();
        let ranges = self.ranges.iter().filter(|place| {
            let watched = self.ports.get(**place);
            watched.is_some_and(|it| it.zone == zone && concerns(&it.port, connection))
        });
        let exact = of(connection.origin).chain(of(connection.destination));
        exact.chain(ranges).copied().collect()
    }
}

/// What tells two connections apart.
type Key = (bool, SocketAddr, SocketAddr);

fn key(connection: &Connection) -> Key {
    let tcp = matches!(connection.transport, Transport::Tcp { .. });
    (tcp, connection.origin, connection.destination)
}

/// Of these, the `most` that were used last: a connection's time begins anew with each packet. Of TCP
/// first, which lasts longer.
pub(crate) fn most_active(connections: &mut Vec<Connection>, most: usize) {
    connections.sort_by(|one, other| other.left.cmp(&one.left).then_with(|| one.cmp(other)));
    connections.dedup_by(|one, other| key(one) == key(other));
    connections.truncate(most);
}

/// Remembers from one look to the next what was there and what was told.
#[derive(Debug, Default)]
struct Surveyor {
    /// By VM and port.
    before: BTreeMap<(String, MacAddress), BTreeSet<Key>>,
    /// What the carrier was told, by VM.
    told: BTreeMap<String, BTreeMap<MacAddress, BTreeSet<Key>>>,
}

impl Surveyor {
    /// What is news for the carrier.
    fn take(&mut self, ports: &[Watched], seen: &Seen) -> Vec<Luggage> {
        let mut before = BTreeMap::new();
        let mut vms: BTreeMap<&str, (&Watched, BTreeMap<MacAddress, Vec<Connection>>)> =
            BTreeMap::new();
        for (watched, seen) in ports.iter().zip(seen) {
            let whose = (watched.vm.clone(), watched.port.mac);
            let known = self.before.get(&whose);
            let lasts = |it: &&Connection| known.is_some_and(|known| known.contains(&key(it)));
            let mut lasting: Vec<Connection> = seen.iter().filter(lasts).cloned().collect();
            most_active(&mut lasting, MOST);
            before.insert(whose, seen.iter().map(key).collect());
            // What has just come is not known yet, and carried already as it came.
            if known.is_none() && !self.told.contains_key(&watched.vm) {
                continue;
            }
            let (_, of_vm) = vms
                .entry(&watched.vm)
                .or_insert_with(|| (watched, BTreeMap::new()));
            let carried: usize = of_vm.values().map(Vec::len).sum();
            lasting.truncate(MOST_OF_VM.saturating_sub(carried));
            if !lasting.is_empty() {
                of_vm.insert(watched.port.mac, lasting);
            }
        }
        self.before = before;
        let here: BTreeSet<&str> = ports.iter().map(|it| it.vm.as_str()).collect();
        self.told.retain(|vm, _| here.contains(vm.as_str()));
        let mut news = Vec::new();
        for (vm, (watched, connections)) in vms {
            let keys: BTreeMap<MacAddress, BTreeSet<Key>> = connections
                .iter()
                .map(|(mac, connections)| (*mac, connections.iter().map(key).collect()))
                .collect();
            let told = self.told.get(vm);
            let same = told.is_some_and(|told| *told == keys);
            let nothing = told.is_none() && keys.is_empty() && !watched.came;
            if !same && !nothing {
                let count: usize = keys.values().map(BTreeSet::len).sum();
                debug!(vm = watched.name, count, "has other connections to carry");
                news.push(Luggage {
                    vm: vm.to_owned(),
                    name: watched.name.clone(),
                    belongings: Belongings::Connections(connections),
                });
            }
            self.told.insert(vm.to_owned(), keys);
        }
        news
    }
}

#[cfg(test)]
mod tests;
