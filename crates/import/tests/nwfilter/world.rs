//! A filter as it was converted, and the program of a host with one port that has it.

use import::nwfilter::{Converted, Filters, Parameters, convert, parse};
use policy::HostProgram;
use policy::document::{Document, Profile, Stateful};
use policy::language::{RuleForm, Source, load, to_yaml_all};
use policy::observation::Observation;

pub(crate) const PORT: &str = "vm/0";

/// Filters from their texts.
pub(crate) fn filters<S: AsRef<str>>(texts: &[S]) -> Filters {
    let mut filters = Filters::default();
    for text in texts {
        let text = text.as_ref();
        filters
            .insert(parse("random.xml", text).unwrap_or_else(|errors| panic!("{errors}\n{text}")));
    }
    filters
}

/// The documents of a host whose port `vm/0` has the filter; connections are not tracked, so that what is
/// decided is what is decided about packets that begin one.
pub(crate) fn documents(
    filters: &Filters,
    root: &str,
    parameters: &Parameters,
    device: &str,
    bridge: &str,
) -> (Converted, String) {
    let mut converted = convert(filters, root, Some(parameters))
        .unwrap_or_else(|refusals| panic!("{root}: {refusals:?}"));
    for document in &mut converted.documents {
        if let Document::Profile(Profile { stateful, .. }) = document {
            *stateful = Some(Stateful::Off);
        }
    }
    let mut yaml = to_yaml_all(&converted.documents, RuleForm::Line);
    let variables: Vec<String> = parameters
        .iter()
        .map(|(name, values)| format!("  {name}: [{}]", quoted(values)))
        .collect();
    yaml.push_str(&format!(
        "\n---\nkind: Network\nname: lan\nbridge: {bridge}\n---\nkind: Port\nname: {PORT}\n\
         device: {device}\nmac: {}\nnetwork: lan\nprofiles: [\"{}\"]\nvariables:\n{}\n",
        super::generate::OWN,
        converted.profile,
        variables.join("\n"),
    ));
    (converted, yaml)
}

fn quoted(values: &[String]) -> String {
    let quoted: Vec<String> = values.iter().map(|value| format!("\"{value}\"")).collect();
    quoted.join(", ")
}

pub(crate) fn program(yaml: &str, observed: &Observation) -> HostProgram {
    let catalog = load(&[Source::new("converted.yaml", yaml)])
        .unwrap_or_else(|errors| panic!("{errors}\n{yaml}"));
    let program = policy::compile(&catalog, None, observed).expect("a program");
    assert!(program.refused.is_empty(), "{:?}\n{yaml}", program.refused);
    program
}

pub(crate) fn parameters(list: &[(&str, &[&str])]) -> Parameters {
    let owned = |values: &&[&str]| values.iter().map(|&value| value.to_owned()).collect();
    list.iter()
        .map(|(name, values)| ((*name).to_owned(), owned(values)))
        .collect()
}
