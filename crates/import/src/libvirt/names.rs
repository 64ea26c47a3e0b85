//! What ports and profiles are called. Knows libvirt's aliases; who else uses a name is left to
//! others.

use std::collections::BTreeSet;

use libvirt::xml::Domain;

/// The name of each interface's port, in the order of the domain's interfaces: `DOMAIN/N`.
///
/// `N` is the number of libvirt's alias `netN`, for that is what stays when another interface is
/// unplugged, or `ua-…` where somebody chose the alias. Without an alias (libvirt gives them
/// between `prepare` and `start`) it is the place among the interfaces, which is the number that
/// libvirt is about to give.
pub fn port_names(domain: &Domain) -> Vec<String> {
    let number = |alias: &str| -> Option<usize> { alias.strip_prefix("net")?.parse().ok() };
    let mut taken = BTreeSet::new();
    let mut suffixes: Vec<Option<String>> = Vec::new();
    for interface in &domain.interfaces {
        let suffix = interface
            .alias
            .as_deref()
            .and_then(|alias| match number(alias) {
                Some(number) => Some(number.to_string()),
                None => alias.starts_with("ua-").then(|| alias.to_owned()),
            });
        suffixes.push(suffix.filter(|suffix| taken.insert(suffix.clone())));
    }
    let mut names = Vec::new();
    for (index, suffix) in suffixes.into_iter().enumerate() {
        let suffix = suffix.unwrap_or_else(|| {
            let mut free = (index..).map(|number| number.to_string());
            let suffix = free
                .find(|suffix| !taken.contains(suffix))
                .unwrap_or_default();
            taken.insert(suffix.clone());
            suffix
        });
        names.push(format!("{}/{suffix}", domain.name));
    }
    names
}

/// The profile that a libvirt filter becomes.
pub fn filter_profile(filter: &str) -> String {
    format!("nwfilter/{filter}")
}
