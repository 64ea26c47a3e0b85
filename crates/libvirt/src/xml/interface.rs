//! An interface of a domain, and the parts that networks, portgroups and ports share with it.
//! Knows their form; which of them can be enforced is left to others.

use std::collections::BTreeMap;

use frame::MacAddress;

use super::reader::{Element, Position, XmlError};
use crate::Uuid;

/// What an interface is connected to, by `type`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InterfaceKind {
    /// A tap in a bridge of the host.
    Bridge,
    /// A network of libvirt's. While the domain runs, libvirt writes what the network turned out
    /// to be: `Network` for one with a bridge of its own, else `Bridge`, `Direct`, `Hostdev`.
    Network,
    /// A tap that libvirt does not plug anywhere.
    Ethernet,
    /// macvtap on a device of the host.
    Direct,
    Hostdev,
    VhostUser,
    Vdpa,
    User,
    Internal,
    Udp,
    Server,
    Client,
    Multicast,
    Null,
    /// One that this version does not know.
    Other(String),
}

impl InterfaceKind {
    fn read(word: &str) -> Self {
        match word {
            "bridge" => Self::Bridge,
            "network" => Self::Network,
            "ethernet" => Self::Ethernet,
            "direct" => Self::Direct,
            "hostdev" => Self::Hostdev,
            "vhostuser" => Self::VhostUser,
            "vdpa" => Self::Vdpa,
            "user" => Self::User,
            "internal" => Self::Internal,
            "udp" => Self::Udp,
            "server" => Self::Server,
            "client" => Self::Client,
            "mcast" => Self::Multicast,
            "null" => Self::Null,
            other => Self::Other(other.to_owned()),
        }
    }

    /// The word that libvirt has for it.
    pub fn word(&self) -> &str {
        match self {
            Self::Bridge => "bridge",
            Self::Network => "network",
            Self::Ethernet => "ethernet",
            Self::Direct => "direct",
            Self::Hostdev => "hostdev",
            Self::VhostUser => "vhostuser",
            Self::Vdpa => "vdpa",
            Self::User => "user",
            Self::Internal => "internal",
            Self::Udp => "udp",
            Self::Server => "server",
            Self::Client => "client",
            Self::Multicast => "mcast",
            Self::Null => "null",
            Self::Other(word) => word,
        }
    }
}

/// `<interface>` of a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Place among the domain's interfaces, from 0.
    pub index: usize,
    pub position: Position,
    pub kind: InterfaceKind,
    /// Always there in what libvirt writes.
    pub mac: Option<MacAddress>,
    pub source: InterfaceSource,
    /// Name of the interface on the host.
    pub target: Option<String>,
    /// `net0` as libvirt counts, or `ua-…` as somebody chose.
    pub alias: Option<String>,
    /// `virtio`, `e1000`, …
    pub model: Option<String>,
    pub filter: Option<FilterReference>,
    pub vlan: Option<Vlan>,
    pub virtualport: Option<VirtualPort>,
    /// `<port isolated=…/>`
    pub isolated: Option<bool>,
    pub bandwidth: Option<Bandwidth>,
    pub trust_guest_rx_filters: Option<bool>,
    /// `<link state=…/>`
    pub link_up: Option<bool>,
    /// Names of elements that moat does not know.
    pub unknown: Vec<String>,
}

/// `<source>` of an interface; which of these are there depends on its kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InterfaceSource {
    pub bridge: Option<String>,
    pub network: Option<String>,
    pub portgroup: Option<String>,
    /// The network's port, while the domain runs.
    pub port_id: Option<Uuid>,
    /// Device of the host.
    pub device: Option<String>,
    /// `vepa`, `bridge`, `private`, `passthrough`
    pub mode: Option<String>,
}

/// `<filterref>`: a filter by name, and what its variables are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterReference {
    pub filter: String,
    /// Values in their order; a parameter given twice is a list.
    pub parameters: BTreeMap<String, Vec<String>>,
}

/// `<vlan>`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vlan {
    pub trunk: bool,
    pub tags: Vec<VlanTag>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VlanTag {
    /// 0–4095, as libvirt allows.
    pub id: u16,
    /// `nativeMode`: `Some(true)` for `tagged`, `Some(false)` for `untagged`.
    pub native_tagged: Option<bool>,
}

/// `<virtualport>`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VirtualPort {
    /// `openvswitch`, `802.1Qbg`, `802.1Qbh`, `midonet`; a portgroup may leave it to its network.
    pub kind: Option<String>,
    pub parameters: BTreeMap<String, String>,
}

/// `<bandwidth>`, as the domain sees it: `inbound` is towards the VM.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bandwidth {
    pub inbound: Option<BandwidthLimit>,
    pub outbound: Option<BandwidthLimit>,
}

/// Rates in kilobytes per second, burst in kilobytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BandwidthLimit {
    pub average: Option<u64>,
    pub peak: Option<u64>,
    pub burst: Option<u64>,
    pub floor: Option<u64>,
}

/// Elements of an interface that say nothing of what it may send or receive.
const IRRELEVANT: &[&str] = &[
    "acpi",
    "actual",
    "address",
    "backend",
    "backendDomain",
    "boot",
    "coalesce",
    "driver",
    "guest",
    "ip",
    "mtu",
    "portForward",
    "rom",
    "route",
    "script",
    "downscript",
    "teaming",
    "tune",
];

impl Interface {
    pub(super) fn read(index: usize, element: Element<'_, '_>) -> Result<Self, XmlError> {
        let mut interface = Self {
            index,
            position: element.position(),
            kind: InterfaceKind::read(element.required("type")?),
            mac: None,
            source: InterfaceSource::default(),
            target: None,
            alias: None,
            model: None,
            filter: None,
            vlan: read_vlan(element)?,
            virtualport: read_virtualport(element)?,
            isolated: read_isolated(element)?,
            bandwidth: read_bandwidth(element)?,
            trust_guest_rx_filters: element.switch("trustGuestRxFilters")?,
            link_up: None,
            unknown: Vec::new(),
        };
        // Two of these, and it is not said which holds.
        for name in [
            "mac",
            "source",
            "target",
            "alias",
            "model",
            "filterref",
            "link",
        ] {
            element.child(name)?;
        }
        for child in element
            .children()
            .filter(|child| child.namespace().is_none())
        {
            match child.name() {
                "mac" => {
                    interface.mac = Some(
                        child
                            .mac("address")?
                            .ok_or_else(|| child.error("<mac> lacks the attribute `address`"))?,
                    )
                }
                "source" => interface.source = InterfaceSource::read(child)?,
                "target" => interface.target = child.owned("dev"),
                "alias" => interface.alias = child.owned("name"),
                "model" => interface.model = child.owned("type"),
                "filterref" => interface.filter = Some(FilterReference::read(child)?),
                "link" => {
                    interface.link_up = match child.attribute("state") {
                        None => None,
                        Some("up") => Some(true),
                        Some("down") => Some(false),
                        Some(_) => return Err(child.attribute_error("state", "`up` or `down`")),
                    }
                }
                "vlan" | "virtualport" | "port" | "bandwidth" => {}
                name if IRRELEVANT.contains(&name) => {}
                name => interface.unknown.push(name.to_owned()),
            }
        }
        Ok(interface)
    }
}

impl InterfaceSource {
    fn read(element: Element<'_, '_>) -> Result<Self, XmlError> {
        Ok(Self {
            bridge: element.owned("bridge"),
            network: element.owned("network"),
            portgroup: element.owned("portgroup"),
            port_id: element.uuid("portid")?,
            device: element.owned("dev"),
            mode: element.owned("mode"),
        })
    }
}

impl FilterReference {
    pub(super) fn read(element: Element<'_, '_>) -> Result<Self, XmlError> {
        let mut parameters: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for parameter in element.all("parameter") {
            let values = parameters
                .entry(parameter.required("name")?.to_owned())
                .or_default();
            values.push(parameter.required("value")?.to_owned());
        }
        Ok(Self {
            filter: element.required("filter")?.to_owned(),
            parameters,
        })
    }
}

pub(super) fn read_vlan(parent: Element<'_, '_>) -> Result<Option<Vlan>, XmlError> {
    let Some(element) = parent.child("vlan")? else {
        return Ok(None);
    };
    let mut vlan = Vlan {
        trunk: element.switch("trunk")?.unwrap_or(false),
        tags: Vec::new(),
    };
    for tag in element.all("tag") {
        let id = tag.required("id")?;
        vlan.tags.push(VlanTag {
            id: id
                .parse()
                .ok()
                .filter(|id| *id < 4096)
                .ok_or_else(|| tag.attribute_error("id", "a VLAN id (0 to 4095)"))?,
            native_tagged: match tag.attribute("nativeMode") {
                None => None,
                Some("tagged") => Some(true),
                Some("untagged") => Some(false),
                Some(_) => {
                    return Err(tag.attribute_error("nativeMode", "`tagged` or `untagged`"));
                }
            },
        });
    }
    if vlan.tags.is_empty() {
        return Err(element.error("<vlan> has no <tag>"));
    }
    Ok(Some(vlan))
}

pub(super) fn read_virtualport(parent: Element<'_, '_>) -> Result<Option<VirtualPort>, XmlError> {
    let Some(element) = parent.child("virtualport")? else {
        return Ok(None);
    };
    let mut parameters = BTreeMap::new();
    if let Some(element) = element.child("parameters")? {
        for name in element.attribute_names() {
            parameters.insert(name.to_owned(), element.required(name)?.to_owned());
        }
    }
    Ok(Some(VirtualPort {
        kind: element.owned("type"),
        parameters,
    }))
}

pub(super) fn read_isolated(parent: Element<'_, '_>) -> Result<Option<bool>, XmlError> {
    match parent.child("port")? {
        Some(port) => port.switch("isolated"),
        None => Ok(None),
    }
}

pub(super) fn read_bandwidth(parent: Element<'_, '_>) -> Result<Option<Bandwidth>, XmlError> {
    let Some(element) = parent.child("bandwidth")? else {
        return Ok(None);
    };
    let limit = |name| -> Result<Option<BandwidthLimit>, XmlError> {
        let Some(element) = element.child(name)? else {
            return Ok(None);
        };
        let number = |name| element.parsed(name, "a number of kilobytes");
        Ok(Some(BandwidthLimit {
            average: number("average")?,
            peak: number("peak")?,
            burst: number("burst")?,
            floor: number("floor")?,
        }))
    };
    Ok(Some(Bandwidth {
        inbound: limit("inbound")?,
        outbound: limit("outbound")?,
    }))
}
