//! Where the lab's documents come from: files, folders, or the demo that is built in. Knows names and
//! order of files; leaves reading them to `policy::language`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use policy::Catalog;
use policy::document::Stateful;
use policy::language::{Source, load};

macro_rules! built_in {
    ($($name:literal),*) => {
        &[$((concat!("examples/demo/", $name), include_str!(concat!("../../../../examples/demo/", $name)))),*]
    };
}

/// The documents of `examples/demo`, so that `moat lab` works wherever the binary is.
const DEMO: &[(&str, &str)] = built_in!(
    "hosts.yaml",
    "networks.yaml",
    "policies.yaml",
    "ports.yaml",
    "profiles.yaml"
);

/// The texts of all documents below `paths`; the demo's where there are none.
pub(super) fn sources(paths: &[PathBuf]) -> anyhow::Result<Vec<Source>> {
    if paths.is_empty() {
        let demo = DEMO.iter().map(|(name, text)| Source::new(*name, *text));
        return Ok(demo.collect());
    }
    let mut sources = Vec::new();
    for path in paths {
        collect(path, &mut sources)?;
    }
    if sources.is_empty() {
        bail!(
            "no .yaml, .yml or .json file there: name a file with documents, or a folder that has some"
        );
    }
    Ok(sources)
}

fn collect(path: &Path, sources: &mut Vec<Source>) -> anyhow::Result<()> {
    let about = || format!("cannot read {}", path.display());
    if !path.is_dir() {
        let text = fs::read_to_string(path).with_context(about)?;
        sources.push(Source::new(path.display().to_string(), text));
        return Ok(());
    }
    let entries = fs::read_dir(path).with_context(about)?;
    let mut below: Vec<PathBuf> = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .with_context(about)?;
    below.sort();
    for entry in below {
        let ending = entry.extension().and_then(|ending| ending.to_str());
        if entry.is_dir() || matches!(ending, Some("yaml" | "yml" | "json")) {
            collect(&entry, sources)?;
        }
    }
    Ok(())
}

/// Reads and checks them together.
///
/// # Errors
/// Every finding, as a picture `width` columns wide.
pub(super) fn catalog(sources: &[Source], color: bool, width: usize) -> anyhow::Result<Catalog> {
    load(sources).map_err(|findings| anyhow::anyhow!("{}", findings.render(color, width)))
}

/// Lets every profile do without connection tracking, as if it said `stateful: preferred`.
pub(super) fn prefer_only(catalog: &mut Catalog) {
    for profile in catalog.profiles.values_mut() {
        if profile.stateful.unwrap_or_default() == Stateful::Required {
            profile.stateful = Some(Stateful::Preferred);
        }
    }
}
