//! Every sample, and inputs in the real shape for what the samples do not have.

mod damage;
mod groups;
mod life;
mod nics;

use std::collections::BTreeMap;

use policy::claim::{Claim, ClaimChange};
use policy::document::{Document, Network, Profile};

use crate::hook::{Answer, Call};

/// The synthetic VM 3 with a NIC of `fw`, one of `ovswitch` and an alias, as OpenNebula reduces it.
const REDUCED: &str = include_str!("../../samples/opennebula/vnm-stdin-fw-synthetic.b64");
const FULL: &str = include_str!("../../samples/opennebula/vm-full-fw-synthetic.xml");

/// Calls the driver as OpenNebula does.
fn call(line: &str, input: &str) -> Result<Answer, String> {
    let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    let call = Call {
        arguments: &arguments,
        input,
        environment: &BTreeMap::new(),
    };
    super::hook(call).map_err(|error| error.to_string())
}

/// What the VM's ports are after it.
fn claims(line: &str, input: &str) -> Vec<Claim> {
    match call(line, input).expect("it is done").change {
        ClaimChange::Replace { claims, .. } => claims,
        other => panic!("{other:?}"),
    }
}

/// `reduced` puts every part into a wrapper of its own.
fn reduced(id: u32, parts: &[&str]) -> String {
    let mut text = format!("<VM><ID>{id}</ID><DEPLOY_ID><![CDATA[one-{id}]]></DEPLOY_ID>");
    for part in parts {
        text.push_str(&format!("<TEMPLATE>{part}</TEMPLATE>"));
    }
    for part in ["<HOSTNAME>hv1</HOSTNAME>", "<HID>1</HID>"] {
        text.push_str(&format!(
            "<HISTORY_RECORDS><HISTORY>{part}</HISTORY></HISTORY_RECORDS>"
        ));
    }
    text.push_str("</VM>");
    encode(&text, usize::MAX) + "\n"
}

/// A NIC of the driver `moat`, and what is said besides or instead.
fn nic(id: u32, more: &[(&str, &str)]) -> String {
    let id = id.to_string();
    let mut fields = BTreeMap::from([
        ("NIC_ID", id.as_str()),
        ("MAC", "02:00:0a:00:00:01"),
        ("BRIDGE", "br0"),
        ("NETWORK", "lan"),
        ("NETWORK_ID", "7"),
        ("VN_MAD", "moat"),
    ]);
    fields.extend(more.iter().copied());
    element("NIC", &fields.into_iter().collect::<Vec<_>>())
}

fn element(name: &str, fields: &[(&str, &str)]) -> String {
    let field = |(name, value): &(&str, &str)| format!("<{name}><![CDATA[{value}]]></{name}>\n");
    let inner: String = fields.iter().map(field).collect();
    format!("<{name}>\n{inner}</{name}>")
}

/// A rule of security group 100.
fn rule(fields: &[(&str, &str)]) -> String {
    let mut all = vec![("SECURITY_GROUP_ID", "100"), ("SECURITY_GROUP_NAME", "web")];
    all.extend(fields);
    element("SECURITY_GROUP_RULE", &all)
}

fn encode(text: &str, width: usize) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut digits = String::new();
    for group in text.as_bytes().chunks(3) {
        let mut bytes = [0; 4];
        bytes[1..=group.len()].copy_from_slice(group);
        let bits = u32::from_be_bytes(bytes);
        for at in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * at) & 63) as usize];
            digits.push(if at <= group.len() { digit.into() } else { '=' });
        }
    }
    let lines = digits.as_bytes().chunks(width.min(digits.len()).max(1));
    let lines: Vec<&str> = lines
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    lines.join("\n")
}

fn profiles(claim: &Claim) -> Vec<&Profile> {
    let mut profiles = Vec::new();
    for document in &claim.documents {
        if let Document::Profile(profile) = document {
            profiles.push(profile);
        }
    }
    profiles
}

fn network(claim: &Claim) -> &Network {
    let mut networks = claim
        .documents
        .iter()
        .filter_map(|document| match document {
            Document::Network(network) => Some(network),
            _ => None,
        });
    networks.next().expect("a network")
}

/// The rules of the NIC's profiles, as lines.
fn lines(claim: &Claim) -> Vec<String> {
    let rules = profiles(claim)
        .into_iter()
        .flat_map(|profile| &profile.rules);
    rules.map(ToString::to_string).collect()
}
