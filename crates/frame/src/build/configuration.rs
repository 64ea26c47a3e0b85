//! DHCP for IPv4 (RFC 2131) and IPv6 (RFC 8415) messages, the least that a peer takes for one.
//! Leaves UDP and IP to `packet`.

use std::net::Ipv4Addr;

use super::packet::PacketBuilder;
use crate::MacAddress;

const CLIENT: u16 = 68;
const SERVER: u16 = 67;
const CLIENT_V6: u16 = 546;
const SERVER_V6: u16 = 547;

/// DHCP message types that only a server sends: offer, ack, nak.
pub fn is_dhcp_server_message(kind: u8) -> bool {
    matches!(kind, 2 | 5 | 6)
}

/// DHCPv6 message types that only a server sends: advertise, reply, reconfigure.
pub fn is_dhcpv6_server_message(kind: u8) -> bool {
    matches!(kind, 2 | 7 | 10)
}

impl PacketBuilder {
    /// A DHCP message of a type (1 discover, 2 offer, 3 request, 5 ack, …), with the ports of the
    /// side that sends it; `yours` is the address a server gives, or a client asks for.
    pub fn dhcp(self, kind: u8, client: MacAddress, yours: Ipv4Addr) -> Self {
        let server = is_dhcp_server_message(kind);
        let mut message = vec![if server { 2 } else { 1 }, 1, 6, 0, 0x6d, 0x6f, 0x61, 0x74];
        message.extend([0, 0, 0x80, 0]);
        message.extend([0; 4]);
        let given = if server { yours } else { Ipv4Addr::UNSPECIFIED };
        message.extend(given.octets());
        message.extend([0; 8]);
        message.extend(client.octets());
        message.extend([0; 10 + 64 + 128]);
        message.extend([0x63, 0x82, 0x53, 0x63, 53, 1, kind]);
        if !server && !yours.is_unspecified() {
            message.extend([50, 4]);
            message.extend(yours.octets());
        }
        message.push(255);
        let (from, to) = if server {
            (SERVER, CLIENT)
        } else {
            (CLIENT, SERVER)
        };
        self.udp(from, to).payload(message)
    }

    /// A DHCPv6 message of a type (1 solicit, 2 advertise, 3 request, 7 reply, …) about a client,
    /// with the ports of the side that sends it.
    pub fn dhcpv6(self, kind: u8, client: MacAddress) -> Self {
        let mut message = vec![kind, 0x6d, 0x6f, 0x61, 0, 1, 0, 10, 0, 3, 0, 1];
        message.extend(client.octets());
        let (from, to) = if is_dhcpv6_server_message(kind) {
            message.extend([0, 2, 0, 10, 0, 3, 0, 1]);
            message.extend(self.frame_source().octets());
            (SERVER_V6, CLIENT_V6)
        } else {
            message.extend([0, 8, 0, 2, 0, 0]);
            (CLIENT_V6, SERVER_V6)
        };
        self.udp(from, to).payload(message)
    }
}
