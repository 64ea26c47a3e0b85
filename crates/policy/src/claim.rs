//! What a source (libvirt, OpenNebula, a hook, a command) says of a port that exists, and what of
//! it may become a Port document. Knows the shape; reading a source's own format is left to `import`.

mod resettle;
mod settle;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use frame::MacAddress;
use ipnet::IpNet;

use crate::connection::Connection;
use crate::document::{Document, Role};
use crate::learn::Learn;
use crate::rule::FieldValue;

pub use resettle::{Resettled, Settling};
pub use settle::{Provenance, Settled, settle};

/// A port as its source describes it. Documents that people wrote come first where both say
/// something.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Claim {
    /// Name of the port, unique among all sources: `web-1/0`.
    pub port: String,
    /// Who says so, for people: `libvirt`, `opennebula`, `moat port`.
    pub source: String,
    /// Name of the VM, as people know it.
    pub vm: Option<String>,
    /// The source's own id of the VM, which survives renaming.
    pub uuid: Option<String>,
    /// Interface name on the host; `None` while the source does not know it yet.
    pub device: Option<String>,
    pub mac: MacAddress,
    /// The MAC of the host's side of the interface, where the source gives it one: an interface of
    /// the right name with another MAC is not the one that the source spoke of.
    pub device_mac: Option<MacAddress>,
    /// Bridge that the source will plug, or has plugged, the interface into.
    pub bridge: Option<String>,
    pub vlan: Option<u16>,
    /// Network document that the source names; its bridge and VLAN are then the document's.
    pub network: Option<String>,
    pub addresses: Vec<IpNet>,
    pub labels: BTreeMap<String, String>,
    pub variables: BTreeMap<String, Vec<FieldValue>>,
    pub role: Option<Role>,
    /// Where its addresses may be learned, where the source says so.
    pub learn: Option<Learn>,
    /// Profiles by where the source found them. [`ProfileSource`] orders them: the first that
    /// names any decides.
    pub profiles: BTreeMap<ProfileSource, Vec<String>>,
    /// Filters of the source that the port asks for, for whoever makes profiles of them; the
    /// profiles that come of them are named in `profiles`.
    pub filters: Vec<FilterUse>,
    /// Documents that the source brings for this port (converted filters, security groups,
    /// networks): they hold for its claims, and never replace what people declared.
    pub documents: Vec<Document>,
    /// Addresses that the port had learned before it came to this host, as its source carries them.
    /// They are no part of any document: whoever learns on this host decides what of them holds.
    pub learned: Vec<LearnedAddress>,
    /// Connections that the port had before it came to this host, as its source carries them:
    /// [`crate::connection::may_go_on`] says which of them hold here.
    pub connections: Vec<Connection>,
    /// Which switch the source plugs it into, where it names one: `openvswitch`. Where the host has
    /// none of that kind that can be told what to do, the port is refused.
    pub switch: Option<String>,
    /// Counts only where no other source speaks of the device: a switch that notes whose port it
    /// is, beside whoever plugged it in.
    pub only_if_alone: bool,
    /// Why the interface cannot be enforced at all (a kind of interface that no bridge sees).
    pub refused: Option<String>,
    /// What was respected in part, or not, for status to show.
    pub notes: Vec<String>,
}

/// A filter of the source by name, and its parameters as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilterUse {
    pub name: String,
    /// Values in their order.
    pub parameters: BTreeMap<String, Vec<String>>,
}

/// An address that a port has learned. Times are since 1970, by the clock on the wall.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LearnedAddress {
    pub address: IpAddr,
    pub origin: LearnedOrigin,
    /// When it was learned, or last renewed.
    pub since: Duration,
    /// When it ends by itself; `None`: with the port.
    pub expires: Option<Duration>,
    /// The DHCP server that gave it.
    pub server: Option<IpAddr>,
    /// Which of the port's DHCP clients it was given to.
    pub client: u64,
}

/// What made an address the port's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LearnedOrigin {
    /// The port asked whether it is free.
    Probed,
    /// The port spoke as it.
    Used,
    /// A DHCP server gave it.
    Leased,
}

/// Where a port's profiles come from, the strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProfileSource {
    /// A Port document of the same name, or of the same MAC.
    PortDocument,
    /// moat's namespace in the VM's metadata, or a source's equal of it.
    Metadata,
    /// libvirt's `<filterref>`, or a source's security groups.
    Filter,
    /// The source's network or portgroup.
    SourceNetwork,
    /// The Network document.
    NetworkDocument,
    /// The Host document.
    HostDefault,
}

impl fmt::Display for ProfileSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PortDocument => "Port document",
            Self::Metadata => "metadata",
            Self::Filter => "filter",
            Self::SourceNetwork => "source's network",
            Self::NetworkDocument => "Network document",
            Self::HostDefault => "Host document",
        })
    }
}

/// What an event of a source means for its claims.
#[derive(Clone, Debug, PartialEq)]
pub enum ClaimChange {
    /// These are all ports of the VM (by the source's id of it), and no others.
    Replace { vm: String, claims: Vec<Claim> },
    /// The VM has no port on this host any more.
    Remove { vm: String },
    /// The VM leaves this host, or is about to: its claims end with their interfaces, at once where
    /// there is none. So a source that says so too early, or wrongly, opens and cuts nothing.
    Release { vm: String },
    /// These are all ports of all VMs of the source: a full resync.
    ReplaceAll { claims: Vec<Claim> },
    /// Nothing that concerns ports.
    Nothing,
}
