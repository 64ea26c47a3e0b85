//! Compiling again after some ports changed gives what compiling everything gives.

use frame::random::Rng;
use policy::language::{Source, load, parse};
use policy::observation::{Observation, ObservedBridge, ObservedInterface};
use policy::{Incremental, compile_learned};

const PORTS: usize = 8;

const SHARED: &str = r#"
kind: Host
name: h
bridges: {br0: {managed: true, uplinks: [vnet0]}}
---
kind: Network
name: lan
bridge: br0
---
kind: Network
name: club
bridge: br0
isolation: private
communities: {db: [p1, v2]}
---
kind: Group
name: web
select: {app: web}
---
kind: Profile
name: plain
guards: [mac, ipv4]
default: {in: drop, out: accept}
rules: [accept in tcp 80 from @web, accept in tcp 22 from network:club, "accept in udp 53 from vm:v3"]
---
kind: Profile
name: own
default: {in: drop, out: accept}
learn: first-packet
rules: [accept in tcp 80 from $IP, drop out udp to $IP]
---
kind: Policy
name: everywhere
level: {select: {app: web}}
mandatory: [drop both telnet]
---
kind: Policy
name: one
level: {port: p4}
rules: [accept in icmp]
"#;

/// A port by chance; `None`: not declared.
fn port(rng: &mut Rng, number: usize) -> Option<String> {
    if rng.one_in(5) {
        return None;
    }
    let labels = rng.pick(&["{}", "{app: web}", "{app: db}"]);
    let network = rng.pick(&["lan", "lan", "club"]);
    let role = if network == "club" {
        rng.pick(&["", "role: promiscuous\n"])
    } else {
        ""
    };
    let profile = rng.pick(&["plain", "plain", "own"]);
    let device = if rng.one_in(6) { 3 } else { number };
    let address = rng.below(200) + 1;
    Some(format!(
        "kind: Port\nname: p{number}\nvm: v{number}\nlabels: {labels}\ndevice: vnet{device}\n\
         mac: 52:54:00:00:00:{number:02x}\naddresses: [10.0.{number}.{address}]\nnetwork: {network}\n{role}profiles: [{profile}]\n"
    ))
}

fn observation(rng: &mut Rng) -> Observation {
    let mut observed = Observation::default();
    let bridge = ObservedBridge {
        ifindex: 2,
        ..ObservedBridge::default()
    };
    observed.bridges.insert("br0".to_owned(), bridge);
    for number in 0..PORTS {
        if rng.one_in(6) {
            continue;
        }
        let interface = ObservedInterface {
            ifindex: 10 + number as u32 + if rng.one_in(8) { 100 } else { 0 },
            bridge: rng.pick(&["br0", "br0", "br0", "br1"]).to_owned(),
            ..ObservedInterface::default()
        };
        observed
            .interfaces
            .insert(format!("vnet{number}"), interface);
    }
    observed
}

#[test]
fn what_changed_is_compiled_and_nothing_else_is_missed() {
    let shared = load(&[Source::new("shared.yaml", SHARED)])
        .unwrap_or_else(|errors| panic!("{}", errors.render(false, 100)));
    let mut admitted = 0;
    for seed in 0..200 {
        let mut rng = Rng::new(seed);
        let mut observed = observation(&mut rng);
        let mut incremental = Incremental::new(shared.clone(), None, observed.clone());
        for _ in 0..20 {
            match rng.below(12) {
                10 | 11 => {
                    let number = rng.below(PORTS);
                    let addresses = match rng.below(3) {
                        0 => Vec::new(),
                        1 => vec![format!("10.7.0.{number}/32")],
                        _ => vec![format!("10.7.0.{number}/32"), "10.7.9.9/32".to_owned()],
                    };
                    let addresses = addresses.iter().map(|a| a.parse().expect("a prefix"));
                    incremental.learn(&format!("p{number}"), addresses.collect());
                }
                0 => {
                    observed = observation(&mut rng);
                    incremental.observe(observed.clone());
                }
                1 => {
                    let rule = rng.pick(&["accept in tcp 80", "drop in tcp 80 from @web"]);
                    let text = format!("kind: Profile\nname: plain\nrules: [{rule}]\n");
                    for document in parse(&Source::new("p.yaml", text)).expect("a profile") {
                        incremental.insert(document);
                    }
                }
                _ => {
                    let number = rng.below(PORTS);
                    match port(&mut rng, number) {
                        Some(text) => {
                            for document in parse(&Source::new("p.yaml", text)).expect("a port") {
                                incremental.insert(document);
                            }
                        }
                        None => {
                            incremental.remove_port(&format!("p{number}"));
                        }
                    }
                }
            }
            let learned = incremental.learned().clone();
            let whole = compile_learned(incremental.catalog(), None, &observed, &learned)
                .expect("a program");
            let program = incremental.compile().expect("a program");
            assert_eq!(*program, whole, "seed {seed}");
            admitted += whole.ports.len();
        }
    }
    assert!(admitted > 4_000, "{admitted}: too few to mean anything");
}
