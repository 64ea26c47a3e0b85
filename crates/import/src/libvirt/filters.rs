//! A claim's `<filterref>` as the profile that the filter becomes. Knows when a filter decides;
//! what filters mean is left to `nwfilter`.

use policy::claim::{Claim, ProfileSource};

use crate::nwfilter::{Filters, convert};

/// Brings the profiles of the filters that claims ask for. Where something stronger than the filter
/// names profiles, the filter is left alone, so that one that cannot be converted stops nobody who
/// does not need it.
pub fn bring_filters(claims: &mut [Claim], filters: &Filters) {
    for claim in claims {
        let stronger = claim.profiles.iter();
        let mut stronger = stronger.filter(|(_, profiles)| !profiles.is_empty());
        if stronger
            .next()
            .is_none_or(|(source, _)| *source != ProfileSource::Filter)
        {
            continue;
        }
        let mut profiles = Vec::new();
        for wanted in &claim.filters {
            match convert(filters, &wanted.name, Some(&wanted.parameters)) {
                Ok(converted) => {
                    profiles.push(converted.profile);
                    claim.documents.extend(converted.documents);
                    claim
                        .notes
                        .extend(converted.notes.iter().map(ToString::to_string));
                }
                Err(refusals) => {
                    let reasons: Vec<String> = refusals.iter().map(ToString::to_string).collect();
                    let reason = format!("filter {}: {}", wanted.name, reasons.join("; "));
                    claim.refused.get_or_insert(reason);
                }
            }
        }
        claim.profiles.insert(ProfileSource::Filter, profiles);
    }
}
