//! A throw-away ovsdb-server alone, with any schema, remotes and TLS options, in a network namespace and a directory of
//! its own. Knows how to start, ask, kill and end it; what its rows mean is the test's.
//!
//! It is a child of the test and ends with its owner. Should the test be killed, a small shell that reads a pipe the
//! test holds kills what the pid file names and removes the directory.

use crate::namespace::Namespace;
use crate::openvswitch::OpenVSwitchError;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Where Debian's package keeps the schema of a switch.
pub const VSWITCH_SCHEMA: &str = "/usr/share/openvswitch/vswitch.ovsschema";
/// How often something that takes milliseconds is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(2);
/// After this long a server that should answer is given up.
const PATIENCE: Duration = Duration::from_secs(60);
/// What ends the server when the test can no longer do it: its standard input ends with the test.
const GUARD: &str =
    r#"read -r _; for file in "$1"/*.pid; do kill -9 "$(cat "$file")"; done; rm -rf "$1""#;

/// How the database is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    /// By this server alone, as on a switch.
    Alone,
    /// As a cluster of one: it remembers the latest transactions, so that monitors can go on.
    Cluster,
}

/// A running ovsdb-server; dropping it ends it and removes what it wrote.
pub struct OvsdbServer {
    namespace: Namespace,
    directory: PathBuf,
    arguments: Vec<String>,
    child: Option<Child>,
    guard: Option<Child>,
}

impl OvsdbServer {
    /// Starts one with the schema in that file and further arguments, such as remotes.
    pub fn start(
        schema: &Path,
        storage: Storage,
        arguments: &[&str],
    ) -> Result<Self, OpenVSwitchError> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        // Short, for the path of a Unix socket has 107 bytes at most.
        let name = format!("moat-ovsdb-{}-{number}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        let file_error = |source| OpenVSwitchError::File {
            path: directory.clone(),
            source,
        };
        fs::create_dir(&directory).map_err(file_error)?;
        let mut made = Self {
            namespace: Namespace::new()?,
            directory,
            arguments: arguments.iter().map(|&text| text.to_owned()).collect(),
            child: None,
            guard: None,
        };
        made.start_guard()?;
        let database = made.file("conf.db").display().to_string();
        let schema = schema.display().to_string();
        match storage {
            Storage::Alone => made.run("ovsdb-tool", &["create", &database, &schema])?,
            Storage::Cluster => {
                let raft = format!("unix:{}", made.file("raft.sock").display());
                made.run("ovsdb-tool", &["create-cluster", &database, &schema, &raft])?
            }
        };
        made.restart()?;
        Ok(made)
    }

    /// The namespace in which it listens on TCP; its loopback is up.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Where its socket, log and database are.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The Unix socket on which it speaks OVSDB.
    pub fn socket(&self) -> PathBuf {
        self.file("db.sock")
    }

    /// The file of the database.
    pub fn database(&self) -> PathBuf {
        self.file("conf.db")
    }

    /// Runs `ovsdb-client` on its Unix socket and returns what it printed.
    pub fn client(&self, command: &str, arguments: &[&str]) -> Result<String, OpenVSwitchError> {
        let socket = format!("unix:{}", self.socket().display());
        let mut all = vec!["--timeout=60", command, &socket];
        all.extend(arguments);
        self.run("ovsdb-client", &all)
    }

    /// Runs `ovs-appctl` on it.
    pub fn control(&self, arguments: &[&str]) -> Result<String, OpenVSwitchError> {
        let control = format!("--target={}", self.file("server.ctl").display());
        let mut all = vec![control.as_str()];
        all.extend(arguments);
        self.run("ovs-appctl", &all)
    }

    /// A command in its namespace.
    pub fn command(&self, program: &str) -> Command {
        let mut command = self.namespace.command(program);
        command.stdin(Stdio::null());
        command
    }

    /// Runs a program and returns what it printed.
    pub fn run(&self, program: &str, arguments: &[&str]) -> Result<String, OpenVSwitchError> {
        let output = self.command(program).args(arguments).output();
        let output = output.map_err(|source| OpenVSwitchError::Program {
            program: program.to_owned(),
            source,
        })?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(OpenVSwitchError::Failed {
            command: format!("{program} {}", arguments.join(" ")),
            message: String::from_utf8_lossy(&output.stderr)
                .trim_end()
                .to_owned(),
        })
    }

    /// The number of its process, while it runs.
    pub fn process(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Kills it as a crash would, and waits for its end.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // An error means that it has ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts it, again if need be, and waits until it answers.
    pub fn restart(&mut self) -> Result<(), OpenVSwitchError> {
        self.kill();
        // A killed server leaves them behind, and then they are no sign of life.
        for stale in ["db.sock", "server.ctl"] {
            let _ = fs::remove_file(self.file(stale));
        }
        let path = self.file("server.log");
        let log = fs::File::create(&path).map_err(|source| OpenVSwitchError::File {
            path: path.clone(),
            source,
        })?;
        let mut command = self.command("ovsdb-server");
        command
            .arg("--no-chdir")
            .arg("-vconsole:info")
            .arg(format!("--unixctl={}", self.file("server.ctl").display()))
            .arg(format!("--pidfile={}", self.file("server.pid").display()))
            .arg(format!("--remote=punix:{}", self.socket().display()))
            .args(&self.arguments)
            .arg(self.database());
        let child = command.stdout(Stdio::null()).stderr(log).spawn();
        self.child = Some(child.map_err(|source| OpenVSwitchError::Program {
            program: "ovsdb-server".to_owned(),
            source,
        })?);
        let began = Instant::now();
        // The control socket comes last.
        while !(self.socket().exists() && self.file("server.ctl").exists()) {
            let ended = self
                .child
                .as_mut()
                .is_none_or(|child| matches!(child.try_wait(), Ok(Some(_))));
            if ended || began.elapsed() > PATIENCE {
                return Err(OpenVSwitchError::Patience {
                    what: "ovsdb-server".to_owned(),
                    log: self.messages(),
                });
            }
            std::thread::sleep(LOOK_AGAIN);
        }
        Ok(())
    }

    /// What it has written since it was started.
    pub fn messages(&self) -> String {
        fs::read_to_string(self.file("server.log")).unwrap_or_default()
    }

    fn start_guard(&mut self) -> Result<(), OpenVSwitchError> {
        let guard = Command::new("sh")
            .args(["-c", GUARD, "sh"])
            .arg(&self.directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.guard = Some(guard.map_err(|source| OpenVSwitchError::Program {
            program: "sh".to_owned(),
            source,
        })?);
        Ok(())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

impl Drop for OvsdbServer {
    fn drop(&mut self) {
        self.kill();
        // The guard must find nothing: the number may soon be another process's.
        let _ = fs::remove_dir_all(&self.directory);
        if let Some(mut guard) = self.guard.take() {
            drop(guard.stdin.take());
            let _ = guard.wait();
        }
    }
}
