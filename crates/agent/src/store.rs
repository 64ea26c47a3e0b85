//! What outlives the agent's process: the last good documents, for ever, and what sources said, until
//! the next boot. Knows files; what they say is kept as it was said, and read by whoever reads it anew.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use policy::language::Source;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::host::BoundPorts;
use crate::protocol::Request;

const DOCUMENTS: &str = "documents.json";
const BOUND: &str = "bound.json";

/// The folders of one agent.
#[derive(Clone, Debug)]
pub struct Store {
    /// Survives reboots.
    lasting: PathBuf,
    volatile: PathBuf,
    /// Interfaces do not survive a reboot, so neither does what was said of them.
    claims: PathBuf,
}

/// What a source said of a VM, as it came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    pub source: String,
    pub vm: String,
    pub request: Request,
    /// It was said since that the VM leaves: its claims end with their interfaces.
    #[serde(default)]
    pub released: bool,
}

impl Store {
    /// Makes the folders where they are missing.
    ///
    /// # Errors
    /// As making a folder.
    pub fn open(lasting: &Path, volatile: &Path) -> io::Result<Self> {
        let claims = volatile.join("claims");
        for folder in [lasting, volatile, &claims] {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)?;
            // Of a process that was killed while it wrote.
            for entry in fs::read_dir(folder)? {
                let path = entry?.path();
                if path.extension().is_some_and(|ending| ending == UNFINISHED) {
                    fs::remove_file(path)?;
                }
            }
        }
        Ok(Self {
            lasting: lasting.to_owned(),
            volatile: volatile.to_owned(),
            claims,
        })
    }

    /// Keeps documents that took effect.
    ///
    /// # Errors
    /// As writing a file: those before are kept then.
    pub fn keep_documents(&self, sources: &[Source]) -> io::Result<()> {
        let texts: Vec<(&str, &str)> = sources
            .iter()
            .map(|source| (source.name.as_str(), source.text.as_str()))
            .collect();
        let bytes = serde_json::to_vec(&texts)?;
        write(&self.lasting.join(DOCUMENTS), &bytes, Until::Ever)
    }

    /// The documents that took effect last; `None`: none ever did.
    ///
    /// # Errors
    /// As reading a file, and where it is not one of ours.
    pub fn documents(&self) -> io::Result<Option<Vec<Source>>> {
        let Some(bytes) = read(&self.lasting.join(DOCUMENTS))? else {
            return Ok(None);
        };
        let texts: Vec<(String, String)> = serde_json::from_slice(&bytes)?;
        let sources = texts
            .into_iter()
            .map(|(name, text)| Source::new(name, text));
        Ok(Some(sources.collect()))
    }

    /// Keeps what a source said of a VM, in the place of what it said before.
    ///
    /// # Errors
    /// As writing a file.
    pub fn keep_said(&self, said: &Said) -> io::Result<()> {
        write(
            &self.said_file(&said.source, &said.vm),
            &serde_json::to_vec(said)?,
            Until::Boot,
        )
    }

    /// Remembers that a source has let a VM go, if it is known.
    ///
    /// # Errors
    /// As reading and writing a file.
    pub fn release_said(&self, source: &str, vm: &str) -> io::Result<()> {
        let Some(bytes) = read(&self.said_file(source, vm))? else {
            return Ok(());
        };
        let said: Said = serde_json::from_slice(&bytes)?;
        self.keep_said(&Said {
            released: true,
            ..said
        })
    }

    /// Keeps which interface each port is.
    ///
    /// # Errors
    /// As writing a file: those before are kept then.
    pub fn keep_bound(&self, bound: &BoundPorts) -> io::Result<()> {
        let bytes = serde_json::to_vec(bound)?;
        write(&self.volatile.join(BOUND), &bytes, Until::Boot)
    }

    /// Which interface each port was since the last boot.
    ///
    /// # Errors
    /// As reading a file, and where it is not one of ours.
    pub fn bound(&self) -> io::Result<BoundPorts> {
        match read(&self.volatile.join(BOUND))? {
            Some(bytes) => Ok(serde_json::from_slice(&bytes)?),
            None => Ok(BoundPorts::default()),
        }
    }

    /// Forgets a VM.
    ///
    /// # Errors
    /// As removing a file that may be missing.
    pub fn forget_said(&self, source: &str, vm: &str) -> io::Result<()> {
        match fs::remove_file(self.said_file(source, vm)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Everything that was said since the last boot, and files that cannot be read, with the reason.
    ///
    /// # Errors
    /// Where the folder cannot be read.
    pub fn said(&self) -> io::Result<(Vec<Said>, BTreeMap<PathBuf, String>)> {
        let mut said = Vec::new();
        let mut unreadable = BTreeMap::new();
        for entry in fs::read_dir(&self.claims)? {
            let path = entry?.path();
            if path.extension().is_none_or(|ending| ending != "json") {
                continue;
            }
            let one = fs::read(&path).map_err(|error| error.to_string());
            match one.and_then(|bytes| {
                serde_json::from_slice::<Said>(&bytes).map_err(|error| error.to_string())
            }) {
                Ok(one) => said.push(one),
                Err(error) => {
                    unreadable.insert(path, error);
                }
            }
        }
        said.sort_by(|a, b| (&a.source, &a.vm).cmp(&(&b.source, &b.vm)));
        Ok((said, unreadable))
    }

    /// Other values that outlive the process, by name: leases.
    ///
    /// # Errors
    /// As writing a file.
    pub fn keep(&self, name: &str, value: &Value) -> io::Result<()> {
        write(
            &self.lasting.join(format!("{name}.json")),
            &serde_json::to_vec(value)?,
            Until::Ever,
        )
    }

    /// What [`Self::keep`] kept.
    ///
    /// # Errors
    /// As reading a file, and where it is not one of ours.
    pub fn kept(&self, name: &str) -> io::Result<Option<Value>> {
        let bytes = read(&self.lasting.join(format!("{name}.json")))?;
        bytes
            .map(|bytes| Ok(serde_json::from_slice(&bytes)?))
            .transpose()
    }

    /// VM names may hold anything; a file name may not. Every byte that could mean something to a
    /// file system is spelled out.
    fn said_file(&self, source: &str, vm: &str) -> PathBuf {
        let mut name = String::new();
        for byte in format!("{source}.{vm}").bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' => name.push(byte.into()),
                _ => name.push_str(&format!("_{byte:02x}")),
            }
        }
        // A file name has at most 255 bytes; two long names that begin alike must stay two.
        if name.len() > 200 {
            let digest = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
            name.truncate(180);
            name.push_str(&format!("_{digest:016x}"));
        }
        self.claims.join(format!("{name}.json"))
    }
}

fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Until when a file has to last.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Until {
    /// The machine may stop at any moment.
    Ever,
    /// The process may; what it wrote stays.
    Boot,
}

/// How the name of a file ends that is not whole yet.
const UNFINISHED: &str = "new";

/// The file holds the old bytes or the new ones, whenever the process or the machine stops.
fn write(path: &Path, bytes: &[u8], until: Until) -> io::Result<()> {
    let temporary = path.with_extension(UNFINISHED);
    let mut file: File = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)?;
    file.write_all(bytes)?;
    if until == Until::Ever {
        file.sync_all()?;
    }
    fs::rename(&temporary, path)
}

#[cfg(test)]
mod tests;
