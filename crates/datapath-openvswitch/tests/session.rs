//! Programs brought into a real Open vSwitch over OpenFlow: only the difference, nothing of others.

use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use datapath::Enforcement;
use datapath_openvswitch::Session;
use datapath_openvswitch::difference::is_ours;
use datapath_openvswitch::topology::{PortVlan, Topology, TopologyPort};
use policy::HostProgram;
use policy::language::{Source, load};
use policy::observation::{Observation, ObservedBridge, ObservedInterface};
use testbed::OpenVSwitch;

const DOCUMENTS: &str = "
kind: Host
name: hv-1
bridges: {br0: {uplinks: [eth0], managed: true}}
---
kind: Network
name: lan
bridge: br0
---
kind: Group
name: admins
members: [10.9.0.0/24, 2001:db8:9::/64]
---
kind: Profile
name: web
guards: [mac, ipv4, ipv6, arp, nd]
learn: none
tagged: [100-103]
default: {in: drop, out: accept}
rules:
  - accept in tcp 80, tcp 443
  - accept in ssh from @admins
  - drop out tcp 25
";

fn ports(count: u16) -> String {
    (0..count)
        .map(|number| {
            format!(
                "---\nkind: Port\nname: port-{number}\ndevice: vnet{number}\nmac: '52:54:00:00:{:02x}:{:02x}'\n\
                 addresses: [10.0.{}.{}, '2001:db8::{number}']\nnetwork: lan\nprofiles: [web]\n",
                number / 256, number % 256, number / 250, number % 250 + 1
            )
        })
        .collect()
}

fn topology(count: u16) -> Topology {
    let mut topology = Topology {
        bridge: "br0".to_owned(),
        ageing_seconds: 300,
        ..Topology::default()
    };
    let names = (0..count).map(|number| format!("vnet{number}"));
    for (name, number) in names.chain(["eth0".to_owned()]).zip(1..) {
        let port = TopologyPort {
            number,
            ifindex: Some(100 + u32::from(number)),
            vlan: PortVlan::Trunk,
            ..TopologyPort::default()
        };
        topology.ports.insert(name, port);
    }
    topology
}

fn program(documents: &str, topology: &Topology) -> HostProgram {
    let catalog = load(&[Source::new("test.yaml", documents)])
        .unwrap_or_else(|errors| panic!("{}", errors.render(false, 100)));
    let mut observed = Observation::default();
    observed.bridges.insert(
        "br0".to_owned(),
        ObservedBridge {
            ifindex: 99,
            ..ObservedBridge::default()
        },
    );
    for (name, port) in &topology.ports {
        let interface = ObservedInterface {
            ifindex: port.ifindex.unwrap_or_default(),
            bridge: "br0".to_owned(),
            ..ObservedInterface::default()
        };
        observed.interfaces.insert(name.clone(), interface);
    }
    policy::compile(&catalog, None, &observed).expect("a program")
}

fn connect(switch: &OpenVSwitch, topology: &Topology) -> Session {
    let stream = UnixStream::connect(switch.management_socket("br0")).expect("connected");
    stream
        .set_read_timeout(Some(Duration::from_millis(100)))
        .expect("set");
    Session::open(stream, topology.clone()).expect("a session")
}

fn bridge() -> OpenVSwitch {
    let switch = OpenVSwitch::start().expect("an Open vSwitch");
    switch.add_bridge("br0").expect("a bridge");
    switch
        .vsctl(&["set", "bridge", "br0", "fail_mode=secure"])
        .expect("set");
    switch
}

#[test]
fn only_the_difference_is_written_and_nothing_of_others_touched() {
    let switch = bridge();
    switch
        .ofctl(&[
            "-O",
            "OpenFlow14",
            "add-flow",
            "br0",
            "table=0,cookie=0x1,priority=7,arp,actions=NORMAL",
        ])
        .expect("added");
    let topology = topology(20);
    let mut session = connect(&switch, &topology);
    let all = format!("{DOCUMENTS}{}", ports(20));
    let first = session.enforce(program(&all, &topology)).expect("enforced");
    println!("{first:?}");
    assert_eq!(first.commits, 1);
    let again = session.enforce(program(&all, &topology)).expect("enforced");
    assert_eq!(again.commits, 0, "{again:?}");

    // Another connection, that remembers nothing, finds nothing to do either.
    let mut other = connect(&switch, &topology);
    let none = other.enforce(program(&all, &topology)).expect("enforced");
    assert_eq!(none.commits, 0, "{none:?}");

    // One more member of a group is one more flow; beside it only what says that its users' rules have changed.
    let more = all.replace("members: [", "members: [10.8.0.7, ");
    let one = session
        .enforce(program(&more, &topology))
        .expect("enforced");
    assert_eq!(
        one.changes,
        ["3 flows added", "1 flows changed", "2 flows removed"]
    );

    let fewer = format!("{DOCUMENTS}{}", ports(19));
    let less = session
        .enforce(program(&fewer, &topology))
        .expect("enforced");
    println!("a port and a member less: {less:?}");

    let flows = session.read().expect("read");
    let others: Vec<_> = flows.iter().filter(|flow| !is_ours(flow.cookie)).collect();
    assert!(
        others
            .iter()
            .any(|flow| flow.cookie == 1 && flow.priority == 7),
        "{others:?}"
    );
    session.remove().expect("removed");
    let flows = session.read().expect("read");
    assert!(flows.iter().all(|flow| !is_ours(flow.cookie)));
    assert!(flows.iter().any(|flow| flow.cookie == 1));
}

#[test]
fn what_others_change_is_mended() {
    let switch = bridge();
    let topology = topology(3);
    let all = format!("{DOCUMENTS}{}", ports(3));
    let mut session = connect(&switch, &topology);
    session.enforce(program(&all, &topology)).expect("enforced");
    switch
        .ofctl(&["-O", "OpenFlow14", "del-flows", "br0", "table=54"])
        .expect("deleted");
    let opened = "table=43,cookie=0x6d6f000000000000,priority=999,actions=resubmit(,44)";
    switch
        .ofctl(&["-O", "OpenFlow14", "add-flow", "br0", opened])
        .expect("added");
    switch
        .ofctl(&[
            "-O",
            "OpenFlow14",
            "--strict",
            "mod-flows",
            "br0",
            "table=58,priority=1,actions=NORMAL",
        ])
        .expect("changed");
    let mended = session.enforce(program(&all, &topology)).expect("enforced");
    println!("{mended:?}");
    assert_eq!(mended.commits, 1);
    assert!(
        mended.changes.contains(&"1 flows changed".to_owned())
            && mended.changes.contains(&"1 flows removed".to_owned()),
        "{mended:?}"
    );
    assert_eq!(
        connect(&switch, &topology)
            .enforce(program(&all, &topology))
            .expect("enforced")
            .commits,
        0
    );
}

#[test]
fn a_restarted_switch_gets_everything_again() {
    let mut switch = bridge();
    let topology = topology(3);
    let all = format!("{DOCUMENTS}{}", ports(3));
    let mut session = connect(&switch, &topology);
    session.enforce(program(&all, &topology)).expect("enforced");
    switch
        .start_daemon(testbed::openvswitch::Daemon::Switch)
        .expect("restarted");
    assert!(
        session.enforce(program(&all, &topology)).is_err(),
        "the connection is gone"
    );
    let mut session = connect(&switch, &topology);
    assert_eq!(
        session
            .enforce(program(&all, &topology))
            .expect("enforced")
            .commits,
        1
    );
    assert_eq!(
        session
            .enforce(program(&all, &topology))
            .expect("enforced")
            .commits,
        0
    );
}

#[test]
fn groups_do_not_multiply_rules() {
    let list = |first: &str| {
        (0..100)
            .map(|number| format!("{first}.{}", number * 2))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let numbers: Vec<String> = (0..10)
        .map(|number| format!("tcp {}", 1000 + number * 10))
        .collect();
    let documents = DOCUMENTS.replace(
        "  - drop out tcp 25",
        &format!(
            "  - accept in {} from @sources with ip.dst $TARGETS\n  - drop out tcp 25",
            numbers.join(", ")
        ),
    ) + &format!(
        "variables: {{TARGETS: [{}]}}\n---\nkind: Group\nname: sources\nmembers: [{}]\n{}",
        list("10.2.0"),
        list("10.1.0"),
        ports(1)
    );
    let topology = topology(1);
    let without = datapath_openvswitch::lower(
        &program(&format!("{DOCUMENTS}{}", ports(1)), &topology),
        &topology,
    );
    let with = datapath_openvswitch::lower(&program(&documents, &topology), &topology);
    let more = with.flows.len() - without.flows.len();
    println!(
        "{} flows, {more} for 100 sources, 100 destinations and 10 ports",
        with.flows.len()
    );
    assert!(more <= 250, "{more}");
}

#[test]
fn a_port_more_changes_its_own_flows_and_the_lists_of_everybody() {
    let switch = bridge();
    let topology = topology(500);
    let mut session = connect(&switch, &topology);
    let mut lowerer = datapath_openvswitch::lower::Lowerer::default();
    let mut timed = |what: &str, documents: &str| {
        let program = program(documents, &topology);
        let again = program.clone();
        let start = Instant::now();
        let changes = lowerer.lower(&program, &topology).len();
        let lowering = start.elapsed();
        let start = Instant::now();
        let done = session.enforce(program).expect("enforced");
        println!(
            "{what}: {changes} in {lowering:?}, enforced in {:?}: {:?}",
            start.elapsed(),
            done.changes
        );
        let mut other = connect(&switch, &topology);
        let rest = other.enforce(again).expect("enforced").changes;
        assert_eq!(rest, Vec::<String>::new(), "nothing is left to do");
        done
    };
    let all = |count| format!("{DOCUMENTS}{}", ports(count));
    timed("499 ports", &all(499));
    let more = timed("one more", &all(500));
    assert!(
        more.changes.iter().all(|line| line
            .split(' ')
            .next()
            .is_some_and(|number| number.parse::<u32>().is_ok_and(|number| number < 40))),
        "{more:?}"
    );
    timed(
        "one rule more",
        &all(500).replace(
            "  - drop out tcp 25",
            "  - drop out tcp 25\n  - drop out tcp 26",
        ),
    );
    timed(
        "nothing",
        &all(500).replace(
            "  - drop out tcp 25",
            "  - drop out tcp 25\n  - drop out tcp 26",
        ),
    );
}
