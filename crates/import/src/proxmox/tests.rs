//! Guests' configurations as Proxmox writes them, and what hookscripts make of them.

use std::collections::BTreeMap;

use policy::claim::{Claim, ClaimChange};
use proptest::prelude::*;

use crate::hook::Call;

const MACHINE: &str = "\
#web%0Anet9%3A virtio=00:00:00:00:00:99,bridge=vmbr9
agent: 1
boot: order=scsi0;net0
ipconfig0: ip=10.0.0.5/24,gw=10.0.0.1,ip6=2001:db8::5/64
ipconfig1: ip=dhcp
name: web-1
net0: virtio=BC:24:11:00:00:01,bridge=vmbr0,tag=10
net1: e1000=BC:24:11:00:00:02,bridge=vmbr1,firewall=1,rate=12.5,trunks=2;3
net2: virtio=BC:24:11:00:00:03

[before-upgrade]
net0: virtio=BC:24:11:00:00:77,bridge=vmbr7
";

const CONTAINER: &str = "\
arch: amd64
hostname: db
net0: name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:00:04,ip=10.0.0.7/24,ip6=auto,type=veth
rootfs: local-lvm:vm-200-disk-0,size=8G
";

fn call(line: &str, input: &str) -> Result<ClaimChange, String> {
    let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    let call = Call {
        arguments: &arguments,
        input,
        environment: &BTreeMap::new(),
    };
    let answer = super::hook(call).map_err(|error| error.to_string())?;
    Ok(answer.change)
}

fn claims(line: &str, input: &str) -> Vec<Claim> {
    match call(line, input) {
        Ok(ClaimChange::Replace { claims, .. }) => claims,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_machines_nics() {
    let claims = claims("100 pre-start", MACHINE);
    let [first, second] = claims.as_slice() else {
        panic!("neither the snapshot's, nor the comment's, nor NAT: {claims:?}")
    };
    assert_eq!(first.port, "100/0");
    assert_eq!(first.device.as_deref(), Some("tap100i0"));
    assert_eq!(first.mac.to_string(), "bc:24:11:00:00:01");
    assert_eq!(
        (first.bridge.as_deref(), first.vlan),
        (Some("vmbr0"), Some(10))
    );
    let addresses: Vec<String> = first.addresses.iter().map(ToString::to_string).collect();
    assert_eq!(addresses, ["10.0.0.5/32", "2001:db8::5/128"]);
    assert_eq!(second.device.as_deref(), Some("fwpr100p1"));
    assert_eq!(second.notes.len(), 3, "{:?}", second.notes);
    assert!(second.addresses.is_empty());
}

#[test]
fn a_containers_nics() {
    let claims = claims("200 pre-start", CONTAINER);
    assert_eq!(claims[0].device.as_deref(), Some("veth200i0"));
    assert_eq!(claims[0].addresses, ["10.0.0.7/32".parse().unwrap()]);
}

#[test]
fn phases_and_tap_scripts() {
    let started = call("100 pre-start", MACHINE);
    assert_eq!(call("100 post-start", MACHINE), started);
    assert_eq!(call("tap100i1", MACHINE), started, "hot-plugged");
    assert_eq!(call("100 pre-stop", ""), Ok(ClaimChange::Nothing));
    let vm = "100".to_owned();
    assert_eq!(call("100 post-stop", ""), Ok(ClaimChange::Release { vm }));
}

#[test]
fn what_is_wrong_is_named() {
    for (line, input, expected) in [
        ("", "", "expected `moat hook proxmox VMID PHASE`"),
        ("eth0", MACHINE, "expected"),
        ("100 lunch", MACHINE, "lunch is none of"),
        ("100 pre-start", "", "guest 100 has no configuration"),
        (
            "100 pre-start",
            "net0: virtio,bridge=vmbr0",
            "net0 of guest 100 cannot be protected: its line has no MAC",
        ),
        (
            "100 pre-start",
            "net0: macaddr=x,bridge=vmbr0",
            "not a MAC address",
        ),
        (
            "100 pre-start",
            "net0: virtio=01:00:00:00:00:01,bridge=vmbr0",
            "no interface's MAC",
        ),
        (
            "100 pre-start",
            "net0: virtio=BC:24:11:00:00:01,bridge=vmbr0,tag=0",
            "tag=0",
        ),
    ] {
        let said = call(line, input).unwrap_err();
        assert!(said.contains(expected), "{said}");
    }
}

proptest! {
    #[test]
    fn any_configuration_is_survived(text in "(net[0-9]{1,12}: |[a-z0-9=:,;/\\[\\]\n-]){0,60}") {
        let _ = call("100 pre-start", &text);
    }
}
