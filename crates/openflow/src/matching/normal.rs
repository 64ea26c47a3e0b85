//! Matches said in one way out of several, so that what was sent compares with what a switch tells.

use super::{Entry, Match, vlan_tci};
use crate::field::{Field, FieldMatch};

impl Match {
    /// The same match in one form, whatever version told it: registers of 32 bits (Open vSwitch tells those of 64
    /// bits in 1.5), the VLAN tag as id and priority, and no packet type where it is the ordinary one.
    ///
    /// Two matches that ask for the same are equal in this form.
    #[must_use]
    pub fn normalised(&self) -> Self {
        let mut normal = Self::with_capacity(self.len());
        for entry in self.entries() {
            match entry {
                Entry::Opaque(opaque) => normal.push_opaque(opaque.clone()),
                Entry::Known(known) => match known.field() {
                    Field::PacketType if known.is_exact() && known.value() == 0 => {}
                    Field::VlanTci | Field::VlanVid | Field::VlanPcp => {}
                    field if (Field::Reg0..=Field::XXReg3).contains(&field) => {}
                    _ => normal.set(*known),
                },
            }
        }
        for number in 0..16 {
            let (value, mask) = self.register(number);
            if let Some(field) = Field::register(number) {
                normal.set(FieldMatch::masked(field, value, mask));
            }
        }
        let (value, mask) = vlan_tci(self);
        normal.set(FieldMatch::masked(
            Field::VlanVid,
            value & 0x1fff,
            mask & 0x1fff,
        ));
        // Without a tag there is no priority to ask for.
        let untagged = mask & 0x1000 != 0 && value == 0;
        if !untagged {
            normal.set(FieldMatch::masked(Field::VlanPcp, value >> 13, mask >> 13));
        }
        normal
    }

    /// What is asked of a register of 32 bits, 0 to 15, as value and mask, however it is said: alone or as part of a
    /// wider one.
    #[must_use]
    pub fn register(&self, number: u8) -> (u32, u32) {
        let part = |base: Field, wide: u8| {
            let index = usize::from(number / wide).saturating_add(base as usize);
            let known = Field::ALL.get(index).and_then(|field| self.get(*field));
            // The lowest number stands highest.
            let shift = u32::from((wide - 1).saturating_sub(number % wide)).saturating_mul(32);
            known.map_or((0, 0), |known| {
                (
                    (known.value() >> shift) as u32,
                    (known.mask() >> shift) as u32,
                )
            })
        };
        if number > 15 {
            return (0, 0);
        }
        let parts = [
            part(Field::Reg0, 1),
            part(Field::XReg0, 2),
            part(Field::XXReg0, 4),
        ];
        parts.iter().fold((0, 0), |(value, mask), part| {
            (value | part.0, mask | part.1)
        })
    }
}
