//! Machines that behave like small virtual machines: a namespace with `eth0`, addresses, servers, and questions such as
//! "can it reach that port". Knows the standard library's sockets; leaves frames to [`crate::raw_port`].

use crate::link::{LinkError, Links, VethEnd};
use crate::namespace::{Namespace, NamespaceError, NamespaceOptions};
use crate::ping::{self, PingError};
use crate::server::Server;
use crate::switch::{Switch, SwitchError, SwitchPort};
use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

/// Why a machine could not be made or used.
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    /// Its namespace failed.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// Its port failed.
    #[error(transparent)]
    Switch(#[from] SwitchError),
    /// Its device failed.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// Its device could not be made to send real checksums.
    #[error("cannot turn off checksum offload of {device}: {source}")]
    Offload {
        /// The device.
        device: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// A server could not listen.
    #[error("cannot serve {protocol} port {port} in the machine: {source}")]
    Serve {
        /// `TCP` or `UDP`.
        protocol: &'static str,
        /// The port.
        port: u16,
        /// What the kernel said.
        source: io::Error,
    },
    /// A question could not be asked at all, so it has no answer.
    #[error("cannot try {what}: {source}")]
    Try {
        /// What was to be tried.
        what: String,
        /// What the kernel said.
        source: io::Error,
    },
}

/// An address with its prefix length.
pub type MachineAddress = (IpAddr, u8);

/// How to make a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineSpec {
    /// The switch's end of its port, such as `vnet0`; `None` chooses the next free name.
    pub device: Option<String>,
    /// The MAC of its `eth0`; `None` chooses the next.
    pub mac: Option<[u8; 6]>,
    /// Its addresses.
    pub addresses: Vec<MachineAddress>,
    /// Whether it has an IPv6 link-local address, as a real one does, and sends the multicast reports that come with it.
    pub link_local: bool,
}

/// A machine on a switch. It answers pings and neighbour discovery by itself.
pub struct Machine {
    namespace: Namespace,
    port: SwitchPort,
    addresses: Vec<MachineAddress>,
    servers: Vec<Server>,
}

/// What came of an attempt to reach something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// It answered.
    Answered,
    /// Somebody said no: a TCP reset, or an ICMP "port unreachable".
    Refused,
    /// A router or filter said that it cannot be reached or must not be.
    Unreachable,
    /// Nobody said anything in time.
    Silent,
}

impl Machine {
    /// Plugs a machine into a bridge of `switch`.
    pub fn new(switch: &Switch, bridge: usize, spec: &MachineSpec) -> Result<Self, MachineError> {
        let namespace = Namespace::with(NamespaceOptions {
            ipv6: true,
            ..NamespaceOptions::default()
        })?;
        if !spec.link_local {
            // IN6_ADDR_GEN_MODE_NONE
            namespace.set_parameter("ipv6/conf/default/addr_gen_mode", "1")?;
        }
        let mut port = switch.draft(bridge, &namespace, Some("eth0"));
        if let Some(device) = &spec.device {
            port.device.clone_from(device);
        }
        port.mac = spec.mac.unwrap_or(port.mac);
        let port = switch.plug_as(port)?;
        namespace
            .disable_transmit_offload("eth0")
            .map_err(|source| MachineError::Offload {
                device: "eth0".to_owned(),
                source,
            })?;
        let links = Links::open(&namespace)?;
        for &(address, prefix) in &spec.addresses {
            links.add_address(port.end_index, address, prefix)?;
        }
        Ok(Self {
            namespace,
            port,
            addresses: spec.addresses.clone(),
            servers: Vec::new(),
        })
    }

    /// Its namespace.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Its port on the switch.
    pub fn port(&self) -> &SwitchPort {
        &self.port
    }

    /// The addresses it was made with.
    pub fn addresses(&self) -> &[MachineAddress] {
        &self.addresses
    }

    /// Answers TCP connections to `port` on all addresses: whatever comes in is sent back.
    pub fn serve_tcp(&mut self, port: u16) -> Result<(), MachineError> {
        let server = Server::tcp(&self.namespace, port);
        self.keep(server, "TCP", port)
    }

    /// Answers UDP datagrams to `port` on all addresses by sending them back.
    pub fn serve_udp(&mut self, port: u16) -> Result<(), MachineError> {
        let server = Server::udp(&self.namespace, port);
        self.keep(server, "UDP", port)
    }

    fn keep(
        &mut self,
        server: io::Result<Server>,
        protocol: &'static str,
        port: u16,
    ) -> Result<(), MachineError> {
        self.servers
            .push(server.map_err(|source| MachineError::Serve {
                protocol,
                port,
                source,
            })?);
        Ok(())
    }

    /// Opens a TCP connection from this machine; reading and writing it wait for at most `timeout`.
    pub fn connect_tcp(&self, to: SocketAddr, timeout: Duration) -> io::Result<TcpStream> {
        self.namespace.run(|| {
            let stream = TcpStream::connect_timeout(&to, timeout)?;
            stream.set_read_timeout(Some(timeout))?;
            stream.set_write_timeout(Some(timeout))?;
            Ok(stream)
        })
    }

    /// Tries to open a TCP connection from this machine.
    pub fn reach_tcp(&self, to: SocketAddr, timeout: Duration) -> Result<Reach, MachineError> {
        let tried = self.connect_tcp(to, timeout).map(drop);
        judge(tried, || format!("a TCP connection to {to}"))
    }

    /// Sends a UDP datagram from this machine and waits for the echo.
    pub fn reach_udp(&self, to: SocketAddr, timeout: Duration) -> Result<Reach, MachineError> {
        let tried = self.namespace.run(|| {
            let socket = match to {
                SocketAddr::V4(_) => UdpSocket::bind("0.0.0.0:0")?,
                SocketAddr::V6(_) => UdpSocket::bind("[::]:0")?,
            };
            // Connected, so that the kernel reports ICMP errors.
            socket.connect(to)?;
            socket.set_read_timeout(Some(timeout))?;
            socket.send(b"moat")?;
            socket.recv(&mut [0; 16]).map(drop)
        });
        judge(tried, || format!("a UDP datagram to {to}"))
    }

    /// Sends one ping from this machine and waits for the reply.
    pub fn ping(&self, to: IpAddr, timeout: Duration) -> Result<Reach, PingError> {
        self.namespace.run(|| ping::ping(to, timeout))
    }
}

fn judge(tried: io::Result<()>, what: impl Fn() -> String) -> Result<Reach, MachineError> {
    use io::ErrorKind::{
        ConnectionRefused, HostUnreachable, NetworkUnreachable, PermissionDenied, TimedOut,
        WouldBlock,
    };
    match tried {
        Ok(()) => Ok(Reach::Answered),
        Err(error) => match error.kind() {
            ConnectionRefused => Ok(Reach::Refused),
            // PermissionDenied: ICMPv6 "administratively prohibited" becomes EACCES.
            HostUnreachable | NetworkUnreachable | PermissionDenied => Ok(Reach::Unreachable),
            TimedOut | WouldBlock => Ok(Reach::Silent),
            _ => Err(MachineError::Try {
                what: what(),
                source: error,
            }),
        },
    }
}

/// Joins a bridge of one switch to a bridge of another by a wire, as two hosts' uplinks; `device` is its name at both.
pub fn join(
    one: (&Switch, usize),
    other: (&Switch, usize),
    device: &str,
) -> Result<(u32, u32), MachineError> {
    let (near, far) = (one.0.bridge(one.1)?, other.0.bridge(other.1)?);
    let end = |namespace, last, upper| VethEnd {
        namespace,
        name: device,
        mac: [0x02, 0xe0, 0, 0, 0, last],
        upper,
    };
    let wire = [(
        end(None, 1, Some(near.index)),
        end(Some(other.0.namespace()), 2, None),
    )];
    let indices = one.0.links().add_veths(&wire)?;
    let (Some(&pair), Some((_, second))) = (indices.first(), wire.first()) else {
        return Err(LinkError::Missing(device.to_owned()).into());
    };
    other.0.links().set_upper(pair.1, far.index)?;
    let second = VethEnd {
        namespace: None,
        ..*second
    };
    other.0.links().await_carriers(&[second])?;
    Ok(pair)
}
