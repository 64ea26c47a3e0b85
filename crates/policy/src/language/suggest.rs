//! "Did you mean …?": finds the name that somebody probably wanted. Knows nothing of what names mean.

/// What other firewalls call our words.
const SYNONYMS: &[(&str, &str)] = &[
    ("allow", "accept"),
    ("permit", "accept"),
    ("pass", "accept"),
    ("deny", "drop"),
    ("block", "drop"),
    ("discard", "drop"),
    ("refuse", "reject"),
    ("ingress", "in"),
    ("inbound", "in"),
    ("input", "in"),
    ("egress", "out"),
    ("outbound", "out"),
    ("output", "out"),
    ("inout", "both"),
];

/// The closest of `candidates`, if it is close enough to be a slip of the fingers.
pub fn closest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Distances cost the product of the lengths: nobody mistypes a name of a thousand letters.
    if word.len() > 100 {
        return None;
    }
    let lower = word.to_lowercase();
    let synonym = SYNONYMS.iter().find(|(other, _)| *other == lower);
    let allowed = (lower.chars().count() / 3).clamp(1, 3);
    let rank = |candidate: &str| {
        if synonym.is_some_and(|(_, ours)| *ours == candidate) {
            return Some((0, false));
        }
        let candidate = candidate.to_lowercase();
        let distance = strsim::damerau_levenshtein(&lower, &candidate);
        // People rarely mistype the first letter.
        let other_start = candidate.chars().next() != lower.chars().next();
        (distance <= allowed).then_some((distance, other_start))
    };
    candidates
        .into_iter()
        .filter(|candidate| candidate.len() <= 100 && candidate.len() > 1 && *candidate != word)
        .filter_map(|candidate| Some((rank(candidate)?, candidate)))
        .min()
        .map(|(_, candidate)| candidate)
}

/// The same as a hint.
pub(super) fn did_you_mean<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    closest(word, candidates).map(|name| format!("did you mean `{name}`?"))
}

/// Words in backticks, for lists of what was expected.
pub(super) fn quoted<'a>(words: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    words.into_iter().map(|word| format!("`{word}`")).collect()
}
