//! What a switch counts of flows, as later versions list it.

use super::layout::{Wire, record};
use crate::matching::OpaqueField;
use crate::version::Version;
use crate::wire::{DecodeError, EncodeError, Reader, Writer};
use serde::{Deserialize, Serialize};

record! {
    /// A span of time.
    Span {
        /// Whole seconds.
        seconds: u32;
        /// The rest.
        nanoseconds: u32;
    }
}

/// What a switch counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counters {
    /// How long the flow has been there.
    pub duration: Option<Span>,
    /// How long it has had no packet (1.5).
    pub idle: Option<Span>,
    /// Flows, of an aggregate.
    pub flows: Option<u32>,
    /// Packets; all ones if the switch does not know.
    pub packets: Option<u64>,
    /// Bytes; all ones if the switch does not know.
    pub bytes: Option<u64>,
    /// Others (1.5).
    pub others: Vec<OpaqueField>,
}

/// Type of a statistic of 1.5: class and number.
const OXS_CLASS: u32 = 0x8002;

impl Counters {
    /// Reads the list of 1.5, with header and padding.
    pub(crate) fn decode_oxs(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        const WHAT: &str = "statistics";
        reader.skip(2, WHAT)?;
        let length = usize::from(reader.u16(WHAT)?);
        let bad = DecodeError::BadLength { what: WHAT, length };
        let mut list = reader.sub(length.checked_sub(4).ok_or(bad)?, WHAT)?;
        reader.skip(8_usize.saturating_sub(length % 8) % 8, WHAT)?;
        let mut counters = Self::default();
        while !list.is_empty() {
            let header = list.u32(WHAT)?;
            let length = usize::try_from(header & 0xff).unwrap_or(0);
            let mut value = list.sub(length, WHAT)?;
            let number = (header >> 9) & 0x7f;
            let known = if header >> 16 == OXS_CLASS {
                Some((number, length))
            } else {
                None
            };
            match known {
                Some((0, 8)) => counters.duration = Some(Span::decode(Version::V1_5, &mut value)?),
                Some((1, 8)) => counters.idle = Some(Span::decode(Version::V1_5, &mut value)?),
                Some((3, 4)) => counters.flows = Some(value.u32(WHAT)?),
                Some((4, 8)) => counters.packets = Some(value.u64(WHAT)?),
                Some((5, 8)) => counters.bytes = Some(value.u64(WHAT)?),
                _ => counters.others.push(OpaqueField {
                    header,
                    payload: value.take_rest().to_vec(),
                }),
            }
        }
        Ok(counters)
    }

    /// Writes the list of 1.5.
    pub(crate) fn encode_oxs(&self, writer: &mut Writer) -> Result<(), EncodeError> {
        let start = writer.len();
        writer.zeros(4);
        let head = |number: u32, length: u32| (OXS_CLASS << 16) | (number << 9) | length;
        for (number, span) in [(0, &self.duration), (1, &self.idle)] {
            if let Some(span) = span {
                writer.u32(head(number, 8));
                span.encode(Version::V1_5, writer)?;
            }
        }
        for (number, count) in [(4, self.packets), (5, self.bytes)] {
            if let Some(count) = count {
                writer.u32(head(number, 8));
                writer.u64(count);
            }
        }
        // In the order of Open vSwitch, which puts the flows last.
        if let Some(flows) = self.flows {
            writer.u32(head(3, 4));
            writer.u32(flows);
        }
        for other in &self.others {
            writer.u32(other.header);
            writer.bytes(&other.payload);
        }
        writer.patch_length(start.saturating_add(2), start, "statistics")?;
        writer.pad8(start);
        Ok(())
    }

    /// The duration as earlier versions write it: zero if not known.
    pub(crate) fn span(&self) -> Span {
        self.duration.clone().unwrap_or_default()
    }
}
