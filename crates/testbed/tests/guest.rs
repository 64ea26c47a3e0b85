//! A guest boots a distribution's kernel and does there what the test machine's kernel may lack; and a test executable
//! runs again inside it.

use std::time::Duration;
use testbed::guest::{Guest, GuestError, GuestFile, GuestSpec, inside_guest};
use testbed::{MarkedFrame, Switch};

const RULESET: &str = "
table bridge moat {
    counter passed { }
    chain prerouting {
        type filter hook prerouting priority -150; policy drop;
        meta ibrname \"br0\" ct state established,related accept
        ct state invalid drop
        ip protocol udp udp dport 2000 counter name passed accept
        ip protocol udp reject with icmp type admin-prohibited
        limit rate 10/second log group 7
    }
}
";

#[test]
fn a_guest_runs_a_command_and_tells_its_status() {
    let mut lines = 0;
    let outcome = GuestSpec::bridge(&[
        "sh",
        "-c",
        "echo \"it's $0\"; uname -r; printf end; exit 42",
        "me",
    ])
    .run_watched(|_| lines += 1)
    .expect("a guest");
    println!("boot {:?}, total {:?}", outcome.boot, outcome.total);
    assert_eq!(outcome.status, 42, "{}", outcome.console);
    let kernel = testbed::guest::guest_kernel().expect("a kernel");
    assert_eq!(outcome.output, format!("it's me\n{kernel}\nend"));
    assert_eq!(lines, outcome.console.lines().count());
    assert!(
        !outcome.console.contains("cannot load"),
        "{}",
        outcome.console
    );
}

#[test]
fn the_guest_has_bridge_conntrack_ibrname_and_reject() {
    let mut spec = GuestSpec::bridge(&["nft", "-f", "/root/rules"]);
    spec.files.push(GuestFile {
        path: "/root/rules".to_owned(),
        contents: RULESET.into(),
        executable: false,
    });
    spec.modules.push("nf_conntrack_bridge".to_owned());
    let outcome = spec.run().expect("a guest");
    assert_eq!(outcome.status, 0, "{}", outcome.console);
}

#[test]
fn this_test_binary_runs_inside() {
    let spec = GuestSpec::this_test_binary(&["rerun::", "--nocapture"]).expect("a spec");
    let outcome = spec
        .run_watched(|line| println!("guest| {line}"))
        .expect("a guest");
    println!("boot {:?}, total {:?}", outcome.boot, outcome.total);
    assert_eq!(outcome.status, 0, "{}", outcome.console);
    assert!(outcome.output.contains("2 passed"), "{}", outcome.output);
}

/// Tests that run on the test machine and, by the test above, in the guest.
mod rerun {
    use super::*;

    fn frame(from: [u8; 6], to: [u8; 6], port: u16) -> Vec<u8> {
        MarkedFrame {
            source_mac: from,
            destination_mac: to,
            source: "10.0.0.1:1000".parse().expect("an address"),
            destination: (std::net::Ipv4Addr::new(10, 0, 0, 2), port).into(),
            marker: 1,
            length: 64,
        }
        .bytes()
    }

    #[test]
    fn a_frame_crosses_the_bridge_and_keeps_its_tag() {
        let switch = Switch::new().expect("a switch");
        let [one, two] = switch
            .add_ports(0, 2)
            .expect("ports")
            .try_into()
            .expect("two");
        let (from, mut to) = (one.open().expect("a port"), two.open().expect("a port"));
        let mut sent = frame(one.mac, two.mac, 2000);
        sent.splice(12..12, [0x88, 0xa8, 0x20, 0x07]);
        let start = std::time::Instant::now();
        for _ in 0..500 {
            let received = switch
                .exchange(&from, &sent, &mut [&mut to])
                .expect("settled");
            assert_eq!(received, [[sent.clone()]]);
        }
        println!("verdict in {:?}", start.elapsed() / 500);
    }

    #[test]
    fn a_refusal_comes_back_where_the_kernel_can_refuse() {
        let switch = Switch::new().expect("a switch");
        let [one, two] = switch
            .add_ports(0, 2)
            .expect("ports")
            .try_into()
            .expect("two");
        let (mut from, mut to) = (one.open().expect("a port"), two.open().expect("a port"));
        let loaded = switch.namespace().command("nft").arg(RULESET).output();
        let loaded = loaded
            .expect("nft runs: install the package nftables")
            .status
            .success();
        assert!(
            loaded || !inside_guest(),
            "the guest's kernel has every expression"
        );
        let port = if loaded { 2001 } else { 2000 };
        from.send(&frame(one.mac, two.mac, port)).expect("sent");
        switch.settle().expect("settled");
        let (answers, delivered) = (from.drain().expect("drained"), to.drain().expect("drained"));
        if loaded {
            let [answer] = answers.as_slice() else {
                panic!("one refusal, not {answers:?}")
            };
            // ICMP, destination unreachable, administratively prohibited.
            assert_eq!((answer[23], answer[34], answer[35]), (1, 3, 13));
        }
        assert_eq!(
            (answers.len(), delivered.len()),
            if loaded { (1, 0) } else { (0, 1) }
        );
    }
}

#[test]
fn a_guest_that_takes_too_long_is_killed() {
    let mut spec = GuestSpec::bridge(&["sleep", "1000"]);
    spec.timeout = Duration::from_millis(300);
    let late = spec.run().expect_err("too long");
    assert!(matches!(late, GuestError::Timeout { .. }), "{late}");
}

#[test]
fn a_guest_whose_kernel_stops_tells_no_status() {
    let outcome = GuestSpec::bridge(&["sh", "-c", "echo c > /proc/sysrq-trigger"]).run();
    let Err(GuestError::NoStatus { console }) = outcome else {
        panic!("{outcome:?}")
    };
    assert!(console.contains("sysrq triggered crash"), "{console}");
}

#[test]
fn dropping_a_guest_ends_it() {
    let guest = Guest::start(&GuestSpec::bridge(&["sleep", "1000"])).expect("a guest");
    let process = guest.process().expect("it sleeps");
    let path = format!("/proc/{process}");
    assert!(std::path::Path::new(&path).exists());
    drop(guest);
    assert!(!std::path::Path::new(&path).exists());
}

#[test]
fn what_is_missing_is_named() {
    let mut spec = GuestSpec::bridge(&["true"]);
    spec.binaries.push("/no/such/binary".into());
    let refused = spec.run().expect_err("no such binary");
    assert!(refused.to_string().contains("/no/such/binary"), "{refused}");
    let mut spec = GuestSpec::bridge(&["true"]);
    spec.modules.push("no_such_module".to_owned());
    let refused = spec.run().expect_err("no such module");
    assert!(refused.to_string().contains("no_such_module"), "{refused}");
}
