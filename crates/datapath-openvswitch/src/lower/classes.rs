//! What kind of frame it is for the order of decision, and what follows where no rule decides.
//! Both directions share these tables.

use policy::rule::Verdict;

use crate::flow::{Action, Bits, Cube, Field};

use super::admission::ether;
use super::guards::{class_value, icmpv6, udp, whole};
use super::identity::Counted;
use super::{Lowering, layout};

impl Lowering<'_> {
    /// Table [`layout::CLASS`].
    pub(super) fn classes(&mut self) {
        let arp = become_class(
            layout::CLASS_ARP,
            &[(Field::ArpOperation, layout::ARP_OPERATION)],
            layout::LISTS,
        );
        self.step(layout::CLASS, 100, ether(0x0806), arp);
        let icmp6 = [
            (Field::IpProtocol, layout::PROTOCOL),
            (Field::Icmpv6Type, layout::ICMP_TYPE),
            (Field::Icmpv6Code, layout::ICMP_CODE),
        ];
        for kind in (130..=137).chain([143]) {
            let actions = become_class(layout::CLASS_ND, &icmp6, layout::LISTS);
            self.step(layout::CLASS, 100, icmpv6(kind), actions);
        }
        let protocol = [(Field::IpProtocol, layout::PROTOCOL)];
        for (kind, client, server) in [(0x0800, 68, 67), (0x86dd, 546, 547)] {
            for (inward, source, destination) in [(0, client, server), (1, server, client)] {
                let matching = udp(kind, source, destination)
                    .bits(layout::DHCP_CLIENT, 1)
                    .bits(layout::INWARD, inward);
                let actions = become_class(layout::CLASS_DHCP, &protocol, layout::LISTS);
                self.step(layout::CLASS, 90, matching, actions);
            }
        }
        let icmp4 = [
            (Field::IpProtocol, layout::PROTOCOL),
            (Field::Icmpv4Type, layout::ICMP_TYPE),
            (Field::Icmpv4Code, layout::ICMP_CODE),
        ];
        let packet = |fields: &[_]| become_class(layout::CLASS_PACKET, fields, layout::STATE);
        let icmp = whole(ether(0x0800).with(Field::IpProtocol, 1_u8));
        self.step(layout::CLASS, 80, icmp, packet(&icmp4));
        let icmp = whole(ether(0x86dd).with(Field::IpProtocol, 58_u8));
        self.step(layout::CLASS, 80, icmp, packet(&icmp6));
        for kind in [0x0800, 0x86dd] {
            self.step(layout::CLASS, 70, ether(kind), packet(&protocol));
        }
        let kind = (Field::EthernetType, layout::ETHER_TYPE);
        let rarp = [kind, (Field::ArpOperation, layout::ARP_OPERATION)];
        let other = |fields: &[_]| become_class(layout::CLASS_OTHER, fields, layout::LISTS);
        self.step(layout::CLASS, 70, ether(0x8035), other(&rarp));
        self.step(layout::CLASS, 1, Cube::any(), other(&[kind]));
    }

    /// Table [`layout::DECISION`].
    pub(super) fn decisions(&mut self) {
        for (inward, next) in [(0, layout::FORWARD), (1, layout::COMMIT)] {
            let way = |cube: Cube| cube.bits(layout::INWARD, inward);
            let accepted = way(Cube::any()).bits(layout::VERDICT, layout::ACCEPT);
            self.step(
                layout::DECISION,
                100,
                accepted,
                vec![Action::Resubmit(next)],
            );
            for class in [layout::CLASS_ARP, layout::CLASS_ND, layout::CLASS_DHCP] {
                let matching = way(undecided(class));
                self.step(layout::DECISION, 90, matching, vec![Action::Resubmit(next)]);
            }
            let known = way(undecided(layout::CLASS_PACKET)).bits(layout::KNOWN, 1);
            self.step(layout::DECISION, 80, known, vec![Action::Resubmit(next)]);
        }
        let dropped = Cube::any().bits(layout::VERDICT, layout::DROP);
        self.step(layout::DECISION, 100, dropped, Vec::new());
        let invalid = undecided(layout::CLASS_PACKET)
            .bits(layout::KNOWN, 1)
            .bits(layout::INVALID, 1);
        let connection = Counted::Decider("connection".to_owned());
        self.counted(layout::DECISION, 90, invalid, &connection, Vec::new());
        let listed = Counted::Decider("ethertype".to_owned());
        self.counted(
            layout::DECISION,
            10,
            undecided(layout::CLASS_OTHER),
            &listed,
            Vec::new(),
        );
    }

    /// What a behaviour adds to [`layout::DECISION`].
    pub(super) fn defaults(&mut self, behaviour: &policy::program::Behaviour) {
        let number = self.identities.number("behaviour", &behaviour.name);
        let own = |cube: Cube| cube.bits(layout::BEHAVIOUR, number);
        for (inward, next, default) in [
            (0, layout::FORWARD, &behaviour.default_out),
            (1, layout::COMMIT, &behaviour.default_in),
        ] {
            let way = |cube: Cube| own(cube).bits(layout::INWARD, inward);
            let passes = default.audit || default.verdict == Verdict::Accept;
            let accept = vec![Action::Resubmit(next)];
            let counted = Counted::Decider(default.id.clone());
            let begins = way(undecided(layout::CLASS_PACKET)).bits(layout::KNOWN, 0);
            let actions = if passes { accept.clone() } else { Vec::new() };
            if !passes && self.tracks(behaviour) {
                // A connection that was accepted by other rules than today's: cut like by a rule.
                let again = begins.clone().bits(layout::AGAIN, 1);
                let refuse = vec![
                    Action::Load(layout::VERDICT, layout::DROP),
                    Action::Resubmit(layout::DECISION),
                ];
                self.counted(layout::DECISION, 75, again, &counted, refuse);
            }
            self.counted(layout::DECISION, 70, begins, &counted, actions);
            for kind in listed(&behaviour.ethertypes) {
                let matching =
                    way(undecided(layout::CLASS_OTHER)).bits(layout::ETHER_TYPE, kind.into());
                self.step(layout::DECISION, 70, matching, accept.clone());
            }
        }
    }
}

/// What the switch calls a frame with a length in place of a type (`FLOW_DL_TYPE_NONE`).
pub(super) const LENGTH: u16 = 0x05ff;

/// Types as the switch has them: it does not tell the two kinds of frames with a length apart, so
/// both must be listed.
fn listed(types: &std::collections::BTreeSet<u16>) -> Vec<u16> {
    use frame::protocol::ether_type::{LLC, MINIMUM, RAW_802_3};
    let mut listed: Vec<u16> = types
        .iter()
        .copied()
        .filter(|kind| *kind >= MINIMUM)
        .collect();
    if types.contains(&LLC) && types.contains(&RAW_802_3) {
        listed.push(LENGTH);
    }
    listed
}

fn undecided(class: Bits) -> Cube {
    Cube::any().bits(layout::VERDICT, 0).bits(class, 1)
}

/// Forgets what was decided in the other direction, and keeps the fields that rules ask for.
fn become_class(class: Bits, fields: &[(Field, Bits)], next: u8) -> Vec<Action> {
    let mut actions = vec![Action::Load(layout::OUTCOME, class_value(class))];
    actions.extend(
        fields
            .iter()
            .map(|(field, bits)| Action::Read(*field, *bits)),
    );
    actions.push(Action::Resubmit(next));
    actions
}
