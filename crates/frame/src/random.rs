//! Frames by chance for property tests: the same seed gives the same frames. Knows no policy; the
//! caller says which addresses, ports and VLANs are worth hitting.

mod generate;
mod mutate;

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::MacAddress;

pub use generate::random_frame;
pub use mutate::mutate;

/// A small deterministic generator (SplitMix64); not for secrets.
#[derive(Debug, Clone)]
pub struct Rng {
    state: u64,
}

impl Rng {
    /// A generator that gives the same numbers for the same seed.
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; 0 where the bound is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        let bound = bound.max(1) as u64;
        // The remainder of a number below the bound fits again.
        usize::try_from(self.bits() % bound).unwrap_or(0)
    }

    /// A byte.
    pub fn byte(&mut self) -> u8 {
        self.bits() as u8
    }

    /// 16 bits.
    pub fn word(&mut self) -> u16 {
        self.bits() as u16
    }

    /// True once in `n` times; always where `n` is 0 or 1.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// One of several, or the default where there is none.
    pub fn pick<T: Copy + Default>(&mut self, choices: &[T]) -> T {
        let index = self.below(choices.len());
        choices.get(index).copied().unwrap_or_default()
    }

    /// One of several, or `otherwise` where there is none.
    pub fn pick_or<T: Copy>(&mut self, choices: &[T], otherwise: T) -> T {
        let index = self.below(choices.len());
        choices.get(index).copied().unwrap_or(otherwise)
    }

    /// So many bytes.
    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.byte()).collect()
    }

    /// Sixteen bytes.
    pub(crate) fn block(&mut self) -> [u8; 16] {
        let mut block = [0; 16];
        let (low, high) = block.split_at_mut(8);
        low.copy_from_slice(&self.bits().to_be_bytes());
        high.copy_from_slice(&self.bits().to_be_bytes());
        block
    }
}

/// What the frames should hit, taken from the policy under test so that collisions are likely.
/// An empty list means values by chance.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Vocabulary {
    /// Addresses of ports, gateways, promiscuous members; broadcast and groups come by themselves.
    pub macs: Vec<MacAddress>,
    /// Addresses of ports and peers.
    pub ipv4: Vec<Ipv4Addr>,
    /// Addresses of ports and peers; link-local ones of `macs` come by themselves.
    pub ipv6: Vec<Ipv6Addr>,
    /// TCP, UDP and SCTP ports; their neighbours come by themselves.
    pub ports: Vec<u16>,
    /// VLAN ids; their neighbours come by themselves.
    pub vlans: Vec<u16>,
    /// EtherTypes that the policy names.
    pub ether_types: Vec<u16>,
    /// IP protocol numbers that the policy names.
    pub protocols: Vec<u8>,
    /// Frames up to 1600 bytes too, which an interface with the usual MTU of 1500 does not send.
    pub oversize: bool,
}

#[cfg(test)]
mod tests;
