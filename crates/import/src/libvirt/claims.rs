//! A domain's interfaces as claims. Knows what libvirt's and moat's words mean for a port; where an
//! interface leads is decided beside.

use std::collections::BTreeMap;
use std::net::IpAddr;

use frame::MacAddress;
use ipnet::IpNet;
use libvirt::xml::{
    Domain, FilterReference, Interface, InterfaceKind, MetadataRole, Network, PortMetadata,
    PortSelector, PortgroupMetadata,
};
use policy::claim::{Claim, FilterUse, ProfileSource};
use policy::document::{self, Document, Role};
use policy::learn::{Learn, LearnMode};
use policy::origin::Origin;

use super::interface::{Plugged, Way};
use super::learned;
use super::names::{filter_profile, port_names};

/// The name of this source in claims.
pub const SOURCE: &str = "libvirt";

/// libvirt's networks by name, as far as they are known.
pub type Networks = BTreeMap<String, Network>;

/// How far the domain's start has come, which is how much its XML can be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Before the interfaces exist. A name that libvirt made up is then one of another life, or of
    /// the host that the domain migrates from.
    Prepared,
    /// The interfaces exist.
    Running,
}

/// Prefixes of device names that libvirt makes up: they are given anew at every start.
const MADE_UP: &[&str] = &["vnet", "macvtap", "macvlan", "vif"];

/// The claims for all interfaces of a domain, in their order. An interface that cannot be enforced
/// is there with the reason.
pub fn claims(domain: &Domain, networks: &Networks, moment: Moment) -> Vec<Claim> {
    let selected = selected(domain);
    let absent = absent(domain, &selected);
    let mut claims = Vec::new();
    for (interface, port) in domain.interfaces.iter().zip(port_names(domain)) {
        let network = interface.source.network.as_ref();
        let network = network.and_then(|name| networks.get(name));
        let plugged = Plugged {
            interface,
            network,
            portgroup: network.and_then(|n| n.portgroup(interface.source.portgroup.as_deref())),
        };
        let mut claim = Claim {
            port,
            source: SOURCE.to_owned(),
            vm: Some(domain.name.clone()),
            uuid: Some(domain.uuid.to_string()),
            mac: interface.mac.unwrap_or(MacAddress([0; 6])),
            labels: domain.metadata.labels.clone(),
            notes: absent.clone(),
            ..Claim::default()
        };
        learned::fill(&mut claim, domain, interface);
        if let Err(reason) = fill(&mut claim, domain, &selected, plugged, moment) {
            claim.refused = Some(reason);
        }
        claims.push(claim);
    }
    claims
}

/// Which interfaces each `<moat:port>` of the metadata means, in the order of the metadata.
fn selected(domain: &Domain) -> Vec<Vec<usize>> {
    let means = |selector: &PortSelector, interface: &Interface| match selector {
        PortSelector::Mac(mac) => interface.mac == Some(*mac),
        PortSelector::Alias(alias) => interface.alias.as_ref() == Some(alias),
        PortSelector::Index(index) => interface.index == *index,
    };
    let ports = domain.metadata.ports.iter();
    ports
        .map(|(selector, _)| {
            let meant = domain.interfaces.iter().filter(|i| means(selector, i));
            meant.map(|interface| interface.index).collect()
        })
        .collect()
}

/// What the metadata says of interfaces that are not there: perhaps one that is plugged in later,
/// perhaps a slip of the pen, so it is told.
fn absent(domain: &Domain, selected: &[Vec<usize>]) -> Vec<String> {
    let mut notes = Vec::new();
    for ((selector, _), indices) in domain.metadata.ports.iter().zip(selected) {
        if indices.is_empty() {
            let which = match selector {
                PortSelector::Mac(mac) => format!("with MAC {mac}"),
                PortSelector::Alias(alias) => format!("with alias {alias}"),
                PortSelector::Index(index) => format!("number {index}"),
            };
            notes.push(format!(
                "the metadata speaks of an interface {which}, which the VM does not have"
            ));
        }
    }
    notes
}

fn fill(
    claim: &mut Claim,
    domain: &Domain,
    selected: &[Vec<usize>],
    plugged: Plugged<'_>,
    moment: Moment,
) -> Result<(), String> {
    let interface = plugged.interface;
    if interface.mac.is_none() {
        return Err("the interface has no MAC address".to_owned());
    }
    claim.device = device(interface, moment);
    let bridge = match plugged.way() {
        Way::Bridge(bridge) => bridge,
        Way::Refused(reason) => return Err(reason),
    };
    claim.bridge = bridge;
    claim.switch = plugged.virtualport().map(str::to_owned);
    if moment == Moment::Running && interface.kind != InterfaceKind::Ethernet {
        claim.device_mac = interface.mac.map(tap_mac);
    }
    let mut ports = domain.metadata.ports.iter().zip(selected);
    let mut own = ports
        .by_ref()
        .filter(|(_, indices)| indices.contains(&interface.index));
    let own = match (own.next(), own.next()) {
        (Some(((_, port), _)), None) => Some(port),
        (None, _) => None,
        (Some(_), Some(_)) => {
            return Err(
                "the metadata has several <port> elements for this interface: keep one".to_owned(),
            );
        }
    };
    vlan(claim, &plugged)?;
    from_network(claim, &plugged)?;
    if let Some(filter) = &interface.filter {
        from_filter(claim, filter)?;
    }
    from_metadata(claim, &domain.metadata.all, own)?;
    bring_network(claim, &plugged);
    notes(claim, &plugged);
    Ok(())
}

fn device(interface: &Interface, moment: Moment) -> Option<String> {
    let made_up = |name: &str| MADE_UP.iter().any(|prefix| name.starts_with(prefix));
    let target = interface.target.as_ref();
    target
        .filter(|name| moment == Moment::Running || !made_up(name))
        .cloned()
}

/// libvirt gives the host's side of a tap the guest's MAC with 0xfe in front, so that the bridge
/// never takes it for its own; 0xfa where the guest's begins with 0xfe itself.
fn tap_mac(guest: MacAddress) -> MacAddress {
    let MacAddress([first, rest @ ..]) = guest;
    let [b, c, d, e, f] = rest;
    MacAddress([if first == 0xfe { 0xfa } else { 0xfe }, b, c, d, e, f])
}

fn vlan(claim: &mut Claim, plugged: &Plugged<'_>) -> Result<(), String> {
    let Some(vlan) = plugged.vlan() else {
        return Ok(());
    };
    let native = match vlan.tags.as_slice() {
        [only] if !vlan.trunk && only.native_tagged.is_none() => Some(only.id),
        tags => {
            let untagged = tags.iter().find(|tag| tag.native_tagged == Some(false));
            let others: Vec<String> = tags
                .iter()
                .filter(|tag| Some(**tag) != untagged.copied())
                .map(|tag| tag.id.to_string())
                .collect();
            if !others.is_empty() {
                claim.notes.push(format!(
                    "<vlan>: frames that the VM tags itself pass only where its profile lists them \
                     (tagged: [{}])",
                    others.join(", ")
                ));
            }
            untagged.map(|tag| tag.id)
        }
    };
    // 0 is a priority tag: no VLAN.
    claim.vlan = native.filter(|id| *id != 0);
    match claim.vlan {
        Some(4095) => Err("<vlan>: 4095 is reserved; 1 to 4094 is expected".to_owned()),
        _ => Ok(()),
    }
}

/// What the network and its portgroup say: profiles and Network document from moat's metadata, and
/// the meaning of a portgroup's name.
fn from_network(claim: &mut Claim, plugged: &Plugged<'_>) -> Result<(), String> {
    let name = plugged.interface.source.portgroup.as_ref();
    let name = name.or(plugged.portgroup.map(|group| &group.name));
    if let Some(network) = plugged.network {
        let group = name.and_then(|name| network.metadata.portgroups.get(name));
        let all = &network.metadata.all;
        let profiles = group
            .map(|group| &group.profiles)
            .filter(|profiles| !profiles.is_empty());
        let profiles = profiles.unwrap_or(&all.profiles);
        if !profiles.is_empty() {
            claim
                .profiles
                .insert(ProfileSource::SourceNetwork, profiles.clone());
        }
        claim.network = group
            .and_then(|group| group.network.clone())
            .or_else(|| all.network.clone());
    } else if let Some(network) = &plugged.interface.source.network {
        claim.notes.push(format!(
            "libvirt's network {network} is not known yet: what it says of profiles is not applied"
        ));
    }
    let Some((role, vlan)) = name.and_then(|name| private_portgroup(name)) else {
        return Ok(());
    };
    let vlan = vlan.map_err(|number| {
        format!(
            "portgroup {}: {number} is no VLAN; 1 to 4094 is expected",
            name.map_or("", |name| name)
        )
    })?;
    if claim.vlan.is_some_and(|other| other != vlan) {
        return Err(format!(
            "its portgroup says VLAN {vlan}, its <vlan> says {}: correct one of them",
            claim.vlan.unwrap_or_default()
        ));
    }
    claim.vlan = Some(vlan);
    claim.role = Some(role);
    Ok(())
}

/// `isolated-2102`: an isolated member of the private network on VLAN 2102; `promiscuous-2102`: one
/// that all of them reach. The number as written where it is no VLAN.
fn private_portgroup(name: &str) -> Option<(Role, Result<u16, String>)> {
    let (role, number) = match (
        name.strip_prefix("isolated-"),
        name.strip_prefix("promiscuous-"),
    ) {
        (Some(number), _) => (Role::Isolated, number),
        (None, Some(number)) => (Role::Promiscuous, number),
        (None, None) => return None,
    };
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let vlan = number.parse().ok().filter(|vlan| (1..=4094).contains(vlan));
    Some((role, vlan.ok_or_else(|| number.to_owned())))
}

fn from_filter(claim: &mut Claim, filter: &FilterReference) -> Result<(), String> {
    let name = filter_profile(&filter.filter);
    claim.profiles.insert(ProfileSource::Filter, vec![name]);
    for (name, values) in &filter.parameters {
        if matches!(name.as_str(), "IP" | "IPV6") {
            for value in values {
                match value.parse::<IpAddr>() {
                    Ok(address) => claim.addresses.push(IpNet::from(address)),
                    Err(_) => {
                        return Err(format!(
                            "<filterref>: parameter {name}: `{value}` is no address"
                        ));
                    }
                }
            }
            continue;
        }
        // Parameters that are words (CTRL_IP_LEARNING) are for whoever reads the filter.
        let read: Result<Vec<_>, _> = values
            .iter()
            .map(|v| policy::language::parse_value(v))
            .collect();
        if let Ok(read) = read
            && name != "MAC"
        {
            claim.variables.insert(name.clone(), read);
        }
    }
    claim.learn = learning(&filter.parameters)?;
    claim.filters.push(FilterUse {
        name: filter.filter.clone(),
        parameters: filter.parameters.clone(),
    });
    Ok(())
}

/// How libvirt finds the `$IP` of a filter, where it is not given: from the first packet (which it
/// calls `any`, and which is what it does unless told), or from DHCP. It never learns IPv6.
fn learning(parameters: &BTreeMap<String, Vec<String>>) -> Result<Option<Learn>, String> {
    let given = |name: &str| parameters.get(name).map(Vec::as_slice).unwrap_or_default();
    if !given("IP").is_empty() {
        return Ok(None);
    }
    let how = given("CTRL_IP_LEARNING").first().map(String::as_str);
    let mode = match how {
        None | Some("any") => LearnMode::FirstPacket,
        Some("dhcp") => LearnMode::Dhcp,
        Some("none") => return Ok(None),
        Some(other) => {
            return Err(format!(
                "<filterref>: parameter CTRL_IP_LEARNING: `{other}` is none of any, dhcp and none"
            ));
        }
    };
    let server = |text: &String| {
        text.parse::<IpAddr>()
            .map_err(|_| format!("<filterref>: parameter DHCPSERVER: `{text}` is no address"))
    };
    let servers: Result<_, String> = given("DHCPSERVER").iter().map(server).collect();
    Ok(Some(Learn {
        mode,
        servers: match mode {
            LearnMode::Dhcp => servers?,
            _ => Default::default(),
        },
        ipv6_limit: Some(0),
        ..Learn::default()
    }))
}

/// An interface's own words come before those for all, word by word.
fn from_metadata(
    claim: &mut Claim,
    all: &PortMetadata,
    own: Option<&PortMetadata>,
) -> Result<(), String> {
    let own = own.unwrap_or(&EMPTY);
    let first = |own: &[String], all: &[String]| {
        if own.is_empty() {
            all.to_vec()
        } else {
            own.to_vec()
        }
    };
    let profiles = first(&own.profiles, &all.profiles);
    if !profiles.is_empty() {
        claim.profiles.insert(ProfileSource::Metadata, profiles);
    }
    if let Some(network) = own.network.as_ref().or(all.network.as_ref()) {
        claim.network = Some(network.clone());
    }
    if let Some(role) = own.role.as_ref().or(all.role.as_ref()) {
        claim.role = Some(match role {
            MetadataRole::Isolated => Role::Isolated,
            MetadataRole::Promiscuous => Role::Promiscuous,
            MetadataRole::Community(name) => Role::Community(name.clone()),
        });
    }
    let addresses = if own.addresses.is_empty() {
        &all.addresses
    } else {
        &own.addresses
    };
    if !addresses.is_empty() {
        let nets = addresses
            .iter()
            .map(|(address, length)| IpNet::new(*address, *length));
        claim.addresses = nets
            .collect::<Result<_, _>>()
            .map_err(|error| error.to_string())?;
    }
    for (name, values) in all.variables.iter().chain(&own.variables) {
        let values: Result<Vec<_>, String> = values
            .iter()
            .map(|value| policy::language::parse_value(value))
            .collect();
        let values = values.map_err(|problem| format!("metadata, variable {name}: {problem}"))?;
        claim.variables.insert(name.clone(), values);
    }
    Ok(())
}

static EMPTY: PortMetadata = PortMetadata {
    profiles: Vec::new(),
    network: None,
    addresses: Vec::new(),
    role: None,
    variables: BTreeMap::new(),
};

/// The Network document that libvirt's words amount to, where they amount to more than a bridge. It
/// is called as an open network there would be, so that a declared one of that name, or on that
/// bridge and VLAN, decides instead.
fn bring_network(claim: &mut Claim, plugged: &Plugged<'_>) {
    let (Some(bridge), None) = (&claim.bridge, &claim.network) else {
        return;
    };
    let portgroup = plugged.interface.source.portgroup.as_ref();
    let portgroup = portgroup.or(plugged.portgroup.map(|group| &group.name));
    let private = portgroup.is_some_and(|name| private_portgroup(name).is_some());
    let metadata = plugged.network.map(|network| &network.metadata);
    let mac_filter = plugged
        .network
        .is_some_and(|n| n.mac_filter || n.metadata.mac_filter);
    if !private && !mac_filter {
        return;
    }
    let group = |name| metadata.and_then(|metadata| metadata.portgroups.get(name));
    let said: [Option<&PortgroupMetadata>; 2] = [
        metadata.map(|metadata| &metadata.all),
        portgroup.and_then(group),
    ];
    let promiscuous = said
        .into_iter()
        .flatten()
        .flat_map(|said| &said.promiscuous);
    claim.documents.push(Document::Network(document::Network {
        name: match claim.vlan {
            None => bridge.clone(),
            Some(vlan) => format!("{bridge}.{vlan}"),
        },
        origin: Origin {
            source: SOURCE.into(),
            ..Origin::default()
        },
        bridge: bridge.clone(),
        vlan: claim.vlan,
        isolation: if private {
            document::Isolation::Private
        } else {
            document::Isolation::Open
        },
        promiscuous: promiscuous.copied().collect(),
        mac_filter,
        ..document::Network::default()
    }));
}

/// What libvirt says of the interface and moat leaves as it is.
fn notes(claim: &mut Claim, plugged: &Plugged<'_>) {
    let interface = plugged.interface;
    let mut note = |text: String| claim.notes.push(text);
    if plugged.is_isolated() {
        note("<port isolated='yes'/>: libvirt sets it on the bridge's port, where it stays; it holds on this \
             host alone, a private network on all of them".to_owned());
    }
    if plugged.has_bandwidth() {
        note(
            "<bandwidth>: libvirt enforces it on the interface; limits of the profile hold besides"
                .to_owned(),
        );
    }
    if plugged.trusts_guest() {
        note("trustGuestRxFilters='yes': the guest may change what it receives, and under a mac guard still \
             not what it sends from".to_owned());
    }
    if interface.kind == InterfaceKind::Ethernet {
        note("interface type ethernet: libvirt plugs it nowhere; it is enforced in the bridge that somebody else \
             plugs it into".to_owned());
    }
    for name in &interface.unknown {
        note(format!(
            "<{name}>: this version of moat does not know what it means, and leaves it to libvirt"
        ));
    }
}
