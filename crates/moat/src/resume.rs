//! `moat apply` where the last one ended: as long as nobody has committed anything since, the table
//! carries out what was recorded, and only what differs from that is compiled, planned and sent.
//! Knows when that may be relied on and what can be done at the same time; what differs is found by
//! `policy::Incremental` and `datapath_nftables::Session`.

use std::path::PathBuf;

use datapath::{DatapathError, Resolved, resolve};
use datapath_nftables::{NftablesDatapath, Session};
use policy::Incremental;

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
    resolved: Resolved,
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
    let declaration = declaration?;
    let observed = observed.map_err(|_| died())??;
    let resumed = before.map_err(|_| died())?.and_then(|before| {
        let own = situation::own_name(&declaration.catalog);
        let wanted = host.or(own.as_deref());
        // What another host enforces is another program.
        (contents.wanted == wanted).then_some(())?;
        let recorded = contents.observed().as_ref() == Some(&observed)
            && known.as_ref()?.is_all(&declaration.sources);
        resume(before, &declaration, observed, datapath, moment, recorded)
    });
    let way = match resumed {
        Some(resumed) => Way::On(Box::new(resumed)),
        None => Way::Afresh(Opening::begin().finish()?),
    };
    Ok(Prepared { declaration, way })
}

fn died() -> Failure {
    Failure::system("a thread that prepares the change died; nothing was changed")
}

/// `None` where the kernel has to be asked: what it lacked then it may have by now.
fn resume(
    mut documents: Incremental,
    declaration: &Declaration,
    observed: policy::observation::Observation,
    mut datapath: NftablesDatapath,
    moment: Moment,
    recorded: bool,
) -> Option<Resumed> {
    use datapath::Datapath as _;
    let capabilities = datapath.capabilities().ok()?;
    let before = resolve(documents.program(), &capabilities).ok()?;
    documents.replace(declaration.catalog.clone());
    documents.observe(observed.clone());
    let program = documents.compile().ok()?.clone();
    let resolved = resolve(&program, &capabilities).ok()?;
    Some(Resumed {
        session: Session::resume(datapath, moment.generation, before.program),
        prospect: Prospect {
            observed,
            program,
            capabilities,
            resolved: Ok(resolved.clone()),
        },
        resolved,
        moment,
        recorded,
    })
}

impl Prepared {
    /// Changes the switch.
    ///
    /// # Errors
    /// As [`change::converge`].
    pub(crate) fn apply(self, host: Option<&str>) -> Result<Applied, Failure> {
        let declaration = self.declaration;
        let mut datapath = match self.way {
            Way::Afresh(datapath) => datapath,
            Way::On(resumed) => match resumed.apply(&declaration, host) {
                Ok(applied) => return Ok(applied),
                // Perhaps what the kernel can do is not what was recorded: ask it.
                Err(DatapathError::Refused(_)) => Opening::begin().finish()?,
                Err(error) => return Err(error.into()),
            },
        };
        change::converge(&mut datapath, &declaration, host)
    }
}

impl Resumed {
    fn apply(
        mut self,
        declaration: &Declaration,
        host: Option<&str>,
    ) -> Result<Applied, DatapathError> {
        let applied = self.session.apply(self.resolved.program)?;
        let changed = applied.commits > 0;
        if let Some(generation) = self.session.known_generation()
            && (changed || !self.recorded || generation != self.moment.generation)
        {
            let moment = self.moment.at(generation);
            change::remember(&moment, declaration, &self.prospect, host);
        }
        Ok(Applied {
            prospect: self.prospect,
            change: changed.then_some(Written {
                lines: applied.summary,
                cost: applied.cost,
            }),
            retries: applied.commits.saturating_sub(1),
            verified: Verified::Generation,
        })
    }
}
