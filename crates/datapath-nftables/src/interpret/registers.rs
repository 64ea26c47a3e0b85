//! The register file: sixteen words of four bytes. Knows how loads fill a value's last word with zeros, which
//! set lookups of padded keys rely on.

use nftables::Register;

const LENGTH: usize = 64;
const WORD: usize = 4;

#[derive(Debug, Clone)]
pub(super) struct Registers {
    bytes: [u8; LENGTH],
}

/// A value that begins or ends beyond the last register; the kernel refuses such a rule.
#[derive(Debug, Clone, Copy)]
pub(super) struct OutOfRegisters;

impl Registers {
    /// As a base chain begins.
    pub(super) fn new() -> Self {
        Self { bytes: [0; LENGTH] }
    }

    pub(super) fn load(&self, from: Register, length: usize) -> Result<&[u8], OutOfRegisters> {
        let start = start(from);
        let end = start.checked_add(length).ok_or(OutOfRegisters)?;
        self.bytes.get(start..end).ok_or(OutOfRegisters)
    }

    /// `nft_data_copy`, `nft_reg_store8`, `nft_reg_store16` and the payload expression all clear what is left of
    /// the last word.
    pub(super) fn store(&mut self, to: Register, value: &[u8]) -> Result<(), OutOfRegisters> {
        let start = start(to);
        let padded = value.len().next_multiple_of(WORD);
        let end = start.checked_add(padded).ok_or(OutOfRegisters)?;
        let place = self.bytes.get_mut(start..end).ok_or(OutOfRegisters)?;
        place.fill(0);
        for (byte, new) in place.iter_mut().zip(value) {
            *byte = *new;
        }
        Ok(())
    }

    /// Numbers in the machine's order, as arithmetic on registers sees them.
    pub(super) fn load_words(
        &self,
        from: Register,
        length: usize,
    ) -> Result<Vec<u32>, OutOfRegisters> {
        let bytes = self.load(from, length.next_multiple_of(WORD))?;
        let (words, _) = bytes.as_chunks::<WORD>();
        Ok(words.iter().copied().map(u32::from_ne_bytes).collect())
    }

    pub(super) fn store_words(
        &mut self,
        to: Register,
        words: &[u32],
    ) -> Result<(), OutOfRegisters> {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        self.store(to, &bytes)
    }

    pub(super) fn load_number(&self, from: Register) -> Result<u32, OutOfRegisters> {
        let bytes = self.load(from, WORD)?;
        Ok(u32::from_ne_bytes(
            bytes.try_into().map_err(|_| OutOfRegisters)?,
        ))
    }
}

fn start(register: Register) -> usize {
    usize::from(register.slot()).saturating_mul(WORD)
}
