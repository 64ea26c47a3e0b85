//! Where a frame comes from, and whether it can be read at all. Knows ports and their VLANs; what a
//! sender may say is left to `guards`.

use policy::document::Guard;
use policy::program::PortProgram;

use crate::flow::{Action, Cube, Field};
use crate::topology::{Bond, BondMode, LOCAL, PortVlan, TopologyPort};

use super::forward::GROUP_BIT;
use super::identity::{Counted, LEARNED};
use super::{Lowering, cover, layout};

/// A tag's presence in a match on tag control information.
const TAGGED: u128 = 0x1000;
/// Presence and VLAN id.
const TAG_MASK: u128 = 0x1fff;

/// Of others' flows in the first table none may come before those of ports that are known, nor
/// before quarantine: whoever adds flows by hand gets priority 32,768.
const ABOVE: u16 = 60_000;

/// How a port's frames tell which VLAN they are in.
struct Arrival {
    /// Value and mask of the tag control information.
    tag: cover::Masked,
    /// What becomes of it.
    actions: Vec<Action>,
}

impl Lowering<'_> {
    /// What a port has of its own in [`layout::ENTRY`] and the tables of its guards.
    pub(super) fn place(&mut self, device: &str, place: &TopologyPort, open: bool) {
        match self.claimed(device) {
            Some(port) => {
                self.managed_entry(port, place);
                if self.spreads() {
                    let own = Cube::any().with(Field::EthernetSource, mac(port.mac));
                    let actions = vec![layout::raise(layout::MEMBER)];
                    self.step(layout::REFLECTED, 10, own, actions);
                }
                self.own_addresses(port, place.number);
                self.own_discovery(port, place.number);
            }
            None if open => match &place.bond {
                None => self.open_entry(place.number, &place.vlan, &[]),
                Some(bond) => self.bond_entry(bond, place),
            },
            None => {
                let matching = Cube::any().with(Field::InPort, place.number);
                let counted = Counted::Decider("quarantine".to_owned());
                self.counted(layout::ENTRY, ABOVE + 200, matching, &counted, Vec::new());
            }
        }
        self.delivery(device, place, open);
    }

    /// What every bridge has in [`layout::ENTRY`].
    pub(super) fn entry(&mut self) {
        let vlan = self.local_vlan();
        self.open_entry(LOCAL, &vlan, &[]);
        if self.is_managed() {
            let counted = Counted::Decider("quarantine".to_owned());
            self.counted(layout::ENTRY, ABOVE, Cube::any(), &counted, Vec::new());
            return;
        }
        // Of a port that nobody knows yet nothing is known, but that it is nobody's business.
        for arrival in arrivals(&PortVlan::Trunk) {
            let (value, mask) = arrival.tag;
            let matching = Cube::any().masked(Field::VlanTci, value, mask);
            let mut actions = arrival.actions;
            actions.push(Action::Resubmit(layout::FITNESS));
            self.step(layout::ENTRY, 1, matching, actions);
        }
    }

    fn managed_entry(&mut self, port: &PortProgram, place: &TopologyPort) {
        let Some(behaviour) = self.program.behaviours.get(&port.behaviour) else {
            return;
        };
        let on = |guard| behaviour.guards.contains(&guard);
        let mut own = Cube::any().with(Field::InPort, place.number);
        let forged = Counted::Forged(port.name.clone());
        self.counted(layout::ENTRY, ABOVE + 200, own.clone(), &forged, Vec::new());
        if on(Guard::Mac) {
            own = own.with(Field::EthernetSource, mac(port.mac));
            let tagged = Counted::Decider("tagged".to_owned());
            self.counted(layout::ENTRY, ABOVE + 210, own.clone(), &tagged, Vec::new());
        }
        let flags = [
            (layout::MANAGED, true),
            (layout::GUARD_IPV4, on(Guard::Ipv4)),
            (layout::GUARD_IPV6, on(Guard::Ipv6)),
            (layout::GUARD_ARP, on(Guard::Arp)),
            (layout::GUARD_ND, on(Guard::Nd)),
            (layout::GUARD_DHCP, on(Guard::NoDhcpServer)),
            (layout::GUARD_RA, on(Guard::NoRouterAdvertisement)),
            (layout::DHCP_CLIENT, behaviour.dhcp),
            (layout::STATEFUL, self.tracks(behaviour)),
        ];
        let flags = flags
            .into_iter()
            .filter(|(_, on)| *on)
            .map(|(bits, _)| layout::raise(bits));
        let number = self.identities.number("behaviour", &port.behaviour);
        let mut common: Vec<Action> = flags.collect();
        common.push(Action::Load(layout::BEHAVIOUR, number));
        common.push(Action::Load(layout::ZONE, port.zone.into()));
        common.push(Action::Resubmit(layout::FITNESS));
        for arrival in arrivals(&place.vlan) {
            let listed = cover::intervals(&behaviour.tagged, false, 12);
            let tags: Vec<cover::Masked> = match arrival.tag {
                // No tag at all.
                (0, _) => vec![arrival.tag],
                (value, mask) => listed
                    .into_iter()
                    .map(|(id, id_mask)| (id | TAGGED, id_mask | TAGGED))
                    .filter_map(|(id, id_mask)| {
                        let differs = (id ^ value) & id_mask & mask != 0;
                        (!differs).then_some((id | value, id_mask | mask))
                    })
                    .collect(),
            };
            for (value, mask) in tags {
                let matching = own.clone().masked(Field::VlanTci, value, mask);
                let actions = arrival.actions.iter().chain(&common).cloned().collect();
                self.step(layout::ENTRY, ABOVE + 300, matching, actions);
            }
        }
    }

    /// Whether some bond may give back what it was given.
    pub(super) fn spreads(&self) -> bool {
        let bonds = self
            .topology
            .ports
            .values()
            .filter_map(|port| port.bond.as_ref());
        bonds.into_iter().any(|bond| bond.mode == BondMode::Spread)
    }

    fn bond_entry(&mut self, bond: &Bond, place: &TopologyPort) {
        let mut origin = vec![Action::Load(layout::ORIGIN, place.number.into())];
        if bond.mode == BondMode::Spread {
            origin.push(Action::Resubmit(layout::REFLECTED));
        }
        for member in &bond.members {
            if *member == place.number || bond.mode == BondMode::Aggregated {
                self.open_entry(*member, &place.vlan, &origin);
            } else if bond.mode == BondMode::Spread {
                self.open_entry(*member, &place.vlan, &origin);
                let heard_twice = Cube::any().with(Field::InPort, *member).masked(
                    Field::EthernetDestination,
                    GROUP_BIT,
                    GROUP_BIT,
                );
                self.step(layout::ENTRY, ABOVE + 310, heard_twice, Vec::new());
            } else {
                let passive = Cube::any().with(Field::InPort, *member);
                self.step(layout::ENTRY, ABOVE + 200, passive, Vec::new());
            }
        }
    }

    fn open_entry(&mut self, number: u16, vlan: &PortVlan, origin: &[Action]) {
        for arrival in arrivals(vlan) {
            let (value, mask) = arrival.tag;
            let matching =
                Cube::any()
                    .with(Field::InPort, number)
                    .masked(Field::VlanTci, value, mask);
            let mut actions = arrival.actions;
            actions.extend_from_slice(origin);
            if let Some(learn) = self.learning(number) {
                actions.push(learn);
            }
            actions.push(Action::Resubmit(layout::FITNESS));
            self.step(layout::ENTRY, ABOVE + 300, matching, actions);
        }
        let matching = Cube::any().with(Field::InPort, number);
        self.step(layout::ENTRY, ABOVE + 200, matching, Vec::new());
    }

    fn learning(&self, number: u16) -> Option<Action> {
        let learns = number != LOCAL && self.topology.ageing_seconds > 0;
        learns.then_some(Action::Learn(crate::flow::LearnSpec {
            table: layout::LEARNED,
            priority: 1,
            cookie: LEARNED,
            seconds: self.topology.ageing_seconds,
            limit: 65_536,
            domain: layout::DOMAIN_ID,
            target: layout::TARGET_PORT,
        }))
    }

    /// Table [`layout::FITNESS`]: what the switch could not read has zeros where its fields would be.
    pub(super) fn fitness(&mut self) {
        let whole = |cube: Cube| cube.masked(Field::IpFragment, 0_u8, 2);
        let ports = |cube: Cube| {
            cube.with(Field::TransportSource, 0_u8)
                .with(Field::TransportDestination, 0_u8)
        };
        let ip4 = || ether(0x0800);
        let ip6 = || ether(0x86dd);
        let mut unfit = vec![
            // ipv4_sanity_check failed: not even the addresses were read.
            ip4()
                .with(Field::Ipv4Source, 0_u8)
                .with(Field::Ipv4Destination, 0_u8)
                .with(Field::IpProtocol, 0_u8)
                .with(Field::IpTtl, 0_u8),
            // ipv6_sanity_check or the walk over extension headers failed.
            ip6().with(Field::IpProtocol, 0_u8),
            // Not for IPv4 on Ethernet, or cut short.
            ether(0x0806)
                .with(Field::ArpOperation, 0_u8)
                .with(Field::ArpSenderAddress, 0_u8)
                .with(Field::ArpTargetAddress, 0_u8)
                .with(Field::ArpSenderMac, 0_u8)
                .with(Field::ArpTargetMac, 0_u8),
            // A tag behind the one that was taken off.
            ether(0x8100),
            ether(0x88a8),
            // The same where the switch reads more than one (`other_config:vlan-limit`).
            Cube::any().masked(Field::VlanTci, TAGGED, TAGGED),
        ];
        for ip in [ip4(), ip6()] {
            let protocol = |number: u8| whole(ip.clone().with(Field::IpProtocol, number));
            unfit.push(ports(protocol(6)).with(Field::TcpFlags, 0_u8));
            unfit.push(ports(protocol(17)));
            unfit.push(ports(protocol(132)));
        }
        unfit.push(
            whole(ip6().with(Field::IpProtocol, 58_u8))
                .with(Field::Icmpv6Type, 0_u8)
                .with(Field::Icmpv6Code, 0_u8),
        );
        let reflected = layout::flag(layout::MEMBER, true);
        self.step(layout::FITNESS, 120, reflected, Vec::new());
        let malformed = Counted::Decider("malformed".to_owned());
        for cube in unfit {
            let managed = cube.clone().bits(layout::MANAGED, 1);
            self.counted(layout::FITNESS, 110, managed, &malformed, Vec::new());
            let go_on = vec![
                layout::raise(layout::MALFORMED),
                Action::Resubmit(layout::FORWARD),
            ];
            self.step(layout::FITNESS, 100, cube, go_on);
        }
        let go_on = vec![Action::Resubmit(layout::SOURCE_SETS)];
        self.step(layout::FITNESS, 1, Cube::any(), go_on);
    }
}

fn arrivals(vlan: &PortVlan) -> Vec<Arrival> {
    let untagged = |domain: Option<u16>| Arrival {
        tag: (0, TAGGED),
        actions: domain
            .map(|id| vec![Action::Load(layout::DOMAIN, u32::from(id) | 0x1000)])
            .unwrap_or_default(),
    };
    // A tag of VLAN 0 says a priority and no VLAN (IEEE 802.1Q, 9.6): the frame is as if untagged.
    let priority = |domain: Option<u16>| Arrival {
        tag: (TAGGED, TAG_MASK),
        actions: [Action::Read(Field::VlanTci, layout::VIEW), Action::StripTag]
            .into_iter()
            .chain(domain.map(|id| Action::Load(layout::DOMAIN, u32::from(id) | 0x1000)))
            .collect(),
    };
    let tagged = |(value, mask): cover::Masked| Arrival {
        tag: (value | TAGGED, mask | TAGGED),
        actions: vec![
            Action::Read(Field::VlanTci, layout::VIEW),
            Action::Read(Field::VlanTci, layout::DOMAIN),
            Action::StripTag,
        ],
    };
    match vlan {
        PortVlan::Access(id) => vec![untagged(Some(*id)), priority(Some(*id))],
        PortVlan::Trunk => {
            let mut all = vec![untagged(None), priority(None)];
            all.extend(cover::range(1, 4095, 12).into_iter().map(tagged));
            all
        }
        PortVlan::Trunks { vlans, native } => {
            let mut all = Vec::new();
            if native.is_some() || vlans.contains(&0) {
                all.extend([untagged(*native), priority(*native)]);
            }
            let listed = vlans.iter().filter(|id| **id != 0);
            all.extend(listed.map(|id| tagged((u128::from(*id), 0xfff))));
            all
        }
    }
}

pub(super) fn ether(kind: u16) -> Cube {
    Cube::any().with(Field::EthernetType, kind)
}

pub(super) fn mac(mac: frame::MacAddress) -> u128 {
    mac.0
        .iter()
        .fold(0, |value, byte| value << 8 | u128::from(*byte))
}
