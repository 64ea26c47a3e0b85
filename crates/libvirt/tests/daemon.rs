//! The client against the real libvirtd: every call, every event, and a daemon that goes away.

use std::time::Duration;

use libvirt::call::{self, DomainEventKind};
use libvirt::event::{DomainEvent, DomainLifecycle, Event, NetworkLifecycle};
use libvirt::xml::{Domain, FilterBinding, NAMESPACE, Network, NetworkPort};
use libvirt::{
    Access, Connection, ConnectionError, Endpoint, Endpoints, ErrorCode, Timeouts, Uuid,
};
use testbed::guest::GuestSpec;
use testbed::libvirtd::{self, GuestImage, Interface, Libvirtd};

const MAC: [u8; 6] = [0x52, 0x54, 0, 0, 0, 1];
const NETWORK: &str = "<network><name>tenant</name><forward mode='bridge'/><bridge name='br0'/>\
    <portgroup name='isolated-2102' default='yes'/></network>";

fn endpoint(host: &Libvirtd) -> Endpoint {
    Endpoint::at(host.socket(), "qemu:///system")
}

fn open(host: &Libvirtd) -> Connection {
    let connection = Connection::open(&endpoint(host), Access::ReadWrite, Timeouts::default());
    connection.unwrap_or_else(|error| panic!("{error}"))
}

/// Events until one is as wanted; the time-out is the test's own, should none come.
fn await_event(connection: &mut Connection, wanted: impl Fn(&Event) -> bool) -> Event {
    let mut seen = Vec::new();
    loop {
        let event = connection.next_event(Duration::from_secs(60));
        let event = event.unwrap_or_else(|error| panic!("{error}"));
        let event = event.unwrap_or_else(|| panic!("nothing more came after {seen:?}"));
        if wanted(&event) {
            return event;
        }
        seen.push(event);
    }
}

fn await_domain_event(connection: &mut Connection, wanted: impl Fn(&DomainEvent) -> bool) {
    await_event(
        connection,
        |event| matches!(event, Event::Domain { domain, event } if domain.name == "web-1" && wanted(event)),
    );
}

fn await_lifecycle(connection: &mut Connection, wanted: DomainLifecycle) {
    await_domain_event(
        connection,
        |event| matches!(event, DomainEvent::Lifecycle { event, .. } if *event == wanted),
    );
}

#[test]
fn everything_that_libvirt_tells_of_a_domain_arrives() {
    let host = Libvirtd::new().expect("a hypervisor");
    host.give_successfully(&["net-define"], NETWORK)
        .expect("a network");
    let mut connection = open(&host);
    let uri = connection.call(&call::GetUri).expect("a URI");
    assert_eq!(uri, "qemu:///system");
    assert!(
        connection
            .call(&call::GetLibraryVersion)
            .expect("a version")
            >= 9_000_000
    );
    for kind in DomainEventKind::OF_PORTS {
        connection
            .call(&call::RegisterDomainEvent { kind: *kind })
            .expect("registered");
    }
    let iterations = call::RegisterDomainEvent {
        kind: DomainEventKind::MigrationIteration,
    };
    let registration = connection.call(&iterations).expect("registered");
    connection
        .call(&call::DeregisterDomainEvent { registration })
        .expect("deregistered");
    let networks = connection
        .call(&call::RegisterNetworkEvent)
        .expect("registered");
    // The driver behind libvirtd has no connection of its own that could close.
    match connection.call(&call::RegisterCloseEvent) {
        Ok(()) => {}
        Err(ConnectionError::Refused(error)) => assert_eq!(error.code, ErrorCode::NO_SUPPORT),
        Err(error) => panic!("{error}"),
    }

    host.ask(&["net-start", "tenant"]).expect("started");
    await_event(
        &mut connection,
        |event| matches!(event, Event::Network { network, event: NetworkLifecycle::Started, .. } if network.name == "tenant"),
    );
    connection
        .call(&call::DeregisterNetworkEvent {
            registration: networks,
        })
        .expect("deregistered");
    let listed = connection
        .call(&call::ListNetworks { active_only: true })
        .expect("networks");
    let tenant = listed
        .iter()
        .find(|network| network.name == "tenant")
        .expect("the network")
        .clone();
    assert_eq!(
        connection
            .call(&call::LookupNetworkByName {
                name: "tenant".to_owned()
            })
            .expect("it"),
        tenant
    );
    assert_eq!(
        connection
            .call(&call::LookupNetworkByUuid { uuid: tenant.uuid })
            .expect("it"),
        tenant
    );
    let xml = connection
        .call(&call::GetNetworkXml {
            network: tenant.clone(),
        })
        .expect("XML");
    assert_eq!(
        Network::parse(&xml).map(|network| network.bridge),
        Ok(Some("br0".to_owned()))
    );

    let image = GuestImage::new(&GuestSpec::network(&[])).expect("an image");
    let domain = libvirtd::Domain::new("web-1", &image, vec![Interface::network("tenant", MAC)]);
    host.provide(&image).expect("an image in place");
    // libvirt must let QEMU reset the guest, which `on_reboot` of this guest forbids it.
    let xml = domain.xml().replace("<on_reboot>destroy</on_reboot>", "");
    host.give_successfully(&["define"], &xml).expect("defined");
    await_lifecycle(&mut connection, DomainLifecycle::Defined);
    host.boot("web-1").expect("booted");
    await_lifecycle(&mut connection, DomainLifecycle::Started);
    let running = connection
        .call(&call::ListDomains { running_only: true })
        .expect("domains");
    let [web] = running.as_slice() else {
        panic!("{running:?}");
    };
    assert_eq!(
        connection
            .call(&call::LookupDomainByName {
                name: "web-1".to_owned()
            })
            .expect("it"),
        *web
    );
    assert_eq!(
        connection
            .call(&call::LookupDomainByUuid { uuid: web.uuid })
            .expect("it"),
        *web
    );
    assert_eq!(
        connection
            .call(&call::LookupDomainById { id: web.id })
            .expect("it"),
        *web
    );
    let xml = connection
        .call(&call::GetDomainXml {
            domain: web.clone(),
        })
        .expect("XML");
    let read = Domain::parse(&xml).unwrap_or_else(|error| panic!("{error}\n{xml}"));
    assert_eq!(read.interfaces[0].source.network.as_deref(), Some("tenant"));
    assert!(read.interfaces[0].target.is_some());
    let ports = connection
        .call(&call::ListNetworkPorts { network: tenant })
        .expect("ports");
    let port = call::GetNetworkPortXml {
        port: ports[0].clone(),
    };
    let port = NetworkPort::parse(&connection.call(&port).expect("XML")).expect("a port");
    assert_eq!((port.owner.name.as_str(), port.mac), ("web-1", MAC.into()));

    let metadata = call::GetDomainMetadata {
        domain: web.clone(),
        namespace: NAMESPACE.to_owned(),
    };
    match connection.call(&metadata) {
        Err(ConnectionError::Refused(error)) => {
            assert_eq!(error.code, ErrorCode::NO_DOMAIN_METADATA)
        }
        other => panic!("{other:?}"),
    }
    let set = "<moat><profile>web</profile></moat>";
    host.ask(&["metadata", "web-1", NAMESPACE, "moat", set, "--live"])
        .expect("set");
    await_domain_event(&mut connection, |event| {
        *event
            == DomainEvent::MetadataChange {
                namespace: Some(NAMESPACE.to_owned()),
            }
    });
    assert!(
        connection
            .call(&metadata)
            .expect("metadata")
            .contains("web")
    );
    let xml = connection
        .call(&call::GetDomainXml {
            domain: web.clone(),
        })
        .expect("XML");
    let read = Domain::parse(&xml).unwrap_or_else(|error| panic!("{error}\n{xml}"));
    assert_eq!(read.metadata.all.profiles, ["web"]);

    let second = Interface::bridge("br0", [0x52, 0x54, 0, 0, 0, 2]).xml();
    host.give_successfully(&["attach-device", "--live", "web-1"], &second)
        .expect("attached");
    await_domain_event(
        &mut connection,
        |event| matches!(event, DomainEvent::DeviceAdded { alias } if alias == "net1"),
    );
    host.give_successfully(&["detach-device", "--live", "web-1"], &second)
        .expect("asked to detach");
    // A guest that takes no part in it loses the device when it is reset.
    host.ask(&["reset", "web-1"]).expect("reset");
    await_domain_event(
        &mut connection,
        |event| matches!(event, DomainEvent::DeviceRemoved { alias } if alias == "net1"),
    );

    host.destroy("web-1").expect("destroyed");
    await_lifecycle(&mut connection, DomainLifecycle::Stopped);
    match connection.call(&call::LookupDomainById { id: web.id }) {
        Err(ConnectionError::Refused(error)) => {
            assert_eq!(error.code, ErrorCode::NO_DOMAIN);
            assert!(
                error
                    .to_string()
                    .starts_with("libvirt says: Domain not found"),
                "{error}"
            );
        }
        other => panic!("{other:?}"),
    }
    // A refusal does not end the connection.
    assert_eq!(connection.call(&call::GetUri).expect("a URI"), uri);
    connection.call(&call::Close).expect("closed");
}

#[test]
fn filters_and_their_bindings_are_read_made_and_ended() {
    let host = Libvirtd::new().expect("a hypervisor");
    let port = host.plug_port("wire0").expect("a port");
    let mut connection = open(&host);
    let filter = "<filter name='mine' chain='root'><rule action='drop' direction='out'><mac srcmacaddr='$MAC' match='no'/></rule></filter>";
    host.give_successfully(&["nwfilter-define"], filter)
        .expect("a filter");
    let filters = connection.call(&call::ListFilters).expect("filters");
    let mine = connection
        .call(&call::LookupFilterByName {
            name: "mine".to_owned(),
        })
        .expect("it");
    assert!(filters.contains(&mine));
    assert!(
        connection
            .call(&call::GetFilterXml { filter: mine })
            .expect("XML")
            .contains("srcmacaddr")
    );
    let xml = "<filterbinding><owner><name>web-1</name><uuid>c7a5fdbd-edaf-4455-926a-d65c16db1809</uuid></owner>\
        <portdev name='wire0'/><mac address='52:54:00:00:00:01'/><filterref filter='mine'/></filterbinding>";
    let binding = connection
        .call(&call::CreateFilterBinding {
            xml: xml.to_owned(),
        })
        .expect("bound");
    assert_eq!(
        (binding.device.as_str(), binding.filter.as_str()),
        ("wire0", "mine")
    );
    let listed = connection
        .call(&call::ListFilterBindings)
        .expect("bindings");
    assert_eq!(listed, std::slice::from_ref(&binding));
    let found = connection
        .call(&call::LookupFilterBinding {
            device: "wire0".to_owned(),
        })
        .expect("it");
    let xml = connection
        .call(&call::GetFilterBindingXml { binding: found })
        .expect("XML");
    assert_eq!(
        FilterBinding::parse(&xml).map(|binding| binding.device),
        Ok("wire0".to_owned())
    );
    connection
        .call(&call::DeleteFilterBinding { binding })
        .expect("freed");
    match connection.call(&call::LookupFilterBinding {
        device: "wire0".to_owned(),
    }) {
        Err(ConnectionError::Refused(error)) => {
            assert_eq!(error.code, ErrorCode::NO_NWFILTER_BINDING)
        }
        other => panic!("{other:?}"),
    }
    drop(port);
}

#[test]
fn a_daemon_that_goes_away_is_noticed_and_found_again() {
    let host = Libvirtd::new().expect("a hypervisor");
    let endpoints = Endpoints::below(&host.path("/"));
    assert!(endpoints.qemu.exists());
    let connect = || Connection::open(&endpoints.qemu, Access::ReadOnly, Timeouts::default());
    let mut connection = connect().expect("a connection");
    assert!(connection.path().ends_with("run/libvirt/libvirt-sock"));
    assert!(
        connection
            .call(&call::ListDomains {
                running_only: false
            })
            .expect("domains")
            .is_empty()
    );
    let create = call::CreateFilterBinding {
        xml: "<filterbinding/>".to_owned(),
    };
    assert!(
        matches!(connection.call(&create), Err(ConnectionError::Refused(_))),
        "opened read-only"
    );
    host.stop_daemon().expect("stopped");
    let ended = connection.next_event(Duration::from_secs(60));
    assert!(
        matches!(ended, Err(ConnectionError::Closed | ConnectionError::Io(_))),
        "{ended:?}"
    );
    assert!(matches!(connect(), Err(ConnectionError::Connect { .. })));
    host.start_daemon().expect("started");
    let mut connection = connect().expect("a connection");
    let unknown = call::LookupDomainByUuid {
        uuid: Uuid::default(),
    };
    assert!(matches!(
        connection.call(&unknown),
        Err(ConnectionError::Refused(_))
    ));
}
