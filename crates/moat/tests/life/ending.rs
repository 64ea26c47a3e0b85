//! Guests end, in every way, and nothing of them is left for the next one.

use testbed::libvirtd::{Domain, Interface};

use crate::documents::{closed, guarded, host, mac, metadata};
use crate::host::{Flood, Host, attacker, await_until, forged};

/// A guest whose tap is called like every other's here.
fn guest(name: &str, number: u8, profile: &str) -> Domain {
    let mut interface = Interface::bridge("br0", mac(number));
    interface.target = Some("webtap".to_owned());
    let mut domain = Domain::new(name, &attacker(), vec![interface]);
    domain.metadata = metadata(&[(number, Some(profile))]);
    domain
}

#[test]
fn a_guest_that_ends_leaves_nothing_and_a_name_used_again_inherits_nothing() {
    let documents = host("hv-1", 1, "") + &guarded("guarded", "") + &closed();
    let host = Host::with_moat("hv-1", 1, &documents);
    for domain in [guest("web-1", 1, "guarded"), guest("web-2", 2, "closed")] {
        host.libvirt.define(&domain).expect("a guest");
    }
    let empty = host.table();
    let ended = |how: &str| {
        await_until(&format!("the end by {how}"), || {
            host.port("web-1/0").is_null()
        });
        assert_eq!(host.table(), empty, "after {how}");
    };
    let mut outside = host.count_outside(0, &forged());
    let mut flood = Flood::of(&host.outside[0], mac(1));

    host.libvirt.boot("web-1").expect("a start");
    flood.lost_until(50);
    host.libvirt
        .ask(&["save", "web-1", "/run/guests/web-1.saved"])
        .expect("saved");
    ended("saving");
    host.libvirt
        .ask(&["restore", "/run/guests/web-1.saved"])
        .expect("restored");
    flood.lost_until(50);
    host.await_state("web-1/0", "enforced");
    host.libvirt.kill_emulator("web-1").expect("a crash");
    ended("a crash");
    host.libvirt.boot("web-1").expect("a start");
    host.await_state("web-1/0", "enforced");
    host.libvirt.destroy("web-1").expect("an end");
    ended("destruction");

    let honest = outside.honest();
    host.libvirt.boot("web-2").expect("a start");
    let mut sent = host.count_at("webtap");
    sent.await_honest(50);
    assert!(sent.forged() > 0);
    assert_eq!(host.port("web-2/0")["profiles"][0], "closed@1");
    assert_eq!((outside.honest(), outside.forged()), (honest, 0));
    host.libvirt.destroy("web-2").expect("an end");

    // Somebody else's interface of that name.
    await_until("the end", || host.port("web-2/0").is_null());
    let script = "ip link add webtap type veth peer name other0; ip link set webtap master br0 up";
    host.libvirt.run("sh", &["-c", script]).expect("a device");
    await_until("its quarantine", || {
        host.status()["quarantined"][0] == "webtap"
    });
}
