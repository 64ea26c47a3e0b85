//! The switches of one host as one: nftables for the kernel's bridges, and Open vSwitch for its own.
//! Knows which part of a program is whose; what becomes of a part is left to each.

use datapath::{
    ConnectionMemory, Counters, DatapathError, Enforced, Enforcement, HostCapabilities,
};
use datapath_nftables::Session;
use datapath_openvswitch::OpenVSwitch;
use policy::HostProgram;
use policy::observation::Observation;

/// Both.
pub(crate) struct Switches {
    nftables: Session,
    openvswitch: Option<OpenVSwitch>,
}

impl Switches {
    pub(crate) fn new(nftables: Session, openvswitch: Option<OpenVSwitch>) -> Self {
        Self {
            nftables,
            openvswitch,
        }
    }
}

impl Enforcement for Switches {
    fn capabilities(&mut self) -> Result<HostCapabilities, DatapathError> {
        let mut all = self.nftables.capabilities()?;
        if let Some(openvswitch) = &mut self.openvswitch {
            all.others.extend(openvswitch.capabilities()?.others);
        }
        Ok(all)
    }

    fn observe(&mut self, observed: &mut Observation) -> Result<(), DatapathError> {
        match &mut self.openvswitch {
            Some(openvswitch) => openvswitch.observe(observed),
            None => Ok(()),
        }
    }

    fn enforce(&mut self, program: HostProgram) -> Result<Enforced, DatapathError> {
        let Some(openvswitch) = &mut self.openvswitch else {
            return self.nftables.enforce(program);
        };
        let elsewhere = openvswitch.attached().bridges.keys();
        if elsewhere.len() == 0 {
            return self.nftables.enforce(program);
        }
        let own = program.on_bridges(|bridge| !openvswitch.has(bridge));
        // Each does what it can, whatever becomes of the other.
        let by_openvswitch = openvswitch.enforce(program);
        let mut enforced = self.nftables.enforce(own)?;
        let other = by_openvswitch?;
        enforced.commits = enforced.commits.saturating_add(other.commits);
        enforced.changes.extend(other.changes);
        enforced.held_back.extend(other.held_back);
        Ok(enforced)
    }

    fn memory(&mut self) -> Result<Option<Box<dyn ConnectionMemory>>, DatapathError> {
        // Open vSwitch's connections do not travel yet: its userspace datapath keeps its own.
        self.nftables.memory()
    }

    fn is_own(&self, generation: u32) -> bool {
        self.nftables.is_own(generation)
    }

    fn counters(&mut self) -> Result<Counters, DatapathError> {
        let mut all = self.nftables.counters()?;
        if let Some(openvswitch) = &mut self.openvswitch {
            let other = openvswitch.counters()?;
            all.ports.extend(other.ports);
            for (id, value) in other.rules {
                let slot = all.rules.entry(id).or_default();
                slot.frames = slot.frames.saturating_add(value.frames);
                slot.bytes = slot.bytes.saturating_add(value.bytes);
            }
        }
        Ok(all)
    }
}
