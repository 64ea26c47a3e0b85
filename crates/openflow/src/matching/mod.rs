//! What a flow matches: a list of fields with values, and its four forms on the wire. Text is left to
//! [`text`](crate::text); what a match means for a packet, to the switch.

mod check;
mod fixed;
mod normal;
mod oxm;

pub(crate) use oxm::{read_header, read_value, vlan_tci, write_field, write_header};

use std::hash::{Hash, Hasher};

use thiserror::Error;

use crate::field::{Field, FieldMatch, IntoBits, Prerequisite};
use crate::version::Version;
use crate::wire::{DecodeError, EncodeError, Reader, Writer};

/// The fields a flow asks for. A field stands in it once at most; the order is kept for the wire but does not count
/// in comparisons. The empty match takes every packet.
#[derive(Clone, Debug, Default)]
pub struct Match {
    entries: Vec<Entry>,
}

/// One part of a match.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Entry {
    Known(FieldMatch),
    Opaque(OpaqueField),
}

/// A field of the extensible match that this crate does not know, kept as it came.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct OpaqueField {
    /// The header's four bytes: class, number, mask bit, length of what follows.
    pub header: u32,
    /// What follows: experimenter's number if the class is `0xffff`, value, mask.
    #[serde(with = "crate::text::hexadecimal")]
    pub payload: Vec<u8>,
}

impl OpaqueField {
    /// A field that only a Nicira tunnel option table gives a meaning to, by its number 0 to 63.
    #[must_use]
    pub const fn tunnel_metadata(&self) -> Option<u8> {
        let (class, number) = (self.header >> 16, (self.header >> 9) & 0x7f);
        if class == 1 && number >= 40 && number < 104 {
            Some((number - 40) as u8)
        } else {
            None
        }
    }
}

/// Why a switch would refuse a match. Whoever built the match is at fault.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MatchProblem {
    /// A field without what it needs.
    #[error("{field} needs {needs:?} in the same match: add the field that says so")]
    Prerequisite {
        /// The field.
        field: Field,
        /// What it needs.
        needs: Prerequisite,
    },
    /// Some bits of a field that can only be asked for whole.
    #[error("{field} cannot be masked: ask for all of it or none")]
    Mask {
        /// The field.
        field: Field,
    },
    /// Bits beyond the field's width.
    #[error("{field} has no bits beyond {bits}")]
    Width {
        /// The field.
        field: Field,
        /// Its width.
        bits: u8,
    },
}

impl Match {
    /// Takes every packet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            entries: Vec::new(),
        }
    }

    /// Takes every packet, with room for `fields` fields.
    #[must_use]
    pub fn with_capacity(fields: usize) -> Self {
        Self {
            entries: Vec::with_capacity(fields),
        }
    }

    /// Asks besides for exactly `value` in `field`, instead of what was asked of it before.
    #[must_use]
    pub fn exact(mut self, field: Field, value: impl IntoBits) -> Self {
        self.set(FieldMatch::exact(field, value));
        self
    }

    /// Asks besides for `value` in the bits of `mask`, instead of what was asked of `field` before. A mask of zero
    /// asks for nothing.
    #[must_use]
    pub fn masked(mut self, field: Field, value: impl IntoBits, mask: impl IntoBits) -> Self {
        self.set(FieldMatch::masked(field, value, mask));
        self
    }

    /// Asks for an IPv4 or IPv6 address's first `length` bits; a prefix longer than the field asks for all of it.
    #[must_use]
    pub fn prefix(self, field: Field, address: impl IntoBits, length: u8) -> Self {
        let bits = field.info().bits;
        let rest = u32::from(bits.saturating_sub(length));
        let mask = field.all_ones() & u128::MAX.checked_shl(rest).unwrap_or(0);
        self.masked(field, address, mask)
    }

    /// Asks for a VLAN tag of this id.
    #[must_use]
    pub fn vlan(self, id: u16) -> Self {
        self.exact(Field::VlanVid, 0x1000 | (id & 0xfff))
    }

    /// Asks for a packet without a VLAN tag.
    #[must_use]
    pub fn untagged(self) -> Self {
        self.exact(Field::VlanVid, 0u16)
    }

    /// Puts a field in its place, instead of what was asked of it before.
    pub fn set(&mut self, wanted: FieldMatch) {
        let wanted = oxm::standard_field(wanted).unwrap_or(wanted);
        let field = wanted.field();
        let place = self
            .entries
            .iter()
            .position(|entry| matches!(entry, Entry::Known(known) if known.field() == field));
        if let Some(place) = place {
            self.entries.remove(place);
        }
        if wanted.mask() == 0 {
            return;
        }
        let after = |entry: &Entry| match entry {
            Entry::Known(known) => known.field() > field,
            Entry::Opaque(_) => true,
        };
        let place = self
            .entries
            .iter()
            .position(after)
            .unwrap_or(self.entries.len());
        self.entries.insert(place, Entry::Known(wanted));
    }

    /// Takes a field out, and says what was asked of it.
    pub fn remove(&mut self, field: Field) -> Option<FieldMatch> {
        let removed = *self.get(field)?;
        self.entries
            .retain(|entry| !matches!(entry, Entry::Known(known) if known.field() == field));
        Some(removed)
    }

    /// Adds an unknown field behind the others.
    pub fn push_opaque(&mut self, opaque: OpaqueField) {
        self.entries.push(Entry::Opaque(opaque));
    }

    /// What is asked of a field.
    #[must_use]
    pub fn get(&self, field: Field) -> Option<&FieldMatch> {
        self.fields().find(|known| known.field() == field)
    }

    /// The value asked of a field, if all of the field is asked for.
    #[must_use]
    pub fn exact_value(&self, field: Field) -> Option<u128> {
        self.get(field)
            .filter(|known| known.is_exact())
            .map(FieldMatch::value)
    }

    /// The known fields, in their order on the wire.
    pub fn fields(&self) -> impl Iterator<Item = &FieldMatch> {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::Known(known) => Some(known),
            Entry::Opaque(_) => None,
        })
    }

    /// The unknown fields, in their order on the wire.
    pub fn opaque(&self) -> impl Iterator<Item = &OpaqueField> {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::Known(_) => None,
            Entry::Opaque(opaque) => Some(opaque),
        })
    }

    /// Whether it takes every packet.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many fields it names.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Appends the match as a flow mod of `version` holds it: 40 bytes in 1.0, 88 in 1.1, else type, length, fields
    /// and padding to 8 bytes. On error nothing was appended.
    pub fn encode(&self, version: Version, writer: &mut Writer) -> Result<(), EncodeError> {
        let start = writer.len();
        let result = match version {
            Version::V1_0 => fixed::encode_1_0(self, writer),
            Version::V1_1 => fixed::encode_1_1(self, writer),
            _ => oxm::encode_with_header(self, version, writer),
        };
        result.inspect_err(|_| writer.truncate(start))
    }

    /// Reads what [`encode`](Self::encode) writes, padding included.
    pub fn decode(version: Version, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match version {
            Version::V1_0 => fixed::decode_1_0(reader),
            Version::V1_1 => fixed::decode_1_1(reader),
            _ => oxm::decode_with_header(reader),
        }
    }

    /// Appends the match in Nicira's extended form, without padding; its length is a field of the message around it.
    /// On error nothing was appended.
    pub fn encode_nxm(&self, writer: &mut Writer) -> Result<(), EncodeError> {
        oxm::encode_nxm(self, writer)
    }

    /// Reads Nicira's extended form: all that is left of `reader`, which holds no padding.
    pub fn decode_nxm(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        oxm::decode_fields(reader)
    }

    /// Appends the fields alone, as 1.2 and later write them, without header or padding: packet-ins of 1.5 and
    /// table features want them so.
    pub fn encode_fields(&self, version: Version, writer: &mut Writer) -> Result<(), EncodeError> {
        oxm::encode_oxm(self, version, writer)
    }

    /// Reads fields without header or padding: all that is left of `reader`.
    pub fn decode_fields(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        oxm::decode_fields(reader)
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(crate) fn from_entries(entries: Vec<Entry>) -> Self {
        Self { entries }
    }

    fn sorted(&self) -> Vec<&Entry> {
        let mut sorted: Vec<_> = self.entries.iter().collect();
        sorted.sort_unstable();
        sorted
    }
}

impl PartialEq for Match {
    fn eq(&self, other: &Self) -> bool {
        self.entries == other.entries
            || (self.entries.len() == other.entries.len() && self.sorted() == other.sorted())
    }
}

impl Eq for Match {}

impl Hash for Match {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Built here or told by Open vSwitch, most are in order already; both ways give the same.
        if self.entries.is_sorted() {
            return self.entries.hash(state);
        }
        self.sorted().hash(state);
    }
}

impl FromIterator<FieldMatch> for Match {
    fn from_iter<T: IntoIterator<Item = FieldMatch>>(fields: T) -> Self {
        let mut built = Self::new();
        for field in fields {
            built.set(field);
        }
        built
    }
}

#[cfg(test)]
mod tests;
