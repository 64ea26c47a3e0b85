//! A network of libvirt's. Knows what moat reads of one; what its ports may do is left to others.

use std::net::IpAddr;

use frame::MacAddress;

use super::interface::{
    Bandwidth, VirtualPort, Vlan, read_bandwidth, read_isolated, read_virtualport, read_vlan,
};
use super::metadata::NetworkMetadata;
use super::reader::{self, Element, XmlError};
use crate::Uuid;

/// What moat reads of `<network>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    pub name: String,
    /// Not there in what people write before libvirt has read it.
    pub uuid: Option<Uuid>,
    pub metadata: NetworkMetadata,
    /// `None`: a network of its own that leads nowhere (isolated).
    pub forward: Option<Forward>,
    pub bridge: Option<String>,
    /// The bridge's own MAC, which is the gateway's where the network has addresses.
    pub mac: Option<MacAddress>,
    /// Addresses of the host in the network, with the length of the prefix where it is said.
    pub addresses: Vec<(IpAddr, Option<u8>)>,
    /// `<filter mac='on'/>`: only frames with a guest's own MAC pass. Proposed for libvirt and never
    /// taken up, so that libvirt forgets it; moat's metadata says the same and is kept.
    pub mac_filter: bool,
    pub vlan: Option<Vlan>,
    pub virtualport: Option<VirtualPort>,
    pub isolated: Option<bool>,
    pub bandwidth: Option<Bandwidth>,
    pub trust_guest_rx_filters: Option<bool>,
    pub portgroups: Vec<PortGroup>,
}

/// `<forward>`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    pub mode: ForwardMode,
    /// Devices of the host that its ports use.
    pub devices: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ForwardMode {
    Nat,
    Route,
    Open,
    /// A bridge of the host, or macvtap in mode `bridge` where devices are given instead.
    Bridge,
    Private,
    Vepa,
    Passthrough,
    Hostdev,
    /// One that this version does not know.
    Other(String),
}

/// `<portgroup>`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortGroup {
    pub name: String,
    /// For interfaces that name none.
    pub default: bool,
    pub vlan: Option<Vlan>,
    pub virtualport: Option<VirtualPort>,
    pub bandwidth: Option<Bandwidth>,
    pub trust_guest_rx_filters: Option<bool>,
}

impl Network {
    /// Reads `<network>`.
    ///
    /// # Errors
    /// No XML, no network, or a value that is not of its kind; with the place.
    pub fn parse(text: &str) -> Result<Self, XmlError> {
        reader::document(text, "network", Self::read)
    }

    pub(super) fn read(element: Element<'_, '_>) -> Result<Self, XmlError> {
        let uuid = match element.child("uuid")? {
            Some(uuid) => Some(uuid.text_as("a UUID")?),
            None => None,
        };
        let metadata = match element.child("metadata")? {
            Some(metadata) => NetworkMetadata::read(metadata)?,
            None => NetworkMetadata::default(),
        };
        let mut addresses = Vec::new();
        for ip in element.all("ip") {
            if let Some(address) = ip.parsed("address", "an address")? {
                addresses.push((address, prefix_length(ip)?));
            }
        }
        let mac = match element.child("mac")? {
            Some(mac) => mac.mac("address")?,
            None => None,
        };
        let mac_filter = match element.child("filter")? {
            Some(filter) => filter.switch("mac")?.unwrap_or(false),
            None => false,
        };
        Ok(Self {
            name: element.required_child("name")?.text()?.to_owned(),
            uuid,
            metadata,
            forward: element.child("forward")?.map(Forward::read).transpose()?,
            // A name like `virbr%d` is a wish; libvirt fills it in when the network starts.
            bridge: element
                .child("bridge")?
                .and_then(|bridge| bridge.owned("name"))
                .filter(|name| !name.contains('%')),
            mac,
            addresses,
            mac_filter,
            vlan: read_vlan(element)?,
            virtualport: read_virtualport(element)?,
            isolated: read_isolated(element)?,
            bandwidth: read_bandwidth(element)?,
            trust_guest_rx_filters: element.switch("trustGuestRxFilters")?,
            portgroups: element
                .all("portgroup")
                .map(PortGroup::read)
                .collect::<Result<_, _>>()?,
        })
    }

    /// The portgroup that an interface gets: the one that it names, else the default.
    pub fn portgroup(&self, named: Option<&str>) -> Option<&PortGroup> {
        self.portgroups.iter().find(|group| match named {
            Some(name) => group.name == name,
            None => group.default,
        })
    }
}

impl Forward {
    fn read(element: Element<'_, '_>) -> Result<Self, XmlError> {
        let mode = match element.attribute("mode") {
            None | Some("nat") => ForwardMode::Nat,
            Some("route") => ForwardMode::Route,
            Some("open") => ForwardMode::Open,
            Some("bridge") => ForwardMode::Bridge,
            Some("private") => ForwardMode::Private,
            Some("vepa") => ForwardMode::Vepa,
            Some("passthrough") => ForwardMode::Passthrough,
            Some("hostdev") => ForwardMode::Hostdev,
            Some(other) => ForwardMode::Other(other.to_owned()),
        };
        let mut devices: Vec<String> = element.owned("dev").into_iter().collect();
        for interface in element.all("interface") {
            let device = interface.required("dev")?;
            if !devices.iter().any(|known| known == device) {
                devices.push(device.to_owned());
            }
        }
        Ok(Self { mode, devices })
    }
}

impl PortGroup {
    fn read(element: Element<'_, '_>) -> Result<Self, XmlError> {
        Ok(Self {
            name: element.required("name")?.to_owned(),
            default: element.switch("default")?.unwrap_or(false),
            vlan: read_vlan(element)?,
            virtualport: read_virtualport(element)?,
            bandwidth: read_bandwidth(element)?,
            trust_guest_rx_filters: element.switch("trustGuestRxFilters")?,
        })
    }
}

/// From `prefix`, or from the ones of a `netmask`.
fn prefix_length(ip: Element<'_, '_>) -> Result<Option<u8>, XmlError> {
    if let Some(length) = ip.parsed("prefix", "the length of a prefix")? {
        return Ok(Some(length).filter(|length: &u8| *length <= 128));
    }
    let Some(mask) = ip.parsed::<std::net::Ipv4Addr>("netmask", "a netmask")? else {
        return Ok(None);
    };
    Ok(u8::try_from(mask.to_bits().leading_ones()).ok())
}
