//! OpenNebula's networks as Network documents, and what moat cannot do for one. Knows a network's
//! attributes, which its NICs carry too.

use frame::MacAddress;
use policy::claim::ClaimChange;
use policy::document::{self, MacPrefix, Network};
use policy::origin::Origin;

use super::OpenNebulaError;
use super::input::Fields;
use super::options::{Isolation, Options};
use crate::hook::Answer;

/// Whether a new network can be protected: said when it is made, not when its first VM starts.
pub(super) fn create(
    options: &Options,
    id: u32,
    fields: &Fields,
) -> Result<Answer, OpenNebulaError> {
    let mut answer = Answer::from(ClaimChange::Nothing);
    if fields.get("VN_MAD") != Some(options.driver.as_str()) {
        return Ok(answer);
    }
    unsupported(fields).map_err(|problem| OpenNebulaError::Network {
        network: id,
        problem,
    })?;
    answer.notes = notes(options, fields);
    Ok(answer)
}

/// What a network or NIC asks for that moat does not do: carrying on would protect it less than its
/// owner believes.
pub(super) fn unsupported(fields: &Fields) -> Result<(), String> {
    match fields.get("BRIDGE_TYPE") {
        None | Some("linux") => {}
        Some(other) => {
            return Err(format!(
                "BRIDGE_TYPE is {other}, and moat enforces on Linux bridges (BRIDGE_TYPE=linux); \
                 give the network another driver"
            ));
        }
    }
    for name in ["OUTER_VLAN_ID", "CVLANS", "QINQ_TYPE"] {
        if let Some(value) = fields.get(name) {
            return Err(format!(
                "{name}={value} asks for double VLAN tags, which moat does not set up"
            ));
        }
    }
    Ok(())
}

/// What is respected in part, or by somebody else.
pub(super) fn notes(options: &Options, fields: &Fields) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(vlan) = fields.get("VLAN_ID")
        && !options.vlan_filtering
    {
        let bridge = fields.get("BRIDGE").unwrap_or("the bridge");
        notes.push(format!(
            "VLAN_ID={vlan} is for {bridge}'s uplink to tag; moat makes no VLAN interface"
        ));
    }
    for name in ["INBOUND_AVG_BW", "OUTBOUND_AVG_BW"] {
        if let Some(value) = fields.get(name) {
            notes.push(format!(
                "{name}={value} is shaped by libvirt, to which OpenNebula gives it; moat adds no second limit"
            ));
        }
    }
    notes
}

/// The network of a NIC.
///
/// # Errors
/// What is missing or wrong.
pub(super) fn document(
    options: &Options,
    fields: &Fields,
    mac: MacAddress,
) -> Result<Network, String> {
    let bridge = fields.get("BRIDGE").ok_or("it has no BRIDGE")?;
    let vlan = match fields.get("VLAN_ID").filter(|_| options.vlan_filtering) {
        None => None,
        Some(text) => match text.parse() {
            Ok(vlan @ 1..=4094) => Some(vlan),
            _ => return Err(format!("VLAN_ID={text} is not between 1 and 4094")),
        },
    };
    let mut name = match fields.get("NETWORK_ID") {
        Some(id) => match id.parse::<u32>() {
            Ok(id) => format!("opennebula-{id}"),
            Err(_) => return Err(format!("NETWORK_ID={id} is no number")),
        },
        // A NIC that was made by hand, without a network.
        None => format!("opennebula-{bridge}"),
    };
    let mac_prefix = match options.isolation {
        Isolation::MacPrefix(length) => {
            let address = masked(mac, length);
            // Each NIC hears its own prefix, though one network may have several.
            name.push_str(&format!("-{address}/{length}"));
            Some(MacPrefix { address, length })
        }
        _ => None,
    };
    let label = match fields.get("NETWORK") {
        Some(label) => format!("OpenNebula network {}", super::groups::shown(label)),
        None => "OpenNebula".to_owned(),
    };
    Ok(Network {
        name,
        origin: Origin {
            source: label.into(),
            ..Origin::default()
        },
        bridge: bridge.to_owned(),
        vlan,
        isolation: match options.isolation {
            Isolation::Open => document::Isolation::Open,
            Isolation::Members | Isolation::MacPrefix(_) => document::Isolation::Members,
        },
        mac_prefix,
        ..Network::default()
    })
}

fn masked(mac: MacAddress, length: u8) -> MacAddress {
    let mut left = u32::from(length);
    MacAddress(mac.octets().map(|octet| {
        let kept = left.min(8);
        left -= kept;
        octet & (0xff00_u16 >> kept) as u8
    }))
}
