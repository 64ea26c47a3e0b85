//! The kernel's table of connections as the contract has it. Knows what of an entry is carried and what
//! an entry of a carried connection is; the bytes are left to `nftables`.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::io;

use ::datapath::{ConnectionMemory, DatapathError, Remembered};
use nftables::ReadError;
use nftables::conntrack::{
    ConnectionTracking, Entry, TCP, TCP_ESTABLISHED, Tcp, UDP, status, tcp_flags,
};
use policy::connection::{Connection, Transport};

/// Five days, the kernel's own time-out of an idle connection: nothing that is carried lives longer.
const LONGEST: u32 = 432_000;
/// The kernel's time-out of a stream of UDP. How long ago its last packet came is not known any more.
const LONGEST_UDP: u32 = 120;

/// The connections that the kernel tracks in one network namespace.
#[derive(Debug)]
pub struct KernelMemory {
    table: ConnectionTracking,
}

impl KernelMemory {
    /// For the network namespace of the calling thread, in which it stays.
    ///
    /// # Errors
    /// As socket(2).
    pub fn open() -> io::Result<Self> {
        let table = ConnectionTracking::open()?;
        Ok(Self { table })
    }
}

impl ConnectionMemory for KernelMemory {
    fn list(
        &mut self,
        zones: &BTreeSet<u16>,
        each: &mut dyn FnMut(u16, Connection),
    ) -> Result<(), DatapathError> {
        let entry = |entry: Entry| {
            if let (true, Some(connection)) = (zones.contains(&entry.zone), connection(&entry)) {
                each(entry.zone, connection);
            }
        };
        self.table.list(entry).map_err(failed)
    }

    fn remember(
        &mut self,
        zone: u16,
        connections: &[Connection],
    ) -> Result<Remembered, DatapathError> {
        let entries: Vec<Entry> = connections.iter().map(|it| entry(zone, it)).collect();
        let mut remembered = Remembered::default();
        for answer in self.table.put(&entries).map_err(failed)? {
            match answer {
                Ok(()) => remembered.added += 1,
                Err(errno) => {
                    remembered.refused += 1;
                    let reason = || io::Error::from_raw_os_error(errno).to_string();
                    remembered.reason.get_or_insert_with(reason);
                }
            }
        }
        Ok(remembered)
    }
}

/// `None`: it is not worth carrying. Half-open and closing connections end soon, a single question of UDP
/// has been answered.
fn connection(entry: &Entry) -> Option<Connection> {
    let lasting = status::SEEN_REPLY | status::ASSURED | status::CONFIRMED;
    if entry.status & lasting != lasting {
        return None;
    }
    let transport = match (entry.protocol, &entry.tcp) {
        (TCP, Some(tcp)) if tcp.state == TCP_ESTABLISHED => {
            let scaled = tcp.flags.iter().all(|it| it & tcp_flags::WINDOW_SCALE != 0);
            Transport::Tcp {
                scales: scaled.then_some(tcp.scales),
            }
        }
        (UDP, None) => Transport::Udp,
        _ => return None,
    };
    Some(Connection {
        transport,
        origin: entry.origin,
        destination: entry.destination,
        left: entry.left,
    })
}

fn entry(zone: u16, connection: &Connection) -> Entry {
    let (protocol, tcp, longest) = match connection.transport {
        Transport::Tcp { scales } => {
            // Windows and sequence numbers of before are not known: as where the kernel picks a connection
            // up from its middle (tcp_new in nf_conntrack_proto_tcp.c), nothing is refused for them.
            let scale = scales.map_or(0, |_| tcp_flags::WINDOW_SCALE);
            let flags = tcp_flags::BE_LIBERAL | tcp_flags::SACK_PERMITTED | scale;
            let tcp = Tcp {
                state: TCP_ESTABLISHED,
                scales: scales.unwrap_or_default(),
                flags: [flags; 2],
            };
            (TCP, Some(tcp), LONGEST)
        }
        Transport::Udp => (UDP, None, LONGEST_UDP),
    };
    Entry {
        zone,
        protocol,
        origin: connection.origin,
        destination: connection.destination,
        status: status::SEEN_REPLY | status::ASSURED | status::CONFIRMED,
        left: connection.left.clamp(1, longest),
        tcp,
    }
}

fn failed(error: ReadError) -> DatapathError {
    match error {
        // What nfnetlink_rcv_msg says of a subsystem that it does not have.
        ReadError::Refused { errno: 22, .. } => DatapathError::Refused(
            "this kernel does not tell of connections (module nf_conntrack_netlink)".to_owned(),
        ),
        ReadError::Refused { errno: 1, .. } => DatapathError::NotPermitted(
            "connections can be read and written with CAP_NET_ADMIN alone".to_owned(),
        ),
        error => DatapathError::Unreachable(error.to_string()),
    }
}
