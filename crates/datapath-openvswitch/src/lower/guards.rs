//! What a port may send as itself: its addresses, and neighbour discovery about them alone. Flows
//! of a port hold its addresses; everything else is shared, and switched on by flags of the sender.

use policy::document::Guard;
use policy::program::PortProgram;

use crate::flow::{Action, Bits, Cube, Field};

use super::admission::{ether, mac};
use super::identity::Counted;
use super::{Lowering, cover, layout};

const UDP: u8 = 17;
const ICMPV6: u8 = 58;

impl Lowering<'_> {
    pub(super) fn own_addresses(&mut self, port: &PortProgram, number: u16) {
        let Some(behaviour) = self.program.behaviours.get(&port.behaviour) else {
            return;
        };
        let own = || Cube::any().with(Field::InPort, number);
        let mut allowed = Vec::new();
        if behaviour.guards.contains(&Guard::Ipv4) {
            for (value, mask) in cover::intervals(&port.ipv4, false, 32) {
                allowed.push(own().with(Field::EthernetType, 0x0800_u16).masked(
                    Field::Ipv4Source,
                    value,
                    mask,
                ));
            }
        }
        if behaviour.guards.contains(&Guard::Ipv6) {
            for (value, mask) in cover::intervals(&port.ipv6, false, 128) {
                allowed.push(own().with(Field::EthernetType, 0x86dd_u16).masked(
                    Field::Ipv6Source,
                    value,
                    mask,
                ));
            }
        }
        if behaviour.guards.contains(&Guard::Arp) {
            // 0.0.0.0 is an address probe, RFC 5227 section 2.1.1.
            let mut addresses = cover::intervals(&port.ipv4, false, 32);
            addresses.push((0, Field::ArpSenderAddress.mask()));
            for (value, mask) in addresses {
                allowed.push(
                    own()
                        .with(Field::EthernetType, 0x0806_u16)
                        .with(Field::ArpSenderMac, mac(port.mac))
                        .masked(Field::ArpSenderAddress, value, mask),
                );
            }
        }
        for matching in allowed {
            self.step(layout::SENDER, 100, matching, to_speech());
        }
    }

    /// Table [`layout::SENDER`].
    pub(super) fn senders(&mut self) {
        let open = layout::flag(layout::MANAGED, false);
        self.step(
            layout::SENDER,
            110,
            open,
            vec![Action::Resubmit(layout::FORWARD)],
        );
        for (kind, bits, guard) in [
            (0x0800, layout::GUARD_IPV4, Guard::Ipv4),
            (0x86dd, layout::GUARD_IPV6, Guard::Ipv6),
            (0x0806, layout::GUARD_ARP, Guard::Arp),
        ] {
            let counted = Counted::Decider(format!("guard/{}", guard.name()));
            self.counted(
                layout::SENDER,
                50,
                ether(kind).bits(bits, 1),
                &counted,
                Vec::new(),
            );
        }
        // A client without an address yet: RFC 2131 section 4.1.
        let asks = udp(0x0800, 68, 67)
            .bits(layout::GUARD_IPV4, 1)
            .with(Field::Ipv4Source, 0_u8);
        self.step(layout::SENDER, 100, asks, to_speech());
        // Duplicate address detection, router solicitation and joining groups, from no address yet.
        for kind in [131, 132, 133, 135, 143] {
            let joins = icmpv6(kind)
                .bits(layout::GUARD_IPV6, 1)
                .with(Field::Ipv6Source, 0_u8);
            self.step(layout::SENDER, 100, joins, to_speech());
        }
        self.step(layout::SENDER, 1, Cube::any(), to_speech());
    }

    /// Table [`layout::SPEECH`].
    pub(super) fn speech(&mut self) {
        let refused = |guard: Guard| Counted::Decider(format!("guard/{}", guard.name()));
        let server = refused(Guard::NoDhcpServer);
        for (kind, client) in [(0x0800_u16, 68_u16), (0x86dd, 546)] {
            let answers = whole(ether(kind).with(Field::IpProtocol, UDP))
                .with(Field::TransportDestination, client)
                .bits(layout::GUARD_DHCP, 1);
            self.counted(layout::SPEECH, 120, answers, &server, Vec::new());
        }
        let router = refused(Guard::NoRouterAdvertisement);
        for kind in [134, 137] {
            let speaks = icmpv6(kind).bits(layout::GUARD_RA, 1);
            self.counted(layout::SPEECH, 120, speaks, &router, Vec::new());
        }
        let discovery = refused(Guard::Nd);
        // The switch reads nothing of a message that it finds fault with (`parse_icmpv6`).
        let nothing = solicitation()
            .bits(layout::GUARD_ND, 1)
            .with(Field::NdTarget, 0_u8);
        self.counted(layout::SPEECH, 110, nothing, &discovery, Vec::new());
        let without = solicitation()
            .bits(layout::GUARD_ND, 1)
            .with(Field::NdSourceMac, 0_u8);
        self.step(layout::SPEECH, 100, without, to_class());
        for kind in [135, 136] {
            let other = icmpv6(kind).bits(layout::GUARD_ND, 1);
            self.counted(layout::SPEECH, 90, other, &discovery, Vec::new());
        }
        self.step(layout::SPEECH, 1, Cube::any(), to_class());
    }

    pub(super) fn own_discovery(&mut self, port: &PortProgram, number: u16) {
        let Some(behaviour) = self.program.behaviours.get(&port.behaviour) else {
            return;
        };
        if !behaviour.guards.contains(&Guard::Nd) {
            return;
        }
        let own = |cube: Cube| cube.with(Field::InPort, number);
        let asks = own(solicitation()).with(Field::NdSourceMac, mac(port.mac));
        self.step(layout::SPEECH, 100, asks, to_class());
        for (value, mask) in cover::intervals(&port.ipv6, false, 128) {
            for link in [0, mac(port.mac)] {
                let tells = own(icmpv6(136))
                    .with(Field::Icmpv6Code, 0_u8)
                    .masked(Field::NdTarget, value, mask)
                    .with(Field::NdTargetMac, link);
                self.step(layout::SPEECH, 100, tells, to_class());
            }
        }
    }
}

fn to_speech() -> Vec<Action> {
    vec![Action::Resubmit(layout::SPEECH)]
}

fn to_class() -> Vec<Action> {
    vec![Action::Resubmit(layout::CLASS)]
}

/// Not a later fragment: a transport header can be read.
pub(super) fn whole(cube: Cube) -> Cube {
    cube.masked(Field::IpFragment, 0_u8, 2)
}

pub(super) fn udp(kind: u16, source: u16, destination: u16) -> Cube {
    whole(ether(kind).with(Field::IpProtocol, UDP))
        .with(Field::TransportSource, source)
        .with(Field::TransportDestination, destination)
}

pub(super) fn icmpv6(kind: u8) -> Cube {
    whole(ether(0x86dd).with(Field::IpProtocol, ICMPV6)).with(Field::Icmpv6Type, kind)
}

/// With code 0, without which the switch reads neither target nor options.
fn solicitation() -> Cube {
    icmpv6(135).with(Field::Icmpv6Code, 0_u8)
}

/// A class as the value of all class bits.
pub(super) fn class_value(class: Bits) -> u32 {
    1 << (class.first - layout::OUTCOME.first)
}
