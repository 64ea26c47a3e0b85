//! The files of authority and certificates. Certificate and key are one file, so that one rename
//! replaces both, and a reader never meets a certificate with another's key.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use channel::certificate::{Certificate, Pair, describe};

use super::joined;
use crate::fault::Failure;

/// Certificates of authorities that are believed, the one that vouches first.
pub(super) const AUTHORITIES: &str = "ca";
/// The authority with its key.
pub(super) const AUTHORITY: &str = "authority";

#[derive(Debug)]
pub(super) struct Folder(PathBuf);

/// A file that is to be there.
#[derive(Debug)]
pub(super) struct Write {
    pub name: String,
    /// For its owner alone.
    pub secret: bool,
    text: String,
}

impl Write {
    pub(super) fn secret(name: &str, pair: &Pair) -> Self {
        Self {
            name: name.to_owned(),
            secret: true,
            text: joined(pair),
        }
    }

    pub(super) fn public(name: &str, text: String) -> Self {
        Self {
            name: name.to_owned(),
            secret: false,
            text,
        }
    }
}

/// # Errors
/// What cannot be a file here.
pub(super) fn check_name(name: &str) -> Result<(), Failure> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let taken = [AUTHORITIES, AUTHORITY].contains(&name);
    if name.is_empty()
        || name.len() > 64
        || name.starts_with(['.', '-'])
        || taken
        || !name.chars().all(fits)
    {
        return Err(Failure::usage(format!(
            "`{}` cannot be the name of a certificate; letters, digits, `-`, `_` and `.` are expected, 64 at most, \
             and neither `{AUTHORITIES}` nor `{AUTHORITY}`",
            name.escape_debug()
        )));
    }
    Ok(())
}

impl Folder {
    pub(super) fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}.pem"))
    }

    pub(super) fn exists(&self, name: &str) -> Result<bool, Failure> {
        let path = self.file(name);
        path.try_exists()
            .map_err(|error| refused("look for", &path, &error))
    }

    /// The authority that vouches for new certificates.
    pub(super) fn authority(&self) -> Result<Pair, Failure> {
        if !self.exists(AUTHORITY)? {
            return Err(Failure::state(format!(
                "there is no authority in {}; nothing was changed",
                self.0.display()
            ))
            .help("`moat tls init` makes one"));
        }
        let text = self.read(AUTHORITY)?;
        let key = text.find("-----BEGIN PRIVATE KEY-----").ok_or_else(|| {
            Failure::state(format!(
                "{} has no private key",
                self.file(AUTHORITY).display()
            ))
        })?;
        let (certificate, key) = text.split_at(key);
        Ok(Pair {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
        })
    }

    /// Each authority that is believed, as PEM.
    pub(super) fn believed(&self) -> Result<Vec<String>, Failure> {
        if !self.exists(AUTHORITIES)? {
            return Ok(Vec::new());
        }
        const END: &str = "-----END CERTIFICATE-----\n";
        let text = self.read(AUTHORITIES)?;
        Ok(text
            .split_inclusive(END)
            .filter(|part| part.ends_with(END))
            .map(str::to_owned)
            .collect())
    }

    /// What certificates there are beside the authority's.
    pub(super) fn names(&self) -> Result<Vec<String>, Failure> {
        let entries = match fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(refused("read", &self.0, &error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| refused("read", &self.0, &error))?;
            let file = entry.file_name();
            if let Some(name) = file.to_str().and_then(|file| file.strip_suffix(".pem"))
                && check_name(name).is_ok()
            {
                names.push(name.to_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    pub(super) fn certificate(&self, name: &str) -> Result<Certificate, Failure> {
        let path = self.file(name);
        let found = describe(self.read(name)?.as_bytes())
            .map_err(|error| Failure::state(format!("{}: {error}", path.display())))?;
        found
            .into_iter()
            .next()
            .ok_or_else(|| Failure::state(format!("{} has no certificate", path.display())))
    }

    /// Writes files in this order, each whole or not at all.
    pub(super) fn write(&self, writes: &[Write]) -> Result<(), Failure> {
        if writes.is_empty() {
            return Ok(());
        }
        // One that is there keeps its mode: somebody may have chosen it.
        let made = DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.0);
        made.map_err(|error| refused("make", &self.0, &error))?;
        for write in writes {
            let path = self.file(&write.name);
            self.write_one(&path, write)
                .map_err(|error| refused("write", &path, &error))?;
        }
        Ok(())
    }

    fn write_one(&self, path: &Path, write: &Write) -> io::Result<()> {
        let mode = if write.secret { 0o600 } else { 0o644 };
        let temporary = self
            .0
            .join(format!(".{}.{}", write.name, std::process::id()));
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&temporary)
            .and_then(|mut open| {
                open.write_all(write.text.as_bytes())?;
                // The mask of the process may have taken some away.
                open.set_permissions(fs::Permissions::from_mode(mode))?;
                open.sync_all()
            })
            .and_then(|()| fs::rename(&temporary, path))
            // The name is on the disk only with its folder.
            .and_then(|()| File::open(&self.0)?.sync_all());
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        written
    }

    fn read(&self, name: &str) -> Result<String, Failure> {
        let path = self.file(name);
        fs::read_to_string(&path).map_err(|error| refused("read", &path, &error))
    }
}

fn refused(what: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::system(format!("cannot {what} {}: {error}", path.display()))
        .help("run it as root, or name a folder of your own with --directory")
}
