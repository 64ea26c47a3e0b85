//! What people write of moat in `<metadata>` of a domain or a network. Knows its elements, all of
//! them and no others; names in it are resolved by others.

use std::collections::BTreeMap;
use std::net::IpAddr;

use frame::MacAddress;

use super::reader::{Element, XmlError, shortened};

/// The namespace of moat's element.
pub const NAMESPACE: &str = "https://moat.dev/xmlns/libvirt/1";

/// `<moat:moat>` in a domain: what holds for all of its interfaces, and for single ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DomainMetadata {
    /// Whether the domain has moat's element at all.
    pub present: bool,
    /// For interfaces that name nothing of their own, word by word.
    pub all: PortMetadata,
    pub labels: BTreeMap<String, String>,
    pub ports: Vec<(PortSelector, PortMetadata)>,
}

/// What metadata says of an interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortMetadata {
    /// In the order of decision.
    pub profiles: Vec<String>,
    /// Name of a Network document.
    pub network: Option<String>,
    /// Addresses or prefixes, as (address, length).
    pub addresses: Vec<(IpAddr, u8)>,
    pub role: Option<MetadataRole>,
    /// Values in their order.
    pub variables: BTreeMap<String, Vec<String>>,
}

/// A port's part in a private network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetadataRole {
    Isolated,
    Promiscuous,
    Community(String),
}

/// Which interface `<moat:port>` speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortSelector {
    Mac(MacAddress),
    Alias(String),
    /// Place among the domain's interfaces, from 0.
    Index(usize),
}

/// `<moat:moat>` in a network of libvirt's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkMetadata {
    /// For ports whose portgroup names none.
    pub all: PortgroupMetadata,
    /// `<moat:mac-filter>on</moat:mac-filter>`: only frames with a guest's own MAC pass.
    pub mac_filter: bool,
    /// By the name of the portgroup.
    pub portgroups: BTreeMap<String, PortgroupMetadata>,
}

/// What a network says of its ports, or of those of one portgroup.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortgroupMetadata {
    /// In the order of decision.
    pub profiles: Vec<String>,
    /// Name of a Network document.
    pub network: Option<String>,
    /// MACs of promiscuous members of a private network, wherever they are.
    pub promiscuous: Vec<MacAddress>,
}

impl DomainMetadata {
    pub(super) fn read(metadata: Element<'_, '_>) -> Result<Self, XmlError> {
        let mut read = Self::default();
        let Some(root) = root(metadata)? else {
            return Ok(read);
        };
        read.present = true;
        for child in known(root)? {
            match child.name() {
                "label" => {
                    child.only_attributes(&["name"])?;
                    let name = child.required("name")?.to_owned();
                    if read.labels.insert(name, child.text()?.to_owned()).is_some() {
                        return Err(child.error("this label is there already"));
                    }
                }
                "port" => {
                    let selector = PortSelector::read(child)?;
                    if read.ports.iter().any(|(known, _)| *known == selector) {
                        return Err(child.error("this interface has a <port> already"));
                    }
                    let mut port = PortMetadata::default();
                    for child in known(child)? {
                        if !port.read(child)? {
                            return Err(unknown(child, PORT_WORDS));
                        }
                    }
                    read.ports.push((selector, port));
                }
                _ if read.all.read(child)? => {}
                _ => return Err(unknown(child, DOMAIN_WORDS)),
            }
        }
        Ok(read)
    }
}

const PORT_WORDS: &str = "`profile`, `network`, `address`, `role` or `variable`";
const DOMAIN_WORDS: &str = "`profile`, `network`, `address`, `role`, `variable`, `label` or `port`";
const NETWORK_WORDS: &str = "`profile`, `network`, `promiscuous`, `mac-filter` or `portgroup`";
const PORTGROUP_WORDS: &str = "`profile`, `network` or `promiscuous`";

impl PortMetadata {
    /// Whether the element is one that interfaces have.
    fn read(&mut self, element: Element<'_, '_>) -> Result<bool, XmlError> {
        match element.name() {
            "variable" => {
                element.only_attributes(&["name"])?;
                let values = self
                    .variables
                    .entry(element.required("name")?.to_owned())
                    .or_default();
                values.push(element.text()?.to_owned());
                return Ok(true);
            }
            "profile" => self.profiles.push(element.text()?.to_owned()),
            "network" => once(element, &mut self.network, element.text()?.to_owned())?,
            "address" => self.addresses.push(address(element)?),
            "role" => {
                let role = match element.text()? {
                    "isolated" => MetadataRole::Isolated,
                    "promiscuous" => MetadataRole::Promiscuous,
                    text => match text.strip_prefix("community:") {
                        Some(name) if !name.is_empty() => MetadataRole::Community(name.to_owned()),
                        _ => {
                            return Err(element.error(format!(
                                "`{}` is no role; `isolated`, `promiscuous` or `community:NAME` is expected",
                                shortened(text)
                            )));
                        }
                    },
                };
                once(element, &mut self.role, role)?;
            }
            _ => return Ok(false),
        }
        element.only_attributes(&[])?;
        Ok(true)
    }
}

impl PortSelector {
    fn read(element: Element<'_, '_>) -> Result<Self, XmlError> {
        element.only_attributes(&["mac", "alias", "index"])?;
        let selectors = [
            element.mac("mac")?.map(Self::Mac),
            element.owned("alias").map(Self::Alias),
            element
                .parsed("index", "a place among the interfaces, from 0")?
                .map(Self::Index),
        ];
        let mut given = selectors.into_iter().flatten();
        match (given.next(), given.next()) {
            (Some(selector), None) => Ok(selector),
            _ => Err(element.error(
                "<port> says which interface it means by exactly one of `mac`, `alias` and `index`",
            )),
        }
    }
}

impl NetworkMetadata {
    pub(super) fn read(metadata: Element<'_, '_>) -> Result<Self, XmlError> {
        let mut read = Self::default();
        let Some(root) = root(metadata)? else {
            return Ok(read);
        };
        for child in known(root)? {
            match child.name() {
                "mac-filter" => {
                    child.only_attributes(&[])?;
                    read.mac_filter = match child.text()? {
                        "on" => true,
                        "off" => false,
                        _ => return Err(child.error("<mac-filter> is `on` or `off`")),
                    };
                }
                "portgroup" => {
                    child.only_attributes(&["name"])?;
                    let mut group = PortgroupMetadata::default();
                    for child in known(child)? {
                        if !group.read(child)? {
                            return Err(unknown(child, PORTGROUP_WORDS));
                        }
                    }
                    let name = child.required("name")?.to_owned();
                    if read.portgroups.insert(name, group).is_some() {
                        return Err(child.error("this portgroup is there already"));
                    }
                }
                _ if read.all.read(child)? => {}
                _ => return Err(unknown(child, NETWORK_WORDS)),
            }
        }
        Ok(read)
    }
}

impl PortgroupMetadata {
    fn read(&mut self, element: Element<'_, '_>) -> Result<bool, XmlError> {
        match element.name() {
            "profile" => self.profiles.push(element.text()?.to_owned()),
            "network" => once(element, &mut self.network, element.text()?.to_owned())?,
            "promiscuous" => self.promiscuous.push(element.text_as("a MAC address")?),
            _ => return Ok(false),
        }
        element.only_attributes(&[])?;
        Ok(true)
    }
}

/// moat's element among those of other programs; libvirt lets each namespace have one.
fn root<'a, 'input>(
    metadata: Element<'a, 'input>,
) -> Result<Option<Element<'a, 'input>>, XmlError> {
    let mut found = None;
    for child in metadata.children() {
        if child.namespace() != Some(NAMESPACE) {
            continue;
        }
        if child.name() != "moat" {
            return Err(child.error(format!("<{}> stands outside of <moat>", child.name())));
        }
        if found.replace(child).is_some() {
            return Err(child.error("<metadata> has a second <moat>; one is expected"));
        }
        child.only_attributes(&[])?;
    }
    Ok(found)
}

/// The children, which all must be in moat's namespace.
fn known<'a, 'input>(element: Element<'a, 'input>) -> Result<Vec<Element<'a, 'input>>, XmlError> {
    element
        .children()
        .map(|child| match child.namespace() {
            Some(NAMESPACE) => Ok(child),
            _ => Err(child.error(format!(
                "<{}> in moat's metadata is not in the namespace {NAMESPACE}",
                child.name()
            ))),
        })
        .collect()
}

fn unknown(element: Element<'_, '_>, expected: &str) -> XmlError {
    element.error(format!(
        "<{}> means nothing here; {expected} is expected",
        element.name()
    ))
}

fn once<T>(element: Element<'_, '_>, place: &mut Option<T>, value: T) -> Result<(), XmlError> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(element.error(format!("a second <{}>; one is expected", element.name()))),
    }
}

fn address(element: Element<'_, '_>) -> Result<(IpAddr, u8), XmlError> {
    let text = element.text()?;
    let read = || -> Option<(IpAddr, u8)> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        match length {
            None => Some((address, most)),
            Some(length) => Some((
                address,
                length.parse().ok().filter(|length| *length <= most)?,
            )),
        }
    };
    read().ok_or_else(|| {
        element.error(format!(
            "`{}` is neither an address nor a prefix",
            shortened(text)
        ))
    })
}
