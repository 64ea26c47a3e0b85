//! Whatever changes between two programs, the short way makes the same batch as the long one.

use ::datapath::{Capabilities, Capability};
use frame::random::Rng;
use nftables::{Installed, SetContents, Table, TableContents};
use policy::Catalog;
use policy::language::{Source, load};
use policy::observation::{Observation, ObservedBridge, ObservedInterface};

use super::*;
use crate::difference::difference;
use crate::lower::{lower, table};

const GENERATION: u32 = 7;

/// What a port may be like, by chance; `None`: not there.
fn port(rng: &mut Rng, number: u32) -> Option<String> {
    if rng.below(5) == 0 {
        return None;
    }
    let addresses = rng.pick(&[
        "",
        "10.0.0.7",
        "10.0.0.7, 10.1.0.0/24",
        "0.0.0.1",
        "\"2001:db8:1::/64\"",
    ]);
    let profile = rng.pick(&["plain", "limited", "storm", "bare"]);
    let network = rng.pick(&["lan", "lan", "club", "other"]);
    // In different networks two ports may have one MAC: the zone is then found by it for either.
    let mac = match network {
        "other" => (number + 1) % PORTS + 1,
        _ => number + 1,
    };
    Some(format!(
        "---\nkind: Port\nname: p{number}\ndevice: vnet{number}\nmac: 52:54:00:00:00:{mac:02x}\n\
         addresses: [{addresses}]\nnetwork: {network}\nprofiles: [{profile}]\n"
    ))
}

/// What all ports share.
fn shared_documents(rng: &mut Rng, stateful: &str) -> String {
    let rules = rng.pick(&[
        "accept in tcp 80",
        "accept in tcp 80, 443 log",
        "drop out arp with arp.sender-ip 10.0.0.9",
        "accept in tcp 22 from @friends",
    ]);
    let members = rng.pick(&["10.9.0.0/24", "10.9.0.1, 10.9.0.3"]);
    let guards = rng.pick(&["[mac, ipv4, ipv6, arp, nd]", "[mac, arp]", "[]"]);
    format!(
        "kind: Host\nname: h\nbridges: {{br0: {{managed: true}}}}\n\
         ---\nkind: Network\nname: lan\nbridge: br0\nisolation: open\n\
         ---\nkind: Network\nname: other\nbridge: br0\nisolation: private\n\
         ---\nkind: Network\nname: club\nbridge: br0\nisolation: members\n\
         ---\nkind: Group\nname: friends\nmembers: [{members}]\n\
         ---\nkind: Profile\nname: plain\nstateful: \"{stateful}\"\nguards: {guards}\n\
         default: {{in: drop, out: accept}}\nrules:\n  - {rules}\n  - drop out smtp\n\
         ---\nkind: Profile\nname: limited\nstateful: \"off\"\nguards: [mac, ipv4, arp]\n\
         default: {{in: accept, out: accept}}\nlimits: {{out: {}mbit, in: 1gbit}}\n\
         ---\nkind: Profile\nname: storm\nstateful: \"off\"\nguards: [mac, ipv6, nd]\n\
         default: {{in: accept, out: accept}}\nlimits: {{out-broadcast: 200pps}}\n\
         ---\nkind: Profile\nname: bare\nstateful: \"off\"\nguards: []\ndefault: {{in: accept, out: accept}}\n",
        1 + rng.below(2)
    )
}

fn catalog(text: &str) -> Catalog {
    load(&[Source::new("test.yaml", text)])
        .unwrap_or_else(|errors| panic!("{}", errors.render(false, 100)))
}

const PORTS: u32 = 8;

fn observation() -> Observation {
    let mut observed = Observation::default();
    observed.bridges.insert(
        "br0".to_owned(),
        ObservedBridge {
            ifindex: 2,
            ..ObservedBridge::default()
        },
    );
    for number in 0..PORTS {
        let interface = ObservedInterface {
            ifindex: 10 + number,
            bridge: "br0".to_owned(),
            ..ObservedInterface::default()
        };
        observed
            .interfaces
            .insert(format!("vnet{number}"), interface);
    }
    observed
}

fn able() -> Capabilities {
    let yes = || Capability::present("", "");
    Capabilities {
        connection_tracking: yes(),
        reject_out: yes(),
        reject_in: yes(),
        bridge_name: yes(),
        log: yes(),
        limits: yes(),
    }
}

/// A ruleset as the kernel would report it.
fn installed(ruleset: &Ruleset) -> TableContents {
    let mut handle = 0;
    let mut next = || {
        handle += 1;
        handle
    };
    TableContents {
        generation: GENERATION,
        table: Installed {
            handle: next(),
            value: Table::new(table()),
        },
        chains: ruleset
            .chains
            .values()
            .map(|contents| Installed {
                handle: next(),
                value: contents.chain.clone(),
            })
            .collect(),
        rules: ruleset
            .chains
            .values()
            .flat_map(|contents| contents.rules.clone())
            .map(|value| Installed {
                handle: next(),
                value,
            })
            .collect(),
        sets: ruleset
            .sets
            .values()
            .map(|contents| SetContents {
                set: Installed {
                    handle: next(),
                    value: contents.set.clone(),
                },
                elements: contents.elements.clone(),
            })
            .collect(),
        objects: ruleset
            .objects
            .values()
            .map(|value| Installed {
                handle: next(),
                value: value.clone(),
            })
            .collect(),
    }
}

/// Which way was gone.
#[derive(Default, Debug)]
struct Ways {
    ports_alone: u32,
    with_shared: u32,
    neither: u32,
}

fn compare(before: &HostProgram, after: &HostProgram, ways: &mut Ways) {
    let can = able();
    let contents = installed(&lower(before, &can));
    let whole = difference(Some(&contents), None, &lower(after, &can));
    let mut check = |change: Option<Change>, way: fn(&mut Ways) -> &mut u32| -> bool {
        let Some(change) = change else { return false };
        *way(ways) += 1;
        assert_eq!(change.summary, whole.summary);
        assert!(
            change.batch.encode() == whole.batch.encode(),
            "{:#?}",
            change.summary
        );
        true
    };
    if shares_all(before, after) {
        let skeleton = Skeleton::of(before, &can);
        let change = ports_alone(&skeleton, before, after, GENERATION);
        if check(change, |ways| &mut ways.ports_alone) {
            return;
        }
    }
    let change = with_shared(before, after, &can, &contents.rules, GENERATION);
    if !check(change, |ways| &mut ways.with_shared) {
        ways.neither += 1;
    }
}

#[test]
fn the_short_way_makes_the_same_batch() {
    let observed = observation();
    let mut ways = Ways::default();
    for seed in 0..300 {
        let mut rng = Rng::new(seed);
        let stateful = rng.pick(&["off", "required"]);
        let mut shared = shared_documents(&mut rng, stateful);
        let mut ports: Vec<Option<String>> =
            (0..PORTS).map(|number| port(&mut rng, number)).collect();
        let program = |shared: &str, ports: &[Option<String>]| {
            let text: String = ports.iter().flatten().map(String::as_str).collect();
            policy::compile(&catalog(&format!("{shared}{text}")), None, &observed)
                .expect("a program")
        };
        let mut before = program(&shared, &ports);
        for _ in 0..4 {
            if rng.below(3) == 0 {
                shared = shared_documents(&mut rng, stateful);
            } else {
                let number = rng.below(PORTS as usize) as u32;
                if let Some(place) = ports.get_mut(number as usize) {
                    *place = port(&mut rng, number);
                }
            }
            let after = program(&shared, &ports);
            compare(&before, &after, &mut ways);
            before = after;
        }
    }
    println!("{ways:?}");
    assert!(ways.ports_alone > 100 && ways.with_shared > 100, "{ways:?}");
    assert!(ways.neither < 200, "{ways:?}");
}
