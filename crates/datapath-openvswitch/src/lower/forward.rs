//! Where a frame goes: to the managed port whose MAC it names, to everybody for groups, to uplinks
//! and unmanaged ports for everything else. Whoever is managed gets it through the receiver's part
//! of the pipeline, once for all ports that behave alike.

use std::collections::{BTreeMap, BTreeSet};

use frame::MacAddress;
use policy::document::Guard;

use crate::flow::{Action, Bits, Cube, Field};
use crate::topology::{BondMode, LOCAL, PortVlan, TopologyPort};

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
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Station {
    number: u16,
    vlan: PortVlan,
    bonded: bool,
    /// `None`: nobody filters what goes there.
    managed: Option<Managed>,
    /// Its MAC, where it is known.
    mac: Option<MacAddress>,
}

#[derive(Clone, Debug, PartialEq)]
struct Managed {
    behaviour: String,
    zone: u16,
    /// It has no other MAC than its own.
    guarded: bool,
}

/// VLANs that some port tells from others; `None`: all those that none does.
type Domain = Option<u16>;

impl Lowering<'_> {
    /// Who may get frames here.
    pub(super) fn stations(&self) -> Vec<Station> {
        let mut stations = Vec::new();
        for (name, place) in &self.topology.ports {
            let (managed, mac) = match self.claimed(name) {
                Some(port) => {
                    let Some(behaviour) = self.program.behaviours.get(&port.behaviour) else {
                        continue;
                    };
                    let managed = Managed {
                        behaviour: port.behaviour.clone(),
                        zone: port.zone,
                        guarded: behaviour.guards.contains(&Guard::Mac),
                    };
                    (Some(managed), Some(port.mac))
                }
                None if self.is_open(name, place) => (None, None),
                None => continue,
            };
            stations.push(Station {
                number: place.number,
                vlan: place.vlan.clone(),
                bonded: place.bond.is_some(),
                managed,
                mac,
            });
        }
        stations.push(Station {
            number: LOCAL,
            vlan: self.local_vlan(),
            bonded: false,
            managed: None,
            mac: Some(self.topology.mac).filter(|mac| *mac != MacAddress::default()),
        });
        stations
    }

    /// Tables [`layout::TAG_VIEW`] and [`layout::TAG_DOMAIN`].
    pub(super) fn tags(&mut self) {
        for (table, tag) in [
            (layout::TAG_VIEW, layout::VIEW),
            (layout::TAG_DOMAIN, layout::DOMAIN),
        ] {
            let present = Cube::any().bits(Bits::new(tag.register, 12, 1), 1);
            let push = vec![Action::PushTag, Action::WriteTag(tag)];
            self.step(table, 10, present, push);
        }
    }

    /// Tables [`layout::FORWARD`] and [`layout::FLOOD`], and groups of ports in [`layout::DELIVERY`].
    pub(super) fn forwarding(&mut self, stations: &[Station]) {
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
        for domain in domains(stations) {
            self.known(stations, domain);
            self.floods(stations, domain);
        }
    }

    /// Unicast to addresses whose place is known: of managed ports and of the host.
    fn known(&mut self, stations: &[Station], domain: Domain) {
        let mut places: BTreeMap<MacAddress, Vec<Action>> = BTreeMap::new();
        for station in stations {
            let (Some(mac), Some(view)) = (station.mac, view(&station.vlan, domain)) else {
                continue;
            };
            match &station.managed {
                Some(managed) => {
                    let delivery = self.towards(managed, station.number.into(), view);
                    places.entry(mac).or_default().push(delivery);
                }
                // The host comes last: who has taken its address stands before it.
                None if places.contains_key(&mac) => {}
                None => {
                    let mut delivery = vec![Action::Resubmit(layout::COMMIT_SENDER)];
                    delivery.extend(plain(view, [station.number].into_iter()));
                    places.insert(mac, delivery);
                }
            }
        }
        for (address, actions) in places {
            let address = Cube::any().with(Field::EthernetDestination, mac(address));
            let rank = u16::from(domain.is_some());
            self.step(
                layout::FORWARD,
                900 + rank,
                in_domain(address, domain),
                actions,
            );
        }
    }

    /// Groups, and addresses whose place nobody knows.
    fn floods(&mut self, stations: &[Station], domain: Domain) {
        let rank = u16::from(domain.is_some());
        let groups = self.flood(stations, domain, false);
        let group = Cube::any().masked(Field::EthernetDestination, GROUP_BIT, GROUP_BIT);
        self.step(
            layout::FORWARD,
            700 + rank,
            in_domain(group, domain),
            groups,
        );
        let unknown = self.flood(stations, domain, true);
        let nowhere = Cube::any().bits(layout::TARGET, 0);
        self.step(
            layout::FLOOD,
            100 + rank,
            in_domain(nowhere, domain),
            unknown,
        );
    }

    /// `unknown`: only where an address may be that no port is known to have.
    fn flood(&mut self, stations: &[Station], domain: Domain, unknown: bool) -> Vec<Action> {
        // Ports that behave alike and see the frame alike share one judgement.
        let mut alike: BTreeMap<(&str, View, u16), (&Managed, Vec<u16>)> = BTreeMap::new();
        let mut open: Vec<(View, u16)> = Vec::new();
        let mut bonds = Vec::new();
        for station in stations {
            let Some(view) = view(&station.vlan, domain) else {
                continue;
            };
            match &station.managed {
                Some(managed) if unknown && managed.guarded => {}
                Some(managed) => {
                    let key = (managed.behaviour.as_str(), view, managed.zone);
                    let group = alike.entry(key).or_insert_with(|| (managed, Vec::new()));
                    group.1.push(station.number);
                }
                None if station.bonded => bonds.push(station.number),
                None => open.push((view, station.number)),
            }
        }
        let mut actions = Vec::new();
        for ((behaviour, view, zone), (managed, ports)) in alike {
            let name = format!("{behaviour} {zone} {view:?} {domain:?} {unknown}");
            let target = self.group(&name, view, ports);
            actions.push(self.towards(managed, target, view));
        }
        if unknown && !(open.is_empty() && bonds.is_empty()) {
            actions.push(Action::Resubmit(layout::COMMIT_SENDER));
        }
        let seeing = |wanted: View| {
            let seeing = open.iter().filter(move |(view, _)| *view == wanted);
            seeing.map(|(_, number)| *number)
        };
        actions.extend(seeing(View::Untagged).map(Action::Output));
        if seeing(View::Same).next().is_some() {
            actions.extend(plain(View::Same, seeing(View::Same)));
        }
        actions.extend(bonds.into_iter().map(|number| {
            let target = Action::Load(layout::TARGET, number.into());
            Action::Clone(vec![target, Action::Resubmit(layout::DELIVERY)])
        }));
        actions
    }

    fn group(&mut self, name: &str, view: View, ports: Vec<u16>) -> u32 {
        let number = self.identities.number("group", name);
        let matching = Cube::any().bits(layout::TARGET, number);
        let mut actions = Vec::new();
        if view == View::Same {
            actions.push(Action::Resubmit(layout::TAG_VIEW));
        }
        actions.extend(ports.into_iter().map(Action::Output));
        self.step(layout::DELIVERY, 10, matching, actions);
        number
    }

    /// What a single port has in [`layout::DELIVERY`].
    pub(super) fn delivery(&mut self, device: &str, place: &TopologyPort, open: bool) {
        let counted = match self.claimed(device) {
            Some(port) => Counted::Delivered(port.name.clone()),
            None if open => Counted::Step,
            None => return,
        };
        let managed = counted != Counted::Step;
        let alone = [place.number];
        let members = place
            .bond
            .as_ref()
            .map_or(alone.as_slice(), |bond| &bond.members);
        for member in members {
            self.delivery_to(*member, place, managed, &counted);
        }
    }

    fn delivery_to(&mut self, number: u16, place: &TopologyPort, managed: bool, counted: &Counted) {
        let target = Cube::any().bits(layout::TARGET, number.into());
        let output = match &place.bond {
            None => Action::Output(number),
            Some(bond) => {
                let back = target.clone().bits(layout::ORIGIN, place.number.into());
                self.step(layout::DELIVERY, 30, back, Vec::new());
                Action::OutputOne {
                    members: bond.members.clone(),
                    spread: bond.mode != BondMode::ActiveBackup,
                }
            }
        };
        let mut actions = Vec::new();
        match (&place.vlan, managed) {
            (PortVlan::Access(_), _) => {}
            (_, true) => actions.push(Action::Resubmit(layout::TAG_VIEW)),
            (PortVlan::Trunk, false) => actions.push(Action::Resubmit(layout::TAG_DOMAIN)),
            (PortVlan::Trunks { native, .. }, false) => {
                if let Some(native) = native {
                    let own = in_domain(target.clone(), Some(*native));
                    let native = vec![output.clone()];
                    self.counted(layout::DELIVERY, 20, own, counted, native);
                }
                actions.push(Action::Resubmit(layout::TAG_DOMAIN));
            }
        }
        actions.push(output);
        self.counted(layout::DELIVERY, 10, target, counted, actions);
    }

    /// A copy through the receiver's part of the pipeline.
    fn towards(&mut self, managed: &Managed, target: u32, view: View) -> Action {
        let seen = match view {
            View::Same => Action::Copy {
                from: layout::DOMAIN,
                to: layout::VIEW,
            },
            View::Untagged => Action::Load(layout::VIEW, 0),
        };
        let behaviour = self.identities.number("behaviour", &managed.behaviour);
        Action::Clone(vec![
            seen,
            Action::Load(layout::BEHAVIOUR, behaviour),
            Action::Load(layout::TARGET, target),
            Action::Load(layout::RECEIVER_ZONE, managed.zone.into()),
            Action::Resubmit(layout::RECEIVER),
        ])
    }
}

/// The VLANs that some port tells from others, and all others together.
fn domains(stations: &[Station]) -> BTreeSet<Domain> {
    let mut domains = BTreeSet::from([None]);
    for station in stations {
        match &station.vlan {
            PortVlan::Trunk => {}
            PortVlan::Access(id) => {
                domains.insert(Some(*id));
            }
            PortVlan::Trunks { vlans, native } => {
                domains.extend(vlans.iter().copied().map(Some));
                domains.extend(native.map(Some));
            }
        }
    }
    domains
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

/// Out of ports that nobody filters.
fn plain(view: View, ports: impl Iterator<Item = u16>) -> Vec<Action> {
    let tag = (view == View::Same).then_some(Action::Resubmit(layout::TAG_DOMAIN));
    tag.into_iter().chain(ports.map(Action::Output)).collect()
}
