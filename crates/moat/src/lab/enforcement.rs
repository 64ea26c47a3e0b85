//! The documents put into force on every host of the lab, through the same steps as `moat apply`, or found there, and
//! what the kernels have counted since. Leaves what should happen to a frame to `prediction`.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use datapath::{Capabilities, Datapath, DatapathError, Unmet, resolve};
use datapath_nftables::NftablesDatapath;
use policy::{Catalog, HostProgram};

use super::site::{HostSite, Site};

/// How often an apply is tried while something else changes the host's ruleset.
const ATTEMPTS: u32 = 20;

/// One host under its policy.
pub(super) struct Enforced {
    pub(super) program: HostProgram,
    pub(super) capabilities: Capabilities,
    /// What the documents prefer and the kernel cannot do, for people.
    pub(super) degraded: Vec<String>,
    datapath: NftablesDatapath,
}

/// Frames counted on one host, by what counted them.
pub(super) type Counted = BTreeMap<String, u64>;

/// Why the documents are not in force.
pub(super) enum NotApplied {
    /// The kernel lacks what they require.
    Unmet(Vec<Unmet>),
    /// Anything else.
    Failed(anyhow::Error),
}

impl From<anyhow::Error> for NotApplied {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}

/// Applies the documents on every host of the site.
pub(super) fn apply(site: &Site, catalog: &Catalog) -> Result<Vec<Enforced>, NotApplied> {
    site.hosts
        .iter()
        .map(|host| {
            host.switch().namespace().run(|| {
                let mut meant = meant_on(host, catalog)?;
                commit(&mut meant.datapath, &meant.program)?;
                Ok(meant)
            })
        })
        .collect()
}

/// What the documents mean on every host, for whoever puts it into force by other means.
pub(super) fn meant(site: &Site, catalog: &Catalog) -> Result<Vec<Enforced>, NotApplied> {
    let hosts = site.hosts.iter();
    hosts
        .map(|host| host.switch().namespace().run(|| meant_on(host, catalog)))
        .collect()
}

fn meant_on(host: &HostSite, catalog: &Catalog) -> Result<Enforced, NotApplied> {
    let observed = inventory::observe().map_err(|error| anyhow!(error))?;
    let program = policy::compile(catalog, host.name.as_deref(), &observed)
        .map_err(|error| anyhow!(error))?;
    let mut refused = program.refused.iter();
    if let Some((port, refusal)) = refused.find(|(_, refusal)| !refusal.absent) {
        let message = anyhow!("{}: port {port}: {}", refusal.origin, refusal.reason);
        return Err(message.into());
    }
    let mut datapath = NftablesDatapath::open().map_err(|error| anyhow!(error))?;
    let capabilities = datapath.capabilities().map_err(|error| anyhow!(error))?;
    let resolved = resolve(&program, &capabilities).map_err(NotApplied::Unmet)?;
    let mut degraded: Vec<String> = resolved
        .degraded
        .into_iter()
        .map(|one| one.instead)
        .collect();
    degraded.dedup();
    Ok(Enforced {
        program: resolved.program,
        degraded,
        capabilities,
        datapath,
    })
}

fn commit(datapath: &mut NftablesDatapath, program: &HostProgram) -> anyhow::Result<()> {
    for _ in 0..ATTEMPTS {
        let installed = datapath.read()?;
        let change = datapath.plan(program, &installed);
        match datapath.commit(&change) {
            // The generation belongs to the whole namespace; here nobody else writes for long.
            Err(DatapathError::Changed) => thread::sleep(Duration::from_millis(5)),
            committed => return committed.context("cannot apply the documents"),
        }
    }
    bail!("the ruleset of the lab's own namespace changes all the time")
}

impl Enforced {
    /// Makes sure that what is in force on its host is what the documents mean.
    pub(super) fn confirm(&mut self) -> anyhow::Result<()> {
        let mut lines = Vec::new();
        for _ in 0..ATTEMPTS {
            let installed = self.datapath.read()?;
            let change = self.datapath.plan(&self.program, &installed);
            if NftablesDatapath::is_nothing(&change) {
                return Ok(());
            }
            let summary = change.summary.iter();
            lines = summary.map(|line| format!("  {line:?}")).collect();
            // Whoever enforces may be in the middle of it.
            thread::sleep(Duration::from_millis(100));
        }
        bail!(
            "what is in force on {} is not what the documents mean:\n{}",
            self.program.host,
            lines.join("\n")
        )
    }

    /// Frames that each guard, rule and default has counted so far.
    pub(super) fn counted(&mut self) -> anyhow::Result<Counted> {
        let installed = self.datapath.read()?;
        let counters = NftablesDatapath::counters(&installed);
        let frames = counters.rules.into_iter();
        Ok(frames.map(|(name, value)| (name, value.frames)).collect())
    }
}

/// What every host has counted so far.
pub(super) fn counted(hosts: &mut [Enforced]) -> anyhow::Result<Vec<Counted>> {
    hosts.iter_mut().map(Enforced::counted).collect()
}

/// How many frames one counter moved between two readings of its host.
pub(super) fn moved(before: &Counted, after: &Counted, counter: &str) -> u64 {
    let value = |counted: &Counted| counted.get(counter).copied().unwrap_or(0);
    value(after).saturating_sub(value(before))
}
