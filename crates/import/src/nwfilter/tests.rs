//! Filters as documents: what is refused where, and what is said how. The XML here is our own.

mod meaning;
mod strictness;

use super::{Converted, Filters, Parameters, Refusal, convert, parse};
use policy::document::{Document, Profile};

/// A set of filters from their texts.
fn filters(texts: &[&str]) -> Filters {
    let mut filters = Filters::default();
    for text in texts {
        filters.insert(parse("test.xml", text).unwrap_or_else(|errors| panic!("{errors}\n{text}")));
    }
    filters
}

/// The filter `t` of one rule list.
fn filter(rules: &str) -> Filters {
    filters(&[&format!("<filter name='t'>{rules}</filter>")])
}

fn converted(filters: &Filters) -> Converted {
    convert(filters, "t", None).unwrap_or_else(|refusals| panic!("{refusals:?}"))
}

fn refused(rules: &str) -> String {
    let refusals: Vec<Refusal> = convert(&filter(rules), "t", None).expect_err("refused");
    let reasons: Vec<String> = refusals.iter().map(ToString::to_string).collect();
    reasons.join("\n")
}

fn profile(converted: &Converted) -> &Profile {
    match converted.documents.as_slice() {
        [Document::Profile(profile)] => profile,
        other => panic!("{other:?}"),
    }
}

/// Rule lines.
fn lines(filters: &Filters) -> Vec<String> {
    let converted = converted(filters);
    let rules = profile(&converted).rules.iter();
    rules.map(ToString::to_string).collect()
}

fn parameters(list: &[(&str, &[&str])]) -> Parameters {
    let owned = |values: &&[&str]| values.iter().map(|&value| value.to_owned()).collect();
    list.iter()
        .map(|(name, values)| ((*name).to_owned(), owned(values)))
        .collect()
}
