//! Where a frame goes: to the managed port whose MAC it names, to everybody for groups, to uplinks
//! and unmanaged ports for everything else. Whoever is managed gets it through the receiver's part
//! of the pipeline, once for all ports that behave alike.

use std::collections::{BTreeMap, BTreeSet};

use policy::document::Guard;

use crate::flow::{Action, Cube, Field};
use crate::topology::{LOCAL, PortVlan};

use super::admission::mac;
use super::identity::Counted;
use super::{Lowering, layout};

/// The group bit of a MAC.
pub(super) const GROUP_BIT: u128 = 0x0100_0000_0000;

/// How a port sees frames of a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum View {
    /// As they are in the domain: tagged, where the domain is a VLAN.
    Same,
    Untagged,
}

/// Someone who may get a frame.
struct Place<'a> {
    number: u16,
    vlan: &'a PortVlan,
}

/// VLANs that some port tells from others; `None`: all those that none does.
type Domain = Option<u16>;

impl Lowering<'_> {
    /// Tables [`layout::FORWARD`], [`layout::FLOOD`] and [`layout::DELIVERY`].
    pub(super) fn forwarding(&mut self) {
        // IEEE 802.1D, table 7-10: a bridge does not forward these.
        let reserved = Cube::any().masked(
            Field::EthernetDestination,
            0x0180_c200_0000_u64,
            0xffff_ffff_fff0,
        );
        self.step(layout::FORWARD, 1000, reserved, Vec::new());
        let learned = vec![
            Action::Load(layout::TARGET, 0),
            Action::Resubmit(layout::LEARNED),
            Action::Resubmit(layout::FLOOD),
        ];
        self.step(layout::FORWARD, 1, Cube::any(), learned);
        let found = vec![Action::Resubmit(layout::COMMIT)];
        self.step(layout::FLOOD, 1, Cube::any(), found);
        let mut domains: BTreeSet<Domain> = self.domains().into_iter().map(Some).collect();
        domains.insert(None);
        for domain in domains {
            self.known(domain);
            self.floods(domain);
        }
        self.deliveries();
    }

    fn domains(&self) -> BTreeSet<u16> {
        let mut domains = BTreeSet::from([0]);
        let local = self.local_vlan();
        let all = self.topology.ports.values().map(|port| &port.vlan);
        for vlan in all.chain([&local]) {
            match vlan {
                PortVlan::Trunk => {}
                PortVlan::Access(id) => {
                    domains.insert(*id);
                }
                PortVlan::Trunks { vlans, native } => {
                    domains.extend(vlans);
                    domains.extend(native);
                }
            }
        }
        domains
    }

    /// Unicast to addresses whose place is known: of managed ports and of the host.
    fn known(&mut self, domain: Domain) {
        let mut places: BTreeMap<u128, Vec<Action>> = BTreeMap::new();
        let program = self.program;
        for (name, place) in &self.topology.ports {
            let Some(port) = self.claimed(name) else {
                continue;
            };
            let Some(behaviour) = program.behaviours.get(&port.behaviour) else {
                continue;
            };
            let Some(view) = view(&place.vlan, domain) else {
                continue;
            };
            let number = self.identities.number("behaviour", &behaviour.name);
            let delivery = towards(number, place.number.into(), port.zone, view);
            places.entry(mac(port.mac)).or_default().push(delivery);
        }
        let local = self.local_vlan();
        let host = mac(self.topology.mac);
        if host != 0
            && !places.contains_key(&host)
            && let Some(view) = view(&local, domain)
        {
            let mut delivery = vec![Action::Resubmit(layout::COMMIT_SENDER)];
            delivery.extend(plain(view, [LOCAL].into_iter()));
            places.insert(host, delivery);
        }
        for (address, actions) in places {
            let matching = in_domain(
                Cube::any().with(Field::EthernetDestination, address),
                domain,
            );
            let rank = u16::from(domain.is_some());
            self.step(layout::FORWARD, 900 + rank, matching, actions);
        }
    }

    /// Groups, and addresses whose place nobody knows.
    fn floods(&mut self, domain: Domain) {
        let rank = u16::from(domain.is_some());
        let groups = self.flood(domain, false);
        let group = Cube::any().masked(Field::EthernetDestination, GROUP_BIT, GROUP_BIT);
        self.step(
            layout::FORWARD,
            700 + rank,
            in_domain(group, domain),
            groups,
        );
        let unknown = self.flood(domain, true);
        let nowhere = Cube::any().bits(layout::TARGET, 0);
        self.step(
            layout::FLOOD,
            100 + rank,
            in_domain(nowhere, domain),
            unknown,
        );
    }

    /// `unknown`: only where an address may be that no port is known to have.
    fn flood(&mut self, domain: Domain, unknown: bool) -> Vec<Action> {
        let program = self.program;
        let mut actions = Vec::new();
        // Ports that behave alike and see the frame alike share one judgement.
        let mut alike: BTreeMap<(String, View, u16), Vec<u16>> = BTreeMap::new();
        let mut open: Vec<(View, u16)> = Vec::new();
        let local = self.local_vlan();
        let host = Place {
            number: LOCAL,
            vlan: &local,
        };
        let ports = self.topology.ports.iter();
        let all = ports.map(|(name, port)| {
            (
                Some((name, port)),
                Place {
                    number: port.number,
                    vlan: &port.vlan,
                },
            )
        });
        for (named, place) in all.chain([(None, host)]) {
            let Some(view) = view(place.vlan, domain) else {
                continue;
            };
            match named.and_then(|(name, _)| self.claimed(name)) {
                Some(port) => {
                    let Some(behaviour) = program.behaviours.get(&port.behaviour) else {
                        continue;
                    };
                    if !unknown || !behaviour.guards.contains(&Guard::Mac) {
                        let key = (port.behaviour.clone(), view, port.zone);
                        alike.entry(key).or_default().push(place.number);
                    }
                }
                None if named.is_none_or(|(name, port)| self.is_open(name, port)) => {
                    open.push((view, place.number));
                }
                None => {}
            }
        }
        for ((behaviour, view, zone), ports) in alike {
            let number = self.identities.number("behaviour", &behaviour);
            let target = match ports.as_slice() {
                [one] => u32::from(*one),
                _ => self.group(view, ports),
            };
            actions.push(towards(number, target, zone, view));
        }
        let seeing = |wanted: View| {
            open.iter()
                .filter(move |(view, _)| *view == wanted)
                .map(|(_, number)| *number)
        };
        let (untagged, same): (Vec<u16>, Vec<u16>) = (
            seeing(View::Untagged).collect(),
            seeing(View::Same).collect(),
        );
        if unknown && !open.is_empty() {
            actions.push(Action::Resubmit(layout::COMMIT_SENDER));
        }
        actions.extend(untagged.into_iter().map(Action::Output));
        if !same.is_empty() {
            actions.extend(plain(View::Same, same.into_iter()));
        }
        actions
    }

    fn group(&mut self, view: View, ports: Vec<u16>) -> u32 {
        let number = self
            .identities
            .number("group", &format!("{view:?} {ports:?}"));
        let matching = Cube::any().bits(layout::TARGET, number);
        let mut actions = Vec::new();
        if view == View::Same {
            actions.push(Action::WriteTag(layout::VIEW));
        }
        actions.extend(ports.into_iter().map(Action::Output));
        self.step(layout::DELIVERY, 10, matching, actions);
        number
    }

    /// To single ports.
    fn deliveries(&mut self) {
        for (name, place) in &self.topology.ports {
            let counted = match self.claimed(name) {
                Some(port) => Counted::Delivered(port.name.clone()),
                None if self.is_open(name, place) => Counted::Step,
                None => continue,
            };
            let managed = counted != Counted::Step;
            let target = Cube::any().bits(layout::TARGET, place.number.into());
            let mut actions = Vec::new();
            match (&place.vlan, managed) {
                (PortVlan::Access(_), _) => {}
                (_, true) => actions.push(Action::WriteTag(layout::VIEW)),
                (PortVlan::Trunk, false) => actions.push(Action::WriteTag(layout::DOMAIN)),
                (PortVlan::Trunks { native, .. }, false) => {
                    if let Some(native) = native {
                        let own = in_domain(target.clone(), Some(*native));
                        self.counted(
                            layout::DELIVERY,
                            20,
                            own,
                            &counted,
                            vec![Action::Output(place.number)],
                        );
                    }
                    actions.push(Action::WriteTag(layout::DOMAIN));
                }
            }
            actions.push(Action::Output(place.number));
            self.counted(layout::DELIVERY, 10, target, &counted, actions);
        }
    }
}

/// How a port sees frames of a domain; `None`: not at all.
fn view(vlan: &PortVlan, domain: Domain) -> Option<View> {
    match (vlan, domain) {
        (PortVlan::Trunk, _) => Some(View::Same),
        (PortVlan::Access(own), Some(id)) if *own == id => Some(View::Untagged),
        (PortVlan::Trunks { native, .. }, Some(id)) if *native == Some(id) => Some(View::Untagged),
        (PortVlan::Trunks { vlans, .. }, Some(id)) if vlans.contains(&id) => Some(View::Same),
        _ => None,
    }
}

fn in_domain(cube: Cube, domain: Domain) -> Cube {
    match domain {
        None => cube,
        Some(0) => cube.bits(layout::DOMAIN_ID, 0),
        Some(id) => cube.bits(layout::DOMAIN_ID, u32::from(id) | 0x1000),
    }
}

/// A copy through the receiver's part of the pipeline.
fn towards(behaviour: u32, target: u32, zone: u16, view: View) -> Action {
    let seen = match view {
        View::Same => Action::Copy {
            from: layout::DOMAIN,
            to: layout::VIEW,
        },
        View::Untagged => Action::Load(layout::VIEW, 0),
    };
    Action::Clone(vec![
        seen,
        Action::Load(layout::BEHAVIOUR, behaviour),
        Action::Load(layout::TARGET, target),
        Action::Load(layout::RECEIVER_ZONE, zone.into()),
        Action::Resubmit(layout::RECEIVER),
    ])
}

/// Out of ports that nobody filters.
fn plain(view: View, ports: impl Iterator<Item = u16>) -> Vec<Action> {
    let tag = (view == View::Same).then_some(Action::WriteTag(layout::DOMAIN));
    tag.into_iter().chain(ports.map(Action::Output)).collect()
}
