//! Promise 1 at the edges: interfaces that nobody claims, names that are used again, the host itself, too much.

use testbed::SwitchPort;

use super::host::{Host, port, surroundings, udp};

fn documents(bridge: &str, profile: &str, ports: &[u32]) -> String {
    let mut documents = surroundings(bridge);
    documents.push_str(&format!(
        "---\nkind: Profile\nname: web\nstateful: off\n{profile}\n"
    ));
    for number in ports {
        documents.push_str(&port(*number, "web"));
    }
    documents
}

const OPEN: &str = "guards: [mac, ipv4, arp]\ndefault: {in: accept, out: accept}";

#[test]
fn what_nobody_claims_is_in_quarantine_both_ways() {
    let mut host = Host::new(4);
    host.apply(&documents("managed: true, uplinks: [vnet2]", OPEN, &[0, 1]));
    let frame = |from, to| udp(from, to, 80, 1).bytes();
    assert_eq!(host.deliver(0, 1, &frame(0, 1), 1), 1);
    assert_eq!(host.deliver(2, 0, &frame(2, 0), 1), 1, "from the uplink");
    assert_eq!(host.deliver(0, 2, &frame(0, 2), 1), 1, "to the uplink");
    for other in 0..3 {
        assert_eq!(
            host.deliver(3, other, &frame(3, other as u32), 1),
            0,
            "from vnet3 to {other}"
        );
        assert_eq!(
            host.deliver(other, 3, &frame(other as u32, 3), 1),
            0,
            "to vnet3 from {other}"
        );
    }
    // An interface that comes later, before anybody has applied anything.
    let late = host.switch.add_port().expect("a port");
    host.ports.push(late);
    assert_eq!(host.deliver(4, 0, &frame(4, 0), 1), 0, "from a stranger");
    assert_eq!(host.deliver(0, 4, &frame(0, 4), 1), 0, "to a stranger");
}

/// A port that takes all ARP is found by the low half of its index: half an index is not a port.
#[test]
fn a_stranger_with_half_the_index_of_a_port_gets_no_arp() {
    let mut host = Host::new(2);
    let before = documents("managed: true", OPEN, &[0, 1]);
    host.apply(&before);
    let listed = host.nft(&["list", "set", "bridge", "moat", "in-arp"]);
    assert!(listed.contains("port-0"), "{listed}");
    let twin = SwitchPort {
        device: "vnet9".to_owned(),
        index: host.ports[0].index + 0x1_0000,
        end_namespace: host.switch.namespace().clone(),
        end_device: "far9".to_owned(),
        end_index: host.ports[1].index + 0x1_0000,
        ..host.ports[0].clone()
    };
    let bridge = host.switch.bridges()[0].name.clone();
    let (near, far) = (twin.index.to_string(), twin.end_index.to_string());
    let made = format!(
        "link add vnet9 index {near} type veth peer name far9 index {far}\nlink set far9 up\n\
         link set vnet9 up master {bridge}\n"
    );
    for line in made.lines() {
        let mut ip = host.switch.namespace().command("ip");
        let status = ip.args(line.split(' ')).status();
        assert!(
            status.expect("ip runs: install iproute2").success(),
            "{line}"
        );
    }
    // The kernel tells the bridge from a work queue.
    let carries = |name| host.switch.links().find(name).expect("the device").carries;
    while !carries("vnet9") {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    host.ports.push(twin);
    let mut request = vec![0xff; 6];
    request.extend([0x52, 0x54, 0, 0, 0, 2, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
    request.extend([0x52, 0x54, 0, 0, 0, 2, 10, 0, 0, 2]);
    request.extend([0, 0, 0, 0, 0, 0, 10, 0, 0, 99]);
    request.resize(60, 0);
    assert_eq!(host.deliver(1, 0, &request, 1), 1, "to the port");
    assert_eq!(host.deliver(1, 2, &request, 1), 0, "to the stranger");
    // Nothing but the policy kept it from there.
    host.apply(&format!("{before}{}", port(9, "web")));
    assert_eq!(host.deliver(1, 2, &request, 1), 1, "admitted");
}

#[test]
fn a_name_used_again_is_another_interface() {
    let mut host = Host::new(3);
    let documents = documents("managed: true", OPEN, &[0, 1, 2]);
    host.apply(&documents);
    let frame = udp(0, 1, 80, 1).bytes();
    assert_eq!(host.deliver(0, 1, &frame, 1), 1);
    let old = host.ports[0].clone();
    host.switch
        .unplug(std::slice::from_ref(&old))
        .expect("unplugged");
    let again = host.switch.plug_as(old.clone()).expect("plugged");
    assert_ne!(again.index, old.index, "the kernel gives a new index");
    host.ports[0] = again;
    assert_eq!(
        host.deliver(0, 1, &frame, 1),
        0,
        "in quarantine until it is admitted"
    );
    host.apply(&documents);
    assert_eq!(host.deliver(0, 1, &frame, 1), 1);
    assert!(host.plan(&documents).is_empty());
}

#[test]
fn the_host_is_protected_from_its_machines() {
    let mut host = Host::new(2);
    let address = "10.0.0.200".parse().expect("an address");
    let bridge = host.switch.bridges()[0].index;
    host.switch
        .links()
        .add_address(bridge, address, 16)
        .expect("an address");
    let profile =
        "guards: [mac, ipv4, arp]\ndefault: {in: accept, out: drop}\nrules: [accept out udp 53]";
    host.apply(&documents("managed: true", profile, &[0]));
    let listen = |port: u16| {
        let socket = host
            .switch
            .namespace()
            .run(|| std::net::UdpSocket::bind(("10.0.0.200", port)).expect("a socket"));
        socket.set_nonblocking(true).expect("set");
        socket
    };
    let (open, closed) = (listen(53), listen(54));
    let mut buffer = [0; 64];
    let mut ask = |destination: [u8; 6], port: u16, from: u32| {
        let mut frame = udp(from, 1, port, 1);
        frame.destination_mac = destination;
        frame.destination = (
            "10.0.0.200"
                .parse::<std::net::Ipv4Addr>()
                .expect("an address"),
            port,
        )
            .into();
        host.deliver(from as usize, 1 - from as usize, &frame.bytes(), 1);
        (
            open.recv(&mut buffer).is_ok(),
            closed.recv(&mut buffer).is_ok(),
        )
    };
    let bridge_mac = [0x02, 0xb0, 0, 0, 0, 0];
    assert_eq!(ask(bridge_mac, 53, 0), (true, false));
    assert_eq!(ask(bridge_mac, 54, 0), (false, false));
    // Reserved groups come to the host past prerouting.
    for last in [0, 2, 3, 4, 15] {
        assert_eq!(
            ask([1, 0x80, 0xc2, 0, 0, last], 54, 0),
            (false, false),
            "{last}"
        );
    }
    assert_eq!(
        ask(bridge_mac, 53, 1),
        (false, false),
        "nobody claims the second interface"
    );
}

#[test]
fn limits_hold() {
    let mut host = Host::new(2);
    let limited = |limits: &str| {
        documents(
            "managed: true",
            &format!("{OPEN}\nlimits: {{{limits}}}"),
            &[0, 1],
        )
    };
    let frame = udp(0, 1, 80, 1).bytes();
    let mut broadcast = udp(0, 1, 80, 1);
    broadcast.destination_mac = [0xff; 6];
    let broadcast = broadcast.bytes();
    // A burst of a tenth of a second, at least five frames, and what the second lets in meanwhile.
    for limits in ["out: 10pps", "in: 10pps"] {
        host.apply(&limited(limits));
        let delivered = host.deliver(0, 1, &frame, 500);
        assert!(
            (5..100).contains(&delivered),
            "{limits}: {delivered} of 500"
        );
        host.remove();
    }
    for limits in ["out-broadcast: 10pps", "in-broadcast: 10pps"] {
        host.apply(&limited(limits));
        assert_eq!(host.deliver(0, 1, &frame, 500), 500, "{limits}");
        let delivered = host.deliver(0, 1, &broadcast, 500);
        assert!(
            (5..100).contains(&delivered),
            "{limits}: {delivered} of 500"
        );
        host.remove();
    }
    host.apply(&limited("out: 1mbit"));
    let mut long = udp(0, 1, 80, 1);
    long.length = 1400;
    // 65,536 bytes at once and 125,000 a second.
    let delivered = host.deliver(0, 1, &long.bytes(), 500);
    assert!((40..400).contains(&delivered), "{delivered} of 500");
    // Limits change in place.
    host.apply(&limited("out: 2mbit"));
    assert!(host.plan(&limited("out: 2mbit")).is_empty());
    host.apply(&limited(""));
    assert_eq!(host.deliver(0, 1, &long.bytes(), 500), 500);
}
