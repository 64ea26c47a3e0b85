//! Proxmox VE's hookscripts and tap scripts as claims. Knows the lines of a guest's configuration that
//! say what its NICs are; reading that file is left to the script that calls.

use std::net::IpAddr;

use frame::MacAddress;
use ipnet::IpNet;
use policy::claim::{Claim, ClaimChange};

use crate::hook::{Answer, Call};

/// Why a guest does not start: one sentence in its task log.
#[derive(Debug, thiserror::Error)]
pub enum ProxmoxError {
    #[error(
        "expected `moat hook proxmox VMID PHASE` or `moat hook proxmox INTERFACE`, with the guest's \
         configuration on standard input"
    )]
    Usage,
    #[error(
        "{0} is none of Proxmox's phases, which are pre-start, post-start, pre-stop, post-stop"
    )]
    Phase(String),
    #[error("guest {guest} has no configuration on standard input (/etc/pve/*/{guest}.conf)")]
    NoInput { guest: u32 },
    #[error("net{nic} of guest {guest} cannot be protected: {problem}")]
    Nic {
        guest: u32,
        nic: u32,
        problem: String,
    },
}

/// `VMID PHASE` of a hookscript, or the interface that a tap script was given.
///
/// # Errors
/// Where the configuration does not say what a port needs.
pub fn hook(call: Call<'_>) -> Result<Answer, ProxmoxError> {
    let (guest, phase) = match call.arguments {
        [guest, phase] => (
            guest.parse().map_err(|_| ProxmoxError::Usage)?,
            phase.as_str(),
        ),
        // Hot-plugging calls no hookscript, but the tap script, of a guest that runs.
        [interface] => (
            guest_of(interface).ok_or(ProxmoxError::Usage)?,
            "post-start",
        ),
        _ => return Err(ProxmoxError::Usage),
    };
    let vm = guest.to_string();
    Ok(Answer::from(match phase {
        // The taps do not exist yet: the claims wait for them.
        "pre-start" | "post-start" => ClaimChange::Replace {
            vm,
            claims: claims(guest, call.input)?,
        },
        // It runs until it has stopped.
        "pre-stop" => ClaimChange::Nothing,
        "post-stop" => ClaimChange::Release { vm },
        other => return Err(ProxmoxError::Phase(other.to_owned())),
    }))
}

/// `tap100i0`, `veth100i0`
fn guest_of(interface: &str) -> Option<u32> {
    let rest = interface
        .strip_prefix("tap")
        .or_else(|| interface.strip_prefix("veth"))?;
    let (guest, nic) = rest.split_once('i')?;
    nic.parse::<u32>().ok()?;
    guest.parse().ok()
}

/// The NICs of a guest's configuration.
///
/// # Errors
/// The first that cannot be protected.
pub fn claims(guest: u32, configuration: &str) -> Result<Vec<Claim>, ProxmoxError> {
    if configuration.trim().is_empty() {
        return Err(ProxmoxError::NoInput { guest });
    }
    // What follows the first section is a snapshot's, with NICs as they were.
    let lines = configuration
        .lines()
        .take_while(|line| !line.starts_with('['));
    let entries: Vec<(&str, &str)> = lines
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(':'))
        .map(|(key, value)| (key.trim(), value.trim()))
        .collect();
    let container = entries.iter().any(|(key, _)| *key == "rootfs");
    let mut claims = Vec::new();
    for (key, value) in &entries {
        let number = key
            .strip_prefix("net")
            .and_then(|number| number.parse().ok());
        let Some(nic) = number else { continue };
        let cloud = format!("ipconfig{nic}");
        let cloud = entries.iter().find(|(key, _)| *key == cloud);
        let cloud = cloud.map_or("", |(_, value)| value);
        let claim = claim(guest, nic, container, value, cloud);
        let fail = |problem| ProxmoxError::Nic {
            guest,
            nic,
            problem,
        };
        claims.extend(claim.map_err(fail)?);
    }
    Ok(claims)
}

/// `None`: QEMU's own NAT, which has no interface on the host.
fn claim(
    guest: u32,
    nic: u32,
    container: bool,
    value: &str,
    cloud: &str,
) -> Result<Option<Claim>, String> {
    let pairs: Vec<(&str, &str)> = value
        .split(',')
        .filter_map(|pair| pair.split_once('='))
        .collect();
    let get = |name: &str| {
        pairs
            .iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| *value)
    };
    let Some(bridge) = get("bridge") else {
        return Ok(None);
    };
    let mac = match get("hwaddr").or_else(|| get("macaddr")) {
        Some(text) => text
            .parse::<MacAddress>()
            .map_err(|error| error.to_string())?,
        // `virtio=BC:24:11:00:00:01`, whatever the model.
        None => pairs
            .iter()
            .find_map(|(_, value)| value.parse().ok())
            .ok_or("its line has no MAC")?,
    };
    if !mac.is_valid_unicast() {
        return Err(format!("{mac} is no interface's MAC"));
    }
    let vlan = get("tag").map(|text| match text.parse() {
        Ok(vlan @ 1..=4094) => Ok(vlan),
        _ => Err(format!("tag={text} is not between 1 and 4094")),
    });
    let mut notes = Vec::new();
    let firewall = get("firewall") == Some("1");
    if firewall {
        notes.push(format!(
            "firewall=1 puts Proxmox's own bridge fwbr{guest}i{nic} before {bridge}; moat enforces \
             where that bridge is plugged in, fwpr{guest}p{nic}"
        ));
    }
    if let Some(trunks) = get("trunks") {
        notes.push(format!(
            "trunks={trunks} pass where the port's profile lists them as tagged"
        ));
    }
    if let Some(rate) = get("rate") {
        notes.push(format!("rate={rate} is Proxmox's own limit"));
    }
    let device = match (firewall, container) {
        (true, _) => format!("fwpr{guest}p{nic}"),
        (false, true) => format!("veth{guest}i{nic}"),
        (false, false) => format!("tap{guest}i{nic}"),
    };
    let cloud = cloud.split(',').filter_map(|pair| pair.split_once('='));
    let addresses = pairs.iter().copied().chain(cloud);
    let addresses = addresses.filter(|(key, _)| matches!(*key, "ip" | "ip6"));
    // Others are `dhcp`, `manual` and `auto`: then nobody knows it here.
    let addresses = addresses.filter_map(|(_, value)| {
        let address = value.split('/').next()?.parse::<IpAddr>().ok()?;
        Some(IpNet::from(address))
    });
    Ok(Some(Claim {
        port: format!("{guest}/{nic}"),
        source: "proxmox".to_owned(),
        vm: Some(guest.to_string()),
        uuid: Some(guest.to_string()),
        device: Some(device),
        mac,
        bridge: Some(bridge.to_owned()),
        vlan: vlan.transpose()?,
        addresses: addresses.collect(),
        notes,
        ..Claim::default()
    }))
}

#[cfg(test)]
mod tests;
