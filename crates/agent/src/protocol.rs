//! What is said over the agent's socket: one JSON value in a line from the client, one back, and the
//! connection is over. Knows the shapes alone; sockets are left to both ends.

use std::collections::BTreeMap;

use frame::MacAddress;
use ipnet::IpNet;
pub use learning::Snapshot;
use policy::claim::{Claim, ProfileSource};
use policy::connection::Connection;
use serde::{Deserialize, Serialize};

use crate::standing::AgentStatus;

/// Where the agent listens unless it was told otherwise.
pub const SOCKET: &str = "/run/moat/agent.sock";

/// A line longer than this is refused by either end, in bytes: 500 NICs of one VM fit.
pub const LONGEST_LINE: usize = 16 << 20;

/// What a client asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Request {
    /// A hook of another system was called.
    Hook {
        /// `libvirt`, `opennebula`, `proxmox`, `qemu`, `xen`.
        system: String,
        /// As the system gave them, behind the system's name.
        arguments: Vec<String>,
        /// What the hook read from standard input; empty where the system gives none.
        input: String,
        /// Variables of the hook's environment that carry meaning ([`ENVIRONMENT`]).
        #[serde(default)]
        environment: BTreeMap<String, String>,
    },
    /// `moat port add`: this port exists, or will.
    Claim { port: PortClaim },
    /// `moat port remove`.
    Unclaim {
        /// Name of the port.
        port: String,
    },
    /// `moat port export`: what a port, or each port of a VM, takes along ([`Exported`]).
    Export {
        /// Name of the port or of the VM.
        of: String,
    },
    /// `moat port import`: what ports took along from elsewhere, for those that are here or will come.
    /// They are known by their MAC.
    Import(Exported),
    /// How everything stands.
    Status,
    /// What is counted, as Prometheus reads it.
    Metrics,
    /// Read the documents again, and say whether they took effect.
    Reload,
    /// End. Nothing in the switch is changed by it.
    Stop,
}

/// What ports take along to another host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exported {
    /// Addresses that they have learned.
    pub learned: Snapshot,
    /// Connections that they have, by their MACs.
    #[serde(default)]
    pub connections: BTreeMap<MacAddress, Vec<Connection>>,
}

/// What the agent answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Reply {
    /// It is done, and enforced where the interface exists already.
    Done {
        /// For the hook's standard output, as it is.
        #[serde(default)]
        output: String,
        /// What was respected in part, or not, a sentence each.
        #[serde(default)]
        notes: Vec<String>,
    },
    /// The answer to [`Request::Status`].
    Status(Box<AgentStatus>),
    /// It was not done, and what was in force is.
    Refused {
        /// One sentence for whoever started the VM.
        message: String,
    },
}

impl Reply {
    /// Done, and nothing to say.
    pub fn done() -> Self {
        Self::Done {
            output: String::new(),
            notes: Vec::new(),
        }
    }
}

/// Names, or beginnings of names with `*` behind, of the environment's variables that travel to the
/// agent. Everything else of a hook's environment is nobody's business, and may be secret.
pub const ENVIRONMENT: &[&str] = &[
    "MOAT_*",
    "XENBUS_PATH",
    "XENBUS_TYPE",
    "vif",
    "INTERFACE",
    "type_if",
    "PVE_MIGRATED_FROM",
];

/// Whether a variable of that name travels to the agent.
pub fn travels(variable: &str) -> bool {
    ENVIRONMENT
        .iter()
        .any(|known| match known.strip_suffix('*') {
            Some(beginning) => variable.starts_with(beginning),
            None => variable == *known,
        })
}

/// A port as `moat port add` describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortClaim {
    /// Unique on the host: `web-1/0`.
    pub name: String,
    pub mac: MacAddress,
    /// Interface name on the host; none while it does not exist.
    #[serde(default)]
    pub device: Option<String>,
    /// Network document that it belongs to.
    #[serde(default)]
    pub network: Option<String>,
    /// Bridge that it is in, where no Network document says so.
    #[serde(default)]
    pub bridge: Option<String>,
    /// VLAN of the bridge, 1–4094, where no Network document says so.
    #[serde(default)]
    pub vlan: Option<u16>,
    /// What its address guards allow.
    #[serde(default)]
    pub addresses: Vec<IpNet>,
    /// In the order of decision; empty: the network's.
    #[serde(default)]
    pub profiles: Vec<String>,
    #[serde(default)]
    pub vm: Option<String>,
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

impl PortClaim {
    /// What a claim of this source is called.
    pub const SOURCE: &'static str = "moat port";
}

impl From<PortClaim> for Claim {
    fn from(port: PortClaim) -> Self {
        let profiles = match port.profiles.as_slice() {
            [] => BTreeMap::new(),
            _ => BTreeMap::from([(ProfileSource::Metadata, port.profiles)]),
        };
        Self {
            port: port.name,
            source: PortClaim::SOURCE.to_owned(),
            vm: port.vm,
            device: port.device,
            mac: port.mac,
            bridge: port.bridge,
            vlan: port.vlan,
            network: port.network,
            addresses: port.addresses,
            labels: port.labels,
            profiles,
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests;
