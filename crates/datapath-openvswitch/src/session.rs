//! A bridge that programs are brought into, over one OpenFlow connection: reads what is there, sends
//! the difference as one bundle, counts. Knows requests and answers; finding bridges and their ports
//! is left to others.

use std::collections::{BTreeMap, HashSet};
use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use datapath::{
    Capabilities, Capability, CounterValue, Counters, DatapathError, Degraded, Enforced,
    Enforcement, HostCapabilities, PortCounters, Unmet,
};
use openflow::connection::{Answer, BatchKind, BatchOutcome, Configuration, Connection, Event};
use openflow::message::multipart::{FlowMonitorRequest, FlowUpdate, FlowUpdateEvent};
use openflow::message::{FlowStats, FlowStatsRequest, ReplyBody, RequestBody, SwitchConfig};
use openflow::{FlowMod, Message, Version};
use policy::HostProgram;

use crate::difference::{Difference, Flows, Key, content, difference_at, installed, key, watched};
use crate::lower::identity::{LEARNED, OWNER, OWNER_MASK};
use crate::lower::{Counted, Lowerer, layout};
use crate::topology::Topology;
use crate::unmet::unmet;
use crate::wire::Unspeakable;

/// Versions that have bundles, the better one first.
const VERSIONS: [Version; 2] = [Version::V1_4, Version::V1_3];
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// The flows there are, and what is added, removed and changed, with actions; of what is done here
/// only that it was.
const WATCH: u16 = 1 | 2 | 4 | 8 | 16;
/// How often a plan is made anew because something else changed the switch in between.
const ATTEMPTS: u32 = 10;
/// First fragments are matched by their ports as well (`OFPC_FRAG_NX_MATCH`).
const MATCH_FIRST_FRAGMENTS: u16 = 3;

/// A stream to a switch. Reads must give up after a while: a Unix or TCP socket with a read timeout.
pub trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// One bridge.
pub struct Session {
    stream: Box<dyn Stream>,
    connection: Connection,
    topology: Topology,
    lowerer: Lowerer,
    /// What the switch should do.
    wanted: Flows,
    /// What it does, as far as it is known.
    installed: Flows,
    /// Whether the switch tells of what others change; else everything is read each time.
    watching: Watching,
    /// Where something changed that was not brought in here.
    drifted: HashSet<Key>,
}

/// How well a switch is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Watching {
    /// Not yet.
    Unknown,
    /// It has told what it does and tells every change.
    Told,
    /// It will tell what it left out once it has time.
    Paused,
    /// It cannot.
    Impossible,
}

impl Session {
    /// Greets the switch at the other end of a stream.
    ///
    /// # Errors
    /// Where it does not answer, or speaks no version that has bundles.
    pub fn open(stream: impl Stream + 'static, topology: Topology) -> Result<Self, DatapathError> {
        let configuration = Configuration::controller().with_versions(&VERSIONS);
        let mut session = Self {
            stream: Box::new(stream),
            connection: Connection::new(configuration, Instant::now()),
            topology,
            lowerer: Lowerer::default(),
            wanted: Flows::new(),
            installed: Flows::new(),
            watching: Watching::Unknown,
            drifted: HashSet::new(),
        };
        session.until(|event| matches!(event, Event::Ready { .. }).then_some(()))?;
        Ok(session)
    }

    /// The bridge as programs are lowered for it.
    pub fn topology_mut(&mut self) -> &mut Topology {
        &mut self.topology
    }

    /// What the bridge does, read from it; flows of others are among it.
    ///
    /// # Errors
    /// Where the switch does not tell.
    pub fn read(&mut self) -> Result<Vec<FlowStats>, DatapathError> {
        self.flows(FlowStatsRequest::default())
    }

    /// Flows of ours alone, with what they counted.
    fn own(&mut self) -> Result<Vec<FlowStats>, DatapathError> {
        self.flows(FlowStatsRequest {
            cookie: OWNER,
            cookie_mask: OWNER_MASK,
            ..FlowStatsRequest::default()
        })
    }

    fn flows(&mut self, request: FlowStatsRequest) -> Result<Vec<FlowStats>, DatapathError> {
        let parts = self.tell(RequestBody::Flow(request))?;
        let parts = parts.map_err(DatapathError::Refused)?;
        let flows = parts.into_iter().filter_map(|part| match part {
            ReplyBody::Flow(flows) => Some(flows),
            _ => None,
        });
        Ok(flows.flatten().collect())
    }

    /// Makes sure that what the switch does is known: everything at first, then what has changed.
    fn know(&mut self) -> Result<(), DatapathError> {
        if self.watching == Watching::Unknown {
            self.watch()?;
        }
        if self.watching == Watching::Impossible {
            let flows = self.read()?;
            self.installed = flows.into_iter().map(installed).collect();
            self.drifted = self
                .installed
                .keys()
                .chain(self.wanted.keys())
                .cloned()
                .collect();
            return Ok(());
        }
        // What happened before the answer was told before it.
        self.ask(&Message::BarrierRequest)?;
        while self.watching == Watching::Paused {
            self.ask(&Message::BarrierRequest)?;
        }
        Ok(())
    }

    fn watch(&mut self) -> Result<(), DatapathError> {
        // What the switch learns by itself is its own business.
        let tables = layout::TABLES
            .into_iter()
            .filter(|table| *table != layout::LEARNED);
        let monitors = tables.map(|table| FlowMonitorRequest {
            monitor: table.into(),
            flags: WATCH,
            table,
            ..FlowMonitorRequest::default()
        });
        let body = RequestBody::FlowMonitor(monitors.collect());
        self.watching = match self.tell(body)? {
            Ok(parts) => {
                let parts = parts.into_iter().filter_map(|part| match part {
                    ReplyBody::FlowMonitor(updates) => Some(updates),
                    _ => None,
                });
                let updates: Vec<FlowUpdate> = parts.flatten().collect();
                self.watching = Watching::Told;
                self.take_in(updates);
                self.watching
            }
            Err(_) => Watching::Impossible,
        };
        Ok(())
    }

    /// The switch has told of changes.
    fn take_in(&mut self, updates: Vec<FlowUpdate>) {
        for update in updates {
            match update {
                FlowUpdate::Flow(flow) => {
                    let event = flow.event;
                    let (key, content) = watched(*flow);
                    self.drifted.insert(key.clone());
                    match event {
                        FlowUpdateEvent::Removed => self.installed.remove(&key),
                        _ => self.installed.insert(key, content),
                    };
                }
                FlowUpdate::Paused => self.watching = Watching::Paused,
                FlowUpdate::Resumed => self.watching = Watching::Told,
                FlowUpdate::Own { .. } | FlowUpdate::Opaque { .. } => {}
            }
        }
    }

    /// Asks for statistics; the inner error is the switch's.
    fn tell(&mut self, body: RequestBody) -> Result<Result<Vec<ReplyBody>, String>, DatapathError> {
        let asked = self
            .connection
            .ask_multipart(body, Answer::Whole)
            .map_err(unreachable)?;
        self.until(|event| match event {
            Event::Parts { xid, parts } if xid == asked => Some(Ok(Ok(parts))),
            Event::Refused { xid, name, .. } if xid == asked => Some(Ok(Err(name))),
            Event::RequestFailed { xid, error } if xid == asked => Some(Err(unreachable(error))),
            _ => None,
        })?
    }

    /// Sends a change, which takes effect wholly or not at all.
    ///
    /// # Errors
    /// Where the switch refuses any of it, or a flow of someone else is in the way.
    pub fn commit(&mut self, change: Difference) -> Result<(), DatapathError> {
        if let Some(place) = change.conflicts.first() {
            let reason = format!("another's flow stands where one of moat's belongs: {place}");
            return Err(DatapathError::Refused(reason));
        }
        if change.messages.is_empty() {
            return Ok(());
        }
        let submitted = self
            .connection
            .submit(BatchKind::Bundle, change.messages)
            .map_err(unreachable)?;
        let outcome = self.until(|event| match event {
            Event::Batch { batch, outcome } if batch == submitted => Some(outcome),
            _ => None,
        })?;
        match outcome {
            BatchOutcome::Done => {
                for (key, content) in change.outcome {
                    match content {
                        Some(content) => self.installed.insert(key, content),
                        None => self.installed.remove(&key),
                    };
                }
                Ok(())
            }
            BatchOutcome::Refused { failures, count } => {
                let first = failures
                    .first()
                    .map_or("no reason given", |failure| failure.name.as_str());
                Err(DatapathError::Refused(format!(
                    "{count} messages refused, the first: {first}"
                )))
            }
            BatchOutcome::NotSent => Err(DatapathError::Unreachable(
                "the connection ended before the commit".to_owned(),
            )),
            BatchOutcome::Unknown => Err(DatapathError::Unreachable(
                "the connection ended during the commit; read what the switch has".to_owned(),
            )),
        }
    }

    /// Takes everything of ours out, and nothing else.
    ///
    /// # Errors
    /// As [`Session::commit`].
    pub fn remove(&mut self) -> Result<(), DatapathError> {
        let all = FlowMod::delete_by_cookie(OWNER, OWNER_MASK);
        self.commit(Difference {
            messages: vec![Message::FlowMod(all.into())],
            ..Difference::default()
        })
    }

    /// Flows of others, as they were told before.
    ///
    /// # Errors
    /// As [`Session::commit`].
    pub fn add(&mut self, flows: Vec<FlowMod>) -> Result<(), DatapathError> {
        self.commit(Difference {
            messages: flows
                .into_iter()
                .map(|flow| Message::FlowMod(flow.into()))
                .collect(),
            ..Difference::default()
        })
    }

    /// Has first fragments matched by their ports; a restarted switch has forgotten it, and then
    /// takes them for unreadable.
    fn match_fragments(&mut self) -> Result<(), DatapathError> {
        let config = match self.ask(&Message::GetConfigRequest)? {
            Message::GetConfigReply(config) => config,
            other => {
                return Err(DatapathError::Refused(format!(
                    "no configuration: {other:?}"
                )));
            }
        };
        if config.flags == MATCH_FIRST_FRAGMENTS {
            return Ok(());
        }
        let config = SwitchConfig {
            flags: MATCH_FIRST_FRAGMENTS,
            ..config
        };
        self.connection
            .send(&Message::SetConfig(config))
            .map_err(unreachable)?;
        self.ask(&Message::BarrierRequest).map(drop)
    }

    fn ask(&mut self, message: &Message) -> Result<Message, DatapathError> {
        let asked = self.connection.request(message).map_err(unreachable)?;
        self.until(|event| match event {
            Event::Answer { xid, message } if xid == asked => Some(Ok(*message)),
            Event::Refused { xid, name, .. } if xid == asked => {
                Some(Err(DatapathError::Refused(name)))
            }
            Event::RequestFailed { xid, error } if xid == asked => Some(Err(unreachable(error))),
            _ => None,
        })?
    }

    /// Moves bytes until an event is the wanted one.
    fn until<T>(&mut self, mut wanted: impl FnMut(Event) -> Option<T>) -> Result<T, DatapathError> {
        let start = Instant::now();
        let mut buffer = vec![0; 1 << 16];
        loop {
            self.write()?;
            let count = match self.stream.read(&mut buffer) {
                Ok(0) => return Err(unreachable("the switch closed the connection")),
                Ok(count) => count,
                Err(error) if is_impatience(&error) => 0,
                Err(error) => return Err(unreachable(error)),
            };
            let now = Instant::now();
            let bytes = buffer.get(..count).unwrap_or_default();
            let mut found = None;
            for event in self.connection.receive(bytes, now) {
                if let Event::Failed(error) = &event {
                    return Err(unreachable(error));
                }
                match event {
                    // Of itself, because something happened to flows.
                    Event::Part { part, .. } if matches!(*part, ReplyBody::FlowMonitor(_)) => {
                        if let ReplyBody::FlowMonitor(updates) = *part {
                            self.take_in(updates);
                        }
                    }
                    event if found.is_none() => found = wanted(event),
                    _ => {}
                }
            }
            if let Some(found) = found {
                self.write()?;
                return Ok(found);
            }
            if now.duration_since(start) > PATIENCE {
                return Err(unreachable(format!("no answer in {PATIENCE:?}")));
            }
        }
    }

    fn write(&mut self) -> Result<(), DatapathError> {
        loop {
            let bytes = self.connection.poll_transmit();
            if bytes.is_empty() {
                return Ok(());
            }
            match self.stream.write(bytes) {
                Ok(0) => return Err(unreachable("the switch takes nothing")),
                Ok(count) => self.connection.transmitted(count),
                Err(error) if is_impatience(&error) => return Ok(()),
                Err(error) => return Err(unreachable(error)),
            }
        }
    }
}

impl Enforcement for Session {
    fn capabilities(&mut self) -> Result<HostCapabilities, DatapathError> {
        Ok(can().into())
    }

    fn enforce(&mut self, program: HostProgram) -> Result<Enforced, DatapathError> {
        let unspeakable = |error: Unspeakable| DatapathError::Refused(error.to_string());
        let mut places = HashSet::new();
        for (place, body) in self.lowerer.lower(&program, &self.topology) {
            let place = key(&place).map_err(unspeakable)?;
            match body {
                Some(body) => self
                    .wanted
                    .insert(place.clone(), content(&body).map_err(unspeakable)?),
                None => self.wanted.remove(&place),
            };
            places.insert(place);
        }
        // Until it is done, here is where it may have to be done again.
        self.drifted.extend(places);
        let doubts = unmet(&program, self.lowerer.lacks());
        let mut enforced = Enforced {
            held_back: doubts.into_iter().map(held_back).collect(),
            ..Enforced::default()
        };
        for _ in 0..ATTEMPTS {
            self.know()?;
            let change = difference_at(self.drifted.iter(), &self.wanted, &self.installed);
            if enforced.commits == 0 {
                self.match_fragments()?;
            }
            if change.is_empty() {
                self.drifted.clear();
                return Ok(enforced);
            }
            enforced.changes.extend(change.summary());
            enforced.commits += 1;
            self.commit(change)?;
        }
        Err(DatapathError::Changed)
    }

    fn counters(&mut self) -> Result<Counters, DatapathError> {
        let flows = self.own()?;
        Ok(count(self.lowerer.counted(), &flows))
    }
}

/// Rules in doubt fail closed, and that is told.
fn held_back(unmet: Unmet) -> Degraded {
    Degraded {
        capability: unmet.capability,
        ports: unmet.ports,
        instead: format!(
            "{} does not accept, and drops wherever it may match: {}",
            unmet.needed_by, unmet.reason
        ),
    }
}

/// What every Open vSwitch can do.
pub fn can() -> Capabilities {
    Capabilities {
        connection_tracking: Capability::present(
            "the ct action of Open vSwitch 2.5 and later",
            "a lookup for each frame, two where the ends are in different zones",
        ),
        reject_out: silent(),
        reject_in: silent(),
        bridge_name: Capability::present("each bridge has tables of its own", "nothing"),
        log: Capability::missing(
            "packet-ins are not asked for yet",
            "logged rules decide without a report",
            "use the Linux bridge for ports that learn addresses",
        ),
        limits: Capability::missing(
            "meters are not used yet",
            "rates are not limited",
            "use the Linux bridge for ports with limits",
        ),
    }
}

/// What flows have counted, by what they count.
fn count(names: &BTreeMap<u64, Counted>, flows: &[FlowStats]) -> Counters {
    let mut rules: BTreeMap<String, CounterValue> = BTreeMap::new();
    let mut ports: BTreeMap<String, PortCounters> = BTreeMap::new();
    for flow in flows.iter().filter(|flow| flow.cookie != LEARNED) {
        let Some(counted) = names.get(&flow.cookie) else {
            continue;
        };
        let slot = match counted {
            Counted::Step => continue,
            Counted::Decider(name) => rules.entry(name.clone()).or_default(),
            Counted::Forged(port) => &mut ports.entry(port.clone()).or_default().forged,
            Counted::Delivered(port) => &mut ports.entry(port.clone()).or_default().inward,
        };
        let known = |number: Option<u64>| number.filter(|number| *number != u64::MAX).unwrap_or(0);
        slot.frames = slot.frames.saturating_add(known(flow.counters.packets));
        slot.bytes = slot.bytes.saturating_add(known(flow.counters.bytes));
    }
    Counters { rules, ports }
}

fn silent() -> Capability {
    Capability::missing(
        "Open vSwitch drops without an answer",
        "who is refused waits until it gives up",
        "a Linux bridge",
    )
}

fn unreachable(error: impl ToString) -> DatapathError {
    DatapathError::Unreachable(error.to_string())
}

fn is_impatience(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
    )
}
