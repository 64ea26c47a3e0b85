//! libvirt's network filters, for domains that refer to them. Knows where libvirt keeps them; what
//! they mean, and when they decide, is left to `import`.

use std::fs;
use std::path::{Path, PathBuf};

use import::libvirt::bring_filters;
use import::nwfilter::{Filters, parse};
use policy::claim::Claim;

/// libvirt's folder of filters, a file each. Read when a domain refers to one, so that a filter is
/// what it is when the domain starts.
#[derive(Clone, Debug)]
pub(super) struct FilterFolder(PathBuf);

impl FilterFolder {
    pub(super) fn new(folder: &Path) -> Self {
        Self(folder.to_owned())
    }

    /// Gives claims the profiles of the filters that they use. Where a filter cannot be had or
    /// expressed, the claim is refused: a port without its filter would be open.
    pub(super) fn provide(&self, claims: &mut [Claim]) {
        if claims.iter().all(|claim| claim.filters.is_empty()) {
            return;
        }
        let (filters, problems) = self.read();
        bring_filters(claims, &filters);
        let refused = claims.iter_mut().filter(|claim| !claim.filters.is_empty());
        for reason in refused.filter_map(|claim| claim.refused.as_mut()) {
            for problem in &problems {
                reason.push_str(&format!("; {problem}"));
            }
        }
    }

    /// Filters, and why others cannot be read.
    fn read(&self) -> (Filters, Vec<String>) {
        let mut filters = Filters::default();
        let mut problems = Vec::new();
        let entries = match fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(error) => {
                problems.push(format!("{}: {error}", self.0.display()));
                return (filters, problems);
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
                        filters.insert(filter);
                    }
                    Err(errors) => problems.push(errors.to_string()),
                },
                Err(error) => problems.push(format!("{name}: {error}")),
            }
        }
        (filters, problems)
    }
}
