//! Reads the bridges of this host and what is plugged into them, as of one moment.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use frame::MacAddress;
use policy::observation::{Observation, ObservedBridge, ObservedInterface};

use crate::link::Link;
use crate::rtnetlink::{DumpEnd, ExchangeError, LinkDump, LinkName, LinkSocket};
use crate::vlan::PortVlans;

/// How often a dump that the host's own changes broke is tried again. Each lasts milliseconds, so this
/// many in a row means that something creates and destroys interfaces without pause.
const ATTEMPTS: u32 = 50;

/// Why the interfaces of this host could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ObserveError {
    /// Opening, sending or receiving failed: no netlink in this kernel or sandbox, or no memory.
    #[error(
        "cannot talk to the kernel about interfaces (route netlink): {0}; \
         check that the process may open AF_NETLINK sockets"
    )]
    Socket(#[source] io::Error),
    /// The kernel understood the request and declined it.
    #[error("the kernel refused to list the interfaces: {0}")]
    Refused(#[source] io::Error),
    /// The kernel's answer has another shape than its interface description says.
    #[error("the kernel described an interface in a way that moat does not understand: {0}")]
    Malformed(String),
    /// Links came and went during every attempt.
    #[error(
        "the interfaces of this host changed during each of {attempts} attempts to list them; \
         something creates and deletes interfaces without pause, stop it or try again"
    )]
    Unsettled { attempts: u32 },
}

impl From<ExchangeError> for ObserveError {
    fn from(error: ExchangeError) -> Self {
        match error {
            ExchangeError::Socket(error) => Self::Socket(error),
            ExchangeError::Refused(error) => Self::Refused(error),
            ExchangeError::Malformed(error) => Self::Malformed(error.to_string()),
        }
    }
}

/// Reads all bridges and the interfaces in them, in the calling thread's network namespace.
///
/// The answer shows one moment: a listing during which links came or went is thrown away and repeated.
/// VLANs are asked for only where a bridge filters them. Interfaces under a bond, a VRF or an Open
/// vSwitch are in no Linux bridge and so not in the answer.
///
/// # Errors
/// [`ObserveError`]; nothing is returned by halves.
pub fn observe() -> Result<Observation, ObserveError> {
    observe_all().map(|(observation, _)| observation)
}

/// As [`observe`], and the indices of all interfaces that exist, in a bridge or not.
///
/// # Errors
/// As [`observe`].
pub fn observe_all() -> Result<(Observation, BTreeSet<u32>), ObserveError> {
    let mut socket = LinkSocket::open().map_err(ObserveError::Socket)?;
    for _ in 0..ATTEMPTS {
        let Some(links) = dump(&mut socket, LinkDump::All)? else {
            continue;
        };
        let vlans = if links
            .iter()
            .any(|link| link.bridge_filters_vlans == Some(true))
        {
            let Some(vlans) = dump(&mut socket, LinkDump::BridgeVlans)? else {
                continue;
            };
            vlans
        } else {
            Vec::new()
        };
        let all = links.iter().map(|link| link.ifindex).collect();
        if let Some(observation) = assemble(links, &vlans) {
            return Ok((observation, all));
        }
    }
    Err(ObserveError::Unsettled { attempts: ATTEMPTS })
}

/// Brings single interfaces of an observation up to date, at the cost of these alone. `false`: only a
/// whole look tells what happened (an interface has another name than before, or is gone, or is in a
/// bridge that is not as observed or that filters VLANs), and the observation is as it was.
///
/// # Errors
/// As [`observe`]; the observation is as it was.
pub fn observe_devices(
    observation: &mut Observation,
    devices: &BTreeSet<String>,
) -> Result<bool, ObserveError> {
    let mut socket = LinkSocket::open().map_err(ObserveError::Socket)?;
    let mut found = Vec::new();
    for device in devices {
        let known = observation.interfaces.get(device);
        let Some(link) = socket.find(&LinkName::Name(device))? else {
            match known {
                Some(_) => return Ok(false),
                None => continue,
            }
        };
        let renamed = known.map_or_else(
            || {
                let mut all = observation.interfaces.values();
                all.any(|interface| interface.ifindex == link.ifindex)
            },
            |known| known.ifindex != link.ifindex,
        );
        // A name may also be an alternative one, under which no whole look shows the interface.
        if renamed || link.name != *device || link.bridge_filters_vlans.is_some() {
            return Ok(false);
        }
        let Some(master) = link.master else {
            match known {
                Some(_) => return Ok(false),
                None => continue,
            }
        };
        let Some(bridge) = socket.find(&LinkName::Index(master))? else {
            return Ok(false);
        };
        let as_now = ObservedBridge {
            ifindex: master,
            mac: bridge.mac.unwrap_or_default(),
            vlan_filtering: bridge.bridge_filters_vlans.unwrap_or_default(),
        };
        if bridge.bridge_filters_vlans != Some(false)
            || observation.bridges.get(&bridge.name) != Some(&as_now)
        {
            return Ok(false);
        }
        let interface = ObservedInterface {
            ifindex: link.ifindex,
            bridge: bridge.name,
            mac: link.mac.unwrap_or_default(),
            pvid: None,
        };
        found.push((link.name, interface));
    }
    observation.interfaces.extend(found);
    Ok(true)
}

/// The VLANs of every interface that is in a bridge, by its index.
///
/// # Errors
/// As [`observe`].
pub fn vlans() -> Result<BTreeMap<u32, PortVlans>, ObserveError> {
    let mut socket = LinkSocket::open().map_err(ObserveError::Socket)?;
    for _ in 0..ATTEMPTS {
        if let Some(links) = dump(&mut socket, LinkDump::BridgeVlans)? {
            let vlans = links.into_iter().map(|link| {
                let vlans = PortVlans {
                    pvid: link.pvid,
                    untagged: link.untagged,
                };
                (link.ifindex, vlans)
            });
            return Ok(vlans.collect());
        }
    }
    Err(ObserveError::Unsettled { attempts: ATTEMPTS })
}

/// All links, or `None` where they changed meanwhile.
fn dump(socket: &mut LinkSocket, what: LinkDump) -> Result<Option<Vec<Link>>, ObserveError> {
    let mut links = Vec::new();
    let end = socket.dump(what, |body| {
        links.push(Link::parse(body)?);
        Ok(())
    })?;
    Ok((end == DumpEnd::Consistent).then_some(links))
}

/// Puts the links together. `None`: two have the same name, for a rename does not mark a dump as
/// interrupted, and a name handed over from one link to another meanwhile shows twice.
fn assemble(links: Vec<Link>, vlans: &[Link]) -> Option<Observation> {
    let pvids: BTreeMap<u32, u16> = vlans
        .iter()
        .filter_map(|link| Some((link.ifindex, link.pvid?)))
        .collect();
    let bridges: BTreeMap<u32, (String, bool, MacAddress)> = links
        .iter()
        .filter_map(|link| {
            let mac = link.mac.unwrap_or_default();
            let filtering = link.bridge_filters_vlans?;
            Some((link.ifindex, (link.name.clone(), filtering, mac)))
        })
        .collect();

    let mut observation = Observation::default();
    for (ifindex, (name, vlan_filtering, mac)) in &bridges {
        let bridge = ObservedBridge {
            ifindex: *ifindex,
            mac: *mac,
            vlan_filtering: *vlan_filtering,
        };
        if observation.bridges.insert(name.clone(), bridge).is_some() {
            return None;
        }
    }
    for link in links {
        let Some((bridge, vlan_filtering, _)) = link.master.and_then(|index| bridges.get(&index))
        else {
            continue;
        };
        let interface = ObservedInterface {
            ifindex: link.ifindex,
            bridge: bridge.clone(),
            mac: link.mac.unwrap_or_default(),
            pvid: pvids
                .get(&link.ifindex)
                .copied()
                .filter(|_| *vlan_filtering),
        };
        if observation
            .interfaces
            .insert(link.name, interface)
            .is_some()
        {
            return None;
        }
    }
    Some(observation)
}

#[cfg(test)]
mod tests;
