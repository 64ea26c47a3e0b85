//! Xen's `vif` scripts as claims: libxl's and xl's, and xapi's `setup-vif-rules`. Knows what scripts are
//! given and what xenstore and xenopsd say of an interface; asking those is left to the script that calls.

mod metadata;

use std::collections::BTreeMap;
use std::net::IpAddr;

use frame::MacAddress;
use ipnet::IpNet;
use policy::claim::{Claim, ClaimChange};

use crate::hook::{Answer, Call};

/// Why a script fails: one sentence, for the toolstack's log.
#[derive(Debug, thiserror::Error)]
pub enum XenError {
    #[error(
        "expected `moat hook xen online|offline|add|remove|move [type_if=vif|tap]` or \
         `moat hook xen setup-vif-rules BACKEND INTERFACE VM DEVICE filter|clear`"
    )]
    Usage,
    #[error(
        "{0} is not set in the script's environment: it has to be called as Xen's vif script is"
    )]
    Missing(&'static str),
    #[error("XENBUS_PATH={0} is not like backend/vif/DOMAIN/DEVICE")]
    Path(String),
    #[error(
        "interface {interface} has no `{key}` on standard input, where the script passes what xenstore says"
    )]
    NoKey {
        interface: String,
        key: &'static str,
    },
    #[error("interface {interface} has {key}={value}, {problem}")]
    Value {
        interface: String,
        key: &'static str,
        value: String,
        problem: String,
    },
    #[error("what xenopsd says of interface {interface} cannot be read: {problem}")]
    Metadata { interface: String, problem: String },
}

/// What a script was called with.
///
/// # Errors
/// Where the call, the environment or standard input do not describe an interface.
pub fn hook(call: Call<'_>) -> Result<Answer, XenError> {
    let words: Vec<&str> = call.arguments.iter().map(String::as_str).collect();
    let change = match words.as_slice() {
        ["setup-vif-rules", _, interface, _, _, "clear"] => ClaimChange::Release {
            vm: (*interface).to_owned(),
        },
        ["setup-vif-rules", _, interface, vm, device, "filter"] => ClaimChange::Replace {
            vm: (*interface).to_owned(),
            claims: vec![metadata::claim(interface, vm, device, call.input)?],
        },
        [action @ ("online" | "add" | "move"), kind @ ..] => {
            let interface = interface(&call, action, kind)?;
            let claim = claim(&interface, &call)?;
            ClaimChange::Replace {
                vm: interface,
                claims: vec![claim],
            }
        }
        // The interface goes, but it may still be there for a moment.
        [action @ ("offline" | "remove"), kind @ ..] => ClaimChange::Release {
            vm: interface(&call, action, kind)?,
        },
        _ => return Err(XenError::Usage),
    };
    Ok(Answer::from(change))
}

/// The interface that the call is about, as it is called in the end. A guest without drivers has two
/// for each NIC, of which `tap` is QEMU's.
fn interface(call: &Call<'_>, action: &str, kind: &[&str]) -> Result<String, XenError> {
    let kind = match kind {
        ["type_if=tap"] => "tap",
        ["type_if=vif"] => "vif",
        // libxl says it for taps alone: those are added, vifs come online.
        [] if matches!(action, "add" | "remove") => "tap",
        [] => "vif",
        _ => return Err(XenError::Usage),
    };
    let given = values(call.input);
    let named = given.get("vifname").filter(|name| !name.is_empty());
    match (kind, named) {
        ("vif", Some(name)) => Ok((*name).to_owned()),
        // As Xen's own script renames it.
        ("tap", Some(name)) => Ok(format!("{name}-emu")),
        ("vif", None) => variable(call, "vif").map(str::to_owned),
        _ => variable(call, "INTERFACE").map(str::to_owned),
    }
}

fn claim(interface: &str, call: &Call<'_>) -> Result<Claim, XenError> {
    let path = variable(call, "XENBUS_PATH")?;
    let mut ends = path.rsplit('/');
    let number = |part: Option<&str>| part.and_then(|part| part.parse::<u32>().ok());
    let (device, domain) = (number(ends.next()), number(ends.next()));
    let (Some(device), Some(domain)) = (device, domain) else {
        return Err(XenError::Path(path.to_owned()));
    };
    let given = values(call.input);
    let get = |key: &'static str| given.get(key).copied().filter(|value| !value.is_empty());
    let no_key = |key| XenError::NoKey {
        interface: interface.to_owned(),
        key,
    };
    let wrong = |key, value: &str, problem: &str| XenError::Value {
        interface: interface.to_owned(),
        key,
        value: value.to_owned(),
        problem: problem.to_owned(),
    };
    let text = get("mac").ok_or_else(|| no_key("mac"))?;
    let mac: MacAddress = text
        .parse()
        .map_err(|_| wrong("mac", text, "which is no MAC address"))?;
    if !mac.is_valid_unicast() {
        return Err(wrong("mac", text, "which is no interface's"));
    }
    let bridge = get("bridge").ok_or_else(|| no_key("bridge"))?;
    let mut addresses = Vec::new();
    for word in get("ip").unwrap_or_default().split_whitespace() {
        let address = word.parse::<IpAddr>().map(IpNet::from);
        let address = address.or_else(|_| word.parse());
        addresses.push(address.map_err(|_| wrong("ip", word, "which is no address"))?);
    }
    let vm = match get("name") {
        Some(name) => name.to_owned(),
        None => format!("domain-{domain}"),
    };
    Ok(Claim {
        port: port(&vm, &device.to_string(), interface),
        source: "xen".to_owned(),
        vm: Some(vm),
        uuid: get("uuid").map(|path| path.trim_start_matches("/vm/").to_owned()),
        device: Some(interface.to_owned()),
        mac,
        bridge: Some(bridge.to_owned()),
        addresses,
        ..Claim::default()
    })
}

/// Both interfaces of a NIC are ports: a frame passes one or the other.
fn port(vm: &str, device: &str, interface: &str) -> String {
    let emulated = interface.starts_with("tap") || interface.ends_with("-emu");
    match emulated {
        true => format!("{vm}/{device}-emulated"),
        false => format!("{vm}/{device}"),
    }
}

fn variable<'a>(call: &Call<'a>, name: &'static str) -> Result<&'a str, XenError> {
    let value = call.environment.get(name).map(String::as_str);
    value
        .filter(|value| !value.is_empty())
        .ok_or(XenError::Missing(name))
}

/// `key=value` lines.
fn values(input: &str) -> BTreeMap<&str, &str> {
    let pairs = input.lines().filter_map(|line| line.split_once('='));
    pairs
        .map(|(key, value)| (key.trim(), value.trim()))
        .collect()
}

#[cfg(test)]
mod tests;
