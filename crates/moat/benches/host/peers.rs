//! What people use today, for the same two checks on every card: seed 001's two linear rules, and
//! the verdict map that a careful administrator writes.

use std::io::Write;
use std::process::{Command, Stdio};

use testbed::Switch;

/// Who filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    LinearNft,
    LinearEbtables,
    VerdictMap,
}

impl Peer {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::LinearNft => "two linear rules per card (nft)",
            Self::LinearEbtables => "two linear rules per card (ebtables)",
            Self::VerdictMap => "verdict map, a chain per card (nft)",
        }
    }

    /// Rules for `cards` network cards, of which only the last ones exist.
    pub(crate) fn install(self, switch: &Switch, cards: u32) {
        match self {
            Self::LinearNft => feed(
                switch.namespace().command("nft").args(["-f", "-"]),
                &linear(cards),
            ),
            Self::LinearEbtables => feed(
                &mut switch.namespace().command("ebtables-nft-restore"),
                &ebtables(cards),
            ),
            Self::VerdictMap => feed(
                switch.namespace().command("nft").args(["-f", "-"]),
                &map(switch, cards),
            ),
        }
    }
}

pub(crate) fn feed(command: &mut Command, text: &str) {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}; run scripts/dependencies bench"));
    let mut input = child.stdin.take().expect("its input");
    input.write_all(text.as_bytes()).expect("it reads");
    drop(input);
    assert!(child.wait().expect("it ends").success(), "{command:?}");
}

/// Cards that exist are `vnet0` and `vnet1` and stand last, as the newest VM's rules do.
fn names(cards: u32) -> impl Iterator<Item = (String, String)> {
    (0..cards).rev().map(|number| {
        let [_, high, middle, low] = number.saturating_add(1).to_be_bytes();
        let mac = format!("52:54:00:{high:02x}:{middle:02x}:{low:02x}");
        (format!("vnet{number}"), mac)
    })
}

fn linear(cards: u32) -> String {
    let mut text =
        "table bridge seed {\n chain forward { type filter hook forward priority -200;\n"
            .to_owned();
    for (device, mac) in names(cards) {
        text.push_str(&format!(
            "  oifname {device} ether saddr & ff:ff:ff:00:00:00 != 52:54:00:00:00:00 drop\n"
        ));
        text.push_str(&format!("  iifname {device} ether saddr != {mac} drop\n"));
    }
    text.push_str(" }\n}\n");
    text
}

fn ebtables(cards: u32) -> String {
    let mut text = "*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n".to_owned();
    for (device, mac) in names(cards) {
        text.push_str(&format!(
            "-A FORWARD -s ! 52:54:00:00:00:00/ff:ff:ff:00:00:00 -o {device} -j DROP\n"
        ));
        text.push_str(&format!("-A FORWARD -s ! {mac} -i {device} -j DROP\n"));
    }
    text
}

/// Keyed by name where libvirt keys by index: cards that do not exist have no index.
fn map(_switch: &Switch, cards: u32) -> String {
    let mut chains = String::new();
    let (mut out, mut inward) = (Vec::new(), Vec::new());
    for (device, mac) in names(cards) {
        chains.push_str(&format!(
            " chain out-{device} {{ ether saddr != {mac} drop; }}\n"
        ));
        chains.push_str(&format!(
            " chain in-{device} {{ ether saddr & ff:ff:ff:00:00:00 != 52:54:00:00:00:00 drop; }}\n"
        ));
        out.push(format!("{device} : jump out-{device}"));
        inward.push(format!("{device} : jump in-{device}"));
    }
    format!(
        "table bridge seed {{\n{chains} map out {{ type ifname : verdict; elements = {{ {} }}; }}\n \
         map in {{ type ifname : verdict; elements = {{ {} }}; }}\n \
         chain forward {{ type filter hook forward priority -200;\n  iifname vmap @out\n  oifname vmap @in\n }}\n}}\n",
        out.join(", "),
        inward.join(", ")
    )
}
