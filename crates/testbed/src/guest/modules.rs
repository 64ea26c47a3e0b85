//! The newest installed kernel, and which of its module files must be loaded in which order.
//! Knows depmod's files; leaves loading to the guest's first process.

use super::GuestError;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

const PACKAGE: &str = "linux-image-cloud-amd64";
/// Where a project keeps a kernel for guests alone: `boot/`, `lib/modules/` and `bin/busybox` below it.
const PREPARED: &str = "target/guest";

/// A kernel that can be booted.
pub(super) struct Kernel {
    pub(super) image: PathBuf,
    pub(super) release: String,
    /// Its modules.
    pub(super) modules: PathBuf,
    /// Where it was prepared with a busybox, that one.
    pub(super) busybox: Option<PathBuf>,
}

/// The kernel that was prepared for guests in `target/guest` of the project (above the running binary, or above the
/// current directory), else the newest one for virtual machines that is installed.
pub(super) fn newest_kernel() -> Result<Kernel, GuestError> {
    let above: Vec<PathBuf> = [env::current_exe(), env::current_dir()]
        .into_iter()
        .flatten()
        .collect();
    let prepared = above
        .iter()
        .flat_map(|path| path.ancestors())
        .map(|directory| directory.join(PREPARED))
        .find_map(|root| newest_below(&root, ""));
    prepared
        .or_else(|| newest_below(Path::new("/"), "-cloud-amd64"))
        .ok_or_else(|| GuestError::Package {
            what: format!(
                "a kernel {PREPARED}/boot/vmlinuz-* (made by scripts/guest-kernel) or /boot/vmlinuz-*-cloud-amd64"
            ),
            package: PACKAGE,
        })
}

fn newest_below(root: &Path, flavour: &str) -> Option<Kernel> {
    let boot = root.join("boot");
    let modules = |release: &str| root.join("lib/modules").join(release);
    let mut releases: Vec<String> = fs::read_dir(&boot)
        .ok()?
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter_map(|name| Some(name.strip_prefix("vmlinuz-")?.to_owned()))
        .filter(|release| release.ends_with(flavour))
        .filter(|release| modules(release).join("modules.dep").exists())
        .collect();
    releases.sort_by_key(|release| version(release));
    let release = releases.pop()?;
    let busybox = root.join("bin/busybox");
    Some(Kernel {
        image: boot.join(format!("vmlinuz-{release}")),
        modules: modules(&release),
        busybox: (root != Path::new("/") && busybox.exists()).then_some(busybox),
        release,
    })
}

fn version(release: &str) -> Vec<u64> {
    release
        .split(|letter: char| !letter.is_ascii_digit())
        .filter_map(|number| number.parse().ok())
        .collect()
}

/// A module's file name in the guest and its uncompressed contents.
pub(super) struct ModuleFile {
    pub(super) name: String,
    pub(super) contents: Vec<u8>,
}

/// The files to load, in order: `optional` ones where they exist, then `required` ones, each after those it needs.
pub(super) fn collect(
    kernel: &Kernel,
    optional: &[String],
    required: &[String],
) -> Result<Vec<ModuleFile>, GuestError> {
    let index = Index::read(&kernel.modules)?;
    let mut order = Vec::new();
    for name in optional {
        index.load(name, &mut order);
    }
    for name in required {
        if !index.load(name, &mut order) && !index.built_in.contains(&plain(name)) {
            return Err(GuestError::Module {
                module: name.clone(),
                kernel: kernel.release.clone(),
            });
        }
    }
    order
        .iter()
        .map(|path| {
            Ok(ModuleFile {
                name: format!("{}.ko", module_name(path)),
                contents: contents(&kernel.modules.join(path))?,
            })
        })
        .collect()
}

/// modules.dep and modules.builtin.
struct Index {
    /// Module name to its path and the paths it needs, those to be loaded first last (depmod's order).
    loadable: BTreeMap<String, (String, Vec<String>)>,
    built_in: BTreeSet<String>,
}

impl Index {
    fn read(modules: &Path) -> Result<Self, GuestError> {
        let text = |file: &str| {
            let path = modules.join(file);
            fs::read_to_string(&path).map_err(|source| GuestError::File { path, source })
        };
        let loadable = text("modules.dep")?
            .lines()
            .filter_map(|line| line.split_once(':'))
            .map(|(path, needs)| {
                let needs = needs.split_whitespace().map(str::to_owned).collect();
                (module_name(path), (path.to_owned(), needs))
            })
            .collect();
        let built_in = text("modules.builtin")?.lines().map(module_name).collect();
        Ok(Self { loadable, built_in })
    }

    /// Appends a module after those it needs; false if it is not loadable.
    fn load(&self, name: &str, order: &mut Vec<String>) -> bool {
        let Some((path, needs)) = self.loadable.get(&plain(name)) else {
            return false;
        };
        for file in needs.iter().rev().chain([path]) {
            if !order.contains(file) {
                order.push(file.clone());
            }
        }
        true
    }
}

/// Module names are written with dashes and underscores alike.
fn plain(name: &str) -> String {
    name.replace('-', "_")
}

fn module_name(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    plain(file.split_once(".ko").map_or(file, |(name, _)| name))
}

fn contents(path: &Path) -> Result<Vec<u8>, GuestError> {
    let unpacker = match path.extension().and_then(|extension| extension.to_str()) {
        Some("xz") => ("xz", "xz-utils"),
        Some("zst") => ("zstd", "zstd"),
        Some("gz") => ("gzip", "gzip"),
        _ => {
            return fs::read(path).map_err(|source| GuestError::File {
                path: path.to_owned(),
                source,
            });
        }
    };
    let (program, package) = unpacker;
    let output = Command::new(program).arg("-dc").arg(path).output();
    match output {
        Ok(output) if output.status.success() => Ok(output.stdout),
        Ok(output) => Err(GuestError::Program {
            program: format!("{program} -dc {}", path.display()),
            source: std::io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()),
        }),
        Err(_) => Err(GuestError::Package {
            what: program.to_owned(),
            package,
        }),
    }
}

#[cfg(test)]
mod tests;
