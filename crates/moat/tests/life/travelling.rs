//! What a guest's port has learned moves with it, and is in force before the guest runs there. Its
//! connections move likewise; that they go on is shown where the kernel tracks any (datapath-nftables).

use testbed::guest::GuestSpec;
use testbed::libvirtd::{Domain, GuestImage, Interface, connect, mac_text};

use crate::documents::{NAMESPACE, guarded, host, mac};
use crate::host::{Host, await_until};

const ADDRESS: &str = "10.0.0.1";
const LEARNED: &str = "https://moat.dev/xmlns/learned/1";

const CONNECTIONS: &str = "https://moat.dev/xmlns/connections/1";
const CONNECTION: &str = "tcp 10.0.0.1:40000 192.0.2.9:443 432000 7/7";

/// What a domain carries in a namespace.
fn carries(host: &Host, namespace: &str) -> String {
    let said = host.libvirt.virsh(&["metadata", "web-1", namespace]);
    String::from_utf8_lossy(&said.expect("virsh").stdout).into_owned()
}

/// What the agent says of connections that came with the guest.
fn says_of_connections(host: &Host) -> Option<String> {
    let port = host.port("web-1/0");
    let notes = port["notes"].as_array().into_iter().flatten();
    let mut notes = notes.filter_map(|note| note.as_str());
    notes
        .find(|note| note.contains("connections"))
        .map(str::to_owned)
}

fn has_learned(host: &Host) -> bool {
    let port = host.port("web-1/0");
    let learned = port["learned"].as_array().into_iter().flatten();
    let mut learned = learned.filter_map(|address| address.as_str());
    port["state"] == "enforced" && learned.any(|address| address == ADDRESS)
}

#[test]
fn a_learned_address_is_in_force_at_the_target_before_the_guest_runs_there() {
    let learning = guarded("guarded", "learn: first-packet\n");
    let hosts = ["hv-1", "hv-2"].map(|name| {
        let documents = host(name, 1, "") + &learning;
        Host::with_moat(name, 1, &documents)
    });
    let [one, other] = &hosts;
    connect(&one.libvirt, &other.libvirt).expect("a wire");
    let spec = GuestSpec::network(&["guest-program", "send", "kinds=honest", "pause=2000"]);
    let image = GuestImage::new(&spec).expect("an image");
    let mut domain = Domain::new("web-1", &image, vec![Interface::bridge("br0", mac(1))]);
    domain.metadata = format!(
        "<moat:moat xmlns:moat='{NAMESPACE}'><moat:profile>guarded</moat:profile></moat:moat>"
    );
    one.libvirt.define(&domain).expect("a guest");
    other.libvirt.provide(&image).expect("an image");
    one.libvirt.boot("web-1").expect("a start");
    await_until("a learned address", || has_learned(one));
    await_until("a domain that carries it", || {
        carries(one, LEARNED).contains(ADDRESS)
    });
    // As the agent of the source writes it where connections are tracked.
    let element = format!(
        "<connections><port mac='{}'>{CONNECTION}</port></connections>",
        mac_text(mac(1))
    );
    let write = [
        "metadata",
        "web-1",
        CONNECTIONS,
        "moat-connections",
        &element,
        "--live",
    ];
    let written = one.libvirt.virsh(&write).expect("virsh");
    assert!(written.status.success(), "{written:?}");

    let slow = ["--bandwidth", "1"];
    let migration = one.libvirt.migrate("web-1", &other.libvirt, &slow);
    let migration = migration.expect("begun");
    one.libvirt.await_migration("web-1").expect("under way");
    // Its memory is still being copied: no frame of it has been seen there.
    assert!(has_learned(other), "{}", other.port("web-1/0"));
    let said = says_of_connections(other).expect("a note");
    let why = "no connections of the port are tracked here";
    assert!(said.contains(CONNECTION) && said.contains(why), "{said}");
    one.libvirt.cancel("web-1").expect("cancelled");
    assert!(!migration.wait().expect("an end").status.success());
    assert!(has_learned(one), "{}", one.port("web-1/0"));
    assert_eq!(says_of_connections(one), None, "it never left");

    let moved = one.libvirt.migrate("web-1", &other.libvirt, &[]);
    let moved = moved.expect("begun").wait().expect("an end");
    assert!(moved.status.success(), "{moved:?}");
    assert!(has_learned(other), "{}", other.port("web-1/0"));
    assert!(carries(other, CONNECTIONS).contains(CONNECTION));
}
