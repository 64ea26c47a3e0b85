//! `moat import`: other people's formats as documents. Knows files and how to tell; what their words mean
//! is left to the `import` crate.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use import::nwfilter::{self, Converted, Filters, Parameters, Refusal};
use policy::language::{Diagnostics, RuleForm, to_json, to_yaml_all};
use policy::origin::Origin;
use serde_json::{Value, json};

use crate::fault::{Failure, Outcome};
use crate::output::{self, Style, count, paint};

/// Where libvirt's daemon keeps filters.
const LIBVIRT_FILTERS: &str = "/etc/libvirt/nwfilter";

#[derive(Args, Debug)]
pub(crate) struct ImportArguments {
    #[command(subcommand)]
    format: Format,
}

#[derive(Subcommand, Debug)]
enum Format {
    /// libvirt's network filters, as profiles `nwfilter/NAME`
    #[command(after_help = "\
Examples:
  moat import nwfilter libvirt                             every filter that libvirt has
  moat import nwfilter libvirt --filter clean-traffic      one, with all that it refers to
  moat import nwfilter filters/ --output /etc/moat/nwfilter
  moat import nwfilter my.xml --parameter PORTS=80 --parameter PORTS=443

Profiles go to standard output, notes and refusals to standard error.

Exit codes: 0 all are converted, 1 some cannot be expressed (the others are converted), 2 a filter or the
command line is wrong, 3 the system refused.")]
    Nwfilter(NwfilterArguments),
}

#[derive(Args, Debug)]
struct NwfilterArguments {
    /// Files with filters, folders of them (all *.xml), or `libvirt` for those of this host
    #[arg(value_name = "FILE|DIR|libvirt", required = true)]
    sources: Vec<PathBuf>,
    /// Convert only this filter, and what it refers to; may come several times
    #[arg(long, value_name = "NAME")]
    filter: Vec<String>,
    /// A value of a variable; several values of one name are a list
    #[arg(long, value_name = "NAME=VALUE", value_parser = parameter)]
    parameter: Vec<(String, String)>,
    /// Write a file for each profile into this folder
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Replace files in that folder that say something else
    #[arg(long, requires = "output")]
    force: bool,
}

fn parameter(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE: IP=10.0.0.5".to_owned()),
    }
}

/// # Errors
/// Wrong filters, files that cannot be read or written.
pub(crate) fn import(arguments: &ImportArguments, as_json: bool) -> Result<Outcome, Failure> {
    match &arguments.format {
        Format::Nwfilter(arguments) => import_filters(arguments, as_json),
    }
}

/// What became of one filter.
type Fate = (String, Result<Converted, Vec<Refusal>>);

fn import_filters(arguments: &NwfilterArguments, as_json: bool) -> Result<Outcome, Failure> {
    let filters = read(&arguments.sources)?;
    let mut parameters = Parameters::new();
    for (name, value) in &arguments.parameter {
        parameters
            .entry(name.clone())
            .or_default()
            .push(value.clone());
    }
    let given = (!parameters.is_empty()).then_some(&parameters);
    let roots: Vec<String> = if arguments.filter.is_empty() {
        filters.names().map(str::to_owned).collect()
    } else {
        arguments.filter.clone()
    };
    let results: Vec<Fate> = roots
        .into_iter()
        .map(|root| {
            let converted = nwfilter::convert(&filters, &root, given);
            (root, converted)
        })
        .collect();
    let converted = || {
        results
            .iter()
            .filter_map(|(_, result)| result.as_ref().ok())
    };
    if let Some(folder) = &arguments.output {
        for one in converted() {
            write(folder, one, arguments.force)?;
        }
    }
    let refused = results.iter().any(|(_, result)| result.is_err());
    if as_json {
        output::json(&report(&results));
        return Ok(Outcome::findings(refused));
    }
    if arguments.output.is_none() {
        let documents = converted().flat_map(|one| &one.documents);
        output::line(to_yaml_all(documents, RuleForm::Line));
    }
    tell(&results);
    Ok(Outcome::findings(refused))
}

fn read(sources: &[PathBuf]) -> Result<Filters, Failure> {
    let mut files = Vec::new();
    for source in sources {
        let path = match source.to_str() {
            Some("libvirt") => Path::new(LIBVIRT_FILTERS),
            _ => source.as_path(),
        };
        if path.is_dir() {
            folder(path, &mut files)?;
        } else {
            files.push(path.to_owned());
        }
    }
    let mut filters = Filters::default();
    let mut wrong: Option<Diagnostics> = None;
    for file in files {
        let text = std::fs::read_to_string(&file).map_err(|error| unreadable(&file, &error))?;
        let name = file.display().to_string();
        match nwfilter::parse(&name, &text) {
            Ok(filter) => {
                let filter_name = filter.name.clone();
                if let Some(other) = filters.insert(filter) {
                    return Err(Failure::usage(format!(
                        "{name}: filter `{filter_name}` is in {} already",
                        other.origin.source
                    )));
                }
            }
            Err(found) => {
                wrong = Some(match wrong {
                    None => found,
                    Some(before) => before.and(found),
                });
            }
        }
    }
    match wrong {
        None => Ok(filters),
        Some(found) => Err(found.into()),
    }
}

fn folder(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let entries = std::fs::read_dir(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let mut found: Vec<PathBuf> = entries
        .map_err(|error| unreadable(path, &error))?
        .into_iter()
        .map(|entry| entry.path())
        .filter(|file| file.extension().is_some_and(|ending| ending == "xml"))
        .collect();
    found.sort();
    if found.is_empty() {
        return Err(Failure::usage(format!(
            "{} has no *.xml file",
            path.display()
        )));
    }
    files.append(&mut found);
    Ok(())
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::usage(format!("cannot read {}: {error}", path.display()))
}

/// One file for each profile; what is there already and says something else stays, unless forced.
fn write(folder: &Path, converted: &Converted, force: bool) -> Result<(), Failure> {
    let fail = |path: &Path, error: &std::io::Error| {
        Failure::system(format!("cannot write {}: {error}", path.display()))
    };
    let name = converted.profile.replace('/', "-");
    let path = folder.join(format!("{name}.yaml"));
    let text = to_yaml_all(&converted.documents, RuleForm::Line) + "\n";
    match std::fs::read_to_string(&path) {
        Ok(there) if there == text => return Ok(()),
        Ok(_) if !force => {
            return Err(Failure::usage(format!(
                "{} is there and says something else",
                path.display()
            ))
            .help("give --force to replace it"));
        }
        _ => {}
    }
    std::fs::create_dir_all(folder).map_err(|error| fail(folder, &error))?;
    std::fs::write(&path, text).map_err(|error| fail(&path, &error))
}

fn report(results: &[Fate]) -> Value {
    let place = |origin: &Origin, key: &str, text: &str| json!({ key: text, "source": &*origin.source, "line": origin.line, "column": origin.column });
    let filters = results.iter().map(|(name, result)| match result {
        Ok(one) => json!({
            "filter": name,
            "profile": one.profile,
            "variables": one.variables,
            "documents": one.documents.iter().map(|d| to_json(d, RuleForm::Line)).collect::<Vec<_>>(),
            "notes": one.notes.iter().map(|n| place(&n.origin, "note", &n.text)).collect::<Vec<_>>(),
        }),
        Err(refusals) => json!({
            "filter": name,
            "refused": refusals.iter().map(|r| place(&r.origin, "reason", &r.reason)).collect::<Vec<_>>(),
        }),
    });
    json!({ "filters": filters.collect::<Vec<_>>() })
}

fn tell(results: &[Fate]) {
    let mut refused = 0_usize;
    for (name, result) in results {
        match result {
            Ok(one) => {
                for note in &one.notes {
                    output::note(format!("{} {name}: {note}", paint(Style::Faint, "note:")));
                }
            }
            Err(refusals) => {
                refused = refused.saturating_add(1);
                for refusal in refusals {
                    output::note(format!(
                        "{} {name}: {refusal}",
                        paint(Style::Bad, "refused:")
                    ));
                }
            }
        }
    }
    let done = results.len().saturating_sub(refused);
    output::note(match refused {
        0 => format!("{} converted.", count(done, "filter")),
        refused => format!("{} converted, {refused} refused.", count(done, "filter")),
    });
}
