//! Data plane: what a frame costs more than without rules, and what a broadcast does.

use std::time::Duration;

use datapath::Datapath;
use datapath_nftables::NftablesDatapath;
use policy::observation::{Observation, ObservedInterface};
use rustix::time::{ClockId, clock_gettime};
use testbed::{MarkedFrame, PinnedThread, RawPort, Switch, SwitchPort};

use crate::control::{catalog, program};
use crate::documents::{self, Profile};
use crate::peers::Peer;
use crate::table::{Sample, Table, short};

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
    runs: Sample,
}

/// As many as the kernel's queue takes, with room for others.
const BATCH: usize = 64;

impl Lane {
    fn new(way: Way, cards: u32, frames: u32) -> Self {
        let switch = Switch::new().expect("a switch");
        let ports = switch.add_ports(0, 2).expect("two ports");
        let [one, two] = ports.try_into().expect("two ports");
        dead_end(&switch, &two);
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
            runs: Sample::default(),
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

fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn received(switch: &Switch, port: &SwitchPort) -> u64 {
    let links = testbed::link::Links::open(switch.ends()).expect("links");
    links
        .find(&port.end_device)
        .expect("a device")
        .counters
        .received
}

/// What arrives is dropped before the guest's network stack spends time on it.
fn dead_end(switch: &Switch, port: &SwitchPort) {
    let rules = format!(
        "add table netdev ending; add chain netdev ending refuse {{ type filter hook ingress device {} priority 0; policy drop; }}",
        port.end_device
    );
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

/// moat's table for `cards` ports, of which the first two exist; the others have indices that no
/// interface has, which costs a lookup what real ones do.
fn install(switch: &Switch, cards: u32, profile: Profile) {
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
        observed.interfaces.insert(
            format!("vnet{number}"),
            ObservedInterface {
                ifindex: 1_000_000 + number,
                bridge: "br0".to_owned(),
                ..ObservedInterface::default()
            },
        );
    }
}

const ROUNDS: u32 = 15;
const FRAMES: u32 = 20_000;

pub(crate) fn measure(table: &mut Table) {
    let web = Way::Moat(Profile::WebServer);
    let guards = Way::Moat(Profile::GuardsAlone);
    let linear = Way::Peer(Peer::LinearNft);
    let mut lanes: Vec<Lane> = vec![Lane::new(Way::Free, 0, FRAMES)];
    for cards in [2, 200, 1_000, 4_000] {
        lanes.push(Lane::new(guards, cards, FRAMES));
        lanes.push(Lane::new(web, cards, FRAMES));
        lanes.push(Lane::new(Way::Peer(Peer::VerdictMap), cards, FRAMES));
        lanes.push(Lane::new(linear, cards, (2_000_000 / cards).min(FRAMES)));
    }
    lanes.push(Lane::new(Way::Peer(Peer::LinearEbtables), 200, 2_000));
    // All lanes take turns, so that what changes on the machine meanwhile meets all of them.
    for round in 0..ROUNDS {
        for lane in &mut lanes {
            // Linear rules at 4,000 cards take a quarter of a second a run; their figures are steady.
            if lane.frames == FRAMES || round < 5 {
                lane.run();
            }
        }
    }
    table.head("Data plane: 64-byte UDP from port to port over one bridge, time per frame");
    let free = lanes
        .first()
        .map(|lane| lane.runs.median())
        .unwrap_or_default();
    table.beside(
        "no rules",
        &lanes
            .first()
            .map(|lane| lane.runs.text())
            .unwrap_or_default(),
    );
    for (name, way, bar) in [
        ("guards alone", guards, Duration::from_nanos(450)),
        ("whole profile, 20 rules", web, Duration::from_nanos(800)),
    ] {
        let mut costs = Vec::new();
        for lane in lanes.iter().filter(|lane| lane.way == way) {
            let added = lane.runs.median().saturating_sub(free);
            costs.push(lane.runs.median());
            let work = format!("{name}, {} ports: added per frame", lane.cards);
            let limit = format!("≤ +{}", short(bar));
            let found = format!("+{} of {}", short(added), lane.runs.text());
            table.judged(&work, &limit, added <= bar, &found);
        }
        let least = costs
            .iter()
            .min()
            .copied()
            .unwrap_or_default()
            .as_secs_f64();
        let most = costs
            .iter()
            .max()
            .copied()
            .unwrap_or_default()
            .as_secs_f64();
        let spread = (most / least - 1.0) * 100.0;
        let work = format!("{name}: from 1 to 4,000 ports");
        table.judged(
            &work,
            "flat ≤ 10 %",
            spread <= 10.0,
            &format!("{spread:.1} %"),
        );
    }
    for lane in &lanes {
        if let Way::Peer(peer) = lane.way {
            let added = short(lane.runs.median().saturating_sub(free));
            let found = format!("+{added} of {}", lane.runs.text());
            table.beside(&format!("{}, {} cards", peer.name(), lane.cards), &found);
        }
    }
}
