//! Bundles: messages that take effect together. That Open vSwitch commits a bundle of which it refused a message is
//! for [`connection`](crate::connection) to prevent.

use super::Message;
use super::layout::{Bytes, Wire};
use crate::framing::Header;
use crate::version::Version;
use crate::wire::{DecodeError, EncodeError, Reader, Writer};
use serde::{Deserialize, Serialize};

/// A bundle takes effect at once, or not at all.
pub const ATOMIC: u16 = 1;
/// The messages of a bundle take effect in their order.
pub const ORDERED: u16 = 2;

/// Opens, closes, commits or discards a bundle, or answers that this was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundleControl {
    /// The bundle; the controller chooses the number.
    pub bundle: u32,
    /// What to do, or was done.
    pub step: BundleStep,
    /// [`ATOMIC`], [`ORDERED`]; the same in all messages of a bundle.
    #[serde(default)]
    pub flags: u16,
    /// Properties.
    #[serde(default)]
    pub properties: Bytes,
}

/// What a [`BundleControl`] does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u16)]
pub enum BundleStep {
    /// Begins it.
    OpenRequest = 0,
    /// It began.
    OpenReply = 1,
    /// Ends it: nothing can be added any more.
    CloseRequest = 2,
    /// It ended.
    CloseReply = 3,
    /// Has it take effect.
    CommitRequest = 4,
    /// It took effect.
    CommitReply = 5,
    /// Forgets it.
    DiscardRequest = 6,
    /// It is forgotten.
    DiscardReply = 7,
}

impl BundleStep {
    /// Every step.
    pub const ALL: [Self; 8] = [
        Self::OpenRequest,
        Self::OpenReply,
        Self::CloseRequest,
        Self::CloseReply,
        Self::CommitRequest,
        Self::CommitReply,
        Self::DiscardRequest,
        Self::DiscardReply,
    ];
}

impl Wire for BundleControl {
    fn decode(_: Version, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        const WHAT: &str = "a bundle's control";
        let bundle = reader.u32(WHAT)?;
        let number = reader.u16(WHAT)?;
        let step = BundleStep::ALL
            .into_iter()
            .find(|step| *step as u16 == number);
        let step = step.ok_or(DecodeError::BadValue {
            what: WHAT,
            value: number.into(),
        })?;
        Ok(Self {
            bundle,
            step,
            flags: reader.u16(WHAT)?,
            properties: Bytes::rest(reader),
        })
    }

    fn encode(&self, _: Version, writer: &mut Writer) -> Result<(), EncodeError> {
        writer.u32(self.bundle);
        writer.u16(self.step as u16);
        writer.u16(self.flags);
        writer.bytes(&self.properties.0);
        Ok(())
    }
}

/// Puts a message into a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundleAdd {
    /// The bundle.
    pub bundle: u32,
    /// As in its [`BundleControl`].
    #[serde(default)]
    pub flags: u16,
    /// The message, under the version and xid of this one.
    pub message: Box<Message>,
    /// What follows: padding and properties.
    #[serde(default)]
    pub properties: Bytes,
}

impl BundleAdd {
    /// Reads it; the message inside has to have the version and xid of the one around it.
    pub(crate) fn decode(
        version: Version,
        xid: u32,
        reader: &mut Reader<'_>,
    ) -> Result<Self, DecodeError> {
        const WHAT: &str = "a message of a bundle";
        let bundle = reader.u32(WHAT)?;
        reader.skip(2, WHAT)?;
        let flags = reader.u16(WHAT)?;
        let header = Header::read(reader.rest())?;
        if header.version != version.wire() || header.xid != xid {
            return Err(DecodeError::BadValue {
                what: "version or xid of a bundle's message",
                value: header.xid.into(),
            });
        }
        let inside = reader.bytes(header.length.into(), WHAT)?;
        let message = Message::decode_without_bundles(inside)?;
        Ok(Self {
            bundle,
            flags,
            message: Box::new(message),
            properties: Bytes::rest(reader),
        })
    }

    pub(crate) fn encode(
        &self,
        version: Version,
        xid: u32,
        writer: &mut Writer,
    ) -> Result<(), EncodeError> {
        if self.message.is_bundled() {
            return Err(EncodeError::Unencodable {
                what: "a bundle's message",
                reason: "of a bundle itself",
            });
        }
        write_head(self.bundle, self.flags, writer);
        self.message.encode(version, xid, writer)?;
        writer.bytes(&self.properties.0);
        Ok(())
    }
}

/// What stands before the message.
pub(crate) fn write_head(bundle: u32, flags: u16, writer: &mut Writer) {
    writer.u32(bundle);
    writer.zeros(2);
    writer.u16(flags);
}
