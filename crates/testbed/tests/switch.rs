//! A switch forwards, learns, floods and keeps VLAN tags, and after settling nothing is in flight.

use std::collections::BTreeSet;
use testbed::guest::{GuestSpec, inside_guest};
use testbed::{MarkedFrame, Switch, SwitchError, SwitchPort, SwitchSpec, marker_of};

const BROADCAST: [u8; 6] = [0xff; 6];

fn frame(from: &SwitchPort, to: [u8; 6], marker: u32) -> Vec<u8> {
    MarkedFrame {
        source_mac: from.mac,
        destination_mac: to,
        source: "10.0.0.1:1000".parse().expect("an address"),
        destination: "10.0.0.2:2000".parse().expect("an address"),
        marker,
        length: 64,
    }
    .bytes()
}

fn tagged(frame: &[u8], tag: [u8; 4]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    frame.splice(12..12, tag);
    frame
}

fn nft(switch: &Switch, ruleset: &str) {
    let status = switch.namespace().command("nft").arg(ruleset).status();
    assert!(
        status
            .expect("nft runs: install the package nftables")
            .success(),
        "{ruleset}"
    );
}

#[test]
fn frames_arrive_as_they_were_sent() {
    let switch = Switch::new().expect("a switch");
    let [one, two, three] = switch
        .add_ports(0, 3)
        .expect("ports")
        .try_into()
        .expect("three");
    let from = one.open().expect("a port");
    let (mut at_two, mut at_three) = (two.open().expect("a port"), three.open().expect("a port"));
    let plain = frame(&one, BROADCAST, 1);
    let frames = [
        plain.clone(),
        tagged(&plain, [0x81, 0x00, 0x20, 0x07]),
        tagged(&plain, [0x88, 0xa8, 0x00, 0x05]),
        tagged(
            &tagged(&plain, [0x81, 0x00, 0x00, 0x07]),
            [0x88, 0xa8, 0x00, 0x05],
        ),
        tagged(&plain, [0x81, 0x00, 0x00, 0x00]),
        // 802.3 with a length, shorter than the 60 bytes of a real wire, and with something behind the packet.
        [&BROADCAST[..], &one.mac, &[0, 3, 0x42, 0x42, 3]].concat(),
        [&plain[..], b"behind"].concat(),
    ];
    for sent in &frames {
        let received = switch.exchange(&from, sent, &mut [&mut at_two, &mut at_three]);
        let received = received.expect("a settled switch");
        assert_eq!(received, [vec![sent.clone()], vec![sent.clone()]]);
    }
}

#[test]
fn a_sender_never_hears_itself_and_a_known_address_is_not_flooded() {
    let switch = Switch::new().expect("a switch");
    let ports = switch.add_ports(0, 3).expect("ports");
    let mut open: Vec<_> = ports
        .iter()
        .map(|port| port.open().expect("a port"))
        .collect();
    open[1].send(&frame(&ports[1], BROADCAST, 1)).expect("sent");
    switch.settle().expect("settled");
    assert!(open[1].drain().expect("drained").is_empty());
    assert_eq!(open[2].drain().expect("drained").len(), 1);
    open[0].drain().expect("drained");
    open[0]
        .send(&frame(&ports[0], ports[1].mac, 2))
        .expect("sent");
    switch.settle().expect("settled");
    assert_eq!(open[1].drain().expect("drained").len(), 1);
    assert_eq!(open[2].drain().expect("drained").len(), 0);
}

#[test]
fn nothing_moves_of_its_own_accord() {
    let switch = Switch::new().expect("a switch");
    let mut listener = switch.listen().expect("a listener");
    switch.add_ports(0, 20).expect("ports");
    switch.settle().expect("settled");
    assert_eq!(listener.drain().expect("drained"), []);
}

#[test]
fn settling_is_exact_and_fast_enough_for_thousands_of_verdicts() {
    let switch = Switch::new().expect("a switch");
    let [one, two] = switch
        .add_ports(0, 2)
        .expect("ports")
        .try_into()
        .expect("two");
    nft(
        &switch,
        "add table bridge t; add chain bridge t c { type filter hook prerouting priority 0; }; add rule bridge t c udp dport 2001 drop",
    );
    let (from, mut to) = (one.open().expect("a port"), two.open().expect("a port"));
    // A thread that may have been on any CPU sweeps them all; an exchange needs only the one it was made on.
    for swept in [true, false] {
        let start = std::time::Instant::now();
        // Emulated CPUs are thirty times slower.
        let rounds = if inside_guest() { 300 } else { 5_000u32 };
        for marker in 0..rounds {
            let mut sent = frame(&one, two.mac, marker);
            if marker % 3 == 0 {
                sent[37] = 0xd1; // destination port 2001
            }
            let received = if swept {
                from.send(&sent).expect("sent");
                switch.settle().expect("settled");
                to.drain().expect("drained")
            } else {
                let received = switch.exchange(&from, &sent, &mut [&mut to]);
                received.expect("settled").concat()
            };
            let markers: Vec<_> = received
                .iter()
                .filter_map(|frame| marker_of(frame))
                .collect();
            let expected = if marker % 3 == 0 {
                vec![]
            } else {
                vec![marker]
            };
            assert_eq!(markers, expected);
        }
        let each = start.elapsed() / rounds;
        println!("verdict in {each:?}, all CPUs swept: {swept}");
    }
}

#[test]
fn settling_holds_under_load_on_every_cpu() {
    let switch = Switch::new().expect("a switch");
    let ports = switch.add_ports(0, 8).expect("ports");
    std::thread::scope(|scope| {
        for pair in ports.chunks(2) {
            let switch = &switch;
            scope.spawn(move || {
                let (from, mut to) = (
                    pair[0].open().expect("a port"),
                    pair[1].open().expect("a port"),
                );
                for marker in 0..1_000 {
                    let sent = frame(&pair[0], pair[1].mac, marker);
                    let received = switch
                        .exchange(&from, &sent, &mut [&mut to])
                        .expect("settled");
                    let own = received[0].iter().filter(|frame| **frame == sent).count();
                    assert_eq!(own, 1, "frame {marker}");
                }
            });
        }
    });
}

#[test]
fn a_listener_says_who_heard_a_broadcast() {
    let switch = Switch::new().expect("a switch");
    let ports = switch.add_ports(0, 200).expect("ports");
    let mut listener = switch.listen().expect("a listener");
    let from = ports[7].open().expect("a port");
    from.send(&frame(&ports[7], BROADCAST, 3)).expect("sent");
    switch.settle().expect("settled");
    let heard = listener.drain().expect("drained");
    let who: BTreeSet<u32> = heard.iter().map(|heard| heard.index).collect();
    let expected: BTreeSet<u32> = ports.iter().map(|port| port.end_index).collect();
    let missing: Vec<_> = expected.difference(&who).collect();
    assert_eq!(missing, [&ports[7].end_index]);
    assert_eq!(heard.len(), 199);
}

#[test]
fn counters_count_a_marker_exactly() {
    let switch = Switch::new().expect("a switch");
    let [one, two] = switch
        .add_ports(0, 2)
        .expect("ports")
        .try_into()
        .expect("two");
    let mut seven = two.count(Some(7)).expect("a counter");
    let mut any = two.count(None).expect("a counter");
    let from = one.open().expect("a port");
    let frames: Vec<_> = (0..10).map(|marker| frame(&one, two.mac, marker)).collect();
    let short = [&two.mac[..], &one.mac, &[0x88, 0xb5]].concat();
    for _ in 0..300 {
        let batch: Vec<&[u8]> = frames
            .iter()
            .map(Vec::as_slice)
            .chain([&short[..]])
            .collect();
        assert_eq!(from.send_batch(&batch).expect("sent"), 11);
    }
    switch.settle().expect("settled");
    assert_eq!(seven.count().expect("a count"), 300);
    assert_eq!(any.count().expect("a count"), 3_000);
    assert_eq!(
        any.count().expect("a count"),
        3_000,
        "reading does not reset it"
    );
}

#[test]
fn ports_come_and_go() {
    let switch = Switch::with(&SwitchSpec {
        bridges: 2,
        ..SwitchSpec::default()
    })
    .expect("a switch");
    let here = switch.add_ports(0, 2).expect("ports");
    let there = switch.add_ports(1, 2).expect("ports");
    let upper: Vec<_> = switch
        .links()
        .list()
        .expect("a list")
        .iter()
        .filter_map(|link| link.upper)
        .collect();
    let bridges = switch.bridges();
    assert_eq!(
        upper,
        [
            bridges[0].index,
            bridges[0].index,
            bridges[1].index,
            bridges[1].index
        ]
    );
    switch.unplug(&here).expect("unplugged");
    let left = switch.links().list().expect("a list");
    assert!(left.iter().all(|link| link.name != here[0].device));
    assert!(left.iter().any(|link| link.name == there[0].device));
    let again = switch.plug_as(here[0].clone()).expect("plugged in again");
    assert_eq!(
        (again.device.as_str(), again.mac),
        (here[0].device.as_str(), here[0].mac)
    );
    assert!(matches!(
        switch.add_ports(2, 1),
        Err(SwitchError::NoBridge {
            asked: 2,
            bridges: 2
        })
    ));
}

#[test]
fn ten_bridges_of_a_thousand_ports_are_made_at_once() {
    let start = std::time::Instant::now();
    let switch = Switch::with(&SwitchSpec {
        bridges: 10,
        ..SwitchSpec::default()
    })
    .expect("a switch");
    let mut last = None;
    for bridge in 0..10 {
        let ports = switch.add_ports(bridge, 1_000).expect("ports");
        assert_eq!(ports.len(), 1_000);
        last = ports.into_iter().next_back();
        println!("{} ports after {:?}", (bridge + 1) * 1_000, start.elapsed());
    }
    let last = last.expect("a port");
    let from = last.open().expect("a port");
    let mut listener = switch.listen().expect("a listener");
    from.send(&frame(&last, BROADCAST, 1)).expect("sent");
    switch.settle().expect("settled");
    assert_eq!(
        listener.drain().expect("drained").len(),
        999,
        "one bridge's other ports"
    );
}

#[test]
fn all_of_this_holds_on_another_kernel() {
    let arguments = [
        "--skip",
        "another_kernel",
        "--skip",
        "ten_bridges",
        "--nocapture",
    ];
    let spec = GuestSpec::this_test_binary(&arguments).expect("a spec");
    let outcome = spec.run().expect("a guest");
    println!("{}", outcome.output);
    assert_eq!(outcome.status, 0, "{}", outcome.console);
}
