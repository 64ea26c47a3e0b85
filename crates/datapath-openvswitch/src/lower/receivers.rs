//! What is asked of a frame before a receiver's rules: its tag, whether its sender may reach the
//! receiver, and where DHCP answers come from. All ports of a behaviour share the answers.

use std::net::IpAddr;

use policy::learn::LearnMode;
use policy::program::{Behaviour, MacSet};

use crate::flow::{Action, Cube, Field};

use super::admission::mac;
use super::guards::udp;
use super::identity::Counted;
use super::{Lowering, cover, layout};

impl Lowering<'_> {
    /// Tables [`layout::RECEIVER`] to [`layout::SERVERS`].
    pub(super) fn receivers(&mut self) {
        let malformed = layout::flag(layout::MALFORMED, true);
        let counted = Counted::Decider("malformed".to_owned());
        self.counted(layout::RECEIVER, 110, malformed, &counted, Vec::new());
        let counted = Counted::Decider("tagged".to_owned());
        self.counted(layout::RECEIVER, 1, Cube::any(), &counted, Vec::new());
        let member = layout::flag(layout::MEMBER, true);
        let go_on = vec![Action::Resubmit(layout::SERVERS)];
        self.step(layout::REACHED, 10, member, go_on);
        let counted = Counted::Decider("isolation".to_owned());
        self.counted(layout::REACHED, 1, Cube::any(), &counted, Vec::new());
        let go_on = vec![Action::Resubmit(layout::CLASS)];
        self.step(layout::SERVERS, 1, Cube::any(), go_on);
    }

    /// All that a behaviour has of its own.
    pub(super) fn behaviour(&mut self, behaviour: &Behaviour) {
        self.receiver(behaviour);
        self.servers(behaviour);
        self.order(behaviour);
        self.defaults(behaviour);
        self.generations(behaviour);
    }

    fn receiver(&mut self, behaviour: &Behaviour) {
        let number = self.identities.number("behaviour", &behaviour.name);
        let mut actions = vec![
            layout::raise(layout::INWARD),
            Action::Load(layout::DHCP_CLIENT, u32::from(behaviour.dhcp)),
            Action::Load(layout::STATEFUL, u32::from(self.tracks(behaviour))),
        ];
        match &behaviour.isolation {
            None => actions.push(Action::Resubmit(layout::SERVERS)),
            Some(isolation) => {
                actions.push(Action::Load(layout::MEMBER, 0));
                for set in &isolation.sources {
                    let set = self.identities.number("macs", set);
                    actions.push(Action::Load(layout::SUBJECT, set));
                    actions.push(Action::Resubmit(layout::MACS));
                }
                actions.push(Action::Resubmit(layout::REACHED));
            }
        }
        let view = Field::Register(layout::VIEW.register);
        let own = Cube::any().bits(layout::BEHAVIOUR, number);
        let mut tags = vec![(0, 0x1000)];
        for (value, mask) in cover::intervals(&behaviour.tagged, false, 12) {
            tags.push((value | 0x1000, mask | 0x1000));
        }
        for (value, mask) in tags {
            let matching = own.clone().masked(view, value, mask);
            self.step(layout::RECEIVER, 100, matching, actions.clone());
        }
    }

    /// DHCP answers from servers that the behaviour's `learn` does not list.
    fn servers(&mut self, behaviour: &Behaviour) {
        let Some(learning) = &behaviour.learning else {
            return;
        };
        if learning.mode != LearnMode::Dhcp || learning.servers.is_empty() {
            return;
        }
        let number = self.identities.number("behaviour", &behaviour.name);
        let own = |cube: Cube| cube.bits(layout::BEHAVIOUR, number);
        let untrusted = Counted::Decider("dhcp-server".to_owned());
        for answer in [udp(0x0800, 67, 68), udp(0x86dd, 547, 546)] {
            self.counted(layout::SERVERS, 50, own(answer), &untrusted, Vec::new());
        }
        for server in &learning.servers {
            let matching = match server {
                IpAddr::V4(address) => {
                    own(udp(0x0800, 67, 68)).with(Field::Ipv4Source, u32::from(*address))
                }
                IpAddr::V6(address) => {
                    own(udp(0x86dd, 547, 546)).with(Field::Ipv6Source, u128::from(*address))
                }
            };
            let go_on = vec![Action::Resubmit(layout::CLASS)];
            self.step(layout::SERVERS, 100, matching, go_on);
        }
    }

    /// What a set has in [`layout::MACS`].
    pub(super) fn mac_set(&mut self, name: &str, set: &MacSet) {
        let number = self.identities.number("macs", name);
        let own = Cube::any().bits(layout::SUBJECT, number);
        let all = Field::EthernetSource.mask();
        let single = set.macs.iter().map(|one| (mac(*one), all));
        let masked = set
            .masked
            .iter()
            .map(|(value, mask)| (mac(*value), mac(*mask)));
        for (value, mask) in single.chain(masked) {
            let matching = own.clone().masked(Field::EthernetSource, value, mask);
            let actions = vec![layout::raise(layout::MEMBER)];
            self.step(layout::MACS, 10, matching, actions);
        }
    }
}
