//! Anonymous network namespaces: made, entered and quietened. Knows nothing of what is built in them.
//!
//! A namespace here has no name and no process of its own, only file descriptors. It vanishes with the last of
//! them, so nothing is left behind even when the test process is killed.

use crate::kernel::socket::disable_transmit_offload;
use crate::kernel::task;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::{fs, thread};

/// Why a namespace could not be made or used.
#[derive(Debug, thiserror::Error)]
pub enum NamespaceError {
    /// The kernel refused to make one.
    #[error("cannot make a network namespace: {0}; run as root on a kernel with CONFIG_NET_NS")]
    Create(#[source] io::Error),
    /// A kernel parameter could not be set.
    #[error("cannot set {parameter} to {value} inside a network namespace: {source}")]
    Parameter {
        /// Its path below /proc/sys.
        parameter: String,
        /// What it should have become.
        value: String,
        /// What the kernel said.
        source: io::Error,
    },
}

/// How a new namespace behaves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NamespaceOptions {
    /// Whether IPv6 exists. Without it (the default) the kernel sends no frame of its own accord; with it,
    /// duplicate address detection, router solicitations and autoconfiguration are still off.
    pub ipv6: bool,
    /// Whether br_netfilter shows bridged packets to iptables, ip6tables and arptables hooks
    /// (`net.bridge.bridge-nf-call-*`). Off by default, although this is a kernel's default where it is loaded.
    pub bridge_calls_iptables: bool,
}

/// A network namespace held by a file descriptor; clones are the same namespace.
#[derive(Debug, Clone)]
pub struct Namespace {
    handle: Arc<OwnedFd>,
}

impl Namespace {
    /// Makes a quiet one: loopback up, no IPv6, bridged packets not shown to iptables.
    pub fn new() -> Result<Self, NamespaceError> {
        Self::with(NamespaceOptions::default())
    }

    /// Makes one with `options`; its loopback is up.
    pub fn with(options: NamespaceOptions) -> Result<Self, NamespaceError> {
        let made = thread::scope(|scope| {
            let maker = scope.spawn(move || {
                let handle = task::unshare_network().map_err(NamespaceError::Create)?;
                apply(options)?;
                Ok(handle)
            });
            finish(maker)
        });
        let namespace = Self {
            handle: Arc::new(made?),
        };
        let up = crate::link::Links::open(&namespace)
            .and_then(|links| links.find("lo").and_then(|lo| links.set_up(lo.index, true)));
        up.map_err(|error| NamespaceError::Create(io::Error::other(error)))?;
        Ok(namespace)
    }

    /// Runs `work` on a thread inside the namespace and returns its value; a panic in it goes on here.
    ///
    /// Sockets and processes that it makes belong to the namespace wherever they are used later.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let handle = &self.handle;
        thread::scope(|scope| {
            finish(scope.spawn(move || {
                if let Err(error) = task::enter_network(handle) {
                    panic!("cannot enter a network namespace: {error}; run as root");
                }
                work()
            }))
        })
    }

    /// Starts a thread that lives inside the namespace.
    pub fn spawn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> thread::JoinHandle<T> {
        let handle = Arc::clone(&self.handle);
        thread::spawn(move || {
            if let Err(error) = task::enter_network(&handle) {
                panic!("cannot enter a network namespace: {error}; run as root");
            }
            work()
        })
    }

    /// A command whose process will run inside the namespace (`ip`, `nft`, a server under test).
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        task::start_inside(&mut command, Arc::clone(&self.handle));
        command
    }

    /// A path that names the namespace to other programs as long as this process holds it:
    /// `ip link set DEVICE netns PATH`, `nsenter --net=PATH PROGRAM`.
    pub fn path(&self) -> PathBuf {
        let (process, descriptor) = (std::process::id(), self.handle.as_raw_fd());
        PathBuf::from(format!("/proc/{process}/fd/{descriptor}"))
    }

    /// Sets a kernel parameter inside the namespace, as `sysctl net.PARAMETER=VALUE` would:
    /// `parameter` is a path below `/proc/sys/net`, such as `ipv4/ip_forward`.
    pub fn set_parameter(&self, parameter: &str, value: &str) -> Result<(), NamespaceError> {
        self.run(|| write_parameter(parameter, value))
    }

    /// Makes a device of the namespace compute transmit checksums itself (`ethtool -K DEVICE tx off`), so that what the
    /// kernel's own protocols send is what a wire would carry. Frames of raw ports are never touched.
    pub fn disable_transmit_offload(&self, device: &str) -> io::Result<()> {
        self.run(|| disable_transmit_offload(device))
    }

    /// The descriptor, for a netlink message that names a namespace.
    pub(crate) fn handle(&self) -> &OwnedFd {
        &self.handle
    }
}

fn finish<T>(thread: thread::ScopedJoinHandle<'_, T>) -> T {
    match thread.join() {
        Ok(value) => value,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

fn apply(options: NamespaceOptions) -> Result<(), NamespaceError> {
    // A kernel booted with ipv6.disable=1 has no such directory, and no frames to silence.
    if fs::exists("/proc/sys/net/ipv6/conf").unwrap_or(false) {
        for scope in ["all", "default"] {
            let disabled = if options.ipv6 { "0" } else { "1" };
            write_parameter(&format!("ipv6/conf/{scope}/disable_ipv6"), disabled)?;
            for (name, value) in [
                ("accept_dad", "0"),
                ("dad_transmits", "0"),
                ("accept_ra", "0"),
                ("autoconf", "0"),
                ("router_solicitations", "0"),
            ] {
                write_parameter(&format!("ipv6/conf/{scope}/{name}"), value)?;
            }
        }
    }
    // Only where br_netfilter is loaded or built in.
    if fs::exists("/proc/sys/net/bridge").unwrap_or(false) {
        let value = if options.bridge_calls_iptables {
            "1"
        } else {
            "0"
        };
        for family in ["iptables", "ip6tables", "arptables"] {
            write_parameter(&format!("bridge/bridge-nf-call-{family}"), value)?;
        }
    }
    Ok(())
}

fn write_parameter(parameter: &str, value: &str) -> Result<(), NamespaceError> {
    // /proc/sys/net shows the namespace of the thread that opens the file.
    let path = format!("/proc/sys/net/{parameter}");
    fs::write(path, value).map_err(|source| NamespaceError::Parameter {
        parameter: format!("net/{parameter}"),
        value: value.to_owned(),
        source,
    })
}
