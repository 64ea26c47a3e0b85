//! The Open vSwitch of this host: a copy of its database, and a session with each bridge that a
//! program speaks of. Knows in which order a bridge is taken over and given back; what flows are is
//! left to `session`.

mod control;
mod fail_mode;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use channel::Target;
use datapath::{Counters, DatapathError, Enforced, Enforcement, HostCapabilities, OtherSwitch};
use ovsdb::session::Settings;
use ovsdb::vswitch::{Bridge, DATABASE, Interface, Port};
use ovsdb::{Client, Event, Watch};
use policy::HostProgram;
use policy::claim::Claim;
use policy::observation::Observation;

use crate::attachments::{Attached, AttachedBridge, SOURCE};
use crate::session::{Session, can};

/// Where Open vSwitch keeps its sockets.
pub const DIRECTORY: &str = "/var/run/openvswitch";
/// How long a database that is there may take for a first copy.
const FIRST_COPY: Duration = Duration::from_secs(5);
/// How long a read waits before it looks at the clock.
const READ_TIMEOUT: Duration = Duration::from_millis(100);

/// Where the database of the switch in that folder listens.
pub fn database(directory: &Path) -> Target {
    Target::Unix(directory.join("db.sock"))
}

/// Whether the switch in that folder is one of the calling thread's network namespace, as far as can be
/// told: its folder may be seen from others, whose bridges are other people's.
pub fn is_here(directory: &Path) -> bool {
    let Ok(stream) = UnixStream::connect(directory.join("db.sock")) else {
        return true;
    };
    let Ok(peer) = rustix::net::sockopt::socket_peercred(&stream) else {
        return true;
    };
    let namespace = |process: &str| fs::read_link(format!("/proc/{process}/ns/net")).ok();
    let theirs = namespace(&peer.pid.as_raw_nonzero().to_string());
    theirs.is_none_or(|theirs| Some(theirs) == namespace("thread-self"))
}

/// One host's Open vSwitch.
pub struct OpenVSwitch {
    directory: PathBuf,
    client: Client,
    attached: Attached,
    sessions: BTreeMap<String, Session>,
    /// Bridges that a program was brought into.
    taken: BTreeSet<String>,
}

impl OpenVSwitch {
    /// The switch whose sockets are in that folder. It need not be there yet: a host without one has
    /// no bridges of its kind.
    pub fn new(directory: &Path) -> Self {
        let mut made = Self {
            directory: directory.to_owned(),
            client: Client::new(database(directory), None, settings()),
            attached: Attached::default(),
            sessions: BTreeMap::new(),
            taken: BTreeSet::new(),
        };
        if directory.join("db.sock").exists() {
            let running = |_: &mut ovsdb::Session, event: &Event| {
                matches!(event, Event::Running { .. }).then_some(())
            };
            made.client.wait_for(FIRST_COPY, running);
            made.attached = Attached::of(made.client.cache());
        }
        made
    }

    /// Whether a bridge is one of this switch.
    pub fn has(&self, bridge: &str) -> bool {
        self.attached.bridges.contains_key(bridge)
    }

    /// What is plugged in, as of the last [`Enforcement::observe`].
    pub fn attached(&self) -> &Attached {
        &self.attached
    }

    /// Brings the copy up to date, without waiting for anything that has not arrived.
    fn refresh(&mut self) {
        let mut changed = false;
        loop {
            let more = self.client.turn();
            let mut connects = false;
            while let Some(event) = self.client.next_event() {
                connects |= matches!(event, Event::Connect);
                changed |= matches!(event, Event::Running { .. } | Event::Changed);
            }
            if !more && !connects {
                break;
            }
        }
        if changed {
            self.attached = Attached::of(self.client.cache());
        }
    }

    /// The session with a bridge; a new one where there is none or the last has failed.
    fn session(
        &mut self,
        name: &str,
        bridge: &AttachedBridge,
    ) -> Result<&mut Session, DatapathError> {
        let session = match self.sessions.remove(name) {
            Some(session) => session,
            None => {
                let path = self.directory.join(format!("{name}.mgmt"));
                let stream = connect(&path).map_err(|error| {
                    DatapathError::Unreachable(format!(
                        "bridge {name} does not answer at {}: {error}; is ovs-vswitchd running?",
                        path.display()
                    ))
                })?;
                Session::open(stream, bridge.topology.clone())?
            }
        };
        let session = self.sessions.entry(name.to_owned()).or_insert(session);
        session.topology_mut().clone_from(&bridge.topology);
        Ok(session)
    }

    /// Brings one bridge to its part of a program.
    fn bring(&mut self, name: &str, program: &HostProgram) -> Result<Enforced, DatapathError> {
        let Some(bridge) = self.attached.bridges.get(name).cloned() else {
            return Ok(Enforced::default());
        };
        let managed = program
            .bridges
            .get(name)
            .is_some_and(|bridge| bridge.managed);
        if managed {
            self.close_on_failure(name, &bridge)?;
        }
        self.taken.insert(name.to_owned());
        let part = program.on_bridges(|it| it == name);
        // A connection of before may have ended long ago: a restart of the switch, or its patience.
        let kept = self.sessions.contains_key(name);
        let mut enforced = self.try_to_bring(name, &bridge, part.clone());
        if kept && matches!(enforced, Err(DatapathError::Unreachable(_))) {
            enforced = self.try_to_bring(name, &bridge, part);
        }
        enforced
    }

    fn try_to_bring(
        &mut self,
        name: &str,
        bridge: &AttachedBridge,
        part: HostProgram,
    ) -> Result<Enforced, DatapathError> {
        let enforced = self.session(name, bridge)?.enforce(part);
        if enforced.is_err() {
            // Whatever happened to it, the next attempt begins anew.
            self.sessions.remove(name);
        }
        enforced
    }

    /// Gives a bridge back as it was.
    fn give_back(&mut self, name: &str) -> Result<Enforced, DatapathError> {
        let Some(bridge) = self.attached.bridges.get(name).cloned() else {
            self.taken.remove(name);
            return Ok(Enforced::default());
        };
        let removed = self.session(name, &bridge)?.remove();
        if removed.is_err() {
            self.sessions.remove(name);
        }
        removed?;
        self.open_on_failure(name, &bridge)?;
        self.taken.remove(name);
        self.sessions.remove(name);
        Ok(Enforced {
            commits: 1,
            changes: vec![format!("bridge {name} is given back")],
            held_back: Vec::new(),
        })
    }
}

/// Tells of every change in the database that concerns ports or bridges, until `changed` says that
/// nobody listens any more. With it come the claims that the database makes.
pub fn watch(directory: &Path, mut changed: impl FnMut(Vec<Claim>) -> bool) {
    let mut client = Client::new(database(directory), None, settings());
    loop {
        let news = client.wait_for(Duration::from_secs(60), |session, event| {
            let news = matches!(event, Event::Running { .. } | Event::Changed);
            news.then(|| Attached::of(session.cache()).claims())
        });
        if news.is_some_and(|claims| !changed(claims)) {
            return;
        }
    }
}

impl Enforcement for OpenVSwitch {
    fn capabilities(&mut self) -> Result<HostCapabilities, DatapathError> {
        let mut all = HostCapabilities::default();
        if !self.attached.bridges.is_empty() {
            let other = OtherSwitch {
                bridges: self.attached.bridges.keys().cloned().collect(),
                capabilities: can(),
            };
            all.others.insert(SOURCE.to_owned(), other);
        }
        Ok(all)
    }

    fn observe(&mut self, observed: &mut Observation) -> Result<(), DatapathError> {
        self.refresh();
        self.attached.observe(observed);
        Ok(())
    }

    fn enforce(&mut self, program: HostProgram) -> Result<Enforced, DatapathError> {
        let mut whole = Enforced::default();
        let mut failed = None;
        let concerned: Vec<String> = self
            .attached
            .bridges
            .keys()
            .filter(|name| program.bridges.contains_key(*name))
            .cloned()
            .collect();
        // A process before this one may have taken a bridge over, which its mark tells.
        let mut left = self.taken.clone();
        left.extend(self.attached.marked().cloned());
        left.retain(|name| !concerned.contains(name));
        let brought: Vec<Result<Enforced, DatapathError>> = concerned
            .iter()
            .map(|name| self.bring(name, &program))
            .collect();
        let given: Vec<Result<Enforced, DatapathError>> =
            left.iter().map(|name| self.give_back(name)).collect();
        let changed = brought
            .iter()
            .flatten()
            .any(|enforced| enforced.commits > 0);
        // One bridge that fails keeps no other from what it should do.
        for result in brought.into_iter().chain(given) {
            match result {
                Ok(enforced) => {
                    whole.commits = whole.commits.saturating_add(enforced.commits);
                    whole.changes.extend(enforced.changes);
                    whole.held_back.extend(enforced.held_back);
                }
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        if let Some(error) = failed {
            return Err(error);
        }
        if changed {
            control::await_revalidation(&self.directory).map_err(|error| {
                DatapathError::Unreachable(format!(
                    "ovs-vswitchd has the flows, but does not say when frames go by them: {error}"
                ))
            })?;
        }
        Ok(whole)
    }

    fn counters(&mut self) -> Result<Counters, DatapathError> {
        let mut whole = Counters::default();
        for session in self.sessions.values_mut() {
            let part = session.counters()?;
            for (id, value) in part.rules {
                let slot = whole.rules.entry(id).or_default();
                slot.frames = slot.frames.saturating_add(value.frames);
                slot.bytes = slot.bytes.saturating_add(value.bytes);
            }
            whole.ports.extend(part.ports);
        }
        Ok(whole)
    }
}

fn connect(path: &Path) -> io::Result<UnixStream> {
    let stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(READ_TIMEOUT))?;
    Ok(stream)
}

/// What of the database concerns us; statistics change every five seconds and say nothing here.
fn settings() -> Settings {
    let watches = vec![
        Watch::columns::<Bridge>(&[
            "name",
            "ports",
            "datapath_type",
            "fail_mode",
            "protocols",
            "controller",
            "other_config",
            "external_ids",
        ]),
        Watch::columns::<Port>(&[
            "name",
            "interfaces",
            "tag",
            "bond_mode",
            "bond_active_slave",
            "lacp",
            "trunks",
            "vlan_mode",
            "external_ids",
            "other_config",
        ]),
        Watch::columns::<Interface>(&[
            "name",
            "ofport",
            "ifindex",
            "mac_in_use",
            "error",
            "external_ids",
            "type",
        ]),
        Watch::columns::<ovsdb::vswitch::OpenVSwitch>(&["cur_cfg", "next_cfg", "bridges"]),
    ];
    Settings::new(DATABASE, watches)
}
