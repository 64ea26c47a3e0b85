//! One host of the churn: a namespace with a managed bridge, the real `moat agent` in it, and what the
//! kernel says of that process. Knows how to call the binary; which calls are made is left to others.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use agent::AgentStatus;
use agent::protocol::{Reply, Request};
use testbed::{Switch, SwitchPort};

/// Long enough for a busy machine; nothing waits that long where all is well.
const PATIENCE: Duration = Duration::from_secs(60);

/// Everything ends with it.
pub(crate) struct Host {
    pub(crate) switch: Switch,
    /// What passes the switch arrives at its end, unfiltered.
    pub(crate) uplink: SwitchPort,
    /// A declared port that sends honestly all the while.
    pub(crate) peer: SwitchPort,
    pub(crate) folder: PathBuf,
    agent: Option<Child>,
}

/// What an agent's process holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Footprint {
    pub(crate) descriptors: usize,
    pub(crate) threads: usize,
    /// Resident, in KiB.
    pub(crate) resident: u64,
    /// Processor time that it has taken, in ticks of 10 ms.
    pub(crate) ticks: u64,
}

impl Host {
    pub(crate) fn new(documents: &[(&str, String)]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder =
            std::env::temp_dir().join(format!("moat-churn-{}-{number}", std::process::id()));
        for one in ["documents", "filters"] {
            fs::create_dir_all(folder.join(one)).expect("a folder");
        }
        let switch = Switch::new().expect("a switch");
        let plug = |device: &str, mac| {
            let mut draft = switch.draft(0, switch.ends(), None);
            draft.device = device.to_owned();
            draft.mac = mac;
            switch.plug_as(draft).expect("a port")
        };
        let uplink = plug("up0", [0x52, 0x54, 0, 0, 0xff, 0xfe]);
        let peer = plug("peer0", PEER);
        let mut host = Self {
            switch,
            uplink,
            peer,
            folder,
            agent: None,
        };
        for (name, text) in documents {
            host.declare(name, text);
        }
        host.start();
        host
    }

    /// Brings a document into the agent's folder as careful programs do: whole.
    pub(crate) fn declare(&self, name: &str, text: &str) {
        let file = self.folder.join("documents").join(name);
        let new = self.folder.join("new");
        fs::write(&new, text).expect("a file");
        fs::rename(new, file).expect("a file");
    }

    pub(crate) fn withdraw(&self, name: &str) {
        fs::remove_file(self.folder.join("documents").join(name)).expect("a file");
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.join("agent.sock")
    }

    /// The binary in the host's namespace.
    pub(crate) fn moat(&self, arguments: &[&str]) -> Command {
        let binary = env!("CARGO_BIN_EXE_moat");
        let mut command = self.switch.namespace().command(binary);
        command.args(arguments).stdin(Stdio::null());
        command
    }

    /// Starts the agent, and waits until it answers.
    pub(crate) fn start(&mut self) {
        assert!(self.agent.is_none(), "it runs");
        let path = |name: &str| self.folder.join(name).to_str().expect("text").to_owned();
        let log = File::options()
            .create(true)
            .append(true)
            .open(path("log"))
            .expect("a file");
        let mut command = self.moat(&[
            "agent",
            &path("documents"),
            "--no-libvirt",
            "--no-openvswitch",
        ]);
        command
            .args(["--socket", &path("agent.sock"), "--state", &path("state")])
            .args(["--runtime", &path("runtime"), "--filters", &path("filters")])
            .stdout(Stdio::null())
            .stderr(log);
        self.agent = Some(command.spawn().expect("the binary runs"));
        let socket = self.socket();
        self.wait_until("the agent's answer", || {
            UnixStream::connect(&socket).is_ok()
        });
    }

    pub(crate) fn runs(&self) -> bool {
        self.agent.is_some()
    }

    /// SIGKILL, at whatever it is doing.
    pub(crate) fn kill(&mut self) {
        let mut agent = self.agent.take().expect("it runs");
        agent.kill().expect("it can be killed");
        agent.wait().expect("it ends");
    }

    pub(crate) fn ask(&self, request: &Request) -> Option<Reply> {
        let mut stream = UnixStream::connect(self.socket()).ok()?;
        let mut line = serde_json::to_vec(request).expect("JSON");
        line.push(b'\n');
        stream.write_all(&line).ok()?;
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).ok()?;
        serde_json::from_str(&answer).ok()
    }

    pub(crate) fn status(&self) -> AgentStatus {
        match self.ask(&Request::Status) {
            Some(Reply::Status(status)) => *status,
            other => panic!("not a status: {other:?}\n{}", self.log()),
        }
    }

    pub(crate) fn nft(&self, line: &str) -> String {
        let mut command = self.switch.namespace().command("nft");
        let done = command.args(line.split(' ')).output().expect("nft runs");
        assert!(done.status.success(), "{done:?}");
        String::from_utf8(done.stdout).expect("text")
    }

    /// What the agent's process holds while nobody asks it anything.
    pub(crate) fn footprint(&self) -> Footprint {
        // Threads of clients that have their answer may still be ending.
        let samples = (0..20).map(|_| {
            std::thread::sleep(Duration::from_millis(10));
            self.sample()
        });
        let least = samples.min_by_key(|one| (one.threads, one.descriptors));
        least.expect("samples")
    }

    fn sample(&self) -> Footprint {
        let process = self.agent.as_ref().expect("it runs").id();
        let folder = PathBuf::from(format!("/proc/{process}"));
        let status = fs::read_to_string(folder.join("status")).expect("its status");
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let resident = resident.expect("VmRSS").trim().trim_end_matches(" kB");
        let stat = fs::read_to_string(folder.join("stat")).expect("its stat");
        // proc_pid_stat(5): the name may hold anything, in parentheses; utime and stime are 14 and 15.
        let rest = stat.rsplit(") ").next().expect("fields");
        let fields: Vec<&str> = rest.split(' ').collect();
        let tick = |at: usize| fields[at].parse::<u64>().expect("a number");
        let count = |name: &str| fs::read_dir(folder.join(name)).expect("a list").count();
        Footprint {
            descriptors: count("fd"),
            threads: count("task"),
            resident: resident.parse().expect("a number"),
            ticks: tick(11) + tick(12),
        }
    }

    /// The files that the agent keeps.
    pub(crate) fn files(&self) -> BTreeSet<PathBuf> {
        let mut files = BTreeSet::new();
        for folder in ["state", "runtime"] {
            list(&self.folder.join(folder), &mut files);
        }
        files
    }

    /// The table without what frames count, and without the room that sets were once given.
    pub(crate) fn table(&self) -> String {
        self.nft("--stateless list table bridge moat")
    }

    pub(crate) fn log(&self) -> String {
        let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }

    /// Waits for something that another process brings about.
    pub(crate) fn wait_until(&self, what: &str, mut so: impl FnMut() -> bool) {
        let end = Instant::now() + PATIENCE;
        while !so() {
            assert!(
                Instant::now() < end,
                "{what} did not come about\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// The MAC of the port that sends honestly.
pub(crate) const PEER: [u8; 6] = [0x52, 0x54, 0, 0, 0, 1];

fn list(folder: &Path, files: &mut BTreeSet<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => list(&path, files),
            false => {
                files.insert(path);
            }
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if let Some(mut agent) = self.agent.take() {
            let _ = agent.kill();
            let _ = agent.wait();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}
