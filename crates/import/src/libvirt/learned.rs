//! Addresses that a domain's ports have learned, from what travels with the domain. Knows whose they
//! are; whether they hold on this host is left to the agent.

use std::time::Duration;

use frame::MacAddress;
use libvirt::xml::{self, Domain, Interface};
use policy::claim::{Claim, LearnedAddress, LearnedOrigin};

/// Gives the claim what its interface had learned. Ports are told apart by MAC, the one name that is
/// the same on every host: where two interfaces share one, neither gets anything.
pub(super) fn fill(claim: &mut Claim, domain: &Domain, interface: &Interface) {
    let ports = match &domain.learned {
        Ok(ports) => ports,
        Err(error) => {
            claim.notes.push(format!(
                "the addresses that came with the VM are not understood, and are learned anew: {error}"
            ));
            return;
        }
    };
    let alone = |mac: MacAddress| {
        let interfaces = domain.interfaces.iter();
        interfaces.filter(|other| other.mac == Some(mac)).count() == 1
    };
    let Some(mac) = interface.mac.filter(|mac| alone(*mac)) else {
        return;
    };
    let own = ports.iter().filter(|port| port.mac == mac);
    claim.learned = own.flat_map(|port| &port.addresses).map(address).collect();
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
