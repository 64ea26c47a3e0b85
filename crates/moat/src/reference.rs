//! The language itself: services, schema, rule lines; and what shells and manual readers want.
//! Knows how to print them; they are defined elsewhere.

use std::path::PathBuf;

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;
use policy::language::{RuleForm, Source, parse, parse_rule, rule_to_json, schema as json_schema};
use policy::rule::Rule;
use policy::services;
use serde_json::{Value, json};

use crate::arguments::Cli;
use crate::fault::{Failure, Outcome};
use crate::output::{self, Grid};

#[derive(Args, Debug)]
pub(crate) struct ServicesArguments {
    /// Only the one of this name, or those that contain it
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct SchemaArguments {}

#[derive(Args, Debug)]
pub(crate) struct RuleArguments {
    /// A rule line, or the same rule key by key as JSON or YAML
    #[arg(value_name = "LINE", required = true)]
    pub rule: String,
}

#[derive(Args, Debug)]
pub(crate) struct CompletionsArguments {
    /// Which shell
    #[arg(value_enum)]
    pub shell: Shell,
}

#[derive(Args, Debug)]
pub(crate) struct ManArguments {
    /// Where to put one page for each command; without it, moat(1) goes to standard output
    #[arg(value_name = "DIR")]
    pub folder: Option<PathBuf>,
}

/// # Errors
/// Where there is no such service.
pub(crate) fn services(arguments: &ServicesArguments, as_json: bool) -> Result<Outcome, Failure> {
    let named = arguments.name.as_deref();
    let exact = named.and_then(services::lookup);
    let found: Vec<_> = match (exact, named) {
        (Some(service), _) => vec![service],
        (None, Some(part)) => services::builtin()
            .iter()
            .filter(|service| service.name.contains(part) || service.description.contains(part))
            .collect(),
        (None, None) => services::builtin().iter().collect(),
    };
    if found.is_empty() {
        return Err(Failure::usage(format!(
            "there is no built-in service {}",
            named.unwrap_or_default()
        ))
        .help("`moat services` lists them all; a Service document declares your own"));
    }
    let terms = |service: &services::BuiltinService| {
        let terms: Vec<String> = service.terms.iter().map(ToString::to_string).collect();
        terms.join(", ")
    };
    if as_json {
        let each = found.iter().map(|service| {
            json!({
                "name": service.name,
                "match": terms(service),
                "description": service.description,
            })
        });
        output::json(&each.collect());
        return Ok(Outcome::Fine);
    }
    let mut grid = Grid::new(&["service", "matches", "what it is"]);
    for service in found {
        grid.row([
            service.name.to_owned(),
            terms(service),
            service.description.to_owned(),
        ]);
    }
    output::print(&grid.to_string());
    Ok(Outcome::Fine)
}

/// # Errors
/// Never.
pub(crate) fn schema(_arguments: &SchemaArguments) -> Result<Outcome, Failure> {
    output::json(&json_schema());
    Ok(Outcome::Fine)
}

/// # Errors
/// What is wrong with the rule.
pub(crate) fn rule(arguments: &RuleArguments, as_json: bool) -> Result<Outcome, Failure> {
    let rule = read_rule(&arguments.rule)?;
    let structured = rule_to_json(&rule, RuleForm::Structured);
    if as_json {
        output::json(&json!({ "line": rule.to_string(), "structured": structured }));
    } else {
        output::line(rule.to_string());
        output::json(&structured);
    }
    Ok(Outcome::Fine)
}

fn read_rule(text: &str) -> Result<Rule, Failure> {
    if !text.trim_start().starts_with('{') {
        return Ok(parse_rule(text)?);
    }
    // Key by key it is part of a document: the smallest one there is, on one line with the rule.
    let document = format!("{{kind: Profile, name: rule, rules: [{text}]}}");
    let documents = parse(&Source::new("rule", document))?;
    let rule = documents.into_iter().find_map(|document| match document {
        policy::document::Document::Profile(profile) => profile.rules.into_iter().next(),
        _ => None,
    });
    rule.ok_or_else(|| Failure::usage("that is no rule"))
}

/// # Errors
/// Never.
pub(crate) fn completions(arguments: &CompletionsArguments) -> Result<Outcome, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "moat", &mut script);
    output::print(&String::from_utf8_lossy(&script));
    Ok(Outcome::Fine)
}

/// # Errors
/// Where the pages cannot be written.
pub(crate) fn man(arguments: &ManArguments, as_json: bool) -> Result<Outcome, Failure> {
    let unable =
        |error: std::io::Error| Failure::system(format!("cannot write manual pages: {error}"));
    let Some(folder) = &arguments.folder else {
        let mut page = Vec::new();
        clap_mangen::Man::new(Cli::command())
            .render(&mut page)
            .map_err(unable)?;
        output::print(&String::from_utf8_lossy(&page));
        return Ok(Outcome::Fine);
    };
    std::fs::create_dir_all(folder).map_err(unable)?;
    clap_mangen::generate_to(Cli::command(), folder).map_err(unable)?;
    let entries = std::fs::read_dir(folder).map_err(unable)?;
    let mut pages: Vec<String> = entries
        .filter_map(Result::ok)
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.starts_with("moat") && name.ends_with(".1"))
        .collect();
    pages.sort();
    if as_json {
        output::json(&pages.into_iter().map(Value::from).collect());
    } else {
        output::line(format!(
            "{} in {}",
            output::count(pages.len(), "manual page"),
            folder.display()
        ));
    }
    Ok(Outcome::Fine)
}
