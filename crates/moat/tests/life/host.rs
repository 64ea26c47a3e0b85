//! A hypervisor with moat's agent inside, and a port on each bridge for what its guests send to the world.

use std::fs::{self, File, OpenOptions};
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use testbed::forged::Kind;
use testbed::guest::GuestSpec;
use testbed::libvirtd::{GuestImage, InsideProcess, Libvirtd, LibvirtdSpec};
use testbed::{MarkerCounter, Namespace, RawPort, SwitchPort, SwitchSpec, marker_of};

const MOAT: &str = env!("CARGO_BIN_EXE_moat");
const LOG: &str = "/run/moat-agent.log";
/// Long enough for a busy machine; nothing waits that long where all is well.
const PATIENCE: Duration = Duration::from_secs(60);

/// Ends with everything in it.
pub(crate) struct Host {
    // Before the agents: their parents end when they do.
    pub(crate) libvirt: Libvirtd,
    pub(crate) outside: Vec<SwitchPort>,
    agents: Agents,
}

/// The parents of agents.
#[derive(Default)]
struct Agents(Vec<Child>);

impl Drop for Agents {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.wait();
        }
    }
}

/// Marked frames that reached a place.
pub(crate) struct Count {
    forged: MarkerCounter,
    honest: MarkerCounter,
}

impl Count {
    pub(crate) fn of(namespace: &Namespace, device: &str, index: u32, forged: &[Kind]) -> Self {
        let counter = |kinds: &[Kind]| {
            MarkerCounter::of_kinds(namespace, device, index, kinds).expect("a counter")
        };
        Self {
            forged: counter(forged),
            honest: counter(&[Kind::Honest, Kind::HonestIpv6]),
        }
    }

    pub(crate) fn forged(&mut self) -> u64 {
        self.forged.count().expect("a count")
    }

    pub(crate) fn honest(&mut self) -> u64 {
        self.honest.count().expect("a count")
    }

    /// Waits for `more` honest frames from now on.
    pub(crate) fn await_honest(&mut self, more: u64) {
        let wanted = self.honest() + more;
        await_until("honest frames", || self.honest() >= wanted);
    }
}

impl Host {
    /// A hypervisor without moat, with bridges that each have the port `outsideN`.
    pub(crate) fn new(name: &str, bridges: usize) -> Self {
        let libvirt = Libvirtd::start(&LibvirtdSpec {
            name: name.to_owned(),
            switch: SwitchSpec {
                bridges,
                ..SwitchSpec::default()
            },
            hooks: Vec::new(),
        })
        .expect("a hypervisor");
        let switch = libvirt.switch();
        let outside = (0..bridges).map(|bridge| {
            let mut port = switch.draft(bridge, switch.ends(), None);
            port.device = format!("outside{bridge}");
            let [.., high, low] = port.mac;
            port.mac = [0x02, 0x0f, 0, 0, high, low];
            switch.plug_as(port).expect("a port")
        });
        let outside = outside.collect();
        Self {
            libvirt,
            outside,
            agents: Agents::default(),
        }
    }

    /// A hypervisor with hooks and an agent that follows these documents.
    pub(crate) fn with_moat(name: &str, bridges: usize, documents: &str) -> Self {
        let mut host = Self::new(name, bridges);
        host.protect(documents);
        host
    }

    /// Brings moat, as an administrator does.
    pub(crate) fn protect(&mut self, documents: &str) {
        self.write_documents(documents);
        self.setup(&[]);
        self.start_agent();
        // libvirt looks for hooks when it starts.
        self.libvirt.restart_daemon().expect("libvirtd");
    }

    /// `moat setup libvirt`.
    pub(crate) fn setup(&self, options: &[&str]) {
        let said = self.moat(&[&["setup", "libvirt"], options].concat());
        assert!(said.status.success(), "{said:?}");
    }

    pub(crate) fn write_documents(&self, text: &str) {
        self.libvirt
            .write("/etc/moat/documents.yaml", text.as_bytes())
            .expect("documents");
    }

    /// Runs the command line inside.
    pub(crate) fn moat(&self, arguments: &[&str]) -> Output {
        let mut command = self.libvirt.command(MOAT);
        command.args(arguments).output().expect("moat runs")
    }

    /// Starts the agent and waits until it answers.
    pub(crate) fn start_agent(&mut self) {
        let log = || -> File {
            let path = self.libvirt.path(LOG);
            let opened = OpenOptions::new().create(true).append(true).open(path);
            opened.expect("a log")
        };
        let mut command = self.libvirt.command(MOAT);
        command.arg("agent").env("MOAT_LOG", "info");
        command
            .stdout(Stdio::from(log()))
            .stderr(Stdio::from(log()));
        self.agents.0.push(command.spawn().expect("the agent"));
        await_until("the agent's answer", || self.answered().is_some());
    }

    fn agent(&self) -> InsideProcess {
        let processes = self.libvirt.processes().expect("processes");
        let is_agent = |process: &InsideProcess| {
            process.is("moat") && process.arguments.get(1).is_some_and(|word| word == "agent")
        };
        processes.into_iter().find(is_agent).expect("an agent")
    }

    /// Keeps the agent from doing anything, or no longer.
    pub(crate) fn pause_agent(&self, paused: bool) {
        let signal = if paused { "STOP" } else { "CONT" };
        self.agent().signal(signal).expect("a signal");
        // nsenter stops when what it started does, and goes on only when it is told.
        if let (false, Some(parent)) = (paused, self.agents.0.last()) {
            let parent = InsideProcess {
                number: parent.id(),
                arguments: Vec::new(),
            };
            parent.signal(signal).expect("a signal");
        }
    }

    /// Ends the agent by a signal.
    pub(crate) fn end_agent(&self, signal: &str) {
        let agent = self.agent();
        agent.signal(signal).expect("a signal");
        self.libvirt.await_end(&agent).expect("its end");
    }

    fn answered(&self) -> Option<Value> {
        let said = self.moat(&["status", "--json"]);
        let status: Value = serde_json::from_slice(&said.stdout).ok()?;
        // Without an agent the switch is asked.
        status.get("network-namespace").is_some().then_some(status)
    }

    /// What the agent says of everything.
    pub(crate) fn status(&self) -> Value {
        self.answered().expect("an agent that answers")
    }

    /// What the agent says of a port; null if it knows none of that name.
    pub(crate) fn port(&self, name: &str) -> Value {
        let status = self.status();
        let ports = status["ports"].as_array().expect("ports");
        let mut ports = ports.iter().filter(|port| port["port"] == name);
        ports.next().cloned().unwrap_or_default()
    }

    /// Waits until a port is in this state.
    pub(crate) fn await_state(&self, name: &str, state: &str) -> Value {
        await_until(&format!("{name} to be {state}"), || {
            self.port(name)["state"] == state
        });
        self.port(name)
    }

    /// moat's table as nft prints it, without what counts frames.
    pub(crate) fn table(&self) -> String {
        let arguments = ["--stateless", "list", "table", "bridge", "moat"];
        self.libvirt.run("nft", &arguments).expect("a table")
    }

    /// Counts commits of nf_tables, whoever made them.
    pub(crate) fn generation(&self) -> u32 {
        let asked = || {
            nftables::Connection::open()
                .expect("nf_tables")
                .generation()
        };
        let namespace = self.libvirt.switch().namespace();
        namespace.run(asked).expect("a generation")
    }

    /// The device of a guest's interface.
    pub(crate) fn device(&self, guest: &str, mac: [u8; 6]) -> String {
        self.libvirt.device_of(guest, mac).expect("a device")
    }

    /// Counts what gets out of a bridge by the port outside.
    pub(crate) fn count_outside(&self, bridge: usize, forged: &[Kind]) -> Count {
        let port = &self.outside[bridge];
        Count::of(
            &port.end_namespace,
            &port.end_device,
            port.end_index,
            forged,
        )
    }

    /// Counts what arrives at a device of the host: at a bridge, what the host itself hears; at a tap, what its guest
    /// sends.
    pub(crate) fn count_at(&self, device: &str) -> Count {
        let switch = self.libvirt.switch();
        let index = switch.links().find(device).expect("a device").index;
        Count::of(switch.namespace(), device, index, &forged())
    }
}

/// The numbers of honest frames that arrive outside from one guest, each of which must come.
pub(crate) struct Flood {
    wire: RawPort,
    mac: [u8; 6],
    last: Option<u32>,
}

impl Flood {
    pub(crate) fn of(port: &SwitchPort, mac: [u8; 6]) -> Self {
        let wire = port.open().expect("a wire");
        let last = None;
        Self { wire, mac, last }
    }

    /// Reads what has come; says how many did, and how many are missing between the first and the last.
    pub(crate) fn read(&mut self) -> (u32, u32) {
        let (mut came, mut lost) = (0, 0);
        for frame in self.wire.drain().expect("frames") {
            let number = match marker_of(&frame).and_then(Kind::of_marker) {
                Some((Kind::Honest, number)) if frame.get(6..12) == Some(&self.mac) => number,
                _ => continue,
            };
            if let Some(last) = self.last {
                lost += number.saturating_sub(last + 1);
            }
            came += 1;
            self.last = Some(number);
        }
        (came, lost)
    }

    /// Waits for `more` frames; how many were lost since the last look.
    pub(crate) fn lost_until(&mut self, more: u32) -> u32 {
        let (mut came, mut lost) = self.read();
        let wanted = came + more;
        await_until("an honest flood", || {
            let now = self.read();
            (came, lost) = (came + now.0, lost + now.1);
            came >= wanted
        });
        lost
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        for parent in &mut self.agents.0 {
            // One that is stopped would not bury its child, and the hypervisor's end waits for that.
            let _ = parent.kill();
        }
        if std::thread::panicking() {
            let log = fs::read_to_string(self.libvirt.path(LOG)).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let last = lines.len().saturating_sub(60);
            eprintln!("the agent says:\n{}", lines[last..].join("\n"));
        }
    }
}

/// Every kind of frame that a guarded port never lets out.
pub(crate) fn forged() -> Vec<Kind> {
    Kind::forged().collect()
}

/// A guest that sends every kind of frame, forged and honest, from its first instruction.
pub(crate) fn attacker() -> GuestImage {
    let kinds = "kinds=all-forged,honest,honest-ipv6";
    let spec = GuestSpec::network(&["guest-program", "send", kinds, "pause=2000"]);
    GuestImage::new(&spec).expect("an image")
}

/// Looks again and again until something is so.
pub(crate) fn await_until(what: &str, mut so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < end, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
