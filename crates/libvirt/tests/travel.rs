//! What ports have learned, written into a running domain of the real libvirtd, arrives with it at the
//! host that it migrates to, before it runs there.

use std::net::Ipv4Addr;
use std::time::Duration;

use libvirt::call::{self, DomainEventKind};
use libvirt::event::{DomainEvent, Event};
use libvirt::xml::{
    Domain, LEARNED_NAMESPACE, LEARNED_PREFIX, LearnedAddress, LearnedOrigin, LearnedPort,
    learned_element,
};
use libvirt::{Access, Connection, ConnectionError, DomainRef, Endpoint, Timeouts};
use testbed::guest::GuestSpec;
use testbed::libvirtd::{self, GuestImage, Interface, Libvirtd, LibvirtdSpec, Recorder, connect};

const MAC: [u8; 6] = [0x52, 0x54, 0, 0, 0, 1];
const GUEST: &str = "web-1";

fn host(name: &str) -> Libvirtd {
    let spec = LibvirtdSpec {
        name: name.to_owned(),
        hooks: Recorder::hooks(),
        ..LibvirtdSpec::default()
    };
    Libvirtd::start(&spec).unwrap_or_else(|error| panic!("{error}"))
}

fn open(host: &Libvirtd) -> Connection {
    let endpoint = Endpoint::at(host.socket(), "qemu:///system");
    let connection = Connection::open(&endpoint, Access::ReadWrite, Timeouts::default());
    connection.unwrap_or_else(|error| panic!("{error}"))
}

fn learned(last: u8) -> Vec<LearnedPort> {
    vec![LearnedPort {
        mac: MAC.into(),
        addresses: vec![LearnedAddress {
            address: Ipv4Addr::new(10, 0, 0, last).into(),
            origin: LearnedOrigin::Lease,
            since: 1_700_000_000,
            until: Some(1_700_003_600),
            server: Some(Ipv4Addr::new(10, 0, 0, 1).into()),
            client: 7,
        }],
    }]
}

fn write(connection: &mut Connection, domain: &DomainRef, ports: &[LearnedPort]) {
    let call = call::SetDomainMetadata {
        domain: domain.clone(),
        namespace: LEARNED_NAMESPACE.to_owned(),
        prefix: LEARNED_PREFIX.to_owned(),
        element: learned_element(ports),
    };
    let written = connection.call(&call);
    written.unwrap_or_else(|error| panic!("{error}"));
}

fn read(text: &str) -> Domain {
    Domain::parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn live(connection: &mut Connection, domain: &DomainRef) -> Domain {
    let domain = domain.clone();
    let text = connection.call(&call::GetDomainXml { domain });
    read(&text.unwrap_or_else(|error| panic!("{error}")))
}

fn is_busy(connection: &mut Connection, domain: &DomainRef) -> bool {
    let domain = domain.clone();
    let busy = connection.call(&call::IsDomainBusy { domain });
    busy.unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn learned_addresses_arrive_with_a_domain_before_it_runs() {
    let (one, other) = (host("hv-1"), host("hv-2"));
    connect(&one, &other).expect("connected");
    let image = GuestImage::new(&GuestSpec::network(&[])).expect("an image");
    let domain = libvirtd::Domain::new(GUEST, &image, vec![Interface::bridge("br0", MAC)]);
    one.define(&domain).expect("a guest");
    other.provide(&image).expect("an image");
    one.boot(GUEST).expect("booted");
    let mut connection = open(&one);
    let kind = DomainEventKind::MetadataChange;
    connection
        .call(&call::RegisterDomainEvent { kind })
        .expect("registered");
    let name = GUEST.to_owned();
    let known = connection.call(&call::LookupDomainByName { name });
    let known = known.expect("the guest");

    // libvirt finds it by its UUID alone, takes the element back, and forgets one that it never had.
    let anonymous = DomainRef {
        name: "another".to_owned(),
        id: -1,
        ..known.clone()
    };
    write(&mut connection, &anonymous, &[]);
    write(&mut connection, &anonymous, &learned(4));
    assert_eq!(live(&mut connection, &known).learned, Ok(learned(4)));
    write(&mut connection, &anonymous, &[]);
    assert_eq!(live(&mut connection, &known).learned, Ok(Vec::new()));
    write(&mut connection, &known, &learned(5));
    let event = connection.next_event(Duration::from_secs(60));
    match event.expect("an event") {
        Some(Event::Domain {
            event: DomainEvent::MetadataChange { namespace },
            ..
        }) => assert_eq!(namespace.as_deref(), Some(LEARNED_NAMESPACE)),
        other => panic!("{other:?}"),
    }
    // The next life of the domain begins with nothing.
    let inactive = one.ask(&["dumpxml", "--inactive", GUEST]).expect("XML");
    assert_eq!(read(&inactive).learned, Ok(Vec::new()));
    assert!(!is_busy(&mut connection, &known));

    let target = Recorder::of(&other).expect("a recorder");
    target.take().expect("calls");
    let slow = ["--bandwidth", "1"];
    let migration = one.migrate(GUEST, &other, &slow).expect("begun");
    one.await_migration(GUEST).expect("under way");
    assert!(is_busy(&mut connection, &known), "while it migrates");
    let begun = target.take().expect("calls");
    let operations: Vec<&str> = begun.iter().map(|call| call.operation.as_str()).collect();
    for operation in ["migrate", "prepare", "start"] {
        let mut calls = begun.iter().filter(|call| call.hook == "qemu");
        let call = calls.find(|call| call.operation == operation);
        let call = call.unwrap_or_else(|| panic!("no {operation} in {operations:?}"));
        assert_eq!(read(&call.input).learned, Ok(learned(5)), "{operation}");
    }
    one.cancel(GUEST).expect("cancelled");
    assert!(!migration.wait().expect("an end").status.success());
    assert!(!is_busy(&mut connection, &known));

    let said = one.migrate(GUEST, &other, &[]).expect("begun").wait();
    let said = said.expect("an end");
    assert!(said.status.success(), "{said:?}");
    let mut there = open(&other);
    assert_eq!(live(&mut there, &known).learned, Ok(learned(5)));
    // Here it is over, and the domain is no domain that runs.
    let domain = known.clone();
    match connection.call(&call::IsDomainBusy { domain }) {
        Err(ConnectionError::Refused(_)) => {}
        other => panic!("{other:?}"),
    }
}
