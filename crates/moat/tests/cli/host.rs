//! A throw-away host: a namespace with a bridge, ports, a folder for documents, and the binary.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use testbed::{Switch, SwitchPort};

/// Two web servers on a managed bridge. `preferred`, for not every kernel tracks connections.
pub(crate) const DOCUMENTS: &str = r#"kind: Host
name: hv-1
bridges: {br0: {managed: true}}
---
kind: Network
name: lan
bridge: br0
---
kind: Profile
name: web-server
stateful: preferred
guards: [mac, ipv4, ipv6, arp, nd, no-dhcp-server, no-router-advertisement]
default: {in: drop, out: accept}
rules:
  - accept in http, https
  - drop out smtp
---
kind: Port
name: web-1/0
vm: web-1
device: vnet0
mac: 52:54:00:00:00:01
addresses: [10.0.0.5, "2001:db8::5"]
network: lan
profiles: [web-server]
---
kind: Port
name: web-2/0
vm: web-2
device: vnet1
mac: 52:54:00:00:00:02
addresses: [10.0.0.6]
network: lan
profiles: [web-server]
"#;

/// Long enough for a busy machine; nothing waits that long where all is well.
const PATIENCE: Duration = Duration::from_secs(60);

/// Everything ends with it.
pub(crate) struct Host {
    pub(crate) switch: Switch,
    pub(crate) ports: Vec<SwitchPort>,
    folder: Folder,
}

/// How a run of the binary ended.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code().expect("it was not killed"),
            stdout: String::from_utf8(output.stdout).expect("text"),
            stderr: String::from_utf8(output.stderr).expect("text"),
        }
    }

    /// The same run, which must have ended like that.
    pub(crate) fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}\n{}", self.stdout, self.stderr);
        self
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }
}

/// The binary, outside of any host.
pub(crate) fn moat(arguments: &[&str]) -> Run {
    let output = Command::new(env!("CARGO_BIN_EXE_moat"))
        .args(arguments)
        .stdin(Stdio::null())
        .output();
    Run::of(output.expect("the binary runs"))
}

/// A folder of its own, and documents in it.
pub(crate) fn folder() -> Folder {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("moat-cli-{}-{number}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&folder).expect("a folder");
    Folder(folder)
}

/// A folder that goes with its owner.
pub(crate) struct Folder(PathBuf);

impl std::ops::Deref for Folder {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Host {
    pub(crate) fn new(ports: u32) -> Self {
        let switch = Switch::new().expect("a switch");
        let ports = switch.add_ports(0, ports).expect("ports");
        Self {
            switch,
            ports,
            folder: folder(),
        }
    }

    /// Writes documents and gives their path.
    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        let path = self.folder.join(name);
        std::fs::write(&path, text).expect("a file");
        path.to_str().expect("text").to_owned()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let binary = env!("CARGO_BIN_EXE_moat");
        let mut command = self.switch.namespace().command(binary);
        command.args(arguments).stdin(Stdio::null());
        command
    }

    /// As [`Self::command`], deaf to no signal that whoever runs the tests is deaf to (nohup(1)).
    pub(crate) fn command_that_hears(&self, arguments: &[&str]) -> Command {
        let mut command = self.switch.namespace().command("env");
        command
            .args(["--default-signal=HUP", env!("CARGO_BIN_EXE_moat")])
            .args(arguments)
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn moat(&self, arguments: &[&str]) -> Run {
        Run::of(self.command(arguments).output().expect("the binary runs"))
    }

    pub(crate) fn nft(&self, line: &str) {
        let mut command = self.switch.namespace().command("nft");
        let done = command.args(line.split(' ')).output().expect("nft runs");
        assert!(
            done.status.success(),
            "{}",
            String::from_utf8_lossy(&done.stderr)
        );
    }

    /// Whether the switch is as the documents say.
    pub(crate) fn settled(&self, documents: &str) -> bool {
        let plan = self.moat(&["plan", documents, "--json"]);
        plan.json()["change"]["empty"].as_bool().expect("a plan")
    }

    /// Waits for something that another process brings about.
    pub(crate) fn wait_until(&self, what: &str, so: impl Fn() -> bool) {
        let end = Instant::now() + PATIENCE;
        while !so() {
            assert!(Instant::now() < end, "{what} did not come about");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // Where a test fails, a guardian may still wait.
        let _ = self.command(&["confirm"]).output();
        if let Ok(namespace) = std::fs::metadata(self.switch.namespace().path()) {
            let _ = std::fs::remove_dir_all(format!("/run/moat/{}", namespace.ino()));
        }
    }
}

/// A run that goes on; it ends with its owner.
pub(crate) struct Going {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl Going {
    /// Starts it, and waits for a line on standard error that says so.
    pub(crate) fn start(mut command: Command, ready: &str) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary runs");
        let mut errors = BufReader::new(child.stderr.take().expect("a pipe"));
        let mut seen = String::new();
        loop {
            let mut line = String::new();
            let read = errors.read_line(&mut line).expect("text");
            assert!(read > 0, "it ended before it was ready: {seen}");
            seen.push_str(&line);
            if line.contains(ready) {
                break;
            }
        }
        // Nobody reads the rest, which must not block the writer.
        std::thread::spawn(move || std::io::copy(&mut errors, &mut std::io::sink()));
        let lines = BufReader::new(child.stdout.take().expect("a pipe"));
        Self { child, lines }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its next line of output.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        let read = self.lines.read_line(&mut line).expect("text");
        assert!(read > 0, "it ended");
        line
    }

    pub(crate) fn end(mut self) -> Option<i32> {
        self.child.wait().expect("it ends").code()
    }
}

impl Drop for Going {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
