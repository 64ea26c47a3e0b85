//! Meters: limits of rates, changed, described and counted.

use super::counters::Span;
use super::layout::{Bytes, Wire, decode_all, encode_all, record, sized};
use crate::version::Version;
use crate::wire::{DecodeError, EncodeError, Reader, Writer};
use serde::{Deserialize, Serialize};

/// All meters, where a message names one.
pub const ALL_METERS: u32 = 0xffff_ffff;

/// Adds (0), changes (1) or deletes (2) a meter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MeterMod {
    /// What to do.
    pub command: u16,
    /// Bits: 1 kilobits, 2 packets per second, 4 bursts count, 8 statistics.
    pub flags: u16,
    /// The meter.
    pub meter: u32,
    /// What happens above which rates.
    pub bands: Vec<Band>,
}

/// What happens above a rate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Band {
    /// Drops packets.
    Drop {
        /// The rate, in the meter's unit.
        rate: u32,
        /// How much may come at once.
        burst: u32,
    },
    /// Raises the drop precedence in the DSCP.
    Remark {
        /// The rate.
        rate: u32,
        /// How much may come at once.
        burst: u32,
        /// By how much it is raised.
        levels: u8,
    },
    /// Another one.
    Opaque {
        /// Its type.
        kind: u16,
        /// What follows type and length.
        body: Bytes,
    },
}

impl Wire for Band {
    fn decode(_: Version, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        const WHAT: &str = "a meter's band";
        let kind = reader.u16(WHAT)?;
        let length = usize::from(reader.u16(WHAT)?);
        let bad = DecodeError::BadLength { what: WHAT, length };
        let mut body = reader.sub(length.checked_sub(4).ok_or(bad)?, WHAT)?;
        match (kind, length) {
            (1, 16) => Ok(Self::Drop {
                rate: body.u32(WHAT)?,
                burst: body.u32(WHAT)?,
            }),
            (2, 16) => {
                let (rate, burst) = (body.u32(WHAT)?, body.u32(WHAT)?);
                Ok(Self::Remark {
                    rate,
                    burst,
                    levels: body.u8(WHAT)?,
                })
            }
            _ => Ok(Self::Opaque {
                kind,
                body: Bytes::rest(&mut body),
            }),
        }
    }

    fn encode(&self, _: Version, writer: &mut Writer) -> Result<(), EncodeError> {
        let start = writer.len();
        match self {
            Self::Drop { rate, burst } => {
                writer.u16(1);
                writer.u16(0);
                writer.u32(*rate);
                writer.u32(*burst);
                writer.zeros(4);
            }
            Self::Remark {
                rate,
                burst,
                levels,
            } => {
                writer.u16(2);
                writer.u16(0);
                writer.u32(*rate);
                writer.u32(*burst);
                writer.u8(*levels);
                writer.zeros(3);
            }
            Self::Opaque { kind, body } => {
                writer.u16(*kind);
                writer.u16(0);
                writer.bytes(&body.0);
            }
        }
        writer.patch_length(start.saturating_add(2), start, "a meter's band")
    }
}

impl Wire for MeterMod {
    fn decode(version: Version, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        const WHAT: &str = "a meter mod";
        Ok(Self {
            command: reader.u16(WHAT)?,
            flags: reader.u16(WHAT)?,
            meter: reader.u32(WHAT)?,
            bands: decode_all(version, reader)?,
        })
    }

    fn encode(&self, version: Version, writer: &mut Writer) -> Result<(), EncodeError> {
        writer.u16(self.command);
        writer.u16(self.flags);
        writer.u32(self.meter);
        encode_all(&self.bands, version, writer)
    }
}

/// A meter as the switch has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MeterConfig {
    /// As in a [`MeterMod`].
    pub flags: u16,
    /// The meter.
    pub meter: u32,
    /// What happens above which rates.
    pub bands: Vec<Band>,
}

impl Wire for MeterConfig {
    fn decode(version: Version, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        const WHAT: &str = "a meter";
        let mut body = sized(reader, 8, WHAT)?;
        let (flags, meter) = (body.u16(WHAT)?, body.u32(WHAT)?);
        Ok(Self {
            flags,
            meter,
            bands: decode_all(version, &mut body)?,
        })
    }

    fn encode(&self, version: Version, writer: &mut Writer) -> Result<(), EncodeError> {
        let start = writer.len();
        writer.u16(0);
        writer.u16(self.flags);
        writer.u32(self.meter);
        encode_all(&self.bands, version, writer)?;
        writer.patch_length(start, start, "a meter")
    }
}

record! {
    /// What a band did.
    BandCounters {
        /// Packets.
        packets: u64;
        /// Bytes.
        bytes: u64;
    }
}

/// What went through a meter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MeterStats {
    /// The meter.
    pub meter: u32,
    /// Flows that use it; in 1.5, whatever uses it.
    pub references: u32,
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
    /// How long it has been there.
    pub duration: Span,
    /// What its bands did.
    pub bands: Vec<BandCounters>,
}

impl Wire for MeterStats {
    fn decode(version: Version, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        const WHAT: &str = "a meter's counters";
        let meter = reader.u32(WHAT)?;
        let length = usize::from(reader.u16(WHAT)?);
        let bad = DecodeError::BadLength { what: WHAT, length };
        let mut body = reader.sub(length.checked_sub(6).ok_or(bad)?, WHAT)?;
        body.skip(6, WHAT)?;
        Ok(Self {
            meter,
            references: body.u32(WHAT)?,
            packets: body.u64(WHAT)?,
            bytes: body.u64(WHAT)?,
            duration: Span::decode(version, &mut body)?,
            bands: decode_all(version, &mut body)?,
        })
    }

    fn encode(&self, version: Version, writer: &mut Writer) -> Result<(), EncodeError> {
        let start = writer.len();
        writer.u32(self.meter);
        writer.zeros(8);
        writer.u32(self.references);
        writer.u64(self.packets);
        writer.u64(self.bytes);
        self.duration.encode(version, writer)?;
        encode_all(&self.bands, version, writer)?;
        writer.patch_length(start.saturating_add(4), start, "a meter's counters")
    }
}

/// What a switch can do with meters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MeterFeatures {
    /// How many meters at most.
    pub maximum: u32,
    /// Kinds of bands it knows, as bits.
    pub band_kinds: u32,
    /// Flags it knows, as bits.
    pub capabilities: u32,
    /// Bands of a meter at most.
    pub maximum_bands: u8,
    /// Colours at most.
    pub maximum_colours: u8,
    /// More, as bits (1.5).
    pub features: Option<u32>,
}

impl Wire for MeterFeatures {
    fn decode(version: Version, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        const WHAT: &str = "a switch's features of meters";
        let mut features = Self {
            maximum: reader.u32(WHAT)?,
            band_kinds: reader.u32(WHAT)?,
            capabilities: reader.u32(WHAT)?,
            maximum_bands: reader.u8(WHAT)?,
            maximum_colours: reader.u8(WHAT)?,
            features: None,
        };
        reader.skip(2, WHAT)?;
        // Open vSwitch sends the form of 1.3 in 1.5.
        if version >= Version::V1_5 && !reader.is_empty() {
            features.features = Some(reader.u32(WHAT)?);
            reader.skip(4, WHAT)?;
        }
        Ok(features)
    }

    fn encode(&self, version: Version, writer: &mut Writer) -> Result<(), EncodeError> {
        writer.u32(self.maximum);
        writer.u32(self.band_kinds);
        writer.u32(self.capabilities);
        writer.u8(self.maximum_bands);
        writer.u8(self.maximum_colours);
        writer.zeros(2);
        if let Some(features) = self.features {
            if version < Version::V1_5 {
                return Err(EncodeError::NotInVersion {
                    what: "a meter's `features`",
                    version,
                });
            }
            writer.u32(features);
            writer.zeros(4);
        }
        Ok(())
    }
}
