//! Promises 1, 2, 4 and 5: never between two versions, whoever stops, and whoever else has a hand in it.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use ::datapath::Datapath;
use datapath_nftables::NftablesDatapath;
use frame::random::Rng;
use testbed::Flood;

use super::host::{Host, address, port, program, surroundings, udp};

/// Always open, always closed, and open in one version each.
const ALWAYS: u16 = 80;
const NEVER: u16 = 9;
const NEVER_IN: u16 = 10;
const NEVER_OUT: u16 = 11;
const FIRST: u16 = 100;
const SECOND: u16 = 101;

/// Two versions that differ in rules, in a group, in a port's profile and in a port's addresses.
fn version(number: usize) -> String {
    let (open, peer, profile, more) = match number {
        0 => (FIRST, "10.7.0.0/24", "one", ""),
        _ => (SECOND, "10.8.0.0/24, 10.7.0.9", "two", ", 10.0.9.9"),
    };
    let mut documents = surroundings("managed: true");
    for name in ["one", "two"] {
        documents.push_str(&format!(
            "---\nkind: Profile\nname: {name}\nstateful: off\nguards: [mac, ipv4, arp]\ndefault: {{in: drop, out: accept}}\n\
             rules:\n  - drop both udp {NEVER}\n  - drop out udp {NEVER_OUT}\n\
             \x20 - accept in udp {ALWAYS}, {open}, {NEVER_OUT}\n  - accept in tcp from @peers\n"
        ));
    }
    documents.push_str(&format!(
        "---\nkind: Group\nname: peers\nmembers: [{peer}]\n"
    ));
    let own = format!("addresses: [{}", address(0));
    documents.push_str(&port(0, profile).replace(&own, &format!("{own}{more}")));
    documents.push_str(&port(1, profile));
    documents
}

#[test]
fn no_frame_gets_a_verdict_that_neither_version_gives() {
    let mut host = Host::new(2);
    let versions = [version(0), version(1)];
    host.apply(&versions[0]);
    let mut forged = udp(0, 1, ALWAYS, 5);
    forged.source = "10.0.0.77:40000".parse().expect("an address");
    let mut second = udp(0, 1, ALWAYS, 6);
    second.source = "10.0.9.9:40000".parse().expect("an address");
    let frames = [
        udp(0, 1, ALWAYS, 1),
        udp(0, 1, NEVER, 2),
        udp(0, 1, FIRST, 3),
        udp(0, 1, SECOND, 4),
        forged,
        second,
        udp(0, 1, NEVER_IN, 7),
        udp(0, 1, NEVER_OUT, 8),
    ];
    let mut counters: Vec<_> = (1..=8)
        .map(|marker| host.ports[1].count(Some(marker)).expect("a counter"))
        .collect();
    let bytes = frames.iter().map(|frame| frame.bytes()).collect();
    let flood = Flood::start(host.ports[0].open().expect("a port"), bytes).expect("a flood");
    let programs = [host.program(&versions[0]), host.program(&versions[1])];
    let mut datapath = host
        .switch
        .namespace()
        .run(|| NftablesDatapath::open().expect("netlink"));
    datapath.capabilities().expect("capabilities");
    for change in 1..=1000 {
        let installed = datapath.read().expect("a reading");
        let change = datapath.plan(&programs[change % 2], &installed);
        assert!(!change.is_empty());
        datapath.commit(&change).expect("committed");
    }
    let sent = flood.stop().expect("stopped").rounds;
    let heard: Vec<u64> = counters
        .iter_mut()
        .map(|counter| counter.count().expect("counted"))
        .collect();
    println!("1000 changes, {sent} frames of each class sent, heard {heard:?}");
    let [always, never, first, second, forged, moved, inward, outward] = heard[..] else {
        panic!("eight counters")
    };
    for (name, value) in host
        .counters()
        .rules
        .iter()
        .filter(|(_, value)| value.frames > 0)
    {
        println!("{name}: {}", value.frames);
    }
    assert_eq!((inward, outward), (0, 0), "one side alone is enough");
    assert_eq!(always, sent, "none of the frames that both accept is lost");
    assert_eq!(
        (never, forged),
        (0, 0),
        "none of the frames that both drop passes"
    );
    for sometimes in [first, second, moved] {
        assert!(0 < sometimes && sometimes < sent, "{sometimes} of {sent}");
    }
}

/// The moments at which an apply may end: each by SIGKILL from outside.
const STEPS: [&str; 4] = ["opened", "read", "planned", "committed"];

/// Applies version 1 and stops at a step, or goes from version to version for ever. Not a test but what the tests
/// below start again as a process of its own.
#[test]
fn another_process() {
    let Ok(stop) = std::env::var("MOAT_TEST_STOP") else {
        return;
    };
    let reach = |step: &str| {
        if step == stop {
            println!("\n{REACHED}");
            loop {
                std::thread::park();
            }
        }
    };
    let mut datapath = NftablesDatapath::open().expect("netlink");
    datapath.capabilities().expect("capabilities");
    let programs = [
        program(&mut datapath, &version(0)),
        program(&mut datapath, &version(1)),
    ];
    reach(STEPS[0]);
    if stop == "never" {
        println!("\n{REACHED}");
    }
    for number in (0..2).cycle().skip(1) {
        let installed = datapath.read().expect("a reading");
        reach(STEPS[1]);
        let change = datapath.plan(&programs[number], &installed);
        reach(STEPS[2]);
        datapath.commit(&change).expect("committed");
        reach(STEPS[3]);
    }
}

const REACHED: &str = "moat test: reached";

/// Starts it and waits until it says how far it is.
fn another(host: &Host, stop: &str) -> Child {
    let mut command = host
        .switch
        .namespace()
        .command(std::env::current_exe().expect("this binary"));
    let child = command
        .args(["--exact", "atomicity::another_process", "--nocapture"])
        .env("MOAT_TEST_STOP", stop)
        .stdout(Stdio::piped())
        .spawn();
    let mut child = child.expect("a process");
    let output = child.stdout.take().expect("its output");
    let reached = BufReader::new(output)
        .lines()
        .any(|line| line.is_ok_and(|line| line == REACHED));
    assert!(reached, "it never came to {stop}");
    child
}

fn kill(mut child: Child) {
    child.kill().expect("killed");
    child.wait().expect("ended");
}

/// What is in force is one of the versions, closed things are closed, and the next run converges.
fn whole(host: &mut Host) -> usize {
    let passes = |port| host.deliver(0, 1, &udp(0, 1, port, 1).bytes(), 1);
    let open = [FIRST, SECOND, ALWAYS, NEVER, NEVER_IN, NEVER_OUT].map(passes);
    let found = match open {
        [1, 0, 1, 0, 0, 0] => 0,
        [0, 1, 1, 0, 0, 0] => 1,
        _ => panic!("{open:?}: {}", host.nft(&["list", "ruleset"])),
    };
    host.apply(&version(0));
    assert!(host.plan(&version(0)).is_empty());
    found
}

#[test]
fn killed_at_every_step_it_is_one_version_or_the_other() {
    let mut host = Host::new(2);
    for step in STEPS {
        host.apply(&version(0));
        kill(another(&host, step));
        let expected = usize::from(step == "committed");
        assert_eq!(whole(&mut host), expected, "{step}");
    }
}

#[test]
fn killed_at_any_moment_it_is_one_version_or_the_other() {
    let mut host = Host::new(2);
    let mut rng = Rng::new(7);
    let mut found = [0; 2];
    for _ in 0..60 {
        host.apply(&version(0));
        let child = another(&host, "never");
        let mut moment = rng.below(20_000);
        while moment > 0 {
            std::hint::spin_loop();
            moment -= 1;
            if moment.is_multiple_of(64) {
                std::thread::yield_now();
            }
        }
        kill(child);
        found[whole(&mut host)] += 1;
    }
    println!("killed 60 times: versions found {found:?}");
}

#[test]
fn foreign_hands_are_noticed_and_mended() {
    let mut host = Host::new(2);
    let documents = version(0);
    host.nft(&["add table inet other; add chain inet other in { type filter hook input priority 0; }; add rule inet other in tcp dport 1 drop"]);
    host.nft(&["add table bridge other; add set bridge other macs { type ether_addr; }; add element bridge other macs { 52:54:00:00:00:09 }"]);
    let others = |host: &Host| {
        [
            host.nft(&["-a", "list", "table", "inet", "other"]),
            host.nft(&["-a", "list", "table", "bridge", "other"]),
        ]
    };
    let before = others(&host);
    host.apply(&documents);
    let own = host.nft(&["list", "table", "bridge", "moat"]);
    for hand in [
        "delete table bridge moat",
        "flush table bridge moat",
        "flush chain bridge moat prerouting",
        "flush chain bridge moat out",
        "flush map bridge moat in",
        "delete element bridge moat group-peers-4 { 10.7.0.0/24 }",
        "add element bridge moat group-peers-4 { 10.99.0.0/24 }",
        "insert rule bridge moat postrouting accept",
        "add rule bridge moat out counter",
        "add chain bridge moat theirs; add rule bridge moat theirs accept",
        "add set bridge moat theirs { type ether_addr; }",
        "add counter bridge moat theirs",
    ] {
        host.nft(&[hand]);
        assert!(!host.plan(&documents).is_empty(), "{hand}: not noticed");
        host.apply(&documents);
        assert!(host.plan(&documents).is_empty(), "{hand}: not mended");
        assert_eq!(
            host.nft(&["list", "table", "bridge", "moat"])
                .lines()
                .count(),
            own.lines().count(),
            "{hand}"
        );
        assert_eq!(
            host.deliver(0, 1, &udp(0, 1, NEVER, 1).bytes(), 1),
            0,
            "{hand}"
        );
        assert_eq!(
            host.deliver(0, 1, &udp(0, 1, ALWAYS, 1).bytes(), 1),
            1,
            "{hand}"
        );
        assert_eq!(others(&host), before, "{hand}");
    }
    host.nft(&["flush ruleset"]);
    host.apply(&documents);
    assert_eq!(host.deliver(0, 1, &udp(0, 1, NEVER, 1).bytes(), 1), 0);
    host.remove();
    assert_eq!(
        host.nft(&["list", "ruleset"]),
        "",
        "nothing of ours is left"
    );
}
