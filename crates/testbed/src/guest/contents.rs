//! The guest's root directory: busybox, binaries with their libraries, modules, and the first process.
//! Knows which file goes where; leaves the format to [`super::archive`].

use super::archive::Archive;
use super::modules::{self, Kernel};
use super::{GuestError, GuestSpec, INSIDE, inside_path};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

/// What the first process prints just before the command's output.
pub(super) const COMMAND_STARTS: &str = "moat guest: the command starts";
/// What it prints before the command's exit status.
pub(super) const EXIT_STATUS: &str = "moat guest: exit status: ";

/// The initial root file system of a guest.
pub(super) fn initramfs(spec: &GuestSpec, kernel: &Kernel) -> Result<Vec<u8>, GuestError> {
    let mut archive = Archive::default();
    for directory in [
        "proc", "sys", "dev", "tmp", "run", "root", "etc", "var", "bin",
    ] {
        archive.directory(directory);
    }
    // The kernel opens it for the first process before anything is mounted.
    archive.character_device("dev/console", (5, 1));
    // The library of protocol names wants it; lookups of addresses work without.
    archive.file("etc/hosts", b"127.0.0.1 localhost\n::1 localhost\n", false);
    for binary in &spec.binaries {
        add_binary(&mut archive, binary)?;
    }
    add_busybox(&mut archive, kernel)?;
    for file in &spec.files {
        archive.file(&file.path, &file.contents, file.executable);
    }
    let modules = modules::collect(kernel, &spec.optional_modules, &spec.modules)?;
    let mut names = Vec::new();
    for module in modules {
        archive.file(&format!("modules/{}", module.name), &module.contents, false);
        names.push(module.name);
    }
    archive.file("init", first_process(spec, &names).as_bytes(), true);
    Ok(archive.finish())
}

fn first_process(spec: &GuestSpec, modules: &[String]) -> String {
    let environment: Vec<String> = spec
        .environment
        .iter()
        .map(|(name, value)| format!("export {name}={}", quoted(value)))
        .collect();
    let words = |words: &[String]| {
        let quoted: Vec<String> = words.iter().map(|word| quoted(word)).collect();
        quoted.join(" ")
    };
    let (modules, environment) = (modules.join(" "), environment.join("\n"));
    let command = words(&spec.command);
    let early = match spec.early.as_slice() {
        [] => String::new(),
        early => format!("{} &", words(early)),
    };
    // `reboot` rather than `poweroff`: with reboot=t and -no-reboot QEMU ends at once on every machine type.
    format!(
        "#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t tmpfs tmpfs /tmp
mount -t tmpfs tmpfs /run
export PATH=/bin HOME=/root {INSIDE}=1
{environment}
{early}
for module in {modules}; do
    insmod /modules/$module || echo \"moat guest: cannot load $module\"
done
ip link set lo up
cd /root
echo '{COMMAND_STARTS}'
{command}
printf '\\n{EXIT_STATUS}%d\\n' $?
reboot -f
"
    )
}

/// A word that a shell takes literally.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

fn add_busybox(archive: &mut Archive, kernel: &Kernel) -> Result<(), GuestError> {
    let missing = || GuestError::Package {
        what: "a statically linked busybox".to_owned(),
        package: "busybox-static",
    };
    let installed = || in_search_path(Path::new("busybox"));
    let prepared = kernel.busybox.clone();
    let path = prepared.or_else(installed).ok_or_else(missing)?;
    if !libraries(&path)?.is_empty() {
        return Err(missing());
    }
    archive.file("bin/busybox", &read(&path)?, true);
    let list = Command::new(&path).arg("--list").output();
    let list = list.map_err(|_| missing())?.stdout;
    for name in String::from_utf8_lossy(&list).lines() {
        // A real program with that name wins: busybox has an `ip` of its own.
        archive.link(&format!("bin/{name}"), "busybox");
    }
    Ok(())
}

fn add_binary(archive: &mut Archive, binary: &Path) -> Result<(), GuestError> {
    let path = in_search_path(binary).ok_or_else(|| missing_binary(binary))?;
    archive.file(&inside_path(&path), &read(&path)?, true);
    for library in libraries(&path)? {
        let inside = library.to_string_lossy();
        if !archive.contains(&inside) {
            archive.file(&inside, &read(&library)?, true);
        }
    }
    Ok(())
}

fn missing_binary(binary: &Path) -> GuestError {
    let package = match binary.to_str() {
        Some("ip" | "bridge") => "iproute2",
        Some("nft") => "nftables",
        Some("modprobe" | "insmod" | "kmod") => "kmod",
        _ => {
            return GuestError::File {
                path: binary.to_owned(),
                source: io::ErrorKind::NotFound.into(),
            };
        }
    };
    GuestError::Package {
        what: binary.display().to_string(),
        package,
    }
}

/// A path as it is, a bare name from PATH and the system's directories.
pub(super) fn in_search_path(binary: &Path) -> Option<PathBuf> {
    if binary.components().count() > 1 {
        return binary.exists().then(|| binary.to_owned());
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"].map(PathBuf::from);
    env::split_paths(&path)
        .chain(system)
        .map(|directory| directory.join(binary))
        .find(|candidate| candidate.is_file())
}

/// The shared libraries that an executable needs, the dynamic loader included; none for a static one.
fn libraries(binary: &Path) -> Result<Vec<PathBuf>, GuestError> {
    let output = Command::new("ldd").arg(binary).output();
    let output = output.map_err(|_| GuestError::Package {
        what: "ldd".to_owned(),
        package: "libc-bin",
    })?;
    // `libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x…)`, `/lib64/ld-linux-x86-64.so.2 (0x…)`,
    // `linux-vdso.so.1 (0x…)`; a static binary gives an error and no such line.
    let text = String::from_utf8_lossy(&output.stdout);
    let paths = text.split_whitespace().filter(|word| word.starts_with('/'));
    Ok(paths
        .filter(|word| !word.ends_with(':'))
        .map(PathBuf::from)
        .collect())
}

fn read(path: &Path) -> Result<Vec<u8>, GuestError> {
    fs::read(path).map_err(|source| GuestError::File {
        path: path.to_owned(),
        source,
    })
}
