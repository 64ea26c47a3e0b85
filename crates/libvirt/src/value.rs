//! Things that libvirt names on the wire, and its errors. Knows their form there.

use std::fmt;

use crate::Uuid;
use crate::protocol::ErrorCode;
use crate::xdr::{Decoder, Encoder, XdrError};

/// A domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainRef {
    pub name: String,
    pub uuid: Uuid,
    /// The number of this life of the domain; -1 while it does not run.
    pub id: i32,
}

/// A network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkRef {
    pub name: String,
    pub uuid: Uuid,
}

/// A port of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkPortRef {
    pub network: NetworkRef,
    pub uuid: Uuid,
}

/// A filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterRef {
    pub name: String,
    pub uuid: Uuid,
}

/// A filter bound to an interface of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterBindingRef {
    pub device: String,
    pub filter: String,
}

/// Why the daemon refused a call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct RemoteError {
    pub code: ErrorCode,
    /// Number of the part of libvirt that it comes from.
    pub domain: i32,
    /// In libvirt's words.
    pub message: String,
}

impl fmt::Display for RemoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "libvirt says: {} (error {})", self.message, self.code.0)
    }
}

impl RemoteError {
    pub(crate) fn decode(decoder: &mut Decoder<'_>) -> Result<Self, XdrError> {
        let code = ErrorCode(decoder.signed()?);
        let domain = decoder.signed()?;
        let message = decoder.optional(Decoder::string)?;
        let _level = decoder.signed()?;
        decoder.optional(DomainRef::decode)?;
        for _ in 0..3 {
            decoder.optional(Decoder::string)?;
        }
        let _numbers = (decoder.signed()?, decoder.signed()?);
        decoder.optional(NetworkRef::decode)?;
        Ok(Self {
            code,
            domain,
            message: message.unwrap_or_else(|| "no reason given".to_owned()),
        })
    }
}

impl DomainRef {
    pub(crate) fn decode(decoder: &mut Decoder<'_>) -> Result<Self, XdrError> {
        Ok(Self {
            name: decoder.string()?,
            uuid: decoder.uuid()?,
            id: decoder.signed()?,
        })
    }

    pub(crate) fn encode(&self, encoder: &mut Encoder) {
        encoder.string(&self.name).uuid(self.uuid).signed(self.id);
    }
}

impl NetworkRef {
    pub(crate) fn decode(decoder: &mut Decoder<'_>) -> Result<Self, XdrError> {
        Ok(Self {
            name: decoder.string()?,
            uuid: decoder.uuid()?,
        })
    }

    pub(crate) fn encode(&self, encoder: &mut Encoder) {
        encoder.string(&self.name).uuid(self.uuid);
    }
}

impl NetworkPortRef {
    pub(crate) fn decode(decoder: &mut Decoder<'_>) -> Result<Self, XdrError> {
        Ok(Self {
            network: NetworkRef::decode(decoder)?,
            uuid: decoder.uuid()?,
        })
    }

    pub(crate) fn encode(&self, encoder: &mut Encoder) {
        self.network.encode(encoder);
        encoder.uuid(self.uuid);
    }
}

impl FilterRef {
    pub(crate) fn decode(decoder: &mut Decoder<'_>) -> Result<Self, XdrError> {
        Ok(Self {
            name: decoder.string()?,
            uuid: decoder.uuid()?,
        })
    }

    pub(crate) fn encode(&self, encoder: &mut Encoder) {
        encoder.string(&self.name).uuid(self.uuid);
    }
}

impl FilterBindingRef {
    pub(crate) fn decode(decoder: &mut Decoder<'_>) -> Result<Self, XdrError> {
        Ok(Self {
            device: decoder.string()?,
            filter: decoder.string()?,
        })
    }

    pub(crate) fn encode(&self, encoder: &mut Encoder) {
        encoder.string(&self.device).string(&self.filter);
    }
}
