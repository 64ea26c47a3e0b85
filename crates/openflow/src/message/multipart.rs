//! Questions and answers that may take several messages: statistics and descriptions. What is asked for is in the
//! modules of those things; collecting the parts of an answer is left to [`connection`](crate::connection).

mod monitor;
mod reply;
mod request;
mod tables;

pub use monitor::{FlowMonitorRequest, FlowUpdate, FlowUpdateEvent, MonitoredFlow};
pub use reply::{Description, MultipartReply, PortStats, QueueDescription, QueueStats, ReplyBody};
pub use request::{BundleFeatures, MultipartRequest, PortQueue, RequestBody};
pub use tables::{TableFeatures, TableStats};

use crate::version::Version;
use crate::wire::{DecodeError, EncodeError, Reader, Writer};

/// More parts follow, of a question or of an answer.
pub const MORE: u16 = 1;

/// What a multipart message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Description,
    Flow,
    Aggregate,
    Table,
    Port,
    Queue,
    Group,
    GroupDescription,
    GroupFeatures,
    Meter,
    MeterConfig,
    MeterFeatures,
    TableFeatures,
    PortDescription,
    TableDescription,
    QueueDescription,
    FlowMonitor,
    BundleFeatures,
    NxFlow,
    NxAggregate,
    NxFlowMonitor,
    /// An experimenter's with these numbers, which stand behind the head.
    Experimenter(u32, u32),
    Opaque(u16),
}

const EXPERIMENTER: u16 = 0xffff;

/// Number, first version, last version.
const KINDS: [(Kind, u16, Version, Version); 18] = [
    (Kind::Description, 0, Version::V1_0, Version::V1_5),
    (Kind::Flow, 1, Version::V1_0, Version::V1_5),
    (Kind::Aggregate, 2, Version::V1_0, Version::V1_5),
    (Kind::Table, 3, Version::V1_0, Version::V1_5),
    (Kind::Port, 4, Version::V1_0, Version::V1_5),
    (Kind::Queue, 5, Version::V1_0, Version::V1_5),
    (Kind::Group, 6, Version::V1_1, Version::V1_5),
    (Kind::GroupDescription, 7, Version::V1_1, Version::V1_5),
    (Kind::GroupFeatures, 8, Version::V1_2, Version::V1_5),
    (Kind::Meter, 9, Version::V1_3, Version::V1_5),
    (Kind::MeterConfig, 10, Version::V1_3, Version::V1_5),
    (Kind::MeterFeatures, 11, Version::V1_3, Version::V1_5),
    (Kind::TableFeatures, 12, Version::V1_3, Version::V1_5),
    // Open vSwitch answers it in 1.0 to 1.2 as well.
    (Kind::PortDescription, 13, Version::V1_0, Version::V1_5),
    (Kind::TableDescription, 14, Version::V1_4, Version::V1_5),
    (Kind::QueueDescription, 15, Version::V1_4, Version::V1_5),
    (Kind::FlowMonitor, 16, Version::V1_4, Version::V1_5),
    (Kind::BundleFeatures, 19, Version::V1_4, Version::V1_5),
];

/// Nicira's kinds by their subtype.
const NICIRA_KINDS: [(Kind, u32); 3] = [
    (Kind::NxFlow, 0),
    (Kind::NxAggregate, 1),
    (Kind::NxFlowMonitor, 2),
];

impl Kind {
    /// Reads kind and flags.
    fn decode(version: Version, reader: &mut Reader<'_>) -> Result<(Self, u16), DecodeError> {
        const WHAT: &str = "a multipart message's head";
        let number = reader.u16(WHAT)?;
        let flags = reader.u16(WHAT)?;
        if version >= Version::V1_1 {
            reader.skip(4, WHAT)?;
        }
        if number != EXPERIMENTER {
            let found = KINDS
                .iter()
                .find(|row| row.1 == number && (row.2..=row.3).contains(&version));
            return Ok((found.map_or(Self::Opaque(number), |row| row.0), flags));
        }
        let experimenter = reader.u32(WHAT)?;
        // In 1.0 the subtype is Nicira's own; others may have none.
        if version == Version::V1_0 && experimenter != super::NICIRA {
            return Ok((Self::Experimenter(experimenter, 0), flags));
        }
        let subtype = reader.u32(WHAT)?;
        if version == Version::V1_0 {
            reader.skip(4, WHAT)?;
        }
        let nicira = NICIRA_KINDS
            .iter()
            .find(|row| row.1 == subtype && experimenter == super::NICIRA);
        Ok((
            nicira.map_or(Self::Experimenter(experimenter, subtype), |row| row.0),
            flags,
        ))
    }

    /// Writes kind and flags.
    fn encode(self, version: Version, flags: u16, writer: &mut Writer) -> Result<(), EncodeError> {
        let known = KINDS.iter().find(|row| row.0 == self);
        let nicira = NICIRA_KINDS
            .iter()
            .find(|row| row.0 == self)
            .map(|row| (super::NICIRA, row.1));
        let (number, experimenter) = match self {
            Self::Experimenter(experimenter, subtype) => {
                (EXPERIMENTER, Some((experimenter, subtype)))
            }
            Self::Opaque(number) => (number, None),
            _ => match known {
                Some(row) if (row.2..=row.3).contains(&version) => (row.1, None),
                Some(_) => {
                    return Err(EncodeError::NotInVersion {
                        what: "this kind of statistics",
                        version,
                    });
                }
                None => (EXPERIMENTER, nicira),
            },
        };
        writer.u16(number);
        writer.u16(flags);
        if version >= Version::V1_1 {
            writer.zeros(4);
        }
        if let Some((experimenter, subtype)) = experimenter {
            writer.u32(experimenter);
            if version >= Version::V1_1 || experimenter == super::NICIRA {
                writer.u32(subtype);
            }
            if version == Version::V1_0 && experimenter == super::NICIRA {
                writer.zeros(4);
            }
        }
        Ok(())
    }
}
