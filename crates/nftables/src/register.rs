//! Registers of the nf_tables machine: sixteen slots of four bytes that expressions load and compare.

/// One of the sixteen 4-byte slots a rule computes with; a value longer than 4 bytes fills the slots after it
/// too. The kernel also knows 16-byte registers 1 to 4, which are slots 0, 4, 8 and 12 under another number: it
/// reports a slot that is a multiple of four under that number, and so does this type when it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Register(u8);

const FIRST_SLOT_NUMBER: u32 = 8;
const SLOT_COUNT: u8 = 16;

impl Register {
    /// Slot 0.
    pub const R0: Self = Self(0);
    /// Slot 1.
    pub const R1: Self = Self(1);
    /// Slot 2.
    pub const R2: Self = Self(2);
    /// Slot 3.
    pub const R3: Self = Self(3);
    /// Slot 4.
    pub const R4: Self = Self(4);
    /// Slot 5.
    pub const R5: Self = Self(5);
    /// Slot 6.
    pub const R6: Self = Self(6);
    /// Slot 7.
    pub const R7: Self = Self(7);
    /// Slot 8.
    pub const R8: Self = Self(8);
    /// Slot 9.
    pub const R9: Self = Self(9);
    /// Slot 10.
    pub const R10: Self = Self(10);
    /// Slot 11.
    pub const R11: Self = Self(11);
    /// Slot 12.
    pub const R12: Self = Self(12);
    /// Slot 13.
    pub const R13: Self = Self(13);
    /// Slot 14.
    pub const R14: Self = Self(14);
    /// Slot 15.
    pub const R15: Self = Self(15);

    /// The register at `slot`, 0 to 15; `None` beyond.
    #[must_use]
    pub const fn from_slot(slot: u8) -> Option<Self> {
        if slot < SLOT_COUNT {
            Some(Self(slot))
        } else {
            None
        }
    }

    /// Which slot this is, 0 to 15.
    #[must_use]
    pub const fn slot(self) -> u8 {
        self.0
    }

    /// The register `slots` further on, `None` past the last: where the next field of a concatenation goes.
    #[must_use]
    pub const fn after(self, slots: u8) -> Option<Self> {
        Self::from_slot(self.0.saturating_add(slots))
    }

    pub(crate) fn number(self) -> u32 {
        if self.0.is_multiple_of(4) {
            u32::from(self.0 / 4).saturating_add(1)
        } else {
            u32::from(self.0).saturating_add(FIRST_SLOT_NUMBER)
        }
    }

    pub(crate) fn from_number(number: u32) -> Option<Self> {
        let slot = match number {
            1..=4 => number.checked_sub(1)?.checked_mul(4)?,
            _ => number.checked_sub(FIRST_SLOT_NUMBER)?,
        };
        Self::from_slot(u8::try_from(slot).ok()?)
    }
}
