//! One link message: picks the few attributes that matter out of the fifty that the kernel sends.
//! Knows the layout of `RTM_NEWLINK`; what links mean together is left to `observe` and `monitor`.

use frame::MacAddress;
use netlink_packet_core::{DecodeError, NlaBuffer, NlasIterator, parse_u32};
use netlink_packet_route::link::{BridgeVlanInfo, BridgeVlanInfoFlags};

/// Attribute numbers of linux/if_link.h. The full decoder of netlink-packet-route would allocate some
/// fifty values for each link; on a host with ten thousand that alone takes longer than the kernel.
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_AF_SPEC: u16 = 26;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_BR_VLAN_FILTERING: u16 = 7;
const IFLA_BRIDGE_VLAN_INFO: u16 = 2;

/// `struct ifinfomsg`: family, padding, type, index, flags, change.
const HEADER_LENGTH: usize = 16;
const AF_BRIDGE: u8 = 7;

/// What a link message says, as far as we care.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) ifindex: u32,
    /// The message is a bridge's word on its port (`AF_BRIDGE`), not the link's own.
    pub(crate) from_bridge: bool,
    /// Unique among the links of one moment, also where the kernel's name is no text.
    pub(crate) name: String,
    /// Absent where the link has no 48-bit address.
    pub(crate) mac: Option<MacAddress>,
    /// Index of the bridge, bond or VRF that the link is in.
    pub(crate) master: Option<u32>,
    /// Present for a bridge: whether it filters VLANs.
    pub(crate) bridge_filters_vlans: Option<bool>,
    /// VLAN of untagged frames; only bridges say it.
    pub(crate) pvid: Option<u16>,
    /// VLANs whose frames leave through the port without a tag, as ranges; likewise.
    pub(crate) untagged: Vec<(u16, u16)>,
}

impl Link {
    /// Reads the body of an `RTM_NEWLINK` or `RTM_DELLINK` message.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, DecodeError> {
        let (header, attributes) = body
            .split_at_checked(HEADER_LENGTH)
            .ok_or_else(|| DecodeError::invalid_buffer("ifinfomsg", body.len(), HEADER_LENGTH))?;
        let mut link = Self {
            ifindex: number(header.get(4..8).unwrap_or_default())?,
            from_bridge: header.first() == Some(&AF_BRIDGE),
            ..Self::default()
        };
        for attribute in NlasIterator::new(attributes) {
            let attribute = attribute?;
            let value = attribute.value();
            match attribute.kind() {
                IFLA_ADDRESS => link.mac = <[u8; 6]>::try_from(value).ok().map(MacAddress),
                IFLA_IFNAME => link.name = readable_name(value, link.ifindex),
                IFLA_MASTER => link.master = Some(number(value)?).filter(|index| *index != 0),
                IFLA_LINKINFO => link.bridge_filters_vlans = bridge_filters_vlans(value)?,
                IFLA_AF_SPEC if link.from_bridge => link.vlans(value)?,
                _ => {}
            }
        }
        Ok(link)
    }

    /// Reads a port's VLANs, which come one by one or as pairs of a first and a last one. Only one
    /// entry can carry the flag of the VLAN that untagged frames are in.
    fn vlans(&mut self, bridge_specific: &[u8]) -> Result<(), DecodeError> {
        let mut first = None;
        for attribute in NlasIterator::new(bridge_specific) {
            let attribute = attribute?;
            if attribute.kind() != IFLA_BRIDGE_VLAN_INFO {
                continue;
            }
            let vlan = BridgeVlanInfo::try_from(attribute.value())?;
            if vlan.flags.contains(BridgeVlanInfoFlags::Pvid) {
                self.pvid = Some(vlan.vid);
            }
            if vlan.flags.contains(BridgeVlanInfoFlags::RangeBegin) {
                first = Some(vlan.vid);
                continue;
            }
            let first = first.take().unwrap_or(vlan.vid);
            if vlan.flags.contains(BridgeVlanInfoFlags::Untagged) {
                self.untagged.push((first, vlan.vid));
            }
        }
        Ok(())
    }
}

/// The kernel takes any bytes but white space, `/` and `:` in a name. What is not UTF-8 is shown with
/// escapes, followed by `/` and the index: no real name looks like that, and no two links get the same.
fn readable_name(value: &[u8], ifindex: u32) -> String {
    let bytes = value.split(|byte| *byte == 0).next().unwrap_or_default();
    match std::str::from_utf8(bytes) {
        Ok(name) => name.to_owned(),
        Err(_) => format!("{}/{ifindex}", bytes.escape_ascii()),
    }
}

/// `Some` where the link is a bridge.
fn bridge_filters_vlans(link_info: &[u8]) -> Result<Option<bool>, DecodeError> {
    let mut is_bridge = false;
    let mut filtering = false;
    for attribute in NlasIterator::new(link_info) {
        let attribute = attribute?;
        match attribute.kind() {
            IFLA_INFO_KIND => is_bridge = attribute.value() == b"bridge\0",
            // Other kinds number their data differently. The kernel puts the kind first.
            IFLA_INFO_DATA if is_bridge => {
                filtering = find(attribute.value(), IFLA_BR_VLAN_FILTERING)?
                    .is_some_and(|data| data.value().first().is_some_and(|flag| *flag != 0));
            }
            _ => {}
        }
    }
    Ok(is_bridge.then_some(filtering))
}

fn find(attributes: &[u8], kind: u16) -> Result<Option<NlaBuffer<&[u8]>>, DecodeError> {
    for attribute in NlasIterator::new(attributes) {
        let attribute = attribute?;
        if attribute.kind() == kind {
            return Ok(Some(attribute));
        }
    }
    Ok(None)
}

fn number(value: &[u8]) -> Result<u32, DecodeError> {
    parse_u32(value)
}

#[cfg(test)]
mod tests;
