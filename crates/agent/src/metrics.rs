//! What is counted, as Prometheus reads it. Knows names and meanings; counting is done where things
//! happen.

use datapath::Counters;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::standing::{AgentStatus, PortState};

/// Counters of one agent since it began.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    /// Times that everything was looked at.
    pub(crate) looks: Counter,
    /// Changes committed to the switch.
    pub(crate) commits: Counter,
    /// Times that the switch could not be brought to what it should do.
    pub(crate) failures: Counter,
    /// Hook calls and port commands.
    pub(crate) words: Counter,
    /// Documents that were not taken.
    pub(crate) rejected_documents: Counter,
    /// Times that somebody else changed what is ours in the switch.
    pub(crate) foreign_changes: Counter,
    /// Connections that came with ports and go on here.
    pub(crate) arrived_connections: Counter,
}

type Labels = Vec<(&'static str, String)>;

impl Metrics {
    /// Everything in the OpenMetrics text format.
    pub(crate) fn text(&self, status: &AgentStatus, counters: &Counters) -> String {
        let mut registry = Registry::with_prefix("moat");
        let own = [
            ("looks", "Times that everything was looked at", &self.looks),
            ("commits", "Changes committed to the switch", &self.commits),
            (
                "failures",
                "Times that the switch could not be brought to what it should do",
                &self.failures,
            ),
            ("words", "Hook calls and port commands", &self.words),
            (
                "rejected_documents",
                "Documents that were not taken",
                &self.rejected_documents,
            ),
            (
                "foreign_changes",
                "Times that somebody else changed what is moat's in the switch",
                &self.foreign_changes,
            ),
            (
                "arrived_connections",
                "Connections that came with ports and go on here",
                &self.arrived_connections,
            ),
        ];
        for (name, help, counter) in own {
            registry.register(name, help, counter.clone());
        }
        let ports = Family::<Labels, Gauge>::default();
        for (word, state) in [
            ("enforced", PortState::Enforced),
            ("pending", PortState::Pending),
            ("refused", PortState::Refused),
            ("absent", PortState::Absent),
        ] {
            let count = status
                .ports
                .iter()
                .filter(|port| port.state == state)
                .count();
            let labels = vec![("state", word.to_owned())];
            ports
                .get_or_create(&labels)
                .set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        registry.register("ports", "Ports by where they stand", ports);
        let number = |count: usize| {
            let gauge = Gauge::<i64>::default();
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
            gauge
        };
        registry.register(
            "quarantined_interfaces",
            "Interfaces of managed bridges that nobody claims",
            number(status.quarantined.len()),
        );
        registry.register(
            "deaf_sources",
            "Sources of ports that cannot be heard",
            number(status.deaf.len()),
        );
        let frames = registry_of(counters);
        registry.register("decided_frames", "Frames by what decided them", frames);
        let forged = Family::<Labels, Counter>::default();
        for (port, counted) in &counters.ports {
            let labels = vec![("port", port.clone())];
            forged.get_or_create(&labels).inc_by(counted.forged.frames);
        }
        registry.register(
            "forged_frames",
            "Frames that a port sent under another MAC",
            forged,
        );
        let up = ConstCounter::new(status.revision);
        registry.register("revision", "Changes of what should be enforced", up);
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = encode(&mut text, &registry);
        text
    }
}

fn registry_of(counters: &Counters) -> Family<Labels, Counter> {
    let frames = Family::<Labels, Counter>::default();
    for (decider, value) in &counters.rules {
        let labels = vec![("decider", decider.clone())];
        frames.get_or_create(&labels).inc_by(value.frames);
    }
    frames
}
