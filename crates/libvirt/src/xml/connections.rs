//! Connections that a domain's ports have, as they travel in its `<metadata>` from host to host. Knows the
//! form around them; what a connection says, and which of them go on, is left to whoever takes them in.
//!
//! ```xml
//! <connections>
//!   <port mac='52:54:00:00:00:01'>tcp 10.0.0.5:40000 192.0.2.9:443 432000 7/10; udp …</port>
//! </connections>
//! ```

use frame::MacAddress;

use super::learned::read_ports;
use super::reader::{Element, XmlError};

/// The namespace of the element. Its meaning never changes: another form has another namespace, so
/// that an older moat leaves it alone.
pub const CONNECTIONS_NAMESPACE: &str = "https://moat.dev/xmlns/connections/1";
/// The prefix of the namespace in libvirt's XML.
pub const CONNECTIONS_PREFIX: &str = "moat-connections";

/// More of one interface is nothing that moat wrote.
pub const MOST_CONNECTIONS: usize = 512;

/// The connections of one interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortConnections {
    pub mac: MacAddress,
    /// A text each, without `;` and without characters that XML would want escaped.
    pub connections: Vec<String>,
}

/// The element for [`crate::call::SetDomainMetadata`]; `None` where there are no connections.
pub fn connections_element(ports: &[PortConnections]) -> Option<String> {
    let ports = ports.iter().filter(|port| !port.connections.is_empty());
    let ports: Vec<String> = ports
        .map(|port| {
            format!(
                "<port mac='{}'>{}</port>",
                port.mac,
                port.connections.join("; ")
            )
        })
        .collect();
    (!ports.is_empty()).then(|| format!("<connections>{}</connections>", ports.concat()))
}

/// Reads it out of `<metadata>`; nothing where there is none.
pub(super) fn read(metadata: Element<'_, '_>) -> Result<Vec<PortConnections>, XmlError> {
    read_ports(metadata, CONNECTIONS_NAMESPACE, read_port)
}

fn read_port(port: Element<'_, '_>) -> Result<PortConnections, XmlError> {
    port.only_attributes(&["mac"])?;
    let lacks = || port.error("<port> lacks the attribute `mac`");
    let mac = port.mac("mac")?.ok_or_else(lacks)?;
    let connections = port.text()?.split(';').map(|text| text.trim().to_owned());
    let connections: Vec<String> = connections.take(MOST_CONNECTIONS + 1).collect();
    if connections.len() > MOST_CONNECTIONS {
        return Err(port.error(format!("a port has at most {MOST_CONNECTIONS} connections")));
    }
    Ok(PortConnections { mac, connections })
}

#[cfg(test)]
mod tests;
