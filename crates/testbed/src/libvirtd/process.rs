//! What runs inside a hypervisor, as the machine sees it: listed, waited for, signalled. Knows /proc.

use super::{Libvirtd, LibvirtdError, await_until, program_error};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

/// A process inside a hypervisor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InsideProcess {
    /// Its number as the machine sees it.
    pub number: u32,
    /// Its command line.
    pub arguments: Vec<String>,
}

impl InsideProcess {
    /// Whether it runs `program`, given by its name without directories.
    pub fn is(&self, program: &str) -> bool {
        let first = self.arguments.first().map_or("", String::as_str);
        first.rsplit('/').next() == Some(program)
    }

    /// Sends a signal: `KILL`, `STOP`, ….
    pub fn signal(&self, signal: &str) -> Result<(), LibvirtdError> {
        // It may have ended by itself already, which is as good.
        Command::new("kill")
            .args(["-s", signal, &self.number.to_string()])
            .output()
            .map(drop)
            .map_err(program_error("kill"))
    }

    /// Whether it still runs; a dead process whose parent has not asked for its status does not.
    pub fn lives(&self) -> bool {
        arguments_of(self.number).is_some()
    }
}

impl Libvirtd {
    /// Everything that runs inside, the first process included.
    pub fn processes(&self) -> Result<Vec<InsideProcess>, LibvirtdError> {
        let namespace = |number: u32| fs::metadata(format!("/proc/{number}/ns/pid"));
        let own = namespace(self.first.number)
            .map_err(|source| super::file_error("/proc/1/ns/pid", source))?
            .ino();
        let entries = fs::read_dir("/proc").map_err(|source| super::file_error("/proc", source))?;
        Ok(entries
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter(|&number| namespace(number).is_ok_and(|found| found.ino() == own))
            .filter_map(|number| {
                let arguments = arguments_of(number)?;
                Some(InsideProcess { number, arguments })
            })
            .collect())
    }

    /// The process of a guest that runs here.
    pub fn emulator(&self, name: &str) -> Result<Option<InsideProcess>, LibvirtdError> {
        let wanted = format!("guest={name}");
        let is_it = |process: &InsideProcess| {
            let mut words = process.arguments.iter();
            words.any(|word| word.split(',').any(|part| part == wanted))
        };
        Ok(self.processes()?.into_iter().find(is_it))
    }

    /// Kills a guest's process and waits for its end, as the kernel does when memory runs out.
    pub fn kill_emulator(&self, name: &str) -> Result<(), LibvirtdError> {
        let found = self.emulator(name)?;
        let process = found.ok_or_else(|| LibvirtdError::Failed {
            command: format!("kill the emulator of {name}"),
            message: "it does not run".to_owned(),
        })?;
        process.signal("KILL")?;
        self.await_end(&process)
    }

    /// Waits for a process's end.
    pub fn await_end(&self, process: &InsideProcess) -> Result<(), LibvirtdError> {
        await_until(
            || Ok(!process.lives()),
            || format!("the end of {}", process.arguments.join(" ")),
        )
    }
}

/// The command line of a process that lives: the dead have none.
fn arguments_of(number: u32) -> Option<Vec<String>> {
    let bytes = fs::read(format!("/proc/{number}/cmdline")).ok()?;
    let words: Vec<String> = bytes
        .split(|&byte| byte == 0)
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect();
    (!bytes.is_empty()).then_some(words)
}
