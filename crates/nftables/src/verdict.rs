//! What becomes of a packet: verdicts of rules and of verdict maps.

use crate::wire::{Writer, exact_fields, read_name, read_u32};

/// What a rule, a chain's policy or a map element decides.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Leave the hook's chain and pass on to the next base chain.
    Accept,
    /// The packet is gone.
    Drop,
    /// Go on with the next expression's rule: as if this verdict were not there.
    Continue,
    /// Stop this rule, go on with the next.
    Break,
    /// Back to the rule after the jump; in a base chain, apply its policy.
    Return,
    /// Run the chain, and come back after it.
    Jump(String),
    /// Run the chain, and do not come back here.
    Goto(String),
    /// Any other code (queue, stolen …) as the kernel numbers it.
    Other(i32),
}

const CODE: u16 = 1;
const CHAIN: u16 = 2;

const ACCEPT: i32 = 1;
const DROP: i32 = 0;
const CONTINUE: i32 = -1;
const BREAK: i32 = -2;
const JUMP: i32 = -3;
const GOTO: i32 = -4;
const RETURN: i32 = -5;

impl Verdict {
    /// A jump to the chain of that name.
    #[must_use]
    pub fn jump(chain: impl Into<String>) -> Self {
        Self::Jump(chain.into())
    }

    /// A goto to the chain of that name.
    #[must_use]
    pub fn goto(chain: impl Into<String>) -> Self {
        Self::Goto(chain.into())
    }

    /// The chain this verdict leads to.
    #[must_use]
    pub fn target(&self) -> Option<&str> {
        match self {
            Self::Jump(chain) | Self::Goto(chain) => Some(chain),
            _ => None,
        }
    }

    pub(crate) fn write(&self, writer: &mut Writer, kind: u16) {
        let (code, chain) = match self {
            Self::Accept => (ACCEPT, None),
            Self::Drop => (DROP, None),
            Self::Continue => (CONTINUE, None),
            Self::Break => (BREAK, None),
            Self::Return => (RETURN, None),
            Self::Jump(chain) => (JUMP, Some(chain)),
            Self::Goto(chain) => (GOTO, Some(chain)),
            Self::Other(code) => (*code, None),
        };
        writer.nest(kind, |writer| {
            writer.attribute(CODE, &code.to_be_bytes());
            if let Some(chain) = chain {
                writer.string(CHAIN, chain);
            }
        });
    }

    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let [_, code, chain] = exact_fields::<3>(bytes)?;
        let code = i32::from_ne_bytes(read_u32(code?)?.to_ne_bytes());
        let verdict = match (code, chain) {
            (JUMP, Some(chain)) => Self::Jump(read_name(chain)),
            (GOTO, Some(chain)) => Self::Goto(read_name(chain)),
            (ACCEPT, None) => Self::Accept,
            (DROP, None) => Self::Drop,
            (CONTINUE, None) => Self::Continue,
            (BREAK, None) => Self::Break,
            (RETURN, None) => Self::Return,
            (other, None) => Self::Other(other),
            (_, Some(_)) => return None,
        };
        Some(verdict)
    }
}

const VALUE: u16 = 1;
const VERDICT: u16 = 2;

/// A value in a register, or a verdict: what `NFTA_DATA_*` carries.
pub(crate) fn write_value(writer: &mut Writer, kind: u16, value: &[u8]) {
    writer.nest(kind, |writer| writer.attribute(VALUE, value));
}

pub(crate) fn write_verdict(writer: &mut Writer, kind: u16, verdict: &Verdict) {
    writer.nest(kind, |writer| verdict.write(writer, VERDICT));
}

#[derive(Debug)]
pub(crate) enum Data {
    Value(Vec<u8>),
    Verdict(Verdict),
}

pub(crate) fn read_data(bytes: &[u8]) -> Option<Data> {
    match exact_fields::<3>(bytes)? {
        [None, Some(value), None] => Some(Data::Value(value.to_vec())),
        [None, None, Some(verdict)] => Some(Data::Verdict(Verdict::read(verdict)?)),
        _ => None,
    }
}

pub(crate) fn read_value(bytes: &[u8]) -> Option<Vec<u8>> {
    match read_data(bytes)? {
        Data::Value(value) => Some(value),
        Data::Verdict(_) => None,
    }
}
