//! Data plane: what a frame costs more than without rules.

use std::time::Duration;

use datapath::Datapath;
use datapath_nftables::NftablesDatapath;
use policy::observation::{Observation, ObservedInterface};
use testbed::{MarkedFrame, PinnedThread, RawPort, Switch, SwitchPort};

use crate::control::{catalog, program};
use crate::documents::{self, Profile};
use crate::peers::Peer;
use crate::table::{Table, short, thread_time};

/// What stands in the frame's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Free,
    Moat(Profile),
    Peer(Peer),
}

/// A switch with two real ports and the rules of `cards` ports.
struct Lane {
    way: Way,
    cards: u32,
    /// Frames in one run: fewer where each is dear.
    frames: u32,
    switch: Switch,
    from: RawPort,
    to: SwitchPort,
    frame: Vec<u8>,
    /// Nanoseconds per frame, round by round.
    runs: Vec<Duration>,
}

/// As many as the kernel's queue takes, with room for others.
const BATCH: usize = 64;

impl Lane {
    fn new(way: Way, cards: u32, frames: u32) -> Self {
        let switch = Switch::new().expect("a switch");
        let ports = switch.add_ports(0, 2).expect("two ports");
        let [one, two] = ports.try_into().expect("two ports");
        dead_end(&switch, std::slice::from_ref(&two));
        let back = frame(1, 0, two.mac, one.mac);
        two.open()
            .expect("a port")
            .send(&back)
            .expect("the bridge learns");
        switch.settle().expect("settled");
        match way {
            Way::Free => {}
            Way::Peer(peer) => peer.install(&switch, cards),
            Way::Moat(profile) => install(&switch, cards, profile),
        }
        Self {
            way,
            cards,
            frames,
            from: one.open().expect("a port"),
            frame: frame(0, 1, one.mac, two.mac),
            to: two,
            switch,
            runs: Vec::new(),
        }
    }

    /// Time of this thread per frame: the kernel carries a frame through veth and bridge to its end
    /// within the call that sends it, so what others do on this machine does not count.
    fn run(&mut self) {
        let _pinned = PinnedThread::here().expect("one CPU");
        let batch = [self.frame.as_slice(); BATCH];
        let mut left = self.frames as usize;
        let before = received(&self.switch, &self.to);
        let start = thread_time();
        while left > 0 {
            let piece = batch.get(..left.min(BATCH)).unwrap_or_default();
            left -= self.from.send_batch(piece).expect("sent");
        }
        let spent = thread_time() - start;
        self.switch.settle().expect("settled");
        let arrived = received(&self.switch, &self.to) - before;
        assert_eq!(
            arrived,
            u64::from(self.frames),
            "{:?} with {} cards lost frames",
            self.way,
            self.cards
        );
        self.runs.push(spent / self.frames);
    }
}

pub(crate) fn received(switch: &Switch, port: &SwitchPort) -> u64 {
    let links = testbed::link::Links::open(switch.ends()).expect("links");
    links
        .find(&port.end_device)
        .expect("a device")
        .counters
        .received
}

/// What arrives is dropped before the guest's network stack spends time on it.
pub(crate) fn dead_end(switch: &Switch, ports: &[SwitchPort]) {
    let mut rules = "add table netdev ending;".to_owned();
    // A chain takes at most 256 devices (NFT_NETDEVICE_MAX).
    for (number, some) in ports.chunks(250).enumerate() {
        let devices: Vec<&str> = some.iter().map(|port| port.end_device.as_str()).collect();
        rules.push_str(&format!(
            "add chain netdev ending refuse{number} {{ type filter hook ingress devices = {{ {} }} priority 0; policy drop; }};",
            devices.join(", ")
        ));
    }
    let status = switch
        .ends()
        .command("nft")
        .arg(rules)
        .status()
        .expect("nft");
    assert!(status.success());
}

fn frame(from: u32, to: u32, source_mac: [u8; 6], destination_mac: [u8; 6]) -> Vec<u8> {
    MarkedFrame {
        source_mac,
        destination_mac,
        source: (documents::address(from), 40_000).into(),
        destination: (documents::address(to), 443).into(),
        marker: 1,
        length: 64,
    }
    .bytes()
}

/// moat's table for `cards` ports; those that do not exist on the switch have indices that no interface has, which costs a lookup what real ones do.
pub(crate) fn install(switch: &Switch, cards: u32, profile: Profile) {
    let mut sources = documents::host(cards.max(2), profile);
    for source in &mut sources {
        // All on one bridge, for all are on one switch here.
        for bridge in 1..10 {
            source.text = source
                .text
                .replace(&format!("network: lan-{bridge}\n"), "network: lan-0\n");
        }
    }
    let catalog = catalog(&sources);
    switch.namespace().run(|| {
        let mut observed = inventory::observe().expect("interfaces");
        pretend(&mut observed, cards);
        let mut datapath = NftablesDatapath::open().expect("netlink");
        let can = datapath.capabilities().expect("capabilities");
        let program = program(&catalog, &observed, &can);
        assert!(program.refused.is_empty(), "{:?}", program.refused);
        let installed = datapath.read().expect("readable");
        let change = datapath.plan(&program, &installed);
        datapath.commit(&change).expect("committed");
    });
}

fn pretend(observed: &mut Observation, cards: u32) {
    for number in 2..cards {
        let device = format!("vnet{number}");
        observed
            .interfaces
            .entry(device)
            .or_insert_with(|| ObservedInterface {
                ifindex: 1_000_000 + number,
                bridge: "br0".to_owned(),
                ..ObservedInterface::default()
            });
    }
}

/// Many short rounds: whoever disturbs one lane of a round disturbs its neighbour as well.
const ROUNDS: usize = 101;
const FRAMES: u32 = 2_000;
/// Linear rules at 4,000 cards take a quarter of a second a run; their figures are steady.
const ROUNDS_OF_SLOW: usize = 5;

pub(crate) fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// Median and fastest.
pub(crate) fn text(times: &[Duration]) -> String {
    let fastest = times.iter().min().copied().unwrap_or_default();
    format!(
        "{} (fastest {})",
        short(median(times.to_vec())),
        short(fastest)
    )
}

/// What the lane costs more than the free one: the median of what it cost more round by round, for
/// the two runs of a round meet the same disturbances.
pub(crate) fn added(lane: &[Duration], free: &[Duration]) -> Duration {
    let pairs = lane.iter().zip(free);
    median(
        pairs
            .map(|(with, without)| with.saturating_sub(*without))
            .collect(),
    )
}

pub(crate) fn measure(table: &mut Table) {
    let web = Way::Moat(Profile::WebServer);
    let guards = Way::Moat(Profile::GuardsAlone);
    let linear = Way::Peer(Peer::LinearNft);
    let mut lanes: Vec<Lane> = vec![Lane::new(Way::Free, 0, FRAMES)];
    for cards in [2, 200, 1_000, 4_000] {
        lanes.push(Lane::new(guards, cards, FRAMES));
        lanes.push(Lane::new(web, cards, FRAMES));
        lanes.push(Lane::new(Way::Peer(Peer::VerdictMap), cards, FRAMES));
        lanes.push(Lane::new(linear, cards, (1_000_000 / cards).min(FRAMES)));
    }
    lanes.push(Lane::new(Way::Peer(Peer::LinearEbtables), 200, 2_000));
    // All lanes take turns, so that what changes on the machine meanwhile meets all of them.
    for round in 0..ROUNDS {
        for lane in &mut lanes {
            if lane.frames == FRAMES || round < ROUNDS_OF_SLOW {
                lane.run();
            }
        }
    }
    table.head("Data plane: 64-byte UDP from port to port over one bridge, time per frame");
    let free = lanes
        .first()
        .map(|lane| lane.runs.clone())
        .unwrap_or_default();
    table.beside("no rules", &text(&free));
    for (name, way, bar) in [
        ("guards alone", guards, Duration::from_nanos(450)),
        ("whole profile, 20 rules", web, Duration::from_nanos(800)),
    ] {
        let mut costs = Vec::new();
        for lane in lanes.iter().filter(|lane| lane.way == way) {
            let more = added(&lane.runs, &free);
            costs.push((median(free.clone()) + more).as_secs_f64());
            let work = format!("{name}, {} ports: added per frame", lane.cards);
            let limit = format!("≤ +{}", short(bar));
            let found = format!("+{}, together {}", short(more), text(&lane.runs));
            table.judged(&work, &limit, more <= bar, &found);
        }
        let least = costs.iter().copied().fold(f64::INFINITY, f64::min);
        let most = costs.iter().copied().fold(0.0, f64::max);
        let spread = (most / least - 1.0) * 100.0;
        let work = format!("{name}: from 2 to 4,000 ports");
        table.judged(
            &work,
            "flat ≤ 10 %",
            spread <= 10.0,
            &format!("{spread:.1} %"),
        );
    }
    for lane in &lanes {
        if let Way::Peer(peer) = lane.way {
            let more = short(added(&lane.runs, &free));
            let found = format!("+{more}, together {}", text(&lane.runs));
            table.beside(&format!("{}, {} cards", peer.name(), lane.cards), &found);
        }
    }
    table.beside(
        "published: libvirt 12.8 (nftables), clean-traffic",
        "+850 ns",
    );
    table.beside("published: libvirt 9.0 (ebtables), 200 cards", "+14 µs");
}
