use libvirt::event::{DomainEvent, DomainLifecycle, Event, NetworkLifecycle};
use libvirt::{DomainRef, NetworkRef, Uuid};

use super::*;

fn domain(id: i32) -> DomainRef {
    DomainRef {
        name: "web-1".to_owned(),
        uuid: Uuid([1; 16]),
        id,
    }
}

fn of(id: i32, event: DomainEvent) -> Follow {
    follow(&Event::Domain {
        domain: domain(id),
        event,
    })
}

fn lifecycle(id: i32, event: DomainLifecycle) -> Follow {
    of(id, DomainEvent::Lifecycle { event, detail: 0 })
}

#[test]
fn what_changes_ports_is_asked_for_and_nothing_else() {
    let ask = Follow::AskDomain(domain(3));
    assert_eq!(lifecycle(3, DomainLifecycle::Started), ask);
    assert_eq!(lifecycle(3, DomainLifecycle::Resumed), ask);
    assert_eq!(
        lifecycle(3, DomainLifecycle::Stopped),
        Follow::Ended(domain(3))
    );
    assert_eq!(
        lifecycle(-1, DomainLifecycle::Stopped),
        Follow::AskDomain(domain(-1))
    );
    assert_eq!(lifecycle(-1, DomainLifecycle::Defined), Follow::Nothing);
    assert_eq!(lifecycle(3, DomainLifecycle::Suspended), Follow::Nothing);
    let alias = "net1".to_owned();
    assert_eq!(
        of(
            3,
            DomainEvent::DeviceAdded {
                alias: alias.clone()
            }
        ),
        ask
    );
    assert_eq!(of(3, DomainEvent::DeviceRemoved { alias }), ask);
    let namespace = |text: &str| DomainEvent::MetadataChange {
        namespace: Some(text.to_owned()),
    };
    assert_eq!(of(3, namespace(NAMESPACE)), ask);
    assert_eq!(of(3, namespace("urn:other")), Follow::Nothing);
    assert_eq!(of(-1, namespace(NAMESPACE)), Follow::Nothing);
    assert_eq!(follow(&Event::Lost), Follow::Resync);
    assert_eq!(follow(&Event::Closed { reason: 1 }), Follow::Resync);
    let network = NetworkRef {
        name: "n".to_owned(),
        uuid: Uuid([2; 16]),
    };
    let told = |event| {
        follow(&Event::Network {
            network: network.clone(),
            event,
            detail: 0,
        })
    };
    assert_eq!(
        told(NetworkLifecycle::Started),
        Follow::AskNetwork(network.clone())
    );
    assert_eq!(told(NetworkLifecycle::Stopped), Follow::Nothing);
}
