//! A VM's start: how many forged frames of a guest that attacks from its first instruction get out of
//! its host, by what protects it. Counted until a few hundred honest frames of the same guest came.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use testbed::forged::Kind;
use testbed::guest::GuestSpec;
use testbed::libvirtd::{Domain, Filter, GuestImage, Interface, Libvirtd, LibvirtdSpec, mac_text};
use testbed::{MarkerCounter, NamespaceOptions, SwitchPort, SwitchSpec};

use crate::table::Table;

const MAC: [u8; 6] = [0x52, 0x54, 0, 0, 0, 1];
/// The address that [`testbed::forged::Identities`] gives a guest with that MAC.
const ADDRESS: &str = "10.0.0.1";
const HONEST: u64 = 300;
const DOCUMENTS: &str = "kind: Host
name: here
bridges: {br0: {managed: true, uplinks: [outside]}}
profiles: [guarded]
---
kind: Profile
name: guarded
stateful: off
guards: [mac, ipv4, ipv6, arp, nd, no-dhcp-server, no-router-advertisement]
";

/// What protects the guest.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Nothing,
    Nwfilter,
    Ebtables,
    Moat,
}

pub(crate) fn measure(table: &mut Table) {
    table.head("A VM's start (forged frames that leave the host; libvirt, QEMU)");
    for (by, what) in [
        (By::Nothing, "without protection"),
        (
            By::Nwfilter,
            "nwfilter clean-traffic, by whose design DHCP servers may answer",
        ),
        (
            By::Ebtables,
            "seed 001's rules, after the start, as its hook does",
        ),
        (By::Moat, "moat"),
    ] {
        let (forged, honest) = start(by);
        table.beside(what, &format!("{forged} forged, {honest} honest"));
    }
}

fn start(by: By) -> (u64, u64) {
    let host = Libvirtd::start(&LibvirtdSpec {
        switch: SwitchSpec {
            namespace: NamespaceOptions {
                bridge_calls_iptables: true,
                ..NamespaceOptions::default()
            },
            ..SwitchSpec::default()
        },
        ..LibvirtdSpec::default()
    })
    .expect("libvirt");
    let outside = host.plug_port("outside").expect("a port");
    let mut interface = Interface::bridge("br0", MAC);
    if by == By::Nwfilter {
        interface.filter = Some(Filter {
            name: "clean-traffic".to_owned(),
            parameters: vec![("IP".to_owned(), ADDRESS.to_owned())],
        });
    }
    let kinds = "kinds=all-forged,honest";
    let spec = GuestSpec::network(&["guest-program", "send", kinds, "pause=1000"]);
    let image = GuestImage::new(&spec).expect("an image");
    let mut guest = Domain::new("guest", &image, vec![interface]);
    guest.metadata = format!(
        "<moat:moat xmlns:moat='https://moat.dev/xmlns/libvirt/1'><moat:address>{ADDRESS}</moat:address>\
         </moat:moat>"
    );
    host.define(&guest).expect("a guest");
    let _agent = (by == By::Moat).then(|| protect(&host));

    let mut forged = counter(&outside, &Kind::forged().collect::<Vec<_>>());
    let mut honest = counter(&outside, &[Kind::Honest]);
    host.boot("guest").expect("a start");
    if by == By::Ebtables {
        let device = host.device_of("guest", MAC).expect("a device");
        let mac = mac_text(MAC);
        for rule in [
            format!("-A FORWARD -s ! 52:54:00:00:00:00/ff:ff:ff:ff:ff:00 -o {device} -j DROP"),
            format!("-A FORWARD -s ! {mac} -i {device} -j DROP"),
        ] {
            let words: Vec<&str> = rule.split(' ').collect();
            host.run("ebtables-nft", &words).expect("a rule");
        }
    }
    while honest.count().expect("a count") < HONEST {
        std::thread::sleep(Duration::from_millis(10));
    }
    (
        forged.count().expect("a count"),
        honest.count().expect("a count"),
    )
}

fn counter(port: &SwitchPort, kinds: &[Kind]) -> MarkerCounter {
    MarkerCounter::of_kinds(&port.end_namespace, &port.end_device, port.end_index, kinds)
        .expect("a counter")
}

/// The agent of a host, until it is dropped.
struct Agent(Child);

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// As an administrator does: documents, hooks, the agent.
fn protect(host: &Libvirtd) -> Agent {
    let moat = env!("CARGO_BIN_EXE_moat");
    host.write("/etc/moat/documents.yaml", DOCUMENTS.as_bytes())
        .expect("documents");
    host.run(moat, &["setup", "libvirt"]).expect("hooks");
    let mut command = host.command(moat);
    let command = command
        .arg("agent")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let agent = Agent(command.spawn().expect("the agent"));
    let end = Instant::now() + Duration::from_secs(60);
    while host
        .run(moat, &["status", "--socket", "/run/moat/agent.sock"])
        .is_err()
    {
        assert!(Instant::now() < end, "the agent does not answer");
        std::thread::sleep(Duration::from_millis(20));
    }
    // libvirt looks for hooks when it starts.
    host.restart_daemon().expect("libvirtd");
    agent
}
