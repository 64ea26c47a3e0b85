//! A throw-away Open vSwitch: real ovsdb-server and ovs-vswitchd with the userspace datapath, in a network namespace
//! and a directory of their own. Knows how to start, ask, kill and end them; leaves flows and ports to the test.
//!
//! Both daemons are children of the test and end with their owner. Should the test be killed, a small shell that
//! reads a pipe the test holds kills what the pid files name and removes the directory.

use crate::namespace::{Namespace, NamespaceError};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Where Debian's package keeps the schema of the database.
const SCHEMA: &str = "/usr/share/openvswitch/vswitch.ovsschema";
/// How often something that takes milliseconds is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// After this long a daemon that should answer is given up.
const PATIENCE: Duration = Duration::from_secs(60);
/// What ends the daemons when the test can no longer do it: its standard input ends with the test.
const GUARD: &str =
    r#"read -r _; for file in "$1"/*.pid; do kill -9 "$(cat "$file")"; done; rm -rf "$1""#;

/// Why an Open vSwitch could not be made or used.
#[derive(Debug, thiserror::Error)]
pub enum OpenVSwitchError {
    /// Its namespace could not be made.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// A program could not be started.
    #[error("cannot run {program}: {source}; install the package openvswitch-switch")]
    Program {
        /// The program.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// A file of it could not be made, read or removed.
    #[error("cannot use {path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
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
    /// A daemon did not answer.
    #[error("waited {PATIENCE:?} in vain for {what}; its log ends:\n{log}")]
    Patience {
        /// What was waited for.
        what: String,
        /// What the daemon wrote.
        log: String,
    },
}

/// One of the two daemons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Daemon {
    /// ovsdb-server: the configuration.
    Database,
    /// ovs-vswitchd: the switch; it forgets every flow when it ends.
    Switch,
}

impl Daemon {
    fn program(self) -> &'static str {
        match self {
            Self::Database => "ovsdb-server",
            Self::Switch => "ovs-vswitchd",
        }
    }
}

/// A running Open vSwitch; dropping it ends both daemons and removes what they wrote.
pub struct OpenVSwitch {
    namespace: Namespace,
    directory: PathBuf,
    database: Option<Child>,
    switch: Option<Child>,
    guard: Option<Child>,
}

impl OpenVSwitch {
    /// Starts one in a new namespace, without bridges.
    pub fn start() -> Result<Self, OpenVSwitchError> {
        Self::start_in(&Namespace::new()?)
    }

    /// Starts one whose devices are those of `namespace`, without bridges.
    pub fn start_in(namespace: &Namespace) -> Result<Self, OpenVSwitchError> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        // Short, for the path of a Unix socket has 107 bytes at most.
        let name = format!("moat-ovs-{}-{number}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        fs::create_dir(&directory).map_err(file_error(&directory))?;
        let mut made = Self {
            namespace: namespace.clone(),
            directory,
            database: None,
            switch: None,
            guard: None,
        };
        made.start_guard()?;
        let database = made.file("conf.db");
        made.run(
            "ovsdb-tool",
            ["create".as_ref(), database.as_os_str(), SCHEMA.as_ref()],
        )?;
        made.start_daemon(Daemon::Database)?;
        made.vsctl(&["--no-wait", "init"])?;
        made.start_daemon(Daemon::Switch)?;
        Ok(made)
    }

    /// The namespace of the switch's devices.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Where its sockets, logs and database are.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The socket on which ovsdb-server speaks OVSDB.
    pub fn database_socket(&self) -> PathBuf {
        self.file("db.sock")
    }

    /// The socket on which a bridge speaks OpenFlow to whoever connects.
    pub fn management_socket(&self, bridge: &str) -> PathBuf {
        self.file(&format!("{bridge}.mgmt"))
    }

    /// Makes a bridge of the userspace datapath and waits until it speaks OpenFlow.
    pub fn add_bridge(&self, name: &str) -> Result<(), OpenVSwitchError> {
        let kind = "datapath_type=netdev";
        self.vsctl(&["add-br", name, "--", "set", "bridge", name, kind])?;
        let socket = self.management_socket(name);
        self.await_file(&socket, Daemon::Switch)
    }

    /// Runs ovs-vsctl on its database and returns what it printed; unless told otherwise, it returns when the switch
    /// has done what was asked.
    pub fn vsctl(&self, arguments: &[&str]) -> Result<String, OpenVSwitchError> {
        let database = format!("--db=unix:{}", self.database_socket().display());
        let mut all = vec![database.as_str(), "--timeout=60"];
        all.extend(arguments);
        self.run("ovs-vsctl", all)
    }

    /// Runs ovs-ofctl; bridges go by their names.
    pub fn ofctl(&self, arguments: &[&str]) -> Result<String, OpenVSwitchError> {
        self.run("ovs-ofctl", arguments)
    }

    /// Runs ovs-appctl on the switch: `ofproto/trace`, `dpctl/dump-flows`, `fdb/show`, ….
    pub fn appctl(&self, arguments: &[&str]) -> Result<String, OpenVSwitchError> {
        let control = format!("--target={}", self.control(Daemon::Switch).display());
        let mut all = vec![control.as_str()];
        all.extend(arguments);
        self.run("ovs-appctl", all)
    }

    /// A command that runs in the switch's namespace and finds its sockets by the names of bridges.
    pub fn command(&self, program: &str) -> Command {
        let mut command = self.namespace.command(program);
        for variable in ["OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR"] {
            command.env(variable, &self.directory);
        }
        command.stdin(Stdio::null());
        command
    }

    /// The process number of a daemon that runs.
    pub fn process(&self, daemon: Daemon) -> Option<u32> {
        let child = match daemon {
            Daemon::Database => &self.database,
            Daemon::Switch => &self.switch,
        };
        child.as_ref().map(Child::id)
    }

    /// Kills a daemon as a crash would, and waits for its end. What it had made in the kernel may stay.
    pub fn kill(&mut self, daemon: Daemon) {
        if let Some(mut child) = self.child(daemon).take() {
            // An error means that it has ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts a daemon that does not run and waits until it answers: the switch, until it has made every bridge.
    pub fn start_daemon(&mut self, daemon: Daemon) -> Result<(), OpenVSwitchError> {
        self.kill(daemon);
        let program = daemon.program();
        let control = self.control(daemon);
        // A killed daemon leaves it behind, and then it is no sign of life.
        let _ = fs::remove_file(&control);
        if daemon == Daemon::Switch {
            for socket in self.management_sockets()? {
                let _ = fs::remove_file(socket);
            }
        }
        let log = fs::File::create(self.log(daemon)).map_err(file_error(&self.log(daemon)))?;
        let mut command = self.command(program);
        command
            .arg("--no-chdir")
            .arg("-vconsole:info")
            .arg(format!("--unixctl={}", control.display()))
            .arg(format!(
                "--pidfile={}",
                self.file(program).with_extension("pid").display()
            ));
        let remote = format!("unix:{}", self.database_socket().display());
        match daemon {
            Daemon::Database => {
                let remote = format!("--remote=p{remote}");
                command.arg(remote).arg(self.file("conf.db"));
            }
            Daemon::Switch => {
                command.arg(remote);
            }
        }
        let child = command.stdout(Stdio::null()).stderr(log).spawn();
        *self.child(daemon) = Some(child.map_err(program_error(program))?);
        self.await_file(&control, daemon)?;
        match daemon {
            Daemon::Database => self.await_file(&self.database_socket(), daemon),
            Daemon::Switch => self.await_bridges(),
        }
    }

    /// What a daemon has written since it was started.
    pub fn messages(&self, daemon: Daemon) -> String {
        fs::read_to_string(self.log(daemon)).unwrap_or_default()
    }

    /// Waits for the sockets of all bridges that the database names.
    fn await_bridges(&self) -> Result<(), OpenVSwitchError> {
        for socket in self.management_sockets()? {
            self.await_file(&socket, Daemon::Switch)?;
        }
        Ok(())
    }

    fn management_sockets(&self) -> Result<Vec<PathBuf>, OpenVSwitchError> {
        let names = self.vsctl(&["list-br"])?;
        Ok(names
            .lines()
            .map(|name| self.management_socket(name))
            .collect())
    }

    fn start_guard(&mut self) -> Result<(), OpenVSwitchError> {
        let guard = Command::new("sh")
            .args(["-c", GUARD, "sh"])
            .arg(&self.directory)
            // What ends the whole group of the test, a terminal for one, must not end this first.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.guard = Some(guard.map_err(program_error("sh"))?);
        Ok(())
    }

    fn run<A: AsRef<OsStr>>(
        &self,
        program: &str,
        arguments: impl IntoIterator<Item = A>,
    ) -> Result<String, OpenVSwitchError> {
        let mut command = self.command(program);
        let output = command
            .args(arguments)
            .output()
            .map_err(program_error(program))?;
        succeeded(&command, output)
    }

    fn child(&mut self, daemon: Daemon) -> &mut Option<Child> {
        match daemon {
            Daemon::Database => &mut self.database,
            Daemon::Switch => &mut self.switch,
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn control(&self, daemon: Daemon) -> PathBuf {
        self.file(daemon.program()).with_extension("ctl")
    }

    fn log(&self, daemon: Daemon) -> PathBuf {
        self.file(daemon.program()).with_extension("log")
    }

    fn await_file(&self, path: &Path, daemon: Daemon) -> Result<(), OpenVSwitchError> {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if path.exists() {
                return Ok(());
            }
            std::thread::sleep(LOOK_AGAIN);
        }
        Err(OpenVSwitchError::Patience {
            what: path.display().to_string(),
            log: self.messages(daemon),
        })
    }
}

impl Drop for OpenVSwitch {
    fn drop(&mut self) {
        self.kill(Daemon::Switch);
        self.kill(Daemon::Database);
        // The guard must find nothing: the numbers may soon be other processes'.
        let _ = fs::remove_dir_all(&self.directory);
        if let Some(mut guard) = self.guard.take() {
            drop(guard.stdin.take());
            let _ = guard.wait();
        }
    }
}

fn succeeded(command: &Command, output: Output) -> Result<String, OpenVSwitchError> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        return Ok(text(&output.stdout));
    }
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let line: Vec<_> = words.map(OsStr::to_string_lossy).collect();
    Err(OpenVSwitchError::Failed {
        command: line.join(" "),
        message: text(&output.stderr).trim_end().to_owned(),
    })
}

fn program_error(program: &str) -> impl FnOnce(io::Error) -> OpenVSwitchError {
    let program = program.to_owned();
    move |source| OpenVSwitchError::Program { program, source }
}

fn file_error(path: &Path) -> impl FnOnce(io::Error) -> OpenVSwitchError {
    let path = path.to_owned();
    move |source| OpenVSwitchError::File { path, source }
}
