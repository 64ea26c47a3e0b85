//! `moat tls`: an authority of our own, and certificates by which moat and the switches of other
//! hosts know each other. Knows which are made and replaced when; [`folder`] knows their files, and
//! `channel` what is in them.

mod folder;

use std::path::PathBuf;
use std::time::SystemTime;

use channel::certificate::{self, Certificate, CertificateError, Pair};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::fault::{Failure, Outcome};
use crate::output::{self, Grid, Style, paint};
use crate::time::timestamp;
use folder::{AUTHORITIES, AUTHORITY, Folder, Write};

const DAY_SECONDS: i64 = 86_400;
/// What runs out within so many days is to be replaced.
const SOON_DAYS: u32 = 30;

#[derive(Args, Debug)]
pub(crate) struct TlsArguments {
    /// Where authority and certificates are
    #[arg(
        long,
        global = true,
        default_value = "/etc/moat/tls",
        value_name = "FOLDER"
    )]
    pub directory: PathBuf,
    #[command(subcommand)]
    pub action: Action,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Action {
    /// Make an authority, and a certificate for moat itself
    #[command(after_help = "\
Examples:
  sudo moat tls init
  sudo moat tls init --name 'moat of eu-1' --dry-run

Exit codes: 0 done, 1 there is an authority already, 2 the command line is wrong, 3 the system
refused.")]
    Init(InitArguments),
    /// Make a certificate for a switch, or for anything else that is to be believed
    #[command(after_help = "\
Examples:
  sudo moat tls issue hv-1
  sudo moat tls issue hv-1 --also hv-1.example.org --also 192.0.2.1

The file has certificate and key. On the switch, beside a copy of ca.pem:
  ovs-vsctl set-ssl hv-1.pem hv-1.pem ca.pem

Exit codes: 0 done, 1 there is one already, or no authority, 2 the command line is wrong,
3 the system refused.")]
    Issue(IssueArguments),
    /// Replace certificates that run out, or all
    #[command(after_help = "\
Examples:
  sudo moat tls rotate                    what runs out within 30 days
  sudo moat tls rotate hv-1               this one
  sudo moat tls rotate --authority        everything, beginning with the authority

A new authority is believed beside the old one, which stays in ca.pem until it runs out: first copy
ca.pem to every switch, then their new certificates, in any order.

Exit codes: 0 done, 1 no authority, or none of that name, 2 the command line is wrong,
3 the system refused.")]
    Rotate(RotateArguments),
    /// Show certificates and when they run out
    #[command(after_help = "\
Examples:
  sudo moat tls show
  sudo moat tls show --json | jq -r '.certificates[] | select(.days_left < 60) | .name'

Exit codes: 0 all hold for 30 days and more, 1 one does not, or there are none, 2 the command line
is wrong, 3 the system refused.")]
    Show,
}

#[derive(Args, Debug)]
pub(crate) struct InitArguments {
    /// What the authority is called
    #[arg(long, default_value = "moat", value_name = "NAME")]
    pub name: String,
    /// How long the authority holds
    #[arg(long, default_value_t = 3650, value_parser = clap::value_parser!(u32).range(1..=36_500), value_name = "DAYS")]
    pub days: u32,
    /// Show what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Args, Debug)]
pub(crate) struct IssueArguments {
    /// Of the host, and of the file
    pub name: String,
    /// A further name or address that the certificate is for
    #[arg(long, value_name = "NAME")]
    pub also: Vec<String>,
    #[command(flatten)]
    pub span: Span,
    /// Show what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Args, Debug)]
pub(crate) struct RotateArguments {
    /// Only these
    pub names: Vec<String>,
    /// What runs out within so many days is replaced
    #[arg(long, default_value_t = SOON_DAYS, conflicts_with = "names", value_name = "DAYS")]
    pub within: u32,
    /// Also the authority, and with it all that it vouches for
    #[arg(long, conflicts_with = "names")]
    pub authority: bool,
    #[command(flatten)]
    pub span: Span,
    /// Show what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Span {
    /// How long new certificates hold
    #[arg(long, default_value_t = 825, value_parser = clap::value_parser!(u32).range(1..=36_500), value_name = "DAYS")]
    pub days: u32,
}

impl From<CertificateError> for Failure {
    fn from(error: CertificateError) -> Self {
        match error {
            CertificateError::Name(_) => Self::usage(error.to_string()),
            CertificateError::OpenSsl(_) => Self::system(error.to_string()),
            _ => Self::state(error.to_string()),
        }
    }
}

/// `moat tls`.
///
/// # Errors
/// What is in the way, and what the system refuses.
pub(crate) fn tls(arguments: &TlsArguments, as_json: bool) -> Result<Outcome, Failure> {
    let folder = Folder::new(&arguments.directory);
    let now = seconds_now();
    match &arguments.action {
        Action::Init(arguments) => {
            let writes = init(&folder, arguments, now)?;
            carry_out(&folder, &writes, arguments.dry_run, as_json)
        }
        Action::Issue(arguments) => {
            let writes = vec![issue(&folder, arguments, now)?];
            carry_out(&folder, &writes, arguments.dry_run, as_json)
        }
        Action::Rotate(arguments) => {
            let writes = rotate(&folder, arguments, now)?;
            carry_out(&folder, &writes, arguments.dry_run, as_json)
        }
        Action::Show => show(&folder, now, as_json),
    }
}

fn init(folder: &Folder, arguments: &InitArguments, now: i64) -> Result<Vec<Write>, Failure> {
    if folder.exists(AUTHORITY)? {
        return Err(Failure::state(format!(
            "there is an authority in {} already; nothing was changed",
            folder.path().display()
        ))
        .help("`moat tls rotate --authority` makes a new one without cutting off anybody"));
    }
    let made = certificate::authority(&arguments.name, arguments.days, now)?;
    let own = certificate::issue(&made, "moat", &[], arguments.days.min(825), now)?;
    Ok(vec![
        Write::public(AUTHORITIES, made.certificate.clone()),
        Write::secret(AUTHORITY, &made),
        Write::secret("moat", &own),
    ])
}

fn issue(folder: &Folder, arguments: &IssueArguments, now: i64) -> Result<Write, Failure> {
    folder::check_name(&arguments.name)?;
    if folder.exists(&arguments.name)? {
        return Err(Failure::state(format!(
            "there is a certificate for {} already; nothing was changed",
            arguments.name
        ))
        .help(format!("`moat tls rotate {}` replaces it", arguments.name)));
    }
    let by = folder.authority()?;
    let pair = certificate::issue(
        &by,
        &arguments.name,
        &arguments.also,
        arguments.span.days,
        now,
    )?;
    Ok(Write::secret(&arguments.name, &pair))
}

fn rotate(folder: &Folder, arguments: &RotateArguments, now: i64) -> Result<Vec<Write>, Failure> {
    let old = folder.authority()?;
    let mut writes = Vec::new();
    let mut by = old.clone();
    if arguments.authority {
        let [Certificate { subject, .. }, ..] =
            &*certificate::describe(old.certificate.as_bytes())?
        else {
            return Err(Failure::state("the authority has no certificate"));
        };
        let name = subject.rsplit_once("CN=").map_or("moat", |(_, name)| name);
        by = certificate::authority(name, 3650, now)?;
        // Whoever has the new list believes both, so nobody is cut off at any moment.
        let mut believed = by.certificate.clone();
        for known in folder.believed()? {
            let describes = certificate::describe(known.as_bytes())?;
            if describes.iter().all(|one| one.not_after > now) {
                believed.push_str(&known);
            }
        }
        writes.push(Write::public(AUTHORITIES, believed));
        writes.push(Write::secret(AUTHORITY, &by));
    }
    let names = folder.names()?;
    if let Some(unknown) = arguments.names.iter().find(|name| !names.contains(name)) {
        return Err(Failure::state(format!(
            "there is no certificate for {unknown} in {}; nothing was changed",
            folder.path().display()
        ))
        .help(format!("`moat tls issue {unknown}` makes one")));
    }
    let soon = now.saturating_add(i64::from(arguments.within).saturating_mul(DAY_SECONDS));
    for name in names {
        let there = folder.certificate(&name)?;
        let wanted = arguments.authority
            || arguments.names.contains(&name)
            || (arguments.names.is_empty() && there.not_after <= soon);
        if wanted {
            let also: Vec<String> = there
                .names
                .iter()
                .filter(|other| **other != name)
                .cloned()
                .collect();
            let pair = certificate::issue(&by, &name, &also, arguments.span.days, now)?;
            writes.push(Write::secret(&name, &pair));
        }
    }
    Ok(writes)
}

/// Writes, or shows what would be written.
fn carry_out(
    folder: &Folder,
    writes: &[Write],
    dry_run: bool,
    as_json: bool,
) -> Result<Outcome, Failure> {
    if !dry_run {
        folder.write(writes)?;
    }
    if as_json {
        let files: Vec<Value> = writes
            .iter()
            .map(|write| json!({"file": folder.file(&write.name), "secret": write.secret}))
            .collect();
        output::json(&json!({"written": files, "dry_run": dry_run}));
        return Ok(Outcome::Fine);
    }
    if writes.is_empty() {
        output::line("Nothing runs out soon; nothing was changed.");
    }
    for write in writes {
        output::line(format!(
            "{} {}  {}",
            if dry_run { "would write" } else { "wrote" },
            folder.file(&write.name).display(),
            paint(
                Style::Faint,
                if write.secret {
                    "certificate and key, for its owner alone"
                } else {
                    "certificates of authorities, for everybody"
                }
            )
        ));
    }
    Ok(Outcome::Fine)
}

fn show(folder: &Folder, now: i64, as_json: bool) -> Result<Outcome, Failure> {
    let mut all = Vec::new();
    for believed in folder.believed()? {
        for found in certificate::describe(believed.as_bytes())? {
            all.push((AUTHORITIES.to_owned(), found));
        }
    }
    for name in folder.names()? {
        let found = folder.certificate(&name)?;
        all.push((name, found));
    }
    if all.is_empty() {
        return Err(
            Failure::state(format!("there is nothing in {}", folder.path().display()))
                .help("`moat tls init` makes an authority"),
        );
    }
    let days = |found: &Certificate| (found.not_after.saturating_sub(now)).div_euclid(DAY_SECONDS);
    let soon = |found: &Certificate| days(found) < i64::from(SOON_DAYS);
    if as_json {
        let list: Vec<Value> = all
            .iter()
            .map(|(name, found)| {
                json!({
                    "name": name, "file": folder.file(name), "subject": found.subject, "issuer": found.issuer,
                    "names": found.names, "authority": found.is_authority, "not_before": date(found.not_before),
                    "not_after": date(found.not_after), "days_left": days(found), "serial": found.serial,
                    "sha256": found.fingerprint,
                })
            })
            .collect();
        output::json(&json!({"directory": folder.path(), "certificates": list}));
    } else {
        let mut grid = Grid::new(&["CERTIFICATE", "FOR", "BY", "UNTIL", "LEFT"]);
        for (name, found) in &all {
            let left = match days(found) {
                left if left < 0 => paint(Style::Bad, "run out"),
                left if soon(found) => paint(Style::Warning, format!("{left} days")),
                left => format!("{left} days"),
            };
            let names = if found.is_authority {
                found.subject.clone()
            } else {
                found.names.join(", ")
            };
            grid.row([
                name.clone(),
                names,
                found.issuer.clone(),
                date(found.not_after),
                left,
            ]);
        }
        output::print(&grid.to_string());
    }
    Ok(Outcome::findings(all.iter().any(|(_, found)| soon(found))))
}

fn seconds_now() -> i64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_secs()).ok())
        .unwrap_or_default()
}

/// The day alone.
fn date(seconds: i64) -> String {
    let since = std::time::Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
    let text = timestamp(SystemTime::UNIX_EPOCH + since);
    text.split('T').next().unwrap_or_default().to_owned()
}

/// For a file: certificate first.
fn joined(pair: &Pair) -> String {
    format!("{}{}", pair.certificate, pair.key)
}
