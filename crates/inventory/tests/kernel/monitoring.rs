//! What `LinkMonitor` says of links that change.

use std::fmt::Write;
use std::time::Duration;

use inventory::{LinkChange, LinkEvent, LinkMonitor, LinkNotice};

use crate::namespace::{ip, ip_batch, run};

/// Far longer than the kernel takes; a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// Everything announced so far.
fn drain(monitor: &mut LinkMonitor) -> Vec<LinkEvent> {
    let mut events = Vec::new();
    // The kernel queues an event before the command that caused it returns.
    while let Some(notice) = monitor.next(Duration::ZERO).unwrap() {
        match notice {
            LinkNotice::Link(event) => events.push(event),
            LinkNotice::Overrun => panic!("the queue overran after {} events", events.len()),
        }
    }
    events
}

#[test]
fn the_life_of_an_interface_is_told() {
    run("monitoring::the_life_of_an_interface_is_told", || {
        ip("link add br0 type bridge");
        let bridge = inventory::observe().unwrap().bridges["br0"].ifindex;
        let mut monitor = LinkMonitor::new().unwrap();
        assert_eq!(monitor.next(Duration::from_millis(1)).unwrap(), None);

        ip("tuntap add vnet0 mode tap");
        let created = drain(&mut monitor);
        let LinkEvent { ifindex, .. } = created[0].clone();
        assert_eq!(created[0].name, "vnet0");
        assert_eq!(created[0].change, LinkChange::Present { master: None });

        ip("link set vnet0 master br0");
        let joined = drain(&mut monitor);
        let present = LinkChange::Present {
            master: Some(bridge),
        };
        assert!(
            joined
                .iter()
                .any(|event| event.ifindex == ifindex && event.change == present)
        );
        let reported = LinkChange::BridgePort {
            bridge: Some(bridge),
        };
        assert!(
            joined
                .iter()
                .any(|event| event.ifindex == ifindex && event.change == reported)
        );

        ip("link set vnet0 name web-1");
        let renamed = drain(&mut monitor);
        assert!(
            renamed
                .iter()
                .any(|event| event.ifindex == ifindex && event.name == "web-1")
        );

        ip("link set web-1 nomaster");
        let left = drain(&mut monitor);
        assert!(
            left.iter()
                .any(|event| event.change == LinkChange::LeftBridge)
        );
        assert!(left.iter().all(|event| event.change != LinkChange::Gone));
        assert_eq!(
            left.iter()
                .rfind(|event| event.ifindex == ifindex)
                .unwrap()
                .change,
            LinkChange::Present { master: None }
        );

        ip("link del web-1");
        let gone = drain(&mut monitor);
        assert_eq!(gone.last().unwrap().ifindex, ifindex);
        assert_eq!(gone.last().unwrap().change, LinkChange::Gone);
    });
}

#[test]
fn waiting_ends_with_the_event() {
    run("monitoring::waiting_ends_with_the_event", || {
        let mut monitor = LinkMonitor::new().unwrap();
        let maker = std::thread::spawn(|| ip("link add br0 type bridge"));
        let notice = monitor.next(PATIENCE).unwrap();
        assert!(matches!(notice, Some(LinkNotice::Link(LinkEvent { name, .. })) if name == "br0"));
        maker.join().unwrap();
    });
}

#[test]
fn lost_events_are_admitted() {
    run("monitoring::lost_events_are_admitted", || {
        ip("link add br0 type bridge");
        let mut monitor = LinkMonitor::new().unwrap();
        let mut commands = String::new();
        for round in 0..20_000 {
            writeln!(commands, "link set br0 mtu {}", 1400 + round % 100).unwrap();
        }
        ip_batch(&commands);
        let mut overruns = 0;
        while let Some(notice) = monitor.next(Duration::ZERO).unwrap() {
            overruns += usize::from(notice == LinkNotice::Overrun);
        }
        assert!(overruns > 0);
        // It goes on afterwards.
        ip("link set br0 name br1");
        assert!(drain(&mut monitor).iter().any(|event| event.name == "br1"));
    });
}
