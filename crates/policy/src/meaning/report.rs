//! The meaning of a change as data and as text.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use super::compare::Fact;
use super::judge::{Judge, JudgedPort};
use super::words::few;
use crate::program::Direction;

/// What a change means for traffic.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Meaning {
    /// Traffic that passes from now on.
    pub allowed: Vec<Change>,
    /// Traffic that passes no longer.
    pub denied: Vec<Change>,
    /// Ports that are newly admitted.
    pub ports_added: Vec<PortLine>,
    /// Ports that are admitted no longer and not refused either.
    pub ports_removed: Vec<PortLine>,
    /// Ports that are refused from now on, with the reason.
    pub quarantined: Vec<PortLine>,
    /// False where conditions tell more traffic apart than was compared.
    pub complete: bool,
}

/// Traffic that changes alike for some ports.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Change {
    pub ports: Vec<String>,
    /// `in` or `out`.
    pub direction: &'static str,
    /// `tcp 80, 443`
    pub what: String,
    /// `anyone`, `@admins`, `10.0.0.0/8`; empty where the traffic is not about addresses.
    pub peers: Vec<String>,
    /// What decides from now on: `profile web-server, policies.yaml:12`.
    pub because: Vec<String>,
}

/// A port with a word about it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct PortLine {
    pub port: String,
    /// Its profiles and network, or why it is refused; empty where nothing is known.
    pub detail: String,
}

impl Meaning {
    /// Whether traffic stays as it is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.allowed.is_empty()
            && self.denied.is_empty()
            && self.ports_added.is_empty()
            && self.ports_removed.is_empty()
            && self.quarantined.is_empty()
    }

    pub(super) fn of_ports(
        before: &dyn Judge,
        after: &dyn Judge,
        olds: &[JudgedPort],
        news: &[JudgedPort],
    ) -> Self {
        let names = |ports: &[JudgedPort]| -> BTreeSet<String> {
            ports.iter().map(|port| port.name.clone()).collect()
        };
        let (old, new) = (names(olds), names(news));
        let refused = |judge: &dyn Judge| -> BTreeMap<String, String> {
            let refused = judge.program().into_iter().flat_map(|it| &it.refused);
            let present = refused.filter(|(_, refusal)| !refusal.absent);
            let line = |(port, refusal): (&String, &crate::program::Refusal)| {
                (port.clone(), refusal.reason.clone())
            };
            present.map(line).collect()
        };
        let (were_refused, are_refused) = (refused(before), refused(after));
        let line = |port: &String, detail: String| PortLine {
            port: port.clone(),
            detail,
        };
        let profiles = |name: &String| {
            let port = after.program().and_then(|program| program.ports.get(name));
            port.map_or_else(String::new, |port| {
                format!("{}, network {}", port.profiles.join(", "), port.network)
            })
        };
        Self {
            ports_added: new
                .difference(&old)
                .map(|name| line(name, profiles(name)))
                .collect(),
            ports_removed: old
                .difference(&new)
                .filter(|name| !are_refused.contains_key(*name))
                .map(|name| line(name, String::new()))
                .collect(),
            quarantined: are_refused
                .iter()
                .filter(|(name, reason)| were_refused.get(*name) != Some(reason))
                .map(|(name, reason)| line(name, reason.clone()))
                .collect(),
            complete: true,
            ..Self::default()
        }
    }

    pub(super) fn add(&mut self, facts: BTreeMap<Fact, Vec<String>>) {
        for (fact, mut ports) in facts {
            ports.sort();
            ports.dedup();
            let change = Change {
                ports,
                direction: match fact.direction {
                    Direction::In => "in",
                    Direction::Out => "out",
                },
                what: fact.what,
                peers: fact.peers,
                because: fact.because,
            };
            if fact.allowed {
                self.allowed.push(change);
            } else {
                self.denied.push(change);
            }
        }
        self.allowed.sort();
        self.denied.sort();
    }
}

impl fmt::Display for Meaning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for change in &self.allowed {
            writeln!(f, "{}: now allowed {}", who(&change.ports), change)?;
        }
        for change in &self.denied {
            write!(f, "{}: no longer allowed {}", who(&change.ports), change)?;
            if !change.because.is_empty() {
                write!(f, " (dropped by {})", change.because.join("; "))?;
            }
            writeln!(f)?;
        }
        for (ports, word) in [
            (&self.ports_added, "new"),
            (&self.ports_removed, "removed"),
            (&self.quarantined, "in quarantine"),
        ] {
            lines(f, ports, word)?;
        }
        if self.complete {
            Ok(())
        } else {
            writeln!(
                f,
                "There may be more: not all that the rules tell apart was compared."
            )
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.direction, self.what)?;
        if self.peers.is_empty() {
            return Ok(());
        }
        let word = if self.direction == "in" { "from" } else { "to" };
        write!(f, " {word} {}", few(&self.peers))
    }
}

/// Ports of one detail share a line.
fn lines(f: &mut fmt::Formatter<'_>, ports: &[PortLine], word: &str) -> fmt::Result {
    let mut alike: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in ports {
        alike.entry(&line.detail).or_default().push(&line.port);
    }
    for (detail, ports) in alike {
        write!(f, "{}: {word}", who(&ports))?;
        if !detail.is_empty() {
            write!(f, " ({detail})")?;
        }
        writeln!(f)?;
    }
    Ok(())
}

fn who<T: fmt::Display>(ports: &[T]) -> String {
    match ports {
        [one] => one.to_string(),
        several => format!("{} ({} ports)", few(several), several.len()),
    }
}
