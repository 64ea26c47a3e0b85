//! `moat setup`: files that other systems call moat through. Knows how to show, write and take back a
//! plan of files without touching anybody else's; which files is left to a module for each system.

mod libvirt;
mod opennebula;
#[cfg(test)]
mod tests;

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::fault::{Failure, Outcome};
use crate::output::{self, Style, paint};

/// In every file that setup writes, and in no other: what has it may be replaced and removed.
pub(crate) const MARKER: &str = "Installed by `moat setup";

#[derive(Args, Debug)]
pub(crate) struct SetupArguments {
    #[command(subcommand)]
    pub system: System,
}

#[derive(Subcommand, Debug)]
pub(crate) enum System {
    /// Install hooks for libvirt, on each of its hosts
    #[command(after_help = "\
Examples:
  sudo moat setup libvirt --dry-run
  sudo moat setup libvirt
  sudo moat setup libvirt --absent pass     VMs start without the agent, their ports in quarantine
  sudo moat setup libvirt --undo

Hooks that are there already stay and are called as well.

Exit codes: 0 done, 1 somebody else's file is in the way, 2 the command line is wrong, 3 the system
refused.")]
    Libvirt(libvirt::LibvirtArguments),
    /// Install a network driver for OpenNebula, on its front-end
    #[command(after_help = "\
Examples:
  moat setup opennebula --dry-run
  moat setup opennebula --driver moat --isolation mac-prefix
  moat setup opennebula --undo

Exit codes: 0 done, 1 somebody else's file is in the way, 2 the command line is wrong, 3 the system
refused.")]
    Opennebula(opennebula::OpennebulaArguments),
}

/// What to do with a plan.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Doing {
    /// Show what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Take back what setup installed
    #[arg(long)]
    pub undo: bool,
}

/// `moat setup`.
///
/// # Errors
/// Where somebody else's file is in the way, or the system refuses.
pub(crate) fn setup(arguments: &SetupArguments, as_json: bool) -> Result<Outcome, Failure> {
    match &arguments.system {
        System::Libvirt(arguments) => libvirt::setup(arguments, as_json),
        System::Opennebula(arguments) => opennebula::setup(arguments, as_json),
    }
}

/// A file that setup keeps as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PlannedFile {
    pub path: PathBuf,
    /// Contains [`MARKER`].
    pub content: String,
    /// Permission bits.
    pub mode: u32,
}

/// What has to happen to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Create,
    Replace,
    Remove,
    /// It is as it should be.
    Keep,
    /// It is somebody else's.
    Foreign,
}

impl Step {
    fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Replace => "replace",
            Self::Remove => "remove",
            Self::Keep => "keep",
            Self::Foreign => "not ours",
        }
    }
}

/// Files and what has to happen to them, looked up before anything is done.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    steps: Vec<(&'a PlannedFile, Step)>,
    undo: bool,
}

impl<'a> Plan<'a> {
    /// # Errors
    /// Where a file cannot be read.
    pub(crate) fn new(files: &'a [PlannedFile], undo: bool) -> Result<Self, Failure> {
        let mut steps = Vec::new();
        for file in files {
            let step = step(file, undo).map_err(|error| refused("read", &file.path, &error))?;
            steps.push((file, step));
        }
        Ok(Self { steps, undo })
    }

    pub(crate) fn show(&self) {
        for (file, step) in &self.steps {
            let style = match step {
                Step::Create | Step::Replace | Step::Remove => Style::Strong,
                Step::Keep => Style::Faint,
                Step::Foreign => Style::Bad,
            };
            let word = paint(style, format!("{:<8}", step.word()));
            output::line(format!("{word} {}", file.path.display()));
        }
    }

    pub(crate) fn to_json(&self) -> Value {
        let file = |(file, step): &(&PlannedFile, Step)| {
            json!({
                "path": file.path,
                "step": step.word(),
                "content": (!self.undo).then_some(&file.content),
            })
        };
        self.steps.iter().map(file).collect()
    }

    /// Does it: all files or, where one is somebody else's, none. What is not ours is left alone when
    /// undoing.
    ///
    /// # Errors
    /// Says which file, and what was done before it.
    pub(crate) fn carry_out(&self) -> Result<(), Failure> {
        let foreign = self.steps.iter().find(|(_, step)| *step == Step::Foreign);
        if let Some((file, _)) = foreign.filter(|_| !self.undo) {
            return Err(Failure::state(format!(
                "{} is not moat's, so it stays, and nothing was installed",
                file.path.display()
            ))
            .help("move it away, or choose another place or name"));
        }
        for (file, step) in &self.steps {
            match step {
                Step::Create | Step::Replace => {
                    write(file).map_err(|error| refused("write", &file.path, &error))?;
                }
                Step::Remove => {
                    fs::remove_file(&file.path)
                        .map_err(|error| refused("remove", &file.path, &error))?;
                }
                Step::Keep | Step::Foreign => {}
            }
        }
        if self.undo {
            // A folder that others use is not empty, and then stays.
            for (file, _) in &self.steps {
                let _ = file.path.parent().map(fs::remove_dir);
            }
        }
        Ok(())
    }
}

fn step(file: &PlannedFile, undo: bool) -> io::Result<Step> {
    let there = match fs::symlink_metadata(&file.path) {
        Ok(there) => there,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(if undo { Step::Keep } else { Step::Create });
        }
        Err(error) => return Err(error),
    };
    if !there.is_file() {
        return Ok(Step::Foreign);
    }
    let content = fs::read(&file.path)?;
    let content = String::from_utf8_lossy(&content);
    Ok(if !content.contains(MARKER) {
        Step::Foreign
    } else if undo {
        Step::Remove
    } else if content == file.content.as_str() && there.permissions().mode() & 0o7777 == file.mode {
        Step::Keep
    } else {
        Step::Replace
    })
}

/// Whole or not at all: a hook may be called at this very moment.
fn write(file: &PlannedFile) -> io::Result<()> {
    let folder = file.path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let name = file.path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = folder.join(format!(".{name}.moat-{}", std::process::id()));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(file.mode)
        .open(&temporary)
        .and_then(|mut open| {
            open.write_all(file.content.as_bytes())?;
            // The mask of the process may have taken some away.
            open.set_permissions(fs::Permissions::from_mode(file.mode))?;
            open.sync_all()
        })
        .and_then(|()| fs::rename(&temporary, &file.path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

fn refused(what: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::system(format!("cannot {what} {}: {error}", path.display()))
        .help("run it as the user that owns that folder, or as root")
}
