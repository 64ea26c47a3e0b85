//! Machines that come, go, move and change on two hosts, and what should be in force after it. Knows
//! what was said and heard; what the switch makes of it is compared at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use testbed::SwitchPort;

use crate::documents;
use crate::host::Host;
use crate::prober::{Prober, identities};
use crate::random::Random;

/// Who tells the agent of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Teller {
    /// `moat hook libvirt`, with XML in libvirt's shape.
    Libvirt,
    /// `moat port`.
    Command,
}

struct Machine {
    host: usize,
    teller: Teller,
    port: SwitchPort,
    /// Its name now.
    device: String,
    probe: u64,
}

/// What was done, for people.
#[derive(Clone, Debug, Default)]
pub(crate) struct Done(BTreeMap<&'static str, u64>);

impl std::fmt::Display for Done {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut parts = self.0.iter().map(|(what, count)| format!("{count} {what}"));
        f.write_str(&parts.by_ref().collect::<Vec<_>>().join(", "))
    }
}

/// Two hosts and their machines.
pub(crate) struct Churn {
    pub(crate) hosts: Vec<Host>,
    pub(crate) prober: Prober,
    pub(crate) done: Done,
    random: Random,
    machines: Vec<Option<Machine>>,
    /// Ends that an agent was told of while it was away, or may have been: they are said again.
    owed: BTreeSet<(usize, Teller, usize)>,
    /// Honest frames of ports that an agent had said to admit.
    pub(crate) admitted: u64,
    renamed: usize,
    /// Agents may be killed.
    violent: bool,
}

impl Churn {
    pub(crate) fn new(random: Random, machines: usize) -> Self {
        let texts = [
            ("base.yaml", documents::BASE.to_owned()),
            ("profile.yaml", documents::profile(0)),
        ];
        let hosts = vec![Host::new(&texts), Host::new(&texts)];
        Self {
            prober: Prober::new(&hosts),
            hosts,
            done: Done::default(),
            random,
            machines: (0..machines).map(|_| None).collect(),
            owed: BTreeSet::new(),
            admitted: 0,
            renamed: 0,
            violent: false,
        }
    }

    fn note(&mut self, what: &'static str) {
        *self.done.0.entry(what).or_default() += 1;
    }

    /// One thing happens. `violent`: agents may be killed.
    pub(crate) fn step(&mut self, violent: bool) {
        self.violent = violent;
        let number = self.random.below(self.machines.len());
        let kinds = if violent { 26 } else { 20 };
        match (self.random.below(kinds), self.machines[number].is_some()) {
            (0..12, false) => {
                let host = self.random.below(self.hosts.len());
                self.begin(number, host);
            }
            (0..7, true) => self.end(number),
            (7..10, true) => self.rename(number),
            (10..12, true) => self.reuse(number),
            (12..15, true) => self.migrate(number),
            (18, _) => self.replace_profile(),
            (19, _) => self.declare_wrongly(),
            (20..22, _) => self.kill_and_restart(),
            (22..24, _) => self.outage(),
            (24.., false) => self.kill_while_told(number),
            _ if self.random.once_in(5) => self.burst(),
            (_, true) => self.repeat(number),
            (_, false) => {
                let host = self.random.below(self.hosts.len());
                self.begin(number, host);
            }
        }
    }

    fn call(&self, host: usize, teller: Teller, number: usize, words: Words<'_>) -> Child {
        let host = &self.hosts[host];
        let socket = host.socket();
        let who = identities(number);
        let (arguments, input) = match (teller, words) {
            (Teller::Libvirt, words) => {
                let (operation, device) = match words {
                    Words::Prepare => ("prepare", None),
                    Words::Claim(device) => ("start", Some(device)),
                    Words::Release => ("release", None),
                };
                let line = format!("hook libvirt qemu vm-{number} {operation} begin -");
                (line, documents::domain(number, device, &who))
            }
            (Teller::Command, Words::Claim(device)) => (
                format!(
                    "port add port-{number}/0 --mac {} --device {device} --network lan \
                     --profile guest --address {} --address {}",
                    documents::mac(who.mac),
                    who.ipv4,
                    who.ipv6
                ),
                String::new(),
            ),
            (Teller::Command, Words::Release | Words::Prepare) => {
                (format!("port remove port-{number}/0"), String::new())
            }
        };
        let mut words: Vec<&str> = arguments.split_whitespace().collect();
        let socket = ["--socket", socket.to_str().expect("text")];
        let at = if words[0] == "hook" { 1 } else { words.len() };
        words.splice(at..at, socket);
        let mut command = host.moat(&words);
        command.stdin(Stdio::piped());
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary runs");
        // It may have ended already.
        let _ = child
            .stdin
            .take()
            .expect("a pipe")
            .write_all(input.as_bytes());
        child
    }

    /// Says something, and whether it was heard; it must be where the agent runs.
    fn say(&self, host: usize, teller: Teller, number: usize, words: Words<'_>) -> bool {
        let child = self.call(host, teller, number, words);
        let output = child.wait_with_output().expect("it ends");
        let heard = output.status.success();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(
            heard,
            self.hosts[host].runs(),
            "{teller:?} {number} {words:?}: {said}\n{}",
            self.hosts[host].log()
        );
        heard
    }

    /// An interface like the machine's, under a name that may have been used before.
    fn plug(&mut self, number: usize, host: usize) -> SwitchPort {
        let names = self.machines.len() * 5 / 4 + 4;
        let taken: BTreeSet<&str> = self
            .machines
            .iter()
            .flatten()
            .filter(|machine| machine.host == host)
            .map(|machine| machine.device.as_str())
            .collect();
        let first = self.random.below(names);
        let mut free = (first..names).chain(0..first).map(|at| format!("tap{at}"));
        let device = free.find(|name| !taken.contains(name.as_str()));
        self.plug_as(number, host, device.expect("more names than machines"))
    }

    fn plug_as(&self, number: usize, host: usize, device: String) -> SwitchPort {
        let switch = &self.hosts[host].switch;
        let mut draft = switch.draft(0, switch.ends(), None);
        draft.device = device;
        draft.mac = identities(number).mac;
        switch.plug_as(draft).expect("a port")
    }

    fn unplug(&self, host: usize, port: &SwitchPort) {
        let switch = &self.hosts[host].switch;
        switch.unplug(std::slice::from_ref(port)).expect("it goes");
    }

    /// A machine starts. Where nobody hears of it, it does not run.
    fn begin(&mut self, number: usize, host: usize) {
        let Some(machine) = self.start(number, host) else {
            return self.note("starts refused");
        };
        self.machines[number] = Some(machine);
        self.note("starts");
    }

    fn start(&mut self, number: usize, host: usize) -> Option<Machine> {
        let teller = match self.random.once_in(2) {
            true => Teller::Libvirt,
            false => Teller::Command,
        };
        if teller == Teller::Libvirt && !self.say(host, teller, number, Words::Prepare) {
            self.owed.insert((host, teller, number));
            return None;
        }
        let port = self.plug(number, host);
        let probe = self.prober.add(&port, number);
        let device = port.device.clone();
        if !self.say(host, teller, number, Words::Claim(&device)) {
            self.prober.remove(probe);
            self.unplug(host, &port);
            self.owed.insert((host, teller, number));
            return None;
        }
        // It was said to be admitted, so it is.
        self.admitted += u64::from(self.prober.admitted(probe, number));
        Some(Machine {
            host,
            teller,
            port,
            device,
            probe,
        })
    }

    fn end(&mut self, number: usize) {
        let machine = self.machines[number].take().expect("it runs");
        self.stop(number, &machine);
        self.note("stops");
    }

    fn stop(&mut self, number: usize, machine: &Machine) {
        self.prober.remove(machine.probe);
        let crashes = self.random.once_in(2);
        if crashes {
            self.unplug(machine.host, &machine.port);
        }
        self.release(machine.host, machine.teller, number);
        if !crashes {
            self.unplug(machine.host, &machine.port);
        }
    }

    fn release(&mut self, host: usize, teller: Teller, number: usize) {
        if !self.say(host, teller, number, Words::Release) {
            self.owed.insert((host, teller, number));
        }
    }

    /// The interface gets another name, as administrators and udev do.
    fn rename(&mut self, number: usize) {
        self.renamed += 1;
        let name = format!("other{}", self.renamed);
        let machine = self.machines[number].as_mut().expect("it runs");
        let links = self.hosts[machine.host].switch.links();
        let index = machine.port.index;
        links.set_up(index, false).expect("down");
        links.rename(index, &name).expect("a name");
        links.set_up(index, true).expect("up");
        machine.device = name;
        self.note("renames");
    }

    /// A machine's interface vanishes, and a stranger's has its name and sends as it did.
    fn reuse(&mut self, number: usize) {
        let machine = self.machines[number].take().expect("it runs");
        self.prober.remove(machine.probe);
        self.unplug(machine.host, &machine.port);
        let stranger = self.plug_as(number, machine.host, machine.device.clone());
        let probe = self.prober.add_stray(&stranger, number);
        if self.random.once_in(2) {
            // An agent that has just begun remembers names too, and must not be taken in.
            let may = self.violent && self.hosts[machine.host].runs();
            if may && self.random.once_in(4) {
                self.hosts[machine.host].kill();
                self.hosts[machine.host].start();
            }
            std::thread::sleep(Duration::from_millis(30));
        }
        self.release(machine.host, machine.teller, number);
        self.prober.remove(probe);
        self.unplug(machine.host, &stranger);
        self.note("names reused");
    }

    /// Admitted there before it leaves here, as live migration does it.
    fn migrate(&mut self, number: usize) {
        let machine = self.machines[number].take().expect("it runs");
        let there = (machine.host + 1) % self.hosts.len();
        match self.start(number, there) {
            Some(arrived) => {
                self.stop(number, &machine);
                self.machines[number] = Some(arrived);
                self.note("migrations");
            }
            None => {
                self.machines[number] = Some(machine);
                self.note("migrations failed");
            }
        }
    }

    /// Sources repeat themselves: `started` after `start`, `reconnect`, a command typed twice.
    fn repeat(&mut self, number: usize) {
        let machine = self.machines[number].as_ref().expect("it runs");
        let (host, teller) = (machine.host, machine.teller);
        let device = machine.device.clone();
        self.say(host, teller, number, Words::Claim(&device));
        self.note("claims repeated");
    }

    pub(crate) fn set_profile(&self, version: usize) {
        for host in &self.hosts {
            host.declare("profile.yaml", &documents::profile(version));
        }
    }

    fn replace_profile(&mut self) {
        let version = self.random.below(8);
        self.set_profile(version);
        if self.random.once_in(2) {
            self.reload(true);
        }
        self.note("profile changes");
    }

    fn declare_wrongly(&mut self) {
        let text = documents::WRONG[self.random.below(documents::WRONG.len())];
        for host in &self.hosts {
            host.declare("wrong.yaml", text);
        }
        self.reload(false);
        for host in &self.hosts {
            host.withdraw("wrong.yaml");
        }
        if self.random.once_in(2) {
            self.reload(true);
        }
        self.note("wrong documents");
    }

    fn reload(&self, taken: bool) {
        for host in self.hosts.iter().filter(|host| host.runs()) {
            let socket = host.socket();
            let mut command = host.moat(&["reload", "--socket"]);
            let output = command.arg(socket).output().expect("the binary runs");
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(
                output.status.success(),
                taken,
                "reload: {said}\n{}",
                host.log()
            );
        }
    }

    /// Many at once, so that rounds hold several words.
    fn burst(&mut self) {
        let mut going = Vec::new();
        for _ in 0..6 {
            let number = self.random.below(self.machines.len());
            if let Some(machine) = self.machines[number].take() {
                let (host, teller) = (machine.host, machine.teller);
                let child = self.call(host, teller, number, Words::Release);
                going.push((number, machine, child));
            }
        }
        for (number, machine, child) in going {
            self.prober.remove(machine.probe);
            self.unplug(machine.host, &machine.port);
            let heard = child.wait_with_output().expect("it ends").status.success();
            if !heard {
                self.owed.insert((machine.host, machine.teller, number));
            }
        }
        self.note("bursts");
    }

    fn kill_and_restart(&mut self) {
        let host = self.random.below(self.hosts.len());
        self.hosts[host].kill();
        self.hosts[host].start();
        self.note("kills");
    }

    /// Things happen that no agent hears of.
    fn outage(&mut self) {
        let host = self.random.below(self.hosts.len());
        self.hosts[host].kill();
        for _ in 0..self.random.below(8) {
            let number = self.random.below(self.machines.len());
            match (self.random.below(3), &self.machines[number]) {
                (_, None) => self.begin(number, host),
                (0, Some(_)) => self.rename(number),
                (1, Some(_)) => self.end(number),
                (_, Some(_)) => self.reuse(number),
            }
        }
        if self.random.once_in(3) {
            self.replace_profile();
        }
        self.hosts[host].start();
        self.pay();
        self.note("outages");
    }

    /// The agent dies while it is told; whoever told it says it again.
    fn kill_while_told(&mut self, number: usize) {
        let host = self.random.below(self.hosts.len());
        let port = self.plug(number, host);
        let probe = self.prober.add(&port, number);
        let device = port.device.clone();
        let teller = Teller::Command;
        let child = self.call(host, teller, number, Words::Claim(&device));
        let microseconds = self.random.below(20_000) as u64;
        std::thread::sleep(Duration::from_micros(microseconds));
        self.hosts[host].kill();
        self.hosts[host].start();
        // Heard or not: both may be.
        let _ = child.wait_with_output().expect("it ends");
        self.say(host, teller, number, Words::Claim(&device));
        self.admitted += u64::from(self.prober.admitted(probe, number));
        self.machines[number] = Some(Machine {
            host,
            teller,
            port,
            device,
            probe,
        });
        self.note("kills while told");
    }

    /// Says again what was not heard.
    pub(crate) fn pay(&mut self) {
        let owed: Vec<_> = self.owed.iter().copied().collect();
        for (host, teller, number) in owed {
            if self.hosts[host].runs() {
                self.owed.remove(&(host, teller, number));
                self.say(host, teller, number, Words::Release);
            }
        }
    }

    /// Somebody removes the table. Until it is back the bridge carries everything, as docs/limits.md
    /// says, so nothing is sent meanwhile.
    pub(crate) fn flush(&mut self) {
        let host = self.random.below(self.hosts.len());
        self.prober.pause(&self.hosts);
        self.hosts[host].nft("flush ruleset");
        self.compare(host);
        self.prober.resume();
        self.note("foreign flushes");
    }

    /// Each switch is as a fresh `moat diff` of the same ports as documents wants it, and status says
    /// so too.
    pub(crate) fn compare_all(&mut self) {
        self.pay();
        for host in 0..self.hosts.len() {
            self.compare(host);
        }
    }

    fn compare(&self, host: usize) {
        let mut text = String::new();
        let mut expected = BTreeMap::from([("peer/0".to_owned(), self.hosts[host].peer.index)]);
        for (number, machine) in self.machines.iter().enumerate() {
            let Some(machine) = machine.as_ref().filter(|machine| machine.host == host) else {
                continue;
            };
            let name = match machine.teller {
                Teller::Libvirt => format!("vm-{number}/0"),
                Teller::Command => format!("port-{number}/0"),
            };
            let port = documents::port(&name, &machine.device, &identities(number));
            text.push_str(&port);
            expected.insert(name, machine.port.index);
        }
        let host = &self.hosts[host];
        let file = host.folder.join("expected.yaml");
        // A file needs a document.
        let text = if text.is_empty() { "---\n" } else { &text };
        std::fs::write(&file, text).expect("a file");
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            let mut command = host.moat(&["diff", "--json"]);
            command.arg(host.folder.join("documents"));
            let output = command.arg(&file).output().expect("the binary runs");
            let status = host.status();
            let found: BTreeMap<String, u32> = status
                .ports
                .iter()
                .filter_map(|port| Some((port.port.clone(), port.ifindex?)))
                .collect();
            let same = output.status.success() && found == expected;
            if same && status.ports.len() == expected.len() && status.quarantined.is_empty() {
                return;
            }
            if Instant::now() > end {
                let diff: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
                let others = status.ports.iter().filter(|port| port.ifindex.is_none());
                panic!(
                    "not as it should be: {}\nrefused {}\nexpected {expected:?}\nfound {found:?}\n\
                     others {:?}\nquarantined {:?}\n{}{}",
                    diff["drift"],
                    diff["refused"],
                    others.collect::<Vec<_>>(),
                    status.quarantined,
                    String::from_utf8_lossy(&output.stderr),
                    host.log()
                );
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Every machine stops.
    pub(crate) fn drain(&mut self) {
        for number in 0..self.machines.len() {
            if self.machines[number].is_some() {
                self.end(number);
            }
        }
        self.pay();
    }

    pub(crate) fn running(&self) -> usize {
        self.machines.iter().flatten().count()
    }

    /// Half of the machines run.
    pub(crate) fn fill(&mut self) {
        for number in (0..self.machines.len()).step_by(2) {
            if self.machines[number].is_none() {
                let host = self.random.below(self.hosts.len());
                self.begin(number, host);
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Words<'a> {
    Prepare,
    Claim(&'a str),
    Release,
}
