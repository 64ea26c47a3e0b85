//! Where an interface leads: into a bridge, or past everything that moat can enforce. Knows
//! libvirt's kinds of interfaces and networks, and says why one is refused.

use libvirt::xml::{ForwardMode, Interface, InterfaceKind, Network, PortGroup, Vlan};

/// What becomes of an interface's frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Through a bridge of the host, where its name is known.
    Bridge(Option<String>),
    /// Past it, for this reason.
    Refused(String),
}

/// The virtualport of Open vSwitch, and what that switch is called here.
pub(super) const OPEN_VSWITCH: &str = "openvswitch";

/// An interface, with what its network says of it where that is known.
#[derive(Clone, Copy)]
pub(super) struct Plugged<'a> {
    pub(super) interface: &'a Interface,
    pub(super) network: Option<&'a Network>,
    pub(super) portgroup: Option<&'a PortGroup>,
}

impl Plugged<'_> {
    pub(super) fn way(&self) -> Way {
        if let Some(kind) = self.virtualport().filter(|kind| *kind != OPEN_VSWITCH) {
            return Way::Refused(refused_virtualport(kind));
        }
        let source = &self.interface.source;
        match &self.interface.kind {
            InterfaceKind::Bridge => Way::Bridge(source.bridge.clone()),
            InterfaceKind::Network => match &source.bridge {
                Some(bridge) => Way::Bridge(Some(bridge.clone())),
                None => self.network.map_or(Way::Bridge(None), way_of_network),
            },
            // libvirt plugs it nowhere; whoever does, the bridge sees it.
            InterfaceKind::Ethernet => Way::Bridge(None),
            kind => Way::Refused(refused_kind(kind)),
        }
    }

    /// The interface's comes before its portgroup's, and that before its network's, as libvirt has it.
    pub(super) fn vlan(&self) -> Option<&Vlan> {
        let portgroup = self.portgroup.and_then(|group| group.vlan.as_ref());
        let network = self.network.and_then(|network| network.vlan.as_ref());
        self.interface.vlan.as_ref().or(portgroup).or(network)
    }

    pub(super) fn virtualport(&self) -> Option<&str> {
        let portgroup = self.portgroup.and_then(|group| group.virtualport.as_ref());
        let network = self
            .network
            .and_then(|network| network.virtualport.as_ref());
        let mut all = [self.interface.virtualport.as_ref(), portgroup, network]
            .into_iter()
            .flatten();
        let named = all.clone().find_map(|port| port.kind.as_deref());
        named.or_else(|| all.next().map(|_| "without a type"))
    }

    pub(super) fn trusts_guest(&self) -> bool {
        let portgroup = self
            .portgroup
            .and_then(|group| group.trust_guest_rx_filters);
        let network = self
            .network
            .and_then(|network| network.trust_guest_rx_filters);
        let trusts = self
            .interface
            .trust_guest_rx_filters
            .or(portgroup)
            .or(network);
        trusts.unwrap_or(false)
    }

    pub(super) fn has_bandwidth(&self) -> bool {
        self.interface.bandwidth.is_some()
            || self
                .portgroup
                .is_some_and(|group| group.bandwidth.is_some())
    }

    pub(super) fn is_isolated(&self) -> bool {
        let network = self.network.and_then(|network| network.isolated);
        self.interface.isolated.or(network).unwrap_or(false)
    }
}

fn way_of_network(network: &Network) -> Way {
    let Some(forward) = &network.forward else {
        return Way::Bridge(network.bridge.clone());
    };
    match &forward.mode {
        ForwardMode::Nat | ForwardMode::Route | ForwardMode::Open => {
            Way::Bridge(network.bridge.clone())
        }
        ForwardMode::Bridge if network.bridge.is_some() => Way::Bridge(network.bridge.clone()),
        ForwardMode::Bridge
        | ForwardMode::Private
        | ForwardMode::Vepa
        | ForwardMode::Passthrough => Way::Refused(refused_kind(&InterfaceKind::Direct)),
        ForwardMode::Hostdev => Way::Refused(refused_kind(&InterfaceKind::Hostdev)),
        ForwardMode::Other(mode) => Way::Refused(format!(
            "network {} has forward mode `{mode}`, which this version of moat does not know",
            network.name
        )),
    }
}

fn refused_virtualport(kind: &str) -> String {
    match kind {
        "802.1Qbg" | "802.1Qbh" => format!(
            "virtualport {kind}: its frames are switched outside of the host, by the adjacent switch"
        ),
        "midonet" => "virtualport midonet: MidoNet's agent switches its frames, not a Linux bridge"
            .to_owned(),
        other => format!(
            "virtualport {other}: this version of moat does not know what switches its frames"
        ),
    }
}

fn refused_kind(kind: &InterfaceKind) -> String {
    let why = match kind {
        InterfaceKind::Direct => {
            "macvtap hands its frames to the device of the host, past every bridge; use type bridge, \
             or a network with a bridge"
        }
        InterfaceKind::Hostdev => "the guest drives the device itself, and the host sees no frame",
        InterfaceKind::VhostUser => {
            "a switch in user space takes its frames out of shared memory, past the kernel"
        }
        InterfaceKind::Vdpa => "the device moves its frames itself, and the host sees none",
        InterfaceKind::User => {
            "QEMU is its network: it opens connections as a process of the host, and no frame leaves it"
        }
        InterfaceKind::Internal | InterfaceKind::Other(_) => {
            "this version of moat does not know what switches its frames"
        }
        InterfaceKind::Udp
        | InterfaceKind::Server
        | InterfaceKind::Client
        | InterfaceKind::Multicast => {
            "QEMU wraps its frames into a socket's packets, and no bridge sees them"
        }
        InterfaceKind::Null => "it is connected to nothing",
        InterfaceKind::Bridge | InterfaceKind::Network | InterfaceKind::Ethernet => {
            "it has no bridge"
        }
    };
    format!("interface type {}: {why}", kind.word())
}
