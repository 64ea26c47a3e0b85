//! Drift found and mended, drops watched and counted.

use frame::{FrameSpec, MacAddress};
use serde_json::Value;

use crate::host::{DOCUMENTS, Going, Host};

fn enforced() -> (Host, String) {
    let host = Host::new(2);
    let file = host.write("policy.yaml", DOCUMENTS);
    host.moat(&["apply", &file]).ends(0);
    (host, file)
}

#[test]
fn drift_is_found_thing_by_thing() {
    let (host, file) = enforced();
    host.nft("add rule bridge moat out ether saddr 52:54:00:00:00:99 accept");
    host.nft("flush chain bridge moat nd-accept");
    host.nft("flush set bridge moat ports");
    let diff = host.moat(&["diff", &file, "--json"]).ends(1).json();
    let has = |what: &str, kind: &str, place: &str| {
        let drift = diff["drift"].as_array().expect("a list");
        drift
            .iter()
            .any(|one| one["what"] == what && one["kind"] == kind && one["place"] == place)
    };
    assert!(has("foreign", "rule", "out"), "{diff:#}");
    assert!(has("missing", "rule", "nd-accept"), "{diff:#}");
    assert!(has("missing", "element", "ports"), "{diff:#}");
    host.moat(&["apply", &file]).ends(0);
    host.moat(&["diff", &file]).ends(0);
}

#[test]
fn the_guard_mends_what_others_do() {
    let (host, file) = enforced();
    let mut guard = Going::start(
        host.command(&["guard", &file, "--json", "--for", "1h"]),
        "Guarding",
    );
    let event = |line: String| -> Value { serde_json::from_str(&line).expect("JSON") };
    assert_eq!(event(guard.line())["event"], "applied");
    host.nft("flush chain bridge moat nd-accept");
    let mended = event(guard.line());
    assert_eq!(mended["event"], "mended");
    assert!(
        mended["reason"]
            .as_str()
            .is_some_and(|who| who.starts_with("nft ")),
        "{mended}"
    );
    host.wait_until("mending", || host.settled(&file));
    host.nft("delete table bridge moat");
    assert_eq!(event(guard.line())["event"], "mended");
    host.wait_until("mending", || host.settled(&file));
}

#[test]
fn the_guard_follows_interfaces() {
    let host = Host::new(1);
    let file = host.write("policy.yaml", DOCUMENTS);
    let guard = Going::start(host.command(&["guard", &file, "--for", "1h"]), "Guarding");
    host.switch.add_port().expect("a port");
    let enforced = |port: usize| {
        let ports = host.moat(&["ports", &file, "--json"]).json();
        ports[port]["state"] == "enforced"
    };
    host.wait_until("admission", || enforced(1));
    assert!(enforced(0));
    drop(guard);
    assert!(enforced(0), "what is in force stays");
}

#[test]
fn a_drop_is_watched_and_counted() {
    let (host, _) = enforced();
    let mut watch = Going::start(
        host.command(&["watch", "--json", "--count", "2", "--port", "web-1/0"]),
        "Watching",
    );
    let wire = host.ports[0].open().expect("a wire");
    let send = |text: &str| {
        let spec: FrameSpec = text.parse().expect("a frame");
        let (own, other) = (MacAddress(host.ports[0].mac), MacAddress(host.ports[1].mac));
        wire.send(&spec.to_frame(own, other)).expect("sent");
    };
    send("tcp 10.0.0.66:40000 > 10.0.0.6:80");
    send("tcp 10.0.0.5:40000 > 10.0.0.6:25");
    let seen: Vec<Value> = (0..2)
        .map(|_| serde_json::from_str(&watch.line()).expect("JSON"))
        .collect();
    assert_eq!(watch.end(), Some(0));
    assert_eq!(seen[0]["decider"], "guard/ipv4");
    assert_eq!(seen[0]["direction"], "out");
    assert_eq!(seen[0]["port"], "web-1/0");
    let rule = seen[1]["rule"].as_str().expect("a rule");
    assert!(
        rule.contains("drop out smtp") && rule.contains("policy.yaml"),
        "{rule}"
    );
    let frame = seen[1]["frame"].as_str().expect("a frame");
    assert!(
        frame.starts_with("tcp 10.0.0.5:40000 > 10.0.0.6:25"),
        "{frame}"
    );

    let stats = host.moat(&["stats", "--json"]).ends(0).json();
    assert_eq!(stats["rules"]["guard/ipv4"]["frames"], 1);
    let smtp = stats["rules"][seen[1]["decider"].as_str().expect("a decider")].clone();
    assert_eq!(smtp["frames"], 1);
    assert!(
        host.moat(&["stats"])
            .ends(0)
            .stdout
            .contains("drop out smtp")
    );
}
