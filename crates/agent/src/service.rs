//! The loop: takes what happened, decides what should be in force, brings it there, answers who waits.
//! Knows the order of these steps; each of them is done elsewhere.

mod addresses;
mod answering;
mod enforcing;
mod round;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use datapath::{ConnectionMemory, DatapathError, Degraded, Enforcement, HostCapabilities};
use learning::{Moment, Snapshot};
use policy::claim::ClaimChange;
use policy::language::{Source, load};
use round::{Look, Round};
use thiserror::Error;
use tracing::{error, info, warn};

use crate::event::Event;
use crate::host::{BoundPorts, HostState};
use crate::learners::Learners;
use crate::metrics::Metrics;
use crate::remembered::Remembered;
use crate::standing::Standing;
use crate::store::Store;
use crate::systems::Systems;
use crate::travel::Travel;

/// How many events are taken before anybody is answered: a flood delays, and does not starve.
const AT_ONCE: usize = 4096;
/// How long after word of interfaces everything is looked at: a VM's start is a dozen such words, and
/// its hook does not wait for them. Meanwhile a new interface is in quarantine (on a managed bridge).
const LINKS_SETTLE: Duration = Duration::from_millis(20);
/// The pause after the switch refused; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What the store calls the learned addresses.
const LEARNED: &str = "learned";
/// And since when the ports among them are missed that are not here.
const MISSED: &str = "missed";

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
    /// What becomes of a VM that has a port whose policy cannot be enforced.
    pub refused: Refused,
}

/// What becomes of a VM that has a port whose policy cannot be enforced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Refused {
    /// Its hook fails, so that it does not start.
    #[default]
    Fail,
    /// It starts where that port is on a managed bridge, and so in quarantine; else its hook fails.
    Quarantine,
    /// It starts. On a bridge that is not managed, and where no bridge is, the port is open.
    Start,
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
    /// A hint that was sent and not taken yet says what another one would.
    links: Arc<AtomicBool>,
    /// Reports that were sent and not taken yet.
    reports: Arc<AtomicUsize>,
}

/// Reports that may wait. A guest that floods waits for itself; hosts ask and servers answer again.
const MOST_REPORTS: usize = 1024;

impl Handle {
    pub fn new(events: Sender<Event>) -> Self {
        Self {
            events,
            links: Arc::default(),
            reports: Arc::default(),
        }
    }

    /// Whether the agent still listens. What floods, is bounded here.
    pub fn send(&self, event: Event) -> bool {
        match event {
            Event::Links if self.links.swap(true, Ordering::SeqCst) => true,
            Event::Report { .. } if self.reports.load(Ordering::SeqCst) >= MOST_REPORTS => true,
            Event::Report { .. } => {
                self.reports.fetch_add(1, Ordering::SeqCst);
                self.events.send(event).is_ok()
            }
            event => self.events.send(event).is_ok(),
        }
    }

    /// An event was taken.
    fn taken(&self, event: &Event) {
        match event {
            Event::Links => self.links.store(false, Ordering::SeqCst),
            Event::Report { .. } => {
                self.reports.fetch_sub(1, Ordering::SeqCst);
            }
            _ => {}
        }
    }
}

/// One host's agent.
pub struct Agent<E> {
    settings: Settings,
    switch: E,
    read_documents: ReadDocuments,
    capabilities: HostCapabilities,
    store: Store,
    systems: Systems,
    state: HostState,
    handle: Handle,
    learners: Learners,
    /// What ports had learned before this process began, until each of them is here.
    remembered: Remembered,
    travel: Travel,
    /// The switch's memory of connections, where it has one that can be read and written.
    memory: Option<Box<dyn ConnectionMemory>>,
    /// Which interfaces ports are, as it was kept last.
    kept_bound: BoundPorts,
    standing: Standing,
    degraded: Vec<Degraded>,
    metrics: Metrics,
    /// Documents took effect, now or before this process began. Until then the switch is left as it
    /// is: whoever protects it now knows better than nobody.
    ready: bool,
    documents_problem: Option<String>,
    switch_problem: Option<String>,
    deaf: BTreeMap<String, String>,
    /// Sources that were never there to be heard.
    absent: BTreeMap<&'static str, String>,
    pause: Duration,
    /// When to look because interfaces changed.
    links_due: Option<Instant>,
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
        handle: &Handle,
    ) -> Result<Self, StartError> {
        let store = Store::open(&settings.lasting, &settings.volatile)?;
        let capabilities = switch.capabilities()?;
        let filters = settings.filters.clone();
        let memory = switch.memory().unwrap_or_else(|error| {
            warn!("connections do not travel: {error}");
            None
        });
        let mut agent = Self {
            state: HostState::new(settings.host.as_deref()),
            handle: handle.clone(),
            learners: Learners::new(),
            remembered: Remembered::default(),
            travel: Travel::default(),
            memory,
            kept_bound: BoundPorts::default(),
            settings,
            switch,
            read_documents,
            capabilities,
            store,
            systems: Systems::new(&filters),
            standing: Standing::default(),
            degraded: Vec::new(),
            metrics: Metrics::default(),
            ready: false,
            documents_problem: None,
            switch_problem: None,
            deaf: BTreeMap::new(),
            absent: BTreeMap::new(),
            pause: FIRST_PAUSE,
            links_due: None,
        };
        let known = agent.restore();
        agent.remember_claims();
        agent.remember_addresses();
        agent.ready = known;
        if known {
            agent.look(&Look::Everything);
        }
        agent.documents(!known);
        agent.look(&Look::Everything);
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
        let mut released = Vec::new();
        for one in said {
            match self.systems.interpret(&one.request) {
                Ok(interpreted) => {
                    for change in interpreted.changes {
                        self.state.change(&interpreted.source, change);
                    }
                    if one.released {
                        released.push((one.source, one.vm));
                    }
                }
                Err(error) => warn!(
                    vm = one.vm,
                    "what was said before is not understood: {error}"
                ),
            }
        }
        match self.store.bound() {
            Ok(bound) => {
                self.state.rebind(bound.clone());
                self.kept_bound = bound;
            }
            // By name then, as if each had just been said.
            Err(error) => error!("which interfaces ports were cannot be read: {error}"),
        }
        for (source, vm) in released {
            self.state.change(&source, ClaimChange::Release { vm });
        }
    }

    /// Takes up what ports had learned.
    fn remember_addresses(&mut self) {
        let snapshot = match self.store.kept(LEARNED) {
            Ok(Some(value)) => match serde_json::from_value::<Snapshot>(value) {
                Ok(snapshot) => snapshot,
                Err(error) => return error!("what ports had learned is not understood: {error}"),
            },
            Ok(None) => return,
            Err(error) => return error!("what ports had learned cannot be read: {error}"),
        };
        let missed = self.store.kept(MISSED).unwrap_or_default();
        let missed = missed.and_then(|value| serde_json::from_value(value).ok());
        // Else the wait begins anew.
        self.remembered = Remembered::new(&snapshot, missed.unwrap_or_default(), moment_now());
        // Else the wait of each port would begin anew with each process that learns nothing.
        self.keep_learned();
    }

    /// Serves until it is asked to stop. `alive` is called at least every `pulse`, for a watchdog.
    pub fn run(mut self, events: &Receiver<Event>, pulse: Duration, mut alive: impl FnMut()) {
        let mut audit = after(self.settings.audit);
        let mut retry = self.switch_problem.as_ref().map(|_| after(self.pause));
        loop {
            alive();
            let expiry = self.learners.next_expiry();
            let expiry = expiry.map(|moment| after(moment.since(moment_now())));
            let wait = [
                Some(audit),
                retry,
                expiry,
                self.links_due,
                Some(after(pulse)),
            ];
            let wait = wait.into_iter().flatten().min();
            let wait = wait.map_or(pulse, |at| at.saturating_duration_since(Instant::now()));
            let mut round = Round::default();
            match events.recv_timeout(wait) {
                Ok(first) => {
                    for event in std::iter::once(first).chain(events.try_iter().take(AT_ONCE)) {
                        self.handle.taken(&event);
                        self.take(event, &mut round);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            let now = Instant::now();
            if now >= audit {
                audit = after(self.settings.audit);
                self.forget_remembered();
                round.look_at_everything();
            }
            let due = [retry, self.links_due];
            // Leases end in a look.
            let ended = self.learners.next_expiry();
            if due.into_iter().flatten().any(|at| now >= at)
                || ended.is_some_and(|moment| moment <= moment_now())
            {
                round.look_at_everything();
            }
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

fn moment_now() -> Moment {
    Moment(
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default(),
    )
}

fn seconds() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}
