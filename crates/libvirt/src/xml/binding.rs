//! A filter bound to an interface of the host. Knows its form alone.

use frame::MacAddress;

use super::interface::FilterReference;
use super::port::Owner;
use super::reader::{self, XmlError};

/// What moat reads of `<filterbinding>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterBinding {
    pub owner: Owner,
    /// Interface on the host.
    pub device: String,
    pub mac: MacAddress,
    /// libvirt adds the parameter `MAC`.
    pub filter: FilterReference,
}

impl FilterBinding {
    /// Reads `<filterbinding>`.
    ///
    /// # Errors
    /// No XML, no binding, or a value that is not of its kind; with the place.
    pub fn parse(text: &str) -> Result<Self, XmlError> {
        reader::document(text, "filterbinding", |element| {
            let mac = element.required_child("mac")?;
            Ok(Self {
                owner: Owner::read(element.required_child("owner")?)?,
                device: element
                    .required_child("portdev")?
                    .required("name")?
                    .to_owned(),
                mac: mac
                    .mac("address")?
                    .ok_or_else(|| mac.error("<mac> lacks the attribute `address`"))?,
                filter: FilterReference::read(element.required_child("filterref")?)?,
            })
        })
    }
}
