//! From what was said to what the switch does: documents, interfaces, the program, its enforcement.
//! Knows the order of these steps, and what is told of them; each is done elsewhere.

use datapath::Enforcement;
use learning::Snapshot;
use policy::language::load;
use tracing::{debug, error, info, warn};

use crate::host::{DesireError, Desired};
use crate::standing::Difference;

use super::addresses::tell_learned;
use super::round::Look;
use super::{Agent, FIRST_PAUSE, LONGEST_PAUSE, moment_now, seconds};

impl<E: Enforcement> Agent<E> {
    /// Reads the documents of the folder, and takes them if nothing that is enforced suffers by it.
    /// `first`: there are none that could hold in their place, so the good ones among the ports are
    /// better than nothing.
    pub(super) fn documents(&mut self, first: bool) {
        let read = (self.read_documents)();
        let loaded = read.and_then(|sources| match load(&sources) {
            Ok(catalog) => Ok((sources, catalog)),
            Err(diagnostics) => Err(diagnostics.to_string()),
        });
        let taken = loaded.and_then(|(sources, catalog)| {
            if first {
                self.state.adopt(catalog);
            } else {
                self.observe(&Look::Everything);
                let replaced = self.state.replace_documents(catalog, &self.capabilities);
                replaced.map_err(|error| error.to_string())?;
            }
            Ok(sources)
        });
        match taken {
            Ok(sources) => {
                info!(files = sources.len(), "documents are in force");
                self.ready = true;
                self.documents_problem = None;
                if let Err(error) = self.store.keep_documents(&sources) {
                    error!("the documents cannot be kept for the next start: {error}");
                }
            }
            Err(problem) => {
                error!("the documents are not taken, those before stay in force: {problem}");
                self.metrics.rejected_documents.inc();
                self.documents_problem = Some(problem);
            }
        }
    }

    pub(super) fn observe(&mut self, look: &Look) {
        // Where another switch has its bridges only that switch knows what is in them.
        if let Look::At(devices) = look
            && self.capabilities.others.is_empty()
        {
            let mut observed = self.state.observed().clone();
            match inventory::observe_devices(&mut observed, devices) {
                Ok(true) => return self.state.observe_more(observed),
                Ok(false) => {}
                Err(error) => warn!("not every interface can be asked for by its name: {error}"),
            }
        }
        self.links_due = None;
        match inventory::observe_all() {
            Ok((mut observed, existing)) => {
                // A switch that does not answer would seem to have nothing plugged in.
                if let Err(error) = self.switch.observe(&mut observed) {
                    return error!("a switch cannot be asked, what was before is assumed: {error}");
                }
                match self.switch.capabilities() {
                    Ok(capabilities) => self.capabilities = capabilities,
                    Err(error) => error!("what a switch can do is not known: {error}"),
                }
                self.state.observe(observed, &existing);
            }
            Err(error) => error!("interfaces cannot be read, those before are assumed: {error}"),
        }
    }

    /// Brings the switch to what should be in force now.
    pub(super) fn look(&mut self, look: &Look) {
        if *look == Look::Everything {
            self.links_due = None;
        }
        if !self.ready {
            let problem = self
                .documents_problem
                .as_deref()
                .unwrap_or("there are none");
            return self.failed(format!(
                "no documents have taken effect yet, so the switch is left as it is: {problem}"
            ));
        }
        self.observe(look);
        for (source, vm) in self.state.take_ended() {
            self.forget_said(&source, &vm);
        }
        self.metrics.looks.inc();
        let mut desired = self.desire();
        if desired.is_ok() && self.set_vlans() {
            // Ports are admitted for the VLAN that they are in.
            self.observe(&Look::Everything);
            desired = self.desire();
        }
        let desired = match desired {
            Ok(desired) => desired,
            Err(error) => return self.failed(error.to_string()),
        };
        self.degraded = desired.degraded;
        self.keep_bound();
        let difference = self.standing.desire(&desired.program);
        self.tell(&difference);
        match self.switch.enforce(desired.program) {
            Ok(enforced) => {
                self.degraded.extend(enforced.held_back);
                if enforced.commits > 0 {
                    self.metrics.commits.inc_by(enforced.commits.into());
                    debug!(changes = ?enforced.changes, "the switch was changed");
                }
                if self.switch_problem.take().is_some() {
                    info!("the switch is as it should be again");
                }
                self.pause = FIRST_PAUSE;
                self.standing.enforced(seconds());
                self.welcome_connections();
            }
            Err(error) => self.failed(error.to_string()),
        }
    }

    /// Puts claimed interfaces into the VLANs of their networks; says whether any was changed.
    pub(super) fn set_vlans(&self) -> bool {
        let wanted = self.state.vlans();
        if wanted.is_empty() {
            return false;
        }
        let vlans = match inventory::vlans() {
            Ok(vlans) => vlans,
            Err(error) => {
                error!("the VLANs of interfaces cannot be read: {error}");
                return false;
            }
        };
        let mut any = false;
        for one in wanted {
            let current = vlans.get(&one.ifindex);
            let Some(change) = current.and_then(|current| current.change_to(one.vlan)) else {
                continue;
            };
            let (port, device, vlan) = (&one.port, &one.device, one.vlan);
            match inventory::set_vlan(one.ifindex, &change) {
                Ok(()) => {
                    let before = current.and_then(|current| current.pvid);
                    info!(port, device, vlan, ?before, "is in another VLAN");
                    any = true;
                }
                // Refused then, with the command that would do it.
                Err(error) => warn!(port, device, vlan, "is not in its VLAN: {error}"),
            }
        }
        any
    }

    /// Before anything is admitted: a process that begins anew knows its interfaces by this alone.
    pub(super) fn keep_bound(&mut self) {
        let bound = self.state.bound();
        if *bound == self.kept_bound {
            return;
        }
        match self.store.keep_bound(bound) {
            Ok(()) => self.kept_bound = bound.clone(),
            Err(error) => error!("which interfaces ports are cannot be kept: {error}"),
        }
    }

    /// What should be in force, with what its ports have learned.
    pub(super) fn desire(&mut self) -> Result<Desired, DesireError> {
        let desired = self.state.desire(&self.capabilities)?;
        let now = moment_now();
        let catalog = self.state.catalog();
        let mut events = self.learners.follow(catalog, &desired.program, now);
        let ports = desired.program.ports.keys();
        // It is newer than what this host remembers of an earlier stay.
        if let Some(arrived) = self.travel.arrivals(&desired.program) {
            let learner = self.learners.learner_mut();
            events.extend(learner.import(&arrived, now));
        }
        let back = self.remembered.take(ports);
        if !back.is_empty() {
            let learner = self.learners.learner_mut();
            events.extend(learner.import(&Snapshot::of(back), now));
        }
        events.extend(self.learners.expire(now));
        tell_learned(&events);
        if !self.state.settle(&self.learners, &events) {
            return Ok(desired);
        }
        self.keep_learned();
        self.state.desire(&self.capabilities)
    }

    pub(super) fn failed(&mut self, problem: String) {
        error!("not enforced, what was in force stays: {problem}");
        self.metrics.failures.inc();
        self.pause = match self.switch_problem {
            None => FIRST_PAUSE,
            Some(_) => self.pause.saturating_mul(2).min(LONGEST_PAUSE),
        };
        self.switch_problem = Some(problem);
    }

    pub(super) fn tell(&self, difference: &Difference) {
        let program = self.standing.desired();
        for name in &difference.admitted {
            if let Some(port) = program.ports.get(name) {
                let profiles = port.profiles.join(", ");
                info!(
                    port = name,
                    device = port.device,
                    bridge = port.bridge,
                    profiles,
                    "admitted"
                );
            }
        }
        for name in &difference.changed {
            info!(port = name, "has another policy");
        }
        for name in &difference.gone {
            info!(port = name, "is gone");
        }
        for (name, reason) in &difference.refused {
            warn!(port = name, "refused: {reason}");
        }
    }
}
