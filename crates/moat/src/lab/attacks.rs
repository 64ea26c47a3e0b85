//! What a hostile machine would send: the frames, who sends them and who should not receive them.
//! Knows the protocols; leaves sending and measuring to `assault`.

mod frames;

use std::net::{Ipv4Addr, Ipv6Addr};

use frame::MacAddress;
use policy::Catalog;
use policy::document::{Guard, Isolation, Port, Role};

use super::site::{Resident, Site};

/// Where an attack comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attacker {
    /// A machine, by its place in [`Site::machines`].
    Machine(usize),
    /// An interface that no document knows, plugged into the first machine's bridge.
    Unclaimed(usize),
    /// Something on the wire between the hosts, seen by the second host.
    Wire,
}

/// One attack.
#[derive(Clone, Debug)]
pub(super) struct Attack {
    pub(super) name: String,
    pub(super) by: Attacker,
    /// Machines that must not receive it, by their place; the first is the one aimed at.
    pub(super) victims: Vec<usize>,
    pub(super) frames: Vec<Vec<u8>>,
    /// Machines whose whereabouts the bridges should know, so that the frames go where they are aimed.
    pub(super) known: Vec<usize>,
}

/// One machine as frames see it.
#[derive(Clone, Copy, Debug)]
struct Identity {
    place: usize,
    mac: MacAddress,
    ipv4: Ipv4Addr,
    ipv6: Ipv6Addr,
}

/// Whom the attacks are about.
struct Cast {
    attacker: Identity,
    /// On the other host where there is one.
    victim: Identity,
    /// Whom the attacker pretends to be: a gateway where there is one.
    impersonated: Identity,
    /// The victim first.
    everybody_else: Vec<usize>,
}

/// Every attack that the site has the machines for.
///
/// `closed`: two machines and a TCP port such that the rules of the second alone refuse the first.
pub(super) fn attacks(
    catalog: &Catalog,
    site: &Site,
    closed: Option<(usize, usize, u16)>,
) -> Vec<Attack> {
    let Some(cast) = cast(catalog, site) else {
        return Vec::new();
    };
    let mut attacks = frames::forgeries(&cast);
    attacks.extend(frames::impostures(&cast));
    attacks.extend(frames::disguises(&cast));
    if isolated(catalog, site, &cast.attacker) && isolated(catalog, site, &cast.victim) {
        attacks.push(frames::isolated_pair(&cast));
    }
    if let Some((from, to, port)) = closed
        && let (Some(from), Some(to)) = (identity(site, from), identity(site, to))
    {
        attacks.extend(frames::fragments(from, to, port));
    }
    if site.wire.is_some() && on_second_host(site, &cast.victim) {
        attacks.push(frames::stranger(&cast));
    }
    attacks.push(frames::unclaimed(&cast));
    attacks
}

fn cast(catalog: &Catalog, site: &Site) -> Option<Cast> {
    let everybody: Vec<Identity> = (0..site.machines.len())
        .filter_map(|place| identity(site, place))
        .collect();
    let resident = |one: &Identity| site.machines.get(one.place);
    // The most closely guarded, and best a rented server: isolated ones.
    let rank = |one: &Identity| {
        let guards = resident(one).map_or(0, |resident| guards(catalog, &resident.port));
        (
            guards,
            isolated(catalog, site, one),
            std::cmp::Reverse((on_second_host(site, one), one.place)),
        )
    };
    let attacker = *everybody.iter().max_by_key(|one| rank(one))?;
    let network = |one: &Identity| resident(one).map(|resident| resident.port.network.as_str());
    let others = || everybody.iter().filter(|one| one.place != attacker.place);
    let victim = *others().max_by_key(|one| {
        let elsewhere = on_second_host(site, one) != on_second_host(site, &attacker);
        let alike = network(one) == network(&attacker) && isolated(catalog, site, one);
        (elsewhere, alike, std::cmp::Reverse(one.place))
    })?;
    let gateways = catalog
        .networks
        .get(network(&attacker)?)
        .map(|network| &network.gateways)?;
    let impersonated = *others()
        .filter(|one| one.place != victim.place)
        .max_by_key(|one| {
            (
                gateways.contains(&one.mac),
                std::cmp::Reverse((on_second_host(site, one), one.place)),
            )
        })?;
    Some(Cast {
        attacker,
        victim,
        impersonated,
        everybody_else: std::iter::once(victim.place)
            .chain(
                others()
                    .map(|one| one.place)
                    .filter(|place| *place != victim.place),
            )
            .collect(),
    })
}

fn identity(site: &Site, place: usize) -> Option<Identity> {
    let resident = site.machines.get(place)?;
    let (Some(std::net::IpAddr::V4(ipv4)), Some(std::net::IpAddr::V6(ipv6))) =
        (resident.address(false), resident.address(true))
    else {
        return None;
    };
    Some(Identity {
        place,
        mac: resident.port.mac,
        ipv4,
        ipv6,
    })
}

fn on_second_host(site: &Site, one: &Identity) -> bool {
    site.machines
        .get(one.place)
        .is_some_and(|resident| resident.host == 1)
}

fn isolated(catalog: &Catalog, site: &Site, one: &Identity) -> bool {
    let Some(Resident { port, .. }) = site.machines.get(one.place) else {
        return false;
    };
    catalog.networks.get(&port.network).is_some_and(|network| {
        let own_names = [Some(&port.name), port.vm.as_ref()];
        let in_community = network.communities.values().flatten();
        network.isolation == Isolation::Private
            && port.role == Role::Isolated
            && !network.promiscuous.contains(&port.mac)
            && !network.gateways.contains(&port.mac)
            && !in_community
                .into_iter()
                .any(|member| own_names.contains(&Some(member)))
    })
}

/// How many guards a port's profiles ask for.
fn guards(catalog: &Catalog, port: &Port) -> usize {
    let network = catalog.networks.get(&port.network);
    let mut names: Vec<&String> = match (port.profiles.as_slice(), network) {
        ([], Some(network)) => network.profiles.iter().collect(),
        (own, _) => own.iter().collect(),
    };
    let mut found: Vec<Guard> = Vec::new();
    let mut next = 0;
    while let Some(name) = names.get(next) {
        next = next.saturating_add(1);
        if let Some(profile) = catalog.profiles.get(*name) {
            found.extend(&profile.guards);
            for included in &profile.include {
                if !names.contains(&included) {
                    names.push(included);
                }
            }
        }
    }
    found.sort_unstable();
    found.dedup();
    found.len()
}
