//! Numbers for names: in registers, and in cookies, which say whose a flow is and what it counts.
//! Numbers come from names, so that a flow stays the same while others come and go.

use std::collections::{BTreeMap, BTreeSet};

/// The highest 16 bits of every cookie of ours: "mo" in ASCII. 0 is Xen Orchestra's and
/// everybody's, 1 is that of XAPI's `setup-vif-rules`.
pub const OWNER: u64 = 0x6d6f << 48;
/// The bits of a cookie that say whose it is.
pub const OWNER_MASK: u64 = 0xffff << 48;
/// Cookie of flows that the switch makes by itself from what it sees.
pub const LEARNED: u64 = OWNER | 0xff << 40;

/// What the frames of a flow are counted as.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Counted {
    /// Nothing in particular: a step on the way.
    Step,
    /// The display form of the `Decider` that ended its way.
    Decider(String),
    /// A frame that a port sent under another's MAC.
    Forged(String),
    /// A frame that was delivered to a port, by name.
    Delivered(String),
}

/// Gives numbers and remembers what for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Identities {
    numbers: BTreeMap<String, u32>,
    taken: BTreeSet<u32>,
    pub(crate) counted: BTreeMap<u64, Counted>,
    cookies: BTreeMap<Counted, u64>,
}

impl Identities {
    /// A number of 32 bits, the same for the same name; its highest bit is set, so that it is never
    /// that of a port.
    pub(crate) fn number(&mut self, kind: &str, name: &str) -> u32 {
        let key = format!("{kind} {name}");
        if let Some(number) = self.numbers.get(&key) {
            return *number;
        }
        let high = 1 << 31;
        let mut number = hash(&key) as u32 | high;
        while !self.taken.insert(number) {
            number = number.wrapping_add(1) | high;
        }
        self.numbers.insert(key, number);
        number
    }

    /// The cookie of flows that count this.
    pub(crate) fn cookie(&mut self, counted: &Counted) -> u64 {
        if let Some(cookie) = self.cookies.get(counted) {
            return *cookie;
        }
        let (kind, name) = match counted {
            Counted::Step => return OWNER,
            Counted::Decider(name) => (1, name),
            Counted::Forged(name) => (2, name),
            Counted::Delivered(name) => (3, name),
        };
        let low = (1 << 40) - 1;
        let mut number = hash(name) & low;
        let cookie = loop {
            let cookie = OWNER | kind << 40 | number;
            if !self.counted.contains_key(&cookie) {
                break cookie;
            }
            number = number.wrapping_add(1) & low;
        };
        self.counted.insert(cookie, counted.clone());
        self.cookies.insert(counted.clone(), cookie);
        cookie
    }
}

/// FNV-1a, 64 bits; not for secrets.
pub(crate) fn hash(text: &str) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in text.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    // The low bits of FNV of short texts are close to each other.
    hash ^ hash >> 32
}
