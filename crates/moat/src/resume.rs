//! `moat apply` where the last one ended: as long as nobody has committed anything since, the table
//! carries out what was recorded, and only what differs from that is compiled, planned and sent.
//! Knows when that may be relied on and what can be done at the same time; what differs is found by
//! `policy::Incremental` and `datapath_nftables::Session`.

use std::path::PathBuf;

use datapath::{DatapathError, resolve};
use datapath_nftables::{NftablesDatapath, Session};
use policy::observation::Observation;
use policy::{Catalog, Incremental};

use crate::change::{self, Applied, Verified};
use crate::documents::{self, Declaration};
use crate::fault::Failure;
use crate::record::{Moment, Stored};
use crate::report::Written;
use crate::situation::{self, Opening, Prospect};

/// Everything that is known before the switch is changed.
pub(crate) struct Prepared {
    declaration: Declaration,
    way: Way,
}

enum Way {
    /// Only the difference to what was recorded.
    On(Box<Resumed>),
    /// The table has to be read.
    Afresh(NftablesDatapath),
}

struct Resumed {
    session: Session,
    prospect: Prospect,
    /// Of what is to be enforced.
    documents: Incremental,
    moment: Moment,
    /// The record says all this already.
    recorded: bool,
}

/// Reads the documents, and looks at the host where that is all it takes.
///
/// # Errors
/// Documents that are wrong; a kernel that cannot be asked.
pub(crate) fn prepare(paths: &[PathBuf], host: Option<&str>) -> Result<Prepared, Failure> {
    let stored = Stored::open();
    let mut datapath = situation::open()?;
    let contents = stored.as_ref().and_then(Stored::contents);
    let found = contents.as_ref().and_then(|contents| {
        let generation = datapath.connection().generation().ok()?;
        let moment = Moment::of(&mut datapath, generation);
        contents.moment.is(&moment).then_some(moment)
    });
    let known = contents.as_ref().map(|contents| contents.index());
    let read = || {
        documents::read_again(paths, |source| {
            known.as_ref().and_then(|known| known.kept(source))
        })
    };
    let (Some(contents), Some(moment)) = (&contents, found) else {
        let opening = Opening::begin();
        let declaration = read()?;
        let way = Way::Afresh(opening.finish()?);
        return Ok(Prepared { declaration, way });
    };
    datapath.assume(contents.capabilities.clone());
    let (before, observed, declaration) = std::thread::scope(|scope| {
        let observing = scope.spawn(inventory::observe);
        let before = scope.spawn(|| contents.before());
        let declaration = read();
        (before.join(), observing.join(), declaration)
    });
    let mut declaration = declaration?;
    let observed = observed.map_err(|_| died())??;
    let resumed = before.map_err(|_| died())?.and_then(|before| {
        let own = situation::own_name(&declaration.catalog);
        let wanted = host.or(own.as_deref());
        // What another host enforces is another program.
        (contents.wanted == wanted).then_some(())?;
        let recorded = contents.observed().as_ref() == Some(&observed)
            && known.as_ref()?.is_all(&declaration.sources);
        let catalog = std::mem::take(&mut declaration.catalog);
        Some(resume(
            before, catalog, observed, datapath, moment, recorded,
        ))
    });
    let way = match resumed {
        Some(Ok(resumed)) => Way::On(Box::new(resumed)),
        Some(Err(catalog)) => {
            declaration.catalog = catalog;
            Way::Afresh(Opening::begin().finish()?)
        }
        None => Way::Afresh(Opening::begin().finish()?),
    };
    Ok(Prepared { declaration, way })
}

fn died() -> Failure {
    Failure::system("a thread that prepares the change died; nothing was changed")
}

/// Gives the catalog back where the kernel has to be asked: what it lacked then it may have by now.
fn resume(
    mut documents: Incremental,
    catalog: Catalog,
    observed: Observation,
    mut datapath: NftablesDatapath,
    moment: Moment,
    recorded: bool,
) -> Result<Resumed, Catalog> {
    use datapath::Datapath as _;
    let Ok(capabilities) = datapath.capabilities() else {
        return Err(catalog);
    };
    let Ok(before) = resolve(documents.program(), &capabilities) else {
        return Err(catalog);
    };
    documents.replace(catalog);
    documents.observe(observed.clone());
    let program = documents.compile().ok().cloned();
    let resolved = program.map(|program| (resolve(&program, &capabilities), program));
    let Some((Ok(resolved), program)) = resolved else {
        return Err(documents.catalog().clone());
    };
    let resumed = Resumed {
        session: Session::resume(datapath, moment.generation, before.program),
        prospect: Prospect {
            observed,
            program,
            capabilities,
            resolved: Ok(resolved),
        },
        documents,
        moment,
        recorded,
    };
    Ok(resumed)
}

impl Prepared {
    /// Changes the switch.
    ///
    /// # Errors
    /// As [`change::converge`].
    pub(crate) fn apply(self, host: Option<&str>) -> Result<Applied, Failure> {
        let mut declaration = self.declaration;
        let mut datapath = match self.way {
            Way::Afresh(datapath) => datapath,
            Way::On(mut resumed) => match resumed.apply(&declaration, host) {
                Ok(applied) => {
                    let Resumed {
                        session,
                        prospect,
                        documents,
                        ..
                    } = *resumed;
                    // The process ends soon: a thousand documents need not be taken apart before.
                    std::mem::forget((session, documents, declaration));
                    return Ok(Applied {
                        prospect,
                        change: (applied.commits > 0).then_some(Written {
                            lines: applied.summary,
                            cost: applied.cost,
                        }),
                        retries: applied.commits.saturating_sub(1),
                        verified: Verified::Generation,
                    });
                }
                // Perhaps what the kernel can do is not what was recorded: ask it.
                Err(DatapathError::Refused(_)) => {
                    declaration.catalog = resumed.documents.catalog().clone();
                    Opening::begin().finish()?
                }
                Err(error) => return Err(error.into()),
            },
        };
        change::converge(&mut datapath, &declaration, host)
    }
}

impl Resumed {
    fn apply(
        &mut self,
        declaration: &Declaration,
        host: Option<&str>,
    ) -> Result<datapath_nftables::Applied, DatapathError> {
        // What is told afterwards is what was compiled, and what of it was given up.
        let fitted = self.prospect.resolved.as_mut();
        let program =
            fitted.map_or_else(|_| Default::default(), |it| std::mem::take(&mut it.program));
        let applied = self.session.apply(program)?;
        let changed = applied.commits > 0;
        if let Some(generation) = self.session.known_generation()
            && (changed || !self.recorded || generation != self.moment.generation)
        {
            let moment = self.moment.at(generation);
            change::remember(&moment, declaration, &self.prospect, host);
        }
        Ok(applied)
    }
}
