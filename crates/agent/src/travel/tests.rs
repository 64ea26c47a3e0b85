use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use learning::{Facts, Mode, Rules};
use policy::document::Limits;
use policy::intervals::Intervals;
use policy::program::PortProgram;

use super::*;

const MAC: MacAddress = MacAddress([0x52, 0x54, 0, 0, 0, 1]);
const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 5);
const NOW: Moment = Moment::seconds(1_000);
const VM: &str = "c7a5fdbd-edaf-4455-926a-d65c16db1809";

fn claim(learned: bool) -> Claim {
    let address = LearnedAddress {
        address: ADDRESS.into(),
        origin: LearnedOrigin::Leased,
        since: Duration::from_secs(900),
        expires: Some(Duration::from_secs(2_000)),
        server: None,
        client: 7,
    };
    Claim {
        port: "web-1/0".to_owned(),
        vm: Some("web-1".to_owned()),
        uuid: Some(VM.to_owned()),
        mac: MAC,
        learned: learned.then_some(address).into_iter().collect(),
        ..Claim::default()
    }
}

fn said(claim: &Claim) -> ClaimChange {
    ClaimChange::Replace {
        vm: VM.to_owned(),
        claims: vec![claim.clone()],
    }
}

/// A program that enforces ports of these names, all with the MAC.
fn program(names: &[&str]) -> HostProgram {
    let ports = names.iter().map(|name| {
        let port = PortProgram {
            name: (*name).to_owned(),
            vm: None,
            labels: BTreeMap::new(),
            device: "vnet1".to_owned(),
            ifindex: 7,
            bridge: "br0".to_owned(),
            network: "lan".to_owned(),
            mac: MAC,
            ipv4: Intervals::default(),
            ipv6: Intervals::default(),
            behaviour: String::new(),
            limits: Limits::default(),
            zone: 1,
            profiles: Vec::new(),
            origin: policy::origin::Origin::default(),
        };
        ((*name).to_owned(), Arc::new(port))
    });
    HostProgram {
        ports: ports.collect(),
        ..HostProgram::default()
    }
}

fn learner(port: &str) -> Learner {
    let mut learner = Learner::new();
    let facts = Facts {
        mac: MAC,
        network: "lan".to_owned(),
        rules: Rules {
            mode: Mode::Dhcp,
            ipv4: 2,
            ipv6: 2,
            ..Rules::default()
        },
        ..Facts::default()
    };
    learner.admit(port, facts, NOW);
    learner
}

/// How many addresses the port is told to have learned.
fn addresses(luggage: &Luggage) -> Option<usize> {
    match &luggage.belongings {
        Belongings::Learned(ports) => ports.get(&MAC).map(Vec::len),
        Belongings::Connections(_) => None,
    }
}

fn carried(travel: &mut Travel) -> Receiver<Luggage> {
    let (sender, receiver) = mpsc::channel();
    travel.carry_by(sender);
    receiver
}

fn publish(travel: &mut Travel, claim: &Claim, program: &HostProgram, learner: &Learner) {
    let claims = std::slice::from_ref(claim);
    travel.publish(std::iter::once((VM, claims)), program, learner);
}

#[test]
fn what_came_is_taken_in_when_the_port_is_enforced_and_once() {
    let mut travel = Travel::default();
    let nothing = program(&[]);
    travel.take(&said(&claim(true)), &nothing);
    assert_eq!(travel.arrivals(&nothing), None);
    // Its Port document may call it otherwise.
    let enforced = program(&["front"]);
    let mut learner = learner("front");
    let arrived = travel.arrivals(&enforced).expect("an arrival");
    learner.import(&arrived, NOW);
    assert_eq!(
        learner.addresses("front"),
        [ADDRESS.into()].map(std::net::IpAddr::into).into()
    );
    assert_eq!(travel.arrivals(&enforced), None);
    // From here on this host knows better than what the source still says.
    travel.take(&said(&claim(true)), &enforced);
    assert_eq!(travel.arrivals(&enforced), None);
}

#[test]
fn what_came_with_a_vm_that_left_again_is_nobodys() {
    let mut travel = Travel::default();
    travel.take(&said(&claim(true)), &program(&[]));
    travel.forget(VM, &[claim(true)]);
    assert_eq!(travel.arrivals(&program(&["web-1/0"])), None);
}

#[test]
fn of_two_ports_with_one_mac_neither_gets_it() {
    let mut travel = Travel::default();
    travel.take(&said(&claim(true)), &program(&[]));
    assert_eq!(travel.arrivals(&program(&["a", "b"])), None);
}

#[test]
fn a_source_is_told_what_is_new_and_nothing_else() {
    let mut travel = Travel::default();
    let enforced = program(&["web-1/0"]);
    let mut learner = learner("web-1/0");
    let told = carried(&mut travel);
    publish(&mut travel, &claim(false), &enforced, &learner);
    assert!(told.try_recv().is_err(), "nothing was learned");
    let snapshot = PortSnapshot {
        mac: MAC,
        addresses: claim(true).learned.iter().map(held).collect(),
    };
    let snapshot = Snapshot::of([("web-1/0".to_owned(), snapshot)].into());
    learner.import(&snapshot, NOW);
    publish(&mut travel, &claim(false), &enforced, &learner);
    let luggage = told.try_recv().expect("it has learned");
    assert_eq!((luggage.vm.as_str(), luggage.name.as_str()), (VM, "web-1"));
    assert_eq!(addresses(&luggage), Some(1));
    publish(&mut travel, &claim(false), &enforced, &learner);
    assert!(told.try_recv().is_err(), "it is known already");
    learner.expire(Moment::seconds(2_000));
    publish(&mut travel, &claim(false), &enforced, &learner);
    let luggage = told.try_recv().expect("its lease has ended");
    assert_eq!(addresses(&luggage), None);
}

#[test]
fn what_came_with_a_vm_is_not_written_back() {
    let mut travel = Travel::default();
    let told = carried(&mut travel);
    let mut learner = learner("web-1/0");
    travel.take(&said(&claim(true)), &program(&[]));
    let enforced = program(&["web-1/0"]);
    publish(&mut travel, &claim(true), &enforced, &learner);
    assert!(told.try_recv().is_err(), "it was not taken in yet");
    let arrived = travel.arrivals(&enforced).expect("an arrival");
    learner.import(&arrived, NOW);
    publish(&mut travel, &claim(true), &enforced, &learner);
    assert!(told.try_recv().is_err(), "its source carries it");
    // A life of the VM that carries nothing is told anew.
    travel.take(&said(&claim(false)), &program(&[]));
    publish(&mut travel, &claim(false), &enforced, &learner);
    assert!(told.try_recv().is_ok());
}

#[test]
fn what_somebody_brings_waits_for_ports_that_are_not_here() {
    let port = |last| PortSnapshot {
        mac: MacAddress([0x52, 0x54, 0, 0, 0, last]),
        addresses: claim(true).learned.iter().map(held).collect(),
    };
    let ports = [("a".to_owned(), port(1)), ("b".to_owned(), port(2))];
    let snapshot = Snapshot::of(ports.into());
    let mut travel = Travel::default();
    let enforced = program(&["here"]);
    let (here, later) = travel.bring(&snapshot, &enforced).expect("room");
    assert_eq!(here, Snapshot::of([("here".to_owned(), port(1))].into()));
    assert_eq!(later, 1);
    assert_eq!(travel.arrivals(&enforced), None);

    let many = (0..MOST_ARRIVALS).map(|number| {
        let [high, low] = u16::try_from(number).expect("small").to_be_bytes();
        let mac = MacAddress([0x52, 0x54, 1, 0, high, low]);
        let addresses = Vec::new();
        (number.to_string(), PortSnapshot { mac, addresses })
    });
    let many = Snapshot::of(many.collect());
    assert_eq!(travel.bring(&many, &enforced), Err(1));
}

fn connected(text: &str) -> Claim {
    Claim {
        connections: vec![text.parse().unwrap_or_else(|error| panic!("{error}"))],
        ..claim(false)
    }
}

#[test]
fn connections_wait_for_their_port_and_are_given_out_once() {
    let mut travel = Travel::default();
    travel.take(
        &said(&connected("tcp 10.0.0.5:1 192.0.2.9:2 3")),
        &program(&[]),
    );
    // The newer word counts.
    travel.take(
        &said(&connected("tcp 10.0.0.5:1 192.0.2.9:3 3")),
        &program(&[]),
    );
    assert!(travel.arrived_connections(&program(&[])).is_empty());
    let arrived = travel.arrived_connections(&program(&["web-1/0"]));
    let [(port, connections)] = arrived.as_slice() else {
        panic!("one port: {arrived:?}");
    };
    assert_eq!(port, "web-1/0");
    assert_eq!(connections.len(), 1);
    assert!(connections.iter().all(|it| it.destination.port() == 3));
    assert!(
        travel
            .arrived_connections(&program(&["web-1/0"]))
            .is_empty()
    );
}

#[test]
fn connections_of_a_port_that_is_here_or_has_left_do_not_arrive() {
    let mut travel = Travel::default();
    let claim = connected("tcp 10.0.0.5:1 192.0.2.9:2 3");
    // This host knows better.
    travel.take(&said(&claim), &program(&["web-1/0"]));
    assert!(
        travel
            .arrived_connections(&program(&["web-1/0"]))
            .is_empty()
    );
    travel.take(&said(&claim), &program(&[]));
    travel.forget(VM, std::slice::from_ref(&claim));
    assert!(
        travel
            .arrived_connections(&program(&["web-1/0"]))
            .is_empty()
    );
    // Nobody knows which of two was meant.
    travel.take(&said(&claim), &program(&[]));
    assert!(travel.arrived_connections(&program(&["a", "b"])).is_empty());
}

#[test]
fn what_somebody_brings_is_bounded() {
    let mut travel = Travel::default();
    let connection = |port: usize| format!("tcp 10.0.0.5:1000 192.0.2.9:{} 3", port % 65_535 + 1);
    let many = (0..2_000).map(|port| connection(port).parse());
    let many: Vec<Connection> = many
        .collect::<Result<_, _>>()
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(
        travel.bring_connections(&BTreeMap::from([(MAC, many.clone())])),
        Ok(())
    );
    let arrived = travel.arrived_connections(&program(&["web-1/0"]));
    assert_eq!(arrived.first().map(|(_, it)| it.len()), Some(MOST));
    let macs = (0..=MOST_ARRIVALS as u64).map(|number| {
        let [_, _, mac @ ..] = number.to_be_bytes();
        (MacAddress(mac), Vec::new())
    });
    assert_eq!(travel.bring_connections(&macs.collect()), Err(0));
}
