//! libvirt's network filters, for domains that refer to them. Knows where libvirt keeps them; what
//! they mean is left to `import::nwfilter`.

use std::fs;
use std::path::{Path, PathBuf};

use import::nwfilter::{Filters, convert, parse};
use policy::Catalog;
use policy::claim::{Claim, ClaimChange, ProfileSource};

use super::claims_of;

/// libvirt's folder of filters, a file each. Read when a domain refers to one, so that a filter is
/// what it is when the domain starts.
#[derive(Clone, Debug)]
pub(super) struct FilterFolder(PathBuf);

impl FilterFolder {
    pub(super) fn new(folder: &Path) -> Self {
        Self(folder.to_owned())
    }

    /// Gives claims the profiles of the filters that they use, unless somebody declared profiles of
    /// these names. Where a filter cannot be had or expressed, the claim is refused: a port without
    /// its filter would be open.
    pub(super) fn provide(&self, change: &mut ClaimChange, declared: &Catalog) {
        let using = claims_of(change)
            .iter_mut()
            .filter(|claim| !claim.filters.is_empty());
        let mut filters = None;
        for claim in using {
            let filters = filters.get_or_insert_with(|| self.read());
            if let Err(reason) = provide(claim, filters, declared) {
                claim.refused.get_or_insert(reason);
            }
        }
    }

    /// Files that cannot be read are told by whoever refers to them.
    fn read(&self) -> Known {
        let mut known = Known::default();
        let entries = match fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(error) => {
                known.problems.push(format!("{}: {error}", self.0.display()));
                return known;
            }
        };
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.extension().is_none_or(|ending| ending != "xml") {
                continue;
            }
            let name = path.display().to_string();
            match fs::read_to_string(&path) {
                Ok(text) => match parse(&name, &text) {
                    Ok(filter) => {
                        known.filters.insert(filter);
                    }
                    Err(errors) => known
                        .problems
                        .extend(errors.iter().map(ToString::to_string)),
                },
                Err(error) => known.problems.push(format!("{name}: {error}")),
            }
        }
        known
    }
}

#[derive(Default)]
struct Known {
    filters: Filters,
    problems: Vec<String>,
}

fn provide(claim: &mut Claim, known: &Known, declared: &Catalog) -> Result<(), String> {
    let mut profiles = Vec::new();
    for used in &claim.filters {
        let own = format!("nwfilter/{}", used.name);
        if declared.profiles.contains_key(&own) {
            profiles.push(own);
            continue;
        }
        if known.filters.get(&used.name).is_none() {
            let problems = match known.problems.as_slice() {
                [] => String::new(),
                problems => format!(" ({})", problems.join("; ")),
            };
            return Err(format!(
                "it uses the filter {}, which libvirt does not have, or moat cannot read{problems}",
                used.name
            ));
        }
        let converted = convert(&known.filters, &used.name, Some(&used.parameters));
        let converted = converted.map_err(|refusals| {
            let reasons: Vec<String> = refusals.iter().map(ToString::to_string).collect();
            format!("filter {} cannot be expressed: {}", used.name, reasons.join("; "))
        })?;
        claim.documents.extend(converted.documents);
        let notes = converted.notes.iter().map(ToString::to_string);
        claim.notes.extend(notes);
        profiles.push(converted.profile);
    }
    claim.profiles.insert(ProfileSource::Filter, profiles);
    Ok(())
}
