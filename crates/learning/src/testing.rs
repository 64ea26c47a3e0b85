//! DHCP messages and frames for the tests of this crate.

use std::net::{Ipv4Addr, Ipv6Addr};

use frame::{FrameBuilder, MacAddress};

use crate::dhcp4::kind;

pub(crate) const CLIENT: MacAddress = MacAddress([0x52, 0x54, 0, 0, 0, 1]);
pub(crate) const OTHER: MacAddress = MacAddress([0x52, 0x54, 0, 0, 0, 2]);
pub(crate) const SERVER: MacAddress = MacAddress([0x02, 0, 0, 0, 0, 0xfe]);
pub(crate) const SERVER4: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

/// One DHCP message, to be changed before it is sent.
#[derive(Clone, Debug)]
pub(crate) struct Dhcp {
    pub(crate) kind: u8,
    pub(crate) id: u32,
    pub(crate) client: MacAddress,
    pub(crate) from: Ipv4Addr,
    pub(crate) has: Ipv4Addr,
    pub(crate) yours: Ipv4Addr,
    pub(crate) relay: Ipv4Addr,
    pub(crate) options: Vec<(u8, Vec<u8>)>,
}

impl Dhcp {
    pub(crate) fn asks(kind: u8, id: u32) -> Self {
        Self {
            kind,
            id,
            client: CLIENT,
            from: Ipv4Addr::UNSPECIFIED,
            has: Ipv4Addr::UNSPECIFIED,
            yours: Ipv4Addr::UNSPECIFIED,
            relay: Ipv4Addr::UNSPECIFIED,
            options: Vec::new(),
        }
    }

    pub(crate) fn answers(kind: u8, id: u32, yours: Ipv4Addr, seconds: u32) -> Self {
        Self {
            from: SERVER4,
            yours,
            ..Self::asks(kind, id)
        }
        .option(54, &SERVER4.octets())
        .option(51, &seconds.to_be_bytes())
    }

    pub(crate) fn option(mut self, code: u8, value: &[u8]) -> Self {
        self.options.push((code, value.to_vec()));
        self
    }

    pub(crate) fn payload(&self) -> Vec<u8> {
        let reply = matches!(self.kind, kind::OFFER | kind::ACK | kind::NAK);
        let mut bytes = vec![if reply { 2 } else { 1 }, 1, 6, 0];
        bytes.extend(self.id.to_be_bytes());
        bytes.extend([0; 4]);
        bytes.extend(self.has.octets());
        bytes.extend(self.yours.octets());
        bytes.extend([0; 4]);
        bytes.extend(self.relay.octets());
        bytes.extend(self.client.0);
        bytes.extend([0; 10 + 64 + 128]);
        bytes.extend([0x63, 0x82, 0x53, 0x63, 53, 1, self.kind]);
        for (code, value) in &self.options {
            bytes.push(*code);
            bytes.push(u8::try_from(value.len()).expect("a short option"));
            bytes.extend(value);
        }
        bytes.push(255);
        bytes
    }

    pub(crate) fn frame(&self) -> Vec<u8> {
        let reply = matches!(self.kind, kind::OFFER | kind::ACK | kind::NAK);
        let (source, ports) = if reply {
            (SERVER, (67, 68))
        } else {
            (CLIENT, (68, 67))
        };
        FrameBuilder::new(source, MacAddress([0xff; 6]))
            .ipv4(self.from, Ipv4Addr::BROADCAST)
            .udp(ports.0, ports.1)
            .payload(self.payload())
            .build()
    }
}

/// A DHCPv6 message: type, transaction, client, and addresses with their lifetimes in one IA_NA.
pub(crate) fn dhcp6(kind: u8, id: u32, duid: &[u8], addresses: &[(Ipv6Addr, u32)]) -> Vec<u8> {
    let option = |code: u16, value: &[u8]| {
        let length = u16::try_from(value.len()).expect("a short option");
        [&code.to_be_bytes()[..], &length.to_be_bytes(), value].concat()
    };
    let [_, a, b, c] = id.to_be_bytes();
    let mut bytes = vec![kind, a, b, c];
    bytes.extend(option(1, duid));
    bytes.extend(option(2, &[0, 3, 0, 1, 2, 0, 0, 0, 0, 0xfe]));
    let mut association = vec![0; 12];
    for (address, seconds) in addresses {
        let mut value = address.octets().to_vec();
        value.extend(seconds.to_be_bytes());
        value.extend(seconds.to_be_bytes());
        association.extend(option(5, &value));
    }
    bytes.extend(option(3, &association));
    bytes
}

pub(crate) fn asks6(payload: &[u8]) -> Vec<u8> {
    let all = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2);
    FrameBuilder::new(CLIENT, MacAddress([0x33, 0x33, 0, 1, 0, 2]))
        .ipv6(CLIENT.eui64_link_local(), all)
        .udp(546, 547)
        .payload(payload)
        .build()
}

pub(crate) fn answers6(from: Ipv6Addr, payload: &[u8]) -> Vec<u8> {
    FrameBuilder::new(SERVER, CLIENT)
        .ipv6(from, CLIENT.eui64_link_local())
        .udp(547, 546)
        .payload(payload)
        .build()
}
