//! A throw-away Linux bridge, or several, with as many ports as a test needs.
//! Knows how ports are named, addressed and plugged in; leaves frames to [`crate::raw_port`].

use crate::link::{BridgeSpec, LinkError, Links, VethEnd};
use crate::namespace::{Namespace, NamespaceError, NamespaceOptions};
use crate::raw_port::{Listener, MarkerCounter, PortError, RawPort};
use crate::settle::{PinnedThread, SettleError, Settler};
use std::sync::atomic::{AtomicU32, Ordering};

/// Why a switch could not be made or changed.
#[derive(Debug, thiserror::Error)]
pub enum SwitchError {
    /// One of its namespaces failed.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// One of its devices failed.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// One of its sockets failed.
    #[error(transparent)]
    Port(#[from] PortError),
    /// Settling is not possible.
    #[error(transparent)]
    Settle(#[from] SettleError),
    /// The test names a bridge that the switch does not have.
    #[error("there is no bridge number {asked}; the switch has {bridges}, counted from 0")]
    NoBridge {
        /// The number asked for.
        asked: usize,
        /// How many there are.
        bridges: usize,
    },
}

/// How to make a switch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwitchSpec {
    /// How many bridges, called `br0`, `br1`, …; a bridge takes 1,023 ports.
    pub bridges: usize,
    /// How long a learned address is kept, in seconds; 0 makes a hub.
    pub ageing_seconds: u32,
    /// Whether the bridges separate VLANs themselves; not every kernel can.
    pub vlan_filtering: bool,
    /// How the switch's namespace behaves.
    pub namespace: NamespaceOptions,
}

impl Default for SwitchSpec {
    fn default() -> Self {
        Self {
            bridges: 1,
            ageing_seconds: 300,
            vlan_filtering: false,
            namespace: NamespaceOptions::default(),
        }
    }
}

/// One bridge of a switch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bridge {
    /// Its name.
    pub name: String,
    /// Its interface index.
    pub index: u32,
}

/// A port of a switch: a device in a bridge, and the end that belongs to a virtual machine.
#[derive(Debug, Clone)]
pub struct SwitchPort {
    /// Name of the device in the bridge, as libvirt would call it: `vnet0`, …
    pub device: String,
    /// Interface index of the device in the bridge.
    pub index: u32,
    /// Number of the bridge.
    pub bridge: usize,
    /// The virtual machine's MAC: `52:54:00:…`, the last three bytes counting from 1.
    pub mac: [u8; 6],
    /// Where the virtual machine's end is.
    pub end_namespace: Namespace,
    /// Name of the virtual machine's end.
    pub end_device: String,
    /// Interface index of the virtual machine's end, in its namespace.
    pub end_index: u32,
}

impl SwitchPort {
    /// Opens the virtual machine's end as a wire.
    pub fn open(&self) -> Result<RawPort, PortError> {
        RawPort::open(&self.end_namespace, &self.end_device, self.end_index)
    }

    /// Counts marked frames that reach the virtual machine's end; see [`MarkerCounter::open`].
    pub fn count(&self, marker: Option<u32>) -> Result<MarkerCounter, PortError> {
        MarkerCounter::open(
            &self.end_namespace,
            &self.end_device,
            self.end_index,
            marker,
        )
    }
}

/// A namespace with bridges, and a second one where the ports' far ends are.
pub struct Switch {
    namespace: Namespace,
    ends: Namespace,
    links: Links,
    bridges: Vec<Bridge>,
    settler: Settler,
    next: AtomicU32,
}

impl Switch {
    /// One bridge, `br0`, otherwise as [`SwitchSpec::default`].
    pub fn new() -> Result<Self, SwitchError> {
        Self::with(&SwitchSpec::default())
    }

    /// Makes a switch to order.
    pub fn with(spec: &SwitchSpec) -> Result<Self, SwitchError> {
        let namespace = Namespace::with(spec.namespace)?;
        let links = Links::open(&namespace)?;
        let mut bridges = Vec::new();
        for number in 0..spec.bridges {
            let name = format!("br{number}");
            let [.., high, low] = u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes();
            let index = links.add_bridge(&BridgeSpec {
                name: name.clone(),
                mac: [0x02, 0xb0, 0, 0, high, low],
                ageing_seconds: spec.ageing_seconds,
                vlan_filtering: spec.vlan_filtering,
            })?;
            bridges.push(Bridge { name, index });
        }
        Ok(Self {
            namespace,
            ends: Namespace::new()?,
            links,
            bridges,
            settler: Settler::new()?,
            next: AtomicU32::new(0),
        })
    }

    /// Where the bridges are, and where the program under test belongs.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Where the far ends of ports are, unless they were plugged in with [`Switch::plug`].
    pub fn ends(&self) -> &Namespace {
        &self.ends
    }

    /// The bridges, in order.
    pub fn bridges(&self) -> &[Bridge] {
        &self.bridges
    }

    /// Devices of the switch's namespace.
    pub fn links(&self) -> &Links {
        &self.links
    }

    /// Adds one port to bridge 0.
    pub fn add_port(&self) -> Result<SwitchPort, SwitchError> {
        let namespace = self.ends.clone();
        self.plug(0, &namespace, None)
    }

    /// Adds `count` ports to a bridge: a thousand take a fraction of a second.
    pub fn add_ports(&self, bridge: usize, count: u32) -> Result<Vec<SwitchPort>, SwitchError> {
        let ends = self.ends.clone();
        let first = self.next.fetch_add(count, Ordering::Relaxed);
        let mut ports: Vec<SwitchPort> = (first..first.saturating_add(count))
            .map(|number| draft(number, bridge, &ends, None))
            .collect();
        self.make(&mut ports)?;
        Ok(ports)
    }

    /// Adds a port to a bridge whose far end goes into `namespace`, under the name `end_device` if given.
    pub fn plug(
        &self,
        bridge: usize,
        namespace: &Namespace,
        end_device: Option<&str>,
    ) -> Result<SwitchPort, SwitchError> {
        self.plug_as(self.draft(bridge, namespace, end_device))
    }

    /// The next port as [`Switch::plug`] would make it, to be changed and given to [`Switch::plug_as`].
    pub fn draft(
        &self,
        bridge: usize,
        namespace: &Namespace,
        end_device: Option<&str>,
    ) -> SwitchPort {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        draft(number, bridge, namespace, end_device)
    }

    /// One of the bridges, counted from 0.
    pub fn bridge(&self, number: usize) -> Result<&Bridge, SwitchError> {
        self.bridges.get(number).ok_or(SwitchError::NoBridge {
            asked: number,
            bridges: self.bridges.len(),
        })
    }

    /// Adds a port exactly as described; the indices in `port` are ignored and come back filled in.
    pub fn plug_as(&self, port: SwitchPort) -> Result<SwitchPort, SwitchError> {
        let mut ports = [port];
        self.make(&mut ports)?;
        let [port] = ports;
        Ok(port)
    }

    /// Removes ports: their devices vanish at both ends.
    pub fn unplug(&self, ports: &[SwitchPort]) -> Result<(), SwitchError> {
        let indices: Vec<u32> = ports.iter().map(|port| port.index).collect();
        Ok(self.links.remove(&indices)?)
    }

    /// Hears everything that arrives at [`Switch::ends`].
    pub fn listen(&self) -> Result<Listener, SwitchError> {
        Ok(Listener::open(&self.ends)?)
    }

    /// Returns when everything that the calling thread sent so far was delivered or dropped, including what the
    /// switch sent in answer: see [`Settler::settle`].
    pub fn settle(&self) -> Result<(), SwitchError> {
        Ok(self.settler.settle()?)
    }

    /// The settler, for a thread of its own.
    pub fn settler(&self) -> &Settler {
        &self.settler
    }

    /// Sends a frame, settles, and returns what each of `receivers` has received.
    ///
    /// The calling thread stays on its CPU meanwhile, so frames that it sent earlier without settling may still be on
    /// their way from another; and what was waiting at the receivers before is returned too.
    pub fn exchange(
        &self,
        from: &RawPort,
        frame: &[u8],
        receivers: &mut [&mut RawPort],
    ) -> Result<Vec<Vec<Vec<u8>>>, SwitchError> {
        let _pinned = PinnedThread::here().map_err(SettleError::System)?;
        from.send(frame)?;
        self.settle()?;
        let received = receivers.iter_mut().map(|port| port.drain());
        Ok(received.collect::<Result<_, _>>()?)
    }

    fn make(&self, ports: &mut [SwitchPort]) -> Result<(), SwitchError> {
        let mut pairs = Vec::new();
        for port in ports.iter() {
            let bridge = self.bridge(port.bridge)?;
            let [_, rest @ ..] = port.mac;
            let [b, c, d, e, f] = rest;
            let near = VethEnd {
                namespace: None,
                name: &port.device,
                // As libvirt does: the host's end must differ from the guest's.
                mac: [0xfe, b, c, d, e, f],
                upper: Some(bridge.index),
            };
            let far = VethEnd {
                namespace: Some(&port.end_namespace),
                name: &port.end_device,
                mac: port.mac,
                upper: None,
            };
            pairs.push((near, far));
        }
        let made = self.links.add_veths(&pairs)?;
        for (port, (near, far)) in ports.iter_mut().zip(made) {
            (port.index, port.end_index) = (near, far);
        }
        Ok(())
    }
}

fn draft(
    number: u32,
    bridge: usize,
    namespace: &Namespace,
    end_device: Option<&str>,
) -> SwitchPort {
    let [_, high, middle, low] = number.saturating_add(1).to_be_bytes();
    SwitchPort {
        device: format!("vnet{number}"),
        index: 0,
        bridge,
        mac: [0x52, 0x54, 0x00, high, middle, low],
        end_namespace: namespace.clone(),
        end_device: end_device.map_or_else(|| format!("end{number}"), str::to_owned),
        end_index: 0,
    }
}
