//! What a domain's ports have learned, as it travels in its `<metadata>` from host to host. Knows the
//! form, written and read; what of it is believed is left to whoever learns.
//!
//! ```xml
//! <learned>
//!   <port mac='52:54:00:00:00:01'>
//!     <address ip='10.0.0.5' from='lease' since='1700000000' until='1700003600' server='10.0.0.1' client='7'/>
//!   </port>
//! </learned>
//! ```

use std::fmt::Write as _;
use std::net::IpAddr;

use frame::MacAddress;

use super::reader::{Element, XmlError};

/// The namespace of the element. Its meaning never changes: another form has another namespace, so
/// that an older moat leaves it alone.
pub const LEARNED_NAMESPACE: &str = "https://moat.dev/xmlns/learned/1";
/// The prefix of the namespace in libvirt's XML.
pub const LEARNED_PREFIX: &str = "moat-learned";

/// A port has at most 64 addresses of each kind; more than this is nothing that moat wrote.
const MOST_ADDRESSES: usize = 128;

/// What one interface has learned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LearnedPort {
    pub mac: MacAddress,
    pub addresses: Vec<LearnedAddress>,
}

/// An address. Times are seconds since 1970, of the writer's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LearnedAddress {
    pub address: IpAddr,
    pub origin: LearnedOrigin,
    /// When it was learned, or last renewed.
    pub since: u64,
    /// When it ends by itself; `None`: with the port.
    pub until: Option<u64>,
    /// The DHCP server that gave it.
    pub server: Option<IpAddr>,
    /// Which of the port's DHCP clients it was given to.
    pub client: u64,
}

/// What made an address the port's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LearnedOrigin {
    Probe,
    Use,
    Lease,
}

impl LearnedOrigin {
    const ALL: [Self; 3] = [Self::Probe, Self::Use, Self::Lease];

    fn name(self) -> &'static str {
        match self {
            Self::Probe => "probe",
            Self::Use => "use",
            Self::Lease => "lease",
        }
    }
}

/// The element for [`crate::call::SetDomainMetadata`]; `None` where nothing is learned.
pub fn learned_element(ports: &[LearnedPort]) -> Option<String> {
    let ports: Vec<&LearnedPort> = ports
        .iter()
        .filter(|port| !port.addresses.is_empty())
        .collect();
    if ports.is_empty() {
        return None;
    }
    let mut text = "<learned>".to_owned();
    for port in ports {
        // Writing into a string cannot fail. No value has a character that XML would want escaped.
        let _ = write!(text, "<port mac='{}'>", port.mac);
        for held in &port.addresses {
            let (address, origin) = (held.address, held.origin.name());
            let _ = write!(
                text,
                "<address ip='{address}' from='{origin}' since='{}'",
                held.since
            );
            if let Some(until) = held.until {
                let _ = write!(text, " until='{until}'");
            }
            if let Some(server) = held.server {
                let _ = write!(text, " server='{server}'");
            }
            if held.client != 0 {
                let _ = write!(text, " client='{}'", held.client);
            }
            text.push_str("/>");
        }
        text.push_str("</port>");
    }
    text.push_str("</learned>");
    Some(text)
}

/// Reads it out of `<metadata>`; nothing where there is none.
pub(super) fn read(metadata: Element<'_, '_>) -> Result<Vec<LearnedPort>, XmlError> {
    read_ports(metadata, LEARNED_NAMESPACE, read_port)
}

/// Reads the `<port>`s of each element of that namespace in `<metadata>`; nothing else may be there.
pub(super) fn read_ports<T>(
    metadata: Element<'_, '_>,
    namespace: &str,
    read_port: fn(Element<'_, '_>) -> Result<T, XmlError>,
) -> Result<Vec<T>, XmlError> {
    let ours = |child: &Element<'_, '_>| child.namespace() == Some(namespace);
    let mut ports = Vec::new();
    for root in metadata.children().filter(ours) {
        root.only_attributes(&[])?;
        for child in root.children() {
            match child.name() {
                "port" if ours(&child) => ports.push(read_port(child)?),
                name => return Err(child.error(format!("<{name}>; <port> is expected"))),
            }
        }
    }
    Ok(ports)
}

fn read_port(port: Element<'_, '_>) -> Result<LearnedPort, XmlError> {
    port.only_attributes(&["mac"])?;
    port.required("mac")?;
    let mut addresses = Vec::new();
    for child in port.children() {
        if child.name() != "address" || child.namespace() != Some(LEARNED_NAMESPACE) {
            return Err(child.error(format!("<{}>; <address> is expected", child.name())));
        }
        if addresses.len() >= MOST_ADDRESSES {
            return Err(child.error(format!("a port has at most {MOST_ADDRESSES} addresses")));
        }
        addresses.push(read_address(child)?);
    }
    Ok(LearnedPort {
        mac: port
            .mac("mac")?
            .ok_or_else(|| port.error("<port> lacks the attribute `mac`"))?,
        addresses,
    })
}

fn read_address(address: Element<'_, '_>) -> Result<LearnedAddress, XmlError> {
    address.only_attributes(&["ip", "from", "since", "until", "server", "client"])?;
    let from = address.required("from")?;
    let mut origins = LearnedOrigin::ALL.into_iter();
    let origin = origins.find(|origin| origin.name() == from);
    let lacks = |name| address.error(format!("<address> lacks the attribute `{name}`"));
    Ok(LearnedAddress {
        address: address
            .parsed("ip", "an IP address")?
            .ok_or_else(|| lacks("ip"))?,
        origin: origin
            .ok_or_else(|| address.attribute_error("from", "`probe`, `use` or `lease`"))?,
        since: address
            .parsed("since", "seconds since 1970")?
            .ok_or_else(|| lacks("since"))?,
        until: address.parsed("until", "seconds since 1970")?,
        server: address.parsed("server", "an IP address")?,
        client: address.parsed("client", "a number")?.unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests;
