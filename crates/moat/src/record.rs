//! The documents of the last apply, kept beside the switch: a plan can say what a change means, a
//! trace works without files, and the next apply need not begin anew. Knows what a record holds for:
//! one build of moat, one network namespace and one generation of its tables. What is in force is
//! always the switch's to say, and a record of another moment says nothing about it.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use datapath::{Capabilities, Datapath, resolve};
use datapath_nftables::{Installed, NftablesDatapath};
use policy::document::Document;
use policy::language::{Source, additions, kept_names, restore};
use policy::observation::Observation;
use policy::{HostProgram, Incremental};
use serde::{Deserialize, Serialize};

use crate::documents::{self, Declaration};
use crate::guardian;
use crate::situation::{self, Prospect};

const FILE: &str = "applied";
/// Begins the file. The number counts up with every change of what follows.
const FORMAT: &[u8; 16] = b"moat record   3\n";
const SUM: usize = size_of::<u64>();

/// What was applied.
pub(crate) struct Record {
    pub declaration: Declaration,
    pub host: String,
    pub observed: Observation,
}

/// When and where a record says what the table is, byte for byte: any difference, and it says nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Moment {
    /// This very file of the program, for another build may make another table of the same documents.
    build: Option<[u64; 6]>,
    /// Of this start of the kernel.
    boot: Option<String>,
    /// The number that the kernel never gives to another network namespace.
    namespace: Option<u64>,
    /// What the kernel could load when it was last asked what it can do.
    modules: u64,
    /// Changes with every commit of anybody.
    pub generation: u32,
}

impl Moment {
    /// Of the network namespace in which the datapath was opened.
    pub(crate) fn of(datapath: &mut NftablesDatapath, generation: u32) -> Self {
        Self {
            build: build(),
            boot: std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok(),
            namespace: datapath.connection().namespace().ok(),
            modules: modules(),
            generation,
        }
    }

    /// Whether this is certainly the same moment: what is not known never is.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.is_certain() && self == other
    }

    /// The same place at another generation.
    pub(crate) fn at(&self, generation: u32) -> Self {
        Self {
            generation,
            ..self.clone()
        }
    }

    fn is_certain(&self) -> bool {
        self.build.is_some() && self.boot.is_some() && self.namespace.is_some()
    }
}

fn build() -> Option<[u64; 6]> {
    let file = std::fs::metadata("/proc/self/exe").ok()?;
    let signed = [
        file.mtime(),
        file.mtime_nsec(),
        file.ctime(),
        file.ctime_nsec(),
    ];
    let [written, written_part, changed, changed_part] = signed.map(i64::cast_unsigned);
    let when = written
        .wrapping_mul(1_000_000_000)
        .wrapping_add(written_part);
    Some([
        file.dev(),
        file.ino(),
        file.size(),
        when,
        changed,
        changed_part,
    ])
}

/// Loaded modules and where others would be found: a kernel learns by modules and by nothing else.
fn modules() -> u64 {
    let mut hasher = DefaultHasher::new();
    let loaded = std::fs::read_to_string("/proc/modules").unwrap_or_default();
    let mut names: Vec<&str> = loaded
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    names.sort_unstable();
    names.hash(&mut hasher);
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let index = format!("/lib/modules/{}/modules.dep", release.trim());
    for place in [index.as_str(), "/etc/modprobe.d", "/run/modprobe.d"] {
        let file = std::fs::metadata(place).ok();
        let stamp = file.map(|file| (file.ino(), file.size(), file.mtime(), file.mtime_nsec()));
        stamp.hash(&mut hasher);
    }
    hasher.finish()
}

/// The bytes of a record that is whole.
pub(crate) struct Stored(Vec<u8>);

pub(crate) struct Contents<'a> {
    pub moment: Moment,
    pub said: Said<'a>,
}

/// All but the moment, which follows it: that is known last.
#[derive(Serialize, Deserialize)]
pub(crate) struct Said<'a> {
    /// The Host document that was asked for.
    pub wanted: Option<&'a str>,
    pub host: &'a str,
    pub capabilities: Capabilities,
    /// An [`Observation`].
    observed: &'a [u8],
    #[serde(borrow)]
    sources: Vec<KeptSource<'a>>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
struct KeptSource<'a> {
    name: &'a str,
    text: &'a str,
    /// As `policy::language::load_again` made it.
    kept: &'a [u8],
}

impl Stored {
    /// The record of the present network namespace: `None` where there is none that is whole, or
    /// where somebody else could have written it.
    pub(crate) fn open() -> Option<Self> {
        let folder = guardian::folder().ok()?;
        (is_ours(folder.parent()?, 0o022) && is_ours(&folder, 0o077)).then_some(())?;
        let mut file = std::fs::OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NOFOLLOW)
            .open(folder.join(FILE))
            .ok()?;
        let metadata = file.metadata().ok()?;
        let own = rustix::process::geteuid().as_raw();
        (metadata.is_file() && metadata.uid() == own && metadata.mode() & 0o077 == 0)
            .then_some(())?;
        let mut bytes = Vec::with_capacity(usize::try_from(metadata.size()).ok()?);
        file.read_to_end(&mut bytes).ok()?;
        let (sum, body) = split(&bytes)?;
        (sum == checksum(body)).then_some(Self(bytes))
    }

    /// `None` where it was written in a form that this build does not know.
    pub(crate) fn contents(&self) -> Option<Contents<'_>> {
        let (_, body) = split(&self.0)?;
        let (said, rest) = postcard::take_from_bytes::<Said<'_>>(body).ok()?;
        let (moment, rest) = postcard::take_from_bytes::<Moment>(rest).ok()?;
        rest.is_empty().then_some(Contents { moment, said })
    }
}

fn split(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let after = bytes.strip_prefix(FORMAT)?;
    let (sum, body) = after.split_first_chunk::<SUM>()?;
    Some((u64::from_le_bytes(*sum), body))
}

/// Against accidents alone: who may write the file may as well change the switch.
fn checksum(body: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(body);
    hasher.finish()
}

/// Whether nobody but this process's user can have put something there.
fn is_ours(folder: &Path, forbidden: u32) -> bool {
    let own = rustix::process::geteuid().as_raw();
    std::fs::symlink_metadata(folder).is_ok_and(|metadata| {
        metadata.is_dir() && metadata.uid() == own && metadata.mode() & forbidden == 0
    })
}

impl<'a> Contents<'a> {
    /// What was kept of sources, by name.
    pub(crate) fn index(&self) -> Index<'a> {
        // Bytes that another build made say to that build what they say.
        let same = build().is_some_and(|build| Some(build) == self.moment.build);
        let sources = self.said.sources.iter();
        Index {
            count: self.said.sources.len(),
            sources: sources.map(|source| (source.name, *source)).collect(),
            same,
        }
    }

    pub(crate) fn observed(&self) -> Option<Observation> {
        postcard::from_bytes(self.said.observed).ok()
    }

    fn declaration(&self) -> Option<Declaration> {
        let sources = self.said.sources.iter();
        let sources = sources.map(|source| Source::new(source.name, source.text));
        let index = self.index();
        documents::declare(sources.collect(), |source| index.kept(source)).ok()
    }

    /// What was applied, compiled. Only for the build that wrote it.
    pub(crate) fn before(&self) -> Option<Incremental> {
        let sources = self.said.sources.iter();
        let catalog = restore(sources.map(|source| (source.name, source.text, source.kept)))?;
        let mut before = Incremental::new(catalog, self.said.wanted, self.observed()?);
        before.compile().ok()?;
        Some(before)
    }
}

/// What sources are besides those of a record.
pub(crate) struct Difference<'a> {
    /// Ports that no source has as it was.
    gone: Vec<String>,
    /// What was kept of each source; `None` for one that is new or not what it was.
    pub kept: Vec<Option<&'a [u8]>>,
}

impl Difference<'_> {
    /// The very same sources.
    pub(crate) fn is_none(&self) -> bool {
        self.gone.is_empty() && self.kept.iter().all(Option::is_some)
    }

    /// Makes what the record says what the sources say, and gives back what to keep of each that differs,
    /// in their order. `None` where that takes more than these: `documents` have then to be replaced.
    pub(crate) fn follow(
        &self,
        documents: &mut Incremental,
        sources: &[Source],
    ) -> Option<Vec<Vec<u8>>> {
        for port in &self.gone {
            documents.remove_port(port);
        }
        let pairs = sources.iter().zip(&self.kept);
        let new = pairs.filter_map(|(source, kept)| kept.is_none().then_some(source));
        let added = additions(documents.catalog(), new)?;
        let mut kept = Vec::with_capacity(added.len());
        for addition in added {
            // A source without documents is not worth a special case.
            (!addition.kept.is_empty()).then_some(())?;
            for port in addition.ports {
                documents.insert(Document::Port(port));
            }
            kept.push(addition.kept);
        }
        Some(kept)
    }
}

/// Sources by name.
pub(crate) struct Index<'a> {
    count: usize,
    sources: HashMap<&'a str, KeptSource<'a>>,
    /// This build made it.
    same: bool,
}

impl<'a> Index<'a> {
    /// What was kept of a source that is still the same.
    pub(crate) fn kept(&self, source: &Source) -> Option<&'a [u8]> {
        let known = self.sources.get(source.name.as_str())?;
        (self.same && known.text == source.text && !known.kept.is_empty()).then_some(known.kept)
    }

    /// In what sources differ. `None` where that is more than ports, or not to be told.
    pub(crate) fn difference(&self, sources: &[Source]) -> Option<Difference<'a>> {
        // Two of one name cannot be told apart.
        (self.same && self.sources.len() == self.count).then_some(())?;
        let mut left = self.sources.clone();
        let mut kept = Vec::with_capacity(sources.len());
        for source in sources {
            let name = source.name.as_str();
            let same = left
                .get(name)
                .is_some_and(|known| known.text == source.text);
            kept.push(if same {
                left.remove(name).map(|known| known.kept)
            } else {
                None
            });
        }
        let gone = left.values().map(|known| match known.kept {
            [] => None,
            kept => kept_names(kept),
        });
        let gone: Option<Vec<Vec<String>>> = gone.collect();
        Some(Difference {
            gone: gone?.into_iter().flatten().collect(),
            kept,
        })
    }
}

/// A record of what is about to be applied: all that does not depend on the moment.
pub(crate) struct Draft {
    body: Vec<u8>,
    sum: DefaultHasher,
}

impl Draft {
    /// Each source comes with what to keep of it.
    ///
    /// # Errors
    /// As putting these into bytes.
    pub(crate) fn of<'a>(
        wanted: Option<&str>,
        host: &str,
        capabilities: Capabilities,
        observed: &Observation,
        sources: impl Iterator<Item = (&'a Source, &'a [u8])>,
    ) -> io::Result<Self> {
        let observed = postcard::to_allocvec(observed).map_err(io::Error::other)?;
        let sources: Vec<KeptSource<'_>> = sources
            .map(|(source, kept)| KeptSource {
                name: &source.name,
                text: &source.text,
                kept,
            })
            .collect();
        let length = sources
            .iter()
            .fold(observed.len(), |sum, source| sum + source.room());
        let said = Said {
            wanted,
            host,
            capabilities,
            observed: &observed,
            sources,
        };
        let room = Vec::with_capacity(length + 4096);
        let body = postcard::to_extend(&said, room).map_err(io::Error::other)?;
        let mut sum = DefaultHasher::new();
        sum.write(&body);
        Ok(Self { body, sum })
    }

    /// Keeps it, with the moment at which it holds.
    ///
    /// # Errors
    /// As writing a file: the apply itself is not affected.
    pub(crate) fn keep(mut self, moment: &Moment) -> io::Result<()> {
        let moment = postcard::to_allocvec(moment).map_err(io::Error::other)?;
        self.sum.write(&moment);
        let folder = guardian::make_folder()?;
        let temporary = folder.join(format!("{FILE}.{}", std::process::id()));
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .custom_flags(libc::O_NOFOLLOW)
            .mode(0o600)
            .open(&temporary)?;
        file.write_all(FORMAT)?;
        file.write_all(&self.sum.finish().to_le_bytes())?;
        file.write_all(&self.body)?;
        file.write_all(&moment)?;
        std::fs::rename(&temporary, folder.join(FILE))
    }
}

impl KeptSource<'_> {
    /// Bytes in the record, and a few for their lengths.
    fn room(&self) -> usize {
        self.name.len() + self.text.len() + self.kept.len() + 12
    }
}

/// Keeps what was applied.
///
/// # Errors
/// As [`Draft::keep`].
pub(crate) fn keep(
    moment: &Moment,
    declaration: &Declaration,
    prospect: &Prospect,
    wanted: Option<&str>,
) -> io::Result<()> {
    let own = situation::own_name(&declaration.catalog);
    let sources = declaration.sources.iter();
    let kept = declaration.kept.iter().map(Vec::as_slice);
    let draft = Draft::of(
        wanted.or(own.as_deref()),
        &prospect.program.host,
        prospect.capabilities.clone(),
        &prospect.observed,
        sources.zip(kept),
    )?;
    draft.keep(moment)
}

/// Whether there is a record, and one of that moment if there can be.
pub(crate) fn holds(moment: &Moment) -> bool {
    let stored = Stored::open();
    let contents = stored.as_ref().and_then(Stored::contents);
    contents.is_some_and(|contents| !moment.is_certain() || contents.moment == *moment)
}

/// Forgets it: our table is gone.
pub(crate) fn forget() {
    if let Ok(folder) = guardian::folder() {
        let _ = std::fs::remove_file(folder.join(FILE));
        let _ = std::fs::remove_dir(folder);
    }
}

/// The record of the present network namespace, if there is one that can be read.
pub(crate) fn read() -> Option<Record> {
    let stored = Stored::open()?;
    let contents = stored.contents()?;
    Some(Record {
        declaration: contents.declaration()?,
        host: contents.said.host.to_owned(),
        observed: contents.observed()?,
    })
}

/// The program that is in force, where the record lowers to exactly what is installed.
pub(crate) fn program_in_force(
    installed: &Installed,
    capabilities: &Capabilities,
) -> Option<HostProgram> {
    installed.contents.as_ref()?;
    let record = read()?;
    let catalog = &record.declaration.catalog;
    let host = (!catalog.hosts.is_empty()).then_some(record.host.as_str());
    let program = policy::compile(catalog, host, &record.observed).ok()?;
    let resolved = resolve(&program, capabilities).ok()?;
    let mut datapath = NftablesDatapath::open().ok()?;
    datapath.assume(capabilities.clone());
    let change = datapath.plan(&resolved.program, installed);
    change.is_empty().then_some(resolved.program)
}

#[cfg(test)]
mod tests;
