use policy::language::{Source, load};
use policy::observation::{Observation, ObservedBridge, ObservedInterface};
use policy::{Catalog, compile};

use super::*;
use crate::Capability;

/// One profile whose ports are on both bridges, and one for each alone.
const DOCUMENTS: &str = "\
kind: Profile
name: web
stateful: preferred
reject: preferred
guards: [mac]
rules: [reject in telnet from @office, accept in http]
---
kind: Group
name: office
members: [10.9.0.0/24]
---
kind: Network
name: here
bridge: br0
---
kind: Network
name: there
bridge: ovs0
---
kind: Port
name: a
mac: 52:54:00:00:00:01
device: vnet0
network: here
profiles: [web]
---
kind: Port
name: b
mac: 52:54:00:00:00:02
device: vnet1
network: there
profiles: [web]
---
kind: Host
name: hv-1
bridges: {br0: {managed: true}, ovs0: {managed: true}}
";

fn program(documents: &str) -> HostProgram {
    let catalog: Catalog =
        load(&[Source::new("here.yaml", documents)]).unwrap_or_else(|error| panic!("{error}"));
    let mut observed = Observation::default();
    for (number, (bridge, device)) in (1_u32..).zip([("br0", "vnet0"), ("ovs0", "vnet1")]) {
        let known = ObservedBridge {
            ifindex: number,
            ..ObservedBridge::default()
        };
        observed.bridges.insert(bridge.to_owned(), known);
        let interface = ObservedInterface {
            ifindex: 10 + number,
            bridge: bridge.to_owned(),
            ..ObservedInterface::default()
        };
        observed.interfaces.insert(device.to_owned(), interface);
    }
    compile(&catalog, None, &observed).expect("a program")
}

fn can(tracking: bool, reject: bool) -> Capabilities {
    let can = |present: bool| match present {
        true => Capability::present("tried", "nothing"),
        false => Capability::missing("tried", "nothing", "another switch"),
    };
    Capabilities {
        connection_tracking: can(tracking),
        reject_out: can(reject),
        reject_in: can(reject),
        bridge_name: can(true),
        log: can(true),
        limits: can(true),
    }
}

fn both(usual: Capabilities, other: Capabilities) -> HostCapabilities {
    let other = OtherSwitch {
        bridges: BTreeSet::from(["ovs0".to_owned()]),
        capabilities: other,
    };
    HostCapabilities {
        usual,
        others: BTreeMap::from([("openvswitch".to_owned(), other)]),
    }
}

#[test]
fn switches_that_can_the_same_give_what_one_gives() {
    let program = program(DOCUMENTS);
    let one = HostCapabilities::from(can(true, true)).resolve(&program);
    let two = both(can(true, true), can(true, true)).resolve(&program);
    assert_eq!(
        one.map(|it| it.program).expect("met"),
        two.map(|it| it.program).expect("met")
    );
}

#[test]
fn each_port_is_read_as_its_own_switch_can() {
    let program = program(DOCUMENTS);
    let resolved = both(can(false, false), can(true, true)).resolve(&program);
    let resolved = resolved.expect("met");
    let whole = &resolved.program;
    let stateful = |port: &str| whole.behaviours[&whole.ports[port].behaviour].stateful;
    assert_eq!(stateful("a"), policy::document::Stateful::Off);
    assert_eq!(stateful("b"), policy::document::Stateful::Preferred);
    let first_rule = |port: &str| {
        let behaviour = &whole.behaviours[&whole.ports[port].behaviour];
        let lists = behaviour.lists.iter().map(|list| &whole.lists[list]);
        let rules = lists.flat_map(|list| &list.inward);
        rules.map(|rule| rule.verdict).next().expect("a rule")
    };
    assert_eq!(first_rule("a"), policy::rule::Verdict::Drop);
    assert_eq!(first_rule("b"), policy::rule::Verdict::Reject);
    assert!(resolved.degraded.iter().all(|it| it.ports == ["a"]));
    // Each names what is there.
    for (name, behaviour) in &whole.behaviours {
        assert_eq!(*name, behaviour.name);
        assert!(
            behaviour
                .lists
                .iter()
                .all(|list| whole.lists[list].name == *list)
        );
    }
}

#[test]
fn what_one_switch_lacks_refuses_its_own_ports_alone() {
    let required = DOCUMENTS.replace("stateful: preferred", "stateful: required");
    let program = program(&required);
    let unmet = both(can(true, true), can(false, true)).resolve(&program);
    let unmet = unmet.expect_err("one cannot track");
    assert_eq!(unmet.len(), 1);
    assert_eq!(unmet[0].ports, ["b"]);
}
