//! While a guest runs and attacks: interfaces come and go and are renamed, metadata change, the agent and libvirtd die and
//! come back.

use testbed::libvirtd::{Domain, Interface};

use crate::documents::{NAMESPACE, closed, guarded, host, mac, metadata};
use crate::host::{Count, Flood, Host, attacker, await_until, forged};

fn documents() -> String {
    host("hv-1", 2, "profiles: [guarded]\n") + &guarded("guarded", "") + &closed()
}

/// A host with a guest that attacks from its interface in `br0`.
struct Scene {
    host: Host,
    outside: [Count; 2],
    flood: Flood,
}

impl Scene {
    fn new() -> Self {
        let host = Host::with_moat("hv-1", 2, &documents());
        let mut domain = Domain::new("web-1", &attacker(), vec![Interface::bridge("br0", mac(1))]);
        domain.metadata = metadata(&[(1, None), (2, None)]);
        host.libvirt.define(&domain).expect("a guest");
        let outside = [0, 1].map(|bridge| host.count_outside(bridge, &forged()));
        let mut flood = Flood::of(&host.outside[0], mac(1));
        host.libvirt.boot("web-1").expect("a start");
        flood.lost_until(50);
        Self {
            host,
            outside,
            flood,
        }
    }

    fn passed(&mut self) -> [u64; 2] {
        self.outside.each_mut().map(Count::forged)
    }

    /// Nothing forged passes while `more` honest frames arrive, none of which is lost.
    fn goes_on(&mut self, more: u32) {
        assert_eq!(self.flood.lost_until(more), 0);
        assert_eq!(self.passed(), [0; 2]);
    }

    fn set_metadata(&self, inner: &str) {
        let text = format!("<moat>{inner}</moat>");
        self.host
            .libvirt
            .ask(&["metadata", "web-1", NAMESPACE, "moat", &text, "--live"])
            .expect("metadata");
    }
}

#[test]
fn interfaces_of_an_attacker_are_plugged_and_unplugged_and_renamed_and_nothing_passes() {
    let mut scene = Scene::new();
    let host = &scene.host;

    // The agent does not hear of it yet: the interface is in quarantine.
    host.pause_agent(true);
    let interface = Interface::bridge("br1", mac(2)).xml();
    let attach = ["attach-device", "--live", "web-1"];
    host.libvirt
        .give_successfully(&attach, &interface)
        .expect("plugged");
    let device = host.device("web-1", mac(2));
    let mut sent = host.count_at(&device);
    sent.await_honest(50);
    assert!(sent.forged() > 0);
    assert_eq!(scene.outside[1].honest(), 0);
    host.pause_agent(false);
    let port = host.await_state("web-1/1", "enforced");
    assert_eq!(port["device"], device.as_str());
    scene.outside[1].await_honest(50);
    scene.goes_on(1);

    // Another word for the same device.
    let host = &scene.host;
    let index = host
        .libvirt
        .switch()
        .links()
        .find(&device)
        .expect("it")
        .index;
    let script = format!(
        "ip link set {device} down; ip link set {device} name renamed0; ip link set renamed0 up"
    );
    host.libvirt.run("sh", &["-c", &script]).expect("renamed");
    scene.outside[1].await_honest(50);
    await_until("its new name", || {
        host.port("web-1/1")["device"] == "renamed0"
    });
    assert_eq!(host.port("web-1/1")["ifindex"], index);
    let back = script
        .replace("renamed0", "later")
        .replace(&device, "renamed0");
    let back = back.replace("later", &device);
    host.libvirt.run("sh", &["-c", &back]).expect("renamed");

    // Unplugged, and nothing is left of it.
    let detach = ["detach-device", "--live", "web-1"];
    host.libvirt
        .give_successfully(&detach, &interface)
        .expect("unplugged");
    await_until("its end", || host.port("web-1/1").is_null());
    assert!(!host.table().contains(&testbed::libvirtd::mac_text(mac(2))));
    scene.goes_on(20);

    // What the domain says of itself changes, and its port follows.
    let profile_is = |host: &Host, name: &str| {
        await_until(&format!("profile {name}"), || {
            let profile = host.port("web-1/0")["profiles"][0].clone();
            profile.as_str().is_some_and(|it| it.starts_with(name))
        });
    };
    scene.set_metadata("<profile>closed</profile>");
    profile_is(&scene.host, "closed");
    let before = scene.outside[0].honest();
    let mut sent = scene.host.count_at(&scene.host.device("web-1", mac(1)));
    sent.await_honest(50);
    assert_eq!(scene.outside[0].honest(), before);
    scene.set_metadata(
        "<profile>guarded</profile><address>10.0.0.1</address><address>2001:db8::1</address>",
    );
    profile_is(&scene.host, "guarded");
    scene.outside[0].await_honest(50);
    assert_eq!(scene.passed(), [0; 2]);
}

#[test]
fn an_agent_or_libvirtd_that_dies_changes_nothing_and_finds_everything_again() {
    let mut scene = Scene::new();
    let state = |host: &Host| (host.table(), host.generation());
    let before = state(&scene.host);

    scene.host.libvirt.restart_daemon().expect("libvirtd");
    scene.goes_on(20);
    assert_eq!(state(&scene.host), before);
    scene.host.await_state("web-1/0", "enforced");

    scene.host.end_agent("KILL");
    scene.goes_on(20);
    let interface = Interface::bridge("br1", mac(2));
    let mut other = Domain::new("web-2", &attacker(), vec![interface]);
    other.metadata = metadata(&[(2, None)]);
    scene.host.libvirt.define(&other).expect("a guest");
    let refused = scene
        .host
        .libvirt
        .virsh(&["start", "web-2"])
        .expect("virsh");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success());
    assert!(said.contains("no agent listens at"), "{said}");

    scene.host.start_agent();
    scene.goes_on(20);
    scene.host.await_state("web-1/0", "enforced");
    assert_eq!(state(&scene.host), before);

    // Where the administrator wants it so, a guest starts without the agent, in quarantine.
    scene.host.setup(&["--absent", "pass"]);
    scene.host.end_agent("KILL");
    scene.host.libvirt.boot("web-2").expect("a start");
    let device = scene.host.device("web-2", mac(2));
    let mut sent = scene.host.count_at(&device);
    sent.await_honest(50);
    assert!(sent.forged() > 0);
    assert_eq!(scene.outside[1].honest(), 0);
    assert_eq!(scene.passed(), [0; 2]);
    scene.host.start_agent();
    scene.host.await_state("web-2/0", "enforced");
    scene.outside[1].await_honest(50);
    scene.goes_on(1);

    // As after a reboot: no table, nothing that was true until then, documents that somebody broke, and no libvirtd yet.
    scene.host.libvirt.stop_daemon().expect("libvirtd");
    scene.host.end_agent("TERM");
    scene.host.write_documents("kind: Hots\n");
    let script = "nft delete table bridge moat; rm -rf /run/moat";
    scene.host.libvirt.run("sh", &["-c", script]).expect("gone");
    scene.host.start_agent();
    let mut outside = [0, 1].map(|bridge| scene.host.count_outside(bridge, &forged()));
    let mut sent = scene.host.count_at(&device);
    sent.await_honest(50);
    let passed = outside.each_mut().map(|it| (it.honest(), it.forged()));
    assert_eq!(passed, [(0, 0); 2]);
    let status = scene.host.status();
    assert!(status["documents-problem"].is_string(), "{status}");
    scene.host.libvirt.start_daemon().expect("libvirtd");
    for (port, count) in ["web-1/0", "web-2/0"].into_iter().zip(&mut outside) {
        scene.host.await_state(port, "enforced");
        count.await_honest(50);
        assert_eq!(count.forged(), 0);
    }
}
