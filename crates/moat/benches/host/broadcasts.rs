//! One broadcast to every port of a bridge: what a copy costs more than without rules, and what
//! that is made of.

use std::time::Duration;

use testbed::{PinnedThread, RawPort, Switch, SwitchPort};

use crate::documents::{self, Profile};
use crate::frames::{added, dead_end, install, median, received, text};
use crate::peers::feed;
use crate::table::{Table, short, thread_time};

const ROUNDS: usize = 25;
/// In each round, of each step.
const FLOODS: u32 = 12;

/// What stands in a copy's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Free,
    Hook,
    Protocol,
    Arp,
    /// What moat does, with the kernel's hash of ports in the place of its bitmap.
    Hash,
    /// What moat did before: hash, counter, two chains.
    Long,
    Moat,
}

const STEPS: [Step; 7] = [
    Step::Free,
    Step::Hook,
    Step::Protocol,
    Step::Arp,
    Step::Hash,
    Step::Long,
    Step::Moat,
];

const WELL_FORMED: &str = "ether type 0x0806 @nh,0,32 0x00010800 @nh,32,16 0x0604";

impl Step {
    fn name(self) -> &'static str {
        match self {
            Self::Free => "no rules",
            Self::Hook => "a hook and an empty chain",
            Self::Protocol => "a rule that compares `meta protocol`",
            Self::Arp => "a rule that finds the ARP well-formed",
            Self::Hash => "the same, and the port in a hash",
            Self::Long => "a map of ports, a counter each, two chains, ARP",
            Self::Moat => "moat: well-formed ARP, and the port in a bitmap",
        }
    }

    /// A table in its place, where it is not moat's own.
    fn rules(self, ports: &[SwitchPort]) -> Option<String> {
        let keys = |value: &str| {
            let each = ports.iter().map(|port| format!("{}{value}", port.index));
            each.collect::<Vec<_>>().join(", ")
        };
        let (declared, rules) = match self {
            Self::Free | Self::Moat => return None,
            Self::Hook => (String::new(), String::new()),
            Self::Protocol => (String::new(), "meta protocol 0x0806 accept".to_owned()),
            Self::Arp => (
                String::new(),
                format!("{WELL_FORMED} @nh,192,32 != 0xffffffff accept"),
            ),
            Self::Hash => (
                format!(
                    "set takers {{ typeof meta oif; size 65536; elements = {{ {} }}; }}\n",
                    keys("")
                ),
                format!("{WELL_FORMED} @nh,192,32 != 0xffffffff meta oif @takers accept"),
            ),
            Self::Long => (
                format!(
                    "chain good {{ {WELL_FORMED} @nh,192,32 >= 0 accept; }}\n\
                     chain behaviour {{ meta protocol 0x0806 jump good; drop; }}\n\
                     map ports {{ typeof meta oif : verdict; size 65536; counter; elements = {{ {} }}; }}\n",
                    keys(" counter : goto behaviour")
                ),
                "meta oif vmap @ports".to_owned(),
            ),
        };
        Some(format!(
            "table bridge step {{\n{declared}chain post {{ type filter hook postrouting priority -150; \
             policy accept;\n{rules}\n}}\n}}\n"
        ))
    }
}

/// A switch whose ports get broadcasts, with moat's table in force or asleep.
struct Ground {
    switch: Switch,
    from: RawPort,
    frame: Vec<u8>,
    ports: Vec<SwitchPort>,
}

impl Ground {
    fn new(count: u32) -> Self {
        let switch = Switch::new().expect("a switch");
        let ports = switch.add_ports(0, count).expect("ports");
        let first = ports.first().expect("a port");
        let (from, frame) = (first.open().expect("a port"), request(first.mac));
        dead_end(&switch, &ports);
        install(&switch, count, Profile::WebServer);
        Self {
            switch,
            from,
            frame,
            ports,
        }
    }

    fn nft(&self, text: &str) {
        let mut nft = self.switch.namespace().command("nft");
        feed(nft.args(["-f", "-"]), text);
    }

    /// A table that is dormant has no hooks.
    fn wake(&self, awake: bool) {
        let flags = if awake { "" } else { "{ flags dormant; }" };
        self.nft(&format!("add table bridge moat {flags}\n"));
    }

    /// Time of this thread for one broadcast.
    fn run(&self, step: Step) -> Duration {
        self.wake(step == Step::Moat);
        let rules = step.rules(&self.ports);
        if let Some(rules) = &rules {
            self.nft(rules);
        }
        let spent = self.flood();
        if rules.is_some() {
            self.nft("delete table bridge step\n");
        }
        spent
    }

    fn flood(&self) -> Duration {
        let last = self.ports.last().expect("another port");
        let before = received(&self.switch, last);
        let _pinned = PinnedThread::here().expect("one CPU");
        let mut runs = Vec::new();
        for _ in 0..FLOODS {
            let start = thread_time();
            self.from.send(&self.frame).expect("sent");
            runs.push(thread_time() - start);
            self.switch.settle().expect("settled");
        }
        // The last port's copy is the first that a full queue would lose.
        let arrived = received(&self.switch, last) - before;
        assert!(
            arrived > u64::from(FLOODS / 2),
            "{arrived} of {FLOODS} broadcasts reached the last port"
        );
        median(runs)
    }
}

pub(crate) fn measure(table: &mut Table) {
    table.head("One ARP broadcast to all ports of a bridge");
    for count in [200, 1_000] {
        let ground = Ground::new(count);
        let mut runs = [const { Vec::new() }; STEPS.len()];
        // All take turns, so that what changes on the machine meanwhile meets all of them.
        for _ in 0..ROUNDS {
            for (step, runs) in STEPS.into_iter().zip(&mut runs) {
                runs.push(ground.run(step));
            }
        }
        let [free, .., moat] = &runs;
        let base = median(free.clone());
        let factor = |more: Duration| (base + more).as_secs_f64() / base.as_secs_f64();
        let more = added(moat, free);
        let found = format!("{:.2}×: {} for {}", factor(more), text(moat), short(base));
        let met = factor(more) <= 1.3;
        table.judged(&format!("to {count} ports"), "≤ 1.3×", met, &found);
        table.beside("each copy without rules", &short(base / count));
        for (step, runs) in STEPS.into_iter().zip(&runs).skip(1) {
            let more = added(runs, free);
            let found = format!("+{}, {:.2}×", short(more / count), factor(more));
            table.beside(step.name(), &found);
        }
    }
    table.beside("published: linear rules, 200 / 1,000 ports", "17× / 91×");
    table.beside("published: libvirt 9.0, 200 ports", "5×");
}

/// Who has 10.0.0.2? Tell the first port.
fn request(mac: [u8; 6]) -> Vec<u8> {
    let mut frame = vec![0xff; 6];
    frame.extend(mac);
    frame.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
    frame.extend(mac);
    frame.extend(documents::address(0).octets());
    frame.extend([0; 6]);
    frame.extend(documents::address(1).octets());
    frame.resize(60, 0);
    frame
}
