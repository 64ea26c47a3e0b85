//! A throw-away hypervisor: real libvirtd, QEMU and dnsmasq in namespaces of their own, so that nothing of the machine
//! is touched and everything ends with its owner. Knows how to start them and talk to them; leaves what a guest is to
//! [`domain`] and what it does to [`crate::guest`].
//!
//! It has a network namespace (a [`Switch`]), a mount namespace with `/run` empty and `/etc` and `/var` as overlays, a
//! process namespace and a name of its own. The process namespace's first process reads a pipe that the test holds:
//! when the test ends, however it ends, the kernel kills everything inside, and the mounts go with the last process.

pub mod domain;
mod migration;
mod process;
mod recorder;
mod remote;

use crate::forged::Kind;
use crate::link::LinkError;
use crate::raw_port::MarkerCounter;
use crate::switch::{Switch, SwitchError, SwitchPort, SwitchSpec};
use std::fs::{self, Permissions};
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

pub use domain::{Domain, Filter, GuestImage, Interface, Source, mac_text};
pub use migration::{MIGRATION_DEVICE, Migration, connect};
pub use process::InsideProcess;
pub use recorder::{HookCall, HostDevice, Recorder};
pub use remote::{Question, Remote, RemoteError};

const PREPARE: &str = include_str!("libvirtd/prepare.sh");
/// libvirtd's socket inside.
const SOCKET: &str = "/run/libvirt/libvirt-sock";
/// Where libvirtd keeps what it knows of QEMU.
const CAPABILITIES: &str = "/var/cache/libvirt/qemu/capabilities";
const DAEMON: &str = "libvirtd";
/// How often something that takes milliseconds is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// After this long a process that should end or appear is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why a hypervisor could not be made or used.
#[derive(Debug, thiserror::Error)]
pub enum LibvirtdError {
    /// Its network failed.
    #[error(transparent)]
    Switch(#[from] SwitchError),
    /// One of its devices failed.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// A guest's contents could not be put together.
    #[error(transparent)]
    Guest(#[from] crate::guest::GuestError),
    /// A program could not be started.
    #[error("cannot run {program}: {source}; scripts/dependencies test installs what is missing")]
    Program {
        /// The program.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// The namespaces could not be prepared.
    #[error("cannot prepare the hypervisor's own view of the machine: {0}; run as root")]
    Prepare(String),
    /// A file inside could not be written or read.
    #[error("cannot access {path} inside the hypervisor: {source}")]
    File {
        /// Its path inside.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// A program ended with an error.
    #[error("{command} failed: {message}")]
    Failed {
        /// The command line.
        command: String,
        /// What it wrote to its standard error.
        message: String,
    },
    /// Something did not happen.
    #[error("waited {PATIENCE:?} in vain for {0}")]
    Patience(String),
}

/// How to make a hypervisor.
#[derive(Debug, Clone)]
pub struct LibvirtdSpec {
    /// Its host name; hypervisors that migrate guests to each other need different ones.
    pub name: String,
    /// Its network: bridges `br0`, ….
    pub switch: SwitchSpec,
    /// Hook scripts: file name in `/etc/libvirt/hooks` and text. The daemon looks for them when it starts and never
    /// again: one that is added later is not called before a restart, unless there was one of that kind already.
    pub hooks: Vec<(String, String)>,
}

impl Default for LibvirtdSpec {
    fn default() -> Self {
        Self {
            name: "hv-1".to_owned(),
            switch: SwitchSpec::default(),
            hooks: Vec::new(),
        }
    }
}

/// A running hypervisor; dropping it ends every process in it.
pub struct Libvirtd {
    name: String,
    // Dropped in this order: processes before the network they use.
    first: FirstProcess,
    switch: Switch,
}

impl Libvirtd {
    /// Starts one with a bridge `br0` and the name `hv-1`.
    pub fn new() -> Result<Self, LibvirtdError> {
        Self::start(&LibvirtdSpec::default())
    }

    /// Starts one to order.
    pub fn start(spec: &LibvirtdSpec) -> Result<Self, LibvirtdError> {
        let switch = Switch::with(&spec.switch)?;
        let first = FirstProcess::start(&switch, &spec.name)?;
        let hypervisor = Self {
            name: spec.name.clone(),
            first,
            switch,
        };
        for (name, text) in &spec.hooks {
            hypervisor.add_hook(name, text)?;
        }
        hypervisor.start_with_known_capabilities()?;
        Ok(hypervisor)
    }

    /// libvirtd asks a new QEMU what it can do, for more than a second, and keeps the answer in its cache: the first
    /// hypervisor of a process asks, the others begin with that.
    fn start_with_known_capabilities(&self) -> Result<(), LibvirtdError> {
        static KNOWN: Mutex<Vec<(String, Vec<u8>)>> = Mutex::new(Vec::new());
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.is_empty() {
            for (name, contents) in known.iter() {
                self.write(&format!("{CAPABILITIES}/{name}"), contents)?;
            }
            drop(known);
            return self.start_daemon();
        }
        self.start_daemon()?;
        // A libvirt that keeps them elsewhere asks each time.
        for entry in fs::read_dir(self.path(CAPABILITIES))
            .into_iter()
            .flatten()
            .flatten()
        {
            let name = entry.file_name().to_string_lossy().into_owned();
            let contents =
                fs::read(entry.path()).map_err(|source| file_error(CAPABILITIES, source))?;
            known.push((name, contents));
        }
        Ok(())
    }

    /// Its host name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its network.
    pub fn switch(&self) -> &Switch {
        &self.switch
    }

    /// Plugs a port for the test's own frames into the first bridge. [`Switch::add_port`] would give it one of the names
    /// (`vnetN`) that libvirt gives to taps.
    pub fn plug_port(&self, device: &str) -> Result<SwitchPort, LibvirtdError> {
        let mut port = self.switch.draft(0, self.switch.ends(), None);
        device.clone_into(&mut port.device);
        // Nor one of the MACs that guests have.
        let [.., high, low] = port.mac;
        port.mac = [0x02, 0x0f, 0, 0, high, low];
        Ok(self.switch.plug_as(port)?)
    }

    /// Counts frames of these kinds that arrive at a device of the hypervisor: at a tap, what its guest sends.
    pub fn count(&self, device: &str, kinds: &[Kind]) -> Result<MarkerCounter, LibvirtdError> {
        let index = self.switch.links().find(device)?.index;
        let counter = MarkerCounter::of_kinds(self.switch.namespace(), device, index, kinds);
        Ok(counter.map_err(SwitchError::from)?)
    }

    /// Where the test finds what is at the absolute path `inside`.
    pub fn path(&self, inside: &str) -> PathBuf {
        PathBuf::from(format!(
            "/proc/{}/root/{}",
            self.first.number,
            inside.trim_start_matches('/')
        ))
    }

    /// libvirtd's socket, for any program of the test: it need not run inside.
    pub fn socket(&self) -> PathBuf {
        self.path(SOCKET)
    }

    /// The address that `virsh --connect` and migration take.
    pub fn uri(&self) -> String {
        format!("qemu+unix:///system?socket={}", self.socket().display())
    }

    /// A command that runs inside: same network, files, processes and host name as libvirtd. What starts is a child of
    /// the child: to signal it, ask [`Libvirtd::processes`] for its number.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--target={}", self.first.number))
            .args(["--net", "--mount", "--uts", "--pid", "--", program])
            .stdin(Stdio::null());
        command
    }

    /// Runs a command inside to its end; an error if it ends with one.
    pub fn run(&self, program: &str, arguments: &[&str]) -> Result<String, LibvirtdError> {
        let mut command = self.command(program);
        command.args(arguments);
        let said = output(command, program)?;
        succeeded(said, || format!("{program} {}", arguments.join(" ")))
    }

    /// Runs virsh on this libvirtd; it sees the machine's own files.
    pub fn virsh(&self, arguments: &[&str]) -> Result<Output, LibvirtdError> {
        output(self.virsh_command(arguments), "virsh")
    }

    /// Runs virsh; an error if it ends with one, else what it wrote.
    pub fn ask(&self, arguments: &[&str]) -> Result<String, LibvirtdError> {
        let said = self.virsh(arguments)?;
        succeeded(said, || format!("virsh {}", arguments.join(" ")))
    }

    /// virsh on this libvirtd, to be started by the caller.
    pub fn virsh_command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("virsh");
        command
            .args(["--quiet", "--connect", &self.uri()])
            .args(arguments)
            .stdin(Stdio::null());
        command
    }

    /// Gives virsh `xml` as the file that its last argument names, as in `["define"]` or
    /// `["attach-device", "--live", "web-1"]`.
    pub fn give(&self, arguments: &[&str], xml: &str) -> Result<Output, LibvirtdError> {
        let path = "/run/guests/given.xml";
        self.write(path, xml.as_bytes())?;
        let outside = self.path(path).display().to_string();
        self.virsh(&[arguments, &[outside.as_str()]].concat())
    }

    /// As [`Libvirtd::give`]; an error if virsh ends with one.
    pub fn give_successfully(
        &self,
        arguments: &[&str],
        xml: &str,
    ) -> Result<String, LibvirtdError> {
        let said = self.give(arguments, xml)?;
        succeeded(said, || format!("virsh {} FILE", arguments.join(" ")))
    }

    /// Makes a guest known, with its image in place.
    pub fn define(&self, domain: &Domain) -> Result<(), LibvirtdError> {
        self.provide(&domain.image)?;
        self.give_successfully(&["define"], &domain.xml()).map(drop)
    }

    /// Puts a guest's image where its domain expects it, as a target of migration needs.
    pub fn provide(&self, image: &GuestImage) -> Result<(), LibvirtdError> {
        let path = image.path();
        if self.path(&path).exists() {
            return Ok(());
        }
        self.write(&path, &image.bytes)
    }

    /// Boots a guest that is defined.
    pub fn boot(&self, name: &str) -> Result<(), LibvirtdError> {
        self.ask(&["start", name]).map(drop)
    }

    /// Ends a guest at once, as pulling the plug would.
    pub fn destroy(&self, name: &str) -> Result<(), LibvirtdError> {
        self.ask(&["destroy", name]).map(drop)
    }

    /// The device on this host of a running guest's interface with `mac`. Names are not predictable: libvirt counts
    /// on, also after starts and migrations that failed.
    pub fn device_of(&self, name: &str, mac: [u8; 6]) -> Result<String, LibvirtdError> {
        let list = self.ask(&["domiflist", name])?;
        let mac = mac_text(mac);
        // Interface, type, source, model, MAC.
        let line = list.lines().find(|line| line.trim_end().ends_with(&mac));
        let device = line.and_then(|line| line.split_whitespace().next());
        device
            .map(str::to_owned)
            .ok_or_else(|| LibvirtdError::Failed {
                command: format!("virsh domiflist {name}"),
                message: format!("no interface has the MAC {mac}"),
            })
    }

    /// What a guest has written to its serial console since its last start here.
    pub fn console(&self, name: &str) -> Result<String, LibvirtdError> {
        let path = domain::console_path(name);
        let bytes = fs::read(self.path(&path)).map_err(|source| file_error(&path, source))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Waits until a guest's console contains `text`.
    pub fn await_console(&self, name: &str, text: &str) -> Result<(), LibvirtdError> {
        await_until(
            || Ok(self.console(name).unwrap_or_default().contains(text)),
            || {
                let console = self.console(name).unwrap_or_default();
                format!("\"{text}\" on the console of {name}, which shows:\n{console}")
            },
        )
    }

    /// Writes a hook script, executable: `qemu`, `network`, or `qemu.d/10-recorder`.
    pub fn add_hook(&self, name: &str, text: &str) -> Result<(), LibvirtdError> {
        let path = format!("/etc/libvirt/hooks/{name}");
        self.write(&path, text.as_bytes())?;
        fs::set_permissions(self.path(&path), Permissions::from_mode(0o755))
            .map_err(|source| file_error(&path, source))
    }

    /// Writes a file inside, its directories too.
    pub fn write(&self, inside: &str, contents: &[u8]) -> Result<(), LibvirtdError> {
        let path = self.path(inside);
        let parent = path.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(parent)
            .and_then(|()| fs::write(&path, contents))
            .map_err(|source| file_error(inside, source))
    }

    /// What libvirtd wrote to its log.
    pub fn log(&self) -> Result<String, LibvirtdError> {
        let path = "/var/log/libvirt/libvirtd.log";
        fs::read_to_string(self.path(path)).map_err(|source| file_error(path, source))
    }

    /// Starts the daemon; when it returns, the daemon answers and has found the guests that run.
    pub fn start_daemon(&self) -> Result<(), LibvirtdError> {
        // It goes to the background when its sockets listen. Hooks inherit its environment, and the test's own is not
        // what a service manager gives.
        let mut command = self.command(DAEMON);
        command.arg("--daemon").env_clear().env(
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        );
        succeeded(output(command, DAEMON)?, || DAEMON.to_owned())?;
        // It answers before it is done with the guests that run already, each of which it finds again in a thread of its
        // own; a libvirtd that is killed meanwhile kills the guest at its next start. What needs QEMU waits for that;
        // it fails where the guest has gone.
        for name in self.ask(&["list", "--name"])?.split_whitespace() {
            let question = ["qemu-monitor-command", name, "--hmp", "info status"];
            self.virsh(&question)?;
        }
        Ok(())
    }

    /// Ends the daemon as `systemctl stop` would; guests live on.
    pub fn stop_daemon(&self) -> Result<(), LibvirtdError> {
        self.end_daemon("TERM")
    }

    /// Kills the daemon; guests live on.
    pub fn kill_daemon(&self) -> Result<(), LibvirtdError> {
        self.end_daemon("KILL")
    }

    /// Stops the daemon and starts it again; guests live on.
    pub fn restart_daemon(&self) -> Result<(), LibvirtdError> {
        self.stop_daemon()?;
        self.start_daemon()
    }

    fn end_daemon(&self, signal: &str) -> Result<(), LibvirtdError> {
        for process in self.processes()? {
            if process.is(DAEMON) {
                process.signal(signal)?;
                self.await_end(&process)?;
            }
        }
        Ok(())
    }
}

/// The process on which all others depend.
struct FirstProcess {
    child: Child,
    /// Its number as the machine sees it.
    number: u32,
}

impl FirstProcess {
    fn start(switch: &Switch, name: &str) -> Result<Self, LibvirtdError> {
        let mut command = switch.namespace().command("unshare");
        command
            .args(["--mount", "--uts", "--pid", "--fork", "--"])
            .args(["bash", "-c", PREPARE, "bash", name, &uuid_of(name)])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().map_err(program_error("unshare"))?;
        let mut line = String::new();
        if let Some(said) = child.stdout.take() {
            // Nothing to read means that it failed; its complaint is read below.
            let _ = BufReader::new(said).read_line(&mut line);
        }
        let mut first = Self { child, number: 0 };
        match line.trim().parse() {
            Ok(number) => first.number = number,
            Err(_) => return Err(LibvirtdError::Prepare(first.complaint())),
        }
        Ok(first)
    }

    fn complaint(&mut self) -> String {
        let mut text = String::new();
        if let Some(mut errors) = self.child.stderr.take() {
            // What cannot be read is not shown.
            let _ = io::Read::read_to_string(&mut errors, &mut text);
        }
        text.trim().to_owned()
    }
}

impl Drop for FirstProcess {
    fn drop(&mut self) {
        // Its end of file is the end of the first process, and so of the namespace; the kernel reports that only after
        // everything in it is dead.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// A fixed UUID for a host name: two hypervisors with the same one refuse to migrate guests to each other.
fn uuid_of(name: &str) -> String {
    let mut bytes = [0x5au8; 16];
    for (place, letter) in name.bytes().enumerate() {
        if let Some(byte) = bytes.get_mut(place % 16) {
            *byte = byte.rotate_left(3) ^ letter;
        }
    }
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let part = |from, to| hex.get(from..to).unwrap_or_default().to_owned();
    [
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32),
    ]
    .join("-")
}

fn output(mut command: Command, program: &str) -> Result<Output, LibvirtdError> {
    command.output().map_err(program_error(program))
}

fn succeeded(said: Output, command: impl Fn() -> String) -> Result<String, LibvirtdError> {
    if said.status.success() {
        return Ok(String::from_utf8_lossy(&said.stdout).into_owned());
    }
    Err(LibvirtdError::Failed {
        command: command(),
        message: String::from_utf8_lossy(&said.stderr).trim().to_owned(),
    })
}

fn program_error(program: &str) -> impl Fn(io::Error) -> LibvirtdError {
    move |source| LibvirtdError::Program {
        program: program.to_owned(),
        source,
    }
}

fn file_error(path: &str, source: io::Error) -> LibvirtdError {
    LibvirtdError::File {
        path: path.to_owned(),
        source,
    }
}

/// Looks again and again until something is so.
fn await_until(
    mut is_so: impl FnMut() -> Result<bool, LibvirtdError>,
    what: impl Fn() -> String,
) -> Result<(), LibvirtdError> {
    let deadline = crate::kernel::socket::deadline_after(PATIENCE);
    while std::time::Instant::now() < deadline {
        if is_so()? {
            return Ok(());
        }
        std::thread::sleep(LOOK_AGAIN);
    }
    Err(LibvirtdError::Patience(what()))
}
