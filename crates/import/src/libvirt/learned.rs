//! Addresses that a domain's ports have learned, and connections that they have, from what travels with
//! the domain. Knows whose they are; whether they hold on this host is left to the agent.

use std::time::Duration;

use frame::MacAddress;
use libvirt::xml::{self, Domain, Interface};
use policy::claim::{Claim, LearnedAddress, LearnedOrigin};
use policy::connection::{Connection, ConnectionError};

/// Gives the claim what its interface had. Ports are told apart by MAC, the one name that is the same on
/// every host: where two interfaces share one, neither gets anything.
pub(super) fn fill(claim: &mut Claim, domain: &Domain, interface: &Interface) {
    let alone = |mac: MacAddress| {
        let interfaces = domain.interfaces.iter();
        interfaces.filter(|other| other.mac == Some(mac)).count() == 1
    };
    let Some(mac) = interface.mac.filter(|mac| alone(*mac)) else {
        return;
    };
    match &domain.learned {
        Ok(ports) => {
            let own = ports.iter().filter(|port| port.mac == mac);
            claim.learned = own.flat_map(|port| &port.addresses).map(address).collect();
        }
        Err(error) => claim.notes.push(format!(
            "the addresses that came with the VM are not understood, and are learned anew: {error}"
        )),
    }
    match connections(domain, mac) {
        Ok(connections) => claim.connections = connections,
        Err(error) => claim.notes.push(format!(
            "the connections that came with the VM are not understood, and go on when it speaks: {error}"
        )),
    }
}

fn connections(domain: &Domain, mac: MacAddress) -> Result<Vec<Connection>, String> {
    let ports = domain.connections.as_ref().map_err(ToString::to_string)?;
    let own = ports.iter().filter(|port| port.mac == mac);
    let read = |text: &String| {
        text.parse()
            .map_err(|error: ConnectionError| error.to_string())
    };
    own.flat_map(|port| &port.connections).map(read).collect()
}

fn address(read: &xml::LearnedAddress) -> LearnedAddress {
    LearnedAddress {
        address: read.address,
        origin: match read.origin {
            xml::LearnedOrigin::Probe => LearnedOrigin::Probed,
            xml::LearnedOrigin::Use => LearnedOrigin::Used,
            xml::LearnedOrigin::Lease => LearnedOrigin::Leased,
        },
        since: Duration::from_secs(read.since),
        expires: read.until.map(Duration::from_secs),
        server: read.server,
        client: read.client,
    }
}
