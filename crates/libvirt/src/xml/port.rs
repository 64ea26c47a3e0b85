//! A network's port, and what the network hook is given. Knows their form alone.

use frame::MacAddress;

use super::interface::{
    Bandwidth, VirtualPort, Vlan, read_bandwidth, read_isolated, read_virtualport, read_vlan,
};
use super::network::Network;
use super::reader::{self, Element, XmlError};
use crate::Uuid;

/// What moat reads of `<networkport>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkPort {
    pub uuid: Uuid,
    pub owner: Owner,
    /// Name of the portgroup, where the interface names one.
    pub group: Option<String>,
    pub mac: MacAddress,
    pub plug: Option<Plug>,
    pub isolated: Option<bool>,
    pub vlan: Option<Vlan>,
    pub virtualport: Option<VirtualPort>,
    pub bandwidth: Option<Bandwidth>,
    pub trust_guest_rx_filters: Option<bool>,
}

/// The domain that a port or a filter binding belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    pub name: String,
    pub uuid: Uuid,
}

/// `<plug>`: what the port is connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plug {
    /// `network`, `bridge`, `direct` or `hostdev-pci`
    pub kind: String,
    pub bridge: Option<String>,
    pub device: Option<String>,
    pub mode: Option<String>,
}

/// What the network hook gets on its standard input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookData {
    pub network: Network,
    /// With `port-created` and `port-deleted`.
    pub port: Option<NetworkPort>,
}

impl NetworkPort {
    /// Reads `<networkport>`.
    ///
    /// # Errors
    /// No XML, no port, or a value that is not of its kind; with the place.
    pub fn parse(text: &str) -> Result<Self, XmlError> {
        reader::document(text, "networkport", Self::read)
    }

    fn read(element: Element<'_, '_>) -> Result<Self, XmlError> {
        let mac = element.required_child("mac")?;
        Ok(Self {
            uuid: element.required_child("uuid")?.text_as("a UUID")?,
            owner: Owner::read(element.required_child("owner")?)?,
            group: match element.child("group")? {
                Some(group) => Some(group.text()?.to_owned()),
                None => None,
            },
            mac: mac
                .mac("address")?
                .ok_or_else(|| mac.error("<mac> lacks the attribute `address`"))?,
            plug: element.child("plug")?.map(Plug::read).transpose()?,
            isolated: read_isolated(element)?,
            vlan: read_vlan(element)?,
            virtualport: read_virtualport(element)?,
            bandwidth: read_bandwidth(element)?,
            trust_guest_rx_filters: match element.child("rxfilters")? {
                Some(filters) => filters.switch("trustGuest")?,
                None => None,
            },
        })
    }
}

impl Owner {
    pub(super) fn read(element: Element<'_, '_>) -> Result<Self, XmlError> {
        Ok(Self {
            name: element.required_child("name")?.text()?.to_owned(),
            uuid: element.required_child("uuid")?.text_as("a UUID")?,
        })
    }
}

impl Plug {
    fn read(element: Element<'_, '_>) -> Result<Self, XmlError> {
        Ok(Self {
            kind: element.required("type")?.to_owned(),
            bridge: element.owned("bridge"),
            device: element.owned("dev"),
            mode: element.owned("mode"),
        })
    }
}

impl HookData {
    /// Reads `<hookData>`.
    ///
    /// # Errors
    /// No XML, no network in it, or a value that is not of its kind; with the place.
    pub fn parse(text: &str) -> Result<Self, XmlError> {
        reader::document(text, "hookData", |element| {
            Ok(Self {
                network: Network::read(element.required_child("network")?)?,
                port: element
                    .child("networkport")?
                    .map(NetworkPort::read)
                    .transpose()?,
            })
        })
    }
}
