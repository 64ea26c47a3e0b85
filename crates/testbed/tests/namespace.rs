//! Namespaces: separate, quiet, entered by closures and processes, gone with their owner.

use std::fs;
use std::net::TcpListener;
use testbed::link::{LinkError, Links};
use testbed::{Namespace, NamespaceOptions};

fn identity() -> String {
    let link = fs::read_link("/proc/thread-self/ns/net").expect("every thread has a namespace");
    link.display().to_string()
}

#[test]
fn a_closure_runs_inside_and_returns_its_value() {
    let namespace = Namespace::new().expect("a namespace");
    let outside = identity();
    let inside = namespace.run(identity);
    assert_ne!(inside, outside);
    assert_eq!(
        namespace.clone().run(identity),
        inside,
        "a clone is the same namespace"
    );
    assert_eq!(identity(), outside, "the calling thread has not moved");
    let namespace_now = fs::read_link(namespace.path()).expect("the path names the namespace");
    assert_eq!(namespace_now.display().to_string(), inside);
}

#[test]
fn a_panic_inside_goes_on_outside() {
    let namespace = Namespace::new().expect("a namespace");
    let caught = std::panic::catch_unwind(|| namespace.run(|| panic!("from inside")));
    let panic = caught.expect_err("the panic must come through");
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"from inside"));
}

#[test]
fn a_command_starts_inside() {
    let namespace = Namespace::new().expect("a namespace");
    let output = namespace.command("ip").args(["-o", "link"]).output();
    let output = output.expect("ip runs: install the package iproute2");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    let devices: Vec<&str> = text.lines().filter(|line| line.contains("UP")).collect();
    assert_eq!(devices.len(), 1, "loopback alone, and up: {text}");
}

#[test]
fn another_process_can_name_it_by_path() {
    let namespace = Namespace::new().expect("a namespace");
    let path = format!("--net={}", namespace.path().display());
    let output = std::process::Command::new("nsenter")
        .args([&path, "readlink", "/proc/self/ns/net"])
        .output();
    let output = output.expect("nsenter runs: install the package util-linux");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).trim(),
        namespace.run(identity)
    );
    let other = Namespace::new().expect("a namespace");
    let moved = other
        .command("ip")
        .args([
            "link", "add", "here", "type", "veth", "peer", "there", "netns",
        ])
        .arg(namespace.path())
        .status();
    assert!(
        moved
            .expect("ip runs: install the package iproute2")
            .success()
    );
    Links::open(&namespace)
        .and_then(|links| links.find("there"))
        .expect("the far end is in the named namespace");
}

#[test]
fn loopback_works_and_sockets_stay_inside() {
    let namespace = Namespace::new().expect("a namespace");
    let listener = namespace
        .run(|| TcpListener::bind("127.0.0.1:7"))
        .expect("a free port 7");
    let address = listener
        .local_addr()
        .expect("a bound socket has an address");
    namespace
        .run(|| std::net::TcpStream::connect(address))
        .expect("reachable inside");
}

#[test]
fn it_is_quiet_unless_asked_otherwise() {
    let read = |namespace: &Namespace, name: &str| {
        let path = format!("/proc/sys/net/{name}");
        namespace
            .run(|| fs::read_to_string(path))
            .map(|value| value.trim().to_owned())
    };
    let quiet = Namespace::new().expect("a namespace");
    assert_eq!(
        read(&quiet, "ipv6/conf/default/disable_ipv6")
            .ok()
            .as_deref(),
        Some("1")
    );
    let spoken = NamespaceOptions {
        ipv6: true,
        bridge_calls_iptables: true,
    };
    let spoken = Namespace::with(spoken).expect("a namespace");
    assert_eq!(
        read(&spoken, "ipv6/conf/default/disable_ipv6")
            .ok()
            .as_deref(),
        Some("0")
    );
    assert_eq!(
        read(&spoken, "ipv6/conf/default/accept_dad")
            .ok()
            .as_deref(),
        Some("0")
    );
    // Only where the kernel has br_netfilter.
    if let Ok(shown) = read(&quiet, "bridge/bridge-nf-call-iptables") {
        assert_eq!(shown, "0");
        assert_eq!(
            read(&spoken, "bridge/bridge-nf-call-iptables")
                .ok()
                .as_deref(),
            Some("1")
        );
    }
    spoken
        .set_parameter("ipv4/ip_forward", "1")
        .expect("a parameter that exists");
    assert_eq!(read(&spoken, "ipv4/ip_forward").ok().as_deref(), Some("1"));
    let refused = spoken
        .set_parameter("ipv4/no_such_thing", "1")
        .expect_err("no such parameter");
    assert!(
        refused.to_string().contains("net/ipv4/no_such_thing"),
        "{refused}"
    );
}

#[test]
fn a_missing_device_is_named() {
    let namespace = Namespace::new().expect("a namespace");
    let links = Links::open(&namespace).expect("netlink");
    assert!(matches!(links.find("eth7"), Err(LinkError::Missing(name)) if name == "eth7"));
}
