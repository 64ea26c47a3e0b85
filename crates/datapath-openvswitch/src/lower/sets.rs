//! Sets of addresses that rules name: one bit of a register each, set for source and destination by
//! one lookup that knows all sets. So a set costs as many flows as it has prefixes, however many
//! rules name it, and rules that name two sets do not multiply them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use policy::program::AddressSet;

use crate::flow::{Action, Bits, Cube, Field};

use super::{Lowering, cover, identity, layout};

/// Which end of a packet is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum End {
    Source,
    Destination,
}

/// An end and the name of the set in which it is looked for.
pub(super) type Use = (End, String);

/// Bits that are given away.
#[derive(Debug, Default)]
pub(super) struct Slots {
    given: BTreeMap<Use, (u32, Arc<AddressSet>)>,
    taken: BTreeSet<u32>,
}

/// Bits in all registers for sets.
const MOST: u32 = (layout::SET_REGISTERS.end - layout::SET_REGISTERS.start) as u32 * 32;

impl Slots {
    /// The bit that says whether an end is in a set; `None` where all bits are taken.
    pub(super) fn bit(&mut self, key: &Use, set: &Arc<AddressSet>) -> Option<Bits> {
        if let Some((slot, content)) = self.given.get_mut(key) {
            *content = set.clone();
            return Some(place(*slot));
        }
        let (end, name) = key;
        let first = (identity::hash(&format!("{end:?} {name}")) % u64::from(MOST)) as u32;
        let slot = (0..MOST)
            .map(|step| (first + step) % MOST)
            .find(|slot| !self.taken.contains(slot))?;
        self.taken.insert(slot);
        self.given.insert(key.clone(), (slot, set.clone()));
        Some(place(slot))
    }

    /// Takes back what nobody uses any more.
    pub(super) fn keep(&mut self, used: &BTreeSet<Use>) {
        let Self { given, taken } = self;
        given.retain(|key, (slot, _)| {
            let keep = used.contains(key);
            if !keep {
                taken.remove(slot);
            }
            keep
        });
    }

    /// All of them.
    pub(super) fn all(&self) -> Vec<(Use, u32, Arc<AddressSet>)> {
        let given = self.given.iter();
        given
            .map(|(key, (slot, set))| (key.clone(), *slot, set.clone()))
            .collect()
    }
}

fn place(slot: u32) -> Bits {
    Bits::new(
        layout::SET_REGISTERS.start + (slot / 32) as u8,
        slot % 32,
        1,
    )
}

impl Lowering<'_> {
    /// Tables [`layout::SOURCE_SETS`] and [`layout::DESTINATION_SETS`].
    pub(super) fn sets(&mut self, given: &[(Use, u32, Arc<AddressSet>)]) {
        for (end, table, next) in [
            (End::Source, layout::SOURCE_SETS, layout::DESTINATION_SETS),
            (End::Destination, layout::DESTINATION_SETS, layout::SENDER),
        ] {
            let given = given.iter().filter(|((of, _), ..)| *of == end);
            let (mut ipv4, mut ipv6) = (Prefixes::default(), Prefixes::default());
            for (_, slot, set) in given {
                ipv4.add(*slot, cover::intervals(&set.ipv4, false, 32));
                ipv6.add(*slot, cover::intervals(&set.ipv6, false, 128));
            }
            let (field4, field6) = match end {
                End::Source => (Field::Ipv4Source, Field::Ipv6Source),
                End::Destination => (Field::Ipv4Destination, Field::Ipv6Destination),
            };
            for (prefixes, kind, field) in [(ipv4, 0x0800_u16, field4), (ipv6, 0x86dd, field6)] {
                for ((value, mask), slots) in prefixes.looked_up() {
                    let matching = Cube::any()
                        .with(Field::EthernetType, kind)
                        .masked(field, value, mask);
                    let mut actions = loads(&slots);
                    actions.push(Action::Resubmit(next));
                    // The longest prefix knows all sets that it is in.
                    let priority = 10 + mask.count_ones() as u16;
                    self.step(table, priority, matching, actions);
                }
            }
            self.step(table, 1, Cube::any(), vec![Action::Resubmit(next)]);
        }
    }
}

/// Prefixes of one family, and the sets that have them.
#[derive(Default)]
struct Prefixes(BTreeMap<cover::Masked, BTreeSet<u32>>);

impl Prefixes {
    fn add(&mut self, slot: u32, prefixes: Vec<cover::Masked>) {
        for prefix in prefixes {
            self.0.entry(prefix).or_default().insert(slot);
        }
    }

    /// Each prefix with every set that has it or a shorter one that it is in.
    fn looked_up(&self) -> Vec<(cover::Masked, BTreeSet<u32>)> {
        let masks: BTreeSet<u128> = self.0.keys().map(|(_, mask)| *mask).collect();
        let of = |(value, mask): &cover::Masked| -> BTreeSet<u32> {
            let wider = masks.iter().filter(|wider| *wider & mask == **wider);
            let having = wider.filter_map(|wider| self.0.get(&(value & wider, *wider)));
            having.flatten().copied().collect()
        };
        self.0.keys().map(|prefix| (*prefix, of(prefix))).collect()
    }
}

fn loads(slots: &BTreeSet<u32>) -> Vec<Action> {
    slots
        .iter()
        .map(|slot| Action::Load(place(*slot), 1))
        .collect()
}
