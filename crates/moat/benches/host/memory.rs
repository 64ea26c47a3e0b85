//! Memory and time of a whole process: documents from files, interfaces from the kernel, one commit.
//! The bench starts itself anew for this, in the switch's namespace.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use datapath::{Datapath, converge, resolve};
use datapath_nftables::NftablesDatapath;
use policy::language::Source;

use crate::control::{self, catalog};
use crate::documents::{self, PORTS_PER_BRIDGE, Profile};
use crate::table::{Table, short};

/// The word that makes the bench such a process.
pub(crate) const CHILD: &str = "--as-process";

pub(crate) fn child(folder: &str) {
    let mut sources = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the folder") {
        let path = entry.expect("an entry").path();
        let text = std::fs::read_to_string(&path).expect("a file");
        sources.push(Source::new(path.display().to_string(), text));
    }
    let catalog = catalog(&sources);
    drop(sources);
    let observed = inventory::observe().expect("interfaces");
    let program = policy::compile(&catalog, None, &observed).expect("a program");
    drop((catalog, observed));
    let mut datapath = NftablesDatapath::open().expect("netlink");
    let can = datapath.capabilities().expect("capabilities");
    let program = resolve(&program, &can).expect("this kernel can").program;
    let done = converge(&mut datapath, &program).expect("converged");
    let status = std::fs::read_to_string("/proc/self/status").expect("its own status");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    println!(
        "{} {}",
        u8::from(done.change.is_some()),
        peak.unwrap_or("0 kB").trim()
    );
}

struct Folder(std::path::PathBuf);

impl Folder {
    fn with(sources: &[Source]) -> Self {
        let path = std::env::temp_dir().join(format!("moat-bench-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        let folder = Self(path);
        for source in sources {
            folder.write(source);
        }
        folder
    }

    fn write(&self, source: &Source) {
        std::fs::write(self.0.join(&source.name), &source.text).expect("a file");
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed now lies in the folder for temporary files.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// One port more by the command that people type, all documents in files beside each other.
fn command(table: &mut Table) {
    let ports = PORTS_PER_BRIDGE + 1;
    let switch = control::switch(ports);
    let mut sources = documents::host(ports, Profile::WebServer);
    let last = sources.pop().expect("a port");
    let folder = Folder::with(&sources);
    let apply = || {
        let start = Instant::now();
        let mut moat: Command = switch.namespace().command(env!("CARGO_BIN_EXE_moat"));
        let output = moat
            .arg("apply")
            .arg(folder.path())
            .output()
            .expect("it runs");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        start.elapsed()
    };
    apply();
    let mut times: Vec<Duration> = (0..41)
        .map(|_| {
            folder.write(&last);
            let spent = apply();
            std::fs::remove_file(folder.path().join(&last.name)).expect("the last port");
            apply();
            spent
        })
        .collect();
    times.sort_unstable();
    let median = times.get(times.len() / 2).copied().unwrap_or_default();
    let bar = Duration::from_millis(15);
    let found = short(median);
    table.judged(
        "one port admitted, 1,000 present, by `moat apply`",
        "≤ 15.0 ms",
        median <= bar,
        &found,
    );
    if let Ok(namespace) = std::fs::metadata(switch.namespace().path()) {
        // What `moat apply` keeps there of this namespace, which is about to go.
        let _ = std::fs::remove_dir_all(format!("/run/moat/{}", namespace.ino()));
    }
}

pub(crate) fn measure(table: &mut Table) {
    table.head("Whole processes: files, interfaces, one commit, read back");
    command(table);
    for ports in [PORTS_PER_BRIDGE, 10 * PORTS_PER_BRIDGE] {
        let switch = control::switch(ports);
        let folder = Folder::with(&documents::host(ports, Profile::WebServer));
        for (what, changes) in [("cold apply", true), ("no-op", false)] {
            let program = std::env::current_exe().expect("this program");
            let start = Instant::now();
            let mut command: Command = switch.namespace().command(program);
            let output = command
                .arg(CHILD)
                .arg(folder.path())
                .output()
                .expect("it runs");
            let spent = start.elapsed();
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&output.stderr)
            );
            let (changed, peak) = text.trim().split_once(' ').unwrap_or_default();
            assert_eq!(changed == "1", changes, "{what}");
            let kilobytes: u64 = peak
                .split(' ')
                .next()
                .and_then(|n| n.parse().ok())
                .unwrap_or(0);
            let work = format!("{what}, {ports} ports: most memory (and time)");
            let found = format!("{} MB ({})", kilobytes / 1000, short(spent));
            if ports == PORTS_PER_BRIDGE {
                table.beside(&work, &found);
            } else {
                table.judged(&work, "≤ 100 MB", kilobytes <= 100_000, &found);
            }
        }
    }
}
