//! `moat apply` where the last one ended: as long as nobody has committed anything since, the table
//! carries out what was recorded, and only what differs from that is compiled, planned and sent.
//! Knows when that may be relied on and what can be done at the same time; what differs is found by
//! `policy::Incremental` and `datapath_nftables::Session`.

use std::borrow::Cow;
use std::path::PathBuf;
use std::thread::{self, ScopedJoinHandle};

use datapath::{DatapathError, resolve};
use datapath_nftables::{NftablesDatapath, Session};
use policy::Incremental;
use policy::language::Source;
use policy::observation::Observation;

use crate::change::{self, Applied, Verified};
use crate::documents::{self, Declaration};
use crate::fault::Failure;
use crate::record::{Contents, Draft, Moment, Stored};
use crate::report::Written;
use crate::situation::{self, Opening, Prospect};

/// Everything that is known before the switch is changed.
pub(crate) enum Prepared {
    /// Only the difference to what was recorded.
    On(Box<Resumed>),
    /// The table has to be read.
    Afresh(Box<NftablesDatapath>, Box<Declaration>),
}

pub(crate) struct Resumed {
    session: Session,
    prospect: Prospect,
    sources: Vec<Source>,
    moment: Moment,
    draft: std::io::Result<Draft>,
    /// The record says all this already.
    recorded: bool,
}

/// Reads the documents, and looks at the host where that is all it takes.
///
/// # Errors
/// Documents that are wrong; a kernel that cannot be asked.
pub(crate) fn prepare(paths: &[PathBuf], host: Option<&str>) -> Result<Prepared, Failure> {
    thread::scope(|scope| {
        let reading = scope.spawn(|| documents::sources(paths));
        let stored = Stored::open();
        // Not worth it where there is no record: an apply from the beginning looks when it is ready.
        let observing = stored.is_some().then(|| scope.spawn(inventory::observe));
        let contents = stored.as_ref().and_then(Stored::contents);
        let mut datapath = situation::open()?;
        let found = contents.as_ref().and_then(|contents| {
            let generation = datapath.connection().generation().ok()?;
            let moment = Moment::of(&mut datapath, generation);
            contents.moment.is(&moment).then_some(moment)
        });
        let (Some(contents), Some(moment), Some(observing)) = (&contents, found, observing) else {
            let opening = Opening::begin();
            let known = contents.as_ref().map(Contents::index);
            let declaration = documents::declare(join(reading)??, |source| {
                known.as_ref().and_then(|known| known.kept(source))
            })?;
            return afresh(opening, declaration);
        };
        datapath.assume(contents.said.capabilities.clone());
        let before = contents.before();
        let observed = join(observing)??;
        let sources = join(reading)??;
        let Some(before) = before else {
            return afresh(Opening::begin(), documents::declare(sources, |_| None)?);
        };
        let known = Known {
            contents,
            documents: before,
            datapath,
            moment,
        };
        known.resume(sources, observed, host)
    })
}

fn join<T>(thread: ScopedJoinHandle<'_, T>) -> Result<T, Failure> {
    thread
        .join()
        .map_err(|_| Failure::system("a thread that prepares the change died; nothing was changed"))
}

fn afresh(opening: Opening, declaration: Declaration) -> Result<Prepared, Failure> {
    let datapath = Box::new(opening.finish()?);
    Ok(Prepared::Afresh(datapath, Box::new(declaration)))
}

/// What was recorded, and that it holds.
struct Known<'a> {
    contents: &'a Contents<'a>,
    documents: Incremental,
    datapath: NftablesDatapath,
    moment: Moment,
}

impl Known<'_> {
    /// Prepares to go on from there; afresh where the kernel has to be asked: what it lacked then it
    /// may have by now.
    fn resume(
        mut self,
        sources: Vec<Source>,
        observed: Observation,
        host: Option<&str>,
    ) -> Result<Prepared, Failure> {
        let capabilities = &self.contents.said.capabilities;
        let before = resolve(self.documents.program(), capabilities);
        let Told {
            sources,
            kept,
            same,
        } = self.tell(sources)?;
        let own = situation::own_name(self.documents.catalog());
        let wanted = host.or(own.as_deref());
        let recorded = same && *self.documents.observed() == observed;
        let draft = || {
            let pairs = sources.iter().zip(kept.iter().map(AsRef::as_ref));
            // What is followed is the same host, so it has the name that it had.
            let name = self.contents.said.host;
            Draft::of(wanted, name, capabilities.clone(), &observed, pairs)
        };
        let documents = &mut self.documents;
        let (compiled, draft) = thread::scope(|scope| {
            let drafting = scope.spawn(draft);
            documents.observe(observed.clone());
            // What another host enforces is another program.
            let compiled = (self.contents.said.wanted == wanted)
                .then(|| documents.compile().ok().cloned())
                .flatten();
            let compiled = compiled.map(|program| (resolve(&program, capabilities), program));
            Ok::<_, Failure>((compiled, join(drafting)?))
        })?;
        let (Ok(before), Some((Ok(resolved), program))) = (before, compiled) else {
            let declaration = Declaration {
                catalog: self.documents.catalog().clone(),
                kept: kept.into_iter().map(Cow::into_owned).collect(),
                sources,
            };
            return afresh(Opening::begin(), declaration);
        };
        let resumed = Resumed {
            session: Session::resume(self.datapath, self.moment.generation, before.program),
            prospect: Prospect {
                observed,
                program,
                capabilities: capabilities.clone(),
                resolved: Ok(resolved),
            },
            sources,
            moment: self.moment,
            draft,
            recorded,
        };
        // The process ends soon: a thousand documents need not be taken apart before.
        std::mem::forget(self.documents);
        Ok(Prepared::On(Box::new(resumed)))
    }
}

/// Sources, and what to keep of them.
struct Told<'a> {
    sources: Vec<Source>,
    kept: Vec<Cow<'a, [u8]>>,
    /// They are those of the record.
    same: bool,
}

impl<'a> Known<'a> {
    /// Makes the documents what the sources say.
    fn tell(&mut self, sources: Vec<Source>) -> Result<Told<'a>, Failure> {
        let index = self.contents.index();
        if let Some(difference) = index.difference(&sources)
            && let Some(new) = difference.follow(&mut self.documents, &sources)
        {
            let same = difference.is_none();
            let mut new = new.into_iter();
            let kept = difference.kept.into_iter().map(|kept| match kept {
                Some(kept) => Cow::Borrowed(kept),
                None => Cow::Owned(new.next().unwrap_or_default()),
            });
            return Ok(Told {
                kept: kept.collect(),
                sources,
                same,
            });
        }
        let declaration = documents::declare(sources, |source| index.kept(source))?;
        self.documents.replace(declaration.catalog);
        Ok(Told {
            sources: declaration.sources,
            kept: declaration.kept.into_iter().map(Cow::Owned).collect(),
            same: false,
        })
    }
}

impl Prepared {
    /// Changes the switch.
    ///
    /// # Errors
    /// As [`change::converge`].
    pub(crate) fn apply(self, host: Option<&str>) -> Result<Applied, Failure> {
        let (mut datapath, declaration) = match self {
            Self::Afresh(datapath, declaration) => (datapath, declaration),
            Self::On(mut resumed) => match resumed.apply() {
                Ok(applied) => return Ok(resumed.done(applied)),
                // Perhaps what the kernel can do is not what was recorded: ask it.
                Err(DatapathError::Refused(_)) => {
                    let opening = Opening::begin();
                    let declaration = documents::declare(resumed.sources, |_| None)?;
                    (Box::new(opening.finish()?), Box::new(declaration))
                }
                Err(error) => return Err(error.into()),
            },
        };
        change::converge(&mut datapath, &declaration, host)
    }
}

impl Resumed {
    fn apply(&mut self) -> Result<datapath_nftables::Applied, DatapathError> {
        // What is told afterwards is what was compiled, and what of it was given up.
        let fitted = self.prospect.resolved.as_mut();
        let program =
            fitted.map_or_else(|_| Default::default(), |it| std::mem::take(&mut it.program));
        self.session.apply(program)
    }

    fn done(self, applied: datapath_nftables::Applied) -> Applied {
        let changed = applied.commits > 0;
        if let Some(generation) = self.session.known_generation()
            && (changed || !self.recorded || generation != self.moment.generation)
        {
            let moment = self.moment.at(generation);
            change::told(self.draft.and_then(|draft| draft.keep(&moment)));
        }
        // As above.
        std::mem::forget((self.session, self.sources));
        Applied {
            prospect: self.prospect,
            change: changed.then_some(Written {
                lines: applied.summary,
                cost: applied.cost,
            }),
            retries: applied.commits.saturating_sub(1),
            verified: Verified::Generation,
        }
    }
}
