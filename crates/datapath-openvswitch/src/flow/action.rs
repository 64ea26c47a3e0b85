//! What a flow does. Knows the few actions that the pipeline needs.

use super::Field;

/// A part of a register: `length` bits from bit `first` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bits {
    pub register: u8,
    pub first: u32,
    pub length: u32,
}

impl Bits {
    /// So many bits of a register from one on.
    pub const fn new(register: u8, first: u32, length: u32) -> Self {
        Self {
            register,
            first,
            length,
        }
    }
}

/// One action. A flow without any drops.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// To a port, unless the frame came in there.
    Output(u16),
    /// To one of several ports that are up: the first, or one that the sender's MAC says.
    OutputOne { members: Vec<u16>, spread: bool },
    /// Sets a part of a register.
    Load(Bits, u32),
    /// Copies a header field to the low bits of a part of a register.
    Read(Field, Bits),
    /// Copies one part of a register to another of the same length.
    Copy { from: Bits, to: Bits },
    /// Puts a customer tag on, before those that are there.
    PushTag,
    /// Copies 16 bits of a register to the tag; bit 12 is set.
    WriteTag(Bits),
    /// Takes the tag off.
    StripTag,
    /// Looks on in another table, then goes on behind this action.
    Resubmit(u8),
    /// Does this to a copy.
    Clone(Vec<Action>),
    /// Makes a flow that knows where this frame's sender is.
    Learn(LearnSpec),
    /// Asks the tracker about the frame in the zone that a register part names, and looks on in a table.
    Track { zone: Bits, table: u8 },
    /// Makes the frame's connection a known one, and keeps with it the generations of the rules that
    /// accepted it, and for either side, by its bit, whether its rules have cut it since.
    Commit {
        zone: Bits,
        sender: Bits,
        receiver: Bits,
        /// First bit of the mark, number of bits, their value.
        mark: (u16, u16, u8),
    },
}

/// How a sender's place is remembered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LearnSpec {
    pub table: u8,
    pub priority: u16,
    pub cookie: u64,
    /// Forgotten after so many seconds without another frame.
    pub seconds: u16,
    /// At most so many are remembered by this flow.
    pub limit: u32,
    /// What must be the same as now.
    pub domain: Bits,
    /// Where the port goes that the frame came from.
    pub target: Bits,
}
