//! `moat agent`: the service of one host. Knows what wakes it and where it logs; what it does is left
//! to the crate `agent`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use agent::protocol::{Reply, Request};
use agent::{Access, Agent, Event, Handle, Refused, Settings};
use clap::{Args, ValueEnum};
use datapath_nftables::{LearningFeed, NftablesDatapath, Report, Session};
use datapath_openvswitch::OpenVSwitch;
use notify::{RecursiveMode, Watcher as _};
use policy::claim::ClaimChange;
use policy::language::Source;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tracing::error;

use crate::agent_client::{self, AgentArguments};
use crate::confirm;
use crate::documents;
use crate::fault::{Failure, Outcome};
use crate::hints::{self, Hint};
use crate::output;
use crate::switches::Switches;
use crate::time;

/// Editors and packages write several files one after the other.
const SETTLE: Duration = Duration::from_millis(200);
/// How often the loop shows that it is alive where no watchdog asks.
const PULSE: Duration = Duration::from_secs(60);

#[derive(Args, Debug)]
pub(crate) struct ServeArguments {
    /// Files with documents, or folders of them, followed as they change
    #[arg(value_name = "FILE|DIR", default_value = "/etc/moat")]
    pub documents: Vec<PathBuf>,
    /// The Host document to follow, where several are declared
    #[arg(long, value_name = "NAME")]
    pub host: Option<String>,
    /// Where hooks and commands find the agent
    #[arg(long, value_name = "PATH", default_value = agent::protocol::SOCKET)]
    pub socket: PathBuf,
    /// Users besides root who may call hooks, by name or number
    #[arg(long = "allow-user", value_name = "USER", value_parser = account::user)]
    pub users: Vec<u32>,
    /// Group that may open the socket, for those users
    #[arg(long, value_name = "GROUP", value_parser = account::group)]
    pub socket_group: Option<u32>,
    /// Folder for what survives reboots: the last good documents, leases
    #[arg(long, value_name = "DIR", default_value = "/var/lib/moat")]
    pub state: PathBuf,
    /// Folder for what is true until the next boot
    #[arg(long, value_name = "DIR", default_value = "/run/moat/agent")]
    pub runtime: PathBuf,
    /// libvirt's folder of network filters, for domains that refer to them
    #[arg(long, value_name = "DIR", default_value = "/etc/libvirt/nwfilter")]
    pub filters: PathBuf,
    /// Do not follow libvirt by its socket: its hooks alone tell of VMs
    #[arg(long)]
    pub no_libvirt: bool,
    /// Folder with the sockets of Open vSwitch, whose bridges are kept as the documents say, too
    #[arg(long, value_name = "DIR", default_value = datapath_openvswitch::host::DIRECTORY)]
    pub openvswitch: PathBuf,
    /// Leave Open vSwitch alone
    #[arg(long)]
    pub no_openvswitch: bool,
    /// How often everything is looked at although nothing happened
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = time::duration)]
    pub audit: Duration,
    /// What becomes of a VM that has a port whose policy cannot be enforced
    #[arg(long, value_enum, default_value_t, value_name = "WHAT")]
    pub refused: WhenRefused,
    /// Let Prometheus fetch http://ADDRESS:PORT/metrics; anybody who can connect may read it
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub metrics: Option<SocketAddr>,
    /// How to log
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub log: LogFormat,
}

/// What becomes of a VM that has a port whose policy cannot be enforced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum WhenRefused {
    /// Its hook fails, so that it does not start
    #[default]
    Fail,
    /// It starts where that port is on a managed bridge, and so in quarantine; else its hook fails
    Quarantine,
    /// It starts; on a bridge that is not managed, and on none, the port is open
    Start,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// A line each, for people
    #[default]
    Text,
    /// A JSON object each
    Json,
}

/// Serves until it is asked to end.
///
/// # Errors
/// Where it cannot begin. The switch is as it was then.
pub(crate) fn serve(arguments: &ServeArguments) -> Result<Outcome, Failure> {
    log_to_stderr(arguments.log);
    confirm::refuse_while_pending()?;
    let (sender, events) = mpsc::channel();
    let handle = Handle::new(sender.clone());
    // Listen first, look then: nothing falls between the two.
    listen_to_kernel(&handle)?;
    listen_to_learning(&handle)?;
    let _watcher = watch_documents(&arguments.documents, &handle);
    listen_to_signals(&handle)?;
    let settings = Settings {
        host: arguments.host.clone(),
        lasting: arguments.state.clone(),
        volatile: arguments.runtime.clone(),
        filters: arguments.filters.clone(),
        audit: arguments.audit,
        refused: match arguments.refused {
            WhenRefused::Fail => Refused::Fail,
            WhenRefused::Quarantine => Refused::Quarantine,
            WhenRefused::Start => Refused::Start,
        },
    };
    let folder = (!arguments.no_openvswitch).then_some(arguments.openvswitch.as_path());
    let folder = folder.filter(|folder| {
        let here = datapath_openvswitch::host::is_here(folder);
        if !here {
            let folder = folder.display();
            tracing::warn!(
                "the Open vSwitch in {folder} is another network namespace's: left alone"
            );
        }
        here
    });
    if let Some(folder) = folder {
        listen_to_openvswitch(folder, &handle);
    }
    let switch = Switches::new(
        Session::new(NftablesDatapath::open()?),
        folder.map(OpenVSwitch::new),
    );
    let paths = arguments.documents.clone();
    let agent = Agent::start(settings, switch, Box::new(move || read(&paths)), &handle)
        .map_err(|error| Failure::system(format!("the agent cannot begin: {error}")))?;
    let access = Access {
        users: arguments.users.clone(),
        group: arguments.socket_group,
    };
    agent::listen(&arguments.socket, access, sender).map_err(|error| {
        let path = arguments.socket.display();
        Failure::system(format!("cannot listen at {path}: {error}"))
    })?;
    if let Some(address) = arguments.metrics {
        std::net::TcpListener::bind(address)
            .and_then(|listener| agent::export_metrics(listener, handle.clone()))
            .map_err(|error| {
                Failure::system(format!("metrics cannot be served at {address}: {error}"))
            })?;
    }
    if !arguments.no_libvirt {
        let endpoints = libvirt::Endpoints::below(Path::new("/"));
        agent::follow_libvirt(endpoints, handle)
            .map_err(|error| Failure::system(format!("libvirt cannot be followed: {error}")))?;
    }
    tracing::info!(socket = %arguments.socket.display(), "ready");
    tell_manager(&[sd_notify::NotifyState::Ready]);
    // Half the watchdog's time, as sd_watchdog_enabled(3) recommends.
    let pulse = sd_notify::watchdog_enabled().map_or(PULSE, |time| time / 2);
    agent.run(&events, pulse, || {
        tell_manager(&[sd_notify::NotifyState::Watchdog])
    });
    tell_manager(&[sd_notify::NotifyState::Stopping]);
    let _ = std::fs::remove_file(&arguments.socket);
    Ok(Outcome::Fine)
}

/// `moat reload`.
///
/// # Errors
/// Where the agent does not take the documents, or does not answer.
pub(crate) fn reload(arguments: &AgentArguments, as_json: bool) -> Result<Outcome, Failure> {
    ask(arguments, &Request::Reload)?;
    match as_json {
        true => output::json(&serde_json::json!({ "reloaded": true })),
        false => output::line("The documents are in force."),
    }
    Ok(Outcome::Fine)
}

/// `moat metrics`.
///
/// # Errors
/// Where the agent does not answer.
pub(crate) fn metrics(arguments: &AgentArguments) -> Result<Outcome, Failure> {
    output::print(&ask(arguments, &Request::Metrics)?);
    Ok(Outcome::Fine)
}

fn ask(arguments: &AgentArguments, request: &Request) -> Result<String, Failure> {
    let reply = agent_client::ask(&arguments.socket, request, arguments.deadline());
    match reply.map_err(|error| Failure::state(error.to_string()))? {
        Reply::Done { output, .. } => Ok(output),
        Reply::Refused { message } => Err(Failure::state(message)),
        _ => Err(Failure::system(
            "the agent gave an answer for another question",
        )),
    }
}

fn read(paths: &[PathBuf]) -> Result<Vec<Source>, String> {
    documents::sources(paths).map_err(|failure| failure.message)
}

/// The service manager is told where there is one; nothing depends on it.
fn tell_manager(state: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!("the service manager cannot be told: {error}");
    }
}

fn listen_to_kernel(handle: &Handle) -> Result<(), Failure> {
    let hints = hints::listen()?;
    let handle = handle.clone();
    std::thread::spawn(move || {
        for hint in hints {
            let event = match hint {
                // Who did it follows.
                Hint::Table => continue,
                // It may be ourselves: the agent knows its own commits, and not by the number of its
                // process, which is another one in a namespace of processes.
                Hint::By {
                    process,
                    name,
                    generation,
                } => Event::Switch {
                    by: Some(format!("{name} (process {process})")),
                    generation: Some(generation),
                },
                Hint::Lost => Event::Links,
                Hint::Interface { .. } => Event::Links,
                // The service manager starts it again, with ears.
                Hint::Deaf(problem) => {
                    error!("the kernel cannot be heard any more: {problem}");
                    Event::Stop
                }
            };
            if !handle.send(event) {
                return;
            }
        }
    });
    Ok(())
}

/// Ports that come and go on bridges of Open vSwitch, and whose they are.
fn listen_to_openvswitch(folder: &Path, handle: &Handle) {
    let (folder, handle) = (folder.to_owned(), handle.clone());
    std::thread::spawn(move || {
        let mut known = Vec::new();
        datapath_openvswitch::host::watch(&folder, |claims| {
            if claims == known {
                return handle.send(Event::Links);
            }
            known.clone_from(&claims);
            let source = datapath_openvswitch::attachments::SOURCE;
            let change = ClaimChange::ReplaceAll { claims };
            handle.send(Event::Said { source, change })
        });
    });
}

/// Frames from which addresses of ports are learned.
fn listen_to_learning(handle: &Handle) -> Result<(), Failure> {
    let mut feed = LearningFeed::open()
        .map_err(|error| Failure::system(format!("cannot receive what ports show: {error}")))?;
    let handle = handle.clone();
    std::thread::spawn(move || {
        loop {
            let event = match feed.next_report(PULSE) {
                Ok(Some(Report::Frame(frame))) => Event::Report {
                    ifindex: frame.ifindex,
                    direction: frame.direction,
                    frame: frame.bytes,
                },
                Ok(Some(Report::Lost) | None) => continue,
                // The service manager starts it again, with ears.
                Err(error) => {
                    error!("what ports show cannot be heard any more: {error}");
                    Event::Stop
                }
            };
            let ends = matches!(event, Event::Stop);
            if !handle.send(event) || ends {
                return;
            }
        }
    });
    Ok(())
}

fn listen_to_signals(handle: &Handle) -> Result<(), Failure> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])
        .map_err(|error| Failure::system(format!("cannot receive signals: {error}")))?;
    let handle = handle.clone();
    std::thread::spawn(move || {
        for signal in signals.forever() {
            let event = match signal {
                SIGHUP => Event::Documents,
                _ => Event::Stop,
            };
            if !handle.send(event) {
                return;
            }
        }
    });
    Ok(())
}

/// Tells of changed documents once they stand still. Where the system cannot tell, the audit finds
/// them, and `moat reload` does not wait for it.
fn watch_documents(paths: &[PathBuf], handle: &Handle) -> Option<notify::RecommendedWatcher> {
    let (sender, changes) = mpsc::channel();
    let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // Reading a document is no change of it.
        if !event.is_ok_and(|event| event.kind.is_access()) {
            let _ = sender.send(());
        }
    });
    let mut watcher = match watcher {
        Ok(watcher) => watcher,
        Err(error) => {
            error!("changed documents are not noticed at once: {error}");
            return None;
        }
    };
    for path in paths {
        // A file is often replaced by another of its name, which only its folder sees.
        let (folder, mode) = match path.is_dir() {
            true => (path.as_path(), RecursiveMode::Recursive),
            false => (
                path.parent().unwrap_or(Path::new("/")),
                RecursiveMode::NonRecursive,
            ),
        };
        if let Err(error) = watcher.watch(folder, mode) {
            error!(
                "changes in {} are not noticed at once: {error}",
                folder.display()
            );
        }
    }
    let handle = handle.clone();
    std::thread::spawn(move || {
        while changes.recv().is_ok() {
            while changes.recv_timeout(SETTLE).is_ok() {}
            if !handle.send(Event::Documents) {
                return;
            }
        }
    });
    Some(watcher)
}

fn log_to_stderr(format: LogFormat) {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_env("MOAT_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(false);
    // The journal has a clock of its own.
    let journal = std::env::var_os("JOURNAL_STREAM").is_some();
    match (format, journal) {
        (LogFormat::Json, _) => log.json().init(),
        (LogFormat::Text, true) => log.without_time().init(),
        (LogFormat::Text, false) => log.init(),
    }
}

/// Users and groups by name or number.
mod account {
    /// # Errors
    /// Where there is no such user.
    pub(super) fn user(name: &str) -> Result<u32, String> {
        find(name, "/etc/passwd", "user")
    }

    /// # Errors
    /// Where there is no such group.
    pub(super) fn group(name: &str) -> Result<u32, String> {
        find(name, "/etc/group", "group")
    }

    /// Both files have the name first and the number third (passwd(5), group(5)).
    fn find(name: &str, file: &str, what: &str) -> Result<u32, String> {
        if let Ok(number) = name.parse() {
            return Ok(number);
        }
        let text = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
        let entry = text.lines().find_map(|line| {
            let mut fields = line.split(':');
            (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok())?
        });
        entry.ok_or_else(|| format!("there is no {what} `{name}` in {file}"))
    }
}
