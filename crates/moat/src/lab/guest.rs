//! The lab inside a small virtual machine with a distribution's kernel, for what this machine's kernel
//! cannot do. Knows how documents go in and the report comes out.

use std::env;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use policy::language::Source;
use testbed::guest::{GuestFile, GuestSpec, guest_kernel};

use super::progress::Progress;
use super::report::Report;

/// Where the documents are inside the guest.
const DOCUMENTS: &str = "/root/documents.json";
/// Before each piece of the report on the console.
const REPORT: &str = "moat lab report: ";
/// The longest piece: a line that a message of the kernel could cut in two is better short.
const PIECE: usize = 2_000;
/// An emulated machine is some ten times slower than a real one.
const PATIENCE: Duration = Duration::from_secs(240);

/// Boots a guest, runs the lab there, and brings its report home.
pub(super) fn run(sources: &[Source], progress: &Progress) -> anyhow::Result<Report> {
    let kernel = guest_kernel().context(
        "the small virtual machine needs a kernel to boot: run scripts/guest-kernel, which `make demo` does too",
    )?;
    progress.step(&format!(
        "booting a small virtual machine with kernel {kernel}"
    ));
    let binary = env::current_exe().context("cannot find this program's own file")?;
    let name = binary
        .file_name()
        .context("this program's file has no name")?;
    let inside = format!("/bin/{}", name.to_string_lossy());
    let mut spec = GuestSpec::bridge(&[&inside, "lab", "--in-guest", DOCUMENTS]);
    spec.binaries = vec![binary];
    spec.timeout = PATIENCE;
    let texts: Vec<[&str; 2]> = sources
        .iter()
        .map(|source| [source.name.as_str(), source.text.as_str()])
        .collect();
    spec.files.push(GuestFile {
        path: DOCUMENTS.to_owned(),
        contents: serde_json::to_vec(&texts)?,
        executable: false,
    });
    let mut json = String::new();
    let outcome = spec.run_watched(|line| match line.strip_prefix(REPORT) {
        Some(piece) => json.push_str(piece),
        None => progress.relay(line),
    })?;
    if outcome.status != 0 {
        bail!(
            "the lab failed in the guest:\n{}",
            outcome.output.trim_end()
        );
    }
    serde_json::from_str(&json).context("the guest's report is incomplete")
}

/// The documents that the host put into this guest.
pub(super) fn documents(path: &Path) -> anyhow::Result<Vec<Source>> {
    let texts: Vec<[String; 2]> = serde_json::from_slice(&fs::read(path)?)?;
    let sources = texts
        .into_iter()
        .map(|[name, text]| Source::new(name, text));
    Ok(sources.collect())
}

/// Sends the report home.
pub(super) fn deliver(report: &Report) -> anyhow::Result<()> {
    let json = serde_json::to_string(report)?;
    let mut piece = String::new();
    for character in json.chars() {
        piece.push(character);
        if piece.len() >= PIECE {
            println!("{REPORT}{piece}");
            piece.clear();
        }
    }
    println!("{REPORT}{piece}");
    Ok(())
}
