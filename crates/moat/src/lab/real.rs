//! The experiment with real guests: without moat, then booted anew under its agent. Knows the order; each part is done
//! elsewhere.

use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use datapath::Datapath;
use datapath_nftables::NftablesDatapath;
use policy::Catalog;
use policy::document::{Document, Stateful};
use policy::language::{RuleForm, Source, load, parse, to_yaml_all};

use super::body::{Body, Material};
use super::enforcement::{self, Enforced, NotApplied};
use super::hypervisor::in_folder;
use super::progress::Progress;
use super::report::Report;
use super::site::{Place, Site};
use super::{attacks, matrix, refusal, with_moat, without_moat, without_tracking};

/// A guest that shares a CPU with all others takes its time to ask and to answer.
const PATIENCE: Duration = Duration::from_millis(1_500);

/// All of it; `here`: rules apply frame by frame although this kernel may be able to do more.
pub(super) fn experiment(
    sources: &[Source],
    catalog: &Catalog,
    here: bool,
    progress: &Progress,
) -> anyhow::Result<Report> {
    progress.step("starting the hosts, each with a libvirtd of its own");
    let mut site = Site::hosts(catalog, Material::Qemu)
        .context("cannot build the lab; it needs root and libvirt (scripts/dependencies guests)")?;
    let mut catalog = catalog.clone();
    let mut sources = sources.to_vec();
    let untracked = cannot_track(&site)?;
    if untracked.is_some() || here {
        without_tracking(&mut catalog);
        sources = frame_by_frame(&sources)?;
    }
    progress.step("booting the guests without moat");
    site.populate(&catalog, progress)?;
    let hosts = meant(&site, &catalog)?;
    let sources = in_folder(&sources);
    let closed = matrix::closed_port(&site, &catalog, &hosts);
    let attacks = attacks::attacks(&catalog, &site, closed);
    let before = without_moat(&site, &attacks, PATIENCE, progress)?;

    progress.step("bringing moat to the hosts and booting the guests anew");
    site.clear()?;
    for host in &mut site.hosts {
        if let Place::Hypervisor(hypervisor) = &mut host.place {
            hypervisor.protect(host.name.as_deref(), &sources)?;
        }
    }
    site.populate(&catalog, progress)?;
    await_enforced(&site)?;
    // Origins stand in the kernel's rules, so these documents are the agents' own files.
    for host in &mut meant(&site, &load(&sources)?)? {
        host.confirm()?;
    }
    let mut hosts = meant(&site, &catalog)?;
    let mut report = with_moat(
        &site, &before, &attacks, &catalog, &mut hosts, PATIENCE, progress,
    )?;
    report.untracked = untracked;
    Ok(report)
}

/// Why the hosts' kernel cannot track connections.
fn cannot_track(site: &Site) -> anyhow::Result<Option<String>> {
    let host = site.hosts.first().context("no host")?;
    let asked = || NftablesDatapath::open()?.capabilities();
    let capabilities = host.switch().namespace().run(asked)?;
    let tracking = capabilities.connection_tracking;
    Ok((!tracking.present).then_some(tracking.detail))
}

/// The documents with profiles that do without connection tracking where there is none.
fn frame_by_frame(sources: &[Source]) -> anyhow::Result<Vec<Source>> {
    let changed = sources.iter().map(|source| {
        let mut documents = parse(source)
            .map_err(|_| anyhow!("{}: cannot be read for itself alone", source.name))?;
        for document in &mut documents {
            if let Document::Profile(profile) = document
                && profile.stateful.unwrap_or_default() == Stateful::Required
            {
                profile.stateful = Some(Stateful::Preferred);
            }
        }
        let text = to_yaml_all(&documents, RuleForm::Line);
        Ok(Source::new(source.name.clone(), text))
    });
    changed.collect()
}

/// What the documents mean for the guests that run, on every host.
fn meant(site: &Site, catalog: &Catalog) -> anyhow::Result<Vec<Enforced>> {
    let mut catalog = catalog.clone();
    for resident in &site.machines {
        // libvirt has chosen the names of taps, whatever the documents say.
        if let (Body::Guest(guest), Some(port)) = (
            &resident.machine,
            catalog.ports.get_mut(&resident.port.name),
        ) {
            port.device = Some(guest.tap.0.clone());
        }
    }
    match enforcement::meant(site, &catalog) {
        Ok(hosts) => Ok(hosts),
        Err(NotApplied::Failed(error)) => Err(error),
        Err(NotApplied::Unmet(unmet)) => bail!(refusal(&unmet)),
    }
}

fn await_enforced(site: &Site) -> anyhow::Result<()> {
    for (number, host) in site.hosts.iter().enumerate() {
        let residents = site.machines.iter();
        let ports: Vec<&str> = residents
            .filter(|resident| resident.host == number)
            .map(|resident| resident.port.name.as_str())
            .collect();
        if let Place::Hypervisor(hypervisor) = &host.place {
            hypervisor.await_enforced(&ports)?;
        }
    }
    Ok(())
}
