//! A host of the lab with a real libvirtd, brought under moat as an administrator does it: documents in their folder,
//! the hooks, the agent, libvirt started again. Knows these steps and what the agent says; leaves what guests do to `body`.

use std::fs::{File, OpenOptions};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use std::{env, fs};

use anyhow::{Context, bail};
use policy::language::Source;
use serde_json::Value;
use testbed::libvirtd::{Libvirtd, LibvirtdSpec};
use testbed::{Switch, SwitchSpec};

/// Where the agent's messages go, inside.
const LOG: &str = "/run/moat-agent.log";
/// How long the agent may take to answer, and then to have everything in force.
const PATIENCE: Duration = Duration::from_secs(60);

/// Documents as files of the folder that the agent follows.
pub(super) fn in_folder(sources: &[Source]) -> Vec<Source> {
    let sources = sources.iter().enumerate();
    let named = sources.map(|(number, source)| {
        let name = source.name.rsplit('/').next().unwrap_or_default();
        // Files of the same name may come from several folders.
        Source::new(
            format!("/etc/moat/{number:02}-{name}"),
            source.text.as_str(),
        )
    });
    named.collect()
}

/// Ends with everything in it.
pub(super) struct Hypervisor {
    // Before the agent's parent, which ends when the agent does.
    pub(super) libvirt: Libvirtd,
    agent: Parent,
    moat: PathBuf,
}

/// The process that waits for the agent.
#[derive(Default)]
struct Parent(Option<Child>);

impl Drop for Parent {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.wait();
        }
    }
}

impl Hypervisor {
    /// Starts one without moat.
    pub(super) fn start(name: &str, switch: SwitchSpec) -> anyhow::Result<Self> {
        let spec = LibvirtdSpec {
            name: name.to_owned(),
            switch,
            hooks: Vec::new(),
        };
        Ok(Self {
            libvirt: Libvirtd::start(&spec)?,
            agent: Parent::default(),
            moat: env::current_exe().context("cannot find this program's own file")?,
        })
    }

    pub(super) fn switch(&self) -> &Switch {
        self.libvirt.switch()
    }

    /// Brings moat, with documents that have the names of [`in_folder`]; guests that start from now on are under it from before their first frame.
    /// `host` is the Host document that it follows.
    pub(super) fn protect(&mut self, host: Option<&str>, sources: &[Source]) -> anyhow::Result<()> {
        for source in sources {
            self.libvirt.write(&source.name, source.text.as_bytes())?;
        }
        let moat = self.moat.to_string_lossy().into_owned();
        self.libvirt.run(&moat, &["setup", "libvirt"])?;
        let log = || -> anyhow::Result<File> {
            let mut options = OpenOptions::new();
            let path = self.libvirt.path(LOG);
            Ok(options.create(true).append(true).open(path)?)
        };
        let mut command = self.libvirt.command(&moat);
        command.arg("agent");
        if let Some(host) = host {
            command.args(["--host", host]);
        }
        command.stdout(Stdio::from(log()?));
        command.stderr(Stdio::from(log()?));
        self.agent = Parent(Some(command.spawn().context("cannot start the agent")?));
        self.until("the agent to answer", |_| true)?;
        // libvirt looks for hooks when it starts.
        Ok(self.libvirt.restart_daemon()?)
    }

    /// Waits until the policy of these ports is in force.
    pub(super) fn await_enforced(&self, ports: &[&str]) -> anyhow::Result<()> {
        self.until("the agent to enforce all ports", |status| {
            let known = status["ports"].as_array().map_or(&[][..], Vec::as_slice);
            ports.iter().all(|name| {
                let mut known = known.iter();
                known.any(|port| port["port"] == **name && port["state"] == "enforced")
            })
        })
    }

    fn until(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> anyhow::Result<()> {
        let start = Instant::now();
        let mut last = Value::Null;
        while start.elapsed() < PATIENCE {
            let mut command = self.libvirt.command(&self.moat.to_string_lossy());
            let said = command.args(["status", "--json"]).output()?;
            last = serde_json::from_slice(&said.stdout).unwrap_or_default();
            // Without an agent the switch is asked.
            if last.get("network-namespace").is_some() && is_so(&last) {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(50));
        }
        let log = fs::read_to_string(self.libvirt.path(LOG)).unwrap_or_default();
        bail!(
            "waited in vain for {what}; its status: {last:#}\nits log:\n{}",
            log.trim_end()
        );
    }
}
