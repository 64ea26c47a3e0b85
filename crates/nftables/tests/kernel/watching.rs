//! Noticing what others change, and receiving what rules log.

use std::time::Duration;

use nftables::{
    Change, Event, Expression, Hook, HookPoint, Log, Monitor, Policy, Rule, Subject, nflog,
};

use crate::support::{Plan, base_chain, isolated, run, table};

const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn a_foreign_deletion_is_noticed() {
    let mut connection = isolated();
    let plan = Plan::rule(Vec::new());
    plan.install(&mut connection, &table());
    let mut monitor = Monitor::open().expect("as root");
    run("nft delete table bridge t");
    let mut removed = Vec::new();
    loop {
        match monitor.next_event(PATIENCE).expect("readable") {
            Some(Event::Changed {
                change,
                table,
                subject,
            }) => {
                assert_eq!(
                    (change, table.to_string()),
                    (Change::Removed, "bridge t".to_owned())
                );
                removed.push(subject);
            }
            Some(Event::Generation { id, name, .. }) => {
                assert_eq!(name.as_deref(), Some("nft"));
                assert_eq!(id, connection.generation().expect("readable"));
                break;
            }
            other => panic!("unexpected: {other:?}"),
        }
    }
    assert!(
        removed
            .iter()
            .any(|subject| matches!(subject, Subject::Table(_)))
    );
    assert!(
        removed
            .iter()
            .any(|subject| matches!(subject, Subject::Rule(rule) if rule.value.chain == "c"))
    );
    assert_eq!(monitor.next_event(Duration::ZERO).expect("readable"), None);
}

/// A bridge with two ports; what goes into `inner1` comes out of port `port1`, and so on.
fn bridge() {
    run(
        "set -e; ip link add name bridge1 type bridge mcast_snooping 0; \
         ip link add name port1 type veth peer name inner1 address 52:54:00:00:00:01; \
         ip link add name port2 type veth peer name inner2 address 52:54:00:00:00:02; \
         for i in bridge1 port1 inner1 port2 inner2; do ip link set dev $i addrgenmode none; done; \
         ip link set dev port1 master bridge1; ip link set dev port2 master bridge1; \
         ip addr add 10.0.0.1/24 dev inner1; \
         ip neigh add 10.0.0.2 lladdr 52:54:00:00:00:02 dev inner1; \
         for i in bridge1 port1 inner1 port2 inner2; do ip link set dev $i up; done; \
         until [ $(bridge link | grep -c 'state forwarding') = 2 ]; do sleep 0.01; done",
    );
}

fn index(name: &str) -> u32 {
    run(&format!("ip -o link show dev {name} | cut -d: -f1"))
        .trim()
        .parse()
        .expect("a number")
}

fn logging(point: HookPoint, prefix: &str) -> Plan {
    let mut chain = base_chain();
    chain.hook = Some(Hook::filter(point, 0, Policy::Accept));
    Plan {
        chains: vec![chain],
        rules: vec![Rule::new(
            "c",
            vec![Expression::Log(Log::Group {
                group: 77,
                prefix: prefix.to_owned(),
                snapshot: None,
                queue_threshold: 0,
            })],
        )],
        ..Plan::default()
    }
}

/// Sends a datagram of five bytes from 10.0.0.1, MAC …:01, to 10.0.0.2, MAC …:02.
fn send_datagram() {
    let socket = std::net::UdpSocket::bind("10.0.0.1:4000").expect("bound");
    socket.send_to(b"hello", "10.0.0.2:53").expect("sent");
}

fn next_packet(listener: &mut nflog::Listener) -> nflog::Packet {
    match listener.next_event(PATIENCE).expect("readable") {
        Some(nflog::Event::Packet(packet)) => packet,
        other => panic!("no packet: {other:?}"),
    }
}

fn assert_is_the_frame(packet: &nflog::Packet) {
    let frame = packet.frame().expect("a link header");
    assert_eq!(
        frame.get(..14).expect("a header"),
        [0x52, 0x54, 0, 0, 0, 2, 0x52, 0x54, 0, 0, 0, 1, 8, 0]
    );
    assert_eq!(frame.len(), 14 + 20 + 8 + 5);
    assert_eq!(
        frame.get(26..34).expect("addresses"),
        [10, 0, 0, 1, 10, 0, 0, 2]
    );
    assert!(frame.ends_with(b"hello"));
    assert_eq!(
        (packet.protocol, packet.family, packet.group),
        (0x0800, 7, 77)
    );
}

#[test]
fn logged_frames_come_whole_before_the_bridge_decides() {
    let mut connection = isolated();
    bridge();
    logging(HookPoint::Prerouting, "moat:9").install(&mut connection, &table());
    let mut listener = nflog::Listener::bind(77, &nflog::Options::default()).expect("free");
    send_datagram();
    let packet = next_packet(&mut listener);
    assert_is_the_frame(&packet);
    assert_eq!((packet.prefix.as_str(), packet.hook), ("moat:9", 0));
    assert_eq!(packet.input_port, index("port1"));
    assert_eq!(packet.input, index("bridge1"));
    assert_eq!((packet.output, packet.output_port), (0, 0));
    assert!(
        packet
            .hardware_address
            .starts_with(&[0x52, 0x54, 0, 0, 0, 1])
    );
}

#[test]
fn logged_frames_come_whole_after_the_bridge_decided() {
    let mut connection = isolated();
    bridge();
    logging(HookPoint::Postrouting, "x").install(&mut connection, &table());
    let mut listener = nflog::Listener::bind(77, &nflog::Options::default()).expect("free");
    send_datagram();
    let packet = next_packet(&mut listener);
    assert_is_the_frame(&packet);
    assert_eq!((packet.hook, packet.output_port), (4, index("port2")));
    // The kernel's bridge does not hand the input device to this hook.
    assert_eq!((packet.input, packet.input_port), (0, 0));
}

#[test]
fn a_group_has_one_listener() {
    let _connection = isolated();
    let options = nflog::Options {
        copy_length: 96,
        queue_threshold: Some(8),
        flush_timeout: Some(Duration::from_millis(20)),
        kernel_buffer: Some(65_536),
        ..nflog::Options::default()
    };
    let _first = nflog::Listener::bind(5, &options).expect("free");
    assert!(matches!(
        nflog::Listener::bind(5, &options),
        Err(nflog::BindError::Denied(5))
    ));
}

#[test]
fn unread_packets_are_reported_lost() {
    let mut connection = isolated();
    bridge();
    logging(HookPoint::Prerouting, "").install(&mut connection, &table());
    let options = nflog::Options {
        receive_buffer: 4096,
        ..nflog::Options::default()
    };
    let mut listener = nflog::Listener::bind(77, &options).expect("free");
    for _ in 0..100 {
        send_datagram();
    }
    let mut events = Vec::new();
    while let Some(event) = listener.next_event(Duration::ZERO).expect("readable") {
        events.push(event);
    }
    assert!(events.contains(&nflog::Event::Lost));
}
