//! `moat check` and `moat lint`: are the documents right, and do they say what is meant? Knows how to say so; finding out is left to `policy`.

use clap::Args;
use policy::language::Source;
use policy::lint::Severity;
use policy::origin::Origin;
use serde_json::json;

use crate::documents::{self, Documents};
use crate::fault::{Failure, Outcome};
use crate::output::{self, Style, count, paint};
use crate::situation;

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

#[derive(Args, Debug)]
pub(crate) struct LintArguments {
    #[command(flatten)]
    pub documents: Documents,
    /// The Host document to follow, where several are declared
    #[arg(long, value_name = "NAME")]
    pub host: Option<String>,
}

/// `moat lint`: what is allowed but hardly meant.
///
/// # Errors
/// Wrong documents.
pub(crate) fn lint(arguments: &LintArguments, as_json: bool) -> Result<Outcome, Failure> {
    let declaration = documents::read(&arguments.documents.paths)?;
    let catalog = &declaration.catalog;
    // On a machine that is none of the hosts there is nothing to add about its ports.
    let program = inventory::observe().ok().and_then(|observed| {
        situation::compile(catalog, arguments.host.as_deref(), &observed).ok()
    });
    let findings = policy::lint::lint(catalog, program.as_ref());
    let outcome = Outcome::findings(
        findings
            .iter()
            .any(|found| found.severity != Severity::Note),
    );
    if as_json {
        output::json(&json!(findings));
        return Ok(outcome);
    }
    let mut text = String::new();
    for found in &findings {
        let style = match found.severity {
            Severity::Error => Style::Bad,
            Severity::Warning => Style::Warning,
            Severity::Note => Style::Faint,
        };
        let code = format!("{}[{}]:", found.severity, found.code);
        text.push_str(&format!("{} {}\n", paint(style, code), found.message));
        text.push_str(&place(&declaration.sources, &found.origin, ""));
        for (origin, word) in &found.related {
            text.push_str(&place(&declaration.sources, origin, word));
        }
        if let Some(hint) = &found.hint {
            text.push_str(&format!("  {} {hint}\n", paint(Style::Strong, "help:")));
        }
        text.push('\n');
    }
    text.push_str(&match findings.len() {
        0 => format!("{} nothing to object to.\n", paint(Style::Good, "Clean:")),
        number => format!("{}.\n", count(number, "finding")),
    });
    output::print(&text);
    Ok(outcome)
}

/// A place with the line that stands there.
fn place(sources: &[Source], origin: &Origin, word: &str) -> String {
    let line = usize::try_from(origin.line).unwrap_or_default();
    let source = sources.iter().find(|source| *source.name == *origin.source);
    let shown = source.and_then(|source| source.text.lines().nth(line.checked_sub(1)?));
    let word = match word {
        "" => String::new(),
        word => format!(": {word}"),
    };
    let mut text = format!("  {} {origin}{word}\n", paint(Style::Faint, "-->"));
    if let Some(shown) = shown {
        let number = paint(Style::Faint, format!("{line:>6} |"));
        text.push_str(&format!("{number} {}\n", shown.trim_end()));
    }
    text
}
