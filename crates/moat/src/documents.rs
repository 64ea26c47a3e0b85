//! From file names to a checked catalog. Knows which files of a folder are documents; what they
//! say is left to `policy::language`.

use std::borrow::Cow;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;
use policy::Catalog;
use policy::language::{Source, load, load_again};

use crate::fault::Failure;

/// Where the documents are.
#[derive(Args, Debug)]
pub(crate) struct Documents {
    /// Files with documents, folders of them (all *.yaml, *.yml and *.json below), or `-` for
    /// standard input
    #[arg(value_name = "FILE|DIR", required = true)]
    pub paths: Vec<PathBuf>,
}

/// Documents where a command works without them too.
#[derive(Args, Debug)]
pub(crate) struct OptionalDocuments {
    /// Files with documents, folders of them (all *.yaml, *.yml and *.json below), or `-` for
    /// standard input
    #[arg(value_name = "FILE|DIR")]
    pub paths: Vec<PathBuf>,
}

/// A declaration as it was read.
#[derive(Clone, Debug)]
pub(crate) struct Declaration {
    pub sources: Vec<Source>,
    pub catalog: Catalog,
    /// For each source what spares the next command to read it anew; see [`load_again`].
    pub kept: Vec<Vec<u8>>,
}

/// Reads and checks everything.
///
/// # Errors
/// Files that cannot be read, or all that is wrong in them.
pub(crate) fn read(paths: &[PathBuf]) -> Result<Declaration, Failure> {
    declare(sources(paths)?, |_| None)
}

/// Checks sources together, where `kept` knows what was read of a source of the same name and text before.
///
/// # Errors
/// All that is wrong in the sources.
pub(crate) fn declare<'a>(
    sources: Vec<Source>,
    kept: impl Fn(&Source) -> Option<&'a [u8]>,
) -> Result<Declaration, Failure> {
    let (catalog, kept) = match load_again(&sources, kept) {
        Some(reading) => {
            let kept = reading.kept.into_iter().map(Cow::into_owned);
            (reading.catalog, kept.collect())
        }
        None => (load(&sources)?, vec![Vec::new(); sources.len()]),
    };
    Ok(Declaration {
        sources,
        catalog,
        kept,
    })
}

/// Reads the texts of all documents, each file once, in the order of their names.
///
/// # Errors
/// Files that cannot be read.
pub(crate) fn sources(paths: &[PathBuf]) -> Result<Vec<Source>, Failure> {
    let mut files = Vec::new();
    for path in paths {
        if path.as_os_str() == "-" || !path.is_dir() {
            files.push(path.clone());
        } else {
            let before = files.len();
            folder(path, &mut files)?;
            if files.len() == before {
                return Err(Failure::usage(format!(
                    "{} has no *.yaml, *.yml or *.json file",
                    path.display()
                )));
            }
        }
    }
    // One folder has no file twice.
    if paths.len() > 1 {
        let mut seen = std::collections::BTreeSet::new();
        files.retain(|file| seen.insert(file.clone()));
    }
    files.iter().map(|file| source(file)).collect()
}

fn folder(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let entries = std::fs::read_dir(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let mut entries = entries.map_err(|error| unreadable(path, &error))?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        // A link to a folder could lead in a circle; one to a file is how some systems deploy.
        let kind = entry
            .file_type()
            .map_err(|error| unreadable(&path, &error))?;
        if hidden {
            continue;
        }
        if kind.is_dir() {
            folder(&path, files)?;
        } else if path
            .extension()
            .is_some_and(|ending| ending == "yaml" || ending == "yml" || ending == "json")
            && (kind.is_file() || path.is_file())
        {
            files.push(path);
        }
    }
    Ok(())
}

fn source(path: &Path) -> Result<Source, Failure> {
    if path.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .map_err(|error| Failure::usage(format!("cannot read standard input: {error}")))?;
        return Ok(Source::new("standard input", text));
    }
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
    Ok(Source::new(path.display().to_string(), text))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::usage(format!(
        "cannot read {}: {error}; nothing was changed",
        path.display()
    ))
}
