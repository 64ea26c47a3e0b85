//! What xenopsd writes of an interface, as JSON, and its locking mode as a profile.

use std::net::IpAddr;

use frame::MacAddress;
use ipnet::IpNet;
use policy::claim::{Claim, ProfileSource};
use policy::document::{Document, Guard, Profile, Stateful};
use policy::origin::Origin;
use policy::rule::Verdict;
use serde_json::Value;

use super::XenError;

/// The claim of an interface by its metadata.
///
/// # Errors
/// Where it is not as xenopsd writes it.
pub(super) fn claim(
    interface: &str,
    vm: &str,
    device: &str,
    text: &str,
) -> Result<Claim, XenError> {
    read(interface, vm, device, text).map_err(|problem| XenError::Metadata {
        interface: interface.to_owned(),
        problem,
    })
}

fn read(interface: &str, vm: &str, device: &str, text: &str) -> Result<Claim, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let mac = value
        .get("mac")
        .and_then(Value::as_str)
        .ok_or("it has no `mac`")?;
    let mac: MacAddress = mac.parse().map_err(|error| format!("{error}"))?;
    if !mac.is_valid_unicast() {
        return Err(format!("{mac} is no interface's MAC"));
    }
    let bridge = match value
        .get("backend")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
    {
        Some([kind, bridge]) if kind == "Local" => bridge.as_str(),
        _ => None,
    };
    let bridge = bridge.ok_or("its `backend` is not `[\"Local\", BRIDGE]`")?;
    let (profile, addresses) = locking(value.get("locking_mode"))?;
    let mut claim = Claim {
        port: super::port(vm, device, interface),
        source: "xen".to_owned(),
        vm: Some(vm.to_owned()),
        uuid: Some(vm.to_owned()),
        device: Some(interface.to_owned()),
        mac,
        bridge: Some(bridge.to_owned()),
        addresses,
        ..Claim::default()
    };
    let names = vec![profile.name.clone()];
    claim.profiles.insert(ProfileSource::Filter, names);
    claim.documents.push(Document::Profile(profile));
    Ok(claim)
}

/// `["Locked", {"ipv4": […], "ipv6": […]}]`, `"Unlocked"`, `"Disabled"`.
fn locking(mode: Option<&Value>) -> Result<(Profile, Vec<IpNet>), String> {
    let wrong =
        || "its `locking_mode` is neither Locked with addresses, Unlocked nor Disabled".to_owned();
    let mode = mode.ok_or_else(wrong)?;
    match mode.as_str() {
        Some("Unlocked") => {
            return Ok((profile("xapi-unlocked", Verdict::Accept, &[]), Vec::new()));
        }
        Some("Disabled") => return Ok((profile("xapi-disabled", Verdict::Drop, &[]), Vec::new())),
        _ => {}
    }
    let Some([kind, lists]) = mode.as_array().map(Vec::as_slice) else {
        return Err(wrong());
    };
    if kind != "Locked" {
        return Err(wrong());
    }
    let mut addresses = Vec::new();
    for family in ["ipv4", "ipv6"] {
        let list = lists
            .get(family)
            .and_then(Value::as_array)
            .ok_or_else(wrong)?;
        for address in list {
            let address = address.as_str().ok_or_else(wrong)?;
            let parsed: IpAddr = address
                .parse()
                .map_err(|_| format!("`{address}` is no address"))?;
            addresses.push(IpNet::from(parsed));
        }
    }
    let guards = [Guard::Mac, Guard::Ipv4, Guard::Ipv6, Guard::Arp, Guard::Nd];
    Ok((profile("xapi-locked", Verdict::Accept, &guards), addresses))
}

fn profile(name: &str, default: Verdict, guards: &[Guard]) -> Profile {
    Profile {
        name: name.to_owned(),
        origin: Origin {
            source: "xapi's locking mode".into(),
            ..Origin::default()
        },
        version: 1,
        stateful: Some(Stateful::Off),
        guards: guards.iter().copied().collect(),
        default_in: Some(default),
        default_out: Some(default),
        // Disabled means that nothing passes.
        dhcp: (default == Verdict::Drop).then_some(false),
        ..Profile::default()
    }
}
