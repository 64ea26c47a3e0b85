//! QEMU's own tap scripts (`script=`, `downscript=`) as claims. QEMU gives the interface's name and
//! nothing else, so who starts QEMU says the rest in the environment; starting it is left to them.

use std::collections::BTreeMap;

use frame::MacAddress;
use ipnet::IpNet;
use policy::claim::{Claim, ClaimChange, ProfileSource};

use crate::hook::{Answer, Call};

/// Why a tap script fails: one sentence on QEMU's standard error.
#[derive(Debug, thiserror::Error)]
pub enum QemuError {
    #[error("expected `moat hook qemu up INTERFACE` or `down INTERFACE`")]
    Usage,
    #[error("{0} is not set: the tap script's environment has to say it, for QEMU does not")]
    Missing(&'static str),
    #[error("{variable}={value} is wrong: {problem}")]
    Value {
        variable: &'static str,
        value: String,
        problem: String,
    },
}

/// `up INTERFACE` before QEMU opens it, `down INTERFACE` before it goes.
///
/// # Errors
/// Where the environment does not describe the port.
pub fn hook(call: Call<'_>) -> Result<Answer, QemuError> {
    let [way, device] = call.arguments else {
        return Err(QemuError::Usage);
    };
    // One script call is about one interface; its name is what both calls have.
    let vm = device.clone();
    Ok(Answer::from(match way.as_str() {
        "up" => ClaimChange::Replace {
            vm,
            claims: vec![claim(device, call.environment)?],
        },
        "down" => ClaimChange::Release { vm },
        _ => return Err(QemuError::Usage),
    }))
}

fn claim(device: &str, environment: &BTreeMap<String, String>) -> Result<Claim, QemuError> {
    let get = |name: &str| {
        let value = environment.get(name).map(|value| value.trim());
        value.filter(|value| !value.is_empty())
    };
    let mac = get("MOAT_MAC").ok_or(QemuError::Missing("MOAT_MAC"))?;
    let mac: MacAddress = mac
        .parse()
        .map_err(|error| wrong("MOAT_MAC", mac, &error))?;
    if !mac.is_valid_unicast() {
        let problem = "it is a group's address or zero";
        return Err(wrong("MOAT_MAC", &mac.to_string(), &problem));
    }
    let (network, bridge) = (get("MOAT_NETWORK"), get("MOAT_BRIDGE"));
    if network.is_none() && bridge.is_none() {
        return Err(QemuError::Missing("MOAT_BRIDGE"));
    }
    let vlan = get("MOAT_VLAN").map(|text| match text.parse() {
        Ok(vlan @ 1..=4094) => Ok(vlan),
        _ => Err(wrong("MOAT_VLAN", text, &"it is not between 1 and 4094")),
    });
    let vm = get("MOAT_VM");
    let port = match (get("MOAT_PORT"), vm) {
        (Some(port), _) => port.to_owned(),
        (None, Some(vm)) => format!("{vm}/{device}"),
        (None, None) => format!("qemu/{device}"),
    };
    let mut claim = Claim {
        port,
        source: "qemu".to_owned(),
        vm: vm.map(str::to_owned),
        device: Some(device.to_owned()),
        mac,
        bridge: bridge.map(str::to_owned),
        vlan: vlan.transpose()?,
        network: network.map(str::to_owned),
        ..Claim::default()
    };
    for word in list(get("MOAT_ADDRESSES")) {
        let address = word.parse::<std::net::IpAddr>().map(IpNet::from);
        let address = address.or_else(|_| word.parse());
        let problem = "expected addresses or prefixes with commas between";
        claim
            .addresses
            .push(address.map_err(|_| wrong("MOAT_ADDRESSES", word, &problem))?);
    }
    let profiles: Vec<String> = list(get("MOAT_PROFILES")).map(str::to_owned).collect();
    if !profiles.is_empty() {
        claim.profiles.insert(ProfileSource::Metadata, profiles);
    }
    Ok(claim)
}

fn list(text: Option<&str>) -> impl Iterator<Item = &str> {
    let words = text.unwrap_or_default().split(',').map(str::trim);
    words.filter(|word| !word.is_empty())
}

fn wrong(variable: &'static str, value: &str, problem: &dyn std::fmt::Display) -> QemuError {
    QemuError::Value {
        variable,
        value: value.to_owned(),
        problem: problem.to_string(),
    }
}

#[cfg(test)]
mod tests;
