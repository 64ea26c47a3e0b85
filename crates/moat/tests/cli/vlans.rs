//! The agent on a bridge that filters VLANs, in a guest whose kernel has such bridges.

use std::path::PathBuf;

use testbed::guest::{GuestFile, GuestSpec};

const DOCUMENTS: &str = "\
kind: Profile
name: plain
guards: [mac]
stateful: off
default: {in: accept, out: accept}
---
kind: Network
name: tenant
bridge: br0
vlan: 2102
profiles: [plain]
---
kind: Port
name: by-hand
device: tap2
mac: 52:54:00:00:00:02
network: tenant
---
kind: Host
name: hv-1
bridges: {br0: {managed: true, uplinks: [eth9]}}
";

/// The shell's own `ip` knows no VLANs of bridges, so it is named by its path.
const SCRIPT: &str = "\
set -e
/bin/ip link add br0 type bridge vlan_filtering 1
/bin/ip link set br0 up
for tap in tap1 tap2 tap3 eth9; do
    /bin/ip link add $tap type veth peer name peer-$tap
    /bin/ip link set $tap master br0
done
moat agent /etc/moat --no-libvirt --socket /agent.sock --state /state --runtime /runtime 2>/log &
agent=$!
tries=0
until moat reload --socket /agent.sock; do
    tries=$((tries + 1)); [ $tries -lt 200 ] || { cat /log; exit 1; }
    sleep 0.1
done
moat port add web-1/0 --device tap1 --mac 52:54:00:00:00:01 --network tenant --socket /agent.sock
moat status --socket /agent.sock --json || true
echo VLANS:
for tap in tap1 tap2 tap3 eth9; do /bin/bridge vlan show dev $tap | tail -n +2; done
echo LOG:
grep VLAN /log
kill $agent
";

#[test]
fn a_claimed_port_is_put_into_its_networks_vlan_before_it_is_admitted() {
    let file = |path: &str, text: &str| GuestFile {
        path: path.to_owned(),
        contents: text.as_bytes().to_vec(),
        executable: false,
    };
    let mut spec = GuestSpec::bridge(&["sh", "/script"]);
    spec.binaries
        .push(PathBuf::from(env!("CARGO_BIN_EXE_moat")));
    spec.files.push(file("/script", SCRIPT));
    spec.files.push(file("/etc/moat/all.yaml", DOCUMENTS));
    spec.memory = 1024;
    let outcome = spec.run().expect("a guest");
    assert_eq!(outcome.status, 0, "{}", outcome.output);
    let (status, rest) = outcome.output.split_once("VLANS:").expect("VLANs");
    let (vlans, log) = rest.split_once("LOG:").expect("a log");
    let status = status.split_once('{').expect("a status").1;
    let status: serde_json::Value =
        serde_json::from_str(&format!("{{{status}")).expect("a status in JSON");
    let port = status["ports"]
        .as_array()
        .and_then(|ports| ports.iter().find(|port| port["port"] == "web-1/0"))
        .unwrap_or_else(|| panic!("{status}"));
    assert_eq!(port["state"], "enforced", "{port}");
    let vlans: Vec<Vec<&str>> = vlans
        .lines()
        .map(|line| line.split_whitespace().collect())
        .filter(|words: &Vec<&str>| !words.is_empty())
        .collect();
    let as_plugged = |name| vec![name, "1", "PVID", "Egress", "Untagged"];
    let expected = [
        vec!["tap1", "2102", "PVID", "Egress", "Untagged"],
        as_plugged("tap2"),
        as_plugged("tap3"),
        as_plugged("eth9"),
    ];
    assert_eq!(vlans, expected, "{}", outcome.output);
    assert!(log.contains("vlan=2102") && log.contains("tap1"), "{log}");
}
