//! Where ports stand: what the switch has of each, beside what documents want. Knows how the two
//! are matched; printing is left to `status`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use datapath::{Counters, Datapath, PortCounters};
use datapath_nftables::census::{self, InstalledPort};
use datapath_nftables::{Installed, NftablesDatapath};
use policy::document::Port;
use policy::observation::Observation;

use crate::documents::{self, Declaration};
use crate::fault::{Failure, Outcome};
use crate::output::{Style, paint};
use crate::situation::{self, Situation};

/// Where a port stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Enforced,
    /// The switch has the port, and not (all of) what the documents say now.
    Outdated,
    NotApplied,
    Refused(String),
    Absent(String),
    /// The switch has it and the documents do not.
    Undeclared,
}

impl State {
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Enforced => "enforced",
            Self::Outdated => "outdated",
            Self::NotApplied => "not applied",
            Self::Refused(_) => "refused",
            Self::Absent(_) => "absent",
            Self::Undeclared => "undeclared",
        }
    }

    pub(crate) fn reason(&self) -> Option<&str> {
        match self {
            Self::Refused(reason) | Self::Absent(reason) => Some(reason),
            Self::Enforced | Self::Outdated | Self::NotApplied | Self::Undeclared => None,
        }
    }

    pub(crate) fn painted(&self) -> String {
        let style = match self {
            Self::Enforced => Style::Good,
            Self::Absent(_) => Style::Faint,
            Self::NotApplied | Self::Refused(_) => Style::Bad,
            Self::Outdated | Self::Undeclared => Style::Warning,
        };
        let word = paint(style, self.word());
        match self.reason() {
            Some(reason) => format!("{word}: {reason}"),
            None => word,
        }
    }

    fn is_right(&self) -> bool {
        matches!(self, Self::Enforced | Self::Absent(_))
    }
}

/// One port from both sides.
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) state: State,
    pub(crate) declared: Option<Port>,
    pub(crate) device: Option<String>,
    pub(crate) ifindex: Option<u32>,
    pub(crate) profiles: Vec<String>,
    pub(crate) behaviour: Option<String>,
    pub(crate) counted: PortCounters,
}

/// Everything that both commands show.
pub(crate) struct View {
    pub(crate) installed: Installed,
    pub(crate) observed: Observation,
    pub(crate) situation: Option<Situation>,
    pub(crate) counters: Counters,
    pub(crate) rows: Vec<Row>,
}

impl View {
    pub(crate) fn of(paths: &[PathBuf], host: Option<&str>) -> Result<Self, Failure> {
        let declaration = match paths {
            [] => None,
            paths => Some(documents::read(paths)?),
        };
        let mut datapath = situation::open()?;
        let situation = declaration
            .as_ref()
            .map(|declaration| Situation::look(&mut datapath, &declaration.catalog, host))
            .transpose()?;
        let (installed, observed) = match &situation {
            Some(situation) => (situation.installed.clone(), situation.observed.clone()),
            None => (datapath.read()?, inventory::observe()?),
        };
        let counters = NftablesDatapath::counters(&installed);
        let known = installed.contents.as_ref().map(census::ports);
        let known = known.unwrap_or_default();
        let mut view = Self {
            installed,
            observed,
            situation,
            counters,
            rows: Vec::new(),
        };
        view.rows(&datapath, declaration.as_ref(), &known);
        Ok(view)
    }

    fn rows(
        &mut self,
        datapath: &NftablesDatapath,
        declaration: Option<&Declaration>,
        known: &BTreeMap<u32, InstalledPort>,
    ) {
        let devices: BTreeMap<u32, &String> = self
            .observed
            .interfaces
            .iter()
            .map(|(name, interface)| (interface.ifindex, name))
            .collect();
        let counted = |name: &str| self.counters.ports.get(name).copied().unwrap_or_default();
        let mut rows = Vec::new();
        let mut seen = BTreeSet::new();
        if let (Some(declaration), Some(situation)) = (declaration, &self.situation) {
            let change = situation.change(datapath);
            let settled = change.is_some_and(|change| change.is_empty());
            for (name, declared) in &declaration.catalog.ports {
                let admitted = situation.program.ports.get(name);
                let installed = admitted.and_then(|port| known.get(&port.ifindex));
                let state = match (situation.program.refused.get(name), installed) {
                    (Some(refusal), _) if refusal.absent => State::Absent(refusal.reason.clone()),
                    (Some(refusal), _) => State::Refused(refusal.reason.clone()),
                    (None, Some(installed)) if installed.name == *name && settled => {
                        State::Enforced
                    }
                    (None, Some(_)) => State::Outdated,
                    (None, None) => State::NotApplied,
                };
                if let Some(installed) = installed {
                    seen.insert(installed.ifindex);
                }
                rows.push(Row {
                    name: name.clone(),
                    state,
                    device: declared.device.clone(),
                    ifindex: admitted.map(|port| port.ifindex),
                    profiles: match admitted {
                        Some(port) => port.profiles.clone(),
                        None => declared.profiles.clone(),
                    },
                    behaviour: installed.and_then(|port| port.behaviour.clone()),
                    counted: counted(name),
                    declared: Some(declared.clone()),
                });
            }
        }
        for port in known.values().filter(|port| !seen.contains(&port.ifindex)) {
            rows.push(Row {
                name: port.name.clone(),
                state: match declaration {
                    Some(_) => State::Undeclared,
                    None => State::Enforced,
                },
                declared: None,
                device: devices.get(&port.ifindex).map(|name| (*name).clone()),
                ifindex: Some(port.ifindex),
                profiles: Vec::new(),
                behaviour: port.behaviour.clone(),
                counted: counted(&port.name),
            });
        }
        self.rows = rows;
    }

    pub(crate) fn outcome(&self) -> Outcome {
        Outcome::findings(self.rows.iter().any(|row| !row.state.is_right()))
    }

    /// Interfaces of managed bridges that no port and no uplink claims.
    pub(crate) fn quarantined(&self) -> Vec<&str> {
        let Some(contents) = &self.installed.contents else {
            return Vec::new();
        };
        let managed = census::managed_bridges(contents);
        let unmanaged = census::unmanaged(contents);
        let uplinks = census::uplinks(contents);
        let ports = census::ports(contents);
        let interfaces = self.observed.interfaces.iter();
        interfaces
            .filter(|(_, interface)| match &managed {
                Some(managed) => managed.contains(&interface.bridge),
                None => !unmanaged.contains(&interface.ifindex),
            })
            .filter(|(_, interface)| {
                !uplinks.contains(&interface.ifindex) && !ports.contains_key(&interface.ifindex)
            })
            .map(|(name, _)| name.as_str())
            .collect()
    }

    /// Drops by what decided them: guards, quarantine and the like, without the rules.
    pub(crate) fn drops(&self) -> u64 {
        let plain = [
            "quarantine",
            "malformed",
            "tagged",
            "isolation",
            "ethertype",
            "connection",
        ];
        let counters = self.counters.rules.iter();
        counters
            .filter(|(id, _)| plain.contains(&id.as_str()) || id.starts_with("guard/"))
            .fold(0, |sum, (_, value)| sum.saturating_add(value.frames))
    }
}
