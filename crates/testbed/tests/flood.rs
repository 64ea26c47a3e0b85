//! A flood loses nothing of its own, and the price of a frame can be measured with and without rules.

use testbed::{Effort, Flood, MarkedFrame, Switch, SwitchPort, frame_cost};

fn frame(from: &SwitchPort, to: [u8; 6], marker: u32) -> Vec<u8> {
    MarkedFrame {
        source_mac: from.mac,
        destination_mac: to,
        source: "[2001:db8::1]:1000".parse().expect("an address"),
        destination: "[2001:db8::2]:2000".parse().expect("an address"),
        marker,
        length: 90,
    }
    .bytes()
}

fn nft(switch: &Switch, ruleset: &str) {
    let status = switch.namespace().command("nft").arg(ruleset).status();
    assert!(
        status
            .expect("nft runs: install the package nftables")
            .success(),
        "{ruleset}"
    );
}

#[test]
fn every_frame_of_a_flood_is_accounted_for_while_rules_change() {
    let switch = Switch::new().expect("a switch");
    let [one, two] = switch
        .add_ports(0, 2)
        .expect("ports")
        .try_into()
        .expect("two");
    // Without this chain the forbidden frames would pass; it is replaced over and over, never absent.
    let rules = format!(
        "add table bridge t; add chain bridge t c {{ type filter hook prerouting priority 0; }}; \
         flush chain bridge t c; add rule bridge t c ether saddr {} drop",
        text(one.mac)
    );
    let allowed = frame(&two, one.mac, 1);
    let forbidden = frame(&one, two.mac, 2);
    nft(&switch, &rules);
    let mut passed = one.count(Some(1)).expect("a counter");
    let mut leaked = two.count(Some(2)).expect("a counter");
    let good = Flood::start(two.open().expect("a port"), vec![allowed]).expect("a flood");
    let bad = Flood::start(one.open().expect("a port"), vec![forbidden]).expect("a flood");
    for _ in 0..20 {
        nft(&switch, &rules);
        good.wait_for(100);
        bad.wait_for(100);
    }
    let (good, bad) = (
        good.stop().expect("a report"),
        bad.stop().expect("a report"),
    );
    println!("{good:?} {bad:?}");
    assert!(good.rounds >= 2_000 && bad.rounds >= 2_000);
    assert_eq!(passed.count().expect("a count"), good.rounds);
    assert_eq!(leaked.count().expect("a count"), 0);
}

fn text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

#[test]
fn a_frame_has_a_price() {
    let switch = Switch::new().expect("a switch");
    let ports = switch.add_ports(0, 201).expect("ports");
    let (one, two) = (&ports[0], &ports[1]);
    two.open()
        .expect("a port")
        .send(&frame(two, one.mac, 0))
        .expect("sent");
    switch.settle().expect("settled");
    let effort = Effort {
        frames: 2_000,
        runs: 5,
    };
    let plain = frame_cost(&switch, one, &frame(one, two.mac, 1), &[two], effort).expect("a cost");
    assert_eq!(plain.delivered, 10_000);
    let others: Vec<&SwitchPort> = ports.iter().skip(1).collect();
    let few = Effort {
        frames: 100,
        runs: 3,
    };
    let broadcast =
        frame_cost(&switch, one, &frame(one, [0xff; 6], 1), &others, few).expect("a cost");
    assert_eq!(broadcast.delivered, 200 * 300);
    nft(
        &switch,
        "add table bridge t; add chain bridge t c { type filter hook prerouting priority 0; policy drop; }",
    );
    let dropped =
        frame_cost(&switch, one, &frame(one, two.mac, 1), &[two], effort).expect("a cost");
    assert_eq!(dropped.delivered, 0);
    println!("{plain:?} broadcast to 200 {broadcast:?} dropped {dropped:?}");
}
