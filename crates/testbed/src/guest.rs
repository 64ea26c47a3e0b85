//! A throw-away virtual machine with a distribution's own kernel, for what the test machine's kernel lacks.
//! Knows what a guest contains and what came of it; leaves the archive, modules and QEMU to its parts.
//!
//! A whole suite can be run again on another kernel: put the test executable itself into the guest and name the
//! tests ([`GuestSpec::this_test_binary`]). The test that boots the guest must not be among them.

mod archive;
mod contents;
mod emulator;
mod modules;

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, io};

pub use emulator::Guest;
pub(crate) use emulator::KERNEL_COMMAND_LINE;

/// Set in the environment of a guest's command.
const INSIDE: &str = "MOAT_GUEST";

/// What a Linux bridge with nftables needs, in any kernel since 5.3: on older or newer ones some are part of others.
const BRIDGE_MODULES: &[&str] = &[
    // libcrc32c asks for it by an alias that only modprobe could resolve.
    "crc32c_generic",
    "af_packet",
    "8021q",
    "veth",
    "dummy",
    "tun",
    "bridge",
    "br_netfilter",
    "nf_tables",
    "nf_conntrack",
    "nf_conntrack_bridge",
    "nf_conntrack_netlink",
    "nf_log_syslog",
    "nfnetlink_log",
    "nft_ct",
    "nft_hash",
    "nft_limit",
    "nft_log",
    "nft_meta_bridge",
    "nft_numgen",
    "nft_objref",
    "nft_queue",
    "nft_quota",
    "nft_reject",
    "nft_reject_bridge",
];

/// Why a guest could not be run to its end.
#[derive(Debug, thiserror::Error)]
pub enum GuestError {
    /// The machine lacks a program or file that a Debian package provides.
    #[error("{what} is missing; install the package {package}")]
    Package {
        /// What was looked for.
        what: String,
        /// The Debian package.
        package: &'static str,
    },
    /// A binary or file that the test wants in the guest does not exist.
    #[error("cannot put {path} into the guest: {source}")]
    File {
        /// Its path, or its name when it was searched for in PATH.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The guest's kernel has no such module.
    #[error("kernel {kernel} has no module {module}, neither loadable nor built in")]
    Module {
        /// The module.
        module: String,
        /// The guest's kernel release.
        kernel: String,
    },
    /// QEMU did not start or could not be read.
    #[error("cannot run {program}: {source}")]
    Program {
        /// The program.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// The time was up.
    #[error("the guest did not end within {limit:?}; its console ends with:\n{}", tail(.console))]
    Timeout {
        /// The limit given.
        limit: Duration,
        /// Everything on the console.
        console: String,
    },
    /// The machine stopped without telling an exit status: its kernel panicked, or QEMU failed.
    #[error("the guest stopped without an exit status; its console ends with:\n{}", tail(.console))]
    NoStatus {
        /// Everything on the console.
        console: String,
    },
}

/// A file to be put into a guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestFile {
    /// Absolute path inside the guest.
    pub path: String,
    /// What is in it.
    pub contents: Vec<u8>,
    /// Whether it can be executed.
    pub executable: bool,
}

/// What a guest is made of and what it does.
#[derive(Debug, Clone)]
pub struct GuestSpec {
    /// Executables of this machine, by path or by name in PATH; they are found as `/bin/NAME` inside, with the shared
    /// libraries they need. The programs of busybox are there anyway.
    pub binaries: Vec<PathBuf>,
    /// Kernel modules that must exist; they are loaded in this order, after the ones they depend on.
    pub modules: Vec<String>,
    /// Kernel modules that are loaded, first, where the kernel has them.
    pub optional_modules: Vec<String>,
    /// Other files.
    pub files: Vec<GuestFile>,
    /// A program, and its arguments, that runs beside the others from before the first module is loaded: it is there
    /// when a device appears. Empty for none.
    pub early: Vec<String>,
    /// The program to run and its arguments; when it ends, so does the guest.
    pub command: Vec<String>,
    /// Environment of the program, besides PATH, HOME and `MOAT_GUEST=1`.
    pub environment: Vec<(String, String)>,
    /// How long the guest may take from start to end.
    pub timeout: Duration,
    /// Memory in mebibytes.
    pub memory: u32,
    /// Virtual CPUs.
    pub cpus: u32,
}

impl GuestSpec {
    /// A guest with `ip`, `bridge` and `nft`, a bridge with everything nftables can do there, that runs `command`.
    pub fn bridge(command: &[&str]) -> Self {
        Self {
            binaries: ["ip", "bridge", "nft"].map(PathBuf::from).to_vec(),
            modules: Vec::new(),
            optional_modules: BRIDGE_MODULES
                .iter()
                .map(|name| (*name).to_owned())
                .collect(),
            files: Vec::new(),
            early: Vec::new(),
            command: command.iter().map(|word| (*word).to_owned()).collect(),
            environment: vec![("RUST_BACKTRACE".to_owned(), "1".to_owned())],
            timeout: Duration::from_secs(120),
            memory: 512,
            cpus: 2,
        }
    }

    /// The guest of [`GuestSpec::bridge`] that runs the calling test executable with `arguments`: a filter, and
    /// `--skip` for the test that calls this unless the filter leaves it out.
    pub fn this_test_binary(arguments: &[&str]) -> Result<Self, GuestError> {
        let itself = env::current_exe().map_err(|source| GuestError::File {
            path: PathBuf::from("/proc/self/exe"),
            source,
        })?;
        let name = inside_path(&itself);
        let command: Vec<&str> = [&[name.as_str()], arguments].concat();
        let mut spec = Self::bridge(&command);
        spec.binaries.push(itself);
        Ok(spec)
    }

    /// The guest's initial file system, for whoever boots it by other means.
    pub(crate) fn initramfs(&self) -> Result<Vec<u8>, GuestError> {
        contents::initramfs(self, &modules::newest_kernel()?)
    }

    /// The smallest guest for a test's network interfaces, which runs `early` from before its driver is loaded: see
    /// [`GuestSpec::with_program`] for what that can be. It boots in some 3 s with 96 MiB and runs until it is stopped.
    pub fn network(early: &[&str]) -> Self {
        Self {
            binaries: Vec::new(),
            // The driver of the device last.
            optional_modules: ["virtio_pci", "virtio_net"].map(str::to_owned).to_vec(),
            early: early.iter().map(|word| (*word).to_owned()).collect(),
            environment: Vec::new(),
            memory: 96,
            cpus: 1,
            ..Self::bridge(&["sleep", "100000"])
        }
        .with_program()
    }

    /// The guest of [`GuestSpec::network`] with an address, such as `10.0.0.1/24`, on its first interface. It answers pings,
    /// and TCP connections to `port` by sending back what comes in.
    pub fn answering(early: &[&str], address: &str, port: u16) -> Self {
        let script = format!(
            "ip link set eth0 up; ip address add {address} dev eth0; exec guest-program answer {port}"
        );
        Self {
            command: ["sh", "-c", &script].map(str::to_owned).to_vec(),
            ..Self::network(early)
        }
    }

    /// Adds the program that sends marked frames and answers, as `/bin/guest-program`: `guest-program send
    /// kinds=all-forged pause=0`, `guest-program answer PORT`; the head of its source names all options.
    pub fn with_program(mut self) -> Self {
        self.files.push(GuestFile {
            path: "/bin/guest-program".to_owned(),
            contents: include_bytes!(concat!(env!("OUT_DIR"), "/guest-program")).to_vec(),
            executable: true,
        });
        self
    }

    /// Runs the guest to its end.
    pub fn run(&self) -> Result<GuestOutcome, GuestError> {
        self.run_watched(|_| ())
    }

    /// Runs the guest to its end and shows each line of its console as it appears.
    pub fn run_watched(&self, watch: impl FnMut(&str)) -> Result<GuestOutcome, GuestError> {
        Guest::start(self)?.wait(watch)
    }
}

/// What came of a guest's command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestOutcome {
    /// The command's exit status; 128 and more mean a signal, as in a shell.
    pub status: i32,
    /// What the command wrote, standard output and errors together.
    pub output: String,
    /// Everything on the console, the kernel's messages included.
    pub console: String,
    /// From the start of QEMU to the start of the command.
    pub boot: Duration,
    /// From the start of QEMU to its end.
    pub total: Duration,
}

/// Whether this process runs as a guest's command.
pub fn inside_guest() -> bool {
    env::var_os(INSIDE).is_some()
}

/// The release of the kernel that guests boot, such as `6.1.0-56-cloud-amd64`.
pub fn guest_kernel() -> Result<String, GuestError> {
    modules::newest_kernel().map(|kernel| kernel.release)
}

/// The kernel that guests boot.
pub(crate) fn kernel_image() -> Result<PathBuf, GuestError> {
    modules::newest_kernel().map(|kernel| kernel.image)
}

/// Where a binary of this machine is found inside a guest.
fn inside_path(binary: &Path) -> String {
    let name = binary.file_name().unwrap_or(binary.as_os_str());
    format!("/bin/{}", name.to_string_lossy())
}

fn tail(console: &str) -> String {
    let lines: Vec<&str> = console.lines().collect();
    let start = lines.len().saturating_sub(40);
    lines.get(start..).unwrap_or_default().join("\n")
}
