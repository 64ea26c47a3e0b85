//! NICs as claims: device, addresses, guards, groups, network. Knows what a NIC of ours carries, and
//! which NICs are not ours.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use frame::MacAddress;
use ipnet::IpNet;
use policy::claim::{Claim, ProfileSource};
use policy::document::{Document, Guard, Profile, Stateful};
use policy::origin::Origin;
use policy::rule::Verdict;

use super::groups::{self, Group};
use super::input::{Fields, Vm};
use super::options::Options;
use super::{OpenNebulaError, network};

/// What a NIC, or an alias of it, may send from. A virtual router's floating addresses move between
/// NICs that all have them.
const ADDRESSES: &[&str] = &[
    "IP",
    "IP6",
    "IP6_GLOBAL",
    "IP6_ULA",
    "IP6_LINK",
    "VROUTER_IP",
    "VROUTER_IP6",
    "VROUTER_IP6_GLOBAL",
    "VROUTER_IP6_ULA",
    "VROUTER_IP6_LINK",
];

/// A claim for each NIC of this driver.
///
/// # Errors
/// The first NIC that cannot be protected as it asks to be.
pub(super) fn claims(options: &Options, vm: &Vm) -> Result<Vec<Claim>, OpenNebulaError> {
    let fail = |nic: &Fields, problem: String| OpenNebulaError::Nic {
        vm: vm.id,
        nic: nic.get("NIC_ID").unwrap_or("without NIC_ID").to_owned(),
        problem,
    };
    let ours = |nic: &&Fields| nic.get("VN_MAD") == Some(options.driver.as_str());
    if let Some(device) = vm.devices.iter().find(ours) {
        let problem = "it is a PCI device that is passed through, so its frames pass no bridge of this host; \
             give its network another driver";
        return Err(fail(device, problem.to_owned()));
    }
    let nics: Vec<&Fields> = vm.nics.iter().filter(ours).collect();
    let mut named = BTreeMap::new();
    for nic in &nics {
        let ids = group_ids(nic).map_err(|problem| fail(nic, problem))?;
        let id = nic_id(nic).map_err(|problem| fail(nic, problem))?;
        if named.insert(id, ids).is_some() {
            return Err(fail(nic, "the VM has two of that number".to_owned()));
        }
    }
    let groups = groups::groups(named.values().flatten().flatten().copied(), &vm.rules)?;
    let mut claims = Vec::new();
    for (nic, (id, ids)) in sorted(&nics).into_iter().zip(&named) {
        let claim = claim(options, vm, nic, *id, ids.as_deref(), &groups);
        claims.push(claim.map_err(|problem| fail(nic, problem))?);
    }
    Ok(claims)
}

/// In the order of the map that is keyed by their numbers.
fn sorted<'a>(nics: &[&'a Fields]) -> Vec<&'a Fields> {
    let mut nics = nics.to_vec();
    nics.sort_by_key(|nic| nic_id(nic).unwrap_or_default());
    nics
}

fn claim(
    options: &Options,
    vm: &Vm,
    nic: &Fields,
    id: u32,
    ids: Option<&[u32]>,
    groups: &BTreeMap<u32, Group>,
) -> Result<Claim, String> {
    network::unsupported(nic)?;
    let mac = nic.get("MAC").ok_or("it has no MAC")?;
    let mac: MacAddress = mac.parse().map_err(|error| format!("{error}"))?;
    if !mac.is_valid_unicast() {
        return Err(format!("MAC={mac} is no interface's address"));
    }
    let network = network::document(options, nic, mac)?;
    let mut notes = network::notes(options, nic);
    let mut profiles = Vec::new();
    match ids {
        None => profiles.push(open()),
        Some(ids) => {
            for group in ids.iter().filter_map(|id| groups.get(id)) {
                profiles.push(group.profile.clone());
                notes.extend(group.notes.iter().cloned());
            }
        }
    }
    profiles.extend(guards(nic));
    if let Some(tags) = nic.get("VLAN_TAGGED_ID") {
        profiles.push(tagged(tags)?);
    }
    let mut labels = BTreeMap::new();
    if let Some(name) = nic.get("NETWORK") {
        labels.insert("opennebula-network".to_owned(), groups::shown(name));
    }
    let mut claim = Claim {
        port: format!("one-{}/{id}", vm.id),
        source: "opennebula".to_owned(),
        vm: Some(format!("one-{}", vm.id)),
        uuid: Some(vm.id.to_string()),
        device: Some(device(vm.id, id, nic)?),
        mac,
        bridge: Some(network.bridge.clone()),
        vlan: network.vlan,
        network: Some(network.name.clone()),
        addresses: addresses(vm, nic, id)?,
        labels,
        notes,
        ..Claim::default()
    };
    let names = profiles
        .iter()
        .map(|profile| profile.name.clone())
        .collect();
    claim.profiles.insert(ProfileSource::Filter, names);
    claim.documents = profiles.into_iter().map(Document::Profile).collect();
    claim.documents.push(Document::Network(network));
    Ok(claim)
}

fn nic_id(nic: &Fields) -> Result<u32, String> {
    let id = nic.get("NIC_ID").ok_or("it has no NIC_ID")?;
    id.parse().map_err(|_| format!("NIC_ID={id} is no number"))
}

/// `None`: it has none, which in OpenNebula means that everything is accepted.
fn group_ids(nic: &Fields) -> Result<Option<Vec<u32>>, String> {
    let Some(text) = nic.get("SECURITY_GROUPS") else {
        return Ok(None);
    };
    let mut seen = BTreeSet::new();
    let mut ids = Vec::new();
    for word in text
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
    {
        let wrong = |_| format!("SECURITY_GROUPS={text} is no list of numbers");
        let id = word.parse().map_err(wrong)?;
        if seen.insert(id) {
            ids.push(id);
        }
    }
    Ok(Some(ids))
}

/// The interface that will be there: OpenNebula names it before libvirt makes it.
fn device(vm: u32, id: u32, nic: &Fields) -> Result<String, String> {
    let usual = format!("one-{vm}-{id}");
    let device = nic.get("TARGET").unwrap_or(&usual);
    let fits = device.len() <= 15
        && !matches!(device, "." | "..")
        && !device
            .chars()
            .any(|c| matches!(c, '/' | ':') || c.is_whitespace() || c.is_control());
    if !fits {
        return Err(format!("TARGET={device} is not the name of an interface"));
    }
    // Such a name is another NIC's: whoever could take it here could take that NIC's place.
    if device.starts_with("one-") && device != usual {
        return Err(format!(
            "TARGET={device} is another NIC's; this one's is {usual}"
        ));
    }
    Ok(device.to_owned())
}

fn addresses(vm: &Vm, nic: &Fields, id: u32) -> Result<Vec<IpNet>, String> {
    let number = id.to_string();
    let of_this = |alias: &&Fields| match alias.get("PARENT_ID") {
        Some(parent) => parent == number,
        None => alias.get("PARENT").is_some() && alias.get("PARENT") == nic.get("NAME"),
    };
    let mut addresses: Vec<IpNet> = Vec::new();
    for fields in std::iter::once(nic).chain(vm.aliases.iter().filter(of_this)) {
        for name in ADDRESSES {
            if let Some(text) = fields.get(name) {
                let wrong = |_| format!("{name}={text} is no address");
                let address: IpAddr = text.parse().map_err(wrong)?;
                let address = IpNet::from(address);
                if !addresses.contains(&address) {
                    addresses.push(address);
                }
            }
        }
    }
    Ok(addresses)
}

fn guards(nic: &Fields) -> Option<Profile> {
    let mac = nic.is_yes("FILTER_MAC_SPOOFING");
    let address = nic.is_yes("FILTER_IP_SPOOFING");
    let (name, guards): (_, &[Guard]) = match (mac, address) {
        (false, false) => return None,
        (true, false) => ("opennebula-filter-mac-spoofing", &[Guard::Mac]),
        // A claimed address means nothing without the MAC: ours cannot be had apart.
        (_, true) => (
            "opennebula-filter-ip-spoofing",
            &[Guard::Mac, Guard::Ipv4, Guard::Ipv6, Guard::Arp, Guard::Nd],
        ),
    };
    Some(Profile {
        guards: guards.iter().copied().collect(),
        ..plain(name.to_owned())
    })
}

/// `1,10-20`: the ids that the VM may tag itself. Ranges may be written either way round.
fn tagged(text: &str) -> Result<Profile, String> {
    let wrong = || format!("VLAN_TAGGED_ID={text} is no list of VLANs and ranges like 1,10-20");
    let vlan = |text: &str| match text.trim().parse::<u16>() {
        Ok(vlan @ 1..=4094) => Ok(vlan),
        _ => Err(wrong()),
    };
    let mut ranges = Vec::new();
    for item in text.split(',') {
        let (first, last) = item.split_once('-').unwrap_or((item, item));
        let (first, last) = (vlan(first)?, vlan(last)?);
        ranges.push((first.min(last), first.max(last)));
    }
    ranges.sort_unstable();
    ranges.dedup();
    let words = ranges.iter().map(|(first, last)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    });
    let mut name = words.collect::<Vec<_>>().join("+");
    if name.len() > 60 {
        name = format!("{:016x}", groups::fingerprint([name.as_str()]));
    }
    Ok(Profile {
        tagged: ranges,
        ..plain(format!("opennebula-tagged-{name}"))
    })
}

/// What a NIC without security groups has.
fn open() -> Profile {
    Profile {
        stateful: Some(Stateful::Off),
        default_in: Some(Verdict::Accept),
        default_out: Some(Verdict::Accept),
        ..plain("opennebula-open".to_owned())
    }
}

fn plain(name: String) -> Profile {
    Profile {
        name,
        origin: Origin {
            source: "OpenNebula".into(),
            ..Origin::default()
        },
        version: 1,
        ..Profile::default()
    }
}
