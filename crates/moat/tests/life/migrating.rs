//! A guest moves to another hypervisor, or does not, attacking all the while.

use testbed::guest::GuestSpec;
use testbed::libvirtd::{Domain, GuestImage, Interface, Migration, connect};

use crate::documents::{guarded, host, mac, metadata};
use crate::host::{Count, Flood, Host, await_until, forged};

const SLOW: [&str; 2] = ["--bandwidth", "1"];

/// Two hypervisors on one wire, and what gets out of each.
struct Scene {
    hosts: [Host; 2],
    outside: [Count; 2],
    /// What the guest's honest frames look like from each.
    floods: [Flood; 2],
}

impl Scene {
    /// The guest sends forged and honest frames wherever it runs.
    fn new() -> Self {
        let hosts = ["hv-1", "hv-2"].map(|name| Host::new(name, 1));
        let [one, other] = &hosts;
        connect(&one.libvirt, &other.libvirt).expect("a wire");
        let outside = hosts.each_ref().map(|it| it.count_outside(0, &forged()));
        let floods = hosts
            .each_ref()
            .map(|host| Flood::of(&host.outside[0], mac(1)));
        let kinds = "kinds=all-forged,honest";
        let spec = GuestSpec::network(&["guest-program", "send", kinds, "pause=2000"]);
        let image = GuestImage::new(&spec).expect("an image");
        let mut domain = Domain::new("web-1", &image, vec![Interface::bridge("br0", mac(1))]);
        domain.metadata = metadata(&[(1, Some("guarded"))]);
        one.libvirt.define(&domain).expect("a guest");
        other.libvirt.provide(&image).expect("an image");
        Self {
            hosts,
            outside,
            floods,
        }
    }

    fn migrate(&self, options: &[&str]) -> Migration {
        let [one, other] = &self.hosts;
        one.libvirt
            .migrate("web-1", &other.libvirt, options)
            .expect("begun")
    }

    /// Waits for honest frames at both hosts; how many of them each missed since the last look.
    fn lost(&mut self) -> [u32; 2] {
        self.floods.each_mut().map(|flood| flood.lost_until(30))
    }

    fn passed(&mut self) -> [u64; 2] {
        self.outside.each_mut().map(Count::forged)
    }

    /// The states of the guest's port at both.
    fn states(&self) -> [String; 2] {
        let state = |host: &Host| host.port("web-1/0")["state"].as_str().map(str::to_owned);
        self.hosts
            .each_ref()
            .map(|host| state(host).unwrap_or_default())
    }

    fn await_states(&self, wanted: [&str; 2]) {
        await_until(&format!("{wanted:?}"), || self.states() == wanted);
    }
}

fn ended(migration: Migration) -> bool {
    migration.wait().expect("an end").status.success()
}

/// What a migration loses without moat, from the last frame at the old place to the first at the new one.
fn lost_without_moat() -> u32 {
    let mut scene = Scene::new();
    scene.hosts[0].libvirt.boot("web-1").expect("a start");
    scene.lost();
    assert!(ended(scene.migrate(&[])));
    let lost = scene.lost();
    // Its forged frames arrive everywhere.
    assert!(scene.passed().iter().all(|&passed| passed > 0));
    lost.into_iter().max().unwrap_or_default()
}

#[test]
fn an_attacker_migrates_or_stays_and_passes_nothing_on_either_host() {
    let without = lost_without_moat();
    let mut scene = Scene::new();
    // Whatever listens where it was hears from QEMU where it is.
    let documents = |name| host(name, 1, "") + &guarded("guarded", "ethertypes: [rarp]\n");
    for (host, name) in scene.hosts.iter_mut().zip(["hv-1", "hv-2"]) {
        host.protect(&documents(name));
    }
    scene.hosts[0].libvirt.boot("web-1").expect("a start");
    scene.lost();
    let empty = scene.hosts[1].table();

    // Cancelled, and killed at the target: it stays where it is, and loses nothing.
    for how in ["cancelled", "killed"] {
        let [one, other] = &scene.hosts;
        let slow = scene.migrate(&SLOW);
        one.libvirt.await_migration("web-1").expect("under way");
        let there = other.port("web-1/0");
        assert_eq!(there["state"], "enforced", "before its memory has come");
        match how {
            "cancelled" => one.libvirt.cancel("web-1").expect("cancelled"),
            _ => other.libvirt.kill_emulator("web-1").expect("killed"),
        }
        assert!(!ended(slow), "{how}");
        scene.await_states(["enforced", ""]);
        assert_eq!(scene.hosts[1].table(), empty, "{how}");
        assert_eq!(scene.lost(), [0; 2], "{how}");
        assert_eq!(scene.passed(), [0; 2], "{how}");
    }

    let mut wire = scene.hosts[1].outside[0].open().expect("a wire");
    assert!(ended(scene.migrate(&[])));
    let lost = scene.lost();
    scene.await_states(["", "enforced"]);
    assert_eq!(scene.hosts[0].table(), empty);
    let announced = |frame: &Vec<u8>| frame.get(6..14) == Some(&ANNOUNCEMENT);
    await_until("QEMU's announcement", || {
        wire.drain().expect("frames").iter().any(announced)
    });
    assert_eq!(scene.passed(), [0; 2]);
    println!("honest frames lost by a migration: without moat {without}, with it {lost:?}");
    assert!(lost.iter().all(|&lost| lost <= without));
}

/// Sender and ethertype of the RARP frames by which QEMU tells switches where the guest is now.
const ANNOUNCEMENT: [u8; 8] = [0x52, 0x54, 0, 0, 0, 1, 0x80, 0x35];
