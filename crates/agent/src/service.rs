//! The loop: takes what happened, decides what should be in force, brings it there, answers who waits.
//! Knows the order of these steps; each of them is done elsewhere.

mod round;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use datapath::{Capabilities, DatapathError, Degraded, Enforcement};
use policy::language::{Source, load};
use round::Round;
use thiserror::Error;
use tracing::{error, info, warn};

use crate::event::Event;
use crate::host::HostState;
use crate::metrics::Metrics;
use crate::standing::Standing;
use crate::store::Store;
use crate::systems::Systems;

/// How many events are taken before anybody is answered: a flood delays, and does not starve.
const AT_ONCE: usize = 4096;
/// The pause after the switch refused; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Reads the texts of all documents.
pub type ReadDocuments = Box<dyn FnMut() -> Result<Vec<Source>, String> + Send>;

/// How an agent is set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The Host document to follow, where several are declared.
    pub host: Option<String>,
    /// Folder for what survives reboots.
    pub lasting: PathBuf,
    /// Folder for what is true until the next boot.
    pub volatile: PathBuf,
    /// Folder of libvirt's network filters, for domains that refer to them.
    pub filters: PathBuf,
    /// How often everything is looked at although nothing happened.
    pub audit: Duration,
    /// A VM whose port is refused starts nevertheless, with the port in quarantine. That holds on
    /// managed bridges only; elsewhere the start fails in any case.
    pub quarantine_refused: bool,
}

/// Why the agent cannot begin. The switch is as it was.
#[derive(Debug, Error)]
pub enum StartError {
    #[error("the agent's folders cannot be used: {0}")]
    Store(#[from] io::Error),
    #[error(transparent)]
    Switch(#[from] DatapathError),
}

/// What those who bring events need.
#[derive(Clone, Debug)]
pub struct Handle {
    events: Sender<Event>,
}

impl Handle {
    pub fn new(events: Sender<Event>) -> Self {
        Self { events }
    }

    /// Whether the agent still listens.
    pub fn send(&self, event: Event) -> bool {
        self.events.send(event).is_ok()
    }
}

/// One host's agent.
pub struct Agent<E> {
    settings: Settings,
    switch: E,
    read_documents: ReadDocuments,
    capabilities: Capabilities,
    store: Store,
    systems: Systems,
    state: HostState,
    standing: Standing,
    degraded: Vec<Degraded>,
    metrics: Metrics,
    documents_problem: Option<String>,
    switch_problem: Option<String>,
    deaf: BTreeMap<String, String>,
    pause: Duration,
}

impl<E: Enforcement> Agent<E> {
    /// Brings the last good documents into force, then those of the folder.
    ///
    /// # Errors
    /// [`StartError`]. Documents that are wrong are none: the last good ones hold.
    pub fn start(
        settings: Settings,
        mut switch: E,
        read_documents: ReadDocuments,
    ) -> Result<Self, StartError> {
        let store = Store::open(&settings.lasting, &settings.volatile)?;
        let capabilities = switch.capabilities()?;
        let filters = settings.filters.clone();
        let mut agent = Self {
            state: HostState::new(settings.host.as_deref()),
            settings,
            switch,
            read_documents,
            capabilities,
            store,
            systems: Systems::new(&filters),
            standing: Standing::default(),
            degraded: Vec::new(),
            metrics: Metrics::default(),
            documents_problem: None,
            switch_problem: None,
            deaf: BTreeMap::new(),
            pause: FIRST_PAUSE,
        };
        let known = agent.restore();
        agent.remember_claims();
        if known {
            agent.look();
        }
        agent.documents(!known);
        agent.look();
        Ok(agent)
    }

    /// Takes the documents that took effect last; says whether there were any.
    fn restore(&mut self) -> bool {
        match self.store.documents() {
            Ok(Some(sources)) => match load(&sources) {
                Ok(catalog) => {
                    info!(
                        documents = sources.len(),
                        "the last good documents are taken up"
                    );
                    self.state.adopt(catalog);
                    return true;
                }
                Err(diagnostics) => {
                    error!("the last good documents cannot be read any more: {diagnostics}");
                }
            },
            Ok(None) => {}
            Err(error) => error!("the last good documents cannot be read: {error}"),
        }
        false
    }

    /// Takes up what sources said before this process began.
    fn remember_claims(&mut self) {
        let (said, unreadable) = match self.store.said() {
            Ok(said) => said,
            Err(error) => {
                error!("what was said before cannot be read: {error}");
                return;
            }
        };
        for (path, error) in unreadable {
            error!(path = %path.display(), "not readable, so its ports are not claimed: {error}");
        }
        for one in said {
            match self.systems.interpret(&one.request) {
                Ok(interpreted) => {
                    for change in interpreted.changes {
                        self.state.change(&interpreted.source, change);
                    }
                }
                Err(error) => warn!(
                    vm = one.vm,
                    "what was said before is not understood: {error}"
                ),
            }
        }
    }

    /// Serves until it is asked to stop. `alive` is called at least every `pulse`, for a watchdog.
    pub fn run(mut self, events: &Receiver<Event>, pulse: Duration, mut alive: impl FnMut()) {
        let mut audit = after(self.settings.audit);
        let mut retry = self.switch_problem.as_ref().map(|_| after(self.pause));
        loop {
            alive();
            let wait = [Some(audit), retry, Some(after(pulse))]
                .into_iter()
                .flatten()
                .min();
            let wait = wait.map_or(pulse, |at| at.saturating_duration_since(Instant::now()));
            let mut round = Round::default();
            match events.recv_timeout(wait) {
                Ok(first) => {
                    for event in std::iter::once(first).chain(events.try_iter().take(AT_ONCE)) {
                        self.take(event, &mut round);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            let now = Instant::now();
            if now >= audit {
                audit = after(self.settings.audit);
                round.look = true;
            }
            round.look |= retry.is_some_and(|at| now >= at);
            let looked = round.looks();
            let stop = round.stop;
            self.carry_out(round);
            if looked {
                retry = self.switch_problem.as_ref().map(|_| after(self.pause));
            }
            if stop {
                info!("ends; the switch goes on as it is");
                return;
            }
        }
    }
}

fn after(time: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(time).unwrap_or(now)
}

fn seconds() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}
