//! What libvirt's filters do wrong with real frames (G1 to G5 of docs/nwfilter.md), and a converted
//! filter does not.

use std::sync::atomic::{AtomicBool, Ordering};

use ::datapath::{Datapath, resolve};
use datapath_nftables::NftablesDatapath;
use frame::{FrameSpec, MacAddress};
use import::nwfilter::Parameters;
use policy::observation::Observation;
use testbed::{RawPort, Switch, SwitchSpec};

use super::generate::{OTHER, OWN};
use super::world;

const CLEAN: &[&str] = &[
    "<filter name='clean'><filterref filter='own-mac'/><filterref filter='own-ip'/></filter>",
    "<filter name='own-mac' chain='mac'><rule action='return' direction='out'><mac srcmacaddr='$MAC'/></rule>\
     <rule action='drop' direction='out'/></filter>",
    "<filter name='own-ip' chain='ipv4'><rule action='return' direction='out'><ip srcipaddr='$IP'/></rule>\
     <rule action='drop' direction='out' priority='1000'/></filter>",
    "<filter name='also-no-dns'><filterref filter='clean'/>\
     <rule action='drop' direction='out'><udp dstportstart='53'/></rule></filter>",
    "<filter name='needs-more'><filterref filter='clean'/>\
     <rule action='accept' direction='out' priority='-1000'><ip dstipaddr='$MISSING'/></rule></filter>",
];

const HONEST: &str = "udp 10.1.0.1:5000 > 10.1.0.9:80";
const FORGED: &str = "udp 10.1.0.66:5000 > 10.1.0.9:80";

/// A managed bridge with one filtered port and somebody behind an uplink. br_netfilter shows nothing to
/// iptables, as on a Debian host.
struct Host {
    switch: Switch,
    guest: RawPort,
    other: RawPort,
    moat: Moat,
}

struct Moat {
    observed: Observation,
    datapath: NftablesDatapath,
}

impl Host {
    fn new() -> Self {
        let switch = Switch::with(&SwitchSpec {
            ageing_seconds: 0,
            ..SwitchSpec::default()
        })
        .expect("a switch");
        let ports = switch.add_ports(0, 2).expect("ports");
        let [guest, other] = [0, 1].map(|number: usize| ports[number].open().expect("a raw port"));
        let (observed, datapath) = switch.namespace().run(|| {
            let datapath = NftablesDatapath::open().expect("netlink");
            (inventory::observe().expect("interfaces"), datapath)
        });
        Self {
            switch,
            guest,
            other,
            moat: Moat { observed, datapath },
        }
    }

    /// How many of the frames arrive of those that the guest sends.
    fn arriving(&mut self, specs: &[&str]) -> usize {
        for spec in specs {
            self.guest.send(&frame(spec, OWN)).expect("sent");
        }
        self.switch.settle().expect("settled");
        self.other.drain().expect("received").len()
    }
}

impl Moat {
    /// Has the port this filter, or nothing where it cannot be compiled; says which.
    fn apply(&mut self, filter: &str) -> bool {
        let filters = world::filters(CLEAN);
        let parameters: Parameters = world::parameters(&[("IP", &["10.1.0.1"])]);
        let (_, yaml) = world::documents(&filters, filter, &parameters, "vnet0", "br0");
        self.install(&catalog(&yaml))
    }

    fn install(&mut self, catalog: &policy::Catalog) -> bool {
        let program = policy::compile(catalog, None, &self.observed).expect("a program");
        let capabilities = self.datapath.capabilities().expect("capabilities");
        let resolved = resolve(&program, &capabilities).expect("this kernel can");
        let installed = self.datapath.read().expect("the table");
        let change = self.datapath.plan(&resolved.program, &installed);
        self.datapath.commit(&change).expect("committed");
        program.ports.contains_key(world::PORT)
    }
}

fn catalog(yaml: &str) -> policy::Catalog {
    let host = "---\nkind: Host\nname: hv\nbridges: {br0: {uplinks: [vnet1], managed: true}}\n";
    let source = policy::language::Source::new("converted.yaml", format!("{yaml}{host}"));
    policy::language::load(&[source]).unwrap_or_else(|errors| panic!("{errors}"))
}

fn frame(spec: &str, source: MacAddress) -> Vec<u8> {
    let spec: FrameSpec = spec.parse().expect("a frame");
    spec.to_frame(source, OTHER)
}

#[test]
fn g1_g2_no_forged_frame_passes_while_a_filter_is_replaced() {
    let mut host = Host::new();
    assert!(host.moat.apply("clean"));
    let over = AtomicBool::new(false);
    let Host { guest, moat, .. } = &mut host;
    let sent = std::thread::scope(|scope| {
        let flood = scope.spawn(|| {
            let (address, mac) = (frame(FORGED, OWN), frame(HONEST, OTHER));
            let mut sent = 0_usize;
            while !over.load(Ordering::Relaxed) {
                for frame in [&address, &mac] {
                    // A full queue is no reason to stop.
                    sent += usize::from(guest.send(frame).is_ok());
                }
            }
            sent
        });
        for _ in 0..40 {
            assert!(moat.apply("also-no-dns"));
            assert!(moat.apply("clean"));
        }
        over.store(true, Ordering::Relaxed);
        flood.join().expect("the flood")
    });
    host.switch.settle().expect("settled");
    let passed = host.other.drain().expect("received").len();
    println!("80 replacements, {sent} forged frames, {passed} passed");
    assert!(sent > 1000, "a flood of {sent} frames proves little");
    assert_eq!(passed, 0);
}

#[test]
fn g3_a_port_without_a_filter_is_not_open() {
    let mut host = Host::new();
    assert!(host.moat.apply("clean"));
    assert_eq!(host.arriving(&[HONEST]), 1);
    // Nobody claims the port any more: as after a binding is deleted.
    assert!(!host.moat.install(&catalog("")));
    assert_eq!(host.arriving(&[HONEST, FORGED]), 0);
}

#[test]
fn g4_packet_rules_hold_though_br_netfilter_shows_nothing_to_iptables() {
    let mut host = Host::new();
    assert!(host.moat.apply("also-no-dns"));
    let dns = "udp 10.1.0.1:5000 > 10.1.0.9:53";
    assert_eq!(host.arriving(&[HONEST, dns]), 1);
    let many: Vec<&str> = std::iter::repeat_n(dns, 2000).collect();
    assert_eq!(host.arriving(&many), 0);
}

#[test]
fn g5_a_filter_that_failed_leaves_nothing_behind() {
    let mut host = Host::new();
    assert!(!host.moat.apply("needs-more"), "$MISSING is not defined");
    assert_eq!(host.arriving(&[HONEST, FORGED]), 0, "in quarantine");
    assert!(host.moat.apply("clean"));
    assert_eq!(host.arriving(&[HONEST, FORGED]), 1);
    assert!(!host.moat.apply("needs-more"));
    assert_eq!(host.arriving(&[HONEST, FORGED]), 0);
}
