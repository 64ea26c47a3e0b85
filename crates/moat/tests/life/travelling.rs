//! What a guest's port has learned moves with it, and is in force before the guest runs there.

use testbed::guest::GuestSpec;
use testbed::libvirtd::{Domain, GuestImage, Interface, connect};

use crate::documents::{NAMESPACE, guarded, host, mac};
use crate::host::{Host, await_until};

const ADDRESS: &str = "10.0.0.1";
const LEARNED: &str = "https://moat.dev/xmlns/learned/1";

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
        let asked = ["metadata", "web-1", LEARNED];
        let said = one.libvirt.virsh(&asked).expect("virsh");
        String::from_utf8_lossy(&said.stdout).contains(ADDRESS)
    });

    let slow = ["--bandwidth", "1"];
    let migration = one.libvirt.migrate("web-1", &other.libvirt, &slow);
    let migration = migration.expect("begun");
    one.libvirt.await_migration("web-1").expect("under way");
    // Its memory is still being copied: no frame of it has been seen there.
    assert!(has_learned(other), "{}", other.port("web-1/0"));
    one.libvirt.cancel("web-1").expect("cancelled");
    assert!(!migration.wait().expect("an end").status.success());
    assert!(has_learned(one), "{}", one.port("web-1/0"));

    let moved = one.libvirt.migrate("web-1", &other.libvirt, &[]);
    let moved = moved.expect("begun").wait().expect("an end");
    assert!(moved.status.success(), "{moved:?}");
    assert!(has_learned(other), "{}", other.port("web-1/0"));
}
