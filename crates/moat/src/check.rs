//! `moat check`: are the documents right? Knows how to say so; finding out is left to `policy`.

use clap::Args;
use serde_json::json;

use crate::documents::{self, Documents};
use crate::fault::{Failure, Outcome};
use crate::output::{self, Style, count, paint};

#[derive(Args, Debug)]
pub(crate) struct CheckArguments {
    #[command(flatten)]
    pub documents: Documents,
}

/// # Errors
/// All that is wrong.
pub(crate) fn check(arguments: &CheckArguments, as_json: bool) -> Result<Outcome, Failure> {
    let declaration = documents::read(&arguments.documents.paths)?;
    let catalog = &declaration.catalog;
    let kinds = [
        ("profile", catalog.profiles.len()),
        ("group", catalog.groups.len()),
        ("network", catalog.networks.len()),
        ("service", catalog.services.len()),
        ("policy", catalog.policies.len()),
        ("port", catalog.ports.len()),
        ("host", catalog.hosts.len()),
    ];
    if as_json {
        let files: Vec<&str> = declaration
            .sources
            .iter()
            .map(|s| s.name.as_str())
            .collect();
        let kinds: serde_json::Map<_, _> = kinds
            .iter()
            .map(|(kind, number)| ((*kind).to_owned(), json!(number)))
            .collect();
        output::json(&json!({ "right": true, "files": files, "documents": kinds }));
        return Ok(Outcome::Fine);
    }
    let present: Vec<String> = kinds
        .iter()
        .filter(|(_, number)| *number > 0)
        .map(|(kind, number)| match (*kind, *number) {
            ("policy", number) if number != 1 => format!("{number} policies"),
            (kind, number) => count(number, kind),
        })
        .collect();
    let files = count(declaration.sources.len(), "file");
    output::line(format!(
        "{} {files}: {}.",
        paint(Style::Good, "Right:"),
        if present.is_empty() {
            "no documents".to_owned()
        } else {
            present.join(", ")
        }
    ));
    Ok(Outcome::Fine)
}
